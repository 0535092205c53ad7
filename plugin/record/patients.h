/* patients: what stands for a patient in the record, in its topics too, and for a name that is nobody's. Pure. */
#ifndef PULLCORD_PATIENTS_H
#define PULLCORD_PATIENTS_H

#include "crypt.h"
#include "cur.h"
#include "places.h"

#define PATIENT_ID_MAX 64           /* bytes of an id that count */

/* The first 16 bytes of an HMAC by the installation's root key; in entries again by the key of their year (years.h). Without
 * all keys nobody can tell who it is, not even by trying all ids there are; who has them finds a patient by the id. */
#define PATIENT_PSEUDONYM_BYTES 16
#define PATIENT_KEYS_MAX 2
struct patients {
	uint8_t key[PATIENT_KEYS_MAX][SHA256_BYTES];
	size_t keys;                /* one after another */
};
/* By the root key alone: for what is on its way to the record, and what was recorded before there were keys of years. Wipe it with
 * crypt_wipe(). */
void patients_init(struct patients *p, const uint8_t root[AEAD_KEY_BYTES]);
/* By one key more. */
void patients_then(struct patients *p, const uint8_t key[SHA256_BYTES]);
/* Of the first PATIENT_ID_MAX bytes. */
void patient_pseudonym(const struct patients *p, struct span id, uint8_t out[PATIENT_PSEUDONYM_BYTES]);

/* The same as a word among our own, which no id can be: "~" and 32 hexadecimal digits. */
#define PATIENT_WORD (1 + 2 * PATIENT_PSEUDONYM_BYTES + 1)
const char *patient_word(const struct patients *p, struct span id, char out[PATIENT_WORD]);
const char *patient_word_of(const uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES], char out[PATIENT_WORD]);
/* Back from what a text begins with; false: it is none. */
bool patient_word_read(struct span text, uint8_t out[PATIENT_PSEUDONYM_BYTES]) MUST_USE;
/* Takes the text up to the end of the next one. False: there is none. */
bool patient_word_next(struct span *text, uint8_t out[PATIENT_PSEUDONYM_BYTES]) MUST_USE;

/* Is there such a word? */
bool patient_words_in(struct span text);
/* Of each of patients_init() in the text makes the one by all keys of *p, which begin with the same one. What is left of one
 * where the text was cut goes, but for its "~". */
void patient_renew(const struct patients *p, char *text);

/* The level of a topic or filter that names a patient as our own grammar has it (places.h). Empty: none does. Borrows. */
struct span patient_in_topic(struct span topic);
/* Appends the topic with words in all places (NULL: of our grammar alone) for whom they name, unless there is one already. What
 * each gains: at most PATIENT_GAIN. */
#define PATIENT_GAIN (PATIENT_WORD - 2)
void patient_conceal(const struct patients *p, const struct places *more, struct span topic, struct put *out);

#endif

/* patients: what stands for a patient in the record, and for a name that is nobody's. Pure. */
#ifndef PULLCORD_PATIENTS_H
#define PULLCORD_PATIENTS_H

#include "crypt.h"

#define PATIENT_ID_MAX 64           /* bytes of an id that count */

/* The first 16 bytes of an HMAC under a key derived from the root key. Without that key nobody can tell who it is, not even
 * by trying all ids there are; who has it finds a patient by the id. */
#define PATIENT_PSEUDONYM_BYTES 16
struct patients {
	uint8_t key[SHA256_BYTES];
};
/* `root`: the installation's. Wipe it with crypt_wipe(). */
void patients_init(struct patients *p, const uint8_t root[AEAD_KEY_BYTES]);
/* Of the first PATIENT_ID_MAX bytes. */
void patient_pseudonym(const struct patients *p, struct span id, uint8_t out[PATIENT_PSEUDONYM_BYTES]);

/* The same as a word among our own, which no id can be: "~" and 32 hexadecimal digits. */
#define PATIENT_WORD (1 + 2 * PATIENT_PSEUDONYM_BYTES + 1)
const char *patient_word(const struct patients *p, struct span id, char out[PATIENT_WORD]);
/* Back from what follows "patient=" in such a text; false: it is none. */
bool patient_word_read(struct span text, uint8_t out[PATIENT_PSEUDONYM_BYTES]) MUST_USE;

#endif

/* ref: one word that names an alert and where its answer goes, so that answering it needs nothing else:
 *
 *     icu3/icu3-nc1/AZRk…   unit / device / base64url (RFC 4648 §5) of message id, 16 bytes, and key, 16 bytes
 *
 * Pure. */
#ifndef PULLCORD_REF_H
#define PULLCORD_REF_H

#include "id.h"
#include "topic.h"

#define REF_KEY_BYTES 16
#define REF_TEXT (2 * (WORD_BYTES_MAX + 1) + 44)

struct ref {
	char unit[WORD_BYTES_MAX + 1], device[WORD_BYTES_MAX + 1];
	struct id id;
	uint8_t key[REF_KEY_BYTES];
};

void ref_write(const struct ref *r, char out[REF_TEXT]);
/* ERR_SYNTAX */
enum err ref_read(struct span text, struct ref *out) MUST_USE;

#endif

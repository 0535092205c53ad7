/* keyring: the data keys of an outbox, and what is sealed with them. Each start makes one, kept in the file wrapped by the
 * root key; a value is the number of its key, the id of what it is, and the record sealed, bound to its table and its key
 * there. */
#ifndef PULLCORD_KEYRING_H
#define PULLCORD_KEYRING_H

#include "outbox.h"
#include "store.h"
#include "vault.h"

#define KEYRING_HEAD_BYTES (4 + ID_BYTES)
#define KEYRING_VALUE_MAX (KEYRING_HEAD_BYTES + OUTBOX_RECORD_MAX + VAULT_EXTRA)

struct keyring {
	struct data_key {
		uint32_t number;
		struct vault vault;
	} *key;                         /* the last is this start's */
	size_t n;
};

/* Those of earlier starts, into one that is all zeros; and one for this start. ERR_KEY: another root key wrapped them. */
enum err keyring_load(struct keyring *r, struct txn *t, unsigned table, const struct vault *root) MUST_USE;
enum err keyring_add(struct keyring *r, struct txn *t, unsigned table, const struct vault *root) MUST_USE;
/* From the file, so that nothing it sealed can be read any more after the next start. */
enum err keyring_destroy(const struct keyring *r, struct txn *t, unsigned table, size_t i) MUST_USE;
void keyring_clear(struct keyring *r);

/* `clear` has at most OUTBOX_RECORD_MAX bytes; *out points into `value`. */
enum err keyring_seal(const struct keyring *r, unsigned table, struct span key, const struct id *id, struct span clear,
		      uint8_t value[KEYRING_VALUE_MAX], struct span *out) MUST_USE;
/* *clear points into `out`, which has room for OUTBOX_RECORD_MAX. ERR_KEY: by none of these keys, or not at this place;
 * ERR_CORRUPT. */
enum err keyring_open(const struct keyring *r, unsigned table, struct span key, struct span value, struct id *id,
		      uint8_t *out, struct span *clear) MUST_USE;
/* What a value says of itself, unsealed: not to be believed. False: it is too short. */
bool keyring_id(struct span value, struct id *out);
uint32_t keyring_number(struct span value);

#endif

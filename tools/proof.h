/* proof: that an entry is in the record, as a file that can be checked without the record: a C2SP tlog-proof
 * (https://c2sp.org/tlog-proof), whose extra line carries the entry itself.
 *
 *     c2sp.org/tlog-proof@v1
 *     extra base64(1 | entry)                        or base64(2 | record key, 32 | entry): a disclosure, which opens it
 *     index 4711
 *     base64(hash), one a line, from the leaf's sibling up
 *
 *     checkpoint, a signed note
 *
 * Pure. */
#ifndef PULLCORD_PROOF_H
#define PULLCORD_PROOF_H

#include "seal.h"

#define PROOF_BYTES_MAX 131072

struct proof {
	uint64_t index;
	bool has_key;
	uint8_t key[AEAD_KEY_BYTES];    /* of this record alone; secret from all but who may read it */
	size_t entry_n, hashes, note_n;
	uint8_t entry[ENTRY_BYTES_MAX];
	struct hash hash[TREE_PROOF_MAX];
	char note[NOTE_BYTES_MAX];
};

/* ERR_VERSION: not a file of this kind; ERR_SYNTAX, ERR_TOO_LARGE. Nothing is believed yet. */
enum err proof_read(struct span text, struct proof *out) MUST_USE;
void proof_write(const struct proof *p, struct put *out);

/* Is the entry in the tree that `pub` signed under that origin? ERR_KEY: the signature is not theirs, or the hashes do not
 * lead from the entry to the signed root (*signature tells them apart); ERR_RANGE, ERR_SYNTAX. */
enum err proof_check(const struct proof *p, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], struct checkpoint *out,
		     bool *signature) MUST_USE;

#endif

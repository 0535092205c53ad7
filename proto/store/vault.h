/* vault: sealed values at rest. One root key (a file of 64 hex digits, mode 0600 or stricter), one key for each
 * purpose derived from it, AES-256-GCM with random nonces (< 2^32 values for each purpose). A stored counter is never
 * part of a nonce: a restored file would repeat it.
 *
 *     sealed = nonce, 12 | ciphertext | tag, 16
 */
#ifndef PULLCORD_VAULT_H
#define PULLCORD_VAULT_H

#include "crypt.h"

#define VAULT_EXTRA (AEAD_NONCE_BYTES + AEAD_TAG_BYTES)

struct vault {
	uint8_t key[AEAD_KEY_BYTES];
};

/* Reads the root key file. ERR_NOT_FOUND (also when it is empty: the power went as it was made), ERR_DENIED (others may read it, or
 * not ours), ERR_SYNTAX. */
enum err vault_root(const char *path, uint8_t root[AEAD_KEY_BYTES]) MUST_USE;
/* Makes a new root key file, 0600, which survives a power cut. ERR_EXISTS, and those of whole_make(). */
enum err vault_make_root(const char *path) MUST_USE;

void vault_init(struct vault *v, const uint8_t root[AEAD_KEY_BYTES], const char *purpose);
void vault_clear(struct vault *v);

/* `out` takes text.n + VAULT_EXTRA, and back text.n - VAULT_EXTRA. `aad` says where the value belongs. ERR_KEY: it is
 * not what was sealed there. */
enum err vault_seal(const struct vault *v, struct span aad, struct span text, uint8_t *out) MUST_USE;
enum err vault_open(const struct vault *v, struct span aad, struct span sealed, uint8_t *out) MUST_USE;

#endif

/* forward: the forward-secure line under the checkpoints of a log: a signature by a key that is gone soon after. Whoever takes the
 * log's machine later, with every key on it, cannot make the lines of before anew; anybody can check them, with nothing secret.
 *
 *     seed i + 1   HMAC(seed i, "fs1 next"); seed 0 is random, and each is erased when the next one is in use
 *     secret i     HMAC(seed i, "fs1 sig"): the Ed25519 key of epoch i
 *     root         of the RFC 6962 tree over the 2^depth public keys, which the log announces (seal.h)
 *     line         "— " name " " base64(key id, 4 | epoch, u32 | public key, 32 | its path to the root, 32 a level
 *                  | signature, 64) "\n"
 *
 * The signature is over the note's text; the name is the log's; the key id is SHA-256(name | 0x0A | 0xff | "pullcord fs1" |
 * root)[:4], of a type that other verifiers pass over (https://c2sp.org/signed-note). With 2^16 keys the line has 612 bytes
 * beside its id. What lines must follow one another is line_check.h's. Pure. */
#ifndef PULLCORD_FORWARD_H
#define PULLCORD_FORWARD_H

#include "note.h"

#define FORWARD_DEPTH_MIN 2
#define FORWARD_DEPTH_MAX 16
#define FORWARD_SEED_BYTES 32

/* What is announced of a line. */
struct forward_root {
	uint8_t depth;                  /* it has 2^depth epochs */
	struct hash hash;
};
static inline uint32_t forward_epochs(unsigned depth) { return 1u << depth; }

/* The public side of one epoch. */
struct forward_key {
	uint32_t epoch;
	uint8_t pub[SIGN_KEY_BYTES];
	struct hash path[FORWARD_DEPTH_MAX];    /* of its leaf, from below */
};

/* The public keys of a line, in order. */
typedef uint8_t forward_pub[SIGN_KEY_BYTES];

/* In place; what it was is gone. The public key of an epoch's seed: ERR_CRYPTO. */
void forward_seed_next(uint8_t seed[FORWARD_SEED_BYTES]);
enum err forward_public(const uint8_t seed[FORWARD_SEED_BYTES], forward_pub pub) MUST_USE;

/* Of all the keys: their root, and epoch 0. */
void forward_first(const forward_pub *pub, unsigned depth, struct forward_root *root, struct forward_key *out);
/* The one after `now`, which was the last: ERR_RANGE. Of `pub` only the keys after now's are looked at. ERR_KEY: they do not lead
 * to the root. */
enum err forward_next(const struct forward_root *root, const struct forward_key *now, const forward_pub *pub,
		      struct forward_key *out) MUST_USE;
/* Does it lead to the root? ERR_KEY, ERR_RANGE. */
enum err forward_fits(const struct forward_root *root, const struct forward_key *k) MUST_USE;

/* Appends the line for that text. ERR_TOO_LARGE, ERR_SYNTAX (the name), ERR_CRYPTO. */
enum err forward_sign(struct span text, struct span name, const struct forward_root *root, const struct forward_key *k,
		      const uint8_t seed[FORWARD_SEED_BYTES], struct put *out) MUST_USE;
/* The line of that root under a note. ERR_NOT_FOUND: there is none; ERR_EXISTS: there are two; ERR_KEY: its key is not of the
 * root, or did not sign this; ERR_SYNTAX. */
enum err forward_check(struct span note, struct span name, const struct forward_root *root, uint32_t *epoch) MUST_USE;

#endif

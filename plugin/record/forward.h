/* forward: the forward-secure line of the record. Every minute an entry marks the tree so far with a key that then moves on
 * one way and is overwritten: who takes the machine later cannot make the marks of before anew, and so not rewrite what
 * they cover, unnoticed by whoever holds the initial key, which is kept elsewhere.
 *
 *     key 0       32 random bytes: the initial key
 *     id          HMAC(key 0, "alog line id v1")
 *     mark n      HMAC(key n, "alog line mark v1" | SHA-256(origin) | n, u64 | at, u64 (µs) | size, u64 | root)
 *                 over the entries before it; numbers leave no gap
 *     key n + 1   HMAC(key n, "alog line next v1")
 *
 * What it does not do: whoever can check marks can make them, so the initial key is for somebody apart from those who run
 * the machine. What came after the newest mark is not covered. A record that is set back to a mark and left alone there
 * looks whole to who has nothing but the initial key; going on from there needs a key that is gone.
 *
 * The key of now lies in a file of two slots, 512 bytes each:
 *
 *     slot        n, u64 | id, 32 | key n, 32 | SHA-256(of these)[:8] | zeros
 *
 * The next one is written to the other slot and flushed before the one before is overwritten with zeros: a crash leaves
 * one of them or both, never none. Leave the file out of backups. On flash and on file systems that copy on write old
 * blocks may live on below. */
#ifndef PULLCORD_FORWARD_H
#define PULLCORD_FORWARD_H

#include "tree.h"

#define FORWARD_KEY_BYTES SHA256_BYTES
#define FORWARD_SLOT_BYTES 512
#define FORWARD_TEXT_MAX 96
#define FORWARD_STEPS_MAX (1u << 26)       /* a mark a minute for more than a century */

/* ---- keys and marks; pure ---- */

struct forward_key {
	uint64_t n;
	uint8_t id[SHA256_BYTES], key[FORWARD_KEY_BYTES];
};

void forward_key_init(struct forward_key *k, const uint8_t initial[FORWARD_KEY_BYTES]);
/* On to key n. ERR_RANGE: it is behind, or more than FORWARD_STEPS_MAX ahead. */
enum err forward_key_go(struct forward_key *k, uint64_t n) MUST_USE;
void forward_mark(const struct forward_key *k, struct span origin, int64_t at_us, uint64_t size, const struct hash *root,
	       uint8_t mac[SHA256_BYTES]);

/* The initial key as a line of text, with its newline; and back, blank lines and those that begin with '#' apart.
 * ERR_SYNTAX. */
void forward_text_write(const uint8_t initial[FORWARD_KEY_BYTES], char out[FORWARD_TEXT_MAX]);
enum err forward_text_read(struct span text, uint8_t initial[FORWARD_KEY_BYTES]) MUST_USE;

/* ---- the file ---- */

struct forward;

/* Begins a line: writes key 0 and overwrites what the file held. ERR_NOT_FOUND (folder), ERR_DENIED, ERR_FULL, ERR_IO. */
enum err forward_begin(const char *path, const uint8_t initial[FORWARD_KEY_BYTES]) MUST_USE;
/* ERR_NOT_FOUND, ERR_DENIED, ERR_IO; ERR_CORRUPT: no key is in it, or two that are not of one line. */
enum err forward_open(const char *path, struct forward **out) MUST_USE;
void forward_close(struct forward **l);

const struct forward_key *forward_now(const struct forward *l);
/* On to key n: when OK, no earlier one is in the file. After a failure it is to be called again before the line is used.
 * ERR_RANGE; ERR_FULL, ERR_IO. */
enum err forward_go(struct forward *l, uint64_t n) MUST_USE;

/* The number of the key in the file, and (unless NULL) its line's id, read beside its writer. Errors as forward_open(). */
enum err forward_peek(const char *path, uint64_t *n, uint8_t id[SHA256_BYTES]) MUST_USE;

#endif

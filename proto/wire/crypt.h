/* crypt: the few primitives everything else is made of, on OpenSSL 3 (the only file that includes its EVP).
 * The cipher is fetched once, by crypt_init(), which every program calls first. Safe from several threads: every thread
 * that calls gets its own context.
 * ERR_CRYPTO: the library refused, which is a fault of the installation. ERR_KEY: a tag or signature does not fit. */
#ifndef PULLCORD_CRYPT_H
#define PULLCORD_CRYPT_H

#include "err.h"
#include "span.h"

#define SHA256_BYTES 32
#define AEAD_KEY_BYTES 32     /* AES-256-GCM */
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES 16
#define SIGN_KEY_BYTES 32     /* Ed25519, RFC 8032; the secret key is the seed */
#define SIGN_BYTES 64

enum err crypt_init(void) MUST_USE;

/* Random bytes, in a child of fork(2) others than in its parent; aborts when the library has none to give. */
void crypt_random(void *out, size_t n);
/* Overwrites, and is not optimised away. */
void crypt_wipe(void *p, size_t n);
/* Constant time over n bytes. */
bool crypt_same(const void *a, const void *b, size_t n);

/* SHA-256 over up to 4 pieces (FIPS 180-4). */
void sha256(const struct span *piece, size_t n, uint8_t out[SHA256_BYTES]);
#define SHA256(out, ...) sha256((const struct span[]){ __VA_ARGS__ }, \
	sizeof((const struct span[]){ __VA_ARGS__ }) / sizeof(struct span), out)

/* HMAC-SHA-256, key of any length up to 64 bytes (RFC 2104). Also serves as key derivation with a label. */
void hmac256(struct span key, const struct span *piece, size_t n, uint8_t out[SHA256_BYTES]);
#define HMAC256(out, key, ...) hmac256(key, (const struct span[]){ __VA_ARGS__ }, \
	sizeof((const struct span[]){ __VA_ARGS__ }) / sizeof(struct span), out)

/* The same for many texts under one key: what the key alone costs is paid once. As secret as the key. */
struct hmac_key {
	uint32_t inner[8], outer[8];
};
void hmac_key_init(struct hmac_key *k, struct span key);
void hmac256_by(const struct hmac_key *k, const struct span *piece, size_t n, uint8_t out[SHA256_BYTES]);
#define HMAC256_BY(out, key, ...) hmac256_by(key, (const struct span[]){ __VA_ARGS__ }, \
	sizeof((const struct span[]){ __VA_ARGS__ }) / sizeof(struct span), out)

/* AES-256-GCM. `out` takes text.n + AEAD_TAG_BYTES (seal) or text.n - AEAD_TAG_BYTES (open), tag last. */
enum err aead_seal(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad,
		   struct span text, uint8_t *out) MUST_USE;
enum err aead_open(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad,
		   struct span text, uint8_t *out) MUST_USE;

/* Seals under one key, whose cost and that of a context are paid when it is made: sealing allocates nothing and asks the system for
 * nothing, in whatever thread; in one at a time. As secret as the key. ERR_FULL, ERR_CRYPTO. */
struct sealer;
enum err sealer_open(const uint8_t key[AEAD_KEY_BYTES], struct sealer **out) MUST_USE;
void sealer_close(struct sealer **s);
/* As aead_seal(). A nonce may never come again under a key. */
enum err sealer_seal(struct sealer *s, const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad, struct span text,
		     uint8_t *out) MUST_USE;

/* Ed25519 over raw keys. */
enum err sign_public(const uint8_t secret[SIGN_KEY_BYTES], uint8_t pub[SIGN_KEY_BYTES]) MUST_USE;
enum err sign_make(const uint8_t secret[SIGN_KEY_BYTES], struct span text, uint8_t out[SIGN_BYTES]) MUST_USE;
enum err sign_check(const uint8_t pub[SIGN_KEY_BYTES], struct span text, const uint8_t sig[SIGN_BYTES]) MUST_USE;

/* Base64 with padding (RFC 4648 §4), strict. `out` holds 4 * ((n + 2) / 3) + 1; decode returns the length or -1. */
void base64_encode(struct span s, char *out);
long base64_decode(struct span text, uint8_t *out, size_t cap);
struct put;
void put_base64(struct put *out, struct span s);   /* appends it */

#endif

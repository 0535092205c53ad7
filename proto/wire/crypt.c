/* The digest is used as OpenSSL 1.1 had it: through EVP of 3.0 every digest allocates, looks its parameters up by name and
 * takes three times as long for the short texts that a record is made of. Its name is a macro of ours. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "crypt.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "cur.h"

static EVP_CIPHER *gcm256;

/* A context is kept by each thread and freed when it ends: setting one up costs more than a short text. */
static _Thread_local EVP_CIPHER_CTX *cipher;

static void cipher_drop(void *unused)
{
	(void)unused;
	EVP_CIPHER_CTX_free(cipher);
	cipher = NULL;
}

static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Each call of the library takes locks and asks for the process's number, which costs more than the bytes of a nonce: small
 * pieces are asked for many at a time. */
#define SMALL_MAX 16
static _Thread_local struct {
	uint8_t b[32 * AEAD_NONCE_BYTES];
	size_t left;
} ahead;

/* What the parent has in stock, a child of fork(2) must not use, too: it has only the thread that called. */
static void ahead_drop(void)
{
	OPENSSL_cleanse(&ahead, sizeof(ahead));
}

static void fetch(void)
{
	gcm256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	must(pthread_key_create(&at_thread_end, cipher_drop) == 0);
	must(pthread_atfork(NULL, NULL, ahead_drop) == 0);
}

static void drop_all(void)
{
	cipher_drop(NULL);
	EVP_CIPHER_free(gcm256);
	gcm256 = NULL;
}

enum err crypt_init(void)
{
	static bool registered;

	/* Paho's threads may still be in a handshake when the process ends: nothing is torn down under them. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
	must(pthread_once(&once, fetch) == 0);
	if (!registered)
		registered = atexit(drop_all) == 0;
	return gcm256 ? OK : ERR_CRYPTO;
}

/* A context keeps its algorithm: naming it again at each use makes the library throw the context's inside away, and make
 * another. */
static EVP_CIPHER_CTX *cipher_ctx(void)
{
	if (!cipher) {
		must(gcm256);   /* crypt_init() was not called */
		cipher = EVP_CIPHER_CTX_new();
		must(cipher && pthread_setspecific(at_thread_end, &cipher) == 0);
		must(EVP_CipherInit_ex2(cipher, gcm256, NULL, NULL, 1, NULL) == 1);
	}
	return cipher;
}

static void random_fresh(void *out, size_t n) { must(RAND_bytes(out, (int)n) == 1); }

/* What was handed out is not left behind. */
static void random_small(void *out, size_t n)
{
	if (ahead.left < n) {
		must(pthread_once(&once, fetch) == 0);
		random_fresh(ahead.b, sizeof(ahead.b));
		ahead.left = sizeof(ahead.b);
	}
	ahead.left -= n;
	memcpy(out, ahead.b + ahead.left, n);
	memset(ahead.b + ahead.left, 0, n);
}

void crypt_random(void *out, size_t n) { (n <= SMALL_MAX ? random_small : random_fresh)(out, n); }

void crypt_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

bool crypt_same(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

static void digest(SHA256_CTX *c, const struct span *piece, size_t n, uint8_t out[SHA256_BYTES])
{
	for (size_t i = 0; i < n; i++)
		must(SHA256_Update(c, piece[i].p, piece[i].n) == 1);
	must(SHA256_Final(out, c) == 1);
}

void sha256(const struct span *piece, size_t n, uint8_t out[SHA256_BYTES])
{
	SHA256_CTX c;

	must(SHA256_Init(&c) == 1);
	digest(&c, piece, n, out);
}

/* The state after one block of the key under `mask`. */
static void pad_key(struct span key, uint8_t mask, uint32_t state[8])
{
	uint8_t pad[SHA256_CBLOCK];
	SHA256_CTX c;

	memset(pad, mask, sizeof(pad));
	for (size_t i = 0; i < key.n; i++)
		pad[i] ^= key.p[i];
	must(SHA256_Init(&c) == 1);
	SHA256_Transform(&c, pad);
	memcpy(state, c.h, sizeof(c.h));
	crypt_wipe(pad, sizeof(pad));
	crypt_wipe(&c, sizeof(c));
}

static void after_pad(SHA256_CTX *c, const uint32_t state[8])
{
	must(SHA256_Init(c) == 1);
	memcpy(c->h, state, sizeof(c->h));
	c->Nl = SHA256_CBLOCK * 8;
}

/* As RFC 2104 has it: EVP_MAC costs ten times as much for a short text. */
void hmac_key_init(struct hmac_key *k, struct span key)
{
	must(key.n <= SHA256_CBLOCK);
	pad_key(key, 0x36, k->inner);
	pad_key(key, 0x5c, k->outer);
}

void hmac256_by(const struct hmac_key *k, const struct span *piece, size_t n, uint8_t out[SHA256_BYTES])
{
	SHA256_CTX c;

	after_pad(&c, k->inner);
	digest(&c, piece, n, out);
	after_pad(&c, k->outer);
	digest(&c, &(struct span){ out, SHA256_BYTES }, 1, out);
	crypt_wipe(&c, sizeof(c));
}

void hmac256(struct span key, const struct span *piece, size_t n, uint8_t out[SHA256_BYTES])
{
	struct hmac_key k;

	hmac_key_init(&k, key);
	hmac256_by(&k, piece, n, out);
	crypt_wipe(&k, sizeof(k));
}

/* `key` NULL: the context has it. */
static enum err seal_by(EVP_CIPHER_CTX *c, const uint8_t *key, const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad,
			struct span text, uint8_t *out)
{
	OSSL_PARAM tag[] = { OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + text.n, AEAD_TAG_BYTES), OSSL_PARAM_END };
	int n;

	must(text.n < INT32_MAX && aad.n < INT32_MAX);
	if (EVP_EncryptInit_ex2(c, NULL, key, nonce, NULL) != 1 ||
	    EVP_EncryptUpdate(c, NULL, &n, aad.p, (int)aad.n) != 1 ||
	    (text.n && EVP_EncryptUpdate(c, out, &n, text.p, (int)text.n) != 1) ||
	    EVP_EncryptFinal_ex(c, out + text.n, &n) != 1 ||
	    EVP_CIPHER_CTX_get_params(c, tag) != 1)
		return ERR_CRYPTO;
	return OK;
}

enum err aead_seal(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad,
		   struct span text, uint8_t *out)
{
	return seal_by(cipher_ctx(), key, nonce, aad, text, out);
}

/* It is a context of the library's, and nothing else. */
static EVP_CIPHER_CTX *context_of(struct sealer *s) { return (EVP_CIPHER_CTX *)(void *)s; }

enum err sealer_open(const uint8_t key[AEAD_KEY_BYTES], struct sealer **out)
{
	CLEANUP(sealer_close) struct sealer *s = (struct sealer *)(void *)EVP_CIPHER_CTX_new();

	must(gcm256);   /* crypt_init() was not called */
	if (!s)
		return ERR_FULL;
	if (EVP_EncryptInit_ex2(context_of(s), gcm256, key, NULL, NULL) != 1)
		return ERR_CRYPTO;
	*out = s;
	s = NULL;
	return OK;
}

void sealer_close(struct sealer **s)
{
	EVP_CIPHER_CTX_free(context_of(*s));
	*s = NULL;
}

enum err sealer_seal(struct sealer *s, const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad, struct span text, uint8_t *out)
{
	return seal_by(context_of(s), NULL, nonce, aad, text, out);
}

enum err aead_open(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES], struct span aad,
		   struct span text, uint8_t *out)
{
	EVP_CIPHER_CTX *c = cipher_ctx();
	size_t body = text.n - AEAD_TAG_BYTES;
	uint8_t tag[AEAD_TAG_BYTES];
	OSSL_PARAM set[] = { OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, sizeof(tag)), OSSL_PARAM_END };
	int n;

	if (text.n < AEAD_TAG_BYTES)
		return ERR_SHORT;
	if (text.n >= INT32_MAX)
		return ERR_TOO_LARGE;
	memcpy(tag, text.p + body, sizeof(tag));
	if (EVP_DecryptInit_ex2(c, NULL, key, nonce, set) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &n, aad.p, (int)aad.n) != 1 ||
	    (body && EVP_DecryptUpdate(c, out, &n, text.p, (int)body) != 1))
		return ERR_CRYPTO;
	if (EVP_DecryptFinal_ex(c, out + body, &n) != 1) {
		crypt_wipe(out, body);
		return ERR_KEY;
	}
	return OK;
}

static void pkey_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
	*key = NULL;
}

static void md_free(EVP_MD_CTX **md)
{
	EVP_MD_CTX_free(*md);
	*md = NULL;
}

enum err sign_public(const uint8_t secret[SIGN_KEY_BYTES], uint8_t pub[SIGN_KEY_BYTES])
{
	CLEANUP(pkey_free) EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, SIGN_KEY_BYTES);
	size_t n = SIGN_KEY_BYTES;

	return key && EVP_PKEY_get_raw_public_key(key, pub, &n) == 1 ? OK : ERR_CRYPTO;
}

enum err sign_make(const uint8_t secret[SIGN_KEY_BYTES], struct span text, uint8_t out[SIGN_BYTES])
{
	CLEANUP(pkey_free) EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, SIGN_KEY_BYTES);
	CLEANUP(md_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t n = SIGN_BYTES;

	if (!key || !md || EVP_DigestSignInit(md, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(md, out, &n, text.p, text.n) != 1)
		return ERR_CRYPTO;
	return OK;
}

enum err sign_check(const uint8_t pub[SIGN_KEY_BYTES], struct span text, const uint8_t sig[SIGN_BYTES])
{
	CLEANUP(pkey_free) EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, SIGN_KEY_BYTES);
	CLEANUP(md_free) EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (!key || !md || EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) != 1)
		return ERR_CRYPTO;
	return EVP_DigestVerify(md, sig, SIGN_BYTES, text.p, text.n) == 1 ? OK : ERR_KEY;
}

void base64_encode(struct span s, char *out)
{
	must(s.n < INT32_MAX);
	EVP_EncodeBlock((uint8_t *)out, s.p, (int)s.n);
}

void put_base64(struct put *out, struct span s)
{
	char text[64];

	/* By pieces of a multiple of 3. */
	for (size_t at = 0; at < s.n; at += 42) {
		base64_encode(span(s.p + at, s.n - at < 42 ? s.n - at : 42), text);
		put_str(out, text);
	}
}

/* EVP_DecodeBlock takes blanks at both ends and stray padding: check the alphabet first, and that it encodes back. */
long base64_decode(struct span text, uint8_t *out, size_t cap)
{
	size_t pads = 0, n = text.n / 4 * 3;
	uint8_t block[3], again[5];

	if (text.n == 0)
		return 0;
	if (text.n % 4 || text.n >= INT32_MAX)
		return -1;
	while (pads < 2 && text.p[text.n - 1 - pads] == '=')
		pads++;
	if (n - pads > cap)
		return -1;
	for (size_t i = 0; i < text.n; i += 4) {
		size_t take = i + 4 == text.n ? 3 - pads : 3;

		if (EVP_DecodeBlock(block, text.p + i, 4) != 3)
			return -1;
		EVP_EncodeBlock(again, block, (int)take);
		if (memcmp(again, text.p + i, 4) != 0)
			return -1;
		memcpy(out + i / 4 * 3, block, take);
	}
	return (long)(n - pads);
}

#include <errno.h>
#include <fcntl.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kek.h"      /* after OpenSSL's, which declares a function SHA256 */
#include "whole.h"

#define CREDENTIAL "credential:"
#define FILE_MAX 4096               /* a key of RSA-16384 wraps into 2048 bytes */
#define PLACE_MAX 512

static void store_drop(OSSL_STORE_CTX **s) { OSSL_STORE_close(*s); }
static void info_drop(OSSL_STORE_INFO **i) { OSSL_STORE_INFO_free(*i); }
static void pkey_drop(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void ctx_drop(EVP_PKEY_CTX **c) { EVP_PKEY_CTX_free(*c); }

bool kek_is_credential(const char *where) { return strncmp(where, CREDENTIAL, strlen(CREDENTIAL)) == 0; }

static enum err place_of(const char *where, char out[PLACE_MAX])
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *name = where + strlen(CREDENTIAL);
	int n;

	if (!kek_is_credential(where))
		n = snprintf(out, PLACE_MAX, "%s", where);
	else if (!folder || !name[0] || strchr(name, '/'))
		return ERR_NOT_FOUND;
	else
		n = snprintf(out, PLACE_MAX, "%s/%s", folder, name);
	return n > 0 && n < PLACE_MAX ? OK : ERR_TOO_LARGE;
}

static enum err file_read(const char *where, uint8_t *out, size_t *n)
{
	CLEANUP(fd_cleanup) int fd = -1;
	char path[PLACE_MAX];
	struct stat st;
	ssize_t got;

	TRY(place_of(where, path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	/* A credential's group bits may be the mask of an access list; its folder is ours alone. */
	if (st.st_mode & (kek_is_credential(where) ? 07 : 077) || (geteuid() && st.st_uid && st.st_uid != geteuid()))
		return ERR_DENIED;
	got = read(fd, out, FILE_MAX);
	if (got < 0)
		return ERR_IO;
	*n = (size_t)got;
	return got || kek_is_credential(where) ? OK : ERR_NOT_FOUND;
}

static enum err load_key(const char *uri, EVP_PKEY **out)
{
	CLEANUP(store_drop) OSSL_STORE_CTX *s = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);

	while (s && !*out && !OSSL_STORE_eof(s)) {
		CLEANUP(info_drop) OSSL_STORE_INFO *i = OSSL_STORE_load(s);

		if (!i && OSSL_STORE_error(s))
			break;
		if (i && OSSL_STORE_INFO_get_type(i) == OSSL_STORE_INFO_PKEY)
			*out = OSSL_STORE_INFO_get1_PKEY(i);
	}
	return *out ? OK : ERR_KEY;
}

/* Encrypts for the key, or decrypts with it. */
static enum err crypt_with(const char *uri, bool open, struct span in, uint8_t *out, size_t *n)
{
	CLEANUP(pkey_drop) EVP_PKEY *key = NULL;
	CLEANUP(ctx_drop) EVP_PKEY_CTX *c = NULL;

	TRY(load_key(uri, &key));
	c = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (!c || (open ? EVP_PKEY_decrypt_init(c) : EVP_PKEY_encrypt_init(c)) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_oaep_md_name(c, "SHA2-256", NULL) <= 0)
		return ERR_KEY;
	return (open ? EVP_PKEY_decrypt(c, out, n, in.p, in.n) : EVP_PKEY_encrypt(c, out, n, in.p, in.n)) > 0 ? OK : ERR_KEY;
}

static enum err unwrap_root(const char *uri, struct span wrapped, uint8_t root[AEAD_KEY_BYTES])
{
	uint8_t clear[FILE_MAX];
	size_t n = sizeof(clear);
	enum err e = crypt_with(uri, true, wrapped, clear, &n);

	if (e == OK && n != AEAD_KEY_BYTES)
		e = ERR_SYNTAX;
	if (e == OK)
		memcpy(root, clear, AEAD_KEY_BYTES);
	crypt_wipe(clear, sizeof(clear));
	return e;
}

enum err kek_load(const char *where, const char *unwrap, uint8_t root[AEAD_KEY_BYTES])
{
	uint8_t bytes[FILE_MAX];
	size_t n;
	enum err e;

	TRY(file_read(where, bytes, &n));
	if (unwrap[0])
		return unwrap_root(unwrap, span(bytes, n), root);
	if (n && bytes[n - 1] == '\n')
		n--;
	e = n == 2 * AEAD_KEY_BYTES && hex_decode(span(bytes, n), root, AEAD_KEY_BYTES) ? OK : ERR_SYNTAX;
	crypt_wipe(bytes, sizeof(bytes));
	return e;
}

enum err kek_make(const char *where, const char *unwrap)
{
	uint8_t root[AEAD_KEY_BYTES], bytes[FILE_MAX];
	size_t n = sizeof(bytes);
	enum err e = OK;

	if (kek_is_credential(where))
		return ERR_DENIED;
	crypt_random(root, sizeof(root));
	if (unwrap[0]) {
		e = crypt_with(unwrap, false, span(root, sizeof(root)), bytes, &n);
	} else {
		hex_encode(span(root, sizeof(root)), (char *)bytes);
		n = 2 * AEAD_KEY_BYTES;
		bytes[n++] = '\n';
	}
	if (e == OK)
		e = whole_make(where, span(bytes, n));
	crypt_wipe(root, sizeof(root));
	crypt_wipe(bytes, sizeof(bytes));
	return e;
}

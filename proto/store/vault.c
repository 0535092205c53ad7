#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "whole.h"

enum err vault_root(const char *path, uint8_t root[AEAD_KEY_BYTES])
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t text[2 * AEAD_KEY_BYTES + 2];
	struct stat st;
	ssize_t n;
	bool good;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
	/* Root may use the key it gave to the broker's user; anybody else only their own or root's. */
	if (fstat(fd, &st) != 0 || (st.st_mode & 077) || (geteuid() != 0 && st.st_uid != 0 && st.st_uid != geteuid()))
		return ERR_DENIED;
	n = read(fd, text, sizeof(text));
	if (n == 0)
		return ERR_NOT_FOUND;
	if (n > 0 && text[n - 1] == '\n')
		n--;
	good = n == 2 * AEAD_KEY_BYTES && hex_decode(span(text, (size_t)n), root, AEAD_KEY_BYTES);
	crypt_wipe(text, sizeof(text));
	return good ? OK : ERR_SYNTAX;
}

enum err vault_make_root(const char *path)
{
	uint8_t root[AEAD_KEY_BYTES];
	char text[2 * AEAD_KEY_BYTES + 1];
	enum err e;

	crypt_random(root, sizeof(root));
	hex_encode(span(root, sizeof(root)), text);
	text[2 * AEAD_KEY_BYTES] = '\n';
	e = whole_make(path, span(text, sizeof(text)));
	crypt_wipe(root, sizeof(root));
	crypt_wipe(text, sizeof(text));
	return e;
}

void vault_init(struct vault *v, const uint8_t root[AEAD_KEY_BYTES], const char *purpose)
{
	HMAC256(v->key, span(root, AEAD_KEY_BYTES), SPAN_LIT("pullcord vault v1|"), span_str(purpose));
}

void vault_clear(struct vault *v)
{
	crypt_wipe(v, sizeof(*v));
}

enum err vault_seal(const struct vault *v, struct span aad, struct span text, uint8_t *out)
{
	crypt_random(out, AEAD_NONCE_BYTES);
	return aead_seal(v->key, out, aad, text, out + AEAD_NONCE_BYTES);
}

enum err vault_open(const struct vault *v, struct span aad, struct span sealed, uint8_t *out)
{
	if (sealed.n < VAULT_EXTRA)
		return ERR_SHORT;
	return aead_open(v->key, sealed.p, aad, span(sealed.p + AEAD_NONCE_BYTES, sealed.n - AEAD_NONCE_BYTES), out);
}

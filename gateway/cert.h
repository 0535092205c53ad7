/* cert: what the gateway's own certificate says of it. The only file of the gateway that reads X.509. */
#ifndef PULLCORD_CERT_H
#define PULLCORD_CERT_H

#include "topic.h"

struct cert {
	char device[WORD_BYTES_MAX + 1];     /* CN */
	char tenant[WORD_BYTES_MAX + 1];     /* of the SAN URI urn:pullcord:<tenant>:device:<CN>; empty without one */
	int64_t not_before_s, not_after_s;
};

/* The first certificate of a PEM file. ERR_NOT_FOUND, ERR_DENIED, ERR_SYNTAX (no certificate, or not one CN that is a
 * word). */
enum err cert_read(const char *path, struct cert *out) MUST_USE;
/* Does the private key in `path` belong to the certificate? ERR_KEY when not; else as cert_read. */
enum err cert_check_key(const char *cert_path, const char *key_path) MUST_USE;
/* Is it for logging in to a server, and says so? ERR_KIND; else as cert_read. */
enum err cert_check_use(const char *cert_path) MUST_USE;
/* Does a CA of the PEM file `ca_path`, or one between that lies in the file of the certificate, stand behind it? Whatever the time
 * is. ERR_SENDER: none of them; ERR_SYNTAX: there is no certificate in `ca_path`; else as cert_read. */
enum err cert_check_issuer(const char *cert_path, const char *ca_path) MUST_USE;
/* Its DER, and what its private key signs of `text` (ECDSA or RSA with SHA-256, or Ed25519): what is said by them, others
 * can prove. ERR_TOO_LARGE, ERR_CRYPTO; else as cert_read. */
#define CERT_DER_MAX 4096
#define CERT_SIGN_MAX 1024
struct cert_signed {
	uint8_t der[CERT_DER_MAX], sig[CERT_SIGN_MAX];
	size_t der_n, sig_n;
};
enum err cert_sign(const char *cert_path, const char *key_path, struct span text, struct cert_signed *out) MUST_USE;
/* For cmp.h: both, as OpenSSL has them, given to the caller; as PEM. Of a chain, all that a file holds. Errors as cert_read;
 * ERR_CRYPTO, ERR_TOO_LARGE. */
struct x509_st;
struct evp_pkey_st;
struct stack_st_X509;
#define CERT_PEM_MAX 16384
enum err cert_load(const char *cert_path, const char *key_path, struct x509_st **cert, struct evp_pkey_st **key) MUST_USE;
enum err cert_load_chain(const char *path, struct stack_st_X509 **out) MUST_USE;
enum err cert_pem(const struct stack_st_X509 *chain, char out[CERT_PEM_MAX], size_t *n) MUST_USE;
enum err cert_key_pem(struct evp_pkey_st *key, char out[CERT_PEM_MAX], size_t *n) MUST_USE;
/* Whole days until it ends; 0 when it has. */
uint32_t cert_days_left(const struct cert *c, int64_t now_s);

#endif

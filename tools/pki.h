/* pki: the certificates of an installation: one CA, the broker's certificate, one for each device. ECDSA P-256 with
 * SHA-256, X.509 v3 (RFC 5280), random serial numbers of 127 bits. Keys are PKCS#8 PEM, 0600; no file is overwritten.
 * The caller brings the time. Only file of the tool that includes OpenSSL's X.509.
 *
 * ERR_EXISTS: an output file is there; ERR_NOT_FOUND, ERR_DENIED: the CA's files; ERR_KEY: CA key and certificate do
 * not belong together; ERR_SYNTAX: they are not PEM, or a name is none; ERR_TIME: it would end after its CA;
 * ERR_CRYPTO. When one of a pair of output files cannot be written, neither is left. */
#ifndef PULLCORD_PKI_H
#define PULLCORD_PKI_H

#include "err.h"
#include "span.h"

#define PKI_CA_DAYS 3650
#define PKI_SERVER_DAYS 825     /* the longest that Apple's systems accept of a private CA, too */
#define PKI_DEVICE_DAYS 90
#define PKI_HOSTS_MAX 8
#define PKI_HOST_MAX 64         /* letters: ub-common-name of RFC 5280 */

struct pki_files {
	const char *cert, *key;
};

/* CN "Pullcord CA of <tenant>"; may sign certificates and CRLs, no CAs (path length 0). */
enum err pki_make_ca(const struct pki_files *out, const char *tenant, int64_t now_s) MUST_USE;
/* A host's name or address, by its letters. */
bool pki_host_ok(const char *host);
/* Names and IP addresses (told apart by their form) go into the SAN, the first is the CN too; serverAuth. */
enum err pki_make_server(const struct pki_files *ca, const struct pki_files *out, const char *const *host, size_t hosts,
			 int64_t now_s) MUST_USE;
/* CN = id, SAN URI urn:pullcord:<tenant>:device:<id>; clientAuth. days: 1 to 825, and not beyond the CA's own end. */
enum err pki_make_device(const struct pki_files *ca, const struct pki_files *out, const char *tenant, const char *id,
			 long days, int64_t now_s) MUST_USE;
/* The same, and it is good from from_s on at the earliest: not dated back to before then, as others are for clocks that are
 * behind. */
enum err pki_make_device_from(const struct pki_files *ca, const struct pki_files *out, const char *tenant, const char *id,
			      long days, int64_t now_s, int64_t from_s) MUST_USE;
/* A revocation list that revokes nobody yet. It ends with the CA, because a broker refuses every device once its list
 * is out of date; who is shut out at once is said by the directory. */
enum err pki_make_crl(const struct pki_files *ca, const char *path, int64_t now_s) MUST_USE;

struct pki_facts {
	char subject[80];               /* CN */
	uint8_t fingerprint[32];        /* SHA-256 of the certificate */
	int64_t not_after_s;
};
enum err pki_read(const char *cert, struct pki_facts *out) MUST_USE;

/* Did that device sign that text, with the key of a certificate the CA gave it, while it was good? */
struct pki_claim {
	const char *cafile, *tenant, *device;
	struct span certificate, text, signature;       /* DER; bytes; ECDSA or RSA with SHA-256, or Ed25519 */
	int64_t at_s;
};
/* ERR_KEY: the signature does not fit; ERR_DENIED: the certificate is not that CA's, or was not good then; ERR_SENDER: it
 * is another's; ERR_SYNTAX: it is none; ERR_NOT_FOUND: the CA's file. */
enum err pki_signed(const struct pki_claim *c) MUST_USE;

#endif

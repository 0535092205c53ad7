/* identity: what a client certificate says. A device is the one CN of its certificate, which must equal the SAN URI
 * urn:pullcord:<tenant>:device:<id>. The only file of the plugin that includes OpenSSL's X.509. */
#ifndef PULLCORD_IDENTITY_H
#define PULLCORD_IDENTITY_H

#include "topic.h"

struct identity {
	char tenant[WORD_BYTES_MAX + 1], id[WORD_BYTES_MAX + 1];
	uint8_t fingerprint[32];    /* SHA-256 of the certificate */
	int64_t not_before_s, not_after_s;  /* seconds since 1970 */
};

/* Why a certificate is not an identity of ours; texts for the record. */
enum certificate_fault {
	CERTIFICATE_GOOD,
	CERTIFICATE_CN_COUNT,       /* none, or more than one */
	CERTIFICATE_CN_TEXT,        /* not PrintableString or UTF8String, a NUL inside, or not [A-Za-z0-9._:-]{1,64} */
	CERTIFICATE_SAN,            /* no URI urn:pullcord:<tenant>:device:<id>, several, or other than the CN */
	CERTIFICATE_USAGE,          /* extended key usage without clientAuth */
	CERTIFICATE_CA,             /* a CA's own certificate */
	CERTIFICATE_TIME,           /* not yet or no longer valid at now_s */
	CERTIFICATE_NONE,           /* NULL, or not an X.509 certificate in DER */
	CERTIFICATE_FAULTS
};

/* `x509` is an X509 *, as mosquitto_client_certificate() gives it, or NULL; still the caller's. *out is written only
 * when the certificate is good. Needs crypt_init(). Pure but for OpenSSL, whose list of errors stays as it was. */
enum certificate_fault identity_read(void *x509, int64_t now_s, struct identity *out);
/* Of whatever certificate that is. False: it cannot be told. */
bool identity_fingerprint(void *x509, uint8_t out[32]);
void identity_release(void *x509);                        /* X509_free */
/* For tools and tests. */
enum certificate_fault identity_read_der(struct span der, int64_t now_s, struct identity *out);
/* When the first of the certificates, or revocation lists, of a PEM file ends: notAfter, nextUpdate; INT64_MAX: a list
 * without one. ERR_NOT_FOUND: it holds none; ERR_CORRUPT. On any thread. */
enum err identity_ends(struct span pem, bool lists, int64_t *out_s) MUST_USE;
const char *certificate_fault_text(enum certificate_fault f);

#endif

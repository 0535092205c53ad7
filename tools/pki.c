#include "pki.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cur.h"
#include "install.h"
#include "topic.h"

#define DAY_S 86400
#define BACKDATE_S 300          /* clocks of devices are a little behind */
#define PEM_BYTES_MAX 65536

/* Destroyers in the form CLEANUP wants. */
static void key_free(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void cert_free(X509 **c) { X509_free(*c); }
static void crl_free(X509_CRL **c) { X509_CRL_free(*c); }
static void bio_free(BIO **b) { BIO_free(*b); }
static void bn_free(BIGNUM **b) { BN_free(*b); }
static void ext_free(X509_EXTENSION **e) { X509_EXTENSION_free(*e); }
static void store_free(X509_STORE **s) { X509_STORE_free(*s); }
static void verify_free(X509_STORE_CTX **c) { X509_STORE_CTX_free(*c); }
static void digest_free(EVP_MD_CTX **c) { EVP_MD_CTX_free(*c); }
static void time_free(ASN1_TIME **t) { ASN1_TIME_free(*t); }

/* OpenSSL answers 1 for yes and at most 0 for no. */
#define TRY_SSL(expr)                                                                                                  \
	do {                                                                                                           \
		if ((expr) <= 0)                                                                                       \
			return ERR_CRYPTO;                                                                             \
	} while (0)

struct ca {
	X509 *cert;
	EVP_PKEY *key;
};

static void ca_free(struct ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
}

/* What kind of certificate: its extensions beside the SAN (RFC 5280 §4.2.1). */
struct profile {
	const char *constraints, *usage, *extended;
};

static const struct profile profile_ca = { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", NULL };
static const struct profile profile_server = { "critical,CA:FALSE", "critical,digitalSignature", "serverAuth" };
static const struct profile profile_device = { "critical,CA:FALSE", "critical,digitalSignature", "clientAuth" };

/* ---- files ------------------------------------------------------------------------------------------------------- */

static enum err write_pem(const char *path, BIO *pem, unsigned mode)
{
	char *text;
	long n = BIO_get_mem_data(pem, &text);

	return n > 0 ? install_write(path, span(text, (size_t)n), mode) : ERR_CRYPTO;
}

static enum err write_key(const char *path, EVP_PKEY *key)
{
	CLEANUP(bio_free) BIO *pem = BIO_new(BIO_s_secmem());

	TRY_SSL(pem && PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL));
	return write_pem(path, pem, 0600);
}

static enum err write_cert(const char *path, X509 *cert)
{
	CLEANUP(bio_free) BIO *pem = BIO_new(BIO_s_mem());

	TRY_SSL(pem && PEM_write_bio_X509(pem, cert));
	return write_pem(path, pem, 0644);
}

static enum err write_pair(const struct pki_files *out, X509 *cert, EVP_PKEY *key)
{
	enum err e;

	TRY(write_key(out->key, key));
	e = write_cert(out->cert, cert);
	if (e != OK)
		unlink(out->key);
	return e;
}

static enum err read_pem(const char *path, BIO **out)
{
	char *text = NULL;
	size_t n;
	enum err e;

	TRY(install_read(path, PEM_BYTES_MAX, &text, &n));
	*out = BIO_new(BIO_s_secmem());
	e = *out && (n == 0 || BIO_write(*out, text, (int)n) == (int)n) ? OK : ERR_CRYPTO;
	OPENSSL_cleanse(text, n);
	free_cleanup(&text);
	return e;
}

static enum err read_cert(const char *path, X509 **out)
{
	CLEANUP(bio_free) BIO *pem = NULL;

	TRY(read_pem(path, &pem));
	*out = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	return *out ? OK : ERR_SYNTAX;
}

/* An encrypted key is not asked for at the terminal: the empty passphrase does not open it. */
static enum err read_key(const char *path, EVP_PKEY **out)
{
	CLEANUP(bio_free) BIO *pem = NULL;
	char none[] = "";

	TRY(read_pem(path, &pem));
	*out = PEM_read_bio_PrivateKey(pem, NULL, NULL, none);
	return *out ? OK : ERR_SYNTAX;
}

static enum err read_ca(const struct pki_files *files, struct ca *ca)
{
	TRY(read_cert(files->cert, &ca->cert));
	TRY(read_key(files->key, &ca->key));
	return X509_check_private_key(ca->cert, ca->key) == 1 ? OK : ERR_KEY;
}

/* ---- certificates ------------------------------------------------------------------------------------------------ */

/* 127 random bits: positive, and at most 20 octets (RFC 5280 §4.1.2.2). */
static enum err set_serial(X509 *cert)
{
	CLEANUP(bn_free) BIGNUM *n = BN_new();

	TRY_SSL(n && BN_rand(n, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY));
	return BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) ? OK : ERR_CRYPTO;
}

static enum err set_times(X509 *cert, int64_t now_s, int64_t from_s, long days)
{
	const int64_t back_s = now_s - BACKDATE_S;

	if (!ASN1_TIME_set(X509_getm_notBefore(cert), back_s < from_s ? from_s : back_s) ||
	    !ASN1_TIME_set(X509_getm_notAfter(cert), now_s + days * DAY_S))
		return ERR_CRYPTO;
	return OK;
}

static enum err set_name(X509 *cert, const char *organisation, const char *common)
{
	X509_NAME *name = X509_get_subject_name(cert);

	TRY_SSL(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)organisation, -1, -1, 0));
	TRY_SSL(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common, -1, -1, 0));
	return OK;
}

static enum err add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	CLEANUP(ext_free) X509_EXTENSION *e = NULL;
	X509V3_CTX ctx;

	if (!value)
		return OK;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	TRY_SSL(e && X509_add_ext(cert, e, -1));
	return OK;
}

static enum err add_profile(X509 *cert, X509 *issuer, const struct profile *p, const char *san)
{
	TRY(add(cert, issuer, NID_basic_constraints, p->constraints));
	TRY(add(cert, issuer, NID_key_usage, p->usage));
	TRY(add(cert, issuer, NID_ext_key_usage, p->extended));
	TRY(add(cert, issuer, NID_subject_alt_name, san));
	TRY(add(cert, issuer, NID_subject_key_identifier, "hash"));
	return add(cert, issuer, NID_authority_key_identifier, issuer == cert ? NULL : "keyid:always");
}

/* What is said of one certificate; ca NULL: it signs itself. */
struct wish {
	const struct profile *profile;
	const char *organisation, *common, *san;
	long days;
	int64_t now_s, from_s;
};

static enum err fill(X509 *cert, EVP_PKEY *key, const struct ca *ca, const struct wish *w)
{
	X509 *issuer = ca ? ca->cert : cert;

	TRY_SSL(X509_set_version(cert, X509_VERSION_3));
	TRY(set_serial(cert));
	TRY(set_times(cert, w->now_s, w->from_s, w->days));
	TRY(set_name(cert, w->organisation, w->common));
	TRY_SSL(X509_set_issuer_name(cert, X509_get_subject_name(issuer)));
	TRY_SSL(X509_set_pubkey(cert, key));
	TRY(add_profile(cert, issuer, w->profile, w->san));
	TRY_SSL(X509_sign(cert, ca ? ca->key : key, EVP_sha256()));
	return OK;
}

static enum err make(const struct pki_files *ca_files, const struct pki_files *out, const struct wish *w)
{
	CLEANUP(ca_free) struct ca ca = { 0 };
	CLEANUP(key_free) EVP_PKEY *key = EVP_EC_gen("P-256");
	CLEANUP(cert_free) X509 *cert = X509_new();
	time_t end = w->now_s + w->days * DAY_S;

	if (!key || !cert)
		return ERR_CRYPTO;
	if (ca_files)
		TRY(read_ca(ca_files, &ca));
	if (ca_files && X509_cmp_time(X509_get0_notAfter(ca.cert), &end) < 0)
		return ERR_TIME;
	TRY(fill(cert, key, ca_files ? &ca : NULL, w));
	return write_pair(out, cert, key);
}

enum err pki_make_ca(const struct pki_files *out, const char *tenant, int64_t now_s)
{
	char common[100];

	if (!word_ok(span_str(tenant)))
		return ERR_SYNTAX;
	/* ub-common-name of RFC 5280 is 64: a long tenant stands in O alone */
	snprintf(common, sizeof(common), "Pullcord CA of %s", tenant);
	if (strlen(common) > 64)
		snprintf(common, sizeof(common), "Pullcord CA");
	return make(NULL, out, &(struct wish){ &profile_ca, tenant, common, NULL, PKI_CA_DAYS, now_s, 0 });
}

static bool is_address(const char *host)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);

	ASN1_OCTET_STRING_free(ip);
	return ip != NULL;
}

/* The text becomes part of an extension's description, where ',' would start another. */
bool pki_host_ok(const char *host)
{
	size_t n = strlen(host);

	return n > 0 && n <= PKI_HOST_MAX &&
	       strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-") == n;
}

enum err pki_make_server(const struct pki_files *ca, const struct pki_files *out, const char *const *host, size_t hosts,
			 int64_t now_s)
{
	char san[PKI_HOSTS_MAX * 72];
	struct put list = put(san, sizeof(san) - 1);

	if (hosts == 0 || hosts > PKI_HOSTS_MAX)
		return ERR_RANGE;
	for (size_t i = 0; i < hosts; i++) {
		if (!pki_host_ok(host[i]))
			return ERR_SYNTAX;
		put_fmt(&list, "%s%s:%s", i ? "," : "", is_address(host[i]) ? "IP" : "DNS", host[i]);
	}
	TRY(put_end(&list));
	san[list.n] = '\0';
	return make(ca, out, &(struct wish){ &profile_server, "Pullcord", host[0], san, PKI_SERVER_DAYS, now_s, 0 });
}

enum err pki_make_device_from(const struct pki_files *ca, const struct pki_files *out, const char *tenant, const char *id,
			      long days, int64_t now_s, int64_t from_s)
{
	char san[200];

	if (!word_ok(span_str(tenant)) || !word_ok(span_str(id)))
		return ERR_SYNTAX;
	if (days < 1 || days > PKI_SERVER_DAYS)
		return ERR_RANGE;
	snprintf(san, sizeof(san), "URI:urn:pullcord:%s:device:%s", tenant, id);
	return make(ca, out, &(struct wish){ &profile_device, tenant, id, san, days, now_s, from_s });
}

enum err pki_make_device(const struct pki_files *ca, const struct pki_files *out, const char *tenant, const char *id,
			 long days, int64_t now_s)
{
	return pki_make_device_from(ca, out, tenant, id, days, now_s, 0);
}

/* ---- revocation list --------------------------------------------------------------------------------------------- */

static enum err fill_crl(X509_CRL *crl, const struct ca *ca, int64_t now_s)
{
	CLEANUP(time_free) ASN1_TIME *from = ASN1_TIME_set(NULL, now_s - BACKDATE_S);

	TRY_SSL(from && X509_CRL_set_version(crl, X509_CRL_VERSION_2));
	TRY_SSL(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)));
	TRY_SSL(X509_CRL_set1_lastUpdate(crl, from));
	TRY_SSL(X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(ca->cert)));
	TRY_SSL(X509_CRL_sign(crl, ca->key, EVP_sha256()));
	return OK;
}

enum err pki_make_crl(const struct pki_files *ca_files, const char *path, int64_t now_s)
{
	CLEANUP(ca_free) struct ca ca = { 0 };
	CLEANUP(crl_free) X509_CRL *crl = X509_CRL_new();
	CLEANUP(bio_free) BIO *pem = BIO_new(BIO_s_mem());

	if (!crl || !pem)
		return ERR_CRYPTO;
	TRY(read_ca(ca_files, &ca));
	TRY(fill_crl(crl, &ca, now_s));
	TRY_SSL(PEM_write_bio_X509_CRL(pem, crl));
	return write_pem(path, pem, 0644);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

enum err pki_read(const char *path, struct pki_facts *out)
{
	CLEANUP(cert_free) X509 *cert = NULL;
	struct pki_facts f = { 0 };
	struct tm end = { 0 };

	TRY(read_cert(path, &cert));
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, f.subject, sizeof(f.subject));
	TRY_SSL(X509_digest(cert, EVP_sha256(), f.fingerprint, NULL));
	TRY_SSL(ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end));
	f.not_after_s = timegm(&end);
	*out = f;
	return OK;
}

/* ---- what a device signed ---------------------------------------------------------------------------------------- */

static enum err check_issued(X509 *cert, const char *cafile, int64_t at_s)
{
	CLEANUP(store_free) X509_STORE *store = X509_STORE_new();
	CLEANUP(verify_free) X509_STORE_CTX *c = X509_STORE_CTX_new();

	TRY_SSL(store && c);
	if (X509_STORE_load_file(store, cafile) != 1)
		return ERR_NOT_FOUND;
	TRY_SSL(X509_STORE_CTX_init(c, store, cert, NULL));
	X509_STORE_CTX_set_time(c, 0, (time_t)at_s);
	TRY_SSL(X509_STORE_CTX_set_purpose(c, X509_PURPOSE_SSL_CLIENT));
	return X509_verify_cert(c) == 1 ? OK : ERR_DENIED;
}

/* As the CA of a hospital names its devices: one CN, the id, and the tenant in the SAN's URI. */
static enum err check_name(X509 *cert, const char *tenant, const char *device)
{
	X509_NAME *name = X509_get_subject_name(cert);
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char cn[80], want[200];
	bool found = false;

	snprintf(want, sizeof(want), "urn:pullcord:%s:device:%s", tenant, device);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		found = found || (n->type == GEN_URI &&
				  span_is(span(ASN1_STRING_get0_data(n->d.ia5), (size_t)ASN1_STRING_length(n->d.ia5)), want));
	}
	GENERAL_NAMES_free(names);
	return found && X509_NAME_get_text_by_NID(name, NID_commonName, cn, sizeof(cn)) == (int)strlen(device) &&
		       strcmp(cn, device) == 0 ? OK : ERR_SENDER;
}

static enum err check_signature(X509 *cert, struct span text, struct span sig)
{
	CLEANUP(digest_free) EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const EVP_MD *md = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();

	TRY_SSL(c && key && EVP_DigestVerifyInit(c, NULL, md, NULL, key));
	return EVP_DigestVerify(c, sig.p, sig.n, text.p, text.n) == 1 ? OK : ERR_KEY;
}

enum err pki_signed(const struct pki_claim *c)
{
	const uint8_t *at = c->certificate.p;
	CLEANUP(cert_free) X509 *cert = d2i_X509(NULL, &at, (long)c->certificate.n);

	if (!cert || at != c->certificate.p + c->certificate.n)
		return ERR_SYNTAX;
	TRY(check_issued(cert, c->cafile, c->at_s));
	TRY(check_name(cert, c->tenant, c->device));
	return check_signature(cert, c->text, c->signature);
}

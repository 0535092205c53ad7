#include "cert.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>


static void x509_drop(X509 **x) { X509_free(*x); }
static void pkey_drop(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void digest_drop(EVP_MD_CTX **c) { EVP_MD_CTX_free(*c); }
static void bio_drop(BIO **b) { BIO_free(*b); }
static void names_drop(GENERAL_NAMES **n) { GENERAL_NAMES_free(*n); }
static void file_drop(FILE **f)
{
	if (*f)
		fclose(*f);
}

static enum err open_file(const char *path, FILE **out)
{
	*out = fopen(path, "re");
	if (*out)
		return OK;
	return errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED;
}

static enum err load(const char *path, X509 **out)
{
	CLEANUP(file_drop) FILE *f = NULL;

	TRY(open_file(path, &f));
	*out = PEM_read_X509(f, NULL, NULL, NULL);
	return *out ? OK : ERR_SYNTAX;
}

static enum err read_cn(X509 *x, char out[WORD_BYTES_MAX + 1])
{
	X509_NAME *name = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	ASN1_STRING *s = at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	struct span cn = s ? span(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)) : span(NULL, 0);

	if (!word_ok(cn) || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return ERR_SYNTAX;
	return span_text(cn, out, WORD_BYTES_MAX + 1) ? OK : ERR_SYNTAX;
}

/* urn:pullcord:<tenant>:device:<id>; an id may itself hold colons, a tenant here may not. */
static void tenant_of(struct span uri, const char *device, char out[WORD_BYTES_MAX + 1])
{
	struct span rest, tenant;

	if (!span_is(span_cut(uri, ':', &rest), "urn") || !span_is(span_cut(rest, ':', &rest), "pullcord"))
		return;
	tenant = span_cut(rest, ':', &rest);
	if (span_is(span_cut(rest, ':', &rest), "device") && span_is(rest, device) && word_ok(tenant) &&
	    !span_text(tenant, out, WORD_BYTES_MAX + 1))
		out[0] = '\0';
}

static void read_tenant(X509 *x, struct cert *c)
{
	CLEANUP(names_drop) GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *s = n->d.ia5;

		if (n->type == GEN_URI)
			tenant_of(span(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)), c->device, c->tenant);
	}
}

static enum err read_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return ERR_SYNTAX;
	*out = timegm(&tm);
	return OK;
}

enum err cert_read(const char *path, struct cert *out)
{
	CLEANUP(x509_drop) X509 *x = NULL;
	struct cert c = { 0 };

	TRY(load(path, &x));
	TRY(read_cn(x, c.device));
	read_tenant(x, &c);
	TRY(read_time(X509_get0_notBefore(x), &c.not_before_s));
	TRY(read_time(X509_get0_notAfter(x), &c.not_after_s));
	*out = c;
	return OK;
}

static enum err load_key(const char *path, EVP_PKEY **out)
{
	CLEANUP(file_drop) FILE *f = NULL;

	TRY(open_file(path, &f));
	*out = PEM_read_PrivateKey(f, NULL, NULL, (void *)"");   /* "": never ask for a passphrase on the terminal */
	return *out ? OK : ERR_SYNTAX;
}

enum err cert_check_key(const char *cert_path, const char *key_path)
{
	CLEANUP(x509_drop) X509 *x = NULL;
	CLEANUP(pkey_drop) EVP_PKEY *key = NULL;

	TRY(load(cert_path, &x));
	TRY(load_key(key_path, &key));
	return X509_check_private_key(x, key) == 1 ? OK : ERR_KEY;
}

/* Without any extended usage OpenSSL would take it for every one; our broker does not. */
enum err cert_check_use(const char *cert_path)
{
	CLEANUP(x509_drop) X509 *x = NULL;
	uint32_t use;

	TRY(load(cert_path, &x));
	use = X509_get_extended_key_usage(x);
	return use != UINT32_MAX && (use & XKU_SSL_CLIENT) && !(X509_get_extension_flags(x) & EXFLAG_CA) ? OK : ERR_KIND;
}

static void store_drop(X509_STORE **s) { X509_STORE_free(*s); }
static void verify_drop(X509_STORE_CTX **c) { X509_STORE_CTX_free(*c); }
static void chain_drop(STACK_OF(X509) **s) { sk_X509_pop_free(*s, X509_free); }

enum err cert_load_chain(const char *path, STACK_OF(X509) **out)
{
	CLEANUP(file_drop) FILE *f = NULL;

	TRY(open_file(path, &f));
	*out = sk_X509_new_null();
	for (X509 *x; *out && (x = PEM_read_X509(f, NULL, NULL, NULL));)
		sk_X509_push(*out, x);
	return *out ? OK : ERR_FULL;
}

enum err cert_check_issuer(const char *cert_path, const char *ca_path)
{
	CLEANUP(verify_drop) X509_STORE_CTX *c = X509_STORE_CTX_new();
	CLEANUP(store_drop) X509_STORE *cas = X509_STORE_new();
	CLEANUP(chain_drop) STACK_OF(X509) *chain = NULL;
	CLEANUP(x509_drop) X509 *x = NULL;

	TRY(load(cert_path, &x));
	TRY(cert_load_chain(cert_path, &chain));
	if (!c || !cas || X509_STORE_load_file(cas, ca_path) != 1)
		return ERR_SYNTAX;
	X509_STORE_set_flags(cas, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
	if (X509_STORE_CTX_init(c, cas, x, chain) != 1)
		return ERR_CRYPTO;
	return X509_verify_cert(c) == 1 ? OK : ERR_SENDER;
}

enum err cert_sign(const char *cert_path, const char *key_path, struct span text, struct cert_signed *out)
{
	CLEANUP(x509_drop) X509 *x = NULL;
	CLEANUP(pkey_drop) EVP_PKEY *key = NULL;
	CLEANUP(digest_drop) EVP_MD_CTX *c = EVP_MD_CTX_new();
	const EVP_MD *md;
	uint8_t *at = out->der;
	int n;

	TRY(load(cert_path, &x));
	TRY(load_key(key_path, &key));
	n = i2d_X509(x, NULL);
	if (n <= 0 || n > CERT_DER_MAX || EVP_PKEY_get_size(key) > CERT_SIGN_MAX)
		return ERR_TOO_LARGE;
	out->der_n = (size_t)i2d_X509(x, &at);
	out->sig_n = CERT_SIGN_MAX;
	md = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
	if (!c || EVP_DigestSignInit(c, NULL, md, NULL, key) != 1 ||
	    EVP_DigestSign(c, out->sig, &out->sig_n, text.p, text.n) != 1)
		return ERR_CRYPTO;
	return OK;
}

enum err cert_load(const char *cert_path, const char *key_path, X509 **cert, EVP_PKEY **key)
{
	TRY(load(cert_path, cert));
	return load_key(key_path, key);
}

static enum err take_pem(BIO *pem, int written, char out[CERT_PEM_MAX], size_t *n)
{
	char *text;
	long len = written == 1 ? BIO_get_mem_data(pem, &text) : 0;

	if (len <= 0)
		return ERR_CRYPTO;
	if (len >= CERT_PEM_MAX)
		return ERR_TOO_LARGE;
	memcpy(out, text, *n = (size_t)len);
	return OK;
}

enum err cert_pem(const STACK_OF(X509) *chain, char out[CERT_PEM_MAX], size_t *n)
{
	CLEANUP(bio_drop) BIO *pem = BIO_new(BIO_s_mem());
	int good = pem != NULL;

	for (int i = 0; i < sk_X509_num(chain); i++)
		good = good && PEM_write_bio_X509(pem, sk_X509_value(chain, i));
	return take_pem(pem, good, out, n);
}

enum err cert_key_pem(EVP_PKEY *key, char out[CERT_PEM_MAX], size_t *n)
{
	CLEANUP(bio_drop) BIO *pem = BIO_new(BIO_s_secmem());

	return take_pem(pem, pem ? PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) : 0, out, n);
}

uint32_t cert_days_left(const struct cert *c, int64_t now_s)
{
	return c->not_after_s > now_s ? (uint32_t)((c->not_after_s - now_s) / 86400) : 0;
}

#include "identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "crypt.h"
#include "topic.h"

static const char *const texts[CERTIFICATE_FAULTS] = {
	[CERTIFICATE_GOOD] = "it is good",
	[CERTIFICATE_CN_COUNT] = "its subject must have exactly one CN",
	[CERTIFICATE_CN_TEXT] = "its CN must be 1 to 64 of A-Z a-z 0-9 . _ : - as PrintableString or UTF8String",
	[CERTIFICATE_SAN] = "its alternative names must have exactly one URI, urn:pullcord:<tenant>:device:<CN>",
	[CERTIFICATE_USAGE] = "its extended key usage must name clientAuth",
	[CERTIFICATE_CA] = "it is the certificate of a CA, not of a device",
	[CERTIFICATE_TIME] = "it is not yet or no longer valid",
	[CERTIFICATE_NONE] = "there is none, or it is not an X.509 certificate in DER",
};

const char *certificate_fault_text(enum certificate_fault f)
{
	return (unsigned)f < CERTIFICATE_FAULTS ? texts[f] : "for an unknown reason";
}

static void names_free(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
	*names = NULL;
}

/* By length: a NUL inside is a byte like any other, and no word. */
static struct span string_span(const ASN1_STRING *s)
{
	return span(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static enum certificate_fault read_cn(const X509 *x, struct span *out)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *cn;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return CERTIFICATE_CN_COUNT;
	cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	if (ASN1_STRING_type(cn) != V_ASN1_PRINTABLESTRING && ASN1_STRING_type(cn) != V_ASN1_UTF8STRING)
		return CERTIFICATE_CN_TEXT;
	*out = string_span(cn);
	return word_ok(*out) ? CERTIFICATE_GOOD : CERTIFICATE_CN_TEXT;
}

/* urn:pullcord:<tenant>:device:<id>. The tenant has no colon, so there is one way to read it although ids may. */
static bool urn_read(struct span uri, struct span cn, struct span *tenant)
{
	static const char *const fixed[] = { "urn", "pullcord", NULL, "device" };
	struct span rest = uri;

	for (size_t i = 0; i < countof(fixed); i++) {
		struct span part = span_cut(rest, ':', &rest);

		if (fixed[i] ? !span_is(part, fixed[i]) : !word_ok(part))
			return false;
		if (!fixed[i])
			*tenant = part;
	}
	return span_eq(rest, cn);
}

/* Exactly one URI; names of other kinds (DNS, address) say nothing to us. A second extension of alternative names makes
 * X509_get_ext_d2i() answer with none. */
static enum certificate_fault read_tenant(const X509 *x, struct span cn, char out[WORD_BYTES_MAX + 1])
{
	CLEANUP(names_free) GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	struct span tenant = { NULL, 0 };
	size_t uris = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

		if (type != GEN_URI)
			continue;
		uris++;
		if (!urn_read(string_span(value), cn, &tenant))
			return CERTIFICATE_SAN;
	}
	return uris == 1 && span_text(tenant, out, WORD_BYTES_MAX + 1) ? CERTIFICATE_GOOD : CERTIFICATE_SAN;
}

/* EXFLAG_INVALID: an extension is damaged or there twice. No extended key usage at all would mean "anything". */
static enum certificate_fault check_usage(X509 *x)
{
	uint32_t flags = X509_get_extension_flags(x);

	if ((flags & EXFLAG_INVALID) || !(flags & EXFLAG_XKUSAGE) ||
	    !(X509_get_extended_key_usage(x) & XKU_SSL_CLIENT))
		return CERTIFICATE_USAGE;
	return X509_check_ca(x) ? CERTIFICATE_CA : CERTIFICATE_GOOD;
}

static bool read_time(const ASN1_TIME *t, int64_t *out_s)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out_s = timegm(&tm);
	return true;
}

/* RFC 5280 §4.1.2.5: both ends are inside. */
static enum certificate_fault check_time(const X509 *x, int64_t now_s, struct identity *id)
{
	if (!read_time(X509_get0_notBefore(x), &id->not_before_s) || !read_time(X509_get0_notAfter(x), &id->not_after_s))
		return CERTIFICATE_TIME;
	return id->not_before_s <= now_s && now_s <= id->not_after_s ? CERTIFICATE_GOOD : CERTIFICATE_TIME;
}

static bool fingerprint(const X509 *x, uint8_t out[SHA256_BYTES])
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);

	if (n <= 0)
		return false;
	SHA256(out, span(der, (size_t)n));
	OPENSSL_free(der);
	return true;
}

static enum certificate_fault read_all(X509 *x, int64_t now_s, struct identity *out)
{
	struct identity id = { 0 };
	enum certificate_fault f;
	struct span cn;

	f = read_cn(x, &cn);
	if (f == CERTIFICATE_GOOD)
		f = read_tenant(x, cn, id.tenant);
	if (f == CERTIFICATE_GOOD)
		f = check_usage(x);
	if (f == CERTIFICATE_GOOD)
		f = check_time(x, now_s, &id);
	if (f != CERTIFICATE_GOOD)
		return f;
	if (!span_text(cn, id.id, sizeof(id.id)) || !fingerprint(x, id.fingerprint))
		return CERTIFICATE_NONE;
	*out = id;
	return CERTIFICATE_GOOD;
}

/* What OpenSSL leaves on this thread's list of errors would be taken by the broker for an error of its next read. */
enum certificate_fault identity_read(void *x509, int64_t now_s, struct identity *out)
{
	enum certificate_fault f;

	if (!x509)
		return CERTIFICATE_NONE;
	ERR_set_mark();
	f = read_all(x509, now_s, out);
	ERR_pop_to_mark();
	return f;
}

bool identity_fingerprint(void *x509, uint8_t out[SHA256_BYTES])
{
	bool told;

	ERR_set_mark();
	told = x509 && fingerprint(x509, out);
	ERR_pop_to_mark();
	return told;
}

void identity_release(void *x509)
{
	X509_free(x509);
}

enum certificate_fault identity_read_der(struct span der, int64_t now_s, struct identity *out)
{
	const unsigned char *at = der.p;
	enum certificate_fault f = CERTIFICATE_NONE;
	X509 *x;

	ERR_set_mark();
	x = der.n && der.n <= INT32_MAX ? d2i_X509(NULL, &at, (long)der.n) : NULL;
	if (x && at == der.p + der.n)
		f = identity_read(x, now_s, out);
	identity_release(x);
	ERR_pop_to_mark();
	return f;
}

/* ---- the broker's own -------------------------------------------------------------------------------------------- */

static void bio_free(BIO **b) { BIO_free(*b); }
static void x509_free(X509 **x) { X509_free(*x); }
static void crl_free(X509_CRL **l) { X509_CRL_free(*l); }

/* Nobody is there to be asked for one. */
static int no_password(char *out, int cap, int writing, void *ctx)
{
	(void)out, (void)cap, (void)writing, (void)ctx;
	return -1;
}

static enum err none_left(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? ERR_NOT_FOUND : ERR_CORRUPT;
}

static enum err next_certificate(BIO *b, int64_t *ends_s)
{
	CLEANUP(x509_free) X509 *x = PEM_read_bio_X509_AUX(b, NULL, no_password, NULL);

	if (!x)
		return none_left();
	return read_time(X509_get0_notAfter(x), ends_s) ? OK : ERR_CORRUPT;
}

static enum err next_list(BIO *b, int64_t *ends_s)
{
	CLEANUP(crl_free) X509_CRL *l = PEM_read_bio_X509_CRL(b, NULL, no_password, NULL);

	if (!l)
		return none_left();
	if (!X509_CRL_get0_nextUpdate(l))
		*ends_s = INT64_MAX;
	else if (!read_time(X509_CRL_get0_nextUpdate(l), ends_s))
		return ERR_CORRUPT;
	return OK;
}

static enum err first_end(struct span pem, bool lists, int64_t *out_s)
{
	CLEANUP(bio_free) BIO *b = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.n ? (const void *)pem.p : "", (int)pem.n) : NULL;
	int64_t first_s = INT64_MAX, ends_s = 0;
	size_t n = 0;
	enum err e;

	if (!b)
		return pem.n <= INT32_MAX ? ERR_FULL : ERR_TOO_LARGE;
	while ((e = lists ? next_list(b, &ends_s) : next_certificate(b, &ends_s)) == OK) {
		first_s = ends_s < first_s ? ends_s : first_s;
		n++;
	}
	if (e != ERR_NOT_FOUND || n == 0)
		return e;
	*out_s = first_s;
	return OK;
}

enum err identity_ends(struct span pem, bool lists, int64_t *out_s)
{
	enum err e;

	ERR_set_mark();
	e = first_end(pem, lists, out_s);
	ERR_pop_to_mark();
	return e;
}

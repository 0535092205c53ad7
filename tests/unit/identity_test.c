/* identity: good certificates are read, and hostile ones refused for the right reason. All are made here. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypt.h"
#include "identity.h"
#include "seed.h"

#define NOW 1800000000
#define DAY 86400
#define CLIENT NID_client_auth
#define SERVER NID_server_auth
#define ANY NID_anyExtendedKeyUsage

static EVP_PKEY *key;

struct cn {
	int type;                   /* 0: none */
	struct span text;
};

struct wish {
	const char *what;
	struct cn cn[2];
	struct span uri[2];
	int usage[2];               /* NIDs; 0: none */
	enum certificate_fault fault;
	bool ca, twice;             /* `twice`: two extensions of alternative names */
	bool other_names;           /* a DNS name and an e-mail address beside the URI */
	int from_day, to_day;       /* both 0: -1 to 90 */
};

#define UTF(text) { V_ASN1_UTF8STRING, SPAN_LIT(text) }
#define PRINT(text) { V_ASN1_PRINTABLESTRING, SPAN_LIT(text) }
#define URN(rest) SPAN_LIT("urn:pullcord:" rest)
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define GOOD_URI { URN("mercy:device:nc-1") }

static const struct wish good[] = {
	{ "plain", { UTF("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_GOOD },
	{ "printable", { PRINT("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_GOOD },
	{ "colons in the id", { UTF("a:device:b") }, { URN("mercy:device:a:device:b") }, { CLIENT },
	  .fault = CERTIFICATE_GOOD },
	{ "64 bytes", { UTF(A64) }, { URN("mercy:device:" A64) }, { CLIENT }, .fault = CERTIFICATE_GOOD },
	{ "server too", { UTF("nc-1") }, GOOD_URI, { SERVER, CLIENT }, .fault = CERTIFICATE_GOOD },
	{ "other names", { UTF("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_GOOD, .other_names = true },
	{ "first second", { UTF("nc-1") }, GOOD_URI, { CLIENT }, .from_day = 0, .to_day = 1 },
	{ "last second", { UTF("nc-1") }, GOOD_URI, { CLIENT }, .from_day = -1, .to_day = 0 },
};

#define CN_TEXT(what, ...) { what, { __VA_ARGS__ }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_CN_TEXT }
#define SAN(what, ...) { what, { UTF("nc-1") }, { __VA_ARGS__ }, { CLIENT }, .fault = CERTIFICATE_SAN }
#define TIME(what, from, to) \
	{ what, { UTF("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_TIME, .from_day = from, .to_day = to }

static const struct wish hostile[] = {
	{ "empty subject", { { 0 } }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_CN_COUNT },
	{ "two CNs, other second", { UTF("nc-1"), UTF("nc-2") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_CN_COUNT },
	{ "two CNs, other first", { UTF("nc-2"), UTF("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_CN_COUNT },
	{ "the same CN twice", { UTF("nc-1"), UTF("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_CN_COUNT },
	CN_TEXT("NUL after the id", UTF("nc-1\0.evil")),
	CN_TEXT("NUL at the end", UTF("nc-1\0")),
	CN_TEXT("BMPString", { V_ASN1_BMPSTRING, SPAN_LIT("\0n\0c\0-\0" "1") }),
	CN_TEXT("BMPString of plain bytes", { V_ASN1_BMPSTRING, SPAN_LIT("nc-1") }),
	CN_TEXT("T61String", { V_ASN1_T61STRING, SPAN_LIT("nc-1") }),
	CN_TEXT("UniversalString", { V_ASN1_UNIVERSALSTRING, SPAN_LIT("\0\0\0n\0\0\0c") }),
	CN_TEXT("IA5String", { V_ASN1_IA5STRING, SPAN_LIT("nc-1") }),
	CN_TEXT("newline", UTF("nc-1\n")),
	CN_TEXT("65 bytes", UTF(A64 "a")),
	CN_TEXT("space", UTF("nc 1")),
	CN_TEXT("leading space", UTF(" nc-1")),
	CN_TEXT("letter with a mark", UTF("n\xc3\xa7-1")),
	CN_TEXT("Cyrillic look-alike", UTF("n\xd1\x81-1")),
	CN_TEXT("right-to-left override", UTF("nc-1\xe2\x80\xae")),
	CN_TEXT("byte order mark", UTF("\xef\xbb\xbfnc-1")),
	CN_TEXT("plus", UTF("+")),
	CN_TEXT("hash", UTF("#")),
	CN_TEXT("slash", UTF("nc/1")),
	CN_TEXT("share", UTF("$share")),
	CN_TEXT("percent", UTF("%u")),
	CN_TEXT("backslash", UTF("nc\\1")),
	SAN("no URI", { NULL, 0 }),
	SAN("another id", URN("mercy:device:nc-2")),
	SAN("a longer id", URN("mercy:device:nc-12")),
	SAN("a shorter id", URN("mercy:device:nc-")),
	SAN("NUL in the URI", URN("mercy:device:nc-1\0")),
	SAN("NUL before the id", URN("mercy:device:\0nc-1")),
	SAN("two URIs, the second another", URN("mercy:device:nc-1"), URN("mercy:device:nc-2")),
	SAN("two URIs, the first another", URN("mercy:device:nc-2"), URN("mercy:device:nc-1")),
	SAN("the same URI twice", URN("mercy:device:nc-1"), URN("mercy:device:nc-1")),
	SAN("a URI of somebody else's scheme beside", URN("mercy:device:nc-1"), SPAN_LIT("spiffe://x/nc-1")),
	SAN("no tenant", URN(":device:nc-1")),
	SAN("tenant with a slash", URN("mer/cy:device:nc-1")),
	SAN("tenant with a plus", URN("+:device:nc-1")),
	SAN("tenant with a colon", URN("mercy:north:device:nc-1")),
	SAN("tenant of 65 bytes", URN(A64 "a:device:nc-1")),
	SAN("a person's", URN("mercy:user:nc-1")),
	SAN("an older form", URN("dev:nc-1")),
	SAN("capitals", SPAN_LIT("URN:pullcord:mercy:device:nc-1")),
	SAN("space before", SPAN_LIT(" urn:pullcord:mercy:device:nc-1")),
	SAN("more behind", URN("mercy:device:nc-1?x")),
	SAN("nothing behind", URN("mercy:device")),
	SAN("only the scheme", SPAN_LIT("urn")),
	SAN("empty URI", { (const uint8_t *)"", 0 }),
	{ "names twice", { UTF("nc-1") }, { URN("mercy:device:nc-1"), URN("mercy:device:nc-1") }, { CLIENT },
	  .fault = CERTIFICATE_SAN, .twice = true },
	{ "no usage", { UTF("nc-1") }, GOOD_URI, { 0 }, .fault = CERTIFICATE_USAGE },
	{ "a server's", { UTF("nc-1") }, GOOD_URI, { SERVER }, .fault = CERTIFICATE_USAGE },
	{ "any usage", { UTF("nc-1") }, GOOD_URI, { ANY }, .fault = CERTIFICATE_USAGE },
	{ "a CA", { UTF("nc-1") }, GOOD_URI, { CLIENT }, .fault = CERTIFICATE_CA, .ca = true },
	TIME("expired", -90, -1),
	TIME("not yet valid", 1, 90),
	TIME("ends before it begins", 1, -1),
};

static void add_extension(X509 *x, int nid, void *value)
{
	assert_int_equal(X509_add1_ext_i2d(x, nid, value, 0, X509V3_ADD_APPEND), 1);
}

static void add_name(GENERAL_NAMES *names, int type, struct span text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	assert_int_equal(ASN1_STRING_set(value, text.p, (int)text.n), 1);
	GENERAL_NAME_set0_value(name, type, value);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void add_names(X509 *x, const struct wish *w)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	if (w->other_names)
		add_name(names, GEN_DNS, SPAN_LIT("nc-2.example"));
	for (size_t i = 0; i < 2 && w->uri[i].p; i++) {
		add_name(names, GEN_URI, w->uri[i]);
		if (w->twice) {
			add_extension(x, NID_subject_alt_name, names);
			GENERAL_NAME_free(sk_GENERAL_NAME_pop(names));
		}
	}
	if (w->other_names)
		add_name(names, GEN_EMAIL, SPAN_LIT("nc-2@example"));
	if (sk_GENERAL_NAME_num(names) > 0)
		add_extension(x, NID_subject_alt_name, names);
	GENERAL_NAMES_free(names);
}

static void add_usage(X509 *x, const struct wish *w)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();

	for (size_t i = 0; i < 2 && w->usage[i]; i++)
		assert_true(sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(w->usage[i])) > 0);
	if (sk_ASN1_OBJECT_num(usage) > 0)
		add_extension(x, NID_ext_key_usage, usage);
	EXTENDED_KEY_USAGE_free(usage);
}

static void add_constraints(X509 *x, bool ca)
{
	BASIC_CONSTRAINTS *b = BASIC_CONSTRAINTS_new();

	b->ca = ca ? 0xff : 0;
	add_extension(x, NID_basic_constraints, b);
	BASIC_CONSTRAINTS_free(b);
}

/* The string type and its bytes are set by hand: OpenSSL itself would refuse to write some of these. */
static void add_cn(X509_NAME *subject, const struct cn *cn)
{
	X509_NAME_ENTRY *entry;
	ASN1_STRING *s;

	assert_int_equal(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, (const uint8_t *)"x", 1, -1,
						    0), 1);
	entry = X509_NAME_get_entry(subject, X509_NAME_entry_count(subject) - 1);
	s = ASN1_STRING_type_new(cn->type);
	assert_int_equal(ASN1_STRING_set(s, cn->text.p, (int)cn->text.n), 1);
	assert_int_equal(X509_NAME_ENTRY_set_data(entry, cn->type, s->data, s->length), 1);
	ASN1_STRING_free(s);
}

static X509 *make(const struct wish *w)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_NAME_new();
	bool standard = !w->from_day && !w->to_day;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	for (size_t i = 0; i < 2 && w->cn[i].type; i++)
		add_cn(subject, &w->cn[i]);
	assert_int_equal(X509_set_subject_name(x, subject), 1);
	assert_int_equal(X509_set_issuer_name(x, subject), 1);
	X509_NAME_free(subject);
	ASN1_TIME_set(X509_getm_notBefore(x), NOW + (standard ? -1 : w->from_day) * DAY);
	ASN1_TIME_set(X509_getm_notAfter(x), NOW + (standard ? 90 : w->to_day) * DAY);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	add_names(x, w);
	add_usage(x, w);
	add_constraints(x, w->ca);
	assert_true(X509_sign(x, key, NULL) > 0);
	return x;
}

static size_t der_of(X509 *x, uint8_t *der, size_t cap)
{
	int n = i2d_X509(x, NULL);
	uint8_t *at = der;

	assert_true(n > 0 && (size_t)n <= cap);
	return (size_t)i2d_X509(x, &at);
}

/* Judges it as an object and, as the broker has it, read from bytes. */
static enum certificate_fault judge(const struct wish *w, struct identity *out)
{
	uint8_t der[4096];
	X509 *x = make(w);
	struct span bytes = { der, der_of(x, der, sizeof(der)) };
	enum certificate_fault f = identity_read_der(bytes, NOW, out);

	assert_int_equal(identity_read(x, NOW, out), f);
	identity_release(x);
	assert_int_equal(ERR_peek_error(), 0);
	return f;
}

static void good_certificates_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		struct identity id;

		if (judge(&good[i], &id) != CERTIFICATE_GOOD)
			fail_msg("%s: %s", good[i].what, certificate_fault_text(judge(&good[i], &id)));
		assert_string_equal(id.tenant, "mercy");
		assert_true(span_is(good[i].cn[0].text, id.id));
		assert_true(id.not_after_s >= NOW);
	}
}

static void hostile_certificates_are_refused_with_their_reason(void **state)
{
	struct identity untouched;

	(void)state;
	memset(&untouched, 0x5a, sizeof(untouched));
	for (size_t i = 0; i < countof(hostile); i++) {
		struct identity id = untouched;
		enum certificate_fault f = judge(&hostile[i], &id);

		if (f != hostile[i].fault)
			fail_msg("%s: said \"%s\"", hostile[i].what, certificate_fault_text(f));
		assert_memory_equal(&id, &untouched, sizeof(id));
	}
}

static void what_it_says_of_a_good_one_is_exact(void **state)
{
	X509 *x = make(&good[0]);
	uint8_t der[4096], digest[SHA256_BYTES];
	struct identity id;

	(void)state;
	SHA256(digest, span(der, der_of(x, der, sizeof(der))));
	assert_int_equal(identity_read(x, NOW, &id), CERTIFICATE_GOOD);
	assert_memory_equal(id.fingerprint, digest, sizeof(digest));
	assert_true(id.not_after_s == NOW + 90 * DAY);
	assert_int_equal(identity_read(x, NOW + 90 * DAY, &id), CERTIFICATE_GOOD);
	assert_int_equal(identity_read(x, NOW + 90 * DAY + 1, &id), CERTIFICATE_TIME);
	assert_int_equal(identity_read(x, NOW - DAY, &id), CERTIFICATE_GOOD);
	assert_int_equal(identity_read(x, NOW - DAY - 1, &id), CERTIFICATE_TIME);
	identity_release(x);
}

static void no_certificate_is_no_identity(void **state)
{
	struct identity id;

	(void)state;
	assert_int_equal(identity_read(NULL, NOW, &id), CERTIFICATE_NONE);
	assert_int_equal(identity_read_der(span(NULL, 0), NOW, &id), CERTIFICATE_NONE);
	assert_int_equal(identity_read_der(SPAN_LIT("-----BEGIN CERTIFICATE-----"), NOW, &id), CERTIFICATE_NONE);
	identity_release(NULL);
}

/* Cut, lengthened, or with a bit turned: refused or, where the signature alone is hurt, the same identity. */
static void damaged_bytes_never_make_another_identity(void **state)
{
	X509 *x = make(&good[0]);
	uint8_t der[4096];
	size_t n = der_of(x, der, sizeof(der));
	struct identity id;

	(void)state;
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(identity_read_der(span(der, cut), NOW, &id), CERTIFICATE_NONE);
	der[n] = 0;
	assert_int_equal(identity_read_der(span(der, n + 1), NOW, &id), CERTIFICATE_NONE);
	for (int i = 0; i < 2000; i++) {
		size_t at = seed_below(n);
		uint8_t bit = (uint8_t)(1u << seed_below(8));

		der[at] ^= bit;
		if (identity_read_der(span(der, n), NOW, &id) == CERTIFICATE_GOOD)
			assert_int_equal(strlen(id.id), 4);
		der[at] ^= bit;
	}
	assert_int_equal(ERR_peek_error(), 0);
	identity_release(x);
}

/* Its errors must not stay: the broker would take them for those of its next read. */
static void a_damaged_extension_is_refused_quietly(void **state)
{
	struct wish w = good[0];
	ASN1_OCTET_STRING *junk = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;
	struct identity id;
	X509 *x;

	(void)state;
	w.uri[0] = span(NULL, 0);
	x = make(&w);
	assert_int_equal(ASN1_OCTET_STRING_set(junk, (const uint8_t *)"\x30\x05junk", 6), 1);
	extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, junk);
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	assert_int_equal(identity_read(x, NOW, &id), CERTIFICATE_SAN);
	assert_int_equal(ERR_peek_error(), 0);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(junk);
	identity_release(x);
}

/* OpenSSL makes no such name, so a good one is broken. */
static void broken_utf8_is_no_identity(void **state)
{
	static const struct wish w = { .cn = { UTF("nc-1\xc3\xa7") }, .uri = GOOD_URI, .usage = { CLIENT } };
	X509 *x = make(&w);
	uint8_t der[4096], *at;
	size_t n = der_of(x, der, sizeof(der));
	struct identity id;

	(void)state;
	while ((at = memmem(der, n, "\xc3\xa7", 2)))
		at[1] = 0xff;
	assert_int_not_equal(identity_read_der(span(der, n), NOW, &id), CERTIFICATE_GOOD);
	identity_release(x);
}

static void every_fault_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < CERTIFICATE_FAULTS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(certificate_fault_text((enum certificate_fault)a),
						certificate_fault_text((enum certificate_fault)b));
	assert_non_null(certificate_fault_text(CERTIFICATE_FAULTS));
}

static int set_up(void **state)
{
	uint8_t secret[32] = { 1 };

	(void)state;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	return crypt_init() == OK && key ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_certificates_are_read),
		cmocka_unit_test(hostile_certificates_are_refused_with_their_reason),
		cmocka_unit_test(what_it_says_of_a_good_one_is_exact),
		cmocka_unit_test(no_certificate_is_no_identity),
		cmocka_unit_test(damaged_bytes_never_make_another_identity),
		cmocka_unit_test(a_damaged_extension_is_refused_quietly),
		cmocka_unit_test(broken_utf8_is_no_identity),
		cmocka_unit_test(every_fault_has_a_text_of_its_own),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* freshness: what ends is said in time, once a day, and when it is good again. Lists and certificates are made here. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "freshness.h"
#include "identity.h"
#include "scratch.h"

#define NOW 1800000000
#define HOUR 3600
#define DAY 86400

static struct scratch scratch;
static EVP_PKEY *key;
static struct freshness watch;
static char text[FRESHNESS_TEXT + 1];

static void the_time_left_decides(void **state)
{
	static const struct { enum broker_file_kind kind; int64_t left_s; enum freshness_state want; } row[] = {
		{ BROKER_CRL, 24 * HOUR, FRESHNESS_GOOD },
		{ BROKER_CRL, 24 * HOUR - 1, FRESHNESS_ENDING },
		{ BROKER_CRL, 0, FRESHNESS_ENDING },        /* its last second */
		{ BROKER_CRL, -1, FRESHNESS_ENDED },
		{ BROKER_CRL, INT64_MAX - NOW, FRESHNESS_GOOD },
		{ BROKER_CRL, -2 * (int64_t)NOW, FRESHNESS_ENDED },
		{ BROKER_CERTIFICATE, 14 * DAY, FRESHNESS_GOOD },
		{ BROKER_CERTIFICATE, 14 * DAY - 1, FRESHNESS_ENDING },
		{ BROKER_CERTIFICATE, -1, FRESHNESS_ENDED },
		{ BROKER_CA, 14 * DAY, FRESHNESS_GOOD },
		{ BROKER_CA, 14 * DAY - 1, FRESHNESS_ENDING },
		{ BROKER_CA, -1, FRESHNESS_ENDED },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(freshness_look(row[i].kind, NOW, NOW + row[i].left_s), row[i].want);
}

/* ---- what is said, when ---- */

static const struct broker_file list = { BROKER_CRL, "/etc/pullcord/ca.crl" };
static const struct broker_file server = { BROKER_CERTIFICATE, "/etc/pullcord/server.crt" };

static void reload(const struct broker_file *a, const struct broker_file *b)
{
	static struct broker_files files;

	files.n = 0;
	if (a)
		files.file[files.n++] = *a;
	if (b)
		files.file[files.n++] = *b;
	freshness_watch(&watch, &files);
}

/* The state that is said; FRESHNESS_STATES: nothing. */
static enum freshness_state take(const struct broker_file *file, enum err err, int64_t ends_s, int64_t now_s)
{
	const struct freshness_seen seen = { *file, err, ends_s };
	const struct freshness_file *said;

	text[0] = '\0';
	return freshness_take(&watch, watch.order.load, &seen, now_s, &said, text) ? said->state : FRESHNESS_STATES;
}

#define SILENT FRESHNESS_STATES

static int empty(void **state)
{
	(void)state;
	memset(&watch, 0, sizeof(watch));
	reload(&list, &server);
	return 0;
}

static void a_good_file_is_not_spoken_of(void **state)
{
	(void)state;
	assert_int_equal(take(&list, OK, NOW + 30 * DAY, NOW), SILENT);
	assert_int_equal(take(&server, OK, NOW + 300 * DAY, NOW), SILENT);
}

static void once_a_day_for_each_state(void **state)
{
	int64_t ends = NOW + 20 * HOUR;

	(void)state;
	assert_int_equal(take(&list, OK, ends, NOW), FRESHNESS_ENDING);
	assert_string_equal(text, "crlfile /etc/pullcord/ca.crl ends at 2027-01-16T04:00:00Z: have the CA issue a new list and "
			    "reload the broker");
	for (int h = 1; h <= 20; h++)
		assert_int_equal(take(&list, OK, ends, NOW + h * HOUR), SILENT);
	assert_int_equal(take(&list, OK, ends, ends + 1), FRESHNESS_ENDED);
	assert_non_null(strstr(text, "ended at 2027-01-16T04:00:00Z"));
	assert_int_equal(take(&list, ERR_CORRUPT, 0, ends + 2), FRESHNESS_UNREADABLE);
	assert_string_equal(text, "crlfile /etc/pullcord/ca.crl cannot be read: its content is damaged");
	assert_int_equal(take(&list, OK, ends, ends + HOUR), SILENT);
	assert_int_equal(take(&list, ERR_CORRUPT, 0, ends + 2 * HOUR), SILENT);
	assert_int_equal(take(&list, OK, ends, ends + DAY), SILENT);
	assert_int_equal(take(&list, OK, ends, ends + DAY + 1), FRESHNESS_ENDED);
	assert_int_equal(take(&list, OK, ends, ends - 1), SILENT);          /* the clock was put back */
	assert_int_equal(take(&list, OK, ends, NOW - 1), FRESHNESS_ENDING);   /* to before it was said */
}

static void renewed_is_said_once_and_all_begins_anew(void **state)
{
	(void)state;
	assert_int_equal(take(&list, OK, NOW + HOUR, NOW), FRESHNESS_ENDING);
	reload(&list, &server);
	assert_int_equal(take(&list, OK, NOW + 30 * DAY, NOW + 1), FRESHNESS_GOOD);
	assert_string_equal(text, "crlfile /etc/pullcord/ca.crl is good again, until 2027-02-14T08:00:00Z");
	assert_int_equal(take(&list, OK, NOW + 30 * DAY, NOW + 2), SILENT);
	reload(&list, &server);
	assert_int_equal(take(&list, OK, NOW + HOUR, NOW + 3), FRESHNESS_ENDING);
	reload(&list, NULL);
	assert_int_equal(take(&list, OK, INT64_MAX, NOW + 4), FRESHNESS_GOOD);
	assert_non_null(strstr(text, "good again, until ever"));
}

/* The broker goes by what it read; a newer file that lies there is no use until it reads again. */
static void a_file_renewed_without_a_reload_is_not_good(void **state)
{
	(void)state;
	assert_int_equal(take(&list, OK, NOW + 25 * HOUR, NOW), SILENT);
	assert_int_equal(take(&list, OK, NOW + 30 * DAY, NOW + 2 * HOUR), FRESHNESS_ENDING);
	assert_non_null(strstr(text, ": a newer one lies there: reload the broker"));
	assert_int_equal(take(&list, OK, NOW + 30 * DAY, NOW + 26 * HOUR), FRESHNESS_ENDED);
	reload(&list, &server);
	assert_int_equal(take(&list, OK, NOW + 30 * DAY, NOW + 26 * HOUR), FRESHNESS_GOOD);
	assert_int_equal(take(&list, OK, NOW + 27 * HOUR, NOW + 26 * HOUR), FRESHNESS_ENDING);   /* an older one lies there */
}

static void what_was_said_stays_with_its_file(void **state)
{
	static const struct broker_file other = { BROKER_CA, "/etc/pullcord/ca.crl" };

	(void)state;
	assert_int_equal(take(&list, OK, NOW + HOUR, NOW), FRESHNESS_ENDING);
	assert_int_equal(take(&server, OK, NOW + HOUR, NOW), FRESHNESS_ENDING);
	reload(&server, &list);
	assert_int_equal(take(&list, OK, NOW + HOUR, NOW), SILENT);
	assert_int_equal(take(&server, OK, NOW + HOUR, NOW), SILENT);
	reload(&other, &list);
	assert_int_equal(take(&server, OK, NOW + HOUR, NOW), SILENT);       /* not one of them any more */
	assert_int_equal(take(&list, OK, NOW + HOUR, NOW), SILENT);
	assert_int_equal(take(&other, OK, NOW + HOUR, NOW), FRESHNESS_ENDING);
	reload(&server, NULL);
	assert_int_equal(take(&server, OK, NOW + HOUR, NOW), FRESHNESS_ENDING);
	assert_int_equal(take(&list, OK, NOW + HOUR, NOW), SILENT);
}

static void a_look_from_before_a_reload_says_nothing(void **state)
{
	const struct freshness_seen seen = { list, OK, NOW };
	const struct freshness_file *said;
	uint64_t before = watch.order.load;

	(void)state;
	reload(&list, &server);
	assert_false(freshness_take(&watch, before, &seen, NOW, &said, text));
	assert_true(freshness_take(&watch, before + 1, &seen, NOW, &said, text));
}

static void a_look_is_due_at_each_reload_and_once_an_hour(void **state)
{
	(void)state;
	assert_true(freshness_due(&watch, 5));
	freshness_asked(&watch, 5);
	assert_false(freshness_due(&watch, 5 + HOUR - 1));
	assert_true(freshness_due(&watch, 5 + HOUR));
	reload(&list, NULL);
	assert_true(freshness_due(&watch, 6));
	freshness_asked(&watch, 6);
	reload(NULL, NULL);
	assert_false(freshness_due(&watch, 6 + 2 * HOUR));
}

static void the_text_fits_and_is_printable(void **state)
{
	static struct broker_file file = { .kind = BROKER_CA };

	(void)state;
	memset(file.path, '\xc3', sizeof(file.path) - 1);
	for (enum broker_file_kind kind = BROKER_CRL; kind <= BROKER_CA; kind++) {
		file.kind = kind;
		reload(&file, NULL);
		assert_int_equal(take(&file, OK, NOW + 1, NOW), FRESHNESS_ENDING);
		for (const char *p = text; *p; p++)
			assert_in_range(*p, ' ', '~');
		assert_int_equal(take(&file, ERR_DENIED, 0, NOW), FRESHNESS_UNREADABLE);
	}
}

/* ---- what is read ---- */

static void write_bytes(const char *name, const char *bytes, size_t n)
{
	FILE *f = fopen(scratch_path(&scratch, name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

/* Several of one kind, by the days each is good for; 0 ends it, a list of -1 days says no nextUpdate. */
static void make(BIO *out, bool lists, const int *days)
{
	X509_NAME *name = X509_NAME_new();
	ASN1_TIME *t = ASN1_TIME_new();

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"a CA", -1, -1, 0);
	for (; *days; days++) {
		X509_CRL *l = X509_CRL_new();
		X509 *x = X509_new();

		ASN1_TIME_set(t, NOW + *days * (time_t)DAY);
		X509_CRL_set_version(l, X509_CRL_VERSION_2);
		X509_CRL_set_issuer_name(l, name);
		X509_CRL_set1_lastUpdate(l, t);
		if (*days != -1)
			X509_CRL_set1_nextUpdate(l, t);
		X509_set_version(x, X509_VERSION_3);
		X509_set_issuer_name(x, name);
		X509_set_subject_name(x, name);
		X509_set1_notBefore(x, t);
		X509_set1_notAfter(x, t);
		X509_set_pubkey(x, key);
		assert_true(lists ? X509_CRL_sign(l, key, EVP_sha256()) : X509_sign(x, key, EVP_sha256()));
		assert_int_equal(lists ? PEM_write_bio_X509_CRL(out, l) : PEM_write_bio_X509(out, x), 1);
		X509_CRL_free(l);
		X509_free(x);
	}
	ASN1_TIME_free(t);
	X509_NAME_free(name);
}

static enum err ends(bool lists, const int *made_lists, const int *certificates, int64_t *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;
	enum err e;

	BIO_puts(b, "Some words before.\n");
	make(b, true, made_lists);
	make(b, false, certificates);
	n = BIO_get_mem_data(b, &p);
	e = identity_ends(span(p, (size_t)n), lists, out);
	write_bytes("a.pem", p, (size_t)n);
	BIO_free(b);
	return e;
}

static void the_first_to_end_counts(void **state)
{
	int64_t s = 5;

	(void)state;
	assert_int_equal(ends(true, (int[]){ 3, 0 }, (int[]){ 1, 0 }, &s), OK);
	assert_int_equal(s, NOW + 3 * DAY);
	assert_int_equal(ends(true, (int[]){ 3, 2, 4, 0 }, (int[]){ 0 }, &s), OK);
	assert_int_equal(s, NOW + 2 * DAY);
	assert_int_equal(ends(false, (int[]){ 1, 0 }, (int[]){ 30, 20, 0 }, &s), OK);
	assert_int_equal(s, NOW + 20 * DAY);
	assert_int_equal(ends(true, (int[]){ -1, 0 }, (int[]){ 0 }, &s), OK);
	assert_int_equal(s, INT64_MAX);
	assert_int_equal(ends(true, (int[]){ -1, 9, 0 }, (int[]){ 0 }, &s), OK);
	assert_int_equal(s, NOW + 9 * DAY);
}

static void what_is_no_such_file_is_an_error(void **state)
{
	static const char cut[] = "-----BEGIN X509 CRL-----\nMIIB\n";
	static const char locked[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
		"00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n";
	int64_t s = 5;

	(void)state;
	assert_int_equal(ends(true, (int[]){ 0 }, (int[]){ 3, 0 }, &s), ERR_NOT_FOUND);
	assert_int_equal(ends(false, (int[]){ 3, 0 }, (int[]){ 0 }, &s), ERR_NOT_FOUND);
	assert_int_equal(identity_ends(span(NULL, 0), true, &s), ERR_NOT_FOUND);
	assert_int_equal(identity_ends(SPAN_LIT("\0\1\2 no PEM"), false, &s), ERR_NOT_FOUND);
	assert_int_equal(identity_ends(span(cut, sizeof(cut) - 1), true, &s), ERR_CORRUPT);
	assert_int_equal(identity_ends(span(locked, sizeof(locked) - 1), false, &s), ERR_CORRUPT);   /* asks nobody */
	assert_int_equal(s, 5);
}

static void files_are_read_as_they_lie_there(void **state)
{
	static struct freshness_order o = { .load = 7 };
	struct freshness_report *r;
	int64_t s;

	(void)state;
	assert_int_equal(ends(true, (int[]){ 3, 0 }, (int[]){ 30, 0 }, &s), OK);
	o.files.n = 5;
	for (size_t i = 0; i < 3; i++) {
		o.files.file[i].kind = (enum broker_file_kind)i;
		strcpy(o.files.file[i].path, scratch_path(&scratch, "a.pem"));
	}
	strcpy(o.files.file[3].path, "/nonexistent/x");
	strcpy(o.files.file[4].path, scratch_path(&scratch, "pipe"));
	assert_int_equal(mkfifo(o.files.file[4].path, 0600), 0);
	r = freshness_read(&o);
	assert_non_null(r);
	assert_int_equal(r->load, 7);
	assert_int_equal(r->n, 5);
	assert_int_equal(r->seen[0].ends_s, NOW + 3 * DAY);
	assert_int_equal(r->seen[1].ends_s, NOW + 30 * DAY);
	assert_int_equal(r->seen[2].ends_s, NOW + 30 * DAY);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(r->seen[i].err, OK);
	assert_int_equal(r->seen[3].err, ERR_NOT_FOUND);
	assert_int_equal(r->seen[4].err, ERR_IO);
	free(r);
}

static int begin(void **state)
{
	(void)state;
	key = EVP_EC_gen("P-256");
	scratch_make(&scratch);
	return key ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_left_decides),
		cmocka_unit_test_setup(a_good_file_is_not_spoken_of, empty),
		cmocka_unit_test_setup(once_a_day_for_each_state, empty),
		cmocka_unit_test_setup(renewed_is_said_once_and_all_begins_anew, empty),
		cmocka_unit_test_setup(a_file_renewed_without_a_reload_is_not_good, empty),
		cmocka_unit_test_setup(what_was_said_stays_with_its_file, empty),
		cmocka_unit_test_setup(a_look_from_before_a_reload_says_nothing, empty),
		cmocka_unit_test_setup(a_look_is_due_at_each_reload_and_once_an_hour, empty),
		cmocka_unit_test_setup(the_text_fits_and_is_printable, empty),
		cmocka_unit_test(the_first_to_end_counts),
		cmocka_unit_test(what_is_no_such_file_is_an_error),
		cmocka_unit_test(files_are_read_as_they_lie_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("tests", tests, begin, end);
}

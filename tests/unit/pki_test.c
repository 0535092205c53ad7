/* pki: certificates, read back by the very code that decides at the broker. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "crypt.h"
#include "identity.h"
#include "install.h"
#include "pki.h"
#include "scratch.h"

#define NOW 1800000000LL
#define DAY 86400

static struct scratch scratch;
static char ca_cert[384], ca_key[384];
static struct pki_files ca = { ca_cert, ca_key };

static void name(char out[384], const char *file)
{
	snprintf(out, 384, "%s", scratch_path(&scratch, file));
}

static int make_ca(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	name(ca_cert, "ca.crt");
	name(ca_key, "ca.key");
	return pki_make_ca(&ca, "mercy", NOW);
}

static int remove_all(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

/* The bytes between the PEM lines. */
static size_t der_of(const char *path, uint8_t *der, size_t cap)
{
	CLEANUP(free_cleanup) char *pem = NULL;
	char text[8192];
	size_t n, t = 0;
	long len;

	assert_int_equal(install_read(path, sizeof(text), &pem, &n), OK);
	for (char *line = strtok(pem, "\n"); line; line = strtok(NULL, "\n"))
		if (line[0] != '-')
			t += (size_t)snprintf(text + t, sizeof(text) - t, "%s", line);
	len = base64_decode(span(text, t), der, cap);
	assert_true(len > 0);
	return (size_t)len;
}

static enum certificate_fault read_identity(const char *path, int64_t now_s, struct identity *who)
{
	uint8_t der[4096];

	return identity_read_der(span(der, der_of(path, der, sizeof(der))), now_s, who);
}

static void a_device_is_who_its_certificate_says(void **state)
{
	char cert[384], key[384];
	struct identity who;
	struct pki_facts facts;

	(void)state;
	name(cert, "d.crt");
	name(key, "d.key");
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, "mercy", "icu3-nc1", 90, NOW), OK);
	assert_int_equal(read_identity(cert, NOW, &who), CERTIFICATE_GOOD);
	assert_string_equal(who.tenant, "mercy");
	assert_string_equal(who.id, "icu3-nc1");
	assert_int_equal(who.not_after_s, NOW + 90 * DAY);
	assert_int_equal(pki_read(cert, &facts), OK);
	assert_string_equal(facts.subject, "icu3-nc1");
	assert_memory_equal(facts.fingerprint, who.fingerprint, sizeof(who.fingerprint));
	assert_int_equal(facts.not_after_s, who.not_after_s);
}

static void the_longest_names_fit(void **state)
{
	static const char word[] = "0123456789012345678901234567890123456789012345678901234567890123";
	char cert[384], key[384];
	struct identity who;

	(void)state;
	name(cert, "l.crt");
	name(key, "l.key");
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, word, word, 1, NOW), OK);
	assert_int_equal(read_identity(cert, NOW, &who), CERTIFICATE_GOOD);
	assert_string_equal(who.id, word);
}

static void a_certificate_ends(void **state)
{
	char cert[384], key[384];
	struct identity who;

	(void)state;
	name(cert, "e.crt");
	name(key, "e.key");
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, "mercy", "x", 1, NOW), OK);
	assert_int_equal(read_identity(cert, NOW + DAY + 1, &who), CERTIFICATE_TIME);
	assert_int_equal(read_identity(cert, NOW - DAY, &who), CERTIFICATE_TIME);
}

static void neither_the_ca_nor_the_broker_is_a_device(void **state)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "::1" };
	char cert[384], key[384];
	struct identity who;

	(void)state;
	name(cert, "s.crt");
	name(key, "s.key");
	assert_int_equal(pki_make_server(&ca, &(struct pki_files){ cert, key }, hosts, 3, NOW), OK);
	assert_int_not_equal(read_identity(cert, NOW, &who), CERTIFICATE_GOOD);
	assert_int_not_equal(read_identity(ca_cert, NOW, &who), CERTIFICATE_GOOD);
}

static void no_two_serial_numbers_are_the_same(void **state)
{
	struct pki_facts a, b;
	char cert[384], key[384];

	(void)state;
	name(cert, "n1.crt");
	name(key, "n1.key");
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, "mercy", "n", 1, NOW), OK);
	assert_int_equal(pki_read(cert, &a), OK);
	name(cert, "n2.crt");
	name(key, "n2.key");
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, "mercy", "n", 1, NOW), OK);
	assert_int_equal(pki_read(cert, &b), OK);
	assert_memory_not_equal(a.fingerprint, b.fingerprint, 32);
}

static void keys_are_for_their_owner_only(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(ca_key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void nothing_is_overwritten_and_no_half_pair_is_left(void **state)
{
	char cert[384], key[384];

	(void)state;
	assert_int_equal(pki_make_ca(&ca, "mercy", NOW), ERR_EXISTS);
	name(cert, "h.crt");
	name(key, "h.key");
	assert_int_equal(install_write(cert, SPAN_LIT("mine"), 0644), OK);
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, "mercy", "h", 1, NOW), ERR_EXISTS);
	assert_int_not_equal(access(key, F_OK), 0);
}

static void what_is_no_name_is_refused(void **state)
{
	static const char *const bad[] = { "", "a b", "a,URI:x", "a/b", "a\n", "ü", "*" };
	char cert[384], key[384];
	struct pki_files out = { cert, key };

	(void)state;
	name(cert, "w.crt");
	name(key, "w.key");
	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(pki_make_device(&ca, &out, "mercy", bad[i], 1, NOW), ERR_SYNTAX);
		assert_int_equal(pki_make_device(&ca, &out, bad[i], "x", 1, NOW), ERR_SYNTAX);
		assert_int_equal(pki_make_server(&ca, &out, &bad[i], 1, NOW), ERR_SYNTAX);
	}
	assert_int_equal(pki_make_server(&ca, &out, NULL, 0, NOW), ERR_RANGE);
	assert_int_equal(pki_make_device(&ca, &out, "mercy", "x", 0, NOW), ERR_RANGE);
	assert_int_equal(pki_make_device(&ca, &out, "mercy", "x", 826, NOW), ERR_RANGE);
}

static void nobody_outlives_the_authority(void **state)
{
	char cert[384], key[384];

	(void)state;
	name(cert, "o.crt");
	name(key, "o.key");
	assert_int_equal(pki_make_device(&ca, &(struct pki_files){ cert, key }, "mercy", "o", 90,
					 NOW + (PKI_CA_DAYS - 10LL) * DAY), ERR_TIME);
}

static void a_foreign_key_or_none_signs_nothing(void **state)
{
	char other_cert[384], other_key[384], cert[384], key[384], crl[384];
	const struct pki_files other = { other_cert, other_key }, out = { cert, key };
	const struct pki_files mixed = { ca_cert, other_key }, wrong = { ca_key, ca_key };

	(void)state;
	name(other_cert, "other.crt");
	name(other_key, "other.key");
	name(cert, "f.crt");
	name(key, "f.key");
	name(crl, "f.crl");
	assert_int_equal(pki_make_ca(&other, "mercy", NOW), OK);
	assert_int_equal(pki_make_device(&mixed, &out, "mercy", "f", 1, NOW), ERR_KEY);
	assert_int_equal(pki_make_device(&wrong, &out, "mercy", "f", 1, NOW), ERR_SYNTAX);
	assert_int_equal(pki_make_crl(&(struct pki_files){ ca_cert, crl }, crl, NOW), ERR_NOT_FOUND);
}

static void an_empty_list_of_the_revoked_is_written_once(void **state)
{
	char crl[384];

	(void)state;
	name(crl, "ca.crl");
	assert_int_equal(pki_make_crl(&ca, crl, NOW), OK);
	assert_int_equal(pki_make_crl(&ca, crl, NOW), ERR_EXISTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_who_its_certificate_says),
		cmocka_unit_test(the_longest_names_fit),
		cmocka_unit_test(a_certificate_ends),
		cmocka_unit_test(neither_the_ca_nor_the_broker_is_a_device),
		cmocka_unit_test(no_two_serial_numbers_are_the_same),
		cmocka_unit_test(keys_are_for_their_owner_only),
		cmocka_unit_test(nothing_is_overwritten_and_no_half_pair_is_left),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(nobody_outlives_the_authority),
		cmocka_unit_test(a_foreign_key_or_none_signs_nothing),
		cmocka_unit_test(an_empty_list_of_the_revoked_is_written_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_ca, remove_all);
}

/* renewal: a new certificate from a CA that speaks CMP, tried before it takes the old one's place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base.h"
#include "cmp_ca.h"   /* OpenSSL declares a function SHA256: before crypt.h */
#include "crypt.h"
#include "cert.h"
#include "cmp.h"
#include "pki.h"
#include "renewal.h"
#include "scratch.h"

static struct scratch scratch;
static struct conf conf;
static struct cmp_ca ca;
static char file[8][384], root[384], text[RENEWAL_TEXT_MAX];
enum { CA, CA_KEY, CRT, KEY, SERVER, SERVER_KEY, OTHER, OTHER_KEY };
static uint8_t before[SHA256_BYTES];
static bool broker_moved;               /* nobody is at the first broker's address */

static void digest(const char *path, uint8_t out[SHA256_BYTES])
{
	static char bytes[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(bytes, 1, sizeof(bytes), f) : 0;

	assert_non_null(f);
	fclose(f);
	SHA256(out, span(bytes, n));
}

static bool has_old(void)
{
	uint8_t now_is[SHA256_BYTES];

	digest(file[CRT], now_is);
	return memcmp(before, now_is, sizeof(before)) == 0 && cert_check_key(file[CRT], file[KEY]) == OK;
}

static int make(void **state)
{
	static const char *const names[] = { "ca.crt", "ca.key", "d.crt", "d.key", "s.crt", "s.key", "o.crt", "o.key" };
	const char *const host[] = { "localhost" };
	const struct pki_files signer = { file[CA], file[CA_KEY] };
	const int64_t now = time(NULL);

	(void)state;
	if (crypt_init() != OK)
		return -1;
	signal(SIGPIPE, SIG_IGN);       /* as in the gateway */
	scratch_make(&scratch);
	for (size_t i = 0; i < countof(names); i++)
		snprintf(file[i], sizeof(file[i]), "%s", scratch_path(&scratch, names[i]));
	if (pki_make_ca(&(struct pki_files){ file[CA], file[CA_KEY] }, "mercy", now) != OK ||
	    pki_make_ca(&(struct pki_files){ file[OTHER], file[OTHER_KEY] }, "other", now) != OK ||
	    pki_make_server(&signer, &(struct pki_files){ file[SERVER], file[SERVER_KEY] }, host, 1, now) != OK ||
	    pki_make_device(&signer, &(struct pki_files){ file[CRT], file[KEY] }, "mercy", "nc-1", 9, now) != OK)
		return -1;
	digest(file[CRT], before);
	broker_moved = false;
	conf_init(&conf);
	strcpy(conf.uplink_host, "localhost");
	strcpy(conf.uplink_cafile, file[CA]);
	strcpy(conf.uplink_certfile, file[CRT]);
	strcpy(conf.uplink_keyfile, file[KEY]);
	ca = (struct cmp_ca){ .ca_cert = file[CA], .ca_key = file[CA_KEY], .cert = file[SERVER], .key = file[SERVER_KEY] };
	return 0;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static enum err renew(void)
{
	enum err e;

	ca_start(&ca);
	if (broker_moved)
		snprintf(conf.uplink_others, sizeof(conf.uplink_others), "localhost:%u", ca.broker_port);
	else
		conf.uplink_port = (int32_t)ca.broker_port;
	snprintf(conf.renew_cmp, sizeof(conf.renew_cmp), "%s://localhost:%u/pkix/", ca.https ? "https" : "http", ca.port);
	e = renewal_run(&conf, text);
	ca_stop(&ca);
	return e;
}

static void is_renewed(void)
{
	struct cert c;
	enum err e = renew();

	if (e != OK)
		fail_msg("%s: %s", err_text(e), text);
	assert_false(has_old());
	assert_int_equal(cert_check_key(file[CRT], file[KEY]), OK);
	assert_int_equal(cert_read(file[CRT], &c), OK);
	assert_string_equal(c.device, "nc-1");
	assert_string_equal(c.tenant, "mercy");
	assert_int_equal(cert_days_left(&c, time(NULL) + 60), 89);
	assert_non_null(strstr(text, "good until 20"));
}

static void a_new_key_is_certified_and_put_in_place(void **state)
{
	char aside[400];

	(void)state;
	is_renewed();
	snprintf(aside, sizeof(aside), "%s.new", file[KEY]);
	assert_int_not_equal(access(aside, F_OK), 0);
	snprintf(aside, sizeof(aside), "%s.old", file[CRT]);
	assert_int_equal(access(aside, F_OK), 0);
	digest(file[CRT], before);
	is_renewed();                   /* and again with that one */
}

static void over_tls_too(void **state)
{
	(void)state;
	ca.https = true;
	is_renewed();
	strcpy(conf.renew_cafile, file[OTHER]);
	digest(file[CRT], before);
	assert_int_not_equal(renew(), OK);
	assert_true(has_old());
}

static void shell(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void shell(const char *fmt, ...)
{
	char command[2400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

/* A hospital's root signs a CA for devices: brokers know the root alone, so the device shows that one's certificate, too. */
static void issued_by_a_ca_between(void)
{
	char between[384], between_key[384];
	const int64_t now = time(NULL);

	snprintf(between, sizeof(between), "%s", scratch_path(&scratch, "between.crt"));
	snprintf(between_key, sizeof(between_key), "%s", scratch_path(&scratch, "between.key"));
	shell("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 99 -subj /CN=root -keyout root.key "
	      "-out root.crt 2>/dev/null && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=devices "
	      "-keyout between.key -out between.csr 2>/dev/null && printf 'basicConstraints=critical,CA:TRUE\n' >between.ext && "
	      "openssl x509 -req -in between.csr -CA root.crt -CAkey root.key -CAcreateserial -days 98 -extfile between.ext "
	      "-out between.crt 2>/dev/null", scratch.dir);
	remove(file[CRT]);
	remove(file[KEY]);
	assert_int_equal(pki_make_device(&(struct pki_files){ between, between_key }, &(struct pki_files){ file[CRT], file[KEY] },
					 "mercy", "nc-1", 9, now), OK);
	shell("cat %s >>%s", between, file[CRT]);
	digest(file[CRT], before);
	strcpy(file[OTHER], between);
	strcpy(file[OTHER_KEY], between_key);
	ca.ca_cert = file[OTHER];
	ca.ca_key = file[OTHER_KEY];
	snprintf(root, sizeof(root), "%s", scratch_path(&scratch, "root.crt"));
	ca.root = root;
}

static void whose_ca_is_signed_by_another_still_shows_that_one(void **state)
{
	(void)state;
	issued_by_a_ca_between();
	is_renewed();
	digest(file[CRT], before);
	is_renewed();
}

static void another_broker_will_do(void **state)
{
	(void)state;
	broker_moved = true;
	conf.uplink_port = 1;
	is_renewed();
}

static void what_the_ca_refuses_leaves_the_old(void **state)
{
	(void)state;
	ca.rejects = true;
	assert_int_equal(renew(), ERR_DENIED);
	assert_non_null(strstr(text, conf.renew_cmp));
	assert_non_null(strstr(text, "no more for you"));
	assert_true(has_old());
}

static void an_answer_by_somebody_else_is_none(void **state)
{
	(void)state;
	strcpy(conf.renew_cafile, file[OTHER]);
	assert_int_equal(renew(), ERR_DENIED);
	assert_true(has_old());
}

static void a_certificate_of_another_device_is_not_taken(void **state)
{
	(void)state;
	ca.renames_to = "nc-2";
	assert_int_equal(renew(), ERR_SENDER);
	assert_non_null(strstr(text, "the certificate that came"));
	assert_true(has_old());
}

static void one_that_does_not_log_in_is_not_taken(void **state)
{
	(void)state;
	ca.for_servers = true;
	assert_int_equal(renew(), ERR_KIND);
	assert_true(has_old());
}

static void what_the_broker_does_not_take_is_not_put_in_place(void **state)
{
	(void)state;
	ca.broker_refuses = true;
	strcpy(conf.uplink_others, "localhost:1");      /* where nobody is */
	assert_int_not_equal(renew(), OK);
	assert_non_null(strstr(text, "no broker takes it"));
	assert_null(strstr(text, "no connection"));
	assert_true(has_old());
}

static void who_hangs_up_is_named(void **state)
{
	(void)state;
	ca.hangs_up = true;
	assert_int_equal(renew(), ERR_DENIED);
	assert_non_null(strstr(text, conf.renew_cmp));
	assert_true(has_old());
	assert_int_equal(cmp_check("https://ca.example:8443/cmp"), OK);
	assert_int_equal(cmp_check("http://[::1]/"), OK);
	assert_int_equal(cmp_check("ftp://ca.example/"), ERR_SYNTAX);
	assert_int_equal(cmp_check("http://"), ERR_SYNTAX);
	assert_int_equal(cmp_check("http://me:secret@ca.example/"), ERR_SYNTAX);
}

/* The power went between the key and the certificate. */
static void what_is_half_in_place_is_put_there_whole(void **state)
{
	const int64_t now = time(NULL);
	char cert[400], key[400];

	(void)state;
	snprintf(cert, sizeof(cert), "%s.new", file[CRT]);
	snprintf(key, sizeof(key), "%s.new", file[KEY]);
	assert_int_equal(pki_make_device(&(struct pki_files){ file[CA], file[CA_KEY] }, &(struct pki_files){ cert, key },
					 "mercy", "nc-1", 90, now), OK);
	renewal_mend(&conf);            /* nothing is to be mended yet */
	assert_true(has_old());
	assert_int_equal(rename(key, file[KEY]), 0);
	assert_int_equal(cert_check_key(file[CRT], file[KEY]), ERR_KEY);
	renewal_mend(&conf);
	assert_int_equal(cert_check_key(file[CRT], file[KEY]), OK);
	assert_false(has_old());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_key_is_certified_and_put_in_place, make, drop),
		cmocka_unit_test_setup_teardown(over_tls_too, make, drop),
		cmocka_unit_test_setup_teardown(whose_ca_is_signed_by_another_still_shows_that_one, make, drop),
		cmocka_unit_test_setup_teardown(another_broker_will_do, make, drop),
		cmocka_unit_test_setup_teardown(what_the_ca_refuses_leaves_the_old, make, drop),
		cmocka_unit_test_setup_teardown(an_answer_by_somebody_else_is_none, make, drop),
		cmocka_unit_test_setup_teardown(a_certificate_of_another_device_is_not_taken, make, drop),
		cmocka_unit_test_setup_teardown(one_that_does_not_log_in_is_not_taken, make, drop),
		cmocka_unit_test_setup_teardown(what_the_broker_does_not_take_is_not_put_in_place, make, drop),
		cmocka_unit_test_setup_teardown(who_hangs_up_is_named, make, drop),
		cmocka_unit_test_setup_teardown(what_is_half_in_place_is_put_there_whole, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

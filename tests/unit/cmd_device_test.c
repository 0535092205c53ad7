/* cmd_device: the folder that is made for a machine, and whether the gateway can use it where it ends up. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cert.h"
#include "cmd.h"
#include "conf.h"
#include "crypt.h"
#include "install.h"
#include "report.h"
#include "said.h"
#include "scratch.h"

static struct scratch scratch;
static FILE *quiet;

static int run(int (*command)(int, char **), char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return command(argc, argv);
}

static int make(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	quiet = fopen("/dev/null", "w");
	must(quiet);
	report_to(quiet, quiet);
	return run(cmd_init, (char *[]){ "init", (char *)scratch_path(&scratch, "house"), "--tenant", "mercy", "--host",
					 "broker.example", "--broker-user", "root", NULL });
}

static void remove_in(const char *folder, const char *const *name, size_t n)
{
	char path[512];

	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch_path(&scratch, folder), name[i]);
		(void)remove(path);
	}
	(void)rmdir(scratch_path(&scratch, folder));
}

static void remove_kit(const char *folder)
{
	static const char *const name[] = { "device.crt", "device.key", "ca.crt", "gateway.ini", "record.vkey", "officers" };

	remove_in(folder, name, countof(name));
}

static int unmake(void **state)
{
	static const char *const key[] = { "ca.key", "server.key", "root.key", "record.seed" };
	static const char *const file[] = { "ca.crt", "server.crt", "ca.crl", "record.vkey", "directory.mdb",
					    "directory.mdb-lock", "pullcord.policy", "mosquitto.conf" };

	(void)state;
	remove_in("house/keys", key, countof(key));
	remove_in("house", file, countof(file));
	scratch_remove(&scratch);
	fclose(quiet);
	return 0;
}

static int enroll_of(const char *id, const char *role, const char *tenant);

/* `at` NULL: not said. */
static int enroll(const char *id, const char *out, const char *at)
{
	return run(cmd_device, (char *[]){ "device", "enroll", (char *)id, "--dir",
					   (char *)scratch_path(&scratch, "house"), "--unit", "icu3", "--role",
					   "nursecall-device", "--out", (char *)scratch_path(&scratch, out),
					   at ? "--at" : NULL, (char *)at, NULL });
}

/* The settings in a folder, with the inputs that wait there for whoever strikes out a semicolon, as the gateway reads them. */
static void read_settings(const char *folder, struct conf *out)
{
	char path[512], command[640];
	struct conf_fault fault;

	snprintf(path, sizeof(path), "%s/gateway.ini", scratch_path(&scratch, folder));
	snprintf(command, sizeof(command), "sed -i 's/^;\\([^ ]\\)/\\1/' %s", path);
	assert_int_equal(system(command), 0);
	assert_int_equal(conf_load(path, out, &fault), OK);
	assert_int_equal(out->inputs, 2);
	assert_int_equal(out->input[0].kind, INPUT_MLLP);
	assert_int_equal(out->input[1].kind, INPUT_LOCAL);
	assert_string_equal(out->gateway_unit, "icu3");
	assert_string_equal(out->uplink_host, "broker.example");
}

static void a_folder_that_was_moved_is_good_where_it_lies(void **state)
{
	char there[128];
	struct conf c, plain;
	struct cert cert;

	(void)state;
	snprintf(there, sizeof(there), "%s/device/pullcord", scratch.dir);
	assert_int_equal(enroll("nc1", "nc1", there), CMD_DONE);
	must(mkdir(scratch_path(&scratch, "device"), 0700) == 0);
	must(rename(scratch_path(&scratch, "nc1"), there) == 0);
	read_settings("device/pullcord", &c);
	assert_int_equal(access(c.uplink_cafile, R_OK), 0);
	assert_int_equal(cert_read(c.uplink_certfile, &cert), OK);
	assert_int_equal(cert_check_key(c.uplink_certfile, c.uplink_keyfile), OK);
	conf_init(&plain);
	assert_string_equal(c.gateway_outbox, plain.gateway_outbox);
	assert_string_equal(c.gateway_root_key, plain.gateway_root_key);
	assert_int_equal(access(c.witness_vkey, R_OK), 0);
	assert_string_equal(c.witness_folder, plain.witness_folder);
	remove_kit("device/pullcord");
}

static void a_folder_for_the_usual_place_names_no_path(void **state)
{
	struct conf c, plain;

	(void)state;
	assert_int_equal(enroll("nc2", "nc2", "/etc/pullcord"), CMD_DONE);
	read_settings("nc2", &c);
	conf_init(&plain);
	assert_string_equal(c.uplink_cafile, plain.uplink_cafile);
	assert_string_equal(c.uplink_certfile, plain.uplink_certfile);
	assert_string_equal(c.uplink_keyfile, plain.uplink_keyfile);
	assert_string_equal(c.gateway_outbox, plain.gateway_outbox);
	assert_string_equal(c.gateway_root_key, plain.gateway_root_key);
	remove_kit("nc2");
}

static void a_folder_that_stays_keeps_everything_in_it(void **state)
{
	struct conf c;
	char here[128];
	size_t n = (size_t)snprintf(here, sizeof(here), "%s/nc3/", scratch.dir);

	(void)state;
	assert_int_equal(enroll("nc3", "nc3", NULL), CMD_DONE);
	read_settings("nc3", &c);
	assert_int_equal(strncmp(c.gateway_outbox, here, n), 0);
	assert_int_equal(strncmp(c.gateway_root_key, here, n), 0);
	assert_int_equal(strncmp(c.uplink_keyfile, here, n), 0);
	assert_int_equal(strncmp(c.witness_folder, here, n), 0);
	remove_kit("nc3");
}

/* Whom the policy lets: a tablet lies in a patient's hands. */
static void only_who_may_is_made_a_witness(void **state)
{
	struct conf_fault fault;
	struct conf c;
	char path[512];
	FILE *f;

	(void)state;
	assert_int_equal(enroll_of("tb1", "tablet-device", NULL), CMD_DONE);
	assert_int_not_equal(access(scratch_path(&scratch, "tb1/record.vkey"), F_OK), 0);
	snprintf(path, sizeof(path), "%s/gateway.ini", scratch_path(&scratch, "tb1"));
	f = fopen(path, "a");
	must(f && fputs("[input station]\nkind = mllp\n", f) >= 0 && fclose(f) == 0);
	assert_int_equal(conf_load(path, &c, &fault), OK);
	assert_string_equal(c.witness_vkey, "");
	assert_int_equal(enroll_of("w1", "witness", NULL), CMD_DONE);
	assert_int_equal(access(scratch_path(&scratch, "w1/record.vkey"), R_OK), 0);
	remove_kit("tb1");
	remove_kit("w1");
}

/* From when the installation has officers on. */
static void a_device_obeys_the_officers_there_are(void **state)
{
	static const char key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n";
	static const char *const officers[] = { "officers" };
	struct conf_fault fault;
	struct conf c;
	char path[512];
	FILE *f;

	(void)state;
	assert_int_equal(enroll("of1", "of1", NULL), CMD_DONE);
	assert_int_not_equal(access(scratch_path(&scratch, "of1/officers"), F_OK), 0);
	f = fopen(scratch_path(&scratch, "house/officers"), "w");
	must(f && fputs(key, f) >= 0 && fclose(f) == 0);
	assert_int_equal(enroll("of2", "of2", NULL), CMD_DONE);
	assert_int_equal(access(scratch_path(&scratch, "of2/officers"), R_OK), 0);
	snprintf(path, sizeof(path), "%s/gateway.ini", scratch_path(&scratch, "of2"));
	f = fopen(path, "a");
	must(f && fputs("[input station]\nkind = mllp\n", f) >= 0 && fclose(f) == 0);
	assert_int_equal(conf_load(path, &c, &fault), OK);
	assert_string_equal(c.orders_officers + strlen(c.orders_officers) - strlen("/of2/officers"), "/of2/officers");
	assert_string_equal(c.orders_folder + strlen(c.orders_folder) - strlen("/of2/orders"), "/of2/orders");
	remove_in("house", officers, 1);
	remove_kit("of1");
	remove_kit("of2");
}

static void a_refused_enrolment_leaves_no_folder(void **state)
{
	(void)state;
	assert_int_equal(enroll("nc4", "nc4", NULL), CMD_DONE);
	assert_int_equal(enroll("nc4", "again", NULL), CMD_NO);
	assert_int_not_equal(access(scratch_path(&scratch, "again"), F_OK), 0);
	assert_int_equal(access(scratch_path(&scratch, "nc4"), F_OK), 0);
	must(mkdir(scratch_path(&scratch, "mine"), 0700) == 0);
	assert_int_equal(enroll("nc4", "mine", NULL), CMD_NO);
	assert_int_equal(access(scratch_path(&scratch, "mine"), F_OK), 0);
	remove_kit("nc4");
}

/* The certificate of a device of `role` says this tenant. */
static int enroll_of(const char *id, const char *role, const char *tenant)
{
	return run(cmd_device, (char *[]){ "device", "enroll", (char *)id, "--dir", (char *)scratch_path(&scratch, "house"),
					   "--out", (char *)scratch_path(&scratch, id), role ? "--role" : "--tenant",
					   (char *)(role ? role : tenant), role && tenant ? "--tenant" : NULL, (char *)tenant, NULL });
}

static void a_certificate_says_whose_device_it_is(void **state)
{
	FILE *f = fopen(scratch_path(&scratch, "house/pullcord.policy"), "a");
	struct cert cert;
	char path[512];

	(void)state;
	must(f && fputs("tenant lakeside\nrole lakeside-box\n  allow publish lakeside/device/{device}/state\n", f) >= 0 && fclose(f) == 0);
	assert_int_equal(enroll_of("lk1", "lakeside-box", NULL), CMD_DONE);
	assert_int_equal(enroll_of("lk2", NULL, "lakeside"), CMD_DONE);
	assert_int_equal(enroll_of("nc9", "nursecall-device", NULL), CMD_DONE);
	snprintf(path, sizeof(path), "%s/device.crt", scratch_path(&scratch, "lk1"));
	assert_int_equal(cert_read(path, &cert), OK);
	assert_string_equal(cert.tenant, "lakeside");
	snprintf(path, sizeof(path), "%s/device.crt", scratch_path(&scratch, "lk2"));
	assert_int_equal(cert_read(path, &cert), OK);
	assert_string_equal(cert.tenant, "lakeside");
	snprintf(path, sizeof(path), "%s/device.crt", scratch_path(&scratch, "nc9"));
	assert_int_equal(cert_read(path, &cert), OK);
	assert_string_equal(cert.tenant, "mercy");
	assert_int_equal(enroll_of("lk3", "lakeside-box", "mercy"), CMD_NO);
	assert_int_equal(enroll_of("lk3", NULL, "nowhere"), CMD_NO);
	assert_int_equal(run(cmd_device, (char *[]){ "device", "enroll", "lk3", "--dir", (char *)scratch_path(&scratch, "house"),
						     "--out", (char *)scratch_path(&scratch, "lk3"), NULL }), CMD_USAGE);
	assert_int_not_equal(access(scratch_path(&scratch, "lk3"), F_OK), 0);
	remove_kit("lk1");
	remove_kit("lk2");
	remove_kit("nc9");
}

static enum account_state state_after(const char *verb, const char *id)
{
	struct directory *d = NULL;
	struct account *a = NULL;
	struct install house;
	enum account_state s;

	assert_int_equal(run(cmd_device, (char *[]){ "device", (char *)verb, (char *)id, "--dir",
						     (char *)scratch_path(&scratch, "house"), NULL }), CMD_DONE);
	assert_int_equal(install_open(scratch_path(&scratch, "house"), &house), OK);
	assert_int_equal(install_directory(&house, true, &d), OK);
	assert_int_equal(directory_find(d, PULLCORD__V1__PARTY__PARTY_DEVICE, span_str(id), &a), OK);
	s = a->state;
	account_free(&a);
	directory_close(&d);
	return s;
}

static void a_suspension_lifts_no_quarantine(void **state)
{
	(void)state;
	assert_int_equal(enroll("nc5", "nc5", NULL), CMD_DONE);
	assert_int_equal(state_after("quarantine", "nc5"), ACCOUNT_QUARANTINED);
	assert_int_equal(state_after("suspend", "nc5"), ACCOUNT_SUSPENDED);
	assert_int_equal(state_after("suspend", "nc5"), ACCOUNT_SUSPENDED);
	assert_int_equal(state_after("resume", "nc5"), ACCOUNT_QUARANTINED);
	assert_int_equal(state_after("release", "nc5"), ACCOUNT_ACTIVE);
	assert_int_equal(state_after("suspend", "nc5"), ACCOUNT_SUSPENDED);
	assert_int_equal(state_after("quarantine", "nc5"), ACCOUNT_SUSPENDED);
	assert_int_equal(state_after("resume", "nc5"), ACCOUNT_QUARANTINED);
	remove_kit("nc5");
}

/* Nothing of it stays, and nothing of another device's goes. */
static void what_fails_leaves_all_as_it_was(void **state)
{
	char key[512], away[600], theirs[512];

	(void)state;
	snprintf(key, sizeof(key), "%s", scratch_path(&scratch, "house/keys/ca.key"));
	snprintf(away, sizeof(away), "%s.away", key);
	assert_int_equal(enroll("nc7", "nc7", NULL), CMD_DONE);
	must(rename(key, away) == 0);
	assert_int_equal(enroll("nc8", "nc8", NULL), CMD_NO);
	assert_int_not_equal(access(scratch_path(&scratch, "nc8"), F_OK), 0);
	assert_int_equal(run(cmd_device, (char *[]){ "device", "renew", "nc7", "--dir", (char *)scratch_path(&scratch, "house"), "--out",
						     (char *)scratch_path(&scratch, "nc8"), NULL }), CMD_NO);
	assert_int_not_equal(access(scratch_path(&scratch, "nc8"), F_OK), 0);
	must(rename(away, key) == 0);
	assert_int_equal(enroll("nc8", "nc7", NULL), CMD_NO);      /* keys of another are there */
	snprintf(theirs, sizeof(theirs), "%s", scratch_path(&scratch, "nc7/device.key"));
	assert_int_equal(access(theirs, F_OK), 0);
	assert_int_equal(enroll("nc8", "nc8", NULL), CMD_DONE);    /* its name is free */
	remove_kit("nc7");
	remove_kit("nc8");
}

static char *enrolled(int code, const char *id)
{
	return said(cmd_device, code, (const char *const[]){ "device", "enroll", id, "--dir", scratch_path(&scratch, "house"), "--role",
							     "nursecall-device", "--out", scratch_path(&scratch, id), NULL });
}

static void what_is_missing_beside_the_ca_is_said(void **state)
{
	char key[512], vkey[512], away[600];
	char *text;

	(void)state;
	snprintf(vkey, sizeof(vkey), "%s", scratch_path(&scratch, "house/record.vkey"));
	snprintf(key, sizeof(key), "%s", scratch_path(&scratch, "house/keys/ca.key"));
	snprintf(away, sizeof(away), "%s.away", vkey);
	text = enrolled(CMD_DONE, "nc10");
	assert_null(strstr(text, "record.vkey is here"));
	free(text);
	must(rename(vkey, away) == 0);
	text = enrolled(CMD_DONE, "nc11");
	assert_non_null(strstr(text, "No record.vkey is here"));
	free(text);
	must(rename(away, vkey) == 0);
	must(rename(key, away) == 0 && link(scratch_path(&scratch, "house/keys/server.key"), key) == 0);
	text = enrolled(CMD_NO, "nc12");
	assert_non_null(strstr(text, "is not the key of"));
	free(text);
	must(rename(away, key) == 0);
	remove_kit("nc10");
	remove_kit("nc11");
	report_to(quiet, quiet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_that_was_moved_is_good_where_it_lies),
		cmocka_unit_test(a_folder_for_the_usual_place_names_no_path),
		cmocka_unit_test(a_folder_that_stays_keeps_everything_in_it),
		cmocka_unit_test(only_who_may_is_made_a_witness),
		cmocka_unit_test(a_device_obeys_the_officers_there_are),
		cmocka_unit_test(a_refused_enrolment_leaves_no_folder),
		cmocka_unit_test(a_certificate_says_whose_device_it_is),
		cmocka_unit_test(a_suspension_lifts_no_quarantine),
		cmocka_unit_test(what_fails_leaves_all_as_it_was),
		cmocka_unit_test(what_is_missing_beside_the_ca_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

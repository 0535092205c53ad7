/* accounts: what `user` and `device` say of accounts in an installation's folder, and with which exit code. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt.h"
#include "said.h"
#include "scratch.h"

#define AT "--dir", house
#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"    /* 65 */

static struct scratch scratch;
static char house[512], password[512], kit[512];

static int make(void **state)
{
	FILE *f;

	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	snprintf(house, sizeof(house), "%s", scratch_path(&scratch, "house"));
	snprintf(password, sizeof(password), "%s", scratch_path(&scratch, "password"));
	snprintf(kit, sizeof(kit), "%s", scratch_path(&scratch, "kit"));
	umask(077);
	f = fopen(password, "w");
	must(f && fputs("correct horse 7\n", f) >= 0 && fclose(f) == 0);
	assert_says(cmd_init, CMD_DONE, "made", "init", house, "--tenant", "mercy", "--broker-user", "root");
	assert_says(cmd_user, CMD_DONE, "may log in", "user", "add", "ana", "--role", "nurse", "--unit", "icu3", "--password-file",
		    password, AT);
	assert_says(cmd_device, CMD_DONE, "is enrolled", "device", "enroll", "nc1", "--role", "nursecall-device", "--out", kit, AT);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static void who_is_not_there_has_a_code_of_its_own(void **state)
{
	(void)state;
	assert_says(cmd_user, CMD_GONE, "there is no user ben", "user", "show", "ben", AT);
	assert_says(cmd_user, CMD_GONE, "there is no user nc1", "user", "suspend", "nc1", AT);
	assert_says(cmd_user, CMD_GONE, "there is no user ben", "user", "passwd", "ben", "--password-file", password, AT);
	assert_says(cmd_device, CMD_GONE, "there is no device ana", "device", "renew", "ana", "--out", kit, AT);
	assert_says(cmd_user, CMD_DONE, "ana", "user", "show", "ana", AT);
}

static void a_tenant_is_heeded(void **state)
{
	(void)state;
	assert_says(cmd_user, CMD_NO, "no tenant mercey; it has mercy", "user", "list", "--tenant", "mercey", AT);
	assert_says(cmd_user, CMD_USAGE, "--tenant is empty", "user", "list", "--tenant", "", AT);
	assert_says(cmd_user, CMD_DONE, "ana", "user", "list", "--tenant", "mercy", AT);
	assert_says(cmd_user, CMD_GONE, "ana is of tenant mercy", "user", "suspend", "ana", "--tenant", "lakeside", AT);
	assert_says(cmd_user, CMD_GONE, "no user ana of tenant lakeside", "user", "passwd", "ana", "--tenant", "lakeside",
		    "--password-file", password, AT);
	assert_says(cmd_device, CMD_GONE, "nc1 is of tenant mercy", "device", "renew", "nc1", "--tenant", "lakeside", "--out", kit, AT);
	assert_says(cmd_user, CMD_DONE, "active", "user", "show", "ana", "--tenant", "mercy", AT);
}

/* The hint leads to what has the name. */
static void a_name_that_is_taken_says_by_whom(void **state)
{
	(void)state;
	assert_says(cmd_device, CMD_NO, "pullcord user show ana", "device", "enroll", "ana", "--out", kit, AT);
	assert_says(cmd_device, CMD_NO, "USER.ANYTHING", "device", "enroll", "ana.x", "--out", kit, AT);
	assert_says(cmd_device, CMD_NO, "there is a device nc1 already", "device", "enroll", "nc1", "--out", kit, AT);
	assert_says(cmd_device, CMD_NO, "pullcord device renew nc1", "device", "enroll", "nc1", "--out", kit, AT);
	assert_says(cmd_user, CMD_NO, "pullcord device show nc1", "user", "add", "nc1", "--password-file", password, AT);
}

static void what_no_rule_asks_for_is_noted(void **state)
{
	char *text;

	(void)state;
	assert_says(cmd_user, CMD_DONE, "asks for {unti}", "user", "grant", "ana", "--attr", "unti=icu3", AT);
	assert_says(cmd_user, CMD_DONE, "any more", "user", "revoke", "ana", "--attr", "unti=icu3", AT);
	text = said(cmd_user, CMD_DONE, (const char *const[]){ "user", "grant", "ana", "--attr", "patient=p1", AT, NULL });
	assert_null(strstr(text, "note"));
	free(text);
}

static void a_word_is_said_to_be_too_long(void **state)
{
	(void)state;
	assert_says(cmd_user, CMD_USAGE, "at most 64 letters; \"" LETTERS "\" has 65", "user", "add", LETTERS, AT);
	assert_says(cmd_user, CMD_USAGE, "--unit is one word", "user", "grant", "ana", "--unit", "icu 3", AT);
	assert_says(cmd_user, CMD_USAGE, "--name has at most 200 bytes", "user", "add", "ben", "--name",
		    LETTERS LETTERS LETTERS LETTERS, "--password-file", password, AT);
	assert_says(cmd_device, CMD_USAGE, "DEVICE is one word", "device", "enroll", "n c", "--out", kit, AT);
}

static void only_what_is_suspended_is_resumed(void **state)
{
	(void)state;
	assert_says(cmd_user, CMD_NO, "ana is active", "user", "resume", "ana", AT);
	assert_says(cmd_user, CMD_DONE, "in quarantine", "user", "quarantine", "ana", AT);
	assert_says(cmd_user, CMD_NO, "pullcord user release ana ends that", "user", "resume", "ana", AT);
	assert_says(cmd_user, CMD_DONE, "suspended", "user", "suspend", "ana", AT);
	assert_says(cmd_user, CMD_NO, "pullcord user resume ana ends that", "user", "release", "ana", AT);
	assert_says(cmd_user, CMD_DONE, "in quarantine", "user", "resume", "ana", AT);
	assert_says(cmd_user, CMD_DONE, "active", "user", "release", "ana", AT);
}

static void a_wiped_device_gets_no_certificate(void **state)
{
	char out[512], again[600];

	(void)state;
	snprintf(out, sizeof(out), "%s", scratch_path(&scratch, "old"));
	snprintf(again, sizeof(again), "%s.new", out);
	assert_says(cmd_device, CMD_DONE, "It may do nothing yet", "device", "enroll", "old", "--out", out, AT);
	assert_says(cmd_device, CMD_DONE, "wiped", "device", "wipe", "old", AT);
	assert_says(cmd_device, CMD_NO, "old is wiped", "device", "renew", "old", "--out", again, AT);
	assert_int_not_equal(access(again, F_OK), 0);
	assert_says(cmd_device, CMD_NO, "old is wiped", "device", "grant", "old", "--unit", "icu3", AT);
}

static void times_for_scripts_have_a_zone(void **state)
{
	static const char key[] = "\"changed\":\"", day[] = "2026-11-29";
	char *text, *at;

	(void)state;
	must(setenv("TZ", "America/New_York", 1) == 0);
	text = said(cmd_user, CMD_DONE, (const char *const[]){ "user", "show", "ana", "--json", AT, NULL });
	at = strstr(text, key);
	assert_non_null(at);
	at += strlen(key) + strlen(day);
	assert_memory_equal(at, "T", 1);
	assert_memory_equal(at + strlen("T08:00:00"), "Z\"", 2);
	free(text);
}

static void a_script_hears_what_was_made(void **state)
{
	char out[512], again[600];

	(void)state;
	snprintf(out, sizeof(out), "%s", scratch_path(&scratch, "nc2"));
	snprintf(again, sizeof(again), "%s.new", out);
	assert_says(cmd_user, CMD_DONE, "{\"id\":\"ben\",\"done\":true}\n", "user", "add", "ben", "--json", "--password-file",
		password, AT);
	assert_says(cmd_user, CMD_DONE, "{\"id\":\"ben\",\"done\":true}\n", "user", "passwd", "ben", "--json", "--password-file",
		password, AT);
	assert_says(cmd_device, CMD_DONE, "/nc2\",\"valid_until\":\"20", "device", "enroll", "nc2", "--json", "--out", out, AT);
	assert_says(cmd_device, CMD_DONE, "/nc2.new\",\"valid_until\":\"20", "device", "renew", "nc2", "--json", "--out", again, AT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_not_there_has_a_code_of_its_own),
		cmocka_unit_test(a_tenant_is_heeded),
		cmocka_unit_test(a_name_that_is_taken_says_by_whom),
		cmocka_unit_test(what_no_rule_asks_for_is_noted),
		cmocka_unit_test(a_word_is_said_to_be_too_long),
		cmocka_unit_test(only_what_is_suspended_is_resumed),
		cmocka_unit_test(a_wiped_device_gets_no_certificate),
		cmocka_unit_test(times_for_scripts_have_a_zone),
		cmocka_unit_test(a_script_hears_what_was_made),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

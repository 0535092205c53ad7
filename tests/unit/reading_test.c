/* reading: who the operating system says is reading. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "crypt.h"
#include "in_scratch.h"
#include "reading.h"
#include "report.h"

static const char *login_uid(const char *text)
{
	const char *path = scratch_path(&scratch, "loginuid");
	FILE *f = fopen(path, "w");

	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

static void assert_who(const char *text, uid_t uid, const char *who, const char *as)
{
	struct reading_who w = reading_who(login_uid(text), uid);

	assert_string_equal(w.who, who);
	assert_string_equal(w.as, as);
}

static void whoever_logged_in_is_named_and_as_whom_they_work(void **state)
{
	(void)state;
	assert_who("0", 0, "os:root", "");
	assert_who("0\n", 0, "os:root", "");
	assert_who("61234", 61234, "os:61234", "");
	assert_who("61234", 0, "os:61234", "os:root");         /* sudo */
}

static void without_a_login_it_is_whose_process_it_is(void **state)
{
	struct reading_who w = reading_who("/nowhere/loginuid", 0);

	(void)state;
	assert_string_equal(w.who, "os:root");
	assert_who("4294967295", 61234, "os:61234", "");
	assert_who("", 61234, "os:61234", "");
	assert_who("rubbish", 61234, "os:61234", "");
	assert_who("4294967296", 61234, "os:61234", "");
}

static void it_is_noted_beside_the_record_or_refused(void **state)
{
	static const uint8_t root[AEAD_KEY_BYTES] = { 1 };
	const char *record = scratch_path(&scratch, "record.mdb");
	FILE *f = fopen(record, "w"), *nowhere = fopen("/dev/null", "w");

	(void)state;
	assert_int_equal(crypt_init(), OK);
	must(f && fclose(f) == 0 && nowhere);
	report_to(nowhere, nowhere);
	assert_int_equal(reading_announce(record, root, "audit tail", NULL, NULL), CMD_DONE);
	assert_int_equal(access(scratch_path(&scratch, "record.reads"), F_OK), 0);
	assert_int_equal(reading_announce("/nowhere/record.mdb", root, "audit tail", NULL, NULL), CMD_NO);
	report_to(stdout, stderr);
	fclose(nowhere);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_logged_in_is_named_and_as_whom_they_work),
		cmocka_unit_test(without_a_login_it_is_whose_process_it_is),
		cmocka_unit_test(it_is_noted_beside_the_record_or_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

/* cmd_history: what is refused before a password is asked for, each mistake by its name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "said.h"

#define ASK "history", "--user", "ana"

static void a_time_that_ends_before_it_begins_is_no_empty_answer(void **state)
{
	(void)state;
	assert_says(cmd_history, CMD_USAGE, "--from 2026-11-30 is not before --until 2026-11-01", ASK, "--unit", "icu3", "--from",
		    "2026-11-30", "--until", "2026-11-01");
	assert_says(cmd_history, CMD_USAGE, "is not before", ASK, "--unit", "icu3", "--from", "2026-11-30", "--until", "2026-11-30");
	assert_says(cmd_history, CMD_USAGE, "--from is 2026-11-23T07:00:00Z", ASK, "--unit", "icu3", "--from", "2026-02-30");
}

static void one_message_is_not_narrowed(void **state)
{
	(void)state;
	assert_says(cmd_history, CMD_USAGE, "--id alone is one message", ASK, "--id", "00112233445566778899aabbccddeeff", "--from",
		"2026-11-30");
	assert_says(cmd_history, CMD_USAGE, "--id alone is one message", ASK, "--id", "00112233445566778899aabbccddeeff", "--oldest");
}

static void a_name_is_told_from_a_number(void **state)
{
	(void)state;
	assert_says(cmd_history, CMD_USAGE, "--unit is one word of A-Z a-z 0-9 . _ : -, not \"icu 3\"", ASK, "--unit", "icu 3");
	assert_says(cmd_history, CMD_USAGE, "--patient is empty", ASK, "--unit", "icu3", "--patient", "");
	assert_says(cmd_history, CMD_USAGE, "not \"##\"", ASK, "--filter", "##");
	assert_says(cmd_history, CMD_USAGE, "at most 8 topics at a time, and a unit is 3: this is 9", ASK, "--unit", "a", "--unit", "b",
		    "--unit", "c");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_that_ends_before_it_begins_is_no_empty_answer),
		cmocka_unit_test(one_message_is_not_narrowed),
		cmocka_unit_test(a_name_is_told_from_a_number),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cmd_send: what is refused before a password is asked for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "said.h"

#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MORE LETTERS LETTERS LETTERS LETTERS
#define TOO_MUCH MORE MORE MORE MORE MORE

static void refused(const char *to, const char *text, const char *option, const char *value, const char *why)
{
	assert_says(cmd_send, CMD_USAGE, why, "send", "--user", "ana", "--to", to, text, option, value);
}

static void a_message_has_words(void **state)
{
	(void)state;
	refused("user/ben", "", NULL, NULL, "TEXT is empty");
	refused("unit/icu3", "", NULL, NULL, "TEXT is empty");
	refused("user/ben", "a\xff", NULL, NULL, "TEXT is not UTF-8");
	refused("unit/icu3", TOO_MUCH, NULL, NULL, "a message to a unit has at most 1024 bytes, not 1280");
}

static void only_a_unit_is_called_to_a_place(void **state)
{
	(void)state;
	refused("user/ben", "come", "--place", "Room 12", "--place goes with unit/NAME");
	refused("channel/tumors", "come", "--place", "Room 12", "--place goes with unit/NAME");
	refused("patient/p1", "come", "--place", "Room 12", "--place goes with unit/NAME");
}

static void words_are_those_there_are(void **state)
{
	(void)state;
	refused("unti/icu3", "come", NULL, NULL, "not \"unti/icu3\"");
	refused("unit/icu3", "come", "--priority", "hihg", "not \"hihg\"");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_has_words),
		cmocka_unit_test(only_a_unit_is_called_to_a_place),
		cmocka_unit_test(words_are_those_there_are),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

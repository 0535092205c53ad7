#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "err.h"

static void every_error_has_a_word_and_a_text(void **state)
{
	(void)state;
	for (int e = OK; e < ERR_COUNT; e++) {
		assert_true(strlen(err_name((enum err)e)) >= 2);
		assert_true(strlen(err_text((enum err)e)) >= 8);
		for (const char *c = err_name((enum err)e); *c; c++)
			assert_true(islower(*c) || isdigit(*c) || *c == '_');
	}
	assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_text(ERR_NOT_FOUND), "there is no such thing");
}

static void words_are_not_given_twice(void **state)
{
	(void)state;
	for (int a = OK; a < ERR_COUNT; a++)
		for (int b = a + 1; b < ERR_COUNT; b++) {
			assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
			assert_string_not_equal(err_text((enum err)a), err_text((enum err)b));
		}
}

static void numbers_that_are_no_error_are_named_too(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_COUNT), "unknown");
	assert_string_equal(err_name((enum err)-1), "unknown");
	assert_non_null(err_text((enum err)4711));
}

static enum err hands_up(enum err e, int *reached)
{
	TRY(e);
	*reached = 1;
	return OK;
}

static void try_hands_up_failures_and_passes_success(void **state)
{
	int reached = 0;

	(void)state;
	assert_int_equal(hands_up(ERR_IO, &reached), ERR_IO);
	assert_int_equal(reached, 0);
	assert_int_equal(hands_up(OK, &reached), OK);
	assert_int_equal(reached, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_a_word_and_a_text),
		cmocka_unit_test(words_are_not_given_twice),
		cmocka_unit_test(numbers_that_are_no_error_are_named_too),
		cmocka_unit_test(try_hands_up_failures_and_passes_success),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

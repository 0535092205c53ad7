/* hush: a line that comes again and again is written a few times, and the rest counted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hush.h"

static unsigned said(struct hush *h, unsigned lines, int64_t now_ms)
{
	unsigned n = 0;

	while (lines--)
		n += hush_say(h, now_ms);
	return n;
}

static void the_first_of_each_minute_are_written(void **state)
{
	struct hush h = { 0 };

	(void)state;
	assert_int_equal(said(&h, 1000, 5), HUSH_MOST);
	assert_int_equal(said(&h, 1000, 5 + HUSH_MS - 1), 0);
	assert_int_equal(said(&h, 1000, 5 + HUSH_MS), HUSH_MOST);
}

static void the_rest_is_counted_and_told_once(void **state)
{
	struct hush h = { 0 };

	(void)state;
	assert_int_equal(hush_left_out(&h, 0), 0);
	(void)said(&h, HUSH_MOST, 5);
	assert_int_equal(hush_left_out(&h, 5 + HUSH_MS), 0);
	(void)said(&h, 10, 10);
	assert_int_equal(hush_left_out(&h, 10 + HUSH_MS - 1), 0);
	assert_int_equal(hush_left_out(&h, 10 + HUSH_MS), 10);
	assert_int_equal(hush_left_out(&h, 10 + HUSH_MS), 0);
}

/* Each millisecond one, and never a pause. */
static void a_flood_that_does_not_end_is_told_all_the_same(void **state)
{
	struct hush h = { 0 };
	uint64_t written = 0, told = 0;

	(void)state;
	for (int64_t ms = 0; ms < 10 * HUSH_MS; ms++) {
		written += hush_say(&h, ms);
		told += hush_left_out(&h, ms);
	}
	assert_int_equal(written, 10 * HUSH_MOST);
	assert_true(told >= 8 * (HUSH_MS - HUSH_MOST));
	assert_int_equal(written + told + h.left_out, 10 * HUSH_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_each_minute_are_written),
		cmocka_unit_test(the_rest_is_counted_and_told_once),
		cmocka_unit_test(a_flood_that_does_not_end_is_told_all_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

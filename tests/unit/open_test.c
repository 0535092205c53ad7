/* open: who is told when a person does something about an alert. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "open.h"

static struct open *o;

static int make(void **state)
{
	(void)state;
	return open_make(&o) == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	open_free(&o);
	return 0;
}

struct key {
	uint8_t b[OPEN_KEY];
};

static struct key key(uint32_t n)
{
	struct key k = { { 0 } };

	memcpy(k.b, &n, sizeof(n));
	return k;
}

static void put(uint32_t n, int64_t at_ms)
{
	uint8_t lost[OPEN_KEY];

	assert_false(open_put(o, key(n).b, at_ms, lost));
}

static void what_was_put_is_found_until_dropped(void **state)
{
	(void)state;
	assert_false(open_has(o, key(1).b));
	put(1, 5);
	assert_true(open_has(o, key(1).b));
	assert_true(open_drop(o, key(1).b));
	assert_false(open_drop(o, key(1).b));
	assert_false(open_has(o, key(1).b));
}

static void the_last_event_is_the_one_that_counts(void **state)
{
	uint8_t gone[OPEN_KEY];

	(void)state;
	put(1, 5);
	put(1, 9);
	assert_int_equal(open_count(o), 1);
	assert_false(open_expire(o, 9 + OPEN_AGE_MS - 1, gone));
	assert_true(open_expire(o, 9 + OPEN_AGE_MS, gone));
}

static void the_oldest_gives_way_and_is_named(void **state)
{
	uint8_t lost[OPEN_KEY];

	(void)state;
	for (uint32_t i = 0; i < OPEN_MAX; i++)
		put(i, i);
	put(0, 1);   /* heard of again: now 1 is the oldest */
	assert_true(open_put(o, key(OPEN_MAX).b, 0, lost));
	assert_memory_equal(lost, key(1).b, OPEN_KEY);
	assert_false(open_has(o, key(1).b));
	assert_true(open_has(o, key(0).b));
	assert_int_equal(open_count(o), OPEN_MAX);
}

static void a_day_later_it_is_forgotten(void **state)
{
	uint8_t gone[OPEN_KEY];

	(void)state;
	put(1, 1000);
	put(2, 2000);
	assert_false(open_expire(o, 1000 + OPEN_AGE_MS - 1, gone));
	assert_true(open_expire(o, 1000 + OPEN_AGE_MS, gone));
	assert_memory_equal(gone, key(1).b, OPEN_KEY);
	assert_false(open_expire(o, 1000 + OPEN_AGE_MS, gone));
	assert_int_equal(open_count(o), 1);
}

#define WITH_OPEN(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OPEN(what_was_put_is_found_until_dropped),
		WITH_OPEN(the_last_event_is_the_one_that_counts),
		WITH_OPEN(the_oldest_gives_way_and_is_named),
		WITH_OPEN(a_day_later_it_is_forgotten),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

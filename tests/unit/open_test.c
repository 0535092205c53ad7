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

static struct open_alert alert(uint32_t n, int64_t at_ms)
{
	struct open_alert a = { .at_ms = at_ms, .input = "monitors", .source = "MON412B" };

	memcpy(a.key, &n, sizeof(n));
	return a;
}

static void put(uint32_t n, int64_t at_ms)
{
	struct open_alert a = alert(n, at_ms);
	uint8_t lost[OPEN_KEY];

	assert_false(open_put(o, &a, lost));
}

static void what_was_put_is_found_until_dropped(void **state)
{
	struct open_alert a = alert(1, 5);

	(void)state;
	assert_null(open_find(o, a.key));
	put(1, 5);
	assert_string_equal(open_find(o, a.key)->source, "MON412B");
	assert_true(open_drop(o, a.key));
	assert_false(open_drop(o, a.key));
	assert_null(open_find(o, a.key));
}

static void the_last_event_is_the_one_remembered(void **state)
{
	struct open_alert a = alert(1, 9);
	uint8_t lost[OPEN_KEY];

	(void)state;
	put(1, 5);
	strcpy(a.source_id, "later");
	assert_false(open_put(o, &a, lost));
	assert_string_equal(open_find(o, a.key)->source_id, "later");
	assert_int_equal(open_count(o), 1);
}

static void the_oldest_gives_way_and_is_named(void **state)
{
	struct open_alert a = alert(OPEN_MAX, 0), first = alert(0, 0), second = alert(1, 0);
	uint8_t lost[OPEN_KEY];

	(void)state;
	for (uint32_t i = 0; i < OPEN_MAX; i++)
		put(i, i);
	put(0, 1);   /* heard of again: now 1 is the oldest */
	assert_true(open_put(o, &a, lost));
	assert_memory_equal(lost, second.key, OPEN_KEY);
	assert_null(open_find(o, second.key));
	assert_non_null(open_find(o, first.key));
	assert_int_equal(open_count(o), OPEN_MAX);
}

static void a_day_later_it_is_forgotten(void **state)
{
	struct open_alert a = alert(1, 0);
	uint8_t key[OPEN_KEY];

	(void)state;
	put(1, 1000);
	put(2, 2000);
	assert_false(open_expire(o, 1000 + OPEN_AGE_MS - 1, key));
	assert_true(open_expire(o, 1000 + OPEN_AGE_MS, key));
	assert_memory_equal(key, a.key, OPEN_KEY);
	assert_false(open_expire(o, 1000 + OPEN_AGE_MS, key));
	assert_int_equal(open_count(o), 1);
}

#define WITH_OPEN(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OPEN(what_was_put_is_found_until_dropped),
		WITH_OPEN(the_last_event_is_the_one_remembered),
		WITH_OPEN(the_oldest_gives_way_and_is_named),
		WITH_OPEN(a_day_later_it_is_forgotten),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

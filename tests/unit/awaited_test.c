#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "awaited.h"
#include "seed.h"

#define KEYS 64

static void what_is_noted_is_taken_as_often(void **state)
{
	struct awaited a = { 0 };

	(void)state;
	assert_int_equal(awaited_take(&a, 7), 0);
	awaited_note(&a, 7, 3);
	awaited_note(&a, 8, 4);
	awaited_note(&a, 7, 3);
	assert_int_equal(awaited_take(&a, 8), 4);
	assert_int_equal(awaited_take(&a, 8), 0);
	assert_int_equal(awaited_take(&a, 7), 3);
	assert_int_equal(awaited_take(&a, 7), 3);
	assert_int_equal(awaited_take(&a, 7), 0);
	awaited_clear(&a);
	assert_null(a.slot);
}

/* No payload, say: it has no place. */
static void nothing_is_not_noted(void **state)
{
	struct awaited a = { 0 };

	(void)state;
	awaited_note(&a, awaited_place(NULL), 3);
	assert_int_equal(awaited_take(&a, 0), 0);
	assert_int_equal(a.used, 0);
	awaited_note(&a, 7, 3);
	awaited_note(&a, 8, 3);
	assert_int_equal(awaited_take(&a, 8), 3);       /* which leaves a gap behind it */
	assert_int_equal(awaited_take(&a, 0), 0);
	assert_int_equal(awaited_take(&a, 7), 3);
	awaited_clear(&a);
}

static void what_is_too_much_is_known_to_be_lost(void **state)
{
	struct awaited a = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= AWAITED_MAX; i++)
		awaited_note(&a, i, 3);
	assert_false(a.lost);
	awaited_note(&a, AWAITED_MAX + 1, 3);
	assert_true(a.lost);
	assert_int_equal(awaited_take(&a, AWAITED_MAX + 1), 0);
	assert_int_equal(awaited_take(&a, 1), 3);
	awaited_note(&a, AWAITED_MAX + 2, 4);           /* there is room again */
	assert_int_equal(awaited_take(&a, AWAITED_MAX + 2), 4);
	assert_int_equal(awaited_take(&a, AWAITED_MAX), 3);
	awaited_clear(&a);
	assert_false(a.lost);
}

/* Against a table of what was noted, in the order in which each key was. */
static void it_keeps_what_a_plain_table_keeps(void **state)
{
	static uint8_t how[KEYS + 1][1 << 12];
	size_t noted[KEYS + 1] = { 0 }, had[KEYS + 1] = { 0 };
	struct awaited a = { 0 };

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t key = 1 + seed_below(KEYS);

		if (seed_below(2) && noted[key] < sizeof(how[0])) {
			how[key][noted[key]] = (uint8_t)(1 + seed_below(200));
			awaited_note(&a, key, how[key][noted[key]++]);
		} else {
			uint8_t want = had[key] < noted[key] ? how[key][had[key]++] : 0;

			assert_int_equal(awaited_take(&a, key), want);
		}
	}
	assert_false(a.lost);
	awaited_clear(&a);
}

/* Who subscribed to much, and has it, needs no more than before. */
static void what_was_taken_leaves_no_room_behind(void **state)
{
	struct awaited a = { 0 };

	(void)state;
	for (int again = 0; again < 2; again++) {
		for (uint64_t i = 1; i <= 1000; i++)
			awaited_note(&a, i, 3);
		for (uint64_t i = 1; i <= 1000; i++)
			assert_int_equal(awaited_take(&a, i), 3);
		assert_null(a.slot);
	}
	assert_int_equal(awaited_take(&a, 1), 0);
	assert_false(a.lost);
}

static void ids_are_told_apart(void **state)
{
	struct id one = { { 1, [8] = 2 } }, other = { { 1, [8] = 3 } };

	(void)state;
	assert_int_equal(awaited_id(&one), awaited_id(&one));
	assert_int_not_equal(awaited_id(&one), awaited_id(&other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_noted_is_taken_as_often),
		cmocka_unit_test(nothing_is_not_noted),
		cmocka_unit_test(what_is_too_much_is_known_to_be_lost),
		cmocka_unit_test(it_keeps_what_a_plain_table_keeps),
		cmocka_unit_test(what_was_taken_leaves_no_room_behind),
		cmocka_unit_test(ids_are_told_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

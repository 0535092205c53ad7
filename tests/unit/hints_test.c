/* hints: what was added is found until it is taken away, whatever else stands around it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "hints.h"
#include "seed.h"

#define MOST 100
#define ROUNDS 20000

static struct hints h;
static void *room;

static int make(void **state)
{
	(void)state;
	room = calloc(1, hints_bytes(MOST));
	hints_init(&h, MOST, room);
	return room ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	free(room);
	return 0;
}

static bool has(uint32_t print, uint32_t number)
{
	uint32_t found[MOST];
	size_t n = hints_find(&h, print, found, MOST);

	for (size_t i = 0; i < n; i++)
		if (found[i] == number)
			return true;
	return false;
}

static void what_was_added_is_found_and_nothing_else(void **state)
{
	uint32_t one;

	(void)state;
	assert_int_equal(hints_find(&h, 7, &one, 1), 0);
	hints_add(&h, 7, 1);
	hints_add(&h, 7, 2);
	hints_add(&h, 0, 3);
	assert_true(has(7, 1) && has(7, 2) && has(0, 3));
	assert_false(has(8, 1));
	assert_int_equal(hints_find(&h, 7, &one, 1), 1);
	hints_del(&h, 7, 1);
	hints_del(&h, 7, 99);
	assert_true(!has(7, 1) && has(7, 2) && has(0, 3));
}

/* Prints of a few bits, so that nearly everything stands where something else would. */
static void behaves_as_a_list_would(void **state)
{
	static struct { uint32_t print, number; } list[MOST];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (n < MOST && (n == 0 || seed_below(2))) {
			list[n].print = seed_below(2) ? seed_below(4) : 120 + seed_below(12);
			list[n].number = i;
			hints_add(&h, list[n].print, list[n].number);
			n++;
		} else {
			unsigned k = seed_below(n);

			hints_del(&h, list[k].print, list[k].number);
			assert_false(has(list[k].print, list[k].number));
			list[k] = list[--n];
		}
		for (unsigned k = 0; k < n; k++)
			assert_true(has(list[k].print, list[k].number));
		assert_int_equal(h.n, n);
	}
}

static void what_is_old_is_swept_out(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < MOST; i++)
		hints_add(&h, 120 + i % 8, UINT32_MAX - 49 + i);      /* over the end of the numbers */
	hints_sweep(&h, 50, 30);
	assert_int_equal(h.n, 29);
	for (uint32_t i = 0; i < MOST; i++)
		assert_int_equal(has(120 + i % 8, UINT32_MAX - 49 + i), i > 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_added_is_found_and_nothing_else, make, drop),
		cmocka_unit_test_setup_teardown(what_is_old_is_swept_out, make, drop),
		cmocka_unit_test_setup_teardown(behaves_as_a_list_would, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

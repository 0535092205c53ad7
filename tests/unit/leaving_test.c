/* leaving: what waits for what. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "leaving.h"

static struct leaving *l;

static int make(void **state)
{
	(void)state;
	l = calloc(1, sizeof(*l));
	return l ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	free(l);
	return 0;
}

static struct id id_of_number(unsigned n) { return (struct id){ { (uint8_t)n, (uint8_t)(n >> 8) } }; }

static void add(unsigned n, uint8_t kind)
{
	struct id id = id_of_number(n);
	uint8_t k[THROTTLE_KEY] = { kind };

	leaving_add(l, &id, k);
}

static void drop(unsigned n)
{
	struct id id = id_of_number(n);

	leaving_drop(l, &id);
}

static bool has(uint8_t kind) { return leaving_has(l, (uint8_t[THROTTLE_KEY]){ kind }); }

static void a_condition_waits_for_all_of_its_own(void **state)
{
	(void)state;
	assert_false(has(1));
	add(1, 1);
	add(2, 1);
	add(3, 2);
	assert_true(has(1) && has(2));
	assert_false(has(3));
	drop(1);
	assert_true(has(1));
	drop(2);
	assert_false(has(1));
	drop(3);
	assert_false(has(2));
}

static void every_condition_waits_for_one_that_is_not_known(void **state)
{
	(void)state;
	leaving_add(l, NULL, NULL);
	assert_true(has(1) && has(2));
	drop(7);
	assert_false(has(1));
}

static void and_for_more_than_there_is_room_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LEAVING_MAX + 2; i++)
		add(i, 1);
	assert_true(has(2));
	for (unsigned i = LEAVING_MAX + 2; i-- > 2;)
		drop(i);
	assert_true(has(1));
	assert_false(has(2));
	drop(0);
	drop(1);
	assert_false(has(1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_condition_waits_for_all_of_its_own),
		TEST(every_condition_waits_for_one_that_is_not_known),
		TEST(and_for_more_than_there_is_room_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

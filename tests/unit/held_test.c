/* held: who waits for an entry is found again, and nobody pushes others out. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "held.h"

#define S INT64_C(1000000)

static struct held_orders h;
static const uint8_t ana[SHA256_BYTES] = { 1 }, ben[SHA256_BYTES] = { 2 };

static const uint8_t *order(uint8_t n)
{
	static uint8_t is[SHA256_BYTES];

	is[0] = n;
	return is;
}

static int up(void **state)
{
	(void)state;
	h = (struct held_orders){ 0 };
	return 0;
}

static void an_order_is_held_for_its_author_until_it_went_on_or_its_time_is_over(void **state)
{
	struct held *one;

	(void)state;
	assert_null(held_find(&h, ana, order(0), S));
	held_add(&h, ana, order(1), 7, S);
	assert_null(held_find(&h, ben, order(1), S));
	assert_null(held_find(&h, ana, order(2), S));
	one = held_find(&h, ana, order(1), S + HELD_US);
	assert_non_null(one);
	assert_int_equal(one->ticket, 7);
	assert_null(held_find(&h, ana, order(1), S + HELD_US + 1));
	held_done(&one);
	assert_null(one);
	assert_null(held_find(&h, ana, order(1), S));
}

static void who_holds_many_loses_their_own_oldest(void **state)
{
	(void)state;
	held_add(&h, ben, order(1), 1, S);
	for (uint8_t i = 1; i <= HELD_MAX; i++)
		held_add(&h, ana, order(i), i, (1 + i) * S / 10);
	assert_non_null(held_find(&h, ben, order(1), 10 * S));
	for (uint8_t i = 1; i <= HELD_MAX; i++)
		assert_int_equal(!!held_find(&h, ana, order(i), 10 * S), i > HELD_MAX - HELD_EACH);
}

static void of_many_authors_the_oldest_gives_way(void **state)
{
	uint8_t author[SHA256_BYTES] = { 0 };

	(void)state;
	for (uint8_t i = 0; i <= HELD_MAX; i++) {
		author[0] = (uint8_t)(100 + i);
		held_add(&h, author, order(1), i, S + i);
	}
	for (uint8_t i = 0; i <= HELD_MAX; i++) {
		author[0] = (uint8_t)(100 + i);
		assert_int_equal(!!held_find(&h, author, order(1), 2 * S), i > 0);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, up)
	const struct CMUnitTest tests[] = {
		T(an_order_is_held_for_its_author_until_it_went_on_or_its_time_is_over), T(who_holds_many_loses_their_own_oldest),
		T(of_many_authors_the_oldest_gives_way),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

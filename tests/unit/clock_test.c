#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "clock.h"

#define YEAR_2024 1704067200        /* s since 1970 */
#define YEAR_2100 4102444800

static void the_wall_clock_is_in_microseconds_since_1970(void **state)
{
	(void)state;
	assert_in_range(clock_us(CLOCK_REALTIME) / 1000000, YEAR_2024, YEAR_2100);
}

static void both_units_are_of_one_clock(void **state)
{
	int64_t before = clock_us(CLOCK_MONOTONIC), at = clock_ms(CLOCK_MONOTONIC), after = clock_us(CLOCK_MONOTONIC);

	(void)state;
	assert_in_range(at, before / 1000, after / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wall_clock_is_in_microseconds_since_1970),
		cmocka_unit_test(both_units_are_of_one_clock),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

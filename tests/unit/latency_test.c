/* latency: percentiles against sorting, and the histogram against counting. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "seed.h"

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void of_none_there_is_none(void **state)
{
	struct latency l = { 0 };

	(void)state;
	assert_int_equal(latency_recent(&l, 990), 0);
}

/* The nearest-rank percentile of the last LATENCY_RECENT. */
static void percentiles_are_those_of_the_sorted_list(void **state)
{
	static uint32_t all[2000], sorted[LATENCY_RECENT];
	static const unsigned per_mille[] = { 0, 1, 500, 900, 990, 999, 1000 };

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct latency l = { 0 };
		uint32_t range = 1 + (uint32_t)(seed_next() % (round % 5 ? 1000000 : 3));   /* also many equal ones */

		for (size_t n = 1; n <= countof(all); n++) {
			size_t k = n < LATENCY_RECENT ? n : LATENCY_RECENT;

			all[n - 1] = (uint32_t)(seed_next() % range);
			latency_add(&l, all[n - 1]);
			if (n > 5 && n % 97 && n != countof(all) && n != LATENCY_RECENT)
				continue;
			memcpy(sorted, all + n - k, k * sizeof(sorted[0]));
			qsort(sorted, k, sizeof(sorted[0]), ascending);
			for (size_t i = 0; i < countof(per_mille); i++) {
				size_t rank = (k * per_mille[i] + 999) / 1000;

				assert_int_equal(latency_recent(&l, per_mille[i]), sorted[rank ? rank - 1 : 0]);
			}
		}
	}
}

static void each_stands_in_the_first_bucket_that_takes_it(void **state)
{
	struct latency l = { 0 };
	uint64_t total = 0;

	(void)state;
	for (size_t i = 0; i < LATENCY_BUCKETS - 1; i++) {
		latency_add(&l, latency_limit_us[i]);           /* a limit belongs to its bucket */
		latency_add(&l, latency_limit_us[i] + 1ull);
		total += 2ull * latency_limit_us[i] + 1;
	}
	latency_add(&l, UINT64_C(1) << 40);
	total += UINT64_C(1) << 40;
	assert_int_equal(l.bucket[0], 1);
	for (size_t i = 1; i < LATENCY_BUCKETS - 1; i++)
		assert_int_equal(l.bucket[i], 2);
	assert_int_equal(l.bucket[LATENCY_BUCKETS - 1], 2);
	assert_int_equal(l.n, 2 * LATENCY_BUCKETS - 1);
	assert_int_equal(l.total_us, total);
	assert_int_equal(latency_recent(&l, 1000), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_none_there_is_none), cmocka_unit_test(percentiles_are_those_of_the_sorted_list),
		cmocka_unit_test(each_stands_in_the_first_bucket_that_takes_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

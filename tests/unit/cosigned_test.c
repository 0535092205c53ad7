/* cosigned: how far a quorum of witnesses vouches, and whether that is new enough. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cosigned.h"

static const struct witnesses three = { .n = 3 };

static void the_majority_vouches_unless_another_number_is_asked(void **state)
{
	const struct verify_cosigned seen[] = {
		{ .size = 90, .at_us = 900 }, { .size = 50, .at_us = 500 }, { .size = 70, .at_us = 700 },
	};
	static const struct { size_t ask, k; uint64_t size; int64_t at_us; } row[] = {
		{ 0, 2, 70, 700 }, { 1, 1, 90, 900 }, { 2, 2, 70, 700 }, { 3, 3, 50, 500 }, { 4, 4, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct cosigned_quorum q = cosigned_quorum(&three, seen, row[i].ask);

		assert_int_equal(q.k, row[i].k);
		assert_int_equal(q.size, row[i].size);
		assert_int_equal(q.at_us, row[i].at_us);
	}
}

static void who_never_cosigned_vouches_for_nothing(void **state)
{
	const struct verify_cosigned seen[3] = { { .size = 90, .at_us = 900 } };
	struct cosigned_quorum q = cosigned_quorum(&three, seen, 0);

	(void)state;
	assert_int_equal(q.size, 0);
	assert_false(cosigned_within(&q, 0, INT64_MAX));
}

static void what_they_vouch_for_may_be_so_much_older(void **state)
{
	const struct cosigned_quorum q = { .k = 2, .size = 70, .at_us = 700 };

	(void)state;
	assert_true(cosigned_within(&q, 700, 0));
	assert_true(cosigned_within(&q, 760, 60));
	assert_false(cosigned_within(&q, 761, 60));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_majority_vouches_unless_another_number_is_asked),
		cmocka_unit_test(who_never_cosigned_vouches_for_nothing),
		cmocka_unit_test(what_they_vouch_for_may_be_so_much_older),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

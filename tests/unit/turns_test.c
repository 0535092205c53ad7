/* When an epoch ends, and that no checkpoint bears its line when its time is long over. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "clock.h"
#include "own_record.h"
#include "turns.h"

#define DEPTH FORWARD_DEPTH_MIN
#define HOUR_US (60 * 60 * 1000000LL)

static char path[128];
static const char *found;

static int up(void **state)
{
	folder_make(state);
	must(snprintf(path, sizeof(path), "%s/record.line", g.folder) < (int)sizeof(path));
	return 0;
}

/* A seed whose line is in its last epoch. */
static struct epoch_row in_last_epoch(void)
{
	struct epochs *e = NULL;
	struct epoch_row row = { .every_us = LINE_EVERY_US, .index = 7, .ended = true };

	assert_int_equal(epochs_open(path, &e), OK);
	assert_int_equal(epochs_make(e, DEPTH), OK);
	assert_true(UNTIL(epochs_made(e)));
	for (uint32_t i = 0; i < forward_epochs(DEPTH); i++) {
		assert_int_equal(epochs_prepare(e), OK);
		assert_int_equal(epochs_leave(e), OK);
	}
	row.root = epochs_now(e)->root;
	row.epoch = epochs_now(e)->key.epoch;
	assert_int_equal(epochs_prepare(e), ERR_RANGE);
	epochs_close(&e);
	return row;
}

/* A broker that was off comes back: the epoch is to end, and the keys of the next line are not made yet. */
static void an_epoch_that_is_long_over_and_cannot_end_signs_nothing(void **state)
{
	struct epoch_row row = in_last_epoch();
	struct turns l;
	enum turn step;

	(void)state;
	row.began_us = clock_us(CLOCK_REALTIME) - HOUR_US;
	assert_int_equal(turns_open(&l, path, DEPTH, 0, &row, row.index + 1, &found), OK);
	assert_true(turns_over(&l));
	assert_true(UNTIL(turns_due(&l, row.index + 2, false, false, &step) == OK && step == TURN_ENDS));
	assert_memory_not_equal(&epochs_next(l.epochs)->root, &row.root, sizeof(row.root));
	turns_close(&l);
}

static void an_epoch_goes_on_after_a_short_stop(void **state)
{
	struct epoch_row row = in_last_epoch();
	struct turns l;

	(void)state;
	row.began_us = clock_us(CLOCK_REALTIME) - LINE_EVERY_US / 2;
	assert_int_equal(turns_open(&l, path, DEPTH, 0, &row, row.index + 1, &found), OK);
	assert_false(turns_over(&l));
	assert_in_range(l.until_us, clock_us(CLOCK_MONOTONIC) + LINE_EVERY_US / 4, clock_us(CLOCK_MONOTONIC) + LINE_EVERY_US / 2);
	turns_close(&l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_epoch_that_is_long_over_and_cannot_end_signs_nothing),
		T(an_epoch_goes_on_after_a_short_stop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

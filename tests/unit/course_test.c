/* course: what a login says about a certificate, and which broker is next, whenever news come. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "course.h"

/* Written down a second time, by hand. What is not here is ignored. */
static const struct { enum course_pair from; enum course_event e; enum course_pair to; enum course_act act; } cells[] = {
	{ COURSE_SETTLED, COURSE_EV_RENEWED, COURSE_STALE, COURSE_NOTHING },
	{ COURSE_STALE, COURSE_EV_RENEWED, COURSE_STALE, COURSE_NOTHING },
	{ COURSE_STALE, COURSE_EV_DIALED, COURSE_TRIED, COURSE_NOTHING },
	{ COURSE_STALE, COURSE_EV_RESTORED, COURSE_SETTLED, COURSE_NOTHING },
	{ COURSE_TRIED, COURSE_EV_RENEWED, COURSE_STALE, COURSE_NOTHING },
	{ COURSE_TRIED, COURSE_EV_TAKEN, COURSE_SETTLED, COURSE_KEEP },
	{ COURSE_TRIED, COURSE_EV_REFUSED, COURSE_TRIED, COURSE_GO_BACK },
	{ COURSE_TRIED, COURSE_EV_RESTORED, COURSE_SETTLED, COURSE_NOTHING },
};

static void every_cell_does_what_is_written(void **state)
{
	(void)state;
	for (unsigned from = 0; from < COURSE_PAIR_COUNT; from++)
		for (unsigned e = 0; e < COURSE_EV_COUNT; e++) {
			unsigned to = from, act = COURSE_NOTHING;
			struct course c;

			for (size_t i = 0; i < countof(cells); i++)
				if (cells[i].from == from && cells[i].e == e) {
					to = cells[i].to;
					act = cells[i].act;
				}
			course_init(&c, 1);
			c.pair = (enum course_pair)from;
			assert_int_equal(course_step(&c, (enum course_event)e, 0), act);
			assert_string_equal(course_pair_name(c.pair), course_pair_name((enum course_pair)to));
		}
}

/* Nobody is told yes or no about a pair that a login was not made with. */
static void a_login_that_began_before_says_nothing_of_the_new_pair(void **state)
{
	struct course c;

	(void)state;
	course_init(&c, 1);
	course_step(&c, COURSE_EV_DIALED, 0);
	course_step(&c, COURSE_EV_RENEWED, 0);
	assert_int_equal(course_step(&c, COURSE_EV_REFUSED, 0), COURSE_NOTHING);
	assert_int_equal(course_step(&c, COURSE_EV_TAKEN, 0), COURSE_NOTHING);
	assert_true(course_anew(&c, true, 0));        /* at once when it costs nothing */
	assert_false(course_anew(&c, false, COURSE_RENEW_MS - 1));
	assert_true(course_anew(&c, false, COURSE_RENEW_MS));
	course_step(&c, COURSE_EV_DIALED, 0);
	assert_false(course_anew(&c, true, COURSE_RENEW_MS));
	assert_int_equal(course_step(&c, COURSE_EV_TAKEN, 0), COURSE_KEEP);
	assert_int_equal(course_step(&c, COURSE_EV_REFUSED, 0), COURSE_NOTHING);
}

/* A broker that hangs up on it may say no, and so may one that is away: who comes of the pair before tells. */
static void a_pair_with_which_nothing_comes_about_is_given_up(void **state)
{
	struct course c;

	(void)state;
	course_init(&c, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(course_step(&c, COURSE_EV_FAILED, 0), COURSE_NOTHING);
	course_step(&c, COURSE_EV_RENEWED, 0);
	assert_int_equal(course_step(&c, COURSE_EV_FAILED, 0), COURSE_NOTHING);       /* that was the one before */
	for (int i = 1; i <= COURSE_TRIES; i++) {
		course_step(&c, COURSE_EV_DIALED, 0);
		assert_int_equal(course_step(&c, COURSE_EV_FAILED, 0), i < COURSE_TRIES ? COURSE_NOTHING : COURSE_GO_BACK);
	}
	course_step(&c, COURSE_EV_RESTORED, 0);
	assert_int_equal(course_step(&c, COURSE_EV_FAILED, 0), COURSE_NOTHING);
}

static void brokers_take_turns_and_a_better_one_is_next(void **state)
{
	struct course c;

	(void)state;
	course_init(&c, 3);
	for (unsigned i = 0; i < 7; i++) {
		course_step(&c, COURSE_EV_DIALED, 0);
		assert_int_equal(c.at, i % 3);
		assert_false(course_anew(&c, true, 0));
		course_failed(&c, 0);
	}
	course_step(&c, COURSE_EV_DIALED, 0);
	assert_int_equal(c.at, 1);
	assert_false(course_better(&c, 2, 0));        /* it is not */
	assert_false(course_anew(&c, true, 0));
	assert_true(course_better(&c, 0, 0));         /* found while 1 is being dialed: */
	assert_int_equal(c.at, 1);                    /* what comes of that is of 1 */
	assert_true(course_anew(&c, false, 0));
	course_failed(&c, 0);
	course_step(&c, COURSE_EV_DIALED, 0);
	assert_int_equal(c.at, 0);
	assert_false(course_anew(&c, true, 0));
}

/* From 1 to 0, which goes away again after `held`; back at 1. */
static void move_and_come_back(struct course *c, int64_t now, int64_t held)
{
	assert_true(course_better(c, 0, now));
	course_step(c, COURSE_EV_DIALED, now);
	assert_int_equal(c->at, 0);
	course_lost(c, now + held);
	course_step(c, COURSE_EV_DIALED, now + held);
	course_failed(c, now + held);
	course_step(c, COURSE_EV_DIALED, now + held);
	assert_int_equal(c->at, 1);
}

static void a_broker_that_comes_and_goes_is_moved_to_ever_more_rarely(void **state)
{
	int64_t now = 1000, hold = COURSE_HOLD_MIN_MS;
	struct course c;

	(void)state;
	course_init(&c, 2);
	course_failed(&c, now);
	course_step(&c, COURSE_EV_DIALED, now);
	for (int i = 0; i < 8; i++) {
		move_and_come_back(&c, now, 1000);
		now += 1000;
		assert_false(course_better(&c, 0, now + hold - 1));
		now += hold;
		hold = 2 * hold < COURSE_HOLD_MAX_MS ? 2 * hold : COURSE_HOLD_MAX_MS;
	}
	move_and_come_back(&c, now, COURSE_STEADY_MS);   /* it held */
	now += COURSE_STEADY_MS;
	move_and_come_back(&c, now, 1000);               /* so the next time counts as the first */
	assert_false(course_better(&c, 0, now + 1000 + COURSE_HOLD_MIN_MS - 1));
	assert_true(course_better(&c, 0, now + 1000 + COURSE_HOLD_MIN_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_does_what_is_written),
		cmocka_unit_test(a_login_that_began_before_says_nothing_of_the_new_pair),
		cmocka_unit_test(a_broker_that_comes_and_goes_is_moved_to_ever_more_rarely),
		cmocka_unit_test(a_pair_with_which_nothing_comes_about_is_given_up),
		cmocka_unit_test(brokers_take_turns_and_a_better_one_is_next),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

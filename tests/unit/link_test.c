/* link: the whole table of states, its promises, and how long it waits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "link.h"
#include "seed.h"

#define DIAL_MS 5000

static struct link in_state(enum link_state s)
{
	struct link l;

	link_init(&l, DIAL_MS);
	l.state = s;
	return l;
}

/* Written down a second time, by hand: what each event does in each state. A dash ignores it. */
static const struct { enum link_state from; enum link_event e; enum link_state to; enum link_act act; } cells[] = {
	{ LINK_DOWN, LINK_EV_START, LINK_DIALING, LINK_DIAL },
	{ LINK_DIALING, LINK_EV_CONNECTED, LINK_UP, LINK_GREET },
	{ LINK_DIALING, LINK_EV_LOST, LINK_WAITING, LINK_DROP },
	{ LINK_DIALING, LINK_EV_TIMEOUT, LINK_WAITING, LINK_DROP },
	{ LINK_DIALING, LINK_EV_STOP, LINK_DOWN, LINK_DROP },
	{ LINK_UP, LINK_EV_LOST, LINK_WAITING, LINK_DROP },
	{ LINK_UP, LINK_EV_STOP, LINK_STOPPING, LINK_BYE },
	{ LINK_WAITING, LINK_EV_TIMEOUT, LINK_DIALING, LINK_DIAL },
	{ LINK_WAITING, LINK_EV_URGENT, LINK_DIALING, LINK_DIAL },
	{ LINK_WAITING, LINK_EV_STOP, LINK_DOWN, LINK_NOTHING },
	{ LINK_STOPPING, LINK_EV_SAID, LINK_DOWN, LINK_DROP },
	{ LINK_STOPPING, LINK_EV_LOST, LINK_DOWN, LINK_DROP },
	{ LINK_STOPPING, LINK_EV_TIMEOUT, LINK_DOWN, LINK_DROP },
};

static void every_cell_does_what_is_written(void **state)
{
	(void)state;
	for (unsigned s = 0; s < LINK_STATE_COUNT; s++)
		for (unsigned e = 0; e < LINK_EV_COUNT; e++) {
			struct link l = in_state((enum link_state)s);
			enum link_act act = link_step(&l, (enum link_event)e, 1000, 0);
			enum link_state to = (enum link_state)s;
			enum link_act want = LINK_NOTHING;

			for (size_t i = 0; i < countof(cells); i++)
				if (cells[i].from == s && cells[i].e == e) {
					to = cells[i].to;
					want = cells[i].act;
				}
			assert_string_equal(link_state_name(l.state), link_state_name(to));
			assert_string_equal(link_act_name(act), link_act_name(want));
		}
}

static void stop_always_stops(void **state)
{
	(void)state;
	for (unsigned s = 0; s < LINK_STATE_COUNT; s++) {
		struct link l = in_state((enum link_state)s);

		link_step(&l, LINK_EV_STOP, 0, 0);
		link_step(&l, LINK_EV_TIMEOUT, LINK_BYE_MS, 0);
		assert_int_equal(l.state, LINK_DOWN);
		assert_int_equal(l.deadline_ms, 0);
	}
}

/* Without a stop, time alone brings it to dial, and a success then brings it up. */
static void from_every_state_up_can_be_reached(void **state)
{
	static const enum link_event way[] = { LINK_EV_START, LINK_EV_TIMEOUT, LINK_EV_TIMEOUT, LINK_EV_CONNECTED };

	(void)state;
	for (unsigned s = 0; s < LINK_STATE_COUNT; s++) {
		struct link l = in_state((enum link_state)s);

		if (s == LINK_STOPPING)
			link_step(&l, LINK_EV_SAID, 0, 0);
		for (int round = 0; round < 3 && l.state != LINK_UP; round++)
			for (size_t i = 0; i < countof(way) && l.state != LINK_UP; i++)
				link_step(&l, l.state == LINK_DIALING ? LINK_EV_CONNECTED : way[i], 0, 0);
		assert_int_equal(l.state, LINK_UP);
	}
}

static void whoever_waits_has_a_deadline(void **state)
{
	struct link l = in_state(LINK_DOWN);

	(void)state;
	for (int i = 0; i < 10000; i++) {
		link_step(&l, (enum link_event)seed_below(LINK_EV_COUNT), i, (uint32_t)seed_next());
		if (l.state == LINK_DIALING || l.state == LINK_WAITING || l.state == LINK_STOPPING)
			assert_true(l.deadline_ms > 0);
		else
			assert_int_equal(l.deadline_ms, 0);
	}
}

static int64_t wait_of(struct link *l, uint32_t random)
{
	link_step(l, LINK_EV_LOST, 1000000, random);
	return l->deadline_ms - 1000000;
}

static void waits_double_to_ten_seconds(void **state)
{
	static const int64_t want[] = { 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000 };
	struct link l = in_state(LINK_DIALING);

	(void)state;
	for (size_t i = 0; i < countof(want); i++) {
		assert_int_equal(wait_of(&l, 0), want[i]);
		link_step(&l, LINK_EV_TIMEOUT, 0, 0);
	}
	for (int i = 0; i < 100; i++) {
		assert_int_equal(wait_of(&l, 0), LINK_WAIT_MAX_MS);
		link_step(&l, LINK_EV_TIMEOUT, 0, 0);
	}
}

static void what_is_urgent_cuts_the_wait_short_but_not_to_nothing(void **state)
{
	struct link l = in_state(LINK_DIALING);

	(void)state;
	l.tries = 20;
	link_step(&l, LINK_EV_LOST, 5000, 0);
	assert_int_equal(l.deadline_ms, 5000 + LINK_WAIT_MAX_MS);
	assert_int_equal(link_step(&l, LINK_EV_URGENT, 5000 + LINK_URGENT_MS - 1, 0), LINK_NOTHING);
	assert_int_equal(l.deadline_ms, 5000 + LINK_URGENT_MS);
	assert_int_equal(link_step(&l, LINK_EV_URGENT, 5000 + LINK_URGENT_MS, 0), LINK_DIAL);
	l = in_state(LINK_DIALING);
	link_step(&l, LINK_EV_LOST, 5000, 0);
	link_step(&l, LINK_EV_URGENT, 5000, 0);
	assert_int_equal(l.deadline_ms, 5100);   /* never later than planned */
}

static void jitter_takes_off_at_most_half(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct link l = in_state(LINK_DIALING);
		int64_t wait;

		l.tries = (unsigned)seed_below(12);
		wait = wait_of(&l, (uint32_t)seed_next());
		assert_true(wait >= LINK_WAIT_MIN_MS / 2 && wait <= LINK_WAIT_MAX_MS);
	}
}

static void a_connection_that_held_is_dialed_again_at_once(void **state)
{
	int64_t least = LINK_BLIP_MS, most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct link l = in_state(LINK_UP);
		int64_t wait;

		l.tries = (unsigned)seed_below(12);
		l.since_ms = 1000000 - LINK_STEADY_MS;
		wait = wait_of(&l, (uint32_t)seed_next());
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		link_step(&l, LINK_EV_TIMEOUT, 1000000 + wait, 0);   /* nobody there: not a second time at once */
		assert_int_equal(wait_of(&l, 0), LINK_WAIT_MIN_MS);
	}
	assert_int_equal(least, 0);
	assert_int_equal(most, LINK_BLIP_MS);
}

static void only_a_connection_that_held_makes_the_wait_short_again(void **state)
{
	struct link l = in_state(LINK_DIALING);

	(void)state;
	l.tries = 6;
	link_step(&l, LINK_EV_CONNECTED, 0, 0);
	link_step(&l, LINK_EV_LOST, LINK_STEADY_MS - 1, 0);
	assert_int_equal(l.deadline_ms, LINK_STEADY_MS - 1 + 6400);
	link_step(&l, LINK_EV_TIMEOUT, 0, 0);
	link_step(&l, LINK_EV_CONNECTED, 0, 0);
	link_step(&l, LINK_EV_LOST, LINK_STEADY_MS, 0);
	assert_int_equal(l.deadline_ms, LINK_STEADY_MS);
}

static void a_broker_with_which_no_connection_holds_fails(void **state)
{
	struct link l = in_state(LINK_DIALING);

	(void)state;
	assert_true(link_fails(&l, 0));
	for (int i = 0; i < 10; i++) {
		l.state = LINK_DIALING;
		link_step(&l, LINK_EV_CONNECTED, 0, 0);
		assert_int_equal(link_fails(&l, LINK_STEADY_MS - 1), i >= LINK_FLAPS);
		assert_false(link_fails(&l, LINK_STEADY_MS));
		link_step(&l, LINK_EV_LOST, 10, 0);
		assert_false(link_fails(&l, 20));
	}
}

static void names_are_there(void **state)
{
	(void)state;
	assert_string_equal(link_state_name(LINK_STOPPING), "stopping");
	assert_string_equal(link_event_name(LINK_EV_SAID), "said");
	assert_string_equal(link_act_name(LINK_BYE), "bye");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_does_what_is_written),
		cmocka_unit_test(stop_always_stops),
		cmocka_unit_test(from_every_state_up_can_be_reached),
		cmocka_unit_test(whoever_waits_has_a_deadline),
		cmocka_unit_test(waits_double_to_ten_seconds),
		cmocka_unit_test(what_is_urgent_cuts_the_wait_short_but_not_to_nothing),
		cmocka_unit_test(jitter_takes_off_at_most_half),
		cmocka_unit_test(a_connection_that_held_is_dialed_again_at_once),
		cmocka_unit_test(only_a_connection_that_held_makes_the_wait_short_again),
		cmocka_unit_test(a_broker_with_which_no_connection_holds_fails),
		cmocka_unit_test(names_are_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

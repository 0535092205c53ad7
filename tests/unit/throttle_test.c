/* throttle: what goes out at once, what is counted, and that the books balance whatever comes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "seed.h"
#include "throttle.h"

#define MEDIUM PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM
#define HIGH PULLCORD__V1__PRIORITY__PRIORITY_HIGH
#define CODE PULLCORD__V1__PRIORITY__PRIORITY_CODE
#define START PULLCORD__V1__PHASE__PHASE_START
#define CONTINUE PULLCORD__V1__PHASE__PHASE_CONTINUE
#define ESCALATE PULLCORD__V1__PHASE__PHASE_ESCALATE
#define END PULLCORD__V1__PHASE__PHASE_END

static const struct throttle_limits limits = { .burst = 5, .per_minute = 60, .window_ms = 10000, .delay_ms = 30000 };
static struct throttle *t;
static uint32_t ids;

static int make(void **state)
{
	(void)state;
	ids = 0;
	return throttle_make(&limits, &t) == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	throttle_free(&t);
	return 0;
}

static struct throttle_event event(unsigned kind, Pullcord__V1__Priority priority, Pullcord__V1__Phase phase)
{
	struct throttle_event e = { .priority = priority, .phase = phase, .at_us = ++ids };

	memcpy(e.kind, &kind, sizeof(kind));
	memcpy(e.fresh.b, &ids, sizeof(ids));
	return e;
}

static struct throttle_verdict say(unsigned kind, Pullcord__V1__Priority priority, Pullcord__V1__Phase phase,
				   int64_t now)
{
	struct throttle_event e = event(kind, priority, phase);

	return throttle_step(t, &e, now);
}

static void the_first_goes_at_once_and_repeats_become_one(void **state)
{
	struct throttle_verdict first = say(1, MEDIUM, START, 0), v;
	struct throttle_due due[4];

	(void)state;
	assert_true(first.send);
	assert_int_equal(first.count, 1);
	for (int i = 1; i <= 20; i++) {
		v = say(1, MEDIUM, CONTINUE, i * 100);
		assert_false(v.send);
		assert_int_equal(v.count, i);
		assert_int_equal(v.first_us, 2);
		assert_memory_not_equal(&v.id, &first.id, sizeof(v.id));
	}
	assert_int_equal(throttle_next_ms(t), limits.window_ms);
	assert_int_equal(throttle_tick(t, limits.window_ms - 1, due, 4), 0);
	assert_int_equal(throttle_tick(t, limits.window_ms, due, 4), 1);
	assert_int_equal(due[0].count, 20);
	assert_memory_equal(&due[0].id, &v.id, sizeof(v.id));
	assert_int_equal(throttle_next_ms(t), -1);
}

static void the_end_carries_what_was_folded(void **state)
{
	struct throttle_verdict folded, end;
	struct throttle_due due[4];

	(void)state;
	say(1, MEDIUM, START, 0);
	folded = say(1, MEDIUM, CONTINUE, 10);
	end = say(1, MEDIUM, END, 20);
	assert_true(end.send);
	assert_int_equal(end.why, THROTTLE_ENDED);
	assert_int_equal(end.count, 2);
	assert_int_equal(end.first_us, folded.first_us);
	assert_memory_equal(&end.id, &folded.id, sizeof(end.id));
	assert_int_equal(throttle_tick(t, 1000000, due, 4), 0);
}

/* A loose cord, on and off ten times a second for ten minutes. */
static void what_flaps_is_no_flood(void **state)
{
	struct throttle_due due[4];
	unsigned messages = 0, events = 0;

	(void)state;
	for (int i = 0; i < 6000; i++) {
		struct throttle_verdict v = say(1, MEDIUM, i % 2 ? END : START, i * 100);

		messages += v.send;
		events += v.send ? v.count : 0;
		for (size_t n = throttle_tick(t, i * 100 + 50, due, 4); n--; messages++)
			events += due[n].count;
	}
	assert_in_range(messages, 10, 2 * (limits.burst + 10 * limits.per_minute));
	if (throttle_tick(t, 1000000, due, 4))
		events += due[0].count;
	assert_int_equal(events, 6000);
	for (int i = 0; i < 200; i++)                   /* what is urgent is never kept back for that */
		assert_true(say(2, HIGH, i % 2 ? END : START, 1000000 + i).send);
}

/* What the reader saw last is what is: on, or off. */
static void the_last_that_is_told_of_what_flaps_is_how_it_is(void **state)
{
	struct throttle_due due[64];

	(void)state;
	for (unsigned i = 0; i < limits.burst; i++)
		assert_true(say(100 + i, MEDIUM, START, 0).send);
	assert_false(say(1, MEDIUM, START, 0).send);
	assert_false(say(1, MEDIUM, END, 10).send);
	assert_int_equal(throttle_tick(t, 100000, due, 64), 1);
	assert_int_equal(due[0].count, 2);
	assert_int_equal(say(1, MEDIUM, START, 100001).why, THROTTLE_NEW);      /* it was told that it was over */
	assert_int_equal(say(1, MEDIUM, END, 100002).why, THROTTLE_ENDED);
	assert_int_equal(say(1, MEDIUM, END, 100003).why, THROTTLE_REPEAT);
	assert_int_equal(say(1, MEDIUM, START, 100004).why, THROTTLE_NEW);
	assert_int_equal(say(1, MEDIUM, END, 100005).why, THROTTLE_ENDED);
}

static void a_rise_in_priority_goes_at_once(void **state)
{
	struct throttle_verdict v;

	(void)state;
	say(1, MEDIUM, START, 0);
	say(1, MEDIUM, CONTINUE, 1);
	v = say(1, HIGH, CONTINUE, 2);
	assert_true(v.send);
	assert_int_equal(v.why, THROTTLE_ROSE);
	assert_int_equal(v.count, 2);
	assert_true(say(1, HIGH, ESCALATE, 3).send);
}

static void urgent_alerts_are_only_folded_when_the_source_says_it_goes_on(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(say(1, i % 2 ? HIGH : CODE, START, i).send);
	say(2, HIGH, START, 0);
	assert_false(say(2, HIGH, CONTINUE, 1).send);
	assert_true(say(2, HIGH, START, 2).send);
}

static void an_urgent_alert_that_says_something_else_goes_at_once(void **state)
{
	struct throttle_event e = event(1, HIGH, CONTINUE);

	(void)state;
	say(1, HIGH, START, 0);
	e.content = 7;
	assert_int_equal(throttle_step(t, &e, 1).why, THROTTLE_CHANGED);
}

static void different_conditions_are_delayed_but_never_merged(void **state)
{
	struct throttle_due due[64];
	struct throttle_verdict v[20];
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {   /* all of one bucket */
		v[i] = say(100 + i, MEDIUM, START, 0);
		assert_int_equal(v[i].send, i < limits.burst);
		assert_int_equal(v[i].count, 1);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(&v[i].id, &v[k].id, sizeof(v[i].id));
	}
	for (int64_t now = 0; now <= 15000; now += 250)
		n += throttle_tick(t, now, due + n, 64 - n);
	assert_int_equal(n, 15);   /* one a second */
	for (size_t i = 0; i < n; i++)
		assert_int_equal(due[i].count, 1);
}

static void no_delay_is_longer_than_promised(void **state)
{
	struct throttle_limits slow = limits;
	struct throttle_due due[64];

	(void)state;
	slow.per_minute = 1;
	throttle_set(t, &slow);
	for (unsigned i = 0; i < 20; i++)
		say(100 + i, MEDIUM, START, 0);
	assert_int_equal(throttle_tick(t, slow.delay_ms - 1, due, 64), 0);
	assert_int_equal(throttle_tick(t, slow.delay_ms, due, 64), 15);
}

static void urgent_alerts_need_no_token(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		say(100 + i, MEDIUM, START, 0);
	for (unsigned i = 0; i < 200; i++)
		assert_true(say(1000 + i, HIGH, i % 2 ? START : CONTINUE, 0).send);
}

static void after_somebody_declined_the_next_goes_at_once(void **state)
{
	struct throttle_event e = event(1, MEDIUM, CONTINUE);

	(void)state;
	say(1, MEDIUM, START, 0);
	assert_false(say(1, MEDIUM, CONTINUE, 1).send);
	throttle_settle(t, e.kind);
	assert_true(throttle_step(t, &e, 2).send);
}

static void what_was_refused_goes_at_once_when_it_comes_again(void **state)
{
	struct throttle_event e = event(1, MEDIUM, START), again = event(1, MEDIUM, START);
	struct throttle_verdict v = throttle_step(t, &e, 0);

	(void)state;
	throttle_refused(t, e.kind, &v);
	v = throttle_step(t, &again, 1);
	assert_true(v.send);
	assert_int_equal(v.count, 1);
	v = throttle_step(t, &again, 2);
	assert_false(v.send);
	throttle_refused(t, e.kind, &v);
	assert_int_equal(throttle_totals(t).waiting, 0);
	assert_int_equal(throttle_totals(t).refused, 2);
}

/* What is held is in the way of what must not wait, where there is little room. */
static void no_more_is_held_than_there_is_room_for(void **state)
{
	struct throttle_limits few = limits;
	struct throttle_due due[4];

	(void)state;
	few.most_held = 2;
	throttle_set(t, &few);
	for (unsigned kind = 0; kind < 5; kind++)
		assert_true(say(kind, MEDIUM, START, 0).send);
	assert_false(say(0, MEDIUM, CONTINUE, 1).send);
	assert_false(say(1, MEDIUM, CONTINUE, 1).send);
	assert_int_equal(say(2, MEDIUM, CONTINUE, 1).why, THROTTLE_NO_ROOM);
	assert_int_equal(say(9, MEDIUM, START, 1).why, THROTTLE_NO_ROOM);       /* no token, either */
	assert_false(say(0, MEDIUM, CONTINUE, 2).send);                         /* into what is held already */
	assert_true(say(1, MEDIUM, END, 3).send);
	assert_false(say(2, MEDIUM, CONTINUE, 4).send);
	assert_true(say(3, MEDIUM, CONTINUE, 5).send);
	assert_int_equal(throttle_tick(t, 20000, due, 4), 2);
	assert_false(say(0, MEDIUM, CONTINUE, 20001).send);
	assert_false(say(2, MEDIUM, CONTINUE, 20001).send);
	assert_true(say(9, MEDIUM, CONTINUE, 20001).send);
}

static void a_storm_of_500_becomes_a_handful(void **state)
{
	struct throttle_due due[4];
	unsigned messages = 0, events = 0;

	(void)state;
	for (int i = 0; i < 500; i++) {   /* 50 a second */
		int64_t now = i * 20;
		struct throttle_verdict v = say(1, MEDIUM, i ? CONTINUE : START, now);
		size_t n;

		messages += v.send;
		events += v.send ? v.count : 0;
		n = throttle_tick(t, now, due, 4);
		messages += (unsigned)n;
		events += n ? due[0].count : 0;
	}
	if (throttle_tick(t, 1000000, due, 4)) {
		messages++;
		events += due[0].count;
	}
	assert_int_equal(events, 500);
	assert_true(messages <= 6);
}

static void a_full_table_of_waiting_conditions_sends(void **state)
{
	struct throttle_limits slow = limits;

	(void)state;
	slow.per_minute = 1;
	throttle_set(t, &slow);
	for (unsigned i = 0; i < limits.burst + THROTTLE_MAX; i++)
		say(100 + i, MEDIUM, START, 0);
	assert_int_equal(throttle_totals(t).waiting, THROTTLE_MAX);
	assert_int_equal(say(5, MEDIUM, START, 0).why, THROTTLE_NO_ROOM);
}

/* ---- whatever comes ---- */

/* What a reader sees: for each message id the last count it was promised; published once. */
#define MESSAGES 65536
static struct { uint32_t count; bool published; } seen[MESSAGES];
static uint64_t published;

static uint32_t number(const struct id *id)
{
	uint32_t n;

	memcpy(&n, id->b, sizeof(n));
	assert_true(n < MESSAGES);
	return n;
}

static void publish(const struct id *id, uint32_t count)
{
	uint32_t n = number(id);

	assert_false(seen[n].published);
	seen[n].published = true;
	published += count;
}

static void tick(int64_t now)
{
	struct throttle_due due[3];
	size_t n;

	do {
		n = throttle_tick(t, now, due, countof(due));
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(due[i].count, seen[number(&due[i].id)].count);
			publish(&due[i].id, due[i].count);
		}
	} while (n == countof(due));
}

static void random_event(int64_t now)
{
	struct throttle_event e = event((unsigned)seed_below(30), (Pullcord__V1__Priority)(1 + seed_below(5)),
					(Pullcord__V1__Phase)(1 + seed_below(6)));
	struct throttle_verdict v;

	e.bucket[0] = (uint8_t)seed_below(4);
	e.content = seed_below(3);
	v = throttle_step(t, &e, now);
	assert_int_equal(v.count, seen[number(&v.id)].count + 1);
	seen[number(&v.id)].count = v.count;
	if (v.send)
		publish(&v.id, v.count);
	if (e.priority >= HIGH && e.phase != CONTINUE)
		assert_true(v.send);
	if (e.phase == ESCALATE)
		assert_true(v.send);
}

static void the_books_balance_whatever_comes(void **state)
{
	int64_t now = 0;
	struct throttle_totals all;

	(void)state;
	memset(seen, 0, sizeof(seen));
	published = 0;
	for (int i = 0; i < 50000; i++) {
		now += (int64_t)seed_below(400);
		random_event(now);
		if (seed_below(3) == 0)
			tick(now);
	}
	all = throttle_totals(t);
	assert_int_equal(all.seen, 50000);
	assert_int_equal(all.seen, all.sent + all.folded);
	assert_int_equal(published, all.seen - all.waiting);
	tick(now + limits.delay_ms + limits.window_ms);
	assert_int_equal(published, 50000);
	assert_int_equal(throttle_totals(t).waiting, 0);
}

#define WITH_THROTTLE(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_THROTTLE(the_first_goes_at_once_and_repeats_become_one),
		WITH_THROTTLE(the_end_carries_what_was_folded),
		WITH_THROTTLE(what_flaps_is_no_flood),
		WITH_THROTTLE(the_last_that_is_told_of_what_flaps_is_how_it_is),
		WITH_THROTTLE(a_rise_in_priority_goes_at_once),
		WITH_THROTTLE(urgent_alerts_are_only_folded_when_the_source_says_it_goes_on),
		WITH_THROTTLE(an_urgent_alert_that_says_something_else_goes_at_once),
		WITH_THROTTLE(different_conditions_are_delayed_but_never_merged),
		WITH_THROTTLE(no_delay_is_longer_than_promised),
		WITH_THROTTLE(urgent_alerts_need_no_token),
		WITH_THROTTLE(after_somebody_declined_the_next_goes_at_once),
		WITH_THROTTLE(what_was_refused_goes_at_once_when_it_comes_again),
		WITH_THROTTLE(no_more_is_held_than_there_is_room_for),
		WITH_THROTTLE(a_storm_of_500_becomes_a_handful),
		WITH_THROTTLE(a_full_table_of_waiting_conditions_sends),
		WITH_THROTTLE(the_books_balance_whatever_comes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

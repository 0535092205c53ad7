/* flight: order, window, what an answer means, and that nothing is forgotten that was not safe. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypt.h"
#include "flight.h"
#include "seed.h"

#define WINDOW 4
#define MOST 64

static struct flight *f;

static int make(void **state)
{
	(void)state;
	return crypt_init() == OK && flight_make(MOST, WINDOW, &f) == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	flight_free(&f);
	return 0;
}

static struct id id_of_number(uint32_t n)
{
	struct id id = { { 0 } };

	memcpy(id.b + 4, &n, sizeof(n));
	return id;
}

static void add(uint32_t n, unsigned tier)
{
	struct flight_item i = { .id = id_of_number(n), .seq = n, .tier = tier };

	assert_int_equal(flight_add(f, &i), OK);
}

/* The number of the next; -1: none. */
static int take(int64_t now)
{
	struct flight_item i;

	return flight_take(f, now, &i) ? (int)i.seq : -1;
}

static enum flight_answer acked(uint32_t n, int reason, int64_t now)
{
	struct id id = id_of_number(n);

	return flight_acked(f, &id, reason, now);
}

static bool dropped(uint32_t n)
{
	struct id id = id_of_number(n);

	return flight_drop(f, &id);
}

static void what_is_not_kept_yet_waits_when_it_must(void **state)
{
	(void)state;
	add(1, 1);
	add(2, 1);
	add(3, 0);
	add(4, 2);
	flight_upto(f, 2);
	assert_int_equal(take(0), 1);
	assert_int_equal(take(0), 2);
	assert_int_equal(take(0), -1);
	assert_true(flight_sent(f, &(struct id[]){ id_of_number(2) }[0]));
	assert_false(flight_sent(f, &(struct id[]){ id_of_number(3) }[0]));
	flight_upto(f, 3);
	assert_int_equal(take(0), 3);
	assert_int_equal(take(0), -1);
	flight_upto(f, FLIGHT_SEQ_MAX);
	assert_int_equal(take(0), 4);
}

/* Their places are counted anew now and then. */
static void what_comes_back_is_next_however_many_came_since(void **state)
{
	struct id first = id_of_number(1);

	(void)state;
	add(1, 5);
	assert_int_equal(take(0), 1);
	for (int n = 2; n < 40; n++) {
		add((uint32_t)n, 5);
		assert_int_equal(take(0), n);
		assert_int_equal(acked((uint32_t)n, 0, 0), FLIGHT_DELIVERED);
	}
	add(40, 5);
	flight_untake(f, &first);
	assert_int_equal(take(0), 1);
	assert_int_equal(take(0), 40);
}

/* Not for ever: a clock of 32 bits of milliseconds goes round. */
static void what_waits_is_due_for_good(void **state)
{
	const int64_t round_ms = (int64_t)UINT32_MAX + 1;

	(void)state;
	add(1, 0);
	assert_int_equal(take(round_ms - FLIGHT_RECEIPT_MS), 1);
	assert_int_equal(acked(1, 0, round_ms - FLIGHT_RECEIPT_MS), FLIGHT_HALF);
	assert_int_equal(take(round_ms - 1), -1);
	assert_int_equal(take(round_ms + round_ms / 2), 1);
}

static void important_ones_first_and_each_tier_in_order(void **state)
{
	static const int want[] = { 5, 3, 6, 1, 2, 4 };

	(void)state;
	add(1, 3);
	add(2, 3);
	add(3, 1);
	add(4, 4);
	add(5, 0);
	add(6, 1);
	for (size_t i = 0; i < countof(want); i++) {
		assert_int_equal(take(0), want[i]);
		acked((uint32_t)want[i], 0, 0);
	}
	assert_int_equal(take(0), -1);
}

static void add_of(uint32_t n, unsigned tier, uint32_t condition)
{
	struct flight_item i = { .id = id_of_number(n), .seq = n, .tier = tier, .of = condition };

	assert_int_equal(flight_add(f, &i), OK);
}

/* An end that is more urgent than its beginning takes it along, however the two came here. */
static void what_is_said_of_a_condition_stays_in_order(void **state)
{
	static const int want[] = { 2, 3, 4, 6, 5, 1 };

	(void)state;
	add_of(4, 1, 7);
	add_of(6, 1, 8);
	add_of(5, 2, 7);
	add_of(1, 3, 9);
	add_of(3, 3, 7);
	add_of(2, 4, 7);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < countof(want); i++) {
			assert_int_equal(take(0), want[i]);
			acked((uint32_t)want[i], 0, 0);
		}
		flight_lost(f);
	}
	for (size_t i = 0; i < countof(want); i++)
		assert_true(dropped((uint32_t)want[i]));
	add_of(9, 0, 7);
	assert_int_equal(take(0), 9);
}

/* In quarantine; what was said of the condition before must not hold up what is urgent of it. */
static void only_urgent_ones_and_what_goes_before_them(void **state)
{
	(void)state;
	add_of(1, 2, 7);
	add_of(2, 2, 8);
	add_of(3, 5, 0);
	flight_only(f, FLIGHT_TIER_CALM);
	assert_int_equal(take(0), -1);
	assert_int_equal(flight_next_ms(f, 0), -1);
	add_of(4, 1, 7);
	assert_int_equal(take(0), 1);
	assert_int_equal(take(0), 4);
	assert_int_equal(take(0), -1);
	flight_only(f, FLIGHT_TIERS);
	assert_int_equal(take(0), 2);
	assert_int_equal(take(0), 3);
}

/* A broker whose record has stopped ends the connection for what is calm. */
static void what_ends_connections_holds_up_no_emergency(void **state)
{
	(void)state;
	add_of(1, 2, 7);
	add_of(2, 2, 7);
	add_of(3, 0, 7);
	for (int i = 0; i < FLIGHT_LOST_MOST; i++) {
		assert_int_equal(take(0), 1);
		flight_lost(f);
	}
	assert_int_equal(take(0), 2);                 /* it may be that one as well */
	flight_lost(f);
	assert_int_equal(take(0), 2);
	flight_lost(f);
	assert_int_equal(take(0), 3);
	assert_int_equal(acked(3, 0, 0), FLIGHT_HALF);
	assert_true(dropped(3));
	assert_int_equal(take(0), 1);
	assert_int_equal(acked(1, 0, 0), FLIGHT_HALF);        /* it was something else */
	flight_lost(f);
	assert_int_equal(take(0), 1);
}

/* Or the broker's word that it is stored would not come, and all that is urgent would go out with each connection. */
static void what_ends_connections_waits_for_the_receipts_of_emergencies(void **state)
{
	(void)state;
	add(1, 2);
	add(2, 3);
	for (int i = 0; i < FLIGHT_LOST_MOST; i++) {
		assert_int_equal(take(0), 1);
		flight_lost(f);
	}
	add(3, 1);
	add(4, 0);
	assert_int_equal(take(100), 4);
	assert_int_equal(take(200), 3);
	assert_int_equal(take(200), -1);                /* nor what is calmer */
	assert_int_equal(flight_next_ms(f, 200), 100 + FLIGHT_RECEIPT_MS);
	assert_int_equal(acked(4, 0, 200), FLIGHT_HALF);
	assert_int_equal(acked(3, 0, 200), FLIGHT_HALF);
	assert_int_equal(take(200), -1);
	assert_true(dropped(4));
	assert_int_equal(take(300), -1);
	assert_int_equal(flight_next_ms(f, 300), 100 + FLIGHT_RECEIPT_MS);
	assert_int_equal(take(100 + FLIGHT_RECEIPT_MS - 1), -1);
	assert_int_equal(take(100 + FLIGHT_RECEIPT_MS), 1);      /* it may be a disk that keeps nothing at all */
	flight_lost(f);
	assert_int_equal(take(9000), 3);
	assert_int_equal(take(9000), -1);
	assert_int_equal(acked(3, 0, 9000), FLIGHT_HALF);
	assert_true(dropped(3));
	assert_int_equal(flight_next_ms(f, 9000), 9000);
	assert_int_equal(take(9000), 1);
	assert_int_equal(acked(1, 0, 9000), FLIGHT_HALF);
	assert_int_equal(take(9000), 2);
}

/* A refusal is heeded, too, when something of the same condition is to follow. */
static void what_was_refused_for_now_holds_up_its_condition(void **state)
{
	(void)state;
	add_of(1, 3, 7);
	assert_int_equal(take(0), 1);
	assert_int_equal(acked(1, 0x80, 0), FLIGHT_AGAIN);
	add_of(2, 1, 7);
	assert_int_equal(take(0), 1);                 /* there is news: it is tried once more */
	assert_int_equal(acked(1, 0x80, 0), FLIGHT_AGAIN);
	assert_int_equal(take(0), -1);
	assert_in_range(flight_next_ms(f, 0), 1, 2 * FLIGHT_RECEIPT_MS);
	add_of(3, 1, 8);
	assert_int_equal(take(0), 3);                 /* nobody else waits */
	assert_int_equal(take(2 * FLIGHT_RECEIPT_MS - 1), -1);
	assert_int_equal(take(2 * FLIGHT_RECEIPT_MS), 1);
	assert_int_equal(take(2 * FLIGHT_RECEIPT_MS), 2);
}

static void what_waited_for_another_goes_when_that_is_gone(void **state)
{
	(void)state;
	add_of(1, 3, 7);
	add_of(2, 1, 7);
	assert_int_equal(take(0), 1);
	acked(1, 0x80, 0);
	assert_int_equal(take(0), -1);
	assert_true(dropped(1));                      /* a receipt came late */
	assert_int_equal(take(0), 2);
}

static void no_more_than_the_window_is_unanswered(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		add(i, 2);
	for (int i = 0; i < WINDOW; i++)
		assert_int_equal(take(0), i);
	assert_int_equal(take(0), -1);
	assert_int_equal(acked(1, 0, 0), FLIGHT_HALF);   /* its receipt is awaited, but not in the window */
	assert_int_equal(take(0), WINDOW);
	assert_int_equal(take(0), -1);
}

static void for_observations_the_acknowledgement_is_enough(void **state)
{
	(void)state;
	add(1, FLIGHT_TIERS - 1);
	take(0);
	assert_int_equal(acked(1, 0x10, 0), FLIGHT_DELIVERED);   /* nobody subscribed: still the broker's now */
	assert_int_equal(acked(1, 0, 0), FLIGHT_NOTHING);
	assert_int_equal(flight_count(f), 0);
}

static void alerts_wait_for_the_receipt_and_are_sent_again(void **state)
{
	int64_t now = 0;

	(void)state;
	add(1, FLIGHT_TIERS - 2);
	for (int64_t wait = FLIGHT_RECEIPT_MS, i = 0; i < 8; i++) {
		assert_int_equal(take(now), 1);
		assert_int_equal(acked(1, 0, now), FLIGHT_HALF);
		assert_int_equal(take(now), -1);
		assert_int_equal(flight_next_ms(f, now), now + wait);
		assert_int_equal(take(now + wait - 1), -1);
		now += wait;
		wait = wait * 2 < FLIGHT_AGAIN_MAX_MS ? wait * 2 : FLIGHT_AGAIN_MAX_MS;
	}
	assert_true(dropped(1));
	assert_false(dropped(1));
	assert_int_equal(take(now * 10), -1);
}

static void thousands_that_wait_for_their_receipt_are_not_in_the_way(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < MOST - 1; i++) {
		add(i, 2);
		assert_int_equal(take(i), i);
		assert_int_equal(acked(i, 0, i), FLIGHT_HALF);
	}
	add(MOST - 1, 2);
	assert_int_equal(take(MOST), MOST - 1);              /* a new one at once */
	assert_int_equal(take(FLIGHT_RECEIPT_MS - 1), -1);
	assert_int_equal(flight_next_ms(f, MOST), FLIGHT_RECEIPT_MS);
	assert_true(dropped(1));
	assert_int_equal(take(FLIGHT_RECEIPT_MS + 1), 0);    /* and each when its time has come */
	assert_int_equal(take(FLIGHT_RECEIPT_MS + 1), -1);
	assert_int_equal(take(FLIGHT_RECEIPT_MS + 2), 2);
}

static void refusals_mean_what_the_table_says(void **state)
{
	static const struct { int reason; enum flight_answer answer; } row[] = {
		{ 0x80, FLIGHT_AGAIN }, { 0x83, FLIGHT_AGAIN }, { 0x87, FLIGHT_ASIDE }, { 0x90, FLIGHT_ASIDE },
		{ 0x91, FLIGHT_AGAIN }, { 0x95, FLIGHT_ASIDE }, { 0x97, FLIGHT_AGAIN }, { 0x99, FLIGHT_ASIDE },
	};

	(void)state;
	for (unsigned tier = 0; tier < FLIGHT_TIERS; tier++)
		for (uint32_t i = 0; i < countof(row); i++) {
			add(i, tier);
			assert_int_equal(take(1000000), i);
			assert_int_equal(acked(i, row[i].reason, 0), row[i].answer);
			assert_int_equal(dropped(i), row[i].answer == FLIGHT_AGAIN);
		}
}

static void a_quota_makes_everything_wait(void **state)
{
	(void)state;
	add(1, 2);
	add(2, 0);
	assert_int_equal(take(0), 2);
	assert_int_equal(acked(2, 0x97, 0), FLIGHT_AGAIN);
	assert_int_equal(take(FLIGHT_PAUSE_MS - 1), -1);
	assert_int_equal(flight_next_ms(f, 0), FLIGHT_PAUSE_MS);
	assert_int_equal(take(FLIGHT_PAUSE_MS), 2);   /* and none overtakes it */
	assert_int_equal(take(FLIGHT_PAUSE_MS), 1);
}

static void after_a_lost_connection_all_is_sent_again_in_order(void **state)
{
	(void)state;
	add(1, 1);
	add(2, 1);
	add(3, 2);
	add(4, 1);
	take(0);
	take(0);
	acked(2, 0, 0);
	take(0);
	flight_lost(f);
	assert_int_equal(take(0), 1);
	assert_int_equal(take(0), 2);
	assert_int_equal(take(0), 4);
	assert_int_equal(take(0), 3);
	assert_int_equal(acked(1, 0, 0), FLIGHT_HALF);
}

static void what_could_not_be_sent_is_next_again(void **state)
{
	struct id id = id_of_number(1);

	(void)state;
	add(1, 2);
	add(2, 2);
	assert_int_equal(take(0), 1);
	assert_int_equal(take(0), 2);
	flight_untake(f, &id);
	assert_int_equal(take(0), 1);
	assert_int_equal(acked(2, 0x80, 0), FLIGHT_AGAIN);
	assert_int_equal(take(FLIGHT_RECEIPT_MS), 2);
}

static void it_is_bounded_and_takes_an_id_once(void **state)
{
	struct flight_item i = { .id = id_of_number(0) };

	(void)state;
	for (uint32_t n = 0; n < MOST; n++)
		add(n, n % FLIGHT_TIERS);
	assert_int_equal(flight_add(f, &i), ERR_EXISTS);
	i.id = id_of_number(MOST);
	assert_int_equal(flight_add(f, &i), ERR_FULL);
}

static void each_tier_knows_how_many_wait_and_how_long(void **state)
{
	struct flight_item i = { .tier = 3 };

	(void)state;
	assert_int_equal(flight_look(f, 3, 5000).n, 0);
	assert_int_equal(flight_look(f, 3, 5000).oldest_ms, 0);
	i.id = id_of_number(1), i.made_s = 1;
	assert_int_equal(flight_add(f, &i), OK);
	i.tier = 0;
	i.id = id_of_number(2), i.made_s = 3;
	assert_int_equal(flight_add(f, &i), OK);
	i.id = id_of_number(3), i.made_s = 4;
	assert_int_equal(flight_add(f, &i), OK);
	assert_int_equal(flight_look(f, 3, 5000).n, 1);
	assert_int_equal(flight_look(f, 3, 5000).oldest_ms, 4000);
	assert_int_equal(flight_look(f, 0, 5000).n, 2);
	assert_int_equal(flight_look(f, 0, 5000).oldest_ms, 2000);
	assert_int_equal(flight_look(f, 0, 1000).oldest_ms, 0);   /* a clock that was set back */
	assert_true(flight_drop(f, &i.id));
	assert_int_equal(flight_look(f, 0, 5000).n, 1);
}

/* A broker of whims: every message it was ever given ends safe or set aside, and in no other way. */
static struct { bool added, aside, safe, half; unsigned tier; } fate[MOST];

static void whim(int64_t now)
{
	struct flight_item i;

	if (!flight_take(f, now, &i)) {
		if (seed_below(8) == 0)
			flight_lost(f);
		return;
	}
	if (seed_below(10) == 0) {
		flight_untake(f, &i.id);
		return;
	}
	switch (flight_acked(f, &i.id, seed_below(4) ? 0 : seed_below(2) ? 0x87 : 0x97, now)) {
	case FLIGHT_DELIVERED:
		assert_true(i.tier >= FLIGHT_TIER_SAFE);
		fate[i.seq].safe = true;
		break;
	case FLIGHT_ASIDE:
		fate[i.seq].aside = true;
		break;
	case FLIGHT_HALF:
		assert_true(i.tier < FLIGHT_TIER_SAFE);
		if (seed_below(2)) {
			assert_true(flight_drop(f, &i.id));
			fate[i.seq].safe = true;
		}
		break;
	default:
		break;
	}
}

static void nothing_is_forgotten_that_is_not_safe(void **state)
{
	int64_t now = 0;

	(void)state;
	memset(fate, 0, sizeof(fate));
	for (uint32_t n = 0; n < MOST; n++) {
		add(n, (unsigned)seed_below(FLIGHT_TIERS));
		whim(now++);
	}
	for (int i = 0; i < 200000 && flight_count(f); i++)
		whim(now += 1000);
	assert_int_equal(flight_count(f), 0);
	for (uint32_t n = 0; n < MOST; n++)
		assert_int_equal(fate[n].safe + fate[n].aside, 1);
}

#define WITH_FLIGHT(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FLIGHT(what_is_not_kept_yet_waits_when_it_must),
		WITH_FLIGHT(what_comes_back_is_next_however_many_came_since),
		WITH_FLIGHT(what_waits_is_due_for_good),
		WITH_FLIGHT(important_ones_first_and_each_tier_in_order),
		WITH_FLIGHT(what_is_said_of_a_condition_stays_in_order),
		WITH_FLIGHT(only_urgent_ones_and_what_goes_before_them),
		WITH_FLIGHT(what_was_refused_for_now_holds_up_its_condition),
		WITH_FLIGHT(what_ends_connections_holds_up_no_emergency),
		WITH_FLIGHT(what_ends_connections_waits_for_the_receipts_of_emergencies),
		WITH_FLIGHT(what_waited_for_another_goes_when_that_is_gone),
		WITH_FLIGHT(no_more_than_the_window_is_unanswered),
		WITH_FLIGHT(for_observations_the_acknowledgement_is_enough),
		WITH_FLIGHT(alerts_wait_for_the_receipt_and_are_sent_again),
		WITH_FLIGHT(thousands_that_wait_for_their_receipt_are_not_in_the_way),
		WITH_FLIGHT(refusals_mean_what_the_table_says),
		WITH_FLIGHT(a_quota_makes_everything_wait),
		WITH_FLIGHT(after_a_lost_connection_all_is_sent_again_in_order),
		WITH_FLIGHT(what_could_not_be_sent_is_next_again),
		WITH_FLIGHT(it_is_bounded_and_takes_an_id_once),
		WITH_FLIGHT(each_tier_knows_how_many_wait_and_how_long),
		WITH_FLIGHT(nothing_is_forgotten_that_is_not_safe),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

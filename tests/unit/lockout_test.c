#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "crypt.h"
#include "lockout.h"
#include "seed.h"

#define S INT64_C(1000000)
#define T0 (INT64_C(1700000000) * S)
#define DAY (86400 * S)

static const struct policy_lockout limit[LOCKOUT_KINDS] = {
	[LOCKOUT_PERSON] = { 3, 60, 100 }, [LOCKOUT_ADDRESS] = { 10, 60, 100 }, [LOCKOUT_ACCOUNT] = { 6, 60, 50 },
};
static struct lockout *l;
static struct lockout_mark mark[LOCKOUT_KINDS];

static int setup(void **state)
{
	(void)state;
	assert_int_equal(crypt_init(), OK);
	return lockout_open(&l);
}

static int teardown(void **state)
{
	(void)state;
	lockout_close(&l);
	return 0;
}

static struct lockout_who who(const char *name, const char *address)
{
	return (struct lockout_who){ span_str(name), span_str(address), 0 };
}

static int64_t until(const char *name, const char *address, int64_t now_us)
{
	const struct lockout_who w = who(name, address);

	return lockout_until(l, limit, &w, now_us);
}

static unsigned fails(const char *name, const char *address, int64_t now_us)
{
	const struct lockout_who w = who(name, address);

	return lockout_fail(l, limit, &w, now_us, mark);
}

static void locks(const char *name, const char *address, int64_t now_us)
{
	assert_int_equal(fails(name, address, now_us), 0);
	assert_int_equal(fails(name, address, now_us), 0);
	assert_int_equal(fails(name, address, now_us), 1u << LOCKOUT_PERSON);
}

static bool passes(const char *name, const char *address, int64_t now_us)
{
	const struct lockout_who w = who(name, address);

	return lockout_pass(l, &w, now_us);
}

static void the_third_failure_locks_this_name_at_this_address(void **state)
{
	(void)state;
	assert_int_equal(until("ana", "10.0.0.1", T0), 0);
	locks("ana", "10.0.0.1", T0);
	assert_int_equal(mark[LOCKOUT_PERSON].until_us, T0 + 100 * S);
	assert_int_equal(until("ana", "10.0.0.1", T0 + 100 * S - 1), T0 + 100 * S);
	assert_int_equal(until("ana", "10.0.0.1", T0 + 100 * S), 0);
	assert_int_equal(until("ana", "10.0.0.2", T0), 0);
	assert_int_equal(until("bea", "10.0.0.1", T0), 0);
}

static void failures_count_within_their_time_only(void **state)
{
	(void)state;
	assert_int_equal(fails("ana", "10.0.0.1", T0), 0);
	assert_int_equal(fails("ana", "10.0.0.1", T0 + 59 * S), 0);
	assert_int_equal(fails("ana", "10.0.0.1", T0 + 60 * S), 0);   /* begins anew */
	assert_int_equal(fails("ana", "10.0.0.1", T0 + 61 * S), 0);
	assert_int_equal(fails("ana", "10.0.0.1", T0 + 62 * S), 1u << LOCKOUT_PERSON);
}

static void each_lock_in_a_row_is_twice_as_long(void **state)
{
	static const int64_t s[] = { 100, 200, 400, 800, 1600, 1600, 1600 };
	int64_t now = T0;

	(void)state;
	for (size_t i = 0; i < countof(s); i++) {
		locks("ana", "10.0.0.1", now);
		assert_int_equal(until("ana", "10.0.0.1", now), now + s[i] * S);
		now += s[i] * S;
	}
	assert_true(passes("ana", "10.0.0.1", now));
	locks("ana", "10.0.0.1", now);
	assert_int_equal(until("ana", "10.0.0.1", now), now + 100 * S);
}

static void a_quiet_day_is_forgiven(void **state)
{
	(void)state;
	locks("ana", "10.0.0.1", T0);
	locks("ana", "10.0.0.1", T0 + 100 * S + DAY);
	assert_int_equal(mark[LOCKOUT_PERSON].until_us, T0 + 200 * S + DAY);
	locks("ana", "10.0.0.1", T0 + 200 * S + 2 * DAY - 1);
	assert_int_equal(mark[LOCKOUT_PERSON].until_us, T0 + 400 * S + 2 * DAY - 1);
}

static void many_names_lock_the_address_but_not_who_is_known_there(void **state)
{
	char name[16];

	(void)state;
	assert_true(passes("ana", "10.0.0.1", T0));
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(fails(name, "10.0.0.1", T0), i == 9 ? 1u << LOCKOUT_ADDRESS : 0);
	}
	assert_int_equal(until("bea", "10.0.0.1", T0), T0 + 100 * S);
	assert_int_equal(until("bea", "10.0.0.2", T0), 0);
	assert_int_equal(until("ana", "10.0.0.1", T0), 0);
	fails("ana", "10.0.0.1", T0);
	fails("ana", "10.0.0.1", T0);
	fails("ana", "10.0.0.1", T0);
	assert_int_equal(until("ana", "10.0.0.1", T0), T0 + 100 * S);   /* by what she did herself */
}

static void nobody_is_known_in_more_places_than_their_share(void **state)
{
	char address[32];

	(void)state;
	assert_true(passes("ana", "10.0.0.1", T0));
	for (int i = 0; i < LOCKOUT_KNOWN; i++) {
		snprintf(address, sizeof(address), "10.1.%d.%d", i / 250, i % 250 + 1);
		assert_true(passes("mad", address, T0 + i));
	}
	locks("mad", "10.0.0.1", T0 + DAY);
	for (int i = 0; i < 6; i++)
		fails("mad", address, T0 + DAY);
	for (int i = 0; i < 10; i++)
		fails("x", "10.0.0.1", T0 + DAY);
	assert_int_not_equal(until("bea", "10.0.0.1", T0 + DAY), 0);
	assert_int_equal(until("ana", "10.0.0.1", T0 + DAY), 0);      /* known there still */
}

static void an_unlock_by_a_clock_that_ran_ahead_forgives_nothing(void **state)
{
	struct lockout_who w = who("ana", "10.0.0.1");

	(void)state;
	w.unlocked_us = T0 + DAY;
	for (int i = 0; i < 3; i++)
		(void)lockout_fail(l, limit, &w, T0, mark);
	assert_int_equal(lockout_until(l, limit, &w, T0), T0 + 100 * S);
}

static void who_is_known_is_so_for_thirty_days(void **state)
{
	(void)state;
	assert_true(passes("ana", "10.0.0.1", T0));
	assert_false(passes("ana", "10.0.0.1", T0 + DAY - 1));      /* not worth keeping again */
	for (int i = 0; i < 6; i++) {
		char address[16];

		snprintf(address, sizeof(address), "10.1.0.%d", i);
		fails("ana", address, T0 + 30 * DAY - 1);
	}
	assert_int_equal(until("ana", "10.2.0.1", T0 + 30 * DAY - 1), T0 + 30 * DAY - 1 + 50 * S);
	assert_int_equal(until("ana", "10.0.0.1", T0 + 30 * DAY - 1), 0);
	assert_int_equal(until("ana", "10.0.0.1", T0 + 30 * DAY), T0 + 30 * DAY - 1 + 50 * S);
}

static void what_an_administrator_forgave_is_over(void **state)
{
	struct lockout_who w = who("ana", "10.0.0.1");

	(void)state;
	locks("ana", "10.0.0.1", T0);
	w.unlocked_us = T0 - 1;
	assert_int_not_equal(lockout_until(l, limit, &w, T0 + S), 0);
	w.unlocked_us = T0 + S;
	assert_int_equal(lockout_until(l, limit, &w, T0 + S), 0);
	assert_int_equal(lockout_fail(l, limit, &w, T0 + 2 * S, mark), 0);
	assert_int_equal(lockout_fail(l, limit, &w, T0 + 2 * S, mark), 0);
	assert_int_equal(lockout_fail(l, limit, &w, T0 + 2 * S, mark), 1u << LOCKOUT_PERSON);
}

static void a_clock_set_back_makes_no_lock_longer(void **state)
{
	(void)state;
	locks("ana", "10.0.0.1", T0);
	assert_int_equal(until("ana", "10.0.0.1", T0 - 365 * DAY), T0 - 365 * DAY + 100 * S);
	assert_int_equal(until("ana", "10.0.0.1", T0 - 365 * DAY + 100 * S), 0);
}

static void a_policy_that_says_never_ends_locks(void **state)
{
	const struct policy_lockout never[LOCKOUT_KINDS] = { 0 };
	const struct lockout_who w = who("ana", "10.0.0.1");

	(void)state;
	locks("ana", "10.0.0.1", T0);
	assert_int_equal(lockout_until(l, never, &w, T0), 0);
	assert_int_equal(lockout_fail(l, never, &w, T0, mark), 0);
}

static void one_machine_has_a_whole_ipv6_network(void **state)
{
	(void)state;
	fails("ana", "2001:db8::1", T0);
	fails("ana", "2001:db8::2", T0);
	fails("ana", "2001:db8:0:0:ffff::3", T0);
	assert_int_not_equal(until("ana", "2001:db8::4", T0), 0);
	assert_int_equal(until("ana", "2001:db8:0:1::1", T0), 0);
	locks("bea", "10.0.0.1", T0);
	assert_int_not_equal(until("bea", "::ffff:10.0.0.1", T0), 0);
}

/* However many names an attacker makes up. */
static void a_flood_of_names_makes_no_lock_forgotten(void **state)
{
	char name[32], address[32];

	(void)state;
	locks("ana", "10.0.0.1", T0);
	for (int i = 0; i < 3 * LOCKOUT_ENTRIES; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(address, sizeof(address), "10.%d.%d.1", i / 200 % 200, i % 200);
		fails(name, address, T0 + S);
	}
	assert_int_equal(until("ana", "10.0.0.1", T0 + 2 * S), T0 + 100 * S);
	assert_int_equal(until("bea", "10.250.0.1", T0 + 2 * S), 0);
}

/* The oldest of all, when everything else was a lock too and is over. */
static void a_lock_that_is_over_yields_to_one_that_is_not(void **state)
{
	const struct lockout_who ana = who("ana", "10.0.0.1");
	char address[32];

	(void)state;
	lockout_restore(l, LOCKOUT_PERSON, &ana, &(struct lockout_mark){ T0, T0 + 1600 * S, 5 });
	for (int i = 1; i < LOCKOUT_ENTRIES; i++) {
		const struct lockout_mark m = { T0 + S, T0 + 50 * S, 1 };
		struct lockout_who eve;

		snprintf(address, sizeof(address), "10.%d.%d.1", 1 + i / 200, i % 200);
		eve = who("eve", address);
		lockout_restore(l, LOCKOUT_PERSON, &eve, &m);
	}
	fails("zoe", "10.99.0.1", T0 + 60 * S);
	assert_int_equal(until("ana", "10.0.0.1", T0 + 60 * S), T0 + 1600 * S);
}

/* Every entry is a lock in force: strangers share a count; who is known is not among them. */
static void a_full_table_still_counts(void **state)
{
	char address[32];
	int n = 0;

	(void)state;
	passes("bea", "10.250.0.1", T0);
	for (int i = 0; i < LOCKOUT_ENTRIES; i++) {
		const struct lockout_mark m = { T0, T0 + 100 * S, 1 };
		struct lockout_who w;

		snprintf(address, sizeof(address), "10.%d.%d.1", i / 200, i % 200);
		w = who("eve", address);
		lockout_restore(l, LOCKOUT_PERSON, &w, &m);
	}
	assert_int_equal(until("zoe", "10.99.0.1", T0 + S), 0);
	while (!until("zoe", "10.99.0.1", T0 + S) && n < 20)
		fails("zoe", "10.99.0.1", T0 + S), n++;
	assert_int_equal(n, 3);
	assert_int_not_equal(until("kim", "10.98.0.1", T0 + S), 0);   /* shares it */
	assert_int_equal(until("bea", "10.250.0.1", T0 + S), 0);
	assert_int_equal(until("eve", "10.0.0.1", T0 + S), T0 + 100 * S);
	assert_int_equal(until("kim", "10.98.0.1", T0 + 201 * S), 0);
}

static void what_was_kept_comes_back(void **state)
{
	const struct lockout_who ana = who("ana", "10.0.0.1"), bea = who("bea", "10.0.0.1");
	const struct lockout_mark m = { T0, T0 + 100 * S, 2 };

	(void)state;
	lockout_restore(l, LOCKOUT_PERSON, &ana, &m);
	lockout_restore(l, LOCKOUT_ADDRESS, &ana, &m);
	lockout_restore_known(l, &bea, T0 - DAY);
	lockout_restore_known(l, &ana, T0 - DAY);
	assert_int_equal(until("ana", "10.0.0.1", T0 + S), T0 + 100 * S);
	assert_int_equal(until("bea", "10.0.0.1", T0 + S), 0);
	assert_int_equal(until("cat", "10.0.0.1", T0 + S), T0 + 100 * S);
	locks("ana", "10.0.0.1", T0 + 101 * S);
	assert_int_equal(mark[LOCKOUT_PERSON].until_us, T0 + 501 * S);   /* the third in a row */
}

/* ---- the same, the long way round: every failure is remembered ---- */

#define NAMES 4
#define PLACES 4

struct model_entry {
	int64_t first, last, until;
	unsigned failures, times;
};

static struct model_entry person[NAMES][PLACES], address[PLACES], account[NAMES];
static int64_t known[NAMES][PLACES], unlocked[NAMES];

static void model_settle(struct model_entry *e, enum lockout_kind kind, int64_t forgiven, int64_t now)
{
	if (e->last && forgiven >= e->last)
		*e = (struct model_entry){ 0 };
	if (now >= e->first + limit[kind].within_s * S)
		e->failures = 0;
	if (now >= e->until + DAY && now >= e->last + DAY)
		e->times = 0;
}

static int64_t model_until(int n, int p, int64_t now)
{
	bool is_known = known[n][p] && now < known[n][p] + 30 * DAY;
	int64_t most = 0;

	model_settle(&person[n][p], LOCKOUT_PERSON, unlocked[n], now);
	if (person[n][p].until > now)
		most = person[n][p].until;
	if (is_known)
		return most;
	model_settle(&address[p], LOCKOUT_ADDRESS, 0, now);
	model_settle(&account[n], LOCKOUT_ACCOUNT, unlocked[n], now);
	if (address[p].until > now && address[p].until > most)
		most = address[p].until;
	return account[n].until > now && account[n].until > most ? account[n].until : most;
}

static void model_count(struct model_entry *e, enum lockout_kind kind, int64_t forgiven, int64_t now)
{
	model_settle(e, kind, forgiven, now);
	if (e->until > now)
		return;
	if (!e->failures++)
		e->first = now;
	e->last = now;
	if (e->failures < limit[kind].failures)
		return;
	e->failures = 0;
	e->times = e->times < 5 ? e->times + 1 : 5;
	e->until = now + limit[kind].for_s * S * (kind == LOCKOUT_PERSON ? 1 << (e->times - 1) : 1);
}

static void it_agrees_with_a_model_that_forgets_nothing(void **state)
{
	static const char *const name[NAMES] = { "ana", "bea", "cat", "eve" };
	static const char *const place[PLACES] = { "10.0.0.1", "10.0.0.2", "2001:db8::1", "" };
	int64_t now = T0;

	(void)state;
	for (int i = 0; i < SEED_ROUNDS(200000); i++) {
		int n = (int)seed_below(NAMES), p = (int)seed_below(PLACES), what = (int)seed_below(100);
		struct lockout_who w = { span_str(name[n]), span_str(place[p]), unlocked[n] };
		int64_t want;

		now += (int64_t)seed_below(what == 0 ? 2 * DAY : 20 * S);
		want = model_until(n, p, now);
		if (lockout_until(l, limit, &w, now) != want)
			fail_msg("step %d: %s at %s: %lld, not %lld", i, name[n], place[p],
				 (long long)lockout_until(l, limit, &w, now), (long long)want);
		if (what == 1) {
			unlocked[n] = now;
		} else if (what < 5 && !want) {
			(void)lockout_pass(l, &w, now);
			person[n][p] = (struct model_entry){ 0 };
			if (now >= known[n][p] + DAY)
				known[n][p] = now;
		} else if (!want) {
			(void)lockout_fail(l, limit, &w, now, mark);
			model_count(&person[n][p], LOCKOUT_PERSON, unlocked[n], now);
			model_count(&address[p], LOCKOUT_ADDRESS, 0, now);
			model_count(&account[n], LOCKOUT_ACCOUNT, unlocked[n], now);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_third_failure_locks_this_name_at_this_address),
		TEST(failures_count_within_their_time_only),
		TEST(each_lock_in_a_row_is_twice_as_long),
		TEST(a_quiet_day_is_forgiven),
		TEST(many_names_lock_the_address_but_not_who_is_known_there),
		TEST(nobody_is_known_in_more_places_than_their_share),
		TEST(an_unlock_by_a_clock_that_ran_ahead_forgives_nothing),
		TEST(who_is_known_is_so_for_thirty_days),
		TEST(what_an_administrator_forgave_is_over),
		TEST(a_clock_set_back_makes_no_lock_longer),
		TEST(a_policy_that_says_never_ends_locks),
		TEST(one_machine_has_a_whole_ipv6_network),
		TEST(a_flood_of_names_makes_no_lock_forgotten),
		TEST(a_lock_that_is_over_yields_to_one_that_is_not),
		TEST(a_full_table_still_counts),
		TEST(what_was_kept_comes_back),
		TEST(it_agrees_with_a_model_that_forgets_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

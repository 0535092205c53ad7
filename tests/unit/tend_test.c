/* Open alerts are shown to whoever comes or subscribes, after nothing that came later; the idle are sent away. */
#include "guarded.h"

#include <sys/syscall.h>
#include <time.h>

static void open_alerts_reach_whoever_subscribes_later(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START),
		       n = alert_from("nc-1", 2, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m, false);
	publishes(0, "nc-1", ALERT, &n, false);
	person_login(1, "ana", "ana.t1", "correct horse");
	person_login(2, "bea", "bea.t1", "battery staple");
	assert_int_equal(answers(1, "ana.t1", "ana", 1), GATE_ALLOW);
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	subscribes(2, "bea.t1", "mercy/unit/med4/alert/+/+");
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);   /* the one nobody answered */
	assert_int_equal(times_published(ALERT, "bea.t1"), 0);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);
}

static enum gate delivered(int at, const char *client, const struct message *m)
{
	struct client c = client_at(at, client, NULL);
	struct publish p = { span(m->raw, m->n), 1, false };

	if (guard_passes(g, c.context, c.client, ALERT, &p))
		return GATE_ALLOW;
	return guard_receive(g, &c, ALERT, &p);
}

/* The broker delivers at once and takes what we give it at its next turn: without this what just came would stand before
 * what was open. */
static void what_comes_in_the_same_turn_is_shown_after_what_was_open(void **state)
{
	struct message m[4];

	(void)state;
	for (uint8_t i = 0; i < 4; i++)
		m[i] = alert_from("nc-1", i + 1, PULLCORD__V1__PHASE__PHASE_START);
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m[0], false);
	person_login(1, "ana", "ana.t1", "correct horse");
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	publishes(0, "nc-1", ALERT, &m[1], false);
	assert_int_equal(delivered(1, "ana.t1", &m[1]), GATE_DENY);
	assert_int_equal(times_published(ALERT, "ana.t1"), 0);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);
	assert_memory_equal(asked.shown, m[1].raw, m[1].n);
	publishes(0, "nc-1", ALERT, &m[2], false);
	assert_int_equal(delivered(1, "ana.t1", &m[2]), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);
	subscribes(1, "ana.t1", "mercy/user/ana/presence");     /* shows no alerts, so nothing waits for it */
	publishes(0, "nc-1", ALERT, &m[3], false);
	assert_int_equal(delivered(1, "ana.t1", &m[3]), GATE_ALLOW);
}

static void what_waits_for_that_is_not_lost_when_the_connection_is(void **state)
{
	struct message m[2];

	(void)state;
	for (uint8_t i = 0; i < 2; i++)
		m[i] = alert_from("nc-1", i + 1, PULLCORD__V1__PHASE__PHASE_START);
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m[0], false);
	person_login(1, "ana", "ana.t1", "correct horse");
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	publishes(0, "nc-1", ALERT, &m[1], false);
	assert_int_equal(delivered(1, "ana.t1", &m[1]), GATE_DENY);
	guard_logoff(g, &ctx[1], 0);
	guard_tick(g);                          /* into the queue of its session, if that is kept */
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);
}

static void what_waits_for_that_is_not_lost_when_the_session_is_sent_away(void **state)
{
	const struct client again = { &ctx[2], "ana.t1", "127.0.0.1", "ana", 5, 60, false, false };
	struct message m[2];
	const char *mapped;

	(void)state;
	for (uint8_t i = 0; i < 2; i++)
		m[i] = alert_from("nc-1", i + 1, PULLCORD__V1__PHASE__PHASE_START);
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m[0], false);
	person_login(1, "ana", "ana.t1", "correct horse");
	guard_tick(g);
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	publishes(0, "nc-1", ALERT, &m[1], false);
	assert_int_equal(delivered(1, "ana.t1", &m[1]), GATE_DENY);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "er1", "correct horse");
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
	assert_int_equal(times_published(ALERT, "ana.t1"), 0);
	guard_logoff(g, &ctx[1], 0);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "icu3", "correct horse");
	assert_true(UNTIL(guard_login(g, &again, NULL, "correct horse", &mapped) == GATE_ALLOW));
	guard_tick(g);
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 2);
}

/* What nobody keeps would not be shown later. */
static void what_is_not_kept_does_not_wait(void **state)
{
	struct message m[2];

	(void)state;
	for (uint8_t i = 0; i < 2; i++)
		m[i] = alert_from("nc-1", i + 1, PULLCORD__V1__PHASE__PHASE_START);
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m[0], false);
	person_login(1, "ana", "ana.t1", "correct horse");
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	assert_int_equal(delivered(1, "ana.t1", &m[1]), GATE_ALLOW);
}

static int64_t clock_off_s;     /* the wall clock's from what it is */

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, which, t);

	if (which == CLOCK_REALTIME)
		t->tv_sec += clock_off_s;
	return rc;
}

/* It is kept for a day that passes, not one that the clock is set by. */
static void an_open_alert_outlives_a_clock_that_is_set(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	person_login(1, "ana", "ana.t1", "correct horse");
	publishes(0, "nc-1", ALERT, &m, false);
	clock_off_s = 366 * 86400;
	g->second = 0;
	guard_tick(g);
	assert_non_null(history_find(g->history, &m.id));
	clock_off_s = 0;
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);
}

static void open_alerts_survive_the_broker(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m, false);
	tick_until_published("mercy/device/nc-1/stored", "");
	guard_close(&g);
	guard_start();
	person_login(1, "ana", "ana.t1", "correct horse");
	subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+");
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);
}

static void a_resumed_session_is_shown_what_is_open(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &m, false);
	tick_until_published("mercy/device/nc-1/stored", "");
	had_before = 1;   /* what the broker read back from its file, and never asked us about */
	person_login(1, "ana", "ana.t1", "correct horse");
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "ana.t1"), 1);
	person_login(2, "bea", "bea.t1", "battery staple");
	guard_tick(g);
	assert_int_equal(times_published(ALERT, "bea.t1"), 0);
}

static void a_resumed_session_that_may_use_what_it_lost_is_ended(void **state)
{
	(void)state;
	had_before = 1;
	person_login(0, "ana", "ana.t1", "correct horse");
	guard_tick(g);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "icu3", "correct horse");
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
}

static void the_idle_are_logged_off(void **state)
{
	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	device_login(1, "mercy", "nc-1", "nc-1", NULL);
	session_of(&g->sessions, &ctx[0])->active_ms -= 14 * 60 * 1000;
	session_of(&g->sessions, &ctx[1])->active_ms -= 60 * 60 * 1000;
	g->second = 0;
	guard_tick(g);
	assert_int_equal(asked.kicks, 0);
	session_of(&g->sessions, &ctx[0])->active_ms -= 2 * 60 * 1000;
	g->second = 0;
	guard_tick(g);
	assert_int_equal(asked.kicks, 1);
	assert_string_equal(asked.kicked[0], "ana.t1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_alerts_reach_whoever_subscribes_later),
		TEST(what_comes_in_the_same_turn_is_shown_after_what_was_open),
		TEST(what_waits_for_that_is_not_lost_when_the_connection_is),
		TEST(what_waits_for_that_is_not_lost_when_the_session_is_sent_away),
		TEST(what_is_not_kept_does_not_wait),
		TEST(an_open_alert_outlives_a_clock_that_is_set),
		TEST(open_alerts_survive_the_broker),
		TEST(a_resumed_session_is_shown_what_is_open),
		TEST(a_resumed_session_that_may_use_what_it_lost_is_ended),
		TEST(the_idle_are_logged_off),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}

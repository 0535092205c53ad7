/* What a session holds follows its account and the policy, and who lost what they used is sent away. */
#include "guarded.h"

static void a_lost_role_ends_the_session_that_used_it(void **state)
{
	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	person_login(1, "bea", "bea.t1", "battery staple");
	subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+");
	subscribes(1, "bea.t1", "mercy/unit/med4/alert/+/+");
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "icu3", "correct horse");
	guard_tick(g);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);
	assert_int_equal(asked.kicks, 1);
	assert_string_equal(asked.kicked[0], "ana.t1");
	assert_int_equal(receives(1, "bea.t1", "mercy/unit/med4/alert/high/nc-9"), GATE_ALLOW);
}

static void a_change_that_takes_nothing_kicks_nobody(void **state)
{
	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+");
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "icu3", "another password");
	guard_tick(g);
	assert_int_equal(asked.kicks, 0);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
}

static size_t bound_now(void)
{
	size_t n = 0;

	for (const struct session *s = g->sessions.all; s; s = s->all_next)
		n += s->bound == g->policies;
	return n;
}

static size_t to_be_ended(void)
{
	size_t n = 0;

	for (const struct session *s = g->sessions.all; s; s = s->all_next)
		n += s->kick;
	return n;
}

/* Whoever is asked about is bound before; the others a few in each tick; whoever lost something goes. */
static void many_sessions_are_bound_to_a_new_policy_a_few_at_a_time(void **state)
{
	enum { MANY = 300 };
	static int many[MANY];
	struct client c = { .address = "127.0.0.1", .username = "ana", .protocol = 5, .keepalive_s = 60, .clean = true };
	struct publish p = { SPAN_LIT("x"), 1, false };
	char name[32];
	const char *mapped;
	size_t before;
	int ticks;

	(void)state;
	person_login(0, "ana", "ana.t0", "correct horse");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "ana.m%d", i);
		c.context = &many[i];
		c.client = name;
		assert_int_equal(guard_login(g, &c, NULL, "correct horse", &mapped), GATE_ALLOW);
		assert_int_equal(guard_subscribe(g, &c, "mercy/unit/icu3/alert/+/+", 1), GATE_ALLOW);
	}
	guard_tick(g);
	assert_int_equal(bound_now(), MANY + 1);
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  allow both mercy/unit/icu3/broadcast\n");
	reload();
	before = bound_now();
	assert_true(before > 0 && before < MANY / 2);
	c.context = &many[0];                                /* the last in the list */
	c.client = "ana.m0";
	assert_true(session_of(&g->sessions, c.context)->bound != g->policies);
	assert_int_equal(guard_receive(g, &c, ALERT, &p), GATE_DENY);
	assert_int_equal(bound_now(), before + 1);
	for (ticks = 0; ticks < 20 && bound_now() < MANY + 1; ticks++)
		guard_tick(g);
	assert_true(ticks > 1 && ticks < 5);
	assert_int_equal(to_be_ended(), MANY);               /* all but the one that uses nothing */
}

static void a_session_from_before_a_restart_is_known_by_its_owner(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct client c = client_at(5, "ana.t1", "ana"), liar = client_at(6, "ana.t1", "bea");

	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	guard_close(&g);
	guard_start();
	assert_int_equal(guard_receive(g, &c, ALERT, &(struct publish){ 0 }), GATE_ALLOW);
	assert_int_equal(guard_receive(g, &c, "mercy/unit/med4/alert/high/nc-1", &(struct publish){ 0 }), GATE_DENY);
	assert_int_equal(guard_receive(g, &liar, ALERT, &(struct publish){ 0 }), GATE_DENY);
	assert_int_equal(guard_subscribe(g, &c, "mercy/unit/icu3/alert/+/+", 1), GATE_DENY);
	assert_int_equal(guard_publish(g, &c, ALERT, &(struct publish){ span(m.raw, m.n), 1, false }), GATE_DENY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lost_role_ends_the_session_that_used_it),
		TEST(a_change_that_takes_nothing_kicks_nobody),
		TEST(many_sessions_are_bound_to_a_new_policy_a_few_at_a_time),
		TEST(a_session_from_before_a_restart_is_known_by_its_owner),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}

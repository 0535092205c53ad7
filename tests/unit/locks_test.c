#include "recorded.h"

/* Another password each time, since the same again is no guess. */
static void guess(int at, const char *user, const char *client, int times)
{
	char word[32];

	for (int i = 0; i < times; i++) {
		snprintf(word, sizeof(word), "not it %s %d", client, i);
		assert_int_equal(person_login(at, user, client, word), GATE_DENY);
	}
}

static void the_right_password_is_not_looked_at_while_locked(void **state)
{
	struct recorded r;

	(void)state;
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	guess(1, "ana", "ana.t2", 5);
	assert_int_equal(person_try(1, "ana", "ana.t2", "correct horse"), GATE_DENY);      /* remembered as right */
	assert_int_equal(person_try(1, "ana", "ana.t2", "never seen yet"), GATE_DENY);     /* not even hashed */
	assert_int_equal(session_of(&g->sessions, &ctx[0])->state, SESSION_LIVE);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	assert_int_equal(person_login(2, "bea", "bea.t1", "battery staple"), GATE_ALLOW);
	assert_int_equal(device_login(3, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	guard_close(&g);
	r = recorded(RECORDED(LOCKOUT), "5 wrong passwords: this name, from this address is locked out until 20");
	assert_int_equal(r.entries, 1);
	assert_string_equal(r.actor, "ana");
	assert_string_equal(r.address, "127.0.0.1");
	assert_int_equal(recorded(RECORDED(LOGIN), "locked out until 20").events, 2);
}

static void what_was_typed_once_is_one_failure(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(person_login(0, "ana", "ana.t1", "not quite it"), GATE_DENY);
	for (int i = 0; i < 20; i++)
		assert_int_equal(person_login(0, "ana", "ana.t1", "short"), GATE_DENY);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
}

static void a_lock_outlives_reload_and_restart(void **state)
{
	(void)state;
	guess(0, "ana", "ana.t1", 5);
	guard_reload(g);
	guard_tick(g);
	assert_int_equal(person_try(0, "ana", "ana.t1", "correct horse"), GATE_DENY);
	guard_close(&g);
	guard_start();
	assert_int_equal(person_try(0, "ana", "ana.t1", "correct horse"), GATE_DENY);
	assert_int_equal(person_login(1, "bea", "bea.t1", "battery staple"), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(LOCKOUT), "").entries, 1);
}

static void who_never_comes_for_the_answer_is_locked_out_too(void **state)
{
	const struct lockout_who ana = { SPAN_LIT("ana"), SPAN_LIT("127.0.0.1"), 0 };
	char word[32];

	(void)state;
	for (int i = 0; i < 1000 && !locks_until(g->locks, g->policy, &ana, guard_real_us()); i++) {
		snprintf(word, sizeof(word), "guess number %d", i);
		assert_int_equal(person_try(0, "ana", "ana.t1", word), GATE_CLOSE);     /* wait, or busy with the one before */
		usleep(10000);
		g->second = 0;
		guard_tick(g);
	}
	assert_int_equal(person_try(1, "ana", "ana.t2", "correct horse"), GATE_DENY);
	guard_login_tick(g, guard_mono_us() / 1000 + PASSWORD_UNHEARD_MS);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(LOCKOUT), "5 wrong passwords: this name, from this address").entries, 1);
	assert_true(recorded(RECORDED(LOGIN), "nobody came for the answer").events >= 5);
}

static void forgive(const char *id)
{
	struct account *was = NULL, a;

	assert_int_equal(directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_USER, span_str(id), &was), OK);
	a = *was;
	a.unlocked_us = guard_real_us();
	assert_int_equal(directory_save(g->directory, &a, false), OK);
	account_free(&was);
}

static void an_administrator_forgives(void **state)
{
	(void)state;
	guess(0, "ana", "ana.t1", 5);
	assert_int_equal(person_try(0, "ana", "ana.t1", "correct horse"), GATE_DENY);
	forgive("ana");
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	guard_close(&g);
	guard_start();
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
}

/* Also a name nobody has is locked, looks the same, and is on record without the name. */
static void an_unknown_name_is_treated_alike(void **state)
{
	struct recorded r;

	(void)state;
	guess(0, "nobody", "nobody.t1", 5);
	assert_int_equal(person_try(0, "nobody", "nobody.t1", "correct horse"), GATE_DENY);
	guard_close(&g);
	r = recorded(RECORDED(LOCKOUT), "this name");
	assert_int_equal(r.entries, 1);
	assert_string_equal(r.actor, "");
}

/* One machine tries everybody: newcomers there wait, who logged in there before does not, not even after a restart. */
static void who_is_known_at_an_address_is_not_kept_out_with_it(void **state)
{
	char text[sizeof(policy_text) + 64], user[8], client[16];
	uint8_t was[16];

	(void)state;
	memcpy(was, policy_version(g->policy), sizeof(was));
	snprintf(text, sizeof(text), "%slock-out address after 6 failures in 10m for 15m\n", policy_text);
	write_file("pullcord.policy", text);
	guard_reload(g);
	assert_true(UNTIL(memcmp(was, policy_version(g->policy), sizeof(was)) != 0, guard_tick(g)));
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	for (int i = 0; i < 3; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		snprintf(client, sizeof(client), "u%d.t1", i);
		guess(1, user, client, 2);
	}
	assert_int_equal(person_try(2, "bea", "bea.t1", "battery staple"), GATE_DENY);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	guard_close(&g);
	guard_start();
	assert_int_equal(person_try(2, "bea", "bea.t1", "battery staple"), GATE_DENY);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(LOCKOUT), "6 wrong passwords: newcomers from this address").entries, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_right_password_is_not_looked_at_while_locked),
		TEST(what_was_typed_once_is_one_failure),
		TEST(a_lock_outlives_reload_and_restart),
		TEST(who_never_comes_for_the_answer_is_locked_out_too),
		TEST(an_administrator_forgives),
		TEST(an_unknown_name_is_treated_alike),
		TEST(who_is_known_at_an_address_is_not_kept_out_with_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

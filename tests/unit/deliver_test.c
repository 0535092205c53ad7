/* What is delivered without asking much, because it was asked about before, and when it is not. */
#include "guarded.h"

#define SILENT "mercy/unit/icu3/alert/low/nc-1"

static int install_with_silence(void **state)
{
	static char text[sizeof(policy_text) + 100];

	if (install(state))
		return 1;
	guard_close(&g);
	snprintf(text, sizeof(text), "%srecord off mercy/unit/+/alert/low/+\n", policy_text);
	write_file("pullcord.policy", text);
	guard_start();
	return 0;
}

static bool unseen(int at, const char *client, const char *topic)
{
	return guard_passes_unseen(g, &ctx[at], client, topic);
}

/* As the broker asks, until it need not. */
static void make_known(int at, const char *client, const char *topic)
{
	const struct publish p = { SPAN_LIT("x"), 0, false };

	assert_false(unseen(at, client, topic));
	assert_int_equal(receives(at, client, topic), GATE_ALLOW);
	assert_false(unseen(at, client, topic));
	assert_true(guard_passes(g, &ctx[at], client, topic, &p));
	assert_true(unseen(at, client, topic));
}

static void what_passes_unseen_was_asked_about_before(void **state)
{
	uint64_t before;
	char topic[] = SILENT;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
	before = g->count.receive[GATE_ALLOW];
	assert_true(unseen(1, "ana.t1", SILENT));
	assert_int_equal(g->count.receive[GATE_ALLOW], before + 1);
	assert_false(unseen(2, "ana.t2", SILENT));      /* another reader, and who only has the address of one */
	assert_false(unseen(1, "ana.t2", SILENT));
	assert_false(unseen(1, NULL, SILENT));
	assert_false(unseen(9, "ana.t1", SILENT));
	assert_true(unseen(1, "ana.t1", topic));
	topic[sizeof(topic) - 2] = '2';                 /* the same buffer, of another message */
	assert_false(unseen(1, "ana.t1", topic));
	assert_int_equal(receives(1, "ana.t1", "mercy/unit/med4/alert/low/nc-1"), GATE_DENY);
	assert_false(unseen(1, "ana.t1", SILENT));      /* another topic was looked at since */
	assert_false(unseen(1, "ana.t1", "mercy/unit/med4/alert/low/nc-1"));
	assert_int_equal(receives(1, "ana.t1", "no//topic"), GATE_DENY);
	assert_false(unseen(1, "ana.t1", "no//topic"));
	assert_int_equal(receives(2, "ana.t2", SILENT), GATE_ALLOW);
	assert_true(unseen(1, "ana.t1", SILENT));       /* and is looked at again */
}

static void what_is_on_record_does_not_pass_unseen(void **state)
{
	const struct publish p = { SPAN_LIT("x"), 0, false };

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_ALLOW);
	assert_true(guard_passes(g, &ctx[1], "ana.t1", ALERT, &p));
	assert_false(unseen(1, "ana.t1", ALERT));
	make_known(1, "ana.t1", SILENT);
	g->record_out = true;                           /* without a record only what saves lives goes on */
	assert_false(unseen(1, "ana.t1", SILENT));
}

static void nothing_passes_unseen_by_rules_of_before(void **state)
{
	static const char role[] = "role nurse\n";
	static char text[sizeof(policy_text) + 100];
	const char *nurse = strstr(policy_text, role) + strlen(role);
	struct policy_error where;
	struct policy *fresh;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
	snprintf(text, sizeof(text), "%srecord off mercy/unit/+/alert/low/+\nrole nurse2\n", policy_text);
	write_file("pullcord.policy", text);
	reload();
	make_known(1, "ana.t1", SILENT);                /* as before, and asked about anew */
	snprintf(text, sizeof(text), "%.*s  deny receive mercy/unit/+/alert/low/+\n%s", (int)(nurse - policy_text), policy_text, nurse);
	assert_int_equal(policy_load(span_str(text), &fresh, &where), OK);
	guard_put_policy(g, fresh, "another");          /* to which not every session is bound at the next tick */
	assert_false(unseen(1, "ana.t1", SILENT));
	assert_int_equal(receives(1, "ana.t1", SILENT), GATE_DENY);
	assert_false(unseen(1, "ana.t1", SILENT));
}

static void nothing_passes_unseen_to_whose_account_changed(void **state)
{
	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "med4", "correct horse");
	guard_tick(g);
	assert_false(unseen(1, "ana.t1", SILENT));
	assert_int_equal(receives(1, "ana.t1", SILENT), GATE_DENY);
	assert_false(unseen(1, "ana.t1", SILENT));
}

static void grant_until(int64_t until_us)
{
	struct span role = SPAN_LIT("nurse");
	struct attribute unit = { SPAN_LIT("unit"), SPAN_LIT("icu3") };
	struct grant grant = { .until_us = until_us };
	struct account a = { .subject = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = SPAN_LIT("mercy"), .id = SPAN_LIT("ana"),
					  .role = &role, .roles = 1, .attribute = &unit, .attributes = 1 }, .attribute_grant = &grant };

	hash_once("correct horse", a.password);
	assert_int_equal(directory_save(g->directory, &a, false), OK);
}

/* In the middle of a message's deliveries, too: the time is looked at for each. */
static void nothing_passes_unseen_by_a_grant_that_ends(void **state)
{
	const struct publish p = { SPAN_LIT("x"), 0, false };
	struct session *s;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
	grant_until(guard_real_us() + 3600 * INT64_C(1000000));
	guard_tick(g);
	s = session_of(&g->sessions, &ctx[1]);
	assert_true(s->until_us > guard_real_us() && s->until_us < INT64_MAX);
	assert_int_equal(receives(1, "ana.t1", SILENT), GATE_ALLOW);
	assert_true(guard_passes(g, &ctx[1], "ana.t1", SILENT, &p));
	assert_false(unseen(1, "ana.t1", SILENT));
	grant_until(guard_real_us() - 1);               /* not told: no tick comes between */
	s->until_us = guard_real_us();
	assert_false(guard_passes(g, &ctx[1], "ana.t1", SILENT, &p));
	assert_int_equal(receives(1, "ana.t1", SILENT), GATE_DENY);
}

static void nothing_passes_unseen_to_who_comes_by_the_same_address(void **state)
{
	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
	assert_int_equal(person_login(3, "ana", "ana.t1", "correct horse"), GATE_ALLOW);       /* takes it over */
	assert_false(unseen(3, "ana.t1", SILENT));
	make_known(3, "ana.t1", SILENT);
	guard_logoff(g, &ctx[3], 0);
	assert_int_equal(person_login(3, "bea", "bea.t1", "battery staple"), GATE_ALLOW);
	assert_false(unseen(3, "bea.t1", SILENT));
	assert_false(unseen(3, "ana.t1", SILENT));
	assert_int_equal(receives(3, "bea.t1", SILENT), GATE_DENY);
	assert_false(unseen(3, "bea.t1", SILENT));
}

/* What is open is shown to it first. */
static void nothing_passes_unseen_in_the_turn_in_which_it_subscribes(void **state)
{
	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	assert_false(unseen(1, "ana.t1", SILENT));
	assert_int_equal(receives(1, "ana.t1", SILENT), GATE_ALLOW);
	assert_false(unseen(1, "ana.t1", SILENT));
	guard_tick(g);
	make_known(1, "ana.t1", SILENT);
}

#define WITH_SILENCE(f) cmocka_unit_test_setup_teardown(f, install_with_silence, uninstall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SILENCE(what_passes_unseen_was_asked_about_before),
		WITH_SILENCE(what_is_on_record_does_not_pass_unseen),
		WITH_SILENCE(nothing_passes_unseen_by_rules_of_before),
		WITH_SILENCE(nothing_passes_unseen_to_whose_account_changed),
		WITH_SILENCE(nothing_passes_unseen_by_a_grant_that_ends),
		WITH_SILENCE(nothing_passes_unseen_to_who_comes_by_the_same_address),
		WITH_SILENCE(nothing_passes_unseen_in_the_turn_in_which_it_subscribes),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}

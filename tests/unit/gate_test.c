/* What of the gate's decisions goes on record in sums, and what in full; and whom it lets speak to the record. */
#include "recorded.h"

static const char sums_policy[] =
	"record digest mercy/unit/+/alert/high/+\n"
	"record off    mercy/unit/+/alert/code/+\n";

static int install_with_sums(void **state)
{
	char text[sizeof(policy_text) + sizeof(sums_policy)];

	if (install(state))
		return 1;
	guard_close(&g);
	snprintf(text, sizeof(text), "%s%s", policy_text, sums_policy);
	write_file("pullcord.policy", text);
	guard_start();
	return 0;
}

static void log_in(void)
{
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
}

static enum gate gets(int at, const char *client, const char *topic, const struct message *m)
{
	struct client c = client_at(at, client, NULL);

	return guard_receive(g, &c, topic, &(struct publish){ span(m->raw, m->n), 1, false });
}

/* Ten messages, two recipients: two entries, and a digest anybody can compute. */
static void telemetry_is_summed(void **state)
{
	uint8_t want[SHA256_BYTES] = { 0 };
	struct recorded r;

	(void)state;
	log_in();
	for (uint8_t i = 0; i < 10; i++) {
		struct message m = alert_from("nc-1", i, PULLCORD__V1__PHASE__PHASE_START);

		assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
		assert_int_equal(gets(1, "ana.t1", ALERT, &m), GATE_ALLOW);
		assert_int_equal(gets(2, "ana.t2", ALERT, &m), GATE_ALLOW);
		SHA256(want, span(want, sizeof(want)), span(m.id.b, ID_BYTES));
	}
	guard_close(&g);
	r = recorded(RECORDED(PUBLISH), "");
	assert_int_equal(r.entries, 1);
	assert_int_equal(r.events, 10);
	assert_string_equal(r.actor, "nc-1");
	assert_memory_equal(r.digest, want, sizeof(want));
	r = recorded(RECORDED(DELIVER), "");
	assert_int_equal(r.entries, 1);
	assert_int_equal(r.events, 10);
	assert_int_equal(r.recipients, 2);
	assert_memory_equal(r.digest, want, sizeof(want));
}

static void idle_moments_tell_no_sum_before_its_minute(void **state)
{
	struct recorded r;

	(void)state;
	log_in();
	for (uint8_t i = 0; i < 10; i++) {
		struct message m = alert_from("nc-1", i, PULLCORD__V1__PHASE__PHASE_START);

		publishes(0, "nc-1", ALERT, &m, false);
		guard_tick(g);
	}
	guard_close(&g);
	r = recorded(RECORDED(PUBLISH), "");
	assert_int_equal(r.events, 10);
	assert_in_range(r.entries, 1, 2);   /* its second may lie among them */
}

static void what_was_counted_comes_before_the_session_ends(void **state)
{
	struct message m;

	(void)state;
	log_in();
	m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	publishes(0, "nc-1", ALERT, &m, false);
	guard_logoff(g, &ctx[0], 0);
	guard_logoff(g, &ctx[0], 0);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "").entries, 1);
	assert_true(recorded(RECORDED(PUBLISH), "").index < recorded(RECORDED(LOGOFF), "").index);
}

/* Whatever `record` says. */
static void life_critical_is_recorded_in_full(void **state)
{
	static const char topic[] = "mercy/unit/icu3/alert/code/nc-1";

	(void)state;
	log_in();
	for (uint8_t i = 0; i < 3; i++) {
		struct message m = alert_of("nc-1", i, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_CODE);

		assert_int_equal(publishes(0, "nc-1", topic, &m, false), GATE_ALLOW);
		assert_int_equal(gets(1, "ana.t1", topic, &m), GATE_ALLOW);
	}
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "").entries, 3);
	assert_int_equal(recorded(RECORDED(DELIVER), "").entries, 3);
}

static void denials_are_counted(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct recorded r;

	(void)state;
	log_in();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(publishes(0, "nc-1", "mercy/unit/med4/alert/high/nc-1", &m, false), GATE_DENY);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(person_try(3, "bea", "nc-1", "battery staple"), GATE_DENY);   /* a monitor's client id */
	guard_close(&g);
	r = recorded(RECORDED(PUBLISH), "");
	assert_int_equal(r.entries, 2);
	assert_int_equal(r.events, 1000);
	r = recorded(RECORDED(TAKEOVER), "");
	assert_int_equal(r.entries, 2);
	assert_int_equal(r.events, 1000);
}

/* ---- witnesses of the record ---- */

/* Rules that are wider than they should be: the gate knows better. */
static int install_with_witnesses(void **state)
{
	static const char rules[] =
		"  allow publish   mercy/audit/+/witness/+/+\n"
		"  allow subscribe mercy/audit/+/witness/#\n", at[] = "role nursecall-device\n", at_nurse[] = "role nurse\n";
	char text[sizeof(policy_text) + 2 * sizeof(rules)], vkey[400];
	const char *device = strstr(policy_text, at) + strlen(at), *nurse = strstr(policy_text, at_nurse) + strlen(at_nurse);
	uint8_t pub[SIGN_KEY_BYTES];

	if (install(state))
		return 1;
	guard_close(&g);
	assert_true(nurse < device);
	snprintf(text, sizeof(text), "%.*s%s%.*s%s%s", (int)(nurse - policy_text), policy_text, rules, (int)(device - nurse), nurse,
		 rules, device);
	write_file("pullcord.policy", text);
	assert_int_equal(sign_public((const uint8_t[SIGN_KEY_BYTES]){ 5 }, pub), OK);
	assert_int_equal(cosigner_write(SPAN_LIT("mercy/device/nc-1"), pub, vkey, sizeof(vkey)), OK);
	write_file("witnesses", vkey);
	guard_start();
	return 0;
}

static enum gate says(int at, const char *client, const char *topic, struct span text, bool retain)
{
	struct client c = client_at(at, client, NULL);

	return guard_publish(g, &c, topic, &(struct publish){ text, 1, retain });
}

#define WITNESS(word) "mercy/audit/main/witness/nc-1/" word

static void a_witness_is_answered_and_its_cosignature_counts(void **state)
{
	uint8_t line[COSIGNATURE_LINE_MAX];
	struct put out = put(line, sizeof(line));
	struct witness_request r;

	(void)state;
	log_in();
	assert_int_equal(record_witnesses(g->record).listed, 1);
	for (int i = 0; i < 500 && !times_published(WITNESS("add"), ""); i++) {   /* before there is a checkpoint, nothing comes */
		assert_int_equal(says(0, "nc-1", WITNESS("req"), SPAN_LIT("0\n"), false), GATE_ALLOW);
		usleep(5000);
		guard_tick(g);
	}
	assert_true(times_published(WITNESS("add"), "") > 0);
	assert_true(asked.bytes < sizeof(asked.payload));
	assert_int_equal(witness_read(span(asked.payload, asked.bytes), &r), OK);
	assert_int_equal(note_cosign(r.note, SPAN_LIT("mercy/device/nc-1"), (const uint8_t[SIGN_KEY_BYTES]){ 5 }, 1770000000, &out), OK);
	assert_int_equal(says(0, "nc-1", WITNESS("cosignature"), put_span(&out), false), GATE_ALLOW);
	for (int i = 0; i < 2000 && !record_witnesses(g->record).size; i++)
		usleep(5000);
	assert_true(record_witnesses(g->record).size > 0);
}

static void a_witness_speaks_for_itself_only(void **state)
{
	static const struct span size = SPAN_LIT("0\n");
	char longest[COSIGNATURE_LINE_MAX + 1];

	(void)state;
	log_in();
	memset(longest, 'A', sizeof(longest));
	assert_int_equal(says(0, "nc-1", "mercy/audit/main/witness/nc-2/req", size, false), GATE_DENY);
	assert_int_equal(says(0, "nc-1", "mercy/audit/main/witness/nc-2/cosignature", size, false), GATE_DENY);
	assert_int_equal(says(1, "ana.t1", WITNESS("cosignature"), size, false), GATE_DENY);
	assert_int_equal(says(1, "ana.t1", "mercy/audit/main/witness/ana/cosignature", size, false), GATE_DENY);
	assert_int_equal(says(0, "nc-1", WITNESS("add"), size, false), GATE_DENY);        /* the broker's own */
	assert_int_equal(says(0, "nc-1", WITNESS("req"), size, true), GATE_DENY);
	assert_int_equal(says(0, "nc-1", WITNESS("cosignature"), span(longest, sizeof(longest)), false), GATE_DENY);
	assert_int_equal(says(0, "nc-1", WITNESS("req"), size, false), GATE_ALLOW);
}

#define SUMS(f) cmocka_unit_test_setup_teardown(f, install_with_sums, uninstall)
#define WITH_WITNESSES(f) cmocka_unit_test_setup_teardown(f, install_with_witnesses, uninstall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUMS(telemetry_is_summed),
		SUMS(idle_moments_tell_no_sum_before_its_minute),
		SUMS(what_was_counted_comes_before_the_session_ends),
		SUMS(life_critical_is_recorded_in_full),
		SUMS(denials_are_counted),
		WITH_WITNESSES(a_witness_is_answered_and_its_cosignature_counts),
		WITH_WITNESSES(a_witness_speaks_for_itself_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

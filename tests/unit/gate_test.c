/* Who may say and hear what; what of it goes on record in sums, and what in full; and whom it lets speak to the record. */
#include "recorded.h"

#include "directory_inside.h"

/* ---- may you ---- */

static void an_alert_goes_out_and_its_receipt_comes_back(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	tick_until_published("mercy/device/nc-1/stored", "");
	assert_int_equal(times_published("mercy/device/nc-1/stored", ""), 1);
}

static void what_an_envelope_claims_must_be_proved(void **state)
{
	struct message forged = alert_from("nc-2", 1, PULLCORD__V1__PHASE__PHASE_START),
		       good = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START), cut = good;

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	person_login(1, "ana", "ana.t1", "correct horse");
	cut.n--;
	assert_int_equal(publishes(0, "nc-1", ALERT, &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", ALERT, &cut, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/unit/icu3/alert/low/nc-1", &good, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/unit/icu3/alert/urgent/nc-1", &good, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/device/nc-1/state", &good, true), GATE_DENY);
	assert_int_equal(answers(1, "ana.t1", "bea", 1), GATE_DENY);
	assert_int_equal(answers(1, "ana.t1", "ana", 1), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", ALERT, &good, false), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", ALERT, &good, false), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", ALERT, &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", ALERT, &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", ALERT, &good, false), GATE_ALLOW);
}

/* Whose account is another tenant's from now on speaks no more for the one before. */
static void what_was_proved_of_a_sender_is_asked_anew_with_its_account(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct session *s;

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	s = session_of(&g->sessions, &ctx[0]);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	assert_true(s->sender.proved);
	save(PULLCORD__V1__PARTY__PARTY_DEVICE, "nc-1", "nursecall-device", "icu3", NULL);
	guard_tick(g);
	assert_false(s->sender.proved);
	strcpy(s->tenant, "grace");
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_DENY);
}

static enum gate kept;

static void broker_looks_at_what_they_subscribed_to(void)
{
	kept = subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+");
}

/* As 2.0.12 and later do of a session that stays: refused, it would be gone when they are back. */
static void whose_connection_we_end_keeps_what_they_subscribed_to(void **state)
{
	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "", "icu3", "correct horse");
	kept = GATE_CLOSE;
	while_kicked = broker_looks_at_what_they_subscribed_to;
	guard_tick(g);
	while_kicked = NULL;
	assert_int_equal(asked.kicks, 1);
	assert_int_equal(kept, GATE_ALLOW);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_DENY);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(SUBSCRIBE), "").events, 2);   /* hers */
	guard_start();
}

/* No answer is better than "not authorised": a gateway would set the alert aside for good. */
static void whose_account_cannot_be_read_is_not_called_forbidden(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	person_login(1, "ana", "ana.t1", "correct horse");
	g->directory->vault.key[0] ^= 1;              /* every value looks damaged now */
	g->policies++;                                /* and all are to be bound anew */
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_CLOSE);
	assert_int_equal(subscribes(0, "nc-1", "mercy/device/nc-1/stored"), GATE_CLOSE);
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_DENY);
	guard_tick(g);
	assert_int_equal(asked.kicks, 2);
	g->directory->vault.key[0] ^= 1;
	for (struct session *x = g->sessions.all; x; x = x->all_next) {
		assert_in_range(x->until_us, 1, guard_real_us() + 1000000);
		x->until_us = 1;                      /* a second later */
	}
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(KICK), "its account cannot be read").entries, 2);
}

static void nothing_but_state_is_retained_and_nobody_speaks_for_the_broker(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START), empty = { .n = 0 };

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, true), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/device/nc-1/state", &empty, true), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", "mercy/device/nc-1/state", &empty, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/device/nc-1/stored", &m, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "mercy/audit/main/checkpoint", &m, false), GATE_DENY);
	assert_int_equal(publishes(0, "nc-1", "$CONTROL/pullcord/v1", &m, false), GATE_DENY);
}

static void a_nurse_sees_her_unit_and_no_other(void **state)
{
	(void)state;
	person_login(0, "ana", "ana.t1", "correct horse");
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/med4/alert/+/+"), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/+/alert/+/+"), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/#"), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", "#"), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", "$SYS/#"), GATE_DENY);
	assert_int_equal(subscribes(0, "ana.t1", "$share/g/mercy/unit/icu3/alert/+/+"), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/med4/alert/high/nc-1"), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", "mercy/unit/icu3/alert/high//nc-1"), GATE_DENY);
}

static void an_end_closes_what_was_open(void **state)
{
	struct message start = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START),
		       end = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_END);

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	publishes(0, "nc-1", ALERT, &start, false);
	publishes(0, "nc-1", ALERT, &end, false);
	for (const struct kept *k = history_next(g->history, NULL); k; k = history_next(g->history, k))
		assert_memory_not_equal(k->id.b, start.id.b, ID_BYTES);
}

/* A device that lost its battery must not lose its alerts, too; nor may it have them kept for ever. */
static void a_device_whose_clock_is_a_year_off_is_heard(void **state)
{
	struct message m;
	const struct kept *k;

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	sender_off_us = 366 * 86400000000LL;
	sender_lasts_us = 600 * 1000000LL;
	m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	sender_off_us = sender_lasts_us = 0;
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	k = history_next(g->history, NULL);
	assert_non_null(k);
	assert_memory_equal(k->id.b, m.id.b, ID_BYTES);
	assert_true(k->until_us <= guard_real_us() + 600 * 1000000LL && k->until_us > guard_real_us());
	sender_off_us = -366 * 86400000000LL;
	sender_lasts_us = 600 * 1000000LL;
	m = alert_from("nc-1", 2, PULLCORD__V1__PHASE__PHASE_START);
	sender_off_us = sender_lasts_us = 0;
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	k = history_next(g->history, k);
	assert_non_null(k);
	assert_true(k->until_us > guard_real_us() + 60 * 1000000LL);   /* a year behind: not at once forgotten */
}

/* ---- what goes on record ---- */

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

/* A device that was taken over says something else of an order each time. */
static enum gate says_of_order(uint64_t counter)
{
	Pullcord__V1__CommandReceipt r = PULLCORD__V1__COMMAND_RECEIPT__INIT;
	Pullcord__V1__DeviceState state = PULLCORD__V1__DEVICE_STATE__INIT;
	uint8_t order[SHA256_BYTES] = { 1 };
	int64_t now = guard_real_us();
	struct envelope_from from = { "mercy", "nc-1", PULLCORD__V1__PARTY__PARTY_DEVICE, id_next(&ids, now / 1000), now, 0, 0 };
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));

	r.command = PULLCORD__V1__COMMAND_KIND__COMMAND_REPORT;
	r.counter = counter;
	r.order = (ProtobufCBinaryData){ sizeof(order), order };
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE;
	state.online = true;
	state.last_obeyed = &r;
	assert_int_equal(envelope_write(&from, &state.base, &b), OK);
	m.n = b.n;
	return publishes(0, "nc-1", "mercy/device/nc-1/state", &m, true);
}

static void what_a_device_says_of_orders_does_not_fill_the_record(void **state)
{
	struct recorded receipts;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	for (uint64_t i = 1; i <= 300; i++)
		assert_int_equal(says_of_order(i), GATE_ALLOW);
	guard_close(&g);
	receipts = recorded(RECORDED(RECEIPT), "");
	assert_int_equal(receipts.events, 300);
	assert_in_range(receipts.entries, TALLY_ARRIVALS_KINDS - 8, TALLY_ARRIVALS_KINDS + 2);
}

/* It comes, is refused something, and goes, again and again. */
static void a_login_loop_is_few_entries_and_all_counted(void **state)
{
	struct recorded in, out, refused;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct message m = alert_from("nc-1", (uint8_t)i, PULLCORD__V1__PHASE__PHASE_START);

		assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
		assert_int_equal(publishes(0, "nc-1", "mercy/unit/med4/alert/high/nc-1", &m, false), GATE_DENY);
		guard_logoff(g, &ctx[0], 0);
		guard_tick(g);
	}
	guard_close(&g);
	in = recorded(RECORDED(LOGIN), "");
	out = recorded(RECORDED(LOGOFF), "");
	refused = recorded(RECORDED(PUBLISH), "");
	assert_int_equal(in.events, 100);
	assert_int_equal(in.entries, TALLY_ARRIVALS_EACH + 1);
	assert_int_equal(out.events, 100);
	assert_int_equal(out.entries, TALLY_ARRIVALS_EACH + 1);
	assert_int_equal(refused.events, 100);
	assert_in_range(refused.entries, 2, TALLY_ARRIVALS_EACH + 2);
}

static void fill_record_until(enum record_disk want)
{
	uint64_t step = 512;

	while (record_disk(g->record) < want) {
		struct happening h = guard_happening(g, RECORDED(LOGOFF), true, NULL);

		h.client = SPAN_LIT("somebody");
		for (uint64_t i = 0; i < step; i++)
			assert_true(record_push(g->record, &h));
		assert_true(UNTIL(record_settled(g->record, record_ticket(g->record))));
		step = record_disk(g->record) < RECORD_DISK_LOW ? 512 : 32;
	}
	assert_int_equal(record_disk(g->record), want);
}

/* As before, but without a word of the policy; and the life-critical in full also then. */
static void near_the_end_of_its_room_the_record_sums(void **state)
{
	static const char code[] = "mercy/unit/icu3/alert/code/nc-1";
	struct recorded r;

	(void)state;
	log_in();
	fill_record_until(RECORD_DISK_SCARCE);
	for (uint8_t i = 0; i < 10; i++) {
		struct message m = alert_from("nc-1", i, PULLCORD__V1__PHASE__PHASE_START);

		assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
		assert_int_equal(gets(1, "ana.t1", ALERT, &m), GATE_ALLOW);
	}
	for (uint8_t i = 10; i < 12; i++) {
		struct message m = alert_of("nc-1", i, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_CODE);

		assert_int_equal(publishes(0, "nc-1", code, &m, false), GATE_ALLOW);
	}
	guard_close(&g);
	r = recorded(RECORDED(PUBLISH), "");
	assert_int_equal(r.entries, 3);
	assert_int_equal(r.events, 12);
	r = recorded(RECORDED(DELIVER), "");
	assert_int_equal(r.entries, 1);
	assert_int_equal(r.events, 10);
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
	for (int i = 0; i < 400; i++)
		assert_int_equal(publishes(0, "nc-1", "mercy/unit/med4/alert/high/nc-1", &m, false), GATE_DENY);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(person_try(3, "bea", "nc-1", "battery staple"), GATE_DENY);   /* a monitor's client id */
	guard_close(&g);
	r = recorded(RECORDED(PUBLISH), "");
	assert_int_equal(r.entries, 2);
	assert_int_equal(r.events, 400);
	r = recorded(RECORDED(TAKEOVER), "");
	assert_int_equal(r.entries, 2);
	assert_int_equal(r.events, 1000);
}

/* And comes back to an allowance that grows slowly; what it may say, it may say all the same. */
static void who_floods_what_they_may_not_is_ended(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	unsigned refused = 0, again = 0;

	(void)state;
	log_in();
	while (publishes(0, "nc-1", "mercy/unit/med4/alert/high/nc-1", &m, false) == GATE_DENY)
		refused++;
	assert_in_range(refused, SESSION_REFUSALS, 2 * SESSION_REFUSALS);
	guard_logoff(g, &ctx[0], 0);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	while (publishes(0, "nc-1", "mercy/unit/med4/alert/high/nc-1", &m, false) == GATE_DENY)
		again++;
	assert_true(again < SESSION_REFUSALS);
	guard_logoff(g, &ctx[0], 0);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "too many refused messages").events, 2);
}

/* Whose attempts are looked for is found, as far as it is known who that was. */
static void who_is_refused_is_named_when_it_was_proved(void **state)
{
	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "nurse", "icu3", "correct horse");
	guard_tick(g);
	assert_int_equal(device_login(0, "mercy", "nc-1", "ana.t1", NULL), GATE_DENY);
	assert_int_equal(device_login(0, "mercy", "nc-9", "nc-9", NULL), GATE_DENY);
	assert_int_equal(person_login(1, "ana", "ana.t1", "wrong horse"), GATE_DENY);
	guard_close(&g);
	assert_string_equal(recorded(RECORDED(TAKEOVER), "does not belong to this identity").actor, "nc-1");
	assert_string_equal(recorded(RECORDED(LOGIN), "not in the directory").actor, "nc-9");
	assert_string_equal(recorded(RECORDED(LOGIN), "wrong user or password").actor, "");
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

static bool last_published(const char *topic)
{
	return asked.published && strcmp(asked.topic[(asked.published - 1) % ASKED_MAX], topic) == 0;
}

static void a_witness_is_answered_and_its_cosignature_counts(void **state)
{
	uint8_t line[COSIGNATURE_LINE_MAX];
	struct put out = put(line, sizeof(line));
	struct witness_request r;

	(void)state;
	log_in();
	assert_int_equal(record_witnesses(g->record).listed, 1);
	/* Before there is a checkpoint, nothing comes; what came last is what is looked at. */
	assert_true(UNTIL(last_published(WITNESS("add")), guard_tick(g),
			  assert_int_equal(says(0, "nc-1", WITNESS("req"), SPAN_LIT("0\n"), false), GATE_ALLOW)));
	assert_true(asked.bytes < sizeof(asked.payload));
	assert_int_equal(witness_read(span(asked.payload, asked.bytes), &r), OK);
	assert_int_equal(note_cosign(r.note, SPAN_LIT("mercy/device/nc-1"), (const uint8_t[SIGN_KEY_BYTES]){ 5 }, 1770000000, &out), OK);
	assert_int_equal(says(0, "nc-1", WITNESS("cosignature"), put_span(&out), false), GATE_ALLOW);
	assert_true(UNTIL(record_witnesses(g->record).size));
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
	assert_int_equal(says(0, "nc-1", WITNESS("gossip"), span(longest, sizeof(longest)), false), GATE_ALLOW);
	assert_int_equal(says(0, "nc-1", WITNESS("gossip"), span(longest, sizeof(longest)), true), GATE_DENY);
	assert_int_equal(says(0, "nc-1", "mercy/audit/main/witness/nc-2/gossip", size, false), GATE_DENY);
	assert_int_equal(says(0, "nc-1", WITNESS("req"), size, false), GATE_ALLOW);
}

#define SUMS(f) cmocka_unit_test_setup_teardown(f, install_with_sums, uninstall)
#define WITH_WITNESSES(f) cmocka_unit_test_setup_teardown(f, install_with_witnesses, uninstall)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_alert_goes_out_and_its_receipt_comes_back),
		TEST(what_an_envelope_claims_must_be_proved),
		TEST(what_was_proved_of_a_sender_is_asked_anew_with_its_account),
		TEST(whose_connection_we_end_keeps_what_they_subscribed_to),
		TEST(whose_account_cannot_be_read_is_not_called_forbidden),
		TEST(nothing_but_state_is_retained_and_nobody_speaks_for_the_broker),
		TEST(a_nurse_sees_her_unit_and_no_other),
		TEST(an_end_closes_what_was_open),
		TEST(a_device_whose_clock_is_a_year_off_is_heard),
		SUMS(telemetry_is_summed),
		SUMS(idle_moments_tell_no_sum_before_its_minute),
		SUMS(what_was_counted_comes_before_the_session_ends),
		TEST(what_a_device_says_of_orders_does_not_fill_the_record),
		TEST(a_login_loop_is_few_entries_and_all_counted),
		TEST(near_the_end_of_its_room_the_record_sums),
		SUMS(life_critical_is_recorded_in_full),
		SUMS(denials_are_counted),
		TEST(who_floods_what_they_may_not_is_ended),
		SUMS(who_is_refused_is_named_when_it_was_proved),
		WITH_WITNESSES(a_witness_is_answered_and_its_cosignature_counts),
		WITH_WITNESSES(a_witness_speaks_for_itself_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

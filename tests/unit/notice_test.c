/* What is odd at the gate reaches operators and nobody else, once, and stands in the record. */
#include "recorded.h"

#include "faulty_disk.h"
#include "stuck_writer.h"

#define URGENT "mercy/unit/operators/alert/high/pullcord"
#define FOR_OPERATORS "mercy/unit/operators/alert/medium/pullcord"

static const char with_operators[] =
	"tenant mercy\n"
	"role nurse\n"
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"  deny  publish   mercy/unit/all/broadcast\n"
	"role nursecall-device\n"
	"  allow publish   mercy/unit/{unit}/alert/+/{device}\n"
	"role operator\n"
	"  allow subscribe mercy/unit/operators/alert/+/+\n"
	"  allow publish   mercy/unit/operators/ack/+\n"
	"role administrator\n"
	"  allow control   *\n"
	"  allow grant     role/+\n"
	"  allow grant     attribute/unit/+\n"
	"  allow grant     self\n";

static void start(void)
{
	write_file("pullcord.policy", with_operators);
	reload();
	save(PULLCORD__V1__PARTY__PARTY_USER, "root", "administrator", "office", "a root's password");
	save(PULLCORD__V1__PARTY__PARTY_USER, "op", "operator", "office", "an operator's password");
	guard_tick(g);
}

static void limit(struct anomaly_limits l)
{
	anomaly_close(&g->anomaly);
	assert_int_equal(anomaly_open(&l, &g->anomaly), OK);
}

static void a_second_goes_by(void)
{
	g->second = 0;
	guard_tick(g);
}

static int alerts(void)
{
	int n = 0;

	for (int i = 0; i < asked.published && i < ASKED_MAX; i++)
		n += !!strstr(asked.topic[i], "/alert/");
	return n;
}

/* The alert that was kept last, as every app opens it. */
static const Pullcord__V1__Alert *opened(struct envelope *e)
{
	static uint8_t room[ENVELOPE_ARENA];
	struct arena arena = { room, sizeof(room), 0 };
	const struct kept *last = NULL;

	for (const struct kept *k = NULL; (k = history_next(g->history, k));)
		last = k;
	assert_non_null(last);
	assert_true(times_published(last->text, "") > 0);
	assert_int_equal(envelope_open(span(last->payload, last->n), &last->topic, guard_real_us(), &arena, e), OK);
	assert_string_equal(e->head->sender, GUARD_SENDER);
	assert_int_equal(e->head->party, PULLCORD__V1__PARTY__PARTY_BROKER);
	assert_int_equal(e->body.alert->type, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_OPERATIONS);
	return e->body.alert;
}

static void guessed_passwords_are_one_alert_and_one_entry(void **state)
{
	char wrong[32];
	const struct kept *k;
	struct envelope e;
	struct recorded r;

	(void)state;
	start();
	for (int i = 0; i < 4; i++) {
		snprintf(wrong, sizeof(wrong), "wrong guess %d", i);
		assert_int_equal(person_login(0, "ana", "ana.t1", wrong), GATE_DENY);
	}
	for (int i = 0; i < 40; i++)            /* locked out after the fifth */
		(void)person_login(0, "ana", "ana.t1", "wrong guess 4");
	a_second_goes_by();
	assert_int_equal(alerts(), 1);
	assert_int_equal(times_published(FOR_OPERATORS, ""), 1);
	assert_string_equal(opened(&e)->code, "anomaly.guessing");
	assert_non_null(strstr(e.body.alert->text, "wrong passwords from 127.0.0.1"));
	for (int i = 0; i < 40; i++)
		(void)person_login(0, "ana", "ana.t1", "wrong guess 4");
	a_second_goes_by();
	assert_int_equal(alerts(), 1);

	/* It is kept, and shown to an operator who comes later; to no nurse. */
	k = history_next(g->history, NULL);
	assert_non_null(k);
	assert_string_equal(k->text, FOR_OPERATORS);
	assert_int_equal(subscribes(1, "bea.t1", "mercy/unit/operators/alert/+/+"), GATE_DENY);
	assert_int_equal(person_login(2, "op", "op.t1", "an operator's password"), GATE_ALLOW);
	assert_int_equal(subscribes(2, "op.t1", "mercy/unit/operators/alert/+/+"), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(times_published(FOR_OPERATORS, "op.t1"), 1);
	assert_int_equal(receives(2, "op.t1", FOR_OPERATORS), GATE_ALLOW);
	guard_close(&g);
	r = recorded(RECORDED(ANOMALY), "wrong passwords");
	assert_int_equal(r.entries, 1);
	assert_true(r.events >= 10);
	assert_string_equal(r.address, "127.0.0.1");
}

static void asking_for_other_units_is_told_and_a_stated_denial_is_not(void **state)
{
	struct envelope e;
	struct recorded r;
	char filter[64];

	(void)state;
	start();
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	for (int i = 0; i < 20; i++) {
		struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

		assert_int_equal(subscribes(0, "ana.t1", "mercy/unit/icu3/vitals/+"), GATE_DENY);      /* their own unit */
		assert_int_equal(subscribes(0, "ana.t1", "mercy/device/nc-1/state"), GATE_DENY);
		assert_int_equal(publishes(0, "ana.t1", "mercy/unit/all/broadcast", &m, false), GATE_DENY);
		(void)receives(0, "ana.t1", "mercy/unit/med4/alert/high/nc-2");                         /* not of their doing */
	}
	a_second_goes_by();
	assert_int_equal(alerts(), 0);
	for (int i = 0; i < 10; i++) {
		snprintf(filter, sizeof(filter), "mercy/%s/x%d/%s", i % 2 ? "unit" : "patient", i, i % 2 ? "alert/+/+" : "msg");
		assert_int_equal(subscribes(0, "ana.t1", filter), GATE_DENY);
	}
	a_second_goes_by();
	assert_int_equal(alerts(), 1);
	assert_string_equal(opened(&e)->code, "anomaly.outside");
	guard_close(&g);
	r = recorded(RECORDED(ANOMALY), "user ana asked 10 times");
	assert_int_equal(r.entries, 1);
	assert_string_equal(r.actor, "ana");
}

static void volume_of_a_connection_is_told(void **state)
{
	struct anomaly_limits l = anomaly_defaults();
	struct envelope e;

	(void)state;
	start();
	l.person = 50;
	limit(l);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	for (int i = 0; i < 49; i++)
		assert_int_equal(receives(0, "ana.t1", ALERT), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);       /* coming again forgives nothing */
	a_second_goes_by();
	assert_int_equal(alerts(), 0);
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_ALLOW);
	a_second_goes_by();
	assert_int_equal(alerts(), 1);
	assert_string_equal(opened(&e)->code, "anomaly.volume");
	for (int i = 0; i < 500; i++)
		(void)receives(1, "ana.t1", ALERT);
	a_second_goes_by();
	assert_int_equal(alerts(), 1);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ANOMALY), "user ana moved 50 messages").entries, 1);
}

static void command(int at, const char *client, const char *text)
{
	const int before = times_published(CONTROL_RESPONSE, client);
	struct client c = client_at(at, client, NULL);

	assert_int_equal(guard_publish(g, &c, CONTROL_TOPIC, &(struct publish){ span_str(text), 1, false }), GATE_ALLOW);
	guard_control(g, &c, span_str(text));
	assert_true(UNTIL(times_published(CONTROL_RESPONSE, client) > before, guard_tick(g)));
}

static void t25_who_gives_themselves_rights_is_told_of(void **state)
{
	struct envelope e;

	(void)state;
	start();
	assert_int_equal(person_login(0, "root", "root.t1", "a root's password"), GATE_ALLOW);
	command(0, "root.t1", "{\"commands\":[{\"command\":\"grantRole\",\"username\":\"ana\",\"rolename\":\"operator\"},"
		"{\"command\":\"revokeRole\",\"username\":\"root\",\"rolename\":\"operator\"}]}");
	a_second_goes_by();
	assert_int_equal(alerts(), 0);
	command(0, "root.t1", "{\"commands\":[{\"command\":\"grantRole\",\"username\":\"root\",\"rolename\":\"nurse\","
		"\"unit\":\"icu3\",\"reason\":\"a code on icu3\"}]}");
	a_second_goes_by();
	assert_int_equal(alerts(), 0);          /* it was for good, so it was not done */
	for (int i = 1; i <= 2; i++) {
		char text[300], until[COMMAND_TIME];

		snprintf(text, sizeof(text), "{\"commands\":[{\"command\":\"grantRole\",\"username\":\"root\",\"rolename\":\"nurse\","
			 "\"unit\":\"icu3\",\"reason\":\"a code on icu3\",\"expires\":\"%s\"}]}",
			 command_time(guard_real_us() + i * 3600 * INT64_C(1000000), until));
		command(0, "root.t1", text);
		a_second_goes_by();
		assert_int_equal(alerts(), i);  /* each time */
		assert_string_equal(opened(&e)->code, "anomaly.break-glass");
		assert_int_equal(history_number(g->history), (unsigned)i);
	}
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ANOMALY), "user root took emergency access").entries, 2);
	assert_int_equal(recorded(RECORDED(ADMIN), "emergency: a code on icu3").entries, 2);
}

static void list_witness(bool listed)
{
	const uint8_t secret[SIGN_KEY_BYTES] = { 3 };
	uint8_t pub[SIGN_KEY_BYTES];
	char vkey[400] = "";

	assert_int_equal(sign_public(secret, pub), OK);
	if (listed)
		assert_int_equal(cosigner_write(SPAN_LIT("mercy/device/nc-1"), pub, vkey, sizeof(vkey)), OK);
	write_file("witnesses", vkey);
	reload();
	assert_true(UNTIL((record_witnesses(g->record).listed > 0) == listed));
}

/* A state begins and ends, and its end takes the beginning off the shelf. */
static void silence_of_witnesses_begins_and_ends(void **state)
{
	struct anomaly_limits l = anomaly_defaults();
	struct envelope e;

	(void)state;
	start();
	l.witness = 0;                          /* whoever has not just spoken is silent for too long */
	limit(l);
	a_second_goes_by();
	assert_int_equal(alerts(), 0);          /* none is configured */
	list_witness(true);
	a_second_goes_by();
	assert_int_equal(alerts(), 1);
	assert_string_equal(opened(&e)->code, "anomaly.witness");
	assert_int_equal(e.body.alert->phase, PULLCORD__V1__PHASE__PHASE_START);
	assert_int_equal(history_number(g->history), 1);
	list_witness(false);
	a_second_goes_by();
	assert_int_equal(alerts(), 2);
	assert_int_equal(opened(&e)->phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_true(history_next(g->history, NULL)->over);
	assert_null(history_next(g->history, history_next(g->history, NULL)));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ANOMALY), "witness").entries, 2);
}

static void a_unit_of_another_name_is_told(void **state)
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .operators = "it-desk",
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	char what[1024];

	(void)state;
	guard_close(&g);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
	anomaly_break_glass(g->anomaly, SPAN_LIT("root"), guard_mono_us());
	a_second_goes_by();
	assert_int_equal(times_published("mercy/unit/it-desk/alert/medium/pullcord", ""), 1);
}

/* Whoever could would end what operators are told, in its name. */
static void nobody_else_speaks_where_the_broker_tells_operators(void **state)
{
	struct message m;

	(void)state;
	start();
	save(PULLCORD__V1__PARTY__PARTY_DEVICE, GUARD_SENDER, "nursecall-device", "operators", NULL);
	guard_tick(g);
	assert_int_equal(device_login(0, "mercy", GUARD_SENDER, GUARD_SENDER, NULL), GATE_ALLOW);
	id_init(&ids, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT(GUARD_SENDER), 1);
	m = alert_of(GUARD_SENDER, 1, PULLCORD__V1__PHASE__PHASE_END, PULLCORD__V1__PRIORITY__PRIORITY_HIGH);
	assert_int_equal(publishes(0, GUARD_SENDER, URGENT, &m, false), GATE_DENY);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "only the broker speaks on this topic").entries, 1);
}

/* ---- the record itself ---- */

/* As the broker starts: an end is told at once. */
static void start_again(size_t record_mib)
{
	struct anomaly_limits l = anomaly_defaults();
	struct guard_spec spec = { .dir = dir, .record_mib = record_mib, .history_mib = 4, .anomaly = &l,
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };
	char what[1024];

	l.calm = 0;
	guard_close(&g);
	assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), OK);
}

static void an_operator_watches(size_t record_mib)
{
	start();
	start_again(record_mib);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "op", "op.t1", "an operator's password"), GATE_ALLOW);
	assert_int_equal(subscribes(2, "op.t1", "mercy/unit/operators/alert/+/+"), GATE_ALLOW);
	guard_tick(g);
}

static bool something_happens(void)
{
	struct happening h = guard_happening(g, RECORDED(LOGIN), false, NULL);
	static char long_one[200];

	memset(long_one, 'x', sizeof(long_one));
	h.topic = h.detail = span(long_one, sizeof(long_one));  /* fewer fill it */
	return record_push(g->record, &h);
}

#define BEGUN PULLCORD__V1__PHASE__PHASE_START
#define OVER PULLCORD__V1__PHASE__PHASE_END
#define SEEN PULLCORD__V1__PHASE__PHASE_TPOINT

/* What is kept of that code is one alert, and of this phase. */
static bool stands(const char *code, Pullcord__V1__Phase phase)
{
	static uint8_t room[ENVELOPE_ARENA];
	struct arena arena = { room, sizeof(room), 0 };
	struct envelope e;
	bool is = false, found = false;

	for (const struct kept *k = NULL; (k = history_next(g->history, k));) {
		arena.used = 0;
		assert_int_equal(envelope_open(span(k->payload, k->n), &k->topic, guard_real_us(), &arena, &e), OK);
		if (strcmp(e.body.alert->code, code) != 0)
			continue;
		assert_false(found);
		found = true;
		is = e.body.alert->phase == phase;
	}
	return is;
}

/* A broker that comes back neither forgets that nobody vouched for the record, nor takes its own start for a word. */
static void witnesses_missed_before_a_restart_are_missed_after_it(void **state)
{
	struct anomaly_limits l = anomaly_defaults();

	(void)state;
	start();
	l.witness = 0;
	limit(l);
	list_witness(true);
	a_second_goes_by();
	assert_true(stands("anomaly.witness", BEGUN));
	guard_close(&g);
	start_again(8);
	a_second_goes_by();
	assert_true(stands("anomaly.witness", BEGUN));
	list_witness(false);
	a_second_goes_by();
	assert_true(stands("anomaly.witness", OVER));
}

static void one_missed_before_a_restart_is_so_until_it_is_none(void **state)
{
	(void)state;
	start();
	anomaly_witness_named(g->anomaly, SPAN_LIT("auditor.example/w1"), INT64_MAX / 2, guard_mono_us());
	a_second_goes_by();
	assert_true(stands("anomaly.witness", BEGUN));
	guard_close(&g);
	start_again(8);
	a_second_goes_by();
	assert_true(stands("anomaly.witness", BEGUN));
	assert_true(UNTIL(stands("anomaly.witness", OVER), a_second_goes_by()));
}

static void a_record_whose_disk_failed_is_told_while_it_has_stopped(void **state)
{
	(void)state;
	an_operator_watches(8);
	assert_true(UNTIL(ring_used(g->record->ring) == 0));
	disk_refuses(EIO, in_dir("record.mdb"));
	something_happens();
	assert_true(UNTIL(record_trouble(g->record)));
	a_second_goes_by();
	assert_int_equal(times_published(URGENT, ""), 1);
	assert_true(stands("anomaly.record-failed", BEGUN));
	assert_int_equal(receives(2, "op.t1", URGENT), GATE_ALLOW);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);
	a_second_goes_by();
	assert_int_equal(alerts(), 1);
	guard_close(&g);
	disk_heals();
	start_again(8);
	a_second_goes_by();
	assert_true(stands("anomaly.record-failed", OVER));
	assert_true(UNTIL(stands("anomaly.gap", SEEN), a_second_goes_by()));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ANOMALY), "the record has stopped: reading or writing failed").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "the record is written again").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "in the record: pullcord audit search --event gap").entries, 1);
}

static bool is_stuck(void)
{
	struct record_health h;

	record_health(g->record, &h);
	return h.stuck;
}

static void a_writer_that_is_stuck_and_a_queue_that_is_full_are_told(void **state)
{
	const struct client op = client_at(2, "op.t1", NULL);
	const struct publish message = { SPAN_LIT("x"), 1, false };

	(void)state;
	an_operator_watches(64);
	writer_stops();
	something_happens();
	assert_true(UNTIL(is_stuck(), something_happens(),
			  atomic_store(&g->record->alive_us, guard_mono_us() - 3000000)));
	a_second_goes_by();
	assert_true(stands("anomaly.record-stuck", BEGUN));
	assert_int_equal(alerts(), 1);
	while (something_happens())
		;
	a_second_goes_by();
	a_second_goes_by();
	assert_true(stands("anomaly.record-full", BEGUN));
	assert_int_equal(alerts(), 2);
	assert_int_equal(receives(2, "op.t1", URGENT), GATE_ALLOW);
	g->told_of_sending = true;              /* of a broker that says when it sends, the same is on record then */
	assert_int_equal(guard_receive(g, &op, URGENT, &message), GATE_ALLOW);
	guard_sent(g, &ctx[2], "op.t1", URGENT, &message);
	writer_goes_on();
	assert_true(UNTIL(record_state(g->record) == RECORD_FLOWING && stands("anomaly.record-stuck", OVER) &&
			  stands("anomaly.record-full", OVER) && stands("anomaly.gap", SEEN), a_second_goes_by()));
	assert_int_equal(alerts(), 5);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ANOMALY), "writer does nothing").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "writer goes on").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "too much waits").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "what waited for the record is written").entries, 1);
	assert_int_equal(recorded(RECORDED(DELIVER), "").entries, 2);
}

static void a_clock_that_is_set_and_room_that_runs_out_are_told(void **state)
{
	int64_t mono_us;

	(void)state;
	an_operator_watches(8);
	mono_us = guard_mono_us();
	anomaly_clock(g->anomaly, guard_real_us() - mono_us - 10000000, mono_us);      /* as it was a moment ago */
	a_second_goes_by();
	assert_true(stands("anomaly.clock", SEEN));
	while (record_disk(g->record) != RECORD_DISK_OUT) {
		int some = record_disk(g->record) == RECORD_DISK_SCARCE ? 50 : 500;     /* what waits is not to take the last room */

		while (some--)
			(void)something_happens();
		assert_true(UNTIL(ring_used(g->record->ring) == 0 || record_disk(g->record) == RECORD_DISK_OUT));
	}
	a_second_goes_by();
	assert_true(stands("anomaly.disk", BEGUN));
	assert_int_equal(times_published(URGENT, ""), 1);
	assert_int_equal(receives(2, "op.t1", URGENT), GATE_ALLOW);
	assert_int_equal(receives(0, "ana.t1", ALERT), GATE_DENY);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ANOMALY), "clock was set by +").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "below 5 %: it stops").entries, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guessed_passwords_are_one_alert_and_one_entry), TEST(asking_for_other_units_is_told_and_a_stated_denial_is_not),
		TEST(volume_of_a_connection_is_told), TEST(t25_who_gives_themselves_rights_is_told_of),
		TEST(silence_of_witnesses_begins_and_ends), TEST(a_unit_of_another_name_is_told),
		TEST(nobody_else_speaks_where_the_broker_tells_operators),
		TEST(witnesses_missed_before_a_restart_are_missed_after_it),
		TEST(one_missed_before_a_restart_is_so_until_it_is_none),
		TEST(a_record_whose_disk_failed_is_told_while_it_has_stopped),
		TEST_STUCK(a_writer_that_is_stuck_and_a_queue_that_is_full_are_told),
		TEST(a_clock_that_is_set_and_room_that_runs_out_are_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* metrics: that everything is counted once, told when it changed, and written for Prometheus. */
#include "guarded.h"

#include "metrics.h"

static struct metrics look(void)
{
	struct metrics m;

	metrics_look(g, &m);
	return m;
}

/* What was told last on a topic of ours; "": nothing. */
static char told_value[64];
static size_t told_crl;
static bool take(const char *client, const char *topic, struct span payload, int qos, bool retain)
{
	assert_true(host_publish(client, topic, payload, qos, retain));
	assert_true(retain || strncmp(topic, "mercy/broker/", 13) != 0);
	if (strcmp(topic, "mercy/broker/sessions_devices") == 0)
		assert_true(span_text(payload, told_value, sizeof(told_value)));
	if (strcmp(topic, "mercy/broker/crl_expiry_timestamp_seconds") == 0)
		told_crl = payload.n;
	return true;
}

static void tell(void)
{
	g->told.due_s = 0;
	metrics_tick(g);
}

static void each_decision_is_counted_once(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct metrics before, after;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	before = look();
	assert_int_equal(before.logins_total, 2);
	assert_int_equal(before.logins_denied_total, 0);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", "mercy/unit/med4/alert/high/nc-1", &m, false), GATE_DENY);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/med4/alert/+/+"), GATE_DENY);
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_ALLOW);
	assert_int_equal(receives(1, "ana.t1", "mercy/unit/med4/alert/high/nc-1"), GATE_DENY);
	after = look();
	assert_int_equal(after.publishes_allowed_total, 1);
	assert_int_equal(after.publishes_denied_total, 1);
	assert_int_equal(after.publishes_closed_total, 0);
	assert_int_equal(after.subscriptions_allowed_total, 1);
	assert_int_equal(after.subscriptions_denied_total, 1);
	assert_int_equal(after.deliveries_allowed_total, 1);
	assert_int_equal(after.deliveries_denied_total, 1);
	assert_int_equal(after.history_alerts, 1);
	assert_int_equal(after.bypasses_total, 0);
	assert_int_equal(receives(2, "stranger", ALERT), GATE_DENY);
	assert_int_equal(look().bypasses_total, 1);
	assert_int_equal(look().deliveries_denied_total, 2);
}

/* The short way, for most deliveries, counts as well. */
static void the_short_way_counts(void **state)
{
	const struct publish p = { .qos = 0 };

	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrecord off mercy/unit/+/alert/+/+\nrole nurse\n"
		   "  allow subscribe mercy/unit/{unit}/alert/+/+\n");
	reload();
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(receives(1, "ana.t1", ALERT), GATE_ALLOW);
	for (int i = 0; i < 10; i++)
		assert_true(guard_passes(g, &ctx[1], "ana.t1", ALERT, &p));
	assert_false(guard_passes(g, &ctx[2], "ana.t1", ALERT, &p));
	assert_int_equal(look().deliveries_allowed_total, 11);
	assert_int_equal(look().deliveries_denied_total, 0);
}

/* An alert that is open when somebody subscribes is shown at the end of that turn: one delivery, none refused. */
static void what_is_shown_a_little_later_is_no_refusal(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct client ana = client_at(1, "ana.t1", NULL);

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	assert_int_equal(guard_receive(g, &ana, ALERT, &(struct publish){ span(m.raw, m.n), 1, false }), GATE_DENY);
	assert_int_equal(look().deliveries_denied_total, 0);
	assert_int_equal(look().deliveries_allowed_total, 0);
	tick_until_published(ALERT, "ana.t1");
	assert_int_equal(look().deliveries_allowed_total, 1);
	assert_int_equal(look().deliveries_denied_total, 0);
}

static void logins_that_fail_are_told_apart(void **state)
{
	char guess[32];

	(void)state;
	assert_int_equal(person_login(1, "ana", "ana.t1", "battery staple"), GATE_DENY);
	assert_int_equal(look().logins_denied_total, 1);
	assert_int_equal(look().passwords_wrong_total, 1);
	assert_int_equal(look().lockouts_total, 0);
	assert_int_equal(device_login(0, "mercy", "nc-9", "nc-9", NULL), GATE_DENY);
	assert_int_equal(look().logins_denied_total, 2);
	assert_int_equal(look().passwords_wrong_total, 1);
	for (int i = 0; i < 30 && !look().lockouts_total; i++) {
		snprintf(guess, sizeof(guess), "battery %d", i);
		(void)person_login(1, "ana", "ana.t1", guess);
	}
	assert_int_equal(look().lockouts_total, 1);
	assert_int_equal(look().logins_total, 0);
}

static void who_is_connected_is_counted_by_kind(void **state)
{
	struct metrics m;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(2, "ana", "ana.t2", "correct horse"), GATE_ALLOW);
	m = look();
	assert_int_equal(m.sessions_devices, 1);
	assert_int_equal(m.sessions_users, 2);
	guard_logoff(g, &ctx[2], 0);
	guard_logoff(g, &ctx[0], 0);
	m = look();
	assert_int_equal(m.sessions_devices, 0);
	assert_int_equal(m.sessions_users, 1);
}

static void the_record_shows_its_numbers(void **state)
{
	struct metrics m = look();

	(void)state;
	(void)UNTIL(m.record_entries_total >= 2 && !m.record_unsigned_entries && !m.record_queue_bytes, guard_tick(g), m = look());
	assert_true(m.record_entries_total >= 2);        /* genesis and the start */
	assert_int_equal(m.record_unsigned_entries, 0);
	assert_int_equal(m.record_queue_bytes, 0);
	assert_int_equal(m.record_queue_room_bytes, 4 << 20);
	assert_int_equal(m.record_room_bytes, 8 << 20);
	assert_in_range(m.record_free_bytes, 1, m.record_room_bytes - 1);
	assert_int_equal(m.record_state, RECORD_FLOWING);
	assert_int_equal(m.record_gaps_total, 0);
	assert_in_range(m.record_checkpoint_age_seconds, 0, 60 * 1000000);
	assert_int_equal(m.history_alerts, 0);
	assert_int_equal(m.history_failing, 0);
	assert_int_equal(m.directory_failing, 0);
}

static void what_the_history_cannot_keep_or_read_is_told(void **state)
{
	CLEANUP(free_cleanup) uint8_t *long_one = calloc(1, READBACK_PAYLOAD_MAX + 1);
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct topic t;

	(void)state;
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	tick_until_published("mercy/device/nc-1/stored", "");
	assert_int_equal(look().history_unkept_total, 0);
	assert_int_equal(look().history_unreadable, 0);
	assert_int_equal(topic_parse(SPAN_LIT(ALERT), &t), OK);
	history_note(g->history, &t, &(struct id){ { 1 } }, guard_real_us(), span(long_one, READBACK_PAYLOAD_MAX + 1));
	assert_int_equal(look().history_unkept_total, 1);
	guard_close(&g);
	write_file("history.mdb-keys", "another's");
	guard_start();
	assert_int_equal(look().history_unreadable, 1);
}

static void the_first_that_ends_is_told_and_what_is_not_known_is_not(void **state)
{
	const struct freshness_file ending[] = {
		{ .file = { .kind = BROKER_CERTIFICATE }, .known = true, .ends_s = 2000 },
		{ .file = { .kind = BROKER_CA }, .known = true, .ends_s = 1000 },
		{ .file = { .kind = BROKER_CRL }, .known = true, .ends_s = INT64_MAX },
		{ .file = { .kind = BROKER_CRL }, .state = FRESHNESS_UNREADABLE },
	};

	(void)state;
	assert_int_equal(look().certificate_expiry_timestamp_seconds, METRICS_NONE);
	memcpy(g->freshness.file, ending, sizeof(ending));
	g->freshness.order.files.n = countof(ending);
	assert_int_equal(look().certificate_expiry_timestamp_seconds, 1000);
	assert_int_equal(look().crl_expiry_timestamp_seconds, METRICS_NONE);
	assert_int_equal(look().files_unreadable, 1);
	g->freshness.order.files.n = 0;
}

static void what_changed_is_told_and_nothing_else(void **state)
{
	const char *name;
	char value[32];
	size_t at = 0, n = 0;
	struct metrics m = look();

	(void)state;
	while (metrics_next(&m, &at, &name, value))
		n++;
	assert_true(n > 30);
	asked.published = 0;
	g->host.publish = take;
	tell();
	assert_int_equal(asked.published, (int)n);       /* each once */
	assert_string_equal(told_value, "0");
	asked.published = 0;
	tell();
	assert_true(asked.published < 8);                /* the clock goes on, and little else */
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	metrics_tick(g);                                 /* not yet */
	assert_string_equal(told_value, "0");
	tell();
	assert_string_equal(told_value, "1");
}

static void what_is_not_known_any_more_is_taken_back(void **state)
{
	(void)state;
	g->host.publish = take;
	g->freshness.order.files.n = 1;
	g->freshness.file[0] = (struct freshness_file){ .file = { .kind = BROKER_CRL }, .known = true, .ends_s = 4000000000 };
	tell();
	assert_int_equal(told_crl, 10);
	asked.published = 0;
	g->freshness.order.files.n = 0;
	tell();
	assert_int_equal(times_published("mercy/broker/crl_expiry_timestamp_seconds", ""), 1);
	assert_int_equal(told_crl, 0);
}

/* Nobody but the broker itself says how the broker is. */
static void nobody_else_speaks_there(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);

	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrole nursecall-device\n  allow both mercy/broker/+\n");
	reload();
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	assert_int_equal(publishes(0, "nc-1", "mercy/broker/record_state", &m, false), GATE_DENY);
	assert_int_equal(subscribes(0, "nc-1", "mercy/broker/+"), GATE_ALLOW);
}

static void prometheus_gets_a_file(void **state)
{
	static char text[METRICS_TEXT_MAX];
	FILE *f = NULL;
	size_t n;

	(void)state;
	strcpy(g->told.path, in_dir("pullcord_broker.prom"));
	tell();
	assert_true(UNTIL(control_idle(g->control)));
	assert_int_equal(control_written(g->control), OK);
	f = fopen(g->told.path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_non_null(strstr(text, "pullcord_broker_info{tenant=\"mercy\",version=\"" PULLCORD_VERSION "\"} 1\n"));
	assert_non_null(strstr(text, "# TYPE pullcord_broker_record_entries_total counter\n"));
	assert_non_null(strstr(text, "\npullcord_broker_sessions_devices 0\n"));
	assert_null(strstr(text, "crl_expiry"));         /* not known */
	strcpy(g->told.path, in_dir("no/such/folder"));
	tell();
	assert_true(UNTIL(control_idle(g->control)));
	assert_int_equal(control_written(g->control), ERR_NOT_FOUND);
	guard_tick(g);
}

static void it_always_fits(void **state)
{
	static char room[METRICS_TEXT_MAX];
	struct put b = put(room, sizeof(room));
	char tenant[WORD_BYTES_MAX + 1];
	struct metrics m;

	(void)state;
#define METRIC(type, name, scale, text) m.name = INT64_MIN + 1;
#include "metrics.def"
	memset(tenant, 'a', sizeof(tenant) - 1);
	tenant[sizeof(tenant) - 1] = '\0';
	assert_int_equal(metrics_text(&m, tenant, &b), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_decision_is_counted_once), TEST(the_short_way_counts),
		TEST(what_is_shown_a_little_later_is_no_refusal), TEST(logins_that_fail_are_told_apart),
		TEST(who_is_connected_is_counted_by_kind), TEST(the_record_shows_its_numbers),
		TEST(what_the_history_cannot_keep_or_read_is_told),
		TEST(the_first_that_ends_is_told_and_what_is_not_known_is_not), TEST(what_changed_is_told_and_nothing_else),
		TEST(what_is_not_known_any_more_is_taken_back),
		TEST(nobody_else_speaks_there), TEST(prometheus_gets_a_file), TEST(it_always_fits),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* health: what is judged ill, and that its three shapes say the same. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "health.h"
#include "value.h"

#define STUCK_MS 30000

static struct trouble none;

static struct health well(void)
{
	return (struct health){
		.device = "nc-1", .tenant = "mercy", .version = "0.1", .boot = "00ff", .broker = "broker.mercy.example",
		.real_us = 1700000000000000, .mono_ms = 5000, .online_us = 1699999999000000, .connected = 1,
		.link_seconds = 600000, .uptime_seconds = 700000, .room_messages = 100, .accepted_total = 7,
		.delivered_total = 5, .evicted_total = 3, .refused_total = 2, .folded_total = 1,
		.flush_p99_seconds = 1234, .written_bytes_total = 81920, .clock_quality = 1, .clock_offset_seconds = -250,
		.certificate_expiry_timestamp_seconds = 1700000000 + 90 * 86400,
		.tier = { [1] = { 2, 1500 }, [5] = { 4, 61000 } },
	};
}

static bool is_only(struct health h, const struct trouble *t, enum health_fault f)
{
	health_judge(&h, t, STUCK_MS);
	for (unsigned i = 0; i < HEALTH_FAULTS_END; i++)
		if (h.fault[i] != (i == f))
			return false;
	return health_condition(&h) == (f == HEALTH_FAULTS_END ? HEALTH_WELL : f < HEALTH_STUCK_END ? HEALTH_STUCK : HEALTH_DEGRADED);
}

/* Each by itself, and a step before it is none yet. */
static void each_fault_is_seen_and_not_too_early(void **state)
{
	struct health h = well();

	(void)state;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.writer_busy_seconds = STUCK_MS;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.writer_busy_seconds++;
	assert_true(is_only(h, &none, HEALTH_WRITER));
	h = well(), h.uplink_busy_seconds = HEALTH_UPLINK_TIMES * STUCK_MS;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.uplink_busy_seconds++;
	assert_true(is_only(h, &none, HEALTH_UPLINK));
	h = well(), h.connected = 0, h.link_seconds = 9999;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.link_seconds++;
	assert_true(is_only(h, &none, HEALTH_DISCONNECTED));
	h = well(), h.flaps = HEALTH_FLAPS - 1, h.link_seconds = 5000;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.flaps++;
	assert_true(is_only(h, &none, HEALTH_FLAPPING));
	h.connected = 0, h.link_seconds = HEALTH_DISCONNECTED_MS;
	assert_true(is_only(h, &none, HEALTH_DISCONNECTED));
	h = well(), h.tier[1].oldest_ms = 59999;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.tier[1].oldest_ms++;
	assert_true(is_only(h, &none, HEALTH_WAITING));
	h.link_seconds = 59999;                  /* it has only just come back, and works it off */
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h = well(), h.commit_failed = 1;
	assert_true(is_only(h, &none, HEALTH_DISK));
	h = well(), h.tier[3].n = 73;
	assert_true(is_only(h, &none, HEALTH_FAULTS_END));
	h.tier[3].n++;
	assert_true(is_only(h, &none, HEALTH_FULL));
	h = well(), h.set_aside_messages = 1;
	assert_true(is_only(h, &none, HEALTH_ASIDE));
	h = well(), h.clock_quality = 2;
	assert_true(is_only(h, &none, HEALTH_CLOCK));
}

static void what_the_staff_is_told_is_a_fault(void **state)
{
	static const enum health_fault of[TROUBLE_KINDS] = {
		[TROUBLE_REFUSING] = HEALTH_REFUSING, [TROUBLE_EVICTING] = HEALTH_EVICTING, [TROUBLE_OUTBOX] = HEALTH_REPLACED,
		[TROUBLE_CERTIFICATE] = HEALTH_CERTIFICATE, [TROUBLE_RECORD] = HEALTH_RECORD,
		[TROUBLE_RECORD_SILENT] = HEALTH_RECORD_SILENT, [TROUBLE_UNHEARD] = HEALTH_UNHEARD,
		[TROUBLE_ORDERS_UNREADABLE] = HEALTH_ORDERS_UNREADABLE, [TROUBLE_UNREADABLE] = HEALTH_UNREADABLE, [TROUBLE_DEAF] = HEALTH_DEAF,
		[TROUBLE_ORDER] = HEALTH_ORDER, [TROUBLE_QUARANTINE] = HEALTH_QUARANTINE, [TROUBLE_SOURCE] = HEALTH_SOURCE,
		[TROUBLE_INPUT] = HEALTH_INPUT,
		[TROUBLE_QUIET] = HEALTH_QUIET,
	};

	(void)state;
	for (unsigned k = 0; k < TROUBLE_KINDS; k++) {
		struct trouble t = { 0 };

		t.kind[k].on = true;
		assert_true(of[k] || k == TROUBLE_ASIDE || k == TROUBLE_CLOCK);   /* these are seen by themselves */
		assert_true(is_only(well(), &t, of[k] ? of[k] : HEALTH_FAULTS_END));
	}
}

static void what_cannot_be_told_from_a_restart_counts_most(void **state)
{
	struct health h = well();

	(void)state;
	h.commit_failed = 1;
	h.writer_busy_seconds = STUCK_MS + 1;
	health_judge(&h, &none, STUCK_MS);
	assert_int_equal(health_condition(&h), HEALTH_STUCK);
	assert_string_equal(health_condition_name(health_condition(&h)), "stuck");
}

static void the_broker_hears_it(void **state)
{
	struct health h = well();
	struct health_state s;

	(void)state;
	health_judge(&h, &none, STUCK_MS);
	health_state(&h, true, &s);
	assert_true(s.state.online);
	assert_int_equal(s.state.since_us, 1699999999000000);
	assert_int_equal(s.state.uptime_s, 700);
	assert_int_equal(s.state.queued, 6);
	assert_int_equal(s.state.oldest_s, 61);
	assert_int_equal(s.state.n_tier, 2);     /* empty ones are left out */
	assert_int_equal(s.state.tier[0]->priority, PULLCORD__V1__PRIORITY__PRIORITY_HIGH);
	assert_int_equal(s.state.tier[0]->queued, 2);
	assert_int_equal(s.state.tier[0]->oldest_s, 1);
	assert_int_equal(s.state.tier[1]->priority, PULLCORD__V1__PRIORITY__PRIORITY_NONE);
	assert_int_equal(s.state.accepted, 7);
	assert_int_equal(s.state.delivered, 5);
	assert_int_equal(s.state.evicted, 3);
	assert_int_equal(s.state.refused, 2);
	assert_int_equal(s.state.folded, 1);
	assert_int_equal(s.state.room, 100);
	assert_int_equal(s.state.flush_p99_us, 1234);
	assert_int_equal(s.state.written, 81920);
	assert_int_equal(s.state.certificate_days, 90);
	assert_int_equal(s.state.clock, PULLCORD__V1__CLOCK_QUALITY__CLOCK_GOOD);
	assert_int_equal(s.state.clock_off_ms, -250);
	h.certificate_expiry_timestamp_seconds = 1;
	health_state(&h, false, &s);
	assert_int_equal(s.state.certificate_days, 0);
	assert_false(s.state.online);
	assert_int_equal(s.state.since_us, h.real_us);
}

static char text[HEALTH_TEXT_MAX + 1];

static void metrics_of(const struct health *h)
{
	struct put b = put(text, HEALTH_TEXT_MAX);

	assert_int_equal(health_metrics(h, &b), OK);
	text[b.n] = '\0';
}

static void assert_line(const char *line)
{
	const char *at = strstr(text, line);

	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, line);
	if (!at || at[strlen(line)] != '\n')
		fail_msg("no line \"%s\" in\n%s", line, text);
}

static void prometheus_reads_it(void **state)
{
	struct health h = well();

	(void)state;
	latency_add(&h.flush, 100);
	latency_add(&h.flush, 200);
	latency_add(&h.flush, 9000000);
	h.set_aside_messages = 1;
	health_judge(&h, &none, STUCK_MS);
	metrics_of(&h);
	assert_line("pullcord_gateway_info{device=\"nc-1\",tenant=\"mercy\",version=\"0.1\","
		    "boot=\"00ff\",broker=\"broker.mercy.example\"} 1");
	assert_line("# TYPE pullcord_gateway_accepted_total counter");
	assert_line("pullcord_gateway_accepted_total 7");
	assert_line("pullcord_gateway_uptime_seconds 700.000");
	assert_line("pullcord_gateway_clock_offset_seconds -0.250");
	assert_line("pullcord_gateway_flush_p99_seconds 0.001234");
	assert_line("pullcord_gateway_written_bytes_total 81920");
	assert_line("pullcord_gateway_queued_messages{tier=\"high\"} 2");
	assert_line("pullcord_gateway_queued_messages{tier=\"code\"} 0");
	assert_line("pullcord_gateway_oldest_message_seconds{tier=\"vitals\"} 61.000");
	assert_line("pullcord_gateway_flush_seconds_bucket{le=\"0.000100\"} 1");
	assert_line("pullcord_gateway_flush_seconds_bucket{le=\"0.000250\"} 2");
	assert_line("pullcord_gateway_flush_seconds_bucket{le=\"5.000000\"} 2");
	assert_line("pullcord_gateway_flush_seconds_bucket{le=\"+Inf\"} 3");
	assert_line("pullcord_gateway_flush_seconds_sum 9.000300");
	assert_line("pullcord_gateway_flush_seconds_count 3");
	assert_line("pullcord_gateway_fault{fault=\"set-aside\"} 1");
	assert_line("pullcord_gateway_fault{fault=\"writer\"} 0");
}

/* The largest numbers and the longest names there may be. */
static void it_always_fits(void **state)
{
	static char word[250];
	struct health h = well();
	struct put b = put(text, HEALTH_TEXT_MAX);

	(void)state;
	memset(word, '"', sizeof(word) - 1);
	h.device = h.tenant = h.broker = h.version = h.boot = word;
#define METRIC(type, name, scale, text) h.name = INT64_MIN;
#include "health.def"
	memset(h.fault, 1, sizeof(h.fault));
	memset(h.tier, 0x7f, sizeof(h.tier));
	memset(&h.flush, 0x7f, sizeof(h.flush));
	metrics_of(&h);
	assert_int_equal(health_json(&h, 4194304, INT64_MAX, &b), OK);
	b = put(text, 2048);
	assert_int_equal(health_line(&h, &b), OK);
}

static void tools_read_it(void **state)
{
	CLEANUP(value_close) struct value *v = NULL;
	struct put b = put(text, HEALTH_TEXT_MAX);
	struct policy_error where;
	struct health h = well();
	const struct value *fault, *tier;

	(void)state;
	h.broker = "a \"quoted\" \\ name\t";
	h.connected = 0;
	h.set_aside_messages = 1;
	health_judge(&h, &none, STUCK_MS);
	assert_int_equal(health_json(&h, 77, 5000, &b), OK);
	assert_int_equal(value_load(put_span(&b), &v, &where), OK);
	assert_true(span_is(value_text(v, "device"), "nc-1"));
	assert_true(span_is(value_text(v, "broker"), h.broker));
	assert_true(span_is(value_text(v, "condition"), "degraded"));
	assert_int_equal(value_int(v, "pid", 0), 77);
	assert_int_equal(value_int(v, "mono_ms", 0), 5000);
	assert_int_equal(value_int(v, "every_ms", 0), 5000);
	fault = value_of(v, "faults", VALUE_ARRAY)->child;
	assert_true(span_is(value_text(fault, "fault"), "disconnected"));
	assert_true(span_is(value_text(fault->next, "fault"), "set-aside"));
	assert_null(fault->next->next);
	tier = value_of(v, "tiers", VALUE_ARRAY)->child->next;
	assert_true(span_is(value_text(tier, "tier"), "high"));
	assert_int_equal(value_int(tier, "queued", 0), 2);
	assert_int_equal(value_int(tier, "oldest_seconds", 0), 1);
	assert_int_equal(value_int(v, "accepted_total", 0), 7);
	h = well();
	b = put(text, HEALTH_TEXT_MAX);
	assert_int_equal(health_json(&h, 77, 5000, &b), OK);
	value_close(&v);
	assert_int_equal(value_load(put_span(&b), &v, &where), OK);
	assert_null(value_of(v, "faults", VALUE_ARRAY)->child);
}

static void people_read_one_line(void **state)
{
	struct health h = well();
	struct put b = put(text, HEALTH_TEXT_MAX);

	(void)state;
	assert_int_equal(health_line(&h, &b), OK);
	assert_true(span_is(put_span(&b), "well, 6 waiting"));
	h.fault[HEALTH_DISCONNECTED] = true;
	b = put(text, HEALTH_TEXT_MAX);
	assert_int_equal(health_line(&h, &b), OK);
	assert_true(span_is(put_span(&b), "degraded, 6 waiting: no broker can be reached; alerts are kept here until one can"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_seen_and_not_too_early), cmocka_unit_test(what_the_staff_is_told_is_a_fault),
		cmocka_unit_test(what_cannot_be_told_from_a_restart_counts_most), cmocka_unit_test(the_broker_hears_it),
		cmocka_unit_test(prometheus_reads_it), cmocka_unit_test(it_always_fits), cmocka_unit_test(tools_read_it),
		cmocka_unit_test(people_read_one_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "norm.h"
#include "crypt.h"
#include "key.h"
#include "nursecall.h"
#include "samples.h"
#include "seed.h"

#define RECEIVED 1795342503500000

static uint8_t memory[NORM_ARENA];
static struct arena arena = { memory, sizeof(memory), 0 };
static const struct norm_feed feed = { 0, "feed-1", RECEIVED };

/* The last message normed; `text` is what its event borrows from. */
static struct span text;
static struct event event;
static struct ack ack;

static void norm_text(struct span raw)
{
	struct hl7 m;

	ack = (struct ack){ ACK_REJECT, ACK_SEGMENT_SEQUENCE, NULL, "unread" };
	event = (struct event){ 0 };
	if (hl7_open(raw, &m) != OK)
		return;
	ack = norm_hl7(&m, &feed, &arena, &event);
	if (event.kind != EVENT_NONE)
		assert_int_equal(event_check(&event), OK);
}

static void norm_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), SAMPLE_DATA "%s.hl7", name);
	free((void *)text.p);
	text = sample_read(path);
	assert_non_null(text.p);
	norm_text(text);
}

static void assert_alert(const char *want)
{
	static const char *const types[] = { "-", "SP", "ST", "SA", "call", "ops" };
	static const char *const phases[] = { "-", "start", "point", "continue", "up", "down", "end" };
	const Pullcord__V1__Alert *a = &event.alert;
	char got[1024];

	assert_int_equal(event.kind, EVENT_ALERT);
	snprintf(got, sizeof(got), "%s %s %s %s [%s] bed %s of %s, patient %s%s", priority_name((int)a->priority),
		 types[a->type], phases[a->phase], a->code, a->text, a->bed, a->source,
		 *a->patient ? a->patient : "unknown",
		 a->test ? ", test" : "");
	assert_string_equal(got, want);
}

static void a_pcd04_alarm_becomes_an_alert(void **state)
{
	const Pullcord__V1__Alert *a = &event.alert;

	(void)state;
	norm_file("pcd04-start");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP start MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
	assert_true(span_is(event.place, "4W"));
	assert_true(span_is(event.source, "MON412B"));
	assert_string_equal(a->source_id, "g7-000040");
	assert_int_equal(a->occurred_us, 1795342495000000);
	assert_int_equal(a->first_us, RECEIVED);
	assert_int_equal(a->count, 1);
	assert_int_equal(a->n_value, 1);
	assert_string_equal(a->value[0]->name, "MDC_PULS_OXIM_SAT_O2");
	assert_string_equal(a->value[0]->value, "84");
	assert_string_equal(a->value[0]->unit, "MDC_DIM_PERCENT");
	assert_string_equal(a->value[0]->range, "90-100");
}

static void nurse_calls_are_told_by_their_words(void **state)
{
	(void)state;
	norm_file("nursecall-normal");
	assert_alert("medium call start call.normal [Patient call] bed 412-B of STATION4W, patient unknown");
	assert_string_equal(event.alert.call_back, "5-0412");
	norm_file("nursecall-bath");
	assert_alert("high call start call.bath [BATH pull cord] bed 412-B of STATION4W, patient unknown");
	norm_file("nursecall-code");
	assert_alert("code call start call.code [CODE BLUE] bed 412-B of STATION4W, patient unknown");
	norm_file("nursecall-cord");
	assert_alert("medium ST start call.cord [Call cord removed] bed 412-B of STATION4W, patient unknown");
}

static void only_whole_phrases_are_nurse_calls(void **state)
{
	static const struct { const char *text, *code; } row[] = {
		{ "Code Blue 412", "call.code" }, { "code", "call.code" }, { "MDC_EVT_CODE_BLUE", "call.code" },
		{ "Error code 17", NULL },        { "barcode blue", NULL },         { "code blueish", NULL },
		{ "Staff Emergency", "call.emergency" }, { "bed exit!", "call.exit" }, { "ECG lead cord", NULL },
		{ "BATH CALL CORD", "call.bath" }, { "Emergency call cord", "call.emergency" }, { "Call cord", "call.cord" },
		{ "Bath cord out", "call.cord" },
		{ "Normal sinus rhythm", NULL },  { "spain", NULL },                { "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		const struct nursecall *c = nursecall_named(span_str(row[i].text));

		assert_int_equal(c != NULL, row[i].code != NULL);
		if (c)
			assert_string_equal(c->code, row[i].code);
	}
	assert_non_null(nursecall_of(SPAN_LIT("call.bath")));
	assert_null(nursecall_of(SPAN_LIT("call")));
}

static void seen_1_other_facet_codes(void **state)
{
	(void)state;
	norm_file("deviation-1-codes");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP continue MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
}

static void seen_1_codes_with_a_digit_too_many_and_nothing_else(void **state)
{
	(void)state;
	norm_text(SPAN_LIT("MSH|^~\\&|A||||||ORU^R40|1|P|2.6\rOBR|1||7\rOBX|1|ST|1^MDC_EVT_X^MDC||x\r"
			   "OBX|2|ST|684810||end\rOBX|3|ST|684840||PL\rOBX|4|ST|684850||ST\r"));
	assert_int_equal(event.alert.phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_int_equal(event.alert.priority, PULLCORD__V1__PRIORITY__PRIORITY_LOW);
	assert_int_equal(event.alert.type, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL);
}

static void seen_2_other_facet_names(void **state)
{
	(void)state;
	norm_file("deviation-2-names");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP end MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
}

static void seen_3_a_column_is_missing(void **state)
{
	(void)state;
	norm_file("deviation-3-column");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP start MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
	assert_int_equal(event.alert.occurred_us, 1795342495000000);
}

static void seen_4_a_priority_nobody_understands_counts_as_high(void **state)
{
	(void)state;
	norm_file("deviation-4-priority");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP start MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
}

static void seen_5_facets_out_of_order_and_missing(void **state)
{
	(void)state;
	norm_file("deviation-5-order");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP start MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
}

static void seen_6_blanks_and_signs_in_texts(void **state)
{
	(void)state;
	norm_file("deviation-6-blanks");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP start MDC_EVT_LO [SpO2 < 90 > alarm #3 84 % (90-100)] bed 412-B of MON412B, "
		     "patient 900017");
}

static void seen_7_a_truncated_alarm_reaches_a_person(void **state)
{
	(void)state;
	norm_file("deviation-7-truncated");
	assert_int_equal(ack.code, ACK_ERROR);
	assert_int_equal(ack.error, ACK_DATA_TYPE);
	assert_alert("high ST point pullcord.unreadable [Unreadable alarm from MON412B: SpO2 low 84 % (90-100)] "
		     "bed 412-B of MON412B, patient 900017");
	norm_file("unreadable");
	assert_int_equal(ack.code, ACK_ERROR);
	assert_alert("high ST point pullcord.unreadable [Unreadable alarm from GW7] bed 412-B of GW7, patient unknown");
}

static void an_alarm_without_version_or_processing_id_is_taken(void **state)
{
	char raw[4096];
	char *at;

	(void)state;
	norm_file("pcd04-start");
	snprintf(raw, sizeof(raw), "%s", (const char *)text.p);
	at = strstr(raw, "|P|2.6|");
	memmove(at + 3, at + 7, strlen(at + 7) + 1);
	memcpy(at, "|||", 3);
	norm_text(span_str(raw));
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high SP start MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017");
}

static void the_key_holds_from_start_to_end_whatever_obr29_looks_like(void **state)
{
	static const char *const story[] = { "pcd04-continue", "pcd04-escalate", "pcd04-end" };
	static const int phase[] = { PULLCORD__V1__PHASE__PHASE_CONTINUE, PULLCORD__V1__PHASE__PHASE_ESCALATE,
				     PULLCORD__V1__PHASE__PHASE_END };
	uint8_t key[KEY_BYTES];

	(void)state;
	norm_file("pcd04-start");
	memcpy(key, event.alert.key.data, sizeof(key));
	for (size_t i = 0; i < countof(story); i++) {
		norm_file(story[i]);
		assert_memory_equal(event.alert.key.data, key, sizeof(key));
		assert_int_equal(event.alert.phase, phase[i]);
	}
	norm_file("nursecall-normal");
	assert_memory_not_equal(event.alert.key.data, key, sizeof(key));
}

static void the_same_number_of_another_device_is_another_alert(void **state)
{
	static const char *const change[] = { "GW7&02", "|GW7^02", "|WESTWING|" };
	uint8_t key[KEY_BYTES];

	(void)state;
	norm_file("pcd04-continue");
	memcpy(key, event.alert.key.data, sizeof(key));
	for (size_t i = 0; i < countof(change); i++) {
		char raw[4096];

		snprintf(raw, sizeof(raw), "%s", (const char *)text.p);
		strstr(raw, change[i])[2] = 'X';
		norm_text(span_str(raw));
		assert_memory_not_equal(event.alert.key.data, key, sizeof(key));
	}
}

/* A station that gives no ids: its calls must not become one. */
static void calls_without_any_id_are_told_apart_by_what_they_say(void **state)
{
	static const char *const what[] = { "Patient call", "Code Blue", "Patient call" };
	uint8_t key[countof(what)][KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < countof(what); i++) {
		char raw[256];

		snprintf(raw, sizeof(raw), "MSH|^~\\&|NC||||||ORU^R40|%zu|P|2.6\rPV1||I|4W^412^B\rOBR|1\r"
			 "OBX|1|ST|196616^MDC_EVT_ALARM^MDC|1.0.0.0.1|%s\r", i, what[i]);
		norm_text(span_str(raw));
		memcpy(key[i], event.alert.key.data, KEY_BYTES);
	}
	assert_memory_not_equal(key[0], key[1], KEY_BYTES);
	assert_memory_equal(key[0], key[2], KEY_BYTES);
}

static void message_ids_are_scoped_by_their_application(void **state)
{
	char raw[4096], id[NORM_WORD_MAX + 1];

	(void)state;
	norm_file("pcd04-start");
	assert_true(span_text(event.source_id, id, sizeof(id)));
	assert_string_equal(strchr(id, ':'), ":g7-000040");
	snprintf(raw, sizeof(raw), "%s", (const char *)text.p);
	strstr(raw, "WESTWING")[0] = 'E';
	norm_text(span_str(raw));
	assert_false(span_is(event.source_id, id));
}

static void demonstrations_and_tests_are_marked(void **state)
{
	/* What an id we do not know means, nobody knows: the answer is no, but whoever reads it must take it for real. */
	static const struct { const char *processing; bool test; enum ack_code code; } row[] = {
		{ "|P|", false, ACK_ACCEPT }, { "|D|", true, ACK_ACCEPT }, { "|T|", true, ACK_ACCEPT },
		{ "|X|", false, ACK_REJECT }, { "|p|", false, ACK_REJECT },
	};

	(void)state;
	norm_file("demo");
	assert_alert("high SP start MDC_EVT_LO [SpO2 low 84 % (90-100)] bed 412-B of MON412B, patient 900017, test");
	norm_file("pcd04-start");
	for (size_t i = 0; i < countof(row); i++) {
		char raw[4096];

		snprintf(raw, sizeof(raw), "%s", (const char *)text.p);
		memcpy(strstr(raw, "|P|"), row[i].processing, 3);
		norm_text(span_str(raw));
		assert_int_equal(ack.code, row[i].code);
		assert_int_equal(event.kind, EVENT_ALERT);
		assert_int_equal(event.alert.test, row[i].test);
	}
}

static void priority_and_type_among_the_flags_yield_to_the_facets(void **state)
{
	static const char head[] = "MSH|^~\\&|A|||||" "|ORU^R40|1|P|2.6\rOBR|1||7\r";
	static const struct { const char *obx; int priority, type; } row[] = {
		{ "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x|||L~PM~ST\r", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM,
		  PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL },
		{ "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x|||L~PM~ST\r"
		  "OBX|2|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.1.1.6|PL\r"
		  "OBX|3|ST|68485^MDC_ATTR_ALERT_TYPE^MDC|1.1.1.1.7|SA\r",
		  PULLCORD__V1__PRIORITY__PRIORITY_LOW, PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_ADVISORY },
		{ "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x|||ST\r", PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM,
		  PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_TECHNICAL },
		{ "OBX|1|ST|196670^MDC_EVT_LO^MDC||x\r", PULLCORD__V1__PRIORITY__PRIORITY_HIGH,
		  PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char raw[1024];

		snprintf(raw, sizeof(raw), "%s%s", head, row[i].obx);
		norm_text(span_str(raw));
		assert_int_equal(event.alert.priority, row[i].priority);
		assert_int_equal(event.alert.type, row[i].type);
		assert_int_equal(event.alert.phase, PULLCORD__V1__PHASE__PHASE_START);
	}
}

static void a_latched_alarm_is_not_over(void **state)
{
	char raw[4096];

	(void)state;
	norm_file("pcd04-end");
	assert_int_equal(event.alert.phase, PULLCORD__V1__PHASE__PHASE_END);
	snprintf(raw, sizeof(raw), "%s", (const char *)text.p);
	memcpy(strstr(raw, "inactive"), "latched ", 8);
	norm_text(span_str(raw));
	assert_int_equal(event.alert.phase, PULLCORD__V1__PHASE__PHASE_CONTINUE);
}

static void a_line_is_made_of_names_when_there_is_no_text(void **state)
{
	static const char head[] = "MSH|^~\\&|A|||||" "|ORU^R40|1|P|2.6\rOBR|1||7\r";
	static const struct { const char *obx, *line; } row[] = {
		{ "OBX|1||196670^MDC_EVT_LO^MDC|1.1.1.1.1|\rOBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|38|"
		  "264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120\r", "Heart rate low 38 /min (50-120)" },
		{ "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196680^MDC_EVT_LEAD_OFF^MDC\r", "lead off" },
		{ "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|1^MDC_EVT_X^MDC^^^^^^Elektrode ab\r", "Elektrode ab" },
		{ "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|1^MDC_EVT_PUMP_STALL^MDC\r", "PUMP_STALL" },
		{ "OBX|1|ST|1^MDC_EVT_X^MDC|1.1.1.1.1|HR 38 low\rOBX|2|NM|1^MDC_Y^MDC|1.1.1.1.2|38\r", "HR 38 low" },
		{ "OBX|1|ST|1^MDC_EVT_X^MDC|1.1.1.1.1|a \\T\\ b\r", "a & b" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char raw[1024];

		snprintf(raw, sizeof(raw), "%s%s", head, row[i].obx);
		norm_text(span_str(raw));
		assert_string_equal(event.alert.text, row[i].line);
	}
}

static void vitals_become_observations(void **state)
{
	const Pullcord__V1__Observations *o = &event.observations;

	(void)state;
	norm_file("vitals");
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_int_equal(event.kind, EVENT_OBSERVATIONS);
	assert_string_equal(o->bed, "412-B");
	assert_string_equal(o->patient, "900017");
	assert_int_equal(o->taken_us, 1795342500000000);
	assert_int_equal(o->n_value, 4);
	assert_string_equal(o->value[0]->value, "72");
	assert_int_equal(o->value[0]->at_us, 1795342500000000);
	assert_int_equal(o->value[1]->at_us, 1795342498000000);
	assert_string_equal(o->value[3]->value, "Patient asleep & stable");
}

static char *many_values(unsigned n, unsigned bytes)
{
	char *raw = malloc(4096 + (size_t)n * (bytes + 64)), *at = raw;

	at += sprintf(at, "MSH|^~\\&|A|||||" "|ORU^R01|1|P|2.6\rOBR|1||7\r");
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "OBX|%u|ST|%u^X^L||%0*u\r", i, i, (int)bytes, i);
	return raw;
}

static void too_many_values_are_refused_not_cut(void **state)
{
	static const struct { unsigned n, bytes; enum ack_code want; } row[] = {
		{ 256, 8, ACK_ACCEPT }, { 257, 8, ACK_ERROR }, { 256, 200, ACK_ACCEPT }, { 256, 300, ACK_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char *raw = many_values(row[i].n, row[i].bytes);

		norm_text(span_str(raw));
		assert_int_equal(ack.code, row[i].want);
		assert_int_equal(event.kind, row[i].want == ACK_ACCEPT ? EVENT_OBSERVATIONS : EVENT_NONE);
		free(raw);
	}
}

#define ALARM(id) "MSH|^~\\&|A||||||ORU^R40|" id "|P|2.6\r"
#define VITALS(id) "MSH|^~\\&|A||||||ORU^R01|" id "|P|2.6\r"
#define LOW(obr) "OBR|" obr "||7" obr "\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|SpO2 low\r"
#define PULSE "OBR|1||7\rOBX|1|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC||72\r"

/* The second would be passed over with a yes, or its values told of the first one's patient. */
static void what_holds_more_than_one_is_refused_not_mixed(void **state)
{
	static const char told[] = "Unreadable alarm from A: SpO2 low";
	static const struct { const char *raw, *told; } row[] = {
		{ ALARM("1") LOW("1") ALARM("2") LOW("1"), told },
		{ ALARM("1") LOW("1") LOW("2"), told },
		{ ALARM("1") "PV1||I|4W^1\r" LOW("1") "PV1||I|4W^2\r" LOW("2"), told },
		{ VITALS("1") PULSE ALARM("2") LOW("1"), told },
		{ "MSH|^~\\&|A||||||ADT^A01|1|P|2.6\r" ALARM("2") LOW("1"), told },
		{ VITALS("1") PULSE VITALS("2") PULSE, NULL },
		{ VITALS("1") "PID|1||77\r" PULSE "PID|2||78\r" PULSE, NULL },
		{ VITALS("1") "PV1||I|4W^1\r" PULSE "PV1||I|4W^2\r" PULSE, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		norm_text(span_str(row[i].raw));
		assert_int_equal(ack.code, ACK_ERROR);
		assert_int_equal(ack.error, ACK_SEGMENT_SEQUENCE);
		assert_int_equal(event.kind, row[i].told ? EVENT_ALERT : EVENT_NONE);
		if (row[i].told)
			assert_string_equal(event.alert.text, row[i].told);
	}
}

static void groups_that_belong_together_are_one(void **state)
{
	(void)state;
	norm_text(SPAN_LIT(ALARM("1") "PID|||77\rPV1||I|4W^1\r" LOW("1") "PID|||77\rPV1||I|4W^1\r"
			   "OBR|2||8|69121^MDC_OBS_WAVE_CTS^MDC\rOBX|2|NA|150452^MDC_PULS_OXIM_PLETH^MDC|1.1.1.1.1|1^2^3\r"));
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_alert("high - start MDC_EVT_LO [SpO2 low] bed 1 of A, patient 77");
	norm_text(SPAN_LIT(VITALS("1") "PID|||77\r" PULSE "PID|||77\r" PULSE));
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_int_equal(event.observations.n_value, 2);
}

static void what_begins_is_not_over_whatever_its_state(void **state)
{
	static const struct { const char *phase, *state; int is; } row[] = {
		{ "start", "active", PULLCORD__V1__PHASE__PHASE_START }, { "start", "inactive", PULLCORD__V1__PHASE__PHASE_START },
		{ "escalate", "inactive", PULLCORD__V1__PHASE__PHASE_ESCALATE }, { "tpoint", "inactive", PULLCORD__V1__PHASE__PHASE_TPOINT },
		{ "continue", "inactive", PULLCORD__V1__PHASE__PHASE_END }, { "", "inactive", PULLCORD__V1__PHASE__PHASE_END },
		{ "present", "inactive", PULLCORD__V1__PHASE__PHASE_END }, { "end", "", PULLCORD__V1__PHASE__PHASE_END },
		{ "?", "", PULLCORD__V1__PHASE__PHASE_START },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char raw[512];

		snprintf(raw, sizeof(raw), ALARM("1") LOW("1") "OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC||%s\r"
			 "OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC||%s\r", row[i].phase, row[i].state);
		norm_text(span_str(raw));
		assert_int_equal(event.alert.phase, row[i].is);
	}
}

static void what_is_not_for_us_is_refused_with_a_code(void **state)
{
	static const struct { const char *type, *rest; enum ack_error want; } row[] = {
		{ "ADT^A01", "1|P|2.6", ACK_MESSAGE_TYPE }, { "", "1|P|2.6", ACK_MESSAGE_TYPE },
		{ "ORU^R42", "1|P|2.6", ACK_EVENT },        { "ORU", "1|P|2.6", ACK_EVENT },
		{ "ORU^R01", "1|X|2.6", ACK_PROCESSING_ID }, { "ORU^R01", "1|P|3.0", ACK_VERSION_ID },
		{ "ORU^R01", "1|P|2.x", ACK_VERSION_ID },   { "ORU^R01", "|P|2.6", ACK_FIELD_MISSING },
		{ "ORU^^ORU_R01", "1|P|2.6", ACK_NO_ERROR }, { "ORU^R01", "1|T^I|2.3.1", ACK_NO_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char raw[256];

		snprintf(raw, sizeof(raw), "MSH|^~\\&|A||||||%s|%s\r", row[i].type, row[i].rest);
		norm_text(span_str(raw));
		assert_int_equal(ack.error, row[i].want);
		assert_int_equal(ack.code == ACK_ACCEPT, row[i].want == ACK_NO_ERROR);
		assert_int_equal(event.kind != EVENT_NONE, row[i].want == ACK_NO_ERROR);
	}
	norm_file("refused-adt");
	assert_int_equal(ack.error, ACK_MESSAGE_TYPE);
}

static void a_refused_alarm_still_reaches_a_person(void **state)
{
	static const struct { const char *from, *to; enum ack_error want; } row[] = {
		{ "|P|2.6|", "|P|3.0|", ACK_VERSION_ID },
		{ "|P|2.6|", "|Z|2.6|", ACK_PROCESSING_ID },
		{ "|g7-000040|", "|         |", ACK_FIELD_MISSING },
		{ "|ORU^R40^ORU_R40|", "|               |", ACK_MESSAGE_TYPE },
		{ "|ORU^R40^ORU_R40|", "|ORU            |", ACK_EVENT },
	};

	(void)state;
	norm_file("pcd04-start");
	for (size_t i = 0; i < countof(row); i++) {
		char raw[4096];

		snprintf(raw, sizeof(raw), "%s", (const char *)text.p);
		memcpy(strstr(raw, row[i].from), row[i].to, strlen(row[i].to));
		norm_text(span_str(raw));
		assert_int_equal(ack.code, ACK_REJECT);
		assert_int_equal(ack.error, row[i].want);
		assert_string_equal(event.alert.text, "Unreadable alarm from MON412B: SpO2 low 84 % (90-100)");
		assert_true(event.source_id.n > 0);
	}
}

static void long_texts_are_cut_at_a_character(void **state)
{
	char raw[8192], *at = raw;

	(void)state;
	at += sprintf(at, "MSH|^~\\&|A|||||" "|ORU^R40|1|P|2.6||||||UNICODE UTF-8\rPV1||I|W^");
	for (int i = 0; i < 300; i++)
		at += sprintf(at, "€");
	at += sprintf(at, "^B\rOBR|1||7\rOBX|1|ST|1^MDC_EVT_X^MDC|1.1.1.1.1|");
	for (int i = 0; i < 400; i++)
		at += sprintf(at, "ß€");
	sprintf(at, "\r");
	norm_text(span_str(raw));
	assert_int_equal(ack.code, ACK_ACCEPT);
	assert_in_range(strlen(event.alert.text), NORM_TEXT_MAX - 3, NORM_TEXT_MAX);
	assert_in_range(strlen(event.alert.bed), NORM_WORD_MAX - 3, NORM_WORD_MAX);
}

/* Samples with bytes changed, dropped and doubled: whatever comes out could be sent. */
static void broken_messages_give_events_that_can_be_sent(void **state)
{
	static const char *const name[] = { "pcd04-start", "nursecall-code", "vitals", "deviation-1-codes" };
	static const char spice[] = "|^~\\&\r\n\0\xff\xc3.0";

	(void)state;
	for (int round = 0; round < 4000; round++) {
		uint8_t raw[8192];
		size_t n;

		if (round % 1000 == 0)
			norm_file(name[round / 1000]);
		n = text.n;
		memcpy(raw, text.p, n);
		for (uint64_t k = 1 + seed_below(8); k; k--) {
			size_t at = 8 + seed_below(n - 8);

			if (seed_below(4) == 0)
				n = at + 1;
			raw[at] = (uint8_t)spice[seed_below(sizeof(spice) - 1)];
		}
		norm_text(span(raw, n));
	}
}

static unsigned parsed;

static void each_real(const char *path, struct span raw)
{
	(void)path;
	norm_text(raw);
	assert_true(ack.code == ACK_ACCEPT || ack.error != ACK_NO_ERROR);
	assert_true(ack.code != ACK_ACCEPT || event.kind != EVENT_NONE);
	parsed++;
}

static void real_messages_are_taken_or_refused_with_a_code(void **state)
{
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/hl7v2", samples_shared());
	if (samples_each(path, each_real) == 0)
		skip();
	assert_true(parsed >= 760);
}

static int set_up(void **state)
{
	(void)state;
	return crypt_init() == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free((void *)text.p);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pcd04_alarm_becomes_an_alert),
		cmocka_unit_test(nurse_calls_are_told_by_their_words),
		cmocka_unit_test(only_whole_phrases_are_nurse_calls),
		cmocka_unit_test(seen_1_other_facet_codes),
		cmocka_unit_test(seen_1_codes_with_a_digit_too_many_and_nothing_else),
		cmocka_unit_test(seen_2_other_facet_names),
		cmocka_unit_test(seen_3_a_column_is_missing),
		cmocka_unit_test(seen_4_a_priority_nobody_understands_counts_as_high),
		cmocka_unit_test(seen_5_facets_out_of_order_and_missing),
		cmocka_unit_test(seen_6_blanks_and_signs_in_texts),
		cmocka_unit_test(seen_7_a_truncated_alarm_reaches_a_person),
		cmocka_unit_test(an_alarm_without_version_or_processing_id_is_taken),
		cmocka_unit_test(the_key_holds_from_start_to_end_whatever_obr29_looks_like),
		cmocka_unit_test(the_same_number_of_another_device_is_another_alert),
		cmocka_unit_test(calls_without_any_id_are_told_apart_by_what_they_say),
		cmocka_unit_test(message_ids_are_scoped_by_their_application),
		cmocka_unit_test(demonstrations_and_tests_are_marked),
		cmocka_unit_test(priority_and_type_among_the_flags_yield_to_the_facets),
		cmocka_unit_test(a_latched_alarm_is_not_over),
		cmocka_unit_test(a_line_is_made_of_names_when_there_is_no_text),
		cmocka_unit_test(vitals_become_observations),
		cmocka_unit_test(too_many_values_are_refused_not_cut),
		cmocka_unit_test(what_holds_more_than_one_is_refused_not_mixed),
		cmocka_unit_test(groups_that_belong_together_are_one),
		cmocka_unit_test(what_begins_is_not_over_whatever_its_state),
		cmocka_unit_test(what_is_not_for_us_is_refused_with_a_code),
		cmocka_unit_test(a_refused_alarm_still_reaches_a_person),
		cmocka_unit_test(long_texts_are_cut_at_a_character),
		cmocka_unit_test(broken_messages_give_events_that_can_be_sent),
		cmocka_unit_test(real_messages_are_taken_or_refused_with_a_code),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

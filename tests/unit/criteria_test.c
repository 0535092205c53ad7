/* criteria: times and topics as people write them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "criteria.h"
#include "report.h"

static void times_are_read(void **state)
{
	static const struct { const char *text; int64_t us; } good[] = {
		{ "2026-01-01", 1767225600000000 },
		{ "2026-01-01T00:00:00Z", 1767225600000000 },
		{ "2026-01-01T00:00:00.25Z", 1767225600250000 },
		{ "2026-01-01T00:00:00.1234567Z", 1767225600123456 },
		{ "1970-01-01", 0 },
		{ "2024-02-29", 1709164800000000 },
	};
	static const char *const bad[] = {
		"", "2026", "2026-1-1", "2026-13-01", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00",
		"2026-01-01T00:00:00Zx", "2026-01-01x", " 2026-01-01", "yesterday",
		"2026-02-31", "2026-02-29T00:00:00Z", "2026-04-31",
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(criteria_time(good[i].text, &us), OK);
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < countof(bad); i++)
		if (criteria_time(bad[i], &us) == OK)
			fail_msg("\"%s\" is no time", bad[i]);
}

static void a_topic_is_met_by_filters_and_by_itself(void **state)
{
	static const struct { const char *asked, *entry; bool met; } row[] = {
		{ "mercy/unit/+/alert/#", "mercy/unit/icu3/alert/high/nc-1", true },
		{ "mercy/unit/+/alert/#", "mercy/unit/icu3/ack/nc-1", false },
		{ "mercy/unit/icu3/alert/high/nc-1", "mercy/unit/icu3/alert/+/+", true },    /* a subscription */
		{ "mercy/unit/icu3/alert/high/nc-1", "mercy/unit/med4/alert/+/+", false },
		{ "not a topic", "not a topic", true },
		{ "not a topic", "mercy/user/ana/inbox", false },
		{ "mercy/#", "not a topic", false },
	};
	const struct opt_page page = { .command = "test" };

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct criteria c = { .topic = row[i].asked };

		assert_int_equal(criteria_read(&c, &page), OPT_RUN);
		if (criteria_topic(&c, span_str(row[i].entry)) != row[i].met)
			fail_msg("%s and %s", row[i].asked, row[i].entry);
	}
}

/* What the record has instead of the id is found by the id, and by nobody else's. */
static void a_patient_is_found_in_a_topic_by_their_id(void **state)
{
	static const struct { const char *asked, *before, *whom, *after; bool met; } row[] = {
		{ "mercy/patient/p1/msg", "mercy/patient/", "p1", "/msg", true },
		{ "mercy/patient/p1/#", "mercy/patient/", "p1", "/receipt", true },
		{ "mercy/patient/p1/msg", "mercy/patient/", "p1", "/#", true },
		{ "mercy/patient/+/msg", "mercy/patient/", "p1", "/msg", true },
		{ "mercy/#", "mercy/patient/", "p1", "/msg", true },
		{ "mercy/unit/icu3/#", "mercy/+/", "icu3", "/#", true },
		{ "mercy/patient/p 1/msg", "mercy/patient/", "p 1", "/msg", true },
		{ "$share/g/mercy/patient/p1/#", "$share/g/mercy/patient/", "p1", "/#", true },
		{ "mercy/patient/p2/msg", "mercy/patient/", "p1", "/msg", false },
		{ "mercy/patient/p1/msg", "lake/patient/", "p1", "/msg", false },
		{ "mercy/patient/p1/msg", "mercy/patient/", "p1", "/receipt", false },
		{ "mercy/patient/p 1/msg", "mercy/patient/", "p 1", "/msgs", false },
		{ "mercy/patient/-/msg", "mercy/patient/", "p1", "/msg", false },
	};
	static const struct patients patients[] = { { .key = { { 6 } }, .keys = 1 }, { .key = { { 7 } }, .keys = 1 } };  /* of two years */
	const struct opt_page page = { .command = "test" };
	char topic[200], word[PATIENT_WORD];

	(void)state;
	assert_int_equal(crypt_init(), OK);
	for (size_t i = 0; i < countof(row); i++) {
		struct criteria c = { .topic = row[i].asked };

		snprintf(topic, sizeof(topic), "%s%s%s", row[i].before,
			 patient_word(&patients[i % 2], span_str(row[i].whom), word), row[i].after);
		assert_int_equal(criteria_read(&c, &page), OPT_RUN);
		criteria_bind(&c, patients, countof(patients));
		if (criteria_topic(&c, span_str(topic)) != row[i].met)
			fail_msg("%s and %s", row[i].asked, topic);
	}
}

static bool matches(struct criteria *c, const struct patients *p, const Pullcord__V1__AuditEvent *e)
{
	assert_int_equal(criteria_read(c, &(struct opt_page){ .command = "test" }), OPT_RUN);
	criteria_bind(c, p, 1);
	return criteria_match(c, e);
}

/* What is nobody's is found by what stands for it. */
static void who_proved_nothing_is_found_by_what_they_said(void **state)
{
	static const struct patients patients = { .key = { { 6 } }, .keys = 1 };
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
	struct criteria client = { .client = "MRN-1" }, claimed = { .claimed = "MRN-1" }, other = { .client = "MRN-2" };
	char word[PATIENT_WORD];

	(void)state;
	e.client = e.claimed = (char *)(uintptr_t)patient_word(&patients, SPAN_LIT("MRN-1"), word);
	assert_true(matches(&client, &patients, &e) && matches(&claimed, &patients, &e));
	assert_false(matches(&other, &patients, &e));
	e.client = e.claimed = (char *)(uintptr_t)"MRN-1";
	assert_true(matches(&client, &patients, &e) && matches(&claimed, &patients, &e));
}

/* That somebody looked for them is on record, and whom they looked for is not in its text. */
static void a_patient_is_not_written_down(void **state)
{
	const struct opt_page page = { .command = "test" };
	struct criteria c = { .topic = "mercy/patient/p1/msg", .user = "ana" }, d = { .patient = "p1" };
	char text[200], whom[AUDITED_PATIENT_MAX + 1];
	struct put out = put(text, sizeof(text));

	(void)state;
	assert_int_equal(criteria_read(&c, &page), OPT_RUN);
	criteria_write(&c, &out);
	assert_true(span_is(put_span(&out), " --user ana"));
	assert_string_equal(criteria_patient(&c, whom), "p1");
	assert_int_equal(criteria_read(&d, &page), OPT_RUN);
	assert_string_equal(criteria_patient(&d, whom), "p1");
}

/* The record keeps as much of them as it has room for. */
static void what_was_recorded_cut_is_found(void **state)
{
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
	const struct opt_page page = { .command = "test" };
	char client[AUDITED_CLIENT_MAX + 8], topic[AUDITED_TOPIC_MAX + 8], client_kept[sizeof(client)], topic_kept[sizeof(topic)];
	struct criteria c = { .client = client, .topic = topic };

	(void)state;
	memset(client, 'c', sizeof(client) - 1);
	memset(topic, 't', sizeof(topic) - 1);
	memcpy(client + AUDITED_CLIENT_MAX - 1, "\xc3\xa9", 2);         /* the last character does not fit */
	client[sizeof(client) - 1] = topic[sizeof(topic) - 1] = '\0';
	snprintf(client_kept, sizeof(client_kept), "%.*s", AUDITED_CLIENT_MAX - 1, client);
	snprintf(topic_kept, sizeof(topic_kept), "%.*s", AUDITED_TOPIC_MAX, topic);
	e.client = client_kept;
	e.topic = topic_kept;
	assert_int_equal(criteria_read(&c, &page), OPT_RUN);
	assert_true(criteria_match(&c, &e));
	assert_string_equal(c.client, client_kept);     /* which is what an index knows */
	client_kept[5] = 'x';
	assert_false(criteria_match(&c, &e));
}

/* Whatever number it has: types are not numbered without a hole. */
static void every_event_can_be_asked_for(void **state)
{
	const ProtobufCEnumDescriptor *const type = &pullcord__v1__audit_type__descriptor;
	const struct opt_page page = { .command = "test" };
	char name[64];

	(void)state;
	for (unsigned i = 0; i < type->n_values; i++) {
		struct criteria c = { .event = name };
		size_t n = strlen("AUDIT_");

		if (type->values[i].value == 0)
			continue;
		for (size_t at = 0; at <= strlen(type->values[i].name + n); at++)
			name[at] = (char)tolower(type->values[i].name[n + at]);
		if (criteria_read(&c, &page) != OPT_RUN || c.type != type->values[i].value)
			fail_msg("--event %s", name);
	}
	assert_int_not_equal(criteria_read(&(struct criteria){ .event = "" }, &page), OPT_RUN);
	assert_int_not_equal(criteria_read(&(struct criteria){ .event = "none" }, &page), OPT_RUN);
}

/* Nothing found must not read as "nothing happened" when nothing was asked. */
static void what_is_empty_is_a_mistake_and_no_filter_is_said(void **state)
{
	const struct opt_page page = { .command = "test" };
	struct criteria mistake[] = { { .user = "" }, { .device = "" }, { .client = "" }, { .patient = "" }, { .topic = "" } };
	struct criteria literal = { .topic = "mercy/#/x" }, filter = { .topic = "mercy/#" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	must(out);
	report_to(out, out);
	for (size_t i = 0; i < countof(mistake); i++)
		assert_int_equal(criteria_read(&mistake[i], &page), CMD_USAGE);
	fflush(out);
	assert_non_null(strstr(text, "--patient is empty"));
	rewind(out);
	assert_int_equal(criteria_read(&filter, &page), OPT_RUN);
	fflush(out);
	assert_null(strstr(text, "very text"));
	assert_int_equal(criteria_read(&literal, &page), OPT_RUN);
	fflush(out);
	assert_non_null(strstr(text, "mercy/#/x is no filter"));
	report_to(NULL, NULL);
	fclose(out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(what_was_recorded_cut_is_found),
		cmocka_unit_test(every_event_can_be_asked_for),
		cmocka_unit_test(a_topic_is_met_by_filters_and_by_itself),
		cmocka_unit_test(a_patient_is_found_in_a_topic_by_their_id),
		cmocka_unit_test(who_proved_nothing_is_found_by_what_they_said), cmocka_unit_test(a_patient_is_not_written_down),
		cmocka_unit_test(what_is_empty_is_a_mistake_and_no_filter_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mapped: whatever strangers wrote, the messages are well formed and say it byte by byte. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "atna.h"
#include "fhir.h"
#include "seed.h"
#include "value.h"

static struct mapped_source source;
static struct mapped mapped;
static uint8_t text[MAPPED_BYTES_MAX];

static int make(void **state)
{
	(void)state;
	mapped_source(SPAN_LIT("broker.mercy.example/audit/main"), &source);
	return crypt_init() == OK ? 0 : -1;
}

/* Any bytes but NUL, which ends a text of protobuf-c. */
static char *some(char *buf, size_t max)
{
	size_t n = seed_below(max);

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)(1 + seed_below(seed_below(4) ? 127 : 255));
	buf[n] = '\0';
	return buf;
}

static struct span written(void (*write)(const struct mapped *, struct put *))
{
	struct put out = put(text, sizeof(text));

	write(&mapped, &out);
	assert_int_equal(put_end(&out), OK);
	return put_span(&out);
}

/* Tags close in order, attributes are quoted, and nothing is there that XML 1.0 cannot carry. */
static void assert_well_formed(struct span xml)
{
	struct span open[8];
	size_t depth = 0;

	for (size_t i = 0; i < xml.n; i++) {
		assert_in_range(xml.p[i], 0x20, 0x7e);
		if (xml.p[i] != '<')
			continue;
		const uint8_t *end = memchr(xml.p + i, '>', xml.n - i);
		struct span tag = span(xml.p + i + 1, (size_t)(end - xml.p) - i - 1), rest, name;
		size_t quotes = 0;

		assert_non_null(end);
		for (size_t k = 0; k < tag.n; k++) {
			quotes += tag.p[k] == '"';
			assert_true(tag.p[k] != '<');
		}
		assert_int_equal(quotes % 2, 0);
		if (tag.p[0] == '/') {
			assert_true(depth > 0 && span_eq(open[--depth], span(tag.p + 1, tag.n - 1)));
		} else if (tag.p[tag.n - 1] != '/') {
			name = span_cut(tag, ' ', &rest);
			assert_true(depth < countof(open));
			open[depth++] = name;
		}
		i = (size_t)(end - xml.p);
	}
	assert_int_equal(depth, 0);
}

/* The topic out of the last entity's details. */
static void assert_says_topic(struct span json, const char *topic)
{
	struct policy_error where;
	struct value *v = NULL;
	const struct value *entity, *detail = NULL;
	uint8_t bytes[512];
	long n = 0;

	if (value_load(json, &v, &where) != OK)
		fail_msg("%.*s", SPAN_FMT(json));
	for (entity = value_of(v, "entity", VALUE_ARRAY)->child; entity; entity = entity->next)
		detail = value_of(entity, "detail", VALUE_ARRAY);
	for (detail = detail->child; detail; detail = detail->next)
		if (span_is(value_text(detail, "type"), "topic"))
			n = base64_decode(value_text(detail, "valueBase64Binary"), bytes, sizeof(bytes));
	assert_true(n >= 0 && span_eq(span(bytes, (size_t)n), span_str(topic)));
	value_close(&v);
}

static void whatever_strangers_wrote_is_well_formed_and_comes_back(void **state)
{
	char actor[65], client[65], address[65], topic[201], detail[201], to[65], at[65];
	Pullcord__V1__Recipient got = PULLCORD__V1__RECIPIENT__INIT, *list[] = { &got };

	(void)state;
	for (int round = 0; round < (SEED_SLOW ? 10000 : 100000); round++) {
		Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
		struct hash leaf = { { (uint8_t)round } };

		e.type = (Pullcord__V1__AuditType)seed_below(24);
		e.outcome = (Pullcord__V1__AuditOutcome)seed_below(5);
		e.party = (uint32_t)seed_below(5);
		e.at_us = seed_next();
		e.actor = some(actor, sizeof(actor));
		e.client = some(client, sizeof(client));
		e.address = some(address, sizeof(address));
		e.topic = some(topic, sizeof(topic));
		e.detail = some(detail, sizeof(detail));
		got.actor = some(to, sizeof(to));
		got.client = some(at, sizeof(at));
		e.recipient = list;
		e.n_recipient = seed_below(2);
		e.patient = (ProtobufCBinaryData){ seed_below(2) * 16, (uint8_t *)topic };
		mapped_make(&source, (uint64_t)round, &leaf, &e, 0, &mapped);
		assert_well_formed(written(atna_write));
		assert_says_topic(written(fhir_write), topic);
	}
}

static const struct mapped *mapped_of(const Pullcord__V1__AuditEvent *e)
{
	mapped_make(&source, 1, &(struct hash){ { 1 } }, e, 0, &mapped);
	return &mapped;
}

static void emergency_access_is_an_override_and_who_changed_an_account_an_agent(void **state)
{
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;

	(void)state;
	e.type = PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN;
	e.outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED;
	e.detail = "emergency: code on icu3";
	assert_string_equal(mapped_of(&e)->type->code, "110127");
	e.outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED;
	assert_string_equal(mapped_of(&e)->type->code, "110129");
	e.type = PULLCORD__V1__AUDIT_TYPE__AUDIT_DIRECTORY;
	e.actor = "ana";
	assert_int_equal(mapped_of(&e)->agents, 1);
	e.by = "os:opa";
	assert_int_equal(mapped_of(&e)->agents, 2);
	assert_true(mapped.agent[1].requestor && span_is(mapped.agent[1].id, "os:opa"));
}

#define TYPE(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name
#define OUTCOME(name) PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_##name

/* The rows of the mapping to ATNA that an auditor looks for. */
static void each_event_has_its_codes(void **state)
{
	static const struct {
		Pullcord__V1__AuditType type;
		Pullcord__V1__AuditOutcome outcome;
		const char *topic, *detail;
		uint64_t count;
		const char *event, *code, *ours;
		char action;
		int result;
	} row[] = {
		{ TYPE(START), OUTCOME(ALLOWED), "", "", 0, "110100", "110120", "start", 'E', 0 },
		{ TYPE(STOP), OUTCOME(ALLOWED), "", "", 0, "110100", "110121", "stop", 'E', 0 },
		{ TYPE(GAP), OUTCOME(NONE), "", "", 9, "110113", "110133", "gap", 'E', 12 },
		{ TYPE(LOGIN), OUTCOME(ALLOWED), "", "", 0, "110114", "110122", "login", 'E', 0 },
		{ TYPE(LOGIN), OUTCOME(DENIED), "", "", 3, "110114", "110122", "login", 'E', 4 },
		{ TYPE(LOCKOUT), OUTCOME(ALLOWED), "", "", 0, "110113", "110132", "lockout", 'E', 8 },
		{ TYPE(LOGOFF), OUTCOME(ALLOWED), "", "", 0, "110114", "110123", "logoff", 'E', 0 },
		{ TYPE(SUBSCRIBE), OUTCOME(ALLOWED), "mercy/#", "", 0, "110112", NULL, "mqtt-subscribe", 'E', 0 },
		{ TYPE(PUBLISH), OUTCOME(ALLOWED), "mercy/a", "", 0, "110107", NULL, "mqtt-publish", 'C', 0 },
		{ TYPE(PUBLISH), OUTCOME(DENIED), "mercy/a", "", 0, "110113", "110132", "acl-deny", 'E', 4 },
		{ TYPE(PUBLISH), OUTCOME(DENIED), "mercy/a", "", 7, "110113", "110132", "acl-deny", 'E', 8 },
		{ TYPE(DELIVER), OUTCOME(ALLOWED), "mercy/a", "", 0, "110106", NULL, "mqtt-deliver", 'R', 0 },
		{ TYPE(POLICY), OUTCOME(FAILED), "", "", 0, "110113", "110129", "policy", 'E', 8 },
		{ TYPE(BREAKGLASS_END), OUTCOME(ALLOWED), "", "", 0, "110113", "110138", "emergency-end", 'E', 0 },
		{ TYPE(READ), OUTCOME(ALLOWED), "", "audit search", 0, "110101", NULL, "read", 'R', 0 },
		{ TYPE(READ), OUTCOME(ALLOWED), "", "audit disclosures --patient ~", 0, "110101", NULL, "read", 'R', 0 },
		{ TYPE(READ), OUTCOME(ALLOWED), "", "audit disclose 7", 0, "110106", NULL, "export", 'R', 0 },
		{ TYPE(READ), OUTCOME(ALLOWED), "", "audit export --format csv", 0, "110106", NULL, "export", 'R', 0 },
		{ TYPE(ORDER), OUTCOME(ALLOWED), "mercy/device/nc1/cmd", "", 0, "110113", "110139", "order", 'E', 0 },
		{ TYPE(RECEIPT), OUTCOME(FAILED), "mercy/device/nc1/cmd", "", 0, "110113", "110140", "receipt", 'E', 8 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/role.grant", "", 0, "110113", "110136", "admin", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/role.grant", "emergency: why", 0, "110113", "110127", "emergency", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/user.create", "", 0, "110113", "110137", "admin", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/user.get", "", 0, "110113", "110129", "admin", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/team.list", "", 0, "110113", "110129", "admin", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(FAILED), "mercy/control/account.quarantine", "", 0, "110113", "110137", "quarantine", 'E', 8 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/account.wipe", "", 0, "110113", "110137", "wipe", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(DENIED), "mercy/control/account.wipe", "", 0, "110113", "110132", "acl-deny", 'E', 4 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/policy.set", "", 0, "110113", "110129", "admin", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/record.hold", "", 0, "110113", "110135", "hold", 'E', 0 },
		{ TYPE(ADMIN), OUTCOME(ALLOWED), "mercy/control/record.erase", "", 0, "110113", NULL, "purge", 'E', 0 },
		{ TYPE(REQUEST), OUTCOME(ALLOWED), "mercy/control/record.erase", "", 0, "110113", "110129", "request", 'E', 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
		const struct mapped *m;

		e.type = row[i].type;
		e.outcome = row[i].outcome;
		e.topic = (char *)(uintptr_t)row[i].topic;
		e.detail = (char *)(uintptr_t)row[i].detail;
		e.count = row[i].count;
		m = mapped_of(&e);
		if (strcmp(m->event->code, row[i].event) != 0 || strcmp(m->type ? m->type->code : "", row[i].code ? row[i].code : "") != 0 ||
		    strcmp(m->ours->code, row[i].ours) != 0 || m->action != row[i].action || m->outcome != row[i].result)
			fail_msg("row %zu: %s %s %s %c %d", i, m->event->code, m->type ? m->type->code : "-", m->ours->code, m->action,
				 m->outcome);
	}
}

static void what_rests_on_emergency_access_says_its_purpose(void **state)
{
	Pullcord__V1__Recipient one = PULLCORD__V1__RECIPIENT__INIT, other = PULLCORD__V1__RECIPIENT__INIT;
	Pullcord__V1__Recipient *both[] = { &one, &other };
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;

	(void)state;
	e.outcome = OUTCOME(ALLOWED);
	e.type = TYPE(ADMIN);
	e.topic = "mercy/control/role.grant";
	assert_null(mapped_of(&e)->purpose);
	e.detail = "emergency: code 412";
	assert_string_equal(mapped_of(&e)->purpose->code, "BTG");
	e.type = TYPE(PUBLISH);
	assert_null(mapped_of(&e)->purpose);
	e.emergency_us = 1;
	assert_non_null(mapped_of(&e)->purpose);
	e.type = TYPE(DELIVER);
	e.emergency_us = 0;
	e.recipient = both;
	e.n_recipient = 2;
	one.emergency_us = 1;
	assert_null(mapped_of(&e)->purpose);    /* the other one had it by a role of theirs */
	other.emergency_us = 1;
	assert_non_null(mapped_of(&e)->purpose);
}

static void times_are_utc_and_stay_in_their_years(void **state)
{
	char at[MAPPED_TIME];

	(void)state;
	mapped_time(1767225600000001, at);
	assert_string_equal(at, "2026-01-01T00:00:00.000001Z");
	mapped_time(INT64_MIN, at);
	assert_string_equal(at, "1970-01-01T00:00:00.000000Z");
	mapped_time(INT64_MAX, at);
	assert_string_equal(at, "9999-12-31T23:59:59.999999Z");
}

static void the_largest_event_fits(void **state)
{
	static Pullcord__V1__Recipient got[256], *list[256];
	static char full[201], word[65];
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
	struct hash leaf = { { 0 } };

	(void)state;
	memset(full, 1, 200);
	memset(word, 1, 64);
	for (size_t i = 0; i < 256; i++) {
		Pullcord__V1__Recipient init = PULLCORD__V1__RECIPIENT__INIT;

		got[i] = init;
		got[i].actor = word;
		got[i].client = full;
		list[i] = &got[i];
	}
	e.type = PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER;
	e.actor = e.client = e.address = word;
	e.topic = e.detail = full;
	e.recipient = list;
	e.n_recipient = 256;
	assert_int_equal(mapped_parts(&e), 6);
	for (uint32_t part = 0; part < 6; part++) {
		mapped_make(&source, 1, &leaf, &e, part, &mapped);
		assert_well_formed(written(atna_write));
		(void)written(fhir_write);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_strangers_wrote_is_well_formed_and_comes_back),
		cmocka_unit_test(emergency_access_is_an_override_and_who_changed_an_account_an_agent),
		cmocka_unit_test(each_event_has_its_codes),
		cmocka_unit_test(what_rests_on_emergency_access_says_its_purpose),
		cmocka_unit_test(times_are_utc_and_stay_in_their_years),
		cmocka_unit_test(the_largest_event_fits),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, NULL);
}

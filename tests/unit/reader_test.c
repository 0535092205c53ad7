/* reader: what the record says, also where a version before wrote it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "own_record.h"

#include "audited.h"
#include "criteria.h"
#include "pack.h"
#include "pens.h"
#include "reader.h"

static void write_event(const Pullcord__V1__AuditEvent *e)
{
	uint8_t packed[1024];
	struct pens pens = { 0 };
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct vault vault;
	struct seal seal;
	const struct ink ink = { NULL, &vault, &seal, span_str(RECORDING_ORIGIN) };
	struct ink with = ink;

	vault_init(&vault, g.root, "record");
	seal_init(&seal, ink.origin);
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	with.trail = t;
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(pens_resume(&pens, &with, view), OK);
	txn_abort(&view);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(pens_write(&pens, &with, 6, span(packed, pack_event(e, packed))), OK);
	assert_int_equal(pens_finish(&pens, &with), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

static char *text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* As a version wrote it that had patients' ids in topics. */
static void write_old(const char *topic, const char *patient)
{
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
	uint8_t whom[PATIENT_PSEUDONYM_BYTES];
	struct patients patients;

	e.version = 1;
	e.type = TYPE(PUBLISH);
	e.at_us = 1770000000000000;
	e.topic = text_of(topic);
	patients_init(&patients, g.root);
	patient_pseudonym(&patients, span_str(patient), whom);
	e.patient = (ProtobufCBinaryData){ sizeof(whom), whom };
	write_event(&e);
}

/* As a version wrote it whose years' keys made pseudonyms of patients alone, and of what administrators did none. */
static void write_by_half(const char *patient)
{
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
	char word[PATIENT_WORD], change[100];
	uint8_t whom[PATIENT_PSEUDONYM_BYTES];
	const struct patients *p;
	struct reader *r = NULL;

	assert_int_equal(reader_open(g.path, g.root, &r), OK);
	assert_int_equal(reader_patients(r, &p), 3);
	patient_pseudonym(&p[1], span_str(patient), whom);
	snprintf(change, sizeof(change), "+patient=%s", patient_word(&p[0], span_str(patient), word));
	reader_close(&r);
	e.version = 1;
	e.type = TYPE(PUBLISH);
	e.at_us = 1770000000000000;
	e.patient = (ProtobufCBinaryData){ sizeof(whom), whom };
	write_event(&e);
	e.patient.len = 0;
	e.type = TYPE(ADMIN);
	e.change = change;
	write_event(&e);
	e.type = TYPE(LOGIN);
	e.change = text_of("");
	e.claimed = word;
	write_event(&e);
}

/* The topic of the newest event. */
static void newest_topic(char out[AUDITED_TOPIC_SHOWN + 1])
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *r = NULL;
	struct entry entry;
	uint64_t n;

	assert_int_equal(reader_open(g.path, g.root, &r), OK);
	assert_int_equal(reader_size(r, &n), OK);
	assert_int_equal(reader_get(r, n - 1, &entry, &e), OK);
	assert_non_null(e);
	snprintf(out, AUDITED_TOPIC_SHOWN + 1, "%s", e->topic);
	reader_close(&r);
}

static void an_earlier_version_s_topics_show_nobody_either(void **state)
{
	char topic[AUDITED_TOPIC_SHOWN + 1], want[AUDITED_TOPIC_SHOWN + 1], word[PATIENT_WORD];
	struct patients patients;

	(void)state;
	patients_init(&patients, g.root);
	record_some(1);
	write_old("mercy/patient/p1/msg", "p1");
	newest_topic(topic);
	snprintf(want, sizeof(want), "mercy/patient/%s/msg", patient_word(&patients, SPAN_LIT("p1"), word));
	assert_string_equal(topic, want);
	write_old("mercy/unit/icu3/broadcast", "p2");
	newest_topic(topic);
	assert_string_equal(topic, "mercy/unit/icu3/broadcast");
	write_old(want, "p1");
	newest_topic(topic);
	assert_string_equal(topic, want);
	record_some(1);          /* and it is gone on with */
	assert_good();
}

static unsigned found_by(struct criteria c)
{
	const struct opt_page page = { .command = "test" };
	const Pullcord__V1__AuditEvent *e;
	const struct patients *p;
	struct reader *r = NULL;
	struct entry entry;
	unsigned n = 0;
	size_t keys;

	assert_int_equal(criteria_read(&c, &page), OPT_RUN);
	assert_int_equal(reader_open(g.path, g.root, &r), OK);
	keys = reader_patients(r, &p);
	criteria_bind(&c, p, keys);
	for (uint64_t i = 0; reader_get(r, i, &entry, &e) == OK; i++)
		n += e && criteria_match(&c, e);
	reader_close(&r);
	return n;
}

/* A record that an earlier version began, and this one goes on with. */
static void whom_an_earlier_version_recorded_is_found_with_what_came_later(void **state)
{
	char word[PATIENT_WORD], change[100];
	struct happening h = publish(1), act = { .type = TYPE(ADMIN), .at_us = h.at_us },
			 login = { .type = TYPE(LOGIN), .at_us = h.at_us };
	struct patients root;

	(void)state;
	patients_init(&root, g.root);
	snprintf(change, sizeof(change), "+unit=icu3\n+patient=%s", patient_word(&root, SPAN_LIT("p1"), word));
	act.change = act.detail = span_str(change);
	login.claimed = span_str(word);
	record_some(1);
	write_old("mercy/patient/p1/msg", "p1");
	h.topic = SPAN_LIT("mercy/patient/p1/msg");
	h.patient = SPAN_LIT("p1");
	open_record();
	assert_true(record_push(g.record, &h) && record_push(g.record, &act) && record_push(g.record, &login));
	record_close(&g.record);
	write_by_half("p1");
	assert_int_equal(found_by((struct criteria){ .patient = "p1" }), 5);
	assert_int_equal(found_by((struct criteria){ .patient = "p1", .event = "admin" }), 2);
	assert_int_equal(found_by((struct criteria){ .claimed = "p1" }), 2);
	assert_int_equal(found_by((struct criteria){ .topic = "mercy/patient/p1/+" }), 2);
	assert_int_equal(found_by((struct criteria){ .patient = "p2" }), 0);
	assert_int_equal(found_by((struct criteria){ .claimed = "p2" }), 0);
	assert_good();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_earlier_version_s_topics_show_nobody_either), TEST(whom_an_earlier_version_recorded_is_found_with_what_came_later),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

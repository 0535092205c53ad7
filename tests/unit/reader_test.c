/* reader: what the record says, also where a version before wrote it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "own_record.h"

#include "audited.h"
#include "pack.h"
#include "pens.h"
#include "reader.h"

/* As a version wrote it that had patients' ids in topics. */
static void write_old(const char *topic)
{
	Pullcord__V1__AuditEvent e = PULLCORD__V1__AUDIT_EVENT__INIT;
	uint8_t packed[1024];
	struct pens pens = { 0 };
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct vault vault;
	struct seal seal;
	const struct ink ink = { NULL, &vault, &seal, span_str(RECORDING_ORIGIN) };
	struct ink with = ink;

	e.version = 1;
	e.type = TYPE(PUBLISH);
	e.at_us = 1770000000000000;
	e.topic = (char *)(uintptr_t)topic;
	vault_init(&vault, g.root, "record");
	seal_init(&seal, ink.origin);
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	with.trail = t;
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(pens_resume(&pens, &with, view), OK);
	txn_abort(&view);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(pens_write(&pens, &with, 6, span(packed, pack_event(&e, packed))), OK);
	assert_int_equal(pens_finish(&pens, &with), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
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
	write_old("mercy/patient/p1/msg");
	newest_topic(topic);
	snprintf(want, sizeof(want), "mercy/patient/%s/msg", patient_word(&patients, SPAN_LIT("p1"), word));
	assert_string_equal(topic, want);
	write_old("mercy/unit/icu3/broadcast");
	newest_topic(topic);
	assert_string_equal(topic, "mercy/unit/icu3/broadcast");
	write_old(want);
	newest_topic(topic);
	assert_string_equal(topic, want);
	record_some(1);          /* and it is gone on with */
	assert_good();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(an_earlier_version_s_topics_show_nobody_either) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

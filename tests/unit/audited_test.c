/* A happening on its way into the record: through the ring or the spill, into an event, and back out of its bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "audited.h"
#include "crypt.h"
#include "scratch.h"

static Pullcord__V1__AuditEvent *event_of(struct fold *f, struct ring *r, const struct happening *h)
{
	Pullcord__V1__AuditEvent *e = NULL;
	struct audited a;
	struct span raw;

	assert_true(audited_push(r, h));
	assert_true(ring_peek(r, &raw));
	audited_read(raw, &a);
	assert_true(fold_add(f, &a.h));
	ring_advance(r);
	assert_int_equal(audited_unpack(fold_take(f), &e), OK);
	return e;
}

static void what_a_policy_on_trial_said_stands_beside_what_was_decided(void **state)
{
	const struct shadow_verdict said = { .policy = { 9, 8, 7 }, .access = 4, .allow = true, .why = 2, .line = 77, .count = 12,
					     .since_us = 5 };
	struct happening h = { .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_SHADOW, .actor = SPAN_LIT("ana"), .line = 3,
			       .topic = SPAN_LIT("mercy/unit/icu3/broadcast"), .at_us = 6, .shadow = &said };
	struct patients patients = { .key = { { 1 } }, .keys = 1 };
	Pullcord__V1__AuditEvent *e;
	struct ring *r = NULL;
	struct fold *f = NULL;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(ring_open(RING_BYTES_MIN, &r), OK);
	assert_int_equal(fold_open(&f), OK);
	fold_use(f, &patients);
	e = event_of(f, r, &h);
	assert_true(e->shadow && e->line == 3 && e->count == 12);
	assert_int_equal(e->shadow->policy.len, 16);
	assert_memory_equal(e->shadow->policy.data, said.policy, 16);
	assert_true(e->shadow->access == 4 && e->shadow->allow && e->shadow->why == 2 && e->shadow->line == 77);
	assert_int_equal(e->shadow->since_us, 5);
	assert_string_equal(e->actor, "ana");
	assert_string_equal(e->topic, "mercy/unit/icu3/broadcast");
	audited_free(&e);
	h.shadow = NULL;
	e = event_of(f, r, &h);          /* and says nothing of the next */
	assert_true(!e->shadow && e->count == 0);
	audited_free(&e);
	fold_close(&f);
	ring_close(&r);
}

/* Of one message to several it is one event as before, for they are compared as they were asked about. */
static void a_topic_has_what_stands_for_its_patient(void **state)
{
	static const struct patients patients = { .key = { { 1 } }, .keys = 1 };
	const struct id message = { { 4 } };
	char word[PATIENT_WORD], want[AUDITED_TOPIC_SHOWN + 1], topic[AUDITED_TOPIC_MAX + 1];
	struct happening h = { .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, .at_us = 6, .message = &message,
			       .actor = SPAN_LIT("ana"), .topic = SPAN_LIT("mercy/patient/p1/msg"), .patient = SPAN_LIT("p1") };
	Pullcord__V1__AuditEvent *e = NULL;
	struct ring *r = NULL;
	struct fold *f = NULL;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(ring_open(RING_BYTES_MIN, &r), OK);
	assert_int_equal(fold_open(&f), OK);
	fold_use(f, &patients);
	assert_true(fold_add(f, &h));
	h.actor = SPAN_LIT("bea");
	assert_true(fold_add(f, &h));
	h.topic = SPAN_LIT("mercy/patient/p2/msg");
	assert_false(fold_add(f, &h));
	assert_int_equal(audited_unpack(fold_take(f), &e), OK);
	snprintf(want, sizeof(want), "mercy/patient/%s/msg", patient_word(&patients, SPAN_LIT("p1"), word));
	assert_string_equal(e->topic, want);
	assert_int_equal(e->n_recipient, 2);
	assert_true(patient_word_read(span_str(word), (uint8_t[PATIENT_PSEUDONYM_BYTES]){ 0 }) && e->patient.len);
	audited_free(&e);
	memset(topic, 'x', sizeof(topic));       /* one that is as long as they may be, and grows, and is cut in a character */
	memcpy(topic, "m/patient/p/", strlen("m/patient/p/"));
	memcpy(topic + AUDITED_TOPIC_MAX - 1, "\xc3\xa9", 2);
	h = (struct happening){ .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH, .topic = span(topic, sizeof(topic)) };
	e = event_of(f, r, &h);
	assert_int_equal(strlen(e->topic), AUDITED_TOPIC_MAX - 1 + PATIENT_GAIN);
	assert_non_null(strstr(e->topic, patient_word(&patients, SPAN_LIT("p"), word)));
	assert_null(strchr(e->topic, '?'));
	audited_free(&e);
	fold_close(&f);
	ring_close(&r);
}

/* They come with those of the root key, and are kept by the key of the year. */
static void what_administrators_did_is_by_the_year_s_key_too(void **state)
{
	static const struct patients root = { .key = { { 1 } }, .keys = 1 };
	char word[PATIENT_WORD], of_year[PATIENT_WORD], detail[100], change[100];
	struct happening h = { .type = PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN, .at_us = 6 }, nobody = h;
	struct patients year = root;
	Pullcord__V1__AuditEvent *e;
	struct ring *r = NULL;
	struct fold *f = NULL;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(ring_open(RING_BYTES_MIN, &r), OK);
	assert_int_equal(fold_open(&f), OK);
	patients_then(&year, (const uint8_t[SHA256_BYTES]){ 2 });
	patient_word(&root, SPAN_LIT("p1"), word);
	patient_word(&year, SPAN_LIT("p1"), of_year);
	snprintf(detail, sizeof(detail), "user:ana patient=%s: not held", word);
	snprintf(change, sizeof(change), "+patient=%s", word);
	assert_false(fold_names(f, &nobody));
	nobody.detail = span_str(detail);
	assert_true(fold_names(f, &nobody));
	nobody = (struct happening){ .change = span_str(change) };
	assert_true(fold_names(f, &nobody));
	nobody = (struct happening){ .claimed = span_str(word) };
	assert_true(fold_names(f, &nobody));
	h.detail = span_str(detail);
	h.change = span_str(change);
	h.claimed = span_str(word);
	fold_use(f, &year);
	e = event_of(f, r, &h);
	snprintf(detail, sizeof(detail), "user:ana patient=%s: not held", of_year);
	snprintf(change, sizeof(change), "+patient=%s", of_year);
	assert_string_equal(e->detail, detail);
	assert_string_equal(e->change, change);
	assert_string_equal(e->claimed, of_year);
	audited_free(&e);
	fold_close(&f);
	ring_close(&r);
}

static struct happening out_of(struct spill *s, struct audited *a)
{
	struct span raw;

	assert_true(spill_peek(s, &raw));
	audited_read(raw, a);
	return a->h;
}

static void what_was_set_aside_is_all_there(void **state)
{
	const struct shadow_verdict said = { .policy = { 9 }, .line = 77, .count = 12 };
	const struct id first = { { 1 } }, last = { { 2 } };
	const uint8_t root[32] = { 3 }, digest[32] = { 4, 5 };
	const struct happening in = {
		.type = PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, .actor = SPAN_LIT("ana"), .patient = SPAN_LIT("4711"), .at_us = 6,
		.message = &first, .last = &last, .digest = digest, .count = 9, .until_us = 60, .shadow = &said,
	};
	const struct gap gap = { .lost = { [RECORD_ACCESS] = 3 }, .aside = 2, .from_us = 1, .until_us = 2 };
	struct scratch scratch;
	struct spill *s = NULL;
	struct happening h;
	struct audited a;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	assert_int_equal(spill_open(scratch_path(&scratch, "t.spill"), 64 << 10, root, audited_layout(), &s), OK);
	assert_true(audited_spill(s, &in));
	assert_true(audited_spill(s, &(struct happening){ .type = in.type, .at_us = 7 }));
	assert_true(audited_spill_gap(s, &gap));
	h = out_of(s, &a);
	assert_true(span_eq(h.actor, in.actor) && span_eq(h.patient, in.patient) && h.at_us == 6);
	assert_true(h.count == 9 && h.until_us == 60);
	assert_memory_equal(h.message, &first, sizeof(first));
	assert_memory_equal(h.last, &last, sizeof(last));
	assert_memory_equal(h.digest, digest, sizeof(digest));
	assert_true(h.shadow && h.shadow->policy[0] == 9 && h.shadow->line == 77 && h.shadow->count == 12);
	h = out_of(s, &a);              /* and nothing of it is in the next */
	assert_true(h.at_us == 7 && h.count == 0 && !h.shadow && !h.digest && !h.last && !h.message);
	h = out_of(s, &a);
	assert_int_equal(h.type, PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP);
	assert_memory_equal(&a.gap, &gap, sizeof(gap));
	spill_close(&s);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_policy_on_trial_said_stands_beside_what_was_decided),
		cmocka_unit_test(a_topic_has_what_stands_for_its_patient), cmocka_unit_test(what_administrators_did_is_by_the_year_s_key_too),
		cmocka_unit_test(what_was_set_aside_is_all_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

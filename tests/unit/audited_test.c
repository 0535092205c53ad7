/* A happening on its way into the record: through the ring or the spill, into an event, and back out of its bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "audited.h"
#include "crypt.h"
#include "scratch.h"

#define TYPE(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name

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

static void open_both(struct ring **r, struct fold **f)
{
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(ring_open(RING_BYTES_MIN, r), OK);
	assert_int_equal(fold_open(f), OK);
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
	open_both(&r, &f);
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
	open_both(&r, &f);
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
	open_both(&r, &f);
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
	uint32_t layout;

	assert_true(spill_peek(s, &raw, &layout));
	audited_read_aside(raw, layout, a);
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

/* The file as the version before made it (layout 3): its first page as far as it was used, and its records: a call,
 * its delivery, a gap. */
static const char before_head[] =
	"70637370696c6c31180103000000000000000100000000009802000000000000030000000000000000000000000000000000000000000000";
static const char before_records[] =
	"ab0000004d071b241310228d5ceb4f7cd120f3aace96e6d58a3c92936194e902dd3bdf4df88e3abbf121217c675c37239da02348ad706fe9"
	"d2e2a9ad20966ebce93c53b756eadef6d7532f00b2ff29edbd4eee6eac2e23c3b1b874142a01a9c42ac4fb3543dd6a7c35b6037450a75867"
	"6eb0e6573180bc1c53dbd635f2b12835ba2e8f1c2b73ca97b89401ae09d0279228a5cfd5de37319429a6a39a69ddc129a848a2bec384068d"
	"7af2dec85934720020010000197944653a8433199b1126482b055fdbb493bfecaf4b6ca40090d98fc3670611d66a55b20ad3ecc2c51557ae"
	"4a13ac723bc930f916e9cbea92da6d243c5c217b864f85d562079b52dfa5bc4dc32614e24a94aebd0725d6aa662e0cbd4ebc99d9f4e5550c"
	"ebf41c9720fea4a10209c052a59af9049b56025a36c47e3e13f5ca4d5b2c6e25e2ced5586089468866d3636adfb2b5a22d510f191f14be26"
	"14cfdea6fde0d2d477d4986b76d7fe6a27069487f6075c92786b452d7cfcd57967e99355f607c5792859d402cd00382618f8f18e095acd18"
	"c1bca3da94bcd4bee8944e7ff23a6e226e5d3f04d6233c5a3aa6790ec7a7aad1dcda46d34c4ad85658dcf3e3eb17c5d81793513421c09986"
	"f9889e18698bca97b5ce29839619d38d31b3598a00000000bc00000053a95fa914fd030663c70cb46cc601348ccdd058952c4cce4673056b"
	"ca57b1ddad30d8031ea0b5e902d6c9eb60fbe0c042998e9f2b534adddebb9a59110faf38f9a62f09f0c700a0b1ba48ece17507843b8d190f"
	"28d6bd2ae76e8a80bcf2ee8ecfe54500fe09c387325f0363d421a7af2339450f33d36b6f459cd5387613c4d03ff7840adcbabce1b30110da"
	"c352e7a3e5559d73988a625c02a978ba0f3566935092564a242a0b58a18c3b2e0f717f59a76b99b9eaac4f8064801b4a";

static void put_at(int fd, off_t at, const char *hex)
{
	uint8_t raw[1024];
	size_t n = strlen(hex) / 2;

	assert_true(hex_decode(span_str(hex), raw, n));
	assert_int_equal(pwrite(fd, raw, n, at), (ssize_t)n);
}

/* An upgrade while the disk was full: nothing that had been set aside is lost, and how it came is not known. */
static void what_the_version_before_set_aside_is_read(void **state)
{
	const struct happening now = { .type = TYPE(DELIVER), .at_us = 7, .how = PULLCORD__V1__AUDIT_HOW__HOW_OPEN };
	const uint8_t root[32] = { 3 };
	struct scratch scratch;
	struct spill *s = NULL;
	struct happening h;
	struct audited a;
	int fd;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	fd = open(scratch_path(&scratch, "t.spill"), O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 4096 + (64 << 10)), 0);
	put_at(fd, 0, before_head);
	put_at(fd, 4096, before_records);
	close(fd);
	assert_int_equal(spill_open(scratch_path(&scratch, "t.spill"), 64 << 10, root, audited_layout(), &s), OK);
	assert_int_equal(spill_damaged(s), 0);
	assert_true(audited_spill(s, &now));
	h = out_of(s, &a);
	assert_true(h.type == TYPE(PUBLISH) && span_is(h.topic, "mercy/unit/icu3/alert/code/nc-1") && span_is(h.address, "10.0.0.7"));
	assert_true(h.at_us == 1770000000000001 && h.mono_us == 5000001 && h.party == PULLCORD__V1__PARTY__PARTY_DEVICE);
	assert_true(h.life_critical && !h.retain && h.message && h.message->b[0] == 1 && h.policy && h.policy[0] == 6);
	assert_true(!h.shadow && !h.count && !h.patient.n && !h.emergency_us);
	assert_true(h.why == 1 && h.line == 12 && h.qos == 1 && h.outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED);
	h = out_of(s, &a);
	assert_true(h.type == TYPE(DELIVER) && span_is(h.actor, "ana") && span_is(h.client, "ana.t1") && span_is(h.patient, "4711"));
	assert_true(h.basis == PULLCORD__V1__AUDIT_BASIS__BASIS_SENT && h.how == PULLCORD__V1__AUDIT_HOW__HOW_UNKNOWN);
	assert_true(h.life_critical && h.retain && h.emergency_us == 1769999999000000 && h.line == 13 && !h.policy);
	assert_true(h.count == 9 && h.until_us == 1770000000000060 && h.last && h.last->b[0] == 2 && h.digest && h.digest[1] == 5);
	assert_true(h.shadow && h.shadow->policy[0] == 9 && h.shadow->line == 77 && h.shadow->count == 12);
	h = out_of(s, &a);
	assert_true(h.type == TYPE(GAP) && a.gap.lost[RECORD_ACCESS] == 3 && a.gap.lost[RECORD_CRITICAL] == 4 && a.gap.aside == 2);
	h = out_of(s, &a);
	assert_true(h.type == TYPE(DELIVER) && h.at_us == 7 && h.how == PULLCORD__V1__AUDIT_HOW__HOW_OPEN);
	spill_close(&s);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_policy_on_trial_said_stands_beside_what_was_decided),
		cmocka_unit_test(a_topic_has_what_stands_for_its_patient), cmocka_unit_test(what_administrators_did_is_by_the_year_s_key_too),
		cmocka_unit_test(what_was_set_aside_is_all_there),
		cmocka_unit_test(what_the_version_before_set_aside_is_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

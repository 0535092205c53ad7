/* A happening on its way into the record: through the ring, into an event, and back out of its bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "audited.h"
#include "crypt.h"

static Pullcord__V1__AuditEvent *event_of(struct fold *f, struct ring *r, const struct happening *h)
{
	static const struct gap none;
	Pullcord__V1__AuditEvent *e = NULL;
	struct audited a;
	struct span raw;

	assert_true(audited_push(r, &none, h));
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
	struct patients patients = { .key = { 1 } };
	Pullcord__V1__AuditEvent *e;
	struct ring *r = NULL;
	struct fold *f = NULL;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(ring_open(RING_BYTES_MIN, &r), OK);
	assert_int_equal(fold_open(&patients, &f), OK);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_policy_on_trial_said_stands_beside_what_was_decided),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

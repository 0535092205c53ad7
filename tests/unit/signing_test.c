/* When the record signs: at once over what administrators do, and no more often than it flushes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "inside.h"
#include "recording.h"
#include "until.h"

#define MANY 500

static struct recording g;

/* By the clock it would sign once. */
static int up(void **state)
{
	(void)state;
	recording_make(&g);
	g.spec.sign_every_us = 3600 * INT64_C(1000000);
	return record_open(&g.spec, &g.record) == OK ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	recording_drop(&g);
	return 0;
}

static bool push(Pullcord__V1__AuditType type, uint64_t i)
{
	struct happening h = publish(i);

	h.type = type;
	return record_push(g.record, &h);
}

static bool all_is_signed(void)
{
	struct record_health h;

	record_health(g.record, &h);
	return record_settled(g.record, record_ticket(g.record)) && h.signed_entries == h.entries;
}

static uint64_t checkpoints(void)
{
	struct verify_spec spec;
	struct verify_report report;

	record_close(&g.record);
	spec = recording_verify(&g);
	assert_int_equal(verify_record(&spec, &report), OK);
	return report.checkpoints;
}

static void what_administrators_do_is_signed_at_once_and_nothing_else_is(void **state)
{
	static const Pullcord__V1__AuditType act[] = { TYPE(ADMIN), TYPE(REQUEST), TYPE(ORDER), TYPE(POLICY), TYPE(DIRECTORY),
		TYPE(READ) };
	struct record_health h;

	(void)state;
	assert_true(UNTIL(all_is_signed()));
	push(TYPE(LOGIN), 0);                   /* the first after the start is due at once */
	assert_true(UNTIL(all_is_signed()));
	(void)record_urgent(g.record);
	for (uint64_t i = 0; i < countof(act); i++) {
		push(TYPE(LOGIN), 10 + i);
		assert_true(UNTIL(record_settled(g.record, record_ticket(g.record))));
		record_health(g.record, &h);
		assert_true(h.signed_entries < h.entries);
		assert_false(record_urgent(g.record));
		push(act[i], 20 + i);
		assert_true(UNTIL(all_is_signed()));
		assert_true(UNTIL(record_urgent(g.record)));
		assert_false(record_urgent(g.record));
	}
	assert_in_range(checkpoints(), countof(act) + 1, countof(act) + 2);
}

/* The writer waits for a lock that the test has, and finds them all at once. */
static void a_flood_of_acts_takes_one_signature_a_batch(void **state)
{
	(void)state;
	push(TYPE(ADMIN), 0);
	assert_true(UNTIL(all_is_signed()));
	pthread_mutex_lock(&g.record->act_lock);
	push(TYPE(LOGIN), 1);                   /* it may be on its way to the lock still */
	assert_true(UNTIL(record_settled(g.record, record_ticket(g.record)) || ring_used(g.record->ring)));
	for (uint64_t i = 0; i < MANY; i++)
		push(TYPE(ADMIN), 2 + i);
	pthread_mutex_unlock(&g.record->act_lock);
	assert_true(UNTIL(all_is_signed()));
	assert_in_range(checkpoints(), 2, 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(what_administrators_do_is_signed_at_once_and_nothing_else_is), T(a_flood_of_acts_takes_one_signature_a_batch),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

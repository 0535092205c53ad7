/* trouble: the staff hears of each trouble once, of its end once, and of it again after the connection was lost. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "trouble.h"

static struct trouble t;
static struct trouble_told told;
static uint8_t fresh_no;

static int make(void **state)
{
	(void)state;
	t = (struct trouble){ 0 };
	return 0;
}

static bool next(int64_t now_ms)
{
	struct id fresh = { { 1, ++fresh_no } };

	return trouble_next(&t, now_ms, now_ms * 1000, &fresh, &told);
}

static void nothing_is_told_while_nothing_is_wrong(void **state)
{
	(void)state;
	assert_false(next(0));
}

static void a_trouble_is_told_once_and_its_end_once(void **state)
{
	struct id began;

	(void)state;
	trouble_seen(&t, TROUBLE_REFUSING, 1000);
	assert_true(next(1000));
	assert_int_equal(told.kind, TROUBLE_REFUSING);
	assert_int_equal(told.phase, PULLCORD__V1__PHASE__PHASE_START);
	assert_string_equal(told.code, "gateway.refusing");
	began = told.id;
	trouble_seen(&t, TROUBLE_REFUSING, 31000);
	assert_false(next(32000));
	assert_false(next(90999));     /* 60 s after it was last seen */
	assert_true(next(91000));
	assert_int_equal(told.phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_memory_not_equal(&told.id, &began, sizeof(began));
	assert_true(trouble_acked(&t, &told.id, true, 0));
	trouble_lost(&t);
	assert_false(next(99000));
}

static void after_a_lost_connection_it_is_told_again_under_the_same_id(void **state)
{
	struct id began;

	(void)state;
	trouble_seen(&t, TROUBLE_OUTBOX, 0);
	assert_true(next(0));
	began = told.id;
	assert_true(trouble_acked(&t, &began, true, 0));
	trouble_lost(&t);
	assert_true(next(5000));
	assert_memory_equal(&told.id, &began, sizeof(began));
	assert_int_equal(told.at_us, 0);
}

static void an_end_that_was_not_taken_is_told_again(void **state)
{
	(void)state;
	trouble_seen(&t, TROUBLE_ASIDE, 0);
	assert_true(next(0));
	assert_true(next(60000));
	assert_int_equal(told.phase, PULLCORD__V1__PHASE__PHASE_END);
	trouble_lost(&t);
	assert_true(next(60000));
	assert_int_equal(told.phase, PULLCORD__V1__PHASE__PHASE_END);
}

static void what_was_over_before_anybody_heard_of_it_is_not_told(void **state)
{
	(void)state;
	trouble_seen(&t, TROUBLE_ASIDE, 0);
	assert_false(next(60000));
}

static void what_the_broker_refused_is_told_again_after_a_while(void **state)
{
	struct id first;

	(void)state;
	trouble_seen(&t, TROUBLE_OUTBOX, 0);
	assert_true(next(0));
	first = told.id;
	assert_true(trouble_acked(&t, &told.id, false, 0));
	assert_false(next(TROUBLE_AGAIN_MS - 1));
	assert_true(next(TROUBLE_AGAIN_MS));
	assert_memory_equal(&told.id, &first, sizeof(first));
	assert_true(trouble_acked(&t, &told.id, false, TROUBLE_AGAIN_MS));
	trouble_lost(&t);
	assert_true(next(TROUBLE_AGAIN_MS + 1));     /* the next broker may take it */
	assert_true(trouble_acked(&t, &told.id, true, TROUBLE_AGAIN_MS + 1));
	assert_false(next(3 * TROUBLE_AGAIN_MS));
}

static void another_id_is_not_ours(void **state)
{
	const struct id none = { { 0 } }, other = { { 9 } };

	(void)state;
	trouble_seen(&t, TROUBLE_ASIDE, 0);
	assert_true(next(0));
	assert_false(trouble_acked(&t, &other, true, 0));
	assert_false(trouble_acked(&t, &none, true, 0));
}

static void what_was_kept_goes_on_after_a_restart(void **state)
{
	struct trouble before = { 0 };
	const struct id id = { { 7 } };
	struct trouble_told kept;

	(void)state;
	assert_false(trouble_keep(&before, TROUBLE_OUTBOX, &kept));
	trouble_seen(&before, TROUBLE_OUTBOX, 1000);
	assert_false(trouble_keep(&before, TROUBLE_OUTBOX, &kept));   /* nobody has heard of it */
	assert_true(trouble_next(&before, 1000, 5000000, &id, &told));
	assert_true(trouble_keep(&before, TROUBLE_OUTBOX, &kept));
	assert_false(trouble_restore(&t, SPAN_LIT("gateway.of-old"), &kept.id, kept.at_us, 0, 5000000));
	/* An hour later, another clock. */
	assert_true(trouble_restore(&t, span_str(kept.code), &kept.id, kept.at_us, 100, kept.at_us + 3600 * 1000000LL));
	assert_false(trouble_restore(&t, span_str(kept.code), &kept.id, kept.at_us, 100, 5000000));
	assert_true(trouble_next(&t, 100, 9000000, &(struct id){ { 8 } }, &told));
	assert_int_equal(told.phase, PULLCORD__V1__PHASE__PHASE_START);
	assert_memory_equal(&told.id, &id, sizeof(id));
	assert_int_equal(told.at_us, 5000000);
	assert_false(trouble_next(&t, 100 + 23 * 3600 * 1000 - 1, 9000000, &(struct id){ { 8 } }, &told));
	assert_true(trouble_next(&t, 100 + 23 * 3600 * 1000, 9000000, &(struct id){ { 8 } }, &told));
	assert_int_equal(told.phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_false(trouble_keep(&t, TROUBLE_OUTBOX, &kept));        /* but it is open until its end is taken */
	assert_true(trouble_is_open(&t, TROUBLE_OUTBOX));
	assert_true(trouble_acked(&t, &told.id, true, 0));
	assert_false(trouble_is_open(&t, TROUBLE_OUTBOX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_told_while_nothing_is_wrong, make),
		cmocka_unit_test_setup(a_trouble_is_told_once_and_its_end_once, make),
		cmocka_unit_test_setup(after_a_lost_connection_it_is_told_again_under_the_same_id, make),
		cmocka_unit_test_setup(an_end_that_was_not_taken_is_told_again, make),
		cmocka_unit_test_setup(what_was_over_before_anybody_heard_of_it_is_not_told, make),
		cmocka_unit_test_setup(what_the_broker_refused_is_told_again_after_a_while, make),
		cmocka_unit_test_setup(what_was_kept_goes_on_after_a_restart, make),
		cmocka_unit_test_setup(another_id_is_not_ours, make),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

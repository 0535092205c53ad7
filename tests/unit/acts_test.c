/* acts: one asks, another confirms, once and in time. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "acts.h"

#define T0 1000000000000000

static struct acts acts;

static int empty(void **state)
{
	(void)state;
	acts = (struct acts){ 0 };
	return 0;
}

static enum err ask(uint64_t number, enum act_kind kind, const char *who, uint32_t segment, int64_t now_us)
{
	struct act a = { .kind = kind, .segments = 2, .segment = { segment, segment + 1 } };

	strcpy(a.who, who);
	return acts_ask(&acts, &a, number, now_us);
}

static enum err confirm(uint64_t number, enum act_kind kind, const char *who, int64_t now_us)
{
	const struct act *act = NULL;
	enum err e = acts_confirm(&acts, number, kind, span_str(who), now_us, &act);

	assert_true((e == OK) == (act != NULL));
	assert_true(!act || act->number == number);
	return e;
}

static void another_person_confirms_once(void **state)
{
	(void)state;
	assert_int_equal(ask(7, ACT_ERASE, "ana", 3, T0), OK);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0 + 1), OK);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0 + 1), OK);     /* until it is taken */
	acts_take(&acts, 7);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0 + 1), ERR_NOT_FOUND);
	acts_take(&acts, 7);
}

static void nobody_confirms_for_themselves(void **state)
{
	(void)state;
	assert_int_equal(ask(7, ACT_ERASE, "ana", 3, T0), OK);
	assert_int_equal(confirm(7, ACT_ERASE, "ana", T0), ERR_DENIED);
	assert_int_equal(confirm(7, ACT_ERASE, "an", T0), OK);
}

static void what_is_confirmed_is_what_was_asked_for(void **state)
{
	(void)state;
	assert_int_equal(confirm(0, ACT_ERASE, "ben", T0), ERR_NOT_FOUND);
	assert_int_equal(ask(7, ACT_HOLD, "ana", 3, T0), OK);
	assert_int_equal(ask(7, ACT_ERASE, "ana", 3, T0), ERR_EXISTS);
	assert_int_equal(confirm(8, ACT_HOLD, "ben", T0), ERR_NOT_FOUND);
	assert_int_equal(confirm(7, ACT_RELEASE, "ben", T0), ERR_KIND);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0), ERR_KIND);
}

static void it_is_over_after_an_hour_and_when_the_clock_was_set_back(void **state)
{
	(void)state;
	assert_int_equal(ask(7, ACT_ERASE, "ana", 3, T0), OK);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0 + ACT_WAIT_US - 1), OK);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0 + ACT_WAIT_US), ERR_TIME);
	assert_int_equal(confirm(7, ACT_ERASE, "ben", T0 - 1), ERR_TIME);
}

static void what_is_over_makes_room_the_oldest_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ACTS_MAX; i++)
		assert_int_equal(ask(100 + i, ACT_ERASE, "ana", 3, T0 + i), OK);
	assert_int_equal(ask(200, ACT_ERASE, "ana", 3, T0 + ACTS_MAX), ERR_FULL);
	assert_int_equal(ask(200, ACT_ERASE, "ana", 3, T0 + 1 + ACT_WAIT_US), OK);      /* two are over */
	assert_int_equal(confirm(100, ACT_ERASE, "ben", T0 + 1 + ACT_WAIT_US), ERR_NOT_FOUND);
	assert_int_equal(confirm(101, ACT_ERASE, "ben", T0 + 1 + ACT_WAIT_US), ERR_TIME);
	assert_int_equal(confirm(102, ACT_ERASE, "ben", T0 + 1 + ACT_WAIT_US), OK);
	assert_int_equal(confirm(200, ACT_ERASE, "ben", T0 + 1 + ACT_WAIT_US), OK);
}

static void who_asks_about_a_segment_is_found(void **state)
{
	(void)state;
	assert_int_equal(ask(7, ACT_HOLD, "ana", 3, T0), OK);
	assert_int_equal(acts_about(&acts, ACT_HOLD, 3, T0)->number, 7);
	assert_int_equal(acts_about(&acts, ACT_HOLD, 4, T0)->number, 7);
	assert_null(acts_about(&acts, ACT_HOLD, 5, T0));
	assert_null(acts_about(&acts, ACT_ERASE, 3, T0));
	assert_null(acts_about(&acts, ACT_HOLD, 3, T0 + ACT_WAIT_US));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, empty)
		T(another_person_confirms_once),
		T(nobody_confirms_for_themselves),
		T(what_is_confirmed_is_what_was_asked_for),
		T(it_is_over_after_an_hour_and_when_the_clock_was_set_back),
		T(what_is_over_makes_room_the_oldest_first),
		T(who_asks_about_a_segment_is_found),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* fold: knowing messages and conditions again, and when a condition is a new one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "fold.h"
#include "history.h"
#include "words.h"

static struct fold *f;

static int make(void **state)
{
	(void)state;
	f = calloc(1, sizeof(*f));
	if (f)
		memcpy(f->key, "known to nobody!", sizeof(f->key));
	return f ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	free(f);
	return 0;
}

static struct id numbered(uint64_t n)
{
	struct id id = { { 0 } };

	for (size_t i = 0; i < sizeof(n); i++)
		id.b[i] = (uint8_t)(n >> (56 - 8 * i));   /* they sort as their numbers do */
	return id;
}

/* Every message has an id of its own unless it is given one. */
static enum fold_seen see_in(uint64_t id, uint64_t order, const char *device, uint64_t key, Pullcord__V1__Phase phase,
	const char *text)
{
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;
	struct id message = numbered(id), condition = numbered(key);

	a.key = (ProtobufCBinaryData){ FOLD_KEY_BYTES, condition.b };
	a.phase = phase;
	a.bed = "412-B";
	a.text = (char *)text;
	a.code = "call.normal";
	return fold_see(f, &message, order, device, &a);
}

static enum fold_seen see_as(uint64_t id, const char *device, uint64_t key, Pullcord__V1__Phase phase, const char *text)
{
	return see_in(id, id, device, key, phase, text);
}

static enum fold_seen see(const char *device, uint64_t key, Pullcord__V1__Phase phase)
{
	static uint64_t id = 1000000;

	return see_as(++id, device, key, phase, "Water, please");
}

static const struct fold_alert *update(const char *device, uint64_t key, Pullcord__V1__AlertState state)
{
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	struct id condition = numbered(key);

	u.key = (ProtobufCBinaryData){ FOLD_KEY_BYTES, condition.b };
	u.state = state;
	return fold_update(f, device, &u);
}

#define START PULLCORD__V1__PHASE__PHASE_START
#define END PULLCORD__V1__PHASE__PHASE_END
#define ON_THE_WAY PULLCORD__V1__ALERT_STATE__ALERT_STATE_ON_THE_WAY
#define RESOLVED PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED

static void the_same_message_is_known_and_the_same_condition_too(void **state)
{
	(void)state;
	assert_int_equal(see_as(1, "nc1", 7, START, ""), FOLD_NEW);
	assert_int_equal(see_as(1, "nc1", 7, START, ""), FOLD_SAME);
	assert_int_equal(see_as(2, "nc1", 7, START, ""), FOLD_AGAIN);
	assert_int_equal(see_as(3, "nc1", 8, START, ""), FOLD_NEW);
	assert_int_equal(see_as(1, "nc1", 7, START, ""), FOLD_SAME);
}

static void the_same_key_of_another_device_is_another_condition(void **state)
{
	(void)state;
	assert_int_equal(see("nc1", 7, START), FOLD_NEW);
	assert_int_equal(see("nc2", 7, START), FOLD_NEW);
	assert_int_equal(see("nc1", 7, END), FOLD_AGAIN);
	assert_int_equal(see("nc2", 7, START), FOLD_AGAIN);
}

static void a_call_after_one_that_is_over_is_new(void **state)
{
	(void)state;
	assert_int_equal(see("nc1", 7, START), FOLD_NEW);
	assert_int_equal(see("nc1", 7, END), FOLD_AGAIN);
	assert_int_equal(see("nc1", 7, START), FOLD_NEW);
	assert_int_equal(see("nc1", 7, START), FOLD_AGAIN);
}

static void a_call_after_one_that_was_resolved_is_new(void **state)
{
	(void)state;
	assert_int_equal(see("nc1", 7, START), FOLD_NEW);
	assert_non_null(update("nc1", 7, ON_THE_WAY));
	assert_int_equal(see("nc1", 7, START), FOLD_AGAIN);
	assert_non_null(update("nc1", 7, RESOLVED));
	assert_int_equal(see("nc1", 7, START), FOLD_NEW);
	assert_int_equal(see("nc1", 7, START), FOLD_AGAIN);
}

/* A device that heard no receipt sends all of it again; whoever came in between sees the end before the beginning. */
static void a_beginning_that_comes_after_its_end_calls_nobody(void **state)
{
	(void)state;
	assert_int_equal(see_as(2, "nc1", 7, END, ""), FOLD_NEW);
	assert_int_equal(see_as(1, "nc1", 7, START, ""), FOLD_AGAIN);
	assert_int_equal(see_as(3, "nc1", 7, START, ""), FOLD_NEW);
	assert_int_equal(see_as(5, "nc1", 7, START, ""), FOLD_AGAIN);
}

static void an_end_that_comes_late_ends_nothing_younger(void **state)
{
	(void)state;
	assert_int_equal(see_as(3, "nc1", 7, START, "Water, please"), FOLD_NEW);
	assert_int_equal(see_as(2, "nc1", 7, END, ""), FOLD_AGAIN);
	assert_int_equal(see_as(4, "nc1", 7, START, ""), FOLD_AGAIN);   /* it is open still */
	assert_int_equal(see_as(5, "nc1", 7, END, ""), FOLD_AGAIN);
	assert_int_equal(see_as(6, "nc1", 7, START, ""), FOLD_NEW);
}

/* An id may be a name, which says nothing of its time. */
static void what_is_late_the_order_says(void **state)
{
	(void)state;
	assert_int_equal(see_in(900, 2, "nc1", 7, END, ""), FOLD_NEW);
	assert_int_equal(see_in(950, 1, "nc1", 7, START, ""), FOLD_AGAIN);
	assert_int_equal(see_in(100, 3, "nc1", 7, START, ""), FOLD_NEW);
	assert_int_equal(see_in(100, 4, "nc1", 7, START, ""), FOLD_SAME);
}

static void an_update_is_told_what_it_is_about(void **state)
{
	(void)state;
	assert_null(update("nc1", 7, ON_THE_WAY));
	see_as(1, "nc1", 7, START, "Water, please");
	assert_null(update("nc2", 7, ON_THE_WAY));
	assert_string_equal(update("nc1", 7, ON_THE_WAY)->text, "Water, please");
	assert_string_equal(update("nc1", 7, ON_THE_WAY)->bed, "412-B");
	see_as(2, "nc1", 7, END, "");
	assert_string_equal(update("nc1", 7, RESOLVED)->text, "call.normal");   /* also when it is over */
	assert_null(fold_update(f, "nc1", &(Pullcord__V1__AlertUpdate)PULLCORD__V1__ALERT_UPDATE__INIT));
}

static void a_long_text_is_cut_at_a_character(void **state)
{
	char text[3 * FOLD_TEXT_MAX];

	(void)state;
	text[0] = '\0';
	for (size_t i = 0; i < FOLD_TEXT_MAX - 1; i++)
		strcat(text, "x");
	strcat(text, "\u00e4 and more");
	see_as(1, "nc1", 7, START, text);
	assert_int_equal(strlen(update("nc1", 7, ON_THE_WAY)->text), FOLD_TEXT_MAX - 1);
}

static void the_oldest_condition_is_forgotten_first(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= FOLD_MAX + 1; i++)
		assert_int_equal(see_as(i, "nc1", i, START, ""), FOLD_NEW);
	assert_int_equal(see("nc1", 2, START), FOLD_AGAIN);
	assert_int_equal(see("nc1", 1, START), FOLD_NEW);
}

static void an_alert_that_stays_open_is_known_after_many_others(void **state)
{
	(void)state;
	assert_int_equal(see_as(1, "nc1", 1, START, ""), FOLD_NEW);
	for (uint64_t i = 2; i <= FOLD_IDS; i++)
		see_as(i, "nc1", 7, START, "");
	assert_int_equal(see_as(1, "nc1", 1, START, ""), FOLD_SAME);
	for (uint64_t i = 1; i <= FOLD_IDS; i += 997)
		assert_int_equal(see_as(i, "nc1", 7, START, ""), FOLD_SAME);
	assert_int_equal(see_as(FOLD_IDS + 1, "nc1", 7, START, ""), FOLD_AGAIN);
	assert_int_equal(see_as(2, "nc1", 7, START, ""), FOLD_SAME);
	assert_int_equal(see_as(1, "nc1", 1, START, ""), FOLD_AGAIN);
	for (uint64_t i = FOLD_IDS + 2; i <= 2 * FOLD_IDS; i++)
		assert_int_equal(see_as(i, "nc1", 7, START, ""), FOLD_AGAIN);
	for (uint64_t i = FOLD_IDS + 2; i <= 2 * FOLD_IDS; i++)
		assert_int_equal(see_as(i, "nc1", 7, START, ""), FOLD_SAME);
}

static void all_that_the_broker_keeps_is_remembered(void **state)
{
	(void)state;
	assert_true(FOLD_MAX >= HISTORY_ALERTS_MAX);
}

static unsigned longest_chain(void)
{
	unsigned longest = 0;

	for (size_t b = 0; b < FOLD_IDS; b++) {
		unsigned n = 0;

		for (uint32_t i = f->alike[b]; i; i = f->next[i - 1])
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* Who knows the key makes all of them lie in one place; nobody does. */
static void ids_that_are_alike_under_one_key_are_not_under_another(void **state)
{
	static const uint64_t known[2] = { 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f };
	struct id chosen[24];
	unsigned n = 0;

	(void)state;
	for (uint64_t i = 0; n < countof(chosen); i++) {
		struct id id = numbered(i);

		if (words_hash(known, span(id.b, ID_BYTES)) % FOLD_IDS == 7)
			chosen[n++] = id;
	}
	for (uint64_t other = 0; other < 2; other++) {
		memset(f, 0, sizeof(*f));
		f->key[0] = known[other];
		f->key[1] = known[1];
		for (n = 0; n < countof(chosen); n++) {
			Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;

			a.key = (ProtobufCBinaryData){ FOLD_KEY_BYTES, chosen[n].b };
			assert_int_equal(fold_see(f, &chosen[n], n, "nc1", &a), FOLD_NEW);
		}
		assert_in_range(longest_chain(), other ? 1 : countof(chosen), other ? 3 : countof(chosen));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

/* What came, told about or not, is not asked for again. */
static void what_came_is_known(void **state)
{
	struct id one = numbered(1), two = numbered(2);

	(void)state;
	assert_false(fold_knows(f, &one));
	assert_int_equal(see_in(1, 1, "nc-1", 1, PULLCORD__V1__PHASE__PHASE_START, ""), FOLD_NEW);
	assert_true(fold_knows(f, &one));
	fold_note(f, &two);
	fold_note(f, &two);
	assert_true(fold_knows(f, &two));
	assert_int_equal(f->ids, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_message_is_known_and_the_same_condition_too),
		TEST(the_same_key_of_another_device_is_another_condition),
		TEST(a_call_after_one_that_is_over_is_new),
		TEST(a_call_after_one_that_was_resolved_is_new),
		TEST(a_beginning_that_comes_after_its_end_calls_nobody),
		TEST(an_end_that_comes_late_ends_nothing_younger),
		TEST(what_is_late_the_order_says),
		TEST(an_update_is_told_what_it_is_about),
		TEST(a_long_text_is_cut_at_a_character),
		TEST(the_oldest_condition_is_forgotten_first),
		TEST(an_alert_that_stays_open_is_known_after_many_others),
		TEST(all_that_the_broker_keeps_is_remembered),
		TEST(ids_that_are_alike_under_one_key_are_not_under_another),
		TEST(what_came_is_known),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

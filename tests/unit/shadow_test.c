/* A policy on trial: where it differs from the one in force is counted, in a table that never grows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shadow.h"
#include "ward.h"

static const char before[] =
	"tenant mercy\n"
	"role nurse\n"
	"  allow both mercy/channel/{channel}/#\n"
	"  deny publish mercy/channel/+/old\n";
static const char after[] =
	"tenant mercy\n"
	"role nurse\n"
	"  allow publish mercy/channel/{channel}/#\n"
	"  allow subscribe mercy/channel/{channel}/msg\n"
	"  deny publish mercy/channel/+/new\n";

static struct policy *old;
static struct shadow *s;
static struct holder *holds_old, *holds_new;

static int begin(void **state)
{
	struct policy *fresh;
	struct person p;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	fresh = load(SPAN_LIT(after));
	old = load(SPAN_LIT(before));
	assert_int_equal(shadow_open(fresh, &s), OK);
	person(&p, USER, "ana", "nurse", "channel=c1");
	assert_int_equal(policy_bind(old, &p.s, &holds_old), OK);
	assert_int_equal(policy_bind(shadow_policy(s), &p.s, &holds_new), OK);
	return 0;
}

static int end(void **state)
{
	(void)state;
	holder_close(&holds_old);
	holder_close(&holds_new);
	shadow_close(&s);
	policy_close(&old);
	return 0;
}

static bool ask_as(const char *id, enum access a, const char *text, int64_t at_us, struct difference *d)
{
	struct topic t = parse(a, text);
	struct asked q = { USER, id, a, span_str(text), policy_decide(old, holds_old, a, &t), at_us };

	return shadow_ask(s, holds_new, &q, d);
}

static bool ask(enum access a, const char *text, int64_t at_us, struct difference *d)
{
	return ask_as("ana", a, text, at_us, d);
}

static void only_where_they_differ_it_is_counted(void **state)
{
	struct difference d;

	(void)state;
	assert_false(ask(PUB, "mercy/channel/c1/msg", 1, &d));          /* both allow */
	assert_false(ask(GET, "mercy/channel/c2/msg", 1, &d));          /* both deny */
	assert_true(ask(GET, "mercy/channel/c1/old", 1, &d));
	assert_true(d.now.allow && !d.then.allow && d.now.line == 3 && d.then.line == 0 && d.then.why == WHY_NO_RULE);
	assert_true(ask(PUB, "mercy/channel/c1/old", 2, &d));
	assert_true(!d.now.allow && d.then.allow && d.now.line == 4 && d.then.line == 3 && d.access == PUB);
	assert_true(ask(SUB, "mercy/channel/c1/#", 3, &d));
	assert_true(d.now.allow && d.then.why == WHY_NOT_HELD);
	assert_string_equal(d.topic, "mercy/channel/c1/#");
	assert_string_equal(d.id, "ana");
	assert_int_equal(shadow_count(s).asked, 5);
	assert_int_equal(shadow_count(s).differed, 3);
	assert_int_equal(shadow_count(s).differences, 3);
}

static void what_is_no_topic_is_no_difference(void **state)
{
	struct asked q = { USER, "ana", GET, SPAN_LIT("$SYS/x"), { .allow = true, .why = WHY_ALLOWED }, 1 };
	struct difference d;

	(void)state;
	assert_false(shadow_ask(s, holds_new, &q, &d));
	q.topic = SPAN_LIT("a//b");
	assert_false(shadow_ask(s, holds_new, &q, &d));
	assert_int_equal(shadow_count(s).asked, 0);
	assert_true(ask(GET, "mercy/channel/c1/old", 1, &d));           /* and the one after is asked about itself */
}

static void it_is_told_at_first_sight_and_then_once_a_minute(void **state)
{
	struct difference d;
	int64_t at = 1000;

	(void)state;
	assert_true(ask(GET, "mercy/channel/c1/old", at, &d));
	assert_int_equal(d.count, 1);
	for (int i = 0; i < 500; i++)
		assert_false(ask(GET, "mercy/channel/c1/new", at + i, &d));   /* another topic, the same rules */
	assert_false(shadow_due(s, at + SHADOW_TELL_US - 1, &d));
	assert_true(shadow_due(s, at + SHADOW_TELL_US, &d));
	assert_int_equal(d.count, 500);
	assert_int_equal(d.first_us, at);
	assert_int_equal(d.last_us, at + 499);
	assert_false(shadow_due(s, at + SHADOW_TELL_US, &d));
	assert_false(shadow_due(s, at + 9 * SHADOW_TELL_US, &d));       /* nothing since */
	assert_false(ask(GET, "mercy/channel/c1/new", at + 9 * SHADOW_TELL_US, &d));
	assert_true(shadow_due(s, at + 9 * SHADOW_TELL_US, &d));
	assert_int_equal(d.count, 1);
	d = shadow_difference(s, 0);
	assert_int_equal(d.count, 502);
	assert_int_equal(d.first_us, at);
	assert_string_equal(d.topic, "mercy/channel/c1/old");
}

/* More people than there is room for: what goes beyond is counted by its rules, and nothing is lost. */
static void a_full_table_counts_by_rules(void **state)
{
	struct difference d;
	char id[32];

	(void)state;
	for (int i = 0; i < SHADOW_SUBJECTS_MAX; i++) {
		snprintf(id, sizeof(id), "user-%d", i);
		assert_true(ask_as(id, GET, "mercy/channel/c1/old", i, &d));
		assert_string_equal(d.id, id);
	}
	assert_true(ask_as("late-1", GET, "mercy/channel/c1/old", 1, &d));
	assert_string_equal(d.id, "");
	assert_int_equal(d.party, PULLCORD__V1__PARTY__PARTY_NONE);
	assert_false(ask_as("late-2", GET, "mercy/channel/c1/old", 2, &d));
	assert_true(ask_as("late-2", PUB, "mercy/channel/c1/old", 3, &d));
	assert_false(ask_as("user-7", GET, "mercy/channel/c1/old", 4, &d));   /* who had a place keeps it */
	assert_int_equal(shadow_count(s).lost, 0);
	assert_int_equal(shadow_count(s).differences, SHADOW_SUBJECTS_MAX + 2);
	assert_int_equal(shadow_difference(s, SHADOW_SUBJECTS_MAX).count, 2);
	assert_int_equal(shadow_difference(s, 7).count, 2);
}

static void what_finds_no_room_at_all_is_counted_as_lost(void **state)
{
	struct asked q = { USER, "ana", GET, SPAN_LIT("mercy/channel/c1/old"), { .allow = true, .why = WHY_ALLOWED }, 1 };
	struct difference d;
	int first = 0;

	(void)state;
	for (int i = 0; i < SHADOW_SUBJECTS_MAX + SHADOW_RULES_MAX + 10; i++) {
		q.now.line = (uint32_t)i + 1;                           /* as if by so many rules */
		first += shadow_ask(s, holds_new, &q, &d);
	}
	assert_int_equal(first, SHADOW_SUBJECTS_MAX + SHADOW_RULES_MAX);
	assert_int_equal(shadow_count(s).lost, 10);
	assert_int_equal(shadow_count(s).differed, first + 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_where_they_differ_it_is_counted),
		TEST(what_is_no_topic_is_no_difference),
		TEST(it_is_told_at_first_sight_and_then_once_a_minute),
		TEST(a_full_table_counts_by_rules),
		TEST(what_finds_no_room_at_all_is_counted_as_lost),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

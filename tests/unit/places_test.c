/* places: which levels of topics have a patient's id, by our grammar and by policies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "places.h"

static struct places *places;

static void learn(const char *pattern)
{
	assert_int_equal(places_add(&places, span_str(pattern)), OK);
}

static int forget(void **state)
{
	(void)state;
	places_close(&places);
	return 0;
}

static void a_rule_says_where_its_topics_name_a_patient(void **state)
{
	static const struct { const char *topic; uint32_t levels; } row[] = {
		{ "mercy/x/p1/y", 1 << 2 }, { "mercy/x/p1", 1 << 2 }, { "mercy/x/p1/z/z", 1 << 2 }, { "mercy/x/p1/#", 1 << 2 },
		{ "$share/g/mercy/x/p1/y", 1 << 4 }, { "mercy/+/p1/y", 1 << 2 }, { "mercy/+/p1/#", 1 << 2 }, { "+/+/p1/+", 1 << 2 },
		{ "mercy/x/J\xc3\xb6rg M./y", 1 << 2 },
		{ "mercy/+/p1/z", 0 }, { "mercy/x/+/y", 0 }, { "mercy/x/#", 0 }, { "mercy/x", 0 }, { "mercy/x/", 0 }, { "lake/x/p1/y", 0 },
		{ "mercy/bed/b7/of/p1", 1 << 4 }, { "mercy/bed/b7/of/p1/now", 1 << 4 }, { "mercy/bed/+/of/p1", 1 << 4 },
		{ "mercy/bed/b7/for/p1", 0 },
		{ "mercy/bed/#", 0 },
		{ "mercy/from/p1/to/p2", 1 << 2 | 1 << 4 }, { "mercy/from/p1", 1 << 2 }, { "mercy/from/+/to/p2", 1 << 4 },
		{ "mercy/icu3/p1/chart", 1 << 2 }, { "mercy/icu3/p1/charts", 0 }, { "mercy/icu3/p1", 1 << 2 }, { "mercy/icu3/p1/", 1 << 2 },
		{ "mercy/patient/p1/msg", 1 << 2 }, { "mercy/unit/icu3/broadcast", 0 }, { "mercy/unit/icu3/alert/high/nc1", 0 },
	};

	(void)state;
	learn("mercy/x/{patient}/y");
	learn("mercy/bed/{unit}/of/{patient}/#");
	learn("mercy/from/{patient}/to/{patient}");
	learn("mercy/{unit}/{patient}/chart");
	for (size_t i = 0; i < countof(row); i++)
		if (places_in(places, span_str(row[i].topic)) != row[i].levels)
			fail_msg("%s: %x", row[i].topic, places_in(places, span_str(row[i].topic)));
	assert_int_equal(places_in(NULL, SPAN_LIT("mercy/x/p1/y")), 0);
}

static void what_is_known_is_not_learned_again(void **state)
{
	char pattern[300];

	(void)state;
	learn("mercy/patient/{patient}/#");
	learn("mercy/unit/{unit}/alert/+/+");
	assert_null(places);
	learn("mercy/x/{patient}/{user}");
	learn("mercy/x/{patient}/{device}");
	learn("mercy/x/{patient}/+");
	assert_int_equal(places_count(places), 1);
	learn("mercy/from/{patient}/to/{patient}");
	assert_int_equal(places_count(places), 3);
	memset(pattern, 'x', sizeof(pattern));   /* no topic is as long */
	memcpy(pattern + sizeof(pattern) - sizeof("/{patient}"), "/{patient}", sizeof("/{patient}"));
	learn(pattern);
	assert_int_equal(places_count(places), 3);
}

static void a_copy_is_the_same(void **state)
{
	struct places *copy = NULL;

	(void)state;
	assert_int_equal(places_copy(NULL, &copy), OK);
	assert_null(copy);
	learn("mercy/x/{patient}/y");
	assert_int_equal(places_copy(places, &copy), OK);
	learn("mercy/y/{patient}");
	assert_int_equal(places_in(copy, SPAN_LIT("mercy/x/p1/y")), 1 << 2);
	assert_int_equal(places_in(copy, SPAN_LIT("mercy/y/p1")), 0);
	assert_int_equal(places_in(places, SPAN_LIT("mercy/y/p1")), 1 << 2);
	places_close(&copy);
}

#define TEST(f) cmocka_unit_test_teardown(f, forget)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_rule_says_where_its_topics_name_a_patient), TEST(what_is_known_is_not_learned_again), TEST(a_copy_is_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* value: JSON texts as trees that know their lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>

#include "value.h"

static struct value *read_text(const char *text)
{
	struct policy_error where;
	struct value *j = NULL;

	if (value_load(span_str(text), &j, &where) != OK)
		fail_msg("%s: %u:%u: %s", text, where.line, where.column, where.text);
	return j;
}

static void members_are_found_with_their_lines(void **state)
{
	struct value *j = read_text("{ \"a\": 1,\n \"b\" : [true, false,\n null, \"x\"],\n\"a\": 2, \"C\": {\"d\":\"e\"} }\n");
	const struct value *b = value_of(j, "b", VALUE_ARRAY);

	(void)state;
	assert_int_equal(value_int(j, "a", 0), 1);
	assert_int_equal(value_get(j, "a")->line, 1);
	assert_int_equal(b->line, 2);
	assert_int_equal(b->child->kind, VALUE_TRUE);
	assert_int_equal(b->child->next->kind, VALUE_FALSE);
	assert_int_equal(b->child->next->next->kind, VALUE_NULL);
	assert_int_equal(b->child->next->next->line, 3);
	assert_true(span_is(b->child->next->next->next->text, "x"));
	assert_null(b->child->next->next->next->next);
	assert_true(span_is(value_text(value_get(j, "c"), "D"), "e"));
	assert_null(value_get(j, "ab"));
	assert_null(value_of(j, "a", VALUE_TEXT));
	assert_null(value_get(b, "a"));
	assert_null(value_get(NULL, "a"));
	assert_int_equal(value_text(j, "b").n, 0);
	value_close(&j);
	assert_null(j);
}

static void texts_lose_their_escapes(void **state)
{
	struct value *j = read_text("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\", \"\xc3\xa4\", \"\"]");
	const struct value *t = j->child;

	(void)state;
	assert_true(span_is(t->text, "\"\\/\b\f\n\r\t"));
	assert_true(span_is(t->next->text, "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
	assert_true(span_is(t->next->next->text, "\xc3\xa4"));
	assert_int_equal(t->next->next->next->text.n, 0);
	value_close(&j);
}

static void numbers_are_cut_to_int(void **state)
{
	static const struct { const char *text; int value; } rows[] = {
		{ "{\"n\":0}", 0 }, { "{\"n\":-7}", -7 }, { "{\"n\":1.9}", 1 }, { "{\"n\":1e3}", 1000 }, { "{\"n\":12E-1}", 1 },
		{ "{\"n\":1e99}", INT_MAX }, { "{\"n\":-1e99}", INT_MIN }, { "{\"n\":\"5\"}", 42 }, { "{}", 42 },
		{ "{\"n\":99999999999999999999999999999999999999999999999999999999999999999999999999}", INT_MAX },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct value *j = read_text(rows[i].text);

		assert_int_equal(value_int(j, "n", 42), rows[i].value);
		value_close(&j);
	}
}

static const struct { const char *text; uint32_t line, column; const char *why; } refused[] = {
	{ "", 1, 1, "right would be a value" },
	{ "\n x", 2, 2, "right would be a value" },
	{ "nul", 1, 1, "right would be a value" },
	{ "[1,]", 1, 4, "right would be a value" },
	{ "[1 2]", 1, 4, "right would be ',' or ']'" },
	{ "{\"a\":1,}", 1, 8, "right would be a text" },
	{ "{\"a\" 1}", 1, 6, "a ':' is missing" },
	{ "{\"a\":1\n", 2, 1, "right would be ',' or '}'" },
	{ "1 2", 1, 3, "something after the end" },
	{ "01", 1, 2, "something after the end" },
	{ "1.", 1, 3, "no number" },
	{ "-", 1, 2, "no number" },
	{ "1e+", 1, 4, "no number" },
	{ "\"a", 1, 3, "does not end" },
	{ "\"a\\", 1, 4, "does not end" },
	{ "\"\\x\"", 1, 3, "no such escape" },
	{ "\"\\u12\"", 1, 4, "four hex digits" },
	{ "\"\\ud83d\"", 1, 9, "not UTF-8" },
	{ "\"\\ud83d\\u0041\"", 1, 14, "without its other half" },
	{ "\"\\u0000\"", 1, 9, "NUL" },
	{ "\"\xff\"", 1, 4, "not UTF-8" },
	{ "\"\t\"", 1, 2, "control character" },
	{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 1, 34, "nested deeper than 32" },
};

static void what_is_no_json_is_refused_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(refused); i++) {
		struct policy_error where;
		struct value *j = NULL;

		assert_int_equal(value_load(span_str(refused[i].text), &j, &where), ERR_SYNTAX);
		assert_null(j);
		if (where.line != refused[i].line || where.column != refused[i].column || !strstr(where.text, refused[i].why))
			fail_msg("%s: %u:%u: %s", refused[i].text, where.line, where.column, where.text);
	}
}

static void a_nul_is_no_end(void **state)
{
	struct policy_error where;
	struct value *j = NULL;

	(void)state;
	assert_int_equal(value_load(span("1\0", 2), &j, &where), ERR_SYNTAX);
	assert_int_equal(value_load(span("\"\0\"", 3), &j, &where), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_with_their_lines),
		cmocka_unit_test(texts_lose_their_escapes),
		cmocka_unit_test(numbers_are_cut_to_int),
		cmocka_unit_test(what_is_no_json_is_refused_where_it_stands),
		cmocka_unit_test(a_nul_is_no_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "ward.h"

static void a_bad_line_is_named_with_its_column_and_the_remedy(void **state)
{
	static const struct { const char *text; uint32_t line, column; const char *says; } row[] = {
		{ "", 1, 1, "the first must be 'tenant NAME'" },
		{ "# nothing\n\n", 3, 1, "the first must be 'tenant NAME'" },
		{ "role nurse\n", 1, 1, "first statement must be 'tenant NAME', not 'role'" },
		{ "\n  tennant mercy\n", 2, 3, "'tennant' is no statement; did you mean 'tenant'?" },
		{ "tenant\n", 1, 7, "right would be: tenant NAME" },
		{ "tenant mer/cy\n", 1, 8, "'mer/cy' cannot be the name of a tenant" },
		{ "tenant mercy hospital\n", 1, 14, "'hospital' is too much" },
		{ "tenant a\ntenant b\n", 2, 1, "named in line 1 already" },
		{ "tenant m#1\n", 1, 8, "'m#1' cannot be" },
		{ "tenant m\nallow publish m/x\n", 2, 1, "belongs to a role" },
		{ "tenant m\nlogoff after 5m idle\n", 2, 1, "belongs to a role" },
		{ "tenant m\nrole r\nrole r\n", 3, 6, "role 'r' stands in line 2 already" },
		{ "tenant m\nrole r{}\n", 2, 6, "cannot be the name of a role" },
		{ "tenant m\nrole r\n alow publish m/x\n", 3, 2, "did you mean 'allow'?" },
		{ "tenant m\nrole r\n ALLOW publish m/x\n", 3, 2, "did you mean 'allow'?" },
		{ "tenant m\nrole r\n permit publish m/x\n", 3, 2, "right would be tenant, role, allow, deny" },
		{ "tenant m\nrole r\n lifecritical m/x\n", 3, 2, "did you mean 'life-critical'?" },
		{ "tenant m\nrole r\n allow\tpublsih m/x\n", 3, 8, "did you mean 'publish'?" },
		{ "tenant m\nrole r\n allow write m/x\n", 3, 8, "right would be publish, subscribe, receive or both" },
		{ "tenant m\nrole r\n allow publish\n", 3, 15, "allow publish|subscribe|receive|both PATTERN" },
		{ "tenant m\nrole r\n allow publish # m/x\n", 3, 15, "allow publish|subscribe|receive|both PATTERN" },
		{ "tenant m\nrole r\n deny both m/x y\n", 3, 16, "'y' is too much" },
		{ "tenant m\nrole r\n allow both n/x\n", 3, 13, "begins with the tenant: 'm/...', not 'n'" },
		{ "tenant m\nrole r\n allow both +/x\n", 3, 13, "not '+'" },
		{ "tenant m\nrole r\n allow both {tenant}/x\n", 3, 13, "not '{tenant}'" },
		{ "tenant m\nrole r\n allow both /m/x\n", 3, 13, "level '' is empty" },
		{ "tenant m\nrole r\n allow both $SYS/#\n", 3, 13, "begin with '$'" },
		{ "tenant m\nrole r\n allow subscribe $share/g/m/x\n", 3, 18, "begin with '$'" },
		{ "tenant m\nrole r\n allow both m//x\n", 3, 15, "level '' is empty" },
		{ "tenant m\nrole r\n allow both m/x/\n", 3, 17, "level '' is empty" },
		{ "tenant m\nrole r\n allow both m/#/x\n", 3, 15, "must be the last level" },
		{ "tenant m\nrole r\n allow both m/x#\n", 3, 15, "whole levels" },
		{ "tenant m\nrole r\n allow both m/a+/x\n", 3, 15, "whole levels" },
		{ "tenant m\nrole r\n allow both m/{unit/x\n", 3, 15, "'{name}'" },
		{ "tenant m\nrole r\n allow both m/unit}\n", 3, 15, "'{name}'" },
		{ "tenant m\nrole r\n allow both m/{}/x\n", 3, 15, "may hold letters" },
		{ "tenant m\nrole r\n allow both m/a{unit}\n", 3, 15, "'{name}'" },
		{ "tenant m\nrole r\n allow both m/{a+b}\n", 3, 15, "whole levels" },
		{ "tenant m\nrole r\n allow both m/%u/x\n", 3, 15, "may hold letters" },
		{ "tenant m\nrole r\n allow both m/\xe2\x80\xae/x\n", 3, 15, "level '?" "?" "?' may hold" },
		{ "tenant m\nrole r\n deny both m/x/{client}\n", 3, 16, "use {user} or {device}" },
		{ "tenant m\nrole r\n allow both m/2/3/4/5/6/7/8/9/10/11/12/13\n", 3, 40, "at most 12" },
		{ "tenant m\nrole r\n logoff in 5m idle\n", 3, 9, "should be 'after'" },
		{ "tenant m\nrole r\n logoff after 5m\n", 3, 17, "logoff after DURATION idle" },
		{ "tenant m\nrole r\n logoff after 5m away\n", 3, 18, "should be 'idle'" },
		{ "tenant m\nrole r\n logoff after 5 idle\n", 3, 15, "90s, 15m or 2h" },
		{ "tenant m\nrole r\n logoff after 0m idle\n", 3, 15, "from 1s to 168h" },
		{ "tenant m\nrole r\n logoff after 169h idle\n", 3, 15, "from 1s to 168h" },
		{ "tenant m\nrole r\n logoff after m idle\n", 3, 15, "no duration" },
		{ "tenant m\nrole r\n logoff after 5m idle\n logoff after 6m idle\n", 4, 2, "in line 3 already" },
		{ "tenant m\r\nrole r\r\n allow both m/x y\r\n", 3, 17, "'y' is too much" },
		{ "\xef\xbb\xbftenant m\n", 1, 1, "is no statement" },
	};
	struct policy_error where;
	struct policy *p = NULL;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(policy_load(span_str(row[i].text), &p, &where), ERR_SYNTAX);
		assert_null(p);
		if (where.line != row[i].line || where.column != row[i].column || !strstr(where.text, row[i].says))
			fail_msg("row %zu: %u:%u %s; expected %u:%u %s", i, where.line, where.column, where.text, row[i].line,
				 row[i].column, row[i].says);
	}
}

static void odd_but_right_texts_load(void **state)
{
	static const char *const text[] = {
		"tenant m", "# c\r\n\r\n\ttenant  m \t# the hospital\r\n",
		"tenant m\nrole r\n allow both m/# # all of it\n allow both m\n allow both m/{a}/+/{user}/# #\n",
		"tenant m\nlife-critical m/x/{y}\nrole r\n life-critical m/+/#\n logoff after 168h idle\n",
		"tenant m\nrole m\n allow publish m/m/{m}\nrole publish\n",
		"tenant m\nrole r # \xc3\xbc \xff any bytes in a comment\n",
		"tenant m\nrole r\n allow both m/2/3/4/5/6/7/8/9/10/11/12\n",
	};

	(void)state;
	for (size_t i = 0; i < countof(text); i++) {
		CLEANUP(policy_close) struct policy *p = load(span_str(text[i]));

		assert_non_null(p);
	}
}

static void limits_are_said(void **state)
{
	CLEANUP(free_cleanup) char *attributes = grow_text(62, "tenant m\nrole r\n", "allow both m/{a%zu}\n");
	CLEANUP(free_cleanup) char *huge = calloc(1, POLICY_BYTES_MAX + 1);
	char wide[400] = "tenant m\nrole r\n allow both m/";
	struct policy_error where;
	struct policy *p = NULL;

	(void)state;
	assert_int_equal(policy_load(span_str(attributes), &p, &where), ERR_SYNTAX);
	assert_int_equal(where.line, 64);
	assert_non_null(strstr(where.text, "may use 61"));
	assert_int_equal(policy_load(span(huge, POLICY_BYTES_MAX + 1), &p, &where), ERR_TOO_LARGE);
	memset(wide + strlen(wide), 'x', 65);
	assert_int_equal(policy_load(span_str(wide), &p, &where), ERR_SYNTAX);
	assert_non_null(strstr(where.text, "longer than 64"));
	memset(wide + strlen(wide), 'x', 200);
	assert_int_equal(policy_load(span_str(wide), &p, &where), ERR_SYNTAX);
	assert_non_null(strstr(where.text, "at most 200"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_line_is_named_with_its_column_and_the_remedy),
		cmocka_unit_test(odd_but_right_texts_load),
		cmocka_unit_test(limits_are_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

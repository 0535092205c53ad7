#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "expect.h"
#include "ward.h"

struct heard {
	unsigned met, failed;
	char text[4096];
	size_t n;
};

static void hear(void *ctx, const struct expect_answer *a)
{
	struct heard *h = ctx;

	(*(a->met ? &h->met : &h->failed))++;
	assert_true((a->but[0] == '\0') == a->met);
	if (!a->met)
		h->n += (size_t)snprintf(h->text + h->n, sizeof(h->text) - h->n, "%u %s; %s; %u\n", a->line, a->text, a->but, a->rule);
}

static void expectations_are_met_or_the_reason_is_said(void **state)
{
	char text[] =
		"# the ward\n"                                                                  /* 1 */
		"user ana holds nurse, unit=icu3 ,channel=c1\n"                                 /* 2 */
		"  may receive, subscribe mercy/unit/icu3/alert/high/nc1\n"                     /* 3 */
		"  may not receive mercy/unit/med4/alert/high/nc1 # not hers\n"                 /* 4 */
		"  may publish mercy/unit/all/broadcast\n"                                      /* 5: fails */
		"  may not subscribe mercy/unit/icu3/alert/+/+\n"                               /* 6: fails */
		"  may subscribe mercy/unit/+/alert/+/+\n"                                      /* 7: fails */
		"  may publish not//a/topic\n"                                                  /* 8: fails */
		"  may not control user.create\n"                                               /* 9 */
		"device nc1 holds box, unit=icu3 from 10.1.2.3\n"                               /* 10 */
		"  may publish mercy/unit/icu3/alert/code/nc1\n"                                /* 11 */
		"device nc1 holds box, unit=icu3 quarantined\n"                                 /* 12 */
		"  may publish mercy/unit/icu3/alert/code/nc1\n"                                /* 13: fails */
		"user sus holds nurse suspended\n"                                              /* 14 */
		"  may publish mercy/user/sus/inbox\n"                                          /* 15: fails */
		"user nobody\n"                                                                 /* 16 */
		"  may not subscribe #\n"                                                       /* 17: a comment! */
		"life-critical mercy/unit/icu3/alert/code/nc1\n"                                /* 18 */
		"not life-critical mercy/unit/icu3/alert/high/nc1\n"                            /* 19 */
		"life-critical mercy/unit/icu3/alert/high/nc1\n"                                /* 20: fails */
		"record full mercy/x\n"                                                         /* 21 */
		"record off mercy/x\n";                                                         /* 22: fails */
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct policy_error where;
	struct heard h = { 0 };

	(void)state;
	assert_int_equal(expect_run(p, span_str(text), hear, &h, &where), ERR_SYNTAX);
	assert_int_equal(where.line, 17);       /* '#' alone begins a comment: a filter is written mercy/# */
	h = (struct heard){ 0 };
	memcpy(strstr(text, "subscribe #\n"), "receive m/x\n", 12);
	assert_int_equal(expect_run(p, span_str(text), hear, &h, &where), OK);
	assert_string_equal(h.text,
			    "5 ana may publish mercy/unit/all/broadcast; a rule denies it by line 7; 7\n"
			    "6 ana may not subscribe mercy/unit/icu3/alert/+/+; a rule allows it by line 4; 4\n"
			    "7 ana may subscribe mercy/unit/+/alert/+/+; it is wider than what any one rule grants; 0\n"
			    "8 ana may publish not//a/topic; it is not one of our topics or filters; 0\n"
			    "13 nc1 may publish mercy/unit/icu3/alert/code/nc1; in quarantine, and what may be reached from there "
			    "does not include it; 0\n"
			    "15 sus may publish mercy/user/sus/inbox; the account is suspended; 0\n"
			    "20 life-critical mercy/unit/icu3/alert/high/nc1; no life-critical line matches it; 0\n"
			    "22 record off mercy/x; it is recorded as: full; 0\n");
	assert_int_equal(h.met, 9);
	assert_int_equal(h.failed, 8);
}

static void a_bad_expectation_is_named_with_its_column(void **state)
{
	static const struct { const char *text; uint32_t line, column; const char *says; } row[] = {
		{ "usr ana\n", 1, 1, "did you mean 'user'?" },
		{ "may publish mercy/x\n", 1, 1, "of whom?" },
		{ "user\n", 1, 5, "user ID holds ROLE" },
		{ "user a/b\n", 1, 6, "'a/b' does not belong here" },
		{ "user ana hold nurse\n", 1, 10, "'hold' does not belong here" },
		{ "user ana holds\n", 1, 15, "the line ends too early" },
		{ "user ana holds nurse,\n", 1, 22, "the line ends too early" },
		{ "user ana holds nurze\n", 1, 16, "the policy has no role 'nurze'" },
		{ "user ana holds unit=\n", 1, 16, "no role and no attribute" },
		{ "user ana holds nurse from\n", 1, 22, "does not belong here" },
		{ "user ana\n may\n", 2, 5, "may [not] publish" },
		{ "user ana\n may not\n", 2, 9, "may [not] publish" },
		{ "user ana\n may write mercy/x\n", 2, 6, "is no access" },
		{ "user ana\n may publish\n", 2, 13, "may [not] publish" },
		{ "user ana\n may publish mercy/x y\n", 2, 22, "'y' does not belong here" },
		{ "not critical mercy/x\n", 1, 5, "not life-critical TOPIC" },
		{ "life-critical mercy/+\n", 1, 15, "'mercy/+' is no topic" },
		{ "life-critical\n", 1, 14, "life-critical TOPIC" },
		{ "record off\n", 1, 11, "record full|digest|off TOPIC" },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct policy_error where;
	struct heard h = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(expect_run(p, span_str(row[i].text), hear, &h, &where), ERR_SYNTAX);
		if (where.line != row[i].line || where.column != row[i].column || !strstr(where.text, row[i].says))
			fail_msg("row %zu: %u:%u: %s", i, where.line, where.column, where.text);
	}
	assert_int_equal(h.met + h.failed, 0);
}

static void who_is_asked_about_is_of_their_roles_tenant(void **state)
{
	CLEANUP(policy_close) struct policy *p =
		load(SPAN_LIT("tenant mercy\nrole nurse\nallow receive mercy/x\ntenant lakeside\nrole surgeon\nallow receive lakeside/x\n"));
	struct policy_error where;
	struct heard h = { 0 };

	(void)state;
	assert_int_equal(expect_run(p, SPAN_LIT("user sue holds surgeon\nmay receive lakeside/x\nmay not receive mercy/x\n"
						"user ana holds nurse\nmay receive mercy/x\n"), hear, &h, &where), OK);
	assert_true(h.met == 3 && h.failed == 0);
	assert_int_equal(expect_run(p, SPAN_LIT("user ana holds nurse, surgeon\n"), hear, &h, &where), ERR_SYNTAX);
	assert_int_equal(where.column, 23);
	assert_non_null(strstr(where.text, "role 'surgeon' is of tenant lakeside, role nurse of mercy"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(expectations_are_met_or_the_reason_is_said),
		cmocka_unit_test(a_bad_expectation_is_named_with_its_column),
		cmocka_unit_test(who_is_asked_about_is_of_their_roles_tenant),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

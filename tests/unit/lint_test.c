#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ward.h"

static void lint_finds_what_was_probably_not_meant(void **state)
{
	static const char text[] =
		"tenant m\n"                                    /* 1 */
		"life-critical m/alert/cod/x\n"                 /* 2 */
		"life-critical m/{u}/+\n"                       /* 3 */
		"role idle\n"                                   /* 4 */
		"role only-no\n"                                /* 5 */
		"  deny both m/#\n"                             /* 6 */
		"role r\n"                                      /* 7 */
		"  allow publish m/{u}/x\n"                     /* 8 */
		"  allow publish m/{u}/x\n"                     /* 9 */
		"  allow publish m/{v}/x\n"                     /* 10 */
		"  allow both m/+/+\n"                          /* 11 */
		"  allow receive m/{v}/y\n"                     /* 12 */
		"  deny publish m/z/#\n"                        /* 13 */
		"  allow publish m/z/{u}\n"                     /* 14 */
		"  allow both m/z/{u}/q\n"                      /* 15 */
		"  deny publish m/z/z\n"                        /* 16 */
		"role s\n"                                      /* 17 */
		"  allow publish m/k\n"                         /* 18 */
		"  allow both m/k\n"                            /* 19: adds subscribe */
		"  deny receive m/n\n"                          /* 20 */
		"  allow subscribe m/n\n";                      /* 21: may subscribe still */
	CLEANUP(policy_close) struct policy *p = load(span_str(text));
	struct page page = { 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_string_equal(page.text,
			    "2 life-critical m/alert/cod/x: no role may publish there\n"
			    "4 role idle allows nothing: it has no rules\n"
			    "5 role only-no allows nothing, it only denies\n"
			    "9 allow publish m/{u}/x adds nothing: line 8 says it already\n"
			    "12 allow receive m/{v}/y adds nothing: line 11 says it already\n"
			    "14 allow publish m/z/{u} can never allow anything: line 13 denies all of it\n"
			    "16 deny publish m/z/z adds nothing: line 13 says it already\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lint_finds_what_was_probably_not_meant),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

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
			    "8 allow publish m/{u}/x adds nothing: line 11 says it too\n"
			    "9 allow publish m/{u}/x adds nothing: line 8 says it already\n"
			    "10 allow publish m/{v}/x adds nothing: line 11 says it too\n"
			    "11 allow both m/+/+ reaches topics of every kind\n"
			    "12 allow receive m/{v}/y adds nothing: line 11 says it already\n"
			    "14 allow publish m/z/{u} can never allow anything: line 13 denies all of it\n"
			    "16 deny publish m/z/z adds nothing: line 13 says it already\n");
}

static void lint_knows_lock_outs_that_keep_out_nobody_or_everybody(void **state)
{
	static const char text[] =
		"tenant m\n"                                            /* 1 */
		"lock-out address never\n"                              /* 2 */
		"role idle\n"                                           /* 3 */
		"lock-out after 5 failures in 1h for 8h\n"              /* 4 */
		"lock-out account never\n"                              /* 5: as it is anyway */
		"life-critical m/x\n";                                  /* 6 */
	static const char meant[] = "tenant m\nlock-out never # meant: single sign-on does it\n";
	CLEANUP(policy_close) struct policy *p = load(span_str(text)), *q = load(span_str(meant));
	struct page page = { 0 }, none = { 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_string_equal(page.text,
			    "2 lock-out address never: one machine may guess the passwords of everybody\n"
			    "3 role idle allows nothing: it has no rules\n"
			    "4 lock-out for more than 4 hours: whoever mistypes misses a shift\n"
			    "6 life-critical m/x: no role may publish there\n");
	policy_lint(q, write_down, &none);
	assert_string_equal(none.text, "");
}

static void lint_knows_what_reaches_too_far(void **state)
{
	static const char text[] =
		"tenant m\n"                                            /* 1 */
		"role r\n"                                              /* 2 */
		"  allow subscribe m/unit/+/alert/+/+\n"                /* 3 */
		"  allow subscribe m/channel/#\n"                       /* 4 */
		"  allow receive   m/patient/+/msg\n"                   /* 5 */
		"  allow subscribe m/#\n"                               /* 6 */
		"  allow publish   m/unit/+/broadcast\n"                /* 7: sends, hears nothing */
		"  allow subscribe m/user/+/presence\n"                 /* 8: is no circle */
		"  allow subscribe m/unit/{unit}/#\n"                   /* 9: line 6 says it */
		"  deny  subscribe m/unit/+/vitals/+\n"                 /* 10 */
		"role s\n"                                              /* 11 */
		"  allow subscribe m/unit/+/alert/code/+ # meant: all come running\n"
		"  allow subscribe m/unit/+/alert/high/+ # meant\n";    /* 13: no reason given */
	CLEANUP(policy_close) struct policy *p = load(span_str(text));
	struct page page = { 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_string_equal(page.text,
			    "3 allow subscribe m/unit/+/alert/+/+ reaches every unit; {unit} in its place would reach the "
			    "holder's own\n"
			    "4 allow subscribe m/channel/# reaches every channel; {channel} in its place would reach the "
			    "holder's own\n"
			    "5 allow receive m/patient/+/msg reaches every patient; {patient} in its place would reach the "
			    "holder's own\n"
			    "6 allow subscribe m/# reaches topics of every kind\n"
			    "8 allow subscribe m/user/+/presence adds nothing: line 6 says it already\n"
			    "9 allow subscribe m/unit/{unit}/# adds nothing: line 6 says it already\n"
			    "10 deny subscribe m/unit/+/vitals/+ refuses whoever subscribes to all of m/#, which line 6 allows: a "
			    "filter is granted whole or not at all; 'deny receive' would hold back this part alone\n"
			    "13 allow subscribe m/unit/+/alert/high/+ reaches every unit; {unit} in its place would reach the "
			    "holder's own\n");
}

static void lint_knows_denies_that_cut_whole_subscriptions(void **state)
{
	static const struct { const char *rules, *says; } row[] = {
		{ "role a\n allow subscribe m/alert/+/+\n deny subscribe m/alert/icu/+\n",
		  "4 deny subscribe m/alert/icu/+ refuses whoever subscribes to all of m/alert/+/+, which line 3 allows: a filter is "
		  "granted whole or not at all; 'deny receive' would hold back this part alone\n" },
		{ "role a\n allow both m/{unit}/+\n deny both m/{unit}/x\n", "'deny publish, receive' would hold back" },
		{ "role a\n allow subscribe m/a/#\n deny subscribe m/a/{closed}/#\n", "4 deny subscribe m/a/{closed}/# refuses" },
		{ "role a\n allow subscribe m/a/#\n deny subscribe m/a/+\n", "4 deny subscribe m/a/+ refuses" },
		{ "role a\n allow subscribe m/a/#\n deny subscribe m/a\n", "4 deny subscribe m/a refuses" },
		{ "role a\n allow subscribe m/a/{u}/+\n deny subscribe m/a/icu/x\n", "4 deny subscribe m/a/icu/x refuses" },
		{ "role a includes b\n deny subscribe m/b/x\nrole b\n allow subscribe m/b/+\n", "which line 5 allows: a filter" },
		{ "role a\n allow subscribe m/b/+\nrole b\n deny subscribe m/b/x\n",
		  "which line 3 allows those who also hold a: a filter" },
		/* nothing is cut */
		{ "role a\n allow subscribe m/alert/+/+\n deny receive m/alert/icu/+\n", "" },
		{ "role a\n allow subscribe m/alert/+/+\n deny publish m/alert/icu/+\n allow publish m/#\n", "" },
		{ "role a\n allow subscribe m/unit/{unit}/alert/x\n deny subscribe m/unit/icu/#\n", "" },
		{ "role a\n allow subscribe m/unit/{unit}/alert/+\n deny subscribe m/unit/{closed}/alert/+\n", "" },
		{ "role a\n allow subscribe m/unit/{unit}/+\n deny subscribe m/unit/icu/#\n", "" },
		{ "role a\n allow subscribe m/a/c/{u}\n deny subscribe m/+/c/icu/#\n", "" },
		{ "role a\n allow publish m/+/+\n allow subscribe m/a/b\n deny both m/a/b\n", NULL },
		{ "role a\n allow subscribe m/alert/+/+\n deny subscribe m/alert/icu/+ # meant: each unit by itself\n", "" },
		{ "share channel c with n\nrole a\n allow subscribe m/channel/c/+\ntenant n\njoin channel c of m\nrole b\n"
		  " allow subscribe n/b/x/y\n allow subscribe m/channel/c/x\n"
		  " deny subscribe m/channel/c/{u}\n", "" },
		{ "role a\n allow subscribe m/b/+\nquarantine\n allow subscribe m/b/x\n deny subscribe m/b/{user}\n", "" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(policy_close) struct policy *p = NULL;
		struct page page = { 0 };

		snprintf(text, sizeof(text), "tenant m\n%s", row[i].rules);
		p = load(span_str(text));
		policy_lint(p, write_down, &page);
		if (row[i].says && (*row[i].says ? !strstr(page.text, row[i].says) : *page.text != '\0'))
			fail_msg("row %zu: %s", i, page.text);
		if (!row[i].says && strstr(page.text, "whole"))
			fail_msg("row %zu: %s", i, page.text);
	}
}

static void a_word_may_be_somebodys_value(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(SPAN_LIT("tenant m\nlife-critical m/unit/icu/alert\nrole a\n"
		"  allow publish m/unit/{unit}/alert\n  deny publish m/unit/lab/alert\n"));
	struct page page = { 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_string_equal(page.text, "");
}

static void lint_knows_rules_that_others_say_wherever_they_stand(void **state)
{
	static const struct { const char *rules, *says; } row[] = {
		{ "role a\n allow publish m/a/b\n allow publish m/a/+\n", "3 allow publish m/a/b adds nothing: line 4 says it too\n" },
		{ "role a\n deny publish m/a/b\n deny publish m/a/#\n allow publish m/+/b\n",
		  "3 deny publish m/a/b adds nothing: line 4 says it too\n" },
		{ "role a\n allow both m/a/b\n allow publish m/a/+\n allow subscribe m/a/+\n",
		  "3 allow both m/a/b adds nothing: line 4 and line 5 say it too\n" },
		{ "role a\n allow both m/a/b\nrole b includes a\n allow publish m/a/b\n",
		  "5 allow publish m/a/b adds nothing: line 3 says it already\n" },
		{ "role b includes a\n allow publish m/a/b\nrole a\n allow both m/a/+\n",
		  "3 allow publish m/a/b adds nothing: line 5 says it too\n" },
		{ "role c includes b\n allow both m/a/b\nrole b includes a\n allow publish m/a/+\nrole a\n allow subscribe m/a/+\n",
		  "3 allow both m/a/b adds nothing: line 5 and line 7 say it too\n" },
		{ "role a\n allow publish m/a/#\n allow publish m/+\n allow publish m/+/+\n allow publish m/+/+/+/#\n",
		  "3 allow publish m/a/# adds nothing: line 4, line 5 and line 6 say it too\n" },
		{ "role a\n allow publish m/a/#\n deny publish m/+\n deny publish m/+/+/#\n",
		  "3 allow publish m/a/# can never allow anything: line 4 and line 5 deny all of it\n" },
		{ "life-critical m/a/b\nlife-critical m/+/b\nrole a\n allow publish m/a/b\n allow publish m/c/b\n",
		  "2 life-critical m/a/b adds nothing: line 3 says it too\n" },
		{ "role a\n allow control user.create\n allow control user.*\n allow grant self\n",
		  "3 allow control user.create adds nothing: line 4 says it too\n" },
		/* each says something of its own */
		{ "role a\n allow both m/a/b\n allow publish m/a/+\n", "" },
		{ "role a\n allow publish m/a/{u}\n allow publish m/a/{v}\n", "" },
		{ "role a\n allow publish m/a/b\nrole b\n allow publish m/a/+\n", "" },
		{ "role a\n allow publish m/a/b\nrole b includes a\n allow publish m/a/+\n", "" },
		{ "role a\n allow publish m/a/#\n allow publish m/+\n allow publish m/+/+/+/#\n", "" },
		{ "role a\n allow subscribe m/a/{u}/#\n allow subscribe m/a/+\n allow subscribe m/a/+/+/#\n", "" },
		{ "role a\n allow publish m/a/{u}/#\n allow publish m/a/+\n allow publish m/a/+/+/#\n",
		  "3 allow publish m/a/{u}/# adds nothing: line 4 and line 5 say it too\n" },
		{ "role b includes a\n allow publish m/a/b\nrole a\n from 10.0.0.0/8\n allow publish m/a/+\n", "" },
		{ "role b includes a\n allow publish m/a/b\nrole a\n from 10.0.0.0/8\n deny publish m/a/+\n allow publish m/a/c\n",
		  "7 allow publish m/a/c can never allow anything: line 6 denies all of it\n" },
		{ "role a\n allow publish m/a/b # meant: it is what the ward asks for\n allow publish m/a/+\n", "" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(policy_close) struct policy *p = NULL;
		struct page page = { 0 };

		snprintf(text, sizeof(text), "tenant m\n%s", row[i].rules);
		p = load(span_str(text));
		policy_lint(p, write_down, &page);
		if (strcmp(page.text, row[i].says) != 0)
			fail_msg("row %zu: %s", i, page.text);
	}
}

/* What is one by itself and part of a '#' together is not told to go twice. */
static void of_rules_that_cover_each_other_one_stays(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(SPAN_LIT("tenant m\nrole a\n allow publish m/a/#\n"
		" allow publish m/a\n allow publish m/a/+/#\n"));
	struct page page = { 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_string_equal(page.text, "4 allow publish m/a adds nothing: line 3 says it already\n"
				       "5 allow publish m/a/+/# adds nothing: line 3 says it already\n");
}

static void lint_knows_denies_and_roles_of_included_roles(void **state)
{
	static const char text[] =
		"tenant m\n"                                            /* 1 */
		"role a\n"                                              /* 2 */
		"  allow publish m/x\n"                                 /* 3 */
		"  deny  publish m/y\n"                                 /* 4 */
		"  deny  publish m/nothing/#\n"                         /* 5 */
		"  deny  receive m/x\n"                                 /* 6 */
		"  deny  control user.delete\n"                         /* 7 */
		"role b includes a\n"                                   /* 8 */
		"  allow publish m/x\n"                                 /* 9 */
		"  allow publish m/y\n"                                 /* 10 */
		"role c includes b\n"                                   /* 11 */
		"quarantine\n"                                          /* 12 */
		"role d\n"                                              /* 13 */
		"  allow control user.*\n"                              /* 14 */
		"  allow control user.create\n";                        /* 15 */
	CLEANUP(policy_close) struct policy *p = load(span_str(text));
	struct page page = { 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_string_equal(page.text,
			    "5 deny publish m/nothing/# denies nothing: no role allows any of it\n"
			    "6 deny receive m/x denies nothing: no role allows any of it\n"
			    "9 allow publish m/x adds nothing: line 3 says it already\n"
			    "10 allow publish m/y can never allow anything: line 4 denies all of it\n"
			    "12 role quarantine allows nothing: it has no rules\n"
			    "14 whoever holds d can hand out anything, also to themselves: say what they may, as "
			    "'allow grant role/NAME', 'allow grant attribute/NAME/VALUE'\n"
			    "15 allow control user.create adds nothing: line 14 says it already\n");
}

static void lint_knows_who_can_hand_out_anything(void **state)
{
	static const struct { const char *rules, *says; } row[] = {
		{ "role a\n  allow control *\n", "3 whoever holds a can hand out anything" },
		{ "role a\n  allow control role.*\n", "3 whoever holds a can hand out anything" },
		{ "role a\n  allow control user.password\n", "3 whoever holds a can hand out anything" },
		{ "role a\n  allow control *  # meant: there is but one\n", "" },
		{ "role a\n  allow control user.get\n", "" },
		{ "role a\n  allow control role.revoke\n", "" },
		{ "role a\n  allow control *\n  allow grant role/a\n", "" },
		{ "role nurse\n  allow control *\n  allow grant role/nurze\n",
		  "4 allow grant role/nurze is about no role: there is none of that name; did you mean role/nurse?\n" },
		{ "role a\n  allow control *\n  allow grant role/+\n  allow grant role/a\n",
		  "5 allow grant role/a adds nothing: line 4 says it already\n" },
		{ "role a\n  allow control *\n  allow grant role/+\n  deny grant self\n",
		  "5 deny grant self denies nothing: no role allows any of it\n" },
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(policy_close) struct policy *p = NULL;
		struct page page = { 0 };

		snprintf(text, sizeof(text), "tenant m\n%s", row[i].rules);
		p = load(span_str(text));
		policy_lint(p, write_down, &page);
		if (!strstr(page.text, row[i].says) || !*row[i].says != !*page.text)
			fail_msg("row %zu: %s", i, page.text);
	}
}

static void lint_sees_a_slip_in_an_attribute(void **state)
{
	static const struct { const char *rules, *says; } row[] = {
		{ " allow subscribe m/{unit}/a\n allow subscribe m/{unit}/b\n allow subscribe m/{unit}/c\n allow subscribe m/{unt}/d\n",
		  "6 allow subscribe m/{unt}/d is about holders of an attribute 'unt' alone: did you mean {unit}?\n" },
		{ " allow subscribe m/{unit}/a\n allow subscribe m/{unit}/b\n allow subscribe m/{unit}/c\n deny receive m/{uint}/c\n",
		  "" },             /* two letters of four may be another word; what it denies is allowed */
		{ " allow subscribe m/{unit}/a\n allow subscribe m/{unit}/b\n allow subscribe m/{unit}/c\n"
		  " allow subscribe m/{unt}/d  # meant: another thing\n", "" },
		{ " allow subscribe m/{unit}/a\n allow subscribe m/{unit}/b\n allow subscribe m/{unt}/d\n", "" },
		{ " allow subscribe m/{unit}/a\n allow subscribe m/{unit}/b\n allow subscribe m/{unit}/c\n allow subscribe m/{team}/d\n",
		  "" },
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(policy_close) struct policy *p = NULL;
		struct page page = { 0 };

		snprintf(text, sizeof(text), "tenant m\nrole r\n%s", row[i].rules);
		p = load(span_str(text));
		policy_lint(p, write_down, &page);
		if (strcmp(page.text, row[i].says) != 0)
			fail_msg("row %zu: %s", i, page.text);
	}
}

static void lint_sees_people_in_topics(void **state)
{
	static const struct { const char *topic, *says; } row[] = {
		{ "m/x/john.smith", "'john.smith' looks like a person's name: " },
		{ "m/mrn_4711/x", "'mrn_4711' looks like a person's number or date: " },
		{ "m/patient/4711/msg", "'4711' looks like a person's number or date: " },
		{ "m/patient/smith/msg", "{patient} in its place would stand for the holder's own" },
		{ "m/patient/{patient}/msg", "" },
		{ "m/patient/all/msg", "" },
		{ "m/bed/4711/msg", "" },
		{ "m/unit/smith/msg", "" },
		{ "m/{john.smith}/x", "" },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(policy_close) struct policy *p = NULL;
		struct page page = { 0 };

		snprintf(text, sizeof(text), "tenant m\nrole r\n allow publish %s\n", row[i].topic);
		p = load(span_str(text));
		policy_lint(p, write_down, &page);
		if (!strstr(page.text, row[i].says) || !*row[i].says != !*page.text)
			fail_msg("%s: %s", row[i].topic, page.text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lint_finds_what_was_probably_not_meant),
		cmocka_unit_test(lint_knows_lock_outs_that_keep_out_nobody_or_everybody),
		cmocka_unit_test(lint_knows_what_reaches_too_far),
		cmocka_unit_test(lint_knows_denies_that_cut_whole_subscriptions),
		cmocka_unit_test(a_word_may_be_somebodys_value),
		cmocka_unit_test(lint_knows_rules_that_others_say_wherever_they_stand),
		cmocka_unit_test(of_rules_that_cover_each_other_one_stays),
		cmocka_unit_test(lint_knows_denies_and_roles_of_included_roles),
		cmocka_unit_test(lint_knows_who_can_hand_out_anything),
		cmocka_unit_test(lint_sees_a_slip_in_an_attribute),
		cmocka_unit_test(lint_sees_people_in_topics),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

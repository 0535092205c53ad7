#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ward.h"

static void an_explanation_names_rules_verdict_and_remedy(void **state)
{
	static const struct { int who; enum access a; const char *topic, *page; } row[] = {
		{ 0, GET, "mercy/unit/icu3/alert/high/nc1",
		  "4 role nurse, allow subscribe mercy/unit/{unit}/alert/+/+: allows it\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "9 role nurse, deny receive mercy/unit/+/alert/info/+: level 5 is 'high', not 'info'\n"
		  "0 allowed: ana may receive mercy/unit/icu3/alert/high/nc1, by line 4\n" },
		{ 0, GET, "mercy/unit/med4/alert/code/nc1",
		  "4 role nurse, allow subscribe mercy/unit/{unit}/alert/+/+: level 3 is 'med4', but unit of ana is icu3\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "9 role nurse, deny receive mercy/unit/+/alert/info/+: level 5 is 'code', not 'info'\n"
		  "0 denied: ana may not receive mercy/unit/med4/alert/code/nc1: no role of ana allows receive there\n"
		  "0 would be allowed if unit had med4 (line 4)\n"
		  "0 role boss would (line 12)\n" },
		{ 0, PUB, "mercy/unit/all/broadcast",
		  "5 role nurse, allow publish mercy/unit/{unit}/ack/+: level 4 is 'broadcast', not 'ack'\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "7 role nurse, deny publish mercy/unit/all/broadcast: denies it\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "0 denied: ana may not publish to mercy/unit/all/broadcast: line 7 denies it, and deny beats allow\n"
		  "0 line 7 would have to be narrowed or go, or ana lose role nurse\n"
		  "0 without it no rule would allow it\n" },
		{ 1, SUB, "mercy/unit/#",
		  "4 role nurse, allow subscribe mercy/unit/{unit}/alert/+/+: level 3 is '#', wider than what the rule says\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "7 role nurse, deny publish mercy/unit/all/broadcast: fits, but does not speak of subscribe\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "9 role nurse, deny receive mercy/unit/+/alert/info/+: fits, but does not speak of subscribe\n"
		  "12 role boss, allow both mercy/unit/#: allows it\n"
		  "13 role boss, deny subscribe mercy/unit/{closed}/#: denies a part of it\n"
		  "0 denied: bo may not subscribe to mercy/unit/#: line 13 denies a part of it, and a filter is granted whole or not "
		  "at all\n"
		  "0 line 13 would have to say deny receive, which holds back single messages and no subscription; or it would have "
		  "to be narrowed or go, or bo lose role boss\n"
		  "0 without it line 12 would allow it\n" },
		{ 1, SUB, "mercy/unit/lab/x",
		  "4 role nurse, allow subscribe mercy/unit/{unit}/alert/+/+: level 4 is 'x', not 'alert'\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "12 role boss, allow both mercy/unit/#: allows it\n"
		  "13 role boss, deny subscribe mercy/unit/{closed}/#: denies it\n"
		  "0 denied: bo may not subscribe to mercy/unit/lab/x: line 13 denies it, and deny beats allow\n"
		  "0 line 13 would have to be narrowed or go, or bo lose role boss\n"
		  "0 without it line 12 would allow it\n" },
		{ 2, PUB, "mercy/unit/icu3/alert/high/nc2",
		  "16 role box, allow publish mercy/unit/{unit}/alert/+/{device}: level 6 is 'nc2', not {device} of nc1\n"
		  "0 denied: nc1 may not publish to mercy/unit/icu3/alert/high/nc2: no role of nc1 allows publish there\n"
		  "0 role boss would (line 12)\n" },
		{ 3, SUB, "mercy/a/#",
		  "21 role same, allow subscribe mercy/a/+/c/#: level 3 is '#', wider than what the rule says\n"
		  "22 role same, allow subscribe mercy/a/b/c/d: level 3 is '#', wider than what the rule says\n"
		  "23 role same, deny subscribe mercy/z/#: level 2 is 'a', not 'z'\n"
		  "24 role same, allow subscribe mercy/z/#: level 2 is 'a', not 'z'\n"
		  "0 denied: cy may not subscribe to mercy/a/#: it is wider than what any one rule grants\n"
		  "0 a part of it is granted: subscribe within mercy/a/+/c/# (line 21)\n"
		  "0 a part of it is granted: subscribe within mercy/a/b/c/d (line 22)\n"
		  "0 no role of mercy would do, whatever values were added: the policy would need another rule\n" },
		{ 6, GET, "mercy/x",
		  "0 role ghost is not in this policy: it gives nothing\n"
		  "0 denied: fy may not receive mercy/x: no role of fy allows receive there\n"
		  "0 no role of mercy would do, whatever values were added: the policy would need another rule\n" },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct topic t = parse(row[i].a, row[i].topic);
		struct page page = { 0 };

		policy_explain(p, ward_person(&who, row[i].who), row[i].a, &t,
			       write_down, &page);
		assert_string_equal(page.text, row[i].page);
	}
}

static void an_explanation_names_networks_quarantine_and_commands(void **state)
{
	static const char text[] =
		"tenant mercy\n"                            /* 1 */
		"role office\n"                             /* 2 */
		"  from 10.20.0.0/16, ::1\n"                /* 3 */
		"  allow control user.*\n"                  /* 4 */
		"role nurse\n"                              /* 5 */
		"  allow publish mercy/x\n"                 /* 6 */
		"role chief includes nurse\n"               /* 7 */
		"quarantine\n"                              /* 8 */
		"  allow publish mercy/state\n";            /* 9 */
	static const struct { const char *roles, *address; bool quarantined; enum access a; const char *what, *page; } row[] = {
		{ "office", "10.21.0.1", false, ACCESS_CONTROL, "user.create",
		  "2 role office is for 10.20.0.0/16, 0:0:0:0:0:0:0:1 only, not for '10.21.0.1': it gives nothing\n"
		  "0 denied: ana may not control user.create: no role of ana allows control there\n"
		  "0 no role of mercy would do, whatever values were added: the policy would need another rule\n" },
		{ "office", "10.20.0.1", false, ACCESS_CONTROL, "user.create",
		  "4 role office, allow control user.*: allows it\n"
		  "0 allowed: ana may control user.create, by line 4\n" },
		{ "office", "10.20.0.1", false, ACCESS_CONTROL, "user",
		  "4 role office, allow control user.*: has 2 levels or more, not 1\n"
		  "0 denied: ana may not control user: no role of ana allows control there\n"
		  "0 no role of mercy would do, whatever values were added: the policy would need another rule\n" },
		{ "chief", "", false, PUB, "mercy/x",
		  "6 role nurse, allow publish mercy/x: allows it\n"
		  "0 allowed: ana may publish to mercy/x, by line 6\n" },
		{ "chief", "", true, PUB, "mercy/x",
		  "9 role quarantine, allow publish mercy/state: level 2 is 'x', not 'state'\n"
		  "0 denied: ana may not publish to mercy/x: in quarantine, and what may be reached from there does not include it\n"
		  "0 ana would have to be released from quarantine\n" },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(text));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct subject *s = person(&who, USER, "ana", row[i].roles, "");
		struct topic t;
		struct page page = { 0 };

		s->address = span_str(row[i].address);
		s->quarantined = row[i].quarantined;
		if (row[i].a == ACCESS_CONTROL)
			assert_int_equal(control_parse(span_str(row[i].what), &t), OK);
		else
			t = parse(row[i].a, row[i].what);
		policy_explain(p, s, row[i].a, &t, write_down, &page);
		assert_string_equal(page.text, row[i].page);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_explanation_names_rules_verdict_and_remedy),
		cmocka_unit_test(an_explanation_names_networks_quarantine_and_commands),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

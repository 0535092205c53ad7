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
		{ "tenant a\ntenant b\nrole r\ntenant a\nallow publish a/x\n", 5, 1, "belongs to a role" },
		{ "tenant a\nrole r\ntenant b\nrole r\n", 4, 6, "role 'r' stands in line 2 already" },
		{ "tenant a\nrole r\ntenant b\nrole s includes r\n", 4, 17, "'r' is another tenant's, see line 2" },
		{ "tenant a\nquarantine\ntenant b\nquarantine\nquarantine\n", 5, 1, "quarantine stands in line 4 already" },
		{ "tenant a\ntenant b\nrole r\n allow both a/channel/c/#\n", 4, 13, "b has joined no channel of a" },
		{ "tenant a\ntenant b\nrole r\n allow both a/unit/u/#\n", 4, 13, "only channels can be reached: 'a/channel/NAME/...'" },
		{ "tenant a\ntenant b\njoin channel c of a\nrole r\n allow both a/channel\n", 5, 13, "only channels can be reached" },
		{ "tenant a\ntenant b\njoin channel c of a\nlife-critical a/channel/c/msg\n", 4, 15, "begins with the tenant: 'b/...'" },
		{ "tenant a\nshare channel c with b\n", 2, 22, "there is no tenant 'b': some line must be 'tenant b'" },
		{ "tenant a\nshare channel c with a\n", 2, 22, "name the other tenant" },
		{ "tenant a\nshare channel c of b\n", 2, 17, "'of' should be 'with': share channel NAME" },
		{ "tenant a\njoin channel c with b\n", 2, 16, "'with' should be 'of': join channel NAME" },
		{ "tenant a\nshare unit c with b\n", 2, 7, "'unit' should be 'channel'" },
		{ "tenant a\nshare channel c, with b\n", 2, 24, "right would be: share channel NAME[, ...] with TENANT" },
		{ "tenant a\nshare channel c with b x\n", 2, 24, "'x' is too much" },
		{ "tenant a\nshare channel c{} with b\n", 2, 15, "cannot be the name of a channel" },
		{ "tenant a\nshare channel c with\n", 2, 21, "right would be: share channel NAME[, ...] with TENANT" },
		{ "tenant m#1\n", 1, 8, "'m#1' cannot be" },
		{ "tenant m\nallow publish m/x\n", 2, 1, "belongs to a role" },
		{ "tenant m\nlogoff after 5m idle\n", 2, 1, "belongs to a role" },
		{ "tenant m\nrole r\nrole r\n", 3, 6, "role 'r' stands in line 2 already" },
		{ "tenant m\nrole r{}\n", 2, 6, "cannot be the name of a role" },
		{ "tenant m\nrole r\n alow publish m/x\n", 3, 2, "did you mean 'allow'?" },
		{ "tenant m\nrole r\n ALLOW publish m/x\n", 3, 2, "did you mean 'allow'?" },
		{ "tenant m\nrole r\n permit publish m/x\n", 3, 2, "right would be tenant, share, join, include, role, quarantine, allow" },
		{ "tenant m\nrole r\n lifecritical m/x\n", 3, 2, "did you mean 'life-critical'?" },
		{ "tenant m\nrole r\n allow\tpublsih m/x\n", 3, 8, "did you mean 'publish'?" },
		{ "tenant m\nrole r\n allow write m/x\n", 3, 8, "right would be publish, subscribe, receive, both, control or grant" },
		{ "tenant m\nrole r\n allow publish\n", 3, 15, "allow publish|subscribe|receive|both[, ...] PATTERN" },
		{ "tenant m\nrole r\n allow publish # m/x\n", 3, 15, "allow publish|subscribe|receive|both[, ...] PATTERN" },
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
		{ "tenant m\nrole r\n allow publish m/x, m/y\n", 3, 19, "',' is too much" },
		{ "tenant m\nrole r\n allow publish, m/x\n", 3, 17, "'m/x' is no access" },
		{ "tenant m\nrole r\n allow publish,, receive m/x\n", 3, 16, "an access is missing" },
		{ "tenant m\nrole r\n allow , publish m/x\n", 3, 8, "an access is missing" },
		{ "tenant m\nrole r\n allow publish,\n", 3, 16, "an access is missing" },
		{ "tenant m\nrole r\n allow publish, receive\n", 3, 24, "the line ends too early" },
		{ "tenant m\nrole r\n allow publish subscribe m/x\n", 3, 26, "'m/x' is too much" },
		{ "tenant m\nrole r\n allow control, publish m/x\n", 3, 17, "'control' is about commands" },
		{ "tenant m\nrole r\n allow control user.*.x\n", 3, 21, "'*' is no word of a command; right would be user.create" },
		{ "tenant m\nrole r\n allow control user..x\n", 3, 21, "'' is no word of a command" },
		{ "tenant m\nrole r\n allow control user.{id}\n", 3, 21, "'{id}' is no word" },
		{ "tenant m\nrole r\n allow control a.b.c.d.e.f.g.h.i.j.k.l\n", 3, 38, "is the twelfth" },
		{ "tenant m\nrole a includes\n", 2, 16, "a role is missing" },
		{ "tenant m\nrole a includs b\n", 2, 8, "should be 'includes'" },
		{ "tenant m\nrole a includes b c\n", 2, 19, "'c' is too much" },
		{ "tenant m\nrole a includes b,\n", 2, 19, "a role is missing" },
		{ "tenant m\nrole a includes b{}\n", 2, 17, "cannot be the name of a role" },
		{ "tenant m\nrole a includes b\n", 2, 17, "there is no role 'b': some line must be 'role b'" },
		{ "tenant m\nrole a includes quarantine\nquarantine\n", 2, 17, "there is no role 'quarantine'" },
		{ "tenant m\nrole a includes a\n", 2, 17, "role 'a' includes itself: a > a" },
		{ "tenant m\nrole a includes b\nrole b includes c\nrole c includes a\n", 4, 17, "itself: a > b > c > a" },
		{ "tenant m\nrole x includes a\nrole a includes d, b\nrole b includes a\nrole d\n", 4, 17, "'a' includes itself: a > b > a" },
		{ "tenant m\nquarantine\nquarantine\n", 3, 1, "quarantine stands in line 2 already" },
		{ "tenant m\nquarantine now\n", 2, 12, "'now' is too much" },
		{ "tenant m\nfrom 10.0.0.0/8\n", 2, 1, "belongs to a role" },
		{ "tenant m\nrole r\n from\n", 3, 6, "from NETWORK" },
		{ "tenant m\nrole r\n from 10.0.0.0/8,\n", 3, 18, "a network is missing" },
		{ "tenant m\nrole r\n from 10.0.0.0/8 10.1.0.0/16\n", 3, 18, "is too much" },
		{ "tenant m\nrole r\n from 10.0.0.0/33\n", 3, 7, "length of 0 to 32" },
		{ "tenant m\nrole r\n from 10.1.0.0/8\n", 3, 7, "the bits behind its length must be zero" },
		{ "tenant m\nrole r\n from ward3\n", 3, 7, "'ward3' is no network; right would be 10.1.0.0/16" },
		{ "tenant m\nrole r\n limit speed 3\n", 3, 8, "right would be rate, size, qos or sessions" },
		{ "tenant m\nrole r\n limit qso 3\n", 3, 8, "did you mean 'qos'?" },
		{ "tenant m\nrole r\n limit rate\n", 3, 12, "right would be: limit rate 10/s burst 50" },
		{ "tenant m\nrole r\n limit rate 10\n", 3, 13, "right would be 10/s, 600/m or 50/h" },
		{ "tenant m\nrole r\n limit rate 0/s\n", 3, 13, "'0/s' is no rate" },
		{ "tenant m\nrole r\n limit rate 1000001/s\n", 3, 13, "from 1 to 1000000" },
		{ "tenant m\nrole r\n limit rate 10/s bursts 5\n", 3, 18, "should be 'burst'" },
		{ "tenant m\nrole r\n limit rate 10/s burst\n", 3, 23, "a number is missing" },
		{ "tenant m\nrole r\n limit rate 10/s burst 0\n", 3, 24, "'0' is no number of messages" },
		{ "tenant m\nrole r\n limit rate 10/s burst 5 6\n", 3, 26, "'6' is too much" },
		{ "tenant m\nrole r\n limit size 64\n", 3, 13, "right would be 500B, 64KiB or 1MiB" },
		{ "tenant m\nrole r\n limit size 64KB\n", 3, 13, "no size" },
		{ "tenant m\nrole r\n limit size 256MiB\n", 3, 13, "below 256MiB" },
		{ "tenant m\nrole r\n limit size KiB\n", 3, 13, "no size" },
		{ "tenant m\nrole r\n limit qos 3\n", 3, 12, "right would be 0, 1 or 2" },
		{ "tenant m\nrole r\n limit sessions 0\n", 3, 17, "right would be 1 to 1000" },
		{ "tenant m\nrole r\n limit qos 1\n limit qos 2\n", 4, 2, "qos was said for this role in line 3 already" },
		{ "tenant m\nrole r\n no wills\n", 3, 5, "did you mean 'will'?" },
		{ "tenant m\nrole r\n no will\n no will\n", 4, 2, "in line 3 already" },
		{ "tenant m\nrecord some m/x\n", 2, 8, "right would be full, digest or off" },
		{ "tenant m\nrecord off\n", 2, 11, "record full|digest|off PATTERN" },
		{ "tenant m\nrecord off m/+/x\nrecord full m/{u}/x\n", 3, 1, "was said in line 2 already" },
		{ "tenant m\nlock-out\n", 2, 9, "lock-out [address|account] after" },
		{ "tenant m\nlock-out addres after 5 failures in 1m for 1m\n", 2, 10, "should be 'after'" },
		{ "tenant m\nlock-out after 5\n", 2, 17, "right would be: lock-out after 5 failures in 10m for 15m" },
		{ "tenant m\nlock-out address after 5 failures in 1m\n", 2, 40, "lock-out address after 50" },
		{ "tenant m\nlock-out after 5 tries in 1m for 1m\n", 2, 18, "'tries' should be 'failures'" },
		{ "tenant m\nlock-out after 0 failures in 1m for 1m\n", 2, 16, "1 to 1000" },
		{ "tenant m\nlock-out after 1001 failures in 1m for 1m\n", 2, 16, "1 to 1000" },
		{ "tenant m\nlock-out after 5 failures in 1 for 1m\n", 2, 30, "no duration" },
		{ "tenant m\nlock-out after 5 failures in 1m for 169h\n", 2, 37, "from 1s to 168h" },
		{ "tenant m\nlock-out after 5 failures in 1m for 1m now\n", 2, 40, "'now' is too much" },
		{ "tenant m\nlock-out account never ever\n", 2, 24, "'ever' is too much" },
		{ "tenant m\nlock-out never\nlock-out after 5 failures in 1m for 1m\n", 3, 1, "said in line 2 already" },
		{ "tenant m\ninclude\n", 2, 8, "include FILE" },
		{ "tenant m\ninclude a b\n", 2, 11, "include FILE" },
		{ "tenant m\ninclude a\n", 2, 9, "files cannot be included here" },
		{ "tenant m\ninclude /etc/passwd\n", 2, 9, "lies below the folder" },
		{ "tenant m\nrole r\nallow grant nurse\n", 3, 13, "'nurse' cannot be handed out; right would be role/NAME" },
		{ "tenant m\nrole r\nallow grant role/a/b\n", 3, 13, "cannot be handed out" },
		{ "tenant m\nrole r\nallow grant attribute/unit/#\n", 3, 13, "cannot be handed out" },
		{ "tenant m\nrole r\nallow grant +\n", 3, 13, "cannot be handed out" },
		{ "tenant m\nrole r\nallow grant role/a*b\n", 3, 18, "letters, digits" },
		{ "tenant m\nrole r\nallow grant, publish m/x\n", 3, 14, "stands alone" },
		{ "tenant m\ninclude a/../../b\n", 2, 9, "lies below the folder" },
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

static void check_lockout(const struct policy_lockout *l, uint32_t failures, uint32_t within_s, uint32_t for_s)
{
	assert_int_equal(l->failures, failures);
	assert_int_equal(l->within_s, within_s);
	assert_int_equal(l->for_s, for_s);
}

static void a_lock_out_is_as_said_or_sensible(void **state)
{
	CLEANUP(policy_close) struct policy *plain = load(SPAN_LIT("tenant m\n")), *said = load(SPAN_LIT(
		"tenant m\nrole r\n allow both m/x\nlock-out after 3 failures in 90s for 1h\n allow both m/y\n"
		"lock-out address never\nlock-out account after 100 failures in 1h for 5m # all\n"));
	const struct policy_lockout *l = policy_lockout(plain);

	(void)state;
	check_lockout(&l[LOCKOUT_PERSON], 5, 600, 900);
	check_lockout(&l[LOCKOUT_ADDRESS], 50, 600, 900);
	check_lockout(&l[LOCKOUT_ACCOUNT], 0, 0, 0);
	l = policy_lockout(said);
	check_lockout(&l[LOCKOUT_PERSON], 3, 90, 3600);
	check_lockout(&l[LOCKOUT_ADDRESS], 0, 0, 0);
	check_lockout(&l[LOCKOUT_ACCOUNT], 100, 3600, 300);
	assert_int_equal(policy_count(said).rules, 2);   /* the role goes on behind it */
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
		"tenant m\nrole r\n allow publish,receive m/a\n deny publish ,subscribe, both m/b # x, y\n allow control *\n",
		"tenant m\nrole a includes b,c , d\nrole b includes d\nrole c includes d\nrole d\n",
		"tenant m\nquarantine\n allow publish m/x\n logoff after 1m idle\n from ::1\n",
		"tenant m\nrole r\n from 10.0.0.0/8, 2001:db8::/32\n from 127.0.0.1,::1/128\n no will\n no retain\n",
		"tenant m\nrole r\n limit rate 1000000/s burst 1000000\n limit size 255MiB\n limit qos 0\n limit sessions 1000\n",
		"tenant m\nrecord off m/#\nrecord digest m/+/#\nrecord full m/x/+\nrole r\n record full m/x/y\n",
		"\r\r tenant m\n\r role r\n\r\rallow publish m/x\n\r from ::1\n",
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
		cmocka_unit_test(a_lock_out_is_as_said_or_sensible),
		cmocka_unit_test(odd_but_right_texts_load),
		cmocka_unit_test(limits_are_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

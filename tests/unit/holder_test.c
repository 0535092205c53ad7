#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ward.h"

static const char house[] =
	"tenant mercy\n"                                            /* 1 */
	"role base\n"                                               /* 2 */
	"  allow publish mercy/base\n"                              /* 3 */
	"  limit rate 10/s\n"                                       /* 4 */
	"  limit qos 0\n"                                           /* 5 */
	"  limit sessions 1\n"                                      /* 6 */
	"role nurse includes base\n"                                /* 7 */
	"  allow publish mercy/nurse\n"                             /* 8 */
	"  deny publish mercy/lab\n"                                /* 9 */
	"  limit rate 300/m burst 90\n"                             /* 10 */
	"  limit size 64KiB\n"                                      /* 11 */
	"  logoff after 15m idle\n"                                 /* 12 */
	"role tech\n"                                               /* 13 */
	"  allow publish mercy/lab\n"                               /* 14 */
	"  limit qos 1\n"                                           /* 15 */
	"  limit size 1MiB\n"                                       /* 16 */
	"  no will\n"                                               /* 17 */
	"role chief includes nurse, tech\n"                         /* 18 */
	"  allow publish mercy/chief\n"                             /* 19 */
	"  no retain\n"                                             /* 20 */
	"role office includes tech\n"                               /* 21 */
	"  from 10.20.0.0/16, 2001:db8::/32\n"                      /* 22 */
	"  from 127.0.0.1\n"                                        /* 23 */
	"  allow control user.*\n"                                  /* 24 */
	"  allow control policy.get\n"                              /* 25 */
	"  deny control user.delete\n"                              /* 26 */
	"role free includes office\n"                               /* 27 */
	"  allow control *\n"                                       /* 28 */
	"quarantine\n"                                              /* 29 */
	"  allow publish mercy/device/{device}/state\n"             /* 30 */
	"  limit rate 1/h burst 3\n"                                /* 31 */
	"role plain\n"                                              /* 32 */
	"  allow publish mercy/plain\n"                             /* 33 */
	"record off mercy/unit/#\n"                                 /* 34 */
	"record digest mercy/unit/+/vitals/+\n"                     /* 35 */
	"record full mercy/unit/icu3/vitals/#\n"                    /* 36 */
	"record digest mercy/{tenant}/x\n";                         /* 37 */

static struct holder *bind(const struct policy *p, const char *roles, const char *address, bool quarantined)
{
	struct person who;
	struct subject *s = person(&who, quarantined ? DEVICE : USER, "ana", roles, "");
	struct holder *h;

	s->address = span_str(address);
	s->quarantined = quarantined;
	assert_int_equal(policy_bind(p, s, &h), OK);
	return h;
}

static void a_role_gives_what_it_includes(void **state)
{
	static const struct { const char *roles, *topic; enum why why; uint32_t line; } row[] = {
		{ "chief", "mercy/chief", WHY_ALLOWED, 19 }, { "chief", "mercy/nurse", WHY_ALLOWED, 8 },
		{ "chief", "mercy/base", WHY_ALLOWED, 3 }, { "chief", "mercy/lab", WHY_DENIED, 9 },
		{ "nurse", "mercy/base", WHY_ALLOWED, 3 }, { "nurse", "mercy/chief", WHY_NO_RULE, 0 },
		{ "base", "mercy/nurse", WHY_NO_RULE, 0 }, { "tech nurse", "mercy/lab", WHY_DENIED, 9 },
		{ "tech", "mercy/lab", WHY_ALLOWED, 14 }, { "chief chief nurse", "mercy/chief", WHY_ALLOWED, 19 },
		{ "quarantine", "mercy/device/ana/state", WHY_NO_RULE, 0 },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(house));

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(holder_close) struct holder *h = bind(p, row[i].roles, "", false);
		struct topic t = parse(PUB, row[i].topic);
		struct verdict v = policy_decide(p, h, PUB, &t);

		if (v.why != row[i].why || v.line != row[i].line)
			fail_msg("%s %s: %s, line %u", row[i].roles, row[i].topic, why_text(v.why), v.line);
	}
}

static void of_limits_the_most_generous_counts_and_of_denials_any(void **state)
{
	enum { NO = POLICY_NO_LIMIT };
	static const struct { const char *roles; struct policy_limits limits; } row[] = {
		{ "plain", { NO, NO, NO, NO, 2, true, true } },
		{ "", { NO, NO, NO, NO, 2, true, true } },
		{ "base", { 36000, 10, NO, 1, 0, true, true } },
		{ "nurse", { 36000, 90, 65536, 1, 0, true, true } },
		{ "tech", { NO, NO, 1 << 20, NO, 1, false, true } },
		{ "tech plain", { NO, NO, 1 << 20, NO, 1, false, true } },
		{ "tech nurse", { 36000, 90, 1 << 20, 1, 1, false, true } },
		{ "chief", { 36000, 90, 1 << 20, 1, 1, false, false } },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(house));
	CLEANUP(holder_close) struct holder *q = bind(p, "chief", "", true);
	struct person who;
	struct subject *other = person(&who, USER, "ana", "chief", "");
	struct holder *h;
	struct policy_limits l;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		const struct policy_limits *want = &row[i].limits;

		h = bind(p, row[i].roles, "", false);
		l = policy_limits(p, h);
		if (l.rate_per_h != want->rate_per_h || l.burst != want->burst || l.bytes != want->bytes ||
		    l.sessions != want->sessions || l.qos != want->qos || l.will != want->will || l.retain != want->retain)
			fail_msg("%s: rate %u burst %u bytes %u sessions %u qos %u will %d retain %d", row[i].roles, l.rate_per_h,
				 l.burst, l.bytes, l.sessions, l.qos, l.will, l.retain);
		holder_close(&h);
	}
	l = policy_limits(p, q);
	assert_true(l.rate_per_h == 1 && l.burst == 3 && l.bytes == NO && l.qos == 2 && l.will && l.retain);
	l = policy_limits(p, NULL);
	assert_true(!l.rate_per_h && !l.burst && !l.bytes && !l.sessions && !l.qos && !l.will && !l.retain);
	other->tenant = span_str("merci");
	assert_int_equal(policy_bind(p, other, &h), OK);
	l = policy_limits(p, h);
	assert_true(!l.rate_per_h && !l.bytes && !l.sessions && !l.will);
	holder_close(&h);
}

static void a_role_counts_only_where_it_may_come_from(void **state)
{
	static const struct { const char *roles, *address; bool control, lab; } row[] = {
		{ "office", "10.20.3.4", true, true }, { "office", "::ffff:10.20.3.4", true, true },
		{ "office", "2001:db8::7", true, true }, { "office", "127.0.0.1", true, true },
		{ "office", "10.21.0.1", false, false }, { "office", "", false, false },
		{ "office", "unix", false, false }, { "office plain", "10.21.0.1", false, false },
		{ "office tech", "10.21.0.1", false, true }, { "plain", "", false, false },
		{ "", "10.21.0.1", false, false }, { "ghost", "10.21.0.1", false, false },
		{ "free", "10.21.0.1", true, false }, { "free", "10.20.0.1", true, true },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(house));
	struct topic lab = parse(PUB, "mercy/lab");

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(holder_close) struct holder *h = bind(p, row[i].roles, row[i].address, false);

		if (policy_control(p, h, SPAN_LIT("user.create")).allow != row[i].control ||
		    policy_decide(p, h, PUB, &lab).allow != row[i].lab)
			fail_msg("row %zu: %s from %s", i, row[i].roles, row[i].address);
	}
}

static void commands_are_allowed_by_name(void **state)
{
	static const struct { const char *roles, *command; enum why why; uint32_t line; } row[] = {
		{ "office", "user.create", WHY_ALLOWED, 24 }, { "office", "user.role.add", WHY_ALLOWED, 24 },
		{ "office", "user", WHY_NO_RULE, 0 }, { "office", "users.create", WHY_NO_RULE, 0 },
		{ "office", "user.delete", WHY_DENIED, 26 }, { "office", "user.delete.all", WHY_ALLOWED, 24 },
		{ "office", "policy.get", WHY_ALLOWED, 25 }, { "office", "policy.set", WHY_NO_RULE, 0 },
		{ "office", "policy.get.all", WHY_NO_RULE, 0 }, { "office", "policy", WHY_NO_RULE, 0 },
		{ "free", "x", WHY_ALLOWED, 28 }, { "free", "a.b.c.d", WHY_ALLOWED, 28 }, { "free", "user.delete", WHY_DENIED, 26 },
		{ "free", "", WHY_GRAMMAR, 0 }, { "free", "a..b", WHY_GRAMMAR, 0 }, { "free", ".", WHY_GRAMMAR, 0 },
		{ "free", "*", WHY_GRAMMAR, 0 }, { "free", "user.*", WHY_GRAMMAR, 0 }, { "free", "a.+", WHY_GRAMMAR, 0 },
		{ "free", "a.#", WHY_GRAMMAR, 0 }, { "free", "a/b", WHY_GRAMMAR, 0 }, { "free", "$SYS.x", WHY_GRAMMAR, 0 },
		{ "free", "1.2.3.4.5.6.7.8.9.10.11.12.13", WHY_GRAMMAR, 0 }, { "plain", "user.create", WHY_NO_RULE, 0 },
		{ "chief", "mercy.base", WHY_NO_RULE, 0 },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(house));
	struct topic t = parse(PUB, "user/create");

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(holder_close) struct holder *h = bind(p, row[i].roles, "10.20.0.1", false);
		struct verdict v = policy_control(p, h, span_str(row[i].command));

		if (v.why != row[i].why || v.line != row[i].line)
			fail_msg("%s %s: %s, line %u", row[i].roles, row[i].command, why_text(v.why), v.line);
		assert_false(policy_decide(p, h, PUB, &t).allow);       /* a command is no topic */
		assert_false(policy_decide(p, h, GET, &t).allow);
	}
	assert_false(policy_control(p, NULL, SPAN_LIT("user.create")).allow);
}

static void the_quarantined_may_do_what_stands_there_and_nothing_else(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(house));
	CLEANUP(policy_close) struct policy *none = load(span_str("tenant mercy\nrole plain\n allow both mercy/#\n"));
	CLEANUP(holder_close) struct holder *h = bind(p, "chief plain", "", true);
	CLEANUP(holder_close) struct holder *shut = bind(none, "plain", "", true);
	struct topic state_topic = parse(PUB, "mercy/device/ana/state"), plain = parse(PUB, "mercy/plain"),
		     other = parse(PUB, "mercy/device/bo/state"), all = parse(SUB, "mercy/#");

	(void)state;
	assert_int_equal(policy_decide(p, h, PUB, &state_topic).line, 30);
	assert_int_equal(policy_decide(p, h, PUB, &plain).why, WHY_QUARANTINED);
	assert_int_equal(policy_decide(p, h, PUB, &other).why, WHY_QUARANTINED);
	assert_int_equal(policy_decide(p, h, SUB, &all).why, WHY_QUARANTINED);
	assert_int_equal(policy_decide(none, shut, PUB, &plain).why, WHY_QUARANTINED);
	assert_false(policy_has_role(p, SPAN_LIT("quarantine")));
}

static void the_most_specific_line_says_how_to_record(void **state)
{
	static const struct { const char *topic; enum policy_record record; } row[] = {
		{ "mercy/unit/icu3/alert/high/nc1", POLICY_RECORD_OFF }, { "mercy/unit", POLICY_RECORD_OFF },
		{ "mercy/unit/med4/vitals/t1", POLICY_RECORD_DIGEST }, { "mercy/unit/med4/vitals/t1/x", POLICY_RECORD_OFF },
		{ "mercy/unit/icu3/vitals/t1", POLICY_RECORD_FULL }, { "mercy/unit/icu3/vitals", POLICY_RECORD_FULL },
		{ "mercy/unit/icu3/vitals/t1/x", POLICY_RECORD_FULL }, { "mercy/unit/icu3/vital", POLICY_RECORD_OFF },
		{ "mercy/channel/c1/msg", POLICY_RECORD_FULL }, { "mercy/unit/x", POLICY_RECORD_OFF },
		{ "mercy/channel/x", POLICY_RECORD_DIGEST }, { "mercy", POLICY_RECORD_FULL },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(house));
	CLEANUP(holder_close) struct holder *h = bind(p, "plain", "", false);

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct topic t = parse(PUB, row[i].topic);

		if (policy_decide(p, h, PUB, &t).record != row[i].record || policy_decide(p, h, GET, &t).record != row[i].record)
			fail_msg("%s: %s", row[i].topic, policy_record_name(policy_decide(p, h, PUB, &t).record));
	}
}

static void nobody_reaches_by_inclusion_what_is_too_far(void **state)
{
	char *text = malloc(1 << 16), *at = stpcpy(text, "tenant m\n");
	struct policy_error where;
	struct policy *p = NULL;

	(void)state;
	for (int i = 0; i < 62; i++)
		at += sprintf(at, "role r%d includes r%d\n", i, i + 1);
	at += sprintf(at, "role r62 includes last\nrole last\n allow publish m/x\n");
	p = load(span_str(text));       /* 64 with the first */
	policy_close(&p);
	sprintf(at, "role first includes r0\n");
	assert_int_equal(policy_load(span_str(text), &p, &where), ERR_SYNTAX);
	assert_non_null(strstr(where.text, "more than 63 others"));
	at = stpcpy(text, "tenant m\nrole all includes r0");
	for (int i = 1; i < 64; i++)
		at += sprintf(at, ", r%d", i);
	for (int i = 0; i < 64; i++)
		at += sprintf(at, "\nrole r%d", i);
	assert_int_equal(policy_load(span_str(text), &p, &where), ERR_SYNTAX);
	assert_int_equal(where.line, 2);
	assert_non_null(strstr(where.text, "more than 63 others"));
	free(text);
}

static void rights_are_kept_by_who_has_all_there_was_and_no_new_denial(void **state)
{
	static const char text[] =
		"tenant mercy\n"
		"role a\n  allow subscribe mercy/unit/{unit}/a\n"
		"role b\n  allow subscribe mercy/unit/{unit}/b\n"
		"role no\n  deny subscribe mercy/unit/{unit}/a\n"
		"quarantine\n  allow publish mercy/device/{device}/state\n";
	static const struct { const char *roles, *held, *then_roles, *then; bool quarantined, keeps; } row[] = {
		{ "a", "unit=x", "a", "unit=x", false, true },
		{ "a", "unit=x", "a b", "unit=x unit=y", false, true },
		{ "a b", "unit=x", "a", "unit=x", false, false },
		{ "a", "unit=x unit=y", "a", "unit=x", false, false },
		{ "a", "unit=x", "a", "unit=y", false, false },
		{ "a", "unit=x", "a", "", false, false },
		{ "a", "unit=x", "a", "channel=x", false, false },
		{ "a no", "unit=x", "a no", "unit=x", false, true },
		{ "a no", "unit=x", "a no", "unit=x unit=y", false, false },
		{ "a", "unit=x", "a no", "unit=x", false, false },
		{ "a", "unit=x", "a", "unit=x", true, false },
		{ "", "", "a", "unit=x", false, true },
	};
	struct policy *p = load(span_str(text));
	struct person before, then;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(holder_close) struct holder *h = NULL, *now = NULL;

		assert_int_equal(policy_bind(p, person(&before, USER, "ana", row[i].roles, row[i].held), &h), OK);
		person(&then, USER, "ana", row[i].then_roles, row[i].then)->quarantined = row[i].quarantined;
		assert_int_equal(policy_bind(p, &then.s, &now), OK);
		if (policy_keeps(p, h, now) != row[i].keeps)
			fail_msg("row %zu", i);
		assert_false(policy_keeps(p, NULL, now) || policy_keeps(p, h, NULL));
	}
	policy_close(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_gives_what_it_includes),
		cmocka_unit_test(of_limits_the_most_generous_counts_and_of_denials_any),
		cmocka_unit_test(a_role_counts_only_where_it_may_come_from),
		cmocka_unit_test(commands_are_allowed_by_name),
		cmocka_unit_test(the_quarantined_may_do_what_stands_there_and_nothing_else),
		cmocka_unit_test(the_most_specific_line_says_how_to_record),
		cmocka_unit_test(nobody_reaches_by_inclusion_what_is_too_far),
		cmocka_unit_test(rights_are_kept_by_who_has_all_there_was_and_no_new_denial),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

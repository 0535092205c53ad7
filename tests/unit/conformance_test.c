/* What the policy of a small hospital decides, by a table: one row is three decisions. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ward.h"

static const char hospital[] =
	"tenant mercy\n"                                            /* 1 */
	"life-critical mercy/unit/+/alert/code/+\n"                 /* 2 */
	"role staff\n"                                              /* 3 */
	"  allow subscribe mercy/unit/all/broadcast\n"              /* 4 */
	"  allow publish mercy/user/+/inbox\n"                      /* 5 */
	"  allow subscribe mercy/user/{user}/inbox\n"               /* 6 */
	"  deny publish mercy/user/{blocked}/inbox\n"               /* 7 */
	"role nurse includes staff\n"                               /* 8 */
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"           /* 9 */
	"  allow publish, subscribe mercy/unit/{unit}/ack/+\n"      /* 10 */
	"  allow both mercy/channel/{channel}/#\n"                  /* 11 */
	"  deny publish mercy/channel/+/pinned\n"                   /* 12 */
	"  deny receive mercy/unit/+/alert/info/+\n"                /* 13 */
	"role charge includes nurse\n"                              /* 14 */
	"  allow publish mercy/unit/{unit}/broadcast\n"             /* 15 */
	"  allow subscribe mercy/unit/+/alert/code/+\n"             /* 16 */
	"  allow control grant.*\n"                                 /* 17 */
	"role doctor includes staff\n"                              /* 18 */
	"  allow publish, receive mercy/patient/{patient}/msg\n"    /* 19 */
	"  allow subscribe mercy/patient/{patient}/vitals/#\n"      /* 20 */
	"  deny subscribe mercy/patient/{withheld}/#\n"             /* 21 */
	"role box\n"                                                /* 22 */
	"  allow publish mercy/unit/{unit}/alert/+/{device}\n"      /* 23 */
	"  allow both mercy/device/{device}/#\n"                    /* 24 */
	"  deny publish mercy/device/+/cmd\n"                       /* 25 */
	"role office\n"                                             /* 26 */
	"  from 10.20.0.0/16\n"                                     /* 27 */
	"  allow both mercy/#\n"                                    /* 28 */
	"  allow control *\n"                                       /* 29 */
	"  deny control policy.set\n"                               /* 30 */
	"quarantine\n"                                              /* 31 */
	"  allow publish mercy/device/{device}/state\n";            /* 32 */

enum who { ANA, EVA, DOC, NC1, OFF, OUT, QUA, SUS };

static const struct {
	Pullcord__V1__Party party;
	const char *id, *roles, *attributes, *address;
	bool quarantined, suspended;
} people[] = {
	[ANA] = { USER, "ana", "nurse", "unit=icu3 channel=c1 blocked=bo", "", false, false },
	[EVA] = { USER, "eva", "charge", "unit=icu3 unit=med4 channel=c2", "", false, false },
	[DOC] = { USER, "doc", "doctor", "patient=p1 patient=p2 withheld=p2", "", false, false },
	[NC1] = { DEVICE, "nc1", "box", "unit=icu3", "", false, false },
	[OFF] = { USER, "off", "office", "", "10.20.1.1", false, false },
	[OUT] = { USER, "out", "office", "", "10.21.1.1", false, false },
	[QUA] = { DEVICE, "qua", "box", "unit=icu3", "", true, false },
	[SUS] = { USER, "sus", "nurse", "unit=icu3", "", false, true },
};

/* A line: allowed by it; below zero: denied by it. */
#define NO 0
#define WIDE 1000               /* WHY_NOT_HELD */
#define G 1001                  /* WHY_GRAMMAR */
#define Q 1002                  /* WHY_QUARANTINED */
#define S 1003                  /* WHY_SUSPENDED */

static const struct {
	enum who who;
	const char *topic;
	int publish, subscribe, receive;
} rows[] = {
	/* A nurse of one unit. */
	{ ANA, "mercy/unit/icu3/alert/high/nc1", NO, 9, 9 },
	{ ANA, "mercy/unit/icu3/alert/code/nc1", NO, 9, 9 },
	{ ANA, "mercy/unit/icu3/alert/info/nc1", NO, 9, -13 },
	{ ANA, "mercy/unit/med4/alert/high/nc1", NO, NO, NO },
	{ ANA, "mercy/unit/med4/alert/info/nc1", NO, NO, -13 },
	{ ANA, "mercy/unit/icu3/alert/high", NO, NO, NO },
	{ ANA, "mercy/unit/icu3/alert/high/nc1/x", NO, NO, NO },
	{ ANA, "mercy/unit/icu3/alert", NO, NO, NO },
	{ ANA, "mercy/unit/icu3", NO, NO, NO },
	{ ANA, "mercy/unit", NO, NO, NO },
	{ ANA, "mercy", NO, NO, NO },
	{ ANA, "other/unit/icu3/alert/high/nc1", NO, NO, NO },
	{ ANA, "Mercy/unit/icu3/alert/high/nc1", NO, NO, NO },
	{ ANA, "mercy/unit/ICU3/alert/high/nc1", NO, NO, NO },
	{ ANA, "mercy/unit/icu3/ack/nc1", 10, 10, 10 },
	{ ANA, "mercy/unit/med4/ack/nc1", NO, NO, NO },
	{ ANA, "mercy/unit/c1/ack/nc1", NO, NO, NO },
	{ ANA, "mercy/unit/all/broadcast", NO, 4, 4 },
	{ ANA, "mercy/unit/icu3/broadcast", NO, NO, NO },
	{ ANA, "mercy/channel/c1/msg", 11, 11, 11 },
	{ ANA, "mercy/channel/c1", 11, 11, 11 },
	{ ANA, "mercy/channel/c1/a/b/c", 11, 11, 11 },
	{ ANA, "mercy/channel/c1/pinned", -12, 11, 11 },
	{ ANA, "mercy/channel/c2/pinned", -12, NO, NO },
	{ ANA, "mercy/channel/c1/pinned/x", 11, 11, 11 },
	{ ANA, "mercy/channel/c2/msg", NO, NO, NO },
	{ ANA, "mercy/channel/icu3/msg", NO, NO, NO },
	{ ANA, "mercy/channel", NO, NO, NO },
	{ ANA, "mercy/user/ana/inbox", 5, 6, 6 },
	{ ANA, "mercy/user/eva/inbox", 5, NO, NO },
	{ ANA, "mercy/user/bo/inbox", -7, NO, NO },
	{ ANA, "mercy/user/ana/presence", NO, NO, NO },
	{ ANA, "mercy/user/ana", NO, NO, NO },
	{ ANA, "mercy/device/ana/state", NO, NO, NO },
	{ ANA, "mercy/patient/p1/msg", NO, NO, NO },
	{ ANA, "mercy/unit/icu3/alert/+/+", G, 9, G },
	{ ANA, "mercy/unit/icu3/alert/high/+", G, 9, G },
	{ ANA, "mercy/unit/icu3/alert/info/+", G, 9, G },
	{ ANA, "mercy/unit/icu3/alert/#", G, WIDE, G },
	{ ANA, "mercy/unit/icu3/alert/+/#", G, WIDE, G },
	{ ANA, "mercy/unit/icu3/alert/+", G, NO, G },
	{ ANA, "mercy/unit/+/alert/+/+", G, WIDE, G },
	{ ANA, "mercy/unit/med4/alert/+/+", G, NO, G },
	{ ANA, "mercy/unit/icu3/#", G, WIDE, G },
	{ ANA, "mercy/unit/med4/#", G, NO, G },
	{ ANA, "mercy/unit/#", G, WIDE, G },
	{ ANA, "mercy/unit/icu3/ack/+", G, 10, G },
	{ ANA, "mercy/unit/icu3/ack/#", G, WIDE, G },
	{ ANA, "mercy/unit/icu3/+/+", G, WIDE, G },
	{ ANA, "mercy/channel/c1/#", G, 11, G },
	{ ANA, "mercy/channel/c1/+/#", G, 11, G },
	{ ANA, "mercy/channel/+/#", G, WIDE, G },
	{ ANA, "mercy/channel/+/pinned", G, WIDE, G },
	{ ANA, "mercy/user/+/inbox", G, WIDE, G },
	{ ANA, "mercy/user/#", G, WIDE, G },
	{ ANA, "mercy/+/icu3/#", G, WIDE, G },
	{ ANA, "mercy/#", G, WIDE, G },
	{ ANA, "+/unit/icu3/alert/+/+", G, WIDE, G },
	{ ANA, "#", G, WIDE, G },
	{ ANA, "+", G, NO, G },
	{ ANA, "other/#", G, NO, G },
	{ ANA, "$CONTROL/pullcord/v1", G, G, G },
	/* Who includes a role has what it gives and what it denies. */
	{ EVA, "mercy/unit/icu3/alert/high/nc1", NO, 9, 9 },
	{ EVA, "mercy/unit/med4/alert/high/nc1", NO, 9, 9 },
	{ EVA, "mercy/unit/lab/alert/high/nc1", NO, NO, NO },
	{ EVA, "mercy/unit/lab/alert/code/nc1", NO, 16, 16 },
	{ EVA, "mercy/unit/med4/alert/code/nc1", NO, 9, 9 },
	{ EVA, "mercy/unit/med4/alert/info/nc1", NO, 9, -13 },
	{ EVA, "mercy/unit/med4/broadcast", 15, NO, NO },
	{ EVA, "mercy/unit/lab/broadcast", NO, NO, NO },
	{ EVA, "mercy/unit/all/broadcast", NO, 4, 4 },
	{ EVA, "mercy/unit/med4/ack/nc1", 10, 10, 10 },
	{ EVA, "mercy/channel/c2/pinned", -12, 11, 11 },
	{ EVA, "mercy/channel/c1/msg", NO, NO, NO },
	{ EVA, "mercy/user/bo/inbox", 5, NO, NO },
	{ EVA, "mercy/user/eva/inbox", 5, 6, 6 },
	{ EVA, "mercy/unit/+/alert/code/+", G, 16, G },
	{ EVA, "mercy/unit/+/alert/high/+", G, WIDE, G },
	{ EVA, "mercy/unit/+/alert/+/+", G, WIDE, G },
	{ EVA, "mercy/unit/med4/alert/+/+", G, 9, G },
	/* Deny of a subscription also denies the deliveries. */
	{ DOC, "mercy/patient/p1/msg", 19, NO, 19 },
	{ DOC, "mercy/patient/p2/msg", 19, -21, -21 },
	{ DOC, "mercy/patient/p3/msg", NO, NO, NO },
	{ DOC, "mercy/patient/p1/vitals", NO, 20, 20 },
	{ DOC, "mercy/patient/p1/vitals/hr", NO, 20, 20 },
	{ DOC, "mercy/patient/p2/vitals/hr", NO, -21, -21 },
	{ DOC, "mercy/patient/p2", NO, -21, -21 },
	{ DOC, "mercy/patient/p1/vitals/#", G, 20, G },
	{ DOC, "mercy/patient/p2/vitals/#", G, -21, G },
	{ DOC, "mercy/patient/+/vitals/#", G, -21, G },
	{ DOC, "mercy/patient/#", G, -21, G },
	{ DOC, "mercy/+/p2/vitals/hr", G, -21, G },
	{ DOC, "mercy/+/p1/vitals/hr", G, WIDE, G },
	{ DOC, "mercy/#", G, -21, G },
	{ DOC, "mercy/user/doc/inbox", 5, 6, 6 },
	{ DOC, "mercy/unit/icu3/alert/high/nc1", NO, NO, NO },
	/* A device is itself, in its unit. */
	{ NC1, "mercy/unit/icu3/alert/high/nc1", 23, NO, NO },
	{ NC1, "mercy/unit/icu3/alert/code/nc1", 23, NO, NO },
	{ NC1, "mercy/unit/icu3/alert/high/nc2", NO, NO, NO },
	{ NC1, "mercy/unit/med4/alert/high/nc1", NO, NO, NO },
	{ NC1, "mercy/unit/nc1/alert/high/nc1", NO, NO, NO },
	{ NC1, "mercy/unit/icu3/alert/high/icu3", NO, NO, NO },
	{ NC1, "mercy/device/nc1/state", 24, 24, 24 },
	{ NC1, "mercy/device/nc1/cmd", -25, 24, 24 },
	{ NC1, "mercy/device/nc1", 24, 24, 24 },
	{ NC1, "mercy/device/nc2/state", NO, NO, NO },
	{ NC1, "mercy/device/nc2/cmd", -25, NO, NO },
	{ NC1, "mercy/device/nc1/#", G, 24, G },
	{ NC1, "mercy/device/+/cmd", G, WIDE, G },
	{ NC1, "mercy/user/nc1/inbox", NO, NO, NO },
	{ NC1, "mercy/unit/all/broadcast", NO, NO, NO },
	/* Where one comes from, and what state one is in. */
	{ OFF, "mercy/unit/icu3/alert/high/nc1", 28, 28, 28 },
	{ OFF, "mercy", 28, 28, 28 },
	{ OFF, "mercy/#", G, 28, G },
	{ OFF, "#", G, WIDE, G },
	{ OFF, "+/#", G, WIDE, G },
	{ OFF, "other/x", NO, NO, NO },
	{ OUT, "mercy/unit/icu3/alert/high/nc1", NO, NO, NO },
	{ OUT, "mercy/#", G, NO, G },
	{ QUA, "mercy/device/qua/state", 32, Q, Q },
	{ QUA, "mercy/device/qua/cmd", Q, Q, Q },
	{ QUA, "mercy/device/nc1/state", Q, Q, Q },
	{ QUA, "mercy/unit/icu3/alert/high/qua", Q, Q, Q },
	{ QUA, "mercy/device/qua/#", G, Q, G },
	{ SUS, "mercy/unit/icu3/alert/high/nc1", S, S, S },
	{ SUS, "mercy/unit/all/broadcast", S, S, S },
	{ SUS, "#", G, S, G },
};

static const struct {
	enum who who;
	const char *command;
	int control;
} commands[] = {
	{ ANA, "grant.add", NO }, { EVA, "grant.add", 17 }, { EVA, "grant.remove", 17 }, { EVA, "grant", NO },
	{ EVA, "user.create", NO }, { OFF, "user.create", 29 }, { OFF, "policy.set", -30 }, { OFF, "policy.get", 29 },
	{ OFF, "policy.set.now", 29 }, { OUT, "user.create", NO }, { QUA, "user.create", Q }, { SUS, "user.create", S },
	{ OFF, "user/create", G }, { OFF, "", G }, { NC1, "grant.add", NO }, { DOC, "grant.add", NO },
};

static struct holder *bind(const struct policy *p, enum who i)
{
	struct person who;
	struct subject *s = person(&who, people[i].party, people[i].id, people[i].roles, people[i].attributes);
	struct holder *h;

	s->address = span_str(people[i].address);
	s->quarantined = people[i].quarantined;
	s->suspended = people[i].suspended;
	assert_int_equal(policy_bind(p, s, &h), OK);
	return h;
}

static int code(const struct verdict *v)
{
	static const int other[WHY_COUNT] = {
		[WHY_NOT_HELD] = WIDE, [WHY_GRAMMAR] = G, [WHY_QUARANTINED] = Q, [WHY_SUSPENDED] = S };

	assert_int_equal(v->allow, v->why == WHY_ALLOWED);
	return v->why == WHY_ALLOWED ? (int)v->line : v->why == WHY_DENIED ? -(int)v->line : other[v->why];
}

static void expect(enum who who, const char *what, const char *topic, const struct verdict *v, int want)
{
	if (code(v) != want)
		fail_msg("%s %s %s: %s, line %u; expected %d", people[who].id, what, topic, why_text(v->why), v->line, want);
}

static void the_hospital_decides_as_the_table_says(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(hospital));

	(void)state;
	assert_true(3 * countof(rows) + countof(commands) >= 300);
	for (size_t i = 0; i < countof(rows); i++) {
		CLEANUP(holder_close) struct holder *h = bind(p, rows[i].who);
		const int want[] = { rows[i].publish, rows[i].subscribe, rows[i].receive };
		struct topic t;

		if (filter_parse(span_str(rows[i].topic), &t) != OK)
			assert_int_equal(topic_parse(span_str(rows[i].topic), &t), OK);
		for (unsigned k = 0; k < 3; k++) {
			enum access a = (enum access)(1u << k);
			struct verdict v = policy_decide(p, h, a, &t);

			expect(rows[i].who, access_name(a), rows[i].topic, &v, want[k]);
		}
	}
}

static void commands_are_decided_as_the_table_says(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(hospital));

	(void)state;
	for (size_t i = 0; i < countof(commands); i++) {
		CLEANUP(holder_close) struct holder *h = bind(p, commands[i].who);
		struct verdict v = policy_control(p, h, span_str(commands[i].command));

		expect(commands[i].who, "control", commands[i].command, &v, commands[i].control);
	}
}

/* Of every row asked again of one prepared topic for all of them in turn. */
static void a_prepared_topic_answers_the_same_for_everybody(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(hospital));
	struct holder *h[countof(people)];

	(void)state;
	for (size_t i = 0; i < countof(people); i++)
		h[i] = bind(p, (enum who)i);
	for (size_t i = 0; i < countof(rows); i++)
		for (unsigned k = 0; k < 3; k++) {
			enum access a = (enum access)(1u << k);
			struct policy_topic t;
			struct topic parsed;

			if (filter_parse(span_str(rows[i].topic), &parsed) != OK)
				continue;
			policy_prepare(p, a, &parsed, &t);
			for (size_t who = 0; who < countof(people); who++) {
				struct verdict one = policy_decide(p, h[who], a, &parsed);
				struct verdict two = policy_decide_prepared(p, h[who], a, &t);

				assert_int_equal(code(&one), code(&two));
				assert_int_equal(one.life_critical, two.life_critical);
			}
			assert_int_equal(policy_decide_prepared(p, h[0], a == SUB ? GET : SUB, &t).why, WHY_GRAMMAR);
		}
	for (size_t i = 0; i < countof(people); i++)
		holder_close(&h[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hospital_decides_as_the_table_says),
		cmocka_unit_test(commands_are_decided_as_the_table_says),
		cmocka_unit_test(a_prepared_topic_answers_the_same_for_everybody),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

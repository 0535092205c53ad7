#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypt.h"
#include "policy.h"
#include "seed.h"

/* ---- memory: counted, and failing on request. Sanitizers bring their own malloc. ----------------------------------- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

static unsigned long allocations;
static bool no_memory;

#ifndef SANITIZED
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
__attribute__((visibility("default"))) void *malloc(size_t n);
__attribute__((visibility("default"))) void *calloc(size_t n, size_t size);
__attribute__((visibility("default"))) void *realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocations++;
	return no_memory ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return no_memory ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return no_memory ? NULL : __libc_realloc(p, n);
}
#endif

/* ---- short ways to say things -------------------------------------------------------------------------------------- */

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define PUB ACCESS_PUBLISH
#define SUB ACCESS_SUBSCRIBE
#define GET ACCESS_RECEIVE

/* A subject from "unit=icu3 unit=med4" and "nurse charge-nurse". */
struct person {
	struct span role[16];
	struct attribute attribute[64];
	struct subject s;
};

static struct subject *person(struct person *p, Pullcord__V1__Party party, const char *id, const char *roles,
			      const char *attributes)
{
	struct span rest = span_str(roles), word;

	*p = (struct person){ .s = { .party = party, .tenant = span_str("mercy"), .id = span_str(id),
				     .role = p->role, .attribute = p->attribute } };
	while (rest.n) {
		word = span_cut(rest, ' ', &rest);
		p->role[p->s.roles++] = word;
	}
	rest = span_str(attributes);
	while (rest.n) {
		struct attribute *a = &p->attribute[p->s.attributes++];

		word = span_cut(rest, ' ', &rest);
		a->name = span_cut(word, '=', &a->value);
	}
	return &p->s;
}

static struct policy *load(struct span text)
{
	struct policy_error where;
	struct policy *p = NULL;
	enum err e = policy_load(text, &p, &where);

	if (e != OK)
		fail_msg("line %u column %u: %s", where.line, where.column, where.text);
	return p;
}

static struct topic parse(enum access a, const char *text)
{
	struct topic t = { .text = span_str(text) };

	if (a == SUB)
		assert_int_equal(filter_parse(span_str(text), &t), OK);
	else
		assert_int_equal(topic_parse(span_str(text), &t), OK);
	return t;
}

static struct verdict decide(const struct policy *p, const struct subject *s, enum access a, const char *text)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(a, text);

	assert_int_equal(policy_bind(p, s, &h), OK);
	return policy_decide(p, h, a, &t);
}

/* ---- decisions ------------------------------------------------------------------------------------------------------ */

static const char ward[] =
	"tenant mercy\n"                                            /* 1 */
	"life-critical mercy/unit/{unit}/alert/code/+\n"            /* 2 */
	"role nurse\n"                                              /* 3 */
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"           /* 4 */
	"  allow publish mercy/unit/{unit}/ack/+\n"                 /* 5 */
	"  allow both mercy/channel/{channel}/#\n"                  /* 6 */
	"  deny publish mercy/unit/all/broadcast\n"                 /* 7 */
	"  allow both mercy/user/{user}/inbox\n"                    /* 8 */
	"  deny receive mercy/unit/+/alert/info/+\n"                /* 9 */
	"  logoff after 15m idle\n"                                 /* 10 */
	"role boss\n"                                               /* 11 */
	"  allow both mercy/unit/#\n"                               /* 12 */
	"  deny subscribe mercy/unit/{closed}/#\n"                  /* 13 */
	"  logoff after 90s idle\n"                                 /* 14 */
	"role box\n"                                                /* 15 */
	"  allow publish mercy/unit/{unit}/alert/+/{device}\n"      /* 16 */
	"  allow subscribe mercy/device/{client}/cmd\n"             /* 17 */
	"  allow receive mercy/news\n"                              /* 18 */
	"role same\n"                                               /* 19 */
	"  allow publish mercy/{unit}/{unit}\n"                     /* 20 */
	"  allow subscribe mercy/a/+/c/#\n"                         /* 21 */
	"  allow subscribe mercy/a/b/c/d\n"                         /* 22 */
	"  deny subscribe mercy/z/#\n"                              /* 23 */
	"  allow subscribe mercy/z/#\n"                             /* 24 */
	"role empty\n";                                             /* 25 */

struct row {
	int who;
	enum access a;
	const char *topic;
	enum why why;
	uint32_t line;
};

#define YES(l) WHY_ALLOWED, l
#define NO WHY_NO_RULE, 0
#define BUT(l) WHY_DENIED, l
#define WIDE WHY_NOT_HELD, 0

static const struct { Pullcord__V1__Party party; const char *id, *roles, *attributes; } ward_people[] = {
	{ USER, "ana", "nurse", "unit=icu3 channel=c1 channel=c2" },                        /* 0 */
	{ USER, "bo", "nurse boss", "unit=med4 closed=lab" },                               /* 1 */
	{ DEVICE, "nc1", "box", "unit=icu3" },                                              /* 2 */
	{ USER, "cy", "same", "unit=a unit=b" },                                            /* 3 */
	{ USER, "di", "box nurse", "unit=icu3 device=nc1 user=ana client=nc1" },            /* 4 */
	{ USER, "ed", "boss", "" },                                                         /* 5 */
	{ USER, "fy", "empty ghost", "unit=icu3" },                                         /* 6 */
	{ PULLCORD__V1__PARTY__PARTY_NONE, "nobody", "nurse boss", "unit=icu3" },           /* 7 */
	{ DEVICE, "ana", "nurse", "unit=+ unit=# unit=icu3/x channel=#" },                  /* 8 */
};

static const struct row ward_rows[] = {
	{ 0, GET, "mercy/unit/icu3/alert/high/nc1", YES(4) },
	{ 0, GET, "mercy/unit/icu3/alert/code/nc1", YES(4) },
	{ 0, GET, "mercy/unit/icu3/alert/info/nc1", BUT(9) },
	{ 0, GET, "mercy/unit/med4/alert/high/nc1", NO },
	{ 0, GET, "mercy/unit/med4/alert/info/nc1", BUT(9) },
	{ 0, GET, "mercy/unit/icu3/alert/high", NO },
	{ 0, GET, "mercy/unit/icu3/alert/high/nc1/x", NO },
	{ 0, GET, "mercy/unit/icu3", NO },
	{ 0, GET, "mercy", NO },
	{ 0, GET, "other/unit/icu3/alert/high/nc1", NO },
	{ 0, GET, "Mercy/unit/icu3/alert/high/nc1", NO },
	{ 0, PUB, "mercy/unit/icu3/alert/high/nc1", NO },
	{ 0, PUB, "mercy/unit/icu3/ack/nc1", YES(5) },
	{ 0, GET, "mercy/unit/icu3/ack/nc1", NO },
	{ 0, PUB, "mercy/unit/med4/ack/nc1", NO },
	{ 0, PUB, "mercy/unit/unit/ack/nc1", NO },
	{ 0, PUB, "mercy/unit/all/broadcast", BUT(7) },
	{ 0, PUB, "mercy/channel/c1/msg", YES(6) },
	{ 0, PUB, "mercy/channel/c2/receipt", YES(6) },
	{ 0, PUB, "mercy/channel/c1", YES(6) },
	{ 0, PUB, "mercy/channel/c3/msg", NO },
	{ 0, PUB, "mercy/channel", NO },
	{ 0, PUB, "mercy/channel/icu3/msg", NO },
	{ 0, PUB, "mercy/user/ana/inbox", YES(8) },
	{ 0, GET, "mercy/user/ana/inbox", YES(8) },
	{ 0, SUB, "mercy/user/ana/inbox", YES(8) },
	{ 0, GET, "mercy/user/bo/inbox", NO },
	{ 0, SUB, "mercy/user/+/inbox", WIDE },
	{ 0, SUB, "mercy/unit/icu3/alert/+/+", YES(4) },
	{ 0, SUB, "mercy/unit/icu3/alert/high/+", YES(4) },
	{ 0, SUB, "mercy/unit/icu3/alert/info/+", YES(4) },
	{ 0, SUB, "mercy/unit/icu3/alert/high/nc1", YES(4) },
	{ 0, SUB, "mercy/unit/icu3/alert/#", WIDE },
	{ 0, SUB, "mercy/unit/icu3/alert/+", NO },
	{ 0, SUB, "mercy/unit/icu3/alert/+/#", WIDE },
	{ 0, SUB, "mercy/unit/icu3/alert/+/+/#", WIDE },
	{ 0, SUB, "mercy/unit/+/alert/+/+", WIDE },
	{ 0, SUB, "mercy/unit/med4/alert/+/+", NO },
	{ 0, SUB, "mercy/unit/med4/#", NO },
	{ 0, SUB, "mercy/unit/icu3/#", WIDE },
	{ 0, SUB, "mercy/#", WIDE },
	{ 0, SUB, "#", WIDE },
	{ 0, SUB, "+/#", WIDE },
	{ 0, SUB, "+/unit/icu3/alert/+/+", WIDE },
	{ 0, SUB, "+", NO },
	{ 0, SUB, "other/#", NO },
	{ 0, SUB, "mercy/channel/c1/#", YES(6) },
	{ 0, SUB, "mercy/channel/c1", YES(6) },
	{ 0, SUB, "mercy/channel/c1/+", YES(6) },
	{ 0, SUB, "mercy/channel/c1/+/+/#", YES(6) },
	{ 0, SUB, "mercy/channel/+/#", WIDE },
	{ 0, SUB, "mercy/channel/c3/#", NO },
	{ 0, SUB, "mercy/unit/icu3/ack/+", NO },
	{ 0, SUB, "mercy/unit/all/broadcast", NO },
	{ 0, SUB, "$CONTROL/pullcord/v1", WHY_GRAMMAR, 0 },
	{ 0, PUB, "$CONTROL/pullcord/v1", WHY_GRAMMAR, 0 },
	{ 1, GET, "mercy/unit/icu3/alert/high/nc1", YES(12) },
	{ 1, GET, "mercy/unit/med4/alert/high/nc1", YES(4) },
	{ 1, GET, "mercy/unit/lab/alert/high/nc1", BUT(13) },
	{ 1, GET, "mercy/unit/med4/alert/info/nc1", BUT(9) },
	{ 1, PUB, "mercy/unit/lab/alert/high/nc1", YES(12) },
	{ 1, PUB, "mercy/unit/all/broadcast", BUT(7) },
	{ 1, PUB, "mercy/unit/icu3/broadcast", YES(12) },
	{ 1, PUB, "mercy/unit", YES(12) },
	{ 1, SUB, "mercy/unit/med4/alert/+/+", YES(4) },
	{ 1, SUB, "mercy/unit/icu3/#", YES(12) },
	{ 1, SUB, "mercy/unit/lab/#", BUT(13) },
	{ 1, SUB, "mercy/unit/lab", BUT(13) },
	{ 1, SUB, "mercy/unit/#", BUT(13) },
	{ 1, SUB, "mercy/unit/+", BUT(13) },
	{ 1, SUB, "mercy/unit/+/ack/nc1", BUT(13) },
	{ 1, SUB, "mercy/+/lab/x", BUT(13) },
	{ 1, SUB, "mercy/#", BUT(13) },
	{ 1, SUB, "#", BUT(13) },
	{ 1, SUB, "mercy/unit", YES(12) },
	{ 5, SUB, "mercy/unit/#", YES(12) },
	{ 5, SUB, "mercy/unit/+/ack/nc1", YES(12) },
	{ 5, SUB, "mercy/+/lab/x", WIDE },
	{ 5, SUB, "mercy/#", WIDE },
	{ 5, PUB, "mercy/unit/all/broadcast", YES(12) },
	{ 5, GET, "mercy/user/ed/inbox", NO },
	{ 2, PUB, "mercy/unit/icu3/alert/high/nc1", YES(16) },
	{ 2, PUB, "mercy/unit/icu3/alert/code/nc1", YES(16) },
	{ 2, PUB, "mercy/unit/icu3/alert/high/nc2", NO },
	{ 2, PUB, "mercy/unit/med4/alert/high/nc1", NO },
	{ 2, PUB, "mercy/unit/nc1/alert/high/nc1", NO },
	{ 2, PUB, "mercy/unit/icu3/alert/high/icu3", NO },
	{ 2, SUB, "mercy/device/nc1/cmd", YES(17) },
	{ 2, GET, "mercy/device/nc1/cmd", YES(17) },
	{ 2, PUB, "mercy/device/nc1/cmd", NO },
	{ 2, SUB, "mercy/device/nc2/cmd", NO },
	{ 2, SUB, "mercy/device/+/cmd", WIDE },
	{ 2, GET, "mercy/news", YES(18) },
	{ 2, SUB, "mercy/news", NO },
	{ 2, PUB, "mercy/news", NO },
	{ 3, PUB, "mercy/a/a", YES(20) },
	{ 3, PUB, "mercy/a/b", YES(20) },
	{ 3, PUB, "mercy/b/c", NO },
	{ 3, SUB, "mercy/a/b/c/d", YES(21) },
	{ 3, SUB, "mercy/a/b/c/#", YES(21) },
	{ 3, SUB, "mercy/a/b/c", YES(21) },
	{ 3, SUB, "mercy/a/b/#", WIDE },
	{ 3, SUB, "mercy/a/b/+/d", WIDE },
	{ 3, SUB, "mercy/z/1", BUT(23) },
	{ 3, GET, "mercy/z/1", BUT(23) },
	{ 3, GET, "mercy/z", BUT(23) },
	{ 4, PUB, "mercy/unit/icu3/alert/high/nc1", NO },
	{ 4, PUB, "mercy/unit/icu3/alert/high/di", NO },
	{ 4, SUB, "mercy/device/nc1/cmd", NO },
	{ 4, SUB, "mercy/device/di/cmd", NO },
	{ 4, GET, "mercy/user/ana/inbox", NO },
	{ 4, GET, "mercy/user/di/inbox", YES(8) },
	{ 6, GET, "mercy/unit/icu3/alert/high/nc1", NO },
	{ 6, SUB, "#", NO },
	{ 7, GET, "mercy/unit/icu3/alert/high/nc1", NO },
	{ 7, SUB, "mercy/unit/#", NO },
	{ 8, GET, "mercy/user/ana/inbox", NO },
	{ 8, GET, "mercy/unit/icu3/alert/high/nc1", NO },
	{ 8, SUB, "mercy/unit/+/alert/+/+", NO },
	{ 8, SUB, "mercy/channel/#", NO },
};

static void check_row(const struct policy *p, const struct subject *s, const struct row *r)
{
	struct verdict v = decide(p, s, r->a, r->topic);

	if (v.why != r->why || v.line != r->line || v.allow != (r->why == WHY_ALLOWED))
		fail_msg("%.*s %s %s: %s, line %u; expected: %s, line %u", SPAN_FMT(s->id), access_name(r->a), r->topic,
			 why_text(v.why), v.line, why_text(r->why), r->line);
}

static void a_ward_is_decided_row_by_row(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;

	(void)state;
	assert_true(countof(ward_rows) >= 100);
	for (size_t i = 0; i < countof(ward_rows); i++) {
		const struct row *r = &ward_rows[i];

		check_row(p, person(&who, ward_people[r->who].party, ward_people[r->who].id, ward_people[r->who].roles,
				    ward_people[r->who].attributes), r);
	}
}

static void a_suspended_subject_may_do_nothing(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;
	struct subject *s = person(&who, USER, "ana", "nurse", "unit=icu3");

	(void)state;
	s->suspended = true;
	assert_int_equal(decide(p, s, GET, "mercy/unit/icu3/alert/high/nc1").why, WHY_SUSPENDED);
	assert_int_equal(decide(p, s, SUB, "#").why, WHY_SUSPENDED);
	assert_false(decide(p, s, PUB, "mercy/unit/icu3/ack/nc1").allow);
}

static void another_tenants_subject_holds_nothing(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;
	struct subject *s = person(&who, USER, "ana", "nurse boss", "unit=icu3");

	(void)state;
	s->tenant = span_str("merci");
	assert_int_equal(decide(p, s, GET, "mercy/unit/icu3/alert/high/nc1").why, WHY_NO_RULE);
	assert_int_equal(decide(p, s, GET, "mercy/unit/icu3/alert/info/nc1").why, WHY_NO_RULE);
}

static void what_is_not_understood_is_denied(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(SUB, "mercy/unit/+/x"), share = { .n = 3, .level = { SPAN_LIT("$share"), SPAN_LIT("g"),
								SPAN_LIT("mercy") } }, none = { 0 };
	struct person who;

	(void)state;
	assert_int_equal(policy_bind(p, person(&who, USER, "ed", "boss", ""), &h), OK);
	assert_true(policy_decide(p, h, SUB, &t).allow);
	assert_int_equal(policy_decide(p, h, PUB, &t).why, WHY_GRAMMAR);    /* a wildcard in a topic */
	assert_int_equal(policy_decide(p, h, GET, &t).why, WHY_GRAMMAR);
	assert_int_equal(policy_decide(p, h, SUB, &share).why, WHY_GRAMMAR);
	assert_int_equal(policy_decide(p, h, PUB, &none).why, WHY_GRAMMAR);
	assert_false(policy_decide(p, h, (enum access)0, &t).allow);
	assert_false(policy_decide(p, h, (enum access)(PUB | SUB), &t).allow);
	assert_false(policy_decide(p, NULL, SUB, &t).allow);
}

static void life_critical_is_a_property_of_the_topic(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;
	struct subject *s = person(&who, USER, "ana", "nurse", "unit=icu3");

	(void)state;
	assert_true(decide(p, s, GET, "mercy/unit/icu3/alert/code/nc1").life_critical);
	assert_true(decide(p, s, GET, "mercy/unit/med4/alert/code/nc1").life_critical);     /* denied, still marked */
	assert_false(decide(p, s, GET, "mercy/unit/icu3/alert/high/nc1").life_critical);
	assert_false(decide(p, s, SUB, "mercy/unit/icu3/alert/code/nc1").life_critical);
	assert_true(decide(p, person(&who, DEVICE, "nc1", "box", "unit=icu3"), PUB, "mercy/unit/icu3/alert/code/nc1")
			    .life_critical);
}

static void the_shortest_idle_time_of_the_roles_counts(void **state)
{
	static const struct { const char *roles; uint32_t idle_s; } row[] = {
		{ "nurse", 900 }, { "boss", 90 }, { "nurse boss", 90 }, { "boss nurse", 90 }, { "box", 0 }, { "box nurse", 900 },
		{ "", 0 }, { "ghost", 0 },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		CLEANUP(holder_close) struct holder *h = NULL;

		assert_int_equal(policy_bind(p, person(&who, USER, "ana", row[i].roles, ""), &h), OK);
		assert_int_equal(policy_idle_s(p, h), row[i].idle_s);
	}
	assert_int_equal(policy_idle_s(p, NULL), 0);
}

static void a_policy_says_what_it_is(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct policy_counts n = policy_count(p);
	uint8_t sha[SHA256_BYTES];

	(void)state;
	SHA256(sha, span_str(ward));
	assert_memory_equal(policy_version(p), sha, 16);
	assert_true(span_is(policy_tenant(p), "mercy"));
	assert_true(policy_has_role(p, span_str("nurse")));
	assert_false(policy_has_role(p, span_str("mercy")));
	assert_false(policy_has_role(p, span_str("")));
	assert_int_equal(n.roles, 5);
	assert_int_equal(n.rules, 16);
	assert_int_equal(n.marks, 1);
}

/* ---- the sample ----------------------------------------------------------------------------------------------------- */

static struct policy *load_file(const char *path)
{
	CLEANUP(free_cleanup) char *text = malloc(1 << 20);
	FILE *f = fopen(path, "rb");
	struct policy *p;
	size_t n;

	if (!f)
		fail_msg("%s is not here: run from the top of the checkout", path);
	n = fread(text, 1, 1 << 20, f);
	fclose(f);
	p = load(span(text, n));
	return p;
}

static void count_say(void *ctx, uint32_t line, const char *text)
{
	(void)line;
	(void)text;
	++*(int *)ctx;
}

static void the_sample_hospital_is_as_it_says(void **state)
{
	static const struct { const char *roles; Pullcord__V1__Party party; const char *id, *attributes; } people[] = {
		{ "nurse", USER, "ana", "unit=icu3 channel=c1 patient=p1" },
		{ "nurse", USER, "float", "unit=icu3 unit=med4" },
		{ "nurse charge-nurse", USER, "eva", "unit=icu3" },
		{ "supervisor", USER, "sam", "channel=c1" },
		{ "physician", USER, "doc", "unit=med4 patient=p1" },
		{ "operator", USER, "ops", "" },
		{ "auditor", USER, "aud", "" },
		{ "nursecall-device", DEVICE, "icu3-nc1", "unit=icu3" },
		{ "telemetry-device", DEVICE, "icu3-tm1", "unit=icu3" },
		{ "tablet-device", DEVICE, "med4-tb1", "unit=med4 patient=p1" },
	};
	static const struct { const char *id; enum access a; const char *topic; bool allow; } row[] = {
		{ "ana", SUB, "mercy/unit/icu3/alert/+/+", true },     { "ana", SUB, "mercy/unit/med4/alert/+/+", false },
		{ "ana", SUB, "mercy/unit/+/alert/+/+", false },       { "ana", SUB, "mercy/unit/all/broadcast", true },
		{ "ana", GET, "mercy/unit/icu3/alert/high/icu3-nc1", true },
		{ "ana", GET, "mercy/unit/med4/alert/high/med4-nc1", false },
		{ "ana", PUB, "mercy/unit/icu3/ack/icu3-nc1", true },  { "ana", PUB, "mercy/unit/med4/ack/med4-nc1", false },
		{ "ana", PUB, "mercy/unit/all/broadcast", false },     { "ana", PUB, "mercy/unit/icu3/broadcast", false },
		{ "ana", PUB, "mercy/unit/icu3/alert/high/icu3-nc1", false },
		{ "ana", PUB, "mercy/channel/c1/msg", true },          { "ana", SUB, "mercy/channel/c2/msg", false },
		{ "ana", SUB, "mercy/patient/p1/#", true },            { "ana", SUB, "mercy/patient/+/msg", false },
		{ "ana", PUB, "mercy/user/doc/inbox", true },          { "ana", SUB, "mercy/user/doc/inbox", false },
		{ "ana", SUB, "mercy/user/ana/inbox", true },          { "ana", PUB, "mercy/user/doc/presence", false },
		{ "ana", SUB, "mercy/device/+/state", false },         { "ana", PUB, "mercy/device/icu3-nc1/cmd", false },
		{ "float", SUB, "mercy/unit/med4/alert/+/+", true },   { "float", SUB, "mercy/unit/icu3/alert/+/+", true },
		{ "eva", PUB, "mercy/unit/icu3/broadcast", true },     { "eva", PUB, "mercy/unit/all/broadcast", false },
		{ "eva", SUB, "mercy/unit/+/alert/code/+", true },     { "eva", SUB, "mercy/unit/+/alert/high/+", false },
		{ "sam", PUB, "mercy/unit/all/broadcast", true },      { "sam", SUB, "mercy/unit/+/vitals/+", false },
		{ "doc", SUB, "mercy/unit/med4/vitals/+", true },      { "doc", SUB, "mercy/unit/icu3/vitals/+", false },
		{ "ops", SUB, "mercy/device/+/state", true },          { "ops", SUB, "mercy/audit/+/checkpoint", true },
		{ "ops", SUB, "mercy/#", false },                      { "ops", SUB, "mercy/unit/icu3/alert/+/+", false },
		{ "aud", SUB, "mercy/audit/a/checkpoint", true },      { "aud", SUB, "mercy/device/+/state", false },
		{ "icu3-nc1", PUB, "mercy/unit/icu3/alert/code/icu3-nc1", true },
		{ "icu3-nc1", PUB, "mercy/unit/icu3/alert/code/icu3-tm1", false },
		{ "icu3-nc1", PUB, "mercy/unit/med4/alert/code/icu3-nc1", false },
		{ "icu3-nc1", PUB, "mercy/unit/icu3/vitals/icu3-nc1", false },
		{ "icu3-nc1", SUB, "mercy/unit/icu3/ack/icu3-nc1", true },
		{ "icu3-nc1", SUB, "mercy/unit/icu3/ack/+", false },   { "icu3-nc1", SUB, "mercy/device/icu3-nc1/cmd", true },
		{ "icu3-nc1", SUB, "mercy/device/icu3-nc1/stored", true },
		{ "icu3-nc1", SUB, "mercy/device/icu3-tm1/cmd", false },
		{ "icu3-nc1", PUB, "mercy/device/icu3-nc1/state", true },
		{ "icu3-nc1", PUB, "mercy/device/icu3-nc1/stored", false },
		{ "icu3-tm1", PUB, "mercy/unit/icu3/vitals/icu3-tm1", true },
		{ "icu3-tm1", PUB, "mercy/unit/icu3/vitals/icu3-nc1", false },
		{ "med4-tb1", PUB, "mercy/unit/med4/alert/medium/med4-tb1", true },
		{ "med4-tb1", PUB, "mercy/unit/med4/alert/code/med4-tb1", false },
		{ "med4-tb1", PUB, "mercy/patient/p1/msg", true },     { "med4-tb1", SUB, "mercy/patient/p2/msg", false },
	};
	CLEANUP(policy_close) struct policy *p = load_file("configs/hospital.policy");
	struct person who;
	int oddities = 0;

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		for (size_t k = 0; k < countof(people); k++)
			if (!strcmp(people[k].id, row[i].id) &&
			    decide(p, person(&who, people[k].party, people[k].id, people[k].roles, people[k].attributes),
				   row[i].a, row[i].topic).allow != row[i].allow)
				fail_msg("%s %s %s should be %d", row[i].id, access_name(row[i].a), row[i].topic, row[i].allow);
	person(&who, DEVICE, "icu3-nc1", "nursecall-device", "unit=icu3");
	assert_true(decide(p, &who.s, PUB, "mercy/unit/icu3/alert/high/icu3-nc1").life_critical);
	assert_false(decide(p, &who.s, PUB, "mercy/unit/icu3/alert/medium/icu3-nc1").life_critical);
	policy_lint(p, count_say, &oddities);
	assert_int_equal(oddities, 0);
}

/* ---- what the loader refuses ----------------------------------------------------------------------------------------- */

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

static char *grow_text(size_t n, const char *head, const char *fmt)
{
	char *text = malloc(strlen(head) + n * 96 + 1), *at = stpcpy(text, head);

	for (size_t i = 0; i < n; i++)
		at += sprintf(at, fmt, i, i);
	return text;
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

/* ---- memory and time ------------------------------------------------------------------------------------------------- */

static void deciding_allocates_nothing(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(GET, "mercy/unit/icu3/alert/high/nc1"), f = parse(SUB, "mercy/#");
	unsigned long before;
	struct person who;

	(void)state;
	before = allocations;
	assert_int_equal(policy_bind(p, person(&who, USER, "ana", "nurse boss", "unit=icu3"), &h), OK);
#ifndef SANITIZED
	assert_int_equal(allocations, before + 1);      /* a holder is one block */
#endif
	before = allocations;
	for (int i = 0; i < 1000; i++) {
		(void)policy_decide(p, h, GET, &t);
		(void)policy_decide(p, h, SUB, &f);
	}
	assert_int_equal(allocations, before);
}

static void no_memory_is_an_error_and_nothing_else(void **state)
{
#ifdef SANITIZED
	(void)state;
	skip();
#else
	CLEANUP(policy_close) struct policy *p = load(span_str(ward)), *q = NULL;
	struct policy_error where;
	struct holder *h = NULL;
	enum err loaded, bound;
	struct person who;
	struct subject *s = person(&who, USER, "ana", "nurse", "unit=icu3");

	(void)state;
	no_memory = true;
	loaded = policy_load(span_str(ward), &q, &where);
	bound = policy_bind(p, s, &h);
	no_memory = false;
	assert_int_equal(loaded, ERR_FULL);
	assert_int_equal(bound, ERR_FULL);
	assert_null(q);
	assert_null(h);
#endif
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A clock, but only against work that grows with the square: 10,000 rules take milliseconds, or minutes. */
static void many_rules_load_at_once_and_are_decided_alike(void **state)
{
	enum { RULES = 10000 };
	CLEANUP(free_cleanup) char *one = grow_text(RULES, "tenant mercy\nrole r\n", "allow both mercy/unit/u%zu/alert/+/d%zu\n");
	CLEANUP(free_cleanup) char *each = grow_text(RULES, "tenant mercy\n", "role r%zu\nallow both mercy/unit/u%zu/#\n");
	double before = seconds();
	CLEANUP(policy_close) struct policy *p = load(span_str(one));
	CLEANUP(policy_close) struct policy *q = load(span_str(each));
	struct person who;

	(void)state;
	assert_true(seconds() - before < 2);
	for (unsigned i = 0; i < RULES; i += 997) {
		char topic[64], role[32];

		snprintf(topic, sizeof(topic), "mercy/unit/u%u/alert/high/d%u", i, i);
		snprintf(role, sizeof(role), "r%u", i);
		assert_int_equal(decide(p, person(&who, USER, "ana", "r", ""), GET, topic).line, i + 3);
		assert_int_equal(decide(q, person(&who, USER, "ana", role, ""), GET, topic).line, 2 * i + 3);
		assert_int_equal(decide(q, person(&who, USER, "ana", "r1", ""), GET, topic).line, 0);
	}
}

/* ---- against the reference --------------------------------------------------------------------------------------------
 * Rules expanded into all their filters as text, compared by the topic module: slow and plain. */

struct ref_rule {
	char role[8], pattern[64];
	bool deny, mark;
	unsigned accesses;
	uint32_t line;
};

struct ref {
	struct ref_rule rule[24];
	size_t n;
	char text[4096];
};

typedef bool relation(const struct topic *rule, const struct topic *topic);

/* Is there an expansion of the rest of the pattern, after what is expanded already, that stands so to the topic? */
static bool ref_any(const char *done, struct span rest, const struct subject *s, bool mark, const struct topic *topic,
		    relation *stands)
{
	struct span level = span_cut(rest, '/', &rest), name = span(level.p + 1, level.n - (level.n > 1 ? 2 : 1));
	char next[256];
	struct topic f;

	if (!level.p)
		return filter_parse(span_str(done), &f) == OK && stands(&f, topic);
	if (level.p[0] != '{' || mark) {
		snprintf(next, sizeof(next), "%s%s%.*s", done, *done ? "/" : "", SPAN_FMT(level.p[0] == '{' ? SPAN_LIT("+") : level));
		return ref_any(next, rest, s, mark, topic, stands);
	}
	snprintf(next, sizeof(next), "%s/%.*s", done, SPAN_FMT(s->id));
	if (span_is(name, s->party == USER ? "user" : "device") || (span_is(name, "client") && s->party == DEVICE))
		return ref_any(next, rest, s, mark, topic, stands);
	for (size_t i = 0; i < s->attributes; i++) {
		snprintf(next, sizeof(next), "%s/%.*s", done, SPAN_FMT(s->attribute[i].value));
		if (span_eq(s->attribute[i].name, name) && !span_is(name, "user") && !span_is(name, "device") &&
		    !span_is(name, "client") && ref_any(next, rest, s, mark, topic, stands))
			return true;
	}
	return false;
}

static uint32_t ref_find(const struct ref *r, const struct subject *s, enum access a, const struct topic *t, bool deny,
			 relation *stands)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < s->roles; k++)
			if (!r->rule[i].mark && r->rule[i].deny == deny && r->rule[i].accesses & (unsigned)a &&
			    span_is(s->role[k], r->rule[i].role) &&
			    ref_any("", span_str(r->rule[i].pattern), s, false, t, stands))
				return r->rule[i].line;
	return 0;
}

static struct verdict ref_decide(const struct ref *r, const struct subject *s, enum access a, const struct topic *t)
{
	struct verdict v = { .why = WHY_NO_RULE };

	for (size_t i = 0; i < r->n && a != SUB; i++)
		v.life_critical |= r->rule[i].mark && ref_any("", span_str(r->rule[i].pattern), s, true, t, filter_matches);
	if ((v.line = ref_find(r, s, a, t, true, filter_meets)))
		v.why = WHY_DENIED;
	else if ((v.line = ref_find(r, s, a, t, false, filter_contains)))
		v.why = WHY_ALLOWED;
	else if (ref_find(r, s, a, t, false, filter_meets))
		v.why = WHY_NOT_HELD;
	v.allow = v.why == WHY_ALLOWED;
	return v;
}

/* Few words, so that rules meet; own ids among them. */
static const char *pick(const char *const *list, size_t n)
{
	return list[seed_below(n)];
}
#define PICK(...) pick((const char *const[]){ __VA_ARGS__ }, countof(((const char *const[]){ __VA_ARGS__ })))

static void random_pattern(char out[64], bool deny)
{
	char *at = stpcpy(out, "m");

	for (uint64_t n = seed_below(5); n; n--) {
		const char *level = PICK("a", "b", "m", "+", "+", "{u}", "{v}", "{u}", "{user}", "{device}", "{client}");

		at = stpcpy(stpcpy(at, "/"), deny && !strcmp(level, "{client}") ? "a" : level);
	}
	if (seed_below(4) == 0)
		strcpy(at, "/#");
}

static void random_policy(struct ref *r)
{
	static const struct { const char *word; unsigned bits; } access[] = {
		{ "publish", 1 }, { "subscribe", 6 }, { "receive", 4 }, { "both", 7 } };
	char *at = stpcpy(r->text, "tenant m\n");
	uint32_t line = 1;

	r->n = 0;
	for (unsigned role = 0; role < 3; role++) {
		at += sprintf(at, "role r%u\n", role);
		line++;
		for (uint64_t n = seed_below(7); n; n--) {
			struct ref_rule *x = &r->rule[r->n++];
			size_t k = seed_below(4);

			*x = (struct ref_rule){ .deny = seed_below(4) == 0, .mark = seed_below(8) == 0,
						.accesses = access[k].bits, .line = ++line };
			sprintf(x->role, "r%u", role);
			random_pattern(x->pattern, x->deny && !x->mark);
			at += x->mark ? sprintf(at, "life-critical %s\n", x->pattern) :
				sprintf(at, "%s %s %s\n", x->deny ? "deny" : "allow", access[k].word, x->pattern);
		}
	}
}

static void random_subject(struct person *p)
{
	static char roles[32], attributes[64];

	roles[0] = attributes[0] = '\0';
	for (uint64_t n = seed_below(3); n; n--)
		strcat(strcat(roles, *roles ? " " : ""), PICK("r0", "r1", "r2", "r9"));
	for (uint64_t n = seed_below(4); n; n--)
		strcat(strcat(attributes, *attributes ? " " : ""),
		       PICK("u=a", "u=b", "u=c", "v=a", "v=m", "w=b", "user=b", "device=a", "client=b"));
	person(p, seed_below(2) ? USER : DEVICE, PICK("a", "b", "id"), roles, attributes);
	p->s.tenant = span_str("m");
}

static void random_topic(bool filter, char out[64])
{
	char *at = stpcpy(out, seed_below(16) ? "m" : filter ? PICK("+", "#", "x") : "x");

	for (uint64_t n = *out == '#' ? 0 : seed_below(5); n; n--)
		at = stpcpy(stpcpy(at, "/"), filter && !seed_below(4) ? "+" : PICK("a", "b", "c", "m", "id"));
	if (filter && *out != '#' && seed_below(5) == 0)
		strcpy(at, "/#");
}

/* Fulfils what a hint asks for: "role r1 would if u had a and v had b (line 3)", "would be allowed if ...". */
static void fulfil(struct person *p, const char *hint)
{
	static char word[32][16];
	char *at, copy[256];
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", hint);
	*strstr(copy, " (line") = '\0';
	for (at = strtok(copy, " "); at && n < 32; at = strtok(NULL, " "))
		strcpy(word[n++], at);
	if (!strcmp(word[0], "role"))
		p->role[p->s.roles++] = span_str(word[1]);
	for (size_t i = 0; i + 1 < n; i++)
		if (!strcmp(word[i], "had"))
			p->attribute[p->s.attributes++] = (struct attribute){ span_str(word[i - 1]), span_str(word[i + 1]) };
}

struct told {
	uint32_t allows, denies;    /* the first line said to do so */
	char hint[8][256];
	size_t hints;
	bool verdict;
};

static void hear(void *ctx, uint32_t line, const char *text)
{
	struct told *t = ctx;

	if (line && !t->allows && strstr(text, ": allows it"))
		t->allows = line;
	if (line && !t->denies && strstr(text, ": denies it"))
		t->denies = line;
	if (!line && (strstr(text, "would (") || strstr(text, "would if") || strstr(text, "would be allowed if")))
		snprintf(t->hint[t->hints++], sizeof(t->hint[0]), "%s", text);
	t->verdict |= !line && (!strncmp(text, "allowed: ", 9) || !strncmp(text, "denied: ", 8));
}

/* What is explained is what is decided, and doing what is advised helps. */
static void explanation_is_true(const struct policy *p, const struct person *who, enum access a, const char *text,
				const struct verdict *v)
{
	struct topic t = parse(a, text);
	struct told told = { 0 };

	policy_explain(p, &who->s, a, &t, hear, &told);
	assert_true(told.verdict);
	assert_int_equal(told.denies, v->why == WHY_DENIED ? v->line : 0);
	if (v->allow)
		assert_int_equal(told.allows, v->line);
	else if (v->why != WHY_DENIED)
		assert_int_equal(told.allows, 0);
	for (size_t i = 0; i < told.hints; i++) {
		struct person more = *who;

		more.s.role = more.role;
		more.s.attribute = more.attribute;
		fulfil(&more, told.hint[i]);
		if (!decide(p, &more.s, a, text).allow)
			fail_msg("%s: is no help", told.hint[i]);
	}
}

static void decisions_equal_the_reference(void **state)
{
	enum { POLICIES = 2000, CASES = 120 };
	static unsigned seen[WHY_COUNT];
	static struct ref r;
	struct person who;
	char text[64];

	(void)state;
	for (unsigned i = 0; i < POLICIES; i++) {
		CLEANUP(policy_close) struct policy *p = NULL;

		random_policy(&r);
		p = load(span_str(r.text));
		for (unsigned k = 0; k < CASES; k++) {
			enum access a = (enum access)(1u << seed_below(3));
			struct verdict v, want;
			struct topic t;

			if (k % 4 == 0)
				random_subject(&who);
			random_topic(a == SUB, text);
			t = parse(a, text);
			v = decide(p, &who.s, a, text);
			want = ref_decide(&r, &who.s, a, &t);
			seen[v.why]++;
			if (v.allow != want.allow || v.why != want.why || v.line != want.line || v.life_critical != want.life_critical)
				fail_msg("%s\n%s %s as %.*s: %s line %u, not %s line %u", r.text, access_name(a), text,
					 SPAN_FMT(who.s.id), why_text(v.why), v.line, why_text(want.why), want.line);
			if (k % 8 == 0)
				explanation_is_true(p, &who, a, text, &v);
		}
	}
	for (enum why w = 0; w <= WHY_NOT_HELD; w++)
		assert_true(seen[w] > 1000);
}

/* ---- ids from outside ------------------------------------------------------------------------------------------------- */

/* Abuse case 3: whatever an id holds, it is one level, equal to itself, or nothing. */
static void a_hostile_id_never_matches_outside_itself(void **state)
{
	static const char *const id[] = {
		"", "+", "#", "a/#", "../x", "%u", "%c", "{user}", "$share", "$SYS", "ana/", "/ana", "ana#", "+ana", "an a", "ana\n",
		"\xe2\x80\xae" "ana", "\xef\xbb\xbf" "ana", "\xff", "{unit}", "mercy/unit/icu3",
		"0123456789012345678901234567890123456789012345678901234567890123x",
	};
	CLEANUP(policy_close) struct policy *p = load(span_str("tenant mercy\nrole r\nallow both mercy/user/{user}/{unit}\n"));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(id); i++) {
		struct subject *s = person(&who, USER, id[i], "r", "unit=x unit=y");

		who.attribute[0].value = span_str(id[i]);
		assert_false(decide(p, s, SUB, "mercy/user/+/+").allow);
		assert_false(decide(p, s, SUB, "mercy/user/#").allow);
		assert_false(decide(p, s, SUB, "#").allow);
		assert_false(decide(p, s, GET, "mercy/user/ana/y").allow);
		s->id = span_str("ana");
		assert_true(decide(p, s, GET, "mercy/user/ana/y").allow);
		assert_false(decide(p, s, SUB, "mercy/user/ana/+").allow);
		assert_false(decide(p, s, SUB, "mercy/user/ana/#").allow);
	}
}

static void a_holder_keeps_what_it_needs_of_a_subject(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(GET, "mercy/unit/icu3/alert/high/nc1");
	char text[] = "unit=icu3", id[] = "ana", role[] = "nurse";
	struct person who;

	(void)state;
	assert_int_equal(policy_bind(p, person(&who, USER, id, role, text), &h), OK);
	memset(text, '!', sizeof(text));
	memset(id, '!', sizeof(id));
	memset(role, '!', sizeof(role));
	memset(&who, 0, sizeof(who));
	assert_true(policy_decide(p, h, GET, &t).allow);
}

/* ---- explaining and linting -------------------------------------------------------------------------------------------- */

struct page {
	char text[4096];
	size_t n;
};

static void write_down(void *ctx, uint32_t line, const char *text)
{
	struct page *p = ctx;

	p->n += (size_t)snprintf(p->text + p->n, sizeof(p->text) - p->n, "%u %s\n", line, text);
	assert_true(p->n < sizeof(p->text));
}

static void an_explanation_names_rules_verdict_and_remedy(void **state)
{
	static const struct { int who; enum access a; const char *topic, *page; } row[] = {
		{ 0, GET, "mercy/unit/icu3/alert/high/nc1",
		  "4 role nurse, allow subscribe mercy/unit/{unit}/alert/+/+: allows it\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "9 role nurse, deny receive mercy/unit/+/alert/info/+: level 5 is 'high', not 'info'\n"
		  "0 allowed: ana may receive on mercy/unit/icu3/alert/high/nc1, by line 4\n" },
		{ 0, GET, "mercy/unit/med4/alert/code/nc1",
		  "4 role nurse, allow subscribe mercy/unit/{unit}/alert/+/+: level 3 is 'med4', but unit of ana is icu3\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "9 role nurse, deny receive mercy/unit/+/alert/info/+: level 5 is 'code', not 'info'\n"
		  "0 denied: ana may not receive on mercy/unit/med4/alert/code/nc1: no role of ana allows receive there\n"
		  "0 would be allowed if unit had med4 (line 4)\n"
		  "0 role boss would (line 12)\n" },
		{ 0, PUB, "mercy/unit/all/broadcast",
		  "5 role nurse, allow publish mercy/unit/{unit}/ack/+: level 4 is 'broadcast', not 'ack'\n"
		  "6 role nurse, allow both mercy/channel/{channel}/#: level 2 is 'unit', not 'channel'\n"
		  "7 role nurse, deny publish mercy/unit/all/broadcast: denies it\n"
		  "8 role nurse, allow both mercy/user/{user}/inbox: level 2 is 'unit', not 'user'\n"
		  "0 denied: ana may not publish on mercy/unit/all/broadcast: line 7 denies it, and deny beats allow\n"
		  "0 line 7 would have to be narrowed or go, or ana lose role nurse; and even then no rule allows it\n" },
		{ 2, PUB, "mercy/unit/icu3/alert/high/nc2",
		  "16 role box, allow publish mercy/unit/{unit}/alert/+/{device}: level 6 is 'nc2', not {device} of nc1\n"
		  "0 denied: nc1 may not publish on mercy/unit/icu3/alert/high/nc2: no role of nc1 allows publish there\n"
		  "0 role boss would (line 12)\n" },
		{ 3, SUB, "mercy/a/#",
		  "21 role same, allow subscribe mercy/a/+/c/#: level 3 is '#', wider than what the rule says\n"
		  "22 role same, allow subscribe mercy/a/b/c/d: level 3 is '#', wider than what the rule says\n"
		  "23 role same, deny subscribe mercy/z/#: level 2 is 'a', not 'z'\n"
		  "24 role same, allow subscribe mercy/z/#: level 2 is 'a', not 'z'\n"
		  "0 denied: cy may not subscribe on mercy/a/#: it is wider than what any one rule grants\n"
		  "0 a part of it is granted: subscribe within mercy/a/+/c/# (line 21)\n"
		  "0 a part of it is granted: subscribe within mercy/a/b/c/d (line 22)\n"
		  "0 no role of mercy would do, whatever values were added: the policy would need another rule\n" },
		{ 6, GET, "mercy/x",
		  "0 role ghost is not in this policy: it gives nothing\n"
		  "0 denied: fy may not receive on mercy/x: no role of fy allows receive there\n"
		  "0 no role of mercy would do, whatever values were added: the policy would need another rule\n" },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(ward));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct topic t = parse(row[i].a, row[i].topic);
		struct page page = { 0 };

		policy_explain(p, person(&who, ward_people[row[i].who].party, ward_people[row[i].who].id,
					 ward_people[row[i].who].roles, ward_people[row[i].who].attributes), row[i].a, &t,
			       write_down, &page);
		assert_string_equal(page.text, row[i].page);
	}
}

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
		"  deny publish m/z/z\n";                       /* 16 */
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
		cmocka_unit_test(a_ward_is_decided_row_by_row),
		cmocka_unit_test(a_suspended_subject_may_do_nothing),
		cmocka_unit_test(another_tenants_subject_holds_nothing),
		cmocka_unit_test(what_is_not_understood_is_denied),
		cmocka_unit_test(life_critical_is_a_property_of_the_topic),
		cmocka_unit_test(the_shortest_idle_time_of_the_roles_counts),
		cmocka_unit_test(a_policy_says_what_it_is),
		cmocka_unit_test(the_sample_hospital_is_as_it_says),
		cmocka_unit_test(a_bad_line_is_named_with_its_column_and_the_remedy),
		cmocka_unit_test(odd_but_right_texts_load),
		cmocka_unit_test(limits_are_said),
		cmocka_unit_test(deciding_allocates_nothing),
		cmocka_unit_test(no_memory_is_an_error_and_nothing_else),
		cmocka_unit_test(many_rules_load_at_once_and_are_decided_alike),
		cmocka_unit_test(decisions_equal_the_reference),
		cmocka_unit_test(a_hostile_id_never_matches_outside_itself),
		cmocka_unit_test(a_holder_keeps_what_it_needs_of_a_subject),
		cmocka_unit_test(an_explanation_names_rules_verdict_and_remedy),
		cmocka_unit_test(lint_finds_what_was_probably_not_meant),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

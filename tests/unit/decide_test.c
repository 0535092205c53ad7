#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "seed.h"
#include "ward.h"

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

		check_row(p, ward_person(&who, r->who), r);
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

/* ---- against the reference --------------------------------------------------------------------------------------------
 * Rules expanded into all their filters as text, compared by the topic module: slow and plain. */

struct ref_rule {
	char role[8], pattern[64];
	bool deny, mark, record;
	unsigned accesses;          /* of `record` 1 << enum policy_record */
	uint32_t line;
};

#define REF_ROLES 3

struct ref {
	struct ref_rule rule[24];
	size_t n;
	bool brings[REF_ROLES][REF_ROLES];      /* the first includes the second, directly or not */
	char text[4096];
};

typedef bool relation(const struct topic *rule, const struct topic *topic);

/* Is there an expansion of the rest of the pattern, after what is expanded already, that stands so to the topic? */
static bool ref_any(const char *done, struct span rest, const struct subject *s, bool mark, const struct topic *topic,
		    relation *stands)
{
	struct span level = span_cut(rest, '/', &rest), name;
	char next[256];
	struct topic f;

	if (!level.p)
		return filter_parse(span_str(done), &f) == OK && stands(&f, topic);
	if (level.p[0] != '{' || mark) {
		snprintf(next, sizeof(next), "%s%s%.*s", done, *done ? "/" : "", SPAN_FMT(level.p[0] == '{' ? SPAN_LIT("+") : level));
		return ref_any(next, rest, s, mark, topic, stands);
	}
	name = span(level.p + 1, level.n - 2);
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

static bool ref_holds(const struct ref *r, const struct subject *s, const char *role)
{
	for (size_t k = 0; k < s->roles; k++) {
		unsigned held = (unsigned)(s->role[k].p[1] - '0');

		if (span_is(s->role[k], role) || (held < REF_ROLES && r->brings[held][role[1] - '0']))
			return true;
	}
	return false;
}

/* Is the first pattern more specific: at the first level in which they differ, a word before one level before the rest? */
static bool ref_closer(const char *a, const char *b)
{
	struct span x = span_str(a), y = span_str(b), p, q;

	while (x.p && y.p) {
		p = span_cut(x, '/', &x);
		q = span_cut(y, '/', &y);
		if (p.p[0] == '{' ? q.p[0] != '+' && q.p[0] != '{' : !span_eq(p, q))
			return p.p[0] == '#' ? false : p.p[0] == '+' || p.p[0] == '{' ? q.p[0] == '#' : true;
	}
	return !x.p && y.p;     /* "a" before "a/#" */
}

static enum policy_record ref_record(const struct ref *r, const struct subject *s, const struct topic *t)
{
	const struct ref_rule *best = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (r->rule[i].record && ref_any("", span_str(r->rule[i].pattern), s, true, t, filter_matches) &&
		    (!best || ref_closer(r->rule[i].pattern, best->pattern)))
			best = &r->rule[i];
	return best ? (enum policy_record)__builtin_ctz(best->accesses) : POLICY_RECORD_FULL;
}

static uint32_t ref_find(const struct ref *r, const struct subject *s, enum access a, const struct topic *t, bool deny,
			 relation *stands)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->rule[i].mark && !r->rule[i].record && r->rule[i].deny == deny && r->rule[i].accesses & (unsigned)a &&
		    ref_holds(r, s, r->rule[i].role) && ref_any("", span_str(r->rule[i].pattern), s, false, t, stands))
			return r->rule[i].line;
	return 0;
}

static struct verdict ref_decide(const struct ref *r, const struct subject *s, enum access a, const struct topic *t)
{
	struct verdict v = { .why = WHY_NO_RULE };

	for (size_t i = 0; i < r->n && a != SUB; i++)
		v.life_critical |= r->rule[i].mark && ref_any("", span_str(r->rule[i].pattern), s, true, t, filter_matches);
	if (a != SUB)
		v.record = ref_record(r, s, t);
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

/* A role may include those behind it. */
static char *random_role(struct ref *r, unsigned role, char *at)
{
	const char *before = " includes ";

	at += sprintf(at, "role r%u", role);
	memset(r->brings[role], 0, sizeof(r->brings[role]));
	for (unsigned k = role + 1; k < REF_ROLES; k++)
		if (seed_below(4) == 0) {
			at += sprintf(at, "%sr%u", before, k);
			before = ", ";
			r->brings[role][k] = true;
		}
	return stpcpy(at, "\n");
}

static char *random_rule(struct ref *r, unsigned role, uint32_t line, char *at)
{
	static const struct { const char *word; unsigned bits; } access[] = {
		{ "publish", 1 }, { "subscribe", 6 }, { "receive", 4 }, { "both", 7 }, { "publish, receive", 5 },
		{ "subscribe,publish", 7 } };
	struct ref_rule *x = &r->rule[r->n++];
	size_t k = seed_below(countof(access)), kind = seed_below(8);

	*x = (struct ref_rule){ .deny = seed_below(4) == 0, .mark = kind == 0, .record = kind == 1,
				.accesses = access[k].bits, .line = line };
	sprintf(x->role, "r%u", role);
	random_pattern(x->pattern, x->deny && !x->mark && !x->record);
	for (size_t i = 0; i + 1 < r->n; i++)       /* how to record a pattern is said once */
		if (x->record && r->rule[i].record && !ref_closer(r->rule[i].pattern, x->pattern) &&
		    !ref_closer(x->pattern, r->rule[i].pattern))
			x->mark = !(x->record = false);
	if (x->record) {
		x->accesses = 1u << seed_below(POLICY_RECORDS);
		return at + sprintf(at, "record %s %s\n", policy_record_name((enum policy_record)__builtin_ctz(x->accesses)),
				    x->pattern);
	}
	if (x->mark)
		return at + sprintf(at, "life-critical %s\n", x->pattern);
	return at + sprintf(at, "%s %s %s\n", x->deny ? "deny" : "allow", access[k].word, x->pattern);
}

static void random_policy(struct ref *r)
{
	char *at = stpcpy(r->text, "tenant m\n");
	uint32_t line = 1;

	r->n = 0;
	for (unsigned role = REF_ROLES; role-- > 0;) {
		at = random_role(r, role, at);
		line++;
		for (uint64_t n = seed_below(7); n; n--)
			at = random_rule(r, role, ++line, at);
	}
	for (unsigned k = 1; k + 1 < REF_ROLES; k++)
		for (unsigned to = 0; to < REF_ROLES; to++)
			r->brings[0][to] |= r->brings[0][k] && r->brings[k][to];
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
	if (line && !t->denies && (strstr(text, ": denies it") || strstr(text, ": denies a part of it")))
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
	enum { CASES = 200, POLICIES = SEED_SLOW ? 500 : 5000 };        /* a million, or a tenth of it ten times slower */
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
			if (v.allow != want.allow || v.why != want.why || v.line != want.line || v.life_critical != want.life_critical ||
			    v.record != want.record)
				fail_msg("%s\n%s %s as %.*s: %s line %u, not %s line %u", r.text, access_name(a), text,
					 SPAN_FMT(who.s.id), why_text(v.why), v.line, why_text(want.why), want.line);
			if (k % 8 == 0)
				explanation_is_true(p, &who, a, text, &v);
		}
	}
	for (enum why w = 0; w <= WHY_NOT_HELD; w++)
		assert_true(seen[w] > POLICIES / 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ward_is_decided_row_by_row),
		cmocka_unit_test(a_suspended_subject_may_do_nothing),
		cmocka_unit_test(another_tenants_subject_holds_nothing),
		cmocka_unit_test(what_is_not_understood_is_denied),
		cmocka_unit_test(life_critical_is_a_property_of_the_topic),
		cmocka_unit_test(a_hostile_id_never_matches_outside_itself),
		cmocka_unit_test(decisions_equal_the_reference),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

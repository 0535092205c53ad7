/* Tenants of one policy: each keeps to itself, but for channels one of them shares and the other has joined. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "seed.h"
#include "ward.h"

static const char town[] =
	"tenant mercy\n"                                            /* 1 */
	"share channel tumors, hearts with lakeside\n"              /* 2 */
	"quarantine\n"                                              /* 3 */
	"  allow subscribe mercy/device/{device}/cmd\n"             /* 4 */
	"role nurse\n"                                              /* 5 */
	"  allow both mercy/channel/{channel}/#\n"                  /* 6 */
	"tenant lakeside\n"                                         /* 7 */
	"join channel tumors, lungs of mercy\n"                     /* 8 */
	"role surgeon\n"                                            /* 9 */
	"  allow both mercy/channel/{guest}/#\n"                    /* 10 */
	"  allow both lakeside/channel/{channel}/#\n"               /* 11 */
	"role anywhere includes surgeon\n"                          /* 12 */
	"  allow both mercy/channel/#\n"                            /* 13 */
	"tenant mercy\n"                                            /* 14 */
	"role clerk\n"                                              /* 15 */
	"  allow control user.*\n";                                 /* 16 */

static struct subject *of_town(struct person *p, const char *tenant, const char *roles, const char *attributes)
{
	struct subject *s = person(p, USER, "sue", roles, attributes);

	s->tenant = span_str(tenant);
	return s;
}

static void a_channel_across_tenants_needs_both_sides(void **state)
{
	static const struct {
		const char *tenant, *roles, *attributes;
		enum access a;
		const char *topic;
		enum why why;
		uint32_t line;
	} rows[] = {
		{ "lakeside", "surgeon", "guest=tumors", GET, "mercy/channel/tumors/msg", WHY_ALLOWED, 10 },
		{ "lakeside", "surgeon", "guest=tumors", PUB, "mercy/channel/tumors/msg", WHY_ALLOWED, 10 },
		{ "lakeside", "surgeon", "guest=tumors", SUB, "mercy/channel/tumors/#", WHY_ALLOWED, 10 },
		{ "lakeside", "surgeon", "guest=hearts", SUB, "mercy/channel/hearts/#", WHY_FOREIGN, 0 },   /* not joined */
		{ "lakeside", "surgeon", "guest=lungs", SUB, "mercy/channel/lungs/#", WHY_FOREIGN, 0 },     /* not shared */
		{ "lakeside", "surgeon", "channel=tumors", GET, "mercy/channel/tumors/msg", WHY_NO_RULE, 0 },   /* no member */
		{ "lakeside", "surgeon", "channel=tumors", GET, "lakeside/channel/tumors/msg", WHY_ALLOWED, 11 },
		{ "lakeside", "anywhere", "", GET, "mercy/channel/tumors/msg", WHY_ALLOWED, 13 },
		{ "lakeside", "anywhere", "", GET, "mercy/channel/hearts/msg", WHY_FOREIGN, 0 },
		{ "lakeside", "anywhere", "", SUB, "mercy/channel/+/msg", WHY_FOREIGN, 0 },
		{ "lakeside", "anywhere", "", SUB, "mercy/channel/#", WHY_FOREIGN, 0 },
		{ "lakeside", "anywhere", "", SUB, "#", WHY_NOT_HELD, 0 },
		{ "lakeside", "nurse", "channel=tumors", GET, "mercy/channel/tumors/msg", WHY_NO_RULE, 0 },     /* mercy's role */
		{ "lakeside", "clerk", "", ACCESS_CONTROL, "user/create", WHY_NO_RULE, 0 },
		{ "mercy", "clerk", "", ACCESS_CONTROL, "user/create", WHY_ALLOWED, 16 },
		{ "mercy", "nurse", "channel=tumors", GET, "mercy/channel/tumors/msg", WHY_ALLOWED, 6 },
		{ "mercy", "nurse", "channel=tumors", GET, "lakeside/channel/tumors/msg", WHY_FOREIGN, 0 },
		{ "mercy", "surgeon", "guest=tumors", GET, "mercy/channel/tumors/msg", WHY_NO_RULE, 0 },
		{ "stjude", "surgeon", "guest=tumors", GET, "mercy/channel/tumors/msg", WHY_NO_RULE, 0 },
	};
	CLEANUP(policy_close) struct policy *p = load(span_str(town));
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct verdict v = decide(p, of_town(&who, rows[i].tenant, rows[i].roles, rows[i].attributes), rows[i].a, rows[i].topic);

		if (v.why != rows[i].why || v.line != rows[i].line)
			fail_msg("row %zu: %s by line %u", i, why_text(v.why), v.line);
	}
}

static void each_tenant_has_its_own_quarantine(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(town));
	struct person who;
	struct subject *s = person(&who, DEVICE, "nc1", "nurse", "");

	(void)state;
	s->quarantined = true;
	assert_true(decide(p, s, GET, "mercy/device/nc1/cmd").allow);
	s->tenant = span_str("lakeside");
	assert_false(decide(p, s, GET, "mercy/device/nc1/cmd").allow);
}

static void names_of_tenants_and_roles_are_known(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(town));

	(void)state;
	assert_true(span_is(policy_tenant(p), "mercy"));
	assert_true(policy_has_tenant(p, SPAN_LIT("lakeside")) && !policy_has_tenant(p, SPAN_LIT("nurse")));
	assert_true(span_is(policy_role_tenant(p, SPAN_LIT("clerk")), "mercy"));
	assert_true(span_is(policy_role_tenant(p, SPAN_LIT("surgeon")), "lakeside"));
	assert_int_equal(policy_role_tenant(p, SPAN_LIT("nobody")).n, 0);
	assert_int_equal(policy_count(p).tenants, 2);
	assert_true(span_is(policy_tenant_at(p, 0), "mercy") && span_is(policy_tenant_at(p, 1), "lakeside"));
	assert_true(span_is(policy_tenant_of_roles(p, NULL, 0), "mercy"));
	assert_true(span_is(policy_tenant_of_roles(p, (struct span[]){ SPAN_LIT("nobody"), SPAN_LIT("surgeon") }, 2), "lakeside"));
}

static void one_side_alone_is_pointed_out(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(town));
	struct page page = { .n = 0 };

	(void)state;
	policy_lint(p, write_down, &page);
	assert_non_null(strstr(page.text, "2 channel hearts stays closed: lakeside does not say 'join channel hearts of mercy'"));
	assert_non_null(strstr(page.text, "8 channel lungs stays closed: mercy does not say 'share channel lungs with lakeside'"));
	assert_null(strstr(page.text, "tumors"));
}

static void it_is_explained_which_side_is_silent(void **state)
{
	CLEANUP(policy_close) struct policy *p = load(span_str(town));
	struct page page = { .n = 0 };
	struct person who;
	struct topic t = parse(GET, "mercy/channel/hearts/msg");

	(void)state;
	policy_explain(p, of_town(&who, "lakeside", "surgeon", "guest=hearts"), GET, &t, write_down, &page);
	assert_non_null(strstr(page.text, "tenant lakeside would have to say: join channel hearts of mercy"));
	t = parse(GET, "mercy/channel/lungs/msg");
	policy_explain(p, of_town(&who, "lakeside", "surgeon", "guest=lungs"), GET, &t, write_down, &page);
	assert_non_null(strstr(page.text, "tenant mercy would have to say: share channel lungs with lakeside"));
	t = parse(GET, "mercy/unit/icu3/ack/nc1");
	policy_explain(p, of_town(&who, "lakeside", "surgeon nurse", ""), GET, &t, write_down, &page);
	assert_non_null(strstr(page.text, "between tenants only channels can be shared"));
	assert_non_null(strstr(page.text, "role nurse is another tenant's"));
}

static enum err bring_wards(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	(void)from;
	*out = (struct policy_file){ path, span_str(ctx) };
	return OK;
}

static void an_included_file_says_whose_it_is(void **state)
{
	const struct policy_file one = { span_str("p"), span_str("tenant a\ninclude wards\n") };
	const struct policy_file two = { span_str("p"), span_str("tenant a\ntenant b\ninclude wards\n") };
	struct policy_reader silent = { bring_wards, (char *)"role r\n allow both a/x\n" };
	struct policy_reader said = { bring_wards, (char *)"tenant b\nrole r\n allow both b/x\n" };
	struct policy_error where;
	struct policy *p;

	(void)state;
	assert_int_equal(policy_load_files(&one, &silent, &p, &where), OK);
	policy_close(&p);
	assert_int_equal(policy_load_files(&two, &silent, &p, &where), ERR_SYNTAX);
	assert_string_equal(where.file, "wards");
	assert_non_null(strstr(where.text, "an included file begins with 'tenant NAME'"));
	assert_int_equal(policy_load_files(&two, &said, &p, &where), OK);
	assert_true(span_is(policy_role_tenant(p, SPAN_LIT("r")), "b"));
	policy_close(&p);
}

/* ---- any policy of three tenants ---------------------------------------------------------------------------------- */

enum { TENANTS = 3, CHANNELS = 3, RULES = 4 };

/* The same as the text, as plainly as can be. */
struct plain {
	char text[4096];
	bool shared[TENANTS][TENANTS][CHANNELS], joined[TENANTS][TENANTS][CHANNELS];    /* [owner][guest] */
	char rule[TENANTS][RULES][32];
};

static char *random_sides(struct plain *q, unsigned t, char *at)
{
	for (unsigned other = 0; other < TENANTS; other++)
		for (unsigned c = 0; other != t && c < CHANNELS; c++) {
			q->shared[t][other][c] = seed_below(2);
			q->joined[other][t][c] = seed_below(2);
			if (q->shared[t][other][c])
				at += sprintf(at, "share channel c%u with t%u\n", c, other);
			if (q->joined[other][t][c])
				at += sprintf(at, "join channel c%u of t%u\n", c, other);
		}
	return at;
}

static bool joined_any(const struct plain *q, unsigned owner, unsigned guest)
{
	return q->joined[owner][guest][0] || q->joined[owner][guest][1] || q->joined[owner][guest][2];
}

static void random_rule(const struct plain *q, unsigned t, char rule[32])
{
	static const char *const end[] = { "/msg", "/#", "", "/+" };
	unsigned whose = (unsigned)seed_below(TENANTS), c = (unsigned)seed_below(CHANNELS + 1);
	char channel[8] = "+";

	if (whose != t && !joined_any(q, whose, t))
		whose = t;
	if (c < CHANNELS)
		sprintf(channel, "c%u", c);
	if (whose == t && seed_below(2))
		sprintf(rule, "t%u/#", t);
	else
		sprintf(rule, "t%u/channel/%s%s", whose, channel, end[seed_below(countof(end))]);
}

static void random_town(struct plain *q)
{
	char *at = q->text;

	memset(q, 0, sizeof(*q));
	for (unsigned t = 0; t < TENANTS; t++)
		at += sprintf(at, "tenant t%u\n", t);
	for (unsigned t = 0; t < TENANTS; t++) {
		at += sprintf(at, "tenant t%u\n", t);
		at = random_sides(q, t, at);
		at += sprintf(at, "role r%u\n", t);
		for (unsigned i = 0; i < RULES; i++) {
			random_rule(q, t, q->rule[t][i]);
			at += sprintf(at, "allow both %s\n", q->rule[t][i]);
		}
	}
}

static bool is_wild(struct span level)
{
	return span_is(level, "+") || span_is(level, "#");
}

static bool plain_allows(const struct plain *q, unsigned t, enum access a, const struct topic *topic)
{
	unsigned owner, c;
	bool granted = false;

	for (unsigned i = 0; i < RULES; i++) {
		struct topic rule = parse(SUB, q->rule[t][i]);

		granted |= a == SUB ? filter_contains(&rule, topic) : filter_matches(&rule, topic);
	}
	if (!granted || is_wild(topic->level[0]))
		return false;
	owner = (unsigned)topic->level[0].p[1] - '0';
	if (owner == t)
		return true;
	if (topic->n < 3 || !span_is(topic->level[1], "channel") || is_wild(topic->level[2]))
		return false;
	c = (unsigned)topic->level[2].p[1] - '0';
	return c < CHANNELS && q->shared[owner][t][c] && q->joined[owner][t][c];
}

static void random_topic(bool filter, char out[48])
{
	static const char *const end[] = { "", "/msg", "/msg/x", "/#", "/+" };

	if (filter && seed_below(12) == 0) {
		strcpy(out, seed_below(2) ? "#" : "+/channel/c0/msg");
		return;
	}
	out += sprintf(out, "t%u/%s", (unsigned)seed_below(TENANTS), seed_below(6) ? "channel" : "unit");
	if (filter && seed_below(5) == 0)
		out += sprintf(out, "/+");
	else
		out += sprintf(out, "/c%u", (unsigned)seed_below(CHANNELS + 1));
	strcpy(out, end[seed_below(filter ? countof(end) : 3)]);
}

static void no_tenant_reaches_another_but_by_what_both_say(void **state)
{
	enum { TOWNS = 500, CASES = 200 };
	static struct plain q;
	unsigned across = 0, own = 0;

	(void)state;
	for (unsigned i = 0; i < TOWNS; i++) {
		CLEANUP(policy_close) struct policy *p = NULL;

		random_town(&q);
		p = load(span_str(q.text));
		for (unsigned k = 0; k < CASES; k++) {
			enum access a = (enum access)(1u << seed_below(3));
			unsigned t = (unsigned)seed_below(TENANTS);
			char topic[48], name[8], role[8];
			struct person who;
			struct topic parsed;
			bool want;

			sprintf(name, "t%u", t);
			sprintf(role, "r%u", t);
			random_topic(a == SUB, topic);
			parsed = parse(a, topic);
			want = plain_allows(&q, t, a, &parsed);
			if (decide(p, of_town(&who, name, role, ""), a, topic).allow != want)
				fail_msg("%s\n%s %s as %s: not %s", q.text, access_name(a), topic, name, want ? "allowed" : "denied");
			across += want && topic[1] != name[1];
			own += want && topic[1] == name[1];
		}
	}
	assert_true(across > TOWNS && own > TOWNS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_across_tenants_needs_both_sides),
		cmocka_unit_test(each_tenant_has_its_own_quarantine),
		cmocka_unit_test(names_of_tenants_and_roles_are_known),
		cmocka_unit_test(one_side_alone_is_pointed_out),
		cmocka_unit_test(it_is_explained_which_side_is_silent),
		cmocka_unit_test(an_included_file_says_whose_it_is),
		cmocka_unit_test(no_tenant_reaches_another_but_by_what_both_say),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

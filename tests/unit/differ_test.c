/* differ: it finds a difference exactly when there is a topic or filter that the two policies decide differently. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "crypt.h"
#include "differ.h"
#include "seed.h"
#include "ward.h"

struct heard {
	char text[8192];
	size_t n, gains, losses;
};

static void hear(void *ctx, const struct gain *c)
{
	struct heard *h = ctx;

	*(c->gain ? &h->gains : &h->losses) += 1;
	if (h->n < sizeof(h->text))
		h->n += (size_t)snprintf(h->text + h->n, sizeof(h->text) - h->n, "%c%s%s%s %s %u", c->gain ? '+' : '-',
					 c->accesses & PUB ? "p" : "", c->accesses & SUB ? "s" : "", c->accesses & GET ? "r" : "",
					 c->pattern, c->line);
	if (c->whole && h->n < sizeof(h->text))
		h->n += (size_t)snprintf(h->text + h->n, sizeof(h->text) - h->n, " whole %u", c->denied);
	if (h->n < sizeof(h->text))
		h->n += (size_t)snprintf(h->text + h->n, sizeof(h->text) - h->n, "\n");
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

#define HEAD "tenant mercy\nrole r\n"

static const struct { const char *old, *new, *said; } rows[] = {
	{ "allow publish mercy/a", "allow publish mercy/a", "" },
	{ "allow publish mercy/a", "", "-p mercy/a 3\n" },
	{ "", "allow both mercy/a", "+psr mercy/a 3\n" },
	{ "allow subscribe mercy/a", "allow receive mercy/a", "-s mercy/a 3\n" },
	{ "allow publish mercy/a\nallow publish mercy/+", "allow publish mercy/+", "" },
	{ "allow publish mercy/#", "allow publish mercy/+", "-p mercy 3\n-p mercy/+/+ 3\n-p mercy/+/+/+ 3\n-p mercy/+/+/+/+ 3\n"
	  "-p mercy/+/+/+/+/+ 3\n-p mercy/+/+/+/+/+/+ 3\n-p mercy/+/+/+/+/+/+/+ 3\n-p mercy/+/+/+/+/+/+/+/+ 3\n"
	  "-p mercy/+/+/+/+/+/+/+/+/+ 3\n-p mercy/+/+/+/+/+/+/+/+/+/+ 3\n-p mercy/+/+/+/+/+/+/+/+/+/+/+ 3\n" },
	{ "allow subscribe mercy/#", "allow subscribe mercy\nallow subscribe mercy/+/#", "-s mercy/# 3 whole 0\n" },
	{ "allow subscribe mercy/+/+", "allow subscribe mercy/+/+\ndeny subscribe mercy/icu/+",
	  "-s mercy/+/+ 3 whole 4\n-sr mercy/icu/+ 3\n" },
	{ "allow subscribe mercy/+/+", "allow subscribe mercy/+/+\ndeny receive mercy/icu/+", "-r mercy/icu/+ 3\n" },
	{ "allow subscribe mercy/+/+\ndeny subscribe mercy/icu/+", "allow subscribe mercy/+/+\ndeny receive mercy/icu/+",
	  "+s mercy/+/+ 3 whole 4\n+s mercy/icu/+ 3\n" },
	{ "allow subscribe mercy/#", "allow subscribe mercy/#\ndeny subscribe mercy/icu/x",
	  "-s mercy/# 3 whole 4\n-sr mercy/icu/x 3\n" },
	{ "allow subscribe mercy/{unit}/+/#", "allow subscribe mercy/{unit}/+/#\ndeny subscribe mercy/icu/x",
	  "-s mercy/{unit=icu}/+/# 3 whole 4\n-sr mercy/{unit=icu}/x 3\n" },
	{ "allow subscribe mercy/+/+\ndeny subscribe mercy/icu/+", "allow subscribe mercy/+/+\ndeny subscribe mercy/icu/x",
	  "+sr mercy/icu/+ 3\n" },
	{ "allow publish mercy/a/#", "allow publish mercy/a/#\ndeny publish mercy/+/x", "-p mercy/a/x 3\n" },
	{ "allow publish mercy/{unit}/+", "allow publish mercy/{unit}/+\ndeny publish mercy/icu3/#", "-p mercy/{unit=icu3}/+ 3\n" },
	{ "allow publish mercy/{unit}", "allow publish mercy/{unit}\ndeny publish mercy/{closed}", "-p mercy/{unit,closed} 3\n" },
	{ "allow publish mercy/{unit}", "allow publish mercy/{ward}", "-p mercy/{unit} 3\n+p mercy/{ward} 3\n" },
	{ "allow publish mercy/{user}/{user}", "allow publish mercy/{user}/ana", "-p mercy/{user}/{user} 3\n+p mercy/{user}/ana 3\n" },
	{ "allow publish mercy/{device}/x", "allow publish mercy/{client}/x", "" },
	{ "allow publish mercy/{user}\ndeny publish mercy/{device}", "allow publish mercy/{user}", "" },
	{ "deny publish mercy/a\nallow publish mercy/+", "allow publish mercy/+\ndeny publish mercy/a", "" },
};

static void a_role_changes_by_what_its_holders_may(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		char text[2][512];
		struct heard h = { 0 };
		struct policy *p[2];
		struct differ d;

		snprintf(text[0], sizeof(text[0]), HEAD "%s\n", rows[i].old);
		snprintf(text[1], sizeof(text[1]), HEAD "%s\n", rows[i].new);
		p[0] = load(span_str(text[0]));
		p[1] = load(span_str(text[1]));
		differ_init(&d, p[0], p[1]);
		assert_int_equal(differ_role(&d, SPAN_LIT("r"), hear, &h), OK);
		assert_string_equal(h.text, rows[i].said);
		policy_close(&p[0]);
		policy_close(&p[1]);
	}
}

#define BASE "role base\nallow publish mercy/a\n"

static const struct { const char *old, *new, *said; } included[] = {
	{ "role r includes base\n" BASE, "role r includes base\n" BASE, "" },
	{ "role r\n" BASE, "role r includes base\n" BASE, "+p mercy/a 4\n" },
	{ "role r includes base\n" BASE, "role r includes base\nrole base\n", "-p mercy/a 4\n" },
	{ "role r includes base\n" BASE, "role r includes base\n" BASE "deny publish mercy/+\n", "-p mercy/a 4\n" },
	{ "role r includes mid\nrole mid includes base\n" BASE, "role r includes mid\nrole mid\n" BASE, "-p mercy/a 5\n" },
};

static void a_role_changes_with_those_it_includes(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(included); i++) {
		char text[2][256];
		struct heard h = { 0 };
		struct policy *p[2];
		struct differ d;

		snprintf(text[0], sizeof(text[0]), "tenant mercy\n%s", included[i].old);
		snprintf(text[1], sizeof(text[1]), "tenant mercy\n%s", included[i].new);
		p[0] = load(span_str(text[0]));
		p[1] = load(span_str(text[1]));
		differ_init(&d, p[0], p[1]);
		assert_int_equal(differ_role_same(&d, SPAN_LIT("r")), included[i].said[0] == '\0');
		assert_int_equal(differ_role(&d, SPAN_LIT("r"), hear, &h), OK);
		assert_string_equal(h.text, included[i].said);
		policy_close(&p[0]);
		policy_close(&p[1]);
	}
}

static void keep_last(void *ctx, const struct gain *c)
{
	*(struct gain *)ctx = *c;
}

static void networks_count_where_everybody_comes_from(void **state)
{
	static const struct { const char *from, *said; } row[] = {
		{ "", "" }, { "10.1.2.3", "" }, { "192.168.1.1", "-p mercy/a 3\n" }, { "::1", "-p mercy/a 3\n" },
	};
	struct policy *p[2] = { load(SPAN_LIT("tenant mercy\nrole r\n  allow publish mercy/a\n")),
				load(SPAN_LIT("tenant mercy\nrole r\n  allow publish mercy/a\n  from 10.0.0.0/8\n")) };
	const struct subject s = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = SPAN_LIT("mercy"), .id = SPAN_LIT("ana"),
				   .role = &SPAN_LIT("r"), .roles = 1 };
	struct differ d;

	(void)state;
	differ_init(&d, p[0], p[1]);
	assert_false(differ_role_same(&d, SPAN_LIT("r")));
	for (size_t i = 0; i < countof(row); i++) {
		struct heard h[2] = { 0 };

		d.from = span_str(row[i].from);
		assert_int_equal(differ_role(&d, SPAN_LIT("r"), hear, &h[0]), OK);
		assert_int_equal(differ_subject(&d, &s, hear, &h[1]), OK);
		assert_string_equal(h[0].text, row[i].said);
		assert_string_equal(h[1].text, row[i].said);
	}
	policy_close(&p[0]);
	policy_close(&p[1]);
}

static void commands_and_what_is_handed_out_are_compared(void **state)
{
	static const struct { const char *old, *new, *pattern; bool gain; unsigned accesses; } row[] = {
		{ "allow control user.get", "allow control user.*", "user.*", true, ACCESS_CONTROL },
		{ "allow control *", "allow control *\ndeny control policy.set", "policy.set", false, ACCESS_CONTROL },
		{ "allow grant role/a", "allow grant role/+", "role/+", true, ACCESS_GRANT },
		{ "allow grant attribute/unit/+", "allow grant attribute/unit/{unit}", "attribute/unit/+", false, ACCESS_GRANT },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char text[2][256];
		struct gain last = { 0 };
		struct policy *p[2];
		struct differ d;

		snprintf(text[0], sizeof(text[0]), "tenant mercy\nrole r\n%s\n", row[i].old);
		snprintf(text[1], sizeof(text[1]), "tenant mercy\nrole r\n%s\n", row[i].new);
		p[0] = load(span_str(text[0]));
		p[1] = load(span_str(text[1]));
		differ_init(&d, p[0], p[1]);
		assert_int_equal(differ_role(&d, SPAN_LIT("r"), keep_last, &last), OK);
		assert_string_equal(last.pattern, row[i].pattern);
		assert_true(last.gain == row[i].gain && last.accesses == row[i].accesses);
		policy_close(&p[0]);
		policy_close(&p[1]);
	}
}

static void the_quarantined_change_by_what_stands_under_quarantine(void **state)
{
	struct policy *old = load(SPAN_LIT("tenant mercy\nquarantine\nallow publish mercy/a\nrole r\nallow publish mercy/b\n")),
		      *new = load(SPAN_LIT("tenant mercy\nquarantine\nallow publish mercy/{user}\nrole r\n"));
	struct heard any = { 0 }, one = { 0 };
	struct person who;
	struct subject s;
	struct differ d;

	(void)state;
	differ_init(&d, old, new);
	assert_int_equal(differ_quarantine(&d, SPAN_LIT("mercy"), hear, &any), OK);
	assert_string_equal(any.text, "-p mercy/a 3\n+p mercy/{user} 3\n");
	s = *person(&who, USER, "ana", "r", "");
	s.quarantined = true;
	assert_int_equal(differ_subject(&d, &s, hear, &one), OK);
	assert_string_equal(one.text, "-p mercy/a 3\n+p mercy/ana 3\n");
	policy_close(&old);
	policy_close(&new);
}

static void another_tenants_quarantine_changes_by_its_own_lines(void **state)
{
	struct policy *old = load(SPAN_LIT("tenant mercy\nquarantine\nallow publish mercy/a\ntenant "
					   "lakeside\nquarantine\nallow publish lakeside/a\n")),
		      *new = load(SPAN_LIT("tenant mercy\nquarantine\nallow publish mercy/a\ntenant "
					   "lakeside\nquarantine\nallow publish lakeside/b\n"));
	struct heard house = { 0 }, guest = { 0 };
	struct differ d;

	(void)state;
	differ_init(&d, old, new);
	assert_int_equal(differ_quarantine(&d, SPAN_LIT("mercy"), hear, &house), OK);
	assert_int_equal(house.n, 0);
	assert_int_equal(differ_quarantine(&d, SPAN_LIT("lakeside"), hear, &guest), OK);
	assert_string_equal(guest.text, "-p lakeside/a 6\n+p lakeside/b 6\n");
	policy_close(&old);
	policy_close(&new);
}

static void what_is_said_of_one_holder_has_a_limit(void **state)
{
	char *text = grow_text(1500, HEAD, "allow publish mercy/%zu/x\nallow publish mercy/%zu/y\n");
	struct policy *old = load(span_str(HEAD)), *new = load(span_str(text));
	struct heard h = { 0 };
	struct differ d;

	(void)state;
	differ_init(&d, old, new);
	assert_int_equal(differ_role(&d, SPAN_LIT("r"), hear, &h), OK);
	assert_int_equal(h.gains, DIFFER_CHANGES_MAX);
	assert_true(d.cut);
	policy_close(&old);
	policy_close(&new);
	free(text);
}

static void words_nobody_uses_are_found_whatever_is_used(void **state)
{
	struct policy *old = load(SPAN_LIT(HEAD "allow publish mercy/+\nallow publish mercy/_a/_0:b\n")),
		      *new = load(SPAN_LIT(HEAD "allow publish mercy/{unit}\n"));
	struct person who;
	struct heard h = { 0 };
	struct differ d;

	(void)state;
	differ_init(&d, old, new);
	assert_int_equal(differ_subject(&d, person(&who, USER, "ana", "r", "unit=_1:b unit=_b"), hear, &h), OK);
	assert_string_equal(h.text, "-p mercy/+ 3\n-p mercy/_a/_0:b 4\n");
	policy_close(&old);
	policy_close(&new);
}

/* ---- against all topics there are ------------------------------------------------------------------------------------ */

static const char *const levels[] = { "a", "b", "+", "{unit}", "{ward}", "{user}", "a", "+" };
static const char *const asked[] = { "a", "b", "c", "zz", "ana", "+" };

static size_t random_policy(char *text, const char *roles)
{
	static const char *const access[] = { "publish", "subscribe", "receive", "both" };
	char *at = stpcpy(text, "tenant mercy\n");

	for (const char *r = roles; *r; r++) {
		at += sprintf(at, "role %c\n", *r);
		for (size_t n = seed_below(4); n--; *at++ = '\n') {
			at += sprintf(at, "%s %s mercy", seed_below(3) ? "allow" : "deny", access[seed_below(countof(access))]);
			for (size_t k = seed_below(3); k--;)
				at += sprintf(at, "/%s", levels[seed_below(countof(levels))]);
			if (!seed_below(3))
				at = stpcpy(at, "/#");
		}
	}
	*at = '\0';
	return (size_t)(at - text);
}

/* Does anything with up to four levels differ? */
static bool any_differs(struct policy *const p[2], struct holder *const h[2], bool gain[2])
{
	char text[64];
	struct topic t;

	for (unsigned depth = 1, count = 1; depth <= 4; depth++, count *= countof(asked))
		for (unsigned number = 0; number < 2 * count; number++) {
			char *at = stpcpy(text, "mercy");

			for (unsigned k = 1, n = number / 2; k < depth; k++, n /= countof(asked))
				at += sprintf(at, "/%s", asked[n % countof(asked)]);
			strcpy(at, number % 2 ? "/#" : "");
			for (unsigned a = 1; a <= 4; a *= 2) {
				bool may[2];

				if ((a == SUB ? filter_parse : topic_parse)(span_str(text), &t) != OK)
					continue;
				for (unsigned k = 0; k < 2; k++)
					may[k] = policy_decide(p[k], h[k], (enum access)a, &t).allow;
				if (may[0] != may[1])
					gain[may[1]] = true;
			}
		}
	return gain[0] || gain[1];
}

static void differences_are_found_exactly_when_there_are_some(void **state)
{
	unsigned different = 0, rounds = SEED_ROUNDS(3000);

	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		struct holder *b[2];
		struct policy *p[2];
		struct heard h = { 0 };
		bool gain[2] = { false, false };
		struct person who;
		struct differ d;
		char text[2][2048];
		const struct subject *s = person(&who, USER, seed_below(2) ? "ana" : "a", seed_below(2) ? "x y" : "x",
						 seed_below(2) ? "unit=a unit=c ward=c" : "ward=b unit=zz");

		random_policy(text[0], "xy");
		random_policy(text[1], "xy");
		if (seed_below(2))
			snprintf(strstr(text[1], "role y"), 512, "%s", strstr(text[0], "role y"));
		for (unsigned k = 0; k < 2; k++) {
			p[k] = load(span_str(text[k]));
			assert_int_equal(policy_bind(p[k], s, &b[k]), OK);
		}
		differ_init(&d, p[0], p[1]);
		assert_int_equal(differ_subject(&d, s, hear, &h), OK);
		different += any_differs(p, b, gain);
		if (!h.losses != !gain[0] || !h.gains != !gain[1])
			fail_msg("lost %d, gained %d\n%s----\n%s----\n%s", gain[0], gain[1], text[0], text[1], h.text);
		for (unsigned k = 0; k < 2; k++) {
			holder_close(&b[k]);
			policy_close(&p[k]);
		}
	}
	assert_true(different > rounds / 10 && different < rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_changes_by_what_its_holders_may),
		cmocka_unit_test(a_role_changes_with_those_it_includes),
		cmocka_unit_test(networks_count_where_everybody_comes_from),
		cmocka_unit_test(commands_and_what_is_handed_out_are_compared),
		cmocka_unit_test(the_quarantined_change_by_what_stands_under_quarantine),
		cmocka_unit_test(another_tenants_quarantine_changes_by_its_own_lines),
		cmocka_unit_test(what_is_said_of_one_holder_has_a_limit),
		cmocka_unit_test(words_nobody_uses_are_found_whatever_is_used),
		cmocka_unit_test(differences_are_found_exactly_when_there_are_some),
	};

	must(crypt_init() == OK);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

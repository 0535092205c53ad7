#include "compiled.h"

#include <stdio.h>
#include <strings.h>

#define LINT_TEXT_MAX 512
#define NUMBER_DIGITS 6         /* a medical record number has at least so many */
#define LOCKOUT_S (4 * 3600)    /* a longer one is a nurse's shift */

static const enum access accesses[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };

static struct place_text place(const struct policy *p, uint32_t line)
{
	return rules_place_text(&p->rules, line);
}

/* ---- rules among each other -------------------------------------------------------------------------------------- */

/* The least line by which one access was said, by the role or one it includes. */
static uint32_t covered_access(const struct policy *p, const struct rule *rule, enum effect by, const struct step *step,
			       uint32_t n, enum access a)
{
	uint32_t with[RULES_REACH_MAX], line = 0;

	for (size_t i = rules_closure(&p->rules, rule->role, NULL, with); i; i--)
		line = line_first(line, trie_covers(&p->trie, p->rules.role[with[i - 1]].root[by], step, n, a));
	return line;
}

/* The line by which all accesses of a rule have been said; 0: one of them never is. A pattern is walked as if it were a
 * topic of somebody who holds exactly what it asks for: so {unit} is covered by {unit} and by '+'. */
static uint32_t covered(const struct policy *p, const struct rule *rule, enum effect by)
{
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(p, rule, step), line = 0, one;

	for (size_t i = 0; i < countof(accesses); i++) {
		if (!(rule->accesses & (unsigned)accesses[i]))
			continue;
		one = covered_access(p, rule, by, step, n, accesses[i]);
		if (!one)
			return 0;
		line = one > line ? one : line;
	}
	return line;
}

/* Does anybody's allow rule meet one of these accesses? */
static bool is_allowed(const struct policy *p, const struct rule *rule, unsigned bits)
{
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(p, rule, step);

	for (uint32_t i = 0; i < n; i++)
		step[i].attributes = UINT64_MAX;        /* a word may be anybody's value */
	for (uint32_t i = 1; i <= p->rules.roles; i++)
		for (size_t k = 0; k < countof(accesses); k++)
			if (bits & (unsigned)accesses[k] &&
			    trie_meets(&p->trie, p->rules.role[i].root[EFFECT_ALLOW], step, n, accesses[k], UINT64_MAX))
				return true;
	return false;
}

static bool lint_sense(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const char *what = accesses_name(rule->accesses), *effect = effect_name(rule->effect);
	uint32_t line = rule->effect == EFFECT_ALLOW ? covered(p, rule, EFFECT_DENY) : 0;

	if (line) {
		snprintf(text, LINT_TEXT_MAX, "allow %s %.*s can never allow anything: %s denies all of it", what,
			 SPAN_FMT(rule->pattern), place(p, line).text);
		return true;
	}
	line = covered(p, rule, rule->effect);
	if (line != rule->line) {
		snprintf(text, LINT_TEXT_MAX, "%s %s %.*s adds nothing: %s says it already", effect, what,
			 SPAN_FMT(rule->pattern), place(p, line).text);
		return true;
	}
	if (rule->effect == EFFECT_ALLOW || is_allowed(p, rule, rule->accesses))
		return false;
	snprintf(text, LINT_TEXT_MAX, "deny %s %.*s denies nothing: no role allows any of it", what, SPAN_FMT(rule->pattern));
	return true;
}

/* ---- denies that cut whole subscriptions --------------------------------------------------------------------------- */

/* A role that includes the rule's role, or is it: does one of what it brings allow more than the rule denies? */
static uint32_t cuts_in(const struct policy *p, const struct rule *rule, const struct step *step, uint32_t n, uint32_t role)
{
	uint32_t with[RULES_REACH_MAX], line = 0;
	bool its_own = false;

	for (size_t i = rules_closure(&p->rules, role, NULL, with); i; i--) {
		its_own |= with[i - 1] == rule->role;
		line = line_first(line, trie_beyond(&p->trie, p->rules.role[with[i - 1]].root[EFFECT_ALLOW], step, n, ACCESS_SUBSCRIBE));
	}
	return its_own ? line : 0;
}

/* The rule whose whole subscriptions this deny refuses: one of its holders', else one of somebody who holds both roles. */
static uint32_t cuts(const struct policy *p, const struct rule *rule, bool *together)
{
	const struct rules *r = &p->rules;
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(p, rule, step), line = 0;

	for (uint32_t i = 1; i <= r->roles; i++)
		if (r->role[i].tenant == r->role[rule->role].tenant)
			line = line_first(line, cuts_in(p, rule, step, n, i));
	*together = line;
	for (uint32_t i = 1; i <= r->roles && !*together && !rules_is_quarantine(r, rule->role); i++)
		if (r->role[i].tenant == r->role[rule->role].tenant && !rules_is_quarantine(r, i))
			line = line_first(line, trie_beyond(&p->trie, r->role[i].root[EFFECT_ALLOW], step, n, ACCESS_SUBSCRIBE));
	return line;
}

static const struct rule *rule_at(const struct rules *r, uint32_t line)
{
	uint32_t low = 0, high = r->n;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		*(r->rule[middle].line <= line ? &low : &high) = middle;
	}
	return &r->rule[low];
}

static bool lint_cut(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const struct rule *allow;
	bool together;
	uint32_t line;

	if (rule->effect != EFFECT_DENY || !(rule->accesses & ACCESS_SUBSCRIBE))
		return false;
	line = cuts(p, rule, &together);
	if (!line)
		return false;
	allow = rule_at(&p->rules, line);
	snprintf(text, LINT_TEXT_MAX, "deny %s %.*s refuses whoever subscribes to all of %.*s, which %s allows%s%.*s: a filter is granted "
		 "whole or not at all; 'deny %s' would hold back this part alone", accesses_name(rule->accesses), SPAN_FMT(rule->pattern),
		 SPAN_FMT(allow->pattern), place(p, line).text, together ? "" : " those who also hold ",
		 together ? 0 : (int)p->rules.role[allow->role].name.n, (const char *)p->rules.role[allow->role].name.p,
		 accesses_name(rule->accesses & ~(unsigned)ACCESS_SUBSCRIBE));
	return true;
}

/* ---- what a rule reaches ----------------------------------------------------------------------------------------- */

/* Topics that belong to a circle of people: the level behind these words says whose they are. */
static bool is_scope(const struct level *l)
{
	return l->kind == STEP_WORD && (span_is(l->text, "unit") || span_is(l->text, "channel") || span_is(l->text, "patient"));
}

static bool is_wild(const struct level *l)
{
	return l->kind == STEP_PLUS || l->kind == STEP_HASH;
}

static bool lint_width(const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const struct pattern p = rule_pattern(rule);
	const struct level *kind = &p.level[1], *whose = &p.level[2];

	if (rule->effect != EFFECT_ALLOW || !(rule->accesses & ACCESS_RECEIVE) || p.n < 2)
		return false;
	if (is_wild(kind)) {
		snprintf(text, LINT_TEXT_MAX, "allow %s %.*s reaches topics of every kind", accesses_name(rule->accesses),
			 SPAN_FMT(rule->pattern));
		return true;
	}
	if (p.n < 3 || !is_scope(kind) || !is_wild(whose))
		return false;
	snprintf(text, LINT_TEXT_MAX, "allow %s %.*s reaches every %.*s; {%.*s} in its place would reach the holder's own",
		 accesses_name(rule->accesses), SPAN_FMT(rule->pattern), SPAN_FMT(kind->text), SPAN_FMT(kind->text));
	return true;
}

/* ---- words that should not be in a topic ------------------------------------------------------------------------- */

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(uint8_t c) { return c >= 'a' && c <= 'z'; }

/* "MRN-4711", "ssn078": what it is stands before it, so few digits are enough. */
static bool says_number(struct span word)
{
	static const char *const known[] = { "mrn", "ssn", "dob" };

	for (size_t i = 0; i < countof(known) && word.n > 3; i++)
		if (strncasecmp((const char *)word.p, known[i], 3) == 0 &&
		    (is_digit(word.p[3]) || (word.n > 4 && is_digit(word.p[4]) && strchr("-_.:", word.p[3]))))
			return true;
	return false;
}

/* "MRN0048213", "19540712", "1954-07-12": digits, and at most the signs that part them in a date. */
static bool has_number(struct span word)
{
	size_t digits = 0;

	if (says_number(word))
		return true;
	for (size_t i = 0; i < word.n; i++) {
		if (is_digit(word.p[i]))
			digits++;
		else if (word.p[i] != '-' && word.p[i] != '.')
			digits = 0;
		if (digits == NUMBER_DIGITS)
			return true;
	}
	return false;
}

/* "Smith.John", "Mary_Jones": two words in capitals and small letters. */
static bool has_name(struct span word)
{
	size_t names = 0;

	for (size_t i = 0; i + 1 < word.n; i++) {
		bool begins = i == 0 || !(is_upper(word.p[i - 1]) || is_lower(word.p[i - 1]) || is_digit(word.p[i - 1]));

		names += begins && is_upper(word.p[i]) && is_lower(word.p[i + 1]);
	}
	return names > 1;
}

static bool lint_words(const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const struct pattern p = rule_pattern(rule);

	for (uint32_t i = 1; i < p.n; i++) {
		struct span word = p.level[i].text;

		if (p.level[i].kind != STEP_WORD || !(has_number(word) || has_name(word)))
			continue;
		snprintf(text, LINT_TEXT_MAX, "'%.*s' looks like a person's %s: topics are not encrypted and hold no names, record "
			 "numbers or dates of birth", SPAN_FMT(word), has_number(word) ? "number or date" : "name");
		return true;
	}
	return false;
}

/* ---- handing out ------------------------------------------------------------------------------------------------- */

/* Does this rule let somebody hand out what others hold? By these commands' permissions: pullcord-control(5). */
static bool lets_grant(const struct rule *rule)
{
	static const char *const words[][2] = {
		{ "role", "grant" }, { "attribute", "set" }, { "team", "add" }, { "user", "create" }, { "user", "modify" },
		{ "user", "password" }, { "device", "create" }, { "device", "modify" },
	};
	const struct pattern q = rule_pattern(rule);

	for (size_t i = 0; i < countof(words); i++) {
		bool fits = true;

		for (uint32_t k = 0; k < 2 && k < q.n; k++)
			fits &= q.level[k].kind != STEP_WORD || span_is(q.level[k].text, words[i][k]);
		if (fits && (q.n == 2 || (q.n > 2 && q.level[2].kind == STEP_HASH)))
			return true;
	}
	return false;
}

static bool lint_grants(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const struct role *role = &p->rules.role[rule->role];
	struct span near;

	if (rule->effect == EFFECT_ALLOW && rule->accesses == ACCESS_CONTROL && !p->rules.tenant[role->tenant].grants &&
	    lets_grant(rule)) {
		snprintf(text, LINT_TEXT_MAX, "whoever holds %.*s can hand out anything, also to themselves: say what they may, as "
			 "'allow grant role/NAME', 'allow grant attribute/NAME/VALUE'", SPAN_FMT(role->name));
		return true;
	}
	if (rule->accesses == ACCESS_GRANT) {
		const struct pattern q = rule_pattern(rule);

		if (q.n != 2 || q.level[1].kind != STEP_WORD || rules_role(&p->rules, q.level[1].text))
			return false;
		near = policy_role_near(p, p->rules.tenant[role->tenant].name, q.level[1].text);
		snprintf(text, LINT_TEXT_MAX, "%s grant %.*s is about no role: there is none of that name%s%.*s%s", effect_name(rule->effect),
			 SPAN_FMT(rule->pattern), near.n ? "; did you mean role/" : "", SPAN_FMT(near), near.n ? "?" : "");
		return true;
	}
	return false;
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static bool lint_mark(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	if (is_allowed(p, rule, ACCESS_PUBLISH))
		return false;
	snprintf(text, LINT_TEXT_MAX, "life-critical %.*s: no role may publish there", SPAN_FMT(rule->pattern));
	return true;
}

static bool lint_rule(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	if (rule->meant)
		return false;
	if (rule->effect == EFFECT_MARK && lint_mark(p, rule, text))
		return true;
	if (rule->effect <= EFFECT_DENY && (lint_sense(p, rule, text) || lint_cut(p, rule, text) || lint_width(rule, text) ||
					    lint_grants(p, rule, text)))
		return true;
	return !(rule->accesses & (ACCESS_CONTROL | ACCESS_GRANT)) && lint_words(rule, text);
}

/* One side alone opens nothing. */
static bool lint_share(const struct policy *p, const struct share *s, char text[LINT_TEXT_MAX])
{
	const struct tenant *t = p->rules.tenant, *other = &t[s->other];

	for (uint32_t i = 0; i < p->rules.shares; i++) {
		const struct share *q = &p->rules.share[i];

		if (q->side != s->side && q->tenant == s->other && q->other == s->tenant && span_eq(q->channel, s->channel))
			return false;
	}
	snprintf(text, LINT_TEXT_MAX, "channel %.*s stays closed: %.*s does not say '%s channel %.*s %s %.*s'", SPAN_FMT(s->channel),
		 SPAN_FMT(other->name), s->side == SIDE_OWNER ? "join" : "share", SPAN_FMT(s->channel),
		 s->side == SIDE_OWNER ? "of" : "with", SPAN_FMT(t[s->tenant].name));
	return true;
}

static bool lint_role(const struct role *role, char text[LINT_TEXT_MAX])
{
	if (role->root[EFFECT_ALLOW] || role->includes)
		return false;
	snprintf(text, LINT_TEXT_MAX, "role %.*s allows nothing%s", SPAN_FMT(role->name),
		 role->root[EFFECT_DENY] ? ", it only denies" : ": it has no rules");
	return true;
}

static bool lint_lockout(const struct rules *r, enum lockout_kind kind, char text[LINT_TEXT_MAX])
{
	const struct policy_lockout *l = &r->lockout[kind];

	if (!r->lockout_line[kind] || r->lockout_meant[kind])
		return false;
	if (!l->failures && kind != LOCKOUT_ACCOUNT)
		snprintf(text, LINT_TEXT_MAX, "lock-out %snever: %s", kind == LOCKOUT_ADDRESS ? "address " : "",
			 kind == LOCKOUT_ADDRESS ? "one machine may guess the passwords of everybody" : "passwords may be guessed without end");
	else if (l->for_s > LOCKOUT_S)
		snprintf(text, LINT_TEXT_MAX, "lock-out for more than %d hours: whoever mistypes misses a shift", LOCKOUT_S / 3600);
	else
		return false;
	return true;
}

/* The kind said next, from this line on; LOCKOUT_KINDS: none. */
static enum lockout_kind next_lockout(const struct rules *r, uint32_t from)
{
	enum lockout_kind next = LOCKOUT_KINDS;

	for (enum lockout_kind kind = 0; kind < LOCKOUT_KINDS; kind++)
		if (r->lockout_line[kind] >= from && (next == LOCKOUT_KINDS || r->lockout_line[kind] < r->lockout_line[next]))
			next = kind;
	return next;
}

struct linting {
	const struct policy *p;
	void (*say)(void *ctx, uint32_t line, const char *text);
	void *ctx;
	uint32_t lockouts;          /* those before this line were looked at */
};

/* The lock-outs that stand before the line. */
static void lint_lockouts(struct linting *l, uint32_t line)
{
	const struct rules *r = &l->p->rules;
	char text[LINT_TEXT_MAX];

	for (enum lockout_kind kind; (kind = next_lockout(r, l->lockouts)) < LOCKOUT_KINDS && r->lockout_line[kind] < line;) {
		l->lockouts = r->lockout_line[kind] + 1;
		if (lint_lockout(r, kind, text))
			l->say(l->ctx, r->lockout_line[kind], text);
	}
}

static void lint_say(struct linting *l, uint32_t line, const char *text)
{
	lint_lockouts(l, line);
	l->say(l->ctx, line, text);
}

void policy_lint(const struct policy *p, void (*say)(void *ctx, uint32_t line, const char *text), void *ctx)
{
	struct linting l = { p, say, ctx, 1 };
	const struct rules *r = &p->rules;
	char text[LINT_TEXT_MAX];
	uint32_t role = 1, share = 0, line;

	for (uint32_t i = 0; i <= r->n; i++) {
		line = i < r->n ? r->rule[i].line : UINT32_MAX;
		while ((role <= r->roles && r->role[role].line < line) || (share < r->shares && r->share[share].line < line)) {
			bool role_next = role <= r->roles && (share == r->shares || r->role[role].line < r->share[share].line);

			if (role_next ? lint_role(&r->role[role], text) : lint_share(p, &r->share[share], text))
				lint_say(&l, role_next ? r->role[role].line : r->share[share].line, text);
			role += role_next;
			share += !role_next;
		}
		if (i < r->n && lint_rule(p, &r->rule[i], text))
			lint_say(&l, r->rule[i].line, text);
	}
	lint_lockouts(&l, UINT32_MAX);
}

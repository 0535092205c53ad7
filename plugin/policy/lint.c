#include "compiled.h"

#include <stdio.h>

#include "line.h"
#include "phi.h"

#define LINT_TEXT_MAX 768
#define COVERS_MAX 3            /* rules named that say the same */
#define COVERS_TEXT_MAX 360
#define LOCKOUT_S (4 * 3600)    /* a longer one is a nurse's shift */

static const enum access accesses[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };

static struct place_text place(const struct policy *p, uint32_t line)
{
	return rules_place_text(&p->rules, line);
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

/* ---- rules among each other -------------------------------------------------------------------------------------- */

/* The rules that say together what one says alone. */
struct covers {
	uint32_t line[COVERS_MAX];
	uint32_t n, more;           /* distinct; and those that found no room */
};

static void covers_add(struct covers *c, uint32_t line)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->line[i] == line)
			return;
	if (c->n < COVERS_MAX)
		c->line[c->n++] = line;
	else
		c->more++;
}

/* Is every topic of `b` one of `a`'s? */
static bool is_within(const struct step *a, uint32_t an, const struct step *b, uint32_t bn)
{
	for (uint32_t i = 0; i < an; i++) {
		if (a[i].kind == STEP_HASH)
			return true;
		if (i == bn || b[i].kind == STEP_HASH)
			return false;
		if (a[i].kind != STEP_PLUS && (a[i].kind != b[i].kind || a[i].number != b[i].number))
			return false;
	}
	return an == bn;
}

/* What one access of a rule's pattern is looked at for: its role, and those it brings wherever its holder comes from. */
struct covering {
	const struct policy *p;
	const struct rule *rule;
	enum effect by;
	enum access access;
	uint32_t with[RULES_REACH_MAX];
	size_t roles;
};

static uint32_t covered_by(const struct covering *c, const struct step *step, uint32_t n)
{
	uint32_t line = 0;

	for (size_t i = 0; i < c->roles; i++)
		line = line_first(line, trie_covers_besides(&c->p->trie, c->p->rules.role[c->with[i]].root[c->by], step, n, c->access,
							    c->rule->line));
	return line;
}

/* A '#' by several rules, each at its depth: topics, but not the subscription to all of them. Only by rules that say more
 * somewhere: of two that cover each other one must stay. */
static bool covered_by_depth(const struct covering *c, struct step step[TOPIC_LEVELS_MAX + 1], uint32_t n, struct covers *out)
{
	struct step own[TOPIC_LEVELS_MAX], other[TOPIC_LEVELS_MAX];
	uint32_t line;

	if (step[n - 1].kind != STEP_HASH || (c->access == ACCESS_SUBSCRIBE && c->by == EFFECT_ALLOW))
		return false;
	memcpy(own, step, sizeof(own));
	for (uint32_t depth = n - 1; depth <= TOPIC_LEVELS_MAX; depth++) {
		line = covered_by(c, step, depth);
		if (!line)
			return false;
		if (c->by == c->rule->effect && is_within(own, n, other, policy_steps(c->p, rule_at(&c->p->rules, line), other)))
			return false;
		covers_add(out, line);
		step[depth] = (struct step){ .kind = STEP_WORD };       /* one no rule speaks of */
	}
	return true;
}

static bool covered_access(const struct covering *c, struct covers *out)
{
	struct step step[TOPIC_LEVELS_MAX + 1];
	uint32_t n = policy_steps(c->p, c->rule, step), line = covered_by(c, step, n);

	if (!line)
		return covered_by_depth(c, step, n, out);
	covers_add(out, line);
	return true;
}

/* Have others said all accesses of a rule? A pattern is walked as if it were a topic of somebody who holds exactly what it
 * asks for: so {unit} is covered by {unit} and by '+'. */
static bool covered(const struct policy *p, const struct rule *rule, enum effect by, struct covers *out)
{
	struct covering c = { .p = p, .rule = rule, .by = by };

	*out = (struct covers){ .n = 0 };
	c.roles = rules_closure_anywhere(&p->rules, rule->role, c.with);
	for (size_t i = 0; i < countof(accesses); i++) {
		c.access = accesses[i];
		if (rule->accesses & (unsigned)accesses[i] && !covered_access(&c, out))
			return false;
	}
	return true;
}

/* "line 3", "line 3 and line 9", "line 3, line 5, line 9 and 2 more" */
static const char *covers_text(const struct policy *p, const struct covers *c, char out[COVERS_TEXT_MAX])
{
	struct put b = put(out, COVERS_TEXT_MAX - 1);

	for (uint32_t i = 0; i < c->n; i++)
		put_fmt(&b, "%s%s", !i ? "" : i + 1 < c->n || c->more ? ", " : " and ", place(p, c->line[i]).text);
	if (c->more)
		put_fmt(&b, " and %u more", c->more);
	out[b.n] = '\0';
	return out;
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

static bool lint_denied(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	char by[COVERS_TEXT_MAX];
	struct covers c;

	if (rule->effect != EFFECT_ALLOW || !covered(p, rule, EFFECT_DENY, &c))
		return false;
	snprintf(text, LINT_TEXT_MAX, "allow %s %.*s can never allow anything: %s %s all of it", accesses_name(rule->accesses),
		 SPAN_FMT(rule->pattern), covers_text(p, &c, by), c.n > 1 ? "deny" : "denies");
	return true;
}

static bool lint_sense(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const char *what = accesses_name(rule->accesses), *effect = effect_name(rule->effect);
	char by[COVERS_TEXT_MAX];
	struct covers c;

	if (covered(p, rule, rule->effect, &c)) {
		snprintf(text, LINT_TEXT_MAX, "%s %s %.*s adds nothing: %s %s it %s", effect, what, SPAN_FMT(rule->pattern),
			 covers_text(p, &c, by), c.n > 1 ? "say" : "says", c.line[0] < rule->line && c.n == 1 ? "already" : "too");
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

static bool lint_words(const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const struct pattern p = rule_pattern(rule);

	for (uint32_t i = 1; i < p.n; i++) {
		const struct level *l = &p.level[i];
		bool patient = i == 2 && p.level[1].kind == STEP_WORD && span_is(p.level[1].text, "patient");
		enum phi looks = l->kind == STEP_WORD ? (patient ? phi_patient : phi_word)(l->text) : PHI_NONE;

		if (looks == PHI_NONE)
			continue;
		snprintf(text, LINT_TEXT_MAX, "'%.*s' looks like a person's %s: topics are not encrypted and hold no names, record, phone or "
			 "social security numbers, or dates of birth%s", SPAN_FMT(l->text), looks == PHI_NUMBER ? "number or date" : "name",
			 patient ? "; {patient} in its place would stand for the holder's own" : "");
		return true;
	}
	return false;
}

/* ---- attributes ------------------------------------------------------------------------------------------------ */

/* At how many levels of patterns each is named. */
static void count_uses(const struct rules *r, uint32_t uses[TRIE_ATTRIBUTES])
{
	memset(uses, 0, TRIE_ATTRIBUTES * sizeof(*uses));
	for (uint32_t i = 0; i < r->n; i++) {
		const struct pattern q = rule_pattern(&r->rule[i]);

		for (uint32_t k = 0; k < q.n; k++)
			if (q.level[k].kind == STEP_ATTRIBUTE)
				uses[rules_attribute(r, q.level[k].text) - 1]++;
	}
}

/* One that is named far more often, and was probably meant; none: empty. */
static struct span attribute_near(const struct rules *r, struct span name, const uint32_t uses[TRIE_ATTRIBUTES])
{
	struct span best = { NULL, 0 };
	unsigned least = LINE_NEAR + 1;

	for (uint32_t i = 0; i < r->attributes; i++) {
		unsigned d = line_distance(name, r->attribute[i]);

		if (d >= least || 2 * d >= name.n || uses[i] <= 2 * uses[rules_attribute(r, name) - 1])
			continue;
		least = d;
		best = r->attribute[i];
	}
	return best;
}

/* Whoever was to be allowed something by it is allowed nothing, and no fault shows: nobody holds such an attribute. */
static bool lint_attributes(const struct policy *p, const struct rule *rule, const uint32_t uses[TRIE_ATTRIBUTES],
			    char text[LINT_TEXT_MAX])
{
	const struct pattern q = rule_pattern(rule);
	struct span near;

	for (uint32_t i = 0; i < q.n; i++) {
		if (q.level[i].kind != STEP_ATTRIBUTE)
			continue;
		near = attribute_near(&p->rules, q.level[i].text, uses);
		if (!near.n)
			continue;
		snprintf(text, LINT_TEXT_MAX, "%s %s %.*s is about holders of an attribute '%.*s' alone: did you mean {%.*s}?",
			 effect_name(rule->effect), accesses_name(rule->accesses), SPAN_FMT(rule->pattern),
			 SPAN_FMT(q.level[i].text), SPAN_FMT(near));
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
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(p, rule, step), line = trie_covers_besides(&p->trie, p->marks, step, n, ACCESS_RECEIVE, rule->line);

	if (line) {
		snprintf(text, LINT_TEXT_MAX, "life-critical %.*s adds nothing: %s says it %s", SPAN_FMT(rule->pattern), place(p, line).text,
			 line < rule->line ? "already" : "too");
		return true;
	}
	if (is_allowed(p, rule, ACCESS_PUBLISH))
		return false;
	snprintf(text, LINT_TEXT_MAX, "life-critical %.*s: no role may publish there", SPAN_FMT(rule->pattern));
	return true;
}

static bool lint_rule(const struct policy *p, const struct rule *rule, const uint32_t uses[TRIE_ATTRIBUTES],
	char text[LINT_TEXT_MAX])
{
	if (rule->meant)
		return false;
	if (lint_attributes(p, rule, uses, text))
		return true;
	if (rule->effect == EFFECT_MARK && lint_mark(p, rule, text))
		return true;
	if (rule->effect <= EFFECT_DENY && (lint_denied(p, rule, text) || lint_width(rule, text) || lint_sense(p, rule, text) ||
					    lint_cut(p, rule, text) || lint_grants(p, rule, text)))
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
	uint32_t role = 1, share = 0, line, uses[TRIE_ATTRIBUTES];

	count_uses(r, uses);
	for (uint32_t i = 0; i <= r->n; i++) {
		line = i < r->n ? r->rule[i].line : UINT32_MAX;
		while ((role <= r->roles && r->role[role].line < line) || (share < r->shares && r->share[share].line < line)) {
			bool role_next = role <= r->roles && (share == r->shares || r->role[role].line < r->share[share].line);

			if (role_next ? lint_role(&r->role[role], text) : lint_share(p, &r->share[share], text))
				lint_say(&l, role_next ? r->role[role].line : r->share[share].line, text);
			role += role_next;
			share += !role_next;
		}
		if (i < r->n && lint_rule(p, &r->rule[i], uses, text))
			lint_say(&l, r->rule[i].line, text);
	}
	lint_lockouts(&l, UINT32_MAX);
}

#include "compiled.h"

#include <stdio.h>

#define LINT_TEXT_MAX 384

/* The line by which all accesses of a rule have been said; 0: one of them never is. A pattern is walked as if it were a
 * topic of somebody who holds exactly what it asks for: so {unit} is covered by {unit} and by '+'. */
static uint32_t covered(const struct policy *p, const struct rule *rule, enum effect by)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE };
	uint32_t root = p->rules.role[rule->role].root[by], line = 0, one, n;
	struct step step[TOPIC_LEVELS_MAX];

	n = policy_steps(p, rule, step);
	for (size_t i = 0; i < countof(all); i++) {
		if (!(rule->accesses & (unsigned)all[i]))
			continue;
		one = trie_covers(&p->trie, root, step, n, all[i]);
		if (!one)
			return 0;
		line = one > line ? one : line;
	}
	return line;
}

static bool publishable(const struct policy *p, const struct rule *mark)
{
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(p, mark, step);

	for (uint32_t i = 1; i <= p->rules.roles; i++)
		if (trie_meets(&p->trie, p->rules.role[i].root[EFFECT_ALLOW], step, n, ACCESS_PUBLISH, UINT64_MAX))
			return true;
	return false;
}

/* What is odd about one rule; false: nothing. */
static bool lint_rule(const struct policy *p, const struct rule *rule, char text[LINT_TEXT_MAX])
{
	const char *what = accesses_name(rule->accesses);
	uint32_t line;

	if (rule->effect == EFFECT_MARK) {
		if (publishable(p, rule))
			return false;
		snprintf(text, LINT_TEXT_MAX, "life-critical %.*s: no role may publish there", SPAN_FMT(rule->pattern));
		return true;
	}
	line = rule->effect == EFFECT_ALLOW ? covered(p, rule, EFFECT_DENY) : 0;
	if (line) {
		snprintf(text, LINT_TEXT_MAX, "allow %s %.*s can never allow anything: line %u denies all of it", what,
			 SPAN_FMT(rule->pattern), line);
		return true;
	}
	line = covered(p, rule, rule->effect);
	if (line == rule->line)
		return false;
	snprintf(text, LINT_TEXT_MAX, "%s %s %.*s adds nothing: line %u says it already", effect_name(rule->effect), what,
		 SPAN_FMT(rule->pattern), line);
	return true;
}

static bool lint_role(const struct role *role, char text[LINT_TEXT_MAX])
{
	if (role->root[EFFECT_ALLOW])
		return false;
	snprintf(text, LINT_TEXT_MAX, "role %.*s allows nothing%s", SPAN_FMT(role->name),
		 role->root[EFFECT_DENY] ? ", it only denies" : ": it has no rules");
	return true;
}

void policy_lint(const struct policy *p, void (*say)(void *ctx, uint32_t line, const char *text), void *ctx)
{
	const struct rules *r = &p->rules;
	char text[LINT_TEXT_MAX];
	uint32_t role = 1;

	for (uint32_t i = 0; i <= r->n; i++) {
		for (; role <= r->roles && (i == r->n || r->role[role].line < r->rule[i].line); role++)
			if (lint_role(&r->role[role], text))
				say(ctx, r->role[role].line, text);
		if (i < r->n && lint_rule(p, &r->rule[i], text))
			say(ctx, r->rule[i].line, text);
	}
}

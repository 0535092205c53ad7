#include "listing.h"

#include "compiled.h"

uint32_t policy_listed(const struct policy *p)
{
	return p->rules.n;
}

struct listed policy_list(const struct policy *p, uint32_t i)
{
	const struct rule *r;

	must(i < p->rules.n);
	r = &p->rules.rule[i];
	return (struct listed){ p->rules.role[r->role].name, r->effect, r->accesses, r->pattern, r->line,
				rules_is_quarantine(&p->rules, r->role), p->rules.tenant[p->rules.role[r->role].tenant].name };
}

static bool asks_for(const struct rule *r, struct span name)
{
	const struct pattern pattern = rule_pattern(r);

	for (uint32_t i = 0; i < pattern.n; i++)
		if (pattern.level[i].kind == STEP_ATTRIBUTE && span_eq(pattern.level[i].text, name))
			return true;
	return false;
}

void policy_each_place(const struct policy *p, struct span name, void (*say)(void *ctx, struct span pattern), void *ctx)
{
	const unsigned topics = ACCESS_PUBLISH | ACCESS_SUBSCRIBE | ACCESS_RECEIVE;

	for (uint32_t i = 0; i < p->rules.n; i++) {
		const struct rule *r = &p->rules.rule[i];

		if ((r->effect > EFFECT_DENY || r->accesses & topics) && asks_for(r, name))
			say(ctx, r->pattern);
	}
}

uint32_t policy_shares(const struct policy *p)
{
	return p->rules.shares;
}

struct listed_share policy_share(const struct policy *p, uint32_t i)
{
	const struct share *s;

	must(i < p->rules.shares);
	s = &p->rules.share[i];
	return (struct listed_share){ s->side, p->rules.tenant[s->tenant].name, p->rules.tenant[s->other].name, s->channel, s->line };
}

uint32_t policy_roles(const struct policy *p)
{
	return p->rules.roles;
}

struct span policy_role(const struct policy *p, uint32_t i)
{
	must(i < p->rules.roles);
	return p->rules.role[i + 1].name;
}

size_t policy_reach(const struct policy *p, struct span role, struct span *out)
{
	uint32_t with[RULES_REACH_MAX], number = rules_role(&p->rules, role);
	size_t n = number ? rules_closure(&p->rules, number, NULL, with) : 0;

	for (size_t i = 0; i < n; i++)
		out[i] = p->rules.role[with[i]].name;
	return n;
}

char *policy_role_networks(const struct policy *p, struct span role, char out[LISTING_NETWORKS_MAX])
{
	const struct role *at = &p->rules.role[rules_role(&p->rules, role)];
	struct put b = put(out, LISTING_NETWORKS_MAX - 1);
	char text[NETWORK_TEXT_MAX];

	for (uint32_t i = 0; i < at->networks && b.n + NETWORK_TEXT_MAX + 2 < LISTING_NETWORKS_MAX; i++)
		put_fmt(&b, "%s%s", i ? ", " : "", network_write(&p->rules.network[at->network + i], text));
	out[b.n] = '\0';
	return out;
}

struct span policy_role_at(const struct policy *p, uint32_t line)
{
	const struct rule *rule = rules_at(&p->rules, line);

	return rule ? p->rules.role[rule->role].name : span(NULL, 0);
}

/* What the statements of a policy name is found here: roles that include roles, and tenants that share channels. */
#include "rules.h"

#include <stdio.h>

#include "line.h"

static enum err find_includes(struct rules *r, struct policy_error *where)
{
	char text[240];

	for (uint32_t i = 0; i < r->includes; i++) {
		struct include *in = &r->include[i];

		in->to = rules_role(r, in->name);
		if (!in->to)
			snprintf(text, sizeof(text), "there is no role %s: some line must be 'role %.*s'", quote(in->name).text,
				 SPAN_FMT(in->name));
		else if (r->role[in->to].tenant != in->tenant)
			snprintf(text, sizeof(text), "role %s is another tenant's, see %s: a role includes roles of its own tenant",
				 quote(in->name).text, rules_place_text(r, r->role[in->to].line).text);
		else
			continue;
		return rules_refuse(r, in->line, in->column, where, text);
	}
	return OK;
}

static enum err find_shares(struct rules *r, struct policy_error *where)
{
	char text[160];

	for (uint32_t i = 0; i < r->shares; i++) {
		struct share *s = &r->share[i];

		s->other = rules_tenant(r, s->name);
		if (s->other)
			continue;
		snprintf(text, sizeof(text), "there is no tenant %s: some line must be 'tenant %.*s'", quote(s->name).text,
			 SPAN_FMT(s->name));
		return rules_refuse(r, s->line, s->column, where, text);
	}
	return OK;
}

static enum err refuse_cycle(const struct rules *r, const struct include *const *path, size_t depth,
			     struct policy_error *where)
{
	const struct include *last = path[depth - 1];
	struct put b;
	char text[200];
	size_t from = 0;

	while (!span_eq(path[from]->name, last->name))
		from++;
	from = from + 1 < depth ? from + 1 : 0;     /* else it is the one we began with */
	b = put(text, sizeof(text) - 1);
	put_fmt(&b, "role %s includes itself: ", quote(last->name).text);
	put_bytes(&b, last->name);
	for (size_t i = from; i < depth; i++)
		put_fmt(&b, " > %.*s", SPAN_FMT(path[i]->name));
	text[b.n] = '\0';
	return rules_refuse(r, last->line, last->column, where, text);
}

/* Depth first; a role met again while it is open includes itself. `path` is how we came here. */
static enum err link_role(struct rules *r, uint32_t role, const struct include **path, size_t depth,
			  struct policy_error *where)
{
	struct role *at = &r->role[role];
	uint32_t held[RULES_REACH_MAX];

	if (at->link == LINK_OPEN)
		return refuse_cycle(r, path, depth, where);
	if (at->link == LINK_DONE)
		return OK;
	at->link = LINK_OPEN;
	for (uint32_t i = at->include; i < at->include + at->includes; i++) {
		path[depth] = &r->include[i];
		if (depth + 1 == RULES_REACH_MAX)
			return rules_refuse(r, r->include[i].line, r->include[i].column, where, "roles include roles too deep: at most 64");
		TRY(link_role(r, r->include[i].to, path, depth + 1, where));
	}
	at->link = LINK_DONE;
	at->reach = (uint16_t)rules_closure(r, role, NULL, held);
	if (at->reach > RULES_REACH_MAX)
		return rules_refuse(r, at->line, 1, where, "this role includes more than 63 others, directly or not");
	return OK;
}

bool role_is_from(const struct rules *r, uint32_t role, const struct network *address)
{
	const struct role *at = &r->role[role];

	if (!address)
		return true;
	for (uint32_t i = 0; i < at->networks; i++)
		if (network_holds(&r->network[at->network + i], address))
			return true;
	return at->networks == 0;
}

static bool is_in(const uint32_t *list, size_t n, uint32_t role)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == role)
			return true;
	return false;
}

static size_t closure(const struct rules *r, uint32_t role, const struct network *address, uint32_t *out)
{
	size_t n = 0;

	out[n++] = role;
	for (size_t at = 0; at < n; at++)
		for (uint32_t i = 0; i < r->role[out[at]].includes; i++) {
			uint32_t to = r->include[r->role[out[at]].include + i].to;

			if (is_in(out, n, to) || (address && !role_is_from(r, to, address)))
				continue;
			if (n == RULES_REACH_MAX)
				return RULES_REACH_MAX + 1;
			out[n++] = to;
		}
	return n;
}

size_t rules_closure(const struct rules *r, uint32_t role, const struct network *address, uint32_t *out)
{
	return address && !role_is_from(r, role, address) ? 0 : closure(r, role, address, out);
}

size_t rules_closure_anywhere(const struct rules *r, uint32_t role, uint32_t *out)
{
	static const struct network nowhere;    /* in no network */

	return closure(r, role, &nowhere, out);
}

enum err rules_link(struct rules *r, struct policy_error *where)
{
	const struct include *path[RULES_REACH_MAX];

	TRY(find_includes(r, where));
	TRY(find_shares(r, where));
	for (uint32_t i = 1; i <= r->roles; i++)
		TRY(link_role(r, i, path, 0, where));
	return OK;
}

/* listing: the rules of a policy one by one, for tools that compare policies or name the role a rule stands in. */
#ifndef PULLCORD_LISTING_H
#define PULLCORD_LISTING_H

#include "rules.h"

/* In order of lines. Spans borrow from the policy. */
struct listed {
	struct span role;           /* empty: none */
	enum effect effect;
	unsigned accesses;          /* enum access bits */
	struct span pattern;
	uint32_t line;
	bool quarantine;            /* for the quarantined, who hold no role */
	struct span tenant;         /* whose role it is; empty: of none */
};
uint32_t policy_listed(const struct policy *p);
struct listed policy_list(const struct policy *p, uint32_t i);      /* i < policy_listed(p) */
/* The patterns of topics that have {NAME} in them, of all rules and lines. Borrows for the call. */
void policy_each_place(const struct policy *p, struct span name, void (*say)(void *ctx, struct span pattern), void *ctx);
/* Roles, in order of lines; also those without rules. */
uint32_t policy_roles(const struct policy *p);
struct span policy_role(const struct policy *p, uint32_t i);
/* The role and those it includes, near ones first, into out[RULES_REACH_MAX]; how many. No such role: none. */
size_t policy_reach(const struct policy *p, struct span role, struct span *out);
/* The networks it is bound to, "10.20.0.0/16, 10.21.0.0/16", cut to fit; "": to none. */
#define LISTING_NETWORKS_MAX 256
char *policy_role_networks(const struct policy *p, struct span role, char out[LISTING_NETWORKS_MAX]);
/* The role whose rule stands in that line; empty: none. */
struct span policy_role_at(const struct policy *p, uint32_t line);

/* What is said of channels across tenants, in order of lines. */
struct listed_share {
	enum side side;
	struct span tenant, other, channel;     /* who says it, of whose or with whom */
	uint32_t line;
};
uint32_t policy_shares(const struct policy *p);
struct listed_share policy_share(const struct policy *p, uint32_t i);       /* i < policy_shares(p) */

#endif

/* draft: an account that can be changed, before it is saved. All texts borrow. Pure. */
#ifndef PULLCORD_DRAFT_H
#define PULLCORD_DRAFT_H

#include "account.h"

struct draft {
	struct account account;
	struct span role[ACCOUNT_ROLES_MAX];
	struct attribute attribute[ACCOUNT_ATTRIBUTES_MAX];
	struct grant role_grant[ACCOUNT_ROLES_MAX], attribute_grant[ACCOUNT_ATTRIBUTES_MAX];
};

void draft_new(struct draft *d, Pullcord__V1__Party party, struct span tenant, struct span id);
void draft_of(struct draft *d, const struct account *a);

/* How it is held; NULL: it is not. */
const struct grant *draft_role(const struct draft *d, struct span role);
const struct grant *draft_attribute(const struct draft *d, struct attribute a);
/* What is held already is held as `g` says from now on. False: there is no room. */
bool draft_add_role(struct draft *d, struct span role, struct grant g) MUST_USE;
bool draft_add_attribute(struct draft *d, struct attribute a, struct grant g) MUST_USE;
/* False: it was not held. */
bool draft_drop_role(struct draft *d, struct span role);
bool draft_drop_attribute(struct draft *d, struct attribute a);
/* What is suspended remembers what it was; put in quarantine, it stays suspended and will be there when it is resumed. */
void draft_state(struct draft *d, enum account_state s, struct grant since);
void draft_resume(struct draft *d, struct grant since);

#endif

/* holding: what somebody is to hold, as options say it, held against the policy of the installation. A policy that does not load is
 * no reason to stop: then nothing is asked of it, which is said. Says what is wrong with what was given. */
#ifndef PULLCORD_HOLDING_H
#define PULLCORD_HOLDING_H

#include "draft.h"
#include "install.h"
#include "opt.h"

struct holding {
	struct opt_list role, unit, attr;       /* attr: "name=value" */
};
#define HOLDING_OPTS(h)                                                                                                \
	OPT_LIST("role", "ROLE", &(h)->role, "a role of the policy"),                                                  \
	OPT_LIST("unit", "UNIT", &(h)->unit, "short for --attr unit=UNIT"),                                            \
	OPT_LIST("attr", "NAME=VALUE", &(h)->attr, "an attribute, as the policy's {name} asks for")

/* `--unit` and `--attr` alike, in this order; those that holding_check() let pass. */
size_t holding_attributes(const struct holding *h);
struct attribute holding_attribute(const struct holding *h, size_t i);

/* These return CMD_DONE, or the exit code of what was said. */

/* Are all of them words? Which the others ask, too. */
int holding_check(const struct opt_page *page, const struct holding *h) MUST_USE;
/* Adds it; what is held already stays once. The second: if the policy has such roles, and they are of the account's tenant. */
int holding_add(const struct opt_page *page, const struct holding *h, struct draft *d) MUST_USE;
int holding_add_known(const struct opt_page *page, const struct install *in, const struct holding *h, struct draft *d) MUST_USE;
/* CMD_NO: it does not hold one of them. */
int holding_drop(const struct opt_page *page, const struct holding *h, struct draft *d) MUST_USE;

/* Whose a new account is, into in->tenant: of its roles' tenant, or as `named` (NULL: not) says; without a policy as it is named,
 * else as the installation says. Not so: roles of several tenants, no such role or tenant, or nothing to tell by. */
int holding_tenant(const struct opt_page *page, struct install *in, const struct holding *h, const char *named) MUST_USE;
/* Has the policy that tenant (NULL: any)? Where nobody is of it, it is more likely misspelt. */
int holding_check_tenant(const struct install *in, const char *tenant) MUST_USE;

/* What is held that no rule of the policy asks for: most likely misspelt. A note on stderr. */
void holding_note_unasked(const struct install *in, const struct account *a);

#endif

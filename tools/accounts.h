/* accounts: what `device` and `user` have in common: looking at accounts and changing what they hold. Each command
 * reads its own options, does one transaction on the directory and says what came of it; a running broker notices by
 * itself. */
#ifndef PULLCORD_ACCOUNTS_H
#define PULLCORD_ACCOUNTS_H

#include "draft.h"
#include "install.h"
#include "opt.h"

/* How one party is spoken of. */
struct accounts {
	Pullcord__V1__Party party;
	const char *noun;               /* "device", "user": also the command's name */
	const char *operand;            /* "DEVICE", "USER" */
	const char *sample;             /* id in examples */
};

int accounts_list(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_show(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_grant(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_revoke(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_suspend(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_resume(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_unlock(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_quarantine(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_release(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_wipe(const struct accounts *kind, int argc, char **argv) MUST_USE;
int accounts_remove(const struct accounts *kind, int argc, char **argv) MUST_USE;

/* What is to be held, as options say it. */
struct holding {
	struct opt_list role, unit, attr;       /* attr: "name=value" */
};
#define HOLDING_OPTS(h)                                                                                                \
	OPT_LIST("role", "ROLE", &(h)->role, "a role of the policy"),                                                  \
	OPT_LIST("unit", "UNIT", &(h)->unit, "short for --attr unit=UNIT"),                                            \
	OPT_LIST("attr", "NAME=VALUE", &(h)->attr, "an attribute, as the policy's {name} asks for")

void draft_init(struct draft *d, const struct accounts *kind, const char *tenant, const char *id);
/* Adds it without asking any policy: the running broker does. */
int draft_hold(struct draft *d, const struct opt_page *page, const struct holding *h) MUST_USE;
/* Whose a new account is, into in->tenant: of its roles' tenant, or as `named` (NULL: not) says. CMD_DONE, or the exit code:
 * roles of several tenants, no such role or tenant, or nothing to tell by, which was said. A policy that does not load is no
 * reason to stop: then it is as named, else as the installation says. */
int accounts_tenant(const struct opt_page *page, struct install *in, const struct holding *h, const char *named) MUST_USE;
/* Adds it; what is held already stays once. CMD_DONE, or what is wrong was said: a word that is none, no such role in
 * the installation's policy or another tenant's, too many. */
int draft_add(struct draft *d, const struct opt_page *page, const struct install *in, const struct holding *h) MUST_USE;

/* Could it be saved as a new one? Says why not; nothing is. */
int accounts_try(const struct accounts *kind, struct directory *dir, const struct draft *d) MUST_USE;
/* Saves a new or changed account; says what went wrong. */
int accounts_save(const struct accounts *kind, struct directory *dir, struct draft *d, bool create) MUST_USE;
/* Of that tenant, or (NULL) any. CMD_DONE; CMD_GONE, when there is none, or CMD_NO, which was said. */
int accounts_find(const struct accounts *kind, struct directory *dir, const char *tenant, const char *id,
	struct account **out) MUST_USE;
/* For good: false, and said, when it was wiped. */
bool accounts_usable(const struct accounts *kind, const struct account *a) MUST_USE;
/* What is held that no rule of the installation's policy asks for: most likely misspelt. A note on stderr. */
void accounts_note_unasked(const struct install *in, const struct account *a);

#endif

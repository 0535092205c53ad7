/* accounts: what `device` and `user` have in common: looking at accounts and changing what they hold. Each command
 * reads its own options, does one transaction on the directory and says what came of it; a running broker notices by
 * itself. */
#ifndef PULLCORD_ACCOUNTS_H
#define PULLCORD_ACCOUNTS_H

#include "holding.h"

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

void draft_init(struct draft *d, const struct accounts *kind, const char *tenant, const char *id);

/* Could it be saved as a new one? Says why not; nothing is. */
int accounts_try(const struct accounts *kind, struct directory *dir, const struct draft *d) MUST_USE;
/* Saves a new or changed account; says what went wrong. */
int accounts_save(const struct accounts *kind, struct directory *dir, struct draft *d, bool create) MUST_USE;
/* Of that tenant, or (NULL) any. CMD_DONE; CMD_GONE, when there is none, or CMD_NO, which was said. */
int accounts_find(const struct accounts *kind, struct directory *dir, const char *tenant, const char *id,
		  struct account **out) MUST_USE;
/* For good: false, and said, when it was wiped. */
bool accounts_usable(const struct accounts *kind, const struct account *a) MUST_USE;

#endif

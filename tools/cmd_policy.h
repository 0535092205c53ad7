/* cmd_policy: the subcommands of `policy` that live in files of their own, and what they share. */
#ifndef PULLCORD_CMD_POLICY_H
#define PULLCORD_CMD_POLICY_H

#include "policy.h"

/* The policy that is named, else that of the installation in `dir`. What was wrong was said. */
enum err cmd_policy_load(const char *named, const char *dir, struct policy **out) MUST_USE;
/* False: `text` is no access. */
bool cmd_policy_access(const char *text, enum access *out) MUST_USE;

int policy_import(int argc, char **argv);
int policy_diff(int argc, char **argv);
int policy_who_can(int argc, char **argv);

#endif

/* cmd_policy: what the subcommands of `pullcord policy` share. */
#ifndef PULLCORD_CMD_POLICY_H
#define PULLCORD_CMD_POLICY_H

#include "install.h"
#include "policy_file.h"

#define OPT_JSON(out) OPT_FLAG("json", out, "one JSON object a line")

/* The policy that is named, else the installation's. False: there is none, which was said. */
bool policy_find(const char *named, const char *dir, struct install_path *out);
/* Loads it; what is wrong with it was said. */
enum err policy_open(const char *path, struct policy **out) MUST_USE;
/* As compilers say it, so that editors can jump there. */
void policy_refused(const struct policy_error *where);
/* The path a line of a policy stands in: of an included file, or `path`. */
struct install_path policy_path(const struct policy *p, const char *path, uint32_t *line);

int policy_fmt(int argc, char **argv);
int policy_test(int argc, char **argv);

#endif

/* cmd_policy: what the subcommands of `pullcord policy` share; most live in files of their own. */
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

/* Finds and loads in one. What was wrong was said. */
enum err cmd_policy_load(const char *named, const char *dir, struct policy **out) MUST_USE;
#define OPT_FROM_TEXT "where everybody connects from; without it roles bound to networks count, and what takes one is said"
/* NULL is empty. False: it is no address, which was said. */
struct opt_page;
bool cmd_policy_from(const struct opt_page *page, const char *text, struct span *out);
/* False: `text` is no access. */
bool cmd_policy_access(const char *text, enum access *out) MUST_USE;

/* A topic to ask about. What is none is still a question: the answer is no; enough of it is kept to say why. */
struct topic cmd_policy_topic(struct span text, enum access a);
/* Every rule that was considered and what would have to change, a line each. */
void cmd_policy_tell(const struct policy *p, const struct subject *s, enum access a, const struct topic *topic, bool allow);

/* `policy explain` of an entry of the record; `who` of its recipients, empty: there is but one. `from`: NULL, or an address. */
int policy_explain_entry(const char *dir, uint64_t index, struct span who, const char *from);

int policy_why(int argc, char **argv);
int policy_fmt(int argc, char **argv);
int policy_test(int argc, char **argv);
int policy_import(int argc, char **argv);
int policy_diff(int argc, char **argv);
int policy_who_can(int argc, char **argv);
int policy_shadow(int argc, char **argv);
int policy_sign(int argc, char **argv);
int policy_rollback(int argc, char **argv);

/* Says which roles gain or lose what. CMD_DONE when that could be told. */
int policy_compare(const struct policy *old, const struct policy *new, const char *name);
/* The signatures of officers in a file (NULL: none), a block of its own. What was wrong was said. */
enum err policy_read_notes(const char *path, char **note, size_t *n) MUST_USE;
/* As the broker does that takes no policy without: are its signatures in that file, and enough? They are put beside the
 * installation's policy then. What was wrong was said. */
enum err policy_check_signed(const struct install *in, struct directory *d, const struct policy *p, const char *notes) MUST_USE;
/* Puts an edition in force: its text in place of the installation's, or what lies there already when it is of several files. */
enum err policy_put(const struct install *in, struct directory *d, const struct edition *e, uint64_t *number) MUST_USE;
/* Do two of those officers' signatures lie beside it? With `dir` also: as the version it would be there. */
int policy_say_signed(const struct policy *p, const char *path, const char *officers, const char *dir);

#endif

/* assent: does a policy carry the signatures it takes before it is put in force (ratify.h)? Reads files.
 *
 * What is in force needs none: it had them when it came, or came before they were asked for; an officer who left must not
 * keep a broker from starting. So only another policy than the newest edition is asked for them; where that cannot be read, those
 * that were for its number will do, which no older one has. */
#ifndef PULLCORD_ASSENT_H
#define PULLCORD_ASSENT_H

#include "directory.h"
#include "policy.h"
#include "ratify.h"

#define ASSENT_WHO_MAX 160

/* What it must say to be put in force next, or, when it is the newest edition, what it said; which of the two is not known where
 * that cannot be read: then, what it must say next. The tenant borrows. Any error: nothing is to be put in force. */
enum assent_place { ASSENT_NEXT, ASSENT_NEWEST, ASSENT_UNREAD };
enum err assent_wanted(struct directory *d, const struct policy *p, struct ratification *out, enum assent_place *place) MUST_USE;

/* `list`: the file of officers' keys; NULL: none are asked for, and all is well. `who`: who signed, "" when that was not asked.
 * ERR_DENIED: it may not be put in force, and `why` says why not and what would be right. */
enum err assent_check(const char *list, struct directory *d, const struct policy *p, struct span note,
			char who[ASSENT_WHO_MAX], char *why, size_t cap) MUST_USE;
/* The same by the note beside the policy's file. */
enum err assent_check_file(const char *list, struct directory *d, const struct policy *p, const char *path,
			     char who[ASSENT_WHO_MAX], char *why, size_t cap) MUST_USE;

#endif

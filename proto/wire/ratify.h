/* ratify: what two officers sign before a policy is put in force, and whether they did. Pure.
 *
 *     pullcord/policy/v1                  what is signed is these lines
 *     tenant mercy                        the policy's first: a signature counts for one installation
 *     version 7                           the number it will have: one more than that of the policy in force then
 *     policy 5e88…42d8                    policy_hash(): of its text and all it includes
 *
 * It travels as a C2SP signed note (note.h), beside the policy as FILE.signed: these lines, an empty line, a line for each
 * signature. As the number rises with every policy, what was signed once is good for one place in the row: an older policy takes
 * new signatures. There is one way to write it: what ratify_read() takes, ratify_write() gives back byte by byte. */
#ifndef PULLCORD_RATIFY_H
#define PULLCORD_RATIFY_H

#include "warrant.h"

#define RATIFY_OFFICERS 2               /* so many different ones */
#define RATIFY_SIGNATURES_MAX 8
#define RATIFY_TEXT_MAX 256
#define RATIFY_SUFFIX ".signed"

struct ratification {
	struct span tenant;             /* borrows */
	uint64_t version;
	uint8_t policy[32];
};

/* ERR_SYNTAX: the tenant is no word; ERR_TOO_LARGE. */
enum err ratify_write(const struct ratification *r, struct put *out) MUST_USE;
/* ERR_SYNTAX: it is not exactly what ratify_write() writes. */
enum err ratify_read(struct span text, struct ratification *out) MUST_USE;

/* Why it is not ratified; VERDICT(name, text): the text completes "the policy is not put in force: ...". Zero is no. */
#define RATIFY_VERDICTS(VERDICT)                                                                                       \
	VERDICT(UNSIGNED, "nobody has signed it")                                                                      \
	VERDICT(FORM, "what should be its signatures is not well formed")                                              \
	VERDICT(OTHER, "its signatures are of another text")                                                           \
	VERDICT(TENANT, "it was signed for another tenant")                                                            \
	VERDICT(NUMBER, "it was signed as another version")                                                            \
	VERDICT(STRANGER, "who signed it is not in the list of officers")                                              \
	VERDICT(TWICE, "one officer signed it twice")                                                                  \
	VERDICT(SIGNATURE, "a signature does not fit")                                                                 \
	VERDICT(TOO_FEW, "one officer signed it, and it takes two")                                                    \
	VERDICT(GOOD, "two officers signed it")

enum ratify_verdict {
#define VERDICT(name, text) RATIFY_##name,
	RATIFY_VERDICTS(VERDICT)
#undef VERDICT
};
const char *ratify_text(enum ratify_verdict v);

/* What was found in a note, as far as it could be read. */
struct ratified {
	struct ratification r;
	struct span by[RATIFY_SIGNATURES_MAX];      /* names, as they stand there; they and the tenant borrow from the note */
	size_t n;
};

/* Does the note ratify that? One signature that does not fit spoils the others, as in an order. */
enum ratify_verdict ratify_judge(struct span note, const struct officers *list, const struct ratification *wanted,
				 struct ratified *found);

#endif

/* differ: what somebody gains and loses between two policies, decided by the policies themselves.
 *
 * A difference shows where a rule's own pattern is asked: with a word no rule speaks of in the place of each wildcard,
 * at every depth a '#' reaches; and, against a deny of the other policy, where the two patterns meet. Whatever topic is
 * allowed by one policy only, one of these is, too: a word no rule speaks of is matched by fewer rules than any other.
 * Of a role alone, {name} is a value nobody else has; of a subject, each of its values. Commands and what
 * may be handed out are looked at in the same way. A subscription is granted as a whole, so each is asked as a whole, too: with
 * the '+' and '#' of its rule. A role that is bound to networks is held, unless an address is given
 * that lies in none of them. */
#ifndef PULLCORD_DIFFER_H
#define PULLCORD_DIFFER_H

#include "policy.h"

#define DIFFER_TEXT_MAX 512
#define DIFFER_CHANGES_MAX 1000         /* said of one holder; more are counted */
#define DIFFER_VALUES_MAX 4096          /* combinations of values of one pattern */

struct gain {
	bool gain;
	bool whole;                     /* the subscription to all of the pattern; single topics of it may differ in nothing */
	unsigned accesses;              /* enum access bits */
	uint32_t line;                  /* of the rule that allows: of the new policy for a gain, else of the old */
	uint32_t denied;                /* of a whole one: the rule of the other policy that denies a part of it; 0: none does */
	char pattern[DIFFER_TEXT_MAX];
};

struct differ {
	const struct policy *policy[2]; /* old, new */
	struct span from;               /* where everybody comes from; empty: from wherever they may */
	char fresh[16];                 /* how words no rule speaks of begin */
	bool cut;                       /* the last answer was not the whole: a limit was met */
};

void differ_init(struct differ *d, const struct policy *old, const struct policy *new);
/* Is the text of a role, and of all it includes, the same in both? Then so are its holders', as far as this role goes. */
bool differ_role_same(const struct differ *d, struct span role);
/* Somebody who holds only this role. ERR_FULL. */
enum err differ_role(struct differ *d, struct span role, void (*say)(void *ctx, const struct gain *c), void *ctx) MUST_USE;
/* Somebody of that tenant in quarantine. ERR_FULL. */
enum err differ_quarantine(struct differ *d, struct span tenant, void (*say)(void *ctx, const struct gain *c), void *ctx) MUST_USE;
/* Exactly this subject; suspended: nothing. ERR_FULL. */
enum err differ_subject(struct differ *d, const struct subject *s, void (*say)(void *ctx, const struct gain *c),
			void *ctx) MUST_USE;

#endif

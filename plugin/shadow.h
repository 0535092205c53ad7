/* shadow: a policy on trial. It is asked beside the one in force and never obeyed; where the two answer differently, that
 * is counted: who, what, by which rule of each, how often, when first and last.
 *
 * Asking allocates nothing, takes no lock and cannot fail. The table is of a fixed size: when there is no room for
 * another subject, differences are counted by their rules alone, and when there is none for those, as lost. All of it
 * counts for one pair of policies: whoever puts another in force opens another shadow.
 *
 * Broker's thread, but for what is marked "any thread": nothing is ever taken out of the table and counts only rise, so
 * it may be read meanwhile. */
#ifndef PULLCORD_SHADOW_H
#define PULLCORD_SHADOW_H

#include "err.h"
#include "policy.h"

#define SHADOW_SUBJECTS_MAX 4096        /* differences of one subject each */
#define SHADOW_RULES_MAX 256            /* then of many subjects together */
#define SHADOW_TELL_US (60 * 1000000LL) /* a difference is told of when it is first seen, then so often at most */

struct shadow;

/* Takes the policy when OK. ERR_FULL. */
enum err shadow_open(struct policy *p, struct shadow **out) MUST_USE;
void shadow_close(struct shadow **s);
const struct policy *shadow_policy(const struct shadow *s);     /* any thread */

/* A question the policy in force has answered. */
struct asked {
	Pullcord__V1__Party party;
	const char *id;
	enum access access;
	struct span topic;          /* or filter */
	struct verdict now;
	int64_t at_us;
};

struct difference {
	Pullcord__V1__Party party;
	char id[WORD_BYTES_MAX + 1];    /* "": of many */
	enum access access;
	struct verdict now, then;       /* in force, and by the shadow; of the first time */
	char topic[TOPIC_BYTES_MAX + 1];/* the same */
	int64_t first_us, last_us;
	uint64_t count;
};

/* Asks about whoever holds `h`, which was bound to shadow_policy(). True: they differ in a way not seen before, which is
 * in *out and to be told. */
bool shadow_ask(struct shadow *s, const struct holder *h, const struct asked *q, struct difference *out);
/* A difference that was seen again since it was last told, when it is time: out->count is by how often, first_us since
 * when. False: none. */
bool shadow_due(struct shadow *s, int64_t now_us, struct difference *out);

/* Any thread. */
struct shadow_counts {
	uint64_t asked, differed, lost;
	size_t differences;
};
struct shadow_counts shadow_count(const struct shadow *s);
struct difference shadow_difference(const struct shadow *s, size_t i);  /* i < differences, in order of first seen */

#endif

/* course: which broker is dialed, and with which of our certificates, so that what comes of one login is never taken for the
 * answer to another: a new certificate may come into force, and a better broker be found, at any moment of a dial. It only
 * ever takes effect at the next one. Pure; the certificate's part is a table. */
#ifndef PULLCORD_COURSE_H
#define PULLCORD_COURSE_H

#include "base.h"

#define COURSE_RENEW_MS 30000       /* a changed certificate is used after this, however busy we are */
#define COURSE_TRIES 5              /* that came to nothing with a pair no broker has taken yet: then the one before again */

/* A better broker that was gone again before it had held for COURSE_STEADY_MS is not moved to for a while, twice as long
 * each time: whoever comes and goes must not take the gateway along. */
#define COURSE_STEADY_MS 600000
#define COURSE_HOLD_MIN_MS 300000
#define COURSE_HOLD_MAX_MS 3600000

#define COURSE_PAIRS(X)                                                                                                \
	X(SETTLED, "settled")       /* logins are made with the pair in force; there is no other */                    \
	X(STALE, "stale")           /* a new one is in force; this dial or connection began before it */               \
	X(TRIED, "tried")           /* dialed with the new one; no broker has said yes or no yet */

#define COURSE_EVENTS(X)                                                                                               \
	X(RENEWED, "renewed")       /* a new pair is in force */                                                       \
	X(DIALED, "dialed")                                                                                            \
	X(TAKEN, "taken")           /* a broker took the login */                                                      \
	X(REFUSED, "refused")       /* a broker does not want whom we say to be */                                     \
	X(FAILED, "failed")         /* a dial came to nothing, whyever: some brokers say no to a pair by hanging up */ \
	X(RESTORED, "restored")     /* the pair before is in force again */

/* What a login says about the pair that was not yet proved. */
#define COURSE_ACTS(X)                                                                                                 \
	X(NOTHING, "nothing")                                                                                          \
	X(KEEP, "keep")                                                                                                \
	X(GO_BACK, "go back")

#define COURSE_NAME(name, text) COURSE_##name,
#define COURSE_EV_NAME(name, text) COURSE_EV_##name,
enum course_pair { COURSE_PAIRS(COURSE_NAME) COURSE_PAIR_COUNT };
enum course_event { COURSE_EVENTS(COURSE_EV_NAME) COURSE_EV_COUNT };
enum course_act { COURSE_ACTS(COURSE_NAME) COURSE_ACT_COUNT };

struct course {
	unsigned brokers;               /* 0 is the best */
	unsigned at, next;              /* the one we are with, or dial; the one to be dialed next */
	bool moved;                     /* to a better one, which has not held yet */
	int64_t moved_ms;
	int64_t hold_ms, until_ms;      /* how long none is moved to; the end of that */
	enum course_pair pair;
	int64_t renew_ms;               /* STALE: connect anew then at the latest */
	unsigned failed;                /* TRIED: dials */
};

void course_init(struct course *c, unsigned brokers);
enum course_act course_step(struct course *c, enum course_event e, int64_t now_ms);

/* The connection was lost. */
void course_lost(struct course *c, int64_t now_ms);
/* The try failed, or what came of it did not hold: the next broker, unless a better one was found meanwhile. */
void course_failed(struct course *c, int64_t now_ms);
/* A broker answers that is better than the one we are with. False: it is not moved to yet. */
bool course_better(struct course *c, unsigned broker, int64_t now_ms);
/* Is a connection that is up to be made anew? `idle`: nothing is unanswered, so it costs no second copies. */
bool course_anew(const struct course *c, bool idle, int64_t now_ms);

const char *course_pair_name(enum course_pair p);
const char *course_event_name(enum course_event e);

#endif

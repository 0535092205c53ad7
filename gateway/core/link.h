/* link: when to dial the broker, how long to wait, when to stop. A table; the caller brings time and randomness and
 * does what link_step() answers. `deadline_ms` says when the next LINK_EV_TIMEOUT is due (0: none is). */
#ifndef PULLCORD_LINK_H
#define PULLCORD_LINK_H

#include "base.h"

#define LINK_STATES(X)                                                                                                 \
	X(DOWN, "down")             /* not wanted */                                                                   \
	X(DIALING, "dialing")       /* a try is under way */                                                           \
	X(UP, "up")                                                                                                    \
	X(WAITING, "waiting")       /* until the next try */                                                           \
	X(STOPPING, "stopping")     /* saying goodbye */

#define LINK_EVENTS(X)                                                                                                 \
	X(START, "start")                                                                                              \
	X(CONNECTED, "connected")                                                                                      \
	X(LOST, "lost")             /* the try failed, or the connection ended */                                      \
	X(TIMEOUT, "timeout")       /* deadline_ms has come */                                                         \
	X(URGENT, "urgent")         /* there is something that cannot wait */                                          \
	X(STOP, "stop")                                                                                                \
	X(SAID, "said")             /* the goodbye is acknowledged */

#define LINK_ACTS(X)                                                                                                   \
	X(NOTHING, "nothing")                                                                                          \
	X(DIAL, "dial")                                                                                                \
	X(GREET, "greet")           /* subscribe, say who is here, send what waits */                                  \
	X(DROP, "drop")             /* forget the connection: nothing of it counts any more */                         \
	X(BYE, "bye")               /* publish that we leave */

#define LINK_NAME_STATE(name, text) LINK_##name,
#define LINK_NAME_EVENT(name, text) LINK_EV_##name,
#define LINK_NAME_ACT(name, text) LINK_##name,
enum link_state { LINK_STATES(LINK_NAME_STATE) LINK_STATE_COUNT };
enum link_event { LINK_EVENTS(LINK_NAME_EVENT) LINK_EV_COUNT };
enum link_act { LINK_ACTS(LINK_NAME_ACT) LINK_ACT_COUNT };

#define LINK_BLIP_MS 20         /* a connection that held is dialed again within */
#define LINK_WAIT_MIN_MS 100    /* ...and when that fails, or the line flaps, after this at first */
#define LINK_WAIT_MAX_MS 10000
#define LINK_URGENT_MS 200      /* an urgent try comes this long after the last one failed, not sooner */
#define LINK_BYE_MS 2000
#define LINK_STEADY_MS 5000     /* a connection held when it lasted this long */
#define LINK_FLAPS 2            /* connections in a row that did not hold; the next such one is a try that failed */

struct link {
	enum link_state state;
	unsigned tries;             /* failed since it last was steady */
	int64_t dial_ms;            /* limit of one try */
	int64_t since_ms, deadline_ms;
};

void link_init(struct link *l, int64_t dial_ms);
/* `random`: any 32 bits, they spread the waits of gateways that lost the same broker. */
enum link_act link_step(struct link *l, enum link_event e, int64_t now_ms, uint32_t random);

/* Would a loss now speak against the broker? The try fails, or connections end again and again before they have held. */
bool link_fails(const struct link *l, int64_t now_ms);

const char *link_state_name(enum link_state s);
const char *link_event_name(enum link_event e);
const char *link_act_name(enum link_act a);

#endif

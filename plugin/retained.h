/* retained: what somebody retained, on the one topic of their own where they may, goes with their right to say it. An
 * empty retained message clears it (MQTT 5 §3.3.1.3), which goes on record. The broker does not say what is retained, so
 * whose client retained something is remembered with whose it is (owners.h), and from where: a role bound to a network is
 * theirs there.
 *
 * Follows every change of an account at once, for those who are connected and for devices; everybody, and whatever took
 * the right (a new policy, the end of a grant), within RETAINED_SWEEP_US. Meanwhile nobody is shown it
 * (check_retain_source). */
#ifndef PULLCORD_RETAINED_H
#define PULLCORD_RETAINED_H

#include "guard.h"

#define RETAINED_SWEEP_US (50 * INT64_C(1000000))    /* in which everybody who retained something is looked at, evenly; */
#define RETAINED_EACH_US 100000                      /* the next never later than this */
#define RETAINED_AT_ONCE 64                          /* in one tick, when some were missed */

/* A client left something on its own topic, or cleared it. */
void retained_note(struct guard *g, const struct session *s, bool cleared);
/* From guard_tick() only. */
void retained_follow(struct guard *g, Pullcord__V1__Party party, struct span id);
void retained_tick(struct guard *g, int64_t now_us);
/* From anywhere: a retained message's source may not say it any more. At the next tick; when too many wait, forgotten
 * until it is asked for again. */
void retained_ask_later(struct guard *g, const struct session *s);

#endif

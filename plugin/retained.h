/* retained: what somebody retained, on the one topic of their own where they may, goes with their right to say it. An
 * empty retained message clears it (MQTT 5 §3.3.1.3), which goes on record. The broker does not say what is retained, so
 * it is sent for every device that was ever connected, and every person who was within the last minute.
 *
 * Follows every change of an account. What a person who is long gone retained, and what a new policy or the end of a grant
 * forbids, is cleared when the first subscriber asks for it, who does not get it (check_retain_source). */
#ifndef PULLCORD_RETAINED_H
#define PULLCORD_RETAINED_H

#include "guard.h"

/* From guard_tick() only. */
void retained_follow(struct guard *g, Pullcord__V1__Party party, struct span id);
void retained_tick(struct guard *g);
/* From anywhere: a retained message's source may not say it any more. At the next tick; when too many wait, forgotten
 * until it is asked for again. */
void retained_ask_later(struct guard *g, const struct session *s);

#endif

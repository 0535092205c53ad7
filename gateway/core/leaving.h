/* leaving: which alerts are between the moment it was decided that they go out and their place among what is sent. A later
 * message of the same condition must not overtake them: readers would see the end first, and then a beginning.
 *
 * When there are more than LEAVING_MAX, or one whose condition is not known, every condition waits. Pure. */
#ifndef PULLCORD_LEAVING_H
#define PULLCORD_LEAVING_H

#include "throttle.h"

#define LEAVING_MAX 1024

struct leaving {
	unsigned n;
	unsigned others;                /* not in the list */
	struct { struct id id; uint8_t kind[THROTTLE_KEY]; } at[LEAVING_MAX];
};

/* `kind` is throttle's; NULL: not known. */
void leaving_add(struct leaving *l, const struct id *id, const uint8_t kind[THROTTLE_KEY]);
/* It has its place, or will never go. Once for each leaving_add(). */
void leaving_drop(struct leaving *l, const struct id *id);
bool leaving_any(const struct leaving *l);
bool leaving_has(const struct leaving *l, const uint8_t kind[THROTTLE_KEY]);

#endif

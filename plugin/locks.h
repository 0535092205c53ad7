/* locks: the lock-outs in force (lockout.h), kept in the directory so that they outlive the broker, and so does who is
 * known where: else a restart would be an attacker's way out, and a nurse's way into somebody's lock. Written by a thread
 * of its own. Broker's thread only, but for that. */
#ifndef PULLCORD_LOCKS_H
#define PULLCORD_LOCKS_H

#include "directory.h"
#include "lockout.h"

struct locks;

/* Reads what was kept. The directory must outlive it. */
enum err locks_open(struct directory *d, int64_t now_us, struct locks **out) MUST_USE;
void locks_close(struct locks **l);               /* waits until everything is durable */

/* lockout_until(), lockout_knows(), lockout_fail() and lockout_pass(), kept. */
int64_t locks_until(struct locks *l, const struct policy *p, const struct lockout_who *who, int64_t now_us);
bool locks_knows(struct locks *l, const struct lockout_who *who, int64_t now_us);
unsigned locks_fail(struct locks *l, const struct policy *p, const struct lockout_who *who, int64_t now_us,
		    struct lockout_mark mark[LOCKOUT_KINDS]);
void locks_pass(struct locks *l, const struct lockout_who *who, int64_t now_us);

/* Why the last could not be written, which then stands in memory alone; OK when it could. */
enum err locks_trouble(const struct locks *l);

#endif

/* lockout: who guessed passwords too often, and until when they are kept out. Pure: the caller brings the time and keeps
 * what must outlive the process (locks.h).
 *
 * Failures are counted three times over (pullcord-policy(5), lock-out): by one name from one address, by any names from
 * one address, by one name from anywhere. So a stranger's machine locks a nurse out of that machine, not of her ward. The
 * first kind lasts twice as long each time it comes again, up to 16 times, until a day went by or the right password came.
 * Whoever logged in from an address within 30 days is known there, and kept out by nothing but their own failures there.
 *
 * A name nobody has is treated like any other, so that nobody learns which exist. Names are chosen by attackers: only hashes
 * under a key of this process are kept, in tables that never grow. What is no lock any more makes room, the oldest first;
 * a lock in force never does. When all are, newcomers share one count: strangers then keep out strangers, and nobody who
 * is known.
 *
 * Times are wall clock, because locks outlive a restart; a clock that is set back ends none and makes none longer than it
 * would be from now. */
#ifndef PULLCORD_LOCKOUT_H
#define PULLCORD_LOCKOUT_H

#include "network.h"
#include "policy.h"

#define LOCKOUT_ENTRIES 4096        /* of failures */
#define LOCKOUT_KNOWN 8192          /* of who is known where */
#define LOCKOUT_PLACES 64           /* where one name is known: past that the oldest goes */
#define LOCKOUT_DOUBLINGS 4
#define LOCKOUT_QUIET_US (86400 * INT64_C(1000000))
#define LOCKOUT_KNOWN_US (30 * LOCKOUT_QUIET_US)

struct lockout;

enum err lockout_open(struct lockout **out) MUST_USE;
void lockout_close(struct lockout **l);

/* IPv6 addresses count by /64, which one machine has to itself; what is no address stands for itself. Borrows. */
struct span lockout_machine(struct span address, struct network *n);

/* Who tries. */
struct lockout_who {
	struct span name, address;
	int64_t unlocked_us;        /* an administrator forgave the name what was before; 0: never. One that is still to
	                             * come, by a clock that ran ahead, forgives nothing */
};

/* Until when they are refused, without a look at the password; 0: they are not. `limit` is policy_lockout(). */
int64_t lockout_until(struct lockout *l, const struct policy_lockout *limit, const struct lockout_who *who, int64_t now_us);

/* A lock as it begins, or how somebody is known. */
struct lockout_mark {
	int64_t at_us, until_us;
	uint32_t times;             /* in a row */
};

/* Are they known where they are? */
bool lockout_knows(struct lockout *l, const struct lockout_who *who, int64_t now_us);

/* A wrong password. The locks that begin with it: 1u << kind, or'ed, each in mark[kind]. */
unsigned lockout_fail(struct lockout *l, const struct policy_lockout *limit, const struct lockout_who *who, int64_t now_us,
		      struct lockout_mark mark[LOCKOUT_KINDS]);
/* The right one. True: how long they are known is worth keeping again (once a day). */
bool lockout_pass(struct lockout *l, const struct lockout_who *who, int64_t now_us);

/* What was kept comes back. */
void lockout_restore(struct lockout *l, enum lockout_kind kind, const struct lockout_who *who, const struct lockout_mark *m);
void lockout_restore_known(struct lockout *l, const struct lockout_who *who, int64_t at_us);

#endif

/* tally: what repeats is counted before it goes on record, so that whoever keeps trying neither fills the record nor the
 * broker's time. The first of its kind go on at once; those that follow become one entry with their number and the times of the
 * first and the last, and so on for as long as it lasts.
 *
 *     denials     the first one each, then an entry in 10 seconds; what is allowed goes straight through; denials on
 *                 life-critical topics do not, or that is where the flood would be
 *     arrivals    who comes and goes, and what devices say of orders: the first ten each, then an entry a minute
 *
 * One kind is one actor (or, where nobody proved who they are, one client id at one address), event, reason and topic up to its
 * last level; the certificate that was shown is told when all showed the same. Of one actor only so many kinds are told apart at
 * a time; what else they try is counted together, without topic and, of nobody known, without client id. When more strangers come
 * than TALLY_STRANGERS in TALLY_US, a botnet's first tries would be an entry each: then they are counted by network (IPv4 /16,
 * IPv6 /32), and beyond TALLY_NETWORKS of these by reason alone. Nothing is dropped: what is counted always comes, earlier when
 * the table is full.
 *
 * Broker's thread only. Takes a microsecond or two, allocates nothing after it is open: a megabyte each. */
#ifndef PULLCORD_TALLY_H
#define PULLCORD_TALLY_H

#include "record.h"

#define TALLY_US 10000000
#define TALLY_ROWS 1024
#define TALLY_KINDS 8
#define TALLY_ARRIVALS_US 60000000
#define TALLY_ARRIVALS_EACH 10
#define TALLY_ARRIVALS_KINDS 64         /* a ward's shared account may be at as many terminals */
#define TALLY_STRANGERS 128             /* new kinds of nobody known in TALLY_US; then, while it lasts, TALLY_STRANGERS_MORE */
#define TALLY_STRANGERS_MORE 16
#define TALLY_NETWORKS 64

struct tally;
enum tally_of { TALLY_DENIALS, TALLY_ARRIVALS };

/* `out` takes each happening as it is to be recorded; h.count says for how many it stands. */
enum err tally_open(enum tally_of what, void (*out)(void *ctx, const struct happening *h), void *ctx, struct tally **t) MUST_USE;
void tally_close(struct tally **t);               /* what is counted comes first */

void tally_add(struct tally *t, const struct happening *h);
/* Once a second or so: what was counted for long enough comes. */
void tally_tick(struct tally *t, int64_t mono_us);
/* What was counted of this client comes, before something that ends it. */
void tally_end(struct tally *t, struct span client);

#endif

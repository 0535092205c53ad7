/* tally: denials that repeat are counted before they go on record, so that whoever keeps trying neither fills the record
 * nor the broker's time. The first of its kind goes on at once; those that follow within TALLY_US become one entry with
 * their number and the times of the first and the last, and so on for as long as it lasts.
 *
 * One kind is one actor (or, where nobody proved who they are, one client id at one address), event, reason and topic up
 * to its last level. Of one actor at most TALLY_KINDS are told apart at a time; what else they try is counted together,
 * without topic. Nothing is dropped: what is counted always comes, earlier when the table is full. What is allowed goes
 * straight through; denials on life-critical topics do not, or that is where the flood would be.
 *
 * Broker's thread only. Takes a microsecond or two, allocates nothing. */
#ifndef PULLCORD_TALLY_H
#define PULLCORD_TALLY_H

#include "record.h"

#define TALLY_US 10000000
#define TALLY_ROWS 1024
#define TALLY_KINDS 8

struct tally;

/* `out` takes each happening as it is to be recorded; h.count says for how many it stands. */
enum err tally_open(void (*out)(void *ctx, const struct happening *h), void *ctx, struct tally **t) MUST_USE;
void tally_close(struct tally **t);               /* what is counted comes first */

void tally_add(struct tally *t, const struct happening *h);
/* Once a second or so: what was counted for TALLY_US comes. */
void tally_tick(struct tally *t, int64_t mono_us);
/* What was counted of this client comes, before something that ends it. */
void tally_end(struct tally *t, struct span client);

#endif

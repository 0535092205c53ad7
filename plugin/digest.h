/* digest: telemetry in sums, where the policy says `record digest`. Publishes of one sender on one topic, and deliveries of
 * them to one recipient, become one entry a minute: how many, the first and the last message id, and a chain over all ids
 * in order,
 *
 *     H(0) = 32 zero bytes, H(i) = SHA-256(H(i-1) | id(i))
 *
 * so that whoever has the messages (the history, the sender's log) can prove that just these went through. Recipients who
 * got the same messages come one after another and are folded into one entry (audited.h). A message that is asked about
 * again at once, as for overlapping subscriptions, counts once.
 *
 * Bounded: when there is no room digest_add() says so and the message is recorded in full. What is counted is in memory
 * alone: a crash loses up to a minute of it. Broker's thread only; allocates nothing after it is open. */
#ifndef PULLCORD_DIGEST_H
#define PULLCORD_DIGEST_H

#include "record.h"

#define DIGEST_ROWS 4096
#define DIGEST_S 60

struct digest;

/* `out` takes each sum: h.count, h.until_us, h.last and h.digest are set. */
enum err digest_open(void (*out)(void *ctx, const struct happening *h), void *ctx, struct digest **d) MUST_USE;
void digest_close(struct digest **d);             /* what is counted comes first */

/* Counts a publish or delivery. False: record it as it is. */
bool digest_add(struct digest *d, const struct happening *h);
/* Once a second or so: each sum comes once in DIGEST_S, not all at the same second. */
void digest_tick(struct digest *d, int64_t mono_us);
/* What was counted of this client comes. */
void digest_end(struct digest *d, struct span client);
/* Everything comes, before another policy. */
void digest_flush(struct digest *d);

#endif

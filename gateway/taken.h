/* taken: what the outbox took lately, the last `most` of it, so that what a source repeats is known; and which of it had to
 * yield since, so that that is taken anew.
 *
 * On disk in the order it came, so that a commit touches the last page of a table and the first: number → key, id, order; and
 * number, id → nothing for what yielded. What yielded and is taken anew gets a row of its own; the old one becomes nobody's.
 * Where a key or id stands in it is in memory. (Earlier versions kept id, or id and order, by key, and what yielded by id; that is
 * read, and goes with its time.) One thread commits; taken_look() is any's. */
#ifndef PULLCORD_TAKEN_H
#define PULLCORD_TAKEN_H

#include <pthread.h>
#include <stdatomic.h>

#include "hints.h"
#include "outfile.h"
#include "store.h"

#define TAKEN_REUSED 4096           /* source ids known to have been used, for a line in the log */

struct taken {
	unsigned rows, by_key, yielded;         /* tables */
	uint32_t most;
	uint64_t newest;                        /* order, when it was loaded */
	int64_t have, change;
	uint64_t forgotten;                     /* last of what is */
	atomic_uint_fast64_t next, kept;        /* number of the next row; as of the last commit */

	pthread_mutex_t lock;                   /* over what follows */
	struct hints seen, gone;
	void *room;
	uint64_t reused[TAKEN_REUSED];
};

/* ERR_FULL. `t` is zero but for its tables, and to be dropped in any case. What is more than `most` is forgotten, oldest first. */
enum err taken_make(struct taken *t, uint32_t most) MUST_USE;
void taken_drop(struct taken *t);
/* At opening, in a transaction that writes. `first`: the number of the first row, if there is none yet; above 0. ERR_CORRUPT, and
 * those of the store. */
enum err taken_load(struct taken *t, struct txn *txn, uint64_t first) MUST_USE;

/* Of a commit. ERR_EXISTS: it was taken, and did not yield. Any other error spoils the transaction. */
enum err taken_add(struct taken *t, struct txn *txn, struct op *op) MUST_USE;
/* op->id goes for want of room. ERR_FULL: it must stay. */
enum err taken_yield(struct taken *t, struct txn *txn, struct op *op) MUST_USE;
/* Under which id that was taken. ERR_NOT_FOUND: it was not, or yielded. */
enum err taken_id(struct taken *t, struct txn *txn, const uint8_t key[OUTFILE_SEEN_KEY], struct id *out) MUST_USE;
/* The commit of the work from `first` up to `end`, without it, is over: `kept`, or as if it had not been. */
void taken_settle(struct taken *t, struct op *first, const struct op *end, bool kept);

/* What outbox_seen() says. What cannot be read was seen. */
enum outbox_seen taken_look(struct taken *t, struct store *s, const uint8_t key[OUTFILE_SEEN_KEY]);

#endif

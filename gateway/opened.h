/* opened: whose alerts are open, on disk: what a person's answer needs to find its way back after a restart.
 *
 * In the order of their last event, so that a commit touches the last page of a table and the first, and no page for each alert:
 * number → keyring.h's value, then Alert.key. Where a key stands is in memory. (Earlier versions kept the value by key: that is
 * read, and goes when the alert is over or has another event.) One thread commits; opened_find() is any's. */
#ifndef PULLCORD_OPENED_H
#define PULLCORD_OPENED_H

#include <pthread.h>
#include <stdatomic.h>

#include "hints.h"
#include "keyring.h"
#include "outfile.h"

#define OPENED_ROW_MAX (KEYRING_VALUE_MAX + OPEN_KEY)
#define OPENED_CLEAR_MAX 2048           /* a record without an envelope is shorter by far */

struct opened {
	unsigned rows, by_key;                  /* tables */
	const struct keyring *keys;             /* borrowed */
	uint64_t secret[2];
	bool before;                            /* there was one by key when it was loaded */
	atomic_uint_fast64_t next, settled;     /* number of the next row; commits that are over */
	uint64_t first;                         /* number of the first row of the commit under way */

	pthread_mutex_t lock;                   /* over what follows */
	struct hints at;
	void *room;
};

/* ERR_FULL. `o` is zero but for its tables and keys, and to be dropped in any case. */
enum err opened_make(struct opened *o) MUST_USE;
void opened_drop(struct opened *o);
/* At opening, in a transaction that writes. More than OPEN_MAX: the oldest are forgotten. ERR_CORRUPT, and those of the store. */
enum err opened_load(struct opened *o, struct txn *t) MUST_USE;

/* Of a commit. `clear`: the record. What was known of op->m.key is replaced. Any error spoils the transaction. */
enum err opened_put(struct opened *o, struct txn *t, struct op *op, struct span clear, uint8_t row[OPENED_ROW_MAX]) MUST_USE;
/* By op->key. ERR_NOT_FOUND: it is not open, or had another event after op->upto. */
enum err opened_forget(struct opened *o, struct txn *t, struct op *op) MUST_USE;
/* The commit of the work from `first` up to `end`, without it, is over: `kept`, or as if it had not been. What was kept goes on
 * saying as which row it was opened. */
void opened_settle(struct opened *o, struct op *first, const struct op *end, bool kept);

/* The record of one, as of the last commit; *clear points into `room`. ERR_NOT_FOUND, ERR_KEY, ERR_CORRUPT. */
enum err opened_find(struct opened *o, struct store *s, const uint8_t key[OPEN_KEY], struct id *id, uint8_t room[OPENED_CLEAR_MAX],
		     struct span *clear) MUST_USE;
/* All of them, oldest event first; one that cannot be read is left out. Stops at the first failure of the store. */
enum err opened_each(struct opened *o, struct store *s,
		     void (*visit)(void *ctx, const uint8_t key[OPEN_KEY], const struct id *id, struct span clear), void *ctx) MUST_USE;

#endif

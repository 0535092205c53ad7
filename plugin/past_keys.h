/* past_keys: the keys of what can be read back, one for each place and calendar month (UTC) and class of topics. When its time
 * is over, or somebody erases the place, the key is destroyed: what it sealed is gone, whatever of it is left on the disk.
 * A place is where something is said: the first three levels of its topic ("mercy/channel/icu3-team").
 *
 * Keys are random, wrapped by a key of the root key's, bound to their names, and lie in a file of their own, PATH-keys, each in
 * a slot of 64 bytes that is written in place and overwritten when it is destroyed. Which name has which slot stands in the
 * store; places there only as a keyed hash. What is written there is part of the caller's transaction:
 *
 *     made       the slot is flushed before the commit (past_keys_flush)
 *     destroyed  marked by a commit, then overwritten (past_keys_destroy), then said to be gone by a later commit: a key that
 *                is marked when it is opened is overwritten then
 *
 * One thread. Waits for the disk. */
#ifndef PULLCORD_PAST_KEYS_H
#define PULLCORD_PAST_KEYS_H

#include "store.h"
#include "vault.h"

#define PAST_KEYS_CACHED 1024       /* unwrapped keys, in memory */
#define PAST_KEYS_SWEEP 1024        /* names looked at for one sweep */
#define PAST_KEYS_ENDING_MAX 256    /* that end by one commit */

/* month u16, since 1970-01 | class u8 | place 8 | how often it was made anew u8 */
#define PAST_KEY_NAME_BYTES 12
#define PAST_KEY_HEAD 3             /* month and class: a row says them otherwise */
struct past_key_name {
	uint8_t b[PAST_KEY_NAME_BYTES];
};
unsigned past_month(int64_t us);
int64_t past_month_end_us(unsigned month);  /* when the next begins */

struct past_keys;

/* `path` is the store's; `table` of it is ours. What cannot be unwrapped is counted as refused, and left alone. */
enum err past_keys_open(const char *path, const uint8_t root[AEAD_KEY_BYTES], unsigned table, struct txn *t,
			struct past_keys **out) MUST_USE;
void past_keys_close(struct past_keys **k);

/* The key to seal with, made when there is none that opens. Borrowed until the next call. ERR_KEY: no more can be made. */
enum err past_keys_take(struct past_keys *k, struct txn *t, unsigned month, uint8_t class, struct span place,
			struct past_key_name *name, const struct vault **key) MUST_USE;
/* To open with. ERR_NOT_FOUND: it was destroyed; ERR_KEY: it is not the one that was wrapped for that name. */
enum err past_keys_find(struct past_keys *k, struct txn *t, const struct past_key_name *name, const struct vault **key) MUST_USE;
/* Its destruction has begun, or it never was. */
bool past_keys_are_gone(struct past_keys *k, struct txn *t, const struct past_key_name *name);
/* Whatever is made, before the commit that needs it; and after one that failed: all is as the store says. */
enum err past_keys_flush(struct past_keys *k) MUST_USE;
void past_keys_undo(struct past_keys *k);

/* Marks what is over, some names further than the call before; what was overwritten before is said to be gone. *changed: so
 * many. A key that is over is over for good. */
enum err past_keys_sweep(struct past_keys *k, struct txn *t, bool (*is_over)(void *ctx, unsigned month, uint8_t class),
			 void *ctx, unsigned *changed) MUST_USE;
/* Marks all of a place, PAST_KEYS_ENDING_MAX at a time: again until *marked is 0, and that is committed, too. */
enum err past_keys_end(struct past_keys *k, struct txn *t, struct span place, unsigned *marked) MUST_USE;
/* After the commit: overwrites what was marked. ERR_IO: it is tried again with the next. */
enum err past_keys_destroy(struct past_keys *k) MUST_USE;

uint64_t past_keys_refused(const struct past_keys *k);      /* from any thread */
uint64_t past_keys_unwrapped(const struct past_keys *k);    /* how often: not for each message */

#endif

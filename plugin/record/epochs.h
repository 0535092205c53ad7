/* epochs: the seed of the record's forward-secure line (forward.h), which nobody can get back once it moved on.
 *
 * It lies in a file of two slots that is overwritten in place and flushed, not in the store, whose old pages stay:
 *
 *     slot        n, u64 | root, 32 | depth, 1 | epoch, u32 | seed, 32 | path, 32 a level | SHA-256(of these)[:8] | zeros
 *
 * The next epoch is written to the other slot before the record says that its time has come; the one before is overwritten
 * with zeros once its last checkpoint is durable. A crash leaves one of them or both, never none. In memory it is locked, as far as
 * the system lets us. Leave the file out of backups. On flash and on file systems that copy on write old blocks may live on below.
 *
 * PATH.pub is the table of the line's public keys, 32 bytes each. Of it only the keys to come are looked at, what they lead to is
 * checked, and they are made anew from the seed when they do not lead to the root: so it may be lost or damaged, and a disk that
 * takes no table holds nothing up. The keys of 2^16 epochs take a processor some four seconds, in a thread of low priority. */
#ifndef PULLCORD_EPOCHS_H
#define PULLCORD_EPOCHS_H

#include "forward.h"

#define EPOCHS_SLOT_BYTES 1024

struct epochs;

struct epoch {
	uint64_t n;                     /* counted over all that were in this file */
	struct forward_root root;
	uint8_t seed[FORWARD_SEED_BYTES];
	struct forward_key key;
};

/* Of the file, which is made when there is none. ERR_NOT_FOUND (folder), ERR_DENIED, ERR_FULL, ERR_IO. */
enum err epochs_open(const char *path, struct epochs **out) MUST_USE;
void epochs_close(struct epochs **e);

/* Which of what is in the file is the epoch that the record is at? `sealed`: the one before has signed its last checkpoint, and
 * is overwritten; else it is now, and the record's next. An older copy of the file catches up, in two flushes; a table that is lost
 * or damaged is made anew for that, and waited for. ERR_NOT_FOUND: no seed is in it; ERR_RANGE: the record was longer; ERR_KEY: of
 * another line; ERR_CORRUPT: what is in it is no seed. */
enum err epochs_find(struct epochs *e, const struct forward_root *root, uint32_t epoch, bool sealed) MUST_USE;
/* There is none in force: what is in the file is of another record, or of an older version. */
enum err epochs_forget(struct epochs *e) MUST_USE;

/* Makes the keys of a new line, unless some are being made: epochs_made() some time after. */
enum err epochs_make(struct epochs *e, unsigned depth) MUST_USE;
bool epochs_made(const struct epochs *e);

/* Now and then: the table is looked at once, and what is to come is made anew if it is lost or damaged. */
enum err epochs_tend(struct epochs *e) MUST_USE;

/* What signs; NULL: none. And what comes after it, from epochs_prepare() until epochs_leave(). Borrowed. */
const struct epoch *epochs_now(const struct epochs *e);
const struct epoch *epochs_next(const struct epochs *e);
/* Writes the next one down: the first of a line that was made, else the one after now. Again: nothing. ERR_BUSY: not yet, keys are
 * being made; ERR_RANGE: now is the line's last. */
enum err epochs_prepare(struct epochs *e) MUST_USE;
/* The next is now, and the one before is gone for good. Again, after a failure, before anything else is written to the record. */
enum err epochs_leave(struct epochs *e) MUST_USE;

/* Of the older epoch in the file, read beside its writer. ERR_NOT_FOUND, ERR_DENIED, ERR_IO; ERR_CORRUPT: none is in it. */
enum err epochs_peek(const char *path, struct forward_root *root, uint32_t *epoch) MUST_USE;

#endif

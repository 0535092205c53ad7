/* signing: when the record's writer signs a checkpoint, and how: what is committed and flushed, in the sizes file first, which may
 * be ahead of the store's own checkpoints, never behind. An act (RECORD_CONSENT) is signed with the batch it came in: many of them
 * take no more signatures than they take flushes. The writer's thread only. */
#ifndef PULLCORD_SIGNING_H
#define PULLCORD_SIGNING_H

#include "inside.h"

/* The first is due at once; 0: a second between two. */
void signing_begin(struct record *r, int64_t every_us);
/* Until a checkpoint is due; INT64_MAX: nothing came since the last. */
int64_t signing_due_us(const struct record *r);
/* All that is committed; nothing when it is signed already, or its epoch's time is over (turns.h). ERR_IO, ERR_FULL of the sizes
 * file or the store: it stays due. */
enum err signing_sign(struct record *r) MUST_USE;
/* Nothing is written before an epoch of the line that ended has signed that, and its seed is gone. Errors: the same. */
enum err signing_close(struct record *r) MUST_USE;
/* That is the newest, for whoever asks record_checkpoint(). */
void signing_show(struct record *r, struct span note);

#endif

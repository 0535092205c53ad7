/* turns: the writer's side of the forward-secure line: when it begins, when an epoch ends, which key signs. What follows from it
 * for readers is line_check.h's.
 *
 * An epoch ends when its time is over and something came, when the clock was set, and when the broker stops in good order: with an
 * entry that says so and is the last of its batch. The checkpoint over that entry is the last one its key signs (the closing seal);
 * nothing else is written before that is durable and the key is gone. While nothing comes nothing ends, and no checkpoint is made;
 * nor while no broker runs: epochs are counted by use, so they have no gap. A record that has no line, a new one or an older
 * version's, gets one as soon as its keys are made. When fifteen sixteenths of its epochs are used up, the keys of another line are
 * made; its root stands before the end of the epoch that then is, whose key so vouches for it. */
#ifndef PULLCORD_TURNS_H
#define PULLCORD_TURNS_H

#include "epochs.h"
#include "line_check.h"
#include "trail.h"

#define LINE_EVERY_US (15 * 60 * 1000000LL)

struct turns {
	struct epochs *epochs;          /* NULL: none is kept */
	bool begun;
	bool closing;                   /* the newest entry ended an epoch, which has to sign that yet */
	bool entering;                  /* the first epoch there is has to be taken up yet */
	struct epoch_row row, next;     /* as committed; of the batch */
	int64_t until_us, offset_us;    /* monotonic: its time is over; wall clock minus that, as it began */
	bool clock_set;                 /* while the broker was off */
	unsigned depth;                 /* of the next line */
	int64_t every_us;
};

/* `row`: as stored, NULL: the record has no line. `signed_size`: of the newest checkpoint. ERR_CORRUPT: *found says why; and as
 * epochs_open(). */
enum err turns_open(struct turns *l, const char *path, unsigned depth, int64_t every_us, const struct epoch_row *row,
		   uint64_t signed_size, const char **found) MUST_USE;
void turns_close(struct turns *l);

/* What is to stand at the end of the next batch? `size`: entries so far; `more`: some wait; `last`: the broker stops. ERR_IO,
 * ERR_FULL: the seed's file; nothing is begun then. */
enum turn { TURN_NONE, TURN_BEGINS, TURN_ENDS };
enum err turns_due(struct turns *l, uint64_t size, bool more, bool last, enum turn *out) MUST_USE;
/* Its entries, within the trail's batch: errors as trail_append(). */
enum err turns_write(struct turns *l, enum turn step, struct trail *t) MUST_USE;
/* That batch is durable. */
void turns_written(struct turns *l, enum turn step);

/* Its keys are being made, before it begins: that is to be seen soon. */
static inline bool turns_waiting(const struct turns *l) { return l->epochs && !l->begun; }
/* The epoch's time has been over for a while: no checkpoint but its last one is made. */
bool turns_over(const struct turns *l);
/* Appends the line for that text, if there is one. Errors: forward_sign()'s. */
enum err turns_sign(const struct turns *l, struct span text, struct span name, struct put *note) MUST_USE;
/* The closing seal is durable, or none is due. Again, when it failed (ERR_IO), before anything else is
 * written. */
enum err turns_sealed(struct turns *l) MUST_USE;

#endif

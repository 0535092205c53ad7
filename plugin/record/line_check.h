/* line_check: do the entries and checkpoints of a record bear out its forward-secure line (forward.h)? Public: nothing secret is
 * needed. Fed in order; pure.
 *
 *     - Once a line's root stands in the record, every checkpoint after it bears a line of that root.
 *     - Epochs are numbered from 0 without a gap. Each is ended by one entry, the checkpoint over which is the last with its key;
 *       nothing follows that entry before it (exactly one closing seal).
 *     - The line of a checkpoint is of the epoch that is due. It was made in that epoch's time, by the times that ends of epochs
 *       say, give or take LINE_SKEW_US; only a closing seal may be later: of an epoch that the broker was off in. Times do not go
 *       back, unless an epoch ended because the clock was set.
 *     - Another line's root stands right before the end of an epoch, whose closing seal vouches for it, and nowhere else.
 *
 * So whoever has the seed of epoch i, and every other key, can write epoch i otherwise and what follows, and nothing before. It
 * does not keep them from setting the record back to what they can sign: its witnesses do, and who kept a later checkpoint. */
#ifndef PULLCORD_LINE_CHECK_H
#define PULLCORD_LINE_CHECK_H

#include "forward.h"
#include "seal.h"

/* How far a checkpoint's time may be from its epoch. */
#define LINE_SKEW_US (5 * 60 * 1000000LL)

struct line_check {
	bool begun, has_next;           /* a root stands there; another one since the newest end */
	struct forward_root root, next, before;     /* in force; before: the line before this, depth 0: none */
	int64_t every_us, next_every_us;
	uint32_t epoch;                 /* that is due */
	int64_t began_us;               /* the end of the one before */
	bool unsealed;                  /* the newest entry ended it; its closing seal is due */
	int64_t ended_us;
	uint64_t size;                  /* entries under the newest closing seal */
	uint64_t ends, lines;           /* closing seals, roots */
	uint64_t marks;                 /* of an older version */
	char what[160];                 /* what is wrong */
};

/* ERR_CORRUPT: what[] says why. */
enum err line_check_entry(struct line_check *l, const struct entry *e) MUST_USE;
/* The checkpoint of that size, after its last entry; at_us: when it was made, 0: not known. ERR_CORRUPT. */
enum err line_check_note(struct line_check *l, uint64_t size, struct span note, struct span name, int64_t at_us) MUST_USE;
/* The seed that is kept, as it was read before the record was: came the record as far? ERR_CORRUPT. */
enum err line_check_seed(struct line_check *l, const struct forward_root *root, uint32_t epoch) MUST_USE;

#endif

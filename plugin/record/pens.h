/* pens: the segments the writer has open, one for each retention, and turning from one to the next. A segment ends after
 * an hour, at 2^16 records, at pens_turn(), and when the process does; the next record of its retention opens another,
 * with a key of its own. What an earlier process left open is closed when the first one opens.
 *
 * A plain struct: who begins a batch keeps a copy, and puts it back, turned, when the batch fails. */
#ifndef PULLCORD_PENS_H
#define PULLCORD_PENS_H

#include "trail.h"

#define SEGMENT_US (3600 * 1000000LL)

struct pen {
	uint16_t keep;
	uint32_t id;                    /* 0: none yet */
	bool mine;                      /* may be written on */
	bool touched;                   /* its row is behind */
	int64_t since_us;               /* monotonic */
	struct segment segment;
	struct segment_key key;
};

struct pens {
	struct pen pen[SEGMENTS_OPEN_MAX];
	size_t n;
	uint32_t newest;                /* segment */
	uint32_t stale[SEGMENTS_OPEN_MAX];
	size_t stale_n;
};

/* What keeps them: borrowed for as long as they are written with. */
struct ink {
	struct trail *trail;
	const struct vault *vault;
	const struct seal *seal;
	struct span origin;
};

/* As the store has it. ERR_CORRUPT; ERR_KEY: the newest segment's key is sealed by another root; ERR_NOT_FOUND: it is gone. */
enum err pens_resume(struct pens *p, const struct ink *ink, struct txn *view) MUST_USE;
/* Of a batch: segments of more than an hour end here. */
void pens_begin(struct pens *p);
/* Seals one packed event into the segment of that retention, within the trail's batch. */
enum err pens_write(struct pens *p, const struct ink *ink, uint16_t keep, struct span packed) MUST_USE;
/* A segment of no records, closed as it is opened: a key that is kept and erased as others are. Within the trail's batch. */
enum err pens_make_key(struct pens *p, const struct ink *ink, uint16_t keep, struct segment_key *key, uint32_t *id) MUST_USE;
/* Rows of the segments that were written on; before the batch is committed. */
enum err pens_finish(struct pens *p, const struct ink *ink) MUST_USE;
void pens_turn(struct pens *p);

#endif

/* keeping: how long segments stay, and what ends them. The end of a segment is the destruction of its key: its ciphertext
 * is then taken out of the store, its leaves and the tiles above stay for ever, so that everything signed before still
 * verifies. Called by whoever writes the trail; wall-clock time is an argument. */
#ifndef PULLCORD_KEEPING_H
#define PULLCORD_KEEPING_H

#include "pens.h"

/* Who asked for it, who agreed, and why. Ids and a few words: they are written in clear. */
struct segment_act {
	uint32_t segment;
	int64_t at_us;
	struct span who, second, reason;
};

/* When a segment that was closed at `from_us` has been kept long enough: so many calendar years (UTC) or days later. */
int64_t keep_until_us(uint16_t keep, int64_t from_us);

/* Until when a segment is to be kept, and is it held? INT64_MAX: it is written on still. The key of a year's pseudonyms is
 * kept until the year is over and so is the retention of every segment that was open in it, and is held with each of them:
 * those are all looked at. */
struct retention {
	int64_t until_us;
	bool held;
};
enum err keep_look(struct txn *view, const struct segment *s, struct retention *out) MUST_USE;
/* Is it one that may be erased now: closed, kept long enough, not held, not erased before? */
bool keep_is_over(const struct segment *s, const struct retention *k, int64_t now_us);

/* One hold more, or less: an entry and the segment's row, in one transaction. Each is for a reason of its own, so the segment is
 * held until as many were released. ERR_NOT_FOUND; ERR_EXISTS: there is none; ERR_FULL: no more are counted; ERR_CLOSED: it was
 * erased; ERR_DENIED: it takes two persons. */
enum err keeping_hold(struct trail *t, struct pens *p, const struct segment_act *act, bool held) MUST_USE;

/* Says in an entry that the segment is erased, durably. What follows is keeping_step(), also after a crash.
 * ERR_NOT_FOUND; ERR_CLOSED: it was erased before; ERR_BUSY: it is open still, or held; ERR_TIME: it is to be kept longer;
 * ERR_DENIED: it takes two persons; ERR_KEY: its key is not there; and what keeping_finish() says. */
enum err keeping_erase(struct trail *t, const struct segment_act *act) MUST_USE;
/* One step of what an erasing that was begun leaves to be done, some milliseconds long: the first destroys the segment's
 * key, the others take out what was sealed with it, the last the index beside the record, which knows names. *more: call it
 * again. OK when nothing was begun. ERR_EXISTS: it was erased, but the index is there still. */
enum err keeping_step(struct trail *t, bool *more) MUST_USE;
/* All steps. */
enum err keeping_finish(struct trail *t) MUST_USE;

#endif

/* throttle: keeps a source that repeats itself from drowning a ward, without ever hiding anything.
 *
 * Every event ends in exactly one of two ways: it is SENT now, as message `id`, which stands for `count` events; or it
 * is FOLDED into message `id`, which is published later, with a count, when throttle_tick() says so. What was folded
 * is carried along by the next message of the same condition that is sent, under the id promised for it.
 *
 * At once, always:  the first event of a condition while there are tokens; the end of one that is published; a rise in
 *                   priority; and at `high` and `code` every first event, every new start and end, and every change of
 *                   what it says.
 * Folded:           repeats of a condition already published, saying the same, within `window_ms` of that. At `high`
 *                   and `code` only what the source itself calls a continuation (PHASE_CONTINUE). Below, of a condition
 *                   that flaps: its end while its beginning is held back, or within `window_ms` of the last end.
 * Delayed:          below `high`, a new or changed condition when its (source, code) has used up its tokens: until the
 *                   next token, at most `delay_ms`. Different conditions are never merged.
 *
 * Bounded: THROTTLE_MAX conditions. When all of them hold something back, an unknown one is sent, and when `most_held` do, all is
 * that would be held besides. One block, nothing allocated after. Pure: the caller brings time and ids. */
#ifndef PULLCORD_THROTTLE_H
#define PULLCORD_THROTTLE_H

#include "err.h"
#include "id.h"
#include "pullcord.pb-c.h"

#define THROTTLE_MAX 4096
#define THROTTLE_KEY 16

struct throttle_limits {
	uint32_t burst, per_minute;      /* tokens of one (source, code) */
	int64_t window_ms, delay_ms;
	uint32_t most_held;              /* conditions that hold something back; 0: all may */
};

struct throttle_event {
	uint8_t kind[THROTTLE_KEY];      /* keyed hash of source and condition */
	uint8_t bucket[THROTTLE_KEY];    /* keyed hash of source and code */
	uint64_t content;                /* hash of what a nurse would read: another value is a change */
	Pullcord__V1__Priority priority;
	Pullcord__V1__Phase phase;
	int64_t at_us;                   /* wall clock, for Alert.first_us */
	struct id fresh;                 /* for a message of its own, should it need one */
};

enum throttle_why {
	THROTTLE_NEW,                    /* sent: first of its condition */
	THROTTLE_ROSE,                   /* sent: priority went up */
	THROTTLE_CHANGED,                /* sent: it says something else */
	THROTTLE_ENDED,                  /* sent: the condition is over */
	THROTTLE_QUIET,                  /* sent: the last one was longer ago than the window */
	THROTTLE_NO_ROOM,                /* sent: too many conditions to keep account of */
	THROTTLE_REPEAT,                 /* folded */
	THROTTLE_RATE,                   /* delayed: no token left */
};

struct throttle_verdict {
	bool send;
	enum throttle_why why;
	struct id id;                    /* of the message this event is part of */
	uint32_t count;                  /* events that message stands for, so far */
	int64_t first_us;                /* when the first of them came */
};

/* A message that was held back and is due. */
struct throttle_due {
	struct id id;
	uint32_t count;
	uint8_t kind[THROTTLE_KEY];
};

/* seen == sent + folded; the counts of all messages published add up to seen - waiting - refused. */
struct throttle_totals {
	uint64_t seen, sent, folded, summaries, refused, waiting;
};

struct throttle;

enum err throttle_make(const struct throttle_limits *l, struct throttle **out) MUST_USE;
void throttle_free(struct throttle **t);
void throttle_set(struct throttle *t, const struct throttle_limits *l);

struct throttle_verdict throttle_step(struct throttle *t, const struct throttle_event *e, int64_t now_ms);
/* What is due at now_ms, at most `max`; returns how many. */
size_t throttle_tick(struct throttle *t, int64_t now_ms, struct throttle_due *out, size_t max);
/* When tick() next may have something; -1: not before another step(). */
int64_t throttle_next_ms(const struct throttle *t);

/* Somebody declined or finished it, so the next event of this condition goes out at once. */
void throttle_settle(struct throttle *t, const uint8_t kind[THROTTLE_KEY]);
/* What step() decided could not be kept: the source was told no and will come again, and then goes out at once. */
void throttle_refused(struct throttle *t, const uint8_t kind[THROTTLE_KEY], const struct throttle_verdict *v);

struct throttle_totals throttle_totals(const struct throttle *t);

#endif

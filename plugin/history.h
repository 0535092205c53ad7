/* history: alerts kept until somebody sees to them, because the broker's own PUBACK does not survive a crash. An alert
 * that was let through is put on the shelf (shelf.h); when it is durable there its sender is owed a StoredReceipt. Until
 * it is resolved, over or expired it is shown to whoever subscribes to its topic later: after a crash of the broker, too.
 * Readers fold by message id.
 *
 * At most HISTORY_ALERTS_MAX at a time. Past that the least important goes, the oldest of them first: what is over, then
 * what somebody accepted, then by priority; of a device that has HISTORY_SHARE already one of its own, so that no single
 * one pushes out all the others'. The same past half the file of large ones, of which a device never has more than an eighth
 * of that: a few hundred of one would fill it, and nobody's were durable any more. Evictions are counted; what was evicted and
 * is sent again is kept again. Broker's thread only; copies; waits for nothing. */
#ifndef PULLCORD_HISTORY_H
#define PULLCORD_HISTORY_H

#include "err.h"
#include "id.h"
#include "shelf.h"
#include "topic.h"

#define HISTORY_ALERTS_MAX 8192
#define HISTORY_SHARE (HISTORY_ALERTS_MAX / 8)
#define HISTORY_KEEP_US (24 * 3600 * 1000000LL)    /* at most, whatever its sender says */
#define HISTORY_END_US (5 * 60 * 1000000LL)        /* the end of an alert */
#define HISTORY_LATE_US (3600 * 1000000LL)         /* from the start on, what by the clock is over by then: that may be wrong */

struct history;

enum kept_among { AMONG_ALL, AMONG_SENDERS, AMONGS };

/* An alert that is kept. `number` rises in order of arrival, from 1. */
struct kept {
	uint64_t number;
	struct id id;
	uint64_t order;                            /* among its sender's */
	uint8_t key[ID_BYTES];                     /* Alert.key */
	int64_t until_us;
	bool over;                                 /* it is itself the end of an alert */
	uint32_t sender;                           /* its bucket among senders */
	uint8_t priority;                          /* enum Priority, of its topic */
	bool accepted;                             /* somebody sees to it: not shown to newcomers */
	struct topic topic;                        /* borrows from `text` */
	char text[TOPIC_BYTES_MAX + 1];
	struct kept *next, *prev, *next_by_id, *next_by_key, *prev_by_key;
	struct { struct kept *next, *prev; } rank[AMONGS];      /* its neighbours */
	size_t n;
	uint8_t payload[];
};

/* Opens or creates the file and takes up the alerts still open in it. `now_us`, until_us: the wall clock, which is not to jump
 * from here on. */
enum err history_open(const char *path, const uint8_t root[32], size_t map_bytes, int64_t now_us,
		      struct history **out) MUST_USE;
/* Reads all of it in a process of its own, which a damaged file may end. ERR_CORRUPT; OK also when there is none. Before there are
 * threads. */
enum err history_probe(const char *path, size_t map_bytes) MUST_USE;
/* One that cannot be opened is kept, with its keys, as PATH.unread-TIME. ERR_DENIED, ERR_IO, ERR_TOO_LARGE. */
enum err history_keep_aside(const char *path, char *kept, size_t cap) MUST_USE;
void history_close(struct history **h);           /* waits until everything is durable, or the disk refuses */

/* Keeps an alert; `receipt` is its sender's topic for the StoredReceipt. `over`: it ends what is open under its key. The
 * same id again is not kept twice, but its receipt is owed again. Too many and none less important: not kept, counted as
 * evicted, and no receipt will come. ERR_FULL: no memory; then no receipt will come and the
 * sender keeps the alert. */
struct alert {
	struct id id;
	const uint8_t *key;
	int64_t until_us;
	bool over;
	const struct topic *topic;
	struct span payload;
	const char *receipt;
};
enum err history_put(struct history *h, const struct alert *a) MUST_USE;

/* What a person did about the alerts of a key at the unit and device that `topic` names; nobody else's are touched. */
enum history_answer {
	HISTORY_ACCEPTED,                          /* seen to: not shown to newcomers, until it is declined */
	HISTORY_OPEN,                              /* declined, escalated: open for everybody again */
	HISTORY_DONE,                              /* resolved, over: no longer kept */
};
void history_answer(struct history *h, const uint8_t key[ID_BYTES], const struct topic *topic, enum history_answer what);
void history_expire(struct history *h, int64_t now_us);

const struct kept *history_find(struct history *h, const struct id *id);     /* NULL: it is not kept */
/* Kept alerts in order of number; NULL at the end. */
const struct kept *history_next(const struct history *h, const struct kept *after);
uint64_t history_number(const struct history *h); /* of the newest */

/* One receipt that is owed now: its topic, up to `most` ids. 0: none. */
size_t history_owed(struct history *h, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most);

/* What can be read back, whoever has seen to it: all that is said on topics whose class is kept (past.h; at first none is).
 * Of a message too long, or more than the disk takes, nothing is kept but the count. */
void history_retain(struct history *h, const struct past_keep *keep);
/* Is anything kept of such topics? */
bool history_keeps(const struct history *h, enum topic_kind kind);
void history_note(struct history *h, const struct topic *t, const struct id *id, int64_t now_us, struct span payload);
uint64_t history_unnoted(const struct history *h);
uint64_t history_yielded(const struct history *h);  /* what yielded before its time, for room */
/* shelf_keys_refused(); shelf_erase(), which other threads may call, and which leaves alerts that are open alone. */
uint64_t history_keys_refused(const struct history *h);
enum err history_erase(struct history *h, struct span place, uint64_t *keys) MUST_USE;
/* shelf_look(), shelf_looked(). */
void history_look(struct history *h, struct shelf_look *l);
struct shelf_look *history_looked(struct history *h);

/* Why nothing can be kept at the moment (ERR_FULL, ERR_IO); OK while it can. */
enum err history_trouble(const struct history *h);
size_t history_count(const struct history *h);     /* alerts that are kept */
uint64_t history_evicted(const struct history *h);
uint64_t history_damaged(const struct history *h); /* rows found unreadable at the start, and left alone */

#endif

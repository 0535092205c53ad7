/* history: alerts kept until somebody answers them, because the broker's own PUBACK does not survive a crash. An alert
 * that was let through is sealed into LMDB by a thread of its own; when it is durable its sender is owed a
 * StoredReceipt, and until it is answered, ended or expired it is sent to whoever subscribes to its topic later: after
 * a crash of the broker, too. Readers fold by message id.
 *
 * Broker's thread only, but for the thread it runs. history_put() copies; nothing here waits for the disk. */
#ifndef PULLCORD_HISTORY_H
#define PULLCORD_HISTORY_H

#include "err.h"
#include "id.h"
#include "topic.h"

#define HISTORY_ALERTS_MAX 8192                    /* open at a time; the oldest goes first */
#define HISTORY_KEEP_US (24 * 3600 * 1000000LL)    /* open alerts that name no expiry */

struct history;

/* An alert that is still open. `number` rises in order of arrival, from 1. */
struct kept {
	uint64_t number;
	struct id id;
	uint8_t key[ID_BYTES];                     /* Alert.key */
	int64_t until_us;
	char topic[TOPIC_BYTES_MAX + 1];
	struct kept *next, *prev, *next_by_id, *next_by_key;
	size_t n;
	uint8_t payload[];
};

/* Opens or creates the file and takes up the alerts still open in it. */
enum err history_open(const char *path, const uint8_t root[32], size_t map_bytes, int64_t now_us,
		      struct history **out) MUST_USE;
void history_close(struct history **h);           /* waits until everything is durable, or the disk refuses */

/* Keeps an alert; `receipt` is its sender's topic for the StoredReceipt. The same id again is not kept twice, but its
 * receipt is owed again. ERR_FULL: no memory; then no receipt will come and the sender keeps the alert. */
enum err history_put(struct history *h, const struct id *id, const uint8_t key[ID_BYTES], int64_t until_us,
		     struct span topic, struct span payload, const char *receipt) MUST_USE;
/* Somebody answered it, or its condition ended: all alerts of that Alert.key are no longer open. */
void history_done(struct history *h, const uint8_t key[ID_BYTES]);
void history_expire(struct history *h, int64_t now_us);

/* Open alerts in order of number; NULL at the end. */
const struct kept *history_next(const struct history *h, const struct kept *after);
uint64_t history_number(const struct history *h); /* of the newest */

/* Why nothing can be kept at the moment (ERR_FULL, ERR_IO); OK while it can. Tried again once a second. */
enum err history_trouble(const struct history *h);

/* One receipt that is owed now: its topic, up to `most` ids. 0: none. */
size_t history_owed(struct history *h, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most);

#endif

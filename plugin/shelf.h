/* shelf: the durable side of history: rows written and deleted by a thread of its own, sealed, in the order they were
 * asked for, as many to a commit as were waiting. A row that was put and is durable comes back as a receipt that is
 * owed. When the file has no room left, rows wait and deletions go on, so that there is room again; a row that is
 * deleted while it waits never was. Nothing here waits for the disk but shelf_open() and shelf_close().
 *
 * In the same file and the same commits, but second to them, stands what can be read back (past.h): without room its
 * oldest rows go, and then new ones are not kept. The same thread looks things up in it, between commits. */
#ifndef PULLCORD_SHELF_H
#define PULLCORD_SHELF_H

#include "err.h"
#include "id.h"
#include "past.h"
#include "topic.h"

#define SHELF_PAST_WAITING (8u << 20)  /* bytes for reading back that wait for the disk; more are not kept */

struct shelf;

/* Reads what is there, in order of number; `visit` says whether a row is to stay. Rows that cannot be opened are left
 * out and counted. ERR_KEY: none could be. */
enum err shelf_open(const char *path, const uint8_t root[32], size_t map_bytes,
		    bool (*visit)(void *ctx, uint64_t number, struct span value), void *ctx, struct shelf **out) MUST_USE;
/* As those of the history. */
enum err shelf_probe(const char *path, size_t map_bytes) MUST_USE;
enum err shelf_keep_aside(const char *path, char *kept, size_t cap) MUST_USE;
void shelf_close(struct shelf **s);                /* waits until all is durable, or the disk refuses */

/* Numbers rise. Copies. `receipt`: the topic on which its sender hears of it. ERR_FULL: no memory. */
enum err shelf_put(struct shelf *s, uint64_t number, const struct id *id, const char *receipt, struct span value) MUST_USE;
/* The receipt is owed once more: at once, or with the row if that still waits. */
enum err shelf_again(struct shelf *s, const struct id *id, const char *receipt) MUST_USE;
void shelf_del(struct shelf *s, uint64_t number);  /* without memory the row stays until the next start */

/* What can be read back: how long each class is kept, from now on (at first nothing is); a message, of which nothing is kept
 * on an error (ERR_TOO_LARGE, ERR_BUSY, ERR_FULL: no memory); how many later were not, or were ERR_BUSY. `at_us`: when it
 * came. Copies. */
void shelf_past_keep(struct shelf *s, const struct past_keep *k);
enum err shelf_past_put(struct shelf *s, enum past_class class, const struct id *id, uint64_t at_us, struct span topic,
			struct span payload) MUST_USE;
uint64_t shelf_past_lost(struct shelf *s);
uint64_t shelf_past_yielded(const struct shelf *s);     /* before their time, for room */
/* Destroys the keys of what can be read back of a place (past_keys.h), so that it cannot be read any more; *keys: how many. What
 * is said there later has others. Waits for it; from any thread that ends before shelf_close(). ERR_BUSY: what was kept before
 * there were such keys is being sealed anew still, for some seconds after a start. */
enum err shelf_erase(struct shelf *s, struct span place, uint64_t *keys) MUST_USE;
uint64_t shelf_keys_refused(const struct shelf *s); /* that do not open: what they sealed is not read back */

/* One look at it, and what came of it. */
struct shelf_look {
	struct readback want;
	struct readback_page page;      /* borrows from `bytes` */
	enum err err;
	uint8_t *bytes;
	void *ctx;                      /* the caller's, of malloc(); freed with it */
	struct shelf_look *next;
};
void shelf_look(struct shelf *s, struct shelf_look *l);             /* lends it, until it comes back */
struct shelf_look *shelf_looked(struct shelf *s);                   /* the next that is done; NULL: none */
void shelf_look_free(struct shelf_look **l);

/* One receipt that is owed now: its topic, up to `most` ids. 0: none. */
size_t shelf_owed(struct shelf *s, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most);
/* Why rows wait (ERR_FULL, ERR_IO); OK while none does. */
enum err shelf_trouble(const struct shelf *s);
uint64_t shelf_damaged(const struct shelf *s);

#endif

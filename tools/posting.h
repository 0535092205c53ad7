/* posting: rising numbers of entries in few bytes: a block of an index's list.
 *
 *     first, u64 | last, u64 | for each after the first: the distance to it, as a varint
 *
 * Pure. */
#ifndef PULLCORD_POSTING_H
#define PULLCORD_POSTING_H

#include "cur.h"

#define POSTING_BYTES_MAX 1900      /* sealed and with its key, two fit into a page of LMDB */

struct posting {
	uint64_t first, last;           /* n == 0: empty */
	size_t n;                       /* bytes of `b` in use */
	uint8_t b[POSTING_BYTES_MAX];
};

/* False: it is full. A number that is not above the last is there already, and changes nothing. */
bool posting_add(struct posting *p, uint64_t index);
/* ERR_CORRUPT: it is no block, its numbers do not rise, or the last is another than it says. *out is a copy. */
enum err posting_read(struct span raw, struct posting *out) MUST_USE;
static inline struct span posting_span(const struct posting *p) { return span(p->b, p->n); }

/* Its numbers, one after another. */
struct posting_walk {
	struct cur left;
	uint64_t at;
	bool begun;
};
struct posting_walk posting_walk(const struct posting *p);
bool posting_next(struct posting_walk *w, uint64_t *index);

#endif

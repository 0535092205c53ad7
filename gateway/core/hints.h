/* hints: under which numbers something with this hash was written down, so that a file in order of numbers can be searched
 * by hash without another order on disk. A hint may be stale: whoever follows it looks. The low half of a number is kept.
 * In the caller's memory; nothing allocated. Pure. */
#ifndef PULLCORD_HINTS_H
#define PULLCORD_HINTS_H

#include "base.h"

struct hints {
	uint32_t mask, n;
	struct hint {
		uint32_t print, number;         /* print 0: none */
	} *at;
};

/* For at most so many. `room` is zero, hints_bytes(most) of it. */
size_t hints_bytes(uint32_t most);
void hints_init(struct hints *h, uint32_t most, void *room);

static inline bool hints_full(const struct hints *h) { return h->n >= h->mask; }   /* then nothing may be added */
/* `print`: any bits of a good hash. Never when it is full. */
void hints_add(struct hints *h, uint32_t print, uint32_t number);
void hints_del(struct hints *h, uint32_t print, uint32_t number);       /* does nothing when it is not there */
/* Without those whose number lies `age` or more before `now`. */
void hints_sweep(struct hints *h, uint32_t now, uint32_t age);
/* The numbers there are, at most `most`; how many. */
size_t hints_find(const struct hints *h, uint32_t print, uint32_t *number, size_t most);

#endif

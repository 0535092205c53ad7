/* ring: records of bytes from one thread to one other, without a lock, an allocation or a system call (but one write
 * when the other sleeps). For any module whose writer must never hold up the broker's thread.
 *
 * One thread pushes, one thread takes. What was taken stays in the ring, and borrowed, until it is given back: a writer
 * whose commit failed rewinds and takes it again. */
#ifndef PULLCORD_RING_H
#define PULLCORD_RING_H

#include "err.h"
#include "span.h"

#define RING_BYTES_MIN 4096
#define RING_BYTES_MAX (1u << 30)

struct ring;

/* `bytes` is a power of two. ERR_RANGE, ERR_FULL. All pages are touched now, not at the first push. */
enum err ring_open(size_t bytes, struct ring **out) MUST_USE;
void ring_close(struct ring **r);

/* The pushing thread. Copies the pieces as one record; false, and nothing is copied, when it does not fit. A record of
 * up to a quarter of the ring always fits into an empty one. */
bool ring_push(struct ring *r, const struct span *piece, size_t n);

/* The taking thread. peek: the next record not taken yet. advance: gives back the room of all that were taken.
 * rewind: those are taken again. */
bool ring_peek(struct ring *r, struct span *out);
void ring_advance(struct ring *r);
void ring_rewind(struct ring *r);
/* Returns when there is something to take, at ring_wake(), or after timeout_ms. */
void ring_sleep(struct ring *r, int timeout_ms);

/* Any thread. used: bytes not given back yet. */
void ring_wake(struct ring *r);
size_t ring_used(const struct ring *r);
/* Bytes pushed since the ring was opened, and given back: what was pushed up to one is done when the other is there. */
uint64_t ring_pushed(const struct ring *r);
uint64_t ring_given(const struct ring *r);
size_t ring_bytes(const struct ring *r);

#endif

#include "ring.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* A record is its length and its bytes, rounded up to 4; one that would run over the end of the memory starts at its
 * beginning again, and SKIP says so. head and tail count bytes since the start and never wrap. */
#define SKIP UINT32_MAX
#define AHEAD 384               /* a record and what is before the next: most are shorter */
#define ROUND(n) (((n) + 3) & ~(size_t)3)

struct ring {
	/* Of the pushing thread. It keeps its last look at tail: the line is only fetched anew when the ring seems full. */
	_Alignas(64) _Atomic uint64_t head;
	uint64_t tail_seen;
	/* Of the taking thread. */
	_Alignas(64) _Atomic uint64_t tail;
	uint64_t taken;
	_Alignas(64) atomic_bool asleep;
	int wake_fd;
	size_t bytes;
	uint8_t *p;
};

enum err ring_open(size_t bytes, struct ring **out)
{
	CLEANUP(ring_close) struct ring *r = NULL;

	if (bytes < RING_BYTES_MIN || bytes > RING_BYTES_MAX || (bytes & (bytes - 1)))
		return ERR_RANGE;
	r = aligned_alloc(64, sizeof(*r));
	if (!r)
		return ERR_FULL;
	*r = (struct ring){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .bytes = bytes };
	r->p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->p == MAP_FAILED)
		r->p = NULL;
	if (r->wake_fd < 0 || !r->p)
		return ERR_FULL;
	(void)!mlock(r->p, bytes);   /* against swapping; a low RLIMIT_MEMLOCK is no reason not to run */
	*out = r;
	r = NULL;
	return OK;
}

void ring_close(struct ring **r)
{
	if (*r && (*r)->p)
		munmap((*r)->p, (*r)->bytes);
	if (*r && (*r)->wake_fd >= 0)
		close((*r)->wake_fd);
	free(*r);
	*r = NULL;
}

static bool has_room(struct ring *r, uint64_t head, size_t need)
{
	if (r->bytes - (head - r->tail_seen) >= need)
		return true;
	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->bytes - (head - r->tail_seen) >= need;
}

static void length_write(struct ring *r, uint64_t at, uint32_t n)
{
	memcpy(r->p + (at & (r->bytes - 1)), &n, sizeof(n));
}

/* The store of head releases the record. It is sequentially consistent, as is the load of asleep: either the taker sees
 * the new head before it sleeps, or we see that it sleeps. */
bool ring_push(struct ring *r, const struct span *piece, size_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t len = 0, to_end = r->bytes - (head & (r->bytes - 1)), need, skip;
	uint8_t *at;

	for (size_t i = 0; i < n; i++)
		len += piece[i].n;
	if (len > r->bytes / 4)
		return false;
	need = sizeof(uint32_t) + ROUND(len);
	skip = need > to_end ? to_end : 0;
	if (!has_room(r, head, skip + need))
		return false;
	if (skip)
		length_write(r, head, SKIP);
	head += skip;
	length_write(r, head, (uint32_t)len);
	at = r->p + (head & (r->bytes - 1)) + sizeof(uint32_t);
	for (size_t i = 0; i < n; i++) {
		if (piece[i].n)
			memcpy(at, piece[i].p, piece[i].n);
		at += piece[i].n;
	}
	atomic_store(&r->head, head + need);
	if (atomic_load(&r->asleep) && atomic_exchange(&r->asleep, false))
		ring_wake(r);
	return true;
}

bool ring_peek(struct ring *r, struct span *out)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	const uint8_t *at = r->p + (r->taken & (r->bytes - 1));
	uint32_t len;

	if (r->taken == head)
		return false;
	memcpy(&len, at, sizeof(len));
	if (len == SKIP) {
		r->taken += r->bytes - (r->taken & (r->bytes - 1));
		at = r->p;
		memcpy(&len, at, sizeof(len));
	}
	*out = span(at + sizeof(len), len);
	r->taken += sizeof(len) + ROUND(len);
	for (size_t i = 0; i < AHEAD; i += 64)  /* the pusher's core has it: let it come while this one is worked on */
		__builtin_prefetch(r->p + ((r->taken + i) & (r->bytes - 1)));
	return true;
}

void ring_advance(struct ring *r)
{
	atomic_store_explicit(&r->tail, r->taken, memory_order_release);
}

void ring_rewind(struct ring *r)
{
	r->taken = atomic_load_explicit(&r->tail, memory_order_relaxed);
}

void ring_sleep(struct ring *r, int timeout_ms)
{
	struct pollfd fd = { .fd = r->wake_fd, .events = POLLIN };
	uint64_t wakes;

	atomic_store(&r->asleep, true);
	if (atomic_load(&r->head) == r->taken)
		(void)poll(&fd, 1, timeout_ms);
	atomic_store(&r->asleep, false);
	(void)!read(r->wake_fd, &wakes, sizeof(wakes));
}

void ring_wake(struct ring *r)
{
	static const uint64_t one = 1;

	(void)!write(r->wake_fd, &one, sizeof(one));   /* fails only when it would count past 2^64: awake already */
}

size_t ring_used(const struct ring *r)
{
	/* tail first: read the other way round, it could pass the head that was read. */
	uint64_t tail = atomic_load(&r->tail);

	return (size_t)(atomic_load(&r->head) - tail);
}

size_t ring_bytes(const struct ring *r)
{
	return r->bytes;
}

uint64_t ring_pushed(const struct ring *r) { return atomic_load(&r->head); }
uint64_t ring_given(const struct ring *r) { return atomic_load(&r->tail); }

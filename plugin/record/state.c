/* How the record is, asked from any thread. */
#include "inside.h"

#include "clock.h"

#define SILENT_US (2 * 1000000LL)       /* BEHIND after that */

static bool is_full(const struct record *r)
{
	return ring_used(r->ring) > ring_bytes(r->ring) / 16 * 15;
}

static bool is_stuck(const struct record *r)
{
	return ring_used(r->ring) && clock_us(CLOCK_MONOTONIC) - atomic_load(&r->alive_us) > SILENT_US;
}

bool record_stopped(const struct record *r)
{
	return atomic_load(&r->trouble) || record_disk(r) == RECORD_DISK_OUT || is_full(r);
}

static bool is_crowded(const struct record *r)
{
	return ring_used(r->ring) > ring_bytes(r->ring) / 4 * 3;
}

bool record_scarce(const struct record *r)
{
	return record_disk(r) >= RECORD_DISK_SCARCE || is_crowded(r);
}

enum record_state record_state(const struct record *r)
{
	if (record_stopped(r))
		return RECORD_STOPPED;
	return is_crowded(r) || is_stuck(r) ? RECORD_BEHIND : RECORD_FLOWING;
}

enum record_disk record_disk(const struct record *r) { return (enum record_disk)atomic_load(&r->disk); }
enum err record_trouble(const struct record *r) { return (enum err)atomic_load(&r->trouble); }
uint64_t record_lost(const struct record *r) { return atomic_load(&r->lost); }
bool record_lined(const struct record *r) { return atomic_load(&r->lined); }
uint64_t record_durable(const struct record *r) { return atomic_load(&r->durable); }

/* The newest checkpoint before the entries: those are never fewer. */
void record_health(const struct record *r, struct record_health *out)
{
	out->checkpoint_age_us = clock_us(CLOCK_MONOTONIC) - atomic_load(&r->signed_at_us);
	out->signed_entries = atomic_load(&r->signed_upto);
	out->state = record_state(r);
	out->stuck = is_stuck(r);
	out->full = is_full(r);
	out->entries = atomic_load(&r->durable);
	out->gaps = atomic_load(&r->gaps);
	out->lost = atomic_load(&r->lost);
	out->queue_bytes = ring_used(r->ring);
	out->queue_room = ring_bytes(r->ring);
	out->free_bytes = atomic_load(&r->free_bytes);
	out->room_bytes = atomic_load(&r->room_bytes);
}

bool record_urgent(struct record *r)
{
	return atomic_load(&r->urgent) && atomic_exchange(&r->urgent, false);
}

bool record_checkpoint(struct record *r, uint64_t *size, char *note, size_t cap)
{
	bool newer;

	pthread_mutex_lock(&r->note_lock);
	newer = r->note_size > *size && r->note_n < cap;
	if (newer) {
		memcpy(note, r->note, r->note_n);
		note[r->note_n] = '\0';
		*size = r->note_size;
	}
	pthread_mutex_unlock(&r->note_lock);
	return newer;
}

bool record_witness_asks(struct record *r, struct span who, uint64_t size)
{
	bool taken = cosigners_ask(r->cosigners, who, size);

	ring_wake(r->ring);
	return taken;
}

bool record_witness_says(struct record *r, struct span who, struct span line)
{
	bool taken = cosigners_say(r->cosigners, who, line);

	ring_wake(r->ring);
	return taken;
}

bool record_witness_answer(struct record *r, struct record_answer *out) { return cosigners_answer(r->cosigners, out); }
bool record_witness(struct record *r, unsigned i, struct record_witness *out) { return cosigners_one(r->cosigners, i, out); }
struct record_witnesses record_witnesses(const struct record *r) { return cosigners_state(r->cosigners); }

#include "inside.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "disk.h"
#include "keeping.h"
#include "room.h"
#include "signing.h"
#include "thread.h"

#define BATCH_BYTES_MIN (1 << 20)       /* of the ring, where an event takes more than in the store */
#define BATCH_BYTES_MAX (4 << 20)
#define BATCH_ASIDE 2048                /* events of the spill */
#define BATCH_READS 1024
#define GATHER_MS 5                     /* how long a batch may wait for company */
#define RETRY_MS 200                    /* while the store refuses */
#define IDLE_MS 1000                    /* the writer shows itself at least so often */
#define MADE_MS 20                      /* ... while the keys of its line are being made */
#define LOOK_MS 100                     /* who asked for an act looks so often whether the writer still lives */
#define STEPS_AT_END 4                  /* of taking a segment out */
#define CLOCK_JUMP_US (2 * 1000000LL)

/* ---- the broker's thread ---- */

static uint64_t stands_for(const struct happening *h)
{
	return h->count ? h->count : 1;
}

static void gap_hold(struct gap *g, const struct happening *h)
{
	gap_widen(g, h->at_us);
	if (h->count)
		gap_widen(g, h->until_us);
}

/* The gap comes first, whatever follows. */
static bool tell_gap(struct record *r)
{
	if (gap_is_none(&r->gap))
		return true;
	if (!audited_push_gap(r->ring, &r->gap))
		return false;
	r->gap = (struct gap){ 0 };
	return true;
}

/* What went aside is followed by what comes after it of its class, so that their order stays. */
static bool into_ring(struct record *r, enum record_class class, const struct happening *h)
{
	if (class == RECORD_HOUSEKEEPING && record_state(r) != RECORD_FLOWING)
		return false;
	if (class == RECORD_CRITICAL && r->spill && !spill_empty(r->spill))
		return false;
	return tell_gap(r) && audited_push(r->ring, h);
}

static bool set_aside(struct record *r, const struct happening *h)
{
	if (!r->spill)
		return false;
	if (spill_empty(r->spill))
		atomic_store(&r->aside_after, ring_pushed(r->ring));
	if (!audited_spill(r->spill, h))
		return false;
	ring_wake(r->ring);
	return true;
}

static void put_places(struct record *r, struct places *p)
{
	p = atomic_exchange(&r->places, p);
	places_close(&p);
}

enum err record_places(struct record *r, const struct places *p)
{
	struct places *copy = NULL;

	TRY(places_copy(p, &copy));
	put_places(r, copy);
	return OK;
}

bool record_push(struct record *r, const struct happening *h)
{
	enum record_class class = record_class(h);
	uint64_t n = stands_for(h);

	if (into_ring(r, class, h))
		return true;
	gap_hold(&r->gap, h);
	if (class == RECORD_CRITICAL && set_aside(r, h)) {
		r->gap.aside += n;
		return true;
	}
	r->gap.lost[class] += n;
	atomic_fetch_add(&r->lost, n);
	return false;
}

bool record_try(struct record *r, const struct happening *h)
{
	return into_ring(r, record_class(h), h);
}

uint64_t record_ticket(const struct record *r)
{
	return ring_pushed(r->ring);
}

bool record_settled(const struct record *r, uint64_t ticket)
{
	return ring_given(r->ring) >= ticket;
}

void record_turn(struct record *r)
{
	atomic_store(&r->turn, true);
	cosigners_reread(r->cosigners);
}

void record_tick(struct record *r)
{
	(void)tell_gap(r);
}

/* ---- the writer: one batch ---- */

static enum err write_event(struct record *r, enum record_class class, struct span packed)
{
	return packed.n ? pens_write(&r->done.pens, &r->ink, r->keep[class], packed) : OK;
}

static enum err write_folded(struct record *r)
{
	return write_event(r, r->folded, fold_take(r->fold));
}

static enum err write_gap(struct record *r, const struct gap *g, const char *detail)
{
	TRY(write_folded(r));
	r->done.gaps++;
	return write_event(r, RECORD_ACCESS, fold_own(r->fold, PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP, g, NULL, detail));
}

/* Somebody set the wall clock: the entries' order is still that of the index and of mono_us. What stands for several began
 * some time ago, maybe before. */
static enum err write_clock(struct record *r, const struct happening *h)
{
	int64_t now = h->at_us - h->mono_us, jump = now - r->done.clock_us;
	char detail[64];

	if (h->count || h->mono_us == 0 || (r->done.has_clock && llabs(jump) <= CLOCK_JUMP_US))
		return OK;
	r->done.clock_us = now;
	if (!r->done.has_clock) {
		r->done.has_clock = true;
		return OK;
	}
	snprintf(detail, sizeof(detail), "the clock was set by %+.1f s", (double)jump / 1e6);
	TRY(write_folded(r));
	return write_event(r, RECORD_ACCESS, fold_own(r->fold, PULLCORD__V1__AUDIT_TYPE__AUDIT_CLOCK, NULL, h, detail));
}

/* What was said before an event came is known when the event is seen. */
static void take_places(struct record *r)
{
	if (atomic_load_explicit(&r->places, memory_order_acquire))
		fold_places(r->fold, atomic_exchange(&r->places, NULL));
}

/* Pseudonyms are those of the year it happened in. */
static enum err write_happening(struct record *r, const struct audited *e)
{
	const struct patients *patients;

	if (e->h.type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP)
		return write_gap(r, &e->gap, "the record had no room");
	take_places(r);
	if (fold_names(r->fold, &e->h)) {
		TRY(years_key(&r->done.years, &r->done.pens, &r->ink, e->h.at_us, &patients));
		fold_use(r->fold, patients);
	}
	if (!fold_add(r->fold, &e->h)) {
		TRY(write_folded(r));
		must(fold_add(r->fold, &e->h));
	}
	r->folded = record_class(&e->h);    /* what one fold takes is of one class */
	r->act = r->act || r->folded == RECORD_CONSENT;
	return OK;
}

static enum err fill_from_ring(struct record *r, size_t most)
{
	struct audited e;
	struct span raw;

	for (size_t n = 0; n < most && ring_peek(r->ring, &raw); n += raw.n) {
		audited_read(raw, &e);
		TRY(write_clock(r, &e.h));
		TRY(write_happening(r, &e));
	}
	return OK;
}

/* No clock is judged by these: they are late, and may be of another boot. */
static enum err fill_from_spill(struct record *r, int most)
{
	struct audited e;
	struct span raw;
	uint32_t layout;
	int i;

	for (i = 0; i < most && spill_peek(r->spill, &raw, &layout); i++) {
		audited_read_aside(raw, layout, &e);
		TRY(write_happening(r, &e));
	}
	if (spill_damaged(r->spill) == 0)
		return OK;
	e.gap = (struct gap){ .from_us = clock_us(CLOCK_REALTIME), .until_us = clock_us(CLOCK_REALTIME) };
	e.gap.lost[RECORD_CRITICAL] = spill_damaged(r->spill);
	return write_gap(r, &e.gap, "what had been set aside could not be read");
}

static enum err fill_from_reads(struct record *r, int most)
{
	struct audited e = { .gap = { .aside = 0 } };

	for (int i = 0; i < most && reads_peek(r->reads, &e.h); i++)
		TRY(write_happening(r, &e));
	return OK;
}

static bool has_aside(const struct record *r)
{
	return r->spill && (!spill_empty(r->spill) || spill_damaged(r->spill));
}

static bool has_work(struct record *r)
{
	return ring_used(r->ring) || has_aside(r) || reads_due(r->reads);
}

/* What went aside follows what the ring had before, which is committed by then; half of a batch is for it. */
static enum err fill(struct record *r)
{
	bool aside = has_aside(r) && record_settled(r, atomic_load(&r->aside_after));

	TRY(fill_from_ring(r, aside ? r->batch_bytes / 2 : r->batch_bytes));
	if (aside)
		TRY(fill_from_spill(r, BATCH_ASIDE));
	TRY(fill_from_reads(r, BATCH_READS));
	return write_folded(r);
}

static void give_back(struct record *r)
{
	ring_advance(r->ring);
	if (r->spill)
		spill_advance(r->spill);
	reads_advance(r->reads);
}

static void take_again(struct record *r)
{
	ring_rewind(r->ring);
	if (r->spill)
		spill_rewind(r->spill);
	reads_rewind(r->reads);
}

/* The more to a commit, the less of the time is the disk's; but well below the store's reserve. */
static size_t batch_bytes(size_t store_bytes)
{
	size_t half = store_bytes / 64;

	return half < BATCH_BYTES_MIN ? BATCH_BYTES_MIN : half > BATCH_BYTES_MAX ? BATCH_BYTES_MAX : half;
}

/* After every commit: of what was set aside for the record, how much is left? */
static void measure(struct record *r)
{
	struct store_room room;

	if (trail_room(r->trail, &room) != OK)
		return;
	atomic_store(&r->free_bytes, room.free * room.page_bytes);
	atomic_store(&r->room_bytes, room.all * room.page_bytes);
	r->batch_bytes = batch_bytes(room.all * room.page_bytes);
	atomic_store(&r->disk, (int)room_level(record_disk(r), room.free, room.all));
}

/* ---- the writer: the batch as a whole ---- */

/* All or nothing. After a failure the same happenings come again, under another segment key: the sealed bytes of the
 * failed transaction may lie in the file, and no key may seal two texts under one number. */
static enum err batch(struct record *r, enum turn step)
{
	struct progress before;
	enum err e = trail_begin(r->trail);

	if (atomic_exchange(&r->turn, false))
		pens_turn(&r->done.pens);
	pens_begin(&r->done.pens);
	before = r->done;
	if (e == OK)
		e = fill(r);
	if (e == OK)
		e = pens_finish(&r->done.pens, &r->ink);
	if (e == OK && step != TURN_NONE)
		e = turns_write(&r->turns, step, r->trail);       /* last: what is in the batch is under it, too */
	if (e == OK)
		e = trail_commit(r->trail);
	if (e == OK) {
		turns_written(&r->turns, step);
		atomic_store(&r->lined, r->turns.begun);
		give_back(r);
		atomic_store(&r->durable, trail_tree(r->trail)->size);
		atomic_store(&r->gaps, r->done.gaps);
		measure(r);
	} else {
		trail_abort(r->trail);
		take_again(r);
		(void)fold_take(r->fold);
		r->done = before;
		pens_turn(&r->done.pens);
	}
	crypt_wipe(&before, sizeof(before));
	return e;
}

static enum err next_step(struct record *r, bool last, enum turn *step)
{
	TRY(signing_close(r));
	return turns_due(&r->turns, trail_tree(r->trail)->size, has_work(r), last, step);
}

/* ---- the writer: acts on segments ---- */

/* A disk that failed to flush may answer the next flush of the same file with success, though the data is gone. So no
 * file of ours is written again: the record stops until it is opened anew, and reads what is really there. */
static enum err judge(struct record *r, enum err e)
{
	if (!r->failed && e == ERR_IO && disk_has_room(r->path)) {
		r->failed = true;
		atomic_store(&r->trouble, (int)e);
	}
	return e;
}

/* What stopped it for good is told for good. */
static void tell_trouble(struct record *r, enum err e)
{
	if (!r->failed)
		atomic_store(&r->trouble, (int)e);
}

static enum err carry_out(struct record *r, const struct segment_asked *a)
{
	enum err e = a->what == SEGMENT_ERASE ? keeping_erase(r->trail, a->act)
					  : keeping_hold(r->trail, &r->done.pens, a->act, a->what == SEGMENT_HOLD);

	atomic_store(&r->durable, trail_tree(r->trail)->size);
	return e;
}

static void answer(struct record *r, struct segment_asked *a, enum err came)
{
	pthread_mutex_lock(&r->act_lock);
	a->came = came;
	a->done = true;
	pthread_cond_broadcast(&r->acted);
	pthread_mutex_unlock(&r->act_lock);
}

/* An erasing waits until the one before is over; a hold does not. */
static struct segment_asked *take_asked(struct record *r)
{
	struct segment_asked *a;

	pthread_mutex_lock(&r->act_lock);
	a = r->asked;
	if (a && a->what == SEGMENT_ERASE && r->stripping)
		a = NULL;
	if (a)
		r->asked = NULL;
	pthread_mutex_unlock(&r->act_lock);
	return a;
}

/* A step of it: the ring is not to wait for a large segment. */
static void strip(struct record *r)
{
	struct segment_asked *a = r->erasing;
	bool more;
	enum err e = judge(r, keeping_step(r->trail, &more));

	if (e == OK && more)
		return;
	r->stripping = false;
	r->erasing = NULL;
	if (a)
		answer(r, a, e);
}

static void serve(struct record *r)
{
	struct segment_asked *a = atomic_load(&r->ended) ? NULL : take_asked(r);
	enum err e;

	if (a) {
		e = r->failed ? ERR_CLOSED : judge(r, signing_close(r));
		if (e == OK)
			e = judge(r, carry_out(r, a));
		if (e == OK)
			(void)judge(r, signing_sign(r));   /* tried again, and told, when it is due: the act is durable without */
		r->stripping = r->stripping || a->what == SEGMENT_ERASE;
		if (e == OK && a->what == SEGMENT_ERASE)
			r->erasing = a;
		else
			answer(r, a, e);
	}
	if (r->stripping && !r->failed && !atomic_load(&r->ended))
		strip(r);
}

/* What is nearly over is ended; of more the next start takes care. */
static void end_acts(struct record *r)
{
	serve(r);
	for (int i = 0; i < STEPS_AT_END && r->stripping && !r->failed; i++)
		strip(r);
	if (r->erasing)
		answer(r, r->erasing, ERR_CLOSED);
	r->erasing = NULL;
	atomic_store(&r->ended, true);
}

/* One at a time; the writer serves also when it has stopped, as long as its thread lives. */
static enum err ask(struct record *r, struct segment_asked *a)
{
	bool over = false;

	pthread_mutex_lock(&r->act_lock);
	while (r->asked && !(over = atomic_load(&r->ended)))
		thread_cond_wait_ms(&r->acted, &r->act_lock, LOOK_MS);
	if (!over) {
		r->asked = a;
		ring_wake(r->ring);
	}
	while (!a->done && !(over = atomic_load(&r->ended)))
		thread_cond_wait_ms(&r->acted, &r->act_lock, LOOK_MS);
	if (r->asked == a)
		r->asked = NULL;
	pthread_mutex_unlock(&r->act_lock);
	return a->done ? a->came : ERR_CLOSED;
}

enum err segment_hold(struct record *r, const struct segment_act *act, bool held)
{
	return ask(r, &(struct segment_asked){ .act = act, .what = held ? SEGMENT_HOLD : SEGMENT_RELEASE });
}

enum err segment_look(struct record *r, uint32_t id, struct segment *out, struct retention *kept)
{
	CLEANUP(txn_abort) struct txn *view = NULL;

	TRY(trail_view(r->trail, &view));
	TRY(view_segment(view, id, out));
	return keep_look(view, out, kept);
}

enum err segment_erase(struct record *r, const struct segment_act *act)
{
	return ask(r, &(struct segment_asked){ .act = act, .what = SEGMENT_ERASE });
}

/* ---- the writer: its thread ---- */

/* Nobody waits for the record: fewer, larger commits cost the disk, and the broker's core, less. */
static void gather(const struct record *r)
{
	if (ring_used(r->ring) && !atomic_load(&r->stop))
		(void)poll(NULL, 0, GATHER_MS);
}

/* What they are given was signed, and so is on disk; a cosignature is a commit of its own. One that finds no room is not
 * missed: the witness comes again. */
static enum err serve_witnesses(struct record *r)
{
	enum err e = OK;

	if (!r->failed && cosigners_waiting(r->cosigners))
		e = judge(r, cosigners_serve(r->cosigners, r->trail, clock_us(CLOCK_MONOTONIC)));
	return r->failed ? e : OK;
}

/* What waits, batch by batch, signing between them when it is time, and serving: there may be no end of what waits. `last`:
 * sign whatever the time. What was committed is signed also when the store takes no more. */
static enum err work(struct record *r, bool last)
{
	enum err e, signing = OK;

	if (r->failed)
		return ERR_IO;
	do {
		enum turn step;

		e = judge(r, next_step(r, last, &step));
		if (e == OK && (has_work(r) || step != TURN_NONE))
			e = judge(r, batch(r, step));
		if (!r->failed && signing_due_us(r) <= 0)
			signing = judge(r, signing_sign(r));
		if (signing == OK)
			signing = serve_witnesses(r);
		atomic_store(&r->alive_us, clock_us(CLOCK_MONOTONIC));
		tell_trouble(r, e == OK ? signing : e);
		serve(r);
		if (!last && ring_used(r->ring) < ring_bytes(r->ring) / 4)
			gather(r);
	} while (e == OK && signing == OK && !r->failed && has_work(r));
	if (last && !r->failed && signing == OK)
		signing = judge(r, signing_sign(r));
	if (e == OK)
		e = signing;
	tell_trouble(r, e);
	return r->failed ? ERR_IO : e;
}

static void wait_for_work(struct record *r)
{
	int64_t due_us = signing_due_us(r);

	if (due_us > IDLE_MS * 1000)
		due_us = IDLE_MS * 1000;
	if (turns_waiting(&r->turns) && due_us > MADE_MS * 1000)
		due_us = MADE_MS * 1000;
	if (due_us > 0)
		ring_sleep(r->ring, (int)(due_us / 1000) + 1);
	gather(r);
}

static void *writer(void *arg)
{
	struct record *r = arg;
	enum err e;

	while (!atomic_load(&r->stop) && !r->failed) {
		serve(r);
		e = work(r, false);
		if (e == OK && !r->stripping)
			wait_for_work(r);
		else if (e != OK && !r->failed)
			(void)poll(NULL, 0, RETRY_MS);
	}
	end_acts(r);
	return NULL;
}

static enum err start(struct record *r)
{
	TRY(thread_start(&r->thread, writer, r));
	r->running = true;
	return OK;
}

/* ---- opening ---- */

static void record_free(struct record **r)
{
	if (*r) {
		ring_close(&(*r)->ring);
		spill_close(&(*r)->spill);
		cosigners_close(&(*r)->cosigners);
		reads_close(&(*r)->reads);
		put_places(*r, NULL);
		fold_close(&(*r)->fold);
		sizes_close(&(*r)->sizes);
		turns_close(&(*r)->turns);
		trail_close(&(*r)->trail);
		pthread_mutex_destroy(&(*r)->note_lock);
		pthread_mutex_destroy(&(*r)->act_lock);
		pthread_cond_destroy(&(*r)->acted);
		crypt_wipe(*r, sizeof(**r));
	}
	free(*r);
	*r = NULL;
}

enum err record_open(const struct record_spec *spec, struct record **out)
{
	CLEANUP(record_free) struct record *r = calloc(1, sizeof(*r));
	enum err e;

	if (!r)
		return ERR_FULL;
	pthread_mutex_init(&r->note_lock, NULL);
	pthread_mutex_init(&r->act_lock, NULL);
	must(thread_cond_init(&r->acted) == OK);
	if (!span_text(span_str(spec->origin), r->origin, sizeof(r->origin)))
		return ERR_SYNTAX;
	if (!span_text(span_str(spec->path), r->path, sizeof(r->path)))
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		r->keep[i] = spec->keep[i] ? spec->keep[i] : KEEP_YEARS_DEFAULT;
	TRY(fold_open(&r->fold));
	TRY(record_places(r, spec->places));
	TRY(ring_open(spec->ring_bytes, &r->ring));
	TRY(cosigners_open(spec->witnesses_path ? spec->witnesses_path : "", spec->quorum, &r->cosigners));
	TRY(reads_open(spec->path, spec->root, &r->reads));
	e = record_resume(r, spec);
	if (spec->found)
		*spec->found = r->found ? r->found : "it is damaged";
	TRY(e);
	signing_begin(r, spec->sign_every_us);
	r->batch_bytes = BATCH_BYTES_MIN;
	if (spec->spill_path)
		TRY(spill_open(spec->spill_path, spec->spill_bytes, spec->root, audited_layout(), &r->spill));
	measure(r);
	atomic_store(&r->durable, trail_tree(r->trail)->size);
	atomic_store(&r->signed_upto, r->signed_size);
	atomic_store(&r->signed_at_us, clock_us(CLOCK_MONOTONIC));
	atomic_store(&r->alive_us, clock_us(CLOCK_MONOTONIC));
	TRY(start(r));
	*out = r;
	r = NULL;
	return OK;
}

/* What could not be written down waits in the spill for the next start: the life-critical, and how many others there were.
 * Nobody else touches the ring any more. */
static void save_rest(struct record *r)
{
	struct gap gap = r->gap;
	struct audited e;
	struct span raw;

	r->gap = (struct gap){ 0 };
	if (!r->spill || (ring_used(r->ring) == 0 && gap_is_none(&gap)))
		return;
	for (ring_rewind(r->ring); ring_peek(r->ring, &raw);) {
		audited_read(raw, &e);
		if (e.h.type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP) {
			gap_add(&gap, &e.gap);
			continue;
		}
		gap_hold(&gap, &e.h);
		if (record_class(&e.h) == RECORD_CRITICAL && spill_push(r->spill, &raw, 1))
			gap.aside += stands_for(&e.h);
		else
			gap.lost[record_class(&e.h)] += stands_for(&e.h);
	}
	ring_advance(r->ring);
	(void)audited_spill_gap(r->spill, &gap);   /* there is room kept for it; not for many in a row that nobody took */
}

void record_close(struct record **r)
{
	if (*r && (*r)->running) {
		atomic_store(&(*r)->stop, true);
		ring_wake((*r)->ring);
		pthread_join((*r)->thread, NULL);
		/* Now this thread is the writer: first what waits makes room, then a last gap can be told. */
		if (!(*r)->failed)
			(void)work(*r, false);
		record_tick(*r);
		if (!(*r)->failed)
			(void)work(*r, true);
		save_rest(*r);
	}
	record_free(r);
}

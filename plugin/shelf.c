#include "shelf.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "store.h"
#include "thread.h"
#include "vault.h"
#include "words.h"

#define GATHER_US 1000          /* receipts leave at the broker's next tick anyway: gather a batch */
#define RETRY_MS 1000
#define VALUE_MAX 262144

#define SWEEP_MS 60000              /* between two rounds */
#define SWEEP_ON_MS 100             /* between two steps of one */
#define SHED_ROWS 256           /* of the past, when room is short */
#define ROUNDS_MAX 8            /* of shedding, for one commit */
#define DEFERRED_MAX 64         /* commits that a look waits for */
#define OWED_BY 256
#define DAY_US (24 * 3600 * INT64_C(1000000))
#define AHEAD_US (3600 * INT64_C(1000000))      /* a clock that was set ahead by more is not believed at once */

enum { TABLE_KEPT, TABLE_PAST, TABLE_PAST_IDS, TABLE_PAST_KEYS };
static const char *const tables[] = { "kept", "past", "past_ids", "past_keys", NULL };
#define VERSION 2               /* 1: what can be read back had no keys of its own */

enum job_kind { JOB_PUT, JOB_DEL, JOB_AGAIN, JOB_PAST };

struct job {
	struct job *next;
	enum job_kind kind;
	bool sealed;
	bool unsealed;              /* PAST: there is no key for it, so it is lost */
	enum past_class class;
	uint64_t number;            /* PAST: when it came, µs */
	struct id id;
	char receipt[TOPIC_BYTES_MAX + 1];
	size_t n;
	uint8_t value[];            /* of a put: in clear, then sealed; there is room for that */
};

struct jobs {
	struct job *head, **tail;
};

struct shelf {
	struct store *store;
	struct vault vault;
	uint64_t damaged;
	struct jobs owed[OWED_BY];  /* the caller's thread: taken from `done`, by a hash of the topic */
	unsigned owing;             /* none before it */
	uint64_t hash_key[2];       /* devices choose what they are called */
	struct jobs held;           /* the writer's: puts that wait for room */
	struct past past;           /* the writer's, but for what is kept, which is under the lock */
	struct past_keys *keys;     /* the same */
	struct past_keep keep;
	bool told;                  /* ...how long: until then nothing is swept out */
	int64_t swept_ms;
	int64_t offset_us, ahead_us;    /* of the clock that is believed, and since when it is another (0: it is not); monotonic */
	struct jobs todo, done;     /* under the lock */
	struct jobs noted;          /* the same: for reading back */
	unsigned deferred;
	struct shelf_look *asked, **last_asked, *looked, **last_looked;
	size_t past_waiting;        /* bytes */
	uint64_t past_lost;
	_Atomic uint64_t past_yielded;
	struct {
		bool asked;
		char place[TOPIC_BYTES_MAX + 1];
		uint64_t keys;
		enum err err;
	} erase;
	bool stop, running;
	_Atomic int trouble;
	atomic_bool any_done;       /* there is something in `done`: a look without the lock */
	atomic_bool any_looked;
	pthread_mutex_t lock;
	pthread_cond_t more, erased;
	pthread_t thread;
};

/* ---- lists of jobs ---- */

static void jobs_init(struct jobs *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void jobs_add(struct jobs *q, struct job *j)
{
	j->next = NULL;
	*q->tail = j;
	q->tail = &j->next;
}

static struct job *jobs_take(struct jobs *q)
{
	struct job *j = q->head;

	if (!j)
		return NULL;
	q->head = j->next;
	if (!q->head)
		q->tail = &q->head;
	return j;
}

static void jobs_move(struct jobs *from, struct jobs *to)
{
	if (!from->head)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	jobs_init(from);
}

static void jobs_clear(struct jobs *q)
{
	for (struct job *j; (j = jobs_take(q));)
		free(j);
}

/* Takes the first of that number (or, with number 0, of that id) out. */
static struct job *jobs_pick(struct jobs *q, uint64_t number, const struct id *id)
{
	for (struct job **at = &q->head, *j; (j = *at); at = &j->next) {
		if (number ? j->number != number : memcmp(j->id.b, id->b, ID_BYTES) != 0)
			continue;
		*at = j->next;
		if (!j->next)
			q->tail = at;
		return j;
	}
	return NULL;
}

/* ---- the past, by the writer ---- */

/* The wall clock, for retention: what that destroys is gone for good. One that was set ahead, or at the start is a month ahead of
 * the newest row, is believed when it has stood for a day. */
static int64_t believed_us(struct shelf *s)
{
	int64_t mono = clock_us(CLOCK_MONOTONIC), offset = clock_us(CLOCK_REALTIME) - mono;

	if (offset <= s->offset_us + AHEAD_US || (s->ahead_us && mono - s->ahead_us >= DAY_US)) {
		s->offset_us = offset;
		s->ahead_us = 0;
	} else if (!s->ahead_us) {
		s->ahead_us = mono;
	}
	return mono + s->offset_us;
}

static void believe_at_first(struct shelf *s)
{
	int64_t mono = clock_us(CLOCK_MONOTONIC), now = clock_us(CLOCK_REALTIME), last = (int64_t)s->past.last;

	s->offset_us = (last && now - last > 30 * DAY_US ? last : now) - mono;
}

/* The oldest yield to what must be kept. False: there are none, or the disk refuses. */
static bool shed(struct shelf *s)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	unsigned gone = 0;
	bool done = txn_begin_write(s->store, &t) == OK && past_shed(&s->past, t, SHED_ROWS, &gone) == OK && gone > 0 &&
		    txn_commit(&t) == OK;

	past_settle(&s->past, done);
	atomic_fetch_add(&s->past_yielded, done ? gone : 0);
	return done;
}

/* Bytes of it that may be written in one commit, so that deletions and what must be kept never run out of room: its
 * oldest rows yield from where an eighth of the file is free. */
static size_t past_room(struct shelf *s, bool *none)
{
	struct store_room r = { 0 };
	size_t least;

	*none = false;
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		if (store_room(s->store, &r) != OK)
			return 0;
		least = r.all / 8;
		if (r.free > least + r.all / 32)
			return (r.free - least) * r.page_bytes / 2;
		*none = !shed(s);
		if (*none)
			break;
	}
	return 0;
}

static void past_done(struct shelf *s, struct job *j, bool lost)
{
	s->past_waiting -= j->n;
	s->past_lost += lost;
	free(j);
}

/* The lock is held before and after, not meanwhile. What there is room for goes to `now`; what never fits is lost. */
static void take_noted(struct shelf *s, struct jobs *now)
{
	bool none;
	size_t room;

	pthread_mutex_unlock(&s->lock);
	room = past_room(s, &none);
	pthread_mutex_lock(&s->lock);
	while (s->noted.head && (s->noted.head->n < room || none)) {
		struct job *j = jobs_take(&s->noted);

		if (j->n < room) {
			room -= j->n;
			jobs_add(now, j);
		} else {
			past_done(s, j, true);
		}
	}
}

/* New keys are on the disk before what they seal is. */
static enum err commit(struct shelf *s, struct txn **t)
{
	TRY(past_keys_flush(s->keys));
	return txn_commit(t);
}

static enum err sweep_some(struct shelf *s, unsigned *changed)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(s->store, &t));
	TRY(past_sweep(&s->past, t, believed_us(s), changed));
	return *changed ? commit(s, &t) : OK;
}

static void sweep(struct shelf *s)
{
	const struct past was = s->past;
	unsigned changed = 0;

	s->swept_ms = clock_ms(CLOCK_MONOTONIC);
	if (sweep_some(s, &changed) == OK) {
		past_settle(&s->past, true);
		(void)!past_keys_destroy(s->keys);      /* tried again with the next, as what fails here */
		return;
	}
	s->past = was;
	past_settle(&s->past, false);
	past_keys_undo(s->keys);
}

/* Marks some of a place's keys, and overwrites them. */
static enum err erase_some(struct shelf *s, struct span place, unsigned *n)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(s->store, &t));
	TRY(past_keys_end(s->keys, t, place, n));
	TRY(txn_commit(&t));
	return past_keys_destroy(s->keys);
}

static enum err erase(struct shelf *s, struct span place, uint64_t *keys)
{
	unsigned n = 1;
	enum err e = s->past.anew ? ERR_BUSY : OK;

	for (*keys = 0; e == OK && n; *keys += n)
		e = erase_some(s, place, &n);
	if (e != OK)
		past_keys_undo(s->keys);
	s->past.swept = 0;              /* so that the rows go soon, too */
	s->swept_ms = 0;
	return e;
}

static void look(struct shelf *s, struct shelf_look *l)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	l->bytes = malloc(READBACK_PAGE_MAX);
	l->err = l->bytes ? txn_begin_read(s->store, &t) : ERR_FULL;
	if (l->err == OK)
		l->err = past_look(&s->past, t, &l->want, believed_us(s), l->bytes, &l->page);
}

/* ---- the writer ---- */

/* What can be done now goes to `now`; without room, puts are held, and what concerns a held one is settled with it. */
static void sift(struct shelf *s, struct jobs *from, bool room, struct jobs *now)
{
	struct job *held;

	for (struct job *j; (j = jobs_take(from));) {
		held = j->kind == JOB_PUT ? NULL : jobs_pick(&s->held, j->kind == JOB_DEL ? j->number : 0, &j->id);
		if (j->kind == JOB_PUT) {
			jobs_add(room ? now : &s->held, j);
		} else if (!held) {
			jobs_add(now, j);
		} else if (j->kind == JOB_DEL) {
			free(held);
			free(j);
		} else {
			jobs_add(&s->held, held);   /* its own receipt will do */
			free(j);
		}
	}
}

/* Sealed once, however often the disk refuses. */
static enum err seal(struct shelf *s, struct job *j)
{
	struct key64 k = key64(j->number);
	CLEANUP(free_cleanup) uint8_t *sealed = malloc(j->n + VAULT_EXTRA);

	if (!sealed)
		return ERR_FULL;
	TRY(vault_seal(&s->vault, key64_span(&k), span(j->value, j->n), sealed));
	j->n += VAULT_EXTRA;
	memcpy(j->value, sealed, j->n);
	j->sealed = true;
	return OK;
}

static enum err write_one(struct shelf *s, struct txn *t, struct job *j)
{
	struct key64 k = key64(j->number);
	enum err e;

	if (j->kind == JOB_AGAIN)
		return OK;
	if (j->kind == JOB_PAST) {
		e = past_put(&s->past, t, j->class, &j->id, j->number, span(j->value, j->n));
		j->unsealed = e == ERR_KEY;
		return j->unsealed ? OK : e;
	}
	if (j->kind == JOB_DEL) {
		e = txn_del(t, TABLE_KEPT, key64_span(&k));
		return e == ERR_NOT_FOUND ? OK : e;
	}
	if (!j->sealed)
		TRY(seal(s, j));
	return txn_put(t, TABLE_KEPT, key64_span(&k), span(j->value, j->n));
}

static enum err write_jobs(struct shelf *s, struct txn *t, const struct jobs *jobs)
{
	for (struct job *j = jobs ? jobs->head : NULL; j; j = j->next)
		TRY(write_one(s, t, j));
	return OK;
}

static enum err write_all(struct shelf *s, const struct jobs *now, const struct jobs *noted)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint64_t last = s->past.last;
	enum err e = OK;

	if (!now->head && !(noted && noted->head))
		return OK;
	TRY(txn_begin_write(s->store, &t));
	e = write_jobs(s, t, now);
	if (e == OK)
		e = write_jobs(s, t, noted);
	if (e == OK)
		e = commit(s, &t);
	past_settle(&s->past, e == OK);
	if (e != OK) {
		s->past.last = last;
		past_keys_undo(s->keys);
	}
	return e;
}

/* LMDB gives out the pages that a commit freed from the second after it on. One that leaves everything as it was brings that
 * nearer, where what is held would have to wait for somebody else's. */
static enum err turn_pages(struct shelf *s)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(s->store, &t));
	TRY(txn_put(t, TABLE_PAST_IDS, SPAN_LIT("turn"), SPAN_LIT("")));
	TRY(txn_del(t, TABLE_PAST_IDS, SPAN_LIT("turn")));
	return txn_commit(&t);
}

/* The lock is held. What was written is owed a receipt; what was not comes first the next time. */
static void settle(struct shelf *s, struct jobs *now, enum err e)
{
	struct job *j;

	if (e != OK) {
		jobs_move(&s->todo, now);
		jobs_move(now, &s->todo);
		return;
	}
	while ((j = jobs_take(now))) {
		if (j->kind == JOB_DEL)
			free(j);
		else
			jobs_add(&s->done, j);
	}
	atomic_store(&s->any_done, s->done.head);
}

/* The same. What can be read back is second: in trouble it is tried without. */
static void settle_noted(struct shelf *s, struct jobs *noted, enum err e)
{
	if (e != OK) {
		jobs_move(&s->noted, noted);
		jobs_move(noted, &s->noted);
	}
	for (struct job *j; (j = jobs_take(noted));)
		past_done(s, j, j->unsealed);
}

/* One commit. The lock is held before and after, not meanwhile. */
static enum err work(struct shelf *s)
{
	struct jobs batch, now, noted;
	enum err e, noted_as;
	bool room;

	jobs_init(&batch);
	jobs_init(&now);
	jobs_init(&noted);
	if (s->noted.head)
		take_noted(s, &noted);
	jobs_move(&s->todo, &batch);
	pthread_mutex_unlock(&s->lock);
	room = !store_tight(s->store);
	if (room)
		jobs_move(&s->held, &now);
	sift(s, &batch, room, &now);
	noted_as = e = write_all(s, &now, &noted);
	if (e != OK && noted.head && now.head)
		e = write_all(s, &now, NULL);
	if (e == ERR_FULL && room) {   /* more than the reserve: the deletions alone */
		jobs_move(&now, &batch);
		sift(s, &batch, false, &now);
		e = now.head ? write_all(s, &now, NULL) : turn_pages(s);
	}
	atomic_store(&s->trouble, (int)(e == OK && s->held.head ? ERR_FULL : e));
	usleep(GATHER_US);
	pthread_mutex_lock(&s->lock);
	settle(s, &now, e);
	settle_noted(s, &noted, noted_as);
	return e;
}

/* The lock is held before and after, not meanwhile. */
static void look_up(struct shelf *s)
{
	struct shelf_look *l = s->asked;

	s->deferred = 0;
	s->asked = l->next;
	if (!s->asked)
		s->last_asked = &s->asked;
	pthread_mutex_unlock(&s->lock);
	look(s, l);
	pthread_mutex_lock(&s->lock);
	l->next = NULL;
	*s->last_looked = l;
	s->last_looked = &l->next;
	atomic_store(&s->any_looked, true);
}

/* The same. */
static void sweep_now(struct shelf *s)
{
	s->past.keep = s->keep;
	pthread_mutex_unlock(&s->lock);
	sweep(s);
	pthread_mutex_lock(&s->lock);
}

/* The lock is held. What was said there and is not written yet is not to be. */
static void drop_noted(struct shelf *s, struct span place)
{
	struct jobs all = s->noted;

	if (!all.head)
		return;
	jobs_init(&s->noted);
	for (struct job *j; (j = jobs_take(&all));)
		if (span_eq(past_place(span(j->value + 1, j->value[0])), place))
			past_done(s, j, false);
		else
			jobs_add(&s->noted, j);
}

/* The lock is held before and after, not meanwhile. */
static void erase_now(struct shelf *s)
{
	struct span place = span_str(s->erase.place);
	uint64_t keys;
	enum err e;

	drop_noted(s, place);
	pthread_mutex_unlock(&s->lock);
	e = erase(s, place, &keys);
	pthread_mutex_lock(&s->lock);
	s->erase.keys = keys;
	s->erase.err = e;
	s->erase.asked = false;
	pthread_cond_broadcast(&s->erased);
}

/* In the middle of a round it soon goes on. */
static int sweep_ms(const struct shelf *s) { return s->past.swept ? SWEEP_ON_MS : SWEEP_MS; }

static bool is_sweep_due(const struct shelf *s)
{
	return s->told && clock_ms(CLOCK_MONOTONIC) - s->swept_ms >= sweep_ms(s);
}

static bool has_work(const struct shelf *s) { return s->todo.head || s->noted.head; }

static void *writer(void *arg)
{
	struct shelf *s = arg;
	int64_t retry_us = 0;
	enum err e = OK;

	pthread_mutex_lock(&s->lock);
	while (!s->stop || (has_work(s) && e == OK)) {
		bool asked = s->asked, failing = e != OK || s->held.head;

		s->past.keep = s->keep;
		if (s->erase.asked)
			erase_now(s);
		/* Readers do not hold up the next try, on which receipts wait. */
		if ((has_work(s) && e == OK) || (failing && clock_us(CLOCK_MONOTONIC) >= retry_us)) {
			e = work(s);
			retry_us = clock_us(CLOCK_MONOTONIC) + RETRY_MS * 1000;
			failing = e != OK || s->held.head;
		}
		/* It is to see what was put before it, but not to wait for ever on a disk that is too slow. */
		if (asked && (!s->noted.head || e != OK || ++s->deferred > DEFERRED_MAX))
			look_up(s);
		else if (failing && !s->erase.asked)
			thread_cond_wait_ms(&s->more, &s->lock, RETRY_MS);
		else if (is_sweep_due(s))
			sweep_now(s);
		else if (!has_work(s) && !s->asked && !s->erase.asked && !s->stop)
			thread_cond_wait_ms(&s->more, &s->lock, sweep_ms(s));
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the caller's thread ---- */

static struct job *job_new(enum job_kind kind, uint64_t number, const struct id *id, const char *receipt, size_t room)
{
	struct job *j = malloc(sizeof(*j) + room);

	if (!j)
		return NULL;
	*j = (struct job){ .kind = kind, .number = number };
	if (id)
		j->id = *id;
	must(span_text(span_str(receipt), j->receipt, sizeof(j->receipt)));
	return j;
}

static void hand_over(struct shelf *s, struct job *j)
{
	pthread_mutex_lock(&s->lock);
	jobs_add(&s->todo, j);
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

enum err shelf_put(struct shelf *s, uint64_t number, const struct id *id, const char *receipt, struct span value)
{
	struct job *j = value.n <= VALUE_MAX ? job_new(JOB_PUT, number, id, receipt, value.n + VAULT_EXTRA) : NULL;

	if (!j)
		return ERR_FULL;
	j->n = value.n;
	memcpy(j->value, value.p, value.n);
	hand_over(s, j);
	return OK;
}

enum err shelf_again(struct shelf *s, const struct id *id, const char *receipt)
{
	struct job *j = job_new(JOB_AGAIN, 0, id, receipt, 0);

	if (!j)
		return ERR_FULL;
	hand_over(s, j);
	return OK;
}

void shelf_del(struct shelf *s, uint64_t number)
{
	struct job *j = job_new(JOB_DEL, number, NULL, "", 0);

	if (j)
		hand_over(s, j);
}

void shelf_past_keep(struct shelf *s, const struct past_keep *k)
{
	pthread_mutex_lock(&s->lock);
	s->keep = *k;
	s->told = true;
	pthread_mutex_unlock(&s->lock);
}

/* More than the disk takes are not kept: they are not to fill the memory, nor to hold up receipts. */
static bool hand_over_past(struct shelf *s, struct job *j)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = s->past_waiting + j->n <= SHELF_PAST_WAITING;
	s->past_lost += !room;
	if (room) {
		s->past_waiting += j->n;
		jobs_add(&s->noted, j);
		pthread_cond_signal(&s->more);
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

enum err shelf_past_put(struct shelf *s, enum past_class class, const struct id *id, uint64_t at_us, struct span topic,
			struct span payload)
{
	size_t n = 1 + topic.n + payload.n;
	struct job *j;
	struct put b;

	if (payload.n > READBACK_PAYLOAD_MAX)
		return ERR_TOO_LARGE;
	j = job_new(JOB_PAST, at_us, id, "", n);
	if (!j)
		return ERR_FULL;
	b = put(j->value, n);
	put_u8(&b, (uint8_t)topic.n);
	put_bytes(&b, topic);
	put_bytes(&b, payload);
	j->class = class;
	j->n = b.n;
	if (hand_over_past(s, j))
		return OK;
	free(j);
	return ERR_BUSY;
}

uint64_t shelf_past_lost(struct shelf *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	n = s->past_lost;
	pthread_mutex_unlock(&s->lock);
	return n;
}

uint64_t shelf_past_yielded(const struct shelf *s) { return atomic_load(&s->past_yielded); }
uint64_t shelf_keys_refused(const struct shelf *s) { return past_keys_refused(s->keys); }

enum err shelf_erase(struct shelf *s, struct span place, uint64_t *keys)
{
	enum err e = ERR_CLOSED;

	*keys = 0;
	pthread_mutex_lock(&s->lock);
	while (s->erase.asked && !s->stop)
		pthread_cond_wait(&s->erased, &s->lock);
	if (!s->stop) {
		must(span_text(place, s->erase.place, sizeof(s->erase.place)));
		s->erase.asked = true;
		pthread_cond_signal(&s->more);
		while (s->erase.asked)
			pthread_cond_wait(&s->erased, &s->lock);
		*keys = s->erase.keys;
		e = s->erase.err;
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

void shelf_look(struct shelf *s, struct shelf_look *l)
{
	l->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->last_asked = l;
	s->last_asked = &l->next;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
}

struct shelf_look *shelf_looked(struct shelf *s)
{
	struct shelf_look *l;

	if (!atomic_load(&s->any_looked))
		return NULL;
	pthread_mutex_lock(&s->lock);
	l = s->looked;
	s->looked = l->next;
	if (!s->looked)
		s->last_looked = &s->looked;
	atomic_store(&s->any_looked, s->looked != NULL);
	pthread_mutex_unlock(&s->lock);
	return l;
}

void shelf_look_free(struct shelf_look **l)
{
	if (*l) {
		free((*l)->bytes);
		free((*l)->ctx);
	}
	free(*l);
	*l = NULL;
}

static void looks_clear(struct shelf_look *first)
{
	for (struct shelf_look *next; first; first = next) {
		next = first->next;
		shelf_look_free(&first);
	}
}

/* Thousands of devices may be owed one each, and none is to be looked for among all others'. */
static struct jobs *owed_to(struct shelf *s, const char *receipt)
{
	return &s->owed[words_hash(s->hash_key, span_str(receipt)) % OWED_BY];
}

static void take_owed(struct shelf *s)
{
	struct jobs done;

	jobs_init(&done);
	pthread_mutex_lock(&s->lock);
	jobs_move(&s->done, &done);
	atomic_store(&s->any_done, false);
	pthread_mutex_unlock(&s->lock);
	for (struct job *j; (j = jobs_take(&done));)
		jobs_add(owed_to(s, j->receipt), j);
	s->owing = 0;
}

size_t shelf_owed(struct shelf *s, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most)
{
	struct jobs all, *from;
	size_t n = 0;

	if (s->owing == OWED_BY && atomic_load(&s->any_done))
		take_owed(s);
	while (s->owing < OWED_BY && !s->owed[s->owing].head)
		s->owing++;
	if (s->owing == OWED_BY)
		return 0;
	from = &s->owed[s->owing];
	strcpy(topic, from->head->receipt);
	jobs_init(&all);
	jobs_move(from, &all);
	for (struct job *j; n < most && (j = jobs_take(&all));) {
		if (strcmp(j->receipt, topic) != 0) {
			jobs_add(from, j);
			continue;
		}
		id[n++] = j->id;
		free(j);
	}
	jobs_move(&all, from);
	return n;
}

enum err shelf_trouble(const struct shelf *s) { return (enum err)atomic_load(&s->trouble); }
uint64_t shelf_damaged(const struct shelf *s) { return s->damaged; }

/* ---- opening ---- */

struct reading {
	struct shelf *s;
	bool (*visit)(void *ctx, uint64_t number, struct span value);
	void *ctx;
	uint8_t plain[VALUE_MAX];
	uint64_t good;
};

static bool read_row(struct reading *r, struct span key, struct span sealed)
{
	if (sealed.n < VAULT_EXTRA || sealed.n - VAULT_EXTRA > sizeof(r->plain) ||
	    vault_open(&r->s->vault, key, sealed, r->plain) != OK) {
		r->s->damaged++;
		return true;   /* kept, for whoever can still read it */
	}
	r->good++;
	return r->visit(r->ctx, key64_value(key), span(r->plain, sealed.n - VAULT_EXTRA));
}

static enum err read_all(struct reading *r, const char *path, const uint8_t root[32])
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span at = { NULL, 0 }, value;
	struct key64 key;
	enum err e;

	TRY(txn_begin_write(r->s->store, &t));
	while ((e = txn_after(t, TABLE_KEPT, at, &at, &value)) == OK) {
		key = key64(key64_value(at));   /* a copy: the row may go */
		at = key64_span(&key);
		if (!read_row(r, at, value))
			TRY(txn_del(t, TABLE_KEPT, at));
	}
	if (e != ERR_NOT_FOUND)
		return e;
	if (r->s->damaged && !r->good)
		return ERR_KEY;
	TRY(past_open(&r->s->past, t));
	believe_at_first(r->s);
	TRY(past_keys_open(path, root, TABLE_PAST_KEYS, t, &r->s->keys));
	r->s->past.keys = r->s->keys;
	return txn_commit(&t);
}

enum err shelf_probe(const char *path, size_t map_bytes)
{
	return store_check(path, map_bytes);
}

enum err shelf_keep_aside(const char *path, char *kept, size_t cap)
{
	return file_keep_aside(path, (const char *const[]){ "-keys", STORE_LOCK, NULL }, kept, cap);
}

enum err shelf_open(const char *path, const uint8_t root[32], size_t map_bytes,
		    bool (*visit)(void *ctx, uint64_t number, struct span value), void *ctx, struct shelf **out)
{
	const struct store_spec spec = { .kind = "history", .version = VERSION, .map_bytes = map_bytes, .table = tables };
	CLEANUP(shelf_close) struct shelf *s = calloc(1, sizeof(*s));
	CLEANUP(free_cleanup) struct reading *r = calloc(1, sizeof(*r));

	if (!s || !r)
		return ERR_FULL;
	jobs_init(&s->held);
	jobs_init(&s->todo);
	jobs_init(&s->done);
	jobs_init(&s->noted);
	for (unsigned i = 0; i < OWED_BY; i++)
		jobs_init(&s->owed[i]);
	s->owing = OWED_BY;
	crypt_random(s->hash_key, sizeof(s->hash_key));
	s->last_asked = &s->asked;
	s->last_looked = &s->looked;
	s->past = (struct past){ .before = &s->vault, .table = TABLE_PAST, .ids_table = TABLE_PAST_IDS };
	pthread_mutex_init(&s->lock, NULL);
	TRY(thread_cond_init(&s->more));
	pthread_cond_init(&s->erased, NULL);
	vault_init(&s->vault, root, "history");
	TRY(store_open(path, &spec, &s->store));
	r->s = s;
	r->visit = visit;
	r->ctx = ctx;
	TRY(read_all(r, path, root));
	TRY(thread_start(&s->thread, writer, s));
	s->running = true;
	*out = s;
	s = NULL;
	return OK;
}

void shelf_close(struct shelf **sp)
{
	struct shelf *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	if (s->running) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_signal(&s->more);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}
	jobs_clear(&s->held);
	jobs_clear(&s->todo);
	jobs_clear(&s->done);
	jobs_clear(&s->noted);
	looks_clear(s->asked);
	looks_clear(s->looked);
	for (unsigned i = 0; i < OWED_BY; i++)
		jobs_clear(&s->owed[i]);
	past_close(&s->past);
	past_keys_close(&s->keys);
	store_close(&s->store);
	vault_clear(&s->vault);
	pthread_cond_destroy(&s->more);
	pthread_cond_destroy(&s->erased);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

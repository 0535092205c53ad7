#include "shelf.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "store.h"
#include "thread.h"
#include "vault.h"

#define GATHER_US 1000          /* receipts leave at the broker's next tick anyway: gather a batch */
#define RETRY_MS 1000
#define VALUE_MAX 262144

enum { TABLE_KEPT };
static const char *const tables[] = { "kept", NULL };

enum job_kind { JOB_PUT, JOB_DEL, JOB_AGAIN };

struct job {
	struct job *next;
	enum job_kind kind;
	bool sealed;
	uint64_t number;
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
	struct job *owed;           /* the caller's thread: taken from `done` */
	struct jobs held;           /* the writer's: puts that wait for room */
	struct jobs todo, done;     /* under the lock */
	bool stop, running;
	_Atomic int trouble;
	atomic_bool any_done;       /* there is something in `done`: a look without the lock */
	pthread_mutex_t lock;
	pthread_cond_t more;
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
	if (j->kind == JOB_DEL) {
		e = txn_del(t, TABLE_KEPT, key64_span(&k));
		return e == ERR_NOT_FOUND ? OK : e;
	}
	if (!j->sealed)
		TRY(seal(s, j));
	return txn_put(t, TABLE_KEPT, key64_span(&k), span(j->value, j->n));
}

static enum err write_all(struct shelf *s, const struct jobs *now)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (!now->head)
		return OK;
	TRY(txn_begin_write(s->store, &t));
	for (struct job *j = now->head; j; j = j->next)
		TRY(write_one(s, t, j));
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

/* One commit. The lock is held before and after, not meanwhile. */
static enum err work(struct shelf *s)
{
	struct jobs batch, now;
	bool room;
	enum err e;

	jobs_init(&batch);
	jobs_init(&now);
	jobs_move(&s->todo, &batch);
	pthread_mutex_unlock(&s->lock);
	room = !store_tight(s->store);
	if (room)
		jobs_move(&s->held, &now);
	sift(s, &batch, room, &now);
	e = write_all(s, &now);
	if (e == ERR_FULL && room) {   /* more than the reserve: the deletions alone */
		jobs_move(&now, &batch);
		sift(s, &batch, false, &now);
		e = write_all(s, &now);
	}
	atomic_store(&s->trouble, (int)(e == OK && s->held.head ? ERR_FULL : e));
	usleep(GATHER_US);
	pthread_mutex_lock(&s->lock);
	settle(s, &now, e);
	return e;
}

static void *writer(void *arg)
{
	struct shelf *s = arg;
	enum err e = OK;

	pthread_mutex_lock(&s->lock);
	while (!s->stop || (s->todo.head && e == OK)) {
		if (s->todo.head && e == OK)
			e = work(s);
		else if (e != OK || s->held.head) {
			thread_cond_wait_ms(&s->more, &s->lock, RETRY_MS);
			e = work(s);
		} else
			pthread_cond_wait(&s->more, &s->lock);
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

size_t shelf_owed(struct shelf *s, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most)
{
	size_t n = 0;

	if (!s->owed && atomic_load(&s->any_done)) {
		pthread_mutex_lock(&s->lock);
		s->owed = s->done.head;
		jobs_init(&s->done);
		atomic_store(&s->any_done, false);
		pthread_mutex_unlock(&s->lock);
	}
	if (!s->owed)
		return 0;
	strcpy(topic, s->owed->receipt);
	for (struct job **at = &s->owed, *j; (j = *at) && n < most;) {
		if (strcmp(j->receipt, topic) != 0) {
			at = &j->next;
			continue;
		}
		id[n++] = j->id;
		*at = j->next;
		free(j);
	}
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

static enum err read_all(struct reading *r)
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
	return txn_commit(&t);
}

enum err shelf_open(const char *path, const uint8_t root[32], size_t map_bytes,
		    bool (*visit)(void *ctx, uint64_t number, struct span value), void *ctx, struct shelf **out)
{
	const struct store_spec spec = { .kind = "history", .version = 1, .map_bytes = map_bytes, .table = tables };
	CLEANUP(shelf_close) struct shelf *s = calloc(1, sizeof(*s));
	CLEANUP(free_cleanup) struct reading *r = calloc(1, sizeof(*r));

	if (!s || !r)
		return ERR_FULL;
	jobs_init(&s->held);
	jobs_init(&s->todo);
	jobs_init(&s->done);
	pthread_mutex_init(&s->lock, NULL);
	TRY(thread_cond_init(&s->more));
	vault_init(&s->vault, root, "history");
	TRY(store_open(path, &spec, &s->store));
	r->s = s;
	r->visit = visit;
	r->ctx = ctx;
	TRY(read_all(r));
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
	for (struct job *j = s->owed, *next; j; j = next) {
		next = j->next;
		free(j);
	}
	store_close(&s->store);
	vault_clear(&s->vault);
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

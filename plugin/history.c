#include "history.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "cur.h"
#include "envelope.h"
#include "store.h"
#include "vault.h"

enum { TABLE_KEPT };
static const char *const tables[] = { "kept", NULL };

/* A write the thread has to do: put an alert, or delete one. Afterwards it comes back as a receipt, or is freed. */
struct job {
	struct job *next;
	bool put, sealed;
	uint64_t number;
	struct id id;
	char receipt[TOPIC_BYTES_MAX + 1];
	size_t n;
	uint8_t value[];            /* until u64 | key 16 | topic length u8 | topic | payload; plain, then sealed */
};

struct jobs {
	struct job *head, **tail;
};

#define BUCKETS 4096            /* of the tables by id and by key */
#define CLOSED_IDS 4096
#define GATHER_US 1000          /* receipts leave at the next tick anyway: gather a batch */

struct history {
	struct store *store;
	struct vault vault;
	struct kept *first, *last;
	struct kept *by_id[BUCKETS], *by_key[BUCKETS];
	struct id closed[CLOSED_IDS];   /* answered lately, by hash: a late duplicate does not open them again */
	uint64_t hash_key;              /* ids and keys are chosen by senders */
	size_t open;
	uint64_t number;
	struct job *owed;           /* broker's thread: taken from `done` */
	struct jobs todo, done;     /* under the lock */
	bool stop, running;
	_Atomic int trouble;        /* the writer's, read by anybody: the broker's log is for its own thread */
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t thread;
};

static void jobs_add(struct jobs *q, struct job *j)
{
	j->next = NULL;
	*q->tail = j;
	q->tail = &j->next;
}

static struct job *jobs_all(struct jobs *q)
{
	struct job *all = q->head;

	q->head = NULL;
	q->tail = &q->head;
	return all;
}

static void jobs_free(struct job *j)
{
	for (struct job *next; j; j = next) {
		next = j->next;
		free(j);
	}
}

/* ---- the thread ---- */

/* Each job is sealed once, however often the disk refuses: `value` has room for it. */
static enum err write_job(struct history *h, struct txn *t, struct job *j)
{
	struct key64 k = key64(j->number);
	uint8_t *sealed;
	enum err e;

	if (!j->put) {
		e = txn_del(t, TABLE_KEPT, key64_span(&k));
		return e == ERR_NOT_FOUND ? OK : e;
	}
	if (!j->sealed) {
		sealed = malloc(j->n + VAULT_EXTRA);
		if (!sealed)
			return ERR_FULL;
		e = vault_seal(&h->vault, key64_span(&k), span(j->value, j->n), sealed);
		if (e == OK) {
			memcpy(j->value, sealed, j->n + VAULT_EXTRA);
			j->n += VAULT_EXTRA;
			j->sealed = true;
		}
		free(sealed);
		TRY(e);
	}
	return txn_put(t, TABLE_KEPT, key64_span(&k), span(j->value, j->n));
}

static enum err write_jobs(struct history *h, struct job *all)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	bool puts = false;

	for (struct job *j = all; j; j = j->next)
		puts = puts || (j->put && j->n);
	if (puts && store_tight(h->store))
		return ERR_FULL;
	TRY(txn_begin_write(h->store, &t));
	for (struct job *j = all; j; j = j->next)
		if (!j->put || j->n)
			TRY(write_job(h, t, j));
	return txn_commit(&t);
}

static void wait_1s(struct history *h)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_cond_timedwait(&h->more, &h->lock, &until);
}

/* Puts that were written become receipts; what the disk refuses is tried again, in order, once a second. */
static void *writer(void *arg)
{
	struct history *h = arg;
	struct job *batch, *j;
	enum err e;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while (!h->todo.head && !h->stop)
			pthread_cond_wait(&h->more, &h->lock);
		batch = jobs_all(&h->todo);
		if (!batch)
			break;
		pthread_mutex_unlock(&h->lock);
		e = write_jobs(h, batch);
		usleep(GATHER_US);
		atomic_store(&h->trouble, (int)e);
		pthread_mutex_lock(&h->lock);
		if (e != OK) {
			for (j = batch; j->next; j = j->next)
				;
			j->next = h->todo.head;
			if (!j->next)
				h->todo.tail = &j->next;
			h->todo.head = batch;
			if (h->stop)
				break;
			wait_1s(h);
			continue;
		}
		for (struct job *next; batch; batch = next) {
			next = batch->next;
			if (batch->put && batch->receipt[0])
				jobs_add(&h->done, batch);
			else
				free(batch);
		}
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* ---- the broker's thread ---- */

static void hand_over(struct history *h, struct job *j)
{
	pthread_mutex_lock(&h->lock);
	jobs_add(&h->todo, j);
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
}

/* FNV-1a, started where no sender knows. */
static uint64_t hash16(const struct history *h, const uint8_t b[ID_BYTES])
{
	uint64_t x = h->hash_key;

	for (size_t i = 0; i < ID_BYTES; i++)
		x = (x ^ b[i]) * 0x100000001b3u;
	return x ^ x >> 32;
}

static struct kept **id_chain(struct history *h, const struct id *id)
{
	return &h->by_id[hash16(h, id->b) % BUCKETS];
}

static struct kept **key_chain(struct history *h, const uint8_t key[ID_BYTES])
{
	return &h->by_key[hash16(h, key) % BUCKETS];
}

static void unlink_all(struct history *h, struct kept *k)
{
	struct kept **at;

	*(k->prev ? &k->prev->next : &h->first) = k->next;
	*(k->next ? &k->next->prev : &h->last) = k->prev;
	for (at = id_chain(h, &k->id); *at != k; at = &(*at)->next_by_id)
		;
	*at = k->next_by_id;
	for (at = key_chain(h, k->key); *at != k; at = &(*at)->next_by_key)
		;
	*at = k->next_by_key;
	h->open--;
}

static void link_all(struct history *h, struct kept *k)
{
	struct kept **id = id_chain(h, &k->id), **key = key_chain(h, k->key);

	k->prev = h->last;
	*(h->last ? &h->last->next : &h->first) = k;
	h->last = k;
	k->next_by_id = *id;
	*id = k;
	k->next_by_key = *key;
	*key = k;
	h->open++;
}

static void forget(struct history *h, struct kept *k)
{
	struct job *j = calloc(1, sizeof(*j));

	h->closed[hash16(h, k->id.b) % CLOSED_IDS] = k->id;
	unlink_all(h, k);
	if (j) {   /* without memory it expires at the next start */
		j->number = k->number;
		hand_over(h, j);
	}
	free(k);
}

static struct kept *take_in(struct history *h, uint64_t number, const struct id *id, const uint8_t key[ID_BYTES],
			    int64_t until_us, struct span topic, struct span payload)
{
	struct kept *k = malloc(sizeof(*k) + payload.n);

	if (!k)
		return NULL;
	*k = (struct kept){ .number = number, .id = *id, .until_us = until_us, .n = payload.n };
	memcpy(k->key, key, ID_BYTES);
	memcpy(k->payload, payload.p, payload.n);
	if (!span_text(topic, k->topic, sizeof(k->topic))) {
		free(k);
		return NULL;
	}
	link_all(h, k);
	h->number = number > h->number ? number : h->number;
	return k;
}

static bool seen(struct history *h, const struct id *id)
{
	const struct kept *k = *id_chain(h, id);

	while (k && memcmp(k->id.b, id->b, ID_BYTES) != 0)
		k = k->next_by_id;
	return k || memcmp(h->closed[hash16(h, id->b) % CLOSED_IDS].b, id->b, ID_BYTES) == 0;
}

enum err history_put(struct history *h, const struct id *id, const uint8_t key[ID_BYTES], int64_t until_us,
		     struct span topic, struct span payload, const char *receipt)
{
	bool again = seen(h, id);
	size_t n = again ? 0 : 8 + ID_BYTES + 1 + topic.n + payload.n;
	struct job *j = malloc(sizeof(*j) + n + VAULT_EXTRA);

	if (!j)
		return ERR_FULL;
	*j = (struct job){ .put = true, .number = h->number + 1, .id = *id, .n = n };
	if (!span_text(span_str(receipt), j->receipt, sizeof(j->receipt)) || topic.n > TOPIC_BYTES_MAX) {
		free(j);
		return ERR_RANGE;
	}
	if (!again) {
		struct put b = put(j->value, n);

		put_u64(&b, (uint64_t)until_us);
		put_bytes(&b, span(key, ID_BYTES));
		put_u8(&b, (uint8_t)topic.n);
		put_bytes(&b, topic);
		put_bytes(&b, payload);
		must(put_end(&b) == OK && b.n == n);
		if (!take_in(h, j->number, id, key, until_us, topic, payload)) {
			free(j);
			return ERR_FULL;
		}
	}
	hand_over(h, j);
	if (h->open > HISTORY_ALERTS_MAX)
		forget(h, h->first);
	return OK;
}

void history_done(struct history *h, const uint8_t key[ID_BYTES])
{
	struct kept *next;

	for (struct kept *k = *key_chain(h, key); k; k = next) {
		next = k->next_by_key;
		if (memcmp(k->key, key, ID_BYTES) == 0)
			forget(h, k);
	}
}

void history_expire(struct history *h, int64_t now_us)
{
	struct kept *next;

	for (struct kept *k = h->first; k; k = next) {
		next = k->next;
		if (k->until_us <= now_us)
			forget(h, k);
	}
}

const struct kept *history_next(const struct history *h, const struct kept *after)
{
	return after ? after->next : h->first;
}

uint64_t history_number(const struct history *h)
{
	return h->number;
}

enum err history_trouble(const struct history *h)
{
	return (enum err)atomic_load(&h->trouble);
}

size_t history_owed(struct history *h, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most)
{
	struct job **at, *j;
	size_t n = 0;

	if (!h->owed) {
		pthread_mutex_lock(&h->lock);
		h->owed = jobs_all(&h->done);
		pthread_mutex_unlock(&h->lock);
	}
	if (!h->owed)
		return 0;
	strcpy(topic, h->owed->receipt);
	for (at = &h->owed; *at && n < most;) {
		j = *at;
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

/* ---- opening ---- */

static enum err take_up(struct history *h, struct span key, struct span value, int64_t now_us, uint8_t *plain)
{
	struct cur c;
	struct span alert_key, topic, payload;
	struct id id;
	int64_t until;

	if (value.n < VAULT_EXTRA || value.n > ENVELOPE_BYTES_MAX + 1024)
		return ERR_CORRUPT;
	TRY(vault_open(&h->vault, key, value, plain));
	c = cur(span(plain, value.n - VAULT_EXTRA));
	until = (int64_t)cur_u64(&c);
	alert_key = cur_take(&c, ID_BYTES);
	topic = cur_take(&c, cur_u8(&c));
	payload = cur_take(&c, c.left.n);
	TRY(cur_end(&c));
	h->number = key64_value(key);
	if (until <= now_us)
		return OK;   /* goes with the next sweep */
	TRY(envelope_peek_id(payload, &id));
	return take_in(h, h->number, &id, alert_key.p, until, topic, payload) ? OK : ERR_FULL;
}

static enum err take_up_all(struct history *h, int64_t now_us)
{
	CLEANUP(free_cleanup) uint8_t *plain = malloc(ENVELOPE_BYTES_MAX + 1024);
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span at = { NULL, 0 }, value;
	enum err e;

	if (!plain)
		return ERR_FULL;
	TRY(txn_begin_read(h->store, &t));
	while ((e = txn_after(t, TABLE_KEPT, at, &at, &value)) == OK)
		TRY(take_up(h, at, value, now_us, plain));
	return e == ERR_NOT_FOUND ? OK : e;
}

/* Rows of alerts that expired while nobody ran. */
static enum err sweep(struct history *h)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span at = { NULL, 0 }, value;
	const struct kept *k = h->first;
	struct key64 key = key64(0);
	enum err e;

	TRY(txn_begin_write(h->store, &t));
	while ((e = txn_after(t, TABLE_KEPT, at, &at, &value)) == OK) {
		uint64_t number = key64_value(at);

		key = key64(number);
		at = key64_span(&key);
		while (k && k->number < number)
			k = k->next;
		if (!k || k->number != number)
			TRY(txn_del(t, TABLE_KEPT, at));
	}
	if (e != ERR_NOT_FOUND)
		return e;
	return txn_commit(&t);
}

enum err history_open(const char *path, const uint8_t root[32], size_t map_bytes, int64_t now_us, struct history **out)
{
	const struct store_spec spec = { "history", 1, map_bytes, tables, false };
	CLEANUP(history_close) struct history *h = calloc(1, sizeof(*h));
	sigset_t all, before;

	if (!h)
		return ERR_FULL;
	h->todo.tail = &h->todo.head;
	h->done.tail = &h->done.head;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
	vault_init(&h->vault, root, "history");
	crypt_random(&h->hash_key, sizeof(h->hash_key));
	TRY(store_open(path, &spec, &h->store));
	TRY(take_up_all(h, now_us));
	TRY(sweep(h));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	h->running = pthread_create(&h->thread, NULL, writer, h) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!h->running)
		return ERR_FULL;
	*out = h;
	h = NULL;
	return OK;
}

void history_close(struct history **hp)
{
	struct history *h = *hp;

	*hp = NULL;
	if (!h)
		return;
	if (h->running) {
		pthread_mutex_lock(&h->lock);
		h->stop = true;
		pthread_cond_signal(&h->more);
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread, NULL);
	}
	jobs_free(h->todo.head);
	jobs_free(h->done.head);
	jobs_free(h->owed);
	for (struct kept *k = h->first, *next; k; k = next) {
		next = k->next;
		free(k);
	}
	store_close(&h->store);
	vault_clear(&h->vault);
	pthread_cond_destroy(&h->more);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

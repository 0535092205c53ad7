#include "outbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "cur.h"
#include "store.h"
#include "vault.h"

enum table_no { QUEUE, WHERE, HELD, ASIDE, SEEN, SEEN_ORDER, OPEN, KEYS };
static const char *const tables[] = { "queue", "where", "held", "aside", "seen", "seen_order", "open", "keys", NULL };

#define SEEN_KEY 16
#define PLACE_BYTES 9               /* tier, sequence */
#define HEAD_BYTES (4 + ID_BYTES)   /* of a sealed value: number of its data key, id */
#define VALUE_MAX (HEAD_BYTES + OUTBOX_RECORD_MAX + VAULT_EXTRA)
#define ASIDE_MAX 1024              /* then the least important gives way */
#define EVICT_AT_ONCE 32
#define TRY_AGAIN_S 1
#define SYNC_MAX_S 5

/* One piece of work, and afterwards its result. */
struct op {
	struct op *next;
	enum outbox_work work;
	enum err err;
	struct id id;
	uint64_t seq;
	bool queued;
	bool refused;                   /* for want of room, before its commit began */
	uint8_t seen[SEEN_KEY], key[OPEN_KEY];
	struct outbox_message m;        /* its spans point into `record` */
	uint8_t *record;
	size_t n;
};

struct list {
	struct op *first, **last;
};

/* A data key of this start or an earlier one. */
struct data_key {
	uint32_t number;
	struct vault vault;
};

struct counts {
	int64_t messages, seen, aside;
};

struct outbox {
	struct store *store;
	struct data_key *keys;          /* the last is this start's */
	size_t key_count;
	struct vault seen_key;
	uint32_t most;
	void (*wake)(void *ctx);
	void *ctx;

	pthread_t thread;
	bool running;
	pthread_mutex_t lock;           /* over what follows */
	pthread_cond_t more, idle;
	struct list todo, doing, done;
	unsigned pending;
	uint64_t next_seq;
	bool stop, working;

	/* the loop's */
	struct op *handed;              /* what outbox_next() lent out */

	/* the committer's */
	struct counts have, change;
	uint64_t next_seen;
	uint8_t value[VALUE_MAX], clear[OUTBOX_RECORD_MAX];
};

/* ---- lists ---- */

static void list_init(struct list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_add(struct list *l, struct op *op)
{
	op->next = NULL;
	*l->last = op;
	l->last = &op->next;
}

static struct op *list_pop(struct list *l)
{
	struct op *op = l->first;

	if (!op)
		return NULL;
	l->first = op->next;
	if (!l->first)
		l->last = &l->first;
	return op;
}

static void op_free(struct op **op)
{
	if (*op && (*op)->record) {
		crypt_wipe((*op)->record, (*op)->n);
		free((*op)->record);
	}
	free(*op);
	*op = NULL;
}

/* ---- records ---- */

static void put_short(struct put *b, struct span s)
{
	b->bad = b->bad || s.n > UINT16_MAX;
	put_u16(b, (uint16_t)s.n);
	put_bytes(b, s);
}

static enum err record_write(const struct outbox_message *m, struct put *b)
{
	put_u8(b, 1);
	put_u8(b, (uint8_t)m->tier);
	put_u64(b, (uint64_t)m->expires_us);
	put_u8(b, m->opens);
	put_bytes(b, span(m->key, sizeof(m->key)));
	put_short(b, m->topic);
	put_short(b, m->input);
	put_short(b, m->source);
	put_short(b, m->source_id);
	put_u32(b, (uint32_t)m->envelope.n);
	put_bytes(b, m->envelope);
	return put_end(b);
}

enum err outbox_record_read(struct span raw, struct outbox_message *out)
{
	struct outbox_message m = { 0 };
	struct cur c = cur(raw);
	struct span key;
	unsigned version = cur_u8(&c), opens;

	m.tier = cur_u8(&c);
	m.expires_us = (int64_t)cur_u64(&c);
	opens = cur_u8(&c);
	key = cur_take(&c, OPEN_KEY);
	m.topic = cur_take(&c, cur_u16(&c));
	m.input = cur_take(&c, cur_u16(&c));
	m.source = cur_take(&c, cur_u16(&c));
	m.source_id = cur_take(&c, cur_u16(&c));
	m.envelope = cur_take(&c, cur_u32(&c));
	TRY(cur_end(&c));
	if (version != 1)
		return ERR_VERSION;
	if (m.tier >= FLIGHT_TIERS || opens > 1 || m.topic.n == 0)
		return ERR_RANGE;
	m.opens = opens;
	memcpy(m.key, key.p, OPEN_KEY);
	*out = m;
	return OK;
}

/* ---- sealed values: key number | id | sealed record, bound to the table and the place in it ---- */

struct place {
	uint8_t b[PLACE_BYTES];
};

static struct place place(unsigned tier, uint64_t seq)
{
	struct key64 k = key64(seq);
	struct place p = { { (uint8_t)tier } };

	memcpy(p.b + 1, k.b, sizeof(k.b));
	return p;
}

static struct span place_span(const struct place *p) { return span(p->b, sizeof(p->b)); }

static struct span bound_to(struct put *aad, enum table_no table, struct span key, struct span head)
{
	put_u8(aad, (uint8_t)table);
	put_bytes(aad, head);
	put_bytes(aad, key);
	must(put_end(aad) == OK);
	return put_span(aad);
}

static enum err value_seal(struct outbox *o, enum table_no table, struct span key, const struct id *id,
			   struct span clear, struct span *out)
{
	const struct data_key *k = &o->keys[o->key_count - 1];
	struct put head = put(o->value, HEAD_BYTES);
	uint8_t room[64];
	struct put aad = put(room, sizeof(room));

	must(clear.n <= OUTBOX_RECORD_MAX);
	put_u32(&head, k->number);
	put_bytes(&head, span(id->b, ID_BYTES));
	TRY(vault_seal(&k->vault, bound_to(&aad, table, key, put_span(&head)), clear, o->value + HEAD_BYTES));
	*out = span(o->value, HEAD_BYTES + clear.n + VAULT_EXTRA);
	return OK;
}

static enum err value_open(const struct outbox *o, enum table_no table, struct span key, struct span value,
			   struct id *id, uint8_t *out, struct span *clear)
{
	struct cur c = cur(value);
	uint32_t number = cur_u32(&c);
	struct span id_bytes = cur_take(&c, ID_BYTES);
	uint8_t room[64];
	struct put aad = put(room, sizeof(room));

	if (c.bad || c.left.n < VAULT_EXTRA || c.left.n - VAULT_EXTRA > OUTBOX_RECORD_MAX)
		return ERR_CORRUPT;
	for (size_t i = o->key_count; i-- > 0;) {
		if (o->keys[i].number != number)
			continue;
		TRY(vault_open(&o->keys[i].vault, bound_to(&aad, table, key, span(value.p, HEAD_BYTES)), c.left, out));
		memcpy(id->b, id_bytes.p, ID_BYTES);
		*clear = span(out, c.left.n - VAULT_EXTRA);
		return OK;
	}
	return ERR_KEY;
}

/* ---- what a commit does ---- */

/* Answers about one message; anything else spoils the transaction. */
static bool is_answer(enum err e)
{
	return e == OK || e == ERR_NOT_FOUND || e == ERR_EXISTS || e == ERR_KEY || e == ERR_CORRUPT;
}

static enum err seen_add(struct outbox *o, struct txn *t, struct op *op)
{
	struct key64 no = key64(o->next_seen);
	struct span key = span(op->seen, SEEN_KEY), old, old_key;
	enum err e = txn_add(t, SEEN, key, span(op->id.b, ID_BYTES));

	if (e != OK)
		return e;
	TRY(txn_append(t, SEEN_ORDER, key64_span(&no), key));
	o->next_seen++;
	o->change.seen++;
	if (o->have.seen + o->change.seen <= o->most)
		return OK;
	TRY(txn_seek(t, SEEN_ORDER, span(NULL, 0), &old, &old_key));
	memcpy(no.b, old.p, sizeof(no.b));
	TRY(txn_del(t, SEEN, old_key));
	o->change.seen--;
	return txn_del(t, SEEN_ORDER, key64_span(&no));
}

/* What the alert's answer needs to find its way back: the record without the envelope. */
static enum err open_write(struct outbox *o, struct txn *t, const struct op *op)
{
	struct outbox_message m = op->m;
	struct put b = put(o->clear, sizeof(o->clear));
	struct span value, key = span(op->m.key, OPEN_KEY);

	if (!m.opens)
		return OK;
	m.envelope = span(NULL, 0);
	TRY(record_write(&m, &b));
	TRY(value_seal(o, OPEN, key, &op->id, put_span(&b), &value));
	return txn_put(t, OPEN, key, value);
}

static enum err queue_write(struct outbox *o, struct txn *t, const struct op *op, struct span clear)
{
	struct place at = place(op->m.tier, op->seq);
	struct span value;

	TRY(value_seal(o, QUEUE, place_span(&at), &op->id, clear, &value));
	TRY(txn_put(t, QUEUE, place_span(&at), value));
	return txn_put(t, WHERE, span(op->id.b, ID_BYTES), place_span(&at));
}

static enum err held_drop(struct outbox *o, struct txn *t, const struct id *id)
{
	enum err e = txn_del(t, HELD, span(id->b, ID_BYTES));

	if (e == OK)
		o->change.messages--;
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err do_put(struct outbox *o, struct txn *t, struct op *op)
{
	TRY(seen_add(o, t, op));
	TRY(held_drop(o, t, &op->id));
	TRY(queue_write(o, t, op, span(op->record, op->n)));
	o->change.messages++;
	return open_write(o, t, op);
}

static enum err do_hold(struct outbox *o, struct txn *t, struct op *op)
{
	struct span key = span(op->id.b, ID_BYTES), value;

	TRY(seen_add(o, t, op));
	TRY(held_drop(o, t, &op->id));
	TRY(value_seal(o, HELD, key, &op->id, span(op->record, op->n), &value));
	TRY(txn_put(t, HELD, key, value));
	o->change.messages++;
	return open_write(o, t, op);
}

/* Takes the record of an op from a table, so that its result can name the source. */
static enum err op_load(struct outbox *o, struct txn *t, enum table_no table, struct span key, struct op *op)
{
	struct span value, clear;
	struct id id;

	TRY(txn_get(t, table, key, &value));
	TRY(value_open(o, table, key, value, &id, o->clear, &clear));
	if (!op->record)
		op->record = malloc(clear.n);
	if (!op->record)
		return ERR_FULL;
	op->n = clear.n;
	memcpy(op->record, clear.p, clear.n);
	return outbox_record_read(span(op->record, op->n), &op->m);
}

static enum err do_release(struct outbox *o, struct txn *t, struct op *op)
{
	struct span key = span(op->id.b, ID_BYTES);

	TRY(op_load(o, t, HELD, key, op));
	TRY(txn_del(t, HELD, key));
	return queue_write(o, t, op, span(op->record, op->n));
}

static enum err queue_load(struct outbox *o, struct txn *t, struct op *op, struct place *at)
{
	struct span value;

	TRY(txn_get(t, WHERE, span(op->id.b, ID_BYTES), &value));
	if (value.n != PLACE_BYTES)
		return ERR_CORRUPT;
	memcpy(at->b, value.p, PLACE_BYTES);
	return op_load(o, t, QUEUE, place_span(at), op);
}

static enum err queue_drop(struct outbox *o, struct txn *t, const struct op *op, const struct place *at)
{
	TRY(txn_del(t, QUEUE, place_span(at)));
	o->change.messages--;
	return txn_del(t, WHERE, span(op->id.b, ID_BYTES));
}

static enum err do_delivered(struct outbox *o, struct txn *t, struct op *op)
{
	struct place at = { { FLIGHT_TIERS } };
	enum err e = queue_load(o, t, op, &at);

	if ((e != OK && !is_answer(e)) || at.b[0] == FLIGHT_TIERS)
		return e;
	op->m.tier = at.b[0];   /* known also when the record is unreadable; that must not keep it here for ever */
	return queue_drop(o, t, op, &at);
}

static enum err do_aside(struct outbox *o, struct txn *t, struct op *op)
{
	struct span value, old, old_value;
	struct place at;

	TRY(queue_load(o, t, op, &at));
	TRY(queue_drop(o, t, op, &at));
	TRY(value_seal(o, ASIDE, place_span(&at), &op->id, span(op->record, op->n), &value));
	TRY(txn_put(t, ASIDE, place_span(&at), value));
	o->change.aside++;
	if (o->have.aside + o->change.aside <= ASIDE_MAX)
		return OK;
	TRY(txn_last(t, ASIDE, &old, &old_value));
	memcpy(at.b, old.p, PLACE_BYTES);
	o->change.aside--;
	return txn_del(t, ASIDE, place_span(&at));
}

static enum err do_recall(struct outbox *o, struct txn *t, struct op *op)
{
	struct span value, unused;

	(void)o;
	TRY(txn_get(t, SEEN, span(op->seen, SEEN_KEY), &value));
	if (value.n != ID_BYTES)
		return ERR_CORRUPT;
	memcpy(op->id.b, value.p, ID_BYTES);
	op->queued = txn_get(t, WHERE, span(op->id.b, ID_BYTES), &unused) == OK ||
		     txn_get(t, HELD, span(op->id.b, ID_BYTES), &unused) == OK;
	return OK;
}

static enum err do_forget(struct outbox *o, struct txn *t, struct op *op)
{
	(void)o;
	return txn_del(t, OPEN, span(op->key, OPEN_KEY));
}

/* `tidy`: must succeed sooner or later. */
static const struct { enum err (*run)(struct outbox *o, struct txn *t, struct op *op); bool tidy; } works[] = {
	[WORK_PUT] = { do_put, false },
	[WORK_HOLD] = { do_hold, false },
	[WORK_RELEASE] = { do_release, true },
	[WORK_DELIVERED] = { do_delivered, true },
	[WORK_ASIDE] = { do_aside, true },
	[WORK_RECALL] = { do_recall, false },
	[WORK_FORGET] = { do_forget, true },
	[WORK_EVICT] = { do_delivered, true },
};

static enum err commit(struct outbox *o, struct op *first, const struct op *end)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	o->change = (struct counts){ 0 };
	TRY(txn_begin_write(o->store, &t));
	for (struct op *op = first; op != end; op = op->next) {
		if (op->refused)
			continue;
		op->err = works[op->work].run(o, t, op);
		if (!is_answer(op->err))
			return op->err;
	}
	TRY(txn_commit(&t));
	o->have.messages += o->change.messages;
	o->have.seen += o->change.seen;
	o->have.aside += o->change.aside;
	return OK;
}

/* All together; when that fails each alone, so that one which cannot be kept does not take the others with it. */
static void commit_list(struct outbox *o, struct list *l)
{
	enum err e = commit(o, l->first, NULL);

	for (struct op *op = l->first; op && e != OK; op = op->next) {
		enum err alone = commit(o, op, op->next);

		if (alone != OK)
			op->err = alone;
	}
}

/* ---- room ---- */

static bool is_tight(struct outbox *o)
{
	return o->have.messages >= o->most || store_tight(o->store);
}

/* Up to EVICT_AT_ONCE messages of the least important tier that has any, as ops; none of `least` or more important. */
static void find_evictable(struct outbox *o, unsigned least, struct list *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key, value;
	unsigned found = 0;

	if (txn_begin_read(o->store, &t) != OK)
		return;
	for (unsigned tier = FLIGHT_TIERS; tier-- > least && !found;) {
		struct place at = place(tier, 0);

		for (enum err e = txn_seek(t, QUEUE, place_span(&at), &key, &value);
		     e == OK && key.n == PLACE_BYTES && key.p[0] == tier && value.n >= HEAD_BYTES && found < EVICT_AT_ONCE;
		     found++) {
			struct op *op = calloc(1, sizeof(*op));

			if (!op)
				return;
			op->work = WORK_EVICT;
			memcpy(op->id.b, value.p + 4, ID_BYTES);
			list_add(out, op);
			memcpy(at.b, key.p, PLACE_BYTES);
			e = txn_after(t, QUEUE, place_span(&at), &key, &value);
		}
	}
}

static bool brings(const struct op *op) { return op->work == WORK_PUT || op->work == WORK_HOLD; }

/* Whoever is less important than the most important newcomer yields; observations also to each other. */
static unsigned may_evict_from(const struct list *l)
{
	unsigned best = FLIGHT_TIERS - 1;

	for (const struct op *op = l->first; op; op = op->next)
		if (brings(op) && op->m.tier < best)
			best = op->m.tier;
	return best == FLIGHT_TIERS - 1 ? best : best + 1 > FLIGHT_TIER_SAFE ? best + 1 : FLIGHT_TIER_SAFE;
}

static void make_room(struct outbox *o, struct list *l, struct list *evicted)
{
	bool needed = false;
	unsigned from = may_evict_from(l);

	for (const struct op *op = l->first; op; op = op->next)
		needed = needed || brings(op);
	while (needed && is_tight(o)) {
		struct list some;

		list_init(&some);
		find_evictable(o, from, &some);
		if (!some.first)
			break;
		commit_list(o, &some);
		needed = some.first->err == OK;
		for (struct op *op; (op = list_pop(&some));)
			list_add(evicted, op);
	}
	if (!needed || !is_tight(o))
		return;
	for (struct op *op = l->first; op; op = op->next)
		if (brings(op)) {
			op->refused = true;
			op->err = ERR_FULL;
		}
}

/* ---- the committer ---- */

static struct timespec in_seconds(unsigned s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += s;
	return t;
}

/* Moves all that is queued to `doing`. False: stopped, and nothing is left. */
static bool take_work(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	o->working = false;
	if (!o->todo.first)
		pthread_cond_broadcast(&o->idle);
	while (!o->todo.first && !o->stop)
		pthread_cond_wait(&o->more, &o->lock);
	o->doing = o->todo;
	if (!o->todo.first)
		list_init(&o->doing);
	list_init(&o->todo);
	o->working = o->doing.first != NULL;
	pthread_mutex_unlock(&o->lock);
	return o->working;
}

/* Hands results over; tidying that failed goes back in front of what is queued. True: some did. */
static bool hand_over(struct outbox *o, struct list *evicted)
{
	struct list again;
	bool failed;

	list_init(&again);
	pthread_mutex_lock(&o->lock);
	for (struct op *op; (op = list_pop(evicted));) {
		o->pending++;
		list_add(&o->done, op);
	}
	for (struct op *op; (op = list_pop(&o->doing));)
		list_add(works[op->work].tidy && !is_answer(op->err) && !o->stop ? &again : &o->done, op);
	failed = again.first != NULL;
	if (failed) {
		*again.last = o->todo.first;
		if (!o->todo.first)
			o->todo.last = again.last;
		o->todo.first = again.first;
	}
	pthread_mutex_unlock(&o->lock);
	return failed;
}

/* A disk that fails is not asked at full speed; new work or the end of the program cuts the pause short. */
static void pause_a_little(struct outbox *o)
{
	struct timespec until = in_seconds(TRY_AGAIN_S);

	pthread_mutex_lock(&o->lock);
	if (!o->stop)
		pthread_cond_timedwait(&o->more, &o->lock, &until);
	pthread_mutex_unlock(&o->lock);
}

static void *committer(void *arg)
{
	struct outbox *o = arg;

	while (take_work(o)) {
		struct list evicted;
		bool failed;

		list_init(&evicted);
		make_room(o, &o->doing, &evicted);
		commit_list(o, &o->doing);
		failed = hand_over(o, &evicted);
		o->wake(o->ctx);
		if (failed)
			pause_a_little(o);
	}
	return NULL;
}

/* ---- asking for work ---- */

static void seen_key(const struct outbox *o, struct span source, struct span source_id, uint8_t out[SEEN_KEY])
{
	uint8_t digest[SHA256_BYTES];
	const uint8_t n[2] = { (uint8_t)(source.n >> 8), (uint8_t)source.n };

	HMAC256(digest, span(o->seen_key.key, AEAD_KEY_BYTES), span(n, sizeof(n)), source, source_id);
	memcpy(out, digest, SEEN_KEY);
}

/* Takes the op. */
static enum err submit(struct outbox *o, struct op *op, uint64_t *seq)
{
	enum err e = OK;

	pthread_mutex_lock(&o->lock);
	if (o->pending >= OUTBOX_WORK_MAX && !works[op->work].tidy) {
		e = ERR_BUSY;
	} else {
		o->pending++;
		op->seq = op->work == WORK_PUT || op->work == WORK_RELEASE ? o->next_seq++ : 0;
		if (seq)
			*seq = op->seq;
		list_add(&o->todo, op);
		pthread_cond_signal(&o->more);
	}
	pthread_mutex_unlock(&o->lock);
	if (e != OK)
		op_free(&op);
	return e;
}

static enum err bring(struct outbox *o, enum outbox_work work, const struct outbox_message *m, uint64_t *seq)
{
	CLEANUP(op_free) struct op *op = calloc(1, sizeof(*op));
	size_t most = 64 + m->topic.n + m->input.n + m->source.n + m->source_id.n + m->envelope.n;
	struct put b;
	struct op *given;

	if (!op)
		return ERR_FULL;
	if (m->envelope.n > OUTBOX_ENVELOPE_MAX)
		return ERR_TOO_LARGE;
	must(m->tier < FLIGHT_TIERS);
	op->record = malloc(most);
	if (!op->record)
		return ERR_FULL;
	b = put(op->record, most);
	TRY(record_write(m, &b));
	op->n = b.n;
	TRY(outbox_record_read(put_span(&b), &op->m));
	op->work = work;
	op->id = m->id;
	seen_key(o, m->source, m->source_id, op->seen);
	given = op;
	op = NULL;
	return submit(o, given, seq);
}

enum err outbox_put(struct outbox *o, const struct outbox_message *m, uint64_t *seq)
{
	return bring(o, WORK_PUT, m, seq);
}

enum err outbox_hold(struct outbox *o, const struct outbox_message *m)
{
	return bring(o, WORK_HOLD, m, NULL);
}

static enum err by_id(struct outbox *o, enum outbox_work work, const struct id *id)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return ERR_FULL;
	op->work = work;
	op->id = *id;
	return submit(o, op, NULL);
}

enum err outbox_release(struct outbox *o, const struct id *id) { return by_id(o, WORK_RELEASE, id); }
enum err outbox_delivered(struct outbox *o, const struct id *id) { return by_id(o, WORK_DELIVERED, id); }
enum err outbox_aside(struct outbox *o, const struct id *id) { return by_id(o, WORK_ASIDE, id); }

enum err outbox_recall(struct outbox *o, struct span input, struct span source, struct span source_id)
{
	const struct outbox_message m = {
		.topic = SPAN_LIT("-"), .input = input, .source = source, .source_id = source_id,
	};

	return bring(o, WORK_RECALL, &m, NULL);
}

enum err outbox_forget(struct outbox *o, const uint8_t key[OPEN_KEY])
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return ERR_FULL;
	op->work = WORK_FORGET;
	memcpy(op->key, key, OPEN_KEY);
	return submit(o, op, NULL);
}

/* ---- looking ---- */

static const struct op *find_op(const struct list *l, bool (*is)(const struct op *op, const void *what), const void *what)
{
	for (const struct op *op = l->first; op; op = op->next)
		if (is(op, what))
			return op;
	return NULL;
}

static const struct op *find_pending(const struct outbox *o, bool (*is)(const struct op *op, const void *what),
				     const void *what)
{
	const struct op *op = find_op(&o->todo, is, what);

	if (!op)
		op = find_op(&o->doing, is, what);
	return op ? op : find_op(&o->done, is, what);
}

static bool brings_seen(const struct op *op, const void *seen)
{
	return brings(op) && memcmp(op->seen, seen, SEEN_KEY) == 0;
}

static bool puts_id(const struct op *op, const void *id)
{
	return op->work == WORK_PUT && memcmp(op->id.b, id, ID_BYTES) == 0;
}

bool outbox_seen(struct outbox *o, struct span source, struct span source_id)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint8_t key[SEEN_KEY];
	struct span value;
	bool found;

	seen_key(o, source, source_id, key);
	pthread_mutex_lock(&o->lock);
	found = find_pending(o, brings_seen, key) != NULL;
	pthread_mutex_unlock(&o->lock);
	return found || (txn_begin_read(o->store, &t) == OK && txn_get(t, SEEN, span(key, SEEN_KEY), &value) == OK);
}

bool outbox_next(struct outbox *o, struct outbox_done *out)
{
	struct op *op;

	op_free(&o->handed);
	pthread_mutex_lock(&o->lock);
	op = list_pop(&o->done);
	if (op)
		o->pending--;
	pthread_mutex_unlock(&o->lock);
	if (!op)
		return false;
	o->handed = op;
	*out = (struct outbox_done){ op->work, op->err, op->id, op->seq, op->queued, op->m };
	return true;
}

void outbox_sync(struct outbox *o)
{
	struct timespec until = in_seconds(SYNC_MAX_S);

	pthread_mutex_lock(&o->lock);
	while ((o->todo.first || o->working) && pthread_cond_timedwait(&o->idle, &o->lock, &until) == 0)
		;
	pthread_mutex_unlock(&o->lock);
}

static enum err read_stored(struct outbox *o, const struct flight_item *at, struct outbox_scratch *scratch,
			    struct outbox_message *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct place p = place(at->tier, at->seq);
	struct span value, clear;
	struct id id;

	TRY(txn_begin_read(o->store, &t));
	TRY(txn_get(t, QUEUE, place_span(&p), &value));
	TRY(value_open(o, QUEUE, place_span(&p), value, &id, scratch->b, &clear));
	TRY(outbox_record_read(clear, out));
	out->id = id;
	return OK;
}

enum err outbox_read(struct outbox *o, const struct flight_item *at, struct outbox_scratch *scratch,
		     struct outbox_message *out)
{
	const struct op *op;
	size_t n = 0;

	pthread_mutex_lock(&o->lock);
	op = find_pending(o, puts_id, at->id.b);
	if (op) {
		n = op->n;
		memcpy(scratch->b, op->record, n);
	}
	pthread_mutex_unlock(&o->lock);
	if (!n)
		return read_stored(o, at, scratch, out);
	TRY(outbox_record_read(span(scratch->b, n), out));
	out->id = at->id;
	return OK;
}

enum err outbox_each(struct outbox *o, enum err (*visit)(void *ctx, const struct flight_item *at), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = span(NULL, 0), value;
	struct place at;
	enum err e;

	TRY(txn_begin_read(o->store, &t));
	while ((e = txn_after(t, QUEUE, key, &key, &value)) == OK) {
		struct flight_item item = { 0 };

		if (key.n != PLACE_BYTES || value.n < HEAD_BYTES || key.p[0] >= FLIGHT_TIERS)
			return ERR_CORRUPT;
		memcpy(at.b, key.p, PLACE_BYTES);
		key = place_span(&at);
		memcpy(item.id.b, value.p + 4, ID_BYTES);
		item.seq = key64_value(span(at.b + 1, 8));
		item.tier = at.b[0];
		TRY(visit(ctx, &item));
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

static bool open_alert_of(const struct outbox_message *m, const struct id *id, struct open_alert *out)
{
	*out = (struct open_alert){ .id = *id, .at_ms = id_ms(id) };
	memcpy(out->key, m->key, OPEN_KEY);
	return span_text(m->input, out->input, sizeof(out->input)) &&
	       span_text(m->source, out->source, sizeof(out->source)) &&
	       span_text(m->source_id, out->source_id, sizeof(out->source_id));
}

/* One that cannot be read is left out: an alert's answer that goes astray must not keep the gateway from starting. */
enum err outbox_each_open(struct outbox *o, void (*visit)(void *ctx, const struct open_alert *a), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	CLEANUP(free_cleanup) uint8_t *clear = malloc(OUTBOX_RECORD_MAX);
	struct span key = span(NULL, 0), value, record;
	uint8_t at[OPEN_KEY];
	enum err e;

	if (!clear)
		return ERR_FULL;
	TRY(txn_begin_read(o->store, &t));
	while ((e = txn_after(t, OPEN, key, &key, &value)) == OK) {
		struct outbox_message m;
		struct open_alert a;
		struct id id;

		if (key.n != OPEN_KEY)
			return ERR_CORRUPT;
		memcpy(at, key.p, OPEN_KEY);
		key = span(at, OPEN_KEY);
		if (value_open(o, OPEN, key, value, &id, clear, &record) == OK &&
		    outbox_record_read(record, &m) == OK && open_alert_of(&m, &id, &a))
			visit(ctx, &a);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

uint64_t outbox_aside_count(struct outbox *o)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint64_t n = 0;

	return txn_begin_read(o->store, &t) == OK && txn_count(t, ASIDE, &n) == OK ? n : 0;
}

uint32_t outbox_most(const struct outbox *o) { return o->most; }

/* ---- opening ---- */

static struct span key_number(uint32_t number, uint8_t b[4])
{
	struct put p = put(b, 4);

	put_u32(&p, number);
	return put_span(&p);
}

static enum err key_unwrap(const struct vault *root, struct span number, struct span value, struct data_key *out)
{
	struct cur c = cur(number);

	if (value.n != AEAD_KEY_BYTES + VAULT_EXTRA)
		return ERR_CORRUPT;
	out->number = cur_u32(&c);
	TRY(cur_end(&c));
	return vault_open(root, number, value, out->vault.key);
}

static enum err key_make(const struct vault *root, struct txn *t, struct data_key *out)
{
	uint8_t sealed[AEAD_KEY_BYTES + VAULT_EXTRA], b[4];
	struct span number = key_number(out->number, b);

	crypt_random(out->vault.key, AEAD_KEY_BYTES);
	TRY(vault_seal(root, number, span(out->vault.key, AEAD_KEY_BYTES), sealed));
	return txn_put(t, KEYS, number, span(sealed, sizeof(sealed)));
}

/* The keys of earlier starts, then one for this start. */
static enum err keys_load(struct outbox *o, struct txn *t, const struct vault *root)
{
	struct span at = span(NULL, 0), value;
	uint64_t n;
	enum err e;

	TRY(txn_count(t, KEYS, &n));
	o->keys = calloc(n + 1, sizeof(*o->keys));
	if (!o->keys)
		return ERR_FULL;
	while ((e = txn_after(t, KEYS, at, &at, &value)) == OK && o->key_count < n)
		TRY(key_unwrap(root, at, value, &o->keys[o->key_count++]));
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	o->keys[o->key_count].number = o->key_count ? o->keys[o->key_count - 1].number + 1 : 1;
	return key_make(root, t, &o->keys[o->key_count++]);
}

static bool key_used(struct txn *t, enum table_no table, uint32_t number)
{
	struct span key = span(NULL, 0), value;
	uint8_t at[STORE_KEY_MAX];

	while (txn_after(t, table, key, &key, &value) == OK) {
		struct cur c = cur(value);

		if (cur_u32(&c) == number)
			return true;
		must(key.n <= sizeof(at));
		memcpy(at, key.p, key.n);
		key = span(at, key.n);
	}
	return false;
}

/* A key nothing is sealed with any more is destroyed: then nothing that a freed page still holds can be read. */
static enum err keys_prune(struct outbox *o, struct txn *t)
{
	static const enum table_no sealed[] = { QUEUE, HELD, ASIDE, OPEN };

	for (size_t i = 0; i + 1 < o->key_count; i++) {
		bool used = false;
		uint8_t b[4];

		for (size_t k = 0; k < countof(sealed); k++)
			used = used || key_used(t, sealed[k], o->keys[i].number);
		if (!used)
			TRY(txn_del(t, KEYS, key_number(o->keys[i].number, b)));
	}
	return OK;
}

/* Sequence numbers rise through all tiers together. */
static enum err next_seq(struct txn *t, uint64_t *out)
{
	struct span key = span(NULL, 0), value;
	struct place at;
	enum err e;

	*out = 1;
	while ((e = txn_after(t, QUEUE, key, &key, &value)) == OK) {
		if (key.n != PLACE_BYTES)
			return ERR_CORRUPT;
		memcpy(at.b, key.p, PLACE_BYTES);
		key = place_span(&at);
		if (key64_value(span(at.b + 1, 8)) >= *out)
			*out = key64_value(span(at.b + 1, 8)) + 1;
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

/* What was held when the last run ended is due now. */
static enum err held_release(struct outbox *o, struct txn *t)
{
	struct span key, value;
	enum err e;

	while ((e = txn_seek(t, HELD, span(NULL, 0), &key, &value)) == OK) {
		struct op op = { .work = WORK_RELEASE, .seq = o->next_seq++ };

		if (key.n != ID_BYTES)
			return ERR_CORRUPT;
		memcpy(op.id.b, key.p, ID_BYTES);
		e = do_release(o, t, &op);
		free(op.record);
		TRY(e);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err counts_load(struct outbox *o, struct txn *t)
{
	uint64_t queue, seen, aside;
	struct span key, value;
	enum err e = txn_last(t, SEEN_ORDER, &key, &value);

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	o->next_seen = e == OK ? key64_value(key) + 1 : 1;
	TRY(txn_count(t, QUEUE, &queue));
	TRY(txn_count(t, SEEN, &seen));
	TRY(txn_count(t, ASIDE, &aside));
	o->have = (struct counts){ (int64_t)queue, (int64_t)seen, (int64_t)aside };
	return OK;
}

static enum err prepare(struct outbox *o, const uint8_t root[AEAD_KEY_BYTES])
{
	CLEANUP(vault_clear) struct vault wrap = { 0 };
	CLEANUP(txn_abort) struct txn *t = NULL;

	vault_init(&wrap, root, "outbox keys");
	vault_init(&o->seen_key, root, "outbox seen");
	TRY(txn_begin_write(o->store, &t));
	TRY(keys_load(o, t, &wrap));
	TRY(next_seq(t, &o->next_seq));
	TRY(held_release(o, t));
	TRY(keys_prune(o, t));
	TRY(counts_load(o, t));
	return txn_commit(&t);
}

static enum err start(struct outbox *o)
{
	pthread_condattr_t attr;

	/* Timed waits by the monotonic clock: a step of the wall clock must not stop the committer. */
	if (pthread_condattr_init(&attr) != 0 || pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	    pthread_mutex_init(&o->lock, NULL) != 0 || pthread_cond_init(&o->more, &attr) != 0 ||
	    pthread_cond_init(&o->idle, &attr) != 0)
		return ERR_FULL;
	pthread_condattr_destroy(&attr);
	if (pthread_create(&o->thread, NULL, committer, o) != 0)
		return ERR_FULL;
	o->running = true;
	return OK;
}

enum err outbox_open(const struct outbox_spec *spec, struct outbox **out)
{
	const struct store_spec store = { "outbox", 1, spec->map_bytes, tables, false };
	CLEANUP(outbox_close) struct outbox *o = calloc(1, sizeof(*o));

	if (!o)
		return ERR_FULL;
	list_init(&o->todo);
	list_init(&o->doing);
	list_init(&o->done);
	o->most = (uint32_t)(spec->map_bytes / 1024);
	o->wake = spec->wake;
	o->ctx = spec->ctx;
	TRY(store_open(spec->path, &store, &o->store));
	TRY(prepare(o, spec->root));
	TRY(start(o));
	*out = o;
	o = NULL;
	return OK;
}

static void stop(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	o->stop = true;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	pthread_cond_destroy(&o->more);
	pthread_cond_destroy(&o->idle);
	pthread_mutex_destroy(&o->lock);
}

void outbox_close(struct outbox **out)
{
	struct outbox *o = *out;

	if (!o)
		return;
	if (o->running)
		stop(o);
	op_free(&o->handed);
	for (struct op *op; (op = list_pop(&o->done));)
		op_free(&op);
	for (size_t i = 0; i < o->key_count; i++)
		vault_clear(&o->keys[i].vault);
	free(o->keys);
	vault_clear(&o->seen_key);
	store_close(&o->store);
	free(o);
	*out = NULL;
}

#include "history.h"

#include <stdlib.h>

#include "crypt.h"
#include "cur.h"
#include "envelope.h"
#include "words.h"

#define BUCKETS 4096            /* of the tables by id and by key, and of senders */
#define CLOSED_IDS 4096
#define RANKS 7

/* Of all, or of one sender: each rank from its oldest on. */
struct ranks {
	size_t n, large;                        /* bytes of such */
	struct rank { struct kept *first, *last; } rank[RANKS];
};

struct history {
	struct shelf *shelf;
	struct past_keep keep;
	uint64_t unnoted;
	struct kept *first, *last;
	struct kept *by_id[BUCKETS];
	struct keyed { struct kept *first, *last; } by_key[BUCKETS];    /* each from the oldest on */
	struct ranks of_all;
	struct ranks of_sender[BUCKETS];        /* by hash: who shares a bucket shares a share */
	struct { struct id id; uint64_t order; } closed[CLOSED_IDS];    /* seen to lately, by hash: no late duplicate opens them */
	uint64_t hash_key[2];           /* ids and keys are chosen by senders */
	uint64_t number, evicted;
	size_t large_max;
};

#define ROW_HEAD (8 + 1 + ID_BYTES + 1)
#define PAGE 4096

/* Large ones, to which LMDB gives pages of their own, fill the file before they are many: so many bytes. 0: it is none. */
static size_t large(size_t topic, size_t payload)
{
	size_t n = ROW_HEAD + topic + payload + 100;    /* and what seals it, and a head */

	return n < PAGE / 2 ? 0 : (n + PAGE - 1) / PAGE * PAGE;
}

/* ---- the tables ---- */

static uint64_t hash16(const struct history *h, const uint8_t b[ID_BYTES])
{
	return words_hash(h->hash_key, span(b, ID_BYTES));
}

static uint32_t sender_of(const struct history *h, const struct topic *t)
{
	const uint64_t of_tenant[2] = { words_hash(h->hash_key, t->level[0]), h->hash_key[1] };

	return words_hash(of_tenant, topic_word(t, "device")) % BUCKETS;
}

static struct kept **id_chain(struct history *h, const struct id *id)
{
	return &h->by_id[hash16(h, id->b) % BUCKETS];
}

static struct keyed *keyed(struct history *h, const uint8_t key[ID_BYTES])
{
	return &h->by_key[hash16(h, key) % BUCKETS];
}

static void key_in(struct history *h, struct kept *k)
{
	struct keyed *r = keyed(h, k->key);

	k->prev_by_key = r->last;
	k->next_by_key = NULL;
	*(r->last ? &r->last->next_by_key : &r->first) = k;
	r->last = k;
}

static void key_out(struct history *h, struct kept *k)
{
	struct keyed *r = keyed(h, k->key);

	*(k->prev_by_key ? &k->prev_by_key->next_by_key : &r->first) = k->next_by_key;
	*(k->next_by_key ? &k->next_by_key->prev_by_key : &r->last) = k->prev_by_key;
}

/* What goes first when there are too many: the lower number, and of one number the oldest. */
static int rank_number(bool over, bool accepted, int priority)
{
	return over ? 0 : accepted ? 1 : 1 + priority;
}

static uint8_t priority_of(const struct topic *t) { return (uint8_t)priority_parse(topic_word(t, "priority")); }

static struct ranks *ranks_of(struct history *h, const struct kept *k, enum kept_among among)
{
	return among == AMONG_ALL ? &h->of_all : &h->of_sender[k->sender];
}

static struct rank *rank_of(struct history *h, const struct kept *k, enum kept_among among)
{
	return &ranks_of(h, k, among)->rank[rank_number(k->over, k->accepted, k->priority)];
}

static void rank_in(struct history *h, struct kept *k)
{
	for (enum kept_among a = 0; a < AMONGS; a++) {
		struct rank *r = rank_of(h, k, a);

		k->rank[a].prev = r->last;
		k->rank[a].next = NULL;
		*(r->last ? &r->last->rank[a].next : &r->first) = k;
		r->last = k;
		ranks_of(h, k, a)->n++;
		ranks_of(h, k, a)->large += large(k->topic.text.n, k->n);
	}
}

static void rank_out(struct history *h, struct kept *k)
{
	for (enum kept_among a = 0; a < AMONGS; a++) {
		struct rank *r = rank_of(h, k, a);
		struct kept *prev = k->rank[a].prev, *next = k->rank[a].next;

		*(prev ? &prev->rank[a].next : &r->first) = next;
		*(next ? &next->rank[a].prev : &r->last) = prev;
		ranks_of(h, k, a)->n--;
		ranks_of(h, k, a)->large -= large(k->topic.text.n, k->n);
	}
}

static void link_in(struct history *h, struct kept *k)
{
	struct kept **id = id_chain(h, &k->id);

	k->prev = h->last;
	*(h->last ? &h->last->next : &h->first) = k;
	h->last = k;
	k->next_by_id = *id;
	*id = k;
	key_in(h, k);
	k->sender = sender_of(h, &k->topic);
	rank_in(h, k);
}

static void link_out(struct history *h, struct kept *k)
{
	struct kept **at;

	rank_out(h, k);
	*(k->prev ? &k->prev->next : &h->first) = k->next;
	*(k->next ? &k->next->prev : &h->last) = k->prev;
	for (at = id_chain(h, &k->id); *at != k; at = &(*at)->next_by_id)
		;
	*at = k->next_by_id;
	key_out(h, k);
}

const struct kept *history_find(struct history *h, const struct id *id)
{
	const struct kept *k = *id_chain(h, id);

	while (k && memcmp(k->id.b, id->b, ID_BYTES) != 0)
		k = k->next_by_id;
	return k;
}

/* Its order then: what its source says again, and not its sender, comes with another. */
static bool seen(struct history *h, const struct id *id, uint64_t *order)
{
	size_t at = hash16(h, id->b) % CLOSED_IDS;
	const struct kept *k = history_find(h, id);
	bool closed = memcmp(h->closed[at].id.b, id->b, ID_BYTES) == 0;

	if (k || closed)
		*order = k ? k->order : h->closed[at].order;
	return k || closed;
}

static void close_id(struct history *h, const struct id *id, uint64_t order)
{
	size_t at = hash16(h, id->b) % CLOSED_IDS;

	h->closed[at].id = *id;
	h->closed[at].order = order;
}

static void drop(struct history *h, struct kept *k)
{
	link_out(h, k);
	shelf_del(h->shelf, k->number);
	free(k);
}

static void forget(struct history *h, struct kept *k)
{
	close_id(h, &k->id, k->order);
	drop(h, k);
}

static const struct ranks *own_of(const struct history *h, const struct alert *a)
{
	return &h->of_sender[sender_of(h, a->topic)];
}

/* Its sender's large ones have their share of the file: that always holds, for what is full of them is so for everybody. */
static bool is_beyond_share(const struct history *h, const struct alert *a)
{
	size_t n = large(a->topic->text.n, a->payload.n);

	return n && own_of(h, a)->large + n > h->large_max / (HISTORY_ALERTS_MAX / HISTORY_SHARE);
}

static bool is_too_much(const struct history *h, const struct alert *a)
{
	size_t n = large(a->topic->text.n, a->payload.n);

	return h->of_all.n >= HISTORY_ALERTS_MAX || (n && h->of_all.large + n > h->large_max) || is_beyond_share(h, a);
}

/* What is to go for it: of the least important the oldest, among its sender's own when they have their share already.
 * NULL: there is none that is not more important. */
static struct kept *victim(const struct history *h, const struct alert *a)
{
	const struct ranks *own = own_of(h, a), *among = own->n >= HISTORY_SHARE || is_beyond_share(h, a) ? own : &h->of_all;
	int most = rank_number(a->over, false, priority_of(a->topic));

	for (int rank = 0; rank <= most; rank++)
		if (among->rank[rank].first)
			return among->rank[rank].first;
	return NULL;
}

/* ---- rows: until u64 | over u8 | key 16 | topic length u8 | topic | payload ---- */

static struct kept *kept_new(uint64_t number, const struct alert *a, uint64_t order)
{
	struct kept *k = malloc(sizeof(*k) + a->payload.n);

	if (!k)
		return NULL;
	*k = (struct kept){ .number = number, .id = a->id, .order = order, .until_us = a->until_us, .over = a->over,
			    .priority = priority_of(a->topic), .n = a->payload.n };
	memcpy(k->key, a->key, ID_BYTES);
	memcpy(k->payload, a->payload.p, a->payload.n);
	must(span_text(a->topic->text, k->text, sizeof(k->text)));   /* a topic that was parsed is no longer */
	k->topic = topic_of_copy(a->topic, k->text);
	return k;
}

static enum err shelve(struct history *h, uint64_t number, const struct alert *a)
{
	size_t n = ROW_HEAD + a->topic->text.n + a->payload.n;
	CLEANUP(free_cleanup) uint8_t *row = malloc(n);
	struct put b = put(row, n);

	if (!row)
		return ERR_FULL;
	put_u64(&b, (uint64_t)a->until_us);
	put_u8(&b, a->over);
	put_bytes(&b, span(a->key, ID_BYTES));
	put_u8(&b, (uint8_t)a->topic->text.n);
	put_bytes(&b, a->topic->text);
	put_bytes(&b, a->payload);
	must(put_end(&b) == OK && b.n == n);
	return shelf_put(h->shelf, number, &a->id, a->receipt, put_span(&b));
}

struct opening {
	struct history *h;
	int64_t now_us;
};

/* What an alert that was kept has left of its time, by the clock of today, which may be wrong, as that of then may have been. */
static int64_t until_from(int64_t now_us, bool over, int64_t until_us)
{
	int64_t latest = now_us + (over ? HISTORY_END_US : HISTORY_KEEP_US);

	if (until_us <= now_us && !over)
		return now_us + HISTORY_LATE_US;
	return until_us < latest ? until_us : latest;
}

/* A row that is no alert any more is left alone; the end of one goes in its time. */
static bool take_up(void *ctx, uint64_t number, struct span value)
{
	struct opening *o = ctx;
	struct cur c = cur(value);
	struct topic topic;
	struct alert a = { .topic = &topic };
	struct span text;
	struct kept *k;

	a.until_us = (int64_t)cur_u64(&c);
	a.over = cur_u8(&c) != 0;
	a.key = cur_take(&c, ID_BYTES).p;
	text = cur_take(&c, cur_u8(&c));
	a.payload = cur_take(&c, c.left.n);
	o->h->number = number;
	if (cur_end(&c) != OK || topic_parse(text, &topic) != OK || envelope_peek_id(a.payload, &a.id) != OK)
		return true;
	a.until_us = until_from(o->now_us, a.over, a.until_us);
	if (a.until_us <= o->now_us)
		return false;
	k = kept_new(number, &a, envelope_peek_order(a.payload));
	if (k)
		link_in(o->h, k);
	return true;
}

enum err history_open(const char *path, const uint8_t root[32], size_t map_bytes, int64_t now_us, struct history **out)
{
	CLEANUP(history_close) struct history *h = calloc(1, sizeof(*h));
	struct opening o = { h, now_us };

	if (!h)
		return ERR_FULL;
	crypt_random(h->hash_key, sizeof(h->hash_key));
	h->large_max = map_bytes / 2;
	TRY(shelf_open(path, root, map_bytes, take_up, &o, &h->shelf));
	*out = h;
	h = NULL;
	return OK;
}

enum err history_probe(const char *path, size_t map_bytes) { return shelf_probe(path, map_bytes); }
enum err history_keep_aside(const char *path, char *kept, size_t cap) { return shelf_keep_aside(path, kept, cap); }

void history_close(struct history **hp)
{
	struct history *h = *hp;

	*hp = NULL;
	if (!h)
		return;
	shelf_close(&h->shelf);
	for (struct kept *k = h->first, *next; k; k = next) {
		next = k->next;
		free(k);
	}
	free(h);
}

/* ---- alerts ---- */

static bool same_place(const struct topic *a, const struct topic *b)
{
	return span_eq(a->level[0], b->level[0]) && span_eq(topic_word(a, "unit"), topic_word(b, "unit")) &&
	       span_eq(topic_word(a, "device"), topic_word(b, "device"));
}

static bool is_of(const struct kept *k, const uint8_t key[ID_BYTES], const struct topic *place)
{
	return memcmp(k->key, key, ID_BYTES) == 0 && same_place(&k->topic, place);
}

/* Sent again after a restart that forgot the alert, as it was over, but still has its end: that leaves none before it, so it is
 * the first. */
static bool ended(struct history *h, const struct alert *a, uint64_t order)
{
	const struct kept *k = keyed(h, a->key)->first;

	while (k && !is_of(k, a->key, a->topic))
		k = k->next_by_key;
	return k && k->over && order < k->order;
}

/* What an end ends that is sent again: not what began anew since. */
static void end_again(struct history *h, const struct alert *a, uint64_t order)
{
	struct kept *next;

	for (struct kept *k = keyed(h, a->key)->first; k; k = next) {
		next = k->next_by_key;
		if (k->order < order && is_of(k, a->key, a->topic))
			forget(h, k);
	}
}

enum err history_put(struct history *h, const struct alert *a)
{
	uint64_t order = envelope_peek_order(a->payload);
	struct kept *k;
	enum err e;

	if (seen(h, &a->id, &order)) {
		if (a->over)
			end_again(h, a, order);
		return shelf_again(h->shelf, &a->id, a->receipt);
	}
	if (!a->over && ended(h, a, order)) {
		close_id(h, &a->id, order);
		return shelf_again(h->shelf, &a->id, a->receipt);
	}
	if (a->over)
		history_answer(h, a->key, a->topic, HISTORY_DONE);
	while (is_too_much(h, a)) {
		h->evicted++;
		k = victim(h, a);
		if (!k)
			return OK;
		drop(h, k);
	}
	k = kept_new(h->number + 1, a, order);
	e = k ? shelve(h, k->number, a) : ERR_FULL;
	if (e != OK) {
		free(k);
		return e;
	}
	h->number++;
	link_in(h, k);
	return OK;
}

void history_answer(struct history *h, const uint8_t key[ID_BYTES], const struct topic *topic, enum history_answer what)
{
	struct kept *next;

	for (struct kept *k = keyed(h, key)->first; k; k = next) {
		next = k->next_by_key;
		if (!is_of(k, key, topic))
			continue;
		if (what == HISTORY_DONE) {
			forget(h, k);
			continue;
		}
		rank_out(h, k);
		k->accepted = what == HISTORY_ACCEPTED;
		rank_in(h, k);
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

uint64_t history_number(const struct history *h) { return h->number; }
size_t history_count(const struct history *h) { return h->of_all.n; }
uint64_t history_evicted(const struct history *h) { return h->evicted; }
uint64_t history_damaged(const struct history *h) { return shelf_damaged(h->shelf); }
enum err history_trouble(const struct history *h) { return shelf_trouble(h->shelf); }

size_t history_owed(struct history *h, char topic[TOPIC_BYTES_MAX + 1], struct id *id, size_t most)
{
	return shelf_owed(h->shelf, topic, id, most);
}

/* ---- reading back ---- */

void history_retain(struct history *h, const struct past_keep *keep)
{
	h->keep = *keep;
	shelf_past_keep(h->shelf, keep);
}

bool history_keeps(const struct history *h, enum topic_kind kind)
{
	enum past_class class = past_class_of(kind);

	return class != PAST_CLASSES && h->keep.of[class];
}

void history_note(struct history *h, const struct topic *t, const struct id *id, int64_t now_us, struct span payload)
{
	enum past_class class = past_class_of(t->kind);
	enum err e;

	if (!history_keeps(h, t->kind))
		return;
	e = shelf_past_put(h->shelf, class, id, (uint64_t)now_us, t->text, payload);
	h->unnoted += e != OK && e != ERR_BUSY;     /* those the shelf counts */
}

uint64_t history_unnoted(const struct history *h) { return h->unnoted + shelf_past_lost(h->shelf); }
uint64_t history_yielded(const struct history *h) { return shelf_past_yielded(h->shelf); }
uint64_t history_keys_refused(const struct history *h) { return shelf_keys_refused(h->shelf); }
enum err history_erase(struct history *h, struct span place, uint64_t *keys) { return shelf_erase(h->shelf, place, keys); }
void history_look(struct history *h, struct shelf_look *l) { shelf_look(h->shelf, l); }
struct shelf_look *history_looked(struct history *h) { return shelf_looked(h->shelf); }

#include "digest.h"

#include <stdlib.h>

#include "audited.h"
#include "crypt.h"
#include "cur.h"
#include "words.h"

#define BUCKETS 4096
#define NONE UINT16_MAX

enum { ACTOR, CLIENT, ADDRESS, TOPIC, PATIENT, TEXTS };
static const size_t text_max[TEXTS] = { AUDITED_ACTOR_MAX, AUDITED_CLIENT_MAX, AUDITED_ADDRESS_MAX, AUDITED_TOPIC_MAX,
					AUDITED_PATIENT_MAX };

struct row {
	struct happening h;         /* as its first message told it; its spans point into `text` */
	uint64_t group, member;     /* which messages; whose copy of them */
	uint16_t next;              /* in its bucket, with others of its group; of the free ones */
	uint16_t alike;             /* in the chain it is looked up by */
	bool told;                  /* while its bucket is being told */
	struct id first, last;
	uint64_t count;
	int64_t last_us;
	uint8_t chain[SHA256_BYTES], policy[16];
	uint8_t text[AUDITED_ACTOR_MAX + AUDITED_CLIENT_MAX + AUDITED_ADDRESS_MAX + AUDITED_TOPIC_MAX + AUDITED_PATIENT_MAX];
};

struct digest {
	void (*out)(void *ctx, const struct happening *h);
	void *ctx;
	uint64_t key[2];
	int64_t second;             /* whose buckets were told last */
	uint16_t bucket[BUCKETS];   /* by group: what is told together */
	uint16_t chain[BUCKETS];    /* by group and member: a group may have thousands */
	uint16_t free;
	struct row row[DIGEST_ROWS];
};

enum err digest_open(void (*out)(void *ctx, const struct happening *h), void *ctx, struct digest **dp)
{
	struct digest *d = *dp = calloc(1, sizeof(*d));

	if (!d)
		return ERR_FULL;
	d->out = out;
	d->ctx = ctx;
	crypt_random(d->key, sizeof(d->key));
	memset(d->bucket, 0xff, sizeof(d->bucket));
	memset(d->chain, 0xff, sizeof(d->chain));
	for (size_t i = 0; i < DIGEST_ROWS; i++)
		d->row[i].next = i + 1 < DIGEST_ROWS ? (uint16_t)(i + 1) : NONE;
	return OK;
}

/* ---- which row -------------------------------------------------------------------------------------------------- */

static struct span cut(struct span s, size_t max)
{
	return span(s.p, s.n < max ? s.n : max);
}

static void texts_of(const struct happening *h, struct span text[TEXTS])
{
	const struct span all[TEXTS] = { h->actor, h->client, h->address, h->topic, h->patient };

	for (size_t i = 0; i < TEXTS; i++)
		text[i] = cut(all[i], text_max[i]);
}

/* Sender (the tag of the id), topic and what was decided; line and QoS are the recipient's. */
static uint64_t group_of(const struct digest *d, const struct happening *h, const struct span text[TEXTS])
{
	const uint32_t head[] = { (uint32_t)h->type, (uint32_t)h->outcome, h->why, h->retain, (uint32_t)h->basis,
				  (uint32_t)text[TOPIC].n };
	uint8_t b[sizeof(head) + 8 + AUDITED_TOPIC_MAX + AUDITED_PATIENT_MAX];
	struct put all = put(b, sizeof(b));

	put_bytes(&all, span(head, sizeof(head)));
	put_bytes(&all, span(h->message->b + ID_BYTES - 8, 8));
	put_bytes(&all, text[TOPIC]);
	put_bytes(&all, text[PATIENT]);
	return words_hash(d->key, put_span(&all));
}

static uint64_t member_of(const struct digest *d, const struct happening *h, const struct span text[TEXTS])
{
	const uint64_t head[] = { (uint64_t)h->party, h->line, h->qos, (uint64_t)h->emergency_us, (uint64_t)h->how,
				  text[ACTOR].n, text[CLIENT].n };
	uint8_t b[sizeof(head) + AUDITED_ACTOR_MAX + AUDITED_CLIENT_MAX + AUDITED_ADDRESS_MAX];
	struct put all = put(b, sizeof(b));

	put_bytes(&all, span(head, sizeof(head)));
	put_bytes(&all, text[ACTOR]);
	put_bytes(&all, text[CLIENT]);
	put_bytes(&all, text[ADDRESS]);
	return words_hash(d->key, put_span(&all));
}

static uint16_t *bucket_of(struct digest *d, uint64_t group)
{
	return &d->bucket[group % BUCKETS];
}

static uint16_t *chain_of(struct digest *d, uint64_t group, uint64_t member)
{
	return &d->chain[(group ^ (member << 1 | member >> 63)) % BUCKETS];
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

static void tell(struct digest *d, const struct row *r)
{
	struct happening h = r->h;

	h.message = &r->first;
	h.last = &r->last;
	h.digest = r->chain;
	h.count = r->count;
	h.until_us = r->last_us;
	d->out(d->ctx, &h);
}

static bool same_messages(const struct row *a, const struct row *b)
{
	return a->group == b->group && a->count == b->count && memcmp(a->chain, b->chain, sizeof(a->chain)) == 0;
}

/* Those who got the same messages one after another. */
static void tell_alike(struct digest *d, uint16_t first)
{
	for (uint16_t i = first; i != NONE; i = d->row[i].next) {
		if (d->row[i].told || !same_messages(&d->row[first], &d->row[i]))
			continue;
		tell(d, &d->row[i]);
		d->row[i].told = true;
	}
}

static void unchain(struct digest *d, uint16_t row)
{
	uint16_t *at = chain_of(d, d->row[row].group, d->row[row].member);

	while (*at != row)
		at = &d->row[*at].alike;
	*at = d->row[row].alike;
}

static void tell_bucket(struct digest *d, uint16_t *bucket)
{
	for (uint16_t i = *bucket; i != NONE; i = d->row[i].next)
		if (!d->row[i].told)
			tell_alike(d, i);
	while (*bucket != NONE) {
		struct row *r = &d->row[*bucket];
		uint16_t at = *bucket;

		unchain(d, at);
		*bucket = r->next;
		r->next = d->free;
		d->free = at;
	}
}

/* ---- counting --------------------------------------------------------------------------------------------------- */

static void fill(struct row *r, const struct happening *h, const struct span text[TEXTS])
{
	struct span *const to[TEXTS] = { &r->h.actor, &r->h.client, &r->h.address, &r->h.topic, &r->h.patient };
	size_t at = 0;

	r->h = *h;
	for (size_t i = 0; i < TEXTS; i++) {
		if (text[i].n)
			memcpy(r->text + at, text[i].p, text[i].n);
		*to[i] = span(r->text + at, text[i].n);
		at += text[i].n;
	}
	r->h.detail = span(NULL, 0);
	if (h->policy) {
		memcpy(r->policy, h->policy, sizeof(r->policy));
		r->h.policy = r->policy;
	}
	r->told = false;
	r->first = *h->message;
	r->count = 0;
	memset(r->chain, 0, sizeof(r->chain));
}

static struct row *row_of(struct digest *d, const struct happening *h)
{
	struct span text[TEXTS];
	uint64_t group, member;
	uint16_t *bucket, *chain, i;
	struct row *r;

	texts_of(h, text);
	group = group_of(d, h, text);
	member = member_of(d, h, text);
	bucket = bucket_of(d, group);
	chain = chain_of(d, group, member);
	for (i = *chain; i != NONE; i = d->row[i].alike)
		if (d->row[i].group == group && d->row[i].member == member)
			return &d->row[i];
	i = d->free;
	if (i == NONE)
		return NULL;
	r = &d->row[i];
	d->free = r->next;
	fill(r, h, text);
	r->group = group;
	r->member = member;
	r->next = *bucket;
	*bucket = i;
	r->alike = *chain;
	*chain = i;
	return r;
}

bool digest_add(struct digest *d, const struct happening *h)
{
	struct row *r;

	if (!h->message || h->life_critical || h->detail.n)
		return false;
	r = row_of(d, h);
	if (!r)
		return false;
	if (r->count && memcmp(r->last.b, h->message->b, ID_BYTES) == 0)
		return true;
	SHA256(r->chain, span(r->chain, sizeof(r->chain)), span(h->message->b, ID_BYTES));
	r->last = *h->message;
	r->last_us = h->at_us;
	r->count++;
	return true;
}

/* ---- when ------------------------------------------------------------------------------------------------------- */

void digest_tick(struct digest *d, int64_t mono_us)
{
	int64_t second = mono_us / 1000000, from = d->second + 1;

	if (second - from >= DIGEST_S)
		from = second - DIGEST_S + 1;
	for (int64_t s = from; s <= second; s++)
		for (size_t b = (size_t)(s % DIGEST_S); b < BUCKETS; b += DIGEST_S)
			tell_bucket(d, &d->bucket[b]);
	d->second = second;
}

void digest_end(struct digest *d, struct span client)
{
	client = cut(client, AUDITED_CLIENT_MAX);
	for (size_t b = 0; b < BUCKETS; b++)
		for (uint16_t i = d->bucket[b]; i != NONE; i = d->row[i].next)
			if (span_eq(d->row[i].h.client, client)) {
				tell_bucket(d, &d->bucket[b]);
				break;
			}
}

void digest_flush(struct digest *d)
{
	for (size_t b = 0; b < BUCKETS; b++)
		tell_bucket(d, &d->bucket[b]);
}

void digest_close(struct digest **d)
{
	if (*d)
		digest_flush(*d);
	free_cleanup(d);
}

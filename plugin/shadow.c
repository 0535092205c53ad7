#include "shadow.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "crypt.h"
#include "words.h"

#define ROWS (SHADOW_SUBJECTS_MAX + SHADOW_RULES_MAX)
#define SLOTS 16384             /* a power of two, never more than a third full */

/* What is atomic is written by the broker's thread alone. */
struct row {
	struct difference d;        /* but for count and last_us, written before the row is counted */
	_Atomic uint64_t count;
	_Atomic int64_t last_us;
	uint64_t told;              /* of count */
	int64_t told_us;
};

struct shadow {
	struct policy *policy;
	struct policy_topic prepared;   /* of the last topic asked about: a message's deliveries come in a row */
	struct topic topic;
	enum access access;
	char text[TOPIC_BYTES_MAX + 1];
	uint64_t key[2];            /* names are chosen by people */
	size_t subjects, due;       /* rows of one subject; where shadow_due() goes on */
	_Atomic size_t n;
	_Atomic uint64_t asked, differed, lost;
	uint16_t slot[SLOTS];       /* of a row, from 1; 0: free */
	struct row row[ROWS];
};

enum err shadow_open(struct policy *p, struct shadow **out)
{
	struct shadow *s = calloc(1, sizeof(*s));

	if (!s)
		return ERR_FULL;
	crypt_random(s->key, sizeof(s->key));
	s->policy = p;
	*out = s;
	return OK;
}

void shadow_close(struct shadow **s)
{
	if (*s)
		policy_close(&(*s)->policy);
	free(*s);
	*s = NULL;
}

const struct policy *shadow_policy(const struct shadow *s)
{
	return s->policy;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* One writer: no need for an atomic addition. */
static void raise_by_one(_Atomic uint64_t *n)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

static const struct policy_topic *prepare(struct shadow *s, enum access a, struct span text)
{
	if (s->topic.n && s->access == a && span_eq(text, s->topic.text))
		return &s->prepared;
	s->topic.n = 0;
	if (!span_text(text, s->text, sizeof(s->text)) ||
	    (a == ACCESS_SUBSCRIBE ? filter_parse : topic_parse)(span(s->text, text.n), &s->topic) != OK) {
		s->topic.n = 0;
		return NULL;
	}
	s->access = a;
	policy_prepare(s->policy, a, &s->topic, &s->prepared);
	return &s->prepared;
}

static bool is_row(const struct row *r, const struct asked *q, const char *id, const struct verdict *then)
{
	const struct difference *d = &r->d;

	return d->party == q->party && d->access == q->access && d->now.line == q->now.line && d->then.line == then->line &&
	       d->now.why == q->now.why && d->then.why == then->why && strcmp(d->id, id) == 0;
}

/* The slot of the row, or the free one where it would be. */
static uint16_t *seek(struct shadow *s, const struct asked *q, const char *id, const struct verdict *then)
{
	uint32_t by[] = { q->party, q->access, q->now.why, q->now.line, then->why, then->line };
	uint64_t h = words_hash(s->key, span(by, sizeof(by))) ^ words_hash(s->key, span_str(id));
	size_t i = (h ^ h >> 32) & (SLOTS - 1);

	while (s->slot[i] && !is_row(&s->row[s->slot[i] - 1], q, id, then))
		i = (i + 1) & (SLOTS - 1);
	return &s->slot[i];
}

/* NULL: there is no room. */
static struct row *row_of(struct shadow *s, const struct asked *q, const struct verdict *then, bool *fresh)
{
	size_t n = atomic_load_explicit(&s->n, memory_order_relaxed);
	struct asked many = *q;
	uint16_t *slot = seek(s, q, q->id, then);
	const char *id = q->id;
	struct row *r;

	if (!*slot && s->subjects == SHADOW_SUBJECTS_MAX) {
		many.party = PULLCORD__V1__PARTY__PARTY_NONE;
		id = "";
		slot = seek(s, &many, id, then);
	}
	*fresh = !*slot;
	if (*slot)
		return &s->row[*slot - 1];
	if (n == ROWS)
		return NULL;
	r = &s->row[n];
	r->d = (struct difference){ .party = many.party, .access = q->access, .now = q->now, .then = *then, .first_us = q->at_us };
	must(span_text(span_str(id), r->d.id, sizeof(r->d.id)) && span_text(q->topic, r->d.topic, sizeof(r->d.topic)));
	*slot = (uint16_t)(n + 1);
	s->subjects += id[0] != '\0';
	return r;
}

static void fill(const struct row *r, struct difference *out)
{
	*out = r->d;
	out->count = atomic_load_explicit(&r->count, memory_order_relaxed);
	out->last_us = atomic_load_explicit(&r->last_us, memory_order_relaxed);
}

static bool count(struct shadow *s, const struct asked *q, const struct verdict *then, struct difference *out)
{
	struct row *r;
	bool fresh;

	raise_by_one(&s->differed);
	r = row_of(s, q, then, &fresh);
	if (!r) {
		raise_by_one(&s->lost);
		return false;
	}
	raise_by_one(&r->count);
	atomic_store_explicit(&r->last_us, q->at_us, memory_order_relaxed);
	if (!fresh)
		return false;
	r->told = 1;
	r->told_us = q->at_us;
	atomic_store_explicit(&s->n, (size_t)(r - s->row) + 1, memory_order_release);
	fill(r, out);
	return true;
}

bool shadow_ask(struct shadow *s, const struct holder *h, const struct asked *q, struct difference *out)
{
	const struct policy_topic *t = prepare(s, q->access, q->topic);
	struct verdict then;

	if (!t)
		return false;
	then = policy_decide_prepared(s->policy, h, q->access, t);
	if (then.why == WHY_GRAMMAR)
		return false;
	raise_by_one(&s->asked);
	return then.allow != q->now.allow && count(s, q, &then, out);
}

bool shadow_due(struct shadow *s, int64_t now_us, struct difference *out)
{
	size_t n = atomic_load_explicit(&s->n, memory_order_relaxed);

	for (; s->due < n; s->due++) {
		struct row *r = &s->row[s->due];

		fill(r, out);
		if (out->count == r->told || now_us - r->told_us < SHADOW_TELL_US)
			continue;
		out->count -= r->told;
		out->first_us = r->told_us;
		r->told += out->count;
		r->told_us = now_us;
		return true;
	}
	s->due = 0;
	return false;
}

/* ---- any thread -------------------------------------------------------------------------------------------------- */

struct shadow_counts shadow_count(const struct shadow *s)
{
	return (struct shadow_counts){
		.asked = atomic_load_explicit(&s->asked, memory_order_relaxed),
		.differed = atomic_load_explicit(&s->differed, memory_order_relaxed),
		.lost = atomic_load_explicit(&s->lost, memory_order_relaxed),
		.differences = atomic_load_explicit(&s->n, memory_order_acquire),
	};
}

struct difference shadow_difference(const struct shadow *s, size_t i)
{
	struct difference d;

	must(i < atomic_load_explicit(&s->n, memory_order_acquire));
	fill(&s->row[i], &d);
	return d;
}

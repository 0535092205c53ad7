#include "throttle.h"

#include <stdlib.h>

#include "table.h"

#define URGENT PULLCORD__V1__PRIORITY__PRIORITY_HIGH
#define TOKEN_LOOK_MS 250
#define TOKEN 60000             /* a token in the bucket's unit: so one per minute is one unit per millisecond */

/* A condition of one source. Zero: nothing of it was published yet. */
struct kind {
	uint64_t content;
	int64_t window_ends_ms;     /* repeats are folded before */
	int64_t due_ms;             /* of what is held back */
	int64_t first_us;
	struct id id;               /* promised for what is held back */
	uint32_t waiting;           /* events held back */
	uint8_t bucket_key[THROTTLE_KEY];
	uint8_t priority;
	bool live;                  /* published, and neither ended nor settled since */
	bool for_token;             /* held back by the rate, not as a repeat */
	bool over;                  /* the last said of it was its end */
};

struct bucket {
	int64_t level, at_ms;       /* in 1/TOKEN tokens */
};

struct throttle {
	struct throttle_limits limits;
	struct throttle_totals totals;
	int64_t next_ms;
	uint32_t holding;           /* conditions: those with waiting > 0 */
	struct table kinds, buckets;
	struct kind kind[THROTTLE_MAX];
	struct bucket bucket[THROTTLE_MAX];
};

enum err throttle_make(const struct throttle_limits *l, struct throttle **out)
{
	size_t table = table_bytes(THROTTLE_MAX);
	struct throttle *t = calloc(1, sizeof(*t) + 2 * table);

	if (!t)
		return ERR_FULL;
	table_init(&t->kinds, THROTTLE_MAX, t + 1);
	table_init(&t->buckets, THROTTLE_MAX, (uint8_t *)(t + 1) + table);
	t->limits = *l;
	t->next_ms = -1;
	*out = t;
	return OK;
}

void throttle_free(struct throttle **t)
{
	free(*t);
	*t = NULL;
}

void throttle_set(struct throttle *t, const struct throttle_limits *l) { t->limits = *l; }
struct throttle_totals throttle_totals(const struct throttle *t) { return t->totals; }
int64_t throttle_next_ms(const struct throttle *t) { return t->totals.waiting ? t->next_ms : -1; }

/* ---- tokens ---- */

static int64_t bucket_fill(const struct throttle *t, const struct bucket *b, int64_t now_ms)
{
	int64_t full = (int64_t)t->limits.burst * TOKEN, passed = now_ms - b->at_ms, rate = t->limits.per_minute;

	/* By division: passed * rate may not fit after a long sleep. */
	if (rate > 0 && passed > (full - b->level) / rate)
		return full;
	return b->level + (passed > 0 ? passed * rate : 0);
}

/* A bucket that is full again knows nothing a new one would not. */
static uint32_t bucket_add(struct throttle *t, const uint8_t key[THROTTLE_KEY], int64_t now_ms)
{
	uint32_t s = t->buckets.oldest;

	if (t->buckets.count == THROTTLE_MAX) {
		if (bucket_fill(t, &t->bucket[s], now_ms) < (int64_t)t->limits.burst * TOKEN)
			return TABLE_NONE;
		table_del(&t->buckets, s);
	}
	s = table_add(&t->buckets, key);
	t->bucket[s] = (struct bucket){ (int64_t)t->limits.burst * TOKEN, now_ms };
	return s;
}

static bool bucket_take(struct throttle *t, const uint8_t key[THROTTLE_KEY], int64_t now_ms)
{
	uint32_t s = table_find(&t->buckets, key);
	struct bucket *b;

	if (s == TABLE_NONE)
		s = bucket_add(t, key, now_ms);
	else
		table_touch(&t->buckets, s);
	if (s == TABLE_NONE)
		return true;   /* in doubt, tell people */
	b = &t->bucket[s];
	*b = (struct bucket){ bucket_fill(t, b, now_ms), now_ms };
	if (b->level < TOKEN)
		return false;
	b->level -= TOKEN;
	return true;
}

/* ---- conditions ---- */

/* The longest untouched condition that holds nothing back gives way. */
static uint32_t kind_add(struct throttle *t, const uint8_t key[THROTTLE_KEY])
{
	uint32_t s = t->kinds.oldest;

	if (t->kinds.count == THROTTLE_MAX) {
		while (s != TABLE_NONE && t->kind[s].waiting)
			s = table_newer(&t->kinds, s);
		if (s == TABLE_NONE)
			return TABLE_NONE;
		table_del(&t->kinds, s);
	}
	s = table_add(&t->kinds, key);
	t->kind[s] = (struct kind){ 0 };
	return s;
}

/* Nobody has it open: its beginning is held back itself, or its end was just told. */
static bool is_moot(const struct kind *k, int64_t now_ms)
{
	return !k->live && (k->for_token || (k->over && now_ms < k->window_ends_ms));
}

static enum throttle_why judge(struct throttle *t, const struct kind *k, const struct throttle_event *e, int64_t now_ms)
{
	bool urgent = e->priority >= URGENT;

	if (e->phase == PULLCORD__V1__PHASE__PHASE_END)
		return !urgent && is_moot(k, now_ms) ? THROTTLE_REPEAT : THROTTLE_ENDED;
	if (e->phase == PULLCORD__V1__PHASE__PHASE_ESCALATE || ((k->live || k->waiting) && e->priority > k->priority))
		return THROTTLE_ROSE;
	if (urgent && e->phase != PULLCORD__V1__PHASE__PHASE_CONTINUE)
		return THROTTLE_NEW;
	if (!k->live && k->for_token && k->content == e->content)
		return THROTTLE_REPEAT;   /* of one that itself waits for its token */
	if (!k->live)
		return urgent || bucket_take(t, e->bucket, now_ms) ? THROTTLE_NEW : THROTTLE_RATE;
	if (e->content != k->content || e->priority != k->priority)
		return urgent || bucket_take(t, e->bucket, now_ms) ? THROTTLE_CHANGED : THROTTLE_RATE;
	if (now_ms >= k->window_ends_ms && !k->waiting)
		return THROTTLE_QUIET;
	return THROTTLE_REPEAT;
}

static struct throttle_verdict send(struct throttle *t, struct kind *k, const struct throttle_event *e,
				    enum throttle_why why, int64_t now_ms)
{
	struct throttle_verdict v = { true, why, e->fresh, 1, e->at_us };

	t->totals.sent++;
	if (!k)
		return v;
	if (k->waiting) {
		v = (struct throttle_verdict){ true, why, k->id, k->waiting + 1, k->first_us };
		t->totals.waiting -= k->waiting;
		t->holding--;
	}
	k->waiting = 0;
	k->for_token = false;
	k->live = why != THROTTLE_ENDED;
	k->window_ends_ms = now_ms + t->limits.window_ms;
	return v;
}

/* Tokens come without a date of their own, so whoever waits for one is asked now and then. */
static void look_again(int64_t *next_ms, const struct kind *k, int64_t now_ms)
{
	int64_t at = k->for_token && now_ms + TOKEN_LOOK_MS < k->due_ms ? now_ms + TOKEN_LOOK_MS : k->due_ms;

	if (*next_ms < 0 || at < *next_ms)
		*next_ms = at;
}

static struct throttle_verdict fold(struct throttle *t, struct kind *k, const struct throttle_event *e,
				    enum throttle_why why, int64_t now_ms)
{
	int64_t due = why == THROTTLE_RATE ? now_ms + t->limits.delay_ms : k->window_ends_ms;

	if (!k->waiting) {
		k->id = e->fresh;
		k->first_us = e->at_us;
		k->due_ms = due;
		t->holding++;
	}
	if (due < k->due_ms && (k->live || why == THROTTLE_RATE))
		k->due_ms = due;
	k->for_token = k->for_token || why == THROTTLE_RATE;
	memcpy(k->bucket_key, e->bucket, THROTTLE_KEY);
	k->waiting++;
	t->totals.folded++;
	t->totals.waiting++;
	look_again(&t->next_ms, k, now_ms);
	return (struct throttle_verdict){ false, why, k->id, k->waiting, k->first_us };
}

struct throttle_verdict throttle_step(struct throttle *t, const struct throttle_event *e, int64_t now_ms)
{
	uint32_t s = table_find(&t->kinds, e->kind);
	struct throttle_verdict v;
	enum throttle_why why;
	struct kind *k;

	t->totals.seen++;
	if (s == TABLE_NONE)
		s = kind_add(t, e->kind);
	else
		table_touch(&t->kinds, s);
	if (s == TABLE_NONE)
		return send(t, NULL, e, THROTTLE_NO_ROOM, now_ms);
	k = &t->kind[s];
	why = judge(t, k, e, now_ms);
	if ((why == THROTTLE_REPEAT || why == THROTTLE_RATE) && !k->waiting && t->limits.most_held && t->holding >= t->limits.most_held)
		why = THROTTLE_NO_ROOM;
	v = why == THROTTLE_REPEAT || why == THROTTLE_RATE ? fold(t, k, e, why, now_ms) : send(t, k, e, why, now_ms);
	k->content = e->content;
	k->priority = (uint8_t)e->priority;
	k->over = e->phase == PULLCORD__V1__PHASE__PHASE_END;
	return v;
}

/* ---- time ---- */

static bool is_due(struct throttle *t, const struct kind *k, int64_t now_ms)
{
	return now_ms >= k->due_ms || (k->for_token && bucket_take(t, k->bucket_key, now_ms));
}

static struct throttle_due release(struct throttle *t, uint32_t s, int64_t now_ms)
{
	struct kind *k = &t->kind[s];
	struct throttle_due due = { .id = k->id, .count = k->waiting };

	memcpy(due.kind, table_key(&t->kinds, s), THROTTLE_KEY);
	t->totals.waiting -= k->waiting;
	t->totals.summaries++;
	t->holding--;
	k->waiting = 0;
	k->for_token = false;
	k->live = !k->over;
	k->window_ends_ms = now_ms + t->limits.window_ms;
	return due;
}

size_t throttle_tick(struct throttle *t, int64_t now_ms, struct throttle_due *out, size_t max)
{
	int64_t next = -1;
	size_t n = 0;

	if (throttle_next_ms(t) < 0 || now_ms < t->next_ms)
		return 0;
	for (uint32_t s = t->kinds.oldest; s != TABLE_NONE; s = table_newer(&t->kinds, s)) {
		struct kind *k = &t->kind[s];

		if (k->waiting && n < max && is_due(t, k, now_ms))
			out[n++] = release(t, s, now_ms);
		else if (k->waiting)
			look_again(&next, k, now_ms);
	}
	t->next_ms = next;
	return n;
}

/* ---- what happened elsewhere ---- */

void throttle_settle(struct throttle *t, const uint8_t kind[THROTTLE_KEY])
{
	uint32_t s = table_find(&t->kinds, kind);

	if (s != TABLE_NONE)
		t->kind[s].live = t->kind[s].for_token = false;
}

void throttle_refused(struct throttle *t, const uint8_t kind[THROTTLE_KEY], const struct throttle_verdict *v)
{
	uint32_t s = table_find(&t->kinds, kind);

	t->totals.refused++;
	if (s == TABLE_NONE)
		return;
	t->kind[s].live = t->kind[s].for_token = false;
	if (!v->send && t->kind[s].waiting && memcmp(&t->kind[s].id, &v->id, sizeof(v->id)) == 0) {
		t->kind[s].waiting--;
		t->totals.waiting--;
		t->holding -= !t->kind[s].waiting;
	}
}

#include "flight.h"

#include <stdlib.h>

#include "table.h"

enum state { READY, SENT, HALF };

#define TRIES_MAX 7
#define LOST_MAX 3

/* There are thousands of them: as small as can be. */
struct slot {
	uint64_t seq : FLIGHT_SEQ_BITS, tier : 3, state : 2, tries : 3;
	uint64_t lost : 2;          /* connections in a row that ended while it was unanswered */
	uint32_t order;             /* of being added */
	uint32_t due;               /* due_at(). READY: not before; HALF: to be sent again */
	uint32_t of, older, newer;  /* its condition; 1 + the neighbours in its bucket, in order of seq; 0: none */
	uint32_t made_s;
	uint32_t before, after;     /* in its tier */
};

#define NEVER INT64_MAX
#define FAR_MS (2 * FLIGHT_AGAIN_MAX_MS)        /* nobody is told to wait as long */
#define ORDER_FIRST (UINT32_MAX - 10)         /* so that it is no rare path on which they are counted anew */

struct tier {
	uint32_t first, last, n;
	uint32_t hint;              /* none before it can be sent... */
	int64_t wake_ms;            /* ...until then: all that wait for their receipt must not be looked at every time */
};

struct flight {
	struct table ids;
	uint32_t *newest, mask;     /* buckets of conditions: 1 + slot */
	struct tier tier[FLIGHT_TIERS];
	unsigned window, sent, only;
	uint64_t upto;
	unsigned urgent;            /* on their way, or without their receipt */
	int64_t hold_ms;            /* so long nothing is sent that may end the connection under them */
	int64_t pause_ms;           /* nothing is sent before */
	uint32_t added;
	struct slot slot[];
};

/* PUBACK reasons by what they mean to us (MQTT 5 §3.4.2.1); one not named here is tried again. */
static const struct { int reason; enum flight_answer answer; bool pause; } refusals[] = {
	{ 0x87, FLIGHT_ASIDE, false },   /* not authorised */
	{ 0x90, FLIGHT_ASIDE, false },   /* topic name invalid */
	{ 0x95, FLIGHT_ASIDE, false },   /* packet too large */
	{ 0x97, FLIGHT_AGAIN, true },    /* quota exceeded */
	{ 0x99, FLIGHT_ASIDE, false },   /* payload format invalid */
};

enum err flight_make(uint32_t most, unsigned window, struct flight **out)
{
	size_t slots = sizeof(struct flight) + most * sizeof(struct slot), ids = table_bytes_unordered(most), buckets = 1;
	struct flight *f;

	while (2 * buckets < most)
		buckets *= 2;
	f = calloc(1, slots + ids + buckets * sizeof(uint32_t));
	if (!f)
		return ERR_FULL;
	table_init_unordered(&f->ids, most, (uint8_t *)f + slots);
	f->newest = (uint32_t *)(void *)((uint8_t *)f + slots + ids);
	f->added = ORDER_FIRST;
	f->mask = (uint32_t)buckets - 1;
	for (unsigned i = 0; i < FLIGHT_TIERS; i++)
		f->tier[i] = (struct tier){ TABLE_NONE, TABLE_NONE, 0, TABLE_NONE, NEVER };
	f->window = window;
	f->only = FLIGHT_TIERS;
	f->upto = FLIGHT_SEQ_MAX;
	*out = f;
	return OK;
}

void flight_window(struct flight *f, unsigned window)
{
	f->window = window ? window : 1;
}

void flight_only(struct flight *f, unsigned tiers) { f->only = tiers; }
void flight_upto(struct flight *f, uint64_t seq) { f->upto = seq; }

void flight_free(struct flight **f)
{
	free(*f);
	*f = NULL;
}

static uint32_t find(const struct flight *f, const struct id *id)
{
	return table_find(&f->ids, id->b);
}

/* Half of a time is enough: nobody waits for weeks. 0: at once. */
static uint32_t due_at(int64_t ms) { return ms && !(uint32_t)ms ? 1 : (uint32_t)ms; }

static uint32_t waits_ms(const struct slot *x, int64_t now_ms)
{
	uint32_t left = x->due - (uint32_t)now_ms;

	return x->due && left <= FAR_MS ? left : 0;
}

/* Mostly it is the newest of its bucket. */
static void condition_in(struct flight *f, uint32_t s)
{
	struct slot *x = &f->slot[s];
	uint32_t *newest = &f->newest[x->of & f->mask];

	if (!x->of)
		return;
	x->older = *newest;
	while (x->older && f->slot[x->older - 1].seq > x->seq) {
		x->newer = x->older;
		x->older = f->slot[x->older - 1].older;
	}
	if (x->older)
		f->slot[x->older - 1].newer = s + 1;
	*(x->newer ? &f->slot[x->newer - 1].older : newest) = s + 1;
}

static void condition_out(struct flight *f, uint32_t s)
{
	const struct slot *x = &f->slot[s];

	if (!x->of)
		return;
	if (x->older)
		f->slot[x->older - 1].newer = x->newer;
	*(x->newer ? &f->slot[x->newer - 1].older : &f->newest[x->of & f->mask]) = x->older;
}

/* A broker whose record has stopped answers what is calm by ending the connection. */
static bool ends_connections(const struct slot *x)
{
	return x->tier >= FLIGHT_TIER_CALM && x->lost >= FLIGHT_LOST_MOST;
}

/* The first of its condition that was not sent yet, or that must wait: itself, or one of a calmer tier; but no emergency waits
 * behind what ends connections. Before what was acknowledged nothing is looked for: that was in order. */
static uint32_t first_of_condition(const struct flight *f, uint32_t s, int64_t now_ms)
{
	uint32_t first = s;

	for (uint32_t at = f->slot[s].older; at; at = f->slot[at - 1].older) {
		const struct slot *x = &f->slot[at - 1];

		if (x->of != f->slot[s].of || (f->slot[s].tier < FLIGHT_TIER_CALM && ends_connections(x)))
			continue;
		if (x->state == HALF)
			break;
		if (x->state == READY)
			first = at - 1;
		if (x->state == READY && waits_ms(x, now_ms))
			break;
	}
	return first;
}

/* Their receipts would not come any more, and all of them be sent again. */
static bool is_held(const struct flight *f, uint32_t s, int64_t now_ms)
{
	return f->urgent && now_ms < f->hold_ms && ends_connections(&f->slot[s]);
}

/* What is urgent is out while it is on its way or waits for its receipt. */
static void set_state(struct flight *f, struct slot *x, enum state to)
{
	if (x->tier < FLIGHT_TIER_CALM)
		f->urgent += (to != READY) - (x->state != READY);
	f->sent += (to == SENT) - (x->state == SENT);
	x->state = to & 3;
}

static void rehint(struct flight *f, uint32_t s)
{
	struct tier *t = &f->tier[f->slot[s].tier];

	if (t->hint == TABLE_NONE || f->slot[s].order < f->slot[t->hint].order)
		t->hint = s;
}

static void ready_now(struct flight *f, uint32_t s)
{
	f->slot[s].due = 0;
	rehint(f, s);
}

/* Something new is a reason to try at once what it must not overtake; only once, so that a refusal is heeded. */
static void bring_forward(struct flight *f, uint32_t s)
{
	for (uint32_t at = f->slot[s].older; at; at = f->slot[at - 1].older) {
		const struct slot *x = &f->slot[at - 1];

		if (x->of != f->slot[s].of || x->state == SENT)
			continue;
		if (x->state == HALF || !x->due)
			break;
		ready_now(f, at - 1);
	}
}

/* What waited only for one that is not here any more. */
static void let_go(struct flight *f, uint32_t s)
{
	for (uint32_t at = f->slot[s].newer; at; at = f->slot[at - 1].newer)
		if (f->slot[at - 1].of == f->slot[s].of && f->slot[at - 1].state == READY && f->slot[at - 1].due)
			ready_now(f, at - 1);
}

static void count_anew(struct flight *f)
{
	f->added = 0;
	for (unsigned i = 0; i < FLIGHT_TIERS; i++)
		for (uint32_t s = f->tier[i].first; s != TABLE_NONE; s = f->slot[s].after)
			f->slot[s].order = f->added++;
}

enum err flight_add(struct flight *f, const struct flight_item *item)
{
	struct tier *t = &f->tier[item->tier];
	uint32_t s;

	if (find(f, &item->id) != TABLE_NONE)
		return ERR_EXISTS;
	s = table_add(&f->ids, item->id.b);
	if (s == TABLE_NONE)
		return ERR_FULL;
	if (f->added == UINT32_MAX)
		count_anew(f);
	must(item->seq <= FLIGHT_SEQ_MAX);
	f->slot[s] = (struct slot){ .seq = item->seq & FLIGHT_SEQ_MAX, .order = f->added++, .before = t->last, .after = TABLE_NONE,
				    .of = item->of, .made_s = item->made_s, .tier = item->tier & 7 };
	condition_in(f, s);
	*(t->last != TABLE_NONE ? &f->slot[t->last].after : &t->first) = s;
	t->last = s;
	t->n++;
	if (t->hint == TABLE_NONE)
		t->hint = s;
	if (item->of)
		bring_forward(f, s);
	return OK;
}

static void forget(struct flight *f, uint32_t s)
{
	struct slot *x = &f->slot[s];
	struct tier *t = &f->tier[x->tier];

	if (t->hint == s)
		t->hint = x->after;
	*(x->before != TABLE_NONE ? &f->slot[x->before].after : &t->first) = x->after;
	*(x->after != TABLE_NONE ? &f->slot[x->after].before : &t->last) = x->before;
	t->n--;
	if (x->of && x->state == READY && x->due)
		let_go(f, s);
	condition_out(f, s);
	set_state(f, x, READY);
	table_del(&f->ids, s);
}

static void wake_at(struct tier *t, int64_t due_ms)
{
	if (due_ms < t->wake_ms)
		t->wake_ms = due_ms;
}

/* Not on its way any more; sent again at `due_ms`, 0: next. */
static void put_back(struct flight *f, uint32_t s, enum state state, int64_t due_ms)
{
	set_state(f, &f->slot[s], state);
	f->slot[s].due = due_at(due_ms);
	if (due_ms)
		wake_at(&f->tier[f->slot[s].tier], due_ms);
	else
		rehint(f, s);
}

static uint32_t due_of(struct flight *f, struct tier *t, int64_t now_ms)
{
	if (now_ms >= t->wake_ms) {
		t->hint = t->first;
		t->wake_ms = NEVER;
	}
	for (; t->hint != TABLE_NONE; t->hint = f->slot[t->hint].after) {
		const struct slot *x = &f->slot[t->hint];

		if (x->state != SENT && !waits_ms(x, now_ms))
			break;
		if (x->state != SENT)
			wake_at(t, now_ms + waits_ms(x, now_ms));
	}
	return t->hint;
}

/* What must not overtake one that waits, waits as long. */
static uint32_t next_of(struct flight *f, struct tier *t, int64_t now_ms)
{
	for (uint32_t s = due_of(f, t, now_ms); s != TABLE_NONE; s = due_of(f, t, now_ms)) {
		uint32_t first = first_of_condition(f, s, now_ms);

		if (!waits_ms(&f->slot[first], now_ms))
			return f->slot[first].seq <= f->upto ? first : TABLE_NONE;
		f->slot[s].due = f->slot[first].due;
	}
	return TABLE_NONE;
}

bool flight_take(struct flight *f, int64_t now_ms, struct flight_item *out)
{
	if (f->sent >= f->window || now_ms < f->pause_ms)
		return false;
	for (unsigned i = 0; i < f->only; i++) {
		uint32_t s = next_of(f, &f->tier[i], now_ms);

		if (s == TABLE_NONE)
			continue;
		if (is_held(f, s, now_ms))
			return false;
		if (f->slot[s].tier < FLIGHT_TIER_CALM && !f->urgent)
			f->hold_ms = now_ms + FLIGHT_RECEIPT_MS;
		set_state(f, &f->slot[s], SENT);
		*out = (struct flight_item){ .seq = f->slot[s].seq, .tier = f->slot[s].tier, .of = f->slot[s].of };
		memcpy(out->id.b, table_key(&f->ids, s), ID_BYTES);
		return true;
	}
	return false;
}

void flight_untake(struct flight *f, const struct id *id)
{
	uint32_t s = find(f, id);

	if (s != TABLE_NONE)
		put_back(f, s, READY, 0);
}

static int64_t again_ms(struct slot *x)
{
	int64_t ms = (int64_t)FLIGHT_RECEIPT_MS << (x->tries < 4 ? x->tries : 4);

	if (x->tries < TRIES_MAX)
		x->tries++;
	return ms < FLIGHT_AGAIN_MAX_MS ? ms : FLIGHT_AGAIN_MAX_MS;
}

static enum flight_answer refused(struct flight *f, uint32_t s, int reason, int64_t now_ms)
{
	for (size_t i = 0; i < countof(refusals); i++) {
		if (refusals[i].reason != reason)
			continue;
		if (refusals[i].pause) {   /* everything waits, so that nothing overtakes it */
			f->pause_ms = now_ms + FLIGHT_PAUSE_MS;
			put_back(f, s, READY, 0);
			return FLIGHT_AGAIN;
		}
		if (refusals[i].answer == FLIGHT_ASIDE) {
			forget(f, s);
			return FLIGHT_ASIDE;
		}
	}
	put_back(f, s, READY, now_ms + again_ms(&f->slot[s]));
	return FLIGHT_AGAIN;
}

enum flight_answer flight_acked(struct flight *f, const struct id *id, int reason, int64_t now_ms)
{
	uint32_t s = find(f, id);
	struct slot *x = s == TABLE_NONE ? NULL : &f->slot[s];

	if (!x || x->state != SENT)
		return FLIGHT_NOTHING;
	x->lost = 0;
	if (reason >= 0x80)
		return refused(f, s, reason, now_ms);
	if (x->tier >= FLIGHT_TIER_SAFE) {
		forget(f, s);
		return FLIGHT_DELIVERED;
	}
	put_back(f, s, HALF, now_ms + again_ms(x));
	return FLIGHT_HALF;
}

bool flight_drop(struct flight *f, const struct id *id)
{
	uint32_t s = find(f, id);

	if (s == TABLE_NONE)
		return false;
	forget(f, s);
	return true;
}

uint32_t flight_count(const struct flight *f) { return f->ids.count; }
bool flight_has(const struct flight *f, const struct id *id) { return find(f, id) != TABLE_NONE; }

bool flight_sent(const struct flight *f, const struct id *id)
{
	uint32_t s = find(f, id);

	return s != TABLE_NONE && f->slot[s].state != READY;
}

void flight_lost(struct flight *f)
{
	for (unsigned i = 0; i < FLIGHT_TIERS; i++) {
		for (uint32_t s = f->tier[i].first; s != TABLE_NONE; s = f->slot[s].after) {
			struct slot *x = &f->slot[s];

			if (x->state == SENT && x->lost < LOST_MAX)
				x->lost++;
			set_state(f, x, READY);
			x->due = 0;
		}
		f->tier[i].hint = f->tier[i].first;
		f->tier[i].wake_ms = NEVER;
	}
	f->pause_ms = 0;
}

int64_t flight_next_ms(const struct flight *f, int64_t now_ms)
{
	int64_t next = -1;

	for (unsigned i = 0; i < f->only && f->sent < f->window; i++) {
		int64_t wake = f->tier[i].wake_ms > f->pause_ms ? f->tier[i].wake_ms : f->pause_ms;

		if (wake != NEVER && (next < 0 || wake < next))
			next = wake;
		for (uint32_t s = f->tier[i].hint; s != TABLE_NONE; s = f->slot[s].after) {
			const struct slot *x = &f->slot[s];
			int64_t due = now_ms + waits_ms(x, now_ms), at = due > f->pause_ms ? due : f->pause_ms;

			if (x->state != SENT && at <= now_ms && is_held(f, first_of_condition(f, s, now_ms), now_ms))
				return next < 0 || f->hold_ms < next ? f->hold_ms : next;       /* nor what is calmer */
			if (x->state != SENT && (next < 0 || at < next))
				next = at;
			if (next >= 0 && next <= now_ms)
				return next;
		}
	}
	return next;
}

struct flight_tier flight_look(const struct flight *f, unsigned tier, int64_t real_ms)
{
	const struct tier *t = &f->tier[tier];
	struct flight_tier seen = { .n = t->n };
	int64_t made_ms;

	if (t->first == TABLE_NONE)
		return seen;
	made_ms = f->slot[t->first].made_s * 1000LL;
	seen.oldest_ms = real_ms > made_ms ? real_ms - made_ms : 0;
	return seen;
}

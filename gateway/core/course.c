#include "course.h"

#define NAME(name, text) text,
static const char *const pair_names[] = { COURSE_PAIRS(NAME) };
static const char *const event_names[] = { COURSE_EVENTS(NAME) };

const char *course_pair_name(enum course_pair p) { return pair_names[p]; }
const char *course_event_name(enum course_event e) { return event_names[e]; }

/* An empty cell ignores the event. */
static const struct { bool set; enum course_pair to; enum course_act act; } table[COURSE_PAIR_COUNT][COURSE_EV_COUNT] = {
	[COURSE_SETTLED] = {
		[COURSE_EV_RENEWED] =  { true, COURSE_STALE, COURSE_NOTHING },
	},
	[COURSE_STALE] = {
		[COURSE_EV_RENEWED] =  { true, COURSE_STALE, COURSE_NOTHING },
		[COURSE_EV_DIALED] =   { true, COURSE_TRIED, COURSE_NOTHING },
		[COURSE_EV_RESTORED] = { true, COURSE_SETTLED, COURSE_NOTHING },
	},
	[COURSE_TRIED] = {
		[COURSE_EV_RENEWED] =  { true, COURSE_STALE, COURSE_NOTHING },
		[COURSE_EV_TAKEN] =    { true, COURSE_SETTLED, COURSE_KEEP },
		[COURSE_EV_REFUSED] =  { true, COURSE_TRIED, COURSE_GO_BACK },
		[COURSE_EV_FAILED] =   { true, COURSE_TRIED, COURSE_GO_BACK },
		[COURSE_EV_RESTORED] = { true, COURSE_SETTLED, COURSE_NOTHING },
	},
};

void course_init(struct course *c, unsigned brokers)
{
	*c = (struct course){ .brokers = brokers };
}

enum course_act course_step(struct course *c, enum course_event e, int64_t now_ms)
{
	enum course_pair from = c->pair;

	if (e == COURSE_EV_DIALED)
		c->at = c->next;
	if (e == COURSE_EV_RENEWED)
		c->renew_ms = now_ms + COURSE_RENEW_MS;
	if (e == COURSE_EV_DIALED && from == COURSE_STALE)
		c->failed = 0;
	if (!table[from][e].set || (e == COURSE_EV_FAILED && ++c->failed < COURSE_TRIES))
		return COURSE_NOTHING;
	c->pair = table[from][e].to;
	return table[from][e].act;
}

void course_lost(struct course *c, int64_t now_ms)
{
	bool held = now_ms - c->moved_ms >= COURSE_STEADY_MS;

	if (!c->moved || c->next != c->at)      /* or still on the way there */
		return;
	c->moved = false;
	c->hold_ms = held ? 0 : c->hold_ms ? 2 * c->hold_ms : COURSE_HOLD_MIN_MS;
	if (c->hold_ms > COURSE_HOLD_MAX_MS)
		c->hold_ms = COURSE_HOLD_MAX_MS;
	c->until_ms = now_ms + c->hold_ms;
}

void course_failed(struct course *c, int64_t now_ms)
{
	course_lost(c, now_ms);
	if (c->next == c->at)
		c->next = (c->at + 1) % c->brokers;
}

bool course_better(struct course *c, unsigned broker, int64_t now_ms)
{
	if (broker >= c->at || now_ms < c->until_ms)
		return false;
	c->next = broker;
	c->moved = true;
	c->moved_ms = now_ms;
	return true;
}

bool course_anew(const struct course *c, bool idle, int64_t now_ms)
{
	return c->next != c->at || (c->pair == COURSE_STALE && (idle || now_ms >= c->renew_ms));
}

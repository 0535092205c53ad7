#include "link.h"

#define NAME(name, text) text,
static const char *const state_names[] = { LINK_STATES(NAME) };
static const char *const event_names[] = { LINK_EVENTS(NAME) };
static const char *const act_names[] = { LINK_ACTS(NAME) };

const char *link_state_name(enum link_state s) { return state_names[s]; }
const char *link_event_name(enum link_event e) { return event_names[e]; }
const char *link_act_name(enum link_act a) { return act_names[a]; }

/* An empty cell ignores the event. */
static const struct cell { bool set; enum link_state to; enum link_act act; } table[LINK_STATE_COUNT][LINK_EV_COUNT] = {
	[LINK_DOWN] = {
		[LINK_EV_START] =     { true, LINK_DIALING, LINK_DIAL },
	},
	[LINK_DIALING] = {
		[LINK_EV_CONNECTED] = { true, LINK_UP, LINK_GREET },
		[LINK_EV_LOST] =      { true, LINK_WAITING, LINK_DROP },
		[LINK_EV_TIMEOUT] =   { true, LINK_WAITING, LINK_DROP },
		[LINK_EV_STOP] =      { true, LINK_DOWN, LINK_DROP },
	},
	[LINK_UP] = {
		[LINK_EV_LOST] =      { true, LINK_WAITING, LINK_DROP },
		[LINK_EV_STOP] =      { true, LINK_STOPPING, LINK_BYE },
	},
	[LINK_WAITING] = {
		[LINK_EV_TIMEOUT] =   { true, LINK_DIALING, LINK_DIAL },
		[LINK_EV_URGENT] =    { true, LINK_DIALING, LINK_DIAL },
		[LINK_EV_STOP] =      { true, LINK_DOWN, LINK_NOTHING },
	},
	[LINK_STOPPING] = {
		[LINK_EV_SAID] =      { true, LINK_DOWN, LINK_DROP },
		[LINK_EV_LOST] =      { true, LINK_DOWN, LINK_DROP },
		[LINK_EV_TIMEOUT] =   { true, LINK_DOWN, LINK_DROP },
	},
};

void link_init(struct link *l, int64_t dial_ms)
{
	*l = (struct link){ .dial_ms = dial_ms };
}

/* 100 ms doubling to 10 s, of which a random half is taken off. At once after a connection that held: most often the
 * broker is there still, and when it is not, all who lost it are refused together and part ways in what follows. */
static int64_t wait_ms(unsigned tries, uint32_t random)
{
	int64_t ms = LINK_WAIT_MIN_MS;

	if (tries == 0)
		return (int64_t)(random % (LINK_BLIP_MS + 1));
	while (--tries > 0 && ms < LINK_WAIT_MAX_MS)
		ms *= 2;
	if (ms > LINK_WAIT_MAX_MS)
		ms = LINK_WAIT_MAX_MS;
	return ms - (int64_t)(random % (uint32_t)(ms / 2 + 1));
}

static int64_t deadline(const struct link *l, int64_t now_ms, uint32_t random)
{
	switch (l->state) {
	case LINK_DIALING:
		return now_ms + l->dial_ms;
	case LINK_WAITING:
		return now_ms + wait_ms(l->tries, random);
	case LINK_STOPPING:
		return now_ms + LINK_BYE_MS;
	default:
		return 0;
	}
}

/* Urgent, but the last try has only just failed: wait, though not as long as planned. */
static bool too_soon(struct link *l, enum link_event e, int64_t now_ms)
{
	int64_t at = l->since_ms + LINK_URGENT_MS;

	if (e != LINK_EV_URGENT || l->state != LINK_WAITING || now_ms >= at)
		return false;
	if (at < l->deadline_ms)
		l->deadline_ms = at;
	return true;
}

static bool has_held(const struct link *l, int64_t now_ms)
{
	return l->state == LINK_UP && now_ms - l->since_ms >= LINK_STEADY_MS;
}

bool link_fails(const struct link *l, int64_t now_ms)
{
	return l->state == LINK_DIALING || (l->state == LINK_UP && !has_held(l, now_ms) && l->tries >= LINK_FLAPS);
}

enum link_act link_step(struct link *l, enum link_event e, int64_t now_ms, uint32_t random)
{
	const struct cell *c = &table[l->state][e];

	if (!c->set || too_soon(l, e, now_ms))
		return LINK_NOTHING;
	if (has_held(l, now_ms))
		l->tries = 0;
	else if (c->to == LINK_WAITING && l->tries < 32)
		l->tries++;
	l->state = c->to;
	l->since_ms = now_ms;
	l->deadline_ms = deadline(l, now_ms, random);
	return c->act;
}

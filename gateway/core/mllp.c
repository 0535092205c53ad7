#include "mllp.h"

enum byte { VT, FS, CR, OTHER, BYTES };

enum act {
	SKIP,
	JUNK,
	START,          /* a new, empty payload */
	RESTART,        /* as START, and the one before is lost */
	KEEP,           /* append the byte */
	HOLD,           /* 1C: perhaps the end */
	KEEP_FS,        /* it was not: append the 1C held, hold this one */
	KEEP_BOTH,      /* it was not: append the 1C held and the byte */
	DELIVER,
};

static const struct {
	enum mllp_state next;
	enum act act;
} table[MLLP_STATES][BYTES] = {
	[MLLP_IDLE] = {
		[VT] = { MLLP_BODY, START },
		[FS] = { MLLP_IDLE, JUNK },
		[CR] = { MLLP_IDLE, SKIP },
		[OTHER] = { MLLP_IDLE, JUNK },
	},
	[MLLP_BODY] = {
		[VT] = { MLLP_BODY, RESTART },
		[FS] = { MLLP_END, HOLD },
		[CR] = { MLLP_BODY, KEEP },
		[OTHER] = { MLLP_BODY, KEEP },
	},
	[MLLP_END] = {
		[VT] = { MLLP_BODY, RESTART },
		[FS] = { MLLP_END, KEEP_FS },
		[CR] = { MLLP_IDLE, DELIVER },
		[OTHER] = { MLLP_BODY, KEEP_BOTH },
	},
	[MLLP_SKIP] = {   /* the rest of what was too large */
		[VT] = { MLLP_BODY, START },
		[FS] = { MLLP_SKIP_END, SKIP },
		[CR] = { MLLP_SKIP, SKIP },
		[OTHER] = { MLLP_SKIP, SKIP },
	},
	[MLLP_SKIP_END] = {
		[VT] = { MLLP_BODY, START },
		[FS] = { MLLP_SKIP_END, SKIP },
		[CR] = { MLLP_IDLE, SKIP },
		[OTHER] = { MLLP_SKIP, SKIP },
	},
};

static const size_t appends[] = { [KEEP] = 1, [KEEP_FS] = 1, [KEEP_BOTH] = 2, [DELIVER] = 0 };

static enum byte byte_of(uint8_t b)
{
	return b == 0x0b ? VT : b == 0x1c ? FS : b == 0x0d ? CR : OTHER;
}

void mllp_push(struct mllp *m, struct span bytes)
{
	must(m->in.n == 0);
	m->in = bytes;
}

static void act_on(struct mllp *m, enum act act, uint8_t b)
{
	if (act == START || act == RESTART) {
		m->resyncs += act == RESTART;
		m->n = 0;
		m->junk = 0;
	}
	if (act == KEEP_FS || act == KEEP_BOTH)
		m->body[m->n++] = 0x1c;
	if (act == KEEP || act == KEEP_BOTH)
		m->body[m->n++] = b;
	m->junk += act == JUNK;
}

enum mllp_says mllp_next(struct mllp *m, struct span *payload)
{
	*payload = span(NULL, 0);
	while (m->in.n) {
		uint8_t b = m->in.p[0];
		enum act act = table[m->state][byte_of(b)].act;
		size_t need = m->n + appends[act];

		if (appends[act] && need > m->cap && need <= MLLP_MESSAGE_MAX)
			return MLLP_ROOM;
		m->in = span(m->in.p + 1, m->in.n - 1);
		if (appends[act] && need > MLLP_MESSAGE_MAX) {
			*payload = span(m->body, m->n);
			m->state = byte_of(b) == FS ? MLLP_SKIP_END : MLLP_SKIP;
			return MLLP_TOO_LARGE;
		}
		m->state = table[m->state][byte_of(b)].next;
		act_on(m, act, b);
		if (act == DELIVER) {
			*payload = span(m->body, m->n);
			return MLLP_FRAME;
		}
		if (m->junk > MLLP_JUNK_MAX)
			return MLLP_JUNK;
	}
	return MLLP_MORE;
}

void mllp_room(struct mllp *m, uint8_t *body, size_t cap)
{
	must(cap >= m->n);
	m->body = body;
	m->cap = cap;
}

bool mllp_inside(const struct mllp *m)
{
	return m->state != MLLP_IDLE;
}

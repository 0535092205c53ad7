/* mllp: frames out of a stream of bytes, MLLP release 1 (HL7 Transport Specification: MLLP): 0B payload 1C 0D.
 *
 * A payload comes out only when its start byte was seen; how the stream was cut into pieces makes no difference. The
 * whole decoder is one table in mllp.c. Pure: the payload grows in storage the caller brings and may replace.
 *
 *     mllp_push(&m, bytes);
 *     while ((says = mllp_next(&m, &payload)) != MLLP_MORE)
 *             ...
 *
 * All zero is a decoder at rest without storage. */
#ifndef PULLCORD_MLLP_H
#define PULLCORD_MLLP_H

#include "span.h"

#define MLLP_MESSAGE_MAX (1 << 20)
#define MLLP_JUNK_MAX 1024             /* bytes in a row outside any frame */

enum mllp_state { MLLP_IDLE, MLLP_BODY, MLLP_END, MLLP_STATES };

enum mllp_says {
	MLLP_MORE,                     /* what was pushed is used up */
	MLLP_FRAME,                    /* a payload, perhaps empty */
	MLLP_ROOM,                     /* bring more with mllp_room(), at most MLLP_MESSAGE_MAX, then go on */
	MLLP_TOO_LARGE,                /* dropped; payload is its beginning, so that it can be named in the refusal */
	MLLP_JUNK,                     /* MLLP_JUNK_MAX exceeded: whoever this is does not speak MLLP; close */
};

struct mllp {
	enum mllp_state state;
	struct span in;                /* pushed, not looked at yet */
	uint8_t *body;                 /* the caller's */
	size_t n, cap;
	size_t junk;                   /* in a row */
	uint64_t resyncs;              /* frames dropped because another one began inside */
};

/* Borrows `bytes` until mllp_next() says MORE. */
void mllp_push(struct mllp *m, struct span bytes);
/* *payload borrows from the storage until the next call. */
enum mllp_says mllp_next(struct mllp *m, struct span *payload);
/* Larger (or smaller, but not than what is kept) storage; what was in the old is the caller's to copy (realloc). */
void mllp_room(struct mllp *m, uint8_t *body, size_t cap);
/* In the middle of a frame: if the stream ends now, it was truncated. */
bool mllp_inside(const struct mllp *m);

#endif

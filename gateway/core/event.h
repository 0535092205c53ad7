/* event: what an input heard, in our terms; and the answers that go back to it. Plain data, shared by inputs, norm,
 * throttle and the outbox. Spans and strings borrow from the input's arena until the call they are passed to returns. */
#ifndef PULLCORD_EVENT_H
#define PULLCORD_EVENT_H

#include "envelope.h"
#include "id.h"
#include "key.h"

#define EVENT_VALUES_MAX 256

enum event_kind { EVENT_NONE, EVENT_ALERT, EVENT_OBSERVATIONS };

struct event {
	enum event_kind kind;
	struct span source;        /* the device behind us, e.g. "MON412B"; also in the body */
	struct span source_id;     /* its own id of this message (MSH-10); never empty */
	struct digest digest;      /* with source and source_id the idempotency key */
	struct span place;         /* point of care as the source calls it (PV1-3.1); the settings map it to a unit */
	union {
		Pullcord__V1__Alert alert;
		Pullcord__V1__Observations observations;
	};
};

/* A repetition is byte for byte what came before: a controller that counts its messages from 1 again after a restart
 * uses ids a second time for other alarms, and none of those may be taken for a repetition. Whoever repeats a message
 * with a new time stamp makes a second one of the same Alert.key, which readers show as one; to be told twice is the
 * lesser evil. So the digest is that of the bytes, not of what we understood of them. */

/* What becomes of an event, told to the input that brought it, by (source, source_id). In this order, each at most
 * once except UPDATE; REFUSED alone. After UNSENT it may still become STORED. DURABLE and REFUSED also carry the event's digest. */
enum answer_kind {
	ANSWER_DURABLE,            /* survives power loss here: only now may the source be told "yes" */
	ANSWER_STORED,             /* the broker has it durably, too */
	ANSWER_UPDATE,             /* a person did something about it: state, by */
	ANSWER_REFUSED,            /* not taken: why */
	ANSWER_UNSENT,             /* it was DURABLE, but the broker will not have it: why. Kept for a person to mend */
};

struct answer {
	enum answer_kind kind;
	struct span source, source_id;
	struct digest digest;
	struct id alert;           /* Envelope.id of the message it became part of */
	bool folded;               /* counted into that message instead of sent alone; being late is not that */
	Pullcord__V1__AlertState state;
	struct span by;
	enum err why;
	bool told;                 /* REFUSED: it had gone out before it could not be kept; again it is the same message */
};

/* What is wrong with what comes of a source. The last is found by the pipeline. */
enum missed {
	MISSED_MEANING,            /* a message was answered with an error for what it said */
	MISSED_END,                /* a message ended before its end, or what came was none; it has no answer */
	MISSED_PLACE,              /* a connection was closed because there was no place left */
	MISSED_UNIT,               /* an event named a place that [units] does not list: it went to the gateway's own unit */
	MISSED_KINDS
};

#endif

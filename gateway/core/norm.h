/* norm: what a message means in our terms. HL7 v2 in, one event out, together with what the sender is to be answered.
 *
 *     ORU^R40 (IHE PCD-04)    an alert: kind, priority, phase, place, patient, one line a nurse reads
 *     ORU^R01 (IHE PCD-01)    observations
 *     anything else           refused, with the reason; also what is of several patients, places or alarms, or several messages
 *
 * An alarm that must be refused, or that cannot be understood, or whose MSH-9 is missing, still becomes an event: a
 * technical alert "Unreadable alarm from X" of the same key, for somebody has to look. Everything written obeys the limits
 * of envelope.c: valid UTF-8, lengths cut at a character, counts. Pure. */
#ifndef PULLCORD_NORM_H
#define PULLCORD_NORM_H

#include "ack.h"
#include "event.h"

#define NORM_ARENA 131072              /* enough for every event within the limits */
#define NORM_TEXT_MAX 512              /* Alert.text */
#define NORM_WORD_MAX 256              /* any other text */
#define NORM_ALERT_VALUES_MAX 16
#define NORM_BODY_MAX 60000            /* an event's body, serialised; leaves room for the envelope around it */

/* What the feed adds to a message. */
struct norm_feed {
	int zone_minutes;              /* of time stamps that name none */
	const char *source;            /* of messages that name none: UTF-8, 1 to NORM_WORD_MAX bytes */
	int64_t received_us;
};

/* ACK_ACCEPT: push the event, answer yes when it is durable. Otherwise the answer is no; out->kind tells whether there
 * is an event to push all the same. The event borrows from arena, message and feed. */
struct ack norm_hl7(const struct hl7 *m, const struct norm_feed *feed, struct arena *arena, struct event *out);

/* The same for a message refused before it was read, e.g. because it breaks a limit and only hl7_head() took it. */
void norm_refused(const struct hl7 *m, struct ack why, const struct norm_feed *feed, struct arena *arena,
		  struct event *out);

#endif

/* uplink: one connection at a time to the broker. A table of functions, so that tests bring their own broker.
 *
 * Calls are made on the loop's thread and never block; what happens comes back through next(), after wake(ctx) was
 * called from any thread. dial() begins one try and drops what was before; its end is one UPLINK_UP or UPLINK_LOST.
 * After hangup() or dial() nothing of an earlier connection is heard any more. */
#ifndef PULLCORD_UPLINK_H
#define PULLCORD_UPLINK_H

#include "err.h"
#include "id.h"
#include "span.h"

#define UPLINK_UNANSWERED_MAX 128   /* sends without answer at a time */
#define UPLINK_WILL_MAX 16384       /* bytes of a will */
#define UPLINK_INBOX_MAX 1024       /* messages received and not yet fetched; more wait at the broker */

struct uplink;

struct uplink_spec {                /* texts are borrowed until close() */
	const char *cafile, *certfile, *keyfile, *client_id;
	unsigned keepalive_s, connect_timeout_ms;       /* keepalive_s: less when a broker wants less */
	void (*wake)(void *ctx);
	void *ctx;
};

struct uplink_place {
	const char *host;
	unsigned port;
};

struct uplink_message {
	const char *topic;
	struct span payload;
	struct id id;                   /* comes back in UPLINK_ACK */
	bool retain;
	uint32_t expiry_s;              /* 0: never */
};

enum uplink_event_kind {
	UPLINK_UP,                      /* reason: how many the broker takes unanswered (CONNACK's Receive Maximum) */
	UPLINK_LOST,                    /* why: text for people; reason: CONNACK's or DISCONNECT's code, 0: it said none */
	UPLINK_ACK,                     /* id, reason: PUBACK's reason code */
	UPLINK_SUBSCRIBED,              /* at, reason: SUBACK's of one filter; one event for each */
	UPLINK_MESSAGE,                 /* topic, payload */
};

struct uplink_event {
	enum uplink_event_kind kind;
	struct id id;
	int reason;
	unsigned at;                    /* of the filters given to subscribe() */
	const char *why;
	struct span topic, payload;     /* why, topic, payload: until the next call of next() */
};

struct uplink_kind {
	enum err (*open)(const struct uplink_spec *spec, struct uplink **out);
	/* Copies both. */
	void (*dial)(struct uplink *u, const struct uplink_place *to, const struct uplink_message *will);
	/* QoS 1; its answer is one UPLINK_ACK. ERR_CLOSED: not up. ERR_FULL: too many unanswered. ERR_TOO_LARGE: more than this broker
	 * takes (CONNACK's Maximum Packet Size). Copies. */
	enum err (*send)(struct uplink *u, const struct uplink_message *m);
	enum err (*subscribe)(struct uplink *u, const char *const *filter, size_t n);
	void (*hangup)(struct uplink *u);   /* politely when it is up: the will is not published */
	bool (*next)(struct uplink *u, struct uplink_event *out);
	/* How long a thread of its own or its library's has been in what it does now without coming round; 0: none is. */
	int64_t (*busy_ms)(struct uplink *u);
	void (*close)(struct uplink **u);
};

extern const struct uplink_kind uplink_paho;

#endif

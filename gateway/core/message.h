/* message: what the gateway says, as topic and envelope. Pure. */
#ifndef PULLCORD_MESSAGE_H
#define PULLCORD_MESSAGE_H

#include "crypt.h"
#include "envelope.h"
#include "event.h"
#include "throttle.h"
#include "trouble.h"

struct message_from {
	const char *tenant, *device;
};

/* Under which id, and where among our messages. */
struct stamp {
	struct id id;
	uint64_t order;             /* 0: the id has it */
};

struct message {
	char topic[TOPIC_BYTES_MAX + 1];
	struct id id;
	uint64_t order;
	unsigned tier;
	int64_t expires_us;
	struct span envelope;       /* in the room it was written to */
};

/* Can it be kept and told apart? ERR_RANGE. */
enum err message_check(const struct event *e) MUST_USE;
/* Two gateways may stand before devices of one name; their alerts must not meet in one Alert.key. */
void message_scope(const struct message_from *from, ProtobufCBinaryData of, uint8_t key[KEY_BYTES]);

/* Each writes one message into `room`. ERR_RANGE: a body no reader would take; ERR_TOO_LARGE. */
enum err message_alert(const struct message_from *from, const char *unit, const Pullcord__V1__Alert *a,
		       const struct stamp *as, int64_t now_us, int64_t lasts_us, struct put *room,
		       struct message *out) MUST_USE;
enum err message_vitals(const struct message_from *from, const char *unit, const Pullcord__V1__Observations *o,
			const struct stamp *as, int64_t now_us, int64_t lasts_us, struct put *room,
			struct message *out) MUST_USE;
enum err message_state(const struct message_from *from, const Pullcord__V1__DeviceState *s, const struct id *id,
		       int64_t now_us, struct put *room, struct message *out) MUST_USE;

/* The gateway about itself, to the staff of `unit`. */
enum err message_trouble(const struct message_from *from, const char *unit, const struct trouble_told *told,
			 struct put *room, struct message *out) MUST_USE;

/* What the throttle is told of an alert; hashed under `key`, so that no source can make two conditions meet. */
void message_throttle(const struct hmac_key *key, struct span source, const Pullcord__V1__Alert *a, const struct id *fresh,
		      int64_t now_us, struct throttle_event *out);
void message_kind(const struct hmac_key *key, struct span source, const uint8_t condition[16], uint8_t kind[THROTTLE_KEY]);

#endif

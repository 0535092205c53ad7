/* held: orders to devices that wait for their entry. An order is an act like an administrator's command: it goes on only when
 * what it is stands on durable record. Mosquitto lets a plugin take or refuse a publish, not answer it later; so whoever gives an
 * order is cut off without PUBACK, which is no success in any version of MQTT, and comes again with it (MQTT 5 §4.4), by when it is
 * known here and its entry durable. Pure; allocates nothing.
 *
 * HELD_MAX orders, HELD_EACH of one author, whose oldest gives way; for HELD_US each, then it is another order with another
 * entry. */
#ifndef PULLCORD_HELD_H
#define PULLCORD_HELD_H

#include "crypt.h"

#define HELD_MAX 64
#define HELD_EACH 4
#define HELD_US (60 * INT64_C(1000000))

struct held {
	uint8_t order[SHA256_BYTES], author[SHA256_BYTES];
	uint64_t ticket;                /* of its entry: record_settled() */
	int64_t since_us;               /* monotonic */
	bool used;
};

struct held_orders {
	struct held slot[HELD_MAX];
};

/* The same order of the same author, if it is held still; NULL. Both are hashes of the caller's. */
struct held *held_find(struct held_orders *h, const uint8_t author[SHA256_BYTES], const uint8_t order[SHA256_BYTES],
	int64_t now_us);
void held_add(struct held_orders *h, const uint8_t author[SHA256_BYTES], const uint8_t order[SHA256_BYTES], uint64_t ticket,
	      int64_t now_us);
/* It went on. */
void held_done(struct held **one);

#endif

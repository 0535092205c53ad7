/* flight: which messages of the outbox are on their way, which is next, and when one may be forgotten.
 *
 * More important tiers first, each in its own order; but what is said of one condition goes out in the order it was said,
 * so that an urgent end takes its calm beginning along, and waits with it when the broker refused that for now. At most
 * `window` messages unanswered at a time. Observations are safe when the broker acknowledged them; an alert only on its
 * StoredReceipt, because the broker's acknowledgement does not survive its crash: it frees the window, but without receipt the
 * alert is sent again, under the same id, after FLIGHT_RECEIPT_MS and then ever more rarely. What a refusal means is a table
 * (flight.c). After the connection is lost everything is sent again; a calm message that it was lost with twice holds up nothing
 * urgent any more, and waits while something urgent has no receipt yet, FLIGHT_RECEIPT_MS at most: it may end the next one, too.
 * One block, nothing allocated after. Pure: the caller brings the time. */
#ifndef PULLCORD_FLIGHT_H
#define PULLCORD_FLIGHT_H

#include "err.h"
#include "id.h"

#define FLIGHT_TIERS 6              /* code, high, medium, low, info; observations */
#define FLIGHT_TIER_CALM 2          /* tiers below this number are urgent */
#define FLIGHT_TIER_EARLY 3         /* tiers below this number are on their way while they are being kept */
#define FLIGHT_TIER_SAFE 5          /* tiers below this number, all alerts, wait for a StoredReceipt */
#define FLIGHT_SEQ_BITS 54
#define FLIGHT_SEQ_MAX (((uint64_t)1 << FLIGHT_SEQ_BITS) - 1)
#define FLIGHT_RECEIPT_MS 5000
#define FLIGHT_AGAIN_MAX_MS 60000
#define FLIGHT_PAUSE_MS 1000        /* the broker said: not so fast */
#define FLIGHT_LOST_MOST 2          /* connections that may end while one is unanswered: then what is urgent goes before it */

/* What to do with a message now that the broker answered. */
enum flight_answer {
	FLIGHT_NOTHING,                 /* not on its way: an old answer */
	FLIGHT_DELIVERED,               /* safe: release it */
	FLIGHT_HALF,                    /* acknowledged; its StoredReceipt is awaited */
	FLIGHT_AGAIN,                   /* refused for now: sent again later */
	FLIGHT_ASIDE,                   /* refused for good: set it aside for a person */
};

struct flight;

struct flight_item {
	struct id id;
	uint64_t seq;                   /* rises through all tiers together, up to FLIGHT_SEQ_MAX */
	unsigned tier;
	uint32_t of;                    /* flight_of() its condition; 0: none */
	uint32_t made_s;                /* since 1970: when it was made */
};

enum err flight_make(uint32_t most, unsigned window, struct flight **out) MUST_USE;
void flight_free(struct flight **f);
/* Another window from now on, at least 1. What is on its way stays there. */
void flight_window(struct flight *f, unsigned window);

/* From now on only messages of the first `tiers` tiers are sent, and what must go before one of them; FLIGHT_TIERS: all. */
void flight_only(struct flight *f, unsigned tiers);
/* Nothing later than `seq` is sent: it is not kept yet. */
void flight_upto(struct flight *f, uint64_t seq);

/* A new last message of its tier. ERR_FULL; ERR_EXISTS. */
enum err flight_add(struct flight *f, const struct flight_item *item) MUST_USE;
/* The next to send, which from now on is on its way; false when there is none or the window is full. */
bool flight_take(struct flight *f, int64_t now_ms, struct flight_item *out);
/* What was taken could not be sent: it is next again. */
void flight_untake(struct flight *f, const struct id *id);

/* The broker's PUBACK with this reason code (MQTT 5 §3.4.2.1). DELIVERED and ASIDE forget the message. */
enum flight_answer flight_acked(struct flight *f, const struct id *id, int reason, int64_t now_ms);
/* It has its StoredReceipt, or was never kept: forgotten. False when it was not here. */
bool flight_drop(struct flight *f, const struct id *id);
void flight_lost(struct flight *f);

/* When flight_take() next may have something because of time alone; -1: never. */
int64_t flight_next_ms(const struct flight *f, int64_t now_ms);
uint32_t flight_count(const struct flight *f);
bool flight_has(const struct flight *f, const struct id *id);
bool flight_sent(const struct flight *f, const struct id *id);    /* at least once since the connection stands */
/* How many there are of a tier, and the age of the first in turn; 0 when there is none. */
struct flight_tier {
	uint32_t n;
	int64_t oldest_ms;
};
struct flight_tier flight_look(const struct flight *f, unsigned tier, int64_t real_ms);

/* Alert.key is a hash. Two that are the same here merely keep their order. */
static inline uint32_t flight_of(const uint8_t key[16])
{
	return key[0] | (uint32_t)key[1] << 8 | (uint32_t)key[2] << 16 | (uint32_t)key[3] << 24;
}

/* 5..1 (enum Priority) to 0..4; observations are tier FLIGHT_TIERS - 1. */
static inline unsigned flight_tier(int priority) { return priority >= 1 && priority <= 5 ? 5 - (unsigned)priority : 4; }

#endif

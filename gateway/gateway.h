/* gateway: what pipeline.c and its parts share; nobody else looks inside. One thread. */
#ifndef PULLCORD_GATEWAY_H
#define PULLCORD_GATEWAY_H

#include "alarms.h"
#include "course.h"
#include "filters.h"
#include "hush.h"
#include "leaving.h"
#include "link.h"
#include "message.h"
#include "outbox.h"
#include "pipeline.h"

#define GATEWAY_PROBE_MS 300000     /* that often a little of what is set aside is tried, and after a connection */

struct port {
	struct pipeline to;
	struct gateway *g;
	const char *name;
	const struct input_kind *kind;
	struct input *in;           /* known from its first push() */
	struct hush missed[MISSED_KINDS];
	int64_t heard_ms, quiet_ms; /* whatever was said there; how long nothing may be, 0: for ever */
	bool quiet;
	bool open;
};

struct gateway {
	struct pipeline_spec spec;
	struct message_from from;
	struct id_maker ids;
	struct hmac_key hash_key;
	struct self self;

	struct throttle *throttle;
	struct outbox *outbox;
	struct flight *flight;
	struct open *open;
	struct leaving leaving;
	struct uplink *uplink;
	struct link link;
	int64_t lean_ms, lean_until_ms; /* then what the last step of the link needed is given back; 0: it was */
	struct course course;       /* among the brokers the scout knows, and with its certificates */
	struct id goodbye;
	struct alarms alarms;
	int64_t late_us;            /* the latest the broker's clock ever was, at now_ms() == 0 */
	int64_t alarms_due_ms;
	int64_t probe_ms;           /* a little of what is set aside is tried then */
	int64_t greet_probe_ms;     /* not sooner because of a connection: one that flaps is no reason */
	int64_t all_aside_ms;       /* all of it not before */
	struct hush ignored, refused_order[ORDER_VERDICT_COUNT];    /* lines that whoever may publish to us makes us write */
	struct hush refused_event, id_reused;   /* and whoever may speak to an input */
	struct filters *filters;
	bool deaf;                  /* receipts are not for us, says the broker */
	bool refused[FILTERS_MAX];  /* what it does not let us hear, */
	int64_t subscribe_ms, subscribe_wait_ms;    /* when that is asked for again, or 0 */
	struct pipeline_counts counts;
	struct port port[CONF_INPUTS_MAX];
	unsigned ports;
	bool closed;                /* an input is that should not be */
	bool stopping;

	struct arena arena;
	uint8_t arena_bytes[ENVELOPE_ARENA];
	uint8_t room[OUTBOX_ENVELOPE_MAX];
	struct outbox_scratch scratch;
};

static inline int64_t now_ms(const struct gateway *g) { return g->spec.now_ms(g->spec.ctx); }
static inline int64_t real_us(const struct gateway *g) { return g->spec.real_us(g->spec.ctx) + g->alarms.clock_off_us; }
static inline struct id new_id(struct gateway *g) { return id_next(&g->ids, real_us(g) / 1000); }

static inline uint32_t random32(void)
{
	uint32_t r;

	crypt_random(&r, sizeof(r));
	return r;
}

/* In quarantine only what is life-critical is taken and sent. */
static inline bool held_back(const struct gateway *g, unsigned tier)
{
	return tier >= FLIGHT_TIER_CALM && orders_quarantined(g->spec.orders);
}

/* To the inputs of that name which are open. */
void gateway_answer(struct gateway *g, const struct answer *a, struct span input);
/* Tidying the outbox can only fail for want of memory. Then it is done after the next start, by sending once more. */
void gateway_tidied(enum err e);
enum err gateway_send(struct gateway *g, const struct uplink_message *m) MUST_USE;
/* What it says of itself: as its will, which may be published long after; and to be kept by the broker. */
enum err gateway_will(struct gateway *g, struct message *out) MUST_USE;
enum err gateway_say_state(struct gateway *g, bool online, struct id *id) MUST_USE;
void gateway_acked(struct gateway *g, const struct uplink_event *u);
/* A message from the broker (downlink.c): answers of people, receipts, commands. What is none is said and ignored. */
void gateway_hear(struct gateway *g, const struct uplink_event *m);
/* What was ordered, when it is time. */
void gateway_obey(struct gateway *g);

#endif

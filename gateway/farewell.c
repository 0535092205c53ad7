#include "farewell.h"

#include <stdlib.h>

#include "link.h"
#include "log.h"
#include "message.h"
#include "outbox.h"

#define RUN_MS 1000
#define ANSWER_MS 30000                 /* connected, and nothing comes back: once more */

_Static_assert(2 * (STANDING_TEXT_MAX + STANDING_CERT_MAX + STANDING_SIGN_MAX + 1024) <= UPLINK_WILL_MAX,
	       "a will has room for two receipts");

struct farewell {
	struct farewell_spec spec;
	struct message_from from;
	struct id_maker ids;
	struct uplink *uplink;
	struct link link;
	struct brokers brokers;
	unsigned at;
	struct id told;
	int64_t told_ms, since_ms;      /* since then this broker has it; 0: it has not */
	bool awaits;                    /* an answer to what was told */
	bool heard;                     /* a broker has it, and has had time to keep it */
	uint8_t room[OUTBOX_ENVELOPE_MAX];
};

static int64_t now_ms(const struct farewell *f) { return f->spec.now_ms(f->spec.ctx); }
static int64_t real_us(const struct farewell *f) { return f->spec.real_us(f->spec.ctx); }

static uint32_t random32(void)
{
	uint32_t r;

	crypt_random(&r, sizeof(r));
	return r;
}

/* The will says the same: whoever takes the connection down publishes it. */
static void last_word(struct farewell *f, struct message *out)
{
	Pullcord__V1__DeviceState s = PULLCORD__V1__DEVICE_STATE__INIT;
	struct put room = put(f->room, sizeof(f->room));
	struct id id = id_next(&f->ids, real_us(f) / 1000);
	enum err e;

	s.since_us = (uint64_t)real_us(f);
	s.version = (char *)(uintptr_t)PULLCORD_VERSION;
	orders_state(f->spec.orders, &s);
	e = message_state(&f->from, &s, &id, real_us(f), &room, out);
	must(e == OK);   /* names and lengths were checked */
}

static struct uplink_message retained(const struct message *m)
{
	return (struct uplink_message){ m->topic, m->envelope, m->id, true, 0 };
}

static void step(struct farewell *f, enum link_event e);

/* `useless`: whatever the connection is like, the receipt does not come through it. */
static void lost(struct farewell *f, const char *why, bool useless)
{
	log_say(EV_UPLINK_LOST, KV_STR("host", f->brokers.at[f->at].host), KV_STR("why", why));
	if (useless || link_fails(&f->link, now_ms(f)))
		f->at = (f->at + 1) % f->brokers.n;
	step(f, LINK_EV_LOST);
}

static void dial(struct farewell *f)
{
	const struct broker_address *b = &f->brokers.at[f->at];
	struct uplink_message will;
	struct message m;

	last_word(f, &m);
	will = retained(&m);
	f->spec.uplink->dial(f->uplink, &(struct uplink_place){ b->host, b->port }, &will);
}

static void tell(struct farewell *f)
{
	struct uplink_message u;
	struct message m;
	enum err e;

	last_word(f, &m);
	u = retained(&m);
	f->told = m.id;
	f->told_ms = now_ms(f);
	f->awaits = true;
	e = f->spec.uplink->send(f->uplink, &u);
	if (e != OK)
		lost(f, err_text(e), e == ERR_TOO_LARGE);
}

static void step(struct farewell *f, enum link_event e)
{
	switch (link_step(&f->link, e, now_ms(f), random32())) {
	case LINK_DIAL:
		dial(f);
		break;
	case LINK_GREET:
		tell(f);
		break;
	case LINK_DROP:
		f->since_ms = 0;
		f->awaits = false;
		f->spec.uplink->hangup(f->uplink);
		break;
	case LINK_BYE:
		step(f, LINK_EV_SAID);   /* it has been */
		break;
	default:
		break;
	}
}

/* A broker has it in memory first, and on disk after a while: until then it is told again to whoever comes back without it. */
static bool had_time(const struct farewell *f)
{
	return f->since_ms && now_ms(f) - f->since_ms >= f->spec.conf->orders_stay_s * 1000LL;
}

static void acked(struct farewell *f, const struct uplink_event *u)
{
	char why[80];

	if (f->link.state != LINK_UP || memcmp(&u->id, &f->told, sizeof(f->told)) != 0)
		return;
	f->awaits = false;
	if (u->reason >= 0x80) {
		snprintf(why, sizeof(why), "it does not take the receipt: reason 0x%02x", (unsigned)u->reason);
		lost(f, why, true);
		return;
	}
	if (!f->since_ms)
		f->since_ms = now_ms(f);
	f->heard = had_time(f);
	if (f->heard)
		step(f, LINK_EV_STOP);
}

static void take(struct farewell *f, const struct uplink_event *u)
{
	switch (u->kind) {
	case UPLINK_UP:
		step(f, LINK_EV_CONNECTED);
		break;
	case UPLINK_LOST:
		lost(f, u->why, false);
		break;
	case UPLINK_ACK:
		acked(f, u);
		break;
	default:
		break;
	}
}

int64_t farewell_run(struct farewell *f)
{
	struct uplink_event u;
	int64_t left;

	while (f->spec.uplink->next(f->uplink, &u))
		take(f, &u);
	if (f->link.state == LINK_UP && !f->awaits && had_time(f))
		tell(f);
	if (f->link.state == LINK_UP && f->awaits && now_ms(f) - f->told_ms >= ANSWER_MS)
		lost(f, "connected, but nothing is answered", true);
	if (f->link.deadline_ms && now_ms(f) >= f->link.deadline_ms && f->link.state == LINK_DIALING)
		lost(f, "no answer in time", true);
	else if (f->link.deadline_ms && now_ms(f) >= f->link.deadline_ms)
		step(f, LINK_EV_TIMEOUT);
	left = f->link.deadline_ms ? f->link.deadline_ms - now_ms(f) : RUN_MS;
	return left < 0 ? 0 : left < RUN_MS ? left : RUN_MS;
}

bool farewell_over(const struct farewell *f) { return f->heard && f->link.state == LINK_DOWN; }

enum err farewell_open(const struct farewell_spec *spec, struct farewell **out)
{
	CLEANUP(farewell_close) struct farewell *f = calloc(1, sizeof(*f));
	const struct conf *c = spec->conf;
	struct span bad;

	if (!f)
		return ERR_FULL;
	f->spec = *spec;
	f->from = (struct message_from){ spec->tenant, spec->device };
	TRY(brokers_read(c->uplink_host, (unsigned)c->uplink_port, c->uplink_others, &f->brokers, &bad));
	id_init(&f->ids, span_str(spec->tenant), PULLCORD__V1__PARTY__PARTY_DEVICE, span_str(spec->device), (uint16_t)random32());
	link_init(&f->link, c->uplink_connect_timeout_ms + 1000);
	TRY(spec->uplink->open(&(struct uplink_spec){
		spec->cafile, spec->certfile, spec->keyfile, spec->device, (unsigned)c->uplink_keepalive_s,
		(unsigned)c->uplink_connect_timeout_ms, spec->wake, spec->ctx }, &f->uplink));
	step(f, LINK_EV_START);
	*out = f;
	f = NULL;
	return OK;
}

void farewell_close(struct farewell **f)
{
	if (*f && (*f)->uplink)
		(*f)->spec.uplink->close(&(*f)->uplink);
	free(*f);
	*f = NULL;
}

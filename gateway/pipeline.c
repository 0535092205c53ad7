#include "connection.h"

#include <stdlib.h>

#include "log.h"

#define HELD_PER_MIB 256            /* of the 1,024 messages the outbox keeps in it */
#define RUN_MS 1000                 /* at least this often: old alerts, the state that is due */
#define DUE_MAX 64
#define PROBES 8
#define ALL_ASIDE_MS 60000          /* all of it is not tried more often */
#define HANGING_MS 5000             /* a disk that says neither yes nor no: nobody is answered, nothing is kept */
#define STUCK_MS 30000              /* where nobody asks by a watchdog */
#define TOO_LARGE 0x95              /* PUBACK, MQTT 5 §3.4.2.1 */

static void state_changed(struct gateway *g) { self_changed(&g->self, now_ms(g)); }

void gateway_tidied(enum err e)
{
	if (e != OK)
		log_say(EV_OUTBOX_FAILED, KV_STR("why", err_text(e)));
}

/* ---- answers ---- */

void gateway_answer(struct gateway *g, const struct answer *a, struct span input)
{
	for (unsigned i = 0; i < g->ports; i++) {
		struct port *p = &g->port[i];

		if (p->open && p->in && span_is(input, p->name))
			p->kind->answer(p->in, a);
	}
}

static void answer_done(struct gateway *g, const struct outbox_done *d, enum answer_kind kind)
{
	gateway_answer(g, &(struct answer){ .kind = kind, .source = d->m.source, .source_id = d->m.source_id,
				    .digest = d->m.digest, .alert = d->id, .folded = d->m.folded,
				    .why = d->err, .told = d->m.early && g->link.state == LINK_UP }, d->m.input);
}

/* ---- sending ---- */

enum err gateway_send(struct gateway *g, const struct uplink_message *m)
{
	TRY(g->spec.uplink->send(g->uplink, m));
	self_sent(&g->self, now_ms(g));
	return OK;
}

/* The broker drops what is out of date by itself; what already is goes out all the same, for the record. */
static uint32_t expiry_s(const struct outbox_message *m, int64_t now_us)
{
	int64_t left = m->expires_us ? (m->expires_us - now_us + 999999) / 1000000 : 0;

	return left > 0 && left < UINT32_MAX ? (uint32_t)left : 0;
}

/* The file does not answer for now: a disk that fails, no memory, too many readers. */
static bool is_passing(enum err e) { return e == ERR_FULL || e == ERR_BUSY || e == ERR_IO || e == ERR_CRYPTO; }

/* They cannot be read, and never will be; whose they are, is not known either. They stay in the file for whoever has to
 * look. */
static void unreadable(struct gateway *g, enum err e, uint32_t n)
{
	g->counts.unreadable += n;
	trouble_seen(&g->alarms.trouble, TROUBLE_UNREADABLE, now_ms(g));
	log_say(EV_MESSAGE_UNREADABLE, KV_STR("why", err_text(e)), KV_NUM("messages", n));
}

static void unsendable(struct gateway *g, const struct flight_item *at, enum err e)
{
	flight_drop(g->flight, &at->id);
	if (e != ERR_NOT_FOUND)   /* else safe at the broker meanwhile */
		unreadable(g, e, 1);
}

/* False: no more for now. */
static bool send_one(struct gateway *g, const struct flight_item *at)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct outbox_message m;
	struct uplink_message u = { .topic = topic, .id = at->id };
	enum err e = outbox_read(g->outbox, at, &g->scratch, &m);

	if (e == OK && !span_text(m.topic, topic, sizeof(topic)))
		e = ERR_CORRUPT;
	if (e != OK && !is_passing(e)) {
		unsendable(g, at, e);
		return true;
	}
	if (e == OK) {
		u.payload = m.envelope;
		u.expiry_s = expiry_s(&m, real_us(g));
		e = gateway_send(g, &u);
	}
	if (e == ERR_TOO_LARGE)   /* as the broker would answer, if it did not end the connection for it */
		gateway_acked(g, &(struct uplink_event){ .kind = UPLINK_ACK, .id = at->id, .reason = TOO_LARGE });
	if (e == OK || e == ERR_TOO_LARGE)
		return true;
	flight_untake(g->flight, &at->id);
	if (e == ERR_CLOSED)   /* and nobody said so */
		connection_lost(g, "it can send no more");
	return false;
}

static void send_some(struct gateway *g)
{
	struct flight_item at;

	flight_only(g->flight, held_back(g, FLIGHT_TIER_CALM) ? FLIGHT_TIER_CALM : FLIGHT_TIERS);
	flight_upto(g->flight, outbox_upto(g->outbox));
	while (g->link.state == LINK_UP && flight_take(g->flight, now_ms(g), &at))
		if (!send_one(g, &at))
			break;
}

static void fly(struct gateway *g, const struct id *id, const struct outbox_message *m, uint64_t seq)
{
	enum err e = flight_add(g->flight, &(struct flight_item){ *id, seq, m->tier, flight_of(m->key),
								  outbox_made_s(m->order, id) });

	must(e != ERR_FULL);   /* there is a place for all the outbox holds, and for all its queues of work bring and free */
	gateway_tidied(e);
}

/* ---- what a source says ---- */

static struct outbox_message kept(const struct port *p, const struct event *e, const struct message *m)
{
	return (struct outbox_message){
		.id = m->id, .order = m->order, .tier = m->tier, .expires_us = m->expires_us, .topic = span_str(m->topic),
		.input = span_str(p->name), .source = e->source, .source_id = e->source_id, .digest = e->digest,
		.envelope = m->envelope,
	};
}

/* Not before an earlier one of its condition; what is calm, before none of its tier. */
static bool may_fly(const struct gateway *g, unsigned tier, const uint8_t *kind)
{
	if (tier >= FLIGHT_TIER_EARLY || !kind)
		return tier < FLIGHT_TIER_CALM;
	return tier < FLIGHT_TIER_CALM ? !leaving_has(&g->leaving, kind) : !leaving_any(&g->leaving);
}

/* Publish early: a message is on its way while its commit is being flushed; an urgent one does not wait for the next try to
 * reach the broker. `kind`: NULL when it is no alert. */
static enum err keep(struct gateway *g, struct outbox_message *m, const uint8_t *kind)
{
	uint64_t seq;

	m->early = may_fly(g, m->tier, kind) && !flight_has(g->flight, &m->id);
	TRY(outbox_put(g->outbox, m, &seq));
	if (m->early)
		fly(g, &m->id, m, seq);
	else if (kind)
		leaving_add(&g->leaving, &m->id, kind);
	if (m->tier < FLIGHT_TIER_CALM)
		connection_step(g, LINK_EV_URGENT);
	if (m->tier < FLIGHT_TIER_EARLY)
		send_some(g);
	return OK;
}

/* What was held is due. */
static void release(struct gateway *g, const struct id *id, const uint8_t kind[THROTTLE_KEY])
{
	enum err e = outbox_release(g->outbox, id);

	if (e == OK)
		leaving_add(&g->leaving, id, kind);
	gateway_tidied(e);
}

static const char *unit_of(const struct gateway *g, const struct event *e)
{
	return conf_unit_of(g->spec.conf, e->place);
}

/* Its source may have said it before, and it went out, when we were told no by the disk, or died: readers know it by its id.
 * Unless that is another's by now. */
static struct id named(struct gateway *g, const struct event *e, enum outbox_seen seen, const struct id *fresh)
{
	uint8_t name[ID_NAME];
	struct id id;

	if (seen == SEEN_YIELDED)
		return *fresh;
	if (!outbox_name(g->outbox, e->source, e->source_id, &e->digest, name))
		return *fresh;
	id = id_named(&g->ids, name);
	return flight_has(g->flight, &id) ? *fresh : id;
}

static enum err push_vitals(struct port *p, const struct event *e, enum outbox_seen seen)
{
	struct gateway *g = p->g;
	const struct id fresh = new_id(g);
	const struct stamp as = { named(g, e, seen, &fresh), id_order(&fresh) };
	struct put room = put(g->room, sizeof(g->room));
	struct outbox_message kept_as;
	struct message m;

	TRY(message_vitals(&g->from, unit_of(g, e), &e->observations, &as, real_us(g),
			   g->spec.conf->gateway_vitals_expire_s * 1000000LL, &room, &m));
	kept_as = kept(p, e, &m);
	return keep(g, &kept_as, NULL);
}

static enum err keep_alert(struct port *p, const struct event *e, const uint8_t kind[THROTTLE_KEY],
			   const struct throttle_verdict *v, uint64_t order)
{
	struct gateway *g = p->g;
	struct put room = put(g->room, sizeof(g->room));
	Pullcord__V1__Alert a = e->alert;
	struct outbox_message kept_as;
	struct message m;

	a.count = v->count;
	a.first_us = (uint64_t)v->first_us;
	TRY(message_alert(&g->from, unit_of(g, e), &a, &(struct stamp){ v->id, order }, real_us(g),
			  g->spec.conf->gateway_expire_min * 60 * 1000000LL, &room, &m));
	kept_as = kept(p, e, &m);
	kept_as.opens = a.phase != PULLCORD__V1__PHASE__PHASE_END;
	kept_as.folded = !v->send && (v->why == THROTTLE_REPEAT || v->count > 1);   /* not what only waits its turn */
	memcpy(kept_as.key, a.key.data, OPEN_KEY);
	return v->send ? keep(g, &kept_as, kind) : outbox_hold(g->outbox, &kept_as);
}

/* The source is told no and comes again: then at once. What was folded before goes out without it. */
static void not_kept(struct gateway *g, const uint8_t kind[THROTTLE_KEY], const struct throttle_verdict *v)
{
	throttle_refused(g->throttle, kind, v);
	if (v->send && v->count > 1)
		release(g, &v->id, kind);
}

/* What others are folded into is not the first one's: that may be refused, and come again. */
static enum err push_alert(struct port *p, const struct event *said, enum outbox_seen seen)
{
	struct gateway *g = p->g;
	const struct id fresh = new_id(g);
	struct event e = *said;
	uint8_t key[KEY_BYTES];
	struct throttle_verdict v;
	struct throttle_event t;
	enum err err;

	message_scope(&g->from, said->alert.key, key);
	e.alert.key = (ProtobufCBinaryData){ sizeof(key), key };
	message_throttle(&g->hash_key, e.source, &e.alert, &fresh, real_us(g), &t);
	v = throttle_step(g->throttle, &t, now_ms(g));
	if (v.send && v.count == 1)
		v.id = named(g, said, seen, &fresh);
	err = keep_alert(p, &e, t.kind, &v, id_order(&fresh));
	if (err != OK)
		not_kept(g, t.kind, &v);
	return err;
}

static enum err repeated(struct port *p, const struct event *e)
{
	p->g->counts.repeated++;
	return outbox_recall(p->g->outbox, &(struct outbox_message){
		.input = span_str(p->name), .source = e->source, .source_id = e->source_id, .digest = e->digest });
}

/* Somebody may have called, and nobody hears of it. */
static bool missed(void *ctx, enum missed what, unsigned n)
{
	struct port *p = ctx;

	p->heard_ms = now_ms(p->g);
	p->g->counts.missed[what] += n;
	if (what != MISSED_END)
		trouble_seen(&p->g->alarms.trouble, TROUBLE_SOURCE, now_ms(p->g));
	return hush_say(&p->missed[what], now_ms(p->g));
}

/* The ward it is about does not hear of it. */
static void look_at_place(struct port *p, const struct event *e)
{
	if (conf_has_unit(p->g->spec.conf, e->place) || !missed(p, MISSED_UNIT, 1))
		return;
	log_say(EV_PLACE_UNKNOWN, KV_STR("input", p->name), KV_SPAN("place", e->place),
		KV_STR("unit", p->g->spec.conf->gateway_unit));
}

static enum err take_event(struct port *p, const struct event *e)
{
	struct gateway *g = p->g;
	enum outbox_seen seen;

	if (g->stopping)
		return ERR_CLOSED;
	TRY(message_check(e));
	seen = outbox_seen(g->outbox, e->source, e->source_id, &e->digest);
	if (seen == SEEN_SAME)
		return repeated(p, e);
	if (held_back(g, e->kind == EVENT_ALERT ? flight_tier((int)e->alert.priority) : FLIGHT_TIERS - 1))
		return ERR_DENIED;
	if (seen == SEEN_OTHER && hush_say(&g->id_reused, now_ms(g)))
		log_say(EV_ID_REUSED, KV_STR("input", p->name), KV_SPAN("source", e->source),
			KV_SPAN("id", e->source_id));
	look_at_place(p, e);
	return e->kind == EVENT_ALERT ? push_alert(p, e, seen) : push_vitals(p, e, seen);
}

static void refused(struct gateway *g, enum err e, struct span input)
{
	g->counts.refused++;
	alarms_refused(&g->alarms, e, now_ms(g));
	if (hush_say(&g->refused_event, now_ms(g)))
		log_say(EV_EVENT_REFUSED, KV_SPAN("input", input), KV_STR("why", err_text(e)));
	state_changed(g);
}

static void look_at_clock(struct gateway *g) { alarms_own_clock(&g->alarms, g->spec.real_us(g->spec.ctx), now_ms(g)); }

static enum err push(void *ctx, struct input *from, const struct event *e)
{
	struct port *p = ctx;
	enum err err;

	look_at_clock(p->g);
	p->heard_ms = now_ms(p->g);
	p->in = from;
	err = take_event(p, e);
	if (err != OK)
		refused(p->g, err, span_str(p->name));
	return err == ERR_BUSY ? ERR_FULL : err;
}

/* ---- what the outbox has done ---- */

static void remember_open(struct gateway *g, const struct outbox_done *d)
{
	uint8_t lost[OPEN_KEY];

	if (d->m.opens && open_put(g->open, d->m.key, now_ms(g), lost))
		gateway_tidied(outbox_forget(g->outbox, lost));
}

/* A message and its repetition came so close together that neither was there yet when the other was looked for. */
static void done_twice(struct gateway *g, const struct outbox_done *d)
{
	g->counts.repeated++;
	if (outbox_recall(g->outbox, &d->m) != OK)
		answer_done(g, d, ANSWER_REFUSED);
}

static bool is_alert(const struct outbox_message *m)
{
	static const uint8_t none[OPEN_KEY];

	return memcmp(m->key, none, sizeof(none)) != 0;
}

/* Its count is not known any more; releasing what was not held does no harm. */
static void not_committed(struct gateway *g, const struct outbox_done *d)
{
	const struct throttle_verdict v = { .send = d->work == WORK_PUT, .id = d->id, .count = 2 };
	uint8_t kind[THROTTLE_KEY];

	if (!is_alert(&d->m))
		return;   /* no alert: the throttle never saw it */
	message_kind(&g->hash_key, d->m.source, d->m.key, kind);
	not_kept(g, kind, &v);
}

/* It has its place before the source is answered: that may go on at once, with what is early. */
static void done_bring(struct gateway *g, const struct outbox_done *d)
{
	const bool late = d->work == WORK_PUT && !d->m.early;
	struct outbox_done told = *d;

	if (late && is_alert(&d->m))
		leaving_drop(&g->leaving, &d->id);
	if (d->err == OK) {
		if (late)
			fly(g, &d->id, &d->m, d->seq);
		g->counts.accepted++;
		alarms_kept(&g->alarms);
		g->counts.folded += d->m.folded;
		remember_open(g, d);
		answer_done(g, d, ANSWER_DURABLE);
		return;
	}
	told.m.early = d->m.early && flight_sent(g->flight, &d->id);
	if (d->m.early)
		flight_drop(g->flight, &d->id);
	not_committed(g, d);
	if (d->err == ERR_EXISTS) {
		done_twice(g, d);
		return;
	}
	refused(g, d->err, d->m.input);
	answer_done(g, &told, ANSWER_REFUSED);
}

static void done_release(struct gateway *g, const struct outbox_done *d)
{
	leaving_drop(&g->leaving, &d->id);
	if (d->err == OK)
		fly(g, &d->id, &d->m, d->seq);
	else if (d->work == WORK_RELEASE && (d->err == ERR_KEY || d->err == ERR_CORRUPT))
		unreadable(g, d->err, 1);
	else if (d->err != ERR_NOT_FOUND)
		gateway_tidied(d->err);
}

/* They get their old places: what is said meanwhile of any condition waits for that. */
static enum err places_for(struct gateway *g, enum err e, size_t n)
{
	while (n--)
		leaving_add(&g->leaving, NULL, NULL);
	return e;
}

/* What is set aside is tried once more. */
static enum err again(struct gateway *g)
{
	size_t n = 0;
	enum err e = outbox_again(g->outbox, &n);

	return places_for(g, e, n);
}

static void done_delivered(struct gateway *g, const struct outbox_done *d)
{
	if (d->err != OK)
		return;   /* delivered before */
	g->counts.delivered++;
	if (d->m.reason && now_ms(g) >= g->all_aside_ms) {   /* it had been set aside: so the others may be wanted, too */
		g->all_aside_ms = now_ms(g) + ALL_ASIDE_MS;
		gateway_tidied(again(g));
	}
	answer_done(g, d, ANSWER_STORED);
}

/* Its source was told that it is safe here. It is, but nobody will hear of it: now the source must know. Not once more
 * each time the broker is tried. */
static void done_aside(struct gateway *g, const struct outbox_done *d)
{
	struct outbox_done told = *d;

	if (d->err != OK) {
		if (d->err != ERR_NOT_FOUND)
			gateway_tidied(d->err);
		return;
	}
	if (d->known)
		return;
	g->counts.set_aside++;
	log_say(EV_MESSAGE_SET_ASIDE, KV_SPAN("topic", d->m.topic), KV_SPAN("input", d->m.input),
		KV_NUM("reason", d->reason), KV_STR("text", "see pullcord-gateway(8)"));
	told.err = d->reason == TOO_LARGE ? ERR_TOO_LARGE : ERR_DENIED;
	answer_done(g, &told, ANSWER_UNSENT);
	state_changed(g);
}

static void done_recall(struct gateway *g, const struct outbox_done *d)
{
	if (d->err != OK) {   /* what it repeats could not be kept */
		refused(g, d->err, d->m.input);
		answer_done(g, d, ANSWER_REFUSED);
		return;
	}
	if (d->aside) {
		struct outbox_done told = *d;

		told.err = ERR_DENIED;
		answer_done(g, &told, ANSWER_REFUSED);
		return;
	}
	answer_done(g, d, ANSWER_DURABLE);
	if (!d->queued)
		answer_done(g, d, ANSWER_STORED);
}

static void done_tidied(struct gateway *g, const struct outbox_done *d)
{
	(void)g, (void)d;   /* gone is gone, and told is told */
}

/* Its source was told that it is safe here: now it must know better. Of what was set aside it knows. */
static void done_evict(struct gateway *g, const struct outbox_done *d)
{
	struct outbox_done told = *d;

	if (d->err != OK)
		return;   /* it stays, or is not here any more */
	flight_drop(g->flight, &d->id);
	g->counts.evicted++;
	trouble_seen(&g->alarms.trouble, TROUBLE_EVICTING, now_ms(g));
	log_say(EV_MESSAGE_EVICTED, KV_SPAN("topic", d->m.topic), KV_SPAN("input", d->m.input));
	told.err = ERR_FULL;
	if (!d->m.reason)
		answer_done(g, &told, ANSWER_UNSENT);
	state_changed(g);
}

static void take_done(struct gateway *g)
{
	static void (*const on[])(struct gateway *g, const struct outbox_done *d) = {
		[WORK_PUT] = done_bring, [WORK_HOLD] = done_bring, [WORK_RELEASE] = done_release,
		[WORK_DELIVERED] = done_delivered, [WORK_ASIDE] = done_aside, [WORK_AGAIN] = done_release,
		[WORK_RECALL] = done_recall, [WORK_FORGET] = done_tidied,
		[WORK_TELL] = done_tidied, [WORK_UNTELL] = done_tidied, [WORK_EVICT] = done_evict,
	};
	struct outbox_done d;

	while (outbox_next(g->outbox, &d))
		on[d.work](g, &d);
}

/* ---- what the gateway says of itself ---- */

void pipeline_health(struct gateway *g, int64_t stuck_ms, struct health *out)
{
	self_health(&g->self, &(struct self_parts){
		.device = g->spec.device, .tenant = g->spec.tenant, .broker = connection_host(g), .counts = &g->counts,
		.alarms = &g->alarms, .cert = &g->spec.cert, .flight = g->flight, .open = g->open, .outbox = g->outbox,
		.uplink_busy_ms = g->spec.uplink->busy_ms(g->uplink), .stuck_ms = stuck_ms, .now_ms = now_ms(g),
		.real_us = real_us(g) }, out);
}

static enum err state_message(struct gateway *g, bool online, struct orders *o, struct message *out)
{
	struct put room = put(g->room, sizeof(g->room));
	struct id id = new_id(g);
	struct health_state s;
	struct health h;

	pipeline_health(g, STUCK_MS, &h);
	health_state(&h, online, &s);
	orders_state(o, &s.state);
	return message_state(&g->from, &s.state, &id, real_us(g), &room, out);
}

/* Of orders it says nothing: more may be obeyed until then, and an order that quotes an old nonce is refused. */
enum err gateway_will(struct gateway *g, struct message *out) { return state_message(g, false, NULL, out); }

enum err gateway_say_state(struct gateway *g, bool online, struct id *id)
{
	struct message m;

	TRY(state_message(g, online, g->spec.orders, &m));
	*id = m.id;
	return gateway_send(g, &(struct uplink_message){ m.topic, m.envelope, m.id, true, 0 });
}

/* ---- what the broker says ---- */

void gateway_acked(struct gateway *g, const struct uplink_event *u)
{
	if (trouble_acked(&g->alarms.trouble, &u->id, u->reason < 0x80, now_ms(g))) {
		if (u->reason >= 0x80)
			log_say(EV_ALARM_REFUSED, KV_STR("unit", g->spec.conf->gateway_unit), KV_NUM("reason", u->reason));
		return;
	}
	switch (flight_acked(g->flight, &u->id, u->reason, now_ms(g))) {
	case FLIGHT_DELIVERED:
		gateway_tidied(outbox_delivered(g->outbox, &u->id));
		break;
	case FLIGHT_ASIDE:
		gateway_tidied(outbox_aside(g->outbox, &u->id, u->reason));
		break;
	default:
		break;
	}
}

/* ---- time ---- */

static void tick_throttle(struct gateway *g)
{
	struct throttle_due due[DUE_MAX];
	size_t n = throttle_tick(g->throttle, now_ms(g), due, DUE_MAX);

	for (size_t i = 0; i < n; i++)
		release(g, &due[i].id, due[i].kind);
}

static void tick_state(struct gateway *g)
{
	struct id unused;

	if (g->link.state != LINK_UP || !self_speaks(&g->self, now_ms(g), g->spec.conf->gateway_state_s * 1000LL))
		return;
	if (gateway_say_state(g, true, &unused) != OK)
		state_changed(g);
}

static void tick_open(struct gateway *g)
{
	uint8_t key[OPEN_KEY];

	while (open_expire(g->open, now_ms(g), key))
		gateway_tidied(outbox_forget(g->outbox, key));
}

static void tell_troubles(struct gateway *g)
{
	struct id fresh = new_id(g);
	struct trouble_told told;

	while (trouble_next(&g->alarms.trouble, now_ms(g), real_us(g), &fresh, &told)) {
		struct put room = put(g->room, sizeof(g->room));
		struct message m;

		if (message_trouble(&g->from, g->spec.conf->gateway_unit, &told, &room, &m) != OK ||
		    gateway_send(g, &(struct uplink_message){ m.topic, m.envelope, m.id, false, 0 }) != OK) {
			trouble_lost(&g->alarms.trouble);
			return;
		}
		fresh = new_id(g);
	}
}

/* Somebody may have mended the policy, or the broker. */
static void probe_aside(struct gateway *g)
{
	size_t n = 0;
	enum err e = outbox_probe(g->outbox, random32(), PROBES, &n);

	g->probe_ms = now_ms(g) + GATEWAY_PROBE_MS;
	gateway_tidied(places_for(g, e, n));
}

/* A cable that was pulled out says nothing. */
static void look_at_ports(struct gateway *g)
{
	for (unsigned i = 0; i < g->ports; i++) {
		struct port *p = &g->port[i];
		bool was = p->quiet;

		p->quiet = p->open && p->quiet_ms && now_ms(g) - p->heard_ms >= p->quiet_ms;
		if (p->quiet && !was)
			log_say(EV_INPUT_QUIET, KV_STR("input", p->name), KV_NUM("seconds", p->quiet_ms / 1000));
		if (p->quiet)
			trouble_seen(&g->alarms.trouble, TROUBLE_QUIET, now_ms(g));
	}
}

static void tick_trouble(struct gateway *g)
{
	struct outbox_health outbox;

	if (now_ms(g) < g->alarms_due_ms)
		return;
	g->alarms_due_ms = now_ms(g) + RUN_MS;
	alarms_certificate(&g->alarms, &g->spec.cert, g->spec.conf, real_us(g), now_ms(g));
	if (g->spec.scout && scout_stale(g->spec.scout, now_ms(g)))
		trouble_seen(&g->alarms.trouble, TROUBLE_CERTIFICATE, now_ms(g));
	outbox_health(g->outbox, &outbox);
	if (outbox.busy_ms >= HANGING_MS)
		trouble_seen(&g->alarms.trouble, TROUBLE_REFUSING, now_ms(g));
	if (g->closed)
		trouble_seen(&g->alarms.trouble, TROUBLE_INPUT, now_ms(g));
	look_at_ports(g);
	if (g->deaf)
		trouble_seen(&g->alarms.trouble, TROUBLE_DEAF, now_ms(g));
	if (outbox_aside_count(g->outbox))
		trouble_seen(&g->alarms.trouble, TROUBLE_ASIDE, now_ms(g));
	alarms_record(&g->alarms, g->spec.conf->witness_vkey[0] ? attest_state(g->spec.attest, now_ms(g)) : ATTEST_GOOD, now_ms(g));
	if (g->link.state == LINK_UP && now_ms(g) >= g->probe_ms)
		probe_aside(g);
	if (g->link.state == LINK_UP && !g->stopping)
		tell_troubles(g);
	alarms_keep(&g->alarms, g->outbox);
}

static void say_left_out(struct gateway *g, struct hush *h, enum log_event e, const char *input)
{
	uint32_t n = hush_left_out(h, now_ms(g));

	if (n)
		log_say(EV_LINES_LEFT_OUT, KV_NUM("lines", n), KV_STR("event", log_name(e)), KV_STR("input", input));
}

static void tick_lines(struct gateway *g)
{
	static const enum log_event about[MISSED_KINDS] = {
		[MISSED_MEANING] = EV_INPUT_REFUSED, [MISSED_END] = EV_INPUT_TRUNCATED, [MISSED_PLACE] = EV_INPUT_FULL,
		[MISSED_UNIT] = EV_PLACE_UNKNOWN,
	};

	say_left_out(g, &g->refused_event, EV_EVENT_REFUSED, "");
	say_left_out(g, &g->id_reused, EV_ID_REUSED, "");
	for (unsigned i = 0; i < g->ports; i++)
		for (unsigned k = 0; k < MISSED_KINDS; k++)
			say_left_out(g, &g->port[i].missed[k], about[k], g->port[i].name);
}

static void sooner(int64_t *wait, int64_t at_ms, int64_t now)
{
	int64_t left = at_ms > now ? at_ms - now : 0;

	if (left < *wait)
		*wait = left;
}

static int64_t next_run(const struct gateway *g)
{
	int64_t now = now_ms(g), wait = RUN_MS;

	if (g->link.deadline_ms)
		sooner(&wait, g->link.deadline_ms, now);
	if (g->lean_ms)
		sooner(&wait, g->lean_ms, now);
	if (throttle_next_ms(g->throttle) >= 0)
		sooner(&wait, throttle_next_ms(g->throttle), now);
	if (g->link.state == LINK_UP) {
		int64_t next = flight_next_ms(g->flight, now);

		sooner(&wait, self_due_ms(&g->self), now);
		if (next > now)   /* what could go now would have gone: the link is full, and its answer wakes us */
			sooner(&wait, next, now);
	}
	return wait;
}

int64_t pipeline_run(struct gateway *g)
{
	look_at_clock(g);
	take_done(g);
	connection_take(g);
	gateway_obey(g);
	connection_tick(g);
	tick_throttle(g);
	tick_open(g);
	tick_trouble(g);
	tick_lines(g);
	tick_state(g);
	send_some(g);
	if (g->link.state == LINK_UP && !g->stopping)
		attest_run(g->spec.attest, g->spec.uplink, g->uplink, &g->ids, now_ms(g), real_us(g));
	return next_run(g);
}

/* ---- life ---- */

/* What is held yields to nobody: most of the outbox is for what may go out. */
static struct throttle_limits limits_of(const struct conf *c)
{
	return (struct throttle_limits){ (uint32_t)c->throttle_burst, (uint32_t)c->throttle_per_minute,
					 c->throttle_fold_window_ms, c->throttle_delay_max_ms,
					 (uint32_t)c->gateway_outbox_mib * HELD_PER_MIB };
}

void pipeline_set_attest(struct gateway *g, struct attest *a) { g->spec.attest = a; }

void pipeline_set_throttle(struct gateway *g, const struct conf *c)
{
	struct throttle_limits l = limits_of(c);

	throttle_set(g->throttle, &l);
}

void pipeline_try_again(struct gateway *g)
{
	gateway_tidied(again(g));
	state_changed(g);
}

static enum err fly_again(void *ctx, const struct flight_item *at)
{
	struct gateway *g = ctx;

	return flight_add(g->flight, at);
}

static void open_again(void *ctx, const struct open_alert *a)
{
	struct gateway *g = ctx;
	uint8_t lost[OPEN_KEY];

	if (open_put(g->open, a->key, now_ms(g), lost))
		gateway_tidied(outbox_forget(g->outbox, lost));
}

/* A file that is damaged or not ours is kept for a person to look at. A gateway that takes no alerts for it would lose
 * more than it can hold. */
static enum err open_or_replace(struct gateway *g, const struct outbox_spec *spec)
{
	enum err e = outbox_open(spec, &g->outbox);
	char kept[OUTBOX_PATH_MAX];

	if (e != ERR_CORRUPT && e != ERR_KEY && e != ERR_VERSION)
		return e;
	TRY(outbox_keep_aside(spec->path, kept));
	log_say(EV_OUTBOX_REPLACED, KV_STR("why", err_text(e)), KV_STR("kept", kept));
	trouble_seen(&g->alarms.trouble, TROUBLE_OUTBOX, now_ms(g));
	return outbox_open(spec, &g->outbox);
}

static enum err open_outbox(struct gateway *g)
{
	const struct outbox_spec spec = {
		g->spec.conf->gateway_outbox, g->spec.root, (size_t)g->spec.conf->gateway_outbox_mib << 20,
		g->spec.wake, g->spec.ctx,
	};

	TRY(open_or_replace(g, &spec));
	if (outbox_unreadable(g->outbox))
		unreadable(g, ERR_CORRUPT, outbox_unreadable(g->outbox));
	id_after(&g->ids, outbox_newest(g->outbox));
	TRY(flight_make(outbox_most(g->outbox) + 2 * OUTBOX_WORK_MAX + OUTBOX_ASIDE_MAX,
			(unsigned)g->spec.conf->uplink_window, &g->flight));
	TRY(alarms_restore(&g->alarms, g->outbox, now_ms(g), real_us(g)));
	TRY(open_make(&g->open));
	TRY(outbox_each(g->outbox, fly_again, g));
	TRY(outbox_each_open(g->outbox, open_again, g));
	TRY(again(g));
	outbox_sync(g->outbox);         /* before what followed it in its condition is sent */
	take_done(g);
	return OK;
}

static enum err open_uplink(struct gateway *g)
{
	const struct conf *c = g->spec.conf;
	const struct scout *s = g->spec.scout;
	const struct uplink_spec spec = {
		s ? scout_cafile(s) : c->uplink_cafile, s ? scout_certfile(s) : c->uplink_certfile,
		s ? scout_keyfile(s) : c->uplink_keyfile, g->spec.device, (unsigned)c->uplink_keepalive_s,
		(unsigned)c->uplink_connect_timeout_ms, g->spec.wake, g->spec.ctx,
	};

	/* A second more than the library's own limit, which says why. */
	link_init(&g->link, c->uplink_connect_timeout_ms + 1000);
	course_init(&g->course, s ? scout_brokers(s) : 1);
	return g->spec.uplink->open(&spec, &g->uplink);
}

enum err pipeline_open(const struct pipeline_spec *spec, struct gateway **out)
{
	CLEANUP(pipeline_close) struct gateway *g = calloc(1, sizeof(*g));
	struct throttle_limits limits = limits_of(spec->conf);
	uint8_t key[AEAD_KEY_BYTES];

	if (!g)
		return ERR_FULL;
	if (!word_ok(span_str(spec->tenant)) || !word_ok(span_str(spec->device)))
		return ERR_RANGE;
	g->spec = *spec;
	g->from = (struct message_from){ spec->tenant, spec->device };
	g->arena = (struct arena){ g->arena_bytes, sizeof(g->arena_bytes), 0 };
	self_init(&g->self, now_ms(g));
	alarms_init(&g->alarms);
	crypt_random(key, sizeof(key));
	hmac_key_init(&g->hash_key, span(key, sizeof(key)));
	crypt_wipe(key, sizeof(key));
	id_init(&g->ids, span_str(spec->tenant), PULLCORD__V1__PARTY__PARTY_DEVICE, span_str(spec->device),
		(uint16_t)random32());
	TRY(filters_make(spec->conf, spec->tenant, spec->device, &g->filters));
	TRY(throttle_make(&limits, &g->throttle));
	TRY(open_outbox(g));
	TRY(open_uplink(g));
	connection_step(g, LINK_EV_START);
	*out = g;
	g = NULL;
	return OK;
}

void pipeline_close(struct gateway **out)
{
	struct gateway *g = *out;

	if (!g)
		return;
	if (g->uplink)
		g->spec.uplink->close(&g->uplink);
	outbox_close(&g->outbox);
	flight_free(&g->flight);
	open_free(&g->open);
	throttle_free(&g->throttle);
	filters_free(&g->filters);
	crypt_wipe(&g->hash_key, sizeof(g->hash_key));
	free(g);
	*out = NULL;
}

static int64_t quiet_ms(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->inputs; i++)
		if (strcmp(c->input[i].name, name) == 0)
			return c->input[i].quiet_s * 1000LL;
	return 0;
}

const struct pipeline *pipeline_port(struct gateway *g, const char *name, const struct input_kind *kind)
{
	struct port *p = &g->port[g->ports++];

	must(g->ports <= CONF_INPUTS_MAX);
	*p = (struct port){ .to = { push, missed, p }, .g = g, .name = name, .kind = kind, .open = true,
			    .heard_ms = now_ms(g), .quiet_ms = quiet_ms(g->spec.conf, name) };
	return &p->to;
}

void pipeline_port_close(struct gateway *g, const char *name)
{
	for (unsigned i = 0; i < g->ports; i++)
		if (strcmp(g->port[i].name, name) == 0)
			g->port[i].open = false;
}

void pipeline_set_closed(struct gateway *g, bool closed) { g->closed = closed; }

void pipeline_stop(struct gateway *g)
{
	g->stopping = true;
	outbox_sync(g->outbox);
	take_done(g);
	connection_step(g, LINK_EV_STOP);
}

bool pipeline_stopped(const struct gateway *g) { return g->stopping && g->link.state == LINK_DOWN; }
struct pipeline_counts pipeline_counts(const struct gateway *g) { return g->counts; }
int64_t pipeline_real_us(const struct gateway *g) { return real_us(g); }
uint32_t pipeline_queued(const struct gateway *g) { return flight_count(g->flight); }
void pipeline_sync(struct gateway *g) { outbox_sync(g->outbox); }

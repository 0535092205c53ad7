#include "gateway.h"

#include "log.h"

static bool for_us(const struct gateway *g, const struct topic *t)
{
	return span_is(t->level[0], g->spec.tenant) && span_is(topic_word(t, "device"), g->spec.device);
}

/* For orders it is as late as anybody says, or has said since the start: a broker that turns back its clock brings no expired
 * one back. */
static int64_t latest_us(struct gateway *g)
{
	int64_t own = g->spec.real_us(g->spec.ctx), made = g->spec.cert.not_before_s * 1000000, mono = now_ms(g) * 1000;
	int64_t late;

	if (real_us(g) - mono > g->late_us)
		g->late_us = real_us(g) - mono;
	late = g->late_us + mono > own ? g->late_us + mono : own;
	return late > made ? late : made;
}

static void hear_stored(struct gateway *g, const struct envelope *e)
{
	const Pullcord__V1__StoredReceipt *r = e->body.stored;

	if (e->head->party != PULLCORD__V1__PARTY__PARTY_BROKER) {
		if (hush_say(&g->ignored, now_ms(g)))
			log_say(EV_DOWNLINK_IGNORED, KV_STR("kind", "stored"), KV_STR("why", "not from the broker itself"));
		return;
	}
	alarms_clock(&g->alarms, (int64_t)e->head->sent_us, g->spec.real_us(g->spec.ctx), now_ms(g));
	(void)latest_us(g);
	for (size_t i = 0; i < r->n_id; i++) {
		struct id id;

		memcpy(id.b, r->id[i].data, ID_BYTES);
		if (flight_drop(g->flight, &id))
			gateway_tidied(outbox_delivered(g->outbox, &id));
	}
}

/* Who has finished or declined an alert must hear of the next one at once. */
static void tell_source(struct gateway *g, const struct open_alert *a, const Pullcord__V1__AlertUpdate *u, const char *by)
{
	uint8_t kind[THROTTLE_KEY];

	gateway_answer(g, &(struct answer){ .kind = ANSWER_UPDATE, .source = span_str(a->source),
				    .source_id = span_str(a->source_id), .alert = a->id, .state = u->state,
				    .by = span_str(by) }, span_str(a->input));
	message_kind(&g->hash_key, span_str(a->source), a->key, kind);
	if (u->state == PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED ||
	    u->state == PULLCORD__V1__ALERT_STATE__ALERT_STATE_DECLINED)
		throttle_settle(g->throttle, kind);
}

static void hear_update(struct gateway *g, const struct envelope *e)
{
	const Pullcord__V1__AlertUpdate *u = e->body.update;
	struct open_alert a;
	enum err err;

	if (!open_has(g->open, u->key.data) || !u->state)
		return;   /* finished already, or longer ago than we remember */
	g->counts.updates++;
	err = outbox_open_alert(g->outbox, u->key.data, &a);
	if (err == OK)
		tell_source(g, &a, u, u->by[0] ? u->by : e->head->sender);
	else
		log_say(EV_ANSWER_LOST, KV_STR("why", err_text(err)));
	if (u->state == PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED) {
		open_drop(g->open, u->key.data);
		gateway_tidied(outbox_forget(g->outbox, u->key.data));
	}
}

/* The log names who sent it, and the device's state says why not; of one that nobody sends by mistake the staff's IT hears. */
static void hear_command(struct gateway *g, const struct envelope *e)
{
	const Pullcord__V1__DeviceCommand *c = e->body.command;
	const char *kind = warrant_kind_name(c->command);
	enum order_verdict v = orders_hear(g->spec.orders, c, real_us(g), latest_us(g));

	if (v == ORDER_OBEY && c->command == PULLCORD__V1__COMMAND_KIND__COMMAND_REPORT)
		g->self.due_ms = now_ms(g);
	if (v == ORDER_OBEY)
		return;
	if (hush_say(&g->refused_order[v], now_ms(g)))
		log_say(EV_ORDER_REFUSED, KV_STR("kind", kind ? kind : "none"), KV_NUM("counter", c->counter), KV_STR("why", order_word(v)),
			KV_STR("sender", e->head->sender));
	if (order_is_forged(v))
		trouble_seen(&g->alarms.trouble, TROUBLE_ORDER, now_ms(g));
	self_changed(&g->self, now_ms(g));
}

static void say_left_out(struct gateway *g)
{
	uint32_t n = hush_left_out(&g->ignored, now_ms(g));

	if (n)
		log_say(EV_LINES_LEFT_OUT, KV_NUM("lines", n), KV_STR("event", log_name(EV_DOWNLINK_IGNORED)));
	for (size_t i = 0; i < countof(g->refused_order); i++) {
		n = hush_left_out(&g->refused_order[i], now_ms(g));
		if (n)
			log_say(EV_LINES_LEFT_OUT, KV_NUM("lines", n), KV_STR("event", log_name(EV_ORDER_REFUSED)),
				KV_STR("why", order_word((enum order_verdict)i)));
	}
}

void gateway_obey(struct gateway *g)
{
	struct orders *o = g->spec.orders;
	Pullcord__V1__CommandKind kind = orders_run(o, real_us(g));
	bool good = kind == PULLCORD__V1__COMMAND_KIND__COMMAND_QUARANTINE ||   /* take_event() and send_some() look */
		    (kind && g->spec.obey && g->spec.obey(g->spec.ctx, kind));

	if (kind && kind != PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE)
		orders_done(o, good, good ? "" : "the settings file cannot be read", real_us(g));
	if (cert_days_left(&g->spec.cert, real_us(g) / 1000000) < (uint32_t)g->spec.conf->renew_days)
		orders_renew(o, now_ms(g));
	if (orders_quarantined(o))
		trouble_seen(&g->alarms.trouble, TROUBLE_QUARANTINE, now_ms(g));
	if (orders_unreadable(o))
		trouble_seen(&g->alarms.trouble, TROUBLE_ORDERS_UNREADABLE, now_ms(g));
	if (orders_news(o))
		self_changed(&g->self, now_ms(g));
	say_left_out(g);
}

void gateway_hear(struct gateway *g, const struct uplink_event *m)
{
	static void (*const on[TOPIC_KINDS])(struct gateway *g, const struct envelope *e) = {
		[TOPIC_ACK] = hear_update, [TOPIC_STORED] = hear_stored, [TOPIC_CMD] = hear_command,
	};
	struct envelope e;
	struct topic t;
	enum err err = topic_parse(m->topic, &t);

	if (err == OK && t.kind == TOPIC_WITNESS_ADD && for_us(g, &t)) {
		attest_hear(g->spec.attest, m->payload, now_ms(g), real_us(g));
		return;
	}
	if (err == OK && t.kind == TOPIC_GOSSIP && span_is(t.level[0], g->spec.tenant)) {
		if (!for_us(g, &t))     /* what it said itself comes back, too */
			attest_gossip(g->spec.attest, m->payload, now_ms(g), real_us(g));
		return;
	}
	if (err == OK && (!on[t.kind] || !for_us(g, &t)))
		err = ERR_KIND;
	g->arena.used = 0;
	if (err == OK)   /* its time is not judged: ours may be what is wrong */
		err = envelope_open(m->payload, &t, 0, &g->arena, &e);
	if (err == OK && !e.body.any)
		err = ERR_KIND;   /* sealed end to end: not for a gateway */
	if (err == OK)
		on[t.kind](g, &e);
	else if (hush_say(&g->ignored, now_ms(g)))
		log_say(EV_DOWNLINK_IGNORED, KV_SPAN("topic", m->topic), KV_STR("why", err_text(err)));
}

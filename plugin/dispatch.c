/* Orders to devices, which the broker carries: each is on durable record before it goes on, and so is what devices say of them. */
#include "guard_inside.h"

/* Whoever gives orders may; a device says what it likes as often as it likes, which is counted like its comings and goings. */
static bool put_on_record(struct guard *g, const struct session *s, const char *topic, Pullcord__V1__AuditType type, bool good,
			  const char *text)
{
	struct happening h = guard_happening(g, type, true, s);

	if (!good)
		h.outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED;
	h.topic = span_str(topic);
	h.detail = span_str(text);
	if (type == PULLCORD__V1__AUDIT_TYPE__AUDIT_ORDER)
		return record_try(g->record, &h);
	tally_add(g->arrivals, &h);
	return true;
}

/* False: sealed end to end, say. Overwrites what the arena holds. */
static bool open_body(struct guard *g, const struct topic *t, struct span payload, char device[WORD_BYTES_MAX + 1],
		      struct envelope *e)
{
	g->arena.used = 0;
	return span_text(topic_word(t, "device"), device, WORD_BYTES_MAX + 1) &&
	       envelope_open(payload, t, 0, &g->arena, e) == OK && e->body.any;
}

/* What officers signed is the same order in another envelope. */
static bool name_order(struct guard *g, const struct session *s, const struct topic *t, struct span payload,
		       char text[CARRIED_TEXT_MAX])
{
	char device[WORD_BYTES_MAX + 1];
	struct envelope e;

	return open_body(g, t, payload, device, &e) && carried_order(e.body.command, s->tenant, device, text);
}

/* Whose it is, and which. */
struct order_name {
	char text[CARRIED_TEXT_MAX];
	uint8_t author[SHA256_BYTES], order[SHA256_BYTES];
};

static struct order_name name_of(struct guard *g, const struct session *s, const struct topic *t, struct span payload)
{
	struct order_name n = { .text = "signed by nobody, or sealed" };
	const uint8_t party = (uint8_t)s->party;
	bool named = name_order(g, s, t, payload, n.text);

	SHA256(n.author, span(&party, 1), span_str(s->id));
	SHA256(n.order, t->text, named ? span_str(n.text) : payload);
	return n;
}

bool guard_order_waits(struct guard *g, const struct session *s, const struct topic *t, struct span payload)
{
	const struct order_name n = name_of(g, s, t, payload);

	return held_find(&g->held, n.author, n.order, guard_mono_us());
}

const char *guard_unanswered_order(const struct session *s, const struct topic *t)
{
	log_say(EV_ORDER_UNANSWERED, KV_STR("sender", s->id), KV_SPAN("topic", t->text),
		KV_STR("right", "QoS 1 or 2 and a session, or pullcord order send"));
	return "an order takes QoS 1 or 2: at 0 its sender cannot be told that it is to come again";
}

const char *guard_hold_order(struct guard *g, const struct session *s, const struct topic *t, struct span payload)
{
	const struct order_name n = name_of(g, s, t, payload);
	char topic[TOPIC_BYTES_MAX + 1];
	int64_t now_us = guard_mono_us();
	struct held *one = held_find(&g->held, n.author, n.order, now_us);

	if (one && record_settled(g->record, one->ticket)) {
		held_done(&one);
		return NULL;
	}
	if (!one && span_text(t->text, topic, sizeof(topic)) &&
	    put_on_record(g, s, topic, PULLCORD__V1__AUDIT_TYPE__AUDIT_ORDER, true, n.text))
		held_add(&g->held, n.author, n.order, record_ticket(g->record), now_us);
	return "it is not on durable record yet: it is to come again";
}

void guard_follow_receipts(struct guard *g, const struct session *s, const char *topic, const struct topic *t, struct span payload)
{
	char text[CARRIED_TEXT_MAX], device[WORD_BYTES_MAX + 1];
	struct envelope e;
	bool done;

	if (!open_body(g, t, payload, device, &e))
		return;
	for (int i = 0; i < 2; i++)
		if (carried_receipt(i ? e.body.state->last_refused : e.body.state->last_obeyed, text, &done) &&
		    carried_is_new(g->receipts, span_str(device), text))
			(void)put_on_record(g, s, topic, PULLCORD__V1__AUDIT_TYPE__AUDIT_RECEIPT, done, text);
}

#include "gossip.h"
#include "guard_inside.h"
#include "log.h"
#include "retained.h"

#define OPEN_CALM_MS 1000       /* who asks what is open more often does so at their own expense */

/* Who asks; *known: a connection that logged in here. Otherwise it may be a durable session from before a restart, or
 * the source of a retained message: neither is connected, so neither shows a certificate. Anybody else got past us, and is
 * nobody. */
struct session *guard_who(struct guard *g, const struct client *c, bool *known)
{
	struct session *s = guard_session(g, c->context, c->client);

	*known = s;
	if (!*known)
		s = g->host.is_certified && g->host.is_certified(c->context) ? NULL : guard_restored(g, c);
	if (s)
		guard_refresh(g, s);
	return s;
}

/* One that speaks just now is ended by our answer, and not kicked by its client id, which may be somebody else's by then.
 * Nor is it merely denied: MQTT 3.1.1 acknowledges that like a success, and its alert would be forgotten. */
static enum gate turn_away(struct guard *g, const struct client *c, const char *topic)
{
	guard_bypassed(g, c, topic);
	return g->host.is_certified && g->host.is_certified(c->context) ? GATE_CLOSE : GATE_DENY;
}

/* A denial is an answer for good, upon which a gateway sets its alert aside; this is none. */
static struct decision nobody_knows(void)
{
	struct decision d = guard_deny("its account cannot be read");

	d.answer = GATE_CLOSE;
	return d;
}

/* What a policy was asked for; 0: it was not. */
static enum access access_of(Pullcord__V1__AuditType type)
{
	switch (type) {
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH: case PULLCORD__V1__AUDIT_TYPE__AUDIT_WILL: return ACCESS_PUBLISH;
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_SUBSCRIBE: return ACCESS_SUBSCRIBE;
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER: return ACCESS_RECEIVE;
	default: return 0;
	}
}

/* A message that went through. Near the end of its room the record has it in sums, as in a digest. */
static bool is_movement(Pullcord__V1__AuditType type, const struct decision *d)
{
	return d->answer == GATE_ALLOW && access_of(type) & (ACCESS_PUBLISH | ACCESS_RECEIVE);
}

/* Kept apart, so that what leaves no record does not carry its weight. */
__attribute__((noinline)) void guard_put_decision(struct guard *g, Pullcord__V1__AuditType type, struct session *s,
						   struct span topic, const struct publish *p, const struct decision *d)
{
	struct happening h = guard_happening(g, type, d->answer == GATE_ALLOW, s);

	h.topic = topic;
	h.message = d->message;
	h.patient = d->patient;
	h.why = d->verdict.why;
	h.line = d->verdict.line;
	h.qos = p->qos;
	h.retain = p->retain;
	h.life_critical = d->verdict.life_critical;
	h.basis = d->basis;
	h.how = d->how;
	if (s->taken && d->answer == GATE_ALLOW && d->verdict.allow && access_of(type))
		h.emergency_us = guard_emergency(g, s, access_of(type), topic);
	h.detail = span_str(d->detail);
	if (d->answer == GATE_CLOSE)
		h.outcome = PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED;
	if (d->answer == GATE_ALLOW && d->verdict.record == POLICY_RECORD_DIGEST && digest_add(g->digest, &h))
		return;
	if (is_movement(type, d) && d->basis != PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED)
		guard_moved(g, s, h.mono_us);
	if (is_movement(type, d) && record_scarce(g->record) && digest_add(g->digest, &h))
		return;
	if (d->answer == GATE_DENY && access_of(type) & (ACCESS_PUBLISH | ACCESS_SUBSCRIBE))
		guard_refused(g, s, d->topic, &d->verdict);
	if (d->answer == GATE_ALLOW)
		record_push(g->record, &h);     /* of what is allowed nothing is counted together */
	else
		tally_add(g->tally, &h);
}

void guard_compare(struct guard *g, Pullcord__V1__AuditType type, const struct session *s, struct span topic,
		   const struct decision *d)
{
	if (g->shadow && access_of(type))
		guard_shadow_ask(g, s, access_of(type), topic, &d->verdict);
}

void guard_record_decision(struct guard *g, Pullcord__V1__AuditType type, struct session *s, struct span topic,
			   const struct publish *p, const struct decision *d)
{
	guard_compare(g, type, s, topic, d);
	if (d->answer != GATE_ALLOW || d->verdict.record != POLICY_RECORD_OFF || d->verdict.life_critical)
		guard_put_decision(g, type, s, topic, p, d);
}

/* ---- publish ---- */

static const char *const envelope_faults[ERR_COUNT] = {
	[ERR_SENDER] = "the envelope claims another sender",
	[ERR_KIND] = "the envelope's kind does not belong on this topic",
	[ERR_TIME] = "the envelope's times are not plausible",
};

/* What the envelope says must be what the connection proved. */
static const char *check_sender(struct session *s, const struct envelope *e)
{
	if (s->sender.proved)
		return NULL;    /* as the message before */
	if (e->head->party != s->party || strcmp(e->head->sender, s->id) != 0 || strcmp(e->head->tenant, s->tenant) != 0)
		return envelope_faults[ERR_SENDER];
	s->sender.proved = true;
	return NULL;
}

/* Topics only the broker itself speaks on. */
static bool is_ours_alone(enum topic_kind kind)
{
	return kind == TOPIC_STORED || kind == TOPIC_CHECKPOINT || kind == TOPIC_WITNESS_ADD ||
	       kind == TOPIC_METRIC;
}

/* What witnesses of the record say, to it and to each other. */
static bool is_witness(enum topic_kind kind)
{
	return kind == TOPIC_WITNESS_REQ || kind == TOPIC_COSIGNATURE || kind == TOPIC_GOSSIP;
}

/* A gateway says that it is there whenever it comes: cut off for that, it would never come to say what saves lives. */
static bool goes_on_without_record(enum topic_kind kind)
{
	return kind == TOPIC_STATE || is_witness(kind);
}

static bool may_be_retained(enum topic_kind kind)
{
	return kind == TOPIC_STATE || kind == TOPIC_PRESENCE;
}

/* How a message comes to be asked about. */
enum voice {
	VOICE_LIVE,                 /* sent now */
	VOICE_WILL,                 /* its connection is over */
	VOICE_RETAINED,             /* sent long ago: may its source still? */
};

/* What may still be said when a connection is over: its will, and what it retained, both only of itself. */
static bool is_of_itself(const struct topic *t, const struct session *s)
{
	return (t->kind == TOPIC_STATE && span_is(topic_word(t, "device"), s->id)) ||
	       (t->kind == TOPIC_PRESENCE && span_is(topic_word(t, "user"), s->id));
}

/* A size, a line, or a note, and only of itself, whatever the policy lets it speak for. */
static const char *check_witness(const struct guard *g, const struct session *s, const struct topic *t, const struct publish *p)
{
	if (!span_is(t->level[0], g->tenant))
		return "the record is the first tenant's, and so are its witnesses";
	if (s->party != PULLCORD__V1__PARTY__PARTY_DEVICE || !span_is(topic_word(t, "device"), s->id))
		return "a witness speaks for itself only";
	if (t->kind == TOPIC_GOSSIP)
		return p->payload.n > GOSSIP_BYTES_MAX ? "the payload is longer than any word of a witness" : NULL;
	return p->payload.n > COSIGNATURE_LINE_MAX ? "the payload is longer than any cosignature" : NULL;
}

/* The payload of one of our topics. An empty retained one clears what was retained (MQTT 5 §3.3.1.3). */
static const char *check_payload(struct guard *g, struct session *s, const struct topic *t, const struct publish *p,
				 struct envelope *e)
{
	enum err err;

	if (p->retain && !may_be_retained(t->kind))
		return "nothing may be retained on this topic";
	if (is_witness(t->kind))
		return check_witness(g, s, t, p);
	if (!topic_bodies(t->kind) || (p->retain && p->payload.n == 0))
		return NULL;
	g->arena.used = 0;
	/* A machine whose clock was never set must not lose its alerts for it. */
	err = envelope_check(&s->sender, p->payload, t, s->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? 0 : g->turn_us, &g->arena,
			     e);
	if (err != OK)
		return envelope_faults[err] ? envelope_faults[err] : "the payload is not a valid envelope";
	return check_sender(s, e);
}

/* The limit of its roles that a message goes beyond. */
static const char *check_limits(const struct policy_limits *most, enum voice voice, const struct publish *p)
{
	if (p->payload.n > most->bytes)
		return "limit size: the payload is larger than the roles allow";
	if (p->qos > most->qos)
		return "limit qos: the quality of service is higher than the roles allow";
	if (p->retain && !most->retain)
		return "no retain: a role forbids retained messages";
	return voice == VOICE_WILL && !most->will ? "no will: a role forbids a will" : NULL;
}

/* What is not counted: what saves lives, and what is not sent now. */
static bool is_in_rate(struct session *s, enum voice voice, const struct decision *d, const struct policy_limits *most)
{
	return voice != VOICE_LIVE || d->verdict.life_critical || most->rate_per_h == POLICY_NO_LIMIT ||
	       session_count_message(s, most->rate_per_h, most->burst, guard_mono_us());
}

/* An order that was cut off so that it comes again was counted when it came first. */
static bool is_counted(struct guard *g, const struct session *s, enum voice voice, const struct topic *t, const struct publish *p)
{
	return voice == VOICE_LIVE && t->kind == TOPIC_CMD && guard_order_waits(g, s, t, p->payload);
}

/* Whoever may give some command may speak here; each command is decided again, alone (admin.c). */
static struct decision decide_control(const struct guard *g, const struct session *s)
{
	struct decision d = guard_deny(NULL);

	if (control_allowed_any(g->policy, s->holder)) {
		d.verdict.why = WHY_ALLOWED;
		d.answer = GATE_ALLOW;
		return d;
	}
	d.verdict.why = WHY_NO_RULE;
	d.detail = "no role of theirs permits any command";
	return d;
}

/* Whom it is about: whom its body names, else the topic. */
struct span guard_patient_of(const struct topic *t, struct span named)
{
	if (named.n || (t->kind != TOPIC_PATIENT_MSG && t->kind != TOPIC_PATIENT_RECEIPT))
		return named;
	return topic_word(t, "patient");
}

void guard_about(struct guard *g, const struct id *message, struct span payload, struct span patient)
{
	struct subject_seen *about = &g->about;

	about->payload = payload.p;
	about->message = *message;
	about->n = patient.n;
	about->known = true;
	if (patient.n)
		memcpy(about->text, patient.p, patient.n);
}

/* What asks us something: answered, not delivered, yet work; so within the limits of the roles, life-critical to nobody. */
static struct decision decide_request(struct decision d, struct session *s, const struct policy_limits *most, enum voice voice,
				      const struct publish *p, bool is_free)
{
	if (d.answer != GATE_ALLOW)
		return d;
	if (voice != VOICE_LIVE || p->retain)
		d.detail = "nothing may be retained on this topic";
	else
		d.detail = check_limits(most, voice, p);
	if (!d.detail && !is_free && !is_in_rate(s, voice, &d, most))
		d.detail = "limit rate: more messages than the roles allow";
	if (d.detail)
		d.answer = GATE_DENY;
	return d;
}

static bool is_open_ask(const char *topic) { return topic[0] == '$' && strcmp(topic, READBACK_OPEN) == 0; }
static bool is_ask(const char *topic) { return topic[0] == '$' && (strcmp(topic, READBACK_TOPIC) == 0 || is_open_ask(topic)); }

/* What a program asks by itself does not use up what its user may say. */
static bool is_calm(const struct guard *g, const struct session *s) { return g->turn_ms - s->asked_ms >= OPEN_CALM_MS; }

/* Whoever may do anything may ask; what they are shown is decided item by item. What is open tells nothing that is not on record
 * as a subscription, and a program asks it every few seconds. */
static struct decision decide_ask(const struct session *s, const char *topic)
{
	struct decision d = guard_deny(NULL);

	d.verdict.why = s->holder ? WHY_ALLOWED : WHY_NO_RULE;
	if (is_open_ask(topic))
		d.verdict.record = POLICY_RECORD_OFF;
	if (s->holder)
		d.answer = GATE_ALLOW;
	return d;
}

static struct decision decide_publish(struct guard *g, struct session *s, enum voice voice, const char *topic,
				      const struct publish *p, struct envelope *e)
{
	const struct memo_topic *t = memo_topic(&g->topics, g->policy, topic);
	struct policy_limits most = policy_limits(g->policy, s->holder);
	struct decision d = guard_deny(NULL);

	d.verdict.why = WHY_GRAMMAR;
	if (is_ask(topic))
		return decide_request(decide_ask(s, topic), s, &most, voice, p, is_open_ask(topic) && is_calm(g, s));
	if (!t)
		return d;
	d.topic = &t->topic;
	if (voice != VOICE_LIVE && !is_of_itself(d.topic, s))
		d.detail = "a will is for one's own state or presence";
	else if (d.topic->kind == TOPIC_OTHER)
		d.detail = "not one of our topics";   /* what is not known cannot be checked */
	else if (is_ours_alone(d.topic->kind) || guard_is_own_alarm(g, d.topic))
		d.detail = "only the broker speaks on this topic";
	if (d.detail)
		return d;
	if (d.topic->kind == TOPIC_CONTROL)
		return decide_request(decide_control(g, s), s, &most, voice, p, false);
	d.verdict = memo_decide(&s->verdicts, g->policy, s->holder, ACCESS_PUBLISH, t);
	if (!d.verdict.allow)
		return d;
	d.detail = check_limits(&most, voice, p);
	if (!d.detail)
		d.detail = check_payload(g, s, d.topic, p, e);
	if (d.detail)
		return d;
	if (e->head)
		d.message = &e->id;
	d.answer = GATE_ALLOW;
	if (d.topic->kind == TOPIC_CMD && !p->qos) {
		d.detail = guard_unanswered_order(s, d.topic);
		d.answer = GATE_CLOSE;   /* a refusal at QoS 0 looks like nothing */
	} else if (g->record_out && !d.verdict.life_critical && !goes_on_without_record(d.topic->kind)) {
		d.detail = "the record has stopped";
		d.answer = GATE_CLOSE;   /* no PUBACK: the outbox keeps it (an ACL denial would look like success) */
	} else if (d.topic->kind == TOPIC_CMD && record_state(g->record) != RECORD_FLOWING) {
		d.detail = "the record is behind";
		d.answer = GATE_CLOSE;   /* as an administrator's command: nothing is done that the record cannot keep up with */
	} else if (!is_counted(g, s, voice, d.topic, p) && !is_in_rate(s, voice, &d, &most)) {
		d.detail = "limit rate: more messages than the roles allow";
		d.answer = s->party == PULLCORD__V1__PARTY__PARTY_DEVICE && p->qos ? GATE_CLOSE : GATE_DENY;   /* as above */
	}
	if (d.answer != GATE_ALLOW || d.verdict.record != POLICY_RECORD_OFF)
		d.patient = guard_patient_of(d.topic, e->patient);
	return d;
}

/* What its sender says, counted from now when its clock is ahead of ours; never longer than alerts are kept. What comes out
 * of date, late or by a clock that is behind, is delivered all the same, and so is kept for whoever is just coming back. */
static int64_t keep_until(const struct guard *g, const struct envelope *e, bool over)
{
	uint64_t now = (uint64_t)guard_real_us(), latest = now + (uint64_t)(over ? HISTORY_END_US : HISTORY_KEEP_US);
	uint64_t until = e->head->expires_us, sent = e->head->sent_us;

	if (until && sent > now + (uint64_t)ENVELOPE_SKEW_US)
		until -= sent - now;
	if (until && until < now + (uint64_t)HISTORY_END_US)
		until = now + (uint64_t)HISTORY_END_US;
	if (!until || until > latest)
		until = latest;
	return guard_steady_us(g) + (int64_t)(until - now);
}

static const enum history_answer answers[] = {
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_NONE] = HISTORY_OPEN,
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_ACCEPTED] = HISTORY_ACCEPTED,
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_ON_THE_WAY] = HISTORY_ACCEPTED,
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED] = HISTORY_DONE,
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_DECLINED] = HISTORY_OPEN,
	[PULLCORD__V1__ALERT_STATE__ALERT_STATE_ESCALATED] = HISTORY_OPEN,
};

/* Alerts are kept until they are seen to; answers and ends close them. */
static __attribute__((noinline)) void follow_alert(struct guard *g, const struct session *s, const struct topic *t,
						   const struct publish *p, const struct envelope *e)
{
	const Pullcord__V1__Alert *a = e->body.alert;
	const Pullcord__V1__AlertUpdate *u = e->body.update;
	char receipt[TOPIC_BYTES_MAX + 1];
	struct alert kept = { .id = e->id, .topic = t, .payload = p->payload, .receipt = receipt };

	if (t->kind == TOPIC_ACK && (size_t)u->state < countof(answers))
		history_answer(g->history, u->key.data, t, answers[u->state]);
	if (t->kind != TOPIC_ALERT || TOPIC_BUILD(receipt, TOPIC_STORED, s->tenant, s->id) != OK)
		return;
	kept.key = a->key.data;
	kept.over = a->phase == PULLCORD__V1__PHASE__PHASE_END;
	kept.until_us = keep_until(g, e, kept.over);
	if (history_put(g->history, &kept) != OK)
		log_say(EV_HISTORY_FAILED, KV_STR("state", "out of memory"));
}

/* Copied; the record's own thread does what is to be done. */
static void follow_witness(struct guard *g, const struct session *s, const struct topic *t, const struct publish *p)
{
	struct span rest, text = span_cut(p->payload, '\n', &rest);
	uint64_t size;

	if (t->kind == TOPIC_COSIGNATURE)
		(void)record_witness_says(g->record, span_str(s->id), p->payload);
	else if (t->kind == TOPIC_WITNESS_REQ && span_u64(text, UINT64_MAX, &size) && rest.n == 0)
		(void)record_witness_asks(g->record, span_str(s->id), size);
}

bool guard_may_look(struct guard *g, struct session *s, const char *filter)
{
	struct decision d = guard_deny(NULL);
	struct topic looked;

	d.verdict.why = WHY_GRAMMAR;
	if (filter_parse(span_str(filter), &looked) == OK) {
		d.topic = &looked;
		d.verdict = policy_decide(g->policy, s->holder, ACCESS_SUBSCRIBE, d.topic);
	}
	d.answer = d.verdict.allow ? GATE_ALLOW : GATE_DENY;
	d.detail = "asked to read back";
	guard_record_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_SUBSCRIBE, s, span_str(filter), &(struct publish){ 0 }, &d);
	return d.verdict.allow;
}

enum gate guard_publish(struct guard *g, const struct client *c, const char *topic, const struct publish *p)
{
	struct envelope e = { 0 };
	struct decision d;
	bool known, live;
	struct session *s;

	guard_not_sent(g);
	s = guard_who(g, c, &known);

	if (!s)
		return turn_away(g, c, topic);
	g->about.known = false;   /* an id may come again with another payload */
	g->record_out = record_stopped(g->record);
	live = known && s->state == SESSION_LIVE;
	d = s->unread ? nobody_knows() :
			decide_publish(g, s, live ? VOICE_LIVE : known ? VOICE_WILL : VOICE_RETAINED, topic, p, &e);
	if (live && d.answer == GATE_DENY && !session_count_refusal(s, guard_mono_us())) {
		d.detail = "too many refused messages: its connection ends";
		d.answer = GATE_CLOSE;  /* QoS 1: it has no answer yet, comes again, and is refused then */
	}
	if (live && d.answer == GATE_ALLOW && d.topic && d.topic->kind == TOPIC_CMD &&
	    (d.detail = guard_hold_order(g, s, d.topic, p->payload)))
		d.answer = GATE_CLOSE;  /* no PUBACK, for it is no success; and nothing of `e` is used any more for an order */
	if (!known && d.answer == GATE_CLOSE)
		d.answer = GATE_DENY;   /* asked for somebody else's subscription, who is not to be closed for it */
	if (!known && d.answer == GATE_DENY)
		retained_ask_later(g, s);
	if (known || d.answer != GATE_ALLOW) {   /* asking whether a retained message's source still may is no publish */
		g->count.publish[d.answer]++;
		guard_record_decision(g, live ? PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH : PULLCORD__V1__AUDIT_TYPE__AUDIT_WILL, s,
				d.topic ? d.topic->text : span_str(topic), p, &d);
	}
	if (known)      /* it is not merely asked whose a retained one is */
		g->serving.who = NULL;
	if (live && !is_open_ask(topic))
		s->active_ms = g->turn_ms;      /* that asks a program, not somebody who is there */
	if (d.message && d.answer == GATE_ALLOW && d.verdict.record != POLICY_RECORD_OFF)
		guard_about(g, d.message, p->payload, d.patient);      /* its deliveries follow */
	if (known && p->retain && d.answer == GATE_ALLOW)
		retained_note(g, s, p->payload.n == 0);
	if (live && d.answer == GATE_ALLOW) {
		if (e.body.any)
			follow_alert(g, s, d.topic, p, &e);
		if (e.head && history_keeps(g->history, d.topic->kind))
			history_note(g->history, d.topic, &e.id, guard_real_us(), p->payload);
		if (d.topic && is_witness(d.topic->kind))
			follow_witness(g, s, d.topic, p);
		if (d.topic && d.topic->kind == TOPIC_STATE)
			guard_follow_receipts(g, s, topic, d.topic, p->payload);        /* last: e is no more after it */
	}
	return d.answer;
}

/* ---- subscribe ---- */

/* `parsed`: where the decision's topic is. */
static struct decision decide_subscribe(struct guard *g, struct session *s, struct span filter, struct topic *parsed)
{
	struct decision d = guard_deny(NULL);

	d.verdict.why = WHY_GRAMMAR;
	/* Answers are sent to one client, not to a topic: a library that insists may subscribe to where they come. */
	if (span_is(filter, CONTROL_RESPONSE))
		return decide_control(g, s);
	if (span_is(filter, READBACK_RESPONSE)) {
		d.verdict.why = s->holder ? WHY_ALLOWED : WHY_NO_RULE;
		d.answer = s->holder ? GATE_ALLOW : GATE_DENY;
		return d;
	}
	if (filter_parse(filter, parsed) != OK)
		return d;
	d.topic = parsed;
	d.verdict = policy_decide(g->policy, s->holder, ACCESS_SUBSCRIBE, parsed);
	if (!d.verdict.allow)
		return d;
	if (record_state(g->record) != RECORD_FLOWING && s->party == PULLCORD__V1__PARTY__PARTY_USER)
		d.detail = "the record is behind";
	else if (session_filter_add(s, filter, history_number(g->history)) != OK)
		d.detail = "too many subscriptions";
	s->subscribed = g->ticks;
	session_ask_anew(s);
	g->attend = true;   /* open alerts may be due to it */
	d.answer = d.detail ? GATE_DENY : GATE_ALLOW;
	return d;
}

enum gate guard_subscribe(struct guard *g, const struct client *c, const char *filter, uint8_t qos)
{
	struct topic parsed;
	struct decision d;
	bool known;
	struct session *s = guard_who(g, c, &known);

	if (!known)
		return turn_away(g, c, filter);
	/* 2.0.12 and later ask so for each subscription of a session that we end, and take away what we refuse. It may be wanted
	 * when its owner is back; what comes by it is decided in any case. */
	if (g->ending && c->context == g->ending)
		return GATE_ALLOW;
	d = s->unread ? nobody_knows() : decide_subscribe(g, s, span_str(filter), &parsed);
	guard_record_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_SUBSCRIBE, s, span_str(filter),
			&(struct publish){ .qos = qos }, &d);
	s->active_ms = guard_mono_us() / 1000;
	g->serving.who = s;
	g->serving.how = PULLCORD__V1__AUDIT_HOW__HOW_RETAINED;
	g->count.subscribe[d.answer]++;
	return d.answer;
}

enum gate guard_unsubscribe(struct guard *g, const struct client *c, const char *filter)
{
	struct decision d = { .answer = GATE_ALLOW };
	bool known;
	struct session *s = guard_who(g, c, &known);

	if (!known)
		return GATE_DENY;
	session_filter_del(s, span_str(filter));
	guard_record_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_UNSUBSCRIBE, s, span_str(filter), &(struct publish){ 0 }, &d);
	return GATE_ALLOW;
}

#include "guard_inside.h"

/* Nothing but the answer comes of it. */
static bool leaves_no_trace(const struct verdict *v)
{
	return v->allow && v->record == POLICY_RECORD_OFF && !v->life_critical;
}

/* What is delivered also then, and set aside: what operators are told by us, maybe of the record; and that an alert is stored,
 * for without that its device sends it again with each connection. */
static bool goes_out_without_record(const struct guard *g, const struct topic *t)
{
	return t->kind == TOPIC_STORED || guard_is_own_alarm(g, t);
}

/* One message goes to many: whom it is about is looked up once. */
static struct span delivered_patient(struct guard *g, const struct topic *t, const struct id *message, struct span payload)
{
	const struct subject_seen *about = &g->about;

	if (!about->known || about->payload != payload.p || memcmp(about->message.b, message->b, sizeof(message->b)) != 0)
		guard_about(g, message, payload, guard_patient_of(t, envelope_peek_patient(payload)));
	return span(about->text, about->n);
}

/* Of a retained message that is shown to who subscribes, and of what had waited for who comes back, the broker asks while it
 * serves them, before anything else: a live one comes after its publish. Its flag tells the one from the other only then. */
static Pullcord__V1__AuditHow how_it_comes(const struct guard *g, const struct session *s, const struct publish *p)
{
	if (s->state != SESSION_LIVE)
		return PULLCORD__V1__AUDIT_HOW__HOW_AWAY;
	if (g->serving.who == s && (p->retain || g->serving.how != PULLCORD__V1__AUDIT_HOW__HOW_RETAINED))
		return g->serving.how;
	return PULLCORD__V1__AUDIT_HOW__HOW_LIVE;
}

static void name_message(struct guard *g, struct decision *d, struct id *message, const struct memo_topic *t, struct span payload)
{
	static const struct topic none;

	if (envelope_peek_id(payload, message) != OK)
		return;
	d->message = message;
	d->patient = delivered_patient(g, t ? &t->topic : &none, message, payload);
}

/* What was dropped where this one lies now is expected no longer. */
static void expect_sending(struct session *s, const struct publish *p, Pullcord__V1__AuditHow how)
{
	const uint64_t place = awaited_place(p->payload.p);

	(void)awaited_take(&s->awaited, place);
	if (how != PULLCORD__V1__AUDIT_HOW__HOW_LIVE)
		awaited_note(&s->awaited, place, (uint8_t)how);
}

/* The broker sends what is live at once, or says nothing of it. */
static void note_passing(struct guard *g, struct session *s, const struct publish *p, const struct decision *d)
{
	struct passing *w = &g->passing;

	w->s = s;
	w->verdict = d->verdict;
	w->payload = p->payload.p;
	w->named = d->message;
	if (d->message)
		w->message = *d->message;
	w->qos = p->qos;
	w->retain = p->retain;
	w->topic_n = d->topic->text.n;
	must(w->topic_n <= sizeof(w->topic) && d->patient.n <= sizeof(w->patient));
	memcpy(w->topic, d->topic->text.p, w->topic_n);
	w->patient_n = d->patient.n;
	if (w->patient_n)
		memcpy(w->patient, d->patient.p, w->patient_n);
}

static void passing_is_sent(struct guard *g, const struct session *s, const struct publish *p, const struct id *message)
{
	const struct passing *w = &g->passing;

	if (w->s == s && w->payload == p->payload.p && w->named == (message != NULL) &&
	    (!message || memcmp(w->message.b, message->b, sizeof(message->b)) == 0))
		g->passing.s = NULL;
}

void guard_not_sent(struct guard *g)
{
	const struct passing *w = &g->passing;
	struct session *s = w->s;
	struct decision d = { .verdict = w->verdict, .message = w->named ? &w->message : NULL,
			      .patient = span(w->patient, w->patient_n), .answer = GATE_ALLOW,
			      .basis = PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED, .how = PULLCORD__V1__AUDIT_HOW__HOW_LIVE };
	const struct publish p = { .qos = w->qos, .retain = w->retain };

	if (!s)
		return;
	g->passing.s = NULL;
	guard_put_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, s, span(w->topic, w->topic_n), &p, &d);
}

/* It was let by before: as one of those that do not come live, or else live, whether it went at once or waited its turn. */
static Pullcord__V1__AuditHow how_it_came(struct session *s, const struct publish *p, const struct id *message)
{
	uint8_t how = awaited_take(&s->awaited, awaited_place(p->payload.p));

	if (!how && message)
		how = awaited_take(&s->awaited, awaited_id(message));
	if (!how)
		how = s->awaited.lost ? PULLCORD__V1__AUDIT_HOW__HOW_UNKNOWN : PULLCORD__V1__AUDIT_HOW__HOW_LIVE;
	return (Pullcord__V1__AuditHow)how;
}

/* Kept apart, so that deliveries that leave no record do not carry its weight. What is read back is in an answer of ours, of
 * which the broker does not say that it is sent. */
static __attribute__((noinline)) enum gate record_delivery(struct guard *g, struct session *s, const char *topic,
							    const struct memo_topic *t, const struct publish *p,
							    const struct verdict *v, bool stopped, const char *detail)
{
	struct decision d = guard_deny(stopped ? "the record has stopped" : detail);
	struct id message;

	guard_not_sent(g);
	d.verdict = *v;
	d.topic = t ? &t->topic : NULL;
	d.how = detail ? PULLCORD__V1__AUDIT_HOW__HOW_READ_BACK : how_it_comes(g, s, p);
	if (v->allow && !stopped)
		d.answer = GATE_ALLOW;
	name_message(g, &d, &message, t, p->payload);
	if (g->told_of_sending && d.answer == GATE_ALLOW && !detail) {
		if (s->state == SESSION_LIVE) {
			guard_compare(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, s, t->topic.text, &d);
			expect_sending(s, p, d.how);
			if (d.how == PULLCORD__V1__AUDIT_HOW__HOW_LIVE)
				note_passing(g, s, p, &d);
			return GATE_ALLOW;      /* guard_sent() has it on record */
		}
		d.basis = PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED;
	}
	guard_record_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, s, t ? t->topic.text : span_str(topic), p, &d);
	return d.answer;
}

bool guard_passes(struct guard *g, const void *context, const char *client, const char *topic, const struct publish *p)
{
	struct session *s = guard_session(g, context, client);
	const struct verdict *v;

	if (!s || s->subscribed == g->ticks)
		return false;
	if (guard_must_refresh(g, s))
		guard_refresh(g, s);
	v = memo_known(&g->topics, &s->verdicts, ACCESS_RECEIVE, topic);
	if (!v || !v->allow || g->record_out)
		return false;
	if (!leaves_no_trace(v)) {
		if (record_stopped(g->record))
			return false;
		(void)record_delivery(g, s, topic, g->topics.last, p, v, false, NULL);
	} else if (s->until_us == 0 || s->until_us == INT64_MAX) {
		s->passes[g->topics.last->number % MEMO_VERDICTS] = g->topics.last->number;
	}
	g->count.receive[GATE_ALLOW]++;
	return true;
}

/* It subscribed just now, and is shown what is open at the end of this turn of the broker's: what comes before that would
 * overtake it, and is shown after it. For one turn only: nothing live waits for a crowd that comes back. */
static bool comes_later(struct guard *g, struct session *s, const struct topic *t, struct span payload)
{
	struct topic filter;
	struct id id;

	if (s->subscribed != g->ticks || s->state != SESSION_LIVE || t->kind != TOPIC_ALERT ||
	    envelope_peek_id(payload, &id) != OK || !history_find(g->history, &id))
		return false;
	for (size_t i = 0; i < s->filters; i++)
		if (s->filter[i].alerts_before && filter_parse(span_str(s->filter[i].text), &filter) == OK &&
		    filter_matches(&filter, t))
			return s->withheld = true;
	return false;
}

static enum gate deliver(struct guard *g, struct session *s, const char *topic, const struct publish *p,
			 const char *detail)
{
	const struct memo_topic *t = memo_topic(&g->topics, g->policy, topic);
	struct verdict v = { .why = WHY_GRAMMAR };
	bool stopped = record_stopped(g->record);
	enum gate answer = GATE_ALLOW;

	if (t)
		v = memo_decide(&s->verdicts, g->policy, s->holder, ACCESS_RECEIVE, t);
	if (stopped && t && goes_out_without_record(g, &t->topic))
		v.life_critical = true;         /* recorded as such, it is set aside */
	if (v.allow && !detail && comes_later(g, s, &t->topic, p->payload))
		return GATE_DENY;       /* and counted when it is shown */
	if (!leaves_no_trace(&v) || stopped)
		answer = record_delivery(g, s, topic, t, p, &v, v.allow && !v.life_critical && stopped, detail);
	if (v.allow && answer != GATE_ALLOW && !detail && t->topic.kind == TOPIC_ALERT)
		session_missed(s, history_number(g->history));
	g->count.receive[answer]++;
	return answer;
}

bool guard_may_read(struct guard *g, struct session *s, const char *topic, struct span payload)
{
	bool may;

	g->about.known = false;   /* what was kept under an id may be another payload than the last that came under it */
	may = deliver(g, s, topic, &(struct publish){ .payload = payload }, "read back") == GATE_ALLOW;
	g->about.known = false;
	return may;
}

bool guard_show(struct guard *g, struct session *s, const struct kept *k, const char *detail)
{
	const struct publish p = { span(k->payload, k->n), 1, false };
	struct decision d = { .verdict = policy_decide(g->policy, s->holder, ACCESS_RECEIVE, &k->topic), .topic = &k->topic,
			      .message = &k->id, .patient = envelope_peek_patient(p.payload), .detail = detail, .answer = GATE_ALLOW,
			      .how = PULLCORD__V1__AUDIT_HOW__HOW_OPEN,
			      .basis = g->told_of_sending ? PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED :
							    PULLCORD__V1__AUDIT_BASIS__BASIS_QUEUED };

	if (record_stopped(g->record) && goes_out_without_record(g, &k->topic))
		d.verdict.life_critical = true;
	if (!d.verdict.allow || (!d.verdict.life_critical && record_stopped(g->record)) ||
	    !guard_send(g, s->client, k->text, p.payload, p.qos, false))
		return false;
	g->count.receive[GATE_ALLOW]++;
	if (g->told_of_sending && !leaves_no_trace(&d.verdict))
		awaited_note(&s->awaited, awaited_id(&k->id), PULLCORD__V1__AUDIT_HOW__HOW_OPEN);
	guard_record_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, s, k->topic.text, &p, &d);
	return true;
}

enum gate guard_receive(struct guard *g, const struct client *c, const char *topic, const struct publish *p)
{
	bool known;
	struct session *s = guard_who(g, c, &known);

	if (!s) {
		guard_bypassed(g, c, topic);
		g->count.receive[GATE_DENY]++;
		return GATE_DENY;
	}
	return deliver(g, s, topic, p, NULL);
}

/* What was authorised earlier may be sent under rights that have changed: then it says so. Answers to requests are on record
 * where they are made. */
void guard_sent(struct guard *g, const void *context, const char *client, const char *topic, const struct publish *p)
{
	struct session *s = guard_session(g, context, client);
	struct decision d = { .answer = GATE_ALLOW, .basis = PULLCORD__V1__AUDIT_BASIS__BASIS_SENT };
	const struct memo_topic *t;
	struct id message;

	if (!s || topic[0] == '$')
		return;
	if (guard_must_refresh(g, s))
		guard_refresh(g, s);
	t = memo_topic(&g->topics, g->policy, topic);
	if (t)
		d.verdict = memo_decide(&s->verdicts, g->policy, s->holder, ACCESS_RECEIVE, t);
	if (t && record_stopped(g->record) && goes_out_without_record(g, &t->topic))
		d.verdict.life_critical = true;         /* as when it was decided: it is set aside, not lost */
	if (t && d.verdict.record == POLICY_RECORD_OFF && !d.verdict.life_critical)
		return;
	if (!d.verdict.allow)
		d.detail = "allowed when it was queued, not any more";
	name_message(g, &d, &message, t, p->payload);
	d.how = how_it_came(s, p, d.message);
	passing_is_sent(g, s, p, d.message);
	guard_put_decision(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, s, t ? t->topic.text : span_str(topic), p, &d);
}

#include "guard_inside.h"

#define CATCH_UP_SESSIONS 16    /* in one tick */
#define REBIND_SESSIONS 128     /* the same; each takes some microseconds */

static void deliver_late(struct guard *g, struct session *s, const struct kept *k)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER, true, s);
	struct verdict v = policy_decide(g->policy, s->holder, ACCESS_RECEIVE, &k->topic);

	if (record_stopped(g->record))
		v.life_critical = v.life_critical || guard_is_own_alarm(g, &k->topic);
	if (!v.allow || (!v.life_critical && record_stopped(g->record)))
		return;
	if (!guard_send(g, s->client, k->text, span(k->payload, k->n), 1, false))
		return;
	g->count.receive[GATE_ALLOW]++;
	if (v.record == POLICY_RECORD_OFF && !v.life_critical)
		return;
	h.topic = span_str(k->text);
	h.message = &k->id;
	h.patient = envelope_peek_patient(span(k->payload, k->n));
	h.why = v.why;
	h.line = v.line;
	h.emergency_us = guard_emergency(g, s, ACCESS_RECEIVE, h.topic);
	h.qos = 1;
	h.life_critical = v.life_critical;
	h.basis = g->told_of_sending ? PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED : PULLCORD__V1__AUDIT_BASIS__BASIS_QUEUED;
	h.how = PULLCORD__V1__AUDIT_HOW__HOW_OPEN;
	h.detail = SPAN_LIT("open when subscribed");
	if (g->told_of_sending)
		awaited_note(&s->awaited, awaited_id(&k->id), PULLCORD__V1__AUDIT_HOW__HOW_OPEN);
	record_push(g->record, &h);
}

/* Open alerts up to number `before`, oldest first; filter NULL: whatever it may receive. */
static void show_open(struct guard *g, struct session *s, const struct topic *filter, uint64_t before)
{
	for (const struct kept *k = history_next(g->history, NULL); k && k->number <= before;
	     k = history_next(g->history, k))
		if (!k->accepted && (!filter || filter_matches(filter, &k->topic)))
			deliver_late(g, s, k);
}

static bool subscribes_to(const struct session *s, const struct topic *t)
{
	struct topic filter;

	for (size_t i = 0; i < s->filters; i++)
		if (filter_parse(span_str(s->filter[i].text), &filter) == OK && filter_matches(&filter, t))
			return true;
	return s->unknown_filters;
}

/* What came while the record had stopped and is open still: its sender has the receipt, and sends it no more. */
static void show_missed(struct guard *g, struct session *s)
{
	s->missed = false;
	for (const struct kept *k = history_next(g->history, NULL); k; k = history_next(g->history, k))
		if (k->number > s->missed_after && !k->accepted && subscribes_to(s, &k->topic))
			deliver_late(g, s, k);
}

/* Whoever subscribes gets the alerts that are open: also those the broker forgot when it crashed; and those that were
 * withheld, which are kept by now. */
static void catch_up(struct guard *g, struct session *s)
{
	bool withheld = s->withheld;
	struct topic filter;

	if (record_state(g->record) == RECORD_STOPPED)
		session_missed(s, 0);   /* now only what saves lives */
	s->catch_up = s->withheld = false;
	show_open(g, s, NULL, s->resumed_before);
	s->resumed_before = 0;
	for (size_t i = 0; i < s->filters; i++) {
		struct session_filter *f = &s->filter[i];

		if (f->alerts_before && filter_parse(span_str(f->text), &filter) == OK)
			show_open(g, s, &filter, withheld ? UINT64_MAX : f->alerts_before);
		f->alerts_before = 0;
	}
}

static void catch_up_now(struct guard *g, struct session *s)
{
	guard_refresh(g, s);
	if (s->state == SESSION_SUPERSEDED)
		s->withheld = false;    /* whoever took over has it, with the subscriptions */
	else if (!s->kick)              /* one that is sent away comes back for it, if its session is kept */
		catch_up(g, s);
}

/* A session resumed from before a restart has subscriptions we were not asked about. */
static void look_at_fresh(struct guard *g, struct session *s)
{
	s->fresh = false;
	s->unknown_filters = g->host.subscriptions(s->context) > (int)s->filters;
	if (!s->unknown_filters)
		return;
	s->resumed_before = history_number(g->history);
	s->catch_up = true;
}

static void end_session(struct guard *g, struct session *s, const char *detail)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_KICK, true, s);

	h.detail = span_str(detail);
	tally_add(g->arrivals, &h);
	g->count.ended++;
	s->kick = true;
	g->ending = s->context;
	g->host.kick(s->client);
	g->ending = NULL;
}

/* Kicking calls back into guard_logoff(), which leaves the list as it is. After a crash everybody comes back at once, and
 * under another policy everybody is bound anew: so many in one tick, the others in the next ones. */
void guard_tend(struct guard *g, bool idle_too)
{
	int64_t now_ms = guard_mono_us() / 1000;
	unsigned catching_up = 0, rebinding = 0;
	uint32_t idle_s;

	if (!g->attend && !idle_too)
		return;         /* a tick follows every message: thousands are not walked through for nothing */
	g->attend = false;
	for (struct session *s = g->sessions.all; s; s = s->all_next) {
		if (s->withheld)        /* also of one that has gone since: its queue may be kept */
			catch_up_now(g, s);
		if (s->state != SESSION_LIVE)
			continue;
		if (s->bound != g->policies && rebinding++ < REBIND_SESSIONS)
			guard_renew(g, s);
		if (s->kick) {
			end_session(g, s, s->unread ? "its account cannot be read" :
					  guard_is_revoked(g, s) ? "its certificate is revoked" : "lost a right it was using");
			continue;
		}
		if (s->bound != g->policies)
			continue;
		if (s->fresh)
			look_at_fresh(g, s);
		if (s->catch_up && catching_up++ < CATCH_UP_SESSIONS)
			catch_up(g, s);
		if (s->missed && record_state(g->record) != RECORD_STOPPED && catching_up++ < CATCH_UP_SESSIONS)
			show_missed(g, s);
		if (!idle_too || !s->holder)
			continue;
		idle_s = policy_idle_s(g->policy, s->holder);
		if (idle_s && now_ms - s->active_ms > (int64_t)idle_s * 1000)
			end_session(g, s, "idle for too long");
	}
	if (catching_up > CATCH_UP_SESSIONS || rebinding > REBIND_SESSIONS)
		g->attend = true;
}

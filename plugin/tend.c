#include "guard_inside.h"

#define CATCH_UP_SESSIONS 16    /* in one tick */
#define REBIND_SESSIONS 128     /* the same; each takes some microseconds */

/* Open alerts up to number `before`, oldest first; filter NULL: whatever it may receive. */
static void show_open(struct guard *g, struct session *s, const struct topic *filter, uint64_t before)
{
	for (const struct kept *k = history_next(g->history, NULL); k && k->number <= before;
	     k = history_next(g->history, k))
		if (!k->accepted && (!filter || filter_matches(filter, &k->topic)))
			(void)guard_show(g, s, k, "open when subscribed");
}

void guard_interests(const struct session *s, struct interests *out)
{
	out->of = s;
	out->n = 0;
	for (size_t i = 0; i < s->filters; i++)
		if (filter_parse(span_str(s->filter[i].text), &out->filter[out->n]) == OK)
			out->n++;
}

static bool subscribes_to(const struct interests *in, const struct topic *t)
{
	for (size_t i = 0; i < in->n; i++)
		if (filter_matches(&in->filter[i], t))
			return true;
	return in->of->unknown_filters;
}

bool guard_should_have(const struct guard *g, const struct interests *in, const struct kept *k)
{
	return !k->accepted && subscribes_to(in, &k->topic) &&
	       policy_decide(g->policy, in->of->holder, ACCESS_RECEIVE, &k->topic).allow;
}

/* What came while the record had stopped and is open still: its sender has the receipt, and sends it no more. */
static void show_missed(struct guard *g, struct session *s)
{
	struct interests in;

	guard_interests(s, &in);
	s->missed = false;
	for (const struct kept *k = history_next(g->history, NULL); k; k = history_next(g->history, k))
		if (k->number > s->missed_after && guard_should_have(g, &in, k))
			(void)guard_show(g, s, k, "open when subscribed");
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

#include "guard_inside.h"
#include "log.h"

#define BIND_MAX 256            /* sessions and their subscriptions, in one tick */
#define TELL_MAX 64             /* a second: at most so many entries */

static void drop_holder(struct session *s)
{
	holder_close(&s->shadow);
	s->shadow_bound = 0;
}

/* ---- who asks ------------------------------------------------------------------------------------------------------ */

void guard_shadow_bind(struct guard *g, struct session *s, const struct account *a)
{
	int64_t until;
	struct subject now;

	drop_holder(s);
	if (!g->shadow || !a)
		return;
	now = account_subject(a, guard_real_us(), &until);
	now.address = span_str(s->address);
	if (!now.suspended && s->holder)
		(void)!policy_bind(shadow_policy(g->shadow), &now, &s->shadow);   /* without memory it is not asked */
	s->shadow_bound = g->shadows;
}

void guard_shadow_forget(struct guard *g, struct session *s)
{
	drop_holder(s);
	g->shadow_attend = true;
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

static void record_difference(struct guard *g, const struct session *s, const struct difference *d)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_SHADOW, d->now.allow, s);
	struct shadow_verdict then = { .access = d->access, .allow = d->then.allow, .why = d->then.why, .line = d->then.line,
				       .count = d->count, .since_us = d->first_us };

	memcpy(then.policy, policy_version(shadow_policy(g->shadow)), sizeof(then.policy));
	h.party = d->party;
	h.actor = span_str(d->id);
	h.topic = span_str(d->topic);
	h.why = d->now.why;
	h.line = d->now.line;
	h.shadow = &then;
	record_push(g->record, &h);
}

/* Where the policy in force was not asked, or could make nothing of the topic, there is nothing to compare. */
void guard_shadow_ask(struct guard *g, const struct session *s, enum access a, struct span topic, const struct verdict *v)
{
	struct difference d;

	if (s->shadow_bound != g->shadows || !s->shadow || v->why == WHY_GRAMMAR)
		return;
	if (shadow_ask(g->shadow, s->shadow, &(struct asked){ s->party, s->id, a, topic, *v, guard_real_us() }, &d))
		record_difference(g, s, &d);
}

/* A client subscribes once and stays for days: what it has been granted is asked about, too. */
static void ask_standing(struct guard *g, const struct session *s)
{
	struct topic filter;
	struct verdict v;

	for (size_t i = 0; i < s->filters && s->shadow && s->state == SESSION_LIVE; i++) {
		if (filter_parse(span_str(s->filter[i].text), &filter) != OK)
			continue;
		v = policy_decide(g->policy, s->holder, ACCESS_SUBSCRIBE, &filter);
		guard_shadow_ask(g, s, ACCESS_SUBSCRIBE, filter.text, &v);
	}
}

/* ---- the broker's idle moments ------------------------------------------------------------------------------------- */

void guard_put_shadow(struct guard *g, struct shadow *fresh, const char *refused)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_POLICY, !refused[0], NULL);
	struct shadow_verdict which = { 0 };
	char version[33] = "none";

	shadow_close(&g->shadow);
	g->shadow = fresh;
	g->shadow_attend = true;
	g->shadows++;           /* what sessions hold of the one before is of no use any more */
	if (fresh) {
		guard_places(g, shadow_policy(fresh));
		memcpy(which.policy, policy_version(shadow_policy(fresh)), sizeof(which.policy));
		hex_encode(span(which.policy, sizeof(which.policy)), version);
		h.shadow = &which;
	}
	if (refused[0])
		log_say(EV_SHADOW_REFUSED, KV_STR("reason", refused));
	else
		log_say(EV_SHADOW_SET, KV_STR("version", version));
	h.detail = refused[0] ? SPAN_LIT("the shadow policy cannot be read; none is asked") :
		   fresh ? SPAN_LIT("a shadow policy is asked beside it") : SPAN_LIT("no shadow policy is asked any more");
	record_push(g->record, &h);
}

static void bind_one(struct guard *g, struct session *s)
{
	CLEANUP(account_free) struct account *a = NULL;

	guard_refresh(g, s);            /* what it holds is asked, too: of the policy that is in force */
	(void)!directory_find(g->directory, s->party, span_str(s->id), &a);
	guard_shadow_bind(g, s, a);
	s->shadow_bound = g->shadows;   /* also of whom there is no account: they may do nothing */
	ask_standing(g, s);
}

/* A tick follows every message: thousands are not walked through for nothing. */
static void bind_sessions(struct guard *g)
{
	unsigned n = 0;

	for (struct session *s = g->sessions.all; s && n < BIND_MAX; s = s->all_next) {
		if (s->shadow_bound == g->shadows)
			continue;
		bind_one(g, s);
		n += 1 + (unsigned)s->filters;
	}
	g->shadow_attend = n >= BIND_MAX;
}

void guard_shadow_tick(struct guard *g, bool once_a_second)
{
	struct difference d;

	if (g->shadow_attend)
		bind_sessions(g);
	for (unsigned n = 0; once_a_second && n < TELL_MAX && shadow_due(g->shadow, guard_real_us(), &d); n++)
		record_difference(g, NULL, &d);
}

#include "guard_inside.h"

static void put_on_record(struct guard *g, const struct session *s, const char *topic, const struct verdict *v, const char *detail)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH, false, s);

	h.topic = span_str(topic);
	h.why = v->why;
	h.line = v->line;
	h.detail = span_str(detail);
	tally_add(g->tally, &h);
}

/* Whoever answers is to say it only where the asker may hear it: else a request makes others speak where it cannot itself. */
static bool may_hear(struct guard *g, struct session *s, const char *response)
{
	struct verdict v = { .why = WHY_GRAMMAR };
	struct topic t = { .n = 0 };

	if (topic_parse(span_str(response), &t) == OK)
		v = policy_decide(g->policy, s->holder, ACCESS_RECEIVE, &t);
	if (v.allow)
		return true;
	guard_refused(g, s, &t, &v);
	put_on_record(g, s, response, &v, "as a response topic: it was taken off the message");
	return false;
}

static const char *too_much(const struct policy_limits *most, const struct extras *x)
{
	if (x->users > EXTRAS_USERS_MAX)
		return "user properties: more than 32; all beside the payload was taken off the message";
	if (x->payload + x->bytes > most->bytes)
		return "limit size: the message is larger than the roles allow with its properties; they were taken off";
	return NULL;
}

unsigned guard_extras(struct guard *g, const struct client *c, const char *topic, const struct extras *x)
{
	static const struct verdict none = { .why = WHY_ALLOWED };
	struct session *s = session_of(&g->sessions, c->context);
	struct policy_limits most;
	const char *detail;
	unsigned off = 0;

	if (!s || !c->client || strcmp(s->client, c->client) != 0)
		return EXTRA_ALL;       /* who it is, was asked of the message itself */
	guard_refresh(g, s);
	most = policy_limits(g->policy, s->holder);
	detail = too_much(&most, x);
	if (detail) {
		put_on_record(g, s, topic, &none, detail);
		off = EXTRA_ALL;        /* of too many, not all was looked at */
	}
	if (x->response && !may_hear(g, s, x->response))
		off |= EXTRA_RESPONSE;
	return off;
}

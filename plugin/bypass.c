#include "guard_inside.h"

#include <stdio.h>

#define SAID_EACH_US 60000000       /* in the log */

/* Whoever gets past us may do so as often as they like: the log has a line a minute, the record all of them, counted. */
void guard_bypass_tick(struct guard *g, int64_t mono_us)
{
	uint64_t count = g->count.bypasses - g->bypass.said;

	if (!count || (g->bypass.said_us && mono_us - g->bypass.said_us < SAID_EACH_US))
		return;
	log_say(EV_BYPASS, KV_STR("client", g->bypass.client), KV_STR("address", g->bypass.address), KV_NUM("count", count));
	g->bypass.said = g->count.bypasses;
	g->bypass.said_us = mono_us;
}

void guard_bypassed(struct guard *g, const struct client *c, const char *topic)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_CONFIGURATION, false, NULL);

	snprintf(g->bypass.client, sizeof(g->bypass.client), "%s", c->client ? c->client : "");
	snprintf(g->bypass.address, sizeof(g->bypass.address), "%s", c->address ? c->address : "");
	h.client = span_str(c->client);
	h.address = span_str(c->address);
	h.topic = span_str(topic);
	h.detail = topic ? SPAN_LIT("reached a topic without a login: check use_identity_as_username") :
			   SPAN_LIT("connected without a login: check use_identity_as_username");
	g->count.bypasses++;
	guard_bypass_tick(g, h.mono_us);
	tally_add(g->tally, &h);
}

void guard_connected(struct guard *g, const struct client *c)
{
	struct session *s = guard_session(g, c->context, c->client);

	if (s && s->state == SESSION_LIVE)
		return;
	guard_not_sent(g);
	if (s)
		session_drop(&g->sessions, s);
	guard_bypassed(g, c, NULL);
}

#include "retained.h"

#include "guard_inside.h"
#include "log.h"

static enum err own_topic(char text[TOPIC_BYTES_MAX + 1], const struct owner *o)
{
	enum topic_kind kind = o->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? TOPIC_STATE : TOPIC_PRESENCE;

	return topic_build(text, TOPIC_BYTES_MAX + 1, kind, (const char *const[]){ o->retained_in, o->id }, 2);
}

static bool may_retain(const struct guard *g, const struct holder *h, const struct topic *t)
{
	return h && policy_decide(g->policy, h, ACCESS_PUBLISH, t).allow && policy_limits(g->policy, h).retain;
}

static bool is_retaining(const struct guard *g, const char *client)
{
	const struct owner *o = owners_find(g->owners, client);

	return o && o->retained_in[0];
}

/* A client id of theirs with something retained: a device's is its id; a person's are those of their sessions, the last
 * minute's among them. NULL: none. */
static const char *find_retaining(const struct guard *g, Pullcord__V1__Party party, struct span id)
{
	const struct session *s = NULL;

	while ((s = session_account(&g->sessions, party, id, s)))
		if (is_retaining(g, s->client))
			return s->client;
	if (party == PULLCORD__V1__PARTY__PARTY_DEVICE)
		return owners_device_retaining(g->owners, id);
	return NULL;
}

/* By a session they have; else as they came when they retained it. */
static bool still_may(struct guard *g, const struct owner *o, const struct account *a, const struct topic *t)
{
	const struct session *s = NULL;
	struct holder *h = NULL;
	int64_t until_us;
	bool may;

	while ((s = session_account(&g->sessions, o->party, span_str(o->id), s)))
		if (s->bound == g->policies && may_retain(g, s->holder, t))
			return true;
	if (guard_bind(g, a, o->retained_from, &h, &until_us) != OK)
		return false;
	may = may_retain(g, h, t);
	holder_close(&h);
	return may;
}

static void clear(struct guard *g, const char *text)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH, true, NULL);

	(void)guard_send(g, NULL, text, span(NULL, 0), 1, true);
	g->count.cleared++;
	h.party = PULLCORD__V1__PARTY__PARTY_BROKER;
	h.actor = SPAN_LIT(GUARD_SENDER);
	h.topic = span_str(text);
	h.qos = 1;
	h.retain = true;
	h.detail = SPAN_LIT("cleared: its publisher may no longer say it");
	record_push(g->record, &h);
}

/* What cannot be looked up just now is looked at again by the sweep. */
static void look_at(struct guard *g, const char *client)
{
	CLEANUP(account_free) struct account *a = NULL;
	const struct owner *o = owners_find(g->owners, client);
	char text[TOPIC_BYTES_MAX + 1];
	struct topic t;
	enum err e = directory_find(g->directory, o->party, span_str(o->id), &a);

	if ((e != OK && e != ERR_NOT_FOUND) || own_topic(text, o) != OK || topic_parse(span_str(text), &t) != OK ||
	    (a && still_may(g, o, a, &t)))
		return;
	clear(g, text);
	owners_retain(g->owners, client, NULL, NULL);
}

void retained_note(struct guard *g, const struct session *s, bool cleared)
{
	owners_retain(g->owners, s->client, cleared ? NULL : s->tenant, s->address);
}

void retained_follow(struct guard *g, Pullcord__V1__Party party, struct span id)
{
	const char *client = find_retaining(g, party, id);

	if (client)
		look_at(g, client);
}

void retained_ask_later(struct guard *g, const struct session *s)
{
	if (!is_retaining(g, s->client))
		retained_note(g, s, false);     /* it was there before we kept account */
	if (g->stales == countof(g->stale))
		return;
	g->stale[g->stales].party = s->party;
	strcpy(g->stale[g->stales++].id, s->id);
}

static void sweep(struct guard *g, int64_t now_us)
{
	int64_t each_us = RETAINED_SWEEP_US / (int64_t)(owners_retaining(g->owners) + 1);

	if (each_us > RETAINED_EACH_US)
		each_us = RETAINED_EACH_US;
	if (now_us - g->swept_us > RETAINED_SWEEP_US)
		g->swept_us = now_us - RETAINED_SWEEP_US;
	for (int n = 0; n < RETAINED_AT_ONCE && now_us - g->swept_us >= each_us; n++, g->swept_us += each_us) {
		const char *client = owners_next_retaining(g->owners);

		if (client)
			look_at(g, client);
	}
}

void retained_tick(struct guard *g, int64_t now_us)
{
	for (size_t i = 0; i < g->stales; i++)
		retained_follow(g, g->stale[i].party, span_str(g->stale[i].id));
	g->stales = 0;
	sweep(g, now_us);
}

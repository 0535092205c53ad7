#include "retained.h"

#include "log.h"

/* Where somebody may leave something; the empty text when their id does not fit in a topic. */
static enum err own_topic(char text[TOPIC_BYTES_MAX + 1], const char *tenant, Pullcord__V1__Party party, struct span id)
{
	enum topic_kind kind = party == PULLCORD__V1__PARTY__PARTY_DEVICE ? TOPIC_STATE : TOPIC_PRESENCE;
	char word[WORD_BYTES_MAX + 1];

	if (!span_text(id, word, sizeof(word)))
		return ERR_TOO_LARGE;
	return topic_build(text, TOPIC_BYTES_MAX + 1, kind, (const char *const[]){ tenant, word }, 2);
}

static bool may_retain(const struct guard *g, const struct holder *h, const struct topic *t)
{
	return h && policy_decide(g->policy, h, ACCESS_PUBLISH, t).allow && policy_limits(g->policy, h).retain;
}

/* A device's client id is its id. */
static bool was_here(const struct guard *g, Pullcord__V1__Party party, struct span id)
{
	char word[WORD_BYTES_MAX + 1];

	if (session_account(&g->sessions, party, id, NULL))
		return true;
	return party == PULLCORD__V1__PARTY__PARTY_DEVICE && span_text(id, word, sizeof(word)) && owners_find(g->owners, word);
}

/* By a session they have, which knows where they come from; else as if they came from nowhere: what was retained under a
 * role bound to a network is given up while its publisher is away and their account changes. */
static bool still_may(struct guard *g, Pullcord__V1__Party party, const struct account *a, const struct topic *t)
{
	const struct session *s = NULL;
	struct holder *h = NULL;
	int64_t until_us;
	bool may;

	while ((s = session_account(&g->sessions, party, a->subject.id, s)))
		if (s->bound == g->policies && may_retain(g, s->holder, t))
			return true;
	if (guard_bind(g, a, "", &h, &until_us) != OK)
		return false;
	may = may_retain(g, h, t);
	holder_close(&h);
	return may;
}

void retained_follow(struct guard *g, Pullcord__V1__Party party, struct span id)
{
	CLEANUP(account_free) struct account *a = NULL;
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH, true, NULL);
	char text[TOPIC_BYTES_MAX + 1], tenant[WORD_BYTES_MAX + 1];
	struct topic t;
	enum err e = was_here(g, party, id) ? directory_find(g->directory, party, id, &a) : ERR_DENIED;

	if (e != OK && e != ERR_NOT_FOUND)
		return;
	if (!span_text(a ? a->subject.tenant : span_str(g->tenant), tenant, sizeof(tenant)) ||
	    own_topic(text, tenant, party, id) != OK || topic_parse(span_str(text), &t) != OK || (a && still_may(g, party, a, &t)))
		return;
	g->host.publish(NULL, text, span(NULL, 0), 1, true);
	h.party = PULLCORD__V1__PARTY__PARTY_BROKER;
	h.actor = SPAN_LIT(GUARD_SENDER);
	h.topic = span_str(text);
	h.qos = 1;
	h.retain = true;
	h.detail = SPAN_LIT("cleared: its publisher may no longer say it");
	record_push(g->record, &h);
}

void retained_ask_later(struct guard *g, const struct session *s)
{
	if (g->stales == countof(g->stale))
		return;
	g->stale[g->stales].party = s->party;
	strcpy(g->stale[g->stales++].id, s->id);
}

void retained_tick(struct guard *g)
{
	for (size_t i = 0; i < g->stales; i++)
		retained_follow(g, g->stale[i].party, span_str(g->stale[i].id));
	g->stales = 0;
}

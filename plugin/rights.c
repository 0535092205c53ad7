#include "guard_inside.h"

#define UNREAD_AGAIN_US 1000000 /* an account that could not be read is tried again after this */

static bool is_certified(const struct session *s)
{
	static const uint8_t none[sizeof(s->fingerprint)];

	return memcmp(s->fingerprint, none, sizeof(none)) != 0;
}

/* OK: its certificate was good once, and is revoked. */
static enum err find_denial(const struct guard *g, const struct session *s)
{
	struct denial x;

	return is_certified(s) ? directory_denial(g->directory, s->fingerprint, &x) : ERR_NOT_FOUND;
}

bool guard_is_revoked(const struct guard *g, const struct session *s)
{
	return find_denial(g, s) == OK;
}

/* ERR_NOT_FOUND also when what it came with counts no longer. */
static enum err find_account(const struct guard *g, const struct session *s, struct account **out)
{
	enum err e = find_denial(g, s);

	if (e == OK)
		return ERR_NOT_FOUND;
	if (e != ERR_NOT_FOUND)
		return e;
	TRY(directory_find(g->directory, s->party, span_str(s->id), out));
	if (!is_certified(s) || account_knows(*out, s->fingerprint, s->not_before_s))
		return OK;
	account_free(out);      /* of one that was removed */
	return ERR_NOT_FOUND;
}

enum err guard_bind(struct guard *g, const struct account *a, const char *address, struct holder **out, int64_t *until_us)
{
	struct subject now = account_subject(a, guard_real_us(), until_us);

	*out = NULL;
	now.address = span_str(address);
	if (*until_us < g->until_us)
		g->until_us = *until_us;
	return now.suspended ? OK : policy_bind(g->policy, &now, out);
}

static void rebind(struct guard *g, struct session *s)
{
	CLEANUP(account_free) struct account *a = NULL;
	struct holder *h = NULL;
	struct emergency_held *taken = NULL;
	enum err e = find_account(g, s, &a);
	bool unread;

	s->until_us = INT64_MAX;
	s->bound = g->policies;
	if (e == OK && !span_text(a->subject.tenant, s->tenant, sizeof(s->tenant)))
		e = ERR_RANGE;
	if (e == OK)
		e = guard_bind(g, a, s->address, &h, &s->until_us);
	if (e == OK && (e = guard_emergency_bind(g, a, s->address, &taken)) != OK)
		holder_close(&h);
	unread = e != OK && e != ERR_NOT_FOUND;
	if (unread && !s->unread)
		log_say(EV_DIRECTORY_FAILED, KV_STR("error", err_name(e)));
	if (unread && (s->until_us = guard_real_us() + UNREAD_AGAIN_US) < g->until_us)
		g->until_us = s->until_us;
	s->unread = unread;
	session_hold(s, h);
	s->taken = taken;
	guard_shadow_forget(g, s);
}

struct session *guard_restored(struct guard *g, const struct client *c)
{
	const struct owner *o = c->client ? owners_find(g->owners, c->client) : NULL;
	struct session *s;

	if (!o || !c->username || strcmp(o->id, c->username) != 0)
		return NULL;
	s = session_client(&g->sessions, c->client);
	if (s)
		return s->party == o->party && strcmp(s->id, o->id) == 0 ? s : NULL;
	s = session_add_offline(&g->sessions, o, c->client);
	if (!s)
		return NULL;
	session_own(&g->sessions, s, o->party, o->id);
	s->active_ms = guard_mono_us() / 1000;
	rebind(g, s);
	return s;
}

/* Has it lost a right it uses? Then messages already queued to it would still go out: it must go, and may come back. Of what
 * it subscribed to before a restart we know nothing until it did so again; `kept`: it has all the rights it had. */
static bool lost_something(const struct guard *g, struct session *s, bool kept)
{
	struct topic filter;

	s->unknown_filters = (s->unknown_filters || s->fresh) && g->host.subscriptions(s->context) > (int)s->filters;
	if (!s->holder || (s->unknown_filters && !kept))
		return true;
	for (size_t i = 0; i < s->filters; i++)
		if (filter_parse(span_str(s->filter[i].text), &filter) != OK ||
		    !policy_decide(g->policy, s->holder, ACCESS_SUBSCRIBE, &filter).allow)
			return true;
	return false;
}

void guard_renew(struct guard *g, struct session *s)
{
	CLEANUP(holder_close) struct holder *before = s->holder;
	bool same_policy = s->bound == g->policies, kept;

	s->holder = NULL;
	rebind(g, s);
	kept = same_policy && policy_keeps(g->policy, before, s->holder);
	s->kick = s->kick || (s->state == SESSION_LIVE && lost_something(g, s, kept));
	g->attend = g->attend || s->kick;
}

void guard_refresh(struct guard *g, struct session *s)
{
	if (s->bound != g->policies || (s->until_us && s->until_us < INT64_MAX && s->until_us <= guard_real_us()))
		guard_renew(g, s);
}

/* Rights that end by themselves do so at the latest here; a session that asks before sees to it itself. */
void guard_rights_tick(struct guard *g)
{
	int64_t now = g->turn_us;

	if (now < g->until_us)
		return;
	g->until_us = INT64_MAX;
	for (struct session *s = g->sessions.all; s; s = s->all_next) {
		if (s->until_us && s->until_us <= now)
			guard_renew(g, s);
		if (s->until_us && s->until_us < g->until_us)
			g->until_us = s->until_us;
	}
}

#include <stdio.h>

#include "deed.h"
#include "edition.h"
#include "topic.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define LIST_MAX 1000           /* ids in one answer; "after" goes on */

/* ---- accounts ----------------------------------------------------------------------------------------------------- */

static void reply_grant(struct reply *r, const struct grant *g)
{
	char time[COMMAND_TIME];

	if (g && g->until_us)
		reply_text(r, "expires", span_str(command_time(g->until_us, time)));
	if (g && g->reason.n)
		reply_text(r, "reason", g->reason);
	if (g && g->by.n)
		reply_text(r, "by", g->by);
	if (g && g->at_us)
		reply_text(r, "at", span_str(command_time((int64_t)g->at_us, time)));
}

static void reply_held(struct reply *r, const struct account *a)
{
	reply_array(r, "roles");
	for (size_t i = 0; i < a->subject.roles; i++) {
		reply_object(r, NULL);
		reply_text(r, "rolename", a->subject.role[i]);
		reply_grant(r, a->role_grant ? &a->role_grant[i] : NULL);
		reply_end(r);
	}
	reply_end(r);
	reply_array(r, "attributes");
	for (size_t i = 0; i < a->subject.attributes; i++) {
		reply_object(r, NULL);
		reply_text(r, "name", a->subject.attribute[i].name);
		reply_text(r, "value", a->subject.attribute[i].value);
		reply_grant(r, a->attribute_grant ? &a->attribute_grant[i] : NULL);
		reply_end(r);
	}
	reply_end(r);
}

void deed_get(struct work *w, const struct order *o)
{
	const struct account *a;
	char time[COMMAND_TIME];
	enum err e;

	account_free(&w->account);
	e = directory_find(w->a->directory, order_party(o), order_id(o), &w->account);
	if (e != OK || !work_sees(w, w->account)) {
		work_fail(w, "there is no %s %.*s", party_noun(order_party(o)), SPAN_FMT(order_id(o)));
		return;
	}
	a = w->account;
	reply_object(w->r, party_noun(a->subject.party));
	reply_text(w->r, a->subject.party == DEVICE ? "device" : "username", a->subject.id);
	reply_text(w->r, "textname", a->name);
	reply_text(w->r, "state", span_str(account_state_name(a->state)));
	reply_grant(w->r, &a->state_since);
	reply_bool(w->r, "password", a->password[0] != '\0');
	reply_text(w->r, "changed", span_str(command_time((int64_t)a->changed_us, time)));
	reply_held(w->r, a);
	reply_end(w->r);
}

/* Ids of accounts that `wanted` likes, after one and at most so many. */
struct listing {
	struct work *w;
	const struct order *o;
	Pullcord__V1__Party party;  /* NONE: all, each with its party before it */
	bool (*wanted)(struct listing *l, const struct account *a);
	struct topic topic;
	enum access access;
	uint64_t most, n;
	bool more;
};

static void name_one(const struct listing *l, const struct account *a)
{
	char text[80];

	snprintf(text, sizeof(text), "%s:%.*s", party_noun(a->subject.party), SPAN_FMT(a->subject.id));
	reply_text(l->w->r, NULL, l->party ? a->subject.id : span_str(text));
}

static bool list_one(void *ctx, const struct account *a)
{
	struct listing *l = ctx;
	struct span after = l->o->text[FIELD_AFTER];

	if (!work_sees(l->w, a) || (l->party && a->subject.party != l->party) || (after.n && span_cmp(a->subject.id, after) <= 0) ||
	    (l->wanted && !l->wanted(l, a)))
		return true;
	l->more = l->n == l->most;
	if (l->more)
		return false;
	l->n++;
	name_one(l, a);
	return true;
}

static void list_ids(struct listing *l, const char *key)
{
	uint64_t count = l->o->count;
	enum err e;

	l->most = count && count < LIST_MAX ? count : LIST_MAX;
	reply_array(l->w->r, key);
	e = directory_each(l->w->a->directory, list_one, l);
	reply_end(l->w->r);
	reply_bool(l->w->r, "more", l->more);
	if (e != OK)
		work_fail_err(l->w, e, "read the directory");
}

void deed_list(struct work *w, const struct order *o)
{
	bool devices = o->command == COMMAND_LIST_DEVICES;

	list_ids(&(struct listing){ .w = w, .o = o, .party = devices ? DEVICE : USER }, devices ? "devices" : "users");
}

static bool in_team(struct listing *l, const struct account *a)
{
	struct attribute team = order_team(l->o);
	int64_t until;
	struct subject s = account_subject(a, l->w->a->now_us, &until);

	for (size_t i = 0; i < s.attributes; i++)
		if (span_eq(s.attribute[i].name, team.name) && span_eq(s.attribute[i].value, team.value))
			return true;
	return false;
}

void deed_get_team(struct work *w, const struct order *o)
{
	list_ids(&(struct listing){ .w = w, .o = o, .party = USER, .wanted = in_team }, "users");
}

static bool can(struct listing *l, const struct account *a)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	int64_t until;
	struct subject s = account_subject(a, l->w->a->now_us, &until);

	return policy_bind(l->w->a->policy, &s, &h) == OK &&
	       policy_decide(l->w->a->policy, h, l->access, &l->topic).allow;
}

void deed_who_can(struct work *w, const struct order *o)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE };
	struct listing l = { .w = w, .o = o, .wanted = can };
	enum err e;

	for (size_t i = 0; i < countof(all); i++)
		if (span_is(o->text[FIELD_ACCESS], access_name(all[i])))
			l.access = all[i];
	if (!l.access) {
		work_fail(w, "\"access\" is to be publish, subscribe or receive");
		return;
	}
	e = l.access == ACCESS_SUBSCRIBE ? filter_parse(o->text[FIELD_TOPIC], &l.topic)
					 : topic_parse(o->text[FIELD_TOPIC], &l.topic);
	if (e != OK)
		work_fail(w, "\"topic\" is to be a topic, or a filter to subscribe to: %s", err_text(e));
	else
		list_ids(&l, "ids");
}

/* ---- certificates and policies -------------------------------------------------------------------------------------- */

static bool list_certificate(void *ctx, const struct denial *x)
{
	struct reply *r = ctx;
	char hex[65], time[COMMAND_TIME];

	hex_encode(span(x->fingerprint, 32), hex);
	reply_object(r, NULL);
	reply_text(r, "fingerprint", span(hex, 64));
	reply_text(r, "reason", span_str(x->reason));
	reply_text(r, "by", span_str(x->by));
	reply_text(r, "at", span_str(command_time((int64_t)x->at_us, time)));
	reply_end(r);
	return true;
}

void deed_list_certificates(struct work *w, const struct order *o)
{
	enum err e;

	(void)o;
	reply_array(w->r, "certificates");
	e = directory_denials(w->a->directory, list_certificate, w->r);
	reply_end(w->r);
	if (e != OK)
		work_fail_err(w, e, "read the directory");
}

void reply_hash(struct reply *r, const uint8_t hash[32])
{
	char hex[65];

	hex_encode(span(hash, 32), hex);
	reply_text(r, "hash", span(hex, 64));
}

static void reply_edition(struct reply *r, const struct edition *e)
{
	char time[COMMAND_TIME];

	reply_number(r, "version", e->number);
	reply_hash(r, e->hash);
	reply_text(r, "by", span_str(e->by));
	reply_text(r, "at", span_str(command_time((int64_t)e->at_us, time)));
	if (e->rollback_of)
		reply_number(r, "rollbackOf", e->rollback_of);
}

void deed_get_policy(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 };

	if (directory_edition(w->a->directory, o->version, &e) != OK) {
		work_fail(w, "there is no version %llu", (unsigned long long)o->version);
		return;
	}
	reply_edition(w->r, &e);
	if (o->command == COMMAND_GET_POLICY)
		reply_text(w->r, "policy", span_str(e.text));
}

void deed_list_policies(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	uint64_t number = 0;

	(void)o;
	reply_array(w->r, "versions");
	while (directory_edition(w->a->directory, number, &e) == OK) {
		reply_object(w->r, NULL);
		reply_edition(w->r, &e);
		reply_end(w->r);
		number = e.number - 1;
		edition_clear(&e);
		if (!number)
			break;
	}
	reply_end(w->r);
}

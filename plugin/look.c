#include <stdio.h>
#include <stdlib.h>

#include "deed.h"
#include "edition.h"
#include "topic.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define LIST_MAX 1000           /* ids in one answer; "after" goes on */
#define LIST_VERBOSE_MAX 200    /* with all that they hold */

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

/* The lock-outs in force, read once for all who are looked at. */
struct lockouts {
	struct lock *lock;
	size_t n, room;
	int64_t now_us;
	bool full;
};

static void lockouts_free(struct lockouts *l)
{
	free(l->lock);
}

static void collect_lock(void *ctx, const struct lock *x)
{
	struct lockouts *l = ctx;

	if (x->until_us <= l->now_us || l->full)
		return;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct lock *more = reallocarray(l->lock, room, sizeof(*more));

		l->full = !more;
		if (!more)
			return;
		l->lock = more;
		l->room = room;
	}
	l->lock[l->n++] = *x;
}

static void lockouts_read(struct work *w, struct lockouts *l)
{
	enum err e;

	l->now_us = w->a->now_us;
	e = directory_locks(w->a->directory, collect_lock, l);
	if (e != OK || l->full)
		work_fail_err(w, l->full ? ERR_FULL : e, "read who is locked out");
}

static void reply_lockouts(struct reply *r, const struct lockouts *l, const struct account *a)
{
	char time[COMMAND_TIME];

	if (a->subject.party != USER)
		return;
	reply_array(r, "lockouts");
	for (size_t i = 0; i < l->n; i++) {
		const struct lock *x = &l->lock[i];

		if (!lock_holds(x, a, l->now_us))
			continue;
		reply_object(r, NULL);
		if (x->kind == LOCK_PERSON)
			reply_text(r, "address", span_str(x->address));
		reply_text(r, "until", span_str(command_time(x->until_us, time)));
		reply_end(r);
	}
	reply_end(r);
}

static void reply_account(struct reply *r, const struct account *a)
{
	static const uint8_t none[sizeof(a->certificate)];
	char time[COMMAND_TIME], hex[2 * sizeof(none) + 1];

	reply_text(r, a->subject.party == DEVICE ? "device" : "username", a->subject.id);
	reply_text(r, "tenant", a->subject.tenant);
	reply_text(r, "textname", a->name);
	reply_text(r, "state", span_str(account_state_name(a->state)));
	if (a->state == ACCOUNT_SUSPENDED && a->suspended_from != ACCOUNT_ACTIVE)
		reply_text(r, "suspendedFrom", span_str(account_state_name(a->suspended_from)));
	reply_grant(r, &a->state_since);
	reply_bool(r, "password", a->password[0] != '\0');
	if (a->removed_us)
		reply_text(r, "certificatesFrom", span_str(command_time(a->removed_us, time)));
	hex_encode(span(a->certificate, sizeof(a->certificate)), hex);
	if (memcmp(a->certificate, none, sizeof(none)) != 0)
		reply_text(r, "fingerprint", span_str(hex));
	reply_text(r, "changed", span_str(command_time((int64_t)a->changed_us, time)));
	reply_held(r, a);
}

void deed_get(struct work *w, const struct order *o)
{
	CLEANUP(lockouts_free) struct lockouts locked = { 0 };
	enum err e;

	account_free(&w->account);
	e = directory_find(w->a->directory, order_party(o), order_id(o), &w->account);
	if (e != OK || !work_sees(w, w->account)) {
		work_fail(w, "there is no %s %.*s", party_noun(order_party(o)), SPAN_FMT(order_id(o)));
		return;
	}
	reply_object(w->r, party_noun(w->account->subject.party));
	reply_account(w->r, w->account);
	if (w->account->subject.party == USER)
		lockouts_read(w, &locked);
	reply_lockouts(w->r, &locked, w->account);
	reply_end(w->r);
}

/* Ids of accounts that `wanted` likes, after one and at most so many. */
struct listing {
	struct work *w;
	const struct order *o;
	Pullcord__V1__Party party;  /* NONE: all, each with its party before it */
	bool (*wanted)(struct listing *l, const struct account *a);
	void (*tell)(struct listing *l, const struct account *a);       /* NULL: its id */
	struct topic topic;
	enum access access;
	uint64_t most, n;
	bool more;
	struct lockouts locked;
};

static void name_one(const struct listing *l, const struct account *a)
{
	char text[80];

	if (l->o->verbose) {
		reply_object(l->w->r, NULL);
		reply_account(l->w->r, a);
		reply_lockouts(l->w->r, &l->locked, a);
		reply_end(l->w->r);
		return;
	}
	snprintf(text, sizeof(text), "%s:%.*s", party_noun(a->subject.party), SPAN_FMT(a->subject.id));
	reply_text(l->w->r, NULL, l->party ? a->subject.id : span_str(text));
}

/* Was it on a page before? In a list of people and devices "after" is "user:ID" or "device:ID", which come in the
 * directory's order: by party, then by id. */
static bool is_before(const struct listing *l, const struct account *a)
{
	struct span after = l->o->text[FIELD_AFTER], id, noun = span_cut(after, ':', &id);
	Pullcord__V1__Party party = span_is(noun, party_noun(USER)) ? USER : DEVICE;

	if (!after.n)
		return false;
	return a->subject.party < party || (a->subject.party == party && span_cmp(a->subject.id, id) <= 0);
}

static bool list_one(void *ctx, const struct account *a)
{
	struct listing *l = ctx;

	if (!work_sees(l->w, a) || (!l->party && is_before(l, a)) || (l->wanted && !l->wanted(l, a)))
		return true;
	l->more = l->n == l->most || (l->n && reply_bytes(l->w->r) >= ADMIN_ANSWER_MAX);
	if (l->more)
		return false;
	l->n++;
	if (l->tell)
		l->tell(l, a);
	else
		name_one(l, a);
	return true;
}

static uint64_t most_of(const struct order *o)
{
	const uint64_t most = o->verbose ? LIST_VERBOSE_MAX : LIST_MAX;

	return o->count && o->count < most ? o->count : most;
}

static void list_ids(struct listing *l, const char *key)
{
	enum err e;

	l->most = most_of(l->o);
	if (l->o->verbose && l->party == USER)
		lockouts_read(l->w, &l->locked);
	reply_array(l->w->r, key);
	e = l->party ? directory_after(l->w->a->directory, l->party, l->o->text[FIELD_AFTER], list_one, l)
		     : directory_each(l->w->a->directory, list_one, l);
	reply_end(l->w->r);
	reply_bool(l->w->r, "more", l->more);
	lockouts_free(&l->locked);
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

/* ---- who holds something, and until when --------------------------------------------------------------------------- */

static bool is_asked(const struct order *o, struct attribute a)
{
	return span_eq(a.name, o->text[FIELD_NAME]) && (!order_has(o, FIELD_VALUE) || span_eq(a.value, o->text[FIELD_VALUE]));
}

static bool holds_it(struct listing *l, const struct account *a)
{
	for (size_t i = 0; i < a->subject.roles; i++)
		if (order_has(l->o, FIELD_ROLE) && span_eq(a->subject.role[i], l->o->text[FIELD_ROLE]))
			return true;
	for (size_t i = 0; i < a->subject.attributes; i++)
		if (is_asked(l->o, a->subject.attribute[i]))
			return true;
	return false;
}

static void tell_grant(const struct listing *l, const struct account *a, struct span value, const struct grant *g)
{
	reply_object(l->w->r, NULL);
	reply_text(l->w->r, a->subject.party == DEVICE ? "device" : "username", a->subject.id);
	if (value.n)
		reply_text(l->w->r, "value", value);
	reply_grant(l->w->r, g);
	reply_end(l->w->r);
}

static void tell_grants(struct listing *l, const struct account *a)
{
	for (size_t i = 0; order_has(l->o, FIELD_ROLE) && i < a->subject.roles; i++)
		if (span_eq(a->subject.role[i], l->o->text[FIELD_ROLE]))
			tell_grant(l, a, span(NULL, 0), a->role_grant ? &a->role_grant[i] : NULL);
	for (size_t i = 0; i < a->subject.attributes; i++)
		if (is_asked(l->o, a->subject.attribute[i]))
			tell_grant(l, a, a->subject.attribute[i].value, a->attribute_grant ? &a->attribute_grant[i] : NULL);
}

/* Also what has ended, as long as it stands there: why somebody could is a question too. */
void deed_list_grants(struct work *w, const struct order *o)
{
	list_ids(&(struct listing){ .w = w, .o = o, .wanted = holds_it, .tell = tell_grants }, "grants");
}

/* ---- teams: every value of an attribute, and how many people hold it ------------------------------------------------ */

struct team {
	char name[WORD_BYTES_MAX + 1];
};

struct teams {
	struct work *w;
	const struct order *o;
	struct team *team;          /* one for each who holds it */
	size_t n, room;
};

static bool collect(void *ctx, const struct account *a)
{
	struct teams *t = ctx;
	int64_t until;
	struct subject s = account_subject(a, t->w->a->now_us, &until);
	struct span after = t->o->text[FIELD_AFTER];

	if (a->subject.party != USER || !work_sees(t->w, a))
		return true;
	for (size_t i = 0; i < s.attributes; i++) {
		if (!is_asked(t->o, s.attribute[i]) || (after.n && span_cmp(s.attribute[i].value, after) <= 0))
			continue;
		if (t->n == t->room) {
			size_t room = t->room ? 2 * t->room : 256;
			struct team *more = reallocarray(t->team, room, sizeof(*more));

			if (!more) {
				work_fail_err(t->w, ERR_FULL, "list the teams");
				return false;
			}
			t->team = more;
			t->room = room;
		}
		must(span_text(s.attribute[i].value, t->team[t->n++].name, sizeof(t->team->name)));
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct team *)a)->name, ((const struct team *)b)->name);
}

static size_t members(const struct teams *t, size_t at)
{
	size_t n = 1;

	while (at + n < t->n && by_name(&t->team[at], &t->team[at + n]) == 0)
		n++;
	return n;
}

void deed_list_teams(struct work *w, const struct order *o)
{
	struct teams t = { .w = w, .o = o };
	uint64_t left = most_of(o);
	size_t at = 0, n;
	enum err e;

	if (!span_is(o->text[FIELD_NAME], "channel") && !span_is(o->text[FIELD_NAME], "patient")) {
		work_fail(w, "\"name\" is to be channel or patient");
		return;
	}
	e = directory_each(w->a->directory, collect, &t);
	if (e != OK)
		work_fail_err(w, e, "read the directory");
	if (t.n)
		qsort(t.team, t.n, sizeof(*t.team), by_name);
	reply_array(w->r, "teams");
	for (; at < t.n && left; at += n, left--) {
		n = members(&t, at);
		reply_object(w->r, NULL);
		reply_text(w->r, "name", span_str(t.team[at].name));
		reply_number(w->r, "members", n);
		reply_end(w->r);
	}
	reply_end(w->r);
	reply_bool(w->r, "more", at < t.n);
	free(t.team);
}

static bool can(struct listing *l, const struct account *a)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	int64_t until;
	struct subject s = account_subject(a, l->w->a->now_us, &until);

	s.address = l->o->text[FIELD_ADDRESS];
	s.anywhere = !s.address.n;
	return policy_bind(l->w->a->policy, &s, &h) == OK &&
	       policy_decide(l->w->a->policy, h, l->access, &l->topic).allow;
}

/* What a question is about. Rights to commands are `control`, which not everybody may ask for everybody. */
static bool read_question(struct work *w, const struct order *o, bool control, enum access *access, struct topic *topic)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };
	struct span text = o->text[FIELD_TOPIC];
	enum err e;

	*access = 0;
	for (size_t i = 0; i < countof(all) - (control ? 0 : 2); i++)
		if (span_is(o->text[FIELD_ACCESS], access_name(all[i])))
			*access = all[i];
	if (!*access) {
		work_fail(w, "\"access\" is to be publish, subscribe%s receive%s", control ? "," : " or", control ? ", control or grant" : "");
		return false;
	}
	e = *access == ACCESS_CONTROL ? control_parse(text, topic) : *access == ACCESS_GRANT ? grant_parse(text, topic) :
	    *access == ACCESS_SUBSCRIBE ? filter_parse(text, topic) : topic_parse(text, topic);
	if (e != OK)
		work_fail(w, "\"topic\" is to be a topic, or a filter to subscribe to%s: %s",
			  control ? ", a command such as user.create, or a grant such as role/nurse" : "", err_text(e));
	return e == OK;
}

void deed_who_can(struct work *w, const struct order *o)
{
	struct listing l = { .w = w, .o = o, .wanted = can };

	if (read_question(w, o, false, &l.access, &l.topic))
		list_ids(&l, "ids");
}

/* ---- why ------------------------------------------------------------------------------------------------------------ */

void reply_line(struct reply *r, const struct policy *p, uint32_t line)
{
	struct policy_place at = policy_place(p, line);

	if (line)
		reply_number(r, "line", at.line);
	if (line && at.file.n)
		reply_text(r, "file", at.file);
}

static void say_step(void *ctx, uint32_t line, const char *text)
{
	struct work *w = ctx;

	reply_object(w->r, NULL);
	reply_line(w->r, w->a->policy, line);
	reply_text(w->r, "text", span_str(text));
	reply_end(w->r);
}

void deed_explain(struct work *w, const struct order *o)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic topic = { 0 };
	enum access access;
	struct subject s;
	struct verdict v;
	int64_t until;
	enum err e;

	account_free(&w->account);
	if (!read_question(w, o, true, &access, &topic))
		return;
	e = directory_find(w->a->directory, order_party(o), order_id(o), &w->account);
	if (e != OK || !work_sees(w, w->account)) {
		work_fail(w, "there is no %s %.*s", party_noun(order_party(o)), SPAN_FMT(order_id(o)));
		return;
	}
	s = account_subject(w->account, w->a->now_us, &until);
	s.address = o->text[FIELD_ADDRESS];
	e = policy_bind(w->a->policy, &s, &h);
	if (e != OK) {
		work_fail_err(w, e, "explain it");
		return;
	}
	v = policy_decide(w->a->policy, h, access, &topic);
	reply_bool(w->r, "allow", v.allow);
	reply_text(w->r, "why", span_str(why_text(v.why)));
	reply_line(w->r, w->a->policy, v.line);
	reply_bool(w->r, "lifeCritical", v.life_critical);
	reply_array(w->r, "path");
	policy_explain(w->a->policy, &s, access, &topic, say_step, w);
	reply_end(w->r);
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

static void reply_texts(struct reply *r, const struct edition *e)
{
	reply_text(r, "policy", span_str(e->text));
	if (!e->files)
		return;
	reply_object(r, "files");
	for (size_t i = 0; i < e->files; i++)
		reply_text(r, e->file[i].name, span_str(e->file[i].text));
	reply_end(r);
}

void deed_get_policy(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	enum err err = directory_edition(w->a->directory, o->version, &e);

	if (edition_unreadable(err))
		work_fail(w, "version %llu cannot be read", (unsigned long long)e.number);
	else if (err != OK)
		work_fail(w, "there is no version %llu", (unsigned long long)o->version);
	if (err != OK)
		return;
	reply_edition(w->r, &e);
	if (o->command == COMMAND_GET_POLICY)
		reply_texts(w->r, &e);
}

void deed_list_policies(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	uint64_t number = 0;
	enum err err;

	(void)o;
	reply_array(w->r, "versions");
	while ((err = directory_edition(w->a->directory, number, &e)) == OK || (edition_unreadable(err) && e.number)) {
		reply_object(w->r, NULL);
		if (err == OK) {
			reply_edition(w->r, &e);
		} else {
			reply_number(w->r, "version", e.number);
			reply_text(w->r, "unread", span_str(err_text(err)));
		}
		reply_end(w->r);
		number = e.number - 1;
		edition_clear(&e);
		if (!number)
			break;
	}
	reply_end(w->r);
}

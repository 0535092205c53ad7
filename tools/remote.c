#include "remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "report.h"
#include "value.h"

static bool is_device(const struct accounts *kind)
{
	return kind->party == PULLCORD__V1__PARTY__PARTY_DEVICE;
}

static const char *key_of(const struct accounts *kind)
{
	return is_device(kind) ? "device" : "username";
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* One command, open for its fields. NULL: no memory. */
static struct reply *order_open(const char *verb, const struct accounts *kind, const char *plural)
{
	char word[32];

	snprintf(word, sizeof(word), "%s%s%s", verb, is_device(kind) ? "Device" : "User", plural);
	return live_request(word);
}

/* The first answer's; the text of a block of our own. */
struct heard {
	char *data;
	bool error;
};

static void hear(void *ctx, const struct answer *a)
{
	struct heard *h = ctx;

	h->error |= a->error[0] != '\0';
	if (a->error[0])
		report_error("%s", a->error);
	else if (!h->data)
		h->data = strdup(a->data ? a->data : "{}");
}

static void heard_clear(struct heard *h)
{
	free(h->data);
}

/* CMD_DONE: it was done, and h->data is there. */
static int order_send(struct live *live, struct reply *r, struct heard *h)
{
	CLEANUP(free_cleanup) char *request = live_request_end(r);
	int code;

	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_send(live, request, hear, h);
	if (code == CMD_DONE && !h->error && !h->data)
		return report_fail(ERR_FULL, "read the broker's answer");
	return h->error ? CMD_NO : code;
}

/* All values of the attribute at i, unless they were put with one before. */
static void put_values(struct reply *r, const struct subject *s, size_t i)
{
	char name[WORD_BYTES_MAX + 1];

	for (size_t k = 0; k < i; k++)
		if (span_eq(s->attribute[k].name, s->attribute[i].name))
			return;
	must(span_text(s->attribute[i].name, name, sizeof(name)));
	reply_array(r, name);
	for (size_t k = i; k < s->attributes; k++)
		if (span_eq(s->attribute[k].name, s->attribute[i].name))
			reply_text(r, NULL, s->attribute[k].value);
	reply_end(r);
}

static void put_held(struct reply *r, const struct subject *s)
{
	if (s->roles) {
		reply_array(r, "roles");
		for (size_t i = 0; i < s->roles; i++)
			reply_text(r, NULL, s->role[i]);
		reply_end(r);
	}
	reply_object(r, "attributes");
	for (size_t i = 0; i < s->attributes; i++)
		put_values(r, s, i);
	reply_end(r);
}

int remote_create(struct live *live, const struct accounts *kind, const struct draft *d, bool *unsure)
{
	static const uint8_t none[sizeof(d->account.certificate)];
	CLEANUP(reply_close) struct reply *r = order_open("create", kind, "");
	CLEANUP(heard_clear) struct heard h = { 0 };
	char hex[2 * sizeof(none) + 1];
	int code;

	if (r) {
		reply_text(r, key_of(kind), d->account.subject.id);
		if (d->account.name.n)
			reply_text(r, "textname", d->account.name);
		hex_encode(span(d->account.certificate, sizeof(d->account.certificate)), hex);
		if (memcmp(d->account.certificate, none, sizeof(none)) != 0)
			reply_text(r, "fingerprint", span_str(hex));
		if (d->account.password[0])
			reply_text(r, "passwordHash", span_str(d->account.password));
		put_held(r, &d->account.subject);
	}
	code = order_send(live, r, &h);
	*unsure = code != CMD_DONE && !h.error && live->sent;
	return code;
}

int remote_password(struct live *live, const char *id, const char *phc)
{
	CLEANUP(reply_close) struct reply *r = reply_open();
	CLEANUP(heard_clear) struct heard h = { 0 };
	int code;

	if (r) {
		reply_array(r, "commands");
		reply_object(r, NULL);
		reply_text(r, "command", SPAN_LIT("setUserPassword"));
		reply_text(r, "username", span_str(id));
		reply_text(r, "passwordHash", span_str(phc));
	}
	code = order_send(live, r, &h);
	return live->gone ? CMD_GONE : code;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool read_state(struct span text, enum account_state *out)
{
	for (enum account_state s = 0; s < ACCOUNT_STATES; s++)
		if (span_is(text, account_state_name(s))) {
			*out = s;
			return true;
		}
	return false;
}

static struct grant read_grant(const struct value *v)
{
	struct grant g = { .reason = value_text(v, "reason"), .by = value_text(v, "by") };
	int64_t at = 0;

	(void)!command_time_read(value_text(v, "expires"), &g.until_us);
	if (command_time_read(value_text(v, "at"), &at))
		g.at_us = (uint64_t)at;
	return g;
}

static enum err read_held(const struct value *v, struct draft *out)
{
	const struct value *roles = value_of(v, "roles", VALUE_ARRAY), *attributes = value_of(v, "attributes", VALUE_ARRAY);

	for (const struct value *x = roles ? roles->child : NULL; x; x = x->next)
		if (!word_ok(value_text(x, "rolename")) || !draft_add_role(out, value_text(x, "rolename"), read_grant(x)))
			return ERR_SYNTAX;
	for (const struct value *x = attributes ? attributes->child : NULL; x; x = x->next) {
		struct attribute a = { value_text(x, "name"), value_text(x, "value") };

		if (!word_ok(a.name) || !word_ok(a.value) || !draft_add_attribute(out, a, read_grant(x)))
			return ERR_SYNTAX;
	}
	return OK;
}

enum err remote_account(const struct value *v, const struct accounts *kind, struct span tenant, struct draft *out)
{
	const struct span own = value_text(v, "tenant");
	int64_t changed = 0;

	if (own.n && !word_ok(own))
		return ERR_SYNTAX;
	draft_new(out, kind->party, own.n ? own : tenant, value_text(v, key_of(kind)));
	if (!word_ok(out->account.subject.id) || !read_state(value_text(v, "state"), &out->account.state))
		return ERR_SYNTAX;
	out->account.name = value_text(v, "textname");
	out->account.state_since = read_grant(v);
	if (command_time_read(value_text(v, "changed"), &changed))
		out->account.changed_us = (uint64_t)changed;
	(void)!command_time_read(value_text(v, "certificatesFrom"), &out->account.removed_us);
	if (value_true(v, "password"))
		strcpy(out->account.password, "set");   /* which one is never told */
	return read_held(v, out);
}

int64_t remote_locked(const struct value *v)
{
	const struct value *all = value_of(v, "lockouts", VALUE_ARRAY);
	int64_t until = 0, at;

	for (const struct value *x = all ? all->child : NULL; x; x = x->next)
		if (command_time_read(value_text(x, "until"), &at) && at > until)
			until = at;
	return until;
}

static int say_odd(void)
{
	return report_fail(ERR_SYNTAX, "understand the broker's answer: is it of another version than this tool?");
}

int remote_find(struct live *live, const struct accounts *kind, const char *id, remote_visit *visit, void *ctx)
{
	CLEANUP(reply_close) struct reply *r = order_open("get", kind, "");
	CLEANUP(heard_clear) struct heard h = { 0 };
	CLEANUP(value_close) struct value *v = NULL;
	const struct value *found;
	struct policy_error where;
	struct draft d;
	int code;

	if (r)
		reply_text(r, key_of(kind), span_str(id));
	code = order_send(live, r, &h);
	if (code != CMD_DONE)
		return live->gone ? CMD_GONE : code;
	found = value_load(span_str(h.data), &v, &where) == OK ? value_get(v, kind->noun) : NULL;
	if (!found || remote_account(found, kind, span_str(live->login.install.tenant), &d) != OK)
		return say_odd();
	visit(ctx, &d.account, remote_locked(found));
	return CMD_DONE;
}

/* One answer's worth after `after`, which becomes the last id of it; "": there is no more. */
static int each_page(struct live *live, const struct accounts *kind, char after[WORD_BYTES_MAX + 1], remote_visit *visit, void *ctx)
{
	CLEANUP(reply_close) struct reply *r = order_open("list", kind, "s");
	CLEANUP(heard_clear) struct heard h = { 0 };
	CLEANUP(value_close) struct value *v = NULL;
	const struct value *list;
	struct policy_error where;
	struct draft d;
	int code;

	if (r) {
		reply_bool(r, "verbose", true);
		if (after[0])
			reply_text(r, "after", span_str(after));
	}
	code = order_send(live, r, &h);
	if (code != CMD_DONE)
		return code;
	list = value_load(span_str(h.data), &v, &where) == OK ? value_of(v, is_device(kind) ? "devices" : "users", VALUE_ARRAY) : NULL;
	if (!list)
		return say_odd();
	after[0] = '\0';
	for (const struct value *x = list->child; x; x = x->next) {
		if (remote_account(x, kind, span_str(live->login.install.tenant), &d) != OK)
			return say_odd();
		if (!visit(ctx, &d.account, remote_locked(x)))
			return CMD_DONE;
		if (!x->next && value_true(v, "more"))
			must(span_text(d.account.subject.id, after, WORD_BYTES_MAX + 1));
	}
	return CMD_DONE;
}

int remote_each(struct live *live, const struct accounts *kind, remote_visit *visit, void *ctx)
{
	char after[WORD_BYTES_MAX + 1] = "";
	int code;

	do
		code = each_page(live, kind, after, visit, ctx);
	while (code == CMD_DONE && after[0]);
	return code;
}

/* Deeds about the shadow policy: one on trial, see shadow.h. */
#include <stdio.h>
#include <stdlib.h>

#include "deed.h"
#include "edition.h"

#define DIFFERENCES_MAX 1000    /* in one answer */

/* "0123456789abcdef" of a hash: enough to tell policies apart in a sentence. */
struct short_hash {
	char text[17];
};

static struct short_hash short_hash(const uint8_t hash[32])
{
	struct short_hash s;

	hex_encode(span(hash, 8), s.text);
	return s;
}

/* ---- setting and clearing ------------------------------------------------------------------------------------------ */

static bool of_version(struct work *w, uint64_t number, struct edition *out)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(edition_clear) struct edition e = { 0 };
	struct policy_error where = { 0 };
	enum err err = directory_edition(w->a->directory, number, &e);

	if (err == OK)
		err = edition_policy(&e, &p, &where);
	if (err == ERR_NOT_FOUND)
		work_fail(w, "there is no text of version %llu", (unsigned long long)number);
	else if (err != OK) {
		work_fail(w, "version %llu cannot be read: %s", (unsigned long long)number, where.text[0] ? where.text : err_text(err));
		work_conceal(w, "version %llu cannot be read: %s", (unsigned long long)number, err_text(err));
	} else if (edition_of_policy(p, out) != OK)
		work_fail_err(w, ERR_FULL, "set it");
	return !w->why[0];
}

static bool of_text(struct work *w, struct span text, struct edition *out)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(free_cleanup) char *copy = strndup((const char *)text.p, text.n);

	if (!copy || (deed_compile(w, copy, &p) && edition_of_policy(p, out) != OK))
		work_fail_err(w, ERR_FULL, "set it");
	return !w->why[0];
}

static bool keep(struct work *w, const struct edition *e)
{
	CLEANUP(batch_abort) struct batch *b = NULL;
	enum err err = directory_begin(w->a->directory, &b);
	char name[ADMIN_NAME];

	if (err == OK)
		batch_by(b, span_str(admin_name(w->a, name)));
	if (err == OK)
		err = batch_shadow(b, e);
	if (err == OK)
		err = batch_commit(&b);
	w->a->shadow_changed = w->a->shadow_changed || err == OK;
	if (err == ERR_NOT_FOUND)
		work_fail(w, "there is no shadow policy");
	else if (err != OK)
		work_fail_err(w, err, "keep it");
	return err == OK;
}

void deed_set_shadow(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 }, was = { 0 };

	if (!(order_has(o, FIELD_POLICY) ? of_text(w, o->text[FIELD_POLICY], &e) : of_version(w, o->version, &e)))
		return;
	if (memcmp(e.hash, policy_version(w->a->policy), 16) == 0) {
		work_fail(w, "it is in force already: nothing would differ");
		return;
	}
	(void)!directory_shadow(w->a->directory, &was);
	e.at_us = (uint64_t)w->a->now_us;
	(void)!span_text(span_str(w->a->id), e.by, sizeof(e.by));
	if (!keep(w, &e))
		return;
	reply_hash(w->r, e.hash);
	work_tell(w, "shadow policy: %s -> %s", was.text ? short_hash(was.hash).text : "none", short_hash(e.hash).text);
}

void deed_clear_shadow(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition was = { 0 };

	(void)o;
	(void)!directory_shadow(w->a->directory, &was);
	if (keep(w, NULL))
		work_tell(w, "shadow policy: %s -> none", short_hash(was.hash).text);
}

/* Then it is on trial no longer. Only the one whose report they saw: another may have put one there since. */
void deed_promote_shadow(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	char detail[sizeof(w->detail)];

	if (directory_shadow(w->a->directory, &e) != OK) {
		work_fail(w, "there is no shadow policy");
		return;
	}
	if (memcmp(e.hash, o->fingerprint, sizeof(e.hash)) != 0) {
		work_fail(w, "another one is on trial, %s..., set by %s: look at its report", short_hash(e.hash).text,
			  e.by[0] ? e.by : "the operator");
		return;
	}
	if (e.files) {
		work_fail(w, "it is made of several files: put them in place of those in force and reload");
		return;
	}
	deed_put_policy(w, o, e.text);
	if (w->why[0])
		return;
	snprintf(detail, sizeof(detail), "%s", w->detail);
	(void)keep(w, NULL);
	w->why[0] = '\0';       /* it is in force; beside itself it shows no difference */
	work_tell(w, "%.150s, the shadow policy", detail);
}

/* ---- what was found ------------------------------------------------------------------------------------------------ */

static void reply_verdict(struct reply *r, const char *key, const struct policy *p, const struct verdict *v)
{
	char text[384];

	reply_object(r, key);
	reply_bool(r, "allow", v->allow);
	reply_text(r, "why", span_str(why_text(v->why)));
	reply_line(r, p, v->line);
	if (policy_rule_text(p, v->line, text, sizeof(text)))
		reply_text(r, "rule", span_str(text));
	reply_end(r);
}

static void reply_difference(const struct work *w, const struct difference *d)
{
	char text[80], time[COMMAND_TIME];

	reply_object(w->r, NULL);
	if (d->id[0]) {
		snprintf(text, sizeof(text), "%s:%s", party_noun(d->party), d->id);
		reply_text(w->r, "subject", span_str(text));
	}
	reply_text(w->r, "access", span_str(access_name(d->access)));
	reply_text(w->r, "topic", span_str(d->topic));
	reply_verdict(w->r, "now", w->a->policy, &d->now);
	reply_verdict(w->r, "shadow", shadow_policy(w->a->shadow), &d->then);
	reply_number(w->r, "count", d->count);
	reply_text(w->r, "first", span_str(command_time(d->first_us, time)));
	reply_text(w->r, "last", span_str(command_time(d->last_us, time)));
	reply_end(w->r);
}

/* Of the running broker; a tool beside it has none. */
static void reply_counts(const struct work *w, uint64_t most)
{
	const struct shadow_counts n = shadow_count(w->a->shadow);

	reply_number(w->r, "asked", n.asked);
	reply_number(w->r, "differed", n.differed);
	reply_number(w->r, "lost", n.lost);
	reply_array(w->r, "differences");
	for (size_t i = 0; i < n.differences && i < most; i++) {
		const struct difference d = shadow_difference(w->a->shadow, i);

		reply_difference(w, &d);
	}
	reply_end(w->r);
	reply_bool(w->r, "more", n.differences > most);
}

void deed_get_shadow(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	enum err err = directory_shadow(w->a->directory, &e);
	char time[COMMAND_TIME];

	if (err != OK) {
		work_fail(w, "%s", err == ERR_NOT_FOUND ? "there is no shadow policy" : err_text(err));
		return;
	}
	reply_hash(w->r, e.hash);
	reply_text(w->r, "by", span_str(e.by));
	reply_text(w->r, "at", span_str(command_time((int64_t)e.at_us, time)));
	if (w->a->shadow && !w->a->fresh)
		reply_counts(w, o->count && o->count < DIFFERENCES_MAX ? o->count : DIFFERENCES_MAX);
}

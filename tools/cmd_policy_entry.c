/* policy explain --entry: why something was decided as the record says, by the policy of then, and whether it would be
 * today. */
#include <stdio.h>

#include "audited.h"
#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "edition.h"
#include "event.h"
#include "login.h"
#include "reader.h"
#include "report.h"
#include "source.h"

/* A decision on record, and what it was about. */
struct decided {
	uint64_t index, at_us;
	enum access access;
	struct span topic_text, actor, address, detail, version;
	struct topic topic;
	char named[AUDITED_TOPIC_SHOWN + TOPIC_LEVELS_MAX * WORD_BYTES_MAX];   /* its text, where the record has pseudonyms in it */
	uint32_t line;
	bool allow;
	const struct reader *reader;
};

/* The same question under one policy, with what the subject holds today. */
struct opinion {
	const struct policy *policy;
	struct verdict verdict;
};

/* ---- the entry --------------------------------------------------------------------------------------------------------- */

static int read_entry(const struct install *in, struct reader *r, uint64_t index, const Pullcord__V1__AuditEvent **event)
{
	struct entry entry;
	enum err e = reader_get(r, index, &entry, event);
	uint64_t size;

	if (e == ERR_NOT_FOUND && reader_size(r, &size) == OK) {
		report_error("there is no entry %llu: the record of %s has %llu, from 0", (unsigned long long)index, in->dir,
			     (unsigned long long)size);
		return CMD_NO;
	}
	if (e != OK)
		return source_no_record(e, install_path(in, "record.mdb").text);
	event_say(index, &entry, *event);
	return CMD_DONE;
}

/* 0: no policy was asked. */
static enum access access_of(const Pullcord__V1__AuditEvent *e)
{
	switch (e->type) {
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH: case PULLCORD__V1__AUDIT_TYPE__AUDIT_WILL: return ACCESS_PUBLISH;
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_SUBSCRIBE: return ACCESS_SUBSCRIBE;
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER: return ACCESS_RECEIVE;
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN: return ACCESS_CONTROL;
	case PULLCORD__V1__AUDIT_TYPE__AUDIT_SHADOW: return e->shadow ? (enum access)e->shadow->access : 0;
	default: return 0;
	}
}

/* "mercy/control/user.create" stands for the command's permission. */
static struct span topic_of(const Pullcord__V1__AuditEvent *e)
{
	struct span rest = span_str(e->topic), tenant;

	if (e->type != PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN)
		return rest;
	tenant = span_cut(rest, '/', &rest);
	(void)tenant;
	(void)span_cut(rest, '/', &rest);
	return rest;
}

/* A delivery is one entry for all who got the message: which of them is asked about? */
static const Pullcord__V1__Recipient *recipient_of(const Pullcord__V1__AuditEvent *e, struct span who)
{
	if (e->n_recipient == 1 && !who.n)
		return e->recipient[0];
	for (size_t i = 0; i < e->n_recipient; i++)
		if (span_is(who, e->recipient[i]->actor))
			return e->recipient[i];
	return NULL;
}

static int name_recipient(const Pullcord__V1__AuditEvent *e, uint64_t index, struct span who)
{
	if (who.n)
		report_error("entry %llu is not about %.*s", (unsigned long long)index, SPAN_FMT(who));
	else
		report_error("entry %llu is about %zu recipients: say which", (unsigned long long)index, e->n_recipient);
	for (size_t i = 0; i < e->n_recipient; i++)
		report_hint("pullcord policy explain --entry %llu %s", (unsigned long long)index, e->recipient[i]->actor);
	return CMD_NO;
}

static int read_decided(const Pullcord__V1__AuditEvent *e, struct span who, struct decided *out)
{
	const Pullcord__V1__Recipient *to = e->n_recipient ? recipient_of(e, who) : NULL;
	enum access a = access_of(e);

	if (!a || !e->policy.len) {
		report_error("no policy decided entry %llu", (unsigned long long)out->index);
		return CMD_NO;
	}
	if ((e->n_recipient && !to) || (!e->n_recipient && who.n && !span_is(who, e->actor)))
		return name_recipient(e, out->index, who);
	out->at_us = e->at_us;
	out->access = a;
	out->topic_text = topic_of(e);
	out->actor = span_str(to ? to->actor : e->actor);
	out->address = span_str(e->address);
	out->line = to ? to->line : e->line;
	out->detail = span_str(e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN ? "" : e->detail);
	out->version = span(e->policy.data, e->policy.len);
	/* What a command came to is another matter than whether it was permitted. */
	out->allow = a == ACCESS_CONTROL ? e->why == WHY_ALLOWED : e->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED;
	out->topic = cmd_policy_topic(out->topic_text, a);
	return CMD_DONE;
}

/* ---- the policy of then ------------------------------------------------------------------------------------------------ */

static void say_version(const struct edition *e, const struct decided *d, bool kept)
{
	char when[REPORT_TIME];
	const struct cell cell[] = {
		CELL_HEX("policy", d->version), CELL_BOOL("kept", kept), kept ? CELL_NUM("version", e->number) : CELL_NULL("version"),
		CELL_STR("by", e->by), CELL_NUM("at_us", e->at_us),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	else if (kept)
		report_line(TONE_PLAIN, "It was decided by version %llu of the policy, of %s%s%s:", (unsigned long long)e->number,
			    report_date((int64_t)e->at_us, when), e->by[0] ? ", set by " : "", e->by);
	else
		report_line(TONE_WARN, "The policy that decided it is not kept any more (the last %d are): what follows is by that of today.",
			    EDITIONS_MAX);
}

static enum err open_then(struct directory *d, const struct decided *q, struct policy **out)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	struct policy_error where;
	enum err err = q->version.n == 16 ? edition_of_version(d, q->version.p, &e) : ERR_NOT_FOUND;

	if (err == OK)
		err = edition_policy(&e, out, &where);
	say_version(&e, q, err == OK);
	return err;
}

/* The rule as it stands there, and what else decided. */
static void say_rule_of_then(const struct policy *p, const struct decided *d)
{
	const struct policy_place at = policy_place(p, d->line);
	char text[384];

	if (d->line && policy_rule_text(p, d->line, text, sizeof(text))) {
		const struct cell cell[] = { CELL_SPAN("file", at.file), CELL_NUM("line", at.line), CELL_STR("rule", text) };

		if (report_is_json())
			report_object(cell, countof(cell));
		report_line(TONE_STRONG, "  %.*s%s%u  %s", SPAN_FMT(at.file), at.file.n ? ":" : "line ", at.line, text);
	}
	if (d->detail.n)
		report_line(TONE_PLAIN, "  What settled it was no rule: %.*s", SPAN_FMT(d->detail));
}

/* ---- today ------------------------------------------------------------------------------------------------------------- */

/* The record of a delivery names no party; ids are of one name space. */
static enum err find_anybody(struct directory *d, struct span id, struct account **out)
{
	enum err e = directory_find(d, PULLCORD__V1__PARTY__PARTY_USER, id, out);

	return e == ERR_NOT_FOUND ? directory_find(d, PULLCORD__V1__PARTY__PARTY_DEVICE, id, out) : e;
}

static enum err ask(struct opinion *o, const struct subject *s, const struct decided *d)
{
	CLEANUP(holder_close) struct holder *h = NULL;

	TRY(policy_bind(o->policy, s, &h));
	o->verdict = policy_decide(o->policy, h, d->access, &d->topic);
	return OK;
}

static void say_account(const struct account *a, const struct decided *d)
{
	bool changed = a->changed_us > d->at_us;
	char when[REPORT_TIME];

	if (changed)
		report_line(TONE_WARN, "%.*s was changed since, on %s: roles and attributes below are those of today, not of then.",
			    SPAN_FMT(d->actor), report_date((int64_t)a->changed_us, when));
	else
		report_line(TONE_DIM, "%.*s was not changed since; roles and attributes below are those of today, without what has ended.",
			    SPAN_FMT(d->actor));
}

static void say_opinion(const char *whose, const struct opinion *o, const struct decided *d)
{
	char text[384] = "";
	const struct policy_place at = policy_place(o->policy, o->verdict.line);

	(void)policy_rule_text(o->policy, o->verdict.line, text, sizeof(text));
	report_say(o->verdict.allow == d->allow ? TONE_GOOD : TONE_WARN, "%s: %s", whose,
		   o->verdict.allow == d->allow ? "the same" : "otherwise");
	report_say(TONE_PLAIN, ", %s: %s", o->verdict.allow ? "allowed" : "denied", why_text(o->verdict.why));
	if (o->verdict.line)
		report_say(TONE_DIM, "  %.*s%s%u  %s", SPAN_FMT(at.file), at.file.n ? ":" : "line ", at.line, text);
	report_end();
}

static bool is_called(const struct reader *r, struct span id, const uint8_t whom[PATIENT_PSEUDONYM_BYTES])
{
	uint8_t own[PATIENT_PSEUDONYM_BYTES];
	const struct patients *p;
	size_t n = reader_patients(r, &p);

	for (size_t i = 0; i < n; i++) {
		patient_pseudonym(&p[i], id, own);
		if (memcmp(own, whom, sizeof(own)) == 0)
			return true;
	}
	return false;
}

/* Who of the subject's own patients that is; "-": somebody who is none of them, and that is all a rule asks. */
static struct span own_patient(const struct decided *d, const struct subject *s, const uint8_t whom[PATIENT_PSEUDONYM_BYTES])
{
	for (size_t i = 0; i < s->attributes; i++)
		if (span_is(s->attribute[i].name, "patient") && is_called(d->reader, s->attribute[i].value, whom))
			return s->attribute[i].value;
	return SPAN_LIT("-");
}

/* The topic as it was asked about, where the record has pseudonyms in it. */
static void name_patients(struct decided *d, const struct subject *s)
{
	struct put text = put(d->named, sizeof(d->named));
	uint8_t whom[PATIENT_PSEUDONYM_BYTES];
	struct span rest = d->topic_text;
	size_t words = 0, others = 0;

	while (rest.p) {
		struct span level = span_cut(rest, '/', &rest);

		if (level.n == PATIENT_WORD - 1 && patient_word_read(level, whom)) {
			level = own_patient(d, s, whom);
			others += span_is(level, "-");
			words++;
		}
		put_bytes(&text, level);
		put_str(&text, rest.p ? "/" : "");
	}
	if (!words)
		return;
	if (put_end(&text) == OK)
		d->topic = cmd_policy_topic(put_span(&text), d->access);
	report_line(TONE_DIM, "The record has a pseudonym of the patient, who is %s of %.*s's today.", others ? "none" : "one",
		    SPAN_FMT(d->actor));
}

static int say_today(const struct opinion *then, const struct opinion *now, const struct decided *d)
{
	bool same_policy = memcmp(policy_version(then->policy), policy_version(now->policy), 16) == 0;
	bool same = now->verdict.allow == d->allow;
	const struct cell cell[] = {
		CELL_SPAN("subject", d->actor), CELL_STR("access", access_name(d->access)), CELL_SPAN("topic", d->topic_text),
		CELL_BOOL("was_allowed", d->allow), CELL_BOOL("allowed_by_policy_of_then", then->verdict.allow),
		CELL_BOOL("allowed_today", now->verdict.allow), CELL_STR("why", why_text(now->verdict.why)),
		CELL_NUM("line", now->verdict.line), CELL_BOOL("same_policy", same_policy), CELL_BOOL("same", same),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	if (!same_policy)
		say_opinion("By the policy of then, today", then, d);
	say_opinion(same_policy ? "Today, by the same policy" : "Today, by another policy", now, d);
	return same ? CMD_DONE : CMD_NO;
}

static int explain_today(const struct install *in, struct directory *dir, struct decided *d, const char *from,
			 const struct policy *then, const struct policy *now)
{
	CLEANUP(account_free) struct account *account = NULL;
	struct opinion before = { .policy = then }, today = { .policy = now };
	struct subject s;
	int64_t until;
	enum err e = find_anybody(dir, d->actor, &account);

	if (e == ERR_NOT_FOUND) {
		report_error("%.*s is not in the directory of %s any more: today it may nothing", SPAN_FMT(d->actor), in->dir);
		return CMD_NO;
	}
	if (e != OK)
		return report_fail(e, "find %.*s in the directory of %s", SPAN_FMT(d->actor), in->dir);
	s = account_subject(account, clock_us(CLOCK_REALTIME), &until);
	s.address = from ? span_str(from) : d->address;
	name_patients(d, &s);
	e = ask(&before, &s, d);
	if (e == OK)
		e = ask(&today, &s, d);
	if (e != OK)
		return report_fail(e, "explain it");
	say_account(account, d);
	cmd_policy_tell(then, &s, d->access, &d->topic, before.verdict.allow);
	return say_today(&before, &today, d);
}

static int explain_event(const struct install *in, struct directory *dir, const struct reader *r, const Pullcord__V1__AuditEvent *e,
			 struct span who, const char *from, uint64_t index)
{
	CLEANUP(policy_close) struct policy *then = NULL;
	CLEANUP(policy_close) struct policy *now = NULL;
	struct decided d = { .index = index, .reader = r };

	if (read_decided(e, who, &d) != CMD_DONE || policy_open(install_path(in, POLICY_FILE).text, &now) != OK)
		return CMD_NO;
	if (open_then(dir, &d, &then) == OK)
		say_rule_of_then(then, &d);
	return explain_today(in, dir, &d, from, then ? then : now, now);
}

int policy_explain_entry(const char *dir, uint64_t index, struct span who, const char *from)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	CLEANUP(reader_close) struct reader *r = NULL;
	const Pullcord__V1__AuditEvent *event = NULL;
	struct install in;
	char what[64];

	snprintf(what, sizeof(what), "policy explain --entry %llu", (unsigned long long)index);
	if (install_open(dir, &in) != OK || install_directory(&in, true, &d) != OK)
		return CMD_NO;
	if (source_reader(&in, what, &r) != OK || read_entry(&in, r, index, &event) != CMD_DONE)
		return CMD_NO;
	if (event)
		return explain_event(&in, d, r, event, who, from, index);
	report_error("entry %llu is the record's own: nobody asked for anything", (unsigned long long)index);
	return CMD_NO;
}

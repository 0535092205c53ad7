#include "expect.h"

#include <stdio.h>

#include "line.h"

#define TEXT_MAX 512

struct asking {
	const struct policy *p;
	struct line line;
	struct subject subject;     /* of the last header; party PARTY_NONE: there was none */
	struct span role[EXPECT_ROLES_MAX];
	struct attribute attribute[EXPECT_ATTRIBUTES_MAX];
	void (*say)(void *ctx, const struct expect_answer *a);
	void *ctx;
};

static const struct line_word *word_at(const struct asking *q, size_t i)
{
	static const struct line_word none = { 0 };

	return i < q->line.n ? &q->line.word[i] : &none;
}

static enum err refuse_at(struct asking *q, size_t i, const char *right)
{
	struct line *l = &q->line;

	if (i >= l->n)
		return line_refuse(l, l->end, "the line ends too early; right would be: %s", right);
	return line_refuse(l, l->word[i].column, "%s does not belong here; right would be: %s", quote(l->word[i].text).text,
			   right);
}

/* ---- who asks ---------------------------------------------------------------------------------------------------- */

#define HEADER "user ID holds ROLE, NAME=VALUE [from ADDRESS] [quarantined] [suspended]"

static enum err read_item(struct asking *q, const struct line_word *w)
{
	struct subject *s = &q->subject;
	struct attribute a;

	if (s->roles == EXPECT_ROLES_MAX || s->attributes == EXPECT_ATTRIBUTES_MAX)
		return line_refuse(&q->line, w->column, "too much: at most %d roles and %d attributes", EXPECT_ROLES_MAX,
				   EXPECT_ATTRIBUTES_MAX);
	a.name = span_cut(w->text, '=', &a.value);
	if (!word_ok(a.name) || (a.value.p && !word_ok(a.value)))
		return line_refuse(&q->line, w->column, "%s is no role and no attribute; right would be nurse or unit=icu3",
				   quote(w->text).text);
	if (a.value.p) {
		q->attribute[s->attributes++] = a;
		return OK;
	}
	if (!policy_has_role(q->p, a.name))
		return line_refuse(&q->line, w->column, "the policy has no role %s", quote(a.name).text);
	if (s->roles == 0)
		s->tenant = policy_role_tenant(q->p, a.name);
	if (!span_eq(policy_role_tenant(q->p, a.name), s->tenant))
		return line_refuse(&q->line, w->column, "role %s is of tenant %.*s, role %.*s of %.*s; right would be roles of one",
				   quote(a.name).text, SPAN_FMT(policy_role_tenant(q->p, a.name)), SPAN_FMT(s->role[0]), SPAN_FMT(s->tenant));
	q->role[s->roles++] = a.name;
	return OK;
}

static enum err read_items(struct asking *q, size_t *at)
{
	const struct line_word *w;
	bool more;

	do {
		w = line_item(&q->line, at, &more);
		if (!w)
			return refuse_at(q, *at, HEADER);
		TRY(read_item(q, w));
	} while (more);
	return OK;
}

static enum err read_subject(struct asking *q, Pullcord__V1__Party party)
{
	struct subject *s = &q->subject;
	size_t at = 2;

	*s = (struct subject){ .party = party, .tenant = policy_tenant(q->p), .id = word_at(q, 1)->text, .role = q->role,
			       .attribute = q->attribute };
	if (!word_ok(s->id))
		return refuse_at(q, 1, HEADER);
	if (span_is(word_at(q, at)->text, "holds")) {
		at++;
		TRY(read_items(q, &at));
	}
	while (at < q->line.n) {
		struct span word = q->line.word[at].text;

		if (span_is(word, "quarantined"))
			s->quarantined = true;
		else if (span_is(word, "suspended"))
			s->suspended = true;
		else if (span_is(word, "from") && at + 1 < q->line.n)
			s->address = q->line.word[++at].text;
		else
			return refuse_at(q, at, HEADER);
		at++;
	}
	return OK;
}

static enum err read_user(struct asking *q) { return read_subject(q, PULLCORD__V1__PARTY__PARTY_USER); }
static enum err read_device(struct asking *q) { return read_subject(q, PULLCORD__V1__PARTY__PARTY_DEVICE); }

/* ---- what is expected -------------------------------------------------------------------------------------------- */

static bool read_topic(enum access a, struct span text, struct topic *out)
{
	switch (a) {
	case ACCESS_SUBSCRIBE:
		return filter_parse(text, out) == OK;
	case ACCESS_CONTROL:
		return control_parse(text, out) == OK;
	case ACCESS_GRANT:
		return grant_parse(text, out) == OK;
	default:
		return topic_parse(text, out) == OK;
	}
}

static const char *place_text(const struct policy *p, uint32_t line, char out[128])
{
	struct policy_place at = policy_place(p, line);

	if (at.file.n)
		snprintf(out, 128, "line %u of %.*s", at.line, SPAN_FMT(at.file));
	else
		snprintf(out, 128, "line %u", at.line);
	return out;
}

static enum err ask(struct asking *q, enum access a, bool may, struct span what)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct expect_answer answer = { .line = q->line.number, .but = "" };
	char text[TEXT_MAX], but[TEXT_MAX], place[128];
	struct topic t = { .text = what };
	struct verdict v = { .why = WHY_GRAMMAR };

	TRY(policy_bind(q->p, &q->subject, &h));
	if (read_topic(a, what, &t))
		v = policy_decide(q->p, h, a, &t);
	snprintf(text, sizeof(text), "%.*s %s %s %.*s", SPAN_FMT(q->subject.id), may ? "may" : "may not", access_name(a),
		 SPAN_FMT(what));
	if (v.line)
		snprintf(but, sizeof(but), "%s by %s", why_text(v.why), place_text(q->p, v.line, place));
	else
		snprintf(but, sizeof(but), "%s", why_text(v.why));
	answer.met = v.allow == may;
	answer.text = text;
	answer.but = answer.met ? "" : but;
	answer.rule = v.line;
	q->say(q->ctx, &answer);
	return OK;
}

static enum err read_access(struct asking *q, const struct line_word *w, enum access *out)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };
	static const char *const name[] = { "publish", "subscribe", "receive", "control", "grant" };

	for (size_t i = 0; i < countof(all); i++)
		if (span_is(w->text, access_name(all[i]))) {
			*out = all[i];
			return OK;
		}
	return line_refuse_word(&q->line, w, "access", "publish, subscribe, receive, control or grant", LISTED(name));
}

#define MAY "may [not] publish|subscribe|receive|control|grant[, ...] TOPIC"

static enum err read_may(struct asking *q)
{
	bool may = !span_is(word_at(q, 1)->text, "not"), more;
	size_t at = may ? 1 : 2, n = 0;
	const struct line_word *w;
	enum access a[8];

	if (q->subject.party == PULLCORD__V1__PARTY__PARTY_NONE)
		return line_refuse(&q->line, q->line.word[0].column, "of whom? put a line before it: " HEADER);
	do {
		w = line_item(&q->line, &at, &more);
		if (!w || n == countof(a))
			return refuse_at(q, at, MAY);
		TRY(read_access(q, w, &a[n++]));
	} while (more);
	if (at + 1 != q->line.n)
		return refuse_at(q, at < q->line.n ? at + 1 : at, MAY);
	for (size_t i = 0; i < n; i++)
		TRY(ask(q, a[i], may, q->line.word[at].text));
	return OK;
}

/* What holds of a topic, whoever asks. */
static enum err answer_topic(struct asking *q, size_t at, bool met, const char *expected, const char *found)
{
	struct expect_answer answer = { .line = q->line.number, .met = met, .but = met ? "" : found };
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%s %.*s", expected, SPAN_FMT(q->line.word[at].text));
	answer.text = text;
	q->say(q->ctx, &answer);
	return OK;
}

static enum err read_policy_topic(struct asking *q, size_t at, const char *right, struct policy_topic *out)
{
	struct topic t;

	if (at + 1 != q->line.n)
		return refuse_at(q, at < q->line.n ? at + 1 : at, right);
	if (topic_parse(q->line.word[at].text, &t) != OK)
		return line_refuse(&q->line, q->line.word[at].column, "%s is no topic", quote(q->line.word[at].text).text);
	policy_prepare(q->p, ACCESS_PUBLISH, &t, out);
	return OK;
}

static enum err read_critical(struct asking *q)
{
	struct policy_topic t;

	TRY(read_policy_topic(q, 1, "life-critical TOPIC", &t));
	return answer_topic(q, 1, t.life_critical, "life-critical", "no life-critical line matches it");
}

static enum err read_not(struct asking *q)
{
	struct policy_topic t;

	if (!span_is(word_at(q, 1)->text, "life-critical"))
		return refuse_at(q, 1, "not life-critical TOPIC");
	TRY(read_policy_topic(q, 2, "not life-critical TOPIC", &t));
	return answer_topic(q, 2, !t.life_critical, "not life-critical", "a life-critical line matches it");
}

static enum err read_record(struct asking *q)
{
	struct policy_topic t;
	char expected[32], found[64];

	TRY(read_policy_topic(q, 2, "record full|digest|off TOPIC", &t));
	snprintf(expected, sizeof(expected), "record %.*s", (int)(q->line.word[1].text.n < 16 ? q->line.word[1].text.n : 16),
		 (const char *)q->line.word[1].text.p);
	snprintf(found, sizeof(found), "it is recorded as: %s", policy_record_name(t.record));
	return answer_topic(q, 2, span_is(q->line.word[1].text, policy_record_name(t.record)), expected, found);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static enum err read_line(struct asking *q, struct span text)
{
	static const struct { const char *word; enum err (*read)(struct asking *q); } statement[] = {
		{ "user", read_user }, { "device", read_device }, { "may", read_may }, { "life-critical", read_critical },
		{ "not", read_not }, { "record", read_record },
	};
	static const char *const word[] = { "user", "device", "may", "life-critical", "not", "record" };

	line_cut(&q->line, text);
	if (q->line.n == 0)
		return OK;
	for (size_t i = 0; i < countof(statement); i++)
		if (span_is(q->line.word[0].text, statement[i].word))
			return statement[i].read(q);
	return line_refuse_word(&q->line, &q->line.word[0], "expectation", "user, device, may, may not, life-critical, not "
				"life-critical or record", LISTED(word));
}

enum err expect_run(const struct policy *p, struct span text, void (*say)(void *ctx, const struct expect_answer *a), void *ctx,
		    struct policy_error *where)
{
	struct asking q = { .p = p, .say = say, .ctx = ctx };
	struct span rest = text, line;

	*where = (struct policy_error){ 0 };
	q.line.where = where;
	while (rest.p) {
		q.line.number++;
		line = span_cut(rest, '\n', &rest);
		TRY(read_line(&q, line));
	}
	return OK;
}

/* policy explain: why somebody may or may not, and what would have to change. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "live.h"
#include "opt.h"
#include "report.h"
#include "value.h"

/* What the command line says; the subject's words borrow from it. */
struct question {
	const char *dir, *policy, *from;
	long entry;                     /* of the record; -1: none */
	struct live live;
	struct opt_list role, unit, attr;
	struct span role_of[OPT_LIST_MAX];
	struct attribute attribute_of[2 * OPT_LIST_MAX];
	struct subject subject;
	enum access access;
	struct topic topic;
};

/* "user:ana", "device:icu3-nc1" */
static int read_subject(const struct opt_page *page, const char *text, struct subject *out)
{
	static const struct { const char *word; Pullcord__V1__Party party; } parties[] = {
		{ "user", PULLCORD__V1__PARTY__PARTY_USER },
		{ "device", PULLCORD__V1__PARTY__PARTY_DEVICE },
	};
	struct span id, party = span_cut(span_str(text), ':', &id);

	for (size_t i = 0; i < countof(parties) && word_ok(id); i++)
		if (span_is(party, parties[i].word)) {
			out->party = parties[i].party;
			out->id = id;
			return OPT_RUN;
		}
	return opt_wrong(page, "\"%s\" is nobody; right would be user:ID or device:ID", text);
}

static int read_access(const struct opt_page *page, const char *text, enum access *out)
{
	if (cmd_policy_access(text, out))
		return OPT_RUN;
	return opt_wrong(page, "\"%s\" is no access; right would be publish, subscribe, receive, control or grant", text);
}

struct topic cmd_policy_topic(struct span text, enum access a)
{
	struct topic t = { .text = text };
	struct span rest;

	if ((a == ACCESS_CONTROL ? control_parse : a == ACCESS_GRANT ? grant_parse :
	     a == ACCESS_SUBSCRIBE ? filter_parse : topic_parse)(text, &t) == OK)
		return t;
	t = (struct topic){ .n = text.n && text.p[0] == '$', .text = text };
	t.level[0] = span_cut(t.text, '/', &rest);
	return t;
}

/* A subject as --role, --unit and --attr describe it. */
static int read_holding(const struct opt_page *page, struct question *q)
{
	struct attribute *a = q->attribute_of;

	for (size_t i = 0; i < q->role.n; i++)
		q->role_of[i] = span_str(q->role.text[i]);
	for (size_t i = 0; i < q->unit.n; i++)
		*a++ = (struct attribute){ SPAN_LIT("unit"), span_str(q->unit.text[i]) };
	for (size_t i = 0; i < q->attr.n; i++, a++) {
		a->name = span_cut(span_str(q->attr.text[i]), '=', &a->value);
		if (!word_ok(a->name) || !word_ok(a->value))
			return opt_wrong(page, "\"%s\" is no attribute; right would be NAME=VALUE, as unit=icu3", q->attr.text[i]);
	}
	q->subject.role = q->role_of;
	q->subject.roles = q->role.n;
	q->subject.attribute = q->attribute_of;
	q->subject.attributes = (size_t)(a - q->attribute_of);
	return OPT_RUN;
}

static int read_question(const struct opt_page *page, const struct opt_list *operand, struct question *q)
{
	int code = read_subject(page, operand->text[0], &q->subject);

	if (code == OPT_RUN)
		code = read_access(page, operand->text[1], &q->access);
	if (code == OPT_RUN)
		code = read_holding(page, q);
	if (code == OPT_RUN)
		q->topic = cmd_policy_topic(span_str(operand->text[2]), q->access);
	return code;
}

/* The subject as the installation's directory knows it. */
static enum err find_account(const struct question *q, struct account **out)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	struct install in;
	enum err e;

	TRY(install_open(q->dir, &in));
	TRY(install_directory(&in, true, &d));
	e = directory_find(d, q->subject.party, q->subject.id, out);
	if (e != OK)
		(void)report_fail(e, "find %.*s in the directory of %s", SPAN_FMT(q->subject.id), in.dir);
	if (e == ERR_NOT_FOUND)
		report_hint("or say what the subject would hold: --role ROLE --attr NAME=VALUE");
	return e;
}

struct telling {
	const struct policy *policy;
	bool allow;
};

static void say_rule(void *ctx, uint32_t line, const char *text)
{
	const struct telling *t = ctx;
	const struct policy_place at = policy_place(t->policy, line);
	const struct cell cell[] = { CELL_SPAN("file", at.file), CELL_NUM("line", at.line), CELL_STR("text", text) };

	if (report_is_json())
		report_object(at.file.n ? cell : cell + 1, countof(cell) - !at.file.n);
	else if (at.file.n)
		report_line(TONE_DIM, "%.*s:%u %s", SPAN_FMT(at.file), at.line, text);
	else if (line)
		report_line(TONE_DIM, "line %-4u %s", line, text);
	else if (span_is(span_cut(span_str(text), ':', &(struct span){ 0 }), "allowed"))
		report_line(TONE_GOOD, "%s", text);
	else
		report_line(t->allow ? TONE_PLAIN : TONE_STRONG, "%s", text);
}

void cmd_policy_tell(const struct policy *p, const struct subject *s, enum access a, const struct topic *topic, bool allow)
{
	policy_explain(p, s, a, topic, say_rule, &(struct telling){ p, allow });
}

static int explain_subject(const struct policy *p, struct subject *s, const struct question *q)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct verdict v;
	enum err e;

	s->address = span_str(q->from);
	e = policy_bind(p, s, &h);

	if (e != OK)
		return report_fail(e, "explain it");
	v = policy_decide(p, h, q->access, &q->topic);
	cmd_policy_tell(p, s, q->access, &q->topic, v.allow);
	if (report_is_json()) {
		const struct cell cell[] = {
			CELL_BOOL("allow", v.allow), CELL_STR("why", why_text(v.why)), CELL_NUM("line", v.line),
			CELL_BOOL("life_critical", v.life_critical), CELL_SPAN("subject", s->id),
			CELL_STR("access", access_name(q->access)), CELL_SPAN("topic", q->topic.text),
			CELL_HEX("version", span(policy_version(p), 16)),
		};

		report_object(cell, countof(cell));
	}
	return v.allow ? CMD_DONE : CMD_NO;
}

static int answer(struct question *q)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(account_free) struct account *account = NULL;
	struct install_path path;
	struct subject now;
	int64_t until;

	if (!policy_find(q->policy, q->dir, &path) || policy_open(path.text, &p) != OK)
		return CMD_NO;
	if (q->role.n || q->subject.attributes) {
		q->subject.tenant = policy_tenant_of_roles(p, q->subject.role, q->subject.roles);
		return explain_subject(p, &q->subject, q);
	}
	if (find_account(q, &account) != OK)
		return CMD_NO;
	now = account_subject(account, clock_us(CLOCK_REALTIME), &until);
	return explain_subject(p, &now, q);
}

/* ---- of the running broker --------------------------------------------------------------------------------------------- */

static char *request_of(const struct question *q)
{
	CLEANUP(reply_close) struct reply *r = live_request("explain");

	if (!r)
		return NULL;
	reply_text(r, q->subject.party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "username", q->subject.id);
	reply_text(r, "access", span_str(access_name(q->access)));
	reply_text(r, "topic", q->topic.text);
	if (q->from)
		reply_text(r, "address", span_str(q->from));
	return live_request_end(r);
}

struct hearing {
	int code;
};

static void say_path(const struct value *v, bool allow)
{
	const struct value *path = value_of(v, "path", VALUE_ARRAY);

	for (const struct value *step = path ? path->child : NULL; step; step = step->next) {
		const struct value *line = value_of(step, "line", VALUE_NUMBER);
		struct span file = value_text(step, "file");

		if (line)
			report_say(TONE_DIM, "%.*s%s%.*s  ", SPAN_FMT(file), file.n ? ":" : "line ", SPAN_FMT(line->text));
		report_span(line ? TONE_DIM : allow ? TONE_GOOD : TONE_STRONG, value_text(step, "text"));
		report_end();
	}
}

static void hear(void *ctx, const struct answer *a)
{
	CLEANUP(value_close) struct value *v = live_value(a);
	struct hearing *h = ctx;

	h->code = CMD_NO;
	if (!v)
		return;
	if (report_is_json())
		report_raw(a->data);
	else
		say_path(v, value_true(v, "allow"));
	h->code = value_true(v, "allow") ? CMD_DONE : CMD_NO;
}

static int ask_broker(struct question *q, const struct opt_page *page)
{
	CLEANUP(free_cleanup) char *request = request_of(q);
	struct hearing h = { CMD_NO };
	int code;

	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_open(&q->live, page, q->dir);
	if (code == CMD_DONE)
		code = live_send(&q->live, request, hear, &h);
	live_close(&q->live);
	return code == CMD_DONE ? h.code : code;
}

/* ---- the command line --------------------------------------------------------------------------------------------------- */

static int check_options(const struct opt_page *page, const struct question *q, size_t operands)
{
	bool described = q->role.n || q->unit.n || q->attr.n;

	if (q->entry >= 0 && (q->live.on || described || q->policy))
		return opt_wrong(page, "--entry is about what is on record: it goes with --dir and --from only");
	if (q->live.on && (described || q->policy))
		return opt_wrong(page, "--live asks by the broker's policy and directory: not with --policy, --role, --unit, --attr");
	if (q->entry >= 0 ? operands > 1 : operands != 3)
		return opt_wrong(page, "%s", q->entry >= 0 ? "with --entry, name at most the recipient that is meant" :
				 "name SUBJECT, ACCESS and TOPIC, or an --entry of the record");
	return OPT_RUN;
}

/* "user:ana" as elsewhere, or "ana" as the record says it. */
static struct span recipient(const struct opt_list *operand)
{
	struct span id, party;

	if (!operand->n)
		return span(NULL, 0);
	party = span_cut(span_str(operand->text[0]), ':', &id);
	return span_is(party, "user") || span_is(party, "device") ? id : span_str(operand->text[0]);
}

int policy_why(int argc, char **argv)
{
	struct question q = { .entry = -1 };
	struct opt_list operand = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &q.dir, INSTALL_DIR_TEXT),
		OPT_TEXT("policy", "FILE", &q.policy, "another policy than the installation's"),
		OPT_LIST("role", "ROLE", &q.role, "ask for somebody who holds this role, not for the one in the directory"),
		OPT_LIST("unit", "UNIT", &q.unit, "short for --attr unit=UNIT"),
		OPT_LIST("attr", "NAME=VALUE", &q.attr, "and this attribute"),
		OPT_TEXT("from", "ADDRESS", &q.from, "where the subject connects from; without it, roles bound to networks give nothing"),
		OPT_NUMBER("entry", "INDEX", &q.entry, 0, LONG_MAX, "explain what this entry of the record says was decided"),
		OPT_JSON(&json),
		LIVE_OPTS(&q.live),
	};
	const struct opt_page page = {
		.command = "policy explain", .operands = "[SUBJECT ACCESS TOPIC]", .most = 3,
		.text = "Says whether SUBJECT (user:ID or device:ID) may publish, subscribe or receive TOPIC, control a command such as "
			"user.create, or grant something such as role/nurse: every rule that was considered, the verdict, and what "
			"would have to change. What the subject holds is read from the directory, or said by --role and --attr; "
			"with --live the running broker answers, by its policy and directory.\n"
			"With --entry, an entry of the record as pullcord audit tail numbers them: what it says, the rule as it stands in the "
			"policy that decided it (the last 32 are kept), the path through that policy, and whether it would be decided so today. "
			"Roles and attributes are those of today. Of a delivery to many, name the recipient.\n"
			"Exit code 0: allowed, or today as then; 1: denied, or not so.",
		.example = "pullcord policy explain user:ana receive mercy/unit/icu3/alert/high/icu3-nc1\n"
			   "pullcord policy explain --policy new.policy --role nurse --unit icu3 user:ana subscribe "
			   "mercy/unit/icu3/alert/+/+\n"
			   "pullcord policy explain user:root grant role/nurse\n"
			   "pullcord policy explain --entry 1204 ana\n"
			   "pullcord policy explain --live --user root device:icu3-nc1 control user.create",
		.opt = opt, .opts = countof(opt),
	};
	int code = opt_read(&page, argc, argv, &operand);

	if (code == OPT_RUN)
		code = check_options(&page, &q, operand.n);
	if (code == OPT_RUN && q.entry < 0)
		code = read_question(&page, &operand, &q);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (q.entry >= 0)
		return policy_explain_entry(q.dir, (uint64_t)q.entry, recipient(&operand), q.from);
	return q.live.on ? ask_broker(&q, &page) : answer(&q);
}

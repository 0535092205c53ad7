/* policy explain: why somebody may or may not, and what would have to change. */
#include <stdio.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "opt.h"
#include "report.h"

/* What the command line says; the subject's words borrow from it. */
struct question {
	const char *dir, *policy, *from;
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
	return opt_wrong(page, "\"%s\" is no access; right would be publish, subscribe, receive or control", text);
}

/* What is no topic is still a question: the answer is no. Enough of it is kept to say why. */
static struct topic read_topic(const char *text, enum access a)
{
	struct topic t = { .text = span_str(text) };
	struct span rest;

	if (a == ACCESS_CONTROL ? control_parse(t.text, &t) == OK :
	    (a == ACCESS_SUBSCRIBE ? filter_parse(t.text, &t) : topic_parse(t.text, &t)) == OK)
		return t;
	t = (struct topic){ .n = text[0] == '$', .text = span_str(text) };
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
		q->topic = read_topic(operand->text[2], q->access);
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
	policy_explain(p, s, q->access, &q->topic, say_rule, &(struct telling){ p, v.allow });
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

	if (!policy_find(q->policy, q->dir, &path) || policy_open(path.text, &p) != OK)
		return CMD_NO;
	if (q->role.n || q->subject.attributes) {
		q->subject.tenant = policy_tenant(p);
		return explain_subject(p, &q->subject, q);
	}
	if (find_account(q, &account) != OK)
		return CMD_NO;
	return explain_subject(p, &account->subject, q);
}

int policy_why(int argc, char **argv)
{
	struct question q = { 0 };
	struct opt_list operand = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &q.dir, INSTALL_DIR_TEXT),
		OPT_TEXT("policy", "FILE", &q.policy, "another policy than the installation's"),
		OPT_LIST("role", "ROLE", &q.role, "ask for somebody who holds this role, not for the one in the directory"),
		OPT_LIST("unit", "UNIT", &q.unit, "short for --attr unit=UNIT"),
		OPT_LIST("attr", "NAME=VALUE", &q.attr, "and this attribute"),
		OPT_TEXT("from", "ADDRESS", &q.from, "where the subject connects from; without it, roles bound to networks give nothing"),
		OPT_JSON(&json),
	};
	const struct opt_page page = {
		.command = "policy explain", .operands = "SUBJECT ACCESS TOPIC", .least = 3, .most = 3,
		.text = "Says whether SUBJECT (user:ID or device:ID) may publish, subscribe or receive TOPIC, or control a command "
			"such as user.create: every rule that was considered, the verdict, and what would have to change. What the subject holds is read from the directory, or "
			"said by --role and --attr.\n"
			"Exit code 0: allowed; 1: denied.",
		.example = "pullcord policy explain user:ana receive mercy/unit/icu3/alert/high/icu3-nc1\n"
			   "pullcord policy explain --policy new.policy --role nurse --unit icu3 user:ana subscribe "
			   "mercy/unit/icu3/alert/+/+",
		.opt = opt, .opts = countof(opt),
	};
	int code = opt_read(&page, argc, argv, &operand);

	if (code == OPT_RUN)
		code = read_question(&page, &operand, &q);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	return answer(&q);
}

/* policy: is it well formed, and why may or may not somebody? The plugin's own code decides. */
#include <stdlib.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "install.h"
#include "opt.h"
#include "policy.h"
#include "report.h"

#define POLICY_FILE "pullcord.policy"
#define OPT_JSON(out) OPT_FLAG("json", out, "one JSON object a line")

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* As compilers say it, so that editors can jump there. */
static void say_refused(const char *path, enum err e, const struct policy_error *where)
{
	const struct cell cell[] = {
		CELL_STR("file", path), CELL_BOOL("ok", false), CELL_NUM("line", where->line),
		CELL_NUM("column", where->column), CELL_STR("error", where->text),
	};

	if (e != ERR_SYNTAX)
		(void)report_fail(e, "load the policy %s", path);
	else if (report_is_json())
		report_object(cell, countof(cell));
	else
		report_error("%s:%u:%u: %s", path, where->line, where->column, where->text);
}

static enum err load(const char *path, struct policy **out)
{
	CLEANUP(free_cleanup) char *text = NULL;
	struct policy_error where;
	size_t n;
	enum err e = install_read(path, POLICY_BYTES_MAX, &text, &n);

	if (e != OK) {
		(void)report_fail(e, "read the policy %s", path);
		return e;
	}
	e = policy_load(span(text, n), out, &where);
	if (e != OK)
		say_refused(path, e, &where);
	return e;
}

/* The file that is named, else the installation's. False: there is none, which was said. */
static bool find_policy(const char *named, const char *dir, struct install_path *out)
{
	struct install in;

	if (named && !span_text(span_str(named), out->text, sizeof(out->text)))
		(void)report_fail(ERR_TOO_LARGE, "use the path of this policy");
	if (named)
		return out->text[0];
	if (install_open(dir, &in) != OK)
		return false;
	*out = install_path(&in, POLICY_FILE);
	return true;
}

enum err cmd_policy_load(const char *named, const char *dir, struct policy **out)
{
	struct install_path path;

	return find_policy(named, dir, &path) ? load(path.text, out) : ERR_NOT_FOUND;
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

struct checking {
	const char *path;
	unsigned warnings;
};

static void say_warning(void *ctx, uint32_t line, const char *text)
{
	const struct cell cell[] = { CELL_NUM("line", line), CELL_STR("warning", text) };
	struct checking *c = ctx;

	c->warnings++;
	if (report_is_json())
		report_object(cell, countof(cell));
	report_line(TONE_WARN, "%s:%u: %s", c->path, line, text);
}

static void say_good(const struct checking *c, const struct policy *p)
{
	const struct policy_counts n = policy_count(p);
	const struct cell cell[] = {
		CELL_STR("file", c->path), CELL_BOOL("ok", true), CELL_SPAN("tenant", policy_tenant(p)),
		CELL_NUM("roles", n.roles), CELL_NUM("rules", n.rules), CELL_NUM("life_critical", n.marks),
		CELL_NUM("warnings", c->warnings), CELL_HEX("version", span(policy_version(p), 16)),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	report_line(TONE_GOOD, "%s: well formed; tenant %.*s, %u roles, %u rules, %u life-critical, %u warnings", c->path,
		    SPAN_FMT(policy_tenant(p)), n.roles, n.rules, n.marks, c->warnings);
}

static int check(int argc, char **argv)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct opt_list file = { 0 };
	struct install_path path;
	const char *dir = NULL;
	bool json = false;
	const struct opt opt[] = { OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT), OPT_JSON(&json) };
	const struct opt_page page = {
		.command = "policy check", .operands = "[FILE]", .most = 1,
		.text = "Says whether a policy is well formed, and where not: file, line, column and what would be right. Warns of "
			"roles that allow nothing, rules that repeat others or are denied entirely, and life-critical marks on topics "
			"nobody may publish.\n"
			"Without FILE, the policy of the installation. Exit code 0: well formed, also with warnings; 1: not.",
		.example = "pullcord policy check configs/hospital.policy", .opt = opt, .opts = countof(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	struct checking c = { .path = path.text };

	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (!find_policy(file.n ? file.text[0] : NULL, dir, &path) || load(path.text, &p) != OK)
		return CMD_NO;
	policy_lint(p, say_warning, &c);
	say_good(&c, p);
	return CMD_DONE;
}

/* ---- explain ----------------------------------------------------------------------------------------------------- */

/* What the command line says; the subject's words borrow from it. */
struct question {
	const char *dir, *policy;
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

bool cmd_policy_access(const char *text, enum access *out)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE };

	for (size_t i = 0; i < countof(all); i++)
		if (!strcmp(text, access_name(all[i]))) {
			*out = all[i];
			return true;
		}
	return false;
}

static int read_access(const struct opt_page *page, const char *text, enum access *out)
{
	if (cmd_policy_access(text, out))
		return OPT_RUN;
	return opt_wrong(page, "\"%s\" is no access; right would be publish, subscribe or receive", text);
}

/* What is no topic is still a question: the answer is no. Enough of it is kept to say why. */
static struct topic read_topic(const char *text, enum access a)
{
	struct topic t = { .text = span_str(text) };
	struct span rest;

	if ((a == ACCESS_SUBSCRIBE ? filter_parse(t.text, &t) : topic_parse(t.text, &t)) == OK)
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

static void say_rule(void *ctx, uint32_t line, const char *text)
{
	const struct cell cell[] = { CELL_NUM("line", line), CELL_STR("text", text) };

	if (report_is_json())
		report_object(cell, countof(cell));
	else if (line)
		report_line(TONE_DIM, "line %-4u %s", line, text);
	else if (span_is(span_cut(span_str(text), ':', &(struct span){ 0 }), "allowed"))
		report_line(TONE_GOOD, "%s", text);
	else
		report_line(*(bool *)ctx ? TONE_PLAIN : TONE_STRONG, "%s", text);
}

static int explain_subject(const struct policy *p, const struct subject *s, const struct question *q)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	enum err e = policy_bind(p, s, &h);
	struct verdict v;

	if (e != OK)
		return report_fail(e, "explain it");
	v = policy_decide(p, h, q->access, &q->topic);
	policy_explain(p, s, q->access, &q->topic, say_rule, &v.allow);
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

	if (!find_policy(q->policy, q->dir, &path) || load(path.text, &p) != OK)
		return CMD_NO;
	if (q->role.n || q->subject.attributes) {
		q->subject.tenant = policy_tenant(p);
		return explain_subject(p, &q->subject, q);
	}
	if (find_account(q, &account) != OK)
		return CMD_NO;
	return explain_subject(p, &account->subject, q);
}

static int explain(int argc, char **argv)
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
		OPT_JSON(&json),
	};
	const struct opt_page page = {
		.command = "policy explain", .operands = "SUBJECT ACCESS TOPIC", .least = 3, .most = 3,
		.text = "Says whether SUBJECT (user:ID or device:ID) may publish, subscribe or receive TOPIC: every rule that was "
			"considered, the verdict, and what would have to change. What the subject holds is read from the directory, or "
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

int cmd_policy(int argc, char **argv)
{
	static const struct opt_verb verb[] = {
		{ "check", check, "is a policy well formed, and is anything odd about it" },
		{ "explain", explain, "why somebody may or may not, and what would have to change" },
		{ "who-can", policy_who_can, "everybody who may, and by which rule" },
		{ "diff", policy_diff, "who gains or loses what between two policies" },
		{ "import", policy_import, "make a policy of an ACL file or of dynamic-security's" },
	};

	return opt_verb("policy", "Checks, compares and imports policies, and explains decisions. The language: pullcord-policy(5).", verb,
			countof(verb), argc, argv);
}

/* policy: is it well formed, and why may or may not somebody? The plugin's own code decides. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "install.h"
#include "network.h"
#include "opt.h"
#include "report.h"

#define POLICY_FILE "pullcord.policy"

/* ---- loading ----------------------------------------------------------------------------------------------------- */

void policy_refused(const struct policy_error *where)
{
	const struct cell cell[] = {
		CELL_STR("file", where->file), CELL_BOOL("ok", false), CELL_NUM("line", where->line),
		CELL_NUM("column", where->column), CELL_STR("error", where->text),
	};
	char text[1024];

	policy_error_write(where, text, sizeof(text));
	if (report_is_json())
		report_object(cell, countof(cell));
	else if (where->line)
		report_error("%s", text);
	else
		report_error("cannot read the policy %s", text);
}

enum err policy_open(const char *path, struct policy **out)
{
	struct policy_error where;
	enum err e = policy_file_load(path, out, &where);

	if (e != OK)
		policy_refused(&where);
	return e;
}

struct install_path policy_path(const struct policy *p, const char *path, uint32_t *line)
{
	const struct policy_place at = policy_place(p, *line);
	struct install_path out;

	if (!span_text(at.file.n ? at.file : span_str(path), out.text, sizeof(out.text)))
		out.text[0] = '\0';
	*line = at.line;
	return out;
}

bool policy_find(const char *named, const char *dir, struct install_path *out)
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

	return policy_find(named, dir, &path) ? policy_open(path.text, out) : ERR_NOT_FOUND;
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

struct checking {
	const struct policy *policy;
	const char *path;
	unsigned warnings;
	struct span *held;          /* roles somebody has; their texts are ours */
	size_t n, cap;
	enum err failed;
};

static void say_warning(void *ctx, uint32_t line, const char *text)
{
	struct checking *c = ctx;
	const struct install_path path = policy_path(c->policy, c->path, &line);
	const struct cell cell[] = { CELL_STR("file", path.text), CELL_NUM("line", line), CELL_STR("warning", text) };

	c->warnings++;
	if (report_is_json())
		report_object(cell, countof(cell));
	report_line(TONE_WARN, "%s:%u: %s", path.text, line, text);
}

static bool is_held(const struct checking *c, struct span role)
{
	for (size_t i = 0; i < c->n; i++)
		if (span_eq(c->held[i], role))
			return true;
	return false;
}

static enum err keep_held(struct checking *c, struct span role)
{
	struct span *more;
	char *copy;

	if (is_held(c, role))
		return OK;
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		more = realloc(c->held, c->cap * sizeof(*more));
		if (!more)
			return ERR_FULL;
		c->held = more;
	}
	copy = malloc(role.n + 1);
	if (!copy)
		return ERR_FULL;
	memcpy(copy, role.p, role.n);
	c->held[c->n++] = span(copy, role.n);
	return OK;
}

static void checking_clear(struct checking *c)
{
	while (c->n)
		free((void *)(uintptr_t)c->held[--c->n].p);
	free(c->held);
}

static bool visit_account(void *ctx, const struct account *a)
{
	struct checking *c = ctx;

	for (size_t i = 0; i < a->subject.roles && c->failed == OK; i++)
		c->failed = keep_held(c, a->subject.role[i]);
	return c->failed == OK;
}

static void hear_role(void *ctx, uint32_t line, struct span name, bool held)
{
	char text[128];

	snprintf(text, sizeof(text), "nobody has role %.*s", SPAN_FMT(name));
	if (!held)
		say_warning(ctx, line, text);
}

/* A role that was given and is not in the policy gives nothing, silently. */
static void say_strangers(struct checking *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct cell cell[] = { CELL_STR("file", c->path), CELL_SPAN("unknown_role", c->held[i]) };

		if (policy_has_role(c->policy, c->held[i]))
			continue;
		c->warnings++;
		if (report_is_json())
			report_object(cell, countof(cell));
		report_line(TONE_WARN, "%s: somebody has role %.*s, which is not in it", c->path, SPAN_FMT(c->held[i]));
	}
}

static enum err check_held(struct checking *c, const char *dir)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	struct install in;
	enum err e;

	TRY(install_open(dir, &in));
	TRY(install_directory(&in, true, &d));
	e = directory_each(d, visit_account, c);
	if (e == OK)
		e = c->failed;
	if (e != OK) {
		(void)report_fail(e, "read the directory of %s", in.dir);
		return e;
	}
	policy_each_role(c->policy, c->held, c->n, hear_role, c);
	say_strangers(c);
	return OK;
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
			"roles that allow nothing; rules that repeat others, are denied entirely or deny what nobody may do; "
			"subscriptions to other people's units, channels and patients; words that look like a person's number or name; "
			"and life-critical marks on topics nobody may publish. A comment that begins with \"meant:\" at the end of a "
			"line, with the reason, keeps it from being warned of. With --dir also of roles nobody has, and of roles "
			"somebody has that the policy does not know.\n"
			"Without FILE, the policy of the installation. Exit code 0: well formed, also with warnings; 1: not.",
		.example = "pullcord policy check configs/hospital.policy", .opt = opt, .opts = countof(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	CLEANUP(checking_clear) struct checking c = { .path = path.text };

	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (!policy_find(file.n ? file.text[0] : NULL, dir, &path) || policy_open(path.text, &p) != OK)
		return CMD_NO;
	c.policy = p;
	policy_lint(p, say_warning, &c);
	if (dir && check_held(&c, dir) != OK)
		return CMD_NO;
	say_good(&c, p);
	return CMD_DONE;
}

/* ---- explain ----------------------------------------------------------------------------------------------------- */

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

bool cmd_policy_access(const char *text, enum access *out)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL };

	for (size_t i = 0; i < countof(all); i++)
		if (!strcmp(text, access_name(all[i]))) {
			*out = all[i];
			return true;
		}
	return false;
}

bool cmd_policy_from(const struct opt_page *page, const char *text, struct span *out)
{
	struct network unused;

	*out = span_str(text);
	if (!text || address_read(*out, &unused))
		return true;
	opt_wrong(page, "--from takes an address, as 10.1.2.3 or 2001:db8::1, not \"%s\"", text);
	return false;
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

int cmd_policy(int argc, char **argv)
{
	static const struct opt_verb verb[] = {
		{ "check", check, "is a policy well formed, and is anything odd about it" },
		{ "fmt", policy_fmt, "the same policy in its columns" },
		{ "test", policy_test, "does a policy decide as a file expects" },
		{ "explain", explain, "why somebody may or may not, and what would have to change" },
		{ "who-can", policy_who_can, "everybody who may, and by which rule" },
		{ "diff", policy_diff, "who gains or loses what between two policies" },
		{ "shadow", policy_shadow, "put a policy on trial beside the one in force, and see what it would change" },
		{ "import", policy_import, "make a policy of an ACL file or of dynamic-security's" },
	};

	return opt_verb("policy", "Checks, compares and imports policies, and explains decisions. The language: pullcord-policy(5).", verb,
			countof(verb), argc, argv);
}

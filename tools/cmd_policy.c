/* policy: is it well formed, and why may or may not somebody? The plugin's own code decides. */
#include <stdio.h>
#include <stdlib.h>

#include "assent.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "edition.h"
#include "install.h"
#include "network.h"
#include "opt.h"
#include "report.h"
#include "rules.h"
#include "whole.h"

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

/* ---- putting one in force ------------------------------------------------------------------------------------------ */

enum err policy_read_notes(const char *path, char **note, size_t *n)
{
	enum err e = path ? install_read(path, NOTE_BYTES_MAX, note, n) : OK;

	if (e != OK)
		(void)report_fail(e, "read the signatures %s", path);
	return e;
}

enum err policy_check_signed(const struct install *in, struct directory *d, const struct policy *p, const char *notes)
{
	const struct install_path path = install_path(in, POLICY_FILE RATIFY_SUFFIX);
	CLEANUP(free_cleanup) char *note = NULL;
	char who[ASSENT_WHO_MAX], why[400];
	size_t n = 0;
	enum err e;

	if (!in->officers[0])
		return OK;
	TRY(policy_read_notes(notes, &note, &n));
	e = assent_check(in->officers, d, p, span(note, n), who, why, sizeof(why));
	if (e != OK) {
		report_error("%s", why);
		report_hint("then name them: --signed FILE");
		return e;
	}
	if (!who[0])
		return OK;
	e = whole_keep(path.text, span(note, n), 0644);
	if (e != OK)
		(void)report_fail(e, "put its signatures into %s", path.text);
	return e;
}

enum err policy_put(const struct install *in, struct directory *d, const struct edition *e, uint64_t *number)
{
	enum err err;

	install_enter(in);
	err = e->files ? edition_add(d, e, number) : edition_put(d, in->dir, e, number);
	install_leave(in);
	return err;
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
	struct span tenant[RULES_TENANTS_MAX];
	const struct cell cell[] = {
		CELL_STR("file", c->path), CELL_BOOL("ok", true), CELL_WORDS("tenants", tenant, n.tenants),
		CELL_NUM("roles", n.roles), CELL_NUM("rules", n.rules), CELL_NUM("life_critical", n.marks),
		CELL_NUM("warnings", c->warnings), CELL_HEX("version", span(policy_version(p), 16)),
	};

	for (uint32_t i = 0; i < n.tenants; i++)
		tenant[i] = policy_tenant_at(p, i);
	if (report_is_json())
		report_object(cell, countof(cell));
	report_say(TONE_GOOD, "%s: well formed; tenant%s ", c->path, n.tenants > 1 ? "s" : "");
	for (uint32_t i = 0; i < n.tenants; i++)
		report_say(TONE_GOOD, "%.*s, ", SPAN_FMT(tenant[i]));
	report_say(TONE_GOOD, "%u roles, %u rules, %u life-critical, %u warning%s", n.roles, n.rules, n.marks, c->warnings,
		   c->warnings == 1 ? "" : "s");
	report_end();
}

static int check(int argc, char **argv)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct opt_list file = { 0 };
	struct install_path path;
	const char *dir = NULL, *officers = NULL;
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT),
		OPT_TEXT("officers", "FILE", &officers, "and whether two of these have signed it, into FILE.signed beside it"),
		OPT_JSON(&json),
	};
	const struct opt_page page = {
		.command = "policy check", .operands = "[FILE]", .most = 1,
		.text = "Says whether a policy is well formed, and where not: file, line, column and what would be right. Warns of "
			"roles that allow nothing; rules that others of the role, or of one it includes, say too; rules that are "
			"denied entirely or deny what nobody may do; denies that refuse whole subscriptions for a part of them; "
			"subscriptions to other people's units, channels and patients; attributes that are probably misspelt; words "
			"that look like a person's name, or date of birth, record, phone or social security number; and life-critical "
			"marks on topics nobody may publish. A comment that begins with \"meant:\" at the end of a line, with the "
			"reason, keeps it from being warned of. With --dir also of roles nobody has, and of roles "
			"somebody has that the policy does not know.\n"
			"Without FILE, the policy of the installation. Exit code 0: well formed, also with warnings; 1: not, or with "
			"--officers not signed.",
		.example = "pullcord policy check configs/hospital.policy\npullcord policy check --dir /etc/pullcord",
		.opt = opt, .opts = countof(opt),
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
	return officers ? policy_say_signed(p, path.text, officers, dir) : CMD_DONE;
}

/* ---- the commands ------------------------------------------------------------------------------------------------- */

bool cmd_policy_access(const char *text, enum access *out)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };

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

int cmd_policy(int argc, char **argv)
{
	static const struct opt_verb verb[] = {
		{ "check", check, "is a policy well formed, and is anything odd about it" },
		{ "fmt", policy_fmt, "the same policy in its columns" },
		{ "test", policy_test, "does a policy decide as a file expects" },
		{ "explain", policy_why, "why somebody may or may not, and what would have to change" },
		{ "who-can", policy_who_can, "everybody who may, and by which rule" },
		{ "sign", policy_sign, "sign a policy as one of two officers, before it is put in force" },
		{ "diff", policy_diff, "who gains or loses what between two policies" },
		{ "shadow", policy_shadow, "put a policy on trial beside the one in force, and see what it would change" },
		{ "rollback", policy_rollback, "put an earlier version back in force, on purpose and on record" },
		{ "import", policy_import, "make a policy of an ACL file or of dynamic-security's" },
	};

	return opt_verb("policy", "Checks, compares and imports policies, and explains decisions. The language: pullcord-policy(5).", verb,
			countof(verb), argc, argv);
}

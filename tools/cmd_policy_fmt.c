/* policy fmt: the same policy in the house's columns. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "opt.h"
#include "report.h"
#include "whole.h"

static enum err format(struct span text, char **out, size_t *n)
{
	size_t lines = 1, cap;
	struct put b;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	cap = POLICY_FORMAT_CAP(text.n, lines);
	*out = malloc(cap);
	if (!*out)
		return ERR_FULL;
	b = put(*out, cap);
	TRY(policy_format(text, &b));
	*n = b.n;
	return OK;
}

/* Before its columns, its mistakes: a file that is no policy is not touched. An included one may lack its tenant. */
static bool is_policy(struct span text, const char *path)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct policy_error where;

	return policy_file_load(path, &p, &where) == OK || text.n == 0 || strstr(where.text, "the first statement must be");
}

static void say(const char *path, bool changed, bool written)
{
	const struct cell cell[] = { CELL_STR("file", path), CELL_BOOL("changed", changed), CELL_BOOL("written", written) };

	if (report_is_json())
		report_object(cell, countof(cell));
	else if (!changed)
		report_line(TONE_GOOD, "%s: is in its columns", path);
	else
		report_line(written ? TONE_GOOD : TONE_WARN, "%s: %s", path, written ? "written" : "would change");
}

static int finish(const char *path, struct span old, struct span fresh, bool write, bool check)
{
	bool changed = !span_eq(old, fresh);
	enum err e;

	if (!write && !check) {
		fwrite(fresh.p, 1, fresh.n, stdout);
		return CMD_DONE;
	}
	e = write && changed ? whole_replace(path, fresh) : OK;   /* whoever reads it meanwhile has one or the other */
	if (e != OK)
		return report_fail(e, "write %s", path);
	say(path, changed, write && changed);
	return check && changed && !write ? CMD_NO : CMD_DONE;
}

int policy_fmt(int argc, char **argv)
{
	CLEANUP(free_cleanup) char *text = NULL;
	CLEANUP(free_cleanup) char *fresh = NULL;
	struct opt_list file = { 0 };
	bool write = false, check = false, json = false;
	const struct opt opt[] = {
		OPT_FLAG("write", &write, "change the file"),
		OPT_FLAG("check", &check, "only say whether it would change; exit code 1 if so"),
		OPT_FLAG("json", &json, "with --write or --check: one JSON object"),
	};
	const struct opt_page page = {
		.command = "policy fmt", .operands = "FILE", .least = 1, .most = 1,
		.text = "Writes a policy in its columns to standard output: what belongs to a role is set in, patterns and comments "
			"stand below each other, no more than one empty line. Statements, words and comments stay as they are.",
		.example = "pullcord policy fmt --write configs/hospital.policy", .opt = opt, .opts = countof(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	const char *path = file.text[0];
	size_t n, m;
	enum err e;

	if (code != OPT_RUN)
		return code;
	if (write && check)
		return opt_wrong(&page, "either --write, which changes the file, or --check, which does not");
	if (json && !write && !check)
		return opt_wrong(&page, "--json goes with --write or --check: without them the policy itself is written out");
	report_json(json);
	e = install_read(path, POLICY_BYTES_MAX, &text, &n);
	if (e != OK)
		return report_fail(e, "read the policy %s", path);
	if (!is_policy(span(text, n), path)) {
		CLEANUP(policy_close) struct policy *p = NULL;

		return policy_open(path, &p) == OK ? CMD_DONE : CMD_NO;
	}
	e = format(span(text, n), &fresh, &m);
	return e == OK ? finish(path, span(text, n), span(fresh, m), write, check) : report_fail(e, "format %s", path);
}

/* policy test: does a policy decide as expected, and which of its rules did nobody ask for? */
#include <stdlib.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "expect.h"
#include "opt.h"
#include "report.h"

struct testing {
	const struct policy *policy;
	const char *file, *policy_path;
	uint8_t *used;              /* a bit for each line of the policy whose rule decided something */
	unsigned met, failed, rules, unused;
};

/* The policy's lines are counted through all its files; no policy of POLICY_BYTES_MAX has more. */
#define LINES_MAX (POLICY_BYTES_MAX + POLICY_FILES_MAX)

static void hear_answer(void *ctx, const struct expect_answer *a)
{
	const struct cell cell[] = {
		CELL_NUM("line", a->line), CELL_BOOL("met", a->met), CELL_STR("expected", a->text), CELL_STR("but", a->but),
		CELL_NUM("rule", a->rule),
	};
	struct testing *t = ctx;

	(*(a->met ? &t->met : &t->failed))++;
	t->used[a->rule / 8] |= (uint8_t)(1u << a->rule % 8);
	if (report_is_json())
		report_object(cell, countof(cell));
	else if (!a->met)
		report_line(TONE_BAD, "%s:%u: expected: %s; but %s", t->file, a->line, a->text, a->but);
}

static void hear_rule(void *ctx, uint32_t line, const char *text)
{
	struct testing *t = ctx;
	struct install_path path;

	t->rules++;
	if (t->used[line / 8] & 1u << line % 8)
		return;
	t->unused++;
	path = policy_path(t->policy, t->policy_path, &line);
	if (report_is_json()) {
		const struct cell cell[] = { CELL_STR("file", path.text), CELL_NUM("line", line), CELL_STR("unused", text) };

		report_object(cell, countof(cell));
	}
	report_line(TONE_DIM, "%s:%u: no expectation asks for it: %s", path.text, line, text);
}

static int sum_up(const struct testing *t)
{
	const struct cell cell[] = {
		CELL_STR("file", t->file), CELL_BOOL("ok", t->failed == 0), CELL_NUM("met", t->met), CELL_NUM("failed", t->failed),
		CELL_NUM("rules", t->rules), CELL_NUM("rules_unused", t->unused),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	report_line(t->failed ? TONE_BAD : TONE_GOOD, "%s: %u expectations met, %u not; %u of %u rules were asked for", t->file,
		    t->met, t->failed, t->rules - t->unused, t->rules);
	return t->failed ? CMD_NO : CMD_DONE;
}

static int run(struct testing *t)
{
	CLEANUP(free_cleanup) char *text = NULL;
	struct policy_error where;
	size_t n;
	enum err e = install_read(t->file, EXPECT_BYTES_MAX, &text, &n);

	if (e == OK)
		e = expect_run(t->policy, span(text, n), hear_answer, t, &where);
	if (e == ERR_SYNTAX) {
		(void)!span_text(span_str(t->file), where.file, sizeof(where.file));
		policy_refused(&where);
		return CMD_NO;
	}
	if (e != OK)
		return report_fail(e, "read the expectations %s", t->file);
	policy_each_rule(t->policy, hear_rule, t);
	return sum_up(t);
}

int policy_test(int argc, char **argv)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(free_cleanup) uint8_t *used = calloc(1, LINES_MAX / 8 + 1);
	const char *dir = NULL, *policy = NULL;
	struct opt_list file = { 0 };
	struct install_path path;
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT),
		OPT_TEXT("policy", "FILE", &policy, "another policy than the installation's"),
		OPT_JSON(&json),
	};
	const struct opt_page page = {
		.command = "policy test", .operands = "FILE", .least = 1, .most = 1,
		.text = "Asks a policy what FILE expects of it, with the matcher the broker uses, and says which expectations are not "
			"met and which rules nothing in FILE asked for. The language of FILE: pullcord-policy(5).\n"
			"Exit code 0: all are met; 1: not.",
		.example = "pullcord policy test configs/hospital.expect --policy configs/hospital.policy",
		.opt = opt, .opts = countof(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	struct testing t = { .file = file.text[0], .policy_path = path.text, .used = used };

	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (!used)
		return report_fail(ERR_FULL, "test a policy");
	if (!policy_find(policy, dir, &path) || policy_open(path.text, &p) != OK)
		return CMD_NO;
	t.policy = p;
	return run(&t);
}

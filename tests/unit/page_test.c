/* page: every command's help, and that the manual pages in tools/man are what the tool says of itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "in_scratch.h"
#include "install.h"

#define PAGE_MAX 65536

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} generated[] = {
	{ "init", cmd_init }, { "device", cmd_device }, { "user", cmd_user }, { "policy", cmd_policy },
	{ "control", cmd_control }, { "gateway", cmd_gateway }, { "order", cmd_order }, { "who-can", cmd_who_can },
	{ "audit", cmd_audit }, { "watch", cmd_watch }, { "history", cmd_history },
	{ "ack", cmd_ack }, { "send", cmd_send },
};

/* What a command prints for one word, or for a verb of its and a word. */
static char *printed(int (*run)(int, char **), const char *name, const char *of, const char *word)
{
	const char *path = scratch_path(&scratch, "out");
	char verb[32], sub[32], arg[32], *argv[] = { verb, of ? sub : arg, of ? arg : NULL, NULL }, *text = NULL;
	int was = dup(STDOUT_FILENO), fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), code;
	size_t n;

	snprintf(verb, sizeof(verb), "%s", name);
	snprintf(sub, sizeof(sub), "%s", of ? of : "");
	snprintf(arg, sizeof(arg), "%s", word);
	fflush(stdout);
	must(was >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	code = run(of ? 3 : 2, argv);
	fflush(stdout);
	must(dup2(was, STDOUT_FILENO) >= 0);
	close(was);
	close(fd);
	assert_int_equal(code, CMD_DONE);
	must(install_read(path, PAGE_MAX, &text, &n) == OK);
	return text;
}

#define COLUMNS 100

static void check_help(char *text, const char *name)
{
	assert_int_equal(strncmp(text, "usage: pullcord ", 16), 0);
	assert_non_null(strstr(text, "example"));
	for (char *line = text, *end; *line; line = end + (*end != '\0')) {
		end = line + strcspn(line, "\n");
		if (end - line > COLUMNS)
			fail_msg("%s: %.*s", name, (int)(end - line), line);
	}
}

/* The commands of a command are the words that begin its lines after "commands:". */
static unsigned check_verbs(const char *text, int (*run)(int, char **), const char *name)
{
	const char *line = strstr(text, "\ncommands:\n");
	unsigned n = 0;

	for (line = line ? line + 10 : NULL; line && strncmp(line, "\n  ", 3) == 0; line += 1 + strcspn(line + 1, "\n"), n++) {
		char verb[32], *help;

		snprintf(verb, sizeof(verb), "%.*s", (int)strcspn(line + 3, " "), line + 3);
		help = printed(run, name, verb, "--help");
		check_help(help, verb);
		free(help);
	}
	return n;
}

static void every_command_helps_in_lines_that_fit(void **state)
{
	unsigned verbs = 0;

	(void)state;
	for (size_t i = 0; i < countof(generated); i++) {
		char *text = printed(generated[i].run, generated[i].name, NULL, "--help");

		check_help(text, generated[i].name);
		verbs += check_verbs(text, generated[i].run, generated[i].name);
		free(text);
	}
	assert_true(verbs > 40);
}

static void every_manual_page_is_what_the_tool_says(void **state)
{
	(void)state;
	if (access("tools/man", F_OK) != 0)
		skip();
	for (size_t i = 0; i < countof(generated); i++) {
		char path[64], *text = printed(generated[i].run, generated[i].name, NULL, "--help=man"), *page = NULL;
		size_t n;

		snprintf(path, sizeof(path), "tools/man/pullcord-%s.1", generated[i].name);
		if (install_read(path, PAGE_MAX, &page, &n) != OK || strcmp(page, text) != 0)
			fail_msg("%s is old: build/pullcord %s --help=man > %s", path, generated[i].name, path);
		free(text);
		free(page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_helps_in_lines_that_fit),
		cmocka_unit_test(every_manual_page_is_what_the_tool_says),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

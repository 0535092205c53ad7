/* control: commands for the running broker, as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "live.h"
#include "report.h"

/* One command alone is put into a request; a request stays as it is. */
static char *request_of(const char *text)
{
	static const char before[] = "{\"commands\":[", after[] = "]}";
	char word[64], *request;
	size_t n = strlen(text) + sizeof(before) + sizeof(after);

	request = malloc(n);
	if (request && report_read(span_str(text), "command", word, sizeof(word)) == OK)
		snprintf(request, n, "%s%s%s", before, text, after);
	else if (request)
		snprintf(request, n, "%s", text);
	return request;
}

static int ask(struct live *l, const struct opt_page *page, const char *dir, const char *text)
{
	CLEANUP(free_cleanup) char *request = request_of(text);
	int code;

	if (!request)
		return report_fail(ERR_FULL, "read the request");
	code = live_open(l, page, dir);
	if (code == CMD_DONE)
		code = live_ask(l, request, NULL);
	live_close(l);
	return code;
}

/* A whole request from standard input, which may be a pipe. */
static enum err read_input(char **out)
{
	char *text = malloc(COMMAND_REQUEST_MAX + 2);
	size_t n;

	*out = text;
	if (!text)
		return ERR_FULL;
	n = fread(text, 1, COMMAND_REQUEST_MAX + 1, stdin);
	text[n] = '\0';
	if (ferror(stdin))
		return ERR_IO;
	return n > COMMAND_REQUEST_MAX ? ERR_TOO_LARGE : OK;
}

static int ask_file(struct live *l, const struct opt_page *page, const char *dir, const char *path)
{
	CLEANUP(free_cleanup) char *text = NULL;
	size_t n;
	enum err e = strcmp(path, "-") == 0 ? read_input(&text) : install_read(path, COMMAND_REQUEST_MAX, &text, &n);

	if (e != OK)
		return report_fail(e, "read the request in %s", path);
	return ask(l, page, dir, text);
}

int cmd_control(int argc, char **argv)
{
	struct live l = { .on = true };
	struct opt_list json_text = { 0 };
	const char *dir = NULL, *file = NULL;
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("file", "FILE", &file, "read the request there; -: from standard input"),
		OPT_FLAG("json", &json, "answers as JSON, one a line"),
		LOGIN_OPTS(&l.login),
	};
	const struct opt_page page = {
		.command = "control", .operands = "[JSON]", .most = 1,
		.text = "Gives the running broker commands in an administrator's name: one {\"command\": ...}, or a request "
			"{\"commands\": [...]}. What there is: pullcord-control(5). Each change is durable and on record before it is "
			"answered. Passwords do not belong on a command line: use --file.\n"
			"Exit code 0: all was done; 1: something was not.",
		.example = "pullcord control --user root '{\"command\":\"grantRole\",\"username\":\"ana\",\"rolename\":\"nurse\"}'\n"
			   "pullcord control --user root --file shift.json --json\n"
			   "make-shift | pullcord control --user root --password-file root.password --file -",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &json_text);

	if (code != OPT_RUN)
		return code;
	if ((json_text.n == 0) == !file)
		return opt_wrong(&page, "give the request, or a --file it is in");
	dir = l.login.dir;
	report_json(json);
	return file ? ask_file(&l, &page, dir, file) : ask(&l, &page, dir, json_text.text[0]);
}

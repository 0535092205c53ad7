/* pullcord: the operator's tool. Nothing is decided here: one table of commands, and what the tool says of itself. */
#include <signal.h>
#include <string.h>

#include "cmd.h"
#include "crypt.h"
#include "opt.h"
#include "page.h"
#include "report.h"

static const char about[] = "One tool for operators of Pullcord, alerts and messages for hospitals.";

static const struct opt_verb commands[] = {
#define CMD(name, text) CMD_AS(name, #name, text)
#define CMD_AS(name, word, text) { word, cmd_##name, text },
#include "cmd.def"
#undef CMD
#undef CMD_AS
};

int cmd_help(int argc, char **argv)
{
	char help[] = "--help", *line[] = { argv[0], help, help, help };
	struct opt_list word = { 0 };
	const struct opt_page page = {
		.command = "help", .operands = "[COMMAND...]", .most = 2,
		.text = "Shows the commands there are, or the help of one of them.",
		.example = "pullcord help device enroll",
	};
	int code = opt_read(&page, argc, argv, &word);

	if (code != OPT_RUN)
		return code;
	if (word.n == 0)
		return page_verbs("", about, commands, countof(commands), PAGE_TERMINAL);
	for (size_t i = 0; i < word.n; i++)
		line[1 + i] = argv[argc - (int)word.n + (int)i];
	return opt_verb("", about, commands, countof(commands), (int)word.n + 2, line);
}

int cmd_version(int argc, char **argv)
{
	const struct opt_page page = {
		.command = "version", .text = "Shows the version of the tool.", .example = "pullcord version",
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	report_line(TONE_PLAIN, "pullcord %s", PULLCORD_VERSION);
	return CMD_DONE;
}

int main(int argc, char **argv)
{
	enum err e = crypt_init();
	char version[] = "version";

	signal(SIGPIPE, SIG_IGN);   /* a broker that goes away is an error code, not the end */
	if (e != OK)
		return report_fail(e, "use the crypto library (is OpenSSL 3 here with its default provider?)");
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		argv[1] = version;
	return report_finish(opt_verb("", about, commands, countof(commands), argc, argv));
}

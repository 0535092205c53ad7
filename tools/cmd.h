/* cmd: the subcommands of the tool, listed once in cmd.def. Each is called with argv[0] its own name ("policy") and
 * what follows it, and returns the exit code of the program. */
#ifndef PULLCORD_CMD_H
#define PULLCORD_CMD_H

enum cmd_code {
	CMD_DONE = 0,
	CMD_NO = 1,       /* the answer is no, or it failed; why was said on stderr */
	CMD_USAGE = 2,    /* the command line was not understood */
	CMD_GONE = 3,     /* whom it asks about is not there */
};

#define CMD(name, text) int cmd_##name(int argc, char **argv);
#define CMD_AS(name, word, text) CMD(name, text)
#include "cmd.def"
#undef CMD
#undef CMD_AS

#endif

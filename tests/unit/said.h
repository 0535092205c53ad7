/* said: a command of the tool run as from a shell, and what it says on both streams. */
#ifndef PULLCORD_SAID_H
#define PULLCORD_SAID_H

#include <stdio.h>
#include <stdlib.h>

#include "base.h"
#include "cmd.h"
#include "report.h"

/* Free it. */
static inline char *said(int (*command)(int, char **), int code, const char *const *argv)
{
	FILE *out = tmpfile();
	char *text;
	size_t size;
	int argc = 0, got;

	must(out);
	while (argv[argc])
		argc++;
	report_to(out, out);
	got = command(argc, (char **)(uintptr_t)argv);
	report_json(false);
	report_to(NULL, NULL);
	size = (size_t)ftell(out);
	text = calloc(1, size + 1);
	rewind(out);
	must(text && fread(text, 1, size, out) == size);
	fclose(out);
	if (got != code)
		fail_msg("%s ends with %d, not %d: %s", argv[0], got, code, text);
	return text;
}

static inline void expect_said(int (*command)(int, char **), int code, const char *what, const char *const *argv)
{
	char *text = said(command, code, argv);

	if (!strstr(text, what))
		fail_msg("it does not say \"%s\": %s", what, text);
	free(text);
}
/* assert_says(cmd_x, CMD_USAGE, "why", "x", "--option", value): a NULL ends the words early. */
#define assert_says(command, code, what, ...) \
	expect_said(command, code, what, (const char *const[]){ __VA_ARGS__, NULL })

#endif

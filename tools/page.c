#include "page.h"

#include <stdio.h>

#include "cmd.h"
#include "span.h"

bool page_shape_of(const char *arg, enum page_shape *shape)
{
	static const char *const spelled[] = {
		[PAGE_TERMINAL] = "--help", [PAGE_MAN] = "--help=man", [PAGE_SECTION] = "--help=section",
	};

	for (size_t i = 0; i < countof(spelled); i++)
		if (strcmp(arg, spelled[i]) == 0) {
			*shape = (enum page_shape)i;
			return true;
		}
	if (strcmp(arg, "-h") != 0)
		return false;
	*shape = PAGE_TERMINAL;
	return true;
}

/* One line of roff: hyphens stay hyphens, backslashes are printed, and no text becomes a request. */
static void man_text(const char *text)
{
	bool start = true;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			printf("\\&");
		if (*text == '-' || *text == '\\')
			printf(*text == '-' ? "\\-" : "\\e");
		else
			putchar(*text);
		start = *text == '\n';
	}
}

static void man_paragraphs(const char *text)
{
	for (; *text; text++) {
		char line[2] = { *text, '\0' };

		if (*text == '\n')
			printf("\n.PP\n");
		else
			man_text(line);
	}
	putchar('\n');
}

static void man_head(const char *command, const char *text)
{
	char title[80];
	size_t n = (size_t)snprintf(title, sizeof(title), "pullcord%s%s", *command ? "-" : "", command);

	for (size_t i = 0; i < n && i < sizeof(title); i++)
		if (title[i] == ' ')
			title[i] = '-';
	printf(".TH %s 1 \"\" \"Pullcord %s\" \"Pullcord\"\n.SH NAME\n", title, PULLCORD_VERSION);
	man_text(title);
	printf(" \\- ");
	man_text(text);
	putchar('\n');
}

static void man_example(const char *example)
{
	printf(".nf\n");
	man_text(example);
	printf("\n.fi\n");
}

/* The first sentence, without its full stop, in small letters: the line under NAME. */
static void first_sentence(const char *text, char *line, size_t cap)
{
	size_t n = strcspn(text, ".\n:");

	snprintf(line, cap, "%.*s", (int)n, text);
	if (line[0] >= 'A' && line[0] <= 'Z')
		line[0] = (char)(line[0] + 'a' - 'A');
}

static const char *how_often(const struct opt *o)
{
	return o->needed ? " (needed)" : o->list ? " (may be repeated)" : "";
}

static void man_options(const struct opt_page *page)
{
	for (size_t i = 0; i < page->opts; i++) {
		const struct opt *o = &page->opt[i];

		printf(".TP\n.BI \\-\\-");
		man_text(o->name);
		if (o->value)
			printf(" \" %s\"", o->value);
		putchar('\n');
		man_text(o->text);
		printf("%s\n", how_often(o));
	}
}

static void man_page(const struct opt_page *page, enum page_shape shape)
{
	char line[200];

	if (shape == PAGE_MAN) {
		first_sentence(page->text, line, sizeof(line));
		man_head(page->command, line);
		printf(".SH SYNOPSIS\n");
	} else {
		printf(".SH ");
		man_text(page->command);
		putchar('\n');
	}
	printf(".B pullcord ");
	man_text(page->command);
	printf("\n[options] ");
	man_text(page->operands ? page->operands : "");
	printf("\n%s\n", shape == PAGE_MAN ? ".SH DESCRIPTION" : ".PP");
	man_paragraphs(page->text);
	if (page->opts)
		printf("%s\n", shape == PAGE_MAN ? ".SH OPTIONS" : ".PP");
	man_options(page);
	printf("%s\n", shape == PAGE_MAN ? ".SH EXAMPLE" : ".PP\nExample:\n.PP");
	man_example(page->example);
	if (shape == PAGE_MAN)
		printf(".SH EXIT STATUS\n"
		       "0 done; 1 the answer is no, or it failed; 2 the command line was not understood.\n"
		       ".SH SEE ALSO\n.BR pullcord (1)\n");
}

static int option_width(const struct opt *o)
{
	return 2 + (int)strlen(o->name) + (o->value ? 1 + (int)strlen(o->value) : 0);
}

static void print_indented(const char *text, const char *indent)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		printf("%s%.*s\n", indent, (int)n, text);
		text += n + (text[n] != '\0');
	}
}

static size_t new_line(void)
{
	putchar('\n');
	return 0;
}

/* Paragraphs of at most 78 columns. */
static void print_wrapped(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (column && column + 1 + n > 78)
			column = new_line();
		column += (size_t)printf("%s%.*s", column ? " " : "", (int)n, text);
		text += n;
		if (*text == '\n')
			column = new_line();
		text += *text != '\0';
	}
	putchar('\n');
}

static void terminal_page(const struct opt_page *page)
{
	int width = 0;

	printf("usage: pullcord %s%s%s%s\n\n", page->command, page->opts ? " [options]" : "", page->operands ? " " : "",
	       page->operands ? page->operands : "");
	print_wrapped(page->text);
	if (page->opts)
		printf("\noptions:\n");
	for (size_t i = 0; i < page->opts; i++)
		if (option_width(&page->opt[i]) > width)
			width = option_width(&page->opt[i]);
	for (size_t i = 0; i < page->opts; i++) {
		const struct opt *o = &page->opt[i];

		printf("  --%s%s%s%*s  %s%s\n", o->name, o->value ? " " : "", o->value ? o->value : "",
		       width - option_width(o), "", o->text, how_often(o));
	}
	printf("\nexample:\n");
	print_indented(page->example, "  ");
}

int page_show(const struct opt_page *page, enum page_shape shape)
{
	if (shape == PAGE_TERMINAL)
		terminal_page(page);
	else
		man_page(page, shape);
	return CMD_DONE;
}

static int verbs_terminal(const char *command, const char *text, const struct opt_verb *verb, size_t n)
{
	const char *gap = *command ? " " : "";

	printf("usage: pullcord %s%sCOMMAND ...\n\n", command, gap);
	print_wrapped(text);
	printf("\ncommands:\n");
	for (size_t i = 0; i < n; i++)
		printf("  %-10s  %s\n", verb[i].name, verb[i].text);
	printf("\npullcord %s%sCOMMAND --help shows the options of one, with an example.\n", command, gap);
	return CMD_DONE;
}

/* Every verb writes its own section: it is asked for it as for any help. */
static int verbs_man(const char *command, const char *text, const struct opt_verb *verb, size_t n)
{
	char line[200], section[] = "--help=section";

	first_sentence(text, line, sizeof(line));
	man_head(command, line);
	printf(".SH SYNOPSIS\n.B pullcord ");
	man_text(command);
	printf("\nCOMMAND ...\n.SH DESCRIPTION\n");
	man_paragraphs(text);
	for (size_t i = 0; i < n; i++) {
		char name[32], *argv[] = { name, section, NULL };

		snprintf(name, sizeof(name), "%s", verb[i].name);
		if (verb[i].run(2, argv) != CMD_DONE)
			return CMD_NO;
	}
	printf(".SH SEE ALSO\n.BR pullcord (1)\n");
	return CMD_DONE;
}

int page_verbs(const char *command, const char *text, const struct opt_verb *verb, size_t n, enum page_shape shape)
{
	return (shape == PAGE_TERMINAL ? verbs_terminal : verbs_man)(command, text, verb, n);
}

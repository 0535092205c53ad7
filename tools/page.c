#include "page.h"

#include <stdio.h>

#include "cmd.h"
#include "span.h"

#define TEXT_COLUMNS 78
#define OPTION_COLUMNS 100
#define EXAMPLE_COLUMNS 92      /* with indent and backslash below 100 */

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
		       "0 done; 1 the answer is no, or it failed; 2 the command line was not understood; 3 whom it asks about is not there.\n"
		       ".SH SEE ALSO\n.BR pullcord (1)\n");
}

static int option_width(const struct opt *o)
{
	return 2 + (int)strlen(o->name) + (o->value ? 1 + (int)strlen(o->value) : 0);
}

static size_t new_line(size_t indent)
{
	printf("\n%*s", (int)indent, "");
	return indent;
}

/* Paragraphs that end before `columns`; the first line begins where we are, the others `indent` blanks in. */
static void print_wrapped(const char *text, size_t indent, size_t columns)
{
	size_t column = indent;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (column > indent && column + 1 + n > columns)
			column = new_line(indent);
		column += (size_t)printf("%s%.*s", column > indent ? " " : "", (int)n, text);
		text += n;
		if (*text == '\n')
			column = new_line(indent);
		text += *text != '\0';
	}
	putchar('\n');
}

/* How much of a command fits: up to a blank outside quotes, or all of it. */
static size_t example_cut(const char *text, size_t n, size_t room)
{
	size_t cut = n;
	bool quoted = false;

	for (size_t i = 0; i < n && (i < room || cut == n); i++) {
		quoted ^= text[i] == '\'';
		if (text[i] == ' ' && !quoted && i > 0)
			cut = i;
	}
	return n <= room ? n : cut;
}

/* Commands as they may be pasted: a long one goes on after a backslash. */
static void print_examples(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n"), indent = 2;

		for (size_t cut = example_cut(text, n, EXAMPLE_COLUMNS); cut < n; cut = example_cut(text, n, EXAMPLE_COLUMNS)) {
			printf("%*s%.*s \\\n", (int)indent, "", (int)cut, text);
			text += cut + 1;
			n -= cut + 1;
			indent = 6;
		}
		printf("%*s%.*s\n", (int)indent, "", (int)n, text);
		text += n + (text[n] != '\0');
	}
}

static void terminal_page(const struct opt_page *page)
{
	char text[512];
	int width = 0;

	printf("usage: pullcord %s%s%s%s\n\n", page->command, page->opts ? " [options]" : "", page->operands ? " " : "",
	       page->operands ? page->operands : "");
	print_wrapped(page->text, 0, TEXT_COLUMNS);
	if (page->opts)
		printf("\noptions:\n");
	for (size_t i = 0; i < page->opts; i++)
		if (option_width(&page->opt[i]) > width)
			width = option_width(&page->opt[i]);
	for (size_t i = 0; i < page->opts; i++) {
		const struct opt *o = &page->opt[i];

		snprintf(text, sizeof(text), "%s%s", o->text, how_often(o));
		printf("  --%s%s%s%*s  ", o->name, o->value ? " " : "", o->value ? o->value : "", width - option_width(o), "");
		print_wrapped(text, (size_t)width + 4, OPTION_COLUMNS);
	}
	printf("\nexample:\n");
	print_examples(page->example);
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
	int width = 0;

	for (size_t i = 0; i < n; i++)
		if ((int)strlen(verb[i].name) > width)
			width = (int)strlen(verb[i].name);
	printf("usage: pullcord %s%sCOMMAND ...\n\n", command, gap);
	print_wrapped(text, 0, TEXT_COLUMNS);
	printf("\ncommands:\n");
	for (size_t i = 0; i < n; i++)
		printf("  %-*s  %s\n", width, verb[i].name, verb[i].text);
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

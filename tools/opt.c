#include "opt.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "page.h"
#include "report.h"
#include "span.h"
#include "topic.h"

/* Optimal string alignment: what a slip of two fingers does to a word. Longer words are not near anything. */
size_t opt_distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	size_t n = strlen(a), m = strlen(b), d[LONGEST + 1][LONGEST + 1];

	if (n > LONGEST || m > LONGEST)
		return SIZE_MAX;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			size_t least = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < least)
				least = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < least)
				least = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < least)
				least = d[i - 2][j - 2] + 1;
			d[i][j] = least;
		}
	return d[n][m];
}

/* The nearer of two candidates; a word wrong in more than a third of its letters (and two) is not meant. */
static void nearer(const char *word, const char *candidate, const char **best, size_t *least)
{
	size_t d = opt_distance(word, candidate);
	bool begins = strlen(word) >= 2 && strncmp(word, candidate, strlen(word)) == 0;

	if (begins)
		d = 0;
	if (d < *least && d <= 1 + strlen(candidate) / 3) {
		*least = d;
		*best = candidate;
	}
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int see_help(const char *command)
{
	report_hint("pullcord %s%s--help shows what there is", command, *command ? " " : "");
	return CMD_USAGE;
}

int opt_wrong(const struct opt_page *page, const char *fmt, ...)
{
	char *what;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = NULL;
	va_end(args);
	report_error("%s: %s", page->command, what ? what : "no memory");
	free(what);
	return see_help(page->command);
}

int opt_word(const struct opt_page *page, const char *what, const char *text)
{
	size_t n = strlen(text);

	if (word_ok(span_str(text)))
		return CMD_DONE;
	if (n == 0)
		return opt_wrong(page, "%s is empty", what);
	if (n > WORD_BYTES_MAX)
		return opt_wrong(page, "%s is one word of at most %d letters; \"%s\" has %zu", what, WORD_BYTES_MAX, text, n);
	return opt_wrong(page, "%s is one word of A-Z a-z 0-9 . _ : -, not \"%s\"", what, text);
}

int opt_words(const struct opt_page *page, const char *what, const struct opt_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (opt_word(page, what, list->text[i]) != CMD_DONE)
			return CMD_USAGE;
	return CMD_DONE;
}

static int unknown_option(const struct opt_page *page, const char *name)
{
	const char *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < page->opts; i++)
		nearer(name, page->opt[i].name, &best, &least);
	if (best)
		return opt_wrong(page, "there is no option --%s; did you mean --%s?", name, best);
	return opt_wrong(page, "there is no option --%s", name);
}

static const struct opt *find(const struct opt_page *page, struct span name)
{
	for (size_t i = 0; i < page->opts; i++)
		if (span_is(name, page->opt[i].name))
			return &page->opt[i];
	return NULL;
}

static int set_number(const struct opt_page *page, const struct opt *o, const char *value)
{
	char *end;
	long n = strtol(value, &end, 10);

	if ((*value == '\0' || *end != '\0' || n < o->min) && o->max == LONG_MAX)
		return opt_wrong(page, "--%s takes a number from %ld up, not \"%s\"", o->name, o->min, value);
	if (*value == '\0' || *end != '\0' || n < o->min || n > o->max)
		return opt_wrong(page, "--%s takes a number from %ld to %ld, not \"%s\"", o->name, o->min, o->max,
				 value);
	*o->number = n;
	return OPT_RUN;
}

static int add(const struct opt_page *page, struct opt_list *list, const char *text)
{
	if (list->n == OPT_LIST_MAX)
		return opt_wrong(page, "more than %d times \"%s\" and the like", OPT_LIST_MAX, text);
	list->text[list->n++] = text;
	return OPT_RUN;
}

static int set_value(const struct opt_page *page, const struct opt *o, const char *value)
{
	if (o->number)
		return set_number(page, o, value);
	if (o->list)
		return add(page, o->list, value);
	*o->word = value;
	return OPT_RUN;
}

/* `arg` is what follows the two dashes; takes the next argument as value where one is wanted. *given: a bit for each option. */
static int set_option(const struct opt_page *page, const char *arg, int argc, char **argv, int *i, uint64_t *given)
{
	const char *equals = strchr(arg, '=');
	struct span name = equals ? span(arg, (size_t)(equals - arg)) : span_str(arg);
	const struct opt *o = find(page, name);

	if (!o) {
		char word[64];

		snprintf(word, sizeof(word), "%.*s", SPAN_FMT(name));
		return unknown_option(page, word);
	}
	must(page->opts <= 64);
	*given |= UINT64_C(1) << (o - page->opt);
	if (o->flag) {
		if (equals)
			return opt_wrong(page, "--%s takes no value", o->name);
		*o->flag = true;
		return OPT_RUN;
	}
	if (equals)
		return set_value(page, o, equals + 1);
	if (*i + 1 >= argc)
		return opt_wrong(page, "--%s wants a value: --%s %s", o->name, o->name, o->value);
	return set_value(page, o, argv[++*i]);
}

static bool was_given(const struct opt *o)
{
	return o->word ? *o->word != NULL : o->list ? o->list->n > 0 : true;
}

static bool is_given(const struct opt_page *page, const char *name, uint64_t given)
{
	const struct opt *o = find(page, span_str(name));

	must(o);
	return given >> (o - page->opt) & 1;
}

static int check_rules(const struct opt_page *page, uint64_t given)
{
	for (size_t i = 0; i < page->rules; i++) {
		const struct opt_rule *r = &page->rule[i];

		if (is_given(page, r->name, given) && is_given(page, r->other, given) == r->not_with)
			return r->not_with ? opt_wrong(page, "--%s and --%s: one of them", r->name, r->other)
					   : opt_wrong(page, "--%s goes with --%s%s%s", r->name, r->other, r->why ? ": " : "",
						       r->why ? r->why : "");
	}
	return OPT_RUN;
}

static int check_complete(const struct opt_page *page, const struct opt_list *operand)
{
	for (size_t i = 0; i < page->opts; i++) {
		const struct opt *o = &page->opt[i];

		if (o->needed && !was_given(o))
			return opt_wrong(page, "--%s %s is missing: %s", o->name, o->value, o->text);
	}
	if (operand->n < page->least)
		return opt_wrong(page, "%s is missing", page->operands);
	if (operand->n > page->most)
		return opt_wrong(page, "\"%s\" is one word too many", operand->text[page->most]);
	return OPT_RUN;
}

int opt_read(const struct opt_page *page, int argc, char **argv, struct opt_list *operand)
{
	struct opt_list none = { 0 };
	bool options = true;
	enum page_shape shape;
	uint64_t given = 0;

	if (!operand)
		operand = &none;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];
		int code;

		if (options && strcmp(arg, "--") == 0) {
			options = false;
			continue;
		}
		if (options && page_shape_of(arg, &shape))
			return page_show(page, shape);
		if (options && strncmp(arg, "--", 2) == 0)
			code = set_option(page, arg + 2, argc, argv, &i, &given);
		else if (options && arg[0] == '-' && arg[1] != '\0')
			code = opt_wrong(page, "options have two dashes and a word, not \"%s\"", arg);
		else
			code = add(page, operand, arg);
		if (code != OPT_RUN)
			return code;
	}
	return check_rules(page, given) == OPT_RUN ? check_complete(page, operand) : CMD_USAGE;
}

/* ---- commands of commands ---------------------------------------------------------------------------------------- */

static int unknown_verb(const char *command, const struct opt_verb *verb, size_t n, const char *word)
{
	const char *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < n; i++)
		nearer(word, verb[i].name, &best, &least);
	report_error("%s%sthere is no command \"%s\"%s%s%s", command, *command ? ": " : "", word,
		     best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
	return see_help(command);
}

int opt_verb(const char *command, const char *text, const struct opt_verb *verb, size_t n, int argc, char **argv)
{
	enum page_shape shape;

	if (argc < 2) {
		report_error("%s%sa command is missing", command, *command ? ": " : "");
		return see_help(command);
	}
	if (page_shape_of(argv[1], &shape))
		return page_verbs(command, text, verb, n, shape);
	for (size_t i = 0; i < n; i++)
		if (strcmp(argv[1], verb[i].name) == 0)
			return verb[i].run(argc - 1, argv + 1);
	return unknown_verb(command, verb, n, argv[1]);
}

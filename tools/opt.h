/* opt: command lines read by a table, from which --help and the manual page are made as well.
 *
 * `--name VALUE`, `--name=VALUE` and `--flag`, mixed with operands in any order; `--` ends the options. An option given
 * twice counts as last said, a list collects. Nothing is allocated; texts borrow from argv. Errors are said on stderr
 * with what would be right (and the nearest known word). Output: --help, on stdout.
 *
 *     const char *dir = NULL;
 *     struct opt_list who = { 0 };
 *     const struct opt opt[] = { OPT_TEXT("dir", "DIR", &dir, "the installation") };
 *     const struct opt_page page = { .command = "user show", .operands = "USER", .least = 1, .most = 1,
 *             .text = "Shows an account.", .example = "pullcord user show ana", OPTS(opt) };
 *     int code = opt_read(&page, argc, argv, &who);
 *
 *     if (code != OPT_RUN)
 *             return code;
 */
#ifndef PULLCORD_OPT_H
#define PULLCORD_OPT_H

#include "base.h"

#define OPT_LIST_MAX 64
#define OPT_RUN (-1)

struct opt_list {
	const char *text[OPT_LIST_MAX];
	size_t n;
};

/* Which of the pointers is set says what kind of option it is. What the pointer holds before reading is the default. */
struct opt {
	const char *name;               /* without the dashes */
	const char *value;              /* what help calls its value: "DIR"; NULL for a flag */
	const char *text;               /* one line, no capital, no full stop */
	bool needed;
	bool *flag;
	const char **word;
	struct opt_list *list;
	long *number, min, max;
};

#define OPT_FLAG(n, out, t) { .name = (n), .text = (t), .flag = (out) }
#define OPT_TEXT(n, v, out, t) { .name = (n), .value = (v), .text = (t), .word = (out) }
#define OPT_NEED(n, v, out, t) { .name = (n), .value = (v), .text = (t), .word = (out), .needed = true }
#define OPT_LIST(n, v, out, t) { .name = (n), .value = (v), .text = (t), .list = (out) }
#define OPT_NUMBER(n, v, out, lo, hi, t) \
	{ .name = (n), .value = (v), .text = (t), .number = (out), .min = (lo), .max = (hi) }

/* `name` is only heeded beside `other`, or (not_with) says what `other` says otherwise. */
struct opt_rule {
	const char *name, *other;
	bool not_with;
	const char *why;                /* NULL: it is plain */
};
#define OPT_WITH(n, o) { (n), (o), false, NULL }
#define OPT_WITH_FOR(n, o, w) { (n), (o), false, (w) }
#define OPT_NOT_WITH(n, o) { (n), (o), true, NULL }

struct opt_page {
	const char *command;            /* "device enroll" */
	const char *operands;           /* "ID", "[TOPIC...]"; NULL: none */
	size_t least, most;             /* how many operands */
	const char *text;               /* what it does; whole sentences; "\n" between paragraphs */
	const char *example;            /* command lines, one a line */
	const struct opt *opt;
	size_t opts;
	const struct opt_rule *rule;    /* what would go unheeded is refused */
	size_t rules;
};
#define OPTS(array) .opt = (array), .opts = countof(array)
#define OPT_RULES(array) .rule = (array), .rules = countof(array)

/* Reads argv[1..]. OPT_RUN: go on. CMD_DONE: help was asked for and given. CMD_USAGE: the mistake was said. */
int opt_read(const struct opt_page *page, int argc, char **argv, struct opt_list *operand) MUST_USE;

/* A mistake in a value that only the command can see: says it, and where help is. Returns CMD_USAGE. */
int opt_wrong(const struct opt_page *page, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Is the text of `what` ("--unit", "DEVICE") one word, as ids, roles and levels of topics are? CMD_DONE, or what is wrong with it
 * is said. */
int opt_word(const struct opt_page *page, const char *what, const char *text) MUST_USE;
/* The same of each in a list. */
int opt_words(const struct opt_page *page, const char *what, const struct opt_list *list) MUST_USE;

/* Commands of commands: `run` gets argv[0] = its name. `command` is "" for the program itself. */
struct opt_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
};
int opt_verb(const char *command, const char *text, const struct opt_verb *verb, size_t n, int argc,
	     char **argv) MUST_USE;

/* Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
size_t opt_distance(const char *a, const char *b);

#endif

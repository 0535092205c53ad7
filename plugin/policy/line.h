/* line: one line of a policy as words with their columns, and how a mistake in it is said. A comma is a word of its
 * own. A '#' begins a comment where a word would begin; inside a pattern it follows a '/'. */
#ifndef PULLCORD_LINE_H
#define PULLCORD_LINE_H

#include "policy.h"

#define LINE_WORDS_MAX 136      /* 64 items of a list, and what stands around them; the last is only a sign of more */
#define LISTED(words) words, countof(words)

struct line_word {
	struct span text;
	uint32_t column;            /* bytes, from 1 */
};

struct line {
	struct span file;           /* for messages; empty: the text that was given */
	struct policy_error *where;
	uint32_t number, end;       /* end: the column behind the last word */
	struct span comment;        /* from its '#'; p NULL: none */
	struct line_word word[LINE_WORDS_MAX];
	size_t n;
};

/* Cuts the text into words. They and the comment borrow from it. */
void line_cut(struct line *l, struct span text);
/* Its first word, whatever it is; empty when there is none. */
struct span line_head(struct span text);
/* The item of a comma list at *at, which is moved behind it and its comma; *more: there was one. NULL: no item there. */
const struct line_word *line_item(const struct line *l, size_t *at, bool *more);

/* Fills in *where. ERR_SYNTAX. */
enum err line_refuse(struct line *l, uint32_t column, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_USE;
/* "'alow' is no statement; did you mean 'allow'?", or else what there is to choose from. */
enum err line_refuse_word(struct line *l, const struct line_word *w, const char *what, const char *choices,
			  const char *const *list, size_t n) MUST_USE;

/* How many letters to insert, drop or change (Levenshtein), not looking at case. Up to LINE_NEAR of them are a slip. */
#define LINE_NEAR 2
unsigned line_distance(struct span a, struct span b);

/* A text from outside as it may stand in a message: in quotes, short, printable. */
struct quoted {
	char text[48];
};
struct quoted quote(struct span s);

#endif

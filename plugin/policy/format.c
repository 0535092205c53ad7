#include "line.h"

#define COLUMN_ACCESS_MAX 24    /* wider lists of accesses stand out of the column */
#define COLUMN_COMMENT_MAX 100

/* The house's columns: what belongs to a role is set in by two, patterns of a role begin in one column, and so do the
 * comments of lines that stand together. Two passes over each such block: measure, then write. */
struct layout {
	struct line line;           /* the one at work */
	struct put *out;
	bool in_role;
	size_t access;              /* width of the widest list of accesses of this role */
	size_t comment;             /* column of the comments of these lines */
};

static bool is_rule(const struct line *l)
{
	return l->n > 2 && (span_is(l->word[0].text, "allow") || span_is(l->word[0].text, "deny"));
}

static bool opens_role(struct span first)
{
	return span_is(first, "role") || span_is(first, "quarantine");
}

static bool is_top(struct span first)
{
	return opens_role(first) || span_is(first, "tenant") || span_is(first, "include");
}

/* These grant nothing to the role they may stand in. */
static bool is_anywhere(struct span first)
{
	return span_is(first, "life-critical") || span_is(first, "record") || span_is(first, "share") || span_is(first, "join") ||
	       span_is(first, "lock-out");
}

/* Statements that may stand anywhere, and comments, keep the place they were given. */
static bool is_set_in(const struct layout *f, struct span text)
{
	struct span first = line_head(text);

	if (!f->in_role || is_top(first))
		return false;
	if (first.n && first.p[0] != '#' && !is_anywhere(first))
		return true;
	return text.n && (text.p[0] == ' ' || text.p[0] == '\t');
}

/* Words from `from` on, a blank between two, none before a comma; how many bytes. `out` NULL: only counts. */
static size_t write_words(const struct line *l, size_t from, size_t to, struct put *out)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		bool blank = i > from && !span_is(l->word[i].text, ",");

		if (out && blank)
			put_str(out, " ");
		if (out)
			put_bytes(out, l->word[i].text);
		n += blank + l->word[i].text.n;
	}
	return n;
}

static void pad(struct put *out, size_t have, size_t want)
{
	for (; have < want; have++)
		put_str(out, " ");
}

/* The statement without its comment; how wide. */
static size_t write_statement(const struct layout *f, struct span text, struct put *out)
{
	const struct line *l = &f->line;
	size_t in = is_set_in(f, text) ? 2 : 0, width;

	if (out)
		pad(out, 0, in);
	if (!is_rule(l))
		return in + write_words(l, 0, l->n, out);
	if (out) {
		put_bytes(out, l->word[0].text);
		pad(out, l->word[0].text.n, strlen("allow "));
	}
	width = write_words(l, 1, l->n - 1, out);
	if (out)
		pad(out, width, f->access);
	width = (width > f->access ? width : f->access) + 2;
	if (out)
		put_str(out, "  ");
	return in + strlen("allow ") + width + write_words(l, l->n - 1, l->n, out);
}

/* The width of the accesses up to the next role. */
static void measure_role(struct layout *f, struct span rest)
{
	struct span text;
	size_t width;

	f->access = 0;
	while (rest.p) {
		text = span_cut(rest, '\n', &rest);
		if (opens_role(line_head(text)))
			return;
		line_cut(&f->line, text);
		width = is_rule(&f->line) ? write_words(&f->line, 1, f->line.n - 1, NULL) : 0;
		if (width > f->access && width <= COLUMN_ACCESS_MAX)
			f->access = width;
	}
}

/* The column of the comments up to the next line that is no statement, or belongs to nobody. */
static void measure_comments(struct layout *f, struct span rest)
{
	struct span text;
	size_t width;

	f->comment = 0;
	while (rest.p) {
		text = span_cut(rest, '\n', &rest);
		line_cut(&f->line, text);
		if (f->line.n == 0 || is_top(f->line.word[0].text))
			return;
		width = f->line.comment.p ? write_statement(f, text, NULL) + 2 : 0;
		if (width > f->comment && width <= COLUMN_COMMENT_MAX)
			f->comment = width;
	}
}

static struct span without_end(struct span s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static void write_line(struct layout *f, struct span text)
{
	struct span comment = without_end(f->line.comment);
	size_t width;

	if (f->line.n == 0) {
		pad(f->out, 0, is_set_in(f, text) ? 2 : 0);
	} else {
		width = write_statement(f, text, f->out);
		if (comment.n)
			pad(f->out, width, width + 2 > f->comment ? width + 2 : f->comment);
	}
	put_bytes(f->out, comment);
	put_str(f->out, "\n");
}

/* What the line means for those that follow. `stands`: it is one of a block of statements. */
static void enter(struct layout *f, struct span text, struct span rest, bool *stands)
{
	struct span first = line_head(text);

	if (opens_role(first))
		measure_role(f, rest);
	if (is_top(first))
		f->in_role = opens_role(first);
	if (is_top(first) || !first.n || first.p[0] == '#')
		f->comment = 0;
	else if (!*stands)
		measure_comments(f, span(text.p, text.n + (rest.p ? 1 + rest.n : 0)));
	*stands = first.n && first.p[0] != '#' && !is_top(first);
	line_cut(&f->line, text);
}

enum err policy_format(struct span text, struct put *out)
{
	struct layout f = { .out = out };
	struct span rest = text, line;
	bool stands = false, gap = false, begun = false;

	while (rest.p) {
		line = span_cut(rest, '\n', &rest);
		enter(&f, line, rest, &stands);
		if (f.line.n == LINE_WORDS_MAX)
			return ERR_TOO_LARGE;
		if (f.line.n || f.line.comment.p) {
			put_str(out, gap && begun ? "\n" : "");
			write_line(&f, line);
			begun = true;
			gap = false;
		} else {
			gap = true;
		}
	}
	return put_end(out);
}

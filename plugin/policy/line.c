#include "line.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- words ------------------------------------------------------------------------------------------------------ */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static size_t word_bytes(struct span rest)
{
	size_t n = 0;

	if (rest.p[0] == ',')
		return 1;
	while (n < rest.n && !is_blank(rest.p[n]) && rest.p[n] != ',')
		n++;
	return n;
}

struct span line_head(struct span text)
{
	size_t i = 0;

	while (i < text.n && is_blank(text.p[i]))
		i++;
	return i < text.n ? span(text.p + i, word_bytes(span(text.p + i, text.n - i))) : span(NULL, 0);
}

void line_cut(struct line *l, struct span text)
{
	size_t i = 0, n;

	l->n = 0;
	l->comment = span(NULL, 0);
	l->end = 1;
	while (l->n < LINE_WORDS_MAX) {
		while (i < text.n && is_blank(text.p[i]))
			i++;
		if (i == text.n)
			return;
		if (text.p[i] == '#') {
			l->comment = span(text.p + i, text.n - i);
			return;
		}
		n = word_bytes(span(text.p + i, text.n - i));
		l->word[l->n++] = (struct line_word){ span(text.p + i, n), (uint32_t)i + 1 };
		i += n;
		l->end = (uint32_t)i + 1;
	}
}

const struct line_word *line_item(const struct line *l, size_t *at, bool *more)
{
	const struct line_word *w = *at < l->n ? &l->word[*at] : NULL;

	*more = false;
	if (!w || span_is(w->text, ","))
		return NULL;
	*more = ++*at < l->n && span_is(l->word[*at].text, ",");
	*at += *more;
	return w;
}

/* ---- what went wrong -------------------------------------------------------------------------------------------- */

struct quoted quote(struct span s)
{
	struct quoted q = { "'" };
	size_t room = sizeof(q.text) - sizeof("'...'"), n = s.n <= room ? s.n : room;

	for (size_t i = 0; i < n; i++)
		q.text[1 + i] = s.p[i] > ' ' && s.p[i] < 0x7f ? (char)s.p[i] : '?';
	strcpy(q.text + 1 + n, n < s.n ? "...'" : "'");
	return q;
}

enum err line_refuse(struct line *l, uint32_t column, const char *fmt, ...)
{
	va_list args;

	l->where->line = l->number;
	l->where->column = column;
	if (!span_text(l->file, l->where->file, sizeof(l->where->file)))
		strcpy(l->where->file, "an included file");
	va_start(args, fmt);
	vsnprintf(l->where->text, sizeof(l->where->text), fmt, args);
	va_end(args);
	return ERR_SYNTAX;
}

static int lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

unsigned line_distance(struct span a, struct span b)
{
	unsigned row[WORD_BYTES_MAX + 1], diagonal, above;

	if (a.n > WORD_BYTES_MAX || b.n > WORD_BYTES_MAX)
		return WORD_BYTES_MAX;
	for (unsigned k = 0; k <= b.n; k++)
		row[k] = k;
	for (unsigned i = 0; i < a.n; i++) {
		diagonal = row[0]++;
		for (unsigned k = 0; k < b.n; k++) {
			above = row[k + 1];
			diagonal += lower(a.p[i]) != lower(b.p[k]);
			if (above + 1 < diagonal)
				diagonal = above + 1;
			if (row[k] + 1 < diagonal)
				diagonal = row[k] + 1;
			row[k + 1] = diagonal;
			diagonal = above;
		}
	}
	return row[b.n];
}

/* What was probably meant; NULL when nothing is near. */
static const char *nearest(struct span word, const char *const *list, size_t n)
{
	const char *best = NULL;
	unsigned least = LINE_NEAR + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned d = line_distance(word, span_str(list[i]));

		if (d < least && d < word.n) {
			least = d;
			best = list[i];
		}
	}
	return best;
}

enum err line_refuse_word(struct line *l, const struct line_word *w, const char *what, const char *choices,
			  const char *const *list, size_t n)
{
	const char *meant = nearest(w->text, list, n);

	if (meant)
		return line_refuse(l, w->column, "%s is no %s; did you mean '%s'?", quote(w->text).text, what, meant);
	return line_refuse(l, w->column, "%s is no %s; right would be %s", quote(w->text).text, what, choices);
}

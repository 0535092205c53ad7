#include "sources.h"

#include "line.h"

/* An include stays below the folder of the file that names it: who may write there may write the policy. */
static bool is_below(struct span path)
{
	struct span rest = path, part;

	do {
		part = span_cut(rest, '/', &rest);
		if (part.n == 0 || span_is(part, ".") || span_is(part, ".."))
			return false;
	} while (rest.p);
	return true;
}

static bool is_open(const struct sources *s, size_t at, struct span name)
{
	for (;; at = s->source[at].from) {
		if (span_eq(s->source[at].file.name, name))
			return true;
		if (at == 0)
			return false;
	}
}

static enum err bring(struct sources *s, size_t from, const struct policy_reader *reader, struct line *l)
{
	const struct line_word *w = &l->word[1];
	struct source next = { .from = (uint32_t)from, .depth = s->source[from].depth + 1 };
	enum err e;

	if (l->n != 2)
		return line_refuse(l, l->n < 2 ? l->end : l->word[2].column, "right would be one file: include FILE");
	if (!is_below(w->text))
		return line_refuse(l, w->column, "an included file lies below the folder of this one: no '/' at its ends, no '.' "
				   "or '..' in %s", quote(w->text).text);
	if (!reader)
		return line_refuse(l, w->column, "files cannot be included here: put the rules into this text");
	if (next.depth > POLICY_DEPTH_MAX || s->n == POLICY_FILES_MAX)
		return line_refuse(l, w->column, "too many includes: at most %d files, %d deep", POLICY_FILES_MAX,
				   POLICY_DEPTH_MAX);
	e = reader->bring(reader->ctx, s->source[from].file.name, w->text, &next.file);
	if (e != OK)
		return line_refuse(l, w->column, "%s cannot be included: %s", quote(w->text).text, err_text(e));
	if (is_open(s, from, next.file.name))
		return line_refuse(l, w->column, "%s includes itself, by way of this line", quote(w->text).text);
	s->bytes += next.file.text.n;
	s->source[s->n++] = next;
	return s->bytes > POLICY_BYTES_MAX ? ERR_TOO_LARGE : OK;
}

/* Looks for "include" at the beginning of lines; the other statements are somebody else's. */
static enum err gather(struct sources *s, size_t at, const struct policy_reader *reader, struct policy_error *where)
{
	struct line l = { .file = at ? s->source[at].file.name : span(NULL, 0), .where = where };
	struct span rest = s->source[at].file.text, text;

	do {
		l.number++;
		text = span_cut(rest, '\n', &rest);
		if (!span_is(line_head(text), "include"))
			continue;
		line_cut(&l, text);
		TRY(bring(s, at, reader, &l));
	} while (rest.p);
	if (at + 1 < POLICY_FILES_MAX)
		s->source[at + 1].base = s->source[at].base + l.number;
	return OK;
}

enum err sources_gather(struct sources *s, const struct policy_file *first, const struct policy_reader *reader,
			struct policy_error *where)
{
	s->n = 1;
	s->bytes = first->text.n;
	s->source[0] = (struct source){ .file = *first };
	if (s->bytes > POLICY_BYTES_MAX)
		return ERR_TOO_LARGE;
	for (size_t at = 0; at < s->n; at++)
		TRY(gather(s, at, reader, where));
	return OK;
}

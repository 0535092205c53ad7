#include "value.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct reader {
	const uint8_t *at, *end, *line_start;
	uint32_t line, depth;
	struct value *free;          /* nodes and text not yet used */
	uint8_t *text;
	struct policy_error *where;
};

static PRINTF_LIKE(2, 3) bool refuse(struct reader *r, const char *fmt, ...)
{
	va_list args;

	r->where->line = r->line;
	r->where->column = (uint32_t)(r->at - r->line_start) + 1;
	va_start(args, fmt);
	vsnprintf(r->where->text, sizeof(r->where->text), fmt, args);
	va_end(args);
	return false;
}

static void skip_blanks(struct reader *r)
{
	for (; r->at < r->end && memchr(" \t\r\n", *r->at, 4); r->at++)
		if (*r->at == '\n') {
			r->line++;
			r->line_start = r->at + 1;
		}
}

/* The next character that is not a blank; 0 at the end. */
static int peek(struct reader *r)
{
	skip_blanks(r);
	return r->at < r->end ? *r->at : 0;
}

static bool take(struct reader *r, char c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static bool read_hex4(struct reader *r, uint32_t *out)
{
	uint8_t b[2];

	if (r->end - r->at < 4 || !hex_decode(span(r->at, 4), b, sizeof(b)))
		return refuse(r, "\\u wants four hex digits");
	r->at += 4;
	*out = (uint32_t)b[0] << 8 | b[1];
	return true;
}

static void put_rune(struct reader *r, uint32_t c)
{
	if (c < 0x80) {
		*r->text++ = (uint8_t)c;
		return;
	}
	if (c < 0x800) {
		*r->text++ = (uint8_t)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000)
			*r->text++ = (uint8_t)(0xe0 | c >> 12);
		else {
			*r->text++ = (uint8_t)(0xf0 | c >> 18);
			*r->text++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		}
		*r->text++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	}
	*r->text++ = (uint8_t)(0x80 | (c & 0x3f));
}

/* A pair of surrogates is one character (RFC 8259 §7); a lone one fails as UTF-8 later. */
static bool read_rune(struct reader *r)
{
	uint32_t c, low;

	if (!read_hex4(r, &c))
		return false;
	if (c >> 10 == 0xd800 >> 10 && r->end - r->at > 1 && r->at[0] == '\\' && r->at[1] == 'u') {
		r->at += 2;
		if (!read_hex4(r, &low))
			return false;
		if (low >> 10 != 0xdc00 >> 10)
			return refuse(r, "half of a character: \\u%04x without its other half", (unsigned)c);
		c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
	}
	put_rune(r, c);
	return true;
}

static bool read_escape(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *which;

	if (r->at == r->end)
		return refuse(r, "the text does not end");
	if (*r->at == 'u') {
		r->at++;
		return read_rune(r);
	}
	which = *r->at ? strchr(from, *r->at) : NULL;
	if (!which)
		return refuse(r, "there is no such escape");
	r->at++;
	*r->text++ = (uint8_t)to[which - from];
	return true;
}

static bool read_text(struct reader *r, struct span *out)
{
	const uint8_t *start = r->text;

	if (!take(r, '"'))
		return refuse(r, "right would be a text in \"quotes\"");
	while (r->at < r->end && *r->at != '"') {
		if (*r->at < ' ')
			return refuse(r, "a control character must be escaped");
		if (*r->at != '\\')
			*r->text++ = *r->at++;
		else if (r->at++, !read_escape(r))
			return false;
	}
	if (r->at++ >= r->end) {
		r->at = r->end;
		return refuse(r, "the text does not end");
	}
	*out = span(start, (size_t)(r->text - start));
	return span_utf8(*out) || refuse(r, "the text is not UTF-8, or holds a NUL");
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool read_value(struct reader *r, struct value *j);

static bool read_word(struct reader *r, struct value *j, const char *word, enum value_kind kind)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return refuse(r, "right would be a value, as \"text\", 12, true, [...] or {...}");
	r->at += n;
	j->kind = kind;
	return true;
}

static size_t digits(struct reader *r)
{
	const uint8_t *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - start);
}

static bool next_is(struct reader *r, const char *set)
{
	if (r->at == r->end || !*r->at || !strchr(set, *r->at))
		return false;
	r->at++;
	return true;
}

static bool read_number(struct reader *r, struct value *j)
{
	const uint8_t *start = r->at;
	bool good;

	j->kind = VALUE_NUMBER;
	next_is(r, "-");
	good = next_is(r, "0") || digits(r);
	if (good && next_is(r, "."))
		good = digits(r);
	if (good && next_is(r, "eE")) {
		next_is(r, "+-");
		good = digits(r);
	}
	j->text = span(start, (size_t)(r->at - start));
	return good || refuse(r, "this is no number");
}

/* `close` ends it; `keys`: an object. */
static bool read_members(struct reader *r, struct value *j, char close, bool keys)
{
	const struct value **last = &j->child;

	r->at++;
	if (++r->depth > VALUE_DEPTH_MAX)
		return refuse(r, "it is nested deeper than %d", VALUE_DEPTH_MAX);
	if (peek(r) != close)
		do {
			struct value *member = r->free++;

			*last = member;
			last = &member->next;
			if (keys && (!read_text(r, &member->key) || (!take(r, ':') && !refuse(r, "a ':' is missing"))))
				return false;
			if (!read_value(r, member))
				return false;
		} while (take(r, ','));
	r->depth--;
	return take(r, close) || refuse(r, "right would be ',' or '%c'", close);
}

static bool read_value(struct reader *r, struct value *j)
{
	int c = peek(r);

	j->line = r->line;
	switch (c) {
	case '{':
		j->kind = VALUE_OBJECT;
		return read_members(r, j, '}', true);
	case '[':
		j->kind = VALUE_ARRAY;
		return read_members(r, j, ']', false);
	case '"':
		j->kind = VALUE_TEXT;
		return read_text(r, &j->text);
	case 't':
		return read_word(r, j, "true", VALUE_TRUE);
	case 'f':
		return read_word(r, j, "false", VALUE_FALSE);
	default:
		return c == '-' || (c >= '0' && c <= '9') ? read_number(r, j) : read_word(r, j, "null", VALUE_NULL);
	}
}

/* Every value is the first, or stands behind one of these. */
static size_t count_values(struct span text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == ',' || text.p[i] == '[' || text.p[i] == '{';
	return n;
}

enum err value_load(struct span text, struct value **out, struct policy_error *where)
{
	size_t n = count_values(text);
	CLEANUP(value_close) struct value *root = calloc(1, n * sizeof(*root) + 2 * text.n + 1);
	uint8_t *copy = (uint8_t *)(root + n);
	struct reader r = { .line = 1, .where = where };

	*where = (struct policy_error){ 0 };
	if (!root)
		return ERR_FULL;
	if (text.n)
		memcpy(copy, text.p, text.n);
	r.at = r.line_start = copy;
	r.end = copy + text.n;
	r.text = copy + text.n;
	r.free = root + 1;
	if (!read_value(&r, root))
		return ERR_SYNTAX;
	if (peek(&r) || r.at < r.end) {
		refuse(&r, "there is something after the end");
		return ERR_SYNTAX;
	}
	*out = root;
	root = NULL;            /* given away */
	return OK;
}

void value_close(struct value **j)
{
	free(*j);
	*j = NULL;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

const struct value *value_get(const struct value *j, const char *key)
{
	size_t n = strlen(key);

	if (!j || j->kind != VALUE_OBJECT)
		return NULL;
	for (const struct value *m = j->child; m; m = m->next)
		if (m->key.n == n && strncasecmp((const char *)m->key.p, key, n) == 0)
			return m;
	return NULL;
}

const struct value *value_of(const struct value *j, const char *key, enum value_kind kind)
{
	const struct value *m = value_get(j, key);

	return m && m->kind == kind ? m : NULL;
}

struct span value_text(const struct value *j, const char *key)
{
	const struct value *m = value_of(j, key, VALUE_TEXT);

	return m ? m->text : span(NULL, 0);
}

bool value_true(const struct value *j, const char *key)
{
	return value_of(j, key, VALUE_TRUE) != NULL;
}

int value_int(const struct value *j, const char *key, int otherwise)
{
	const struct value *m = value_of(j, key, VALUE_NUMBER);
	char text[64] = "";             /* as much of it as that reader takes */
	double v;

	if (!m)
		return otherwise;
	memcpy(text, m->text.p, m->text.n < sizeof(text) ? m->text.n : sizeof(text) - 1);
	v = strtod(text, NULL);
	return v >= INT_MAX ? INT_MAX : v <= INT_MIN ? INT_MIN : (int)v;
}

#include "report.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"

static struct {
	FILE *out, *err;
	bool json;
	int64_t shown_ms;           /* when progress was last drawn */
	bool drawn;                 /* it stands there still */
	struct { const char *what; uint64_t from; int64_t began_ms; } work;    /* for its speed */
} to;

static const char *const sgr[TONES] = {
	[TONE_DIM] = "2",
	[TONE_STRONG] = "1",
	[TONE_GOOD] = "32",
	[TONE_WARN] = "33",
	[TONE_BAD] = "1;31",
	[TONE_CODE] = "1;97;41",
	[TONE_HIGH] = "1;31",
	[TONE_MEDIUM] = "1;33",
	[TONE_LOW] = "36",
	[TONE_INFO] = "2",
};

static FILE *out(void) { return to.out ? to.out : stdout; }
static FILE *err(void) { return to.err ? to.err : stderr; }

void report_to(FILE *out_stream, FILE *err_stream)
{
	to.out = out_stream;
	to.err = err_stream;
	to.json = false;
}

void report_json(bool on) { to.json = on; }
bool report_is_json(void) { return to.json; }
bool report_broken(void) { return ferror(out()) != 0; }

static bool is_pipe(FILE *f)
{
	struct stat st;

	return fstat(fileno(f), &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/* What was drawn of progress gives way to what is said. */
static void undraw(void)
{
	if (to.drawn)
		fprintf(err(), "\r\033[K");
	to.drawn = false;
}

int report_finish(int code)
{
	bool lost = fflush(out()) != 0 || ferror(out());

	undraw();
	if (!lost)
		return code;
	if (is_pipe(out()))
		return REPORT_LEFT;
	fprintf(err(), "pullcord: the output could not be written to its end\n  is the disk full?\n");
	return CMD_NO;
}

/* https://no-color.org */
static bool colours(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* ---- escaping ---------------------------------------------------------------------------------------------------- */

/* Control characters, and those that hide, join or turn round what stands beside them (Unicode TR 36 §2.7, TR 9). */
static const struct { uint32_t first, last; } unseen[] = {
	{ 0x0000, 0x001F }, { 0x007F, 0x009F }, { 0x00AD, 0x00AD }, { 0x061C, 0x061C }, { 0x180E, 0x180E },
	{ 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF },
	{ 0xFFF9, 0xFFFB }, { 0xE0000, 0xE0FFF },
};

static bool is_unseen(uint32_t c)
{
	for (size_t i = 0; i < countof(unseen); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return true;
	return false;
}

/* Length in bytes of the UTF-8 character at the start, and its number; 0 when there is none. */
static size_t rune(struct span s, uint32_t *c)
{
	static const uint8_t mask[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	size_t n = s.p[0] < 0x80 ? 1 : s.p[0] < 0xE0 ? 2 : s.p[0] < 0xF0 ? 3 : 4;

	if (n > s.n || (s.p[0] && !span_utf8(span(s.p, n))))
		return 0;
	*c = s.p[0] & mask[n];
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (s.p[i] & 0x3Fu);
	return n;
}

/* Prints one character or its escape; returns the columns it took. */
static int put_rune(FILE *f, struct span *s)
{
	uint32_t c = 0;
	size_t n = rune(*s, &c);
	int columns = 1;

	if (n == 0 || (n == 1 && is_unseen(c)))
		columns = fprintf(f, "\\x%02x", (unsigned)s->p[0]);
	else if (is_unseen(c))
		columns = fprintf(f, "\\u{%04x}", (unsigned)c);
	else
		fwrite(s->p, 1, n, f);
	n += n == 0;
	*s = span(s->p + n, s->n - n);
	return columns;
}

static int put_escaped(FILE *f, struct span s)
{
	int columns = 0;

	while (s.n)
		columns += put_rune(f, &s);
	return columns;
}

/* ---- lines for people -------------------------------------------------------------------------------------------- */

static int put_toned(FILE *f, enum tone tone, struct span s)
{
	bool paint = sgr[tone] && colours(f);
	int columns;

	if (paint)
		fprintf(f, "\033[%sm", sgr[tone]);
	columns = put_escaped(f, s);
	if (paint)
		fputs("\033[0m", f);
	return columns;
}

static void put_formatted(FILE *f, enum tone tone, const char *fmt, va_list args)
{
	char *text;

	if (vasprintf(&text, fmt, args) < 0)
		return;
	put_toned(f, tone, span_str(text));
	free(text);
}

void report_say(enum tone tone, const char *fmt, ...)
{
	va_list args;

	if (to.json)
		return;
	va_start(args, fmt);
	put_formatted(out(), tone, fmt, args);
	va_end(args);
}

void report_span(enum tone tone, struct span text)
{
	if (!to.json)
		put_toned(out(), tone, text);
}

void report_end(void)
{
	if (to.json)
		return;
	fputc('\n', out());
	fflush(out());
}

void report_line(enum tone tone, const char *fmt, ...)
{
	va_list args;

	if (to.json)
		return;
	va_start(args, fmt);
	put_formatted(out(), tone, fmt, args);
	va_end(args);
	report_end();
}

/* ---- named values ------------------------------------------------------------------------------------------------ */

static json_t *json_text(struct span s)
{
	json_t *text = json_stringn(s.n ? (const char *)s.p : "", s.n);
	char *escaped = NULL;
	size_t n = 0;
	FILE *f;

	if (text)
		return text;
	/* Not UTF-8: JSON cannot carry it, so it goes as people would see it. */
	f = open_memstream(&escaped, &n);
	if (!f)
		return NULL;
	put_escaped(f, s);
	fclose(f);
	text = json_stringn(escaped, n);
	free(escaped);
	return text;
}

static json_t *json_hex(struct span s)
{
	char *hex = malloc(2 * s.n + 1);
	json_t *text;

	if (!hex)
		return NULL;
	hex_encode(s, hex);
	text = json_string(hex);
	free(hex);
	return text;
}

static json_t *json_words(const struct cell *c)
{
	json_t *array = json_array();

	for (size_t i = 0; i < c->n; i++)
		json_array_append_new(array, json_text(c->word[i]));
	return array;
}

static json_t *json_numbers(const struct cell *c)
{
	json_t *array = json_array();

	for (size_t i = 0; i < c->n; i++)
		json_array_append_new(array, json_integer((json_int_t)c->numbers[i]));
	return array;
}

static json_t *json_pairs(const struct cell *c)
{
	json_t *object = json_object();

	for (size_t i = 0; i < c->n; i++) {
		char name[256];
		json_t *values;

		if (!span_text(c->pair[i].name, name, sizeof(name)))
			continue;
		values = json_object_get(object, name);
		if (!values) {
			values = json_array();
			json_object_set_new(object, name, values);
		}
		json_array_append_new(values, json_text(c->pair[i].value));
	}
	return object;
}

static json_t *json_cell(const struct cell *c)
{
	switch (c->kind) {
	case CELL_IS_TEXT:
		return json_text(c->text);
	case CELL_IS_NUMBER:
	case CELL_IS_US:
		return json_integer(c->number);
	case CELL_IS_BOOL:
		return json_boolean(c->number);
	case CELL_IS_HEX:
		return json_hex(c->text);
	case CELL_IS_WORDS:
		return json_words(c);
	case CELL_IS_NUMBERS:
		return json_numbers(c);
	case CELL_IS_PAIRS:
		return json_pairs(c);
	case CELL_IS_NULL:
		return json_null();
	}
	return NULL;
}

void report_object(const struct cell *cell, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, cell[i].key, json_cell(&cell[i]));
	json_dumpf(object, out(), JSON_COMPACT | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);
	json_decref(object);
	fputc('\n', out());
	fflush(out());
}

void report_raw(const char *json)
{
	fprintf(out(), "%s\n", json);
	fflush(out());
}

static int put_hex(FILE *f, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		fprintf(f, "%02x", (unsigned)s.p[i]);
	return (int)(2 * s.n);
}

/* "nurse clerk", but "role nurse, role clerk". */
static const char *between(const struct cell *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->word[i].n && memchr(c->word[i].p, ' ', c->word[i].n))
			return ", ";
	return " ";
}

static int put_words(FILE *f, const struct cell *c)
{
	const char *sep = between(c);
	int columns = 0;

	for (size_t i = 0; i < c->n; i++) {
		columns += i ? fprintf(f, "%s", sep) : 0;
		columns += put_escaped(f, c->word[i]);
	}
	return columns;
}

static int put_numbers(FILE *f, const struct cell *c)
{
	int columns = 0;

	for (size_t i = 0; i < c->n; i++)
		columns += fprintf(f, "%s%llu", i ? " " : "", (unsigned long long)c->numbers[i]);
	return columns;
}

static int put_pairs(FILE *f, const struct cell *c)
{
	int columns = 0;

	for (size_t i = 0; i < c->n; i++) {
		columns += i ? fprintf(f, " ") : 0;
		columns += put_escaped(f, c->pair[i].name) + fprintf(f, "=");
		columns += put_escaped(f, c->pair[i].value);
	}
	return columns;
}

/* For people; returns the columns it took. */
static int put_cell(FILE *f, const struct cell *c)
{
	char date[REPORT_TIME];

	switch (c->kind) {
	case CELL_IS_TEXT:
		return c->text.n ? put_escaped(f, c->text) : fprintf(f, "-");
	case CELL_IS_NUMBER:
		return fprintf(f, "%lld", c->number);
	case CELL_IS_US:
		return fprintf(f, "%s.%06d", report_date(c->number, date), (int)(c->number % 1000000));
	case CELL_IS_BOOL:
		return fprintf(f, "%s", c->number ? "yes" : "no");
	case CELL_IS_HEX:
		return put_hex(f, c->text);
	case CELL_IS_WORDS:
		return c->n ? put_words(f, c) : fprintf(f, "-");
	case CELL_IS_NUMBERS:
		return c->n ? put_numbers(f, c) : fprintf(f, "-");
	case CELL_IS_PAIRS:
		return c->n ? put_pairs(f, c) : fprintf(f, "-");
	case CELL_IS_NULL:
		return fprintf(f, "-");
	}
	return 0;
}

/* At least two blanks between columns, whatever the width. */
static void put_gap(FILE *f, int used, int width)
{
	fprintf(f, "%*s", width > used ? width - used + 2 : 2, "");
}

void report_head(const struct cell *cell, size_t n)
{
	if (to.json)
		return;
	for (size_t i = 0; i < n; i++) {
		int used = put_toned(out(), TONE_DIM, span_str(cell[i].key));

		if (i + 1 < n)
			put_gap(out(), used, cell[i].width);
	}
	report_end();
}

void report_row(const struct cell *cell, size_t n)
{
	if (to.json) {
		report_object(cell, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int used = put_cell(out(), &cell[i]);

		if (i + 1 < n)
			put_gap(out(), used, cell[i].width);
	}
	report_end();
}

void report_card(const struct cell *cell, size_t n)
{
	int width = 0;

	if (to.json) {
		report_object(cell, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if ((int)strlen(cell[i].key) > width)
			width = (int)strlen(cell[i].key);
	for (size_t i = 0; i < n; i++) {
		put_gap(out(), put_toned(out(), TONE_DIM, span_str(cell[i].key)), width);
		put_cell(out(), &cell[i]);
		report_end();
	}
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

void report_error(const char *fmt, ...)
{
	va_list args;

	undraw();
	put_toned(err(), TONE_BAD, SPAN_LIT("pullcord:"));
	fputc(' ', err());
	va_start(args, fmt);
	put_formatted(err(), TONE_PLAIN, fmt, args);
	va_end(args);
	fputc('\n', err());
}

void report_hint(const char *fmt, ...)
{
	va_list args;

	undraw();
	fputs("  ", err());
	va_start(args, fmt);
	put_formatted(err(), TONE_PLAIN, fmt, args);
	va_end(args);
	fputc('\n', err());
}

int report_fail(enum err e, const char *fmt, ...)
{
	char *what;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = NULL;
	va_end(args);
	report_error("cannot %s: %s", what ? what : "go on", err_text(e));
	free(what);
	return CMD_NO;
}

void report_progress(const char *what, uint64_t done, uint64_t total)
{
	bool last = total && done >= total;
	int64_t now;

	if (!isatty(fileno(err())))
		return;
	now = clock_ms(CLOCK_MONOTONIC);
	if (!last && now - to.shown_ms < 100)
		return;
	to.shown_ms = now;
	if (to.work.what != what || done < to.work.from) {
		to.work.what = what;
		to.work.from = done;
		to.work.began_ms = now;
	}
	undraw();
	if (last)
		return;
	to.drawn = true;
	put_escaped(err(), span_str(what));
	fprintf(err(), " %llu", (unsigned long long)done);
	if (total)
		fprintf(err(), " of %llu (%u %%)", (unsigned long long)total,
			(unsigned)(100.0 * (double)done / (double)total));
	if (now > to.work.began_ms)
		fprintf(err(), ", %.0f a second", 1000.0 * (double)(done - to.work.from) / (double)(now - to.work.began_ms));
	fflush(err());
}

/* ---- times, and reading back ------------------------------------------------------------------------------------- */

static char *time_text(int64_t us, const char *fmt, char text[REPORT_TIME])
{
	time_t s = us / 1000000;
	struct tm tm;

	if (us <= 0 || !localtime_r(&s, &tm) || !strftime(text, REPORT_TIME, fmt, &tm))
		strcpy(text, "-");
	return text;
}

char *report_clock(int64_t us, char text[REPORT_TIME])
{
	time_text(us, "%H:%M:%S", text);
	if (text[0] != '-')
		sprintf(text + strlen(text), ".%03d", (int)(us / 1000 % 1000));
	return text;
}

char *report_date(int64_t us, char text[REPORT_TIME])
{
	return time_text(us, "%Y-%m-%d %H:%M:%S", text);
}

char *report_word(const char *text, char word[REPORT_WORD])
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@%+,=-", quote[] = "'\\''";
	char *at = word;

	if (*text && text[strspn(text, plain)] == '\0') {
		snprintf(word, REPORT_WORD, "%s", text);
		return word;
	}
	*at++ = '\'';
	for (; *text && at < word + REPORT_WORD - sizeof(quote) - 1; text++)
		at = *text == '\'' ? stpcpy(at, quote) : mempcpy(at, text, 1);
	strcpy(at, "'");
	return word;
}

enum err report_read(struct span json, const char *key, char *text, size_t cap)
{
	json_t *object = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *value = json_object_get(object, key);
	enum err e = OK;

	text[0] = '\0';
	if (!json_is_object(object))
		e = ERR_SYNTAX;
	else if (!json_is_string(value))
		e = ERR_NOT_FOUND;
	else if (!span_text(span(json_string_value(value), json_string_length(value)), text, cap))
		e = ERR_TOO_LARGE;
	json_decref(object);
	return e;
}

#include "hl7.h"

/* ---- delimiters and segments ---- */

static bool is_break(uint8_t c)
{
	return c == '\r' || c == '\n';
}

static bool is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_delimiter(uint8_t c)
{
	return c > ' ' && c < 0x7f && !is_upper(c) && !is_digit(c) && !(c >= 'a' && c <= 'z') && c != '"';
}

/* A segment name and the separator, a line break or the end behind it. */
static bool is_segment(struct span s, uint8_t separator)
{
	if (s.n < 3 || !is_upper(s.p[0]))
		return false;
	for (size_t i = 1; i < 3; i++)
		if (!is_upper(s.p[i]) && !is_digit(s.p[i]))
			return false;
	return s.n == 3 || s.p[3] == separator || is_break(s.p[3]);
}

static struct span skip(struct span s, size_t n)
{
	return span(s.p + n, s.n - n);
}

static struct span skip_breaks(struct span s)
{
	while (s.n && is_break(s.p[0]))
		s = skip(s, 1);
	return s;
}

/* CR always ends a segment; LF does when a segment follows. */
static size_t segment_length(struct span s, uint8_t separator)
{
	for (size_t i = 0; i < s.n; i++) {
		struct span rest;

		if (s.p[i] == '\r')
			return i;
		if (s.p[i] != '\n')
			continue;
		rest = skip_breaks(skip(s, i));
		if (rest.n == 0 || is_segment(rest, separator))
			return i;
		i = s.n - rest.n - 1;   /* never over the same line breaks twice */
	}
	return s.n;
}

/* MSH-2: component, repetition, escape, subcomponent, and from v2.7 truncation; the last ones may be missing. */
static enum err read_delimiters(struct hl7 *m)
{
	uint8_t *const slot[] = { &m->component, &m->repetition, &m->escape, &m->sub };

	if (!is_delimiter(m->field))
		return ERR_SYNTAX;
	for (size_t i = 0; i < countof(slot); i++) {
		uint8_t c = m->text.n > 4 + i ? m->text.p[4 + i] : m->field;

		if (c == m->field || is_break(c))
			return i ? OK : ERR_SYNTAX;
		if (!is_delimiter(c))
			return ERR_SYNTAX;
		for (size_t k = 0; k < i; k++)
			if (*slot[k] == c)
				return ERR_SYNTAX;
		*slot[i] = c;
	}
	return OK;
}

static enum hl7_charset read_charset(const struct hl7 *m)
{
	static const struct { const char *name; enum hl7_charset is; } row[] = {
		{ "", HL7_UNSAID },       { "ASCII", HL7_UNSAID },    { "UNICODE UTF-8", HL7_UTF8 },
		{ "UTF-8", HL7_UTF8 },    { "UNICODE", HL7_UTF8 },    { "8859/1", HL7_LATIN1 },
		{ "ISO-8859-1", HL7_LATIN1 },
	};
	struct span name = hl7_get(m, hl7_find(m, "MSH"), 18, 1);

	for (size_t i = 0; i < countof(row); i++)
		if (span_is(name, row[i].name))
			return row[i].is;
	return HL7_OTHER;
}

static struct span skip_blanks(struct span s)
{
	while (s.n && (is_break(s.p[0]) || s.p[0] == ' ' || s.p[0] == '\t'))
		s = skip(s, 1);
	return s;
}

/* What is wrapped as a batch (§2.10.3) is a message all the same. */
static struct span skip_wrapping(struct span s)
{
	while (s.n > 3 && (memcmp(s.p, "FHS", 3) == 0 || memcmp(s.p, "BHS", 3) == 0)) {
		while (s.n && !is_break(s.p[0]))
			s = skip(s, 1);
		s = skip_blanks(s);
	}
	return s;
}

enum err hl7_head(struct span text, struct hl7 *out)
{
	static const struct span bom = SPAN_LIT("\xef\xbb\xbf");
	struct hl7 m = { 0 };

	if (text.n >= bom.n && memcmp(text.p, bom.p, bom.n) == 0)
		text = skip(text, bom.n);
	text = skip_wrapping(skip_blanks(text));
	if (text.n < 5 || memcmp(text.p, "MSH", 3) != 0)
		return ERR_SYNTAX;
	m.text = text;
	m.field = text.p[3];
	TRY(read_delimiters(&m));
	m.charset = read_charset(&m);
	*out = m;
	return OK;
}

static enum err check_segment(const struct hl7 *m, struct hl7_segment s)
{
	unsigned repetitions = 1;

	if (s.text.n > HL7_SEGMENT_MAX)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < s.text.n; i++) {
		if (s.text.p[i] == m->field)
			repetitions = 1;
		else if (m->repetition && s.text.p[i] == m->repetition && ++repetitions > HL7_REPETITIONS_MAX)
			return ERR_TOO_LARGE;
	}
	return OK;
}

enum err hl7_open(struct span text, struct hl7 *out)
{
	struct hl7_segment s = { 0 };
	size_t segments = 0;
	struct hl7 m;

	if (text.n > HL7_MESSAGE_MAX)
		return ERR_TOO_LARGE;
	TRY(hl7_head(text, &m));
	while (hl7_next(&m, &s)) {
		if (++segments > HL7_SEGMENTS_MAX)
			return ERR_TOO_LARGE;
		TRY(check_segment(&m, s));
	}
	*out = m;
	return OK;
}

bool hl7_next(const struct hl7 *m, struct hl7_segment *s)
{
	const uint8_t *end = m->text.p + m->text.n;
	struct span rest = m->text;

	if (s->text.p)
		rest = span(s->text.p + s->text.n, (size_t)(end - s->text.p) - s->text.n);
	rest = skip_breaks(rest);
	s->text = span(rest.p, segment_length(rest, m->field));
	return s->text.n > 0;
}

bool hl7_is(struct hl7_segment s, const char *name)
{
	return s.text.n >= 3 && memcmp(s.text.p, name, 3) == 0;
}

struct hl7_segment hl7_find(const struct hl7 *m, const char *name)
{
	struct hl7_segment s = { 0 };

	while (hl7_next(m, &s))
		if (hl7_is(s, name))
			return s;
	return (struct hl7_segment){ 0 };
}

/* ---- fields ---- */

struct span hl7_piece(struct span s, uint8_t separator, unsigned number)
{
	struct span piece;

	if (!separator)
		return number == 1 ? s : span(NULL, 0);
	piece = span_cut(s, (char)separator, &s);
	for (; number > 1; number--) {
		if (!s.p)
			return s;
		piece = span_cut(s, (char)separator, &s);
	}
	return piece;
}

/* MSH-1 is the separator itself, so that in MSH all numbers are one higher than the count of separators. */
struct span hl7_field(const struct hl7 *m, struct hl7_segment s, unsigned field)
{
	must(field > 0);
	if (!hl7_is(s, "MSH"))
		return hl7_piece(s.text, m->field, field + 1);
	return field == 1 ? span(s.text.p + 3, 1) : hl7_piece(s.text, m->field, field);
}

struct span hl7_get(const struct hl7 *m, struct hl7_segment s, unsigned field, unsigned component)
{
	struct span v = hl7_piece(hl7_field(m, s, field), m->repetition, 1);

	if (component)
		v = hl7_piece(v, m->component, component);
	v = span_trim(v);
	return span_is(v, "\"\"") ? span(NULL, 0) : v;
}

/* ---- text ---- */

/* All of it or nothing: a character is never cut in two. */
static bool put_char(struct put *out, struct span utf8)
{
	if (utf8.n > out->cap - out->n)
		return false;
	put_bytes(out, utf8);
	return true;
}

static bool put_unknown(struct put *out)
{
	return put_char(out, SPAN_LIT("\xef\xbf\xbd"));
}

static bool put_latin1(struct put *out, uint8_t c)
{
	uint8_t two[] = { (uint8_t)(0xc0 | c >> 6), (uint8_t)(0x80 | (c & 0x3f)) };

	return c < 0xa0 ? put_unknown(out) : put_char(out, span(two, 2));
}

/* The length of the UTF-8 character at the beginning of s, 0 when there is none. */
static size_t char_length(struct span s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++)
		if (span_utf8(span(s.p, n)))
			return n;
	return 0;
}

/* C1 controls are no text; terminals obey some of them. */
static bool is_c1(struct span utf8)
{
	return utf8.n == 2 && utf8.p[0] == 0xc2 && utf8.p[1] < 0xa0;
}

/* One character of s in the message's character set; *n becomes how many bytes that took. */
static bool put_decoded(const struct hl7 *m, struct span s, struct put *out, size_t *n)
{
	uint8_t c = s.p[0];
	size_t len;

	*n = 1;
	if (is_break(c) || c == '\t')
		return put_char(out, SPAN_LIT(" "));
	if (c < ' ' || c == 0x7f)
		return put_unknown(out);
	if (c < 0x80)
		return put_char(out, span(&c, 1));
	if (m->charset == HL7_LATIN1)
		return put_latin1(out, c);
	len = m->charset == HL7_OTHER ? 0 : char_length(s);
	if (len) {
		*n = len;
		return is_c1(span(s.p, len)) ? put_unknown(out) : put_char(out, span(s.p, len));
	}
	return m->charset == HL7_UNSAID ? put_latin1(out, c) : put_unknown(out);
}

static bool put_plain(const struct hl7 *m, struct span s, struct put *out)
{
	for (size_t n; s.n; s = skip(s, n))
		if (!put_decoded(m, s, out, &n))
			return false;
	return true;
}

/* What stands between two escape characters. *known: it was one, and has been written. */
static bool put_escape(const struct hl7 *m, struct span e, struct put *out, bool *known)
{
	const struct { char name; uint8_t is; } row[] = {
		{ 'F', m->field }, { 'S', m->component }, { 'T', m->sub }, { 'R', m->repetition }, { 'E', m->escape },
	};
	uint8_t raw[64];

	*known = true;
	if (span_is(e, "H") || span_is(e, "N"))
		return true;
	if (span_is(e, ".br") || span_is(e, ".sp"))
		return put_char(out, SPAN_LIT(" "));
	for (size_t i = 0; i < countof(row); i++)
		if (e.n == 1 && e.p[0] == row[i].name && row[i].is)
			return put_char(out, span(&row[i].is, 1));
	if (e.n > 1 && e.p[0] == 'X' && hex_decode(skip(e, 1), raw, sizeof(raw)))
		return put_plain(m, span(raw, e.n / 2), out);
	*known = false;
	return true;
}

bool hl7_text(const struct hl7 *m, struct span raw, struct put *out)
{
	while (raw.n) {
		struct span after, rest, plain = m->escape ? span_cut(raw, (char)m->escape, &after) : raw;
		bool known = false;

		if (!put_plain(m, plain, out))
			return false;
		if (plain.n == raw.n)
			return true;
		raw = span_cut(after, (char)m->escape, &rest);
		if (rest.p && !put_escape(m, raw, out, &known))
			return false;
		if (!known && !put_plain(m, span(&m->escape, 1), out))
			return false;
		raw = known ? rest : after;   /* an unknown one's end may be the beginning of another */
	}
	return true;
}

/* ---- time ---- */

#define DAY_US (86400LL * 1000000)

/* Days since 1970-01-01 of the proleptic Gregorian calendar, counted in years that begin in March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + in_year - 719468;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* `width` digits off the front. False when they are missing or out of range; true and unchanged at the end of s. */
static bool take_number(struct span *s, size_t width, int least, int most, int *out)
{
	uint64_t v;

	if (s->n == 0)
		return true;
	if (s->n < width || !span_u64(span(s->p, width), (uint64_t)most, &v) || v < (uint64_t)least)
		return false;
	*out = (int)v;
	*s = skip(*s, width);
	return true;
}

static bool take_fraction(struct span *s, int64_t *us)
{
	int64_t scale = 100000;

	if (s->n == 0)
		return true;
	if (s->p[0] != '.' || s->n == 1)
		return false;
	for (*s = skip(*s, 1); s->n; *s = skip(*s, 1), scale /= 10) {
		if (!is_digit(s->p[0]))
			return false;
		*us += (s->p[0] - '0') * scale;
	}
	return true;
}

/* Cuts "+0100" off the end. */
static bool take_zone(struct span *s, int *minutes)
{
	struct span digits;
	int hours = 0, rest = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->p[i] != '+' && s->p[i] != '-')
			continue;
		digits = skip(*s, i + 1);
		if (digits.n != 4 || !take_number(&digits, 2, 0, 14, &hours) || !take_number(&digits, 2, 0, 59, &rest))
			return false;
		*minutes = (s->p[i] == '-' ? -1 : 1) * (hours * 60 + rest);
		s->n = i;
		return true;
	}
	return true;
}

bool hl7_time(struct span text, int zone_minutes, int64_t *us)
{
	int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
	int64_t t = 0;

	text = span_trim(text);
	if (!take_zone(&text, &zone_minutes) || text.n < 4 || !take_number(&text, 4, 1, 9999, &year) ||
	    !take_number(&text, 2, 1, 12, &month) || !take_number(&text, 2, 1, days_in(year, month), &day) ||
	    !take_number(&text, 2, 0, 23, &hour) || !take_number(&text, 2, 0, 59, &minute) ||
	    !take_number(&text, 2, 0, 60, &second) || !take_fraction(&text, &t))
		return false;
	t += days_of(year, month, day) * DAY_US;
	t += ((hour * 60LL + minute - zone_minutes) * 60 + second) * 1000000;
	if (t < 0)
		return false;
	*us = t;
	return true;
}

void hl7_put_time(struct put *out, int64_t us)
{
	int64_t days = us / DAY_US, ms = us % DAY_US / 1000;
	int year = (int)(1970 + days / 366), month = 1;

	while (days_of(year + 1, 1, 1) <= days)
		year++;
	days -= days_of(year, 1, 1);
	for (; days >= days_in(year, month); month++)
		days -= days_in(year, month);
	put_fmt(out, "%04d%02d%02d%02d%02d%02d.%03d+0000", year, month, (int)days + 1, (int)(ms / 3600000),
		(int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

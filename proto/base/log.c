#include "log.h"

#include <stdio.h>

#include "cur.h"

static const struct { const char *name, *text; enum log_level level; } events[EV_COUNT] = {
#define EVENT(name, level, text) [EV_##name] = { #name, text, LOG_LEVEL_##level },
#include "log.def"
#undef EVENT
};

static void to_stderr(enum log_level level, const char *line)
{
	static const char *const word[] = { "debug", "info", "warning", "error", "notice" };

	fprintf(stderr, "%s %s\n", word[level], line);
}

static log_sink *sink = to_stderr;
static enum log_level least = LOG_LEVEL_INFO;

void log_to(log_sink *to) { sink = to ? to : to_stderr; }
void log_least(enum log_level level) { least = level; }
const char *log_name(enum log_event e) { return events[e].name; }
const char *log_text(enum log_event e) { return events[e].text; }

static bool is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* A value with anything but plain ASCII is quoted. What is not printable ASCII becomes \xNN: a log line cannot be split,
 * coloured or turned around by what somebody called himself. Byte by byte, so that a long value is cut, not dropped. */
static void put_value(struct put *b, struct span s)
{
	bool quote = s.n == 0;

	for (size_t i = 0; i < s.n; i++)
		quote = quote || !is_plain(s.p[i]);
	put_str(b, quote ? "\"" : "");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > 0x7e)
			put_fmt(b, "\\x%02x", s.p[i]);
		else if (s.p[i] == '"' || s.p[i] == '\\')
			put_fmt(b, "\\%c", s.p[i]);
		else
			put_u8(b, s.p[i]);
	}
	put_str(b, quote ? "\"" : "");
}

#define CUT "..."   /* ends a line that was cut */

void log_write(enum log_event e, const struct kv *kv, size_t n)
{
	char line[LOG_LINE_MAX];
	struct put b = put(line, sizeof(line) - sizeof(CUT));

	must(e < EV_COUNT);
	if (events[e].level < least)
		return;
	for (const char *c = events[e].name; *c; c++)
		put_u8(&b, (uint8_t)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
	for (size_t i = 0; i < n; i++) {
		put_fmt(&b, " %s=", kv[i].key);
		if (kv[i].text.p)
			put_value(&b, kv[i].text);
		else
			put_fmt(&b, "%lld", kv[i].num);
	}
	strcpy(line + b.n, b.bad ? CUT : "");
	sink(events[e].level, line);
}

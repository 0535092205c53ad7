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
	static const char *const word[] = { "debug", "info", "warning", "error" };

	fprintf(stderr, "%s %s\n", word[level], line);
}

static log_sink *sink = to_stderr;
static enum log_level least = LOG_LEVEL_INFO;

void log_to(log_sink *to) { sink = to ? to : to_stderr; }
void log_least(enum log_level level) { least = level; }
const char *log_name(enum log_event e) { return events[e].name; }
const char *log_text(enum log_event e) { return events[e].text; }

/* A value with blanks, quotes, '=' or control characters is quoted; control characters become \xNN. */
static void put_value(struct put *b, struct span s)
{
	bool plain = s.n > 0;

	for (size_t i = 0; i < s.n; i++)
		plain = plain && s.p[i] > ' ' && s.p[i] < 0x7f && !strchr("\"\\=", s.p[i]);
	if (plain) {
		put_bytes(b, s);
		return;
	}
	put_str(b, "\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			put_fmt(b, "\\%c", s.p[i]);
		else if (s.p[i] < ' ' || s.p[i] == 0x7f)
			put_fmt(b, "\\x%02x", s.p[i]);
		else
			put_u8(b, s.p[i]);
	}
	put_str(b, "\"");
}

void log_write(enum log_event e, const struct kv *kv, size_t n)
{
	char line[LOG_LINE_MAX];
	struct put b = put(line, sizeof(line) - 1);

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
	line[b.n] = '\0';
	sink(events[e].level, line);
}

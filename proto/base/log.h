/* log: one line per event, `name key=value ...`, declared once in log.def (name, level, meaning).
 * Values are escaped here and nowhere else; secrets and PHI are never values. Core does not log.
 * log_say() allocates nothing and cuts a line at LOG_LINE_MAX, ending it with "...". */
#ifndef PULLCORD_LOG_H
#define PULLCORD_LOG_H

#include "span.h"

#define LOG_LINE_MAX 1024

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR,
		 LOG_LEVEL_NOTICE };          /* said whatever the least level is */

enum log_event {
#define EVENT(name, level, text) EV_##name,
#include "log.def"
#undef EVENT
	EV_COUNT
};

struct kv {
	const char *key;
	struct span text;   /* when p is not NULL */
	long long num;
};

static inline struct kv kv_str(const char *key, const char *text)
{
	return (struct kv){ key, span_str(text ? text : ""), 0 };
}

#define KV_STR(k, s) kv_str((k), (s))
#define KV_SPAN(k, s) kv_span((k), (s))
#define KV_NUM(k, v) ((struct kv){ (k), { NULL, 0 }, (long long)(v) })

static inline struct kv kv_span(const char *key, struct span s)
{
	return (struct kv){ key, s.p ? s : SPAN_LIT(""), 0 };
}

typedef void log_sink(enum log_level level, const char *line);

/* Where lines go (default: stderr) and the least level that is said (default: info). */
void log_to(log_sink *sink);
void log_least(enum log_level level);

const char *log_name(enum log_event e);
const char *log_text(enum log_event e);

void log_write(enum log_event e, const struct kv *kv, size_t n);
#define log_say(e, ...) log_write((e), (const struct kv[]){ __VA_ARGS__ }, \
	sizeof((const struct kv[]){ __VA_ARGS__ }) / sizeof(struct kv))

#endif

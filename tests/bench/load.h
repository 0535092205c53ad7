/* load: what the bench's programs share. Each takes commands, one a line, on stdin and answers each with one line on
 * stdout; bench.py is at the other end. All of them read the same clock, so a time one program took means the same to
 * another. Figures are times and counts only: what they mean is said by bench.py. */
#ifndef PULLCORD_LOAD_H
#define PULLCORD_LOAD_H

#include "envelope.h"

void load_open(void);                     /* first, for callers */
int64_t load_now_ns(void);                /* monotonic, the same in every process */

/* Says what went wrong on stderr and ends the program: a figure of a broken run is worse than none. */
_Noreturn void load_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* An answer on stdout, at once. */
void load_say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* BENCH_BIG is in the environment: alerts of 1 KiB instead of some 150 bytes, by a long text and one value. */
bool load_big(void);
#define LOAD_BIG_TEXT 500
#define LOAD_BIG_NAME 240
#define LOAD_BIG_VALUE 100

#define LOAD_BYTES_MAX 2048

/* Alerts of one device: small (about 150 bytes), valid, each a condition of its own. */
struct caller {
	const char *tenant, *device;
	int priority;
	char topic[TOPIC_BYTES_MAX + 1];
	struct id_maker ids;
	uint8_t buffer[LOAD_BYTES_MAX];
};

void caller_init(struct caller *c, const char *tenant, const char *unit, const char *priority, const char *device);
/* Pressed now, the n-th of its run: Alert.source_id says both. Valid until the next call. */
struct span caller_next(struct caller *c, uint32_t n);

/* One press of a button, carried in source_id. */
#define PRESS_TEXT 32
struct press {
	int64_t at_ns;
	uint32_t n;
};
void press_write(const struct press *p, char out[PRESS_TEXT]);
bool press_read(const char *text, struct press *out);

/* Waits that were measured, ns. */
struct waits {
	int64_t *ns;
	size_t n, cap;
};
void waits_add(struct waits *w, int64_t ns);     /* past `cap` it is not kept */
/* The value that `percent` of them do not exceed (nearest rank); sorts them. */
int64_t waits_percentile(struct waits *w, double percent);

#endif

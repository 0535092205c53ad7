/* report: everything the tool says, to people or (--json) one JSON object a line, and the only user of jansson.
 *
 * All text is escaped here: control characters, bytes that are not UTF-8 and the characters that reverse or hide text
 * (Unicode "bidi" and zero-width) appear as \xNN or \u{NNNN}, so what a device sent cannot move the cursor or forge
 * a line.
 * Colour only on a terminal that wants it (isatty, NO_COLOR, TERM). Stdout is what was asked for, stderr the rest. */
#ifndef PULLCORD_REPORT_H
#define PULLCORD_REPORT_H

#include <signal.h>
#include <stdio.h>

#include "err.h"
#include "span.h"
#include "subject.h"

/* Rows, cards and report_line() follow it from here on. */
void report_json(bool on);
bool report_is_json(void);
/* Whoever reads our output has gone: time to stop. */
bool report_broken(void);
/* The exit code at the end: `code`, or CMD_NO when what was to be shown could not be written to its end (said on stderr). Who
 * reads a pipe may go when they have seen enough: then REPORT_LEFT without a word, what a shell makes of death by SIGPIPE. */
#define REPORT_LEFT (128 + SIGPIPE)
int report_finish(int code) MUST_USE;
/* For tests: write there instead of stdout and stderr. */
void report_to(FILE *out, FILE *err);

enum tone {
	TONE_PLAIN, TONE_DIM, TONE_STRONG, TONE_GOOD, TONE_WARN, TONE_BAD,
	TONE_CODE, TONE_HIGH, TONE_MEDIUM, TONE_LOW, TONE_INFO,         /* the priorities, strongest first */
	TONES
};

/* A line for people is built of pieces and closed by report_end(), which also flushes. Nothing in JSON mode.
 * A newline inside a piece is escaped. */
void report_say(enum tone tone, const char *fmt, ...) PRINTF_LIKE(2, 3);
void report_span(enum tone tone, struct span text);
void report_end(void);
/* report_say() and report_end(). */
void report_line(enum tone tone, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Named values. */
enum cell_kind {
	CELL_IS_TEXT, CELL_IS_NUMBER, CELL_IS_US, CELL_IS_BOOL, CELL_IS_HEX, CELL_IS_WORDS, CELL_IS_NUMBERS, CELL_IS_PAIRS, CELL_IS_NULL
};

struct cell {
	const char *key;
	enum cell_kind kind;
	int width;                      /* of its column in a row, in characters; 0: as wide as it is */
	struct span text;               /* TEXT, HEX */
	long long number;               /* NUMBER, BOOL; US: microseconds since 1970, a date for people */
	const struct span *word;        /* WORDS: an array in JSON */
	const uint64_t *numbers;        /* NUMBERS: the same */
	const struct attribute *pair;   /* PAIRS: an object of arrays in JSON */
	size_t n;
};

#define CELL_STR(k, s) ((struct cell){ .key = (k), .kind = CELL_IS_TEXT, .text = span_str(s) })
#define CELL_SPAN(k, s) ((struct cell){ .key = (k), .kind = CELL_IS_TEXT, .text = (s) })
#define CELL_NUM(k, v) ((struct cell){ .key = (k), .kind = CELL_IS_NUMBER, .number = (long long)(v) })
#define CELL_US(k, v) ((struct cell){ .key = (k), .kind = CELL_IS_US, .number = (long long)(v) })
#define CELL_BOOL(k, v) ((struct cell){ .key = (k), .kind = CELL_IS_BOOL, .number = (v) })
#define CELL_HEX(k, s) ((struct cell){ .key = (k), .kind = CELL_IS_HEX, .text = (s) })
#define CELL_WORDS(k, w, c) ((struct cell){ .key = (k), .kind = CELL_IS_WORDS, .word = (w), .n = (c) })
#define CELL_NUMS(k, v, c) ((struct cell){ .key = (k), .kind = CELL_IS_NUMBERS, .numbers = (v), .n = (c) })
#define CELL_PAIRS(k, p, c) ((struct cell){ .key = (k), .kind = CELL_IS_PAIRS, .pair = (p), .n = (c) })
#define CELL_NULL(k) ((struct cell){ .key = (k), .kind = CELL_IS_NULL })

/* One JSON object on a line, whatever the mode. */
void report_object(const struct cell *cell, size_t n);
/* A line of JSON that is ASCII already. */
void report_raw(const char *json);
/* A row of a table: columns for people, an object in JSON. The heading (the keys) is printed for people only. */
void report_head(const struct cell *cell, size_t n);
void report_row(const struct cell *cell, size_t n);
/* One thing: a line for each cell for people, an object in JSON. */
void report_card(const struct cell *cell, size_t n);

/* On stderr: "pullcord: ..."; what to do next, indented; both may be called in JSON mode. */
void report_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void report_hint(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* "pullcord: cannot <fmt>: <why>", and CMD_NO. */
int report_fail(enum err e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* How far long work is, and how fast; on stderr, only on a terminal, at most ten times a second. total 0: unknown; done == total
 * ends it. */
void report_progress(const char *what, uint64_t done, uint64_t total);

/* "14:03:22.118" (local time of day); "2026-02-03 14:03:22" (local); into `out`, which is returned. 0 gives "-". */
#define REPORT_TIME 32
char *report_clock(int64_t us, char out[REPORT_TIME]);
char *report_date(int64_t us, char out[REPORT_TIME]);

/* As one word of a command line that may be pasted into a shell; into `out`, which is returned. */
#define REPORT_WORD 8192
char *report_word(const char *text, char out[REPORT_WORD]);

/* A text member of one JSON object, as report_object() writes it. ERR_SYNTAX: not such an object; ERR_NOT_FOUND: no
 * such member, or not a text; ERR_TOO_LARGE. */
enum err report_read(struct span json, const char *key, char *out, size_t cap) MUST_USE;

#endif

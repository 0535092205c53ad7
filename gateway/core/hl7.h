/* hl7: reading HL7 v2 messages (HL7 v2.6 chapter 2, ER7 encoding) where they lie: no copies, no storage, no index;
 * a segment is found by walking, a field by counting separators. Pure.
 *
 * Liberal where the field is: segments may end in CR, LF or CRLF (a lone LF that no segment name follows belongs to the
 * field it is in), what wraps a batch is passed over, unknown segments and surplus fields do no harm, missing trailing fields are
 * empty. */
#ifndef PULLCORD_HL7_H
#define PULLCORD_HL7_H

#include "cur.h"
#include "err.h"
#include "span.h"

#define HL7_MESSAGE_MAX (1 << 20)
#define HL7_SEGMENT_MAX 65536
#define HL7_SEGMENTS_MAX 10000
#define HL7_REPETITIONS_MAX 1000

/* From MSH-18 (table 0211). Unsaid also covers ASCII: valid UTF-8 is taken as such, any other byte as Latin-1. */
enum hl7_charset { HL7_UNSAID, HL7_UTF8, HL7_LATIN1, HL7_OTHER };

struct hl7 {
	struct span text;                                     /* borrows */
	uint8_t field, component, repetition, escape, sub;    /* MSH-1, MSH-2; 0: there is none */
	enum hl7_charset charset;
};

/* A segment with its name; a field is numbered as HL7 numbers it, also in MSH. */
struct hl7_segment {
	struct span text;
};

/* The header alone: of a message that breaks a limit, or was cut off, it may still be read in order to refuse it by
 * name. ERR_SYNTAX: no MSH, or delimiters that cannot be told apart. */
enum err hl7_head(struct span text, struct hl7 *out) MUST_USE;
/* And all limits above: ERR_TOO_LARGE. */
enum err hl7_open(struct span text, struct hl7 *out) MUST_USE;

/* Walks the segments: start with an all-zero segment. */
bool hl7_next(const struct hl7 *m, struct hl7_segment *s);
/* The first of that name; an empty one when there is none. */
struct hl7_segment hl7_find(const struct hl7 *m, const char *name);
bool hl7_is(struct hl7_segment s, const char *name);

/* OBX-5.2 is hl7_get(m, s, 5, 2): first repetition, blanks at both ends cut off, "" (delete) reads as empty.
 * Component 0 is the whole repetition. */
struct span hl7_get(const struct hl7 *m, struct hl7_segment s, unsigned field, unsigned component);
/* The same in pieces, each numbered from 1: a field with all repetitions; a piece of a span. */
struct span hl7_field(const struct hl7 *m, struct hl7_segment s, unsigned field);
struct span hl7_piece(struct span s, uint8_t separator, unsigned number);

/* Appends `raw` as one line of UTF-8 for people: escapes resolved (an unknown or unterminated one stays as it is),
 * blanks for line breaks, U+FFFD for what no reader of this character set could tell. Never fails: what does not fit
 * is cut at a character and the result is false. */
bool hl7_text(const struct hl7 *m, struct span raw, struct put *out);

/* YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+/-ZZZZ] to µs since 1970; `zone_minutes` counts when it names none. False when it is
 * none, or before 1970. */
bool hl7_time(struct span text, int zone_minutes, int64_t *us) MUST_USE;
/* The reverse, in UTC, with milliseconds: 20261122101503.120+0000. */
void hl7_put_time(struct put *out, int64_t us);

#endif

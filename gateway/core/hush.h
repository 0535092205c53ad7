/* hush: keeps a line that somebody else can have written from filling the log. It is written HUSH_MOST times in HUSH_MS; the
 * others are counted, and the count is told a HUSH_MS after the first of them, whether or not more come. One for each kind of line,
 * so that a flood of one hides no other. All zero at the start. Pure: the caller brings the time and writes the lines. */
#ifndef PULLCORD_HUSH_H
#define PULLCORD_HUSH_H

#include "base.h"

#define HUSH_MS 60000
#define HUSH_MOST 5

struct hush {
	int64_t anew_ms, tell_ms;
	uint32_t said, left_out;
};

bool hush_say(struct hush *h, int64_t now_ms);          /* true: write it */
uint32_t hush_left_out(struct hush *h, int64_t now_ms); /* so many were not, and it is time to say so; then counted anew */

#endif

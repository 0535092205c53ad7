/* era: the number that the names of messages go by, so that what went out before it was kept, and then was not, comes again under
 * the name it had; and what is said anew after it was forgotten does not.
 *
 * Rows count what was kept; the last `most` of them are remembered. An era's number is that of its first row, and is on disk. It is
 * used for no more than `most` rows: nothing that is not remembered had a name of it. It ends when it has been used for an eighth
 * of them; not before era_keeps() rows came after the last that may have gone out and was not kept, be it for a failing disk or
 * the end of the last run. What goes out early must leave room for that. Between two eras nothing goes out before it is kept, for
 * two or three commits: until what went out was kept, the next number was written, and what was named meanwhile was kept. But if
 * nothing can be kept it goes out all the same, and keeps its name for era_late() rows: one that changes is the lesser evil. Pure:
 * the caller counts, writes and sends. */
#ifndef PULLCORD_ERA_H
#define PULLCORD_ERA_H

#include "base.h"

enum era_state { ERA_STEADY, ERA_DRAINING, ERA_WRITING, ERA_SETTLING };

struct era {
	uint64_t number, most, until;   /* rows; not over before `until` */
	uint64_t brought, back, mark;   /* messages, in the order they were brought */
	enum era_state state;
	bool failing;                   /* the last was not kept */
	bool unwritten;                 /* nor the next number; and nothing was since */
};

static inline uint64_t era_keeps(uint64_t most) { return most / 8 * 3; }
static inline uint64_t era_late(uint64_t most) { return most / 16; }

/* At the start: `kept` is the number of the next row. */
void era_init(struct era *e, uint64_t number, uint64_t kept, uint64_t most);
bool era_names(const struct era *e, uint64_t kept);     /* false: there is no name just now */
bool era_early(const struct era *e, uint64_t kept);     /* may what is named go out before it is kept? */
void era_brought(struct era *e);
void era_back(struct era *e, bool early, bool was_kept, uint64_t kept);
/* True: `kept` is to be written as the next number, after all that was brought so far; then era_written(). */
bool era_step(struct era *e, uint64_t kept);
void era_written(struct era *e, uint64_t number, bool ok);

#endif

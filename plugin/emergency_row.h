/* emergency_row: which emergency access has begun and has no entry of its end yet. A row for each in the directory, written in
 * the same transaction as what was taken, so that an end is told whatever came between: a revocation, the account's removal, a
 * broker that was off. */
#ifndef PULLCORD_EMERGENCY_ROW_H
#define PULLCORD_EMERGENCY_ROW_H

#include "delta.h"
#include "emergency.h"
#include "topic.h"

struct directory;
struct batch;

struct emergency_row {
	char id[WORD_BYTES_MAX + 1];     /* whose */
	int64_t at_us, until_us;    /* when it was taken, when it ends by itself */
	char reason[EMERGENCY_REASON_MAX + 1];
	char patient[WORD_BYTES_MAX + 1];     /* for whom; "": not for one patient */
	char what[DELTA_MAX];       /* what is lost with it, as delta.h writes it; cut by whole lines */
};

/* Rows of what the account has of it at now_us (µs since 1970), besides those that are there; within the batch. Errors: the
 * store's. */
enum err emergency_note(struct batch *b, const struct account *a, int64_t now_us) MUST_USE;
/* All of them, the longest ago first; one that is damaged is stepped over, and ERR_CORRUPT said at the end. */
enum err directory_emergencies(struct directory *d, void (*visit)(void *ctx, const struct emergency_row *row), void *ctx) MUST_USE;
/* Its end is on record. OK also when there is no such row. Errors: the store's. */
enum err directory_emergency_over(struct directory *d, struct span id, int64_t at_us) MUST_USE;

#endif

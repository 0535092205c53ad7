/* successor: the way on when a record was cut, set back, damaged or written in another layout: it is put aside as evidence, never
 * deleted, and another one begins under the next origin, whose first entry quotes what was signed last and says why. Wherever it is
 * interrupted, no broker goes on with half of it, and the next run does. Does I/O, and reads the old one in an own process. */
#ifndef PULLCORD_SUCCESSOR_H
#define PULLCORD_SUCCESSOR_H

#include "note.h"

#define SUCCESSOR_PATH_MAX 1024

struct successor {
	const char *dir;                /* the installation's folder */
	const char *sizes;              /* where record.sizes lies; NULL: in it */
	const char *reason;             /* in clear, at most ENTRY_TEXT_MAX bytes (seal.h) */
	/* out: */
	char old[ORIGIN_BYTES_MAX + 1], new[ORIGIN_BYTES_MAX + 1];
	unsigned number;                /* the old one's: its files are NAME.number now */
	bool quotes;                    /* what was signed last could be told */
	bool resumed;                   /* an earlier run had prepared it, with the reason given then */
};

/* "hospital/audit/main" becomes "hospital/audit/main/2", that one ".../3"; *number is the old one's. ERR_TOO_LARGE. */
enum err successor_origin(struct span origin, char *out, size_t cap, unsigned *number) MUST_USE;

/* ERR_BUSY: a broker writes it; ERR_EXISTS: files of that number were put aside before; ERR_KEY: its keys do not fit;
 * others: the disk, and the next run goes on. */
enum err successor_begin(struct successor *s) MUST_USE;
/* Was one interrupted, so that the next run goes on? */
bool successor_is_begun(const char *dir, const char *sizes);

#endif

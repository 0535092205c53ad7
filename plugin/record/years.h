/* years: the keys that make pseudonyms, of patients and of names that are nobody's, one for each calendar year (UTC) of which the
 * record has an entry with one, in whatever field of it. Each is a segment of no records (seal.h: KEEP_PSEUDONYMS): wrapped by the
 * root key in the file of the segments' keys, committed to by an entry in clear, held and erased by two persons as any other, when
 * nothing of that year is kept any more. Without it nobody finds out who a pseudonym of that year was, not even who has the root
 * key and the id.
 *
 * What was recorded before there were such keys has pseudonyms of patients_init(); so have commands, changes and claimed names of
 * before these were by year. Then other fields were by the year's key alone. */
#ifndef PULLCORD_YEARS_H
#define PULLCORD_YEARS_H

#include "patients.h"
#include "pens.h"

/* Part of what a batch that fails takes back. */
struct years {
	struct year_row row[YEARS_MAX];
	size_t n;
	struct patients root;           /* patients_init(): the caller's to set */
	unsigned year;                  /* whose key this is; 0: none yet */
	struct patients patients;
};

unsigned year_of(int64_t at_us);
/* When it begins: µs since 1970. */
int64_t year_begin_us(unsigned year);

/* As the store has them, at the start. ERR_CORRUPT, ERR_IO. */
enum err years_resume(struct years *y, struct txn *view) MUST_USE;
/* The key for what happened then. Makes it, within the trail's batch, when there is none, or none that can be read: then
 * another one does. Borrows from *y. Errors: those of trail.h, of the batch then. */
enum err years_key(struct years *y, struct pens *p, const struct ink *ink, int64_t at_us, const struct patients **out) MUST_USE;

/* All that can be read, of each year as it was and as it is, after the one of before there were any: for who looks somebody up.
 * Errors: those of trail_view(). */
#define YEARS_KEYS_MAX (2 * YEARS_MAX + 1)
enum err years_all(struct trail *t, const struct vault *v, struct span origin, const uint8_t root[AEAD_KEY_BYTES],
		   struct patients out[YEARS_KEYS_MAX], size_t *n) MUST_USE;

#endif

/* reader: what the record says, entry by entry, for who holds the root key; while the broker may write.
 * Reads, and checks nothing but the seals: whether the record is whole is verify's business. Topics have pseudonyms of
 * patients in them, also where the record, written by an earlier version, has the id. */
#ifndef PULLCORD_READER_H
#define PULLCORD_READER_H

#include "record.pb-c.h"
#include "years.h"

struct reader;

/* Which record it is, entry 0 says. ERR_KEY shows at the first sealed entry. */
enum err reader_open(const char *path, const uint8_t root[32], struct reader **out) MUST_USE;
void reader_close(struct reader **r);

/* Entries there are now; generation: a number that rises when there may be more, a look at memory. */
enum err reader_size(struct reader *r, uint64_t *out) MUST_USE;
uint64_t reader_generation(const struct reader *r);
/* Another record lies there now, or none: this one gets no more entries. */
bool reader_replaced(const struct reader *r);

/* Entry `index`; *event is NULL for what is no event or was erased (entry->kind). Both borrow from the reader until the
 * next call. ERR_NOT_FOUND. */
enum err reader_get(struct reader *r, uint64_t index, struct entry *entry,
		    const Pullcord__V1__AuditEvent **event) MUST_USE;

/* How many entries were erased with segments that were open at some time from `from_us` on and before `to_us`. */
enum err reader_erased(struct reader *r, int64_t from_us, int64_t to_us, uint64_t *out) MUST_USE;

/* The bytes of the entry last got, borrowed likewise; and the record's origin. */
struct span reader_raw(const struct reader *r);
struct span reader_origin(const struct reader *r);
/* When it begins, and does it go on from one that was put aside? */
int64_t reader_since_us(const struct reader *r);
bool reader_renewed(const struct reader *r);
/* What makes the pseudonyms there are in it, for each year that has a key (years.h), the first for all names. At most
 * YEARS_KEYS_MAX; borrows. */
size_t reader_patients(const struct reader *r, const struct patients **out);
/* The key that opens the entry last got and no other. ERR_KIND: it is not sealed; ERR_CLOSED: it was erased. */
enum err reader_record_key(const struct reader *r, uint8_t key[AEAD_KEY_BYTES]) MUST_USE;

#endif

/* index: finds entries of the record by what they say, in time that grows with what is found and not with the record.
 *
 * A file of its own beside the record, which proves nothing: who reads it opens each entry it names and looks whether that
 * is really meant, so it can at worst leave something out; it may be deleted at any time and is made again. The tool brings
 * it up to date before it searches, from the entry where it stopped: the broker does nothing for it, holds no key of it and
 * waits for nothing.
 *
 *     post    term, 16 | last, u64    sealed block of entry numbers (posting.h); the list's last block: last = 2^64 - 1
 *     topic   term, 16                sealed topic or filter, so that those that match can be found
 *     hour    hour since 1970, u64    first and last entry of it, u64 each
 *     state   "head"                  sealed: entries that are in it, u64 | leaf of the last of them
 *
 * Entries that span more than 100,000 hours are in no hour but in a list of their own, and looked at for every period.
 *
 * A term is HMAC(key, kind | text)[:16] of an actor, client, patient, topic, event or outcome: the file tells nobody without
 * the root key who is in it. Keys are derived from the root key. */
#ifndef PULLCORD_INDEX_H
#define PULLCORD_INDEX_H

#include "criteria.h"
#include "reader.h"

struct index;

/* Opens or makes the file for this record, and adds what the record has more. An index of another record, or of one that
 * was set back, or from before something was erased, is made anew. ERR_KEY, ERR_CORRUPT: the file is damaged, delete it;
 * else as the store and the reader. */
enum err index_open(const char *path, const uint8_t root[AEAD_KEY_BYTES], struct reader *r, struct index **out) MUST_USE;
void index_close(struct index **x);

/* Calls `visit` for every entry that may be meant, in order, until it fails. Everything that is meant is among them. */
typedef enum err index_visit(void *ctx, uint64_t index);
enum err index_search(struct index *x, const struct criteria *c, index_visit *visit, void *ctx) MUST_USE;

#endif

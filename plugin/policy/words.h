/* words: texts interned into small numbers, so that a text is looked at once and compared as a number ever after.
 * Open addressing under a keyed hash; the caller brings the memory and the key, and never more words than it said.
 * Neither table of the policy can be filled by a client (words are the policy's, values the directory's), and the key
 * keeps those who may choose a few of them from choosing ones that collide. */
#ifndef PULLCORD_WORDS_H
#define PULLCORD_WORDS_H

#include "span.h"

struct word_slot {
	uint32_t id, hash;          /* id 0: free */
};

struct words {
	uint64_t key[2];
	struct word_slot *slot;
	struct span *text;          /* by id, from 1; borrowed */
	uint32_t mask, n;
};

/* Slots needed for n words: a power of two, at most half full. `text` needs n + 1. */
size_t words_slots(size_t n);

uint64_t words_hash(const uint64_t key[2], struct span text);
/* `hash` is words_hash() of the text. 0: not there. */
uint32_t words_find(const struct words *w, uint64_t hash, struct span text);
/* The number of a text, new or known. */
uint32_t words_add(struct words *w, struct span text);

#endif

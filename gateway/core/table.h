/* table: a bounded set of 16-byte keys; each has a slot number below the capacity, so that whoever uses the table keeps
 * what belongs to a key in an array of his own. Slots stand in order of their last touch, oldest first, unless the table is made
 * without it (for whoever has an order of his own). Memory is the caller's, one block of zeros, and is not touched before it is
 * needed. Keys must not be of an attacker's choosing: hash them under a key before. Pure. */
#ifndef PULLCORD_TABLE_H
#define PULLCORD_TABLE_H

#include "span.h"

#define TABLE_KEY 16
#define TABLE_NONE UINT32_MAX

struct table_node {
	uint8_t key[TABLE_KEY];
	uint32_t chain;             /* 1 + the next slot of its bucket, or of the spare ones; 0: none */
};

struct table_turn {
	uint32_t older, newer;
};

struct table {
	struct table_node *node;
	struct table_turn *turn;    /* NULL: without order */
	uint32_t *bucket;           /* 1 + slot; 0: none */
	uint32_t cap, mask, count;
	uint32_t oldest, newest;
	uint32_t spare;             /* 1 + a slot given back; 0: none */
	uint32_t used;              /* slots from here on were never taken */
};

size_t table_bytes(uint32_t cap);
/* `memory` takes table_bytes(cap), all zero, and is aligned for uint64_t. */
void table_init(struct table *t, uint32_t cap, void *memory);
/* The same without order: nothing is touched, and table_newer() not asked. */
size_t table_bytes_unordered(uint32_t cap);
void table_init_unordered(struct table *t, uint32_t cap, void *memory);

uint32_t table_find(const struct table *t, const uint8_t key[TABLE_KEY]);
/* The key's new slot, newest of all; TABLE_NONE when there is no room. The key must not be there yet. */
uint32_t table_add(struct table *t, const uint8_t key[TABLE_KEY]);
void table_touch(struct table *t, uint32_t slot);      /* it becomes the newest */
void table_del(struct table *t, uint32_t slot);

/* for (s = t->oldest; s != TABLE_NONE; s = table_newer(t, s)) */
static inline uint32_t table_newer(const struct table *t, uint32_t slot) { return t->turn[slot].newer; }
static inline const uint8_t *table_key(const struct table *t, uint32_t slot) { return t->node[slot].key; }

#endif

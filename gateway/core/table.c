#include "table.h"

/* At least as many buckets as keys, a power of two. */
static uint32_t buckets(uint32_t cap)
{
	uint32_t n = 2;

	while (n < cap)
		n *= 2;
	return n;
}

size_t table_bytes_unordered(uint32_t cap)
{
	size_t n = cap * sizeof(struct table_node) + buckets(cap) * sizeof(uint32_t);

	return (n + 15) & ~(size_t)15;
}

size_t table_bytes(uint32_t cap)
{
	size_t n = cap * sizeof(struct table_turn);

	return table_bytes_unordered(cap) + ((n + 15) & ~(size_t)15);
}

void table_init_unordered(struct table *t, uint32_t cap, void *memory)
{
	must(cap > 0 && cap < UINT32_MAX / 4);
	*t = (struct table){ .node = memory, .cap = cap, .mask = buckets(cap) - 1 };
	t->bucket = (uint32_t *)(void *)(t->node + cap);
	t->oldest = t->newest = TABLE_NONE;
}

void table_init(struct table *t, uint32_t cap, void *memory)
{
	table_init_unordered(t, cap, memory);
	t->turn = (struct table_turn *)(void *)((uint8_t *)memory + table_bytes_unordered(cap));
}

static uint32_t *bucket_of(const struct table *t, const uint8_t key[TABLE_KEY])
{
	uint64_t a, b;

	memcpy(&a, key, sizeof(a));
	memcpy(&b, key + sizeof(a), sizeof(b));
	a = (a ^ (b >> 1)) * 0x9e3779b97f4a7c15u;   /* Fibonacci hashing: the high bits are the mixed ones */
	return &t->bucket[(a >> 32) & t->mask];
}

uint32_t table_find(const struct table *t, const uint8_t key[TABLE_KEY])
{
	uint32_t s = *bucket_of(t, key);

	while (s && memcmp(t->node[s - 1].key, key, TABLE_KEY) != 0)
		s = t->node[s - 1].chain;
	return s ? s - 1 : TABLE_NONE;
}

static void link_newest(struct table *t, uint32_t s)
{
	if (!t->turn)
		return;
	t->turn[s] = (struct table_turn){ t->newest, TABLE_NONE };
	if (t->newest != TABLE_NONE)
		t->turn[t->newest].newer = s;
	else
		t->oldest = s;
	t->newest = s;
}

static void unlink_order(struct table *t, uint32_t s)
{
	struct table_turn n;

	if (!t->turn)
		return;
	n = t->turn[s];
	*(n.older != TABLE_NONE ? &t->turn[n.older].newer : &t->oldest) = n.newer;
	*(n.newer != TABLE_NONE ? &t->turn[n.newer].older : &t->newest) = n.older;
}

static uint32_t take_slot(struct table *t)
{
	uint32_t s = t->spare;

	if (s) {
		t->spare = t->node[s - 1].chain;
		return s - 1;
	}
	return t->used < t->cap ? t->used++ : TABLE_NONE;
}

uint32_t table_add(struct table *t, const uint8_t key[TABLE_KEY])
{
	uint32_t s = take_slot(t), *b = bucket_of(t, key);

	if (s == TABLE_NONE)
		return TABLE_NONE;
	memcpy(t->node[s].key, key, TABLE_KEY);
	t->node[s].chain = *b;
	*b = s + 1;
	link_newest(t, s);
	t->count++;
	return s;
}

void table_touch(struct table *t, uint32_t slot)
{
	unlink_order(t, slot);
	link_newest(t, slot);
}

void table_del(struct table *t, uint32_t slot)
{
	uint32_t *at = bucket_of(t, t->node[slot].key);

	while (*at != slot + 1)
		at = &t->node[*at - 1].chain;
	*at = t->node[slot].chain;
	unlink_order(t, slot);
	t->node[slot].chain = t->spare;
	t->spare = slot + 1;
	t->count--;
}

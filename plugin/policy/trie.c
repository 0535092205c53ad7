#include "trie.h"

#include "words.h"

/* Labels: word numbers are below these. */
#define LABEL_PLUS UINT32_MAX
#define LABEL_ATTRIBUTE 0x80000000u

size_t trie_edges(size_t n)
{
	return words_slots(n);
}

/* 1, 2, 4, 8 -> 0, 1, 2, 3 */
static unsigned access_index(enum access a)
{
	return (unsigned)__builtin_ctz((unsigned)a);
}

static uint32_t edge_at(const struct trie *t, uint32_t from, uint32_t label)
{
	uint64_t h = ((uint64_t)from << 32 | label) ^ t->key;
	uint32_t i;

	h *= 0x9e3779b97f4a7c15u;   /* 2^64 / golden ratio: spreads neighbouring numbers (Knuth, TAOCP 3, §6.4) */
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	for (i = (uint32_t)(h >> 32) & t->mask; t->edge[i]; i = (i + 1) & t->mask)
		if (t->node[t->edge[i]].from == from && t->node[t->edge[i]].label == label)
			break;
	return i;
}

static uint32_t child(const struct trie *t, uint32_t from, uint32_t label)
{
	return t->edge[edge_at(t, from, label)];
}

uint32_t trie_root(struct trie *t)
{
	return ++t->nodes;
}

static uint32_t grow(struct trie *t, uint32_t from, uint32_t label)
{
	uint32_t *to = &t->edge[edge_at(t, from, label)];

	if (!*to) {
		*to = ++t->nodes;
		t->node[*to].from = from;
		t->node[*to].label = label;
		t->node[*to].next = t->node[from].first;
		t->node[from].first = *to;
	}
	return *to;
}

static uint32_t grow_step(struct trie *t, uint32_t from, const struct step *s)
{
	struct trie_node *at = &t->node[from];

	switch (s->kind) {
	case STEP_WORD:
		return grow(t, from, s->number);
	case STEP_ATTRIBUTE:
		at->attributes |= 1ull << s->number;
		return grow(t, from, LABEL_ATTRIBUTE | s->number);
	case STEP_PLUS:
		return at->plus = grow(t, from, LABEL_PLUS);
	case STEP_HASH:
		if (!at->hash)
			at->hash = ++t->nodes;
		return at->hash;
	}
	return 0;
}

uint32_t trie_add(struct trie *t, uint32_t root, const struct step *pattern, uint32_t n, unsigned accesses,
		  uint32_t line)
{
	uint32_t at = root, before = 0;

	t->node[at].accesses |= accesses;
	for (uint32_t i = 0; i < n; i++) {
		at = grow_step(t, at, &pattern[i]);
		t->node[at].accesses |= accesses;
	}
	for (unsigned k = 0; k < TRIE_ACCESSES; k++) {
		before = line_first(before, t->node[at].line[k]);
		if (accesses & 1u << k && !t->node[at].line[k])
			t->node[at].line[k] = line;
	}
	return before;
}

static unsigned ends_here(const struct trie_node *n)
{
	unsigned accesses = 0;

	for (unsigned k = 0; k < TRIE_ACCESSES; k++)
		accesses |= n->line[k] ? 1u << k : 0;
	return accesses;
}

unsigned trie_closest(const struct trie *t, uint32_t root, const struct step *step, uint32_t n)
{
	const struct trie_node *at = &t->node[root];
	unsigned found = 0;

	if (!root)
		return 0;
	if (n == 0)
		found = ends_here(at);
	if (n && step->kind == STEP_WORD && step->number)
		found = trie_closest(t, child(t, root, step->number), step + 1, n - 1);
	if (n && !found)
		found = trie_closest(t, at->plus, step + 1, n - 1);
	return found ? found : ends_here(&t->node[at->hash]);
}

static uint32_t line_besides(const struct trie *t, uint32_t node, enum access a, uint32_t besides)
{
	uint32_t line = t->node[node].line[access_index(a)];

	return line == besides ? 0 : line;
}

/* Recursion is as deep as a topic has levels. */
uint32_t trie_covers_besides(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a,
			     uint32_t besides)
{
	const struct trie_node *at = &t->node[root];
	uint32_t line;

	if (!(at->accesses & (unsigned)a))
		return 0;
	line = line_besides(t, at->hash, a, besides);
	if (n == 0)
		return line_first(line, line_besides(t, root, a, besides));
	if (step->kind == STEP_HASH)
		return line;
	line = line_first(line, trie_covers_besides(t, at->plus, step + 1, n - 1, a, besides));
	if (step->kind == STEP_WORD && step->number)
		line = line_first(line, trie_covers_besides(t, child(t, root, step->number), step + 1, n - 1, a, besides));
	for (uint64_t m = at->attributes & step->attributes; m; m &= m - 1)
		line = line_first(line, trie_covers_besides(t, child(t, root, LABEL_ATTRIBUTE | (uint32_t)__builtin_ctzll(m)),
							    step + 1, n - 1, a, besides));
	return line;
}

uint32_t trie_covers(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a)
{
	return trie_covers_besides(t, root, step, n, a, 0);
}

/* May the edge to this node be taken by a level that says only "anything"? */
static bool is_open(const struct trie_node *n, uint64_t held)
{
	if (n->label == LABEL_PLUS || !(n->label & LABEL_ATTRIBUTE))
		return true;
	return held >> (n->label & ~LABEL_ATTRIBUTE) & 1;
}

/* Through every edge: '+' goes on to the next level, '#' stays, for it stands for all that follow. */
static uint32_t meets_below(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a,
			    uint64_t held)
{
	uint32_t skip = step->kind == STEP_HASH ? 0 : 1, line = 0;

	for (uint32_t c = t->node[root].first; c; c = t->node[c].next)
		if (is_open(&t->node[c], held))
			line = line_first(line, trie_meets(t, c, step + skip, n - skip, a, held));
	return line;
}

uint32_t trie_meets(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a,
		    uint64_t held)
{
	const struct trie_node *at = &t->node[root];
	uint32_t line;

	if (!(at->accesses & (unsigned)a))
		return 0;
	line = t->node[at->hash].line[access_index(a)];
	if (n == 0 || step->kind == STEP_HASH)
		line = line_first(line, at->line[access_index(a)]);   /* "a/#" also matches "a" (MQTT 5 §4.7.1.2) */
	if (n == 0)
		return line;
	if (step->kind != STEP_WORD)
		return line_first(line, meets_below(t, root, step, n, a, held));
	line = line_first(line, trie_meets(t, at->plus, step + 1, n - 1, a, held));
	if (step->number)
		line = line_first(line, trie_meets(t, child(t, root, step->number), step + 1, n - 1, a, held));
	for (uint64_t m = at->attributes & step->attributes; m; m &= m - 1)
		line = line_first(line, trie_meets(t, child(t, root, LABEL_ATTRIBUTE | (uint32_t)__builtin_ctzll(m)),
						   step + 1, n - 1, a, held));
	return line;
}

static uint32_t beyond(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a, bool wide);

/* A word may be the value of any attribute. */
static uint32_t beyond_word(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a, bool wide)
{
	const struct trie_node *at = &t->node[root];
	uint32_t line = beyond(t, at->plus, step + 1, n - 1, a, true);

	line = line_first(line, beyond(t, child(t, root, step->number), step + 1, n - 1, a, wide));
	for (uint64_t m = at->attributes; m; m &= m - 1)
		line = line_first(line, beyond(t, child(t, root, LABEL_ATTRIBUTE | (uint32_t)__builtin_ctzll(m)),
					       step + 1, n - 1, a, wide));
	return line;
}

static uint32_t beyond_any(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a, bool wide)
{
	uint32_t line = 0, skip = step->kind == STEP_HASH ? 0 : 1;

	for (uint32_t c = t->node[root].first; c; c = t->node[c].next) {
		bool wider = t->node[c].label == LABEL_PLUS && step->kind == STEP_ATTRIBUTE;

		line = line_first(line, beyond(t, c, step + skip, n - skip, a, wide || wider));
	}
	return line;
}

static uint32_t beyond(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a, bool wide)
{
	const struct trie_node *at = &t->node[root];
	bool tail = n && step->kind == STEP_HASH;
	uint32_t line = 0;

	if (!(at->accesses & (unsigned)a))
		return 0;
	if (wide || !tail)
		line = t->node[at->hash].line[access_index(a)];
	if (wide && (n == 0 || tail))
		line = line_first(line, at->line[access_index(a)]);
	if (n == 0 || (tail && !wide))
		return line;
	return line_first(line, (step->kind == STEP_WORD ? beyond_word : beyond_any)(t, root, step, n, a, wide));
}

uint32_t trie_beyond(const struct trie *t, uint32_t root, const struct step *pattern, uint32_t n, enum access a)
{
	return beyond(t, root, pattern, n, a, false);
}

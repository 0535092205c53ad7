/* trie: rules as a tree over topic levels. It knows patterns, accesses and lines, nothing of roles, allowing or denying:
 * those are separate roots in one trie. An edge is one look-up of (node, label) in one table; labels are word numbers,
 * attribute numbers, '+' and '#'. Node 0 is nowhere: empty, and where every missing edge leads. Built once in memory the
 * caller brings, then only read. */
#ifndef PULLCORD_TRIE_H
#define PULLCORD_TRIE_H

#include "policy.h"

#define TRIE_ACCESSES 5
#define TRIE_ATTRIBUTES 64      /* a level's attributes are one bit each */

struct trie_node {
	uint64_t attributes;        /* which attribute edges leave here */
	uint32_t plus, hash;        /* the '+' and '#' edges */
	uint32_t line[TRIE_ACCESSES];   /* the first rule that ends here and speaks of that access; 0: none */
	uint32_t from, label;       /* the edge that leads here */
	uint32_t first, next;       /* children but '#', and siblings */
	uint32_t accesses;          /* enum access bits that occur here or below */
};

struct trie {
	uint64_t key;
	struct trie_node *node;
	uint32_t *edge;             /* the nodes edges lead to, where (from, label) hashes to; 0: free */
	uint32_t nodes, mask;
};

enum step_kind { STEP_WORD, STEP_ATTRIBUTE, STEP_PLUS, STEP_HASH };

/* One level, resolved. Of a pattern: its kind, and the number of its word or attribute. Of a topic or filter as a
 * subject sees it: STEP_WORD with the word's number (0: not a word of the policy) and the attributes in whose sets of
 * the subject it lies; STEP_PLUS; STEP_HASH. */
struct step {
	enum step_kind kind;
	uint32_t number;
	uint64_t attributes;
};

/* Edges need trie_edges(n) slots for n levels of patterns; nodes n + 1, and one more for each root. */
size_t trie_edges(size_t n);

/* Nodes are numbered from 1. */
uint32_t trie_root(struct trie *t);
/* `accesses`: enum access bits (or whatever bits are looked for), or'ed. Lines must come in rising order. The line
 * that ended with this pattern before; 0: none did. */
uint32_t trie_add(struct trie *t, uint32_t root, const struct step *pattern, uint32_t n, unsigned accesses,
		  uint32_t line);

/* The least line of a rule that matches the topic, or contains the whole filter; 0: none. Visits no node twice, and of
 * a topic only those its words lead to. */
uint32_t trie_covers(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a);
/* The same without the rule of one line. */
uint32_t trie_covers_besides(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a,
			     uint32_t line);
/* The least line of a rule that matches some topic the filter matches; 0: none. `held`: attributes whose set is not
 * empty. A wide filter costs a look at every rule below it. */
uint32_t trie_meets(const struct trie *t, uint32_t root, const struct step *step, uint32_t n, enum access a,
		    uint64_t held);

/* The least line of a rule that meets the pattern and reaches beyond it where somebody asks for all that the rule says: by
 * a '+' or a '#' where the pattern says less. What only {attributes} leave open is asked for value by value, so it is not
 * beyond. 0: none. Looks at every rule below a wide pattern. */
uint32_t trie_beyond(const struct trie *t, uint32_t root, const struct step *pattern, uint32_t n, enum access a);

/* The accesses of the most specific pattern that matches the topic: level by level from the left a word goes before '+',
 * and '+' before '#'. 0: none matches. */
unsigned trie_closest(const struct trie *t, uint32_t root, const struct step *step, uint32_t n);

/* The lesser of two lines, where 0 is none. */
static inline uint32_t line_first(uint32_t a, uint32_t b)
{
	return a - 1 < b - 1 ? a : b;   /* 0 - 1 is the largest */
}

#endif

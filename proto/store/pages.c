#include "pages.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

#define NONE SIZE_MAX           /* the root of an empty tree */
#define DEPTH_MAX 32
#define KEY_MAX 511
#define FIRST 2                 /* page after the two that say where the trees begin */

enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4 };                    /* of a page; no other flag is ever on a disk */
enum { INTEGERS = 8, KINDS = 0x7e };    /* of a tree: its keys are numbers; all that are of keys and values */
enum { BIG = 1, TREE = 2 };                                     /* of a node: its value lies elsewhere; is a table */

struct tree {
	uint32_t pad;
	uint16_t flags, depth;
	size_t branches, leaves, overflows, entries, root;
};

struct meta {
	uint32_t magic, version;
	void *address;
	size_t map_bytes;
	struct tree free, main;
	size_t last, txn;
};

struct head {
	size_t number;
	uint16_t pad, flags, lower, upper;      /* of one that overflows the last two are one: how many they are */
};

#define HEAD (offsetof(struct head, pad) + 4 * sizeof(uint16_t))
#define NODE sizeof(uint64_t)   /* bytes before its key */

struct node {
	size_t child;           /* of a branch */
	size_t n;               /* bytes of its value */
	unsigned flags;
	struct span key;
	const uint8_t *value;
};

struct look {
	const struct pages *p;
	size_t last;
	uint8_t *used;          /* a bit for each page */

	/* of the tree that is walked */
	enum { OF_FREE, OF_MAIN, OF_NAMED } kind;
	size_t entries;
	unsigned depth;         /* of its leaves; 0: none was reached yet */
	struct span after;      /* all that comes is; or equal, after a branch said so */
	bool equal;
};

static bool is_used_now(struct look *l, size_t page)
{
	uint8_t bit = (uint8_t)(1u << page % 8);

	if (page < FIRST || page > l->last || l->used[page / 8] & bit)
		return false;
	l->used[page / 8] |= bit;
	return true;
}

/* In the file, not reached before, and of that number. */
static const uint8_t *page_at(struct look *l, size_t page, struct head *h)
{
	const uint8_t *at = l->p->map + page * l->p->page;

	if (page >= l->p->bytes / l->p->page || !is_used_now(l, page))
		return NULL;
	memcpy(h, at, sizeof(*h));
	return h->number == page ? at : NULL;
}

/* ---- nodes ---- */

static bool node_at(const struct look *l, const uint8_t *page, const struct head *h, size_t i, struct node *out)
{
	uint16_t at, flags, key;
	uint32_t low;
	size_t room;

	memcpy(&at, page + HEAD + i * sizeof(at), sizeof(at));
	if (at % 2 || at < h->upper || at + NODE > l->p->page)
		return false;
	memcpy(&low, page + at, sizeof(low));
	memcpy(&flags, page + at + 4, sizeof(flags));
	memcpy(&key, page + at + 6, sizeof(key));
	room = l->p->page - at - NODE;
	*out = (struct node){ .key = span(page + at + NODE, key), .value = page + at + NODE + key };
	if (key > KEY_MAX || key > room)
		return false;
	if (h->flags & BRANCH) {
		out->child = low | (size_t)(sizeof(size_t) > 4 ? flags : 0) << 16 << 16;
		return true;
	}
	out->n = low;
	out->flags = flags;
	return (flags & BIG ? sizeof(size_t) : low) <= room - key;
}

static size_t bytes_of(const struct head *h, const struct node *n)
{
	size_t bytes = NODE + n->key.n + (h->flags & BRANCH ? 0 : n->flags & BIG ? sizeof(size_t) : n->n);

	return bytes + bytes % 2;
}

static int order_of(const struct look *l, struct span a, struct span b)
{
	size_t x, y, least = a.n < b.n ? a.n : b.n;
	int first;

	if (l->kind != OF_FREE) {
		first = memcmp(a.p, b.p, least);
		return first ? first : a.n < b.n ? -1 : a.n > b.n;
	}
	memcpy(&x, a.p, sizeof(x));
	memcpy(&y, b.p, sizeof(y));
	return x < y ? -1 : x > y;
}

static bool is_next(struct look *l, struct span key, bool leaf)
{
	bool next;

	if (!key.n || (l->kind == OF_FREE && key.n != sizeof(size_t)))
		return false;
	next = !l->after.n || order_of(l, l->after, key) < (leaf && l->equal);
	l->after = key;
	l->equal = !leaf;
	return next;
}

/* ---- values ---- */

static bool is_list_of_free(struct look *l, const uint8_t *value, size_t bytes)
{
	size_t n, before = SIZE_MAX, page;

	if (bytes < sizeof(n))
		return false;
	memcpy(&n, value, sizeof(n));
	if (n > bytes / sizeof(n) - 1)
		return false;
	for (size_t i = 1; i <= n; i++, before = page) {
		memcpy(&page, value + i * sizeof(n), sizeof(page));
		if (page >= before || !is_used_now(l, page))    /* nor free twice */
			return false;
	}
	return true;
}

/* It lies on pages of its own, of which the first says how many. */
static const uint8_t *value_elsewhere(struct look *l, const struct node *n)
{
	volatile uint8_t byte;
	const uint8_t *at;
	struct head h;
	uint32_t pages;
	size_t first;

	memcpy(&first, n->value, sizeof(first));
	at = page_at(l, first, &h);
	memcpy(&pages, &h.lower, sizeof(pages));
	if (!at || h.flags != OVERFLOW || pages < (HEAD - 1 + n->n) / l->p->page + 1 ||
	    pages > l->p->bytes / l->p->page - first)
		return NULL;
	for (uint32_t i = 1; i < pages; i++) {
		if (!is_used_now(l, first + i))
			return NULL;
		byte = at[i * l->p->page];
	}
	(void)byte;
	return at + HEAD;
}

static bool is_value(struct look *l, const struct node *n)
{
	const uint8_t *value = n->flags & BIG ? value_elsewhere(l, n) : n->value;

	if (!value)
		return false;
	if (l->kind == OF_MAIN)
		return n->flags == TREE && n->n == sizeof(struct tree);
	return !(n->flags & ~BIG) && (l->kind == OF_NAMED || is_list_of_free(l, value, n->n));
}

/* ---- trees ---- */

static bool is_tree(struct look *l, size_t root, unsigned depth);

static bool is_part(struct look *l, const struct head *h, const struct node *n, bool first, unsigned depth)
{
	if (h->flags & BRANCH)
		return (first || is_next(l, n->key, false)) && is_tree(l, n->child, depth + 1);
	l->entries++;
	return is_next(l, n->key, true) && is_value(l, n);
}

/* Leaves are all of one depth. */
static bool is_head(struct look *l, const struct head *h, unsigned depth)
{
	if (h->lower < HEAD + 2 || h->lower % 2 || h->lower > h->upper || h->upper > l->p->page)
		return false;
	if (h->flags == BRANCH)
		return depth < DEPTH_MAX;
	if (!l->depth)
		l->depth = depth;
	return h->flags == LEAF && l->depth == depth;
}

static bool is_tree(struct look *l, size_t root, unsigned depth)
{
	struct head h;
	const uint8_t *page = page_at(l, root, &h);
	size_t bytes = 0;

	if (!page || !is_head(l, &h, depth))
		return false;
	for (size_t i = 0; i < (h.lower - HEAD) / 2; i++) {
		struct node n;

		if (!node_at(l, page, &h, i, &n) || !is_part(l, &h, &n, i == 0, depth))
			return false;
		bytes += bytes_of(&h, &n);
	}
	return bytes <= l->p->page - h.upper;
}

/* No table of ours has duplicates or keys of another order; of the free pages a number is the key (and their flags are also those
 * of the file). */
static bool is_kind(const struct tree *t, int kind)
{
	return kind == OF_FREE ? (t->flags & KINDS) == INTEGERS : t->flags == 0;
}

static bool is_whole(struct look *l, const struct tree *t, int kind)
{
	if (!is_kind(t, kind))
		return false;
	l->kind = kind;
	l->entries = l->depth = 0;
	l->after = span(NULL, 0);
	return (t->root == NONE || is_tree(l, t->root, 1)) && l->entries == t->entries && l->depth == t->depth;
}

/* Of pages that is_whole() has found whole. */
static bool are_named(struct look *l, size_t root)
{
	const uint8_t *page = l->p->map + root * l->p->page;
	struct head h;

	if (root == NONE)
		return true;
	memcpy(&h, page, sizeof(h));
	for (size_t i = 0; i < (h.lower - HEAD) / 2; i++) {
		struct tree t;
		struct node n;

		if (!node_at(l, page, &h, i, &n))
			return false;
		if (!(h.flags & BRANCH))
			memcpy(&t, n.value, sizeof(t));
		if (h.flags & BRANCH ? !are_named(l, n.child) : !is_whole(l, &t, OF_NAMED))
			return false;
	}
	return true;
}

enum err pages_check(const struct pages *p, size_t txn)
{
	struct look l = { .p = p };
	struct meta m;
	bool whole;

	if (p->bytes < FIRST * p->page)
		return ERR_CORRUPT;
	memcpy(&m, p->map + (txn & 1) * p->page + HEAD, sizeof(m));
	if (m.txn != txn)
		return ERR_BUSY;
	if (m.last < FIRST - 1 || (m.last >= p->bytes / p->page && m.last >= m.map_bytes / p->page))
		return ERR_CORRUPT;
	l.last = m.last;
	l.used = calloc(1, m.last / 8 + 1);
	if (!l.used)
		return ERR_FULL;
	whole = is_whole(&l, &m.main, OF_MAIN) && are_named(&l, m.main.root) && is_whole(&l, &m.free, OF_FREE);
	free(l.used);
	return whole ? OK : ERR_CORRUPT;
}

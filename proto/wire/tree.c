#include "tree.h"

struct hash tree_leaf(struct span entry)
{
	static const uint8_t zero = 0x00;
	struct hash h;

	SHA256(h.b, span(&zero, 1), entry);
	return h;
}

struct hash tree_node(const struct hash *left, const struct hash *right)
{
	const struct { uint8_t one; struct hash left, right; } both = { 0x01, *left, *right };
	struct hash h;

	SHA256(h.b, span(&both, sizeof(both)));
	return h;
}

/* As adding one to a binary number: every carry joins two complete subtrees. */
unsigned tree_append_full(struct tree *t, const struct hash *leaf, struct hash full[TREE_TILE_LEVELS])
{
	struct hash h = *leaf;
	unsigned k = 0, n = 0;

	must(t->size < UINT64_MAX);
	while (t->size >> k & 1) {
		h = tree_node(&t->node[k++], &h);
		if (k % TREE_TILE_HEIGHT == 0)
			full[n++] = h;
	}
	t->node[k] = h;
	t->size++;
	return n;
}

void tree_append(struct tree *t, const struct hash *leaf)
{
	struct hash full[TREE_TILE_LEVELS];

	(void)tree_append_full(t, leaf, full);
}

struct hash tree_root(const struct tree *t)
{
	struct hash h;
	bool some = false;

	for (unsigned k = 0; k < TREE_LEVELS; k++) {
		if (!(t->size >> k & 1))
			continue;
		h = some ? tree_node(&t->node[k], &h) : t->node[k];
		some = true;
	}
	if (!some)
		SHA256(h.b, span(NULL, 0));
	return h;
}

size_t tree_write(const struct tree *t, uint8_t out[TREE_BYTES_MAX])
{
	size_t n = 8;

	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(t->size >> (56 - 8 * i));
	for (unsigned k = 0; k < TREE_LEVELS; k++) {
		if (!(t->size >> k & 1))
			continue;
		memcpy(out + n, t->node[k].b, SHA256_BYTES);
		n += SHA256_BYTES;
	}
	return n;
}

enum err tree_read(struct span raw, struct tree *out)
{
	struct tree t = { 0 };

	if (raw.n < 8)
		return ERR_SHORT;
	for (unsigned i = 0; i < 8; i++)
		t.size = t.size << 8 | raw.p[i];
	if (raw.n != 8 + (size_t)__builtin_popcountll(t.size) * SHA256_BYTES)
		return ERR_CORRUPT;
	raw = span(raw.p + 8, raw.n - 8);
	for (unsigned k = 0; k < TREE_LEVELS; k++) {
		if (!(t.size >> k & 1))
			continue;
		memcpy(t.node[k].b, raw.p, SHA256_BYTES);
		raw = span(raw.p + SHA256_BYTES, raw.n - SHA256_BYTES);
	}
	*out = t;
	return OK;
}

static bool same(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, SHA256_BYTES) == 0;
}

enum err tree_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf, const struct hash *proof, size_t n,
			      const struct hash *root)
{
	uint64_t fn = index, sn = size - 1;
	struct hash r = *leaf;

	if (index >= size)
		return ERR_RANGE;
	for (size_t i = 0; i < n; i++) {
		if (sn == 0)
			return ERR_KEY;
		if ((fn & 1) || fn == sn) {
			r = tree_node(&proof[i], &r);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			r = tree_node(&r, &proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && same(&r, root) ? OK : ERR_KEY;
}

/* The roots of both trees as the proof has them. False: it is of another length than the sizes ask for. */
static bool walk(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n, const struct hash *root1,
		 struct hash *fr, struct hash *sr)
{
	uint64_t fn = size1 - 1, sn = size2 - 1;
	size_t i = 0;

	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	/* When size1 is a power of two its root is the first node of the path, and is left out of the proof. */
	if (fn == 0 && (size1 & (size1 - 1)) == 0)
		*fr = *sr = *root1;
	else if (n == 0)
		return false;
	else
		*fr = *sr = proof[i++];
	for (; i < n; i++) {
		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn) {
			*fr = tree_node(&proof[i], fr);
			*sr = tree_node(&proof[i], sr);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			*sr = tree_node(sr, &proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0;
}

enum err tree_check_consistency(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n,
				const struct hash *root1, const struct hash *root2)
{
	struct hash fr, sr;

	if (size1 == 0 || size1 > size2)
		return ERR_RANGE;
	if (size1 == size2)
		return n == 0 && same(root1, root2) ? OK : ERR_KEY;
	return walk(size1, size2, proof, n, root1, &fr, &sr) && same(&fr, root1) && same(&sr, root2) ? OK : ERR_KEY;
}

bool tree_forks(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n, const struct hash *root1,
		const struct hash *root2)
{
	struct hash fr, sr;

	if (size1 == 0 || size1 > size2)
		return false;
	if (size1 == size2)
		return !same(root1, root2);
	return walk(size1, size2, proof, n, root1, &fr, &sr) && same(&sr, root2) && !same(&fr, root1);
}

/* ---- proofs ---- */

/* The root of the complete subtree of 2^height leaves that starts at leaf `at`. */
static enum err subtree(const struct tree_source *s, uint64_t at, unsigned height, struct hash *out)
{
	struct hash h[TREE_TILE_HASHES / 2];
	unsigned level = height / TREE_TILE_HEIGHT, n = 1u << height % TREE_TILE_HEIGHT;

	TRY(s->read(s->ctx, level, at >> (level * TREE_TILE_HEIGHT), n, h));
	for (; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			h[i] = tree_node(&h[2 * i], &h[2 * i + 1]);
	*out = h[0];
	return OK;
}

/* MTH(D[from:to]): complete subtrees from the left, the largest first, folded from the right. */
static enum err range(const struct tree_source *s, uint64_t from, uint64_t to, struct hash *out)
{
	uint64_t n = to - from, end = to;
	struct hash h, left;
	bool some = false;

	for (unsigned k = 0; n >> k; k++) {
		if (!(n >> k & 1))
			continue;
		end -= (uint64_t)1 << k;
		TRY(subtree(s, end, k, &left));
		h = some ? tree_node(&left, &h) : left;
		some = true;
		if (k == TREE_LEVELS - 1)
			break;
	}
	if (!some)
		SHA256(h.b, span(NULL, 0));
	*out = h;
	return OK;
}

/* The largest power of two below n, n > 1. */
static uint64_t split_of(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* Proofs are found from the root down and told from the leaf up. */
static void turn(struct hash *h, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct hash swap = h[i];

		h[i] = h[n - 1 - i];
		h[n - 1 - i] = swap;
	}
}

enum err tree_prove_inclusion(const struct tree_source *s, uint64_t index, uint64_t size,
			      struct hash proof[TREE_PROOF_MAX], size_t *n)
{
	uint64_t from = 0, to = size;
	size_t found = 0;

	if (index >= size)
		return ERR_RANGE;
	while (to - from > 1) {
		uint64_t middle = from + split_of(to - from);
		bool left = index < middle;

		TRY(left ? range(s, middle, to, &proof[found]) : range(s, from, middle, &proof[found]));
		found++;
		from = left ? from : middle;
		to = left ? middle : to;
	}
	turn(proof, found);
	*n = found;
	return OK;
}

enum err tree_prove_consistency(const struct tree_source *s, uint64_t size1, uint64_t size2,
				struct hash proof[TREE_PROOF_MAX], size_t *n)
{
	uint64_t from = 0, to = size2;
	size_t found = 0;

	if (size1 == 0 || size1 > size2)
		return ERR_RANGE;
	while (to != size1) {
		uint64_t middle = from + split_of(to - from);
		bool left = size1 <= middle;

		TRY(left ? range(s, middle, to, &proof[found]) : range(s, from, middle, &proof[found]));
		found++;
		from = left ? from : middle;
		to = left ? middle : to;
	}
	if (from > 0)   /* else the old root is a node of its own, which who checks has */
		TRY(range(s, from, to, &proof[found++]));
	turn(proof, found);
	*n = found;
	return OK;
}

enum err tree_root_at(const struct tree_source *s, uint64_t size, struct hash *out)
{
	return range(s, 0, size, out);
}

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
	static const uint8_t one = 0x01;
	struct hash h;

	SHA256(h.b, span(&one, 1), span(left->b, SHA256_BYTES), span(right->b, SHA256_BYTES));
	return h;
}

/* As adding one to a binary number: every carry joins two complete subtrees. */
void tree_append(struct tree *t, const struct hash *leaf)
{
	struct hash h = *leaf;
	unsigned k = 0;

	must(t->size < UINT64_MAX);
	for (; t->size >> k & 1; k++)
		h = tree_node(&t->node[k], &h);
	t->node[k] = h;
	t->size++;
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

enum err tree_check_consistency(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n,
				const struct hash *root1, const struct hash *root2)
{
	uint64_t fn = size1 - 1, sn = size2 - 1;
	struct hash fr, sr;
	size_t i = 0;

	if (size1 == 0 || size1 > size2)
		return ERR_RANGE;
	if (size1 == size2)
		return n == 0 && same(root1, root2) ? OK : ERR_KEY;
	while (fn & 1) {
		fn >>= 1;
		sn >>= 1;
	}
	/* When size1 is a power of two its root is the first node of the path, and is left out of the proof. */
	if (fn == 0 && (size1 & (size1 - 1)) == 0)
		fr = sr = *root1;
	else if (n == 0)
		return ERR_KEY;
	else
		fr = sr = proof[i++];
	for (; i < n; i++) {
		if (sn == 0)
			return ERR_KEY;
		if ((fn & 1) || fn == sn) {
			fr = tree_node(&proof[i], &fr);
			sr = tree_node(&proof[i], &sr);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			sr = tree_node(&sr, &proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && same(&fr, root1) && same(&sr, root2) ? OK : ERR_KEY;
}

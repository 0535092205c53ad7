/* tree: the Merkle tree of RFC 6962 §2.1 (SHA-256), kept as its frontier: the roots of the complete subtrees, one for
 * each set bit of the size. Appending and folding to a root need nothing else. Pure. */
#ifndef PULLCORD_TREE_H
#define PULLCORD_TREE_H

#include "crypt.h"

#define TREE_LEVELS 64
#define TREE_PROOF_MAX 65      /* a consistency proof over 64 levels, and the old root; an inclusion proof has fewer */
#define TREE_TILE_HEIGHT 8      /* levels of the tree to one level of tiles (C2SP tlog-tiles) */
#define TREE_TILE_HASHES 256
#define TREE_TILE_LEVELS 8

struct hash {
	uint8_t b[SHA256_BYTES];
};

struct tree {
	uint64_t size;
	struct hash node[TREE_LEVELS];   /* node[k] is valid when bit k of size is set */
};

struct hash tree_leaf(struct span entry);                             /* SHA-256(0x00 | entry) */
struct hash tree_node(const struct hash *left, const struct hash *right); /* SHA-256(0x01 | left | right) */

void tree_append(struct tree *t, const struct hash *leaf);
/* As tree_append(). full[i] is the root of the subtree of 256^(i + 1) leaves that this leaf completes: the next hash of
 * tile level i + 1. Returns how many it completes. */
unsigned tree_append_full(struct tree *t, const struct hash *leaf, struct hash full[TREE_TILE_LEVELS]);
struct hash tree_root(const struct tree *t);                          /* of the empty tree: SHA-256 of nothing */

/* The frontier as bytes: size u64 BE, then node[k] for each set bit from low to high. tree_read() checks the length. */
#define TREE_BYTES_MAX (8 + TREE_LEVELS * SHA256_BYTES)
size_t tree_write(const struct tree *t, uint8_t out[TREE_BYTES_MAX]);
enum err tree_read(struct span raw, struct tree *out) MUST_USE;

/* Where proofs come from: `n` hashes of tile level `level` (roots of subtrees of 256^level leaves; level 0: leaf hashes)
 * from number `first` on. n is a power of two of at most 128, first a multiple of it: always within one tile. */
struct tree_source {
	enum err (*read)(void *ctx, unsigned level, uint64_t first, unsigned n, struct hash *out);
	void *ctx;
};

/* RFC 6962 §2.1.1 and §2.1.2, by O(log size) reads. ERR_RANGE for senseless sizes; else what the source says. */
enum err tree_prove_inclusion(const struct tree_source *s, uint64_t index, uint64_t size,
			      struct hash proof[TREE_PROOF_MAX], size_t *n) MUST_USE;
enum err tree_prove_consistency(const struct tree_source *s, uint64_t size1, uint64_t size2,
				struct hash proof[TREE_PROOF_MAX], size_t *n) MUST_USE;
/* The root the tree had at that size. */
enum err tree_root_at(const struct tree_source *s, uint64_t size, struct hash *out) MUST_USE;

/* RFC 9162 §2.1.3.2 and §2.1.4.2. ERR_KEY when the proof does not lead to the root, ERR_RANGE for senseless sizes. */
enum err tree_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf, const struct hash *proof, size_t n,
			      const struct hash *root) MUST_USE;
enum err tree_check_consistency(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n,
				const struct hash *root1, const struct hash *root2) MUST_USE;
/* Does the proof lead to root2 from another root than root1? Then it shows that there are two trees of size1. Says no more
 * than that it cannot tell when it says no: from a size that is a power of two no proof shows it. */
bool tree_forks(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n, const struct hash *root1,
		const struct hash *root2) MUST_USE;

#endif

/* tree: the Merkle tree of RFC 6962 §2.1 (SHA-256), kept as its frontier: the roots of the complete subtrees, one for
 * each set bit of the size. Appending and folding to a root need nothing else. Pure. */
#ifndef PULLCORD_TREE_H
#define PULLCORD_TREE_H

#include "crypt.h"

#define TREE_LEVELS 64
#define TREE_PROOF_MAX 64

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
struct hash tree_root(const struct tree *t);                          /* of the empty tree: SHA-256 of nothing */

/* The frontier as bytes: size u64 BE, then node[k] for each set bit from low to high. tree_read() checks the length. */
#define TREE_BYTES_MAX (8 + TREE_LEVELS * SHA256_BYTES)
size_t tree_write(const struct tree *t, uint8_t out[TREE_BYTES_MAX]);
enum err tree_read(struct span raw, struct tree *out) MUST_USE;

/* RFC 9162 §2.1.3.2 and §2.1.4.2. ERR_KEY when the proof does not lead to the root, ERR_RANGE for senseless sizes. */
enum err tree_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf, const struct hash *proof, size_t n,
			      const struct hash *root) MUST_USE;
enum err tree_check_consistency(uint64_t size1, uint64_t size2, const struct hash *proof, size_t n,
				const struct hash *root1, const struct hash *root2) MUST_USE;

#endif

/* trail: the record as it lies in its store; shared by the writer, the verifier and the tool.
 *
 *     entry   index, u64       the entry's bytes (seal.h)
 *     leaf    index, u64       SHA-256(0x00 | entry)
 *     seg     segment, u32     state, class, first and last index, wrapped key (struct segment)
 *     ckpt    size, u64        the signed note of the checkpoint
 *     tree    "head"           frontier of all entries, committed together with them (tree_write)
 *             "signed"         frontier at the newest checkpoint
 *
 * Entries, leaves and closed segments never change. One process writes (ERR_BUSY for a second), others may read
 * meanwhile: in short views, for a long one keeps the writer from using pages again. */
#ifndef PULLCORD_TRAIL_H
#define PULLCORD_TRAIL_H

#include "seal.h"
#include "store.h"
#include "vault.h"

struct trail;

/* ERR_CORRUPT: the tables do not agree on how many entries there are, or the frontier cannot be read. */
enum err trail_open(const char *path, size_t map_bytes, bool read_only, struct trail **out) MUST_USE;
void trail_close(struct trail **t);

struct segment {
	bool closed;
	uint8_t class;
	uint64_t first, last;           /* index of its segment-open entry, and of its last entry once closed */
	uint8_t wrapped[AEAD_KEY_BYTES + VAULT_EXTRA];
};
/* The segment's key under the vault of purpose "record", bound to origin, segment and class. ERR_KEY. */
enum err segment_wrap(struct segment *s, const struct vault *v, struct span origin, uint32_t id,
		      const struct segment_key *key) MUST_USE;
enum err segment_unwrap(const struct segment *s, const struct vault *v, struct span origin, uint32_t id,
			struct segment_key *key) MUST_USE;

/* Writing. One batch is one transaction: durable and as a whole when trail_commit() says OK, else as if it had never
 * begun; after any failure, trail_abort(). begin gives ERR_FULL while free room is at its reserve. */
enum err trail_begin(struct trail *t) MUST_USE;
enum err trail_append(struct trail *t, struct span entry) MUST_USE;
enum err trail_put_segment(struct trail *t, uint32_t id, const struct segment *s) MUST_USE;
enum err trail_commit(struct trail *t) MUST_USE;
void trail_abort(struct trail *t);
/* What is committed, and during a batch what it has appended. */
const struct tree *trail_tree(const struct trail *t);
/* Keeps the note signed for trail_tree(); a transaction of its own. */
enum err trail_put_checkpoint(struct trail *t, struct span note) MUST_USE;

/* Reading, in a view that txn_abort() ends. ERR_NOT_FOUND. Spans borrow from the view. */
enum err trail_view(struct trail *t, struct txn **out) MUST_USE;
enum err view_tree(struct txn *view, struct tree *out) MUST_USE;
enum err view_signed(struct txn *view, struct tree *out) MUST_USE;
enum err view_entry(struct txn *view, uint64_t index, struct span *out) MUST_USE;
enum err view_leaf(struct txn *view, uint64_t index, struct hash *out) MUST_USE;
enum err view_segment(struct txn *view, uint32_t id, struct segment *out) MUST_USE;
/* The first checkpoint above `size`; the newest of all. */
enum err view_checkpoint(struct txn *view, uint64_t above, uint64_t *size, struct span *note) MUST_USE;
enum err view_newest_checkpoint(struct txn *view, uint64_t *size, struct span *note) MUST_USE;
/* The greatest keys there are: *entries and *leaves are one more; all are 0 when there is none. */
struct trail_ends {
	uint64_t entries, leaves, signed_size;
	uint32_t segment;
};
enum err view_ends(struct txn *view, struct trail_ends *out) MUST_USE;

/* A number that rises with every commit of the writer; a look at memory. */
uint64_t trail_generation(const struct trail *t);

#endif

/* trail: the record as it lies in its store; shared by the writer, the verifier and the tool.
 *
 *     entry   index, u64              the entry's bytes (seal.h); after its segment was erased, a stub
 *     leaf    run, u64                hashes of tile level 0, TRAIL_RUN of them: SHA-256(0x00 | entry)
 *     tile    level, 1 | run, u64     hashes of the levels above (C2SP tlog-tiles), TRAIL_RUN of them; the last one fewer
 *     seg     segment, u32            state, keep, first and newest index, how many records, when (struct segment)
 *     ckpt    size, u64               when, must it stay, and the signed note of the checkpoint with all signature lines
 *     tree    "head"                  frontier of all entries, committed together with them (tree_write)
 *             "signed"                frontier at the newest checkpoint
 *             "open"                  ids of the segments that are open
 *             "years"                 which segments are keys of pseudonyms, in the order they were made: year, u16 | segment, u32
 *             "epoch"     of the forward-secure line in force (struct epoch_row)
 *             "line"      of an older version's line: not looked at
 *             "erasing"               the segment whose entries are being taken out, and the next index to look at
 *
 * Beside it lies `PATH-keys`: the segments' wrapped keys, one slot of 64 bytes each, written in place, and reserved
 * by the MiB long before they are needed. They are not in the
 * store because LMDB copies on write, and what was overwritten must be gone. Leave this file out of ordinary backups:
 * restoring it undoes erasure.
 *
 * Hashes and closed segments never change; of entries only those of an erased segment do. One process writes (ERR_BUSY for
 * a second), others may read meanwhile: in short views, for a long one keeps the writer from using pages again. */
#ifndef PULLCORD_TRAIL_H
#define PULLCORD_TRAIL_H

#include "forward.h"
#include "seal.h"
#include "store.h"
#include "vault.h"

/* Hashes to a row. 16 fill an LMDB page better than the 32 of 1,024 bytes, and neither needs overflow pages. */
#define TRAIL_RUN 16

struct trail;

/* ERR_CORRUPT: the tables do not agree on how many entries there are, or the frontier cannot be read. ERR_VERSION: another
 * version of the layout wrote it. */
enum err trail_open(const char *path, size_t map_bytes, bool read_only, struct trail **out) MUST_USE;
void trail_close(struct trail **t);

/* Whoever searches keeps an index beside it, which knows names: `record.idx` of `record.mdb`. False: no room in `out`. */
bool trail_index_path(const char *path, char *out, size_t cap) MUST_USE;
/* Takes it away, also while somebody reads it. ERR_EXISTS: it is there still. */
enum err trail_forget_index(struct trail *t) MUST_USE;

/* ---- segments ---- */

enum segment_state { SEGMENT_OPEN = 1, SEGMENT_CLOSED, SEGMENT_ERASED };

struct segment {
	enum segment_state state;
	uint8_t holds;                  /* in force: while there is one it must not be erased */
	uint16_t keep;                  /* KEEP_* of seal.h */
	uint64_t first, last;           /* index of its segment-open entry; of its newest record, or `first` */
	uint32_t records;               /* sealed in it: the next one's seq */
	int64_t opened_us, closed_us;   /* wall clock; its retention counts from when it was closed */
	uint64_t erased_at;             /* index of the control entry that says so */
};
#define SEGMENTS_OPEN_MAX 8             /* one for each retention */
#define SEGMENT_WRAPPED (AEAD_KEY_BYTES + VAULT_EXTRA)

/* The segment's key under the vault of purpose "record", bound to origin, id and retention. ERR_KEY; ERR_NOT_FOUND: it
 * was destroyed. */
enum err trail_put_key(struct trail *t, const struct vault *v, struct span origin, uint32_t id, uint16_t keep,
		       const struct segment_key *key) MUST_USE;
enum err trail_get_key(const struct trail *t, const struct vault *v, struct span origin, uint32_t id, uint16_t keep,
		       struct segment_key *key) MUST_USE;
/* Opened to read: can the file of keys be read? Without it all is verified that is public, and nothing opened. */
bool trail_has_keys(const struct trail *t);
/* SHA-256 of the wrapped key as it lies in the file. ERR_NOT_FOUND. */
enum err trail_key_digest(const struct trail *t, uint32_t id, uint8_t out[SHA256_BYTES]) MUST_USE;
/* Overwritten in place with random bytes, then with zeros, flushed after each. */
enum err trail_destroy_key(struct trail *t, uint32_t id) MUST_USE;

/* ---- writing ---- */

/* One batch is one transaction: durable and as a whole when trail_commit() says OK, else as if it had never begun; after
 * any failure, trail_abort(). begin gives ERR_FULL while free room is at its reserve. */
enum err trail_begin(struct trail *t) MUST_USE;
enum err trail_begin_reserve(struct trail *t) MUST_USE;   /* for what makes room: into the reserve */
enum err trail_append(struct trail *t, struct span entry) MUST_USE;
enum err trail_put_segment(struct trail *t, uint32_t id, const struct segment *s) MUST_USE;
enum err trail_put_open(struct trail *t, const uint32_t *id, size_t n) MUST_USE;
/* The segment that is being erased and where that has come to; id 0: none. */
enum err trail_put_erasing(struct trail *t, uint32_t id, uint64_t at) MUST_USE;
/* Puts a stub in the place of the sealed entries of an erased segment from *at on; at most `most` entries are looked at.
 * *at is where to go on; past segment->last: done. */
enum err trail_strip(struct trail *t, uint32_t id, const struct segment *s, uint64_t *at, unsigned most) MUST_USE;
/* How far the line has come (turns.h), together with the entries that say so. */
struct epoch_row {
	struct forward_root root;
	uint32_t epoch;                 /* whose key is due */
	uint64_t index;                 /* of the entry it began with ... */
	bool ended;                     /* ... which ended the one before; else it is the root of the first line */
	int64_t began_us, every_us;     /* wall clock, as that entry has it */
};
/* The keys of pseudonyms: the segment of each, and the calendar year. */
struct year_row {
	uint16_t year;
	uint32_t segment;
};
#define YEARS_MAX 64
enum err trail_put_years(struct trail *t, const struct year_row *row, size_t n) MUST_USE;
enum err trail_put_epoch(struct trail *t, const struct epoch_row *row) MUST_USE;
enum err trail_commit(struct trail *t) MUST_USE;
void trail_abort(struct trail *t);
/* What is committed, and during a batch what it has appended. */
const struct tree *trail_tree(const struct trail *t);
/* The batch as a view. */
struct txn *trail_batch(struct trail *t);

/* Keeps the note signed for trail_tree(); a transaction of its own. Thins out older ones: those of the last hour stay, one
 * a minute of the last week, one an hour from before, and all that must stay (the end of an epoch, a cosigned one an hour). */
enum err trail_put_checkpoint(struct trail *t, struct span note, int64_t at_us, bool stays) MUST_USE;
/* The note of that size with more signature lines; must it stay from now on? ERR_NOT_FOUND. A transaction of its own. */
enum err trail_cosign(struct trail *t, uint64_t size, struct span note, bool stays) MUST_USE;

/* Free and all pages of the store. */
enum err trail_room(struct trail *t, struct store_room *out) MUST_USE;

/* ---- reading, in a view that txn_abort() ends. ERR_NOT_FOUND. Spans borrow from the view. ---- */

struct checkpoint_row {
	uint64_t size;
	int64_t at_us;
	bool stays;
	struct span note;
};

enum err trail_view(struct trail *t, struct txn **out) MUST_USE;
enum err view_tree(struct txn *view, struct tree *out) MUST_USE;
enum err view_signed(struct txn *view, struct tree *out) MUST_USE;
enum err view_entry(struct txn *view, uint64_t index, struct span *out) MUST_USE;
/* `n` hashes of a tile level from number `first` on; level 0: leaf hashes. */
enum err view_hashes(struct txn *view, unsigned level, uint64_t first, unsigned n, struct hash *out) MUST_USE;
/* For tree_prove_*() and tree_root_at(), as long as the view lives. */
struct tree_source view_source(struct txn *view);
enum err view_segment(struct txn *view, uint32_t id, struct segment *out) MUST_USE;
enum err view_epoch(struct txn *view, struct epoch_row *out) MUST_USE;   /* ERR_NOT_FOUND: there is no line */
enum err view_erasing(struct txn *view, uint32_t *id, uint64_t *at) MUST_USE;
enum err view_years(struct txn *view, struct year_row row[YEARS_MAX], size_t *n) MUST_USE;
enum err view_open(struct txn *view, uint32_t id[SEGMENTS_OPEN_MAX], size_t *n) MUST_USE;
/* The first checkpoint above `size`; the newest of all. */
enum err view_checkpoint(struct txn *view, uint64_t above, struct checkpoint_row *out) MUST_USE;
enum err view_newest_checkpoint(struct txn *view, struct checkpoint_row *out) MUST_USE;
/* The greatest keys there are: *entries is one more; all are 0 when there is none. */
struct trail_ends {
	uint64_t entries, runs, signed_size;
	uint32_t segment;
};
enum err view_ends(struct txn *view, struct trail_ends *out) MUST_USE;

/* A number that rises with every commit of the writer; a look at memory. */
uint64_t trail_generation(const struct trail *t);

#endif

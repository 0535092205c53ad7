#include "trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "disk.h"

enum { TABLE_ENTRY, TABLE_LEAF, TABLE_TILE, TABLE_SEG, TABLE_CKPT, TABLE_TREE };
static const char *const tables[] = { "entry", "leaf", "tile", "seg", "ckpt", "tree", NULL };
#define TRAIL_VERSION 2
#define HEAD SPAN_LIT("head")
#define SIGNED SPAN_LIT("signed")
#define OPEN SPAN_LIT("open")
#define ERASING SPAN_LIT("erasing")
#define YEARS SPAN_LIT("years")
#define EPOCH SPAN_LIT("epoch")

/* How far one rule of thinning has come through the checkpoints. */
struct thinned {
	uint64_t size;
	int64_t slot;
};

#define THIN_STEP 64
static const struct { int64_t age_us, every_us; } thinning[] = {
	{ 3600 * 1000000LL, 60 * 1000000LL }, { 7 * 24 * 3600 * 1000000LL, 3600 * 1000000LL },
};

/* The last, unfinished run of hashes of each level. */
struct runs {
	struct hash hash[TREE_TILE_LEVELS][TRAIL_RUN];
};

struct trail {
	struct store *store;
	int lock, keys;
	char index[4096];              /* path of what a search keeps beside it */
	off_t keys_bytes;               /* reserved */
	struct tree committed, tree;   /* equal outside of a batch */
	struct runs committed_runs, runs;
	struct txn *batch;
	struct thinned thinned[countof(thinning)];
};

/* LMDB would let two processes write by turns, each with its own idea of the tree. */
static enum err lock(const char *path, int *out)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return ERR_DENIED;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return ERR_BUSY;
	*out = fd;
	fd = -1;
	return OK;
}

static uint64_t hashes_of(uint64_t size, unsigned level)
{
	return size >> (level * TREE_TILE_HEIGHT);
}

static uint64_t runs_of(uint64_t hashes)
{
	return hashes / TRAIL_RUN + (hashes % TRAIL_RUN > 0);
}

static enum err load_runs(struct trail *t, struct txn *view)
{
	for (unsigned level = 0; level < TREE_TILE_LEVELS; level++) {
		uint64_t n = hashes_of(t->tree.size, level);

		TRY(view_hashes(view, level, n / TRAIL_RUN * TRAIL_RUN, (unsigned)(n % TRAIL_RUN), t->runs.hash[level]));
	}
	t->committed_runs = t->runs;
	return OK;
}

static enum err load(struct trail *t)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct trail_ends ends;
	enum err e;

	TRY(trail_view(t, &view));
	TRY(view_tree(view, &t->committed));
	TRY(view_ends(view, &ends));
	t->tree = t->committed;
	if (ends.entries != t->tree.size || ends.runs != runs_of(t->tree.size))
		return ERR_CORRUPT;
	e = load_runs(t, view);
	return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

#define KEY_SLOT 64
#define KEYS_STEP ((off_t)1 << 20)
#define KEYS_AHEAD (KEYS_STEP / 2)      /* thousands of segments */

static off_t key_slot(uint32_t id)
{
	return (off_t)(id - 1) * KEY_SLOT;
}

/* Long before it is needed: when the disk is full by then, segments go on being opened. */
static void reserve_keys(struct trail *t, uint32_t id)
{
	off_t want = key_slot(id) + KEY_SLOT + KEYS_AHEAD;

	want = (want + KEYS_STEP - 1) / KEYS_STEP * KEYS_STEP;
	if (want > t->keys_bytes && disk_reserve(t->keys, want) == OK)
		t->keys_bytes = want;
}

/* Without it nothing can be opened, but everything can be verified. */
static enum err open_keys(struct trail *t, const char *path, bool read_only)
{
	char name[4096];
	int n = snprintf(name, sizeof(name), "%s-keys", path);
	enum err e;

	if (n < 0 || (size_t)n >= sizeof(name))
		return ERR_TOO_LARGE;
	if (!read_only) {
		TRY(disk_open(name, 4096, &t->keys));
		reserve_keys(t, 1);
		return OK;
	}
	e = disk_open_read(name, &t->keys);
	return e == ERR_NOT_FOUND || e == ERR_DENIED ? OK : e;
}

enum err trail_open(const char *path, size_t map_bytes, bool read_only, struct trail **out)
{
	CLEANUP(trail_close) struct trail *t = calloc(1, sizeof(*t));
	const struct store_spec spec = {
		.kind = "record", .version = TRAIL_VERSION, .oldest = TRAIL_VERSION, .map_bytes = map_bytes, .table = tables,
		.read_only = read_only,
	};

	if (!t)
		return ERR_FULL;
	t->lock = t->keys = -1;
	if (!trail_index_path(path, t->index, sizeof(t->index)))
		return ERR_TOO_LARGE;
	if (!read_only)
		TRY(lock(path, &t->lock));
	TRY(store_open(path, &spec, &t->store));
	TRY(open_keys(t, path, read_only));
	if (!read_only)
		TRY(load(t));
	*out = t;
	t = NULL;
	return OK;
}

void trail_close(struct trail **t)
{
	if (*t) {
		txn_abort(&(*t)->batch);
		store_close(&(*t)->store);
		fd_cleanup(&(*t)->keys);
		fd_cleanup(&(*t)->lock);
	}
	free(*t);
	*t = NULL;
}

/* ---- the index beside it ---- */

bool trail_index_path(const char *path, char *out, size_t cap)
{
	size_t n = strlen(path), keep = n > 4 && strcmp(path + n - 4, ".mdb") == 0 ? n - 4 : n;

	return snprintf(out, cap, "%.*s.idx", (int)keep, path) < (int)cap;
}

/* First what locks it: whoever opens it in between finds an index without its lock, and makes one. */
enum err trail_forget_index(struct trail *t)
{
	char lock_path[sizeof(t->index) + 8];

	snprintf(lock_path, sizeof(lock_path), "%s" STORE_LOCK, t->index);
	if (unlink(lock_path) != 0 && errno != ENOENT)
		return ERR_EXISTS;
	return unlink(t->index) == 0 || errno == ENOENT ? OK : ERR_EXISTS;
}

/* ---- segments ---- */

struct key32 {
	uint8_t b[4];
};

static struct key32 key32(uint32_t n)
{
	return (struct key32){ { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

#define WRAP_AAD_MAX (ORIGIN_BYTES_MAX + 6)

static struct span wrap_aad(uint8_t buf[WRAP_AAD_MAX], struct span origin, uint32_t id, uint16_t keep)
{
	struct put b = put(buf, WRAP_AAD_MAX);

	put_bytes(&b, origin);
	put_u32(&b, id);
	put_u16(&b, keep);
	must(put_end(&b) == OK);
	return put_span(&b);
}

enum err trail_put_key(struct trail *t, const struct vault *v, struct span origin, uint32_t id, uint16_t keep,
		       const struct segment_key *key)
{
	uint8_t aad[WRAP_AAD_MAX], slot[KEY_SLOT] = { 0 };

	must(id > 0);
	reserve_keys(t, id);
	TRY(vault_seal(v, wrap_aad(aad, origin, id, keep), span(key->b, sizeof(key->b)), slot));
	return disk_write(t->keys, span(slot, sizeof(slot)), key_slot(id));
}

static enum err read_slot(const struct trail *t, uint32_t id, uint8_t slot[KEY_SLOT])
{
	static const uint8_t zero[KEY_SLOT];

	if (t->keys < 0 || id == 0 || disk_read(t->keys, slot, KEY_SLOT, key_slot(id)) != OK ||
	    memcmp(slot, zero, KEY_SLOT) == 0)
		return ERR_NOT_FOUND;
	return OK;
}

enum err trail_get_key(const struct trail *t, const struct vault *v, struct span origin, uint32_t id, uint16_t keep,
		       struct segment_key *key)
{
	uint8_t aad[WRAP_AAD_MAX], slot[KEY_SLOT];

	TRY(read_slot(t, id, slot));
	TRY(vault_open(v, wrap_aad(aad, origin, id, keep), span(slot, SEGMENT_WRAPPED), key->b));
	segment_key_ready(key);
	return OK;
}

bool trail_has_keys(const struct trail *t) { return t->keys >= 0; }

enum err trail_key_digest(const struct trail *t, uint32_t id, uint8_t out[SHA256_BYTES])
{
	uint8_t slot[KEY_SLOT];

	TRY(read_slot(t, id, slot));
	SHA256(out, span(slot, SEGMENT_WRAPPED));
	return OK;
}

enum err trail_destroy_key(struct trail *t, uint32_t id)
{
	uint8_t slot[KEY_SLOT];

	must(id > 0);
	crypt_random(slot, sizeof(slot));
	TRY(disk_write(t->keys, span(slot, sizeof(slot)), key_slot(id)));
	memset(slot, 0, sizeof(slot));
	return disk_write(t->keys, span(slot, sizeof(slot)), key_slot(id));
}

#define SEGMENT_ROW (1 + 1 + 2 + 8 + 8 + 4 + 8 + 8 + 8)

static enum err segment_read(struct span raw, struct segment *out)
{
	struct cur c = cur(raw);
	struct segment s = { .state = cur_u8(&c) };

	s.holds = cur_u8(&c);
	s.keep = cur_u16(&c);
	s.first = cur_u64(&c);
	s.last = cur_u64(&c);
	s.records = cur_u32(&c);
	s.opened_us = (int64_t)cur_u64(&c);
	s.closed_us = (int64_t)cur_u64(&c);
	s.erased_at = cur_u64(&c);
	if (cur_end(&c) != OK || s.state < SEGMENT_OPEN || s.state > SEGMENT_ERASED)
		return ERR_CORRUPT;
	*out = s;
	return OK;
}

enum err trail_put_segment(struct trail *t, uint32_t id, const struct segment *s)
{
	uint8_t row[SEGMENT_ROW];
	struct put b = put(row, sizeof(row));
	struct key32 key = key32(id);

	put_u8(&b, (uint8_t)s->state);
	put_u8(&b, s->holds);
	put_u16(&b, s->keep);
	put_u64(&b, s->first);
	put_u64(&b, s->last);
	put_u32(&b, s->records);
	put_u64(&b, (uint64_t)s->opened_us);
	put_u64(&b, (uint64_t)s->closed_us);
	put_u64(&b, s->erased_at);
	TRY(put_end(&b));
	return txn_put(t->batch, TABLE_SEG, span(key.b, sizeof(key.b)), put_span(&b));
}

enum err trail_put_open(struct trail *t, const uint32_t *id, size_t n)
{
	uint8_t raw[4 * SEGMENTS_OPEN_MAX];
	struct put b = put(raw, sizeof(raw));

	for (size_t i = 0; i < n; i++)
		put_u32(&b, id[i]);
	TRY(put_end(&b));
	return txn_put(t->batch, TABLE_TREE, OPEN, put_span(&b));
}

enum err trail_put_years(struct trail *t, const struct year_row *row, size_t n)
{
	uint8_t raw[6 * YEARS_MAX];
	struct put b = put(raw, sizeof(raw));

	for (size_t i = 0; i < n; i++) {
		put_u16(&b, row[i].year);
		put_u32(&b, row[i].segment);
	}
	TRY(put_end(&b));
	return txn_put(t->batch, TABLE_TREE, YEARS, put_span(&b));
}

enum err trail_put_erasing(struct trail *t, uint32_t id, uint64_t at)
{
	uint8_t raw[12];
	struct put b = put(raw, sizeof(raw));

	put_u32(&b, id);
	put_u64(&b, at);
	return txn_put(t->batch, TABLE_TREE, ERASING, put_span(&b));
}

enum err view_erasing(struct txn *view, uint32_t *id, uint64_t *at)
{
	struct span raw;
	struct cur c;
	enum err e = txn_get(view, TABLE_TREE, ERASING, &raw);

	*id = 0;
	*at = 0;
	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	c = cur(raw);
	*id = cur_u32(&c);
	*at = cur_u64(&c);
	return cur_end(&c) == OK ? OK : ERR_CORRUPT;
}

enum err trail_put_epoch(struct trail *t, const struct epoch_row *row)
{
	uint8_t raw[SHA256_BYTES + 30];
	struct put b = put(raw, sizeof(raw));

	put_bytes(&b, span(row->root.hash.b, SHA256_BYTES));
	put_u8(&b, row->root.depth);
	put_u32(&b, row->epoch);
	put_u64(&b, row->index);
	put_u8(&b, row->ended);
	put_u64(&b, (uint64_t)row->began_us);
	put_u64(&b, (uint64_t)row->every_us);
	TRY(put_end(&b));
	return txn_put(t->batch, TABLE_TREE, EPOCH, put_span(&b));
}

enum err view_epoch(struct txn *view, struct epoch_row *out)
{
	struct epoch_row row = { .epoch = 0 };
	struct span raw, root;
	struct cur c;

	TRY(txn_get(view, TABLE_TREE, EPOCH, &raw));
	c = cur(raw);
	root = cur_take(&c, SHA256_BYTES);
	row.root.depth = cur_u8(&c);
	row.epoch = cur_u32(&c);
	row.index = cur_u64(&c);
	row.ended = cur_u8(&c);
	row.began_us = (int64_t)cur_u64(&c);
	row.every_us = (int64_t)cur_u64(&c);
	if (cur_end(&c) != OK || row.root.depth < FORWARD_DEPTH_MIN || row.root.depth > FORWARD_DEPTH_MAX)
		return ERR_CORRUPT;
	memcpy(row.root.hash.b, root.p, root.n);
	*out = row;
	return OK;
}

enum err trail_strip(struct trail *t, uint32_t id, const struct segment *s, uint64_t *at, unsigned most)
{
	uint8_t raw[ENTRY_ERASED_BYTES];
	struct entry e;
	struct span have;
	struct put stub;

	must(s->state == SEGMENT_ERASED);
	for (; *at <= s->last && most > 0; ++*at, most--) {
		struct key64 key = key64(*at);

		TRY(view_entry(t->batch, *at, &have));
		if (entry_read(have, &e) != OK)
			return ERR_CORRUPT;
		if (e.kind != ENTRY_SEALED || e.segment != id)
			continue;
		stub = put(raw, sizeof(raw));
		entry_write_erased(id, e.seq, &stub);
		/* Taken out first: only so does LMDB join pages that have become empty. */
		TRY(txn_del(t->batch, TABLE_ENTRY, key64_span(&key)));
		TRY(txn_put(t->batch, TABLE_ENTRY, key64_span(&key), put_span(&stub)));
	}
	return OK;
}

/* ---- writing ---- */

enum err trail_begin(struct trail *t)
{
	must(!t->batch);
	if (store_tight(t->store))
		return ERR_FULL;
	return txn_begin_write(t->store, &t->batch);
}

enum err trail_begin_reserve(struct trail *t)
{
	must(!t->batch);
	return txn_begin_write(t->store, &t->batch);
}

/* Runs are written when they are full, and unfinished at a commit. Leaves come in the order of their keys; appended, they
 * fill their pages. The unfinished run of the last commit makes room for itself. */
static enum err write_run(struct trail *t, unsigned level, uint64_t run, unsigned n)
{
	struct span value = span(t->runs.hash[level], n * sizeof(struct hash));
	struct key64 key = key64(run);
	uint8_t where[9] = { (uint8_t)level };

	if (level == 0) {
		if (t->committed.size % TRAIL_RUN && t->committed.size / TRAIL_RUN == run)
			TRY(txn_del(t->batch, TABLE_LEAF, key64_span(&key)));
		return txn_append(t->batch, TABLE_LEAF, key64_span(&key), value);
	}
	memcpy(where + 1, key.b, sizeof(key.b));
	return txn_put(t->batch, TABLE_TILE, span(where, sizeof(where)), value);
}

static enum err add_hash(struct trail *t, unsigned level, uint64_t number, const struct hash *h)
{
	t->runs.hash[level][number % TRAIL_RUN] = *h;
	return number % TRAIL_RUN == TRAIL_RUN - 1 ? write_run(t, level, number / TRAIL_RUN, TRAIL_RUN) : OK;
}

enum err trail_append(struct trail *t, struct span entry)
{
	struct key64 key = key64(t->tree.size);
	struct hash leaf = tree_leaf(entry), full[TREE_TILE_LEVELS];
	unsigned n;

	must(t->batch && entry.n <= ENTRY_BYTES_MAX);
	TRY(txn_append(t->batch, TABLE_ENTRY, key64_span(&key), entry));
	n = tree_append_full(&t->tree, &leaf, full);
	TRY(add_hash(t, 0, t->tree.size - 1, &leaf));
	for (unsigned level = 1; level <= n && level < TREE_TILE_LEVELS; level++)
		TRY(add_hash(t, level, hashes_of(t->tree.size, level) - 1, &full[level - 1]));
	return OK;
}

static enum err write_unfinished(struct trail *t)
{
	for (unsigned level = 0; level < TREE_TILE_LEVELS; level++) {
		uint64_t n = hashes_of(t->tree.size, level);

		if (n % TRAIL_RUN && n != hashes_of(t->committed.size, level))
			TRY(write_run(t, level, n / TRAIL_RUN, (unsigned)(n % TRAIL_RUN)));
	}
	return OK;
}

enum err trail_commit(struct trail *t)
{
	uint8_t raw[TREE_BYTES_MAX];

	TRY(write_unfinished(t));
	TRY(txn_put(t->batch, TABLE_TREE, HEAD, span(raw, tree_write(&t->tree, raw))));
	TRY(txn_commit(&t->batch));
	t->committed = t->tree;
	t->committed_runs = t->runs;
	return OK;
}

void trail_abort(struct trail *t)
{
	txn_abort(&t->batch);
	t->tree = t->committed;
	t->runs = t->committed_runs;
}

const struct tree *trail_tree(const struct trail *t)
{
	return &t->tree;
}

struct txn *trail_batch(struct trail *t)
{
	return t->batch;
}

static enum err put_checkpoint(struct txn *txn, uint64_t size, int64_t at_us, bool stays, struct span note)
{
	uint8_t raw[9 + NOTE_BYTES_MAX];
	struct key64 key = key64(size);
	struct put b = put(raw, sizeof(raw));

	put_u64(&b, (uint64_t)at_us);
	put_u8(&b, stays);
	put_bytes(&b, note);
	TRY(put_end(&b));
	return txn_put(txn, TABLE_CKPT, key64_span(&key), put_span(&b));
}

/* From the oldest on, some at a time: the first of each slot of time stays. */
static enum err thin(struct txn *txn, uint64_t end, int64_t now_us, unsigned rule, struct thinned *at)
{
	struct checkpoint_row c;
	struct key64 key;

	for (unsigned i = 0; i < THIN_STEP; i++) {
		enum err e = view_checkpoint(txn, at->size, &c);
		int64_t slot;

		if (e == ERR_NOT_FOUND)
			return OK;
		TRY(e);
		if (c.size >= end || now_us - c.at_us < thinning[rule].age_us)
			return OK;
		slot = c.at_us / thinning[rule].every_us;
		key = key64(c.size);
		at->size = c.size;
		if (!c.stays && slot == at->slot)
			TRY(txn_del(txn, TABLE_CKPT, key64_span(&key)));
		at->slot = slot;
	}
	return OK;
}

enum err trail_put_checkpoint(struct trail *t, struct span note, int64_t at_us, bool stays)
{
	CLEANUP(txn_abort) struct txn *txn = NULL;
	struct thinned thinned[countof(thinning)];
	uint8_t raw[TREE_BYTES_MAX];

	must(!t->batch);
	memcpy(thinned, t->thinned, sizeof(thinned));
	TRY(txn_begin_write(t->store, &txn));
	TRY(put_checkpoint(txn, t->committed.size, at_us, stays, note));
	TRY(txn_put(txn, TABLE_TREE, SIGNED, span(raw, tree_write(&t->committed, raw))));
	for (unsigned i = 0; i < countof(thinning); i++)
		TRY(thin(txn, t->committed.size, at_us, i, &thinned[i]));
	TRY(txn_commit(&txn));
	memcpy(t->thinned, thinned, sizeof(thinned));
	return OK;
}

enum err trail_cosign(struct trail *t, uint64_t size, struct span note, bool stays)
{
	CLEANUP(txn_abort) struct txn *txn = NULL;
	struct checkpoint_row c;

	must(!t->batch && size > 0);
	TRY(txn_begin_write(t->store, &txn));
	TRY(view_checkpoint(txn, size - 1, &c));
	if (c.size != size)
		return ERR_NOT_FOUND;
	TRY(put_checkpoint(txn, size, c.at_us, c.stays || stays, note));
	return txn_commit(&txn);
}

enum err trail_room(struct trail *t, struct store_room *out)
{
	return store_room(t->store, out);
}

/* ---- reading ---- */

enum err trail_view(struct trail *t, struct txn **out)
{
	return txn_begin_read(t->store, out);
}

/* No frontier is the empty tree. */
static enum err frontier(struct txn *view, struct span name, struct tree *out)
{
	struct span raw;
	enum err e = txn_get(view, TABLE_TREE, name, &raw);

	if (e == ERR_NOT_FOUND) {
		*out = (struct tree){ 0 };
		return OK;
	}
	TRY(e);
	return tree_read(raw, out) == OK ? OK : ERR_CORRUPT;
}

enum err view_tree(struct txn *view, struct tree *out) { return frontier(view, HEAD, out); }
enum err view_signed(struct txn *view, struct tree *out) { return frontier(view, SIGNED, out); }

enum err view_entry(struct txn *view, uint64_t index, struct span *out)
{
	struct key64 key = key64(index);

	return txn_get(view, TABLE_ENTRY, key64_span(&key), out);
}

/* Of a row that a later commit makes longer, as much as there is. */
static enum err view_run(struct txn *view, unsigned level, uint64_t run, struct span *out)
{
	struct key64 key = key64(run);
	uint8_t where[9] = { (uint8_t)level };

	if (level == 0)
		return txn_get(view, TABLE_LEAF, key64_span(&key), out);
	memcpy(where + 1, key.b, sizeof(key.b));
	return txn_get(view, TABLE_TILE, span(where, sizeof(where)), out);
}

enum err view_hashes(struct txn *view, unsigned level, uint64_t first, unsigned n, struct hash *out)
{
	must(level < TREE_TILE_LEVELS);
	while (n > 0) {
		unsigned at = (unsigned)(first % TRAIL_RUN), some = TRAIL_RUN - at < n ? TRAIL_RUN - at : n;
		struct span raw;

		TRY(view_run(view, level, first / TRAIL_RUN, &raw));
		if (raw.n % sizeof(*out) || raw.n > TRAIL_RUN * sizeof(*out))
			return ERR_CORRUPT;
		if (raw.n < (at + some) * sizeof(*out))
			return ERR_NOT_FOUND;
		memcpy(out, raw.p + at * sizeof(*out), some * sizeof(*out));
		out += some;
		first += some;
		n -= some;
	}
	return OK;
}

static enum err read_source(void *ctx, unsigned level, uint64_t first, unsigned n, struct hash *out)
{
	return view_hashes(ctx, level, first, n, out);
}

struct tree_source view_source(struct txn *view)
{
	return (struct tree_source){ read_source, view };
}

enum err view_segment(struct txn *view, uint32_t id, struct segment *out)
{
	struct key32 key = key32(id);
	struct span raw;

	TRY(txn_get(view, TABLE_SEG, span(key.b, sizeof(key.b)), &raw));
	return segment_read(raw, out);
}

enum err view_open(struct txn *view, uint32_t id[SEGMENTS_OPEN_MAX], size_t *n)
{
	struct span raw;
	struct cur c;
	enum err e = txn_get(view, TABLE_TREE, OPEN, &raw);

	*n = 0;
	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	for (c = cur(raw); c.left.n && *n < SEGMENTS_OPEN_MAX; ++*n)
		id[*n] = cur_u32(&c);
	return cur_end(&c) == OK ? OK : ERR_CORRUPT;
}

enum err view_years(struct txn *view, struct year_row row[YEARS_MAX], size_t *n)
{
	struct span raw;
	struct cur c;
	enum err e = txn_get(view, TABLE_TREE, YEARS, &raw);

	*n = 0;
	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	for (c = cur(raw); c.left.n && *n < YEARS_MAX; ++*n) {
		row[*n].year = cur_u16(&c);
		row[*n].segment = cur_u32(&c);
	}
	return cur_end(&c) == OK ? OK : ERR_CORRUPT;
}

static enum err checkpoint_row(struct span at, struct span value, struct checkpoint_row *out)
{
	struct cur c = cur(value);

	out->size = key64_value(at);
	out->at_us = (int64_t)cur_u64(&c);
	out->stays = cur_u8(&c);
	out->note = cur_take(&c, c.left.n);
	return c.bad ? ERR_CORRUPT : OK;
}

enum err view_checkpoint(struct txn *view, uint64_t above, struct checkpoint_row *out)
{
	struct key64 key = key64(above);
	struct span at, value;

	TRY(txn_after(view, TABLE_CKPT, key64_span(&key), &at, &value));
	return checkpoint_row(at, value, out);
}

enum err view_newest_checkpoint(struct txn *view, struct checkpoint_row *out)
{
	struct span at, value;

	TRY(txn_last(view, TABLE_CKPT, &at, &value));
	return checkpoint_row(at, value, out);
}

/* The last key of a table as a number plus `one`. */
static enum err end_of(struct txn *view, unsigned table, uint64_t one, uint64_t *out)
{
	struct span at, value;
	enum err e = txn_last(view, table, &at, &value);
	struct cur c = cur(at);

	*out = 0;
	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	*out = (at.n == 4 ? cur_u32(&c) : cur_u64(&c)) + one;
	return cur_end(&c) == OK ? OK : ERR_CORRUPT;
}

enum err view_ends(struct txn *view, struct trail_ends *out)
{
	struct trail_ends ends;
	uint64_t segment;

	TRY(end_of(view, TABLE_ENTRY, 1, &ends.entries));
	TRY(end_of(view, TABLE_LEAF, 1, &ends.runs));
	TRY(end_of(view, TABLE_CKPT, 0, &ends.signed_size));
	TRY(end_of(view, TABLE_SEG, 0, &segment));
	ends.segment = (uint32_t)segment;
	*out = ends;
	return OK;
}

uint64_t trail_generation(const struct trail *t)
{
	return store_generation(t->store);
}

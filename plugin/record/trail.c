#include "trail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { TABLE_ENTRY, TABLE_LEAF, TABLE_SEG, TABLE_CKPT, TABLE_TREE };
static const char *const tables[] = { "entry", "leaf", "seg", "ckpt", "tree", NULL };
#define TRAIL_VERSION 1
#define HEAD SPAN_LIT("head")
#define SIGNED SPAN_LIT("signed")

struct trail {
	struct store *store;
	int lock;
	struct tree committed, tree;   /* equal outside of a batch */
	struct txn *batch;
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

static enum err load(struct trail *t)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct trail_ends ends;

	TRY(trail_view(t, &view));
	TRY(view_tree(view, &t->committed));
	TRY(view_ends(view, &ends));
	t->tree = t->committed;
	return ends.entries == t->tree.size && ends.leaves == t->tree.size ? OK : ERR_CORRUPT;
}

enum err trail_open(const char *path, size_t map_bytes, bool read_only, struct trail **out)
{
	CLEANUP(trail_close) struct trail *t = calloc(1, sizeof(*t));
	const struct store_spec spec = {
		.kind = "record", .version = TRAIL_VERSION, .map_bytes = map_bytes, .table = tables, .read_only = read_only,
	};

	if (!t)
		return ERR_FULL;
	t->lock = -1;
	if (!read_only)
		TRY(lock(path, &t->lock));
	TRY(store_open(path, &spec, &t->store));
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
		fd_cleanup(&(*t)->lock);
	}
	free(*t);
	*t = NULL;
}

/* ---- segments ---- */

struct key32 {
	uint8_t b[4];
};

static struct key32 key32(uint32_t n)
{
	return (struct key32){ { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

#define WRAP_AAD_MAX (ORIGIN_BYTES_MAX + 5)

static struct span wrap_aad(uint8_t buf[WRAP_AAD_MAX], struct span origin, uint32_t id, uint8_t class)
{
	struct put b = put(buf, WRAP_AAD_MAX);

	put_bytes(&b, origin);
	put_u32(&b, id);
	put_u8(&b, class);
	must(put_end(&b) == OK);
	return put_span(&b);
}

enum err segment_wrap(struct segment *s, const struct vault *v, struct span origin, uint32_t id,
		      const struct segment_key *key)
{
	uint8_t aad[WRAP_AAD_MAX];

	return vault_seal(v, wrap_aad(aad, origin, id, s->class), span(key->b, sizeof(key->b)), s->wrapped);
}

enum err segment_unwrap(const struct segment *s, const struct vault *v, struct span origin, uint32_t id,
			struct segment_key *key)
{
	uint8_t aad[WRAP_AAD_MAX];

	return vault_open(v, wrap_aad(aad, origin, id, s->class), span(s->wrapped, sizeof(s->wrapped)), key->b);
}

#define SEGMENT_ROW (2 + 8 + 8 + AEAD_KEY_BYTES + VAULT_EXTRA)
enum { SEGMENT_STATE_OPEN = 1, SEGMENT_STATE_CLOSED = 2 };   /* held and erased will follow */

static enum err segment_read(struct span raw, struct segment *out)
{
	struct cur c = cur(raw);
	uint8_t state = cur_u8(&c);
	struct segment s = { .closed = state == SEGMENT_STATE_CLOSED, .class = cur_u8(&c) };
	struct span wrapped;

	s.first = cur_u64(&c);
	s.last = cur_u64(&c);
	wrapped = cur_take(&c, sizeof(s.wrapped));
	if (cur_end(&c) != OK || (state != SEGMENT_STATE_OPEN && state != SEGMENT_STATE_CLOSED))
		return ERR_CORRUPT;
	memcpy(s.wrapped, wrapped.p, sizeof(s.wrapped));
	*out = s;
	return OK;
}

enum err trail_put_segment(struct trail *t, uint32_t id, const struct segment *s)
{
	uint8_t row[SEGMENT_ROW];
	struct put b = put(row, sizeof(row));
	struct key32 key = key32(id);

	put_u8(&b, s->closed ? SEGMENT_STATE_CLOSED : SEGMENT_STATE_OPEN);
	put_u8(&b, s->class);
	put_u64(&b, s->first);
	put_u64(&b, s->last);
	put_bytes(&b, span(s->wrapped, sizeof(s->wrapped)));
	TRY(put_end(&b));
	return txn_put(t->batch, TABLE_SEG, span(key.b, sizeof(key.b)), put_span(&b));
}

/* ---- writing ---- */

enum err trail_begin(struct trail *t)
{
	must(!t->batch);
	if (store_tight(t->store))
		return ERR_FULL;
	return txn_begin_write(t->store, &t->batch);
}

enum err trail_append(struct trail *t, struct span entry)
{
	struct key64 key = key64(t->tree.size);
	struct hash leaf = tree_leaf(entry);

	must(t->batch && entry.n <= ENTRY_BYTES_MAX);
	TRY(txn_append(t->batch, TABLE_ENTRY, key64_span(&key), entry));
	TRY(txn_append(t->batch, TABLE_LEAF, key64_span(&key), span(leaf.b, sizeof(leaf.b))));
	tree_append(&t->tree, &leaf);
	return OK;
}

enum err trail_commit(struct trail *t)
{
	uint8_t raw[TREE_BYTES_MAX];

	TRY(txn_put(t->batch, TABLE_TREE, HEAD, span(raw, tree_write(&t->tree, raw))));
	TRY(txn_commit(&t->batch));
	t->committed = t->tree;
	return OK;
}

void trail_abort(struct trail *t)
{
	txn_abort(&t->batch);
	t->tree = t->committed;
}

const struct tree *trail_tree(const struct trail *t)
{
	return &t->tree;
}

enum err trail_put_checkpoint(struct trail *t, struct span note)
{
	CLEANUP(txn_abort) struct txn *txn = NULL;
	struct key64 size = key64(t->committed.size);
	uint8_t raw[TREE_BYTES_MAX];

	must(!t->batch);
	TRY(txn_begin_write(t->store, &txn));
	TRY(txn_put(txn, TABLE_CKPT, key64_span(&size), note));
	TRY(txn_put(txn, TABLE_TREE, SIGNED, span(raw, tree_write(&t->committed, raw))));
	return txn_commit(&txn);
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

enum err view_leaf(struct txn *view, uint64_t index, struct hash *out)
{
	struct key64 key = key64(index);
	struct span raw;

	TRY(txn_get(view, TABLE_LEAF, key64_span(&key), &raw));
	if (raw.n != sizeof(out->b))
		return ERR_CORRUPT;
	memcpy(out->b, raw.p, sizeof(out->b));
	return OK;
}

enum err view_segment(struct txn *view, uint32_t id, struct segment *out)
{
	struct key32 key = key32(id);
	struct span raw;

	TRY(txn_get(view, TABLE_SEG, span(key.b, sizeof(key.b)), &raw));
	return segment_read(raw, out);
}

enum err view_checkpoint(struct txn *view, uint64_t above, uint64_t *size, struct span *note)
{
	struct key64 key = key64(above);
	struct span at;

	TRY(txn_after(view, TABLE_CKPT, key64_span(&key), &at, note));
	*size = key64_value(at);
	return OK;
}

enum err view_newest_checkpoint(struct txn *view, uint64_t *size, struct span *note)
{
	struct span at;

	TRY(txn_last(view, TABLE_CKPT, &at, note));
	*size = key64_value(at);
	return OK;
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
	TRY(end_of(view, TABLE_LEAF, 1, &ends.leaves));
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

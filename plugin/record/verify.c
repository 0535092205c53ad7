#include "verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sizes.h"
#include "trail.h"

#define VIEW_ENTRIES 4096       /* entries to one view: a long one would pin the writer's pages */

struct verifier {
	const struct verify_spec *spec;
	struct verify_report *report;
	struct span origin;
	uint8_t pub[SIGN_KEY_BYTES];
	struct vault vault;
	struct seal seal;
	struct trail *trail;
	struct sizes *sizes;            /* NULL: none is looked at */
	struct checkpoint newest, line; /* of the sizes file: its last line, and the next to be met */

	struct tree head, tree;         /* as stored when we began; recomputed so far */
	struct trail_ends ends;
	uint64_t next_checkpoint;       /* the size of it */
	uint32_t segment, seq;
	struct segment_key key;
	uint8_t text[ENTRY_BYTES_MAX];
};

static enum err bad(struct verifier *v, const char *part, uint64_t index, const char *fmt, ...) PRINTF_LIKE(4, 5);
static enum err bad(struct verifier *v, const char *part, uint64_t index, const char *fmt, ...)
{
	va_list args;

	v->report->part = part;
	v->report->index = index;
	va_start(args, fmt);
	vsnprintf(v->report->what, sizeof(v->report->what), fmt, args);
	va_end(args);
	return ERR_CORRUPT;
}

/* ERR_NOT_FOUND from a table means that something was taken out; other failures are handed up. */
static enum err missing(struct verifier *v, enum err e, const char *part, uint64_t index, const char *what)
{
	return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? bad(v, part, index, "%s", what) : e;
}

/* ---- one entry ---- */

static enum err check_genesis(struct verifier *v, uint64_t index, const struct entry *e)
{
	if (index != 0)
		return bad(v, "entry", index, "a record begins only once");
	if (!span_eq(e->vkey, v->spec->vkey))
		return bad(v, "entry", index, "it names another verifier key, %.*s", SPAN_FMT(e->vkey));
	return OK;
}

/* When a segment opens, the one before is closed and ends here. */
static enum err check_closed(struct verifier *v, struct txn *view, uint64_t index)
{
	struct segment s;
	enum err e;

	if (v->segment == 0)
		return OK;
	e = view_segment(view, v->segment, &s);
	if (e != OK)
		return missing(v, e, "segment", v->segment, "its row is missing or cannot be read");
	if (!s.closed || s.last != index - 1)
		return bad(v, "segment", v->segment, "its last entry is %llu, but it says otherwise",
			   (unsigned long long)(index - 1));
	return OK;
}

static enum err check_key(struct verifier *v, const struct segment *s, const struct entry *e)
{
	uint8_t commitment[SHA256_BYTES];

	if (!v->spec->root)
		return OK;
	if (segment_unwrap(s, &v->vault, v->origin, e->segment, &v->key) != OK)
		return bad(v, "segment", e->segment, "its wrapped key does not open with this root key");
	segment_commitment(&v->key, commitment);
	if (!crypt_same(commitment, e->commitment, sizeof(commitment)))
		return bad(v, "segment", e->segment, "its key is not the one that entry %llu commits to",
			   (unsigned long long)s->first);
	return OK;
}

static enum err check_segment(struct verifier *v, struct txn *view, uint64_t index, const struct entry *e)
{
	struct segment s;
	enum err got;

	if (e->segment != v->segment + 1)
		return bad(v, "entry", index, "it opens segment %u where segment %u is due", e->segment, v->segment + 1);
	TRY(check_closed(v, view, index));
	got = view_segment(view, e->segment, &s);
	if (got != OK)
		return missing(v, got, "segment", e->segment, "its row is missing or cannot be read");
	if (s.first != index || s.class != e->class)
		return bad(v, "segment", e->segment, "its row does not agree with entry %llu, which opens it",
			   (unsigned long long)index);
	TRY(check_key(v, &s, e));
	v->segment = e->segment;
	v->seq = 0;
	v->report->segments++;
	return OK;
}

static enum err check_sealed(struct verifier *v, uint64_t index, const struct entry *e, struct span raw)
{
	struct put text = put(v->text, sizeof(v->text));

	if (e->segment != v->segment || e->seq != v->seq)
		return bad(v, "entry", index, "it is record %u of segment %u where record %u of segment %u is due", e->seq,
			   e->segment, v->seq, v->segment);
	v->seq++;
	if (!v->spec->root)
		return OK;
	if (entry_open(&v->seal, &v->key, raw, &text) != OK)
		return bad(v, "entry", index, "its seal does not open with its segment's key");
	v->report->opened++;
	return OK;
}

static enum err check_content(struct verifier *v, struct txn *view, uint64_t index, struct span raw)
{
	struct entry e;
	enum err got = entry_read(raw, &e);

	if (got != OK)
		return bad(v, "entry", index, "%s", err_text(got));
	if (e.kind == ENTRY_SEALED)
		return check_sealed(v, index, &e, raw);
	if (index == 0 && e.type != CONTROL_GENESIS)
		return bad(v, "entry", index, "a record begins with its verifier key");
	return e.type == CONTROL_GENESIS ? check_genesis(v, index, &e) : check_segment(v, view, index, &e);
}

static enum err check_entry(struct verifier *v, struct txn *view, uint64_t index)
{
	struct hash leaf, want;
	struct span raw;
	enum err e = view_entry(view, index, &raw);

	if (e != OK)
		return missing(v, e, "entry", index, "it is missing");
	e = view_leaf(view, index, &leaf);
	if (e != OK)
		return missing(v, e, "entry", index, "its leaf is missing");
	want = tree_leaf(raw);
	if (memcmp(leaf.b, want.b, sizeof(want.b)) != 0)
		return bad(v, "entry", index, "its bytes do not hash to its leaf");
	TRY(check_content(v, view, index, raw));
	tree_append(&v->tree, &leaf);
	v->report->entries++;
	return OK;
}

/* ---- what was signed ---- */

static enum err check_root(struct verifier *v, const char *part, const struct hash *root)
{
	struct hash have = tree_root(&v->tree);

	if (memcmp(have.b, root->b, sizeof(have.b)) == 0)
		return OK;
	return bad(v, part, v->tree.size, "entries %llu to %llu are not those that were signed",
		   (unsigned long long)v->report->signed_size, (unsigned long long)(v->tree.size - 1));
}

/* Which checkpoint comes after this size? Newer ones than the head we began with belong to the writer. */
static enum err seek_checkpoint(struct verifier *v, struct txn *view, uint64_t above)
{
	struct span note;
	enum err e = view_checkpoint(view, above, &v->next_checkpoint, &note);

	if (e != ERR_NOT_FOUND)
		return e;
	v->next_checkpoint = UINT64_MAX;
	return OK;
}

static enum err check_checkpoint(struct verifier *v, struct txn *view)
{
	uint64_t size = v->tree.size, found;
	struct checkpoint c;
	struct span note;

	if (size != v->next_checkpoint)
		return OK;
	TRY(view_checkpoint(view, size - 1, &found, &note));
	if (note_open(note, v->origin, v->pub, &c) != OK)
		return bad(v, "checkpoint", size, "its signature does not fit the verifier key");
	if (c.size != size)
		return bad(v, "checkpoint", size, "it was signed for size %llu", (unsigned long long)c.size);
	TRY(check_root(v, "checkpoint", &c.root));
	v->report->signed_size = size;
	v->report->checkpoints++;
	return seek_checkpoint(v, view, size);
}

/* A crash while signing may have left one size twice. */
static enum err check_sizes(struct verifier *v)
{
	enum err e = OK;

	while (e == OK && v->line.size <= v->tree.size && v->line.size <= v->newest.size) {
		if (v->line.size < v->tree.size)
			return bad(v, "signed size", v->line.size, "it stands after a larger one in the sizes file");
		TRY(check_root(v, "signed size", &v->line.root));
		e = sizes_next(v->sizes, &v->line);
	}
	if (e == ERR_NOT_FOUND) {
		v->line.size = UINT64_MAX;
		return OK;
	}
	return e == ERR_CORRUPT ? bad(v, "signed size", v->tree.size, "the line after it cannot be read or is not signed") : e;
}

/* ---- the whole ---- */

/* The last signed size is read before the head: the writer goes on meanwhile. */
static enum err open_sizes(struct verifier *v)
{
	enum err e;

	v->line.size = UINT64_MAX;
	if (!v->spec->sizes_path[0])
		return OK;
	TRY(sizes_open(v->spec->sizes_path, v->origin, v->pub, true, &v->sizes));
	e = sizes_newest(v->sizes, &v->newest);
	if (e == OK)
		e = sizes_next(v->sizes, &v->line);
	if (e == ERR_CORRUPT)
		return bad(v, "signed size", 0, "the sizes file's first or last line cannot be read or is not signed");
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err check_ends(struct verifier *v)
{
	const struct trail_ends *ends = &v->ends;
	uint64_t size = v->head.size;

	if (v->sizes && v->newest.size > size)
		return bad(v, "record", size, "it ends here, but size %llu was signed: it was cut or set back",
			   (unsigned long long)v->newest.size);
	if (ends->signed_size > size)
		return bad(v, "record", size, "it ends here, but there is a checkpoint for size %llu: it was cut",
			   (unsigned long long)ends->signed_size);
	if (v->sizes && ends->signed_size && v->newest.size == 0)
		return bad(v, "signed size", 0, "the sizes file is empty, but checkpoints were signed");
	if (ends->entries > size || ends->leaves > size)
		return bad(v, "entry", size, "it stands behind the end of the tree");
	return OK;
}

static enum err look_at_head(struct verifier *v)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	enum err e;

	TRY(trail_view(v->trail, &view));
	e = view_tree(view, &v->head);
	if (e == OK)
		e = view_ends(view, &v->ends);
	if (e == ERR_CORRUPT)
		return bad(v, "tree", 0, "its stored frontier or a table's last key cannot be read");
	TRY(e);
	TRY(check_ends(v));
	return seek_checkpoint(v, view, 0);
}

static enum err check_some(struct verifier *v)
{
	CLEANUP(txn_abort) struct txn *view = NULL;

	TRY(trail_view(v->trail, &view));
	for (unsigned i = 0; i < VIEW_ENTRIES && v->tree.size < v->head.size; i++) {
		TRY(check_entry(v, view, v->tree.size));
		TRY(check_checkpoint(v, view));
		TRY(check_sizes(v));
	}
	return OK;
}

static enum err check_rest(struct verifier *v)
{
	struct hash head = tree_root(&v->head);

	v->report->root = tree_root(&v->tree);
	if (memcmp(head.b, v->report->root.b, sizeof(head.b)) != 0)
		return bad(v, "tree", v->head.size, "its stored frontier is not that of its entries");
	if (v->ends.segment != v->segment)
		return bad(v, "segment", v->ends.segment, "no entry opens it");
	return OK;
}

static enum err run(struct verifier *v)
{
	TRY(vkey_read(v->spec->vkey, &v->origin, v->pub));
	seal_init(&v->seal, v->origin);
	if (v->spec->root)
		vault_init(&v->vault, v->spec->root, "record");
	TRY(trail_open(v->spec->path, 1 << 20, true, &v->trail));
	TRY(open_sizes(v));
	TRY(look_at_head(v));
	while (v->tree.size < v->head.size) {
		TRY(check_some(v));
		if (v->spec->progress)
			v->spec->progress(v->spec->ctx, v->tree.size, v->head.size);
	}
	return check_rest(v);
}

enum err verify_record(const struct verify_spec *spec, struct verify_report *report)
{
	CLEANUP(free_cleanup) struct verifier *v = calloc(1, sizeof(*v));
	enum err e;

	if (!v)
		return ERR_FULL;
	*report = (struct verify_report){ 0 };
	v->spec = spec;
	v->report = report;
	e = run(v);
	trail_close(&v->trail);
	sizes_close(&v->sizes);
	crypt_wipe(v, sizeof(*v));
	return e;
}

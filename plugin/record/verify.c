#include "verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "epochs.h"
#include "keeping.h"
#include "sizes.h"

#define VIEW_ENTRIES 4096       /* entries to one view: a long one would pin the writer's pages */

/* Segments interleave, one for each retention. */
#define FOLLOWED_MAX 16
struct followed {
	uint32_t id, records;           /* id 0: free */
	uint16_t keep;
	uint64_t last;
	uint64_t closed_by;             /* the entry at whose time its row says it was closed; 0: none so far */
	bool sealed;                    /* its key is here: its records are opened */
	bool erased;
	struct segment_key key;
};

/* It is closed by the opening of another. One reading of the clock is both their times; in old records there were two. */
#define CLOSED_SLACK_US 1000000

/* What the entries say of a segment, from 1 on. */
struct said {
	uint8_t holds;                  /* in force */
	bool later;                     /* something, after the head we began with */
};

/* The stored hashes of a level around where we are. */
struct run {
	uint64_t first;
	unsigned n;
	struct hash hash[TRAIL_RUN];
};

struct verifier {
	const struct verify_spec *spec;
	struct verify_report *report;
	struct span origin;
	uint8_t pub[SIGN_KEY_BYTES];
	struct vault vault;
	struct seal seal;
	struct trail *trail;
	struct sizes *sizes;            /* NULL: none is looked at */
	struct checkpoint newest, listing;      /* of the sizes file: its last line, and the next to be met */
	struct line_check line;
	bool has_seed, torn_seed;       /* as we began */
	struct forward_root seed_root;
	uint32_t seed_epoch;

	struct tree head, tree;         /* as stored when we began; recomputed so far */
	struct tree signed_tree;        /* as stored with the newest checkpoint */
	struct hash signed_root;        /* recomputed */
	struct trail_ends ends;
	uint64_t listed;                /* newest in the sizes file after that look at the head */
	uint64_t next_checkpoint;       /* the size of it */
	uint32_t segment;               /* newest seen */
	struct followed followed[FOLLOWED_MAX];
	struct said *said;              /* of each segment */
	size_t said_n;
	struct run run[TREE_TILE_LEVELS];
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

/* What was followed ends here: its row has to agree. A row may be ahead of us, for the writer goes on. */
static enum err check_row(struct verifier *v, struct txn *view, const struct followed *f, bool over)
{
	struct segment s;
	enum err e = view_segment(view, f->id, &s);

	if (e != OK)
		return missing(v, e, "segment", f->id, "its row is missing or cannot be read");
	if (over && s.state == SEGMENT_OPEN)
		return bad(v, "segment", f->id, "another one follows it, but its row says that it is open");
	if (over && f->closed_by <= f->last)
		return bad(v, "segment", f->id, "its row says that it was closed at a time when none was");
	if (s.last < f->last || s.records < f->records || (over && (s.last != f->last || s.records != f->records)))
		return bad(v, "segment", f->id, "its last entry is %llu with record %u, but its row says otherwise",
			   (unsigned long long)f->last, f->records);
	return OK;
}

static void see_closings(struct verifier *v, struct txn *view, uint64_t index, int64_t at_us)
{
	struct segment s;

	for (size_t i = 0; i < FOLLOWED_MAX; i++) {
		struct followed *f = &v->followed[i];

		if (f->id && view_segment(view, f->id, &s) == OK && s.state != SEGMENT_OPEN && s.closed_us <= at_us &&
		    at_us - s.closed_us <= CLOSED_SLACK_US)
			f->closed_by = index;
	}
}

static enum err make_room(struct verifier *v, uint32_t id)
{
	size_t room = v->said_n ? 2 * v->said_n : 1024;
	struct said *more;

	if (id < v->said_n)
		return OK;
	more = realloc(v->said, room * sizeof(*more));
	if (!more)
		return ERR_FULL;
	memset(more + v->said_n, 0, (room - v->said_n) * sizeof(*more));
	v->said = more;
	v->said_n = room;
	return OK;
}

/* The place of the segment that this retention has open, or a free one. */
static enum err place_of(struct verifier *v, struct txn *view, uint16_t keep, struct followed **out)
{
	struct followed *found = NULL;
	struct segment s;

	for (size_t i = 0; i < FOLLOWED_MAX && (!found || found->keep != keep); i++)
		if (v->followed[i].id == 0 ? !found : v->followed[i].keep == keep)
			found = &v->followed[i];
	for (size_t i = 0; i < FOLLOWED_MAX && !found; i++)   /* a retention that is no longer in use makes room */
		if (view_segment(view, v->followed[i].id, &s) == OK && s.state != SEGMENT_OPEN && s.last == v->followed[i].last)
			found = &v->followed[i];
	if (!found)
		return bad(v, "segment", v->segment + 1, "too many segments are open at once");
	if (found->id)
		TRY(check_row(v, view, found, true));
	*out = found;
	return OK;
}

/* The key is gone at once, also for us who look at the rows of a while ago. */
static bool was_erased_since(struct verifier *v, uint32_t id)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct segment s;

	return trail_view(v->trail, &view) == OK && view_segment(view, id, &s) == OK && s.state == SEGMENT_ERASED;
}

static enum err check_key(struct verifier *v, const struct entry *e, uint64_t index, struct followed *f)
{
	uint8_t commitment[SHA256_BYTES];

	if (!v->spec->root)
		return OK;
	if (trail_get_key(v->trail, &v->vault, v->origin, e->segment, e->keep, &f->key) != OK)
		return was_erased_since(v, e->segment) ? OK
			: bad(v, "segment", e->segment, trail_has_keys(v->trail) ? "its wrapped key does not open with this root key"
			      : "its wrapped key cannot be read; it lies beside the record, in the file of that name with -keys");
	segment_commitment(&f->key, commitment);
	if (!crypt_same(commitment, e->commitment, sizeof(commitment)))
		return bad(v, "segment", e->segment, "its key is not the one that entry %llu commits to",
			   (unsigned long long)index);
	f->sealed = true;
	return OK;
}

/* Erased is only what an entry says so of; that entry is in the tree as any other. */
static enum err check_erased(struct verifier *v, struct txn *view, uint32_t id, const struct segment *s)
{
	struct span raw;
	struct entry e;

	if (s->erased_at <= s->first || view_entry(view, s->erased_at, &raw) != OK || entry_read(raw, &e) != OK ||
	    e.kind != ENTRY_CONTROL || e.type != CONTROL_SEGMENT_ERASED || e.segment != id)
		return bad(v, "segment", id, "its row says that it was erased, but no entry does");
	v->report->erased++;
	return OK;
}

/* The key of a year's pseudonyms: there is nothing to follow in it. */
static enum err check_year(struct verifier *v, struct txn *view, uint64_t index, const struct entry *e, const struct segment *s)
{
	struct followed none = { .id = e->segment };

	if (s->state == SEGMENT_OPEN || s->closed_us != s->opened_us || s->last != index || s->records)
		return bad(v, "segment", e->segment, "it is the key of pseudonyms, but its row says otherwise");
	return s->state == SEGMENT_ERASED ? check_erased(v, view, e->segment, s) : check_key(v, e, index, &none);
}

static enum err check_segment(struct verifier *v, struct txn *view, uint64_t index, const struct entry *e)
{
	struct followed *f = NULL;
	struct segment s;
	enum err got;

	if (e->segment != v->segment + 1)
		return bad(v, "entry", index, "it opens segment %u where segment %u is due", e->segment, v->segment + 1);
	TRY(make_room(v, e->segment));
	see_closings(v, view, index, e->at_us);
	if (!keep_year(e->keep))
		TRY(place_of(v, view, e->keep, &f));
	got = view_segment(view, e->segment, &s);
	if (got != OK)
		return missing(v, got, "segment", e->segment, "its row is missing or cannot be read");
	if (s.first != index || s.keep != e->keep || s.opened_us != e->at_us)
		return bad(v, "segment", e->segment, "its row does not agree with entry %llu, which opens it",
			   (unsigned long long)index);
	if (f) {
		*f = (struct followed){ .id = e->segment, .keep = e->keep, .last = index, .erased = s.state == SEGMENT_ERASED };
		TRY(s.state == SEGMENT_ERASED ? check_erased(v, view, e->segment, &s) : check_key(v, e, index, f));
	} else {
		TRY(check_year(v, view, index, e, &s));
	}
	v->segment = e->segment;
	v->report->segments++;
	return OK;
}

/* A crash may have left some, from where the row says that it is at. */
static enum err check_taken_out(struct verifier *v, struct txn *view, uint64_t index, uint32_t segment)
{
	uint64_t at;
	uint32_t id;

	TRY(view_erasing(view, &id, &at));
	return id == segment && index >= at ? OK : bad(v, "entry", index, "its segment was erased, but it was not taken out");
}

static enum err check_record(struct verifier *v, struct txn *view, uint64_t index, const struct entry *e, struct span raw)
{
	struct put text = put(v->text, sizeof(v->text));
	struct followed *f = NULL;
	struct segment s;

	for (size_t i = 0; i < FOLLOWED_MAX; i++)
		if (v->followed[i].id == e->segment)
			f = &v->followed[i];
	if (!f || e->segment == 0)
		return bad(v, "entry", index, "it is a record of segment %u, which is not open here", e->segment);
	if (e->seq != f->records)
		return bad(v, "entry", index, "it is record %u of segment %u where record %u is due", e->seq, e->segment,
			   f->records);
	f->records++;
	f->last = index;
	if (f->erased && e->kind != ENTRY_ERASED)
		return check_taken_out(v, view, index, e->segment);
	if (e->kind == ENTRY_ERASED || !f->sealed) {
		if (e->kind == ENTRY_ERASED && (view_segment(view, e->segment, &s) != OK || s.state != SEGMENT_ERASED))
			return bad(v, "entry", index, "it was taken out, but its segment was not erased");
		return OK;
	}
	if (entry_open(&v->seal, &f->key, raw, &text) != OK)
		return bad(v, "entry", index, "its seal does not open with its segment's key");
	v->report->opened++;
	return OK;
}

/* ---- the forward-secure line ---- */

/* Read before the head: the seed moves on only after its epoch's end is there. */
static enum err open_line(struct verifier *v)
{
	enum err e = v->spec->line_path ? epochs_peek(v->spec->line_path, &v->seed_root, &v->seed_epoch) : ERR_NOT_FOUND;

	v->has_seed = e == OK;
	v->torn_seed = e == ERR_CORRUPT;
	return e == ERR_NOT_FOUND || e == ERR_DENIED || e == ERR_CORRUPT ? OK : e;
}

static enum err bad_line(struct verifier *v, enum err e, const char *part, uint64_t index)
{
	return e == ERR_CORRUPT ? bad(v, part, index, "%s", v->line.what) : e;
}

/* While no line has begun, what is there may be an older version's: it is overwritten when the first one does. */
static enum err check_line(struct verifier *v)
{
	v->report->line = v->line;
	if (v->torn_seed && v->line.begun)
		return bad(v, "line", 0, "no seed can be read in %s", v->spec->line_path);
	return v->has_seed ? bad_line(v, line_check_seed(&v->line, &v->seed_root, v->seed_epoch), "line", v->tree.size) : OK;
}

/* ---- one entry as a whole ---- */

/* Two who agree do not make it right: not before its time, nor while it is held. */
static enum err check_erasing(struct verifier *v, struct txn *view, uint64_t index, const struct entry *e)
{
	struct segment s;
	struct retention kept;
	enum err got = view_segment(view, e->segment, &s);

	if (got != OK)
		return missing(v, got, "segment", e->segment, "its row is missing or cannot be read");
	if (s.state != SEGMENT_ERASED || s.erased_at != index)
		return bad(v, "segment", e->segment, "entry %llu says that it was erased, but its row does not",
			   (unsigned long long)index);
	if (v->said[e->segment].holds)
		return bad(v, "entry", index, "it erases segment %u, which was held", e->segment);
	got = keep_look(view, &s, &kept);
	if (got != OK)
		return missing(v, got, "segment", e->segment, "a row of its year is missing or cannot be read");
	if (e->at_us < kept.until_us)
		return bad(v, "entry", index, "it erases segment %u, which was to be kept longer", e->segment);
	return OK;
}

static enum err check_hold(struct verifier *v, uint64_t index, const struct entry *e)
{
	uint8_t *holds = &v->said[e->segment].holds;

	if (*holds == (e->held ? UINT8_MAX : 0))
		return bad(v, "entry", index, e->held ? "it holds segment %u more often than is counted"
			   : "it releases segment %u, which was not held", e->segment);
	*holds = (uint8_t)(e->held ? *holds + 1 : *holds - 1);
	return OK;
}

static enum err check_content(struct verifier *v, struct txn *view, uint64_t index, struct span raw)
{
	struct entry e;
	enum err got = entry_read(raw, &e);

	if (got != OK)
		return bad(v, "entry", index, "%s", err_text(got));
	if (index == 0 && (e.kind != ENTRY_CONTROL || e.type != CONTROL_GENESIS))
		return bad(v, "entry", index, "a record begins with its verifier key");
	TRY(bad_line(v, line_check_entry(&v->line, &e), "line", index));
	if (e.kind != ENTRY_CONTROL)
		return check_record(v, view, index, &e, raw);
	switch (e.type) {
	case CONTROL_GENESIS: return check_genesis(v, index, &e);
	case CONTROL_SEGMENT_OPEN: return check_segment(v, view, index, &e);
	case CONTROL_SEGMENT_ERASED:
	case CONTROL_HOLD:
		if (e.segment == 0 || e.segment > v->segment)
			return bad(v, "entry", index, "it speaks of segment %u, which there is none of yet", e.segment);
		if (e.type == CONTROL_SEGMENT_ERASED)
			return check_erasing(v, view, index, &e);
		return check_hold(v, index, &e);
	case CONTROL_LINE_BEGIN: case CONTROL_LINE_MARK: case CONTROL_LINE_ROOT: case CONTROL_EPOCH_END: return OK;
	}
	return OK;
}

/* The hash that is stored as number `number` of that level. */
static enum err stored(struct verifier *v, struct txn *view, unsigned level, uint64_t number, const struct hash **out)
{
	struct run *run = &v->run[level];
	uint64_t all = v->head.size >> (level * TREE_TILE_HEIGHT);

	if (number < run->first || number - run->first >= run->n) {
		run->first = number / TRAIL_RUN * TRAIL_RUN;
		run->n = all - run->first < TRAIL_RUN ? (unsigned)(all - run->first) : TRAIL_RUN;
		TRY(view_hashes(view, level, run->first, run->n, run->hash));
	}
	*out = &run->hash[number - run->first];
	return OK;
}

static enum err check_tiles(struct verifier *v, struct txn *view, const struct hash *full, unsigned n)
{
	const struct hash *have;

	for (unsigned i = 0; i < n && i + 1 < TREE_TILE_LEVELS; i++) {
		uint64_t number = (v->tree.size >> ((i + 1) * TREE_TILE_HEIGHT)) - 1;
		enum err e = stored(v, view, i + 1, number, &have);

		if (e != OK)
			return missing(v, e, "tile", number, "a hash of a tile is missing");
		if (memcmp(have->b, full[i].b, sizeof(have->b)) != 0)
			return bad(v, "tile", number, "hash %llu of level %u is not that of the entries below it",
				   (unsigned long long)number, i + 1);
	}
	return OK;
}

/* What is left of an erased entry hashes to nothing: its leaf stands for it, and the root above vouches for that. */
static bool is_erased(struct span raw)
{
	return raw.n == ENTRY_ERASED_BYTES && raw.p[1] == ENTRY_ERASED;
}

static enum err check_entry(struct verifier *v, struct txn *view, uint64_t index)
{
	struct hash want, full[TREE_TILE_LEVELS];
	const struct hash *leaf;
	struct span raw;
	enum err e = view_entry(view, index, &raw);

	if (e != OK)
		return missing(v, e, "entry", index, "it is missing");
	e = stored(v, view, 0, index, &leaf);
	if (e != OK)
		return missing(v, e, "entry", index, "its leaf is missing");
	want = is_erased(raw) ? *leaf : tree_leaf(raw);
	if (memcmp(leaf->b, want.b, sizeof(want.b)) != 0)
		return bad(v, "entry", index, "its bytes do not hash to its leaf");
	TRY(check_content(v, view, index, raw));
	TRY(check_tiles(v, view, full, tree_append_full(&v->tree, &want, full)));
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
	struct checkpoint_row row;
	enum err e = view_checkpoint(view, above, &row);

	v->next_checkpoint = e == OK ? row.size : UINT64_MAX;
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err check_cosignatures(struct verifier *v, uint64_t size, const struct checkpoint_row *row)
{
	const struct witnesses *w = v->spec->witnesses;

	for (size_t i = 0; w && i < w->n; i++) {
		struct verify_cosigned seen = { .size = size, .at_us = row->at_us };
		enum err e = note_cosigned(row->note, &w->of[i], &seen.time_s);

		if (e == OK)
			v->report->cosigned[i] = seen;
		else if (e != ERR_NOT_FOUND)
			return bad(v, "checkpoint", size, "the cosignature of %.*s does not fit", SPAN_FMT(w->of[i].name));
	}
	return OK;
}

/* One that was there when we looked for it may have been thinned out since. */
static enum err check_checkpoint(struct verifier *v, struct txn *view)
{
	struct checkpoint_row row;
	uint64_t size = v->tree.size;
	struct checkpoint c;
	enum err e;

	if (size != v->next_checkpoint)
		return OK;
	e = view_checkpoint(view, size - 1, &row);
	if (e == ERR_NOT_FOUND || (e == OK && row.size != size))
		return seek_checkpoint(v, view, size);
	if (e == ERR_CORRUPT)
		return bad(v, "checkpoint", size, "it cannot be read");
	TRY(e);
	if (note_open(row.note, v->origin, v->pub, &c) != OK)
		return bad(v, "checkpoint", size, "its signature does not fit the verifier key");
	if (c.size != size)
		return bad(v, "checkpoint", size, "it was signed for size %llu", (unsigned long long)c.size);
	TRY(check_root(v, "checkpoint", &c.root));
	TRY(bad_line(v, line_check_note(&v->line, size, row.note, v->origin, row.at_us), "checkpoint", size));
	TRY(check_cosignatures(v, size, &row));
	v->report->signed_size = size;
	v->report->signed_us = row.at_us;
	v->report->checkpoints++;
	return seek_checkpoint(v, view, size);
}

/* A crash while signing may have left one size twice. */
static enum err check_sizes(struct verifier *v)
{
	enum err e = OK;

	while (e == OK && v->listing.size <= v->tree.size && v->listing.size <= v->newest.size) {
		if (v->listing.size < v->tree.size)
			return bad(v, "signed size", v->listing.size, "it stands after a larger one in the sizes file");
		TRY(check_root(v, "signed size", &v->listing.root));
		v->report->signed_size = v->tree.size;
		e = sizes_next(v->sizes, &v->listing);
	}
	if (e == ERR_NOT_FOUND) {
		v->listing.size = UINT64_MAX;
		return OK;
	}
	return e;
}

/* ---- the whole ---- */

/* The last signed size is read before the head: the writer goes on meanwhile. */
static enum err open_sizes(struct verifier *v)
{
	enum err e;

	v->listing.size = UINT64_MAX;
	if (!v->spec->sizes_path[0])
		return OK;
	e = sizes_open(v->spec->sizes_path, v->origin, v->pub, true, &v->sizes);
	if (e == OK)
		e = sizes_newest(v->sizes, &v->newest);
	if (e == OK)
		e = sizes_next(v->sizes, &v->listing);
	if (e == ERR_CORRUPT)
		return bad(v, "signed size", 0, "the sizes file has lines that cannot be read or are not signed");
	return e == ERR_NOT_FOUND && v->sizes ? OK : e;
}

/* Read again after the head: what the store shows as signed was written there first. */
static enum err look_at_newest(struct verifier *v)
{
	CLEANUP(sizes_close) struct sizes *now = NULL;
	struct checkpoint newest = { 0 };
	enum err e;

	if (!v->sizes)
		return OK;
	e = sizes_open(v->spec->sizes_path, v->origin, v->pub, true, &now);
	if (e == OK)
		e = sizes_newest(now, &newest);
	v->listed = newest.size;
	if (e == ERR_CORRUPT)
		return bad(v, "signed size", 0, "the sizes file could be read before, and cannot be now");
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
	if (v->signed_tree.size != ends->signed_size)
		return bad(v, "tree", v->signed_tree.size, "its frontier is kept for the newest checkpoint, which is of size %llu",
			   (unsigned long long)ends->signed_size);
	if (ends->entries > size || ends->runs * TRAIL_RUN > size + TRAIL_RUN - 1)
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
		e = view_signed(view, &v->signed_tree);
	if (e == OK)
		e = view_ends(view, &v->ends);
	if (e == ERR_CORRUPT)
		return bad(v, "tree", 0, "its stored frontier or a table's last key cannot be read");
	TRY(e);
	TRY(check_ends(v));
	TRY(look_at_newest(v));
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
		if (v->tree.size == v->signed_tree.size)
			v->signed_root = tree_root(&v->tree);
	}
	return OK;
}

/* The last of each retention; what closed it may stand behind the head we began with. */
static enum err check_followed(struct verifier *v, struct txn *view, bool grown)
{
	struct segment s;

	for (size_t i = 0; i < FOLLOWED_MAX; i++) {
		const struct followed *f = &v->followed[i];

		if (f->id == 0)
			continue;
		TRY(check_row(v, view, f, false));
		if (!grown && view_segment(view, f->id, &s) == OK && s.state != SEGMENT_OPEN)
			TRY(check_row(v, view, f, true));
	}
	return OK;
}

/* Of what was written meanwhile: which segments it speaks of. */
static enum err see_later(struct verifier *v, struct txn *view, uint64_t size)
{
	struct entry e;
	struct span raw;

	for (uint64_t i = v->head.size; i < size; i++) {
		TRY(view_entry(view, i, &raw));
		if (entry_read(raw, &e) == OK && e.kind == ENTRY_CONTROL &&
		    (e.type == CONTROL_HOLD || e.type == CONTROL_SEGMENT_ERASED) && e.segment && e.segment <= v->segment)
			v->said[e.segment].later = true;
	}
	return OK;
}

static bool is_listed(const uint32_t *id, size_t n, uint32_t segment)
{
	for (size_t i = 0; i < n; i++)
		if (id[i] == segment)
			return true;
	return false;
}

/* A row of what no entry says, or that says what none does. */
static enum err check_said(struct verifier *v, uint32_t id, const struct segment *s, uint32_t erasing)
{
	uint8_t wrapped[SHA256_BYTES];
	const struct said *said = &v->said[id];

	if (!said->later && s->holds != said->holds)
		return bad(v, "segment", id, "its row says that it is held %u times, and the entries %u times", s->holds, said->holds);
	if (s->state == SEGMENT_ERASED && id != erasing && trail_key_digest(v->trail, id, wrapped) == OK)
		return bad(v, "segment", id, "it was erased, but its key is there");
	if (id == erasing && s->state != SEGMENT_ERASED)
		return bad(v, "segment", id, "its entries are being taken out, but it was not erased");
	return OK;
}

static enum err check_segments(struct verifier *v)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	uint32_t open[SEGMENTS_OPEN_MAX], erasing;
	struct segment s;
	struct tree now;
	uint64_t at;
	size_t n;
	enum err e;

	TRY(trail_view(v->trail, &view));
	TRY(view_tree(view, &now));
	TRY(see_later(v, view, now.size));
	TRY(check_followed(v, view, now.size > v->head.size));
	e = view_open(view, open, &n);
	if (e == OK)
		e = view_erasing(view, &erasing, &at);
	if (e != OK)
		return missing(v, e, "tree", now.size, "its list of open or erased segments cannot be read");
	for (uint32_t id = 1; id <= v->segment; id++) {
		e = view_segment(view, id, &s);
		if (e != OK)
			return missing(v, e, "segment", id, "its row is missing or cannot be read");
		TRY(check_said(v, id, &s, erasing));
		if (is_listed(open, n, id) != (s.state == SEGMENT_OPEN))
			return bad(v, "segment", id, "its row and the list of those that are open do not agree");
	}
	for (size_t i = 0; i < n && now.size == v->head.size; i++)
		if (open[i] == 0 || open[i] > v->segment)
			return bad(v, "segment", open[i], "it is listed as open, but no entry opens it");
	return OK;
}

static enum err check_rest(struct verifier *v)
{
	struct hash head = tree_root(&v->head), signed_root = tree_root(&v->signed_tree);

	v->report->root = tree_root(&v->tree);
	if (memcmp(head.b, v->report->root.b, sizeof(head.b)) != 0)
		return bad(v, "tree", v->head.size, "its stored frontier is not that of its entries");
	if (v->signed_tree.size && memcmp(signed_root.b, v->signed_root.b, sizeof(signed_root.b)) != 0)
		return bad(v, "tree", v->signed_tree.size, "the frontier kept with the newest checkpoint is not that of its entries");
	if (v->report->signed_size == 0)
		return bad(v, "checkpoint", 0, "nothing is signed: anybody could have written this");
	if (v->ends.segment != v->segment)
		return bad(v, "segment", v->ends.segment, "no entry opens it");
	if (v->sizes && v->listed < v->ends.signed_size)
		return bad(v, "signed size", v->listed, "there is a checkpoint for size %llu, but the sizes file does not have it",
			   (unsigned long long)v->ends.signed_size);
	TRY(check_line(v));
	return check_segments(v);
}

static enum err run(struct verifier *v)
{
	TRY(vkey_read(v->spec->vkey, &v->origin, v->pub));
	seal_init(&v->seal, v->origin);
	if (v->spec->root)
		vault_init(&v->vault, v->spec->root, "record");
	TRY(trail_open(v->spec->path, 1 << 20, true, &v->trail));
	TRY(open_line(v));
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
	free(v->said);
	crypt_wipe(v, sizeof(*v));
	return e;
}

#include "evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "file.h"
#include "install.h"
#include "tiles.h"
#include "trail.h"

#define VIEW_ENTRIES 4096       /* to one view: a long one would pin the writer's pages */
#define TILE TREE_TILE_HASHES
#define BUNDLE_MAX (TILE * (2 + ENTRY_BYTES_MAX))

struct evidence {
	struct trail *trail;
};

enum err evidence_open(const char *record, struct evidence **out)
{
	CLEANUP(evidence_close) struct evidence *e = calloc(1, sizeof(*e));

	if (!e)
		return ERR_FULL;
	TRY(trail_open(record, 1 << 20, true, &e->trail));
	*out = e;
	e = NULL;
	return OK;
}

void evidence_close(struct evidence **e)
{
	if (*e)
		trail_close(&(*e)->trail);
	free(*e);
	*e = NULL;
}

static enum err newest_note(struct evidence *e, char note[NOTE_BYTES_MAX], size_t *n, uint64_t *size)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct checkpoint_row row;

	TRY(trail_view(e->trail, &view));
	TRY(view_newest_checkpoint(view, &row));
	if (row.note.n > NOTE_BYTES_MAX || row.size == 0)
		return ERR_CORRUPT;
	memcpy(note, row.note.p, row.note.n);
	*n = row.note.n;
	*size = row.size;
	return OK;
}

/* ---- going through leaves, in short views ---- */

struct leaves {
	struct evidence *e;
	uint64_t done, all;             /* for progress */
	evidence_progress *progress;
};

typedef enum err on_leaf(void *ctx, struct txn *view, uint64_t index, const struct hash *leaf);

static enum err each_leaf(struct leaves *l, uint64_t from, uint64_t to, on_leaf *visit, void *ctx)
{
	struct hash leaf;

	while (from < to) {
		CLEANUP(txn_abort) struct txn *view = NULL;

		TRY(trail_view(l->e->trail, &view));
		for (uint64_t end = to - from > VIEW_ENTRIES ? from + VIEW_ENTRIES : to; from < end; from++, l->done++) {
			TRY(view_hashes(view, 0, from, 1, &leaf));
			TRY(visit(ctx, view, from, &leaf));
		}
		l->progress("entries", l->done, l->all);
	}
	return OK;
}

/* Of an erased entry its leaf alone is left. */
enum what_is_left { WHOLE, ERASED };

static enum err compare(struct span raw, const struct hash *leaf, enum what_is_left *out)
{
	const struct hash own = tree_leaf(raw);
	struct entry e;

	*out = WHOLE;
	if (memcmp(own.b, leaf->b, sizeof(own.b)) == 0)
		return OK;
	*out = ERASED;
	return entry_read(raw, &e) == OK && e.kind == ENTRY_ERASED ? OK : ERR_CORRUPT;
}

/* ---- proofs ---- */

enum err evidence_prove(struct evidence *e, uint64_t index, struct proof *out)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct tree_source source;
	enum what_is_left left;
	struct hash leaf;
	struct span raw;
	uint64_t size;

	*out = (struct proof){ .index = index };
	TRY(newest_note(e, out->note, &out->note_n, &size));
	if (index >= size)
		return ERR_NOT_FOUND;
	TRY(trail_view(e->trail, &view));
	TRY(view_entry(view, index, &raw));
	TRY(view_hashes(view, 0, index, 1, &leaf));
	TRY(compare(raw, &leaf, &left));
	if (left == ERASED)
		return ERR_CLOSED;
	if (raw.n > sizeof(out->entry))
		return ERR_CORRUPT;
	memcpy(out->entry, raw.p, raw.n);
	out->entry_n = raw.n;
	source = view_source(view);
	return tree_prove_inclusion(&source, index, size, out->hash, &out->hashes);
}

/* ---- tiles ---- */

struct level {
	uint64_t number;                /* of the tile being filled */
	size_t n;
	struct hash hash[TILE];
};

struct tiler {
	const char *folder;
	struct level level[TREE_TILE_LEVELS];
	uint8_t *bundle;
	size_t bundle_n;
};

static enum err make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST) {
			*slash = '/';
			return errno == EACCES ? ERR_DENIED : errno == ENOSPC ? ERR_FULL : ERR_IO;
		}
		*slash = '/';
	}
	return OK;
}

/* width 0: a full one. */
static enum err write_file(const struct tiler *t, const char *kind, uint64_t number, unsigned width, struct span bytes)
{
	char path[INSTALL_PATH_MAX], name[TILES_NUMBER_MAX], part[16] = "";
	FILE *f;
	bool good;

	tiles_number(number, name);
	if (width)
		snprintf(part, sizeof(part), ".p/%u", width);
	if (snprintf(path, sizeof(path), "%s/%s/%s%s", t->folder, kind, name, part) >= (int)sizeof(path))
		return ERR_TOO_LARGE;
	TRY(make_folders(path));
	f = fopen(path, "wxe");
	if (!f)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	good = fwrite(bytes.p, 1, bytes.n, f) == bytes.n;
	return fclose(f) == 0 && good ? OK : ERR_IO;
}

static enum err write_tile(const struct tiler *t, unsigned level, unsigned width)
{
	const struct level *l = &t->level[level];
	char kind[16];

	snprintf(kind, sizeof(kind), "tile/%u", level);
	return write_file(t, kind, l->number, width, span(l->hash[0].b, l->n * sizeof(l->hash[0])));
}

static enum err add_hash(struct tiler *t, unsigned level, const struct hash *h)
{
	struct level *l = &t->level[level];
	struct tree tree = { 0 };
	struct hash root;

	must(level < TREE_TILE_LEVELS);
	l->hash[l->n++] = *h;
	if (l->n < TILE)
		return OK;
	TRY(write_tile(t, level, 0));
	for (size_t i = 0; i < TILE; i++)
		tree_append(&tree, &l->hash[i]);
	root = tree_root(&tree);
	l->n = 0;
	l->number++;
	return add_hash(t, level + 1, &root);
}

static enum err tile_entry(void *ctx, struct txn *view, uint64_t index, const struct hash *leaf)
{
	struct tiler *t = ctx;
	struct put out = put(t->bundle + t->bundle_n, BUNDLE_MAX - t->bundle_n);
	enum what_is_left left;
	struct span raw;

	TRY(view_entry(view, index, &raw));
	TRY(compare(raw, leaf, &left));
	if (left == ERASED)
		raw.n = 0;
	if (raw.n > ENTRY_BYTES_MAX)
		return ERR_CORRUPT;
	put_u16(&out, (uint16_t)raw.n);
	put_bytes(&out, raw);
	t->bundle_n += out.n;
	if (index % TILE == TILE - 1) {
		TRY(write_file(t, "tile/entries", index / TILE, 0, span(t->bundle, t->bundle_n)));
		t->bundle_n = 0;
	}
	return add_hash(t, 0, leaf);
}

static enum err write_rest(const struct tiler *t, uint64_t size)
{
	if (size % TILE)
		TRY(write_file(t, "tile/entries", size / TILE, (unsigned)(size % TILE), span(t->bundle, t->bundle_n)));
	for (unsigned level = 0; level < TREE_TILE_LEVELS; level++)
		if (t->level[level].n)
			TRY(write_tile(t, level, (unsigned)t->level[level].n));
	return OK;
}

static enum err write_notes(struct evidence *e, const struct tiler *t, uint64_t last)
{
	uint64_t size = 0;

	for (uint64_t number = 0; size < last; number++) {
		CLEANUP(txn_abort) struct txn *view = NULL;
		struct checkpoint_row row;

		TRY(trail_view(e->trail, &view));
		TRY(view_checkpoint(view, size, &row));
		TRY(write_file(t, "notes", number, 0, row.note));
		size = row.size;
	}
	return OK;
}

static enum err write_checkpoint(const struct tiler *t, struct span note)
{
	char path[INSTALL_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/checkpoint", t->folder) >= (int)sizeof(path))
		return ERR_TOO_LARGE;
	return install_write(path, note, 0644);
}

enum err evidence_tiles(struct evidence *e, const char *folder, bool notes, evidence_progress *progress, uint64_t *size)
{
	CLEANUP(free_cleanup) struct tiler *t = calloc(1, sizeof(*t));
	CLEANUP(free_cleanup) uint8_t *bundle = malloc(BUNDLE_MAX);
	struct leaves l = { .e = e, .progress = progress };
	char note[NOTE_BYTES_MAX];
	size_t n;

	if (!t || !bundle)
		return ERR_FULL;
	t->folder = folder;
	t->bundle = bundle;
	*size = 0;
	TRY(newest_note(e, note, &n, &l.all));
	if (mkdir(folder, 0700) != 0)
		return file_err(errno);
	*size = l.all;
	TRY(each_leaf(&l, 0, *size, tile_entry, t));
	TRY(write_rest(t, *size));
	if (notes)
		TRY(write_notes(e, t, *size));
	return write_checkpoint(t, span(note, n));   /* last: who reads meanwhile finds what it names */
}

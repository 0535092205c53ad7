#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "signing.h"

#define UNSIGNED_AT_FIRST 2             /* genesis, and an older version's next: a crash may leave them before they are signed */
#define VKEY_MAX (ORIGIN_BYTES_MAX + 64)

static struct span origin(const struct record *r)
{
	return span_str(r->origin);
}

static enum err write_genesis(struct record *r, struct span vkey, const struct record_spec *spec)
{
	const struct entry genesis = {
		.type = CONTROL_GENESIS, .at_us = clock_us(CLOCK_REALTIME), .vkey = vkey, .before = spec->before,
		.reason = span_str(spec->reason),
	};
	uint8_t raw[ORIGIN_BYTES_MAX + NOTE_BYTES_MAX + 1024];
	struct put entry = put(raw, sizeof(raw));
	enum err e;

	entry_write_control(&genesis, &entry);
	TRY(put_end(&entry));
	TRY(trail_begin(r->trail));
	e = trail_append(r->trail, put_span(&entry));
	if (e == OK)
		e = trail_commit(r->trail);
	if (e != OK)
		trail_abort(r->trail);
	return e;
}

static enum err corrupt(struct record *r, const char *found)
{
	r->found = found;
	return ERR_CORRUPT;
}

static enum err open_line(struct record *r, const struct record_spec *spec)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct epoch_row row;
	enum err e;

	TRY(trail_view(r->trail, &view));
	e = view_epoch(view, &row);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	e = turns_open(&r->turns, spec->line_path, spec->line_depth, spec->line_every_us, e == OK ? &row : NULL, r->signed_size,
		      &r->found);
	atomic_store(&r->lined, r->turns.begun);
	return e;
}

/* Is it the record of these keys? The newest segment's key must open, entry 0 must name our verifier key. */
static enum err check_keys(struct record *r, struct txn *view, struct span vkey)
{
	struct span raw;
	struct entry genesis;
	enum err e;

	TRY(view_entry(view, 0, &raw));
	if (entry_read(raw, &genesis) != OK || genesis.kind != ENTRY_CONTROL || genesis.type != CONTROL_GENESIS)
		return ERR_CORRUPT;
	if (!span_eq(genesis.vkey, vkey))
		return ERR_KEY;
	TRY(years_resume(&r->done.years, view));
	e = pens_resume(&r->done.pens, &r->ink, view);
	return e == ERR_NOT_FOUND ? corrupt(r, "the keys of its entries, in the file -keys, are gone") : e;
}

static bool same_root(const struct tree *tree, const struct hash *root)
{
	struct hash have = tree_root(tree);

	return memcmp(have.b, root->b, sizeof(have.b)) == 0;
}

/* The frontier at the newest checkpoint, which must be what that checkpoint signed. */
static enum err signed_tree(struct record *r, struct txn *view, struct tree *out)
{
	struct checkpoint_row row;
	struct checkpoint c;
	enum err e = view_newest_checkpoint(view, &row);

	TRY(view_signed(view, out));
	if (e == ERR_NOT_FOUND)
		return out->size == 0 && trail_tree(r->trail)->size <= UNSIGNED_AT_FIRST ? OK : ERR_CORRUPT;
	TRY(e);
	if (note_open(row.note, origin(r), r->pub, &c) != OK || c.size != row.size || c.size != out->size ||
	    !same_root(out, &c.root) || row.note.n > sizeof(r->note))
		return ERR_CORRUPT;
	r->signed_size = row.size;
	signing_show(r, row.note);
	return OK;
}

/* What was signed last, by the sizes file, which a crash may leave one checkpoint ahead of the store, and never behind. */
static enum err last_signed(struct record *r, const struct tree *in_store, struct checkpoint *out)
{
	enum err e = r->sizes ? sizes_newest(r->sizes, out) : ERR_NOT_FOUND;

	if (e == ERR_NOT_FOUND) {
		*out = (struct checkpoint){ origin(r), in_store->size, tree_root(in_store) };
		return r->sizes && in_store->size ? corrupt(r, "record.sizes, which knew what was signed last, is gone") : OK;
	}
	TRY(e);
	return out->size >= in_store->size ? OK : corrupt(r, "record.sizes was set back to an older copy");
}

/* Is what is stored a continuation of what was signed? From the signed frontier, whose root the signature vouches for,
 * the leaves after it must lead over the last signed size to the stored frontier. Costs one hash for each entry that a
 * crash left unsigned; older leaves are verify's business. */
static enum err check_tree(struct record *r, struct txn *view)
{
	const struct tree *head = trail_tree(r->trail);
	struct hash root = tree_root(head), leaf;
	struct checkpoint last;
	struct tree tree;

	TRY(signed_tree(r, view, &tree));
	TRY(last_signed(r, &tree, &last));
	r->listed_size = last.size;
	if (last.size > head->size)
		return corrupt(r, "it is shorter than what was signed last: cut, or set back to an older copy");
	for (;;) {
		if (tree.size == last.size && !same_root(&tree, &last.root))
			return corrupt(r, "it is not what was signed last");
		if (tree.size == head->size)
			return same_root(&tree, &root) ? OK : ERR_CORRUPT;
		TRY(view_hashes(view, 0, tree.size, 1, &leaf));
		tree_append(&tree, &leaf);
	}
}

/* What must be there is not: damaged. */
static enum err damaged(enum err e)
{
	return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

/* Whose record it is comes first: another's checkpoints only look damaged. */
static enum err resume(struct record *r, struct span vkey, const char *sizes_path)
{
	CLEANUP(txn_abort) struct txn *view = NULL;

	TRY(trail_view(r->trail, &view));
	if (trail_tree(r->trail)->size)
		TRY(damaged(check_keys(r, view, vkey)));
	if (sizes_path[0])
		TRY(sizes_open(sizes_path, origin(r), r->pub, false, &r->sizes));
	return damaged(check_tree(r, view));
}

static enum err open_trail(struct record *r, const struct record_spec *spec, char vkey[VKEY_MAX])
{
	memcpy(r->secret, spec->sign_secret, sizeof(r->secret));
	vault_init(&r->vault, spec->root, "record");
	patients_init(&r->done.years.root, spec->root);
	seal_init(&r->seal, origin(r));
	TRY(sign_public(r->secret, r->pub));
	TRY(vkey_write(origin(r), r->pub, vkey, VKEY_MAX));
	TRY(trail_open(spec->path, spec->map_bytes, false, &r->trail));
	r->ink = (struct ink){ r->trail, &r->vault, &r->seal, origin(r) };
	return OK;
}

enum err record_resume(struct record *r, const struct record_spec *spec)
{
	char vkey[VKEY_MAX];

	TRY(open_trail(r, spec, vkey));
	TRY(resume(r, span_str(vkey), spec->sizes_path));
	r->stripping = true;                    /* what a crash interrupted */
	TRY(open_line(r, spec));
	if (trail_tree(r->trail)->size == 0)
		TRY(write_genesis(r, span_str(vkey), spec));
	return r->signed_size ? OK : signing_sign(r);   /* nothing happens in a record of which nothing is signed */
}

static enum err read_in_child(const struct record_spec *spec)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct record *r = calloc(1, sizeof(*r));       /* gone with the process */
	char vkey[VKEY_MAX];
	enum err e;

	if (!r || !span_text(span_str(spec->origin), r->origin, sizeof(r->origin)))
		return ERR_FULL;
	TRY(open_trail(r, spec, vkey));
	t = r->trail;
	TRY(trail_view(t, &view));
	if (trail_tree(t)->size == 0)
		return OK;
	e = check_keys(r, view, span_str(vkey));
	if (r->found)
		return OK;              /* it could be read; opening it will say so, too */
	TRY(damaged(e));
	return damaged(check_tree(r, view));
}

enum err record_probe(const struct record_spec *spec)
{
	int status;
	pid_t pid;

	if (access(spec->path, F_OK) != 0)
		return OK;
	pid = fork();
	if (pid == 0) {
		store_probe_begin();
		_exit((int)read_in_child(spec));
	}
	if (pid < 0)
		return ERR_FULL;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return ERR_IO;
	return store_probed(status);
}

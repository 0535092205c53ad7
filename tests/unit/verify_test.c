/* Whatever is changed in a record is named. Tests whose names begin with acceptance_N, here and elsewhere, show what the record's
 * design promises: grep -rn acceptance tests. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "keeping.h"
#include "own_record.h"
#include "pens.h"
#include "seed.h"
#include "sizes.h"
#include "trail.h"

/* Changes one byte of `what` wherever the store's file holds it: LMDB keeps old copies of pages. */
static void flip(struct span what, size_t at)
{
	size_t n, times = 0;
	uint8_t *file = slurp(g.path, &n);

	for (uint8_t *p = file; (p = memmem(p, n - (size_t)(p - file), what.p, what.n)); times++)
		p[at] ^= 1;
	assert_true(times > 0);
	spill(g.path, file, n);
	free(file);
}

/* A piece of a table's value, copied out so that it can be looked for. */
static size_t piece_of(enum err (*get)(struct txn *view, uint64_t at, uint8_t *out, size_t *n), uint64_t at, uint8_t *out)
{
	struct trail *t = NULL;
	struct txn *view = NULL;
	size_t n;

	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(get(view, at, out, &n), OK);
	txn_abort(&view);
	trail_close(&t);
	return n;
}

static enum err get_entry(struct txn *view, uint64_t at, uint8_t *out, size_t *n)
{
	struct span s;

	TRY(view_entry(view, at, &s));
	memcpy(out, s.p, *n = s.n);
	return OK;
}

static enum err get_leaf(struct txn *view, uint64_t at, uint8_t *out, size_t *n)
{
	struct hash h;

	TRY(view_hashes(view, 0, at, 1, &h));
	memcpy(out, h.b, *n = sizeof(h.b));
	return OK;
}

static enum err get_checkpoint(struct txn *view, uint64_t at, uint8_t *out, size_t *n)
{
	struct checkpoint_row row;

	TRY(view_checkpoint(view, at, &row));
	memcpy(out, row.note.p, *n = row.note.n);
	return OK;
}

/* As in the row: first index, 8 | last index, 8 | records, 4. */
static enum err get_segment(struct txn *view, uint64_t at, uint8_t *out, size_t *n)
{
	struct segment s;
	struct put b = put(out, 128);

	TRY(view_segment(view, (uint32_t)at, &s));
	put_u64(&b, s.first);
	put_u64(&b, s.last);
	put_u32(&b, s.records);
	put_u64(&b, (uint64_t)s.opened_us);
	*n = b.n;
	return put_end(&b);
}

/* The frontier from its first hash on. */
static enum err get_frontier(struct txn *view, uint64_t at, uint8_t *out, size_t *n)
{
	uint8_t raw[TREE_BYTES_MAX];
	struct tree t;

	(void)at;
	TRY(view_tree(view, &t));
	*n = tree_write(&t, raw) - 8;
	memcpy(out, raw + 8, *n);
	return OK;
}

static void assert_bad(const char *part, uint64_t index, const char *what)
{
	assert_int_equal(verify(), ERR_CORRUPT);
	if (strcmp(report.part, part) != 0 || report.index != index || !strstr(report.what, what))
		fail_msg("%s %llu: %s", report.part, (unsigned long long)report.index, report.what);
}

static void acceptance_1_any_changed_byte_of_an_entry_is_named(void **state)
{
	static uint8_t entry[ENTRY_BYTES_MAX];

	(void)state;
	record_some(60);
	for (int i = 0; i < 12; i++) {
		uint64_t index = seed_below(62);
		size_t n = piece_of(get_entry, index, entry), at = seed_below(n);

		flip(span(entry, n), at);
		assert_bad("entry", index, "its bytes do not hash to its leaf");
		entry[at] ^= 1;
		flip(span(entry, n), at);
		assert_good();
		entry[at] ^= 1;
	}
}

static void acceptance_1_a_changed_leaf_is_named(void **state)
{
	uint8_t leaf[SHA256_BYTES];

	(void)state;
	record_some(60);
	flip(span(leaf, piece_of(get_leaf, 41, leaf)), 5);
	assert_bad("entry", 41, "its bytes do not hash to its leaf");
}

/* Who changes entry and leaf alike is found by the seal, or, without the key, at the next signed size. */
static void an_entry_changed_with_its_leaf_is_named(void **state)
{
	static uint8_t entry[ENTRY_BYTES_MAX];
	uint8_t leaf[SHA256_BYTES];
	struct verify_spec spec;
	struct hash forged;
	size_t n, size;
	uint8_t *file;

	(void)state;
	record_some(60);
	n = piece_of(get_entry, 41, entry);
	(void)piece_of(get_leaf, 41, leaf);
	flip(span(entry, n), 20);
	entry[20] ^= 1;
	forged = tree_leaf(span(entry, n));
	file = slurp(g.path, &size);
	for (uint8_t *p = file; (p = memmem(p, size - (size_t)(p - file), leaf, sizeof(leaf)));)
		memcpy(p, forged.b, sizeof(forged.b));
	spill(g.path, file, size);
	free(file);
	assert_bad("entry", 41, "its seal does not open");
	spec = recording_verify(&g);
	spec.root = NULL;
	assert_int_equal(verify_record(&spec, &report), ERR_CORRUPT);
	assert_string_equal(report.part, "checkpoint");
	assert_int_equal(report.index, 62);
}

static void acceptance_1_a_changed_checkpoint_is_named(void **state)
{
	uint8_t note[NOTE_BYTES_MAX];
	size_t n;

	(void)state;
	record_some(60);
	n = piece_of(get_checkpoint, 61, note);   /* a slow machine signed before, too */
	flip(span(note, n), seed_below(n));
	assert_bad("checkpoint", 62, "its signature does not fit");
}

static void acceptance_1_a_changed_segment_row_is_named(void **state)
{
	uint8_t row[128];
	size_t n;

	(void)state;
	record_some(60);
	record_some(60);
	n = piece_of(get_segment, 1, row);
	flip(span(row, n), 7);
	assert_bad("segment", 1, "does not agree with entry 1");
	row[7] ^= 1;
	flip(span(row, n), 7);
	row[7] ^= 1;
	flip(span(row, n), 15);
	assert_bad("segment", 1, "its last entry is 61 with record 60");
	row[15] ^= 1;
	flip(span(row, n), 15);
	assert_good();
	row[15] ^= 1;
	flip(span(row, n), 19);
	assert_bad("segment", 1, "its last entry is 61 with record 60");
}

/* The wrapped key of segment `id` lies in a file of its own. */
static void flip_key(uint32_t id, size_t at)
{
	char path[128];
	size_t n;
	uint8_t *file;

	snprintf(path, sizeof(path), "%s-keys", g.path);
	file = slurp(path, &n);
	assert_true(n >= id * 64);
	file[(id - 1) * 64 + at] ^= 1;
	spill(path, file, n);
	free(file);
}

static void a_changed_key_of_a_segment_is_named(void **state)
{
	struct verify_spec spec;

	(void)state;
	record_some(60);
	record_some(60);
	flip_key(2, seed_below(SEGMENT_WRAPPED));
	assert_bad("segment", 2, "does not open with this root key");
	assert_int_equal(record_open(&g.spec, &g.record), ERR_KEY);
	spec = recording_verify(&g);
	spec.root = NULL;
	assert_int_equal(verify_record(&spec, &report), OK);   /* who cannot read it can still verify it */
}

static enum err get_tile(struct txn *view, uint64_t at, uint8_t *out, size_t *n)
{
	struct hash h;

	TRY(view_hashes(view, 1, at, 1, &h));
	memcpy(out, h.b, *n = sizeof(h.b));
	return OK;
}

static void acceptance_1_a_changed_tile_is_named(void **state)
{
	uint8_t hash[SHA256_BYTES];

	(void)state;
	record_some(1000);
	flip(span(hash, piece_of(get_tile, 2, hash)), seed_below(sizeof(hash)));
	assert_bad("tile", 2, "is not that of the entries below it");
}

/* Whatever the sizes of the batches, the tiles are those of the tree. */
static void proofs_come_from_the_store(void **state)
{
	struct hash proof[TREE_PROOF_MAX], root, old, leaf;
	struct tree_source source;
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct tree tree;
	uint64_t sum = 0;
	size_t n;

	(void)state;
	g.spec.map_bytes = 8 << 20;
	for (int start = 0; start < 12; start++) {
		uint64_t more = seed_below(start % 2 ? 600 : 40);

		open_record();
		push_many(sum, more);
		sum += more;
		record_close(&g.record);
	}
	assert_good();
	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_tree(view, &tree), OK);
	source = view_source(view);
	root = tree_root(&tree);
	for (int i = 0; i < 100; i++) {
		uint64_t at = seed_below(tree.size);

		assert_int_equal(view_hashes(view, 0, at, 1, &leaf), OK);
		assert_int_equal(tree_prove_inclusion(&source, at, tree.size, proof, &n), OK);
		assert_int_equal(tree_check_inclusion(at, tree.size, &leaf, proof, n, &root), OK);
		at++;
		assert_int_equal(tree_root_at(&source, at, &old), OK);
		assert_int_equal(tree_prove_consistency(&source, at, tree.size, proof, &n), OK);
		assert_int_equal(tree_check_consistency(at, tree.size, proof, n, &old, &root), OK);
	}
	txn_abort(&view);
	trail_close(&t);
}

static void a_changed_frontier_is_seen_and_nothing_more_is_signed(void **state)
{
	uint8_t frontier[TREE_BYTES_MAX];
	size_t n;

	(void)state;
	record_some(60);
	n = piece_of(get_frontier, 0, frontier);
	flip(span(frontier, n), seed_below(n));
	assert_bad("tree", 62, "its stored frontier is not that of its entries");
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
}

/* The newest may be one that a crash tore: then the store has a checkpoint that it does not know. */
static bool damaged_meanwhile;

/* It is opened twice: for what was signed, and again after the head was seen. */
__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;
	int fd;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
	va_end(args);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (damaged_meanwhile && strcmp(path, g.sizes) == 0) {
		damaged_meanwhile = false;
		unlink(path);
		spill(path, (const uint8_t *)"nothing that was signed", 23);
	}
	return fd;
}

static void a_sizes_file_that_is_damaged_meanwhile_is_named(void **state)
{
	(void)state;
	record_some(60);
	damaged_meanwhile = true;
	assert_bad("signed size", 0, "could be read before");
}

static void a_changed_line_of_the_sizes_file_is_seen(void **state)
{
	uint8_t *lines;
	size_t n, at;

	(void)state;
	record_some(60);
	record_some(60);
	record_some(60);
	lines = slurp(g.sizes, &n);
	for (unsigned slot = 0; lines[slot * SIZES_SLOT_BYTES]; slot++) {
		at = slot * SIZES_SLOT_BYTES + seed_below(SIZES_SLOT_BYTES);
		lines[at] ^= 1;
		spill(g.sizes, lines, n);
		assert_int_equal(verify(), ERR_CORRUPT);
		assert_string_equal(report.part, "signed size");
		lines[at] ^= 1;
	}
	spill(g.sizes, lines, n);
	assert_good();
	free(lines);
}

/* Yesterday's store, put back: nothing inside it is wrong. */
static void a_store_set_back_is_known_by_its_sizes_file(void **state)
{
	uint8_t *old;
	size_t n;

	(void)state;
	record_some(40);
	old = slurp(g.path, &n);
	record_some(20);
	spill(g.path, old, n);
	free(old);
	assert_bad("record", 42, "size 63 was signed: it was cut or set back");
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
	unlink(g.sizes);
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
}

/* Two histories under one key: the sizes file remembers the other one. */
static void a_second_history_is_known_by_its_sizes_file(void **state)
{
	uint8_t *old;
	size_t n;

	(void)state;
	record_some(40);
	old = slurp(g.path, &n);
	record_some(20);
	spill(g.path, old, n);
	free(old);
	g.spec.sizes_path = "";
	record_some(50);
	g.spec.sizes_path = g.sizes;
	assert_bad("signed size", 63, "entries 42 to 62 are not those that were signed");
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
}

static void a_sizes_file_that_lost_its_newest_stops_the_writer(void **state)
{
	uint8_t *lines;
	unsigned used = 0;
	size_t n;

	(void)state;
	record_some(40);
	record_some(20);
	lines = slurp(g.sizes, &n);
	while (lines[used * SIZES_SLOT_BYTES])
		used++;
	memset(lines + (used - 1) * SIZES_SLOT_BYTES, 0, SIZES_SLOT_BYTES);
	spill(g.sizes, lines, n);
	free(lines);
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
}

/* It never grows, and the newest is found wherever the ring stands. */
static void the_sizes_file_goes_round(void **state)
{
	char text[NOTE_BYTES_MAX];
	struct sizes *sizes = NULL;
	struct checkpoint c = { span_str(RECORDING_ORIGIN), 0, { { 1 } } }, have;
	struct stat st;

	(void)state;
	for (uint64_t i = 1; i <= 3 * SIZES_SLOTS + 5; i++) {
		struct put note = put(text, sizeof(text));

		c.size = i;
		assert_int_equal(note_write(&c, g.secret, &note), OK);
		assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, false, &sizes), OK);
		assert_int_equal(sizes_newest(sizes, &have), i > 1 ? OK : ERR_NOT_FOUND);
		assert_true(i == 1 || have.size == i - 1);
		assert_int_equal(sizes_append(sizes, put_span(&note)), OK);
		assert_int_equal(sizes_newest(sizes, &have), OK);
		assert_int_equal(have.size, i);
		sizes_close(&sizes);
	}
	assert_int_equal(stat(g.sizes, &st), 0);
	assert_int_equal(st.st_size, SIZES_SLOTS * SIZES_SLOT_BYTES);
	assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, true, &sizes), OK);
	for (uint64_t i = 2 * SIZES_SLOTS + 6; i <= 3 * SIZES_SLOTS + 5; i++) {
		assert_int_equal(sizes_next(sizes, &have), OK);
		assert_int_equal(have.size, i);
	}
	assert_int_equal(sizes_next(sizes, &have), ERR_NOT_FOUND);
	sizes_close(&sizes);
}

/* A crash between the two files may leave the same size to be signed again, wherever the ring stands. */
static void a_size_may_be_there_twice(void **state)
{
	char text[NOTE_BYTES_MAX];
	struct sizes *sizes = NULL;
	struct checkpoint c = { span_str(RECORDING_ORIGIN), 0, { { 1 } } }, have;

	(void)state;
	for (uint64_t i = 1; i <= 6 * SIZES_SLOTS; i++) {
		struct put note = put(text, sizeof(text));

		c.size = i * 2 / 3 + 1;         /* every other one */
		assert_int_equal(note_write(&c, g.secret, &note), OK);
		assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, false, &sizes), OK);
		assert_int_equal(sizes_append(sizes, put_span(&note)), OK);
		sizes_close(&sizes);
		assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, true, &sizes), OK);
		assert_int_equal(sizes_newest(sizes, &have), OK);
		assert_int_equal(have.size, c.size);
		sizes_close(&sizes);
	}
}

static const int64_t minute = 60 * 1000000LL, thinning_now = 1770000000LL * 1000000 / (3600 * 1000000LL) * (3600 * 1000000LL);

/* An hour of checkpoints, two a minute, from that many days ago on. */
static void checkpoints_of_an_hour(struct trail *t, int days_ago)
{
	int64_t start = thinning_now - days_ago * 24 * 60 * minute;

	for (int i = 0; i < 120; i++) {
		assert_int_equal(trail_begin(t), OK);
		assert_int_equal(trail_append(t, SPAN_LIT("an entry")), OK);
		assert_int_equal(trail_commit(t), OK);
		assert_int_equal(trail_put_checkpoint(t, SPAN_LIT("a note"), start + i * minute / 2, i == 7), OK);
	}
}

/* Of old checkpoints some stay. */
static void old_checkpoints_are_thinned_out(void **state)
{
	uint64_t kept[3] = { 0 }, above = 0, n;
	struct checkpoint_row row;
	struct trail *t = NULL;
	struct txn *view = NULL;

	(void)state;
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	checkpoints_of_an_hour(t, 8);
	checkpoints_of_an_hour(t, 2);
	checkpoints_of_an_hour(t, 0);
	n = trail_tree(t)->size;
	assert_int_equal(trail_view(t, &view), OK);
	while (view_checkpoint(view, above, &row) == OK) {
		kept[(row.size - 1) / 120]++;
		above = row.size;
	}
	assert_int_equal(above, n);
	assert_int_equal(kept[0], 2);           /* the hour's first, and the one that was to stay */
	assert_int_equal(kept[1], 61);          /* every minute's first, and that one */
	assert_int_equal(kept[2], 120);
	txn_abort(&view);
	assert_int_equal(trail_cosign(t, n - 1, SPAN_LIT("a note, cosigned"), true), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_checkpoint(view, n - 2, &row), OK);
	assert_true(row.stays && span_is(row.note, "a note, cosigned"));
	txn_abort(&view);
	assert_int_equal(trail_cosign(t, n + 1, SPAN_LIT("a note"), true), ERR_NOT_FOUND);
	trail_close(&t);
}

/* The last entries, their leaves, the checkpoints over them and the frontier are taken out with care. */
static void acceptance_2_a_store_whose_tail_was_cut_is_known_by_its_sizes_file(void **state)
{
	static const char *const tables[] = { "entry", "leaf", "tile", "seg", "ckpt", "tree", NULL };
	const struct store_spec spec = { .kind = "record", .version = 2, .map_bytes = 4 << 20, .table = tables };
	uint8_t frontier[TREE_BYTES_MAX], run[TRAIL_RUN * SHA256_BYTES], row[128];
	struct store *store = NULL;
	struct txn *txn = NULL;
	struct key64 key;
	struct span value;
	struct tree t;
	size_t row_n;

	(void)state;
	record_some(40);
	assert_int_equal(store_open(g.path, &spec, &store), OK);
	assert_int_equal(txn_begin_read(store, &txn), OK);
	assert_int_equal(txn_get(txn, 3, span("\0\0\0\1", 4), &value), OK);
	memcpy(row, value.p, row_n = value.n);
	assert_int_equal(txn_get(txn, 5, SPAN_LIT("head"), &value), OK);
	memcpy(frontier, value.p, value.n);
	assert_int_equal(tree_read(span(frontier, value.n), &t), OK);
	txn_abort(&txn);
	store_close(&store);
	record_some(20);
	assert_int_equal(store_open(g.path, &spec, &store), OK);
	assert_int_equal(txn_begin_write(store, &txn), OK);
	for (uint64_t i = 42; i < 63; i++) {
		key = key64(i);
		assert_int_equal(txn_del(txn, 0, key64_span(&key)), OK);
	}
	key = key64(3);                 /* leaves 48 to 62; and of the run before, those from 42 on */
	assert_int_equal(txn_del(txn, 1, key64_span(&key)), OK);
	key = key64(2);
	assert_int_equal(txn_get(txn, 1, key64_span(&key), &value), OK);
	memcpy(run, value.p, 10 * SHA256_BYTES);
	assert_int_equal(txn_put(txn, 1, key64_span(&key), span(run, 10 * SHA256_BYTES)), OK);
	key = key64(63);
	assert_int_equal(txn_del(txn, 4, key64_span(&key)), OK);
	assert_int_equal(txn_del(txn, 3, span("\0\0\0\2", 4)), OK);
	assert_int_equal(txn_put(txn, 3, span("\0\0\0\1", 4), span(row, row_n)), OK);
	assert_int_equal(txn_put(txn, 5, SPAN_LIT("open"), span("\0\0\0\1", 4)), OK);
	value = span(frontier, tree_write(&t, frontier));
	assert_int_equal(txn_put(txn, 5, SPAN_LIT("head"), value), OK);
	assert_int_equal(txn_put(txn, 5, SPAN_LIT("signed"), value), OK);
	assert_int_equal(txn_commit(&txn), OK);
	store_close(&store);
	assert_bad("record", 42, "size 63 was signed: it was cut or set back");
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
	g.sizes[0] = '\0';
	assert_good();   /* without the sizes file nothing local can tell */
}

/* A crash in the middle of a slot. */
static void a_torn_slot_of_the_sizes_file_is_no_harm(void **state)
{
	uint64_t before;
	unsigned used = 0;
	uint8_t *lines;
	size_t n;

	(void)state;
	record_some(10);
	lines = slurp(g.sizes, &n);
	while (lines[used * SIZES_SLOT_BYTES])
		used++;
	memcpy(lines + used * SIZES_SLOT_BYTES, lines, 100);
	spill(g.sizes, lines, n);
	free(lines);
	assert_good();
	before = report.checkpoints;   /* how many a run signs depends on how long it takes */
	record_some(10);
	assert_good();
	assert_true(report.checkpoints > before);
	assert_int_equal(report.signed_size, report.entries);
}

/* The frontier that a start goes on from is a row of its own. */
static void a_changed_frontier_of_the_newest_checkpoint_is_named(void **state)
{
	static const char *const tables[] = { "entry", "leaf", "tile", "seg", "ckpt", "tree", NULL };
	const struct store_spec spec = { .kind = "record", .version = 2, .map_bytes = 4 << 20, .table = tables };
	uint8_t row[TREE_BYTES_MAX];
	struct store *store = NULL;
	struct txn *txn = NULL;
	struct span value;
	size_t n;

	(void)state;
	record_some(60);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_open(g.path, &spec, &store), OK);
		assert_int_equal(txn_begin_write(store, &txn), OK);
		assert_int_equal(txn_get(txn, 5, SPAN_LIT("signed"), &value), OK);
		memcpy(row, value.p, n = value.n);
		row[i ? n - 1 : 7] ^= 1;
		assert_int_equal(txn_put(txn, 5, SPAN_LIT("signed"), span(row, n)), OK);
		assert_int_equal(txn_commit(&txn), OK);
		store_close(&store);
		if (i)
			assert_bad("tree", 62, "kept with the newest checkpoint is not that of its entries");
		else
			assert_int_equal(verify(), ERR_CORRUPT);   /* of another size: it may not even be one */
		row[i ? n - 1 : 7] ^= 1;
		assert_int_equal(store_open(g.path, &spec, &store), OK);
		assert_int_equal(txn_begin_write(store, &txn), OK);
		assert_int_equal(txn_put(txn, 5, SPAN_LIT("signed"), span(row, n)), OK);
		assert_int_equal(txn_commit(&txn), OK);
		store_close(&store);
		assert_good();
	}
}

/* Everything but signatures anybody can make, who has the verifier key. */
static void write_unsigned(unsigned events)
{
	struct pens pens = { 0 };
	struct trail *t = NULL;
	struct vault vault;
	struct seal seal;
	uint8_t raw[1024];
	struct put genesis = put(raw, sizeof(raw));

	vault_init(&vault, g.root, "record");
	seal_init(&seal, span_str(RECORDING_ORIGIN));
	entry_write_control(&(struct entry){ .type = CONTROL_GENESIS, .at_us = 1, .vkey = span_str(g.vkey) }, &genesis);
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_append(t, put_span(&genesis)), OK);
	for (unsigned i = 0; i < events; i++)
		assert_int_equal(pens_write(&pens, &(struct ink){ t, &vault, &seal, span_str(RECORDING_ORIGIN) }, 6,
					    SPAN_LIT("anything")), OK);
	assert_int_equal(pens_finish(&pens, &(struct ink){ t, &vault, &seal, span_str(RECORDING_ORIGIN) }), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

static void what_nobody_signed_is_not_whole_and_is_not_signed_afterwards(void **state)
{
	(void)state;
	g.sizes[0] = '\0';
	write_unsigned(50);
	assert_bad("checkpoint", 0, "nothing is signed");
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
}

/* Killed between the first commit and the first signature. */
static void a_beginning_that_a_crash_left_is_gone_on_with(void **state)
{
	(void)state;
	write_unsigned(0);
	record_some(10);
	assert_good();
	assert_int_equal(report.signed_size, report.entries);
}

/* Nothing else is: whoever begins a record signs its beginning before anything happens in it. */
static void a_record_is_signed_from_its_first_entry_on(void **state)
{
	struct checkpoint_row row;
	struct trail *t = NULL;
	struct txn *view = NULL;

	(void)state;
	record_some(10);
	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_checkpoint(view, 0, &row), OK);
	assert_int_equal(row.size, 1);
	txn_abort(&view);
	trail_close(&t);
}

/* What a crash left, or somebody without a key put there: good so far as anybody can tell, and told apart. */
static void what_came_after_the_newest_signature_is_not_under_it(void **state)
{
	struct entry e = { .type = CONTROL_LINE_BEGIN, .at_us = 1 };
	struct trail *t = NULL;
	uint8_t raw[64];
	struct put entry = put(raw, sizeof(raw));

	(void)state;
	record_some(60);
	entry_write_control(&e, &entry);
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(trail_append(t, put_span(&entry)), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
	assert_good();
	assert_int_equal(report.entries, 65);
	assert_int_equal(report.signed_size, 62);
	record_some(60);
	assert_good();
	assert_int_equal(report.signed_size, report.entries);
}

/* ---- while another process writes ---- */

static struct { pid_t pid; int to; } other;

/* One process opens a store once: the other is made before we do, and waits. */
static void prepare(void (*act)(struct trail *t))
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	other.pid = fork();
	other.to = pipes[1];
	if (other.pid == 0) {
		struct trail *t = NULL;
		char go;

		close(pipes[1]);
		must(read(pipes[0], &go, 1) == 1 && trail_open(g.path, 4 << 20, false, &t) == OK);
		act(t);
		trail_close(&t);
		_exit(0);
	}
	close(pipes[0]);
}

static void meanwhile(void)
{
	int how;

	assert_int_equal(write(other.to, "", 1), 1);
	close(other.to);
	assert_int_equal(waitpid(other.pid, &how, 0), other.pid);
	assert_int_equal(how, 0);
}

static void hold_what_is_not_there(struct trail *t)
{
	uint8_t raw[256];
	struct put entry = put(raw, sizeof(raw));

	entry_write_control(&(struct entry){ .type = CONTROL_HOLD, .at_us = 1 }, &entry);
	must(trail_begin(t) == OK && trail_append(t, put_span(&entry)) == OK && trail_commit(t) == OK);
}

static void on_progress(void *ctx, uint64_t done, uint64_t all)
{
	(void)ctx;
	(void)done;
	(void)all;
	meanwhile();
}

static void what_is_added_meanwhile_breaks_nothing(void **state)
{
	struct verify_spec spec;

	(void)state;
	record_some(0);
	prepare(hold_what_is_not_there);
	spec = recording_verify(&g);
	spec.progress = on_progress;
	assert_int_equal(verify_record(&spec, &report), OK);
	assert_bad("entry", 1, "there is none of yet");
}

static void erase_the_first(struct trail *t)
{
	must(keeping_erase(t, &(struct segment_act){ 1, INT64_MAX, SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("why") }) == OK);
	must(keeping_finish(t) == OK);
}

static bool erased_meanwhile;

/* Between the look at its row and the one at its key. Under a name of its own: the header may define pread(), too. */
__attribute__((visibility("default"))) ssize_t our_pread(int fd, void *out, size_t n, off_t at) __asm__("pread");

ssize_t our_pread(int fd, void *out, size_t n, off_t at)
{
	char keys[128];
	struct stat have, want;

	snprintf(keys, sizeof(keys), "%s-keys", g.path);
	if (erased_meanwhile && fstat(fd, &have) == 0 && stat(keys, &want) == 0 && have.st_ino == want.st_ino) {
		erased_meanwhile = false;
		meanwhile();
	}
	return syscall(SYS_pread64, fd, out, n, at);
}

static void a_segment_that_is_erased_meanwhile_is_not_damaged(void **state)
{
	(void)state;
	record_some(20);
	record_some(20);
	prepare(erase_the_first);
	erased_meanwhile = true;
	assert_good();
	assert_false(erased_meanwhile);
	record_some(0);
	assert_good();
	assert_int_equal(report.erased, 1);
}

/* A store of another layout is refused, not misread. */
static void another_layout_is_refused(void **state)
{
	static const char *const tables[] = { "entry", NULL };
	struct store_spec spec = { .kind = "record", .version = 1, .map_bytes = 1 << 20, .table = tables };
	struct store *store = NULL;

	(void)state;
	assert_int_equal(store_open(g.path, &spec, &store), OK);
	store_close(&store);
	assert_int_equal(record_open(&g.spec, &g.record), ERR_VERSION);
	assert_int_equal(verify(), ERR_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_drop)
		T(acceptance_1_any_changed_byte_of_an_entry_is_named),
		T(acceptance_1_a_changed_leaf_is_named),
		T(an_entry_changed_with_its_leaf_is_named),
		T(acceptance_1_a_changed_checkpoint_is_named),
		T(acceptance_1_a_changed_segment_row_is_named),
		T(a_changed_key_of_a_segment_is_named),
		T(acceptance_1_a_changed_tile_is_named),
		T(proofs_come_from_the_store),
		T(a_changed_frontier_is_seen_and_nothing_more_is_signed),
		T(a_sizes_file_that_is_damaged_meanwhile_is_named),
		T(a_changed_line_of_the_sizes_file_is_seen),
		T(a_store_set_back_is_known_by_its_sizes_file),
		T(a_second_history_is_known_by_its_sizes_file),
		T(a_sizes_file_that_lost_its_newest_stops_the_writer),
		T(the_sizes_file_goes_round),
		T(a_size_may_be_there_twice),
		T(old_checkpoints_are_thinned_out),
		T(acceptance_2_a_store_whose_tail_was_cut_is_known_by_its_sizes_file),
		T(a_torn_slot_of_the_sizes_file_is_no_harm),
		T(a_changed_frontier_of_the_newest_checkpoint_is_named),
		T(what_nobody_signed_is_not_whole_and_is_not_signed_afterwards),
		T(a_beginning_that_a_crash_left_is_gone_on_with),
		T(a_record_is_signed_from_its_first_entry_on),
		T(what_came_after_the_newest_signature_is_not_under_it),
		T(what_is_added_meanwhile_breaks_nothing),
		T(a_segment_that_is_erased_meanwhile_is_not_damaged),
		T(another_layout_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

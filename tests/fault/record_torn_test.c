/* The power goes while a batch of the record is written: of the pages of one commit any may have reached the disk, whole or
 * in sectors, but the page that makes them valid only when all have. What was durable before must be there, whole, and
 * never half of what came after. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "recording.h"
#include "seed.h"
#include "sizes.h"
#include "trail.h"

#define COMMITS 24
#define IMAGES 12               /* of each commit */
#define SECTOR 512u
#define METAS (2 * 4096u)       /* LMDB's two pages that say which tree is valid: the last thing written */

static struct recording g;
static struct trail *trail;

static int up(void **state)
{
	(void)state;
	recording_make(&g);
	g.spec.map_bytes = 1 << 20;
	return 0;
}

static int down(void **state)
{
	(void)state;
	trail_close(&trail);
	recording_drop(&g);
	return 0;
}

static void open_trail(void)
{
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &trail), OK);
}

static void commit_some(uint64_t i)
{
	static uint8_t entry[900];
	unsigned n = 1 + (unsigned)seed_below(40);

	if (i % 5 == 4) {
		assert_int_equal(trail_put_checkpoint(trail, SPAN_LIT("a note"), (int64_t)i * 1000000, false), OK);
		return;
	}
	assert_int_equal(trail_begin(trail), OK);
	for (unsigned k = 0; k < n; k++) {
		crypt_random(entry, sizeof(entry));
		assert_int_equal(trail_append(trail, span(entry, 50 + seed_below(850))), OK);
	}
	assert_int_equal(trail_commit(trail), OK);
}

/* Entries, leaves and frontier agree; its size. */
static uint64_t assert_whole(void)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct tree have = { 0 }, want;
	struct hash leaf, again, a, b;
	struct span raw;

	assert_int_equal(trail_view(trail, &view), OK);
	assert_int_equal(view_tree(view, &want), OK);
	while (have.size < want.size) {
		assert_int_equal(view_entry(view, have.size, &raw), OK);
		assert_int_equal(view_hashes(view, 0, have.size, 1, &leaf), OK);
		again = tree_leaf(raw);
		assert_memory_equal(leaf.b, again.b, sizeof(leaf.b));
		tree_append(&have, &leaf);
	}
	a = tree_root(&have);
	b = tree_root(&want);
	assert_memory_equal(a.b, b.b, sizeof(a.b));
	return want.size;
}

static uint64_t opened_from(const uint8_t *image, size_t n)
{
	uint64_t size;

	spill(g.path, image, n);
	open_trail();
	size = assert_whole();
	trail_close(&trail);
	return size;
}

static void tear(uint8_t *image, const uint8_t *before, const uint8_t *after, size_t n)
{
	memcpy(image, before, n);
	for (size_t at = METAS; at < n; at += SECTOR)
		if (seed_below(2))
			memcpy(image + at, after + at, SECTOR);
}

static void acceptance_6_a_torn_commit_is_as_if_it_had_never_begun(void **state)
{
	uint64_t size_before = 0, size_after;
	uint8_t *before, *after, *image;
	size_t n, m;

	(void)state;
	open_trail();
	commit_some(0);
	size_before = trail_tree(trail)->size;
	trail_close(&trail);
	before = slurp(g.path, &n);
	image = malloc(n);
	assert_non_null(image);
	for (uint64_t i = 1; i <= COMMITS; i++) {
		open_trail();
		commit_some(i);
		size_after = trail_tree(trail)->size;
		trail_close(&trail);
		after = slurp(g.path, &m);
		assert_int_equal(m, n);
		for (int k = 0; k < IMAGES; k++) {
			tear(image, before, after, n);
			assert_int_equal(opened_from(image, n), size_before);
		}
		assert_int_equal(opened_from(after, n), size_after);
		free(before);
		before = slurp(g.path, &n);     /* opening may have written */
		size_before = size_after;
		free(after);
	}
	free(before);
	free(image);
}

/* The sizes file: the slot that was being written may be anything; what it had before is known still. */
static void a_torn_slot_leaves_the_newest_size(void **state)
{
	char text[NOTE_BYTES_MAX];
	struct checkpoint c = { span_str(RECORDING_ORIGIN), 0, { { 1 } } }, have;
	struct sizes *sizes = NULL;
	uint8_t *before, *after;
	size_t n;

	(void)state;
	for (uint64_t i = 1; i <= 2 * SIZES_SLOTS; i++) {
		struct put note = put(text, sizeof(text));

		c.size = 100 + i;
		assert_int_equal(note_write(&c, g.secret, &note), OK);
		assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, false, &sizes), OK);
		before = slurp(g.sizes, &n);
		assert_int_equal(sizes_append(sizes, put_span(&note)), OK);
		sizes_close(&sizes);
		after = slurp(g.sizes, &n);
		if (i > 1 && i % 8 == 0) {
			size_t cut = (i - 1) % SIZES_SLOTS * SIZES_SLOT_BYTES + seed_below(100);

			memcpy(before + cut / SIZES_SLOT_BYTES * SIZES_SLOT_BYTES, after + cut / SIZES_SLOT_BYTES * SIZES_SLOT_BYTES,
			       cut % SIZES_SLOT_BYTES);
			spill(g.sizes, before, n);
			assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, false, &sizes), OK);
			assert_int_equal(sizes_newest(sizes, &have), OK);
			assert_int_equal(have.size, c.size - 1);
			sizes_close(&sizes);
			spill(g.sizes, after, n);
		}
		free(before);
		free(after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acceptance_6_a_torn_commit_is_as_if_it_had_never_begun, up, down),
		cmocka_unit_test_setup_teardown(a_torn_slot_leaves_the_newest_size, up, down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

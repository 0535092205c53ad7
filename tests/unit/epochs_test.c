/* The seed of the forward-secure line: its file, whatever state a crash leaves it in, and the table of the keys to come. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <sys/stat.h>

#include "epochs.h"
#include "faulty_disk.h"
#include "own_record.h"
#include "seed.h"

#define FILE_BYTES (2 * EPOCHS_SLOT_BYTES)
#define DEPTH 3
#define LAST ((1u << DEPTH) - 1)

static char path[128], table[136];
static struct epochs *epochs;

static int up(void **state)
{
	folder_make(state);
	must(snprintf(path, sizeof(path), "%s/record.line", g.folder) < (int)sizeof(path));
	snprintf(table, sizeof(table), "%s.pub", path);
	return 0;
}

static int down(void **state)
{
	epochs_close(&epochs);
	return folder_drop(state);
}

static void reopen(void)
{
	epochs_close(&epochs);
	assert_int_equal(epochs_open(path, &epochs), OK);
}

static void prepare(void)
{
	enum err e;

	assert_true(UNTIL((e = epochs_prepare(epochs)) != ERR_BUSY));
	assert_int_equal(e, OK);
}

/* A line begins, as the writer does it. */
static void begin(void)
{
	reopen();
	assert_int_equal(epochs_forget(epochs), OK);
	assert_int_equal(epochs_make(epochs, DEPTH), OK);
	assert_true(UNTIL(epochs_made(epochs)));
	prepare();
	assert_null(epochs_now(epochs));
	assert_int_equal(epochs_leave(epochs), OK);
	assert_int_equal(epochs_now(epochs)->key.epoch, 0);
}

static void turn(void)
{
	prepare();
	assert_int_equal(epochs_leave(epochs), OK);
}

static const uint8_t *slurp_table(size_t must_be)
{
	static uint8_t keys[32u << DEPTH];
	size_t n;
	uint8_t *have = slurp(table, &n);

	assert_true(n == must_be && n == sizeof(keys));
	memcpy(keys, have, n);
	free(have);
	return keys;
}

static bool file_holds(const uint8_t seed[FORWARD_SEED_BYTES])
{
	size_t n;
	uint8_t *file = slurp(path, &n);
	bool found = memmem(file, n, seed, FORWARD_SEED_BYTES / 2) || memmem(file, n, seed + 16, FORWARD_SEED_BYTES / 2);

	free(file);
	return found;
}

static void what_was_left_behind_is_not_in_the_file(void **state)
{
	uint8_t seed[FORWARD_SEED_BYTES];

	(void)state;
	begin();
	for (uint32_t i = 0; i < LAST; i++) {
		struct epoch now = *epochs_now(epochs);

		assert_int_equal(now.key.epoch, i);
		assert_int_equal(forward_fits(&now.root, &now.key), OK);
		memcpy(seed, now.seed, sizeof(seed));
		prepare();
		assert_true(file_holds(seed) && file_holds(epochs_next(epochs)->seed));
		assert_int_equal(epochs_leave(epochs), OK);
		assert_false(file_holds(seed));
		forward_seed_next(seed);
		assert_memory_equal(epochs_now(epochs)->seed, seed, sizeof(seed));
		if (seed_below(2)) {
			reopen();
			assert_int_equal(epochs_find(epochs, &now.root, i + 1, true), OK);
		}
	}
	assert_int_equal(epochs_prepare(epochs), ERR_RANGE);
}

static void another_line_follows(void **state)
{
	struct forward_root root;
	struct epoch before;

	(void)state;
	begin();
	turn();
	before = *epochs_now(epochs);
	assert_int_equal(epochs_make(epochs, DEPTH + 1), OK);
	assert_true(UNTIL(epochs_made(epochs)));
	prepare();
	root = epochs_next(epochs)->root;
	assert_int_equal(epochs_next(epochs)->key.epoch, 0);
	assert_memory_not_equal(&root, &before.root, sizeof(root));

	/* The record knows of it, and its last checkpoint with the old one is not there yet. */
	reopen();
	assert_int_equal(epochs_find(epochs, &root, 0, false), OK);
	assert_memory_equal(epochs_now(epochs), &before, sizeof(before));
	assert_int_equal(epochs_leave(epochs), OK);
	assert_int_equal(epochs_now(epochs)->root.depth, DEPTH + 1);
	assert_false(file_holds(before.seed));
	turn();

	/* It was prepared, but the record never knew: its old line goes on, whose table is gone. */
	begin();
	before = *epochs_now(epochs);
	assert_int_equal(epochs_make(epochs, DEPTH), OK);
	assert_true(UNTIL(epochs_made(epochs)));
	prepare();
	reopen();
	assert_int_equal(epochs_find(epochs, &before.root, 0, true), OK);
	turn();
	assert_int_equal(epochs_now(epochs)->key.epoch, 1);
	assert_int_equal(epochs_now(epochs)->root.depth, before.root.depth);
}

/* Who takes the process does not find what was at its start. */
static void what_was_left_behind_is_not_in_memory(void **state)
{
	struct forward_root root;
	uint8_t seed[FORWARD_SEED_BYTES];

	(void)state;
	begin();
	root = epochs_now(epochs)->root;
	memcpy(seed, epochs_now(epochs)->seed, sizeof(seed));
	reopen();
	assert_int_equal(epochs_find(epochs, &root, 0, true), OK);
	assert_non_null(memmem(epochs, malloc_usable_size(epochs), seed, sizeof(seed)));
	turn();
	assert_null(memmem(epochs, malloc_usable_size(epochs), seed, sizeof(seed)));
}

/* Neither read nor written: a folder is in its place. */
static void a_disk_that_takes_no_table_holds_nothing_up(void **state)
{
	struct forward_root root;

	(void)state;
	begin();
	root = epochs_now(epochs)->root;
	assert_int_equal(unlink(table), 0);
	assert_int_equal(mkdir(table, 0700), 0);
	for (uint32_t i = 0; i < LAST; i++) {
		turn();
		assert_int_equal(epochs_tend(epochs), OK);
	}
	assert_int_equal(epochs_now(epochs)->key.epoch, LAST);
	assert_int_equal(epochs_make(epochs, DEPTH), OK);
	assert_true(UNTIL(epochs_made(epochs)));
	for (uint32_t i = 0; i < LAST; i++)
		turn();
	assert_memory_not_equal(&epochs_now(epochs)->root, &root, sizeof(root));
	assert_int_equal(rmdir(table), 0);
	turn();
	assert_int_equal(access(table, F_OK), 0);
}

/* Killed between the two slots, and in the middle of either. */
static void a_crash_leaves_one_epoch_or_both(void **state)
{
	uint8_t *before, *both, *after, torn[FILE_BYTES], old[FORWARD_SEED_BYTES];
	struct forward_root root;
	size_t n;

	(void)state;
	begin();
	turn();
	turn();
	root = epochs_now(epochs)->root;
	memcpy(old, epochs_now(epochs)->seed, sizeof(old));
	before = slurp(path, &n);
	assert_int_equal(n, FILE_BYTES);
	prepare();
	both = slurp(path, &n);
	assert_int_equal(epochs_leave(epochs), OK);
	after = slurp(path, &n);
	for (size_t cut = 0; cut <= EPOCHS_SLOT_BYTES; cut += cut < 300 ? 1 : 31) {
		uint32_t epoch;
		struct forward_root is;

		/* While the next was written: the record is at the one before still. */
		memcpy(torn, before, FILE_BYTES);
		memcpy(torn + EPOCHS_SLOT_BYTES, both + EPOCHS_SLOT_BYTES, cut);
		spill(path, torn, sizeof(torn));
		assert_int_equal(epochs_peek(path, &is, &epoch), OK);
		assert_int_equal(epoch, 2);
		reopen();
		assert_int_equal(epochs_find(epochs, &root, 2, true), OK);
		assert_int_equal(epochs_now(epochs)->key.epoch, 2);

		/* While the one before was overwritten: the record is at the next. */
		memcpy(torn, both, FILE_BYTES);
		memcpy(torn, after, cut);
		spill(path, torn, sizeof(torn));
		reopen();
		assert_int_equal(epochs_find(epochs, &root, 3, true), OK);
		assert_int_equal(epochs_now(epochs)->key.epoch, 3);
		assert_false(file_holds(old));
	}

	/* Between: what has to sign yet is there. */
	spill(path, both, FILE_BYTES);
	reopen();
	assert_int_equal(epochs_find(epochs, &root, 3, false), OK);
	assert_int_equal(epochs_now(epochs)->key.epoch, 2);
	assert_int_equal(epochs_next(epochs)->key.epoch, 3);
	spill(path, after, FILE_BYTES);
	reopen();
	assert_int_equal(epochs_find(epochs, &root, 3, false), ERR_CORRUPT);
	free(before);
	free(both);
	free(after);
}

static void what_is_no_seed_or_another_s_is_told_apart(void **state)
{
	struct forward_root root, other;
	uint8_t *file;
	uint32_t epoch;
	size_t n;

	(void)state;
	assert_int_equal(epochs_peek(path, &root, &epoch), ERR_NOT_FOUND);
	begin();
	turn();
	root = other = epochs_now(epochs)->root;
	other.hash.b[0] ^= 1;
	reopen();
	assert_int_equal(epochs_find(epochs, &other, 1, true), ERR_KEY);
	assert_int_equal(epochs_find(epochs, &root, 0, true), ERR_RANGE);
	file = slurp(path, &n);
	for (size_t at = 0; at < 8 + 32 + 1 + 4 + 32 + DEPTH * 32 + 8; at++) {
		file[EPOCHS_SLOT_BYTES + at] ^= 1;
		spill(path, file, n);
		reopen();
		assert_int_equal(epochs_find(epochs, &root, 1, true), ERR_CORRUPT);
		assert_int_equal(epochs_peek(path, &root, &epoch), ERR_CORRUPT);
		file[EPOCHS_SLOT_BYTES + at] ^= 1;
	}
	memset(file, 0, n);
	spill(path, file, n);
	reopen();
	assert_int_equal(epochs_find(epochs, &root, 1, true), ERR_NOT_FOUND);
	assert_int_equal(epochs_peek(path, &root, &epoch), ERR_NOT_FOUND);
	free(file);
}

/* However old it is, and whatever became of the table, which is there again then. */
static void an_older_copy_catches_up(void **state)
{
	struct forward_root root;
	uint8_t *old, *keys;
	size_t n, keys_n;

	(void)state;
	begin();
	turn();
	root = epochs_now(epochs)->root;
	old = slurp(path, &n);
	keys = slurp(table, &keys_n);
	for (uint32_t to = 2; to < LAST; to++)
		for (int how = 0; how < 6; how++) {
			bool sealed = how % 2;
			uint8_t was[FORWARD_SEED_BYTES];
			struct epoch now;
			unsigned flushes;

			spill(path, old, n);
			if (how / 2 == 1)
				assert_int_equal(unlink(table), 0);
			if (how / 2 == 2)
				spill(table, (uint8_t[1]){ 0 }, 1);
			reopen();
			memcpy(was, old + EPOCHS_SLOT_BYTES + 8 + 32 + 1 + 4, sizeof(was));     /* of epoch 1 */
			flushes = atomic_load(&disk.flushes);
			if (!sealed && how / 2 && to == 2) {    /* it is there, and its next is made beside */
				assert_int_equal(epochs_find(epochs, &root, to, sealed), ERR_BUSY);
				turn();
				continue;
			}
			assert_int_equal(epochs_find(epochs, &root, to, sealed), OK);
			assert_in_range(atomic_load(&disk.flushes) - flushes, 1, sealed ? 2 : 3);
			now = *epochs_now(epochs);
			assert_int_equal(now.key.epoch, sealed ? to : to - 1);
			assert_true(sealed || epochs_next(epochs)->key.epoch == to);
			assert_int_equal(forward_fits(&root, &now.key), OK);
			if (now.key.epoch > 1)
				assert_false(file_holds(was));
			assert_memory_equal(slurp_table(keys_n) + 32 * to, keys + 32 * to, keys_n - 32 * to);
			if (sealed)
				turn();
		}
	free(old);
	free(keys);
}

/* It is public, and what it says is checked: what is wrong or missing is made again from the seed. */
static void a_damaged_table_is_made_anew(void **state)
{
	struct forward_root root;
	uint8_t *have;
	size_t n;

	(void)state;
	begin();
	root = epochs_now(epochs)->root;
	for (uint32_t i = 0; i < LAST; i++) {
		have = slurp(table, &n);
		assert_int_equal(n, 32u << DEPTH);
		if (i % 4 == 2)
			memset(have, 0, n);
		have[32 * (i + 1)] ^= 1;
		if (i % 4 == 0)
			unlink(table);
		else
			spill(table, have, i % 4 == 1 ? n - 1 : n);
		free(have);
		reopen();
		assert_int_equal(epochs_find(epochs, &root, i, true), OK);
		turn();
		assert_int_equal(epochs_now(epochs)->key.epoch, i + 1);
		assert_int_equal(forward_fits(&root, &epochs_now(epochs)->key), OK);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_left_behind_is_not_in_the_file),
		T(what_was_left_behind_is_not_in_memory),
		T(a_disk_that_takes_no_table_holds_nothing_up),
		T(another_line_follows),
		T(a_crash_leaves_one_epoch_or_both),
		T(what_is_no_seed_or_another_s_is_told_apart),
		T(an_older_copy_catches_up),
		T(a_damaged_table_is_made_anew),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

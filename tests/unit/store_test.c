/* store: what an LMDB file must be before we believe it, and how it behaves when it is full. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch.h"
#include "seed.h"
#include "store.h"

#define MAP (1u << 20)

enum { A, B };
static const char *const tables[] = { "a", "b", NULL };
static struct scratch scratch;

static struct store_spec spec_of(const char *kind, uint32_t version, bool read_only)
{
	return (struct store_spec){ .kind = kind, .version = version, .map_bytes = MAP, .table = tables, .read_only = read_only };
}

static struct store *open_at(const char *path, bool read_only)
{
	struct store_spec spec = spec_of("test", 2, read_only);
	struct store *s = NULL;

	assert_int_equal(store_open(path, &spec, &s), OK);
	return s;
}

static struct store *fresh(void)
{
	remove(scratch_path(&scratch, "t.mdb"));
	remove(scratch_path(&scratch, "t.mdb-lock"));
	return open_at(scratch_path(&scratch, "t.mdb"), false);
}

static enum err put_one(struct store *s, unsigned table, struct span key, struct span value)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(s, &t));
	TRY(txn_put(t, table, key, value));
	return txn_commit(&t);
}

static enum err del_one(struct store *s, unsigned table, struct span key)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_write(s, &t));
	TRY(txn_del(t, table, key));
	return txn_commit(&t);
}

static void assert_value(struct store *s, unsigned table, const char *key, const char *value)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span have;
	enum err e;

	assert_int_equal(txn_begin_read(s, &t), OK);
	e = txn_get(t, table, span_str(key), &have);
	assert_int_equal(e, value ? OK : ERR_NOT_FOUND);
	if (value)
		assert_true(span_is(have, value));
}

static void a_new_file_is_private_and_reserved(void **state)
{
	struct store *s = fresh();
	struct stat st;

	(void)state;
	assert_int_equal(stat(scratch_path(&scratch, "t.mdb"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, MAP);
	assert_true((size_t)st.st_blocks * 512 >= MAP);
	store_close(&s);
	assert_null(s);
	store_close(&s);
}

static void what_was_committed_is_there_after_opening_again(void **state)
{
	struct store *s = fresh();

	(void)state;
	assert_int_equal(put_one(s, A, SPAN_LIT("k"), SPAN_LIT("in a")), OK);
	assert_int_equal(put_one(s, B, SPAN_LIT("k"), SPAN_LIT("in b")), OK);
	store_close(&s);
	s = open_at(scratch_path(&scratch, "t.mdb"), false);
	assert_value(s, A, "k", "in a");
	assert_value(s, B, "k", "in b");
	store_close(&s);
}

static void what_was_aborted_is_not(void **state)
{
	struct store *s = fresh();
	struct txn *t = NULL;

	(void)state;
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_put(t, A, SPAN_LIT("k"), SPAN_LIT("v")), OK);
	txn_abort(&t);
	assert_null(t);
	txn_abort(&t);
	assert_value(s, A, "k", NULL);
	store_close(&s);
}

/* What a later version may write to is of that version. */
static void another_kind_or_a_later_version_is_refused(void **state)
{
	static const struct { const char *kind; uint32_t version; enum err err; } row[] = {
		{ "test", 2, OK },          { "test", 3, OK },          { "test", 1, ERR_VERSION },
		{ "other", 2, ERR_CORRUPT }, { "tes", 2, ERR_CORRUPT }, { "test2", 2, ERR_CORRUPT },
		{ "test", 2, ERR_VERSION },
	};
	struct store *s = fresh();

	(void)state;
	store_close(&s);
	for (size_t i = 0; i < 2 * countof(row); i++) {
		struct store_spec spec = spec_of(row[i / 2].kind, row[i / 2].version, i % 2);

		assert_int_equal(store_open(scratch_path(&scratch, "t.mdb"), &spec, &s), row[i / 2].err);
		if (row[i / 2].err == OK)
			store_close(&s);
		assert_null(s);
	}
}

static void what_is_no_store_is_refused(void **state)
{
	struct store_spec spec = spec_of("test", 2, false), reader = spec_of("test", 2, true);
	const char *path = scratch_path(&scratch, "junk.mdb");
	struct store *s = NULL;
	uint8_t junk[8192];
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	seed_bytes(junk, sizeof(junk));
	assert_int_equal(fwrite(junk, 1, sizeof(junk), f), sizeof(junk));
	fclose(f);
	assert_int_equal(store_open(path, &spec, &s), ERR_CORRUPT);
	assert_int_equal(store_open(path, &reader, &s), ERR_CORRUPT);
	assert_int_equal(store_open(scratch_path(&scratch, "none.mdb"), &reader, &s), ERR_NOT_FOUND);
	assert_int_equal(store_open("/nonexistent/t.mdb", &spec, &s), ERR_NOT_FOUND);
	assert_null(s);
}

static void a_file_is_opened_once_in_a_process(void **state)
{
	struct store_spec spec = spec_of("test", 2, false);
	struct store *s = fresh(), *second = NULL;
	const char *path = scratch_path(&scratch, "t.mdb"), *alias = scratch_path(&scratch, "alias.mdb");

	(void)state;
	assert_int_equal(symlink(path, alias), 0);
	assert_int_equal(store_open(path, &spec, &second), ERR_BUSY);
	assert_int_equal(store_open(alias, &spec, &second), ERR_BUSY);
	assert_null(second);
	assert_int_equal(put_one(s, A, SPAN_LIT("k"), SPAN_LIT("v")), OK);
	store_close(&s);
	s = open_at(path, false);
	store_close(&s);
}

static void a_reader_sees_and_writes_nothing(void **state)
{
	struct store *s = fresh();
	const char *path = scratch_path(&scratch, "t.mdb");
	struct stat before, after;

	(void)state;
	assert_int_equal(put_one(s, A, SPAN_LIT("k"), SPAN_LIT("v")), OK);
	store_close(&s);
	assert_int_equal(stat(path, &before), 0);
	s = open_at(path, true);
	assert_value(s, A, "k", "v");
	store_close(&s);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
}

static void tables_are_walked_in_order(void **state)
{
	static const char *const keys[] = { "b", "bb", "d" };
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct store *s = fresh();
	struct span at, value;
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < countof(keys); i++)
		assert_int_equal(put_one(s, A, span_str(keys[i]), SPAN_LIT("v")), OK);
	assert_int_equal(txn_begin_read(s, &t), OK);
	assert_int_equal(txn_count(t, A, &n), OK);
	assert_int_equal(n, 3);
	assert_int_equal(txn_seek(t, A, span(NULL, 0), &at, &value), OK);
	assert_true(span_is(at, "b"));
	assert_int_equal(txn_seek(t, A, SPAN_LIT("c"), &at, &value), OK);
	assert_true(span_is(at, "d"));
	assert_int_equal(txn_after(t, A, SPAN_LIT("b"), &at, &value), OK);
	assert_true(span_is(at, "bb"));
	assert_int_equal(txn_after(t, A, SPAN_LIT("ba"), &at, &value), OK);
	assert_true(span_is(at, "bb"));
	assert_int_equal(txn_after(t, A, span(NULL, 0), &at, &value), OK);
	assert_true(span_is(at, "b"));
	assert_int_equal(txn_after(t, A, SPAN_LIT("d"), &at, &value), ERR_NOT_FOUND);
	assert_int_equal(txn_before(t, A, SPAN_LIT("d"), &at, &value), OK);
	assert_true(span_is(at, "bb"));
	assert_int_equal(txn_before(t, A, SPAN_LIT("ba"), &at, &value), OK);
	assert_true(span_is(at, "b"));
	assert_int_equal(txn_before(t, A, SPAN_LIT("e"), &at, &value), OK);
	assert_true(span_is(at, "d"));
	assert_int_equal(txn_before(t, A, span(NULL, 0), &at, &value), OK);
	assert_true(span_is(at, "d"));
	assert_int_equal(txn_before(t, A, SPAN_LIT("b"), &at, &value), ERR_NOT_FOUND);
	assert_int_equal(txn_before(t, B, SPAN_LIT("b"), &at, &value), ERR_NOT_FOUND);
	assert_int_equal(txn_last(t, A, &at, &value), OK);
	assert_true(span_is(at, "d"));
	assert_int_equal(txn_last(t, B, &at, &value), ERR_NOT_FOUND);
	assert_int_equal(txn_seek(t, B, span(NULL, 0), &at, &value), ERR_NOT_FOUND);
	txn_abort(&t);
	store_close(&s);
}

static void adding_appending_and_removing_say_no(void **state)
{
	struct store *s = fresh();
	struct key64 one = key64(1), two = key64(2);
	struct txn *t = NULL;
	uint8_t big[STORE_KEY_MAX + 1] = { 0 };
	struct span value;

	(void)state;
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_add(t, A, SPAN_LIT("k"), SPAN_LIT("first")), OK);
	assert_int_equal(txn_add(t, A, SPAN_LIT("k"), SPAN_LIT("second")), ERR_EXISTS);
	assert_int_equal(txn_get(t, A, SPAN_LIT("k"), &value), OK);
	assert_true(span_is(value, "first"));
	assert_int_equal(txn_append(t, B, key64_span(&two), SPAN_LIT("")), OK);
	assert_int_equal(txn_append(t, B, key64_span(&one), SPAN_LIT("")), ERR_EXISTS);
	assert_int_equal(txn_del(t, A, SPAN_LIT("none")), ERR_NOT_FOUND);
	assert_int_equal(txn_put(t, A, span(big, STORE_KEY_MAX), SPAN_LIT("")), OK);
	assert_int_equal(txn_put(t, A, span(big, sizeof(big)), SPAN_LIT("")), ERR_TOO_LARGE);
	assert_int_equal(txn_put(t, A, span(NULL, 0), SPAN_LIT("")), ERR_TOO_LARGE);
	txn_abort(&t);
	store_close(&s);
}

static enum err del_number(struct txn *t, uint64_t n)
{
	struct key64 key = key64(n);

	return txn_del(t, A, key64_span(&key));
}

/* Whoever reads numbers one after another is served from where the last one lies: whatever is missing there, or asked for
 * instead. */
static void numbers_are_found_in_any_order(void **state)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct store *s = fresh();
	struct key64 key;
	struct span value;

	(void)state;
	assert_int_equal(txn_begin_write(s, &t), OK);
	for (uint64_t i = 1; i < 3000; i++) {
		key = key64(i);
		if (i == 1000)                  /* what is appended goes on behind what was taken out */
			assert_int_equal(del_number(t, 999), OK);
		if (i % 7)
			assert_int_equal(txn_append(t, A, key64_span(&key), key64_span(&key)), OK);
	}
	assert_int_equal(txn_commit(&t), OK);
	assert_int_equal(txn_begin_read(s, &t), OK);
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t n = i < 3100 ? i : i % 3 ? key64_value(key64_span(&key)) + 1 : seed_below(3100);
		bool there = n > 0 && n < 3000 && n % 7 && n != 999;

		key = key64(n);
		assert_int_equal(txn_get(t, A, key64_span(&key), &value), there ? OK : ERR_NOT_FOUND);
		assert_true(!there || key64_value(value) == n);
	}
	txn_abort(&t);
	store_close(&s);
}

static void key64_sorts_as_numbers_do(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t a = seed_next() >> seed_below(64), b = seed_next() >> seed_below(64);
		struct key64 x = key64(a), y = key64(b);
		int cmp = span_cmp(key64_span(&x), key64_span(&y));

		assert_int_equal((cmp > 0) - (cmp < 0), (a > b) - (a < b));
		assert_true(key64_value(key64_span(&x)) == a);
	}
	assert_int_equal(key64_value(SPAN_LIT("seven b")), 0);
	assert_int_equal(key64_value(span(NULL, 0)), 0);
}

/* A model of one table, against the table. */
static void a_table_behaves_as_a_set_of_pairs(void **state)
{
	enum { KEYS = 40 };
	uint64_t model[KEYS] = { 0 };
	struct store *s = fresh();

	(void)state;
	for (int round = 0; round < 30; round++) {
		struct txn *t = NULL;
		uint64_t next[KEYS];
		bool keep = seed_below(4);

		memcpy(next, model, sizeof(next));
		assert_int_equal(txn_begin_write(s, &t), OK);
		for (int i = 0; i < 20; i++) {
			uint64_t k = seed_below(KEYS), v = 1 + seed_below(1000);
			struct key64 key = key64(k), value = key64(v);

			if (seed_below(3)) {
				assert_int_equal(txn_put(t, A, key64_span(&key), key64_span(&value)), OK);
				next[k] = v;
			} else {
				assert_int_equal(txn_del(t, A, key64_span(&key)), next[k] ? OK : ERR_NOT_FOUND);
				next[k] = 0;
			}
		}
		if (keep) {
			assert_int_equal(txn_commit(&t), OK);
			memcpy(model, next, sizeof(model));
		}
		txn_abort(&t);
		assert_int_equal(txn_begin_read(s, &t), OK);
		for (uint64_t k = 0; k < KEYS; k++) {
			struct key64 key = key64(k);
			struct span value = { NULL, 0 };

			assert_int_equal(txn_get(t, A, key64_span(&key), &value), model[k] ? OK : ERR_NOT_FOUND);
			assert_true(key64_value(value) == model[k]);
		}
		txn_abort(&t);
	}
	store_close(&s);
}

/* In a process of its own, which is forked before anybody opens the file, as LMDB wants it. */
static pid_t child_that_writes(const char *path, int go)
{
	struct store_spec spec = spec_of("test", 2, false);
	struct store *s = NULL;
	pid_t pid = fork();
	char byte;
	bool good;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	good = read(go, &byte, 1) == 1 && store_open(path, &spec, &s) == OK &&
	       put_one(s, A, SPAN_LIT("k"), SPAN_LIT("child's")) == OK;
	store_close(&s);
	_exit(good ? 0 : 1);
}

static void the_generation_rises_whoever_commits(void **state)
{
	const char *path = scratch_path(&scratch, "shared.mdb");
	struct store *s;
	int go[2], status;
	uint64_t before;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = child_that_writes(path, go[0]);
	s = open_at(path, false);
	before = store_generation(s);
	assert_value(s, A, "k", NULL);
	assert_true(store_generation(s) == before);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(store_generation(s) > before);
	assert_value(s, A, "k", "child's");
	before = store_generation(s);
	assert_int_equal(put_one(s, A, SPAN_LIT("k"), SPAN_LIT("ours")), OK);
	assert_true(store_generation(s) > before);
	store_close(&s);
	close(go[0]);
	close(go[1]);
}

static struct span numbered(uint64_t n)
{
	static struct key64 k;

	k = key64(n);
	return key64_span(&k);
}

static void tight_comes_before_full_and_deleting_still_works(void **state)
{
	struct store *s = fresh();
	uint8_t value[1500] = { 0 };
	struct store_room room, empty;
	uint64_t n = 0;

	(void)state;
	assert_int_equal(store_room(s, &empty), OK);
	assert_int_equal(empty.all * empty.page_bytes, MAP);
	assert_true(empty.free > 64 && empty.free < empty.all);
	while (!store_tight(s)) {
		assert_int_equal(put_one(s, A, numbered(n++), span(value, sizeof(value))), OK);
		assert_true(n < 10000);
	}
	assert_int_equal(store_room(s, &room), OK);
	assert_true(room.free <= 64 && room.free > 32);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(del_one(s, A, numbered(i)), OK);
	assert_false(store_tight(s));
	assert_int_equal(store_room(s, &room), OK);
	assert_true(room.free + 16 > empty.free);
	store_close(&s);
}

static void full_is_an_error_and_the_rest_stays_readable(void **state)
{
	struct store *s = fresh();
	uint8_t value[3000] = { 1 };
	struct span have;
	struct txn *t = NULL;
	uint64_t n = 0;
	enum err e;

	(void)state;
	for (e = OK; e == OK; n++) {
		e = put_one(s, A, numbered(n), span(value, sizeof(value)));
		assert_true(n < 10000);
	}
	assert_int_equal(e, ERR_FULL);
	assert_true(store_tight(s));
	assert_int_equal(txn_begin_read(s, &t), OK);
	for (uint64_t i = 0; i + 1 < n; i++) {
		assert_int_equal(txn_get(t, A, numbered(i), &have), OK);
		assert_true(span_eq(have, span(value, sizeof(value))));
	}
	txn_abort(&t);
	store_close(&s);
}

/* Whoever opens it later without asking for as much sees, and fills, all of it. */
static void room_once_given_stays(void **state)
{
	struct store_spec larger = spec_of("test", 2, false);
	struct store *s = fresh();
	struct store_room before, after;

	(void)state;
	assert_int_equal(store_room(s, &before), OK);
	store_close(&s);
	larger.map_bytes = 2 * MAP;
	assert_int_equal(store_open(scratch_path(&scratch, "t.mdb"), &larger, &s), OK);
	store_close(&s);
	s = open_at(scratch_path(&scratch, "t.mdb"), false);
	assert_int_equal(store_room(s, &after), OK);
	assert_true(after.all == 2 * before.all);
	store_close(&s);
}

/* The broker is started with more room while somebody follows the record. */
static void a_reader_goes_on_when_the_file_is_given_more_room(void **state)
{
	struct store_spec larger = spec_of("test", 2, false);
	uint8_t filler[2000] = { 1 };
	struct store *s = fresh();
	int go[2], status;
	char byte;
	pid_t pid;

	(void)state;
	store_close(&s);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		bool good = read(go[0], &byte, 1) == 1;

		larger.map_bytes = 4 * MAP;
		good = good && store_open(scratch_path(&scratch, "t.mdb"), &larger, &s) == OK;
		for (uint64_t i = 0; i < 600 && good; i++) {
			struct key64 k = key64(i);

			good = put_one(s, A, key64_span(&k), span(filler, sizeof(filler))) == OK;
		}
		good = good && put_one(s, B, SPAN_LIT("last"), SPAN_LIT("there")) == OK;
		store_close(&s);
		_exit(good ? 0 : 1);
	}
	s = open_at(scratch_path(&scratch, "t.mdb"), true);
	assert_value(s, B, "last", NULL);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_value(s, B, "last", "there");
	assert_value(s, B, "last", "there");
	store_close(&s);
	close(go[0]);
	close(go[1]);
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_file_is_private_and_reserved),
		cmocka_unit_test(what_was_committed_is_there_after_opening_again),
		cmocka_unit_test(what_was_aborted_is_not),
		cmocka_unit_test(another_kind_or_a_later_version_is_refused),
		cmocka_unit_test(what_is_no_store_is_refused),
		cmocka_unit_test(a_file_is_opened_once_in_a_process),
		cmocka_unit_test(a_reader_sees_and_writes_nothing),
		cmocka_unit_test(tables_are_walked_in_order),
		cmocka_unit_test(adding_appending_and_removing_say_no),
		cmocka_unit_test(numbers_are_found_in_any_order),
		cmocka_unit_test(key64_sorts_as_numbers_do),
		cmocka_unit_test(a_table_behaves_as_a_set_of_pairs),
		cmocka_unit_test(the_generation_rises_whoever_commits),
		cmocka_unit_test(tight_comes_before_full_and_deleting_still_works),
		cmocka_unit_test(full_is_an_error_and_the_rest_stays_readable),
		cmocka_unit_test(room_once_given_stays),
		cmocka_unit_test(a_reader_goes_on_when_the_file_is_given_more_room),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

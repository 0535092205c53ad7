/* past_ids: every id is found, whatever became of the transactions it came and went in, and after any end of the process; and
 * what waits is written together. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "past_ids.h"
#include "scratch.h"
#include "seed.h"

#define MOST 60000
#define MAP (32u << 20)

enum { ROWS, IDS };
static const char *const tables[] = { "past", "past_ids", NULL };
static struct scratch scratch;
static struct store *store;
static struct past_ids *ids;

/* What a row says: its id; of none, nothing is to be found. */
static struct id row[MOST + 1];
static bool there[MOST + 1];
static uint64_t newest;

static struct txn *begin(void)
{
	struct txn *t;

	assert_int_equal(txn_begin_write(store, &t), OK);
	return t;
}

static void end(struct txn *t, bool commit)
{
	if (commit)
		assert_int_equal(txn_commit(&t), OK);
	else
		txn_abort(&t);
	past_ids_settle(ids, commit);
}

/* As the past does it: what is in no table yet is added again. */
static void reopen(void)
{
	const struct store_spec spec = { .kind = "test", .version = 1, .map_bytes = MAP, .table = tables };
	uint64_t found;
	struct txn *t;

	past_ids_close(&ids);
	store_close(&store);
	assert_int_equal(store_open(scratch_path(&scratch, "ids.mdb"), &spec, &store), OK);
	t = begin();
	assert_int_equal(past_ids_open(t, IDS, newest, &ids), OK);
	for (uint64_t n = past_ids_written(ids) + 1; n <= newest; n++)
		if (there[n] && past_ids_find(ids, t, &row[n], &found) == ERR_NOT_FOUND)
			assert_int_equal(past_ids_add(ids, t, &row[n], n), OK);
	end(t, true);
}

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	memset(there, 0, sizeof(there));
	newest = 0;
	reopen();
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	past_ids_close(&ids);
	store_close(&store);
	scratch_remove(&scratch);
	return 0;
}

static void add(struct txn *t, uint64_t number)
{
	seed_bytes(row[number].b, ID_BYTES);
	if (seed_below(4) == 0)        /* of those who count up */
		memcpy(row[number].b, key64(number).b, 8);
	assert_int_equal(past_ids_add(ids, t, &row[number], number), OK);
}

static void add_many(unsigned n)
{
	struct txn *t = begin();

	while (n--) {
		add(t, ++newest);
		there[newest] = true;
	}
	end(t, true);
}

static void is_right(struct txn *t, uint64_t number)
{
	uint64_t found = 0;
	enum err e = past_ids_find(ids, t, &row[number], &found);

	assert_int_equal(e, there[number] ? OK : ERR_NOT_FOUND);
	assert_true(e != OK || found == number);
}

static void all_is_right(void)
{
	struct txn *t;

	assert_int_equal(txn_begin_read(store, &t), OK);
	for (uint64_t n = 1; n <= newest; n++)
		is_right(t, n);
	txn_abort(&t);
}

static uint64_t in_table(void)
{
	struct txn *t;
	uint64_t n;

	assert_int_equal(txn_begin_read(store, &t), OK);
	assert_int_equal(txn_count(t, IDS, &n), OK);
	txn_abort(&t);
	return n - 1;   /* one says how far */
}

static void is_unknown(const struct id *id)
{
	struct txn *t;
	uint64_t found;

	assert_int_equal(txn_begin_read(store, &t), OK);
	assert_int_equal(past_ids_find(ids, t, id, &found), ERR_NOT_FOUND);
	txn_abort(&t);
}

/* Adds some and takes some out, and maybe none of that happens. */
static void some(void)
{
	static bool before[MOST + 1];
	unsigned n = (unsigned)seed_below(seed_below(8) ? 40 : 2000), adds = (unsigned)seed_below(5);
	uint64_t last = newest;
	bool commit = seed_below(4) != 0;
	struct txn *t = begin();

	memcpy(before, there, sizeof(before));
	while (n-- && last < MOST) {
		bool adds_one = !last || seed_below(4) < adds;
		uint64_t number = adds_one ? ++last : 1 + seed_below(last);

		if (adds_one)
			add(t, number);
		else if (there[number])
			assert_int_equal(past_ids_del(ids, t, &row[number]), OK);
		there[number] = adds_one;
		is_right(t, number);
	}
	end(t, commit);
	if (commit) {
		newest = last;
		return;
	}
	memcpy(there, before, sizeof(there));
	for (; last > newest; last--)
		is_unknown(&row[last]);
}

static void whatever_happens_every_id_is_found(void **state)
{
	(void)state;
	for (int turn = 0; turn < SEED_ROUNDS(300); turn++) {
		some();
		if (seed_below(40) == 0)
			reopen();
		if (seed_below(40) == 0)
			all_is_right();
	}
	all_is_right();
	reopen();
	all_is_right();
}

static void new_ones_wait_and_are_written_together(void **state)
{
	(void)state;
	add_many(100);
	assert_int_equal(in_table(), 0);
	for (unsigned n = 100; n < PAST_IDS_WAITING; n += 100)
		add_many(100);
	assert_true(in_table() >= PAST_IDS_OF_PART);
	assert_true(in_table() <= newest);
	all_is_right();
}

/* More at once than can wait: they are all kept. */
static void more_than_can_wait_come_at_once(void **state)
{
	(void)state;
	add_many(3 * PAST_IDS_WAITING);
	all_is_right();
	reopen();
	all_is_right();
}

/* Or what must be read again at the start would grow without end. */
static void one_alone_in_its_part_does_not_wait_for_ever(void **state)
{
	struct txn *t = begin();

	(void)state;
	memset(row[1].b, 0xff, ID_BYTES);
	there[newest = 1] = true;
	assert_int_equal(past_ids_add(ids, t, &row[1], 1), OK);
	end(t, true);
	while (newest < PAST_IDS_OLD + 2 * PAST_IDS_OF_PART) {
		t = begin();
		for (int i = 0; i < 100; i++) {
			newest++;
			row[newest] = (struct id){ { 0 } };
			memcpy(row[newest].b, key64(newest).b, 8);
			there[newest] = true;
			assert_int_equal(past_ids_add(ids, t, &row[newest], newest), OK);
		}
		end(t, true);
	}
	reopen();
	assert_true(past_ids_written(ids) + 2 * PAST_IDS_OF_PART > newest);
	all_is_right();
}

/* Of a version that knew no waiting all are in the table. */
static void a_table_of_before_has_all(void **state)
{
	struct txn *t = begin();

	(void)state;
	assert_int_equal(txn_del(t, IDS, SPAN_LIT("written")), OK);
	for (newest = 1; newest <= 50; newest++) {
		struct key64 number = key64(newest);

		seed_bytes(row[newest].b, ID_BYTES);
		there[newest] = true;
		assert_int_equal(txn_put(t, IDS, span(row[newest].b, ID_BYTES), key64_span(&number)), OK);
	}
	newest--;
	end(t, true);
	reopen();
	assert_int_equal(past_ids_written(ids), newest);
	all_is_right();
	add_many(10);
	reopen();
	all_is_right();
}

/* The newest were erased, and the clock was set back: numbers come again below the one up to which all was written. */
static void the_newest_go_and_lower_numbers_come(void **state)
{
	const uint64_t left = 10;
	struct txn *t;

	(void)state;
	add_many(2 * PAST_IDS_WAITING);
	t = begin();
	for (; newest > left; newest--) {
		assert_int_equal(past_ids_del(ids, t, &row[newest]), OK);
		there[newest] = false;
	}
	end(t, true);
	for (int again = 0; again < 2; again++) {
		reopen();
		add_many(20);
	}
	reopen();
	all_is_right();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whatever_happens_every_id_is_found),
		TEST(new_ones_wait_and_are_written_together),
		TEST(more_than_can_wait_come_at_once),
		TEST(one_alone_in_its_part_does_not_wait_for_ever),
		TEST(a_table_of_before_has_all),
		TEST(the_newest_go_and_lower_numbers_come),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

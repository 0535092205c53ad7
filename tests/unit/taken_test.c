/* taken: what was taken stays known, within its bounds, whatever yields, is repeated, or is opened with less room. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "scratch.h"
#include "taken.h"

#define MAP (4u << 20)
#define MOST 50

enum { ROWS, BY_KEY, YIELDED };
static const char *const tables[] = { "rows", "by_key", "yielded", NULL };
static struct scratch scratch;
static struct store *s;
static struct taken t;
static uint64_t ids;

static enum err load(uint32_t most)
{
	CLEANUP(txn_abort) struct txn *txn = NULL;

	t = (struct taken){ .rows = ROWS, .by_key = BY_KEY, .yielded = YIELDED };
	TRY(taken_make(&t, most));
	TRY(txn_begin_write(s, &txn));
	TRY(taken_load(&t, txn, 1));
	return txn_commit(&txn);
}

static void reload(uint32_t most)
{
	taken_drop(&t);
	assert_int_equal(load(most), OK);
}

static int make(void **state)
{
	const struct store_spec spec = { .kind = "taken", .version = 1, .map_bytes = MAP, .table = tables };

	(void)state;
	scratch_make(&scratch);
	ids = 0;
	return store_open(scratch_path(&scratch, "taken.mdb"), &spec, &s) == OK && load(MOST) == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	taken_drop(&t);
	store_close(&s);
	scratch_remove(&scratch);
	return 0;
}

/* The n-th message, under an id of its own each time. */
static struct op op_of(uint32_t n)
{
	struct op op = { .work = WORK_PUT };

	memcpy(op.seen, &(uint32_t){ n * 2654435761u + 1 }, 4);
	memcpy(op.seen + OUTFILE_SEEN_ID, op.seen, 4);
	ids++;
	memcpy(op.id.b, key64(ids).b, 8);
	memcpy(op.id.b + 8, &(uint64_t){ ids * 0x9e3779b97f4a7c15u }, 8);
	return op;
}

static enum outbox_seen look(uint32_t n) { return taken_look(&t, s, op_of(n).seen); }

static uint64_t count(unsigned table)
{
	CLEANUP(txn_abort) struct txn *txn = NULL;
	uint64_t n;

	assert_int_equal(txn_begin_read(s, &txn), OK);
	assert_int_equal(txn_count(txn, table, &n), OK);
	return n;
}

static void add(struct txn *txn, struct op *op)
{
	assert_int_equal(taken_add(&t, txn, op), OK);
}

static void take(uint32_t first, uint32_t n)
{
	struct txn *txn = NULL;

	assert_int_equal(txn_begin_write(s, &txn), OK);
	for (uint32_t i = first; i < first + n; i++) {
		struct op op = op_of(i);

		add(txn, &op);
		taken_settle(&t, &op, NULL, true);
	}
	assert_int_equal(txn_commit(&txn), OK);
}

/* One that is taken, yields, is taken anew ...; among others that stay. */
static void what_yields_again_and_again_is_bounded(void **state)
{
	(void)state;
	take(1, MOST / 2);
	for (unsigned round = 0; round < 100; round++) {
		struct txn *txn = NULL;

		assert_int_equal(txn_begin_write(s, &txn), OK);
		for (unsigned i = 0; i < 1000; i++) {
			struct op op = op_of(1000 + i % 3), gone = { .id = op.id };

			add(txn, &op);
			taken_settle(&t, &op, NULL, true);
			assert_int_equal(taken_yield(&t, txn, &gone), OK);
			taken_settle(&t, &gone, NULL, true);
		}
		assert_int_equal(txn_commit(&txn), OK);
	}
	assert_int_equal(count(ROWS), MOST);
	assert_in_range(count(YIELDED), 1, 2 * MOST);
	assert_in_range(t.seen.n, 1, MOST);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(look(1000 + i), SEEN_YIELDED);
	reload(MOST);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(look(1000 + i), SEEN_YIELDED);
	take(1000, 1);
	assert_int_equal(look(1000), SEEN_SAME);
	reload(MOST);
	assert_int_equal(look(1000), SEEN_SAME);
	assert_int_equal(look(1001), SEEN_YIELDED);
}

/* Its transaction may fail: then all is as before. */
static void what_was_taken_anew_in_vain_yielded_still(void **state)
{
	struct op op = op_of(1), gone = { .id = op.id }, again = op_of(1);
	struct txn *txn = NULL;

	(void)state;
	assert_int_equal(txn_begin_write(s, &txn), OK);
	add(txn, &op);
	taken_settle(&t, &op, NULL, true);
	assert_int_equal(taken_yield(&t, txn, &gone), OK);
	taken_settle(&t, &gone, NULL, true);
	assert_int_equal(txn_commit(&txn), OK);
	assert_int_equal(txn_begin_write(s, &txn), OK);
	add(txn, &again);
	taken_settle(&t, &again, NULL, false);
	txn_abort(&txn);
	assert_int_equal(look(1), SEEN_YIELDED);
}

static void with_less_room_the_newest_stay(void **state)
{
	(void)state;
	reload(3 * OUTBOX_WORK_MAX);
	take(1, 3 * OUTBOX_WORK_MAX);
	reload(MOST);
	assert_int_equal(count(ROWS), MOST);
	assert_int_equal(look(3 * OUTBOX_WORK_MAX), SEEN_SAME);
	assert_int_equal(look(3 * OUTBOX_WORK_MAX - MOST + 1), SEEN_SAME);
	assert_int_not_equal(look(3 * OUTBOX_WORK_MAX - MOST), SEEN_SAME);
	take(3 * OUTBOX_WORK_MAX + 1, 1);
	assert_int_equal(count(ROWS), MOST);
}

static void with_less_room_what_yielded_is_not_said_to_be_safe(void **state)
{
	const uint32_t most = 2 * OUTBOX_WORK_MAX;
	struct txn *txn = NULL;

	(void)state;
	reload(most);
	assert_int_equal(txn_begin_write(s, &txn), OK);
	for (uint32_t i = 1; i <= most; i++) {
		struct op op = op_of(i), gone = { .id = op.id };

		add(txn, &op);
		taken_settle(&t, &op, NULL, true);
		assert_int_equal(taken_yield(&t, txn, &gone), OK);
		taken_settle(&t, &gone, NULL, true);
	}
	assert_int_equal(txn_commit(&txn), OK);
	reload(MOST);
	for (uint32_t i = 1; i <= most; i++)
		assert_int_not_equal(look(i), SEEN_SAME);
	assert_int_equal(look(most), SEEN_YIELDED);
	assert_in_range(count(YIELDED), MOST, 2 * MOST + OUTBOX_WORK_MAX);
}

/* As an earlier version kept it: the value by key. */
static void keep_as_before(uint32_t n, bool whole)
{
	struct op op = op_of(n);
	struct key64 no = key64(n);
	struct txn *txn = NULL;

	assert_int_equal(txn_begin_write(s, &txn), OK);
	assert_int_equal(txn_put(txn, ROWS, key64_span(&no), span(op.seen, sizeof(op.seen))), OK);
	if (whole)
		assert_int_equal(txn_put(txn, BY_KEY, span(op.seen, sizeof(op.seen)), span(op.id.b, ID_BYTES)), OK);
	assert_int_equal(txn_commit(&txn), OK);
}

static void an_old_row_without_a_value_is_forgotten_like_any(void **state)
{
	(void)state;
	keep_as_before(1, false);
	keep_as_before(2, true);
	reload(MOST);
	assert_int_equal(look(2), SEEN_SAME);
	take(3, MOST);
	assert_int_equal(count(ROWS), MOST);
	assert_int_equal(count(BY_KEY), 0);
}

static void spoil(unsigned table, struct span key, size_t n)
{
	static const uint8_t short_row[OUTFILE_SEEN_KEY - 1];
	struct txn *txn = NULL;

	assert_int_equal(txn_begin_write(s, &txn), OK);
	assert_int_equal(txn_put(txn, table, key, span(short_row, n)), OK);
	assert_int_equal(txn_commit(&txn), OK);
}

/* The row is there by then: it must not be committed as if nothing had come of it. */
static void a_failure_half_way_spoils_the_transaction(void **state)
{
	const struct key64 first = key64(1);
	struct op op = op_of(MOST + 1);
	struct txn *txn = NULL;

	(void)state;
	take(1, MOST);
	spoil(ROWS, key64_span(&first), OUTFILE_SEEN_KEY - 1);
	assert_int_equal(txn_begin_write(s, &txn), OK);
	assert_int_equal(taken_add(&t, txn, &op), ERR_IO);
	taken_settle(&t, &op, NULL, false);
	txn_abort(&txn);
	assert_int_equal(look(MOST + 1), SEEN_NEVER);   /* nor is its id one that was used */
}

/* Its source is told no, and asks again. */
static void what_cannot_be_read_was_seen(void **state)
{
	struct op op = op_of(1);

	(void)state;
	keep_as_before(1, true);
	reload(MOST);
	spoil(BY_KEY, span(op.seen, sizeof(op.seen)), 3);
	assert_int_equal(look(1), SEEN_SAME);
	assert_int_equal(look(2), SEEN_NEVER);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(what_yields_again_and_again_is_bounded),
		WITH_STORE(what_was_taken_anew_in_vain_yielded_still),
		WITH_STORE(with_less_room_the_newest_stay),
		WITH_STORE(with_less_room_what_yielded_is_not_said_to_be_safe),
		WITH_STORE(an_old_row_without_a_value_is_forgotten_like_any),
		WITH_STORE(a_failure_half_way_spoils_the_transaction),
		WITH_STORE(what_cannot_be_read_was_seen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

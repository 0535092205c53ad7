/* past_keys: one key for each place, class and month; unwrapped seldom; refused when it is not what was wrapped there; destroyed
 * for good, also when the power goes in between. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>

#include "past_keys.h"
#include "scratch.h"

#define ICU3 SPAN_LIT("mercy/unit/icu3")
#define MED4 SPAN_LIT("mercy/unit/med4")
#define SLOT 64

static const char *const tables[] = { "names", NULL };
static const uint8_t root[32] = { 5 }, other_root[32] = { 6 };
static struct scratch scratch;
static struct store *store;
static struct past_keys *keys;
static struct txn *t;

static void close_all(void)
{
	past_keys_close(&keys);
	store_close(&store);
}

static void open_as(const uint8_t r[32])
{
	const struct store_spec spec = { .kind = "test", .version = 1, .map_bytes = 8 << 20, .table = tables };

	assert_int_equal(store_open(scratch_path(&scratch, "h.mdb"), &spec, &store), OK);
	assert_int_equal(txn_begin_write(store, &t), OK);
	assert_int_equal(past_keys_open(scratch_path(&scratch, "h.mdb"), r, 0, t, &keys), OK);
	assert_int_equal(txn_commit(&t), OK);
}

static int make(void **state)
{
	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	open_as(root);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	txn_abort(&t);
	close_all();
	scratch_remove(&scratch);
	return 0;
}

static void reopen(void)
{
	close_all();
	open_as(root);
}

struct got {
	struct past_key_name name;
	struct vault key;
};

static struct got take(unsigned month, uint8_t class, struct span place)
{
	const struct vault *key;
	struct got g;

	assert_int_equal(txn_begin_write(store, &t), OK);
	assert_int_equal(past_keys_take(keys, t, month, class, place, &g.name, &key), OK);
	g.key = *key;
	assert_int_equal(past_keys_flush(keys), OK);
	assert_int_equal(txn_commit(&t), OK);
	return g;
}

/* Of the months from 0 on, in one commit. */
static void take_many(unsigned n, struct got *out)
{
	const struct vault *key;

	assert_int_equal(txn_begin_write(store, &t), OK);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(past_keys_take(keys, t, i, 0, ICU3, &out[i].name, &key), OK);
		out[i].key = *key;
	}
	assert_int_equal(past_keys_flush(keys), OK);
	assert_int_equal(txn_commit(&t), OK);
}

static enum err find(const struct got *g)
{
	const struct vault *key = NULL;
	enum err e;

	assert_int_equal(txn_begin_read(store, &t), OK);
	e = past_keys_find(keys, t, &g->name, &key);
	txn_abort(&t);
	if (e == OK)
		assert_memory_equal(key->key, g->key.key, sizeof(g->key.key));
	return e;
}

static bool is_same(const struct got *a, const struct got *b)
{
	return memcmp(a->key.key, b->key.key, sizeof(a->key.key)) == 0;
}

static uint8_t *slot_of(unsigned n, uint8_t out[SLOT])
{
	CLEANUP(fd_cleanup) int fd = open(scratch_path(&scratch, "h.mdb-keys"), O_RDONLY);

	assert_true(pread(fd, out, SLOT, (off_t)n * SLOT) == SLOT);
	return out;
}

static void put_slot(unsigned n, const uint8_t bytes[SLOT])
{
	CLEANUP(fd_cleanup) int fd = open(scratch_path(&scratch, "h.mdb-keys"), O_WRONLY);

	assert_true(pwrite(fd, bytes, SLOT, (off_t)n * SLOT) == SLOT);
}

static bool is_empty(unsigned n)
{
	static const uint8_t zero[SLOT];
	uint8_t slot[SLOT];

	return memcmp(slot_of(n, slot), zero, SLOT) == 0;
}

static void months_are_those_of_the_calendar(void **state)
{
	const int64_t dec = 1796083200000000;       /* 2026-12-01T00:00:00Z */

	(void)state;
	assert_int_equal(past_month(0), 0);
	assert_int_equal(past_month(dec), 56 * 12 + 11);
	assert_int_equal(past_month(dec - 1), 56 * 12 + 10);
	assert_true(past_month_end_us(past_month(dec - 1)) == dec);
	assert_true(past_month_end_us(past_month(dec)) == dec + 31 * 24 * 3600 * INT64_C(1000000));
	assert_int_equal(past_month(-1), 0);
	assert_int_equal(past_month(INT64_MAX), UINT16_MAX);
}

static void each_place_class_and_month_has_its_own(void **state)
{
	struct got one = take(700, 0, ICU3);
	const struct got others[] = { take(701, 0, ICU3), take(700, 1, ICU3), take(700, 0, MED4) };
	struct got again = take(700, 0, ICU3);

	(void)state;
	assert_true(is_same(&one, &again));
	for (size_t i = 0; i < countof(others); i++) {
		assert_false(is_same(&one, &others[i]));
		assert_int_equal(find(&others[i]), OK);
	}
	reopen();
	again = take(700, 0, ICU3);
	assert_true(is_same(&one, &again));
	assert_int_equal(find(&others[2]), OK);
	assert_int_equal(past_keys_refused(keys), 0);
}

/* However many messages: one unwrapping, and none of what was made here. */
static void keys_are_unwrapped_once(void **state)
{
	struct got g = take(700, 0, ICU3);

	(void)state;
	for (int i = 0; i < 100; i++)
		take(700 + i % 2, 0, ICU3);         /* the month changes, and the clock goes back */
	assert_int_equal(past_keys_unwrapped(keys), 0);
	reopen();
	for (int i = 0; i < 100; i++) {
		take(700, 0, ICU3);
		assert_int_equal(find(&g), OK);
	}
	assert_int_equal(past_keys_unwrapped(keys), 1);
}

static void more_than_are_remembered_are_found_again(void **state)
{
	enum { MANY = PAST_KEYS_CACHED + 500 };
	static struct got g[MANY];

	(void)state;
	take_many(MANY, g);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(find(&g[i]), OK);
	assert_in_range(past_keys_unwrapped(keys), 500, MANY);
	reopen();
	for (unsigned i = 0; i < MANY; i += 100)
		assert_int_equal(find(&g[i]), OK);
}

/* Two wrapped keys change places, and one is of nobody: none of them is used, all are left alone, and what is live goes on. */
static void a_key_is_refused_at_another_place(void **state)
{
	struct got one = take(700, 0, ICU3), two = take(700, 0, MED4), three = take(701, 0, ICU3), fresh;
	uint8_t a[SLOT], b[SLOT], c[SLOT], is[SLOT];

	(void)state;
	slot_of(0, a);
	slot_of(1, b);
	slot_of(2, c);
	c[20] ^= 1;
	put_slot(0, b);
	put_slot(1, a);
	put_slot(2, c);
	reopen();
	assert_int_equal(past_keys_refused(keys), 3);
	assert_int_equal(find(&one), ERR_KEY);
	assert_int_equal(find(&two), ERR_KEY);
	assert_int_equal(find(&three), ERR_KEY);
	fresh = take(700, 0, ICU3);
	assert_false(is_same(&fresh, &one));
	assert_false(is_same(&fresh, &two));
	assert_int_equal(find(&fresh), OK);
	assert_int_equal(find(&one), ERR_KEY);
	assert_int_equal(past_keys_refused(keys), 3);
	assert_memory_equal(slot_of(0, is), b, SLOT);
	put_slot(0, a);                             /* brought back: it is good again */
	put_slot(1, b);
	reopen();
	assert_int_equal(find(&one), OK);
	assert_int_equal(find(&two), OK);
	assert_int_equal(find(&fresh), OK);
	assert_int_equal(past_keys_refused(keys), 1);
}

static void another_root_key_opens_none_and_spoils_none(void **state)
{
	struct got one = take(700, 0, ICU3), others;

	(void)state;
	close_all();
	open_as(other_root);
	assert_int_equal(past_keys_refused(keys), 1);
	assert_int_equal(find(&one), ERR_KEY);
	others = take(700, 0, ICU3);
	assert_int_equal(find(&others), OK);
	reopen();
	assert_int_equal(find(&one), OK);
}

static void a_file_of_keys_that_is_gone_is_said(void **state)
{
	struct got one = take(700, 0, ICU3);

	(void)state;
	close_all();
	assert_int_equal(unlink(scratch_path(&scratch, "h.mdb-keys")), 0);
	open_as(root);
	assert_int_equal(past_keys_refused(keys), 1);
	assert_int_equal(find(&one), ERR_KEY);
	take(700, 0, ICU3);
}

static bool all_before(void *ctx, unsigned month, uint8_t class)
{
	(void)class;
	return month < *(unsigned *)ctx;
}

static unsigned sweep(unsigned month)
{
	unsigned changed;

	assert_int_equal(txn_begin_write(store, &t), OK);
	assert_int_equal(past_keys_sweep(keys, t, all_before, &month, &changed), OK);
	assert_int_equal(txn_commit(&t), OK);
	return changed;
}

static void what_is_over_is_overwritten_and_its_slot_used_again(void **state)
{
	struct got old = take(700, 0, ICU3), now = take(701, 0, ICU3), next;

	(void)state;
	assert_int_equal(sweep(701), 1);
	assert_int_equal(find(&old), ERR_NOT_FOUND);
	assert_false(is_empty(0));
	assert_int_equal(past_keys_destroy(keys), OK);
	assert_true(is_empty(0));
	assert_int_equal(find(&now), OK);
	next = take(702, 0, ICU3);                  /* not there: nobody said yet that it is gone */
	assert_true(is_empty(0));
	assert_int_equal(sweep(701), 2);
	take(703, 0, ICU3);
	assert_false(is_empty(0));
	assert_int_equal(sweep(701), 0);
	reopen();
	assert_int_equal(past_keys_refused(keys), 0);
	assert_int_equal(find(&old), ERR_NOT_FOUND);
	assert_int_equal(find(&now), OK);
	assert_int_equal(find(&next), OK);
}

static void an_end_that_was_begun_is_brought_to_it(void **state)
{
	struct got old = take(700, 0, ICU3);

	(void)state;
	assert_int_equal(sweep(701), 1);            /* killed before it was overwritten */
	assert_false(is_empty(0));
	reopen();
	assert_true(is_empty(0));
	assert_int_equal(find(&old), ERR_NOT_FOUND);
	assert_int_equal(past_keys_refused(keys), 0);
	assert_int_equal(sweep(701), 2);
	assert_int_equal(sweep(701), 0);
}

static unsigned end_place(struct span place)
{
	unsigned marked;

	assert_int_equal(txn_begin_write(store, &t), OK);
	assert_int_equal(past_keys_end(keys, t, place, &marked), OK);
	assert_int_equal(txn_commit(&t), OK);
	assert_int_equal(past_keys_destroy(keys), OK);
	return marked;
}

/* What was erased is not taken for what is said there later in the same month. */
static void a_place_is_erased_and_goes_on_with_another_key(void **state)
{
	struct got one = take(700, 0, ICU3), two = take(701, 3, ICU3), other = take(700, 0, MED4), anew;

	(void)state;
	assert_int_equal(end_place(ICU3), 2);
	assert_int_equal(end_place(ICU3), 0);
	assert_int_equal(find(&one), ERR_NOT_FOUND);
	assert_int_equal(find(&two), ERR_NOT_FOUND);
	assert_int_equal(find(&other), OK);
	anew = take(700, 0, ICU3);
	assert_false(is_same(&anew, &one));
	reopen();
	assert_int_equal(find(&one), ERR_NOT_FOUND);
	assert_int_equal(find(&anew), OK);
}

static void a_place_with_many_keys_is_erased_in_steps(void **state)
{
	enum { MANY = PAST_KEYS_ENDING_MAX + 10 };
	static struct got g[MANY];

	(void)state;
	take_many(MANY, g);
	assert_int_equal(end_place(ICU3), PAST_KEYS_ENDING_MAX);
	assert_int_equal(end_place(ICU3), 10);
	assert_int_equal(end_place(ICU3), 0);
	for (unsigned i = 0; i < MANY; i += 7)
		assert_true(is_empty(i));
}

/* The commit failed: what was made for it is not there, and not remembered. */
static void what_was_not_committed_never_was(void **state)
{
	struct past_key_name name;
	const struct vault *key;
	struct got lost, made;
	unsigned month = 701, changed;

	(void)state;
	assert_int_equal(txn_begin_write(store, &t), OK);
	assert_int_equal(past_keys_take(keys, t, 700, 0, ICU3, &name, &key), OK);
	lost = (struct got){ name, *key };
	txn_abort(&t);
	past_keys_undo(keys);
	assert_int_equal(find(&lost), ERR_NOT_FOUND);
	made = take(700, 0, ICU3);
	assert_false(is_same(&made, &lost));
	assert_int_equal(find(&made), OK);
	assert_int_equal(txn_begin_write(store, &t), OK);
	assert_int_equal(past_keys_sweep(keys, t, all_before, &month, &changed), OK);
	assert_int_equal(changed, 1);
	txn_abort(&t);
	past_keys_undo(keys);
	assert_int_equal(past_keys_destroy(keys), OK);
	assert_int_equal(find(&made), OK);
	reopen();
	assert_int_equal(find(&made), OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(months_are_those_of_the_calendar),
		TEST(each_place_class_and_month_has_its_own),
		TEST(keys_are_unwrapped_once),
		TEST(more_than_are_remembered_are_found_again),
		TEST(a_key_is_refused_at_another_place),
		TEST(another_root_key_opens_none_and_spoils_none),
		TEST(a_file_of_keys_that_is_gone_is_said),
		TEST(what_is_over_is_overwritten_and_its_slot_used_again),
		TEST(an_end_that_was_begun_is_brought_to_it),
		TEST(a_place_is_erased_and_goes_on_with_another_key),
		TEST(a_place_with_many_keys_is_erased_in_steps),
		TEST(what_was_not_committed_never_was),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* opened: open alerts are found, in order and after a restart, until they are over; also those of earlier versions. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "opened.h"
#include "scratch.h"

#define MAP (8u << 20)

enum { ROWS, BY_KEY, KEYS };
static const char *const tables[] = { "rows", "by_key", "keys", NULL };
static const uint8_t root[AEAD_KEY_BYTES] = { 1 };
static struct scratch scratch;
static struct store *s;
static struct keyring keys;
static struct opened o;
static uint8_t room[OPENED_ROW_MAX];

static enum err load(void)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct vault wrap;

	vault_init(&wrap, root, "keys");
	o = (struct opened){ .rows = ROWS, .by_key = BY_KEY, .keys = &keys };
	TRY(opened_make(&o));
	TRY(txn_begin_write(s, &t));
	TRY(keyring_load(&keys, t, KEYS, &wrap));
	TRY(keyring_add(&keys, t, KEYS, &wrap));
	TRY(opened_load(&o, t));
	return txn_commit(&t);
}

static int make(void **state)
{
	const struct store_spec spec = { .kind = "opened", .version = 1, .map_bytes = MAP, .table = tables };

	(void)state;
	scratch_make(&scratch);
	return crypt_init() == OK && store_open(scratch_path(&scratch, "opened.mdb"), &spec, &s) == OK && load() == OK ? 0 : -1;
}

static void forget_all(void)
{
	opened_drop(&o);
	keyring_clear(&keys);
}

static void reload(void)
{
	forget_all();
	assert_int_equal(load(), OK);
}

static int drop(void **state)
{
	(void)state;
	forget_all();
	store_close(&s);
	scratch_remove(&scratch);
	return 0;
}

static uint64_t count(unsigned table)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint64_t n;

	assert_int_equal(txn_begin_read(s, &t), OK);
	assert_int_equal(txn_count(t, table, &n), OK);
	return n;
}

/* The n-th alert, by the message `id`: all keys begin alike. */
static struct op event(uint32_t n, uint8_t id)
{
	struct op op = { .work = WORK_PUT, .id = { { id } } };

	memcpy(op.m.key, "same", 4);
	memcpy(op.m.key + 4, &n, sizeof(n));
	return op;
}

static struct op end(uint32_t n)
{
	struct op op = { .work = WORK_FORGET, .upto = UINT64_MAX };

	memcpy(op.key, event(n, 0).m.key, OPEN_KEY);
	return op;
}

static enum err do_one(struct txn *t, struct op *op)
{
	return op->work == WORK_FORGET ? opened_forget(&o, t, op) : opened_put(&o, t, op, span(op->id.b, 1), room);
}

/* All of them in one commit, or in none. */
static void commit(struct op *op, size_t n, bool kept)
{
	struct txn *t = NULL;

	assert_int_equal(txn_begin_write(s, &t), OK);
	for (size_t i = 0; i < n; i++) {
		op[i].next = i + 1 < n ? &op[i + 1] : NULL;
		assert_int_equal(do_one(t, &op[i]), OK);
	}
	if (kept)
		assert_int_equal(txn_commit(&t), OK);
	txn_abort(&t);
	opened_settle(&o, op, NULL, kept);
}

static void commit_one(struct op op) { commit(&op, 1, true); }

/* Of whom it is last said, or 0: it is not open. */
static int found(uint32_t n)
{
	struct op op = event(n, 0);
	struct span clear;
	struct id id;
	enum err e = opened_find(&o, s, op.m.key, &id, room, &clear);

	assert_true(e == OK || e == ERR_NOT_FOUND);
	if (e != OK)
		return 0;
	assert_int_equal(clear.n, 1);
	assert_int_equal(clear.p[0], id.b[0]);
	return id.b[0];
}

static char seen[64];

static void see(void *ctx, const uint8_t key[OPEN_KEY], const struct id *id, struct span clear)
{
	size_t n = strlen(seen);

	(void)ctx;
	assert_int_equal(clear.p[0], id->b[0]);
	assert_memory_equal(key, "same", 4);
	seen[n] = (char)id->b[0];
	seen[n + 1] = '\0';
}

static const char *all(void)
{
	seen[0] = '\0';
	assert_int_equal(opened_each(&o, s, see, NULL), OK);
	return seen;
}

static void all_come_in_the_order_of_their_last_event(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 5; n++)
		commit_one(event(n, (uint8_t)('a' + n - 1)));
	commit_one(event(2, 'f'));
	commit_one(end(4));
	for (int round = 0; round < 2; round++) {
		assert_string_equal(all(), "acef");
		assert_int_equal(found(2), 'f');
		assert_int_equal(found(4), 0);
		assert_int_equal(found(5), 'e');
		reload();
	}
	commit_one(event(6, 'g'));
	assert_string_equal(all(), "acefg");
}

static void what_fails_changes_nothing(void **state)
{
	struct op work[] = { event(1, 'x'), end(2), event(3, 'y') }, again;

	(void)state;
	commit_one(event(1, 'a'));
	commit_one(event(2, 'b'));
	commit(work, countof(work), false);
	assert_string_equal(all(), "ab");
	assert_int_equal(found(1), 'a');
	assert_int_equal(found(2), 'b');
	assert_int_equal(found(3), 0);
	assert_int_equal(o.at.n, 2);
	again = event(3, 'z');
	commit_one(again);
	assert_string_equal(all(), "abz");
}

static void one_commit_may_open_change_and_end_it(void **state)
{
	struct op work[] = { event(1, 'a'), event(1, 'b'), end(1), event(2, 'c'), event(2, 'd') };

	(void)state;
	commit(work, countof(work), true);
	assert_string_equal(all(), "d");
	assert_int_equal(o.at.n, 1);
	reload();
	assert_int_equal(found(1), 0);
	assert_int_equal(found(2), 'd');
}

/* A storm: all that came while the disk was busy is of one alert. */
static void many_events_of_one_alert_in_one_commit_leave_one(void **state)
{
	struct op work[50];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < countof(work); i++)
			work[i] = event(1, (uint8_t)('A' + i));
		commit(work, countof(work), round == 0);
		assert_int_equal(found(1), 'A' + countof(work) - 1);
		assert_int_equal(count(ROWS), 1);
		assert_int_equal(o.at.n, 1);
	}
	commit_one(end(1));
	assert_int_equal(found(1), 0);
	assert_int_equal(count(ROWS), 0);
	assert_int_equal(o.at.n, 0);
}

static void what_is_not_open_cannot_be_forgotten(void **state)
{
	struct op op = end(1);
	struct txn *t = NULL;

	(void)state;
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(opened_forget(&o, t, &op), ERR_NOT_FOUND);
	txn_abort(&t);
}

/* As an earlier version kept it: sealed to its key, under it. */
static void keep_as_before(uint32_t n, uint8_t id)
{
	struct op op = event(n, id);
	struct span value, key = span(op.m.key, OPEN_KEY);
	struct txn *t = NULL;

	assert_int_equal(keyring_seal(&keys, BY_KEY, key, &op.id, span(op.id.b, 1), room, &value), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_put(t, BY_KEY, key, value), OK);
	assert_int_equal(txn_commit(&t), OK);
}

static void what_an_earlier_version_kept_is_read_until_it_is_over(void **state)
{
	(void)state;
	keep_as_before(1, 'a');
	keep_as_before(2, 'b');
	keep_as_before(3, 'c');
	reload();
	assert_string_equal(all(), "abc");
	assert_int_equal(found(2), 'b');
	commit_one(event(2, 'd'));
	commit_one(end(1));
	assert_string_equal(all(), "cd");
	assert_int_equal(found(1), 0);
	assert_int_equal(found(2), 'd');
	assert_int_equal(count(BY_KEY), 1);
}

static void of_too_many_the_newest_stay(void **state)
{
	static struct op work[OPEN_MAX + 10];

	(void)state;
	for (uint32_t n = 0; n < countof(work); n++)
		work[n] = event(n, 'a');
	for (uint32_t n = 0; n < countof(work); n++)   /* hashes that are not alike */
		memcpy(work[n].m.key, &(uint32_t){ (n + 1) * 2654435761u }, 4);
	commit(work, countof(work), true);
	assert_int_equal(count(ROWS), countof(work));
	reload();
	assert_int_equal(count(ROWS), OPEN_MAX);
	assert_int_equal(o.at.n, OPEN_MAX);
}

static void what_is_damaged_is_left_out(void **state)
{
	const struct key64 first = key64(1);
	struct span clear, row;
	struct txn *t = NULL;
	struct id id;
	size_t n;

	(void)state;
	commit_one(event(1, 'a'));
	commit_one(event(2, 'b'));
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_get(t, ROWS, key64_span(&first), &row), OK);
	memcpy(room, row.p, n = row.n);
	room[n - OPEN_KEY - 1] ^= 1;
	assert_int_equal(txn_put(t, ROWS, key64_span(&first), span(room, n)), OK);
	assert_int_equal(txn_commit(&t), OK);
	reload();
	assert_string_equal(all(), "b");
	assert_int_equal(opened_find(&o, s, event(1, 0).m.key, &id, room, &clear), ERR_KEY);
	commit_one(end(1));
	assert_int_equal(count(ROWS), 1);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(all_come_in_the_order_of_their_last_event),
		WITH_STORE(what_fails_changes_nothing),
		WITH_STORE(one_commit_may_open_change_and_end_it),
		WITH_STORE(many_events_of_one_alert_in_one_commit_leave_one),
		WITH_STORE(what_is_not_open_cannot_be_forgotten),
		WITH_STORE(what_an_earlier_version_kept_is_read_until_it_is_over),
		WITH_STORE(of_too_many_the_newest_stay),
		WITH_STORE(what_is_damaged_is_left_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* index: what it still knows after something was erased. What it finds, tests/audit/search_test.py compares with the record. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "own_record.h"

#include "index.h"
#include "keeping.h"
#include "store.h"

static int days_make(void **state)
{
	folder_make(state);
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		g.spec.keep[i] = KEEP_DAYS | 1;
	return 0;
}

static enum err count(void *ctx, uint64_t index)
{
	(void)index;
	++*(unsigned *)ctx;
	return OK;
}

static void opens(const char *path, struct index **x)
{
	struct reader *r = NULL;

	assert_int_equal(reader_open(g.path, g.root, &r), OK);
	assert_int_equal(index_open(path, g.root, r, x), OK);
	reader_close(&r);
}

/* What the index itself names; the record is not asked. */
static unsigned names(const char *path, const char *user)
{
	const struct criteria c = { .user = user, .type = -1, .result = -1 };
	struct index *x = NULL;
	unsigned n = 0;

	opens(path, &x);
	assert_int_equal(index_search(x, &c, count, &n), OK);
	index_close(&x);
	return n;
}

static void push_by(const char *who, uint64_t from, uint64_t n)
{
	open_record();
	for (uint64_t i = from; i < from + n; i++) {
		struct happening h = publish(i);

		h.actor = span_str(who);
		assert_true(record_push(g.record, &h));
	}
	record_close(&g.record);
}

/* One index that the broker does not know, and was made before the erasure. */
static void an_index_from_before_an_erasure_is_made_anew(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/elsewhere.idx", g.folder);
	push_by("carla", 0, 10);
	push_by("dora", 10, 10);
	assert_int_equal(names(path, "carla"), 10);
	assert_int_equal(names(path, "dora"), 10);
	open_record();
	assert_int_equal(segment_erase(g.record, &(struct segment_act){ 1, INT64_MAX / 2, SPAN_LIT("ana"), SPAN_LIT("ben"),
									SPAN_LIT("why") }), OK);
	record_close(&g.record);
	assert_int_equal(names(path, "carla"), 0);
	assert_int_equal(names(path, "dora"), 10);
	push_by("dora", 20, 5);
	assert_int_equal(names(path, "dora"), 15);
}

/* The store with the lists, and nothing in them. */
static void empty(const char *path)
{
	static const char *const tables[] = { "post", NULL };
	const struct store_spec spec = { .kind = "record-index", .version = 99, .map_bytes = 1 << 20, .table = tables };
	struct store *store = NULL;
	struct span key, value;
	struct txn *t;

	assert_int_equal(store_open(path, &spec, &store), OK);
	assert_int_equal(txn_begin_write(store, &t), OK);
	while (txn_seek(t, 0, span(NULL, 0), &key, &value) == OK)
		assert_int_equal(txn_del(t, 0, key), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&store);
}

/* And made by version 1. */
static void say_older(const char *path)
{
	static const char now[] = "record-index 99", before[] = "record-index 01";
	static char file[16 << 20];
	FILE *f = fopen(path, "r+b");
	size_t n, found = 0;

	assert_non_null(f);
	n = fread(file, 1, sizeof(file), f);
	for (char *at = file; (at = memmem(at, n - (size_t)(at - file), now, strlen(now))); found++)
		memcpy(at, before, strlen(before));
	assert_true(found > 0);
	rewind(f);
	assert_int_equal(fwrite(file, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* It lacks what that one did not write down, and says that it has read as far. */
static void an_index_of_the_version_before_is_made_anew(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/before.idx", g.folder);
	push_by("carla", 0, 10);
	assert_int_equal(names(path, "carla"), 10);
	empty(path);
	say_older(path);
	assert_int_equal(names(path, "carla"), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_index_from_before_an_erasure_is_made_anew, days_make, folder_drop),
		cmocka_unit_test_setup_teardown(an_index_of_the_version_before_is_made_anew, folder_make, folder_drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The directory's change journal when it cannot be read as it should be. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypt.h"
#include "cur.h"
#include "directory.h"
#include "in_scratch.h"
#include "store.h"
#include "topic.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER

static const uint8_t root[32] = { 1 };
static struct directory *opened(void)
{
	struct directory *d = NULL;

	assert_int_equal(directory_open(scratch_path(&scratch, "d.mdb"), root, false, &d), OK);
	return d;
}

static void save(struct directory *d, const char *id)
{
	const struct account a = { .subject = { .party = USER, .tenant = SPAN_LIT("mercy"), .id = span_str(id) } };

	assert_int_equal(directory_save(d, &a, false), OK);
}

struct seen {
	char text[256];
	struct put put;
};

static struct seen *seen_start(struct seen *s)
{
	*s = (struct seen){ .put = { 0 } };
	s->put = put(s->text, sizeof(s->text) - 1);
	return s;
}

static void see_change(void *ctx, const struct change *c)
{
	struct seen *s = ctx;

	put_fmt(&s->put, "%d:%.*s ", c->party, SPAN_FMT(c->id));
}

/* Puts something unreadable in the place of a line. */
static void damage_line(uint64_t line)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	const struct key64 key = key64(line);
	struct store *s = NULL;
	struct txn *t = NULL;

	assert_int_equal(store_open(scratch_path(&scratch, "d.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_put(t, 2, key64_span(&key), SPAN_LIT("a line nobody can read")), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
}

static void a_damaged_line_hides_no_other(void **state)
{
	struct directory *d = opened();
	uint64_t since = 0, last;
	struct seen s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		save(d, "ana");
		save(d, "bob");
		save(d, "cy");
	}
	directory_close(&d);
	damage_line(2);
	damage_line(5);
	d = opened();
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), ERR_CORRUPT);
	assert_string_equal(s.text, "2:ana 2:cy 2:ana 2:cy 0: ");
	assert_true(since == 6);
	assert_false(directory_moved(d));
	save(d, "bob");
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:bob ");
	directory_close(&d);
	damage_line(7);
	d = opened();
	assert_int_equal(directory_journal(d, &last), OK);
	assert_true(last == 7);
	directory_close(&d);
}

/* Before the library's: no memory for a moment. */
static bool memory_is_out;
__attribute__((visibility("default"))) int mdb_cursor_open(void *txn, unsigned table, void **out);

int mdb_cursor_open(void *txn, unsigned table, void **out)
{
	int (*real)(void *, unsigned, void **);

	*(void **)&real = dlsym(RTLD_NEXT, "mdb_cursor_open");
	return memory_is_out ? ENOMEM : real(txn, table, out);
}

static void what_could_not_be_read_for_a_moment_is_not_missed(void **state)
{
	struct directory *d = opened();
	uint64_t since = 0;
	struct seen s;

	(void)state;
	save(d, "ana");
	memory_is_out = true;
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), ERR_IO);
	memory_is_out = false;
	assert_true(directory_moved(d));
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:ana ");
	assert_false(directory_moved(d));
	directory_close(&d);
}

/* Until there is no room for a new account. */
static void fill(struct directory *d)
{
	static char value[128][WORD_BYTES_MAX + 1];
	static struct attribute attribute[countof(value)];
	struct account a = { .subject = { .party = USER, .tenant = SPAN_LIT("mercy"), .attribute = attribute,
					  .attributes = countof(value) } };
	struct batch *b = NULL;
	enum err e = OK;
	char id[16];

	for (unsigned i = 0; i < countof(value); i++) {
		snprintf(value[i], sizeof(value[i]), "%0*u", WORD_BYTES_MAX, i);
		attribute[i] = (struct attribute){ SPAN_LIT("unit"), span_str(value[i]) };
	}
	for (unsigned n = 0; e == OK; n++) {
		if (!b)
			assert_int_equal(directory_begin(d, &b), OK);
		snprintf(id, sizeof(id), "u%u", n);
		a.subject.id = span_str(id);
		e = batch_save(b, &a, true);
		if (e == OK && n % 20 == 19)
			assert_int_equal(batch_commit(&b), OK);
	}
	assert_int_equal(e, ERR_FULL);
	batch_abort(&b);
}

static enum err deny(struct directory *d, uint8_t n)
{
	const struct denial x = { .fingerprint = { n }, .reason = "lost", .at_us = 1 };
	struct batch *b = NULL;
	enum err e;

	assert_int_equal(directory_begin(d, &b), OK);
	e = batch_deny(b, &x);
	if (e == OK)
		e = batch_commit(&b);
	batch_abort(&b);
	return e;
}

/* Old lines are worth less. */
static void a_certificate_is_revoked_where_there_is_room_for_nothing_else(void **state)
{
	struct directory *d = opened();

	(void)state;
	fill(d);
	for (uint8_t n = 0; n < 20; n++)
		assert_int_equal(deny(d, n), OK);
	directory_close(&d);
}

static enum err lock(struct directory *d, enum lock_kind kind, unsigned n, int64_t now_us)
{
	struct lock x = { .kind = kind, .at_us = now_us, .until_us = now_us + 1000, .times = 1 };

	snprintf(x.name, sizeof(x.name), "u%u", n);
	snprintf(x.address, sizeof(x.address), "10.0.0.1");
	return directory_lock(d, &x, now_us);
}

/* Who guesses does not get on by the room that is lacking: old lines are worth less than that, though not than who is known. */
static void somebody_is_locked_out_where_there_is_room_for_nothing_else(void **state)
{
	struct directory *d = opened();

	(void)state;
	assert_int_equal(lock(d, LOCK_KNOWN, 0, 1), OK);
	fill(d);
	assert_int_equal(lock(d, LOCK_KNOWN, 1, 1), ERR_FULL);
	assert_int_equal(lock(d, LOCK_KNOWN, 0, 2), OK);        /* in the place of what was there */
	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(lock(d, LOCK_PERSON, n, 1), OK);
	directory_close(&d);
}

static int64_t ahead_s;

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t)
{
	int (*real)(clockid_t, struct timespec *);
	int code;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	code = real(id, t);
	t->tv_sec += id == CLOCK_REALTIME ? ahead_s : 0;
	return code;
}

/* The record has them; here they would name patients by a key that does not end with the year. */
static void what_is_on_record_for_long_goes(void **state)
{
	struct directory *d = opened();
	uint64_t since = 0;
	struct seen s;

	(void)state;
	save(d, "u1");
	save(d, "u2");
	ahead_s = 40 * 24 * 3600;
	save(d, "u3");                          /* nothing is on record yet */
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:u1 2:u2 2:u3 ");
	assert_int_equal(directory_mark_recorded(d, 2), OK);
	save(d, "u4");
	since = 1;                              /* whoever has seen the one that went misses nothing */
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:u2 2:u3 2:u4 ");
	assert_int_equal(directory_mark_recorded(d, 4), OK);
	save(d, "u5");
	since = 0;
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "0: ");     /* more than is told; u3 and u4 have not been there long */
	since = 2;
	assert_int_equal(directory_changes(d, &since, see_change, seen_start(&s)), OK);
	assert_string_equal(s.text, "2:u3 2:u4 2:u5 ");
	ahead_s = 0;
	directory_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_on_record_for_long_goes, make, unmake),
		cmocka_unit_test_setup_teardown(a_damaged_line_hides_no_other, make, unmake),
		cmocka_unit_test_setup_teardown(what_could_not_be_read_for_a_moment_is_not_missed, make, unmake),
		cmocka_unit_test_setup_teardown(a_certificate_is_revoked_where_there_is_room_for_nothing_else, make, unmake),
		cmocka_unit_test_setup_teardown(somebody_is_locked_out_where_there_is_room_for_nothing_else, make, unmake),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

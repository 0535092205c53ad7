/* A record with a forward-secure line: it begins, goes on over starts, lines and mishaps, and shows what somebody wrote otherwise
 * who has every key of the machine. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "faulty_disk.h"
#include "own_record.h"
#include "trail.h"
#include "turns.h"

#define DEPTH 5

static char path[128], table[136];
static const char *found;

static int line_up(void **state)
{
	disk_heals();
	folder_make(state);
	must(snprintf(path, sizeof(path), "%s/record.line", g.folder) < (int)sizeof(path));
	snprintf(table, sizeof(table), "%s.pub", path);
	g.spec.line_path = path;
	g.spec.line_depth = DEPTH;
	g.spec.found = &found;
	return 0;
}

static int line_down(void **state)
{
	disk_heals();
	return folder_drop(state);
}

static void open_lined(void)
{
	open_record();
	assert_true(UNTIL(record_lined(g.record)));
}

static void lined_some(uint64_t n)
{
	open_lined();
	push_many(0, n);
	record_close(&g.record);
}

/* Each is in the record before the next comes. */
static void lined_one_by_one(uint64_t n)
{
	open_lined();
	for (uint64_t i = 0; i < n; i++) {
		push_many(i, 1);
		assert_true(UNTIL(record_settled(g.record, record_ticket(g.record))));
		assert_int_equal(record_trouble(g.record), OK);
	}
	record_close(&g.record);
}

static enum err verify_line(void)
{
	struct verify_spec spec = recording_verify(&g);

	spec.line_path = path;
	return verify_record(&spec, &report);
}

/* Closed in good order: so many epochs are, and there is nothing behind. */
static void assert_closed(uint64_t ends)
{
	enum err e = verify_line();

	if (e != OK)
		fail_msg("%s: %s %llu: %s", err_text(e), report.part ? report.part : "?", (unsigned long long)report.index,
			 report.what);
	assert_true(report.line.begun);
	assert_int_equal(report.line.ends, ends);
	assert_int_equal(report.line.size, report.entries);
	assert_int_equal(report.signed_size, report.entries);
}

static void assert_line_bad(const char *part, const char *what)
{
	assert_int_equal(verify_line(), ERR_CORRUPT);
	if (strcmp(report.part, part) != 0 || !strstr(report.what, what))
		fail_msg("%s %llu: %s", report.part, (unsigned long long)report.index, report.what);
}

static void assert_not_opened(const char *why)
{
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
	if (!strstr(found, why))
		fail_msg("%s", found);
}

/* ---- going on ---- */

static void each_start_ends_an_epoch(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 5; i++) {
		lined_some(20);
		assert_closed(i);
	}
	record_some(0);                         /* nothing came: nothing to close */
	assert_closed(5);
}

static void an_epoch_ends_when_its_time_is_over(void **state)
{
	(void)state;
	g.spec.line_every_us = 1;
	lined_one_by_one(10);
	assert_int_equal(verify_line(), OK);
	assert_in_range(report.line.ends, 10, 21);
	assert_true(report.checkpoints >= report.line.ends);
}

/* Of four epochs each, the last of which begins the next: as soon as the machine has made its keys. */
static void one_line_follows_another(void **state)
{
	int starts = 0;

	(void)state;
	g.spec.line_every_us = 1;
	g.spec.line_depth = FORWARD_DEPTH_MIN;
	do {
		lined_one_by_one(25);
		assert_int_equal(verify_line(), OK);
	} while (++starts < 4 || (report.line.lines < 4 && starts < 40));
	assert_in_range(report.line.lines, 4, 15 * starts);
	assert_true(report.line.ends >= 3 * (report.line.lines - 1));
}

static void a_line_begins_in_a_record_without_one(void **state)
{
	uint64_t n;

	(void)state;
	g.spec.line_path = NULL;
	record_some(20);
	assert_int_equal(verify_line(), OK);
	assert_false(report.line.begun);
	n = report.entries;
	g.spec.line_path = path;
	lined_some(20);
	assert_closed(1);
	assert_true(report.entries >= n + 22);
}

static void each_record_has_a_line_of_its_own(void **state)
{
	struct forward_root before;

	(void)state;
	lined_some(20);
	assert_closed(1);
	before = report.line.root;
	unlink(g.path);
	unlink(g.sizes);
	lined_some(20);
	assert_closed(1);
	assert_memory_not_equal(&before, &report.line.root, sizeof(before));
}

static void a_lost_table_holds_nothing_up(void **state)
{
	(void)state;
	lined_some(20);
	unlink(table);
	open_record();
	assert_true(UNTIL(access(table, F_OK) == 0));
	push_many(0, 20);
	record_close(&g.record);
	assert_closed(2);
}

/* A folder is in its place: neither read nor written. Keys are made all along, and an epoch ends when the next one has its own: as
 * soon as the machine lets it. */
static void a_disk_that_takes_no_table_does_not_stop_the_record(void **state)
{
	int starts = 0;

	(void)state;
	assert_int_equal(mkdir(table, 0700), 0);
	g.spec.line_every_us = 1;
	g.spec.line_depth = FORWARD_DEPTH_MIN;
	do {
		lined_one_by_one(25);
		assert_int_equal(verify_line(), OK);
	} while (report.line.ends == 0 && ++starts < 20);
	assert_true(report.line.ends >= 1);
	assert_int_equal(rmdir(table), 0);
}

static void copy(const char *from, const char *to)
{
	size_t n;
	uint8_t *file = slurp(from, &n);

	spill(to, file, n);
	free(file);
}

static void an_older_seed_catches_up(void **state)
{
	char old[160];

	(void)state;
	snprintf(old, sizeof(old), "%s.old", path);
	lined_some(20);
	for (uint64_t i = 1; i < 12; i += 2) {
		copy(path, old);
		lined_some(20);
		copy(old, path);
		lined_some(20);
		assert_closed(i + 2);
	}
}

/* ---- upgrade ---- */

static void append_entries(const struct entry *e, size_t n)
{
	struct trail *t = NULL;

	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	for (size_t i = 0; i < n; i++) {
		uint8_t raw[200];
		struct put b = put(raw, sizeof(raw));

		entry_write_control(&e[i], &b);
		assert_int_equal(put_end(&b), OK);
		assert_int_equal(trail_append(t, put_span(&b)), OK);
	}
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

/* As the version before left it: its marks are counted, its key is overwritten. */
static void a_record_with_marks_of_an_older_version_goes_on(void **state)
{
	const struct entry marks[] = {
		{ .type = CONTROL_LINE_BEGIN, .at_us = 1 }, { .type = CONTROL_LINE_MARK, .at_us = 2 },
		{ .type = CONTROL_LINE_MARK, .at_us = 3, .number = 1 },
	};
	uint8_t old[1024] = { 0 }, *now;
	size_t n;

	(void)state;
	g.spec.line_path = NULL;
	record_some(20);
	append_entries(marks, countof(marks));
	memset(old + 512, 0x5a, 80);
	spill(path, old, sizeof(old));
	assert_int_equal(verify_line(), OK);    /* by a tool that is newer than the broker */
	g.spec.line_path = path;
	lined_some(20);
	assert_closed(1);
	assert_int_equal(report.line.marks, 2);
	now = slurp(path, &n);
	assert_null(memmem(now, n, old + 512, 16));
	free(now);
}

/* ---- mishaps ---- */

static void a_seed_that_is_gone_or_torn_is_told(void **state)
{
	uint8_t *have;
	size_t n;

	(void)state;
	lined_some(20);
	have = slurp(path, &n);
	for (size_t i = 0; i < n; i += 7)
		have[i] ^= 0x80;
	spill(path, have, n);
	free(have);
	assert_not_opened("is damaged");
	assert_line_bad("line", "no seed can be read");
	unlink(path);
	assert_not_opened("is gone");
	assert_not_opened("is gone");           /* also when the first look has made an empty file */
	g.spec.line_path = NULL;
	assert_not_opened("is not given");
}

/* What somebody keeps a copy of: the store, its keys and the sizes file. */
static void keep_copies(bool back)
{
	static const char *const names[] = { "record.mdb", "record.mdb-keys", "record.sizes" };
	char here[256], there[256];

	for (size_t i = 0; i < countof(names); i++) {
		snprintf(here, sizeof(here), "%s/%s", g.folder, names[i]);
		snprintf(there, sizeof(there), "%s/%s.old", g.folder, names[i]);
		copy(back ? there : here, back ? here : there);
	}
}

static void a_record_that_was_set_back_with_its_sizes_is_found(void **state)
{
	(void)state;
	lined_some(20);
	keep_copies(false);
	lined_some(20);
	keep_copies(true);
	assert_int_equal(verify(), OK);         /* nothing else knows */
	assert_line_bad("line", "cut or set back");
	assert_not_opened("set back to an older copy");
}

static void wait_for_trouble(enum err want)
{
	assert_true(UNTIL(record_trouble(g.record) == want));
}

/* Until the seed is gone, nothing more is written; then all of it is. */
static void a_seed_that_cannot_be_overwritten_stops_the_record(void **state)
{
	(void)state;
	g.spec.line_every_us = 1;
	open_lined();
	disk_refuses(ENOSPC, path);
	push_many(0, 20);
	wait_for_trouble(ERR_FULL);
	push_many(20, 20);
	disk_heals();
	wait_for_trouble(OK);
	record_close(&g.record);
	assert_int_equal(verify_line(), OK);

	open_record();
	disk_refuses(EIO, path);
	push_many(40, 20);
	wait_for_trouble(ERR_IO);
	disk_heals();
	record_close(&g.record);
	record_some(1);
	assert_int_equal(verify_line(), OK);
}

/* ---- somebody has every key of the machine ---- */

static struct epoch seed_of_now(void)
{
	struct epochs *e = NULL;
	struct forward_root root;
	struct epoch now;
	uint32_t epoch;

	assert_int_equal(epochs_peek(path, &root, &epoch), OK);
	assert_int_equal(epochs_open(path, &e), OK);
	assert_int_equal(epochs_find(e, &root, epoch, true), OK);
	now = *epochs_now(e);
	epochs_close(&e);
	return now;
}

/* Signed by the record's own key, which lies there, and by what they have of the line. NULL: without. */
static void sign_record(const struct epoch *by)
{
	struct trail *t = NULL;
	char text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));
	struct span body, lines;
	struct checkpoint c = { .origin = span_str(RECORDING_ORIGIN) };

	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	c.size = trail_tree(t)->size;
	c.root = tree_root(trail_tree(t));
	assert_int_equal(note_write(&c, g.secret, &note), OK);
	assert_int_equal(note_split(put_span(&note), &body, &lines), OK);
	assert_true(!by || forward_sign(body, c.origin, &by->root, &by->key, by->seed, &note) == OK);
	assert_int_equal(trail_put_checkpoint(t, put_span(&note), report.line.began_us, true), OK);
	trail_close(&t);
}

/* Without the sizes file and the seed's, which they would make to fit. */
static void assert_shows(const char *what)
{
	struct verify_spec spec = recording_verify(&g);

	spec.sizes_path = "";
	assert_int_equal(verify_record(&spec, &report), ERR_CORRUPT);
	if (!strstr(report.what, what))
		fail_msg("%s %llu: %s", report.part, (unsigned long long)report.index, report.what);
}

#define OTHER { .type = CONTROL_LINE_MARK, .at_us = 7 }         /* an event in the place of what was there */

static void acceptance_5_who_steals_epoch_i_cannot_rewrite_epoch_i_minus_1(void **state)
{
	const struct entry other = OTHER;
	struct entry ends[] = { OTHER, { .type = CONTROL_EPOCH_END, .number = 1 }, OTHER };
	struct entry root[] = { { .type = CONTROL_LINE_ROOT, .depth = DEPTH, .every_us = LINE_EVERY_US },
				{ .type = CONTROL_EPOCH_END, .number = 1 } };
	struct epoch taken, as;

	(void)state;
	lined_some(20);
	assert_closed(1);
	ends[1].at_us = root[0].at_us = root[1].at_us = report.line.began_us;
	keep_copies(false);             /* epoch 1 is due */
	lined_some(20);                 /* ... which is what they would like to be otherwise */
	assert_closed(2);
	taken = seed_of_now();
	assert_int_equal(taken.key.epoch, 2);

	keep_copies(true);
	append_entries(&other, 1);
	sign_record(NULL);
	assert_shows("has no line");

	keep_copies(true);
	append_entries(&other, 1);
	sign_record(&taken);
	assert_shows("is of epoch 2 where epoch 1 is due");

	as = taken;
	as.key.epoch = 1;
	keep_copies(true);
	append_entries(&other, 1);
	sign_record(&as);
	assert_shows("was not made with a key of the root");

	/* Epoch 1 is left out, or ended by nobody who was there. */
	keep_copies(true);
	ends[1].number = 2;
	append_entries(ends, 2);
	assert_shows("ends epoch 2 where epoch 1 is due");
	keep_copies(true);
	ends[1].number = 1;
	append_entries(ends, 3);
	sign_record(&taken);
	assert_shows("no checkpoint of its key closes that");

	/* Another line, whose seed they have; the one before does not vouch for it. */
	keep_copies(true);
	memcpy(root[0].commitment, taken.root.hash.b, sizeof(root[0].commitment));
	root[0].commitment[0] ^= 1;
	append_entries(root, 1);
	append_entries(&other, 1);
	assert_shows("does not vouch for it");
	keep_copies(true);
	append_entries(root, 2);
	sign_record(&taken);
	assert_shows("is of epoch 2 where epoch 1 is due");

	/* And our own writer does not go on with the wrong seed. */
	keep_copies(true);
	assert_not_opened("set back to an older copy");
}

#define T(name) cmocka_unit_test_setup_teardown(name, line_up, line_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_start_ends_an_epoch),
		T(an_epoch_ends_when_its_time_is_over),
		T(one_line_follows_another),
		T(a_line_begins_in_a_record_without_one),
		T(each_record_has_a_line_of_its_own),
		T(a_lost_table_holds_nothing_up),
		T(a_disk_that_takes_no_table_does_not_stop_the_record),
		T(an_older_seed_catches_up),
		T(a_record_with_marks_of_an_older_version_goes_on),
		T(a_seed_that_is_gone_or_torn_is_told),
		T(a_record_that_was_set_back_with_its_sizes_is_found),
		T(a_seed_that_cannot_be_overwritten_stops_the_record),
		T(acceptance_5_who_steals_epoch_i_cannot_rewrite_epoch_i_minus_1),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

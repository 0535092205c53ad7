/* The forward-secure line: its keys, the file of the key of now, and a record that is marked with it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "faulty_disk.h"
#include "forward.h"
#include "own_record.h"
#include "seed.h"
#include "sizes.h"
#include "trail.h"

#define SECTORS (2 * FORWARD_SLOT_BYTES)

static const uint8_t initial[FORWARD_KEY_BYTES] = { [0 ... 31] = 7 };
static char path[128];

static int line_up(void **state)
{
	disk_heals();
	folder_make(state);
	must(snprintf(path, sizeof(path), "%s/record.line", g.folder) < (int)sizeof(path));
	g.spec.line_path = path;
	g.spec.line_every_us = 1;
	return 0;
}

static int line_down(void **state)
{
	disk_heals();
	return folder_drop(state);
}

static struct forward_key key_at(uint64_t n)
{
	struct forward_key k;

	forward_key_init(&k, initial);
	assert_int_equal(forward_key_go(&k, n), OK);
	return k;
}

static void assert_hex(const uint8_t have[SHA256_BYTES], const char *want)
{
	char hex[2 * SHA256_BYTES + 1];

	hex_encode(span(have, SHA256_BYTES), hex);
	assert_string_equal(hex, want);
}

/* ---- keys ---- */

/* As another program computes them (Python's hmac). */
static void keys_and_marks_are_what_the_header_says(void **state)
{
	struct forward_key k = key_at(3);
	uint8_t mac[SHA256_BYTES];
	struct hash root;

	(void)state;
	for (uint8_t i = 0; i < sizeof(root.b); i++)
		root.b[i] = i;
	assert_hex(k.id, "78dd13198e6226c954196ba36d942be2a293a067dd37a143d1814919fc25820f");
	assert_hex(k.key, "7b3f7ae4d0e84ea8f9f4762f03c9e3d30c9b684616c49193ee593c759216133a");
	forward_mark(&k, span_str(RECORDING_ORIGIN), 1770000000000000, 41, &root, mac);
	assert_hex(mac, "bcb5b4f876a64d41dfb6e8ee09c01906aa8a1807f9872361dea29a30342fbd3d");
}

static void a_key_goes_one_way(void **state)
{
	struct forward_key k = key_at(3);

	(void)state;
	assert_int_equal(forward_key_go(&k, 2), ERR_RANGE);
	assert_int_equal(forward_key_go(&k, 4 + (uint64_t)FORWARD_STEPS_MAX), ERR_RANGE);
	assert_int_equal(k.n, 3);
}

static void an_initial_key_is_read_as_it_was_written(void **state)
{
	static const char *const wrong[] = {
		"", "# nothing\n", "pullcord-line\n", "pullcord-line 0707\n",
		"pullcord-line x707070707070707070707070707070707070707070707070707070707070707\n",
		"pullcord-lime 0707070707070707070707070707070707070707070707070707070707070707\n",
	};
	uint8_t read[FORWARD_KEY_BYTES];
	char text[FORWARD_TEXT_MAX], file[3 * FORWARD_TEXT_MAX];

	(void)state;
	forward_text_write(initial, text);
	snprintf(file, sizeof(file), "# kept off the machine\r\n\n%s\n", text);
	assert_int_equal(forward_text_read(span_str(file), read), OK);
	assert_memory_equal(read, initial, sizeof(read));
	snprintf(file, sizeof(file), "%s%s", text, text);
	assert_int_equal(forward_text_read(span_str(file), read), ERR_SYNTAX);
	for (size_t i = 0; i < countof(wrong); i++)
		assert_int_equal(forward_text_read(span_str(wrong[i]), read), ERR_SYNTAX);
}

/* ---- the file ---- */

static bool file_holds(const struct forward_key *k)
{
	size_t n;
	uint8_t *file = slurp(path, &n);
	bool found = memmem(file, n, k->key, sizeof(k->key));

	free(file);
	return found;
}

static const uint8_t *slurped(void)
{
	static uint8_t file[SECTORS];
	size_t n;
	uint8_t *p = slurp(path, &n);

	assert_int_equal(n, SECTORS);
	memcpy(file, p, n);
	free(p);
	return file;
}

static struct forward *open_line(void)
{
	struct forward *l = NULL;

	assert_int_equal(forward_open(path, &l), OK);
	return l;
}

static void what_was_left_behind_is_not_in_the_file(void **state)
{
	struct forward_key k;
	struct forward *l;

	(void)state;
	assert_int_equal(forward_open(path, &l), ERR_NOT_FOUND);
	assert_int_equal(forward_begin(path, initial), OK);
	for (uint64_t n = 0, next; n < 40; n = next) {
		next = n + 1 + seed_below(4);
		l = open_line();
		k = key_at(n);
		assert_memory_equal(forward_now(l), &k, sizeof(k));
		assert_true(file_holds(&k));
		assert_int_equal(forward_go(l, next), OK);
		assert_false(file_holds(&k));
		k = key_at(next);
		assert_memory_equal(forward_now(l), &k, sizeof(k));
		if (seed_below(2))
			assert_int_equal(forward_go(l, ++next), OK);
		assert_int_equal(forward_go(l, n), ERR_RANGE);
		forward_close(&l);
	}
	assert_int_equal(forward_begin(path, initial), OK);
	l = open_line();
	assert_int_equal(forward_now(l)->n, 0);
	forward_close(&l);
}

/* Killed between the two slots, and in the middle of either. */
static void a_crash_leaves_one_key_or_both(void **state)
{
	uint8_t *before, *after, torn[SECTORS];
	struct forward_key old = key_at(5);
	struct forward *l;
	size_t n;

	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	l = open_line();
	assert_int_equal(forward_go(l, 5), OK);
	before = slurp(path, &n);
	assert_int_equal(n, SECTORS);
	assert_int_equal(forward_go(l, 6), OK);
	after = slurp(path, &n);
	forward_close(&l);
	for (size_t cut = 0; cut <= SECTORS; cut++) {
		uint64_t left;

		memcpy(torn, after, FORWARD_SLOT_BYTES);           /* number 6 has the first slot, and is written first */
		memcpy(torn + FORWARD_SLOT_BYTES, before + FORWARD_SLOT_BYTES, FORWARD_SLOT_BYTES);
		if (cut < FORWARD_SLOT_BYTES)
			memcpy(torn + cut, before + cut, FORWARD_SLOT_BYTES - cut);
		else
			memcpy(torn + FORWARD_SLOT_BYTES, after + FORWARD_SLOT_BYTES, cut - FORWARD_SLOT_BYTES);
		spill(path, torn, sizeof(torn));
		assert_int_equal(forward_peek(path, &left, NULL), OK);
		l = open_line();
		assert_int_equal(forward_now(l)->n, left);
		assert_true(left == 6 || (left == 5 && cut < FORWARD_SLOT_BYTES));
		assert_true(left == 5 || cut >= 80);
		assert_int_equal(file_holds(&old), left == 5);
		assert_true(left == 5 || !memmem(slurped(), SECTORS, old.key + 24, 8));
		forward_close(&l);
	}
	free(before);
	free(after);
}

static void what_is_no_key_is_refused(void **state)
{
	uint8_t file[SECTORS] = { 0 };
	struct forward *l = NULL;
	uint8_t *have;
	size_t n;

	(void)state;
	spill(path, file, 10);
	assert_int_equal(forward_open(path, &l), ERR_CORRUPT);
	spill(path, file, sizeof(file));
	assert_int_equal(forward_open(path, &l), ERR_CORRUPT);
	assert_int_equal(forward_begin(path, initial), OK);
	have = slurp(path, &n);
	for (size_t at = 0; at < 80; at++) {
		have[at] ^= 1;
		spill(path, have, n);
		assert_int_equal(forward_open(path, &l), ERR_CORRUPT);
		have[at] ^= 1;
	}
	memcpy(have + FORWARD_SLOT_BYTES, have, FORWARD_SLOT_BYTES);  /* the same twice, one of them where it does not belong */
	spill(path, have, n);
	assert_int_equal(forward_open(path, &l), ERR_CORRUPT);
	free(have);
}

/* ---- a record with a line ---- */

static void go_to(uint64_t n)
{
	struct forward *l = NULL;

	assert_int_equal(forward_open(path, &l), OK);
	assert_int_equal(forward_go(l, n), OK);
	forward_close(&l);
}

static enum err verify_line(const uint8_t *with)
{
	struct verify_spec spec = recording_verify(&g);

	spec.line = with;
	spec.line_path = path;
	return verify_record(&spec, &report);
}

static void assert_marked(uint64_t least)
{
	enum err e = verify_line(initial);

	if (e != OK)
		fail_msg("%s: %s %llu: %s", err_text(e), report.part ? report.part : "?", (unsigned long long)report.index,
			 report.what);
	assert_true(report.marks >= least);
	assert_true(report.marked_size + 1 == report.entries);  /* closed in good order: all is marked */
}

static void assert_line_bad(const uint8_t *with, uint64_t index, const char *what)
{
	assert_int_equal(verify_line(with), ERR_CORRUPT);
	if (strcmp(report.part, "line") != 0 || report.index != index || !strstr(report.what, what))
		fail_msg("%s %llu: %s", report.part, (unsigned long long)report.index, report.what);
}

static void each_start_goes_on_with_the_line(void **state)
{
	uint64_t marks = 0;

	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	for (int i = 0; i < 5; i++) {
		record_some(20);
		assert_marked(marks + 1);
		marks = report.marks;
	}
	record_some(0);                         /* nothing came: nothing to mark */
	assert_marked(marks);
	assert_int_equal(report.marks, marks);
}

static void a_line_may_begin_later(void **state)
{
	static const uint8_t other[FORWARD_KEY_BYTES] = { 8 };
	uint64_t n;

	(void)state;
	record_some(20);
	assert_int_equal(verify_line(NULL), OK);
	n = report.entries;
	assert_line_bad(initial, n, "no line of this initial key");
	assert_int_equal(forward_begin(path, initial), OK);
	record_some(20);
	assert_marked(1);
	n = report.entries;
	assert_int_equal(forward_begin(path, other), OK);
	record_some(20);
	assert_line_bad(initial, n, "another line begins here");
	assert_int_equal(verify_line(other), OK);
}

static void a_line_is_not_left_out(void **state)
{
	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	record_some(20);
	unlink(path);
	assert_int_equal(record_open(&g.spec, &g.record), ERR_KEY);
	g.spec.line_path = NULL;
	assert_int_equal(record_open(&g.spec, &g.record), ERR_KEY);
}

/* A record without a line, or with another's, in the place of one whose marks were made. */
static void a_line_that_went_on_elsewhere_is_missed(void **state)
{
	static const uint8_t other[FORWARD_KEY_BYTES] = { 8 };
	char was[200];
	uint64_t n;

	(void)state;
	record_some(20);
	assert_int_equal(forward_begin(path, initial), OK);
	assert_int_equal(verify_line(NULL), OK);        /* it begins with the next start */
	n = report.entries;
	go_to(101);
	assert_line_bad(NULL, n, "mark 100 was made");
	snprintf(was, sizeof(was), "%s.was", path);
	assert_int_equal(rename(path, was), 0);
	assert_int_equal(forward_begin(path, other), OK);
	record_some(20);
	assert_int_equal(verify_line(other), OK);
	n = report.entries;
	assert_int_equal(rename(was, path), 0);
	assert_line_bad(other, n, "mark 100 was made");
}

static void copy(const char *from, const char *to)
{
	size_t n;
	uint8_t *file = slurp(from, &n);

	spill(to, file, n);
	free(file);
}

/* What somebody keeps a copy of: the store, its keys and the sizes file, under names with that tail. */
static void keep_copies(const char *tail, bool back)
{
	static const char *const names[] = { "record.mdb", "record.mdb-keys", "record.sizes" };
	char here[256], there[256];

	for (size_t i = 0; i < countof(names); i++) {
		snprintf(here, sizeof(here), "%s/%s", g.folder, names[i]);
		snprintf(there, sizeof(there), "%s/%s%s", g.folder, names[i], tail);
		copy(back ? there : here, back ? here : there);
	}
}

static void a_record_that_was_set_back_with_its_sizes_is_found(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	record_some(20);
	assert_marked(1);
	n = report.entries;
	keep_copies(".old", false);
	record_some(20);
	keep_copies(".old", true);
	assert_int_equal(verify(), OK);         /* nothing else knows */
	assert_int_equal(record_open(&g.spec, &g.record), ERR_CORRUPT);
	assert_line_bad(NULL, n, "cut or set back");
	assert_line_bad(initial, n, "cut or set back");
}

/* Somebody has every key of the machine, but the line's only as it is now. */
static void write_key_of_now(uint64_t as, const struct forward_key *have)
{
	uint8_t file[SECTORS] = { 0 }, digest[SHA256_BYTES];
	struct put b = put(file + as % 2 * FORWARD_SLOT_BYTES, FORWARD_SLOT_BYTES);

	put_u64(&b, as);
	put_bytes(&b, span(have->id, sizeof(have->id)));
	put_bytes(&b, span(have->key, sizeof(have->key)));
	SHA256(digest, put_span(&b));
	put_bytes(&b, span(digest, 8));
	spill(path, file, sizeof(file));
}

static struct forward_key key_of_now(void)
{
	struct forward *l = open_line();
	struct forward_key k = *forward_now(l);

	forward_close(&l);
	return k;
}

static void acceptance_5_who_takes_the_machine_later_cannot_rewrite_what_was_marked(void **state)
{
	struct forward_key taken;
	uint64_t due, n;

	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	record_some(20);
	assert_marked(1);
	n = report.entries;
	due = report.marks;
	keep_copies(".old", false);
	record_some(20);
	taken = key_of_now();
	assert_true(taken.n > due);

	/* Other events in the place of what came after the copy, marked as if in time. */
	keep_copies(".old", true);
	write_key_of_now(due, &taken);
	record_some(7);
	assert_int_equal(verify_line(NULL), OK);        /* all else was made with the keys of the machine */
	assert_int_equal(verify_line(initial), ERR_CORRUPT);
	assert_string_equal(report.part, "line");
	assert_true(report.index > n && strstr(report.what, "was not made with its key"));

	/* Another record altogether, whose marks begin where the key is. */
	unlink(g.path);
	unlink(g.sizes);
	write_key_of_now(taken.n, &taken);
	record_some(7);
	assert_line_bad(NULL, 1, "where are those before it");
}

/* What an honest program would not write, appended as the writer would. */
static void append_entry(const struct entry *e)
{
	struct trail *t = NULL;
	uint8_t raw[200];
	struct put b = put(raw, sizeof(raw));

	entry_write_control(e, &b);
	assert_int_equal(put_end(&b), OK);
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_append(t, put_span(&b)), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

static void numbers_leave_no_gap_and_lines_do_not_begin_in_mid_count(void **state)
{
	struct entry e = { .type = CONTROL_LINE_MARK };
	uint64_t n;

	(void)state;
	record_some(3);
	assert_int_equal(verify_line(NULL), OK);
	append_entry(&e);
	assert_line_bad(NULL, report.entries, "of a line that did not begin");
	unlink(g.path);
	unlink(g.sizes);
	assert_int_equal(forward_begin(path, initial), OK);
	record_some(3);
	assert_marked(1);
	n = report.entries;
	e.number = report.marks + 1;
	append_entry(&e);
	assert_line_bad(NULL, n, "is due");
	assert_line_bad(initial, n, "is due");
}

/* The record before was put aside: the line goes on in the next one. */
static void a_renewed_record_goes_on_with_the_line(void **state)
{
	uint64_t marks;

	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	record_some(20);
	assert_marked(1);
	marks = report.marks;
	unlink(g.path);
	unlink(g.sizes);
	g.spec.reason = "its disk is old";
	record_some(20);
	assert_marked(1);
	assert_int_equal(report.first_mark, marks);
}

/* Killed after the commit and before the key moved on; and an older copy of its file came back. */
static void a_key_that_is_behind_catches_up(void **state)
{
	char old[160];

	(void)state;
	snprintf(old, sizeof(old), "%s.old", path);
	assert_int_equal(forward_begin(path, initial), OK);
	for (int i = 0; i < 6; i++) {
		copy(path, old);
		record_some(20);
		if (i % 2)
			record_some(20);
		copy(old, path);
		record_some(20);
		assert_marked(1);
	}
}

static void wait_for_trouble(enum err want)
{
	assert_true(UNTIL(record_trouble(g.record) == want));
}

/* Until the key is gone, nothing more is written; then all of it is. */
static void a_key_that_cannot_be_overwritten_stops_the_record(void **state)
{
	(void)state;
	assert_int_equal(forward_begin(path, initial), OK);
	open_record();
	disk_refuses(ENOSPC, path);
	push_many(0, 20);
	wait_for_trouble(ERR_FULL);
	push_many(20, 20);
	disk_heals();
	wait_for_trouble(OK);
	record_close(&g.record);
	assert_marked(2);

	open_record();
	disk_refuses(EIO, path);
	push_many(40, 20);
	wait_for_trouble(ERR_IO);
	disk_heals();
	record_close(&g.record);
	record_some(0);
	assert_marked(2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, line_up, line_down)
	const struct CMUnitTest tests[] = {
		T(keys_and_marks_are_what_the_header_says), T(a_key_goes_one_way), T(an_initial_key_is_read_as_it_was_written),
		T(what_was_left_behind_is_not_in_the_file), T(a_crash_leaves_one_key_or_both), T(what_is_no_key_is_refused),
		T(each_start_goes_on_with_the_line), T(a_line_may_begin_later), T(a_line_is_not_left_out),
		T(a_line_that_went_on_elsewhere_is_missed),
		T(a_record_that_was_set_back_with_its_sizes_is_found),
		T(acceptance_5_who_takes_the_machine_later_cannot_rewrite_what_was_marked),
		T(numbers_leave_no_gap_and_lines_do_not_begin_in_mid_count), T(a_renewed_record_goes_on_with_the_line),
		T(a_key_that_is_behind_catches_up), T(a_key_that_cannot_be_overwritten_stops_the_record),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

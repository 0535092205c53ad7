/* What holding and erasing a segment does to the record, and what it does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "keeping.h"
#include "reader.h"
#include "own_record.h"
#include "seed.h"

static int days_make(void **state)
{
	folder_make(state);
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		g.spec.keep[i] = i == RECORD_CRITICAL ? (KEEP_DAYS | 10) : (KEEP_DAYS | 1);
	return 0;
}

/* Every other one is life-critical, and kept longer. */
static void push_mixed(uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++) {
		struct happening h = publish(i);

		h.life_critical = i % 2;
		while (!record_push(g.record, &h))
			usleep(100);
	}
}

static void record_mixed(uint64_t from, uint64_t n)
{
	open_record();
	push_mixed(from, n);
	record_close(&g.record);
}

static int64_t in_days(int days)
{
	return ((int64_t)time(NULL) + days * 24 * 3600) * 1000000;
}

static enum err erase(uint32_t segment, int64_t at_us)
{
	return segment_erase(g.record, &(struct segment_act){ segment, at_us, SPAN_LIT("ana"), SPAN_LIT("bob"),
							      SPAN_LIT("its time has come") });
}

static enum err hold(uint32_t segment, bool held)
{
	return segment_hold(g.record, &(struct segment_act){ segment, in_days(0), SPAN_LIT("ana"), SPAN_LIT("bob"),
							     SPAN_LIT("case 7") }, held);
}

static void years_are_those_of_the_calendar(void **state)
{
	const int64_t s = 1000000;

	(void)state;
	assert_int_equal(keep_until_us(6, 1709164800 * s), 1898553600 * s);   /* 2024-02-29 to 2030-03-01: there is no 29th */
	assert_int_equal(keep_until_us(4, 1709164800 * s), 1835395200 * s);   /* to 2028-02-29 */
	assert_int_equal(keep_until_us(1, 1735689599 * s + 5), 1767225599 * s + 5);
	assert_int_equal(keep_until_us(KEEP_DAYS | 90, 5), 90 * 86400 * s + 5);
}

static void retentions_are_read_and_written(void **state)
{
	char text[KEEP_TEXT_MAX];
	uint16_t keep;

	(void)state;
	assert_true(keep_read(SPAN_LIT("6y"), &keep) && keep == 6);
	keep_write(keep, text);
	assert_string_equal(text, "6y");
	assert_true(keep_read(SPAN_LIT("90d"), &keep) && keep == (KEEP_DAYS | 90));
	keep_write(keep, text);
	assert_string_equal(text, "90d");
	keep_write(KEEP_PSEUDONYMS | 2026, text);
	assert_string_equal(text, "of 2026");
	assert_false(keep_read(SPAN_LIT(""), &keep) || keep_read(SPAN_LIT("y"), &keep) || keep_read(SPAN_LIT("0y"), &keep) ||
		     keep_read(SPAN_LIT("6"), &keep) || keep_read(SPAN_LIT("6m"), &keep) || keep_read(SPAN_LIT("1000d"), &keep));
}

static void a_segment_holds_one_retention_only(void **state)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *reader = NULL;
	struct entry entry;
	uint64_t n;

	(void)state;
	record_mixed(0, 100);
	assert_good();
	assert_int_equal(report.segments, 2);
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(reader_get(reader, i, &entry, &e), OK);
		if (entry.kind == ENTRY_CONTROL && entry.type == CONTROL_SEGMENT_OPEN)
			assert_int_equal(entry.keep, entry.segment == 1 ? (KEEP_DAYS | 1) : (KEEP_DAYS | 10));
		if (e)
			assert_int_equal(e->life_critical, entry.segment == 2);
	}
	reader_close(&reader);
}

static void turning_begins_new_segments(void **state)
{
	(void)state;
	open_record();
	push_many(0, 10);
	assert_true(UNTIL(record_durable(g.record) >= 12));
	record_turn(g.record);
	push_many(10, 10);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.segments, 2);
	assert_int_equal(report.opened, 20);
}

/* The wrapped key as it lies in its file. */
static void key_slot(uint32_t id, uint8_t out[SEGMENT_WRAPPED])
{
	char path[128];
	size_t n;
	uint8_t *file;

	snprintf(path, sizeof(path), "%s-keys", g.path);
	file = slurp(path, &n);
	memcpy(out, file + (id - 1) * 64, SEGMENT_WRAPPED);
	free(file);
}

static bool lies_in(const char *path, const uint8_t *what, size_t n)
{
	size_t all;
	uint8_t *file = slurp(path, &all);
	bool found = memmem(file, all, what, n);

	free(file);
	return found;
}

/* Entries of segment `id`, by what is left of them. */
static unsigned count_kind(uint32_t id, enum entry_kind kind)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *reader = NULL;
	struct entry entry;
	unsigned found = 0;
	uint64_t n;

	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(reader_get(reader, i, &entry, &e), OK);
		found += entry.kind == kind && entry.segment == id;
		assert_true((entry.kind == ENTRY_SEALED) == (e != NULL));
	}
	reader_close(&reader);
	return found;
}

/* Everything that was signed before still verifies; what was sealed is gone. */
static void acceptance_8_an_erased_segment_leaves_its_leaves(void **state)
{
	uint8_t before[SEGMENT_WRAPPED], wrapped[SEGMENT_WRAPPED], zero[SEGMENT_WRAPPED] = { 0 };
	struct hash proof[TREE_PROOF_MAX], leaf, old, root;
	struct segment_key key;
	struct tree_source source;
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct vault vault;
	struct tree tree;
	char keys[128];
	uint64_t size;
	size_t n;

	(void)state;
	snprintf(keys, sizeof(keys), "%s-keys", g.path);
	g.spec.map_bytes = 8 << 20;
	record_mixed(0, 6000);           /* segments 1 and 2: more than one transaction takes out */
	key_slot(1, before);
	assert_true(lies_in(keys, before, sizeof(before)));
	open_record();                  /* closes them with the next record */
	push_mixed(6000, 100);
	assert_true(UNTIL(record_durable(g.record) >= 6000 + 3 + 102));
	assert_int_equal(erase(1, in_days(2)), OK);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.erased, 1);
	assert_int_equal(report.opened, 3000 + 100);
	assert_int_equal(count_kind(1, ENTRY_ERASED), 3000);
	assert_int_equal(count_kind(1, ENTRY_SEALED), 0);
	assert_int_equal(count_kind(2, ENTRY_SEALED), 3000);
	key_slot(1, wrapped);
	assert_memory_equal(wrapped, zero, sizeof(zero));
	assert_false(lies_in(keys, before, sizeof(before)) || lies_in(g.path, before, sizeof(before)));

	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	vault_init(&vault, g.root, "record");
	assert_int_equal(trail_get_key(t, &vault, span_str(RECORDING_ORIGIN), 1, KEEP_DAYS | 1, &key), ERR_NOT_FOUND);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_tree(view, &tree), OK);
	source = view_source(view);
	size = tree.size;
	root = tree_root(&tree);
	assert_int_equal(view_hashes(view, 0, 42, 1, &leaf), OK);
	assert_int_equal(tree_prove_inclusion(&source, 42, size, proof, &n), OK);
	assert_int_equal(tree_check_inclusion(42, size, &leaf, proof, n, &root), OK);
	for (uint64_t m = 1; m < size; m += 1 + seed_below(500)) {
		assert_int_equal(tree_root_at(&source, m, &old), OK);
		assert_int_equal(tree_prove_consistency(&source, m, size, proof, &n), OK);
		assert_int_equal(tree_check_consistency(m, size, proof, n, &old, &root), OK);
	}
	txn_abort(&view);
	trail_close(&t);
	record_mixed(7000, 50);
	assert_good();
}

/* Large segments are taken out between the batches of those that are written on, and a hold need not wait. */
static void a_large_segment_is_taken_out_step_by_step(void **state)
{
	const struct segment_act act = { 1, in_days(2), SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("why") };
	uint8_t wrapped[SEGMENT_WRAPPED], zero[SEGMENT_WRAPPED] = { 0 };
	struct pens pens = { .n = 0 };
	struct trail *t = NULL;
	unsigned steps = 0;
	bool more = true;

	(void)state;
	g.spec.map_bytes = 16 << 20;
	g.spec.ring_bytes = 16 << 20;
	record_mixed(0, 12000);
	record_mixed(12000, 2);
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(keeping_erase(t, &act), OK);
	for (; more; steps++) {
		struct segment_act held = act;

		assert_int_equal(keeping_step(t, &more), OK);
		key_slot(1, wrapped);
		assert_memory_equal(wrapped, zero, sizeof(zero));       /* gone with the first */
		held.segment = 2;
		assert_int_equal(keeping_hold(t, &pens, &held, steps % 2 == 0), OK);
	}
	assert_true(steps > 3);
	assert_int_equal(keeping_step(t, &more), OK);
	assert_false(more);
	trail_close(&t);
	assert_good();
	assert_int_equal(count_kind(1, ENTRY_ERASED), 6000);
	assert_int_equal(count_kind(2, ENTRY_SEALED), 6000);
}

/* What is begun when the record stops is gone on with by the next. */
static void an_erasing_goes_on_over_starts(void **state)
{
	const struct segment_act act = { 1, in_days(2), SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("why") };
	struct trail *t = NULL;

	(void)state;
	g.spec.map_bytes = 48 << 20;
	g.spec.ring_bytes = 32 << 20;
	record_mixed(0, 60000);
	record_mixed(0, 2);
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(keeping_erase(t, &act), OK);
	trail_close(&t);
	for (int start = 0; start < 40 && count_kind(1, ENTRY_ERASED) < 30000; start++) {
		open_record();
		record_close(&g.record);
		assert_good();
	}
	assert_int_equal(count_kind(1, ENTRY_ERASED), 30000);
	assert_int_equal(count_kind(2, ENTRY_SEALED), 30000);
}

static void erasing_takes_two_persons_time_and_no_hold(void **state)
{
	struct segment_act act = { 1, in_days(2), SPAN_LIT("ana"), SPAN_LIT("ana"), SPAN_LIT("why") };

	(void)state;
	record_mixed(0, 20);
	open_record();
	assert_int_equal(erase(1, in_days(2)), ERR_BUSY);       /* nothing has closed it yet */
	push_mixed(20, 20);
	assert_true(UNTIL(record_durable(g.record) >= 20 + 3 + 22));
	assert_int_equal(segment_erase(g.record, &act), ERR_DENIED);
	assert_int_equal(segment_hold(g.record, &act, true), ERR_DENIED);
	act.second = SPAN_LIT("");
	assert_int_equal(segment_erase(g.record, &act), ERR_DENIED);
	assert_int_equal(segment_hold(g.record, &act, true), ERR_DENIED);
	assert_int_equal(erase(1, in_days(0)), ERR_TIME);
	assert_int_equal(erase(9, in_days(2)), ERR_NOT_FOUND);
	assert_int_equal(hold(1, true), OK);
	assert_int_equal(hold(1, true), OK);                    /* for another reason */
	assert_int_equal(hold(4, true), OK);                    /* one that is written on */
	assert_int_equal(erase(1, in_days(2)), ERR_BUSY);
	push_mixed(40, 20);
	record_close(&g.record);
	assert_good();
	open_record();                                          /* a hold outlives a restart, and the turning of segments */
	push_mixed(60, 20);
	assert_true(UNTIL(record_durable(g.record) >= report.entries + 22));
	assert_int_equal(erase(1, in_days(2)), ERR_BUSY);
	assert_int_equal(erase(4, in_days(20)), ERR_BUSY);
	assert_int_equal(hold(1, false), OK);
	assert_int_equal(erase(1, in_days(2)), ERR_BUSY);
	assert_int_equal(hold(1, false), OK);
	assert_int_equal(hold(1, false), ERR_EXISTS);
	assert_int_equal(erase(1, in_days(2)), OK);
	assert_int_equal(erase(1, in_days(2)), ERR_CLOSED);
	assert_int_equal(hold(1, true), ERR_CLOSED);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.erased, 1);
}

static const char *index_file(const char *more)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/record.idx%s", g.folder, more);
	return path;
}

/* What a search keeps beside the record knows who was in it. */
static void make_index(void)
{
	spill(index_file(""), (const uint8_t *)"ana", 3);
	spill(index_file("-lock"), (const uint8_t *)"", 0);
}

static void close_segment_1(void)
{
	record_mixed(0, 20);
	open_record();
	push_mixed(20, 20);
	assert_true(UNTIL(record_durable(g.record) >= 20 + 3 + 22));
}

static void the_index_beside_it_goes_with_what_is_erased(void **state)
{
	(void)state;
	make_index();
	close_segment_1();
	assert_int_equal(hold(2, true), OK);
	assert_int_equal(erase(2, in_days(20)), ERR_BUSY);
	assert_int_equal(access(index_file(""), F_OK), 0);
	assert_int_equal(erase(1, in_days(2)), OK);
	assert_int_equal(access(index_file(""), F_OK), -1);
	assert_int_equal(access(index_file("-lock"), F_OK), -1);
}

/* It stands in the way and cannot be removed: that is said, also when something else is to be erased, until it is gone. */
static void an_index_that_stays_is_said(void **state)
{
	(void)state;
	close_segment_1();
	assert_int_equal(mkdir(index_file(""), 0700), 0);
	assert_int_equal(erase(1, in_days(2)), ERR_EXISTS);
	assert_int_equal(erase(2, in_days(20)), ERR_EXISTS);
	record_close(&g.record);
	assert_good();
	assert_int_equal(count_kind(1, ENTRY_ERASED), 10);
	open_record();                                          /* the broker starts all the same */
	assert_int_equal(erase(2, in_days(20)), ERR_EXISTS);
	assert_int_equal(rmdir(index_file("")), 0);
	assert_int_equal(erase(1, in_days(2)), ERR_CLOSED);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.erased, 1);
}

/* The entry that says so is durable, and then the power goes: the next start finishes it. */
static void what_a_crash_interrupted_is_finished(void **state)
{
	struct segment_act act = { 1, in_days(2), SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("why") };
	struct entry e = { .type = CONTROL_SEGMENT_ERASED, .at_us = act.at_us, .segment = 1, .who = act.who, .second = act.second };
	uint8_t raw[256], wrapped[SEGMENT_WRAPPED], zero[SEGMENT_WRAPPED] = { 0 };
	struct put entry = put(raw, sizeof(raw));
	const Pullcord__V1__AuditEvent *event;
	struct reader *reader = NULL;
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct segment row;

	(void)state;
	record_mixed(0, 100);
	record_mixed(100, 100);
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_segment(view, 1, &row), OK);
	txn_abort(&view);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_key_digest(t, 1, e.commitment), OK);
	entry_write_control(&e, &entry);
	row.state = SEGMENT_ERASED;
	row.erased_at = trail_tree(t)->size;
	assert_int_equal(trail_append(t, put_span(&entry)), OK);
	assert_int_equal(trail_put_segment(t, 1, &row), OK);
	assert_int_equal(trail_put_erasing(t, 1, row.first), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
	assert_good();
	make_index();
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_get(reader, row.erased_at - 1, &e, &event), OK);
	assert_int_equal(reader_record_key(reader, raw), OK);
	assert_int_equal(reader_get(reader, row.last, &e, &event), OK);
	assert_int_equal(e.kind, ENTRY_ERASED);
	assert_int_equal(reader_record_key(reader, raw), ERR_CLOSED);   /* not under the key of the one read before */
	reader_close(&reader);
	record_mixed(200, 1);
	assert_good();
	assert_int_equal(access(index_file(""), F_OK), -1);
	key_slot(1, wrapped);
	assert_memory_equal(wrapped, zero, sizeof(zero));
	assert_int_equal(count_kind(1, ENTRY_ERASED), 50);
}

/* A segment is gone only if an entry says so. */
static void what_no_entry_says_is_found_out(void **state)
{
	struct verify_spec spec = recording_verify(&g);
	struct trail *t = NULL;
	struct txn *view = NULL;
	struct segment row;

	(void)state;
	record_mixed(0, 100);
	record_mixed(100, 100);
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_segment(view, 1, &row), OK);
	txn_abort(&view);
	row.state = SEGMENT_ERASED;
	row.erased_at = 50;
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_put_segment(t, 1, &row), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
	assert_int_equal(verify_record(&spec, &report), ERR_CORRUPT);
	assert_string_equal(report.part, "segment");
	assert_non_null(strstr(report.what, "no entry does"));
}

/* ---- what somebody changes who cannot sign ---- */

static struct trail *open_trail(uint32_t id, struct segment *row)
{
	struct trail *t = NULL;
	struct txn *view = NULL;

	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_segment(view, id, row), OK);
	txn_abort(&view);
	return t;
}

static void put_row(uint32_t id, const struct segment *row)
{
	struct segment was;
	struct trail *t = open_trail(id, &was);

	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_put_segment(t, id, row), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

static struct segment get_row(uint32_t id)
{
	struct segment row;
	struct trail *t = open_trail(id, &row);

	trail_close(&t);
	return row;
}

static void assert_found(uint32_t id, const char *what)
{
	assert_int_equal(verify(), ERR_CORRUPT);
	if (strcmp(report.part, "segment") != 0 || report.index != id || !strstr(report.what, what))
		fail_msg("%s %llu: %s", report.part, (unsigned long long)report.index, report.what);
}

static void assert_row_found(uint32_t id, const struct segment *changed, const char *what)
{
	struct segment row = get_row(id);

	put_row(id, changed);
	assert_found(id, what);
	put_row(id, &row);
	assert_good();
}

/* Rows are in no tree: what they say is compared with the entries. */
static void a_row_that_says_what_no_entry_does_is_named(void **state)
{
	struct segment row;

	(void)state;
	record_mixed(0, 20);
	open_record();
	push_mixed(20, 20);             /* closes segments 1 and 2 */
	assert_true(UNTIL(record_durable(g.record) >= 20 + 3 + 22));
	assert_int_equal(hold(1, true), OK);
	record_close(&g.record);
	assert_good();
	row = get_row(1);
	row.holds = 0;
	assert_row_found(1, &row, "its row says that it is held 0 times, and the entries 1 times");
	row.holds = 2;
	assert_row_found(1, &row, "held 2 times");
	row = get_row(2);
	row.holds = 1;
	assert_row_found(2, &row, "its row says that it is held 1 times, and the entries 0 times");
	row = get_row(2);
	row.closed_us -= 24 * 3600 * 1000000LL;
	assert_row_found(2, &row, "closed at a time when none was");
	row = get_row(1);
	row.opened_us -= 24 * 3600 * 1000000LL;
	assert_row_found(1, &row, "does not agree with entry 1");
	row = get_row(3);
	row.state = SEGMENT_CLOSED;
	row.closed_us = row.opened_us;
	assert_row_found(3, &row, "closed at a time when none was");
}

static void put_lists(const uint32_t *id, size_t n, uint32_t erasing)
{
	struct segment row;
	struct trail *t = open_trail(1, &row);

	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_put_open(t, id, n), OK);
	assert_int_equal(trail_put_erasing(t, erasing, 0), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

static void a_list_that_does_not_agree_with_the_rows_is_named(void **state)
{
	(void)state;
	record_mixed(0, 20);
	record_mixed(20, 20);
	assert_good();
	put_lists((uint32_t[]){ 3, 4, 2 }, 3, 0);
	assert_found(2, "do not agree");
	put_lists((uint32_t[]){ 3 }, 1, 0);
	assert_found(4, "do not agree");
	put_lists((uint32_t[]){ 3, 4, 9 }, 3, 0);
	assert_found(9, "no entry opens it");
	put_lists((uint32_t[]){ 3, 4 }, 2, 2);
	assert_found(2, "was not erased");
	put_lists((uint32_t[]){ 3, 4 }, 2, 0);
	assert_good();
}

/* The entry and the row, as the writer would put them. */
static void say_erased(uint32_t id, int64_t at_us, uint32_t erasing)
{
	struct entry e = { .type = CONTROL_SEGMENT_ERASED, .at_us = at_us, .segment = id, .who = SPAN_LIT("ana"),
			   .second = SPAN_LIT("bob") };
	struct segment row;
	struct trail *t = open_trail(id, &row);
	uint8_t raw[256];
	struct put entry = put(raw, sizeof(raw));

	assert_int_equal(trail_key_digest(t, id, e.commitment), OK);
	entry_write_control(&e, &entry);
	row.state = SEGMENT_ERASED;
	row.erased_at = trail_tree(t)->size;
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_append(t, put_span(&entry)), OK);
	assert_int_equal(trail_put_segment(t, id, &row), OK);
	assert_int_equal(trail_put_erasing(t, erasing, row.first), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
}

static void an_erasing_before_its_time_is_named(void **state)
{
	(void)state;
	record_mixed(0, 20);
	record_mixed(20, 20);
	say_erased(1, in_days(0), 1);
	assert_int_equal(verify(), ERR_CORRUPT);
	assert_string_equal(report.part, "entry");
	assert_int_equal(report.index, report.entries);
	assert_non_null(strstr(report.what, "segment 1, which was to be kept longer"));
}

static void an_erasing_of_what_is_held_is_named(void **state)
{
	(void)state;
	record_mixed(0, 20);
	open_record();
	push_mixed(20, 20);
	assert_true(UNTIL(record_durable(g.record) >= 20 + 3 + 22));
	assert_int_equal(hold(1, true), OK);
	record_close(&g.record);
	say_erased(1, in_days(2), 1);
	assert_int_equal(verify(), ERR_CORRUPT);
	assert_non_null(strstr(report.what, "segment 1, which was held"));
}

static void a_release_of_what_nobody_held_is_named(void **state)
{
	const struct entry e = { .type = CONTROL_HOLD, .at_us = in_days(1), .segment = 1, .who = SPAN_LIT("ana"),
				 .second = SPAN_LIT("bob") };
	uint8_t raw[256];
	struct put entry = put(raw, sizeof(raw));
	struct segment row;
	struct trail *t;

	(void)state;
	record_mixed(0, 20);
	t = open_trail(1, &row);
	entry_write_control(&e, &entry);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_append(t, put_span(&entry)), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
	assert_int_equal(verify(), ERR_CORRUPT);
	assert_string_equal(report.part, "entry");
	assert_non_null(strstr(report.what, "it releases segment 1, which was not held"));
}

static void an_erased_segment_whose_entries_or_key_are_there_is_named(void **state)
{
	char path[128];
	uint8_t *keys;
	size_t n;

	(void)state;
	snprintf(path, sizeof(path), "%s-keys", g.path);
	record_mixed(0, 20);
	record_mixed(20, 20);
	say_erased(1, in_days(2), 0);
	assert_int_equal(verify(), ERR_CORRUPT);
	assert_string_equal(report.part, "entry");
	assert_non_null(strstr(report.what, "it was not taken out"));
	put_lists((uint32_t[]){ 3, 4 }, 2, 1);
	keys = slurp(path, &n);
	record_mixed(40, 20);           /* finishes it */
	assert_good();
	spill(path, keys, n);           /* an old copy comes back */
	free(keys);
	assert_int_equal(verify(), ERR_CORRUPT);
}

static void a_key_that_came_back_is_named(void **state)
{
	uint8_t *keys, *now;
	char path[128];
	size_t n;

	(void)state;
	snprintf(path, sizeof(path), "%s-keys", g.path);
	record_mixed(0, 20);
	keys = slurp(path, &n);
	record_mixed(20, 20);
	say_erased(1, in_days(2), 1);
	record_mixed(40, 20);
	assert_good();
	now = slurp(path, &n);
	memcpy(now, keys, 64);
	spill(path, now, n);
	assert_found(1, "its key is there");
	free(keys);
	free(now);
}

static off_t keys_size(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s-keys", g.path);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 >= st.st_size);          /* no holes */
	return st.st_size;
}

static void no_file_grows_beyond(rlim_t bytes)
{
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ bytes, RLIM_INFINITY }), 0);
}

/* A disk that is full must not keep the next segment from being opened. */
static void room_for_keys_is_there_before_it_is_needed(void **state)
{
	const struct segment_key key = { .b = { 3 } };
	const off_t mib = 1 << 20;
	struct trail *t = NULL;
	struct vault vault;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	vault_init(&vault, g.root, "record");
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(keys_size(), mib);
	no_file_grows_beyond((rlim_t)mib);
	for (uint32_t id = 1; id <= mib / 64; id += 63)
		assert_int_equal(trail_put_key(t, &vault, span_str(RECORDING_ORIGIN), id, 1, &key), OK);
	assert_int_equal(trail_put_key(t, &vault, span_str(RECORDING_ORIGIN), (uint32_t)(mib / 64) + 1, 1, &key), ERR_FULL);
	no_file_grows_beyond(RLIM_INFINITY);
	assert_int_equal(trail_put_key(t, &vault, span_str(RECORDING_ORIGIN), (uint32_t)(mib / 64 / 2), 1, &key), OK);
	assert_int_equal(keys_size(), mib);
	assert_int_equal(trail_put_key(t, &vault, span_str(RECORDING_ORIGIN), (uint32_t)(mib / 64 / 2) + 1, 1, &key), OK);
	assert_int_equal(keys_size(), 2 * mib);
	trail_close(&t);
}

/* More retentions in the life of a record than are followed at a time, beside one that is there all the time. */
static void retentions_come_and_go(void **state)
{
	(void)state;
	for (uint16_t i = 1; i <= 20; i++) {
		for (size_t class = 0; class < RECORD_CLASSES; class++)
			g.spec.keep[class] = class == RECORD_CRITICAL ? 100 : i;
		record_mixed(1, 4);
	}
	assert_good();
	assert_int_equal(report.segments, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, days_make, folder_drop)
		T(years_are_those_of_the_calendar),
		T(retentions_are_read_and_written),
		T(a_segment_holds_one_retention_only),
		T(turning_begins_new_segments),
		T(acceptance_8_an_erased_segment_leaves_its_leaves),
		T(a_large_segment_is_taken_out_step_by_step),
		T(an_erasing_goes_on_over_starts),
		T(erasing_takes_two_persons_time_and_no_hold),
		T(the_index_beside_it_goes_with_what_is_erased),
		T(an_index_that_stays_is_said),
		T(what_a_crash_interrupted_is_finished),
		T(what_no_entry_says_is_found_out),
		T(a_row_that_says_what_no_entry_does_is_named),
		T(a_list_that_does_not_agree_with_the_rows_is_named),
		T(an_erasing_before_its_time_is_named),
		T(an_erasing_of_what_is_held_is_named),
		T(a_release_of_what_nobody_held_is_named),
		T(an_erased_segment_whose_entries_or_key_are_there_is_named),
		T(a_key_that_came_back_is_named),
		T(retentions_come_and_go),
		T(room_for_keys_is_there_before_it_is_needed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

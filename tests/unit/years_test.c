/* years: another key for the pseudonyms of each year, and the end of one. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "own_record.h"

#include "audited.h"
#include "faulty_disk.h"
#include "keeping.h"
#include "reader.h"
#include "years.h"

#define IN_2024 1709164800000000        /* 29 February */
#define IN_2025 1735689600000000        /* its first moment */

static int days_make(void **state)
{
	folder_make(state);
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		g.spec.keep[i] = i == RECORD_MOVEMENT ? (KEEP_DAYS | 10) : (KEEP_DAYS | 1);
	return 0;
}

static int64_t in_days(int days)
{
	return ((int64_t)time(NULL) + days * 24 * 3600) * 1000000;
}

static void push_about(const char *patient, int64_t at_us)
{
	struct happening h = publish(1);

	h.at_us = at_us;
	h.topic = SPAN_LIT("mercy/patient/p1/msg");
	h.patient = span_str(patient);
	while (!record_push(g.record, &h))
		usleep(100);
}

static void record_about(const char *patient, int64_t at_us)
{
	open_record();
	push_about(patient, at_us);
	record_close(&g.record);
}

/* Entries about them, by each key there is, the one of before there were any first, then two of each year (years.h); in the
 * closed record. */
struct found {
	size_t keys;
	unsigned by[YEARS_KEYS_MAX], topics[YEARS_KEYS_MAX];
	struct patients first;
};

static struct found found(const char *patient)
{
	uint8_t whom[PATIENT_PSEUDONYM_BYTES];
	const Pullcord__V1__AuditEvent *e;
	struct found f = { .keys = 0 };
	const struct patients *p;
	struct reader *r = NULL;
	char word[PATIENT_WORD];
	struct entry entry;

	assert_good();
	assert_int_equal(reader_open(g.path, g.root, &r), OK);
	f.keys = reader_patients(r, &p);
	f.first = p[0];
	for (uint64_t i = 0; reader_get(r, i, &entry, &e) == OK; i++)
		for (size_t k = 0; e && k < f.keys; k++) {
			patient_pseudonym(&p[k], span_str(patient), whom);
			f.by[k] += span_eq(span(e->patient.data, e->patient.len), span(whom, sizeof(whom)));
			f.topics[k] += strstr(e->topic, patient_word(&p[k], span_str(patient), word)) != NULL;
		}
	reader_close(&r);
	return f;
}

static struct segment row_of(uint32_t id)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	struct txn *view = NULL;
	struct segment s;

	assert_int_equal(trail_open(g.path, 4 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_segment(view, id, &s), OK);
	txn_abort(&view);
	return s;
}

static enum err erase(uint32_t segment, int64_t at_us)
{
	return segment_erase(g.record, &(struct segment_act){ segment, at_us, SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("time") });
}

static void years_end_with_their_last_microsecond(void **state)
{
	(void)state;
	assert_int_equal(year_of(IN_2025), 2025);
	assert_int_equal(year_of(IN_2025 - 1), 2024);
	assert_int_equal(year_of(0), 1970);
	assert_int_equal(year_of(-1), 1970);
	assert_int_equal(year_of(INT64_MAX), 4095);
	assert_int_equal(year_begin_us(2025), IN_2025);
	assert_int_equal(year_begin_us(1970), 0);
}

static void another_year_is_another_pseudonym(void **state)
{
	struct patients of_root;
	struct found f;

	(void)state;
	patients_init(&of_root, g.root);
	record_about("p1", IN_2024);
	open_record();
	push_about("p1", IN_2025 - 1);          /* goes on with the same key */
	push_about("p1", IN_2025);
	record_close(&g.record);
	f = found("p1");
	assert_int_equal(f.keys, 5);
	assert_memory_equal(&f.first, &of_root, sizeof(of_root));
	assert_true(f.by[0] == 0 && f.by[1] == 0 && f.by[2] == 2 && f.by[3] == 0 && f.by[4] == 1);
	assert_true(f.topics[0] == 0 && f.topics[2] == 2 && f.topics[4] == 1);
	f = found("p2");
	assert_true(f.by[2] == 0 && f.by[4] == 0);
	assert_int_equal(row_of(1).keep, KEEP_PSEUDONYMS | 2024);
}

static void who_names_nobody_needs_no_key(void **state)
{
	(void)state;
	record_some(3);
	assert_int_equal(found("p1").keys, 1);
}

static void a_year_s_key_is_kept_with_what_is_of_that_year(void **state)
{
	const struct segment_act act = { 2, in_days(0), SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("case 7") };

	(void)state;
	record_about("p1", in_days(0));
	open_record();
	assert_int_equal(erase(1, in_days(0)), ERR_TIME);
	assert_int_equal(erase(1, in_days(800)), ERR_TIME);     /* nobody knows how long what is written on will be kept */
	assert_int_equal(segment_hold(g.record, &act, true), OK);
	assert_int_equal(erase(1, in_days(800)), ERR_BUSY);
	assert_int_equal(segment_hold(g.record, &act, false), OK);
	push_about("p1", in_days(0));
	record_close(&g.record);
	assert_int_equal(found("p1").by[2], 2);
	assert_int_equal(row_of(1).state, SEGMENT_CLOSED);
}

/* Of another year than the one that is written. */
static void what_was_erased_finds_nobody(void **state)
{
	uint8_t slot[64], none[64] = { 0 }, *file;
	char path[128];
	struct found f;
	size_t n;

	(void)state;
	record_about("p1", IN_2024);
	record_some(1);                         /* closes the segment it is in */
	open_record();
	assert_int_equal(erase(1, in_days(9)), ERR_TIME);       /* its entry is kept for ten */
	assert_int_equal(erase(1, in_days(11)), OK);
	assert_int_equal(erase(1, in_days(11)), ERR_CLOSED);
	record_close(&g.record);
	f = found("p1");
	assert_true(f.keys == 1 && f.by[0] == 0);
	assert_int_equal(report.erased, 1);
	snprintf(path, sizeof(path), "%s-keys", g.path);
	file = slurp(path, &n);
	memcpy(slot, file, sizeof(slot));
	free(file);
	assert_memory_equal(slot, none, sizeof(slot));
	record_about("p1", IN_2024);             /* a clock that was set back: another key, and the old entry stays nobody's */
	f = found("p1");
	assert_true(f.keys == 3 && f.by[2] == 1);
}

/* A clock that stands in that year again, as one does whose battery is empty, makes no wrong of an erasing that was right. */
static void what_comes_after_an_erasing_does_not_undo_it(void **state)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct segment key, s;
	struct trail *t = NULL;
	struct retention kept;

	(void)state;
	record_about("p1", IN_2024);
	record_some(1);
	open_record();
	assert_int_equal(erase(1, in_days(11)), OK);
	record_close(&g.record);
	for (int i = 0; i < 2; i++)
		record_some(1);                 /* closes what was written on */
	key = row_of(1);
	s = row_of(4);
	assert_true(s.state == SEGMENT_CLOSED && s.first > key.erased_at);
	s.opened_us = IN_2024;
	s.closed_us = in_days(400);
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_put_segment(t, 4, &s), OK);
	assert_int_equal(trail_commit(t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(keep_look(view, &key, &kept), OK);
	txn_abort(&view);
	trail_close(&t);
	assert_in_range(kept.until_us, IN_2025, in_days(11));
}

/* As many as the list takes, and none of them can be read. */
static void a_list_of_lost_keys_does_not_stop_the_record(void **state)
{
	struct year_row row[YEARS_MAX];
	struct trail *t = NULL;
	struct found f;

	(void)state;
	record_some(1);
	for (size_t i = 0; i < YEARS_MAX; i++)
		row[i] = (struct year_row){ .year = (uint16_t)(1970 + i), .segment = 4000 };
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_put_years(t, row, YEARS_MAX), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
	record_about("p1", IN_2024);
	f = found("p1");
	assert_true(f.keys == 3 && f.by[2] == 1);
}

static void a_key_that_cannot_be_read_does_not_stop_the_record(void **state)
{
	struct trail *t = NULL;

	(void)state;
	record_about("p1", IN_2024);
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(trail_destroy_key(t, 1), OK);
	trail_close(&t);
	record_about("p1", IN_2024);
	assert_int_equal(verify(), ERR_CORRUPT); /* which says so */
	assert_int_equal(report.index, 1);
}

/* What a batch that failed had made is made again. */
static void a_key_that_found_no_room_is_made_again(void **state)
{
	struct found f;

	(void)state;
	open_record();
	push_many(0, 3);
	assert_true(UNTIL(record_durable(g.record) >= 5));
	disk_refuses(ENOSPC, g.path);
	push_about("p1", IN_2024);
	assert_true(UNTIL(record_trouble(g.record) != OK));
	disk_heals();
	push_about("p1", IN_2024);
	record_close(&g.record);
	f = found("p1");
	assert_true(f.keys == 3 && f.by[2] == 2);
}

static void a_row_that_makes_it_another_thing_is_named(void **state)
{
	struct segment row;
	struct trail *t = NULL;

	(void)state;
	record_about("p1", IN_2024);
	row = row_of(1);
	row.closed_us++;
	assert_int_equal(trail_open(g.path, 4 << 20, false, &t), OK);
	assert_int_equal(trail_begin(t), OK);
	assert_int_equal(trail_put_segment(t, 1, &row), OK);
	assert_int_equal(trail_commit(t), OK);
	trail_close(&t);
	assert_int_equal(verify(), ERR_CORRUPT);
	assert_string_equal(report.part, "segment");
	assert_non_null(strstr(report.what, "the key of pseudonyms"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)
#define OF_DAYS(f) cmocka_unit_test_setup_teardown(f, days_make, folder_drop)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(years_end_with_their_last_microsecond), TEST(another_year_is_another_pseudonym),
		TEST(who_names_nobody_needs_no_key), OF_DAYS(a_year_s_key_is_kept_with_what_is_of_that_year),
		OF_DAYS(what_was_erased_finds_nobody), OF_DAYS(what_comes_after_an_erasing_does_not_undo_it),
		TEST(a_list_of_lost_keys_does_not_stop_the_record), TEST(a_key_that_cannot_be_read_does_not_stop_the_record),
		TEST(a_key_that_found_no_room_is_made_again), TEST(a_row_that_makes_it_another_thing_is_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* past: pages both ways, by time and by id; each message once; for as long as its class is kept; sealed by the key of its place
 * and month, also what was kept before there were such keys. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "past.h"
#include "scratch.h"

#define DAY_US (24 * 3600 * 1000000LL)
#define ICU3 "mercy/unit/icu3/alert/high/nc-1"
#define MED4 "mercy/unit/med4/alert/high/nc-2"
#define T0 (1000 * DAY_US)

enum { ROWS, IDS, KEYS };
static const char *const tables[] = { "past", "past_ids", "past_keys", NULL };
static const uint8_t root[32] = { 5 };
static struct scratch scratch;
static struct vault vault;
static struct store *store;
static struct past_keys *keys;
static struct past past;
static uint8_t bytes[READBACK_PAGE_MAX];
static struct readback_page page;

static struct txn *begin(void)
{
	struct txn *t;

	assert_int_equal(txn_begin_write(store, &t), OK);
	return t;
}

static void reopen(void)
{
	const struct store_spec spec = { .kind = "test", .version = 1, .map_bytes = 4 << 20, .table = tables };
	struct txn *t;

	past_close(&past);
	past_keys_close(&keys);
	store_close(&store);
	assert_int_equal(store_open(scratch_path(&scratch, "past.mdb"), &spec, &store), OK);
	t = begin();
	assert_int_equal(past_keys_open(scratch_path(&scratch, "past.mdb"), root, KEYS, t, &keys), OK);
	past = (struct past){ .before = &vault, .keys = keys, .table = ROWS, .ids_table = IDS, .keep = past_keep_default() };
	assert_int_equal(past_open(&past, t), OK);
	assert_int_equal(txn_commit(&t), OK);
}

static int make(void **state)
{
	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	vault_init(&vault, root, "test");
	reopen();
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	past_close(&past);
	past_keys_close(&keys);
	store_close(&store);
	scratch_remove(&scratch);
	return 0;
}

static struct id id_of_number(unsigned n)
{
	struct id id = { .b = { (uint8_t)(n >> 8), (uint8_t)n } };

	return id;
}

static void put_on(const char *topic, enum past_class class, unsigned n, int64_t at_us, size_t payload)
{
	static uint8_t row[256 + READBACK_PAYLOAD_MAX];
	struct put b = put(row, sizeof(row));
	struct id id = id_of_number(n);
	struct txn *t = begin();

	put_u8(&b, (uint8_t)strlen(topic));
	put_str(&b, topic);
	put_u8(&b, (uint8_t)n);
	while (b.n < 1 + strlen(topic) + payload)
		put_u8(&b, 0);
	assert_int_equal(past_put(&past, t, class, &id, (uint64_t)at_us, put_span(&b)), OK);
	assert_int_equal(past_keys_flush(keys), OK);
	assert_int_equal(txn_commit(&t), OK);
	past_settle(&past, true);
}

static void keep(const char *topic, unsigned n) { put_on(topic, PAST_ALERT, n, T0 + n * 10, 1); }

static struct readback want(const char *filter, bool oldest_first, unsigned limit)
{
	struct readback r = { .filters = filter != NULL, .oldest_first = oldest_first, .limit = limit };

	if (filter)
		assert_true(span_text(span_str(filter), r.filter[0], sizeof(r.filter[0])));
	return r;
}

static enum err looks_at(const struct readback *r, int64_t now_us)
{
	struct txn *t;
	enum err e;

	assert_int_equal(txn_begin_read(store, &t), OK);
	e = past_look(&past, t, r, now_us, bytes, &page);
	txn_abort(&t);
	return e;
}

static void look_at(const struct readback *r, int64_t now_us) { assert_int_equal(looks_at(r, now_us), OK); }
static enum err looks(const struct readback *r) { return looks_at(r, T0 + DAY_US); }

static void look(const struct readback *r) { look_at(r, T0 + DAY_US); }

/* The first bytes of the payloads, in order. */
static void shows(const char *numbers)
{
	char got[512] = "";

	for (unsigned i = 0; i < page.n; i++)
		sprintf(got + strlen(got), "%s%u", i ? " " : "", page.item[i].payload.p[0]);
	assert_string_equal(got, numbers);
}

static void both_ways_in_order_of_arrival(void **state)
{
	struct readback up = want("mercy/#", true, 64), down = want("mercy/#", false, 64);

	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		keep(n % 2 ? ICU3 : MED4, n);
	look(&up);
	shows("1 2 3 4 5");
	assert_int_equal(page.next, 0);
	assert_int_equal(page.item[0].kept_us, T0 + 10);
	assert_true(span_is(page.item[1].topic, MED4));
	look(&down);
	shows("5 4 3 2 1");
	assert_int_equal(page.next, 0);
}

static void only_what_a_filter_matches(void **state)
{
	struct readback r = want("mercy/unit/icu3/#", true, 64);

	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		keep(n % 2 ? ICU3 : MED4, n);
	look(&r);
	shows("1 3 5");
	r.filters = 2;
	strcpy(r.filter[1], MED4);
	look(&r);
	shows("1 2 3 4 5");
}

static void pages_follow_each_other_without_a_gap(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 23; n++)
		keep(n % 3 ? ICU3 : MED4, n);
	for (int up = 0; up < 2; up++) {
		struct readback r = want("mercy/unit/icu3/#", up, 4);
		unsigned seen = 0, last = up ? 0 : 99;

		do {
			look(&r);
			assert_int_equal(page.n, 4);
			for (unsigned i = 0; i < page.n; i++, seen++) {
				unsigned n = page.item[i].payload.p[0];

				assert_true(n % 3 && (up ? n > last : n < last));
				last = n;
			}
			r.after = page.next;
		} while (page.next && seen < 16);
		assert_int_equal(seen, 16);
		if (page.next) {        /* it could not know yet */
			look(&r);
			assert_int_equal(page.n, 0);
			assert_int_equal(page.next, 0);
		}
	}
}

static void by_time_from_including_until_excluding(void **state)
{
	struct readback r = want("mercy/#", true, 64);

	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		keep(ICU3, n);
	r.from_us = T0 + 20;
	r.until_us = T0 + 40;
	look(&r);
	shows("2 3");
	r.oldest_first = false;
	look(&r);
	shows("3 2");
	r.from_us = T0 + 51;
	r.until_us = 0;
	look(&r);
	shows("");
	r.oldest_first = true;
	look(&r);
	shows("");
}

static void by_id_one_or_what_comes_after_it(void **state)
{
	struct readback one = want(NULL, false, 64), on = want("mercy/#", true, 64);

	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		keep(ICU3, n);
	one.has_id = on.has_id = true;
	one.id = on.id = id_of_number(3);
	look(&one);
	shows("3");
	look(&on);
	shows("4 5");
	on.oldest_first = false;
	look(&on);
	shows("2 1");
	reopen();
	look(&one);
	shows("3");
	one.id = id_of_number(9);
	look(&one);
	shows("");
}

/* It yielded, or never was kept: that there is nothing after it would be a lie. */
static void what_comes_after_a_message_that_is_not_kept_is_no_empty_page(void **state)
{
	struct readback on = want("mercy/#", true, 64);

	(void)state;
	keep(ICU3, 1);
	on.has_id = true;
	on.id = id_of_number(9);
	assert_int_equal(looks(&on), ERR_NOT_FOUND);
	on.after = 1;           /* a further page does not rest on it */
	look(&on);
	shows("1");
}

static void a_message_is_kept_once_and_numbers_never_repeat(void **state)
{
	struct readback r = want("mercy/#", true, 64);

	(void)state;
	put_on(ICU3, PAST_ALERT, 1, T0 + 100, 1);
	put_on(ICU3, PAST_ALERT, 1, T0 + 200, 1);
	put_on(ICU3, PAST_ALERT, 2, T0 + 100, 1);
	reopen();
	put_on(ICU3, PAST_ALERT, 3, T0, 1);       /* the clock was set back */
	put_on(ICU3, PAST_ALERT, 1, T0 + 300, 1);
	look(&r);
	shows("1 2 3");
	assert_int_equal(page.item[2].kept_us, T0 + 102);
}

static void a_page_holds_so_many_bytes_but_always_one_message(void **state)
{
	struct readback r = want("mercy/#", true, 64);

	(void)state;
	put_on(ICU3, PAST_ALERT, 1, T0, READBACK_PAYLOAD_MAX);
	put_on(ICU3, PAST_ALERT, 2, T0 + 1, READBACK_PAYLOAD_MAX / 2);
	put_on(ICU3, PAST_ALERT, 3, T0 + 2, READBACK_PAYLOAD_MAX / 2 - 300);
	put_on(ICU3, PAST_ALERT, 4, T0 + 3, 300);
	look(&r);
	shows("1");
	r.after = page.next;
	look(&r);
	shows("2 3");
	r.after = page.next;
	look(&r);
	shows("4");
	assert_int_equal(page.next, 0);
}

static unsigned rows_in(unsigned table)
{
	struct txn *t;
	uint64_t n;

	assert_int_equal(txn_begin_read(store, &t), OK);
	assert_int_equal(txn_count(t, table, &n), OK);
	txn_abort(&t);
	return (unsigned)n;
}

static unsigned names(void) { return rows_in(KEYS); }

/* How many messages went. */
static unsigned sweep(int64_t now_us)
{
	unsigned before = rows_in(ROWS), changed;
	struct txn *t = begin();

	assert_int_equal(past_sweep(&past, t, now_us, &changed), OK);
	assert_int_equal(past_keys_flush(keys), OK);
	assert_int_equal(txn_commit(&t), OK);
	assert_int_equal(past_keys_destroy(keys), OK);
	assert_true(changed >= before - rows_in(ROWS));
	return before - rows_in(ROWS);
}

static void each_class_is_kept_for_its_time(void **state)
{
	struct readback r = want("mercy/#", true, 64), one = want(NULL, true, 64);

	(void)state;
	assert_true(past_keep_read(&past.keep, SPAN_LIT("alert"), SPAN_LIT("2d")));
	assert_true(past_keep_read(&past.keep, SPAN_LIT("channel"), SPAN_LIT("5d")));
	put_on(ICU3, PAST_ALERT, 1, T0, 1);
	put_on("mercy/channel/team/msg", PAST_CHANNEL, 2, T0 + 1, 1);
	put_on(ICU3, PAST_ALERT, 3, T0 + DAY_US, 1);
	look_at(&r, T0 + 2 * DAY_US);
	shows("2 3");                             /* over, though not yet swept */
	one.has_id = true;
	one.id = id_of_number(1);
	look_at(&one, T0 + 2 * DAY_US);
	shows("");
	assert_int_equal(sweep(T0 + 2 * DAY_US - 1), 0);
	assert_int_equal(sweep(T0 + 2 * DAY_US), 1);
	look_at(&r, T0);
	shows("2 3");
	assert_true(past_keep_read(&past.keep, SPAN_LIT("alert"), SPAN_LIT("none")));
	assert_int_equal(sweep(T0 + 2 * DAY_US), 1);
	look_at(&r, T0);
	shows("2");
	put_on(ICU3, PAST_ALERT, 3, T0 + 3 * DAY_US, 1);    /* its id went with it */
	assert_true(past_keep_read(&past.keep, SPAN_LIT("alert"), SPAN_LIT("1d")));
	look_at(&r, T0);
	shows("2 3");
}

static void a_sweep_goes_round_in_steps(void **state)
{
	unsigned gone = 0;

	(void)state;
	for (unsigned n = 1; n <= PAST_SWEEP_ROWS + 7; n++)
		keep(ICU3, n);
	assert_int_equal(sweep(T0 + 1), 0);
	assert_int_equal(past.swept, T0 + PAST_SWEEP_ROWS * 10);
	gone += sweep(T0 + 200 * DAY_US);
	assert_int_equal(gone, 7);
	while (past.swept)
		gone += sweep(T0 + 200 * DAY_US);
	gone += sweep(T0 + 200 * DAY_US);
	gone += sweep(T0 + 200 * DAY_US);
	assert_int_equal(gone, PAST_SWEEP_ROWS + 7);
}

static void the_oldest_are_shed_first(void **state)
{
	struct readback r = want("mercy/#", true, 64);
	struct txn *t;
	unsigned gone;

	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		keep(ICU3, n);
	t = begin();
	assert_int_equal(past_shed(&past, t, 3, &gone), OK);
	assert_int_equal(txn_commit(&t), OK);
	assert_int_equal(gone, 3);
	look(&r);
	shows("4 5");
	t = begin();
	assert_int_equal(past_shed(&past, t, 3, &gone), OK);
	assert_int_equal(gone, 2);
	assert_int_equal(past_shed(&past, t, 3, &gone), OK);
	assert_int_equal(gone, 0);
	txn_abort(&t);
}

/* Neither to another number nor to another class, which would be kept for another time. */
static void a_row_cannot_be_passed_off_as_another(void **state)
{
	struct readback r = want("mercy/#", true, 64);
	struct key64 one = key64(T0 + 10), two = key64(T0 + 20);
	struct span value;
	uint8_t copy[512];
	struct txn *t;

	(void)state;
	keep(ICU3, 1);
	t = begin();
	assert_int_equal(txn_get(t, ROWS, key64_span(&one), &value), OK);
	memcpy(copy, value.p, value.n);
	value.p = copy;
	assert_int_equal(txn_put(t, ROWS, key64_span(&two), value), OK);
	assert_int_equal(txn_commit(&t), OK);
	look(&r);
	shows("1");
	t = begin();
	copy[0] ^= PAST_ALERT ^ PAST_CHANNEL;
	assert_int_equal(txn_put(t, ROWS, key64_span(&one), value), OK);
	assert_int_equal(txn_commit(&t), OK);
	look(&r);
	shows("");
}

/* As rows were before there were keys of months. */
static void put_of_before(const char *topic, enum past_class class, unsigned n, int64_t at_us)
{
	uint8_t value[512] = { (uint8_t)class }, aad[64], row[256];
	struct key64 key = key64((uint64_t)at_us);
	struct put clear = put(row, sizeof(row)), to = put(aad, sizeof(aad));
	struct id id = id_of_number(n);
	struct txn *t = begin();

	put_u8(&clear, (uint8_t)strlen(topic));
	put_str(&clear, topic);
	put_u8(&clear, (uint8_t)n);
	memcpy(value + 1, id.b, ID_BYTES);
	put_bytes(&to, key64_span(&key));
	put_bytes(&to, span(value, 1 + ID_BYTES));
	assert_int_equal(vault_seal(&vault, put_span(&to), put_span(&clear), value + 1 + ID_BYTES), OK);
	assert_int_equal(txn_put(t, IDS, span(id.b, ID_BYTES), key64_span(&key)), OK);
	assert_int_equal(txn_put(t, ROWS, key64_span(&key), span(value, 1 + ID_BYTES + clear.n + VAULT_EXTRA)), OK);
	(void)!txn_del(t, IDS, SPAN_LIT("by month"));
	assert_int_equal(txn_commit(&t), OK);
}

static void what_was_kept_before_is_read_and_sealed_anew(void **state)
{
	struct readback r = want("mercy/#", true, 64);

	(void)state;
	put_of_before(ICU3, PAST_ALERT, 1, T0 + 10);
	put_of_before("mercy/channel/team/msg", PAST_CHANNEL, 2, T0 + 20);
	reopen();
	assert_true(past.anew);
	put_on(ICU3, PAST_ALERT, 3, T0 + 30, 1);
	look(&r);
	shows("1 2 3");
	assert_int_equal(names(), 1);
	sweep(T0 + 1);
	assert_false(past.anew);
	assert_int_equal(names(), 2);
	crypt_wipe(&vault, sizeof(vault));
	look(&r);
	shows("1 2 3");
	reopen();
	assert_false(past.anew);
}

/* A copy of its row from before is no good either, with all keys there are. */
static void a_month_that_is_over_cannot_be_read_whatever_is_left(void **state)
{
	struct readback r = want("mercy/#", true, 64);
	const int64_t nov = 20 * 365 * DAY_US + 330 * DAY_US;      /* 1990-11-22 */
	struct key64 key = key64((uint64_t)nov);
	uint8_t copy[512];
	struct span value;
	struct txn *t;
	size_t n;

	(void)state;
	assert_true(past_keep_read(&past.keep, SPAN_LIT("alert"), SPAN_LIT("1d")));
	put_on(ICU3, PAST_ALERT, 1, nov, 1);
	put_on("mercy/channel/team/msg", PAST_CHANNEL, 2, nov + 1, 1);
	t = begin();
	assert_int_equal(txn_get(t, ROWS, key64_span(&key), &value), OK);
	memcpy(copy, value.p, n = value.n);
	txn_abort(&t);
	sweep(nov + 2 * DAY_US);                    /* the row goes, the month is not over */
	assert_int_equal(names(), 2);
	sweep(nov + 9 * DAY_US);                    /* 1 December: nor is what was said on the last day */
	sweep(past_month_end_us(past_month(nov)) + DAY_US - 1);
	t = begin();
	assert_int_equal(txn_put(t, ROWS, key64_span(&key), span(copy, n)), OK);
	assert_int_equal(txn_commit(&t), OK);
	look_at(&r, nov);
	shows("1 2");
	sweep(past_month_end_us(past_month(nov)) + DAY_US);
	t = begin();
	assert_int_equal(txn_put(t, ROWS, key64_span(&key), span(copy, n)), OK);
	assert_int_equal(txn_commit(&t), OK);
	look_at(&r, nov);
	shows("2");
	sweep(past_month_end_us(past_month(nov)) + DAY_US);
	sweep(past_month_end_us(past_month(nov)) + DAY_US);
	assert_int_equal(names(), 1);
}

static void what_lost_its_key_is_taken_out(void **state)
{
	struct readback r = want("mercy/#", true, 64);
	struct id id = id_of_number(1);
	unsigned marked;
	struct txn *t;

	(void)state;
	put_on(ICU3, PAST_ALERT, 1, T0 + 1, 1);
	put_on(MED4, PAST_ALERT, 2, T0 + 2, 1);
	t = begin();
	assert_int_equal(past_keys_end(keys, t, past_place(SPAN_LIT(ICU3)), &marked), OK);
	assert_int_equal(marked, 1);
	assert_int_equal(txn_commit(&t), OK);
	assert_int_equal(past_keys_destroy(keys), OK);
	look(&r);
	shows("2");
	put_on(ICU3, PAST_ALERT, 3, T0 + 3, 1);     /* goes on, by another key */
	look(&r);
	shows("2 3");
	sweep(T0 + 4);
	r.oldest_first = false;
	r.has_id = true;
	r.id = id;
	assert_int_equal(looks(&r), ERR_NOT_FOUND);
	put_on(ICU3, PAST_ALERT, 1, T0 + 5, 1);     /* its id went with it */
	r.has_id = false;
	look(&r);
	shows("1 3 2");
}

/* Keys of months in which nothing is left, as it yielded to what is newer. */
static void keys_without_rows_end(void **state)
{
	struct txn *t;
	unsigned gone;

	(void)state;
	put_on(ICU3, PAST_CHANNEL, 1, T0, 1);
	put_on(ICU3, PAST_CHANNEL, 2, T0 + 40 * DAY_US, 1);
	sweep(T0 + 41 * DAY_US);
	assert_int_equal(names(), 2);
	t = begin();
	assert_int_equal(past_shed(&past, t, 1, &gone), OK);
	assert_int_equal(txn_commit(&t), OK);
	for (int i = 0; i < 3; i++)                 /* marked, destroyed, forgotten */
		sweep(T0 + 41 * DAY_US);
	assert_int_equal(names(), 1);
}

static void a_place_is_three_levels(void **state)
{
	(void)state;
	assert_true(span_is(past_place(SPAN_LIT(ICU3)), "mercy/unit/icu3"));
	assert_true(span_is(past_place(SPAN_LIT("mercy/channel/team/msg")), "mercy/channel/team"));
	assert_true(span_is(past_place(SPAN_LIT("mercy/channel")), "mercy/channel"));
	assert_true(span_is(past_place(SPAN_LIT("")), ""));
}

static void classes_have_names_and_kinds_of_topics(void **state)
{
	struct past_keep k = past_keep_default();
	uint16_t was = k.of[PAST_ALERT];

	(void)state;
	assert_int_equal(past_class_of(TOPIC_ALERT), PAST_ALERT);
	assert_int_equal(past_class_of(TOPIC_INBOX), PAST_INBOX);
	assert_int_equal(past_class_of(TOPIC_STATE), PAST_CLASSES);
	assert_int_equal(k.of[PAST_VITALS], 0);
	assert_true(was != 0);
	assert_false(past_keep_read(&k, SPAN_LIT("alerts"), SPAN_LIT("1d")));
	assert_false(past_keep_read(&k, SPAN_LIT("alert"), SPAN_LIT("1 day")));
	assert_int_equal(k.of[PAST_ALERT], was);
	assert_true(past_keep_read(&k, SPAN_LIT("vitals"), SPAN_LIT("7d")));
	assert_true(k.of[PAST_VITALS] != 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_ways_in_order_of_arrival),
		TEST(only_what_a_filter_matches),
		TEST(pages_follow_each_other_without_a_gap),
		TEST(by_time_from_including_until_excluding),
		TEST(by_id_one_or_what_comes_after_it),
		TEST(what_comes_after_a_message_that_is_not_kept_is_no_empty_page),
		TEST(a_message_is_kept_once_and_numbers_never_repeat),
		TEST(a_page_holds_so_many_bytes_but_always_one_message),
		TEST(each_class_is_kept_for_its_time),
		TEST(a_sweep_goes_round_in_steps),
		TEST(the_oldest_are_shed_first),
		TEST(a_row_cannot_be_passed_off_as_another),
		TEST(what_was_kept_before_is_read_and_sealed_anew),
		TEST(a_month_that_is_over_cannot_be_read_whatever_is_left),
		TEST(what_lost_its_key_is_taken_out),
		TEST(keys_without_rows_end),
		TEST(a_place_is_three_levels),
		TEST(classes_have_names_and_kinds_of_topics),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "crypt.h"
#include "envelope.h"
#include "history.h"
#include "until.h"

#define TOPIC "mercy/unit/icu3/alert/high/nc-1"
#define RECEIPT "mercy/device/nc-1/stored"
#define HOUR_US (3600 * 1000000LL)

static const uint8_t root[32] = { 7 };
static char folder[64], file[96];
static struct id_maker ids;
static struct history *h;

static int folder_make(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/history.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/history.mdb", folder);
	assert_int_equal(crypt_init(), OK);
	id_init(&ids, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_DEVICE, SPAN_LIT("nc-1"), 0);
	assert_int_equal(history_open(file, root, 4 << 20, 1, &h), OK);
	return 0;
}

static int folder_drop(void **state)
{
	static const char *const tails[] = { "-lock", "-keys" };
	char path[112];

	(void)state;
	history_close(&h);
	for (size_t i = 0; i < countof(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", file, tails[i]);
		unlink(path);
	}
	unlink(file);
	rmdir(folder);
	return 0;
}

static void reopen(int64_t now_us)
{
	history_close(&h);
	assert_int_equal(history_open(file, root, 4 << 20, now_us, &h), OK);
}

static struct topic topic_of(const char *text)
{
	struct topic t;

	assert_int_equal(topic_parse(span_str(text), &t), OK);
	return t;
}

static enum err put_to(const struct id *id, uint8_t key, int64_t until_us, const char *text, bool over, struct span payload,
		       const char *receipt)
{
	uint8_t key16[ID_BYTES] = { key };
	struct topic t = topic_of(text);

	return history_put(h, &(struct alert){ *id, key16, until_us, over, &t, payload, receipt });
}

static enum err put_as(const struct id *id, uint8_t key, int64_t until_us, const char *text, bool over, struct span payload)
{
	return put_to(id, key, until_us, text, over, payload, RECEIPT);
}

static void answer_at(uint8_t key, const char *text, enum history_answer what)
{
	uint8_t key16[ID_BYTES] = { key };
	struct topic t = topic_of(text);

	history_answer(h, key16, &t, what);
}

static void answer(uint8_t key, enum history_answer what) { answer_at(key, "mercy/unit/icu3/ack/nc-1", what); }

struct said {
	uint8_t raw[512];
	size_t n;
	struct id id;
};

static struct said alert_in(uint8_t key, struct id id, uint64_t order)
{
	struct said m;
	uint8_t key16[ID_BYTES] = { key };
	struct put b = put(m.raw, sizeof(m.raw));
	struct envelope_from from = { "mercy", "nc-1", PULLCORD__V1__PARTY__PARTY_DEVICE, id, 5, 0, order };
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;

	a.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	a.priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
	a.phase = PULLCORD__V1__PHASE__PHASE_START;
	a.count = 1;
	assert_int_equal(envelope_write(&from, &a.base, &b), OK);
	m.n = b.n;
	m.id = from.id;
	return m;
}

static struct said alert_of(uint8_t key) { return alert_in(key, id_next(&ids, 5), 0); }

/* Keeps an alert of that key and says its id. */
static struct id keep_on(const char *topic, uint8_t key, int64_t until_us, bool over)
{
	struct said m = alert_of(key);

	assert_int_equal(put_as(&m.id, key, until_us, topic, over, span(m.raw, m.n)), OK);
	return m.id;
}

static struct id keep(uint8_t key, int64_t until_us) { return keep_on(TOPIC, key, until_us, false); }

static size_t wait_owed(struct id *id, size_t most)
{
	char topic[TOPIC_BYTES_MAX + 1];
	size_t n;

	assert_true(UNTIL((n = history_owed(h, topic, id, most)) > 0));
	assert_string_equal(topic, RECEIPT);
	return n;
}

/* Waits for the receipt of that one. Was there one of the other before? */
static bool owed_before(const struct id *one, const struct id *other)
{
	struct id owed[64];
	bool met = false;

	for (;;)
		for (size_t i = 0, n = wait_owed(owed, 64); i < n; i++) {
			if (memcmp(owed[i].b, one->b, ID_BYTES) == 0)
				return met;
			met = met || memcmp(owed[i].b, other->b, ID_BYTES) == 0;
		}
}

static size_t open_alerts(void)
{
	size_t n = 0;

	for (const struct kept *k = history_next(h, NULL); k; k = history_next(h, k))
		n++;
	return n;
}

static void a_receipt_is_owed_once_the_alert_is_durable(void **state)
{
	struct id id = keep(1, HOUR_US), owed[4];

	(void)state;
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_memory_equal(owed[0].b, id.b, ID_BYTES);
	reopen(1);
	assert_int_equal(open_alerts(), 1);
	assert_memory_equal(history_next(h, NULL)->id.b, id.b, ID_BYTES);
	assert_string_equal(history_next(h, NULL)->text, TOPIC);
}

static void the_same_alert_again_is_kept_once_and_its_receipt_said_again(void **state)
{
	struct id id = keep(1, HOUR_US), owed[4];
	const struct kept *k = history_next(h, NULL);

	(void)state;
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(put_as(&id, 1, HOUR_US, TOPIC, false, span(k->payload, k->n)), OK);
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(open_alerts(), 1);
	answer(1, HISTORY_DONE);
	assert_int_equal(open_alerts(), 0);
}

static void an_answered_alert_is_not_opened_by_a_late_duplicate(void **state)
{
	struct id id = keep(1, HOUR_US), owed[4];

	(void)state;
	assert_int_equal(wait_owed(owed, 4), 1);
	answer(1, HISTORY_DONE);
	assert_int_equal(put_as(&id, 1, HOUR_US, TOPIC, false, SPAN_LIT("x")), OK);
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(open_alerts(), 0);
	reopen(1);
	assert_int_equal(open_alerts(), 0);
}

static void an_answer_closes_every_alert_of_its_key(void **state)
{
	(void)state;
	keep(1, HOUR_US);
	keep(2, HOUR_US);
	keep(1, HOUR_US);
	answer(1, HISTORY_DONE);
	assert_int_equal(open_alerts(), 1);
	assert_int_equal(history_next(h, NULL)->key[0], 2);
	reopen(1);
	assert_int_equal(open_alerts(), 1);
}

static void nobody_answers_for_another_unit_or_device(void **state)
{
	(void)state;
	keep(1, HOUR_US);
	answer_at(1, "mercy/unit/med4/ack/nc-1", HISTORY_DONE);
	answer_at(1, "mercy/unit/icu3/ack/nc-2", HISTORY_DONE);
	assert_int_equal(open_alerts(), 1);
	keep_on("mercy/unit/icu3/alert/high/nc-2", 1, HOUR_US, true);
	assert_int_equal(open_alerts(), 2);
	keep_on(TOPIC, 1, HOUR_US, true);
	assert_int_equal(open_alerts(), 2);   /* its own end took its place */
}

static void accepted_is_kept_and_declined_is_open_again(void **state)
{
	(void)state;
	keep(1, HOUR_US);
	answer(1, HISTORY_ACCEPTED);
	assert_true(history_next(h, NULL)->accepted);
	answer(1, HISTORY_OPEN);
	assert_false(history_next(h, NULL)->accepted);
}

static void the_least_important_yield_first(void **state)
{
	static const char low[] = "mercy/unit/icu3/alert/low/nc-1";
	struct id first = keep(1, HOUR_US);

	(void)state;
	keep_on(low, 2, HOUR_US, false);
	keep(3, HOUR_US);
	answer(3, HISTORY_ACCEPTED);
	for (int i = 3; i < HISTORY_ALERTS_MAX; i++)
		keep_on(low, 4, HOUR_US, i % 2);   /* every other one is the end of those before */
	assert_int_equal(history_evicted(h), 0);
	while (history_evicted(h) == 0)
		keep_on(low, 5, HOUR_US, false);
	assert_memory_equal(history_next(h, NULL)->id.b, first.b, ID_BYTES);
	assert_false(history_next(h, NULL)->over);
}

/* Who has more than a share pushes out their own, and what is itself the least important is not kept, nor acknowledged. */
static void one_device_does_not_push_out_the_others(void **state)
{
	static const char rogue[] = "mercy/unit/icu3/alert/code/nc-9", low[] = "mercy/unit/icu3/alert/low/nc-1";
	struct id first = keep_on(low, 1, HOUR_US, false), last, next;

	(void)state;
	for (int i = 1; i < HISTORY_ALERTS_MAX; i++)
		keep_on(rogue, 2, HOUR_US, false);
	last = keep_on(rogue, 2, HOUR_US, false);
	assert_int_equal(history_evicted(h), 1);
	assert_memory_equal(history_next(h, NULL)->id.b, first.b, ID_BYTES);
	answer(1, HISTORY_DONE);
	keep_on(rogue, 2, HOUR_US, false);
	last = keep_on(low, 3, HOUR_US, false);
	assert_int_equal(history_evicted(h), 2);
	assert_int_equal(open_alerts(), HISTORY_ALERTS_MAX);
	next = keep_on("mercy/unit/icu3/alert/code/nc-1", 4, HOUR_US, false);
	assert_false(owed_before(&next, &last));
	answer(4, HISTORY_DONE);
	answer_at(2, "mercy/unit/icu3/ack/nc-9", HISTORY_DONE);
	assert_int_equal(put_as(&last, 3, HOUR_US, low, false, SPAN_LIT("again")), OK);
	assert_int_equal(open_alerts(), 1);
}

static void of_a_share_its_least_important_goes_first(void **state)
{
	static const char high[] = "mercy/unit/icu3/alert/high/nc-9", low[] = "mercy/unit/icu3/alert/low/nc-9";
	struct id others = keep_on("mercy/unit/icu3/alert/low/nc-1", 1, HOUR_US, false), low_one;

	(void)state;
	for (int i = 0; i < HISTORY_SHARE; i++)
		keep_on(high, 2, HOUR_US, false);
	low_one = keep_on(low, 3, HOUR_US, false);
	for (int i = HISTORY_SHARE + 2; i < HISTORY_ALERTS_MAX; i++)
		keep_on("mercy/unit/icu3/alert/high/nc-2", 4, HOUR_US, false);
	assert_non_null(history_find(h, &low_one));
	keep_on(high, 2, HOUR_US, false);
	assert_int_equal(history_evicted(h), 1);
	assert_null(history_find(h, &low_one));
	assert_non_null(history_find(h, &others));
}

/* Large ones fill the file long before they are many; then nobody's would be durable any more. */
static void one_devices_large_alerts_leave_room_for_others(void **state)
{
	static uint8_t big[60000];
	struct id id, owed[64], other;
	bool met = false;

	(void)state;
	for (uint8_t i = 0; i < 100; i++) {     /* six MB, of the file's four MiB */
		id = id_next(&ids, 5);
		assert_int_equal(put_as(&id, i, HOUR_US, TOPIC, false, span(big, sizeof(big))), OK);
	}
	other = keep_on("mercy/unit/icu3/alert/low/nc-2", 1, HOUR_US, false);
	while (!met)
		for (size_t i = 0, n = wait_owed(owed, 64); i < n; i++)
			met = met || memcmp(owed[i].b, other.b, ID_BYTES) == 0;
	assert_int_equal(history_trouble(h), OK);
	assert_non_null(history_find(h, &id));
	assert_in_range(history_count(h), 3, 10);
	assert_int_equal(history_evicted(h), 101 - history_count(h));
}

static void expired_alerts_go(void **state)
{
	(void)state;
	keep(1, 10);
	keep(2, HOUR_US);
	keep(3, 20);
	history_expire(h, 10);
	assert_int_equal(open_alerts(), 2);
	reopen(1);
	assert_int_equal(open_alerts(), 2);
}

/* It may be the clock that is wrong, now or when they were kept. Of what is over nobody need hear. */
static void a_start_by_another_clock_ends_no_alert_at_once(void **state)
{
	const int64_t year_us = 365 * 24 * HOUR_US;

	(void)state;
	keep(1, HOUR_US);
	keep_on(TOPIC, 2, HISTORY_END_US, true);
	reopen(year_us);
	assert_int_equal(open_alerts(), 1);
	history_expire(h, year_us + HISTORY_LATE_US - 1);
	assert_int_equal(open_alerts(), 1);
	history_expire(h, year_us + HISTORY_LATE_US);
	assert_int_equal(open_alerts(), 0);
	keep(3, year_us + HISTORY_KEEP_US);
	reopen(1);
	assert_int_equal(open_alerts(), 1);
	history_expire(h, 1 + HISTORY_KEEP_US);         /* nor does one stay for a year */
	assert_int_equal(open_alerts(), 0);
}

static void numbers_go_on_rising_after_a_restart(void **state)
{
	uint64_t before;

	(void)state;
	keep(1, HOUR_US);
	keep(2, HOUR_US);
	before = history_number(h);
	reopen(1);
	assert_int_equal(history_number(h), before);
	keep(3, HOUR_US);
	assert_int_equal(history_number(h), before + 1);
}

static void receipts_of_many_come_in_batches(void **state)
{
	struct id owed[64];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 150; i++)
		keep((uint8_t)i, HOUR_US);
	while (n < 150) {
		size_t got = wait_owed(owed, 64);

		assert_in_range(got, 1, 64);
		n += got;
	}
	assert_int_equal(n, 150);
}

/* Each device hears of its own alone, in order. */
static void receipts_of_many_devices_are_each_their_own(void **state)
{
	enum { DEVICES = 300, EACH = 3 };
	struct id said[DEVICES][EACH], owed[EACH * DEVICES];
	char topic[TOPIC_BYTES_MAX + 1], text[TOPIC_BYTES_MAX + 1];
	size_t told[DEVICES] = { 0 }, n = 0;

	(void)state;
	for (int k = 0; k < EACH; k++)
		for (int d = 0; d < DEVICES; d++) {
			struct said m = alert_of((uint8_t)d);

			snprintf(text, sizeof(text), "mercy/device/nc-%d/stored", d);
			said[d][k] = m.id;
			assert_int_equal(put_to(&m.id, (uint8_t)d, HOUR_US, TOPIC, false, span(m.raw, m.n), text), OK);
		}
	while (n < DEVICES * EACH) {
		size_t got = 0, d;

		assert_true(UNTIL((got = history_owed(h, topic, owed, countof(owed))) > 0));
		d = (size_t)atoi(topic + strlen("mercy/device/nc-"));
		for (size_t i = 0; i < got; i++)
			assert_memory_equal(owed[i].b, said[d][told[d]++].b, ID_BYTES);
		n += got;
	}
	assert_int_equal(history_owed(h, topic, owed, countof(owed)), 0);
}

static void say(const struct said *m, bool over)
{
	assert_int_equal(put_as(&m->id, 1, HOUR_US, TOPIC, over, span(m->raw, m->n)), OK);
}

static size_t calls(void)
{
	size_t n = 0;

	for (const struct kept *k = history_next(h, NULL); k; k = history_next(h, k))
		n += !k->over;
	return n;
}

/* Its gateway heard no receipt before the crash, and sends all of it again. */
static void what_was_over_before_a_restart_is_not_opened_by_being_sent_again(void **state)
{
	struct said call = alert_of(1), end = alert_of(1);
	struct id owed[8];
	size_t n = 0;

	(void)state;
	say(&call, false);
	say(&end, true);
	assert_int_equal(calls(), 0);
	reopen(1);
	assert_int_equal(open_alerts(), 1);     /* the end */
	say(&call, false);
	assert_int_equal(calls(), 0);
	say(&end, true);
	assert_int_equal(calls(), 0);
	while (n < 2)                           /* both may be forgotten there */
		n += wait_owed(owed + n, 8 - n);
	assert_int_equal(n, 2);
}

static void what_comes_late_is_kept_beside_a_newer_one(void **state)
{
	struct said older = alert_of(1), newer = alert_of(1);

	(void)state;
	say(&newer, false);
	say(&older, false);
	assert_int_equal(calls(), 2);
}

static void an_end_sent_again_leaves_what_began_since(void **state)
{
	struct said call = alert_of(1), end = alert_of(1), anew = alert_of(1);

	(void)state;
	say(&call, false);
	say(&end, true);
	say(&anew, false);
	reopen(1);
	say(&call, false);
	assert_int_equal(calls(), 1);
	say(&end, true);
	assert_int_equal(calls(), 1);
	say(&anew, false);
	assert_int_equal(calls(), 1);
}

/* The end was known, but no longer kept, when the beginning came. */
static struct id named(const char *name, uint64_t order, bool over)
{
	struct id_maker m = ids;
	struct id id = id_named(&m, (const uint8_t *)name);
	struct said s = alert_in(7, id, order);

	assert_int_equal(put_as(&id, 7, HOUR_US, TOPIC, over, span(s.raw, s.n)), OK);
	return id;
}

/* What its source says again has its id, which says nothing of time, and a later order. */
static void an_end_its_source_repeats_leaves_what_began_since(void **state)
{
	struct id late, anew;

	(void)state;
	named("start-01", 10, false);
	named("an-end-1", 11, true);
	late = named("start-00", 9, false);
	assert_null(history_find(h, &late));
	anew = named("start-02", 12, false);
	assert_non_null(history_find(h, &anew));
	named("an-end-1", 13, true);
	assert_non_null(history_find(h, &anew));
	named("an-end-2", 14, true);
	assert_null(history_find(h, &anew));
}

static void an_end_sent_again_ends_what_came_after_it_and_is_older(void **state)
{
	struct said call = alert_of(1), end = alert_of(1);

	(void)state;
	say(&end, true);
	answer(1, HISTORY_DONE);
	say(&call, false);
	assert_int_equal(calls(), 1);
	say(&end, true);
	assert_int_equal(calls(), 0);
}

/* The broker's wait for what it looks up. */
static struct shelf_look *looked(const struct readback *want)
{
	struct shelf_look *l = calloc(1, sizeof(*l)), *back = NULL;

	assert_non_null(l);
	l->want = *want;
	history_look(h, l);
	(void)UNTIL(back = history_looked(h));
	assert_ptr_equal(back, l);
	assert_int_equal(l->err, OK);
	return l;
}

static const struct readback all = { .filters = 1, .filter[0] = "#", .limit = READBACK_ITEMS_MAX, .oldest_first = true };

static void note(unsigned n, const char *topic)
{
	uint8_t payload[512] = { (uint8_t)(n >> 8), (uint8_t)n };
	struct topic t = topic_of(topic);
	struct id id = { .b = { 9, (uint8_t)(n >> 8), (uint8_t)n } };

	history_note(h, &t, &id, HOUR_US + n, span(payload, sizeof(payload)));
}

static void what_is_noted_is_read_back_though_it_is_over(void **state)
{
	struct past_keep keep = past_keep_default();
	struct shelf_look *l;

	(void)state;
	keep.of[PAST_ALERT] = 999;                  /* years: our clock says 1970 */
	note(1, TOPIC);                             /* nobody said yet that it is to be kept */
	history_retain(h, &keep);
	note(2, TOPIC);
	note(3, "mercy/device/nc-1/state");         /* of no class */
	note(4, TOPIC);
	l = looked(&all);
	assert_int_equal(l->page.n, 2);
	assert_int_equal(l->page.item[1].payload.p[1], 4);
	shelf_look_free(&l);
	reopen(1);
	history_retain(h, &keep);
	l = looked(&all);
	assert_int_equal(l->page.n, 2);
	shelf_look_free(&l);
	assert_int_equal(history_unnoted(h), 0);
}

/* An alert's safety comes first: what can be read back takes the room that is left, and its oldest go. */
static void what_can_be_read_back_yields_when_the_file_is_full(void **state)
{
	struct past_keep keep = { .of[PAST_ALERT] = 999 };
	struct readback newest = all;
	struct shelf_look *l;
	struct id owed[4];

	(void)state;
	history_retain(h, &keep);
	newest.oldest_first = false;
	for (unsigned n = 1; n <= 12000; n++) {     /* six of the file's four MiB */
		note(n, TOPIC);
		if (n % 1000)
			continue;
		l = looked(&newest);
		assert_int_equal(l->page.n, READBACK_ITEMS_MAX);
		assert_int_equal(l->page.item[0].payload.p[0] << 8 | l->page.item[0].payload.p[1], n);
		shelf_look_free(&l);
	}
	assert_int_equal(history_unnoted(h), 0);
	assert_int_equal(history_trouble(h), OK);
	l = looked(&all);
	assert_true(l->page.item[0].kept_us > HOUR_US + 1000);
	assert_int_equal(history_yielded(h), l->page.item[0].kept_us - HOUR_US - 1);    /* all before it */
	shelf_look_free(&l);
	keep_on(TOPIC, 1, HOUR_US, false);
	assert_int_equal(wait_owed(owed, 4), 1);
}

static atomic_bool marks_fail;  /* what marks a commit of LMDB's as done */

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	if (atomic_load(&marks_fail) && at < 8192 && n < 4096) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, n, at);
}

/* Its sender waits for the receipt, and nobody would start the broker anew at night. */
static void a_disk_that_fails_for_a_moment_is_written_to_again(void **state)
{
	struct past_keep past = { .of[PAST_ALERT] = 999 };
	struct shelf_look *l;
	struct id owed[4];

	(void)state;
	history_retain(h, &past);
	note(1, TOPIC);
	keep(1, HOUR_US);
	assert_int_equal(wait_owed(owed, 4), 1);
	atomic_store(&marks_fail, true);
	note(2, TOPIC);
	keep(2, HOUR_US);
	assert_true(UNTIL(history_trouble(h) == ERR_IO));
	atomic_store(&marks_fail, false);
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(history_trouble(h), OK);
	note(3, TOPIC);
	l = looked(&all);
	assert_int_equal(l->page.n, 3);
	shelf_look_free(&l);
	reopen(1);
	assert_int_equal(open_alerts(), 2);
}

static int64_t clock_off_s;     /* the wall clock's from what it is */

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, which, t);

	if (which == CLOCK_REALTIME)
		t->tv_sec += clock_off_s;
	return rc;
}

static void note_at(int64_t at_us, unsigned n, const char *topic)
{
	struct topic t = topic_of(topic);
	struct id id = { .b = { 8, (uint8_t)n } };

	history_note(h, &t, &id, at_us, SPAN_LIT("said"));
}

/* The second is begun after a sweep, which the first asks for. */
static void sweep(void)
{
	uint64_t keys;

	for (int i = 0; i < 2; i++)
		assert_int_equal(history_erase(h, SPAN_LIT("mercy/channel/none"), &keys), OK);
}

static unsigned kept(void)
{
	struct shelf_look *l = looked(&all);
	unsigned n = l->page.n;

	shelf_look_free(&l);
	return n;
}

/* What it destroys does not come back when the clock does. */
static void a_clock_that_is_set_ahead_destroys_nothing(void **state)
{
	struct past_keep keep = past_keep_default();
	struct timespec t;
	int64_t now_us;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &t);
	now_us = (int64_t)t.tv_sec * 1000000;
	history_retain(h, &keep);
	note_at(now_us - 100 * 24 * HOUR_US, 1, TOPIC);
	note_at(now_us, 2, TOPIC);
	assert_int_equal(kept(), 1);            /* of the other its time is over */
	clock_off_s = 366 * 24 * 3600;
	sweep();
	assert_int_equal(kept(), 1);
	reopen(1);                              /* a year after all that was said */
	history_retain(h, &keep);
	sweep();
	assert_int_equal(kept(), 1);
	clock_off_s = 0;
	sweep();
	assert_int_equal(kept(), 1);
}

static void what_is_too_long_is_counted_and_not_kept(void **state)
{
	struct past_keep keep = { .of[PAST_ALERT] = 999 };
	CLEANUP(free_cleanup) uint8_t *big = calloc(1, READBACK_PAYLOAD_MAX + 1);
	struct topic t = topic_of(TOPIC);
	struct id id = { .b = { 1 } };

	(void)state;
	history_retain(h, &keep);
	history_note(h, &t, &id, HOUR_US, span(big, READBACK_PAYLOAD_MAX + 1));
	assert_int_equal(history_unnoted(h), 1);
	history_note(h, &t, &id, HOUR_US, span(big, READBACK_PAYLOAD_MAX));
	assert_int_equal(history_unnoted(h), 1);
}

static void another_key_opens_nothing(void **state)
{
	static const uint8_t other[32] = { 8 };
	struct history *wrong = NULL;

	(void)state;
	keep(1, HOUR_US);
	history_close(&h);
	assert_int_equal(history_open(file, other, 4 << 20, 1, &wrong), ERR_KEY);
	assert_int_equal(history_open(file, root, 4 << 20, 1, &h), OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_receipt_is_owed_once_the_alert_is_durable),
		TEST(the_same_alert_again_is_kept_once_and_its_receipt_said_again),
		TEST(an_answered_alert_is_not_opened_by_a_late_duplicate),
		TEST(an_answer_closes_every_alert_of_its_key),
		TEST(nobody_answers_for_another_unit_or_device),
		TEST(accepted_is_kept_and_declined_is_open_again),
		TEST(the_least_important_yield_first),
		TEST(one_device_does_not_push_out_the_others),
		TEST(of_a_share_its_least_important_goes_first),
		TEST(one_devices_large_alerts_leave_room_for_others),
		TEST(expired_alerts_go),
		TEST(a_start_by_another_clock_ends_no_alert_at_once),
		TEST(numbers_go_on_rising_after_a_restart),
		TEST(receipts_of_many_come_in_batches),
		TEST(receipts_of_many_devices_are_each_their_own),
		TEST(what_was_over_before_a_restart_is_not_opened_by_being_sent_again),
		TEST(what_comes_late_is_kept_beside_a_newer_one),
		TEST(an_end_sent_again_leaves_what_began_since),
		TEST(an_end_its_source_repeats_leaves_what_began_since),
		TEST(an_end_sent_again_ends_what_came_after_it_and_is_older),
		TEST(what_is_noted_is_read_back_though_it_is_over),
		TEST(what_can_be_read_back_yields_when_the_file_is_full),
		TEST(a_disk_that_fails_for_a_moment_is_written_to_again),
		TEST(a_clock_that_is_set_ahead_destroys_nothing),
		TEST(what_is_too_long_is_counted_and_not_kept),
		TEST(another_key_opens_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

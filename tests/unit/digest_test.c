#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "crypt.h"
#include "digest.h"
#include "seed.h"

#define S INT64_C(1000000)
#define TYPE(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name
#define ALLOWED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED
#define TOLD_MAX 256

struct sum { char client[65], topic[201]; uint64_t count; struct id first, last; uint8_t digest[32]; };
static struct { struct sum sum[TOLD_MAX]; unsigned n; uint64_t messages; } told;
static struct digest *d;
static struct id_maker sender[2];

static void hear(void *ctx, const struct happening *h)
{
	struct sum *s = &told.sum[told.n++ % TOLD_MAX];

	(void)ctx;
	assert_non_null(h->last);
	assert_non_null(h->digest);
	assert_true(h->count > 0 && h->at_us <= h->until_us);
	assert_true(span_text(h->client, s->client, sizeof(s->client)) && span_text(h->topic, s->topic, sizeof(s->topic)));
	s->count = h->count;
	s->first = *h->message;
	s->last = *h->last;
	memcpy(s->digest, h->digest, sizeof(s->digest));
	told.messages += h->count;
}

static int setup(void **state)
{
	(void)state;
	memset(&told, 0, sizeof(told));
	assert_int_equal(crypt_init(), OK);
	id_init(&sender[0], SPAN_LIT("mercy"), 1, SPAN_LIT("mon-1"), 0);
	id_init(&sender[1], SPAN_LIT("mercy"), 1, SPAN_LIT("mon-2"), 0);
	return digest_open(hear, NULL, &d);
}

static int teardown(void **state)
{
	(void)state;
	digest_close(&d);
	return 0;
}

static struct happening delivery(const struct id *message, const char *client, const char *topic, int64_t at_us)
{
	return (struct happening){
		.type = TYPE(DELIVER), .outcome = ALLOWED, .at_us = 1000 * S + at_us, .mono_us = at_us, .party = 2, .message = message,
		.actor = SPAN_LIT("ana"), .client = span_str(client), .topic = span_str(topic), .why = 1, .line = 7,
	};
}

static bool delivered(const struct id *message, const char *client, const char *topic, int64_t at_us)
{
	const struct happening h = delivery(message, client, topic, at_us);

	return digest_add(d, &h);
}

static void a_minute_is_one_entry_that_proves_its_messages(void **state)
{
	uint8_t want[32] = { 0 };
	struct id id, first;

	(void)state;
	digest_tick(d, 0);
	for (int i = 0; i < 55; i++) {
		id = id_next(&sender[0], 1000 * i);
		if (i == 0)
			first = id;
		SHA256(want, span(want, 32), span(id.b, ID_BYTES));
		assert_true(delivered(&id, "ana.t1", "mercy/unit/icu3/vitals/mon-1", i * S));
		assert_true(delivered(&id, "ana.t1", "mercy/unit/icu3/vitals/mon-1", i * S));   /* overlapping subscriptions */
	}
	for (int i = 0; i <= 60; i++)
		digest_tick(d, (55 + i) * S);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.sum[0].count, 55);
	assert_memory_equal(&told.sum[0].first, &first, sizeof(first));
	assert_memory_equal(&told.sum[0].last, &id, sizeof(id));
	assert_memory_equal(told.sum[0].digest, want, sizeof(want));
	assert_string_equal(told.sum[0].client, "ana.t1");
}

/* Folded into one entry, they must not be parted by others. */
static void recipients_of_the_same_messages_follow_one_another(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		struct id id = id_next(&sender[0], i);

		delivered(&id, "ana.t1", "mercy/x", i);
		if (i > 2)
			delivered(&id, "bea.t1", "mercy/x", i);
		delivered(&id, "cat.t1", "mercy/x", i);
	}
	digest_flush(d);
	assert_int_equal(told.n, 3);
	if (told.sum[0].count == 7)
		assert_memory_equal(told.sum[1].digest, told.sum[2].digest, 32);
	else
		assert_memory_equal(told.sum[0].digest, told.sum[1].digest, 32);
}

static void senders_topics_and_clients_are_told_apart(void **state)
{
	struct id a = id_next(&sender[0], 1), b = id_next(&sender[1], 1);

	(void)state;
	delivered(&a, "ana.t1", "mercy/x", 0);
	delivered(&b, "ana.t1", "mercy/x", 0);
	delivered(&a, "ana.t1", "mercy/y", 0);
	delivered(&a, "ana.t2", "mercy/x", 0);
	digest_end(d, SPAN_LIT("ana.t2"));
	assert_true(told.n >= 1 && told.n <= 4);
	digest_flush(d);
	assert_int_equal(told.n, 4);
	digest_flush(d);
	assert_int_equal(told.n, 4);
}

/* Of one group there may be as many as there are rows; told and taken again they are as before. */
static void one_group_may_have_all_the_rows(void **state)
{
	uint64_t messages = 0;
	char client[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int m = 0; m < 20; m++) {
			struct id id = id_next(&sender[0], 100 * round + m);

			for (int i = 0; i < DIGEST_ROWS; i++, messages++) {
				snprintf(client, sizeof(client), "c%d", i);
				assert_true(delivered(&id, client, "mercy/x", m * S));
			}
			if (m == 10)    /* one of them goes: its group is told, and begins anew */
				digest_end(d, SPAN_LIT("c77"));
		}
		digest_flush(d);
		assert_int_equal(told.n, 2u * DIGEST_ROWS * (unsigned)(round + 1));
		assert_int_equal(told.messages, messages);
	}
}

static void what_has_no_id_or_saves_lives_is_not_summed(void **state)
{
	struct id a = id_next(&sender[0], 1);
	struct happening h = delivery(&a, "ana.t1", "mercy/x", 0);

	(void)state;
	h.life_critical = true;
	assert_false(digest_add(d, &h));
	h.life_critical = false;
	h.message = NULL;
	assert_false(digest_add(d, &h));
}

static void without_room_it_says_so(void **state)
{
	char client[16];
	unsigned taken = 0;
	struct id a = id_next(&sender[0], 1);

	(void)state;
	for (int i = 0; i < DIGEST_ROWS + 100; i++) {
		snprintf(client, sizeof(client), "c%d", i);
		taken += delivered(&a, client, "mercy/x", 0);
	}
	assert_int_equal(taken, DIGEST_ROWS);
	digest_flush(d);
	assert_int_equal(told.messages, DIGEST_ROWS);
	assert_true(delivered(&a, "c0", "mercy/x", 0));
}

/* Whatever happens in between, what was taken is told, and at the latest after a minute. */
static void what_was_taken_comes_once(void **state)
{
	char client[16], topic[16];
	uint64_t taken = 0;
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct id id = id_next(&sender[seed_below(2)], at / 1000);

		at += (int64_t)seed_below(2000);
		snprintf(client, sizeof(client), "c%d", (int)seed_below(200));
		snprintf(topic, sizeof(topic), "mercy/%d", (int)seed_below(30));
		taken += delivered(&id, client, topic, at);
		if (seed_below(500) == 0)
			digest_tick(d, at);
		if (seed_below(5000) == 0)
			digest_end(d, span_str(client));
		if (seed_below(50000) == 0)
			digest_flush(d);
	}
	digest_tick(d, at + DIGEST_S * S);
	assert_int_equal(told.messages, taken);
	digest_close(&d);
	assert_int_equal(told.messages, taken);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_minute_is_one_entry_that_proves_its_messages),
		TEST(recipients_of_the_same_messages_follow_one_another),
		TEST(senders_topics_and_clients_are_told_apart),
		TEST(one_group_may_have_all_the_rows),
		TEST(what_has_no_id_or_saves_lives_is_not_summed),
		TEST(without_room_it_says_so),
		TEST(what_was_taken_comes_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

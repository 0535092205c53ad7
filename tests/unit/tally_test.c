#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "crypt.h"
#include "seed.h"
#include "tally.h"

#define S INT64_C(1000000)
#define TYPE(name) PULLCORD__V1__AUDIT_TYPE__AUDIT_##name
#define DENIED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED
#define ALLOWED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED

static struct tally *t;
static struct {
	unsigned entries;
	uint64_t events;
	struct happening last;
	char topic[256], actor[65], client[65], certificate[SHA256_BYTES + 1];
} told;

static void hear(void *ctx, const struct happening *h)
{
	(void)ctx;
	told.entries++;
	told.events += h->count ? h->count : 1;
	told.last = *h;
	assert_true(span_text(h->topic, told.topic, sizeof(told.topic)));
	assert_true(span_text(h->actor, told.actor, sizeof(told.actor)));
	assert_true(span_text(h->client, told.client, sizeof(told.client)));
	assert_true(span_text(h->certificate, told.certificate, sizeof(told.certificate)));
	if (h->count)
		assert_true(h->at_us <= h->until_us);
}

static int setup(void **state)
{
	(void)state;
	memset(&told, 0, sizeof(told));
	assert_int_equal(crypt_init(), OK);
	return tally_open(TALLY_DENIALS, hear, NULL, &t);
}

static int teardown(void **state)
{
	(void)state;
	tally_close(&t);
	return 0;
}

static struct happening denial(const char *actor, const char *topic, int64_t at_us)
{
	return (struct happening){
		.type = TYPE(PUBLISH), .outcome = DENIED, .at_us = 1000 * S + at_us, .mono_us = at_us, .party = 1,
		.actor = span_str(actor), .client = span_str(actor), .address = SPAN_LIT("10.0.0.1"), .topic = span_str(topic),
	};
}

static void denied(const char *actor, const char *topic, int64_t at_us)
{
	const struct happening h = denial(actor, topic, at_us);

	tally_add(t, &h);
}

static void the_first_goes_at_once_and_the_rest_together(void **state)
{
	(void)state;
	for (int i = 0; i < 1001; i++)
		denied("eve", "mercy/unit/icu3/alert", i * 9800);
	assert_int_equal(told.entries, 1);
	assert_int_equal(told.last.count, 0);
	tally_tick(t, 9 * S);
	assert_int_equal(told.entries, 1);
	tally_tick(t, 10 * S);
	assert_int_equal(told.entries, 2);
	assert_int_equal(told.last.count, 1000);
	assert_int_equal(told.last.at_us, 1000 * S + 9800);
	assert_int_equal(told.last.mono_us, 9800);  /* both clocks of one event */
	assert_int_equal(told.last.until_us, 1000 * S + 9800000);
	assert_string_equal(told.topic, "mercy/unit/icu3/alert");
	assert_string_equal(told.actor, "eve");
	tally_tick(t, 20 * S);              /* nothing followed: forgotten */
	denied("eve", "mercy/unit/icu3/alert", 21 * S);
	assert_int_equal(told.entries, 3);
}

static void it_goes_on_with_one_entry_each_ten_seconds(void **state)
{
	(void)state;
	for (int64_t at = 0; at < 60 * S; at += S / 10) {
		denied("eve", "mercy/x", at);
		if (at % S == 0)
			tally_tick(t, at);
	}
	assert_in_range(told.entries, 6, 7);
}

static void shows(const char certificate[SHA256_BYTES + 1], int64_t at_us)
{
	struct happening h = denial("eve", "", at_us);

	h.certificate = span_str(certificate);
	tally_add(t, &h);
}

/* Whoever makes a certificate for each try would else be as many kinds. */
static void certificates_are_told_when_all_showed_the_same(void **state)
{
	static const char one[] = "one certificate's fingerprint ..", other[] = "another certificate's fingerprint";

	(void)state;
	shows(one, 0);
	assert_string_equal(told.certificate, one);
	shows(one, 1);
	shows(one, 2);
	tally_tick(t, 10 * S);
	assert_int_equal(told.last.count, 2);
	assert_string_equal(told.certificate, one);
	shows(one, 11 * S);
	for (int i = 0; i < 2 * TALLY_KINDS; i++)
		shows(other + i % 2, 11 * S + i);
	tally_tick(t, 21 * S);
	assert_int_equal(told.entries, 3);
	assert_int_equal(told.last.count, 1 + 2 * TALLY_KINDS);
	assert_string_equal(told.certificate, "");
}

static void topics_that_differ_in_the_last_level_are_one_kind(void **state)
{
	(void)state;
	denied("eve", "mercy/unit/a", 0);
	denied("eve", "mercy/unit/b", 1);
	denied("eve", "mercy/unit/longer-than-before", 2);
	denied("eve", "mercy/channel/c", 3);
	assert_int_equal(told.entries, 2);
	tally_end(t, SPAN_LIT("eve"));
	assert_int_equal(told.entries, 3);
	assert_string_equal(told.topic, "mercy/unit/+");
	denied("eve", "mercy/unit/b", 4);
	denied("eve", "mercy/unit/b", 5);
	tally_end(t, SPAN_LIT("eve"));
	assert_string_equal(told.topic, "mercy/unit/b");
	assert_int_equal(told.last.count, 2);
}

static void one_actor_has_so_many_kinds(void **state)
{
	char topic[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(topic, sizeof(topic), "mercy/x%d/y", i);
		denied("eve", topic, i);
	}
	assert_int_equal(told.entries, TALLY_KINDS);
	denied("ana", "mercy/x1/y", 1000);
	assert_int_equal(told.entries, TALLY_KINDS + 1);
	tally_tick(t, 11 * S);
	assert_int_equal(told.entries, TALLY_KINDS + 2);
	assert_int_equal(told.last.count, 1000 - TALLY_KINDS);
	assert_string_equal(told.topic, "");
	assert_string_equal(told.actor, "eve");
}

/* Who proved nothing is told apart by address and client id: a thousand tries of one id are few entries. */
static void strangers_are_counted_by_address(void **state)
{
	struct happening h = denial("", "", 0);
	char client[16];

	(void)state;
	h.type = TYPE(TAKEOVER);
	for (int i = 0; i < 1000; i++) {
		h.client = SPAN_LIT("icu3-nc1");
		tally_add(t, &h);
	}
	assert_int_equal(told.entries, 1);
	for (int i = 0; i < 1000; i++) {
		snprintf(client, sizeof(client), "c%d", i);
		h.client = span_str(client);
		tally_add(t, &h);
	}
	assert_int_equal(told.entries, TALLY_KINDS);
	tally_close(&t);
	assert_int_equal(told.events, 2000);
	assert_int_equal(told.entries, TALLY_KINDS + 2);
}

static void what_is_allowed_goes_straight_through(void **state)
{
	struct happening h = denial("eve", "mercy/x", 0);

	(void)state;
	h.life_critical = true;
	for (int i = 0; i < 10; i++)
		tally_add(t, &h);
	assert_int_equal(told.entries, 1);
	h.outcome = ALLOWED;
	for (int i = 0; i < 10; i++)
		tally_add(t, &h);
	assert_int_equal(told.entries, 11);
}

/* However many actors, kinds and gaps in time: what went in comes out, and a flood comes out small. */
static void the_sum_is_the_number_of_denials(void **state)
{
	static const char long_topic[] =
		"mercy/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbb/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc/dddddddddddddddddddddddddddddddddddddddddddddd";
	char actor[16], topic[300];
	uint64_t n = SEED_ROUNDS(200000);
	int64_t at = 0;

	(void)state;
	for (uint64_t i = 0; i < n; i++) {
		struct happening h;

		at += (int64_t)seed_below(i % 5000 == 0 ? 15 * S : 2000);
		snprintf(actor, sizeof(actor), "a%d", (int)seed_below(1500));
		if (seed_below(50) == 0)
			snprintf(topic, sizeof(topic), "%.*s", (int)seed_below(sizeof(long_topic)), long_topic);
		else
			snprintf(topic, sizeof(topic), "mercy/%d/%d", (int)seed_below(20), (int)seed_below(3));
		h = denial(actor, topic, at);
		h.why = (uint32_t)seed_below(3);
		h.detail = seed_below(2) ? SPAN_LIT("no") : span(NULL, 0);
		tally_add(t, &h);
		if (seed_below(1000) == 0)
			tally_tick(t, at);
		if (seed_below(1000) == 0)
			tally_end(t, span_str(actor));
	}
	tally_close(&t);
	assert_int_equal(told.events, n);
}

/* ---- a botnet ---- */

static struct happening stranger(uint32_t address, int64_t at_us, char room[16])
{
	struct happening h = denial("", "", at_us);

	snprintf(room, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
	h.type = TYPE(LOGIN);
	h.client = SPAN_LIT("bot");
	h.address = span_str(room);
	return h;
}

/* A hundred thousand addresses of two networks, for five minutes: all are counted, and few are entries. */
static void a_crowd_is_counted_by_network(void **state)
{
	char room[16];

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		int64_t at = (int64_t)i * 3000;
		struct happening h = stranger((i & 1 ? 10u << 24 : 11u << 24) | (i >> 1), at, room);

		tally_add(t, &h);
		if (i % 333 == 0)
			tally_tick(t, at);
	}
	tally_close(&t);
	assert_int_equal(told.events, 100000);
	assert_in_range(told.entries, TALLY_STRANGERS, TALLY_STRANGERS + 30 * (TALLY_STRANGERS_MORE + 4));
}

static void so_many_come_by_themselves_before(void **state)
{
	char room[16];

	(void)state;
	for (uint32_t i = 0; i < TALLY_STRANGERS + 3; i++) {
		struct happening h = stranger(10u << 24 | i, (int64_t)i, room);

		tally_add(t, &h);
	}
	assert_int_equal(told.entries, TALLY_STRANGERS);
	tally_tick(t, 11 * S);
	assert_int_equal(told.entries, TALLY_STRANGERS + 1);
	assert_int_equal(told.last.count, 3);
	assert_true(span_is(told.last.address, "10.0.0.0/16"));
	assert_string_equal(told.client, "");
	assert_int_equal(told.last.why, 0);
}

/* From everywhere: networks are told apart as far as there are rows for them, and no row of others is lost to it. */
static void a_crowd_of_networks_leaves_others_their_rows(void **state)
{
	char room[16];
	unsigned before;

	(void)state;
	denied("eve", "mercy/unit/a", 0);
	for (uint32_t i = 0; i < 5000; i++) {
		struct happening h = stranger(i << 16, (int64_t)i, room);

		tally_add(t, &h);
	}
	before = told.entries;
	denied("eve", "mercy/unit/a", 6000);
	assert_int_equal(told.entries, before);         /* still counted */
	assert_int_equal(before, 1 + TALLY_STRANGERS);
	tally_tick(t, 11 * S);
	assert_int_equal(told.entries, before + 1 + TALLY_NETWORKS + 1);
	assert_int_equal(told.events, 5002);
}

/* ---- who comes and goes ---- */

static int setup_arrivals(void **state)
{
	int e = setup(state);

	tally_close(&t);
	return e || tally_open(TALLY_ARRIVALS, hear, NULL, &t) != OK;
}

static void comes(const char *client, int64_t at_us)
{
	struct happening h = denial("icu3-nc1", "", at_us);

	h.type = TYPE(LOGIN);
	h.outcome = ALLOWED;
	h.client = span_str(client);
	tally_add(t, &h);
}

/* Ten times a second for ten minutes. */
static void a_login_loop_is_an_entry_a_minute(void **state)
{
	(void)state;
	for (int64_t at = 0; at < 600 * S; at += S / 10) {
		comes("icu3-nc1", at);
		if (at % S == 0)
			tally_tick(t, at);
	}
	assert_in_range(told.entries, TALLY_ARRIVALS_EACH + 9, TALLY_ARRIVALS_EACH + 10);
	assert_true(told.last.count >= 599 && told.last.count <= 601);
	assert_string_equal(told.client, "icu3-nc1");
	tally_close(&t);
	assert_int_equal(told.events, 6000);
}

static void who_comes_now_and_then_is_an_entry_each(void **state)
{
	(void)state;
	for (int64_t at = 0; at < 3600 * S; at += 7 * S) {
		comes("icu3-nc1", at);
		for (int64_t i = 0; i < 7; i++)
			tally_tick(t, at + i * S);
	}
	assert_int_equal(told.entries, told.events);
	assert_int_equal(told.entries, 515);
}

/* After a restart of the broker they come back at the same moment. */
static void one_account_at_many_terminals_is_an_entry_each(void **state)
{
	char client[16];

	(void)state;
	for (int i = 0; i < TALLY_ARRIVALS_KINDS; i++) {
		snprintf(client, sizeof(client), "ward.t%d", i);
		comes(client, i);
	}
	assert_int_equal(told.entries, TALLY_ARRIVALS_KINDS);
}

#define ARRIVALS(f) cmocka_unit_test_setup_teardown(f, setup_arrivals, teardown)
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_goes_at_once_and_the_rest_together),
		TEST(it_goes_on_with_one_entry_each_ten_seconds),
		TEST(certificates_are_told_when_all_showed_the_same),
		TEST(topics_that_differ_in_the_last_level_are_one_kind),
		TEST(one_actor_has_so_many_kinds),
		TEST(strangers_are_counted_by_address),
		TEST(what_is_allowed_goes_straight_through),
		TEST(a_crowd_is_counted_by_network),
		TEST(so_many_come_by_themselves_before),
		TEST(a_crowd_of_networks_leaves_others_their_rows),
		ARRIVALS(a_login_loop_is_an_entry_a_minute),
		ARRIVALS(who_comes_now_and_then_is_an_entry_each),
		ARRIVALS(one_account_at_many_terminals_is_an_entry_each),
		TEST(the_sum_is_the_number_of_denials),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

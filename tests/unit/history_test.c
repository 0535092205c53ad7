#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypt.h"
#include "envelope.h"
#include "history.h"

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
	char lock[112];

	(void)state;
	history_close(&h);
	snprintf(lock, sizeof(lock), "%s-lock", file);
	unlink(lock);
	unlink(file);
	rmdir(folder);
	return 0;
}

static void reopen(int64_t now_us)
{
	history_close(&h);
	assert_int_equal(history_open(file, root, 4 << 20, now_us, &h), OK);
}

/* Keeps an alert of that key and says its id. */
static struct id keep(uint8_t key, int64_t until_us)
{
	uint8_t raw[512], key16[ID_BYTES] = { key };
	struct put b = put(raw, sizeof(raw));
	struct envelope_from from = { "mercy", "nc-1", PULLCORD__V1__PARTY__PARTY_DEVICE, id_next(&ids, 5), 5, 0 };
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;

	a.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	a.priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
	a.phase = PULLCORD__V1__PHASE__PHASE_START;
	a.count = 1;
	assert_int_equal(envelope_write(&from, &a.base, &b), OK);
	assert_int_equal(history_put(h, &from.id, key16, until_us, SPAN_LIT(TOPIC), put_span(&b), RECEIPT), OK);
	return from.id;
}

static size_t wait_owed(struct id *id, size_t most)
{
	char topic[TOPIC_BYTES_MAX + 1];
	size_t n = 0;

	for (int i = 0; i < 2000 && n == 0; i++) {
		n = history_owed(h, topic, id, most);
		if (n == 0)
			usleep(1000);
		else
			assert_string_equal(topic, RECEIPT);
	}
	return n;
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
	assert_string_equal(history_next(h, NULL)->topic, TOPIC);
}

static void the_same_alert_again_is_kept_once_and_its_receipt_said_again(void **state)
{
	struct id id = keep(1, HOUR_US), owed[4];
	const struct kept *k = history_next(h, NULL);
	uint8_t key[ID_BYTES] = { 1 };

	(void)state;
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(history_put(h, &id, key, HOUR_US, SPAN_LIT(TOPIC), span(k->payload, k->n), RECEIPT), OK);
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(open_alerts(), 1);
	history_done(h, key);
	assert_int_equal(open_alerts(), 0);
}

static void an_answered_alert_is_not_opened_by_a_late_duplicate(void **state)
{
	struct id id = keep(1, HOUR_US), owed[4];
	uint8_t key[ID_BYTES] = { 1 };

	(void)state;
	assert_int_equal(wait_owed(owed, 4), 1);
	history_done(h, key);
	assert_int_equal(history_put(h, &id, key, HOUR_US, SPAN_LIT(TOPIC), SPAN_LIT("x"), RECEIPT), OK);
	assert_int_equal(wait_owed(owed, 4), 1);
	assert_int_equal(open_alerts(), 0);
	reopen(1);
	assert_int_equal(open_alerts(), 0);
}

static void an_answer_closes_every_alert_of_its_key(void **state)
{
	uint8_t key[ID_BYTES] = { 1 };

	(void)state;
	keep(1, HOUR_US);
	keep(2, HOUR_US);
	keep(1, HOUR_US);
	history_done(h, key);
	assert_int_equal(open_alerts(), 1);
	assert_int_equal(history_next(h, NULL)->key[0], 2);
	reopen(1);
	assert_int_equal(open_alerts(), 1);
}

static void expired_alerts_go_in_life_and_at_the_next_start(void **state)
{
	(void)state;
	keep(1, 10);
	keep(2, HOUR_US);
	keep(3, 20);
	history_expire(h, 10);
	assert_int_equal(open_alerts(), 2);
	reopen(30);
	assert_int_equal(open_alerts(), 1);
	assert_int_equal(history_next(h, NULL)->key[0], 2);
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
		TEST(expired_alerts_go_in_life_and_at_the_next_start),
		TEST(numbers_go_on_rising_after_a_restart),
		TEST(receipts_of_many_come_in_batches),
		TEST(another_key_opens_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* farewell: the last word of a wiped device, and that it is said until it is heard. */
#include "pipelined.h"

#include "farewell.h"
#include "ordered.h"

static struct farewell *f;
static uint8_t order_hash[SHA256_BYTES];

static void begin(void)
{
	assert_int_equal(farewell_open(&(struct farewell_spec){
		.conf = &conf, .cafile = "ca", .certfile = conf.uplink_certfile, .keyfile = conf.uplink_keyfile, .device = "nc-1",
		.tenant = "mercy", .orders = orders, .uplink = &fake_uplink, .now_ms = fake_now, .real_us = fake_real,
		.wake = no_wake }, &f), OK);
}

/* A wipe was ordered, and the store is gone. */
static int make_wiped(void **state)
{
	const uint8_t nonce[WARRANT_NONCE] = { 0 };
	struct order o = { .kind = KIND(WIPE), .counter = 1, .hash = { 7 } };
	struct standing s = { 0 };
	uint8_t bytes[STANDING_BYTES_MAX];
	struct put out = put(bytes, sizeof(bytes));
	FILE *file;

	if (make(state))
		return -1;
	pipeline_close(&g);
	b.dials = b.hangups = 0;
	make_device();
	assert_int_equal(mkdir(conf.orders_folder, 0700), 0);
	standing_obey(&s, &o, nonce, real);
	memcpy(order_hash, o.hash, sizeof(order_hash));
	assert_int_equal(standing_write(&s, &out), OK);
	file = fopen(standing_path, "w");
	fwrite(bytes, 1, out.n, file);
	fclose(file);
	assert_int_equal(chmod(standing_path, 0600), 0);
	strcpy(conf.uplink_host, "first.example");
	strcpy(conf.uplink_others, "second.example");
	assert_int_equal(open_orders(), OK);
	assert_int_equal(orders_wipe(orders, WIPE_TOLD, true, "", fake_real(NULL)), OK);
	conf.orders_stay_s = 0;
	begin();
	return 0;
}

static int drop_wiped(void **state)
{
	farewell_close(&f);
	orders_close(&orders);
	conf_init(&conf);
	return drop(state);
}

#define WITH_WIPE(test) cmocka_unit_test_setup_teardown(test, make_wiped, drop_wiped)

static void connected(void)
{
	b.up = true;
	broker_says(&(struct uplink_event){ .kind = UPLINK_UP, .reason = 20 });
	farewell_run(f);
}

static void lost(void)
{
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	farewell_run(f);
	now += 20000;
	farewell_run(f);
}

static const Pullcord__V1__CommandReceipt *receipt_in(const struct sent *s)
{
	struct envelope e;
	struct topic t;

	arena.used = 0;
	assert_int_equal(topic_parse(span_str(s->topic), &t), OK);
	assert_int_equal(envelope_open(span(s->payload, s->n), &t, 0, &arena, &e), OK);
	assert_false(e.body.state->online);
	return e.body.state->last_obeyed;
}

static void its_receipt_is_retained_and_signed(void **state)
{
	const Pullcord__V1__CommandReceipt *r;

	(void)state;
	assert_int_equal(b.dials, 1);
	connected();
	assert_int_equal(sent_count("/state"), 1);
	assert_true(sent("/state", 0)->retain);
	r = receipt_in(sent("/state", 0));
	assert_int_equal(r->outcome, OUTCOME(DONE));
	assert_memory_equal(r->order.data, order_hash, SHA256_BYTES);
	assert_int_equal(orderfile_receipt(r, "mercy", "nc-1", ca_path), OK);
	farewell_run(f);
	assert_true(farewell_over(f));
	assert_int_equal(b.hangups, 1);
}

static void it_is_said_until_it_is_heard(void **state)
{
	(void)state;
	b.deaf = true;
	connected();
	assert_false(farewell_over(f));
	lost();
	assert_int_equal(b.dials, 2);
	connected();
	assert_int_equal(sent_count("/state"), 2);
	broker_says(&(struct uplink_event){ .kind = UPLINK_ACK, .id = sent("/state", 1)->id, .reason = 0x87 });   /* not authorised */
	farewell_run(f);
	assert_false(farewell_over(f));
	now += 20000;
	farewell_run(f);
	assert_int_equal(b.dials, 3);
	connected();
	now += 31000;                   /* not a word */
	farewell_run(f);
	while (b.dials < 4 && now < 200000) {   /* at once, or within LINK_BLIP_MS: and a dial must not run out of time here */
		now++;
		farewell_run(f);
	}
	assert_int_equal(b.dials, 4);
	b.deaf = false;
	connected();
	farewell_run(f);
	assert_true(farewell_over(f));
}

/* It is on the broker's disk after its autosave only: one that comes back without it is told again. */
static void it_stays_until_the_broker_has_kept_it(void **state)
{
	(void)state;
	conf.orders_stay_s = 150;
	connected();
	farewell_run(f);
	now += 149000;
	farewell_run(f);
	assert_false(farewell_over(f));
	assert_int_equal(sent_count("/state"), 1);
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	for (int ms = 0; ms < 1000 && b.dials < 2; ms++) {
		farewell_run(f);
		now++;
	}
	connected();
	farewell_run(f);
	now += 149000;
	farewell_run(f);
	assert_int_equal(sent_count("/state"), 2);
	now += 1000;
	farewell_run(f);
	farewell_run(f);
	assert_int_equal(sent_count("/state"), 3);
	assert_true(farewell_over(f));
}

static void what_answers_another_question_does_not_count(void **state)
{
	(void)state;
	b.deaf = true;
	connected();
	broker_says(&(struct uplink_event){ .kind = UPLINK_ACK, .id = { { 1 } }, .reason = 0 });
	farewell_run(f);
	assert_false(farewell_over(f));
}

static void the_other_broker_is_tried(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "refused" });
		farewell_run(f);
		assert_non_null(strstr(last_log, i % 2 ? "second.example" : "first.example"));
		now += 20000;
		farewell_run(f);
	}
	assert_int_equal(b.dials, 5);
}

/* The will says the same; a library that had no room for it would end us at every try. */
/* Its policy does not know the device, say, and another's does. */
static void a_broker_that_does_not_take_it_is_left(void **state)
{
	(void)state;
	b.deaf = true;
	connected();
	broker_says(&(struct uplink_event){ .kind = UPLINK_ACK, .id = b.sent[0].id, .reason = 0x87 });
	farewell_run(f);
	assert_non_null(strstr(last_log, "reason 0x87"));
	now += 20000;
	farewell_run(f);
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "refused" });
	farewell_run(f);
	assert_non_null(strstr(last_log, "second.example"));
}

static void the_longest_receipt_fits(void **state)
{
	char text[STANDING_TEXT_MAX + 1] = { 0 };

	(void)state;
	memset(text, 'x', STANDING_TEXT_MAX);
	b.deaf = true;
	assert_int_equal(orders_wipe(orders, WIPE_TOLD, false, text, fake_real(NULL)), OK);
	connected();
	lost();
	assert_int_equal(b.dials, 2);
	assert_string_equal(receipt_in(&b.will)->text, text);
}

/* Killed before it was heard: the same receipt, from the disk. */
static void the_next_start_says_the_same(void **state)
{
	uint8_t before[SHA256_BYTES];
	const Pullcord__V1__CommandReceipt *r;

	(void)state;
	b.deaf = true;
	connected();
	r = receipt_in(sent("/state", 0));
	SHA256(before, span(r->signature.data, r->signature.len));
	farewell_close(&f);
	orders_close(&orders);
	assert_int_equal(orders_wiped(&conf), WIPE_TOLD);
	assert_int_equal(open_orders(), OK);
	b.deaf = false;
	begin();
	connected();
	r = receipt_in(sent("/state", 1));
	{
		uint8_t after[SHA256_BYTES];

		SHA256(after, span(r->signature.data, r->signature.len));
		assert_memory_equal(before, after, sizeof(after));
	}
	farewell_run(f);
	assert_true(farewell_over(f));
	assert_int_equal(orders_wipe(orders, WIPE_SILENT, true, "", 0), OK);
	assert_int_equal(orders_wiped(&conf), WIPE_SILENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WIPE(its_receipt_is_retained_and_signed),
		WITH_WIPE(it_is_said_until_it_is_heard),
		WITH_WIPE(it_stays_until_the_broker_has_kept_it),
		WITH_WIPE(what_answers_another_question_does_not_count),
		WITH_WIPE(the_other_broker_is_tried),
		WITH_WIPE(a_broker_that_does_not_take_it_is_left),
		WITH_WIPE(the_longest_receipt_fits),
		WITH_WIPE(the_next_start_says_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

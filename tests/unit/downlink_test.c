/* downlink: what people do about an alert comes back to its source, and nothing else does. */
#include "hush.h"
#include "pipelined.h"

static void what_a_nurse_does_reaches_the_source(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	update(sent("/alert/", 0), NULL, STATE(ACCEPTED));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 1);
	assert_string_equal(src.by[src.n - 1], "ana");
	assert_int_equal(src.answer[src.n - 1].state, STATE(ACCEPTED));
	update(sent("/alert/", 0), NULL, STATE(RESOLVED));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 2);
	update(sent("/alert/", 0), NULL, STATE(ACCEPTED));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 2);   /* it is over */
	update(sent("/alert/", 0), (const uint8_t[OPEN_KEY]){ 9 }, STATE(ACCEPTED));
	assert_int_equal(answers(ANSWER_UPDATE, NULL), 2);   /* not ours */
}

static void also_after_a_restart_of_the_gateway(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	pipeline_close(&g);
	start();
	port->push(port->ctx, (struct input *)&src, &(struct event){ 0 });   /* the input is there again */
	come_up();
	update(sent("/alert/", 0), NULL, STATE(ON_THE_WAY));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 1);
}

static void after_resolved_the_next_goes_out_at_once(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	run();
	update(sent("/alert/", 0), NULL, STATE(RESOLVED));
	push_medium("a2", 1, PHASE(START));
	run();
	assert_int_equal(sent_count("/alert/"), 2);
}

static void what_does_not_belong_is_ignored(void **state)
{
	static uint8_t junk[] = { 0xff, 0x00, 0x12 };
	Pullcord__V1__StoredReceipt r = PULLCORD__V1__STORED_RECEIPT__INIT;
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	uint8_t k[OPEN_KEY] = { 0 };

	(void)state;
	come_up();
	push_high("a1", 0);
	run();
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT("mercy/unit/icu3/ack/nc-1"),
					    .payload = span(junk, sizeof(junk)) });
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT("not a topic") });
	run();
	from_broker("mercy/unit/icu3/ack/nc-1", PULLCORD__V1__PARTY__PARTY_BROKER, "broker", &r.base);
	u.alert = u.key = (ProtobufCBinaryData){ OPEN_KEY, k };
	u.state = STATE(ACCEPTED);
	from_broker("mercy/unit/icu3/ack/nc-2", PULLCORD__V1__PARTY__PARTY_USER, "ana", &u.base);
	assert_int_equal(answers(ANSWER_UPDATE, NULL), 0);
	assert_int_equal(pipeline_queued(g), 1);
}

static unsigned refusals, left_out;

static void count_lines(enum log_level level, const char *line)
{
	(void)level;
	refusals += strstr(line, "order_refused") != NULL;
	if (strstr(line, "lines_left_out"))
		left_out += (unsigned)strtoul(strstr(line, "lines=") + 6, NULL, 10);
}

static void a_flood_of_forged_orders_does_not_fill_the_log(void **state)
{
	Pullcord__V1__DeviceCommand c = PULLCORD__V1__DEVICE_COMMAND__INIT;

	(void)state;
	come_up();
	log_to(count_lines);
	c.command = PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE;
	c.expires_us = (uint64_t)real + 3600000000;
	for (int i = 0; i < 100; i++) {
		from_broker("mercy/device/nc-1/cmd", PULLCORD__V1__PARTY__PARTY_USER, "eve", &c.base);
		now++;
	}
	assert_int_equal(refusals, HUSH_MOST);
	assert_int_equal(left_out, 0);
	now += HUSH_MS;
	run();
	assert_int_equal(refusals + left_out, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(what_a_nurse_does_reaches_the_source),
		WITH_HOUSE(also_after_a_restart_of_the_gateway),
		WITH_HOUSE(after_resolved_the_next_goes_out_at_once),
		WITH_HOUSE(what_does_not_belong_is_ignored),
		WITH_HOUSE(a_flood_of_forged_orders_does_not_fill_the_log),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

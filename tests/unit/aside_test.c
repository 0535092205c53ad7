/* aside: what the broker refuses for good is kept, told, and tried again. */
#include "pipelined.h"

static void a_forbidden_message_is_set_aside_and_reported(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	push_high("a2", 2);
	run();
	ack(sent("/alert/", 0), 0x87);
	assert_int_equal(pipeline_counts(g).set_aside, 1);
	assert_int_equal(pipeline_queued(g), 1);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 0);
	assert_int_equal(answers(ANSWER_UNSENT, "a1"), 1);    /* nobody will come: it must not wait in peace */
	assert_int_equal(src.answer[src.n - 1].why, ERR_DENIED);
	assert_non_null(strstr(last_log, "message_set_aside"));
	assert_non_null(strstr(last_log, "mercy/unit/icu3/alert/high/nc-1"));
	push_high("a1", 1);
	run();
	assert_int_equal(answers(ANSWER_REFUSED, "a1"), 1);
	now += 2000;
	run();
	assert_true(sent_count("/state") >= 2);   /* it says so soon */
	ack(sent("/alert/high/", 1), 0);
	ack(sent("/alert/medium/", 0), 0);
	now += 100000;
	run();
	assert_int_equal(sent_count("/alert/high/"), 3);   /* only the other is sent again */
	assert_memory_equal(&sent("/alert/high/", 2)->id, &sent("/alert/high/", 1)->id, ID_BYTES);
	assert_string_equal(read_alert(sent("/alert/medium/", 0))->code, "gateway.set-aside");   /* staff hears of it */
	assert_int_equal(sent_count("/alert/medium/"), 1);
}

/* It would end the connection, again and again, and nothing get through any more. */
static void what_is_larger_than_the_broker_takes_holds_up_nobody(void **state)
{
	struct event large = alert("a1", 1, PRIORITY(HIGH), PHASE(START));
	char text[200];

	(void)state;
	come_up();
	b.payload_max = 250;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	large.alert.text = text;
	assert_int_equal(push(large), OK);
	push_high("a2", 2);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, NULL), 2);
	assert_int_equal(answers(ANSWER_UNSENT, "a1"), 1);
	for (unsigned i = 0; i < src.n; i++)
		assert_int_equal(src.answer[i].why, src.answer[i].kind == ANSWER_UNSENT ? ERR_TOO_LARGE : OK);
	assert_int_equal(sent_count("/alert/high/"), 1);
	assert_string_equal(read_alert(sent("/alert/high/", 0))->source_id, "a2");
	assert_int_equal(b.hangups, 0);
	b.payload_max = 0;              /* another broker takes more */
	pipeline_try_again(g);
	run();
	assert_int_equal(sent_count("/alert/high/"), 2);
}

static void what_was_set_aside_flies_again(void **state)
{
	struct id id;

	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	id = sent("/alert/", 0)->id;
	ack(sent("/alert/", 0), 0x87);
	pipeline_try_again(g);               /* the policy was mended, they think */
	run();
	assert_int_equal(sent_count("/alert/"), 2);
	assert_memory_equal(&sent("/alert/", 1)->id, &id, ID_BYTES);
	ack(sent("/alert/", 1), 0x87);
	assert_int_equal(answers(ANSWER_UNSENT, "a1"), 1);    /* it has been told */
	assert_int_equal(pipeline_counts(g).set_aside, 1);
	pipeline_try_again(g);
	run();
	push_high("a1", 1);                                   /* repeated while it is tried: nothing has changed yet */
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
	assert_int_equal(answers(ANSWER_REFUSED, "a1"), 1);
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 1);
	assert_memory_equal(&sent("/alert/", 0)->id, &id, ID_BYTES);
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	assert_int_equal(pipeline_queued(g), 0);
}

/* Where among what was sent it is; the gateway speaks of itself, too. */
static unsigned place_of(const char *source_id)
{
	unsigned at = 0;

	while (strcmp(read_alert(sent("/alert/", at))->source_id, source_id) != 0)
		at++;
	return at;
}

/* Also when what came later is more important: readers would see the end first. */
static void what_was_set_aside_flies_in_the_order_it_was_said(void **state)
{
	(void)state;
	come_up();
	assert_int_equal(push(alert("a1", 1, PRIORITY(LOW), PHASE(START))), OK);
	run();
	push_high("a2", 1);
	run();
	ack(sent("/alert/low/", 0), 0x87);
	ack(sent("/alert/high/", 0), 0x87);
	assert_int_equal(pipeline_queued(g), 0);
	b.count = 0;
	now += 300000;
	run();
	assert_int_equal(pipeline_queued(g), 1);       /* a look whether the broker takes it now */
	ack(sent("/alert/low/", 0), 0x87);
	b.count = 0;
	pipeline_try_again(g);
	run();
	assert_true(place_of("a1") < place_of("a2"));
	ack(sent("/alert/low/", 0), 0x87);
	ack(sent("/alert/high/", 0), 0x87);
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_true(place_of("a1") < place_of("a2"));
}

static void goes_and_comes(void)
{
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	run();
	now += 200;
	run();
	come_up();
	now += 1000;
	run();
}

/* Nobody has to think of it when a policy was mended. */
static void what_was_set_aside_is_tried_again_by_itself(void **state)
{
	(void)state;
	come_up();
	for (int i = 0; i < 20; i++)
		push_high(((const char *[]){ "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4",
					     "b5", "b6", "b7", "b8", "b9" })[i], (uint8_t)(i + 1));
	run();
	for (unsigned i = 0; i < 20; i++)
		ack(sent("/alert/high/", i), 0x87);
	assert_int_equal(pipeline_queued(g), 0);
	now += 300000;
	run();
	assert_int_equal(pipeline_queued(g), 8);       /* a few of them, to see */
	for (unsigned i = 20; i < 28; i++)
		ack(sent("/alert/high/", i), 0x87);
	assert_int_equal(pipeline_queued(g), 0);
	goes_and_comes();
	assert_int_equal(pipeline_queued(g), 8);
	for (unsigned i = 28; i < 36; i++)
		ack(sent("/alert/high/", i), 0x87);
	goes_and_comes();
	assert_int_equal(pipeline_queued(g), 0);       /* not more often for a connection that comes and goes */
	now += 300000;
	goes_and_comes();
	assert_int_equal(pipeline_queued(g), 8);
	stored(sent("/alert/high/", 36), PULLCORD__V1__PARTY__PARTY_BROKER);
	run();
	assert_int_equal(pipeline_queued(g), 19);      /* one was taken: so now all */
}

static void a_refused_alarm_of_our_own_is_logged(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	ack(sent("/alert/high/", 0), 0x87);
	now += 2000;
	run();
	last_log[0] = '\0';
	ack(sent("/alert/medium/", 0), 0x87);
	assert_non_null(strstr(last_log, "alarm_refused"));
	now += 60000;
	run();
	assert_int_equal(sent_count("/alert/medium/"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(a_forbidden_message_is_set_aside_and_reported),
		WITH_HOUSE(what_is_larger_than_the_broker_takes_holds_up_nobody),
		WITH_HOUSE(what_was_set_aside_flies_again),
		WITH_HOUSE(what_was_set_aside_flies_in_the_order_it_was_said),
		WITH_HOUSE(what_was_set_aside_is_tried_again_by_itself),
		WITH_HOUSE(a_refused_alarm_of_our_own_is_logged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

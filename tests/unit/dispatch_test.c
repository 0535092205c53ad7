/* An order to a device goes on when its entry is durable, and not before; what cannot be kept does not go on at all. */
#include "recorded.h"

#include "faulty_disk.h"
#include "stuck_writer.h"

#define CMD "mercy/device/nc-1/cmd"

static const char with_officers[] =
	"tenant mercy\n"
	"role nursecall-device\n"
	"  allow publish   mercy/device/{device}/state\n"
	"role operator\n"
	"  allow publish   mercy/device/+/cmd\n";
static const char limited[] =
	"tenant mercy\n"
	"role operator\n"
	"  allow publish   mercy/device/+/cmd\n"
	"  limit rate 1/h\n";

static char noted[1024];

static void note_log(enum log_level level, const char *line)
{
	(void)level;
	snprintf(noted, sizeof(noted), "%s", line);
}

static void start(void)
{
	write_file("pullcord.policy", with_officers);
	reload();
	save(PULLCORD__V1__PARTY__PARTY_USER, "opa", "operator", "office", "an operator's password");
	save(PULLCORD__V1__PARTY__PARTY_USER, "opb", "operator", "office", "an operator's password");
	guard_tick(g);
}

/* The same order in an envelope of its own each time, as a tool sends it. */
static struct message wipe(const char *sender, uint64_t counter)
{
	static uint8_t nonce[WARRANT_NONCE] = { 5 }, signature[64] = { 6 };
	Pullcord__V1__DeviceCommand c = PULLCORD__V1__DEVICE_COMMAND__INIT;
	Pullcord__V1__Approval approval = PULLCORD__V1__APPROVAL__INIT, *list[] = { &approval };
	int64_t now = guard_real_us();
	struct envelope_from from = { "mercy", sender, PULLCORD__V1__PARTY__PARTY_USER, { { 0 } }, now, 0, 0 };
	char officer[] = "mercy/officer/ana";
	struct id_maker maker;
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));

	id_init(&maker, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_USER, span_str(sender), 1);
	from.id = id_next(&maker, now / 1000);
	c.command = PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE;
	c.counter = counter;
	c.nonce = (ProtobufCBinaryData){ sizeof(nonce), nonce };
	c.expires_us = (uint64_t)now / 1000000 / 3600 * 3600 * 1000000 + UINT64_C(7200000000);
	approval.officer = officer;
	approval.signature = (ProtobufCBinaryData){ sizeof(signature), signature };
	c.n_approval = 1;
	c.approval = list;
	assert_int_equal(envelope_write(&from, &c.base, &b), OK);
	m.n = b.n;
	return m;
}

/* As a client does: cut off, it comes again. */
static enum gate orders(const char *user, uint64_t counter)
{
	const struct message m = wipe(user, counter);
	char client[80];
	enum gate answer;

	snprintf(client, sizeof(client), "%s.t1", user);
	assert_int_equal(person_login(0, user, client, "an operator's password"), GATE_ALLOW);
	answer = publishes(0, client, CMD, &m, false);
	guard_logoff(g, &ctx[0], 0);
	return answer;
}

static void an_order_goes_on_when_its_entry_is_durable_and_not_before(void **state)
{
	struct recorded published;

	(void)state;
	start();
	assert_int_equal(person_login(1, "opa", "opa.t2", "an operator's password"), GATE_ALLOW);
	writer_stops();
	for (int i = 0; i < 5; i++)
		assert_int_equal(orders("opa", 1), GATE_CLOSE);
	writer_goes_on();
	assert_true(UNTIL(record_settled(g->record, record_ticket(g->record))));
	assert_int_equal(orders("opb", 1), GATE_CLOSE); /* another gives it: that has no entry yet */
	assert_int_equal(orders("opa", 2), GATE_CLOSE); /* another order */
	assert_int_equal(orders("opa", 1), GATE_ALLOW);
	assert_int_equal(orders("opa", 1), GATE_CLOSE); /* given again, it is on record again */
	assert_true(UNTIL(orders("opa", 2) == GATE_ALLOW));
	guard_close(&g);
	published = recorded(RECORDED(PUBLISH), "");
	assert_string_equal(published.actor, "opa");
	assert_int_equal(recorded(RECORDED(ORDER), "wipe 1 order").entries, 3);
	assert_int_equal(recorded(RECORDED(ORDER), "wipe 2 order").entries, 1);
	assert_true(recorded(RECORDED(ORDER), "wipe 2 order").index < published.index);
}

static void what_the_record_cannot_keep_does_not_go_on(void **state)
{
	(void)state;
	start();
	assert_int_equal(person_login(1, "opa", "opa.t2", "an operator's password"), GATE_ALLOW);
	assert_true(UNTIL(record_settled(g->record, record_ticket(g->record))));
	disk_refuses(EIO, in_dir("record.mdb"));
	for (int i = 0; i < 3; i++) {
		const struct message m = wipe("opa", 1);

		assert_int_equal(publishes(1, "opa.t2", CMD, &m, false), GATE_CLOSE);
		assert_true(UNTIL(record_trouble(g->record)));
	}
	guard_close(&g);
	disk_heals();
	assert_int_equal(recorded(RECORDED(ORDER), "").entries, 0);
}

/* That it is to come again is no message more. */
static void an_order_that_comes_again_is_counted_once(void **state)
{
	(void)state;
	start();
	write_file("pullcord.policy", limited);
	reload();
	assert_int_equal(orders("opa", 1), GATE_CLOSE);
	assert_true(UNTIL(record_settled(g->record, record_ticket(g->record))));
	assert_int_equal(orders("opa", 1), GATE_ALLOW);
	assert_int_equal(orders("opa", 2), GATE_DENY);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ORDER), "").entries, 1);
	assert_int_equal(recorded(RECORDED(PUBLISH), "limit rate: more messages than the roles allow").entries, 1);
}

/* Nobody would come again: it is refused for good, and never looks as if it had gone on. */
static void an_order_at_qos_0_is_refused_and_said_why(void **state)
{
	const struct message m = wipe("opa", 1);
	struct client c = client_at(0, "opa.t1", NULL);

	(void)state;
	start();
	log_to(note_log);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(person_login(0, "opa", "opa.t1", "an operator's password"), GATE_ALLOW);
		assert_int_equal(guard_publish(g, &c, CMD, &(struct publish){ span(m.raw, m.n), 0, false }), GATE_CLOSE);
		assert_non_null(strstr(noted, "order_unanswered sender=opa topic=" CMD));
		noted[0] = '\0';
		guard_logoff(g, &ctx[0], 0);
		assert_true(UNTIL(record_settled(g->record, record_ticket(g->record))));
	}
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ORDER), "").entries, 0);
	assert_int_equal(recorded(RECORDED(PUBLISH), "an order takes QoS 1 or 2: at 0 its sender cannot be told that it is to come again")
			 .entries, 2);
}

/* What is not signed, or cannot be read here, is known by all of what was sent. */
static void what_nobody_signed_is_on_record_first_too(void **state)
{
	Pullcord__V1__DeviceCommand c = PULLCORD__V1__DEVICE_COMMAND__INIT;
	int64_t now = guard_real_us();
	struct envelope_from from = { "mercy", "opa", PULLCORD__V1__PARTY__PARTY_USER, { { 0 } }, now, 0, 0 };
	struct id_maker maker;
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));

	(void)state;
	start();
	id_init(&maker, SPAN_LIT("mercy"), PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("opa"), 1);
	from.id = id_next(&maker, now / 1000);
	c.command = PULLCORD__V1__COMMAND_KIND__COMMAND_REPORT;
	assert_int_equal(envelope_write(&from, &c.base, &b), OK);
	m.n = b.n;
	assert_int_equal(person_login(1, "opa", "opa.t2", "an operator's password"), GATE_ALLOW);
	assert_int_equal(publishes(1, "opa.t2", CMD, &m, false), GATE_CLOSE);
	assert_true(UNTIL(publishes(1, "opa.t2", CMD, &m, false) == GATE_ALLOW));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(ORDER), "signed by nobody").entries, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_STUCK(an_order_goes_on_when_its_entry_is_durable_and_not_before), TEST(what_the_record_cannot_keep_does_not_go_on),
		TEST(an_order_at_qos_0_is_refused_and_said_why), TEST(what_nobody_signed_is_on_record_first_too),
		TEST(an_order_that_comes_again_is_counted_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

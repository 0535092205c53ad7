/* Two hospitals on one broker: each sees its own, receipts come in its own name, and a shared channel is heard by both. */
#include "guarded.h"

static const char two[] =
	"tenant mercy\n"
	"share channel tumors with lakeside\n"
	"role nurse\n"
	"  allow both mercy/channel/{channel}/#\n"
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"role nursecall-device\n"
	"  allow publish mercy/unit/{unit}/alert/+/{device}\n"
	"tenant lakeside\n"
	"join channel tumors of mercy\n"
	"role lake-nurse\n"
	"  allow both mercy/channel/{guest}/#\n"
	"  allow publish lakeside/unit/{unit}/ack/+\n"
	"  allow subscribe lakeside/unit/{unit}/alert/+/+\n"
	"role lake-box\n"
	"  allow publish lakeside/unit/{unit}/alert/+/{device}\n"
	"  allow publish lakeside/device/{device}/state\n";

#define PERSON PULLCORD__V1__PARTY__PARTY_USER
#define BOX PULLCORD__V1__PARTY__PARTY_DEVICE

static void save_in(const char *tenant, Pullcord__V1__Party party, const char *id, const char *role, struct attribute held,
		    const char *password)
{
	struct span roles[1] = { span_str(role) };
	struct attribute attributes[2] = { { SPAN_LIT("unit"), SPAN_LIT("icu3") }, held };
	struct account a = { .subject = { .party = party, .tenant = span_str(tenant), .id = span_str(id), .role = roles, .roles = 1,
					  .attribute = attributes, .attributes = 2 } };

	if (password)
		assert_int_equal(password_hash(span_str(password), a.password), OK);
	assert_int_equal(directory_save(g->directory, &a, false), OK);
}

static int install_two(void **state)
{
	assert_int_equal(install(state), 0);
	write_file("pullcord.policy", two);
	guard_close(&g);
	guard_start();
	save_in("mercy", PERSON, "ana", "nurse", (struct attribute){ SPAN_LIT("channel"), SPAN_LIT("tumors") }, "correct horse");
	save_in("lakeside", PERSON, "lou", "lake-nurse", (struct attribute){ SPAN_LIT("guest"), SPAN_LIT("tumors") }, "battery staple");
	save_in("lakeside", BOX, "lb-1", "lake-box", (struct attribute){ SPAN_LIT("unit"), SPAN_LIT("er") }, NULL);
	return 0;
}

static struct message says(const char *tenant, const char *sender, Pullcord__V1__Party party, const ProtobufCMessage *body)
{
	static uint16_t seed;
	struct message m;
	struct put b = put(m.raw, sizeof(m.raw));
	struct id_maker maker;
	int64_t now = guard_real_us();
	struct envelope_from from = { tenant, sender, party, { { 0 } }, now, 0 };

	id_init(&maker, span_str(tenant), (int)party, span_str(sender), ++seed);
	from.id = id_next(&maker, now / 1000);
	assert_int_equal(envelope_write(&from, body, &b), OK);
	m.n = b.n;
	m.id = from.id;
	return m;
}

static struct message alarms(const char *tenant)
{
	uint8_t key16[ID_BYTES] = { 1 };
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;

	a.key = (ProtobufCBinaryData){ ID_BYTES, key16 };
	a.priority = PULLCORD__V1__PRIORITY__PRIORITY_HIGH;
	a.phase = PULLCORD__V1__PHASE__PHASE_START;
	a.count = 1;
	return says(tenant, "lb-1", BOX, &a.base);
}

static void a_receipt_comes_in_the_senders_tenant(void **state)
{
	struct message good = alarms("lakeside"), forged = alarms("mercy");
	struct envelope e;
	struct topic t;

	(void)state;
	assert_int_equal(device_login(0, "lakeside", "lb-1", "lb-1", NULL), GATE_ALLOW);
	assert_int_equal(publishes(0, "lb-1", "mercy/unit/icu3/alert/high/lb-1", &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "lb-1", "lakeside/unit/icu3/alert/high/lb-1", &forged, false), GATE_DENY);
	assert_int_equal(publishes(0, "lb-1", "lakeside/unit/icu3/alert/high/lb-1", &good, false), GATE_ALLOW);
	tick_until_published("lakeside/device/lb-1/stored", "");
	assert_int_equal(times_published("lakeside/device/lb-1/stored", ""), 1);
	assert_int_equal(topic_parse(SPAN_LIT("lakeside/device/lb-1/stored"), &t), OK);
	g->arena.used = 0;
	assert_int_equal(envelope_open(span(asked.payload, asked.bytes), &t, 0, &g->arena, &e), OK);
	assert_string_equal(e.head->tenant, "lakeside");
}

static void a_certificate_of_another_tenant_is_refused(void **state)
{
	(void)state;
	assert_int_equal(device_login(0, "mercy", "lb-1", "lb-1", NULL), GATE_DENY);
	assert_int_equal(device_login(0, "stjude", "lb-1", "lb-1", NULL), GATE_DENY);
	assert_int_equal(device_login(0, "lakeside", "nc-1", "nc-1", NULL), GATE_DENY);
}

static void a_shared_channel_is_heard_by_both(void **state)
{
	Pullcord__V1__ChatMessage c = PULLCORD__V1__CHAT_MESSAGE__INIT;
	struct message own, forged;

	(void)state;
	c.text = (char *)"Round at two";
	own = says("lakeside", "lou", PERSON, &c.base);
	forged = says("mercy", "lou", PERSON, &c.base);
	assert_int_equal(person_login(0, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(person_login(1, "lou", "lou.t1", "battery staple"), GATE_ALLOW);
	assert_int_equal(subscribes(0, "ana.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "lou.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	assert_int_equal(publishes(1, "lou.t1", "mercy/channel/tumors/msg", &own, false), GATE_ALLOW);
	assert_int_equal(publishes(1, "lou.t1", "mercy/channel/tumors/msg", &forged, false), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "lou.t1", "mercy/unit/icu3/alert/+/+"), GATE_DENY);
	assert_int_equal(receives(1, "lou.t1", "mercy/unit/icu3/alert/high/nc-1"), GATE_DENY);
	assert_int_equal(receives(0, "ana.t1", "lakeside/unit/icu3/alert/high/lb-1"), GATE_DENY);
}

static void taking_back_one_side_ends_it_at_once(void **state)
{
	char text[sizeof(two)];

	(void)state;
	assert_int_equal(person_login(1, "lou", "lou.t1", "battery staple"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "lou.t1", "mercy/channel/tumors/msg"), GATE_ALLOW);
	strcpy(text, two);
	memset(strstr(text, "share channel tumors with lakeside"), '#', 1);
	write_file("pullcord.policy", text);
	guard_reload(g);
	for (int i = 0; i < 500 && receives(1, "lou.t1", "mercy/channel/tumors/msg") == GATE_ALLOW; i++) {
		guard_tick(g);
		usleep(5000);
	}
	assert_int_equal(receives(1, "lou.t1", "mercy/channel/tumors/msg"), GATE_DENY);
	guard_tick(g);
	assert_string_equal(asked.kicked[0], "lou.t1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_receipt_comes_in_the_senders_tenant, install_two, uninstall),
		cmocka_unit_test_setup_teardown(a_certificate_of_another_tenant_is_refused, install_two, uninstall),
		cmocka_unit_test_setup_teardown(a_shared_channel_is_heard_by_both, install_two, uninstall),
		cmocka_unit_test_setup_teardown(taking_back_one_side_ends_it_at_once, install_two, uninstall),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}

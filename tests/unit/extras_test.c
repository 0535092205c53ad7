/* extras: what a message carries beside its payload, and what of it is taken off. */
#include "recorded.h"

static unsigned beside(unsigned at, const char *client, const char *topic, struct extras x)
{
	struct client c = client_at(at, client, client);

	return guard_extras(g, &c, topic, &x);
}

static void a_response_topic_is_one_its_sender_may_hear(void **state)
{
	static const struct { const char *response; unsigned off; } row[] = {
		{ "mercy/unit/icu3/ack/nc-1", 0 }, { "mercy/device/nc-1/stored", 0 },
		{ "mercy/unit/med4/ack/nc-1", EXTRA_RESPONSE }, { "mercy/unit/icu3/ack/nc-2", EXTRA_RESPONSE },
		{ ALERT, EXTRA_RESPONSE },          /* what it may say, but not hear */
		{ "mercy/unit/icu3/ack/+", EXTRA_RESPONSE }, { "$SYS/broker/uptime", EXTRA_RESPONSE }, { "", EXTRA_RESPONSE },
		{ "$share/g/mercy/unit/icu3/ack/nc-1", EXTRA_RESPONSE }, { "mercy//x", EXTRA_RESPONSE },
	};

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	for (size_t i = 0; i < countof(row); i++)
		if (beside(0, "nc-1", ALERT, (struct extras){ .response = row[i].response }) != row[i].off)
			fail_msg("%s", row[i].response);
	assert_int_equal(beside(0, "nc-1", ALERT, (struct extras){ .bytes = 10 }), 0);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "as a response topic: it was taken off").events, 8);
	guard_start();
}

static void user_properties_are_few(void **state)
{
	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(beside(0, "nc-1", ALERT, (struct extras){ .users = EXTRAS_USERS_MAX }), 0);
	assert_int_equal(beside(0, "nc-1", ALERT, (struct extras){ .users = EXTRAS_USERS_MAX + 1 }), EXTRA_ALL);
	assert_int_equal(beside(0, "nc-1", ALERT, (struct extras){ .users = EXTRAS_USERS_MAX + 1, .response = "x" }),
			 EXTRA_ALL | EXTRA_RESPONSE);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "user properties: more than 32").events, 2);
	guard_start();
}

static void they_are_within_the_size_of_a_message(void **state)
{
	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrole nursecall-device\n  allow publish mercy/unit/{unit}/alert/+/{device}\n"
		   "  limit size 100B\n");
	reload();
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(beside(0, "nc-1", ALERT, (struct extras){ .users = 1, .bytes = 40, .payload = 60 }), 0);
	assert_int_equal(beside(0, "nc-1", ALERT, (struct extras){ .users = 1, .bytes = 41, .payload = 60 }), EXTRA_ALL);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(PUBLISH), "limit size: the message is larger").events, 1);
	guard_start();
}

static void of_whom_nobody_knows_all_go(void **state)
{
	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	assert_int_equal(beside(1, "nc-1", ALERT, (struct extras){ .users = 1 }), EXTRA_ALL);
	assert_int_equal(beside(0, "nc-2", ALERT, (struct extras){ .users = 1 }), EXTRA_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_response_topic_is_one_its_sender_may_hear),
		TEST(user_properties_are_few),
		TEST(they_are_within_the_size_of_a_message),
		TEST(of_whom_nobody_knows_all_go),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}

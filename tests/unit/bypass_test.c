/* Who never logged in, and is there all the same. */
#include "recorded.h"

static void a_client_that_never_logged_in_gets_nothing(void **state)
{
	struct message m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	struct client c = client_at(5, "nc-1", "nc-1");

	(void)state;
	assert_int_equal(guard_receive(g, &c, ALERT, &(struct publish){ 0 }), GATE_DENY);
	assert_int_equal(guard_publish(g, &c, ALERT, &(struct publish){ span(m.raw, m.n), 1, false }), GATE_DENY);
	assert_int_equal(guard_subscribe(g, &c, "mercy/unit/icu3/ack/nc-1", 1), GATE_DENY);
}

static bool is_certified(const void *context) { return context == &ctx[5]; }

static void a_connection_that_got_past_us_is_nobody(void **state)
{
	struct client past = client_at(5, "nc-1", "nc-1"), source = client_at(6, "nc-1", "nc-1");
	struct publish clear = { .retain = true };

	(void)state;
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	g->host.is_certified = is_certified;
	assert_int_equal(guard_publish(g, &past, "mercy/device/nc-1/state", &clear), GATE_CLOSE);
	assert_int_equal(guard_receive(g, &past, "mercy/unit/icu3/ack/nc-1", &(struct publish){ 0 }), GATE_DENY);
	assert_int_equal(guard_subscribe(g, &past, "mercy/unit/icu3/ack/nc-1", 1), GATE_CLOSE);
	guard_tick(g);
	assert_int_equal(asked.kicks, 0);   /* the one that logged in under this id stays */
	assert_int_equal(guard_publish(g, &source, "mercy/device/nc-1/state", &clear), GATE_ALLOW);
}

static unsigned bypass_lines;
static char bypass_last[256];

static void count_bypasses(enum log_level level, const char *line)
{
	(void)level;
	if (!strstr(line, "bypass"))
		return;
	bypass_lines++;
	snprintf(bypass_last, sizeof(bypass_last), "%s", line);
}

static bool is_nobodys(const void *context)
{
	(void)context;
	return true;
}

/* The log has a line a minute with their number, the record all of them. */
static void who_gets_past_us_again_and_again_is_counted(void **state)
{
	struct client past = client_at(5, "nc-1", "nc-1");

	(void)state;
	g->host.is_certified = is_nobodys;
	bypass_lines = 0;
	log_to(count_bypasses);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(guard_receive(g, &past, "mercy/unit/icu3/ack/nc-1", &(struct publish){ 0 }), GATE_DENY);
	g->second = 0;
	guard_tick(g);
	assert_int_equal(bypass_lines, 1);
	assert_non_null(strstr(bypass_last, "client=nc-1"));
	assert_non_null(strstr(bypass_last, "count=1"));
	g->bypass.said_us -= 60000000;
	g->second = 0;
	guard_tick(g);
	assert_int_equal(bypass_lines, 2);
	assert_non_null(strstr(bypass_last, "count=999"));
	g->bypass.said_us -= 60000000;
	g->second = 0;
	guard_tick(g);
	assert_int_equal(bypass_lines, 2);
	log_to(quiet);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(CONFIGURATION), "reached a topic without a login").events, 1000);
	guard_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_that_never_logged_in_gets_nothing),
		TEST(a_connection_that_got_past_us_is_nobody),
		TEST(who_gets_past_us_again_and_again_is_counted),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(key);
	return failed;
}

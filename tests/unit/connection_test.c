/* connection: what ends one, and a certificate that is renewed while the gateway dials: by whom it is proved. */
#include "pipelined.h"

#include "course.h"
#include "filters.h"
#include "link.h"
#include "paired.h"

static pid_t server;
static char first[4096];
static size_t first_n;

static size_t read_cert(char out[4096])
{
	FILE *f = fopen(scout_certfile(scout), "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, 4096, f);
	fclose(f);
	return n;
}

static bool has_first(void)
{
	char now_is[4096];

	return read_cert(now_is) == first_n && memcmp(first, now_is, first_n) == 0;
}

static bool server_is_there(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)conf.uplink_port) };
	CLEANUP(fd_cleanup) int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
}

static int make_paired(void **state)
{
	if (make(state) != 0)
		return -1;
	pipeline_close(&g);
	strcpy(conf.uplink_certfile, scratch_path(&scratch, "device.crt"));
	strcpy(conf.uplink_keyfile, scratch_path(&scratch, "device.key"));
	strcpy(conf.uplink_host, "localhost");
	make_pair("nc1");
	server = serve();
	assert_true(UNTIL(server_is_there()));
	if (scout_open(&conf, no_wake, NULL, &scout) != OK)
		return -1;
	first_n = read_cert(first);
	b.dials = 0;
	start();
	run();
	return 0;
}

static int drop_paired(void **state)
{
	drop(state);
	scout_close(&scout);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}

/* A new pair, which shakes hands, while the dial that is under way goes on. */
static void renew(void)
{
	make_pair("nc1");
	now += 5000;
	assert_true(UNTIL(!has_first(), run()));
	assert_int_equal(b.dials, 1);
}

static void dial_again(unsigned dials)
{
	for (int i = 0; i < 60 && b.dials < dials; i++) {
		now += 100;
		run();
	}
	assert_int_equal(b.dials, dials);
}

static void refuse(void)
{
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .reason = 0x87, .why = "not authorised" });
	run();
}

static void a_refusal_of_the_pair_before_is_not_held_against_the_new_one(void **state)
{
	(void)state;
	renew();
	refuse();                       /* the certificate before has run out, perhaps: that is why there is another */
	assert_false(has_first());
	dial_again(2);
	come_up();
	assert_false(scout_go_back(scout, true, now));      /* it is proved */
	assert_false(has_first());
}

static void a_login_with_the_pair_before_does_not_prove_the_new_one(void **state)
{
	(void)state;
	renew();
	come_up();
	dial_again(2);                  /* now with the new one */
	refuse();
	assert_true(has_first());
	dial_again(3);
	come_up();
	assert_int_equal(b.dials, 3);
}

/* A broker that says no by hanging up, later than a look at it lasted. */
static void a_pair_that_is_hung_up_on_is_not_kept(void **state)
{
	(void)state;
	renew();
	refuse();
	for (unsigned i = 0; i < COURSE_TRIES; i++) {
		assert_false(has_first());
		dial_again(2 + i);
		broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "it hung up on our login" });
		run();
	}
	assert_true(has_first());
	dial_again(2 + COURSE_TRIES);
	come_up();
	for (int64_t end = now + SCOUT_STALE_MS; now < end + 2000;) {
		now += 5000;
		broker_says(&(struct uplink_event){ .kind = UPLINK_ACK });      /* it lives */
		run();
	}
	assert_string_equal(read_alert(sent("/alert/low/", 0))->code, "gateway.certificate");   /* or the next start would be its end */
}

/* Deaf, it would send, be acknowledged, and hear of nobody's answer. */
static void who_cannot_subscribe_dials_again(void **state)
{
	(void)state;
	b.subscribe_err = ERR_FULL;
	come_up();
	assert_int_equal(b.hangups, 1);
	assert_non_null(strstr(last_log, "uplink_lost"));
	b.subscribe_err = OK;
	dial_again(2);
	come_up();
	assert_int_equal(b.hangups, 1);
}

static int make_two(void **state)
{
	if (make(state) != 0)
		return -1;
	pipeline_close(&g);
	strcpy(conf.uplink_host, "localhost");
	strcpy(conf.uplink_others, "localhost:2");
	conf.uplink_port = 1;
	strcpy(conf.uplink_certfile, scratch_path(&scratch, "device.crt"));
	strcpy(conf.uplink_keyfile, scratch_path(&scratch, "device.key"));
	strcpy(conf.uplink_cafile, conf.uplink_certfile);
	make_pair("nc1");
	if (scout_open(&conf, no_wake, NULL, &scout) != OK)
		return -1;
	b.dials = 0;
	start();
	run();
	return 0;
}

static int drop_two(void **state)
{
	drop(state);
	scout_close(&scout);
	return 0;
}

/* It shakes hands and takes the login, and then ends the connection, again and again. */
static void a_broker_with_which_nothing_holds_is_left(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= LINK_FLAPS + 1; i++) {
		dial_again(i);
		assert_int_equal(b.port, 1);
		come_up();
		broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .reason = 0x97, .why = "Quota exceeded" });
		run();
	}
	dial_again(LINK_FLAPS + 2);
	assert_int_equal(b.port, 2);
	come_up();
	now += LINK_STEADY_MS;
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "the connection broke" });
	run();
	dial_again(LINK_FLAPS + 3);
	assert_int_equal(b.port, 2);    /* one that held is worth another try */
}

static void a_broker_that_answers_nothing_is_left(void **state)
{
	(void)state;
	b.deaf = true;
	come_up();
	for (unsigned i = 0; i < 100 && b.dials < 2; i++) {
		now += 1000;
		run();
	}
	assert_int_equal(b.dials, 2);
	assert_int_equal(b.port, 2);
}

static void receipts_are(int reason)
{
	broker_says(&(struct uplink_event){ .kind = UPLINK_SUBSCRIBED, .at = FILTERS_RECEIPTS, .reason = reason });
	run();
}

/* As after a quarantine, or a role taken away and given back: nobody tells a client that it may again. */
static void what_is_refused_is_asked_for_again(void **state)
{
	static const int64_t wait[] = { 5000, 10000, 20000, 40000, 60000, 60000 };
	unsigned asked = 1;

	(void)state;
	come_up();
	assert_int_equal(b.subscriptions, asked);
	receipts_are(0x87);
	assert_non_null(strstr(last_log, "subscribe_refused"));
	for (size_t i = 0; i < countof(wait); i++) {
		strcpy(last_log, "");
		now += wait[i] - 1;
		broker_says(&(struct uplink_event){ .kind = UPLINK_ACK });      /* it lives */
		run();
		assert_int_equal(b.subscriptions, asked);
		now += 1;
		run();
		assert_int_equal(b.subscriptions, ++asked);
		receipts_are(0x87);
		assert_null(strstr(last_log, "subscribe_refused"));
	}
	now += 60000;
	broker_says(&(struct uplink_event){ .kind = UPLINK_ACK });
	run();
	assert_int_equal(b.subscriptions, ++asked);
	receipts_are(1);
	assert_non_null(strstr(last_log, "subscribe_granted"));
	assert_int_equal(b.hangups, 0);
	for (int i = 0; i < 10; i++) {
		now += 60000;
		broker_says(&(struct uplink_event){ .kind = UPLINK_ACK });
		run();
	}
	assert_int_equal(b.subscriptions, asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(who_cannot_subscribe_dials_again),
		WITH_HOUSE(what_is_refused_is_asked_for_again),
		cmocka_unit_test_setup_teardown(a_broker_with_which_nothing_holds_is_left, make_two, drop_two),
		cmocka_unit_test_setup_teardown(a_broker_that_answers_nothing_is_left, make_two, drop_two),
		cmocka_unit_test_setup_teardown(a_refusal_of_the_pair_before_is_not_held_against_the_new_one, make_paired, drop_paired),
		cmocka_unit_test_setup_teardown(a_pair_that_is_hung_up_on_is_not_kept, make_paired, drop_paired),
		cmocka_unit_test_setup_teardown(a_login_with_the_pair_before_does_not_prove_the_new_one, make_paired, drop_paired),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

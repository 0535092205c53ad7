/* scout: what is in force when files change. Against real brokers: tests/soak/uplink.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "crypt.h"
#include "log.h"
#include "scout.h"
#include "scratch.h"
#include "until.h"

/* ---- files ---- */

static struct scratch scratch;
static struct conf conf;

#include "paired.h"

static void no_wake(void *ctx) { (void)ctx; }

static char last_log[1024];

static void keep_log(enum log_level level, const char *line)
{
	(void)level;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

static int make(void **state)
{
	(void)state;
	log_to(keep_log);
	scratch_make(&scratch);
	conf_init(&conf);
	strcpy(conf.uplink_cafile, scratch_path(&scratch, "device.crt"));
	strcpy(conf.uplink_certfile, scratch_path(&scratch, "device.crt"));
	strcpy(conf.uplink_keyfile, scratch_path(&scratch, "device.key"));
	strcpy(conf.uplink_host, "localhost");
	conf.uplink_port = 1;           /* nobody is there */
	make_pair("nc1");
	return crypt_init() == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static size_t read_file(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, cap, f);
	fclose(f);
	return n;
}

/* Looks until the try that began is over. */
static enum scout_news look(struct scout *s, int64_t now_ms)
{
	enum scout_news news = SCOUT_NOTHING;
	unsigned better;

	for (int i = 0; i < 200 && news == SCOUT_NOTHING; i++) {
		news = scout_look(s, 0, now_ms, &better);
		usleep(1000);
	}
	return news;
}

static void a_pair_that_was_not_taken_does_not_come_into_force(void **state)
{
	char before[4096], after[4096];
	struct scout *s = NULL;
	size_t n;

	(void)state;
	assert_int_equal(scout_open(&conf, no_wake, NULL, &s), OK);
	assert_int_equal(scout_brokers(s), 1);
	n = read_file(scout_certfile(s), before, sizeof(before));
	assert_true(n > 0);
	make_pair("nc1");               /* good, but no broker answers */
	assert_true(UNTIL(strstr(last_log, "certificate_refused"), look(s, 10000)));
	assert_false(scout_stale(s, 10000 + SCOUT_STALE_MS - 1));
	assert_true(scout_stale(s, 10000 + SCOUT_STALE_MS));
	make_pair("nc2");               /* another device's */
	assert_int_equal(look(s, 100000), SCOUT_NOTHING);
	remove(conf.uplink_keyfile);
	assert_int_equal(look(s, 200000), SCOUT_NOTHING);
	assert_int_equal(read_file(scout_certfile(s), after, sizeof(after)), n);
	assert_memory_equal(before, after, n);
	assert_string_equal(scout_cert(s).device, "nc1");
	scout_close(&s);
}

/* As that of all public CAs. */
static void a_long_list_of_cas_is_one_too(void **state)
{
	char command[1200];
	struct scout *s = NULL;

	(void)state;
	strcpy(conf.uplink_cafile, scratch_path(&scratch, "all.crt"));
	snprintf(command, sizeof(command), "for i in $(seq 400); do cat %s; done >%s", conf.uplink_certfile, conf.uplink_cafile);
	assert_int_equal(system(command), 0);
	assert_int_equal(scout_open(&conf, no_wake, NULL, &s), OK);
	scout_close(&s);
}

static void a_pair_of_another_hospital_is_not_even_tried(void **state)
{
	struct scout *s = NULL;

	(void)state;
	assert_int_equal(scout_open(&conf, no_wake, NULL, &s), OK);
	make_pair_of("nc1", "grace");
	assert_int_equal(look(s, 10000), SCOUT_NOTHING);
	assert_true(UNTIL(strstr(last_log, err_text(ERR_SENDER)), look(s, 10000)));
	scout_close(&s);
}

/* Until the server is there. */
static enum scout_news look_until(struct scout *s, int64_t now)
{
	enum scout_news news = SCOUT_NOTHING;

	for (int i = 0; i < 100 && news == SCOUT_NOTHING; i++, now += 60000)
		news = look(s, now);
	return news;
}

/* A handshake is no login: what the broker refuses afterwards must not have replaced what works. */
static void the_pair_before_is_kept_until_a_login_was_taken(void **state)
{
	char before[4096], after[4096];
	struct scout *s = NULL;
	pid_t pid = serve();
	size_t n;

	(void)state;
	assert_int_equal(scout_open(&conf, no_wake, NULL, &s), OK);
	n = read_file(scout_certfile(s), before, sizeof(before));
	assert_false(scout_go_back(s, true, 1000));   /* there was none before it */
	make_pair("nc1");
	assert_int_equal(look_until(s, 10000), SCOUT_CERTIFICATE);
	assert_true(read_file(scout_certfile(s), after, sizeof(after)) != n || memcmp(before, after, n) != 0);
	assert_true(scout_go_back(s, true, 10000000));
	assert_non_null(strstr(last_log, "certificate_refused"));
	assert_int_equal(read_file(scout_certfile(s), after, sizeof(after)), n);
	assert_memory_equal(before, after, n);
	assert_true(scout_stale(s, 10000000 + SCOUT_STALE_MS));
	assert_int_equal(look(s, 10000000 + 3599000), SCOUT_NOTHING);   /* not again at once */
	assert_int_equal(look_until(s, 10000000 + 3606000), SCOUT_CERTIFICATE);
	assert_int_equal(look(s, 19000000), SCOUT_NOTHING);
	assert_true(scout_stale(s, 19000000));  /* it was not taken the last time */
	scout_taken(s);
	assert_int_equal(look(s, 19100000), SCOUT_NOTHING);
	assert_false(scout_stale(s, 20000000));
	assert_false(scout_go_back(s, true, 20000000));
	scout_close(&s);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Nobody said no to it: a broker may have been away just then. */
static void a_pair_with_which_no_login_came_about_is_tried_again(void **state)
{
	int64_t now = 10000, waits[] = { 60000, 120000 };
	struct scout *s = NULL;
	pid_t pid = serve();

	(void)state;
	assert_int_equal(scout_open(&conf, no_wake, NULL, &s), OK);
	make_pair("nc1");
	assert_int_equal(look_until(s, now), SCOUT_CERTIFICATE);
	for (size_t i = 0; i < countof(waits); i++) {
		now += 10000000;
		assert_true(scout_go_back(s, false, now));
		assert_non_null(strstr(last_log, "tried again"));
		now += waits[i];
		for (int k = 0; k < 5; k++)     /* longer than a try takes */
			assert_int_equal(look(s, now - 1), SCOUT_NOTHING);
		assert_int_equal(look_until(s, now + 5000), SCOUT_CERTIFICATE);
	}
	scout_close(&s);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Begins a record of 16 KiB and sends a byte of it every few milliseconds, as long as somebody is there: a minute would not do. */
struct tarpit {
	int listener;
	bool left_alone;
};

static bool is_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char b[512];

	return poll(&p, 1, 4) > 0 && recv(fd, b, sizeof(b), 0) <= 0;
}

static void *trickle(void *arg)
{
	struct tarpit *t = arg;
	int fd = accept(t->listener, NULL, NULL);

	(void)!send(fd, "\x16\x03\x03\x3f\xff", 5, 0);
	t->left_alone = UNTIL(is_left(fd) || send(fd, "x", 1, MSG_NOSIGNAL) < 0);
	close(fd);
	return NULL;
}

static void a_broker_that_trickles_holds_nobody(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct tarpit t = { .listener = socket(AF_INET, SOCK_STREAM, 0) };
	socklen_t n = sizeof(at);
	struct scout *s = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(bind(t.listener, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(t.listener, 1), 0);
	assert_int_equal(getsockname(t.listener, (struct sockaddr *)&at, &n), 0);
	assert_int_equal(pthread_create(&thread, NULL, trickle, &t), 0);
	conf.uplink_port = ntohs(at.sin_port);
	conf.uplink_connect_timeout_ms = 300;
	assert_int_equal(scout_open(&conf, no_wake, NULL, &s), OK);
	make_pair("nc1");
	assert_true(UNTIL(strstr(last_log, "too slow"), look(s, 10000)));
	scout_close(&s);
	pthread_join(thread, NULL);
	assert_true(t.left_alone);
	close(t.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pair_that_was_not_taken_does_not_come_into_force, make, drop),
		cmocka_unit_test_setup_teardown(a_long_list_of_cas_is_one_too, make, drop),
		cmocka_unit_test_setup_teardown(a_pair_of_another_hospital_is_not_even_tried, make, drop),
		cmocka_unit_test_setup_teardown(the_pair_before_is_kept_until_a_login_was_taken, make, drop),
		cmocka_unit_test_setup_teardown(a_pair_with_which_no_login_came_about_is_tried_again, make, drop),
		cmocka_unit_test_setup_teardown(a_broker_that_trickles_holds_nobody, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

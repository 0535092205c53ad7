/* vigil: the watchdog is fed while things move and not a moment longer; files come, are renewed, and go. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "scratch.h"
#include "until.h"
#include "vigil.h"

static struct scratch scratch;
static struct conf conf;
static struct vigil v;
static int systemd = -1;
static char last_log[1024];
static unsigned logged;

static void keep_log(enum log_level level, const char *line)
{
	(void)level;
	logged++;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

static int make(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)state;
	log_to(keep_log);
	logged = 0;
	scratch_make(&scratch);
	conf_init(&conf);
	strcpy(conf.health_status, scratch_path(&scratch, "status"));
	strcpy(conf.health_metrics, scratch_path(&scratch, "pullcord.prom"));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", scratch_path(&scratch, "notify"));
	systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(bind(systemd, (struct sockaddr *)&a, sizeof(a)) == 0);
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	setenv("WATCHDOG_USEC", "8000000", 1);
	return vigil_open(&conf, &v) == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	vigil_close(&v);
	fd_cleanup(&systemd);
	scratch_remove(&scratch);
	return 0;
}

/* How often `word` came since the last look. */
static unsigned heard(const char *word)
{
	char text[2048];
	unsigned n = 0;

	for (ssize_t got; (got = recv(systemd, text, sizeof(text) - 1, 0)) >= 0;) {
		text[got] = '\0';
		n += strncmp(text, word, strlen(word)) == 0;
	}
	return n;
}

static struct health at(int64_t ms)
{
	return (struct health){ .device = "nc-1", .tenant = "mercy", .version = "0.1", .boot = "00", .broker = "b", .connected = 1,
				.mono_ms = ms, .room_messages = 10 };
}

static void look(int64_t ms, enum health_fault fault)
{
	struct health h = at(ms);

	if (fault < HEALTH_FAULTS_END)
		h.fault[fault] = true;
	vigil_look(&v, &h);
}

static void what_moves_is_fed_twice_in_its_time(void **state)
{
	unsigned fed = 0;

	(void)state;
	for (int64_t ms = 100000; ms < 116000; ms += 500) {
		if (vigil_is_due(&v, ms))
			look(ms, HEALTH_FAULTS_END);
		fed += heard("WATCHDOG=1");
	}
	assert_int_equal(fed, 4);                        /* in 16 s, of 8 s each */
	assert_int_equal(vigil_stuck_ms(&v), 8000);
}

static void what_is_stuck_is_fed_no_more_until_it_moves(void **state)
{
	static const enum health_fault stuck[] = { HEALTH_WRITER, HEALTH_UPLINK };

	(void)state;
	for (size_t i = 0; i < countof(stuck); i++) {
		look(100000, HEALTH_FAULTS_END);
		(void)heard("");
		logged = 0;
		for (int64_t ms = 110000; ms < 200000; ms += 1000)
			look(ms, stuck[i]);
		assert_int_equal(logged, 1);             /* once, not each second */
		assert_non_null(strstr(last_log, "gateway_stuck"));
		assert_non_null(strstr(last_log, health_fault_text(stuck[i])));
		assert_int_equal(heard("WATCHDOG=1"), 0);
		look(200000, HEALTH_FAULTS_END);
		assert_int_equal(heard("WATCHDOG=1"), 1);
		v.watchdog_due_ms = 0;
	}
}

/* What a restart would not mend. */
static void what_is_only_ill_is_fed(void **state)
{
	(void)state;
	for (unsigned f = HEALTH_STUCK_END; f < HEALTH_FAULTS_END; f++) {
		look(100000 + f * 10000, (enum health_fault)f);
		assert_int_equal(heard("WATCHDOG=1"), 1);
	}
}

static void the_status_is_said_when_it_changes(void **state)
{
	(void)state;
	look(100000, HEALTH_FAULTS_END);
	assert_int_equal(heard("STATUS=well, 0 waiting"), 1);
	look(101000, HEALTH_FAULTS_END);
	assert_int_equal(heard("STATUS="), 0);
	look(102000, HEALTH_DISK);
	assert_int_equal(heard("STATUS=degraded, 0 waiting: the outbox cannot be written"), 1);
}

static size_t read_it(const char *path, char out[HEALTH_TEXT_MAX])
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(out, 1, HEALTH_TEXT_MAX - 1, f) : 0;

	if (f)
		fclose(f);
	out[n] = '\0';
	return n;
}

/* The thread that writes is another. */
static void wait_for(const char *path, const char *what)
{
	static char text[HEALTH_TEXT_MAX];

	assert_true(UNTIL(read_it(path, text) && strstr(text, what)));
}

static void files_come_are_renewed_and_go(void **state)
{
	(void)state;
	look(100000, HEALTH_FAULTS_END);
	wait_for(conf.health_status, "\"mono_ms\":100000");
	wait_for(conf.health_status, "\"condition\":\"well\"");
	wait_for(conf.health_metrics, "pullcord_gateway_connected 1\n");
	look(104000, HEALTH_DISK);                       /* each at its own pace */
	look(105000, HEALTH_ASIDE);
	wait_for(conf.health_status, "\"mono_ms\":105000");
	wait_for(conf.health_metrics, "pullcord_gateway_fault{fault=\"set-aside\"} 0\n");
	look(115000, HEALTH_ASIDE);
	wait_for(conf.health_metrics, "pullcord_gateway_fault{fault=\"set-aside\"} 1\n");
	vigil_close(&v);
	assert_int_not_equal(access(conf.health_status, F_OK), 0);
	assert_int_not_equal(access(conf.health_metrics, F_OK), 0);
}

static void a_file_that_cannot_be_written_is_logged_once(void **state)
{
	int64_t ms = 100000;

	(void)state;
	vigil_close(&v);
	strcpy(conf.health_status, scratch_path(&scratch, "no/such/folder"));
	conf.health_metrics[0] = '\0';
	assert_int_equal(vigil_open(&conf, &v), OK);
	logged = 0;
	assert_true(UNTIL(logged, look(ms, HEALTH_FAULTS_END), ms += 5000));
	assert_non_null(strstr(last_log, "bulletin_not_written"));
	assert_non_null(strstr(last_log, "no/such/folder"));
	for (ms = 10000000; ms < 10100000; ms += 5000)
		look(ms, HEALTH_FAULTS_END);
	assert_int_equal(logged, 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(what_moves_is_fed_twice_in_its_time), WITH(what_is_stuck_is_fed_no_more_until_it_moves),
		WITH(what_is_only_ill_is_fed), WITH(the_status_is_said_when_it_changes), WITH(files_come_are_renewed_and_go),
		WITH(a_file_that_cannot_be_written_is_logged_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

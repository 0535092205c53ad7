/* notify: what systemd would hear, at a real socket of a path and an abstract one. */
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

#include "notify.h"
#include "scratch.h"

static struct scratch scratch;
static struct notify n;
static int systemd = -1;

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int drop(void **state)
{
	(void)state;
	notify_close(&n);
	fd_cleanup(&systemd);
	scratch_remove(&scratch);
	return 0;
}

static void listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	memcpy(a.sun_path, path, len);
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(systemd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
}

static const char *heard(void)
{
	static char text[512];
	ssize_t got = recv(systemd, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	return got >= 0 ? text : NULL;
}

static void it_is_heard_at_a_path(void **state)
{
	(void)state;
	listen_at(scratch_path(&scratch, "notify"));
	notify_open(&n);
	notify_say(&n, "READY=1");
	notify_say(&n, "STATUS=well");
	assert_string_equal(heard(), "READY=1");
	assert_string_equal(heard(), "STATUS=well");
	assert_null(heard());
}

static void and_at_an_abstract_address(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@pullcord-notify-test-%d", (int)getpid());
	listen_at(name);
	notify_open(&n);
	notify_say(&n, "READY=1");
	assert_string_equal(heard(), "READY=1");
}

static void without_systemd_nothing_is_said(void **state)
{
	char longest[300];

	(void)state;
	notify_open(&n);
	assert_int_equal(n.fd, -1);
	notify_say(&n, "READY=1");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	notify_open(&n);
	assert_int_equal(n.fd, -1);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);      /* of another kind of socket, sd_notify(3) */
	notify_open(&n);
	assert_int_equal(n.fd, -1);
}

/* A manager that does not read must not hold up the loop. */
static void it_never_waits(void **state)
{
	unsigned n_heard = 0;

	(void)state;
	listen_at(scratch_path(&scratch, "notify"));
	notify_open(&n);
	for (int i = 0; i < 100000; i++)
		notify_say(&n, "WATCHDOG=1");
	while (heard())
		n_heard++;
	assert_true(n_heard > 0 && n_heard < 100000);
	notify_say(&n, "WATCHDOG=1");
	assert_string_equal(heard(), "WATCHDOG=1");
	fd_cleanup(&systemd);
	notify_say(&n, "WATCHDOG=1");                    /* it has gone */
}

static void the_watchdog_is_for_whom_it_names(void **state)
{
	char pid[16];

	(void)state;
	setenv("WATCHDOG_USEC", "30000000", 1);
	notify_open(&n);
	assert_int_equal(n.watchdog_ms, 0);              /* nobody listens */
	listen_at(scratch_path(&scratch, "notify"));
	notify_open(&n);
	assert_int_equal(n.watchdog_ms, 30000);
	notify_close(&n);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&n);
	assert_int_equal(n.watchdog_ms, 30000);
	notify_close(&n);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	assert_int_equal(n.watchdog_ms, 0);
	notify_close(&n);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "soon", 1);
	notify_open(&n);
	assert_int_equal(n.watchdog_ms, 0);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(it_is_heard_at_a_path), WITH(and_at_an_abstract_address), WITH(without_systemd_nothing_is_said),
		WITH(it_never_waits), WITH(the_watchdog_is_for_whom_it_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

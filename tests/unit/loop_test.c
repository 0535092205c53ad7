#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop.h"

static struct loop *loop;
static int calls;

static int set_up(void **state)
{
	(void)state;
	calls = 0;
	return loop_open(&loop) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_close(&loop);
	assert_null(loop);
	return 0;
}

static void stop(void *unused)
{
	(void)unused;
	loop_stop(loop);
}

static void count(void *unused)
{
	(void)unused;
	calls++;
}

/* ---- timers, wakers, signals ---- */

static void a_timer_fires_once_and_never_early(void **state)
{
	struct timer *t, *end;
	int64_t began;

	(void)state;
	assert_int_equal(timer_open(loop, stop, NULL, &end), OK);
	assert_int_equal(timer_open(loop, count, NULL, &t), OK);
	began = loop_now_ms(loop);
	timer_set(t, 1);
	timer_set(end, 20);
	loop_run(loop);
	assert_true(loop_now_ms(loop) - began >= 20);
	assert_int_equal(calls, 1);
	timer_close(&t);
	assert_null(t);
	timer_close(&t);
	timer_close(&end);
}

static void a_timer_set_again_moves_and_stopped_is_silent(void **state)
{
	struct timer *moved, *stopped, *end;

	(void)state;
	assert_int_equal(timer_open(loop, count, NULL, &moved), OK);
	assert_int_equal(timer_open(loop, count, NULL, &stopped), OK);
	assert_int_equal(timer_open(loop, stop, NULL, &end), OK);
	timer_set(moved, 1);
	timer_set(moved, 60000);
	timer_set(stopped, 1);
	timer_stop(stopped);
	timer_set(end, 15);
	loop_run(loop);
	assert_int_equal(calls, 0);
	/* left open: loop_close() takes them */
}

static struct waker *waker;

static void *wake_thrice(void *unused)
{
	for (int i = 0; i < 3; i++)
		waker_wake(waker);
	return unused;
}

static void count_and_stop(void *unused)
{
	count(unused);
	loop_stop(loop);
}

static void another_thread_wakes_the_loop(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(waker_open(loop, count_and_stop, NULL, &waker), OK);
	assert_int_equal(pthread_create(&thread, NULL, wake_thrice, NULL), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_in_range(calls, 1, 3);
	waker_close(&waker);
	assert_null(waker);
}

static void signalled(void *ctx, int signum)
{
	*(int *)ctx = signum;
	loop_stop(loop);
}

static void a_signal_arrives_as_a_call(void **state)
{
	int got = 0;

	(void)state;
	assert_int_equal(loop_on_signal(loop, SIGUSR1, signalled, &got), OK);
	raise(SIGUSR1);
	loop_run(loop);
	assert_int_equal(got, SIGUSR1);
}

/* ---- connections: the peers are plain sockets, the loop runs until nothing is left to do ---- */

static struct echo {
	struct conn *conn;
	char got[64];
	size_t n;
	int closed, accepted;
	bool refuse, close_at_data, pause;
} echo;

static void *echo_accept(void *ctx, struct conn *c)
{
	struct echo *e = ctx;

	e->accepted++;
	e->conn = c;
	return e->refuse ? NULL : e;
}

static void echo_data(void *ctx, struct span bytes)
{
	struct echo *e = ctx;
	size_t n = bytes.n < sizeof(e->got) - e->n - 1 ? bytes.n : sizeof(e->got) - e->n - 1;

	memcpy(e->got + e->n, bytes.p, n);
	e->n += n;
	assert_int_equal(conn_write(e->conn, bytes), OK);
	if (e->pause)
		conn_pause(e->conn);
	if (e->close_at_data)
		conn_close(e->conn);
	if (e->pause && e->close_at_data)
		conn_pause(e->conn);
	loop_stop(loop);
}

static void echo_closed(void *ctx)
{
	struct echo *e = ctx;

	e->closed++;
	loop_stop(loop);
}

static const struct conn_events echoes = { echo_accept, echo_data, echo_closed, NULL, NULL };

static struct listener *listen_at(const char *address, unsigned most)
{
	struct listener *l = NULL;

	echo = (struct echo){ 0 };
	assert_int_equal(listener_open(loop, address, most, &echoes, &echo, &l), OK);
	return l;
}

static int dial(const struct listener *l)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)listener_port(l)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Gives the loop a little time. */
static void turn(int64_t ms)
{
	struct timer *t;

	assert_int_equal(timer_open(loop, stop, NULL, &t), OK);
	timer_set(t, ms);
	loop_run(loop);
	timer_close(&t);
}

static void bytes_come_in_and_go_out(void **state)
{
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l);
	char back[8];

	(void)state;
	assert_true(listener_port(l) > 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	loop_run(loop);
	assert_string_equal(echo.got, "hello");
	assert_memory_equal(conn_peer(echo.conn), "127.0.0.1:", 10);
	assert_int_equal(read(fd, back, sizeof(back)), 5);
	close(fd);
	loop_run(loop);
	assert_int_equal(echo.closed, 1);
	listener_close(&l);
}

static void what_was_written_arrives_before_the_end(void **state)
{
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l);
	char back[8];

	(void)state;
	echo.close_at_data = true;
	assert_int_equal(write(fd, "bye", 3), 3);
	loop_run(loop);
	assert_int_equal(echo.closed, 0);
	assert_int_equal(conn_write(echo.conn, SPAN_LIT("more")), ERR_CLOSED);
	assert_int_equal(write(fd, "unheard", 7), 7);   /* must not turn the end into a reset */
	turn(5);
	assert_int_equal(read(fd, back, sizeof(back)), 3);
	assert_int_equal(read(fd, back, sizeof(back)), 0);
	assert_string_equal(echo.got, "bye");
	close(fd);
	loop_run(loop);
	assert_int_equal(echo.closed, 1);
	listener_close(&l);
}

static void a_paused_connection_hears_nothing_until_resumed(void **state)
{
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l);

	(void)state;
	echo.pause = true;
	assert_int_equal(write(fd, "a", 1), 1);
	loop_run(loop);
	assert_int_equal(write(fd, "b", 1), 1);
	turn(10);
	assert_string_equal(echo.got, "a");
	conn_resume(echo.conn);
	turn(10);
	assert_string_equal(echo.got, "ab");
	close(fd);
	listener_close(&l);
}

static void a_paused_connection_can_end(void **state)
{
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l);

	(void)state;
	echo.pause = echo.close_at_data = true;
	assert_int_equal(write(fd, "a", 1), 1);
	loop_run(loop);
	close(fd);
	turn(20);
	assert_int_equal(echo.closed, 1);
	listener_close(&l);
}

static void a_peer_that_does_not_read_is_noticed(void **state)
{
	static uint8_t block[65536];
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l), sent = 0;
	enum err e = OK;

	(void)state;
	turn(10);
	while (e == OK && sent++ < 1000)
		e = conn_write(echo.conn, span(block, sizeof(block)));
	assert_int_equal(e, ERR_FULL);
	close(fd);
	while (!echo.closed)
		turn(5);
	listener_close(&l);
}

/* What is gathered waits, too. */
static void small_pieces_count_like_large_ones(void **state)
{
	static uint8_t block[65536];
	struct listener *l = listen_at("127.0.0.1:0", 4);
	size_t pieces = 0;
	int fd = dial(l);

	(void)state;
	turn(10);
	while (conn_write(echo.conn, span(block, sizeof(block))) == OK)
		;
	while (conn_write(echo.conn, span(block, 90)) == OK)
		assert_true(pieces++ < sizeof(block) / 90);
	assert_int_equal(conn_write(echo.conn, span(block, 90)), ERR_FULL);
	close(fd);
	while (!echo.closed)
		turn(5);
	listener_close(&l);
}

static void read_all(int fd, uint8_t *to, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = read(fd, to + at, n - at);

		assert_true(got > 0);
		at += (size_t)got;
	}
}

/* Small pieces are gathered, large ones are not. */
static void pieces_arrive_in_order_when_the_turn_ends(void **state)
{
	static uint8_t large[6000], back[6010];
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l);

	(void)state;
	memset(large, 'L', sizeof(large));
	turn(10);
	for (int i = 0; i < 5; i++)
		assert_int_equal(conn_write(echo.conn, SPAN_LIT("a")), OK);
	assert_int_equal(recv(fd, back, sizeof(back), MSG_DONTWAIT), -1);
	assert_int_equal(conn_write(echo.conn, span(large, sizeof(large))), OK);
	assert_int_equal(conn_write(echo.conn, SPAN_LIT("zzzzz")), OK);
	turn(10);
	read_all(fd, back, sizeof(back));
	assert_memory_equal(back, "aaaaaL", 6);
	assert_memory_equal(back + 6004, "Lzzzzz", 6);
	assert_int_equal(conn_write(echo.conn, SPAN_LIT("last")), OK);
	conn_close(echo.conn);
	read_all(fd, back, 4);
	assert_memory_equal(back, "last", 4);
	close(fd);
	listener_close(&l);
}

static void one_too_many_and_refused_ones_are_closed_at_once(void **state)
{
	struct listener *l = listen_at("127.0.0.1:0", 1);
	int a = dial(l), b = dial(l), c;
	char byte;

	(void)state;
	turn(10);
	assert_int_equal(echo.accepted, 1);
	assert_int_equal(read(b, &byte, 1), 0);
	close(a);
	turn(10);
	assert_int_equal(echo.closed, 1);
	echo.refuse = true;
	c = dial(l);
	turn(10);
	assert_int_equal(echo.accepted, 2);
	assert_int_equal(read(c, &byte, 1), 0);
	assert_int_equal(echo.closed, 1);
	close(b);
	close(c);
	listener_close(&l);
}

static void connections_outlive_their_listener_and_end_with_the_loop(void **state)
{
	struct listener *l = listen_at("127.0.0.1:0", 4);
	int fd = dial(l);

	(void)state;
	turn(10);
	listener_close(&l);
	turn(5);
	assert_int_equal(write(fd, "x", 1), 1);
	loop_run(loop);
	assert_string_equal(echo.got, "x");
	loop_close(&loop);
	assert_int_equal(echo.closed, 1);
	close(fd);
	assert_int_equal(loop_open(&loop), OK);
}

static void addresses_are_checked(void **state)
{
	static const char *const wrong[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:x",
					     "localhost:80",
					     ":80", "[::1:80", "[]:80", "[::1]", "999.0.0.1:80", "[:80" };
	struct listener *l = NULL, *six;
	char taken[64];

	(void)state;
	for (size_t i = 0; i < countof(wrong); i++)
		assert_true(listener_open(loop, wrong[i], 1, &echoes, &echo, &l) == ERR_SYNTAX &&
			    listener_check(wrong[i]) == ERR_SYNTAX);
	assert_int_equal(listener_check("[::1]:0"), OK);
	assert_int_equal(listener_check("/run/s"), OK);
	assert_int_equal(listener_open(loop, "192.0.2.1:0", 1, &echoes, &echo, &l), ERR_NOT_FOUND);
	assert_null(l);
	l = listen_at("127.0.0.1:0", 1);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", listener_port(l));
	assert_int_equal(listener_open(loop, taken, 1, &echoes, &echo, &six), ERR_EXISTS);
	if (listener_open(loop, "[::1]:0", 1, &echoes, &echo, &six) == OK) {   /* not every machine has it */
		assert_true(listener_port(six) > 0);
		listener_close(&six);
	}
	listener_close(&l);
}

static int dial_path(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Closed without unlinking, it is what a crash leaves: a socket file nobody listens at. */
static int bind_path(const char *path, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void a_stale_socket_is_replaced_and_anything_else_is_not(void **state)
{
	char folder[] = "/tmp/pullcord-loop-XXXXXX", path[64], longer[200];
	struct listener *l, *second = NULL;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	fd = bind_path(path, SOCK_DGRAM);
	assert_int_equal(listener_open(loop, path, 1, &echoes, &echo, &second), ERR_EXISTS);   /* another's */
	close(fd);
	unlink(path);
	close(bind_path(path, SOCK_STREAM));
	l = listen_at(path, 2);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(listener_port(l), 0);
	assert_int_equal(listener_open(loop, path, 1, &echoes, &echo, &second), ERR_EXISTS);
	fd = dial_path(path);
	assert_int_equal(write(fd, "u", 1), 1);
	while (!echo.n)
		turn(5);
	assert_string_equal(conn_peer(echo.conn), "local");
	listener_close(&l);
	turn(1);
	assert_int_equal(access(path, F_OK), -1);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(listener_open(loop, path, 1, &echoes, &echo, &second), ERR_EXISTS);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "/tmp/", 5);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(listener_open(loop, longer, 1, &echoes, &echo, &second), ERR_SYNTAX);
	assert_int_equal(listener_open(loop, "/nonexistent/s", 1, &echoes, &echo, &second), ERR_NOT_FOUND);
	close(fd);
	rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_timer_fires_once_and_never_early),
		TEST(a_timer_set_again_moves_and_stopped_is_silent),
		TEST(another_thread_wakes_the_loop),
		TEST(a_signal_arrives_as_a_call),
		TEST(bytes_come_in_and_go_out),
		TEST(what_was_written_arrives_before_the_end),
		TEST(a_paused_connection_hears_nothing_until_resumed),
		TEST(a_paused_connection_can_end),
		TEST(pieces_arrive_in_order_when_the_turn_ends),
		TEST(a_peer_that_does_not_read_is_noticed),
		TEST(small_pieces_count_like_large_ones),
		TEST(one_too_many_and_refused_ones_are_closed_at_once),
		TEST(connections_outlive_their_listener_and_end_with_the_loop),
		TEST(addresses_are_checked),
		TEST(a_stale_socket_is_replaced_and_anything_else_is_not),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

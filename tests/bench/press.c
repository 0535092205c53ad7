/* press: the buttons of a ward, on a gateway's local socket.
 *
 *     press SOCKET
 *
 *     < rate COUNT WINDOW PRIORITY     > done START END      as fast as it goes with so many not yet durable
 *     < pace COUNT PER_S PRIORITY      > done START END      evenly; ns on load_now_ns(), END: the last "durable"
 *
 * Every press is of a bed that never called before, so that nothing is a repeat and folded; it comes from one of
 * several stations and is of one of several kinds, so that none is over the rates bench.py sets. Anything refused ends
 * the program. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define STATIONS 16             /* as many sources as one connection may have */
#define PATIENCE_NS 60000000000LL

static const char *const kinds[] = { "call.normal", "call.bath", "call.service", "call.pain" };

static struct {
	int fd;
	char in[65536];
	size_t n;
	long durable;
	int64_t last_ns;
} line_to;

static void connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (!span_text(span_str(path), at.sun_path, sizeof(at.sun_path)))
		load_fail("%s: too long for a socket", path);
	line_to.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (line_to.fd < 0 || connect(line_to.fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		load_fail("cannot connect to %s", path);
}

static void press(const char *priority, uint32_t n)
{
	static unsigned bed;    /* never one that called before, in no run */
	struct press p = { load_now_ns(), n };
	char id[PRESS_TEXT], line[2048], more[1024] = "";
	int len;

	press_write(&p, id);
	if (load_big())
		snprintf(more, sizeof(more), ",\"values\":[{\"code\":\"150456\",\"system\":\"MDC\",\"name\":\"%0*d\","
			 "\"value\":\"%0*d\"}]", LOAD_BIG_NAME, 0, LOAD_BIG_VALUE, 0);
	len = snprintf(line, sizeof(line),
		       "{\"type\":\"alert\",\"id\":\"%s\",\"source\":\"station-%u\",\"kind\":\"%s\","
		       "\"priority\":\"%s\",\"bed\":\"%u\",\"text\":\"Patient call%0*d\"%s}\n",
		       id, bed % STATIONS, kinds[bed / STATIONS % countof(kinds)], priority, bed,
		       load_big() ? LOAD_BIG_TEXT - 12 : 1, 0, more);
	bed++;
	if (write(line_to.fd, line, (size_t)len) != len)
		load_fail("the gateway does not take more");
}

static void answer(const char *line)
{
	if (strstr(line, "\"durable\"")) {
		line_to.durable++;
		line_to.last_ns = load_now_ns();
	} else if (strstr(line, "\"refused\"") || strstr(line, "\"error\"")) {
		load_fail("the gateway says: %s", line);
	}
}

static void read_answers(void)
{
	ssize_t got = read(line_to.fd, line_to.in + line_to.n, sizeof(line_to.in) - line_to.n);
	char *from = line_to.in, *end;

	if (got <= 0)
		load_fail("the gateway hung up");
	line_to.n += (size_t)got;
	while ((end = memchr(from, '\n', line_to.n - (size_t)(from - line_to.in)))) {
		*end = 0;
		answer(from);
		from = end + 1;
	}
	line_to.n -= (size_t)(from - line_to.in);
	memmove(line_to.in, from, line_to.n);
}

/* Reads what comes, for at most so long. */
static bool listen_for(int64_t ns)
{
	struct timespec most = { ns / 1000000000LL, ns % 1000000000LL };
	struct pollfd p = { line_to.fd, POLLIN, 0 };

	if (ppoll(&p, 1, &most, NULL) <= 0)
		return false;
	read_answers();
	return true;
}

/* Until at most `most` of `sent` are not yet durable. */
static void wait_for(long sent, long most)
{
	while (sent - line_to.durable > most)
		if (!listen_for(PATIENCE_NS))
			load_fail("%ld of %ld presses became durable", line_to.durable, sent);
}

static void listen_until(int64_t ns)
{
	int64_t left;

	while ((left = ns - load_now_ns()) > 0)
		listen_for(left);
}

/* per_s 0: as fast as the window lets it. */
static void run(long count, long window, long per_s, const char *priority)
{
	int64_t start = load_now_ns();

	line_to.durable = 0;
	for (long i = 0; i < count; i++) {
		if (per_s)
			listen_until(start + i * 1000000000LL / per_s);
		else
			wait_for(i, window - 1);
		press(priority, (uint32_t)i);
	}
	wait_for(count, 0);
	load_say("done %" PRId64 " %" PRId64, start, line_to.last_ns);
}

int main(int argc, char **argv)
{
	char line[64], priority[16];
	long count, n;

	if (argc != 2)
		load_fail("SOCKET");
	connect_to(argv[1]);
	load_say("ready");
	while (fgets(line, sizeof(line), stdin)) {
		bool rate = sscanf(line, "rate %ld %ld %15s", &count, &n, priority) == 3;

		if (!rate && sscanf(line, "pace %ld %ld %15s", &count, &n, priority) != 3)
			load_fail("no such command: %s", line);
		run(count, rate ? n : 0, rate ? 0 : n, priority);
	}
	return 0;
}

#include "notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "span.h"

#define WATCHDOG_MAX_US (86400 * UINT64_C(1000000))

static void address(struct notify *n, const char *path)
{
	size_t len = path ? strlen(path) : 0;

	if (len == 0 || len >= sizeof(n->to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	if (path[0] == '@')
		n->to.sun_path[0] = '\0';   /* abstract */
	n->to_n = (unsigned)(offsetof(struct sockaddr_un, sun_path) + len);
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int64_t watchdog_ms(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t v;

	if (pid && (!span_u64(span_str(pid), INT32_MAX, &v) || (pid_t)v != getpid()))
		return 0;   /* meant for another process */
	return us && span_u64(span_str(us), WATCHDOG_MAX_US, &v) ? (int64_t)(v / 1000) : 0;
}

void notify_open(struct notify *n)
{
	*n = (struct notify){ .fd = -1 };
	address(n, getenv("NOTIFY_SOCKET"));
	if (n->fd >= 0)
		n->watchdog_ms = watchdog_ms();
}

void notify_close(struct notify *n)
{
	fd_cleanup(&n->fd);
}

void notify_say(const struct notify *n, const char *what)
{
	if (n->fd >= 0)
		(void)!sendto(n->fd, what, strlen(what), MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_n);
}

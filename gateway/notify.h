/* notify: what systemd hears from us (sd_notify(3)): datagrams to the socket it names. Without one, nothing is said. */
#ifndef PULLCORD_NOTIFY_H
#define PULLCORD_NOTIFY_H

#include <sys/un.h>

#include "base.h"

struct notify {
	int fd;                     /* -1: nobody listens */
	struct sockaddr_un to;
	unsigned to_n;
	int64_t watchdog_ms;        /* the service is ended when it says nothing for so long; 0: it is not watched */
};

/* By $NOTIFY_SOCKET, $WATCHDOG_USEC, $WATCHDOG_PID (sd_watchdog_enabled(3)). */
void notify_open(struct notify *n);
void notify_close(struct notify *n);
/* "READY=1" and the like. Never waits: what finds no room is lost, and said again the next time. */
void notify_say(const struct notify *n, const char *what);

#endif

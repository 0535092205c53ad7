/* counted: put before a broker that runs under callgrind (LD_PRELOAD), so that it tells when asked how many instructions it
 * has executed since it was asked before. Counting starts with the first question: until then, as while a large policy is
 * read, valgrind is quicker. The question is a signal, because valgrind's own way in is not open everywhere; it is answered
 * where the broker waits for its clients, because callgrind does not bear it in a signal's handler. */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

static volatile sig_atomic_t asked;

static void note(int sig)
{
	(void)sig;
	asked = 1;
}

__attribute__((constructor)) static void listen_for_questions(void)
{
	struct sigaction a = { .sa_handler = note };

	sigaction(SIGURG, &a, NULL);
}

__attribute__((visibility("default"))) int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
	if (asked) {
		asked = 0;
		CALLGRIND_START_INSTRUMENTATION;
		CALLGRIND_DUMP_STATS;
	}
	return (int)syscall(SYS_epoll_pwait, epfd, events, maxevents, timeout, NULL, 0);
}

#include "thread.h"

#include <signal.h>
#include <time.h>

enum err thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	rc = pthread_create(thread, NULL, run, arg);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return rc == 0 ? OK : ERR_FULL;
}

enum err thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t how;
	bool good = pthread_condattr_init(&how) == 0 && pthread_condattr_setclock(&how, CLOCK_MONOTONIC) == 0 &&
		    pthread_cond_init(cond, &how) == 0;

	pthread_condattr_destroy(&how);
	return good ? OK : ERR_FULL;
}

void thread_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(cond, lock, &until);
}

#include "thread.h"

#include <signal.h>

#include "clock.h"

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

struct timespec thread_in_ms(int64_t ms)
{
	const int64_t until_us = clock_us(CLOCK_MONOTONIC) + ms * 1000;

	return (struct timespec){ until_us / 1000000, until_us % 1000000 * 1000 };
}

void thread_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
	const struct timespec until = thread_in_ms(ms);

	pthread_cond_timedwait(cond, lock, &until);
}

/* thread: starting one that leaves the program's signals alone, and waits that end in time. */
#ifndef PULLCORD_THREAD_H
#define PULLCORD_THREAD_H

#include <pthread.h>
#include <time.h>

#include "err.h"

/* The thread starts with every signal blocked: signals are for whoever runs the program, and our host may be one.
 * ERR_FULL: the system gives no more. */
enum err thread_start(pthread_t *thread, void *(*run)(void *), void *arg) MUST_USE;

/* A condition whose timed waits are against CLOCK_MONOTONIC, so that setting the clock neither hurries nor stalls them. */
enum err thread_cond_init(pthread_cond_t *cond) MUST_USE;
/* Waits at most `ms`; may come back earlier for no reason. */
void thread_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);
/* For pthread_cond_timedwait() on one, when several waits are to be over by then. */
struct timespec thread_in_ms(int64_t ms);

#endif

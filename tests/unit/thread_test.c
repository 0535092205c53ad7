#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>

#include "clock.h"
#include "thread.h"

static void *look_at_mask(void *mask)
{
	must(pthread_sigmask(SIG_BLOCK, NULL, mask) == 0);
	return NULL;
}

static void a_thread_leaves_signals_to_its_program(void **state)
{
	static const int some[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };
	sigset_t theirs, ours;
	pthread_t thread;

	(void)state;
	assert_int_equal(thread_start(&thread, look_at_mask, &theirs), OK);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &ours), 0);
	for (size_t i = 0; i < countof(some); i++) {
		assert_true(sigismember(&theirs, some[i]));
		assert_false(sigismember(&ours, some[i]));
	}
}

static void a_wait_that_nobody_ends_is_over_when_it_was_to_be(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int64_t until_us = clock_us(CLOCK_MONOTONIC) + 3000;
	pthread_cond_t cond;

	(void)state;
	assert_int_equal(thread_cond_init(&cond), OK);
	pthread_mutex_lock(&lock);
	while (clock_us(CLOCK_MONOTONIC) < until_us)    /* it may come back for no reason */
		thread_cond_wait_ms(&cond, &lock, 3);
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&cond);
}

static void a_moment_to_come_is_a_proper_time(void **state)
{
	static const int64_t ms[] = { 0, 1, 999, 1000, 1001, 86400 * 1000 + 1 };

	(void)state;
	for (size_t i = 0; i < countof(ms); i++) {
		int64_t from = clock_us(CLOCK_MONOTONIC) + ms[i] * 1000;
		struct timespec t = thread_in_ms(ms[i]);

		assert_in_range(t.tv_nsec, 0, 999999999);
		assert_in_range((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000, from, clock_us(CLOCK_MONOTONIC) + ms[i] * 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_leaves_signals_to_its_program),
		cmocka_unit_test(a_wait_that_nobody_ends_is_over_when_it_was_to_be),
		cmocka_unit_test(a_moment_to_come_is_a_proper_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* pulse: of real threads, some of which go round and one of which does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "pulse.h"
#include "until.h"

static sem_t never;
static atomic_bool over;

static void *goes_round(void *unused)
{
	while (!over)
		usleep(1000);
	return unused;
}

static void *waits(void *unused)
{
	sem_wait(&never);
	return unused;
}

static pthread_t thread(void *(*run)(void *), const char *name)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, run, NULL), 0);
	assert_int_equal(pthread_setname_np(t, name), 0);
	return t;
}

static void one_that_does_not_move_is_seen(void **state)
{
	struct pulse p = { 0 };
	pthread_t good, other, bad;
	int64_t now = 1000;

	(void)state;
	sem_init(&never, 0, 0);
	over = false;
	assert_int_equal(pulse_still_ms(&p, "lib_", now), 0);
	other = thread(waits, "another");
	good = thread(goes_round, "lib_good");
	assert_true(UNTIL(pulse_still_ms(&p, "lib_", now += 1000) == 0 && p.n == 1));
	assert_true(UNTIL(pulse_still_ms(&p, "lib_", now += 1000) == 0));
	bad = thread(waits, "lib_bad");
	assert_true(UNTIL(pulse_still_ms(&p, "lib_", now += 1000) >= 60000 && p.n == 2));
	assert_int_equal(pulse_still_ms(&p, "lib_", now += PULSE_GAP_MS + 1), 0);       /* it was us who did not move */
	assert_true(UNTIL(pulse_still_ms(&p, "lib_", now += 1000) >= 5000));
	sem_post(&never);
	sem_post(&never);
	pthread_join(bad, NULL);
	assert_true(UNTIL(pulse_still_ms(&p, "lib_", now += 1000) == 0 && p.n == 1));
	over = true;
	pthread_join(good, NULL);
	pthread_join(other, NULL);
	assert_int_equal(pulse_still_ms(&p, "lib_", now + 1000), 0);
	assert_int_equal(p.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_does_not_move_is_seen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

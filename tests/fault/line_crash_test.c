/* The record dies before every single step in which it writes to a file of its own or flushes one. Whichever that is, the
 * forward-secure line goes on: no epoch is lost or closed twice, its seed is never missing, and is gone when it has to be. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "recording.h"
#include "until.h"

#define MORTAL_WRITES
#define MORTAL_FLUSHES
#include "mortal.h"

#define STEPS_MAX 1000

static struct recording g;
static char line[128];

static int up(void **state)
{
	(void)state;
	recording_make(&g);
	must(snprintf(line, sizeof(line), "%s/record.line", g.folder) < (int)sizeof(line));
	g.spec.line_path = line;
	g.spec.line_every_us = 1;
	g.spec.line_depth = 2;          /* a start, or another, begins the next line */
	return 0;
}

static int down(void **state)
{
	(void)state;
	recording_drop(&g);
	return 0;
}

static void record_some(uint64_t n)
{
	must(record_open(&g.spec, &g.record) == OK);
	must(UNTIL(record_lined(g.record)));
	for (uint64_t i = 0; i < n; i++) {
		struct happening h = publish(i);

		must(record_push(g.record, &h));
	}
	record_close(&g.record);
}

/* False: it lived to its end. */
static bool die_at(int n)
{
	pid_t child = fork();
	int how;

	assert_true(child >= 0);
	if (child == 0) {
		mortal_after(n - 1);
		record_some(5);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how) == DIED;
}

static struct verify_report assert_whole(int n)
{
	struct verify_spec spec = recording_verify(&g);
	struct verify_report r = { 0 };
	enum err e;

	spec.line_path = line;
	e = verify_record(&spec, &r);
	if (e != OK)
		fail_msg("after step %d: %s: %s %llu: %s", n, err_text(e), r.part ? r.part : "?", (unsigned long long)r.index,
			 r.what);
	return r;
}

static void acceptance_5_killed_between_seed_and_checkpoint_the_line_goes_on(void **state)
{
	struct verify_report r = { 0 };
	int n;

	(void)state;
	record_some(5);
	for (n = 1; n < STEPS_MAX && die_at(n); n++) {
		(void)assert_whole(n);          /* as it was left */
		record_some(1);
		r = assert_whole(n);
	}
	assert_in_range(n, 10, STEPS_MAX - 1);
	printf("# died at each of %d steps: %llu epochs of %llu lines over %llu entries\n", n - 1, (unsigned long long)r.line.ends,
	       (unsigned long long)r.line.lines, (unsigned long long)r.entries);
}

/* The first start, when neither store nor line is there in full. */
static void so_at_the_first_start(void **state)
{
	char lock[160], keys[160];
	int n;

	(void)state;
	snprintf(lock, sizeof(lock), "%s-lock", g.path);
	snprintf(keys, sizeof(keys), "%s-keys", g.path);
	for (n = 1; n < STEPS_MAX && die_at(n); n++) {
		record_some(1);
		(void)assert_whole(n);
		must(unlink(g.path) == 0 && unlink(lock) == 0 && unlink(keys) == 0 && unlink(g.sizes) == 0);
	}
	assert_in_range(n, 10, STEPS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acceptance_5_killed_between_seed_and_checkpoint_the_line_goes_on, up, down),
		cmocka_unit_test_setup_teardown(so_at_the_first_start, up, down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The writer's process is killed at random points; then the record must be whole, hold everything that was reported
 * durable, and be no smaller than any checkpoint that was shown; each batch of it is marked, and the marks are those of its
 * line, without a gap. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "reader.h"
#include "recording.h"
#include "seed.h"
#include "sizes.h"
#include "trail.h"

#define ROUNDS (SEED_SLOW ? 100 : 1000)       /* TEST_KILLS=number: so many, however long they take */
#define ROUNDS_S 12             /* a slow machine ends before, but not before ROUNDS_MIN: how many it were is said */
#define ROUNDS_MIN 12
#define VERIFY_EVERY 50
#define BIRTHS 24

static struct recording g;
static char line[128];

/* What the child said before it died. */
static struct said {
	_Atomic uint64_t pushed, durable, shown;
	atomic_bool open, failed;
} *said;

static int folder_make(void **state)
{
	(void)state;
	recording_make(&g);
	g.spec.map_bytes = 64 << 20;
	must(snprintf(line, sizeof(line), "%s/record.line", g.folder) < (int)sizeof(line));
	g.spec.line_path = line;
	g.spec.line_every_us = 1;
	g.spec.line_depth = 4;          /* so that lines follow one another, too */
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(said, MAP_FAILED);
	return 0;
}

static int folder_drop(void **state)
{
	(void)state;
	munmap(said, sizeof(*said));
	recording_drop(&g);
	return 0;
}

static _Noreturn void child_writes(void)
{
	char note[NOTE_BYTES_MAX];
	uint64_t size = 0;

	if (record_open(&g.spec, &g.record) != OK) {
		atomic_store(&said->failed, true);
		_exit(1);
	}
	atomic_store(&said->open, true);
	for (uint64_t i = atomic_load(&said->pushed);; i++) {
		struct happening h = publish(i);

		while (!record_push(g.record, &h))
			usleep(50);
		atomic_store(&said->pushed, i + 1);
		atomic_store(&said->durable, record_durable(g.record));
		if (record_checkpoint(g.record, &size, note, sizeof(note)))
			atomic_store(&said->shown, size);
		if (i % 4 == 0)
			usleep(200);
	}
}

/* What the child must have said before it is killed, however long that takes here. */
struct aim {
	uint64_t pushed, durable, shown;
};

static bool reached(const struct aim *a)
{
	return atomic_load(&said->pushed) >= a->pushed && atomic_load(&said->durable) >= a->durable &&
	       atomic_load(&said->shown) >= a->shown;
}

static bool lives(pid_t child)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static void run_and_kill(struct aim aim, unsigned then_us)
{
	pid_t child = fork();
	int how;

	assert_true(child >= 0);
	if (child == 0)
		child_writes();
	while (!reached(&aim) && lives(child))
		usleep(100);
	usleep(then_us);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_false(atomic_load(&said->failed));
	assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);   /* not of itself */
}

/* One in four dies anywhere, also while it opens; the others after some entries, after some that are durable, and after a
 * checkpoint. */
static void run_and_kill_somewhere(int round)
{
	struct aim aim = { atomic_load(&said->pushed), atomic_load(&said->durable), atomic_load(&said->shown) };
	uint64_t more = 1 + seed_below(200);

	switch (round % 4) {
	case 0: run_and_kill((struct aim){ 0 }, (unsigned)seed_below(30000)); return;
	case 1: aim.pushed += more; break;
	case 2: aim.durable += more; break;
	case 3: aim.shown++; break;
	}
	run_and_kill(aim, (unsigned)seed_below(6000));
}

static struct verify_report assert_whole(void)
{
	struct verify_spec spec = recording_verify(&g);
	struct verify_report r = { 0 };
	enum err e;

	spec.line_path = line;
	e = verify_record(&spec, &r);
	if (e != OK)
		fail_msg("%s: %s %llu: %s", err_text(e), r.part ? r.part : "?", (unsigned long long)r.index, r.what);
	return r;
}

/* Numbers only rise: nothing is there twice or out of order. */
static void assert_in_order(void)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *reader = NULL;
	struct entry entry;
	uint64_t n;
	int64_t last = -1;

	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(reader_get(reader, i, &entry, &e), OK);
		if (!e || e->type != TYPE(PUBLISH))
			continue;
		assert_true((int64_t)e->line > last);
		last = e->line;
	}
	reader_close(&reader);
}

/* After each kill: nothing durable is lost, and no checkpoint that was shown or signed is larger than what is there. That
 * it is also what was signed, the next start checks, and all of it now and then verification. */
static void assert_kept(void)
{
	CLEANUP(sizes_close) struct sizes *sizes = NULL;
	CLEANUP(trail_close) struct trail *t = NULL;
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct checkpoint listed = { .size = 0 };
	struct trail_ends ends;
	struct tree tree;

	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_tree(view, &tree), OK);
	assert_int_equal(view_ends(view, &ends), OK);
	assert_int_equal(sizes_open(g.sizes, span_str(RECORDING_ORIGIN), g.pub, true, &sizes), OK);
	assert_true(sizes_newest(sizes, &listed) == OK || ends.signed_size == 0);
	assert_true(tree.size >= atomic_load(&said->durable));
	assert_true(ends.signed_size >= atomic_load(&said->shown));
	assert_true(listed.size >= ends.signed_size && listed.size <= tree.size);
}

static void acceptance_6_killed_anywhere_it_keeps_what_it_promised(void **state)
{
	struct verify_report r = { 0 };
	const char *given = getenv("TEST_KILLS");
	int rounds = given ? atoi(given) : ROUNDS, least = given ? rounds : ROUNDS_MIN, i;
	unsigned opened = 0;
	time_t start = time(NULL);

	(void)state;
	for (i = 0; i < rounds && (i < least || time(NULL) - start < ROUNDS_S); i++) {
		atomic_store(&said->open, false);
		run_and_kill_somewhere(i);
		opened += atomic_load(&said->open);
		if (!opened)
			continue;
		assert_kept();
		if (i % VERIFY_EVERY == 0)
			(void)assert_whole();
	}
	r = assert_whole();
	assert_in_order();
	assert_true(opened >= (unsigned)i / 4 * 3);
	assert_true(r.checkpoints > 0 && r.line.ends > 0);
	assert_int_equal(record_open(&g.spec, &g.record), OK);
	record_close(&g.record);
	printf("# killed %d times: %llu entries in %u starts, %llu checkpoints, %llu epochs of %llu lines\n", i,
	       (unsigned long long)r.entries, opened, (unsigned long long)r.checkpoints, (unsigned long long)r.line.ends,
	       (unsigned long long)r.line.lines);
}

/* Killed while the files are made. */
static void killed_at_birth_it_can_be_born_again(void **state)
{
	(void)state;
	for (int i = 0; i < BIRTHS; i++) {
		run_and_kill((struct aim){ 0 }, (unsigned)seed_below(4000));
		if (i % 4 < 3)
			continue;
		assert_int_equal(record_open(&g.spec, &g.record), OK);
		record_close(&g.record);
		(void)assert_whole();
		unlink(g.path);
		unlink(g.sizes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acceptance_6_killed_anywhere_it_keeps_what_it_promised, folder_make, folder_drop),
		cmocka_unit_test_setup_teardown(killed_at_birth_it_can_be_born_again, folder_make, folder_drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

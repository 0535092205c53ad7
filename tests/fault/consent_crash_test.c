/* The broker dies at every step of an administrator's command. Then nothing was done that is not on record: first what was
 * about to be done, and what came of it before anybody was told. */
#include "recorded.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define MORTAL_WRITES
#define MORTAL_FLUSHES
#include "mortal.h"

#define PASSES 5
#define COMMAND "{\"commands\":[{\"command\":\"setAttribute\",\"username\":\"bea\",\"name\":\"unit\",\"value\":\"icu3\"}]}"

static atomic_bool *told;           /* the child was answered */

static void run(const char *fmt)
{
	char command[300];

	snprintf(command, sizeof(command), fmt, dir, dir, dir, dir);
	assert_int_equal(system(command), 0);
}

/* Nothing of the test's own frame: it ends here. */
static _Noreturn void child(long after)
{
	struct client c = client_at(0, "ana.t1", NULL);

	guard_start();
	if (person_login(0, "ana", "ana.t1", "correct horse") != GATE_ALLOW ||
	    guard_publish(g, &c, CONTROL_TOPIC, &(struct publish){ SPAN_LIT(COMMAND), 1, false }) != GATE_ALLOW)
		_exit(1);
	for (int i = 0; i < 50; i++) {          /* what logging in wrote is behind us */
		guard_tick(g);
		usleep(1000);
	}
	mortal_after(after);
	guard_control(g, &c, SPAN_LIT(COMMAND));
	(void)UNTIL(times_published(CONTROL_RESPONSE, "ana.t1"), guard_tick(g));
	atomic_store(told, times_published(CONTROL_RESPONSE, "ana.t1") > 0);
	_exit(0);
}

static int die_after(long after)
{
	pid_t pid = fork();
	int how;

	assert_true(pid >= 0);
	if (pid == 0)
		child(after);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how);
}

static bool was_done(void)
{
	struct directory *d = NULL;
	struct account *a = NULL;
	uint8_t root[32];
	bool held = false;

	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(directory_open(in_dir("directory.mdb"), root, true, &d), OK);
	assert_int_equal(directory_find(d, PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("bea"), &a), OK);
	for (size_t i = 0; i < a->subject.attributes; i++)
		held = held || span_is(a->subject.attribute[i].value, "icu3");
	account_free(&a);
	directory_close(&d);
	return held;
}

static void t25_nothing_is_done_that_is_not_on_record_first(void **state)
{
	unsigned begun = 0, silent = 0, all = 0, passes = 0;
	int how = DIED;
	long n;

	(void)state;
	save(PULLCORD__V1__PARTY__PARTY_USER, "ana", "administrator", "icu3", "correct horse");
	guard_close(&g);
	run("cp -r %s %s.before");
	/* Threads write as they come: once more, if one of the three was not hit. */
	for (n = 0; how == DIED || (!(begun && silent && all) && passes < PASSES); n++) {
		bool asked_for, came, done;

		passes += how != DIED;
		n = how == DIED ? n : 0;
		run("rm -r %s && cp -r %s.before %s");
		atomic_store(told, false);
		how = die_after(n);
		assert_true(how == DIED || how == 0);
		done = was_done();
		asked_for = recorded(RECORDED(REQUEST), "username=bea name=unit value=icu3").entries == 1;
		came = recorded(RECORDED(ADMIN), "user:bea unit=icu3: not held -> for good").entries == 1;
		if ((done && !asked_for) || (came && !done) || (atomic_load(told) && !came))
			fail_msg("step %ld: asked for %d, done %d, recorded %d, told %d", n, asked_for, done, came, atomic_load(told));
		begun += asked_for && !done;
		silent += done && !came;
		all += came;
	}
	run("rm -r %s.before");
	guard_start();
	printf("# died before up to %ld steps: %u times after it was announced, %u after it was done, "
	       "%u after that was on record\n", n - 1, begun, silent, all);
	assert_true(begun && silent && all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(t25_nothing_is_done_that_is_not_on_record_first),
	};

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(told != MAP_FAILED);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

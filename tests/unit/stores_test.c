/* Damaged stores, and a record that was set back: the broker comes up, and what was there is kept. */
#include "recorded.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store.h"
#include "stores.h"
#include "successor.h"

#define MORTAL_NAMES
#include "mortal.h"

/* Whoever probes a store is killed, as when memory is short. */
static bool killed;
OURS _Noreturn void _exit(int status)
{
	if (killed)
		kill(getpid(), SIGKILL);
	for (;;)
		syscall(SYS_exit_group, status);
}

static bool no_threads;
OURS int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *with)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return no_threads ? EAGAIN : real(t, a, run, with);
}

static bool there(const char *name) { return access(in_dir(name), F_OK) == 0; }

static void overwrite(const char *name, off_t from, size_t n)
{
	int fd = open(in_dir(name), O_WRONLY);
	uint8_t bad[4096];

	assert_true(fd >= 0);
	memset(bad, 0xff, sizeof(bad));
	for (size_t at = 0; at < n; at += sizeof(bad))
		assert_int_equal(pwrite(fd, bad, sizeof(bad), from + (off_t)at), sizeof(bad));
	close(fd);
}

static void copy(const char *from, const char *to)
{
	char command[600], target[200];

	snprintf(target, sizeof(target), "%s", in_dir(to));
	snprintf(command, sizeof(command), "cp '%s' '%s'", in_dir(from), target);
	assert_int_equal(system(command), 0);
}

/* Its store is as it was before the last start; what knows of signed sizes is not. */
static void set_record_back(void)
{
	guard_close(&g);
	copy("record.mdb", "before.mdb");
	copy("record.mdb-keys", "before.keys");
	guard_start();
	device_login(0, "mercy", "nc-1", "nc-1", NULL);
	guard_close(&g);
	copy("before.mdb", "record.mdb");
	copy("before.keys", "record.mdb-keys");
}

static enum err start_strictly(char what[1024])
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
				   .damaged_refused = true, .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };

	return guard_open(&spec, &g, what, 1024);
}

static void a_record_that_was_set_back_is_followed_by_another(void **state)
{
	struct message m;
	char what[1024];

	(void)state;
	set_record_back();
	assert_int_equal(start_strictly(what), ERR_CORRUPT);
	assert_non_null(strstr(what, "audit renew"));
	assert_false(there("record.mdb.1"));
	guard_start();
	assert_true(there("record.mdb.1") && there("record.mdb.1-keys") && there("record.sizes.1") && there("record.vkey.1"));
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	m = alert_from("nc-1", 1, PULLCORD__V1__PHASE__PHASE_START);
	assert_int_equal(publishes(0, "nc-1", ALERT, &m, false), GATE_ALLOW);
	assert_true(UNTIL(times_published("mercy/unit/operators/alert/high/pullcord", "") == 1, guard_tick(g)));
	assert_int_equal(g->put_aside, 1);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(CONFIGURATION), "shorter than what was signed").entries, 1);
	assert_int_equal(recorded(RECORDED(ANOMALY), "the record was damaged or set back").entries, 1);
	guard_start();                          /* said once */
	assert_int_equal(g->put_aside, 0);
}

/* Whoever trusts its pages is ended. */
static void a_damaged_record_does_not_end_the_broker(void **state)
{
	(void)state;
	guard_close(&g);
	overwrite("record.mdb", 8192, 64 << 10);
	guard_start();
	assert_true(there("record.mdb.1"));
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
}

/* Torn, or gone: who is told, and how it goes on, is as with a record that was set back. */
static void a_record_whose_seed_is_damaged_is_followed_by_another(void **state)
{
	char what[1024];

	(void)state;
	assert_true(UNTIL(record_lined(g->record)));
	guard_close(&g);
	write_file("keys/record.line", "no seed");
	assert_int_equal(start_strictly(what), ERR_CORRUPT);
	guard_start();
	assert_true(there("record.mdb.1"));
	assert_int_equal(g->put_aside, 1);
	assert_true(UNTIL(record_lined(g->record)));
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(CONFIGURATION), "the seed of its forward-secure line is damaged").entries, 1);
	assert_int_equal(unlink(in_dir("keys/record.line")), 0);
	guard_start();
	assert_true(there("record.mdb.2"));
	assert_int_equal(g->put_aside, 1);
}

/* As of a backup without them, or one that was stopped in its midst. */
static void a_record_whose_keys_are_gone_is_followed_by_another(void **state)
{
	char what[1024];

	(void)state;
	guard_close(&g);
	copy("record.mdb-keys", "kept.keys");
	assert_int_equal(unlink(in_dir("record.mdb-keys")), 0);
	assert_int_equal(start_strictly(what), ERR_CORRUPT);
	guard_start();
	assert_true(there("record.mdb.1"));
	assert_int_equal(g->put_aside, 1);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(CONFIGURATION), "the keys of its entries, in the file -keys, are gone").entries, 1);
}

static void a_damaged_history_is_kept_and_another_begins(void **state)
{
	char what[1024];

	(void)state;
	guard_close(&g);
	overwrite("history.mdb", 0, 64 << 10);
	assert_int_equal(start_strictly(what), ERR_CORRUPT);
	assert_non_null(strstr(what, "history.mdb"));
	guard_start();
	assert_int_equal(g->put_aside, 1);
	assert_int_equal(history_count(g->history), 0);
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(CONFIGURATION), "the history was put aside").entries, 1);
}

static void a_probe_that_is_killed_tells_of_no_damage(void **state)
{
	(void)state;
	guard_close(&g);
	killed = true;
	guard_start();
	killed = false;
	assert_int_equal(g->put_aside, 0);
	assert_false(there("record.mdb.1") || there("history.mdb.1"));
	assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
}

static enum err start_with_sizes_at(const char *path, char what[1024])
{
	struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4,
				   .past = past_keep_default(), .sizes_path = path,
				   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };

	return guard_open(&spec, &g, what, 1024);
}

/* On another disk: moved there, it is gone on with, and set back with the record no more. */
static void what_knows_of_sizes_may_lie_elsewhere(void **state)
{
	char elsewhere[200], what[1024];

	(void)state;
	snprintf(elsewhere, sizeof(elsewhere), "%s.sizes", dir);
	guard_close(&g);
	assert_int_equal(start_with_sizes_at(elsewhere, what), ERR_NOT_FOUND);
	assert_non_null(strstr(what, "move record.sizes there"));
	assert_false(there("record.mdb.1"));
	copy("record.sizes", "copy.sizes");
	assert_int_equal(rename(in_dir("record.sizes"), elsewhere), 0);
	assert_int_equal(start_with_sizes_at(elsewhere, what), OK);
	assert_int_equal(g->put_aside, 0);
	guard_close(&g);
	copy("record.mdb", "before.mdb");
	copy("record.mdb-keys", "before.keys");
	assert_int_equal(start_with_sizes_at(elsewhere, what), OK);
	guard_close(&g);
	copy("before.mdb", "record.mdb");
	copy("before.keys", "record.mdb-keys");
	assert_int_equal(start_with_sizes_at(elsewhere, what), OK);
	assert_int_equal(g->put_aside, 1);
	strcat(elsewhere, ".1");
	assert_int_equal(unlink(elsewhere), 0);
	elsewhere[strlen(elsewhere) - 2] = '\0';
	assert_int_equal(unlink(elsewhere), 0);
}

/* What keeps it from starting is told, not the file that it starts without. */
static void a_refused_policy_is_not_blamed_for_what_else_fails(void **state)
{
	char what[1024];

	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  deny both mercy/#\n");
	reload();
	UNTIL(control_idle(g->control));
	write_file("pullcord.policy", policy_text);
	guard_close(&g);
	no_threads = true;
	assert_int_not_equal(start_strictly(what), OK);
	no_threads = false;
	assert_null(strstr(what, "pullcord.policy"));
	assert_int_equal(start_strictly(what), OK);
}

/* Without what was in force before, an older text could not be told from a new one. */
static void an_older_version_that_cannot_be_read_lets_no_file_in(void **state)
{
	static const char *const tables[] = { "account", "owner", "journal", "check", "denial", "edition", NULL };
	const struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = DIRECTORY_MAP_BYTES, .table = tables };
	struct store *s = NULL;
	struct txn *t = NULL;
	struct key64 at;
	uint8_t newest[16];
	char what[1024];

	(void)state;
	write_file("pullcord.policy", "tenant mercy\nrole nurse\n  deny both mercy/#\n");
	reload();
	UNTIL(control_idle(g->control));
	memcpy(newest, policy_version(g->policy), sizeof(newest));
	for (uint64_t number = 1; number <= 2; number++) {
		guard_close(&g);
		at = key64(number);
		assert_int_equal(store_open(in_dir("directory.mdb"), &spec, &s), OK);
		assert_int_equal(txn_begin_write(s, &t), OK);
		assert_int_equal(txn_put(t, 5, key64_span(&at), SPAN_LIT("a row nobody can read, as it is not what was sealed")), OK);
		assert_int_equal(txn_commit(&t), OK);
		store_close(&s);
		write_file("pullcord.policy", policy_text);
		if (number == 2)
			break;
		assert_int_equal(start_strictly(what), OK);
		assert_memory_equal(policy_version(g->policy), newest, sizeof(newest));
		reload();
		assert_memory_equal(policy_version(g->policy), newest, sizeof(newest));
	}
	assert_int_equal(start_strictly(what), OK);     /* nothing is known that could be in force instead: that is told */
	assert_memory_not_equal(policy_version(g->policy), newest, sizeof(newest));
}

/* It may come back; that it does not is a person's decision. */
static void a_disk_that_is_not_mounted_begins_no_other_record(void **state)
{
	char elsewhere[200], away[200], what[1024];
	struct successor next = { .dir = dir, .sizes = elsewhere, .reason = "its disk burned" };

	(void)state;
	snprintf(elsewhere, sizeof(elsewhere), "%s.sizes", dir);
	snprintf(away, sizeof(away), "%s.away", dir);
	guard_close(&g);
	assert_int_equal(rename(in_dir("record.sizes"), away), 0);
	assert_int_equal(start_with_sizes_at(elsewhere, what), ERR_NOT_FOUND);
	assert_non_null(strstr(what, "is its disk mounted?"));
	assert_false(there("record.mdb.1") || access(elsewhere, F_OK) == 0);
	assert_int_equal(rename(away, elsewhere), 0);
	assert_int_equal(start_with_sizes_at(elsewhere, what), OK);
	assert_int_equal(g->put_aside, 0);
	guard_close(&g);
	assert_int_equal(unlink(elsewhere), 0);
	assert_int_equal(start_with_sizes_at(elsewhere, what), ERR_NOT_FOUND);
	assert_int_equal(successor_begin(&next), OK);
	assert_int_equal(start_with_sizes_at(elsewhere, what), OK);
	assert_true(there("record.mdb.1"));
	assert_int_equal(unlink(elsewhere), 0);
}

/* What fits no key is an operator's mistake: nothing is put aside for it. */
static void a_wrong_key_still_refuses(void **state)
{
	char what[1024];
	uint8_t other[32];

	(void)state;
	guard_close(&g);
	remove(in_dir("keys/record.seed"));
	assert_int_equal(vault_make_root(in_dir("keys/record.seed")), OK);
	assert_int_equal(vault_root(in_dir("keys/record.seed"), other), OK);
	{
		struct guard_spec spec = { .dir = dir, .record_mib = 8, .line_depth = 4, .history_mib = 4, .past = past_keep_default(),
					   .host = { host_kick, host_publish, host_answer, host_subscriptions, NULL } };

		assert_int_equal(guard_open(&spec, &g, what, sizeof(what)), ERR_KEY);
	}
	assert_false(there("record.mdb.1"));
}

/* The power fails at any step of it: the next start goes on. */
static void an_interrupted_start_is_gone_on_with(void **state)
{
	unsigned n = 0;
	int status = 0;

	(void)state;
	(void)uninstall(NULL);
	do {
		pid_t child;

		install(NULL);
		set_record_back();
		child = fork();
		if (child == 0) {
			mortal_after(n);
			guard_start();
			_exit(0);
		}
		n++;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		guard_start();
		assert_true(there("record.mdb.1") && there("record.vkey.1"));
		assert_int_equal(g->put_aside, 1);      /* whoever did it, it is told */
		assert_int_equal(device_login(0, "mercy", "nc-1", "nc-1", NULL), GATE_ALLOW);
		(void)uninstall(NULL);
	} while (WEXITSTATUS(status) == DIED);
	assert_true(n > 5);
	install(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_that_was_set_back_is_followed_by_another),
		TEST(a_damaged_record_does_not_end_the_broker),
		TEST(a_record_whose_seed_is_damaged_is_followed_by_another),
		TEST(a_record_whose_keys_are_gone_is_followed_by_another),
		TEST(a_damaged_history_is_kept_and_another_begins),
		TEST(a_probe_that_is_killed_tells_of_no_damage),
		TEST(what_knows_of_sizes_may_lie_elsewhere),
		TEST(a_refused_policy_is_not_blamed_for_what_else_fails),
		TEST(an_older_version_that_cannot_be_read_lets_no_file_in),
		TEST(a_disk_that_is_not_mounted_begins_no_other_record),
		TEST(a_wrong_key_still_refuses),
		TEST(an_interrupted_start_is_gone_on_with),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

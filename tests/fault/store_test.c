/* store: killed while it writes, and on a disk that refuses. What was committed is there, whole; nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"
#include "seed.h"
#include "store.h"

#define PAGES 256
#define PAGE 4096u

enum { A, B };
static const char *const tables[] = { "a", "b", NULL };
static const struct store_spec spec = { .kind = "fault", .version = 1, .map_bytes = PAGES * PAGE, .table = tables };
static struct scratch scratch;

static const char *store_path(void)
{
	return scratch_path(&scratch, "t.mdb");
}

static void forget(void)
{
	remove(store_path());
	remove(scratch_path(&scratch, "t.mdb-lock"));
}

/* Both tables in one transaction: they must never disagree. */
static enum err put_pair(struct store *s, uint64_t n)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct key64 key = key64(n % 50), value = key64(n);
	uint8_t filler[300];

	memset(filler, (int)n, sizeof(filler));
	TRY(txn_begin_write(s, &t));
	TRY(txn_put(t, A, key64_span(&key), key64_span(&value)));
	TRY(txn_put(t, A, SPAN_LIT("last"), key64_span(&value)));
	TRY(txn_put(t, B, SPAN_LIT("filler"), span(filler, sizeof(filler))));
	TRY(txn_put(t, B, SPAN_LIT("last"), key64_span(&value)));
	return txn_commit(&t);
}

static uint64_t last_of(struct store *s, unsigned table)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span v = { NULL, 0 };
	enum err e;

	assert_int_equal(txn_begin_read(s, &t), OK);
	e = txn_get(t, table, SPAN_LIT("last"), &v);
	assert_true(e == OK || e == ERR_NOT_FOUND);
	return key64_value(v);
}

/* Every pair up to the last is there, and nothing after it. */
static uint64_t assert_whole(struct store *s)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint64_t last = last_of(s, A);
	struct span v;

	assert_true(last == last_of(s, B));
	assert_int_equal(txn_begin_read(s, &t), OK);
	for (uint64_t n = last; n > 0 && n + 50 > last; n--) {
		struct key64 key = key64(n % 50);

		assert_int_equal(txn_get(t, A, key64_span(&key), &v), OK);
		assert_true(key64_value(v) == n);
	}
	return last;
}

static void write_until_killed(int say)
{
	struct store *s = NULL;
	uint64_t n;

	if (store_open(store_path(), &spec, &s) != OK)
		_exit(1);
	for (n = last_of(s, A) + 1; put_pair(s, n) == OK; n++)
		if (write(say, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	_exit(1);
}

static uint64_t kill_a_writer(void)
{
	struct timespec wait = { 0, (long)seed_below(8000000) };
	uint64_t n = 0, said = 0;
	int pipe_fd[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_until_killed(pipe_fd[1]);
	close(pipe_fd[1]);
	if (read(pipe_fd[0], &n, sizeof(n)) == sizeof(n))
		said = n;
	nanosleep(&wait, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(pipe_fd[0], &n, sizeof(n)) == sizeof(n))
		said = n;
	close(pipe_fd[0]);
	return said;
}

static void nothing_committed_is_lost_when_the_writer_is_killed(void **state)
{
	(void)state;
	forget();
	for (int round = 0; round < 25; round++) {
		uint64_t said = kill_a_writer(), have;
		struct store *s = NULL;

		assert_int_equal(store_open(store_path(), &spec, &s), OK);
		have = assert_whole(s);
		assert_true(have == said || have == said + 1);   /* the last may have been committed but not said */
		store_close(&s);
	}
}

/* A writer killed inside a transaction leaves no lock behind. */
static void the_lock_of_a_killed_writer_is_free(void **state)
{
	struct store *s = NULL;
	struct txn *t = NULL;
	int status;
	pid_t pid;

	(void)state;
	forget();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (store_open(store_path(), &spec, &s) == OK && txn_begin_write(s, &t) == OK)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	assert_int_equal(put_pair(s, 1), OK);
	store_close(&s);
}

/* Writing at or past `bytes` fails with EFBIG, as a failing disk does with EIO. */
static void allow_writes_below(rlim_t bytes)
{
	struct rlimit lim;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	lim.rlim_cur = bytes < lim.rlim_max ? bytes : lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static void a_refused_write_fails_and_leaves_the_store_whole(void **state)
{
	struct store *s = NULL;
	unsigned refused = 0;
	uint64_t n = 0;

	(void)state;
	forget();
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	for (unsigned page = 0; page < 40; page++) {
		enum err e;

		allow_writes_below(page * PAGE);
		e = put_pair(s, n + 1);
		allow_writes_below(RLIM_INFINITY);
		if (e == OK)
			n++;
		else
			refused++;
		assert_true(assert_whole(s) == n);
		assert_int_equal(put_pair(s, ++n), OK);   /* and it goes on */
	}
	assert_true(refused > 5 && refused < 40);
	store_close(&s);
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	assert_true(assert_whole(s) == n);
	store_close(&s);
}

#define OURS __attribute__((visibility("default")))

static unsigned refuse_last, flushed;

/* LMDB writes the last page of a commit by a descriptor that waits for the disk. */
OURS ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	if (!refuse_last || !(fcntl(fd, F_GETFL) & O_DSYNC))
		return syscall(SYS_pwrite64, fd, bytes, n, at);
	refuse_last--;
	errno = EIO;
	return -1;
}

OURS ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

OURS int fdatasync(int fd)
{
	flushed++;
	return (int)syscall(SYS_fdatasync, fd);
}

/* The broker's thread looks in, and must not be the one who brings the file back to its feet. */
static void after_a_failed_commit_the_writer_flushes_not_who_looks_in(void **state)
{
	struct store *s = NULL;

	(void)state;
	forget();
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	assert_int_equal(put_pair(s, 1), OK);
	refuse_last = 1;
	assert_int_equal(put_pair(s, 2), ERR_IO);
	assert_int_equal(refuse_last, 0);
	flushed = 0;
	assert_int_equal(last_of(s, A), 1);
	assert_int_equal(flushed, 0);
	assert_int_equal(put_pair(s, 2), OK);
	store_close(&s);
}

/* The first opening writes the first pages: refused at each of them, nothing remains that would not open later. */
static void a_refused_creation_can_be_tried_again(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned page = 0; page < 12; page++) {
		struct store *s = NULL;

		forget();
		allow_writes_below(page * PAGE + 1);
		if (store_open(store_path(), &spec, &s) != OK)
			refused++;
		allow_writes_below(RLIM_INFINITY);
		store_close(&s);
		assert_int_equal(store_open(store_path(), &spec, &s), OK);
		assert_int_equal(put_pair(s, 1), OK);
		assert_int_equal(assert_whole(s), 1);
		store_close(&s);
	}
	assert_true(refused > 0);
}

static unsigned folders_flushed;

OURS int fsync(int fd)
{
	struct stat st;

	folders_flushed += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	return (int)syscall(SYS_fsync, fd);
}

/* What a commit says is durable is of no use when no file has its name after a power cut. */
static void a_new_file_has_its_name_for_good(void **state)
{
	struct store *s = NULL;

	(void)state;
	forget();
	folders_flushed = 0;
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	assert_int_equal(folders_flushed, 1);
	store_close(&s);
}

static pid_t start_reader(bool die)
{
	struct store *s = NULL;
	struct txn *t = NULL;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (store_open(store_path(), &spec, &s) == OK && txn_begin_read(s, &t) == OK)
		die ? (void)kill(getpid(), SIGKILL) : (void)pause();
	_exit(1);
}

/* LMDB has 126 slots for readers; who is killed inside a read leaves theirs behind, until nobody has the file open. */
static void killed_readers_shut_nobody_out(void **state)
{
	pid_t holder, pid;
	struct store *s = NULL;
	struct txn *t = NULL;
	int status;

	(void)state;
	forget();
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	store_close(&s);
	holder = start_reader(false);
	for (int i = 0; i < 140; i++) {
		pid = start_reader(true);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
	assert_int_equal(store_open(store_path(), &spec, &s), OK);
	assert_int_equal(txn_begin_read(s, &t), OK);
	txn_abort(&t);
	store_close(&s);
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(holder, &status, 0), holder);
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	scratch_make(&scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_committed_is_lost_when_the_writer_is_killed),
		cmocka_unit_test(the_lock_of_a_killed_writer_is_free),
		cmocka_unit_test(a_refused_write_fails_and_leaves_the_store_whole),
		cmocka_unit_test(after_a_failed_commit_the_writer_flushes_not_who_looks_in),
		cmocka_unit_test(a_refused_creation_can_be_tried_again),
		cmocka_unit_test(a_new_file_has_its_name_for_good),
		cmocka_unit_test(killed_readers_shut_nobody_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

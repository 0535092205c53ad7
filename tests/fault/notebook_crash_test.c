/* A witness dies at every step of keeping what it vouches for, also between keeping it and giving its answer out. Whatever
 * it answered is kept; it never vouches for two histories; and the log, asking again, gets its cosignature. */
#include "signed_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "notebook.h"
#include "scratch.h"

#define NOW 1770000000u
#define STEPS_MAX 64
#define OURS __attribute__((visibility("default")))

/* Calls that change the disk, counted; the process ends before the one, or after it. */
static struct {
	bool armed, after;
	unsigned calls, dies_at;
} fate;

static void before_call(void)
{
	if (fate.armed && ++fate.calls == fate.dies_at && !fate.after)
		_exit(77);
}

static long after_call(long result)
{
	if (fate.armed && fate.calls == fate.dies_at && fate.after)
		_exit(77);
	return result;
}

OURS int openat(int dir, const char *path, int flags, ...)
{
	before_call();
	return (int)after_call(syscall(SYS_openat, dir, path, flags, 0600));
}

OURS ssize_t write(int fd, const void *p, size_t n)
{
	before_call();
	return after_call(syscall(SYS_write, fd, p, n));
}

OURS int fsync(int fd)
{
	before_call();
	return (int)after_call(syscall(SYS_fsync, fd));
}

OURS int renameat(int from, const char *old, int to, const char *fresh)
{
	before_call();
	return (int)after_call(syscall(SYS_renameat2, from, old, to, fresh, 0));
}

static struct scratch scratch;
static struct signed_log l, other;
static struct notebook *book;
static uint8_t raw[WITNESS_BODY_MAX];
static enum witness_kind kind;

/* What the child said before it died. */
static struct {
	bool answered;
	unsigned calls;
} *said;

static const char *folder(void) { return scratch_path(&scratch, "witness"); }

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (crypt_init() != OK || said == MAP_FAILED)
		return -1;
	log_init(&l);
	other = l;
	log_grow(&l, 1000, 'a');
	log_grow(&other, 1000, 'b');
	return 0;
}

static void forget(void)
{
	DIR *d = opendir(folder());
	char path[512];

	notebook_close(&book);
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", folder(), e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

static int drop(void **state)
{
	(void)state;
	forget();
	munmap(said, sizeof(*said));
	scratch_remove(&scratch);
	return 0;
}

static void open_book(void)
{
	const struct notebook_spec spec = { folder(), SPAN_LIT("auditor.example/w1"), l.key };

	assert_int_equal(notebook_open(&spec, &book), OK);
}

static enum err add(struct signed_log *log, uint64_t old, uint64_t size)
{
	uint8_t line[COSIGNATURE_LINE_MAX];
	struct put out = put(line, sizeof(line));

	return notebook_add(book, log_body(log, old, size, raw), true, NOW, &out, &kind);
}

/* What another witness shows: of the size of 70, of either history. */
static enum err hear(void)
{
	static const uint8_t secret[SIGN_KEY_BYTES] = { 7 };
	static struct witnesses list = { .n = 1, .of = { { .name = SPAN_LIT("mercy/device/nc-1") } } };
	static struct gossip g;
	static uint8_t other_raw[WITNESS_BODY_MAX];
	uint8_t text[GOSSIP_BYTES_MAX];
	struct put shown = put(text, sizeof(text));
	struct witness_request r;

	assert_int_equal(sign_public(secret, list.of[0].pub), OK);
	notebook_gossip(book, &list, &g);
	assert_int_equal(witness_read(log_body(&l, 0, 300, raw), &r), OK);
	assert_int_equal(gossip_write_evidence(r.note, log_body(&other, 300, 300, other_raw), &l.key, list.of[0].name, secret, &shown),
			 OK);
	return notebook_hear(book, &g, put_span(&shown), NOW, 1, &kind);
}

/* In a process of its own, which dies there; false: it lived through all of its calls. `log` NULL: it hears. */
static bool add_and_die(struct signed_log *log, uint64_t old, uint64_t size, unsigned at, bool after)
{
	int how;
	pid_t child;

	notebook_close(&book);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		enum err e;

		open_book();
		fate.armed = true;
		fate.after = after;
		fate.dies_at = at;
		e = log ? add(log, old, size) : hear();
		fate.armed = false;
		said->answered = e == OK && kind == WITNESS_ACCEPTED;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFEXITED(how) && (WEXITSTATUS(how) == 0 || WEXITSTATUS(how) == 77));
	return WEXITSTATUS(how) == 77;
}

static void whatever_was_answered_is_kept(void **state)
{
	unsigned steps = 0, kept = 0;

	(void)state;
	for (unsigned after = 0; after < 2; after++) {
		for (unsigned at = 1; at < STEPS_MAX; at++, steps++) {
			bool died;

			forget();
			open_book();
			assert_int_equal(add(&l, 0, 70), OK);
			said->answered = false;
			died = add_and_die(&l, 70, 300, at, after);
			open_book();
			assert_true(notebook_size(book) == 70 || notebook_size(book) == 300);
			assert_true(!said->answered || notebook_size(book) == 300);
			kept += died && notebook_size(book) == 300;
			/* The log asks again from where the witness says it is. */
			assert_int_equal(add(&l, notebook_size(book), 300), OK);
			assert_int_equal(kind, WITNESS_ACCEPTED);
			if (!died)
				break;
		}
	}
	assert_true(steps >= 10);
	assert_true(kept > 0);          /* it died with the answer on its lips, and what it would have said is kept */
}

/* Nobody has its cosignature, and yet it holds to what it wrote down. */
static void it_holds_to_what_it_never_said(void **state)
{
	bool seen = false;

	(void)state;
	for (unsigned at = 1; at < STEPS_MAX; at++) {
		bool died;

		forget();
		open_book();
		assert_int_equal(add(&l, 0, 70), OK);
		died = add_and_die(&l, 70, 300, at, true);
		open_book();
		if (died && notebook_size(book) == 300) {
			seen = true;
			assert_int_equal(add(&other, 300, 300), OK);
			assert_int_equal(kind, WITNESS_FORK);
		}
		if (!died)
			break;
	}
	assert_true(seen);
}

static void evidence_half_kept_is_found_again(void **state)
{
	unsigned stopped = 0;

	(void)state;
	for (unsigned after = 0; after < 2; after++) {
		for (unsigned at = 1; at < STEPS_MAX; at++) {
			bool died;

			forget();
			open_book();
			assert_int_equal(add(&l, 0, 70), OK);
			died = add_and_die(&other, 70, 300, at, after);
			open_book();
			assert_int_equal(notebook_size(book), 70);
			if (notebook_stopped(book)) {
				stopped++;
				assert_int_equal(add(&other, 70, 300), ERR_CLOSED);
			} else {
				assert_int_equal(add(&other, 70, 300), OK);
				assert_int_equal(kind, WITNESS_FORK);
				assert_true(notebook_stopped(book));
			}
			if (!died)
				break;
		}
	}
	assert_true(stopped >= 4);
}

/* And is never taken for a finding of its own. */
static void what_was_told_and_half_kept_is_found_again(void **state)
{
	uint8_t text[GOSSIP_BYTES_MAX];
	unsigned stopped = 0;

	(void)state;
	for (unsigned after = 0; after < 2; after++) {
		for (unsigned at = 1; at < STEPS_MAX; at++) {
			struct put shown = put(text, sizeof(text));
			bool died;

			forget();
			open_book();
			assert_int_equal(add(&l, 0, 70), OK);
			died = add_and_die(NULL, 0, 0, at, after);
			open_book();
			stopped += notebook_stopped(book);
			if (!notebook_stopped(book)) {
				assert_int_equal(hear(), OK);
				assert_int_equal(kind, WITNESS_FORK);
			}
			assert_true(notebook_told(book));
			assert_int_equal(notebook_show(book, &shown), ERR_NOT_FOUND);
			assert_int_equal(add(&l, 70, 300), ERR_CLOSED);
			if (!died)
				break;
		}
	}
	assert_true(stopped >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whatever_was_answered_is_kept, make, drop),
		cmocka_unit_test_setup_teardown(it_holds_to_what_it_never_said, make, drop),
		cmocka_unit_test_setup_teardown(evidence_half_kept_is_found_again, make, drop),
		cmocka_unit_test_setup_teardown(what_was_told_and_half_kept_is_found_again, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

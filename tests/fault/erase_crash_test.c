/* Two agreed, and then the process dies: before every write, flush and removal that erasing a segment takes. Either nothing was
 * begun, or the next start finishes it: no key, no text, no index of names, and a record that is whole. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "keeping.h"
#include "reader.h"
#include "own_record.h"

#define MORTAL_WRITES
#define MORTAL_FLUSHES
#define MORTAL_NAMES
#include "mortal.h"

#define ENTRIES 3000                /* more than one transaction takes out */
#define SLOT 64                     /* of a key in its file */

static const char *const files[] = { "record.mdb", "record.mdb-keys", "record.sizes", "record.idx", "record.idx-lock" };

static const char *path_of(const char *name, const char *more)
{
	static char path[2][160];
	static unsigned at;

	at = !at;
	snprintf(path[at], sizeof(path[at]), "%s/%s%s", g.folder, name, more);
	return path[at];
}

static void copy(const char *from, const char *to)
{
	size_t n;
	uint8_t *p = slurp(from, &n);

	spill(to, p, n);
	free(p);
}

/* Segment 1 is closed and had its time; a search was there. */
static int make(void **state)
{
	folder_make(state);
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		g.spec.keep[i] = KEEP_DAYS | 1;
	open_record();
	push_many(0, ENTRIES);
	record_close(&g.record);
	open_record();
	push_many(ENTRIES, 10);
	record_close(&g.record);
	spill(path_of("record.idx", ""), (const uint8_t *)"ana", 3);
	spill(path_of("record.idx-lock", ""), (const uint8_t *)"", 0);
	for (size_t i = 0; i < countof(files); i++)
		copy(path_of(files[i], ""), path_of(files[i], ".before"));
	return 0;
}

static void set_back(void)
{
	for (size_t i = 0; i < countof(files); i++)
		copy(path_of(files[i], ".before"), path_of(files[i], ""));
	(void)unlink(path_of("record.mdb-lock", ""));
}

/* What the child has confirmed: DIED, or 0 when it came to its end. */
static int erase_and_die(long after)
{
	pid_t child = fork();
	int how;

	assert_true(child >= 0);
	if (child == 0) {
		if (record_open(&g.spec, &g.record) != OK)
			_exit(1);
		mortal_after(after);
		if (segment_erase(g.record, &(struct segment_act){ 1, INT64_MAX / 2, SPAN_LIT("ana"), SPAN_LIT("ben"),
								   SPAN_LIT("a day is over") }) != OK)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how);
}

struct found {
	unsigned sealed, erased, said;
	bool key, index;
};

static struct found look(void)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *reader = NULL;
	struct found f = { 0 };
	struct entry entry;
	uint64_t n;
	size_t bytes;
	uint8_t *keys = slurp(path_of("record.mdb-keys", ""), &bytes);

	for (size_t i = 0; i < SLOT; i++)
		f.key = f.key || keys[i];
	free(keys);
	f.index = access(path_of("record.idx", ""), F_OK) == 0 || access(path_of("record.idx-lock", ""), F_OK) == 0;
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(reader_get(reader, i, &entry, &e), OK);
		f.sealed += entry.segment == 1 && entry.kind == ENTRY_SEALED;
		f.erased += entry.segment == 1 && entry.kind == ENTRY_ERASED;
		f.said += entry.kind == ENTRY_CONTROL && entry.type == CONTROL_SEGMENT_ERASED && entry.segment == 1;
	}
	reader_close(&reader);
	return f;
}

/* Before the next start: what was said is durable before anything is destroyed. */
static void assert_said_first(const struct found *f, long step_n)
{
	if (!f->said && (!f->key || !f->index || f->erased))
		fail_msg("step %ld: something is gone and no entry says so", step_n);
}

static void assert_all_or_nothing(const struct found *f, long step_n)
{
	bool whole = f->key && f->index && f->sealed == ENTRIES && !f->erased && !f->said;
	bool gone = !f->key && !f->index && !f->sealed && f->erased == ENTRIES && f->said == 1;

	if (!whole && !gone)
		fail_msg("step %ld: said %u, sealed %u, erased %u, key %d, index %d", step_n, f->said, f->sealed, f->erased, f->key,
			 f->index);
}

static void whenever_it_dies_all_of_it_is_erased_or_nothing(void **state)
{
	unsigned none = 0, finished = 0;
	struct found f;
	long n;
	int how = DIED;

	(void)state;
	for (n = 0; how == DIED; n++) {
		set_back();
		how = erase_and_die(n);
		assert_true(how == DIED || how == 0);
		f = look();
		assert_said_first(&f, n);
		open_record();
		record_close(&g.record);
		assert_good();
		f = look();
		assert_all_or_nothing(&f, n);
		none += !f.said;
		finished += f.said && how == DIED;
	}
	assert_true(none > 0 && finished > 5);
	printf("# died at %ld steps: nothing was begun at %u, the next start finished it at %u\n", n - 1, none, finished);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whenever_it_dies_all_of_it_is_erased_or_nothing, make, folder_drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

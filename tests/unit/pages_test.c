/* pages: what LMDB writes is whole, at any time; and what passes for whole ends nobody who reads and writes it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "scratch.h"
#include "seed.h"
#include "store.h"

#define MAP (1u << 20)
#define PAGE 4096
#define TABLES 3
#define ROUNDS 400
#define HANGS_S 300

static struct scratch scratch;
static const char *path;
static uint8_t file[MAP], spoiled[MAP];

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	path = strdup(scratch_path(&scratch, "t.mdb"));
	return 0;
}

static int drop(void **state)
{
	(void)state;
	free((void *)(uintptr_t)path);
	scratch_remove(&scratch);
	return 0;
}

static struct store *open_it(void)
{
	static const char *const tables[] = { "one", "other", "third", NULL };
	const struct store_spec spec = { .kind = "test", .version = 1, .map_bytes = MAP, .table = tables };
	struct store *s = NULL;

	return store_open(path, &spec, &s) == OK ? s : NULL;
}

/* Keys of few kinds, so that they are met again; values within a page and over several. */
static enum err change_one(struct txn *t)
{
	static uint8_t value[3 * PAGE];
	uint8_t key[40] = { (uint8_t)seed_below(40), (uint8_t)seed_below(5) };
	unsigned table = (unsigned)seed_below(TABLES);
	struct span k = span(key, 2 + key[0] % 30);

	if (seed_below(5) < 2)
		return txn_del(t, table, k);
	return txn_put(t, table, k, span(value, seed_below(20) ? seed_below(500) : seed_below(sizeof(value))));
}

/* Anything but a mistake of ours: it may be full, or not be what it was. */
static void change(struct store *s, unsigned n)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	enum err e = txn_begin_write(s, &t);

	for (unsigned i = 0; i < n && (e == OK || e == ERR_NOT_FOUND); i++)
		e = change_one(t);
	if (e == OK && seed_below(8))
		(void)!txn_commit(&t);
}

static void read_all(struct store *s)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (txn_begin_read(s, &t) != OK)
		return;
	for (unsigned table = 0; table < TABLES; table++) {
		struct span key = span(NULL, 0), value;
		uint8_t at[STORE_KEY_MAX];

		while (txn_after(t, table, key, &key, &value) == OK) {
			memcpy(at, key.p, key.n);
			key = span(at, key.n);
		}
	}
}

static void what_was_written_is_whole(void **state)
{
	struct store *s = open_it();

	(void)state;
	assert_int_equal(store_check(scratch_path(&scratch, "none.mdb"), MAP), OK);
	for (unsigned i = 0; i < SEED_ROUNDS(100); i++) {
		change(s, 1 + (unsigned)seed_below(40));
		assert_int_equal(store_check(path, MAP), OK);
		if (seed_below(20) == 0) {
			store_close(&s);
			s = open_it();
			assert_non_null(s);
		}
	}
	store_close(&s);
}

static _Noreturn void write_until_killed(void)
{
	struct store *s = open_it();

	for (;;)
		change(s, 3);
}

static void also_while_another_writes(void **state)
{
	pid_t pid;

	(void)state;
	what_was_written_is_whole(NULL);
	pid = fork();
	if (pid == 0)
		write_until_killed();
	for (unsigned i = 0; i < SEED_ROUNDS(100); i++)
		assert_int_equal(store_check(path, MAP), OK);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(store_check(path, MAP), OK);
}

static void whole_file(uint8_t *bytes, const char *how)
{
	FILE *f = fopen(path, how);

	assert_non_null(f);
	assert_int_equal((how[1] ? fwrite(bytes, 1, MAP, f) : fread(bytes, 1, MAP, f)), MAP);
	assert_int_equal(fclose(f), 0);
}

/* What a disk gives back instead of what it was given: nothing, ones, another page; in part; one bit, anywhere or in what says what
 * the page is; a number of its. */
static void spoil(uint8_t *page, unsigned pages)
{
	uint8_t *part = page + seed_below(8) * 512;
	uint16_t number = (uint16_t)seed_next();

	switch (seed_below(8)) {
	case 0: memset(page, 0, PAGE); break;
	case 1: memset(page, 0xff, PAGE); break;
	case 2: memcpy(page, file + seed_below(pages) * PAGE, PAGE); break;
	case 3: memset(part, 0, 512); break;
	case 4: memset(part, 0xff, 512); break;
	case 5: page[seed_below(PAGE)] ^= (uint8_t)(1u << seed_below(8)); break;
	case 6: page[seed_below(64)] ^= (uint8_t)(1u << seed_below(8)); break;
	default: memcpy(page + 2 * seed_below(PAGE / 2), &number, sizeof(number)); break;
	}
}

/* 0: it was said no to. */
static _Noreturn void use_it(void)
{
	struct store *s;

	store_probe_begin();
	alarm(HANGS_S);
	if (store_check(path, MAP) != OK)
		_exit(0);
	s = open_it();
	for (unsigned i = 0; s && i < 3; i++) {
		read_all(s);
		change(s, 100);
	}
	_exit(1);
}

static void what_passes_for_whole_ends_nobody(void **state)
{
	unsigned said_no = 0, pages;

	(void)state;
	what_was_written_is_whole(NULL);
	whole_file(file, "r");
	for (pages = MAP / PAGE; file[(pages - 1) * PAGE] == 0 && pages > 2;)
		pages--;
	for (unsigned i = 0; i < SEED_ROUNDS(ROUNDS); i++) {
		int status;
		pid_t pid;

		memcpy(spoiled, file, MAP);
		spoil(spoiled + seed_below(pages) * PAGE, pages);
		whole_file(spoiled, "r+");
		pid = fork();
		if (pid == 0)
			use_it();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		said_no += WEXITSTATUS(status) == 0;
	}
	assert_true(said_no > SEED_ROUNDS(ROUNDS) / 5);
	whole_file(file, "r+");
	assert_int_equal(store_check(path, MAP), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_whole, make, drop),
		cmocka_unit_test_setup_teardown(also_while_another_writes, make, drop),
		cmocka_unit_test_setup_teardown(what_passes_for_whole_ends_nobody, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The writer's process is killed at random points while it makes batches of a thousand grants; then each batch is whole or
 * never was, what was reported durable is there, and the journal leads a reader to all of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypt.h"
#include "directory.h"
#include "draft.h"
#include "scratch.h"
#include "seed.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define PEOPLE 1000
#define ROUNDS 12

static const uint8_t root[32] = { 1 };
static struct scratch scratch;
static _Atomic uint64_t *durable;   /* the last batch the child saw committed */

static struct span name_of(unsigned i, char name[16])
{
	snprintf(name, 16, "u%04u", i);
	return span_str(name);
}

/* In batch n everybody holds the role bN, and nothing else. */
static enum err write_batch(struct directory *d, uint64_t n)
{
	CLEANUP(batch_abort) struct batch *b = NULL;
	static struct draft draft;
	char name[16], role[24];

	snprintf(role, sizeof(role), "b%llu", (unsigned long long)n);
	TRY(directory_begin(d, &b));
	for (unsigned i = 0; i < PEOPLE; i++) {
		draft_new(&draft, USER, SPAN_LIT("mercy"), name_of(i, name));
		must(draft_add_role(&draft, span_str(role), (struct grant){ 0 }));
		TRY(batch_save(b, &draft.account, false));
	}
	return batch_commit(&b);
}

static _Noreturn void child_writes(const char *path)
{
	struct directory *d = NULL;

	if (directory_open(path, root, false, &d) != OK)
		_exit(1);
	for (uint64_t n = atomic_load(durable) + 1;; n++) {
		if (write_batch(d, n) != OK)
			_exit(1);
		atomic_store(durable, n);
	}
}

struct looking { char role[24]; unsigned people; bool same; };

static bool look(void *ctx, const struct account *a)
{
	struct looking *l = ctx;

	assert_int_equal(a->subject.roles, 1);
	if (l->people++ == 0)
		assert_true(span_text(a->subject.role[0], l->role, sizeof(l->role)));
	l->same &= span_is(a->subject.role[0], l->role);
	return true;
}

static void count_change(void *ctx, const struct change *c)
{
	(void)c;
	++*(unsigned *)ctx;
}

/* How far the store is: all people hold the role of one batch. */
static uint64_t look_whole(const char *path)
{
	struct looking l = { .same = true };
	struct directory *d = NULL;
	uint64_t since = 0, n = 0;
	unsigned changes = 0;

	assert_int_equal(directory_open(path, root, false, &d), OK);
	assert_int_equal(directory_each(d, look, &l), OK);
	assert_true(l.same);
	assert_true(l.people == 0 || l.people == PEOPLE);
	if (l.people)
		assert_true(span_u64(span_str(l.role + 1), UINT64_MAX, &n));
	assert_int_equal(directory_changes(d, &since, count_change, &changes), OK);
	assert_true(changes == n * PEOPLE || changes == 1);   /* 1: more than the journal keeps */
	directory_close(&d);
	return n;
}

static void a_batch_is_whole_or_never_was(void **state)
{
	const char *path = scratch_path(&scratch, "directory.mdb");
	uint64_t seen, batches = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			child_writes(path);
		usleep(20000 + (unsigned)seed_below(150000));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		seen = look_whole(path);
		assert_true(seen == atomic_load(durable) || seen == atomic_load(durable) + 1);
		batches += seen;
		atomic_store(durable, seen);
	}
	assert_true(batches > 0);
}

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	durable = mmap(NULL, sizeof(*durable), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return durable == MAP_FAILED || crypt_init() != OK ? -1 : 0;
}

static int unmake(void **state)
{
	(void)state;
	munmap(durable, sizeof(*durable));
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_batch_is_whole_or_never_was) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

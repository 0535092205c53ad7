/* The process dies before every write and flush that it takes to keep messages for reading back, to erase what was said at one
 * place, and to go on. Whenever that is: what was kept is read, what was erased is not, no key is refused, alerts are there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "scratch.h"
#include "shelf.h"

#define MORTAL_WRITES
#define MORTAL_FLUSHES
#include "mortal.h"

#define MAP (1u << 20)
#define MESSAGES 6                  /* of each place */
#define TEAM "mercy/channel/team/msg"
#define WARD "mercy/channel/ward/msg"

static struct scratch scratch;
static const uint8_t root[32] = { 9 };
static const struct past_keep years = { .of = { [PAST_CHANNEL] = 999 } };

/* How far the child has come, told through a pipe. */
enum said { SAID_KEPT = 'k', SAID_ERASED = 'e', SAID_AGAIN = 'a' };

static bool stays(void *ctx, uint64_t number, struct span value)
{
	(void)value;
	*(unsigned *)ctx |= 1u << number;
	return true;
}

static struct shelf *open_shelf(unsigned *alerts)
{
	struct shelf *s = NULL;

	*alerts = 0;
	if (shelf_open(scratch_path(&scratch, "h.mdb"), root, MAP, stays, alerts, &s) != OK)
		return NULL;
	shelf_past_keep(s, &years);
	return s;
}

static void keep(struct shelf *s, const char *topic, unsigned n)
{
	struct id id = { .b = { (uint8_t)n, (uint8_t)topic[14] } };

	must(shelf_past_put(s, PAST_CHANNEL, &id, n, span_str(topic), SPAN_LIT("what was said")) == OK);
}

static unsigned kept_at(struct shelf *s, const char *topic)
{
	struct shelf_look *l = calloc(1, sizeof(*l)), *back = NULL;
	unsigned n;

	must(l);
	l->want = (struct readback){ .filters = 1, .limit = READBACK_ITEMS_MAX };
	strcpy(l->want.filter[0], topic);
	shelf_look(s, l);
	while (!(back = shelf_looked(s)))
		usleep(100);
	must(back->err == OK);
	n = back->page.n;
	shelf_look_free(&back);
	return n;
}

static void wait_for_receipt(struct shelf *s)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct id id;

	while (!shelf_owed(s, topic, &id, 1))
		usleep(100);
}

static void say(int to, enum said what)
{
	char c = (char)what;

	must(write(to, &c, 1) == 1);
}

static _Noreturn void child(int to, long after)
{
	const struct id alert = { .b = { 7 } };
	unsigned alerts;
	uint64_t keys;
	struct shelf *s;

	s = open_shelf(&alerts);
	must(s);
	mortal_after(after);
	for (unsigned n = 1; n <= MESSAGES; n++) {
		keep(s, TEAM, n);
		keep(s, WARD, n);
	}
	must(shelf_put(s, 1, &alert, "mercy/device/nc-1/stored", SPAN_LIT("an alert")) == OK);
	wait_for_receipt(s);
	must(kept_at(s, "#") == 2 * MESSAGES);
	say(to, SAID_KEPT);
	must(shelf_erase(s, SPAN_LIT("mercy/channel/team"), &keys) == OK && keys == 1);
	say(to, SAID_ERASED);
	keep(s, TEAM, 100);
	must(kept_at(s, TEAM) == 1);
	say(to, SAID_AGAIN);
	shelf_close(&s);
	_exit(0);
}

/* What it said before it died. */
static size_t live_and_die(long after, char said[8], int *how)
{
	int to[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(to), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(to[1], after);
	close(to[1]);
	assert_int_equal(waitpid(pid, how, 0), pid);
	assert_true(WIFEXITED(*how));
	*how = WEXITSTATUS(*how);
	n = read(to[0], said, 7);
	close(to[0]);
	assert_true(n >= 0);
	return (size_t)n;
}

static bool key_is_there(unsigned slot)
{
	CLEANUP(fd_cleanup) int fd = open(scratch_path(&scratch, "h.mdb-keys"), O_RDONLY);
	uint8_t bytes[64], zero[64] = { 0 };

	assert_true(pread(fd, bytes, sizeof(bytes), slot * 64) == sizeof(bytes));
	return memcmp(bytes, zero, sizeof(zero)) != 0;
}

static void check(long after, size_t said)
{
	unsigned alerts, team, ward;
	struct shelf *s = open_shelf(&alerts);

	assert_non_null(s);
	assert_int_equal(shelf_keys_refused(s), 0);
	team = kept_at(s, TEAM);
	ward = kept_at(s, WARD);
	if (said >= 1 && (alerts != 2 || ward != MESSAGES))
		fail_msg("step %ld: kept, and now alerts %x, ward %u", after, alerts, ward);
	if (said == 1 && team != MESSAGES && team != 0)
		fail_msg("step %ld: half of it is erased: %u", after, team);
	if (said == 1 && team == 0 && key_is_there(0))
		fail_msg("step %ld: it is erased, but its key is there", after);
	if (said == 2 && team > 1)
		fail_msg("step %ld: it was erased, and %u are read", after, team);
	if (said == 3 && team != 1)
		fail_msg("step %ld: kept after it was erased, and %u are read", after, team);
	keep(s, TEAM, 200);
	keep(s, WARD, 200);
	if (kept_at(s, TEAM) != team + 1 || kept_at(s, WARD) != ward + 1)
		fail_msg("step %ld: it does not go on", after);
	assert_int_equal(shelf_past_lost(s), 0);
	shelf_close(&s);
}

static void whenever_it_dies_what_is_erased_is_gone_and_the_rest_is_there(void **state)
{
	unsigned ends[4] = { 0 };
	char said[8];
	int how = DIED;
	long n;

	(void)state;
	for (n = 0; how == DIED; n++) {
		size_t heard;

		scratch_empty(scratch.dir);
		heard = live_and_die(n, said, &how);
		assert_true(how == DIED || how == 0);
		assert_true(heard < countof(ends));
		ends[heard]++;
		check(n, heard);
	}
	assert_true(ends[0] && ends[1] > 3 && ends[2] && ends[3]);
	print_message("# died at %ld steps; after what was said: %u %u %u %u\n", n - 1, ends[0], ends[1], ends[2], ends[3]);
}

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return crypt_init() != OK;
}

static int unmake(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whenever_it_dies_what_is_erased_is_gone_and_the_rest_is_there, make, unmake),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

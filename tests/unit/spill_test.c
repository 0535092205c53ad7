#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypt.h"
#include "scratch.h"
#include "seed.h"
#include "spill.h"

#define BYTES (64u << 10)

static struct scratch scratch;
static struct spill *spill;
static const uint8_t root[32] = { 3 };

static const char *file(void)
{
	return scratch_path(&scratch, "t.spill");
}

#define FIRST ((struct spill_layout){ 1, 0 })
#define SECOND ((struct spill_layout){ 2, 1 })
#define THIRD ((struct spill_layout){ 3, 2 })

static void open_as(struct spill_layout layout)
{
	spill_close(&spill);
	assert_int_equal(spill_open(file(), BYTES, root, layout, &spill), OK);
}

static void open_spill(void)
{
	open_as(FIRST);
}

static bool peek(struct span *out)
{
	uint32_t layout;

	return spill_peek(spill, out, &layout);
}

static int up(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	open_spill();
	return 0;
}

static int down(void **state)
{
	(void)state;
	spill_close(&spill);
	scratch_remove(&scratch);
	return 0;
}

/* Record i: its number, and as many bytes more as it pleases. */
static bool push(uint64_t i)
{
	static uint8_t filler[900];
	const struct span piece[] = { span(&i, sizeof(i)), span(filler, i * 37 % sizeof(filler)) };

	memset(filler, (int)i, sizeof(filler));
	return spill_push(spill, piece, 2);
}

static void take_as(uint64_t i, uint32_t layout)
{
	uint32_t of;
	uint64_t have;
	struct span s;

	assert_true(spill_peek(spill, &s, &of));
	assert_int_equal(of, layout);
	assert_int_equal(s.n, sizeof(i) + i * 37 % 900);
	memcpy(&have, s.p, sizeof(have));
	assert_int_equal(have, i);
	assert_true(s.n == sizeof(i) || s.p[s.n - 1] == (uint8_t)i);
}

static void take(uint64_t i)
{
	take_as(i, 1);
}

/* What smaps says of the file's mapping, in KiB. */
static long mapped_kib(const char *what)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool here = false;
	long kib = -1;

	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f)) {
		here = here || strstr(line, "/t.spill\n");
		if (here && strncmp(line, what, strlen(what)) == 0)
			kib = strtol(line + strlen(what), NULL, 10);
	}
	fclose(f);
	return kib;
}

/* The first push during a storm must not wait for the disk to read a page. */
static void all_its_pages_are_there_from_the_start(void **state)
{
	(void)state;
	assert_int_equal(mapped_kib("Size:"), (4096 + BYTES) / 1024);
	assert_int_equal(mapped_kib("Rss:"), (4096 + BYTES) / 1024);
}

static void what_goes_in_comes_out_in_order(void **state)
{
	uint64_t in = 0, out = 0, given = 0;
	struct span s;

	(void)state;
	assert_true(spill_empty(spill));
	for (int round = 0; round < 200; round++) {
		for (uint64_t n = seed_below(120); n > 0 && push(in); n--)
			in++;
		for (uint64_t n = seed_below(120); n > 0 && out < in; n--)
			take(out++);
		if (round % 7 == 0) {       /* a commit that failed */
			spill_rewind(spill);
			out = given;
			continue;
		}
		spill_advance(spill);
		given = out;
	}
	while (out < in)
		take(out++);
	spill_advance(spill);
	assert_false(peek(&s));
	assert_true(spill_empty(spill));
	assert_true(in > 2000);
	assert_int_equal(spill_damaged(spill), 0);
}

static void a_full_one_takes_nothing_until_there_is_room(void **state)
{
	uint64_t in = 0;

	(void)state;
	while (push(in))
		in++;
	assert_true(in > 50);
	take(0);
	assert_false(push(in));     /* taken, but not given back */
	for (uint64_t i = 1; i < in; i++)
		take(i);
	spill_advance(spill);
	assert_true(push(in));
	take(in);
}

/* Twenty times a broker is stopped and started while nothing is taken: each says what it could not keep. */
static void there_is_room_for_last_words(void **state)
{
	static const uint8_t word[160];
	const struct span last = span(word, sizeof(word));
	struct span s;
	uint64_t in = 0;

	(void)state;
	while (push(in))
		in++;
	for (int i = 0; i < 20; i++)
		assert_true(spill_push_kept(spill, &last, 1));
	assert_false(push(in));
	for (uint64_t i = 0; i < in; i++)
		take(i);
	for (int i = 0; i < 20; i++)
		assert_true(peek(&s) && s.n == sizeof(word));
	assert_false(peek(&s));
}

static void what_a_killed_process_set_aside_is_there_at_the_next_start(void **state)
{
	(void)state;
	spill_close(&spill);
	if (fork() == 0) {
		must(spill_open(file(), BYTES, root, FIRST, &spill) == OK);
		for (uint64_t i = 0; i < 40; i++)
			must(push(i));
		_exit(0);
	}
	wait(NULL);
	open_spill();
	assert_false(spill_empty(spill));
	for (uint64_t i = 0; i < 10; i++)
		take(i);
	spill_advance(spill);
	take(10);
	spill_close(&spill);        /* not given back: it comes again */
	open_spill();
	for (uint64_t i = 10; i < 40; i++)
		take(i);
}

static void nothing_of_it_can_be_read_without_the_key(void **state)
{
	static const char text[] = "mercy/unit/icu3/alert/code/nc-1";
	const struct span piece = SPAN_LIT(text);
	static uint8_t all[4096 + BYTES];
	int fd = open(file(), O_RDONLY);

	(void)state;
	assert_true(spill_push(spill, &piece, 1));
	assert_int_equal(read(fd, all, sizeof(all)), sizeof(all));
	close(fd);
	assert_null(memmem(all, sizeof(all), text, sizeof(text) - 1));
}

static void flip(off_t at)
{
	int fd = open(file(), O_RDWR);
	uint8_t b;

	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x40;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void a_changed_record_is_left_out_and_counted(void **state)
{
	struct span s;

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_true(push(i));
	flip(4096 + 10);            /* in the first one's seal */
	take(1);
	assert_int_equal(spill_damaged(spill), 1);
	spill_rewind(spill);
	assert_int_equal(spill_damaged(spill), 0);
	take(1);
	take(2);
	assert_int_equal(spill_damaged(spill), 1);
	spill_advance(spill);
	assert_int_equal(spill_damaged(spill), 0);
	assert_false(peek(&s));
	for (uint64_t i = 3; i < 6; i++)
		assert_true(push(i));
	flip(4096 + 3 * 48 + 37 + 74 + 3 + 10);
	(void)peek(&s);    /* wherever that was: nothing breaks, and the file can be used again */
	while (peek(&s))
		;
	spill_advance(spill);
	assert_true(spill_empty(spill));
	assert_true(push(7));
	take(7);
}

/* A length that makes no sense: the rest cannot be found, and is counted. */
static void a_changed_length_ends_the_reading(void **state)
{
	struct span s;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_true(push(i));
	flip(4096 + 3);
	assert_false(peek(&s));
	assert_int_equal(spill_damaged(spill), 5);
	spill_advance(spill);
	assert_true(spill_empty(spill));
	assert_true(push(9));
	take(9);
}

static void overwrite(off_t at, const void *what, size_t n)
{
	int fd = open(file(), O_RDWR);

	assert_int_equal(pwrite(fd, what, n, at), (ssize_t)n);
	close(fd);
}

/* As of an older page: the mark that the rest up to the end is not used. */
static void a_stale_skip_ends_the_reading(void **state)
{
	struct span s;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_true(push(i));
	overwrite(4096, &(uint32_t){ UINT32_MAX }, 4);
	assert_false(peek(&s));
	assert_int_equal(spill_damaged(spill), 5);
	spill_advance(spill);
	assert_true(spill_empty(spill));
	assert_true(push(9));
	take(9);
}

/* How many were set aside nobody can tell, but that something was. */
static void counters_that_cannot_be_are_begun_anew_and_told(void **state)
{
	struct span s;

	(void)state;
	assert_true(push(0));
	spill_close(&spill);
	overwrite(48, &(uint64_t){ 100 }, 8);   /* more records given back than were ever pushed */
	open_spill();
	assert_true(spill_empty(spill));
	assert_int_equal(spill_damaged(spill), 1);
	assert_false(peek(&s));
	spill_advance(spill);
	assert_int_equal(spill_damaged(spill), 0);
	assert_true(push(1));
	take(1);
}

static void of_another_size_it_is_counted_and_gone(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_true(push(i));
	take(0);
	spill_advance(spill);
	spill_close(&spill);
	assert_int_equal(spill_open(file(), 2 * BYTES, root, FIRST, &spill), OK);
	assert_int_equal(spill_damaged(spill), 4);
	spill_advance(spill);
	spill_close(&spill);
	assert_int_equal(spill_open(file(), BYTES, root, FIRST, &spill), OK);
	assert_int_equal(spill_damaged(spill), 0);
}

/* Killed while it was given back: what is counted as lost may be too many by then, but not for good. */
static void a_count_that_is_behind_catches_up(void **state)
{
	struct span s;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_true(push(i));
	for (uint64_t i = 0; i < 5; i++)
		take(i);
	spill_advance(spill);
	spill_close(&spill);
	overwrite(48, &(uint64_t){ 2 }, 8);
	open_spill();
	for (uint64_t i = 5; i < 8; i++)
		assert_true(push(i));
	spill_close(&spill);
	assert_int_equal(spill_open(file(), BYTES, root, THIRD, &spill), OK);
	assert_false(peek(&s));
	assert_int_equal(spill_damaged(spill), 3);
}

static void its_size_goes_by_the_store_and_stays(void **state)
{
	const char *none = scratch_path(&scratch, "none");

	(void)state;
	assert_int_equal(spill_bytes(none, (size_t)1 << 40), 64 << 20);
	assert_int_equal(spill_bytes(none, 256 << 20), 64 << 20);
	assert_int_equal(spill_bytes(none, 255 << 20), 32 << 20);
	assert_int_equal(spill_bytes(none, 16 << 20), 4 << 20);
	assert_int_equal(spill_bytes(none, 1), 64 << 10);
	assert_int_equal(spill_bytes(scratch_path(&scratch, "t.spill"), 256 << 20), BYTES);
	assert_int_equal(truncate(scratch_path(&scratch, "t.spill"), 4096 + 3 * BYTES), 0);
	assert_int_equal(spill_bytes(scratch_path(&scratch, "t.spill"), 256 << 20), 64 << 20);
}

static void another_layout_is_counted_and_gone(void **state)
{
	struct span s;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_true(push(i));
	spill_close(&spill);
	assert_int_equal(spill_open(file(), BYTES, root, THIRD, &spill), OK);
	assert_false(peek(&s));
	assert_int_equal(spill_damaged(spill), 5);
	spill_advance(spill);
	assert_int_equal(spill_damaged(spill), 0);
	assert_true(push(1));
	take_as(1, 3);
}

/* An upgrade while the disk is full: what the version before set aside is there, what this one does comes after it, and each is
 * told by its form; also when it is killed before that was taken. */
static void the_layout_of_the_version_before_is_read(void **state)
{
	struct span s;

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		assert_true(push(i));
	take(0);
	spill_advance(spill);
	open_as(SECOND);
	assert_int_equal(spill_damaged(spill), 0);
	for (uint64_t i = 5; i < 8; i++)
		assert_true(push(i));
	take_as(1, 1);
	spill_advance(spill);
	open_as(SECOND);
	for (uint64_t i = 2; i < 8; i++)
		take_as(i, i < 5 ? 1 : 2);
	assert_false(peek(&s));
	spill_advance(spill);
	assert_true(push(8));
	open_as(THIRD);
	take_as(8, 2);
	assert_int_equal(spill_damaged(spill), 0);
}

/* Nothing is taken for what it is not. */
static void what_two_versions_before_left_is_counted(void **state)
{
	struct span s;

	(void)state;
	assert_true(push(0));
	open_as(SECOND);
	assert_true(push(1));
	open_as(THIRD);
	assert_int_equal(spill_damaged(spill), 2);
	assert_false(peek(&s));
	spill_advance(spill);
	assert_true(push(0));
	open_as(SECOND);                /* a downgrade */
	assert_int_equal(spill_damaged(spill), 1);
}

static void a_file_that_is_none_of_ours_is_begun_anew(void **state)
{
	(void)state;
	assert_true(push(0));
	spill_close(&spill);
	flip(0);
	open_spill();
	assert_true(spill_empty(spill));
	spill_close(&spill);
	assert_int_equal(spill_open(file(), 1000, root, FIRST, &spill), ERR_RANGE);
	open_spill();
	if (fork() == 0) {
		struct spill *other = NULL;

		_exit(spill_open(file(), BYTES, root, FIRST, &other) != ERR_BUSY);
	}
	int status;
	wait(&status);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
		T(all_its_pages_are_there_from_the_start),
		T(what_goes_in_comes_out_in_order),
		T(a_full_one_takes_nothing_until_there_is_room),
		T(there_is_room_for_last_words),
		T(what_a_killed_process_set_aside_is_there_at_the_next_start),
		T(nothing_of_it_can_be_read_without_the_key),
		T(a_changed_record_is_left_out_and_counted),
		T(a_changed_length_ends_the_reading),
		T(a_stale_skip_ends_the_reading),
		T(counters_that_cannot_be_are_begun_anew_and_told),
		T(of_another_size_it_is_counted_and_gone),
		T(a_count_that_is_behind_catches_up),
		T(its_size_goes_by_the_store_and_stays),
		T(another_layout_is_counted_and_gone),
		T(the_layout_of_the_version_before_is_read),
		T(what_two_versions_before_left_is_counted),
		T(a_file_that_is_none_of_ours_is_begun_anew),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

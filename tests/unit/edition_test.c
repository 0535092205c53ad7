/* Policies as editions: what is kept of one is that one again, with all it includes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "crypt.h"
#include "damaged_edition.h"
#include "edition.h"
#include "policy_file.h"
#include "scratch.h"

static const uint8_t root[32] = { 1 };
static struct scratch scratch;
static struct directory *d;

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(&scratch, name), "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	assert_int_equal(mkdir(scratch_path(&scratch, "wards"), 0700), 0);
	write_file(POLICY_FILE, "tenant mercy\ninclude wards/icu\ninclude all\n");
	write_file("wards/icu", "include beds\nrole icu\n  allow publish mercy/icu\n");
	write_file("wards/beds", "role beds\n  allow publish mercy/beds\n");
	write_file("all", "role all\n  allow publish mercy/all\n");
	assert_int_equal(directory_open(scratch_path(&scratch, "d.mdb"), root, false, &d), OK);
	return 0;
}

static int end(void **state)
{
	(void)state;
	directory_close(&d);
	remove(scratch_path(&scratch, "wards/icu"));
	remove(scratch_path(&scratch, "wards/beds"));
	scratch_remove(&scratch);
	return 0;
}

static struct policy *read_policy(void)
{
	struct policy_error where;
	struct policy *p = NULL;

	if (policy_file_load(scratch_path(&scratch, POLICY_FILE), &p, &where) != OK)
		fail_msg("%s:%u: %s", where.file, where.line, where.text);
	return p;
}

static void a_policy_of_several_files_is_that_policy_again(void **state)
{
	CLEANUP(policy_close) struct policy *p = read_policy();
	CLEANUP(policy_close) struct policy *again = NULL;
	CLEANUP(edition_clear) struct edition e = { 0 };
	struct policy_error where;

	(void)state;
	assert_int_equal(edition_keep(d, p, 1), OK);
	assert_int_equal(edition_keep(d, p, 1), OK);
	assert_int_equal(directory_edition(d, 0, &e), OK);
	assert_int_equal(e.number, 1);
	assert_int_equal(e.files, 3);
	assert_string_equal(e.file[0].name, "wards/icu");
	assert_string_equal(e.file[1].name, "all");
	assert_string_equal(e.file[2].name, "wards/beds");
	assert_int_equal(edition_policy(&e, &again, &where), OK);
	assert_memory_equal(policy_version(again), policy_version(p), 16);
	assert_true(policy_has_role(again, SPAN_LIT("beds")));
	assert_true(span_is(policy_place(again, policy_count(p).rules + 5).file, "wards/icu"));
}

/* The first file alone is the same: what it includes makes it another. */
static void another_included_file_is_another_edition(void **state)
{
	CLEANUP(policy_close) struct policy *p = read_policy();
	CLEANUP(policy_close) struct policy *other = NULL;
	CLEANUP(edition_clear) struct edition e = { 0 };
	uint64_t number, unread;

	(void)state;
	assert_int_equal(edition_keep(d, p, 1), OK);
	write_file("wards/beds", "role beds\n  deny publish mercy/beds\n");
	other = read_policy();
	assert_int_equal(edition_keep(d, other, 2), OK);
	assert_int_equal(directory_edition(d, 0, &e), OK);
	assert_int_equal(e.number, 2);
	assert_int_equal(edition_steps_back_to(d, p, &number, &unread), OK);
	assert_int_equal(number, 1);
	assert_int_equal(edition_steps_back_to(d, other, &number, &unread), OK);
	assert_int_equal(number, 0);
	assert_string_equal(e.file[2].text, "role beds\n  deny publish mercy/beds\n");
}

/* A version as nobody can read it. */
static void damage(uint64_t number)
{
	damage_edition(scratch_path(&scratch, "d.mdb"), root, number, &d);
}

static struct policy *policy_of(const char *beds)
{
	write_file("wards/beds", beds);
	return read_policy();
}

/* It may have been that text, and is named: an older one that can be read is found all the same. */
static void a_version_that_cannot_be_read_is_named_and_stepped_over(void **state)
{
	CLEANUP(policy_close) struct policy *first = policy_of("role beds\n  allow publish mercy/1\n");
	CLEANUP(policy_close) struct policy *second = policy_of("role beds\n  allow publish mercy/2\n");
	CLEANUP(policy_close) struct policy *third = policy_of("role beds\n  allow publish mercy/3\n");
	CLEANUP(policy_close) struct policy *fresh = policy_of("role beds\n  allow publish mercy/4\n");
	const struct { struct policy *p; uint64_t damaged, number, unread; enum err e; } row[] = {
		{ fresh, 0, 0, 0, OK }, { second, 0, 2, 0, OK },
		{ first, 2, 1, 0, OK }, { second, 2, 0, 0, ERR_CORRUPT }, { fresh, 2, 0, 0, ERR_CORRUPT }, { third, 2, 0, 0, OK },
		{ first, 3, 1, 0, OK }, { second, 3, 0, 3, OK }, { third, 3, 0, 3, OK },
	};
	CLEANUP(edition_clear) struct edition e = { 0 };
	uint64_t number, unread, damaged = 0;

	(void)state;
	assert_int_equal(edition_steps_back_to(d, first, &number, &unread), OK);
	assert_true(number == 0 && unread == 0);
	assert_int_equal(edition_keep(d, first, 1), OK);
	assert_int_equal(edition_keep(d, second, 2), OK);
	assert_int_equal(edition_keep(d, third, 3), OK);
	for (size_t i = 0; i < countof(row); i++) {
		if (row[i].damaged != damaged)
			damage(damaged = row[i].damaged);
		assert_int_equal(edition_steps_back_to(d, row[i].p, &number, &unread), row[i].e);
		assert_int_equal(number, row[i].number);
		assert_int_equal(unread, row[i].unread);
	}
	assert_int_equal(directory_edition(d, 0, &e), ERR_CORRUPT);
	assert_int_equal(e.number, 3);
	assert_int_equal(edition_keep(d, third, 4), OK);        /* the newest was lost: it is one again */
	assert_int_equal(directory_edition(d, 0, &e), OK);
	assert_true(e.number == 4 && e.rollback_of == 0);
	assert_int_equal(edition_steps_back_to(d, third, &number, &unread), OK);
	assert_true(number == 0 && unread == 0);
}

static void what_was_not_kept_whole_is_no_policy(void **state)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(edition_clear) struct edition e = { 0 };
	static char huge[EDITION_TEXT_MAX + 64];
	struct policy_error where;

	(void)state;
	strcpy(huge, "tenant mercy\n#");
	memset(huge + strlen(huge), 'x', EDITION_TEXT_MAX - 16);   /* too long only with what it stands beside */
	write_file("all", huge + strlen("tenant mercy\n"));
	p = read_policy();
	assert_int_equal(edition_keep(d, p, 1), OK);
	assert_int_equal(directory_edition(d, 0, &e), OK);
	assert_true(!e.text && !e.files);
	policy_close(&p);
	assert_int_equal(edition_policy(&e, &p, &where), ERR_NOT_FOUND);
	edition_clear(&e);
	write_file("all", "");
	p = read_policy();
	assert_int_equal(edition_of_policy(p, &e), OK);
	policy_close(&p);
	e.hash[0] ^= 1;
	assert_int_equal(edition_policy(&e, &p, &where), ERR_CORRUPT);
	e.hash[0] ^= 1;
	e.file[1].name[0] = 'x';
	assert_int_equal(edition_policy(&e, &p, &where), ERR_SYNTAX);
	assert_int_equal(where.line, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_policy_of_several_files_is_that_policy_again),
		TEST(another_included_file_is_another_edition),
		TEST(a_version_that_cannot_be_read_is_named_and_stepped_over),
		TEST(what_was_not_kept_whole_is_no_policy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

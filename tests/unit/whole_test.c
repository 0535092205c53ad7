/* whole: readers find the old file or the new one, whoever reads when; failures leave the old one and no rest. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "whole.h"

static struct scratch scratch;

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static size_t read_it(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(out, 1, cap, f) : 0;

	if (f)
		fclose(f);
	return n;
}

static void assert_holds(const char *path, const char *want)
{
	char text[64];

	assert_int_equal(read_it(path, text, sizeof(text)), strlen(want));
	assert_memory_equal(text, want, strlen(want));
}

static unsigned files(void)
{
	DIR *d = opendir(scratch_path(&scratch, "."));
	unsigned n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void it_is_there_with_its_mode_whatever_the_umask(void **state)
{
	const char *path = scratch_path(&scratch, "status");
	mode_t was = umask(077);
	struct stat st;

	(void)state;
	assert_int_equal(whole_write(path, SPAN_LIT("one"), 0644), OK);
	umask(was);
	assert_holds(path, "one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(whole_write(path, SPAN_LIT("and another"), 0644), OK);
	assert_holds(path, "and another");
	assert_int_equal(whole_write(path, SPAN_LIT(""), 0644), OK);
	assert_holds(path, "");
	assert_int_equal(files(), 1);
}

static void what_is_kept_is_whole_too(void **state)
{
	(void)state;
	assert_int_equal(whole_keep(scratch_path(&scratch, "standing"), SPAN_LIT("old"), 0600), OK);
	assert_int_equal(whole_keep(scratch_path(&scratch, "standing"), SPAN_LIT("new"), 0600), OK);
	assert_holds(scratch_path(&scratch, "standing"), "new");
	assert_int_equal(whole_keep(scratch_path(&scratch, "no/such/folder"), SPAN_LIT("x"), 0600), ERR_NOT_FOUND);
	assert_int_equal(files(), 1);
}

/* Somebody who may write to the folder must not have us write elsewhere. */
static void a_link_in_its_way_is_not_followed(void **state)
{
	char beside[256], victim[256];

	(void)state;
	snprintf(victim, sizeof(victim), "%s", scratch_path(&scratch, "victim"));
	snprintf(beside, sizeof(beside), "%s.tmp", scratch_path(&scratch, "status"));
	assert_int_equal(whole_write(victim, SPAN_LIT("untouched"), 0600), OK);
	assert_int_equal(symlink(victim, beside), 0);
	assert_int_equal(whole_write(scratch_path(&scratch, "status"), SPAN_LIT("new"), 0644), OK);
	assert_holds(victim, "untouched");
	assert_holds(scratch_path(&scratch, "status"), "new");
	assert_int_equal(files(), 2);
}

static void what_fails_is_named_and_leaves_the_old(void **state)
{
	char deep[1100], blocked[256];

	(void)state;
	assert_int_equal(whole_write(scratch_path(&scratch, "no/such/folder"), SPAN_LIT("x"), 0644), ERR_NOT_FOUND);
	memset(deep, 'a', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(whole_write(deep, SPAN_LIT("x"), 0644), ERR_TOO_LARGE);
	assert_int_equal(whole_write("/proc/pullcord.status", SPAN_LIT("x"), 0644), ERR_NOT_FOUND);
	assert_int_equal(whole_write("/dev/full/x", SPAN_LIT("x"), 0644), ERR_NOT_FOUND);
	snprintf(blocked, sizeof(blocked), "%s", scratch_path(&scratch, "blocked"));
	assert_int_equal(mkdir(blocked, 0700), 0);
	assert_int_equal(whole_write(blocked, SPAN_LIT("x"), 0644), ERR_KIND);   /* a folder cannot be replaced by a file */
	assert_int_equal(files(), 1);
}

static void what_is_replaced_stays_whose_it_is(void **state)
{
	struct stat st;
	char got[16], link[512];
	const char *path = scratch_path(&scratch, "policy");
	bool root = geteuid() == 0;

	(void)state;
	assert_int_equal(whole_replace(path, SPAN_LIT("new")), ERR_NOT_FOUND);
	assert_int_equal(whole_write(path, SPAN_LIT("old"), 0640), OK);
	if (root)
		assert_int_equal(chown(path, 4711, 4712), 0);
	assert_int_equal(whole_replace(path, SPAN_LIT("new")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, root ? 4711 : geteuid());
	assert_int_equal(read_it(path, got, sizeof(got)), 3);
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(whole_replace(link, SPAN_LIT("newer")), ERR_DENIED);
	assert_int_equal(whole_replace(scratch.dir, SPAN_LIT("newer")), ERR_DENIED);
	assert_int_equal(read_it(path, got, sizeof(got)), 3);
}

#define TEXT 60000

/* Every reading is all a's or all b's. */
static void what_is_made_was_not_there(void **state)
{
	const char *path = scratch_path(&scratch, "made"), *link = scratch_path(&scratch, "link to made");
	struct stat st;

	(void)state;
	assert_int_equal(whole_make(path, SPAN_LIT("first")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(whole_make(path, SPAN_LIT("second")), ERR_EXISTS);
	assert_holds(path, "first");
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(whole_make(path, SPAN_LIT("third")), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_holds(path, "third");
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(whole_make(link, SPAN_LIT("fourth")), ERR_DENIED);
	assert_int_equal(whole_make("/nonexistent/made", SPAN_LIT("fifth")), ERR_NOT_FOUND);
}

static void no_reader_ever_finds_a_part(void **state)
{
	static char text[TEXT], got[TEXT + 1];
	const char *path = scratch_path(&scratch, "status");
	int status, readings = 0;
	pid_t pid;

	(void)state;
	memset(text, 'a', TEXT);
	assert_int_equal(whole_write(path, span(text, TEXT), 0644), OK);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 2000; i++) {
			memset(text, 'a' + i % 26, TEXT);
			if (whole_write(path, span(text, TEXT), 0644) != OK)
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_int_equal(read_it(path, got, sizeof(got)), TEXT);
		for (int i = 1; i < TEXT; i++)
			if (got[i] != got[0])
				fail_msg("a mixture at %d", i);
		readings++;
	}
	assert_int_equal(status, 0);
	assert_true(readings > 0);
}

static void all_of_it_is_read_or_why_not_is_said(void **state)
{
	const char *path = scratch_path(&scratch, "a");
	char text[8];
	size_t n;

	(void)state;
	assert_int_equal(whole_read(path, text, sizeof(text), &n), ERR_NOT_FOUND);
	assert_int_equal(whole_write(path, SPAN_LIT(""), 0600), OK);
	assert_int_equal(whole_read(path, text, sizeof(text), &n), OK);
	assert_int_equal(n, 0);
	assert_int_equal(whole_write(path, SPAN_LIT("seven b"), 0600), OK);
	assert_int_equal(whole_read(path, text, sizeof(text), &n), OK);
	assert_int_equal(n, 7);
	assert_memory_equal(text, "seven b", 7);
	assert_int_equal(whole_write(path, SPAN_LIT("eight by"), 0600), OK);
	assert_int_equal(whole_read(path, text, sizeof(text), &n), ERR_TOO_LARGE);
	assert_int_equal(whole_read(scratch.dir, text, sizeof(text), &n), ERR_KIND);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(it_is_there_with_its_mode_whatever_the_umask), WITH(a_link_in_its_way_is_not_followed),
		WITH(what_is_kept_is_whole_too), WITH(what_is_replaced_stays_whose_it_is),
		WITH(what_fails_is_named_and_leaves_the_old), WITH(what_is_made_was_not_there),
		WITH(what_fails_is_named_and_leaves_the_old), WITH(no_reader_ever_finds_a_part),
		WITH(all_of_it_is_read_or_why_not_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* file: what the system's refusals mean, and that a write is whole. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "file.h"
#include "scratch.h"

static void refusals_say_what_is_the_matter(void **state)
{
	static const struct { int why; enum err err; } row[] = {
		{ ENOENT, ERR_NOT_FOUND }, { ENOTDIR, ERR_NOT_FOUND }, { EEXIST, ERR_EXISTS }, { EACCES, ERR_DENIED }, { EPERM, ERR_DENIED },
		{ EROFS, ERR_DENIED }, { ELOOP, ERR_DENIED }, { ENOSPC, ERR_FULL }, { EDQUOT, ERR_FULL }, { EFBIG, ERR_FULL },
		{ EISDIR, ERR_KIND }, { EIO, ERR_IO }, { EMFILE, ERR_IO }, { 0, ERR_IO },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(file_err(row[i].why), row[i].err);
}

static uint8_t sent[1 << 20], got[sizeof(sent)];
static size_t got_n;

static void *read_slowly(void *fd)
{
	ssize_t n;

	while (got_n < sizeof(got) && (n = read(*(int *)fd, got + got_n, 1000)) > 0)
		got_n += (size_t)n;
	return NULL;
}

/* A pipe takes a part. */
static void all_is_written(void **state)
{
	pthread_t reader;
	int ends[2];

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 >> 3);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
	assert_int_equal(file_write(ends[1], span(sent, sizeof(sent))), OK);
	close(ends[1]);
	pthread_join(reader, NULL);
	close(ends[0]);
	assert_int_equal(got_n, sizeof(sent));
	assert_memory_equal(got, sent, sizeof(sent));
}

static void a_full_disk_is_no_success(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, SPAN_LIT("a")), ERR_FULL);
	assert_int_equal(file_write(fd, span(NULL, 0)), OK);
	close(fd);
	assert_int_equal(file_write(-1, SPAN_LIT("a")), ERR_IO);
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, span_str(path)), OK);
	close(fd);
}

static bool is_there(const char *path, const char *tail)
{
	char name[512];

	snprintf(name, sizeof(name), "%s%s", path, tail);
	return access(name, F_OK) == 0;
}

static void what_is_put_aside_takes_with_it_what_belongs_to_it_and_nothings_place(void **state)
{
	static const char *const beside[] = { "-keys", "-lock", NULL };
	struct scratch scratch;
	char path[256], kept[2][300];

	(void)state;
	scratch_make(&scratch);
	snprintf(path, sizeof(path), "%s", scratch_path(&scratch, "s.mdb"));
	for (unsigned i = 0; i < 2; i++) {          /* mostly in one second */
		put(path);
		put(scratch_path(&scratch, "s.mdb-lock"));
		assert_int_equal(file_keep_aside(path, beside, kept[i], sizeof(kept[i])), OK);
		assert_false(is_there(path, "") || is_there(path, "-lock"));
		assert_true(is_there(kept[i], "") && is_there(kept[i], "-lock"));
	}
	assert_string_not_equal(kept[0], kept[1]);
	assert_true(is_there(kept[0], "") && !is_there(kept[0], "-keys"));
	assert_int_equal(file_keep_aside(path, beside, kept[0], sizeof(kept[0])), ERR_NOT_FOUND);
	assert_int_equal(file_keep_aside(path, beside, kept[0], strlen(path)), ERR_TOO_LARGE);
	scratch_remove(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_say_what_is_the_matter), cmocka_unit_test(all_is_written),
		cmocka_unit_test(a_full_disk_is_no_success),
		cmocka_unit_test(what_is_put_aside_takes_with_it_what_belongs_to_it_and_nothings_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_say_what_is_the_matter), cmocka_unit_test(all_is_written),
		cmocka_unit_test(a_full_disk_is_no_success),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

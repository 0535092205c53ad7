/* lean: less is resident afterwards, and everything still works. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypt.h"
#include "lean.h"

/* Of `what` in proc(5) status, in kB. */
static long resident(const char *what)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kb = -1;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, what, strlen(what)) == 0)
			kb = strtol(line + strlen(what), NULL, 10);
	fclose(f);
	return kb;
}

static void what_was_mapped_of_files_goes_and_comes_back(void **state)
{
	static const uint8_t abc[] = { 0xba, 0x78, 0x16, 0xbf };        /* FIPS 180-4, SHA-256("abc") */
	uint8_t hash[SHA256_BYTES];
	long before, after;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	before = resident("RssFile:");
	lean_down();
	after = resident("RssFile:");
	assert_true(after < before - 512);
	SHA256(hash, SPAN_LIT("abc"));
	assert_memory_equal(hash, abc, sizeof(abc));
	assert_non_null(strerror(1));
}

/* What the loader, or anybody, wrote is not touched. */
static int written = 1;
static int *const relocated = &written;

static void what_was_written_stays(void **state)
{
	char *text = strdup("kept");

	(void)state;
	written = 42;
	lean_down();
	assert_int_equal(*relocated, 42);
	assert_ptr_equal(relocated, &written);
	assert_string_equal(text, "kept");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_mapped_of_files_goes_and_comes_back),
		cmocka_unit_test(what_was_written_stays),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

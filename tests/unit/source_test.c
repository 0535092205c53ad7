/* source: what is said of files that cannot be read or made. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#include "said.h"
#include "source.h"

static enum err fails;

static int no_key(int argc, char **argv)
{
	(void)argc;
	return source_no_key(fails, argv[1]);
}

static int no_file(int argc, char **argv)
{
	(void)argc;
	return source_no_file(fails, argv[1]);
}

/* Root is told whose rights it has just then; nobody else is. */
static void who_is_refused_their_own_file_is_told_why(void **state)
{
	bool lowered = getuid() == 0;
	char *text;

	(void)state;
	fails = ERR_DENIED;
	must(!lowered || seteuid(65534) == 0);
	text = said(no_key, CMD_NO, (const char *const[]){ "key", "/root/k", NULL });
	must(!lowered || seteuid(0) == 0);
	assert_int_equal(strstr(text, "with the rights of the user it belongs to") != NULL, lowered);
	free(text);
	text = said(no_key, CMD_NO, (const char *const[]){ "key", "/root/k", NULL });
	assert_null(strstr(text, "with the rights of"));
	free(text);
}

static void a_file_that_is_there_is_left_alone(void **state)
{
	(void)state;
	fails = ERR_EXISTS;
	assert_says(no_file, CMD_NO, "nothing is overwritten: name a new file by --out", "file", "/tmp/x");
	fails = ERR_NOT_FOUND;
	assert_says(no_file, CMD_NO, "is made before", "file", "/nowhere/x");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_refused_their_own_file_is_told_why),
		cmocka_unit_test(a_file_that_is_there_is_left_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cmd_init: what cannot become an installation is refused before anything of it is made. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#include "crypt.h"
#include "said.h"
#include "scratch.h"

#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"    /* 65 */

static struct scratch scratch;
static char house[512];

static int make(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	snprintf(house, sizeof(house), "%s", scratch_path(&scratch, "my house"));
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static void refused(int code, const char *option, const char *value, const char *why)
{
	assert_says(cmd_init, code, why, "init", house, "--tenant", "mercy", "--broker-user", "root", option, value);
	assert_int_not_equal(access(house, F_OK), 0);
}

static void nothing_is_begun_that_could_not_end(void **state)
{
	(void)state;
	refused(CMD_USAGE, "--host", "bad host!", "--host is a name or an address");
	refused(CMD_USAGE, "--host", "", "--host is a name or an address");
	refused(CMD_USAGE, "--host", LETTERS, "at most 64 letters");
	refused(CMD_USAGE, "--broker-user", "nobody-here", "there is no user nobody-here");
	refused(CMD_NO, "--plugin", "/nowhere/x.so", "cannot read the plugin /nowhere/x.so: No such file");
	refused(CMD_USAGE, "--tenant", "me rcy", "--tenant is one word");
}

static void what_is_made_is_in_its_columns_and_may_be_pasted(void **state)
{
	char policy[600], quoted[600];

	(void)state;
	snprintf(policy, sizeof(policy), "%s/pullcord.policy", house);
	snprintf(quoted, sizeof(quoted), "export PULLCORD_DIR='%s'", house);
	assert_says(cmd_init, CMD_DONE, quoted, "init", house, "--tenant", "sankt-anna", "--broker-user", "root");
	assert_says(cmd_policy, CMD_DONE, "is in its columns", "policy", "fmt", "--check", policy);
	assert_says(cmd_policy, CMD_DONE, "0 warnings", "policy", "check", policy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_begun_that_could_not_end),
		cmocka_unit_test(what_is_made_is_in_its_columns_and_may_be_pasted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

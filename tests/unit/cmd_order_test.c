/* cmd_order: an officer's key, and what is said when there can be none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#include "crypt.h"
#include "said.h"
#include "scratch.h"

static void a_key_is_made_once_and_by_a_name_that_is_one(void **state)
{
	struct scratch scratch;
	char key[512], nowhere[600];

	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	snprintf(key, sizeof(key), "%s", scratch_path(&scratch, "key"));
	snprintf(nowhere, sizeof(nowhere), "%s/nowhere/key", scratch.dir);
	assert_says(cmd_order, CMD_NO, "a name has neither blanks nor '+'", "order", "key", "--name", "ana b", "--out", key);
	assert_says(cmd_order, CMD_NO, "a name has neither blanks nor '+'", "order", "key", "--name", "", "--out", key);
	assert_int_not_equal(access(key, F_OK), 0);
	assert_says(cmd_order, CMD_NO, "the folder it is to lie in is made before", "order", "key", "--name", "ana", "--out", nowhere);
	assert_says(cmd_order, CMD_DONE, "mercy/officer/ana+", "order", "key", "--name", "mercy/officer/ana", "--out", key);
	assert_says(cmd_order, CMD_NO, "keys are never overwritten", "order", "key", "--name", "mercy/officer/ana", "--out", key);
	scratch_remove(&scratch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(a_key_is_made_once_and_by_a_name_that_is_one) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

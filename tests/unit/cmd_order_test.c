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

#define WROTE "order", "write", "wipe", "nc1", "--nonce", "00112233445566778899aabbccddeeff", "--counter", "1", "--tenant", "mercy"

/* Enough signatures, and one too many that is nobody's, are not enough. */
static void what_a_device_will_not_obey_is_said(void **state)
{
	struct scratch scratch;
	char order[512], officers[512], key[3][512], *vkey[3];
	FILE *f;

	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	snprintf(order, sizeof(order), "%s/order", scratch.dir);
	snprintf(officers, sizeof(officers), "%s/officers", scratch.dir);
	f = fopen(officers, "w");
	must(f);
	for (size_t i = 0; i < 3; i++) {
		const char *const name[] = { "ana", "ben", "eve" };

		snprintf(key[i], sizeof(key[i]), "%s/key%zu", scratch.dir, i);
		vkey[i] = said(cmd_order, CMD_DONE, (const char *const[]){ "order", "key", "--name", name[i], "--out", key[i], NULL });
		if (i < 2)
			fprintf(f, "%.*s\n", (int)strcspn(vkey[i], "\n"), vkey[i]);
		free(vkey[i]);
	}
	fclose(f);
	assert_says(cmd_order, CMD_DONE, "next: 2 officers", WROTE, "--out", order);
	assert_says(cmd_order, CMD_DONE, "1 of 2", "order", "sign", order, "--key", key[0]);
	assert_says(cmd_order, CMD_NO, "refuses it until 1 more of them has signed", "order", "show", order, "--officers", officers);
	assert_says(cmd_order, CMD_DONE, "2 of 2", "order", "sign", order, "--key", key[2]);
	assert_says(cmd_order, CMD_NO, "refuses it for the signature that is not good", "order", "show", order, "--officers", officers);
	assert_says(cmd_order, CMD_NO, "who signed it is not in the list", "order", "sign", order, "--key", key[1], "--officers",
		officers);
	assert_says(cmd_order, CMD_DONE, "2 of 2 signatures", "order", "show", order);      /* and nothing was written */
	must(remove(order) == 0);
	assert_says(cmd_order, CMD_DONE, "next: 2 officers", WROTE, "--out", order);
	assert_says(cmd_order, CMD_NO, "it is by eve", "order", "sign", order, "--key", key[2], "--officers", officers);
	assert_says(cmd_order, CMD_DONE, "1 of 2", "order", "sign", order, "--key", key[0]);
	assert_says(cmd_order, CMD_DONE, "2 of 2", "order", "sign", order, "--key", key[1], "--officers", officers);
	assert_says(cmd_order, CMD_DONE, "2 of 2 signatures", "order", "show", order, "--officers", officers);
	scratch_remove(&scratch);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_made_once_and_by_a_name_that_is_one),
		cmocka_unit_test(what_a_device_will_not_obey_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

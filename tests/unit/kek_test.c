/* kek: the root key from a file, a credential of systemd's, or opened by a private key. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kek.h"
#include "scratch.h"

static struct scratch scratch;
static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return crypt_init() == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	scratch_remove(&scratch);
	return 0;
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
	const char *path = scratch_path(&scratch, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void assert_counts(const uint8_t root[AEAD_KEY_BYTES])
{
	for (unsigned i = 0; i < AEAD_KEY_BYTES; i++)
		assert_int_equal(root[i], i);
}

static void a_file_only_we_can_read(void **state)
{
	uint8_t root[AEAD_KEY_BYTES];

	(void)state;
	assert_int_equal(kek_load(write_file("key", hex, 0600), "", root), OK);
	assert_counts(root);
	assert_int_equal(kek_load(write_file("key", hex, 0640), "", root), ERR_DENIED);
	assert_int_equal(kek_load(write_file("short", "0001\n", 0600), "", root), ERR_SYNTAX);
	assert_int_equal(kek_load(scratch_path(&scratch, "none"), "", root), ERR_NOT_FOUND);
}

static void what_is_made_can_be_loaded_and_is_not_replaced(void **state)
{
	const char *path = scratch_path(&scratch, "made");
	uint8_t one[AEAD_KEY_BYTES], two[AEAD_KEY_BYTES];

	(void)state;
	assert_int_equal(kek_make(path, ""), OK);
	assert_int_equal(kek_load(path, "", one), OK);
	assert_int_equal(kek_make(path, ""), ERR_EXISTS);
	assert_int_equal(kek_make("/nowhere/outbox.key", ""), ERR_NOT_FOUND);
	assert_int_equal(kek_load(path, "", two), OK);
	assert_memory_equal(one, two, sizeof(one));
}

/* The power went between its name and what is in it: nothing was sealed by it, and the gateway is to start. */
static void an_empty_file_is_no_key_yet(void **state)
{
	const char *path = write_file("empty", "", 0644);
	uint8_t root[AEAD_KEY_BYTES];
	struct stat st;

	(void)state;
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(kek_load(path, "", root), ERR_NOT_FOUND);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(kek_make(path, ""), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(kek_load(path, "", root), OK);
	assert_int_equal(kek_make(path, ""), ERR_EXISTS);
}

static void a_credential_of_systemds(void **state)
{
	uint8_t root[AEAD_KEY_BYTES];

	(void)state;
	write_file("outbox", hex, 0440);   /* as an access list shows it */
	assert_int_equal(kek_load("credential:outbox", "", root), ERR_NOT_FOUND);
	setenv("CREDENTIALS_DIRECTORY", scratch.dir, 1);
	assert_int_equal(kek_load("credential:outbox", "", root), OK);
	assert_counts(root);
	assert_int_equal(kek_load("credential:../outbox", "", root), ERR_NOT_FOUND);
	assert_int_equal(kek_load("credential:", "", root), ERR_NOT_FOUND);
	assert_int_equal(kek_make("credential:outbox", ""), ERR_DENIED);
	write_file("outbox", hex, 0444);
	assert_int_equal(kek_load("credential:outbox", "", root), ERR_DENIED);
}

static const char *rsa_key(const char *name)
{
	const char *path = scratch_path(&scratch, name);
	char command[600];

	snprintf(command, sizeof(command), "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out %s 2>%s/said",
		 path, scratch.dir);
	assert_int_equal(system(command), 0);
	return path;
}

static void a_key_that_another_opens(void **state)
{
	const char *path = scratch_path(&scratch, "wrapped"), *key = rsa_key("one.pem"), *other;
	uint8_t one[AEAD_KEY_BYTES], two[AEAD_KEY_BYTES], bytes[1024];
	FILE *f;
	size_t n;

	(void)state;
	assert_int_equal(kek_make(path, key), OK);
	assert_int_equal(kek_load(path, key, one), OK);
	assert_int_equal(kek_load(path, key, two), OK);
	assert_memory_equal(one, two, sizeof(one));
	f = fopen(path, "r");
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_int_equal(n, 256);          /* nothing of it is there in clear */
	assert_null(memmem(bytes, n, one, 8));
	assert_int_equal(kek_load(path, "", two), ERR_SYNTAX);
	other = rsa_key("two.pem");
	assert_int_equal(kek_load(path, other, two), ERR_KEY);
	assert_int_equal(kek_load(path, "/nowhere/key.pem", two), ERR_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_only_we_can_read, make, drop),
		cmocka_unit_test_setup_teardown(what_is_made_can_be_loaded_and_is_not_replaced, make, drop),
		cmocka_unit_test_setup_teardown(an_empty_file_is_no_key_yet, make, drop),
		cmocka_unit_test_setup_teardown(a_credential_of_systemds, make, drop),
		cmocka_unit_test_setup_teardown(a_key_that_another_opens, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* vault: root key files, and values that open only where they were sealed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "scratch.h"
#include "seed.h"
#include "vault.h"

static struct scratch scratch;

static const char *file_with(const char *text, size_t n, mode_t mode)
{
	const char *path = scratch_path(&scratch, "key");
	FILE *f;

	remove(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void a_new_root_key_is_read_back(void **state)
{
	const char *path = scratch_path(&scratch, "root.key");
	uint8_t a[32] = { 0 }, b[32] = { 1 }, zero[32] = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(vault_make_root(path), OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(vault_root(path, a), OK);
	assert_int_equal(vault_root(path, b), OK);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, zero, sizeof(a));
}

static void a_root_key_is_never_overwritten(void **state)
{
	const char *path = scratch_path(&scratch, "once.key");
	uint8_t a[32], b[32];

	(void)state;
	assert_int_equal(vault_make_root(path), OK);
	assert_int_equal(vault_root(path, a), OK);
	assert_int_equal(vault_make_root(path), ERR_EXISTS);
	assert_int_equal(vault_root(path, b), OK);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(vault_make_root("/nonexistent/key"), ERR_NOT_FOUND);
	assert_int_equal(truncate(path, 0), 0);                 /* of a power cut: it was never there */
	assert_int_equal(vault_root(path, b), ERR_NOT_FOUND);
	assert_int_equal(vault_make_root(path), OK);
	assert_int_equal(vault_root(path, b), OK);
}

static void a_key_others_may_read_is_refused(void **state)
{
	static const mode_t open_modes[] = { 0640, 0604, 0660, 0666, 0601, 0610 };
	char text[65];
	uint8_t root[32];

	(void)state;
	memset(text, 'a', 64);
	for (size_t i = 0; i < countof(open_modes); i++)
		assert_int_equal(vault_root(file_with(text, 64, open_modes[i]), root), ERR_DENIED);
	assert_int_equal(vault_root(file_with(text, 64, 0600), root), OK);
	assert_int_equal(vault_root(file_with(text, 64, 0400), root), OK);
}

static void a_key_file_is_64_hex_digits(void **state)
{
	static const struct { const char *text; enum err err; } row[] = {
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", OK },
		{ "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n", OK },
		{ "", ERR_NOT_FOUND },
		{ "\n", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddee\n", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg", ERR_SYNTAX },
		{ "0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", ERR_SYNTAX },
		{ " 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", ERR_SYNTAX },
	};
	uint8_t root[32];

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(vault_root(file_with(row[i].text, strlen(row[i].text), 0600), root), row[i].err);
	assert_int_equal(vault_root(scratch_path(&scratch, "none"), root), ERR_NOT_FOUND);
}

static void what_was_sealed_opens(void **state)
{
	uint8_t root[32], text[100], sealed[100 + VAULT_EXTRA], back[100];
	struct vault v;

	(void)state;
	for (int i = 0; i < 200; i++) {
		size_t n = seed_below(sizeof(text) + 1);

		seed_bytes(root, sizeof(root));
		seed_bytes(text, n);
		vault_init(&v, root, "directory");
		assert_int_equal(vault_seal(&v, SPAN_LIT("account|x"), span(text, n), sealed), OK);
		assert_int_equal(vault_open(&v, SPAN_LIT("account|x"), span(sealed, n + VAULT_EXTRA), back), OK);
		assert_memory_equal(back, text, n);
	}
}

static void it_opens_nowhere_else(void **state)
{
	uint8_t root[32] = { 1 }, other_root[32] = { 2 }, sealed[4 + VAULT_EXTRA], back[4];
	struct vault v, purpose, key;
	struct span s = { sealed, sizeof(sealed) };

	(void)state;
	vault_init(&v, root, "directory");
	vault_init(&purpose, root, "history");
	vault_init(&key, other_root, "directory");
	assert_int_equal(vault_seal(&v, SPAN_LIT("account|ana"), SPAN_LIT("text"), sealed), OK);
	assert_int_equal(vault_open(&v, SPAN_LIT("account|bob"), s, back), ERR_KEY);
	assert_int_equal(vault_open(&purpose, SPAN_LIT("account|ana"), s, back), ERR_KEY);
	assert_int_equal(vault_open(&key, SPAN_LIT("account|ana"), s, back), ERR_KEY);
	assert_int_equal(vault_open(&v, SPAN_LIT("account|ana"), s, back), OK);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(vault_open(&v, SPAN_LIT("account|ana"), s, back), ERR_KEY);
		sealed[i] ^= 1;
	}
	for (size_t n = 0; n < VAULT_EXTRA; n++)
		assert_int_equal(vault_open(&v, SPAN_LIT("account|ana"), span(sealed, n), back), ERR_SHORT);
}

/* A repeated nonce would give the key stream away. */
static void the_same_text_is_never_sealed_alike(void **state)
{
	enum { N = 500 };
	static uint8_t sealed[N][4 + VAULT_EXTRA];
	uint8_t root[32] = { 1 };
	struct vault v;

	(void)state;
	vault_init(&v, root, "directory");
	for (int i = 0; i < N; i++) {
		assert_int_equal(vault_seal(&v, SPAN_LIT("x"), SPAN_LIT("text"), sealed[i]), OK);
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(sealed[i], sealed[k], AEAD_NONCE_BYTES);
	}
}

static void a_cleared_vault_holds_no_key(void **state)
{
	uint8_t root[32] = { 1 };
	struct vault v, zero = { { 0 } };

	(void)state;
	vault_init(&v, root, "directory");
	assert_memory_not_equal(&v, &zero, sizeof(v));
	vault_clear(&v);
	assert_memory_equal(&v, &zero, sizeof(v));
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(&scratch);
	return crypt_init() == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_root_key_is_read_back),
		cmocka_unit_test(a_root_key_is_never_overwritten),
		cmocka_unit_test(a_key_others_may_read_is_refused),
		cmocka_unit_test(a_key_file_is_64_hex_digits),
		cmocka_unit_test(what_was_sealed_opens),
		cmocka_unit_test(it_opens_nowhere_else),
		cmocka_unit_test(the_same_text_is_never_sealed_alike),
		cmocka_unit_test(a_cleared_vault_holds_no_key),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

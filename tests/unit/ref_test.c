/* ref: naming an alert in one word. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "crypt.h"
#include "ref.h"
#include "seed.h"

static void every_ref_is_read_back(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct ref r = { .unit = "icu3", .device = "icu3-nc1" }, again;
		char text[REF_TEXT];

		seed_bytes(r.id.b, sizeof(r.id.b));
		seed_bytes(r.key, sizeof(r.key));
		ref_write(&r, text);
		assert_int_equal(ref_read(span_str(text), &again), OK);
		assert_memory_equal(&again, &r, sizeof(r));
		assert_null(strpbrk(text, "+= \"'$"));
	}
}

static void the_longest_words_fit(void **state)
{
	struct ref r = { 0 }, again;
	char text[REF_TEXT];

	(void)state;
	memset(r.unit, 'u', WORD_BYTES_MAX);
	memset(r.device, 'd', WORD_BYTES_MAX);
	ref_write(&r, text);
	assert_int_equal(strlen(text), REF_TEXT - 1);
	assert_int_equal(ref_read(span_str(text), &again), OK);
	assert_memory_equal(&again, &r, sizeof(r));
}

#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"     /* 30 bytes of zero; "AAA" makes 32 */

static void other_words_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "/", "//", "icu3/nc1", "icu3/nc1/", "icu3/nc1/AAAA",
		"/nc1/" ZEROS "AAA", "ic u/nc1/" ZEROS "AAA", "icu3/nc1/x/" ZEROS "AAA",
		"icu3/nc1/" ZEROS "AA+", "icu3/nc1/" ZEROS "AA/", "icu3/nc1/" ZEROS "AA=", "icu3/nc1/" ZEROS "AAB",
		"icu3/nc1/" ZEROS "AAAA", "icu3/nc1/" ZEROS "AA", "icu3/nc1/" ZEROS "AAA=",
	};
	struct ref r = { .unit = "kept" };

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(ref_read(span_str(bad[i]), &r), ERR_SYNTAX);
	assert_string_equal(r.unit, "kept");
	assert_int_equal(ref_read(SPAN_LIT("icu3/nc1/" ZEROS "AAA"), &r), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ref_is_read_back),
		cmocka_unit_test(the_longest_words_fit),
		cmocka_unit_test(other_words_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (crypt_init() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

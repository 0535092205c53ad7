#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cur.h"
#include "seed.h"

static void numbers_are_big_endian(void **state)
{
	static const uint8_t raw[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct cur c = cur(span(raw, sizeof(raw)));

	(void)state;
	assert_int_equal(cur_u8(&c), 1);
	assert_int_equal(cur_u16(&c), 0x0203);
	assert_int_equal(cur_u32(&c), 0x04050607);
	assert_true(cur_u64(&c) == 0x08090a0b0c0d0e0fULL);
	assert_int_equal(cur_end(&c), OK);
}

static void past_the_end_it_is_bad_for_good_and_yields_zeros(void **state)
{
	struct cur c = cur(SPAN_LIT("\1\2\3"));

	(void)state;
	assert_int_equal(cur_u32(&c), 0);
	assert_int_equal(cur_u8(&c), 0);
	assert_int_equal(cur_take(&c, 0).n, 0);
	assert_int_equal(cur_take(&c, SIZE_MAX).n, 0);
	assert_int_equal(cur_end(&c), ERR_SHORT);
}

static void what_is_left_over_is_an_error(void **state)
{
	struct cur c = cur(SPAN_LIT("ab")), none = cur(span(NULL, 0));

	(void)state;
	assert_int_equal(cur_u8(&c), 'a');
	assert_int_equal(cur_end(&c), ERR_TRAILING);
	assert_int_equal(cur_take(&none, 0).n, 0);
	assert_int_equal(cur_end(&none), OK);
}

static void a_full_buffer_stays_as_it_was(void **state)
{
	char text[4] = "....";
	struct put b = put(text, 3);

	(void)state;
	put_str(&b, "ab");
	put_u16(&b, 0x4142);
	assert_true(b.bad);
	put_u8(&b, 'c');   /* would fit, but what is missing before it is missed */
	assert_int_equal(put_end(&b), ERR_TOO_LARGE);
	assert_int_equal(b.n, 2);
	assert_memory_equal(text, "ab..", 4);
}

static void formatted_text_needs_a_byte_more(void **state)
{
	char text[4];
	struct put exact = put(text, 3), room = put(text, 4), none = put(text, 0);

	(void)state;
	put_fmt(&exact, "%d", 123);
	assert_int_equal(put_end(&exact), ERR_TOO_LARGE);
	put_fmt(&room, "%d", 123);
	assert_int_equal(put_end(&room), OK);
	assert_true(span_is(put_span(&room), "123"));
	put_fmt(&none, "%s", "");
	assert_int_equal(put_end(&none), ERR_TOO_LARGE);
}

/* Random fields written and read back; at every shorter capacity writing fails, at every shorter length reading does. */
static void what_is_written_is_read(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint8_t raw[64], kind[8];
		uint64_t value[8];
		size_t fields = 1 + seed_below(8), whole = 0;

		for (size_t i = 0; i < fields; i++) {
			kind[i] = (uint8_t)seed_below(4);
			value[i] = seed_next() >> (64 - (8u << kind[i]));
			whole += 1u << kind[i];
		}
		for (size_t cap = 0; cap <= whole; cap++) {
			struct put b = put(raw, cap);
			struct cur c = cur(span(raw, cap));
			uint64_t got = 0;

			for (size_t i = 0; i < fields; i++)
				switch (kind[i]) {
				case 0: put_u8(&b, (uint8_t)value[i]); break;
				case 1: put_u16(&b, (uint16_t)value[i]); break;
				case 2: put_u32(&b, (uint32_t)value[i]); break;
				default: put_u64(&b, value[i]); break;
				}
			assert_int_equal(put_end(&b), cap == whole ? OK : ERR_TOO_LARGE);
			for (size_t i = 0; i < fields; i++) {
				got = kind[i] == 0 ? cur_u8(&c) : kind[i] == 1 ? cur_u16(&c) : kind[i] == 2 ? cur_u32(&c) : cur_u64(&c);
				assert_true(cap < whole || got == value[i]);
			}
			assert_int_equal(cur_end(&c), cap == whole ? OK : ERR_SHORT);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_big_endian),
		cmocka_unit_test(past_the_end_it_is_bad_for_good_and_yields_zeros),
		cmocka_unit_test(what_is_left_over_is_an_error),
		cmocka_unit_test(a_full_buffer_stays_as_it_was),
		cmocka_unit_test(formatted_text_needs_a_byte_more),
		cmocka_unit_test(what_is_written_is_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

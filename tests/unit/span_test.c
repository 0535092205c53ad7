#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "span.h"
#include "seed.h"

static void order_is_memory_order_then_length(void **state)
{
	(void)state;
	assert_true(span_cmp(SPAN_LIT("abc"), SPAN_LIT("abd")) < 0);
	assert_true(span_cmp(SPAN_LIT("abc"), SPAN_LIT("ab")) > 0);
	assert_true(span_cmp(SPAN_LIT("\xff"), SPAN_LIT("a")) > 0);
	assert_int_equal(span_cmp(SPAN_LIT("abc"), SPAN_LIT("abc")), 0);
	assert_int_equal(span_cmp(span(NULL, 0), SPAN_LIT("")), 0);
	assert_true(span_cmp(span(NULL, 0), SPAN_LIT("a")) < 0);
}

static void equality_needs_the_same_length(void **state)
{
	(void)state;
	assert_true(span_eq(span(NULL, 0), SPAN_LIT("")));
	assert_false(span_eq(SPAN_LIT("a"), SPAN_LIT("ab")));
	assert_true(span_is(SPAN_LIT("ab"), "ab"));
	assert_false(span_is(span("a\0b", 3), "a"));
	assert_true(span_is(span(NULL, 0), NULL));
}

static void trim_takes_blanks_and_tabs_only(void **state)
{
	(void)state;
	assert_true(span_is(span_trim(SPAN_LIT(" \t a b\t ")), "a b"));
	assert_true(span_is(span_trim(SPAN_LIT("\n")), "\n"));
	assert_int_equal(span_trim(SPAN_LIT(" \t ")).n, 0);
	assert_int_equal(span_trim(span(NULL, 0)).n, 0);
}

static void cutting_and_joining_gives_the_text_back(void **state)
{
	uint8_t text[32], joined[64];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = seed_below(sizeof(text)), at = 0;
		struct span rest = span(text, n), piece;

		for (size_t i = 0; i < n; i++)
			text[i] = "/ab"[seed_below(3)];
		do {
			piece = span_cut(rest, '/', &rest);
			assert_null(piece.n ? memchr(piece.p, '/', piece.n) : NULL);
			memcpy(joined + at, piece.n ? (const char *)piece.p : "", piece.n);
			at += piece.n;
			if (rest.p)
				joined[at++] = '/';
		} while (rest.p);
		assert_int_equal(at, n);
		assert_memory_equal(joined, text, n);
	}
}

static void text_is_copied_only_when_it_fits_and_is_text(void **state)
{
	char out[4] = "xxx";

	(void)state;
	assert_true(span_text(SPAN_LIT("abc"), out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(span_text(SPAN_LIT("abcd"), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(span_text(span("a\0b", 3), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_true(span_text(span(NULL, 0), out, 1));
}

static void numbers_are_digits_up_to_a_limit(void **state)
{
	static const struct { const char *text; uint64_t max; bool good; uint64_t value; } row[] = {
		{ "0", 0, true, 0 },
		{ "007", 7, true, 7 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999", UINT64_MAX, false, 0 },
		{ "8", 7, false, 0 },
		{ "", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ "+1", 9, false, 0 },
		{ "1 ", 9, false, 0 },
		{ "0x1", 99, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		uint64_t v = 4711;

		assert_int_equal(span_u64(span_str(row[i].text), row[i].max, &v), row[i].good);
		assert_true(v == (row[i].good ? row[i].value : 4711));
	}
}

/* Unicode 15, table 3-7, said the other way round: decode by arithmetic, refuse what another form could have said. */
static bool utf8_reference(const uint8_t *p, size_t n)
{
	while (n) {
		size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
		uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
		static const uint32_t least[] = { 0, 1, 0x80, 0x800, 0x10000 };

		if (len == 0 || len > n)
			return false;
		for (size_t i = 1; i < len; i++) {
			if (p[i] >> 6 != 2)
				return false;
			c = c << 6 | (p[i] & 63u);
		}
		if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
		p += len, n -= len;
	}
	return true;
}

static void utf8_agrees_with_decoding(void **state)
{
	/* Bytes at the corners of table 3-7 come often. */
	static const uint8_t corner[] = { 0, 1, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed,
					  0xef, 0xf0, 0xf4, 0xf5, 0xff };
	uint8_t b[4], text[20];

	(void)state;
	for (unsigned first = 0; first < 256; first++)
		for (unsigned second = 0; second < 256; second++) {
			b[0] = (uint8_t)first, b[1] = (uint8_t)second;
			assert_int_equal(span_utf8(span(b, 1)), utf8_reference(b, 1));
			assert_int_equal(span_utf8(span(b, 2)), utf8_reference(b, 2));
		}
	for (int round = 0; round < 300000; round++) {
		for (size_t i = 0; i < sizeof(b); i++)
			b[i] = seed_below(2) ? corner[seed_below(sizeof(corner))] : (uint8_t)seed_next();
		for (size_t n = 0; n <= sizeof(b); n++)
			assert_int_equal(span_utf8(span(b, n)), utf8_reference(b, n));
		memset(text, 'a', sizeof(text));        /* among plain text, which is looked at in strides */
		memcpy(text + seed_below(sizeof(text) - sizeof(b)), b, sizeof(b));
		assert_int_equal(span_utf8(span(text, sizeof(text))), utf8_reference(text, sizeof(text)));
	}
}

static void hex_comes_back(void **state)
{
	uint8_t bytes[40], back[40];
	char text[81];

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t n = seed_below(sizeof(bytes) + 1);

		seed_bytes(bytes, n);
		hex_encode(span(bytes, n), text);
		assert_int_equal(strlen(text), 2 * n);
		assert_true(hex_decode(span_str(text), back, sizeof(back)));
		assert_memory_equal(back, bytes, n);
	}
}

static void hex_refuses_what_is_none(void **state)
{
	uint8_t out[2];

	(void)state;
	assert_true(hex_decode(SPAN_LIT("aBfF"), out, 2));
	assert_int_equal(out[1], 0xff);
	assert_false(hex_decode(SPAN_LIT("abc"), out, 2));
	assert_false(hex_decode(SPAN_LIT("ag"), out, 2));
	assert_false(hex_decode(SPAN_LIT("aabbcc"), out, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_memory_order_then_length),
		cmocka_unit_test(equality_needs_the_same_length),
		cmocka_unit_test(trim_takes_blanks_and_tabs_only),
		cmocka_unit_test(cutting_and_joining_gives_the_text_back),
		cmocka_unit_test(text_is_copied_only_when_it_fits_and_is_text),
		cmocka_unit_test(numbers_are_digits_up_to_a_limit),
		cmocka_unit_test(utf8_agrees_with_decoding),
		cmocka_unit_test(hex_comes_back),
		cmocka_unit_test(hex_refuses_what_is_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

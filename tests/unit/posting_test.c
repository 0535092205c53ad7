/* posting: what was put in comes out, and nothing else is a block. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "posting.h"
#include "seed.h"

static void what_was_put_in_comes_out(void **state)
{
	static uint64_t in[POSTING_BYTES_MAX];
	static struct posting p, again;
	struct posting_walk w;
	uint64_t out;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint64_t index = seed_below(2) ? seed_below(1000) : seed_next() >> 8;
		size_t n = 0;

		p = (struct posting){ 0 };
		while (posting_add(&p, index)) {
			in[n++] = index;
			assert_true(posting_add(&p, index));   /* once more is not twice */
			if (seed_below(500) == 0)
				break;
			index += 1 + (seed_below(3) ? seed_below(200) : seed_next() >> seed_below(50) >> 14);
		}
		assert_int_equal(posting_read(posting_span(&p), &again), OK);
		assert_true(again.first == in[0] && again.last == in[n - 1]);
		w = posting_walk(&again);
		for (size_t i = 0; i < n; i++) {
			assert_true(posting_next(&w, &out));
			assert_true(out == in[i]);
		}
		assert_false(posting_next(&w, &out));
	}
}

static void a_block_that_was_cut_or_goes_on_is_none(void **state)
{
	struct posting p = { 0 }, out;
	uint8_t longer[64];

	(void)state;
	for (uint64_t i = 0; i < 9; i++)
		assert_true(posting_add(&p, i * 200));
	for (size_t n = 0; n < p.n; n++)
		assert_int_equal(posting_read(span(p.b, n), &out), ERR_CORRUPT);
	memcpy(longer, p.b, p.n);
	longer[p.n] = 1;
	assert_int_equal(posting_read(span(longer, p.n + 1), &out), ERR_CORRUPT);
	longer[p.n] = 0;
	assert_int_equal(posting_read(span(longer, p.n + 1), &out), ERR_CORRUPT);
	assert_int_equal(posting_read(posting_span(&p), &out), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_comes_out),
		cmocka_unit_test(a_block_that_was_cut_or_goes_on_is_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

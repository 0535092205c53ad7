#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "ring.h"
#include "seed.h"
#include "until.h"

static struct ring *ring;

static int ring_make(void **state)
{
	(void)state;
	assert_int_equal(ring_open(RING_BYTES_MIN, &ring), OK);
	return 0;
}

static int ring_drop(void **state)
{
	(void)state;
	ring_close(&ring);
	assert_null(ring);
	ring_close(&ring);
	return 0;
}

static bool push(struct span s)
{
	return ring_push(ring, &s, 1);
}

static void sizes_that_make_no_ring_are_refused(void **state)
{
	static const size_t sizes[] = { 0, 1, RING_BYTES_MIN / 2, RING_BYTES_MIN + 1, 3 * RING_BYTES_MIN, SIZE_MAX };
	struct ring *r = NULL;

	(void)state;
	for (size_t i = 0; i < countof(sizes); i++)
		assert_int_equal(ring_open(sizes[i], &r), ERR_RANGE);
	assert_null(r);
}

static void pieces_come_out_as_one_record(void **state)
{
	const struct span piece[] = { SPAN_LIT("ab"), span(NULL, 0), SPAN_LIT("cde") };
	struct span out;

	(void)state;
	assert_false(ring_peek(ring, &out));
	assert_true(ring_push(ring, piece, countof(piece)));
	assert_true(ring_push(ring, NULL, 0));
	assert_true(ring_peek(ring, &out));
	assert_true(span_is(out, "abcde"));
	assert_true(ring_peek(ring, &out));
	assert_int_equal(out.n, 0);
	assert_false(ring_peek(ring, &out));
}

static void what_was_taken_can_be_taken_again_until_it_is_given_back(void **state)
{
	struct span out;

	(void)state;
	assert_true(push(SPAN_LIT("one")));
	assert_true(push(SPAN_LIT("two")));
	assert_true(ring_peek(ring, &out));
	ring_rewind(ring);
	assert_true(ring_peek(ring, &out));
	assert_true(span_is(out, "one"));
	ring_advance(ring);
	ring_rewind(ring);
	assert_true(ring_peek(ring, &out));
	assert_true(span_is(out, "two"));
	assert_true(ring_used(ring) > 0);
	ring_advance(ring);
	assert_int_equal(ring_used(ring), 0);
}

static void a_quarter_always_fits_into_an_empty_ring_and_no_more(void **state)
{
	static uint8_t big[RING_BYTES_MIN / 4 + 1];
	struct span out;

	(void)state;
	for (int i = 0; i < 64; i++) {
		assert_true(push(span(big, sizeof(big) - 1)));
		assert_true(push(span(big, seed_below(50))));
		assert_true(ring_peek(ring, &out));
		assert_int_equal(out.n, sizeof(big) - 1);
		assert_true(ring_peek(ring, &out));
		ring_advance(ring);
	}
	assert_false(push(span(big, sizeof(big))));
}

/* Against a list: whatever is pushed comes out, in order, and a full ring refuses without losing or changing anything. */
static void it_behaves_like_a_bounded_list(void **state)
{
	struct { uint8_t fill; uint16_t n; } list[RING_BYTES_MIN];
	uint64_t in = 0, taken = 0, back = 0;
	uint8_t buf[RING_BYTES_MIN / 4];
	struct span out;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t what = seed_below(100);

		if (what < 50) {
			uint16_t n = (uint16_t)seed_below(seed_below(2) ? sizeof(buf) + 1 : 40);

			memset(buf, (int)in, n);
			if (push(span(buf, n))) {
				list[in % countof(list)].fill = (uint8_t)in;
				list[in++ % countof(list)].n = n;
			} else {
				assert_true(ring_used(ring) + 2 * n + 8 > RING_BYTES_MIN / 2);
			}
		} else if (what < 90) {
			bool some = ring_peek(ring, &out);

			assert_int_equal(some, taken < in);
			if (!some)
				continue;
			assert_int_equal(out.n, list[taken % countof(list)].n);
			for (size_t k = 0; k < out.n; k++)
				if (out.p[k] != list[taken % countof(list)].fill)
					fail_msg("record %llu is changed", (unsigned long long)taken);
			taken++;
		} else if (what < 97) {
			ring_advance(ring);
			back = taken;
		} else {
			ring_rewind(ring);
			taken = back;
		}
	}
}

/* ---- two threads ---- */

#define MANY 300000

static void *pusher(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; i < MANY;) {
		uint8_t tail[40];
		struct span piece[] = { span(&i, sizeof(i)), span(tail, i % sizeof(tail)) };

		memset(tail, (int)i, sizeof(tail));
		if (ring_push(ring, piece, 2))
			i++;
		else
			ring_wake(ring);
	}
	return NULL;
}

static void two_threads_lose_change_and_swap_nothing(void **state)
{
	pthread_t thread;
	struct span out;
	uint64_t n = 0, got;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, pusher, NULL), 0);
	while (n < MANY) {
		while (ring_peek(ring, &out)) {
			memcpy(&got, out.p, sizeof(got));
			if (got != n || out.n != sizeof(n) + n % 40 || (out.n > 8 && out.p[out.n - 1] != (uint8_t)n))
				fail_msg("record %llu came where %llu was due", (unsigned long long)got, (unsigned long long)n);
			n++;
			if (n % 3 == 0)
				ring_advance(ring);
		}
		ring_advance(ring);
		if (n < MANY)
			ring_sleep(ring, 1000);
	}
	pthread_join(thread, NULL);
	assert_int_equal(ring_used(ring), 0);
}

/* One at a time, so that the taker sleeps before almost every record: a lost wake-up would cost its whole timeout. */
static void *slow_pusher(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2000; i++) {
		while (ring_used(ring))
			sched_yield();
		(void)push(SPAN_LIT("x"));
	}
	return NULL;
}

static void a_sleeper_is_always_woken(void **state)
{
	pthread_t thread;
	struct span out;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, slow_pusher, NULL), 0);
	for (int n = 0; n < 2000;) {
		const int64_t before = until_now_s();

		ring_sleep(ring, UNTIL_S * 1000);
		assert_true(until_now_s() - before < UNTIL_S);
		for (; ring_peek(ring, &out); n++)
			ring_advance(ring);
	}
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_make_no_ring_are_refused),
		cmocka_unit_test_setup_teardown(pieces_come_out_as_one_record, ring_make, ring_drop),
		cmocka_unit_test_setup_teardown(what_was_taken_can_be_taken_again_until_it_is_given_back, ring_make, ring_drop),
		cmocka_unit_test_setup_teardown(a_quarter_always_fits_into_an_empty_ring_and_no_more, ring_make, ring_drop),
		cmocka_unit_test_setup_teardown(it_behaves_like_a_bounded_list, ring_make, ring_drop),
		cmocka_unit_test_setup_teardown(two_threads_lose_change_and_swap_nothing, ring_make, ring_drop),
		cmocka_unit_test_setup_teardown(a_sleeper_is_always_woken, ring_make, ring_drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

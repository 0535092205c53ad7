/* resend: what counts as received, and from where to send again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "resend.h"
#include "seed.h"

static void what_was_sent_long_ago_on_a_standing_connection_is_safe(void **state)
{
	struct resend r;

	(void)state;
	resend_init(&r, 1000, 5);
	resend_sent(&r, 100, 0);
	resend_sent(&r, 200, 999);
	assert_int_equal(r.safe, 5);
	resend_sent(&r, 300, 1000);
	assert_int_equal(r.safe, 100);
	resend_sent(&r, 300, 1999);
	assert_int_equal(r.safe, 200);
}

static void a_broken_connection_makes_nothing_safe(void **state)
{
	struct resend r;

	(void)state;
	resend_init(&r, 1000, 5);
	resend_sent(&r, 100, 0);
	assert_int_equal(resend_broken(&r), 5);
	resend_sent(&r, 5, 5000);
	assert_int_equal(r.safe, 5);
	resend_sent(&r, 50, 6000);
	assert_int_equal(r.safe, 5);
	resend_sent(&r, 50, 7000);
	assert_int_equal(r.safe, 50);
}

/* Against the list of everything that was sent: never more is safe than was sent `hold` ago. */
static void never_too_much_is_safe_and_everything_is_in_the_end(void **state)
{
	static struct { int64_t at; uint64_t next; } sent[20000];
	struct resend r;

	(void)state;
	for (int round = 0; round < 50; round++) {
		int64_t hold = 1 + (int64_t)seed_below(3000), now = 0;
		uint64_t next = 0, before = 0;

		resend_init(&r, hold, 0);
		for (size_t i = 0; i < 2000; i++) {
			now += (int64_t)seed_below(seed_below(20) ? 20 : 5000);
			next += seed_below(50);
			sent[i].at = now;
			sent[i].next = next;
			resend_sent(&r, next, now);
			assert_true(r.safe >= before);
			before = r.safe;
			uint64_t most = 0;
			for (size_t k = 0; k <= i; k++)
				if (sent[k].at <= now - hold && sent[k].next > most)
					most = sent[k].next;
			assert_true(r.safe <= most);
		}
		resend_sent(&r, next, now += hold);
		resend_sent(&r, next, now + hold);
		assert_int_equal(r.safe, next);
	}
}

static void a_state_is_read_as_it_was_written(void **state)
{
	static const char *const bad[] = {
		"", "pullcord feed 2\norigin a\nto b:1\nsafe 1\n", "pullcord feed 1\norigin a\nto b:1\n",
		"pullcord feed 1\norigin a\nto b:1\nsafe -1\n", "pullcord feed 1\norigin a\nto b:1\nsafe 1\nmore\n",
		"pullcord feed 1\nto b:1\norigin a\nsafe 1\n", "pullcord feed 1\norigin \nto b:1\nsafe 1\n",
	};
	struct resend_file f = { SPAN_LIT("a.example/audit/main"), SPAN_LIT("arr:6514"), UINT64_MAX }, g;
	char buf[RESEND_TEXT_MAX];
	struct put out = put(buf, sizeof(buf));

	(void)state;
	resend_write(&f, &out);
	assert_int_equal(put_end(&out), OK);
	assert_int_equal(resend_read(put_span(&out), &g), OK);
	assert_true(span_eq(f.origin, g.origin) && span_eq(f.to, g.to) && f.safe == g.safe);
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_not_equal(resend_read(span_str(bad[i]), &g), OK);
}

/* Else what went nowhere would count as there, and not be sent again. */
static void a_connection_is_known_to_be_lost_before_anything_is_safe(void **state)
{
	(void)state;
	for (int64_t hold_ms = 1000; hold_ms <= 86400000; hold_ms += hold_ms / 3) {
		int64_t lost_ms = resend_lost_ms(hold_ms);

		assert_true(lost_ms > 0 && lost_ms <= RESEND_LOST_MS_MAX && 2 * lost_ms <= hold_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_long_ago_on_a_standing_connection_is_safe),
		cmocka_unit_test(a_broken_connection_makes_nothing_safe),
		cmocka_unit_test(never_too_much_is_safe_and_everything_is_in_the_end),
		cmocka_unit_test(a_connection_is_known_to_be_lost_before_anything_is_safe),
		cmocka_unit_test(a_state_is_read_as_it_was_written),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

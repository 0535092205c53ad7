/* unkept: the same event again is the same message, for a while and of the last ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "unkept.h"

static struct unkept u;
static const struct digest bytes = { "its bytes" }, others = { "other bytes" };
static const struct id fresh = { { 0xff } };

static struct id numbered(unsigned n) { return (struct id){ { (uint8_t)n, (uint8_t)(n >> 8), 1 } }; }

static void add(unsigned n)
{
	struct id id = numbered(n);
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	unkept_add(&u, SPAN_LIT("bed 7"), span_str(text), &bytes, &id, 1000);
}

static bool has(const char *source, const char *source_id, const struct digest *d, unsigned n, int64_t now_ms)
{
	struct id got = unkept_id(&u, span_str(source), span_str(source_id), d, &fresh, now_ms), want = numbered(n);

	if (memcmp(&got, &fresh, sizeof(got)) == 0)
		return false;
	assert_memory_equal(&got, &want, sizeof(got));
	return true;
}

static void it_is_known_by_source_id_and_bytes(void **state)
{
	(void)state;
	u = (struct unkept){ 0 };
	assert_false(has("bed 7", "1", &bytes, 1, 1000));
	add(1);
	assert_true(has("bed 7", "1", &bytes, 1, 1000));
	assert_false(has("bed 8", "1", &bytes, 1, 1000));
	assert_false(has("bed 7", "2", &bytes, 1, 1000));
	assert_false(has("bed 7", "1", &others, 1, 1000));
	assert_false(has("bed", " 71", &bytes, 1, 1000));
}

static void later_it_is_somebody_who_calls_again(void **state)
{
	(void)state;
	u = (struct unkept){ 0 };
	add(1);
	assert_true(has("bed 7", "1", &bytes, 1, 1000 + UNKEPT_MS - 1));
	assert_false(has("bed 7", "1", &bytes, 1, 1000 + UNKEPT_MS));
}

static void the_last_ones_are_known(void **state)
{
	(void)state;
	u = (struct unkept){ 0 };
	for (unsigned n = 0; n < 1000; n++) {
		char text[16];

		add(n);
		for (unsigned i = 0; i <= n; i += 7) {
			snprintf(text, sizeof(text), "%u", i);
			assert_int_equal(has("bed 7", text, &bytes, i, 1000), n - i < UNKEPT_MAX);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_known_by_source_id_and_bytes), cmocka_unit_test(later_it_is_somebody_who_calls_again),
		cmocka_unit_test(the_last_ones_are_known),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

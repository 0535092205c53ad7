/* brokers: names and addresses, with and without ports, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "brokers.h"

static struct brokers all;
static struct span bad;

static void brokers_as_they_are_written(void **state)
{
	static const struct { const char *text; unsigned n; const char *host[3]; unsigned port[3]; } row[] = {
		{ "", 0, { NULL }, { 0 } },
		{ "b.example", 1, { "b.example" }, { 8883 } },
		{ " b_2:1  c ", 2, { "b_2", "c" }, { 1, 8883 } },
		{ "[::1]:2 [fe80::1%eth0] 10.0.0.1:65535", 3, { "::1", "fe80::1%eth0", "10.0.0.1" }, { 2, 8883, 65535 } },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(brokers_read("a.example", 8883, row[i].text, &all, &bad), OK);
		assert_int_equal(all.n, 1 + row[i].n);
		assert_string_equal(all.at[0].host, "a.example");
		assert_int_equal(all.at[0].port, 8883);
		for (unsigned k = 0; k < row[i].n; k++) {
			assert_string_equal(all.at[1 + k].host, row[i].host[k]);
			assert_int_equal(all.at[1 + k].port, row[i].port[k]);
		}
	}
}

static void what_is_no_broker_is_named(void **state)
{
	static const char *const no[] = { "b:0", "b:65536", "b:", ":1", "b:x", "[::1", "[]", "[::1]2", "b:1:x", "b,c", "b!", "::1", "-b",
					  "\"b\"", "mqtts://b", "b/c", "[b%]", "[::1%]", "b\tc" };
	char text[64];

	(void)state;
	for (size_t i = 0; i < countof(no); i++) {
		struct brokers before;

		memset(&all, 7, sizeof(all));
		before = all;
		snprintf(text, sizeof(text), "c.example %s", no[i]);
		assert_int_equal(brokers_read("a", 8883, text, &all, &bad), ERR_SYNTAX);
		assert_true(span_is(bad, no[i]));
		assert_memory_equal(&all, &before, sizeof(all));
	}
	assert_int_equal(brokers_read("a:8883", 8883, "", &all, &bad), ERR_SYNTAX);
	assert_true(span_is(bad, "a:8883"));
	assert_int_equal(brokers_read("a", 1, "b c d e f g h", &all, &bad), OK);
	assert_int_equal(all.n, BROKERS_MAX);
	assert_int_equal(brokers_read("a", 1, "b c d e f g h i", &all, &bad), ERR_TOO_LARGE);
	assert_true(span_is(bad, "i"));
}

static void a_host_is_a_name_or_an_address(void **state)
{
	char name[BROKERS_HOST + 1];

	(void)state;
	assert_true(brokers_host_ok(SPAN_LIT("localhost")));
	assert_true(brokers_host_ok(SPAN_LIT("192.0.2.7")));
	assert_true(brokers_host_ok(SPAN_LIT("2001:db8::192.0.2.7")));
	assert_false(brokers_host_ok(SPAN_LIT("")));
	assert_false(brokers_host_ok(SPAN_LIT("bad host!")));
	assert_false(brokers_host_ok(SPAN_LIT("b\0c")));
	assert_false(brokers_host_ok(SPAN_LIT("br\xc3\xbc" "cke.example")));
	memset(name, 'a', sizeof(name));
	assert_true(brokers_host_ok(span(name, BROKERS_HOST - 1)));
	assert_false(brokers_host_ok(span(name, BROKERS_HOST)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brokers_as_they_are_written),
		cmocka_unit_test(what_is_no_broker_is_named),
		cmocka_unit_test(a_host_is_a_name_or_an_address),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>

#include "log.h"
#include "seed.h"

static char said[LOG_LINE_MAX + 1];
static int lines;

static void remember(enum log_level level, const char *line)
{
	(void)level;
	assert_true(strlen(line) < LOG_LINE_MAX);
	strcpy(said, line);
	lines++;
}

static int listen_in(void **state)
{
	(void)state;
	log_to(remember);
	log_least(LOG_LEVEL_INFO);
	lines = 0;
	return 0;
}

static void a_line_is_the_event_and_its_values(void **state)
{
	(void)state;
	log_say(EV_GATEWAY_START, KV_STR("version", "0.1"), KV_NUM("queued", -3));
	assert_string_equal(said, "gateway_start version=0.1 queued=-3");
}

static void every_event_is_declared_with_a_meaning(void **state)
{
	(void)state;
	for (int e = 0; e < EV_COUNT; e++) {
		assert_true(strlen(log_text((enum log_event)e)) > 10);
		for (const char *c = log_name((enum log_event)e); *c; c++)
			assert_true(isupper(*c) || isdigit(*c) || *c == '_');
	}
}

static void values_cannot_break_out_of_their_place(void **state)
{
	static const struct { const char *value, *line; } row[] = {
		{ "ana.t1", "gateway_start v=ana.t1" },
		{ "", "gateway_start v=\"\"" },
		{ "a b", "gateway_start v=\"a b\"" },
		{ "a=b", "gateway_start v=\"a=b\"" },
		{ "a\nb", "gateway_start v=\"a\\x0ab\"" },
		{ "\"\\", "gateway_start v=\"\\\"\\\\\"" },
		{ "\x1b[31m", "gateway_start v=\"\\x1b[31m\"" },
		{ "\xe2\x80\xae", "gateway_start v=\"\\xe2\\x80\\xae\"" },   /* U+202E turns the line around */
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		log_say(EV_GATEWAY_START, KV_STR("v", row[i].value));
		assert_string_equal(said, row[i].line);
	}
}

static void an_absent_text_is_empty_not_zero(void **state)
{
	const char *nobody = NULL;

	(void)state;
	log_say(EV_GATEWAY_START, KV_STR("a", nobody), KV_SPAN("b", span(NULL, 0)));
	assert_string_equal(said, "gateway_start a=\"\" b=\"\"");
}

static void a_long_line_is_cut_and_says_so(void **state)
{
	char value[2 * LOG_LINE_MAX];

	(void)state;
	memset(value, 'x', sizeof(value));
	log_say(EV_GATEWAY_START, KV_SPAN("v", span(value, sizeof(value))), KV_NUM("after", 1));
	assert_int_equal(strlen(said), LOG_LINE_MAX - 1);
	assert_string_equal(said + LOG_LINE_MAX - 5, "x...");
}

static void whatever_the_bytes_a_line_is_one_line_of_ascii(void **state)
{
	uint8_t value[600];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t n = seed_below(sizeof(value));

		seed_bytes(value, n);
		log_say(EV_GATEWAY_START, KV_SPAN("v", span(value, n)), KV_NUM("n", n));
		for (const char *c = said; *c; c++)
			assert_true(*c >= ' ' && *c <= '~');
	}
}

static void lines_below_the_least_level_are_not_said(void **state)
{
	(void)state;
	log_least(LOG_LEVEL_ERROR);
	log_say(EV_GATEWAY_START, KV_NUM("n", 1));
	assert_int_equal(lines, 0);
	log_say(EV_PLUGIN_REFUSED, KV_NUM("n", 1));
	assert_int_equal(lines, 1);
	log_say(EV_ORDER_OBEYED, KV_NUM("n", 1));       /* whoever turned it down by an order is told on */
	assert_int_equal(lines, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_is_the_event_and_its_values, listen_in),
		cmocka_unit_test_setup(every_event_is_declared_with_a_meaning, listen_in),
		cmocka_unit_test_setup(values_cannot_break_out_of_their_place, listen_in),
		cmocka_unit_test_setup(an_absent_text_is_empty_not_zero, listen_in),
		cmocka_unit_test_setup(a_long_line_is_cut_and_says_so, listen_in),
		cmocka_unit_test_setup(whatever_the_bytes_a_line_is_one_line_of_ascii, listen_in),
		cmocka_unit_test_setup(lines_below_the_least_level_are_not_said, listen_in),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

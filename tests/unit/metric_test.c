/* metric: the text format, byte by byte; promtool reads the whole of it in tests/metrics. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "metric.h"

static uint8_t room[512];

static void assert_text(const struct put *b, const char *want)
{
	assert_int_equal(put_end(b), OK);
	assert_int_equal(b->n, strlen(want));
	assert_memory_equal(b->p, want, b->n);
}

static void a_metric_is_told_and_counted(void **state)
{
	struct put b = put(room, sizeof(room));

	(void)state;
	metric_head(&b, "calls_total", METRIC_COUNTER, "Calls.");
	metric_sample(&b, "calls_total", "", NULL, 0, 12, 1);
	assert_text(&b, "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 12\n");
}

static void values_of_labels_are_escaped(void **state)
{
	const struct metric_label label[] = { { "a", "back\\slash" }, { "b", "\"quoted\"\nand more" } };
	struct put b = put(room, sizeof(room));

	(void)state;
	metric_sample(&b, "x", "_bucket", label, countof(label), 1, 1);
	assert_text(&b, "x_bucket{a=\"back\\\\slash\",b=\"\\\"quoted\\\"\\nand more\"} 1\n");
}

static void help_is_one_line(void **state)
{
	struct put b = put(room, sizeof(room));

	(void)state;
	metric_head(&b, "x", METRIC_GAUGE, "a \"b\" \\ c\nd");
	assert_text(&b, "# HELP x a \"b\" \\\\ c\\nd\n# TYPE x gauge\n");
}

static void decimals_are_exact(void **state)
{
	static const struct { int64_t value; uint32_t scale; const char *text; } row[] = {
		{ 0, 1, "0" }, { -7, 1, "-7" }, { INT64_MAX, 1, "9223372036854775807" }, { INT64_MIN, 1, "-9223372036854775808" },
		{ 0, 1000, "0.000" }, { 1, 1000, "0.001" }, { -1, 1000, "-0.001" }, { -1250, 1000, "-1.250" },
		{ 1, 1000000, "0.000001" }, { 12345678, 1000000, "12.345678" }, { INT64_MIN, 1000000, "-9223372036854.775808" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct put b = put(room, sizeof(room));

		metric_decimal(&b, row[i].value, row[i].scale);
		assert_text(&b, row[i].text);
	}
}

static void what_does_not_fit_is_told(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 40; cap++) {
		struct put b = put(room, cap);

		metric_head(&b, "calls_total", METRIC_COUNTER, "Calls.");
		metric_sample(&b, "calls_total", "", NULL, 0, 12, 1);
		assert_int_equal(put_end(&b), ERR_TOO_LARGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_metric_is_told_and_counted), cmocka_unit_test(values_of_labels_are_escaped),
		cmocka_unit_test(help_is_one_line), cmocka_unit_test(decimals_are_exact),
		cmocka_unit_test(what_does_not_fit_is_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "hl7.h"
#include "samples.h"
#include "seed.h"

#define HEAD "MSH|^~\\&|APP|FAC|||20261122||ORU^R01|1|P|2.6\r"

static struct hl7 open_or_die(const char *text)
{
	struct hl7 m;

	assert_int_equal(hl7_open(span_str(text), &m), OK);
	return m;
}

static void assert_span(struct span got, const char *want)
{
	char text[256];

	assert_true(span_text(got, text, sizeof(text)));
	assert_string_equal(text, want);
}

static void fields_are_numbered_as_hl7_numbers_them(void **state)
{
	struct hl7 m = open_or_die("MSH|^~\\&|A^B^C|F|||2026||ORU^R40^ORU_R40|id7|P|2.6\r"
				   "PID|1||77^^^H^MR~88^^^H^PI||Sample^Sam\r");
	struct hl7_segment msh = hl7_find(&m, "MSH"), pid = hl7_find(&m, "PID");

	(void)state;
	assert_span(hl7_field(&m, msh, 1), "|");
	assert_span(hl7_field(&m, msh, 2), "^~\\&");
	assert_span(hl7_get(&m, msh, 3, 0), "A^B^C");
	assert_span(hl7_get(&m, msh, 3, 2), "B");
	assert_span(hl7_get(&m, msh, 9, 3), "ORU_R40");
	assert_span(hl7_get(&m, msh, 10, 1), "id7");
	assert_span(hl7_get(&m, msh, 12, 1), "2.6");
	assert_span(hl7_get(&m, msh, 40, 1), "");
	assert_span(hl7_get(&m, pid, 1, 1), "1");
	assert_span(hl7_get(&m, pid, 3, 5), "MR");
	assert_span(hl7_piece(hl7_piece(hl7_field(&m, pid, 3), '~', 2), '^', 1), "88");
	assert_span(hl7_piece(hl7_field(&m, pid, 3), '~', 3), "");
	assert_span(hl7_get(&m, hl7_find(&m, "ZZZ"), 3, 1), "");
}

static void delete_and_blanks_read_as_empty(void **state)
{
	struct hl7 m = open_or_die(HEAD "PID|\"\"| x \t|   |\r");
	struct hl7_segment pid = hl7_find(&m, "PID");

	(void)state;
	assert_int_equal(hl7_get(&m, pid, 1, 1).n, 0);
	assert_span(hl7_field(&m, pid, 1), "\"\"");
	assert_span(hl7_get(&m, pid, 2, 1), "x");
	assert_int_equal(hl7_get(&m, pid, 3, 1).n, 0);
}

static void any_line_end_parts_segments(void **state)
{
	static const char *const ends[] = { "\r", "\n", "\r\n", "\r\r\n\n" };

	(void)state;
	for (size_t i = 0; i < countof(ends); i++) {
		struct hl7_segment s = { 0 };
		char text[256];
		struct hl7 m;
		int n = 0;

		snprintf(text, sizeof(text), "\xef\xbb\xbf\r\nMSH|^~\\&|A%sPID|1%sPV1|2%s", ends[i], ends[i], ends[i]);
		m = open_or_die(text);
		while (hl7_next(&m, &s))
			n++;
		assert_int_equal(n, 3);
		assert_span(hl7_get(&m, hl7_find(&m, "PV1"), 1, 1), "2");
	}
}

static void what_wraps_a_batch_is_passed_over(void **state)
{
	static const char *const none[] = { "FHS|^~\\&|A\r", "FHS", "BHS|^~\\&|MSH|^~\\&|A" };
	struct hl7 m = open_or_die("FHS|^~\\&|B\r\nBHS|^~\\&|B\rMSH|^~\\&|A\rPID|1\rBTS|1\rFTS|1\r");

	(void)state;
	assert_span(hl7_get(&m, hl7_find(&m, "MSH"), 3, 1), "A");
	assert_span(hl7_get(&m, hl7_find(&m, "PID"), 1, 1), "1");
	for (size_t i = 0; i < countof(none); i++)
		assert_int_equal(hl7_head(span_str(none[i]), &m), ERR_SYNTAX);
}

static void a_line_feed_in_a_text_does_not_tear_it(void **state)
{
	struct hl7 m = open_or_die(HEAD "OBX|1|TX|a||first\nsecond|x\rNTE|1\r");
	struct hl7_segment obx = hl7_find(&m, "OBX");
	char text[64];
	struct put out = put(text, sizeof(text));

	(void)state;
	assert_span(hl7_get(&m, obx, 6, 1), "x");
	assert_true(hl7_text(&m, hl7_get(&m, obx, 5, 1), &out));
	assert_true(span_is(put_span(&out), "first second"));
	assert_true(hl7_is(hl7_find(&m, "NTE"), "NTE"));
}

static void delimiters_must_be_told_apart(void **state)
{
	static const struct { const char *text; enum err want; } row[] = {
		{ "MSH|^~\\&|A\r", OK },     { "MSH|^~\\&#|A\r", OK }, { "MSH|^|A\r", OK },  { "MSH$%~\\&$A\r", OK },
		{ "MSH|^~\\&", OK },         { "MSH||A\r", ERR_SYNTAX }, { "MSH|^^\\&|A\r", ERR_SYNTAX },
		{ "MSH|^~\\\\&|", ERR_SYNTAX }, { "MSHA^~\\&AB", ERR_SYNTAX }, { "MSH|", ERR_SYNTAX },
		{ "", ERR_SYNTAX },
		{ "PID|^~\\&|A\r", ERR_SYNTAX }, { "BHS|^~\\&|A\r", ERR_SYNTAX }, { "MSH|ab\\&|A\r", ERR_SYNTAX },
	};
	struct hl7 m;

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(hl7_open(span_str(row[i].text), &m), row[i].want);
	m = open_or_die("MSH$%~\\&$A%B$C\r");
	assert_span(hl7_get(&m, hl7_find(&m, "MSH"), 3, 2), "B");
	m = open_or_die("MSH|^|A~B^C|F\r");
	assert_span(hl7_get(&m, hl7_find(&m, "MSH"), 3, 1), "A~B");
}

static void texts_become_one_line_of_utf8(void **state)
{
	static const struct { const char *charset, *raw, *want; } row[] = {
		{ "", "plain", "plain" },
		{ "", "\\F\\\\S\\\\T\\\\R\\\\E\\", "|^&~\\" },
		{ "", "a\\.br\\b\\H\\c\\N\\d", "a bcd" },
		{ "", "\\X4142\\ \\XC3A4\\", "AB ä" },
		{ "", "C:\\dir\\F\\x", "C:\\dir|x" },
		{ "", "\\Q\\ \\X4\\ \\Xzz\\", "\\Q\\ \\X4\\ \\Xzz\\" },
		{ "", "ends with \\", "ends with \\" },
		{ "", "tab\tbell\a", "tab bell\xef\xbf\xbd" },
		{ "", "\\X00\\\\X1B\\\\X7F\\", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "", "M\xfcller", "Müller" },
		{ "ASCII", "M\xc3\xbcller", "Müller" },
		{ "UNICODE UTF-8", "M\xc3\xbcller", "Müller" },
		{ "UNICODE UTF-8", "M\xfcller", "M\xef\xbf\xbdller" },
		{ "UNICODE UTF-8", "\xc2\x9b", "\xef\xbf\xbd" },
		{ "8859/1", "M\xfcller \xc3", "Müller Ã" },
		{ "8859/1", "\x9b", "\xef\xbf\xbd" },
		{ "8859/15", "\xa4 5", "\xef\xbf\xbd 5" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char head[128], text[128];
		struct put out = put(text, sizeof(text) - 1);
		struct hl7 m;

		snprintf(head, sizeof(head), "MSH|^~\\&||||||||||2.6||||||%s\r", row[i].charset);
		m = open_or_die(head);
		assert_true(hl7_text(&m, span_str(row[i].raw), &out));
		text[out.n] = '\0';
		assert_string_equal(text, row[i].want);
	}
}

static void any_bytes_become_utf8_cut_at_a_character(void **state)
{
	static const char *const charset[] = { "", "UNICODE UTF-8", "8859/1", "8859/2" };

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint8_t raw[40], text[48];
		struct put out = put(text, seed_below(sizeof(text)));
		size_t n = seed_below(sizeof(raw));
		char head[128];
		struct hl7 m;

		snprintf(head, sizeof(head), "MSH|^~\\&||||||||||||||||%s\r", charset[seed_below(4)]);
		m = open_or_die(head);
		seed_bytes(raw, n);
		for (size_t i = 0; i < n; i++)
			if (seed_below(3) == 0)
				raw[i] = (uint8_t)"\\XFCE\xc3\xa4\xe2"[seed_below(9)];
		(void)hl7_text(&m, span(raw, n), &out);
		assert_false(out.bad);
		assert_true(span_utf8(put_span(&out)));
		for (size_t i = 0; i < out.n; i++)
			assert_true(text[i] >= ' ' && text[i] != 0x7f);
	}
}

static void limits_are_kept(void **state)
{
	static uint8_t big[HL7_MESSAGE_MAX + 64];
	const size_t head = sizeof(HEAD) - 1;
	struct hl7 m;

	(void)state;
	memset(big, 'x', sizeof(big));
	memcpy(big, HEAD, head);
	memcpy(big + head, "ZZZ|", 4);
	assert_int_equal(hl7_open(span(big, head + HL7_SEGMENT_MAX), &m), OK);
	assert_int_equal(hl7_open(span(big, head + HL7_SEGMENT_MAX + 1), &m), ERR_TOO_LARGE);
	assert_int_equal(hl7_open(span(big, sizeof(big)), &m), ERR_TOO_LARGE);
	assert_int_equal(hl7_head(span(big, sizeof(big)), &m), OK);
	memset(big + head + 4, '~', HL7_REPETITIONS_MAX);
	assert_int_equal(hl7_open(span(big, head + 4 + HL7_REPETITIONS_MAX), &m), ERR_TOO_LARGE);
	assert_int_equal(hl7_open(span(big, head + 4 + HL7_REPETITIONS_MAX - 1), &m), OK);
	for (size_t i = 0; i <= HL7_SEGMENTS_MAX; i++)
		memcpy(big + head + 4 * i, "NTE\r", 4);
	assert_int_equal(hl7_open(span(big, head + 4 * (HL7_SEGMENTS_MAX - 1)), &m), OK);
	assert_int_equal(hl7_open(span(big, head + 4 * HL7_SEGMENTS_MAX), &m), ERR_TOO_LARGE);
}

static void a_megabyte_of_line_feeds_takes_no_time(void **state)
{
	static uint8_t big[HL7_MESSAGE_MAX];
	clock_t began = clock();
	struct hl7 m;

	(void)state;
	memset(big, '\n', sizeof(big));
	memcpy(big, "MSH|^~\\&|A", 10);
	big[sizeof(big) - 1] = 'x';
	(void)!hl7_open(span(big, sizeof(big)), &m);
	assert_true(clock() - began < CLOCKS_PER_SEC);
}

static void times_are_read_with_and_without_a_zone(void **state)
{
	static const struct { const char *text; int zone; int64_t want; } row[] = {
		{ "1970", 0, 0 },
		{ "20261122101503.120+0000", 99, 1795342503120000 },
		{ "20261122111503.12+0100", 0, 1795342503120000 },
		{ "20261122101503", 0, 1795342503000000 },
		{ "20261122111503", 60, 1795342503000000 },
		{ "202611221015", 0, 1795342500000000 },
		{ "2026112210", 0, 1795341600000000 },
		{ "20261122", 0, 1795305600000000 },
		{ "202611", 0, 1793491200000000 },
		{ "2024022923-0500", 0, 1709265600000000 },
		{ "20261122101503.1234567", 0, 1795342503123456 },
		{ " 2026 ", 0, 1767225600000000 },
	};
	static const char *const wrong[] = { "", "x", "202", "20261", "20261301", "20260229", "2026112224",
					     "20261122101", "20261122101503.", "20261122101503.x", "20261122+01",
					     "20261122+2500",
					     "20261122.5", "1969", "2026112210150300", "+0100" };
	int64_t us;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_true(hl7_time(span_str(row[i].text), row[i].zone, &us));
		assert_int_equal(us, row[i].want);
	}
	for (size_t i = 0; i < countof(wrong); i++)
		assert_false(hl7_time(span_str(wrong[i]), 0, &us));
}

static void a_time_written_reads_as_itself(void **state)
{
	(void)state;
	for (int round = 0; round < 20000; round++) {
		int64_t us = (int64_t)seed_below(7000000000) * 1000000 + (int64_t)seed_below(1000) * 1000, back;
		char text[64];
		struct put out = put(text, sizeof(text));

		hl7_put_time(&out, us);
		assert_true(hl7_time(put_span(&out), 17, &back));
		assert_int_equal(back, us);
	}
}

static unsigned good, refused;

static void walk(const char *path, struct span text)
{
	struct hl7_segment s = { 0 };
	struct hl7 m;

	(void)path;
	if (hl7_open(text, &m) != OK) {
		refused++;
		return;
	}
	good++;
	while (hl7_next(&m, &s)) {
		for (unsigned f = 1; f < 30; f++) {
			uint8_t out[512];
			struct put b = put(out, sizeof(out));

			(void)hl7_text(&m, hl7_get(&m, s, f, 0), &b);
			assert_true(span_utf8(put_span(&b)));
		}
	}
}

static void real_messages_are_read_or_refused(void **state)
{
	char path[512];
	unsigned n;

	(void)state;
	snprintf(path, sizeof(path), "%s/hl7v2", samples_shared());
	n = samples_each(path, walk);
	if (!n)
		skip();
	assert_int_equal(n, good + refused);
	assert_true(good > 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_numbered_as_hl7_numbers_them),
		cmocka_unit_test(delete_and_blanks_read_as_empty),
		cmocka_unit_test(any_line_end_parts_segments),
		cmocka_unit_test(what_wraps_a_batch_is_passed_over),
		cmocka_unit_test(a_line_feed_in_a_text_does_not_tear_it),
		cmocka_unit_test(delimiters_must_be_told_apart),
		cmocka_unit_test(texts_become_one_line_of_utf8),
		cmocka_unit_test(any_bytes_become_utf8_cut_at_a_character),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(a_megabyte_of_line_feeds_takes_no_time),
		cmocka_unit_test(times_are_read_with_and_without_a_zone),
		cmocka_unit_test(a_time_written_reads_as_itself),
		cmocka_unit_test(real_messages_are_read_or_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* report: what leaves the tool, for people and as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "report.h"
#include "seed.h"

static char *said, *complained;
static size_t said_n, complained_n;
static FILE *out, *err;

static int listen_in(void **state)
{
	(void)state;
	out = open_memstream(&said, &said_n);
	err = open_memstream(&complained, &complained_n);
	report_to(out, err);
	fflush(out);            /* only now said and said_n are of this stream */
	fflush(err);
	return 0;
}

static int stop_listening(void **state)
{
	(void)state;
	report_to(NULL, NULL);
	fclose(out);
	fclose(err);
	free(said);
	free(complained);
	return 0;
}

static const char *heard(void)
{
	fflush(out);
	return said;
}

static const char *heard_err(void)
{
	fflush(err);
	return complained;
}

static void what_would_move_the_cursor_is_escaped(void **state)
{
	static const struct { const char *raw, *shown; } row[] = {
		{ "bed 12", "bed 12" },
		{ "a\033[2Jb", "a\\x1b[2Jb" },
		{ "a\nb\r\tc", "a\\x0ab\\x0d\\x09c" },
		{ "Zürich ✓", "Zürich ✓" },
		{ "\xc2\x9b" "2J", "\\u{009b}2J" },
		{ "x\xe2\x80\xaeyz", "x\\u{202e}yz" },
		{ "x\xe2\x80\x8by", "x\\u{200b}y" },
		{ "bad \xff\xc3", "bad \\xff\\xc3" },
		{ "\xf3\xa0\x81\x81", "\\u{e0041}" },
		{ "\x7f", "\\x7f" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		size_t before = said_n;

		report_line(TONE_HIGH, "%s", row[i].raw);
		(void)heard();
		assert_int_equal(said_n - before, strlen(row[i].shown) + 1);
		assert_memory_equal(said + before, row[i].shown, strlen(row[i].shown));
	}
}

static void no_bytes_whatever_forge_a_line(void **state)
{
	uint8_t raw[64];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		size_t before = said_n, n = seed_below(sizeof(raw));

		seed_bytes(raw, n);
		report_span(TONE_PLAIN, span(raw, n));
		report_end();
		(void)heard();
		for (size_t k = before; k + 1 < said_n; k++)
			assert_true((uint8_t)said[k] >= 0x20 && said[k] != 0x7f);
		assert_int_equal(said[said_n - 1], '\n');
		assert_true(span_utf8(span(said + before, said_n - before)));
	}
}

static void a_nul_is_shown_not_swallowed(void **state)
{
	(void)state;
	report_span(TONE_PLAIN, span("a\0b", 3));
	report_end();
	assert_string_equal(heard(), "a\\x00b\n");
}

static const struct span roles[] = { { (const uint8_t *)"nurse", 5 }, { (const uint8_t *)"float", 5 } };
static const struct attribute attributes[] = {
	{ { (const uint8_t *)"unit", 4 }, { (const uint8_t *)"icu3", 4 } },
	{ { (const uint8_t *)"unit", 4 }, { (const uint8_t *)"med4", 4 } },
};

static void an_object_is_one_line_of_json_in_order(void **state)
{
	(void)state;
	report_object((const struct cell[]){
		CELL_STR("id", "ana"), CELL_NUM("n", 42), CELL_BOOL("on", true), CELL_HEX("key", span("\x01\xab", 2)),
		CELL_WORDS("roles", roles, 2), CELL_PAIRS("held", attributes, 2), CELL_NULL("none"),
		CELL_STR("text", "a\"\n\xe2\x80\xae"), CELL_SPAN("odd", span("\xff", 1)),
	}, 9);
	assert_string_equal(heard(), "{\"id\":\"ana\",\"n\":42,\"on\":true,\"key\":\"01ab\","
			    "\"roles\":[\"nurse\",\"float\"],\"held\":{\"unit\":[\"icu3\",\"med4\"]},"
			    "\"none\":null,\"text\":\"a\\\"\\n\\u202E\","
			    "\"odd\":\"\\\\xff\"}\n");
}

static void rows_stand_in_columns_for_people_and_are_objects_in_json(void **state)
{
	struct cell row[] = { CELL_STR("id", "é"), CELL_STR("state", "on") };

	(void)state;
	row[0].width = 4;
	report_head(row, 2);
	report_row(row, 2);
	report_json(true);
	report_head(row, 2);
	report_row(row, 2);
	assert_string_equal(heard(), "id    state\né     on\n{\"id\":\"\\u00E9\",\"state\":\"on\"}\n");
}

static void a_card_names_every_value(void **state)
{
	(void)state;
	report_card((const struct cell[]){
		CELL_STR("id", "ana"), CELL_PAIRS("held", attributes, 2), CELL_STR("name", ""),
		CELL_NUMS("line", ((const uint64_t[]){ 7, 0 }), 2), CELL_NUMS("none", NULL, 0),
	}, 5);
	assert_string_equal(heard(), "id    ana\nheld  unit=icu3 unit=med4\nname  -\nline  7 0\nnone  -\n");
}

static void lines_for_people_are_silent_in_json(void **state)
{
	(void)state;
	report_json(true);
	report_line(TONE_GOOD, "done");
	report_say(TONE_GOOD, "done");
	report_end();
	assert_string_equal(heard(), "");
}

static void a_failure_says_what_and_why(void **state)
{
	(void)state;
	assert_int_equal(report_fail(ERR_NOT_FOUND, "open %s", "x\033"), CMD_NO);
	report_hint("make one");
	assert_string_equal(heard_err(), "pullcord: cannot open x\\x1b: there is no such thing\n  make one\n");
	assert_string_equal(heard(), "");
}

static void a_member_of_an_object_is_read_back(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(report_read(SPAN_LIT("{\"ref\":\"a/b\",\"n\":1}\n"), "ref", text, sizeof(text)), OK);
	assert_string_equal(text, "a/b");
	assert_int_equal(report_read(SPAN_LIT("{\"n\":1}"), "ref", text, sizeof(text)), ERR_NOT_FOUND);
	assert_int_equal(report_read(SPAN_LIT("{\"ref\":1}"), "ref", text, sizeof(text)), ERR_NOT_FOUND);
	assert_int_equal(report_read(SPAN_LIT("{\"ref\":\"a\",\"ref\":\"b\"}"), "ref", text, sizeof(text)), ERR_SYNTAX);
	assert_int_equal(report_read(SPAN_LIT("[\"ref\"]"), "ref", text, sizeof(text)), ERR_SYNTAX);
	assert_int_equal(report_read(SPAN_LIT("{\"ref\":"), "ref", text, sizeof(text)), ERR_SYNTAX);
	assert_int_equal(report_read(SPAN_LIT(""), "ref", text, sizeof(text)), ERR_SYNTAX);
	assert_int_equal(report_read(SPAN_LIT("{\"ref\":\"0123456789abcdef\"}"), "ref", text, sizeof(text)),
			 ERR_TOO_LARGE);
}

static void times_are_local_and_nothing_is_a_dash(void **state)
{
	char text[REPORT_TIME];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_string_equal(report_clock(1767323001118999, text), "03:03:21.118");
	assert_string_equal(report_date(1767323001118999, text), "2026-01-02 03:03:21");
	assert_string_equal(report_clock(0, text), "-");
}

/* Microseconds since 1970 are for programs. */
static void a_moment_is_a_date_for_people_and_a_number_for_programs(void **state)
{
	const struct cell cell[] = { CELL_US("at_us", 1767323001018999) };

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	report_card(cell, 1);
	report_json(true);
	report_card(cell, 1);
	assert_string_equal(heard(), "at_us  2026-01-02 03:03:21.018999\n{\"at_us\":1767323001018999}\n");
}

/* An accounting that lacks its end is no answer; who reads `| head` has what they wanted. */
static void what_could_not_be_written_is_said(void **state)
{
	FILE *full = fopen("/dev/full", "w"), *gone;
	int end[2];

	(void)state;
	assert_int_equal(report_finish(CMD_GONE), CMD_GONE);
	assert_non_null(full);
	report_to(full, err);
	report_line(TONE_PLAIN, "the first of many");
	assert_int_equal(report_finish(CMD_DONE), CMD_NO);
	fclose(full);
	fflush(err);
	assert_non_null(strstr(complained, "could not be written to its end"));
	assert_int_equal(pipe(end), 0);
	close(end[0]);
	gone = fdopen(end[1], "w");
	signal(SIGPIPE, SIG_IGN);
	report_to(gone, err);
	report_line(TONE_PLAIN, "the first of many");
	assert_true(report_broken());
	assert_int_equal(report_finish(CMD_DONE), REPORT_LEFT);
	fclose(gone);
}

#define HEARD(test) cmocka_unit_test_setup_teardown(test, listen_in, stop_listening)

static void a_word_may_be_pasted(void **state)
{
	static const struct { const char *text, *word; } row[] = {
		{ "/etc/pullcord", "/etc/pullcord" }, { "/srv/my house", "'/srv/my house'" }, { "it's", "'it'\\''s'" }, { "", "''" },
		{ "$HOME", "'$HOME'" }, { "ütli", "'ütli'" },
	};
	char long_text[REPORT_WORD], word[REPORT_WORD];

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_string_equal(report_word(row[i].text, word), row[i].word);
	memset(long_text, '\'', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_true(strlen(report_word(long_text, word)) < REPORT_WORD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HEARD(what_would_move_the_cursor_is_escaped),
		HEARD(no_bytes_whatever_forge_a_line),
		HEARD(a_nul_is_shown_not_swallowed),
		HEARD(an_object_is_one_line_of_json_in_order),
		HEARD(rows_stand_in_columns_for_people_and_are_objects_in_json),
		HEARD(a_card_names_every_value),
		HEARD(lines_for_people_are_silent_in_json),
		HEARD(a_failure_says_what_and_why),
		HEARD(a_member_of_an_object_is_read_back),
		HEARD(what_could_not_be_written_is_said),
		cmocka_unit_test(times_are_local_and_nothing_is_a_dash),
		HEARD(a_moment_is_a_date_for_people_and_a_number_for_programs),
		cmocka_unit_test(a_word_may_be_pasted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

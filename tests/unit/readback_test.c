/* readback: requests and pages come back as they were written, and what is none is refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "readback.h"

static uint8_t bytes[READBACK_PAGE_MAX], memory[ENVELOPE_ARENA];

static struct readback request(unsigned filters)
{
	struct readback r = { .filters = filters, .has_id = true, .oldest_first = true, .from_us = 5, .until_us = 9,
			      .after = 7, .limit = 3 };

	for (unsigned i = 0; i < filters; i++)
		memcpy(r.filter[i], "mercy/unit/icu3/alert/+/+", 26);
	memset(r.id.b, 0xab, ID_BYTES);
	return r;
}

static void a_request_comes_back_as_it_was_written(void **state)
{
	struct readback want = request(READBACK_FILTERS_MAX), got;
	struct put b = put(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(readback_write(&want, &b), OK);
	assert_true(b.n <= READBACK_REQUEST_MAX);
	assert_int_equal(readback_read(put_span(&b), &got), OK);
	assert_memory_equal(&got, &want, sizeof(got));
}

static enum err read_back(const Pullcord__V1__HistoryRequest *m, struct readback *out)
{
	size_t n = pullcord__v1__history_request__get_packed_size(m);

	must(n <= sizeof(bytes));
	pullcord__v1__history_request__pack(m, bytes);
	return readback_read(span(bytes, n), out);
}

static void the_limit_of_a_page_is_filled_in(void **state)
{
	Pullcord__V1__HistoryRequest m = PULLCORD__V1__HISTORY_REQUEST__INIT;
	char *filter[] = { "mercy/#" };
	struct readback r;

	(void)state;
	m.n_filter = 1;
	m.filter = filter;
	assert_int_equal(read_back(&m, &r), OK);
	assert_int_equal(r.limit, READBACK_ITEMS_MAX);
	m.limit = READBACK_ITEMS_MAX;
	assert_int_equal(read_back(&m, &r), OK);
	m.limit++;
	assert_int_equal(read_back(&m, &r), ERR_RANGE);
}

static void what_is_no_request_is_refused(void **state)
{
	Pullcord__V1__HistoryRequest m = PULLCORD__V1__HISTORY_REQUEST__INIT;
	char *filter[READBACK_FILTERS_MAX + 1];
	uint8_t id[ID_BYTES + 1] = { 0 };
	struct readback r = { .limit = 77 };

	(void)state;
	assert_int_equal(read_back(&m, &r), ERR_KIND);          /* asks for nothing */
	m.id = (ProtobufCBinaryData){ ID_BYTES - 1, id };
	assert_int_equal(read_back(&m, &r), ERR_RANGE);
	m.id.len = ID_BYTES + 1;
	assert_int_not_equal(read_back(&m, &r), OK);
	m.id.len = 0;
	for (size_t i = 0; i < countof(filter); i++)
		filter[i] = "mercy/#";
	m.filter = filter;
	m.n_filter = countof(filter);
	assert_int_equal(read_back(&m, &r), ERR_TOO_LARGE);
	m.n_filter = 1;
	filter[0] = "mercy/#/x";
	assert_int_equal(read_back(&m, &r), ERR_SYNTAX);
	filter[0] = "mercy//x";
	assert_int_equal(read_back(&m, &r), ERR_SYNTAX);
	assert_int_not_equal(readback_read(SPAN_LIT("\x0a\x7f"), &r), OK);
	assert_int_equal(readback_read(span(bytes, READBACK_REQUEST_MAX + 1), &r), ERR_TOO_LARGE);
	assert_int_equal(r.limit, 77);                          /* untouched */
}

static void a_page_comes_back_as_it_was_written(void **state)
{
	struct readback_page want = { .n = READBACK_ITEMS_MAX, .next = 12, .refused = "" }, got;
	static uint8_t payload[READBACK_PAYLOAD_MAX / READBACK_ITEMS_MAX];
	struct arena arena = { memory, sizeof(memory), 0 };
	struct put b = put(bytes, sizeof(bytes));

	(void)state;
	for (unsigned i = 0; i < want.n; i++)
		want.item[i] = (struct readback_item){ i + 1, SPAN_LIT("mercy/unit/icu3/ack/nc-1"), span(payload, sizeof(payload)) };
	assert_int_equal(readback_page_write(&want, &b), OK);
	assert_int_equal(readback_page_read(put_span(&b), &arena, &got), OK);
	assert_int_equal(got.n, want.n);
	assert_int_equal(got.next, 12);
	assert_string_equal(got.refused, "");
	for (unsigned i = 0; i < got.n; i++) {
		assert_int_equal(got.item[i].kept_us, i + 1);
		assert_true(span_is(got.item[i].topic, "mercy/unit/icu3/ack/nc-1"));
		assert_int_equal(got.item[i].payload.n, sizeof(payload));
	}
}

static void a_refusal_says_why(void **state)
{
	struct readback_page got;
	struct arena arena = { memory, sizeof(memory), 0 };
	struct put b = put(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(readback_page_write(&(struct readback_page){ .refused = "no" }, &b), OK);
	assert_int_equal(readback_page_read(put_span(&b), &arena, &got), OK);
	assert_int_equal(got.n, 0);
	assert_string_equal(got.refused, "no");
}

static void a_page_that_does_not_fit_is_not_written(void **state)
{
	struct readback_page page = { .n = 1, .item[0] = { 1, SPAN_LIT("mercy/a"), SPAN_LIT("x") } };
	struct put b = put(bytes, 4);

	(void)state;
	assert_int_equal(readback_page_write(&page, &b), ERR_TOO_LARGE);
}

static void what_is_missing_and_what_is_open_come_back_as_they_were_written(void **state)
{
	struct id want[READBACK_ITEMS_MAX], got[READBACK_ITEMS_MAX];
	struct readback_open open = { span(bytes, 0), "why" };
	struct arena arena = { memory, sizeof(memory), 0 };
	struct put b = put(bytes, sizeof(bytes));
	static uint8_t room[8192 * ID_BYTES + 512];
	struct put o = put(room, sizeof(room));
	size_t n = 9;

	(void)state;
	memset(want, 0xcd, sizeof(want));
	assert_int_equal(readback_missing_write(want, countof(want), &b), OK);
	assert_true(b.n <= READBACK_REQUEST_MAX);
	assert_int_equal(readback_missing_read(put_span(&b), got, &n), OK);
	assert_int_equal(n, countof(want));
	assert_memory_equal(got, want, sizeof(got));
	assert_int_equal(readback_missing_read(SPAN_LIT(""), got, &n), OK);
	assert_int_equal(n, 0);
	assert_int_equal(readback_missing_read(SPAN_LIT("\x0a\x02xx"), got, &n), ERR_RANGE);
	open.ids = span(memory, 8192 * ID_BYTES);
	assert_int_equal(readback_open_write(&open, &o), OK);
	assert_int_equal(readback_open_read(put_span(&o), &arena, &open), OK);
	assert_int_equal(open.ids.n, 8192 * ID_BYTES);
	assert_string_equal(open.refused, "why");
	assert_int_equal(readback_open_read(SPAN_LIT("\x0a\x02xx"), &arena, &open), ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_comes_back_as_it_was_written),
		cmocka_unit_test(the_limit_of_a_page_is_filled_in),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(a_page_comes_back_as_it_was_written),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(a_page_that_does_not_fit_is_not_written),
		cmocka_unit_test(what_is_missing_and_what_is_open_come_back_as_they_were_written),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

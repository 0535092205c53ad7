#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "mllp.h"
#include "samples.h"
#include "seed.h"

/* What came out, as text: payloads in hex, parted and ended by '/'. */
struct seen {
	char text[65536];
	size_t n;
	uint64_t resyncs;
	bool inside;
};

static void see(struct seen *s, struct span payload)
{
	must(s->n + 2 * payload.n + 2 < sizeof(s->text));
	hex_encode(payload, s->text + s->n);
	s->n += 2 * payload.n;
	s->text[s->n++] = '/';
	s->text[s->n] = '\0';
}

static void decode(struct mllp *m, struct span bytes, struct seen *s)
{
	struct span payload;
	enum mllp_says says;

	mllp_push(m, bytes);
	while ((says = mllp_next(m, &payload)) != MLLP_MORE) {
		assert_true(says == MLLP_ROOM || says == MLLP_FRAME);
		if (says == MLLP_ROOM)
			mllp_room(m, realloc(m->body, m->cap + 3), m->cap + 3);
		else
			see(s, payload);
	}
}

/* A second way to say the same thing: cut the stream at start bytes; in each piece the payload ends at 1C 0D. */
static void reference(struct span in, struct seen *s)
{
	size_t i = 0;

	while (i < in.n) {
		size_t end;

		if (in.p[i++] != 0x0b)
			continue;
		for (end = i; end < in.n && in.p[end] != 0x0b; end++)
			if (end > i && in.p[end] == 0x0d && in.p[end - 1] == 0x1c)
				break;
		s->inside = end == in.n;
		s->resyncs += end < in.n && in.p[end] == 0x0b;
		if (end == in.n || in.p[end] == 0x0b)
			continue;
		see(s, span(in.p + i, end - 1 - i));
		i = end + 1;
	}
}

static void every_stream_up_to_six_bytes_is_decoded_as_the_table_says(void **state)
{
	static const uint8_t alphabet[] = { 0x0b, 0x1c, 0x0d, 'a' };

	(void)state;
	for (unsigned length = 0; length <= 6; length++) {
		for (unsigned word = 0; word < 1u << (2 * length); word++) {
			struct seen got = { 0 }, want = { 0 };
			struct mllp m = { 0 };
			uint8_t in[6];

			for (unsigned i = 0; i < length; i++)
				in[i] = alphabet[word >> (2 * i) & 3];
			decode(&m, span(in, length), &got);
			reference(span(in, length), &want);
			assert_string_equal(got.text, want.text);
			assert_int_equal(m.resyncs, want.resyncs);
			assert_int_equal(mllp_inside(&m), want.inside);
			free(m.body);
		}
	}
}

static size_t random_stream(uint8_t *out, size_t frames)
{
	size_t n = 0;

	for (size_t i = 0; i < frames; i++) {
		out[n++] = 0x0b;
		for (size_t k = seed_below(20); k; k--)
			out[n++] = (uint8_t)"ab\r\x1c"[seed_below(4)];
		out[n++] = 'z';      /* no 1C just before the end */
		out[n++] = 0x1c;
		out[n++] = 0x0d;
	}
	return n;
}

static void any_split_gives_the_same_messages(void **state)
{
	uint8_t in[1024];

	(void)state;
	for (int round = 0; round < 300; round++) {
		size_t n = random_stream(in, 1 + seed_below(20));
		struct seen whole = { 0 }, parts = { 0 };
		struct mllp a = { 0 }, b = { 0 };

		decode(&a, span(in, n), &whole);
		for (size_t at = 0, step; at < n; at += step) {
			step = 1 + seed_below(n - at);
			decode(&b, span(in + at, step), &parts);
		}
		assert_string_equal(whole.text, parts.text);
		free(a.body);
		free(b.body);
	}
}

static void a_frame_without_its_start_never_comes_out(void **state)
{
	struct seen s = { 0 };
	struct mllp m = { 0 };

	(void)state;
	decode(&m, SPAN_LIT("MSH|^~\\&|x\x1c\r"), &s);
	assert_string_equal(s.text, "");
	decode(&m, SPAN_LIT("\x0bok\x1c\r"), &s);
	assert_string_equal(s.text, "6f6b/");
	free(m.body);
}

static void more_than_a_kilobyte_of_junk_is_said(void **state)
{
	uint8_t junk[MLLP_JUNK_MAX + 1];
	struct mllp m = { 0 };
	struct span payload;

	(void)state;
	memset(junk, 'j', sizeof(junk));
	mllp_push(&m, span(junk, MLLP_JUNK_MAX));
	assert_int_equal(mllp_next(&m, &payload), MLLP_MORE);
	mllp_push(&m, span(junk, 1));
	assert_int_equal(mllp_next(&m, &payload), MLLP_JUNK);
}

static void line_feeds_between_frames_never_add_up_to_junk(void **state)
{
	struct seen s = { 0 };
	struct mllp m = { 0 };

	(void)state;
	for (int i = 0; i < 2 * MLLP_JUNK_MAX; i++)
		decode(&m, SPAN_LIT("\n\x0bx\x1c\r"), &s);
	assert_int_equal(s.n, 2 * MLLP_JUNK_MAX * 3);
	free(m.body);
}

static void a_message_past_the_limit_is_dropped_and_its_beginning_kept(void **state)
{
	uint8_t *in = malloc(MLLP_MESSAGE_MAX + 1), *body = malloc(MLLP_MESSAGE_MAX);
	struct mllp m = { 0 };
	struct span payload;

	(void)state;
	memset(in, 'x', MLLP_MESSAGE_MAX + 1);
	mllp_room(&m, body, MLLP_MESSAGE_MAX);
	mllp_push(&m, SPAN_LIT("\x0b"));
	assert_int_equal(mllp_next(&m, &payload), MLLP_MORE);
	mllp_push(&m, span(in, MLLP_MESSAGE_MAX));
	assert_int_equal(mllp_next(&m, &payload), MLLP_MORE);
	mllp_push(&m, span(in, 1));
	assert_int_equal(mllp_next(&m, &payload), MLLP_TOO_LARGE);
	assert_int_equal(payload.n, MLLP_MESSAGE_MAX);
	assert_int_equal(mllp_next(&m, &payload), MLLP_MORE);
	assert_false(mllp_inside(&m));
	mllp_push(&m, SPAN_LIT("\x0bok\x1c\r"));
	assert_int_equal(mllp_next(&m, &payload), MLLP_FRAME);
	assert_true(span_is(payload, "ok"));
	free(in);
	free(body);
}

/* {"hex": "0b6d73671c0d", ..., "well_formed": true, ...} a line, from another stack's tests. */
static void frames_of_another_stack_are_told_apart(void **state)
{
	char path[512], line[65536];
	unsigned n = 0;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/mllp/frames.jsonl", samples_shared());
	f = fopen(path, "r");
	if (!f)
		skip();
	while (fgets(line, sizeof(line), f)) {
		char *hex = strstr(line, "\"hex\": \""), *end = hex ? strchr(hex + 8, '"') : NULL;
		uint8_t raw[32768];
		struct seen s = { 0 };
		struct mllp m = { 0 };

		assert_non_null(end);
		assert_true(hex_decode(span(hex + 8, (size_t)(end - hex) - 8), raw, sizeof(raw)));
		decode(&m, span(raw, (size_t)(end - hex - 8) / 2), &s);
		assert_int_equal(s.n > 0, strstr(line, "\"well_formed\": true") != NULL);
		free(m.body);
		n++;
	}
	fclose(f);
	assert_true(n > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stream_up_to_six_bytes_is_decoded_as_the_table_says),
		cmocka_unit_test(any_split_gives_the_same_messages),
		cmocka_unit_test(a_frame_without_its_start_never_comes_out),
		cmocka_unit_test(more_than_a_kilobyte_of_junk_is_said),
		cmocka_unit_test(line_feeds_between_frames_never_add_up_to_junk),
		cmocka_unit_test(a_message_past_the_limit_is_dropped_and_its_beginning_kept),
		cmocka_unit_test(frames_of_another_stack_are_told_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

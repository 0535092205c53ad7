/* The forward-secure line of a note: seeds, keys, their root, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "fsline.h"
#include "seed.h"

#define NAME SPAN_LIT("hospital.example/audit/main")

static const uint8_t log_secret[SIGN_KEY_BYTES] = { 9 };
static struct fsline line;

static struct checkpoint tree_of(uint64_t size)
{
	struct checkpoint c = { NAME, size, { { 0 } } };

	for (uint8_t i = 0; i < SHA256_BYTES; i++)
		c.root.b[i] = i;
	return c;
}

/* As another program computes them (Python's hmac, hashlib and cryptography). */
static void seeds_root_and_line_are_what_the_header_says(void **state)
{
	static const char wanted[] =
		"\xe2\x80\x94 hospital.example/audit/main UIdDhwAAAAJ8kr50Q90dABM5ZjFAeRv48KCo+HPlEa+7evH1DiYuy75msRlJXIuSLyH4ClRUMVSjk"
		"G95BJAkq+hkyQ3zaLN89ZbrH70UBeAT/Ydb9vBVxt8E/mTheaPa5hn31KRXBY4JqNkISAQQGFqSxClU6MoIINH5/zVMd6/QJWci00e9bYkK1ImKX976R"
		"Cr7wUu5wNkgySTxL/ONkByieF+6qlsL\n";
	struct checkpoint c = tree_of(41);
	char text[NOTE_BYTES_MAX], hex[2 * SHA256_BYTES + 1];
	struct span note;

	(void)state;
	fsline_make(&line, 7, 2);
	hex_encode(span(line.root.hash.b, SHA256_BYTES), hex);
	assert_string_equal(hex, "c2af4accd31b86e51d767871d0f2742d47d01cbb0b345dbe33f6548e809e3eab");
	note = fsline_note(&line, 2, &c, log_secret, text);
	assert_true(note.n > sizeof(wanted) - 1);
	assert_memory_equal(note.p + note.n - (sizeof(wanted) - 1), wanted, sizeof(wanted) - 1);
}

static void every_epoch_leads_to_the_root(void **state)
{
	(void)state;
	for (unsigned depth = FORWARD_DEPTH_MIN; depth <= 6; depth++) {
		struct forward_key last;

		fsline_make(&line, 3, depth);
		for (uint32_t i = 0; i < forward_epochs(depth); i++)
			assert_int_equal(forward_fits(&line.root, &line.key[i]), OK);
		last = line.key[forward_epochs(depth) - 1];
		assert_int_equal(forward_next(&line.root, &last, line.pub, &last), ERR_RANGE);
		last.epoch ^= 1;
		assert_int_equal(forward_fits(&line.root, &last), ERR_KEY);
		last.epoch = forward_epochs(depth);
		assert_int_equal(forward_fits(&line.root, &last), ERR_RANGE);
	}
}

/* What is behind may be lost: it stands on the path already. */
static void of_the_keys_only_those_to_come_are_looked_at(void **state)
{
	(void)state;
	fsline_make(&line, 3, 5);
	for (uint32_t i = 0; i + 1 < forward_epochs(5); i++) {
		forward_pub pub[32];
		struct forward_key k;
		uint32_t ahead = i + 1 + (uint32_t)seed_below(31 - i);

		memcpy(pub, line.pub, sizeof(pub));
		memset(pub, 0, (i + 1) * sizeof(*pub));
		assert_int_equal(forward_next(&line.root, &line.key[i], (const forward_pub *)pub, &k), OK);
		assert_memory_equal(&k, &line.key[i + 1], sizeof(k));
		pub[i + 1][5] ^= 1;
		assert_int_equal(forward_next(&line.root, &line.key[i], (const forward_pub *)pub, &k), ERR_KEY);
		pub[i + 1][5] ^= 1;
		pub[ahead][0] ^= 1;
		if (forward_next(&line.root, &line.key[i], (const forward_pub *)pub, &k) == OK)
			assert_memory_equal(&k, &line.key[i + 1], sizeof(k));   /* not asked for yet */
	}
}

static void a_line_is_of_its_note_its_root_and_its_epoch(void **state)
{
	struct checkpoint c = tree_of(41), other = tree_of(42);
	char text[NOTE_BYTES_MAX], text2[NOTE_BYTES_MAX];
	struct span note, body, lines, body2, lines2;
	struct fsline another;
	struct put joined;
	uint32_t epoch;

	(void)state;
	fsline_make(&line, 7, 4);
	fsline_make(&another, 8, 4);
	for (uint32_t i = 0; i < 16; i++) {
		note = fsline_note(&line, i, &c, log_secret, text);
		assert_int_equal(forward_check(note, NAME, &line.root, &epoch), OK);
		assert_int_equal(epoch, i);
	}
	assert_int_equal(forward_check(note, SPAN_LIT("hospital.example/audit/main/2"), &line.root, &epoch), ERR_NOT_FOUND);
	assert_int_equal(forward_check(note, NAME, &another.root, &epoch), ERR_NOT_FOUND);
	note = fsline_note(NULL, 0, &c, log_secret, text);
	assert_int_equal(forward_check(note, NAME, &line.root, &epoch), ERR_NOT_FOUND);

	/* The lines of one note under the text of another. */
	note = fsline_note(&line, 3, &other, log_secret, text);
	assert_int_equal(note_split(note, &body, &lines), OK);
	note = fsline_note(&line, 3, &c, log_secret, text2);
	assert_int_equal(note_split(note, &body2, &lines2), OK);
	joined = put((uint8_t[NOTE_BYTES_MAX]){ 0 }, NOTE_BYTES_MAX);
	put_bytes(&joined, body2);
	put_str(&joined, "\n");
	put_bytes(&joined, lines);
	assert_int_equal(forward_check(put_span(&joined), NAME, &line.root, &epoch), ERR_KEY);

	/* Twice. */
	joined = put((uint8_t[NOTE_BYTES_MAX]){ 0 }, NOTE_BYTES_MAX);
	put_bytes(&joined, note);
	assert_int_equal(forward_sign(body2, NAME, &line.root, &line.key[4], line.seed[4], &joined), OK);
	assert_int_equal(forward_check(put_span(&joined), NAME, &line.root, &epoch), ERR_EXISTS);

	/* The key of one epoch says to be of another: neither its own path nor the other's fits. */
	joined = put((uint8_t[NOTE_BYTES_MAX]){ 0 }, NOTE_BYTES_MAX);
	note = fsline_note(NULL, 0, &c, log_secret, text);
	put_bytes(&joined, note);
	line.key[4] = line.key[9];
	line.key[4].epoch = 4;
	assert_int_equal(forward_sign(body2, NAME, &line.root, &line.key[4], line.seed[9], &joined), OK);
	assert_int_equal(forward_check(put_span(&joined), NAME, &line.root, &epoch), ERR_KEY);
}

static void any_changed_byte_of_it_is_refused(void **state)
{
	struct checkpoint c = tree_of(41);
	char text[NOTE_BYTES_MAX];
	struct span note;
	uint32_t epoch;
	size_t begin;

	(void)state;
	fsline_make(&line, 7, 2);
	note = fsline_note(NULL, 0, &c, log_secret, text);
	begin = note.n;
	note = fsline_note(&line, 2, &c, log_secret, text);
	for (size_t i = begin; i < note.n; i++)
		for (uint8_t bit = 1; bit; bit = (uint8_t)(bit << 1)) {
			text[i] = (char)(text[i] ^ bit);
			assert_int_not_equal(forward_check(note, NAME, &line.root, &epoch), OK);
			text[i] = (char)(text[i] ^ bit);
		}
	assert_int_equal(forward_check(note, NAME, &line.root, &epoch), OK);
}

/* Of 2^16 epochs, and a witness's name as long as most. */
static void a_line_has_612_bytes_and_leaves_room_for_twenty_cosignatures(void **state)
{
	struct checkpoint c = tree_of(1ULL << 40);
	struct forward_root root = { .depth = FORWARD_DEPTH_MAX };
	struct forward_key k = { .epoch = 65535 };
	uint8_t raw[1024];
	char text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));
	struct span body, lines, last, b64;
	size_t before;

	(void)state;
	assert_int_equal(note_write(&c, log_secret, &note), OK);
	assert_int_equal(note_split(put_span(&note), &body, &lines), OK);
	before = note.n;
	assert_int_equal(forward_sign(body, NAME, &root, &k, log_secret, &note), OK);
	last = span(note.p + before, note.n - before - 1);
	(void)span_cut(span(last.p + 4, last.n - 4), ' ', &b64);
	assert_int_equal(base64_decode(b64, raw, sizeof(raw)), NOTE_KEY_ID + 612);
	for (uint8_t i = 0; i < 20; i++) {
		uint8_t secret[SIGN_KEY_BYTES] = { 100, i };
		char name[64];

		snprintf(name, sizeof(name), "broker.mercy-hospital.example/device/icu3-nursecall-%u", i);
		assert_int_equal(note_cosign(put_span(&note), span_str(name), secret, 1770000000, &note), OK);
	}
	printf("# a line has %zu bytes as text, the note with 20 cosignatures %zu\n", last.n + 1, note.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeds_root_and_line_are_what_the_header_says),
		cmocka_unit_test(every_epoch_leads_to_the_root),
		cmocka_unit_test(of_the_keys_only_those_to_come_are_looked_at),
		cmocka_unit_test(a_line_is_of_its_note_its_root_and_its_epoch),
		cmocka_unit_test(any_changed_byte_of_it_is_refused),
		cmocka_unit_test(a_line_has_612_bytes_and_leaves_room_for_twenty_cosignatures),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "note.h"
#include "seed.h"

#define ORIGIN SPAN_LIT("hospital.example/audit/main")

static uint8_t secret[SIGN_KEY_BYTES] = { 1, 2, 3 }, pub[SIGN_KEY_BYTES];
static uint8_t text[NOTE_BYTES_MAX];

static int keys_make(void **state)
{
	(void)state;
	return crypt_init() == OK && sign_public(secret, pub) == OK ? 0 : -1;
}

static struct span write_note(uint64_t size)
{
	struct checkpoint c = { ORIGIN, size, { { 0 } } };
	struct put b = put(text, sizeof(text));

	memset(c.root.b, (int)size, sizeof(c.root.b));
	assert_int_equal(note_write(&c, secret, &b), OK);
	return put_span(&b);
}

static void what_was_signed_is_read_back(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 9, 10, 255, 1ull << 32, UINT64_MAX };
	struct checkpoint c;

	(void)state;
	for (size_t i = 0; i < countof(sizes); i++) {
		assert_int_equal(note_open(write_note(sizes[i]), ORIGIN, pub, &c), OK);
		assert_int_equal(c.size, sizes[i]);
		assert_int_equal(c.root.b[31], (uint8_t)sizes[i]);
		assert_true(span_eq(c.origin, ORIGIN));
	}
}

static void no_byte_can_be_changed(void **state)
{
	struct span note = write_note(123456);
	struct checkpoint c;

	(void)state;
	for (size_t i = 0; i < note.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			text[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(note_open(note, ORIGIN, pub, &c), OK);
			text[i] ^= (uint8_t)(1u << bit);
		}
		assert_int_not_equal(note_open(span(note.p, i), ORIGIN, pub, &c), OK);
	}
}

static void another_key_or_origin_does_not_open_it(void **state)
{
	uint8_t other[SIGN_KEY_BYTES];
	struct span note = write_note(7);
	struct checkpoint c;

	(void)state;
	secret[31] ^= 1;
	assert_int_equal(sign_public(secret, other), OK);
	secret[31] ^= 1;
	assert_int_equal(note_open(note, ORIGIN, other, &c), ERR_KEY);
	assert_int_equal(note_open(note, SPAN_LIT("hospital.example/audit/east"), pub, &c), ERR_KEY);
}

/* A witness adds its line under ours; we pass over it, before ours or after. */
static void lines_of_others_are_passed_over(void **state)
{
	static const char line[] = "\xe2\x80\x94 witness.example/w1 AAAAAAECAwQFBgcI\n";
	struct span note = write_note(7);
	struct put b = put(text, sizeof(text));
	struct checkpoint c;

	(void)state;
	b.n = note.n;
	put_str(&b, line);
	assert_int_equal(note_open(put_span(&b), ORIGIN, pub, &c), OK);
	put_str(&b, "not a signature line\n");
	assert_int_not_equal(note_open(put_span(&b), ORIGIN, pub, &c), OK);
}

static void a_size_has_one_spelling(void **state)
{
	static const char *const bodies[] = { "007", "+7", "-7", " 7", "7 ", "", "18446744073709551616" };
	uint8_t raw[4 + SIGN_BYTES], digest[SHA256_BYTES];
	char sig[93];
	struct checkpoint c;

	(void)state;
	for (size_t i = 0; i < countof(bodies); i++) {
		struct put b = put(text, sizeof(text));

		put_fmt(&b, "%.*s\n%s\n%s=\n", SPAN_FMT(ORIGIN), bodies[i], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
		SHA256(digest, ORIGIN, SPAN_LIT("\n\x01"), span(pub, sizeof(pub)));
		memcpy(raw, digest, 4);
		assert_int_equal(sign_make(secret, put_span(&b), raw + 4), OK);
		base64_encode(span(raw, sizeof(raw)), sig);
		put_fmt(&b, "\n\xe2\x80\x94 %.*s %s\n", SPAN_FMT(ORIGIN), sig);
		assert_int_equal(note_open(put_span(&b), ORIGIN, pub, &c), ERR_SYNTAX);
	}
}

static void origins_that_are_none_are_not_signed(void **state)
{
	static const char *const origins[] = { "", "a b", "a+b", "a\nb", "caf\xc3\xa9" };
	struct put b = put(text, sizeof(text));

	(void)state;
	for (size_t i = 0; i < countof(origins); i++) {
		struct checkpoint c = { span_str(origins[i]), 1, { { 0 } } };

		assert_int_equal(note_write(&c, secret, &b), ERR_SYNTAX);
	}
}

static void verifier_keys_are_read_back_and_checked(void **state)
{
	char vkey[400];
	uint8_t back[SIGN_KEY_BYTES];
	struct span name;

	(void)state;
	assert_int_equal(vkey_write(ORIGIN, pub, vkey, sizeof(vkey)), OK);
	assert_int_equal(vkey_read(span_str(vkey), &name, back), OK);
	assert_true(span_eq(name, ORIGIN));
	assert_memory_equal(back, pub, sizeof(pub));
	for (size_t i = 0; vkey[i]; i++) {
		vkey[i] ^= 1;
		assert_int_not_equal(vkey_read(span_str(vkey), &name, back), OK);
		vkey[i] ^= 1;
	}
}

/* ---- cosignatures ---- */

#define WITNESS SPAN_LIT("witness.example/w1")
static uint8_t witness_secret[SIGN_KEY_BYTES] = { 7, 7 };

static struct cosigner witness_make(void)
{
	struct cosigner c = { .name = WITNESS };

	assert_int_equal(sign_public(witness_secret, c.pub), OK);
	return c;
}

static struct span write_cosigned(uint64_t time_s)
{
	struct span note = write_note(70);
	struct put b = put(text, sizeof(text));
	uint8_t line[COSIGNATURE_LINE_MAX];
	struct put out = put(line, sizeof(line));

	assert_int_equal(note_cosign(note, WITNESS, witness_secret, time_s, &out), OK);
	b.n = note.n;
	put_bytes(&b, put_span(&out));
	return put_span(&b);
}

static void secret_keys_are_read_back_and_checked(void **state)
{
	uint8_t back[SIGN_KEY_BYTES];
	char key[300];
	struct span name;

	(void)state;
	assert_int_equal(skey_write(ORIGIN, secret, key, sizeof(key)), OK);
	assert_int_equal(skey_read(span_str(key), &name, back), OK);
	assert_true(span_eq(name, ORIGIN));
	assert_memory_equal(back, secret, sizeof(back));
	key[strlen("PRIVATE+KEY+")] ^= 1;    /* another name has another hash */
	assert_int_equal(skey_read(span_str(key), &name, back), ERR_KEY);
	assert_int_equal(skey_read(span_str(key + 1), &name, back), ERR_SYNTAX);
	assert_int_equal(vkey_write(ORIGIN, pub, key, sizeof(key)), OK);
	assert_int_equal(skey_read(span_str(key), &name, back), ERR_SYNTAX);
	assert_int_equal(skey_write(SPAN_LIT("a b"), secret, key, sizeof(key)), ERR_SYNTAX);
}

/* The example of golang.org/x/mod/sumdb/note: its key and its name, written again. */
static void a_published_secret_key_is_read(void **state)
{
	static const char skey[] = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
			  vkey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
	uint8_t seed[SIGN_KEY_BYTES], public[SIGN_KEY_BYTES];
	char again[200];
	struct span name;

	(void)state;
	assert_int_equal(skey_read(span_str(skey), &name, seed), OK);
	assert_int_equal(sign_public(seed, public), OK);
	assert_int_equal(vkey_write(name, public, again, sizeof(again)), OK);
	assert_string_equal(again, vkey);
	assert_int_equal(skey_write(name, seed, again, sizeof(again)), OK);
	assert_string_equal(again, skey);
}

static void a_cosignature_is_of_its_witness_and_time(void **state)
{
	struct cosigner by = witness_make(), stranger = by;
	struct span note = write_cosigned(1679315147);
	struct checkpoint c;
	uint64_t when;

	(void)state;
	assert_int_equal(note_cosigned(note, &by, &when), OK);
	assert_int_equal(when, 1679315147);
	assert_int_equal(note_open(note, ORIGIN, pub, &c), OK);          /* the log's own is still there */
	stranger.name = SPAN_LIT("witness.example/w2");
	assert_int_equal(note_cosigned(note, &stranger, &when), ERR_NOT_FOUND);
	stranger = by;
	stranger.pub[0] ^= 1;
	assert_int_equal(note_cosigned(note, &stranger, &when), ERR_NOT_FOUND);
	assert_int_equal(note_cosigned(write_note(70), &by, &when), ERR_NOT_FOUND);
}

static void no_byte_of_what_was_cosigned_can_be_changed(void **state)
{
	struct cosigner by = witness_make();
	struct span log = write_note(70), note;
	size_t body = log.n - 2, line = 0;
	uint64_t when;

	(void)state;
	while (memcmp(log.p + body, "\n\n", 2) != 0)
		body--;
	line = log.n;
	note = write_cosigned(1679315147);
	for (size_t i = 0; i < note.n; i++) {
		if (i > body && i < line)
			continue;       /* the log's line is the log's */
		for (unsigned bit = 0; bit < 8; bit++) {
			text[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(note_cosigned(note, &by, &when), OK);
			text[i] ^= (uint8_t)(1u << bit);
		}
	}
}

/* The bytes that https://c2sp.org/tlog-cosignature names, put together here once more. */
static void a_cosignature_signs_what_c2sp_says(void **state)
{
	struct cosigner by = witness_make();
	struct span note = write_cosigned(42), rest, line;
	uint8_t raw[4 + 8 + SIGN_BYTES], what[1024], digest[SHA256_BYTES];
	struct put b = put(what, sizeof(what));

	(void)state;
	put_str(&b, "cosignature/v1\ntime 42\n");
	rest = note;
	for (unsigned i = 0; i < 3; i++) {
		put_bytes(&b, span_cut(rest, '\n', &rest));
		put_str(&b, "\n");
	}
	(void)span_cut(rest, '\n', &rest);                              /* the empty line */
	(void)span_cut(rest, '\n', &rest);                              /* the log's signature */
	line = span_cut(rest, '\n', &rest);
	(void)span_cut(line, ' ', &line);
	assert_true(span_eq(span_cut(line, ' ', &line), WITNESS));
	assert_int_equal(base64_decode(line, raw, sizeof(raw)), sizeof(raw));
	SHA256(digest, WITNESS, SPAN_LIT("\n\x04"), span(by.pub, sizeof(by.pub)));
	assert_memory_equal(raw, digest, 4);
	assert_int_equal(raw[11], 42);
	assert_int_equal(sign_check(by.pub, put_span(&b), raw + 12), OK);
}

static void keys_of_logs_and_of_witnesses_are_told_apart(void **state)
{
	char vkey[400];
	struct cosigner c;
	uint8_t back[SIGN_KEY_BYTES];
	struct span name;

	(void)state;
	assert_int_equal(vkey_write(ORIGIN, pub, vkey, sizeof(vkey)), OK);
	assert_int_equal(cosigner_read(span_str(vkey), &c), ERR_SYNTAX);
	assert_int_equal(cosigner_write(WITNESS, pub, vkey, sizeof(vkey)), OK);
	assert_int_equal(vkey_read(span_str(vkey), &name, back), ERR_SYNTAX);
	assert_int_equal(cosigner_read(span_str(vkey), &c), OK);
	assert_true(span_eq(c.name, WITNESS));
	assert_memory_equal(c.pub, pub, sizeof(pub));
	assert_int_equal(cosigner_write(SPAN_LIT("two words"), pub, vkey, sizeof(vkey)), ERR_SYNTAX);
}

/* ---- the example of https://c2sp.org/signed-note ---- */

static struct span load(const char *name, char *buf, size_t cap)
{
	const char *data = getenv("SHARED_DATA");
	char path[1024];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/vectors/c2sp/%s", data ? data : "../shared/data", name);
	f = fopen(path, "rb");
	if (!f) {
		printf("# %s is not there\n", path);
		skip();
	}
	n = fread(buf, 1, cap, f);
	fclose(f);
	return span(buf, n);
}

static void acceptance_9_published_example_verifies(void **state)
{
	char note_text[1024], vkey_text[256];
	struct span vkey = span_trim(load("example.vkey", vkey_text, sizeof(vkey_text)));
	struct span note = load("example.note", note_text, sizeof(note_text)), name, body;
	uint8_t key[SIGN_KEY_BYTES];
	struct span line;

	(void)state;
	line = span_cut(vkey, '\n', &body);
	assert_int_equal(vkey_read(line, &name, key), OK);
	assert_true(span_is(name, "example.com/foo"));
	assert_int_equal(note_verify(note, name, key, &body), OK);
	assert_true(span_is(body, "This is an example message.\n"));
	note_text[3] ^= 1;
	assert_int_equal(note_verify(note, name, key, &body), ERR_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_signed_is_read_back),
		cmocka_unit_test(no_byte_can_be_changed),
		cmocka_unit_test(another_key_or_origin_does_not_open_it),
		cmocka_unit_test(lines_of_others_are_passed_over),
		cmocka_unit_test(a_size_has_one_spelling),
		cmocka_unit_test(origins_that_are_none_are_not_signed),
		cmocka_unit_test(verifier_keys_are_read_back_and_checked),
		cmocka_unit_test(secret_keys_are_read_back_and_checked),
		cmocka_unit_test(a_published_secret_key_is_read),
		cmocka_unit_test(a_cosignature_is_of_its_witness_and_time),
		cmocka_unit_test(no_byte_of_what_was_cosigned_can_be_changed),
		cmocka_unit_test(a_cosignature_signs_what_c2sp_says),
		cmocka_unit_test(keys_of_logs_and_of_witnesses_are_told_apart),
		cmocka_unit_test(acceptance_9_published_example_verifies),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, keys_make, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "seed.h"
#include "warrant.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name

static uint8_t room[WARRANT_TEXT_MAX];

static int make(void **state)
{
	(void)state;
	return crypt_init() == OK ? 0 : -1;
}

static struct warrant wipe(void)
{
	return (struct warrant){
		.tenant = SPAN_LIT("mercy"), .device = SPAN_LIT("icu3-nc1"), .kind = KIND(WIPE), .counter = 7,
		.nonce = { 0, 0x11, 0x22 }, .expires_us = 1764464400000000,
	};
}

static struct span written(const struct warrant *w)
{
	struct put b = put(room, sizeof(room));

	assert_int_equal(warrant_write(w, &b), OK);
	return put_span(&b);
}

static void the_text_is_as_the_header_says(void **state)
{
	const struct warrant w = wipe();

	(void)state;
	assert_true(span_is(written(&w), "pullcord/device-command/v1\ntenant mercy\ndevice icu3-nc1\ncommand wipe\ncounter 7\n"
			    "nonce 00112200000000000000000000000000\nexpires 1764464400000000\ndetail 0\n\n"));
}

static void what_was_written_is_read_back(void **state)
{
	static const char *const details[] = { "", "on", "[throttle]\nburst = 5\n", "detail 3\nabc\n", "\n\n", "gro\xc3\x9f" };
	static const uint64_t counters[] = { 0, 1, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < countof(details); i++)
		for (size_t k = 0; k < countof(counters); k++) {
			struct warrant w = wipe(), r;

			w.detail = span_str(details[i]);
			w.counter = counters[k];
			assert_int_equal(warrant_read(written(&w), &r), OK);
			assert_true(span_eq(r.tenant, w.tenant) && span_eq(r.device, w.device) && span_eq(r.detail, w.detail));
			assert_int_equal(r.kind, w.kind);
			assert_true(r.counter == w.counter && r.expires_us == w.expires_us);
			assert_memory_equal(r.nonce, w.nonce, sizeof(w.nonce));
		}
}

/* Two orders are never one text, and one order never two texts. */
static void a_changed_text_is_another_order_or_none(void **state)
{
	struct warrant w = wipe(), r;
	struct span text;

	(void)state;
	w.detail = SPAN_LIT("[throttle]\nburst = 5\n");
	text = written(&w);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t was = room[i], again[WARRANT_TEXT_MAX];
		struct put b = put(again, sizeof(again));

		room[i] ^= (uint8_t)(1u << seed_below(8));
		if (warrant_read(text, &r) == OK) {
			assert_int_equal(warrant_write(&r, &b), OK);
			assert_true(span_eq(put_span(&b), text));
		}
		room[i] = was;
		assert_int_equal(warrant_read(span(room, i), &r), ERR_SYNTAX);
	}
}

static void other_forms_are_refused(void **state)
{
	static const struct { const char *from, *to; } row[] = {
		{ "counter 7", "counter 07" }, { "counter 7", "counter +7" }, { "detail 0", "detail 1" },
		{ "command wipe", "command Wipe" }, { "command wipe", "command none" }, { "tenant mercy", "tenant mer cy" },
		{ "nonce 001122", "nonce 0011aA" }, { "device icu3-nc1", "device" }, { "v1\n", "v2\n" }, { "expires 1", "expires -1" },
		{ "expires 1", "expires 9999999999" }, { "detail 0\n\n", "detail 0\n" }, { "detail 0\n\n", "detail 0\n\n\n" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char text[WARRANT_TEXT_MAX], before[WARRANT_TEXT_MAX] = "";
		const struct warrant w = wipe();
		struct warrant r;
		char *at;

		memcpy(before, room, written(&w).n);
		at = strstr(before, row[i].from);
		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - before), before, row[i].to, at + strlen(row[i].from));
		assert_int_equal(warrant_read(span_str(text), &r), ERR_SYNTAX);
	}
}

static void what_cannot_be_an_order_is_not_written(void **state)
{
	char longest[WARRANT_DETAIL_MAX + 1];
	struct put b = put(room, sizeof(room));
	struct warrant w = wipe();

	(void)state;
	memset(longest, 'x', sizeof(longest));
	w.detail = span(longest, WARRANT_DETAIL_MAX);
	assert_int_equal(warrant_write(&w, &b), OK);
	w.detail.n++;
	assert_int_equal(warrant_write(&w, &b), ERR_RANGE);
	w.detail = SPAN_LIT("\x1b[2J");      /* what an officer reads is what is signed */
	assert_int_equal(warrant_write(&w, &b), ERR_RANGE);
	w.detail = SPAN_LIT("\xff");
	assert_int_equal(warrant_write(&w, &b), ERR_RANGE);
	w = wipe();
	w.device = SPAN_LIT("a/b");
	assert_int_equal(warrant_write(&w, &b), ERR_SYNTAX);
	w = wipe();
	w.kind = KIND(NONE);
	assert_int_equal(warrant_write(&w, &b), ERR_KIND);
	w = wipe();
	w.expires_us = -1;
	assert_int_equal(warrant_write(&w, &b), ERR_RANGE);
}

static void a_note_carries_it_and_its_signatures(void **state)
{
	static const uint8_t secret[2][SIGN_KEY_BYTES] = { { 1 }, { 2 } };
	static const char *const name[] = { "mercy/officer/ana", "mercy/officer/ben" };
	struct warrant w = wipe(), r;
	struct put b = put(room, sizeof(room));
	struct span text, lines, who, body;
	uint8_t key[NOTE_KEY_ID], id[NOTE_KEY_ID], sig[SIGN_BYTES], pub[SIGN_KEY_BYTES];
	bool bad;

	(void)state;
	w.detail = SPAN_LIT("a\n\nb\n\n");   /* an empty line is no end of the text */
	assert_int_equal(warrant_write(&w, &b), OK);
	text = put_span(&b);
	put_str(&b, "\n");
	for (int i = 0; i < 2; i++)
		assert_int_equal(note_sign(text, span_str(name[i]), secret[i], &b), OK);
	assert_int_equal(note_split(put_span(&b), &body, &lines), OK);
	assert_true(span_eq(body, text));
	assert_int_equal(warrant_read(body, &r), OK);
	for (int i = 0; i < 2; i++) {
		assert_true(note_next(&lines, &who, key, sig, &bad));
		assert_true(span_is(who, name[i]));
		assert_int_equal(sign_public(secret[i], pub), OK);
		assert_int_equal(sign_check(pub, text, sig), OK);
		vkey_id(who, pub, id);
		assert_memory_equal(key, id, sizeof(id));
		assert_int_equal(note_verify(put_span(&b), who, pub, &body), OK);
	}
	assert_false(note_next(&lines, &who, key, sig, &bad));
	assert_false(bad);
	lines = SPAN_LIT("\xe2\x80\x94 ana AAAA\n");
	assert_false(note_next(&lines, &who, key, sig, &bad));
	assert_true(bad);
}

static void receipts_differ_when_what_they_say_does(void **state)
{
	uint8_t order[SHA256_BYTES] = { 1 }, text[2][RECEIPT_TEXT_MAX];
	Pullcord__V1__CommandReceipt r = PULLCORD__V1__COMMAND_RECEIPT__INIT;
	struct put a = put(text[0], RECEIPT_TEXT_MAX), b = put(text[1], RECEIPT_TEXT_MAX);

	(void)state;
	r.command = KIND(WIPE);
	r.counter = 7;
	assert_int_equal(receipt_write(&r, "mercy", "nc-1", &a), ERR_SYNTAX);   /* of no order */
	r.order = (ProtobufCBinaryData){ sizeof(order), order };
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE;
	r.why = (char *)(uintptr_t) "a";
	r.text = (char *)(uintptr_t) "b\n";
	assert_int_equal(receipt_write(&r, "mercy", "nc-1", &a), OK);
	r.why = (char *)(uintptr_t) "a\nat 0";
	r.text = (char *)(uintptr_t) "\nb\n";
	assert_int_equal(receipt_write(&r, "mercy", "nc-1", &b), OK);
	assert_false(span_eq(put_span(&a), put_span(&b)));
}

static void key_line(char *out, size_t cap, const char *name, uint8_t seed)
{
	uint8_t secret[SIGN_KEY_BYTES] = { seed }, pub[SIGN_KEY_BYTES];

	assert_int_equal(sign_public(secret, pub), OK);
	assert_int_equal(vkey_write(span_str(name), pub, out, cap - 1), OK);
}

static void officers_are_listed_once_each(void **state)
{
	char ana[200], ben[200], again[200], text[1024];
	struct officers o;
	unsigned line;

	(void)state;
	key_line(ana, sizeof(ana), "ana", 1);
	key_line(ben, sizeof(ben), "ben", 2);
	key_line(again, sizeof(again), "ben2", 2);
	snprintf(text, sizeof(text), "# who may command\n\n%s  # she\n%s", ana, ben);
	assert_int_equal(officers_read(span_str(text), &o, &line), OK);
	assert_int_equal(o.n, 2);
	assert_true(span_is(o.of[1].name, "ben"));
	snprintf(text, sizeof(text), "%s\n%s\n%s\n", ana, ben, ana);
	assert_int_equal(officers_read(span_str(text), &o, &line), ERR_EXISTS);
	assert_int_equal(line, 3);
	snprintf(text, sizeof(text), "%s\n%s\n", ben, again);   /* one person would be two */
	assert_int_equal(officers_read(span_str(text), &o, &line), ERR_EXISTS);
	assert_int_equal(line, 2);
	assert_int_equal(officers_read(SPAN_LIT("\nana\n"), &o, &line), ERR_SYNTAX);
	assert_int_equal(line, 2);
	assert_int_equal(officers_read(SPAN_LIT(""), &o, &line), OK);
	assert_int_equal(o.n, 0);
}

static void a_detail_is_one_its_kind_knows(void **state)
{
	static const struct { Pullcord__V1__CommandKind kind; const char *detail; bool good; } row[] = {
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_QUARANTINE, "on", true },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_QUARANTINE, "yes", false },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_QUARANTINE, "", false },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_LOG_LEVEL, "file", true },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_LOG_LEVEL, "file|on", false },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE, "", true },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE, "now", false },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_SETTINGS, "[throttle]\nburst = 2\n", true },
		{ PULLCORD__V1__COMMAND_KIND__COMMAND_NONE, "", false },
		{ (Pullcord__V1__CommandKind)99, "", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(warrant_detail_ok(row[i].kind, span_str(row[i].detail)), row[i].good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_as_the_header_says),
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(a_changed_text_is_another_order_or_none),
		cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(what_cannot_be_an_order_is_not_written),
		cmocka_unit_test(a_note_carries_it_and_its_signatures),
		cmocka_unit_test(receipts_differ_when_what_they_say_does),
		cmocka_unit_test(officers_are_listed_once_each),
		cmocka_unit_test(a_detail_is_one_its_kind_knows),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, NULL);
}

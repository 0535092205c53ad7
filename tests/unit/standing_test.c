#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "standing.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define OUTCOME(name) PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_##name

static uint8_t room[STANDING_BYTES_MAX];
static struct standing full, back;

static int make(void **state)
{
	(void)state;
	memset(&full, 0, sizeof(full));
	full = (struct standing){
		.executed = 1ull << 40, .nonce = "fifteen letters", .quarantined = true, .wipe = WIPE_TOLD,
		.last = { .kind = KIND(WIPE), .counter = 1ull << 40, .outcome = OUTCOME(DONE), .why = ORDER_NONCE, .at_us = 1764400000000000,
			  .cert_n = STANDING_CERT_MAX, .sig_n = STANDING_SIGN_MAX },
	};
	memset(full.settings, 's', WARRANT_DETAIL_MAX);
	memset(full.last.text, 't', STANDING_TEXT_MAX);
	memset(full.last.order, 0xaa, SHA256_BYTES);
	memset(full.last.cert, 0xbb, STANDING_CERT_MAX);
	memset(full.last.sig, 0xcc, STANDING_SIGN_MAX);
	strcpy(full.log_level, "warning");
	return crypt_init() == OK ? 0 : -1;
}

static struct span written(const struct standing *s)
{
	struct put b = put(room, sizeof(room));

	assert_int_equal(standing_write(s, &b), OK);
	return put_span(&b);
}

static void what_was_kept_is_read_back(void **state)
{
	const struct standing none = { 0 };

	(void)state;
	assert_int_equal(standing_read(written(&full), &back), OK);
	assert_memory_equal(&back.last.order, &full.last.order, SHA256_BYTES);
	assert_memory_equal(back.last.cert, full.last.cert, STANDING_CERT_MAX);
	assert_memory_equal(back.last.sig, full.last.sig, STANDING_SIGN_MAX);
	assert_string_equal(back.settings, full.settings);
	assert_string_equal(back.last.text, full.last.text);
	assert_string_equal(back.log_level, "warning");
	assert_memory_equal(back.nonce, full.nonce, WARRANT_NONCE);
	assert_true(back.executed == full.executed && back.quarantined && back.wipe == WIPE_TOLD);
	assert_true(back.last.kind == KIND(WIPE) && back.last.outcome == OUTCOME(DONE) && back.last.why == ORDER_NONCE);
	assert_true(back.last.counter == full.last.counter && back.last.at_us == full.last.at_us);
	assert_int_equal(standing_read(written(&none), &back), OK);
	assert_true(back.executed == 0 && back.last.outcome == OUTCOME(NONE) && !back.quarantined);
}

/* A wipe that was begun must never be read as none. */
static void no_damage_passes(void **state)
{
	struct span bytes = written(&full);

	(void)state;
	for (size_t i = 0; i < bytes.n; i += i < 64 || i + 64 > bytes.n ? 1 : 13) {
		room[i] ^= 0x10;
		assert_int_not_equal(standing_read(bytes, &back), OK);
		room[i] ^= 0x10;
		assert_int_not_equal(standing_read(span(room, i), &back), OK);
	}
}

static void another_layout_is_said_to_be_one(void **state)
{
	struct span bytes = written(&full);
	size_t n = bytes.n - SHA256_BYTES;

	(void)state;
	room[strlen("pullcord orders")]++;
	SHA256(room + n, span(room, n));
	assert_int_equal(standing_read(bytes, &back), ERR_VERSION);
}

static void obeying_changes_what_lasts(void **state)
{
	static const struct { Pullcord__V1__CommandKind kind; const char *detail; } row[] = {
		{ KIND(SETTINGS), "[throttle]\nburst = 5\n" }, { KIND(LOG_LEVEL), "debug" }, { KIND(QUARANTINE), "on" },
		{ KIND(QUARANTINE), "off" }, { KIND(RENEW), "" }, { KIND(WIPE), "" },
	};
	const uint8_t nonce[WARRANT_NONCE] = "another one";
	struct standing s = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		const struct order o = { row[i].kind, i + 1, { (uint8_t)i }, span_str(row[i].detail) };

		standing_obey(&s, &o, nonce, 77);
		assert_int_equal(s.executed, i + 1);
		assert_memory_equal(s.nonce, nonce, sizeof(nonce));
		assert_true(s.last.kind == row[i].kind && s.last.outcome == OUTCOME(BEGUN) && s.last.at_us == 77);
		assert_int_equal(s.last.order[0], i);
		assert_true(s.quarantined == (i == 2));
	}
	assert_string_equal(s.settings, row[0].detail);   /* until other settings are ordered */
	assert_string_equal(s.log_level, "debug");
	assert_int_equal(s.wipe, WIPE_BEGUN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_kept_is_read_back, make),
		cmocka_unit_test_setup(no_damage_passes, make),
		cmocka_unit_test_setup(another_layout_is_said_to_be_one, make),
		cmocka_unit_test_setup(obeying_changes_what_lasts, make),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

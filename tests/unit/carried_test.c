#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "carried.h"

#define HASH "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"

static Pullcord__V1__Approval approval[WARRANT_APPROVALS_MAX], *list[WARRANT_APPROVALS_MAX];
static uint8_t nonce[WARRANT_NONCE], order[SHA256_BYTES];
static char text[CARRIED_TEXT_MAX];
static bool done;

static int make(void **state)
{
	(void)state;
	assert_true(hex_decode(SPAN_LIT(HASH), order, sizeof(order)));
	return crypt_init() == OK ? 0 : -1;
}

static Pullcord__V1__DeviceCommand command(size_t n, const char *const *officer)
{
	Pullcord__V1__DeviceCommand c = PULLCORD__V1__DEVICE_COMMAND__INIT;

	c.command = PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE;
	c.counter = 7;
	c.nonce = (ProtobufCBinaryData){ sizeof(nonce), nonce };
	c.expires_us = 1764464400000000;
	c.n_approval = n;
	c.approval = list;
	for (size_t i = 0; i < n; i++) {
		pullcord__v1__approval__init(&approval[i]);
		approval[i].officer = (char *)(uintptr_t)officer[i];
		list[i] = &approval[i];
	}
	return c;
}

/* The digest is that of the text officers sign: anybody with their file finds the entry. */
static void an_order_is_named_by_what_was_signed(void **state)
{
	const Pullcord__V1__DeviceCommand c = command(2, (const char *const[]){ "mercy/officer/ana", "ben" });
	uint8_t room[WARRANT_TEXT_MAX], key[] = { 0x1f, 0x0c, 0x6b, 0x2e }, hash[SHA256_BYTES];
	struct put b = put(room, sizeof(room));
	char want[300], hex[2 * SHA256_BYTES + 1];
	struct warrant w;

	(void)state;
	assert_int_equal(warrant_of(&c, "mercy", "icu3-nc1", &w), OK);
	assert_int_equal(warrant_write(&w, &b), OK);
	SHA256(hash, put_span(&b));
	hex_encode(span(hash, sizeof(hash)), hex);
	approval[0].key = (ProtobufCBinaryData){ sizeof(key), key };    /* Ben's comes from a tool of before */
	assert_true(carried_order(&c, "mercy", "icu3-nc1", text));
	snprintf(want, sizeof(want), "wipe 7 order %s by mercy/officer/ana+1f0c6b2e and ben", hex);
	assert_string_equal(text, want);
	assert_true(carried_order(&c, "mercy", "icu3-nc2", text));      /* to another it is another */
	assert_string_not_equal(text, want);
}

static void what_is_no_order_is_none(void **state)
{
	Pullcord__V1__DeviceCommand c = command(0, NULL);

	(void)state;
	assert_false(carried_order(&c, "mercy", "icu3-nc1", text));     /* nobody signed it: no act of theirs */
	c = command(1, (const char *const[]){ "ana" });
	c.nonce.len = 3;
	assert_false(carried_order(&c, "mercy", "icu3-nc1", text));
	c = command(1, (const char *const[]){ "ana" });
	c.command = PULLCORD__V1__COMMAND_KIND__COMMAND_NONE;
	assert_false(carried_order(&c, "mercy", "icu3-nc1", text));
}

static void only_words_of_theirs_go_on_record(void **state)
{
	static char longest[WARRANT_OFFICER_MAX + 2];
	Pullcord__V1__DeviceCommand c;
	const char *many[WARRANT_APPROVALS_MAX];

	(void)state;
	c = command(3, (const char *const[]){ "Mrs. Jones of 412-B", "", "a//b" });
	assert_true(carried_order(&c, "mercy", "icu3-nc1", text));
	assert_non_null(strstr(text, " by ? and ? and ?"));
	approval[1].key = (ProtobufCBinaryData){ WARRANT_NONCE, nonce };
	assert_true(carried_order(&c, "mercy", "icu3-nc1", text));
	assert_non_null(strstr(text, " by ? and ? and ?"));      /* it is no id of a key */
	memset(longest, 'x', sizeof(longest) - 1);
	for (size_t i = 0; i < countof(many); i++)
		many[i] = i % 2 ? "mercy/officer/bartholomew" : longest + 1 + 64;
	c = command(countof(many), many);
	for (size_t i = 0; i < countof(many); i++)
		approval[i].key = (ProtobufCBinaryData){ NOTE_KEY_ID, nonce };
	assert_true(carried_order(&c, "mercy", "icu3-nc1", text));
	assert_true(strlen(text) < CARRIED_TEXT_MAX);
	assert_string_equal(text + strlen(text) - strlen(" and more"), " and more");
}

static void a_receipt_names_its_order_and_the_verdict(void **state)
{
	Pullcord__V1__CommandReceipt r = PULLCORD__V1__COMMAND_RECEIPT__INIT;

	(void)state;
	assert_false(carried_receipt(NULL, text, &done));
	assert_false(carried_receipt(&r, text, &done));
	r.command = PULLCORD__V1__COMMAND_KIND__COMMAND_WIPE;
	r.counter = 7;
	r.order = (ProtobufCBinaryData){ sizeof(order), order };
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_REFUSED;
	r.why = "too-few";
	assert_true(carried_receipt(&r, text, &done));
	assert_string_equal(text, "wipe 7 order " HASH ": refused, too-few");
	assert_false(done);
	r.why = "the patient said no";
	assert_true(carried_receipt(&r, text, &done));
	assert_string_equal(text, "wipe 7 order " HASH ": refused, ?");
	r.why = "";
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE;
	r.certificate = r.signature = r.order;
	assert_true(carried_receipt(&r, text, &done));
	assert_string_equal(text, "wipe 7 order " HASH ": done, signed");
	assert_true(done);
	r.outcome = 77;
	assert_false(carried_receipt(&r, text, &done));
}

/* Two thousand devices, each of which says what it obeyed last with every state. */
static void what_is_said_again_is_told_once(void **state)
{
	struct carried_seen *seen = calloc(1, sizeof(*seen));
	char device[16];
	unsigned fresh = 0;

	(void)state;
	assert_non_null(seen);
	crypt_random(seen->key, sizeof(seen->key));
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < 2000; i++) {
			snprintf(device, sizeof(device), "d%d", i);
			fresh += carried_is_new(seen, span_str(device), "wipe 7: done");
		}
	assert_in_range(fresh, 2000, 2100);     /* a bucket may be too small */
	assert_false(carried_is_new(seen, SPAN_LIT("d1999"), "wipe 7: done"));
	assert_true(carried_is_new(seen, SPAN_LIT("d1999"), "wipe 8: done"));
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_named_by_what_was_signed),
		cmocka_unit_test(what_is_no_order_is_none),
		cmocka_unit_test(only_words_of_theirs_go_on_record),
		cmocka_unit_test(a_receipt_names_its_order_and_the_verdict),
		cmocka_unit_test(what_is_said_again_is_told_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, NULL);
}

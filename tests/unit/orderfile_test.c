/* orderfile: an order as it goes from officer to officer, and the receipt that comes back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cert.h"
#include "orderfile.h"
#include "pki.h"
#include "scratch.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define NOW 1764400000LL

static const uint8_t secret[2][SIGN_KEY_BYTES] = { { 1 }, { 2 } };
static struct officers officers = { .n = 2, .of = { { .name = { (const uint8_t *)"ana", 3 } },
						   { .name = { (const uint8_t *)"ben", 3 } } } };
static struct scratch scratch;
static char file[6][384];
enum { CA, CA_KEY, CRT, KEY, OTHER, OTHER_KEY };

static int make(void **state)
{
	static const char *const names[] = { "ca.crt", "ca.key", "d.crt", "d.key", "o.crt", "o.key" };

	(void)state;
	if (crypt_init() != OK)
		return -1;
	scratch_make(&scratch);
	for (size_t i = 0; i < countof(names); i++)
		snprintf(file[i], sizeof(file[i]), "%s", scratch_path(&scratch, names[i]));
	for (int i = 0; i < 2; i++)
		if (sign_public(secret[i], officers.of[i].pub) != OK)
			return -1;
	return pki_make_ca(&(struct pki_files){ file[CA], file[CA_KEY] }, "mercy", NOW) != OK ||
	       pki_make_ca(&(struct pki_files){ file[OTHER], file[OTHER_KEY] }, "mercy", NOW) != OK ||
	       pki_make_device(&(struct pki_files){ file[CA], file[CA_KEY] }, &(struct pki_files){ file[CRT], file[KEY] }, "mercy",
			       "nc-1", 90, NOW) != OK ? -1 : 0;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

static void begin(struct orderfile *f, const char *detail)
{
	const struct warrant w = {
		.tenant = SPAN_LIT("mercy"), .device = SPAN_LIT("nc-1"), .kind = KIND(SETTINGS), .counter = 7,
		.expires_us = NOW * 1000000, .detail = span_str(detail),
	};

	assert_int_equal(orderfile_begin(&w, f), OK);
}

static void it_is_the_same_order_whoever_signs_it(void **state)
{
	static const char *const details[] = { "", "[a]\nb = c\n", "\n\n" };
	struct orderfile f, again;

	(void)state;
	for (size_t i = 0; i < countof(details); i++) {
		begin(&f, details[i]);
		assert_int_equal(f.signatures, 0);
		assert_int_equal(orderfile_sign(&f, SPAN_LIT("ana"), secret[0]), OK);
		memcpy(again.bytes, f.bytes, again.n = f.n);
		assert_int_equal(orderfile_parse(&again), OK);
		assert_int_equal(orderfile_sign(&again, SPAN_LIT("ana"), secret[0]), ERR_EXISTS);
		assert_int_equal(orderfile_sign(&again, SPAN_LIT("ben"), secret[1]), OK);
		assert_int_equal(again.signatures, 2);
		assert_memory_equal(again.hash, f.hash, SHA256_BYTES);
		assert_true(span_is(again.w.detail, details[i]));
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(orderfile_check(&again, k, &officers), SIGNATURE_GOOD);
	}
}

static void a_changed_letter_spoils_every_signature(void **state)
{
	struct orderfile f;
	char *at;

	(void)state;
	begin(&f, "[throttle]\nburst = 5\n");
	assert_int_equal(orderfile_sign(&f, SPAN_LIT("ana"), secret[0]), OK);
	f.bytes[f.n] = '\0';
	at = strstr((char *)f.bytes, "burst = 5");
	at[8] = '6';
	assert_int_equal(orderfile_parse(&f), OK);
	assert_int_equal(orderfile_check(&f, 0, &officers), SIGNATURE_BAD);
	at[0] = '\t';
	assert_int_equal(orderfile_parse(&f), ERR_SYNTAX);
}

static void who_is_not_listed_is_told_apart(void **state)
{
	struct orderfile f;

	(void)state;
	begin(&f, "");
	assert_int_equal(orderfile_sign(&f, SPAN_LIT("eve"), secret[0]), OK);
	assert_int_equal(orderfile_sign(&f, SPAN_LIT("ben"), secret[0]), OK);   /* not ben's key */
	assert_int_equal(orderfile_check(&f, 0, &officers), SIGNATURE_STRANGER);
	assert_int_equal(orderfile_check(&f, 1, &officers), SIGNATURE_BAD);
}

static void it_takes_so_many_signatures(void **state)
{
	struct orderfile f;
	char name[2] = "a";

	(void)state;
	begin(&f, "");
	for (unsigned i = 0; i < WARRANT_APPROVALS_MAX; i++, name[0]++)
		assert_int_equal(orderfile_sign(&f, span_str(name), secret[0]), OK);
	assert_int_equal(orderfile_sign(&f, span_str(name), secret[0]), ERR_FULL);
}

static void the_command_is_what_was_signed(void **state)
{
	struct orderfile_command c;
	struct orderfile f;
	uint8_t room[WARRANT_TEXT_MAX], id[NOTE_KEY_ID];
	struct put text = put(room, sizeof(room));
	struct warrant w;

	(void)state;
	begin(&f, "[throttle]\nburst = 5\n");
	assert_int_equal(orderfile_sign(&f, SPAN_LIT("ana"), secret[0]), OK);
	assert_int_equal(orderfile_command(&f, &c), OK);
	assert_int_equal(warrant_of(&c.c, "mercy", "nc-1", &w), OK);
	assert_int_equal(warrant_write(&w, &text), OK);
	assert_int_equal(sign_check(officers.of[0].pub, put_span(&text), c.c.approval[0]->signature.data), OK);
	assert_string_equal(c.c.approval[0]->officer, "ana");
	vkey_id(SPAN_LIT("ana"), officers.of[0].pub, id);
	assert_int_equal(c.c.approval[0]->key.len, sizeof(id));
	assert_memory_equal(c.c.approval[0]->key.data, id, sizeof(id));
}

static void a_receipt_is_the_devices_own(void **state)
{
	uint8_t order[SHA256_BYTES] = { 1 }, room[RECEIPT_TEXT_MAX];
	Pullcord__V1__CommandReceipt r = PULLCORD__V1__COMMAND_RECEIPT__INIT;
	struct put text = put(room, sizeof(room));
	struct cert_signed s;

	(void)state;
	r.command = KIND(WIPE);
	r.order = (ProtobufCBinaryData){ sizeof(order), order };
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE;
	r.at_us = NOW * 1000000;
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-1", file[CA]), ERR_NOT_FOUND);
	assert_int_equal(receipt_write(&r, "mercy", "nc-1", &text), OK);
	assert_int_equal(cert_sign(file[CRT], file[KEY], put_span(&text), &s), OK);
	r.certificate = (ProtobufCBinaryData){ s.der_n, s.der };
	r.signature = (ProtobufCBinaryData){ s.sig_n, s.sig };
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-1", file[CA]), OK);
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-2", file[CA]), ERR_SENDER);
	assert_int_equal(orderfile_receipt(&r, "grace", "nc-1", file[CA]), ERR_SENDER);
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-1", file[OTHER]), ERR_DENIED);
	r.counter++;
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-1", file[CA]), ERR_KEY);
	r.counter--;
	r.at_us += 91 * 86400 * 1000000LL;      /* after its certificate has ended */
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-1", file[CA]), ERR_DENIED);
	r.at_us = NOW * 1000000;
	r.certificate.len--;
	assert_int_equal(orderfile_receipt(&r, "mercy", "nc-1", file[CA]), ERR_SYNTAX);
}

static Pullcord__V1__CommandReceipt receipt_of(const struct orderfile *f, Pullcord__V1__CommandOutcome outcome)
{
	Pullcord__V1__CommandReceipt r = PULLCORD__V1__COMMAND_RECEIPT__INIT;

	r.command = f->w.kind;
	r.counter = f->w.counter;
	r.order = (ProtobufCBinaryData){ SHA256_BYTES, (uint8_t *)(uintptr_t)f->hash };
	r.outcome = outcome;
	r.at_us = NOW * 1000000;
	return r;
}

static void sign(Pullcord__V1__CommandReceipt *r)
{
	static struct cert_signed s;
	uint8_t room[RECEIPT_TEXT_MAX];
	struct put text = put(room, sizeof(room));

	assert_int_equal(receipt_write(r, "mercy", "nc-1", &text), OK);
	assert_int_equal(cert_sign(file[CRT], file[KEY], put_span(&text), &s), OK);
	r->certificate = (ProtobufCBinaryData){ s.der_n, s.der };
	r->signature = (ProtobufCBinaryData){ s.sig_n, s.sig };
}

/* Whatever whoever forges it says that it was. */
static void only_what_the_device_signed_is_the_end_of_an_order(void **state)
{
	struct orderfile f;
	Pullcord__V1__CommandReceipt r;

	(void)state;
	begin(&f, "");
	r = receipt_of(&f, PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_DONE);
	assert_int_equal(orderfile_answer(&f, NULL, file[CA]), RECEIPT_NONE);
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_CLAIMED);
	sign(&r);
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_PROVEN);
	assert_int_equal(orderfile_answer(&f, &r, file[OTHER]), RECEIPT_CLAIMED);
	r.command = KIND(REPORT);
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_NONE);
	r.command = f.w.kind;
	r.counter++;
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_NONE);
	r = receipt_of(&f, PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_BEGUN);
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_BEGUN);
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_REFUSED;
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_REFUSED);
	r.outcome = PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_FAILED;
	assert_int_equal(orderfile_answer(&f, &r, file[CA]), RECEIPT_CLAIMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_same_order_whoever_signs_it),
		cmocka_unit_test(a_changed_letter_spoils_every_signature),
		cmocka_unit_test(who_is_not_listed_is_told_apart),
		cmocka_unit_test(it_takes_so_many_signatures),
		cmocka_unit_test(the_command_is_what_was_signed),
		cmocka_unit_test(a_receipt_is_the_devices_own),
		cmocka_unit_test(only_what_the_device_signed_is_the_end_of_an_order),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, drop);
}

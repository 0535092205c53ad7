#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "order.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define NOW 1764400000000000
#define HOUR (3600 * 1000000LL)

enum { ANA, BEN, EVE, OFFICERS };       /* Eve's key is not pinned */
static const char *const names[] = { "mercy/officer/ana", "mercy/officer/ben", "mercy/officer/eve" };
static uint8_t secret[OFFICERS][SIGN_KEY_BYTES] = { { 1 }, { 2 }, { 3 } };
static struct officers officers, nobody;
static struct order_self self;

static int make(void **state)
{
	(void)state;
	if (crypt_init() != OK)
		return -1;
	officers.n = 0;
	for (int i = ANA; i <= BEN; i++) {
		officers.of[officers.n].name = span_str(names[i]);
		if (sign_public(secret[i], officers.of[officers.n++].pub) != OK)
			return -1;
	}
	self = (struct order_self){ "mercy", "nc-1", &officers, 6, "a nonce of this" };
	return 0;
}

/* A command and what its pointers point to. */
struct made {
	struct warrant w;
	char detail[64];
	Pullcord__V1__DeviceCommand c;
	Pullcord__V1__Approval a[WARRANT_APPROVALS_MAX + 1], *list[WARRANT_APPROVALS_MAX + 1];
	uint8_t sig[WARRANT_APPROVALS_MAX + 1][SIGN_BYTES];
};

static void draw_up(struct made *m, Pullcord__V1__CommandKind kind, const char *detail)
{
	memset(m, 0, sizeof(*m));
	strcpy(m->detail, detail);
	m->w = (struct warrant){
		.tenant = span_str(self.tenant), .device = span_str(self.device), .kind = kind, .counter = self.executed + 1,
		.expires_us = NOW + HOUR, .detail = span_str(m->detail),
	};
	memcpy(m->w.nonce, self.nonce, WARRANT_NONCE);
	pullcord__v1__device_command__init(&m->c);
	m->c.command = kind;
	m->c.counter = m->w.counter;
	m->c.nonce = (ProtobufCBinaryData){ WARRANT_NONCE, m->w.nonce };
	m->c.detail = (ProtobufCBinaryData){ strlen(detail), (uint8_t *)m->detail };
	m->c.expires_us = (uint64_t)m->w.expires_us;
	m->c.approval = m->list;
}

/* `who` signs it as it stands, under the name of `as`. */
static void sign_as(struct made *m, int who, int as)
{
	uint8_t room[WARRANT_TEXT_MAX];
	struct put text = put(room, sizeof(room));
	Pullcord__V1__Approval *a = &m->a[m->c.n_approval];
	uint8_t *sig = m->sig[m->c.n_approval];

	assert_int_equal(warrant_write(&m->w, &text), OK);
	assert_int_equal(sign_make(secret[who], put_span(&text), sig), OK);
	pullcord__v1__approval__init(a);
	a->officer = (char *)(uintptr_t)names[as];
	a->signature = (ProtobufCBinaryData){ SIGN_BYTES, sig };
	m->list[m->c.n_approval++] = a;
}

static void sign(struct made *m, int who) { sign_as(m, who, who); }

static enum order_verdict judge(const struct made *m)
{
	struct order o;

	return order_judge(&self, &m->c, NOW, &o);
}

static void what_enough_officers_signed_is_obeyed(void **state)
{
	static const struct { Pullcord__V1__CommandKind kind; const char *detail; unsigned officers; } row[] = {
		{ KIND(SETTINGS), "[throttle]\nburst = 5\n", 1 }, { KIND(RENEW), "", 1 }, { KIND(LOG_LEVEL), "debug", 1 },
		{ KIND(QUARANTINE), "on", 1 }, { KIND(QUARANTINE), "off", 1 }, { KIND(WIPE), "", 2 },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct made m;
		struct order o;

		assert_int_equal(warrant_officers(row[i].kind), row[i].officers);
		draw_up(&m, row[i].kind, row[i].detail);
		for (unsigned k = 0; k < row[i].officers; k++) {
			assert_int_not_equal(judge(&m), ORDER_OBEY);
			sign(&m, (int)k);
		}
		assert_int_equal(order_judge(&self, &m.c, NOW, &o), ORDER_OBEY);
		assert_int_equal(o.kind, row[i].kind);
		assert_int_equal(o.counter, 7);
		assert_true(span_is(o.detail, row[i].detail));
	}
}

/* It need not be said which key it was, as those of before do not; what is said must be true. */
static void the_key_that_is_claimed_is_the_officers(void **state)
{
	uint8_t id[NOTE_KEY_ID];
	struct made m;

	(void)state;
	draw_up(&m, KIND(RENEW), "");
	sign(&m, ANA);
	assert_int_equal(judge(&m), ORDER_OBEY);
	vkey_id(officers.of[ANA].name, officers.of[ANA].pub, id);
	m.a[0].key = (ProtobufCBinaryData){ sizeof(id), id };
	assert_int_equal(judge(&m), ORDER_OBEY);
	id[3] ^= 1;
	assert_int_equal(judge(&m), ORDER_SIGNATURE);
}

/* Threat model, case 13: a forged wipe. Each of the twelve is a good command but for one thing. */
static void unsigned_(struct made *m) { m->c.n_approval = 0; }
static void one_signature(struct made *m) { m->c.n_approval = 1; }
static void one_officer_twice(struct made *m) { m->c.n_approval = 1; sign(m, ANA); }
static void a_stranger_second(struct made *m) { m->c.n_approval = 1; sign(m, EVE); }
static void a_stranger_as_officer(struct made *m) { m->c.n_approval = 1; sign_as(m, EVE, BEN); }

static void signed_anew(struct made *m)
{
	m->c.n_approval = 0;
	sign(m, ANA);
	sign(m, BEN);
}

static void of_another_device(struct made *m) { m->w.device = SPAN_LIT("nc-2"); signed_anew(m); }
static void of_another_hospital(struct made *m) { m->w.tenant = SPAN_LIT("grace"); signed_anew(m); }
static void of_another_kind(struct made *m) { m->w.kind = KIND(QUARANTINE); signed_anew(m); }
static void an_old_nonce(struct made *m) { m->w.nonce[0] ^= 1; signed_anew(m); }
static void expired(struct made *m) { m->w.expires_us = NOW; m->c.expires_us = NOW; signed_anew(m); }
static void the_same_counter(struct made *m) { m->c.counter = m->w.counter = self.executed; signed_anew(m); }
static void made_to_last(struct made *m) { m->c.expires_us += HOUR; }

static const struct {
	const char *what;
	void (*forge)(struct made *m);
	enum order_verdict why;
} forged[] = {
	{ "unsigned", unsigned_, ORDER_UNSIGNED },
	{ "one signature where two are needed", one_signature, ORDER_TOO_FEW },
	{ "one officer's signature twice", one_officer_twice, ORDER_TWICE },
	{ "a second signature by somebody who is no officer", a_stranger_second, ORDER_STRANGER },
	{ "that one under an officer's name", a_stranger_as_officer, ORDER_SIGNATURE },
	{ "signed for another device", of_another_device, ORDER_SIGNATURE },
	{ "signed for another hospital", of_another_hospital, ORDER_SIGNATURE },
	{ "signed as another command", of_another_kind, ORDER_SIGNATURE },
	{ "with an old nonce", an_old_nonce, ORDER_NONCE },
	{ "expired", expired, ORDER_EXPIRED },
	{ "with the counter of one that was obeyed", the_same_counter, ORDER_COUNTER },
	{ "its expiry put off after it was signed", made_to_last, ORDER_SIGNATURE },
};

static void abuse_case_13_twelve_forged_wipes_are_refused(void **state)
{
	struct made m;

	(void)state;
	assert_int_equal(countof(forged), 12);
	for (size_t i = 0; i < countof(forged); i++) {
		draw_up(&m, KIND(WIPE), "");
		signed_anew(&m);
		assert_int_equal(judge(&m), ORDER_OBEY);
		forged[i].forge(&m);
		if (judge(&m) != forged[i].why)
			fail_msg("%s: %s, not %s", forged[i].what, order_word(judge(&m)), order_word(forged[i].why));
		assert_true(order_is_forged(forged[i].why));
	}
}

static void abuse_case_13_the_good_one_is_obeyed_once(void **state)
{
	struct made m;

	(void)state;
	draw_up(&m, KIND(WIPE), "");
	signed_anew(&m);
	assert_int_equal(judge(&m), ORDER_OBEY);
	self.executed++;
	assert_int_equal(judge(&m), ORDER_COUNTER);
	self.executed--;
	memcpy(self.nonce, "another nonce..", WARRANT_NONCE);   /* as it is after each one that is obeyed */
	assert_int_equal(judge(&m), ORDER_NONCE);
}

static void what_else_is_wrong_is_refused(void **state)
{
	struct made m;
	struct order o;

	(void)state;
	draw_up(&m, KIND(NONE), "");
	assert_int_equal(judge(&m), ORDER_KIND);
	m.c.command = (Pullcord__V1__CommandKind)99;
	assert_int_equal(judge(&m), ORDER_KIND);

	draw_up(&m, KIND(WIPE), "");
	m.w.expires_us = (int64_t)(m.c.expires_us = NOW + WARRANT_LASTS_MAX_US + 1);
	signed_anew(&m);
	assert_int_equal(judge(&m), ORDER_LASTS);

	draw_up(&m, KIND(LOG_LEVEL), "loud");
	sign(&m, ANA);
	assert_int_equal(judge(&m), ORDER_DETAIL);
	draw_up(&m, KIND(QUARANTINE), "o");
	sign(&m, ANA);
	assert_int_equal(judge(&m), ORDER_DETAIL);
	draw_up(&m, KIND(SETTINGS), "a\tb");
	assert_int_equal(judge(&m), ORDER_DETAIL);

	draw_up(&m, KIND(WIPE), "");
	m.c.nonce.len = 0;
	assert_int_equal(judge(&m), ORDER_NONCE);
	draw_up(&m, KIND(WIPE), "");
	signed_anew(&m);
	m.a[1].signature.len = SIGN_BYTES - 1;
	assert_int_equal(judge(&m), ORDER_SIGNATURE);
	draw_up(&m, KIND(WIPE), "");
	m.c.n_approval = WARRANT_APPROVALS_MAX + 1;
	assert_int_equal(judge(&m), ORDER_TWICE);

	self.officers = &nobody;
	draw_up(&m, KIND(WIPE), "");
	signed_anew(&m);
	assert_int_equal(judge(&m), ORDER_UNARMED);
	draw_up(&m, KIND(REPORT), "");
	assert_int_equal(order_judge(&self, &m.c, NOW, &o), ORDER_OBEY);
}

static void the_last_counter_of_all_ends_it(void **state)
{
	struct made m;

	(void)state;
	self.executed = UINT64_MAX;
	draw_up(&m, KIND(WIPE), "");    /* with the counter 0 */
	signed_anew(&m);
	assert_int_equal(judge(&m), ORDER_COUNTER);
}

static void verdicts_have_words_of_their_own(void **state)
{
	(void)state;
	for (int a = 0; a < ORDER_VERDICT_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(order_word(a), order_word(b));
	assert_false(order_is_forged(ORDER_OBEY) || order_is_forged(ORDER_BUSY) || order_is_forged(ORDER_DETAIL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_enough_officers_signed_is_obeyed, make),
		cmocka_unit_test_setup(the_key_that_is_claimed_is_the_officers, make),
		cmocka_unit_test_setup(abuse_case_13_twelve_forged_wipes_are_refused, make),
		cmocka_unit_test_setup(abuse_case_13_the_good_one_is_obeyed_once, make),
		cmocka_unit_test_setup(what_else_is_wrong_is_refused, make),
		cmocka_unit_test_setup(the_last_counter_of_all_ends_it, make),
		cmocka_unit_test(verdicts_have_words_of_their_own),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

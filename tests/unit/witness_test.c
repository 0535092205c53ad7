/* witness: what continues what was seen before is accepted; whatever else is refused has its own name. */
#include "signed_log.h"
#include "seed.h"

static struct signed_log l, other;
static struct witnessed last;
static struct checkpoint seen;
static uint8_t raw[WITNESS_BODY_MAX];
static bool newest;

static int log_make(void **state)
{
	(void)state;
	if (crypt_init() != OK)
		return -1;
	log_fork(&l, &other);
	last = (struct witnessed){ 0 };
	newest = false;
	return 0;
}

static enum witness_kind judge(struct span body)
{
	struct witness_request r;

	if (witness_read(body, &r) != OK)
		return WITNESS_MALFORMED;
	return witness_judge(&last, &l.key, &r, newest, &seen);
}

/* A witness that has seen the first `size`. */
static void has_seen(uint64_t size)
{
	last = (struct witnessed){ 0 };
	if (size == 0)
		return;
	assert_int_equal(judge(log_body(&l, 0, size, raw)), WITNESS_ACCEPTED);
	last = (struct witnessed){ seen.size, seen.root };
}

static void whatever_continues_is_accepted(void **state)
{
	(void)state;
	for (uint64_t old = 0; old <= 300; old += 1 + seed_below(SEED_SLOW ? 70 : 7)) {
		has_seen(old);
		for (uint64_t size = old ? old : 1; size <= 1000; size += 1 + seed_below(90)) {
			assert_int_equal(judge(log_body(&l, old, size, raw)), WITNESS_ACCEPTED);
			assert_int_equal(seen.size, size);
		}
	}
}

static void a_body_is_read_as_it_was_written(void **state)
{
	uint8_t again[WITNESS_BODY_MAX];
	struct witness_request r;

	(void)state;
	for (uint64_t old = 0; old < 200; old += 13) {
		struct span body = log_body(&l, old, 200, raw);
		struct put out = put(again, sizeof(again));

		assert_int_equal(witness_read(body, &r), OK);
		assert_int_equal(r.old, old);
		assert_int_equal(witness_write(&r, &out), OK);
		assert_true(span_eq(put_span(&out), body));
	}
}

static void no_byte_of_it_can_be_changed(void **state)
{
	struct span body;

	(void)state;
	has_seen(70);
	body = log_body(&l, 70, 700, raw);
	for (size_t i = 0; i < body.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			raw[i] ^= (uint8_t)(1u << bit);
			assert_int_not_equal(judge(body), WITNESS_ACCEPTED);
			raw[i] ^= (uint8_t)(1u << bit);
		}
		assert_int_not_equal(judge(span(body.p, i)), WITNESS_ACCEPTED);
	}
	assert_int_equal(judge(body), WITNESS_ACCEPTED);
}

static void another_log_is_another_log(void **state)
{
	struct signed_log east = l;

	(void)state;
	east.key.name = SPAN_LIT("hospital.example/audit/east");
	assert_int_equal(judge(log_body(&east, 0, 10, raw)), WITNESS_UNKNOWN_ORIGIN);
	east = l;
	east.secret[0] ^= 1;
	assert_int_equal(judge(log_body(&east, 0, 10, raw)), WITNESS_BAD_SIGNATURE);
}

static void acceptance_4_another_history_is_a_fork(void **state)
{
	(void)state;
	for (uint64_t old = 101; old < 400; old += 1 + seed_below(9)) {
		enum witness_kind k;

		has_seen(old);
		assert_int_equal(judge(log_body(&other, old, old, raw)), WITNESS_FORK);
		k = judge(log_body(&other, old, 900, raw));
		/* From a power of two the proof does not say what the old root was: it is refused all the same. */
		assert_int_equal(k, (old & (old - 1)) ? WITNESS_FORK : WITNESS_BAD_PROOF);
		assert_int_equal(judge(log_body(&other, 77, 900, raw)), WITNESS_TOO_OLD);
		assert_int_equal(judge(log_body(&other, 77, old, raw)), WITNESS_FORK);   /* whatever the proof begins at */
	}
	has_seen(100);
	assert_int_equal(judge(log_body(&other, 100, 900, raw)), WITNESS_ACCEPTED);      /* so far they were one */
}

static void a_smaller_one_is_late_or_the_log_was_set_back(void **state)
{
	(void)state;
	has_seen(500);
	assert_int_equal(judge(log_body(&l, 300, 400, raw)), WITNESS_TOO_OLD);
	assert_int_equal(judge(log_body(&l, 400, 400, raw)), WITNESS_TOO_OLD);
	newest = true;
	assert_int_equal(judge(log_body(&l, 400, 400, raw)), WITNESS_REWIND);
	assert_int_equal(judge(log_body(&l, 500, 500, raw)), WITNESS_ACCEPTED);
	assert_int_equal(judge(log_body(&l, 400, 500, raw)), WITNESS_TOO_OLD);           /* it starts elsewhere than we are */
	assert_int_equal(judge(log_body(&l, 0, 600, raw)), WITNESS_TOO_OLD);
}

static void a_proof_that_leads_nowhere_is_bad(void **state)
{
	struct span body;

	(void)state;
	has_seen(70);
	body = log_body(&l, 70, 700, raw);
	raw[12] ^= 'A' ^ 'B';                   /* within the first hash, still base64 or not */
	assert_true(judge(body) == WITNESS_BAD_PROOF || judge(body) == WITNESS_MALFORMED);
	last = (struct witnessed){ 0 };
	body = log_body(&l, 70, 700, raw);
	raw[4] = '0', raw[5] = '\n';            /* "old 0" with hashes */
	memmove(raw + 6, raw + 7, body.n - 7);
	assert_int_equal(judge(span(raw, body.n - 1)), WITNESS_BAD_PROOF);
}

static void what_is_no_body_is_malformed(void **state)
{
	static const char *const bad[] = {
		"", "old", "old \n\n", "old 1\n", "old 1\n\n", "old 01\n\nx\n", "old -1\n\nx\n", "new 1\n\nx\n", "old 1 \n\nx\n",
		"old 18446744073709551616\n\nx\n", "old 1\nAAAA\n\nx\n", "old 1\n!\n\nx\n",
	};

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(judge(span_str(bad[i])), WITNESS_MALFORMED);
	assert_int_equal(judge(log_body(&l, 9, 8, raw)), WITNESS_MALFORMED);             /* from more to less */
}

static void too_many_hashes_are_malformed(void **state)
{
	char text[WITNESS_BODY_MAX];
	struct put b = put(text, sizeof(text));
	struct witness_request r;

	(void)state;
	put_str(&b, "old 1\n");
	for (unsigned i = 0; i < WITNESS_HASHES_MAX + 1; i++)
		put_str(&b, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
	put_str(&b, "\nnote\n");
	assert_int_equal(put_end(&b), OK);
	assert_int_equal(witness_read(put_span(&b), &r), ERR_TOO_LARGE);
}

/* What anybody on the way could bring about is no evidence against the log. */
static void only_what_the_log_signed_stands_against_it(void **state)
{
	static const struct { enum witness_kind kind; bool ever, asked; } row[] = {
		{ WITNESS_ACCEPTED, false, false }, { WITNESS_MALFORMED, false, false }, { WITNESS_UNKNOWN_ORIGIN, false, false },
		{ WITNESS_BAD_SIGNATURE, false, false }, { WITNESS_TOO_OLD, false, false }, { WITNESS_BAD_PROOF, false, true },
		{ WITNESS_REWIND, true, true }, { WITNESS_FORK, true, true },
	};

	(void)state;
	assert_int_equal(countof(row), WITNESS_KIND_COUNT);
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(witness_contradicts(row[i].kind, false), row[i].ever);
		assert_int_equal(witness_contradicts(row[i].kind, true), row[i].asked);
		assert_true(strlen(witness_word(row[i].kind)) > 3 && strlen(witness_text(row[i].kind)) > 10);
	}
}

/* ---- the list of witnesses ---- */

static void the_list_names_the_line_that_is_none(void **state)
{
	uint8_t pub[SIGN_KEY_BYTES] = { 1 };
	char one[400], two[400], text[2000];
	struct witnesses w;
	unsigned line;

	(void)state;
	assert_int_equal(cosigner_write(SPAN_LIT("mercy/device/nc-1"), pub, one, sizeof(one)), OK);
	pub[0] = 2;
	assert_int_equal(cosigner_write(SPAN_LIT("auditor.example/w1"), pub, two, sizeof(two)), OK);
	snprintf(text, sizeof(text), "# gateways\n\n  %s  # ICU 3\n%s", one, two);
	assert_int_equal(witnesses_read(span_str(text), &w, &line), OK);
	assert_int_equal(w.n, 2);
	assert_true(span_is(w.of[0].name, "mercy/device/nc-1") && span_is(w.of[1].name, "auditor.example/w1"));
	assert_int_equal(w.of[1].pub[0], 2);
	snprintf(text, sizeof(text), "%s\n%s\n%s\n", one, two, one);
	assert_int_equal(witnesses_read(span_str(text), &w, &line), ERR_EXISTS);
	assert_int_equal(line, 3);
	snprintf(text, sizeof(text), "%s\nsomething\n", one);
	assert_int_equal(witnesses_read(span_str(text), &w, &line), ERR_SYNTAX);
	assert_int_equal(line, 2);
	one[strlen(one) - 5] ^= 1;
	assert_int_not_equal(witnesses_read(span_str(one), &w, &line), OK);
	assert_int_equal(witnesses_read(SPAN_LIT(""), &w, &line), OK);
	assert_int_equal(w.n, 0);
}

/* ---- how far enough of them vouch ---- */

static void so_many_vouch_for_so_much(void **state)
{
	static const struct { size_t n; uint64_t size[5]; size_t k; uint64_t most; } row[] = {
		{ 0, { 0 }, 0, 0 }, { 0, { 0 }, 1, 0 },
		{ 1, { 7 }, 1, 7 }, { 1, { 7 }, 2, 0 }, { 1, { 7 }, 0, 0 },
		{ 3, { 9, 5, 7 }, 1, 9 }, { 3, { 9, 5, 7 }, 2, 7 }, { 3, { 9, 5, 7 }, 3, 5 }, { 3, { 9, 5, 7 }, 4, 0 },
		{ 3, { 9, 0, 0 }, 2, 0 }, { 3, { 9, 0, 7 }, 2, 7 }, { 3, { 9, 0, 7 }, 3, 0 },
		{ 5, { 4, 4, 4, 8, 8 }, 3, 4 }, { 5, { 8, 4, 8, 4, 8 }, 3, 8 },
		{ 2, { UINT64_MAX, UINT64_MAX }, 2, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_true(witness_quorum_size(row[i].size, row[i].n, row[i].k) == row[i].most);
}

static void two_majorities_share_one(void **state)
{
	(void)state;
	assert_int_equal(witness_majority(0), 0);
	assert_int_equal(witness_majority(1), 1);
	assert_int_equal(witness_majority(2), 2);
	for (size_t n = 1; n <= WITNESSES_MAX; n++)
		assert_true(2 * witness_majority(n) > n && 2 * (witness_majority(n) - 1) <= n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whatever_continues_is_accepted, log_make),
		cmocka_unit_test_setup(a_body_is_read_as_it_was_written, log_make),
		cmocka_unit_test_setup(no_byte_of_it_can_be_changed, log_make),
		cmocka_unit_test_setup(another_log_is_another_log, log_make),
		cmocka_unit_test_setup(acceptance_4_another_history_is_a_fork, log_make),
		cmocka_unit_test_setup(a_smaller_one_is_late_or_the_log_was_set_back, log_make),
		cmocka_unit_test_setup(a_proof_that_leads_nowhere_is_bad, log_make),
		cmocka_unit_test_setup(what_is_no_body_is_malformed, log_make),
		cmocka_unit_test_setup(too_many_hashes_are_malformed, log_make),
		cmocka_unit_test_setup(only_what_the_log_signed_stands_against_it, log_make),
		cmocka_unit_test_setup(the_list_names_the_line_that_is_none, log_make),
		cmocka_unit_test(so_many_vouch_for_so_much), cmocka_unit_test(two_majorities_share_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

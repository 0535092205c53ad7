/* What an account held before and after, in a form that is the same for the same and never too long. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypt.h"
#include "delta.h"
#include "draft.h"
#include "topic.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER

static const struct patients patients = { .key = { { 7 } }, .keys = 1 };
static struct draft before, after;

static void drafts(void)
{
	draft_new(&before, USER, SPAN_LIT("mercy"), SPAN_LIT("ana"));
	draft_new(&after, USER, SPAN_LIT("mercy"), SPAN_LIT("ana"));
}

static void give(struct draft *d, const char *role, struct grant g)
{
	assert_true(draft_add_role(d, span_str(role), g));
}

static void attribute(struct draft *d, const char *name, const char *value, struct grant g)
{
	assert_true(draft_add_attribute(d, (struct attribute){ span_str(name), span_str(value) }, g));
}

static void assert_delta(const struct account *from, const struct account *to, const char *want)
{
	static char text[DELTA_MAX + 1];
	struct delta d;

	assert_int_equal(delta_account(from, to, &patients, &d), OK);
	assert_true(span_text(delta_span(&d), text, sizeof(text)));
	assert_string_equal(text, want);
}

/* The text with what stands for other text in it. */
static const char *with(const char *format, const char *text)
{
	static char out[400];
	uint8_t hash[SHA256_BYTES];
	char word[PATIENT_WORD];

	SHA256(hash, span_str(text));
	snprintf(out, sizeof(out), format, patient_word(&patients, span(hash, sizeof(hash)), word));
	return out;
}

static void only_what_differs_is_told_in_one_order(void **state)
{
	(void)state;
	drafts();
	assert_delta(&before.account, &after.account, "");
	give(&before, "nurse", (struct grant){ 0 });
	give(&before, "clerk", (struct grant){ .by = SPAN_LIT("root") });
	attribute(&before, "unit", "icu3", (struct grant){ 0 });
	attribute(&after, "unit", "med4", (struct grant){ .until_us = 1000000, .reason = SPAN_LIT("leave") });
	give(&after, "physician", (struct grant){ .by = SPAN_LIT("root") });
	give(&after, "clerk", (struct grant){ .by = SPAN_LIT("root") });
	assert_delta(&before.account, &after.account,
		     with("-role nurse\n+role physician by root\n-unit=icu3\n+unit=med4 until 1970-01-01T00:00:01Z reason %s", "leave"));
}

static void how_it_is_held_is_a_part_of_it(void **state)
{
	(void)state;
	drafts();
	give(&before, "nurse", (struct grant){ .until_us = 1000000, .at_us = 1 });
	give(&after, "nurse", (struct grant){ .until_us = 1000000, .at_us = 2 });      /* said again */
	assert_delta(&before.account, &after.account, "");
	give(&after, "nurse", (struct grant){ 0 });
	assert_delta(&before.account, &after.account, "+role nurse\n-role nurse until 1970-01-01T00:00:01Z");
}

static void who_comes_and_who_goes_does_so_with_all_they_hold(void **state)
{
	(void)state;
	drafts();
	give(&before, "nurse", (struct grant){ 0 });
	before.account.name = SPAN_LIT("Ana");
	strcpy(before.account.password, "$argon2id$one");
	assert_delta(NULL, &before.account, with("+name %s\n+password\n+role nurse\n+state active\n+tenant mercy", "Ana"));
	assert_delta(&before.account, NULL, with("-name %s\n-password\n-role nurse\n-state active\n-tenant mercy", "Ana"));
}

static void a_state_has_its_reason_and_a_password_only_its_being(void **state)
{
	(void)state;
	drafts();
	strcpy(before.account.password, "$argon2id$one");
	strcpy(after.account.password, "$argon2id$two");
	after.account.unlocked_us = 2000000;
	draft_state(&after, ACCOUNT_QUARANTINED, (struct grant){ 0 });
	draft_state(&after, ACCOUNT_SUSPENDED, (struct grant){ .reason = SPAN_LIT("lost"), .by = SPAN_LIT("root") });
	assert_delta(&before.account, &after.account,
		     with("-password\n+password another\n-state active\n"
			  "+state suspended, then quarantined reason %s by root\n+unlocked 1970-01-01T00:00:02Z", "lost"));
}

static void a_patient_is_a_pseudonym_that_is_found_again(void **state)
{
	uint8_t whom[PATIENT_PSEUDONYM_BYTES], found[PATIENT_PSEUDONYM_BYTES];
	struct span text, line;
	struct delta d;

	(void)state;
	drafts();
	attribute(&after, "patient", "MRN-4711", (struct grant){ 0 });
	attribute(&after, "unit", "icu3", (struct grant){ 0 });
	assert_int_equal(delta_account(&before.account, &after.account, &patients, &d), OK);
	assert_null(memmem(d.text, d.n, "4711", 4));
	patient_pseudonym(&patients, SPAN_LIT("MRN-4711"), whom);
	text = delta_span(&d);
	assert_true(delta_next(&text, &line) && patient_word_next(&line, found));
	assert_memory_equal(found, whom, sizeof(whom));
	assert_true(!patient_word_next(&line, found) && delta_next(&text, &line) && !patient_word_next(&line, found));
	assert_false(delta_next(&text, &line));
}

static void what_is_too_long_is_cut_by_lines_counted_and_proved(void **state)
{
	static char name[ACCOUNT_ATTRIBUTES_MAX][16];
	struct delta one, other;
	struct span text, line, last = { NULL, 0 };
	uint8_t digest[PATIENT_PSEUDONYM_BYTES];
	size_t n = 0;

	(void)state;
	drafts();
	for (size_t i = 0; i < ACCOUNT_ATTRIBUTES_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), "team-%03zu", i);
		attribute(&after, "channel", name[i], (struct grant){ 0 });
	}
	assert_int_equal(delta_account(&before.account, &after.account, &patients, &one), OK);
	assert_true(one.n <= DELTA_MAX);
	for (text = delta_span(&one); delta_next(&text, &line); last = line)
		n += line.p[0] == '+';
	assert_true(n > 20 && last.n > 4 && memcmp(last.p, "... ", 4) == 0);
	assert_int_equal(n + strtoul((const char *)last.p + 4, NULL, 10), ACCOUNT_ATTRIBUTES_MAX);
	assert_true(patient_word_next(&last, digest) && last.n == 0);       /* which the record makes by year as a patient */
	strcpy(name[ACCOUNT_ATTRIBUTES_MAX - 1], "team-xyz");        /* where nobody sees it */
	assert_int_equal(delta_account(&before.account, &after.account, &patients, &other), OK);
	assert_int_equal(other.n, one.n);
	assert_memory_not_equal(one.text, other.text, one.n);
}

/* The longest lines there can be have their room. */
static void every_account_can_be_told(void **state)
{
	static char word[ACCOUNT_ROLES_MAX][WORD_BYTES_MAX + 1];
	struct delta d;

	(void)state;
	drafts();
	for (size_t i = 0; i < ACCOUNT_ROLES_MAX; i++) {
		const struct grant g = { .until_us = 253402300799000000, .reason = SPAN_LIT("x"), .by = span(word[0], WORD_BYTES_MAX) };

		memset(word[i], 'a' + (int)(i % 26), WORD_BYTES_MAX);
		word[i][0] = (char)('A' + i % 26);
		word[i][1] = (char)('A' + i / 26);
		give(&after, word[i], g);
		attribute(&after, word[i], word[0], g);
		attribute(&after, "patient", word[i], g);
	}
	assert_int_equal(delta_account(NULL, &after.account, &patients, &d), OK);
	assert_true(d.n > DELTA_MAX / 2 && d.n <= DELTA_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_differs_is_told_in_one_order),
		cmocka_unit_test(how_it_is_held_is_a_part_of_it),
		cmocka_unit_test(who_comes_and_who_goes_does_so_with_all_they_hold),
		cmocka_unit_test(a_state_has_its_reason_and_a_password_only_its_being),
		cmocka_unit_test(a_patient_is_a_pseudonym_that_is_found_again),
		cmocka_unit_test(what_is_too_long_is_cut_by_lines_counted_and_proved),
		cmocka_unit_test(every_account_can_be_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

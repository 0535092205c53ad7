/* account: what counts when, and what a stored account says to readers of every age. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "account.h"
#include "seed.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE

static struct account account_of(Pullcord__V1__Party party, const char *id)
{
	return (struct account){ .subject = { .party = party, .tenant = SPAN_LIT("mercy"), .id = span_str(id) } };
}

static struct account *there_and_back(const struct account *a)
{
	CLEANUP(free_cleanup) uint8_t *raw = NULL;
	struct account *back = NULL;
	size_t n;

	assert_int_equal(account_write(a, &raw, &n), OK);
	assert_int_equal(account_read(span(raw, n), &back), OK);
	return back;
}

static struct account with_roles(struct span *role, struct grant *grant, size_t n)
{
	struct account a = account_of(USER, "ana");

	a.subject.role = role;
	a.subject.roles = n;
	a.role_grant = grant;
	return a;
}

static void what_has_ended_is_not_in_the_subject(void **state)
{
	struct span role[] = { SPAN_LIT("late"), SPAN_LIT("always"), SPAN_LIT("soon"), SPAN_LIT("too") };
	struct grant grant[] = { { .until_us = 300 }, { .by = SPAN_LIT("root") }, { .until_us = 200, .reason = SPAN_LIT("shift") },
				 { .at_us = 7 } };
	static const struct { int64_t now, until; size_t roles; } row[] = {
		{ 0, 200, 4 }, { 199, 200, 4 }, { 200, 300, 3 }, { 299, 300, 3 }, { 300, INT64_MAX, 2 }, { INT64_MAX - 1, INT64_MAX, 2 },
	};
	struct account a = with_roles(role, grant, countof(role)), *back = NULL;
	int64_t until;

	(void)state;
	back = there_and_back(&a);
	assert_int_equal(back->subject.roles, 4);
	assert_true(span_is(back->subject.role[0], "always") && span_is(back->role_grant[0].by, "root"));
	assert_true(span_is(back->subject.role[1], "too") && back->role_grant[1].at_us == 7);
	assert_true(span_is(back->subject.role[2], "late") && back->role_grant[2].until_us == 300);
	assert_true(span_is(back->subject.role[3], "soon") && span_is(back->role_grant[3].reason, "shift"));
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(account_subject(back, row[i].now, &until).roles, row[i].roles);
		assert_true(until == row[i].until);
	}
	account_free(&back);
}

static void an_attribute_ends_as_a_role_does(void **state)
{
	struct attribute attribute[] = { { SPAN_LIT("unit"), SPAN_LIT("icu3") }, { SPAN_LIT("unit"), SPAN_LIT("med4") } };
	struct grant grant[] = { { .until_us = 100 }, { 0 } };
	struct account a = account_of(DEVICE, "nc1"), *back = NULL;
	struct subject s;
	int64_t until;

	(void)state;
	a.subject.attribute = attribute;
	a.subject.attributes = 2;
	a.attribute_grant = grant;
	back = there_and_back(&a);
	s = account_subject(back, 100, &until);
	assert_int_equal(s.attributes, 1);
	assert_true(span_is(s.attribute[0].value, "med4") && until == INT64_MAX);
	account_free(&back);
}

/* Random ends: the subject is exactly what a plain look at each grant says. */
static void subjects_are_what_each_grant_says(void **state)
{
	struct span role[ACCOUNT_ROLES_MAX];
	struct grant grant[ACCOUNT_ROLES_MAX];
	char name[ACCOUNT_ROLES_MAX][8];

	(void)state;
	for (int round = 0; round < 200; round++) {
		CLEANUP(account_free) struct account *back = NULL;
		CLEANUP(free_cleanup) uint8_t *raw = NULL;
		size_t n = seed_below(ACCOUNT_ROLES_MAX + 1), bytes, want = 0;
		int64_t now = (int64_t)seed_below(12), until, want_until = INT64_MAX;
		struct account a;

		for (size_t i = 0; i < n; i++) {
			snprintf(name[i], sizeof(name[i]), "r%zu", i);
			role[i] = span_str(name[i]);
			grant[i] = (struct grant){ .until_us = (int64_t)seed_below(12) };
			if (grant[i].until_us && grant[i].until_us <= now)
				continue;
			want++;
			if (grant[i].until_us && grant[i].until_us < want_until)
				want_until = grant[i].until_us;
		}
		a = with_roles(role, grant, n);
		assert_int_equal(account_write(&a, &raw, &bytes), OK);
		assert_int_equal(account_read(span(raw, bytes), &back), OK);
		assert_int_equal(account_subject(back, now, &until).roles, want);
		assert_true(until == want_until);
	}
}

static void quarantine_is_said_to_the_policy(void **state)
{
	struct span role[] = { SPAN_LIT("nurse"), SPAN_LIT("boss") };
	struct account a = with_roles(role, NULL, 2), *back = NULL;
	struct subject s;
	int64_t until;

	(void)state;
	a.state = ACCOUNT_QUARANTINED;
	a.state_since = (struct grant){ .reason = SPAN_LIT("odd"), .by = SPAN_LIT("root"), .at_us = 3 };
	back = there_and_back(&a);
	s = account_subject(back, 0, &until);
	assert_true(s.quarantined && !s.suspended);
	assert_int_equal(back->subject.roles, 2);
	assert_true(span_is(back->state_since.reason, "odd") && span_is(back->state_since.by, "root"));
	account_free(&back);
	a.state = ACCOUNT_WIPED;
	back = there_and_back(&a);
	assert_true(account_subject(back, 0, &until).suspended && back->state == ACCOUNT_WIPED);
	account_free(&back);
}

static void what_was_suspended_in_quarantine_stays_in_it(void **state)
{
	struct span role[] = { SPAN_LIT("nurse") };
	struct account a = with_roles(role, NULL, 1), *back = NULL;
	struct subject s;
	int64_t until;

	(void)state;
	a.state = ACCOUNT_SUSPENDED;
	a.suspended_from = ACCOUNT_QUARANTINED;
	back = there_and_back(&a);
	s = account_subject(back, 0, &until);
	assert_true(s.suspended && s.quarantined && back->suspended_from == ACCOUNT_QUARANTINED);
	account_free(&back);
	a.suspended_from = ACCOUNT_WIPED;
	assert_int_equal(account_check(&a), ERR_RANGE);
}

/* An older reader must not take for good what ends. */
static void what_an_older_reader_would_get_wrong_it_does_not_read(void **state)
{
	struct span role[] = { SPAN_LIT("nurse") };
	struct grant grant[] = { { .at_us = 5, .by = SPAN_LIT("root") } };
	struct account a = with_roles(role, grant, 1);
	uint8_t *raw = NULL;
	size_t n;

	(void)state;
	assert_int_equal(account_write(&a, &raw, &n), OK);
	assert_int_equal(raw[1], 1);
	free(raw);
	grant[0].until_us = 5;
	assert_int_equal(account_write(&a, &raw, &n), OK);
	assert_int_equal(raw[1], 2);
	free(raw);
}

static void a_reason_is_short_and_well_formed(void **state)
{
	static char text[ACCOUNT_TEXT_MAX + 1];
	struct span role[] = { SPAN_LIT("nurse") };
	struct grant grant[1] = { { .reason = span(text, sizeof(text)) } };
	struct account a = with_roles(role, grant, 1);
	uint8_t *raw = NULL;
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(account_write(&a, &raw, &n), ERR_TOO_LARGE);
	grant[0].reason = SPAN_LIT("\xff");
	assert_int_equal(account_write(&a, &raw, &n), ERR_UTF8);
	grant[0] = (struct grant){ .by = SPAN_LIT("a b") };
	assert_int_equal(account_write(&a, &raw, &n), ERR_RANGE);
	grant[0] = (struct grant){ .until_us = -1 };
	assert_int_equal(account_write(&a, &raw, &n), ERR_RANGE);
	assert_null(raw);
}

/* Issued in the second in which the one before was removed, or later; or the very one it was enrolled with. */
static void certificates_of_one_that_was_removed_are_not_known(void **state)
{
	const uint8_t own[32] = { 9 }, other[32] = { 8 }, none[32] = { 0 };
	struct account a = account_of(DEVICE, "nc1"), *back;

	(void)state;
	assert_true(account_knows(&a, other, 0));       /* nobody had the name before */
	a.removed_us = 1000 * INT64_C(1000000) + 7;
	assert_false(account_knows(&a, other, 999));
	assert_true(account_knows(&a, other, 1000));
	assert_false(account_knows(&a, own, 999));
	memcpy(a.certificate, own, sizeof(own));
	back = there_and_back(&a);
	assert_true(back->removed_us == a.removed_us && account_knows(back, own, 1) && !account_knows(back, other, 999));
	assert_false(account_knows(back, none, 999));
	account_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_ended_is_not_in_the_subject),
		cmocka_unit_test(an_attribute_ends_as_a_role_does),
		cmocka_unit_test(subjects_are_what_each_grant_says),
		cmocka_unit_test(quarantine_is_said_to_the_policy),
		cmocka_unit_test(what_was_suspended_in_quarantine_stays_in_it),
		cmocka_unit_test(what_an_older_reader_would_get_wrong_it_does_not_read),
		cmocka_unit_test(a_reason_is_short_and_well_formed),
		cmocka_unit_test(certificates_of_one_that_was_removed_are_not_known),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

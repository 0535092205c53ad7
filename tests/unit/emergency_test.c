/* What somebody takes for themselves: why, until when, where; what it changes, and what is noted of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "crypt.h"
#include "draft.h"
#include "emergency.h"
#include "in_scratch.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define NOW 1000000000000000
#define HOUR (3600 * INT64_C(1000000))
#define ONE(command) "{'commands':[{'command':" command "}]}"
#define SOON "'expires':1000003600"
#define WHY "'reason':'code on icu3'"

static const char policy_text[] =
	"tenant mercy\n"
	"role nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"role admin\n  allow control *\n  allow grant role/+\n  allow grant attribute/unit/+\n  allow grant attribute/patient/+\n"
	"  allow grant self\n";

static struct directory *d;
static struct policy *policy;
static struct admin_note *notes;
static char *response;

static void nothing_that_lacks_a_reason_an_end_or_a_place_is_one(void **state)
{
	static const struct {
		const char *reason;
		int64_t until_us;
		bool placed, good;
	} row[] = {
		{ "code", NOW + HOUR, true, true }, { "code", NOW + EMERGENCY_US_MAX, true, true },
		{ "", NOW + HOUR, true, false }, { " \t ", NOW + HOUR, true, false }, { "code", 0, true, false },
		{ "code", NOW + EMERGENCY_US_MAX + 1, true, false }, { "code", NOW + HOUR, false, false },
	};
	char text[EMERGENCY_REASON_MAX + 2];

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(!emergency_lacks(span_str(row[i].reason), row[i].until_us, row[i].placed, NOW), row[i].good);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_non_null(emergency_lacks(span_str(text), NOW + HOUR, true, NOW));
	text[EMERGENCY_REASON_MAX] = '\0';
	assert_null(emergency_lacks(span_str(text), NOW + HOUR, true, NOW));
}

static void forget(void)
{
	free(response);
	response = NULL;
	admin_notes_free(&notes);
}

static const char *ask(const char *text)
{
	struct admin a = { .directory = d, .dir = scratch.dir, .policy = policy, .party = USER, .id = "root", .now_us = NOW };
	char *request = strdup(text);

	for (char *p = request; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	forget();
	response = admin_run(&a, span_str(request));
	notes = a.note;
	free(request);
	assert_non_null(response);
	return response;
}

static void t25_to_oneself_nothing_is_given_without_them(void **state)
{
	static const struct { const char *text, *why; } no[] = {
		{ ONE("'grantRole','username':'root','rolename':'nurse','unit':'icu3'," SOON), "needs a" },
		{ ONE("'grantRole','username':'root','rolename':'nurse','unit':'icu3'," WHY), "it needs" },
		{ ONE("'grantRole','username':'root','rolename':'nurse','unit':'icu3','expires':1000050000," WHY), "at most 12 hours" },
		{ ONE("'grantRole','username':'root','rolename':'nurse'," SOON "," WHY), "is for a place" },
		{ ONE("'setAttribute','username':'root','name':'unit','value':'icu3'"), "needs a" },
		{ ONE("'addTeamMember','usernames':['root'],'patient':'p1'," WHY), "it needs" },
		{ ONE("'modifyUser','username':'root','roles':['admin','nurse']," WHY), "it needs" },
		{ ONE("'modifyUser','username':'root','attributes':{'unit':'icu3'}"), "needs a" },
		{ ONE("'grantRole','username':'root','rolename':'nurse','unit':'icu3','expires':999999999," WHY), "is over already" },
	};
	struct account *a = NULL;

	(void)state;
	for (size_t i = 0; i < countof(no); i++) {
		if (!strstr(ask(no[i].text), no[i].why))
			fail_msg("%s: %s", no[i].text, response);
		assert_true(notes && notes->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED && !notes->self);
	}
	assert_int_equal(directory_find(d, USER, SPAN_LIT("root"), &a), OK);
	assert_true(a->subject.roles == 1 && a->subject.attributes == 0);
	account_free(&a);
	assert_null(strstr(ask(ONE("'grantRole','username':'ana','rolename':'nurse'")), "error"));   /* to others as before */
}

static void t25_with_them_it_is_taken_for_that_place_and_time(void **state)
{
	struct account *a = NULL;
	int64_t until;

	(void)state;
	assert_null(strstr(ask(ONE("'grantRole','username':'root','rolename':'nurse','unit':'icu3'," SOON "," WHY)), "error"));
	assert_true(notes->self && !notes->next);
	assert_string_equal(notes->detail, "emergency: code on icu3");
	assert_non_null(memmem(notes->change.text, notes->change.n, "+role nurse until 2001-09-09T02:46:40Z", 38));
	assert_non_null(memmem(notes->change.text, notes->change.n, "+unit=icu3 until 2001-09-09T02:46:40Z", 37));
	assert_int_equal(directory_find(d, USER, SPAN_LIT("root"), &a), OK);
	assert_int_equal(account_subject(a, NOW, &until).roles, 2);
	assert_true(until == NOW + HOUR);
	assert_int_equal(account_subject(a, until, &until).roles, 1);
	account_free(&a);
	assert_null(strstr(ask(ONE("'addTeamMember','usernames':['root','ana'],'patient':'p1'," SOON "," WHY)), "error"));
	assert_true(notes->self && notes->next && !notes->next->self);
	assert_string_equal(notes->patient, "p1");
	assert_null(strstr(notes->next->detail, "code on"));        /* of others the reason is a mark */
	assert_null(strstr(ask(ONE("'revokeRole','username':'root','rolename':'nurse'")), "error"));  /* to let go needs nothing */
}

static int begin(void **state)
{
	static struct draft draft;
	struct policy_error where;

	(void)state;
	remove(scratch_path(&scratch, "d.mdb"));
	remove(scratch_path(&scratch, "d.mdb-lock"));
	assert_int_equal(directory_open(scratch_path(&scratch, "d.mdb"), (const uint8_t[32]){ 1 }, false, &d), OK);
	assert_int_equal(policy_load(span_str(policy_text), &policy, &where), OK);
	for (int i = 0; i < 2; i++) {
		draft_new(&draft, USER, SPAN_LIT("mercy"), i ? SPAN_LIT("ana") : SPAN_LIT("root"));
		if (!i)
			assert_true(draft_add_role(&draft, SPAN_LIT("admin"), (struct grant){ 0 }));
		assert_int_equal(directory_save(d, &draft.account, true), OK);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	forget();
	policy_close(&policy);
	directory_close(&d);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_that_lacks_a_reason_an_end_or_a_place_is_one),
		cmocka_unit_test_setup_teardown(t25_to_oneself_nothing_is_given_without_them, begin, end),
		cmocka_unit_test_setup_teardown(t25_with_them_it_is_taken_for_that_place_and_time, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

/* What deeds do to what an account holds, and who may have it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "crypt.h"
#include "damaged_edition.h"
#include "draft.h"
#include "edition.h"
#include "emergency.h"
#include "scratch.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define NOW_S 1000000000
#define NOW NOW_S * INT64_C(1000000)
#define IN_AN_HOUR "1000003600"
#define IN_TWO_HOURS "1000007200"
#define EMERGENCY(hours) "'expires':" hours ",'reason':'code blue'"

static const char policy_text[] =
	"tenant mercy\n"
	"role nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"role admin\n  allow control *\n  allow grant role/+\n  allow grant attribute/+/+\n  allow grant self\n"
	"role porter\n  allow control device.modify\n  allow grant role/porter\n  deny grant role/nurse\n";

static const uint8_t root[32] = { 1 };
static struct scratch scratch;
static struct directory *d;
static struct policy *policy;

static void save(Pullcord__V1__Party party, const char *id, const char *role, const char *unit, int64_t until_us)
{
	const struct grant g = { .until_us = until_us };
	static struct draft draft;

	draft_new(&draft, party, SPAN_LIT("mercy"), span_str(id));
	assert_true(draft_add_role(&draft, span_str(role), g));
	if (unit)
		assert_true(draft_add_attribute(&draft, (struct attribute){ SPAN_LIT("unit"), span_str(unit) }, g));
	assert_int_equal(directory_save(d, &draft.account, false), OK);
}

static int begin(void **state)
{
	struct policy_error where;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	assert_int_equal(directory_open(scratch_path(&scratch, "d.mdb"), root, false, &d), OK);
	assert_int_equal(policy_load(SPAN_LIT(policy_text), &policy, &where), OK);
	return 0;
}

static int end(void **state)
{
	(void)state;
	policy_close(&policy);
	directory_close(&d);
	scratch_remove(&scratch);
	return 0;
}

/* With ' for ". What it answers has to hold `want`; NULL: no error. */
static void ask(const char *who, const char *command, const char *want)
{
	struct admin a = { .directory = d, .dir = scratch.dir, .policy = policy, .party = USER, .id = who, .now_us = NOW };
	char text[600], *answer;

	snprintf(text, sizeof(text), "{'commands':[{'command':%s}]}", command);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	answer = admin_run(&a, span_str(text));
	assert_non_null(answer);
	if (want ? !strstr(answer, want) : !!strstr(answer, "\"error\""))
		fail_msg("%s: %s", command, answer);
	admin_notes_free(&a.note);
	free(answer);
}

static void assert_ends(const char *id, int64_t role_us, int64_t unit_us)
{
	CLEANUP(account_free) struct account *a = NULL;
	static struct draft draft;
	const struct grant *unit;

	assert_int_equal(directory_find(d, USER, span_str(id), &a), OK);
	draft_of(&draft, a);
	assert_true(draft.role_grant[0].until_us == role_us);
	unit = draft_attribute(&draft, (struct attribute){ SPAN_LIT("unit"), SPAN_LIT("icu3") });
	assert_non_null(unit);
	assert_true(unit->until_us == unit_us);
}

/* Who holds a unit for good would lose its alerts in an hour. */
static void an_emergency_shortens_nothing(void **state)
{
	static const char *const take[] = {
		"'grantRole','username':'ana','rolename':'admin','unit':'icu3'," EMERGENCY(IN_AN_HOUR),
		"'grantRole','username':'ana','rolename':'nurse','unit':'icu3'," EMERGENCY(IN_AN_HOUR),
		"'setAttribute','username':'ana','name':'unit','value':'icu3'," EMERGENCY(IN_AN_HOUR),
	};

	(void)state;
	for (size_t i = 0; i < countof(take); i++) {
		save(USER, "ana", "admin", "icu3", 0);
		ask("ana", take[i], NULL);
		assert_ends("ana", 0, 0);
	}
	for (size_t i = 0; i < countof(take); i++) {
		save(USER, "ana", "admin", "icu3", NOW + 5400 * INT64_C(1000000));
		ask("ana", take[i], NULL);
		assert_ends("ana", NOW + 5400 * INT64_C(1000000), NOW + 5400 * INT64_C(1000000));
	}
	ask("ana", "'addTeamMember','usernames':['ana'],'channel':'c1'," EMERGENCY(IN_TWO_HOURS), NULL);
	ask("ana", "'addTeamMember','usernames':['ana'],'channel':'c1'," EMERGENCY(IN_AN_HOUR), NULL);
	ask("ana", "'getUser','username':'ana'", "\"value\":\"c1\",\"expires\":\"2001-09-09T03:46:40Z\"");
}

static void an_emergency_prolongs_what_ends_before(void **state)
{
	(void)state;
	save(USER, "ana", "admin", "icu3", NOW + 60 * INT64_C(1000000));
	ask("ana", "'grantRole','username':'ana','rolename':'admin','unit':'icu3'," EMERGENCY(IN_AN_HOUR), NULL);
	assert_ends("ana", NOW + 3600 * INT64_C(1000000), NOW + 3600 * INT64_C(1000000));
}

/* Their time is their name: in one request, or one batch, each has its own. */
static void two_emergencies_of_one_request_are_two(void **state)
{
	static const char *const requests[] = {
		"{'commands':[%s,%s]}", "{'commands':[{'command':'batch','commands':[%s,%s]}]}",
	};
	static const char one[] = "{'command':'setAttribute','username':'ana','name':'unit','value':'icu3'," EMERGENCY(IN_AN_HOUR) "}",
			  two[] = "{'command':'addTeamMember','usernames':['ana'],'channel':'c1','expires':" IN_AN_HOUR ",'reason':'fire'}";
	struct emergency list[EMERGENCIES_MAX];

	(void)state;
	for (size_t i = 0; i < countof(requests); i++) {
		CLEANUP(account_free) struct account *a = NULL;
		struct admin asked = { .directory = d, .dir = scratch.dir, .policy = policy, .party = USER, .id = "ana", .now_us = NOW };
		char text[600];

		save(USER, "ana", "admin", NULL, 0);
		snprintf(text, sizeof(text), requests[i], one, two);
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		free(admin_run(&asked, span_str(text)));
		assert_int_equal(directory_find(d, USER, SPAN_LIT("ana"), &a), OK);
		assert_int_equal(emergency_list(a, NOW, list), 2);
		assert_true(span_is(list[1].reason, "code blue") && span_is(list[0].reason, "fire"));
		assert_true(asked.note->taken_us == list[1].at_us && asked.note->next->taken_us == list[0].at_us);
		admin_notes_free(&asked.note);
	}
}

/* Others may shorten it, of a role's places too only by name. */
static void an_administrator_may_shorten_what_others_hold(void **state)
{
	(void)state;
	save(USER, "root", "admin", NULL, 0);
	save(USER, "ana", "nurse", "icu3", 0);
	ask("root", "'grantRole','username':'ana','rolename':'nurse','unit':'icu3','expires':" IN_AN_HOUR, NULL);
	assert_ends("ana", NOW + 3600 * INT64_C(1000000), 0);
	ask("root", "'setAttribute','username':'ana','name':'unit','value':'icu3','expires':" IN_AN_HOUR, NULL);
	assert_ends("ana", NOW + 3600 * INT64_C(1000000), NOW + 3600 * INT64_C(1000000));
}

#define PRINT "'fingerprint':'00000000000000000000000000000000000000000000000000000000000000aa'"

/* Whose certificate counts is who has all that the device holds. */
static void a_certificate_is_set_by_who_may_hand_out_all_its_device_holds(void **state)
{
	(void)state;
	save(USER, "peer", "porter", NULL, 0);
	save(DEVICE, "nc-1", "nurse", NULL, 0);
	save(DEVICE, "cart-1", "porter", NULL, 0);
	ask("peer", "'modifyDevice','device':'nc-1'," PRINT, "role/nurse is not yours to hand out");
	ask("peer", "'modifyDevice','device':'cart-1'," PRINT, NULL);
	ask("peer", "'modifyDevice','device':'nc-1','textname':'call'", NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

/* ---- the policy ---- */

/* By whoever sets it, knowing or not: it is done, and both they and the record are told. */
static void a_policy_is_set_though_an_older_one_cannot_be_read(void **state)
{
	static const char second[] = "tenant mercy\nrole admin\n  allow control policy.*\n";
	CLEANUP(policy_close) struct policy *two = NULL;
	struct policy_error where;
	struct admin a = { .directory = d, .dir = scratch.dir, .policy = policy, .party = USER, .id = "ana", .now_us = NOW };
	char *answer;

	(void)state;
	assert_int_equal(policy_load(SPAN_LIT(second), &two, &where), OK);
	save(USER, "ana", "admin", NULL, 0);
	assert_int_equal(edition_keep(d, policy, NOW), OK);
	assert_int_equal(edition_keep(d, two, NOW), OK);
	damage_edition(scratch_path(&scratch, "d.mdb"), root, 1, &d);
	a.directory = d;
	answer = admin_run(&a, SPAN_LIT("{\"commands\":[{\"command\":\"setPolicy\",\"policy\":\"tenant mercy\\nrole admin\\n"
					"  allow control *\\n\"},{\"command\":\"listPolicyVersions\"},"
					"{\"command\":\"getPolicy\",\"version\":1}]}"));
	assert_non_null(strstr(answer, "\"version\":3"));
	assert_non_null(strstr(answer, "\"unread\":1"));
	assert_non_null(strstr(answer, "{\"version\":1,\"unread\":\""));
	assert_non_null(strstr(answer, "version 1 cannot be read"));
	assert_string_equal(a.note->detail, "policy: version 2 -> 3; version 1 cannot be read: it may have been this text");
	free(answer);
	admin_notes_free(&a.note);
	policy_close(&a.fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_emergency_shortens_nothing),
		TEST(an_emergency_prolongs_what_ends_before),
		TEST(two_emergencies_of_one_request_are_two),
		TEST(an_administrator_may_shorten_what_others_hold),
		TEST(a_certificate_is_set_by_who_may_hand_out_all_its_device_holds),
		TEST(a_policy_is_set_though_an_older_one_cannot_be_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

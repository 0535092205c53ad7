/* What administrators' commands do to the directory, what is answered, and what goes on record. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "crypt.h"
#include "draft.h"
#include "edition.h"
#include "in_scratch.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define NOW 1000000000000000

static const char policy_text[] =
	"tenant mercy\n"
	"role nurse\n"
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"
	"role admin\n"
	"  allow control *\n"
	"role clerk\n"
	"  allow control role.grant\n"
	"  allow control user.get\n"
	"tenant lakeside\n"
	"role lake-admin\n"
	"  allow control *\n"
	"role lake-nurse\n"
	"  allow subscribe lakeside/unit/{unit}/alert/+/+\n";

static const uint8_t root[32] = { 1 };
static struct directory *d;
static struct policy *policy;
static struct admin_note *notes;
static struct history *history;
static char *response;
static const char *address;     /* of who asks */
static int64_t most_us;         /* one request may take */

static void save_at(const char *tenant, const char *id, const char *role)
{
	static struct draft draft;

	draft_new(&draft, USER, span_str(tenant), span_str(id));
	if (role)
		assert_true(draft_add_role(&draft, span_str(role), (struct grant){ 0 }));
	assert_int_equal(directory_save(d, &draft.account, false), OK);
}

static void save(const char *id, const char *role)
{
	save_at("mercy", id, role);
}

static void write_policy(const char *text)
{
	FILE *f = fopen(scratch_path(&scratch, POLICY_FILE), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void forget(void)
{
	free(response);
	response = NULL;
	admin_notes_free(&notes);
}

static int begin(void **state)
{
	struct policy_error where;

	(void)state;
	remove(scratch_path(&scratch, "d.mdb"));
	remove(scratch_path(&scratch, "d.mdb-lock"));
	assert_int_equal(directory_open(scratch_path(&scratch, "d.mdb"), root, false, &d), OK);
	assert_int_equal(policy_load(SPAN_LIT(policy_text), &policy, &where), OK);
	write_policy(policy_text);
	save("root", "admin");
	save("cora", "clerk");
	save("ana", "nurse");
	return 0;
}

static int end(void **state)
{
	(void)state;
	forget();
	history_close(&history);
	policy_close(&policy);
	directory_close(&d);
	return 0;
}

/* Asks in somebody's name, with ' for "; a policy that was set is in force from then on. */
static const char *ask(const char *who, const char *text)
{
	struct admin a = { .directory = d, .dir = scratch.dir, .policy = policy, .history = history, .party = USER, .id = who,
			   .address = address, .now_us = NOW, .most_us = most_us };
	char *request = strdup(text);

	for (char *p = request; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	forget();
	response = admin_run(&a, span_str(request));
	notes = a.note;
	if (a.fresh) {
		policy_close(&policy);
		policy = a.fresh;
	}
	free(request);
	assert_non_null(response);
	return response;
}

static void assert_says(const char *want)
{
	if (!strstr(response, want))
		fail_msg("no %s in %s", want, response);
}

static void assert_done(const char *who, const char *text)
{
	if (strstr(ask(who, text), "\"error\""))
		fail_msg("%s: %s", text, response);
}

static void assert_refused(const char *who, const char *text, const char *why)
{
	ask(who, text);
	assert_says("\"error\"");
	assert_says(why);
}

static void assert_note(size_t at, Pullcord__V1__AuditOutcome outcome, const char *detail)
{
	const struct admin_note *n = notes;

	while (n && at--)
		n = n->next;
	assert_non_null(n);
	assert_int_equal(n->outcome, outcome);
	assert_string_equal(n->detail, detail);
}

/* What went and came with what was done. */
static void assert_change(const char *want)
{
	char text[DELTA_MAX + 1];

	assert_true(notes && span_text(delta_span(&notes->change), text, sizeof(text)));
	assert_string_equal(text, want);
}

#define ALLOWED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED
#define DENIED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED
#define FAILED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED
#define ONE(command) "{'commands':[{'command':" command "}]}"

static struct account *account_at(const char *id)
{
	struct account *a = NULL;

	assert_int_equal(directory_find(d, USER, span_str(id), &a), OK);
	return a;
}

static void a_role_is_granted_and_taken_with_before_and_after(void **state)
{
	struct account *a;

	(void)state;
	assert_done("root", ONE("'grantRole','username':'ana','rolename':'clerk','expires':2000000000,'reason':'leave'"));
	assert_string_equal(response, "{\"responses\":[{\"command\":\"grantRole\"}]}");
	assert_note(0, ALLOWED, "user:ana role clerk: not held -> until 2033-05-18T03:33:20Z");
	a = account_at("ana");
	assert_int_equal(a->subject.roles, 2);
	assert_true(a->role_grant[1].until_us == 2000000000000000 && span_is(a->role_grant[1].by, "root"));
	assert_true(span_is(a->role_grant[1].reason, "leave"));
	account_free(&a);
	assert_done("root", ONE("'grantRole','username':'ana','rolename':'clerk'"));
	assert_note(0, ALLOWED, "user:ana role clerk: until 2033-05-18T03:33:20Z -> for good");
	assert_done("root", ONE("'revokeRole','username':'ana','rolename':'clerk'"));
	assert_note(0, ALLOWED, "user:ana role clerk: for good -> not held");
	assert_refused("root", ONE("'revokeRole','username':'ana','rolename':'clerk'"), "ana does not hold the role clerk");
	assert_note(0, FAILED, "ana does not hold the role clerk");
}

static void what_is_not_permitted_is_not_done_and_on_record(void **state)
{
	static const char *const words[] = { "'grantRole','rolename':'nurse'", "'suspend'", "'wipe'", "'deleteUser'" };
	char text[200];

	(void)state;
	for (size_t i = 0; i < countof(words); i++) {
		snprintf(text, sizeof(text), ONE("%s,'username':'root'"), words[i]);
		assert_refused("ana", text, "not permitted: it takes ");
		assert_note(0, DENIED, "no role of theirs permits it");
		if (i > 0)
			assert_refused("cora", text, "not permitted: it takes ");
	}
	assert_done("cora", ONE("'grantRole','username':'ana','rolename':'nurse'"));
	assert_refused("nobody", ONE("'getUser','username':'ana'"), "who you are cannot be told any more");
	save("root", NULL);   /* lost since the request was sent */
	assert_refused("root", ONE("'getUser','username':'ana'"), "not permitted: it takes user.get");
}

static void a_batch_is_all_or_nothing(void **state)
{
	struct account *a;

	(void)state;
	assert_refused("root", "{'commands':[{'command':'batch','commands':["
		"{'command':'grantRole','username':'ana','rolename':'clerk'},"
		"{'command':'revokeRole','username':'ana','rolename':'nurse'},"
		"{'command':'grantRole','username':'nobody','rolename':'nurse'}]}]}",
		"nothing was done: command 3 of 3 (grantRole): there is no user nobody");
	assert_note(0, FAILED, "nothing was done: command 3 of 3 (grantRole): there is no user nobody");
	assert_null(notes->next);
	a = account_at("ana");
	assert_true(a->subject.roles == 1 && span_is(a->subject.role[0], "nurse"));
	account_free(&a);
	assert_refused("cora", "{'commands':[{'command':'batch','commands':["
		"{'command':'grantRole','username':'ana','rolename':'clerk'},{'command':'suspend','username':'root'}]}]}",
		"command 2 of 2 (suspend): not permitted");
	assert_done("root", "{'commands':[{'command':'batch','correlationData':'x','commands':["
		"{'command':'grantRole','username':'ana','rolename':'clerk'},"
		"{'command':'revokeRole','username':'ana','rolename':'clerk'},"
		"{'command':'grantRole','username':'ana','rolename':'admin'}]}]}");
	assert_says("\"correlationData\":\"x\"");
	assert_note(1, ALLOWED, "user:ana role clerk: for good -> not held");
	assert_note(2, ALLOWED, "user:ana role admin: not held -> for good");
}

static void accounts_are_made_changed_shown_listed_and_removed(void **state)
{
	char name[PATIENT_WORD], want[200];
	struct account *a;

	(void)state;
	assert_done("root", ONE("'createUser','username':'bo','password':'correct horse','textname':'Bo',"
		"'roles':['nurse'],'attributes':{'unit':['icu3','med4'],'channel':'c1'}"));
	assert_note(0, ALLOWED, "user:bo: none -> 1 roles, 3 attributes, a password");
	a = account_at("bo");
	assert_int_equal(strncmp(a->password, "$argon2id$", 10), 0);
	account_free(&a);
	assert_refused("root", ONE("'createUser','username':'bo'"), "the name is taken");
	assert_refused("root", ONE("'createDevice','device':'bo.x'"), "the name is taken");
	assert_refused("root", ONE("'createUser','username':'cy','roles':['nurze']"), "the policy has no role nurze; did you mean nurse?");
	assert_refused("root", ONE("'createUser','username':'cy','password':'short'"), "is to have 8 to 256 bytes");
	assert_done("root", ONE("'modifyUser','username':'bo','roles':['clerk'],'attributes':{'unit':'icu3'}"));
	assert_note(0, ALLOWED, "user:bo: 1 roles, 3 attributes -> 1 roles, 1 attributes");
	assert_change("-channel=c1 by root\n+role clerk by root\n-role nurse by root\n-unit=med4 by root");
	assert_done("root", ONE("'getUser','username':'bo'"));
	assert_says("\"rolename\":\"clerk\"");
	assert_says("\"password\":true");
	assert_null(strstr(response, "argon2"));
	assert_done("root", ONE("'listUsers','count':2,'after':'ana'"));
	assert_says("\"users\":[\"bo\",\"cora\"],\"more\":true");
	assert_done("root", ONE("'deleteUser','username':'bo'"));
	delta_mark(directory_patients(d), SPAN_LIT("Bo"), name);
	assert_change((snprintf(want, sizeof(want), "-name %s\n-password\n-role clerk by root\n-state active\n"
			       "-tenant mercy\n-unit=icu3 by root", name), want));
	assert_refused("root", ONE("'getUser','username':'bo'"), "there is no user bo");
	assert_change("");
}

#define PHC "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void a_password_may_come_as_its_hash_when_that_is_worth_something(void **state)
{
	static const char *const no_hash[] = {
		"correct horse", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$$", "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAA",
		"$argon2id$v=19$m=77825,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	};
	char text[300];
	struct account *a;

	(void)state;
	assert_done("root", ONE("'createUser','username':'bo','passwordHash':'" PHC "'"));
	assert_note(0, ALLOWED, "user:bo: none -> 0 roles, 0 attributes, a password");
	a = account_at("bo");
	assert_string_equal(a->password, PHC);
	account_free(&a);
	assert_done("root", ONE("'setUserPassword','username':'ana','passwordHash':'" PHC "'"));
	a = account_at("ana");
	assert_string_equal(a->password, PHC);
	account_free(&a);
	for (size_t i = 0; i < countof(no_hash); i++) {
		snprintf(text, sizeof(text), ONE("'setUserPassword','username':'ana','passwordHash':'%s'"), no_hash[i]);
		assert_refused("root", text, "is to be an argon2id hash");
	}
	assert_done("root", ONE("'setUserPassword','username':'ana','passwordHash':'$argon2id$v=19$m=77824,t=2,p=1$"
				"c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"));
	assert_refused("root", ONE("'setUserPassword','username':'ana','password':'correct horse','passwordHash':'" PHC "'"),
		       "it takes one of \\\"password\\\", \\\"passwordHash\\\", not both");
	assert_refused("root", ONE("'setUserPassword','username':'ana'"), "it needs exactly one of");
}

static void a_list_tells_all_when_asked(void **state)
{
	(void)state;
	assert_done("root", ONE("'setAttribute','username':'ana','name':'unit','value':'icu3','reason':'shift'"));
	assert_done("root", ONE("'listUsers','verbose':true,'count':1"));
	assert_says("{\"users\":[{\"username\":\"ana\",\"tenant\":\"mercy\",\"textname\":\"\",\"state\":\"active\"");
	assert_says("\"name\":\"unit\",\"value\":\"icu3\",\"reason\":\"shift\",\"by\":\"root\"");
	assert_says("\"more\":true");
	assert_null(strstr(response, "cora"));
	assert_done("root", ONE("'listUsers','verbose':true,'after':'cora'"));
	assert_null(strstr(response, "\"cora\""));
	assert_says("\"username\":\"root\"");
	assert_says("\"more\":false");
	assert_done("root", ONE("'listDevices','after':'cora'"));
	assert_says("\"devices\":[],\"more\":false");
}

/* cora may hand out nurse and her own units; root anything, and change what root holds. */
static void limit_grants(void)
{
	static const char text[] =
		"tenant mercy\n"
		"role nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n"
		"role charge includes nurse\n  allow publish mercy/unit/{unit}/broadcast\n"
		"role chief includes charge, admin\n"
		"role admin\n  allow control *\n  allow grant role/+\n  allow grant attribute/+/+\n  allow grant self\n"
		"role clerk\n  allow control *\n  deny control policy.*\n  allow grant role/+\n  deny grant role/admin\n"
		"  deny grant role/clerk\n  allow grant attribute/unit/{unit}\n"
		"role office\n  from 10.20.0.0/16\n  allow control user.get\n";
	struct policy_error where;

	policy_close(&policy);
	assert_int_equal(policy_load(SPAN_LIT(text), &policy, &where), OK);
	assert_done("root", ONE("'setAttribute','username':'cora','name':'unit','value':'icu3'"));
}

/* To stop somebody is not to hand out; to give an account back is. */
static void who_may_not_grant_what_an_account_holds_does_not_give_it_back(void **state)
{
	static const char *const move[][2] = { { "suspend", "resume" }, { "quarantine", "release" } };
	static const struct { const char *who, *refused; } row[] = { { "'username':'bo'", "role/admin is not yours" },
		{ "'device':'nc7'", "attribute/unit/med4 is not yours" }, { "'username':'di'", NULL } };
	char down[128], up[128];

	(void)state;
	limit_grants();
	assert_done("root", ONE("'createUser','username':'bo','roles':['admin']"));
	assert_done("root", ONE("'createUser','username':'di','roles':['charge'],'attributes':{'unit':'icu3'}"));
	assert_done("root", ONE("'createDevice','device':'nc7','roles':['nurse'],'attributes':{'unit':'med4'}"));
	for (size_t i = 0; i < countof(move) * countof(row); i++) {
		snprintf(down, sizeof(down), ONE("'%s',%s"), move[i % 2][0], row[i / 2].who);
		snprintf(up, sizeof(up), ONE("'%s',%s"), move[i % 2][1], row[i / 2].who);
		assert_done("cora", down);
		if (row[i / 2].refused)
			assert_refused("cora", up, row[i / 2].refused);
		assert_done(row[i / 2].refused ? "root" : "cora", up);
	}
}

/* Accounts of 512 attributes, listed as often as a request can ask: some 300 MB. */
static void a_request_has_an_answer_of_a_few_megabytes(void **state)
{
	static char text[COMMAND_REQUEST_MAX];
	static struct draft draft;
	char value[ACCOUNT_ATTRIBUTES_MAX][60], *at = text, *last;

	(void)state;
	draft_new(&draft, USER, SPAN_LIT("mercy"), SPAN_LIT("ana"));
	for (size_t i = 0; i < ACCOUNT_ATTRIBUTES_MAX; i++) {
		snprintf(value[i], sizeof(value[i]), "a-rather-long-name-of-a-channel-somebody-thought-up-%zu", i);
		assert_true(draft_add_attribute(&draft, (struct attribute){ SPAN_LIT("channel"), span_str(value[i]) }, (struct grant){ 0 }));
	}
	for (int i = 0; i < 3; i++) {
		draft.account.subject.id = span_str(i ? i > 1 ? "aya" : "ava" : "ana");
		assert_int_equal(directory_save(d, &draft.account, false), OK);
	}
	at += sprintf(at, "{'commands':[");
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "%s{'command':'listUsers','verbose':true}", i ? "," : "");
	strcpy(at, "]}");
	ask("root", text);
	if (strlen(response) < ADMIN_ANSWER_MAX / 2 || strlen(response) > 2 * ADMIN_ANSWER_MAX)
		fail_msg("%zu bytes: %.300s", strlen(response), response);
	assert_says("\"more\":true");
	last = strrchr(response, '{');
	assert_non_null(strstr(last, "in another, smaller one"));
	assert_done("root", ONE("'listUsers','verbose':true"));
	assert_says("\"more\":false");
}

static void a_request_has_its_time(void **state)
{
	(void)state;
	most_us = 1;
	assert_refused("root", "{'commands':[{'command':'setAttribute','username':'ana','name':'unit','value':'a'},"
		       "{'command':'setAttribute','username':'ana','name':'unit','value':'b'}]}", "in another, smaller one");
	assert_refused("root", ONE("'batch','commands':[{'command':'suspend','username':'ana'},{'command':'suspend','username':'root'}]"),
		       "in another, smaller one");
	most_us = 0;
	assert_done("root", ONE("'getUser','username':'ana'"));
	assert_says("\"state\":\"active\"");
}

static void who_may_grant_hands_out_what_the_policy_says_and_no_more(void **state)
{
	struct account *a;

	(void)state;
	limit_grants();
	assert_done("cora", ONE("'grantRole','username':'ana','rolename':'charge'"));
	assert_done("cora", ONE("'setAttribute','username':'ana','name':'unit','value':'icu3'"));
	assert_done("cora", ONE("'createUser','username':'bo','roles':['nurse'],'attributes':{'unit':'icu3'}"));
	assert_refused("cora", ONE("'grantRole','username':'ana','rolename':'admin'"),
		       "not permitted: role/admin is not yours to hand out or take back");
	assert_note(0, DENIED, "not permitted: role/admin is not yours to hand out or take back");
	assert_true(notes->why == WHY_DENIED && notes->line == 16);
	assert_refused("cora", ONE("'grantRole','username':'ana','rolename':'chief'"), "role/chief is not yours");   /* brings admin */
	assert_refused("cora", ONE("'setAttribute','username':'ana','name':'unit','value':'med4'"), "attribute/unit/med4 is not yours");
	assert_refused("cora", ONE("'createUser','username':'cy','roles':['admin']"), "role/admin is not yours");
	assert_refused("cora", ONE("'createUser','username':'cy','attributes':{'unit':'med4'}"), "attribute/unit/med4 is not yours");
	assert_refused("cora", ONE("'modifyUser','username':'ana','roles':['nurse','charge','clerk']"), "role/clerk is not yours");
	assert_refused("cora", ONE("'addTeamMember','usernames':['ana'],'patient':'p1'"), "attribute/patient/p1 is not yours");
	a = account_at("ana");
	assert_true(a->subject.roles == 2 && a->subject.attributes == 1);
	account_free(&a);
}

static void what_one_may_not_hand_out_one_may_not_take_back(void **state)
{
	static const char *const no[] = {
		"'revokeRole','username':'root','rolename':'admin'", "'modifyUser','username':'root','roles':['nurse']",
		"'clearAttribute','username':'ana','name':'unit'", "'deleteUser','username':'root'",
		"'setUserPassword','username':'root','password':'correct horse'", "'removeTeamMember','usernames':['ana'],'channel':'c1'",
	};
	char text[200];
	struct account *a;

	(void)state;
	limit_grants();
	assert_done("root", ONE("'setAttribute','username':'ana','name':'unit','value':'med4'"));
	assert_done("root", ONE("'addTeamMember','usernames':['ana'],'channel':'c1'"));
	for (size_t i = 0; i < countof(no); i++) {
		snprintf(text, sizeof(text), ONE("%s"), no[i]);
		assert_refused("cora", text, "is not yours to hand out or take back");
		assert_int_equal(notes->outcome, DENIED);
	}
	a = account_at("root");
	assert_true(a->subject.roles == 1 && !a->password[0]);
	account_free(&a);
	assert_done("cora", ONE("'modifyUser','username':'root','textname':'Root'"));
	assert_done("cora", ONE("'setUserPassword','username':'cora','password':'correct horse'"));   /* her own */
}

static void nobody_changes_what_they_hold_unless_the_policy_says_so(void **state)
{
	static const char *const no[] = {
		"'grantRole','username':'cora','rolename':'nurse'", "'revokeRole','username':'cora','rolename':'clerk'",
		"'setAttribute','username':'cora','name':'unit','value':'icu3'", "'modifyUser','username':'cora','roles':['clerk']",
		"'clearAttribute','username':'cora','name':'unit'", "'addTeamMember','usernames':['ana','cora'],'channel':'c1'",
		"'deleteUser','username':'cora'",
	};
	char text[200];

	(void)state;
	limit_grants();
	save("ana", "nurse");
	for (size_t i = 0; i < countof(no); i++) {
		snprintf(text, sizeof(text), ONE("%s"), no[i]);
		ask("cora", text);
		assert_says(i == 5 ? "attribute/channel/c1 is not yours" : "what you hold yourself is changed by somebody else");
		assert_int_equal(notes->outcome, DENIED);
	}
	assert_done("root", ONE("'grantRole','username':'root','rolename':'nurse','unit':'icu3','expires':1000003600,'reason':'code'"));
}

static void a_batch_with_one_grant_too_many_does_nothing(void **state)
{
	struct account *a;

	(void)state;
	limit_grants();
	assert_refused("cora", "{'commands':[{'command':'batch','commands':["
		"{'command':'grantRole','username':'ana','rolename':'charge'},"
		"{'command':'grantRole','username':'ana','rolename':'admin'}]}]}",
		"nothing was done: command 2 of 2 (grantRole): not permitted: role/admin is not yours");
	assert_true(notes->outcome == DENIED && notes->command == COMMAND_GRANT_ROLE && !notes->next);
	a = account_at("ana");
	assert_int_equal(a->subject.roles, 1);
	account_free(&a);
}

static void an_administrator_is_asked_where_they_come_from(void **state)
{
	(void)state;
	limit_grants();
	save("ana", "office");
	assert_refused("ana", ONE("'getUser','username':'root'"), "not permitted: it takes user.get");
	address = "10.20.3.4";
	assert_done("ana", ONE("'getUser','username':'root'"));
	address = "10.21.3.4";
	assert_refused("ana", ONE("'getUser','username':'root'"), "not permitted: it takes user.get");
	address = NULL;
}

static void teams_are_attributes_of_many(void **state)
{
	(void)state;
	assert_done("root", ONE("'addTeamMember','usernames':['ana','cora'],'channel':'c1'"));
	assert_note(0, ALLOWED, "user:ana channel=c1: not held -> for good");
	assert_note(1, ALLOWED, "user:cora channel=c1: not held -> for good");
	assert_done("root", ONE("'getTeam','channel':'c1'"));
	assert_says("\"users\":[\"ana\",\"cora\"]");
	assert_refused("root", ONE("'removeTeamMember','usernames':['ana','root'],'channel':'c1'"), "root does not hold channel=c1");
	assert_null(notes->next);
	assert_done("root", ONE("'getTeam','channel':'c1'"));
	assert_says("\"users\":[\"ana\",\"cora\"]");
	assert_done("root", ONE("'removeTeamMember','usernames':['ana'],'channel':'c1'"));
	assert_done("root", ONE("'getTeam','channel':'c1'"));
	assert_says("\"users\":[\"cora\"]");
}

/* Answers have the id, the record what stands for it. */
static void of_patients_the_record_has_pseudonyms(void **state)
{
	char word[PATIENT_WORD], want[200];

	(void)state;
	patient_word(directory_patients(d), SPAN_LIT("p1"), word);
	assert_done("root", ONE("'addTeamMember','usernames':['ana'],'patient':'p1'"));
	snprintf(want, sizeof(want), "user:ana patient=%s: not held -> for good", word);
	assert_note(0, ALLOWED, want);
	assert_string_equal(notes->patient, "p1");
	assert_done("root", ONE("'setAttribute','username':'ana','name':'patient','value':'p1'"));
	assert_note(0, ALLOWED, (snprintf(want, sizeof(want), "user:ana patient=%s: for good -> for good", word), want));
	assert_refused("root", ONE("'clearAttribute','username':'cora','name':'patient','value':'p1'"), "cora does not hold patient=p1");
	assert_note(0, FAILED, (snprintf(want, sizeof(want), "cora does not hold patient=%s", word), want));
	assert_string_equal(notes->patient, "p1");
	assert_refused("root", "{'commands':[{'command':'batch','commands':[{'command':'removeTeamMember','usernames':['cora'],"
		       "'patient':'p1'}]}]}", "(removeTeamMember): cora does not hold patient=p1");
	snprintf(want, sizeof(want), "nothing was done: command 1 of 1 (removeTeamMember): cora does not hold patient=%s", word);
	assert_note(0, FAILED, want);
	assert_done("root", ONE("'getTeam','patient':'p1'"));
	assert_string_equal(notes->patient, "p1");
}

static void teams_are_listed_and_counted(void **state)
{
	(void)state;
	assert_done("root", ONE("'addTeamMember','usernames':['ana','cora'],'channel':'c2'"));
	assert_done("root", ONE("'addTeamMember','usernames':['ana'],'channel':'c1','expires':2000000000"));
	assert_done("root", ONE("'addTeamMember','usernames':['cora'],'patient':'p1'"));
	assert_done("root", ONE("'listTeams','name':'channel'"));
	assert_says("\"teams\":[{\"name\":\"c1\",\"members\":1},{\"name\":\"c2\",\"members\":2}],\"more\":false");
	assert_done("root", ONE("'listTeams','name':'channel','count':1"));
	assert_says("\"teams\":[{\"name\":\"c1\",\"members\":1}],\"more\":true");
	assert_done("root", ONE("'listTeams','name':'channel','after':'c1'"));
	assert_says("\"teams\":[{\"name\":\"c2\",\"members\":2}],\"more\":false");
	assert_done("root", ONE("'listTeams','name':'patient'"));
	assert_says("\"teams\":[{\"name\":\"p1\",\"members\":1}]");
	assert_refused("root", ONE("'listTeams','name':'unit'"), "is to be channel or patient");
	assert_refused("cora", ONE("'listTeams','name':'channel'"), "it takes team.list");
}

static void grants_are_listed_with_their_ends_and_reasons(void **state)
{
	(void)state;
	assert_done("root", ONE("'createDevice','device':'nc1','roles':[{'rolename':'nurse'}]"));
	assert_done("root", ONE("'grantRole','username':'cora','rolename':'nurse','expires':2000000000,'reason':'leave'"));
	assert_done("root", ONE("'listGrants','rolename':'nurse'"));
	assert_says("{\"device\":\"nc1\",\"by\":\"root\",");
	assert_says("{\"username\":\"cora\",\"expires\":\"2033-05-18T03:33:20Z\",\"reason\":\"leave\",\"by\":\"root\"");
	assert_says("{\"username\":\"ana\"}");
	assert_done("root", ONE("'listGrants','rolename':'nurse','count':1"));
	assert_says("\"grants\":[{\"device\":\"nc1\"");
	assert_says("\"more\":true");
	assert_done("root", ONE("'listGrants','rolename':'nurse','after':'device:"
				"0123456789012345678901234567890123456789012345678901234567890123','count':1"));
	assert_refused("root", ONE("'listGrants','rolename':'nurse','after':'device:a b'"), "or \\\"user:\\\" or");
	assert_done("root", ONE("'listGrants','rolename':'nurse','after':'device:nc1','count':1"));
	assert_says("\"grants\":[{\"username\":\"ana\"}],\"more\":true");
	assert_done("root", ONE("'setAttribute','username':'ana','name':'unit','value':'icu3'"));
	assert_done("root", ONE("'listGrants','name':'unit','value':'icu3'"));
	assert_says("\"grants\":[{\"username\":\"ana\",\"value\":\"icu3\"");
	assert_done("root", ONE("'listGrants','name':'unit','value':'med4'"));
	assert_says("\"grants\":[]");
}

static void states_change_only_as_they_may(void **state)
{
	static const struct { const char *command, *why; } row[] = {
		{ "resume", "ana is active" }, { "release", "ana is active" }, { "quarantine", NULL }, { "resume", "ana is quarantined" },
		{ "quarantine", "ana is quarantined" }, { "suspend", NULL }, { "release", "ana is suspended" }, { "resume", NULL },
		{ "resume", "ana is quarantined" }, { "release", NULL }, { "suspend", NULL }, { "quarantine", NULL },
		{ "suspend", "ana is suspended" }, { "release", "ana is suspended" }, { "resume", NULL }, { "release", NULL },
		{ "suspend", NULL }, { "resume", NULL }, { "quarantine", NULL }, { "suspend", NULL },
		{ "wipe", NULL }, { "wipe", "for good" }, { "resume", "for good" }, { "quarantine", "for good" },
	};
	char text[100];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		snprintf(text, sizeof(text), ONE("'%s','username':'ana','reason':'so'"), row[i].command);
		if (row[i].why)
			assert_refused("root", text, row[i].why);
		else
			assert_done("root", text);
	}
}

/* Whoever may suspend and resume lifts no quarantine, and whoever may quarantine and release no suspension. */
static void one_state_does_not_lift_the_other(void **state)
{
	struct account *a;

	(void)state;
	assert_done("root", ONE("'quarantine','username':'ana'"));
	assert_done("root", ONE("'suspend','username':'ana'"));
	assert_note(0, ALLOWED, "user:ana: quarantined -> suspended, in quarantine once it is resumed");
	assert_done("root", ONE("'getUser','username':'ana'"));
	assert_says("\"suspendedFrom\":\"quarantined\"");
	assert_done("root", ONE("'resume','username':'ana'"));
	assert_note(0, ALLOWED, "user:ana: suspended -> quarantined");
	assert_done("root", ONE("'release','username':'ana'"));
	assert_done("root", ONE("'suspend','username':'ana','reason':'gone'"));
	assert_done("root", ONE("'quarantine','username':'ana','reason':'odd'"));
	assert_note(0, ALLOWED, "user:ana: suspended -> suspended, in quarantine once it is resumed");
	a = account_at("ana");
	assert_int_equal(a->state, ACCOUNT_SUSPENDED);
	assert_true(a->subject.suspended && span_is(a->state_since.reason, "gone"));
	account_free(&a);
	assert_done("root", ONE("'resume','username':'ana'"));
	a = account_at("ana");
	assert_int_equal(a->state, ACCOUNT_QUARANTINED);
	account_free(&a);
	assert_done("root", ONE("'suspend','username':'ana'"));
	assert_done("root", ONE("'wipe','username':'ana'"));
	assert_note(0, ALLOWED, "user:ana: suspended -> wiped");
	a = account_at("ana");
	assert_int_equal(a->suspended_from, ACCOUNT_ACTIVE);
	account_free(&a);
}

static void certificates_are_revoked_and_allowed(void **state)
{
	char hex[65], text[200];
	uint8_t print[32] = { 0xab };
	struct denial x;

	(void)state;
	hex_encode(span(print, 32), hex);
	snprintf(text, sizeof(text), ONE("'revokeCertificate','fingerprint':'%s','reason':'lost'"), hex);
	assert_done("root", text);
	assert_int_equal(directory_denial(d, print, &x), OK);
	assert_string_equal(x.reason, "lost");
	assert_refused("root", text, "it is revoked already");
	assert_done("root", ONE("'listRevokedCertificates'"));
	assert_says(hex);
	snprintf(text, sizeof(text), ONE("'allowCertificate','fingerprint':'%s'"), hex);
	assert_done("root", text);
	assert_refused("root", text, "it is not revoked");
	assert_refused("root", ONE("'revokeCertificate','fingerprint':'abc'"), "SHA-256 of the certificate");
}

/* A folder stands where the file is to go: kept, but not in force. */
static void a_policy_whose_file_could_not_be_put_in_place_is_set_again(void **state)
{
	static const char set[] = ONE("'setPolicy','policy':'tenant mercy\\nrole admin\\n  allow control *\\n'");

	(void)state;
	assert_int_equal(edition_keep(d, policy, NOW), OK);
	assert_int_equal(remove(scratch_path(&scratch, POLICY_FILE)), 0);
	assert_int_equal(mkdir(scratch_path(&scratch, POLICY_FILE), 0700), 0);
	assert_refused("root", set, "cannot keep the policy");
	assert_int_equal(rmdir(scratch_path(&scratch, POLICY_FILE)), 0);
	write_policy(policy_text);
	assert_done("root", set);
	assert_says("\"version\":2");
	assert_refused("root", set, "it is in force already, as version 2");
}

static void a_policy_becomes_file_and_edition_only_when_it_is_newer(void **state)
{
	static const char next[] = "tenant mercy\\nrole admin\\n  allow control *\\n";
	char text[400], *file = NULL;
	size_t n = 0;
	FILE *f;

	(void)state;
	assert_int_equal(edition_keep(d, policy, NOW), OK);
	assert_int_equal(edition_keep(d, policy, NOW), OK);   /* the same text is no new edition */
	assert_refused("root", ONE("'setPolicy','policy':'tenant mercy\\nrol x'"), "line 2, column 1");
	assert_note(0, FAILED, "line 2, column 1: not as pullcord-policy(5) has it");
	assert_refused("root", ONE("'setPolicy','policy':'tenant other\\nrole x'"), "the first tenant must stay mercy");
	assert_refused("root", ONE("'setPolicy','version':1,'rollback':true"), "it is in force already, as version 1");
	snprintf(text, sizeof(text), ONE("'setPolicy','policy':'%s','version':7"), next);
	assert_refused("root", text, "version 7 is not the next: 1 is in force");
	snprintf(text, sizeof(text), ONE("'setPolicy','policy':'%s','version':2"), next);
	assert_done("root", text);
	assert_says("\"version\":2");
	assert_note(0, ALLOWED, "policy: version 1 -> 2");
	f = fopen(scratch_path(&scratch, POLICY_FILE), "r");
	assert_true(f && getdelim(&file, &n, 0, f) > 0);
	assert_string_equal(file, "tenant mercy\nrole admin\n  allow control *\n");
	fclose(f);
	free(file);
	assert_refused("root", ONE("'grantRole','username':'ana','rolename':'nurse'"), "the policy has no role nurse");
	assert_refused("root", ONE("'setPolicy','version':1"), "it needs");
	assert_done("root", ONE("'setPolicy','version':1,'rollback':true"));
	assert_note(0, ALLOWED, "policy: version 2 -> 3, a step back");
	assert_refused("root", text, "not the next");
	snprintf(text, sizeof(text), ONE("'setPolicy','policy':'%s'"), next);
	assert_refused("root", text, "it is the text of version 2");
	assert_done("root", ONE("'listPolicyVersions'"));
	assert_says("\"rollbackOf\":1");
	assert_done("root", ONE("'getPolicy','version':2"));
	assert_says("allow control *");
}

/* The next command of the same request is decided by the policy that was just set. */
static void a_request_goes_on_under_the_policy_it_set(void **state)
{
	(void)state;
	assert_refused("root", "{'commands':[{'command':'setPolicy','policy':"
		"'tenant mercy\\nrole admin\\n  allow control policy.*\\n'},"
		"{'command':'getUser','username':'ana'},{'command':'getPolicyVersion'}]}", "not permitted: it takes user.get");
	assert_says("\"command\":\"getPolicyVersion\",\"data\"");
}

/* What it did not permit was not hashed either: nobody's password is taken away for it. */
static void a_policy_that_permits_passwords_erases_none(void **state)
{
	struct account *a;

	(void)state;
	assert_done("root", ONE("'setUserPassword','username':'ana','passwordHash':'" PHC "'"));
	assert_done("root", ONE("'setPolicy','policy':'tenant mercy\\nrole admin\\n  allow control policy.set\\n'"));
	ask("root", "{'commands':[{'command':'setPolicy','policy':'tenant mercy\\nrole admin\\n  allow control *\\n'},"
		"{'command':'setUserPassword','username':'ana','password':'correct horse'},"
		"{'command':'createUser','username':'bo','password':'correct horse'},"
		"{'command':'batch','commands':[{'command':'setUserPassword','username':'ana','password':'correct horse'}]}]}");
	assert_says("{\"command\":\"setUserPassword\",\"error\":\"it was not permitted when the request came");
	assert_says("{\"command\":\"createUser\",\"error\":\"it was not permitted when the request came");
	assert_says("(setUserPassword): it was not permitted when the request came");
	a = account_at("ana");
	assert_string_equal(a->password, PHC);
	account_free(&a);
	assert_int_equal(directory_find(d, USER, SPAN_LIT("bo"), &a), ERR_NOT_FOUND);
	assert_done("root", ONE("'setUserPassword','username':'ana','password':'correct horse'"));
}

static void who_can_is_everybody_the_policy_lets(void **state)
{
	(void)state;
	assert_done("root", ONE("'setAttribute','username':'ana','name':'unit','value':'icu3'"));
	assert_done("root", ONE("'whoCan','access':'receive','topic':'mercy/unit/icu3/alert/high/x'"));
	assert_says("\"ids\":[\"user:ana\"],\"more\":false");
	assert_done("root", ONE("'suspend','username':'ana'"));
	assert_done("root", ONE("'whoCan','access':'receive','topic':'mercy/unit/icu3/alert/high/x'"));
	assert_says("\"ids\":[]");
	assert_refused("root", ONE("'whoCan','access':'eat','topic':'a'"), "publish, subscribe or receive");
	assert_refused("root", ONE("'whoCan','access':'receive','topic':'a/+'"), "is to be a topic");
}

static void what_is_not_understood_names_what_would_be_right(void **state)
{
	static const struct { const char *text, *why; } row[] = {
		{ "", "well-formed JSON" }, { "{}", "an object {" }, { "{'commands':[]}", "an object {" }, { "{'commands':7}", "an object {" },
		{ "{'commands':[7]}", "there is no such command" }, { ONE("'fly'"), "there is no such command" },
		{ ONE("'grantRole','username':'ana'"), "it needs \\\"rolename\\\"" },
		{ ONE("'grantRole','rolename':'nurse'"), "exactly one of \\\"username\\\", \\\"device\\\"" },
		{ ONE("'grantRole','rolename':'nurse','username':'a','device':'b'"), "exactly one of" },
		{ ONE("'grantRole','rolename':'a b','username':'a'"), "\\\"rolename\\\" is to be one word" },
		{ ONE("'grantRole','rolename':'nurse','username':'ana','expires':'tomorrow'"), "a time in UTC" },
		{ ONE("'grantRole','rolename':'nurse','username':'ana','expires':5"), "is over already" },
		{ ONE("'getUser','username':'a','x':1"), "it takes no other fields than \\\"username\\\"" },
		{ ONE("'batch','commands':[{'command':'batch','commands':[]}]"), "it has no place in a batch" },
		{ ONE("'getUser','username':'a','correlationData':7"), "correlationData" },
		{ ONE("'addTeamMember','usernames':[],'channel':'c'"), "a list of 1 to 1024" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_refused("root", row[i].text, row[i].why);
}

static void why_is_told_with_the_path_through_the_rules(void **state)
{
	(void)state;
	assert_refused("cora", ONE("'explain','username':'ana','access':'receive','topic':'mercy/a'"), "it takes policy.explain");
	assert_done("root", ONE("'explain','username':'ana','access':'subscribe','topic':'mercy/unit/icu3/alert/+/+'"));
	assert_says("\"allow\":false");
	assert_says("\"line\":3");                            /* the rule that would, for units of hers */
	assert_says("unit");
	assert_done("root", ONE("'explain','username':'cora','access':'control','topic':'role.grant'"));
	assert_says("\"allow\":true,\"why\":\"a rule allows it\",\"line\":7");
	assert_refused("root", ONE("'explain','username':'nobody','access':'control','topic':'role.grant'"), "there is no user nobody");
	assert_refused("root", ONE("'explain','username':'ana','access':'fly','topic':'mercy/a'"), "subscribe, receive, control or grant");
	assert_refused("root", ONE("'explain','username':'ana','access':'publish','topic':'mercy//a'"), "is to be a topic");
	assert_refused("root", ONE("'whoCan','access':'control','topic':'role.grant'"), "publish, subscribe or receive");
}

#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

static const char *promotion(const struct edition *e, const char *more)
{
	static char text[200];
	char hex[65];

	hex_encode(span(e->hash, sizeof(e->hash)), hex);
	snprintf(text, sizeof(text), ONE("'promoteShadowPolicy','hash':'%s'%s"), hex, more);
	return text;
}

/* What the directory keeps of a trial; that the broker asks it, desk_test says. */
static void a_trial_is_set_from_a_text_or_a_version_and_put_in_force_from_there(void **state)
{
	CLEANUP(edition_clear) struct edition e = { 0 };

	(void)state;
	assert_int_equal(edition_keep(d, policy, NOW), OK);
	assert_refused("cora", ONE("'setShadowPolicy','policy':'x'"), "it takes policy.shadow");
	assert_refused("root", ONE("'setShadowPolicy'"), "exactly one of \\\"policy\\\", \\\"version\\\"");
	assert_refused("root", ONE("'setShadowPolicy','version':9"), "there is no text of version 9");
	assert_refused("root", ONE("'setShadowPolicy','policy':'tenant mercy\\ninclude x\\n'"), "files cannot be included here");
	assert_refused("root", ONE("'promoteShadowPolicy'"), "it needs \\\"hash\\\"");
	assert_refused("root", ONE("'promoteShadowPolicy','hash':'abc'"), "what getShadowPolicy tells");
	assert_refused("root", ONE("'promoteShadowPolicy','hash':'" NO_HASH "'"), "there is no shadow policy");
	assert_refused("root", ONE("'getShadowPolicy'"), "there is no shadow policy");
	assert_int_equal(directory_shadow(d, &e), ERR_NOT_FOUND);
	assert_done("root", ONE("'setShadowPolicy','policy':'tenant mercy\\nrole admin\\n  allow control *\\n'"));
	assert_int_equal(directory_shadow(d, &e), OK);
	assert_string_equal(e.by, "root");
	assert_string_equal(e.text, "tenant mercy\nrole admin\n  allow control *\n");
	assert_done("root", ONE("'getShadowPolicy'"));
	assert_says("\"by\":\"root\"");
	/* Somebody put another there since its author looked. */
	assert_refused("root", ONE("'promoteShadowPolicy','hash':'" NO_HASH "'"), "set by root: look at its report");
	assert_done("root", promotion(&e, ""));
	assert_says("\"version\":2");
	assert_note(0, ALLOWED, "policy: version 1 -> 2, the shadow policy");
	assert_memory_equal(policy_version(policy), e.hash, 16);
	edition_clear(&e);
	assert_int_equal(directory_shadow(d, &e), ERR_NOT_FOUND);
	assert_done("root", ONE("'setShadowPolicy','version':1"));
	assert_int_equal(directory_shadow(d, &e), OK);
	assert_refused("root", promotion(&e, ""), "it is the text of version 1");
	assert_done("root", promotion(&e, ",'rollback':true"));
	assert_note(0, ALLOWED, "policy: version 2 -> 3, a step back, the shadow policy");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static void an_administrator_sees_their_own_tenant_only(void **state)
{
	(void)state;
	save_at("lakeside", "lena", "lake-admin");
	save_at("lakeside", "lars", "lake-nurse");
	assert_refused("lena", "{'commands':[{'command':'grantRole','username':'ana','rolename':'lake-nurse'}]}", "there is no user ana");
	assert_refused("lena", "{'commands':[{'command':'getUser','username':'ana'}]}", "there is no user ana");
	assert_refused("lena", "{'commands':[{'command':'suspend','username':'root'}]}", "there is no user root");
	assert_refused("root", "{'commands':[{'command':'deleteUser','username':'lars'}]}", "there is no user lars");
	assert_refused("lena", "{'commands':[{'command':'grantRole','username':'lars','rolename':'nurse'}]}",
		"the policy has no role nurse");
	assert_refused("lena", "{'commands':[{'command':'addTeamMember','channel':'c1','usernames':['lars','ana']}]}",
		"there is no user ana");
	assert_refused("lena", "{'commands':[{'command':'createUser','username':'ana'}]}", "the name is taken");
	ask("lena", "{'commands':[{'command':'listUsers'}]}");
	assert_says("\"users\":[\"lars\",\"lena\"]");
	ask("lena", "{'commands':[{'command':'whoCan','topic':'lakeside/unit/icu3/alert/+/+','access':'subscribe'}]}");
	assert_says("\"ids\":[]");
	assert_done("lena", "{'commands':[{'command':'createUser','username':'lori','roles':['lake-nurse']}]}");
	assert_refused("root", "{'commands':[{'command':'getUser','username':'lori'}]}", "there is no user lori");
}

static void what_is_no_one_tenants_is_for_the_house(void **state)
{
	(void)state;
	save_at("lakeside", "lena", "lake-admin");
	assert_refused("lena", "{'commands':[{'command':'setPolicy','policy':'tenant lakeside'}]}", "is for administrators of mercy");
	assert_note(0, DENIED, "they are of another tenant");
	assert_refused("lena", "{'commands':[{'command':'getPolicy'}]}", "is for administrators of mercy");
	assert_refused("lena", "{'commands':[{'command':'listRevokedCertificates'}]}", "is for administrators of mercy");
	assert_done("root", "{'commands':[{'command':'listRevokedCertificates'}]}");
}

/* One page of what is kept, as the broker asks for it. */
static unsigned kept_of(const char *filter)
{
	struct shelf_look *l = calloc(1, sizeof(*l)), *back = NULL;
	unsigned n;

	l->want = (struct readback){ .filters = 1, .limit = READBACK_ITEMS_MAX };
	strcpy(l->want.filter[0], filter);
	history_look(history, l);
	while (!back) {
		back = history_looked(history);
		usleep(1000);
	}
	n = back->page.n;
	shelf_look_free(&back);
	return n;
}

static void note(unsigned n, const char *topic)
{
	struct id id = { .b = { (uint8_t)n, 1 } };
	struct topic t;

	assert_int_equal(topic_parse(span_str(topic), &t), OK);
	history_note(history, &t, &id, NOW + n, SPAN_LIT("what was said"));
}

static void the_history_of_a_place_is_erased_and_no_other(void **state)
{
	const struct past_keep keep = { .of = { [PAST_CHANNEL] = 999, [PAST_ALERT] = 999, [PAST_ACK] = 999 } };

	(void)state;
	save_at("lakeside", "lena", "lake-admin");
	assert_refused("root", ONE("'eraseHistory','channel':'team','reason':'x'"), "cannot destroy the keys");
	assert_int_equal(history_open(scratch_path(&scratch, "history.mdb"), root, 4 << 20, NOW, &history), OK);
	history_retain(history, &keep);
	note(1, "mercy/channel/team/msg");
	note(2, "mercy/channel/team2/msg");
	note(3, "lakeside/channel/team/msg");
	note(4, "mercy/unit/icu3/alert/high/nc-1");
	note(5, "mercy/unit/icu3/ack/nc-1");
	assert_int_equal(kept_of("#"), 5);
	assert_refused("root", ONE("'eraseHistory','channel':'team'"), "it needs \\\"reason\\\"");
	assert_refused("root", ONE("'eraseHistory','channel':'team','reason':''"), "it needs");
	assert_refused("root", ONE("'eraseHistory','channel':'team','unit':'icu3','reason':'x'"), "exactly one of");
	assert_refused("cora", ONE("'eraseHistory','channel':'team','reason':'x'"), "it takes history.erase");
	assert_int_equal(kept_of("#"), 5);
	assert_done("lena", ONE("'eraseHistory','channel':'team2','reason':'x'"));
	assert_says("\"keys\":0");
	assert_int_equal(kept_of("#"), 5);
	assert_done("root", ONE("'eraseHistory','channel':'team','reason':'she asked'"));
	assert_says("\"keys\":1");
	assert_note(0, ALLOWED, "history of mercy/channel/team: 1 keys destroyed: she asked");
	assert_int_equal(kept_of("mercy/channel/#"), 1);
	assert_int_equal(kept_of("lakeside/#"), 1);
	assert_done("root", ONE("'eraseHistory','unit':'icu3','reason':'x'"));
	assert_says("\"keys\":2");
	assert_int_equal(kept_of("#"), 2);
	note(6, "mercy/channel/team/msg");
	assert_int_equal(kept_of("mercy/channel/team/msg"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_role_is_granted_and_taken_with_before_and_after),
		TEST(what_is_not_permitted_is_not_done_and_on_record),
		TEST(a_batch_is_all_or_nothing),
		TEST(accounts_are_made_changed_shown_listed_and_removed),
		TEST(a_password_may_come_as_its_hash_when_that_is_worth_something), TEST(a_list_tells_all_when_asked),
		TEST(a_request_has_an_answer_of_a_few_megabytes), TEST(a_request_has_its_time),
		TEST(who_may_grant_hands_out_what_the_policy_says_and_no_more), TEST(what_one_may_not_hand_out_one_may_not_take_back),
		TEST(nobody_changes_what_they_hold_unless_the_policy_says_so), TEST(a_batch_with_one_grant_too_many_does_nothing),
		TEST(an_administrator_is_asked_where_they_come_from), TEST(teams_are_attributes_of_many),
		TEST(teams_are_listed_and_counted), TEST(of_patients_the_record_has_pseudonyms),
		TEST(grants_are_listed_with_their_ends_and_reasons),
		TEST(states_change_only_as_they_may),
		TEST(one_state_does_not_lift_the_other), TEST(who_may_not_grant_what_an_account_holds_does_not_give_it_back),
		TEST(certificates_are_revoked_and_allowed),
		TEST(a_policy_whose_file_could_not_be_put_in_place_is_set_again),
		TEST(a_policy_becomes_file_and_edition_only_when_it_is_newer), TEST(a_request_goes_on_under_the_policy_it_set),
		TEST(a_policy_that_permits_passwords_erases_none), TEST(who_can_is_everybody_the_policy_lets),
		TEST(why_is_told_with_the_path_through_the_rules),
		TEST(a_trial_is_set_from_a_text_or_a_version_and_put_in_force_from_there),
		TEST(what_is_not_understood_names_what_would_be_right), TEST(an_administrator_sees_their_own_tenant_only),
		TEST(what_is_no_one_tenants_is_for_the_house), TEST(the_history_of_a_place_is_erased_and_no_other),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}

/* custody: segments are held, released and erased by two persons, and by nobody else. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "own_record.h"

#include "admin.h"
#include "draft.h"
#include "keeping.h"
#include "reader.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define ALLOWED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED
#define DENIED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED
#define FAILED PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED
#define DAY_US (24 * 3600 * 1000000LL)

static const char policy_text[] =
	"tenant mercy\n"
	"role officer\n"
	"  allow control record.*\n"
	"role keeper\n"
	"  allow control record.hold\n"
	"  allow control record.list\n"
	"role office\n"
	"  from 10.20.0.0/16\n"
	"  allow control record.*\n"
	"tenant lakeside\n"
	"role lake-officer\n"
	"  allow control *\n";

static struct directory *d;
static struct policy *policy;
static struct acts acts;
static struct admin_note *notes;
static char *response;
static int64_t now_us;

static void save_at(Pullcord__V1__Party party, const char *tenant, const char *id, const char *role, enum account_state state)
{
	static struct draft draft;

	draft_new(&draft, party, span_str(tenant), span_str(id));
	if (role)
		assert_true(draft_add_role(&draft, span_str(role), (struct grant){ 0 }));
	draft_state(&draft, state, (struct grant){ 0 });
	assert_int_equal(directory_save(d, &draft.account, false), OK);
}

static void save(const char *id, const char *role)
{
	save_at(USER, "mercy", id, role, ACCOUNT_ACTIVE);
}

static void wait_for_entries(uint64_t n) { assert_true(UNTIL(record_durable(g.record) >= n)); }

/* Segment 1 is closed, segment 2 open; both are kept for a day. */
static int begin(void **state)
{
	struct policy_error where;
	char path[128];

	folder_make(state);
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		g.spec.keep[i] = KEEP_DAYS | 1;
	open_record();
	push_many(0, 10);
	record_close(&g.record);
	open_record();
	push_many(10, 10);
	wait_for_entries(3 + 20);
	now_us = (int64_t)time(NULL) * 1000000;
	acts = (struct acts){ 0 };
	snprintf(path, sizeof(path), "%s/directory.mdb", g.folder);
	assert_int_equal(directory_open(path, g.root, false, &d), OK);
	assert_int_equal(policy_load(SPAN_LIT(policy_text), &policy, &where), OK);
	save("ana", "officer");
	save("ben", "officer");
	save("kim", "keeper");
	save("guest", NULL);
	save_at(DEVICE, "mercy", "box", "officer", ACCOUNT_ACTIVE);
	save_at(USER, "lakeside", "lia", "lake-officer", ACCOUNT_ACTIVE);
	return 0;
}

static void forget(void)
{
	free(response);
	response = NULL;
	admin_notes_free(&notes);
}

static int end(void **state)
{
	forget();
	policy_close(&policy);
	directory_close(&d);
	return folder_drop(state);
}

/* ' stands for ". */
static const char *ask_as(Pullcord__V1__Party party, const char *who, const char *text)
{
	struct admin a = { .directory = d, .dir = g.folder, .policy = policy, .record = g.record, .acts = &acts, .party = party,
			   .id = who, .address = "10.20.0.7", .now_us = now_us };
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

static const char *ask(const char *who, const char *command)
{
	char text[600];

	snprintf(text, sizeof(text), "{'commands':[{'command':%s}]}", command);
	return ask_as(USER, who, text);
}

static void assert_refused(const char *who, const char *command, const char *why)
{
	ask(who, command);
	if (!strstr(response, "\"error\"") || !strstr(response, why))
		fail_msg("%s: no %s in %s", command, why, response);
}

static void assert_note(Pullcord__V1__AuditOutcome outcome, const char *detail)
{
	const struct admin_note *n = notes;

	while (n && !(n->outcome == outcome && strstr(n->detail, detail)))
		n = n->next;
	if (!n)
		fail_msg("no note of that outcome says %s; the first: %s", detail, notes ? notes->detail : "none");
}

static unsigned long long asked_for(const char *who, const char *command)
{
	const char *at = strstr(ask(who, command), "\"request\":");

	if (!at)
		fail_msg("%s", response);
	return strtoull(at + 10, NULL, 10);
}

static const char *confirm(const char *who, const char *word, unsigned long long number)
{
	char text[100];

	snprintf(text, sizeof(text), "'%s','request':%llu", word, number);
	return ask(who, text);
}

static void assert_confirm_refused(const char *who, const char *word, unsigned long long number, const char *why)
{
	confirm(who, word, number);
	if (!strstr(response, "\"error\"") || !strstr(response, why))
		fail_msg("no %s in %s", why, response);
}

static struct segment look(uint32_t id)
{
	struct segment s;

	assert_int_equal(segment_look(g.record, id, &s, &(struct retention){ 0 }), OK);
	return s;
}

/* The newest entry of that kind about a segment, as it stands in the record. */
static void assert_control_entry(enum control_type type, const char *who, const char *second, const char *reason)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *reader = NULL;
	struct entry entry;
	uint64_t n;
	bool found = false;

	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	while (n-- > 0 && !found) {
		assert_int_equal(reader_get(reader, n, &entry, &e), OK);
		found = entry.kind == ENTRY_CONTROL && entry.type == type && span_is(entry.who, who) &&
			span_is(entry.second, second) && span_is(entry.reason, reason);
	}
	reader_close(&reader);
	assert_true(found);
}

static void a_hold_is_asked_for_by_one_and_confirmed_by_another(void **state)
{
	unsigned long long n;

	(void)state;
	n = asked_for("ana", "'holdSegments','segments':[1,2],'reason':'case 7'");
	assert_non_null(strstr(response, "\"expires\":\""));
	assert_note(ALLOWED, "holding segments 1-2: asked for, request ");
	assert_note(ALLOWED, ": case 7");
	assert_false(look(1).holds || look(2).holds);
	assert_confirm_refused("ana", "holdSegments", n, "you asked for request");
	assert_note(DENIED, "it takes another person");
	assert_false(look(1).holds);
	assert_non_null(strstr(confirm("ben", "holdSegments", n), "\"held\":2"));
	assert_true(look(1).holds && look(2).holds);
	assert_note(ALLOWED, "segment 1: closed -> closed, held; request ");
	assert_note(ALLOWED, "segment 2: open -> open, held; request ");
	assert_note(ALLOWED, " of ana");
	assert_confirm_refused("ben", "holdSegments", n, "no request ");
	record_close(&g.record);
	assert_good();
	assert_control_entry(CONTROL_HOLD, "ana", "ben", "case 7");
}

static void a_release_takes_two_as_well(void **state)
{
	unsigned long long n;

	(void)state;
	assert_refused("ana", "'releaseSegments','segments':[1],'reason':'x'", "segment 1 is not held");
	n = asked_for("ana", "'holdSegments','segments':[1],'reason':'case 7'");
	assert_null(strstr(confirm("ben", "holdSegments", n), "error"));
	n = asked_for("ben", "'holdSegments','segments':[1],'reason':'case 8'");
	assert_null(strstr(confirm("ana", "holdSegments", n), "error"));        /* two holds */
	assert_note(ALLOWED, "segment 1: closed, held -> closed, held 2 times; request ");
	n = asked_for("ben", "'releaseSegments','segments':[1],'reason':'case 8 is closed'");
	assert_non_null(strstr(confirm("ana", "releaseSegments", n), "\"released\":1"));
	assert_refused("ana", "'eraseSegments','segments':[1],'reason':'x'", "segment 1 is held");
	n = asked_for("ben", "'releaseSegments','segments':[1],'reason':'case 7 is closed'");
	assert_confirm_refused("ben", "releaseSegments", n, "you asked for request");
	assert_confirm_refused("ana", "holdSegments", n, "is about something else than holding");
	assert_true(look(1).holds);
	assert_non_null(strstr(confirm("ana", "releaseSegments", n), "\"released\":1"));
	assert_false(look(1).holds);
	assert_note(ALLOWED, "segment 1: closed, held -> closed; request ");
}

static void what_had_its_time_is_erased_by_two(void **state)
{
	unsigned long long n;

	(void)state;
	now_us += 2 * DAY_US;
	n = asked_for("ana", "'eraseSegments','segments':[1],'reason':'a day is over'");
	assert_int_equal(look(1).state, SEGMENT_CLOSED);
	assert_confirm_refused("ana", "eraseSegments", n, "you asked for request");
	assert_non_null(strstr(confirm("ben", "eraseSegments", n), "\"erased\":1"));
	assert_note(ALLOWED, "segment 1: closed -> erased; request ");
	assert_int_equal(look(1).state, SEGMENT_ERASED);
	assert_refused("ana", "'eraseSegments','segments':[1],'reason':'x'", "segment 1 was erased");
	assert_refused("ana", "'holdSegments','segments':[1],'reason':'x'", "segment 1 was erased");
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.erased, 1);
	assert_control_entry(CONTROL_SEGMENT_ERASED, "ana", "ben", "a day is over");
}

static void what_may_not_be_erased_is_said_when_it_is_asked_for(void **state)
{
	unsigned long long n;

	(void)state;
	assert_refused("ana", "'eraseSegments','segments':[1],'reason':'x'", "segment 1 is to be kept until ");
	assert_note(FAILED, "segment 1 is to be kept until ");
	now_us += 2 * DAY_US;
	assert_refused("ana", "'eraseSegments','segments':[2],'reason':'x'", "segment 2 is still written on");
	assert_refused("ana", "'eraseSegments','segments':[1,9],'reason':'x'", "there is no segment 9");
	n = asked_for("kim", "'holdSegments','segments':[1],'reason':'case 7'");
	assert_refused("ana", "'eraseSegments','segments':[1],'reason':'x'", "segment 1: kim asks to hold it");
	assert_null(strstr(confirm("ben", "holdSegments", n), "error"));
	assert_refused("ana", "'eraseSegments','segments':[1],'reason':'x'", "segment 1 is held");
	assert_int_equal(look(1).state, SEGMENT_CLOSED);
}

/* It was good when it was asked for; since then the segment was held. */
static void it_is_looked_at_again_when_it_is_confirmed(void **state)
{
	unsigned long long n, hold;

	(void)state;
	now_us += 2 * DAY_US;
	n = asked_for("ana", "'eraseSegments','segments':[1],'reason':'x'");
	hold = asked_for("kim", "'holdSegments','segments':[1],'reason':'case 7'");
	assert_confirm_refused("ben", "eraseSegments", n, "kim asks to hold it");
	assert_null(strstr(confirm("ana", "holdSegments", hold), "error"));
	assert_confirm_refused("ben", "eraseSegments", n, "segment 1 is held");
	assert_int_equal(look(1).state, SEGMENT_CLOSED);
	now_us += ACT_WAIT_US;
	assert_confirm_refused("ben", "eraseSegments", n, "has expired: ask again");
	assert_note(FAILED, "has expired");
}

static void whoever_asked_must_still_be_one_who_may(void **state)
{
	unsigned long long n;

	(void)state;
	n = asked_for("ana", "'holdSegments','segments':[1],'reason':'x'");
	save("ana", NULL);
	assert_confirm_refused("ben", "holdSegments", n, "ana, who asked for it, may do so no more");
	save("ana", "office");
	assert_null(strstr(confirm("ben", "holdSegments", n), "error"));   /* from where she asked, she may */
	n = asked_for("ana", "'releaseSegments','segments':[1],'reason':'x'");
	save_at(USER, "mercy", "ana", "officer", ACCOUNT_SUSPENDED);
	assert_confirm_refused("ben", "releaseSegments", n, "ana, who asked for it, may do so no more");
	assert_true(look(1).holds);
}

static void it_takes_the_permission_a_person_and_the_house(void **state)
{
	(void)state;
	assert_refused("guest", "'holdSegments','segments':[1],'reason':'x'", "not permitted: it takes record.hold");
	assert_refused("kim", "'releaseSegments','segments':[1],'reason':'x'", "not permitted: it takes record.release");
	assert_refused("kim", "'eraseSegments','request':5", "not permitted: it takes record.erase");
	assert_note(DENIED, "no role of theirs permits it");
	assert_refused("lia", "'eraseSegments','segments':[1],'reason':'x'", "is for administrators of mercy");
	assert_refused("lia", "'listRequests'", "is for administrators of mercy");
	assert_non_null(strstr(ask_as(DEVICE, "box", "{'commands':[{'command':'holdSegments','segments':[1],'reason':'x'}]}"),
			       "it takes a person"));
}

static void a_request_is_whole_or_refused(void **state)
{
	(void)state;
	assert_refused("ana", "'holdSegments','segments':[1]", "it needs a \\\"reason\\\"");
	assert_refused("ana", "'holdSegments','segments':[1],'reason':''", "it needs a \\\"reason\\\"");
	assert_refused("ana", "'holdSegments','reason':'x'", "it needs exactly one of \\\"request\\\", \\\"segments\\\"");
	assert_refused("ana", "'holdSegments','segments':[1],'request':5", "it needs exactly one of");
	assert_refused("ana", "'holdSegments','request':5,'reason':'x'", "the reason is that of the request");
	assert_refused("ana", "'holdSegments','segments':[2,1],'reason':'x'", "are to rise, each once");
	assert_refused("ana", "'holdSegments','segments':[1,1],'reason':'x'", "are to rise, each once");
	assert_refused("ana", "'holdSegments','segments':[],'reason':'x'", "a list of 1 to 1024 whole numbers");
	assert_refused("ana", "'holdSegments','segments':[0],'reason':'x'", "a list of 1 to 1024 whole numbers");
	assert_refused("ana", "'holdSegments','segments':[4294967296],'reason':'x'", "a list of 1 to 1024 whole numbers");
	assert_refused("ana", "'batch','commands':[{'command':'holdSegments','segments':[1],'reason':'x'}]", "it has no place in a batch");
	assert_false(look(1).holds);
}

static void what_waits_is_listed_until_it_is_over(void **state)
{
	unsigned long long n;

	(void)state;
	assert_non_null(strstr(ask("kim", "'listRequests'"), "\"requests\":[]"));
	n = asked_for("ana", "'holdSegments','segments':[1,2],'reason':'case \\\\7'");
	ask("kim", "'listRequests'");
	assert_non_null(strstr(response, "\"command\":\"holdSegments\",\"username\":\"ana\",\"reason\":\"case \\\\7\""));
	assert_non_null(strstr(response, "\"segments\":[1,2]"));
	now_us += ACT_WAIT_US;
	assert_non_null(strstr(ask("kim", "'listRequests'"), "\"requests\":[]"));
	assert_confirm_refused("ben", "holdSegments", n, "has expired");
	for (int i = 0; i < ACTS_MAX; i++)
		(void)asked_for("ana", "'holdSegments','segments':[1],'reason':'x'");
	assert_refused("ana", "'holdSegments','segments':[1],'reason':'x'", "16 requests wait already");
}

static void close_segment_2(void)
{
	record_close(&g.record);
	open_record();
	push_many(20, 10);
	wait_for_entries(4 + 30);
	now_us += 2 * DAY_US;
}

/* Of two, the second one's key was lost. */
static void what_was_done_before_it_failed_is_on_record(void **state)
{
	static const uint8_t nothing[64];
	unsigned long long n;
	char keys[128];
	int fd;

	(void)state;
	close_segment_2();
	n = asked_for("ana", "'eraseSegments','segments':[1,2],'reason':'x'");
	snprintf(keys, sizeof(keys), "%s-keys", g.path);
	fd = open(keys, O_WRONLY);
	assert_int_equal(pwrite(fd, nothing, sizeof(nothing), 64), 64);
	close(fd);
	confirm("ben", "eraseSegments", n);
	assert_non_null(strstr(response, "1 of 2 were erased; segment 2: its key is not there"));
	assert_note(ALLOWED, "segment 1: closed -> erased");
	assert_note(FAILED, "1 of 2 were erased");
	assert_int_equal(look(1).state, SEGMENT_ERASED);
	assert_int_equal(look(2).state, SEGMENT_CLOSED);
}

/* The index beside the record cannot be removed: it is erased all the same, and nothing more until somebody saw to it. */
static void an_index_that_stays_is_said(void **state)
{
	unsigned long long n;
	char index[128];

	(void)state;
	close_segment_2();
	n = asked_for("ana", "'eraseSegments','segments':[1,2],'reason':'x'");
	snprintf(index, sizeof(index), "%s/record.idx", g.folder);
	assert_int_equal(mkdir(index, 0700), 0);
	confirm("ben", "eraseSegments", n);
	assert_non_null(strstr(response, "1 of 2 were erased; segment 1: it is erased, but record.idx"));
	assert_note(FAILED, "1 of 2 were erased");
	assert_int_equal(look(1).state, SEGMENT_ERASED);
	assert_int_equal(look(2).state, SEGMENT_CLOSED);
	assert_int_equal(rmdir(index), 0);
	n = asked_for("ana", "'eraseSegments','segments':[2],'reason':'x'");
	assert_non_null(strstr(confirm("ben", "eraseSegments", n), "\"erased\":1"));
	assert_int_equal(look(2).state, SEGMENT_ERASED);
	record_close(&g.record);
	assert_good();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(a_hold_is_asked_for_by_one_and_confirmed_by_another),
		T(a_release_takes_two_as_well),
		T(what_had_its_time_is_erased_by_two),
		T(what_may_not_be_erased_is_said_when_it_is_asked_for),
		T(it_is_looked_at_again_when_it_is_confirmed),
		T(whoever_asked_must_still_be_one_who_may),
		T(it_takes_the_permission_a_person_and_the_house),
		T(a_request_is_whole_or_refused),
		T(what_waits_is_listed_until_it_is_over),
		T(an_index_that_stays_is_said),
		T(what_was_done_before_it_failed_is_on_record),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What rests on emergency access says so, and its end is on record, however and whenever it came. */
#include "recorded.h"

#include "emergency_row.h"
#include "stuck_writer.h"

#define ICU3 "mercy/unit/icu3/alert/high/nc-1"
#define MED4 "mercy/unit/med4/alert/high/nc-1"
#define SUR2 "mercy/unit/sur2/alert/high/nc-1"
#define SECOND_US 1000000

/* Ana is a nurse of icu3, and took so many units more, each at its time and until that. */
struct take { const char *name, *value, *reason; int64_t at_us, until_us; };

static void takes(const struct take *t, size_t n, int64_t now_us)
{
	struct directory *d = g ? g->directory : NULL;
	struct span role[1] = { SPAN_LIT("nurse") };
	struct attribute attribute[4] = { { SPAN_LIT("unit"), SPAN_LIT("icu3") } };
	struct grant plain[1] = { { 0 } }, grant[4] = { { 0 } };
	struct account a = { .subject = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = SPAN_LIT("mercy"), .id = SPAN_LIT("ana"),
					  .role = role, .roles = 1, .attribute = attribute, .attributes = 1 + n },
			     .role_grant = plain, .attribute_grant = grant, .changed_us = (uint64_t)now_us };
	uint8_t root[32];

	hash_once("correct horse", a.password);
	for (size_t i = 0; i < n; i++) {
		attribute[1 + i] = (struct attribute){ span_str(t[i].name), span_str(t[i].value) };
		grant[1 + i] = (struct grant){ t[i].until_us, (uint64_t)t[i].at_us, span_str(t[i].reason), SPAN_LIT("ana") };
	}
	if (!d) {
		assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
		assert_int_equal(directory_open(in_dir("directory.mdb"), root, false, &d), OK);
	}
	assert_int_equal(directory_save(d, &a, false), OK);
	if (!g)
		directory_close(&d);
}

static void count(void *rows_seen, const struct emergency_row *row)
{
	(void)row;
	++*(unsigned *)rows_seen;
}

static unsigned rows(void)
{
	unsigned n = 0;

	assert_int_equal(directory_emergencies(g->directory, count, &n), OK);
	return n;
}

/* Its end is told and durable, and so forgotten. */
static void until_all_is_told(void) { assert_true(UNTIL(rows() == 0, guard_tick(g))); }

/* The emergency of the n-th event of that type; -1: there are fewer. */
static int64_t emergency_of(Pullcord__V1__AuditType type, const char *topic)
{
	const Pullcord__V1__AuditEvent *e;
	int64_t us = -1;
	struct reader *r = NULL;
	struct entry entry;
	uint8_t root[32];

	assert_int_equal(vault_root(in_dir("keys/root.key"), root), OK);
	assert_int_equal(reader_open(in_dir("record.mdb"), root, &r), OK);
	for (uint64_t i = 0; reader_get(r, i, &entry, &e) == OK; i++)
		if (e && e->type == type && strcmp(e->topic, topic) == 0)
			us = (int64_t)(e->n_recipient ? e->recipient[0]->emergency_us : e->emergency_us);
	reader_close(&r);
	return us;
}

static void what_could_not_be_had_without_it_names_it(void **state)
{
	const int64_t now_us = guard_real_us(), one = now_us - 2 * SECOND_US, two = now_us - SECOND_US;
	const struct take taken[] = { { "unit", "med4", "code 412", one, now_us + 3600 * INT64_C(1000000) },
				      { "unit", "sur2", "code 501", two, now_us + 3600 * INT64_C(1000000) } };
	struct client ana = client_at(1, "ana.t1", NULL);

	(void)state;
	takes(taken, 2, now_us);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/med4/alert/+/+"), GATE_ALLOW);
	assert_int_equal(subscribes(1, "ana.t1", "mercy/unit/icu3/alert/+/+"), GATE_ALLOW);
	guard_tick(g);
	assert_int_equal(receives(1, "ana.t1", ICU3), GATE_ALLOW);
	assert_int_equal(receives(1, "ana.t1", MED4), GATE_ALLOW);
	assert_int_equal(receives(1, "ana.t1", SUR2), GATE_ALLOW);
	assert_int_equal(receives(1, "ana.t1", "mercy/unit/x/alert/high/nc-1"), GATE_DENY);
	assert_true(guard_publish(g, &ana, "mercy/unit/icu3/ack/nc-1", &(struct publish){ 0 }) != GATE_ALLOW);
	assert_int_equal(rows(), 2);
	guard_close(&g);
	assert_int_equal(emergency_of(RECORDED(DELIVER), ICU3), 0);
	assert_int_equal(emergency_of(RECORDED(DELIVER), MED4), one);
	assert_int_equal(emergency_of(RECORDED(DELIVER), SUR2), two);
	assert_int_equal(emergency_of(RECORDED(DELIVER), "mercy/unit/x/alert/high/nc-1"), 0);
	assert_int_equal(emergency_of(RECORDED(SUBSCRIBE), "mercy/unit/med4/alert/+/+"), one);
	assert_int_equal(emergency_of(RECORDED(SUBSCRIBE), "mercy/unit/icu3/alert/+/+"), 0);
	assert_int_equal(recorded(RECORDED(BREAKGLASS_END), "").entries, 0);
}

/* What somebody else gave them, for a time and with a reason, is none. */
static void what_others_gave_is_no_emergency(void **state)
{
	const int64_t now_us = guard_real_us();
	const struct take taken = { "unit", "med4", "covers a shift", now_us, now_us + 3600 * INT64_C(1000000) };
	struct account *a = NULL;

	(void)state;
	takes(&taken, 1, now_us);
	assert_int_equal(directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("ana"), &a), OK);
	assert_int_equal(emergency_list(a, now_us, (struct emergency[EMERGENCIES_MAX]){ { 0 } }), 1);
	for (size_t i = 0; i < a->subject.attributes; i++) {
		struct grant other = a->attribute_grant[i];

		other.by = SPAN_LIT("root");
		assert_false(emergency_is(a, &other));
	}
	account_free(&a);
}

static void it_ends_by_itself(void **state)
{
	const int64_t now_us = guard_real_us(), until_us = now_us + SECOND_US / 2;
	const struct take taken = { "unit", "med4", "code 412", now_us, until_us };
	struct recorded end;

	(void)state;
	takes(&taken, 1, now_us);
	assert_int_equal(person_login(1, "ana", "ana.t1", "correct horse"), GATE_ALLOW);
	until_all_is_told();
	assert_int_equal(receives(1, "ana.t1", MED4), GATE_DENY);
	guard_close(&g);
	end = recorded(RECORDED(BREAKGLASS_END), "expired: code 412");
	assert_int_equal(end.entries, 1);
	assert_string_equal(end.actor, "ana");
	assert_string_equal(end.change, "-unit=med4");
	assert_true(end.at_us == until_us);
	assert_int_equal(emergency_of(RECORDED(BREAKGLASS_END), ""), now_us);
}

static void it_is_taken_back(void **state)
{
	const int64_t now_us = guard_real_us();
	const struct take taken = { "patient", "MRN-4711", "code 412", now_us, now_us + 3600 * INT64_C(1000000) };
	struct recorded end;

	(void)state;
	takes(&taken, 1, now_us);
	guard_tick(g);
	takes(NULL, 0, now_us + 1);
	until_all_is_told();
	guard_close(&g);
	end = recorded(RECORDED(BREAKGLASS_END), "taken back: code 412");
	assert_int_equal(end.entries, 1);
	assert_int_equal(recorded(RECORDED(BREAKGLASS_END), "").entries, 1);
	assert_non_null(strstr(end.change, "-patient=~"));
	assert_null(strstr(end.change, "MRN"));
}

/* Also of an account that is no more; and nothing is told twice. */
/* Until the record has no room for anything. */
static void much_happens(void)
{
	struct happening h = guard_happening(g, RECORDED(ADMIN), false, NULL);
	char long_one[200];

	memset(long_one, 'x', sizeof(long_one));
	h.detail = span(long_one, sizeof(long_one));
	while (record_try(g->record, &h))
		;
	h.detail = span(NULL, 0);
	while (record_try(g->record, &h))
		;
}

/* What the record had no room for then is told when it has, as it was. */
static void it_is_taken_back_while_the_record_has_stopped(void **state)
{
	const int64_t now_us = guard_real_us();
	const struct take taken = { "unit", "med4", "code 412", now_us, now_us + 3600 * INT64_C(1000000) };

	(void)state;
	takes(&taken, 1, now_us);
	guard_tick(g);
	writer_stops();
	much_happens();
	takes(NULL, 0, now_us + 1);
	g->second = 0;
	guard_tick(g);
	assert_true(g->emergencies.look);       /* at the next second, not when it would have ended by itself */
	writer_goes_on();
	until_all_is_told();
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(BREAKGLASS_END), "taken back: code 412").entries, 1);
}

static void it_ended_while_no_broker_ran(void **state)
{
	const int64_t now_us = guard_real_us(), hour = 3600 * INT64_C(1000000);
	const struct take taken[] = { { "unit", "med4", "code 412", now_us - 2 * hour, now_us - hour },
				      { "unit", "sur2", "code 501", now_us - hour, now_us + hour } };

	(void)state;
	guard_close(&g);
	takes(taken, 2, now_us - hour - SECOND_US);
	guard_start();
	assert_int_equal(rows(), 2);
	assert_true(UNTIL(rows() == 1, guard_tick(g)));
	assert_int_equal(directory_remove(g->directory, PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("ana")), OK);
	until_all_is_told();
	guard_close(&g);
	guard_start();
	for (int i = 0; i < 3; i++)
		guard_tick(g);
	guard_close(&g);
	assert_int_equal(recorded(RECORDED(BREAKGLASS_END), "expired while off: code 412").entries, 1);
	assert_int_equal(recorded(RECORDED(BREAKGLASS_END), "taken back: code 501").entries, 1);
	assert_int_equal(recorded(RECORDED(BREAKGLASS_END), "").entries, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_could_not_be_had_without_it_names_it),
		TEST(what_others_gave_is_no_emergency),
		TEST(it_ends_by_itself),
		TEST(it_is_taken_back),
		TEST_STUCK(it_is_taken_back_while_the_record_has_stopped),
		TEST(it_ended_while_no_broker_ran),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

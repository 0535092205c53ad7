/* reads: who reads the record leaves word of it, and the record takes it up. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "own_record.h"

#include "audited.h"
#include "faulty_disk.h"
#include "reader.h"
#include "reads.h"

static const char *beside(const char *more)
{
	static char path[2][160];
	static unsigned at;

	at = !at;
	snprintf(path[at], sizeof(path[at]), "%s/record.reads%s", g.folder, more);
	return path[at];
}

static enum err note_topic(const char *who, const char *topic)
{
	return reads_put(g.path, g.root, &(struct read_note){ .at_us = 1770000000000000, .who = span_str(who),
							       .what = SPAN_LIT("audit search"), .topic = span_str(topic) });
}

static enum err note(const char *who, const char *what, const char *patient)
{
	return reads_put(g.path, g.root, &(struct read_note){ .at_us = 1770000000000000, .who = span_str(who), .as = SPAN_LIT("os:root"),
							       .what = span_str(what), .patient = span_str(patient) });
}

struct seen {
	unsigned entries, failed;
	char actor[65], client[65], detail[201], topic[AUDITED_TOPIC_SHOWN + 1];
	uint8_t patient[PATIENT_PSEUDONYM_BYTES];
	struct patients patients;       /* what made that */
	int64_t at_us;
};

/* Entries of reads in the closed record; what the last of them says. */
static struct seen seen(void)
{
	const Pullcord__V1__AuditEvent *e;
	struct reader *reader = NULL;
	const struct patients *p;
	struct seen s = { 0 };
	struct entry entry;
	uint64_t n;

	assert_good();
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(reader_get(reader, i, &entry, &e), OK);
		if (!e || e->type != TYPE(READ))
			continue;
		s.entries++;
		s.failed += e->outcome == OUTCOME(FAILED);
		snprintf(s.actor, sizeof(s.actor), "%s", e->actor);
		snprintf(s.client, sizeof(s.client), "%s", e->client);
		snprintf(s.detail, sizeof(s.detail), "%s", e->detail);
		snprintf(s.topic, sizeof(s.topic), "%s", e->topic);
		if (e->patient.len == sizeof(s.patient))
			memcpy(s.patient, e->patient.data, sizeof(s.patient));
		s.at_us = (int64_t)e->at_us;
	}
	n = reader_patients(reader, &p);
	s.patients = p[n - 1];
	reader_close(&reader);
	return s;
}

static bool gone(void)
{
	return access(beside(""), F_OK) != 0 && access(beside("-taken"), F_OK) != 0;
}

static void who_read_while_no_broker_ran_is_on_record_when_one_starts(void **state)
{
	uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES];
	struct seen s;
	uint8_t *raw;
	size_t size;

	(void)state;
	record_some(1);
	assert_int_equal(note("os:ana", "audit search --patient ...", "MRN-4711"), OK);
	assert_int_equal(note("os:ben", "audit disclosures", "MRN-4711"), OK);
	raw = slurp(beside(""), &size);
	assert_null(memmem(raw, size, "MRN-4711", 8));
	assert_null(memmem(raw, size, "ana", 3));
	free(raw);
	open_record();
	record_close(&g.record);
	s = seen();
	assert_int_equal(s.entries, 2);
	assert_string_equal(s.actor, "os:ben");
	assert_string_equal(s.client, "os:root");
	assert_string_equal(s.detail, "audit disclosures");
	assert_true(s.at_us == 1770000000000000);
	patient_pseudonym(&s.patients, SPAN_LIT("MRN-4711"), pseudonym);
	assert_memory_equal(s.patient, pseudonym, sizeof(pseudonym));
	assert_true(gone());
	record_some(1);
	assert_int_equal(seen().entries, 2);    /* once */
}

/* As others' topics are: a patient in it is a pseudonym. */
static void the_topic_that_was_asked_for_is_on_record(void **state)
{
	char word[PATIENT_WORD], want[100];
	struct places *places = NULL;
	struct seen s;

	(void)state;
	record_some(1);
	assert_int_equal(places_add(&places, SPAN_LIT("mercy/x/{patient}/y")), OK);
	g.spec.places = places;
	assert_int_equal(note_topic("os:ana", "mercy/x/MRN-4711/+"), OK);
	record_some(1);
	s = seen();
	snprintf(want, sizeof(want), "mercy/x/%s/+", patient_word(&s.patients, SPAN_LIT("MRN-4711"), word));
	assert_string_equal(s.topic, want);
	places_close(&places);
	g.spec.places = NULL;
}

static void who_reads_while_it_runs_is_on_record_soon(void **state)
{
	uint64_t before;

	(void)state;
	open_record();
	push_many(0, 3);
	assert_true(UNTIL(record_durable(g.record) >= 5));
	before = record_durable(g.record);
	assert_int_equal(note("os:ana", "audit tail", ""), OK);
	assert_true(UNTIL(record_durable(g.record) != before));
	assert_true(UNTIL(gone()));
	record_close(&g.record);
	assert_int_equal(seen().entries, 1);
}

/* What a process took and did not finish is taken up by the next, before what came later. */
static void what_was_taken_and_not_written_comes_first(void **state)
{
	(void)state;
	record_some(1);
	assert_int_equal(note("os:ana", "audit tail", ""), OK);
	assert_int_equal(rename(beside(""), beside("-taken")), 0);
	assert_int_equal(note("os:ben", "audit tail", ""), OK);
	open_record();
	assert_true(UNTIL(gone()));
	record_close(&g.record);
	assert_int_equal(seen().entries, 2);
	assert_string_equal(seen().actor, "os:ben");
}

/* The store takes nothing for a while: what was peeked at comes again. */
static void what_found_no_room_is_not_forgotten(void **state)
{
	unsigned before;

	(void)state;
	open_record();
	push_many(0, 3);
	assert_true(UNTIL(record_durable(g.record) >= 5));
	disk_refuses(ENOSPC, g.path);
	assert_int_equal(note("os:ana", "audit tail", ""), OK);
	assert_int_equal(note("os:ben", "audit tail", ""), OK);
	assert_true(UNTIL(access(beside("-taken"), F_OK) == 0));
	before = atomic_load(&disk.refused);
	assert_true(UNTIL(atomic_load(&disk.refused) >= before + 2));   /* the first may be of a checkpoint */
	disk_heals();
	assert_true(UNTIL(gone()));
	record_close(&g.record);
	assert_int_equal(seen().entries, 2);
	assert_int_equal(seen().failed, 0);
}

/* Thousands, more than one batch takes. */
static void many_are_taken_in_several_batches(void **state)
{
	(void)state;
	g.spec.map_bytes = 8 << 20;
	record_some(1);
	for (int i = 0; i < 1500; i++)
		assert_int_equal(note("os:ana", "audit tail", ""), OK);
	open_record();
	assert_true(UNTIL(gone()));
	record_close(&g.record);
	assert_int_equal(seen().entries, 1500);
}

/* Nobody without the root key makes one up, and who damages the file shows. */
static void what_cannot_be_read_is_told(void **state)
{
	uint8_t *raw;
	size_t n;

	(void)state;
	record_some(1);
	assert_int_equal(note("os:ana", "audit tail", ""), OK);
	assert_int_equal(note("os:ben", "audit tail", ""), OK);
	raw = slurp(beside(""), &n);
	raw[n - 1] ^= 1;
	spill(beside(""), raw, n);
	free(raw);
	open_record();
	record_close(&g.record);
	assert_int_equal(seen().entries, 2);
	assert_int_equal(seen().failed, 1);
	assert_true(gone());
	spill(beside(""), (const uint8_t *)"\xff\xff\xff\xffrubbish", 11);
	open_record();
	record_close(&g.record);
	assert_int_equal(seen().failed, 2);
	spill(beside(""), (const uint8_t *)"", 0);
	open_record();
	record_close(&g.record);
	assert_int_equal(seen().entries, 3);
	assert_true(gone());
}

static void where_nobody_may_write_it_cannot_be_noted(void **state)
{
	(void)state;
	record_some(1);
	assert_int_equal(mkdir(beside(""), 0700), 0);
	assert_int_not_equal(note("os:ana", "audit tail", ""), OK);
	open_record();                          /* and stops nothing */
	record_close(&g.record);
	assert_int_equal(rmdir(beside("")), 0);
	assert_int_equal(seen().entries, 0);
}

/* Else the broker could not open it, and nobody else put a note there. */
static void who_may_not_give_it_to_the_owner_leaves_nothing_there(void **state)
{
	pid_t child;
	int how;

	(void)state;
	if (getuid() != 0)
		skip();
	record_some(1);
	assert_int_equal(chmod(g.folder, 0777), 0);
	child = fork();
	if (child == 0)
		_exit(setuid(65534) == 0 && note("os:nobody", "audit tail", "") == ERR_DENIED ? 0 : 1);
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
	assert_int_not_equal(access(beside(""), F_OK), 0);
	assert_int_equal(note("os:ana", "audit tail", ""), OK);
	open_record();
	record_close(&g.record);
	assert_int_equal(seen().entries, 1);
}

static void long_texts_are_cut(void **state)
{
	char text[400];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	record_some(1);
	assert_int_equal(note(text, text, text), OK);
	open_record();
	record_close(&g.record);
	assert_int_equal(strlen(seen().actor), 64);
	assert_int_equal(strlen(seen().detail), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_drop)
		T(who_read_while_no_broker_ran_is_on_record_when_one_starts),
		T(the_topic_that_was_asked_for_is_on_record),
		T(who_reads_while_it_runs_is_on_record_soon),
		T(what_was_taken_and_not_written_comes_first),
		T(what_found_no_room_is_not_forgotten),
		T(many_are_taken_in_several_batches),
		T(what_cannot_be_read_is_told),
		T(where_nobody_may_write_it_cannot_be_noted),
		T(who_may_not_give_it_to_the_owner_leaves_nothing_there),
		T(long_texts_are_cut),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is odd, and how often it is said: rows of what each rule takes, and a plain model that remembers every event. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "anomaly.h"
#include "seed.h"

#define S INT64_C(1000000)
#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define NONE PULLCORD__V1__PARTY__PARTY_NONE

static struct anomaly *a;
static struct anomaly_finding f;

static void open_with(struct anomaly_limits l)
{
	anomaly_close(&a);
	assert_int_equal(anomaly_open(&l, &a), OK);
}

static int up(void **state)
{
	(void)state;
	open_with(anomaly_defaults());
	return 0;
}

static int down(void **state)
{
	(void)state;
	anomaly_close(&a);
	return 0;
}

static void assert_none(int64_t now)
{
	if (anomaly_next(a, now, &f))
		fail_msg("at %lld s: %s: %s", (long long)(now / S), f.code, f.text);
}

static void assert_found(int64_t now, enum anomaly_kind kind, const char *subject, uint64_t count, const char *text)
{
	assert_true(anomaly_next(a, now, &f));
	assert_int_equal(f.kind, kind);
	assert_string_equal(f.subject, subject);
	assert_int_equal(f.count, count);
	if (!strstr(f.text, text))
		fail_msg("%s", f.text);
	assert_none(now);
}

static void guess(const char *address, const char *name, int64_t now)
{
	anomaly_guess(a, span_str(address), span_str(name), now);
}

/* ---- settings ---- */

static void settings_take_what_they_say(void **state)
{
	struct anomaly_limits l = anomaly_defaults(), was = l;
	char right[ANOMALY_TEXT];

	(void)state;
	assert_int_equal(anomaly_set(&l, SPAN_LIT("anomaly_guesses"), SPAN_LIT("3"), right), OK);
	assert_int_equal(l.guesses, 3);
	assert_int_equal(anomaly_set(&l, SPAN_LIT("anomaly_guesses"), SPAN_LIT("0"), right), OK);
	was.guesses = 0;
	assert_int_equal(anomaly_set(&l, SPAN_LIT("anomaly_within"), SPAN_LIT("9"), right), ERR_RANGE);
	assert_string_equal(right, "a whole number from 10 to 86400");
	assert_int_equal(anomaly_set(&l, SPAN_LIT("anomaly_within"), SPAN_LIT("86401"), right), ERR_RANGE);
	assert_int_equal(anomaly_set(&l, SPAN_LIT("anomaly_within"), SPAN_LIT("1m"), right), ERR_RANGE);
	assert_int_equal(anomaly_set(&l, SPAN_LIT("anomaly_"), SPAN_LIT("9"), right), ERR_NOT_FOUND);
	assert_int_equal(anomaly_set(&l, SPAN_LIT("within"), SPAN_LIT("60"), right), ERR_NOT_FOUND);
	assert_memory_equal(&l, &was, sizeof(l));
}

static char *man_page(void)
{
	FILE *file = fopen("tools/man/mosquitto_pullcord.5", "re");
	char *text = calloc(1, 65536);

	assert_true(file && text);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

/* A mistake prints what is missing. */
static void the_manual_says_what_anomaly_def_says(void **state)
{
	static const char *const piece[] = {
#define SETTING(name, min, max, def, unit, text)                                                                      \
		".TP\n.B plugin_opt_anomaly_" #name "\n" text "\\&. " unit ", " #min " to " #max "; default " #def "\\&.\n",
#define ANOMALY(name, priority, code, text) ".TP\n.B " code "\n(" #priority ") " text "\\&.\n",
#include "anomaly.def"
	};
	char *man = man_page();

	(void)state;
	for (size_t i = 0; i < countof(piece); i++)
		if (!strstr(man, piece[i]))
			fail_msg("tools/man/mosquitto_pullcord.5 lacks\n%s", piece[i]);
	free(man);
}

/* ---- rules ---- */

static void passwords_guessed_from_one_address_are_told_once(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		guess("10.0.0.7", name, i * S);
	}
	assert_none(9 * S);
	guess("10.0.0.7", "n9", 9 * S);
	assert_found(9 * S, ANOMALY_GUESSING, "10.0.0.7", 10, "10 wrong passwords from 10.0.0.7 in 9 s");
	assert_int_equal(f.party, NONE);
	assert_int_equal(f.priority, PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM);
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_TPOINT);
	assert_false(f.quiet);
	for (int i = 10; i < 3600; i++)
		guess("10.0.0.7", "n9", i * S);
	assert_none(3600 * S);
	guess("10.0.0.7", "n9", 3609 * S);              /* it goes on for an hour: said again, with what was held back */
	assert_found(3609 * S, ANOMALY_GUESSING, "10.0.0.7", 3591, "from 10.0.0.7");
}

static void one_name_guessed_from_many_addresses_is_told(void **state)
{
	char address[16];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		guess(address, "ana", i * S);
	}
	assert_found(9 * S, ANOMALY_GUESSING, "ana", 10, "for ana");
	assert_int_equal(f.party, USER);
}

/* A nurse who mistypes all day is nobody's business. */
static void slow_failures_are_not_told(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		guess("10.0.0.7", "ana", i * 70 * S);
	assert_none(200 * 70 * S);
}

static void what_is_set_to_0_is_not_looked_for(void **state)
{
	(void)state;
	open_with((struct anomaly_limits){ .within = 600, .again = 3600, .witness = 60, .clock = 2 });
	for (int i = 0; i < 1000; i++) {
		guess("10.0.0.7", "ana", i);
		anomaly_outside(a, SPAN_LIT("ana"), i);
		anomaly_volume(a, USER, SPAN_LIT("ana"), UINT32_MAX - 1, i);
	}
	assert_int_equal(anomaly_volume_limit(a, USER), UINT32_MAX);
	assert_int_equal(anomaly_volume_limit(a, DEVICE), UINT32_MAX);
	assert_none(1000);
}

static void volume_is_measured_by_what_somebody_is(void **state)
{
	(void)state;
	anomaly_volume(a, USER, SPAN_LIT("ana"), 4999, S);
	anomaly_volume(a, DEVICE, SPAN_LIT("nc1"), 19999, S);
	anomaly_volume(a, PULLCORD__V1__PARTY__PARTY_BROKER, SPAN_LIT("pullcord"), 1000000, S);
	assert_none(S);
	anomaly_volume(a, USER, SPAN_LIT("ana"), 5000, S);
	assert_found(S, ANOMALY_VOLUME, "ana", 5000 + 0, "user ana moved 5000 messages");
	anomaly_volume(a, DEVICE, SPAN_LIT("ana"), 20000, S);
	assert_found(S, ANOMALY_VOLUME, "ana", 20000, "device ana moved 20000 messages");
}

static void asking_for_what_is_not_theirs_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++)
		anomaly_outside(a, SPAN_LIT("eve"), i * S);
	assert_none(9 * S);
	anomaly_outside(a, SPAN_LIT("eve"), 9 * S);
	assert_found(9 * S, ANOMALY_OUTSIDE, "eve", 10, "user eve asked 10 times");
}

static void breaking_the_glass_is_told_at_once(void **state)
{
	(void)state;
	anomaly_break_glass(a, SPAN_LIT("root"), S);
	assert_found(S, ANOMALY_BREAK_GLASS, "root", 1, "user root took emergency access");
	anomaly_break_glass(a, SPAN_LIT("root"), 2 * S);
	assert_found(2 * S, ANOMALY_BREAK_GLASS, "root", 1, "(1 time)");        /* each time */
	anomaly_break_glass(a, SPAN_LIT("bea"), 2 * S);
	assert_found(2 * S, ANOMALY_BREAK_GLASS, "bea", 1, "bea");
	anomaly_policy(a, span(NULL, 0), 2 * S);
	assert_found(2 * S, ANOMALY_POLICY, "the policy's file", 1, "not signed was refused: the policy's file (1 time)");
	anomaly_policy(a, SPAN_LIT("root"), 2 * S);
	assert_found(2 * S, ANOMALY_POLICY, "root", 1, "set by user root");
	anomaly_break_glass(a, SPAN_LIT("root"), 3 * S);
	anomaly_break_glass(a, SPAN_LIT("root"), 3 * S);
	assert_found(3 * S, ANOMALY_BREAK_GLASS, "root", 2, "(2 times)");
}

static void a_clock_that_jumps_is_told_and_one_that_is_slewed_is_not(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		anomaly_clock(a, i * S, i * S);         /* a second a second, 1000 s in all */
	assert_none(1000 * S);
	anomaly_clock(a, 999 * S - 2 * S - 1, 1000 * S);
	assert_found(1000 * S, ANOMALY_CLOCK, "clock", 1, "set by -2.0 s");
	assert_int_equal(f.priority, PULLCORD__V1__PRIORITY__PRIORITY_LOW);
	anomaly_clock(a, 999 * S - 2 * S - 1, 1001 * S);
	assert_none(1001 * S);
}

static void witnesses_are_missed_when_there_were_to_be_some(void **state)
{
	(void)state;
	anomaly_witness(a, -1, S);
	assert_none(S);
	anomaly_witness(a, 900 * S, 2 * S);
	assert_none(2 * S);
	anomaly_witness(a, 901 * S, 3 * S);
	assert_found(3 * S, ANOMALY_WITNESS, "", 1, "no witness has cosigned the record for 900 s");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_START);
	anomaly_witness(a, 2000 * S, 1000 * S);
	assert_none(1000 * S);
	anomaly_witness(a, 1 * S, 1001 * S);
	assert_found(1001 * S, ANOMALY_WITNESS, "", 1, "missed any more");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	anomaly_witness(a, 901 * S, 2000 * S);          /* and silent again, within the hour */
	assert_none(2000 * S);
	anomaly_witness(a, 1 * S, 2001 * S);
	assert_none(2001 * S);                          /* what was not told does not end */
	anomaly_witness(a, 901 * S, 3000 * S);
	assert_none(3602 * S);
	assert_found(3603 * S, ANOMALY_WITNESS, "", 1, "no witness");
}

/* It is no news while nobody speaks at all, and then not over either. */
static void fewer_than_a_quorum_are_told(void **state)
{
	(void)state;
	anomaly_witness(a, 1 * S, S);
	anomaly_quorum(a, 1, -1, S);
	anomaly_quorum(a, 2, 900 * S, S);
	assert_none(S);
	anomaly_quorum(a, 2, 901 * S, 2 * S);
	assert_found(2 * S, ANOMALY_QUORUM, "", 1, "for 900 s fewer than 2 witnesses have vouched");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_START);
	anomaly_witness(a, 901 * S, 3 * S);
	anomaly_quorum(a, 2, 902 * S, 3 * S);
	assert_found(3 * S, ANOMALY_WITNESS, "", 1, "no witness has cosigned");
	assert_none(3 * S);
	anomaly_witness(a, 1 * S, 4 * S);
	anomaly_quorum(a, 2, 903 * S, 4 * S);
	assert_found(4 * S, ANOMALY_WITNESS, "", 1, "missed any more");
	assert_none(4 * S);
	anomaly_quorum(a, 2, 1 * S, 5 * S);
	assert_found(5 * S, ANOMALY_QUORUM, "", 1, "enough witnesses vouch");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	anomaly_witness(a, 901 * S, 6000 * S);          /* all at once: one finding */
	anomaly_quorum(a, 2, 901 * S, 6000 * S);
	assert_found(6000 * S, ANOMALY_WITNESS, "", 1, "no witness has cosigned");
	assert_none(6000 * S);
}

/* The others' silence is told for itself, and what is no witness any more is missed by nobody. */
static void one_of_several_witnesses_is_missed_by_name(void **state)
{
	const struct span w1 = SPAN_LIT("mercy/device/nc-1"), w2 = SPAN_LIT("auditor");

	(void)state;
	anomaly_witness(a, 1 * S, S);
	anomaly_witness_named(a, w1, 1 * S, S);
	anomaly_witness_named(a, w2, 900 * S, S);
	assert_none(S);
	anomaly_witness_named(a, w2, 901 * S, 2 * S);
	assert_found(2 * S, ANOMALY_WITNESS, "auditor", 1, "witness auditor has not cosigned the record for 900 s");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_START);
	assert_false(f.quiet);
	anomaly_witness_named(a, w2, 902 * S, 3 * S);
	assert_none(3 * S);
	anomaly_witness(a, 901 * S, 4 * S);             /* all of them: one finding, and not one each */
	anomaly_witness_named(a, w1, 901 * S, 4 * S);
	anomaly_witness_named(a, w2, 903 * S, 4 * S);
	assert_found(4 * S, ANOMALY_WITNESS, "", 1, "no witness has cosigned");
	anomaly_witness(a, 1 * S, 5 * S);
	anomaly_witness_named(a, w1, 1 * S, 5 * S);
	anomaly_witness_named(a, w2, 904 * S, 5 * S);
	assert_found(5 * S, ANOMALY_WITNESS, "", 1, "no witness is missed any more");
	anomaly_witness_named(a, w2, 1 * S, 6 * S);
	assert_found(6 * S, ANOMALY_WITNESS, "auditor", 1, "witness auditor is not missed any more");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	anomaly_witness_named(a, w2, 901 * S, 4000 * S);
	anomaly_witness_named(a, w1, 1 * S, 4000 * S);
	assert_found(4000 * S, ANOMALY_WITNESS, "auditor", 1, "has not cosigned");
	anomaly_witness_named(a, w1, 1 * S, 4011 * S);  /* the other has been taken off the list */
	assert_found(4011 * S, ANOMALY_WITNESS, "auditor", 1, "is not missed any more");
	assert_none(4012 * S);
}

/* A network that is down between them: five are told by name, and their ends, the others are counted. */
static void of_many_that_are_missed_five_are_told(void **state)
{
	unsigned told = 0, quiet = 0;
	char name[16];

	(void)state;
	anomaly_witness(a, 1 * S, S);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 70; i++) {
			snprintf(name, sizeof(name), "w%d", i);
			anomaly_witness_named(a, span_str(name), round ? S : 901 * S, (1 + round) * S);
		}
		while (anomaly_next(a, (1 + round) * S, &f)) {
			told += !f.quiet;
			quiet += f.quiet;
		}
	}
	assert_int_equal(told, 2 * ANOMALY_TOLD);
	assert_int_equal(quiet, 2 * (ANOMALY_WITNESSES - ANOMALY_TOLD));
}

static void a_disk_is_told_when_it_gets_worse_and_when_it_is_over(void **state)
{
	static const struct { unsigned level; int64_t at_s; int phase; int priority; const char *text; } row[] = {
		{ 1, 1, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_LOW, "below 20 %" },
		{ 1, 2, 0, 0, NULL },
		{ 2, 3, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_MEDIUM, "below 10 %" },
		{ 1, 4, 0, 0, NULL },
		{ 2, 5, 0, 0, NULL },
		{ 3, 6, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_HIGH, "below 5 %" },
		{ 0, 7, PULLCORD__V1__PHASE__PHASE_END, PULLCORD__V1__PRIORITY__PRIORITY_LOW, "enough again" },
		{ 1, 8, 0, 0, NULL },
		{ 0, 9, 0, 0, NULL },
		{ 3, 10, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_HIGH, "below 5 %: it stops" },
		{ 3, 11, 0, 0, NULL },
		{ 0, 12, PULLCORD__V1__PHASE__PHASE_END, PULLCORD__V1__PRIORITY__PRIORITY_LOW, "enough again" },
		{ 1, 3601, PULLCORD__V1__PHASE__PHASE_START, PULLCORD__V1__PRIORITY__PRIORITY_LOW, "below 20 %" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		anomaly_disk(a, row[i].level, row[i].at_s * S);
		if (!row[i].text) {
			assert_none(row[i].at_s * S);
			continue;
		}
		assert_found(row[i].at_s * S, ANOMALY_DISK, "", 1, row[i].text);
		assert_int_equal(f.phase, row[i].phase);
		assert_int_equal(f.priority, row[i].priority);
	}
}

static void record_is(enum err why, bool stuck, bool full, int64_t now)
{
	anomaly_record(a, &(struct anomaly_record){ why, stuck, full, 0 }, now);
}

/* Once; what comes and goes within `calm` is one time; and one cause is one kind. */
static void what_holds_the_record_is_told_and_when_it_is_over(void **state)
{
	static const struct { int64_t at_s; enum err why; bool stuck, full; enum anomaly_kind kind; int phase;
		const char *text; } row[] = {
		{ 1, OK, false, false, 0, 0, NULL },
		{ 2, OK, true, false, ANOMALY_RECORD_STUCK, PULLCORD__V1__PHASE__PHASE_START, "writer does nothing" },
		{ 3, OK, true, false, 0, 0, NULL },
		{ 4, OK, true, true, ANOMALY_RECORD_FULL, PULLCORD__V1__PHASE__PHASE_START, "too much waits" },
		{ 5, OK, false, true, 0, 0, NULL },
		{ 6, OK, true, true, 0, 0, NULL },
		{ 7, OK, false, true, 0, 0, NULL },
		{ 16, OK, false, true, 0, 0, NULL },
		{ 17, OK, false, true, ANOMALY_RECORD_STUCK, PULLCORD__V1__PHASE__PHASE_END, "writer goes on" },
		{ 18, OK, false, false, 0, 0, NULL },
		{ 28, OK, false, false, ANOMALY_RECORD_FULL, PULLCORD__V1__PHASE__PHASE_END, "is written" },
		{ 29, OK, true, false, ANOMALY_RECORD_STUCK, PULLCORD__V1__PHASE__PHASE_START, "writer does nothing" },
		{ 30, ERR_IO, true, true, ANOMALY_RECORD_FAILED, PULLCORD__V1__PHASE__PHASE_START, "reading or writing failed" },
		{ 40, ERR_IO, false, true, 0, 0, NULL },        /* it does not go on */
		{ 41, OK, true, false, 0, 0, NULL },
		{ 51, OK, true, false, ANOMALY_RECORD_FAILED, PULLCORD__V1__PHASE__PHASE_END, "is written again" },
		{ 52, OK, false, false, 0, 0, NULL },
		{ 91, OK, false, false, 0, 0, NULL },
		{ 92, OK, false, false, ANOMALY_RECORD_STUCK, PULLCORD__V1__PHASE__PHASE_END, "writer goes on; it was so 2 times in 90 s" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		record_is(row[i].why, row[i].stuck, row[i].full, row[i].at_s * S);
		if (!row[i].text) {
			assert_none(row[i].at_s * S);
			continue;
		}
		assert_found(row[i].at_s * S, row[i].kind, "", 1, row[i].text);
		assert_int_equal(f.phase, row[i].phase);
		assert_int_equal(f.priority, PULLCORD__V1__PRIORITY__PRIORITY_HIGH);
		assert_false(f.quiet);
	}
}

/* A disk that is full and is not, by turns: what was told and when, and that nobody is ever left with a word that is not so. */
struct flapping {
	int64_t now;
	bool open;                      /* the last word was that it has stopped */
	unsigned told;
	uint64_t counted;
	int64_t told_at;
};

static void flap(struct flapping *p, bool stopped, int64_t seconds)
{
	for (int64_t end = p->now + seconds * S; p->now < end; p->now += S) {
		record_is(stopped ? ERR_FULL : OK, false, false, p->now);
		while (anomaly_next(a, p->now, &f)) {
			assert_int_equal(f.kind, ANOMALY_RECORD_FAILED);
			assert_int_equal(f.priority, PULLCORD__V1__PRIORITY__PRIORITY_HIGH);
			assert_false(f.quiet);
			p->open = f.phase == PULLCORD__V1__PHASE__PHASE_START;
			p->counted += p->open ? f.count : 0;
			p->told++;
			p->told_at = p->now;
		}
		assert_true(p->open || !stopped);
	}
}

static void stops_in_a_row_are_one_alert_that_says_how_often(void **state)
{
	struct flapping p = { .now = S };
	unsigned in_an_hour;

	(void)state;
	flap(&p, true, 20);
	flap(&p, false, 20);
	assert_int_equal(p.told, 2);                    /* one stop: it began, and is over */
	flap(&p, true, 20);
	assert_int_equal(p.told, 3);                    /* nobody is left in the belief that it is over */
	for (int i = 2; i < 90; i++) {
		flap(&p, false, 20);
		flap(&p, true, 20);
	}
	in_an_hour = p.told;
	assert_in_range(in_an_hour, 4, 8);
	assert_in_range(p.counted, 45, 90);
	for (int i = 0; i < 23 * 90; i++) {
		flap(&p, false, 20);
		flap(&p, true, 20);
	}
	assert_in_range(p.told, in_an_hour, in_an_hour + 24);
	flap(&p, false, 3599);
	assert_true(p.open);
	flap(&p, false, 2);
	assert_false(p.open);
	assert_non_null(strstr(f.text, "is written again; it was so 2160 times in "));
	flap(&p, false, 3600);
	p.told = 0;
	flap(&p, true, 20);                             /* that is long over: as the first time */
	flap(&p, false, 20);
	assert_int_equal(p.told, 2);
	assert_null(strstr(f.text, "times"));
}

/* In the middle of short ones. */
static void a_stop_that_lasts_is_told(void **state)
{
	struct flapping p = { .now = S };

	(void)state;
	for (int i = 0; i < 60; i++) {
		flap(&p, true, 20);
		flap(&p, false, 20);
	}
	p.told = 0;
	flap(&p, true, 60);
	assert_int_equal(p.told, 0);
	flap(&p, true, 1);
	assert_int_equal(p.told, 1);
	assert_string_equal(f.text, "the record has stopped: there is no room left; 61 times in 41 min");
	flap(&p, true, 600);
	assert_int_equal(p.told, 1);
	for (int i = 0; i < 20; i++) {                  /* and as long as that is nothing new then */
		flap(&p, false, 20);
		flap(&p, true, 620);
	}
	assert_in_range(p.told, 1, 5);
}

/* However it comes and goes: never more than twenty alerts in an hour, nor a last word that is not so (flap() looks). */
static void alerts_of_a_record_that_flaps_have_a_ceiling(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct flapping p = { .now = S };
		int64_t hour[4096];
		unsigned first = 0, before = 0;
		uint64_t most = 5 << seed_below(10);

		open_with(anomaly_defaults());
		while (p.now < 12 * 3600 * S) {
			flap(&p, true, (int64_t)(1 + seed_below(most)));
			for (; before < p.told; before++)
				hour[before] = p.told_at;
			flap(&p, false, (int64_t)(1 + seed_below(most)));
			for (; before < p.told; before++)
				hour[before] = p.told_at;
			while (first < p.told && hour[first] <= p.now - 3600 * S)
				first++;
			assert_in_range(p.told - first, 0, 20);
		}
	}
}

static void gaps_are_told_and_counted(void **state)
{
	(void)state;
	anomaly_record(a, &(struct anomaly_record){ .gaps = 2 }, S);
	assert_found(S, ANOMALY_GAP, "record", 2, "2 gaps in the record");
	anomaly_record(a, &(struct anomaly_record){ .gaps = 2 }, 4000 * S);
	assert_none(4000 * S);
	anomaly_record(a, &(struct anomaly_record){ .gaps = 3 }, 4001 * S);
	assert_found(4001 * S, ANOMALY_GAP, "record", 1, "1 gap in the record");
}

/* A broker that comes back ends what the one before it began, and tells what goes on no second time. */
static void what_was_told_before_a_restart_is_ended(void **state)
{
	(void)state;
	anomaly_was_told(a, ANOMALY_RECORD_FAILED, S);
	anomaly_was_told(a, ANOMALY_RECORD_FULL, S);
	record_is(ERR_FULL, false, false, 2 * S);
	assert_none(11 * S);                            /* written it is not */
	record_is(OK, false, true, 12 * S);
	assert_none(21 * S);
	assert_found(22 * S, ANOMALY_RECORD_FAILED, "", 1, "again");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_int_equal(f.first_us, S);
	record_is(OK, false, false, 23 * S);
	assert_found(33 * S, ANOMALY_RECORD_FULL, "", 1, "is written");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_none(34 * S);
}

/* Nor is it over because the new one has waited for less long. */
static void witnesses_missed_before_a_restart_are_missed_until_they_speak(void **state)
{
	(void)state;
	anomaly_was_told(a, ANOMALY_WITNESS, 2 * S);
	anomaly_witness(a, 2 * S, 3 * S);               /* since the record was opened, a second before */
	assert_none(3 * S);
	anomaly_witness(a, 3 * S, 4 * S);
	assert_none(4 * S);
	anomaly_witness(a, S, 10 * S);
	assert_found(10 * S, ANOMALY_WITNESS, "", 1, "no witness is missed any more");
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	anomaly_witness_was_told(a, SPAN_LIT("w1"), 20 * S);
	anomaly_witness_was_told(a, SPAN_LIT("w2"), 20 * S);
	anomaly_witness_was_told(a, SPAN_LIT(""), 20 * S);
	anomaly_witness_named(a, SPAN_LIT("w1"), 22 * S, 25 * S);
	assert_none(25 * S);
	anomaly_witness_named(a, SPAN_LIT("w1"), 2 * S, 28 * S);
	assert_found(28 * S, ANOMALY_WITNESS, "w1", 1, "witness w1 is not missed any more");
	anomaly_witness_named(a, SPAN_LIT("w1"), 3 * S, 30 * S);
	assert_found(30 * S, ANOMALY_WITNESS, "w2", 1, "witness w2 is not missed any more");     /* it is none now */
	assert_int_equal(f.phase, PULLCORD__V1__PHASE__PHASE_END);
	assert_none(31 * S);
	anomaly_was_told(a, ANOMALY_QUORUM, 40 * S);
	anomaly_quorum(a, 2, 41 * S, 41 * S);
	assert_none(41 * S);
	anomaly_quorum(a, 1, -1, 42 * S);
	assert_found(42 * S, ANOMALY_QUORUM, "", 1, "enough witnesses vouch for the record again");
}

/* ---- one too many is ignored by whoever is tired ---- */

static void many_subjects_are_five_alerts_and_a_number(void **state)
{
	char address[24];
	unsigned told = 0, quiet = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
		for (int k = 0; k < 10; k++)
			guess(address, "", i * S);
		while (anomaly_next(a, i * S, &f)) {
			told += !f.quiet;
			quiet += f.quiet;
		}
	}
	assert_int_equal(told, ANOMALY_TOLD);
	assert_int_equal(quiet, 101 - ANOMALY_TOLD);         /* with that of all together */
	assert_none(3599 * S);
	assert_true(anomaly_next(a, 3600 * S, &f));
	assert_true(f.count >= 950 + 200 && strstr(f.text, "96 more findings"));
	assert_false(f.quiet);
	assert_none(7200 * S);
}

static void flood(int from, int n, int64_t now)
{
	char address[32];

	for (int k = from; k < from + n; k++) {
		snprintf(address, sizeof(address), "fd00::%x:%x", k / 65536, k % 65536);
		anomaly_outside(a, span_str(address), now + k);
	}
}

/* Who comes once does not push out who tries and tries. */
static void a_flood_of_others_hides_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		guess("10.0.0.7", "", i * S);
		flood(i * 400, i ? 5000 : 400, i * S);
	}
	assert_found(10 * S, ANOMALY_GUESSING, "10.0.0.7", 10, "10.0.0.7");
}

/* As much as there is to tell about people, the disk comes first. */
static void a_flood_does_not_hold_up_what_is_about_the_record(void **state)
{
	char name[24];

	(void)state;
	for (int i = 0; i < ANOMALY_ROWS; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		anomaly_break_glass(a, span_str(name), S);
	}
	anomaly_disk(a, 3, S);
	assert_true(anomaly_next(a, S, &f));
	assert_int_equal(f.kind, ANOMALY_DISK);
	assert_true(anomaly_next(a, S, &f));
	assert_int_equal(f.kind, ANOMALY_BREAK_GLASS);
}

/* One password for every name there is, from everywhere. */
static void passwords_sprayed_from_everywhere_are_told(void **state)
{
	char address[32];

	(void)state;
	for (int k = 0; k < 10 * ANOMALY_MANY; k++) {
		assert_none(k);
		snprintf(address, sizeof(address), "fd00::%x", k);
		guess(address, address, k);
	}
	assert_found(S, ANOMALY_GUESSING, "many addresses", 200, "200 wrong passwords from many addresses");
	assert_int_equal(f.party, PULLCORD__V1__PARTY__PARTY_BROKER);
}

/* Every row has something to say that nobody takes: what follows is lost, and nothing breaks. */
static void what_nobody_takes_fills_it(void **state)
{
	char name[24];
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 2 * ANOMALY_ROWS; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		anomaly_break_glass(a, span_str(name), S);
	}
	while (anomaly_next(a, S, &f))
		n++;
	assert_int_equal(n, ANOMALY_ROWS);
	anomaly_break_glass(a, SPAN_LIT("late"), 2 * S);
	assert_true(anomaly_next(a, 2 * S, &f));
	assert_string_equal(f.subject, "late");
}

static void names_are_cut_and_made_printable(void **state)
{
	char name[200];

	(void)state;
	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 10; i++)
		guess(name, "", S);
	assert_true(anomaly_next(a, S, &f));
	assert_int_equal(strlen(f.subject), WORD_BYTES_MAX);
	for (const char *t = f.text; *t; t++)
		assert_in_range(*t, 0x20, 0x7E);
}

/* ---- the model: all events, looked through each time ---- */

#define SUBJECTS 6
#define EVENTS 4000

static struct { int64_t at; bool opens; } seen[SUBJECTS][EVENTS];
static size_t seen_n[SUBJECTS];
static int64_t told_at[SUBJECTS], window_from[SUBJECTS];
static size_t all_from[SUBJECTS];
static bool told_ever[SUBJECTS];

static size_t in_window(size_t s)
{
	size_t n = 0;

	for (size_t i = 0; i < seen_n[s]; i++)
		n += seen[s][i].at >= window_from[s];
	return n;
}

/* True: it is to be told that so many came. */
static bool model_sees(size_t s, int64_t now, const struct anomaly_limits *l, uint64_t *count)
{
	bool muted = told_ever[s] && now - told_at[s] < l->again * S;

	if (seen_n[s] == 0 || now - window_from[s] > l->within * S) {
		window_from[s] = now;
		for (size_t i = 0; i < seen_n[s]; i++)
			seen[s][i].at = seen[s][i].at == now ? now - 1 : seen[s][i].at;
		all_from[s] = muted ? all_from[s] : seen_n[s];
	}
	seen[s][seen_n[s]++].at = now;
	if (in_window(s) < l->outside || muted)
		return false;
	*count = seen_n[s] - all_from[s];
	all_from[s] = seen_n[s];
	told_ever[s] = true;
	told_at[s] = now;
	window_from[s] = now + 0;
	for (size_t i = 0; i < seen_n[s]; i++)
		seen[s][i].at = seen[s][i].at == now ? now - 1 : seen[s][i].at;
	return true;
}

static void it_is_what_a_plain_model_says(void **state)
{
	static const char *const name[SUBJECTS] = { "ana", "bea", "eve", "dan", "root", "x" };
	struct anomaly_limits l = anomaly_defaults();

	(void)state;
	for (int round = 0; round < 30; round++) {
		int64_t now = (int64_t)seed_below(1000000) * S;

		l.outside = 1 + (uint32_t)seed_below(6);
		l.within = 10 + (uint32_t)seed_below(300);
		l.again = 60 + (uint32_t)seed_below(900);
		open_with(l);
		memset(seen_n, 0, sizeof(seen_n));
		memset(told_ever, 0, sizeof(told_ever));
		memset(all_from, 0, sizeof(all_from));
		for (int i = 0; i < 1500; i++) {
			size_t s = seed_below(SUBJECTS);
			uint64_t count = 0;
			bool want, have;

			now += (int64_t)seed_below(seed_below(20) ? 20 : 1000) * S + 1;
			want = model_sees(s, now, &l, &count);
			anomaly_outside(a, span_str(name[s]), now);
			do                              /* what sums up others is not of this model */
				have = anomaly_next(a, now, &f);
			while (have && !f.subject[0]);
			if (want != have || (want && (f.count != count || strcmp(f.subject, name[s]) != 0)))
				fail_msg("round %d, event %d of %s: model %s %llu, it %s %llu of %s", round, i, name[s],
					 want ? "tells" : "is silent", (unsigned long long)count, have ? "tells" : "is silent",
					 (unsigned long long)f.count, f.subject);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		T(settings_take_what_they_say), T(the_manual_says_what_anomaly_def_says),
		T(passwords_guessed_from_one_address_are_told_once), T(one_name_guessed_from_many_addresses_is_told),
		T(slow_failures_are_not_told), T(what_is_set_to_0_is_not_looked_for), T(volume_is_measured_by_what_somebody_is),
		T(asking_for_what_is_not_theirs_is_told), T(breaking_the_glass_is_told_at_once),
		T(a_clock_that_jumps_is_told_and_one_that_is_slewed_is_not), T(witnesses_are_missed_when_there_were_to_be_some),
		T(fewer_than_a_quorum_are_told), T(one_of_several_witnesses_is_missed_by_name), T(of_many_that_are_missed_five_are_told),
		T(a_disk_is_told_when_it_gets_worse_and_when_it_is_over), T(what_holds_the_record_is_told_and_when_it_is_over),
		T(stops_in_a_row_are_one_alert_that_says_how_often), T(a_stop_that_lasts_is_told),
		T(alerts_of_a_record_that_flaps_have_a_ceiling),
		T(gaps_are_told_and_counted), T(what_was_told_before_a_restart_is_ended),
		T(witnesses_missed_before_a_restart_are_missed_until_they_speak), T(many_subjects_are_five_alerts_and_a_number),
		T(a_flood_of_others_hides_nobody),
		T(a_flood_does_not_hold_up_what_is_about_the_record), T(passwords_sprayed_from_everywhere_are_told),
		T(what_nobody_takes_fills_it), T(names_are_cut_and_made_printable),
		T(it_is_what_a_plain_model_says),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

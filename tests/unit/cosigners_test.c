/* cosigners: a witness that asks is given what is signed and the proof of it; what it answers comes under the stored note
 * when its key is listed, and nothing else does. */
#include <stddef.h>
#include <stdint.h>
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

#include "own_record.h"

#include "cosigners.h"
#include "trail.h"

#define NOW 1770000000u

static struct witness {
	const char *name;
	uint8_t secret[SIGN_KEY_BYTES];
	struct cosigner key;
	char vkey[400];
} nc1 = { .name = "mercy/device/nc-1", .secret = { 1 } }, nc2 = { .name = "mercy/device/nc-2", .secret = { 2 } },
  stranger = { .name = "mercy/device/nc-3", .secret = { 3 } };
static char list[128];
static struct record_answer answer;
static struct checkpoint given;

static void witness_make(struct witness *w)
{
	w->key.name = span_str(w->name);
	assert_int_equal(sign_public(w->secret, w->key.pub), OK);
	assert_int_equal(cosigner_write(w->key.name, w->key.pub, w->vkey, sizeof(w->vkey)), OK);
}

static void write_list(const char *text)
{
	FILE *f = fopen(list, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make(void **state)
{
	char text[1000];

	folder_make(state);
	witness_make(&nc1);
	witness_make(&nc2);
	witness_make(&stranger);
	snprintf(list, sizeof(list), "%s/witnesses", g.folder);
	snprintf(text, sizeof(text), "# gateways\n%s\n%s\n", nc1.vkey, nc2.vkey);
	write_list(text);
	g.spec.witnesses_path = list;
	return 0;
}

static void wait_signed(uint64_t least)
{
	char note[NOTE_BYTES_MAX];
	uint64_t size = least - 1;

	(void)UNTIL(record_checkpoint(g.record, &size, note, sizeof(note)));
	assert_true(size >= least);
}

static void open_with(uint64_t entries)
{
	open_record();
	push_many(0, entries);
	wait_signed(entries);
}

static bool answered(void) { return UNTIL(record_witness_answer(g.record, &answer)); }

/* What a witness that has seen the first `size` makes of what it is given. */
static enum witness_kind asks(const char *who, const struct witnessed *last)
{
	const struct cosigner log = { SPAN_LIT(RECORDING_ORIGIN), { 0 } };
	struct cosigner of = log;
	struct witness_request r;

	memcpy(of.pub, g.pub, sizeof(of.pub));
	assert_true(record_witness_asks(g.record, span_str(who), last->size));
	assert_true(answered());
	assert_string_equal(answer.who, who);
	assert_int_equal(witness_read(span(answer.body, answer.n), &r), OK);
	return witness_judge(last, &of, &r, true, &given);
}

static struct span note_given(void)
{
	struct witness_request r;

	assert_int_equal(witness_read(span(answer.body, answer.n), &r), OK);
	return r.note;
}

static struct put cosign(const struct witness *w, uint8_t *line, size_t cap)
{
	struct put out = put(line, cap);

	assert_int_equal(note_cosign(note_given(), w->key.name, w->secret, NOW, &out), OK);
	return out;
}

static void says(const struct witness *w)
{
	uint8_t line[COSIGNATURE_LINE_MAX];
	struct put out = cosign(w, line, sizeof(line));

	assert_true(record_witness_says(g.record, span_str(w->name), put_span(&out)));
}

/* What the writer was told before this is done after it. */
static void writer_is_done(void)
{
	assert_true(record_witness_asks(g.record, SPAN_LIT("last"), 0));
	do
		assert_true(answered());
	while (strcmp(answer.who, "last") != 0);
}

/* Closes the record: one process opens a store once. */
static enum err is_under(uint64_t size, const struct witness *w)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct checkpoint_row row;
	uint64_t when;

	record_close(&g.record);
	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_checkpoint(view, size - 1, &row), OK);
	assert_int_equal(row.size, size);
	return note_cosigned(row.note, &w->key, &when);
}

/* ---- */

static void who_asks_is_given_the_newest_and_its_proof(void **state)
{
	struct witnessed last = { 0 }, first;

	(void)state;
	open_with(10);
	assert_int_equal(asks("nc-1", &last), WITNESS_ACCEPTED);
	assert_true(given.size >= 10);
	first = (struct witnessed){ given.size, given.root };
	record_close(&g.record);
	open_record();                  /* another round */
	push_many(10, 290);
	wait_signed(first.size + 290);
	assert_int_equal(asks("nc-2", &first), WITNESS_ACCEPTED);
	assert_true(given.size > first.size);
}

/* Else each would cosign another, and none would have two. */
static void who_asks_within_a_minute_is_given_the_same(void **state)
{
	struct witnessed last = { 0 };
	uint64_t first;

	(void)state;
	open_with(10);
	assert_int_equal(asks("nc-1", &last), WITNESS_ACCEPTED);
	first = given.size;
	last = (struct witnessed){ given.size, given.root };
	push_many(10, 10);
	wait_signed(first + 10);
	assert_int_equal(asks("nc-2", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	assert_int_equal(given.size, first);
	assert_int_equal(asks("nc-1", &last), WITNESS_ACCEPTED);         /* it may say so again */
	last.size = first + 1;                                          /* but who has seen more is not left waiting */
	(void)asks("nc-1", &last);
	assert_true(given.size >= first + 10);
	last.size = UINT64_MAX;                                         /* nor does anybody keep the others apart */
	assert_int_equal(asks("nc-1", &last), WITNESS_REWIND);
	assert_int_equal(asks("nc-2", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	assert_int_equal(given.size, first);
}

static void who_has_seen_more_than_there_is_learns_it(void **state)
{
	struct witnessed last = { .size = 1000000 };

	(void)state;
	open_with(10);
	assert_int_equal(asks("nc-1", &last), WITNESS_REWIND);
}

static void what_listed_witnesses_say_comes_under_the_note(void **state)
{
	uint64_t size;

	(void)state;
	open_with(10);
	assert_int_equal(record_witnesses(g.record).listed, 2);
	assert_int_equal(record_witnesses(g.record).size, 0);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	size = given.size;
	says(&nc1);
	says(&stranger);
	says(&nc2);
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).size, size);
	assert_int_equal(is_under(size, &nc1), OK);
	assert_int_equal(is_under(size, &nc2), OK);
	assert_int_equal(is_under(size, &stranger), ERR_NOT_FOUND);
	assert_good();
	open_record();
	assert_int_equal(is_under(size, &nc1), OK);
}

static int64_t mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* However slow the machine: what is said later cannot have been silent for as long as the record is open. */
static enum err verify_for(const struct witnesses *w)
{
	struct verify_spec spec = recording_verify(&g);

	spec.witnesses = w;
	return verify_record(&spec, &report);
}

static void verification_says_who_cosigned_how_much(void **state)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	struct witnesses w = { 2, { nc1.key, stranger.key } };
	uint8_t text[NOTE_BYTES_MAX];
	struct put forged = put(text, sizeof(text));

	(void)state;
	open_with(10);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	put_bytes(&forged, note_given());
	writer_is_done();
	push_many(10, 10);
	record_close(&g.record);
	assert_int_equal(verify_for(&w), OK);
	assert_int_equal(report.cosigned[0].size, given.size);
	assert_int_equal(report.cosigned[0].time_s, NOW);
	assert_true(report.cosigned[0].at_us > 0 && report.cosigned[0].at_us < report.signed_us);
	assert_int_equal(report.cosigned[1].size, 0);
	assert_true(report.entries > given.size);
	/* Somebody puts a line of theirs under it that they never made. */
	assert_int_equal(note_cosign(put_span(&forged), stranger.key.name, stranger.secret, NOW, &forged), OK);
	text[forged.n - 6] ^= text[forged.n - 6] == 'A' ? 'A' ^ 'B' : text[forged.n - 6] ^ 'A';
	assert_int_equal(trail_open(g.path, g.spec.map_bytes, false, &t), OK);
	assert_int_equal(trail_cosign(t, given.size, put_span(&forged), true), OK);
	trail_close(&t);
	assert_int_equal(verify_for(NULL), OK);
	assert_int_equal(verify_for(&w), ERR_CORRUPT);
	assert_string_equal(report.part, "checkpoint");
	assert_int_equal(report.index, given.size);
}

static void silence_ends_with_a_cosignature(void **state)
{
	int64_t opened_us, silent_us;

	(void)state;
	open_record();
	opened_us = mono_us();
	push_many(0, 10);
	wait_signed(10);
	usleep(50000);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&stranger);
	writer_is_done();
	silent_us = record_witnesses(g.record).silent_us;
	assert_true(silent_us >= 50000);                /* nobody who counts has spoken */
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	writer_is_done();
	silent_us = record_witnesses(g.record).silent_us;
	assert_true(silent_us <= mono_us() - opened_us - 50000);
}

static int64_t silence_of(const char *name)
{
	struct record_witness one;

	for (unsigned i = 0; record_witness(g.record, i, &one); i++)
		if (strcmp(one.name, name) == 0)
			return one.silent_us;
	return -1;
}

static void who_is_silent_is_known_by_name(void **state)
{
	int64_t opened_us;

	(void)state;
	open_with(10);
	opened_us = mono_us();
	usleep(50000);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	writer_is_done();
	assert_true(silence_of(nc1.name) >= 0 && silence_of(nc1.name) <= mono_us() - opened_us - 50000);
	assert_true(silence_of(nc2.name) >= 50000);
	assert_true(silence_of("nobody") < 0);
	record_turn(g.record);                  /* the same list again: who was silent is so still */
	writer_is_done();
	assert_true(silence_of(nc2.name) >= 50000);
}

static void a_quorum_vouches_for_what_enough_have_cosigned(void **state)
{
	struct record_witnesses w;
	int64_t opened_us;

	(void)state;
	open_with(10);
	opened_us = mono_us();
	usleep(50000);
	assert_int_equal(record_witnesses(g.record).quorum, 2);         /* of two */
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	says(&nc1);
	says(&stranger);
	writer_is_done();
	w = record_witnesses(g.record);
	assert_true(w.size == given.size && w.quorum_size == 0 && w.quorum_silent_us >= 50000);
	says(&nc2);
	writer_is_done();
	w = record_witnesses(g.record);
	assert_int_equal(w.quorum_size, given.size);
	assert_true(w.quorum_silent_us <= mono_us() - opened_us - 50000);
	record_turn(g.record);                  /* the same list again takes nothing back */
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).quorum_size, given.size);
}

/* As it was set, also while fewer are listed: then it is never reached. */
static void a_quorum_can_be_set(void **state)
{
	(void)state;
	g.spec.quorum = 1;
	open_with(10);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).quorum_size, given.size);
	record_close(&g.record);
	g.spec.quorum = 3;
	open_record();
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	says(&nc2);
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).quorum, 3);
	assert_int_equal(record_witnesses(g.record).quorum_size, 0);
	g.spec.quorum = 0;
}

static void a_note_has_one_line_of_each(void **state)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct checkpoint_row row;
	unsigned lines = 0;

	(void)state;
	open_with(10);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&nc1);
	says(&nc1);
	says(&nc1);
	writer_is_done();
	record_close(&g.record);
	assert_int_equal(trail_open(g.path, 1 << 20, true, &t), OK);
	assert_int_equal(trail_view(t, &view), OK);
	assert_int_equal(view_checkpoint(view, given.size - 1, &row), OK);
	for (size_t i = 0; i < row.note.n; i++)
		lines += row.note.p[i] == '\n';
	assert_int_equal(lines, 3 + 1 + 2);
}

/* A line is a line: nothing rides along with it, and none that was changed counts. */
static void what_is_no_line_of_theirs_is_dropped(void **state)
{
	uint8_t text[2 * COSIGNATURE_LINE_MAX];
	struct put out;

	(void)state;
	open_with(10);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	out = cosign(&nc1, text, sizeof(text));
	put_str(&out, "\xe2\x80\x94 mercy/audit/main AAAA\n");
	assert_true(record_witness_says(g.record, SPAN_LIT("a"), put_span(&out)));
	out = cosign(&nc1, text, sizeof(text));
	assert_true(record_witness_says(g.record, SPAN_LIT("b"), span(text, out.n - 1)));
	text[out.n - 20] ^= 1;
	assert_true(record_witness_says(g.record, SPAN_LIT("c"), put_span(&out)));
	assert_true(record_witness_says(g.record, SPAN_LIT("d"), SPAN_LIT("\n")));
	assert_false(record_witness_says(g.record, SPAN_LIT("nc-1"), SPAN_LIT("")));
	assert_false(record_witness_says(g.record, SPAN_LIT("nc-1"), span(text, COSIGNATURE_LINE_MAX + 1)));
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).size, 0);
	assert_int_equal(is_under(given.size, &nc1), ERR_NOT_FOUND);
}

static void the_list_is_read_again_and_a_bad_one_is_not_taken(void **state)
{
	char text[1000];

	(void)state;
	open_with(10);
	snprintf(text, sizeof(text), "%s\nsomething else\n", stranger.vkey);
	write_list(text);
	record_turn(g.record);
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).trouble, ERR_SYNTAX);
	assert_int_equal(record_witnesses(g.record).line, 2);
	assert_int_equal(record_witnesses(g.record).listed, 2);
	snprintf(text, sizeof(text), "%s\n", stranger.vkey);
	write_list(text);
	record_turn(g.record);
	writer_is_done();
	assert_int_equal(record_witnesses(g.record).trouble, OK);
	assert_int_equal(record_witnesses(g.record).listed, 1);
	assert_int_equal(asks("nc-3", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	says(&stranger);
	says(&nc1);
	writer_is_done();
	assert_int_equal(is_under(given.size, &stranger), OK);
	assert_int_equal(is_under(given.size, &nc1), ERR_NOT_FOUND);
	unlink(list);
	open_record();
	assert_int_equal(record_witnesses(g.record).listed, 0);
	assert_int_equal(record_witnesses(g.record).trouble, OK);
}

/* Nobody takes the answers: questions are turned away, and nothing waits for anything. */
static void too_many_questions_are_turned_away(void **state)
{
	unsigned taken = 0;
	char who[16];

	(void)state;
	open_with(10);
	for (int i = 0; i < 1000; i++) {
		snprintf(who, sizeof(who), "nc-%d", i);
		taken += record_witness_asks(g.record, span_str(who), 0);
	}
	assert_true(taken >= 64 && taken < 1000);
	push_many(10, 1000);
	wait_signed(1000);              /* the writer writes on */
	for (unsigned i = 0; i < taken; i++)
		assert_true(answered());
	assert_int_equal(asks("nc-2", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
}

/* One that asks and asks keeps nobody else from being heard. */
static void one_witness_takes_one_place(void **state)
{
	bool other = false;

	(void)state;
	open_with(10);
	for (int i = 0; i < 10000; i++)
		assert_true(record_witness_asks(g.record, SPAN_LIT("nc-1"), 0));
	assert_true(record_witness_asks(g.record, SPAN_LIT("nc-2"), 0));
	while (!other && answered())
		other = strcmp(answer.who, "nc-2") == 0;
	assert_true(other);
}

/* A witness that has said something else each time the writer has looked. */
static struct { struct cosigners *to; unsigned left; bool busy; } flood;

__attribute__((visibility("default"))) int pthread_mutex_unlock(pthread_mutex_t *m)
{
	static int (*unlock)(pthread_mutex_t *);
	int code;

	if (!unlock)
		unlock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_unlock");
	code = unlock(m);
	if (flood.left && !flood.busy) {
		flood.busy = true;
		flood.left--;
		(void)cosigners_say(flood.to, SPAN_LIT("nc-1"), SPAN_LIT("nothing\n"));
		flood.busy = false;
	}
	return code;
}

/* Each may cost the check of a signature: the record is written on between them. */
static void who_says_and_says_is_heard_once_a_time(void **state)
{
	(void)state;
	assert_int_equal(cosigners_open(list, 0, &flood.to), OK);
	flood.left = 1000;
	assert_true(cosigners_say(flood.to, SPAN_LIT("nc-1"), SPAN_LIT("nothing\n")));
	assert_int_equal(cosigners_serve(flood.to, NULL, 0), OK);
	assert_true(flood.left >= 990 && cosigners_waiting(flood.to));
	flood.left = 0;
	cosigners_close(&flood.to);
}

/* Twenty lines or so are all that a note has room for; the record itself must not mind. */
static void a_full_note_takes_no_more(void **state)
{
	static char text[WITNESSES_MAX * 200];
	static struct witness many[40];
	char names[40][32];
	unsigned under = 0;

	(void)state;
	text[0] = '\0';
	for (size_t i = 0; i < countof(many); i++) {
		snprintf(names[i], sizeof(names[i]), "mercy/device/gw-%zu", i);
		many[i] = (struct witness){ .name = names[i], .secret = { 9, (uint8_t)i } };
		witness_make(&many[i]);
		strcat(strcat(text, many[i].vkey), "\n");
	}
	write_list(text);
	open_with(10);
	assert_int_equal(asks("nc-1", &(struct witnessed){ 0 }), WITNESS_ACCEPTED);
	for (size_t i = 0; i < countof(many); i++)
		says(&many[i]);
	writer_is_done();
	for (size_t i = 0; i < countof(many); i++)
		under += is_under(given.size, &many[i]) == OK;
	assert_true(under >= 15 && under < countof(many));
	assert_good();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make, folder_drop)
		CASE(who_asks_is_given_the_newest_and_its_proof), CASE(who_asks_within_a_minute_is_given_the_same),
		CASE(who_has_seen_more_than_there_is_learns_it), CASE(what_listed_witnesses_say_comes_under_the_note),
		CASE(verification_says_who_cosigned_how_much), CASE(silence_ends_with_a_cosignature),
		CASE(who_is_silent_is_known_by_name), CASE(a_quorum_vouches_for_what_enough_have_cosigned),
		CASE(a_quorum_can_be_set), CASE(a_note_has_one_line_of_each),
		CASE(what_is_no_line_of_theirs_is_dropped), CASE(the_list_is_read_again_and_a_bad_one_is_not_taken),
		CASE(too_many_questions_are_turned_away), CASE(one_witness_takes_one_place),
		CASE(who_says_and_says_is_heard_once_a_time), CASE(a_full_note_takes_no_more),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

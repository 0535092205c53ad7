/* gossip: a log that shows two witnesses two histories is found out by either who hears of the other; one that keeps them from
 * hearing each other is found out by the silence; and nothing that is forged, old or somebody else's counts. */
#include "signed_log.h"

#include <stdio.h>

#include "gossip.h"

#define NOW_S 1770000000u
#define MINUTE_MS 60000

static struct signed_log l, other;
static struct cosigner who[6];
static uint8_t secret[6][SIGN_KEY_BYTES];
static struct witnesses list;
static struct gossip g;
static struct witnessed own;
static uint8_t raw[WITNESS_BODY_MAX], said[GOSSIP_NOTE_MAX];
static int64_t now;

/* who[0] are we. */
static void begin_with(size_t n)
{
	static char name[6][32];

	list.n = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(name[i], sizeof(name[i]), "mercy/device/nc-%zu", i);
		secret[i][0] = (uint8_t)(i + 1);
		who[i].name = span_str(name[i]);
		assert_int_equal(sign_public(secret[i], who[i].pub), OK);
		list.of[i] = who[i];
	}
	memset(&g, 0, sizeof(g));
	gossip_init(&g, &list, &l.key, who[0].pub);
	own = (struct witnessed){ 0 };
	now = 1000;
}

static int make(void **state)
{
	(void)state;
	if (crypt_init() != OK)
		return -1;
	log_fork(&l, &other);
	begin_with(2);
	return 0;
}

static struct checkpoint at(struct signed_log *log, uint64_t size, struct witness_request *r)
{
	struct checkpoint c;

	assert_int_equal(witness_read(log_body(log, 0, size, raw), r), OK);
	assert_int_equal(note_open(r->note, log->key.name, log->key.pub, &c), OK);
	return c;
}

static void we_vouch_for(struct signed_log *log, uint64_t size)
{
	struct witness_request r;
	struct checkpoint c = at(log, size, &r);

	own = (struct witnessed){ c.size, c.root };
}

/* What witness i says of it. */
static struct span word(size_t i, struct signed_log *log, uint64_t size, uint64_t time_s)
{
	uint8_t text[COSIGNATURE_LINE_MAX];
	struct put line = put(text, sizeof(text)), out = put(said, sizeof(said));
	struct witness_request r;

	(void)at(log, size, &r);
	assert_int_equal(note_cosign(r.note, who[i].name, secret[i], time_s, &line), OK);
	assert_int_equal(gossip_write(r.note, &log->key, put_span(&line), &out), OK);
	return put_span(&out);
}

static enum gossip_word hears(size_t i, struct signed_log *log, uint64_t size)
{
	return gossip_hear(&g, word(i, log, size, NOW_S + (uint64_t)now / 1000), NOW_S + (uint64_t)now / 1000);
}

static bool is_heard(void) { return gossip_heard_ms(&g) == now; }

static enum witness_kind answers(struct signed_log *log, uint64_t old, uint64_t size, const struct gossip_peer **against)
{
	return gossip_prove(&g, &own, log_body(log, old, size, raw), now, against);
}

/* ---- */

static void the_same_tree_is_the_same_tree(void **state)
{
	(void)state;
	assert_int_equal(gossip_heard_ms(&g), 0);
	we_vouch_for(&l, 300);
	assert_int_equal(hears(1, &l, 300), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_true(is_heard());
	assert_int_equal(gossip_wants(&g, &own), 0);
}

static void two_trees_of_one_size_are_a_fork(void **state)
{
	const struct gossip_peer *p;

	(void)state;
	we_vouch_for(&l, 300);
	assert_int_equal(hears(1, &other, 300), GOSSIP_NEWS);
	p = gossip_compare(&g, &own, now);
	assert_non_null(p);
	assert_true(span_eq(p->key.name, who[1].name));
	assert_true(span_eq(span(p->note, p->note_n), span(said, p->note_n)));
	assert_false(is_heard());
}

static void a_smaller_tree_is_proved_to_be_the_beginning_of_ours(void **state)
{
	const struct gossip_peer *p;

	(void)state;
	we_vouch_for(&l, 300);
	assert_int_equal(hears(1, &l, 120), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_false(is_heard());
	assert_int_equal(gossip_wants(&g, &own), 120);
	assert_int_equal(answers(&l, 120, 300, &p), WITNESS_ACCEPTED);
	assert_null(p);
	assert_true(is_heard());
	assert_int_equal(gossip_wants(&g, &own), 0);
}

static void a_smaller_tree_of_another_history_is_a_fork(void **state)
{
	const struct gossip_peer *p;

	(void)state;
	for (unsigned lies = 0; lies < 2; lies++) {
		begin_with(2);
		we_vouch_for(&l, 300);
		assert_int_equal(hears(1, &other, 120), GOSSIP_NEWS);
		assert_null(gossip_compare(&g, &own, now));
		assert_int_equal(gossip_wants(&g, &own), 120);
		/* What it shows them, or what it shows us: neither goes together with the other. */
		assert_true(witness_contradicts(answers(lies ? &other : &l, 120, 300, &p), true));
		assert_ptr_equal(p, lies ? NULL : &g.of[0]);
		assert_false(is_heard());
	}
}

static void a_larger_tree_waits_until_ours_has_grown(void **state)
{
	const struct gossip_peer *p;

	(void)state;
	we_vouch_for(&l, 300);
	assert_int_equal(hears(1, &l, 400), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_int_equal(gossip_wants(&g, &own), 0);
	assert_false(is_heard());
	we_vouch_for(&l, 500);
	assert_null(gossip_compare(&g, &own, now));
	assert_int_equal(gossip_wants(&g, &own), 400);
	assert_int_equal(answers(&l, 400, 500, &p), WITNESS_ACCEPTED);
	assert_true(is_heard());
}

/* Another minute's checkpoint, garbage, nothing: neither settles nor accuses, and is not asked for again and again. */
static void an_answer_that_does_not_meet_our_tree_leaves_it_open(void **state)
{
	const struct gossip_peer *p;

	(void)state;
	we_vouch_for(&l, 300);
	assert_int_equal(hears(1, &l, 120), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_int_equal(answers(&l, 110, 300, &p), WITNESS_MALFORMED);
	assert_int_equal(gossip_prove(&g, &own, SPAN_LIT("no body"), now, &p), WITNESS_MALFORMED);
	assert_int_equal(gossip_wants(&g, &own), 120);
	assert_int_equal(answers(&l, 120, 310, &p), WITNESS_TOO_OLD);
	assert_int_equal(gossip_wants(&g, &own), 0);
	assert_false(is_heard());
	we_vouch_for(&l, 310);
	assert_null(gossip_compare(&g, &own, now));
	assert_int_equal(gossip_wants(&g, &own), 120);
	assert_int_equal(answers(&l, 120, 310, &p), WITNESS_ACCEPTED);
	assert_true(is_heard());
}

static void one_proof_settles_all_who_say_the_same(void **state)
{
	const struct gossip_peer *p;

	(void)state;
	begin_with(5);
	we_vouch_for(&l, 300);
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(hears(i, &l, 120), GOSSIP_NEWS);
	assert_int_equal(answers(&l, 120, 300, &p), WITNESS_ACCEPTED);
	assert_int_equal(gossip_wants(&g, &own), 0);
	assert_true(is_heard());
}

static void who_is_not_listed_says_nothing(void **state)
{
	struct signed_log forged = other;
	struct span w;

	(void)state;
	begin_with(3);
	list.n = 2;
	gossip_init(&g, &list, &l.key, who[0].pub);
	we_vouch_for(&l, 300);
	assert_int_equal(hears(2, &l, 300), GOSSIP_STRANGE);
	assert_int_equal(hears(0, &l, 300), GOSSIP_STRANGE);    /* ourselves */
	forged.secret[0] ^= 1;
	assert_int_equal(sign_public(forged.secret, forged.key.pub), OK);
	assert_int_equal(hears(1, &forged, 300), GOSSIP_STRANGE);
	w = word(1, &l, 300, NOW_S);
	for (size_t i = 0; i < w.n; i++) {
		said[i] ^= 1;
		assert_int_equal(gossip_hear(&g, w, NOW_S), GOSSIP_STRANGE);
		said[i] ^= 1;
		assert_int_equal(gossip_hear(&g, span(w.p, i), NOW_S), GOSSIP_STRANGE);
	}
	assert_int_equal(gossip_hear(&g, w, NOW_S), GOSSIP_NEWS);
}

static void what_is_repeated_or_old_is_no_sign_of_life(void **state)
{
	(void)state;
	we_vouch_for(&l, 300);
	assert_int_equal(gossip_hear(&g, word(1, &l, 300, NOW_S - GOSSIP_FRESH_S - 1), NOW_S), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_false(is_heard());
	assert_int_equal(gossip_hear(&g, word(1, &l, 300, NOW_S + GOSSIP_FRESH_S + 1), NOW_S), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_false(is_heard());
	assert_int_equal(hears(1, &l, 300), GOSSIP_NEWS);       /* their clock was mended */
	assert_null(gossip_compare(&g, &own, now));
	assert_true(is_heard());
	now += MINUTE_MS;
	assert_int_equal(gossip_hear(&g, word(1, &l, 300, NOW_S + 1), NOW_S + 61), GOSSIP_REPEATED);
	assert_null(gossip_compare(&g, &own, now));
	assert_false(is_heard());
}

/* Of the two parts of any partition one is no majority. */
static void less_than_a_majority_is_silence(void **state)
{
	static const size_t needed[] = { [2] = 1, [3] = 1, [4] = 2, [5] = 2, [6] = 3 };

	(void)state;
	for (size_t n = 2; n <= 6; n++) {
		begin_with(n);
		we_vouch_for(&l, 300);
		for (size_t i = 1; i < n; i++) {
			assert_int_equal(hears(i, &l, 300), GOSSIP_NEWS);
			assert_null(gossip_compare(&g, &own, now));
			assert_int_equal(is_heard(), i >= needed[n]);
		}
		now += MINUTE_MS;
		for (size_t i = 1; i < needed[n]; i++) {
			assert_int_equal(hears(i, &l, 300), GOSSIP_NEWS);
			assert_null(gossip_compare(&g, &own, now));
		}
		assert_int_equal(gossip_heard_ms(&g), now - MINUTE_MS);
	}
	begin_with(1);
	assert_true(gossip_heard_ms(&g) == INT64_MAX);
}

/* Lines of others stand under a checkpoint, of signatures of kinds that we do not know, too. */
static void only_what_the_log_signed_is_handed_on(void **state)
{
	uint8_t text[NOTE_BYTES_MAX], line[COSIGNATURE_LINE_MAX], out[GOSSIP_NOTE_MAX];
	struct put note = put(text, sizeof(text)), cosigned = put(line, sizeof(line)), w = put(out, sizeof(out));
	struct witness_request r;

	(void)state;
	(void)at(&l, 70, &r);
	put_bytes(&note, r.note);
	put_str(&note, "\u2014 hospital.example/audit/main AAAA\n");
	assert_int_equal(note_cosign(put_span(&note), who[1].name, secret[1], NOW_S, &note), OK);
	assert_int_equal(note_cosign(put_span(&note), who[0].name, secret[0], NOW_S, &cosigned), OK);
	assert_int_equal(gossip_write(put_span(&note), &l.key, put_span(&cosigned), &w), OK);
	assert_true(w.n == r.note.n + cosigned.n);
	assert_memory_equal(out, r.note.p, r.note.n);
	w.n = 0;
	assert_int_equal(gossip_write(put_span(&note), &who[1], put_span(&cosigned), &w), ERR_SYNTAX);
}

/* ---- evidence ---- */

static uint8_t shown[GOSSIP_BYTES_MAX];

/* Witness i had seen a log of that size, and got the other, with the proof that goes with it. */
static struct span shows(size_t i, struct signed_log *had, uint64_t had_size, struct signed_log *got, uint64_t got_size)
{
	static uint8_t body[WITNESS_BODY_MAX];
	struct put out = put(shown, sizeof(shown));
	struct witness_request r;

	(void)at(had, had_size, &r);
	assert_int_equal(gossip_write_evidence(r.note, log_body(got, had_size < got_size ? had_size : got_size, got_size, body),
					       &l.key, who[i].name, secret[i], &out), OK);
	return put_span(&out);
}

static void what_convicts_by_itself_is_believed(void **state)
{
	struct gossip_evidence e;
	struct witness_request r;
	struct checkpoint had, got;

	(void)state;
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &other, 300), &e), WITNESS_FORK);
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &other, 500), &e), WITNESS_FORK);
	assert_int_equal(witness_read(e.got, &r), OK);
	assert_int_equal(note_open(e.had, l.key.name, l.key.pub, &had), OK);
	assert_int_equal(note_open(r.note, l.key.name, l.key.pub, &got), OK);
	assert_true(had.size == 300 && got.size == 500);
}

/* What a witness could sign that writes it by itself: of that note and that body, whoever signed them. */
static struct span invented(struct signed_log *had, struct signed_log *got)
{
	static uint8_t body[WITNESS_BODY_MAX], text[GOSSIP_BYTES_MAX];
	struct put what = put(text, sizeof(text)), out = put(shown, sizeof(shown));
	struct witness_request r;

	(void)at(had, 300, &r);
	put_fmt(&what, "pullcord/evidence/v1\nhad %zu\n%.*s%.*s", r.note.n, SPAN_FMT(r.note), SPAN_FMT(log_body(got, 300, 300, body)));
	put_bytes(&out, put_span(&what));
	put_str(&out, "\n");
	assert_int_equal(note_sign(put_span(&what), who[1].name, secret[1], &out), OK);
	return put_span(&out);
}

static void both_notes_are_to_be_the_logs(void **state)
{
	struct signed_log forger = other;
	struct gossip_evidence e;

	(void)state;
	forger.secret[0] ^= 1;
	assert_int_equal(sign_public(forger.secret, forger.key.pub), OK);
	assert_int_equal(gossip_hear_evidence(&g, invented(&l, &other), &e), WITNESS_FORK);
	assert_int_equal(gossip_hear_evidence(&g, invented(&forger, &l), &e), WITNESS_BAD_SIGNATURE);
	assert_int_equal(gossip_hear_evidence(&g, invented(&l, &forger), &e), WITNESS_BAD_SIGNATURE);
	assert_int_equal(g.of[0].said.size, 0);
}

static void evidence_that_is_forged_or_nobodys_is_none(void **state)
{
	struct gossip_evidence e;
	struct span s;

	(void)state;
	begin_with(3);
	g.n = 1;                        /* the third is on no list */
	assert_int_equal(gossip_hear_evidence(&g, shows(2, &l, 300, &other, 300), &e), WITNESS_MALFORMED);
	s = shows(1, &l, 300, &other, 300);
	for (size_t i = 0; i < s.n; i += 3) {
		shown[i] ^= 1;
		assert_int_not_equal(gossip_hear_evidence(&g, s, &e), WITNESS_FORK);
		shown[i] ^= 1;
	}
	assert_int_equal(gossip_hear_evidence(&g, s, &e), WITNESS_FORK);
	assert_int_equal(gossip_hear_evidence(&g, span(s.p, s.n - 1), &e), WITNESS_MALFORMED);

	/* A witness that lies: of one history. */
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &l, 300), &e), WITNESS_ACCEPTED);
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &l, 500), &e), WITNESS_ACCEPTED);
}

static void no_evidence_is_written_of_what_the_log_did_not_sign(void **state)
{
	static uint8_t body[WITNESS_BODY_MAX];
	struct signed_log forger = l;
	struct put out = put(shown, sizeof(shown));
	struct witness_request r;

	(void)state;
	forger.secret[0] ^= 1;
	assert_int_equal(sign_public(forger.secret, forger.key.pub), OK);
	(void)at(&forger, 300, &r);
	assert_int_equal(gossip_write_evidence(r.note, log_body(&l, 0, 300, body), &l.key, who[1].name, secret[1], &out),
			 ERR_SYNTAX);
	assert_int_equal(gossip_write_evidence(SPAN_LIT("x"), SPAN_LIT("y"), &l.key, who[1].name, secret[1], &out), ERR_SYNTAX);
}

/* That a log was set back is a witness's word alone: what it shows is compared with ours, one note after the other. */
static void what_does_not_convict_by_itself_is_compared(void **state)
{
	const struct gossip_peer *against;
	struct gossip_evidence e;

	(void)state;
	we_vouch_for(&l, 500);
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &other, 300, &l, 200), &e), WITNESS_TOO_OLD);
	assert_null(gossip_compare(&g, &own, now));
	assert_int_equal(gossip_wants(&g, &own), 300);
	assert_int_equal(answers(&l, 300, 500, &against), WITNESS_FORK);

	begin_with(2);
	we_vouch_for(&l, 500);
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &other, 200), &e), WITNESS_TOO_OLD);
	assert_int_equal(answers(&l, 300, 500, &against), WITNESS_ACCEPTED);
	assert_int_equal(gossip_wants(&g, &own), 0);
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &other, 200), &e), WITNESS_TOO_OLD);
	assert_int_equal(gossip_wants(&g, &own), 200);
	assert_int_equal(answers(&l, 200, 500, &against), WITNESS_FORK);
	assert_false(is_heard());       /* it vouches for nothing */

	begin_with(2);
	we_vouch_for(&l, 300);
	assert_int_equal(gossip_hear_evidence(&g, shows(1, &other, 300, &l, 200), &e), WITNESS_TOO_OLD);
	assert_non_null(gossip_compare(&g, &own, now));
}

/* Both are of our history: it is asked about once, however often they are shown. */
static void what_is_shown_again_and_again_costs_two_questions(void **state)
{
	const struct gossip_peer *against;
	struct gossip_evidence e;
	unsigned questions = 0;

	(void)state;
	we_vouch_for(&l, 500);
	for (int i = 0; i < 9; i++) {
		assert_int_equal(gossip_hear_evidence(&g, shows(1, &l, 300, &l, 200), &e), WITNESS_TOO_OLD);
		if (!gossip_wants(&g, &own))
			continue;
		assert_int_equal(answers(&l, gossip_wants(&g, &own), 500, &against), WITNESS_ACCEPTED);
		questions++;
	}
	assert_int_equal(questions, 2);
}

static void a_new_list_keeps_what_those_on_both_have_said(void **state)
{
	static struct gossip fresh;

	(void)state;
	begin_with(4);
	we_vouch_for(&l, 300);
	assert_int_equal(hears(1, &l, 300), GOSSIP_NEWS);
	assert_int_equal(hears(2, &l, 300), GOSSIP_NEWS);
	assert_null(gossip_compare(&g, &own, now));
	assert_true(is_heard());
	list.of[2].pub[0] ^= 1;         /* a new key is another witness */
	list.of[3] = list.of[1];
	list.n = 4;
	gossip_init(&fresh, &list, &l.key, who[0].pub);
	gossip_carry(&fresh, &g);
	assert_int_equal(fresh.n, 3);
	assert_true(fresh.of[0].heard_ms == now && fresh.of[2].heard_ms == now && fresh.of[1].heard_ms == 0);
	assert_int_equal(gossip_hear(&fresh, word(1, &l, 300, NOW_S), NOW_S), GOSSIP_REPEATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup(name, make)
		CASE(the_same_tree_is_the_same_tree), CASE(two_trees_of_one_size_are_a_fork),
		CASE(a_smaller_tree_is_proved_to_be_the_beginning_of_ours), CASE(a_smaller_tree_of_another_history_is_a_fork),
		CASE(a_larger_tree_waits_until_ours_has_grown), CASE(an_answer_that_does_not_meet_our_tree_leaves_it_open),
		CASE(one_proof_settles_all_who_say_the_same), CASE(who_is_not_listed_says_nothing),
		CASE(what_is_repeated_or_old_is_no_sign_of_life), CASE(less_than_a_majority_is_silence),
		CASE(only_what_the_log_signed_is_handed_on), CASE(what_convicts_by_itself_is_believed),
		CASE(both_notes_are_to_be_the_logs), CASE(evidence_that_is_forged_or_nobodys_is_none),
		CASE(no_evidence_is_written_of_what_the_log_did_not_sign),
		CASE(what_does_not_convict_by_itself_is_compared), CASE(what_is_shown_again_and_again_costs_two_questions),
		CASE(a_new_list_keeps_what_those_on_both_have_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

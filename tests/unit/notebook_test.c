/* notebook: what a witness has vouched for it never forgets, and after a contradiction it vouches for nothing more. */
#include "signed_log.h"

#include <sys/stat.h>

#include "notebook.h"
#include "scratch.h"

#define NAME "auditor.example/w1"
#define NOW 1770000000u

static struct scratch scratch;
static struct signed_log l, other;
static struct notebook *book;
static struct cosigner self;
static char vkey[400];
static uint8_t raw[WITNESS_BODY_MAX], text[NOTE_BYTES_MAX];
static enum witness_kind kind;

static const char *folder(void) { return scratch_path(&scratch, "witness"); }

static enum err open_as(const char *name)
{
	const struct notebook_spec spec = { folder(), span_str(name), l.key };

	return notebook_open(&spec, &book);
}

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	if (crypt_init() != OK)
		return -1;
	log_fork(&l, &other);
	if (open_as(NAME) != OK)
		return -1;
	snprintf(vkey, sizeof(vkey), "%s", notebook_vkey(book));
	return cosigner_read(span_str(vkey), &self) == OK ? 0 : -1;
}

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	char path[512];

	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

static int drop(void **state)
{
	(void)state;
	notebook_close(&book);
	chmod(folder(), 0700);
	empty(folder());
	scratch_remove(&scratch);
	return 0;
}

/* What came of it; a cosignature is that of the witness under the checkpoint, and of the time it was given. */
static enum err add_as(struct span body, bool newest)
{
	struct witness_request r;
	struct put note = put(text, sizeof(text));
	uint8_t line[COSIGNATURE_LINE_MAX];
	struct put out = put(line, sizeof(line));
	uint64_t when;

	TRY(notebook_add(book, body, newest, NOW, &out, &kind));
	if (kind != WITNESS_ACCEPTED) {
		assert_int_equal(out.n, 0);
		return OK;
	}
	assert_int_equal(witness_read(body, &r), OK);
	put_bytes(&note, r.note);
	put_bytes(&note, put_span(&out));
	assert_int_equal(note_cosigned(put_span(&note), &self, &when), OK);
	assert_int_equal(when, NOW);
	return OK;
}

static void adds(struct signed_log *log, uint64_t old, uint64_t size, enum witness_kind want)
{
	assert_int_equal(add_as(log_body(log, old, size, raw), true), OK);
	assert_int_equal(kind, want);
}

static void again(void)
{
	notebook_close(&book);
	assert_int_equal(open_as(""), OK);
}

/* The file there whose name begins and ends so; NULL: there is none. */
static const char *find(const char *begins, const char *ends)
{
	static char path[512];
	DIR *d = opendir(folder());
	bool found = false;

	for (struct dirent *e; d && !found && (e = readdir(d));) {
		size_t n = strlen(e->d_name), tail = strlen(ends);

		found = strncmp(e->d_name, begins, strlen(begins)) == 0 && n >= tail && strcmp(e->d_name + n - tail, ends) == 0;
		snprintf(path, sizeof(path), "%s/%s", folder(), e->d_name);
	}
	if (d)
		closedir(d);
	return found ? path : NULL;
}

static struct span content(const char *path)
{
	static char buf[WITNESS_BODY_MAX];
	FILE *f;
	size_t n;

	assert_non_null(path);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	return span(buf, n);
}

/* ---- */

static void what_continues_is_cosigned_and_remembered(void **state)
{
	(void)state;
	adds(&l, 0, 10, WITNESS_ACCEPTED);
	adds(&l, 10, 77, WITNESS_ACCEPTED);
	assert_int_equal(notebook_size(book), 77);
	again();
	assert_int_equal(notebook_size(book), 77);
	adds(&l, 10, 200, WITNESS_TOO_OLD);
	adds(&l, 77, 200, WITNESS_ACCEPTED);
	adds(&l, 200, 200, WITNESS_ACCEPTED);           /* asked once more, it says so once more */
	assert_false(notebook_stopped(book));
}

static void its_name_and_key_are_for_good(void **state)
{
	(void)state;
	notebook_close(&book);
	assert_int_equal(open_as("another.example/w1"), ERR_EXISTS);
	assert_int_equal(open_as(NAME), OK);
	assert_string_equal(notebook_vkey(book), vkey);
	again();
	assert_string_equal(notebook_vkey(book), vkey);
	assert_non_null(find("key", "key"));
	assert_non_null(find("vkey", "vkey"));
}

static void two_do_not_share_one(void **state)
{
	struct notebook *first = book;

	(void)state;
	assert_int_equal(open_as(NAME), ERR_BUSY);
	book = first;
}

static void a_folder_others_may_read_is_refused(void **state)
{
	(void)state;
	notebook_close(&book);
	chmod(folder(), 0755);
	assert_int_equal(open_as(NAME), ERR_DENIED);
}

static void a_fork_is_kept_and_is_the_end(void **state)
{
	struct witness_request had;
	uint8_t first[WITNESS_BODY_MAX];
	struct span body = log_body(&l, 0, 301, first);

	(void)state;
	assert_int_equal(witness_read(body, &had), OK);
	assert_int_equal(add_as(body, true), OK);
	adds(&other, 301, 400, WITNESS_FORK);
	assert_true(span_eq(content(find("evidence.", ".had")), had.note));
	assert_true(span_eq(content(find("evidence.", ".got")), log_body(&other, 301, 400, raw)));
	assert_true(notebook_stopped(book));
	assert_int_equal(add_as(log_body(&l, 301, 400, raw), true), ERR_CLOSED);
	again();
	assert_true(notebook_stopped(book));
	assert_int_equal(add_as(log_body(&l, 301, 400, raw), true), ERR_CLOSED);
	assert_int_equal(notebook_size(book), 301);
}

static void a_log_set_back_is_the_end_too(void **state)
{
	(void)state;
	adds(&l, 0, 500, WITNESS_ACCEPTED);
	assert_int_equal(add_as(log_body(&l, 400, 400, raw), false), OK);
	assert_int_equal(kind, WITNESS_TOO_OLD);        /* nobody said that this is all there is */
	assert_false(notebook_stopped(book));
	adds(&l, 400, 400, WITNESS_REWIND);
	assert_true(notebook_stopped(book));
}

/* Restored to an older copy, and gone on from there until it is larger than what was seen. */
static void a_log_restored_and_grown_is_a_fork(void **state)
{
	(void)state;
	adds(&l, 0, 150, WITNESS_ACCEPTED);
	adds(&other, 150, 150, WITNESS_FORK);
}

static void a_garbled_proof_stops_nobody_who_did_not_ask(void **state)
{
	struct span body = log_body(&l, 70, 700, raw);
	struct witness_request r;
	uint8_t out[WITNESS_BODY_MAX];
	struct put b = put(out, sizeof(out));
	uint8_t first[WITNESS_BODY_MAX];

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 70, first), true), OK);
	assert_int_equal(witness_read(body, &r), OK);
	r.hash[0].b[0] ^= 1;
	assert_int_equal(witness_write(&r, &b), OK);
	assert_int_equal(add_as(put_span(&b), false), OK);
	assert_int_equal(kind, WITNESS_BAD_PROOF);
	assert_false(notebook_stopped(book));
	assert_int_equal(add_as(put_span(&b), true), OK);
	assert_true(notebook_stopped(book));
}

static void a_damaged_note_is_not_gone_on_from(void **state)
{
	(void)state;
	adds(&l, 0, 70, WITNESS_ACCEPTED);
	notebook_close(&book);
	assert_int_equal(truncate(find("note.", ""), 40), 0);
	assert_int_equal(open_as(""), ERR_CORRUPT);
}

static void each_log_has_a_page_of_its_own(void **state)
{
	struct signed_log east = l;

	(void)state;
	adds(&l, 0, 70, WITNESS_ACCEPTED);
	notebook_close(&book);
	east.key.name = SPAN_LIT("hospital.example/audit/main/2");
	{
		const struct notebook_spec spec = { folder(), span_str(""), east.key };

		assert_int_equal(notebook_open(&spec, &book), OK);
	}
	assert_int_equal(notebook_size(book), 0);
	adds(&l, 70, 100, WITNESS_UNKNOWN_ORIGIN);
	adds(&east, 0, 30, WITNESS_ACCEPTED);
	again();
	assert_int_equal(notebook_size(book), 70);
}

static void without_a_name_there_is_no_witness(void **state)
{
	(void)state;
	notebook_close(&book);
	empty(folder());
	assert_int_equal(open_as(""), ERR_NOT_FOUND);
	assert_int_equal(open_as("two words"), ERR_SYNTAX);
	assert_int_equal(open_as(NAME), OK);
}

/* ---- among witnesses ---- */

static const struct witnesses *one_peer(void)
{
	static struct witnesses list = { .n = 1 };

	list.of[0].name = SPAN_LIT("mercy/device/nc-1");
	assert_int_equal(sign_public((const uint8_t[SIGN_KEY_BYTES]){ 7 }, list.of[0].pub), OK);
	return &list;
}

static struct span word_of(struct signed_log *log, uint64_t size, uint8_t out[GOSSIP_NOTE_MAX])
{
	uint8_t line_text[COSIGNATURE_LINE_MAX];
	struct put line = put(line_text, sizeof(line_text)), word = put(out, GOSSIP_NOTE_MAX);
	struct witness_request r;

	assert_int_equal(witness_read(log_body(log, 0, size, raw), &r), OK);
	assert_int_equal(note_cosign(r.note, SPAN_LIT("mercy/device/nc-1"), (const uint8_t[SIGN_KEY_BYTES]){ 7 }, NOW, &line), OK);
	assert_int_equal(gossip_write(r.note, &log->key, put_span(&line), &word), OK);
	return put_span(&word);
}

/* Whoever is given the two files comes to the same end, by themselves, and sees by whom the other history was seen. */
static void assert_evidence_speaks_for_itself(void)
{
	char had_text[NOTE_BYTES_MAX];
	struct span had = content(find("evidence.", ".had")), got;
	struct witness_request r;
	struct checkpoint first, c;
	unsigned cosigned;
	uint64_t when;

	must(span_text(had, had_text, sizeof(had_text)));
	had = span_str(had_text);
	assert_int_equal(note_open(had, l.key.name, l.key.pub, &first), OK);
	cosigned = note_cosigned(had, &one_peer()->of[0], &when) == OK;
	got = content(find("evidence.", ".got"));
	assert_int_equal(witness_read(got, &r), OK);
	assert_true(witness_contradicts(witness_judge(&(struct witnessed){ first.size, first.root }, &l.key, &r, true, &c), true));
	cosigned += note_cosigned(r.note, &one_peer()->of[0], &when) == OK;
	assert_int_equal(cosigned, 1);
	assert_true(notebook_stopped(book));
	assert_int_equal(add_as(log_body(&l, 301, 400, raw), true), ERR_CLOSED);
}

static void another_history_that_was_shown_to_another_is_evidence(void **state)
{
	uint8_t word[GOSSIP_NOTE_MAX];
	struct gossip g;

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 301, raw), true), OK);
	notebook_gossip(book, one_peer(), &g);
	assert_int_equal(notebook_hear(book, &g, word_of(&other, 301, word), NOW, 1, &kind), OK);
	assert_int_equal(kind, WITNESS_FORK);
	assert_evidence_speaks_for_itself();
}

static void what_cannot_be_proved_to_be_the_beginning_is_evidence(void **state)
{
	uint8_t word[GOSSIP_NOTE_MAX];
	struct gossip g;

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 301, raw), true), OK);
	notebook_gossip(book, one_peer(), &g);
	assert_int_equal(notebook_hear(book, &g, word_of(&other, 128, word), NOW, 1, &kind), OK);
	assert_int_equal(kind, WITNESS_ACCEPTED);
	assert_int_equal(notebook_wants(book, &g), 128);
	assert_int_equal(notebook_prove(book, &g, log_body(&l, 128, 301, raw), 1, &kind), OK);
	assert_evidence_speaks_for_itself();
	assert_int_equal(notebook_wants(book, &g), 0);
}

/* The one listed shows what it has: of the size of 301, of either history. */
static struct span shown_by_peer(uint8_t out[GOSSIP_BYTES_MAX])
{
	static uint8_t other_raw[WITNESS_BODY_MAX];
	struct put p = put(out, GOSSIP_BYTES_MAX);
	struct witness_request r;

	assert_int_equal(witness_read(log_body(&l, 0, 301, raw), &r), OK);
	assert_int_equal(gossip_write_evidence(r.note, log_body(&other, 301, 301, other_raw), &l.key, SPAN_LIT("mercy/device/nc-1"),
					       (const uint8_t[SIGN_KEY_BYTES]){ 7 }, &p), OK);
	return put_span(&p);
}

/* Also by one that has seen next to nothing; and it is kept which witness says so. */
static void what_another_shows_is_kept_and_is_the_end(void **state)
{
	uint8_t message[GOSSIP_BYTES_MAX], again[GOSSIP_BYTES_MAX];
	struct put out = put(again, sizeof(again));
	struct span s = shown_by_peer(message);
	struct gossip g;

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 10, raw), true), OK);
	notebook_gossip(book, one_peer(), &g);
	assert_int_equal(notebook_hear(book, &g, s, NOW, 1, &kind), OK);
	assert_int_equal(kind, WITNESS_FORK);
	assert_true(notebook_stopped(book));
	assert_true(span_eq(content(find("evidence.", ".told")), s));
	assert_non_null(find("evidence.", ".had"));
	assert_non_null(find("evidence.", ".got"));
	assert_int_equal(notebook_show(book, &out), ERR_NOT_FOUND);
	notebook_close(&book);
	assert_int_equal(open_as(NAME), OK);
	assert_true(notebook_stopped(book));
	assert_int_equal(notebook_show(book, &out), ERR_NOT_FOUND);
}

static void what_it_has_seen_itself_convicts_elsewhere(void **state)
{
	static struct witnesses list = { .n = 1 };
	uint8_t message[GOSSIP_BYTES_MAX];
	struct put out = put(message, sizeof(message));
	struct gossip_evidence e;
	struct gossip g;

	(void)state;
	assert_int_equal(notebook_show(book, &out), ERR_NOT_FOUND);
	assert_int_equal(add_as(log_body(&l, 0, 301, raw), true), OK);
	assert_int_equal(add_as(log_body(&other, 301, 400, raw), true), OK);
	assert_int_equal(kind, WITNESS_FORK);
	assert_int_equal(notebook_show(book, &out), OK);
	list.of[0] = self;
	gossip_init(&g, &list, &l.key, (const uint8_t[SIGN_KEY_BYTES]){ 1 });
	assert_int_equal(gossip_hear_evidence(&g, put_span(&out), &e), WITNESS_FORK);
}

static void whoever_has_seen_to_it_lets_it_go_on(void **state)
{
	struct cosigner nobody = { SPAN_LIT("x y"), { 0 } };

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 301, raw), true), OK);
	assert_int_equal(add_as(log_body(&other, 301, 400, raw), true), OK);
	assert_int_equal(notebook_reread(book, &l.key), OK);
	assert_true(notebook_stopped(book));
	assert_int_equal(unlink(find("evidence.", ".had")), 0);
	assert_int_equal(notebook_reread(book, &l.key), OK);
	assert_true(notebook_stopped(book));
	assert_int_equal(unlink(find("evidence.", ".got")), 0);
	assert_int_equal(notebook_reread(book, &nobody), ERR_SYNTAX);
	assert_true(notebook_stopped(book));
	assert_int_equal(notebook_reread(book, &l.key), OK);
	assert_false(notebook_stopped(book));
	assert_int_equal(notebook_size(book), 301);
	assert_int_equal(add_as(log_body(&l, 301, 400, raw), true), OK);
	assert_int_equal(kind, WITNESS_ACCEPTED);
}

static void what_the_disk_did_not_take_is_no_reason_to_go_on(void **state)
{
	char new[200];
	const char *id;

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 301, raw), true), OK);
	assert_int_equal(add_as(log_body(&other, 301, 400, raw), true), OK);
	id = strstr(find("evidence.", ".had"), "evidence.") + strlen("evidence.");
	snprintf(new, sizeof(new), "%s/new.%.*s", folder(), (int)(strlen(id) - strlen(".had")), id);
	assert_int_equal(unlink(find("evidence.", ".had")), 0);
	assert_int_equal(unlink(find("evidence.", ".got")), 0);
	assert_int_equal(notebook_reread(book, &l.key), OK);
	assert_int_equal(mkdir(new, 0700), 0);
	assert_int_not_equal(add_as(log_body(&other, 301, 400, raw), true), OK);
	assert_true(notebook_stopped(book));
	assert_int_equal(notebook_reread(book, &l.key), OK);
	assert_true(notebook_stopped(book));
	assert_int_equal(add_as(log_body(&l, 301, 400, raw), true), ERR_CLOSED);
	assert_int_equal(rmdir(new), 0);
}

static void another_log_is_followed_from_where_it_was_seen(void **state)
{
	struct signed_log next = l;

	(void)state;
	assert_int_equal(add_as(log_body(&l, 0, 301, raw), true), OK);
	next.secret[0] ^= 1;
	assert_int_equal(sign_public(next.secret, next.key.pub), OK);
	assert_int_equal(notebook_reread(book, &next.key), OK);
	assert_int_equal(notebook_size(book), 0);
	assert_int_equal(add_as(log_body(&next, 0, 70, raw), true), OK);
	assert_int_equal(kind, WITNESS_ACCEPTED);
	assert_int_equal(notebook_reread(book, &l.key), OK);
	assert_int_equal(notebook_size(book), 301);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make, drop)
		CASE(what_continues_is_cosigned_and_remembered), CASE(its_name_and_key_are_for_good),
		CASE(two_do_not_share_one), CASE(a_folder_others_may_read_is_refused), CASE(a_fork_is_kept_and_is_the_end),
		CASE(a_log_set_back_is_the_end_too), CASE(a_log_restored_and_grown_is_a_fork),
		CASE(a_garbled_proof_stops_nobody_who_did_not_ask), CASE(a_damaged_note_is_not_gone_on_from),
		CASE(another_history_that_was_shown_to_another_is_evidence),
		CASE(what_cannot_be_proved_to_be_the_beginning_is_evidence),
		CASE(what_another_shows_is_kept_and_is_the_end), CASE(what_it_has_seen_itself_convicts_elsewhere),
		CASE(whoever_has_seen_to_it_lets_it_go_on),
		CASE(what_the_disk_did_not_take_is_no_reason_to_go_on), CASE(another_log_is_followed_from_where_it_was_seen),
		CASE(each_log_has_a_page_of_its_own), CASE(without_a_name_there_is_no_witness),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which policies take signatures, and as which version. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "assent.h"
#include "damaged_edition.h"
#include "draft.h"
#include "edition.h"
#include "scratch.h"

static const uint8_t root[32] = { 1 };
static const char *const name[] = { "mercy/officer/ana", "mercy/officer/ben" };
static const uint8_t secret[countof(name)][SIGN_KEY_BYTES] = { { 1 }, { 2 } };
static struct scratch scratch;
static struct directory *d;
static struct policy *first, *second;
static char who[ASSENT_WHO_MAX], why[400];

static void write_file(const char *file, struct span text)
{
	FILE *f = fopen(scratch_path(&scratch, file), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static struct policy *policy_of(const char *text)
{
	struct policy_error where;
	struct policy *p = NULL;

	assert_int_equal(policy_load(span_str(text), &p, &where), OK);
	return p;
}

static int begin(void **state)
{
	uint8_t pub[SIGN_KEY_BYTES];
	char key[256], text[600] = "";

	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	assert_int_equal(directory_open(scratch_path(&scratch, "d.mdb"), root, false, &d), OK);
	for (size_t i = 0; i < countof(name); i++) {
		assert_int_equal(sign_public(secret[i], pub), OK);
		assert_int_equal(vkey_write(span_str(name[i]), pub, key, sizeof(key)), OK);
		strcat(strcat(text, key), "\n");
	}
	write_file("officers", span_str(text));
	first = policy_of("tenant mercy\nrole nurse\n  allow publish mercy/a\n");
	second = policy_of("tenant mercy\nrole nurse\n  allow publish mercy/b\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	policy_close(&first);
	policy_close(&second);
	directory_close(&d);
	scratch_remove(&scratch);
	return 0;
}

static struct span note_of(const struct policy *p, uint64_t version, size_t signatures)
{
	static uint8_t room[NOTE_BYTES_MAX];
	struct ratification r = { .tenant = SPAN_LIT("mercy"), .version = version };
	uint8_t text[RATIFY_TEXT_MAX];
	struct put t = put(text, sizeof(text)), b = put(room, sizeof(room));

	policy_hash(p, r.policy);
	assert_int_equal(ratify_write(&r, &t), OK);
	put_bytes(&b, put_span(&t));
	put_str(&b, "\n");
	for (size_t i = 0; i < signatures; i++)
		assert_int_equal(note_sign(put_span(&t), span_str(name[i]), secret[i], &b), OK);
	return put_span(&b);
}

static enum err check(const struct policy *p, struct span note)
{
	return assent_check(scratch_path(&scratch, "officers"), d, p, note, who, why, sizeof(why));
}

static void without_a_list_nobody_is_asked(void **state)
{
	(void)state;
	assert_int_equal(assent_check(NULL, d, first, span(NULL, 0), who, why, sizeof(why)), OK);
	assert_string_equal(who, "");
}

static void the_first_policy_is_version_1_and_the_next_one_more(void **state)
{
	(void)state;
	assert_int_equal(check(first, span(NULL, 0)), ERR_DENIED);
	assert_non_null(strstr(why, "nobody has signed it"));
	assert_int_equal(check(first, note_of(first, 1, 1)), ERR_DENIED);
	assert_non_null(strstr(why, "one officer signed it"));
	assert_int_equal(check(first, note_of(first, 1, 2)), OK);
	assert_string_equal(who, "mercy/officer/ana and mercy/officer/ben");
	assert_int_equal(edition_keep(d, first, 1), OK);
	assert_int_equal(check(second, note_of(second, 1, 2)), ERR_DENIED);
	assert_non_null(strstr(why, "another version, 1; it would be 2"));
	assert_int_equal(check(second, note_of(second, 2, 2)), OK);
	assert_int_equal(check(second, note_of(first, 2, 2)), ERR_DENIED);
}

/* And going back to it takes new ones: those it had are of another number. */
static void what_is_in_force_needs_none(void **state)
{
	(void)state;
	assert_int_equal(edition_keep(d, first, 1), OK);
	assert_int_equal(check(first, span(NULL, 0)), OK);
	assert_int_equal(edition_keep(d, second, 2), OK);
	assert_int_equal(check(second, span(NULL, 0)), OK);
	assert_int_equal(check(first, note_of(first, 1, 2)), ERR_DENIED);
	assert_int_equal(check(first, note_of(first, 3, 2)), OK);
}

/* A version as nobody can read it. */
static void damage(uint64_t number)
{
	damage_edition(scratch_path(&scratch, "d.mdb"), root, number, &d);
}

/* What was signed as the newest is in force, or was to be; what was signed as an older one was before. */
static void where_the_newest_cannot_be_read_signatures_as_that_or_the_next_will_do(void **state)
{
	(void)state;
	assert_int_equal(edition_keep(d, first, 1), OK);
	assert_int_equal(edition_keep(d, second, 2), OK);
	damage(2);
	assert_int_equal(check(second, span(NULL, 0)), ERR_DENIED);
	assert_int_equal(check(second, note_of(second, 2, 1)), ERR_DENIED);
	assert_int_equal(check(second, note_of(second, 2, 2)), OK);
	assert_string_equal(who, "mercy/officer/ana and mercy/officer/ben");
	assert_int_equal(check(first, note_of(first, 1, 2)), ERR_DENIED);
	assert_non_null(strstr(why, "another version, 1; it would be 3"));
	assert_int_equal(check(first, note_of(second, 2, 2)), ERR_DENIED);
	assert_int_equal(check(first, note_of(first, 3, 2)), OK);
	assert_int_equal(check(first, note_of(first, 4, 2)), ERR_DENIED);
}

static void a_list_that_is_none_lets_nothing_in(void **state)
{
	(void)state;
	write_file("officers", SPAN_LIT("# nobody yet\n"));
	assert_int_equal(check(first, note_of(first, 1, 2)), ERR_DENIED);
	assert_non_null(strstr(why, "too few officers"));
	write_file("officers", SPAN_LIT("\nno key\n"));
	assert_int_equal(check(first, note_of(first, 1, 2)), ERR_DENIED);
	assert_non_null(strstr(why, "officers:2: "));
	remove(scratch_path(&scratch, "officers"));
	assert_int_equal(check(first, note_of(first, 1, 2)), ERR_DENIED);
}

static void the_note_lies_beside_the_file(void **state)
{
	char path[400];

	(void)state;
	snprintf(path, sizeof(path), "%s", scratch_path(&scratch, POLICY_FILE));
	assert_int_equal(assent_check_file(scratch_path(&scratch, "officers"), d, first, path, who, why, sizeof(why)), ERR_DENIED);
	write_file(POLICY_FILE RATIFY_SUFFIX, note_of(first, 1, 2));
	assert_int_equal(assent_check_file(scratch_path(&scratch, "officers"), d, first, path, who, why, sizeof(why)), OK);
	write_file(POLICY_FILE RATIFY_SUFFIX, span(root, 0));
	assert_int_equal(assent_check_file(scratch_path(&scratch, "officers"), d, first, path, who, why, sizeof(why)), ERR_DENIED);
}

static const char set_text[] = "tenant mercy\\nrole admin\\n  allow control policy.*\\n";

/* What an administrator is answered who sets that policy, with such a note; free it. */
static char *set(struct admin *a, struct span note)
{
	char request[4000], *answer;
	struct put b = put(request, sizeof(request));

	put_fmt(&b, "{\"commands\":[{\"command\":\"setPolicy\",\"policy\":\"%s\"", set_text);
	put_str(&b, note.n ? ",\"signed\":\"" : "");
	for (size_t i = 0; i < note.n; i++)
		put_fmt(&b, note.p[i] == '\n' ? "\\n" : "%c", note.p[i]);
	put_str(&b, note.n ? "\"}]}" : "}]}");
	assert_int_equal(put_end(&b), OK);
	a->note = NULL;
	a->unsigned_policy = false;
	answer = admin_run(a, put_span(&b));
	assert_non_null(answer);
	return answer;
}

static void assert_refused(struct admin *a, struct span note, const char *want)
{
	char *answer = set(a, note);

	assert_non_null(strstr(answer, want));
	assert_true(a->unsigned_policy && !a->fresh);
	admin_notes_free(&a->note);
	free(answer);
}

static void by_command_it_takes_them_too(void **state)
{
	static struct draft root_account;
	CLEANUP(policy_close) struct policy *now = policy_of("tenant mercy\nrole admin\n  allow control *\n");
	CLEANUP(policy_close) struct policy *next = policy_of("tenant mercy\nrole admin\n  allow control policy.*\n");
	struct admin a = { .directory = d, .dir = scratch.dir, .policy = now, .party = PULLCORD__V1__PARTY__PARTY_USER, .id = "root",
			   .now_us = 1 };
	char *answer, list[400];

	(void)state;
	draft_new(&root_account, PULLCORD__V1__PARTY__PARTY_USER, SPAN_LIT("mercy"), SPAN_LIT("root"));
	assert_true(draft_add_role(&root_account, SPAN_LIT("admin"), (struct grant){ 0 }));
	assert_int_equal(directory_save(d, &root_account.account, false), OK);
	assert_int_equal(edition_keep(d, now, 1), OK);
	snprintf(list, sizeof(list), "%s", scratch_path(&scratch, "officers"));
	a.officers = list;
	assert_refused(&a, span(NULL, 0), "nobody has signed it");
	assert_refused(&a, note_of(next, 2, 1), "one officer signed it");
	assert_refused(&a, note_of(next, 1, 2), "another version");
	assert_refused(&a, note_of(now, 2, 2), "another text");
	answer = set(&a, note_of(next, 2, 2));
	assert_null(strstr(answer, "error"));
	assert_true(a.fresh && !a.unsigned_policy);
	assert_string_equal(a.note->detail, "policy: version 1 -> 2, signed by mercy/officer/ana and mercy/officer/ben");
	assert_int_equal(access(scratch_path(&scratch, POLICY_FILE RATIFY_SUFFIX), R_OK), 0);
	admin_notes_free(&a.note);
	policy_close(&a.fresh);
	free(answer);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_list_nobody_is_asked),
		TEST(the_first_policy_is_version_1_and_the_next_one_more),
		TEST(what_is_in_force_needs_none),
		TEST(where_the_newest_cannot_be_read_signatures_as_that_or_the_next_will_do),
		TEST(a_list_that_is_none_lets_nothing_in),
		TEST(by_command_it_takes_them_too),
		TEST(the_note_lies_beside_the_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

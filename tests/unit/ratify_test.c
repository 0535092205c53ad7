#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "ratify.h"
#include "seed.h"

static const char *const name[] = { "mercy/officer/ana", "mercy/officer/ben", "mercy/officer/eve" };
static const uint8_t secret[countof(name)][SIGN_KEY_BYTES] = { { 1 }, { 2 }, { 3 } };
static char keys[2][256];
static struct officers list;            /* ana and ben */
static uint8_t room[NOTE_BYTES_MAX];

static int make(void **state)
{
	uint8_t pub[SIGN_KEY_BYTES];
	char text[600];
	unsigned line;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sign_public(secret[i], pub), OK);
		assert_int_equal(vkey_write(span_str(name[i]), pub, keys[i], sizeof(keys[i])), OK);
	}
	snprintf(text, sizeof(text), "%s\n%s\n", keys[0], keys[1]);
	assert_int_equal(officers_read(span_str(text), &list, &line), OK);
	for (int i = 0; i < 2; i++)
		list.of[i].name = span_str(name[i]);    /* outlive the text */
	return 0;
}

static struct ratification seventh(void)
{
	return (struct ratification){ .tenant = SPAN_LIT("mercy"), .version = 7, .policy = { 0x5e, 0x88 } };
}

/* The note of those who signed it, "ab"; upper case: with a key that is not theirs. */
static struct span note_of(const struct ratification *r, const char *who)
{
	uint8_t text[RATIFY_TEXT_MAX];
	struct put t = put(text, sizeof(text)), b = put(room, sizeof(room));

	assert_int_equal(ratify_write(r, &t), OK);
	put_bytes(&b, put_span(&t));
	put_str(&b, "\n");
	for (; *who; who++) {
		size_t i = (size_t)((*who | 0x20) - 'a') % 3;

		assert_int_equal(note_sign(put_span(&t), span_str(name[i]), secret[*who & 0x20 ? i : 2], &b), OK);
	}
	return put_span(&b);
}

static void the_text_is_as_the_header_says(void **state)
{
	const struct ratification r = seventh();
	struct put b = put(room, sizeof(room));

	(void)state;
	assert_int_equal(ratify_write(&r, &b), OK);
	assert_true(span_is(put_span(&b), "pullcord/policy/v1\ntenant mercy\nversion 7\npolicy "
			    "5e88000000000000000000000000000000000000000000000000000000000000\n"));
}

static void it_takes_two_different_officers(void **state)
{
	static const struct { const char *who; enum ratify_verdict v; } row[] = {
		{ "ab", RATIFY_GOOD }, { "ba", RATIFY_GOOD }, { "", RATIFY_FORM }, { "a", RATIFY_TOO_FEW }, { "aa", RATIFY_TWICE },
		{ "ac", RATIFY_STRANGER }, { "abc", RATIFY_STRANGER }, { "aB", RATIFY_SIGNATURE }, { "AB", RATIFY_SIGNATURE },
		{ "aba", RATIFY_TWICE }, { "aaaaaaaab", RATIFY_FORM },
	};
	const struct ratification r = seventh();
	struct ratified found;

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		if (ratify_judge(note_of(&r, row[i].who), &list, &r, &found) != row[i].v)
			fail_msg("%s: not \"%s\"", row[i].who, ratify_text(row[i].v));
	assert_int_equal(ratify_judge(span(NULL, 0), &list, &r, &found), RATIFY_UNSIGNED);
	assert_int_equal(ratify_judge(note_of(&r, "ab"), &(struct officers){ 0 }, &r, &found), RATIFY_STRANGER);
	assert_int_equal(ratify_judge(note_of(&r, "ab"), &list, &r, &found), RATIFY_GOOD);
	assert_int_equal(found.n, 2);
	assert_true(span_is(found.by[0], name[0]) && span_is(found.by[1], name[1]) && found.r.version == 7);
}

static void it_is_good_for_one_text_tenant_and_number(void **state)
{
	struct ratification wanted = seventh(), r = seventh();
	struct ratified found;

	(void)state;
	r.policy[31] ^= 1;
	assert_int_equal(ratify_judge(note_of(&r, "ab"), &list, &wanted, &found), RATIFY_OTHER);
	r = seventh();
	r.tenant = SPAN_LIT("lakeside");
	assert_int_equal(ratify_judge(note_of(&r, "ab"), &list, &wanted, &found), RATIFY_TENANT);
	for (uint64_t v = 6; v <= 8; v++) {
		r = seventh();
		r.version = v;
		assert_int_equal(ratify_judge(note_of(&r, "ab"), &list, &wanted, &found), v == 7 ? RATIFY_GOOD : RATIFY_NUMBER);
	}
}

/* Nor is a part of it. The key's id beside a signature (note.h) is for those who have no names. */
static void no_other_text_is_good(void **state)
{
	const struct ratification r = seventh();
	struct span note = note_of(&r, "ab"), text, lines;
	struct ratified found;

	(void)state;
	assert_int_equal(note_split(note, &text, &lines), OK);
	for (size_t i = 0; i < note.n; i++) {
		assert_int_not_equal(ratify_judge(span(room, i), &list, &r, &found), RATIFY_GOOD);
		if (i >= text.n)
			continue;
		room[i] ^= (uint8_t)(1u << seed_below(8));
		assert_int_not_equal(ratify_judge(note, &list, &r, &found), RATIFY_GOOD);
		note = note_of(&r, "ab");
	}
	assert_int_equal(ratify_judge(note, &list, &r, &found), RATIFY_GOOD);
}

static void other_forms_are_refused(void **state)
{
	static const char hash[] = "5e88000000000000000000000000000000000000000000000000000000000000";
	static const char *const form[] = {
		"pullcord/policy/v2\ntenant mercy\nversion 7\npolicy %s\n", "pullcord/policy/v1\ntenant mer cy\nversion 7\npolicy %s\n",
		"pullcord/policy/v1\ntenant mercy\nversion 07\npolicy %s\n", "pullcord/policy/v1\ntenant mercy\nversion -7\npolicy %s\n",
		"pullcord/policy/v1\ntenant mercy\nversion 7\npolicy %s", "pullcord/policy/v1\ntenant mercy\nversion 7\npolicy %s\n\n",
		"pullcord/policy/v1\nversion 7\ntenant mercy\npolicy %s\n", "pullcord/policy/v1\ntenant mercy\nversion 7\npolicy 5E%s\n",
	};
	struct ratification r;
	char text[RATIFY_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < countof(form); i++) {
		snprintf(text, sizeof(text), form[i], hash);
		assert_int_equal(ratify_read(span_str(text), &r), ERR_SYNTAX);
	}
	snprintf(text, sizeof(text), "pullcord/policy/v1\ntenant mercy\nversion 7\npolicy %s\n", hash);
	assert_int_equal(ratify_read(span_str(text), &r), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_as_the_header_says),
		cmocka_unit_test(it_takes_two_different_officers),
		cmocka_unit_test(it_is_good_for_one_text_tenant_and_number),
		cmocka_unit_test(no_other_text_is_good),
		cmocka_unit_test(other_forms_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, NULL);
}

/* patients: where topics name them, and what stands for them there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "patients.h"

static const struct patients patients = { .key = { { 5 } }, .keys = 1 };

static void a_topic_names_a_patient_in_one_place(void **state)
{
	static const struct { const char *topic, *whom; } row[] = {
		{ "mercy/patient/p1/msg", "p1" }, { "mercy/patient/p1", "p1" }, { "mercy/patient/p1/a/b/c", "p1" },
		{ "mercy/patient/p1/#", "p1" }, { "+/patient/p1/+", "p1" }, { "/patient/p1", "p1" },
		{ "mercy/patient/J\xc3\xb6rg M.\x01/msg", "J\xc3\xb6rg M.\x01" },
		{ "$share/desk/mercy/patient/p1/msg", "p1" },
		{ "mercy/+/p1/msg", "p1" }, { "mercy/+/p1/#", "p1" }, { "+/+/p1/receipt", "p1" }, { "+/+/p1", "p1" },
		{ "mercy/patient/+/msg", "" }, { "mercy/patient/#", "" }, { "mercy/#", "" }, { "mercy/+/+/msg", "" },
		{ "mercy/patient", "" }, { "mercy/patient/", "" }, { "", "" }, { "patient/p1", "" },
		{ "mercy/+/icu3/alert/+/+", "" }, { "mercy/unit/icu3/broadcast", "" }, { "mercy/device/patient/state", "" },
		{ "mercy/control/patient.set", "" }, { "$share/mercy/patient/p1/msg", "" }, { "$CONTROL/pullcord/v1", "" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		if (!span_is(patient_in_topic(span_str(row[i].topic)), row[i].whom))
			fail_msg("%s", row[i].topic);
}

static void what_stands_for_them_takes_their_place(void **state)
{
	char word[PATIENT_WORD], want[200], text[200];
	struct put once = put(text, sizeof(text) - 1), again, short_of = put(text, 20);

	(void)state;
	assert_int_equal(crypt_init(), OK);
	patient_word(&patients, SPAN_LIT("p1"), word);
	snprintf(want, sizeof(want), "$share/desk/mercy/patient/%s/msg", word);
	patient_conceal(&patients, NULL, SPAN_LIT("$share/desk/mercy/patient/p1/msg"), &once);
	assert_int_equal(put_end(&once), OK);
	assert_true(span_is(put_span(&once), want));
	assert_int_equal(once.n, strlen("$share/desk/mercy/patient/p1/msg") + PATIENT_GAIN - 1);
	again = put(text, sizeof(text) - 1);     /* what is concealed stays so */
	patient_conceal(&patients, NULL, span_str(want), &again);
	assert_true(span_is(put_span(&again), want));
	again = put(text, sizeof(text) - 1);
	patient_conceal(&patients, NULL, SPAN_LIT("mercy/unit/icu3/broadcast"), &again);
	assert_true(span_is(put_span(&again), "mercy/unit/icu3/broadcast"));
	patient_conceal(&patients, NULL, SPAN_LIT("mercy/patient/p1/msg"), &short_of);
	assert_int_equal(put_end(&short_of), ERR_TOO_LARGE);
}

static void pseudonyms_of_the_root_key_become_those_of_a_year(void **state)
{
	struct patients year = patients;
	char one[PATIENT_WORD], two[PATIENT_WORD], of_year[2][PATIENT_WORD], text[200], want[200];

	(void)state;
	assert_int_equal(crypt_init(), OK);
	patients_then(&year, (const uint8_t[SHA256_BYTES]){ 6 });
	patient_word(&patients, SPAN_LIT("p1"), one);
	patient_word(&patients, SPAN_LIT("p2"), two);
	patient_word(&year, SPAN_LIT("p1"), of_year[0]);
	patient_word(&year, SPAN_LIT("p2"), of_year[1]);
	assert_string_not_equal(one, of_year[0]);
	snprintf(text, sizeof(text), "patient=%s until %s, ~ and ~7 of %s%.20s", one, two, one, two);
	snprintf(want, sizeof(want), "patient=%s until %s, ~ and ~7 of %s~", of_year[0], of_year[1], of_year[0]);
	patient_renew(&year, text);     /* the last was cut: what is left of it would tell as much */
	assert_string_equal(text, want);
	snprintf(text, sizeof(text), "+unit=icu3");
	patient_renew(&year, text);
	assert_string_equal(text, "+unit=icu3");
}

static void words_are_found_in_any_text(void **state)
{
	uint8_t found[PATIENT_PSEUDONYM_BYTES], whom[PATIENT_PSEUDONYM_BYTES];
	char word[PATIENT_WORD], text[200];
	struct span left;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	patient_pseudonym(&patients, SPAN_LIT("p1"), whom);
	snprintf(text, sizeof(text), "~~%s/~12 %s", patient_word(&patients, SPAN_LIT("p1"), word), word);
	left = span_str(text);
	for (int i = 0; i < 2; i++) {
		assert_true(patient_word_next(&left, found));
		assert_memory_equal(found, whom, sizeof(whom));
	}
	assert_true(left.n == 0 && !patient_word_next(&left, found));
	left = SPAN_LIT("~0123");
	assert_false(patient_word_next(&left, found));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_topic_names_a_patient_in_one_place),
		cmocka_unit_test(what_stands_for_them_takes_their_place),
		cmocka_unit_test(pseudonyms_of_the_root_key_become_those_of_a_year), cmocka_unit_test(words_are_found_in_any_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

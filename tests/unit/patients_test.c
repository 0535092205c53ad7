/* patients: where topics name them, and what stands for them there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "patients.h"

static const struct patients patients = { .key = { 5 } };

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
	patient_conceal(&patients, SPAN_LIT("$share/desk/mercy/patient/p1/msg"), &once);
	assert_int_equal(put_end(&once), OK);
	assert_true(span_is(put_span(&once), want));
	assert_int_equal(once.n, strlen("$share/desk/mercy/patient/p1/msg") + PATIENT_GAIN - 1);
	again = put(text, sizeof(text) - 1);     /* what is concealed stays so */
	patient_conceal(&patients, span_str(want), &again);
	assert_true(span_is(put_span(&again), want));
	again = put(text, sizeof(text) - 1);
	patient_conceal(&patients, SPAN_LIT("mercy/unit/icu3/broadcast"), &again);
	assert_true(span_is(put_span(&again), "mercy/unit/icu3/broadcast"));
	patient_conceal(&patients, SPAN_LIT("mercy/patient/p1/msg"), &short_of);
	assert_int_equal(put_end(&short_of), ERR_TOO_LARGE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_topic_names_a_patient_in_one_place),
		cmocka_unit_test(what_stands_for_them_takes_their_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

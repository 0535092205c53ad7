/* phi: words that look like a person's name or number, and words of a hospital that do not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "phi.h"

static void numbers_are_seen_however_they_are_spelt(void **state)
{
	static const char *const odd[] = {
		"MRN0048213", "MRN-4711", "mrn4711", "mrn_4711", "Mrn:4711", "x.mrn.4711", "medrec-12", "NHS-943-476", "chart-00123",
		"patient-4711", "patient4711", "19540712", "1954-07-12", "12.07.1954", "12_07_1954", "1954:07:12", "dob-54", "dob19540712",
		"12jul1954", "12-Jul-1954", "jul-12-1954", "3.march.1961", "p-004821", "078-05-1120", "078_05_1120", "078:05:1120", "ssn078",
		"SSN-078051120", "555-0101-22", "555.010.7788", "tel-5550101", "phone_5550", "fax.4471",
	};
	static const char *const fine[] = {
		"icu3", "v1", "12-lead", "HL7", "bed-12-345", "bed12", "w1954", "v2.0.11", "mrna-2", "dob", "mrn", "tel", "12:30:45", "07:30",
		"10.20.30.40", "192.168.100.200", "550e8400-e29b-41d4-a716-446655440000", "ward-2024", "may-2024", "jul-12", "room-1204",
		"patient-1", "patients", "chart-7", "a.b.c", "1", "5g", "rfc-5424", "iso-11073",
	};

	(void)state;
	for (size_t i = 0; i < countof(odd); i++)
		if (phi_word(span_str(odd[i])) != PHI_NUMBER)
			fail_msg("%s is a number", odd[i]);
	for (size_t i = 0; i < countof(fine); i++)
		if (phi_word(span_str(fine[i])) != PHI_NONE)
			fail_msg("%s is none", fine[i]);
}

static void names_are_seen_in_any_case(void **state)
{
	static const char *const odd[] = {
		"Smith.John", "Mary_Jones", "Ann-Lee:x", "john.smith", "smith-john", "JOHN_SMITH", "jane:doe", "johnSmith", "JohnSmith",
		"j-smith", "smith.j", "maria.garcia.2", "anna-lena", "Pat.Quinby", "garcia_x", "john-q-smith", "mr-jones",
	};
	static const char *const fine[] = {
		"Alert", "ICU3", "MedSurg", "nurse-call", "Nurse-Call", "Bed-Side", "North-Wing", "icu-west", "st-john", "St.Mary",
		"saint-thomas", "san-martin", "santa-maria", "john-wing", "mary-hospital", "miller-pavilion", "queen-elizabeth", "code-blue",
		"triage-green", "amber-alert", "high", "john", "smith", "call-normal", "day-shift", "head-nurse", "on-call", "vitals-raw",
		"jan-feb", "spo2-low", "mike-papa", "grace-period", "mark-read", "a-b", "x", "", "johnson-syndrome", "down-syndrome",
		"emergency-department", "ward-7-east", "ct-scanner", "blood-pressure", "nbp-mean",
	};

	(void)state;
	for (size_t i = 0; i < countof(odd); i++)
		if (phi_word(span_str(odd[i])) != PHI_NAME)
			fail_msg("%s is a name", odd[i]);
	for (size_t i = 0; i < countof(fine); i++)
		if (phi_word(span_str(fine[i])) != PHI_NONE)
			fail_msg("%s is none", fine[i]);
}

static void where_a_patient_stands_less_is_enough(void **state)
{
	static const struct { const char *word; enum phi looks; } row[] = {
		{ "4711", PHI_NUMBER }, { "p4711", PHI_NUMBER }, { "smith", PHI_NAME }, { "Maria", PHI_NAME }, { "john.smith", PHI_NAME },
		{ "all", PHI_NONE }, { "new", PHI_NONE }, { "12", PHI_NONE }, { "", PHI_NONE },
		{ "550e8400-e29b-41d4-a716-446655440000", PHI_NONE },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		if (phi_patient(span_str(row[i].word)) != row[i].looks)
			fail_msg("%s", row[i].word);
}

/* The lists are searched by halves: every name there is must be found. */
static void no_known_name_is_lost(void **state)
{
	static const char *const names[] = { "aaron", "abdul", "alice", "ali", "ana", "zachary", "yusuf", "muhammad", "adams",
		"zimmermann" };
	char word[32];

	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(word, sizeof(word), "%s-qx", names[i]);
		if (phi_word(span_str(word)) != PHI_NAME)
			fail_msg("%s", word);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_seen_however_they_are_spelt),
		cmocka_unit_test(names_are_seen_in_any_case),
		cmocka_unit_test(where_a_patient_stands_less_is_enough),
		cmocka_unit_test(no_known_name_is_lost),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* filters: which topics a gateway asks for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "filters.h"

static struct conf conf;

static void receipts_and_commands_then_each_unit_once(void **state)
{
	static const char *const want[] = { "mercy/device/nc-1/stored", "mercy/device/nc-1/cmd", "mercy/unit/icu3/ack/nc-1",
					    "mercy/unit/icu4/ack/nc-1" };
	const char *got[FILTERS_MAX];
	struct filters *f = NULL;
	struct conf_fault fault;

	(void)state;
	assert_int_equal(conf_parse(SPAN_LIT("[gateway]\nunit=icu3\n[units]\na=icu4\nb=icu3\nc=icu4\n[input m]\nkind=mllp\n"),
		&conf, &fault), OK);
	assert_int_equal(filters_make(&conf, "mercy", "nc-1", &f), OK);
	assert_int_equal(filters_list(f, got), countof(want));
	assert_string_equal(got[FILTERS_RECEIPTS], "mercy/device/nc-1/stored");
	for (size_t i = 0; i < countof(want); i++) {
		assert_string_equal(got[i], want[i]);
		assert_string_equal(filters_name(f, i), want[i]);
	}
	assert_string_equal(filters_name(f, countof(want)), "?");
	filters_free(&f);
	filters_free(&f);
}

static void a_witness_hears_of_checkpoints(void **state)
{
	const char *got[FILTERS_MAX];
	struct filters *f = NULL;
	bool heard = false;
	size_t n;

	(void)state;
	strcpy(conf.witness_vkey, "record.vkey");
	assert_int_equal(filters_make(&conf, "mercy", "nc-1", &f), OK);
	n = filters_list(f, got);
	for (size_t i = 0; i < n; i++)
		heard = heard || strcmp(got[i], "mercy/audit/main/witness/nc-1/add") == 0;
	assert_true(heard);
	filters_free(&f);
	conf.witness_vkey[0] = '\0';
}

static void a_name_that_is_no_word_is_refused(void **state)
{
	struct filters *f = NULL;

	(void)state;
	assert_int_not_equal(filters_make(&conf, "mercy", "nc/1", &f), OK);
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receipts_and_commands_then_each_unit_once),
		cmocka_unit_test(a_witness_hears_of_checkpoints),
		cmocka_unit_test(a_name_that_is_no_word_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

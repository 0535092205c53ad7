#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "policy_file.h"
#include "scratch.h"
#include "ward.h"

static struct scratch scratch;

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(&scratch, name), "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(&scratch);
	assert_int_equal(mkdir(scratch_path(&scratch, "wards"), 0700), 0);
	write_file("wards/icu", "role icu\n allow publish mercy/icu\ninclude more/beds\n");
	assert_int_equal(mkdir(scratch_path(&scratch, "wards/more"), 0700), 0);
	write_file("wards/more/beds", "role beds\n allow publish mercy/beds\n");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const name[] = { "wards/more/beds", "wards/more", "wards/icu", "wards" };

	(void)state;
	for (size_t i = 0; i < countof(name); i++)
		remove(scratch_path(&scratch, name[i]));
	scratch_remove(&scratch);
	return 0;
}

static void includes_are_looked_for_beside_the_file_that_names_them(void **state)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct policy_error where;

	(void)state;
	write_file("main", "tenant mercy\ninclude wards/icu\n");
	assert_int_equal(policy_file_load(scratch_path(&scratch, "main"), &p, &where), OK);
	assert_true(policy_has_role(p, SPAN_LIT("icu")) && policy_has_role(p, SPAN_LIT("beds")));
	assert_true(span_eq(policy_place(p, 9).file, span_str(scratch_path(&scratch, "wards/more/beds"))));
	assert_int_equal(policy_place(p, 9).line, 2);
}

static void a_failure_names_its_file(void **state)
{
	static const struct { const char *file, *text, *at, *says; enum err e; } row[] = {
		{ "main", "tenant mercy\ninclude wards/gone\n", "main:2:9: ", "'wards/gone' cannot be included: there is no such", ERR_SYNTAX },
		{ "main", "tenant mercy\ninclude wards\n", "main:2:9: ", "'wards' cannot be included", ERR_SYNTAX },
		{ "main", "tenant mercy\nalow\n", "main:2:1: ", "'alow' is no statement", ERR_SYNTAX },
		{ "wards/icu", "role icu\n alow publish mercy/x\n", "wards/icu:2:2: ", "did you mean 'allow'?", ERR_SYNTAX },
	};
	struct policy_error where;
	struct policy *p = NULL;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		write_file("main", "tenant mercy\ninclude wards/icu\n");
		write_file(row[i].file, row[i].text);
		assert_int_equal(policy_file_load(scratch_path(&scratch, "main"), &p, &where), row[i].e);
		policy_error_write(&where, text, sizeof(text));
		if (!strstr(text, row[i].at) || !strstr(text, row[i].says) || strncmp(text, scratch.dir, strlen(scratch.dir)))
			fail_msg("%s", text);
	}
	assert_int_equal(policy_file_load(scratch_path(&scratch, "none"), &p, &where), ERR_NOT_FOUND);
	policy_error_write(&where, text, sizeof(text));
	assert_non_null(strstr(text, "/none: there is no such thing"));
	assert_int_equal(truncate(scratch_path(&scratch, "main"), POLICY_BYTES_MAX + 1), 0);
	assert_int_equal(policy_file_load(scratch_path(&scratch, "main"), &p, &where), ERR_TOO_LARGE);
	policy_error_write(&where, text, sizeof(text));
	assert_non_null(strstr(text, "/main: it is larger than the limit"));
	assert_null(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(includes_are_looked_for_beside_the_file_that_names_them),
		cmocka_unit_test(a_failure_names_its_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ward.h"

/* A shelf of texts by name; `from` goes before the name, as a folder would. */
static const struct { const char *name, *text; } *shelf;
static size_t shelf_n;

static enum err take(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	(void)ctx, (void)from;
	for (size_t i = 0; i < shelf_n; i++)
		if (span_is(path, shelf[i].name)) {
			*out = (struct policy_file){ span_str(shelf[i].name), span_str(shelf[i].text) };
			return OK;
		}
	return ERR_NOT_FOUND;
}

static const struct policy_reader reader = { take, NULL };

static enum err load_from(const char *text, struct policy **p, struct policy_error *where)
{
	const struct policy_file first = { span_str("main"), span_str(text) };

	return policy_load_files(&first, &reader, p, where);
}

#define SHELF(...) do { \
	static const struct { const char *name, *text; } on_it[] = { __VA_ARGS__ }; \
	shelf = (const void *)on_it; \
	shelf_n = countof(on_it); \
} while (0)

static void a_policy_is_put_together_of_files(void **state)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(policy_close) struct policy *again = NULL;
	struct policy_error where;
	struct person who;
	struct subject *s = person(&who, USER, "ana", "nurse late", "");

	(void)state;
	SHELF({ "wards/icu", "# the ward\nrole nurse includes base\n allow publish mercy/icu\n" },
	      { "late", "tenant mercy\nrole late\n allow publish mercy/late\ninclude deep/est" },
	      { "deep/est", "role base\n allow publish mercy/base" });
	assert_int_equal(load_from("tenant mercy\ninclude wards/icu\ninclude late\nrole last\n allow publish mercy/last\n", &p,
				   &where), OK);
	assert_int_equal(policy_count(p).files, 4);
	assert_int_equal(policy_count(p).rules, 4);
	/* 6 lines in main, then 4, 4 and 2. */
	assert_int_equal(decide(p, s, PUB, "mercy/icu").line, 9);
	assert_int_equal(decide(p, s, PUB, "mercy/late").line, 13);
	assert_int_equal(decide(p, s, PUB, "mercy/base").line, 16);
	assert_true(span_is(policy_place(p, 9).file, "wards/icu") && policy_place(p, 9).line == 3);
	assert_true(span_is(policy_place(p, 13).file, "late") && policy_place(p, 13).line == 3);
	assert_true(span_is(policy_place(p, 16).file, "deep/est") && policy_place(p, 16).line == 2);
	assert_true(policy_place(p, 5).file.n == 0 && policy_place(p, 5).line == 5);
	SHELF({ "wards/icu", "# the ward\nrole nurse includes base\n allow publish mercy/icu\n" },
	      { "late", "tenant mercy\nrole late\n allow publish mercy/late\ninclude deep/est" },
	      { "deep/est", "role base\n allow publish mercy/base " });
	assert_int_equal(load_from("tenant mercy\ninclude wards/icu\ninclude late\nrole last\n allow publish mercy/last\n",
				   &again, &where), OK);
	assert_memory_not_equal(policy_version(p), policy_version(again), 16);
}

static void a_mistake_names_the_file_it_is_in(void **state)
{
	static const struct { const char *text, *file; uint32_t line, column; const char *says; } row[] = {
		{ "tenant mercy\ninclude typo\n", "typo", 2, 2, "did you mean 'allow'?" },
		{ "tenant mercy\n\n include gone\n", "", 3, 10, "'gone' cannot be included: there is no such thing" },
		{ "tenant mercy\ninclude rules\n", "rules", 1, 1, "'allow' belongs to a role" },
		{ "tenant mercy\nrole r\ninclude rules\n", "rules", 1, 1, "'allow' belongs to a role" },
		{ "tenant mercy\nrole r\ninclude good\nallow publish mercy/x\n", "", 4, 1, "'allow' belongs to a role" },
		{ "tenant mercy\nrole good\ninclude good\n", "good", 1, 6, "role 'good' stands in line 2 already" },
		{ "tenant mercy\ninclude good\ninclude good\n", "good", 1, 6, "role 'good' stands in line 1 of 'good' already" },
		{ "include good\ntenant mercy\n", "", 1, 1, "the first statement must be 'tenant NAME', not 'include'" },
		{ "tenant mercy\ninclude other\ninclude good\n", "good", 1, 1, "an included file begins with 'tenant NAME'" },
		{ "tenant mercy\ninclude self\n", "self", 3, 9, "'self' includes itself" },
		{ "tenant mercy\ninclude ring1\n", "ring2", 1, 9, "'ring1' includes itself" },
		{ "tenant mercy\ninclude wants\n", "wants", 2, 17, "there is no role 'ghost'" },
		{ "tenant mercy\ninclude c1\n", "c1", 2, 17, "role 'a' includes itself: a > b > a" },
		{ "tenant mercy\nrecord off mercy/x\ninclude rec\n", "rec", 1, 1, "was said in line 2 already" },
		{ "tenant mercy\ninclude ..\n", "", 2, 9, "below the folder" },
		{ "tenant mercy\ninclude a//b\n", "", 2, 9, "below the folder" },
	};
	struct policy_error where;
	struct policy *p = NULL;

	(void)state;
	SHELF({ "typo", "role r\n alow publish mercy/x\n" }, { "rules", "allow publish mercy/x\n" },
	      { "good", "role good\n allow publish mercy/x\n" }, { "other", "tenant other\n" },
	      { "self", "role x\n\ninclude self\n" }, { "ring1", "include ring2\n" }, { "ring2", "include ring1\n" },
	      { "wants", "\nrole a includes ghost\n" }, { "c1", "role a includes b\nrole b includes a\n" },
	      { "rec", "record full mercy/x\n" });
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(load_from(row[i].text, &p, &where), ERR_SYNTAX);
		assert_null(p);
		if (where.line != row[i].line || where.column != row[i].column || strcmp(where.file, row[i].file) ||
		    !strstr(where.text, row[i].says))
			fail_msg("row %zu: %s:%u:%u: %s", i, where.file, where.line, where.column, where.text);
	}
}

/* Every file brings the next one, of another name each time. */
static enum err endless(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	static char name[256][8], text[256][32];
	size_t *n = ctx;

	(void)from, (void)path;
	sprintf(name[*n], "f%zu", *n);
	sprintf(text[*n], "include f%zu\n", *n + 1);
	*out = (struct policy_file){ span_str(name[*n]), span_str(text[*n]) };
	++*n;
	return OK;
}

/* Everything brings 30 files, of half of all that a policy may have. */
static enum err wide(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	(void)from;
	*out = (struct policy_file){ path, span(ctx, POLICY_BYTES_MAX / 2) };
	return OK;
}

static void depth_number_and_size_are_bounded(void **state)
{
	CLEANUP(free_cleanup) char *many = grow_text(POLICY_FILES_MAX, "tenant mercy\n", "include f%zu\n");
	CLEANUP(free_cleanup) char *half = malloc(POLICY_BYTES_MAX / 2);
	CLEANUP(policy_close) struct policy *p = NULL;
	const struct policy_file deep = { span_str("main"), span_str("tenant mercy\ninclude f0\n") };
	struct policy_file more = { span_str("main"), span_str("tenant mercy\ninclude a\ninclude b\n") };
	struct policy_error where;
	size_t n = 0;

	(void)state;
	assert_int_equal(policy_load_files(&deep, &(struct policy_reader){ endless, &n }, &p, &where), ERR_SYNTAX);
	assert_int_equal(n, POLICY_DEPTH_MAX);
	assert_non_null(strstr(where.text, "at most 64 files, 8 deep"));
	memset(half, ' ', POLICY_BYTES_MAX / 2);
	assert_int_equal(policy_load_files(&more, &(struct policy_reader){ wide, half }, &p, &where), ERR_TOO_LARGE);
	more.text = span_str(many);
	n = 0;
	assert_int_equal(policy_load_files(&more, &(struct policy_reader){ endless, &n }, &p, &where), ERR_SYNTAX);
	assert_true(n < POLICY_FILES_MAX);
	assert_null(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_is_put_together_of_files),
		cmocka_unit_test(a_mistake_names_the_file_it_is_in),
		cmocka_unit_test(depth_number_and_size_are_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

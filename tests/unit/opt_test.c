/* opt: command lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "opt.h"
#include "report.h"
#include "seed.h"
#include "span.h"

#define WORDS_MAX 80

static char *complained;
static size_t complained_n;

/* One command line against one page with every kind of option. */
struct line {
	const char *dir;
	long port;
	bool json;
	struct opt_list unit, operand;
	const char *said;       /* on stderr; until the next line */
};

static int read_words(struct line *l, int argc, const char *const *words)
{
	char copy[WORDS_MAX][64], *argv[WORDS_MAX + 1] = { NULL };
	const struct opt opt[] = {
		OPT_NEED("dir", "DIR", &l->dir, "the folder"),
		OPT_NUMBER("port", "PORT", &l->port, 1, 65535, "the port"),
		OPT_FLAG("json", &l->json, "as JSON"),
		OPT_LIST("unit", "UNIT", &l->unit, "a unit"),
	};
	const struct opt_page page = {
		.command = "try", .operands = "ID [MORE]", .least = 1, .most = 2,
		.text = "Tries.", .example = "pullcord try", OPTS(opt),
	};
	FILE *err;
	int code;

	must(argc <= WORDS_MAX);
	for (int i = 0; i < argc; i++) {
		snprintf(copy[i], sizeof(copy[i]), "%s", words[i]);
		argv[i] = copy[i];
	}
	free(complained);
	complained = NULL;
	err = open_memstream(&complained, &complained_n);
	report_to(NULL, err);
	code = opt_read(&page, argc, argv, &l->operand);
	report_to(NULL, NULL);
	fclose(err);
	l->said = complained;
	return code;
}

#define WORDS(...) (const char *[]){ "try", __VA_ARGS__ }
#define READ(l, ...) read_words((l), (int)countof((WORDS(__VA_ARGS__))), WORDS(__VA_ARGS__))

static void options_and_operands_mix_in_any_order(void **state)
{
	struct line l = { .port = 7 };

	(void)state;
	assert_int_equal(READ(&l, "a", "--dir", "d", "--unit=icu3", "b", "--json", "--unit", "med4"), OPT_RUN);
	assert_true(l.json);
	assert_int_equal(l.port, 7);
	assert_int_equal(l.unit.n, 2);
	assert_int_equal(l.operand.n, 2);
}

static void after_two_dashes_all_are_operands(void **state)
{
	struct line l = { .dir = "d" };

	(void)state;
	assert_int_equal(READ(&l, "--", "--json", "--"), OPT_RUN);
	assert_false(l.json);
	assert_int_equal(l.operand.n, 2);
}

static void a_single_dash_is_an_operand(void **state)
{
	struct line l = { .dir = "d" };

	(void)state;
	assert_int_equal(READ(&l, "-"), OPT_RUN);
	assert_int_equal(l.operand.n, 1);
}

static void a_value_may_hold_an_equals_sign(void **state)
{
	struct line l = { 0 };

	(void)state;
	assert_int_equal(READ(&l, "x", "--dir=a=b"), OPT_RUN);
}

static void every_mistake_says_what_would_be_right(void **state)
{
	static const struct { const char *words[5], *says; } row[] = {
		{ { "try", "a" }, "--dir DIR is missing: the folder" },
		{ { "try", "--dir", "d" }, "ID [MORE] is missing" },
		{ { "try", "a", "--dir" }, "--dir wants a value: --dir DIR" },
		{ { "try", "a", "--dri", "d" }, "there is no option --dri; did you mean --dir?" },
		{ { "try", "a", "--dri=d" }, "did you mean --dir?" },
		{ { "try", "a", "--un=d" }, "did you mean --unit?" },
		{ { "try", "a", "--zzzzzz" }, "there is no option --zzzzzz\n" },
		{ { "try", "a", "--json=yes" }, "--json takes no value" },
		{ { "try", "a", "--port", "0" }, "--port takes a number from 1 to 65535, not \"0\"" },
		{ { "try", "a", "--port", "12x" }, "not \"12x\"" },
		{ { "try", "a", "--port=" }, "not \"\"" },
		{ { "try", "a", "--port", "99999999999999999999" }, "--port takes a number" },
		{ { "try", "-d", "d" }, "two dashes and a word" },
		{ { "try", "a", "b", "c", "--dir=d" }, "\"c\" is one word too many" },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct line l = { 0 };
		int n = 0;

		while (n < 5 && row[i].words[n])
			n++;
		assert_int_equal(read_words(&l, n, row[i].words), CMD_USAGE);
		if (!strstr(l.said, row[i].says))
			fail_msg("row %zu: %s", i, l.said);
		assert_non_null(strstr(l.said, "pullcord try --help"));
	}
}

static void lists_have_an_end(void **state)
{
	const char *words[WORDS_MAX] = { "try", "a", "--dir=d" };
	struct line l = { 0 };
	int n = 3;

	(void)state;
	while (n < 3 + OPT_LIST_MAX)
		words[n++] = "--unit=u";
	assert_int_equal(read_words(&l, n, words), OPT_RUN);
	l = (struct line){ 0 };
	words[n++] = "--unit=u";
	assert_int_equal(read_words(&l, n, words), CMD_USAGE);
}

static void slips_are_counted(void **state)
{
	static const struct { const char *a, *b; size_t d; } row[] = {
		{ "", "", 0 }, { "watch", "watch", 0 }, { "wacth", "watch", 1 }, { "wtch", "watch", 1 },
		{ "watchh", "watch", 1 }, { "witch", "watch", 1 }, { "", "abc", 3 }, { "kitten", "sitting", 3 },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(opt_distance(row[i].a, row[i].b), row[i].d);
}

static void a_distance_is_the_same_both_ways_and_nothing_only_to_oneself(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++) {
		char a[10] = "", b[10] = "";

		for (size_t k = seed_below(9); k > 0; k--)
			a[k - 1] = (char)('a' + seed_below(3));
		for (size_t k = seed_below(9); k > 0; k--)
			b[k - 1] = (char)('a' + seed_below(3));
		assert_int_equal(opt_distance(a, b), opt_distance(b, a));
		assert_int_equal(opt_distance(a, b) == 0, strcmp(a, b) == 0);
	}
}

static void long_words_are_near_to_nothing(void **state)
{
	(void)state;
	assert_int_equal(opt_distance("0123456789012345678901234567890123456789x", "a"), SIZE_MAX);
}

static int ran(int argc, char **argv)
{
	(void)argv;
	return 40 + argc;
}

static void verbs_are_found_and_missed_by_name(void **state)
{
	static const struct opt_verb verb[] = { { "add", ran, "" }, { "remove", ran, "" } };
	char program[] = "p", add[] = "add", wrong[] = "remvoe", x[] = "x";
	FILE *err;

	(void)state;
	free(complained);
	complained = NULL;
	err = open_memstream(&complained, &complained_n);
	report_to(NULL, err);
	assert_int_equal(opt_verb("user", "", verb, 2, 3, (char *[]){ program, add, x, NULL }), 42);
	assert_int_equal(opt_verb("user", "", verb, 2, 2, (char *[]){ program, wrong, NULL }), CMD_USAGE);
	assert_int_equal(opt_verb("user", "", verb, 2, 1, (char *[]){ program, NULL }), CMD_USAGE);
	report_to(NULL, NULL);
	fclose(err);
	assert_non_null(strstr(complained, "did you mean \"remove\"?"));
	free(complained);
	complained = NULL;
}

/* An option that nobody would heed is a mistake. */
static void what_would_go_unheeded_is_refused(void **state)
{
	static const struct { const char *word[5]; int code; const char *said; } row[] = {
		{ { "try" }, OPT_RUN, NULL },
		{ { "try", "--limit", "-1" }, CMD_USAGE, "--limit takes a number from 0 up, not \"-1\"" },
		{ { "try", "--host", "h" }, CMD_USAGE, "--host goes with --device: whose host?" },
		{ { "try", "--once" }, CMD_USAGE, "--once goes with --device" },
		{ { "try", "--once", "--device", "d" }, OPT_RUN, NULL },
		{ { "try", "--device", "d" }, OPT_RUN, NULL },
		{ { "try", "--device", "d", "--file=f" }, CMD_USAGE, "--file and --device: one of them" },
	};
	const char *device, *host, *file;
	bool once;
	long limit;
	const struct opt opt[] = {
		OPT_NUMBER("limit", "N", &limit, 0, LONG_MAX, "at most"),
		OPT_TEXT("device", "D", &device, "a device"), OPT_TEXT("host", "H", &host, "a host"), OPT_FLAG("once", &once, "once"),
		OPT_TEXT("file", "F", &file, "a file"),
	};
	const struct opt_rule rule[] = { OPT_WITH_FOR("host", "device", "whose host?"), OPT_WITH("once", "device"),
					OPT_NOT_WITH("file", "device") };
	const struct opt_page page = { .command = "try", .text = "Tries.", .example = "pullcord try", OPTS(opt), OPT_RULES(rule) };

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		char copy[5][64], *argv[6] = { NULL };
		int argc = 0, code;
		FILE *err;

		for (; argc < 5 && row[i].word[argc]; argc++) {
			snprintf(copy[argc], sizeof(copy[argc]), "%s", row[i].word[argc]);
			argv[argc] = copy[argc];
		}
		free(complained);
		complained = NULL;
		err = open_memstream(&complained, &complained_n);
		report_to(NULL, err);
		code = opt_read(&page, argc, argv, NULL);
		report_to(NULL, NULL);
		fclose(err);
		assert_int_equal(code, row[i].code);
		assert_true(!row[i].said || strstr(complained, row[i].said));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_operands_mix_in_any_order),
		cmocka_unit_test(after_two_dashes_all_are_operands),
		cmocka_unit_test(a_single_dash_is_an_operand),
		cmocka_unit_test(a_value_may_hold_an_equals_sign),
		cmocka_unit_test(every_mistake_says_what_would_be_right),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test(slips_are_counted),
		cmocka_unit_test(a_distance_is_the_same_both_ways_and_nothing_only_to_oneself),
		cmocka_unit_test(long_words_are_near_to_nothing),
		cmocka_unit_test(verbs_are_found_and_missed_by_name),
		cmocka_unit_test(what_would_go_unheeded_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

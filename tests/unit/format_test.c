#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "line.h"
#include "seed.h"
#include "ward.h"

static char *format(struct span text)
{
	size_t cap = POLICY_FORMAT_CAP(text.n, 1 + text.n);
	char *out = malloc(cap + 1);
	struct put b = put(out, cap);

	assert_int_equal(policy_format(text, &b), OK);
	out[b.n] = '\0';
	return out;
}

static void a_policy_is_put_into_columns(void **state)
{
	static const char before[] =
		"\n\n# Mercy \xc3\xbc\t \r\n\n\n   tenant\tmercy\r\nlife-critical   mercy/x   # why\n\n\n\n"
		"role  a   includes b,c ,d\n"
		"allow publish mercy/a #  one\n"
		"\t# about the next\n"
		"deny publish ,receive   mercy/b\n"
		"allow\tcontrol user.*#x # two\n"
		"    limit   rate 10/s burst 5#\n"
		"# at the left\n"
		"life-critical mercy/left\n"
		"\tlife-critical mercy/in\n"
		"include  x/y\n"
		"  record off mercy/z\n"
		"role b # b\n"
		"  allow both mercy/#  # all\n"
		"  no  will # never\n\n";
	static const char after[] =
		"# Mercy \xc3\xbc\n"
		"\n"
		"tenant mercy\n"
		"life-critical mercy/x  # why\n"
		"\n"
		"role a includes b, c, d\n"
		"  allow publish           mercy/a  #  one\n"
		"  # about the next\n"
		"  deny  publish, receive  mercy/b\n"
		"  allow control           user.*#x  # two\n"
		"  limit rate 10/s burst 5#\n"
		"# at the left\n"
		"life-critical mercy/left\n"
		"  life-critical mercy/in\n"
		"include x/y\n"
		"record off mercy/z\n"
		"role b  # b\n"
		"  allow both  mercy/#  # all\n"
		"  no will              # never\n";
	CLEANUP(free_cleanup) char *out = format(span_str(before));

	(void)state;
	assert_string_equal(out, after);
}

static void what_is_no_policy_is_not_formatted(void **state)
{
	CLEANUP(free_cleanup) char *many = grow_text(LINE_WORDS_MAX, "", "a%.0zu ");
	char out[4096];
	struct put b = put(out, sizeof(out)), tiny = put(out, 8);

	(void)state;
	assert_int_equal(policy_format(span_str(many), &b), ERR_TOO_LARGE);
	assert_int_equal(policy_format(span_str("tenant mercy\n"), &tiny), ERR_TOO_LARGE);
}

/* Pieces of policies, not always good ones, with any blanks between. */
static size_t random_text(char *out, size_t cap)
{
	static const char *const piece[] = {
		"tenant m", "role a", "role b includes a, c", "quarantine", "allow publish m/a", "deny publish,receive m/{unit}/#",
		"allow both m/#", "allow", "allow ,,,", "from 10.0.0.0/8, ::1", "limit rate 1/s", "no will", "life-critical m/x",
		"record off m/y", "lock-out never", "include a", "logoff after 5m idle", "x , y", "# comment", "#", "\xff\xfe", "", "", "#a\r",
		"allow publish, subscribe, receive, both, publish, subscribe m/x",
	};
	static const char *const blank[] = { "", " ", "\t", "   ", " \r", "\n", "\n\n\n" };
	size_t n = 0;

	while (n + 128 < cap && seed_below(60)) {
		n += (size_t)sprintf(out + n, "%s%s%s", blank[seed_below(7)], piece[seed_below(countof(piece))], blank[seed_below(7)]);
		if (seed_below(4))
			n += (size_t)sprintf(out + n, "%s\n", seed_below(3) ? "" : " # said");
	}
	return n;
}

/* The next line that says something. */
static bool next(struct span *rest, struct line *l)
{
	while (rest->p) {
		line_cut(l, span_cut(*rest, '\n', rest));
		if (l->n || l->comment.p)
			return true;
	}
	return false;
}

static struct span without_end(struct span s)
{
	while (s.n && strchr(" \t\r", s.p[s.n - 1]))
		s.n--;
	return s;
}

static void formatting_loses_nothing_and_settles(void **state)
{
	static struct line a, b;
	char text[8192];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t n = random_text(text, sizeof(text));
		CLEANUP(free_cleanup) char *once = format(span(text, n));
		CLEANUP(free_cleanup) char *twice = format(span_str(once));
		struct span x = span(text, n), y = span_str(once);

		assert_string_equal(once, twice);
		while (next(&x, &a)) {
			assert_true(next(&y, &b));
			assert_int_equal(a.n, b.n);
			for (size_t k = 0; k < a.n; k++)
				assert_true(span_eq(a.word[k].text, b.word[k].text));
			assert_true(span_eq(without_end(a.comment), b.comment));
		}
		assert_false(next(&y, &b));
	}
}

static void a_formatted_ward_decides_alike(void **state)
{
	CLEANUP(free_cleanup) char *text = format(span_str(ward));
	CLEANUP(policy_close) struct policy *p = load(span_str(ward)), *q = load(span_str(text));
	static const char *const topic[] = {
		"mercy/unit/icu3/alert/high/nc1", "mercy/unit/icu3/alert/info/nc1", "mercy/unit/all/broadcast", "mercy/a/b",
		"mercy/channel/c1/msg", "mercy/user/ana/inbox", "mercy/unit/lab/x", "mercy/device/nc1/cmd", "mercy/news", "mercy/z",
	};
	struct person who;

	(void)state;
	for (size_t i = 0; i < countof(ward_people); i++)
		for (size_t k = 0; k < countof(topic); k++)
			for (unsigned bit = 0; bit < 3; bit++) {
				struct verdict one = decide(p, ward_person(&who, i), (enum access)(1u << bit), topic[k]);
				struct verdict two = decide(q, ward_person(&who, i), (enum access)(1u << bit), topic[k]);

				assert_int_equal(one.why, two.why);
				assert_int_equal(one.line, two.line);
				assert_int_equal(one.life_critical, two.life_critical);
			}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_is_put_into_columns),
		cmocka_unit_test(what_is_no_policy_is_not_formatted),
		cmocka_unit_test(formatting_loses_nothing_and_settles),
		cmocka_unit_test(a_formatted_ward_decides_alike),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	must(crypt_init() == OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Abuse cases as properties: what no list of examples would show. The stories are in tests/scene/t*.scene. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "seed.h"
#include "ward.h"

static const char policy_text[] =
	"tenant mercy\n"
	"role own\n"
	"  allow both mercy/user/{user}/inbox\n"
	"  allow both mercy/unit/{unit}/alert/+/+\n"
	"role everything\n"
	"  allow both mercy/#\n";

/* What has a meaning somewhere, glued together: mostly dangerous, now and then a word. */
static void hostile_word(char *out, size_t cap)
{
	static const char *const part[] = { "a", "b", "ana", "icu3", "7", ".", "-", "_", ":", "+", "#", "/", "$", "%c", "%u",
					    "{user}", "{unit}", "$share", " ", "\t", "\n", "\x7f", "\xe2\x80\xae", "\xef\xbb\xbf",
					    "\xc3\xa1", "\xff", "..", "*", "\\", "'" };
	size_t parts = seed_below(5), n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < parts; i++) {
		const char *p = part[seed_below(2) ? seed_below(9) : seed_below(countof(part))];

		if (n + strlen(p) < cap)
			n += (size_t)snprintf(out + n, cap - n, "%s", p);
	}
}

/* The grammar once more, from topic.h alone. */
static bool is_word(const char *s, size_t n)
{
	if (n < 1 || n > 64)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-", s[i]) || !s[i])
			return false;
	return true;
}

static bool is_topic(const char *s)
{
	size_t levels = 0, n;

	if (strlen(s) > 200)
		return false;
	for (;; s += n + 1) {
		n = strcspn(s, "/");
		if (!is_word(s, n) || ++levels > 12)
			return false;
		if (!s[n])
			return true;
	}
}

static bool may(const struct policy *p, const struct subject *s, enum access a, const char *text)
{
	struct holder *h = NULL;
	struct topic t;
	bool allow;

	assert_int_equal(policy_bind(p, s, &h), OK);
	allow = (a == SUB ? filter_parse(span_str(text), &t) : topic_parse(span_str(text), &t)) == OK &&
		policy_decide(p, h, a, &t).allow;
	holder_close(&h);
	return allow;
}

/* Abuse case 3: whatever {user} and {unit} stand for, they match their own level and nothing beyond. */
static void t03_an_id_reaches_nothing_beyond_its_own_level(void **state)
{
	struct policy *p = load(span_str(policy_text));
	unsigned good = 0;

	(void)state;
	for (int i = 0; i < SEED_ROUNDS(200000); i++) {
		char id[80], unit[80], other[80], attribute[96], own[128], room[128], theirs[128];
		struct person who;
		struct subject *s;

		hostile_word(id, sizeof(id));
		hostile_word(unit, sizeof(unit));
		hostile_word(other, sizeof(other));
		if (strchr(unit, ' '))
			continue;   /* person() parts by blanks */
		snprintf(attribute, sizeof(attribute), "unit=%s", unit);
		s = person(&who, USER, id, "own", attribute);
		snprintf(own, sizeof(own), "mercy/user/%s/inbox", id);
		snprintf(theirs, sizeof(theirs), "mercy/user/%s/inbox", other);
		snprintf(room, sizeof(room), "mercy/unit/%s/alert/high/nc1", other);
		assert_int_equal(may(p, s, SUB, own), is_word(id, strlen(id)));
		assert_int_equal(may(p, s, GET, theirs), strcmp(id, other) == 0 && is_word(id, strlen(id)));
		assert_int_equal(may(p, s, SUB, theirs), strcmp(id, other) == 0 && is_word(id, strlen(id)));
		assert_int_equal(may(p, s, GET, room), strcmp(unit, other) == 0 && is_word(unit, strlen(unit)));
		good += is_word(id, strlen(id));
	}
	assert_true(good > SEED_ROUNDS(1000));   /* both kinds were seen */
	policy_close(&p);
}

/* Abuse case 11: whoever may do everything still may not use what is outside the grammar. */
static void t11_nothing_outside_the_grammar_is_accepted(void **state)
{
	struct policy *p = load(span_str(policy_text));
	struct holder *h = NULL;
	struct person who;
	unsigned accepted = 0;

	(void)state;
	assert_int_equal(policy_bind(p, person(&who, USER, "ana", "everything", ""), &h), OK);
	for (int i = 0; i < SEED_ROUNDS(1000000); i++) {
		char text[512] = "mercy", word[80];
		size_t levels = 1 + seed_below(13), n = 5;
		struct topic t;
		bool allow;

		for (size_t l = 1; l < levels && n < 400; l++) {
			if (seed_below(6))
				snprintf(word, sizeof(word), "%c%u", (char)('a' + seed_below(26)), (unsigned)seed_below(1000));
			else
				hostile_word(word, sizeof(word));
			n += (size_t)snprintf(text + n, sizeof(text) - n, "/%s", word);
		}
		if (seed_below(4) == 0)
			text[seed_below(n)] = (char)seed_next();
		allow = topic_parse(span_str(text), &t) == OK && policy_decide(p, h, GET, &t).allow;
		if (allow != (is_topic(text) && strncmp(text, "mercy", 5) == 0 && (text[5] == '/' || !text[5])))
			fail_msg("%s: %s", text, allow ? "accepted" : "refused");
		accepted += allow;
	}
	assert_true(accepted > SEED_ROUNDS(100000) && accepted < SEED_ROUNDS(900000));
	holder_close(&h);
	policy_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t03_an_id_reaches_nothing_beyond_its_own_level),
		cmocka_unit_test(t11_nothing_outside_the_grammar_is_accepted),
	};

	if (crypt_init() != OK)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

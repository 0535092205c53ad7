#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypt.h"
#include "seed.h"
#include "session.h"

#define STEPS SEED_ROUNDS(300000)
#define SESSIONS 4
#define WORDS 24                /* times six levels: more topics than a session remembers verdicts */

static struct memo_topics topics;

/* Rules of one length and few words, so that they meet often, and another policy comes to lie where the last one was. */
static struct policy *some_policy(void)
{
	static const char *const access[] = { "publish  ", "subscribe", "both     " };
	static const char *const level[] = { "{unit}", "+", "w1", "w2" };
	struct policy_error where;
	struct policy *p = NULL;
	char text[1024];
	struct put b = put(text, sizeof(text));

	put_fmt(&b, "tenant m\nrecord %s m/w1/#\nlife-critical m/+/w%u\n", seed_below(2) ? "off " : "full",
		(unsigned)seed_below(3));
	for (unsigned i = 0; i < 12; i++)
		put_fmt(&b, "%s%s %s m/%s/w%u\n", i % 6 ? "" : i ? "role r1\n" : "role r0\n",
			seed_below(5) ? "allow" : "deny ", access[seed_below(countof(access))],
			level[seed_below(countof(level))], (unsigned)seed_below(6));
	assert_int_equal(policy_load(put_span(&b), &p, &where), OK);
	return p;
}

/* Sometimes nobody, as when the account is gone. */
static void bind(const struct policy *p, struct session *s)
{
	static const char *const role[] = { "r0", "r1" }, *const unit[] = { "w0", "w1", "w2", "w3" };
	struct span roles[1] = { span_str(role[seed_below(2)]) };
	struct attribute units[1] = { { SPAN_LIT("unit"), span_str(unit[seed_below(4)]) } };
	struct subject subject = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = SPAN_LIT("m"), .id = SPAN_LIT("ana"),
				   .role = roles, .roles = seed_below(4) != 0, .attribute = units, .attributes = 1 };
	struct holder *h = NULL;

	if (seed_below(8))
		assert_int_equal(policy_bind(p, &subject, &h), OK);
	session_hold(s, h);
}

static void some_topic(char *text, size_t cap)
{
	static const char *const wrong[] = { "m//w1", "m/+/w1", "m/w1/#", "", "m/w 1/w1", "$SYS/w1" };

	if (seed_below(50) == 0)
		snprintf(text, cap, "%s", wrong[seed_below(countof(wrong))]);
	else
		snprintf(text, cap, "m/w%u/w%u", (unsigned)seed_below(seed_below(2) ? 3 : WORDS), (unsigned)seed_below(6));
}

static void check_same(struct verdict got, struct verdict want)
{
	assert_int_equal(got.allow, want.allow);
	assert_int_equal(got.life_critical, want.life_critical);
	assert_int_equal(got.record, want.record);
	assert_int_equal(got.why, want.why);
	assert_int_equal(got.line, want.line);
}

static void ask(const struct policy *p, struct session *s)
{
	enum access a = seed_below(2) ? ACCESS_PUBLISH : ACCESS_RECEIVE;
	const struct memo_topic *t;
	struct topic topic;
	char text[32];

	some_topic(text, sizeof(text));
	t = memo_topic(&topics, p, text);
	if (topic_parse(span_str(text), &topic) != OK) {
		assert_null(t);
		return;
	}
	assert_non_null(t);
	assert_string_equal(t->text, text);
	assert_int_equal(t->topic.n, topic.n);
	check_same(memo_decide(&s->verdicts, p, s->holder, a, t), policy_decide(p, s->holder, a, &topic));
}

static void what_is_remembered_is_what_would_be_decided(void **state)
{
	struct session s[SESSIONS] = { { .context = NULL } };
	struct policy *p = some_policy();
	unsigned policies = 1;

	(void)state;
	for (long i = 0; i < STEPS; i++) {
		unsigned what = (unsigned)seed_below(1000);

		if (what < 2) {
			policy_close(&p);
			p = some_policy();
			policies++;
			for (unsigned k = 0; k < SESSIONS; k++)
				bind(p, &s[k]);
		} else if (what < 20) {
			bind(p, &s[seed_below(SESSIONS)]);
		} else {
			ask(p, &s[seed_below(SESSIONS)]);
		}
	}
	assert_true(policies > STEPS / 1000);
	for (unsigned k = 0; k < SESSIONS; k++)
		session_hold(&s[k], NULL);
	policy_close(&p);
}

/* That it is remembered shows when the holder is taken away without a word. */
static void a_verdict_is_remembered_until_the_holder_is_another(void **state)
{
	static const char text[] = "tenant m\nrole r0\n allow both m/{unit}/a\n";
	struct span role = SPAN_LIT("r0");
	struct attribute unit = { SPAN_LIT("unit"), SPAN_LIT("icu3") };
	struct subject ana = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = SPAN_LIT("m"), .id = SPAN_LIT("ana"),
			       .role = &role, .roles = 1, .attribute = &unit, .attributes = 1 };
	struct session s = { .context = NULL };
	struct policy_error where;
	struct policy *p = NULL;
	struct holder *h = NULL;
	const struct memo_topic *t;

	(void)state;
	assert_int_equal(policy_load(SPAN_LIT(text), &p, &where), OK);
	assert_int_equal(policy_bind(p, &ana, &h), OK);
	session_hold(&s, h);
	t = memo_topic(&topics, p, "m/icu3/a");
	assert_true(memo_decide(&s.verdicts, p, h, ACCESS_RECEIVE, t).allow);
	assert_true(memo_decide(&s.verdicts, p, NULL, ACCESS_RECEIVE, t).allow);
	assert_false(memo_decide(&s.verdicts, p, NULL, ACCESS_PUBLISH, t).allow);
	assert_non_null(memo_known(&topics, &s.verdicts, ACCESS_RECEIVE, "m/icu3/a"));
	assert_null(memo_known(&topics, &s.verdicts, ACCESS_RECEIVE, "m/icu3/b"));
	session_hold(&s, NULL);
	assert_null(memo_known(&topics, &s.verdicts, ACCESS_RECEIVE, "m/icu3/a"));
	assert_false(memo_decide(&s.verdicts, p, s.holder, ACCESS_RECEIVE, t).allow);
	assert_non_null(memo_known(&topics, &s.verdicts, ACCESS_RECEIVE, "m/icu3/a"));
	assert_null(memo_topic(&topics, p, "m//#"));
	assert_null(memo_known(&topics, &s.verdicts, ACCESS_RECEIVE, "m/icu3/a"));
	policy_close(&p);
}

/* A topic is known by its text, and is another one under another policy. */
static void a_topic_keeps_its_number_under_one_policy(void **state)
{
	struct policy_error where;
	struct policy *p = NULL, *q = NULL;
	uint64_t first;
	char longest[TOPIC_BYTES_MAX + 2];

	(void)state;
	assert_int_equal(policy_load(SPAN_LIT("tenant m\nrole r\n allow both m/a\n"), &p, &where), OK);
	assert_int_equal(policy_load(SPAN_LIT("tenant m\nrole r\n allow both m/b\n"), &q, &where), OK);
	first = memo_topic(&topics, p, "m/a")->number;
	assert_int_equal(memo_topic(&topics, p, "m/a")->number, first);
	assert_true(memo_topic(&topics, p, "m/b")->number != first);
	assert_true(memo_topic(&topics, q, "m/a")->number != first);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(memo_topic(&topics, p, longest));
	policy_close(&p);
	policy_close(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_remembered_is_what_would_be_decided),
		cmocka_unit_test(a_verdict_is_remembered_until_the_holder_is_another),
		cmocka_unit_test(a_topic_keeps_its_number_under_one_policy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (crypt_init() != OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

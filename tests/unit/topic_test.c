#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "pullcord.pb-c.h"
#include "topic.h"
#include "seed.h"

static enum topic_kind kind_of(const char *text)
{
	struct topic t;

	return topic_parse(span_str(text), &t) == OK ? t.kind : TOPIC_KINDS;
}

static void every_topic_of_ours_has_its_kind_and_body(void **state)
{
	static const struct { const char *text; enum topic_kind kind; const char *name; uint32_t bodies; } row[] = {
		{ "mercy/unit/icu3/alert/high/nc-1", TOPIC_ALERT, "alert", 1u << 1 },
		{ "mercy/unit/icu3/alert/urgent/nc-1", TOPIC_OTHER, "other", 0 },
		{ "mercy/unit/icu3/alert/high", TOPIC_OTHER, "other", 0 },
		{ "mercy/unit/icu3/ack/nc-1", TOPIC_ACK, "ack", 1u << 2 },
		{ "mercy/unit/icu3/vitals/t-1", TOPIC_VITALS, "vitals", 1u << 3 },
		{ "mercy/unit/all/broadcast", TOPIC_BROADCAST, "broadcast", 1u << 9 },
		{ "mercy/channel/c1/msg", TOPIC_CHANNEL_MSG, "channel-msg", 1u << 7 },
		{ "mercy/channel/c1/receipt", TOPIC_CHANNEL_RECEIPT, "channel-receipt", 1u << 8 },
		{ "mercy/patient/p1/msg", TOPIC_PATIENT_MSG, "patient-msg", 1u << 7 },
		{ "mercy/patient/p1/receipt", TOPIC_PATIENT_RECEIPT, "patient-receipt", 1u << 8 },
		{ "mercy/user/ana/inbox", TOPIC_INBOX, "inbox", 1u << 7 | 1u << 8 },
		{ "mercy/user/ana/presence", TOPIC_PRESENCE, "presence", 1u << 8 },
		{ "mercy/device/nc-1/state", TOPIC_STATE, "state", 1u << 4 },
		{ "mercy/device/nc-1/cmd", TOPIC_CMD, "cmd", 1u << 5 },
		{ "mercy/device/nc-1/stored", TOPIC_STORED, "stored", 1u << 6 },
		{ "mercy/audit/main/checkpoint", TOPIC_CHECKPOINT, "checkpoint", 0 },
		{ "mercy/audit/main/witness/nc-1/req", TOPIC_WITNESS_REQ, "witness-req", 0 },
		{ "mercy/audit/main/witness/nc-1/add", TOPIC_WITNESS_ADD, "witness-add", 0 },
		{ "mercy/audit/main/witness/nc-1/cosignature", TOPIC_COSIGNATURE, "cosignature", 0 },
		{ "mercy/broker/record_free_bytes", TOPIC_METRIC, "metric", 0 },
		{ "mercy/audit/main/witness/nc-1/gossip", TOPIC_GOSSIP, "gossip", 0 },
		{ "mercy/audit/main/witness/nc-1", TOPIC_OTHER, "other", 0 },
		{ "$CONTROL/pullcord/v1", TOPIC_CONTROL, "control", 0 },
		{ "mercy", TOPIC_OTHER, "other", 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(kind_of(row[i].text), row[i].kind);
		assert_string_equal(topic_kind_name(row[i].kind), row[i].name);
		assert_int_equal(topic_bodies(row[i].kind), row[i].bodies);
	}
}

static void words_are_found_by_name(void **state)
{
	struct topic t;

	(void)state;
	assert_int_equal(topic_parse(SPAN_LIT("mercy/unit/icu3/alert/high/nc-1"), &t), OK);
	assert_true(span_is(topic_word(&t, "tenant"), "mercy"));
	assert_true(span_is(topic_word(&t, "unit"), "icu3"));
	assert_true(span_is(topic_word(&t, "priority"), "high"));
	assert_true(span_is(topic_word(&t, "device"), "nc-1"));
	assert_int_equal(topic_word(&t, "alert").n, 0);
	assert_int_equal(topic_word(&t, "user").n, 0);
	assert_int_equal(topic_word(&t, "prio").n, 0);
	assert_int_equal(topic_word(&t, "unit}/alert/{priority").n, 0);
	assert_int_equal(topic_parse(SPAN_LIT("mercy/unit"), &t), OK);
	assert_int_equal(topic_word(&t, "tenant").n, 0);
}

static void a_copy_borrows_from_its_own_text(void **state)
{
	char first[] = "mercy/unit/icu3/alert/high/nc-1", second[sizeof(first)];
	struct topic t, copy;

	(void)state;
	assert_int_equal(topic_parse(span_str(first), &t), OK);
	memcpy(second, first, sizeof(first));
	copy = topic_of_copy(&t, second);
	memset(first, '-', sizeof(first) - 1);
	assert_true(span_is(copy.text, "mercy/unit/icu3/alert/high/nc-1"));
	assert_true(span_is(topic_word(&copy, "tenant"), "mercy"));
	assert_true(span_is(topic_word(&copy, "device"), "nc-1"));
	assert_ptr_equal(copy.level[0].p, second);
}

static void what_is_no_topic_is_refused_with_a_reason(void **state)
{
	static const struct { const char *text; enum err topic, filter; } row[] = {
		{ "", ERR_SYNTAX, ERR_SYNTAX },
		{ "/", ERR_SYNTAX, ERR_SYNTAX },
		{ "/a", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/", ERR_SYNTAX, ERR_SYNTAX },
		{ "a//b", ERR_SYNTAX, ERR_SYNTAX },
		{ "a b", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/\xc3\xa4", ERR_SYNTAX, ERR_SYNTAX },
		{ "\xef\xbb\xbf" "a", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/\x7f", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/%u", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/{unit}", ERR_SYNTAX, ERR_SYNTAX },
		{ "+", ERR_SYNTAX, OK },
		{ "#", ERR_SYNTAX, OK },
		{ "a/+/b", ERR_SYNTAX, OK },
		{ "a/#", ERR_SYNTAX, OK },
		{ "a/#/b", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/b+", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/b#", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/##", ERR_SYNTAX, ERR_SYNTAX },
		{ "$SYS/broker/uptime", ERR_SYNTAX, ERR_SYNTAX },
		{ "$SYS/#", ERR_SYNTAX, ERR_SYNTAX },
		{ "$share/g/a", ERR_SYNTAX, ERR_SYNTAX },
		{ "$share//a", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/$SYS", ERR_SYNTAX, ERR_SYNTAX },
		{ "a/$CONTROL", ERR_SYNTAX, ERR_SYNTAX },
		{ "$CONTROL/pullcord/v2", ERR_SYNTAX, OK },
		{ "$CONTROL/pullcord/v1/x", ERR_SYNTAX, OK },
		{ "$CONTROL", ERR_SYNTAX, OK },
		{ "$control/pullcord/v1", ERR_SYNTAX, ERR_SYNTAX },
		{ "$CONTROL/#", ERR_SYNTAX, OK },
		{ "1/2/3/4/5/6/7/8/9/10/11/12", OK, OK },
		{ "1/2/3/4/5/6/7/8/9/10/11/12/13", ERR_TOO_LARGE, ERR_TOO_LARGE },
	};
	char long_word[WORD_BYTES_MAX + 2], long_text[TOPIC_BYTES_MAX + 2];
	struct topic t = { .n = 99 };

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		assert_int_equal(topic_parse(span_str(row[i].text), &t), row[i].topic);
		assert_int_equal(filter_parse(span_str(row[i].text), &t), row[i].filter);
	}
	t.n = 99;
	assert_int_equal(topic_parse(span("a\0b", 3), &t), ERR_SYNTAX);
	assert_int_equal(t.n, 99);

	memset(long_word, 'w', sizeof(long_word));
	assert_int_equal(topic_parse(span(long_word, WORD_BYTES_MAX), &t), OK);
	assert_int_equal(topic_parse(span(long_word, WORD_BYTES_MAX + 1), &t), ERR_SYNTAX);
	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = i % 50 == 49 ? '/' : 'a';
	assert_int_equal(topic_parse(span(long_text, TOPIC_BYTES_MAX - 1), &t), OK);
	assert_int_equal(topic_parse(span(long_text, TOPIC_BYTES_MAX + 1), &t), ERR_TOO_LARGE);
}

/* The grammar once more, by hand and character for character. */
static bool grammar_reference(const char *s, bool wild)
{
	size_t word = 0, levels = 1;
	bool jokers = false, dollar = strncmp(s, "$CONTROL", 8) == 0 && (s[8] == '/' || !s[8]);

	if (strlen(s) > TOPIC_BYTES_MAX || (!wild && dollar && strcmp(s, "$CONTROL/pullcord/v1") != 0))
		return false;
	for (const char *c = dollar ? s + 8 : s, *end = s + strlen(s); c <= end; c++) {
		bool joker = *c == '+' || *c == '#';

		if (*c == '/' || !*c) {
			if (!(word || (dollar && c == s + 8)) || word > WORD_BYTES_MAX || levels > TOPIC_LEVELS_MAX)
				return false;
			word = 0, jokers = false, levels++;
		} else if (jokers || (joker && (word || !wild || (*c == '#' && c[1]))) ||
			   (!joker && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-", *c))) {
			return false;
		} else {
			word++, jokers = joker;
		}
	}
	return true;
}

static void random_text(char *out, size_t levels)
{
	static const char *const piece[] = { "a", "b", "+", "#", "$CONTROL", "pullcord", "v1", "", "a.b:c-d_E9", "$", "a+", "\xc2" };
	char *p = out;

	for (size_t i = 0; i < levels; i++)
		p += sprintf(p, "%s%s", i ? "/" : "", piece[seed_below(seed_below(3) ? 4 : countof(piece))]);
	*p = '\0';
}

static void the_grammar_agrees_with_a_second_reading(void **state)
{
	char text[256];
	struct topic t;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		random_text(text, 1 + seed_below(14));
		assert_int_equal(topic_parse(span_str(text), &t) == OK, grammar_reference(text, false));
		assert_int_equal(filter_parse(span_str(text), &t) == OK, grammar_reference(text, true));
	}
}

/* MQTT 5 §4.7, on the bare texts. */
static bool match_reference(const char *f, const char *t)
{
	if (*t == '$' && *f != '$')
		return false;
	for (;;) {
		size_t fn = strcspn(f, "/"), tn = strcspn(t, "/");

		if (*f == '#')
			return true;
		if (!(fn == 1 && *f == '+') && (fn != tn || memcmp(f, t, fn) != 0))
			return false;
		f += fn, t += tn;
		if (!*t)
			return !*f || strcmp(f, "/#") == 0;
		if (!*f)
			return false;
		f++, t++;
	}
}

static void matching_agrees_with_the_standard(void **state)
{
	static const char *const word[] = { "a", "b", "$CONTROL" };
	char filter[64], topic[64];
	struct topic f, t;
	int matched = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t fn = 1 + seed_below(4), tn = 1 + seed_below(4);
		char *p = filter, *q = topic;

		for (size_t i = 0; i < fn; i++) {
			size_t k = seed_below(8);

			p += sprintf(p, "%s%s", i ? "/" : "", k == 0 && i == fn - 1 ? "#" : k < 3 ? "+" : word[i == 0 && k == 7 ? 2 : k & 1]);
		}
		for (size_t i = 0; i < tn; i++)
			q += sprintf(q, "%s%s", i ? "/" : "", word[i == 0 && seed_below(6) == 0 ? 2 : seed_below(2)]);
		assert_int_equal(filter_parse(span_str(filter), &f), OK);
		assert_int_equal(filter_parse(span_str(topic), &t), OK);   /* as a filter: topics may not begin with $CONTROL alone */
		assert_int_equal(filter_matches(&f, &t), match_reference(filter, topic));
		matched += filter_matches(&f, &t);
	}
	assert_in_range(matched, 1000, 99000);
}

/* ---- containment against enumeration: every filter of up to 3 levels over { a, b, $CONTROL, +, # }, and every topic of
 * up to 4 levels, one more than a filter can name. ---- */

#define FILTERS 256
#define TOPICS 256
static char filter_text[FILTERS][48], topic_text[TOPICS][48];
static struct topic filter[FILTERS], topic[TOPICS];
static uint8_t matches[FILTERS][TOPICS];
static size_t filters, topics;

static void enumerate(const char *const *word, size_t words, unsigned depth, const char *prefix, bool wild)
{
	for (size_t w = 0; depth && w < words; w++) {
		char text[48];
		struct topic t;

		if (*prefix && word[w][0] == '$')
			continue;
		snprintf(text, sizeof(text), "%s%s%s", prefix, *prefix ? "/" : "", word[w]);
		assert_int_equal(filter_parse(span_str(text), &t), OK);
		if (wild) {
			assert_true(filters < FILTERS);
			strcpy(filter_text[filters], text);
			assert_int_equal(filter_parse(span_str(filter_text[filters]), &filter[filters]), OK);
			filters++;
		} else {
			assert_true(topics < TOPICS);
			strcpy(topic_text[topics], text);
			assert_int_equal(filter_parse(span_str(topic_text[topics]), &topic[topics]), OK);
			topics++;
		}
		if (word[w][0] != '#')
			enumerate(word, words, depth - 1, text, wild);
	}
}

static int enumerate_all(void **state)
{
	static const char *const word[] = { "a", "b", "c", "$CONTROL" }, *const wild[] = { "a", "b", "$CONTROL", "+", "#" };

	(void)state;
	enumerate(word, countof(word), 4, "", false);
	enumerate(wild, countof(wild), 3, "", true);
	for (size_t f = 0; f < filters; f++)
		for (size_t t = 0; t < topics; t++)
			matches[f][t] = filter_matches(&filter[f], &topic[t]);
	return 0;
}

static void containing_means_matching_all_the_other_matches(void **state)
{
	(void)state;
	for (size_t w = 0; w < filters; w++)
		for (size_t n = 0; n < filters; n++) {
			bool all = true;

			for (size_t t = 0; t < topics; t++)
				all = all && (!matches[n][t] || matches[w][t]);
			if (filter_contains(&filter[w], &filter[n]) != all)
				fail_msg("does %s contain %s?", filter_text[w], filter_text[n]);
		}
}

static void meeting_means_matching_one_topic_both(void **state)
{
	(void)state;
	for (size_t a = 0; a < filters; a++)
		for (size_t b = 0; b < filters; b++) {
			bool any = false;

			for (size_t t = 0; t < topics; t++)
				any = any || (matches[a][t] && matches[b][t]);
			if (filter_meets(&filter[a], &filter[b]) != any)
				fail_msg("does %s meet %s?", filter_text[a], filter_text[b]);
		}
}

/* ---- building ---- */

static void what_is_built_is_parsed_back(void **state)
{
	static const size_t words[TOPIC_KINDS] = {
		[TOPIC_ALERT] = 4, [TOPIC_ACK] = 3, [TOPIC_VITALS] = 3, [TOPIC_BROADCAST] = 2, [TOPIC_CHANNEL_MSG] = 2,
		[TOPIC_CHANNEL_RECEIPT] = 2, [TOPIC_PATIENT_MSG] = 2, [TOPIC_PATIENT_RECEIPT] = 2, [TOPIC_INBOX] = 2,
		[TOPIC_PRESENCE] = 2, [TOPIC_STATE] = 2, [TOPIC_CMD] = 2, [TOPIC_STORED] = 2, [TOPIC_CHECKPOINT] = 2,
		[TOPIC_WITNESS_REQ] = 3, [TOPIC_WITNESS_ADD] = 3, [TOPIC_COSIGNATURE] = 3, [TOPIC_GOSSIP] = 3, [TOPIC_METRIC] = 2,
		[TOPIC_CONTROL] = 0,
	};
	static const char *const word[] = { "mercy", "icu3", "high", "nc-1" }, *const ack[] = { "mercy", "icu3", "nc-1" };
	char text[TOPIC_BYTES_MAX + 1];

	(void)state;
	for (enum topic_kind k = TOPIC_OTHER + 1; k < TOPIC_KINDS; k++) {
		assert_int_equal(topic_build(text, sizeof(text), k, words[k] == 3 ? ack : word, words[k]), OK);
		assert_int_equal(kind_of(text), k);
	}
	assert_int_equal(TOPIC_BUILD(text, TOPIC_ALERT, "mercy", "icu3", "high", "nc-1"), OK);
	assert_string_equal(text, "mercy/unit/icu3/alert/high/nc-1");
}

static void building_takes_words_only(void **state)
{
	static const char *const bad[] = { "", "+", "#", "a/b", "\xc3\xa4", NULL };
	char text[TOPIC_BYTES_MAX + 1], narrow[sizeof("mercy/device/nc-1/state") - 1];
	char longest[WORD_BYTES_MAX + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		assert_int_equal(TOPIC_BUILD(text, TOPIC_STATE, "mercy", bad[i]), ERR_SYNTAX);
		assert_string_equal(text, "");
	}
	assert_int_equal(TOPIC_BUILD(narrow, TOPIC_STATE, "mercy", "nc-1"), ERR_TOO_LARGE);
	memset(longest, 'w', WORD_BYTES_MAX);
	assert_int_equal(TOPIC_BUILD(text, TOPIC_ALERT, longest, longest, "high", longest), ERR_TOO_LARGE);
}

static void priorities_have_names(void **state)
{
	static const char *const name[] = { "info", "low", "medium", "high", "code" };

	(void)state;
	for (int i = 0; i < (int)countof(name); i++) {
		assert_int_equal(priority_parse(span_str(name[i])), i + 1);
		assert_string_equal(priority_name(i + 1), name[i]);
	}
	assert_int_equal(priority_parse(SPAN_LIT("High")), 0);
	assert_int_equal(priority_parse(span(NULL, 0)), 0);
	assert_null(priority_name(0));
	assert_null(priority_name(6));
	assert_null(priority_name(-1));
	assert_int_equal(PULLCORD__V1__PRIORITY__PRIORITY_CODE, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_topic_of_ours_has_its_kind_and_body),
		cmocka_unit_test(words_are_found_by_name),
		cmocka_unit_test(a_copy_borrows_from_its_own_text),
		cmocka_unit_test(what_is_no_topic_is_refused_with_a_reason),
		cmocka_unit_test(the_grammar_agrees_with_a_second_reading),
		cmocka_unit_test(matching_agrees_with_the_standard),
		cmocka_unit_test(containing_means_matching_all_the_other_matches),
		cmocka_unit_test(meeting_means_matching_one_topic_both),
		cmocka_unit_test(what_is_built_is_parsed_back),
		cmocka_unit_test(building_takes_words_only),
		cmocka_unit_test(priorities_have_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, enumerate_all, NULL);
}

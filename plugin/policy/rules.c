#include "rules.h"

#include <stdio.h>

#include "line.h"
#include "statement.h"

const char *const own_names[OWN_COUNT] = { "user", "device", "client" };

/* ---- places ----------------------------------------------------------------------------------------------------- */

static size_t source_at(const struct rules *r, uint32_t line)
{
	size_t i = r->sources - 1;

	while (i && r->source[i].base >= line)
		i--;
	return i;
}

struct policy_place rules_place(const struct rules *r, uint32_t line)
{
	size_t i = source_at(r, line);

	return (struct policy_place){ i ? r->source[i].file.name : span(NULL, 0), line - r->source[i].base };
}

struct place_text rules_place_text(const struct rules *r, uint32_t line)
{
	struct policy_place at = rules_place(r, line);
	struct place_text t;

	if (at.file.n)
		snprintf(t.text, sizeof(t.text), "line %u of %s", at.line, quote(at.file).text);
	else
		snprintf(t.text, sizeof(t.text), "line %u", at.line);
	return t;
}

enum err rules_refuse(const struct rules *r, uint32_t line, uint32_t column, struct policy_error *where, const char *text)
{
	struct policy_place at = rules_place(r, line);
	struct line l = { .file = at.file, .number = at.line, .where = where };

	return line_refuse(&l, column, "%s", text);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static uint32_t word_number(const struct rules *r, struct span text)
{
	return words_find(&r->words, words_hash(r->words.key, text), text);
}

uint32_t rules_tenant(const struct rules *r, struct span name)
{
	return r->tenant_of[word_number(r, name)];
}

bool rules_is_quarantine(const struct rules *r, uint32_t role)
{
	return role && r->tenant[r->role[role].tenant].quarantine == role;
}

uint32_t rules_role(const struct rules *r, struct span name)
{
	return r->role_of[word_number(r, name)];
}

uint32_t rules_attribute(const struct rules *r, struct span name)
{
	return r->attribute_of[word_number(r, name)];
}

bool rules_add_attribute(struct rules *r, struct span name)
{
	uint32_t word = words_add(&r->words, name);

	if (!r->attribute_of[word]) {
		if (r->attributes == TRIE_ATTRIBUTES)
			return false;
		r->attribute[r->attributes++] = name;
		r->attribute_of[word] = (uint8_t)r->attributes;
	}
	return true;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

#define SUBSCRIBES (ACCESS_SUBSCRIBE | ACCESS_RECEIVE)

const struct access_word access_words[ACCESS_WORDS] = {
	{ "publish", ACCESS_PUBLISH },
	{ "subscribe", SUBSCRIBES },
	{ "receive", ACCESS_RECEIVE },
	{ "both", ACCESS_PUBLISH | SUBSCRIBES },
	{ "control", ACCESS_CONTROL },
	{ "grant", ACCESS_GRANT },
};

const char *accesses_name(unsigned bits)
{
	for (size_t i = 0; i < ACCESS_WORDS; i++)
		if (access_words[i].accesses == bits)
			return access_words[i].word;
	return bits == (ACCESS_PUBLISH | ACCESS_RECEIVE) ? "publish, receive" : "nothing";
}

const char *effect_name(enum effect e)
{
	static const char *const name[EFFECTS] = { "allow", "deny", "life-critical", "record" };

	return name[e];
}

const char *policy_record_name(enum policy_record r)
{
	static const char *const name[POLICY_RECORDS] = { "full", "digest", "off" };

	return (unsigned)r < POLICY_RECORDS ? name[r] : "unknown";
}

struct pattern rule_pattern(const struct rule *rule)
{
	bool about_topics = rule->effect > EFFECT_DENY || !(rule->accesses & (ACCESS_CONTROL | ACCESS_GRANT));
	struct pattern p;
	size_t bad;

	must(!(about_topics ? pattern_read : rule->accesses == ACCESS_GRANT ? pattern_read_grant : pattern_read_command)
		(rule->pattern, &p, &bad));
	return p;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static size_t count_of(struct span text, uint8_t c)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == c;
	return n;
}

static void measure_line(struct rules_size *s, struct span text)
{
	struct span word = line_head(text);
	bool role = span_is(word, "role") || span_is(word, "quarantine");

	if (role || span_is(word, "from")) {
		s->roles += role;
		s->items += count_of(text, ',') + 1;
	} else if (span_is(word, "tenant")) {
		s->tenants++;
	} else if (span_is(word, "share") || span_is(word, "join")) {
		s->shares += count_of(text, ',') + 1;
	} else if (span_is(word, "allow") || span_is(word, "deny") || span_is(word, "life-critical") || span_is(word, "record")) {
		s->rules++;
		s->levels += count_of(text, '/') + count_of(text, '.') + 2;
	}
}

struct rules_size rules_measure(const struct source *source, size_t n)
{
	struct rules_size s = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct span rest = source[i].file.text;

		while (rest.p)
			measure_line(&s, span_cut(rest, '\n', &rest));
	}
	s.levels += SHARE_LEVELS * s.shares;
	s.words = OWN_COUNT + 1 + s.tenants + s.roles + s.levels;
	return s;
}

enum err rules_read(struct rules *r, struct policy_error *where)
{
	r->lockout[LOCKOUT_PERSON] = (struct policy_lockout){ 5, 600, 900 };
	r->lockout[LOCKOUT_ADDRESS] = (struct policy_lockout){ 50, 600, 900 };
	for (size_t i = 0; i < OWN_COUNT; i++)
		must(rules_add_attribute(r, span_str(own_names[i])));
	for (size_t i = 0; i < r->sources; i++)
		TRY(statements_read(r, i, where));
	return rules_link(r, where);
}

/* They are in order of lines. */
const struct rule *rules_at(const struct rules *r, uint32_t line)
{
	uint32_t low = 0, high = r->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (r->rule[mid].line < line)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->n && r->rule[low].line == line ? &r->rule[low] : NULL;
}

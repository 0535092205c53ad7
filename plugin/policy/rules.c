#include "rules.h"

#include <stdarg.h>
#include <stdio.h>

#define TOKENS_MAX 5            /* one more than the longest statement has */
#define LISTED(words) words, countof(words)

const char *const own_names[OWN_COUNT] = { "user", "device", "client" };

struct token {
	struct span text;
	uint32_t column;
};

struct reader {
	struct rules *r;
	struct policy_error *where;
	uint32_t line, end;         /* end: the column behind the last token */
	struct token token[TOKENS_MAX];
	size_t n;
};

/* ---- what went wrong -------------------------------------------------------------------------------------------- */

struct quoted quote(struct span s)
{
	struct quoted q = { "'" };
	size_t room = sizeof(q.text) - sizeof("'...'"), n = s.n <= room ? s.n : room;

	for (size_t i = 0; i < n; i++)
		q.text[1 + i] = s.p[i] > ' ' && s.p[i] < 0x7f ? (char)s.p[i] : '?';
	strcpy(q.text + 1 + n, n < s.n ? "...'" : "'");
	return q;
}

static PRINTF_LIKE(3, 4) enum err refuse(struct reader *rd, uint32_t column, const char *fmt, ...)
{
	va_list args;

	rd->where->line = rd->line;
	rd->where->column = column;
	va_start(args, fmt);
	vsnprintf(rd->where->text, sizeof(rd->where->text), fmt, args);
	va_end(args);
	return ERR_SYNTAX;
}

static int lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* How many letters to insert, drop or change (Levenshtein), not looking at case; words are short. */
static unsigned distance(struct span a, struct span b)
{
	unsigned row[WORD_BYTES_MAX + 1], diagonal, above;

	if (a.n > WORD_BYTES_MAX || b.n > WORD_BYTES_MAX)
		return WORD_BYTES_MAX;
	for (unsigned k = 0; k <= b.n; k++)
		row[k] = k;
	for (unsigned i = 0; i < a.n; i++) {
		diagonal = row[0]++;
		for (unsigned k = 0; k < b.n; k++) {
			above = row[k + 1];
			diagonal += lower(a.p[i]) != lower(b.p[k]);
			if (above + 1 < diagonal)
				diagonal = above + 1;
			if (row[k] + 1 < diagonal)
				diagonal = row[k] + 1;
			row[k + 1] = diagonal;
			diagonal = above;
		}
	}
	return row[b.n];
}

/* What was probably meant; NULL when nothing is near. */
static const char *nearest(struct span word, const char *const *list, size_t n)
{
	const char *best = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, span_str(list[i]));

		if (d < least && d < word.n) {
			least = d;
			best = list[i];
		}
	}
	return best;
}

/* "'alow' is no statement; did you mean 'allow'?", or else what there is to choose from. */
static enum err refuse_word(struct reader *rd, const struct token *t, const char *what, const char *choices,
			    const char *const *list, size_t n)
{
	const char *meant = nearest(t->text, list, n);

	if (meant)
		return refuse(rd, t->column, "%s is no %s; did you mean '%s'?", quote(t->text).text, what, meant);
	return refuse(rd, t->column, "%s is no %s; right would be %s", quote(t->text).text, what, choices);
}

/* ---- words of a line -------------------------------------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A '#' begins a comment where a word would begin; inside a pattern it follows a '/'. */
static void cut_line(struct reader *rd, struct span line)
{
	size_t i = 0, start;

	rd->n = 0;
	while (rd->n < TOKENS_MAX) {
		while (i < line.n && is_blank(line.p[i]))
			i++;
		if (i == line.n || line.p[i] == '#')
			return;
		for (start = i; i < line.n && !is_blank(line.p[i]); i++)
			;
		rd->token[rd->n++] = (struct token){ span(line.p + start, i - start), (uint32_t)start + 1 };
		rd->end = (uint32_t)i + 1;
	}
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static uint32_t word_number(const struct rules *r, struct span text)
{
	return words_find(&r->words, words_hash(r->words.key, text), text);
}

uint32_t rules_role(const struct rules *r, struct span name)
{
	return r->role_of[word_number(r, name)];
}

uint32_t rules_attribute(const struct rules *r, struct span name)
{
	return r->attribute_of[word_number(r, name)];
}

static bool attribute_add(struct rules *r, struct span name)
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

/* ---- patterns --------------------------------------------------------------------------------------------------- */

static const char *level_read(struct span text, bool last, struct level *out)
{
	bool opens = text.n && text.p[0] == '{', closes = text.n && text.p[text.n - 1] == '}';
	struct span name = opens && closes ? span(text.p + 1, text.n - 2) : text;

	*out = (struct level){ STEP_WORD, name };
	if (text.n == 0)
		return "is empty: a pattern has no '//', and no '/' at its ends";
	if (span_is(text, "+") || span_is(text, "#"))
		out->kind = text.p[0] == '+' ? STEP_PLUS : STEP_HASH;
	else if (opens && closes)
		out->kind = STEP_ATTRIBUTE;
	if (out->kind == STEP_HASH && !last)
		return "stands for all that follow, so it must be the last level";
	if (out->kind == STEP_PLUS || out->kind == STEP_HASH || word_ok(name))
		return NULL;
	if (name.n > WORD_BYTES_MAX)
		return "is longer than 64 bytes";
	if (opens != closes)
		return "must be one whole level when it is an {attribute}: '{name}'";
	if (memchr(text.p, '+', text.n) || memchr(text.p, '#', text.n))
		return "mixes a wildcard with other letters: '+' and '#' are whole levels";
	return "may hold letters, digits and . _ : - only, or be an {attribute}, '+' or a last '#'";
}

const char *pattern_read(struct span text, struct pattern *out, size_t *bad)
{
	struct span rest = text, level;
	const char *wrong;

	out->n = 0;
	do {
		level = span_cut(rest, '/', &rest);
		*bad = (size_t)(level.p - text.p);
		if (out->n == TOPIC_LEVELS_MAX)
			return "is the thirteenth: a topic has at most 12";
		wrong = level_read(level, !rest.p, &out->level[out->n++]);
	} while (!wrong && rest.p);
	return wrong;
}

/* Up to the next '/': the level as it stands in the file. */
static struct span level_at(struct span text, size_t at)
{
	struct span rest;

	return span_cut(span(text.p + at, text.n - at), '/', &rest);
}

static enum err read_first_level(struct reader *rd, const struct token *t, const struct level *first)
{
	if (first->kind == STEP_WORD && span_eq(first->text, rd->r->tenant))
		return OK;
	return refuse(rd, t->column, "a pattern begins with the tenant: '%.*s/...', not %s", SPAN_FMT(rd->r->tenant),
		      quote(level_at(t->text, 0)).text);
}

static enum err read_attribute(struct reader *rd, uint32_t column, enum effect effect, struct span name)
{
	if (effect == EFFECT_DENY && span_is(name, own_names[OWN_CLIENT]))
		return refuse(rd, column, "a deny rule cannot use {client}: a person's client id is not known when rules are "
			      "decided; use {user} or {device}");
	if (!attribute_add(rd->r, name))
		return refuse(rd, column, "too many different {attributes}: a policy may use %d beside {user}, {device} and "
			      "{client}", TRIE_ATTRIBUTES - OWN_COUNT);
	return OK;
}

static enum err read_pattern(struct reader *rd, const struct token *t, enum effect effect, unsigned accesses)
{
	struct rules *r = rd->r;
	struct pattern p;
	const char *wrong;
	size_t bad;

	if (t->text.p[0] == '$')
		return refuse(rd, t->column, "topics that begin with '$' cannot be granted by a rule; a pattern begins with "
			      "the tenant: '%.*s/...'", SPAN_FMT(r->tenant));
	if (t->text.n > TOPIC_BYTES_MAX)
		return refuse(rd, t->column, "the pattern has %zu bytes; a topic has at most %d", t->text.n, TOPIC_BYTES_MAX);
	wrong = pattern_read(t->text, &p, &bad);
	if (wrong)
		return refuse(rd, t->column + (uint32_t)bad, "level %s %s", quote(level_at(t->text, bad)).text, wrong);
	TRY(read_first_level(rd, t, &p.level[0]));
	for (uint32_t i = 0; i < p.n; i++)
		if (p.level[i].kind == STEP_ATTRIBUTE)
			TRY(read_attribute(rd, t->column + (uint32_t)(p.level[i].text.p - t->text.p) - 1, effect, p.level[i].text));
		else if (p.level[i].kind == STEP_WORD)
			words_add(&r->words, p.level[i].text);
	r->rule[r->n++] = (struct rule){ rd->line, r->roles, effect, accesses, t->text };
	return OK;
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

#define SUBSCRIBES (ACCESS_SUBSCRIBE | ACCESS_RECEIVE)

static const struct { const char *word; unsigned accesses; } accesses[] = {
	{ "publish", ACCESS_PUBLISH },
	{ "subscribe", SUBSCRIBES },
	{ "receive", ACCESS_RECEIVE },
	{ "both", ACCESS_PUBLISH | SUBSCRIBES },
};

const char *accesses_name(unsigned bits)
{
	for (size_t i = 0; i < countof(accesses); i++)
		if (accesses[i].accesses == bits)
			return accesses[i].word;
	return "nothing";
}

const char *effect_name(enum effect e)
{
	static const char *const name[EFFECTS] = { "allow", "deny", "life-critical" };

	return name[e];
}

static enum err read_name(struct reader *rd, const char *what)
{
	const struct token *t = &rd->token[1];

	if (word_ok(t->text))
		return OK;
	return refuse(rd, t->column, "%s cannot be the name of a %s: letters, digits and . _ : - only, at most 64",
		      quote(t->text).text, what);
}

static enum err read_tenant(struct reader *rd)
{
	if (rd->r->tenant_line)
		return refuse(rd, rd->token[0].column, "the tenant was named in line %u already; a policy has one",
			      rd->r->tenant_line);
	TRY(read_name(rd, "tenant"));
	rd->r->tenant = rd->token[1].text;
	rd->r->tenant_line = rd->line;
	words_add(&rd->r->words, rd->r->tenant);
	return OK;
}

static enum err read_role(struct reader *rd)
{
	struct rules *r = rd->r;
	uint32_t word;

	TRY(read_name(rd, "role"));
	word = words_add(&r->words, rd->token[1].text);
	if (r->role_of[word])
		return refuse(rd, rd->token[1].column, "role %s stands in line %u already; put its rules there",
			      quote(rd->token[1].text).text, r->role[r->role_of[word]].line);
	r->role_of[word] = ++r->roles;
	r->role[r->roles] = (struct role){ .name = rd->token[1].text, .line = rd->line };
	return OK;
}

static enum err read_rule(struct reader *rd, enum effect effect)
{
	static const char *const word[] = { "publish", "subscribe", "receive", "both" };
	const struct token *t = &rd->token[1];

	for (size_t i = 0; i < countof(accesses); i++)
		if (span_is(t->text, accesses[i].word))
			return read_pattern(rd, &rd->token[2], effect, accesses[i].accesses);
	return refuse_word(rd, t, "access", "publish, subscribe, receive or both", LISTED(word));
}

static enum err read_allow(struct reader *rd) { return read_rule(rd, EFFECT_ALLOW); }
static enum err read_deny(struct reader *rd) { return read_rule(rd, EFFECT_DENY); }

static enum err read_mark(struct reader *rd)
{
	return read_pattern(rd, &rd->token[1], EFFECT_MARK, ACCESS_PUBLISH | ACCESS_RECEIVE);
}

/* "15m" -> 900; 0 when it is none. */
static uint32_t duration_s(struct span text)
{
	static const struct { char unit; uint32_t s; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 } };
	uint64_t n;

	for (size_t i = 0; i < countof(units); i++)
		if (text.n && text.p[text.n - 1] == units[i].unit)
			return span_u64(span(text.p, text.n - 1), RULES_IDLE_MAX_S / units[i].s, &n) ? (uint32_t)n * units[i].s : 0;
	return 0;
}

static enum err read_logoff(struct reader *rd)
{
	struct role *role = &rd->r->role[rd->r->roles];
	static const struct { size_t at; const char *word; } fixed[] = { { 1, "after" }, { 3, "idle" } };
	const struct token *t = &rd->token[2];

	for (size_t i = 0; i < countof(fixed); i++)
		if (!span_is(rd->token[fixed[i].at].text, fixed[i].word))
			return refuse(rd, rd->token[fixed[i].at].column, "%s should be '%s': logoff after 15m idle",
				      quote(rd->token[fixed[i].at].text).text, fixed[i].word);
	if (role->idle_line)
		return refuse(rd, rd->token[0].column, "logoff was said for this role in line %u already", role->idle_line);
	role->idle_s = duration_s(t->text);
	if (!role->idle_s)
		return refuse(rd, t->column, "%s is no duration; right would be 90s, 15m or 2h, from 1s to 168h",
			      quote(t->text).text);
	role->idle_line = rd->line;
	return OK;
}

static const struct statement {
	const char *word, *shape;
	size_t words;
	bool in_role;
	enum err (*read)(struct reader *rd);
} statements[] = {
	{ "tenant", "tenant NAME", 2, false, read_tenant },
	{ "role", "role NAME", 2, false, read_role },
	{ "allow", "allow publish|subscribe|receive|both PATTERN", 3, true, read_allow },
	{ "deny", "deny publish|subscribe|receive|both PATTERN", 3, true, read_deny },
	{ "life-critical", "life-critical PATTERN", 2, false, read_mark },
	{ "logoff", "logoff after DURATION idle", 4, true, read_logoff },
};

static enum err refuse_statement(struct reader *rd)
{
	const char *word[countof(statements)];

	for (size_t i = 0; i < countof(statements); i++)
		word[i] = statements[i].word;
	return refuse_word(rd, &rd->token[0], "statement", "tenant, role, allow, deny, life-critical or logoff",
			   LISTED(word));
}

static enum err read_statement(struct reader *rd, const struct statement *s)
{
	const struct token *t = rd->token;

	if (!rd->r->tenant_line && s->read != read_tenant)
		return refuse(rd, t[0].column, "the first statement must be 'tenant NAME', not '%s'", s->word);
	if (s->in_role && !rd->r->roles)
		return refuse(rd, t[0].column, "'%s' belongs to a role: put a line 'role NAME' before it", s->word);
	if (rd->n < s->words)
		return refuse(rd, rd->end, "the line ends too early; right would be: %s", s->shape);
	if (rd->n > s->words)
		return refuse(rd, t[s->words].column, "%s is too much; right would be: %s", quote(t[s->words].text).text,
			      s->shape);
	return s->read(rd);
}

static enum err read_line(struct reader *rd, struct span line)
{
	cut_line(rd, line);
	if (rd->n == 0)
		return OK;
	for (size_t i = 0; i < countof(statements); i++)
		if (span_is(rd->token[0].text, statements[i].word))
			return read_statement(rd, &statements[i]);
	return refuse_statement(rd);
}

struct rules_size rules_measure(struct span text)
{
	struct rules_size s = { 1, 1 };

	for (size_t i = 0; i < text.n; i++) {
		s.lines += text.p[i] == '\n';
		s.levels += text.p[i] == '\n' || text.p[i] == '/';
	}
	return s;
}

enum err rules_read(struct rules *r, struct span text, struct policy_error *where)
{
	struct reader rd = { .r = r, .where = where };
	struct span rest = text, line;

	for (size_t i = 0; i < OWN_COUNT; i++)
		must(attribute_add(r, span_str(own_names[i])));
	do {
		rd.line++;
		line = span_cut(rest, '\n', &rest);
		TRY(read_line(&rd, line));
	} while (rest.p);
	if (!r->tenant_line)
		return refuse(&rd, 1, "there is no statement in it; the first must be 'tenant NAME'");
	return OK;
}

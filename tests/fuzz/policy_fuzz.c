/* Policies from outside, and subjects and topics against them: whatever the bytes, an error has a place and a reason,
 * and what is decided holds together. */
#include "crypt.h"
#include "policy.h"

#include <stdlib.h>

#define WORDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(void *ctx, uint32_t line, const char *text)
{
	must(text[0] && strlen(text) < 1024);
	*(uint32_t *)ctx += line + 1;
}

/* A file of the same text, whatever is included. */
static enum err bring(void *ctx, struct span from, struct span path, struct policy_file *out)
{
	(void)from;
	*out = (struct policy_file){ path, *(struct span *)ctx };
	return path.n % 2 ? OK : ERR_NOT_FOUND;
}

/* Formatting loses no byte that is not a blank, and settles. */
static void check_format(struct span text)
{
	size_t lines = 1, cap, a = 0, b = 0;
	struct put one, two;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	cap = POLICY_FORMAT_CAP(text.n, lines);
	one = put(malloc(cap), cap);
	two = put(malloc(cap), cap);
	must(one.p && two.p);
	if (policy_format(text, &one) == OK) {
		must(policy_format(put_span(&one), &two) == OK && span_eq(put_span(&one), put_span(&two)));
		for (; a < text.n; a++) {
			if (strchr(" \t\r\n", text.p[a]) && text.p[a])
				continue;
			while (b < one.n && strchr(" \t\r\n", one.p[b]) && one.p[b])
				b++;
			must(b < one.n && one.p[b++] == text.p[a]);
		}
	}
	free(one.p);
	free(two.p);
}

static void check_limits(const struct policy *p, const struct holder *h)
{
	struct policy_limits l = policy_limits(p, h);

	must(l.qos <= 2);
	must(!policy_limits(p, NULL).will);
	must(!policy_control(p, h, SPAN_LIT("user..create")).allow);
}

static size_t cut_words(struct span line, struct span word[WORDS_MAX])
{
	size_t n = 0;

	while (line.n && n < WORDS_MAX)
		word[n++] = span_cut(line, ' ', &line);
	return n;
}

/* What holds for every policy, subject and topic. */
static void check(const struct policy *p, struct subject *s, enum access a, const struct topic *t)
{
	struct holder *h = NULL;
	struct verdict v, again;
	uint32_t heard = 0;

	must(policy_bind(p, s, &h) == OK);
	v = policy_decide(p, h, a, t);
	again = policy_decide(p, h, a, t);
	must(memcmp(&v, &again, sizeof(v)) == 0 && v.why < WHY_COUNT);
	must(v.allow == (v.why == WHY_ALLOWED) && (v.line != 0) == (v.why == WHY_ALLOWED || v.why == WHY_DENIED));
	must(!v.allow || span_eq(t->level[0], s->tenant) ||
	     (policy_has_tenant(p, t->level[0]) && t->n > 2 && span_is(t->level[1], "channel")));
	must(!v.allow || s->party != PULLCORD__V1__PARTY__PARTY_NONE);
	must(v.record < POLICY_RECORDS);
	check_limits(p, h);
	policy_explain(p, s, a, t, hear, &heard);
	must(heard > 0);
	holder_close(&h);
	s->suspended = true;
	must(policy_bind(p, s, &h) == OK && !policy_decide(p, h, a, t).allow);
	holder_close(&h);
	s->suspended = false;
	s->quarantined = true;
	s->address = SPAN_LIT("10.1.2.3");
	must(policy_bind(p, s, &h) == OK);
	v = policy_decide(p, h, a, t);
	must(v.allow || v.why == WHY_QUARANTINED || v.why == WHY_DENIED || v.why == WHY_GRAMMAR || v.why == WHY_FOREIGN);
	holder_close(&h);
}

/* The policy, a line of '---', then lines: party as a digit, id, roles, values of {unit}, topic or filter. */
static void ask(const struct policy *p, struct span rest)
{
	struct span head = span_cut(rest, '\n', &rest), id = span_cut(rest, '\n', &rest), role[WORDS_MAX], unit[WORDS_MAX];
	size_t roles = cut_words(span_cut(rest, '\n', &rest), role), units = cut_words(span_cut(rest, '\n', &rest), unit);
	struct attribute attribute[WORDS_MAX];
	struct topic t;

	for (size_t i = 0; i < units; i++)
		attribute[i] = (struct attribute){ SPAN_LIT("unit"), unit[i] };
	for (unsigned bit = 0; head.n && bit < 3; bit++) {
		struct subject s = { .party = (Pullcord__V1__Party)(head.p[0] - '0'), .tenant = policy_tenant(p), .id = id,
				     .role = role, .roles = roles, .attribute = attribute, .attributes = units };
		enum access a = (enum access)(1u << bit);

		if ((a == ACCESS_SUBSCRIBE ? filter_parse(rest, &t) : topic_parse(rest, &t)) == OK)
			check(p, &s, a, &t);
	}
}

/* Up to the line that ends the policy. */
static struct span cut_policy(struct span all, struct span *rest)
{
	static const char mark[] = "\n---\n";
	const uint8_t *at = all.n ? memmem(all.p, all.n, mark, strlen(mark)) : NULL;

	*rest = at ? span(at + strlen(mark), all.n - (size_t)(at - all.p) - strlen(mark)) : span(NULL, 0);
	return at ? span(all.p, (size_t)(at - all.p)) : all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest, text = cut_policy(span(data, size), &rest);
	struct policy *p = NULL;
	struct policy_error where;
	uint32_t heard = 0;
	enum err e;

	must(crypt_init() == OK);
	check_format(text);
	e = policy_load_files(&(struct policy_file){ SPAN_LIT("main"), text },
			      &(struct policy_reader){ bring, &rest }, &p, &where);
	if (e != OK) {
		must(!p && (e == ERR_TOO_LARGE || (where.line && where.column && where.column <= size + 1 && where.text[0])));
		for (const char *c = where.text; *c; c++)
			must(*c >= ' ' && *c < 0x7f);
		return 0;
	}
	policy_lint(p, hear, &heard);
	ask(p, rest);
	policy_close(&p);
	return 0;
}

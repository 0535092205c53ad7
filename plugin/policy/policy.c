#include "policy.h"

#include <stdlib.h>

#include "compiled.h"
#include "crypt.h"

/* A rule makes at most one root, and a node and an edge for each of its levels; node 0 is nowhere. */
static uint8_t *lay_out(struct block *b, struct policy *p, struct rules_size size, size_t text)
{
	size_t words = size.lines + size.levels + OWN_COUNT + 1, slots = words_slots(words), edges = trie_edges(size.levels);
	struct rules *r = &p->rules;

	block_take(b, 1, sizeof(*p));
	r->words.slot = block_take(b, slots, sizeof(*r->words.slot));
	r->words.mask = (uint32_t)slots - 1;
	r->words.text = block_take(b, words + 1, sizeof(*r->words.text));
	r->role_of = block_take(b, words + 1, sizeof(*r->role_of));
	r->attribute_of = block_take(b, words + 1, sizeof(*r->attribute_of));
	r->role = block_take(b, size.lines + 1, sizeof(*r->role));
	r->rule = block_take(b, size.lines, sizeof(*r->rule));
	p->trie.node = block_take(b, size.lines + size.levels + 1, sizeof(*p->trie.node));
	p->trie.edge = block_take(b, edges, sizeof(*p->trie.edge));
	p->trie.mask = (uint32_t)edges - 1;
	return block_take(b, text, 1);
}

/* The digest's first half is the policy's public name, its second the key of the tables: nobody chooses it without
 * choosing the whole text. */
static void digest(struct policy *p, struct span text)
{
	uint8_t sha[SHA256_BYTES];

	SHA256(sha, text);
	memcpy(p->version, sha, sizeof(p->version));
	memcpy(p->rules.words.key, sha + sizeof(p->version), sizeof(p->rules.words.key));
	p->trie.key = p->rules.words.key[0];
}

/* A mark is about topics, not about who asks: there {name} stands for any one level. */
static struct step compile_level(const struct rules *r, const struct level *l, enum effect effect)
{
	uint32_t attribute;

	switch (l->kind) {
	case STEP_WORD:
		return (struct step){ STEP_WORD, words_find(&r->words, words_hash(r->words.key, l->text), l->text), 0 };
	case STEP_ATTRIBUTE:
		if (effect == EFFECT_MARK)
			return (struct step){ .kind = STEP_PLUS };
		attribute = rules_attribute(r, l->text) - 1;
		return (struct step){ STEP_ATTRIBUTE, attribute, 1ull << attribute };
	default:
		return (struct step){ .kind = l->kind };
	}
}

uint32_t policy_steps(const struct policy *p, const struct rule *rule, struct step step[TOPIC_LEVELS_MAX])
{
	struct pattern pattern;
	size_t bad;

	must(!pattern_read(rule->pattern, &pattern, &bad));
	for (uint32_t i = 0; i < pattern.n; i++)
		step[i] = compile_level(&p->rules, &pattern.level[i], rule->effect);
	return pattern.n;
}

static void compile(struct policy *p)
{
	struct step step[TOPIC_LEVELS_MAX];

	for (uint32_t i = 0; i < p->rules.n; i++) {
		const struct rule *rule = &p->rules.rule[i];
		uint32_t *root = rule->effect == EFFECT_MARK ? &p->marks : &p->rules.role[rule->role].root[rule->effect];
		uint32_t n = policy_steps(p, rule, step);

		if (!*root)
			*root = trie_root(&p->trie);
		trie_add(&p->trie, *root, step, n, rule->accesses, rule->line);
	}
}

enum err policy_load(struct span text, struct policy **out, struct policy_error *where)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct rules_size size = rules_measure(text);
	struct policy plan = { 0 };
	struct block b = { 0 };
	uint8_t *copy;

	*where = (struct policy_error){ 0 };
	if (text.n > POLICY_BYTES_MAX)
		return ERR_TOO_LARGE;
	lay_out(&b, &plan, size, text.n);
	p = calloc(1, b.used);
	if (!p)
		return ERR_FULL;
	b = (struct block){ (uint8_t *)p, 0 };
	copy = lay_out(&b, p, size, text.n);
	if (text.n)
		memcpy(copy, text.p, text.n);
	digest(p, text);
	TRY(rules_read(&p->rules, span(copy, text.n), where));
	compile(p);
	*out = p;
	p = NULL;               /* given away */
	return OK;
}

void policy_close(struct policy **p)
{
	free(*p);
	*p = NULL;
}

const uint8_t *policy_version(const struct policy *p)
{
	return p->version;
}

struct span policy_tenant(const struct policy *p)
{
	return p->rules.tenant;
}

uint32_t policy_idle_s(const struct policy *p, const struct holder *h)
{
	must(!h || h->policy == p);
	return h ? h->idle_s : 0;
}

bool policy_has_role(const struct policy *p, struct span role)
{
	return rules_role(&p->rules, role) != 0;
}

struct policy_counts policy_count(const struct policy *p)
{
	struct policy_counts c = { .roles = p->rules.roles };

	for (uint32_t i = 0; i < p->rules.n; i++)
		(*(p->rules.rule[i].effect == EFFECT_MARK ? &c.marks : &c.rules))++;
	return c;
}

const char *why_text(enum why w)
{
	static const char *const text[WHY_COUNT] = {
		[WHY_NO_RULE] = "no rule of a held role speaks of it",
		[WHY_ALLOWED] = "a rule allows it",
		[WHY_DENIED] = "a rule denies it",
		[WHY_NOT_HELD] = "it is wider than what any one rule grants",
		[WHY_SUSPENDED] = "the account is suspended",
		[WHY_GRAMMAR] = "it is not one of our topics or filters",
	};

	return (unsigned)w < WHY_COUNT ? text[w] : "unknown";
}

const char *access_name(enum access a)
{
	switch (a) {
	case ACCESS_PUBLISH:
		return "publish";
	case ACCESS_SUBSCRIBE:
		return "subscribe";
	case ACCESS_RECEIVE:
		return "receive";
	}
	return "unknown";
}

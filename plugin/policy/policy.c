#include "policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "compiled.h"
#include "crypt.h"
#include "line.h"
#include "shares.h"

/* A role makes at most two roots, and so do a tenant and the policy; a node and an edge for each level of a pattern; node
 * 0 is nowhere. */
static uint8_t *lay_out(struct block *b, struct policy *p, const struct rules_size *size, const struct sources *from)
{
	size_t slots = words_slots(size->words), edges = trie_edges(size->levels);
	struct rules *r = &p->rules;

	block_take(b, 1, sizeof(*p));
	r->words.slot = block_take(b, slots, sizeof(*r->words.slot));
	r->words.mask = (uint32_t)slots - 1;
	r->words.text = block_take(b, size->words + 1, sizeof(*r->words.text));
	r->role_of = block_take(b, size->words + 1, sizeof(*r->role_of));
	r->attribute_of = block_take(b, size->words + 1, sizeof(*r->attribute_of));
	r->tenant_of = block_take(b, size->words + 1, sizeof(*r->tenant_of));
	r->role = block_take(b, size->roles + 1, sizeof(*r->role));
	r->rule = block_take(b, size->rules, sizeof(*r->rule));
	r->include = block_take(b, size->items, sizeof(*r->include));
	r->network = block_take(b, size->items, sizeof(*r->network));
	r->share = block_take(b, size->shares, sizeof(*r->share));
	r->source = block_take(b, from->n, sizeof(*r->source));
	p->trie.node = block_take(b, 2 * (size->roles + size->tenants) + size->levels + 3, sizeof(*p->trie.node));
	p->trie.edge = block_take(b, edges, sizeof(*p->trie.edge));
	p->trie.mask = (uint32_t)edges - 1;
	return block_take(b, from->bytes + from->n * sizeof(((struct policy_error *)0)->file), 1);
}

/* The digest's first half is the policy's public name, its second the key of the tables: nobody chooses it without
 * choosing the whole text. */
static void digest(struct policy *p, const struct sources *from)
{
	uint8_t sha[POLICY_FILES_MAX][SHA256_BYTES];

	for (size_t i = 0; i < from->n; i++)
		SHA256(sha[i], from->source[i].file.text);
	if (from->n > 1)
		SHA256(sha[0], span(sha, from->n * SHA256_BYTES));
	memcpy(p->version, sha[0], sizeof(p->version));
	memcpy(p->rules.words.key, sha[0] + sizeof(p->version), sizeof(p->rules.words.key));
	p->trie.key = p->rules.words.key[0];
}

static struct span keep(uint8_t **at, struct span s)
{
	struct span kept = span(*at, s.n);

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return kept;
}

static void keep_sources(struct rules *r, uint8_t *at, const struct sources *from)
{
	size_t name_max = sizeof(((struct policy_error *)0)->file) - 1;

	for (size_t i = 0; i < from->n; i++) {
		struct source *s = &r->source[i];

		*s = from->source[i];
		if (s->file.name.n > name_max)
			s->file.name.n = name_max;
		s->file.text = keep(&at, s->file.text);
		s->file.name = keep(&at, s->file.name);
	}
	r->sources = (uint32_t)from->n;
}

/* Marks and the record are about topics, not about who asks: there {name} stands for any one level. */
static struct step compile_level(const struct rules *r, const struct level *l, enum effect effect)
{
	uint32_t attribute;

	switch (l->kind) {
	case STEP_WORD:
		return (struct step){ STEP_WORD, words_find(&r->words, words_hash(r->words.key, l->text), l->text), 0 };
	case STEP_ATTRIBUTE:
		if (effect > EFFECT_DENY)
			return (struct step){ .kind = STEP_PLUS };
		attribute = rules_attribute(r, l->text) - 1;
		return (struct step){ STEP_ATTRIBUTE, attribute, 1ull << attribute };
	default:
		return (struct step){ .kind = l->kind };
	}
}

uint32_t policy_steps(const struct policy *p, const struct rule *rule, struct step step[TOPIC_LEVELS_MAX])
{
	const struct pattern pattern = rule_pattern(rule);

	for (uint32_t i = 0; i < pattern.n; i++)
		step[i] = compile_level(&p->rules, &pattern.level[i], rule->effect);
	return pattern.n;
}

static uint32_t *root_of(struct policy *p, const struct rule *rule)
{
	switch (rule->effect) {
	case EFFECT_MARK:
		return &p->marks;
	case EFFECT_RECORD:
		return &p->records;
	default:
		return &p->rules.role[rule->role].root[rule->effect];
	}
}

static enum err refuse_record(const struct policy *p, const struct rule *rule, uint32_t before, struct policy_error *where)
{
	char text[160];

	snprintf(text, sizeof(text), "how to record these topics was said in %s already",
		 rules_place_text(&p->rules, before).text);
	return rules_refuse(&p->rules, rule->line, 1, where, text);
}

static enum err compile(struct policy *p, struct policy_error *where)
{
	struct step step[TOPIC_LEVELS_MAX];

	shares_compile(p);
	for (uint32_t i = 0; i < p->rules.n; i++) {
		const struct rule *rule = &p->rules.rule[i];
		uint32_t *root = root_of(p, rule), n = policy_steps(p, rule, step), before;

		if (!*root)
			*root = trie_root(&p->trie);
		before = trie_add(&p->trie, *root, step, n, rule->accesses, rule->line);
		if (before && rule->effect == EFFECT_RECORD)
			return refuse_record(p, rule, before, where);
		for (uint32_t k = 0; k < n && rule->effect <= EFFECT_DENY; k++)
			if (step[k].kind == STEP_ATTRIBUTE)
				p->rules.role[rule->role].depths |= (uint16_t)(1u << k);
	}
	return OK;
}

static enum err load_sources(const struct sources *from, struct policy **out, struct policy_error *where)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct rules_size size = rules_measure(from->source, from->n);
	struct policy plan = { 0 };
	struct block b = { 0 };

	lay_out(&b, &plan, &size, from);
	p = calloc(1, b.used);
	if (!p)
		return ERR_FULL;
	b = (struct block){ (uint8_t *)p, 0 };
	keep_sources(&p->rules, lay_out(&b, p, &size, from), from);
	digest(p, from);
	TRY(rules_read(&p->rules, where));
	TRY(compile(p, where));
	*out = p;
	p = NULL;               /* given away */
	return OK;
}

enum err policy_load_files(const struct policy_file *first, const struct policy_reader *reader, struct policy **out,
			   struct policy_error *where)
{
	struct sources from;

	*where = (struct policy_error){ 0 };
	TRY(sources_gather(&from, first, reader, where));
	return load_sources(&from, out, where);
}

enum err policy_load(struct span text, struct policy **out, struct policy_error *where)
{
	return policy_load_files(&(struct policy_file){ .text = text }, NULL, out, where);
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

void policy_hash(const struct policy *p, uint8_t out[32])
{
	memcpy(out, p->version, sizeof(p->version));
	memcpy(out + sizeof(p->version), p->rules.words.key, sizeof(p->rules.words.key));
}

struct policy_file policy_source(const struct policy *p, uint32_t i)
{
	must(i < p->rules.sources);
	return p->rules.source[i].file;
}

const struct policy_lockout *policy_lockout(const struct policy *p)
{
	return p->rules.lockout;
}

struct span policy_tenant(const struct policy *p)
{
	return p->rules.tenant[1].name;
}

bool policy_has_tenant(const struct policy *p, struct span tenant)
{
	return rules_tenant(&p->rules, tenant) != 0;
}

struct span policy_tenant_at(const struct policy *p, uint32_t i)
{
	must(i < p->rules.tenants);
	return p->rules.tenant[i + 1].name;
}

struct span policy_tenant_of_roles(const struct policy *p, const struct span *role, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (policy_has_role(p, role[i]))
			return policy_role_tenant(p, role[i]);
	return policy_tenant(p);
}

struct span policy_role_tenant(const struct policy *p, struct span role)
{
	return p->rules.tenant[p->rules.role[rules_role(&p->rules, role)].tenant].name;
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

struct span policy_role_near(const struct policy *p, struct span tenant, struct span role)
{
	uint32_t whose = rules_tenant(&p->rules, tenant);
	struct span best = { NULL, 0 };
	unsigned least = LINE_NEAR + 1;

	for (uint32_t i = 1; i <= p->rules.roles; i++) {
		unsigned d = line_distance(role, p->rules.role[i].name);

		if (rules_is_quarantine(&p->rules, i) || p->rules.role[i].tenant != whose || d >= least || d >= role.n)
			continue;
		least = d;
		best = p->rules.role[i].name;
	}
	return best;
}

struct policy_place policy_place(const struct policy *p, uint32_t line)
{
	return rules_place(&p->rules, line);
}

static bool brings(const struct policy *p, struct span held, uint32_t role)
{
	uint32_t with[RULES_REACH_MAX], from = rules_role(&p->rules, held);

	for (size_t n = from ? rules_closure(&p->rules, from, NULL, with) : 0; n; n--)
		if (with[n - 1] == role)
			return true;
	return false;
}

void policy_each_role(const struct policy *p, const struct span *held, size_t n,
		      void (*say)(void *ctx, uint32_t line, struct span name, bool is_held), void *ctx)
{
	for (uint32_t i = 1; i <= p->rules.roles; i++) {
		bool is_held = rules_is_quarantine(&p->rules, i);

		for (size_t k = 0; k < n && !is_held; k++)
			is_held = brings(p, held[k], i);
		say(ctx, p->rules.role[i].line, p->rules.role[i].name, is_held);
	}
}

static void write_rule(const struct policy *p, const struct rule *rule, char *out, size_t cap)
{
	snprintf(out, cap, "role %.*s: %s %s %.*s", SPAN_FMT(p->rules.role[rule->role].name), effect_name(rule->effect),
		 accesses_name(rule->accesses), SPAN_FMT(rule->pattern));
}

void policy_each_rule(const struct policy *p, void (*say)(void *ctx, uint32_t line, const char *text), void *ctx)
{
	char text[384];

	for (uint32_t i = 0; i < p->rules.n; i++) {
		const struct rule *rule = &p->rules.rule[i];

		if (rule->effect > EFFECT_DENY)
			continue;
		write_rule(p, rule, text, sizeof(text));
		say(ctx, rule->line, text);
	}
}

bool policy_rule_text(const struct policy *p, uint32_t line, char *out, size_t cap)
{
	const struct rule *rule = rules_at(&p->rules, line);

	if (!rule || rule->effect > EFFECT_DENY)
		return false;
	write_rule(p, rule, out, cap);
	return true;
}

struct policy_counts policy_count(const struct policy *p)
{
	struct policy_counts c = { .tenants = p->rules.tenants, .roles = p->rules.roles, .files = p->rules.sources };

	for (uint32_t i = 0; i < p->rules.n; i++) {
		c.marks += p->rules.rule[i].effect == EFFECT_MARK;
		c.rules += p->rules.rule[i].effect <= EFFECT_DENY;
	}
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
		[WHY_QUARANTINED] = "in quarantine, and what may be reached from there does not include it",
		[WHY_FOREIGN] = "it is another tenant's, and not a channel both sides share",
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
	case ACCESS_CONTROL:
		return "control";
	case ACCESS_GRANT:
		return "grant";
	}
	return "unknown";
}

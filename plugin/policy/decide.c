#include "compiled.h"

enum err holder_resolve(const struct holder *h, const struct topic *topic, bool filter,
			struct step step[TOPIC_LEVELS_MAX])
{
	const struct words *words = &h->policy->rules.words;

	if (topic->n == 0 || topic->n > TOPIC_LEVELS_MAX || !topic->level[0].n || topic->level[0].p[0] == '$')
		return ERR_SYNTAX;
	for (uint32_t i = 0; i < topic->n; i++) {
		struct span text = topic->level[i];
		enum step_kind kind = span_is(text, "+") ? STEP_PLUS : span_is(text, "#") ? STEP_HASH : STEP_WORD;
		uint64_t hash = words_hash(words->key, text);

		if (kind != STEP_WORD && (!filter || (kind == STEP_HASH && i + 1 < topic->n)))
			return ERR_SYNTAX;
		step[i] = (struct step){ .kind = kind };
		if (kind == STEP_WORD)
			step[i] = (struct step){ kind, words_find(words, hash, text),
						 h->of_value[words_find(&h->value, hash, text)] };
	}
	return OK;
}

/* The least line over the held roles, of rules that cover the topic or only meet it. */
static uint32_t search(const struct holder *h, enum effect e, bool cover, const struct step *step, uint32_t n,
		       enum access a)
{
	const struct policy *p = h->policy;
	uint32_t line = 0;

	for (uint32_t i = 0; i < h->roles; i++) {
		uint32_t root = p->rules.role[h->role[i]].root[e];

		line = line_first(line, cover ? trie_covers(&p->trie, root, step, n, a)
					      : trie_meets(&p->trie, root, step, n, a, h->attributes));
	}
	return line;
}

/* A filter is denied by any deny rule it meets; for a topic, meeting and covering are the same. */
static struct verdict judge(const struct holder *h, enum access a, const struct step *step, uint32_t n)
{
	bool filter = a == ACCESS_SUBSCRIBE;
	uint32_t line = search(h, EFFECT_DENY, !filter, step, n, a);

	if (line)
		return (struct verdict){ .why = WHY_DENIED, .line = line };
	line = search(h, EFFECT_ALLOW, true, step, n, a);
	if (line)
		return (struct verdict){ .allow = true, .why = WHY_ALLOWED, .line = line };
	if (filter && search(h, EFFECT_ALLOW, false, step, n, a))
		return (struct verdict){ .why = WHY_NOT_HELD };
	return (struct verdict){ .why = WHY_NO_RULE };
}

struct verdict policy_decide(const struct policy *p, const struct holder *h, enum access a, const struct topic *topic)
{
	struct step step[TOPIC_LEVELS_MAX];
	struct verdict v = { 0 };

	if (!h || (a != ACCESS_PUBLISH && a != ACCESS_SUBSCRIBE && a != ACCESS_RECEIVE))
		return v;
	must(h->policy == p);
	if (holder_resolve(h, topic, a == ACCESS_SUBSCRIBE, step) != OK)
		return (struct verdict){ .why = WHY_GRAMMAR };
	v = h->suspended ? (struct verdict){ .why = WHY_SUSPENDED } : judge(h, a, step, topic->n);
	v.life_critical = trie_covers(&p->trie, p->marks, step, topic->n, a) != 0;   /* marks do not speak of subscribing */
	return v;
}

#include "compiled.h"
#include "shares.h"

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static bool prepare_levels(const struct policy *p, const struct topic *topic, struct policy_topic *out)
{
	const struct words *words = &p->rules.words;

	if (topic->n == 0 || topic->n > TOPIC_LEVELS_MAX || !topic->level[0].n || topic->level[0].p[0] == '$')
		return false;
	for (uint32_t i = 0; i < topic->n; i++) {
		struct span text = topic->level[i];
		enum step_kind kind = span_is(text, "+") ? STEP_PLUS : span_is(text, "#") ? STEP_HASH : STEP_WORD;

		if (kind != STEP_WORD && (!out->filter || (kind == STEP_HASH && i + 1 < topic->n)))
			return false;
		out->level[i].text = text;
		out->level[i].kind = (uint8_t)kind;
		out->level[i].hash = words_hash(words->key, text);
		out->level[i].word = kind == STEP_WORD ? words_find(words, out->level[i].hash, text) : 0;
	}
	return true;
}

void holder_resolve(const struct holder *h, const struct policy_topic *topic, unsigned depths,
		    struct step step[TOPIC_LEVELS_MAX])
{
	for (uint32_t i = 0; i < topic->n; i++)
		step[i] = (struct step){ (enum step_kind)topic->level[i].kind, topic->level[i].word, 0 };
	for (; depths; depths &= depths - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(depths);

		if (i >= topic->n)
			return;
		if (step[i].kind == STEP_WORD)
			step[i].attributes = h->of_value[words_find(&h->value, topic->level[i].hash, topic->level[i].text)];
	}
}

/* The patterns of marks and of the record ask for nobody's attributes. */
static void classify(const struct policy *p, struct policy_topic *t)
{
	struct step step[TOPIC_LEVELS_MAX];
	unsigned record;

	for (uint32_t i = 0; i < t->n; i++)
		step[i] = (struct step){ (enum step_kind)t->level[i].kind, t->level[i].word, 0 };
	t->life_critical = trie_covers(&p->trie, p->marks, step, t->n, ACCESS_RECEIVE) != 0;
	record = trie_closest(&p->trie, p->records, step, t->n);
	t->record = record ? (enum policy_record)__builtin_ctz(record) : POLICY_RECORD_FULL;
}

void policy_prepare(const struct policy *p, enum access a, const struct topic *topic, struct policy_topic *out)
{
	out->policy = p;
	out->key = p->rules.words.key[0];
	out->filter = a == ACCESS_SUBSCRIBE;
	out->life_critical = false;
	out->record = POLICY_RECORD_FULL;
	out->n = prepare_levels(p, topic, out) ? topic->n : 0;
	if (a & (ACCESS_PUBLISH | ACCESS_RECEIVE))
		classify(p, out);
}

/* For this very policy. */
static bool is_prepared(const struct policy *p, const struct policy_topic *topic)
{
	return topic->policy == p && topic->key == p->rules.words.key[0];
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

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
	if (!(a & (ACCESS_CONTROL | ACCESS_GRANT)) && shares_refuse(h, a, step, n))
		return (struct verdict){ .why = WHY_FOREIGN };
	line = search(h, EFFECT_ALLOW, true, step, n, a);
	if (line)
		return (struct verdict){ .allow = true, .why = WHY_ALLOWED, .line = line };
	if (h->quarantined)
		return (struct verdict){ .why = WHY_QUARANTINED };
	if (filter && search(h, EFFECT_ALLOW, false, step, n, a))
		return (struct verdict){ .why = WHY_NOT_HELD };
	return (struct verdict){ .why = WHY_NO_RULE };
}

struct verdict policy_decide_prepared(const struct policy *p, const struct holder *h, enum access a,
				      const struct policy_topic *topic)
{
	struct step step[TOPIC_LEVELS_MAX];
	struct verdict v = { .record = topic->record };

	if (!h || (a != ACCESS_PUBLISH && a != ACCESS_SUBSCRIBE && a != ACCESS_RECEIVE && a != ACCESS_CONTROL && a != ACCESS_GRANT))
		return v;
	must(h->policy == p && is_prepared(p, topic));
	if (topic->n == 0 || topic->filter != (a == ACCESS_SUBSCRIBE))
		return (struct verdict){ .why = WHY_GRAMMAR };
	if (h->suspended) {
		v.why = WHY_SUSPENDED;
	} else if (a == ACCESS_GRANT && h->tenant && !p->rules.tenant[h->tenant].grants) {
		v = (struct verdict){ .allow = true, .why = WHY_ALLOWED };
	} else {
		holder_resolve(h, topic, h->depths, step);
		v = judge(h, a, step, topic->n);
	}
	v.life_critical = topic->life_critical;
	v.record = topic->record;
	return v;
}

struct verdict policy_decide(const struct policy *p, const struct holder *h, enum access a, const struct topic *topic)
{
	struct policy_topic t;

	policy_prepare(p, a, topic, &t);
	return policy_decide_prepared(p, h, a, &t);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

enum err control_parse(struct span command, struct topic *out)
{
	struct span rest = command, word;
	struct topic t = { .text = command };

	if (command.n > TOPIC_BYTES_MAX)
		return ERR_TOO_LARGE;
	do {
		word = span_cut(rest, '.', &rest);
		if (!word_ok(word))
			return ERR_SYNTAX;
		if (t.n == TOPIC_LEVELS_MAX)
			return ERR_TOO_LARGE;
		t.level[t.n++] = word;
	} while (rest.p);
	*out = t;
	return OK;
}

struct verdict policy_control(const struct policy *p, const struct holder *h, struct span command)
{
	struct topic t = { 0 };

	if (control_parse(command, &t) != OK)
		return (struct verdict){ .why = WHY_GRAMMAR };
	return policy_decide(p, h, ACCESS_CONTROL, &t);
}

/* ---- handing out ------------------------------------------------------------------------------------------------- */

enum err grant_parse(struct span text, struct topic *out)
{
	struct pattern p;
	struct topic t = { .text = text };
	size_t bad;

	if (text.n > TOPIC_BYTES_MAX || pattern_read_grant(text, &p, &bad))
		return ERR_SYNTAX;
	for (; t.n < p.n; t.n++) {
		if (p.level[t.n].kind != STEP_WORD)
			return ERR_SYNTAX;
		t.level[t.n] = p.level[t.n].text;
	}
	*out = t;
	return OK;
}

static struct verdict decide_grant(const struct policy *p, const struct holder *h, const struct span *level, uint32_t n)
{
	struct topic t = { .n = n };

	for (uint32_t i = 0; i < n; i++) {
		if (!word_ok(level[i]))
			return (struct verdict){ .why = WHY_GRAMMAR };
		t.level[i] = level[i];
	}
	return policy_decide(p, h, ACCESS_GRANT, &t);
}

struct verdict policy_grant_role(const struct policy *p, const struct holder *h, struct span role)
{
	struct span level[] = { SPAN_LIT("role"), role };
	struct verdict v = decide_grant(p, h, level, countof(level)), within;
	uint32_t with[RULES_REACH_MAX], number = rules_role(&p->rules, role);
	size_t n = number ? rules_closure(&p->rules, number, NULL, with) : 0;

	for (size_t i = 1; i < n && v.allow; i++) {
		level[1] = p->rules.role[with[i]].name;
		within = decide_grant(p, h, level, countof(level));
		if (within.why == WHY_DENIED)
			v = within;
	}
	return v;
}

struct verdict policy_grant_attribute(const struct policy *p, const struct holder *h, struct attribute a)
{
	return decide_grant(p, h, (struct span[]){ SPAN_LIT("attribute"), a.name, a.value }, 3);
}

struct verdict policy_grant_self(const struct policy *p, const struct holder *h)
{
	return decide_grant(p, h, &SPAN_LIT("self"), 1);
}

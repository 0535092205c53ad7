#include "memo.h"

#include "compiled.h"

static bool is_current(const struct memo_topic *t, const struct policy *p, const char *text)
{
	return t->number && t->prepared.policy == p && t->prepared.key == p->rules.words.key[0] && strcmp(t->text, text) == 0;
}

static bool look_at(struct memo_topics *m, const struct policy *p, const char *text, size_t n, struct memo_topic *t)
{
	t->number = 0;
	memcpy(t->text, text, n + 1);
	if (topic_parse(span(t->text, n), &t->topic) != OK)
		return false;
	policy_prepare(p, ACCESS_RECEIVE, &t->topic, &t->prepared);
	t->number = ++m->numbers;
	return true;
}

const struct memo_topic *memo_topic(struct memo_topics *m, const struct policy *p, const char *text)
{
	struct memo_topic *t = m->last;
	size_t n;

	if (t && is_current(t, p, text))
		return t;
	n = strlen(text);
	if (n > TOPIC_BYTES_MAX)
		return NULL;
	t = &m->slot[words_hash(p->rules.words.key, span(text, n)) % MEMO_TOPICS];
	if (!is_current(t, p, text) && !look_at(m, p, text, n, t))
		return NULL;
	m->last = t;
	return t;
}

static size_t slot_of(enum access a, const struct memo_topic *t)
{
	return (t->number + (a == ACCESS_PUBLISH ? MEMO_VERDICTS / 2 : 0)) % MEMO_VERDICTS;
}

static bool answers(const struct memo_verdict *s, const struct memo_verdicts *m, enum access a, const struct memo_topic *t)
{
	return s->topic == t->number && s->holder == m->holder && s->access == (uint32_t)a;
}

const struct verdict *memo_known(const struct memo_topics *m, const struct memo_verdicts *v, const struct policy *p,
				 enum access a, const char *text)
{
	const struct memo_topic *t = m->last;
	const struct memo_verdict *s;

	if (!t)
		return NULL;
	s = &v->slot[slot_of(a, t)];
	return answers(s, v, a, t) && is_current(t, p, text) ? &s->verdict : NULL;
}

struct verdict memo_decide(struct memo_verdicts *m, const struct policy *p, const struct holder *h, enum access a,
			   const struct memo_topic *t)
{
	struct memo_verdict *s = &m->slot[slot_of(a, t)];

	if (!answers(s, m, a, t))
		*s = (struct memo_verdict){ t->number, m->holder, (uint32_t)a,
					    policy_decide_prepared(p, h, a, &t->prepared) };
	return s->verdict;
}

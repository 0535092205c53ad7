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
	m->last = is_current(t, p, text) || look_at(m, p, text, n, t) ? t : NULL;
	return m->last;
}

void memo_forget(struct memo_topics *m)
{
	m->last = NULL;
}

struct verdict memo_decide(struct memo_verdicts *m, const struct policy *p, const struct holder *h, enum access a,
			   const struct memo_topic *t)
{
	struct memo_verdict *s = memo_slot(m, a, t->number);

	if (!memo_answers(s, m->holder, a, t->number))
		*s = (struct memo_verdict){ t->number, m->holder, (uint32_t)a,
					    policy_decide_prepared(p, h, a, &t->prepared) };
	return s->verdict;
}

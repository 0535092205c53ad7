/* memo: what was looked at lately is not looked at again. Topics are parsed and prepared once for everybody; each session
 * remembers what was decided for it on them. Pure; nothing is allocated, and whatever has no room is decided anew.
 *
 * A verdict is remembered under two stamps and answers only when both are those of the question: the number of the
 * topic, which is never given again and is another one under another policy, and how often the subject was bound. Texts
 * are compared, not their hashes alone: who may choose topics does not choose whose verdict is used. */
#ifndef PULLCORD_MEMO_H
#define PULLCORD_MEMO_H

#include "policy.h"

#define MEMO_TOPICS 256         /* powers of two */
#define MEMO_VERDICTS 16        /* of one session */

struct memo_topic {
	uint64_t number;            /* from 1 */
	struct topic topic;
	struct policy_topic prepared;   /* for publishing and receiving */
	char text[TOPIC_BYTES_MAX + 1];
};

/* All zero: empty. Not to be moved: topics borrow from it. */
struct memo_topics {
	struct memo_topic *last;    /* a message's deliveries come in a row; NULL or one that has a number */
	uint64_t numbers;
	struct memo_topic slot[MEMO_TOPICS];
};

/* NULL: no topic of ours. Valid until the next call. */
const struct memo_topic *memo_topic(struct memo_topics *m, const struct policy *p, const char *text);

struct memo_verdict {
	uint64_t topic;
	uint32_t holder, access;
	struct verdict verdict;
};

/* All zero: empty. `holder` is to be another number whenever the holder is another, of another policy, or none. */
struct memo_verdicts {
	uint32_t holder;
	struct memo_verdict slot[MEMO_VERDICTS];
};

static inline struct memo_verdict *memo_slot(struct memo_verdicts *v, enum access a, uint64_t topic)
{
	return &v->slot[(topic + (a == ACCESS_PUBLISH ? MEMO_VERDICTS / 2 : 0)) % MEMO_VERDICTS];
}

static inline bool memo_answers(const struct memo_verdict *s, uint32_t holder, enum access a, uint64_t topic)
{
	return s->topic == topic && s->holder == holder && s->access == (uint32_t)a;
}

/* The policy is another: the topic that was looked at last is none of it. */
void memo_forget(struct memo_topics *m);

/* What memo_decide() said of the topic that was looked at last, if it is that and the holder is the same; NULL: ask anew.
 * Here, because each delivery asks. */
static inline const struct verdict *memo_known(const struct memo_topics *m, struct memo_verdicts *v, enum access a,
					       const char *text)
{
	const struct memo_topic *t = m->last;
	const struct memo_verdict *s;

	if (!t)
		return NULL;
	s = memo_slot(v, a, t->number);
	return memo_answers(s, v->holder, a, t->number) && strcmp(t->text, text) == 0 ? &s->verdict : NULL;
}

/* policy_decide() for ACCESS_PUBLISH and ACCESS_RECEIVE. */
struct verdict memo_decide(struct memo_verdicts *m, const struct policy *p, const struct holder *h, enum access a,
			   const struct memo_topic *t);

#endif

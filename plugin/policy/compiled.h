/* compiled: what a policy and a holder are inside. Only for the files of this directory. */
#ifndef PULLCORD_COMPILED_H
#define PULLCORD_COMPILED_H

#include "rules.h"

/* One block: this, then the arrays it points to, then the text they borrow from. */
struct policy {
	uint8_t version[16];
	struct rules rules;
	struct trie trie;
	uint32_t marks, records;    /* roots of the life-critical and the record patterns; 0: none */
};

/* One block: this, then roles, values and their texts. A value is in the table once, with a bit for each attribute
 * whose set it is in; own ids are values of own attributes. */
struct holder {
	const struct policy *policy;
	uint32_t tenant;            /* 0: nobody's, and holds nothing */
	bool suspended, quarantined;
	uint32_t idle_s;
	struct policy_limits limits;
	uint64_t attributes;        /* whose set is not empty */
	struct words value;
	uint64_t *of_value;         /* by value: its attributes */
	uint32_t *role;             /* held, then those that would be, were they not bound to other networks */
	uint32_t roles, away;
	unsigned depths;            /* a bit for each level at which a rule of theirs asks for an attribute */
};

/* What a subject would have if somebody gave it more; for explaining. */
struct wish {
	struct span role;           /* empty: none */
	struct attribute attribute[TOPIC_LEVELS_MAX];
	size_t attributes;
	bool resumed, released;     /* not suspended, not quarantined any more */
};

/* A rule's pattern as the trie wants it; how many levels. */
uint32_t policy_steps(const struct policy *p, const struct rule *rule, struct step step[TOPIC_LEVELS_MAX]);

/* A topic as this holder sees it: the attributes of each level in `depths`. */
void holder_resolve(const struct holder *h, const struct policy_topic *topic, unsigned depths,
		    struct step step[TOPIC_LEVELS_MAX]);

/* policy_bind() for the subject with the wish fulfilled. */
enum err holder_make(const struct policy *p, const struct subject *s, const struct wish *w, struct holder **out) MUST_USE;

/* Memory of one block, piece by piece: with base NULL it only adds up. */
struct block {
	uint8_t *base;
	size_t used;
};

static inline void *block_take(struct block *b, size_t n, size_t size)
{
	size_t at = (b->used + 15) & ~(size_t)15;

	b->used = at + n * size;
	return b->base ? b->base + at : NULL;
}

#endif

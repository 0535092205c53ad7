#include "shares.h"

static uint32_t *root_of(struct policy *p, enum side side, uint32_t guest)
{
	struct tenant *t = &p->rules.tenant[guest];

	return side == SIDE_OWNER ? &t->shared : &t->joined;
}

static void compile(struct policy *p, const struct share *s)
{
	uint32_t owner = s->side == SIDE_OWNER ? s->tenant : s->other, guest = s->side == SIDE_OWNER ? s->other : s->tenant;
	uint32_t *root = root_of(p, s->side, guest);
	const struct span level[] = { p->rules.tenant[owner].name, SPAN_LIT("channel"), s->channel };
	struct step step[SHARE_LEVELS] = { [SHARE_LEVELS - 1] = { .kind = STEP_HASH } };

	for (size_t i = 0; i < countof(level); i++)
		step[i] = (struct step){ STEP_WORD, words_find(&p->rules.words, words_hash(p->rules.words.key, level[i]), level[i]), 0 };
	if (!*root)
		*root = trie_root(&p->trie);
	trie_add(&p->trie, *root, step, SHARE_LEVELS, ACCESS_PUBLISH | ACCESS_SUBSCRIBE | ACCESS_RECEIVE, s->line);
}

void shares_compile(struct policy *p)
{
	for (uint32_t i = 0; i < p->rules.shares; i++)
		compile(p, &p->rules.share[i]);
}

bool shares_has(const struct policy *p, enum side side, uint32_t guest, enum access a, const struct step *step, uint32_t n)
{
	const struct tenant *t = &p->rules.tenant[guest];

	return trie_covers(&p->trie, side == SIDE_OWNER ? t->shared : t->joined, step, n, a) != 0;
}

bool shares_refuse(const struct holder *h, enum access a, const struct step *step, uint32_t n)
{
	const struct policy *p = h->policy;
	uint32_t owner = p->rules.tenant_of[step->number];

	return h->tenant && owner && owner != h->tenant &&
	       !(shares_has(p, SIDE_OWNER, h->tenant, a, step, n) && shares_has(p, SIDE_GUEST, h->tenant, a, step, n));
}

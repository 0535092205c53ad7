#include "acts.h"

/* Before it was asked for, the clock was set: what is past and what is not can no longer be told. */
bool act_waits(const struct act *act, int64_t now_us)
{
	return act->number && now_us >= act->asked_us && now_us < act->until_us;
}

static struct act *find(struct acts *a, uint64_t number)
{
	for (size_t i = 0; number && i < ACTS_MAX; i++)
		if (a->act[i].number == number)
			return &a->act[i];
	return NULL;
}

/* One that is over stays until its place is needed, so that its number is answered with why. */
static struct act *place(struct acts *a, int64_t now_us)
{
	struct act *best = NULL;

	for (size_t i = 0; i < ACTS_MAX; i++) {
		if (!a->act[i].number)
			return &a->act[i];
		if (!act_waits(&a->act[i], now_us) && (!best || a->act[i].until_us < best->until_us))
			best = &a->act[i];
	}
	return best;
}

enum err acts_ask(struct acts *a, const struct act *act, uint64_t number, int64_t now_us)
{
	struct act *to = place(a, now_us);

	must(number && act->segments && act->segments <= ACT_SEGMENTS_MAX);
	if (find(a, number))
		return ERR_EXISTS;
	if (!to)
		return ERR_FULL;
	*to = *act;
	to->number = number;
	to->asked_us = now_us;
	to->until_us = now_us + ACT_WAIT_US;
	return OK;
}

enum err acts_confirm(struct acts *a, uint64_t number, enum act_kind kind, struct span who, int64_t now_us,
		      const struct act **out)
{
	const struct act *act = find(a, number);

	if (!act)
		return ERR_NOT_FOUND;
	if (act->kind != kind)
		return ERR_KIND;
	if (!act_waits(act, now_us))
		return ERR_TIME;
	if (span_is(who, act->who))
		return ERR_DENIED;
	*out = act;
	return OK;
}

void acts_take(struct acts *a, uint64_t number)
{
	struct act *act = find(a, number);

	if (act)
		*act = (struct act){ .number = 0 };
}

const struct act *acts_about(const struct acts *a, enum act_kind kind, uint32_t segment, int64_t now_us)
{
	for (size_t i = 0; i < ACTS_MAX; i++) {
		const struct act *act = &a->act[i];

		if (act->kind != kind || !act_waits(act, now_us))
			continue;
		for (size_t k = 0; k < act->segments; k++)
			if (act->segment[k] == segment)
				return act;
	}
	return NULL;
}

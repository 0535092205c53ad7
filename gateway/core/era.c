#include "era.h"

/* Before it must: that takes a few commits. */
static uint64_t end_of(const struct era *e) { return e->number + e->most / 16 * 15; }

void era_init(struct era *e, uint64_t number, uint64_t kept, uint64_t most)
{
	uint64_t last;                          /* row that went out early */

	*e = (struct era){ .number = number, .most = most };
	last = end_of(e) - era_keeps(most);
	e->until = (kept < last ? kept : last) + era_keeps(most);
}

bool era_names(const struct era *e, uint64_t kept) { return kept <= e->number + e->most; }

bool era_early(const struct era *e, uint64_t kept)
{
	return e->state == ERA_STEADY && (e->failing || kept + era_keeps(e->most) <= end_of(e));
}

void era_brought(struct era *e) { e->brought++; }

void era_back(struct era *e, bool early, bool was_kept, uint64_t kept)
{
	e->back++;
	e->failing = !was_kept;
	e->unwritten = e->unwritten && !was_kept;
	if (early && !was_kept)
		e->until = kept + era_keeps(e->most);
}

static bool is_over(const struct era *e, uint64_t kept)
{
	return kept >= e->number + e->most / 8 && (kept >= e->until || kept >= end_of(e));
}

bool era_step(struct era *e, uint64_t kept)
{
	if (e->state == ERA_SETTLING && e->back >= e->mark)
		e->state = ERA_STEADY;
	if (e->state == ERA_DRAINING && !is_over(e, kept))
		e->state = ERA_STEADY;          /* something went out and was not kept */
	if (e->state == ERA_STEADY && !e->unwritten && is_over(e, kept)) {
		e->state = ERA_DRAINING;
		e->mark = e->brought;
	}
	if (e->state != ERA_DRAINING || e->back < e->mark)
		return false;
	e->state = ERA_WRITING;
	return true;
}

void era_written(struct era *e, uint64_t number, bool ok)
{
	if (!ok) {                              /* tried again when something was kept */
		e->state = ERA_STEADY;
		e->failing = e->unwritten = true;
		return;
	}
	e->number = e->until = number;
	e->state = ERA_SETTLING;
	e->mark = e->brought;
}

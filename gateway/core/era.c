#include "era.h"

/* Of an era that nobody waits for. */
static uint64_t end_of(const struct era *e) { return e->number + e->most / 16 * 14; }

/* Before it must: that takes a few commits. */
static uint64_t last_of(const struct era *e) { return e->number + e->most / 16 * 15; }

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* What went out by then, and was not kept, has its name until. */
static uint64_t until(const struct era *e, uint64_t kept)
{
	uint64_t late = lesser(kept + era_late(e->most), last_of(e));

	if (kept + era_keeps(e->most) <= end_of(e))
		return kept + era_keeps(e->most);
	return late > end_of(e) ? late : end_of(e);
}

void era_init(struct era *e, uint64_t number, uint64_t kept, uint64_t most)
{
	*e = (struct era){ .number = number, .most = most };
	e->until = until(e, kept);
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
		e->until = until(e, kept);
}

static bool is_over(const struct era *e, uint64_t kept) { return kept >= e->number + e->most / 8 && kept >= e->until; }

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

#include "line_check.h"

#include <stdarg.h>
#include <stdio.h>

static enum err bad(struct line_check *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static enum err bad(struct line_check *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(l->what, sizeof(l->what), fmt, args);
	va_end(args);
	return ERR_CORRUPT;
}

static bool same_root(const struct forward_root *a, const struct forward_root *b)
{
	return a->depth == b->depth && memcmp(&a->hash, &b->hash, sizeof(a->hash)) == 0;
}

static enum err see_root(struct line_check *l, const struct entry *e)
{
	struct forward_root root = { .depth = e->depth };

	memcpy(root.hash.b, e->commitment, sizeof(root.hash.b));
	l->lines++;
	if (l->begun) {
		l->next = root;
		l->next_every_us = e->every_us;
		l->has_next = true;
		return OK;
	}
	l->begun = true;
	l->root = root;
	l->every_us = e->every_us;
	l->began_us = e->at_us;
	return OK;
}

static enum err see_end(struct line_check *l, const struct entry *e)
{
	if (!l->begun)
		return bad(l, "it ends epoch %llu of a line that did not begin", (unsigned long long)e->number);
	if (e->number != l->epoch)
		return bad(l, "it ends epoch %llu where epoch %u is due", (unsigned long long)e->number, l->epoch);
	if (e->at_us < l->began_us - LINE_SKEW_US && !e->clock_set)
		return bad(l, "it ends epoch %u before that began", l->epoch);
	l->unsealed = true;
	l->ended_us = e->at_us;
	return OK;
}

enum err line_check_entry(struct line_check *l, const struct entry *e)
{
	bool control = e->kind == ENTRY_CONTROL, ends = control && e->type == CONTROL_EPOCH_END;

	if (l->unsealed)
		return bad(l, "epoch %u ended before it, and no checkpoint of its key closes that", l->epoch);
	if (l->has_next && !ends)
		return bad(l, "another line begins before it, and no epoch ends there: the one before does not vouch for it");
	if (ends)
		return see_end(l, e);
	if (control && e->type == CONTROL_LINE_ROOT)
		return see_root(l, e);
	if (control && e->type == CONTROL_LINE_MARK)
		l->marks++;
	return OK;
}

static void next_epoch(struct line_check *l, uint64_t size)
{
	l->unsealed = false;
	l->began_us = l->ended_us;
	l->size = size;
	l->ends++;
	l->epoch++;
	if (!l->has_next)
		return;
	l->has_next = false;
	l->before = l->root;
	l->root = l->next;
	l->every_us = l->next_every_us;
	l->epoch = 0;
}

/* A closing seal may be late. */
static enum err check_time(struct line_check *l, int64_t at_us)
{
	if (!at_us || l->unsealed)
		return OK;
	if (at_us < l->began_us - LINE_SKEW_US)
		return bad(l, "it was made before epoch %u, whose key it bears, began", l->epoch);
	if (at_us > l->began_us + l->every_us + LINE_SKEW_US)
		return bad(l, "it was made after the time of epoch %u, whose key it bears", l->epoch);
	return OK;
}

enum err line_check_note(struct line_check *l, uint64_t size, struct span note, struct span name, int64_t at_us)
{
	uint32_t epoch;

	if (!l->begun)
		return OK;
	switch (forward_check(note, name, &l->root, &epoch)) {
	case OK: break;
	case ERR_NOT_FOUND: return bad(l, "it has no line of the root that stands in the record");
	case ERR_EXISTS: return bad(l, "it has two forward-secure lines");
	case ERR_KEY: return bad(l, "its forward-secure line was not made with a key of the root that stands in the record");
	default: return bad(l, "its forward-secure line cannot be read");
	}
	if (epoch != l->epoch)
		return bad(l, "its line is of epoch %u where epoch %u is due", epoch, l->epoch);
	TRY(check_time(l, at_us));
	if (l->unsealed)
		next_epoch(l, size);
	return OK;
}

enum err line_check_seed(struct line_check *l, const struct forward_root *root, uint32_t epoch)
{
	if (!l->begun)
		return OK;              /* one of the record before, or that is about to begin */
	if (same_root(root, &l->root))
		return epoch <= l->epoch ? OK
			: bad(l, "the record ends in epoch %u, the seed is of epoch %u: it was cut or set back", l->epoch, epoch);
	if (l->has_next && same_root(root, &l->next))
		return OK;
	return same_root(root, &l->before) ? OK
		: bad(l, "the record ends, and the line of the seed is not in it: it was cut or set back, or is another one");
}

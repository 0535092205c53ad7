#include "turns.h"

#include <stdlib.h>

#include "clock.h"

#define USED_UP(epochs) ((epochs) - (epochs) / 16 - 1)

static int64_t offset_us(void)
{
	return clock_us(CLOCK_REALTIME) - clock_us(CLOCK_MONOTONIC);
}

/* What is left of its time, should some of it have been before this start; over for long is over for long: while it cannot end yet,
 * for keys are being made, no checkpoint bears its line. */
static void begin_epoch(struct turns *l)
{
	int64_t gone_us = clock_us(CLOCK_REALTIME) - l->row.began_us;

	l->clock_set = gone_us < -LINE_SKEW_US / 2;
	if (gone_us < 0)
		gone_us = 0;
	l->offset_us = offset_us();
	l->until_us = clock_us(CLOCK_MONOTONIC) + l->row.every_us - gone_us;
}

static enum err find_epoch(struct turns *l, uint64_t signed_size, const char **found)
{
	bool sealed = !l->row.ended || signed_size > l->row.index;
	enum err e = epochs_find(l->epochs, &l->row.root, l->row.epoch, sealed);

	l->closing = !sealed;
	switch (e) {
	case OK:
	case ERR_BUSY:
		return OK;              /* its next is being made */
	case ERR_NOT_FOUND:
		*found = "the seed of its forward-secure line is gone";
		return ERR_CORRUPT;
	case ERR_RANGE:
		*found = "the seed of its line is of a record that was longer: set back to an older copy";
		return ERR_CORRUPT;
	case ERR_KEY:
		*found = "the seed of its line is of another one";
		return ERR_CORRUPT;
	case ERR_CORRUPT:
		*found = "the seed of its forward-secure line is damaged";
		return ERR_CORRUPT;
	default:
		return e;
	}
}

enum err turns_open(struct turns *l, const char *path, unsigned depth, int64_t every_us, const struct epoch_row *row,
		   uint64_t signed_size, const char **found)
{
	*l = (struct turns){ .depth = depth ? depth : FORWARD_DEPTH_MAX, .every_us = every_us ? every_us : LINE_EVERY_US };
	if (!path) {
		if (row)
			*found = "it has a forward-secure line, whose seed is not given";
		return row ? ERR_CORRUPT : OK;
	}
	TRY(epochs_open(path, &l->epochs));
	if (!row) {
		TRY(epochs_forget(l->epochs));
		return epochs_make(l->epochs, l->depth);
	}
	l->begun = true;
	l->row = *row;
	TRY(find_epoch(l, signed_size, found));
	begin_epoch(l);
	return OK;
}

void turns_close(struct turns *l)
{
	epochs_close(&l->epochs);
}

static bool clock_was_set(const struct turns *l)
{
	return l->clock_set || llabs(offset_us() - l->offset_us) > LINE_SKEW_US / 2;
}

static bool is_used_up(const struct turns *l)
{
	return l->row.epoch >= USED_UP(forward_epochs(l->row.root.depth));
}

enum err turns_due(struct turns *l, uint64_t size, bool more, bool last, enum turn *out)
{
	bool begins = l->epochs && !l->begun && epochs_made(l->epochs), turns = false;
	enum err e;

	*out = TURN_NONE;
	if (l->epochs)
		TRY(epochs_tend(l->epochs));
	if (l->epochs && (!l->begun || is_used_up(l)))
		(void)!epochs_make(l->epochs, l->depth);        /* no memory, no thread: tried again; nothing waits for it yet */
	if (l->begun && (more || size > l->row.index + 1))
		turns = last || clock_us(CLOCK_MONOTONIC) >= l->until_us || clock_was_set(l);
	if (!begins && !turns)
		return OK;
	e = epochs_prepare(l->epochs);
	if (e == ERR_BUSY || e == ERR_RANGE)
		return OK;                      /* later: keys are being made */
	*out = e != OK ? TURN_NONE : begins ? TURN_BEGINS : TURN_ENDS;
	return e;
}

static enum err append(struct trail *t, const struct entry *e)
{
	uint8_t raw[64];
	struct put entry = put(raw, sizeof(raw));

	entry_write_control(e, &entry);
	TRY(put_end(&entry));
	return trail_append(t, put_span(&entry));
}

static enum err append_root(struct turns *l, struct trail *t, const struct forward_root *root, int64_t at_us)
{
	struct entry e = { .type = CONTROL_LINE_ROOT, .at_us = at_us, .depth = root->depth, .every_us = l->every_us };

	memcpy(e.commitment, root->hash.b, sizeof(e.commitment));
	return append(t, &e);
}

enum err turns_write(struct turns *l, enum turn step, struct trail *t)
{
	const struct epoch *next = epochs_next(l->epochs);
	int64_t at_us = clock_us(CLOCK_REALTIME);
	bool other = step == TURN_BEGINS || memcmp(&next->root, &l->row.root, sizeof(next->root)) != 0;

	if (other)
		TRY(append_root(l, t, &next->root, at_us));
	if (step == TURN_ENDS)
		TRY(append(t, &(struct entry){ .type = CONTROL_EPOCH_END, .at_us = at_us, .number = l->row.epoch,
					       .clock_set = clock_was_set(l) }));
	l->next = (struct epoch_row){
		.root = next->root, .epoch = next->key.epoch, .index = trail_tree(t)->size - 1,
		.ended = step == TURN_ENDS, .began_us = at_us, .every_us = other ? l->every_us : l->row.every_us,
	};
	return trail_put_epoch(t, &l->next);
}

void turns_written(struct turns *l, enum turn step)
{
	if (step == TURN_NONE)
		return;
	l->begun = true;
	l->row = l->next;
	l->closing = step == TURN_ENDS;
	l->entering = step == TURN_BEGINS;
	begin_epoch(l);
}

bool turns_over(const struct turns *l)
{
	return l->begun && !l->closing &&
	       (clock_was_set(l) || clock_us(CLOCK_MONOTONIC) > l->until_us + LINE_SKEW_US / 2);
}

enum err turns_sign(const struct turns *l, struct span text, struct span name, struct put *note)
{
	const struct epoch *by = l->entering ? epochs_next(l->epochs) : l->begun ? epochs_now(l->epochs) : NULL;

	return by ? forward_sign(text, name, &by->root, &by->key, by->seed, note) : OK;
}

enum err turns_sealed(struct turns *l)
{
	if (!l->closing && !l->entering)
		return OK;
	TRY(epochs_prepare(l->epochs));
	TRY(epochs_leave(l->epochs));
	l->closing = l->entering = false;
	return OK;
}

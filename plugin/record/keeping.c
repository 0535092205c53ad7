#include "keeping.h"

#include <time.h>

#include "years.h"

#define STRIP_STEP 2048         /* entries to one transaction */
#define SCAN_STEP 32768         /* looked through for the first of them: segments of other retentions lie between */

int64_t keep_until_us(uint16_t keep, int64_t from_us)
{
	time_t at = (time_t)(from_us / 1000000);
	struct tm tm;

	if (keep & KEEP_DAYS)
		return from_us + (keep & (KEEP_DAYS - 1)) * (24 * 3600 * 1000000LL);
	if (!gmtime_r(&at, &tm))
		return INT64_MAX;
	tm.tm_year += keep;
	return (int64_t)timegm(&tm) * 1000000 + from_us % 1000000;
}

#define LATE_US (31 * 24 * 3600 * 1000000LL)    /* some entries of a year come when it is over: what was set aside, who read */

/* Was it open in the year, or has it the entry that `key` was made for? */
static bool is_of_year(const struct segment *s, const struct segment *key)
{
	const unsigned year = keep_year(key->keep);
	const int64_t closed_us = s->state == SEGMENT_OPEN ? INT64_MAX : s->closed_us;

	return (s->opened_us < year_begin_us(year + 1) + LATE_US && closed_us >= year_begin_us(year)) ||
	       (s->first <= key->first + 1 && s->last > key->first);
}

/* An erased segment was kept long enough, and counts as long as it was, and what began after the key was erased does not (a clock
 * that was set back may put it into that year): who asks later hears the same. */
static enum err look_at_year(struct txn *view, const struct segment *key, struct retention *out)
{
	struct trail_ends ends;
	struct segment s;

	TRY(view_ends(view, &ends));
	out->until_us = year_begin_us(keep_year(key->keep) + 1);
	for (uint32_t id = 1; id <= ends.segment; id++) {
		int64_t until_us;

		TRY(view_segment(view, id, &s));
		if (keep_year(s.keep) || !is_of_year(&s, key) || (key->state == SEGMENT_ERASED && s.first > key->erased_at))
			continue;
		until_us = s.state == SEGMENT_OPEN ? INT64_MAX : keep_until_us(s.keep, s.closed_us);
		out->until_us = until_us > out->until_us ? until_us : out->until_us;
		out->held |= s.holds > 0;
	}
	return OK;
}

enum err keep_look(struct txn *view, const struct segment *s, struct retention *out)
{
	*out = (struct retention){ .until_us = s->state == SEGMENT_OPEN ? INT64_MAX : keep_until_us(s->keep, s->closed_us),
				     .held = s->holds > 0 };
	return keep_year(s->keep) ? look_at_year(view, s, out) : OK;
}

bool keep_is_over(const struct segment *s, const struct retention *k, int64_t now_us)
{
	return s->state == SEGMENT_CLOSED && !k->held && now_us >= k->until_us;
}

/* One control entry and the row it is about, durable or not there at all. */
static enum err say(struct trail *t, const struct entry *e, struct segment *row)
{
	uint8_t raw[1024];
	struct put entry = put(raw, sizeof(raw));
	enum err did;

	entry_write_control(e, &entry);
	TRY(put_end(&entry));
	TRY(trail_begin_reserve(t));
	if (e->type == CONTROL_SEGMENT_ERASED)
		row->erased_at = trail_tree(t)->size;
	did = trail_append(t, put_span(&entry));
	if (did == OK)
		did = trail_put_segment(t, e->segment, row);
	if (did == OK && e->type == CONTROL_SEGMENT_ERASED)
		did = trail_put_erasing(t, e->segment, row->first);
	if (did == OK)
		did = trail_commit(t);
	if (did != OK)
		trail_abort(t);
	return did;
}

static enum err look_up(struct trail *t, uint32_t id, struct segment *out)
{
	CLEANUP(txn_abort) struct txn *view = NULL;

	TRY(trail_view(t, &view));
	TRY(view_segment(view, id, out));
	return out->state == SEGMENT_ERASED ? ERR_CLOSED : OK;
}

static enum err look_kept(struct trail *t, const struct segment *s, struct retention *out)
{
	CLEANUP(txn_abort) struct txn *view = NULL;

	TRY(trail_view(t, &view));
	return keep_look(view, s, out);
}

static bool are_two(const struct segment_act *act)
{
	return act->who.n && act->second.n && !span_eq(act->who, act->second);
}

enum err keeping_hold(struct trail *t, struct pens *p, const struct segment_act *act, bool held)
{
	const struct entry e = {
		.type = CONTROL_HOLD, .at_us = act->at_us, .segment = act->segment, .held = held, .who = act->who,
		.second = act->second, .reason = act->reason,
	};
	struct segment row;

	TRY(look_up(t, act->segment, &row));
	if (!are_two(act))
		return ERR_DENIED;
	if (row.holds == (held ? UINT8_MAX : 0))
		return held ? ERR_FULL : ERR_EXISTS;
	row.holds = (uint8_t)(held ? row.holds + 1 : row.holds - 1);
	TRY(say(t, &e, &row));
	for (size_t i = 0; i < p->n; i++)
		if (p->pen[i].id == act->segment)
			p->pen[i].segment.holds = row.holds;
	return OK;
}

enum err keeping_erase(struct trail *t, const struct segment_act *act)
{
	struct entry e = {
		.type = CONTROL_SEGMENT_ERASED, .at_us = act->at_us, .segment = act->segment, .who = act->who,
		.second = act->second, .reason = act->reason,
	};
	struct segment row;
	struct retention kept;

	TRY(keeping_finish(t));
	TRY(look_up(t, act->segment, &row));
	TRY(look_kept(t, &row, &kept));
	if (!are_two(act))
		return ERR_DENIED;
	if (row.state == SEGMENT_OPEN || kept.held)
		return ERR_BUSY;
	if (act->at_us < kept.until_us)
		return ERR_TIME;
	if (trail_key_digest(t, act->segment, e.commitment) != OK)
		return ERR_KEY;
	row.state = SEGMENT_ERASED;
	return say(t, &e, &row);
}

/* `row` NULL: nothing is left to take out. */
static enum err strip_some(struct trail *t, uint32_t id, const struct segment *row, uint64_t *at)
{
	enum err e;

	TRY(trail_begin_reserve(t));
	e = row ? trail_strip(t, id, row, at, STRIP_STEP) : OK;
	if (e == OK)
		e = trail_put_erasing(t, row ? id : 0, *at);
	if (e == OK)
		e = trail_commit(t);
	if (e != OK)
		trail_abort(t);
	return e;
}

static enum err begun(struct trail *t, uint32_t *id, uint64_t *at, struct segment *row)
{
	CLEANUP(txn_abort) struct txn *view = NULL;

	TRY(trail_view(t, &view));
	TRY(view_erasing(view, id, at));
	return *id ? view_segment(view, *id, row) : OK;
}

/* To the next entry that is to be taken out, as far as one step goes. */
static enum err find(struct trail *t, uint32_t id, const struct segment *row, uint64_t *at)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct entry e;
	struct span raw;

	TRY(trail_view(t, &view));
	for (unsigned i = 0; i < SCAN_STEP && *at <= row->last; i++, ++*at) {
		TRY(view_entry(view, *at, &raw));
		if (entry_read(raw, &e) != OK)
			return ERR_CORRUPT;
		if (e.kind == ENTRY_SEALED && e.segment == id)
			return OK;
	}
	return OK;
}

enum err keeping_step(struct trail *t, bool *more)
{
	struct segment row;
	uint64_t at;
	uint32_t id;

	*more = false;
	TRY(begun(t, &id, &at, &row));
	if (id == 0)
		return OK;
	if (at <= row.first)
		TRY(trail_destroy_key(t, id));
	*more = at <= row.last;
	if (!*more) {
		TRY(trail_forget_index(t));
		return strip_some(t, 0, NULL, &at);
	}
	TRY(find(t, id, &row, &at));
	return strip_some(t, id, &row, &at);
}

enum err keeping_finish(struct trail *t)
{
	bool more = true;

	while (more)
		TRY(keeping_step(t, &more));
	return OK;
}

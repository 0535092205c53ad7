#include "pens.h"

#include "clock.h"

enum err pens_resume(struct pens *p, const struct ink *ink, struct txn *view)
{
	struct segment_key key;
	struct trail_ends ends;
	struct segment s;
	enum err e;

	TRY(view_ends(view, &ends));
	TRY(view_open(view, p->stale, &p->stale_n));
	p->newest = ends.segment;
	if (p->newest == 0)
		return OK;
	TRY(view_segment(view, p->newest, &s));
	if (s.state == SEGMENT_ERASED)
		return OK;
	e = trail_get_key(ink->trail, ink->vault, ink->origin, p->newest, s.keep, &key);
	crypt_wipe(&key, sizeof(key));
	return e;
}

static enum err close_segment(const struct ink *ink, uint32_t id, struct segment *s, int64_t now_us)
{
	if (s->state != SEGMENT_OPEN)
		return OK;
	s->state = SEGMENT_CLOSED;
	s->closed_us = now_us;
	return trail_put_segment(ink->trail, id, s);
}

static enum err close_stale(struct pens *p, const struct ink *ink, int64_t now_us)
{
	struct segment s;

	for (; p->stale_n > 0; p->stale_n--) {
		TRY(view_segment(trail_batch(ink->trail), p->stale[p->stale_n - 1], &s));
		TRY(close_segment(ink, p->stale[p->stale_n - 1], &s, now_us));
	}
	return OK;
}

static enum err list_open(const struct pens *p, const struct ink *ink)
{
	uint32_t id[SEGMENTS_OPEN_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->pen[i].id)
			id[n++] = p->pen[i].id;
	return trail_put_open(ink->trail, id, n);
}

static enum err append_open(const struct ink *ink, const struct pen *pen)
{
	struct entry e = {
		.type = CONTROL_SEGMENT_OPEN, .at_us = pen->segment.opened_us, .segment = pen->id, .keep = pen->keep,
	};
	uint8_t raw[64];
	struct put entry = put(raw, sizeof(raw));

	segment_commitment(&pen->key, e.commitment);
	entry_write_control(&e, &entry);
	TRY(put_end(&entry));
	return trail_append(ink->trail, put_span(&entry));
}

/* What is closed by it is closed at the time its entry says: so that is under the tree, too. */
static enum err open_segment(struct pens *p, const struct ink *ink, struct pen *pen)
{
	uint64_t index = trail_tree(ink->trail)->size;
	int64_t now_us = clock_us(CLOCK_REALTIME);

	TRY(close_stale(p, ink, now_us));
	if (pen->id)
		TRY(close_segment(ink, pen->id, &pen->segment, now_us));
	pen->id = ++p->newest;
	pen->mine = pen->touched = true;
	pen->since_us = clock_us(CLOCK_MONOTONIC);
	pen->segment = (struct segment){
		.state = SEGMENT_OPEN, .keep = pen->keep, .first = index, .last = index, .opened_us = now_us,
	};
	crypt_random(pen->key.b, sizeof(pen->key.b));
	segment_key_ready(&pen->key);
	/* The key lies in its file before anything sealed with it is committed. */
	TRY(trail_put_key(ink->trail, ink->vault, ink->origin, pen->id, pen->keep, &pen->key));
	TRY(append_open(ink, pen));
	return list_open(p, ink);
}

static struct pen *pen_of(struct pens *p, uint16_t keep)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->pen[i].keep == keep)
			return &p->pen[i];
	must(p->n < countof(p->pen));
	p->pen[p->n] = (struct pen){ .keep = keep };
	return &p->pen[p->n++];
}

void pens_begin(struct pens *p)
{
	int64_t now_us = clock_us(CLOCK_MONOTONIC);

	for (size_t i = 0; i < p->n; i++)
		if (now_us - p->pen[i].since_us >= SEGMENT_US)
			p->pen[i].mine = false;
}

enum err pens_write(struct pens *p, const struct ink *ink, uint16_t keep, struct span packed)
{
	struct pen *pen = pen_of(p, keep);
	static _Thread_local uint8_t raw[ENTRY_BYTES_MAX];
	struct put entry = put(raw, sizeof(raw));

	if (!pen->mine || pen->segment.records == SEGMENT_RECORDS_MAX)
		TRY(open_segment(p, ink, pen));
	TRY(entry_seal(ink->seal, &pen->key, pen->id, pen->segment.records, packed, &entry));
	pen->segment.records++;
	pen->segment.last = trail_tree(ink->trail)->size;
	pen->touched = true;
	return trail_append(ink->trail, put_span(&entry));
}

enum err pens_make_key(struct pens *p, const struct ink *ink, uint16_t keep, struct segment_key *key, uint32_t *id)
{
	const uint64_t index = trail_tree(ink->trail)->size;
	const int64_t now_us = clock_us(CLOCK_REALTIME);
	struct pen pen = { .keep = keep, .id = p->newest + 1, .segment = {
		.state = SEGMENT_CLOSED, .keep = keep, .first = index, .last = index, .opened_us = now_us, .closed_us = now_us,
	} };
	enum err e;

	crypt_random(pen.key.b, sizeof(pen.key.b));
	segment_key_ready(&pen.key);
	e = trail_put_key(ink->trail, ink->vault, ink->origin, pen.id, keep, &pen.key);
	if (e == OK)
		e = append_open(ink, &pen);
	if (e == OK)
		e = trail_put_segment(ink->trail, pen.id, &pen.segment);
	if (e == OK) {
		*key = pen.key;
		*id = p->newest = pen.id;
	}
	crypt_wipe(&pen, sizeof(pen));
	return e;
}

enum err pens_finish(struct pens *p, const struct ink *ink)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!p->pen[i].touched)
			continue;
		TRY(trail_put_segment(ink->trail, p->pen[i].id, &p->pen[i].segment));
		p->pen[i].touched = false;
	}
	return OK;
}

void pens_turn(struct pens *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->pen[i].mine = false;
}

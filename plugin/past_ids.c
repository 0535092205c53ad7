#include "past_ids.h"

#include <stdlib.h>

#define WRITTEN SPAN_LIT("written")     /* among ids: rows up to this number have theirs in the table */

/* Of the transaction that goes on. */
enum { FRESH = 1, IN_TABLE = 2, GONE = 4 };

struct waiting {
	struct id id;
	uint64_t number;
	uint32_t added;
	uint8_t is;
};

struct part {
	size_t n;
	bool touched, written;
	struct waiting at[PAST_IDS_OF_PART];    /* in order of the id */
};

struct past_ids {
	unsigned table;
	uint64_t written;
	uint32_t added;
	struct part part[PAST_IDS_PARTS];
};

static struct span id_span(const struct id *id) { return span(id->b, ID_BYTES); }

/* Where it stands, or would. */
static struct waiting *place_of(const struct part *p, const struct id *id)
{
	size_t from = 0, n = p->n;

	while (n) {
		size_t half = n / 2;
		bool after = memcmp(p->at[from + half].id.b, id->b, ID_BYTES) < 0;

		from += after ? half + 1 : 0;
		n = after ? n - half - 1 : half;
	}
	return (struct waiting *)(uintptr_t)&p->at[from];
}

static size_t part_of(const struct id *id) { return id->b[0] * PAST_IDS_PARTS / 256; }

static struct waiting *waiting(const struct past_ids *x, const struct id *id)
{
	const struct part *p = &x->part[part_of(id)];
	struct waiting *w = place_of(p, id);

	return w < p->at + p->n && memcmp(w->id.b, id->b, ID_BYTES) == 0 ? w : NULL;
}

/* ---- the table ---- */

static enum err number_put(const struct past_ids *x, struct txn *t, struct span key, uint64_t number)
{
	const struct key64 k = key64(number);

	return txn_put(t, x->table, key, key64_span(&k));
}

static enum err part_write(const struct past_ids *x, struct txn *t, struct part *p)
{
	p->touched = p->written = true;
	for (size_t i = 0; i < p->n; i++) {
		if (p->at[i].is & (IN_TABLE | GONE))
			continue;
		TRY(number_put(x, t, id_span(&p->at[i].id), p->at[i].number));
		p->at[i].is |= IN_TABLE;
	}
	return OK;
}

/* What waits there: the first of it to come. NULL: nothing does. */
static const struct waiting *oldest(const struct part *p)
{
	const struct waiting *first = NULL;

	for (const struct waiting *w = p->at; w < p->at + p->n; w++)
		if (!(w->is & IN_TABLE) && (!first || w->number < first->number))
			first = w;
	return first;
}

/* Makes room, and says how far all is in the table when `number` is. */
static enum err write_some(struct past_ids *x, struct txn *t, struct part *full, uint64_t number)
{
	TRY(part_write(x, t, full));
	for (struct part *p = x->part; p < x->part + PAST_IDS_PARTS; p++) {
		const struct waiting *first = oldest(p);

		if (first && x->added - first->added > PAST_IDS_OLD)
			TRY(part_write(x, t, p));
		else if (first && first->number <= number)
			number = first->number - 1;
	}
	return number_put(x, t, WRITTEN, number);
}

/* ---- the calls ---- */

enum err past_ids_find(const struct past_ids *x, struct txn *t, const struct id *id, uint64_t *number)
{
	const struct waiting *w = waiting(x, id);
	struct span value;

	if (w && w->is & GONE)
		return ERR_NOT_FOUND;
	if (!w)
		TRY(txn_get(t, x->table, id_span(id), &value));
	*number = w ? w->number : key64_value(value);
	return OK;
}

/* What finds its part full, but written, goes the same way. */
enum err past_ids_add(struct past_ids *x, struct txn *t, const struct id *id, uint64_t number)
{
	struct part *p = &x->part[part_of(id)];
	struct waiting *w = place_of(p, id);

	x->added++;
	if (p->n == PAST_IDS_OF_PART) {
		if (!p->written)
			TRY(write_some(x, t, p, number));
		return number_put(x, t, id_span(id), number);
	}
	memmove(w + 1, w, (size_t)(p->at + p->n - w) * sizeof(*w));
	*w = (struct waiting){ *id, number, x->added, FRESH };
	p->n++;
	p->touched = true;
	return OK;
}

enum err past_ids_del(struct past_ids *x, struct txn *t, const struct id *id)
{
	struct waiting *w = waiting(x, id);
	enum err e;

	if (w) {
		w->is |= GONE;
		x->part[part_of(id)].touched = true;
	}
	if (w && !(w->is & IN_TABLE))
		return OK;
	e = txn_del(t, x->table, id_span(id));
	return e == ERR_NOT_FOUND ? OK : e;
}

void past_ids_settle(struct past_ids *x, bool kept)
{
	for (struct part *p = x->part; p < x->part + PAST_IDS_PARTS; p++) {
		struct waiting *to = p->at;

		if (!p->touched)
			continue;
		for (const struct waiting *w = p->at; w < p->at + p->n; w++) {
			if (w->is & (kept ? IN_TABLE | GONE : FRESH))
				continue;
			*to = *w;
			to++->is = 0;
		}
		p->n = (size_t)(to - p->at);
		p->touched = p->written = false;
	}
}

uint64_t past_ids_written(const struct past_ids *x) { return x->written; }

enum err past_ids_open(struct txn *t, unsigned table, uint64_t last, struct past_ids **out)
{
	CLEANUP(past_ids_close) struct past_ids *x = calloc(1, sizeof(*x));
	struct span value;
	enum err e;

	if (!x)
		return ERR_FULL;
	x->table = table;
	e = txn_get(t, table, WRITTEN, &value);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	x->written = e == OK ? key64_value(value) : UINT64_MAX;
	if (x->written > last) {        /* rows that come may have lower numbers than those that went */
		x->written = last;
		TRY(number_put(x, t, WRITTEN, last));
	}
	*out = x;
	x = NULL;
	return OK;
}

void past_ids_close(struct past_ids **x)
{
	free(*x);
	*x = NULL;
}

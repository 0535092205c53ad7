#include "taken.h"

#include <stdlib.h>

#define VALUE_BYTES (ID_BYTES + 8)      /* id, order; the earliest versions had the id alone */
#define ROW_BYTES (OUTFILE_SEEN_KEY + VALUE_BYTES)
#define GONE_BYTES (8 + ID_BYTES)
#define ALIKE 8                         /* rows looked at for one hash of 32 bits */

/* ---- where something stands ---- */

static uint32_t print_at(const uint8_t *p)
{
	struct cur c = cur(span(p, 4));

	return cur_u32(&c);
}

static uint32_t print_of(const uint8_t key[OUTFILE_SEEN_KEY]) { return print_at(key + OUTFILE_SEEN_ID); }

/* One there is no room for is not known: told twice is the lesser evil. */
static void hint(struct taken *t, struct hints *h, uint32_t print, uint64_t no, bool there)
{
	pthread_mutex_lock(&t->lock);
	if (!there)
		hints_del(h, print, (uint32_t)no);
	else if (!hints_full(h))
		hints_add(h, print, (uint32_t)no);
	pthread_mutex_unlock(&t->lock);
}

static size_t hinted(struct taken *t, const struct hints *h, uint32_t print, uint64_t no[ALIKE])
{
	uint64_t next = atomic_load(&t->next);
	uint32_t low[ALIKE];
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = hints_find(h, print, low, ALIKE);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < n; i++)
		no[i] = next - ((uint32_t)next - low[i]);
	return n;
}

static void use(struct taken *t, const uint8_t key[OUTFILE_SEEN_KEY])
{
	uint64_t source_id = key64_value(span(key, 8));

	pthread_mutex_lock(&t->lock);
	t->reused[source_id % TAKEN_REUSED] = source_id;
	pthread_mutex_unlock(&t->lock);
}

static bool is_used(struct taken *t, const uint8_t key[OUTFILE_SEEN_KEY])
{
	uint64_t source_id = key64_value(span(key, 8));
	bool used;

	pthread_mutex_lock(&t->lock);
	used = t->reused[source_id % TAKEN_REUSED] == source_id;
	pthread_mutex_unlock(&t->lock);
	return used;
}

/* ---- what yielded ---- */

static struct span gone_key(uint64_t no, const struct id *id, uint8_t b[GONE_BYTES])
{
	struct put key = put(b, GONE_BYTES);

	put_u64(&key, no);
	put_bytes(&key, span(id->b, ID_BYTES));
	return put_span(&key);
}

/* Ids may begin alike, with the time, or as a hash does. */
static uint32_t gone_print(const uint8_t id[ID_BYTES]) { return print_at(id) ^ print_at(id + 4); }

/* Its message was dropped for want of room; whoever repeats it brings it anew. */
static bool has_yielded(struct taken *t, struct txn *txn, const struct id *id)
{
	struct span unused;
	uint8_t b[GONE_BYTES];
	uint64_t no[ALIKE];
	size_t n = hinted(t, &t->gone, gone_print(id->b), no);

	for (size_t i = 0; i < n; i++)
		if (txn_get(txn, t->yielded, gone_key(no[i], id, b), &unused) == OK)
			return true;
	return txn_get(txn, t->yielded, span(id->b, ID_BYTES), &unused) == OK;
}

/* Hints of rows that went with their time stay until there are many: without a row they lead nowhere. There are never more rows
 * than were there when the oldest that counts was taken, and came since. */
static void sweep(struct taken *t)
{
	if (t->gone.n < 2 * t->most + OUTBOX_WORK_MAX)
		return;
	pthread_mutex_lock(&t->lock);
	hints_sweep(&t->gone, (uint32_t)t->next, (uint32_t)(t->next - t->forgotten - 1));
	pthread_mutex_unlock(&t->lock);
}

/* One message may stand for many that were folded into it: so it is not their rows that say it, but one of its own, kept
 * until all of theirs, which are older, are forgotten. */
enum err taken_yield(struct taken *t, struct txn *txn, struct op *op)
{
	uint8_t b[GONE_BYTES];

	sweep(t);
	if (hints_full(&t->gone))
		return ERR_FULL;   /* it stays: nobody may be told that it is safe when it went */
	TRY(txn_put(txn, t->yielded, gone_key(t->next, &op->id, b), span(NULL, 0)));
	op->yielded_as = t->next;
	hint(t, &t->gone, gone_print(op->id.b), t->next, true);
	return OK;
}

static enum err yielded_forget(struct taken *t, struct txn *txn, uint64_t forgotten)
{
	static const uint8_t by_id[] = { 0, 1 };                /* no number is as large, no time as early */
	struct span from[] = { { NULL, 0 }, { by_id, sizeof(by_id) } }, at, no;
	uint8_t b[GONE_BYTES];

	for (size_t i = 0; i < countof(from); i++) {
		enum err e;

		while ((e = txn_seek(txn, t->yielded, from[i], &at, &no)) == OK && at.n == (i ? ID_BYTES : GONE_BYTES) &&
		       key64_value(i ? no : span(at.p, 8)) <= forgotten + 1) {
			memcpy(b, at.p, at.n);
			TRY(txn_del(txn, t->yielded, span(b, at.n)));
		}
		if (e != OK && e != ERR_NOT_FOUND)
			return e;
	}
	return OK;
}

/* ---- what was taken ---- */

static struct span row_of(const struct op *op, uint8_t b[ROW_BYTES])
{
	struct put row = put(b, ROW_BYTES);

	put_bytes(&row, span(op->seen, OUTFILE_SEEN_KEY));
	put_bytes(&row, span(op->id.b, ID_BYTES));
	put_u64(&row, op->m.order ? op->m.order : id_order(&op->id));
	return put_span(&row);
}

static enum err value_at(struct taken *t, struct txn *txn, const uint8_t key[OUTFILE_SEEN_KEY], uint64_t no, struct span *value)
{
	const struct key64 at = key64(no);
	struct span row;

	TRY(txn_get(txn, t->rows, key64_span(&at), &row));
	if (row.n < OUTFILE_SEEN_KEY || memcmp(row.p, key, OUTFILE_SEEN_KEY) != 0)
		return ERR_NOT_FOUND;
	*value = span(row.p + OUTFILE_SEEN_KEY, row.n - OUTFILE_SEEN_KEY);
	if (value->n == 0)
		TRY(txn_get(txn, t->by_key, span(key, OUTFILE_SEEN_KEY), value));
	return value->n == ID_BYTES || value->n == VALUE_BYTES ? OK : ERR_CORRUPT;
}

static enum err find(struct taken *t, struct txn *txn, const uint8_t key[OUTFILE_SEEN_KEY], uint64_t *no, struct id *id)
{
	uint64_t alike[ALIKE];
	size_t n = hinted(t, &t->seen, print_of(key), alike);
	enum err e = ERR_NOT_FOUND;
	struct span value;

	for (size_t i = 0; i < n && e == ERR_NOT_FOUND; i++) {
		*no = alike[i];
		e = value_at(t, txn, key, alike[i], &value);
	}
	if (e == OK)
		memcpy(id->b, value.p, ID_BYTES);
	return e;
}

enum err taken_id(struct taken *t, struct txn *txn, const uint8_t key[OUTFILE_SEEN_KEY], struct id *out)
{
	uint64_t no;

	TRY(find(t, txn, key, &no, out));
	return has_yielded(t, txn, out) ? ERR_NOT_FOUND : OK;
}

/* A row of an earlier version has its value elsewhere, perhaps. */
static enum err value_drop(struct taken *t, struct txn *txn, struct span row)
{
	enum err e = row.n == OUTFILE_SEEN_KEY ? txn_del(txn, t->by_key, row) : OK;

	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err forget_first(struct taken *t, struct txn *txn, struct op *op)
{
	struct span at, row;
	uint8_t key[OUTFILE_SEEN_KEY];
	struct key64 no;

	TRY(txn_seek(txn, t->rows, span(NULL, 0), &at, &row));
	if (at.n != sizeof(no.b) || row.n < OUTFILE_SEEN_KEY)
		return ERR_CORRUPT;
	memcpy(no.b, at.p, sizeof(no.b));
	op->forgot = key64_value(at);
	op->forgot_print = print_of(row.p);
	memcpy(key, row.p, sizeof(key));
	row.p = key;
	TRY(value_drop(t, txn, row));
	t->change--;
	TRY(txn_del(txn, t->rows, key64_span(&no)));
	return yielded_forget(t, txn, op->forgot);
}

static enum err append(struct taken *t, struct txn *txn, struct op *op)
{
	const struct key64 no = key64(t->next);
	uint8_t b[ROW_BYTES];

	TRY(txn_append(txn, t->rows, key64_span(&no), row_of(op, b)));
	op->seen_as = t->next++;
	hint(t, &t->seen, print_of(op->seen), op->seen_as, true);
	t->change++;
	return t->have + t->change <= t->most ? OK : forget_first(t, txn, op);
}

/* What yielded was taken anew: its old row counts on, as nobody's, so that what yielded goes with its time. */
static enum err bury(struct taken *t, struct txn *txn, struct op *op, uint64_t at)
{
	static const uint8_t nobodys[ROW_BYTES];
	const struct key64 no = key64(at);
	uint8_t key[OUTFILE_SEEN_KEY];
	struct span row;

	TRY(txn_get(txn, t->rows, key64_span(&no), &row));
	memcpy(key, row.p, sizeof(key));
	row.p = key;
	TRY(value_drop(t, txn, row));
	op->buried = at;
	return txn_put(txn, t->rows, key64_span(&no), span(nobodys, sizeof(nobodys)));
}

/* What fails half-way is not about one message. */
static enum err whole(enum err e) { return e == OK || !outfile_answers(e) ? e : ERR_IO; }

enum err taken_add(struct taken *t, struct txn *txn, struct op *op)
{
	uint64_t at = 0;
	struct id was;
	enum err e = find(t, txn, op->seen, &at, &was);

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	if (e == OK && !has_yielded(t, txn, &was))
		return ERR_EXISTS;
	if (e == OK)
		TRY(whole(bury(t, txn, op, at)));
	return whole(append(t, txn, op));
}

static void settle_one(struct taken *t, struct op *op, bool kept)
{
	if (!kept && op->seen_as)
		hint(t, &t->seen, print_of(op->seen), op->seen_as, false);
	if (!kept && op->yielded_as)
		hint(t, &t->gone, gone_print(op->id.b), op->yielded_as, false);
	if (kept && op->seen_as)
		use(t, op->seen);
	if (kept && op->buried)
		hint(t, &t->seen, print_of(op->seen), op->buried, false);
	if (kept && op->forgot) {
		hint(t, &t->seen, op->forgot_print, op->forgot, false);
		t->forgotten = op->forgot;
	}
	op->seen_as = op->yielded_as = op->forgot = op->buried = 0;
}

void taken_settle(struct taken *t, struct op *first, const struct op *end, bool kept)
{
	for (struct op *op = first; op != end; op = op->next)
		settle_one(t, op, kept);
	if (kept) {
		t->kept = t->next;
		t->have += t->change;
	} else {
		t->next = t->kept;
	}
	t->change = 0;
}

/* Mostly there is no hint, and nothing is to be read. What cannot be read was seen: its source hears no, and asks again. */
enum outbox_seen taken_look(struct taken *t, struct store *s, const uint8_t key[OUTFILE_SEEN_KEY])
{
	CLEANUP(txn_abort) struct txn *txn = NULL;
	uint64_t no, alike[ALIKE];
	enum err e = ERR_NOT_FOUND;
	struct id id;

	if (hinted(t, &t->seen, print_of(key), alike))
		e = txn_begin_read(s, &txn);
	if (txn)
		e = find(t, txn, key, &no, &id);
	if (e != ERR_NOT_FOUND)
		return e == OK && has_yielded(t, txn, &id) ? SEEN_YIELDED : SEEN_SAME;
	return is_used(t, key) ? SEEN_OTHER : SEEN_NEVER;
}

/* ---- life ---- */

enum err taken_make(struct taken *t, uint32_t most)
{
	size_t seen = hints_bytes(most + 2 * OUTBOX_WORK_MAX), gone = hints_bytes(2 * most + 2 * OUTBOX_WORK_MAX);

	must(pthread_mutex_init(&t->lock, NULL) == 0);
	t->most = most;
	t->next = t->kept = 1;
	t->room = calloc(1, seen + gone);
	if (!t->room)
		return ERR_FULL;
	hints_init(&t->seen, most + 2 * OUTBOX_WORK_MAX, t->room);
	hints_init(&t->gone, 2 * most + 2 * OUTBOX_WORK_MAX, (uint8_t *)t->room + seen);
	return OK;
}

void taken_drop(struct taken *t)
{
	if (!t->most)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->room);
	*t = (struct taken){ 0 };
}

static enum err load_yielded(struct taken *t, struct txn *txn)
{
	struct span key = span(NULL, 0), value;
	uint8_t at[GONE_BYTES];
	enum err e;

	while ((e = txn_after(txn, t->yielded, key, &key, &value)) == OK) {
		if (key.n != GONE_BYTES && key.n != ID_BYTES)
			return ERR_CORRUPT;
		memcpy(at, key.p, key.n);
		if (key.n == GONE_BYTES)
			hint(t, &t->gone, gone_print(at + 8), key64_value(span(at, 8)), true);
		key = span(at, key.n);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

/* The oldest go when there are more than it remembers now. What yielded goes only with all that may say so. */
static enum err trim(struct taken *t, struct txn *txn)
{
	uint64_t rows, yielded;

	TRY(txn_count(txn, t->rows, &rows));
	TRY(txn_count(txn, t->yielded, &yielded));
	while (rows && (rows > t->most || yielded > 2 * (uint64_t)t->most + OUTBOX_WORK_MAX)) {
		struct op op = { 0 };

		TRY(forget_first(t, txn, &op));
		t->change = 0;
		rows--;
		TRY(txn_count(txn, t->yielded, &yielded));
	}
	return rows ? OK : yielded_forget(t, txn, UINT64_MAX - 1);
}

static bool is_nobodys(struct span row)
{
	static const uint8_t nobodys[OUTFILE_SEEN_KEY];

	return memcmp(row.p, nobodys, sizeof(nobodys)) == 0;
}

static void load_order(struct taken *t, struct span value)
{
	struct cur c = cur(span(value.p + (value.n == VALUE_BYTES ? ID_BYTES : 0), 8));
	uint64_t order = cur_u64(&c);

	if (order > t->newest)
		t->newest = order;
}

static void load_row(struct taken *t, struct txn *txn, struct span row, uint64_t no)
{
	struct span value;

	if (is_nobodys(row))
		return;
	hint(t, &t->seen, print_of(row.p), no, true);
	use(t, row.p);
	if (value_at(t, txn, row.p, no, &value) == OK)
		load_order(t, value);
}

enum err taken_load(struct taken *t, struct txn *txn, uint64_t first)
{
	struct span key = span(NULL, 0), row;
	struct key64 at;
	enum err e;

	TRY(trim(t, txn));
	t->next = first;
	t->forgotten = first - 1;
	while ((e = txn_after(txn, t->rows, key, &key, &row)) == OK) {
		if (key.n != sizeof(at.b) || row.n < OUTFILE_SEEN_KEY)
			return ERR_CORRUPT;
		memcpy(at.b, key.p, sizeof(at.b));
		t->next = key64_value(key) + 1;
		if (!t->have++)
			t->forgotten = key64_value(key) - 1;
		load_row(t, txn, row, key64_value(key));
		key = key64_span(&at);
	}
	t->kept = t->next;
	return e == ERR_NOT_FOUND ? load_yielded(t, txn) : e;
}

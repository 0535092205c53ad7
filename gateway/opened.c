#include "opened.h"

#include <stdlib.h>

#define ALIKE 8                         /* rows looked at for one hash of 32 bits */
#define ROOM_MOST (OPEN_MAX + 2 * OUTBOX_WORK_MAX)
#define PLACE_BYTES (8 + OPEN_KEY)      /* what a value is sealed to: its number, its key */

/* ---- where something stands ---- */

/* A source chooses what Alert.key is a hash of: here it is mixed with what no source knows, or one could make many alike. */
static uint32_t print_of(const struct opened *o, const uint8_t key[OPEN_KEY])
{
	unsigned __int128 x = key64_value(span(key, 8)) ^ o->secret[0], y = key64_value(span(key + 8, 8)) ^ o->secret[1];

	return (uint32_t)(x * y >> 48);
}

static void note(struct opened *o, const uint8_t key[OPEN_KEY], uint64_t no, bool there)
{
	pthread_mutex_lock(&o->lock);
	if (there)
		hints_add(&o->at, print_of(o, key), (uint32_t)no);
	else
		hints_del(&o->at, print_of(o, key), (uint32_t)no);
	pthread_mutex_unlock(&o->lock);
}

static bool is_crowded(struct opened *o)
{
	bool full;

	pthread_mutex_lock(&o->lock);
	full = hints_full(&o->at);
	pthread_mutex_unlock(&o->lock);
	return full;
}

/* ---- rows ---- */

static struct span place_of(uint64_t no, const uint8_t key[OPEN_KEY], uint8_t b[PLACE_BYTES])
{
	struct put p = put(b, PLACE_BYTES);

	put_u64(&p, no);
	put_bytes(&p, span(key, OPEN_KEY));
	return put_span(&p);
}

static bool is_row(struct span at, struct span row) { return at.n == 8 && row.n >= OPEN_KEY; }
static const uint8_t *row_key(struct span row) { return row.p + row.n - OPEN_KEY; }
static struct span row_value(struct span row) { return span(row.p, row.n - OPEN_KEY); }

/* The row of a key; *no: its number. */
static enum err find(struct opened *o, struct txn *t, const uint8_t key[OPEN_KEY], uint64_t *no, struct span *row)
{
	uint64_t next = atomic_load(&o->next);
	uint32_t low[ALIKE];
	size_t n;

	pthread_mutex_lock(&o->lock);
	n = hints_find(&o->at, print_of(o, key), low, ALIKE);
	pthread_mutex_unlock(&o->lock);
	for (size_t i = 0; i < n; i++) {
		struct key64 at = key64(*no = next - ((uint32_t)next - low[i]));
		enum err e = txn_get(t, o->rows, key64_span(&at), row);

		if (e == OK && is_row(key64_span(&at), *row) && memcmp(row_key(*row), key, OPEN_KEY) == 0)
			return OK;
		if (e != OK && e != ERR_NOT_FOUND)
			return e;
	}
	return ERR_NOT_FOUND;
}

/* ---- of a commit ---- */

static enum err drop_before(struct opened *o, struct txn *t, const uint8_t key[OPEN_KEY])
{
	return o->before ? txn_del(t, o->by_key, span(key, OPEN_KEY)) : ERR_NOT_FOUND;
}

static enum err drop(struct opened *o, struct txn *t, const uint8_t key[OPEN_KEY], uint64_t upto, struct op *op)
{
	struct span unused;
	struct key64 at;
	uint64_t no;
	enum err e = find(o, t, key, &no, &unused);

	if (e == ERR_NOT_FOUND)
		return drop_before(o, t, key);
	TRY(e);
	if (no > upto)
		return ERR_NOT_FOUND;
	at = key64(no);
	TRY(txn_del(t, o->rows, key64_span(&at)));
	op->closed_as = no;
	if (no >= o->first)   /* nobody else ever saw it; and of one alert there may be more in a commit than find() looks at */
		note(o, key, no, false);
	return OK;
}

static enum err append(struct opened *o, struct txn *t, struct op *op, struct span clear, uint8_t *row)
{
	const struct key64 at = key64(o->next);
	uint8_t place[PLACE_BYTES];
	struct span value;

	TRY(keyring_seal(o->keys, o->rows, place_of(o->next, op->m.key, place), &op->id, clear, row, &value));
	memcpy(row + value.n, op->m.key, OPEN_KEY);
	TRY(txn_append(t, o->rows, key64_span(&at), span(row, value.n + OPEN_KEY)));
	op->opened_as = o->next++;
	note(o, op->m.key, op->opened_as, true);
	return OK;
}

/* What fails half-way is not about one message. */
static enum err whole(enum err e) { return e == OK || !outfile_answers(e) ? e : ERR_IO; }

enum err opened_put(struct opened *o, struct txn *t, struct op *op, struct span clear, uint8_t row[OPENED_ROW_MAX])
{
	enum err e = is_crowded(o) ? ERR_FULL : drop(o, t, op->m.key, UINT64_MAX, op);

	if (e == OK || e == ERR_NOT_FOUND)
		e = append(o, t, op, clear, row);
	return whole(e);
}

enum err opened_forget(struct opened *o, struct txn *t, struct op *op) { return drop(o, t, op->key, op->upto, op); }

static const uint8_t *key_about(const struct op *op) { return op->work == WORK_FORGET ? op->key : op->m.key; }

/* Counted first: who finds a hint gone, and looks at the file as it was before, must see that it is. */
void opened_settle(struct opened *o, struct op *first, const struct op *end, bool kept)
{
	atomic_fetch_add(&o->settled, 1);
	for (struct op *op = first; op != end; op = op->next) {
		uint64_t stale = kept ? op->closed_as : op->opened_as;

		if (stale)
			note(o, key_about(op), stale, false);
		op->opened_as = kept ? op->opened_as : 0;
		op->closed_as = 0;
	}
	o->first = o->next;
}

/* ---- looking ---- */

static enum err unseal(const struct opened *o, uint64_t no, struct span row, struct id *id, uint8_t *room, struct span *clear)
{
	uint8_t place[PLACE_BYTES];

	if (row.n > OPENED_CLEAR_MAX)
		return ERR_CORRUPT;
	return keyring_open(o->keys, o->rows, place_of(no, row_key(row), place), row_value(row), id, room, clear);
}

static enum err unseal_before(const struct opened *o, struct span key, struct span row, struct id *id, uint8_t *room,
			      struct span *clear)
{
	return row.n > OPENED_CLEAR_MAX ? ERR_CORRUPT : keyring_open(o->keys, o->by_key, key, row, id, room, clear);
}

static enum err look(struct opened *o, struct store *s, const uint8_t key[OPEN_KEY], struct id *id, uint8_t *room,
		     struct span *clear)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span row, by_key = span(key, OPEN_KEY);
	uint64_t no;
	enum err e;

	TRY(txn_begin_read(s, &t));
	e = find(o, t, key, &no, &row);
	if (e != ERR_NOT_FOUND)
		return e == OK ? unseal(o, no, row, id, room, clear) : e;
	TRY(txn_get(t, o->by_key, by_key, &row));
	return unseal_before(o, by_key, row, id, room, clear);
}

/* Where it stands may have changed between the look at the hints and the one at the file. */
enum err opened_find(struct opened *o, struct store *s, const uint8_t key[OPEN_KEY], struct id *id, uint8_t room[OPENED_CLEAR_MAX],
		     struct span *clear)
{
	uint64_t next, settled;
	enum err e;

	do {
		next = atomic_load(&o->next);
		settled = atomic_load(&o->settled);
		e = look(o, s, key, id, room, clear);
	} while (e == ERR_NOT_FOUND && (next != atomic_load(&o->next) || settled != atomic_load(&o->settled)));
	return e;
}

struct visit {
	struct opened *o;
	void (*visit)(void *ctx, const uint8_t key[OPEN_KEY], const struct id *id, struct span clear);
	void *ctx;
	uint8_t *room;
};

static void visit_before(const struct visit *v, struct span key, struct span row)
{
	struct span clear;
	struct id id;

	if (key.n == OPEN_KEY && unseal_before(v->o, key, row, &id, v->room, &clear) == OK)
		v->visit(v->ctx, key.p, &id, clear);
}

static void visit_row(const struct visit *v, struct span key, struct span row)
{
	struct span clear;
	struct id id;

	if (is_row(key, row) && unseal(v->o, key64_value(key), row, &id, v->room, &clear) == OK)
		v->visit(v->ctx, row_key(row), &id, clear);
}

/* `each` is not to change the table. */
static enum err all_of(struct txn *t, unsigned table, void (*each)(const struct visit *v, struct span key, struct span row),
		       const struct visit *v)
{
	struct span key = span(NULL, 0), row;
	uint8_t at[STORE_KEY_MAX];
	enum err e;

	while ((e = txn_after(t, table, key, &key, &row)) == OK) {
		memcpy(at, key.p, key.n);
		key = span(at, key.n);
		each(v, key, row);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err opened_each(struct opened *o, struct store *s,
		     void (*visit)(void *ctx, const uint8_t key[OPEN_KEY], const struct id *id, struct span clear), void *ctx)
{
	uint8_t room[OPENED_CLEAR_MAX];
	const struct visit v = { o, visit, ctx, room };
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_read(s, &t));
	TRY(all_of(t, o->by_key, visit_before, &v));
	return all_of(t, o->rows, visit_row, &v);
}

/* ---- life ---- */

enum err opened_make(struct opened *o)
{
	must(pthread_mutex_init(&o->lock, NULL) == 0);
	crypt_random(o->secret, sizeof(o->secret));
	o->next = o->first = 1;
	o->room = calloc(1, hints_bytes(ROOM_MOST));
	if (!o->room)
		return ERR_FULL;
	hints_init(&o->at, ROOM_MOST, o->room);
	return OK;
}

void opened_drop(struct opened *o)
{
	if (!o->room)
		return;
	pthread_mutex_destroy(&o->lock);
	free(o->room);
	o->room = NULL;
}

static enum err trim(struct opened *o, struct txn *t)
{
	struct span at, row;
	uint64_t n;

	TRY(txn_count(t, o->rows, &n));
	for (; n > OPEN_MAX; n--) {
		struct key64 no;

		TRY(txn_seek(t, o->rows, span(NULL, 0), &at, &row));
		if (!is_row(at, row))
			return ERR_CORRUPT;
		no = key64(key64_value(at));
		TRY(txn_del(t, o->rows, key64_span(&no)));
	}
	return OK;
}

enum err opened_load(struct opened *o, struct txn *t)
{
	struct span key = span(NULL, 0), row;
	struct key64 at;
	uint64_t before;
	enum err e;

	TRY(trim(o, t));
	TRY(txn_count(t, o->by_key, &before));
	o->before = before;
	while ((e = txn_after(t, o->rows, key, &key, &row)) == OK) {
		if (!is_row(key, row))
			return ERR_CORRUPT;
		at = key64(key64_value(key));
		o->next = o->first = key64_value(key) + 1;
		note(o, row_key(row), key64_value(key), true);
		key = key64_span(&at);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

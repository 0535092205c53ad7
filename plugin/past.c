#include "past.h"

#include <stdlib.h>

#include "keeping.h"
#include "seal.h"

/* ---- classes ---- */

#define ROW(name, word, kind, keep) [PAST_##name] = { word, kind, keep },
static const struct { const char *word; enum topic_kind kind; const char *keep; } classes[] = { PAST_LIST(ROW) };
#undef ROW

bool past_keep_read(struct past_keep *k, struct span word, struct span text)
{
	for (unsigned i = 0; i < PAST_CLASSES; i++) {
		if (!span_is(word, classes[i].word))
			continue;
		if (!span_is(text, "none"))
			return keep_read(text, &k->of[i]);
		k->of[i] = 0;
		return true;
	}
	return false;
}

struct past_keep past_keep_default(void)
{
	struct past_keep k = { 0 };

	for (unsigned i = 0; i < PAST_CLASSES; i++)
		must(!classes[i].keep[0] || keep_read(span_str(classes[i].keep), &k.of[i]));
	return k;
}

enum past_class past_class_of(enum topic_kind kind)
{
#define BY_KIND(name, word, kind, keep) [kind] = PAST_##name - PAST_CLASSES,
	static const int8_t from_none[TOPIC_KINDS] = { PAST_LIST(BY_KIND) };
#undef BY_KIND

	return (enum past_class)(PAST_CLASSES + from_none[kind]);
}

/* ---- rows: class u8, KEYED | id 16 | place 8, again u8: which key of its month | sealed. Its number and all before that is what
 * it is sealed to. Those of before have neither KEYED nor a key of their own. ---- */

#define KEYED 0x80
#define OLD_BYTES (1 + ID_BYTES)
#define HEAD_BYTES (OLD_BYTES + PAST_KEY_NAME_BYTES - PAST_KEY_HEAD)
#define SEALED_TO_BYTES (8 + HEAD_BYTES)
#define CLEAR_MAX (1 + TOPIC_BYTES_MAX + READBACK_PAYLOAD_MAX)

static bool is_keyed(struct span value) { return value.n && (value.p[0] & KEYED); }
static unsigned class_of(struct span value) { return value.n ? value.p[0] & ~KEYED : PAST_CLASSES; }
static size_t head_bytes(struct span value) { return is_keyed(value) ? HEAD_BYTES : OLD_BYTES; }

static struct span sealed_to(uint64_t number, struct span head, uint8_t out[SEALED_TO_BYTES])
{
	struct key64 k = key64(number);

	memcpy(out, k.b, sizeof(k.b));
	memcpy(out + sizeof(k.b), head.p, head.n);
	return span(out, sizeof(k.b) + head.n);
}

static struct past_key_name key_name(uint64_t number, struct span value)
{
	unsigned month = past_month((int64_t)number);
	struct past_key_name name = { { (uint8_t)(month >> 8), (uint8_t)month, (uint8_t)class_of(value) } };

	memcpy(name.b + PAST_KEY_HEAD, value.p + OLD_BYTES, sizeof(name.b) - PAST_KEY_HEAD);
	return name;
}

struct span past_place(struct span topic)
{
	size_t n = 0, levels = 0;

	while (n < topic.n && (topic.p[n] != '/' || ++levels < 3))
		n++;
	return span(topic.p, n);
}

#define ALL_ANEW SPAN_LIT("by month")       /* among ids: no row is of before */

/* Of what the ids' table does not have yet, the rows say it. */
static enum err add_ids(struct past *p, struct txn *t)
{
	struct key64 at = key64(past_ids_written(p->ids));
	struct span key, value;
	uint64_t number, there;
	struct id id;
	enum err e;

	while ((e = txn_after(t, p->table, key64_span(&at), &key, &value)) == OK) {
		number = key64_value(key);
		at = key64(number);
		if (value.n < OLD_BYTES)
			continue;
		memcpy(id.b, value.p + 1, ID_BYTES);
		e = past_ids_find(p->ids, t, &id, &there);
		if (e == ERR_NOT_FOUND)
			e = past_ids_add(p->ids, t, &id, number);
		TRY(e);
	}
	past_ids_settle(p->ids, true);
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err past_open(struct past *p, struct txn *t)
{
	struct span key, value;
	enum err e = txn_last(t, p->table, &key, &value);

	p->last = e == OK ? key64_value(key) : 0;
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	TRY(past_ids_open(t, p->ids_table, p->last, &p->ids));
	if (e == ERR_NOT_FOUND)
		return txn_put(t, p->ids_table, ALL_ANEW, SPAN_LIT(""));
	p->anew = txn_get(t, p->ids_table, ALL_ANEW, &value) != OK;
	return add_ids(p, t);
}

void past_close(struct past *p) { past_ids_close(&p->ids); }
void past_settle(struct past *p, bool kept) { past_ids_settle(p->ids, kept); }

/* What is sealed, and all it is sealed to; a block of its own. */
static enum err seal_row(struct past *p, struct txn *t, unsigned class, const struct id *id, uint64_t number, struct span row,
			 uint8_t **out)
{
	struct span topic = row.n && (size_t)row.p[0] < row.n ? span(row.p + 1, row.p[0]) : span(row.p, 0);
	CLEANUP(free_cleanup) uint8_t *value = malloc(HEAD_BYTES + row.n + VAULT_EXTRA);
	uint8_t to[SEALED_TO_BYTES];
	const struct vault *key;
	struct past_key_name name;

	if (!value)
		return ERR_FULL;
	TRY(past_keys_take(p->keys, t, past_month((int64_t)number), (uint8_t)class, past_place(topic), &name, &key));
	value[0] = (uint8_t)(class | KEYED);
	memcpy(value + 1, id->b, ID_BYTES);
	memcpy(value + OLD_BYTES, name.b + PAST_KEY_HEAD, sizeof(name.b) - PAST_KEY_HEAD);
	TRY(vault_seal(key, sealed_to(number, span(value, HEAD_BYTES), to), row, value + HEAD_BYTES));
	*out = value;
	value = NULL;
	return OK;
}

enum err past_put(struct past *p, struct txn *t, enum past_class class, const struct id *id, uint64_t at_us, struct span row)
{
	uint64_t number = at_us > p->last ? at_us : p->last + 1;
	struct key64 key = key64(number);
	CLEANUP(free_cleanup) uint8_t *value = NULL;
	uint64_t there;
	enum err e = past_ids_find(p->ids, t, id, &there);

	if (e != ERR_NOT_FOUND)
		return e;
	TRY(seal_row(p, t, class, id, number, row, &value));
	TRY(past_ids_add(p->ids, t, id, number));
	TRY(txn_append(t, p->table, key64_span(&key), span(value, HEAD_BYTES + row.n + VAULT_EXTRA)));
	p->last = number;
	return OK;
}

/* `clear` has room for CLEAR_MAX. ERR_NOT_FOUND: its key was destroyed. */
static enum err unseal(const struct past *p, struct txn *t, uint64_t number, struct span value, uint8_t *clear, struct span *out)
{
	size_t head = head_bytes(value);
	const struct vault *key = p->before;
	uint8_t to[SEALED_TO_BYTES];
	struct past_key_name name;
	struct span sealed;

	if (value.n < head + VAULT_EXTRA || value.n - head - VAULT_EXTRA > CLEAR_MAX)
		return ERR_CORRUPT;
	if (is_keyed(value)) {
		name = key_name(number, value);
		TRY(past_keys_find(p->keys, t, &name, &key));
	}
	sealed = span(value.p + head, value.n - head);
	TRY(vault_open(key, sealed_to(number, span(value.p, head), to), sealed, clear));
	*out = span(clear, sealed.n - VAULT_EXTRA);
	return OK;
}

static uint16_t keep_of(const struct past *p, unsigned class) { return class < PAST_CLASSES ? p->keep.of[class] : 0; }

static bool is_over(const struct past *p, uint64_t number, struct span value, int64_t now_us)
{
	uint16_t keep = keep_of(p, class_of(value));

	return !keep || keep_until_us(keep, (int64_t)number) <= now_us;
}

static enum err take_out(struct past *p, struct txn *t, struct span key, struct span value)
{
	struct key64 number = key64(key64_value(key));      /* copies: both borrow from what is changed */
	struct id id;

	if (value.n >= OLD_BYTES) {
		memcpy(id.b, value.p + 1, ID_BYTES);
		TRY(past_ids_del(p->ids, t, &id));
	}
	return txn_del(t, p->table, key64_span(&number));
}

/* ---- sweeping ---- */

/* Of before: what it was sealed by cannot be destroyed. One that does not open is left as it is. */
static enum err seal_anew(struct past *p, struct txn *t, uint64_t number, struct span value, unsigned *changed)
{
	CLEANUP(free_cleanup) uint8_t *clear = malloc(CLEAR_MAX), *fresh = NULL;
	struct key64 key = key64(number);
	unsigned class = class_of(value);
	struct span row;
	struct id id;

	if (!clear)
		return ERR_FULL;
	if (unseal(p, t, number, value, clear, &row) != OK)
		return OK;
	memcpy(id.b, value.p + 1, ID_BYTES);
	TRY(seal_row(p, t, class, &id, number, row, &fresh));
	++*changed;
	return txn_put(t, p->table, key64_span(&key), span(fresh, HEAD_BYTES + row.n + VAULT_EXTRA));
}

static bool has_lost_its_key(const struct past *p, struct txn *t, uint64_t number, struct span value)
{
	struct past_key_name name;

	if (!is_keyed(value) || value.n < HEAD_BYTES)
		return false;
	name = key_name(number, value);
	return past_keys_are_gone(p->keys, t, &name);
}

struct ends {
	const struct past *p;
	int64_t now_us;
	unsigned oldest;                /* month of the oldest row */
};

static bool is_month_over(void *ctx, unsigned month, uint8_t class)
{
	const struct ends *x = ctx;
	uint16_t keep = keep_of(x->p, class);

	return month < x->oldest || !keep || keep_until_us(keep, past_month_end_us(month)) <= x->now_us;
}

static enum err sweep_keys(struct past *p, struct txn *t, int64_t now_us, unsigned *changed)
{
	struct ends x = { p, now_us, 0 };
	struct span key, value;
	unsigned ended;
	enum err e = txn_seek(t, p->table, span(NULL, 0), &key, &value);

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	x.oldest = e == OK ? past_month((int64_t)key64_value(key)) : 0;
	TRY(past_keys_sweep(p->keys, t, is_month_over, &x, &ended));
	*changed += ended;
	return OK;
}

static enum err sweep_row(struct past *p, struct txn *t, struct span key, struct span value, int64_t now_us, unsigned *changed)
{
	uint64_t number = key64_value(key);

	if (is_over(p, number, value, now_us) || has_lost_its_key(p, t, number, value)) {
		++*changed;
		return take_out(p, t, key, value);
	}
	return is_keyed(value) ? OK : seal_anew(p, t, number, value, changed);
}

/* All round: what is of before now was read, but does not open. */
static enum err end_round(struct past *p, struct txn *t, unsigned *changed)
{
	p->swept = 0;
	if (!p->anew)
		return OK;
	p->anew = false;
	++*changed;
	return txn_put(t, p->ids_table, ALL_ANEW, SPAN_LIT(""));
}

enum err past_sweep(struct past *p, struct txn *t, int64_t now_us, unsigned *changed)
{
	struct span key, value;
	enum err e = OK;

	*changed = 0;
	for (unsigned i = 0; i < PAST_SWEEP_ROWS; i++) {
		struct key64 at = key64(p->swept);

		e = txn_after(t, p->table, key64_span(&at), &key, &value);
		if (e != OK)
			break;
		p->swept = key64_value(key);
		TRY(sweep_row(p, t, key, value, now_us, changed));
	}
	if (e == ERR_NOT_FOUND)
		e = end_round(p, t, changed);
	TRY(e);
	return sweep_keys(p, t, now_us, changed);
}

enum err past_shed(struct past *p, struct txn *t, unsigned n, unsigned *gone)
{
	struct span key, value;
	enum err e = OK;

	for (*gone = 0; *gone < n; ++*gone) {
		e = txn_seek(t, p->table, span(NULL, 0), &key, &value);
		if (e != OK)
			return e == ERR_NOT_FOUND ? OK : e;
		TRY(take_out(p, t, key, value));
	}
	return OK;
}

/* ---- looking ---- */

struct looking {
	const struct past *p;
	struct txn *txn;
	const struct readback *want;
	struct topic filter[READBACK_FILTERS_MAX];
	uint8_t *clear;                 /* CLEAR_MAX */
	uint8_t *bytes;
	size_t used;
	struct readback_page *page;
};

static enum err open_row(struct looking *l, uint64_t number, struct span value, struct span *topic, struct span *payload)
{
	struct span row;
	struct cur c;

	TRY(unseal(l->p, l->txn, number, value, l->clear, &row));
	c = cur(row);
	*topic = cur_take(&c, cur_u8(&c));
	*payload = cur_take(&c, c.left.n);
	return cur_end(&c);
}

static bool is_wanted(const struct looking *l, struct span text)
{
	struct topic topic;

	if (topic_parse(text, &topic) != OK)
		return false;
	for (unsigned i = 0; i < l->want->filters; i++)
		if (filter_matches(&l->filter[i], &topic))
			return true;
	return l->want->filters == 0;
}

static struct span keep_bytes(struct looking *l, struct span s)
{
	uint8_t *at = l->bytes + l->used;

	memcpy(at, s.p, s.n);
	l->used += s.n;
	return span(at, s.n);
}

/* False: the page is full without it. */
static bool take_row(struct looking *l, uint64_t number, struct span value)
{
	struct readback_page *page = l->page;
	struct span topic, payload;

	if (open_row(l, number, value, &topic, &payload) != OK || !is_wanted(l, topic))
		return true;
	if (page->n == l->want->limit || (page->n && l->used + payload.n > READBACK_PAYLOAD_MAX))
		return false;
	page->item[page->n].kept_us = number;
	page->item[page->n].topic = keep_bytes(l, topic);
	page->item[page->n].payload = keep_bytes(l, payload);
	page->n++;
	return true;
}

static enum err look_at_one(struct looking *l, struct txn *t, uint64_t number, int64_t now_us)
{
	struct key64 key = key64(number);
	struct span value;

	TRY(txn_get(t, l->p->table, key64_span(&key), &value));
	if (!is_over(l->p, number, value, now_us))
		(void)take_row(l, number, value);
	return OK;
}

/* From `at` on, which was looked at; both ways alike. */
static enum err look_along(struct looking *l, struct txn *t, uint64_t at, int64_t now_us)
{
	enum err (*const step)(struct txn *, unsigned, struct span, struct span *, struct span *) =
		l->want->oldest_first ? txn_after : txn_before;
	struct span key, value;
	enum err e;

	for (unsigned rows = 0; rows < PAST_LOOK_ROWS; rows++) {
		struct key64 last = key64(at);
		uint64_t number;

		e = step(t, l->p->table, key64_span(&last), &key, &value);
		if (e != OK)
			return e;
		number = key64_value(key);
		if (l->want->oldest_first ? l->want->until_us && number >= l->want->until_us : number < l->want->from_us)
			return ERR_NOT_FOUND;
		if (!is_over(l->p, number, value, now_us) && !take_row(l, number, value))
			break;
		at = number;
	}
	l->page->next = at;
	return OK;
}

static uint64_t start_of(const struct readback *w, uint64_t after)
{
	if (w->oldest_first)
		return w->from_us && w->from_us - 1 > after ? w->from_us - 1 : after;
	if (!after)
		after = UINT64_MAX;
	return w->until_us && w->until_us < after ? w->until_us : after;
}

enum err past_look(struct past *p, struct txn *t, const struct readback *want, int64_t now_us, uint8_t *bytes,
		   struct readback_page *out)
{
	CLEANUP(free_cleanup) uint8_t *clear = malloc(CLEAR_MAX);
	struct looking l = { .p = p, .txn = t, .want = want, .clear = clear, .bytes = bytes, .page = out };
	uint64_t after = want->after;
	enum err e = OK;

	if (!clear)
		return ERR_FULL;
	out->n = 0;
	out->next = 0;
	for (unsigned i = 0; i < want->filters; i++)
		TRY(filter_parse(span_str(want->filter[i]), &l.filter[i]));
	if (want->has_id && !after)
		e = past_ids_find(p->ids, t, &want->id, &after);
	if (e == ERR_NOT_FOUND && want->filters)
		return e;
	if (e == OK)
		e = want->filters ? look_along(&l, t, start_of(want, after), now_us) : look_at_one(&l, t, after, now_us);
	return e == ERR_NOT_FOUND ? OK : e;
}

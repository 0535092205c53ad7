#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "cur.h"
#include "file.h"
#include "keyring.h"
#include "opened.h"
#include "outrecord.h"
#include "store.h"
#include "taken.h"
#include "vault.h"

#define TABLES "queue", "where", "held", "aside", "seen", "seen_order", "open", "keys"
enum table_no { QUEUE, WHERE, HELD, ASIDE, SEEN, SEEN_ORDER, OPEN, KEYS, YIELDED, TOLD, OPENED, NAMES };
static const char *const tables[] = { TABLES, "yielded", "told", "opened", "names", NULL };
static const char *const tables_to_read[] = { TABLES, NULL };   /* a file an earlier version left has no more */

#define PLACE_BYTES 9               /* tier, sequence */
#define PATH_PAGES 16               /* from the roots of all trees to what is changed in them */

struct counts {
	int64_t messages, aside;
};

struct outfile {
	int lock;                       /* held as long as this is the file's writer */
	struct store *store;
	struct keyring keys;
	struct hmac_key seen_key;       /* what a source says is remembered under */
	uint32_t most;
	size_t page_bytes;
	uint64_t next_seq, number;      /* as they were at opening */
	uint32_t unreadable;            /* then */

	/* whoever commits */
	struct counts have, change;
	uint8_t value[OPENED_ROW_MAX], clear[OUTBOX_RECORD_MAX];
	struct taken taken;
	struct opened opened;
};

/* ---- places ---- */

struct place {
	uint8_t b[PLACE_BYTES];
};

static struct place place(unsigned tier, uint64_t seq)
{
	struct key64 k = key64(seq);
	struct place p = { { (uint8_t)tier } };

	memcpy(p.b + 1, k.b, sizeof(k.b));
	return p;
}

static struct span place_span(const struct place *p) { return span(p->b, sizeof(p->b)); }

static enum err value_seal(struct outfile *f, enum table_no table, struct span key, const struct id *id, struct span clear,
			   struct span *out)
{
	return keyring_seal(&f->keys, table, key, id, clear, f->value, out);
}

/* ---- what a commit does ---- */

/* Answers about one message; anything else spoils the transaction. */
bool outfile_answers(enum err e)
{
	return e == OK || e == ERR_NOT_FOUND || e == ERR_EXISTS || e == ERR_KEY || e == ERR_CORRUPT;
}

/* What the alert's answer needs to find its way back: the record without the envelope. */
static enum err open_write(struct outfile *f, struct txn *t, struct op *op)
{
	struct outbox_message m = op->m;
	struct put b = put(f->clear, sizeof(f->clear));

	if (!m.opens)
		return OK;
	m.envelope = span(NULL, 0);
	TRY(outrecord_write(&m, &b));
	return opened_put(&f->opened, t, op, put_span(&b), f->value);
}

static enum err queue_write(struct outfile *f, struct txn *t, const struct op *op, struct span clear)
{
	struct place at = place(op->m.tier, op->seq);
	struct span value;

	TRY(value_seal(f, QUEUE, place_span(&at), &op->id, clear, &value));
	TRY(txn_put(t, QUEUE, place_span(&at), value));
	return txn_put(t, WHERE, span(op->id.b, ID_BYTES), place_span(&at));
}

static enum err held_drop(struct outfile *f, struct txn *t, const struct id *id)
{
	enum err e = txn_del(t, HELD, span(id->b, ID_BYTES));

	if (e == OK)
		f->change.messages--;
	return e == ERR_NOT_FOUND ? OK : e;
}

/* Another message may have the id, by which it is found: it must not be lost sight of. */
static enum err id_free(struct txn *t, const struct id *id)
{
	struct span unused;
	enum err e = txn_get(t, WHERE, span(id->b, ID_BYTES), &unused);

	return e == ERR_NOT_FOUND ? OK : e == OK ? ERR_EXISTS : e;
}

static enum err do_put(struct outfile *f, struct txn *t, struct op *op)
{
	TRY(id_free(t, &op->id));
	TRY(taken_add(&f->taken, t, op));
	TRY(held_drop(f, t, &op->id));
	TRY(queue_write(f, t, op, span(op->record, op->n)));
	f->change.messages++;
	return open_write(f, t, op);
}

static enum err do_hold(struct outfile *f, struct txn *t, struct op *op)
{
	struct span key = span(op->id.b, ID_BYTES), value;

	TRY(id_free(t, &op->id));
	TRY(taken_add(&f->taken, t, op));
	TRY(held_drop(f, t, &op->id));
	TRY(value_seal(f, HELD, key, &op->id, span(op->record, op->n), &value));
	TRY(txn_put(t, HELD, key, value));
	f->change.messages++;
	return open_write(f, t, op);
}

void outfile_record_drop(struct op *op)
{
	if (op->record)
		crypt_wipe(op->record, op->n);
	free(op->record);
	op->record = NULL;
	op->m = (struct outbox_message){ 0 };
}

/* Takes the record of an op from a table, so that its result can name the source. At another try it may be a longer one. */
static enum err op_load(struct outfile *f, struct txn *t, enum table_no table, struct span key, struct op *op)
{
	struct span value, clear;
	struct id id;

	TRY(txn_get(t, table, key, &value));
	TRY(keyring_open(&f->keys, table, key, value, &id, f->clear, &clear));
	outfile_record_drop(op);
	op->record = malloc(clear.n);
	if (!op->record)
		return ERR_FULL;
	op->n = clear.n;
	memcpy(op->record, clear.p, clear.n);
	return outrecord_read(span(op->record, op->n), &op->m) == OK ? OK : ERR_CORRUPT;
}

static enum err do_release(struct outfile *f, struct txn *t, struct op *op)
{
	struct span key = span(op->id.b, ID_BYTES);

	TRY(op_load(f, t, HELD, key, op));
	TRY(id_free(t, &op->id));
	TRY(txn_del(t, HELD, key));
	return queue_write(f, t, op, span(op->record, op->n));
}

static enum err where(struct txn *t, const struct id *id, struct place *at)
{
	struct span value;

	TRY(txn_get(t, WHERE, span(id->b, ID_BYTES), &value));
	if (value.n != PLACE_BYTES)
		return ERR_CORRUPT;
	memcpy(at->b, value.p, PLACE_BYTES);
	return OK;
}

static enum err queue_load(struct outfile *f, struct txn *t, struct op *op, struct place *at)
{
	TRY(where(t, &op->id, at));
	return op_load(f, t, QUEUE, place_span(at), op);
}

static enum err queue_drop(struct outfile *f, struct txn *t, const struct op *op, const struct place *at)
{
	TRY(txn_del(t, QUEUE, place_span(at)));
	f->change.messages--;
	return txn_del(t, WHERE, span(op->id.b, ID_BYTES));
}

static enum err do_delivered(struct outfile *f, struct txn *t, struct op *op)
{
	struct place at = { { FLIGHT_TIERS } };
	enum err e = queue_load(f, t, op, &at);

	if ((e != OK && !outfile_answers(e)) || at.b[0] == FLIGHT_TIERS)
		return e;
	op->m.tier = at.b[0];   /* known also when the record is unreadable; that must not keep it here for ever */
	return queue_drop(f, t, op, &at);
}

/* WHERE goes on saying its place. */
static enum err do_aside(struct outfile *f, struct txn *t, struct op *op)
{
	struct put b = put(f->clear, sizeof(f->clear));
	struct span value;
	struct place at;

	TRY(queue_load(f, t, op, &at));
	TRY(txn_del(t, QUEUE, place_span(&at)));
	f->change.messages--;
	op->known = op->m.reason != 0;
	op->m.reason = (uint8_t)op->reason;
	TRY(outrecord_write(&op->m, &b));
	TRY(value_seal(f, ASIDE, place_span(&at), &op->id, put_span(&b), &value));
	TRY(txn_put(t, ASIDE, place_span(&at), value));
	f->change.aside++;
	return OK;
}

static enum err aside_evict(struct outfile *f, struct txn *t, struct op *op, const struct place *at)
{
	enum err e = op_load(f, t, ASIDE, place_span(at), op);

	if (e != OK && !outfile_answers(e))
		return e;
	op->m.tier = at->b[0];
	f->change.aside--;
	TRY(txn_del(t, ASIDE, place_span(at)));
	return txn_del(t, WHERE, span(op->id.b, ID_BYTES));
}

/* From wherever it is. */
static enum err do_evict(struct outfile *f, struct txn *t, struct op *op)
{
	struct span unused;
	struct place at;

	TRY(where(t, &op->id, &at));
	if (txn_get(t, ASIDE, place_span(&at), &unused) == OK)
		TRY(aside_evict(f, t, op, &at));
	else
		TRY(do_delivered(f, t, op));
	return taken_yield(&f->taken, t, op);
}

static enum err do_again(struct outfile *f, struct txn *t, struct op *op)
{
	struct place at;

	TRY(where(t, &op->id, &at));
	TRY(op_load(f, t, ASIDE, place_span(&at), op));
	TRY(txn_del(t, ASIDE, place_span(&at)));
	f->change.aside--;
	f->change.messages++;
	op->seq = key64_value(span(at.b + 1, 8));   /* its old place, or it would come after what followed it */
	return queue_write(f, t, op, span(op->record, op->n));
}

/* It waits for the broker, but only to see whether that takes it now. */
static bool is_probe(struct outfile *f, struct txn *t, const struct place *at)
{
	struct outbox_message m;
	struct span value, clear;
	struct id id;

	return txn_get(t, QUEUE, place_span(at), &value) == OK &&
	       keyring_open(&f->keys, QUEUE, place_span(at), value, &id, f->clear, &clear) == OK &&
	       outrecord_read(clear, &m) == OK && m.reason;
}

static enum err do_recall(struct outfile *f, struct txn *t, struct op *op)
{
	struct span unused;
	struct place at;

	TRY(taken_id(&f->taken, t, op->seen, &op->id));
	op->queued = txn_get(t, HELD, span(op->id.b, ID_BYTES), &unused) == OK;
	if (where(t, &op->id, &at) != OK)
		return OK;
	op->aside = txn_get(t, ASIDE, place_span(&at), &unused) == OK || is_probe(f, t, &at);
	op->queued = op->queued || !op->aside;
	return OK;
}

static enum err do_forget(struct outfile *f, struct txn *t, struct op *op)
{
	return opened_forget(&f->opened, t, op);
}

static enum err do_tell(struct outfile *f, struct txn *t, struct op *op)
{
	struct span value;

	TRY(value_seal(f, TOLD, op->m.source_id, &op->id, span(op->record, op->n), &value));
	return txn_put(t, TOLD, op->m.source_id, value);
}

static enum err do_untell(struct outfile *f, struct txn *t, struct op *op)
{
	(void)f;
	return txn_del(t, TOLD, op->m.source_id);
}

#define NUMBER SPAN_LIT("number")

static enum err do_name(struct outfile *f, struct txn *t, struct op *op)
{
	const struct key64 number = key64(op->number);

	(void)f;
	return txn_put(t, NAMES, NUMBER, key64_span(&number));
}

/* `tidy`: must succeed sooner or later. `queues`: gives a message its place. `pages`: it changes, beside what it brings. */
static const struct {
	enum err (*run)(struct outfile *f, struct txn *t, struct op *op);
	bool tidy, queues;
	unsigned pages;
} works[] = {
	[WORK_PUT] = { do_put, false, true, 4 },
	[WORK_HOLD] = { do_hold, false, false, 4 },
	[WORK_RELEASE] = { do_release, true, true, 4 },
	[WORK_DELIVERED] = { do_delivered, true, false, 2 },
	[WORK_ASIDE] = { do_aside, true, false, 4 },
	[WORK_AGAIN] = { do_again, false, false, 4 },
	[WORK_RECALL] = { do_recall, false, false, 0 },
	[WORK_FORGET] = { do_forget, true, false, 2 },
	[WORK_TELL] = { do_tell, true, false, 1 },
	[WORK_UNTELL] = { do_untell, true, false, 1 },
	[WORK_EVICT] = { do_evict, true, false, 3 },
	[WORK_NAME] = { do_name, false, false, 1 },
};

static enum err commit(struct outfile *f, struct op *first, const struct op *end)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	f->change = (struct counts){ 0 };
	TRY(txn_begin_write(f->store, &t));
	for (struct op *op = first; op != end; op = op->next) {
		if (op->passed)
			continue;
		op->err = works[op->work].run(f, t, op);
		if (!outfile_answers(op->err))
			return op->err;
	}
	return txn_commit(&t);
}

enum err outfile_commit(struct outfile *f, struct op *first, const struct op *end)
{
	enum err e = commit(f, first, end);

	taken_settle(&f->taken, first, end, e == OK);
	opened_settle(&f->opened, first, end, e == OK);
	if (e != OK)
		return e;
	f->have.messages += f->change.messages;
	f->have.aside += f->change.aside;
	return OK;
}

/* ---- opening ---- */

static bool key_used(struct txn *t, enum table_no table, uint32_t number)
{
	struct span key = span(NULL, 0), value;
	uint8_t at[STORE_KEY_MAX];

	while (txn_after(t, table, key, &key, &value) == OK) {
		if (keyring_number(value) == number)
			return true;
		must(key.n <= sizeof(at));
		memcpy(at, key.p, key.n);
		key = span(at, key.n);
	}
	return false;
}

/* A key nothing is sealed with any more is destroyed: then nothing that a freed page still holds can be read. What a later version
 * sealed elsewhere is not known. */
static enum err keys_prune(struct outfile *f, struct txn *t)
{
	static const enum table_no sealed[] = { QUEUE, HELD, ASIDE, OPEN, OPENED, TOLD };

	if (store_has_more(f->store))
		return OK;
	for (size_t i = 0; i + 1 < f->keys.n; i++) {
		bool used = false;

		for (size_t k = 0; k < countof(sealed); k++)
			used = used || key_used(t, sealed[k], f->keys.key[i].number);
		if (!used)
			TRY(keyring_destroy(&f->keys, t, KEYS, i));
	}
	return OK;
}

/* In a table by place. False: nothing can be made of it. */
static bool is_message(struct span key, struct span value, struct id *id)
{
	return key.n == PLACE_BYTES && key.p[0] < FLIGHT_TIERS && keyring_id(value, id);
}

static enum err seq_past(struct outfile *f, struct txn *t, enum table_no table, uint64_t *next)
{
	struct span key = span(NULL, 0), value;
	struct place at;
	struct id id;
	enum err e;

	while ((e = txn_after(t, table, key, &key, &value)) == OK) {
		if (key.n != PLACE_BYTES)
			return ERR_CORRUPT;
		f->unreadable += !is_message(key, value, &id);
		memcpy(at.b, key.p, PLACE_BYTES);
		key = place_span(&at);
		if (key64_value(span(at.b + 1, 8)) > FLIGHT_SEQ_MAX / 2)   /* as many never come: it is damaged */
			return ERR_CORRUPT;
		if (key64_value(span(at.b + 1, 8)) >= *next)
			*next = key64_value(span(at.b + 1, 8)) + 1;
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

/* Sequence numbers rise through all tiers together. What is set aside keeps its place: nobody else may get it. */
static enum err find_next_seq(struct outfile *f, struct txn *t)
{
	f->next_seq = 1;
	TRY(seq_past(f, t, QUEUE, &f->next_seq));
	return seq_past(f, t, ASIDE, &f->next_seq);
}

struct releasing {
	struct id last;                 /* of those that were looked at, */
	size_t last_n;                  /* once there is one */
	unsigned n;                     /* of the last transaction */
	uint64_t next_seq;
	uint32_t unreadable;
};

static enum err release_one(struct outfile *f, struct txn *t, struct releasing *r)
{
	struct op op = { .work = WORK_RELEASE, .id = r->last, .seq = r->next_seq };
	enum err e = do_release(f, t, &op);

	outfile_record_drop(&op);
	if (e != OK && e != ERR_KEY && e != ERR_CORRUPT && e != ERR_EXISTS)
		return e;
	r->unreadable += e != OK;
	r->next_seq += e == OK;
	r->n++;
	return OK;
}

static enum err release_some(struct outfile *f, struct releasing *r, size_t most)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct releasing now = *r;
	struct span key, unused;
	enum err e = OK;

	TRY(txn_begin_write(f->store, &t));
	for (now.n = 0; now.n < most && (e = txn_after(t, HELD, span(now.last.b, now.last_n), &key, &unused)) == OK;) {
		if (key.n != ID_BYTES)
			return ERR_CORRUPT;
		memcpy(now.last.b, key.p, ID_BYTES);
		now.last_n = ID_BYTES;
		TRY(release_one(f, t, &now));
	}
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	TRY(txn_commit(&t));
	*r = now;
	return OK;
}

/* What was held when the last run ended is due now. One that cannot be read stays where it is. A few at a time: of what is moved
 * there are two for as long as a transaction lasts, and the file may be full. */
static enum err held_release(struct outfile *f)
{
	struct releasing r = { .n = 1, .next_seq = f->next_seq };

	while (r.n) {
		size_t most = outfile_room(f) / works[WORK_RELEASE].pages;

		TRY(release_some(f, &r, most ? most : 1));
	}
	f->next_seq = r.next_seq;
	f->unreadable += r.unreadable;
	return OK;
}

static enum err counts_load(struct outfile *f, struct txn *t)
{
	uint64_t queue, aside;

	TRY(txn_count(t, QUEUE, &queue));
	TRY(txn_count(t, ASIDE, &aside));
	f->have.messages = (int64_t)queue;
	f->have.aside = (int64_t)aside;
	return OK;
}

/* Names go by these numbers: a file that takes the place of another must not give old ones again. */
static uint64_t first_number(void)
{
	return ((uint64_t)clock_ms(CLOCK_REALTIME) << 10) + 1;
}

/* Another number when some of what was named by the last is not remembered any more: less room, or an earlier version came by. */
static enum err remembered_load(struct outfile *f, struct txn *t)
{
	struct span value = span(NULL, 0);
	enum err e = txn_get(t, NAMES, NUMBER, &value);
	struct key64 number;

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	f->number = key64_value(value);
	TRY(taken_load(&f->taken, t, f->number ? f->number : first_number()));
	if (f->number > f->taken.forgotten && f->number <= f->taken.next)
		return OK;
	f->number = f->taken.next;
	number = key64(f->number);
	return txn_put(t, NAMES, NUMBER, key64_span(&number));
}

static enum err prepare(struct outfile *f, const uint8_t root[AEAD_KEY_BYTES])
{
	CLEANUP(vault_clear) struct vault wrap = { 0 }, seen = { 0 };
	CLEANUP(txn_abort) struct txn *t = NULL;

	vault_init(&wrap, root, "outbox keys");
	vault_init(&seen, root, "outbox seen");
	hmac_key_init(&f->seen_key, span(seen.key, sizeof(seen.key)));
	TRY(txn_begin_write(f->store, &t));
	TRY(keyring_load(&f->keys, t, KEYS, &wrap));
	TRY(keyring_add(&f->keys, t, KEYS, &wrap));
	TRY(find_next_seq(f, t));
	TRY(remembered_load(f, t));
	TRY(opened_load(&f->opened, t));
	TRY(txn_commit(&t));
	TRY(held_release(f));
	TRY(txn_begin_write(f->store, &t));
	TRY(keys_prune(f, t));
	TRY(counts_load(f, t));
	return txn_commit(&t);
}

enum err outfile_read(struct outfile *f, const struct flight_item *at, struct outbox_scratch *scratch,
			    struct outbox_message *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct place p = place(at->tier, at->seq);
	struct span value, clear;
	struct id id;

	TRY(txn_begin_read(f->store, &t));
	TRY(txn_get(t, QUEUE, place_span(&p), &value));
	TRY(keyring_open(&f->keys, QUEUE, place_span(&p), value, &id, scratch->b, &clear));
	TRY(outrecord_read(clear, out));
	out->id = id;
	return OK;
}

/* One that cannot be read has no condition: it is told apart when its turn comes. */
static bool item_of(const struct outfile *f, enum table_no table, struct span key, struct span value, uint8_t *room,
		    struct flight_item *out)
{
	struct outbox_message m;
	struct span clear;
	struct id id;

	*out = (struct flight_item){ 0 };
	if (!is_message(key, value, &out->id))
		return false;
	out->seq = key64_value(span(key.p + 1, 8));
	out->tier = key.p[0];
	if (keyring_open(&f->keys, table, key, value, &id, room, &clear) != OK || outrecord_read(clear, &m) != OK)
		return true;
	out->of = flight_of(m.key);
	out->made_s = outbox_made_s(m.order, &out->id);
	return true;
}

enum err outfile_each(struct outfile *f, enum err (*visit)(void *ctx, const struct flight_item *at), void *ctx)
{
	CLEANUP(free_cleanup) uint8_t *room = malloc(OUTBOX_RECORD_MAX);
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = span(NULL, 0), value;
	struct place at;
	enum err e;

	if (!room)
		return ERR_FULL;
	TRY(txn_begin_read(f->store, &t));
	while ((e = txn_after(t, QUEUE, key, &key, &value)) == OK) {
		struct flight_item item;
		bool is = item_of(f, QUEUE, key, value, room, &item);

		memcpy(at.b, key.p, PLACE_BYTES);
		key = place_span(&at);
		if (is)
			TRY(visit(ctx, &item));
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

static int by_seq(const void *a, const void *b)
{
	const struct flight_item *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

size_t outfile_aside(struct outfile *f, struct flight_item *out, size_t max)
{
	CLEANUP(free_cleanup) uint8_t *room = malloc(OUTBOX_RECORD_MAX);
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = span(NULL, 0), value;
	struct place at;
	size_t n = 0;

	if (!room || txn_begin_read(f->store, &t) != OK)
		return 0;
	while (n < max && txn_after(t, ASIDE, key, &key, &value) == OK) {
		n += item_of(f, ASIDE, key, value, room, &out[n]);
		memcpy(at.b, key.p, PLACE_BYTES);
		key = place_span(&at);
	}
	crypt_wipe(room, OUTBOX_RECORD_MAX);
	qsort(out, n, sizeof(*out), by_seq);
	return n;
}

struct open_visit {
	void (*visit)(void *ctx, const struct open_alert *a);
	void *ctx;
};

static enum err open_alert_of(const uint8_t key[OPEN_KEY], const struct id *id, struct span clear, struct open_alert *out)
{
	struct outbox_message m;

	*out = (struct open_alert){ .id = *id };
	memcpy(out->key, key, OPEN_KEY);
	if (outrecord_read(clear, &m) != OK || !span_text(m.input, out->input, sizeof(out->input)) ||
	    !span_text(m.source, out->source, sizeof(out->source)) ||
	    !span_text(m.source_id, out->source_id, sizeof(out->source_id)))
		return ERR_CORRUPT;
	return OK;
}

enum err outfile_open_alert(struct outfile *f, const uint8_t key[OPEN_KEY], struct open_alert *out)
{
	uint8_t room[OPENED_CLEAR_MAX];
	struct span clear;
	struct id id;

	TRY(opened_find(&f->opened, f->store, key, &id, room, &clear));
	return open_alert_of(key, &id, clear, out);
}

/* One that cannot be read is left out: an alert's answer that goes astray must not keep the gateway from starting. */
static void visit_open(void *ctx, const uint8_t key[OPEN_KEY], const struct id *id, struct span clear)
{
	const struct open_visit *v = ctx;
	struct open_alert a;

	if (open_alert_of(key, id, clear, &a) == OK)
		v->visit(v->ctx, &a);
}

enum err outfile_each_open(struct outfile *f, void (*visit)(void *ctx, const struct open_alert *a), void *ctx)
{
	return opened_each(&f->opened, f->store, visit_open, &(struct open_visit){ visit, ctx });
}

enum err outfile_each_told(struct outfile *f, void (*visit)(void *ctx, const struct outbox_message *m), void *ctx)
{
	CLEANUP(free_cleanup) uint8_t *clear = malloc(OUTBOX_RECORD_MAX);
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = span(NULL, 0), value, record;
	enum err e;

	if (!clear)
		return ERR_FULL;
	TRY(txn_begin_read(f->store, &t));
	while ((e = txn_after(t, TOLD, key, &key, &value)) == OK) {
		struct outbox_message m;
		struct id id;

		if (keyring_open(&f->keys, TOLD, key, value, &id, clear, &record) != OK || outrecord_read(record, &m) != OK)
			continue;
		m.id = id;
		visit(ctx, &m);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

uint64_t outfile_aside_count(struct outfile *f)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint64_t n = 0;

	return txn_begin_read(f->store, &t) == OK && txn_count(t, ASIDE, &n) == OK ? n : 0;
}

uint32_t outfile_most(const struct outfile *f) { return f->most; }
uint32_t outfile_remembers(const struct outfile *f) { return f->taken.most; }
uint64_t outfile_next_seq(const struct outfile *f) { return f->next_seq; }
uint64_t outfile_newest(const struct outfile *f) { return f->taken.newest; }
uint64_t outfile_number(const struct outfile *f) { return f->number; }
uint64_t outfile_kept(const struct outfile *f) { return atomic_load(&f->taken.kept); }
uint64_t outfile_opened(const struct outfile *f) { return f->opened.next - 1; }
uint32_t outfile_unreadable(const struct outfile *f) { return f->unreadable; }

void outfile_seen_key(const struct outfile *f, struct span source, struct span source_id, const struct digest *d,
		      uint8_t out[OUTFILE_SEEN_KEY])
{
	const uint8_t n[2] = { (uint8_t)(source.n >> 8), (uint8_t)source.n };
	uint8_t hash[SHA256_BYTES];

	HMAC256_BY(hash, &f->seen_key, span(n, sizeof(n)), source, source_id);
	memcpy(out, hash, OUTFILE_SEEN_ID);
	HMAC256_BY(hash, &f->seen_key, span(out, OUTFILE_SEEN_ID), span(d->b, sizeof(d->b)));
	memcpy(out + OUTFILE_SEEN_ID, hash, OUTFILE_SEEN_KEY - OUTFILE_SEEN_ID);
}

void outfile_name(const struct outfile *f, const uint8_t key[OUTFILE_SEEN_KEY], uint64_t number, uint8_t name[ID_NAME])
{
	const struct key64 by = key64(number);
	uint8_t hash[SHA256_BYTES];

	HMAC256_BY(hash, &f->seen_key, SPAN_LIT("name"), key64_span(&by), span(key, OUTFILE_SEEN_KEY));
	memcpy(name, hash, ID_NAME);
}

bool outfile_tidies(enum outbox_work work) { return works[work].tidy; }
bool outfile_queues(enum outbox_work work) { return works[work].queues; }

bool outfile_crowded(const struct outfile *f) { return f->have.messages >= f->most; }

/* What the last commit gave back can be taken after the next: then that is a small one. */
static enum err turn(struct outfile *f)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct key64 number;
	struct span value;

	TRY(txn_begin_write(f->store, &t));
	TRY(txn_get(t, NAMES, NUMBER, &value));
	number = key64(key64_value(value));
	TRY(txn_put(t, NAMES, NUMBER, key64_span(&number)));
	return txn_commit(&t);
}

/* When that cannot be said nobody yields for it: whoever commits hears why. */
bool outfile_tight(struct outfile *f)
{
	struct store_room r;

	if (store_room(f->store, &r) != OK)
		return false;
	if (r.next > store_room_reserve(&r) || r.free <= store_room_reserve(&r) + PATH_PAGES || turn(f) != OK)
		return r.next <= store_room_reserve(&r);
	return store_room(f->store, &r) == OK && r.next <= store_room_reserve(&r);
}

/* LMDB takes a page for each that it changes, and gives back the old ones only after the next commit: who takes all of them can
 * never make that. */
size_t outfile_room(struct outfile *f)
{
	struct store_room r;
	size_t keep;

	if (store_room(f->store, &r) != OK)
		return SIZE_MAX;
	keep = store_room_reserve(&r) / 2 + PATH_PAGES;
	return r.next > keep ? r.next - keep : 0;
}

size_t outfile_takes(const struct outfile *f, const struct op *op)
{
	return works[op->work].pages + op->n / f->page_bytes;
}

size_t outfile_oldest(struct outfile *f, unsigned tier, bool aside, struct id *out, size_t max)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct place at = place(tier, 0);
	struct span key, value;
	size_t n = 0;
	enum err e = txn_begin_read(f->store, &t);

	if (e == OK)
		e = txn_seek(t, aside ? ASIDE : QUEUE, place_span(&at), &key, &value);
	while (e == OK && n < max && key.n == PLACE_BYTES && key.p[0] == tier) {
		n += is_message(key, value, &out[n]);
		memcpy(at.b, key.p, PLACE_BYTES);
		e = txn_after(t, aside ? ASIDE : QUEUE, place_span(&at), &key, &value);
	}
	return n;
}

size_t outfile_aside_over(struct outfile *f, struct id *out, size_t max)
{
	size_t over = f->have.aside > OUTBOX_ASIDE_MAX ? (size_t)(f->have.aside - OUTBOX_ASIDE_MAX) : 0, n = 0;
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = span(NULL, 0), value;
	struct place at;

	if (!over || txn_begin_read(f->store, &t) != OK)
		return 0;
	while (n < over && n < max && txn_before(t, ASIDE, key, &key, &value) == OK && key.n == PLACE_BYTES) {
		n += is_message(key, value, &out[n]);
		memcpy(at.b, key.p, PLACE_BYTES);
		key = place_span(&at);
	}
	return n;
}

enum outbox_seen outfile_seen(struct outfile *f, const uint8_t key[OUTFILE_SEEN_KEY])
{
	return taken_look(&f->taken, f->store, key);
}

static struct store_spec spec_of(size_t map_bytes, bool read_only)
{
	return (struct store_spec){ .kind = "outbox", .version = 4, .map_bytes = map_bytes, .read_only = read_only,
				    .table = read_only ? tables_to_read : tables };
}

/* LMDB would let a second writer in. Gone with its holder, however that ends. */
static enum err lock(const char *path, int *out)
{
	*out = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*out < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : errno == EACCES || errno == EROFS ? ERR_DENIED : ERR_IO;
	if (flock(*out, LOCK_EX | LOCK_NB) == 0)
		return OK;
	return errno == EWOULDBLOCK ? ERR_BUSY : ERR_IO;
}

static struct outfile *make(void)
{
	struct outfile *f = calloc(1, sizeof(*f));

	if (f) {
		f->lock = -1;
		f->taken = (struct taken){ .rows = SEEN_ORDER, .by_key = SEEN, .yielded = YIELDED };
		f->opened.rows = OPENED;
		f->opened.by_key = OPEN;
		f->opened.keys = &f->keys;
	}
	return f;
}

enum err outfile_open(const char *path, const uint8_t root[AEAD_KEY_BYTES], size_t map_bytes, struct outfile **out)
{
	const struct store_spec spec = spec_of(map_bytes, false);
	CLEANUP(outfile_close) struct outfile *f = make();

	if (!f)
		return ERR_FULL;
	f->most = (uint32_t)(map_bytes / 1024);
	TRY(taken_make(&f->taken, f->most));
	TRY(opened_make(&f->opened));
	TRY(store_check(path, map_bytes));   /* before the lock, which its process would inherit and might hold after us */
	TRY(lock(path, &f->lock));
	TRY(store_open(path, &spec, &f->store));
	f->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	TRY(prepare(f, root));
	if (f->have.messages > f->most)         /* it had more room: what is there stays */
		f->most = (uint32_t)f->have.messages;
	*out = f;
	f = NULL;
	return OK;
}

static enum err visit_aside(struct outfile *f, struct txn *t, void (*visit)(void *ctx, const struct outbox_message *m),
			    void *ctx)
{
	struct span key = span(NULL, 0), value, clear;
	enum err e;

	while ((e = txn_after(t, ASIDE, key, &key, &value)) == OK) {
		struct outbox_message m = { 0 };
		struct id id;

		TRY(keyring_open(&f->keys, ASIDE, key, value, &id, f->clear, &clear));
		TRY(outrecord_read(clear, &m));
		m.id = id;
		visit(ctx, &m);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err outfile_each_aside(const char *path, const uint8_t root[AEAD_KEY_BYTES], size_t map_bytes,
			    void (*visit)(void *ctx, const struct outbox_message *m), void *ctx)
{
	const struct store_spec spec = spec_of(map_bytes, true);
	CLEANUP(outfile_close) struct outfile *f = make();
	CLEANUP(vault_clear) struct vault wrap = { 0 };
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (!f)
		return ERR_FULL;
	vault_init(&wrap, root, "outbox keys");
	TRY(store_open(path, &spec, &f->store));
	TRY(txn_begin_read(f->store, &t));
	TRY(keyring_load(&f->keys, t, KEYS, &wrap));
	return visit_aside(f, t, visit, ctx);
}

/* Not from under a gateway that runs: it would go on in it, and its next start not find it. */
enum err outfile_keep_aside(const char *path, char kept[OUTBOX_PATH_MAX])
{
	CLEANUP(fd_cleanup) int fd = -1;

	TRY(lock(path, &fd));
	return file_keep_aside(path, (const char *const[]){ STORE_LOCK, NULL }, kept, OUTBOX_PATH_MAX);
}

void outfile_close(struct outfile **out)
{
	struct outfile *f = *out;

	if (!f)
		return;
	keyring_clear(&f->keys);
	crypt_wipe(&f->seen_key, sizeof(f->seen_key));
	crypt_wipe(f->clear, sizeof(f->clear));
	store_close(&f->store);
	fd_cleanup(&f->lock);
	taken_drop(&f->taken);
	opened_drop(&f->opened);
	free(f);
	*out = NULL;
}

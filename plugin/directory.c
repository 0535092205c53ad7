#include "directory_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "crypt.h"
#include "cur.h"
#include "edition_row.h"
#include "emergency_row.h"

#define SHADOW_TEXT 64

static const char *const tables[TABLES + 1] = { "account", "owner", "journal", "check", "denial", "edition", "lock", "gone", NULL };
/* How many of them there were, in stores nobody wrote to since. */
static const size_t generations[] = { TABLES, GONE, LOCK, DENIAL };
static const struct span shadow_key = SPAN_LIT("shadow");   /* in CHECK, which every directory has */
static const struct span check_key = SPAN_LIT("root"), check_text = SPAN_LIT("pullcord directory v1");

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* Party and id. False when there can be no such account. */
static bool key_of(unsigned party, struct span id, struct key *out)
{
	if (!party_ok(party) || !word_ok(id))
		return false;
	out->b[0] = (uint8_t)party;
	memcpy(out->b + 1, id.p, id.n);
	out->n = 1 + id.n;
	return true;
}

/* ---- sealed values ----------------------------------------------------------------------------------------------- */

/* A value is bound to its place: "<table>|<key>". */
struct place {
	uint8_t b[16 + WORD_BYTES_MAX + 1];
	struct put put;
};

static struct span place(struct place *p, unsigned table, struct span key)
{
	p->put = put(p->b, sizeof(p->b));
	put_str(&p->put, tables[table]);
	put_str(&p->put, "|");
	put_bytes(&p->put, key);
	must(put_end(&p->put) == OK);
	return put_span(&p->put);
}

enum err put_sealed(struct directory *d, struct txn *t, unsigned table, struct span key, struct span text)
{
	CLEANUP(free_cleanup) uint8_t *sealed = malloc(text.n + VAULT_EXTRA);
	struct place p;

	if (!sealed)
		return ERR_FULL;
	TRY(vault_seal(&d->vault, place(&p, table, key), text, sealed));
	return txn_put(t, table, key, span(sealed, text.n + VAULT_EXTRA));
}

/* The root key was found right when the directory was opened, so what does not open here is damaged. */
enum err open_sealed(struct directory *d, unsigned table, struct span key, struct span sealed, uint8_t *out)
{
	struct place p;

	return vault_open(&d->vault, place(&p, table, key), sealed, out) == OK ? OK : ERR_CORRUPT;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static enum err check_root(struct directory *d, struct txn *t, bool may_write)
{
	uint8_t text[64];
	struct span sealed;
	enum err e = txn_get(t, CHECK, check_key, &sealed);
	struct place p;

	if (e == ERR_NOT_FOUND)
		return may_write ? put_sealed(d, t, CHECK, check_key, check_text) : ERR_CORRUPT;
	TRY(e);
	if (sealed.n != check_text.n + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(vault_open(&d->vault, place(&p, CHECK, check_key), sealed, text));
	return span_eq(span(text, check_text.n), check_text) ? OK : ERR_CORRUPT;
}

static enum err open_generation(struct directory *d, const char *path, size_t bytes, size_t n, bool read_only)
{
	const char *name[TABLES + 1] = { NULL };
	struct store_spec spec = { .kind = "directory", .version = 1, .map_bytes = bytes, .table = name, .read_only = read_only };

	memcpy(name, tables, n * sizeof(*name));
	d->tables = n;
	return store_open(path, &spec, &d->store);
}

/* A writer makes the tables that are new; a reader does without them. */
static enum err open_store(struct directory *d, const char *path, size_t bytes, bool read_only)
{
	enum err e = open_generation(d, path, bytes, TABLES, read_only);

	for (size_t i = 1; e == ERR_CORRUPT && read_only && i < countof(generations); i++)
		e = open_generation(d, path, bytes, generations[i], true);
	return e;
}

static enum err open_file(const char *path, const uint8_t root[32], size_t bytes, bool read_only, struct directory **out)
{
	CLEANUP(directory_close) struct directory *d = calloc(1, sizeof(*d));
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (!d)
		return ERR_FULL;
	vault_init(&d->vault, root, "directory");
	patients_init(&d->patients, root);
	TRY(open_store(d, path, bytes, read_only));
	TRY(read_only ? txn_begin_read(d->store, &t) : txn_begin_write(d->store, &t));
	TRY(check_root(d, t, !read_only));
	if (!read_only)
		TRY(txn_commit(&t));
	txn_abort(&t);
	*out = d;
	d = NULL;
	return OK;
}

enum err directory_open(const char *path, const uint8_t root[32], bool read_only, struct directory **out)
{
	return open_file(path, root, DIRECTORY_MAP_BYTES, read_only, out);
}

enum err directory_open_room(const char *path, const uint8_t root[32], size_t bytes, struct directory **out)
{
	return open_file(path, root, bytes > DIRECTORY_MAP_BYTES ? bytes : DIRECTORY_MAP_BYTES, false, out);
}

void directory_close(struct directory **d)
{
	if (*d) {
		store_close(&(*d)->store);
		vault_clear(&(*d)->vault);
		crypt_wipe(&(*d)->patients, sizeof((*d)->patients));
	}
	free_cleanup(d);
}

void directory_by(struct directory *d, struct span by)
{
	must(span_text(span(by.p, by.n < DIRECTORY_BY_MAX ? by.n : DIRECTORY_BY_MAX), d->by, sizeof(d->by)));
}

void batch_by(struct batch *b, struct span by)
{
	b->by = by;
}

const struct patients *directory_patients(const struct directory *d)
{
	return &d->patients;
}

uint64_t directory_generation(const struct directory *d)
{
	return store_generation(d->store);
}

bool directory_moved(const struct directory *d)
{
	return directory_generation(d) != d->seen;
}

/* ---- reading accounts -------------------------------------------------------------------------------------------- */

static enum err open_account(struct directory *d, struct span key, struct span sealed, struct account **out)
{
	CLEANUP(free_cleanup) uint8_t *text = malloc(sealed.n + 1);

	if (!text)
		return ERR_FULL;
	TRY(open_sealed(d, ACCOUNT, key, sealed, text));
	return account_read(span(text, sealed.n - VAULT_EXTRA), out);
}

static enum err find_account(struct directory *d, struct txn *t, Pullcord__V1__Party party, struct span id,
			     struct account **out)
{
	struct span sealed;
	struct key key;

	if (!key_of(party, id, &key))
		return ERR_NOT_FOUND;
	TRY(txn_get(t, ACCOUNT, key_span(&key), &sealed));
	return open_account(d, key_span(&key), sealed, out);
}

enum err directory_find(struct directory *d, Pullcord__V1__Party party, struct span id, struct account **out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_read(d->store, &t));
	return find_account(d, t, party, id, out);
}

/* Of all parties, or of one. */
static enum err visit_from(struct directory *d, unsigned party, struct span key,
			   bool (*visit)(void *ctx, const struct account *a), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span sealed;
	bool more = true;
	enum err e;

	TRY(txn_begin_read(d->store, &t));
	while (more && (e = txn_after(t, ACCOUNT, key, &key, &sealed)) != ERR_NOT_FOUND) {
		CLEANUP(account_free) struct account *a = NULL;

		TRY(e);
		if (party && key.p[0] != party)
			break;
		TRY(open_account(d, key, sealed, &a));
		more = visit(ctx, a);
	}
	return OK;
}

enum err directory_each(struct directory *d, bool (*visit)(void *ctx, const struct account *a), void *ctx)
{
	return visit_from(d, 0, span(NULL, 0), visit, ctx);
}

enum err directory_after(struct directory *d, Pullcord__V1__Party party, struct span after,
			 bool (*visit)(void *ctx, const struct account *a), void *ctx)
{
	const uint8_t first = (uint8_t)party;
	struct key key;

	if (!party_ok(party) || (after.n && !key_of(party, after, &key)))
		return ERR_RANGE;
	return visit_from(d, party, after.n ? key_span(&key) : span(&first, 1), visit, ctx);
}

/* ---- one name space ---------------------------------------------------------------------------------------------- */

static enum err exists(struct txn *t, unsigned party, struct span id)
{
	struct span unused;
	struct key key;

	return key_of(party, id, &key) ? txn_get(t, ACCOUNT, key_span(&key), &unused) : ERR_NOT_FOUND;
}

/* A person's client ids are <user>.<terminal>, a device's is its id: no device may be called like one of those. */
static enum err device_is_free(struct txn *t, struct span id)
{
	TRY(none(exists(t, USER, id)));
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] == '.')
			TRY(none(exists(t, USER, span(id.p, i))));
	return OK;
}

static enum err user_is_free(struct txn *t, struct span id)
{
	struct span at, unused;
	struct key key;
	enum err e;

	TRY(none(exists(t, DEVICE, id)));
	must(key_of(DEVICE, id, &key));
	if (id.n == WORD_BYTES_MAX)
		return OK;
	key.b[key.n++] = '.';
	e = txn_seek(t, ACCOUNT, key_span(&key), &at, &unused);
	if (e == OK && (at.n < key.n || memcmp(at.p, key.b, key.n) != 0))
		return OK;
	return none(e);
}

/* ---- writing accounts -------------------------------------------------------------------------------------------- */

static enum err may_save(struct txn *t, const struct subject *s, bool create, bool tight)
{
	enum err e = exists(t, s->party, s->id);

	if (e == OK)
		return create ? ERR_EXISTS : OK;
	if (e != ERR_NOT_FOUND)
		return e;
	TRY(s->party == DEVICE ? device_is_free(t, s->id) : user_is_free(t, s->id));
	return tight ? ERR_FULL : OK;
}

/* `a` NULL: it is removed. What was there and cannot be read is no reason to keep it. */
static enum err tell(struct batch *b, const struct key *key, const struct account *a)
{
	CLEANUP(account_free) struct account *was = NULL;
	struct span sealed;
	enum err e = txn_get(b->t, ACCOUNT, key_span(key), &sealed);

	if (e == OK)
		e = open_account(b->d, key_span(key), sealed, &was);
	if (e == ERR_CORRUPT || e == ERR_VERSION) {
		delta_line("what cannot be read", a ? "another" : "", &b->delta);
		return OK;
	}
	return e == OK || e == ERR_NOT_FOUND ? delta_account(was, a, &b->d->patients, &b->delta) : e;
}

/* ---- devices that were removed: when, last ---- */

static enum err put_gone(struct batch *b, const struct key *key)
{
	struct key64 us = key64((uint64_t)clock_us(CLOCK_REALTIME));

	return key->b[0] == DEVICE ? put_sealed(b->d, b->t, GONE, key_span(key), key64_span(&us)) : OK;
}

static enum err find_gone(struct batch *b, const struct key *key, int64_t *us)
{
	struct span sealed;
	struct key64 raw;
	enum err e = txn_get(b->t, GONE, key_span(key), &sealed);

	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	if (sealed.n != sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(b->d, GONE, key_span(key), sealed, raw.b));
	*us = (int64_t)key64_value(key64_span(&raw));
	return OK;
}

/* Who is new under a name that was somebody's is not known by that one's certificates. */
enum err batch_save(struct batch *b, const struct account *a, bool create)
{
	CLEANUP(free_cleanup) uint8_t *raw = NULL;
	struct account own = *a;
	struct key key;
	size_t n;

	TRY(account_check(a));
	must(key_of(a->subject.party, a->subject.id, &key));
	TRY(may_save(b->t, &a->subject, create, b->tight));
	if (exists(b->t, a->subject.party, a->subject.id) == ERR_NOT_FOUND)
		TRY(find_gone(b, &key, &own.removed_us));
	TRY(account_write(&own, &raw, &n));
	TRY(tell(b, &key, &own));
	TRY(put_sealed(b->d, b->t, ACCOUNT, key_span(&key), span(raw, n)));
	TRY(emergency_note(b, a, (int64_t)a->changed_us));
	return journal_account(b, &key);
}

enum err batch_remove(struct batch *b, Pullcord__V1__Party party, struct span id)
{
	struct key key;

	if (!key_of(party, id, &key))
		return ERR_NOT_FOUND;
	TRY(tell(b, &key, NULL));
	TRY(txn_del(b->t, ACCOUNT, key_span(&key)));
	TRY(put_gone(b, &key));
	return journal_account(b, &key);
}

struct span batch_delta(const struct batch *b)
{
	return delta_span(&b->delta);
}

enum err batch_find(struct batch *b, Pullcord__V1__Party party, struct span id, struct account **out)
{
	return find_account(b->d, b->t, party, id, out);
}

enum err directory_begin(struct directory *d, struct batch **out)
{
	CLEANUP(free_cleanup) struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return ERR_FULL;
	b->d = d;
	b->tight = store_tight(d->store);
	b->by = span_str(d->by);
	TRY(txn_begin_write(d->store, &b->t));
	*out = b;
	b = NULL;
	return OK;
}

void batch_abort(struct batch **b)
{
	if (*b)
		txn_abort(&(*b)->t);
	free_cleanup(b);
}

enum err batch_commit(struct batch **b)
{
	enum err e = txn_commit(&(*b)->t);

	batch_abort(b);
	return e;
}

enum err directory_save(struct directory *d, const struct account *a, bool create)
{
	CLEANUP(batch_abort) struct batch *b = NULL;

	TRY(account_check(a));   /* without the writer's lock */
	TRY(directory_begin(d, &b));
	TRY(batch_save(b, a, create));
	return batch_commit(&b);
}

enum err directory_remove(struct directory *d, Pullcord__V1__Party party, struct span id)
{
	CLEANUP(batch_abort) struct batch *b = NULL;

	TRY(directory_begin(d, &b));
	TRY(batch_remove(b, party, id));
	return batch_commit(&b);
}

/* ---- policies ---------------------------------------------------------------------------------------------------- */

static enum err open_edition(struct directory *d, unsigned table, struct span key, struct span sealed, struct edition *out)
{
	CLEANUP(free_cleanup) uint8_t *raw = NULL;

	if (sealed.n < VAULT_EXTRA || sealed.n > EDITION_BYTES_MAX + VAULT_EXTRA)
		return ERR_CORRUPT;
	raw = malloc(sealed.n);
	if (!raw)
		return ERR_FULL;
	TRY(open_sealed(d, table, key, sealed, raw));
	return edition_read(span(raw, sealed.n - VAULT_EXTRA), table == EDITION ? key64_value(key) : 0, out);
}

enum err directory_edition(struct directory *d, uint64_t number, struct edition *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct key64 want = key64(number);
	struct span key = key64_span(&want), sealed;
	enum err e;

	if (d->tables <= EDITION)
		return ERR_NOT_FOUND;
	TRY(txn_begin_read(d->store, &t));
	TRY(number ? txn_get(t, EDITION, key, &sealed) : txn_last(t, EDITION, &key, &sealed));
	e = open_edition(d, EDITION, key, sealed, out);
	if (e != OK)
		*out = (struct edition){ .number = key64_value(key) };
	return e;
}

enum err directory_shadow(struct directory *d, struct edition *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span sealed;

	TRY(txn_begin_read(d->store, &t));
	TRY(txn_get(t, CHECK, shadow_key, &sealed));
	return open_edition(d, CHECK, shadow_key, sealed, out);
}

static enum err editions_trim(struct txn *t)
{
	struct span key, unused;
	uint64_t n;

	TRY(txn_count(t, EDITION, &n));
	for (; n > EDITIONS_MAX; n--) {
		TRY(txn_seek(t, EDITION, span(NULL, 0), &key, &unused));
		TRY(txn_del(t, EDITION, key));
	}
	return OK;
}

static enum err put_edition(struct batch *b, const struct edition *e, unsigned table, struct span key)
{
	CLEANUP(free_cleanup) uint8_t *raw = NULL;
	size_t n;

	TRY(edition_write(e, &raw, &n));
	return put_sealed(b->d, b->t, table, key, span(raw, n));
}

enum err batch_edition(struct batch *b, const struct edition *e, uint64_t *number)
{
	struct span last, unused;
	enum err found = txn_last(b->t, EDITION, &last, &unused);
	struct key64 key;

	if (found != OK && found != ERR_NOT_FOUND)
		return found;
	if (b->tight)
		return ERR_FULL;
	*number = found == OK ? key64_value(last) + 1 : 1;
	key = key64(*number);
	TRY(put_edition(b, e, EDITION, key64_span(&key)));
	return editions_trim(b->t);
}

static const char *shadow_text(const struct edition *e, char out[SHADOW_TEXT])
{
	char hex[33];

	hex_encode(span(e->hash, 16), hex);
	snprintf(out, SHADOW_TEXT, "shadow policy %s", hex);
	return out;
}

static void tell_shadow(struct batch *b, const struct edition *e)
{
	CLEANUP(edition_clear) struct edition was = { 0 };
	char before[SHADOW_TEXT] = "", after[SHADOW_TEXT] = "";
	struct span sealed;

	if (txn_get(b->t, CHECK, shadow_key, &sealed) == OK && open_edition(b->d, CHECK, shadow_key, sealed, &was) == OK)
		(void)shadow_text(&was, before);
	delta_line(before, e ? shadow_text(e, after) : "", &b->delta);
}

enum err batch_shadow(struct batch *b, const struct edition *e)
{
	if (e && !edition_fits(e))
		return ERR_TOO_LARGE;
	if (e && b->tight)
		return ERR_FULL;
	tell_shadow(b, e);
	TRY(e ? put_edition(b, e, CHECK, shadow_key) : txn_del(b->t, CHECK, shadow_key));
	return journal_shadow(b);
}

#include "directory.h"

#include <stdlib.h>

#include "cur.h"
#include "directory.pb-c.h"
#include "store.h"
#include "topic.h"
#include "vault.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define NOBODY PULLCORD__V1__PARTY__PARTY_NONE

#define JOURNAL_TIGHT 1024      /* lines kept when there is no room */
#define JOURNAL_DROPS 64        /* lines removed for each one written, at most: a bounded transaction */
#define ACCOUNT_BYTES_MAX (128 << 10)   /* as stored; the largest has about 75,000. protobuf-c takes 30 times as much */
#define SMALL_MAX 128           /* bytes of a binding or journal line, before it is sealed */

enum { ACCOUNT, OWNER, JOURNAL, CHECK };
static const char *const tables[] = { "account", "owner", "journal", "check", NULL };
static const struct span check_key = SPAN_LIT("root"), check_text = SPAN_LIT("pullcord directory v1");

struct directory {
	struct store *store;
	struct vault vault;
};

/* ---- keys -------------------------------------------------------------------------------------------------------- */

struct key {
	uint8_t b[1 + WORD_BYTES_MAX];
	size_t n;
};

static bool party_ok(unsigned party)
{
	return party == DEVICE || party == USER;
}

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

static struct span key_span(const struct key *k)
{
	return span(k->b, k->n);
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

static enum err put_sealed(struct directory *d, struct txn *t, unsigned table, struct span key, struct span text)
{
	CLEANUP(free_cleanup) uint8_t *sealed = malloc(text.n + VAULT_EXTRA);
	struct place p;

	if (!sealed)
		return ERR_FULL;
	TRY(vault_seal(&d->vault, place(&p, table, key), text, sealed));
	return txn_put(t, table, key, span(sealed, text.n + VAULT_EXTRA));
}

/* The root key was found right when the directory was opened, so what does not open here is damaged. */
static enum err open_sealed(struct directory *d, unsigned table, struct span key, struct span sealed, uint8_t *out)
{
	struct place p;

	return vault_open(&d->vault, place(&p, table, key), sealed, out) == OK ? OK : ERR_CORRUPT;
}

/* ---- accounts as text -------------------------------------------------------------------------------------------- */

static enum err account_check(const struct account *a)
{
	const struct subject *s = &a->subject;
	size_t phc = strnlen(a->password, sizeof(a->password));

	if (!party_ok(s->party) || !word_ok(s->id) || !word_ok(s->tenant) || s->roles > DIRECTORY_ROLES_MAX ||
	    s->attributes > DIRECTORY_ATTRIBUTES_MAX)
		return ERR_RANGE;
	for (size_t i = 0; i < s->roles; i++)
		if (!word_ok(s->role[i]))
			return ERR_RANGE;
	for (size_t i = 0; i < s->attributes; i++)
		if (!word_ok(s->attribute[i].name) || !word_ok(s->attribute[i].value))
			return ERR_RANGE;
	if (phc == sizeof(a->password) ||
	    (phc > 0 && (s->party != USER || strncmp(a->password, "$argon2id$", 10) != 0)))
		return ERR_RANGE;
	if (a->name.n > DIRECTORY_NAME_MAX)
		return ERR_TOO_LARGE;
	return span_utf8(a->name) ? OK : ERR_UTF8;
}

/* Bytes handed out of one block, front to back. */
struct block {
	uint8_t *p;
	size_t n, cap;
};

static void *block_take(struct block *b, size_t n)
{
	void *p = b->p + b->n;

	n = (n + 15) / 16 * 16;
	must(n <= b->cap - b->n);
	b->n += n;
	return p;
}

static char *block_text(struct block *b, struct span s)
{
	char *text = block_take(b, s.n + 1);

	must(span_text(s, text, s.n + 1));
	return text;
}

static size_t text_room(size_t n)
{
	return (n + 1 + 15) / 16 * 16;
}

/* Room for a protobuf-c message of this account: its strings want a NUL, ours have none. */
static size_t message_room(const struct account *a)
{
	const struct subject *s = &a->subject;
	size_t n = text_room(s->id.n) + text_room(s->tenant.n) + text_room(a->name.n) + 32;

	n += s->roles * sizeof(char *) + s->attributes * (sizeof(void *) + sizeof(Pullcord__V1__AccountAttribute) + 16);
	for (size_t i = 0; i < s->roles; i++)
		n += text_room(s->role[i].n);
	for (size_t i = 0; i < s->attributes; i++)
		n += text_room(s->attribute[i].name.n) + text_room(s->attribute[i].value.n);
	return n;
}

static void message_fill(Pullcord__V1__Account *m, const struct account *a, struct block *b)
{
	const struct subject *s = &a->subject;

	m->version = 1;
	m->party = s->party;
	m->id = block_text(b, s->id);
	m->tenant = block_text(b, s->tenant);
	m->suspended = s->suspended;
	m->password = (char *)(uintptr_t)a->password;
	m->name = block_text(b, a->name);
	m->changed_us = a->changed_us;
	m->n_role = s->roles;
	m->role = block_take(b, s->roles * sizeof(*m->role));
	for (size_t i = 0; i < s->roles; i++)
		m->role[i] = block_text(b, s->role[i]);
	m->n_attribute = s->attributes;
	m->attribute = block_take(b, s->attributes * sizeof(*m->attribute));
	for (size_t i = 0; i < s->attributes; i++) {
		m->attribute[i] = block_take(b, sizeof(**m->attribute));
		pullcord__v1__account_attribute__init(m->attribute[i]);
		m->attribute[i]->name = block_text(b, s->attribute[i].name);
		m->attribute[i]->value = block_text(b, s->attribute[i].value);
	}
}

enum err account_write(const struct account *a, uint8_t **out, size_t *n)
{
	Pullcord__V1__Account m = PULLCORD__V1__ACCOUNT__INIT;
	struct block b = { 0 };
	CLEANUP(free_cleanup) uint8_t *room = NULL;

	TRY(account_check(a));
	b.cap = message_room(a);
	b.p = room = calloc(1, b.cap);
	if (!room)
		return ERR_FULL;
	message_fill(&m, a, &b);
	*n = pullcord__v1__account__get_packed_size(&m);
	*out = malloc(*n);
	if (!*out)
		return ERR_FULL;
	pullcord__v1__account__pack(&m, *out);
	return OK;
}

static void message_free(Pullcord__V1__Account **m)
{
	if (*m)
		pullcord__v1__account__free_unpacked(*m, NULL);
	*m = NULL;
}

static size_t account_room(const Pullcord__V1__Account *m)
{
	size_t n = text_room(sizeof(struct account)) + text_room(strlen(m->id)) + text_room(strlen(m->tenant)) +
		   text_room(strlen(m->name)) + 32;

	n += m->n_role * sizeof(struct span) + m->n_attribute * sizeof(struct attribute);
	for (size_t i = 0; i < m->n_role; i++)
		n += text_room(strlen(m->role[i]));
	for (size_t i = 0; i < m->n_attribute; i++)
		n += text_room(strlen(m->attribute[i]->name)) + text_room(strlen(m->attribute[i]->value));
	return n;
}

static struct span block_copy(struct block *b, const char *text)
{
	return span_str(block_text(b, span_str(text)));
}

static void account_fill(struct account *a, const Pullcord__V1__Account *m, struct block *b)
{
	struct span *role = block_take(b, m->n_role * sizeof(*role));
	struct attribute *attribute = block_take(b, m->n_attribute * sizeof(*attribute));

	for (size_t i = 0; i < m->n_role; i++)
		role[i] = block_copy(b, m->role[i]);
	for (size_t i = 0; i < m->n_attribute; i++)
		attribute[i] = (struct attribute){ block_copy(b, m->attribute[i]->name),
						   block_copy(b, m->attribute[i]->value) };
	a->subject = (struct subject){
		.party = (Pullcord__V1__Party)m->party,
		.tenant = block_copy(b, m->tenant),
		.id = block_copy(b, m->id),
		.role = role,
		.roles = m->n_role,
		.attribute = attribute,
		.attributes = m->n_attribute,
		.suspended = m->suspended,
	};
	a->name = block_copy(b, m->name);
	a->changed_us = m->changed_us;
}

enum err account_read(struct span raw, struct account **out)
{
	CLEANUP(message_free) Pullcord__V1__Account *m = NULL;
	CLEANUP(account_free) struct account *a = NULL;
	struct block b = { 0 };

	if (raw.n > ACCOUNT_BYTES_MAX)
		return ERR_CORRUPT;
	m = pullcord__v1__account__unpack(NULL, raw.n, raw.p);
	if (!m || m->version != 1)
		return m ? ERR_VERSION : ERR_CORRUPT;
	b.cap = account_room(m);
	b.p = calloc(1, b.cap);
	if (!b.p)
		return ERR_FULL;
	a = block_take(&b, sizeof(*a));
	account_fill(a, m, &b);
	if (!span_text(span_str(m->password), a->password, sizeof(a->password)) || account_check(a) != OK)
		return ERR_CORRUPT;
	*out = a;
	a = NULL;
	return OK;
}

void account_free(struct account **a)
{
	if (*a)
		crypt_wipe((*a)->password, sizeof((*a)->password));
	free_cleanup(a);
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

enum err directory_open(const char *path, const uint8_t root[32], bool read_only, struct directory **out)
{
	const struct store_spec spec = { "directory", 1, DIRECTORY_MAP_BYTES, tables, read_only };
	CLEANUP(directory_close) struct directory *d = calloc(1, sizeof(*d));
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (!d)
		return ERR_FULL;
	vault_init(&d->vault, root, "directory");
	TRY(store_open(path, &spec, &d->store));
	TRY(read_only ? txn_begin_read(d->store, &t) : txn_begin_write(d->store, &t));
	TRY(check_root(d, t, !read_only));
	if (!read_only)
		TRY(txn_commit(&t));
	txn_abort(&t);
	*out = d;
	d = NULL;
	return OK;
}

void directory_close(struct directory **d)
{
	if (*d) {
		store_close(&(*d)->store);
		vault_clear(&(*d)->vault);
	}
	free_cleanup(d);
}

uint64_t directory_generation(const struct directory *d)
{
	return store_generation(d->store);
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

enum err directory_find(struct directory *d, Pullcord__V1__Party party, struct span id, struct account **out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span sealed;
	struct key key;

	if (!key_of(party, id, &key))
		return ERR_NOT_FOUND;
	TRY(txn_begin_read(d->store, &t));
	TRY(txn_get(t, ACCOUNT, key_span(&key), &sealed));
	return open_account(d, key_span(&key), sealed, out);
}

enum err directory_each(struct directory *d, bool (*visit)(void *ctx, const struct account *a), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = { NULL, 0 }, sealed;
	bool more = true;
	enum err e;

	TRY(txn_begin_read(d->store, &t));
	while (more && (e = txn_after(t, ACCOUNT, key, &key, &sealed)) != ERR_NOT_FOUND) {
		CLEANUP(account_free) struct account *a = NULL;

		TRY(e);
		TRY(open_account(d, key, sealed, &a));
		more = visit(ctx, a);
	}
	return OK;
}

/* ---- one name space ---------------------------------------------------------------------------------------------- */

static enum err exists(struct txn *t, unsigned party, struct span id)
{
	struct span unused;
	struct key key;

	return key_of(party, id, &key) ? txn_get(t, ACCOUNT, key_span(&key), &unused) : ERR_NOT_FOUND;
}

/* OK when `e` says that there is none. */
static enum err none(enum err e)
{
	return e == ERR_NOT_FOUND ? OK : e == OK ? ERR_EXISTS : e;
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

/* ---- the journal ------------------------------------------------------------------------------------------------- */

static enum err journal_trim(struct txn *t, uint64_t last, uint64_t keep)
{
	struct span at, unused;

	for (int i = 0; i < JOURNAL_DROPS; i++) {
		TRY(txn_seek(t, JOURNAL, span(NULL, 0), &at, &unused));
		if (last - key64_value(at) < keep)
			break;
		TRY(txn_del(t, JOURNAL, at));
	}
	return OK;
}

static enum err journal_line(struct directory *d, struct txn *t, const struct key *changed, uint64_t keep)
{
	Pullcord__V1__AccountChange m = PULLCORD__V1__ACCOUNT_CHANGE__INIT;
	char id[WORD_BYTES_MAX + 1];
	uint8_t raw[SMALL_MAX];
	struct span at, unused;
	struct key64 line;
	uint64_t last = 0;
	enum err e = txn_last(t, JOURNAL, &at, &unused);

	if (e == OK)
		last = key64_value(at);
	else if (e != ERR_NOT_FOUND)
		return e;
	must(span_text(span(changed->b + 1, changed->n - 1), id, sizeof(id)));
	m.party = changed->b[0];
	m.id = id;
	line = key64(last + 1);
	TRY(put_sealed(d, t, JOURNAL, key64_span(&line), span(raw, pullcord__v1__account_change__pack(&m, raw))));
	return journal_trim(t, last + 1, keep);
}

/* When there is no room, changes take the place of old lines. */
static uint64_t journal_keep(bool tight)
{
	return tight ? JOURNAL_TIGHT : DIRECTORY_JOURNAL_MAX;
}

static void change_free(Pullcord__V1__AccountChange **m)
{
	if (*m)
		pullcord__v1__account_change__free_unpacked(*m, NULL);
	*m = NULL;
}

static enum err open_line(struct directory *d, struct span line, struct span sealed, Pullcord__V1__AccountChange **out)
{
	uint8_t raw[SMALL_MAX];

	if (sealed.n > sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(d, JOURNAL, line, sealed, raw));
	*out = pullcord__v1__account_change__unpack(NULL, sealed.n - VAULT_EXTRA, raw);
	return *out ? OK : ERR_CORRUPT;
}

enum err directory_changes(struct directory *d, uint64_t *since,
			   void (*visit)(void *ctx, Pullcord__V1__Party party, struct span id), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct key64 from = key64(*since);
	struct span first, at, sealed;
	uint64_t last;
	enum err e;

	TRY(txn_begin_read(d->store, &t));
	e = txn_seek(t, JOURNAL, span(NULL, 0), &first, &sealed);
	last = 0;
	if (e == OK) {
		TRY(txn_last(t, JOURNAL, &at, &sealed));
		last = key64_value(at);
	} else if (e != ERR_NOT_FOUND) {
		return e;
	}
	if (*since > last || (last > 0 && *since + 1 < key64_value(first))) {
		visit(ctx, NOBODY, span(NULL, 0));
		*since = last;
		return OK;
	}
	at = key64_span(&from);
	while ((e = txn_after(t, JOURNAL, at, &at, &sealed)) == OK) {
		CLEANUP(change_free) Pullcord__V1__AccountChange *m = NULL;

		TRY(open_line(d, at, sealed, &m));
		visit(ctx, (Pullcord__V1__Party)m->party, span_str(m->id));
		*since = key64_value(at);
	}
	return e == ERR_NOT_FOUND ? OK : e;
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

enum err directory_save(struct directory *d, const struct account *a, bool create)
{
	CLEANUP(free_cleanup) uint8_t *raw = NULL;
	CLEANUP(txn_abort) struct txn *t = NULL;
	bool tight = store_tight(d->store);
	struct key key;
	size_t n;

	TRY(account_write(a, &raw, &n));
	must(key_of(a->subject.party, a->subject.id, &key));
	TRY(txn_begin_write(d->store, &t));
	TRY(may_save(t, &a->subject, create, tight));
	TRY(put_sealed(d, t, ACCOUNT, key_span(&key), span(raw, n)));
	TRY(journal_line(d, t, &key, journal_keep(tight)));
	return txn_commit(&t);
}

enum err directory_remove(struct directory *d, Pullcord__V1__Party party, struct span id)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	bool tight = store_tight(d->store);
	struct key key;

	if (!key_of(party, id, &key))
		return ERR_NOT_FOUND;
	TRY(txn_begin_write(d->store, &t));
	TRY(txn_del(t, ACCOUNT, key_span(&key)));
	TRY(journal_line(d, t, &key, journal_keep(tight)));
	return txn_commit(&t);
}

/* ---- client ids -------------------------------------------------------------------------------------------------- */

static void owner_free(Pullcord__V1__ClientOwner **m)
{
	if (*m)
		pullcord__v1__client_owner__free_unpacked(*m, NULL);
	*m = NULL;
}

static enum err open_owner(struct directory *d, struct span client_id, struct span sealed, struct owner *out)
{
	CLEANUP(owner_free) Pullcord__V1__ClientOwner *m = NULL;
	uint8_t raw[SMALL_MAX];
	struct owner o;

	if (sealed.n > sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(d, OWNER, client_id, sealed, raw));
	m = pullcord__v1__client_owner__unpack(NULL, sealed.n - VAULT_EXTRA, raw);
	if (!m || !party_ok(m->party) || !span_text(span_str(m->id), o.id, sizeof(o.id)))
		return ERR_CORRUPT;
	o.party = (Pullcord__V1__Party)m->party;
	*out = o;
	return OK;
}

static enum err find_owner(struct directory *d, struct txn *t, struct span client_id, struct owner *out)
{
	struct span sealed;

	TRY(txn_get(t, OWNER, client_id, &sealed));
	return open_owner(d, client_id, sealed, out);
}

enum err directory_owner(struct directory *d, struct span client_id, struct owner *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (!word_ok(client_id))
		return ERR_NOT_FOUND;
	TRY(txn_begin_read(d->store, &t));
	return find_owner(d, t, client_id, out);
}

/* A person's bindings lie side by side: <user>.<terminal>. */
static enum err has_room(struct txn *t, const struct owner *o)
{
	char prefix[sizeof(o->id) + 1];
	struct put b = put(prefix, sizeof(prefix));
	struct span at, unused;
	enum err e;

	put_str(&b, o->id);
	put_str(&b, ".");
	e = txn_seek(t, OWNER, put_span(&b), &at, &unused);
	for (int n = 0; e == OK && at.n >= b.n && memcmp(at.p, prefix, b.n) == 0; n++) {
		if (n + 1 >= DIRECTORY_CLIENTS_MAX)
			return ERR_FULL;
		e = txn_after(t, OWNER, at, &at, &unused);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err add_owner(struct directory *d, struct txn *t, struct span client_id, const struct owner *o)
{
	Pullcord__V1__ClientOwner m = PULLCORD__V1__CLIENT_OWNER__INIT;
	uint8_t raw[SMALL_MAX];

	TRY(has_room(t, o));
	m.party = o->party;
	m.id = (char *)(uintptr_t)o->id;
	return put_sealed(d, t, OWNER, client_id, span(raw, pullcord__v1__client_owner__pack(&m, raw)));
}

static bool owner_same(const struct owner *a, const struct owner *b)
{
	return a->party == b->party && strcmp(a->id, b->id) == 0;
}

enum err directory_bind(struct directory *d, struct span client_id, const struct owner *o)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct owner have;
	enum err e;

	if (!party_ok(o->party) || !word_ok(span(o->id, strnlen(o->id, sizeof(o->id)))) || !word_ok(client_id))
		return ERR_RANGE;
	e = directory_owner(d, client_id, &have);   /* the usual case, without the writer's lock */
	if (e == ERR_NOT_FOUND && store_tight(d->store))
		return ERR_FULL;
	if (e == ERR_NOT_FOUND) {
		TRY(txn_begin_write(d->store, &t));
		e = find_owner(d, t, client_id, &have);
	}
	if (e == ERR_NOT_FOUND) {
		TRY(add_owner(d, t, client_id, o));
		return txn_commit(&t);
	}
	TRY(e);
	return owner_same(&have, o) ? OK : ERR_EXISTS;
}

enum err directory_owners(struct directory *d, void (*visit)(void *ctx, struct span client_id, const struct owner *o),
			  void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span client_id = { NULL, 0 }, sealed;
	struct owner o;
	enum err e;

	TRY(txn_begin_read(d->store, &t));
	while ((e = txn_after(t, OWNER, client_id, &client_id, &sealed)) == OK) {
		TRY(open_owner(d, client_id, sealed, &o));
		visit(ctx, client_id, &o);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

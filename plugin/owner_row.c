/* owner_row: which client id belongs to whom, and what it retained, in the directory (directory.h). */
#include "directory_inside.h"

#include "directory.pb-c.h"

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
	if (!m || !party_ok(m->party) || !span_text(span_str(m->id), o.id, sizeof(o.id)) ||
	    !span_text(span_str(m->retained_in), o.retained_in, sizeof(o.retained_in)) ||
	    !span_text(span_str(m->retained_from), o.retained_from, sizeof(o.retained_from)))
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

static enum err put_owner(struct directory *d, struct txn *t, struct span client_id, const struct owner *o)
{
	Pullcord__V1__ClientOwner m = PULLCORD__V1__CLIENT_OWNER__INIT;
	uint8_t raw[SMALL_MAX];

	m.party = o->party;
	m.id = (char *)(uintptr_t)o->id;
	m.retained_in = (char *)(uintptr_t)o->retained_in;
	m.retained_from = (char *)(uintptr_t)o->retained_from;
	return put_sealed(d, t, OWNER, client_id, span(raw, pullcord__v1__client_owner__pack(&m, raw)));
}

static bool owner_same(const struct owner *a, const struct owner *b)
{
	return a->party == b->party && strcmp(a->id, b->id) == 0;
}

static bool retained_same(const struct owner *a, const struct owner *b)
{
	return strcmp(a->retained_in, b->retained_in) == 0 && strcmp(a->retained_from, b->retained_from) == 0;
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
	if (e == OK && !owner_same(&have, o))
		return ERR_EXISTS;
	if (e == OK && retained_same(&have, o))
		return OK;
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	TRY(txn_begin_write(d->store, &t));
	e = find_owner(d, t, client_id, &have);
	if (e == ERR_NOT_FOUND)
		e = has_room(t, o);
	else if (e == OK && !owner_same(&have, o))
		e = ERR_EXISTS;
	TRY(e);
	TRY(put_owner(d, t, client_id, o));
	return txn_commit(&t);
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

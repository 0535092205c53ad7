/* lock_row: who is locked out, and who is known where, in the directory (directory.h). */
#include "directory_inside.h"

#include "crypt.h"
#include "directory.pb-c.h"

#define LOCK_BYTES_MAX 256
#define LOCK_SEEN_US (2 * 86400 * INT64_C(1000000))     /* who is about is seen once a day */

static void lock_free(Pullcord__V1__LockOut **m)
{
	if (*m)
		pullcord__v1__lock_out__free_unpacked(*m, NULL);
	*m = NULL;
}

/* The names themselves are sealed. */
struct lock_key {
	uint8_t b[1 + 16];
};

static struct lock_key lock_key(const struct lock *x)
{
	uint8_t hash[SHA256_BYTES];
	struct lock_key k = { { (uint8_t)x->kind } };

	SHA256(hash, span_str(x->name), SPAN_LIT("|"), span_str(x->address));
	memcpy(k.b + 1, hash, sizeof(k.b) - 1);
	return k;
}

static enum err open_lock(struct directory *d, struct span key, struct span sealed, struct lock *out)
{
	CLEANUP(lock_free) Pullcord__V1__LockOut *m = NULL;
	uint8_t raw[LOCK_BYTES_MAX];
	struct lock x = { 0 };

	if (sealed.n > sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(d, LOCK, key, sealed, raw));
	m = pullcord__v1__lock_out__unpack(NULL, sealed.n - VAULT_EXTRA, raw);
	if (!m || m->version != 1)
		return m ? ERR_VERSION : ERR_CORRUPT;
	x.kind = (enum lock_kind)m->kind;
	x.at_us = (int64_t)m->at_us;
	x.until_us = (int64_t)m->until_us;
	x.times = m->times;
	if (m->kind >= LOCK_KINDS || !span_text(span_str(m->name), x.name, sizeof(x.name)) ||
	    !span_text(span_str(m->address), x.address, sizeof(x.address)))
		return ERR_CORRUPT;
	*out = x;
	return OK;
}

static enum err each_lock(struct directory *d, struct txn *t, void (*visit)(void *ctx, const struct lock *x), void *ctx)
{
	struct span key = { NULL, 0 }, sealed;
	struct lock x;
	enum err e;

	while ((e = txn_after(t, LOCK, key, &key, &sealed)) == OK) {
		TRY(open_lock(d, key, sealed, &x));
		visit(ctx, &x);
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err directory_locks(struct directory *d, void (*visit)(void *ctx, const struct lock *x), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	if (d->tables <= LOCK)
		return OK;
	TRY(txn_begin_read(d->store, &t));
	return each_lock(d, t, visit, ctx);
}

enum err batch_locks(struct batch *b, void (*visit)(void *ctx, const struct lock *x), void *ctx)
{
	return each_lock(b->d, b->t, visit, ctx);
}

bool lock_holds(const struct lock *x, const struct account *a, int64_t now_us)
{
	return (x->kind == LOCK_PERSON || x->kind == LOCK_ACCOUNT) && a->subject.party == USER && x->until_us > now_us &&
	       x->at_us > a->unlocked_us && span_is(a->subject.id, x->name);
}

static bool is_over(const struct lock *x, int64_t now_us)
{
	return x->until_us <= now_us || (x->kind == LOCK_KNOWN && now_us - x->at_us > LOCK_SEEN_US);
}

static enum err trim_locks(struct directory *d, struct txn *t, int64_t now_us)
{
	struct span at = { NULL, 0 }, sealed;
	struct lock_key kept;
	struct lock x;
	enum err e;

	while ((e = txn_after(t, LOCK, at, &at, &sealed)) == OK) {
		TRY(open_lock(d, at, sealed, &x));
		kept = lock_key(&x);    /* what borrows from the map does not outlast a write */
		at = span(kept.b, sizeof(kept.b));
		if (is_over(&x, now_us))
			TRY(txn_del(t, LOCK, at));
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

/* There is hardly room. To keep somebody out must not wait; to know somebody again may. */
static enum err make_room(struct txn *t, const struct lock *x, const struct lock_key *key)
{
	struct span unused;
	enum err e = txn_get(t, LOCK, span(key->b, sizeof(key->b)), &unused);

	if (e != ERR_NOT_FOUND)
		return e;
	return x->kind == LOCK_KNOWN ? ERR_FULL : journal_give_way(t);
}

enum err directory_lock(struct directory *d, const struct lock *x, int64_t now_us)
{
	Pullcord__V1__LockOut m = PULLCORD__V1__LOCK_OUT__INIT;
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct lock_key key = lock_key(x);
	uint8_t raw[LOCK_BYTES_MAX];
	uint64_t n, most = x->kind == LOCK_KNOWN ? DIRECTORY_LOCKS_MAX / 2 : DIRECTORY_LOCKS_MAX;
	bool tight = store_tight(d->store);

	m.version = 1;
	m.kind = x->kind;
	m.name = (char *)(uintptr_t)x->name;
	m.address = (char *)(uintptr_t)x->address;
	m.at_us = (uint64_t)x->at_us;
	m.until_us = (uint64_t)x->until_us;
	m.times = x->times;
	if (!span_utf8(span_str(x->name)) || !span_utf8(span_str(x->address)))
		return ERR_RANGE;
	must(pullcord__v1__lock_out__get_packed_size(&m) <= sizeof(raw));
	TRY(txn_begin_write(d->store, &t));
	if (tight)
		TRY(make_room(t, x, &key));
	TRY(txn_count(t, LOCK, &n));
	if (n >= most) {
		TRY(trim_locks(d, t, now_us));
		TRY(txn_count(t, LOCK, &n));
	}
	if (n >= most)
		return ERR_FULL;
	TRY(put_sealed(d, t, LOCK, span(key.b, sizeof(key.b)), span(raw, pullcord__v1__lock_out__pack(&m, raw))));
	return txn_commit(&t);
}

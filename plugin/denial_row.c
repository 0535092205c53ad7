/* denial_row: certificates that are not let in any more, in the directory (directory.h). */
#include "directory_inside.h"

#include "directory.pb-c.h"

#define DENIAL_BYTES_MAX 512
#define DENIAL_TEXT 192

static struct span fingerprint_span(const uint8_t fingerprint[32])
{
	return span(fingerprint, 32);
}

static void denial_free(Pullcord__V1__Denial **m)
{
	if (*m)
		pullcord__v1__denial__free_unpacked(*m, NULL);
	*m = NULL;
}

static enum err open_denial(struct directory *d, struct span key, struct span sealed, struct denial *out)
{
	CLEANUP(denial_free) Pullcord__V1__Denial *m = NULL;
	struct denial x = { .at_us = 0 };
	uint8_t raw[DENIAL_BYTES_MAX];

	if (sealed.n > sizeof(raw) + VAULT_EXTRA || key.n != sizeof(x.fingerprint))
		return ERR_CORRUPT;
	TRY(open_sealed(d, DENIAL, key, sealed, raw));
	m = pullcord__v1__denial__unpack(NULL, sealed.n - VAULT_EXTRA, raw);
	if (!m || m->version != 1)
		return m ? ERR_VERSION : ERR_CORRUPT;
	memcpy(x.fingerprint, key.p, key.n);
	x.at_us = m->at_us;
	if (!span_text(span_str(m->reason), x.reason, sizeof(x.reason)) || !span_text(span_str(m->by), x.by, sizeof(x.by)))
		return ERR_CORRUPT;
	*out = x;
	return OK;
}

enum err directory_denial(struct directory *d, const uint8_t fingerprint[32], struct denial *out)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span sealed;

	if (d->tables <= DENIAL)
		return ERR_NOT_FOUND;
	TRY(txn_begin_read(d->store, &t));
	TRY(txn_get(t, DENIAL, fingerprint_span(fingerprint), &sealed));
	return open_denial(d, fingerprint_span(fingerprint), sealed, out);
}

enum err directory_denials(struct directory *d, bool (*visit)(void *ctx, const struct denial *x), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct span key = { NULL, 0 }, sealed;
	struct denial x;
	enum err e;

	if (d->tables <= DENIAL)
		return OK;
	TRY(txn_begin_read(d->store, &t));
	while ((e = txn_after(t, DENIAL, key, &key, &sealed)) == OK) {
		TRY(open_denial(d, key, sealed, &x));
		if (!visit(ctx, &x))
			return OK;
	}
	return e == ERR_NOT_FOUND ? OK : e;
}

static const char *denial_text(const struct patients *p, const struct denial *x, char out[DENIAL_TEXT])
{
	char mark[PATIENT_WORD], hex[65];
	struct put b = put(out, DENIAL_TEXT - 1);

	out[0] = '\0';
	if (!x)
		return out;
	hex_encode(fingerprint_span(x->fingerprint), hex);
	put_fmt(&b, "revoked %s", hex);
	if (x->reason[0])
		put_fmt(&b, " reason %s", delta_mark(p, span_str(x->reason), mark));
	if (x->by[0])
		put_fmt(&b, " by %s", x->by);
	must(put_end(&b) == OK);
	out[b.n] = '\0';
	return out;
}

static void tell_denial(struct batch *b, const struct denial *was, const struct denial *is)
{
	char before[DENIAL_TEXT], after[DENIAL_TEXT];

	delta_line(denial_text(&b->d->patients, was, before), denial_text(&b->d->patients, is, after), &b->delta);
}

enum err batch_deny(struct batch *b, const struct denial *x)
{
	Pullcord__V1__Denial m = PULLCORD__V1__DENIAL__INIT;
	struct span key = fingerprint_span(x->fingerprint), unused;
	uint8_t raw[DENIAL_BYTES_MAX];
	enum err e = txn_get(b->t, DENIAL, key, &unused);

	TRY(none(e));
	if (b->tight)
		TRY(journal_give_way(b->t));
	if (!span_utf8(span_str(x->reason)) || (x->by[0] && !word_ok(span_str(x->by))))
		return ERR_RANGE;
	m.version = 1;
	m.reason = (char *)(uintptr_t)x->reason;
	m.by = (char *)(uintptr_t)x->by;
	m.at_us = x->at_us;
	must(pullcord__v1__denial__get_packed_size(&m) <= sizeof(raw));
	tell_denial(b, NULL, x);
	TRY(put_sealed(b->d, b->t, DENIAL, key, span(raw, pullcord__v1__denial__pack(&m, raw))));
	return journal_certificate(b, x->fingerprint);
}

enum err batch_allow(struct batch *b, const uint8_t fingerprint[32])
{
	struct denial was = { .at_us = 0 };
	struct span sealed;

	memcpy(was.fingerprint, fingerprint, sizeof(was.fingerprint));
	TRY(txn_get(b->t, DENIAL, fingerprint_span(fingerprint), &sealed));
	if (open_denial(b->d, fingerprint_span(fingerprint), sealed, &was) != OK)
		was.reason[0] = was.by[0] = '\0';
	tell_denial(b, &was, NULL);
	TRY(txn_del(b->t, DENIAL, fingerprint_span(fingerprint)));
	return journal_certificate(b, fingerprint);
}

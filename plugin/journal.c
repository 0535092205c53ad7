#include "directory_inside.h"

#include "clock.h"
#include "directory.pb-c.h"

#define JOURNAL_TIGHT 1024      /* lines kept when there is no room */
#define JOURNAL_DROPS 64        /* lines removed for each one written, at most: a bounded transaction */
#define JOURNAL_STAYS_US (31 * 24 * 3600 * INT64_C(1000000))    /* after a line is on record, at least */

static const struct span recorded_key = SPAN_LIT("recorded");   /* in CHECK */

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
	uint8_t raw[JOURNAL_BYTES_MAX];

	if (sealed.n > sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(d, JOURNAL, line, sealed, raw));
	*out = pullcord__v1__account_change__unpack(NULL, sealed.n - VAULT_EXTRA, raw);
	return *out ? OK : ERR_CORRUPT;
}

static enum err recorded_in(struct directory *d, struct txn *t, uint64_t *line)
{
	struct key64 raw;
	struct span sealed;

	TRY(txn_get(t, CHECK, recorded_key, &sealed));
	if (sealed.n != sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(d, CHECK, recorded_key, sealed, raw.b));
	*line = key64_value(key64_span(&raw));
	return OK;
}

/* What has been on record for long is not kept here beside it: it has pseudonyms by the root key, which no year's end reaches. */
static enum err journal_forget(struct batch *b, int64_t now_us)
{
	struct span at, sealed;
	uint64_t recorded;

	if (recorded_in(b->d, b->t, &recorded) != OK)
		return OK;
	for (int i = 0; i < JOURNAL_DROPS; i++) {
		CLEANUP(change_free) Pullcord__V1__AccountChange *m = NULL;

		TRY(txn_seek(b->t, JOURNAL, span(NULL, 0), &at, &sealed));
		if (key64_value(at) >= recorded ||
		    (open_line(b->d, at, sealed, &m) == OK && now_us - (int64_t)m->at_us < JOURNAL_STAYS_US))
			break;
		TRY(txn_del(b->t, JOURNAL, at));
	}
	return OK;
}

static enum err journal_line(struct batch *b, Pullcord__V1__AccountChange *m)
{
	uint8_t raw[JOURNAL_BYTES_MAX];
	char by[DIRECTORY_BY_MAX + 1], change[DELTA_MAX + 1];
	struct span at, unused;
	struct key64 line;
	uint64_t last = 0;
	enum err e = txn_last(b->t, JOURNAL, &at, &unused);

	if (e == OK)
		last = key64_value(at);
	else if (e != ERR_NOT_FOUND)
		return e;
	line = key64(last + 1);
	must(span_text(b->by, by, sizeof(by)) && span_text(delta_span(&b->delta), change, sizeof(change)));
	m->by = by;
	m->change = change;
	m->at_us = (uint64_t)clock_us(CLOCK_REALTIME);
	must(pullcord__v1__account_change__get_packed_size(m) <= sizeof(raw));
	TRY(put_sealed(b->d, b->t, JOURNAL, key64_span(&line), span(raw, pullcord__v1__account_change__pack(m, raw))));
	TRY(journal_forget(b, (int64_t)m->at_us));
	return journal_trim(b->t, last + 1, journal_keep(b->tight));
}

enum err journal_account(struct batch *b, const struct key *changed)
{
	Pullcord__V1__AccountChange m = PULLCORD__V1__ACCOUNT_CHANGE__INIT;
	char id[WORD_BYTES_MAX + 1];

	must(span_text(span(changed->b + 1, changed->n - 1), id, sizeof(id)));
	m.party = changed->b[0];
	m.id = id;
	return journal_line(b, &m);
}

enum err journal_certificate(struct batch *b, const uint8_t fingerprint[32])
{
	Pullcord__V1__AccountChange m = PULLCORD__V1__ACCOUNT_CHANGE__INIT;

	m.fingerprint = (ProtobufCBinaryData){ 32, (uint8_t *)(uintptr_t)fingerprint };
	return journal_line(b, &m);
}

enum err journal_shadow(struct batch *b)
{
	Pullcord__V1__AccountChange m = PULLCORD__V1__ACCOUNT_CHANGE__INIT;

	m.shadow = true;
	return journal_line(b, &m);
}

/* The last line, and the first that is still there; both 0: there is none. */
static enum err journal_ends(struct txn *t, uint64_t *first, uint64_t *last)
{
	struct span at, unused;
	enum err e = txn_seek(t, JOURNAL, span(NULL, 0), &at, &unused);

	*first = *last = 0;
	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	*first = key64_value(at);
	TRY(txn_last(t, JOURNAL, &at, &unused));
	*last = key64_value(at);
	return OK;
}

enum err journal_give_way(struct txn *t)
{
	uint64_t first, last;

	TRY(journal_ends(t, &first, &last));
	return last - first < JOURNAL_TIGHT ? ERR_FULL : journal_trim(t, last, JOURNAL_TIGHT);
}

enum err directory_journal(struct directory *d, uint64_t *last)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	uint64_t first;

	TRY(txn_begin_read(d->store, &t));
	return journal_ends(t, &first, last);
}

enum err directory_line(struct directory *d, uint64_t line, uint8_t out[32])
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct key64 key = key64(line);
	struct span sealed;

	TRY(txn_begin_read(d->store, &t));
	TRY(txn_get(t, JOURNAL, key64_span(&key), &sealed));
	SHA256(out, sealed);
	return OK;
}

enum err directory_recorded(struct directory *d, uint64_t *line)
{
	CLEANUP(txn_abort) struct txn *t = NULL;

	TRY(txn_begin_read(d->store, &t));
	return recorded_in(d, t, line);
}

enum err directory_mark_recorded(struct directory *d, uint64_t line)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct key64 raw = key64(line);

	TRY(txn_begin_write(d->store, &t));
	TRY(put_sealed(d, t, CHECK, recorded_key, key64_span(&raw)));
	return txn_commit(&t);
}

/* What is damaged is stepped over, so that it hides nothing that comes after it. */
static enum err tell_changes(struct directory *d, struct txn *t, uint64_t *since,
			     void (*visit)(void *ctx, const struct change *c), void *ctx)
{
	struct key64 from = key64(*since);
	struct span at = key64_span(&from), sealed;
	enum err e, damage = OK;

	while ((e = txn_after(t, JOURNAL, at, &at, &sealed)) == OK) {
		CLEANUP(change_free) Pullcord__V1__AccountChange *m = NULL;

		if (open_line(d, at, sealed, &m) == OK)
			visit(ctx, &(struct change){
				.party = (Pullcord__V1__Party)m->party, .id = span_str(m->id), .shadow = m->shadow,
				.fingerprint = span(m->fingerprint.data, m->fingerprint.len),
				.by = span_str(m->by), .delta = span_str(m->change), .at_us = (int64_t)m->at_us,
			});
		else
			damage = ERR_CORRUPT;
		*since = key64_value(at);
	}
	return e == ERR_NOT_FOUND ? damage : e;
}

static enum err changes(struct directory *d, struct txn *t, uint64_t *since,
			void (*visit)(void *ctx, const struct change *c), void *ctx)
{
	uint64_t first, last;

	TRY(journal_ends(t, &first, &last));
	if (*since > last || (last > 0 && *since + 1 < first)) {
		visit(ctx, &(struct change){ .replaced = *since > last });
		*since = last;
		return OK;
	}
	return tell_changes(d, t, since, visit, ctx);
}

enum err directory_changes(struct directory *d, uint64_t *since, void (*visit)(void *ctx, const struct change *c),
			   void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	enum err e;

	TRY(txn_begin_read(d->store, &t));
	e = changes(d, t, since, visit, ctx);
	if (e == ERR_CORRUPT)
		visit(ctx, &(struct change){ 0 });
	if (e == OK || e == ERR_CORRUPT)
		d->seen = txn_generation(t);
	return e;
}

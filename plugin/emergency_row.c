#include "emergency_row.h"

#include <stdio.h>
#include <stdlib.h>

#include "cur.h"
#include "directory.pb-c.h"
#include "directory_inside.h"

#define PREFIX 1                /* of their keys in CHECK, which every directory has */
#define ROW_BYTES_MAX (DELTA_MAX + 512)

/* By time, then whose. */
struct row_key {
	uint8_t b[1 + sizeof(struct key64) + WORD_BYTES_MAX];
	struct put put;
};

static struct span row_key(struct row_key *k, int64_t at_us, struct span id)
{
	const struct key64 at = key64((uint64_t)at_us);

	k->put = put(k->b, sizeof(k->b));
	put_u8(&k->put, PREFIX);
	put_bytes(&k->put, key64_span(&at));
	put_bytes(&k->put, id);
	must(put_end(&k->put) == OK);
	return put_span(&k->put);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void message_free(Pullcord__V1__EmergencyAccess **m)
{
	if (*m)
		pullcord__v1__emergency_access__free_unpacked(*m, NULL);
	*m = NULL;
}

static enum err open_row(struct directory *d, struct span key, struct span sealed, struct emergency_row *row)
{
	CLEANUP(message_free) Pullcord__V1__EmergencyAccess *m = NULL;
	const size_t head = 1 + sizeof(struct key64);
	uint8_t raw[ROW_BYTES_MAX];

	if (key.n <= head || sealed.n < VAULT_EXTRA || sealed.n > sizeof(raw) + VAULT_EXTRA)
		return ERR_CORRUPT;
	TRY(open_sealed(d, CHECK, key, sealed, raw));
	m = pullcord__v1__emergency_access__unpack(NULL, sealed.n - VAULT_EXTRA, raw);
	if (!m || m->version != 1)
		return ERR_CORRUPT;
	*row = (struct emergency_row){ .at_us = (int64_t)key64_value(span(key.p + 1, sizeof(struct key64))),
				       .until_us = (int64_t)m->until_us };
	return span_text(span(key.p + head, key.n - head), row->id, sizeof(row->id)) &&
			       span_text(span_str(m->reason), row->reason, sizeof(row->reason)) &&
			       span_text(span_str(m->patient), row->patient, sizeof(row->patient)) &&
			       span_text(span_str(m->what), row->what, sizeof(row->what))
		       ? OK
		       : ERR_CORRUPT;
}

enum err directory_emergencies(struct directory *d, void (*visit)(void *ctx, const struct emergency_row *row), void *ctx)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	const uint8_t first = PREFIX;
	struct span key = span(&first, 1), sealed;
	struct emergency_row row;
	enum err e, damage = OK;

	TRY(txn_begin_read(d->store, &t));
	while ((e = txn_after(t, CHECK, key, &key, &sealed)) == OK && key.p[0] == PREFIX) {
		if (open_row(d, key, sealed, &row) == OK)
			visit(ctx, &row);
		else
			damage = ERR_CORRUPT;
	}
	return e == OK || e == ERR_NOT_FOUND ? damage : e;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void add_line(struct put *out, const char *what, struct span value)
{
	if (out->n + strlen(what) + value.n + 4 < DELTA_MAX)
		put_fmt(out, "%s-%s%.*s", out->n ? "\n" : "", what, SPAN_FMT(value));
}

static bool taken_then(const struct account *a, const struct grant *g, size_t i, int64_t at_us)
{
	return g && emergency_is(a, &g[i]) && (int64_t)g[i].at_us == at_us;
}

/* What goes with it, and for whom it was: of two patients nobody. */
static void describe(struct batch *b, const struct account *a, int64_t at_us, struct emergency_row *row)
{
	const struct subject *s = &a->subject;
	struct put out = put(row->what, sizeof(row->what) - 1);
	char word[PATIENT_WORD], name[WORD_BYTES_MAX + 2];
	unsigned patients = 0;

	for (size_t i = 0; i < s->roles; i++)
		if (taken_then(a, a->role_grant, i, at_us))
			add_line(&out, "role ", s->role[i]);
	for (size_t i = 0; i < s->attributes; i++) {
		struct attribute x = s->attribute[i];

		if (!taken_then(a, a->attribute_grant, i, at_us))
			continue;
		if (span_is(x.name, "patient")) {
			(void)!span_text(patients++ ? span(NULL, 0) : x.value, row->patient, sizeof(row->patient));
			x.value = span_str(patient_word(directory_patients(b->d), x.value, word));
		}
		snprintf(name, sizeof(name), "%.*s=", SPAN_FMT(x.name));
		add_line(&out, name, x.value);
	}
	row->what[out.n] = '\0';
}

static enum err put_row(struct batch *b, const struct emergency_row *row)
{
	Pullcord__V1__EmergencyAccess m = PULLCORD__V1__EMERGENCY_ACCESS__INIT;
	uint8_t raw[ROW_BYTES_MAX];
	struct row_key key;
	size_t n;

	m.version = 1;
	m.until_us = (uint64_t)row->until_us;
	m.reason = (char *)(uintptr_t)row->reason;
	m.patient = (char *)(uintptr_t)row->patient;
	m.what = (char *)(uintptr_t)row->what;
	n = pullcord__v1__emergency_access__get_packed_size(&m);
	must(n <= sizeof(raw));
	pullcord__v1__emergency_access__pack(&m, raw);
	return put_sealed(b->d, b->t, CHECK, row_key(&key, row->at_us, span_str(row->id)), span(raw, n));
}

/* Does the row that is there say as much? What is taken back bit by bit went with it all the same. */
static bool says_as_much(struct batch *b, const struct emergency_row *row)
{
	struct emergency_row was;
	struct row_key key;
	struct span sealed, at = row_key(&key, row->at_us, span_str(row->id));

	return txn_get(b->t, CHECK, at, &sealed) == OK && open_row(b->d, at, sealed, &was) == OK && was.until_us >= row->until_us &&
	       strlen(was.what) >= strlen(row->what);
}

enum err emergency_note(struct batch *b, const struct account *a, int64_t now_us)
{
	struct emergency list[EMERGENCIES_MAX];

	for (size_t i = emergency_list(a, now_us, list); i-- > 0;) {
		struct emergency_row row = { .at_us = list[i].at_us, .until_us = list[i].until_us };

		must(span_text(a->subject.id, row.id, sizeof(row.id)));
		if (!span_text(list[i].reason, row.reason, sizeof(row.reason)))
			continue;               /* longer than any that was taken so */
		describe(b, a, row.at_us, &row);
		if (!says_as_much(b, &row))
			TRY(put_row(b, &row));
	}
	return OK;
}

enum err directory_emergency_over(struct directory *d, struct span id, int64_t at_us)
{
	CLEANUP(txn_abort) struct txn *t = NULL;
	struct row_key key;
	enum err e;

	if (id.n > WORD_BYTES_MAX)
		return ERR_RANGE;
	TRY(txn_begin_write(d->store, &t));
	e = txn_del(t, CHECK, row_key(&key, at_us, id));
	return e == OK ? txn_commit(&t) : e == ERR_NOT_FOUND ? OK : e;
}

#include "audit.h"

#include <stdio.h>

#include "cmd.h"
#include "reading.h"
#include "report.h"
#include "successor.h"
#include "trail.h"
#include "vault.h"

static int announce(const struct source *s, const struct criteria *c, const uint8_t root[AEAD_KEY_BYTES])
{
	char text[sizeof(s->what)], patient[AUDITED_PATIENT_MAX + 1];
	struct put what = put(text, sizeof(text) - 1);

	must(s->what[0]);
	put_str(&what, s->what);
	if (c)
		criteria_write(c, &what);
	text[what.n] = '\0';
	return reading_announce(s->record, root, text, c ? criteria_patient(c, patient) : NULL, c ? c->topic : NULL);
}

int audit_open(const struct source *s, struct criteria *c, struct reader **out)
{
	uint8_t root[AEAD_KEY_BYTES];
	enum err e = vault_root(s->key, root);
	const struct patients *p;
	size_t n;
	int code;

	if (e != OK)
		return source_no_key(e, s->key);
	e = reader_open(s->record, root, out);
	code = e == OK ? announce(s, c, root) : source_no_record(e, s->record);
	if (c && e == OK) {
		n = reader_patients(*out, &p);
		criteria_bind(c, p, n);
	}
	crypt_wipe(root, sizeof(root));
	return code;
}

int audit_unread(const struct source *s, enum err e, uint64_t index)
{
	(void)report_fail(e, "read entry %llu", (unsigned long long)index);
	if (e == ERR_KEY)
		source_hint_key(s->record);
	else if (e == ERR_NOT_FOUND)
		report_hint("the record has none of that number: pullcord audit tail --last 1 shows its newest");
	else
		report_hint("pullcord audit verify says more");
	return CMD_NO;
}

struct audit_before audit_before(const struct reader *r, const struct criteria *c)
{
	char next[ORIGIN_BYTES_MAX + 16];
	struct audit_before b = { .since = "" };
	unsigned number;

	if (c->from_us >= reader_since_us(r) || (!c->from && !reader_renewed(r)))
		return b;
	mapped_time(reader_since_us(r), b.since);
	if (reader_renewed(r) && successor_origin(reader_origin(r), next, sizeof(next), &number) == OK)
		b.number = number - 1;
	return b;
}

void audit_hint_missing(struct reader *r, const struct criteria *c)
{
	const struct audit_before b = audit_before(r, c);
	uint64_t erased;

	if (b.number)
		report_hint("this record begins at %s, and " AUDIT_BEFORE, b.since, b.number);
	else if (*b.since)
		report_hint("this record begins at %s", b.since);
	if (reader_erased(r, c->from_us, c->to_us, &erased) == OK && erased)
		report_hint("%llu entries of that time were erased", (unsigned long long)erased);
}

int audit_replaced(const char *path)
{
	report_error("the record that was read is no longer %s: it was renewed, or another one was put there", path);
	report_hint("begin again for the one that is there; what was put aside can be read by --record");
	return CMD_NO;
}

/* ---- with an index ---- */

/* Beside the record, record.mdb gives record.idx; `given` NULL or what an option says. */
static struct install_path index_path(const struct source *s, const char *given)
{
	struct install_path path;

	if (given)
		snprintf(path.text, sizeof(path.text), "%s", given);
	else if (!trail_index_path(s->record, path.text, sizeof(path.text)))
		path.text[0] = '\0';       /* which cannot be opened */
	return path;
}

static int no_index_opens(enum err e, const char *path)
{
	(void)report_fail(e, "use the index %s", path);
	install_say_denied(e, path);
	if (e == ERR_DENIED || e == ERR_NOT_FOUND)
		report_hint("--index names another file, --no-index does without one");
	else if (e == ERR_KEY || e == ERR_CORRUPT)
		report_hint("if pullcord audit verify with that root key finds the record whole, delete the index: it is made again");
	return CMD_NO;
}

int audit_books_open(const struct source *s, struct criteria *c, const char *index, bool no_index, struct audit_books *out)
{
	struct install_path path = index_path(s, index);
	uint8_t root[AEAD_KEY_BYTES];
	int code = audit_open(s, c, &out->reader);
	enum err e;

	if (code != CMD_DONE || no_index)
		return code;
	e = vault_root(s->key, root);
	if (e != OK)
		return source_no_key(e, s->key);
	e = index_open(path.text, root, out->reader, &out->index);
	crypt_wipe(root, sizeof(root));
	return e == OK ? CMD_DONE : no_index_opens(e, path.text);
}

void audit_books_close(struct audit_books *b)
{
	index_close(&b->index);
	reader_close(&b->reader);
}

/* ---- going through it ---- */

struct candidates {
	struct reader *reader;
	struct audit_walk *walk;
	audit_visit *visit;
	void *ctx;
};

/* The index only says where to look. */
static enum err on_candidate(void *ctx, uint64_t index)
{
	const struct candidates *c = ctx;
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;

	c->walk->at = index;
	TRY(reader_get(c->reader, index, &entry, &event));
	return event && criteria_match(c->walk->criteria, event) ? c->visit(c->ctx, index, &entry, event) : OK;
}

enum err audit_walk(struct reader *r, struct audit_walk *w, audit_visit *visit, void *ctx)
{
	struct candidates c = { r, w, visit, ctx };
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	uint64_t size = w->end;

	if (w->index)
		return index_search(w->index, w->criteria, on_candidate, &c);
	if (!size)
		TRY(reader_size(r, &size));
	for (w->at = 0; w->at < size; w->at++) {
		if (w->progress)
			report_progress(w->progress, w->at, size);
		TRY(reader_get(r, w->at, &entry, &event));
		if (event && criteria_match(w->criteria, event))
			TRY(visit(ctx, w->at, &entry, event));
	}
	if (w->progress)
		report_progress(w->progress, size, size);
	return OK;
}

#include "audit.h"

#include "cmd.h"
#include "report.h"
#include "vault.h"

int audit_open(const struct source *s, struct criteria *c, struct reader **out)
{
	uint8_t root[AEAD_KEY_BYTES];
	enum err e = vault_root(s->key, root);

	if (e != OK)
		return source_no_key(e, s->key);
	e = reader_open(s->record, root, out);
	if (c)
		criteria_bind(c, root);
	crypt_wipe(root, sizeof(root));
	return e == OK ? CMD_DONE : source_no_record(e, s->record);
}

enum err audit_walk(struct reader *r, struct audit_walk *w, audit_visit *visit, void *ctx)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	uint64_t size;

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

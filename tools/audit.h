/* audit: the commands that work on the record, and what they share: opening it, and going through its events. */
#ifndef PULLCORD_AUDIT_H
#define PULLCORD_AUDIT_H

#include "criteria.h"
#include "reader.h"
#include "source.h"

int audit_export(int argc, char **argv);

/* Opens the record for who has the root key, and binds the criteria (NULL: none) to it. CMD_DONE; what went wrong is said. */
int audit_open(const struct source *s, struct criteria *c, struct reader **out) MUST_USE;

/* Calls `visit` for every event that is meant, in order, until it fails. */
struct audit_walk {
	const struct criteria *criteria;
	const char *progress;           /* what report_progress() calls it; NULL: none is shown */
	uint64_t at;                    /* out: the entry it was at */
};
typedef enum err audit_visit(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e);
enum err audit_walk(struct reader *r, struct audit_walk *w, audit_visit *visit, void *ctx) MUST_USE;

#endif

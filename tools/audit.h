/* audit: the commands that work on the record, and what they share: opening it, and going through its events. */
#ifndef PULLCORD_AUDIT_H
#define PULLCORD_AUDIT_H

#include "index.h"
#include "mapped.h"
#include "reader.h"
#include "source.h"

int audit_export(int argc, char **argv);
int audit_feed(int argc, char **argv);
int audit_reconcile(int argc, char **argv);
int audit_search(int argc, char **argv);
int audit_show(int argc, char **argv);
int audit_segments(int argc, char **argv);
int audit_hold(int argc, char **argv);
int audit_release(int argc, char **argv);
int audit_erase(int argc, char **argv);
int audit_requests(int argc, char **argv);
int audit_disclosures(int argc, char **argv);
int audit_prove(int argc, char **argv);
int audit_disclose(int argc, char **argv);
int audit_check_proof(int argc, char **argv);
int audit_witness(int argc, char **argv);

/* The newest checkpoint, and of each listed witness the largest it cosigned; `must_be`: the list was named. */
int audit_show_checkpoint(const struct source *s, bool must_be, size_t quorum) MUST_USE;

/* Opens the record for who has the root key, and binds the criteria (NULL: none) to it. That it is read, and what for
 * (source_says() and the criteria), is put on record first. CMD_DONE; what went wrong is said. */
int audit_open(const struct source *s, struct criteria *c, struct reader **out) MUST_USE;

/* Why that entry cannot be read, and what to do. CMD_NO. */
int audit_unread(const struct source *s, enum err e, uint64_t index);

/* When the record begins, if what is meant reaches further back ("": it does not), and the number of the record that was put
 * aside for it (0: none was). Before the first record there was nothing, unless somebody asks for that time. */
struct audit_before {
	char since[MAPPED_TIME];
	unsigned number;
};
struct audit_before audit_before(const struct reader *r, const struct criteria *c);
#define AUDIT_BEFORE "what was before is in record.mdb.%u, which was put aside (--record reads it)"
/* Says that, and what of that time was erased, as a hint. */
void audit_hint_missing(struct reader *r, const struct criteria *c);

/* Says that the record which is followed has ended, because another one lies in its place. CMD_NO. */
int audit_replaced(const char *path);

#define AUDIT_INDEX_RULE OPT_NOT_WITH("index", "no-index")
#define AUDIT_INDEX_OPTS(path, none)                                                                                   \
	OPT_TEXT("index", "FILE", (path), "the index of the record (default: record.idx beside it)"),                 \
	OPT_FLAG("no-index", (none), "read the whole record instead, which takes longer and misses nothing")

/* Opens the record and (unless `no_index`) its index, brought up to date. CMD_DONE; what went wrong is said. */
struct audit_books {
	struct reader *reader;
	struct index *index;            /* NULL: none is used */
};
int audit_books_open(const struct source *s, struct criteria *c, const char *index, bool no_index,
		     struct audit_books *out) MUST_USE;
void audit_books_close(struct audit_books *b);

/* Calls `visit` for every event that is meant, in order, until it fails. */
struct audit_walk {
	struct index *index;            /* NULL: every entry is looked at */
	const struct criteria *criteria;
	const char *progress;           /* what report_progress() calls it; NULL: none is shown */
	uint64_t end;                   /* without an index, up to this entry; 0: to the end there is by then */
	uint64_t at;                    /* out: the entry it was at */
};
typedef enum err audit_visit(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e);
enum err audit_walk(struct reader *r, struct audit_walk *w, audit_visit *visit, void *ctx) MUST_USE;

#endif

/* stores: the record and the history, opened at the broker's start. A hospital's broker comes up: one that is damaged, or a
 * record that was cut or set back, is put aside, never deleted, another one begins, and everybody is told. A record's successor
 * says in its first entry what was found and quotes what had been signed last (successor.h). What is wrong with keys is for a
 * person to mend. */
#ifndef PULLCORD_STORES_H
#define PULLCORD_STORES_H

#include "guard.h"

#define STORES_TEXT 201

struct stores {
	const struct guard_spec *spec;
	const struct places *places;    /* where topics name patients */
	const uint8_t *root;
	char path[WHOLE_PATH_MAX];                 /* what is being opened, for the error */
	bool in_record, is_first;       /* it failed there; there was no record yet */
	bool record_bad, history_bad;   /* stores_probe() found that they cannot be read */
	char record_found[STORES_TEXT], history_found[STORES_TEXT];     /* why they were put aside; "": they were not */
	char record_new[ORIGIN_BYTES_MAX + 1], history_kept[700];       /* the successor's origin; the path it has now */
	bool sizes_unmoved;             /* it failed because record.sizes lies where it lay before, and not where it should */
	bool sizes_missing;             /* because it lies nowhere, and there is a record */
};

/* Looks at both in processes of their own, which a damaged store may end; so before there are threads. */
void stores_probe(struct stores *s);
enum err stores_record(struct stores *s, struct record **out) MUST_USE;
enum err stores_history(struct stores *s, struct history **out) MUST_USE;
/* In the log, on record, to operators and in the metrics, when all is open. */
void stores_tell(struct guard *g, const struct stores *s);

#endif

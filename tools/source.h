/* source: which record a command reads, and the keys that belong to it: an installation's, or files named one by one. */
#ifndef PULLCORD_SOURCE_H
#define PULLCORD_SOURCE_H

#include "install.h"
#include "note.h"
#include "reads.h"

#define OPT_DIR(out) OPT_TEXT("dir", "DIR", out, INSTALL_DIR_TEXT)
#define OPT_RECORD_RULE OPT_NOT_WITH("record", "dir")
#define OPT_SEALED_RULE OPT_WITH_FOR("record", "key", "entries are sealed")
#define OPT_RECORD(out) OPT_TEXT("record", "FILE", out, "a record's store, instead of an installation's")
#define OPT_KEY(out) OPT_TEXT("key", "FILE", out, "root key that opens its entries (default: the installation's)")

struct source {
	const char *dir, *record, *key, *sizes, *vkey, *line, *witnesses;      /* options; NULL: not given */
	struct install_path record_path, key_path, sizes_path, vkey_path, line_path, witnesses_path;
	struct install install;         /* when it is one of an installation */
	unsigned quorum;                /* of the installation's own witnesses, as its broker asks for it; 0: their majority */
	bool entered;
	char what[READS_WHAT_MAX + 1];  /* who opens its entries says what for: source_says() */
};

/* The command, with what was asked for: goes on record (reading.h). */
void source_says(struct source *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What was not named is the installation's, unless a record was named: then nothing is guessed. Root becomes whose the
 * installation is, because what LMDB makes beside its stores must stay the broker's. Failures are said. */
enum err source_fill(struct source *s) MUST_USE;
/* Once its stores are open: root is root again, and writes where they are told to. */
void source_leave(const struct source *s);

/* The record of an installation, by its root key, for that purpose, which goes on record. What went wrong was said. */
struct reader;
enum err source_reader(const struct install *in, const char *what, struct reader **out) MUST_USE;

/* Why the root key, or the record, cannot be read, and what to do. CMD_NO. */
int source_no_key(enum err e, const char *path);
int source_no_record(enum err e, const char *path);
/* The root key does not fit. */
void source_hint_key(const char *record);
/* The verifier key: a file that holds it, or the key itself. Takes *text, from which *origin borrows. CMD_DONE; mistakes are
 * said. */
int source_vkey(const char *given, char **text, struct span *origin, uint8_t pub[SIGN_KEY_BYTES]) MUST_USE;

/* Why there is no new file. CMD_NO. */
int source_no_file(enum err e, const char *path);

#endif

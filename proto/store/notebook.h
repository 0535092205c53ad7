/* notebook: what a witness keeps on disk, in a folder of its own that only it may read:
 *
 *     key                 its Ed25519 seed, 64 hex digits; made when there is none
 *     vkey                its public half under its name (cosigner_write): for the list of whose cosignatures count
 *     note.ID             the last checkpoint it vouched for, of the log whose key has that id
 *     evidence.ID.had     a log that contradicted itself: what it had signed before,
 *     evidence.ID.got     and what it signed then, with its proof: an add-checkpoint body; of what another witness was shown, one
 *                         of the two has that witness's cosignature
 *     evidence.ID.told    another witness has seen that, and said so (gossip.h): what it said, with its signature
 *
 * Order: judge, write, flush, then cosign. A crash between leaves a note that nobody has a cosignature of: the log asks
 * again, and is given it. While there is evidence nothing is cosigned, by whichever process, until a person has seen to it
 * and put it elsewhere. Who takes note.ID away makes the witness forget; it takes any tree of the log then.
 *
 * One process at a time. Calls wait for the disk. */
#ifndef PULLCORD_NOTEBOOK_H
#define PULLCORD_NOTEBOOK_H

#include "gossip.h"

struct notebook;

struct notebook_spec {
	const char *folder;             /* made when it is not there, in one that is */
	struct span name;               /* the witness's; empty: as in vkey */
	struct cosigner log;            /* whose name is the log's origin */
};

/* ERR_NOT_FOUND: no folder above, or no name yet; ERR_DENIED: others may read it, or we may not write; ERR_BUSY: another
 * process has it; ERR_EXISTS: it is of a witness of another name; ERR_SYNTAX, ERR_KEY: its files are not what they should
 * be; ERR_CORRUPT: note.ID is no checkpoint of that log. */
enum err notebook_open(const struct notebook_spec *spec, struct notebook **out) MUST_USE;
void notebook_close(struct notebook **n);

const char *notebook_vkey(const struct notebook *n);
/* The size of the last tree vouched for; 0: none yet. */
uint64_t notebook_size(const struct notebook *n);
/* There is evidence against the log. */
bool notebook_stopped(const struct notebook *n);
/* And another witness has found it, which still shows it. */
bool notebook_told(const struct notebook *n);
/* Looks at the folder again: is there still evidence, and what did it see of this log, which may be another than before? What it
 * stopped for and could not keep still holds. On a failure, notebook_open()'s, all stays as it was. */
enum err notebook_reread(struct notebook *n, const struct cosigner *log) MUST_USE;

/* An add-checkpoint body; `newest`: it answers a question of ours for the newest there is. ACCEPTED: kept, and the line of
 * the cosignature is appended to *line. What contradicts is kept, too, and is the end. Failures are of the disk: nothing is
 * cosigned then, and all is as before. ERR_CLOSED: it has stopped. */
enum err notebook_add(struct notebook *n, struct span body, bool newest, uint64_t time_s, struct put *line,
		      enum witness_kind *kind) MUST_USE;

/* Its gossip with these, of whom it may be one; borrows their names, and lives no longer than the notebook. */
void notebook_gossip(const struct notebook *n, const struct witnesses *peers, struct gossip *out);
/* What it vouched for last, and that line, as the others are to hear it (gossip.h). ERR_NOT_FOUND: nothing yet. */
enum err notebook_tell(const struct notebook *n, struct span line, struct put *out) MUST_USE;
/* Another witness says that, or shows evidence; and the log's answer to gossip_wants(). When it contradicts
 * (witness_contradicts(*kind, true)), what was signed to them and what to us are kept as evidence, and that is the end. ERR_CLOSED:
 * it has stopped; others are the disk's. */
enum err notebook_hear(struct notebook *n, struct gossip *g, struct span note, uint64_t time_s, int64_t now_ms,
		       enum witness_kind *kind) MUST_USE;
enum err notebook_prove(struct notebook *n, struct gossip *g, struct span body, int64_t now_ms, enum witness_kind *kind) MUST_USE;
/* Its own evidence, as others are to hear it (gossip.h). ERR_NOT_FOUND: there is none, or it was told by another, who says it: who
 * has cleared theirs is not to hear of it from everybody else. Others: the disk's, ERR_SYNTAX, ERR_TOO_LARGE. */
enum err notebook_show(const struct notebook *n, struct put *out) MUST_USE;
/* The same of all that was said before, after it has vouched for more. */
enum err notebook_compare(struct notebook *n, struct gossip *g, int64_t now_ms, enum witness_kind *kind) MUST_USE;
/* The size from which the log is to prove how it came to what was vouched for last; 0: nothing is to be asked. */
uint64_t notebook_wants(const struct notebook *n, const struct gossip *g);

#endif

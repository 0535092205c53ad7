/* cosigners: what the witnesses of the record ask and say, between the broker's thread, which only copies it, and the writer,
 * which has the tree and the disk. Witnesses ask for the newest checkpoint and a proof from where they are; all who ask
 * within a minute are given the same one, so that their cosignatures come together under one note; who has seen more than
 * that, the newest, which is not kept for their cosignature. A cosignature counts when its key is listed: in a file of
 * verifier keys, one a line (witnesses_read() of witness.h). */
#ifndef PULLCORD_COSIGNERS_H
#define PULLCORD_COSIGNERS_H

#include "record.h"
#include "trail.h"

#define COSIGNERS_ROUND_US (60 * 1000000LL)

struct cosigners;

/* Reads the list; that there is none means that nobody's cosignatures count. `quorum` 0: the majority of those listed. Copies
 * the path. ERR_FULL. */
enum err cosigners_open(const char *path, unsigned quorum, struct cosigners **out) MUST_USE;
void cosigners_close(struct cosigners **c);

/* ---- any thread; no I/O ---- */

/* False: too many wait; the witness asks again. What it said before and nobody has looked at is forgotten. */
bool cosigners_ask(struct cosigners *c, struct span who, uint64_t size);
bool cosigners_say(struct cosigners *c, struct span who, struct span line);
/* What is to be said to whom; false: nothing. Cheap when there is nothing. */
bool cosigners_answer(struct cosigners *c, struct record_answer *out);
/* The list is read again by the writer. */
void cosigners_reread(struct cosigners *c);
struct record_witnesses cosigners_state(const struct cosigners *c);
bool cosigners_one(struct cosigners *c, unsigned i, struct record_witness *out);

/* ---- the writer, outside of a batch ---- */

bool cosigners_waiting(const struct cosigners *c);
/* Does what waits as it is called, of each witness a question and a line, or as much as there is room for in the answers:
 * what they say meanwhile waits, for there may be no end of it. Failures are of the store; what failed is not done
 * again, witnesses ask again. */
enum err cosigners_serve(struct cosigners *c, struct trail *t, int64_t mono_us) MUST_USE;

#endif

/* evidence: what can be taken out of a record and checked by anybody: proofs that an entry is in it, and the whole tree as a
 * folder of C2SP tiles (https://c2sp.org/tlog-tiles). Needs no key: entries are copied as they are sealed. */
#ifndef PULLCORD_EVIDENCE_H
#define PULLCORD_EVIDENCE_H

#include "proof.h"

struct evidence;

enum err evidence_open(const char *record, struct evidence **out) MUST_USE;
void evidence_close(struct evidence **e);

typedef void evidence_progress(const char *what, uint64_t done, uint64_t all);

/* Against the newest checkpoint. ERR_NOT_FOUND: there is no such entry, or it is not signed yet; ERR_CLOSED: it was erased;
 * ERR_CORRUPT. */
enum err evidence_prove(struct evidence *e, uint64_t index, struct proof *out) MUST_USE;

/* Everything under the newest checkpoint, into a new folder:
 *
 *     checkpoint  tile/L/N[.p/W]  tile/entries/N[.p/W]       as C2SP names them
 *     notes/N                                                `notes`: the checkpoints that are kept (trail.h), numbered
 *                                                        from 0
 *
 * An entry of no bytes in a bundle was erased: its hash in tile/0 is all that is left, and the root still vouches for that.
 * ERR_EXISTS: the folder is there; ERR_NOT_FOUND: nothing is signed yet. *size: entries; 0: no folder was begun, else a
 * failure leaves it there without its checkpoint. Folders are for their owner only. */
enum err evidence_tiles(struct evidence *e, const char *folder, bool notes, evidence_progress *progress, uint64_t *size) MUST_USE;

#endif

/* attest: this gateway as a witness of the broker's record. Now and then it asks for the newest checkpoint, says how far it
 * has seen, and cosigns what continues that (witness.h); and it tells the other witnesses, and hears from them, whether the broker
 * shows them the same record (gossip.h). A thread of its own judges, writes and signs: the loop never waits for it, nor for its
 * disk.
 *
 *     {tenant}/audit/main/witness/{device}/req            the size it has seen, decimal; or another witness
 *     .../add                                             the answer, an add-checkpoint body
 *     .../cosignature                                     a line
 *     .../gossip                                          the note with that line, for the others; or, when it has seen the record
 *                                                         contradict itself, the evidence, again and again
 *
 * Loop's thread only. */
#ifndef PULLCORD_ATTEST_H
#define PULLCORD_ATTEST_H

#include "topic.h"
#include "uplink.h"
#include "witness.h"

#define ATTEST_SILENT_MS (15 * 60 * 1000LL)

struct attest;

struct attest_spec {
	const char *folder;             /* its notebook (notebook.h) */
	const char *vkey;               /* file of the record's verifier key */
	const char *peers;              /* file of the witnesses' (witnesses_read()), its own may be among them; NULL, "": no gossip */
	const char *tenant, *device;    /* it is the witness {tenant}/device/{device} */
	int64_t every_ms;
	void (*wake)(void *ctx);        /* from its thread: attest_run() has something to do */
	void *ctx;
};

/* Copies. Errors: those of notebook_open(), of a key and of witnesses_read(); *what says which of them failed: a path to name. */
enum err attest_open(const struct attest_spec *spec, struct attest **out, const char **what) MUST_USE;
void attest_close(struct attest **v);
/* Are the files of keys such? *line: where the list of peers is none; 0: in no line. */
enum err attest_check(const struct attest_spec *spec, const char **what, unsigned *line) MUST_USE;
/* Reads its files again, and looks whether there is still evidence: who put it elsewhere has seen to it. What is wrong, as
 * attest_check() says it, leaves all as it was. */
enum err attest_reread(struct attest *v, const char **what, unsigned *line) MUST_USE;

/* While connected, often: asks when it is time, and sends what the thread has signed. NULL is no witness. */
void attest_run(struct attest *v, const struct uplink_kind *kind, struct uplink *to, struct id_maker *ids, int64_t now_ms,
	       int64_t real_us);
/* What came on .../add; what was not asked for is not looked at. */
void attest_hear(struct attest *v, struct span body, int64_t now_ms, int64_t real_us);
/* What came on another's .../gossip. When too many come at once some are dropped: they are said again. */
void attest_gossip(struct attest *v, struct span note, int64_t now_ms, int64_t real_us);

/* CONTRADICTED: it witnesses no more. SILENT: asked again and again, the broker showed nothing new for ATTEST_SILENT_MS. UNHEARD:
 * for so long no majority of the witnesses was heard, itself counted in. */
enum attest_state { ATTEST_GOOD, ATTEST_UNHEARD, ATTEST_SILENT, ATTEST_CONTRADICTED };
enum attest_state attest_state(const struct attest *v, int64_t now_ms);     /* NULL: it should witness and cannot: silent */

#endif

/* verify: is the record whole, in order, and what was signed? Reads the store alone, while the broker may write.
 *
 * From entry 0 on: every entry hashes to its leaf, and leaves to the tiles above; segments are dense, their records
 * numbered without a gap; at every size that was signed and kept the entries so far fold to the signed root, and the
 * signature fits; the stored frontiers are the ones recomputed. Rows of segments say what entries say: opened, closed,
 * held and erased when, not before its time and not while it was held. Of erased segments the leaves are checked, that
 * nothing is left of their entries, and that their keys are gone. With the sizes file: the record is no shorter than the
 * last signed size. With the root key: every segment's key fits its commitment, and opens each of its records. Without it
 * anybody can verify who has the vkey. A record of which nothing is signed is bad; what comes after the newest signature
 * is checked like the rest, but vouched for by nobody: anybody who can write the file may have put it there.
 *
 * Of the forward-secure line: all that line_check.h says, with nothing secret. With the file of its seed, of which only the public
 * part is looked at: its line is here, and came no further than the record.
 *
 * Of cosignatures: whatever a listed witness put under a checkpoint fits.
 *
 * Stops at the first bad index. A store whose pages are damaged below the level of entries is LMDB's to refuse. */
#ifndef PULLCORD_VERIFY_H
#define PULLCORD_VERIFY_H

#include "line_check.h"
#include "witness.h"

struct verify_spec {
	const char *path;
	const char *sizes_path;         /* "": none */
	struct span vkey;               /* C2SP verifier key, whose name is the record's origin */
	const uint8_t *root;            /* 32 bytes, vault_root(); NULL: the seals are not opened */
	const char *line_path;          /* its seed (epochs.h); NULL, or no such file: it is not looked at */
	const struct witnesses *witnesses;      /* whose cosignatures are looked for; NULL: nobody's */
	void (*progress)(void *ctx, uint64_t done, uint64_t all);   /* may be NULL */
	void *ctx;
};

/* The largest checkpoint kept that bears a witness's cosignature, when that was given, and when the checkpoint was signed;
 * size 0: none does. */
struct verify_cosigned {
	uint64_t size, time_s;
	int64_t at_us;
};

struct verify_report {
	uint64_t entries, opened, segments, checkpoints;   /* seen and good, so far */
	uint64_t erased;                /* segments */
	uint64_t signed_size;           /* the newest that a good signature is for, of a checkpoint or in the sizes file */
	int64_t signed_us;              /* the newest checkpoint */
	struct hash root;               /* of all entries */
	struct line_check line;         /* how far it came */
	struct verify_cosigned cosigned[WITNESSES_MAX];    /* in the list's order */
	/* The first that is bad: "entry" 41 "its bytes do not hash to its leaf". part NULL: nothing is. */
	const char *part;
	uint64_t index;
	char what[160];
};

/* OK: all good. ERR_CORRUPT: *report says what is not. Anything else: it could not be read to its end. */
enum err verify_record(const struct verify_spec *spec, struct verify_report *report) MUST_USE;

#endif

/* delta: what an account held before a change and holds after it, as far as they differ: a line for each thing that went
 * ("-") and came ("+"), in the order of their bytes without the sign:
 *
 *     +patient=~3b1f... until 2026-11-23T07:00:00Z reason ~9f86... by root
 *     -role nurse
 *     -state active
 *     +state suspended reason ~6030... by root
 *
 * Lines: tenant, name, password, unlocked, certificate(s), state, role, NAME=VALUE. A patient is a pseudonym (patients.h),
 * and so is free text (reasons, names), of its SHA-256: with the keys it proves what was written, without them nobody finds it
 * out by trying. Of passwords only that there is one, and another. What does not fit in DELTA_MAX is cut by whole lines, and told
 * in the last one:
 *
 *     ... 42 more, ~9f86d081884c7d659a2feaa0c55ad015
 *
 * the first half of H(n) over all n lines, H(0) 32 zero bytes, H(i) = SHA-256(H(i-1) | line); written as a patient is, so that
 * the record makes of it what cannot be compared without the year's key either. Pure, but for memory. */
#ifndef PULLCORD_DELTA_H
#define PULLCORD_DELTA_H

#include "account.h"
#include "patients.h"

#define DELTA_MAX 800

struct delta {
	size_t n;
	char text[DELTA_MAX];
};

static inline struct span delta_span(const struct delta *d)
{
	return span(d->text, d->n);
}

/* NULL: there is, or was, none. Nothing differs: empty. ERR_FULL: no memory. */
enum err delta_account(const struct account *before, const struct account *after, const struct patients *p,
		       struct delta *out) MUST_USE;

/* Of one line of our own: what was so, and is so; "": it was not. Both must be short. */
void delta_line(const char *before, const char *after, struct delta *out);

/* What stands for free text. */
const char *delta_mark(const struct patients *p, struct span text, char out[PATIENT_WORD]);

/* ---- readers ---- */

/* Takes the next line off *text. False: there is none. */
bool delta_next(struct span *text, struct span *line);

#endif

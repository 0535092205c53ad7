/* cosigned: whose cosignatures are looked for, as the tool is told, and how what was found is said. */
#ifndef PULLCORD_COSIGNED_H
#define PULLCORD_COSIGNED_H

#include "report.h"
#include "verify.h"

#define OPT_WITNESSES(out) OPT_TEXT("witnesses", "FILE", out, \
	"whose cosignatures count: a verifier key a line (default: the installation's list)")
#define OPT_QUORUM(out, text) OPT_NUMBER("quorum", "K", out, 1, WITNESSES_MAX, text)

struct cosigned_list {
	char *text;
	struct witnesses of;
};

/* `must_be`: it was named, and has to be there; else none is an empty list. CMD_DONE; mistakes are said, with the line. */
int cosigned_read(const char *path, bool must_be, struct cosigned_list *out) MUST_USE;
void cosigned_free(struct cosigned_list *l);

/* How far `k` of them vouch, 0: their majority; and when that was signed. Size 0: no k do, which is never within the grace. */
struct cosigned_quorum {
	size_t k;
	uint64_t size;
	int64_t at_us;
};
struct cosigned_quorum cosigned_quorum(const struct witnesses *w, const struct verify_cosigned *seen, size_t k);
/* Was the newest checkpoint signed no later than that after theirs? */
bool cosigned_within(const struct cosigned_quorum *q, int64_t newest_us, int64_t grace_us);

/* For people, a line each; as cells: the names of those who cosigned, and the largest size that one of them did. */
void cosigned_say(const struct witnesses *w, const struct verify_cosigned *seen, size_t k);
struct cell cosigned_names(const struct witnesses *w, const struct verify_cosigned *seen, struct span name[WITNESSES_MAX]);
struct cell cosigned_size(const struct witnesses *w, const struct verify_cosigned *seen);

#endif

/* cosigned: whose cosignatures are looked for, as the tool is told, and how what was found is said. */
#ifndef PULLCORD_COSIGNED_H
#define PULLCORD_COSIGNED_H

#include "report.h"
#include "verify.h"

#define OPT_WITNESSES(out) OPT_TEXT("witnesses", "FILE", out, "whose cosignatures count: a verifier key a line (default: the installation's list)")

struct cosigned_list {
	char *text;
	struct witnesses of;
};

/* `must_be`: it was named, and has to be there; else none is an empty list. CMD_DONE; mistakes are said, with the line. */
int cosigned_read(const char *path, bool must_be, struct cosigned_list *out) MUST_USE;
void cosigned_free(struct cosigned_list *l);

/* For people, a line each; as cells: the names of those who cosigned, and the largest size that one of them did. */
void cosigned_say(const struct witnesses *w, const struct verify_cosigned *seen);
struct cell cosigned_names(const struct witnesses *w, const struct verify_cosigned *seen, struct span name[WITNESSES_MAX]);
struct cell cosigned_size(const struct witnesses *w, const struct verify_cosigned *seen);

#endif

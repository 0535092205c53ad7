/* renew: the way on when a record was cut, set back, damaged or written in another layout: it is put aside as evidence, and
 * another one begins under the next origin, whose first entry quotes what was signed last and says why. Wherever it is
 * interrupted, no broker goes on with half of it, and the next run does. */
#ifndef PULLCORD_RENEW_H
#define PULLCORD_RENEW_H

#include "install.h"
#include "note.h"

/* "hospital/audit/main" becomes "hospital/audit/main/2", that one ".../3"; *number is the old one's. ERR_TOO_LARGE. */
enum err renew_origin(struct span origin, char *out, size_t cap, unsigned *number) MUST_USE;

/* Does no broker write the record? ERR_BUSY. */
enum err renew_free(const struct install *in) MUST_USE;

/* `pullcord audit renew`. */
int audit_renew(int argc, char **argv);

#endif

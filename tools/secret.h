/* secret: where passwords come from: a file, the file named by $PULLCORD_PASSWORD_FILE, or the terminal without echo;
 * never a command line. The caller wipes what it got. */
#ifndef PULLCORD_SECRET_H
#define PULLCORD_SECRET_H

#include "err.h"

#define SECRET_BYTES_MAX 256
#define SECRET_OPT_TEXT "first line is the password (default: $PULLCORD_PASSWORD_FILE, else the terminal is asked)"

struct secret {
	char text[SECRET_BYTES_MAX + 1];
};

/* Of a new password: may it be one? Says why not. */
typedef bool secret_fits(const struct secret *s);

/* `file` NULL: as above. `fits`: it is a new one, typed again at the terminal when it may be one; NULL: it is not. ERR_RANGE:
 * it may not. Failures are said. */
enum err secret_get(const char *file, const char *prompt, secret_fits *fits, struct secret *out) MUST_USE;
/* Always of the terminal: where $PULLCORD_PASSWORD_FILE is another's. */
enum err secret_ask(const char *prompt, secret_fits *fits, struct secret *out) MUST_USE;
void secret_clear(struct secret *s);

#endif

/* initial: the initial key of the record's line (forward.h) on its way to whoever checks the record, and the key of now
 * beside the record. */
#ifndef PULLCORD_INITIAL_H
#define PULLCORD_INITIAL_H

#include "install.h"
#include "forward.h"

/* Begins a line: writes its initial key to the new file `out`, and the installation's key of now. ERR_EXISTS: `out` is
 * there. */
enum err initial_make(const struct install *in, const char *out) MUST_USE;
/* Reads such a file. ERR_SYNTAX, and those of install_read(). */
enum err initial_read(const char *path, uint8_t initial[FORWARD_KEY_BYTES]) MUST_USE;
/* Says what to do with it. */
void initial_say(const char *path);

/* `pullcord audit line`. */
int audit_line(int argc, char **argv);

#endif

/* officer: who signs orders to devices and policies: the key of one, and the list of those whose signatures count, from files.
 * What is wrong with them is said here. */
#ifndef PULLCORD_OFFICER_H
#define PULLCORD_OFFICER_H

#include "warrant.h"

struct officer {
	struct span name;               /* in `text` */
	uint8_t secret[SIGN_KEY_BYTES];
	char *text;
	size_t n;
};

/* A key that `pullcord order key` made. CMD_DONE; CMD_NO, and nothing to clear: it was said why. */
int officer_open(const char *path, struct officer *out);
void officer_clear(struct officer *o);

/* The list of verifier keys, a line each. *text is the caller's to free, and the list borrows from it. NULL: an empty one.
 * CMD_DONE; CMD_NO: it was said why. */
int officers_open(const char *path, char **text, struct officers *out);

#endif

/* complain: what keeps the gateway from starting, or is wrong with its settings, said on stderr to whoever starts it; and what to
 * do about it, which the log says, too. */
#ifndef PULLCORD_COMPLAIN_H
#define PULLCORD_COMPLAIN_H

#include "err.h"

/* Whose errors: the same one asks for something else of each. */
enum about {
	ABOUT_SETTINGS, ABOUT_CERTIFICATE, ABOUT_DEVICE_KEY, ABOUT_ROOT_KEY, ABOUT_NEW_ROOT_KEY, ABOUT_OUTBOX, ABOUT_INPUT,
	ABOUT_WITNESS, ABOUT_ORDERS, ABOUTS
};

/* "it must be ours, with mode 0600"; "": nobody knows. */
const char *remedy(enum about a, enum err e);

/* A line: "pullcord-gateway: " and that. */
void complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The same; behind it the error, and its remedy. */
void complain_of(enum about a, enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif

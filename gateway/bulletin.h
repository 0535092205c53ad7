/* bulletin: how the gateway is, in files that others read. Written by a thread of its own, so that a disk that hangs holds
 * up no alert; while it does, the newest waits and what it replaces was never there. */
#ifndef PULLCORD_BULLETIN_H
#define PULLCORD_BULLETIN_H

#include "err.h"
#include "span.h"

struct bulletin;

enum bulletin_file {
	BULLETIN_STATUS,            /* for `pullcord gateway status` */
	BULLETIN_METRICS,           /* for Prometheus */
	BULLETIN_FILES
};

#define BULLETIN_TEXT_MAX 16384

/* Paths are copied; empty: there is no such file. ERR_TOO_LARGE, ERR_FULL. */
enum err bulletin_open(const char *const path[BULLETIN_FILES], struct bulletin **out) MUST_USE;
/* The files go with it: nobody is to take them for how things are now. */
void bulletin_close(struct bulletin **b);

/* Copies, at most BULLETIN_TEXT_MAX. */
void bulletin_put(struct bulletin *b, enum bulletin_file f, struct span text);
/* Why the last could not be written; OK when it could, or none was. */
enum err bulletin_trouble(const struct bulletin *b, enum bulletin_file f);

#endif

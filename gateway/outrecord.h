/* outrecord: a message of the outbox as it is sealed in the file, in clear: all of it but its id and what is known only while it is
 * new work. Earlier versions' are read, too. Pure. */
#ifndef PULLCORD_OUTRECORD_H
#define PULLCORD_OUTRECORD_H

#include "cur.h"
#include "outbox.h"

/* ERR_TOO_LARGE. */
enum err outrecord_write(const struct outbox_message *m, struct put *b) MUST_USE;
/* Spans borrow from it. ERR_VERSION; ERR_RANGE, ERR_SHORT, ERR_TRAILING: it is none. */
enum err outrecord_read(struct span raw, struct outbox_message *out) MUST_USE;

#endif

/* owners: a client id belongs to one identity for good, because whoever connects with it inherits its durable session:
 * subscriptions, queue and all (Mosquitto #3551, #3553). The table lives in memory; new bindings are written to the
 * directory by a thread of its own, so that the broker's thread does no I/O. Broker's thread only, but for that. */
#ifndef PULLCORD_OWNERS_H
#define PULLCORD_OWNERS_H

#include "directory.h"

struct owners;

/* Reads all bindings. The directory must outlive it. */
enum err owners_open(struct directory *d, struct owners **out) MUST_USE;
void owners_close(struct owners **o);             /* waits until every binding is durable */

/* NULL: nobody's yet. */
const struct owner *owners_find(const struct owners *o, const char *client);
/* OK: it is theirs, now or since long. ERR_EXISTS: somebody else's. ERR_FULL. */
enum err owners_bind(struct owners *o, const char *client, Pullcord__V1__Party party, const char *id) MUST_USE;

/* Why the last binding could not be written; OK when it could. */
enum err owners_trouble(const struct owners *o);

#endif

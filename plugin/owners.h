/* owners: a client id belongs to one identity for good, because whoever connects with it inherits its durable session:
 * subscriptions, queue and all (Mosquitto #3551, #3553). The table lives in memory; new bindings are written to the
 * directory by a thread of its own, so that the broker's thread does no I/O. So is who has something retained, which the
 * broker keeps over a restart and does not show us. Broker's thread only, but for that. */
#ifndef PULLCORD_OWNERS_H
#define PULLCORD_OWNERS_H

#include "directory.h"

struct owners;

/* Reads all bindings. The directory must outlive it. */
enum err owners_open(struct directory *d, struct owners **out) MUST_USE;
void owners_close(struct owners **o);             /* waits until every binding is durable */

/* NULL: nobody's yet. */
const struct owner *owners_find(const struct owners *o, const char *client);
/* OK: it is theirs, now or since long. ERR_EXISTS: somebody else's. ERR_FULL: no memory, or a person has
 * DIRECTORY_CLIENTS_MAX. ERR_RANGE: no id. */
enum err owners_bind(struct owners *o, const char *client, Pullcord__V1__Party party, const char *id) MUST_USE;

/* It retained something in this tenant, coming from this address; NULL: it has nothing retained any more. */
void owners_retain(struct owners *o, const char *client, const char *tenant, const char *address);
/* The client id of a device that has something retained, which is its id; NULL. */
const char *owners_device_retaining(const struct owners *o, struct span id);
/* How many have something retained; the client id of each in turn, from the first again after the last. NULL: nobody has. */
size_t owners_retaining(const struct owners *o);
const char *owners_next_retaining(struct owners *o);

/* Why the last binding could not be written; OK when it could. */
enum err owners_trouble(const struct owners *o);

#endif

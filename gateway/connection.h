/* connection: the gateway's one connection to a broker: dials, greets, notices that it is lost, moves to a better broker or to
 * a new certificate. A part of pipeline.c. */
#ifndef PULLCORD_CONNECTION_H
#define PULLCORD_CONNECTION_H

#include "gateway.h"

const char *connection_host(const struct gateway *g);   /* of the broker we are with, or dial */
void connection_step(struct gateway *g, enum link_event e);
void connection_lost(struct gateway *g, const char *why);
/* What the broker says. */
void connection_take(struct gateway *g);
void connection_tick(struct gateway *g);

#endif

/* inputs: all a gateway has. One that cannot be opened, for its address is not there yet or another program has it, hinders no
 * other: it is tried again until it can be. When it could not for a while the pipeline knows, which tells the staff. */
#ifndef PULLCORD_INPUTS_H
#define PULLCORD_INPUTS_H

#include "conf.h"
#include "pipeline.h"

struct inputs;

struct inputs_spec {
	const struct conf *conf;        /* its texts are borrowed until inputs_close() */
	const char *device;             /* the source's name where it has none */
	struct loop *loop;
	struct gateway *gateway;
};

/* ERR_FULL: no memory. */
enum err inputs_open(const struct inputs_spec *spec, struct inputs **out) MUST_USE;
void inputs_close(struct inputs **in);

#endif

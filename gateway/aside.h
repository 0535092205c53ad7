/* aside: shows a person what the broker refused for good. Works beside a gateway that runs. */
#ifndef PULLCORD_ASIDE_H
#define PULLCORD_ASIDE_H

#include <stdio.h>

#include "outbox.h"

/* A line each, or a JSON object each; how many into *n. Errors: those of outbox_each_aside(). */
enum err aside_print(const struct outbox_spec *spec, bool json, FILE *to, unsigned *n) MUST_USE;

#endif

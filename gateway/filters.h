/* filters: what a gateway hears: the acknowledgements of each of its units, receipts, commands, checkpoints. One block. */
#ifndef PULLCORD_FILTERS_H
#define PULLCORD_FILTERS_H

#include "conf.h"

#define FILTERS_MAX (CONF_UNITS_MAX + 4)

struct filters;

/* ERR_RANGE: names that are no words. */
enum err filters_make(const struct conf *c, const char *tenant, const char *device, struct filters **out) MUST_USE;
void filters_free(struct filters **f);
size_t filters_list(const struct filters *f, const char *out[FILTERS_MAX]);    /* how many; borrowed */
const char *filters_name(const struct filters *f, size_t at);                   /* "?" past the last */

#endif

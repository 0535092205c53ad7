/* filters: what a gateway hears: receipts, commands, checkpoints, other witnesses, the acknowledgements of each of its units. One
 * block. */
#ifndef PULLCORD_FILTERS_H
#define PULLCORD_FILTERS_H

#include "conf.h"

#define FILTERS_MAX (CONF_UNITS_MAX + 5)
#define FILTERS_TAKEN 64        /* by our broker's plugin, of one client */
#define FILTERS_RECEIPTS 0      /* the place of the receipts */
#define FILTERS_OTHERS 4        /* that are no unit's: receipts, commands, checkpoints, other witnesses */

struct filters;

/* ERR_RANGE: names that are no words. */
enum err filters_make(const struct conf *c, const char *tenant, const char *device, struct filters **out) MUST_USE;
void filters_free(struct filters **f);
size_t filters_list(const struct filters *f, const char *out[FILTERS_MAX]);    /* how many; borrowed */
const char *filters_name(const struct filters *f, size_t at);                   /* "?" past the last */

#endif

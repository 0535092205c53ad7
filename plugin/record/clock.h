/* clock: what time it is, for those edges that may ask. */
#ifndef PULLCORD_CLOCK_H
#define PULLCORD_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_us(clockid_t which);

#endif

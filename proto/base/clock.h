/* clock: what time it is, for those edges that may ask: CLOCK_REALTIME since 1970, CLOCK_MONOTONIC since the machine's start. */
#ifndef PULLCORD_CLOCK_H
#define PULLCORD_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_us(clockid_t which);
int64_t clock_ms(clockid_t which);

#endif

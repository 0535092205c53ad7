/* metrics: what the plugin counts and measures, told to those who may read it: as numbers on {tenant}/broker/{metric},
 * retained, each when it has changed and at most every METRICS_S; and to Prometheus, as text in a file that a thread writes.
 *
 * Counting is an addition on the broker's thread: no lock, no allocation. What other threads know is read from atomics. */
#ifndef PULLCORD_METRICS_H
#define PULLCORD_METRICS_H

#include "guard.h"

#define METRICS_S 10
#define METRICS_NONE INT64_MIN      /* not known: not told */

struct metrics {
#define METRIC(type, name, scale, text) int64_t name;
#include "metrics.def"
};

/* What is so now. From guard_tick() only. */
void metrics_look(const struct guard *g, struct metrics *out);
/* `tenant`: of the installation. ERR_TOO_LARGE. */
enum err metrics_text(const struct metrics *m, const char *tenant, struct put *out) MUST_USE;
/* One after the other, in order: name and value ("": it is not known); false past the last. */
bool metrics_next(const struct metrics *m, size_t *at, const char **name, char value[32]);

/* Once a second, from guard_tick(). */
void metrics_tick(struct guard *g);

#endif

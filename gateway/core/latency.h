/* latency: how long something took, each time: all of it in a histogram, the last LATENCY_RECENT as they were. Pure. */
#ifndef PULLCORD_LATENCY_H
#define PULLCORD_LATENCY_H

#include "base.h"

#define LATENCY_RECENT 512

/* Upper limits of the histogram's buckets, µs; one more bucket has none. */
#define LATENCY_LIMITS { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000 }
#define LATENCY_BUCKETS 15
extern const uint32_t latency_limit_us[LATENCY_BUCKETS - 1];

struct latency {
	uint64_t n, total_us;
	uint64_t bucket[LATENCY_BUCKETS];       /* each its own, not added up */
	uint32_t recent_us[LATENCY_RECENT];
};

void latency_add(struct latency *l, uint64_t us);
/* Of the recent ones: so many per mille took at most that long. 0: there was none. */
uint32_t latency_recent(const struct latency *l, unsigned per_mille);

#endif

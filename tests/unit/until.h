/* until: how tests wait for what another thread or process does. A test that passes waits no longer than that takes; one
 * that fails waits so long that no slow disk or busy machine can be the cause. */
#ifndef PULLCORD_UNTIL_H
#define PULLCORD_UNTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define UNTIL_S 60

static inline int64_t until_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Whether `condition` came true; the statement behind it is done between two looks: UNTIL(seen, guard_tick(g)). */
#define UNTIL(condition, ...) ({                                                                                       \
	const int64_t until_end_s = until_now_s() + UNTIL_S;                                                           \
	bool until_seen;                                                                                               \
	while (!(until_seen = (condition)) && until_now_s() < until_end_s) {                                           \
		__VA_ARGS__;                                                                                           \
		usleep(1000);                                                                                          \
	}                                                                                                              \
	until_seen;                                                                                                    \
})

#endif

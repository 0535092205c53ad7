/* pulse: whether the threads of a library still move, told by how often the kernel gave each of them a processor (proc(5)). Who
 * waits with a limit comes round; who is in a deadlock, or in a call that never returns, does not. */
#ifndef PULLCORD_PULSE_H
#define PULLCORD_PULSE_H

#include "base.h"

#define PULSE_THREADS 8             /* more of them are not looked at */
#define PULSE_GAP_MS 10000          /* who does not look for so long did not move itself: that counts against nobody */

struct pulse {
	int64_t looked_ms;
	unsigned n;
	struct pulse_thread {
		int tid;
		uint64_t turns;
		int64_t moved_ms;
	} thread[PULSE_THREADS];
};

/* How long the one of our threads whose name begins with `name` that is still longest has not moved, as far as the looks tell; 0:
 * all do, or there is none. `now_ms` is monotonic. All zero before the first look. */
int64_t pulse_still_ms(struct pulse *p, const char *name, int64_t now_ms);

#endif

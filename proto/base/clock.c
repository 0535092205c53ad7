#include "clock.h"

#include "base.h"

int64_t clock_us(clockid_t which)
{
	struct timespec t;

	must(clock_gettime(which, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_ms(clockid_t which)
{
	return clock_us(which) / 1000;
}

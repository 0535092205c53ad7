#include "latency.h"

#include <string.h>

const uint32_t latency_limit_us[] = LATENCY_LIMITS;

void latency_add(struct latency *l, uint64_t us)
{
	unsigned b = 0;

	while (b < LATENCY_BUCKETS - 1 && us > latency_limit_us[b])
		b++;
	l->bucket[b]++;
	l->recent_us[l->n++ % LATENCY_RECENT] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	l->total_us += us;
}

/* Hoare's selection: the value that would stand at `k` if they were sorted. */
static uint32_t select(uint32_t *v, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		uint32_t pivot = v[low + (high - low) / 2], swap;
		size_t i = low, j = high;

		for (;; i++, j--) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i >= j)
				break;
			swap = v[i];
			v[i] = v[j];
			v[j] = swap;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return v[k];
}

uint32_t latency_recent(const struct latency *l, unsigned per_mille)
{
	size_t n = l->n < LATENCY_RECENT ? (size_t)l->n : LATENCY_RECENT, upto = (n * per_mille + 999) / 1000;
	uint32_t v[LATENCY_RECENT];

	if (n == 0)
		return 0;
	memcpy(v, l->recent_us, n * sizeof(v[0]));
	return select(v, n, upto ? upto - 1 : 0);
}

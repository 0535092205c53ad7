/* seed: random cases that can be had again. TEST_SEED=number replays; a program that fails says which number it was. */
#ifndef PULLCORD_SEED_H
#define PULLCORD_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Under a sanitizer: ten times slower, so a tenth of a long run is enough there. */
#if defined(__has_feature)
#define SEED_SLOW __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SEED_SLOW 1
#else
#define SEED_SLOW 0
#endif
#define SEED_ROUNDS(n) (SEED_SLOW ? (n) / 10 : (n))

static uint64_t seed_first, seed_state;

static void seed_say(int status, void *unused)
{
	(void)unused;
	if (status)
		printf("# replay with TEST_SEED=%llu\n", (unsigned long long)seed_first);
}

/* xorshift64* (Vigna 2016); the first call reads TEST_SEED or takes the clock. */
static inline uint64_t seed_next(void)
{
	if (!seed_state) {
		const char *given = getenv("TEST_SEED");

		seed_first = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();
		seed_state = seed_first ? seed_first : 1;
		on_exit(seed_say, NULL);
	}
	seed_state ^= seed_state >> 12;
	seed_state ^= seed_state << 25;
	seed_state ^= seed_state >> 27;
	return seed_state * 0x2545f4914f6cdd1dULL;
}

/* Uniform enough in 0..n-1; 0 when n is 0. */
static inline uint64_t seed_below(uint64_t n)
{
	return n ? (seed_next() >> 11) % n : 0;
}

static inline void seed_bytes(void *out, size_t n)
{
	for (uint8_t *p = out; n--; p++)
		*p = (uint8_t)(seed_next() >> 56);
}

#endif

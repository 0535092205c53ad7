/* owners_bench: what it costs at a broker's start to know whose each client id is.
 *
 *     owners_bench DIR BINDINGS ROUNDS
 *
 * Makes a directory with so many client ids, five of each person, and reads it again and again: all into the broker's table,
 * and, as the floor, only off the store and out of their seals. A tab between name, unit, peer, figure and the peer's; CPU
 * of this process. Each binding is a transaction of its own when it is made, so DIR is better in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypt.h"
#include "owners.h"

#define EACH 5
#define BYTES_A_BINDING 1024        /* of the file, with room to spare */

static void fail(const char *what, enum err e)
{
	fprintf(stderr, "%s: %s\n", what, err_text(e));
	exit(1);
}

static double cpu_s(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct directory *make(const char *dir, long n)
{
	const uint8_t root[AEAD_KEY_BYTES] = { 1 };
	struct owner o = { .party = PULLCORD__V1__PARTY__PARTY_USER };
	struct directory *d = NULL;
	char path[600], client[65];
	enum err e;

	snprintf(path, sizeof(path), "%s/owners.mdb", dir);
	e = directory_open_room(path, root, (size_t)n * BYTES_A_BINDING, &d);
	for (long i = 0; e == OK && i < n; i++) {
		snprintf(o.id, sizeof(o.id), "s%ld", i / EACH);
		snprintf(client, sizeof(client), "s%ld.t%ld", i / EACH, i % EACH);
		e = directory_bind(d, span_str(client), &o);
	}
	if (e != OK)
		fail(path, e);
	return d;
}

static void count(void *ctx, struct span client, const struct owner *o)
{
	(void)client, (void)o;
	++*(long *)ctx;
}

static double table_s(struct directory *d)
{
	struct owners *o = NULL;
	double since = cpu_s(), took;
	enum err e = owners_open(d, &o);

	took = cpu_s() - since;
	if (e != OK)
		fail("owners_open", e);
	owners_close(&o);
	return took;
}

static double read_s(struct directory *d, long n)
{
	double since = cpu_s();
	long seen = 0;
	enum err e = directory_owners(d, count, &seen);

	if (e != OK || seen != n)
		fail("directory_owners", e != OK ? e : ERR_CORRUPT);
	return cpu_s() - since;
}

int main(int argc, char **argv)
{
	long n = argc == 4 ? atol(argv[2]) : 0, rounds = argc == 4 ? atol(argv[3]) : 0;
	struct directory *d;

	if (n < 1 || rounds < 1 || crypt_init() != OK) {
		fprintf(stderr, "owners_bench DIR BINDINGS ROUNDS\n");
		return 2;
	}
	d = make(argv[1], n);
	for (long i = 0; i < rounds; i++) {
		double ours = table_s(d), floor = read_s(d, n);

		printf("owners.start_s.%ldk\ts\treading them alone\t%.4f\t%.4f\n", n / 1000, ours, floor);
	}
	directory_close(&d);
	return 0;
}

/* echo: a person who publishes to themselves: how long a message takes through the broker.
 *
 *     echo CA PORT USER TOPIC HEX      BENCH_PASSWORD in the environment; HEX: a payload USER may publish on TOPIC, and read
 *
 *     < pace COUNT PER_S   > paced P50 P99      evenly; from publish to its coming back, ns
 *
 * QoS 0: on one connection they come in the order they were sent in, and none is lost. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crowd.h"
#include "load.h"

#define PACE_MAX 100000
#define PATIENCE_NS 30000000000LL

static int64_t sent_ns[PACE_MAX], wait_ns[PACE_MAX];
static struct waits waits;

static void note(void *ctx, struct span payload)
{
	(void)ctx, (void)payload;
	waits_add(&waits, load_now_ns() - sent_ns[waits.n]);
}

static void pace(int member, const char *topic, struct span payload, long count, long per_s)
{
	int64_t start = load_now_ns(), left;

	if (count < 1 || count > PACE_MAX || per_s < 1)
		load_fail("1 to %d messages", PACE_MAX);
	waits = (struct waits){ wait_ns, 0, (size_t)count };
	for (long i = 0; i < count; i++) {
		while ((left = start + i * 1000000000LL / per_s - load_now_ns()) > 0)
			crowd_turn((int)(left / 1000000) + 1);
		sent_ns[i] = load_now_ns();
		crowd_publish(member, topic, payload);
	}
	while (waits.n < waits.cap && load_now_ns() - start < PATIENCE_NS)
		crowd_turn(100);
	if (waits.n < waits.cap)
		load_fail("%zu of %zu messages came back", waits.n, waits.cap);
	load_say("paced %" PRId64 " %" PRId64, waits_percentile(&waits, 50), waits_percentile(&waits, 99));
}

int main(int argc, char **argv)
{
	char client[80], line[64];
	uint8_t payload[LOAD_BYTES_MAX];
	long count, per_s;
	size_t n;
	int self;

	if (argc != 6)
		load_fail("CA PORT USER TOPIC HEX");
	n = strlen(argv[5]) / 2;
	if (!hex_decode(span_str(argv[5]), payload, sizeof(payload)))
		load_fail("not hex: %s", argv[5]);
	snprintf(client, sizeof(client), "%s.echo", argv[3]);
	crowd_open(argv[1]);
	self = crowd_add(&(struct crowd_member){ .client = client, .user = argv[3], .password = getenv("BENCH_PASSWORD"),
						 .port = atoi(argv[2]), .filter = argv[4], .message = note });
	crowd_gather(60);
	load_say("ready");
	while (crowd_command(line, sizeof(line))) {
		if (sscanf(line, "pace %ld %ld", &count, &per_s) != 2)
			load_fail("no such command: %s", line);
		pace(self, argv[4], span(payload, n), count, per_s);
	}
	crowd_close();
	return 0;
}

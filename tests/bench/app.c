/* app: a care-team app that reads the alerts of a unit and notes when they come.
 *
 *     app CA PORT USER TENANT UNIT         BENCH_PASSWORD in the environment
 *
 *     < expect N        > ready              forgets what it saw; counts what is pressed from now on
 *     < result SECONDS  > got N P50 P99 LAST BYTES
 *
 * Waits until N came or the seconds are over. P50 and P99: from press to app, ns; LAST: when the last came, on
 * load_now_ns(); BYTES: of the largest. An alert counts once, however often it comes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crowd.h"
#include "load.h"

#define EXPECT_MAX 200000

static int64_t wait_ns[EXPECT_MAX];
static bool came[EXPECT_MAX];
static uint8_t scratch[ENVELOPE_ARENA];
static struct waits waits;
static int64_t since, last;
static size_t bytes;

static void note(void *ctx, struct span payload)
{
	struct arena arena = { scratch, sizeof(scratch), 0 };
	int64_t now = load_now_ns();
	struct envelope e;
	struct press p;

	(void)ctx;
	if (envelope_open(payload, NULL, 0, &arena, &e) != OK || e.head->kind != PULLCORD__V1__KIND__KIND_ALERT)
		load_fail("something that is no alert came");
	if (!press_read(e.body.alert->source_id, &p) || p.at_ns < since || p.n >= EXPECT_MAX || came[p.n])
		return;
	came[p.n] = true;
	last = now;
	bytes = payload.n > bytes ? payload.n : bytes;
	waits_add(&waits, now - p.at_ns);
}

static void expect(size_t n)
{
	if (n > EXPECT_MAX)
		load_fail("at most %d", EXPECT_MAX);
	memset(came, 0, sizeof(came));
	waits = (struct waits){ wait_ns, 0, n };
	since = load_now_ns();
	bytes = 0;
	load_say("ready");
}

static void result(int seconds)
{
	int64_t until = load_now_ns() + seconds * 1000000000LL;

	while (waits.n < waits.cap && load_now_ns() < until)
		crowd_turn(100);
	load_say("got %zu %" PRId64 " %" PRId64 " %" PRId64 " %zu", waits.n, waits_percentile(&waits, 50),
		 waits_percentile(&waits, 99), last, bytes);
}

int main(int argc, char **argv)
{
	char client[80], filter[TOPIC_BYTES_MAX + 1], line[64];
	long n;

	if (argc != 6)
		load_fail("CA PORT USER TENANT UNIT");
	snprintf(client, sizeof(client), "%s.app", argv[3]);
	snprintf(filter, sizeof(filter), "%s/unit/%s/alert/+/+", argv[4], argv[5]);
	load_open();
	crowd_open(argv[1]);
	crowd_add(&(struct crowd_member){ .client = client, .user = argv[3], .password = getenv("BENCH_PASSWORD"),
					  .port = atoi(argv[2]), .filter = filter, .message = note });
	crowd_gather(60);
	load_say("ready");
	while (crowd_command(line, sizeof(line))) {
		if (sscanf(line, "expect %ld", &n) == 1)
			expect((size_t)n);
		else if (sscanf(line, "result %ld", &n) == 1)
			result((int)n);
		else
			load_fail("no such command: %s", line);
	}
	crowd_close();
	return 0;
}

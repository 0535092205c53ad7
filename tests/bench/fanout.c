/* fanout: one device calls, many people read: what a delivery costs the broker.
 *
 *     fanout CA DEVICE_PORT APP_PORT CERT KEY TENANT UNIT DEVICE USERS TERMINALS      BENCH_PASSWORD in the environment
 *
 *     < go MESSAGES        > done DELIVERIES NS
 *
 * Everybody is connected before the first command, says "ready", and stays. The device has the name DEVICE, the people
 * u0, u1, ... with TERMINALS connections each; all of them read every alert of the unit. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "crowd.h"
#include "load.h"

#define WINDOW 64               /* messages on their way: the broker always has some, its queues stay short */
#define PATIENCE_NS 30000000000LL

static int64_t received;

static void count_it(void *ctx, struct span payload)
{
	(void)ctx, (void)payload;
	received++;
}

static char *text(const char *fmt, ...) PRINTF_LIKE(1, 2);
static char *text(const char *fmt, ...)
{
	va_list args;
	char *out;

	va_start(args, fmt);
	if (vasprintf(&out, fmt, args) < 0)
		load_fail("out of memory");
	va_end(args);
	return out;
}

static void run(int device, struct caller *caller, int64_t messages, int64_t readers)
{
	int64_t start = load_now_ns();
	uint32_t sent = 0;

	for (received = 0; received < messages * readers; crowd_turn(1000)) {
		if (load_now_ns() - start > PATIENCE_NS)
			load_fail("%" PRId64 " of %" PRId64 " deliveries came", received, messages * readers);
		for (; sent < messages && sent - received / readers < WINDOW; sent++)
			crowd_publish(device, caller->topic, caller_next(caller, sent));
	}
	load_say("done %" PRId64 " %" PRId64, received, load_now_ns() - start);
}

int main(int argc, char **argv)
{
	struct caller caller;
	int device, users, terminals;
	char line[64];
	long messages;

	if (argc != 11)
		load_fail("CA DEVICE_PORT APP_PORT CERT KEY TENANT UNIT DEVICE USERS TERMINALS");
	load_open();
	users = atoi(argv[9]);
	terminals = atoi(argv[10]);
	caller_init(&caller, argv[6], argv[7], "medium", argv[8]);
	crowd_open(argv[1]);
	device = crowd_add(&(struct crowd_member){ .client = argv[8], .user = argv[8], .cert = argv[4], .key = argv[5],
						   .port = atoi(argv[2]) });
	for (int i = 0; i < users * terminals; i++) {
		char *user = text("u%d", i / terminals);

		crowd_add(&(struct crowd_member){ .client = text("%s.%d", user, i % terminals), .user = user,
						  .password = getenv("BENCH_PASSWORD"), .port = atoi(argv[3]),
						  .filter = text("%s/unit/%s/alert/+/+", argv[6], argv[7]),
						  .message = count_it });
	}
	crowd_gather(60);
	load_say("ready %zu", caller_next(&caller, 0).n);
	while (crowd_command(line, sizeof(line))) {
		if (sscanf(line, "go %ld", &messages) != 1)
			load_fail("no such command: %s", line);
		run(device, &caller, messages, users * terminals);
	}
	crowd_close();
	return 0;
}

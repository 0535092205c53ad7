/* outbox_bench: what the gateway's outbox takes by itself, without a broker: kept, sealed, flushed, and deleted again.
 *
 *     outbox_bench FOLDER ROUNDS
 *
 * As a source and a broker use it: at most WINDOW messages not yet durable, and each that is, is delivered at once. One
 * line a figure and round, by tabs: name, unit, what the floor is, ours, floor. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "outbox.h"

#define MESSAGES 20000
#define WINDOW 256
#define MAP_BYTES (16u << 20)
#define SAME "the same bytes, in clear, appended to a file and flushed as often"

struct figures {
	double rate, cpu_us;
	uint64_t commits;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool woken;

static void wake(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	woken = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void wait_woken(void)
{
	pthread_mutex_lock(&lock);
	while (!woken)
		pthread_cond_wait(&changed, &lock);
	woken = false;
	pthread_mutex_unlock(&lock);
}

static int64_t now_ns(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* An alert of its own condition, of `bytes` once packed. */
static void bring(struct outbox *o, uint32_t n, size_t bytes)
{
	static uint8_t envelope[1024];
	char source_id[16];
	struct outbox_message m = {
		.tier = FLIGHT_TIER_CALM - 1, .opens = true, .topic = SPAN_LIT("mercy/unit/icu3/alert/high/icu3-nc1"),
		.input = SPAN_LIT("beds"), .source = SPAN_LIT("station-7"), .envelope = span(envelope, bytes),
	};

	crypt_random(m.id.b, sizeof(m.id.b));
	crypt_random(m.key, sizeof(m.key));
	snprintf(source_id, sizeof(source_id), "%u", n);
	m.source_id = span_str(source_id);
	must(outbox_put(o, &m, NULL) == OK);
}

/* The broker has it at once; of the alerts that are open the oldest is forgotten, as the gateway does. */
static void durable(struct outbox *o, const struct outbox_done *d, uint32_t n)
{
	static uint8_t open[OPEN_MAX][OPEN_KEY];

	must(outbox_delivered(o, &d->id) == OK);
	if (n >= OPEN_MAX)
		must(outbox_forget(o, open[n % OPEN_MAX]) == OK);
	memcpy(open[n % OPEN_MAX], d->m.key, OPEN_KEY);
}

static struct figures keep(const char *folder, size_t bytes)
{
	const uint8_t root[AEAD_KEY_BYTES] = { 1 };
	char path[256], lock_path[256];
	struct outbox_spec spec = { path, root, MAP_BYTES, wake, NULL };
	struct outbox_health health;
	struct outbox *o = NULL;
	uint32_t sent = 0, kept = 0;
	struct outbox_done d;
	int64_t start, cpu;
	struct figures f;

	snprintf(path, sizeof(path), "%s/outbox.mdb", folder);
	snprintf(lock_path, sizeof(lock_path), "%s/outbox.mdb-lock", folder);
	must(outbox_open(&spec, &o) == OK);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	start = now_ns(CLOCK_MONOTONIC);
	while (kept < MESSAGES) {
		while (sent < MESSAGES && sent - kept < WINDOW)
			bring(o, sent++, bytes);
		wait_woken();
		while (outbox_next(o, &d)) {
			must(d.err == OK);
			if (d.work == WORK_PUT)
				durable(o, &d, kept++);
		}
	}
	f.rate = MESSAGES * 1e9 / (double)(now_ns(CLOCK_MONOTONIC) - start);
	outbox_sync(o);
	f.cpu_us = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / MESSAGES;
	outbox_health(o, &health);
	f.commits = health.flush.n;
	outbox_close(&o);
	unlink(path);
	unlink(lock_path);
	return f;
}

static struct figures append(const char *folder, size_t bytes, uint64_t flushes)
{
	size_t n = MESSAGES / flushes * bytes;
	uint8_t *batch = calloc(1, n);
	int64_t start, cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	char path[256];
	struct figures f = { .commits = flushes };
	int fd;

	snprintf(path, sizeof(path), "%s/plain.log", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(batch && fd >= 0);
	start = now_ns(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < flushes; i++)
		must(write(fd, batch, n) == (ssize_t)n && fdatasync(fd) == 0);
	f.rate = MESSAGES * 1e9 / (double)(now_ns(CLOCK_MONOTONIC) - start);
	f.cpu_us = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3 / MESSAGES;
	close(fd);
	free(batch);
	unlink(path);
	return f;
}

static void say(const char *name, const char *unit, double ours, double floor)
{
	printf("%s\t%s\t" SAME "\t%.6g\t%.6g\n", name, unit, ours, floor);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct { const char *rate, *cpu; size_t bytes; } sizes[] = {
		{ "outbox.alone_128", "outbox.alone_cpu_128", 128 }, { "outbox.alone_1k", "outbox.alone_cpu_1k", 1024 },
	};
	int rounds = argc == 3 ? atoi(argv[2]) : 0;

	if (rounds < 1) {
		fprintf(stderr, "usage: outbox_bench FOLDER ROUNDS\n");
		return 2;
	}
	must(crypt_init() == OK);
	for (int i = 0; i < rounds; i++)
		for (size_t k = 0; k < countof(sizes); k++) {
			struct figures ours = keep(argv[1], sizes[k].bytes), floor = append(argv[1], sizes[k].bytes, ours.commits);

			say(sizes[k].rate, "messages/s", ours.rate, floor.rate);
			say(sizes[k].cpu, "µs", ours.cpu_us, floor.cpu_us);
		}
	return 0;
}

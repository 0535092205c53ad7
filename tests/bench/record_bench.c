/* record_bench: what the record costs, each figure beside a floor measured in the same run.
 *
 *     record_bench FOLDER ROUNDS WHAT        cost, enqueue or line
 *
 * One line a figure and round, by tabs: name, unit, what the floor is, ours, floor. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "audited.h"
#include "forward.h"
#include "recording.h"
#include "trail.h"

#define EVENTS 400000
#define BATCH 4096              /* events to one flush of the floor's file */
#define PACE_PER_S 50000
#define PACE_EVENTS 150000

static int64_t now_ns(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void say(const char *name, const char *unit, const char *against, double ours, double floor)
{
	printf("%s\t%s\t%s\t%.6g\t%.6g\n", name, unit, against, ours, floor);
	fflush(stdout);
}

/* What an alert in a ward looks like: 250 bytes once packed. */
static struct happening event(uint64_t i, struct id *id, uint8_t policy[16])
{
	struct happening h = publish(i);

	memcpy(id->b, &i, sizeof(i));
	h.client = SPAN_LIT("ana.terminal-12");
	h.topic = SPAN_LIT("mercy/unit/icu3/alert/high/nursecall-0815");
	h.message = id;
	h.policy = policy;
	h.detail = SPAN_LIT("a word or two about it, as there often are");
	return h;
}

/* ---- durable events, and what they take on the disk ---- */

static double write_plain(const char *folder, size_t each, double *cpu_us)
{
	static uint8_t line[512];
	char path[256];
	int64_t start, cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	uint8_t *batch = malloc(BATCH * each);
	int fd;

	snprintf(path, sizeof(path), "%s/plain.log", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(batch && fd >= 0);
	start = now_ns(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < EVENTS; i += BATCH) {
		for (uint64_t k = 0; k < BATCH; k++)
			memcpy(batch + k * each, line, each);
		must(write(fd, batch, BATCH * each) == (ssize_t)(BATCH * each) && fdatasync(fd) == 0);
	}
	start = now_ns(CLOCK_MONOTONIC) - start;
	*cpu_us = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e3 / EVENTS;
	close(fd);
	free(batch);
	return EVENTS * 1e9 / (double)start;
}

static size_t packed_bytes(void)
{
	struct id id = { { 0 } };
	uint8_t policy[16] = { 1 };
	struct happening h = event(EVENTS, &id, policy);
	struct fold *fold = NULL;
	size_t n;

	must(fold_open(&fold) == OK && fold_add(fold, &h));
	n = fold_take(fold).n;
	fold_close(&fold);
	return n;
}

static double used_bytes(const struct recording *g)
{
	struct trail *t = NULL;
	struct store_room room;

	must(trail_open(g->path, 1 << 20, true, &t) == OK && trail_room(t, &room) == OK);
	trail_close(&t);
	return (double)(room.all - room.free) * (double)room.page_bytes;
}

static void durable_events(struct recording *g)
{
	uint8_t policy[16] = { 1 };
	int64_t start, cpu, mine;
	double plain_cpu, plain = write_plain(g->folder, packed_bytes(), &plain_cpu), ours, ours_cpu;
	struct id id = { { 0 } };

	must(record_open(&g->spec, &g->record) == OK);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	mine = now_ns(CLOCK_THREAD_CPUTIME_ID);
	start = now_ns(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < EVENTS; i++) {
		struct happening h = event(i, &id, policy);

		while (!record_try(g->record, &h))
			usleep(500);
	}
	while (!record_settled(g->record, record_ticket(g->record)))
		usleep(500);
	ours = EVENTS * 1e9 / (double)(now_ns(CLOCK_MONOTONIC) - start);
	mine = now_ns(CLOCK_THREAD_CPUTIME_ID) - mine;
	ours_cpu = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu - mine) / 1e3 / EVENTS;
	record_close(&g->record);
	say("record.events_per_s", "events/s", "the same bytes, in clear, appended to a file and flushed", ours, plain);
	say("record.cpu_per_event", "µs", "the same bytes, in clear, appended to a file and flushed", ours_cpu,
	    plain_cpu);
	say("record.bytes_per_event", "bytes", "the event packed, in clear", used_bytes(g) / EVENTS,
	    (double)packed_bytes());
}

/* ---- verifying what that left ---- */

static void verification(const struct recording *g)
{
	struct verify_spec spec = recording_verify(g);
	static uint8_t text[512];
	struct verify_report report;
	struct hash h = { { 0 } };
	int64_t start, ours;
	size_t n = packed_bytes();

	start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	must(verify_record(&spec, &report) == OK && report.opened == EVENTS);
	ours = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint64_t i = 0; i < EVENTS; i++) {
		memcpy(text, h.b, sizeof(h.b));
		h = tree_leaf(span(text, n + ENTRY_SEAL_EXTRA));
	}
	start = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	say("record.verify_us", "µs", "hashing as many bytes once", (double)ours / 1e3 / (double)report.entries,
	    (double)start / 1e3 / EVENTS);
}

/* ---- what the broker's thread waits ---- */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* `record` NULL: the floor, a copy of as many bytes. Sorted. */
static void pace(struct record *record, uint32_t *took)
{
	static uint8_t from[300], to[1 << 20];
	int64_t due = now_ns(CLOCK_MONOTONIC), before;
	uint8_t policy[16] = { 1 };
	struct id id = { { 0 } };

	for (uint64_t i = 0; i < PACE_EVENTS; i++, due += 1000000000 / PACE_PER_S) {
		struct happening h = event(i, &id, policy);

		while (now_ns(CLOCK_MONOTONIC) < due)
			;
		before = now_ns(CLOCK_MONOTONIC);
		if (record)
			must(record_push(record, &h));
		else
			memcpy(to + i * sizeof(from) % (sizeof(to) - sizeof(from)), from, sizeof(from));
		took[i] = (uint32_t)(now_ns(CLOCK_MONOTONIC) - before);
	}
	qsort(took, PACE_EVENTS, sizeof(*took), by_size);
}

static void enqueueing(struct recording *g)
{
	static const struct { const char *name; double part; } at[] = {
		{ "record.enqueue_p50_us", 0.5 }, { "record.enqueue_p99_us", 0.99 }, { "record.enqueue_p999_us", 0.999 },
	};
	uint32_t *ours = calloc(PACE_EVENTS, sizeof(*ours)), *floor = calloc(PACE_EVENTS, sizeof(*floor));

	g->spec.ring_bytes = 64 << 20;      /* a disk that is slow for a second is no matter here */
	must(ours && floor && record_open(&g->spec, &g->record) == OK);
	pace(g->record, ours);
	record_close(&g->record);
	pace(NULL, floor);
	for (size_t i = 0; i < countof(at); i++) {
		size_t k = (size_t)(at[i].part * PACE_EVENTS);

		say(at[i].name, "µs", "a copy of as many bytes", ours[k] / 1e3, floor[k] / 1e3);
	}
	free(ours);
	free(floor);
}

/* ---- the forward-secure line ---- */

#define LINES 1000
#define KEYS 4096

/* What 2^16 epochs' keys take is 16 times that of KEYS. */
static void forward_secure_line(struct recording *g)
{
	CLEANUP(free_cleanup) forward_pub *pub = calloc(KEYS, sizeof(*pub));
	uint8_t seed[FORWARD_SEED_BYTES] = { 1 };
	struct checkpoint c = { span_str(RECORDING_ORIGIN), EVENTS, { { 1 } } };
	char text[NOTE_BYTES_MAX], alone[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text)), bare = put(alone, sizeof(alone));
	struct forward_root root;
	struct forward_key key;
	struct span body, lines;
	int64_t at[5] = { now_ns(CLOCK_THREAD_CPUTIME_ID) };
	uint32_t epoch;

	must(pub);
	for (unsigned i = 0; i < KEYS; i++) {
		must(forward_public(seed, pub[i]) == OK);
		forward_seed_next(seed);
	}
	at[1] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < KEYS; i++)
		must(sign_public(g->secret, pub[0]) == OK);
	at[2] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	say("line.key_us", "µs", "a public key alone", (double)(at[1] - at[0]) / 1e3 / KEYS,
	    (double)(at[2] - at[1]) / 1e3 / KEYS);

	memset(seed, 1, sizeof(seed));
	must(forward_public(seed, pub[0]) == OK);
	forward_first(pub, 12, &root, &key);
	must(note_write(&c, g->secret, &bare) == OK && note_split(put_span(&bare), &body, &lines) == OK);
	at[0] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < LINES; i++) {
		note.n = 0;
		put_bytes(&note, put_span(&bare));
		must(forward_sign(body, c.origin, &root, &key, seed, &note) == OK);
	}
	at[1] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < LINES; i++) {
		bare.n = 0;
		must(note_write(&c, g->secret, &bare) == OK);
	}
	at[2] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < LINES; i++)
		must(forward_check(put_span(&note), c.origin, &root, &epoch) == OK);
	at[3] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < LINES; i++)
		must(note_open(put_span(&note), c.origin, g->pub, &c) == OK);
	at[4] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	say("line.sign_us", "µs", "a checkpoint without", (double)(at[1] - at[0]) / 1e3 / LINES,
	    (double)(at[2] - at[1]) / 1e3 / LINES);
	say("line.verify_us", "µs", "the checkpoint's own signature", (double)(at[3] - at[2]) / 1e3 / LINES,
	    (double)(at[4] - at[3]) / 1e3 / LINES);
}

static void cost(struct recording *g)
{
	durable_events(g);
	verification(g);
}

static const struct { const char *what; void (*measure)(struct recording *g); } parts[] = {
	{ "cost", cost }, { "enqueue", enqueueing }, { "line", forward_secure_line },
};

int main(int argc, char **argv)
{
	int rounds = argc == 4 ? atoi(argv[2]) : 0;
	size_t k = 0;

	while (k < countof(parts) && (argc != 4 || strcmp(argv[3], parts[k].what) != 0))
		k++;
	if (rounds < 1 || k == countof(parts)) {
		fprintf(stderr, "usage: record_bench FOLDER ROUNDS cost|enqueue|line\n");
		return 2;
	}
	for (int i = 0; i < rounds; i++) {
		struct recording g;

		recording_make_in(&g, argv[1]);
		g.spec.map_bytes = 512u << 20;
		g.spec.ring_bytes = 16 << 20;
		parts[k].measure(&g);
		recording_drop(&g);
	}
	return 0;
}

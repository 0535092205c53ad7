/* A process that takes events and says which are durable is killed at random points, again and again over one file.
 * Then: nothing it called durable is lost, nothing is there twice, each tier is in order, counts that were folded are
 * not forgotten, and what it called delivered does not come back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "outbox.h"
#include "scratch.h"
#include "seed.h"
#include "until.h"

#define ROUNDS 48
#define EVENTS 200000
#define HOLDERS 8                   /* conditions that are being folded */
#define MAP (16u << 20)
#define REMEMBERED 4000             /* source_ids it surely still knows */

/* What happened to each event, as the child said it before it died. Shared, so that a kill cannot take it back. */
enum { UNKNOWN, DURABLE, ASKED, DELIVERED };   /* ASKED: to be forgotten, and maybe was */
static struct said {
	atomic_uint next;                   /* event number */
	atomic_uint opened;                 /* times */
	atomic_uint held_count[EVENTS];     /* of a held message, by the number of its first event: durable count */
	_Atomic uint8_t fate[EVENTS];
	atomic_bool failed;
} *said;

static struct scratch scratch;
static uint8_t root[AEAD_KEY_BYTES] = "a root key of thirty-two bytes!!";

static void no_wake(void *ctx) { (void)ctx; }

static struct outbox *open_it(void)
{
	const struct outbox_spec spec = { scratch_path(&scratch, "outbox.mdb"), root, MAP, no_wake, NULL };
	struct outbox *o = NULL;

	if (outbox_open(&spec, &o) != OK)
		atomic_store(&said->failed, true);
	return o;
}

/* The number is the id: what is found can be named. */
static struct id id_of_number(uint32_t n)
{
	struct id id = { { 0 } };

	for (int i = 0; i < 4; i++)
		id.b[i] = (uint8_t)(n >> (24 - 8 * i));
	return id;
}

static uint32_t number_of(const struct id *id)
{
	return (uint32_t)id->b[0] << 24 | (uint32_t)id->b[1] << 16 | (uint32_t)id->b[2] << 8 | id->b[3];
}

struct holder {
	uint32_t first, count;
};

static enum err bring(struct outbox *o, uint32_t n, uint32_t as, uint32_t count, bool hold)
{
	char source_id[24], body[48];
	const struct outbox_message m = {
		.id = id_of_number(as), .tier = n % FLIGHT_TIERS, .topic = SPAN_LIT("t"), .input = SPAN_LIT("i"),
		.source = SPAN_LIT("s"),
		.source_id = span(source_id, (size_t)snprintf(source_id, sizeof(source_id), "%u", n)),
		.envelope = span(body, (size_t)snprintf(body, sizeof(body), "%u %u", as, count)),
	};
	uint64_t seq;

	return hold ? outbox_hold(o, &m) : outbox_put(o, &m, &seq);
}

static enum err count_of(const struct outbox_message *m, uint32_t *count)
{
	char text[48];

	return span_text(m->envelope, text, sizeof(text)) && sscanf(text, "%*u %u", count) == 1 ? OK : ERR_CORRUPT;
}

static void hear(struct outbox *o)
{
	struct outbox_done d;

	while (outbox_next(o, &d)) {
		uint32_t n = number_of(&d.id), count;

		if (d.err != OK)
			continue;
		if (d.work == WORK_HOLD) {
			must(count_of(&d.m, &count) == OK);
			atomic_store(&said->held_count[n], count);
		} else if (d.work == WORK_PUT) {
			bool ask = seed_below(2);

			atomic_store(&said->fate[n], ask ? ASKED : DURABLE);
			must(!ask || outbox_delivered(o, &d.id) == OK);
		} else if (d.work == WORK_DELIVERED) {
			atomic_store(&said->fate[n], DELIVERED);
		}
	}
}

static void one_event(struct outbox *o, struct holder *h)
{
	uint32_t n = atomic_fetch_add(&said->next, 1);
	enum err e;

	must(n < EVENTS);
	if (seed_below(3)) {
		e = bring(o, n, n, 1, false);
	} else {
		if (h->count == 0 || seed_below(8) == 0)
			*h = (struct holder){ n, 0 };   /* the one before stays held until the restart */
		e = bring(o, n, h->first, ++h->count, true);
	}
	if (e == ERR_BUSY)
		usleep(200);
}

static _Noreturn void child(uint64_t seed)
{
	struct holder h[HOLDERS] = { { 0, 0 } };
	struct outbox *o;

	seed_state = seed | 1;
	o = open_it();
	atomic_fetch_add(&said->opened, 1);
	while (o) {
		for (uint64_t burst = 1 + seed_below(20); burst; burst--)
			one_event(o, &h[seed_below(HOLDERS)]);
		hear(o);
		usleep((useconds_t)seed_below(600));   /* or it would fill the file, and old ones yield */
	}
	_exit(1);
}

static struct { uint32_t n; uint32_t count[EVENTS]; uint64_t last[FLIGHT_TIERS]; bool order; } found;

static enum err look(void *ctx, const struct flight_item *at)
{
	struct outbox_scratch *room = malloc(sizeof(*room));
	struct outbox_message m;
	uint32_t n = number_of(&at->id), count = 0;
	enum err e = outbox_read(ctx, at, room, &m);

	if (e == OK)
		e = count_of(&m, &count);
	free(room);
	TRY(e);
	found.order = found.order && at->seq > found.last[at->tier];
	found.last[at->tier] = at->seq;
	if (found.count[n])
		return ERR_EXISTS;
	found.count[n] = count;
	found.n++;
	return OK;
}

static void check(void)
{
	struct outbox *o = open_it();

	assert_non_null(o);
	memset(&found, 0, sizeof(found));
	found.order = true;
	assert_int_equal(outbox_each(o, look, o), OK);
	assert_true(found.order);
	for (uint32_t n = 0; n < atomic_load(&said->next) && n < EVENTS; n++) {
		uint8_t fate = atomic_load(&said->fate[n]);
		char source_id[24];

		snprintf(source_id, sizeof(source_id), "%u", n);
		if (fate == DURABLE)
			assert_int_equal(found.count[n], 1);
		if (fate != UNKNOWN && n + REMEMBERED > atomic_load(&said->next))
			assert_int_equal(outbox_seen(o, SPAN_LIT("s"), span_str(source_id), &(struct digest){ { 0 } }),
					 SEEN_SAME);
		if (fate == DELIVERED)
			assert_int_equal(found.count[n], 0);
		assert_true(found.count[n] >= atomic_load(&said->held_count[n]));
	}
	outbox_close(&o);
}

/* So that the file does not fill up. */
static void empty(void)
{
	struct outbox *o = open_it();
	struct outbox_done d;

	assert_non_null(o);
	for (uint32_t n = 0; n < EVENTS; n++) {
		struct id id = id_of_number(n);

		if (found.count[n])
			assert_int_equal(outbox_delivered(o, &id), OK);
	}
	outbox_sync(o);
	while (outbox_next(o, &d)) {
		assert_int_equal(d.err, OK);
		atomic_store(&said->fate[number_of(&d.id)], DELIVERED);
		atomic_store(&said->held_count[number_of(&d.id)], 0);
	}
	outbox_close(&o);
}

/* Most are let to their work first, however slow the machine; some die while they open the file. */
static void let_it_begin(unsigned opened)
{
	if (seed_below(8))
		assert_true(UNTIL(atomic_load(&said->opened) != opened));
}

static void killed_at_any_moment_it_keeps_its_word(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned opened = atomic_load(&said->opened);
		uint64_t seed = seed_next();
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			child(seed);
		let_it_begin(opened);
		usleep(2000 + (useconds_t)seed_below(25000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_false(atomic_load(&said->failed));
		check();
		if (seed_below(4) == 0)
			empty();
	}
	print_message("# %u events\n", atomic_load(&said->next));
	assert_true(atomic_load(&said->next) > ROUNDS);
}

static int make(void **state)
{
	(void)state;
	scratch_make(&scratch);
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return said != MAP_FAILED && crypt_init() == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return munmap(said, sizeof(*said));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed_at_any_moment_it_keeps_its_word) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, drop);
}

/* The power goes at any moment, and of what was not flushed any sector is or is not there: what the outbox called durable,
 * and what the broker's history gave a receipt for, is there, whole; what was let go does not come back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "outbox.h"
#include "scratch.h"
#include "shelf.h"
#include "torn.h"

#define MAP (1u << 20)
#define STEPS 60
#define MESSAGES 512
#define NEVER SIZE_MAX

static struct scratch scratch;
static uint8_t root[AEAD_KEY_BYTES] = "a root key of thirty-two bytes!!";

/* Of each message, after how many entries it was called durable, was asked to go, and was called gone. */
static struct { size_t durable, asked, gone; } said[MESSAGES];
static unsigned made;
static bool there[MESSAGES];
static unsigned images;

static void forget(void)
{
	made = 0;
	for (unsigned i = 0; i < MESSAGES; i++) {
		said[i].durable = said[i].asked = said[i].gone = NEVER;
		there[i] = false;
	}
}

static void check_against(size_t end)
{
	/* A last write that flushes itself is still under way: nothing was said after it. */
	size_t told = end && torn.entry[end - 1].alone ? end - 1 : end;

	for (unsigned n = 0; n < made; n++) {
		if (said[n].durable <= told && said[n].asked > end && !there[n])
			fail_msg("message %u was durable after %zu of %zu writes, and is lost", n, said[n].durable, end);
		if (said[n].gone <= told && there[n])
			fail_msg("message %u was gone after %zu of %zu writes, and is back", n, said[n].gone, end);
		there[n] = false;
	}
}

static struct id id_of_number(unsigned n)
{
	struct id id = { { 0 } };

	id.b[0] = (uint8_t)(n >> 8);
	id.b[1] = (uint8_t)n;
	return id;
}

static unsigned number_of(const struct id *id) { return (unsigned)id->b[0] << 8 | id->b[1]; }

static struct span body_of(unsigned n, uint8_t room[1500])
{
	memset(room, (int)n, 1500);
	return span(room, 40 + n * 37 % 1400);   /* some on pages of their own */
}

/* ---- the outbox ---- */

static void no_wake(void *ctx) { (void)ctx; }

static void hear(struct outbox *o)
{
	struct outbox_done d;

	outbox_sync(o);
	while (outbox_next(o, &d)) {
		unsigned n = number_of(&d.id);

		assert_int_equal(d.err, OK);
		if (d.work == WORK_PUT)
			said[n].durable = torn_at();
		else if (d.work == WORK_DELIVERED)
			said[n].gone = torn_at();
	}
}

static void outbox_step(struct outbox *o)
{
	uint8_t room[1500];
	char id[16];

	for (uint64_t k = 1 + seed_below(4); k && made < MESSAGES; k--, made++) {
		const struct outbox_message m = {
			.id = id_of_number(made), .tier = made % FLIGHT_TIERS, .topic = SPAN_LIT("t"), .input = SPAN_LIT("i"),
			.source = SPAN_LIT("s"), .source_id = span(id, (size_t)snprintf(id, sizeof(id), "%u", made)),
			.envelope = body_of(made, room),
		};

		assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	}
	for (uint64_t k = seed_below(3); k; k--) {
		unsigned n = (unsigned)seed_below(made);
		struct id gone = id_of_number(n);

		if (said[n].durable == NEVER || said[n].asked != NEVER)
			continue;
		said[n].asked = torn_at();
		assert_int_equal(outbox_delivered(o, &gone), OK);
	}
	hear(o);
}

struct looking {
	struct outbox *o;
	uint64_t last[FLIGHT_TIERS];
	struct outbox_scratch room;
};

static enum err look(void *ctx, const struct flight_item *at)
{
	struct looking *l = ctx;
	struct outbox_message m;
	uint8_t room[1500];
	struct span want = body_of(number_of(&at->id), room);

	TRY(outbox_read(l->o, at, &l->room, &m));
	if (!span_eq(m.envelope, want) || at->seq <= l->last[at->tier])
		return ERR_CORRUPT;
	l->last[at->tier] = at->seq;
	there[number_of(&at->id)] = true;
	return OK;
}

static void check_outbox(const char *path, size_t end)
{
	static struct looking l;
	const struct outbox_spec spec = { path, root, MAP, no_wake, NULL };

	l = (struct looking){ 0 };
	assert_int_equal(outbox_open(&spec, &l.o), OK);
	assert_int_equal(outbox_each(l.o, look, &l), OK);
	outbox_close(&l.o);
	check_against(end);
}

/* ---- history ---- */

static const char receipt[] = "mercy/device/nc-1/stored";

static void hear_receipts(struct shelf *s)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct id id[64];

	for (size_t n; (n = shelf_owed(s, topic, id, countof(id)));)
		for (size_t i = 0; i < n; i++)
			said[number_of(&id[i])].durable = torn_at();
}

static void shelf_step(struct shelf *s)
{
	uint8_t room[1500];

	for (uint64_t k = 1 + seed_below(4); k && made < MESSAGES; k--, made++) {
		struct id id = id_of_number(made);

		assert_int_equal(shelf_put(s, made + 1, &id, receipt, body_of(made, room)), OK);
	}
	for (uint64_t k = seed_below(3); k; k--) {
		unsigned n = (unsigned)seed_below(made);

		if (said[n].asked != NEVER)
			continue;
		said[n].asked = torn_at();
		shelf_del(s, n + 1);
	}
	usleep((useconds_t)seed_below(4000));
	hear_receipts(s);
}

static bool look_at_row(void *ctx, uint64_t number, struct span value)
{
	unsigned *wrong = ctx;
	uint8_t room[1500];

	if (number == 0 || number > MESSAGES || !span_eq(value, body_of((unsigned)number - 1, room)))
		++*wrong;
	else
		there[number - 1] = true;
	return true;
}

static void check_history(const char *path, size_t end)
{
	struct shelf *s = NULL;
	unsigned wrong = 0;

	assert_int_equal(shelf_open(path, root, MAP, look_at_row, &wrong, &s), OK);
	assert_int_equal(wrong, 0);
	assert_int_equal(shelf_damaged(s), 0);
	shelf_close(&s);
	check_against(end);
}

/* ---- all of it ---- */

/* After each write and flush: nothing of what was not flushed, all of it, and two that chance makes. */
static void replay(void (*check)(const char *path, size_t end))
{
	char path[400], lock[400];
	size_t all = torn.entries, every = all / 120 + 1;

	torn.on = false;
	images = 0;
	snprintf(path, sizeof(path), "%s", scratch_path(&scratch, "image.mdb"));
	snprintf(lock, sizeof(lock), "%s", scratch_path(&scratch, "image.mdb-lock"));
	for (size_t end = seed_below(every); end <= all; end += every)
		for (unsigned chance = 0; chance <= 4; chance += 1 + (unsigned)seed_below(3), images++) {
			torn_image(path, end, chance);
			remove(lock);
			check(path, end);
		}
	print_message("# %zu writes and flushes, %u images\n", all, images);
	torn_end();
}

static void what_the_outbox_called_durable_survives(void **state)
{
	const struct outbox_spec spec = { scratch_path(&scratch, "outbox.mdb"), root, MAP, no_wake, NULL };
	struct outbox *o = NULL;

	(void)state;
	assert_int_equal(outbox_open(&spec, &o), OK);
	torn_watch(spec.path);
	for (int i = 0; i < STEPS; i++)
		outbox_step(o);
	outbox_close(&o);
	replay(check_outbox);
}

static void what_history_gave_a_receipt_for_survives(void **state)
{
	const char *path = scratch_path(&scratch, "history.mdb");
	struct shelf *s = NULL;
	unsigned wrong = 0;

	(void)state;
	assert_int_equal(shelf_open(path, root, MAP, look_at_row, &wrong, &s), OK);
	torn_watch(path);
	for (int i = 0; i < STEPS; i++)
		shelf_step(s);
	shelf_close(&s);
	replay(check_history);
}

static int make(void **state)
{
	(void)state;
	forget();
	scratch_make(&scratch);
	return crypt_init() == OK ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	scratch_remove(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_the_outbox_called_durable_survives, make, drop),
		cmocka_unit_test_setup_teardown(what_history_gave_a_receipt_for_survives, make, drop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* outboxed: an outbox in a scratch folder, messages that say their number, and its results, waited for. */
#ifndef PULLCORD_OUTBOXED_H
#define PULLCORD_OUTBOXED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "outbox.h"
#include "scratch.h"
#include "seed.h"
#include "store.h"
#include "until.h"

#define MAP (1u << 20)
#define AT_ONCE 16

static struct scratch scratch;
static struct outbox *o;
static uint8_t root[AEAD_KEY_BYTES] = "a root key of thirty-two bytes!!";
static struct id_maker ids;
static struct outbox_scratch room;

static inline void no_wake(void *ctx) { (void)ctx; }

static inline struct outbox_spec spec_of(size_t map)
{
	return (struct outbox_spec){ scratch_path(&scratch, "outbox.mdb"), root, map, no_wake, NULL };
}

static inline void open_it(void)
{
	struct outbox_spec spec = spec_of(MAP);

	assert_int_equal(outbox_open(&spec, &o), OK);
}

static inline void reopen(void)
{
	outbox_close(&o);
	open_it();
}

static inline int make(void **state)
{
	(void)state;
	if (crypt_init() != OK)
		return -1;
	scratch_make(&scratch);
	id_init(&ids, SPAN_LIT("mercy"), 1, SPAN_LIT("nc-1"), 0);
	open_it();
	return 0;
}

static inline int drop(void **state)
{
	(void)state;
	outbox_close(&o);
	scratch_remove(&scratch);
	return 0;
}

/* A message whose envelope says its number; the source_id, too, so that no two are the same. */
static inline struct outbox_message message(unsigned tier, unsigned n)
{
	static char text[2][32];
	static uint8_t body[600];

	snprintf(text[0], sizeof(text[0]), "message %u", n);
	snprintf(text[1], sizeof(text[1]), "id-%u", n);
	memset(body, 'x', sizeof(body));
	memcpy(body, text[0], sizeof(text[0]));
	return (struct outbox_message){
		.id = id_next(&ids, 1000), .tier = tier, .topic = SPAN_LIT("mercy/unit/icu3/alert/high/nc-1"),
		.input = SPAN_LIT("monitors"), .source = SPAN_LIT("MON412B"), .source_id = span_str(text[1]),
		.envelope = span(body, sizeof(body)),
	};
}

static inline struct id put_one(unsigned tier, unsigned n)
{
	struct outbox_message m = message(tier, n);

	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	return m.id;
}

/* Until all that was asked for is done: on a busy machine, under valgrind, that takes longer than outbox_sync() waits. */
static inline void settle(void) { assert_true(UNTIL(outbox_sync(o))); }

/* The next result, waited for. */
static inline struct outbox_done done(enum outbox_work work, enum err err)
{
	struct outbox_done d;

	settle();
	assert_true(outbox_next(o, &d));
	assert_int_equal(d.work, work);
	assert_string_equal(err_name(d.err), err_name(err));
	return d;
}

struct all {
	unsigned n;
	struct flight_item item[8192];
};

static inline enum err collect(void *ctx, const struct flight_item *at)
{
	struct all *a = ctx;

	a->item[a->n++] = *at;
	return OK;
}

static inline struct all *all(void)
{
	static struct all a;

	a.n = 0;
	assert_int_equal(outbox_each(o, collect, &a), OK);
	return &a;
}

static inline unsigned number_at(const struct flight_item *at)
{
	struct outbox_message m;
	unsigned n;

	assert_int_equal(outbox_read(o, at, &room, &m), OK);
	assert_int_equal(sscanf((const char *)m.envelope.p, "message %u", &n), 1);
	assert_true(span_is(m.topic, "mercy/unit/icu3/alert/high/nc-1"));
	return n;
}

static inline struct outbox_message hold_one(struct id id, unsigned n)
{
	struct outbox_message m = message(2, n);

	m.id = id;
	assert_int_equal(outbox_hold(o, &m), OK);
	done(WORK_HOLD, OK);
	return m;
}

static inline uint64_t rows(const char *name)
{
	const char *const tables[] = { name, NULL };
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = MAP, .table = tables, .read_only = true };
	struct store *s = NULL;
	struct txn *t = NULL;
	uint64_t count;

	outbox_close(&o);
	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_read(s, &t), OK);
	assert_int_equal(txn_count(t, 0, &count), OK);
	txn_abort(&t);
	store_close(&s);
	open_it();
	return count;
}

#define WITH_OUTBOX(test) cmocka_unit_test_setup_teardown(test, make, drop)

#endif

/* era: over crashes and failing disks, what went out and was not kept has its name again, and nothing that is forgotten has. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "era.h"
#include "seed.h"

#define MOST 64
#define KEYS 150                    /* things that can be said */
#define PENDING 32
#define ROUNDS 60000
#define FRESH UINT64_MAX            /* it has a name of its own */

/* What was said: under which number it was named. */
struct said {
	unsigned key;
	uint64_t number, order;         /* number 0: it had no name, or is not said but written: the era's next number */
	bool out;
};

static struct world {
	struct era era;
	uint64_t on_disk, row, crashes;
	uint64_t kept_as[KEYS], kept_at[KEYS];  /* the last time: number, row */
	struct said pending[PENDING];
	unsigned n, writes;
	uint64_t sent_as[KEYS], sent_at[KEYS];  /* not kept: number and row when it went out; 0: nothing */
} w;

static bool remembered(unsigned key)
{
	if (w.kept_at[key] && w.row - w.kept_at[key] <= MOST)
		return true;
	for (unsigned i = 0; i < w.n; i++)
		if (w.pending[i].key == key && w.pending[i].number)
			return true;
	return false;
}

/* Numbers rise: so the last says it. */
static void is_not_of_something_else(unsigned key, uint64_t number)
{
	if (w.kept_as[key] == number)
		fail_msg("row %u had the name that row %u would get", (unsigned)w.kept_at[key], (unsigned)w.row);
}

static void has_its_name(unsigned key, uint64_t number)
{
	if (w.sent_as[key] && w.row - w.sent_at[key] < era_keeps(MOST) && w.sent_as[key] != number)
		fail_msg("sent at row %u as of %u, again at row %u as of %u", (unsigned)w.sent_at[key],
			 (unsigned)w.sent_as[key], (unsigned)w.row, (unsigned)number);
}

static void bring(struct said s)
{
	w.pending[w.n++] = s;
	if (s.number)
		era_brought(&w.era);
}

static void say(unsigned key)
{
	uint64_t number = era_names(&w.era, w.row) ? w.era.number : FRESH;
	bool out = era_early(&w.era, w.row);

	if (w.n >= PENDING - 1 || remembered(key))
		return;
	if (number != FRESH) {
		is_not_of_something_else(key, number);
		has_its_name(key, number);
	}
	bring((struct said){ key, number, 0, out });
	if (!out)
		return;
	w.sent_as[key] = w.era.failing || number == FRESH ? 0 : number;         /* what is not kept then may change its name */
	w.sent_at[key] = w.row;
}

static void step(void)
{
	if (era_step(&w.era, w.row))
		bring((struct said){ .order = w.row });
}

/* The next few are kept, or not; what was held back goes out when it may. */
static void commit(unsigned n, bool ok)
{
	for (unsigned i = 0; i < n && w.n; i++) {
		struct said s = w.pending[0];

		memmove(w.pending, w.pending + 1, --w.n * sizeof(s));
		if (!s.number) {
			if (ok)
				w.on_disk = s.order;
			era_written(&w.era, s.order, ok);
			w.writes += ok;
			continue;
		}
		if (ok) {
			w.kept_as[s.key] = s.number;
			w.kept_at[s.key] = w.row++;
			w.sent_as[s.key] = 0;
		}
		era_back(&w.era, s.out, ok, w.row);
	}
	step();
	for (unsigned i = 0; i < w.n; i++)
		if (w.pending[i].number && !w.pending[i].out && era_early(&w.era, w.row)) {
			w.pending[i].out = true;
			w.sent_as[w.pending[i].key] = w.era.failing ? 0 : w.pending[i].number;
			w.sent_at[w.pending[i].key] = w.row;
		}
}

static void start(void)
{
	w.n = 0;
	era_init(&w.era, w.on_disk, w.row, MOST);
}

static void make_world(void)
{
	memset(&w, 0, sizeof(w));
	w.row = w.on_disk = 1000;
	start();
}

/* `faults` of 1,000 steps. */
static void live(unsigned rounds, unsigned faults)
{
	for (unsigned i = 0; i < rounds; i++) {
		bool fault = seed_below(1000) < faults;

		if (fault && seed_below(2))
			start(), w.crashes++;
		else if (seed_below(3))
			say((unsigned)seed_below(KEYS));
		else
			commit(1 + (unsigned)seed_below(4), !fault);
	}
}

static void whatever_fails_names_are_kept_and_never_given_twice(void **state)
{
	static const unsigned faults[] = { 0, 2, 20, 100, 300 };

	(void)state;
	for (size_t i = 0; i < countof(faults); i++) {
		make_world();
		live(ROUNDS, faults[i]);
		assert_true(w.writes > 10 && (w.crashes > 0) == (faults[i] > 0));
	}
}

/* It is not held back for long after it was. */
static void what_is_well_goes_out_early(void **state)
{
	unsigned held = 0;

	(void)state;
	make_world();
	live(ROUNDS, 300);
	live(40 * MOST, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		live(1, 0);
		held += !era_early(&w.era, w.row);
	}
	assert_in_range(held, 1, ROUNDS / 2);   /* commits are of four messages at most here, eras of eight */
}

/* Nobody would hear of what is neither kept nor sent. */
static void when_nothing_can_be_kept_it_goes_out(void **state)
{
	(void)state;
	make_world();
	w.row += MOST / 4 * 3;
	start();
	say(1);
	say(2);
	assert_false(era_early(&w.era, w.row));
	commit(1, false);
	assert_int_equal(w.era.state, ERA_STEADY);
	assert_true(era_early(&w.era, w.row));
	commit(1, true);
	assert_false(era_early(&w.era, w.row));
}

/* It keeps its name also where an era ends, over a crash, too: for as many as there are till it must. */
static void what_goes_out_then_keeps_its_name(void **state)
{
	(void)state;
	for (unsigned crash = 0; crash < 2; crash++) {
		make_world();
		w.row += MOST / 16 * 14 - 1;
		start();
		say(1);
		commit(1, false);
		say(1);
		assert_true(w.pending[0].out);
		commit(1, false);
		if (crash)
			start();
		for (unsigned i = 0; i < era_late(MOST); i++) {
			assert_int_equal(w.era.number, 1000);
			assert_int_equal(w.era.state, ERA_STEADY);
			say(2 + i);
			commit(1, true);
		}
		commit(1, true);
		assert_int_equal(w.writes, 1);
	}
}

/* Nor when it is the next number that cannot be written: that is not asked for again and again before something was kept. */
static void nor_does_it_wait_for_the_number(void **state)
{
	(void)state;
	make_world();
	w.row += MOST;
	start();
	step();
	assert_int_equal(w.n, 1);
	commit(1, false);
	assert_int_equal(w.n, 0);
	assert_true(era_early(&w.era, w.row));
	say(1);
	commit(1, true);
	assert_int_equal(w.n, 1);
	commit(1, true);
	assert_int_equal(w.writes, 1);
}

/* Every other one is sent and refused, as when there is no room. */
static void an_era_ends_in_any_case(void **state)
{
	unsigned nameless = 0;

	(void)state;
	make_world();
	for (unsigned i = 0; i < 20 * MOST; i++) {
		say(i % KEYS);
		nameless += !era_names(&w.era, w.row);
		while (w.n)
			commit(1, seed_below(2));
	}
	assert_in_range(nameless, 0, MOST);
	assert_in_range(w.writes, 3, 20);   /* as seldom as may be */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_fails_names_are_kept_and_never_given_twice),
		cmocka_unit_test(what_is_well_goes_out_early),
		cmocka_unit_test(when_nothing_can_be_kept_it_goes_out),
		cmocka_unit_test(what_goes_out_then_keeps_its_name),
		cmocka_unit_test(nor_does_it_wait_for_the_number),
		cmocka_unit_test(an_era_ends_in_any_case),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

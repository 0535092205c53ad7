/* The power goes at any write of a record that is at work, its own writer's and LMDB's: to the store, the keys of its segments, the
 * sizes it signed and the seed of its line. Of what was not flushed any sector is or is not there. What was durable is recovered,
 * whole, and no checkpoint was shown to anybody that is larger than that. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "recording.h"
#include "seed.h"
#include "sizes.h"
#include "torn.h"
#include "until.h"

#define ROUNDS 40
#define FILES 4

static const char *const names[FILES] = { "record.mdb", "record.mdb-keys", "record.sizes", "record.line" };
static struct recording g, image;
static char line[96], image_line[96];

/* What had been said after so many writes. */
static struct { size_t at; uint64_t durable, shown; } said[2 * ROUNDS];
static unsigned n_said;

static void path_of(const struct recording *r, unsigned i, char out[128])
{
	snprintf(out, 128, "%s/%s", r->folder, names[i]);
}

static int up(void **state)
{
	struct recording *both[] = { &g, &image };

	(void)state;
	for (size_t i = 0; i < countof(both); i++) {
		recording_make(both[i]);
		snprintf(i ? image_line : line, sizeof(line), "%s/record.line", both[i]->folder);
		both[i]->spec.line_path = i ? image_line : line;
		both[i]->spec.line_every_us = 1;
		both[i]->spec.line_depth = 5;
		both[i]->spec.map_bytes = 2 << 20;
	}
	n_said = 0;
	return 0;
}

static int down(void **state)
{
	(void)state;
	torn_end();
	recording_drop(&g);
	recording_drop(&image);
	return 0;
}

/* Said first, then counted: by so many writes at the latest it was true. */
static void note_said(void)
{
	char note[NOTE_BYTES_MAX];
	uint64_t shown = n_said ? said[n_said - 1].shown : 0, durable = record_durable(g.record);

	(void)record_checkpoint(g.record, &shown, note, sizeof(note));
	said[n_said].durable = durable;
	said[n_said].shown = shown;
	said[n_said++].at = torn_at();
}

static void work(void)
{
	char path[128];
	uint64_t i = 0;

	assert_int_equal(record_open(&g.spec, &g.record), OK);
	assert_true(UNTIL(record_lined(g.record)));
	record_close(&g.record);                /* its files are there, and reserved */
	for (unsigned f = 0; f < FILES; f++) {
		path_of(&g, f, path);
		assert_int_equal(torn_watch(path), (int)f);
	}
	assert_int_equal(record_open(&g.spec, &g.record), OK);
	for (int round = 0; round < ROUNDS; round++) {
		for (uint64_t k = 1 + seed_below(60); k; k--) {
			struct happening h = publish(i++);

			assert_true(record_push(g.record, &h));
		}
		if (seed_below(8) == 0)
			record_turn(g.record);
		assert_true(UNTIL(record_settled(g.record, record_ticket(g.record))));
		note_said();
		if (seed_below(6) == 0) {
			uint64_t now = record_durable(g.record), shown = 0;
			char note[NOTE_BYTES_MAX];

			assert_true(UNTIL((shown = 0, record_checkpoint(g.record, &shown, note, sizeof(note)) && shown >= now)));
			note_said();
		}
	}
	record_close(&g.record);
	torn.on = false;
}

static void check_image(size_t end, unsigned chance)
{
	struct verify_spec verify = recording_verify(&image);
	struct verify_report report;
	/* A last write that flushes itself is still under way: nothing was said after it. */
	size_t told = end && torn.entry[end - 1].alone ? end - 1 : end;
	uint64_t durable = 0, shown = 0, have;
	char path[128];
	enum err e;

	for (unsigned f = 0; f < FILES; f++) {
		path_of(&image, f, path);
		torn_image_of((int)f, path, end, chance);
	}
	(void)unlink((snprintf(path, sizeof(path), "%s-lock", image.path), path));
	for (unsigned i = 0; i < n_said && said[i].at <= told; i++) {
		durable = said[i].durable;
		shown = said[i].shown;
	}
	e = record_open(&image.spec, &image.record);
	if (e != OK)
		fail_msg("after %zu of %zu writes it is not opened: %s", end, torn.entries, err_name(e));
	have = record_durable(image.record);
	record_close(&image.record);
	if (have < durable || have < shown)
		fail_msg("after %zu of %zu writes %llu entries are there, %llu were durable, %llu shown as signed", end, torn.entries,
			 (unsigned long long)have, (unsigned long long)durable, (unsigned long long)shown);
	e = verify_record(&verify, &report);
	if (e != OK)
		fail_msg("after %zu of %zu writes it is not whole: %s", end, torn.entries, err_name(e));
}

static void acceptance_6_whenever_the_power_goes_what_was_durable_is_recovered(void **state)
{
	unsigned images = SEED_ROUNDS(240);

	(void)state;
	work();
	assert_true(torn.entries > 4 * ROUNDS);
	for (unsigned i = 0; i < images; i++)
		check_image(i < 20 ? torn.entries - i : seed_below(torn.entries + 1), (unsigned)seed_below(5));
}

/* The sizes file: the slot that was being written may be anything; what it had before is known still. */
static void a_torn_slot_leaves_the_newest_size(void **state)
{
	char text[NOTE_BYTES_MAX];
	struct checkpoint c = { span_str(RECORDING_ORIGIN), 0, { { 1 } } }, have;
	struct sizes *sizes = NULL;
	uint8_t *before, *after;
	size_t n;

	(void)state;
	recording_make(&g);
	for (uint64_t i = 1; i <= 2 * SIZES_SLOTS; i++) {
		struct put note = put(text, sizeof(text));

		c.size = 100 + i;
		assert_int_equal(note_write(&c, g.secret, &note), OK);
		assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, false, &sizes), OK);
		before = slurp(g.sizes, &n);
		assert_int_equal(sizes_append(sizes, put_span(&note)), OK);
		sizes_close(&sizes);
		after = slurp(g.sizes, &n);
		if (i > 1 && i % 8 == 0) {
			size_t cut = (i - 1) % SIZES_SLOTS * SIZES_SLOT_BYTES + seed_below(100);

			memcpy(before + cut / SIZES_SLOT_BYTES * SIZES_SLOT_BYTES, after + cut / SIZES_SLOT_BYTES * SIZES_SLOT_BYTES,
			       cut % SIZES_SLOT_BYTES);
			spill(g.sizes, before, n);
			assert_int_equal(sizes_open(g.sizes, c.origin, g.pub, false, &sizes), OK);
			assert_int_equal(sizes_newest(sizes, &have), OK);
			assert_int_equal(have.size, c.size - 1);
			sizes_close(&sizes);
			spill(g.sizes, after, n);
		}
		free(before);
		free(after);
	}
	recording_drop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acceptance_6_whenever_the_power_goes_what_was_durable_is_recovered, up, down),
		cmocka_unit_test(a_torn_slot_leaves_the_newest_size),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

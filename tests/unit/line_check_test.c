/* What entries and checkpoints have to say of the forward-secure line, and what is not believed. Pure. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fsline.h"
#include "turns.h"
#include "line_check.h"

#define NAME SPAN_LIT("hospital.example/audit/main")
#define EVERY (900 * 1000000LL)
#define BEGAN 1770000000000000LL

static const uint8_t log_secret[SIGN_KEY_BYTES] = { 9 };
static struct fsline first, second;
static struct line_check check;
static uint64_t at;             /* entries so far */

static int up(void **state)
{
	(void)state;
	fsline_make(&first, 7, 3);
	fsline_make(&second, 8, 2);
	check = (struct line_check){ .begun = false };
	at = 0;
	return 0;
}

static enum err entry(struct entry e)
{
	e.kind = e.type ? ENTRY_CONTROL : ENTRY_SEALED;
	at++;
	return line_check_entry(&check, &e);
}

static enum err event(void) { return entry((struct entry){ .seq = 1 }); }

static enum err root(const struct fsline *l, int64_t at_us)
{
	struct entry e = { .type = CONTROL_LINE_ROOT, .depth = l->root.depth, .every_us = EVERY, .at_us = at_us };

	memcpy(e.commitment, l->root.hash.b, sizeof(e.commitment));
	return entry(e);
}

static enum err end(uint64_t epoch, int64_t at_us, bool clock_set)
{
	return entry((struct entry){ .type = CONTROL_EPOCH_END, .number = epoch, .at_us = at_us, .clock_set = clock_set });
}

static enum err note(const struct fsline *by, uint32_t epoch, int64_t at_us)
{
	struct checkpoint c = { NAME, at, { { 1 } } };
	char text[NOTE_BYTES_MAX];

	return line_check_note(&check, at, fsline_note(by, epoch, &c, log_secret, text), NAME, at_us);
}

static void assert_says(enum err e, const char *what)
{
	assert_int_equal(e, ERR_CORRUPT);
	if (!strstr(check.what, what))
		fail_msg("%s", check.what);
}

/* The line begins, and epochs before `epoch` are closed as they should be. */
static void begun_until(uint32_t epoch)
{
	assert_int_equal(event(), OK);
	assert_int_equal(note(NULL, 0, BEGAN), OK);             /* none is asked for yet */
	assert_int_equal(root(&first, BEGAN), OK);
	for (uint32_t i = 0; i < epoch; i++) {
		int64_t began = BEGAN + i * EVERY;

		assert_int_equal(note(&first, i, began + 1000000), OK);
		assert_int_equal(event(), OK);
		assert_int_equal(end(i, began + EVERY, false), OK);
		assert_int_equal(note(&first, i, began + EVERY), OK);
	}
	assert_int_equal(check.epoch, epoch);
	assert_int_equal(check.ends, epoch);
}

static void a_line_is_borne_out(void **state)
{
	(void)state;
	begun_until(7);
	assert_int_equal(check.size, at);
	assert_int_equal(event(), OK);
	assert_int_equal(note(&first, 7, BEGAN + 7 * EVERY + 1), OK);
}

static void from_its_root_on_no_checkpoint_is_without(void **state)
{
	(void)state;
	begun_until(2);
	assert_int_equal(event(), OK);
	assert_says(note(NULL, 0, BEGAN + 2 * EVERY), "has no line");
	assert_says(note(&second, 2, BEGAN + 2 * EVERY), "has no line");
}

static void epochs_have_no_gap_and_their_checkpoints_are_of_them(void **state)
{
	(void)state;
	begun_until(3);
	assert_says(note(&first, 2, BEGAN + 3 * EVERY), "is of epoch 2 where epoch 3 is due");
	assert_says(note(&first, 4, BEGAN + 3 * EVERY), "is of epoch 4 where epoch 3 is due");
	assert_says(end(4, BEGAN + 4 * EVERY, false), "ends epoch 4 where epoch 3 is due");
	assert_says(end(2, BEGAN + 4 * EVERY, false), "ends epoch 2 where epoch 3 is due");
	up(state);
	assert_says(end(0, BEGAN, false), "did not begin");
}

static void an_epoch_has_one_closing_seal(void **state)
{
	(void)state;
	begun_until(1);
	assert_int_equal(end(1, BEGAN + 2 * EVERY, false), OK);
	assert_says(event(), "no checkpoint of its key closes that");
	up(state);
	begun_until(1);
	assert_int_equal(end(1, BEGAN + 2 * EVERY, false), OK);
	assert_says(note(&first, 2, BEGAN + 2 * EVERY), "is of epoch 2 where epoch 1 is due");
	up(state);
	begun_until(1);
	assert_int_equal(end(1, BEGAN + 2 * EVERY, false), OK);
	assert_int_equal(note(&first, 1, BEGAN + 2 * EVERY), OK);
	assert_says(end(1, BEGAN + 2 * EVERY, false), "where epoch 2 is due");
}

static void a_checkpoint_is_of_its_epoch_s_time(void **state)
{
	const int64_t began = BEGAN + 2 * EVERY;

	(void)state;
	begun_until(2);
	assert_int_equal(note(&first, 2, began - LINE_SKEW_US), OK);
	assert_int_equal(note(&first, 2, began + EVERY + LINE_SKEW_US), OK);
	assert_says(note(&first, 2, began - LINE_SKEW_US - 1), "before epoch 2");
	assert_says(note(&first, 2, began + EVERY + LINE_SKEW_US + 1), "after the time of epoch 2");
	assert_int_equal(note(&first, 2, 0), OK);                       /* not known */
	assert_int_equal(end(2, began + 1000 * EVERY, false), OK);      /* the broker was off */
	assert_int_equal(note(&first, 2, began + 1000 * EVERY), OK);
	assert_says(note(&first, 3, began + 2 * EVERY), "before epoch 3");
	assert_says(end(3, began, false), "before that began");
	assert_int_equal(end(3, began, true), OK);
	assert_int_equal(note(&first, 3, began), OK);
	assert_int_equal(note(&first, 4, began + 1), OK);
}

static void another_line_is_vouched_for_by_the_one_before(void **state)
{
	(void)state;
	begun_until(2);
	assert_int_equal(root(&second, BEGAN + 3 * EVERY), OK);
	assert_says(event(), "does not vouch for it");
	up(state);
	begun_until(2);
	assert_int_equal(root(&second, BEGAN + 3 * EVERY), OK);
	assert_says(root(&first, BEGAN + 3 * EVERY), "does not vouch for it");
	up(state);
	begun_until(2);
	assert_int_equal(root(&second, BEGAN + 3 * EVERY), OK);
	assert_int_equal(end(2, BEGAN + 3 * EVERY, false), OK);
	assert_says(note(&second, 0, BEGAN + 3 * EVERY), "has no line");
	assert_int_equal(note(&first, 2, BEGAN + 3 * EVERY), OK);
	assert_int_equal(event(), OK);
	assert_says(note(&first, 3, BEGAN + 3 * EVERY), "has no line");
	assert_int_equal(note(&second, 0, BEGAN + 3 * EVERY), OK);
	assert_int_equal(check.lines, 2);
	assert_int_equal(check.epoch, 0);
}

static void a_seed_that_is_further_on_tells_of_a_record_that_was_cut(void **state)
{
	(void)state;
	assert_int_equal(line_check_seed(&check, &first.root, 5), OK);  /* no line: it may be about to begin */
	begun_until(3);
	assert_int_equal(line_check_seed(&check, &first.root, 3), OK);
	assert_int_equal(line_check_seed(&check, &first.root, 2), OK);
	assert_says(line_check_seed(&check, &first.root, 4), "cut or set back");
	assert_says(line_check_seed(&check, &second.root, 0), "is not in it");
	assert_int_equal(root(&second, BEGAN + 4 * EVERY), OK);
	assert_int_equal(line_check_seed(&check, &second.root, 0), OK);
	assert_int_equal(end(3, BEGAN + 4 * EVERY, false), OK);
	assert_int_equal(note(&first, 3, BEGAN + 4 * EVERY), OK);
	assert_int_equal(line_check_seed(&check, &first.root, 3), OK);  /* read a moment before */
	assert_says(line_check_seed(&check, &second.root, 1), "cut or set back");
}

static void marks_of_an_older_version_are_counted(void **state)
{
	(void)state;
	assert_int_equal(entry((struct entry){ .type = CONTROL_LINE_BEGIN }), OK);
	assert_int_equal(entry((struct entry){ .type = CONTROL_LINE_MARK }), OK);
	assert_int_equal(note(NULL, 0, BEGAN), OK);
	assert_int_equal(check.marks, 1);
}

#define T(name) cmocka_unit_test_setup(name, up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_line_is_borne_out),
		T(from_its_root_on_no_checkpoint_is_without),
		T(epochs_have_no_gap_and_their_checkpoints_are_of_them),
		T(an_epoch_has_one_closing_seal),
		T(a_checkpoint_is_of_its_epoch_s_time),
		T(another_line_is_vouched_for_by_the_one_before),
		T(a_seed_that_is_further_on_tells_of_a_record_that_was_cut),
		T(marks_of_an_older_version_are_counted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "words.h"

#define WORDS 1000

static struct word_slot slot[4096];
static struct span text[WORDS + 1];

static struct words table(uint64_t key0, uint64_t key1)
{
	memset(slot, 0, sizeof(slot));
	return (struct words){ { key0, key1 }, slot, text, (uint32_t)words_slots(WORDS) - 1, 0 };
}

static uint32_t find(const struct words *w, struct span s)
{
	return words_find(w, words_hash(w->key, s), s);
}

static void a_word_keeps_its_number(void **state)
{
	struct words w = table(1, 2);
	static char name[WORDS][8];

	(void)state;
	assert_true(words_slots(WORDS) >= 2 * WORDS && words_slots(WORDS) <= countof(slot));
	for (uint32_t i = 0; i < WORDS; i++) {
		snprintf(name[i], sizeof(name[i]), "w%u", i);
		assert_int_equal(find(&w, span_str(name[i])), 0);
		assert_int_equal(words_add(&w, span_str(name[i])), i + 1);
		assert_int_equal(words_add(&w, span_str(name[i])), i + 1);
	}
	for (uint32_t i = 0; i < WORDS; i++)
		assert_int_equal(find(&w, span_str(name[i])), i + 1);
	assert_int_equal(w.n, WORDS);
}

/* Under the key of zeros the hash is the exclusive or of the halves, so these two collide. */
static void words_that_collide_are_still_two(void **state)
{
	struct words w = table(0, 0);
	struct span one = SPAN_LIT("abcdefghABCDEFGH"), two = SPAN_LIT("ABCDEFGHabcdefgh");

	(void)state;
	assert_true(words_hash(w.key, one) == words_hash(w.key, two));
	assert_int_equal(words_add(&w, one), 1);
	assert_int_equal(find(&w, two), 0);
	assert_int_equal(words_add(&w, two), 2);
	assert_int_equal(find(&w, one), 1);
	assert_int_equal(find(&w, two), 2);
}

static void another_key_is_another_hash(void **state)
{
	const uint64_t a[2] = { 1, 2 }, b[2] = { 1, 4 }, c[2] = { 2, 2 };
	struct span s = SPAN_LIT("icu3");

	(void)state;
	assert_true(words_hash(a, s) != words_hash(b, s) && words_hash(a, s) != words_hash(c, s));
	assert_true(words_hash(a, s) != words_hash(a, SPAN_LIT("icu3\0")));     /* padding counts */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_keeps_its_number),
		cmocka_unit_test(words_that_collide_are_still_two),
		cmocka_unit_test(another_key_is_another_hash),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

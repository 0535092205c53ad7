/* table: against a slow model that cannot be wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "seed.h"
#include "table.h"

#define CAP 20

/* Keys in order of their last touch. */
static struct model { unsigned n; uint8_t key[CAP][TABLE_KEY]; } model;

static int model_find(const uint8_t *key)
{
	for (unsigned i = 0; i < model.n; i++)
		if (memcmp(model.key[i], key, TABLE_KEY) == 0)
			return (int)i;
	return -1;
}

static void model_del(int at)
{
	model.n--;
	memmove(model.key[at], model.key[at + 1], (model.n - (unsigned)at) * TABLE_KEY);
}

static void model_add(const uint8_t *key) { memcpy(model.key[model.n++], key, TABLE_KEY); }

static void same_as_model(const struct table *t)
{
	uint32_t s = t->oldest;

	assert_int_equal(t->count, model.n);
	for (unsigned i = 0; i < model.n; i++)
		assert_memory_equal(table_key(t, table_find(t, model.key[i])), model.key[i], TABLE_KEY);
	if (!t->turn)
		return;
	for (unsigned i = 0; i < model.n; i++, s = table_newer(t, s)) {
		assert_int_not_equal(s, TABLE_NONE);
		assert_memory_equal(table_key(t, s), model.key[i], TABLE_KEY);
		assert_int_equal(table_find(t, model.key[i]), s);
	}
	assert_int_equal(s, TABLE_NONE);
}

static void one_step(struct table *t)
{
	uint8_t key[TABLE_KEY] = { (uint8_t)seed_below(32) };
	uint32_t s = table_find(t, key);
	int at = model_find(key);

	assert_int_equal(s == TABLE_NONE, at < 0);
	if (at < 0) {
		s = table_add(t, key);
		assert_int_equal(s == TABLE_NONE, model.n == CAP);
		if (s != TABLE_NONE)
			model_add(key);
	} else if (t->turn && seed_below(2)) {
		table_touch(t, s);
		model_del(at);
		model_add(key);
	} else {
		table_del(t, s);
		model_del(at);
	}
}

static void steps(struct table *t)
{
	for (int i = 0; i < 20000; i++) {
		one_step(t);
		same_as_model(t);
	}
}

static void behaves_as_its_model(void **state)
{
	struct table t;
	void *memory = calloc(1, table_bytes(CAP));

	(void)state;
	table_init(&t, CAP, memory);
	steps(&t);
	free(memory);
}

static void without_order_it_finds_the_same(void **state)
{
	struct table t;
	void *memory = calloc(1, table_bytes_unordered(CAP));

	(void)state;
	model.n = 0;
	table_init_unordered(&t, CAP, memory);
	steps(&t);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_as_its_model),
		cmocka_unit_test(without_order_it_finds_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

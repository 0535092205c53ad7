/* shelf: a full file is room again once somebody sees to what is in it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "crypt.h"
#include "scratch.h"
#include "shelf.h"
#include "until.h"

#define RECEIPT "mercy/device/nc-1/stored"

static const uint8_t root[32] = { 7 };
static struct scratch scratch;
static struct shelf *s;
static uint8_t big[60000];

static bool stays(void *ctx, uint64_t number, struct span value) { return (void)ctx, (void)number, (void)value, true; }

static int make(void **state)
{
	(void)state;
	assert_int_equal(crypt_init(), OK);
	scratch_make(&scratch);
	assert_int_equal(shelf_open(scratch_path(&scratch, "history.mdb"), root, 4 << 20, stays, NULL, &s), OK);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	shelf_close(&s);
	scratch_remove(&scratch);
	return 0;
}

static struct id numbered(uint64_t n) { return (struct id){ { (uint8_t)(n >> 8), (uint8_t)n } }; }

static void put_row(uint64_t n, struct span value)
{
	struct id id = numbered(n);

	assert_int_equal(shelf_put(s, n, &id, RECEIPT, value), OK);
}

/* What was put last waits for room; asked again for its receipt meanwhile, it is owed one with the row. */
static void a_full_file_recovers(void **state)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct id id, owed;
	uint64_t n = 0;

	(void)state;
	do {
		put_row(++n, span(big, sizeof(big)));
		assert_true(UNTIL(shelf_owed(s, topic, &owed, 1) || shelf_trouble(s) == ERR_FULL));
	} while (shelf_trouble(s) != ERR_FULL && n < 200);
	assert_int_equal(shelf_trouble(s), ERR_FULL);
	id = numbered(n);
	assert_int_equal(shelf_again(s, &id, RECEIPT), OK);
	for (uint64_t i = 1; i < n; i++)
		shelf_del(s, i);
	assert_true(UNTIL(shelf_trouble(s) == OK));
	assert_true(UNTIL(shelf_owed(s, topic, &owed, 1)));
	assert_string_equal(topic, RECEIPT);
	assert_memory_equal(owed.b, id.b, ID_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_file_recovers, make, unmake),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "room.h"

#define D(name) RECORD_DISK_##name

static void it_gets_worse_at_the_marks(void **state)
{
	static const struct { size_t free; enum record_disk level; } row[] = {
		{ 100, D(FINE) }, { 20, D(FINE) }, { 19, D(LOW) }, { 10, D(LOW) }, { 9, D(SCARCE) }, { 5, D(SCARCE) }, { 4, D(OUT) },
		{ 0, D(OUT) },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(room_level(D(FINE), row[i].free, 100), row[i].level);
	assert_int_equal(room_level(D(FINE), (size_t)1 << 40, (size_t)1 << 42), D(FINE));
}

static void it_gets_better_only_well_above_them(void **state)
{
	static const struct { size_t free; enum record_disk was, level; } row[] = {
		{ 5, D(OUT), D(OUT) }, { 7, D(OUT), D(OUT) }, { 8, D(OUT), D(SCARCE) }, { 12, D(SCARCE), D(SCARCE) },
		{ 13, D(SCARCE), D(LOW) }, { 22, D(LOW), D(LOW) }, { 23, D(LOW), D(FINE) }, { 90, D(OUT), D(FINE) }, { 12, D(OUT), D(SCARCE) },
		{ 22, D(OUT), D(LOW) }, { 7, D(SCARCE), D(SCARCE) },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++)
		assert_int_equal(room_level(row[i].was, row[i].free, 100), row[i].level);
}

/* Every segment that is erased frees two of a hundred, which are written again: without the second marks, a stop each time. */
static void near_a_mark_it_does_not_go_to_and_fro(void **state)
{
	enum record_disk was = D(FINE), now;
	unsigned changes = 0;

	(void)state;
	for (size_t round = 0; round < 100; round++)
		for (size_t i = 0; i < 4; i++) {
			now = room_level(was, (size_t[]){ 6, 5, 4, 5 }[i], 100);
			changes += now != was;
			was = now;
		}
	assert_int_equal(changes, 2);           /* scarce, then out */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gets_worse_at_the_marks),
		cmocka_unit_test(it_gets_better_only_well_above_them),
		cmocka_unit_test(near_a_mark_it_does_not_go_to_and_fro),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

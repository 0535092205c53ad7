/* stuck_writer: the writer of a guard's record does nothing until it is let go: it waits for a lock that the test has. After
 * guarded.h. */
#ifndef PULLCORD_STUCK_WRITER_H
#define PULLCORD_STUCK_WRITER_H

#include "guarded.h"

#include "inside.h"

static bool writer_waits;

static void writer_stops(void)
{
	pthread_mutex_lock(&g->record->act_lock);
	writer_waits = true;
}

static void writer_goes_on(void)
{
	writer_waits = false;
	pthread_mutex_unlock(&g->record->act_lock);
}

/* A test that failed meanwhile would wait for it for ever. */
static int uninstall_stuck(void **state)
{
	if (writer_waits)
		writer_goes_on();
	return uninstall(state);
}

#define TEST_STUCK(f) cmocka_unit_test_setup_teardown(f, install, uninstall_stuck)

#endif

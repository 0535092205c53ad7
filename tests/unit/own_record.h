/* own_record: one record in a folder of its own, written, closed and verified. For tests of one file. */
#ifndef PULLCORD_OWN_RECORD_H
#define PULLCORD_OWN_RECORD_H

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "recording.h"
#include "until.h"

static struct recording g;
static struct verify_report report;

static inline int folder_make(void **state)
{
	(void)state;
	recording_make(&g);
	return 0;
}

static inline int folder_drop(void **state)
{
	(void)state;
	recording_drop(&g);
	return 0;
}

static inline void open_record(void)
{
	assert_int_equal(record_open(&g.spec, &g.record), OK);
}

static inline void push_many(uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++) {
		struct happening h = publish(i);

		while (!record_push(g.record, &h))
			usleep(100);
	}
}

static inline void record_some(uint64_t n)
{
	open_record();
	push_many(0, n);
	record_close(&g.record);
}

static inline enum err verify(void)
{
	struct verify_spec spec = recording_verify(&g);

	return verify_record(&spec, &report);
}

static inline void assert_good(void)
{
	enum err e = verify();

	if (e != OK)
		fail_msg("%s: %s %llu: %s", err_text(e), report.part ? report.part : "?", (unsigned long long)report.index,
			 report.what);
}

#endif

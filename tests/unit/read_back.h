/* read_back: what stands in a record of a test's own (own_record.h), event by event; its disk may refuse (faulty_disk.h). */
#ifndef PULLCORD_READ_BACK_H
#define PULLCORD_READ_BACK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "audited.h"
#include "faulty_disk.h"
#include "reader.h"
#include "own_record.h"

static inline int record_drop(void **state)
{
	disk_heals();
	return folder_drop(state);
}

/* Every event of the record, in order; `visit` sees NULL for control entries. */
static inline void each_event(void (*visit)(uint64_t index, const Pullcord__V1__AuditEvent *e))
{
	const Pullcord__V1__AuditEvent *event;
	struct reader *reader = NULL;
	struct entry entry;
	uint64_t n;

	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_size(reader, &n), OK);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(reader_get(reader, i, &entry, &event), OK);
		visit(i, event);
	}
	reader_close(&reader);
}

static struct { uint64_t control, events, stood_for, lost, gaps, clocks, last_line, recipients; } seen;

static inline void count_event(uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	(void)index;
	if (!e) {
		seen.control++;
		return;
	}
	seen.events++;
	seen.recipients += e->n_recipient;
	if (e->type == TYPE(GAP)) {
		seen.gaps++;
		seen.lost += e->count;
	} else if (e->type == TYPE(CLOCK)) {
		seen.clocks++;
	} else {
		seen.stood_for += e->count ? e->count : 1;
		seen.last_line = e->line;
	}
}

static inline void count_all(void)
{
	memset(&seen, 0, sizeof(seen));
	each_event(count_event);
}

static inline void wait_for(enum record_state want)
{
	assert_true(UNTIL(record_state(g.record) == want));
}

#define T(name) cmocka_unit_test_setup_teardown(name, folder_make, record_drop)

#endif

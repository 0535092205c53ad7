/* class: what becomes of an event when the record takes nothing for a while is decided by its class. */
#include "read_back.h"

static void every_event_has_its_class(void **state)
{
	static const struct { Pullcord__V1__AuditType type; bool denied, life_critical; enum record_class class; } row[] = {
		{ TYPE(ADMIN), false, false, RECORD_CONSENT }, { TYPE(POLICY), true, false, RECORD_CONSENT },
		{ TYPE(DIRECTORY), false, false, RECORD_CONSENT }, { TYPE(LOGIN), false, false, RECORD_ACCESS },
		{ TYPE(LOGIN), true, false, RECORD_ACCESS }, { TYPE(SUBSCRIBE), false, false, RECORD_ACCESS },
		{ TYPE(TAKEOVER), true, false, RECORD_ACCESS }, { TYPE(PUBLISH), true, true, RECORD_ACCESS },
		{ TYPE(PUBLISH), false, false, RECORD_MOVEMENT }, { TYPE(DELIVER), false, false, RECORD_MOVEMENT },
		{ TYPE(PUBLISH), false, true, RECORD_CRITICAL }, { TYPE(DELIVER), false, true, RECORD_CRITICAL },
		{ TYPE(WILL), false, true, RECORD_CRITICAL }, { TYPE(REAUTH), false, false, RECORD_HOUSEKEEPING },
		{ TYPE(REAUTH), true, false, RECORD_ACCESS }, { TYPE(START), false, false, RECORD_ACCESS },
		{ TYPE(LOCKOUT), false, false, RECORD_ACCESS }, { TYPE(SHADOW), false, false, RECORD_HOUSEKEEPING },
		{ TYPE(SHADOW), true, true, RECORD_HOUSEKEEPING },
	};

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		struct happening h = { .type = row[i].type, .life_critical = row[i].life_critical,
				       .outcome = row[i].denied ? OUTCOME(DENIED) : OUTCOME(ALLOWED) };

		assert_int_equal(record_class(&h), row[i].class);
	}
}

static uint64_t lost_by[RECORD_CLASSES], aside, critical, plain, sum;
static bool in_order;

static void add_gap(uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	(void)index;
	if (!e)
		return;
	if (e->type == TYPE(GAP)) {
		assert_int_equal(e->n_lost, RECORD_CLASSES);
		for (size_t i = 0; i < RECORD_CLASSES; i++)
			lost_by[i] += e->lost[i];
		aside += e->aside;
		assert_true(e->until_us >= e->at_us);
	} else if (e->life_critical) {
		if (in_order)
			assert_int_equal(e->line, critical);
		sum += e->line;
		critical++;
	} else {
		plain += e->count ? e->count : 1;
	}
}

static void add_gaps(void)
{
	memset(lost_by, 0, sizeof(lost_by));
	aside = critical = plain = sum = 0;
	each_event(add_gap);
}

static void open_with_room_aside(size_t bytes)
{
	static char spill[128];

	snprintf(spill, sizeof(spill), "%s/record.spill", g.folder);
	g.spec.ring_bytes = 1 << 15;
	g.spec.spill_path = spill;
	g.spec.spill_bytes = bytes;
	open_record();
}

/* The disk is full for a while: what saves lives is set aside and follows, everything else is counted to the unit. */
static void acceptance_7_what_is_life_critical_is_set_aside(void **state)
{
	uint64_t refused[RECORD_CLASSES] = { 0 }, n = 0, told = 0;

	(void)state;
	open_with_room_aside(4 << 20);
	push_many(0, 10);
	disk_refuses(ENOSPC, g.path);
	push_many(10, 1);
	told = 11;
	wait_for(RECORD_STOPPED);
	for (int i = 0; i < 2000; i++) {
		struct happening life = publish(n), other = publish(0), login = publish(0), again = publish(0);

		life.life_critical = true;
		login.type = TYPE(LOGIN);
		again.type = TYPE(REAUTH);
		assert_true(record_push(g.record, &life));
		n++;
		refused[RECORD_MOVEMENT] += !record_push(g.record, &other);
		refused[RECORD_ACCESS] += !record_push(g.record, &login);
		assert_false(record_push(g.record, &again));    /* the record can do without it */
		refused[RECORD_HOUSEKEEPING]++;
	}
	assert_int_equal(record_lost(g.record), refused[1] + refused[2] + refused[4]);
	disk_heals();
	assert_true(UNTIL(record_state(g.record) == RECORD_FLOWING, record_tick(g.record)));
	record_tick(g.record);
	for (int i = 0; i < 500; i++) {
		struct happening life = publish(n++);

		life.life_critical = true;
		assert_true(record_push(g.record, &life));
	}
	record_close(&g.record);
	assert_good();
	in_order = true;
	add_gaps();
	assert_int_equal(critical, n);
	assert_memory_equal(lost_by, refused, sizeof(refused));
	assert_true(aside > 1500);
	assert_int_equal(plain, told + 4000 - refused[RECORD_MOVEMENT] - refused[RECORD_ACCESS]);
}

/* The same, and the broker is stopped before there is room: the next start tells. What was in the ring comes last then;
 * their times say how they were. */
static void what_was_set_aside_outlives_a_restart(void **state)
{
	uint64_t refused = 0, n = 0, other = 0;
	struct happening now = publish(0);

	(void)state;
	open_with_room_aside(4 << 20);
	disk_refuses(EIO, g.path);
	push_many(0, 1);
	wait_for(RECORD_STOPPED);
	for (int i = 0; i < 1000; i++) {
		struct happening life = publish(n), h = publish(0);

		life.life_critical = true;
		h.count = 3;
		h.until_us = h.at_us;
		assert_true(record_push(g.record, &life));
		n++;
		refused += !record_push(g.record, &h);
		other += 3;
	}
	record_close(&g.record);
	disk_heals();
	open_record();
	now.mono_us = 5;                /* an hour later, after another boot: the clock was not set */
	now.at_us += 3600 * 1000000LL;
	assert_true(record_push(g.record, &now));
	record_close(&g.record);
	assert_good();
	in_order = false;
	add_gaps();
	assert_int_equal(critical, n);
	assert_int_equal(sum, n * (n - 1) / 2);
	assert_int_equal(lost_by[RECORD_MOVEMENT], other + 2 - plain);
	assert_true(refused > 0 && aside == n);
	count_all();
	assert_int_equal(seen.clocks, 0);
}

/* Also when there is no room aside any more: what was in memory is counted, and that is kept. */
static void what_had_no_room_at_all_is_told_by_the_next_start(void **state)
{
	uint64_t n = 0, refused = 0;

	(void)state;
	open_with_room_aside(64 << 10);
	disk_refuses(ENOSPC, g.path);
	push_many(0, 1);
	wait_for(RECORD_STOPPED);
	for (; n < 1000; n++) {
		struct happening life = publish(n);

		life.life_critical = true;
		refused += !record_push(g.record, &life);
	}
	for (int i = 0; i < 3; i++) {                   /* it is full still, and started and stopped in vain */
		record_close(&g.record);
		open_record();
	}
	record_close(&g.record);
	disk_heals();
	open_record();
	record_close(&g.record);
	assert_good();
	in_order = false;
	add_gaps();
	assert_true(refused > 0 && critical > 100);
	assert_int_equal(critical + lost_by[RECORD_CRITICAL], n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_event_has_its_class), T(acceptance_7_what_is_life_critical_is_set_aside),
		T(what_was_set_aside_outlives_a_restart), T(what_had_no_room_at_all_is_told_by_the_next_start),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* outbox: what comes back after a restart, in which order, and what yields when there is no room. */
#include "era.h"
#include "outboxed.h"

static void what_was_put_is_there_after_a_restart_in_order(void **state)
{
	static const unsigned tier[] = { 3, 1, 4, 0, 1, 3 }, want[] = { 3, 1, 4, 0, 5, 2 };

	(void)state;
	for (unsigned i = 0; i < countof(tier); i++) {
		put_one(tier[i], i);
		done(WORK_PUT, OK);
	}
	for (int round = 0; round < 3; round++) {
		assert_int_equal(all()->n, countof(tier));
		for (unsigned i = 0; i < countof(tier); i++)
			assert_int_equal(number_at(&all()->item[i]), want[i]);
		reopen();
	}
}

static void a_message_can_be_read_before_its_commit(void **state)
{
	struct outbox_message m = message(0, 7), back;
	struct flight_item at = { .id = m.id };

	(void)state;
	assert_int_equal(outbox_put(o, &m, &at.seq), OK);
	assert_int_equal(outbox_read(o, &at, &room, &back), OK);
	assert_true(span_eq(back.envelope, m.envelope));
	done(WORK_PUT, OK);
	assert_int_equal(outbox_read(o, &at, &room, &back), OK);
	assert_true(span_eq(back.envelope, m.envelope));
	assert_true(span_is(back.source, "MON412B"));
}

static void delivered_is_gone_and_says_whose_it_was(void **state)
{
	struct id id = put_one(1, 1);
	struct outbox_done d;

	(void)state;
	done(WORK_PUT, OK);
	assert_int_equal(outbox_delivered(o, &id), OK);
	d = done(WORK_DELIVERED, OK);
	assert_true(span_is(d.m.source_id, "id-1"));
	assert_true(span_is(d.m.input, "monitors"));
	assert_int_equal(outbox_delivered(o, &id), OK);
	done(WORK_DELIVERED, ERR_NOT_FOUND);
	reopen();
	assert_int_equal(all()->n, 0);
}

static void what_was_set_aside_is_counted_and_not_sent(void **state)
{
	struct id id = put_one(1, 1);

	(void)state;
	done(WORK_PUT, OK);
	assert_int_equal(outbox_aside(o, &id, 0x87), OK);
	assert_int_equal(done(WORK_ASIDE, OK).reason, 0x87);
	reopen();
	assert_int_equal(all()->n, 0);
	assert_int_equal(outbox_aside_count(o), 1);
}

static void what_was_set_aside_can_be_due_again(void **state)
{
	struct outbox_message m = message(1, 1);
	struct outbox_done d;

	(void)state;
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, OK);
	assert_int_equal(outbox_aside(o, &m.id, 0x87), OK);
	done(WORK_ASIDE, OK);
	reopen();
	assert_int_equal(outbox_recall(o, &m), OK);
	d = done(WORK_RECALL, OK);
	assert_true(d.aside && !d.queued);
	assert_int_equal(outbox_again(o, &(size_t){ 0 }), OK);
	d = done(WORK_AGAIN, OK);
	assert_memory_equal(&d.id, &m.id, sizeof(d.id));
	assert_int_equal(d.m.tier, 1);
	assert_int_equal(outbox_aside_count(o), 0);
	assert_int_equal(outbox_again(o, &(size_t){ 0 }), OK);   /* nothing is left to do */
	reopen();
	assert_int_equal(all()->n, 1);
	assert_int_equal(outbox_recall(o, &m), OK);
	d = done(WORK_RECALL, OK);
	assert_true(d.aside && !d.queued);   /* only to see: its source knows that nobody has heard of it yet */
	assert_int_equal(outbox_delivered(o, &m.id), OK);
	done(WORK_DELIVERED, OK);
	assert_int_equal(all()->n, 0);
}

/* Also when none of it could be brought back: its place is not given to another message. */
static void what_was_set_aside_keeps_its_place_over_a_restart(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		struct id id = put_one(1, n);

		done(WORK_PUT, OK);
		assert_int_equal(outbox_aside(o, &id, 0x87), OK);
		done(WORK_ASIDE, OK);
		reopen();
		assert_int_equal(outbox_aside_count(o), n);
	}
	assert_int_equal(outbox_again(o, &(size_t){ 0 }), OK);
	done(WORK_AGAIN, OK);
	done(WORK_AGAIN, OK);
	assert_int_equal(number_at(&all()->item[0]), 1);
	assert_int_equal(number_at(&all()->item[1]), 2);
}

/* What was said after it, and waits still, is not to come before it. */
static void what_is_due_again_has_its_old_place(void **state)
{
	struct id id = put_one(2, 1);
	uint64_t seq;

	(void)state;
	done(WORK_PUT, OK);
	seq = all()->item[0].seq;
	assert_int_equal(outbox_aside(o, &id, 0x87), OK);
	done(WORK_ASIDE, OK);
	put_one(2, 2);
	done(WORK_PUT, OK);
	assert_int_equal(outbox_again(o, &(size_t){ 0 }), OK);
	assert_int_equal(done(WORK_AGAIN, OK).seq, seq);
	assert_int_equal(number_at(&all()->item[0]), 1);
	assert_int_equal(number_at(&all()->item[1]), 2);
}

/* Of the condition `key`; set aside. */
static struct id aside_of(unsigned tier, unsigned n, uint8_t key)
{
	struct outbox_message m = message(tier, n);

	memset(m.key, key, sizeof(m.key));
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, OK);
	assert_int_equal(outbox_aside(o, &m.id, 0x87), OK);
	done(WORK_ASIDE, OK);
	return m.id;
}

static void a_probe_is_of_conditions_oldest_first(void **state)
{
	const struct id a = aside_of(3, 1, 1), b = aside_of(2, 2, 2);
	struct outbox_done d;
	size_t asked;

	(void)state;
	aside_of(1, 3, 1);              /* more important than what it follows */
	for (size_t from = 0; from < 4; from++) {
		assert_int_equal(outbox_probe(o, from, 1, &asked), OK);
		assert_int_equal(asked, 1);
		d = done(WORK_AGAIN, OK);
		assert_memory_equal(&d.id, from % 2 ? &b : &a, sizeof(d.id));
		assert_int_equal(outbox_aside(o, &d.id, 0x87), OK);
		done(WORK_ASIDE, OK);
	}
	assert_int_equal(outbox_probe(o, 0, 8, &asked), OK);
	assert_int_equal(asked, 2);
}

static void a_source_id_is_taken_once_also_after_a_restart(void **state)
{
	struct outbox_message m = message(1, 1);
	struct id first = m.id;
	struct outbox_done d;

	(void)state;
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_NEVER);
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_SAME);
	done(WORK_PUT, OK);
	reopen();
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_SAME);
	assert_int_equal(outbox_seen(o, SPAN_LIT("MON412Bi"), SPAN_LIT("d-1"), &m.digest), SEEN_NEVER);
	m.id = id_next(&ids, 1000);
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, ERR_EXISTS);
	assert_int_equal(outbox_recall(o, &m), OK);
	d = done(WORK_RECALL, OK);
	assert_memory_equal(&d.id, &first, sizeof(first));
	assert_true(d.queued);
	assert_int_equal(outbox_delivered(o, &first), OK);
	done(WORK_DELIVERED, OK);
	assert_int_equal(outbox_recall(o, &m), OK);
	assert_false(done(WORK_RECALL, OK).queued);
}

static struct id name(const char *source, const char *source_id, const char *bytes)
{
	const struct digest d = digest_of(span_str(bytes));
	struct id id = { { 0 } };

	assert_true(outbox_name(o, span_str(source), span_str(source_id), &d, id.b));
	return id;
}

/* Observations, which are delivered. */
static void others_come(unsigned from, unsigned end)
{
	for (unsigned n = from; n < end; n++) {
		put_one(FLIGHT_TIERS - 1, n);
		if (n % AT_ONCE == 0 || n + 1 == end)
			for (struct outbox_done d; settle(), outbox_next(o, &d);)
				if (d.work == WORK_PUT)
					assert_int_equal(outbox_delivered(o, &d.id), OK);
	}
}

/* Until it would be forgotten, also over a restart; and of nothing else. */
static void what_is_the_same_has_the_same_name(void **state)
{
	const struct id want = name("s", "1", "water"), other[] = {
		name("s", "1", "pain"), name("s", "2", "water"), name("s1", "", "water"), name("", "s1", "water"),
	};

	(void)state;
	for (size_t i = 0; i < countof(other); i++)
		assert_memory_not_equal(&other[i], &want, sizeof(want));
	put_one(1, 0);
	done(WORK_PUT, OK);
	reopen();
	assert_memory_equal(&(struct id[]){ name("s", "1", "water") }, &want, sizeof(want));
	others_come(1, outbox_most(o) + 1);
	assert_memory_not_equal(&(struct id[]){ name("s", "1", "water") }, &want, sizeof(want));
}

/* Wherever in an era it is killed: what had gone out may come again for some time. */
static void what_was_not_kept_has_its_name_also_after_a_crash(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned crash = 0; crash < 100; crash++) {
		const struct id want = name("s", "1", "water");
		bool out = outbox_upto(o) == FLIGHT_SEQ_MAX;

		reopen();
		for (unsigned i = 0; i < 1 + crash % 3; i++, n += 37)
			others_come(n, n + 37);
		reopen();
		others_come(n, n + 37);
		n += 37;
		if (out)
			assert_memory_equal(&(struct id[]){ name("s", "1", "water") }, &want, sizeof(want));
		if (crash % 10 == 9)
			others_come(n, n + 400), n += 400;
	}
	assert_true(n > 10 * outbox_most(o));
}

/* Between two eras, for some commits; and then not any more. */
static void now_and_then_nothing_goes_out_before_it_is_kept(void **state)
{
	unsigned held = 0;

	(void)state;
	others_come(0, (unsigned)era_keeps(outbox_most(o)));
	for (unsigned n = 0; n < outbox_most(o); n++) {
		uint64_t seq;
		struct outbox_message m = message(1, 10000 + n);

		assert_int_equal(outbox_put(o, &m, &seq), OK);
		held += outbox_upto(o) < seq;
		settle();
		for (struct outbox_done d; outbox_next(o, &d);)
			if (d.work == WORK_PUT)
				assert_int_equal(outbox_delivered(o, &d.id), OK);
		assert_true(outbox_upto(o) >= seq);
	}
	assert_in_range(held, 1, 40);
}

/* Whatever came in between. Then what says the same is something new, also if it was kept meanwhile. */
static void what_was_not_kept_has_its_name_for_long(void **state)
{
	const struct digest d = digest_of(SPAN_LIT("water"));
	struct outbox_message m = message(1, 1);
	struct id want;

	(void)state;
	m.id = put_one(1, 0);           /* which is taken: so it is not kept */
	done(WORK_PUT, OK);
	m.source = SPAN_LIT("s");
	m.source_id = SPAN_LIT("1");
	m.digest = d;
	m.early = true;
	want = name("s", "1", "water");
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, ERR_EXISTS);
	others_come(1, (unsigned)era_keeps(outbox_most(o)));
	assert_memory_equal(&(struct id[]){ name("s", "1", "water") }, &want, sizeof(want));
	others_come((unsigned)era_keeps(outbox_most(o)), outbox_most(o) + 1);
	assert_memory_not_equal(&(struct id[]){ name("s", "1", "water") }, &want, sizeof(want));
}

/* Somebody ends an alert while its next event is being kept: that is open. */
static void an_event_that_is_being_kept_is_not_forgotten(void **state)
{
	struct outbox_message m = message(1, 1);
	struct open_alert a;

	(void)state;
	m.opens = true;
	memcpy(m.key, "its condition", 13);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
		settle();
		assert_int_equal(outbox_forget(o, m.key), OK);
		done(WORK_PUT, OK);
		done(WORK_FORGET, ERR_NOT_FOUND);
		assert_int_equal(outbox_open_alert(o, m.key, &a), OK);
		assert_memory_equal(&a.id, &m.id, sizeof(a.id));
		m = message(1, 2);
		m.opens = true;
		memcpy(m.key, "its condition", 13);
	}
	reopen();
	assert_int_equal(outbox_forget(o, m.key), OK);
	done(WORK_FORGET, OK);
	assert_int_equal(outbox_open_alert(o, m.key, &a), ERR_NOT_FOUND);
}

static void a_place_that_nothing_can_have_is_damage(void **state)
{
	static const char *const tables[] = { "queue", NULL };
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = MAP, .table = tables };
	const uint8_t place[9] = { 1, 0x80 }, value[64] = { 0 };
	const struct outbox_spec again = spec_of(MAP);
	struct store *s = NULL;
	struct txn *t = NULL;

	(void)state;
	outbox_close(&o);
	assert_int_equal(store_open(scratch_path(&scratch, "outbox.mdb"), &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_put(t, 0, span(place, sizeof(place)), span(value, sizeof(value))), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
	assert_int_equal(outbox_open(&again, &o), ERR_CORRUPT);
}

static void an_id_used_again_for_something_else_is_taken_and_told_apart(void **state)
{
	struct outbox_message m = message(1, 1), other = message(1, 1);
	struct outbox_done d;

	(void)state;
	other.digest = (struct digest){ "other bytes" };
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &other.digest), SEEN_OTHER);   /* perhaps not kept yet */
	done(WORK_PUT, OK);
	reopen();
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &other.digest), SEEN_OTHER);
	other.id = id_next(&ids, 1000);
	assert_int_equal(outbox_put(o, &other, &(uint64_t){ 0 }), OK);
	d = done(WORK_PUT, OK);
	assert_memory_equal(&d.m.digest, &other.digest, sizeof(d.m.digest));
	reopen();
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &m.digest), SEEN_SAME);
	assert_int_equal(outbox_seen(o, m.source, m.source_id, &other.digest), SEEN_SAME);
	assert_int_equal(outbox_recall(o, &other), OK);
	d = done(WORK_RECALL, OK);
	assert_memory_equal(&d.id, &other.id, sizeof(d.id));
	assert_memory_equal(&d.m.digest, &other.digest, sizeof(d.m.digest));
}

static void what_is_held_is_due_when_released_or_after_a_restart(void **state)
{
	struct id id = id_next(&ids, 1000), other = id_next(&ids, 1000);

	(void)state;
	hold_one(id, 1);
	hold_one(id, 2);
	hold_one(other, 3);
	assert_int_equal(all()->n, 0);
	assert_int_equal(outbox_release(o, &id), OK);
	done(WORK_RELEASE, OK);
	assert_int_equal(all()->n, 1);
	assert_int_equal(number_at(&all()->item[0]), 2);   /* the last count counts */
	reopen();
	assert_int_equal(all()->n, 2);
	assert_int_equal(number_at(&all()->item[1]), 3);
	assert_int_equal(outbox_release(o, &id), OK);
	done(WORK_RELEASE, ERR_NOT_FOUND);
}

static void put_takes_the_place_of_what_was_held(void **state)
{
	struct id id = id_next(&ids, 1000);
	struct outbox_message m;

	(void)state;
	hold_one(id, 1);
	m = message(2, 2);
	m.id = id;
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, OK);
	reopen();
	assert_int_equal(all()->n, 1);
	assert_int_equal(number_at(&all()->item[0]), 2);
}

static unsigned opened;
static struct open_alert last_open;

static void count_open(void *ctx, const struct open_alert *a)
{
	(void)ctx;
	opened++;
	last_open = *a;
}

static void open_alerts_survive_until_forgotten(void **state)
{
	struct outbox_message m = message(1, 1);
	struct open_alert one;

	(void)state;
	m.opens = true;
	memset(m.key, 7, sizeof(m.key));
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, OK);
	reopen();
	opened = 0;
	assert_int_equal(outbox_each_open(o, count_open, NULL), OK);
	assert_int_equal(opened, 1);
	assert_string_equal(last_open.source_id, "id-1");
	assert_string_equal(last_open.input, "monitors");
	assert_memory_equal(&last_open.id, &m.id, sizeof(m.id));
	assert_int_equal(outbox_open_alert(o, m.key, &one), OK);
	assert_string_equal(one.source_id, "id-1");
	assert_memory_equal(&one.id, &m.id, sizeof(m.id));
	assert_int_equal(outbox_forget(o, m.key), OK);
	done(WORK_FORGET, OK);
	assert_int_equal(outbox_open_alert(o, m.key, &one), ERR_NOT_FOUND);
	opened = 0;
	assert_int_equal(outbox_each_open(o, count_open, NULL), OK);
	assert_int_equal(opened, 0);
}

/* Fills with `tier` until one is refused; observations until more than a hundred have yielded. How many were taken. */
static unsigned fill(unsigned tier, unsigned *n, unsigned *evicted)
{
	unsigned taken = 0;

	for (bool full = false; !full;) {
		struct outbox_done d;

		for (int i = 0; i < AT_ONCE; i++)
			put_one(tier, (*n)++);
		settle();
		for (bool more = outbox_next(o, &d); more; more = outbox_next(o, &d)) {
			if (d.work == WORK_EVICT) {
				assert_int_equal(d.err, OK);
				assert_true(d.m.tier > tier || d.m.tier == FLIGHT_TIERS - 1);
				assert_true(d.m.tier >= FLIGHT_TIER_CALM);
				++*evicted;
			} else if (d.err == OK) {
				taken++;
			} else {
				assert_int_equal(d.err, ERR_FULL);
				full = true;
			}
		}
		full = full || (tier == FLIGHT_TIERS - 1 && *evicted > 100);
	}
	return taken;
}

static void the_least_important_yield_and_urgent_ones_never(void **state)
{
	unsigned n = 0, evicted = 0, low, high, high_before;

	(void)state;
	fill(FLIGHT_TIERS - 1, &n, &evicted);
	assert_true(evicted > 100);   /* observations to observations */
	low = fill(3, &n, &evicted);
	assert_true(low > 100);
	assert_int_equal(all()->item[0].tier, 3);   /* no observation left */
	high = fill(1, &n, &evicted);
	assert_true(high > 100);
	for (unsigned i = 0; i < all()->n; i++)
		assert_int_equal(all()->item[i].tier, 1);
	high_before = all()->n;
	assert_int_equal(fill(0, &n, &evicted), 0);   /* code does not push out high: the source is told no */
	reopen();
	assert_int_equal(all()->n, high_before);
	for (unsigned i = 0; i < 64; i++) {   /* full as it is, it can still be emptied */
		struct id id = all()->item[0].id;

		assert_int_equal(outbox_delivered(o, &id), OK);
		done(WORK_DELIVERED, OK);
	}
	put_one(1, n++);
	done(WORK_PUT, OK);
}

static enum outbox_seen seen(unsigned n)
{
	struct outbox_message m = message(3, n);

	return outbox_seen(o, m.source, m.source_id, &m.digest);
}

/* Observations until some have had to yield: the first 32 at least. Only the first few of these are forgotten for their age. */
static void crowd(unsigned *n)
{
	unsigned evicted = 0;

	while (evicted < 32) {
		struct outbox_done d;

		for (int i = 0; i < AT_ONCE; i++)
			put_one(FLIGHT_TIERS - 1, (*n)++);
		settle();
		while (outbox_next(o, &d))
			evicted += d.work == WORK_EVICT && d.err == OK;
	}
}

/* What had to yield was never delivered: its source, which repeats it, must not be told that it was. */
static void what_yielded_is_taken_anew_when_it_is_repeated(void **state)
{
	struct outbox_message again, of_two, m;
	struct outbox_done d;
	unsigned n = 0;

	(void)state;
	for (; n < 25; n++) {
		put_one(FLIGHT_TIERS - 1, n);
		done(WORK_PUT, OK);
	}
	of_two = message(FLIGHT_TIERS - 1, 100000);
	assert_int_equal(outbox_hold(o, &of_two), OK);
	done(WORK_HOLD, OK);
	m = message(FLIGHT_TIERS - 1, 100001);
	m.id = of_two.id;
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	done(WORK_PUT, OK);
	assert_int_equal(seen(22), SEEN_SAME);
	assert_int_equal(seen(100000), SEEN_SAME);
	crowd(&n);
	assert_int_equal(seen(n - 1), SEEN_SAME);
	assert_int_equal(seen(22), SEEN_YIELDED);
	assert_int_equal(seen(100000), SEEN_YIELDED);
	assert_int_equal(seen(100001), SEEN_YIELDED);
	again = message(FLIGHT_TIERS - 1, 22);
	assert_int_equal(outbox_recall(o, &again), OK);   /* asked before it had to yield, answered after */
	done(WORK_RECALL, ERR_NOT_FOUND);
	assert_int_equal(outbox_put(o, &again, &(uint64_t){ 0 }), OK);
	settle();
	do
		assert_true(outbox_next(o, &d));
	while (d.work == WORK_EVICT);
	assert_int_equal(d.err, OK);
	reopen();
	assert_int_equal(seen(22), SEEN_SAME);
	assert_int_equal(seen(100001), SEEN_YIELDED);
	again = message(FLIGHT_TIERS - 1, 22);
	assert_int_equal(outbox_recall(o, &again), OK);
	d = done(WORK_RECALL, OK);
	assert_true(d.queued);
}

static void what_yielded_is_not_remembered_for_ever(void **state)
{
	unsigned n = 0;

	(void)state;
	while (n < 4 * outbox_most(o))
		crowd(&n);
	assert_in_range(rows("yielded"), 100, outbox_most(o) + 2 * AT_ONCE);
}

/* It remembers less then, and loses nothing. */
static void with_less_room_every_alert_is_still_there(void **state)
{
	struct outbox_spec large = spec_of(4 * MAP);
	unsigned n = 0;

	(void)state;
	outbox_close(&o);
	assert_int_equal(outbox_open(&large, &o), OK);
	for (unsigned most = outbox_most(o); n < most; n++) {
		put_one(n % 100 ? FLIGHT_TIERS - 1 : 1, n);
		if (n % AT_ONCE && n != most - 1)
			continue;
		for (struct outbox_done d; settle(), outbox_next(o, &d);)
			if (d.work == WORK_PUT && d.m.tier > 1)
				assert_int_equal(outbox_delivered(o, &d.id), OK);
	}
	reopen();
	assert_int_equal(all()->n, (n + 99) / 100);
	for (unsigned i = 0; i < all()->n; i++)
		assert_int_equal(number_at(&all()->item[i]), 100 * i);
	assert_int_equal(seen(n - 1), SEEN_SAME);
	put_one(1, n);
	done(WORK_PUT, OK);
}

static void drain(enum outbox_work work)
{
	struct outbox_done d;

	settle();
	while (outbox_next(o, &d)) {
		assert_int_equal(d.work, work);
		assert_int_equal(d.err, OK);
	}
}

static void keep_many(unsigned n)
{
	struct outbox_spec large = spec_of(4 * MAP);

	outbox_close(&o);
	assert_int_equal(outbox_open(&large, &o), OK);
	for (unsigned i = 0; i < n; i++) {
		struct outbox_message m = message(3, i);

		m.envelope.n = 32;
		assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
		if (i % AT_ONCE && i != n - 1)
			continue;
		settle();
		for (struct outbox_done d; outbox_next(o, &d);)
			assert_int_equal(d.err, OK);
	}
}

/* There are more of them than a new file of that size would hold. */
static void with_less_room_what_waits_yields_as_ever(void **state)
{
	unsigned n, evicted = 0;

	(void)state;
	keep_many(3 * MAP / 1024);
	reopen();
	n = all()->n;
	assert_int_equal(n, 3 * MAP / 1024);
	assert_true(outbox_most(o) >= n);
	put_one(1, n);
	settle();
	for (struct outbox_done d; outbox_next(o, &d);) {
		assert_int_equal(d.err, OK);
		evicted += d.work == WORK_EVICT;
	}
	assert_in_range(evicted, 0, 64);
	assert_int_equal(all()->n, n + 1 - evicted);
}

/* Each is moved; for all of them at once there would be no room. */
static void what_was_held_is_due_also_when_there_is_no_room(void **state)
{
	const unsigned held = 250;
	unsigned n = 0, evicted = 0, waits;

	(void)state;
	for (; n < held; n++) {
		struct outbox_message m = message(3, n);

		crypt_random(m.id.b, sizeof(m.id.b));
		assert_int_equal(outbox_hold(o, &m), OK);
	}
	drain(WORK_HOLD);
	fill(1, &n, &evicted);
	waits = all()->n;
	reopen();
	assert_int_equal(all()->n, waits + held);
	assert_int_equal(outbox_unreadable(o), 0);
	reopen();
	assert_int_equal(all()->n, waits + held);
}

/* It has its receipt, and its place is not needed any more: its source is not to be told that nobody will hear of it. */
static void what_the_broker_has_does_not_yield(void **state)
{
	unsigned n = 0, evicted = 0, delivered = 0;
	struct all *was;

	(void)state;
	fill(3, &n, &evicted);
	was = all();
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(outbox_delivered(o, &was->item[i].id), OK);
	put_one(0, n);
	settle();
	for (struct outbox_done d; outbox_next(o, &d);) {
		assert_int_equal(d.err, OK);
		evicted += d.work == WORK_EVICT;
		delivered += d.work == WORK_DELIVERED;
	}
	assert_int_equal(evicted, 0);
	assert_int_equal(delivered, 40);
}

/* What the broker will not have does not keep out what it may. */
static void what_is_set_aside_yields_before_anybody_is_refused(void **state)
{
	unsigned n = 0, evicted = 0, aside = 0;
	struct outbox_done d;

	(void)state;
	fill(1, &n, &evicted);
	for (; aside < 100; aside++) {
		struct id id = all()->item[0].id;

		assert_int_equal(outbox_aside(o, &id, 0x87), OK);
		done(WORK_ASIDE, OK);
	}
	put_one(0, n++);
	d = done(WORK_EVICT, OK);
	assert_int_equal(d.m.tier, 1);
	assert_true(span_is(d.m.input, "monitors"));
	do
		assert_true(outbox_next(o, &d));
	while (d.work == WORK_EVICT);
	assert_int_equal(d.work, WORK_PUT);
	assert_int_equal(d.err, OK);
	assert_true(outbox_aside_count(o) < aside);
}

static void set_aside(unsigned tier, unsigned first, unsigned n)
{
	struct id id[AT_ONCE];

	for (unsigned i = 0; i < n; i++)
		id[i] = put_one(tier, first + i);
	drain(WORK_PUT);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(outbox_aside(o, &id[i], 0x87), OK);
}

/* It was acknowledged once: that it is gone must be counted, recorded and reported. */
static void what_gives_way_among_what_is_set_aside_is_told(void **state)
{
	struct outbox_done d;

	(void)state;
	for (unsigned n = 0; n < OUTBOX_ASIDE_MAX; n += AT_ONCE) {
		set_aside(2, n, AT_ONCE);
		drain(WORK_ASIDE);
	}
	set_aside(3, 1000, 1);
	done(WORK_ASIDE, OK);
	d = done(WORK_EVICT, OK);
	assert_int_equal(d.m.tier, 3);                /* itself */
	assert_int_equal(d.m.reason, 0x87);
	set_aside(0, 1001, 1);
	done(WORK_ASIDE, OK);
	d = done(WORK_EVICT, OK);
	assert_int_equal(d.m.tier, 2);
	assert_true(span_is(d.m.input, "monitors"));
	assert_int_equal(outbox_aside_count(o), OUTBOX_ASIDE_MAX);
	assert_int_equal(seen(1000), SEEN_YIELDED);
	assert_int_equal(seen(1001), SEEN_SAME);
}

/* It takes no place among the messages that are counted: to destroy it would make no room. */
static void what_is_set_aside_stays_when_it_is_in_nobodys_way(void **state)
{
	unsigned n = AT_ONCE, refused = 0;

	(void)state;
	set_aside(2, 0, AT_ONCE);
	drain(WORK_ASIDE);
	while (!refused) {
		struct outbox_done d;

		for (int i = 0; i < AT_ONCE; i++) {
			struct outbox_message m = message(1, n++);

			m.envelope.n = 16;            /* many small ones: there are pages enough */
			assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
		}
		settle();
		while (outbox_next(o, &d)) {
			assert_int_equal(d.work, WORK_PUT);
			refused += d.err == ERR_FULL;
		}
	}
	assert_in_range(all()->n, outbox_most(o), outbox_most(o) + AT_ONCE);
	assert_int_equal(outbox_aside_count(o), AT_ONCE);
}

/* Receipts come in bursts; what is new must not wait for their deletes. */
static void what_tidies_up_keeps_nothing_out(void **state)
{
	struct outbox_message m = message(1, 1);

	(void)state;
	for (unsigned i = 0; i < 2 * OUTBOX_WORK_MAX; i++)
		assert_int_equal(outbox_delivered(o, &(struct id){ { 1, (uint8_t)i, (uint8_t)(i >> 8) } }), OK);
	assert_int_equal(outbox_put(o, &m, &(uint64_t){ 0 }), OK);
	settle();
	for (unsigned n = 1;; n++) {
		struct outbox_done d;

		assert_true(outbox_next(o, &d));
		if (d.work != WORK_PUT)
			continue;
		assert_int_equal(n, 2 * OUTBOX_WORK_MAX + 1);
		break;
	}
}

static void too_large_is_refused_at_once(void **state)
{
	static uint8_t big[OUTBOX_ENVELOPE_MAX + 1];
	struct outbox_message m = message(1, 1);

	(void)state;
	m.envelope = span(big, sizeof(big));
	assert_int_equal(outbox_put(o, &m, NULL), ERR_TOO_LARGE);
	m.envelope.n--;
	assert_int_equal(outbox_put(o, &m, NULL), OK);
	done(WORK_PUT, OK);
	assert_int_equal(outbox_read(o, &all()->item[0], &room, &m), OK);
	assert_int_equal(m.envelope.n, OUTBOX_ENVELOPE_MAX);
}

/* Whatever is asked in whatever order: what a plain list would hold is what the file holds after each restart. */
static void behaves_as_a_list_would(void **state)
{
	static struct { struct id id; unsigned n, tier; bool there; } list[600];
	unsigned n = 0;

	(void)state;
	for (int step = 0; step < 600; step++) {
		unsigned i = (unsigned)seed_below(n);

		if (n == 0 || seed_below(3)) {
			list[n].tier = (unsigned)seed_below(FLIGHT_TIERS);
			list[n].id = put_one(list[n].tier, n);
			list[n].there = true;
			n++;
		} else if (list[i].there) {
			assert_int_equal(seed_below(2) ? outbox_delivered(o, &list[i].id)
						       : outbox_aside(o, &list[i].id, 0x87), OK);
			list[i].there = false;
		}
		if (seed_below(100) == 0)
			reopen();
	}
	reopen();
	for (unsigned tier = 0, at = 0; tier < FLIGHT_TIERS; tier++)
		for (unsigned i = 0; i < n; i++)
			if (list[i].there && list[i].tier == tier) {
				assert_memory_equal(&all()->item[at].id, &list[i].id, sizeof(list[i].id));
				assert_int_equal(number_at(&all()->item[at++]), i);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OUTBOX(what_was_put_is_there_after_a_restart_in_order),
		WITH_OUTBOX(a_message_can_be_read_before_its_commit),
		WITH_OUTBOX(delivered_is_gone_and_says_whose_it_was),
		WITH_OUTBOX(what_was_set_aside_is_counted_and_not_sent),
		WITH_OUTBOX(what_was_set_aside_can_be_due_again),
		WITH_OUTBOX(what_was_set_aside_keeps_its_place_over_a_restart),
		WITH_OUTBOX(what_is_due_again_has_its_old_place),
		WITH_OUTBOX(a_probe_is_of_conditions_oldest_first),
		WITH_OUTBOX(a_source_id_is_taken_once_also_after_a_restart),
		WITH_OUTBOX(what_is_the_same_has_the_same_name),
		WITH_OUTBOX(what_was_not_kept_has_its_name_for_long),
		WITH_OUTBOX(what_was_not_kept_has_its_name_also_after_a_crash),
		WITH_OUTBOX(now_and_then_nothing_goes_out_before_it_is_kept),
		WITH_OUTBOX(an_event_that_is_being_kept_is_not_forgotten),
		WITH_OUTBOX(a_place_that_nothing_can_have_is_damage),
		WITH_OUTBOX(an_id_used_again_for_something_else_is_taken_and_told_apart),
		WITH_OUTBOX(what_is_held_is_due_when_released_or_after_a_restart),
		WITH_OUTBOX(put_takes_the_place_of_what_was_held),
		WITH_OUTBOX(open_alerts_survive_until_forgotten),
		WITH_OUTBOX(the_least_important_yield_and_urgent_ones_never),
		WITH_OUTBOX(what_yielded_is_taken_anew_when_it_is_repeated),
		WITH_OUTBOX(what_yielded_is_not_remembered_for_ever),
		WITH_OUTBOX(with_less_room_every_alert_is_still_there),
		WITH_OUTBOX(with_less_room_what_waits_yields_as_ever),
		WITH_OUTBOX(what_was_held_is_due_also_when_there_is_no_room),
		WITH_OUTBOX(what_the_broker_has_does_not_yield),
		WITH_OUTBOX(what_is_set_aside_yields_before_anybody_is_refused),
		WITH_OUTBOX(what_gives_way_among_what_is_set_aside_is_told),
		WITH_OUTBOX(what_is_set_aside_stays_when_it_is_in_nobodys_way),
		WITH_OUTBOX(what_tidies_up_keeps_nothing_out),
		WITH_OUTBOX(too_large_is_refused_at_once),
		WITH_OUTBOX(behaves_as_a_list_would),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

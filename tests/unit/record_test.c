#include "read_back.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "keeping.h"
#include "seed.h"
#include "trail.h"

/* ---- writing and reading ---- */

static void what_happened_is_read_back(void **state)
{
	struct reader *reader = NULL;
	const Pullcord__V1__AuditEvent *e;
	struct happening h = publish(3);
	struct id id = { { 1, 2, 3 } };
	uint8_t policy[16] = { 4 };
	struct entry entry;

	(void)state;
	h.message = &id;
	h.policy = policy;
	h.retain = h.life_critical = true;
	h.detail = SPAN_LIT("a word");
	open_record();
	assert_true(record_push(g.record, &h));
	record_close(&g.record);
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_get(reader, 0, &entry, &e), OK);
	assert_int_equal(entry.type, CONTROL_GENESIS);
	assert_int_equal(reader_get(reader, 1, &entry, &e), OK);
	assert_int_equal(entry.type, CONTROL_SEGMENT_OPEN);
	assert_int_equal(reader_get(reader, 2, &entry, &e), OK);
	assert_int_equal(e->version, 1);
	assert_int_equal(e->type, TYPE(PUBLISH));
	assert_int_equal(e->outcome, OUTCOME(ALLOWED));
	assert_int_equal(e->at_us, h.at_us);
	assert_int_equal(e->mono_us, h.mono_us);
	assert_string_equal(e->actor, "ana");
	assert_string_equal(e->client, "ana.t1");
	assert_string_equal(e->address, "10.0.0.7");
	assert_string_equal(e->topic, "mercy/unit/icu3/ack/nc-1");
	assert_string_equal(e->detail, "a word");
	assert_memory_equal(e->message.data, id.b, sizeof(id));
	assert_memory_equal(e->policy.data, policy, sizeof(policy));
	assert_int_equal(e->party, PULLCORD__V1__PARTY__PARTY_USER);
	assert_true(e->why == 1 && e->line == 3 && e->qos == 1 && e->retain && e->life_critical);
	assert_int_equal(reader_get(reader, 3, &entry, &e), ERR_NOT_FOUND);
	reader_close(&reader);
	assert_good();
}

static void many_are_kept_in_order_over_several_starts(void **state)
{
	uint64_t n = 0;

	(void)state;
	for (int start = 0; start < 4; start++) {
		uint64_t more = seed_below(3000);

		open_record();
		push_many(n, more);
		n += more;
		record_close(&g.record);
		assert_good();
		count_all();
		assert_int_equal(seen.stood_for, n);
		assert_true(n == 0 || seen.last_line == n - 1);
	}
	assert_int_equal(seen.gaps, 0);
	assert_int_equal(report.opened, n);
	assert_int_equal(report.entries, seen.control + n);
}

static void segments_turn_at_their_limit(void **state)
{
	(void)state;
	g.spec.map_bytes = 48 << 20;
	g.spec.ring_bytes = 1 << 24;
	record_some(SEGMENT_RECORDS_MAX + 10);
	assert_good();
	assert_int_equal(report.segments, 2);
	assert_int_equal(report.opened, SEGMENT_RECORDS_MAX + 10);
}

static void texts_of_strangers_are_cut_and_made_valid(void **state)
{
	char client[70];
	struct reader *reader = NULL;
	const Pullcord__V1__AuditEvent *e;
	struct happening h = publish(0);
	struct entry entry;

	(void)state;
	memset(client, 'x', sizeof(client));
	memcpy(client + 63, "\xe2\x82\xac", 3);   /* cut in its middle */
	h.client = span(client, sizeof(client));
	h.topic = SPAN_LIT("a\xff\0b\xc3");
	open_record();
	assert_true(record_push(g.record, &h));
	record_close(&g.record);
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_get(reader, 2, &entry, &e), OK);
	assert_int_equal(strlen(e->client), 63);
	assert_string_equal(e->topic, "a??b?");
	reader_close(&reader);
}

static void public_verification_needs_only_the_vkey(void **state)
{
	struct verify_spec spec;

	(void)state;
	record_some(100);
	spec = recording_verify(&g);
	spec.root = NULL;
	assert_int_equal(verify_record(&spec, &report), OK);
	assert_int_equal(report.opened, 0);
	assert_int_equal(report.entries, 102);
	assert_true(report.checkpoints >= 1);
	assert_int_equal(report.signed_size, 102);
}

/* Another process, for a store is opened once in each. */
static void a_reader_and_a_verifier_work_beside_the_writer(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		must(record_open(&g.spec, &g.record) == OK);
		for (uint64_t i = 0; i < 20000; usleep(i % 50 ? 0 : 1000)) {
			struct happening h = publish(i);

			i += record_push(g.record, &h);
		}
		record_close(&g.record);
		_exit(0);
	}
	assert_true(UNTIL(verify() == OK && report.entries >= 100));
	for (int i = 0; i < 10; i++) {
		uint64_t before = report.entries;

		assert_good();
		assert_true(report.entries >= before);
		count_all();
		usleep(20000);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_good();
	assert_true(report.checkpoints > 0);
}

static void a_second_writer_is_refused(void **state)
{
	struct record *other = NULL;

	(void)state;
	open_record();
	assert_int_equal(record_open(&g.spec, &other), ERR_BUSY);
	assert_null(other);
}

static void checkpoint_is_shown_once_signed(void **state)
{
	char note[NOTE_BYTES_MAX];
	struct checkpoint c;
	uint64_t size = 0;

	(void)state;
	record_some(5);
	open_record();
	assert_true(record_checkpoint(g.record, &size, note, sizeof(note)));
	assert_int_equal(size, 7);
	assert_false(record_checkpoint(g.record, &size, note, sizeof(note)));
	push_many(5, 1);
	(void)UNTIL(record_checkpoint(g.record, &size, note, sizeof(note)));
	assert_true(size > 7 && size <= record_durable(g.record));
	assert_int_equal(note_open(span_str(note), span_str(RECORDING_ORIGIN), g.pub, &c), OK);
	assert_int_equal(c.size, size);
}

/* ---- deliveries ---- */

static struct happening delivery(uint8_t message, const char *client, struct id *id)
{
	struct happening h = publish(message);

	*id = (struct id){ { message } };
	h.type = TYPE(DELIVER);
	h.message = id;
	h.client = h.actor = span_str(client);
	return h;
}

static void deliver(uint8_t message, const char *client)
{
	struct id id;
	struct happening h = delivery(message, client, &id);

	assert_true(record_push(g.record, &h));
}

/* In a flush, with one event. */
static void keep_writer_busy(void)
{
	struct happening h = publish(9);

	atomic_store(&disk.slow_ms, 1000);
	assert_true(record_push(g.record, &h));
	assert_true(UNTIL(atomic_load(&disk.slow_now)));
}

static void deliveries_of_one_message_are_one_entry_without_repeats(void **state)
{
	struct reader *reader = NULL;
	const Pullcord__V1__AuditEvent *e;
	struct entry entry;

	(void)state;
	open_record();
	keep_writer_busy();     /* what follows it takes together */
	deliver(1, "ana.t1");
	deliver(1, "bob.t2");
	deliver(1, "ana.t1");   /* an overlapping subscription */
	deliver(2, "ana.t1");
	assert_true(atomic_load(&disk.slow_now));
	record_close(&g.record);
	assert_good();
	count_all();
	assert_int_equal(seen.stood_for, 5);
	assert_int_equal(reader_open(g.path, g.root, &reader), OK);
	assert_int_equal(reader_get(reader, 3, &entry, &e), OK);
	assert_int_equal(e->n_recipient, 2);
	assert_int_equal(e->count, 3);
	assert_string_equal(e->recipient[1]->client, "bob.t2");
	assert_string_equal(e->recipient[1]->actor, "bob.t2");
	assert_int_equal(e->recipient[1]->qos, 1);
	assert_int_equal(reader_get(reader, 4, &entry, &e), OK);
	assert_int_equal(e->n_recipient, 1);
	assert_int_equal(e->count, 0);
	reader_close(&reader);
}

static void deliveries_of_another_verdict_are_another_entry(void **state)
{
	struct id id;
	struct happening h;

	(void)state;
	open_record();
	deliver(1, "ana.t1");
	h = delivery(1, "bob.t2", &id);
	h.outcome = OUTCOME(DENIED);
	assert_true(record_push(g.record, &h));
	h.why++;
	assert_true(record_push(g.record, &h));
	h = publish(9);
	assert_true(record_push(g.record, &h));
	deliver(1, "cyd.t3");
	record_close(&g.record);
	count_all();
	assert_int_equal(seen.events, 5);
	assert_int_equal(seen.recipients, 4);
}

static void a_delivery_to_the_whole_house_fits(void **state)
{
	char client[AUDITED_CLIENT_MAX + 1];

	(void)state;
	open_record();
	for (int i = 0; i < 1000; i++) {
		struct id id;
		struct happening h;

		snprintf(client, sizeof(client), "%064d", i);
		h = delivery(1, client, &id);
		while (!record_push(g.record, &h))
			usleep(100);
	}
	record_close(&g.record);
	assert_good();
	count_all();
	assert_int_equal(seen.recipients, 1000);
	assert_int_equal(seen.stood_for, 1000);
	assert_true(seen.events < 20);
}

/* ---- clocks and gaps ---- */

static void a_clock_that_was_set_is_told(void **state)
{
	struct happening h = publish(0);

	(void)state;
	open_record();
	assert_true(record_push(g.record, &h));
	h.at_us += 1900000;     /* slewed: no matter */
	assert_true(record_push(g.record, &h));
	h.at_us += 200000;
	assert_true(record_push(g.record, &h));
	h.at_us -= 3600 * 1000000LL;
	assert_true(record_push(g.record, &h));
	record_close(&g.record);
	count_all();
	assert_int_equal(seen.clocks, 2);
	assert_int_equal(seen.stood_for, 4);
}

/* A sum that comes after the clock was set began before. */
static void a_sum_judges_no_clock(void **state)
{
	struct happening h = publish(0), sum = publish(0);

	(void)state;
	sum.count = 7;
	sum.until_us = sum.at_us + 3000000;
	open_record();
	h.at_us += 3600 * 1000000LL;
	assert_true(record_push(g.record, &h));
	assert_true(record_push(g.record, &sum));
	assert_true(record_push(g.record, &h));
	record_close(&g.record);
	count_all();
	assert_int_equal(seen.clocks, 0);
	assert_int_equal(seen.stood_for, 9);
}

/* Pushing faster than any disk: what the ring refuses is counted to the unit. */
static void lost_and_kept_add_up(void **state)
{
	uint64_t refused = 0, n = 20000;

	(void)state;
	g.spec.ring_bytes = RING_BYTES_MIN;
	g.spec.map_bytes = 32 << 20;
	open_record();
	for (uint64_t i = 0; i < n; i++) {
		struct happening h = publish(i);

		refused += !record_push(g.record, &h);
		if (i % 100 == 0)
			usleep(1);
	}
	assert_int_equal(record_lost(g.record), refused);
	record_close(&g.record);
	assert_good();
	count_all();
	assert_true(refused > 0);
	assert_int_equal(seen.lost, refused);
	assert_int_equal(seen.stood_for, n - refused);
}

static int64_t gaps_until_us;

static void see_until(uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	(void)index;
	if (e && e->type == TYPE(GAP) && (int64_t)e->until_us > gaps_until_us)
		gaps_until_us = (int64_t)e->until_us;
}

/* Sums find no room either: the gap has all they stood for, and the time of the last. */
static void a_gap_counts_what_one_stood_for(void **state)
{
	uint64_t refused = 0, n = 1000;
	int64_t until_us = 0;

	(void)state;
	g.spec.ring_bytes = RING_BYTES_MIN;
	open_record();
	disk_refuses(ENOSPC, g.path);
	for (uint64_t i = 0; i < n; i++) {
		struct happening h = publish(i);

		h.outcome = OUTCOME(DENIED);
		h.count = 5;
		h.until_us = h.at_us + 7000000;
		if (record_push(g.record, &h))
			continue;
		refused++;
		until_us = h.until_us;
	}
	assert_int_equal(record_lost(g.record), 5 * refused);
	disk_heals();
	record_close(&g.record);
	assert_good();
	count_all();
	assert_true(refused > 0);
	assert_int_equal(seen.lost, 5 * refused);
	assert_int_equal(seen.stood_for, 5 * (n - refused));
	gaps_until_us = 0;
	each_event(see_until);
	assert_int_equal(gaps_until_us, until_us);
}

/* In a child that is killed, so that closing cannot tell it. */
static void a_gap_that_nothing_follows_is_told_at_the_next_tick(void **state)
{
	uint64_t refused = 0;
	int told[2];

	(void)state;
	assert_int_equal(pipe(told), 0);
	if (fork() == 0) {
		g.spec.ring_bytes = RING_BYTES_MIN;
		must(record_open(&g.spec, &g.record) == OK);
		while (!refused)
			for (uint64_t i = 0; i < 200; i++) {
				struct happening h = publish(i);

				refused += !record_push(g.record, &h);
			}
		must(UNTIL(record_settled(g.record, record_ticket(g.record))));         /* there is room to tell it */
		record_tick(g.record);
		must(UNTIL(record_settled(g.record, record_ticket(g.record))));
		_exit(write(told[1], &refused, sizeof(refused)) != sizeof(refused));
	}
	assert_int_equal(read(told[0], &refused, sizeof(refused)), sizeof(refused));
	close(told[0]);
	close(told[1]);
	wait(NULL);
	count_all();
	assert_int_equal(seen.lost, refused);
}

/* ---- acts, and the room there is ---- */

/* An act is settled when it is durable, and never when the record has stopped for good. */
static void a_ticket_is_settled_when_it_is_durable(void **state)
{
	struct happening h = publish(0);
	uint64_t ticket;

	(void)state;
	open_record();
	assert_true(record_settled(g.record, record_ticket(g.record)));
	h.type = TYPE(ADMIN);
	assert_true(record_push(g.record, &h));
	ticket = record_ticket(g.record);
	assert_true(UNTIL(record_settled(g.record, ticket)));
	assert_int_equal(record_durable(g.record), 3);
	disk_refuses(EIO, g.path);
	assert_true(record_push(g.record, &h));
	ticket = record_ticket(g.record);
	wait_for(RECORD_STOPPED);
	disk_heals();
	usleep(300 * 1000);
	assert_false(record_settled(g.record, ticket));
}

/* Watermarks: 20, 10 and 5 % of what was set aside for it. */
static void the_disk_runs_low_by_degrees(void **state)
{
	enum record_disk was = RECORD_DISK_FINE;
	bool met[4] = { false };
	uint64_t i = 0;

	(void)state;
	g.spec.map_bytes = 8 << 20;
	open_record();
	while (record_trouble(g.record) == OK) {
		struct happening h = publish(i);
		enum record_disk now = record_disk(g.record);

		assert_true(now >= was);
		was = now;
		met[now] = true;
		if (now == RECORD_DISK_OUT)
			assert_int_equal(record_state(g.record), RECORD_STOPPED);
		if (record_push(g.record, &h))
			i++;
		while (i % 64 == 0 && !record_settled(g.record, record_ticket(g.record)) && record_trouble(g.record) == OK)
			usleep(1000);
	}
	assert_true(met[RECORD_DISK_FINE] && met[RECORD_DISK_LOW] && met[RECORD_DISK_SCARCE] && met[RECORD_DISK_OUT]);
}

/* ---- a store without room ---- */

/* The map is full for good: the record stops before LMDB's last pages are gone, stays verifiable, and what it has is
 * what was reported durable. With a larger map it goes on, and nothing that was durable is lost. */
static void a_full_store_stops_and_goes_on_with_more_room(void **state)
{
	uint64_t i = 0, kept;

	(void)state;
	g.spec.map_bytes = 1 << 20;
	g.spec.ring_bytes = 1 << 18;
	open_record();
	while (record_trouble(g.record) == OK) {
		struct happening h = publish(i);

		if (record_push(g.record, &h))
			i++;
		else
			usleep(1000);
	}
	assert_int_equal(record_trouble(g.record), ERR_FULL);
	kept = record_durable(g.record);
	assert_true(kept > 500 && kept < i);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.entries, kept);
	assert_int_equal(report.signed_size, kept);
	g.spec.map_bytes = 4 << 20;
	open_record();
	push_many(i, 100);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.opened, kept - 2 + 100);
}

static atomic_bool pushing;
#define GROUP 4096                      /* what one batch takes */

/* The ring always has more than a batch takes, so the writer never has nothing left to do; for as long as the test may take. */
static void *push_on(void *arg)
{
	uint64_t ticket[3] = { 0 };

	(void)arg;
	for (uint64_t i = 0; i < 24 * GROUP && atomic_load(&pushing); i++) {
		struct happening h = publish(i);

		if (i % GROUP == 0) {
			while (atomic_load(&pushing) && !record_settled(g.record, ticket[i / GROUP % 3]))
				usleep(100);
			if (i)
				ticket[(i / GROUP - 1) % 3] = record_ticket(g.record);
		}
		(void)record_push(g.record, &h);
	}
	atomic_store(&pushing, false);
	return NULL;
}

static void while_it_is_busy_acts_are_carried_out_and_trouble_ends(void **state)
{
	pthread_t thread;

	(void)state;
	g.spec.map_bytes = 64 << 20;
	g.spec.ring_bytes = 8 << 20;
	open_record();
	atomic_store(&pushing, true);
	assert_int_equal(pthread_create(&thread, NULL, push_on, NULL), 0);
	assert_true(UNTIL(record_durable(g.record) >= GROUP));
	assert_int_equal(segment_hold(g.record, &(struct segment_act){ 1, 1, SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("why") }, true),
			 OK);
	assert_true(atomic_load(&pushing));
	disk_refuses(ENOSPC, g.path);
	while (record_trouble(g.record) == OK && atomic_load(&pushing))
		usleep(1000);
	disk_heals();
	while (record_trouble(g.record) != OK && atomic_load(&pushing))
		usleep(1000);
	assert_true(atomic_load(&pushing));
	atomic_store(&pushing, false);
	pthread_join(thread, NULL);
	record_close(&g.record);
	assert_good();
}

static void nothing_is_shown_that_is_not_in_the_sizes_file(void **state)
{
	uint64_t size = 0;
	char note[NOTE_BYTES_MAX];

	(void)state;
	record_some(5);
	open_record();
	assert_true(record_checkpoint(g.record, &size, note, sizeof(note)));
	disk_refuses(ENOSPC, g.sizes);
	push_many(5, 5);
	wait_for(RECORD_STOPPED);
	assert_int_equal(record_trouble(g.record), ERR_FULL);
	assert_false(record_checkpoint(g.record, &size, note, sizeof(note)));
	disk_heals();
	push_many(10, 5);
	wait_for(RECORD_FLOWING);
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.opened, 15);
	assert_int_equal(report.signed_size, report.entries);
}

/* The store itself cannot be written for a while: nothing is lost, nothing twice, and what was sealed for the failed
 * transaction, whose bytes may lie in the file, is sealed anew under another key. */
static void a_failed_batch_comes_again_under_another_key(void **state)
{
	unsigned said;

	(void)state;
	record_some(500);
	open_record();
	push_many(500, 10);
	(void)UNTIL(record_durable(g.record) >= 513);
	assert_int_equal(record_durable(g.record), 513);
	disk_refuses(ENOSPC, g.path);
	push_many(510, 10);
	wait_for(RECORD_STOPPED);
	assert_int_equal(record_trouble(g.record), ERR_FULL);
	said = atomic_load(&disk.refused);      /* it may have stopped at a checkpoint that was due: the batch comes with the next try */
	assert_true(UNTIL(atomic_load(&disk.refused) > said + 1));
	disk_heals();
	push_many(520, 10);
	wait_for(RECORD_FLOWING);
	record_close(&g.record);
	assert_good();
	count_all();
	assert_int_equal(report.segments, 3);
	assert_int_equal(seen.stood_for, 530);
	assert_int_equal(seen.last_line, 529);
	assert_int_equal(seen.gaps, 0);
}

/* What a failing disk said it flushed cannot be asked for again: the record stops for good. */
static void a_failing_disk_is_not_asked_again(void **state)
{
	unsigned refused;
	uint64_t kept, size = 0;
	char note[NOTE_BYTES_MAX];

	(void)state;
	record_some(5);
	open_record();
	kept = record_durable(g.record);
	disk_refuses(EIO, g.path);
	push_many(5, 5);
	wait_for(RECORD_STOPPED);
	assert_int_equal(record_trouble(g.record), ERR_IO);
	refused = atomic_load(&disk.refused);
	usleep(600 * 1000);
	assert_int_equal(atomic_load(&disk.refused), refused);
	disk_heals();
	push_many(10, 5);
	usleep(300 * 1000);
	assert_int_equal(record_state(g.record), RECORD_STOPPED);
	assert_int_equal(record_durable(g.record), kept);
	assert_true(record_checkpoint(g.record, &size, note, sizeof(note)));
	assert_true(size <= kept);
	record_close(&g.record);
	open_record();   /* the way on is to look at the disk, and to start again */
	push_many(15, 5);
	record_close(&g.record);
	assert_good();
}

static const struct segment_act on_first = { 1, INT64_MAX, SPAN_LIT("ana"), SPAN_LIT("bob"), SPAN_LIT("why") };

/* Nothing else was to be written, so nothing else can notice. */
static void an_act_that_meets_a_failing_disk_stops_the_record(void **state)
{
	uint64_t kept;

	(void)state;
	record_some(5);
	open_record();
	kept = record_durable(g.record);
	disk_refuses(EIO, g.path);
	assert_int_equal(segment_hold(g.record, &on_first, true), ERR_IO);
	assert_int_equal(record_trouble(g.record), ERR_IO);
	assert_int_equal(record_state(g.record), RECORD_STOPPED);
	disk_heals();
	push_many(5, 5);
	usleep(100 * 1000);
	assert_int_equal(record_trouble(g.record), ERR_IO);
	assert_int_equal(record_durable(g.record), kept);
}

/* It is in the record, whatever becomes of the signature over it. */
static void an_act_that_is_durable_is_answered_so(void **state)
{
	(void)state;
	record_some(5);
	record_some(5);
	open_record();
	disk_refuses(ENOSPC, g.sizes);
	assert_int_equal(segment_hold(g.record, &on_first, true), OK);
	assert_int_equal(segment_hold(g.record, &on_first, false), OK);
	assert_int_equal(segment_erase(g.record, &on_first), OK);
	wait_for(RECORD_STOPPED);
	assert_int_equal(record_trouble(g.record), ERR_FULL);
	disk_heals();
	record_close(&g.record);
	assert_good();
	assert_int_equal(report.erased, 1);
	assert_int_equal(report.signed_size, report.entries);
}

/* The key of the segment is not known to be gone: what comes meanwhile is not written either. */
static void nothing_is_written_after_an_erasing_met_a_failing_disk(void **state)
{
	char keys[128];
	pthread_t thread;
	uint64_t kept;

	(void)state;
	g.spec.map_bytes = 64 << 20;
	g.spec.ring_bytes = 8 << 20;
	record_some(5);
	open_record();
	atomic_store(&pushing, true);
	assert_int_equal(pthread_create(&thread, NULL, push_on, NULL), 0);
	assert_true(UNTIL(record_durable(g.record) >= GROUP));
	snprintf(keys, sizeof(keys), "%s-keys", g.path);
	disk_refuses(EIO, keys);
	assert_int_equal(segment_erase(g.record, &on_first), ERR_IO);
	kept = record_durable(g.record);
	assert_int_equal(record_trouble(g.record), ERR_IO);
	usleep(100 * 1000);
	assert_int_equal(record_trouble(g.record), ERR_IO);
	assert_int_equal(record_durable(g.record), kept);
	atomic_store(&pushing, false);
	pthread_join(thread, NULL);
}

/* ---- keys ---- */

static void other_keys_do_not_open_it(void **state)
{
	(void)state;
	record_some(10);
	record_some(10);                /* more than one checkpoint that others cannot read */
	g.root[0] ^= 1;
	assert_int_equal(record_open(&g.spec, &g.record), ERR_KEY);
	g.root[0] ^= 1;
	g.secret[0] ^= 1;
	assert_int_equal(record_open(&g.spec, &g.record), ERR_KEY);
	g.secret[0] ^= 1;
	g.spec.origin = "hospital.example/audit/east";
	assert_int_equal(record_open(&g.spec, &g.record), ERR_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_happened_is_read_back),
		T(many_are_kept_in_order_over_several_starts),
		T(segments_turn_at_their_limit),
		T(texts_of_strangers_are_cut_and_made_valid),
		T(public_verification_needs_only_the_vkey),
		T(a_reader_and_a_verifier_work_beside_the_writer),
		T(a_second_writer_is_refused),
		T(checkpoint_is_shown_once_signed),
		T(deliveries_of_one_message_are_one_entry_without_repeats),
		T(deliveries_of_another_verdict_are_another_entry),
		T(a_delivery_to_the_whole_house_fits),
		T(a_clock_that_was_set_is_told),
		T(a_sum_judges_no_clock),
		T(lost_and_kept_add_up),
		T(a_gap_counts_what_one_stood_for),
		T(a_gap_that_nothing_follows_is_told_at_the_next_tick),
		T(a_ticket_is_settled_when_it_is_durable),
		T(the_disk_runs_low_by_degrees),
		T(a_full_store_stops_and_goes_on_with_more_room),
		T(while_it_is_busy_acts_are_carried_out_and_trouble_ends),
		T(nothing_is_shown_that_is_not_in_the_sizes_file),
		T(a_failed_batch_comes_again_under_another_key),
		T(a_failing_disk_is_not_asked_again),
		T(an_act_that_meets_a_failing_disk_stops_the_record),
		T(an_act_that_is_durable_is_answered_so),
		T(nothing_is_written_after_an_erasing_met_a_failing_disk),
		T(other_keys_do_not_open_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

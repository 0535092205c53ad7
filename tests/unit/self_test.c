/* self: how often it speaks, when silence is one, and what a gateway says of itself when its parts are ill. */
#include "pipelined.h"

#include <sys/wait.h>

#include "faulty_disk.h"
#include "seed.h"
#include "self.h"
#include "store.h"

static struct self s;

static int make_self(void **state)
{
	(void)state;
	if (crypt_init() != OK)
		return -1;
	self_init(&s, 1000);
	return 0;
}

static void who_is_not_connected_says_nothing(void **state)
{
	(void)state;
	self_changed(&s, 1000);
	assert_false(self_speaks(&s, 100000, 30000));
	self_linked(&s, true, 2000, 77);
	assert_true(self_speaks(&s, 2000, 30000));
	assert_int_equal(s.online_us, 77);
	self_linked(&s, false, 3000, 88);
	assert_int_equal(s.online_us, 77);
	assert_false(self_speaks(&s, 100000, 30000));
}

static void it_speaks_at_its_pace_and_soon_after_a_change(void **state)
{
	(void)state;
	self_linked(&s, true, 2000, 77);
	assert_true(self_speaks(&s, 2000, 30000));
	assert_false(self_speaks(&s, 31999, 30000));
	assert_true(self_speaks(&s, 32000, 30000));
	self_changed(&s, 33000);
	assert_false(self_speaks(&s, 33999, 30000));
	assert_int_equal(self_due_ms(&s), 34000);
	assert_true(self_speaks(&s, 34000, 30000));
	assert_int_equal(self_due_ms(&s), 64000);
}

static void a_new_connection_hears_it_at_once(void **state)
{
	(void)state;
	self_linked(&s, true, 2000, 77);
	assert_true(self_speaks(&s, 2000, 30000));
	self_linked(&s, false, 2100, 78);
	self_linked(&s, true, 2200, 79);
	assert_true(self_speaks(&s, 2200, 30000));
	assert_int_equal(s.connections, 2);
}

/* Whatever happens in between: never twice within a second through one connection. */
static void it_never_speaks_more_often_than_each_second(void **state)
{
	int64_t ms = 2000, last = INT64_MIN / 2;

	(void)state;
	self_linked(&s, true, ms, 77);
	for (unsigned i = 0; i < 100000; i++) {
		ms += (int64_t)(seed_next() % 200);
		switch (seed_next() % 3) {
		case 0: self_changed(&s, ms); break;
		case 1: s.due_ms = ms; break;          /* it was asked to report */
		default: break;
		}
		if (!self_speaks(&s, ms, 5000))
			continue;
		assert_true(ms - last >= SELF_CHANGE_MS);
		last = ms;
	}
}

static void silence_is_an_answer_that_does_not_come(void **state)
{
	(void)state;
	self_linked(&s, true, 2000, 77);
	assert_int_equal(self_silent_ms(&s, 60000), 0);    /* nothing was asked */
	self_sent(&s, 60000);
	self_sent(&s, 61000);
	assert_int_equal(self_silent_ms(&s, 62000), 2000);
	self_heard(&s, false, 63000);                      /* it says something else: it lives */
	assert_int_equal(self_silent_ms(&s, 64000), 1000);
	self_heard(&s, true, 65000);
	assert_int_equal(self_silent_ms(&s, 66000), 1000); /* one is still owed */
	self_heard(&s, true, 67000);
	assert_int_equal(self_silent_ms(&s, 90000), 0);
	self_sent(&s, 90000);
	self_linked(&s, false, 91000, 78);
	self_linked(&s, true, 92000, 79);
	assert_int_equal(self_silent_ms(&s, 99000), 0);    /* what the last connection owed, this one does not */
}

/* Those that lasted are none; nor is the present one, once it has. */
static void connections_that_do_not_last_are_counted(void **state)
{
	static const struct { int64_t lasts_ms; unsigned flaps; } row[] = {
		{ 5000, 1 }, { SELF_STEADY_MS - 1, 2 }, { SELF_STEADY_MS, 0 }, { 100, 1 }, { 100, 2 },
	};
	int64_t ms = 2000;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		self_linked(&s, true, ms, 77);
		self_linked(&s, false, ms += row[i].lasts_ms, 78);
		self_linked(&s, false, ms += 20000, 78);    /* and a try that fails */
		assert_int_equal(self_flaps(&s, ms), row[i].flaps);
	}
	self_linked(&s, true, ms, 79);
	assert_int_equal(self_flaps(&s, ms + SELF_STEADY_MS - 1), 2);
	assert_int_equal(self_flaps(&s, ms + SELF_STEADY_MS), 0);
}

/* ---- in a gateway ---- */

static const Pullcord__V1__DeviceState *read_state(const struct sent *m)
{
	struct envelope e;
	struct topic t;

	assert_non_null(m);
	assert_true(m->retain);
	arena.used = 0;
	assert_int_equal(topic_parse(span_str(m->topic), &t), OK);
	assert_int_equal(envelope_open(span(m->payload, m->n), &t, 0, &arena, &e), OK);
	return e.body.state;
}

static const Pullcord__V1__DeviceState *next_state(void)
{
	now += conf.gateway_state_s * 1000LL;
	run();
	return read_state(sent("/state", sent_count("/state") - 1));
}

static void what_waits_is_told_by_tier(void **state)
{
	const Pullcord__V1__DeviceState *d;

	(void)state;
	push_high("a1", 1);
	push_high("a2", 2);
	push_medium("m1", 3, PHASE(START));
	run();
	now += 5000;
	come_up();
	d = read_state(sent("/state", 0));
	assert_true(d->online);
	assert_int_equal(d->queued, 3);
	assert_int_equal(d->n_tier, 2);
	assert_int_equal(d->tier[0]->priority, PRIORITY(HIGH));
	assert_int_equal(d->tier[0]->queued, 2);
	assert_int_equal(d->tier[0]->oldest_s, 5);
	assert_int_equal(d->tier[1]->priority, PRIORITY(MEDIUM));
	assert_int_equal(d->oldest_s, 5);
	assert_true(d->flush_p99_us > 0);
	assert_true(d->room > 1000);
	assert_int_equal(d->certificate_days, 89);
	assert_string_equal(d->version, PULLCORD_VERSION);
	assert_int_equal(d->uptime_s, 5);
}

static void the_clock_is_judged_by_receipts(void **state)
{
	(void)state;
	conf.gateway_state_s = 5;
	come_up();
	push_high("a1", 1);
	push_high("a2", 2);
	push_high("a3", 3);
	run();
	for (unsigned i = 0; i < 3; i++)
		ack(sent("/alert/", i), 0);
	assert_int_equal(read_state(sent("/state", 0))->clock, PULLCORD__V1__CLOCK_QUALITY__CLOCK_NONE);
	from_broker_at = fake_real(NULL) + 250000;
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	now += 1000;
	ack(sent("/state", 0), 0);
	assert_int_equal(next_state()->clock, PULLCORD__V1__CLOCK_QUALITY__CLOCK_GOOD);
	assert_int_equal(read_state(sent("/state", 1))->clock_off_ms, 250);
	from_broker_at = fake_real(NULL) - 3600 * 1000000LL;
	stored(sent("/alert/", 1), PULLCORD__V1__PARTY__PARTY_BROKER);
	from_broker_at = 0;
	ack(sent("/state", 1), 0);
	assert_int_equal(next_state()->clock, PULLCORD__V1__CLOCK_QUALITY__CLOCK_WRONG);
	assert_int_equal(read_state(sent("/state", sent_count("/state") - 1))->clock_off_ms, -3600000);
}

static void who_asks_for_reports_gets_one_a_second(void **state)
{
	Pullcord__V1__DeviceCommand c = PULLCORD__V1__DEVICE_COMMAND__INIT;

	(void)state;
	come_up();
	c.command = PULLCORD__V1__COMMAND_KIND__COMMAND_REPORT;
	for (unsigned i = 0; i < 40; i++) {
		from_broker("mercy/device/nc-1/cmd", PULLCORD__V1__PARTY__PARTY_USER, "ana", &c.base);
		now += 100;
	}
	assert_int_equal(sent_count("/state"), 4);     /* in 3.9 s, the first included */
}

static enum health_condition condition(int64_t stuck_ms, enum health_fault *first)
{
	struct health h;

	pipeline_health(g, stuck_ms, &h);
	*first = HEALTH_FAULTS_END;
	for (unsigned f = HEALTH_FAULTS_END; f-- > 0;)
		if (h.fault[f])
			*first = (enum health_fault)f;
	return health_condition(&h);
}

/* A connection that is closed and did not say so is not kept for one that is up. */
static void what_cannot_be_sent_any_more_is_a_lost_connection(void **state)
{
	(void)state;
	come_up();
	b.up = false;
	push_high("a1", 1);
	run();
	assert_int_equal(b.hangups, 1);
	now += 1000;
	run();
	assert_int_equal(b.dials, 2);
	come_up();
	assert_int_equal(sent_count("/alert/high/"), 1);
}

/* The library says the connection lives, but nothing comes back: it is made anew. */
static void a_deaf_connection_is_made_anew(void **state)
{
	enum health_fault f;

	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	now += 3 * conf.uplink_keepalive_s * 1000LL - 1;
	run();
	assert_int_equal(b.hangups, 0);
	now += 1;
	run();
	assert_int_equal(b.hangups, 1);
	assert_non_null(strstr(last_log, "nothing is answered"));
	now += 1000;
	run();
	assert_int_equal(b.dials, 2);
	come_up();
	assert_int_equal(sent_count("/alert/high/"), 2);
	b.busy_ms = 8001;                               /* and if not even that is possible */
	assert_int_equal(condition(2000, &f), HEALTH_STUCK);
	assert_int_equal(f, HEALTH_UPLINK);
	b.busy_ms = 0;
	assert_int_equal(condition(2000, &f), HEALTH_WELL);
}

/* Another process has the right to write, and keeps it: to the writer as good as a disk that never answers. It is there
 * before the outbox is opened here, for one process opens it once. */
struct holder {
	pid_t pid;
	int say, hear;
};

static struct holder holder_start(void)
{
	static const char *const tables[] = { "queue", "where", "held", "aside", "seen", "seen_order", "open", "keys", NULL };
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = 2 << 20, .table = tables };
	struct store *store = NULL;
	struct txn *t = NULL;
	struct holder h;
	int to[2], from[2];
	char c;

	must(pipe(to) == 0 && pipe(from) == 0);
	h = (struct holder){ fork(), to[1], from[0] };
	if (h.pid == 0) {
		close(to[1]);
		must(read(to[0], &c, 1) == 1);
		must(store_open(conf.gateway_outbox, &spec, &store) == OK && txn_begin_write(store, &t) == OK);
		must(write(from[1], "x", 1) == 1);
		_exit((int)read(to[0], &c, 1));         /* until the other end is closed */
	}
	close(to[0]);
	close(from[1]);
	return h;
}

static void holder_holds(const struct holder *h)
{
	char c;

	assert_int_equal(write(h->say, "x", 1), 1);
	assert_int_equal(read(h->hear, &c, 1), 1);
}

static void holder_ends(struct holder *h)
{
	int status;

	close(h->say);
	close(h->hear);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	assert_int_equal(status, 0);
}

static void a_writer_that_does_not_move_is_stuck(void **state)
{
	enum health_fault f;
	struct holder h;

	(void)state;
	pipeline_close(&g);
	h = holder_start();
	start();
	come_up();
	holder_holds(&h);
	push_medium("a1", 1, PHASE(START));
	assert_true(UNTIL(condition(50, &f) == HEALTH_STUCK));
	assert_int_equal(f, HEALTH_WRITER);
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 0);
	holder_ends(&h);
	run();
	assert_int_equal(condition(50, &f), HEALTH_WELL);
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
}

/* Neither kept nor refused: whoever pressed waits for nothing, so somebody must go and look. */
static void a_disk_that_hangs_is_told_to_the_staff(void **state)
{
	struct holder h;

	(void)state;
	pipeline_close(&g);
	h = holder_start();
	start();
	come_up();
	holder_holds(&h);
	push_medium("a1", 1, PHASE(START));
	(void)UNTIL(sent_count("/alert/high/"), now += 1, pipeline_run(g));
	holder_ends(&h);
	assert_int_equal(sent_count("/alert/high/"), 1);
	assert_string_equal(read_alert(sent("/alert/high/", 0))->code, "gateway.refusing");
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
}

/* A restart would not mend it: the gateway goes on saying no. */
static void a_disk_that_fails_is_no_standstill(void **state)
{
	enum health_fault f;

	(void)state;
	come_up();
	disk_refuses(EIO, NULL);
	push_medium("a1", 1, PHASE(START));
	run();
	assert_int_equal(answers(ANSWER_REFUSED, "a1"), 1);
	assert_int_equal(condition(30000, &f), HEALTH_DEGRADED);
	assert_int_equal(f, HEALTH_DISK);
	disk_heals();
	push_medium("a2", 2, PHASE(START));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a2"), 1);
	(void)condition(30000, &f);
	assert_int_equal(f, HEALTH_REFUSING);           /* for a minute the staff hears of it */
}

#define WITH(test) cmocka_unit_test_setup(test, make_self)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(who_is_not_connected_says_nothing), WITH(it_speaks_at_its_pace_and_soon_after_a_change),
		WITH(a_new_connection_hears_it_at_once), WITH(it_never_speaks_more_often_than_each_second),
		WITH(silence_is_an_answer_that_does_not_come),
		WITH(connections_that_do_not_last_are_counted),
		WITH_HOUSE(what_waits_is_told_by_tier),
		WITH_HOUSE(the_clock_is_judged_by_receipts),
		WITH_HOUSE(who_asks_for_reports_gets_one_a_second),
		WITH_HOUSE(what_cannot_be_sent_any_more_is_a_lost_connection),
		WITH_HOUSE(a_deaf_connection_is_made_anew),
		WITH_HOUSE(a_writer_that_does_not_move_is_stuck),
		WITH_HOUSE(a_disk_that_hangs_is_told_to_the_staff),
		WITH_HOUSE(a_disk_that_fails_is_no_standstill),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

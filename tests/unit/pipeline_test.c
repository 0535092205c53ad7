/* pipeline: what happens where the parts meet, with a broker and a clock of our own. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "pipelined.h"
#include "store.h"

/* ---- going up ---- */

static void when_it_comes_up_it_subscribes_and_says_so(void **state)
{
	(void)state;
	assert_int_equal(b.dials, 1);
	assert_string_equal(b.will.topic, "mercy/device/nc-1/state");
	come_up();
	assert_int_equal(b.subscribed, 4);   /* each unit once */
	assert_string_equal(b.filter[0], "mercy/device/nc-1/stored");
	assert_string_equal(b.filter[1], "mercy/device/nc-1/cmd");
	assert_string_equal(b.filter[2], "mercy/unit/icu3/ack/nc-1");
	assert_string_equal(b.filter[3], "mercy/unit/icu4/ack/nc-1");
	assert_true(sent("/state", 0)->retain);
	now += conf.gateway_state_s * 1000;
	run();
	assert_int_equal(sent_count("/state"), 2);
}

static void an_event_is_durable_then_stored(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	assert_int_equal(src.n, 0);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 0);
	assert_string_equal(sent("/alert/", 0)->topic, "mercy/unit/icu3/alert/medium/nc-1");
	assert_int_equal(sent("/alert/", 0)->expiry_s, 15 * 60);
	assert_string_equal(read_alert(sent("/alert/", 0))->source_id, "a1");
	ack(sent("/alert/", 0), 0);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 0);   /* that would not survive the broker's crash */
	assert_int_equal(pipeline_queued(g), 1);
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 1);
	assert_int_equal(pipeline_queued(g), 0);
}

static void a_receipt_is_awaited_outside_of_the_window(void **state)
{
	(void)state;
	come_up_taking(3);                        /* one at a time, beside what the gateway says of itself */
	push_medium("a1", 1, PHASE(START));
	push_medium("a2", 2, PHASE(START));
	run();
	assert_int_equal(sent_count("/alert/"), 1);
	ack(sent("/alert/", 0), 0);
	assert_int_equal(sent_count("/alert/"), 2);
	ack(sent("/alert/", 1), 0);
	assert_int_equal(pipeline_queued(g), 2);
	now += 5000;
	run();
	assert_memory_equal(&sent("/alert/", 2)->id, &sent("/alert/", 0)->id, ID_BYTES);
}

static void it_is_durable_without_a_broker(void **state)
{
	(void)state;
	push_high("a1", 1);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
	come_up();
	assert_int_equal(sent_count("/alert/"), 1);
}

static void an_urgent_one_is_on_the_wire_before_it_is_durable(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	assert_int_equal(sent_count("/alert/high/"), 1);
	assert_int_equal(src.n, 0);
	assert_int_equal(sent("/alert/", 0)->expiry_s, 0);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
	assert_int_equal(sent_count("/alert/high/"), 1);
}

static void an_urgent_one_is_kept_until_its_receipt(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	ack(sent("/alert/", 0), 0);
	assert_int_equal(pipeline_queued(g), 1);
	now += 4999;
	run();
	assert_int_equal(sent_count("/alert/"), 1);
	now += 1;
	run();
	assert_int_equal(sent_count("/alert/"), 2);
	assert_memory_equal(&sent("/alert/", 0)->id, &sent("/alert/", 1)->id, ID_BYTES);
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_USER);   /* anybody could say that */
	assert_int_equal(pipeline_queued(g), 1);
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	assert_int_equal(pipeline_queued(g), 0);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 1);
	now += 1000000;
	run();
	assert_int_equal(sent_count("/alert/"), 2);
}

/* Another process, which takes all places of readers when it is told. */
static void read_in_the_way(int told, int done)
{
	static const char *const tables[] = { "queue", "where", "held", "aside", "seen", "seen_order", "open", "keys", NULL };
	const struct store_spec spec = {
		.kind = "outbox", .version = 4, .map_bytes = 2 << 20, .table = tables, .read_only = true,
	};
	struct store *s = NULL;
	struct txn *t = NULL;
	char byte;
	bool good = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && read(told, &byte, 1) == 1 && store_open(conf.gateway_outbox, &spec, &s) == OK;

	while (good && txn_begin_read(s, &t) == OK)
		t = NULL;
	(void)!write(done, good ? "y" : "n", 1);
	pause();
}

static void what_cannot_be_read_for_a_moment_is_sent_later(void **state)
{
	int told[2], done[2];
	char answer;
	pid_t pid;

	(void)state;
	push_high("a1", 1);
	run();
	pipeline_close(&g);
	assert_int_equal(pipe(told) | pipe(done), 0);
	pid = fork();
	if (pid == 0)
		read_in_the_way(told[0], done[1]);
	start();
	assert_int_equal(write(told[1], "x", 1), 1);
	assert_int_equal(read(done[0], &answer, 1), 1);
	assert_int_equal(answer, 'y');
	come_up();
	assert_int_equal(sent_count("/alert/"), 0);
	assert_int_equal(pipeline_queued(g), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	run();
	assert_int_equal(sent_count("/alert/"), 1);
	for (int i = 0; i < 2; i++)
		close(told[i]), close(done[i]);
}

static void no_more_is_unanswered_than_the_broker_takes(void **state)
{
	char id[8];

	(void)state;
	come_up_taking(7);
	for (int i = 0; i < 9; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		push_high(id, (uint8_t)(i + 1));
	}
	run();
	assert_int_equal(sent_count("/alert/"), 5);   /* two are left for what the gateway says of itself */
	ack(sent("/alert/", 0), 0);
	assert_int_equal(sent_count("/alert/"), 6);
}

static void after_a_lost_connection_all_is_sent_again_under_the_same_id(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	push_medium("a2", 2, PHASE(START));
	run();
	ack(sent("/high/", 0), 0);
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	run();
	assert_int_equal(b.hangups, 1);
	now += 200;
	run();
	assert_int_equal(b.dials, 2);
	come_up();
	assert_int_equal(sent_count("/high/"), 2);
	assert_int_equal(sent_count("/medium/"), 2);
	assert_memory_equal(&sent("/high/", 0)->id, &sent("/high/", 1)->id, ID_BYTES);
	assert_int_equal(answers(ANSWER_DURABLE, NULL), 2);
}

static void an_urgent_one_does_not_wait_for_the_next_try(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++) {       /* the broker is away for long */
		broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
		run();
		now += 10000;
		run();
	}
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	run();
	now += 1000;
	run();
	b.dials = 0;
	push_medium("m1", 1, PHASE(START));
	run();
	assert_int_equal(b.dials, 0);
	push_high("h1", 2);
	assert_int_equal(b.dials, 1);
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "test" });
	run();
	push_high("h2", 3);                       /* but not at once again */
	assert_int_equal(b.dials, 1);
	pipeline_sync(g);
	assert_in_range(pipeline_run(g), 1, 200);
	now += 200;
	run();
	assert_int_equal(b.dials, 2);
}

static void after_a_restart_what_was_not_safe_is_sent_again(void **state)
{
	struct id id;

	(void)state;
	come_up();
	push_high("a1", 1);
	push_medium("a2", 2, PHASE(START));
	run();
	stored(sent("/medium/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	id = sent("/high/", 0)->id;
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 1);
	assert_memory_equal(&sent("/high/", 0)->id, &id, ID_BYTES);
}

static void disk(bool writes)
{
	static struct rlimit before;
	struct rlimit none;

	signal(SIGXFSZ, SIG_IGN);
	if (!writes)
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){ 4096, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, writes ? &before : &none), 0);
}

/* It went out before its commit failed: its source says it again, and nobody is called again. */
static void what_flew_and_was_not_kept_keeps_its_id(void **state)
{
	unsigned n = 0, calls = 0;
	struct id first;

	(void)state;
	come_up();
	disk(false);
	for (int i = 0; i < 3; i++) {
		push_high("a1", 1);
		run();
		now += 1000;
	}
	push_high("a2", 2);
	run();
	disk(true);
	assert_int_equal(answers(ANSWER_REFUSED, "a1"), 3);
	assert_true(src.answer[0].told);
	assert_int_equal(pipeline_queued(g), 0);
	push_high("a1", 1);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
	first = sent("/alert/high/", 0)->id;
	for (unsigned i = 0; i < sent_count("/alert/high/"); i++) {
		struct sent *s = sent("/alert/high/", i);

		n += s && memcmp(&s->id, &first, sizeof(first)) == 0;
		calls += s && strcmp(read_alert(s)->code, "MDC_EVT_LO") == 0;
	}
	assert_int_equal(n, 4);
	assert_int_equal(calls, 5);     /* and the other one */
	stored(sent("/alert/high/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	run();
	assert_int_equal(answers(ANSWER_STORED, "a1"), 1);
}

static void copy(const char *from, const char *to)
{
	char command[900];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

/* Killed before its commit, it knows nothing of it; its source, which had no answer, says it again. */
static void what_flew_when_it_was_killed_comes_again_under_its_id(void **state)
{
	char before[384];
	struct id first;

	(void)state;
	come_up();
	strcpy(before, scratch_path(&scratch, "before"));
	push_high("a0", 1);
	run();
	copy(conf.gateway_outbox, before);
	push_high("a1", 2);
	push_high("a2", 3);
	assert_int_equal(sent_count("/alert/"), 3);
	pipeline_close(&g);
	copy(before, conf.gateway_outbox);
	real += 3600 * 1000000LL;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 4);   /* the first, which had no receipt */
	first = sent("/alert/", 1)->id;
	push_high("a1", 2);
	run();
	push_high("a1", 2);
	run();
	assert_int_equal(sent_count("/alert/"), 5);
	assert_memory_equal(&sent("/alert/", 4)->id, &first, sizeof(first));
	assert_memory_not_equal(&sent("/alert/", 2)->id, &first, sizeof(first));
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 2);
}

/* When the names of messages change their number (era.h). */
static void now_and_then_even_an_urgent_one_is_kept_first(void **state)
{
	static struct sent two[2];
	unsigned late = 0;
	char id[2][16];

	(void)state;
	come_up();
	push_high("first", 0);          /* so that the number changes with the first of two */
	run();
	for (unsigned n = 0; n < 600; n++) {
		b.count = src.n = 0;
		snprintf(id[0], sizeof(id[0]), "a%u", n);
		snprintf(id[1], sizeof(id[1]), "b%u", n);
		push_high(id[0], (uint8_t)n);
		pipeline_sync(g);
		pipeline_run(g);
		assert_int_equal(b.count, 1);
		push_high(id[1], (uint8_t)n);
		late += b.count == 1;
		assert_int_equal(answers(ANSWER_DURABLE, id[1]), 0);
		run();
		assert_int_equal(answers(ANSWER_DURABLE, id[1]), 1);
		assert_int_equal(b.count, 2);
		memcpy(two, b.sent, sizeof(two));
		for (unsigned i = 0; i < 2; i++) {
			ack(&two[i], 0);
			stored(&two[i], PULLCORD__V1__PARTY__PARTY_BROKER);
		}
	}
	assert_in_range(late, 1, 6);
}

/* It had been answered that it is safe here. */
/* An outbox_mib that was lowered while the broker was away. */
static void more_than_its_outbox_would_hold_is_sent(void **state)
{
	const struct outbox_spec large = { conf.gateway_outbox, root, 8u << 20, no_wake, NULL };
	struct outbox *o = NULL;
	struct id_maker ids;
	struct outbox_done d;

	(void)state;
	pipeline_close(&g);
	id_init(&ids, SPAN_LIT("mercy"), 1, SPAN_LIT("nc-1"), 0);
	assert_int_equal(outbox_open(&large, &o), OK);
	for (unsigned n = 0; n < 6000; n++) {
		struct outbox_message m = { .id = id_next(&ids, 1000), .tier = 1, .topic = SPAN_LIT("mercy/unit/icu3/alert/high/nc-1"),
					    .input = SPAN_LIT("monitors"), .source = SPAN_LIT("s"), .source_id = span(&n, sizeof(n)),
					    .envelope = SPAN_LIT("an alert") };

		while (outbox_put(o, &m, &(uint64_t){ 0 }) == ERR_BUSY) {
			outbox_sync(o);
			while (outbox_next(o, &d))
				assert_int_equal(d.err, OK);
		}
	}
	outbox_close(&o);
	start();
	assert_int_equal(pipeline_queued(g), 6000);
	come_up();
	assert_true(sent_count("/alert/high/") > 0);
}

static void who_had_to_yield_is_told(void **state)
{
	static char text[1600];
	unsigned n;
	char id[8];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (n = 0; n < 1800 && pipeline_counts(g).evicted == 0; n++) {
		struct event e;

		snprintf(id, sizeof(id), "a%u", n);
		e = alert(id, 1, PRIORITY(LOW), PHASE(START));
		e.alert.text = text;
		e.source = span_str(id);              /* each of another source, so that none is held back */
		assert_int_equal(push(e), OK);
		if (n % 16 == 0)
			run();
		if (answers(ANSWER_REFUSED, NULL))
			break;
	}
	push_high("h", 2);
	run();
	assert_true(pipeline_counts(g).evicted > 0);
	assert_int_equal(answers(ANSWER_UNSENT, NULL), pipeline_counts(g).evicted);
	assert_int_equal(answers(ANSWER_UNSENT, "a0"), 1);     /* the oldest */
	assert_int_equal(answers(ANSWER_DURABLE, "h"), 1);
}

static void damage_what_is_held(void)
{
	const char *const tables[] = { "held", NULL };
	const struct store_spec spec = { .kind = "outbox", .version = 4, .map_bytes = 2 << 20, .table = tables };
	struct span key, value, none = span(NULL, 0);
	struct store *s = NULL;
	struct txn *t = NULL;
	struct id id;

	assert_int_equal(store_open(conf.gateway_outbox, &spec, &s), OK);
	assert_int_equal(txn_begin_write(s, &t), OK);
	assert_int_equal(txn_seek(t, 0, none, &key, &value), OK);
	assert_int_equal(key.n, ID_BYTES);
	memcpy(id.b, key.p, ID_BYTES);
	assert_int_equal(txn_put(t, 0, span(id.b, ID_BYTES), SPAN_LIT("damaged")), OK);
	assert_int_equal(txn_commit(&t), OK);
	store_close(&s);
}

/* One record that cannot be read costs no more than itself, and is told. */
static void what_is_held_and_damaged_is_told_and_the_rest_is_sent(void **state)
{
	(void)state;
	push_high("a1", 1);
	push_medium("b1", 2, PHASE(START));
	push_medium("b2", 2, PHASE(START));
	run();
	pipeline_close(&g);
	damage_what_is_held();
	start();
	assert_int_equal(pipeline_queued(g), 2);
	assert_int_equal(pipeline_counts(g).unreadable, 1);
	come_up();
	assert_string_equal(read_alert(sent("/alert/high/", 0))->code, "gateway.unreadable");
	assert_int_equal(sent_count("/alert/"), 3);
}

static void a_refused_subscription_is_named(void **state)
{
	(void)state;
	come_up();
	broker_says(&(struct uplink_event){ .kind = UPLINK_SUBSCRIBED, .at = 0, .reason = 0x87 });
	now += 1000;
	run();
	assert_string_equal(read_alert(sent("/alert/medium/", 0))->code, "gateway.no-receipts");
	assert_non_null(strstr(last_log, "subscribe_refused"));
	assert_non_null(strstr(last_log, "mercy/device/nc-1/stored"));
	broker_says(&(struct uplink_event){ .kind = UPLINK_SUBSCRIBED, .at = 0, .reason = 1 });
	run();
	assert_non_null(strstr(last_log, "subscribe_granted"));
	last_log[0] = '\0';
	broker_says(&(struct uplink_event){ .kind = UPLINK_SUBSCRIBED, .at = 0, .reason = 1 });
	run();
	assert_string_equal(last_log, "");
}

static void a_repeated_source_id_is_answered_and_makes_no_second_message(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	push_medium("a1", 1, PHASE(START));   /* before it is durable */
	run();
	push_medium("a1", 1, PHASE(START));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 3);
	assert_int_equal(sent_count("/alert/"), 1);
	assert_int_equal(pipeline_counts(g).repeated, 2);
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	push_medium("a1", 1, PHASE(START));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 4);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 2);   /* and it says what it knows */
	assert_int_equal(sent_count("/alert/"), 1);
}

/* The controller was started anew and counts from 1 again: another patient pulls the cord. */
static void a_reused_id_with_another_content_is_another_alert(void **state)
{
	struct event first = alert("1", 1, PRIORITY(HIGH), PHASE(START));
	struct event second = alert("1", 2, PRIORITY(HIGH), PHASE(START));

	(void)state;
	first.digest = (struct digest){ "bed 412" };
	second.digest = (struct digest){ "bed 413" };
	come_up();
	assert_int_equal(push(first), OK);
	run();
	assert_int_equal(push(second), OK);
	assert_non_null(strstr(last_log, "id_reused"));
	run();
	assert_int_equal(sent_count("/alert/"), 2);
	assert_int_equal(answers(ANSWER_DURABLE, "1"), 2);
	assert_memory_equal(&src.answer[0].digest, &first.digest, sizeof(first.digest));
	assert_memory_equal(&src.answer[1].digest, &second.digest, sizeof(first.digest));
	pipeline_close(&g);
	start();
	assert_int_equal(push(first), OK);    /* both are known after a restart, too */
	assert_int_equal(push(second), OK);
	run();
	assert_int_equal(pipeline_counts(g).repeated, 2);
	assert_int_equal(pipeline_queued(g), 2);
	assert_memory_equal(&src.answer[3].digest, &second.digest, sizeof(first.digest));
	assert_memory_equal(&src.answer[3].alert, &src.answer[1].alert, sizeof(struct id));
}

static void a_storm_becomes_few_messages_that_count_all(void **state)
{
	static char id[500][8];
	unsigned total = 0;

	(void)state;
	come_up();
	for (unsigned i = 0; i < 500; i++) {
		snprintf(id[i], sizeof(id[i]), "s%u", i);
		push_medium(id[i], 1, i ? PHASE(CONTINUE) : PHASE(START));
		now += 20;
		if (i % 50 == 0)
			run();
	}
	now += 10000;
	run();
	run();
	assert_int_equal(answers(ANSWER_DURABLE, NULL), 500);
	assert_true(sent_count("/alert/") <= 6);
	for (unsigned i = 0; i < sent_count("/alert/"); i++)
		total += read_alert(sent("/alert/", i))->count;
	assert_int_equal(total, 500);
}

static void what_was_folded_survives_a_restart(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	push_medium("a2", 1, PHASE(CONTINUE));
	push_medium("a3", 1, PHASE(CONTINUE));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, NULL), 3);
	assert_int_equal(sent_count("/alert/"), 1);
	stored(sent("/alert/", 0), PULLCORD__V1__PARTY__PARTY_BROKER);
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 1);
	assert_int_equal(read_alert(sent("/alert/", 0))->count, 2);
	assert_string_equal(read_alert(sent("/alert/", 0))->source_id, "a3");
}

/* What was folded is being given its place when the end comes. */
static void an_end_does_not_overtake_what_was_folded_before_it(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	assert_int_equal(push(alert("a2", 1, PRIORITY(HIGH), PHASE(CONTINUE))), OK);
	run();
	assert_int_equal(sent_count("/alert/"), 1);
	now += conf.throttle_fold_window_ms;
	pipeline_run(g);                      /* due, not yet committed as far as we know */
	assert_int_equal(push(alert("a3", 1, PRIORITY(HIGH), PHASE(END))), OK);
	push_high("a4", 2);
	assert_string_equal(read_alert(sent("/alert/", 1))->source_id, "a4");   /* another condition waits for nobody */
	run();
	assert_int_equal(sent_count("/alert/"), 4);
	assert_string_equal(read_alert(sent("/alert/", 2))->source_id, "a2");
	assert_string_equal(read_alert(sent("/alert/", 3))->source_id, "a3");
	assert_int_equal(answers(ANSWER_DURABLE, NULL), 4);
}

static void push_low(const char *id, uint8_t key)
{
	assert_int_equal(push(alert(id, key, PRIORITY(LOW), PHASE(START))), OK);
}

/* Only when nothing else is about to take its place in front of it. */
static void what_needs_somebody_soon_is_on_its_way_before_its_commit(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	assert_int_equal(sent_count("/alert/"), 1);
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 0);
	push_low("a2", 2);
	push_medium("a3", 3, PHASE(START));
	assert_int_equal(sent_count("/alert/"), 1);
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a3"), 1);
	assert_int_equal(sent_count("/alert/"), 3);
	push_medium("a4", 4, PHASE(START));
	assert_int_equal(sent_count("/alert/"), 4);
}

static void push_the_next(const struct answer *a)
{
	if (a->kind == ANSWER_DURABLE && span_is(a->source_id, "a2"))
		push_medium("a3", 3, PHASE(START));
}

/* A source goes on as soon as it is answered, with what is on its way at once. */
static void an_answer_brings_nothing_that_overtakes_what_it_was_about(void **state)
{
	(void)state;
	come_up();
	src.answered = push_the_next;
	push_low("a1", 1);
	push_medium("a2", 2, PHASE(START));
	run();
	run();
	assert_int_equal(sent_count("/alert/medium/"), 2);
	assert_string_equal(read_alert(sent("/alert/medium/", 0))->source_id, "a2");
}

/* The beginning is not urgent, so it waits for its commit; its end is. */
static void an_urgent_end_does_not_overtake_a_calm_beginning(void **state)
{
	(void)state;
	come_up();
	push_low("a1", 1);
	assert_int_equal(push(alert("a2", 1, PRIORITY(HIGH), PHASE(END))), OK);
	assert_int_equal(sent_count("/alert/"), 0);
	run();
	assert_string_equal(read_alert(sent("/alert/", 0))->source_id, "a1");
	assert_string_equal(read_alert(sent("/alert/", 1))->source_id, "a2");
	assert_int_equal(push(alert("a3", 1, PRIORITY(HIGH), PHASE(START))), OK);
	assert_int_equal(sent_count("/alert/"), 3);   /* nothing is before it any more */
}

/* Nor in what has gathered while there was no broker, also over a restart. */
static void after_an_outage_an_alert_begins_before_it_ends(void **state)
{
	(void)state;
	push_medium("a1", 1, PHASE(START));
	assert_int_equal(push(alert("a2", 1, PRIORITY(HIGH), PHASE(START))), OK);
	assert_int_equal(push(alert("a3", 1, PRIORITY(HIGH), PHASE(END))), OK);
	push_medium("a4", 2, PHASE(START));
	run();
	pipeline_close(&g);
	start();
	come_up();
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(read_alert(sent("/alert/", i))->source_id, ((const char *[]){ "a1", "a2", "a3", "a4" })[i]);
}

static uint64_t order_of(const struct sent *s)
{
	const struct envelope e = open_sent(s);

	return envelope_order(&e);
}

/* Readers tell by their order what came after what. */
static void messages_rise_over_a_restart_with_a_clock_set_back(void **state)
{
	uint64_t before;

	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	before = order_of(sent("/alert/", 0));
	pipeline_close(&g);
	real -= 3600 * 1000000LL;
	start();
	come_up();
	push_high("a2", 2);
	run();
	for (unsigned i = 1; i < sent_count("/alert/"); i++)
				assert_true(order_of(sent("/alert/", i)) >= before);
	assert_true(order_of(sent("/alert/", 2)) > before);
	assert_int_equal(sent_count("/alert/"), 3);
}

static void what_is_only_late_is_not_called_folded(void **state)
{
	static char id[16][8];

	(void)state;
	come_up();
	for (uint8_t i = 0; i < 16; i++) {       /* the tokens of this source and code run out */
		snprintf(id[i], sizeof(id[i]), "s%u", i);
		push_medium(id[i], i, PHASE(START));
	}
	run();
	assert_int_equal(answers(ANSWER_DURABLE, NULL), 16);
	assert_true(sent_count("/alert/") < 16);
	for (unsigned i = 0; i < src.n; i++)
		assert_false(src.answer[i].folded);
	assert_int_equal(pipeline_counts(g).folded, 0);
	push_medium("again", 0, PHASE(CONTINUE));
	run();
	assert_true(src.answer[src.n - 1].folded);
	assert_int_equal(pipeline_counts(g).folded, 1);
}

static void the_end_says_how_many_there_were(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	push_medium("a2", 1, PHASE(CONTINUE));
	run();
	push_medium("a3", 1, PHASE(END));
	run();
	assert_int_equal(sent_count("/alert/"), 2);
	assert_int_equal(read_alert(sent("/alert/", 1))->count, 2);
	assert_int_equal(read_alert(sent("/alert/", 1))->phase, PHASE(END));
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 2);   /* and nothing of it is held any more */
}

static void what_is_no_event_is_refused(void **state)
{
	struct event e = alert("", 1, PRIORITY(HIGH), PHASE(START));

	(void)state;
	assert_int_equal(push(e), ERR_RANGE);
	e = alert("a1", 1, PRIORITY(NONE), PHASE(START));
	assert_int_equal(push(e), ERR_RANGE);
	e = alert("a1", 1, PRIORITY(HIGH), PHASE(START));
	e.alert.key.len = 3;
	assert_int_equal(push(e), ERR_RANGE);
	assert_int_equal(pipeline_counts(g).refused, 3);
	run();
	assert_int_equal(src.n, 0);
	push_high("a1", 1);   /* and comes again as it should be: at once */
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
}

static void a_place_names_the_unit(void **state)
{
	struct event e = alert("a1", 1, PRIORITY(HIGH), PHASE(START));

	(void)state;
	come_up();
	e.place = SPAN_LIT("ICU four");
	assert_int_equal(push(e), OK);
	assert_string_equal(sent("/alert/", 0)->topic, "mercy/unit/icu4/alert/high/nc-1");
}

static void each_gateway_has_keys_of_its_own(void **state)
{
	uint8_t key[OPEN_KEY];

	(void)state;
	come_up();
	push_high("a1", 1);
	push_high("a2", 2);
	run();
	memcpy(key, read_alert(sent("/alert/", 0))->key.data, sizeof(key));
	assert_memory_not_equal(read_alert(sent("/alert/", 1))->key.data, key, sizeof(key));
	assert_int_equal(push(alert("a3", 1, PRIORITY(HIGH), PHASE(END))), OK);
	assert_memory_equal(read_alert(sent("/alert/", 2))->key.data, key, sizeof(key));   /* the end finds its start */
	run();
	pipeline_close(&g);
	strcpy(conf.gateway_outbox, scratch_path(&scratch, "another.mdb"));
	device = "nc-2";
	start();
	b.count = 0;
	come_up();
	push_high("a1", 1);
	assert_memory_not_equal(read_alert(sent("/alert/", 0))->key.data, key, sizeof(key));
}

static void observations_go_on_their_own_topic(void **state)
{
	struct event e = { .kind = EVENT_OBSERVATIONS, .source = SPAN_LIT("M"), .source_id = SPAN_LIT("v1") };

	(void)state;
	come_up();
	pullcord__v1__observations__init(&e.observations);
	assert_int_equal(push(e), OK);
	run();
	assert_string_equal(sent("/vitals/", 0)->topic, "mercy/unit/icu3/vitals/nc-1");
	assert_int_equal(sent("/vitals/", 0)->expiry_s, conf.gateway_vitals_expire_s);
	ack(sent("/vitals/", 0), 0x10);
	assert_int_equal(answers(ANSWER_STORED, "v1"), 1);
}

static void it_says_goodbye(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	b.deaf = true;
	pipeline_stop(g);
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 1);
	assert_int_equal(push(alert("a2", 2, PRIORITY(HIGH), PHASE(START))), ERR_CLOSED);
	assert_false(pipeline_stopped(g));
	assert_int_equal(sent_count("/state"), 2);
	ack(sent("/state", 1), 0);
	assert_true(pipeline_stopped(g));
	assert_int_equal(b.hangups, 1);
}

static void without_a_broker_it_stops_at_once(void **state)
{
	(void)state;
	pipeline_stop(g);
	assert_true(pipeline_stopped(g));
}

static void it_asks_to_be_run_when_something_is_due(void **state)
{
	int64_t wait;

	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	run();
	now += conf.throttle_fold_window_ms - 300;
	push_medium("a2", 1, PHASE(CONTINUE));
	pipeline_sync(g);
	wait = pipeline_run(g);
	assert_true(wait > 0 && wait <= 300);
}

static void what_was_refused_comes_again_under_an_id_of_its_own(void **state)
{
	(void)state;
	push_medium("a", 1, PHASE(START));
	run();
	disk(false);
	push_medium("b", 1, PHASE(CONTINUE));
	pipeline_sync(g);
	disk(true);
	push_medium("c", 1, PHASE(CONTINUE));
	run();
	assert_int_equal(answers(ANSWER_REFUSED, "b"), 1);
	now += conf.throttle_fold_window_ms;
	run();
	now += conf.throttle_fold_window_ms;
	push_medium("b", 1, PHASE(CONTINUE));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "b"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(when_it_comes_up_it_subscribes_and_says_so),
		WITH_HOUSE(an_event_is_durable_then_stored),
		WITH_HOUSE(a_receipt_is_awaited_outside_of_the_window),
		WITH_HOUSE(it_is_durable_without_a_broker),
		WITH_HOUSE(an_urgent_one_is_on_the_wire_before_it_is_durable),
		WITH_HOUSE(an_urgent_one_is_kept_until_its_receipt),
		WITH_HOUSE(what_cannot_be_read_for_a_moment_is_sent_later),
		WITH_HOUSE(no_more_is_unanswered_than_the_broker_takes),
		WITH_HOUSE(after_a_lost_connection_all_is_sent_again_under_the_same_id),
		WITH_HOUSE(an_urgent_one_does_not_wait_for_the_next_try),
		WITH_HOUSE(after_a_restart_what_was_not_safe_is_sent_again),
		WITH_HOUSE(what_flew_and_was_not_kept_keeps_its_id),
		WITH_HOUSE(what_flew_when_it_was_killed_comes_again_under_its_id),
		WITH_HOUSE(now_and_then_even_an_urgent_one_is_kept_first),
		WITH_HOUSE(more_than_its_outbox_would_hold_is_sent),
		WITH_HOUSE(who_had_to_yield_is_told),
		WITH_HOUSE(what_is_held_and_damaged_is_told_and_the_rest_is_sent),
		WITH_HOUSE(a_refused_subscription_is_named),
		WITH_HOUSE(a_repeated_source_id_is_answered_and_makes_no_second_message),
		WITH_HOUSE(a_reused_id_with_another_content_is_another_alert),
		WITH_HOUSE(a_storm_becomes_few_messages_that_count_all),
		WITH_HOUSE(what_was_folded_survives_a_restart),
		WITH_HOUSE(an_end_does_not_overtake_what_was_folded_before_it),
		WITH_HOUSE(what_needs_somebody_soon_is_on_its_way_before_its_commit),
		WITH_HOUSE(an_answer_brings_nothing_that_overtakes_what_it_was_about),
		WITH_HOUSE(an_urgent_end_does_not_overtake_a_calm_beginning),
		WITH_HOUSE(after_an_outage_an_alert_begins_before_it_ends),
		WITH_HOUSE(messages_rise_over_a_restart_with_a_clock_set_back),
		WITH_HOUSE(what_is_only_late_is_not_called_folded),
		WITH_HOUSE(the_end_says_how_many_there_were),
		WITH_HOUSE(what_is_no_event_is_refused),
		WITH_HOUSE(a_place_names_the_unit),
		WITH_HOUSE(each_gateway_has_keys_of_its_own),
		WITH_HOUSE(observations_go_on_their_own_topic),
		WITH_HOUSE(it_says_goodbye),
		WITH_HOUSE(without_a_broker_it_stops_at_once),
		WITH_HOUSE(it_asks_to_be_run_when_something_is_due),
		WITH_HOUSE(what_was_refused_comes_again_under_an_id_of_its_own),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

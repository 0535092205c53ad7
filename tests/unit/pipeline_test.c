/* pipeline: what happens where the parts meet, with a broker and a clock of our own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/event.h"     /* before plugin/record has a chance to be taken for it */
#include "log.h"
#include "outbox.h"
#include "pipeline.h"
#include "scratch.h"

#define PRIORITY(name) PULLCORD__V1__PRIORITY__PRIORITY_##name
#define PHASE(name) PULLCORD__V1__PHASE__PHASE_##name
#define STATE(name) PULLCORD__V1__ALERT_STATE__ALERT_STATE_##name

/* ---- a broker that says what the test wants ---- */

struct sent {
	char topic[256];
	struct id id;
	bool retain;
	uint32_t expiry_s;
	size_t n;
	uint8_t payload[2048];
};

static struct broker {
	bool up;
	struct sent sent[4096];
	unsigned count, dials, subscribed, hangups;
	char will_topic[256], filter[8][256];
	struct uplink_event event[64];
	unsigned first, last;
	uint8_t down[4096];             /* what a MESSAGE event's spans point to */
} b;

static enum err fake_open(const struct uplink_spec *spec, struct uplink **out)
{
	assert_string_equal(spec->client_id, "nc-1");
	*out = (struct uplink *)&b;
	return OK;
}

static void fake_dial(struct uplink *u, const struct uplink_message *will)
{
	(void)u;
	b.dials++;
	assert_true(will->retain);
	strcpy(b.will_topic, will->topic);
}

static enum err fake_send(struct uplink *u, const struct uplink_message *m)
{
	struct sent *s = &b.sent[b.count];

	(void)u;
	if (!b.up)
		return ERR_CLOSED;
	b.count++;
	strcpy(s->topic, m->topic);
	s->id = m->id;
	s->retain = m->retain;
	s->expiry_s = m->expiry_s;
	s->n = m->payload.n;
	memcpy(s->payload, m->payload.p, m->payload.n);
	return OK;
}

static enum err fake_subscribe(struct uplink *u, const char *const *filter, size_t n)
{
	(void)u;
	b.subscribed = (unsigned)n;
	for (size_t i = 0; i < n && i < countof(b.filter); i++)
		strcpy(b.filter[i], filter[i]);
	return OK;
}

static void fake_hangup(struct uplink *u)
{
	(void)u;
	b.up = false;
	b.hangups++;
	b.first = b.last;
}

static bool fake_next(struct uplink *u, struct uplink_event *out)
{
	(void)u;
	if (b.first == b.last)
		return false;
	*out = b.event[b.first++ % countof(b.event)];
	return true;
}

static void fake_close(struct uplink **u) { *u = NULL; }

static const struct uplink_kind fake_uplink = {
	fake_open, fake_dial, fake_send, fake_subscribe, fake_hangup, fake_next, fake_close,
};

static void broker_says(const struct uplink_event *e) { b.event[b.last++ % countof(b.event)] = *e; }

/* ---- a source that writes down its answers ---- */

static struct source {
	struct answer answer[2048];
	char id[2048][32], by[2048][32];
	unsigned n;
} src;

static void take_answer(struct input *in, const struct answer *a)
{
	assert_ptr_equal(in, &src);
	assert_true(src.n < countof(src.answer));
	assert_true(span_text(a->source_id, src.id[src.n], sizeof(src.id[0])));
	assert_true(span_text(a->by, src.by[src.n], sizeof(src.by[0])));
	src.answer[src.n++] = *a;
}

static const struct input_kind fake_kind = { "fake", NULL, take_answer, NULL };

static unsigned answers(enum answer_kind kind, const char *id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < src.n; i++)
		n += src.answer[i].kind == kind && (!id || strcmp(src.id[i], id) == 0);
	return n;
}

/* ---- the house ---- */

static struct scratch scratch;
static struct conf conf;
static struct gateway *g;
static const struct pipeline *port;
static int64_t now, real;
static uint8_t root[AEAD_KEY_BYTES] = "a root key of thirty-two bytes!!";
static struct arena arena;

static int64_t fake_now(void *ctx) { (void)ctx; return now; }
static int64_t fake_real(void *ctx) { (void)ctx; return real + now * 1000; }
static void no_wake(void *ctx) { (void)ctx; }
static void no_log(enum log_level level, const char *line) { (void)level, (void)line; }

static void start(void)
{
	const struct pipeline_spec spec = {
		.conf = &conf, .device = "nc-1", .tenant = "mercy", .root = root, .uplink = &fake_uplink,
		.now_ms = fake_now, .real_us = fake_real, .wake = no_wake,
	};

	assert_int_equal(pipeline_open(&spec, &g), OK);
	port = pipeline_port(g, "monitors", &fake_kind);
}

static void run(void)
{
	pipeline_sync(g);
	pipeline_run(g);
	pipeline_sync(g);
	pipeline_run(g);
}

static void come_up_taking(int unanswered)
{
	b.up = true;
	broker_says(&(struct uplink_event){ .kind = UPLINK_UP, .reason = unanswered });
	run();
}

static void come_up(void) { come_up_taking(UINT16_MAX); }

static int make(void **state)
{
	struct conf_fault f;

	(void)state;
	if (crypt_init() != OK)
		return -1;
	log_to(no_log);
	memset(&b, 0, sizeof(b));
	memset(&src, 0, sizeof(src));
	now = 1000;
	real = 1700000000000000;
	scratch_make(&scratch);
	if (conf_parse(SPAN_LIT("[gateway]\nunit=icu3\noutbox_mib=2\n[units]\nICU 4=icu4\nICU four=icu4\n"
				"[input m]\nkind=mllp\n"), &conf, &f) != OK)
		return -1;
	strcpy(conf.gateway_outbox, scratch_path(&scratch, "outbox.mdb"));
	arena.p = malloc(ENVELOPE_ARENA);
	arena.cap = ENVELOPE_ARENA;
	start();
	return 0;
}

static int drop(void **state)
{
	(void)state;
	pipeline_close(&g);
	scratch_remove(&scratch);
	free(arena.p);
	return 0;
}

static struct event alert(const char *id, uint8_t key, Pullcord__V1__Priority priority, Pullcord__V1__Phase phase)
{
	static uint8_t keys[256][OPEN_KEY];
	struct event e = { .kind = EVENT_ALERT, .source = SPAN_LIT("MON412B"), .source_id = span_str(id) };

	memset(keys[key], key, OPEN_KEY);
	pullcord__v1__alert__init(&e.alert);
	e.alert.key = (ProtobufCBinaryData){ OPEN_KEY, keys[key] };
	e.alert.priority = priority;
	e.alert.phase = phase;
	e.alert.code = (char *)(uintptr_t) "MDC_EVT_LO";
	e.alert.text = (char *)(uintptr_t) "SpO2 low";
	e.alert.source = (char *)(uintptr_t) "MON412B";
	e.alert.source_id = (char *)(uintptr_t)id;
	return e;
}

static enum err push(struct event e) { return port->push(port->ctx, (struct input *)&src, &e); }

static void push_high(const char *id, uint8_t key)
{
	assert_int_equal(push(alert(id, key, PRIORITY(HIGH), PHASE(START))), OK);
}

static void push_medium(const char *id, uint8_t key, Pullcord__V1__Phase phase)
{
	assert_int_equal(push(alert(id, key, PRIORITY(MEDIUM), phase)), OK);
}

/* The n-th message on a topic that contains `part`. */
static struct sent *sent(const char *part, unsigned n)
{
	for (unsigned i = 0; i < b.count; i++)
		if (strstr(b.sent[i].topic, part) && n-- == 0)
			return &b.sent[i];
	return NULL;
}

static unsigned sent_count(const char *part)
{
	unsigned n = 0;

	while (sent(part, n))
		n++;
	return n;
}

static const Pullcord__V1__Alert *read_alert(const struct sent *s)
{
	struct envelope e;
	struct topic t;

	arena.used = 0;
	assert_int_equal(topic_parse(span_str(s->topic), &t), OK);
	assert_int_equal(envelope_open(span(s->payload, s->n), &t, fake_real(NULL), &arena, &e), OK);
	assert_memory_equal(&e.id, &s->id, sizeof(e.id));
	return e.body.alert;
}

static void ack(const struct sent *s, int reason)
{
	assert_non_null(s);
	broker_says(&(struct uplink_event){ .kind = UPLINK_ACK, .id = s->id, .reason = reason });
	run();
}

static void from_broker(const char *topic, Pullcord__V1__Party party, const char *sender, const ProtobufCMessage *body)
{
	static struct id_maker ids;
	static char topics[256];
	struct envelope_from from = { "mercy", sender, party, { { 0 } }, fake_real(NULL), 0 };
	struct put room = put(b.down, sizeof(b.down));

	id_init(&ids, SPAN_LIT("mercy"), (int)party, span_str(sender), (uint16_t)now);
	from.id = id_next(&ids, fake_real(NULL) / 1000);
	assert_int_equal(envelope_write(&from, body, &room), OK);
	strcpy(topics, topic);
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = span_str(topics),
					    .payload = put_span(&room) });
	run();
}

static void stored(const struct sent *s, Pullcord__V1__Party party)
{
	Pullcord__V1__StoredReceipt r = PULLCORD__V1__STORED_RECEIPT__INIT;
	ProtobufCBinaryData id = { ID_BYTES, (uint8_t *)(uintptr_t)s->id.b };

	r.n_id = 1;
	r.id = &id;
	from_broker("mercy/device/nc-1/stored", party, "broker", &r.base);
}

static void update(const struct sent *s, uint8_t key, Pullcord__V1__AlertState what)
{
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	uint8_t k[OPEN_KEY];

	memset(k, key, sizeof(k));
	u.alert = (ProtobufCBinaryData){ ID_BYTES, (uint8_t *)(uintptr_t)s->id.b };
	u.key = (ProtobufCBinaryData){ OPEN_KEY, k };
	u.state = what;
	u.by = (char *)(uintptr_t) "ana";
	from_broker("mercy/unit/icu3/ack/nc-1", PULLCORD__V1__PARTY__PARTY_USER, "ana", &u.base);
}

/* ---- going up ---- */

static void when_it_comes_up_it_subscribes_and_says_so(void **state)
{
	(void)state;
	assert_int_equal(b.dials, 1);
	assert_string_equal(b.will_topic, "mercy/device/nc-1/state");
	come_up();
	assert_int_equal(b.subscribed, 4);   /* each unit once */
	assert_string_equal(b.filter[0], "mercy/unit/icu3/ack/nc-1");
	assert_string_equal(b.filter[1], "mercy/unit/icu4/ack/nc-1");
	assert_string_equal(b.filter[2], "mercy/device/nc-1/stored");
	assert_string_equal(b.filter[3], "mercy/device/nc-1/cmd");
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
	assert_int_equal(answers(ANSWER_STORED, "a1"), 1);
	assert_int_equal(pipeline_queued(g), 0);
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

static void after_a_restart_what_was_not_safe_is_sent_again(void **state)
{
	struct id id;

	(void)state;
	come_up();
	push_high("a1", 1);
	push_medium("a2", 2, PHASE(START));
	run();
	ack(sent("/medium/", 0), 0);
	id = sent("/high/", 0)->id;
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 1);
	assert_memory_equal(&sent("/high/", 0)->id, &id, ID_BYTES);
}

static void a_forbidden_message_is_set_aside_and_reported(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	push_high("a2", 2);
	run();
	ack(sent("/alert/", 0), 0x87);
	assert_int_equal(pipeline_counts(g).set_aside, 1);
	assert_int_equal(pipeline_queued(g), 1);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 0);
	now += 2000;
	run();
	assert_true(sent_count("/state") >= 2);   /* it says so soon */
	ack(sent("/alert/", 1), 0);
	now += 100000;
	run();
	assert_int_equal(sent_count("/alert/"), 3);   /* only the other is sent again */
	assert_memory_equal(&sent("/alert/", 2)->id, &sent("/alert/", 1)->id, ID_BYTES);
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
	ack(sent("/alert/", 0), 0);
	push_medium("a1", 1, PHASE(START));
	run();
	assert_int_equal(answers(ANSWER_DURABLE, "a1"), 4);
	assert_int_equal(answers(ANSWER_STORED, "a1"), 2);   /* and it says what it knows */
	assert_int_equal(sent_count("/alert/"), 1);
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
	ack(sent("/alert/", 0), 0);
	pipeline_close(&g);
	b.count = 0;
	start();
	come_up();
	assert_int_equal(sent_count("/alert/"), 1);
	assert_int_equal(read_alert(sent("/alert/", 0))->count, 2);
	assert_string_equal(read_alert(sent("/alert/", 0))->source_id, "a3");
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

/* ---- coming down ---- */

static void what_a_nurse_does_reaches_the_source(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	update(sent("/alert/", 0), 1, STATE(ACCEPTED));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 1);
	assert_string_equal(src.by[src.n - 1], "ana");
	assert_int_equal(src.answer[src.n - 1].state, STATE(ACCEPTED));
	update(sent("/alert/", 0), 1, STATE(RESOLVED));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 2);
	update(sent("/alert/", 0), 1, STATE(ACCEPTED));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 2);   /* it is over */
	update(sent("/alert/", 0), 9, STATE(ACCEPTED));
	assert_int_equal(answers(ANSWER_UPDATE, NULL), 2);   /* not ours */
}

static void also_after_a_restart_of_the_gateway(void **state)
{
	(void)state;
	come_up();
	push_high("a1", 1);
	run();
	pipeline_close(&g);
	start();
	port->push(port->ctx, (struct input *)&src, &(struct event){ 0 });   /* the input is there again */
	come_up();
	update(sent("/alert/", 0), 1, STATE(ON_THE_WAY));
	assert_int_equal(answers(ANSWER_UPDATE, "a1"), 1);
}

static void after_resolved_the_next_goes_out_at_once(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
	run();
	update(sent("/alert/", 0), 1, STATE(RESOLVED));
	push_medium("a2", 1, PHASE(START));
	run();
	assert_int_equal(sent_count("/alert/"), 2);
}

static void what_does_not_belong_is_ignored(void **state)
{
	static uint8_t junk[] = { 0xff, 0x00, 0x12 };
	Pullcord__V1__StoredReceipt r = PULLCORD__V1__STORED_RECEIPT__INIT;
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	uint8_t k[OPEN_KEY] = { 0 };

	(void)state;
	come_up();
	push_high("a1", 0);
	run();
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT("mercy/unit/icu3/ack/nc-1"),
					    .payload = span(junk, sizeof(junk)) });
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT("not a topic") });
	run();
	from_broker("mercy/unit/icu3/ack/nc-1", PULLCORD__V1__PARTY__PARTY_BROKER, "broker", &r.base);
	u.alert = u.key = (ProtobufCBinaryData){ OPEN_KEY, k };
	u.state = STATE(ACCEPTED);
	from_broker("mercy/unit/icu3/ack/nc-2", PULLCORD__V1__PARTY__PARTY_USER, "ana", &u.base);
	assert_int_equal(answers(ANSWER_UPDATE, NULL), 0);
	assert_int_equal(pipeline_queued(g), 1);
}

static void it_says_goodbye(void **state)
{
	(void)state;
	come_up();
	push_medium("a1", 1, PHASE(START));
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

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(when_it_comes_up_it_subscribes_and_says_so),
		WITH_HOUSE(an_event_is_durable_then_stored),
		WITH_HOUSE(it_is_durable_without_a_broker),
		WITH_HOUSE(an_urgent_one_is_on_the_wire_before_it_is_durable),
		WITH_HOUSE(an_urgent_one_is_kept_until_its_receipt),
		WITH_HOUSE(no_more_is_unanswered_than_the_broker_takes),
		WITH_HOUSE(after_a_lost_connection_all_is_sent_again_under_the_same_id),
		WITH_HOUSE(after_a_restart_what_was_not_safe_is_sent_again),
		WITH_HOUSE(a_forbidden_message_is_set_aside_and_reported),
		WITH_HOUSE(a_repeated_source_id_is_answered_and_makes_no_second_message),
		WITH_HOUSE(a_storm_becomes_few_messages_that_count_all),
		WITH_HOUSE(what_was_folded_survives_a_restart),
		WITH_HOUSE(the_end_says_how_many_there_were),
		WITH_HOUSE(what_is_no_event_is_refused),
		WITH_HOUSE(a_place_names_the_unit),
		WITH_HOUSE(observations_go_on_their_own_topic),
		WITH_HOUSE(what_a_nurse_does_reaches_the_source),
		WITH_HOUSE(also_after_a_restart_of_the_gateway),
		WITH_HOUSE(after_resolved_the_next_goes_out_at_once),
		WITH_HOUSE(what_does_not_belong_is_ignored),
		WITH_HOUSE(it_says_goodbye),
		WITH_HOUSE(without_a_broker_it_stops_at_once),
		WITH_HOUSE(it_asks_to_be_run_when_something_is_due),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* pipelined: a pipeline with a broker and a clock of the test's own, and a source that writes down its answers. */
#ifndef PULLCORD_PIPELINED_H
#define PULLCORD_PIPELINED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/event.h"     /* before plugin/record has a chance to be taken for it */
#include "log.h"
#include "outbox.h"
#include "pipeline.h"
#include "scratch.h"
#include "until.h"

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
	uint8_t payload[16384];
};

static struct broker {
	bool up;
	struct sent sent[4096];
	unsigned count, dials, port, subscriptions, subscribed, hangups;        /* port: dialed last */
	enum err subscribe_err;
	size_t payload_max;             /* it takes; 0: any */
	int64_t busy_ms;
	bool deaf;                      /* it takes what a gateway says of itself, and does not answer */
	struct sent will;
	char filter[8][256];
	struct uplink_event event[64];
	unsigned first, last;
	uint8_t down[4096];             /* what a MESSAGE event's spans point to */
} b;

static inline enum err fake_open(const struct uplink_spec *spec, struct uplink **out)
{
	assert_non_null(spec->client_id);
	*out = (struct uplink *)&b;
	return OK;
}

static inline void fake_dial(struct uplink *u, const struct uplink_place *to, const struct uplink_message *will)
{
	(void)u;
	b.dials++;
	b.port = to->port;
	assert_true(will->retain);
	assert_true(will->payload.n <= UPLINK_WILL_MAX);
	b.will.n = will->payload.n;
	memcpy(b.will.payload, will->payload.p, will->payload.n);
	strcpy(b.will.topic, will->topic);
}

static inline enum err fake_send(struct uplink *u, const struct uplink_message *m)
{
	struct sent *s = &b.sent[b.count];

	(void)u;
	if (!b.up)
		return ERR_CLOSED;
	if (b.payload_max && m->payload.n > b.payload_max)
		return ERR_TOO_LARGE;
	b.count++;
	strcpy(s->topic, m->topic);
	s->id = m->id;
	s->retain = m->retain;
	s->expiry_s = m->expiry_s;
	assert_true(m->payload.n <= sizeof(s->payload));
	s->n = m->payload.n;
	memcpy(s->payload, m->payload.p, m->payload.n);
	if (m->retain && !b.deaf)
		b.event[b.last++ % countof(b.event)] = (struct uplink_event){ .kind = UPLINK_ACK, .id = m->id };
	return OK;
}

static inline enum err fake_subscribe(struct uplink *u, const char *const *filter, size_t n)
{
	(void)u;
	b.subscribed = (unsigned)n;
	b.subscriptions++;
	for (size_t i = 0; i < n && i < countof(b.filter); i++)
		strcpy(b.filter[i], filter[i]);
	return b.subscribe_err;
}

static inline void fake_hangup(struct uplink *u)
{
	(void)u;
	b.up = false;
	b.hangups++;
	b.first = b.last;
}

static inline bool fake_next(struct uplink *u, struct uplink_event *out)
{
	(void)u;
	if (b.first == b.last)
		return false;
	*out = b.event[b.first++ % countof(b.event)];
	return true;
}

static inline int64_t fake_busy_ms(struct uplink *u)
{
	(void)u;
	return b.busy_ms;
}

static inline void fake_close(struct uplink **u) { *u = NULL; }

static const struct uplink_kind fake_uplink = {
	fake_open, fake_dial, fake_send, fake_subscribe, fake_hangup, fake_next, fake_busy_ms, fake_close,
};

static inline void broker_says(const struct uplink_event *e) { b.event[b.last++ % countof(b.event)] = *e; }

/* ---- a source that writes down its answers ---- */

static struct source {
	struct answer answer[2048];
	char id[2048][32], by[2048][32];
	unsigned n;
	void (*answered)(const struct answer *a);       /* NULL, or what the source does then, at once */
} src;

static inline void take_answer(struct input *in, const struct answer *a)
{
	assert_ptr_equal(in, &src);
	assert_true(src.n < countof(src.answer));
	assert_true(span_text(a->source_id, src.id[src.n], sizeof(src.id[0])));
	assert_true(span_text(a->by, src.by[src.n], sizeof(src.by[0])));
	src.answer[src.n++] = *a;
	if (src.answered)
		src.answered(a);
}

static const struct input_kind fake_kind = { "fake", NULL, take_answer, NULL };

static inline unsigned answers(enum answer_kind kind, const char *id)
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

static inline int64_t fake_now(void *ctx) { (void)ctx; return now; }
static inline int64_t fake_real(void *ctx) { (void)ctx; return real + now * 1000; }
static inline void no_wake(void *ctx) { (void)ctx; }
static char last_log[1024];
static inline void keep_log(enum log_level level, const char *line)
{
	(void)level;
	snprintf(last_log, sizeof(last_log), "%s", line);
}

static const char *device = "nc-1";
static struct cert cert;
static struct attest *attest;             /* NULL: no witness */
static struct scout *scout;               /* NULL: one broker, the files as they are */
static struct orders *orders;             /* NULL: it obeys nobody */
static bool (*obey)(void *ctx, Pullcord__V1__CommandKind kind);

static inline void start(void)
{
	const struct pipeline_spec spec = {
		.conf = &conf, .device = device, .tenant = "mercy", .root = root, .uplink = &fake_uplink,
		.cert = cert, .attest = attest, .scout = scout, .orders = orders, .obey = obey, .now_ms = fake_now,
		.real_us = fake_real, .wake = no_wake,
	};

	assert_int_equal(pipeline_open(&spec, &g), OK);
	port = pipeline_port(g, "monitors", &fake_kind);
}

static inline void run(void)
{
	pipeline_sync(g);
	pipeline_run(g);
	pipeline_sync(g);
	pipeline_run(g);
}

static inline void come_up_taking(int unanswered)
{
	b.up = true;
	broker_says(&(struct uplink_event){ .kind = UPLINK_UP, .reason = unanswered });
	run();
}

static inline void come_up(void) { come_up_taking(UINT16_MAX); }

static inline int make(void **state)
{
	struct conf_fault f;

	(void)state;
	if (crypt_init() != OK)
		return -1;
	log_to(keep_log);
	memset(&b, 0, sizeof(b));
	memset(&src, 0, sizeof(src));
	device = "nc-1";
	now = 1000;
	real = 1700000000000000;
	cert = (struct cert){ .not_after_s = real / 1000000 + 90 * 86400 };
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

static inline int drop(void **state)
{
	(void)state;
	pipeline_close(&g);
	scratch_remove(&scratch);
	free(arena.p);
	return 0;
}

static inline struct event alert(const char *id, uint8_t key, Pullcord__V1__Priority priority, Pullcord__V1__Phase phase)
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

static inline enum err push(struct event e) { return port->push(port->ctx, (struct input *)&src, &e); }

static inline void push_high(const char *id, uint8_t key)
{
	assert_int_equal(push(alert(id, key, PRIORITY(HIGH), PHASE(START))), OK);
}

static inline void push_medium(const char *id, uint8_t key, Pullcord__V1__Phase phase)
{
	assert_int_equal(push(alert(id, key, PRIORITY(MEDIUM), phase)), OK);
}

/* The n-th message on a topic that contains `part`. */
static inline struct sent *sent(const char *part, unsigned n)
{
	for (unsigned i = 0; i < b.count; i++)
		if (strstr(b.sent[i].topic, part) && n-- == 0)
			return &b.sent[i];
	return NULL;
}

static inline unsigned sent_count(const char *part)
{
	unsigned n = 0;

	while (sent(part, n))
		n++;
	return n;
}

/* Until the next is opened. */
static inline struct envelope open_sent(const struct sent *s)
{
	struct envelope e;
	struct topic t;

	arena.used = 0;
	assert_int_equal(topic_parse(span_str(s->topic), &t), OK);
	assert_int_equal(envelope_open(span(s->payload, s->n), &t, 0, &arena, &e), OK);
	assert_memory_equal(&e.id, &s->id, sizeof(e.id));
	return e;
}

static inline const Pullcord__V1__Alert *read_alert(const struct sent *s) { return open_sent(s).body.alert; }

static inline void ack(const struct sent *s, int reason)
{
	assert_non_null(s);
	broker_says(&(struct uplink_event){ .kind = UPLINK_ACK, .id = s->id, .reason = reason });
	run();
}

static int64_t from_broker_at;          /* the broker's time; 0: ours */

static inline void from_broker(const char *topic, Pullcord__V1__Party party, const char *sender, const ProtobufCMessage *body)
{
	static struct id_maker ids;
	static char topics[256];
	struct envelope_from from = {
		"mercy", sender, party, { { 0 } }, from_broker_at ? from_broker_at : fake_real(NULL), 0, 0,
	};
	struct put room = put(b.down, sizeof(b.down));

	id_init(&ids, SPAN_LIT("mercy"), (int)party, span_str(sender), (uint16_t)now);
	from.id = id_next(&ids, fake_real(NULL) / 1000);
	assert_int_equal(envelope_write(&from, body, &room), OK);
	strcpy(topics, topic);
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = span_str(topics),
					    .payload = put_span(&room) });
	run();
}

static inline void stored(const struct sent *s, Pullcord__V1__Party party)
{
	Pullcord__V1__StoredReceipt r = PULLCORD__V1__STORED_RECEIPT__INIT;
	ProtobufCBinaryData id = { ID_BYTES, (uint8_t *)(uintptr_t)s->id.b };

	r.n_id = 1;
	r.id = &id;
	from_broker("mercy/device/nc-1/stored", party, "broker", &r.base);
}

static inline void update(const struct sent *s, const uint8_t *key, Pullcord__V1__AlertState what)
{
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	uint8_t k[OPEN_KEY];

	memcpy(k, key ? key : read_alert(s)->key.data, sizeof(k));
	u.alert = (ProtobufCBinaryData){ ID_BYTES, (uint8_t *)(uintptr_t)s->id.b };
	u.key = (ProtobufCBinaryData){ OPEN_KEY, k };
	u.state = what;
	u.by = (char *)(uintptr_t) "ana";
	from_broker("mercy/unit/icu3/ack/nc-1", PULLCORD__V1__PARTY__PARTY_USER, "ana", &u.base);
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, make, drop)

#endif

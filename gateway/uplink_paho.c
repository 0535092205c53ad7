#include "uplink.h"

#include <MQTTAsync.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"
#include "plain.h"
#include "pulse.h"
#include "thread.h"
#include "tls.h"

/* Paho 1.3.12: connecting again with a handle that lost its connection takes one second more than needed, because its
 * receiving thread sleeps in poll() on a set of sockets that does not have the new one. A fresh handle connects at
 * once, but destroying the old one blocks for 100 ms. So a thread of ours destroys, creates and connects, and the loop
 * goes on meanwhile.
 *
 * Three locks: `handle_lock` is held by us while we are inside Paho with the handle; Paho's callbacks, which run under a
 * mutex of Paho's, take `open_lock` and then `queue_lock`. Never enter Paho while holding one of these two.
 *
 * A callback may come late: Paho's receiver lets go of its mutex between noticing that a connection broke and saying so, and
 * the handle can be destroyed in between. So a callback believes its context only while the uplink is open. */

#define WHY_MAX 160
#define HANGUP_MS 500
#define EXPLAIN_MS 2000             /* the next try to connect waits for it */
#define TOPIC_MAX 256
#define PAYLOAD_MAX 262144
#define FD_LOOKED_AT 1024
#define THREADS "MQTTAsync_"         /* Paho's own begin so; each comes round once a second */
#define PUBLISH_EXTRA (1 + 4 + 2 + 2 + 1 + 5)

enum want { WANT_NOTHING, WANT_DIAL, WANT_HANGUP, WANT_QUIT };

struct event {
	struct event *next;
	unsigned generation;
	struct uplink_event e;
	char why[WHY_MAX];
	uint8_t bytes[];                /* topic, payload */
};

/* What a send needs to remember until its PUBACK. */
struct ticket {
	struct uplink *u;
	struct id id;
	bool busy;
};

/* What the next dial() is to do. */
struct plan {
	char host[TOPIC_MAX];
	char uri[TOPIC_MAX + 32];
	unsigned port, keepalive_s;
	char topic[TOPIC_MAX];          /* the will */
	uint8_t payload[UPLINK_WILL_MAX];
	size_t n;
};

struct uplink {
	struct uplink_spec spec;
	pthread_t thread;
	bool running;

	pthread_mutex_t handle_lock;
	MQTTAsync handle;               /* NULL, or connecting or connected */

	pthread_mutex_t queue_lock;
	pthread_cond_t wanted;
	enum want want;
	unsigned wish;                  /* generation of the loop's last dial() or hangup() */
	unsigned generation;            /* of the handle there is */
	int64_t since_ms;               /* monotonic: when the worker took up what it does; 0: it waits */
	struct plan plan;
	unsigned port;                  /* of the handle there is */
	unsigned keepalive_s;           /* the least that any broker wanted */
	size_t packet_max;              /* bytes this broker takes in one packet */
	struct event *first, **last, *lent;
	struct pulse pulse;             /* the loop's */
	unsigned inbox;
	struct ticket ticket[UPLINK_UNANSWERED_MAX];
	char tls_why[WHY_MAX];
	char unexplained[WHY_MAX];      /* what is to be found out more of; empty: nothing */
};

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct uplink *open_one;         /* there is one at a time */

/* ---- events ---- */

static struct event *event_new(enum uplink_event_kind kind, struct span topic, struct span payload)
{
	struct event *e = calloc(1, sizeof(*e) + topic.n + payload.n);

	if (!e)
		return NULL;
	e->e.kind = kind;
	memcpy(e->bytes, topic.p, topic.n);
	memcpy(e->bytes + topic.n, payload.p, payload.n);
	e->e.topic = span(e->bytes, topic.n);
	e->e.payload = span(e->bytes + topic.n, payload.n);
	e->e.why = e->why;
	return e;
}

/* queue_lock is held. */
static void push(struct uplink *u, struct event *e)
{
	e->generation = u->generation;
	e->next = NULL;
	*u->last = e;
	u->last = &e->next;
	u->inbox += e->e.kind == UPLINK_MESSAGE;
}

/* Takes the event; without memory for one the connection will be found dead by its timeouts. */
static void say(struct uplink *u, struct event *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&u->queue_lock);
	push(u, e);
	pthread_mutex_unlock(&u->queue_lock);
	u->spec.wake(u->spec.ctx);
}

static void say_about(struct uplink *u, enum uplink_event_kind kind, unsigned at, int reason, const char *why)
{
	struct event *e = event_new(kind, SPAN_LIT(""), SPAN_LIT(""));

	if (e) {
		e->e.reason = reason;
		e->e.at = at;
		snprintf(e->why, sizeof(e->why), "%s", why);
	}
	say(u, e);
}

static void say_simple(struct uplink *u, enum uplink_event_kind kind, int reason, const char *why)
{
	say_about(u, kind, 0, reason, why);
}

static bool paho_next(struct uplink *u, struct uplink_event *out)
{
	struct event *e;

	free(u->lent);
	u->lent = NULL;
	pthread_mutex_lock(&u->queue_lock);
	while ((e = u->first)) {
		u->first = e->next;
		if (!u->first)
			u->last = &u->first;
		u->inbox -= e->e.kind == UPLINK_MESSAGE;
		if (e->generation == u->wish)
			break;
		free(e);
	}
	pthread_mutex_unlock(&u->queue_lock);
	if (!e)
		return false;
	u->lent = e;
	*out = e->e;
	return true;
}

/* ---- Paho's callbacks, on its threads and under its mutex ---- */

/* NULL: it is closed; else leave() is to follow. */
static struct uplink *enter(const void *ctx)
{
	pthread_mutex_lock(&open_lock);
	if (open_one && open_one == ctx)
		return open_one;
	pthread_mutex_unlock(&open_lock);
	return NULL;
}

static void leave(void) { pthread_mutex_unlock(&open_lock); }

/* The same by one of its tickets, which is not looked into before. */
static struct ticket *enter_by_ticket(const void *ctx)
{
	pthread_mutex_lock(&open_lock);
	for (unsigned i = 0; open_one && i < UPLINK_UNANSWERED_MAX; i++)
		if (&open_one->ticket[i] == ctx)
			return &open_one->ticket[i];
	pthread_mutex_unlock(&open_lock);
	return NULL;
}

/* Paho neither sets TCP_NODELAY nor tells its socket, and a PUBLISH behind a PUBACK then waits 40 ms for the peer's
 * delayed ACK (measured: press to app 23 ms, with this 1.6 ms). Its socket is the one whose peer is the broker's
 * port. */
static void do_not_delay(unsigned port)
{
	struct sockaddr_storage peer;
	int one = 1;

	for (int fd = 0; fd < FD_LOOKED_AT; fd++) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;
		socklen_t n = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0)
			continue;
		if ((peer.ss_family == AF_INET && ntohs(v4->sin_port) == port) ||
		    (peer.ss_family == AF_INET6 && ntohs(v6->sin6_port) == port))
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
}

/* Of a CONNACK; `unsaid`: what it means that it is not there (MQTT 5 §3.2.2.3). */
static int said_or(MQTTAsync_successData5 *r, enum MQTTPropertyCodes what, int unsaid)
{
	int n = MQTTProperties_getNumericValue(&r->properties, what);

	return n > 0 ? n : unsaid;
}

/* Paho keeps to its own keep alive, whatever the broker wants: the next connection is made with that. */
static void on_connected(void *ctx, MQTTAsync_successData5 *r)
{
	unsigned keepalive_s = (unsigned)said_or(r, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, UINT16_MAX);
	struct uplink *u = enter(ctx);

	if (!u)
		return;
	do_not_delay(u->port);
	pthread_mutex_lock(&u->queue_lock);
	if (keepalive_s < u->keepalive_s)
		u->keepalive_s = keepalive_s;
	u->packet_max = (size_t)said_or(r, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, INT32_MAX);
	pthread_mutex_unlock(&u->queue_lock);
	say_simple(u, UPLINK_UP, said_or(r, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, UINT16_MAX), "");
	leave();
}

/* Of the broker's certificate Paho tells only that it was not believed, of a name in it that is not the host's not even that, and
 * of a broker that hangs up after the handshake, because it does not want ours, that nobody was there. Our own look says why; it
 * takes as long as a try to connect, so the worker does it. False: that is not to be explained. */
static bool to_explain(struct uplink *u, const char *raw)
{
	static const char *const unclear[] = { "certificate verify failed", "TCP/TLS connect failure", "TCP connect completion failure" };
	bool any = false;

	for (size_t i = 0; i < countof(unclear); i++)
		any = any || strstr(raw, unclear[i]);
	if (!any)
		return false;
	pthread_mutex_lock(&u->queue_lock);
	snprintf(u->unexplained, sizeof(u->unexplained), "%s", raw);
	pthread_cond_signal(&u->wanted);
	pthread_mutex_unlock(&u->queue_lock);
	return true;
}

/* Paho 1.3.12 has a refused CONNACK's reason in `code`, where else its own errors are, which are negative. */
static int reason_of(const MQTTAsync_failureData5 *r)
{
	return r->code >= 0x80 && r->code <= 0xff ? r->code : (int)r->reasonCode;
}

static const char *reason_text(int reason)
{
	const char *plain = plain_reason(reason);

	return plain ? plain : MQTTReasonCode_toString((enum MQTTReasonCodes)reason);
}

static void on_connect_failed(void *ctx, MQTTAsync_failureData5 *r)
{
	const char *text = r->message ? r->message : MQTTAsync_strerror(r->code);
	struct uplink *u = enter(ctx);
	int reason = reason_of(r);
	char why[WHY_MAX];

	if (!u)
		return;
	if (reason >= 0x80)
		text = reason_text(reason);
	pthread_mutex_lock(&u->queue_lock);
	snprintf(why, sizeof(why), "%s", u->tls_why[0] ? u->tls_why : text ? text : "no reason given");
	pthread_mutex_unlock(&u->queue_lock);
	if (!to_explain(u, why))
		say_simple(u, UPLINK_LOST, reason, plain_why(why));
	leave();
}

static void on_lost(void *ctx, char *cause)
{
	struct uplink *u = enter(ctx);

	if (!u)
		return;
	say_simple(u, UPLINK_LOST, 0, cause ? plain_why(cause) : "the connection broke");
	leave();
}

static void on_disconnect(void *ctx, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
	const char *text = reason_text((int)reason);
	struct uplink *u = enter(ctx);

	(void)properties;
	if (!u)
		return;
	say_simple(u, UPLINK_LOST, reason, text ? text : "the broker ended it");
	leave();
}

static int on_tls_error(const char *text, size_t n, void *ctx)
{
	struct uplink *u = enter(ctx);

	if (!u)
		return 1;
	pthread_mutex_lock(&u->queue_lock);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\0'))
		n--;
	if (!u->tls_why[0])   /* the first line is the cause */
		snprintf(u->tls_why, sizeof(u->tls_why), "%.*s", (int)n, text);
	pthread_mutex_unlock(&u->queue_lock);
	leave();
	return 1;
}

static void answered(void *ctx, int reason)
{
	struct ticket *t = enter_by_ticket(ctx);
	struct uplink *u;
	struct event *e;

	if (!t)
		return;
	u = t->u;
	e = event_new(UPLINK_ACK, SPAN_LIT(""), SPAN_LIT(""));
	pthread_mutex_lock(&u->queue_lock);
	t->busy = false;
	if (e) {
		e->e.id = t->id;
		e->e.reason = reason;
		push(u, e);
	}
	pthread_mutex_unlock(&u->queue_lock);
	u->spec.wake(u->spec.ctx);
	leave();
}

static void on_sent(void *ctx, MQTTAsync_successData5 *r) { answered(ctx, r->reasonCode); }

/* Without a refusal by the broker it is the connection that failed: "unspecified error", to be sent again. */
static void on_send_failed(void *ctx, MQTTAsync_failureData5 *r)
{
	answered(ctx, r->reasonCode >= 0x80 ? (int)r->reasonCode : 0x80);
}

static void on_subscribed(void *ctx, MQTTAsync_successData5 *r)
{
	bool many = r->alt.sub.reasonCodeCount > 0 && r->alt.sub.reasonCodes;
	struct uplink *u = enter(ctx);

	if (!u)
		return;
	for (int i = 0; many && i < r->alt.sub.reasonCodeCount; i++)
		say_about(u, UPLINK_SUBSCRIBED, (unsigned)i, (int)r->alt.sub.reasonCodes[i], "");
	if (!many)
		say_simple(u, UPLINK_SUBSCRIBED, r->reasonCode, "");
	leave();
}

static void on_subscribe_failed(void *ctx, MQTTAsync_failureData5 *r)
{
	struct uplink *u = enter(ctx);

	if (!u)
		return;
	say_simple(u, UPLINK_SUBSCRIBED, r->reasonCode >= 0x80 ? (int)r->reasonCode : 0x80, "");
	leave();
}

/* False: there is no room for now. */
static bool take_message(void *ctx, struct span topic, struct span payload)
{
	struct uplink *u = enter(ctx);
	bool full;

	if (!u)
		return true;
	pthread_mutex_lock(&u->queue_lock);
	full = u->inbox >= UPLINK_INBOX_MAX;
	pthread_mutex_unlock(&u->queue_lock);
	if (!full && payload.n <= PAYLOAD_MAX && topic.n < TOPIC_MAX)
		say(u, event_new(UPLINK_MESSAGE, topic, payload));
	leave();
	return !full;
}

/* 0: Paho keeps the message and asks again. */
static int on_message(void *ctx, char *topic, int topic_n, MQTTAsync_message *m)
{
	size_t n = topic_n > 0 ? (size_t)topic_n : strlen(topic);

	if (!take_message(ctx, span(topic, n), span(m->payload, m->payloadlen > 0 ? (size_t)m->payloadlen : 0)))
		return 0;
	MQTTAsync_freeMessage(&m);
	MQTTAsync_free(topic);
	return 1;
}

/* ---- the thread that dials ---- */

static enum err make_handle(struct uplink *u, const char *uri, MQTTAsync *out)
{
	MQTTAsync_createOptions o = MQTTAsync_createOptions_initializer5;

	o.maxBufferedMessages = 2 * UPLINK_UNANSWERED_MAX;
	if (MQTTAsync_createWithOptions(out, uri, u->spec.client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &o) !=
	    MQTTASYNC_SUCCESS)
		return ERR_IO;
	if (MQTTAsync_setCallbacks(*out, u, on_lost, on_message, NULL) != MQTTASYNC_SUCCESS ||
	    MQTTAsync_setDisconnected(*out, u, on_disconnect) != MQTTASYNC_SUCCESS)
		return ERR_IO;
	return OK;
}

static int connect_handle(struct uplink *u, MQTTAsync handle, const struct plan *w)
{
	MQTTAsync_connectOptions o = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
	MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;

	ssl.trustStore = u->spec.cafile;
	ssl.keyStore = u->spec.certfile;
	ssl.privateKey = u->spec.keyfile;
	ssl.privateKeyPassword = "";      /* never ask on a terminal */
	ssl.enableServerCertAuth = 1;
	ssl.verify = 1;                   /* the host's name, too: off by default */
	ssl.disableDefaultTrustStore = 1;
	ssl.ssl_error_cb = on_tls_error;
	ssl.ssl_error_context = u;
	will.topicName = w->topic;
	will.payload.data = w->payload;
	will.payload.len = (int)w->n;
	will.retained = 1;
	will.qos = 1;
	o.ssl = &ssl;
	o.will = &will;
	o.cleanstart = 1;
	o.keepAliveInterval = (int)w->keepalive_s;
	o.connectTimeout = (int)(u->spec.connect_timeout_ms + 999) / 1000;
	o.onSuccess5 = on_connected;
	o.onFailure5 = on_connect_failed;
	o.context = u;
	return MQTTAsync_connect(handle, &o);
}

static void wait_disconnected(MQTTAsync handle)
{
	MQTTAsync_disconnectOptions o = MQTTAsync_disconnectOptions_initializer5;
	struct timespec tick = { 0, 10 * 1000000 };

	o.timeout = HANGUP_MS;
	if (MQTTAsync_disconnect(handle, &o) != MQTTASYNC_SUCCESS)
		return;
	for (int ms = 0; ms < HANGUP_MS && MQTTAsync_isConnected(handle); ms += 10)
		nanosleep(&tick, NULL);
}

/* Whatever was unanswered is free again. */
static void destroy_handle(struct uplink *u, bool politely)
{
	MQTTAsync handle;

	pthread_mutex_lock(&u->handle_lock);
	handle = u->handle;
	u->handle = NULL;
	pthread_mutex_unlock(&u->handle_lock);
	if (!handle)
		return;
	if (politely && MQTTAsync_isConnected(handle))
		wait_disconnected(handle);
	MQTTAsync_destroy(&handle);
	pthread_mutex_lock(&u->queue_lock);
	for (unsigned i = 0; i < UPLINK_UNANSWERED_MAX; i++)
		u->ticket[i].busy = false;
	u->tls_why[0] = '\0';
	pthread_mutex_unlock(&u->queue_lock);
}

static void dial(struct uplink *u, unsigned generation)
{
	MQTTAsync handle = NULL;
	int rc = MQTTASYNC_FAILURE;
	struct plan plan;

	destroy_handle(u, false);
	pthread_mutex_lock(&u->queue_lock);
	u->generation = generation;
	plan = u->plan;
	plan.keepalive_s = u->keepalive_s;
	u->port = plan.port;
	pthread_mutex_unlock(&u->queue_lock);
	if (make_handle(u, plan.uri, &handle) == OK) {
		pthread_mutex_lock(&u->handle_lock);
		u->handle = handle;
		pthread_mutex_unlock(&u->handle_lock);
		rc = connect_handle(u, handle, &plan);
	} else if (handle) {
		MQTTAsync_destroy(&handle);
	}
	if (rc != MQTTASYNC_SUCCESS)
		say_simple(u, UPLINK_LOST, 0,
			   MQTTAsync_strerror(rc) ? MQTTAsync_strerror(rc) : "cannot begin to connect");
}

static void explain(struct uplink *u, const char *raw)
{
	char why[TLS_WHY_MAX];
	struct plan plan;
	enum err e;

	pthread_mutex_lock(&u->queue_lock);
	plan = u->plan;
	pthread_mutex_unlock(&u->queue_lock);
	e = tls_try(&(struct tls_try){ plan.host, u->spec.cafile, u->spec.certfile, u->spec.keyfile, plan.port,
				       u->spec.connect_timeout_ms < EXPLAIN_MS ? u->spec.connect_timeout_ms : EXPLAIN_MS }, why);
	say_simple(u, UPLINK_LOST, 0, e == ERR_DENIED ? why : e == OK ? "it hung up on our login: its log says why" : plain_why(raw));
}

static void *worker(void *arg)
{
	struct uplink *u = arg;
	char unexplained[WHY_MAX];
	enum want want;
	unsigned generation;

	do {
		pthread_mutex_lock(&u->queue_lock);
		u->since_ms = 0;
		while (u->want == WANT_NOTHING && !u->unexplained[0])
			pthread_cond_wait(&u->wanted, &u->queue_lock);
		u->since_ms = clock_ms(CLOCK_MONOTONIC);
		want = u->want;
		generation = u->wish;
		u->want = WANT_NOTHING;
		memcpy(unexplained, u->unexplained, sizeof(unexplained));
		u->unexplained[0] = '\0';
		pthread_mutex_unlock(&u->queue_lock);
		if (want == WANT_DIAL)
			dial(u, generation);
		else if (want == WANT_NOTHING)
			explain(u, unexplained);
		else
			destroy_handle(u, true);
	} while (want != WANT_QUIT);
	return NULL;
}

/* ---- the loop's calls ---- */

static void wish(struct uplink *u, enum want want)
{
	pthread_mutex_lock(&u->queue_lock);
	u->want = want;
	u->wish++;
	pthread_cond_signal(&u->wanted);
	pthread_mutex_unlock(&u->queue_lock);
}

static void paho_dial(struct uplink *u, const struct uplink_place *to, const struct uplink_message *will)
{
	struct plan *p = &u->plan;

	pthread_mutex_lock(&u->queue_lock);
	must(will->payload.n <= sizeof(p->payload));
	snprintf(p->host, sizeof(p->host), "%s", to->host);
	snprintf(p->uri, sizeof(p->uri), "ssl://%s:%u", to->host, to->port);   /* [::1] Paho would find in no certificate */
	p->port = to->port;
	snprintf(p->topic, sizeof(p->topic), "%s", will->topic);
	memcpy(p->payload, will->payload.p, will->payload.n);
	p->n = will->payload.n;
	pthread_mutex_unlock(&u->queue_lock);
	wish(u, WANT_DIAL);
}

static void paho_hangup(struct uplink *u) { wish(u, WANT_HANGUP); }

static struct ticket *ticket_take(struct uplink *u, const struct id *id)
{
	struct ticket *t = NULL;

	pthread_mutex_lock(&u->queue_lock);
	for (unsigned i = 0; i < UPLINK_UNANSWERED_MAX && !t; i++)
		if (!u->ticket[i].busy)
			t = &u->ticket[i];
	if (t)
		*t = (struct ticket){ u, *id, true };
	pthread_mutex_unlock(&u->queue_lock);
	return t;
}

static void ticket_return(struct uplink *u, struct ticket *t)
{
	pthread_mutex_lock(&u->queue_lock);
	t->busy = false;
	pthread_mutex_unlock(&u->queue_lock);
}

static int send_with(MQTTAsync handle, const struct uplink_message *m, struct ticket *t)
{
	MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer;
	MQTTAsync_message msg = MQTTAsync_message_initializer;
	MQTTProperty expiry = {
		.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, .value.integer4 = m->expiry_s,
	};
	int rc;

	msg.payload = (void *)(uintptr_t)m->payload.p;
	msg.payloadlen = (int)m->payload.n;
	msg.qos = 1;
	msg.retained = m->retain;
	if (m->expiry_s && MQTTProperties_add(&msg.properties, &expiry) != 0)
		return MQTTASYNC_FAILURE;
	r.onSuccess5 = on_sent;
	r.onFailure5 = on_send_failed;
	r.context = t;
	rc = MQTTAsync_sendMessage(handle, m->topic, &msg, &r);
	MQTTProperties_free(&msg.properties);
	return rc;
}

/* A broker ends the connection of whoever sends it more than it takes, and all that was sent behind is lost with it. Fixed header,
 * packet identifier and properties are at most PUBLISH_EXTRA (MQTT 5 §3.3). */
static bool fits(struct uplink *u, const struct uplink_message *m)
{
	size_t most;

	pthread_mutex_lock(&u->queue_lock);
	most = u->packet_max;
	pthread_mutex_unlock(&u->queue_lock);
	return PUBLISH_EXTRA + strlen(m->topic) + m->payload.n <= most;
}

static enum err paho_send(struct uplink *u, const struct uplink_message *m)
{
	int rc = MQTTASYNC_DISCONNECTED;
	struct ticket *t;

	if (!fits(u, m))
		return ERR_TOO_LARGE;
	t = ticket_take(u, &m->id);
	if (!t)
		return ERR_FULL;
	pthread_mutex_lock(&u->handle_lock);
	if (u->handle)
		rc = send_with(u->handle, m, t);
	pthread_mutex_unlock(&u->handle_lock);
	if (rc == MQTTASYNC_SUCCESS)
		return OK;
	ticket_return(u, t);
	return rc == MQTTASYNC_MAX_BUFFERED_MESSAGES ? ERR_FULL : ERR_CLOSED;
}

static enum err paho_subscribe(struct uplink *u, const char *const *filter, size_t n)
{
	CLEANUP(free_cleanup) int *qos = calloc(n, sizeof(*qos));
	MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer;
	int rc = MQTTASYNC_DISCONNECTED;

	if (!qos)
		return ERR_FULL;
	for (size_t i = 0; i < n; i++)
		qos[i] = 1;
	r.onSuccess5 = on_subscribed;
	r.onFailure5 = on_subscribe_failed;
	r.context = u;
	pthread_mutex_lock(&u->handle_lock);
	if (u->handle)
		rc = MQTTAsync_subscribeMany(u->handle, (int)n, (char *const *)(uintptr_t)filter, qos, &r);
	pthread_mutex_unlock(&u->handle_lock);
	return rc == MQTTASYNC_SUCCESS ? OK : ERR_CLOSED;
}

/* When Paho's threads hang, ours need not: each of its tries to connect then ends at the loop's own deadline. */
static int64_t paho_busy_ms(struct uplink *u)
{
	int64_t since, now = clock_ms(CLOCK_MONOTONIC), still = pulse_still_ms(&u->pulse, THREADS, now);

	pthread_mutex_lock(&u->queue_lock);
	since = u->since_ms;
	pthread_mutex_unlock(&u->queue_lock);
	return since && now - since > still ? now - since : still;
}

static void set_open(struct uplink *u)
{
	pthread_mutex_lock(&open_lock);
	must(!u || !open_one);
	open_one = u;
	pthread_mutex_unlock(&open_lock);
}

static void paho_close(struct uplink **out)
{
	struct uplink *u = *out;

	if (!u)
		return;
	if (u->running) {
		wish(u, WANT_QUIT);
		pthread_join(u->thread, NULL);
		set_open(NULL);
	}
	free(u->lent);
	for (struct event *e = u->first, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	pthread_mutex_destroy(&u->handle_lock);
	pthread_mutex_destroy(&u->queue_lock);
	pthread_cond_destroy(&u->wanted);
	free(u);
	*out = NULL;
}

static enum err paho_open(const struct uplink_spec *spec, struct uplink **out)
{
	MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
	CLEANUP(paho_close) struct uplink *u = calloc(1, sizeof(*u));

	if (!u)
		return ERR_FULL;
	u->spec = *spec;
	u->keepalive_s = spec->keepalive_s;
	u->packet_max = INT32_MAX;
	u->last = &u->first;
	if (pthread_mutex_init(&u->handle_lock, NULL) != 0 || pthread_mutex_init(&u->queue_lock, NULL) != 0 ||
	    pthread_cond_init(&u->wanted, NULL) != 0)
		return ERR_FULL;
	init.do_openssl_init = 1;
	MQTTAsync_global_init(&init);
	MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);   /* or each line of a trace is formatted, which nobody reads */
	TRY(thread_start(&u->thread, worker, u));
	u->running = true;
	set_open(u);
	*out = u;
	u = NULL;
	return OK;
}

const struct uplink_kind uplink_paho = {
	paho_open, paho_dial, paho_send, paho_subscribe, paho_hangup, paho_next, paho_busy_ms, paho_close,
};

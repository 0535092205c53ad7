#include "client.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "crypt.h"

#define KEEPALIVE_S 60
#define TRY_EVERY_MS 150        /* while the broker hashes the password */
#define SLICE_MS 100
#define MARK_BYTES 16               /* of correlation data */

struct item {
	struct item *next;
	int64_t at_us;
	int qos;
	bool retain;
	uint8_t mark[MARK_BYTES];       /* correlation data */
	size_t marked;
	size_t n;
	char *topic;                    /* in the same block */
	uint8_t payload[];
};

enum connected { CONNECTED_NO, CONNECTED_YES, CONNECTED_REFUSED };

struct client {
	struct mosquitto *m;
	char *host, *id, *cafile, *cert, *key, *user, *password;
	int port;
	uint32_t session_s;
	enum connected connected;
	int reason, answered;           /* reason code of the last answer, and whose (message id; 0: none) */
	char why[256];
	bool tls_failed, taken_over;
	struct item *first, **last, *given;
	size_t queued;
};

static int64_t now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

static void say_why(struct client *c, const char *text)
{
	snprintf(c->why, sizeof(c->why), "%s", text);
}

/* ---- what the library calls -------------------------------------------------------------------------------------- */

static void on_connect(struct mosquitto *m, void *ctx, int reason, int flags, const mosquitto_property *props)
{
	struct client *c = ctx;

	(void)m, (void)flags, (void)props;
	c->reason = reason;
	c->connected = reason == 0 ? CONNECTED_YES : CONNECTED_REFUSED;
	if (reason)
		say_why(c, mosquitto_reason_string(reason));
}

/* A reason from the broker, in a DISCONNECT packet; a connection merely lost shows as the loop's error. */
static void on_disconnect(struct mosquitto *m, void *ctx, int reason, const mosquitto_property *props)
{
	struct client *c = ctx;

	(void)m, (void)props;
	if (c->connected == CONNECTED_YES)
		c->connected = CONNECTED_NO;
	c->taken_over = reason == MQTT_RC_SESSION_TAKEN_OVER;
	if (reason >= 0x80)
		say_why(c, mosquitto_reason_string(reason));
}

static void on_publish(struct mosquitto *m, void *ctx, int mid, int reason, const mosquitto_property *props)
{
	struct client *c = ctx;

	(void)m, (void)props;
	c->answered = mid;
	c->reason = reason;
}

/* In MQTT 5 the list of granted QoS is the list of reason codes. */
static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted,
			 const mosquitto_property *props)
{
	struct client *c = ctx;

	(void)m, (void)props;
	c->answered = mid;
	c->reason = n > 0 ? granted[0] : MQTT_RC_UNSPECIFIED;
}

static void take_mark(struct item *it, const mosquitto_property *props)
{
	void *mark = NULL;
	uint16_t n = 0;

	if (!mosquitto_property_read_binary(props, MQTT_PROP_CORRELATION_DATA, &mark, &n, false) || n > MARK_BYTES)
		n = 0;
	if (n)
		memcpy(it->mark, mark, n);
	it->marked = n;
	free(mark);
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg,
		       const mosquitto_property *props)
{
	struct client *c = ctx;
	size_t n = msg->payloadlen > 0 ? (size_t)msg->payloadlen : 0, name = strlen(msg->topic) + 1;
	struct item *it = c->queued + n > CLIENT_QUEUE_BYTES_MAX ? NULL : malloc(sizeof(*it) + n + name);

	(void)m;
	if (!it)
		return;         /* thrown away, as a broker does that has no room: watch asks for what did not come */
	*it = (struct item){ .at_us = clock_us(CLOCK_REALTIME), .qos = msg->qos, .retain = msg->retain, .n = n };
	it->topic = (char *)it->payload + n;
	if (n)
		memcpy(it->payload, msg->payload, n);
	memcpy(it->topic, msg->topic, name);
	take_mark(it, props);
	*c->last = it;
	c->last = &it->next;
	c->queued += n;
}

/* The library tells of TLS failures only here. A connection cut off looks like one to OpenSSL, but is none. */
static void on_log(struct mosquitto *m, void *ctx, int level, const char *text)
{
	struct client *c = ctx;
	const char *words;

	(void)m;
	if (!(level & MOSQ_LOG_ERR) || strstr(text, "unexpected eof"))
		return;
	words = strstr(text, "::");     /* "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed" */
	say_why(c, words ? words + 2 : text);
	c->tls_failed |= strstr(text, "OpenSSL") != NULL || strstr(text, "certificate") != NULL;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

/* NULL stays NULL. */
static bool copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return !text || *to;
}

enum err client_open(const struct client_spec *spec, struct client **out)
{
	CLEANUP(client_close) struct client *c = calloc(1, sizeof(*c));

	if (!c || mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
		return ERR_FULL;
	c->last = &c->first;
	c->port = spec->port;
	c->session_s = spec->session_s;
	if (!copy(&c->host, spec->host) || !copy(&c->id, spec->id) || !copy(&c->cafile, spec->cafile) ||
	    !copy(&c->cert, spec->cert) || !copy(&c->key, spec->key) || !copy(&c->user, spec->user) ||
	    !copy(&c->password, spec->password))
		return ERR_FULL;
	*out = c;
	c = NULL;
	return OK;
}

static void drop_connection(struct client *c)
{
	mosquitto_destroy(c->m);
	c->m = NULL;
	c->connected = CONNECTED_NO;
}

/* The session ends with a goodbye: expiry 0 in DISCONNECT (MQTT 5 §3.14.2.2.2). */
static void say_goodbye(struct client *c)
{
	mosquitto_property *props = NULL;

	(void)mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 0);
	(void)mosquitto_disconnect_v5(c->m, 0, props);
	mosquitto_property_free_all(&props);
}

static void free_texts(struct client *c)
{
	char *text[] = { c->host, c->id, c->cafile, c->cert, c->key, c->user, c->password };

	if (c->password)
		crypt_wipe(c->password, strlen(c->password));
	for (size_t i = 0; i < countof(text); i++)
		free(text[i]);
}

static void free_queue(struct client *c)
{
	while (c->first) {
		struct item *it = c->first;

		c->first = it->next;
		free(it);
	}
	free(c->given);
}

void client_close(struct client **cp)
{
	struct client *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	if (c->m && c->connected == CONNECTED_YES)
		say_goodbye(c);
	drop_connection(c);
	free_texts(c);
	free_queue(c);
	free(c);
	mosquitto_lib_cleanup();
}

bool client_taken_over(const struct client *c) { return c->taken_over; }

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static enum err set_up(struct client *c, bool fresh)
{
	drop_connection(c);
	c->m = mosquitto_new(c->id, fresh, c);
	if (!c->m)
		return ERR_FULL;
	mosquitto_connect_v5_callback_set(c->m, on_connect);
	mosquitto_disconnect_v5_callback_set(c->m, on_disconnect);
	mosquitto_publish_v5_callback_set(c->m, on_publish);
	mosquitto_subscribe_v5_callback_set(c->m, on_subscribe);
	mosquitto_message_v5_callback_set(c->m, on_message);
	mosquitto_log_callback_set(c->m, on_log);
	if (mosquitto_int_option(c->m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5) != MOSQ_ERR_SUCCESS ||
	    mosquitto_int_option(c->m, MOSQ_OPT_TCP_NODELAY, 1) != MOSQ_ERR_SUCCESS ||
	    mosquitto_username_pw_set(c->m, c->user, c->password) != MOSQ_ERR_SUCCESS)
		return ERR_FULL;
	return OK;
}

static enum err set_tls(struct client *c)
{
	if (mosquitto_tls_set(c->m, c->cafile, NULL, c->cert, c->key, NULL) == MOSQ_ERR_SUCCESS)
		return OK;
	snprintf(c->why, sizeof(c->why), "cannot read %s",
		 access(c->cafile, R_OK) != 0 ? c->cafile : "certificate or key");
	return ERR_IO;
}

/* Begins: TCP, and the first bytes of TLS. */
static enum err dial(struct client *c)
{
	mosquitto_property *props = NULL;
	int rc;

	if (c->session_s)
		(void)mosquitto_property_add_int32(&props, MQTT_PROP_SESSION_EXPIRY_INTERVAL, c->session_s);
	rc = mosquitto_connect_bind_v5(c->m, c->host, c->port, KEEPALIVE_S, NULL, props);
	mosquitto_property_free_all(&props);
	if (rc == MOSQ_ERR_SUCCESS)
		return OK;
	if (c->tls_failed || rc == MOSQ_ERR_TLS)
		return ERR_KEY;
	if (!c->why[0])
		say_why(c, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
	return ERR_NOT_FOUND;
}

static enum err await_connack(struct client *c, int64_t until)
{
	int rc = MOSQ_ERR_SUCCESS;

	while (rc == MOSQ_ERR_SUCCESS && c->connected == CONNECTED_NO && now_ms() < until)
		rc = mosquitto_loop(c->m, SLICE_MS, 1);
	if (c->connected == CONNECTED_YES)
		return OK;
	if (c->connected == CONNECTED_REFUSED)
		return ERR_DENIED;
	if (c->tls_failed)
		return ERR_KEY;
	say_why(c, rc == MOSQ_ERR_SUCCESS ? "no answer in time" : "the broker closed the connection without an answer");
	return ERR_CLOSED;
}

static enum err try_once(struct client *c, bool fresh, int64_t until)
{
	c->why[0] = '\0';
	c->tls_failed = c->taken_over = false;
	TRY(set_up(c, fresh));
	TRY(set_tls(c));
	TRY(dial(c));
	return await_connack(c, until);
}

enum err client_connect(struct client *c, bool fresh, int wait_ms)
{
	int64_t until = now_ms() + wait_ms;
	enum err e;

	while ((e = try_once(c, fresh, until)) == ERR_CLOSED && now_ms() + TRY_EVERY_MS < until)
		usleep(TRY_EVERY_MS * 1000);
	if (e != OK)
		drop_connection(c);
	return e;
}

const char *client_why(const struct client *c) { return c->why[0] ? c->why : "no reason was given"; }
int client_reason(const struct client *c) { return c->reason; }

/* ---- working ----------------------------------------------------------------------------------------------------- */

static enum err lost(struct client *c)
{
	if (!c->why[0])
		say_why(c, "it broke off");
	drop_connection(c);
	return ERR_CLOSED;
}

static enum err run(struct client *c, int64_t ms)
{
	if (!c->m || mosquitto_loop(c->m, ms < 0 ? 0 : ms > SLICE_MS ? SLICE_MS : (int)ms, 1) != MOSQ_ERR_SUCCESS)
		return lost(c);
	return c->connected == CONNECTED_YES ? OK : lost(c);
}

static enum err await_answer(struct client *c, int mid)
{
	int64_t until = now_ms() + CLIENT_ANSWER_MS;

	while (c->answered != mid) {
		if (now_ms() >= until)
			return ERR_BUSY;
		TRY(run(c, until - now_ms()));
	}
	if (c->reason < 0x80)
		return OK;
	say_why(c, mosquitto_reason_string(c->reason));
	return ERR_DENIED;
}

enum err client_subscribe(struct client *c, const char *filter, int qos)
{
	int mid = 0;

	c->answered = 0;
	c->why[0] = '\0';
	if (!c->m || mosquitto_subscribe_v5(c->m, &mid, filter, qos, 0, NULL) != MOSQ_ERR_SUCCESS)
		return lost(c);
	return await_answer(c, mid);
}

/* `props` are still the caller's. */
static enum err publish(struct client *c, const char *topic, struct span payload, int qos, bool retain,
			const mosquitto_property *props)
{
	int mid = 0;

	if (payload.n > MQTT_MAX_PAYLOAD)
		return ERR_TOO_LARGE;
	c->answered = 0;
	c->why[0] = '\0';
	if (!c->m ||
	    mosquitto_publish_v5(c->m, &mid, topic, (int)payload.n, payload.p, qos, retain, props) != MOSQ_ERR_SUCCESS)
		return lost(c);
	return await_answer(c, mid);
}

enum err client_publish(struct client *c, const char *topic, struct span payload, int qos, bool retain)
{
	return publish(c, topic, payload, qos, retain, NULL);
}

static void give(struct client *c, struct client_message *out)
{
	struct item *it = c->first;

	c->first = it->next;
	if (!c->first)
		c->last = &c->first;
	c->queued -= it->n;
	c->given = it;
	*out = (struct client_message){ it->topic, span(it->payload, it->n), it->qos, it->retain, it->at_us,
					span(it->mark, it->marked) };
}

enum err client_next(struct client *c, int timeout_ms, struct client_message *out)
{
	int64_t until = now_ms() + timeout_ms;

	free(c->given);
	c->given = NULL;
	while (!c->first) {
		TRY(run(c, until - now_ms()));
		if (!c->first && now_ms() >= until)
			return ERR_BUSY;
	}
	give(c, out);
	return OK;
}

enum err client_ask(struct client *c, const char *topic, const char *response, struct span payload, int timeout_ms,
		    struct client_message *out)
{
	int64_t until = now_ms() + timeout_ms;
	mosquitto_property *props = NULL;
	uint8_t mark[MARK_BYTES];
	enum err e = ERR_FULL;

	crypt_random(mark, sizeof(mark));
	if (mosquitto_property_add_string(&props, MQTT_PROP_RESPONSE_TOPIC, response) == MOSQ_ERR_SUCCESS &&
	    mosquitto_property_add_binary(&props, MQTT_PROP_CORRELATION_DATA, mark, sizeof(mark)) == MOSQ_ERR_SUCCESS)
		e = publish(c, topic, payload, 1, false, props);
	mosquitto_property_free_all(&props);
	TRY(e);
	do
		TRY(client_next(c, now_ms() < until ? (int)(until - now_ms()) : 0, out));
	while (strcmp(out->topic, response) != 0 || !span_eq(out->correlation, span(mark, sizeof(mark))));
	return OK;
}

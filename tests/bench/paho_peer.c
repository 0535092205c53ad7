/* paho_peer: a gateway's job done by a plain Paho MQTTAsync client: QoS 1, MQTT 5, mutual TLS with hostname check.
 *
 *     paho_peer CA PORT CERT KEY TENANT UNIT DEVICE [FOLDER]
 *
 *     < rate COUNT WINDOW PRIORITY     > done START END      as fast as it goes with so many not yet acknowledged
 *     < pace COUNT PER_S PRIORITY      > done START END      evenly; ns on load_now_ns(), END: the last PUBACK
 *
 * FOLDER: Paho keeps unacknowledged messages in files there; without it, in memory only. BENCH_AGAIN=1 in the environment:
 * it connects again by itself when the connection is lost; what is sent meanwhile waits, and what Paho gives up when the
 * connection breaks is sent anew. */
#include <MQTTAsync.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "load.h"

#define INFLIGHT_MAX 1024
#define BUFFERED_MAX 100000     /* what waits is late; at a pace the machine cannot keep up with it is not an error */
#define PATIENCE_S 60

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool connected;
	long acknowledged, refused;
	int64_t last_ns;
} link_state = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, 0 };

static MQTTAsync client;
static bool again;

static void on_connected(void *ctx, MQTTAsync_successData5 *data)
{
	(void)ctx, (void)data;
	pthread_mutex_lock(&link_state.lock);
	link_state.connected = true;
	pthread_cond_signal(&link_state.changed);
	pthread_mutex_unlock(&link_state.lock);
}

static void on_connect_failed(void *ctx, MQTTAsync_failureData5 *data)
{
	(void)ctx;
	load_fail("cannot connect: %s (%d)", data && data->message ? data->message : "no reason given",
		  data ? data->code : 0);
}

static void on_lost(void *ctx, char *cause)
{
	(void)ctx;
	if (!again)
		load_fail("the connection was lost: %s", cause ? cause : "no cause given");
}

static int on_message(void *ctx, char *topic, int n, MQTTAsync_message *m)
{
	(void)ctx, (void)n;
	MQTTAsync_freeMessage(&m);   /* a StoredReceipt: this client has no use for it */
	MQTTAsync_free(topic);
	return 1;
}

static void acknowledged(bool taken)
{
	pthread_mutex_lock(&link_state.lock);
	link_state.acknowledged++;
	link_state.refused += !taken;
	link_state.last_ns = load_now_ns();
	pthread_cond_signal(&link_state.changed);
	pthread_mutex_unlock(&link_state.lock);
}

/* A message until it is acknowledged: Paho forgets what was on its way when the connection broke. */
struct message {
	char topic[TOPIC_BYTES_MAX + 1];
	size_t n;
	uint8_t payload[LOAD_BYTES_MAX];
};

static void message_send(struct message *m);

static void on_puback(void *ctx, MQTTAsync_successData5 *data)
{
	free(ctx);
	acknowledged(data->reasonCode < MQTTREASONCODE_UNSPECIFIED_ERROR);
}

static void on_publish_failed(void *ctx, MQTTAsync_failureData5 *data)
{
	if (again && data->reasonCode < MQTTREASONCODE_UNSPECIFIED_ERROR) {     /* the connection's fault, not the message's */
		message_send(ctx);
		return;
	}
	free(ctx);
	acknowledged(false);
}

static void message_send(struct message *m)
{
	MQTTAsync_responseOptions answer = MQTTAsync_responseOptions_initializer;
	int rc;

	answer.context = m;
	answer.onSuccess5 = on_puback;
	answer.onFailure5 = on_publish_failed;
	rc = MQTTAsync_send(client, m->topic, (int)m->n, m->payload, 1, 0, &answer);
	if (rc != MQTTASYNC_SUCCESS)
		load_fail("cannot publish: %s", MQTTAsync_strerror(rc));
}

/* Until at most `most` of `sent` are unacknowledged. */
static void wait_for(long sent, long most)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&link_state.lock);
	while (sent - link_state.acknowledged > most)
		if (pthread_cond_timedwait(&link_state.changed, &link_state.lock, &until))
			load_fail("%ld of %ld messages were acknowledged", link_state.acknowledged, sent);
	pthread_mutex_unlock(&link_state.lock);
	if (link_state.refused)
		load_fail("the broker refused a message");
}

static void connect_to(char **argv)
{
	MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
	MQTTAsync_connectOptions how = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
	char url[64];

	create.sendWhileDisconnected = again;
	create.maxBufferedMessages = BUFFERED_MAX;
	snprintf(url, sizeof(url), "ssl://localhost:%s", argv[2]);
	if (MQTTAsync_createWithOptions(&client, url, argv[7],
					argv[8] ? MQTTCLIENT_PERSISTENCE_DEFAULT : MQTTCLIENT_PERSISTENCE_NONE, argv[8],
					&create) != MQTTASYNC_SUCCESS)
		load_fail("cannot make a client");
	tls.trustStore = argv[1];
	tls.keyStore = argv[3];
	tls.privateKey = argv[4];
	tls.verify = 1;
	how.ssl = &tls;
	how.cleanstart = 1;
	how.maxInflight = INFLIGHT_MAX;
	how.automaticReconnect = again;
	how.keepAliveInterval = 60;
	how.onSuccess5 = on_connected;
	how.onFailure5 = on_connect_failed;
	MQTTAsync_setCallbacks(client, NULL, on_lost, on_message, NULL);
	if (MQTTAsync_connect(client, &how) != MQTTASYNC_SUCCESS)
		load_fail("cannot connect");
	pthread_mutex_lock(&link_state.lock);
	while (!link_state.connected)
		pthread_cond_wait(&link_state.changed, &link_state.lock);
	pthread_mutex_unlock(&link_state.lock);
}

static void publish(struct caller *c, uint32_t n)
{
	struct span payload = caller_next(c, n);
	struct message *m = malloc(sizeof(*m));

	if (!m)
		load_fail("out of memory");
	m->n = payload.n;
	memcpy(m->topic, c->topic, sizeof(m->topic));
	memcpy(m->payload, payload.p, payload.n);
	message_send(m);
}

static void sleep_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000LL, ns % 1000000000LL };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

/* per_s 0: as fast as the window lets it. */
static void run(struct caller *c, long count, long window, long per_s)
{
	int64_t start = load_now_ns();

	link_state.acknowledged = 0;
	for (long i = 0; i < count; i++) {
		if (per_s)
			sleep_until(start + i * 1000000000LL / per_s);
		else
			wait_for(i, window - 1);
		publish(c, (uint32_t)i);
	}
	wait_for(count, 0);
	load_say("done %" PRId64 " %" PRId64, start, link_state.last_ns);
}

int main(int argc, char **argv)
{
	char line[64], priority[16];
	struct caller c;
	long count, n;

	if (argc != 8 && argc != 9)
		load_fail("CA PORT CERT KEY TENANT UNIT DEVICE [FOLDER]");
	load_open();
	again = getenv("BENCH_AGAIN") != NULL;
	connect_to(argv);
	load_say("ready");
	while (fgets(line, sizeof(line), stdin)) {
		bool rate = sscanf(line, "rate %ld %ld %15s", &count, &n, priority) == 3;

		if (!rate && sscanf(line, "pace %ld %ld %15s", &count, &n, priority) != 3)
			load_fail("no such command: %s", line);
		caller_init(&c, argv[5], argv[6], priority, argv[7]);
		run(&c, count, rate ? n : 0, rate ? 0 : n);
	}
	MQTTAsync_destroy(&client);
	return 0;
}

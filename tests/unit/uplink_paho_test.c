/* uplink_paho: what Paho says too late. Its functions are this test's own; against the real ones: the scenes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <MQTTAsync.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uplink.h"
#include "until.h"

static struct paho {
	void *ctx;
	MQTTAsync_connectionLost *lost;
	MQTTAsync_messageArrived *arrived;
	MQTTAsync_disconnected *disconnected;
	MQTTAsync_connectOptions connect;
	MQTTAsync_SSLOptions ssl;
	MQTTAsync_responseOptions sent;
	char uri[64];
	atomic_int connects, destroyed;
	int freed;
} paho;
static int a_handle;

void MQTTAsync_global_init(MQTTAsync_init_options *o) { (void)o; }

int MQTTAsync_createWithOptions(MQTTAsync *handle, const char *uri, const char *id, int type, void *persistence,
				MQTTAsync_createOptions *o)
{
	(void)id, (void)type, (void)persistence, (void)o;
	snprintf(paho.uri, sizeof(paho.uri), "%s", uri);
	*handle = &a_handle;
	return MQTTASYNC_SUCCESS;
}

int MQTTAsync_setCallbacks(MQTTAsync handle, void *ctx, MQTTAsync_connectionLost *lost, MQTTAsync_messageArrived *arrived,
			   MQTTAsync_deliveryComplete *complete)
{
	(void)handle, (void)complete;
	paho.ctx = ctx;
	paho.lost = lost;
	paho.arrived = arrived;
	return MQTTASYNC_SUCCESS;
}

int MQTTAsync_setDisconnected(MQTTAsync handle, void *ctx, MQTTAsync_disconnected *disconnected)
{
	(void)handle, (void)ctx;
	paho.disconnected = disconnected;
	return MQTTASYNC_SUCCESS;
}

int MQTTAsync_connect(MQTTAsync handle, const MQTTAsync_connectOptions *o)
{
	(void)handle;
	paho.connect = *o;
	paho.ssl = *o->ssl;
	paho.connects++;
	return MQTTASYNC_SUCCESS;
}

int MQTTAsync_isConnected(MQTTAsync handle) { (void)handle; return 0; }

void MQTTAsync_destroy(MQTTAsync *handle)
{
	*handle = NULL;
	paho.destroyed++;
}

int MQTTAsync_sendMessage(MQTTAsync handle, const char *topic, const MQTTAsync_message *m, MQTTAsync_responseOptions *r)
{
	(void)handle, (void)topic, (void)m;
	paho.sent = *r;
	return MQTTASYNC_SUCCESS;
}

void MQTTAsync_freeMessage(MQTTAsync_message **m) { (void)m; paho.freed++; }
void MQTTAsync_free(void *p) { (void)p; paho.freed++; }

static atomic_int woken;
static void wake(void *ctx) { (void)ctx; woken++; }

static struct uplink *dialed(void)
{
	static const struct uplink_spec spec = { "ca", "crt", "key", "nc-1", 10, 1000, wake, NULL };
	struct uplink *u;

	memset(&paho, 0, sizeof(paho));
	woken = 0;
	assert_int_equal(uplink_paho.open(&spec, &u), OK);
	uplink_paho.dial(u, &(struct uplink_place){ "localhost", 1 },
			 &(struct uplink_message){ .topic = "mercy/device/nc-1/state", .payload = SPAN_LIT("gone") });
	(void)UNTIL(paho.connects);
	assert_int_equal(paho.connects, 1);
	return u;
}

static void all_speak(void)
{
	MQTTAsync_successData5 good = MQTTAsync_successData5_initializer;
	MQTTAsync_failureData5 bad = MQTTAsync_failureData5_initializer;
	MQTTAsync_message m = MQTTAsync_message_initializer;
	char topic[] = "mercy/device/nc-1/stored", payload[] = "x";

	m.payload = payload;
	m.payloadlen = 1;
	paho.connect.onSuccess5(paho.connect.context, &good);
	paho.connect.onFailure5(paho.connect.context, &bad);
	paho.ssl.ssl_error_cb("no", 2, paho.ssl.ssl_error_context);
	paho.sent.onSuccess5(paho.sent.context, &good);
	paho.sent.onFailure5(paho.sent.context, &bad);
	paho.disconnected(paho.ctx, NULL, MQTTREASONCODE_SERVER_SHUTTING_DOWN);
	paho.lost(paho.ctx, NULL);
	assert_int_equal(paho.arrived(paho.ctx, topic, 0, &m), 1);
	assert_int_equal(paho.freed, 2);
}

static void *hangs(void *until)
{
	sem_wait(until);
	return NULL;
}

/* The worker waits for its next wish meanwhile, and the loop tries again and again. */
static void a_library_that_hangs_is_noticed(void **state)
{
	struct uplink *u = dialed();
	pthread_t receiver;
	sem_t end;

	(void)state;
	sem_init(&end, 0, 0);
	assert_true(UNTIL(uplink_paho.busy_ms(u) == 0));
	assert_int_equal(pthread_create(&receiver, NULL, hangs, &end), 0);
	assert_int_equal(pthread_setname_np(receiver, "MQTTAsync_rcv"), 0);
	assert_true(UNTIL(uplink_paho.busy_ms(u) > 500));
	sem_post(&end);
	pthread_join(receiver, NULL);
	assert_true(UNTIL(uplink_paho.busy_ms(u) == 0));
	uplink_paho.close(&u);
}

static void what_is_said_while_it_is_open_is_heard(void **state)
{
	static const enum uplink_event_kind want[] = { UPLINK_UP, UPLINK_LOST, UPLINK_ACK, UPLINK_ACK, UPLINK_LOST, UPLINK_LOST,
						       UPLINK_MESSAGE };
	struct uplink *u = dialed();
	struct uplink_event e;

	(void)state;
	assert_int_equal(uplink_paho.send(u, &(struct uplink_message){ .topic = "t", .payload = SPAN_LIT("x"), .id = { { 7 } } }), OK);
	all_speak();
	for (size_t i = 0; i < countof(want); i++) {
		assert_true(uplink_paho.next(u, &e));
		assert_int_equal(e.kind, want[i]);
	}
	assert_true(span_is(e.topic, "mercy/device/nc-1/stored"));
	assert_false(uplink_paho.next(u, &e));
	uplink_paho.close(&u);
	assert_int_equal(paho.destroyed, 1);
}

static void connack(enum MQTTPropertyCodes what, unsigned value)
{
	MQTTAsync_successData5 good = MQTTAsync_successData5_initializer;
	MQTTProperty p = { .identifier = what };

	if (what == MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE)
		p.value.integer2 = (unsigned short)value;
	else
		p.value.integer4 = value;
	good.properties = (MQTTProperties){ .count = 1, .max_count = 1, .array = &p };   /* Paho's own heap is not there without it */
	paho.connect.onSuccess5(paho.connect.context, &good);
}

static void dial_again(struct uplink *u, const char *host)
{
	int before = paho.connects;

	uplink_paho.dial(u, &(struct uplink_place){ host, 8883 },
			 &(struct uplink_message){ .topic = "mercy/device/nc-1/state", .payload = SPAN_LIT("gone") });
	assert_true(UNTIL(paho.connects > before));
}

/* A broker ends the connection of who sends more, and what was sent behind it is lost, too: MQTT 5 §3.2.2.3.6. */
static void no_more_is_sent_than_the_broker_takes(void **state)
{
	static const uint8_t bytes[1000];
	struct uplink_message m = { .topic = "t", .payload = { bytes, 900 } };
	struct uplink *u = dialed();

	(void)state;
	connack(MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 1000);
	assert_int_equal(uplink_paho.send(u, &m), OK);
	m.payload.n = 1000 - strlen(m.topic);
	assert_int_equal(uplink_paho.send(u, &m), ERR_TOO_LARGE);
	dial_again(u, "localhost");
	connack(MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 20);
	assert_int_equal(uplink_paho.send(u, &m), OK);          /* another takes it */
	uplink_paho.close(&u);
}

/* Paho goes by what it was told to, and would be cut off: MQTT 5 §3.2.2.3.14. */
static void a_broker_may_want_to_hear_of_us_more_often(void **state)
{
	struct uplink *u = dialed();

	(void)state;
	assert_int_equal(paho.connect.keepAliveInterval, 10);
	connack(MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, 60);
	dial_again(u, "localhost");
	assert_int_equal(paho.connect.keepAliveInterval, 10);
	connack(MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, 6);
	dial_again(u, "localhost");
	assert_int_equal(paho.connect.keepAliveInterval, 6);
	uplink_paho.close(&u);
}

/* With brackets it would look for them in the certificate. */
static void an_address_is_given_as_it_stands_in_a_certificate(void **state)
{
	static const struct { const char *host, *uri; } row[] = {
		{ "broker.example", "ssl://broker.example:8883" }, { "10.0.0.1", "ssl://10.0.0.1:8883" },
		{ "fd00::1", "ssl://fd00::1:8883" },
	};
	struct uplink *u = dialed();

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		dial_again(u, row[i].host);
		assert_string_equal(paho.uri, row[i].uri);
	}
	uplink_paho.close(&u);
}

/* Its receiver may be about to say that the connection broke when the handle is destroyed. */
static void what_comes_after_its_end_finds_nobody(void **state)
{
	struct uplink *u = dialed();
	int before;

	(void)state;
	assert_int_equal(uplink_paho.send(u, &(struct uplink_message){ .topic = "t", .payload = SPAN_LIT("x"), .id = { { 7 } } }), OK);
	uplink_paho.close(&u);
	before = woken;
	all_speak();
	assert_int_equal(woken, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_while_it_is_open_is_heard),
		cmocka_unit_test(a_library_that_hangs_is_noticed),
		cmocka_unit_test(what_comes_after_its_end_finds_nobody),
		cmocka_unit_test(no_more_is_sent_than_the_broker_takes),
		cmocka_unit_test(a_broker_may_want_to_hear_of_us_more_often),
		cmocka_unit_test(an_address_is_given_as_it_stands_in_a_certificate),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "crowd.h"

#include <mosquitto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

#define KEEPALIVE_S 60
#define PACKETS_A_TURN 32
#define KNOCK_AGAIN_NS 100000000LL

struct member {
	struct crowd_member is;
	struct mosquitto *m;
	bool ready;                   /* connected, and subscribed if it has a filter */
	bool gone;
	int64_t knock_ns;             /* when to try again */
};

static struct member members[CROWD_MAX];
static struct pollfd polls[CROWD_MAX + 1];
static int count, ready;
static const char *ca_file;
static int64_t misc_ns;

static void is_ready(struct member *w)
{
	w->ready = true;
	ready++;
}

static void on_connect(struct mosquitto *m, void *obj, int code)
{
	struct member *w = obj;

	if (code)
		load_fail("%s was refused: %s", w->is.client, mosquitto_reason_string(code));
	if (w->is.filter && mosquitto_subscribe(m, NULL, w->is.filter, 0) != MOSQ_ERR_SUCCESS)
		load_fail("%s cannot subscribe", w->is.client);
	if (!w->is.filter)
		is_ready(w);
}

static void on_subscribe(struct mosquitto *m, void *obj, int mid, int n, const int *granted)
{
	struct member *w = obj;

	(void)m, (void)mid;
	if (n != 1 || granted[0] > 2)
		load_fail("%s may not subscribe to %s", w->is.client, w->is.filter);
	is_ready(w);
}

static void on_message(struct mosquitto *m, void *obj, const struct mosquitto_message *msg)
{
	struct member *w = obj;

	(void)m;
	if (w->is.message)
		w->is.message(w->is.ctx, span(msg->payload, (size_t)msg->payloadlen));
}

static void lost(struct member *w, int rc)
{
	if (w->ready)
		load_fail("%s lost its connection: %s", w->is.client, mosquitto_strerror(rc));
	w->gone = true;
	w->knock_ns = load_now_ns() + KNOCK_AGAIN_NS;
}

static void set_up(struct member *w)
{
	const struct crowd_member *is = &w->is;

	w->m = mosquitto_new(is->client, true, w);
	if (!w->m)
		load_fail("out of memory");
	mosquitto_int_option(w->m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
	mosquitto_int_option(w->m, MOSQ_OPT_TCP_NODELAY, 1);
	mosquitto_connect_callback_set(w->m, on_connect);
	mosquitto_subscribe_callback_set(w->m, on_subscribe);
	mosquitto_message_callback_set(w->m, on_message);
	if (mosquitto_tls_set(w->m, ca_file, NULL, is->cert, is->key, NULL) != MOSQ_ERR_SUCCESS)
		load_fail("%s: cannot use %s, %s", is->client, ca_file, is->cert ? is->cert : "no certificate");
	if (is->user && mosquitto_username_pw_set(w->m, is->user, is->password) != MOSQ_ERR_SUCCESS)
		load_fail("%s: cannot use this name and password", is->client);
}

void crowd_open(const char *ca)
{
	mosquitto_lib_init();
	setvbuf(stdin, NULL, _IONBF, 0);   /* what poll() does not see must not wait in a buffer */
	ca_file = ca;
}

int crowd_add(const struct crowd_member *m)
{
	struct member *w = &members[count];

	must(count < CROWD_MAX);
	w->is = *m;
	set_up(w);
	if (mosquitto_connect(w->m, "localhost", m->port, KEEPALIVE_S) != MOSQ_ERR_SUCCESS)
		lost(w, MOSQ_ERR_CONN_LOST);
	return count++;
}

/* ---- moving bytes ---- */

static void serve(struct member *w, short happened)
{
	int rc = MOSQ_ERR_SUCCESS;

	if (happened & (POLLIN | POLLHUP | POLLERR))
		rc = mosquitto_loop_read(w->m, PACKETS_A_TURN);
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(w->m))
		rc = mosquitto_loop_write(w->m, PACKETS_A_TURN);
	if (rc != MOSQ_ERR_SUCCESS)
		lost(w, rc);
}

/* Pings; and those who were told to wait knock again. */
static void once_in_a_while(int64_t now)
{
	misc_ns = now + KNOCK_AGAIN_NS;
	for (struct member *w = members; w < members + count; w++) {
		if (!w->gone)
			mosquitto_loop_misc(w->m);
		else if (now >= w->knock_ns)
			w->gone = mosquitto_reconnect(w->m) != MOSQ_ERR_SUCCESS;
	}
}

static void turn(int ms, bool and_stdin)
{
	int64_t now = load_now_ns();

	if (now >= misc_ns)
		once_in_a_while(now);
	for (int i = 0; i < count; i++) {
		short out = mosquitto_want_write(members[i].m) ? POLLOUT : 0;

		polls[i] = (struct pollfd){ members[i].gone ? -1 : mosquitto_socket(members[i].m), POLLIN | out, 0 };
	}
	polls[count] = (struct pollfd){ and_stdin ? STDIN_FILENO : -1, POLLIN, 0 };
	if (poll(polls, (nfds_t)count + 1, ms) <= 0)
		return;
	for (int i = 0; i < count; i++)
		if (polls[i].revents)
			serve(&members[i], polls[i].revents);
}

void crowd_turn(int ms)
{
	turn(ms, false);
}

void crowd_gather(int seconds)
{
	int64_t until = load_now_ns() + seconds * 1000000000LL;

	while (ready < count) {
		if (load_now_ns() > until)
			load_fail("%d of %d clients got in within %d s", ready, count, seconds);
		turn(20, false);
	}
}

void crowd_publish(int member, const char *topic, struct span payload)
{
	int rc = mosquitto_publish(members[member].m, NULL, topic, (int)payload.n, payload.p, 0, false);

	if (rc != MOSQ_ERR_SUCCESS)
		load_fail("%s cannot publish: %s", members[member].is.client, mosquitto_strerror(rc));
}

bool crowd_command(char *line, int cap)
{
	polls[count].revents = 0;
	while (!polls[count].revents)
		turn(100, true);
	return fgets(line, cap, stdin) != NULL;
}

void crowd_close(void)
{
	for (int i = 0; i < count; i++)
		mosquitto_destroy(members[i].m);
	mosquitto_lib_cleanup();
}

/* peer: the broker itself, asked what it allows: a stock mosquitto on loopback with one configuration, and clients of
 * libmosquitto (MQTT 5, where a denied publish is told apart). Who is asked is connected as the broker sees them: by
 * client id and name. */
#ifndef PULLCORD_PEER_H
#define PULLCORD_PEER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "scratch.h"
#include "until.h"

#define PEER_BROKER "/usr/sbin/mosquitto"
#define PEER_DYNSEC "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"
#define PEER_TOPICS 64
/* How many configurations: a sanitized test looks at other things. */
#ifdef __SANITIZE_ADDRESS__
#define PEER_FILES(n) 3
#else
#define PEER_FILES(n) (n)
#endif

struct peer {
	struct scratch scratch;
	pid_t pid;
	int port;
};

/* One connected client, and what it was told. */
struct peer_client {
	struct mosquitto *m;
	bool connected, barrier;
	int subscribed;                         /* reason code, -1: no answer yet */
	int mid[PEER_TOPICS], answer[PEER_TOPICS];      /* reason codes, -1: none yet */
	size_t published, answered;
	bool got[PEER_TOPICS];                  /* messages by number */
};

static struct peer *peer_running;

static inline bool peer_present(void)
{
	return access(PEER_BROKER, X_OK) == 0 && access(PEER_DYNSEC, R_OK) == 0;
}

static inline void peer_file(const struct peer *p, const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(&p->scratch, name), "w");

	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline int peer_free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	close(fd);
	return ntohs(a.sin_port);
}

static inline void peer_stop(struct peer *p)
{
	kill(p->pid, SIGTERM);
	waitpid(p->pid, NULL, 0);
	scratch_remove(&p->scratch);
	peer_running = NULL;
}

/* A test that failed leaves no broker behind. */
static void peer_end(void)
{
	if (peer_running)
		peer_stop(peer_running);
}

/* `option`: what the configuration says of who may what; %s is the path of `text`, which is written there. */
static inline void peer_start(struct peer *p, const char *option, const char *text)
{
	char conf[2048], line[1024], path[384];
	posix_spawn_file_actions_t quiet;
	char *argv[] = { (char[]){ "mosquitto" }, (char[]){ "-c" }, path, NULL };

	*p = (struct peer){ .port = peer_free_port() };
	scratch_make(&p->scratch);
	peer_file(p, "access", text);
	snprintf(line, sizeof(line), option, scratch_path(&p->scratch, "access"));
	snprintf(conf, sizeof(conf), "listener %d 127.0.0.1\nallow_anonymous true\nlog_dest none\nmax_inflight_messages 0\n%s%s\n",
		 p->port, getuid() == 0 ? "user root\n" : "", line);
	peer_file(p, "conf", conf);
	snprintf(path, sizeof(path), "%s", scratch_path(&p->scratch, "conf"));
	must(posix_spawn_file_actions_init(&quiet) == 0);
	must(posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0);
	must(posix_spawn(&p->pid, PEER_BROKER, &quiet, NULL, argv, (char *[]){ NULL }) == 0);
	posix_spawn_file_actions_destroy(&quiet);
	peer_running = p;
	atexit(peer_end);
}

static inline void peer_on_connect(struct mosquitto *m, void *ctx, int code, int flags, const mosquitto_property *props)
{
	(void)m, (void)flags, (void)props;
	((struct peer_client *)ctx)->connected = code == 0;
}

static inline void peer_on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *code)
{
	(void)m, (void)mid;
	((struct peer_client *)ctx)->subscribed = n ? code[0] : 0x80;
}

static inline void peer_on_unsubscribe(struct mosquitto *m, void *ctx, int mid)
{
	(void)m, (void)mid;
	((struct peer_client *)ctx)->barrier = true;
}

static inline void peer_on_publish(struct mosquitto *m, void *ctx, int mid, int code, const mosquitto_property *props)
{
	struct peer_client *c = ctx;

	(void)m, (void)props;
	for (size_t i = 0; i < c->published; i++)
		if (c->mid[i] == mid && c->answer[i] < 0) {
			c->answer[i] = code;
			c->answered++;
		}
}

static inline void peer_on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg)
{
	int i = msg->payloadlen == 1 ? *(const uint8_t *)msg->payload : PEER_TOPICS;

	(void)m;
	if (i < PEER_TOPICS)
		((struct peer_client *)ctx)->got[i] = true;
}

/* Runs the client until it was told. */
#define peer_wait(c, condition)                                                                                        \
	do {                                                                                                           \
		for (unsigned round_ = 0; !(condition); round_++)                                                      \
			must(round_ < 100000 && mosquitto_loop((c)->m, 50, 100) == MOSQ_ERR_SUCCESS);                  \
	} while (0)

static inline void peer_connect(const struct peer *p, struct peer_client *c, const char *id, const char *user,
				const char *password)
{
	*c = (struct peer_client){ .m = mosquitto_new(id, true, c), .subscribed = -1 };
	must(c->m && mosquitto_int_option(c->m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5) == MOSQ_ERR_SUCCESS);
	must(mosquitto_int_option(c->m, MOSQ_OPT_SEND_MAXIMUM, 65535) == MOSQ_ERR_SUCCESS);
	must(mosquitto_username_pw_set(c->m, user, password) == MOSQ_ERR_SUCCESS);
	mosquitto_connect_v5_callback_set(c->m, peer_on_connect);
	mosquitto_subscribe_callback_set(c->m, peer_on_subscribe);
	mosquitto_unsubscribe_callback_set(c->m, peer_on_unsubscribe);
	mosquitto_publish_v5_callback_set(c->m, peer_on_publish);
	mosquitto_message_callback_set(c->m, peer_on_message);
	must(UNTIL(mosquitto_connect(c->m, "127.0.0.1", p->port, 600) == MOSQ_ERR_SUCCESS));    /* the broker may be starting */
	peer_wait(c, c->connected);
}

static inline void peer_close(struct peer_client *c)
{
	mosquitto_disconnect(c->m);
	mosquitto_destroy(c->m);
}

static inline bool peer_subscribe(struct peer_client *c, const char *filter)
{
	c->subscribed = -1;
	must(mosquitto_subscribe(c->m, NULL, filter, 0) == MOSQ_ERR_SUCCESS);
	peer_wait(c, c->subscribed >= 0);
	return c->subscribed < 0x80;
}

/* n topics at once; the payload of each is its number. Which were accepted is in `answer`. */
static inline void peer_publish(struct peer_client *c, char topic[][256], size_t n)
{
	c->published = c->answered = 0;
	for (uint8_t i = 0; i < n; i++) {
		c->answer[i] = -1;
		c->published++;
		must(mosquitto_publish(c->m, &c->mid[i], topic[i], 1, &i, 1, false) == MOSQ_ERR_SUCCESS);
	}
	peer_wait(c, c->answered == n);
}

static inline bool peer_accepted(const struct peer_client *c, size_t i)
{
	return c->answer[i] < 0x80;
}

/* All that was sent to it before has come when this returns: packets keep their order. */
static inline void peer_catch_up(struct peer_client *c)
{
	c->barrier = false;
	must(mosquitto_unsubscribe(c->m, NULL, "nothing/of/this/name") == MOSQ_ERR_SUCCESS);
	peer_wait(c, c->barrier);
}

#endif

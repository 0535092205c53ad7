/* rig: one input on a running loop, fed by real sockets, with a pipeline that does as the test says. The loop has its
 * own thread; the test's thread talks to it by sockets and by rig_do(). */
#ifndef PULLCORD_RIG_H
#define PULLCORD_RIG_H

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "crypt.h"
#include "samples.h"
#include "until.h"
#include "input.h"
#include "log.h"

#define RIG_EVENTS 4096

enum rig_mode { RIG_AT_ONCE, RIG_LATER, RIG_FULL, RIG_RANGE };

static struct {
	struct loop *loop;
	struct waker *waker;
	pthread_t thread;
	sem_t done;
	void (*job)(void);
	const struct input_kind *kind;
	struct input *in;
	char folder[64], address[128];
	unsigned port;
	/* the pipeline; the loop's thread writes, the test reads inside rig_do() or when it has an answer */
	enum rig_mode mode;
	unsigned pushed, answered, missed[MISSED_KINDS];
	struct digest digest[RIG_EVENTS];
	char source[RIG_EVENTS][64], source_id[RIG_EVENTS][64], text[RIG_EVENTS][64];
	char log[65536];
} rig;

/* ---- the pipeline ---- */

static inline void rig_answer(unsigned i, enum answer_kind kind)
{
	struct answer a = { .kind = kind, .source = span_str(rig.source[i]), .source_id = span_str(rig.source_id[i]),
			    .state = PULLCORD__V1__ALERT_STATE__ALERT_STATE_ACCEPTED, .by = SPAN_LIT("ana"),
			    .digest = rig.digest[i], .why = ERR_RANGE };

	a.alert.b[ID_BYTES - 1] = (uint8_t)i;
	rig.kind->answer(rig.in, &a);
}

static inline enum err rig_push(void *ctx, struct input *from, const struct event *e)
{
	unsigned i = rig.pushed;

	(void)ctx;
	must(from == rig.in || !rig.in);
	must(event_check(e) == OK);
	if (rig.mode == RIG_FULL)
		return ERR_FULL;
	if (rig.mode == RIG_RANGE)
		return ERR_RANGE;
	must(i < RIG_EVENTS && span_text(e->source, rig.source[i], 64));
	must(span_text(e->source_id, rig.source_id[i], 64));
	rig.digest[i] = e->digest;
	snprintf(rig.text[i], 64, "%.63s", e->kind == EVENT_ALERT ? e->alert.text : "vitals");
	rig.pushed++;
	if (rig.mode == RIG_AT_ONCE)
		rig_answer(rig.answered++, ANSWER_DURABLE);
	return OK;
}

static inline bool rig_missed(void *ctx, enum missed what, unsigned n)
{
	(void)ctx;
	rig.missed[what] += n;
	return true;
}

static inline void rig_answer_all(void)
{
	while (rig.answered < rig.pushed)
		rig_answer(rig.answered++, ANSWER_DURABLE);
}

static inline void rig_refuse_all(void)
{
	while (rig.answered < rig.pushed)
		rig_answer(rig.answered++, ANSWER_REFUSED);
}

static inline void rig_stored_all(void)
{
	for (unsigned i = 0; i < rig.pushed; i++)
		rig_answer(i, ANSWER_STORED);
}

static inline void rig_update_all(void)
{
	for (unsigned i = 0; i < rig.pushed; i++)
		rig_answer(i, ANSWER_UPDATE);
}

/* ---- the loop ---- */

static inline void rig_log(enum log_level level, const char *line)
{
	size_t n = strlen(rig.log);

	(void)level;
	snprintf(rig.log + n, sizeof(rig.log) - n, "%s\n", line);
}

static inline void rig_woken(void *ctx)
{
	void (*job)(void) = rig.job;

	(void)ctx;
	if (!job)
		return;
	rig.job = NULL;
	job();
	sem_post(&rig.done);
}

static inline void *rig_run(void *ctx)
{
	(void)ctx;
	loop_run(rig.loop);
	return NULL;
}

static inline void rig_wait(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += UNTIL_S;
	must(sem_timedwait(&rig.done, &until) == 0);
}

/* Runs `job` on the loop's thread and waits for its end. */
static inline void rig_do(void (*job)(void))
{
	rig.job = job;
	waker_wake(rig.waker);
	rig_wait();
}

static inline void rig_nothing(void)
{
}

static inline void rig_stop(void)
{
	loop_stop(rig.loop);
}

static inline void rig_close_input(void)
{
	rig.kind->close(&rig.in);
}

/* Waits until the pipeline has had n events. */
static inline void rig_pushed(unsigned n)
{
	must(UNTIL((rig_do(rig_nothing), rig.pushed >= n)));
}

static inline void rig_logged(const char *what)
{
	if (UNTIL((rig_do(rig_nothing), strstr(rig.log, what))))
		return;
	fprintf(stderr, "# not logged: %s\n# but: %s\n", what, rig.log);
	must(!"the line was logged");
}

/* `unix` gives the input a path in a fresh folder, otherwise a port of 127.0.0.1. */
static inline void rig_begin(const struct input_kind *kind, bool local, enum rig_mode mode, struct input_spec spec)
{
	const struct pipeline to = { rig_push, rig_missed, NULL };
	const char *port;

	memset(&rig, 0, sizeof(rig));
	rig.kind = kind;
	rig.mode = mode;
	must(crypt_init() == OK);
	log_to(rig_log);
	log_least(LOG_LEVEL_DEBUG);
	snprintf(rig.folder, sizeof(rig.folder), "/tmp/pullcord-rig-XXXXXX");
	must(mkdtemp(rig.folder));
	snprintf(rig.address, sizeof(rig.address), local ? "%s/socket" : "127.0.0.1:0", rig.folder);
	must(sem_init(&rig.done, 0, 0) == 0 && loop_open(&rig.loop) == OK);
	must(waker_open(rig.loop, rig_woken, NULL, &rig.waker) == OK);
	if (!spec.address)
		spec.address = rig.address;
	spec.name = spec.name ? spec.name : "under-test";
	spec.source = spec.source ? spec.source : spec.name;
	spec.most = spec.most ? spec.most : 8;
	spec.idle_ms = spec.idle_ms ? spec.idle_ms : 5000;
	spec.per_s = spec.per_s ? spec.per_s : 10000;
	must(kind->open(rig.loop, &spec, &to, &rig.in) == OK);
	port = strstr(rig.log, "port=");
	rig.port = port ? (unsigned)strtoul(port + 5, NULL, 10) : 0;
	must(pthread_create(&rig.thread, NULL, rig_run, NULL) == 0);
}

static inline void rig_end(void)
{
	char path[160];

	rig_do(rig_close_input);
	rig_do(rig_stop);
	pthread_join(rig.thread, NULL);
	waker_close(&rig.waker);
	loop_close(&rig.loop);
	snprintf(path, sizeof(path), "%s/socket", rig.folder);
	must(access(path, F_OK) != 0);
	must(rmdir(rig.folder) == 0);
	sem_destroy(&rig.done);
	log_to(NULL);
	log_least(LOG_LEVEL_INFO);
}

/* ---- the peer ---- */

static inline int peer_open(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)rig.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval patience = { UNTIL_S, 0 };
	int fd = socket(rig.port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", rig.address);
	must(rig.port ? connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0
		      : connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	return fd;
}

static inline void peer_send(int fd, struct span bytes)
{
	while (bytes.n) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		must(n > 0);
		bytes = span(bytes.p + n, bytes.n - (size_t)n);
	}
}

/* Reads up to and with a byte `end`. False at the connection's end. */
static inline bool peer_read(int fd, char end, char *out, size_t cap)
{
	size_t n = 0;

	while (n + 1 < cap && recv(fd, out + n, 1, 0) == 1)
		if (out[n++] == end) {
			out[n] = '\0';
			return true;
		}
	out[n] = '\0';
	return false;
}

/* Nothing comes for a while. */
static inline bool peer_quiet(int fd)
{
	char c;

	usleep(30000);
	return recv(fd, &c, 1, MSG_DONTWAIT) < 0;
}

/* The other side ends the connection without another word. */
static inline bool peer_ended(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) <= 0;
}

#endif

#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define READ_BYTES 65536
#define WRITE_WAIT_MAX (1 << 20)
#define GATHER_BYTES 4096
#define LINGER_MS 5000
#define BACKLOG 64
#define KEEPALIVE_S 60

/* Every object begins with one, so that loop_close() can close what it finds without knowing what it is. */
struct handle {
	union {
		uv_handle_t any;
		uv_timer_t timer;
		uv_async_t async;
		uv_prepare_t prepare;
		uv_signal_t signal;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	uv_close_cb gone;
};

struct loop {
	uv_loop_t uv;
	struct handle alive;       /* uv_run() would return when nothing else is open */
	struct handle turn;        /* before it waits: what was written meanwhile goes out */
	LIST_HEAD(, conn) full;    /* connections that have something gathered */
	unsigned conns;
	char buf[READ_BYTES];      /* shared: libuv reads and calls back before it asks for the next buffer */
};

struct timer {
	struct handle h;
	void (*fire)(void *ctx);
	void *ctx;
};

struct waker {
	struct handle h;
	void (*woken)(void *ctx);
	void *ctx;
};

struct watch {
	struct handle h;
	void (*fire)(void *ctx, int signum);
	void *ctx;
};

struct listener {
	struct handle h;
	struct loop *loop;
	const struct conn_events *events;
	void *ctx;
	unsigned most, conns;
	bool closed;               /* waits for its last connection before it is freed */
};

struct conn {
	struct handle h;
	struct listener *from;
	void *ctx;
	bool accepted, ending;
	size_t waiting;            /* bytes handed to libuv that the peer has not taken */
	uv_shutdown_t end;
	struct timer *linger;
	char peer[64];
	LIST_ENTRY(conn) full;
	size_t gathered;
	char gather[GATHER_BYTES];
};

struct write {
	uv_write_t req;
	size_t n;
	char bytes[];
};

static void handle_close(struct handle *h)
{
	if (!uv_is_closing(&h->uv.any))
		uv_close(&h->uv.any, h->gone);
}

static void handle_free(uv_handle_t *h)
{
	free(h);
}

static enum err err_of(int uv)
{
	switch (uv) {
	case 0: return OK;
	case UV_ENOMEM: return ERR_FULL;
	case UV_EADDRINUSE: return ERR_EXISTS;
	case UV_EACCES: return ERR_DENIED;
	case UV_EADDRNOTAVAIL: return ERR_NOT_FOUND;
	default: return ERR_IO;
	}
}

/* ---- the loop ---- */

static void flush_all(struct loop *l);

static void turn_ends(uv_prepare_t *uv) { flush_all(uv->loop->data); }

enum err loop_open(struct loop **out)
{
	CLEANUP(free_cleanup) struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return ERR_FULL;
	signal(SIGPIPE, SIG_IGN);   /* a peer that left is an error of the write, not our end */
	TRY(err_of(uv_loop_init(&l->uv)));
	if (uv_async_init(&l->uv, &l->alive.uv.async, NULL) != 0) {
		uv_loop_close(&l->uv);
		return ERR_IO;
	}
	l->uv.data = l;
	LIST_INIT(&l->full);
	must(uv_prepare_init(&l->uv, &l->turn.uv.prepare) == 0 && uv_prepare_start(&l->turn.uv.prepare, turn_ends) == 0);
	*out = l;
	l = NULL;                   /* given away */
	return OK;
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
	flush_all(l);   /* of the turn in which it was stopped */
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

static void conn_gone(uv_handle_t *h);
static void listener_gone(uv_handle_t *h);

static void close_socket(uv_handle_t *h, void *unused)
{
	struct handle *own = (struct handle *)h;

	(void)unused;
	if (own->gone == conn_gone || own->gone == listener_gone)
		handle_close(own);
}

static void close_any(uv_handle_t *h, void *unused)
{
	(void)unused;
	handle_close((struct handle *)h);
}

/* Sockets first: what the owners of connections do in `closed` may still use timers and wakers. */
void loop_close(struct loop **l)
{
	if (!*l)
		return;
	flush_all(*l);
	do {
		uv_walk(&(*l)->uv, close_socket, NULL);
		uv_run(&(*l)->uv, UV_RUN_NOWAIT);
	} while ((*l)->conns);
	do {
		uv_walk(&(*l)->uv, close_any, NULL);
		uv_run(&(*l)->uv, UV_RUN_NOWAIT);
	} while (uv_loop_close(&(*l)->uv) != 0);
	free(*l);
	*l = NULL;
}

/* The clock the timers go by: a timer never fires before loop_now_ms() says its time has come. */
int64_t loop_now_ms(struct loop *l)
{
	uv_update_time(&l->uv);
	return (int64_t)uv_now(&l->uv);
}

/* ---- timers, wakers, signals ---- */

enum err timer_open(struct loop *l, void (*fire)(void *ctx), void *ctx, struct timer **out)
{
	struct timer *t = calloc(1, sizeof(*t));

	if (!t)
		return ERR_FULL;
	*t = (struct timer){ .h.gone = handle_free, .fire = fire, .ctx = ctx };
	must(uv_timer_init(&l->uv, &t->h.uv.timer) == 0);
	*out = t;
	return OK;
}

static void timer_fires(uv_timer_t *uv)
{
	struct timer *t = (struct timer *)uv;

	t->fire(t->ctx);
}

void timer_set(struct timer *t, int64_t after_ms)
{
	uv_update_time(t->h.uv.timer.loop);
	must(uv_timer_start(&t->h.uv.timer, timer_fires, after_ms > 0 ? (uint64_t)after_ms : 0, 0) == 0);
}

void timer_stop(struct timer *t)
{
	uv_timer_stop(&t->h.uv.timer);
}

void timer_close(struct timer **t)
{
	if (*t)
		handle_close(&(*t)->h);
	*t = NULL;
}

static void waker_woken(uv_async_t *uv)
{
	struct waker *w = (struct waker *)uv;

	w->woken(w->ctx);
}

enum err waker_open(struct loop *l, void (*woken)(void *ctx), void *ctx, struct waker **out)
{
	struct waker *w = calloc(1, sizeof(*w));
	enum err e;

	if (!w)
		return ERR_FULL;
	*w = (struct waker){ .h.gone = handle_free, .woken = woken, .ctx = ctx };
	e = err_of(uv_async_init(&l->uv, &w->h.uv.async, waker_woken));
	if (e != OK) {
		free(w);
		return e;
	}
	*out = w;
	return OK;
}

void waker_wake(struct waker *w)
{
	uv_async_send(&w->h.uv.async);
}

void waker_close(struct waker **w)
{
	if (*w)
		handle_close(&(*w)->h);
	*w = NULL;
}

static void watch_fires(uv_signal_t *uv, int signum)
{
	struct watch *w = (struct watch *)uv;

	w->fire(w->ctx, signum);
}

enum err loop_on_signal(struct loop *l, int signum, void (*fire)(void *ctx, int signum), void *ctx)
{
	struct watch *w = calloc(1, sizeof(*w));
	enum err e;

	if (!w)
		return ERR_FULL;
	*w = (struct watch){ .h.gone = handle_free, .fire = fire, .ctx = ctx };
	e = err_of(uv_signal_init(&l->uv, &w->h.uv.signal));
	if (e != OK) {
		free(w);
		return e;
	}
	e = err_of(uv_signal_start(&w->h.uv.signal, watch_fires, signum));
	if (e != OK)
		handle_close(&w->h);
	return e;
}

/* ---- connections ---- */

static void listener_let_go(struct listener *l)
{
	if (l->closed && l->conns == 0)
		free(l);
}

static void conn_gone(uv_handle_t *h)
{
	struct conn *c = (struct conn *)h;

	if (c->gathered)
		LIST_REMOVE(c, full);
	c->from->loop->conns--;
	c->from->conns--;
	if (c->accepted)
		c->from->events->closed(c->ctx);
	listener_let_go(c->from);
	free(c);
}

static enum err flush(struct conn *c);

static void conn_drop(struct conn *c)
{
	if (!uv_is_closing(&c->h.uv.any))
		(void)!flush(c);
	timer_close(&c->linger);
	handle_close(&c->h);
}

static void read_room(uv_handle_t *h, size_t hint, uv_buf_t *out)
{
	struct conn *c = (struct conn *)h;

	(void)hint;
	*out = uv_buf_init(c->from->loop->buf, READ_BYTES);
}

static void conn_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = (struct conn *)s;

	if (n < 0)
		conn_drop(c);
	else if (n > 0 && !c->ending)
		c->from->events->data(c->ctx, span(buf->base, (size_t)n));
}

static void write_done(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;
	struct conn *c = (struct conn *)req->handle;

	c->waiting -= w->n;
	free(w);
	if (status != 0)
		conn_drop(c);
}

static enum err write_now(struct conn *c, struct span bytes)
{
	uv_buf_t buf = uv_buf_init((char *)bytes.p, (unsigned)bytes.n);
	struct write *w;
	int sent = uv_try_write(&c->h.uv.stream, &buf, 1);

	if (sent < 0 && sent != UV_EAGAIN)
		return ERR_IO;
	if (sent > 0)
		bytes = span(bytes.p + sent, bytes.n - (size_t)sent);
	if (bytes.n == 0)
		return OK;
	w = malloc(sizeof(*w) + bytes.n);
	if (!w)
		return ERR_FULL;
	w->n = bytes.n;
	memcpy(w->bytes, bytes.p, bytes.n);
	buf = uv_buf_init(w->bytes, (unsigned)w->n);
	if (uv_write(&w->req, &c->h.uv.stream, &buf, 1, write_done) != 0) {
		free(w);
		return ERR_IO;
	}
	c->waiting += w->n;
	return OK;
}

static enum err flush(struct conn *c)
{
	size_t n = c->gathered;

	if (!n)
		return OK;
	c->gathered = 0;
	LIST_REMOVE(c, full);
	return write_now(c, span(c->gather, n));
}

static void flush_all(struct loop *l)
{
	struct conn *c;

	while ((c = LIST_FIRST(&l->full)))
		if (flush(c) != OK)
			conn_drop(c);
}

/* Many answers of one turn cost one call of the kernel. */
enum err conn_write(struct conn *c, struct span bytes)
{
	if (c->ending || uv_is_closing(&c->h.uv.any))
		return ERR_CLOSED;
	if (c->waiting + c->gathered + bytes.n > WRITE_WAIT_MAX)
		return ERR_FULL;
	if (bytes.n > sizeof(c->gather) - c->gathered)
		TRY(flush(c));
	if (bytes.n > sizeof(c->gather))
		return write_now(c, bytes);
	if (bytes.n && !c->gathered)
		LIST_INSERT_HEAD(&c->from->loop->full, c, full);
	memcpy(c->gather + c->gathered, bytes.p, bytes.n);
	c->gathered += bytes.n;
	return OK;
}

void conn_pause(struct conn *c)
{
	if (!c->ending)   /* then reading on is how the peer's end is seen */
		uv_read_stop(&c->h.uv.stream);
}

/* It fails only on a stream that is closing, which reads no more anyway. */
void conn_resume(struct conn *c)
{
	(void)uv_read_start(&c->h.uv.stream, read_room, conn_read);
}

const char *conn_peer(const struct conn *c)
{
	return c->peer;
}

/* libuv wants one; the peer's end is what we wait for. */
static void end_said(uv_shutdown_t *req, int status)
{
	(void)req, (void)status;
}

static void linger_over(void *ctx)
{
	conn_drop(ctx);
}

/* Closing with bytes unread makes TCP send a reset, which may destroy our last answer before the peer has read it. So
 * we say that we are done, read on without listening, and wait for the peer's end. */
void conn_close(struct conn *c)
{
	if (c->ending || uv_is_closing(&c->h.uv.any))
		return;
	if (flush(c) != OK) {
		conn_drop(c);
		return;
	}
	c->ending = true;
	conn_resume(c);
	if (timer_open(c->from->loop, linger_over, c, &c->linger) != OK ||
	    uv_shutdown(&c->end, &c->h.uv.stream, end_said) != 0) {
		conn_drop(c);
		return;
	}
	timer_set(c->linger, LINGER_MS);
}

/* ---- listening ---- */

static void conn_name(struct conn *c)
{
	struct sockaddr_storage a;
	int n = sizeof(a);
	char host[INET6_ADDRSTRLEN];

	snprintf(c->peer, sizeof(c->peer), "local");
	if (c->h.uv.any.type != UV_TCP)
		return;
	if (uv_tcp_getpeername(&c->h.uv.tcp, (struct sockaddr *)&a, &n) != 0)
		snprintf(c->peer, sizeof(c->peer), "unknown");
	else if (a.ss_family == AF_INET && uv_ip4_name((struct sockaddr_in *)&a, host, sizeof(host)) == 0)
		snprintf(c->peer, sizeof(c->peer), "%s:%u", host, ntohs(((struct sockaddr_in *)&a)->sin_port));
	else if (uv_ip6_name((struct sockaddr_in6 *)&a, host, sizeof(host)) == 0)
		snprintf(c->peer, sizeof(c->peer), "[%s]:%u", host, ntohs(((struct sockaddr_in6 *)&a)->sin6_port));
}

static void conn_start(struct conn *c)
{
	struct listener *l = c->from;

	if (l->conns > l->most && !(l->events->crowded && l->events->crowded(l->ctx))) {
		if (l->events->full)
			l->events->full(l->ctx);
		return;
	}
	if (c->h.uv.any.type == UV_TCP) {
		uv_tcp_nodelay(&c->h.uv.tcp, 1);
		uv_tcp_keepalive(&c->h.uv.tcp, 1, KEEPALIVE_S);
	}
	conn_name(c);
	c->ctx = l->events->accept(l->ctx, c);
	c->accepted = c->ctx != NULL;
}

static void listener_called(uv_stream_t *s, int status)
{
	struct listener *l = (struct listener *)s;
	struct conn *c = status == 0 ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return;
	c->h.gone = conn_gone;
	c->from = l;
	if (s->type == UV_TCP)
		must(uv_tcp_init(s->loop, &c->h.uv.tcp) == 0);
	else
		must(uv_pipe_init(s->loop, &c->h.uv.pipe, 0) == 0);
	l->conns++;
	l->loop->conns++;
	if (uv_accept(s, &c->h.uv.stream) == 0)
		conn_start(c);
	if (!c->accepted || uv_read_start(&c->h.uv.stream, read_room, conn_read) != 0)
		conn_drop(c);
}

static void listener_gone(uv_handle_t *h)
{
	struct listener *l = (struct listener *)h;

	l->closed = true;
	listener_let_go(l);
}

/* "127.0.0.1:2575" or "[::1]:2575" into a socket address. */
static enum err address_parse(const char *text, struct sockaddr_storage *out)
{
	const char *colon = strrchr(text, ':');
	bool six = text[0] == '[';
	struct span host;
	char name[INET6_ADDRSTRLEN];
	uint64_t port;

	if (!colon || !span_u64(span_str(colon + 1), UINT16_MAX, &port))
		return ERR_SYNTAX;
	host = span(text, (size_t)(colon - text));
	if (six && host.n < 2)
		return ERR_SYNTAX;
	if (six && host.p[host.n - 1] != ']')
		return ERR_SYNTAX;
	if (six)
		host = span(host.p + 1, host.n - 2);
	if (!span_text(host, name, sizeof(name)))
		return ERR_SYNTAX;
	if (six)
		return uv_ip6_addr(name, (int)port, (struct sockaddr_in6 *)out) == 0 ? OK : ERR_SYNTAX;
	return uv_ip4_addr(name, (int)port, (struct sockaddr_in *)out) == 0 ? OK : ERR_SYNTAX;
}

enum err listener_check(const char *address)
{
	struct sockaddr_storage a = { 0 };

	if (address[0] != '/')
		return address_parse(address, &a);
	return strlen(address) < sizeof(((struct sockaddr_un *)0)->sun_path) ? OK : ERR_SYNTAX;
}

/* libuv says "not allowed" of a folder that is not there. */
static enum err folder_check(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (!span_text(span(path, (size_t)(slash - path) + 1), folder, sizeof(folder)))
		return ERR_SYNTAX;
	return stat(folder, &st) != 0 && errno == ENOENT ? ERR_NOT_FOUND : OK;
}

/* A socket nobody answers at is left over from a crash. Anything else at that path is not ours to remove. */
static enum err path_clear(const char *path)
{
	CLEANUP(fd_cleanup) int fd = -1;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;

	if (!span_text(span_str(path), a.sun_path, sizeof(a.sun_path)))
		return ERR_SYNTAX;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? OK : ERR_IO;
	if (!S_ISSOCK(st.st_mode))
		return ERR_EXISTS;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_IO;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno != ECONNREFUSED)
		return ERR_EXISTS;
	return unlink(path) == 0 ? OK : ERR_IO;
}

/* Nobody can connect between bind and listen, so setting the mode in between leaves no gap. */
static enum err path_listen(struct listener *l, const char *path)
{
	must(uv_pipe_init(&l->loop->uv, &l->h.uv.pipe, 0) == 0);
	TRY(folder_check(path));
	TRY(path_clear(path));
	TRY(err_of(uv_pipe_bind(&l->h.uv.pipe, path)));
	if (chmod(path, 0660) != 0)
		return ERR_IO;
	return err_of(uv_listen(&l->h.uv.stream, BACKLOG, listener_called));
}

static enum err port_listen(struct listener *l, const char *address)
{
	struct sockaddr_storage a = { 0 };

	must(uv_tcp_init(&l->loop->uv, &l->h.uv.tcp) == 0);
	TRY(address_parse(address, &a));
	TRY(err_of(uv_tcp_bind(&l->h.uv.tcp, (struct sockaddr *)&a, 0)));
	return err_of(uv_listen(&l->h.uv.stream, BACKLOG, listener_called));
}

enum err listener_open(struct loop *loop, const char *address, unsigned most, const struct conn_events *events,
		       void *ctx, struct listener **out)
{
	struct listener *l = calloc(1, sizeof(*l));
	enum err e;

	if (!l)
		return ERR_FULL;
	*l = (struct listener){ .h.gone = listener_gone, .loop = loop, .events = events, .ctx = ctx, .most = most };
	e = address[0] == '/' ? path_listen(l, address) : port_listen(l, address);
	if (e != OK)
		handle_close(&l->h);
	else
		*out = l;
	return e;
}

unsigned listener_port(const struct listener *l)
{
	struct sockaddr_storage a;
	int n = sizeof(a);

	if (l->h.uv.any.type != UV_TCP || uv_tcp_getsockname(&l->h.uv.tcp, (struct sockaddr *)&a, &n) != 0)
		return 0;
	/* the port is at the same place in both families */
	return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

void listener_close(struct listener **l)
{
	if (*l)
		handle_close(&(*l)->h);
	*l = NULL;
}

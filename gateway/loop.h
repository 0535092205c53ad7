/* loop: the one event loop (libuv; the only file that includes it): timers, listening sockets, connections, wake-ups
 * from other threads, signals. Everything runs on the loop's thread except waker_wake(). Callbacks may close what they
 * were called for. All opaque objects are freed by the loop after their close. */
#ifndef PULLCORD_LOOP_H
#define PULLCORD_LOOP_H

#include "err.h"
#include "span.h"

struct loop;
struct timer;
struct listener;
struct conn;
struct waker;

enum err loop_open(struct loop **out) MUST_USE;
/* Runs until loop_stop(); loop_close() closes whatever is still open. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
void loop_close(struct loop **l);

int64_t loop_now_ms(struct loop *l);      /* monotonic */

/* after_ms from now, once; setting it again moves it. */
enum err timer_open(struct loop *l, void (*fire)(void *ctx), void *ctx, struct timer **out) MUST_USE;
void timer_set(struct timer *t, int64_t after_ms);
void timer_stop(struct timer *t);
void timer_close(struct timer **t);

/* waker_wake() may be called from any thread; calls may be merged. */
enum err waker_open(struct loop *l, void (*woken)(void *ctx), void *ctx, struct waker **out) MUST_USE;
void waker_wake(struct waker *w);
void waker_close(struct waker **w);

/* `signum` arrives as a call on the loop's thread; until loop_close(). */
enum err loop_on_signal(struct loop *l, int signum, void (*fire)(void *ctx, int signum), void *ctx) MUST_USE;

/* What a connection tells its owner. `accept` returns the connection's own ctx, or NULL to refuse it. After `closed`
 * (peer's end, error, or conn_close()) the connection is gone; it is always called exactly once for an accepted one,
 * never from within another call. When there are as many connections as may be, `crowded` (or NULL) is asked for one that
 * can be spared: true: it called conn_close() on it, and the newcomer is taken while that one ends. `full` (or NULL) hears
 * of each newcomer that was closed because nobody was. */
struct conn_events {
	void *(*accept)(void *listener_ctx, struct conn *c);
	void (*data)(void *ctx, struct span bytes);
	void (*closed)(void *ctx);
	void (*full)(void *listener_ctx);
	bool (*crowded)(void *listener_ctx);
};

/* "127.0.0.1:2575", "[::1]:2575" or a path beginning with '/' (Unix socket, mode 0660; a stale one is replaced).
 * At most `most` connections at a time, beside those that end: one more is closed at once. ERR_SYNTAX, ERR_EXISTS (in use),
 * ERR_DENIED, ERR_NOT_FOUND (no such folder, or no such address on this machine), ERR_IO. */
enum err listener_open(struct loop *l, const char *address, unsigned most, const struct conn_events *events, void *ctx,
		       struct listener **out) MUST_USE;
/* ERR_SYNTAX: no address that listener_open() would understand. */
enum err listener_check(const char *address) MUST_USE;
unsigned listener_port(const struct listener *l);   /* the port taken, also when ":0" was asked for; 0: Unix socket */
void listener_close(struct listener **l);

/* Copies the bytes; they go out when this turn of the loop ends. ERR_FULL when more than 1 MiB would wait for the peer:
 * the caller should close. */
enum err conn_write(struct conn *c, struct span bytes) MUST_USE;
/* No `data` until resumed; the peer has to wait, and its end is not noticed. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
const char *conn_peer(const struct conn *c);        /* "127.0.0.1:40112", "local" */
/* After what was written has gone out and the peer has ended, too, at most 5 s later; no `data` from now on. */
void conn_close(struct conn *c);

#endif

#include <stdlib.h>
#include <sys/queue.h>

#include "clock.h"
#include "crypt.h"
#include "input.h"
#include "key.h"
#include "log.h"
#include "mllp.h"
#include "norm.h"

#define WINDOW 32                  /* messages of one connection that wait for their answer; then it is not read */
#define BODY_FIRST 4096
#define STRAY_MAX 16               /* bytes outside of frames: ends of lines; more is somebody who speaks no MLLP */
#define BODY_KEEP 65536            /* storage larger than this is given back between messages */

/* A message that came, until its answer has been sent. Answers go out in the order of the messages. */
struct pending {
	bool waiting;              /* for the pipeline */
	uint8_t event[KEY_BYTES];
	struct ack ack;
	size_t n;                  /* of head; 0: it could not be read */
	uint8_t head[ACK_HEAD_MAX];
};

struct session {
	LIST_ENTRY(session) list;
	struct input *in;          /* NULL: the input is closed, only the end is awaited */
	struct conn *conn;
	struct timer *idle;
	int64_t heard_ms;          /* when it last said something, or came */
	bool spared;               /* it gave way to another, and ends */
	struct mllp mllp;
	bool feeding;
	struct span rest;          /* what could not be looked at while the window was full; owned */
	unsigned first, n;
	struct pending ring[WINDOW];
};

struct input {
	struct loop *loop;
	struct input_spec spec;
	struct pipeline to;
	struct listener *listener;
	LIST_HEAD(, session) sessions;
	uint64_t boot, answers;    /* name our answers */
	struct arena arena;
	uint8_t memory[NORM_ARENA];
};

static void event_name(struct span source, struct span source_id, const struct digest *d, uint8_t name[KEY_BYTES])
{
	key_of((const struct span[]){ source, source_id, span(d->b, sizeof(d->b)) }, 3, name);
}

/* ---- answers ---- */

static struct span answer_id(struct input *in, char text[40])
{
	struct put id = put(text, 40);

	put_fmt(&id, "%016llx-%llu", (unsigned long long)in->boot, (unsigned long long)++in->answers);
	return put_span(&id);
}

static bool reply(struct session *s, const struct hl7 *m, const char *msa1, const struct ack *a)
{
	uint8_t frame[ACK_BYTES_MAX];
	struct put out = put(frame, sizeof(frame));
	char id[40];

	put_u8(&out, 0x0b);
	must(ack_write(m, msa1, a, clock_us(CLOCK_REALTIME), answer_id(s->in, id), &out) == OK);
	put_str(&out, "\x1c\r");
	must(put_end(&out) == OK);
	return conn_write(s->conn, put_span(&out)) == OK;
}

static bool reply_all(struct session *s, const struct pending *p)
{
	struct hl7 head;
	const struct hl7 *m = p->n && hl7_head(span(p->head, p->n), &head) == OK ? &head : NULL;
	const char *due[ACK_REPLIES_MAX];
	unsigned n = ack_due(m, p->ack.code, due);
	bool good = true;

	for (unsigned i = 0; i < n && good; i++)
		good = reply(s, m, due[i], &p->ack);
	return good;
}

static void session_feed(struct session *s, struct span bytes);

/* A peer that does not take its answers is let go: it will ask again. */
static void session_answer(struct session *s)
{
	struct span rest = s->rest;

	while (s->n && !s->ring[s->first].waiting) {
		bool good = reply_all(s, &s->ring[s->first]);

		s->first = (s->first + 1) % WINDOW;
		s->n--;
		if (!good)
			conn_close(s->conn);
	}
	if (s->feeding || !rest.p || s->n == WINDOW)
		return;
	s->rest = span(NULL, 0);
	conn_resume(s->conn);
	session_feed(s, rest);
	free((void *)rest.p);
}

static void mllp_answer(struct input *in, const struct answer *a)
{
	uint8_t name[KEY_BYTES];
	struct session *s;

	if (a->kind != ANSWER_DURABLE && a->kind != ANSWER_REFUSED)
		return;
	event_name(a->source, a->source_id, &a->digest, name);
	LIST_FOREACH(s, &in->sessions, list) {
		for (unsigned i = 0; i < s->n; i++) {
			struct pending *p = &s->ring[(s->first + i) % WINDOW];

			if (!p->waiting || memcmp(p->event, name, sizeof(name)) != 0)
				continue;
			p->waiting = false;
			if (a->kind == ANSWER_REFUSED)
				p->ack = (struct ack){ ACK_ERROR, ACK_INTERNAL, NULL, err_text(a->why) };
		}
		session_answer(s);
	}
}

/* ---- messages ---- */

static struct pending *pending_add(struct session *s)
{
	struct pending *p = &s->ring[(s->first + s->n++) % WINDOW];

	must(s->n <= WINDOW);
	p->waiting = false;
	p->n = 0;
	return p;
}

static bool missed(struct input *in, enum missed what, unsigned n) { return in->to.missed(in->to.ctx, what, n); }

static void session_log(struct session *s, enum log_event e, const char *why)
{
	log_say(e, KV_STR("input", s->in->spec.name), KV_STR("peer", conn_peer(s->conn)), KV_STR("why", why));
}

/* `n` times it ended before its end, or was no message. */
static void session_missed(struct session *s, enum log_event e, unsigned n, const char *why)
{
	if (missed(s->in, MISSED_END, n))
		session_log(s, e, why);
}

static void message_refused(struct session *s, const struct hl7 *m, const char *why)
{
	if (!missed(s->in, MISSED_MEANING, 1))
		return;
	log_say(EV_INPUT_REFUSED, KV_STR("input", s->in->spec.name), KV_STR("peer", conn_peer(s->conn)),
		KV_SPAN("id", hl7_get(m, hl7_find(m, "MSH"), 10, 0)), KV_STR("why", why));
}

/* Also what is refused may carry an event: somebody has to look. Nothing is said before it is durable. */
static void pending_push(struct session *s, struct pending *p, const struct event *e)
{
	enum err err;

	if (e->kind == EVENT_NONE)
		return;
	event_name(e->source, e->source_id, &e->digest, p->event);
	p->waiting = true;
	err = s->in->to.push(s->in->to.ctx, s->in, e);
	if (err == OK)
		return;
	p->waiting = false;
	p->ack = (struct ack){ ACK_ERROR, ACK_INTERNAL, NULL, err_text(err) };
}

/* `limit`: how the message broke ours, or OK. */
static void session_message(struct session *s, struct span payload, enum err limit)
{
	struct norm_feed feed = { s->in->spec.zone_minutes, s->in->spec.source, clock_us(CLOCK_REALTIME) };
	struct event event = { 0 };
	struct pending *p;
	struct put head;
	struct hl7 m;

	if (limit == OK)
		limit = hl7_open(payload, &m);
	if (limit != OK && hl7_head(payload, &m) != OK) {
		p = pending_add(s);
		p->ack = (struct ack){ ACK_REJECT, ACK_SEGMENT_SEQUENCE, NULL, "no MSH segment that can be read" };
		if (missed(s->in, MISSED_MEANING, 1))
			session_log(s, EV_INPUT_REFUSED, p->ack.why);
		return;
	}
	if (span_is(hl7_get(&m, hl7_find(&m, "MSH"), 9, 1), "ACK")) {
		session_log(s, EV_INPUT_STRAY, "an acknowledgement of nothing we sent");
		return;
	}
	p = pending_add(s);
	head = put(p->head, sizeof(p->head));
	if (ack_head(&m, &head) == OK)
		p->n = head.n;
	if (limit == OK && p->n) {
		p->ack = norm_hl7(&m, &feed, &s->in->arena, &event);
	} else {
		p->ack = (struct ack){ ACK_REJECT, ACK_INTERNAL, NULL, "message or header past a limit of ours" };
		norm_refused(&m, p->ack, &feed, &s->in->arena, &event);
	}
	if (p->ack.code != ACK_ACCEPT)
		message_refused(s, &m, p->ack.why);
	event.digest = digest_of(payload);
	pending_push(s, p, &event);
}

/* What came of a message until it broke off; behind an end block without its carriage return that is all of it. Nobody hears an
 * answer, so its source repeats it, if it can: until then, or if it is gone, somebody has to look. */
static void session_cut(struct session *s, const char *why)
{
	struct norm_feed feed = { s->in->spec.zone_minutes, s->in->spec.source, clock_us(CLOCK_REALTIME) };
	struct span payload = span(s->mllp.body, s->mllp.n);
	struct event event = { 0 };
	struct hl7 m;

	session_missed(s, EV_INPUT_TRUNCATED, 1, why);
	if (s->mllp.state == MLLP_END && hl7_open(payload, &m) == OK)
		(void)norm_hl7(&m, &feed, &s->in->arena, &event);
	else if (s->mllp.state == MLLP_BODY && hl7_head(payload, &m) == OK)
		norm_refused(&m, (struct ack){ ACK_ERROR, ACK_INTERNAL, NULL, why }, &feed, &s->in->arena, &event);
	event.digest = digest_of(payload);
	if (event.kind == EVENT_ALERT)
		(void)!s->in->to.push(s->in->to.ctx, s->in, &event);   /* a refusal is logged there */
}

/* ---- the stream ---- */

static bool session_room(struct session *s)
{
	size_t cap = s->mllp.cap ? 2 * s->mllp.cap : BODY_FIRST;
	uint8_t *body = realloc(s->mllp.body, cap);

	if (!body)
		return false;
	mllp_room(&s->mllp, body, cap);
	return true;
}

static bool is_stray(const struct session *s) { return s->mllp.junk > STRAY_MAX; }

static void session_rest(struct session *s)
{
	if (!mllp_inside(&s->mllp) && s->mllp.cap > BODY_KEEP) {
		free(s->mllp.body);
		s->mllp.n = 0;
		mllp_room(&s->mllp, NULL, 0);
	}
	if (mllp_inside(&s->mllp) || is_stray(s))
		timer_set(s->idle, s->in->spec.idle_ms);
	else
		timer_stop(s->idle);
}

/* The window is full: the peer waits until answers have gone out. */
static void session_pause(struct session *s)
{
	uint8_t *copy = malloc(s->mllp.in.n);

	if (!copy) {
		conn_close(s->conn);
		return;
	}
	memcpy(copy, s->mllp.in.p, s->mllp.in.n);
	s->rest = span(copy, s->mllp.in.n);
	timer_stop(s->idle);
	conn_pause(s->conn);
}

/* Without a word somebody would wait for an answer, and call again and again. */
static void say_stray(struct session *s)
{
	session_missed(s, EV_INPUT_JUNK, 1, "what came is in no frame: MLLP has 0B before each message, 1C 0D behind");
	s->mllp.junk = 0;            /* said once */
}

/* One step of the decoder. False: no further. */
static bool session_step(struct session *s)
{
	struct span payload;

	if (s->n == WINDOW && s->mllp.in.n) {
		session_pause(s);
		return false;
	}
	switch (mllp_next(&s->mllp, &payload)) {
	case MLLP_FRAME:
		if (payload.n)
			session_message(s, payload, OK);
		else
			session_log(s, EV_INPUT_STRAY, "an empty frame");
		break;
	case MLLP_TOO_LARGE:
		session_message(s, payload, ERR_TOO_LARGE);
		break;
	case MLLP_ROOM:
		if (session_room(s))
			break;
		conn_close(s->conn);
		return false;
	case MLLP_JUNK:
		say_stray(s);
		conn_close(s->conn);
		return false;
	case MLLP_MORE:
		session_rest(s);
		return false;
	}
	session_answer(s);
	return true;
}

static void session_feed(struct session *s, struct span bytes)
{
	uint64_t resyncs = s->mllp.resyncs;

	mllp_push(&s->mllp, bytes);
	s->feeding = true;
	while (session_step(s))
		;
	s->feeding = false;
	s->mllp.in = span(NULL, 0);
	if (s->mllp.resyncs != resyncs)
		session_missed(s, EV_INPUT_TRUNCATED, (unsigned)(s->mllp.resyncs - resyncs), "a frame began inside another");
}

/* ---- connections ---- */

static void session_idle(void *ctx)
{
	struct session *s = ctx;

	if (mllp_inside(&s->mllp))
		session_cut(s, "nothing more came of a message for too long");
	else
		say_stray(s);
	s->mllp.state = MLLP_IDLE;   /* said once */
	conn_close(s->conn);
}

static void session_unlink(struct session *s)
{
	LIST_REMOVE(s, list);
	timer_close(&s->idle);
	s->in = NULL;
}

static void *session_accept(void *ctx, struct conn *c)
{
	struct input *in = ctx;
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (timer_open(in->loop, session_idle, s, &s->idle) != OK) {
		free(s);
		return NULL;
	}
	s->in = in;
	s->conn = c;
	s->heard_ms = loop_now_ms(in->loop);
	LIST_INSERT_HEAD(&in->sessions, s, list);
	return s;
}

static void session_data(void *ctx, struct span bytes)
{
	struct session *s = ctx;

	if (s->in)
		s->heard_ms = loop_now_ms(s->in->loop);
	session_feed(s, bytes);
}

static void session_closed(void *ctx)
{
	struct session *s = ctx;

	if (s->in && mllp_inside(&s->mllp))
		session_cut(s, "the connection ended inside a message");
	else if (s->in && is_stray(s))
		say_stray(s);
	if (s->in)
		session_unlink(s);
	free(s->mllp.body);
	free((void *)s->rest.p);
	free(s);
}

/* ---- the input ---- */

static void mllp_full(void *ctx)
{
	struct input *in = ctx;

	if (missed(in, MISSED_PLACE, 1))
		log_say(EV_INPUT_FULL, KV_STR("input", in->spec.name), KV_NUM("most", in->spec.most));
}

/* Most sources stay connected for ever and are seldom heard: that is no reason to close them. But whoever comes when no place
 * is left may have an alert to bring; the one that was silent longest comes again when it has. */
static bool mllp_crowded(void *ctx)
{
	struct input *in = ctx;
	struct session *s, *longest = NULL;

	LIST_FOREACH(s, &in->sessions, list)
		if (!s->spared && !s->n && !mllp_inside(&s->mllp) && (!longest || s->heard_ms < longest->heard_ms))
			longest = s;
	if (!longest || loop_now_ms(in->loop) - longest->heard_ms < in->spec.idle_ms)
		return false;
	session_log(longest, EV_INPUT_SPARED, "no place is left, and it was silent longest");
	longest->spared = true;
	conn_close(longest->conn);
	return true;
}

static void mllp_close(struct input **in)
{
	struct session *s;

	if (!*in)
		return;
	while ((s = LIST_FIRST(&(*in)->sessions))) {
		session_unlink(s);
		conn_close(s->conn);
	}
	listener_close(&(*in)->listener);
	free(*in);
	*in = NULL;
}

static enum err mllp_open(struct loop *l, const struct input_spec *spec, const struct pipeline *to, struct input **out)
{
	static const struct conn_events events = { session_accept, session_data, session_closed, mllp_full, mllp_crowded };
	CLEANUP(mllp_close) struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return ERR_FULL;
	in->loop = l;
	in->spec = *spec;
	in->to = *to;
	in->arena = (struct arena){ in->memory, sizeof(in->memory), 0 };
	crypt_random(&in->boot, sizeof(in->boot));
	TRY(listener_open(l, spec->address, spec->most, &events, in, &in->listener));
	log_say(EV_INPUT_OPEN, KV_STR("input", spec->name), KV_STR("kind", "mllp"), KV_STR("address", spec->address),
		KV_NUM("port", listener_port(in->listener)));
	*out = in;
	in = NULL;              /* given away */
	return OK;
}

const struct input_kind in_mllp = { "mllp", mllp_open, mllp_answer, mllp_close };

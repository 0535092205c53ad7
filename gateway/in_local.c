#include <stdlib.h>
#include <sys/queue.h>

#include "clock.h"
#include "input.h"
#include "key.h"
#include "local_json.h"
#include "log.h"

#define SOURCES_MAX 256            /* that one connection hears of */
#define WINDOW 256                 /* messages of one connection not yet durable; then it is not read */
#define SECOND_US 1000000

struct session {
	LIST_ENTRY(session) list;
	struct input *in;          /* NULL: the input is closed, only the end is awaited */
	struct conn *conn;
	struct timer *idle;
	int64_t heard_ms;          /* when it last said something, or came */
	bool spared;               /* it gave way to another, and ends */
	unsigned sources, oldest;
	char source[SOURCES_MAX][LOCAL_WORD_MAX + 1];
	struct timer *slow;        /* it had its share of this second */
	int64_t share_us;          /* when all it sent so far would have come at per_s */
	bool slowed, feeding;
	struct span rest;          /* what is not looked at yet; owned */
	unsigned waits;
	struct digest wait[WINDOW];
	bool skipping;             /* the rest of a line that was too long */
	size_t n;
	uint8_t line[LOCAL_LINE_MAX];
};

struct input {
	struct loop *loop;
	struct input_spec spec;
	struct pipeline to;
	struct listener *listener;
	LIST_HEAD(, session) sessions;
	struct local_said said;    /* one line at a time */
};

/* ---- answers ---- */

/* An application that does not read its answers is let go: it can come back and say hello. */
static void session_say(struct session *s, struct span line)
{
	if (conn_write(s->conn, line) != OK)
		conn_close(s->conn);
}

static bool missed(struct input *in, enum missed what) { return in->to.missed(in->to.ctx, what, 1); }

static void session_refuse(struct session *s, const struct local_no *no)
{
	uint8_t line[4096];
	struct put out = put(line, sizeof(line));

	if (local_write_no(no, &out) == OK)
		session_say(s, put_span(&out));
}

/* The answer says more than the log may: it can quote the line. */
static void session_not_understood(struct session *s, enum err e, const struct local_no *no)
{
	if (missed(s->in, MISSED_MEANING))
		log_say(EV_INPUT_REFUSED, KV_STR("input", s->in->spec.name), KV_STR("peer", conn_peer(s->conn)),
			KV_STR("why", err_text(e)));
	session_refuse(s, no);
}

static void session_truncated(struct session *s, const char *why)
{
	if (missed(s->in, MISSED_END))
		log_say(EV_INPUT_TRUNCATED, KV_STR("input", s->in->spec.name), KV_STR("peer", conn_peer(s->conn)),
			KV_STR("why", why));
}

static bool session_has(const struct session *s, struct span source)
{
	for (unsigned i = 0; i < s->sources; i++)
		if (span_is(source, s->source[i]))
			return true;
	return false;
}

static void session_go(struct session *s);

/* It has its answer: kept, or not. Its line names its source and itself. */
static void session_answered(struct session *s, const struct digest *line)
{
	for (unsigned i = s->waits; i-- > 0;)
		if (memcmp(s->wait[i].b, line->b, sizeof(line->b)) == 0)
			s->wait[i] = s->wait[--s->waits];
	session_go(s);
}

static void local_answer(struct input *in, const struct answer *a)
{
	uint8_t line[LOCAL_ANSWER_MAX];
	struct put out = put(line, sizeof(line));
	bool written = local_write(a, &out) == OK;
	struct session *s;

	LIST_FOREACH(s, &in->sessions, list) {
		if (written && session_has(s, a->source))
			session_say(s, put_span(&out));
		if (a->kind == ANSWER_DURABLE || a->kind == ANSWER_REFUSED)
			session_answered(s, &a->digest);
	}
}

/* ---- lines ---- */

/* From now on this connection hears the answers to that source; when there are too many, not those to the first any more. No
 * call is refused for that. */
static void session_join(struct session *s, const char *source)
{
	unsigned at = s->sources < SOURCES_MAX ? s->sources : s->oldest;

	if (session_has(s, span_str(source)))
		return;
	must(span_text(span_str(source), s->source[at], sizeof(s->source[0])));
	if (s->sources < SOURCES_MAX)
		s->sources++;
	else
		s->oldest = (at + 1) % SOURCES_MAX;
}

static void no_room(struct local_no *no, enum err e)
{
	struct put why = put(no->why, sizeof(no->why) - 1);

	put_fmt(&why, "it was not kept: %s", err_text(e));
	no->why[why.n] = '\0';
	strcpy(no->hint, "nobody has been told: send it again, or help yourself");
}

static void session_push(struct session *s, struct local_no *no)
{
	struct local_said *said = &s->in->said;
	uint8_t line[512];
	struct put out = put(line, sizeof(line));
	enum err e;

	session_join(s, said->source);
	if (said->kind == LOCAL_HELLO) {
		if (local_write_hello(said->source, &out) == OK)
			session_say(s, put_span(&out));
		return;
	}
	s->wait[s->waits++] = said->event.digest;
	e = s->in->to.push(s->in->to.ctx, s->in, &said->event);
	if (e != OK) {
		s->waits--;
		no_room(no, e);
		session_refuse(s, no);
	}
}

static void session_line(struct session *s, struct span line)
{
	struct local_said *said = &s->in->said;
	struct local_no no;
	enum err e;

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (span_trim(line).n == 0)
		return;
	e = local_read(line, s->in->spec.source, clock_us(CLOCK_REALTIME), said, &no);
	if (e != OK) {
		session_not_understood(s, e, &no);
		return;
	}
	said->event.digest = digest_of(span_trim(line));
	session_push(s, &no);
	local_done(said);
}

static void session_too_long(struct session *s)
{
	const struct local_no no = { .why = "the line is longer than 16384 bytes", .hint = "it was left out",
				     .at = LOCAL_LINE_MAX };

	if (!s->skipping)
		session_not_understood(s, ERR_TOO_LARGE, &no);
	s->skipping = true;
	s->n = 0;
}

/* The part of a line up to its end, or all there is. */
static void session_keep(struct session *s, struct span part)
{
	if (s->skipping)
		return;
	if (part.n > sizeof(s->line) - s->n) {
		session_too_long(s);
		return;
	}
	if (part.n)
		memcpy(s->line + s->n, part.p, part.n);
	s->n += part.n;
}

/* ---- the stream ---- */

static int64_t now_us(const struct session *s) { return loop_now_ms(s->in->loop) * 1000; }

/* How long until its next message may come. */
static int64_t early_us(const struct session *s)
{
	return s->share_us - now_us(s) - SECOND_US;
}

static bool session_may(const struct session *s)
{
	return s->waits < WINDOW && early_us(s) <= 0;
}

static void session_count(struct session *s)
{
	if (s->share_us < now_us(s))
		s->share_us = now_us(s);
	s->share_us += SECOND_US / s->in->spec.per_s;
}

/* One program that goes mad must not take the places of all others: it waits, and loses nothing. */
static void session_pause(struct session *s, struct span rest)
{
	uint8_t *copy = malloc(rest.n);

	if (!copy) {
		conn_close(s->conn);
		return;
	}
	memcpy(copy, rest.p, rest.n);
	s->rest = span(copy, rest.n);
	timer_stop(s->idle);
	conn_pause(s->conn);
	if (early_us(s) <= 0)
		return;
	timer_set(s->slow, early_us(s) / 1000 + 1);
	if (!s->slowed)
		log_say(EV_INPUT_SLOWED, KV_STR("input", s->in->spec.name), KV_STR("peer", conn_peer(s->conn)),
			KV_NUM("per_second", s->in->spec.per_s));
	s->slowed = true;
}

static void session_feed(struct session *s, struct span bytes)
{
	s->feeding = true;
	while (bytes.n && session_may(s)) {
		struct span rest, part = span_cut(bytes, '\n', &rest);

		session_keep(s, part);
		if (rest.p) {
			session_count(s);
			if (!s->skipping)
				session_line(s, span(s->line, s->n));
			s->skipping = false;
			s->n = 0;
		}
		bytes = rest;
	}
	s->feeding = false;
	if (bytes.n)
		session_pause(s, bytes);
	else if (s->n || s->skipping)
		timer_set(s->idle, s->in->spec.idle_ms);
	else
		timer_stop(s->idle);
}

static void session_data(void *ctx, struct span bytes)
{
	struct session *s = ctx;

	if (s->in)
		s->heard_ms = loop_now_ms(s->in->loop);
	session_feed(s, bytes);
}

static void session_go(struct session *s)
{
	struct span rest = s->rest;

	if (s->feeding || !rest.p || !session_may(s))
		return;
	s->rest = span(NULL, 0);
	conn_resume(s->conn);
	session_feed(s, rest);
	free((void *)rest.p);
}

/* ---- connections ---- */

static void session_idle(void *ctx)
{
	struct session *s = ctx;

	session_truncated(s, "nothing more came of a line for too long");
	s->n = 0;
	conn_close(s->conn);
}

static void session_slow(void *ctx)
{
	session_go(ctx);
}

static void session_unlink(struct session *s)
{
	LIST_REMOVE(s, list);
	timer_close(&s->idle);
	timer_close(&s->slow);
	s->in = NULL;
}

static void *session_accept(void *ctx, struct conn *c)
{
	struct input *in = ctx;
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (timer_open(in->loop, session_idle, s, &s->idle) != OK || timer_open(in->loop, session_slow, s, &s->slow) != OK) {
		timer_close(&s->idle);
		free(s);
		return NULL;
	}
	s->in = in;
	s->conn = c;
	s->heard_ms = loop_now_ms(in->loop);
	LIST_INSERT_HEAD(&in->sessions, s, list);
	return s;
}

static void session_closed(void *ctx)
{
	struct session *s = ctx;

	if (s->in && s->n)
		session_truncated(s, "the connection ended inside a line");
	if (s->in)
		session_unlink(s);
	free((void *)s->rest.p);
	free(s);
}

/* ---- the input ---- */

static void local_full(void *ctx)
{
	struct input *in = ctx;

	if (missed(in, MISSED_PLACE))
		log_say(EV_INPUT_FULL, KV_STR("input", in->spec.name), KV_NUM("most", in->spec.most));
}

/* A program that opens one connection for each call must not shut out the next call. Whoever only waits for answers can come back
 * and say hello. */
static bool local_crowded(void *ctx)
{
	struct input *in = ctx;
	struct session *s, *longest = NULL;

	LIST_FOREACH(s, &in->sessions, list)
		if (!s->spared && !s->waits && !s->n && !s->skipping && (!longest || s->heard_ms < longest->heard_ms))
			longest = s;
	if (!longest || loop_now_ms(in->loop) - longest->heard_ms < in->spec.idle_ms)
		return false;
	log_say(EV_INPUT_SPARED, KV_STR("input", in->spec.name), KV_STR("peer", conn_peer(longest->conn)),
		KV_STR("why", "no place is left, and it was silent longest"));
	longest->spared = true;
	conn_close(longest->conn);
	return true;
}

static void local_close(struct input **in)
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

static enum err local_open(struct loop *l, const struct input_spec *spec, const struct pipeline *to, struct input **out)
{
	static const struct conn_events events = { session_accept, session_data, session_closed, local_full, local_crowded };
	CLEANUP(local_close) struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return ERR_FULL;
	in->loop = l;
	in->spec = *spec;
	in->to = *to;
	if (strlen(in->spec.source) > LOCAL_WORD_MAX)
		return ERR_RANGE;
	TRY(listener_open(l, spec->address, spec->most, &events, in, &in->listener));
	log_say(EV_INPUT_OPEN, KV_STR("input", spec->name), KV_STR("kind", "local"), KV_STR("address", spec->address));
	*out = in;
	in = NULL;              /* given away */
	return OK;
}

const struct input_kind in_local = { "local", local_open, local_answer, local_close };

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "input.h"
#include "log.h"
#include "mllp.h"
#include "norm.h"

#define FILE_MAX (64 << 20)
#define WINDOW 20                  /* messages whose answer is awaited */
#define AGAIN_MS 50                /* the outbox was full */

struct input {
	struct loop *loop;
	struct input_spec spec;
	struct pipeline to;
	struct timer *timer;
	uint8_t *file, *body;
	struct span left;          /* of the file */
	struct mllp mllp;
	bool framed;               /* a capture of MLLP, not text */
	struct span message;       /* the next one; empty at the end */
	int64_t began_ms, first_us;
	unsigned waiting;
	uint64_t messages, kept, refused;
	bool ended;
	struct arena arena;
	uint8_t memory[NORM_ARENA];
};

/* ---- the recording ---- */

static struct span next_frame(struct input *in)
{
	struct span payload;

	for (;;) {
		switch (mllp_next(&in->mllp, &payload)) {
		case MLLP_FRAME:
			if (payload.n)
				return payload;
			break;
		case MLLP_TOO_LARGE:
			in->refused++;
			break;
		default:
			return span(NULL, 0);
		}
	}
}

/* Where the next line that begins with MSH begins, from `at` on; the length of the text when there is none. */
static size_t find_header(struct span text, size_t at)
{
	for (; at < text.n; at++)
		if (text.n - at > 3 && memcmp(text.p + at, "MSH", 3) == 0 &&
		    (at == 0 || text.p[at - 1] == '\n' || text.p[at - 1] == '\r' || text.p[at - 1] == 0xbf))
			return at;
	return text.n;
}

static struct span next_text(struct input *in)
{
	size_t begin = find_header(in->left, 0), end = begin < in->left.n ? find_header(in->left, begin + 1) : begin;
	struct span message = span(in->left.p + begin, end - begin);

	in->left = span(in->left.p + end, in->left.n - end);
	return message;
}

static void next_message(struct input *in)
{
	in->message = in->framed ? next_frame(in) : next_text(in);
}

static enum err read_file(struct input *in)
{
	CLEANUP(fd_cleanup) int fd = open(in->spec.address, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t n = 0;

	if (fd < 0)
		return ERR_NOT_FOUND;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return ERR_IO;
	if (st.st_size > FILE_MAX)
		return ERR_TOO_LARGE;
	in->file = malloc((size_t)st.st_size + 1);
	in->body = malloc(MLLP_MESSAGE_MAX);
	if (!in->file || !in->body)
		return ERR_FULL;
	for (ssize_t r = 1; r > 0 && n < (size_t)st.st_size; n += r > 0 ? (size_t)r : 0) {
		r = read(fd, in->file + n, (size_t)st.st_size - n);
		if (r < 0)
			return ERR_IO;
	}
	in->left = span(in->file, n);
	in->framed = n && in->file[0] == 0x0b;
	mllp_room(&in->mllp, in->body, MLLP_MESSAGE_MAX);
	mllp_push(&in->mllp, in->left);
	return OK;
}

/* ---- playing it ---- */

/* How long until the message that says this time is due. Text without times comes as fast as it can. */
static int64_t due_ms(struct input *in, const struct hl7 *m)
{
	int64_t us;

	if (in->spec.speed <= 0 || !hl7_time(hl7_get(m, hl7_find(m, "MSH"), 7, 1), in->spec.zone_minutes, &us))
		return 0;
	if (!in->first_us)
		in->first_us = us;
	return (int64_t)((double)(us - in->first_us) / 1000 / in->spec.speed) - (loop_now_ms(in->loop) - in->began_ms);
}

/* OK: it is done with, one way or the other. ERR_BUSY: not yet. */
static enum err play(struct input *in)
{
	struct norm_feed feed = { in->spec.zone_minutes, in->spec.source, clock_us(CLOCK_REALTIME) };
	struct event event;
	struct ack ack;
	struct hl7 m;
	enum err e;

	if (hl7_open(in->message, &m) != OK) {
		in->refused++;
		return OK;
	}
	if (due_ms(in, &m) > 0) {
		timer_set(in->timer, due_ms(in, &m));
		return ERR_BUSY;
	}
	ack = norm_hl7(&m, &feed, &in->arena, &event);
	if (event.kind != EVENT_NONE) {
		event.digest = digest_of(in->message);
		in->waiting++;
		e = in->to.push(in->to.ctx, in, &event);
		in->waiting -= e != OK;
		if (e == ERR_FULL) {
			timer_set(in->timer, AGAIN_MS);
			return ERR_BUSY;
		}
		in->refused += e != OK;
	}
	in->refused += ack.code != ACK_ACCEPT;
	return OK;
}

static void replay_end(struct input *in)
{
	in->ended = true;
	log_say(EV_REPLAY_END, KV_STR("input", in->spec.name), KV_STR("file", in->spec.address),
		KV_NUM("messages", in->messages), KV_NUM("durable", in->kept), KV_NUM("refused", in->refused));
}

static void replay_go(void *ctx)
{
	struct input *in = ctx;

	while (in->message.n && in->waiting < WINDOW) {
		if (play(in) != OK)
			return;
		in->messages++;
		next_message(in);
	}
	if (!in->message.n && !in->waiting && !in->ended)
		replay_end(in);
}

static void replay_answer(struct input *in, const struct answer *a)
{
	if ((a->kind != ANSWER_DURABLE && a->kind != ANSWER_REFUSED) || !in->waiting)
		return;
	in->waiting--;
	in->kept += a->kind == ANSWER_DURABLE;
	in->refused += a->kind == ANSWER_REFUSED;
	timer_set(in->timer, 0);
}

/* ---- the input ---- */

static void replay_close(struct input **in)
{
	if (!*in)
		return;
	timer_close(&(*in)->timer);
	free((*in)->file);
	free((*in)->body);
	free(*in);
	*in = NULL;
}

static enum err replay_open(struct loop *l, const struct input_spec *spec, const struct pipeline *to,
			    struct input **out)
{
	CLEANUP(replay_close) struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return ERR_FULL;
	in->loop = l;
	in->spec = *spec;
	in->to = *to;
	in->arena = (struct arena){ in->memory, sizeof(in->memory), 0 };
	TRY(read_file(in));
	TRY(timer_open(l, replay_go, in, &in->timer));
	log_say(EV_INPUT_OPEN, KV_STR("input", spec->name), KV_STR("kind", "replay"), KV_STR("address", spec->address));
	in->began_ms = loop_now_ms(l);
	next_message(in);
	timer_set(in->timer, 0);
	*out = in;
	in = NULL;              /* given away */
	return OK;
}

const struct input_kind in_replay = { "replay", replay_open, replay_answer, replay_close };

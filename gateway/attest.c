#include "attest.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "notebook.h"
#include "thread.h"

#define VKEY_TEXT (ORIGIN_BYTES_MAX + 64)
#define UNANSWERED 3                    /* questions, before silence is silence: a connection may be new */

struct attest {
	int64_t every_ms;
	void (*wake)(void *ctx);
	void *ctx;
	char req[TOPIC_BYTES_MAX + 1], cosignature[TOPIC_BYTES_MAX + 1];
	struct notebook *book;          /* the thread's, once it runs */
	char folder[256];

	/* The loop's. */
	int64_t due_ms, grown_ms;
	bool began;                     /* the first question was asked, and grown_ms is of then at least */
	unsigned unanswered;
	bool asked;                     /* and no answer yet */
	uint64_t size;                  /* seen and vouched for */
	bool stopped;
	enum witness_kind said;         /* of the last answer: once a minute it is not news */

	/* Between them. */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool stop, work, done;
	uint64_t time_s;
	size_t body_n, line_n;
	uint8_t body[WITNESS_BODY_MAX], line[COSIGNATURE_LINE_MAX];
	enum err err;
	enum witness_kind kind;
	uint64_t seen;
	bool contradicted;
};

/* ---- the thread ---- */

static void judge(struct attest *v)
{
	struct put line = put(v->line, sizeof(v->line));

	v->err = notebook_add(v->book, span(v->body, v->body_n), true, v->time_s, &line, &v->kind);
	v->line_n = v->err == OK ? line.n : 0;
	v->seen = notebook_size(v->book);
	v->contradicted = notebook_stopped(v->book);
}

/* While there is work, the boxes are its own. */
static void *watch(void *arg)
{
	struct attest *v = arg;

	pthread_mutex_lock(&v->lock);
	while (!v->stop) {
		if (!v->work) {
			pthread_cond_wait(&v->cond, &v->lock);
			continue;
		}
		pthread_mutex_unlock(&v->lock);
		judge(v);
		pthread_mutex_lock(&v->lock);
		v->work = false;
		v->done = true;
		v->wake(v->ctx);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

/* ---- opening ---- */

static enum err read_vkey(const char *path, char text[VKEY_TEXT], struct cosigner *log)
{
	CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, VKEY_TEXT);
	struct span rest;

	if (n < 0)
		return fd < 0 && access(path, F_OK) != 0 ? ERR_NOT_FOUND : ERR_DENIED;
	return vkey_read(span_cut(span(text, (size_t)n), '\n', &rest), &log->name, log->pub);
}

enum err attest_check(const char *vkey)
{
	char text[VKEY_TEXT];
	struct cosigner log;

	return read_vkey(vkey, text, &log);
}

static enum err open_book(struct attest *v, const struct attest_spec *spec, const char **what)
{
	char text[VKEY_TEXT], name[2 * WORD_BYTES_MAX + 16];
	struct notebook_spec book = { .folder = spec->folder };

	*what = spec->vkey;
	TRY(read_vkey(spec->vkey, text, &book.log));
	*what = spec->folder;
	if (!span_text(span_str(spec->folder), v->folder, sizeof(v->folder)))
		return ERR_TOO_LARGE;
	snprintf(name, sizeof(name), "%s/device/%s", spec->tenant, spec->device);
	book.name = span_str(name);
	TRY(notebook_open(&book, &v->book));
	log_say(EV_WITNESS, KV_SPAN("record", book.log.name), KV_NUM("entries", notebook_size(v->book)),
		KV_STR("vkey", notebook_vkey(v->book)));
	return OK;
}

static void say_contradicted(const struct attest *v, const char *why)
{
	log_say(EV_RECORD_CONTRADICTED, KV_STR("why", why), KV_STR("evidence", v->folder),
		KV_STR("right", "keep evidence.* elsewhere, and tell whoever answers for the record"));
}

enum err attest_open(const struct attest_spec *spec, struct attest **out, const char **what)
{
	CLEANUP(attest_close) struct attest *v = calloc(1, sizeof(*v));

	*what = spec->folder;
	if (!v)
		return ERR_FULL;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->cond, NULL);
	v->every_ms = spec->every_ms;
	v->wake = spec->wake;
	v->ctx = spec->ctx;
	TRY(TOPIC_BUILD(v->req, TOPIC_WITNESS_REQ, spec->tenant, "main", spec->device));
	TRY(TOPIC_BUILD(v->cosignature, TOPIC_COSIGNATURE, spec->tenant, "main", spec->device));
	TRY(open_book(v, spec, what));
	v->size = notebook_size(v->book);
	v->stopped = notebook_stopped(v->book);
	if (v->stopped)
		say_contradicted(v, "there is evidence from before");
	TRY(thread_start(&v->thread, watch, v));
	v->running = true;
	*out = v;
	v = NULL;
	return OK;
}

void attest_close(struct attest **out)
{
	struct attest *v = *out;

	if (!v)
		return;
	if (v->running) {
		pthread_mutex_lock(&v->lock);
		v->stop = true;
		pthread_cond_signal(&v->cond);
		pthread_mutex_unlock(&v->lock);
		pthread_join(v->thread, NULL);
	}
	notebook_close(&v->book);
	pthread_mutex_destroy(&v->lock);
	pthread_cond_destroy(&v->cond);
	free(v);
	*out = NULL;
}

/* ---- the loop's calls ---- */

void attest_hear(struct attest *v, struct span body, int64_t real_us)
{
	if (!v || v->stopped || !v->asked || body.n > sizeof(v->body))
		return;
	pthread_mutex_lock(&v->lock);
	if (!v->work && !v->done) {
		v->asked = false;
		memcpy(v->body, body.p, body.n);
		v->body_n = body.n;
		v->time_s = (uint64_t)(real_us / 1000000);
		v->work = true;
		pthread_cond_signal(&v->cond);
	}
	pthread_mutex_unlock(&v->lock);
}

static bool is_done(struct attest *v)
{
	bool done;

	pthread_mutex_lock(&v->lock);
	done = v->done;
	v->done = false;
	pthread_mutex_unlock(&v->lock);
	return done;
}

static void say_done(const struct attest *v)
{
	if (v->err != OK)
		log_say(EV_WITNESS_FAILED, KV_STR("folder", v->folder), KV_STR("why", err_text(v->err)));
	else if (v->kind != WITNESS_ACCEPTED && v->kind != v->said && !v->contradicted)
		log_say(EV_CHECKPOINT_REFUSED, KV_STR("kind", witness_word(v->kind)), KV_STR("why", witness_text(v->kind)));
	if (v->contradicted && !v->stopped)
		say_contradicted(v, witness_text(v->kind));
}

/* The cosignature the thread has made of an answer, if it made one. */
static struct span take_done(struct attest *v, int64_t now_ms)
{
	if (!is_done(v))
		return span(NULL, 0);
	say_done(v);
	v->said = v->kind;
	v->stopped = v->contradicted;
	if (v->seen > v->size) {
		v->size = v->seen;
		v->grown_ms = now_ms;
		v->unanswered = 0;
	}
	return span(v->line, v->line_n);
}

static bool is_due(struct attest *v, int64_t now_ms)
{
	if (v->stopped || now_ms < v->due_ms)
		return false;
	if (!v->began)
		v->grown_ms = now_ms;
	v->began = true;
	v->due_ms = now_ms + v->every_ms;
	v->asked = true;
	v->unanswered++;
	return true;
}

/* What does not get through is asked for once more, when it is time. */
static void give(const char *topic, struct span payload, const struct uplink_kind *kind, struct uplink *to, struct id id)
{
	(void)!kind->send(to, &(struct uplink_message){ .topic = topic, .payload = payload, .id = id });
}

void attest_run(struct attest *v, const struct uplink_kind *kind, struct uplink *to, struct id_maker *ids, int64_t now_ms,
	       int64_t real_us)
{
	struct span line;
	char size[24];

	if (!v)
		return;
	line = take_done(v, now_ms);
	if (line.n)
		give(v->cosignature, line, kind, to, id_next(ids, real_us / 1000));
	if (!is_due(v, now_ms))
		return;
	snprintf(size, sizeof(size), "%llu\n", (unsigned long long)v->size);
	give(v->req, span_str(size), kind, to, id_next(ids, real_us / 1000));
}

enum attest_state attest_state(const struct attest *v, int64_t now_ms)
{
	if (!v)
		return ATTEST_SILENT;
	if (v->stopped)
		return ATTEST_CONTRADICTED;
	return v->unanswered > UNANSWERED && now_ms - v->grown_ms > ATTEST_SILENT_MS ? ATTEST_SILENT : ATTEST_GOOD;
}

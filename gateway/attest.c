#include "attest.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "notebook.h"
#include "thread.h"
#include "whole.h"

#define VKEY_TEXT (ORIGIN_BYTES_MAX + 64)
#define PEERS_TEXT 32768
#define UNANSWERED 3                    /* questions, before silence is silence: a connection may be new */
#define RUMORS 16

/* What the broker was asked for, and has not answered yet. */
enum asked { ASKED_NOTHING, ASKED_NEWEST, ASKED_PROOF };

/* What came of what was heard. */
struct outcome {
	enum err err;
	enum witness_kind kind;
	uint64_t seen, wants;           /* vouched for; from there the broker is to prove it to us, for others' sake */
	int64_t heard_ms;               /* a majority */
	size_t peers;
	bool contradicted, told;        /* stays as it was when it came to that; by another witness, that is */
};

struct rumor {
	uint64_t time_s;
	size_t n;
	uint8_t note[GOSSIP_BYTES_MAX];
};

/* What its files say, in one block that is replaced as a whole. */
struct keys {
	struct cosigner log;            /* its name is in vkey */
	struct witnesses peers;         /* theirs in list; none: no gossip */
	struct gossip gossip;
	char vkey[VKEY_TEXT], list[PEERS_TEXT];
};

struct attest {
	int64_t every_ms;
	void (*wake)(void *ctx);
	void *ctx;
	char req[TOPIC_BYTES_MAX + 1], cosignature[TOPIC_BYTES_MAX + 1], gossip_topic[TOPIC_BYTES_MAX + 1];
	struct notebook *book;          /* the thread's, once it runs, and so are keys and what was found */
	struct keys *keys;
	size_t found_n;
	uint8_t found[GOSSIP_BYTES_MAX];        /* the evidence, for shown */
	char folder[256], vkey_path[256], peers_path[256];
	bool gossips;

	/* The loop's. */
	int64_t due_ms, grown_ms, began_ms, heard_ms;
	size_t peers;
	bool began;                     /* the first question was asked, at began_ms */
	unsigned unanswered, unheard;
	bool judging;                   /* an answer is at the thread */
	enum asked asked;
	uint64_t size;                  /* seen and vouched for */
	uint64_t wants, asked_from;     /* asked_from: once a round */
	uint64_t late;                  /* the answer from there was not there when the next question was due; 0: none */
	bool stopped;
	enum witness_kind said;         /* of the last answer: once a minute it is not news */

	/* Between them. */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool stop, work, done, news;    /* done: of `work`; news: of a rumor */
	enum asked of;
	uint64_t time_s;
	int64_t now_ms;
	size_t body_n, line_n, word_n;
	uint8_t body[WITNESS_BODY_MAX], line[COSIGNATURE_LINE_MAX], word[GOSSIP_NOTE_MAX];
	unsigned rumor_first, rumor_n;
	struct rumor rumor[RUMORS];
	struct keys *fresh;             /* read again, to be taken */
	size_t shown_n;
	uint8_t shown[GOSSIP_BYTES_MAX];        /* the evidence, as others are to hear it */
	struct outcome outcome;
};

/* ---- the thread ---- */

/* What others said before goes for what was vouched for now. */
static void vouched(struct attest *v, int64_t now_ms, struct outcome *o)
{
	struct put word = put(v->word, sizeof(v->word));

	if (notebook_tell(v->book, span(v->line, v->line_n), &word) == OK)
		v->word_n = word.n;
	o->err = notebook_compare(v->book, &v->keys->gossip, now_ms, &o->kind);
}

static void judge(struct attest *v, int64_t now_ms, struct outcome *o)
{
	struct put line = put(v->line, sizeof(v->line));

	v->line_n = v->word_n = 0;
	if (v->of == ASKED_PROOF) {
		o->err = notebook_prove(v->book, &v->keys->gossip, span(v->body, v->body_n), now_ms, &o->kind);
		return;
	}
	o->err = notebook_add(v->book, span(v->body, v->body_n), true, v->time_s, &line, &o->kind);
	if (o->err != OK)
		return;
	v->line_n = line.n;
	if (line.n && v->gossips)
		vouched(v, now_ms, o);
}

static struct rumor take_rumor(struct attest *v)
{
	struct rumor r = v->rumor[v->rumor_first];

	v->rumor_first = (v->rumor_first + 1) % RUMORS;
	v->rumor_n--;
	return r;
}

/* It has just come to that. */
static bool is_new(const struct attest *v, const struct outcome *o) { return o->contradicted && !v->outcome.contradicted; }

/* Without the lock: it reads. */
static void look(struct attest *v, struct outcome *o)
{
	struct put found = put(v->found, sizeof(v->found));

	o->seen = notebook_size(v->book);
	o->contradicted = notebook_stopped(v->book);
	o->told = notebook_told(v->book);
	o->wants = notebook_wants(v->book, &v->keys->gossip);
	o->heard_ms = gossip_heard_ms(&v->keys->gossip);
	o->peers = v->keys->gossip.n;
	if (is_new(v, o))
		v->found_n = v->gossips && notebook_show(v->book, &found) == OK ? found.n : 0;
}

static void publish(struct attest *v, struct outcome *o)
{
	if (is_new(v, o)) {
		v->shown_n = v->found_n;
		memcpy(v->shown, v->found, v->found_n);
	}
	if (v->outcome.contradicted && o->contradicted) {
		o->kind = v->outcome.kind;
		o->err = v->outcome.err;
	}
	v->outcome = *o;
}

/* What others said of the same record still counts. */
static enum err take_keys(struct attest *v, struct keys *fresh)
{
	bool same = span_eq(fresh->log.name, v->keys->log.name) && memcmp(fresh->log.pub, v->keys->log.pub, SIGN_KEY_BYTES) == 0;
	enum err e = notebook_reread(v->book, &fresh->log);

	if (e != OK) {
		free(fresh);
		return e;
	}
	notebook_gossip(v->book, &fresh->peers, &fresh->gossip);
	if (same)
		gossip_carry(&fresh->gossip, &v->keys->gossip);
	free(v->keys);
	v->keys = fresh;
	return OK;
}

static void reread(struct attest *v)
{
	struct outcome o = { .kind = WITNESS_ACCEPTED };
	struct keys *fresh = v->fresh;

	v->fresh = NULL;
	pthread_mutex_unlock(&v->lock);
	o.err = take_keys(v, fresh);
	look(v, &o);
	pthread_mutex_lock(&v->lock);
	publish(v, &o);
	v->news = true;
	v->wake(v->ctx);
}

/* One thing that was heard. While there is work, the boxes are its own. */
static void watch_once(struct attest *v)
{
	const bool work = v->work;
	const int64_t now_ms = v->now_ms;
	struct outcome o = { .kind = WITNESS_ACCEPTED };
	struct rumor r = { 0 };

	if (!work)
		r = take_rumor(v);
	pthread_mutex_unlock(&v->lock);
	if (work)
		judge(v, now_ms, &o);
	else
		o.err = notebook_hear(v->book, &v->keys->gossip, span(r.note, r.n), r.time_s, now_ms, &o.kind);
	look(v, &o);
	pthread_mutex_lock(&v->lock);
	publish(v, &o);
	v->work = v->work && !work;
	v->done = v->done || work;
	v->news = v->news || !work;
	v->wake(v->ctx);
}

static void *watch(void *arg)
{
	struct attest *v = arg;

	pthread_mutex_lock(&v->lock);
	while (!v->stop)
		if (v->fresh)
			reread(v);
		else if (v->work || v->rumor_n)
			watch_once(v);
		else
			pthread_cond_wait(&v->cond, &v->lock);
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

static enum err read_keys(const char *vkey, const char *peers, struct keys *out, const char **what, unsigned *line)
{
	size_t n = 0;

	*line = 0;
	*what = vkey;
	TRY(read_vkey(vkey, out->vkey, &out->log));
	if (!peers || !peers[0])
		return OK;
	*what = peers;
	TRY(whole_read(peers, out->list, sizeof(out->list), &n));
	return witnesses_read(span(out->list, n), &out->peers, line);
}

enum err attest_check(const struct attest_spec *spec, const char **what, unsigned *line)
{
	CLEANUP(free_cleanup) struct keys *keys = calloc(1, sizeof(*keys));

	*line = 0;
	*what = spec->vkey;
	return keys ? read_keys(spec->vkey, spec->peers, keys, what, line) : ERR_FULL;
}

static enum err open_book(struct attest *v, const struct attest_spec *spec, const char **what)
{
	char name[2 * WORD_BYTES_MAX + 16];
	struct notebook_spec book = { .folder = spec->folder };
	unsigned line;

	v->gossips = spec->peers && spec->peers[0];
	v->keys = calloc(1, sizeof(*v->keys));
	if (!v->keys)
		return ERR_FULL;
	if (!span_text(span_str(spec->folder), v->folder, sizeof(v->folder)) ||
	    !span_text(span_str(spec->vkey), v->vkey_path, sizeof(v->vkey_path)) ||
	    !span_text(span_str(v->gossips ? spec->peers : ""), v->peers_path, sizeof(v->peers_path)))
		return ERR_TOO_LARGE;
	TRY(read_keys(spec->vkey, spec->peers, v->keys, what, &line));
	*what = spec->folder;
	snprintf(name, sizeof(name), "%s/device/%s", spec->tenant, spec->device);
	book.name = span_str(name);
	book.log = v->keys->log;
	TRY(notebook_open(&book, &v->book));
	notebook_gossip(v->book, &v->keys->peers, &v->keys->gossip);
	return OK;
}

static void say_witness(const struct attest *v)
{
	log_say(EV_WITNESS, KV_SPAN("record", v->keys->log.name), KV_NUM("entries", notebook_size(v->book)),
		KV_STR("vkey", notebook_vkey(v->book)));
}

static void say_contradicted(const struct attest *v, bool told, const char *why)
{
	log_say(EV_RECORD_CONTRADICTED, KV_STR("why", why), KV_STR("seen_by", told ? "another witness" : "this gateway"),
		KV_STR("evidence", v->folder),
		KV_STR("right", "keep evidence.* elsewhere, and tell whoever answers for the record"));
}

enum err attest_open(const struct attest_spec *spec, struct attest **out, const char **what)
{
	CLEANUP(attest_close) struct attest *v = calloc(1, sizeof(*v));
	struct outcome first = { .kind = WITNESS_ACCEPTED };

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
	TRY(TOPIC_BUILD(v->gossip_topic, TOPIC_GOSSIP, spec->tenant, "main", spec->device));
	TRY(open_book(v, spec, what));
	say_witness(v);
	look(v, &first);
	publish(v, &first);
	v->size = v->outcome.seen;
	v->peers = v->outcome.peers;
	v->stopped = v->outcome.contradicted;
	if (v->stopped)
		say_contradicted(v, v->outcome.told, "there is evidence from before");
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
	free(v->keys);
	free(v->fresh);
	pthread_mutex_destroy(&v->lock);
	pthread_cond_destroy(&v->cond);
	free(v);
	*out = NULL;
}

/* ---- the loop's calls ---- */

enum err attest_reread(struct attest *v, const char **what, unsigned *line)
{
	CLEANUP(free_cleanup) struct keys *fresh = calloc(1, sizeof(*fresh));
	struct keys *old;

	*line = 0;
	*what = v->vkey_path;
	if (!fresh)
		return ERR_FULL;
	TRY(read_keys(v->vkey_path, v->peers_path, fresh, what, line));
	pthread_mutex_lock(&v->lock);
	old = v->fresh;                 /* nobody took it: it is out of date */
	v->fresh = fresh;
	fresh = old;
	pthread_cond_signal(&v->cond);
	pthread_mutex_unlock(&v->lock);
	return OK;
}

/* An answer to the question before, which ends at less than was seen by now, perhaps, must not be taken for one to this. */
static bool is_late(const struct attest *v, struct span body)
{
	struct witness_request r;

	return v->late && v->asked == ASKED_NEWEST && witness_read(body, &r) == OK && r.old == v->late;
}

void attest_hear(struct attest *v, struct span body, int64_t now_ms, int64_t real_us)
{
	if (!v || v->stopped || !v->asked || body.n > sizeof(v->body) || is_late(v, body))
		return;
	pthread_mutex_lock(&v->lock);
	if (!v->work && !v->done) {
		memcpy(v->body, body.p, body.n);
		v->body_n = body.n;
		v->of = v->asked;
		v->time_s = (uint64_t)(real_us / 1000000);
		v->now_ms = now_ms;
		v->work = true;
		v->asked = ASKED_NOTHING;
		v->judging = true;
		pthread_cond_signal(&v->cond);
	}
	pthread_mutex_unlock(&v->lock);
}

void attest_gossip(struct attest *v, struct span note, int64_t now_ms, int64_t real_us)
{
	struct rumor *r;

	if (!v || v->stopped || !v->gossips || note.n > sizeof(r->note))
		return;
	pthread_mutex_lock(&v->lock);
	if (v->rumor_n < RUMORS) {
		r = &v->rumor[(v->rumor_first + v->rumor_n++) % RUMORS];
		r->time_s = (uint64_t)(real_us / 1000000);
		r->n = note.n;
		memcpy(r->note, note.p, note.n);
		v->now_ms = now_ms;
		pthread_cond_signal(&v->cond);
	}
	pthread_mutex_unlock(&v->lock);
}

/* False: nothing came of anything since. *done: of an answer of the broker's. */
static bool take_outcome(struct attest *v, struct outcome *out, bool *done)
{
	bool some;

	pthread_mutex_lock(&v->lock);
	some = v->done || v->news;
	*done = v->done;
	*out = v->outcome;
	v->done = v->news = false;
	pthread_mutex_unlock(&v->lock);
	return some;
}

static void say_outcome(struct attest *v, const struct outcome *o, bool done)
{
	if (o->err != OK)
		log_say(EV_WITNESS_FAILED, KV_STR("folder", v->folder), KV_STR("why", err_text(o->err)));
	else if (done && v->of == ASKED_NEWEST && o->kind != v->said && !o->contradicted) {
		if (o->kind != WITNESS_ACCEPTED)
			log_say(EV_CHECKPOINT_REFUSED, KV_STR("kind", witness_word(o->kind)), KV_STR("why", witness_text(o->kind)));
		v->said = o->kind;
	}
	if (o->contradicted && !v->stopped)
		say_contradicted(v, o->told, witness_text(o->kind));
	else if (v->stopped && !o->contradicted)
		log_say(EV_WITNESS, KV_NUM("entries", o->seen), KV_STR("why", "the evidence was put elsewhere"));
}

/* It shows its evidence at once, or begins anew. */
static void turn_over(struct attest *v, int64_t now_ms)
{
	v->due_ms = now_ms;
	v->began = false;
	v->unanswered = v->unheard = 0;
}

/* Was a cosignature made of an answer of the broker's? */
static bool follow(struct attest *v, int64_t now_ms)
{
	struct outcome o;
	bool done;

	if (!take_outcome(v, &o, &done))
		return false;
	say_outcome(v, &o, done);
	v->judging = v->judging && !done;
	if (o.contradicted != v->stopped)
		turn_over(v, now_ms);
	v->stopped = o.contradicted;
	v->wants = o.wants;
	v->heard_ms = o.heard_ms;
	v->peers = o.peers;
	if (o.seen != v->size) {        /* less: of another record */
		v->size = o.seen;
		v->grown_ms = now_ms;
		v->unanswered = 0;
	}
	return done && v->line_n && !v->stopped;
}

/* A connection that was away has heard nobody either: what counts is whom it should have heard meanwhile. */
static bool is_unheard(const struct attest *v, int64_t now_ms)
{
	int64_t since = v->heard_ms > v->began_ms ? v->heard_ms : v->began_ms;

	return v->peers && now_ms - since > ATTEST_SILENT_MS;
}

static void count_unheard(struct attest *v, int64_t now_ms)
{
	v->unheard = is_unheard(v, now_ms) ? v->unheard + 1 : 0;
	if (v->unheard == UNANSWERED + 1)
		log_say(EV_WITNESSES_UNHEARD, KV_NUM("of", v->peers), KV_NUM("needed", (v->peers + 1) / 2),
			KV_STR("right", "see which of them cosign: pullcord audit show checkpoint; if they do, the broker is to be suspected"));
}

static bool is_due(struct attest *v, int64_t now_ms)
{
	if (v->stopped || now_ms < v->due_ms)
		return false;
	if (!v->began)
		v->grown_ms = v->began_ms = now_ms;
	v->began = true;
	v->due_ms = now_ms + v->every_ms;
	v->late = v->asked == ASKED_PROOF ? v->asked_from : 0;
	v->asked = ASKED_NEWEST;
	v->asked_from = 0;
	v->unanswered++;
	count_unheard(v, now_ms);
	return true;
}

/* What another has seen, and we have more: the broker is to show that it is the beginning of ours. Of one size once a round. */
static bool is_to_prove(struct attest *v)
{
	if (v->stopped || v->asked || v->judging || !v->wants || v->wants == v->asked_from)
		return false;
	v->asked_from = v->wants;
	v->asked = ASKED_PROOF;
	return true;
}

/* What does not get through is asked for once more, when it is time. */
static void give(const char *topic, struct span payload, const struct uplink_kind *kind, struct uplink *to, struct id id)
{
	(void)!kind->send(to, &(struct uplink_message){ .topic = topic, .payload = payload, .id = id });
}

/* The two notes, for whoever was away. */
static void show_again(struct attest *v, const struct uplink_kind *kind, struct uplink *to, struct id id, int64_t now_ms)
{
	uint8_t shown[GOSSIP_BYTES_MAX];
	size_t n;

	if (now_ms < v->due_ms)
		return;
	v->due_ms = now_ms + v->every_ms;
	pthread_mutex_lock(&v->lock);
	n = v->shown_n;
	memcpy(shown, v->shown, n);
	pthread_mutex_unlock(&v->lock);
	if (n)
		give(v->gossip_topic, span(shown, n), kind, to, id);
}

void attest_run(struct attest *v, const struct uplink_kind *kind, struct uplink *to, struct id_maker *ids, int64_t now_ms,
	       int64_t real_us)
{
	bool due;
	char size[24];

	if (!v)
		return;
	if (follow(v, now_ms)) {
		give(v->cosignature, span(v->line, v->line_n), kind, to, id_next(ids, real_us / 1000));
		if (v->word_n)
			give(v->gossip_topic, span(v->word, v->word_n), kind, to, id_next(ids, real_us / 1000));
	}
	if (v->stopped)
		show_again(v, kind, to, id_next(ids, real_us / 1000), now_ms);
	due = is_due(v, now_ms);
	if (!due && !is_to_prove(v))
		return;
	snprintf(size, sizeof(size), "%llu\n", (unsigned long long)(due ? v->size : v->wants));
	give(v->req, span_str(size), kind, to, id_next(ids, real_us / 1000));
}

enum attest_state attest_state(const struct attest *v, int64_t now_ms)
{
	if (!v)
		return ATTEST_SILENT;
	if (v->stopped)
		return ATTEST_CONTRADICTED;
	if (v->unanswered > UNANSWERED && now_ms - v->grown_ms > ATTEST_SILENT_MS)
		return ATTEST_SILENT;
	return v->unheard > UNANSWERED && is_unheard(v, now_ms) ? ATTEST_UNHEARD : ATTEST_GOOD;
}

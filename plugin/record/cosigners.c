#include "cosigners.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "clock.h"
#include "whole.h"

#define INBOX 64
#define OUTBOX 16
#define GIVEN 4                         /* notes that cosignatures may still come for */
#define LIST_BYTES_MAX 32768
#define HOUR_US (3600 * 1000000LL)

/* What a witness said. */
struct word {
	char who[RECORD_WITNESS_MAX + 1];
	uint64_t size;                  /* it asks from there, when line_n is 0 */
	size_t line_n;
	uint8_t line[COSIGNATURE_LINE_MAX];
};

/* A checkpoint as it was given out: the text that is cosigned, and the note. */
struct given {
	uint64_t size;
	bool stays;                     /* its cosigned note is not thinned out */
	size_t note_n;
	uint8_t note[NOTE_BYTES_MAX];
};

/* Who is listed, for others than the writer. */
struct heard {
	char name[ORIGIN_BYTES_MAX + 1];
	uint8_t pub[SIGN_KEY_BYTES];
	int64_t cosigned_us;            /* last, or since when it is listed */
	uint64_t size;                  /* the largest it cosigned */
};

struct cosigners {
	char path[512];

	pthread_mutex_t lock;           /* guards the two boxes and who was heard; held for a copy only */
	struct heard heard[WITNESSES_MAX];
	unsigned heard_n;
	struct word inbox[INBOX];
	struct record_answer outbox[OUTBOX];
	unsigned in_first, in_n, out_first;
	atomic_uint out_n, waiting;     /* written under the lock, looked at without */

	/* The writer. */
	char list_text[LIST_BYTES_MAX];
	struct witnesses list;
	struct given given[GIVEN];
	unsigned at;                    /* the newest given */
	int64_t round_us, stays_hour;

	/* Between them. */
	atomic_bool reread;
	atomic_uint listed, line;
	atomic_int trouble;
	_Atomic uint64_t cosigned_size;
	_Atomic int64_t cosigned_us;
	unsigned quorum;                /* as it was set; 0: the majority */
	_Atomic uint64_t quorum_size;
	_Atomic int64_t quorum_us;      /* when it grew last, or was all that is given out */
};

/* ---- the list ---- */

static const struct heard *heard_of(const struct heard *in, unsigned n, const uint8_t pub[SIGN_KEY_BYTES])
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(in[i].pub, pub, SIGN_KEY_BYTES) == 0)
			return &in[i];
	return NULL;
}

static unsigned quorum_of(const struct cosigners *c, size_t listed)
{
	return c->quorum ? c->quorum : (unsigned)witness_majority(listed);
}

/* Under the lock, by the writer. */
static void weigh(struct cosigners *c, int64_t now_us)
{
	uint64_t size[WITNESSES_MAX], most;

	for (unsigned i = 0; i < c->heard_n; i++)
		size[i] = c->heard[i].size;
	most = witness_quorum_size(size, c->heard_n, quorum_of(c, c->heard_n));
	if (most > atomic_load(&c->quorum_size) || (most && most == c->given[c->at].size))
		atomic_store(&c->quorum_us, now_us);
	atomic_store(&c->quorum_size, most);
}

/* A witness that is listed still goes on being silent. */
static enum err list_heard(struct cosigners *c)
{
	CLEANUP(free_cleanup) struct heard *fresh = calloc(WITNESSES_MAX, sizeof(*fresh));
	int64_t now_us = clock_us(CLOCK_MONOTONIC);

	if (!fresh)
		return ERR_FULL;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->list.n; i++) {
		const struct heard *was = heard_of(c->heard, c->heard_n, c->list.of[i].pub);

		must(span_text(c->list.of[i].name, fresh[i].name, sizeof(fresh[i].name)));
		memcpy(fresh[i].pub, c->list.of[i].pub, sizeof(fresh[i].pub));
		fresh[i].cosigned_us = was ? was->cosigned_us : now_us;
		fresh[i].size = was ? was->size : 0;
	}
	if (!c->heard_n)
		atomic_store(&c->quorum_us, now_us);
	memcpy(c->heard, fresh, sizeof(c->heard));
	c->heard_n = (unsigned)c->list.n;
	weigh(c, now_us);
	pthread_mutex_unlock(&c->lock);
	return OK;
}

/* A bad one changes nothing: the one before stays. */
static void read_list(struct cosigners *c)
{
	CLEANUP(free_cleanup) struct witnesses *fresh = malloc(sizeof(*fresh));
	CLEANUP(free_cleanup) char *text = malloc(LIST_BYTES_MAX);
	unsigned line = 0;
	size_t n = 0;
	enum err e = fresh && text ? whole_read(c->path, text, LIST_BYTES_MAX, &n) : ERR_FULL;

	if (e == ERR_NOT_FOUND)         /* an empty list, like an empty file */
		e = OK;
	if (e == OK)
		e = witnesses_read(span(text, n), fresh, &line);
	if (e == OK) {
		memcpy(c->list_text, text, n);
		must(witnesses_read(span(c->list_text, n), &c->list, &line) == OK);
		atomic_store(&c->listed, (unsigned)c->list.n);
		e = list_heard(c);
	}
	atomic_store(&c->line, line);
	atomic_store(&c->trouble, (int)e);
}

enum err cosigners_open(const char *path, unsigned quorum, struct cosigners **out)
{
	CLEANUP(cosigners_close) struct cosigners *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_FULL;
	pthread_mutex_init(&c->lock, NULL);
	if (!span_text(span_str(path), c->path, sizeof(c->path)))
		return ERR_TOO_LARGE;
	c->quorum = quorum;
	read_list(c);
	atomic_store(&c->cosigned_us, clock_us(CLOCK_MONOTONIC));       /* silence counts from the start */
	*out = c;
	c = NULL;
	return OK;
}

void cosigners_close(struct cosigners **c)
{
	if (*c)
		pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

/* ---- any thread ---- */

/* Where what they say goes: over what they said before and nobody has looked at yet, so that one witness never takes the
 * places of all. NULL: no room. */
static struct word *place_of(struct cosigners *c, struct span who, bool asks)
{
	for (unsigned i = 0; i < c->in_n; i++) {
		struct word *w = &c->inbox[(c->in_first + i) % INBOX];

		if (span_is(who, w->who) && asks == !w->line_n)
			return w;
	}
	return c->in_n < INBOX ? &c->inbox[(c->in_first + c->in_n++) % INBOX] : NULL;
}

static bool put_word(struct cosigners *c, struct span who, uint64_t size, struct span line)
{
	struct word *w;

	if (who.n > RECORD_WITNESS_MAX || line.n > COSIGNATURE_LINE_MAX)
		return false;
	pthread_mutex_lock(&c->lock);
	w = place_of(c, who, !line.n);
	if (w) {
		must(span_text(who, w->who, sizeof(w->who)));
		w->size = size;
		w->line_n = line.n;
		if (line.n)
			memcpy(w->line, line.p, line.n);
		atomic_store(&c->waiting, c->in_n);
	}
	pthread_mutex_unlock(&c->lock);
	return w;
}

bool cosigners_ask(struct cosigners *c, struct span who, uint64_t size) { return put_word(c, who, size, span(NULL, 0)); }
bool cosigners_say(struct cosigners *c, struct span who, struct span line) { return line.n && put_word(c, who, 0, line); }

bool cosigners_answer(struct cosigners *c, struct record_answer *out)
{
	bool some;

	if (!atomic_load(&c->out_n))
		return false;
	pthread_mutex_lock(&c->lock);
	some = atomic_load(&c->out_n) > 0;
	if (some) {
		*out = c->outbox[c->out_first];
		c->out_first = (c->out_first + 1) % OUTBOX;
		atomic_fetch_sub(&c->out_n, 1);
	}
	pthread_mutex_unlock(&c->lock);
	return some;
}

void cosigners_reread(struct cosigners *c) { atomic_store(&c->reread, true); }

struct record_witnesses cosigners_state(const struct cosigners *c)
{
	int64_t now_us = clock_us(CLOCK_MONOTONIC);
	unsigned listed = atomic_load(&c->listed);

	return (struct record_witnesses){
		.listed = listed, .silent_us = now_us - atomic_load(&c->cosigned_us),
		.quorum = quorum_of(c, listed), .quorum_size = atomic_load(&c->quorum_size),
		.quorum_silent_us = now_us - atomic_load(&c->quorum_us),
		.size = atomic_load(&c->cosigned_size), .trouble = (enum err)atomic_load(&c->trouble),
		.line = atomic_load(&c->line),
	};
}

bool cosigners_one(struct cosigners *c, unsigned i, struct record_witness *out)
{
	bool some;

	pthread_mutex_lock(&c->lock);
	some = i < c->heard_n;
	if (some) {
		memcpy(out->name, c->heard[i].name, sizeof(out->name));
		out->silent_us = clock_us(CLOCK_MONOTONIC) - c->heard[i].cosigned_us;
	}
	pthread_mutex_unlock(&c->lock);
	return some;
}

/* ---- the writer: giving checkpoints out ---- */

bool cosigners_waiting(const struct cosigners *c)
{
	return atomic_load(&c->reread) || (atomic_load(&c->waiting) && atomic_load(&c->out_n) < OUTBOX);
}

static bool take_word(struct cosigners *c, struct word *out)
{
	bool some;

	pthread_mutex_lock(&c->lock);
	some = c->in_n > 0 && atomic_load(&c->out_n) < OUTBOX;
	if (some) {
		*out = c->inbox[c->in_first];
		c->in_first = (c->in_first + 1) % INBOX;
		atomic_store(&c->waiting, --c->in_n);
	}
	pthread_mutex_unlock(&c->lock);
	return some;
}

static enum err read_newest(struct txn *view, struct given *g, int64_t *hour)
{
	struct checkpoint_row row;

	TRY(view_newest_checkpoint(view, &row));
	if (row.note.n > NOTE_BYTES_MAX)
		return ERR_CORRUPT;
	*g = (struct given){ .size = row.size, .note_n = row.note.n };
	memcpy(g->note, row.note.p, row.note.n);
	*hour = row.at_us / HOUR_US;
	return OK;
}

/* After a minute the newest there is becomes what is given out. */
static void begin_round(struct cosigners *c, const struct given *newest, int64_t hour, int64_t now_us)
{
	c->round_us = now_us;
	if (newest->size == c->given[c->at].size)
		return;
	c->at = (c->at + 1) % GIVEN;
	c->given[c->at] = *newest;
	c->given[c->at].stays = hour != c->stays_hour;
	c->stays_hour = hour;
}

static enum err make_answer(const struct given *g, struct txn *view, const struct word *w, struct put *out)
{
	const struct tree_source source = view_source(view);
	struct witness_request r = { .old = w->size < g->size ? w->size : g->size, .note = span(g->note, g->note_n) };
	struct hash proof[TREE_PROOF_MAX];

	if (r.old && r.old < g->size) {
		TRY(tree_prove_consistency(&source, r.old, g->size, proof, &r.hashes));
		must(r.hashes <= WITNESS_HASHES_MAX);
		memcpy(r.hash, proof, r.hashes * sizeof(*proof));
	}
	return witness_write(&r, out);
}

static void put_answer(struct cosigners *c, const struct record_answer *a)
{
	pthread_mutex_lock(&c->lock);
	must(atomic_load(&c->out_n) < OUTBOX);
	c->outbox[(c->out_first + atomic_load(&c->out_n)) % OUTBOX] = *a;
	atomic_fetch_add(&c->out_n, 1);
	pthread_mutex_unlock(&c->lock);
}

static enum err answer(struct cosigners *c, struct trail *t, const struct word *w, int64_t now_us)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct record_answer a;
	struct put body = put(a.body, sizeof(a.body));
	struct given newest;
	int64_t hour;
	enum err e;

	TRY(trail_view(t, &view));
	e = read_newest(view, &newest, &hour);
	if (e == ERR_NOT_FOUND)
		return OK;              /* nothing is signed yet */
	TRY(e);
	if (!c->given[c->at].size || now_us - c->round_us >= COSIGNERS_ROUND_US)
		begin_round(c, &newest, hour, now_us);
	/* Who has seen more than the others are given gets the newest alone: from less it would seem that the record was set
	 * back, and if there is none so large, it was. The others' round goes on, whatever anybody says to have seen. */
	TRY(make_answer(w->size > c->given[c->at].size ? &newest : &c->given[c->at], view, w, &body));
	strcpy(a.who, w->who);
	a.n = body.n;
	put_answer(c, &a);
	return OK;
}

/* ---- the writer: taking cosignatures ---- */

/* The note with that line alone under it. */
static bool is_cosigned(const struct given *g, struct span line, const struct cosigner *by)
{
	const uint8_t *end = memmem(g->note, g->note_n, "\n\n", 2);
	uint8_t text[NOTE_BYTES_MAX + COSIGNATURE_LINE_MAX];
	struct put note = put(text, sizeof(text));
	uint64_t when;

	if (!end)
		return false;
	put_bytes(&note, span(g->note, (size_t)(end - g->note) + 2));
	put_bytes(&note, line);
	return !note.bad && note_cosigned(put_span(&note), by, &when) == OK;
}

/* Under the note as it is kept, unless it has one of theirs already or is full: then the earlier ones do. */
static enum err append(struct trail *t, const struct given *g, struct span line, const struct cosigner *by)
{
	uint8_t text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));
	struct txn *view = NULL;
	struct checkpoint_row row = { 0 };
	uint64_t when;
	enum err e;

	TRY(trail_view(t, &view));
	e = view_checkpoint(view, g->size - 1, &row);
	if (e == OK && row.size == g->size) {
		put_bytes(&note, row.note);
		put_bytes(&note, line);
	}
	txn_abort(&view);
	if (e == ERR_NOT_FOUND || (e == OK && row.size != g->size))
		return OK;              /* thinned out by now */
	TRY(e);
	if (note.bad || note_cosigned(span(text, note.n - line.n), by, &when) == OK)
		return OK;
	return trail_cosign(t, g->size, put_span(&note), g->stays);
}

static void note_heard(struct cosigners *c, size_t i, uint64_t size, int64_t now_us)
{
	pthread_mutex_lock(&c->lock);
	if (i < c->heard_n) {
		c->heard[i].cosigned_us = now_us;
		c->heard[i].size = size > c->heard[i].size ? size : c->heard[i].size;
		weigh(c, now_us);
	}
	pthread_mutex_unlock(&c->lock);
	atomic_store(&c->cosigned_us, now_us);
}

static enum err take_line(struct cosigners *c, struct trail *t, const struct word *w, int64_t now_us)
{
	struct span line = span(w->line, w->line_n);

	if (memchr(line.p, '\n', line.n) != line.p + line.n - 1)
		return OK;              /* it would bring more than its own line under the note */
	for (size_t i = 0; i < c->list.n; i++)
		for (unsigned back = 0; back < GIVEN; back++) {
			const struct given *g = &c->given[(c->at + GIVEN - back) % GIVEN];

			if (!g->size || !is_cosigned(g, line, &c->list.of[i]))
				continue;
			TRY(append(t, g, line, &c->list.of[i]));
			note_heard(c, i, g->size, now_us);
			if (g->size > atomic_load(&c->cosigned_size))
				atomic_store(&c->cosigned_size, g->size);
			return OK;
		}
	return OK;                      /* nobody who counts, or of a checkpoint of long ago */
}

enum err cosigners_serve(struct cosigners *c, struct trail *t, int64_t now_us)
{
	struct word w;

	if (atomic_exchange(&c->reread, false))
		read_list(c);
	for (unsigned n = atomic_load(&c->waiting); n && take_word(c, &w); n--)
		TRY(w.line_n ? take_line(c, t, &w, now_us) : answer(c, t, &w, now_us));
	return OK;
}

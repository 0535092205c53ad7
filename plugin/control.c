#include "control.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "crypt.h"
#include "edition.h"
#include "emergency_row.h"
#include "policy_file.h"
#include "seen.h"
#include "thread.h"
#include "whole.h"

enum work { WORK_REQUEST, WORK_RELOAD, WORK_SHADOW, WORK_FIRST, WORK_FRESHNESS, WORK_WRITE, WORK_RECORDED, WORK_OVER };

/* `result` is made with it, so that what was done can always be told. */
struct job {
	struct job *next;
	enum work work;
	struct control_result *result;
	uint8_t *payload;
	size_t n;
};

/* Which policy is on trial, beside which. All zero: none. */
struct trial {
	uint8_t hash[32], beside[16];
	uint64_t at_us;
};

struct control {
	struct directory *directory;
	char dir[WHOLE_DIR_MAX];
	const char *officers;
	const struct policy *policy;    /* the newest; the thread's, and the broker's to close */
	struct trial trial;
	const struct shadow *shadow;    /* the same of this one */
	struct record *record;          /* NULL: not open yet; set before the first request */
	struct history *history;        /* the same */
	struct acts acts;               /* the thread's: that wait for a second person */
	_Atomic int trouble, written;
	atomic_bool any_done;       /* there is something in `done`: a look without the lock */
	pthread_mutex_t lock;       /* guards what follows */
	pthread_cond_t more;
	struct job *head, **tail;
	struct control_result *done, **done_tail;
	size_t waiting;             /* requests */
	bool busy, stop;
	enum { SAID_NOTHING, SAID_GO, SAID_NO } said;   /* to the request that asks */
	pthread_t thread;
	bool running;               /* the caller's */
};

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static enum err open_shadow(struct control *c, const struct edition *e, struct shadow **out, struct policy_error *where)
{
	CLEANUP(policy_close) struct policy *p = NULL;

	TRY(edition_policy(e, &p, where));
	if (!span_eq(policy_tenant(p), policy_tenant(c->policy))) {
		snprintf(where->text, sizeof(where->text), "the first tenant must stay %.*s", SPAN_FMT(policy_tenant(c->policy)));
		return ERR_RANGE;
	}
	TRY(shadow_open(p, out));
	p = NULL;               /* given away */
	return OK;
}

/* Counts are for one pair of policies. Cannot it be read, there is none: it decides nothing. */
static void look_at_shadow(struct control *c, struct control_result *r)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	struct policy_error where = { 0 };
	struct trial t = { .at_us = 0 };
	enum err err = directory_shadow(c->directory, &e);

	if (err == OK) {
		memcpy(t.hash, e.hash, sizeof(t.hash));
		memcpy(t.beside, policy_version(c->policy), sizeof(t.beside));
		t.at_us = e.at_us;
	} else if (err != ERR_NOT_FOUND) {
		t.at_us = UINT64_MAX;           /* one that cannot be read is not the same as none */
	}
	if (memcmp(&t, &c->trial, sizeof(t)) == 0)
		return;
	c->trial = t;
	shadow_close(&r->shadow);
	if (err == OK)
		err = open_shadow(c, &e, &r->shadow, &where);
	if (err != OK && err != ERR_NOT_FOUND)
		snprintf(r->shadow_refused, sizeof(r->shadow_refused), "%s", where.text[0] ? where.text : err_text(err));
	c->shadow = r->shadow;
	r->shadow_changed = true;
}

/* Takes it. */
static void make_newest(struct control *c, struct policy *fresh, struct control_result *r)
{
	if (fresh && memcmp(policy_version(fresh), policy_version(c->policy), 16) == 0) {
		policy_close(&fresh);
	} else if (fresh) {
		r->fresh = fresh;
		c->policy = fresh;
		look_at_shadow(c, r);
	}
}

static void keep(struct control *c, const struct policy *p)
{
	atomic_store(&c->trouble, (int)edition_keep(c->directory, p, clock_us(CLOCK_REALTIME)));
}

/* Under the lock. */
static void hand_over(struct control *c, struct control_result *r)
{
	*c->done_tail = r;
	c->done_tail = &r->next;
	atomic_store(&c->any_done, true);
}

struct asking {
	struct control *control;
	struct control_result *result;
};

/* Time passes: who asks, and until when they hold what they do, is looked up after it. */
static bool on_record_first(struct admin *a, struct admin_note *about)
{
	const struct asking *x = a->first_ctx;
	struct control_result *asks = calloc(1, sizeof(*asks));
	struct control *c = x->control;

	if (!asks) {
		admin_notes_free(&about);
		return false;
	}
	*asks = (struct control_result){ .author = x->result->author, .note = about, .asks = true };
	pthread_mutex_lock(&c->lock);
	c->said = SAID_NOTHING;
	hand_over(c, asks);
	while (c->said == SAID_NOTHING && !c->stop)
		pthread_cond_wait(&c->more, &c->lock);
	x->result->undone = c->said != SAID_GO;
	pthread_mutex_unlock(&c->lock);
	a->now_us = clock_us(CLOCK_REALTIME);
	return !x->result->undone;
}

static void request(struct control *c, const struct job *j)
{
	struct control_result *r = j->result;
	struct asking asking = { c, r };
	struct admin a = { .directory = c->directory, .dir = c->dir, .officers = c->officers, .policy = c->policy, .shadow = c->shadow,
			   .record = c->record, .history = c->history, .acts = &c->acts,
			   .party = r->author.party, .id = r->author.id, .address = r->author.address, .now_us = clock_us(CLOCK_REALTIME),
			   .first = on_record_first, .first_ctx = &asking };

	r->response = admin_run(&a, span(j->payload, j->n));
	r->note = a.note;
	r->unsigned_policy = a.unsigned_policy;
	if (a.fresh)
		memcpy(r->signed_by, a.signed_by, sizeof(r->signed_by));
	make_newest(c, a.fresh, r);
	if (a.shadow_changed)
		look_at_shadow(c, r);
}

static void reload(struct control *c, const struct job *j)
{
	struct policy_error where = { 0 };
	struct policy *fresh = NULL;
	struct span tenant = policy_tenant(c->policy);
	char path[WHOLE_PATH_MAX], why[400];
	uint64_t before, unread;
	enum err e;

	snprintf(path, sizeof(path), "%s/%s", c->dir, POLICY_FILE);
	if (policy_file_load(path, &fresh, &where) != OK) {
		policy_error_write(&where, j->result->refused, sizeof(j->result->refused));
	} else if (!span_eq(policy_tenant(fresh), tenant)) {
		snprintf(j->result->refused, sizeof(j->result->refused), "%.400s: the first tenant must stay %.*s", path, SPAN_FMT(tenant));
		policy_close(&fresh);
	} else if ((e = edition_steps_back_to(c->directory, fresh, &before, &unread)) != OK || unread) {
		edition_say_untold(e != OK ? e : ERR_CORRUPT, c->dir, j->result->refused, sizeof(j->result->refused));
		policy_close(&fresh);
	} else if (before) {
		edition_say_back(before, c->dir, j->result->refused, sizeof(j->result->refused));
		j->result->old_policy = true;
		policy_close(&fresh);
	} else if (assent_check_file(c->officers, c->directory, fresh, path, j->result->signed_by, why, sizeof(why)) != OK) {
		snprintf(j->result->refused, sizeof(j->result->refused), "%.200s: %s", path, why);
		j->result->unsigned_policy = true;
		policy_close(&fresh);
	} else {
		keep(c, fresh);
		make_newest(c, fresh, j->result);
	}
}

static void shadow(struct control *c, const struct job *j)
{
	look_at_shadow(c, j->result);
}

static void first(struct control *c, const struct job *j)
{
	keep(c, c->policy);
	look_at_shadow(c, j->result);
}

static void freshness(struct control *c, const struct job *j)
{
	(void)c;
	j->result->freshness = freshness_read((const struct freshness_order *)(const void *)j->payload);
}

#define MODE 0644                   /* others are to read it; the folder says who */

/* Payload: path, NUL, text. */
static void write_whole(struct control *c, const struct job *j)
{
	const char *path = (const char *)j->payload;
	size_t n = strlen(path) + 1;

	atomic_store(&c->written, (int)whole_write(path, span(j->payload + n, j->n - n), MODE));
}

/* When it cannot be written, they go on record once more at the next start. */
static void recorded(struct control *c, const struct job *j)
{
	uint64_t line;

	memcpy(&line, j->payload, sizeof(line));
	if (directory_mark_recorded(c->directory, line) == OK)
		(void)!seen_write(c->dir, c->directory, line);
}

struct over {
	int64_t at_us;
	char id[WORD_BYTES_MAX + 1];
};

/* The same: its end is told once more. */
static void emergency_over(struct control *c, const struct job *j)
{
	struct over o;

	memcpy(&o, j->payload, sizeof(o));
	(void)!directory_emergency_over(c->directory, span_str(o.id), o.at_us);
}

static void (*const works[])(struct control *c, const struct job *j) = {
	[WORK_REQUEST] = request, [WORK_RELOAD] = reload, [WORK_SHADOW] = shadow, [WORK_FIRST] = first,
	[WORK_FRESHNESS] = freshness, [WORK_WRITE] = write_whole, [WORK_RECORDED] = recorded,
	[WORK_OVER] = emergency_over,
};

/* The payload may hold passwords. */
static void job_free(struct job **j)
{
	if (*j) {
		if ((*j)->payload)
			crypt_wipe((*j)->payload, (*j)->n);
		free((*j)->payload);
		control_result_free(&(*j)->result);
	}
	free_cleanup(j);
}

static void finish(struct control *c, struct job *j)
{
	hand_over(c, j->result);
	j->result = NULL;
	c->waiting -= j->work == WORK_REQUEST;
	c->busy = false;
}

static void *work(void *arg)
{
	struct control *c = arg;
	struct job *j;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->head && !c->stop)
			pthread_cond_wait(&c->more, &c->lock);
		j = c->head;
		if (!j)
			break;
		c->head = j->next;
		if (!c->head)
			c->tail = &c->head;
		c->busy = true;
		pthread_mutex_unlock(&c->lock);
		works[j->work](c, j);
		pthread_mutex_lock(&c->lock);
		finish(c, j);
		job_free(&j);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- the queue ---------------------------------------------------------------------------------------------------- */

static bool has_share(const struct control *c, const struct control_author *who)
{
	unsigned n = 0;

	for (const struct job *j = c->head; j && who; j = j->next)
		n += j->work == WORK_REQUEST && j->result->author.party == who->party && strcmp(j->result->author.id, who->id) == 0;
	return n < CONTROL_SHARE_MAX;
}

/* Under the lock. What waits to read something will read what lies there then; but which files, it was told. */
static bool has_place(const struct control *c, enum work work, const struct control_author *who, enum err *e)
{
	const struct job *j = c->head;

	*e = c->stop || (work == WORK_REQUEST && (c->waiting == CONTROL_WAITING_MAX || !has_share(c, who))) ? ERR_BUSY : OK;
	while (j && j->work != work)
		j = j->next;
	if (j && (work == WORK_FRESHNESS || work == WORK_WRITE || work == WORK_RECORDED || work == WORK_OVER))
		*e = ERR_BUSY;
	return *e == OK && (work == WORK_REQUEST || !j);
}

static enum err post(struct control *c, enum work work, const struct control_author *who, struct span payload)
{
	CLEANUP(job_free) struct job *j = calloc(1, sizeof(*j));
	enum err e;

	if (!j || !(j->payload = malloc(payload.n + 1)) || !(j->result = calloc(1, sizeof(*j->result))))
		return ERR_FULL;
	if (payload.n)
		memcpy(j->payload, payload.p, payload.n);
	j->n = payload.n;
	j->work = work;
	if (who)
		j->result->author = *who;
	pthread_mutex_lock(&c->lock);
	if (has_place(c, work, who, &e)) {
		*c->tail = j;
		c->tail = &j->next;
		c->waiting += work == WORK_REQUEST;
		j = NULL;
		pthread_cond_signal(&c->more);
	}
	pthread_mutex_unlock(&c->lock);
	return e;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

enum err control_open(struct directory *d, const char *dir, const struct policy *policy, const char *officers,
		      struct control **out)
{
	CLEANUP(control_close) struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_FULL;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	if (!span_text(span_str(dir), c->dir, sizeof(c->dir)))
		return ERR_TOO_LARGE;
	c->directory = d;
	c->policy = policy;
	c->officers = officers;
	c->tail = &c->head;
	c->done_tail = &c->done;
	TRY(thread_start(&c->thread, work, c));
	c->running = true;
	TRY(post(c, WORK_FIRST, NULL, SPAN_LIT("")));
	*out = c;
	c = NULL;               /* given away */
	return OK;
}

void control_stop(struct control *c)
{
	if (!c->running)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->running = false;
}

void control_close(struct control **cp)
{
	struct control *c = *cp;
	struct control_result *r, *next;

	*cp = NULL;
	if (!c)
		return;
	control_stop(c);
	for (r = c->done; r; r = next) {
		next = r->next;
		control_result_free(&r);
	}
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void control_result_free(struct control_result **r)
{
	if (*r) {
		free((*r)->response);
		free((*r)->freshness);
		admin_notes_free(&(*r)->note);
		policy_close(&(*r)->fresh);
		shadow_close(&(*r)->shadow);
	}
	free_cleanup(r);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

void control_keep(struct control *c, struct record *r, struct history *h)
{
	pthread_mutex_lock(&c->lock);
	c->record = r;
	c->history = h;
	pthread_mutex_unlock(&c->lock);
}

enum err control_ask(struct control *c, const struct control_author *who, struct span payload)
{
	return payload.n > COMMAND_REQUEST_MAX ? ERR_TOO_LARGE : post(c, WORK_REQUEST, who, payload);
}

enum err control_reload(struct control *c)
{
	return post(c, WORK_RELOAD, NULL, SPAN_LIT(""));
}

enum err control_shadow(struct control *c)
{
	return post(c, WORK_SHADOW, NULL, SPAN_LIT(""));
}

enum err control_recorded(struct control *c, uint64_t line)
{
	return post(c, WORK_RECORDED, NULL, span(&line, sizeof(line)));
}

enum err control_emergency_over(struct control *c, struct span id, int64_t at_us)
{
	struct over o = { .at_us = at_us };

	return span_text(id, o.id, sizeof(o.id)) ? post(c, WORK_OVER, NULL, span(&o, sizeof(o))) : ERR_RANGE;
}

enum err control_freshness(struct control *c, const struct freshness_order *o)
{
	return post(c, WORK_FRESHNESS, NULL, span(o, sizeof(*o)));
}

void control_go(struct control *c, bool go)
{
	pthread_mutex_lock(&c->lock);
	c->said = go ? SAID_GO : SAID_NO;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
}

enum err control_write(struct control *c, const char *path, struct span text)
{
	size_t n = strlen(path) + 1;
	CLEANUP(free_cleanup) uint8_t *payload = malloc(n + text.n);

	if (!payload)
		return ERR_FULL;
	memcpy(payload, path, n);
	memcpy(payload + n, text.p, text.n);
	return post(c, WORK_WRITE, NULL, span(payload, n + text.n));
}

enum err control_written(const struct control *c)
{
	return (enum err)atomic_load(&c->written);
}

struct control_result *control_results(struct control *c)
{
	struct control_result *r;

	if (!atomic_load(&c->any_done))
		return NULL;
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->any_done, false);
	r = c->done;
	c->done = NULL;
	c->done_tail = &c->done;
	pthread_mutex_unlock(&c->lock);
	return r;
}

bool control_idle(struct control *c)
{
	bool idle;

	pthread_mutex_lock(&c->lock);
	idle = !c->head && !c->busy;
	pthread_mutex_unlock(&c->lock);
	return idle;
}

enum err control_trouble(const struct control *c)
{
	return (enum err)atomic_load(&c->trouble);
}

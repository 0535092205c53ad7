#include "control.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypt.h"
#include "edition.h"

/* A request without an author is ours: keep the file. `result` is made with it, so that what was done can always be told. */
struct job {
	struct job *next;
	const struct policy *policy;
	struct control_result *result;
	uint8_t *payload;
	size_t n;
};

struct retired {
	struct retired *next;
	struct policy *policy;
	uint64_t after;             /* closed when so many jobs are done */
};

struct control {
	struct directory *directory;
	char dir[512];
	_Atomic int trouble;
	uint64_t asked;             /* jobs ever; the broker's thread's */
	struct retired *retired;
	pthread_mutex_t lock;       /* guards what follows */
	pthread_cond_t more;
	struct job *head, **tail;
	struct control_result *done, **done_tail;
	uint64_t finished;
	size_t waiting;
	bool stop;
	pthread_t thread;
};

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void carry_out(struct control *c, const struct job *j)
{
	struct control_result *r = j->result;
	struct admin a = { .directory = c->directory, .dir = c->dir, .policy = j->policy, .party = r->author.party,
			   .id = r->author.id, .now_us = now_us() };

	if (r->author.party == PULLCORD__V1__PARTY__PARTY_NONE) {
		atomic_store(&c->trouble, (int)edition_keep_file(c->directory, c->dir, a.now_us));
		return;
	}
	r->response = admin_run(&a, span(j->payload, j->n));
	r->note = a.note;
	r->fresh = a.fresh;
}

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
	*c->done_tail = j->result;
	c->done_tail = &j->result->next;
	j->result = NULL;
	c->finished++;
	c->waiting--;
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
		pthread_mutex_unlock(&c->lock);
		carry_out(c, j);
		pthread_mutex_lock(&c->lock);
		finish(c, j);
		job_free(&j);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

enum err control_open(struct directory *d, const char *dir, struct control **out)
{
	struct control *c = calloc(1, sizeof(*c));
	sigset_t all, before;
	int rc;

	if (!c || !span_text(span_str(dir), c->dir, sizeof(c->dir))) {
		free(c);
		return c ? ERR_TOO_LARGE : ERR_FULL;
	}
	c->directory = d;
	c->tail = &c->head;
	c->done_tail = &c->done;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&c->thread, NULL, work, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		free(c);
		return ERR_FULL;
	}
	*out = c;
	return OK;
}

static void close_retired(struct control *c, uint64_t finished)
{
	struct retired **at = &c->retired, *r;

	while ((r = *at)) {
		if (r->after > finished) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		policy_close(&r->policy);
		free(r);
	}
}

void control_close(struct control **cp)
{
	struct control *c = *cp;
	struct control_result *r, *next;

	*cp = NULL;
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	for (r = c->done; r; r = next) {
		next = r->next;
		control_result_free(&r);
	}
	close_retired(c, UINT64_MAX);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void control_result_free(struct control_result **r)
{
	if (*r) {
		free((*r)->response);
		admin_notes_free(&(*r)->note);
		policy_close(&(*r)->fresh);
	}
	free_cleanup(r);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static enum err post(struct control *c, struct job **j)
{
	enum err e = OK;

	pthread_mutex_lock(&c->lock);
	if (c->waiting == CONTROL_WAITING_MAX) {
		e = ERR_BUSY;
	} else {
		*c->tail = *j;
		c->tail = &(*j)->next;
		c->waiting++;
		*j = NULL;
		pthread_cond_signal(&c->more);
	}
	pthread_mutex_unlock(&c->lock);
	c->asked += e == OK;
	return e;
}

enum err control_ask(struct control *c, const struct control_author *who, struct span payload, const struct policy *policy)
{
	CLEANUP(job_free) struct job *j = calloc(1, sizeof(*j));

	if (payload.n > COMMAND_REQUEST_MAX)
		return ERR_TOO_LARGE;
	if (!j || !(j->payload = malloc(payload.n + 1)) || !(j->result = calloc(1, sizeof(*j->result))))
		return ERR_FULL;
	memcpy(j->payload, payload.p, payload.n);
	j->n = payload.n;
	j->policy = policy;
	j->result->author = *who;
	return post(c, &j);
}

void control_keep_file(struct control *c)
{
	if (control_ask(c, &(struct control_author){ 0 }, SPAN_LIT(""), NULL) != OK)
		atomic_store(&c->trouble, (int)ERR_BUSY);
}

struct control_result *control_results(struct control *c)
{
	struct control_result *r;
	uint64_t finished;

	pthread_mutex_lock(&c->lock);
	r = c->done;
	c->done = NULL;
	c->done_tail = &c->done;
	finished = c->finished;
	pthread_mutex_unlock(&c->lock);
	close_retired(c, finished);
	return r;
}

/* Whoever runs out of memory here keeps the old policy for good, rather than have it read after its end. */
void control_retire(struct control *c, struct policy *old)
{
	struct retired *r = calloc(1, sizeof(*r));

	if (!r)
		return;
	*r = (struct retired){ c->retired, old, c->asked };
	c->retired = r;
}

enum err control_trouble(const struct control *c)
{
	return (enum err)atomic_load(&c->trouble);
}

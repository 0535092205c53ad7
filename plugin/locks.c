#include "locks.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "thread.h"

#define WAITING_MAX 1024        /* each cost a password's hash, so the disk keeps up but when it stalls */

struct waiting {
	struct waiting *next;
	struct lock lock;
	int64_t now_us;
};

struct locks {
	struct directory *directory;
	struct lockout *table;
	bool running;
	_Atomic int trouble;
	pthread_mutex_t lock;       /* guards what follows */
	pthread_cond_t more;
	struct waiting *head, **tail;
	size_t waiting;
	bool stop;
	pthread_t thread;
};

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void *write_locks(void *arg)
{
	struct locks *l = arg;
	struct waiting *w;
	enum err e;

	pthread_mutex_lock(&l->lock);
	for (;;) {
		while (!l->head && !l->stop)
			pthread_cond_wait(&l->more, &l->lock);
		w = l->head;
		if (!w)
			break;
		l->head = w->next;
		if (!l->head)
			l->tail = &l->head;
		l->waiting--;
		pthread_mutex_unlock(&l->lock);
		e = directory_lock(l->directory, &w->lock, w->now_us);
		if (w->lock.kind != LOCK_KNOWN || e != ERR_FULL)
			atomic_store(&l->trouble, (int)e);   /* not to be known again is no trouble */
		free(w);
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

struct reading {
	struct locks *l;
	int64_t now_us;
};

static void read_one(void *ctx, const struct lock *x)
{
	struct reading *r = ctx;
	const struct lockout_who who = { span_str(x->name), span_str(x->address), 0 };
	const struct lockout_mark mark = { x->at_us, x->until_us, x->times };

	if (x->kind == LOCK_KNOWN)
		lockout_restore_known(r->l->table, &who, x->at_us);
	else if (x->until_us + LOCKOUT_QUIET_US > r->now_us)
		lockout_restore(r->l->table, (enum lockout_kind)x->kind, &who, &mark);
}

enum err locks_open(struct directory *d, int64_t now_us, struct locks **out)
{
	CLEANUP(locks_close) struct locks *l = calloc(1, sizeof(*l));

	if (!l)
		return ERR_FULL;
	l->directory = d;
	l->tail = &l->head;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->more, NULL);
	TRY(lockout_open(&l->table));
	TRY(directory_locks(d, read_one, &(struct reading){ l, now_us }));
	TRY(thread_start(&l->thread, write_locks, l));
	l->running = true;
	*out = l;
	l = NULL;
	return OK;
}

void locks_close(struct locks **lp)
{
	struct locks *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	if (l->running) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->more);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
	}
	lockout_close(&l->table);
	pthread_cond_destroy(&l->more);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- what happens ----------------------------------------------------------------------------------------------- */

static void keep(struct locks *l, enum lock_kind kind, const struct lockout_who *who, const struct lockout_mark *m,
		 int64_t now_us)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w || (kind != LOCK_ADDRESS && !span_text(who->name, w->lock.name, sizeof(w->lock.name))) ||
	    (kind != LOCK_ACCOUNT && !span_text(who->address, w->lock.address, sizeof(w->lock.address)))) {
		free(w);
		atomic_store(&l->trouble, (int)ERR_FULL);
		return;
	}
	w->lock.kind = kind;
	w->lock.at_us = m->at_us;
	w->lock.until_us = m->until_us;
	w->lock.times = m->times;
	w->now_us = now_us;
	pthread_mutex_lock(&l->lock);
	if (l->waiting < WAITING_MAX) {
		*l->tail = w;
		l->tail = &w->next;
		l->waiting++;
		w = NULL;
		pthread_cond_signal(&l->more);
	}
	pthread_mutex_unlock(&l->lock);
	if (w)
		atomic_store(&l->trouble, (int)ERR_BUSY);
	free(w);
}

int64_t locks_until(struct locks *l, const struct policy *p, const struct lockout_who *who, int64_t now_us)
{
	return lockout_until(l->table, policy_lockout(p), who, now_us);
}

bool locks_knows(struct locks *l, const struct lockout_who *who, int64_t now_us)
{
	return lockout_knows(l->table, who, now_us);
}

unsigned locks_fail(struct locks *l, const struct policy *p, const struct lockout_who *who, int64_t now_us,
		    struct lockout_mark mark[LOCKOUT_KINDS])
{
	unsigned begun = lockout_fail(l->table, policy_lockout(p), who, now_us, mark);

	for (unsigned kind = 0; kind < LOCKOUT_KINDS; kind++)
		if (begun & 1u << kind)
			keep(l, (enum lock_kind)kind, who, &mark[kind], now_us);
	return begun;
}

void locks_pass(struct locks *l, const struct lockout_who *who, int64_t now_us)
{
	const struct lockout_mark known = { now_us, now_us + LOCKOUT_KNOWN_US, 0 };

	if (lockout_pass(l->table, who, now_us))
		keep(l, LOCK_KNOWN, who, &known, now_us);
}

enum err locks_trouble(const struct locks *l)
{
	return (enum err)atomic_load(&l->trouble);
}

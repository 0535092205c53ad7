#include "owners.h"

#include <search.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "thread.h"

struct binding {
	char client[65];
	struct owner owner;
	struct binding *waiting;    /* next to be written */
};

struct owners {
	struct directory *directory;
	void *tree;                 /* tsearch(3), by client */
	struct binding *head, **tail;
	bool stop, running;
	_Atomic int trouble;
	pthread_mutex_t lock;       /* guards head, tail, stop */
	pthread_cond_t more;
	pthread_t thread;
};

static int by_client(const void *a, const void *b)
{
	return strcmp(((const struct binding *)a)->client, ((const struct binding *)b)->client);
}

static struct binding *keep(struct owners *o, const char *client, const struct owner *owner)
{
	struct binding *b = calloc(1, sizeof(*b));

	if (!b || !span_text(span_str(client), b->client, sizeof(b->client))) {
		free(b);
		return NULL;
	}
	b->owner = *owner;
	if (!tsearch(b, &o->tree, by_client)) {
		free(b);
		return NULL;
	}
	return b;
}

/* Bindings are never freed before the end, so the thread may read one without the lock. */
static void *write_bindings(void *arg)
{
	struct owners *o = arg;
	struct binding *b;
	enum err e;

	pthread_mutex_lock(&o->lock);
	for (;;) {
		while (!o->head && !o->stop)
			pthread_cond_wait(&o->more, &o->lock);
		b = o->head;
		if (!b)
			break;
		o->head = b->waiting;
		if (!o->head)
			o->tail = &o->head;
		pthread_mutex_unlock(&o->lock);
		e = directory_bind(o->directory, span_str(b->client), &b->owner);
		atomic_store(&o->trouble, (int)e);
		pthread_mutex_lock(&o->lock);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

struct reading { struct owners *o; bool failed; };

static void read_one(void *ctx, struct span client, const struct owner *owner)
{
	struct reading *r = ctx;
	char text[65];

	if (!span_text(client, text, sizeof(text)) || !keep(r->o, text, owner))
		r->failed = true;
}

enum err owners_open(struct directory *d, struct owners **out)
{
	CLEANUP(owners_close) struct owners *o = calloc(1, sizeof(*o));
	struct reading r = { o, false };

	if (!o)
		return ERR_FULL;
	o->directory = d;
	o->tail = &o->head;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->more, NULL);
	TRY(directory_owners(d, read_one, &r));
	if (r.failed)
		return ERR_FULL;
	TRY(thread_start(&o->thread, write_bindings, o));
	o->running = true;
	*out = o;
	o = NULL;
	return OK;
}

void owners_close(struct owners **op)
{
	struct owners *o = *op;

	*op = NULL;
	if (!o)
		return;
	if (o->running) {
		pthread_mutex_lock(&o->lock);
		o->stop = true;
		pthread_cond_signal(&o->more);
		pthread_mutex_unlock(&o->lock);
		pthread_join(o->thread, NULL);
	}
	tdestroy(o->tree, free);
	pthread_cond_destroy(&o->more);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

const struct owner *owners_find(const struct owners *o, const char *client)
{
	struct binding key = { 0 };
	struct binding *const *found;

	if (!span_text(span_str(client), key.client, sizeof(key.client)))
		return NULL;
	found = tfind(&key, &o->tree, by_client);
	return found ? &(*found)->owner : NULL;
}

enum err owners_bind(struct owners *o, const char *client, Pullcord__V1__Party party, const char *id)
{
	const struct owner *have = owners_find(o, client);
	struct owner owner = { .party = party };
	struct binding *b;

	if (have)
		return have->party == party && strcmp(have->id, id) == 0 ? OK : ERR_EXISTS;
	if (!span_text(span_str(id), owner.id, sizeof(owner.id)))
		return ERR_RANGE;
	b = keep(o, client, &owner);
	if (!b)
		return ERR_FULL;
	pthread_mutex_lock(&o->lock);
	*o->tail = b;
	o->tail = &b->waiting;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
	return OK;
}

enum err owners_trouble(const struct owners *o)
{
	return (enum err)atomic_load(&o->trouble);
}

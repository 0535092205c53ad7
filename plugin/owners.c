#include "owners.h"

#include <search.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "thread.h"

struct binding {
	char client[WORD_BYTES_MAX + 1];
	struct owner owner;
	bool waits;                 /* to be written */
	STAILQ_ENTRY(binding) waiting;
	TAILQ_ENTRY(binding) retaining;
};

/* How many client ids a person has. */
struct person {
	char id[WORD_BYTES_MAX + 1];
	size_t clients;
};

struct owners {
	struct directory *directory;
	void *tree, *people;        /* tsearch(3), by client; by id */
	TAILQ_HEAD(, binding) retaining;    /* whose turn it is, first */
	size_t retained;
	STAILQ_HEAD(, binding) waiting;
	bool stop, running;
	_Atomic int trouble;
	pthread_mutex_t lock;       /* guards waiting, whether one waits, what it retains, stop */
	pthread_cond_t more;
	pthread_t thread;
};

static int by_client(const void *a, const void *b)
{
	return strcmp(((const struct binding *)a)->client, ((const struct binding *)b)->client);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct person *)a)->id, ((const struct person *)b)->id);
}

/* NULL: no memory. A device's client id is its own. */
static struct person *person_of(struct owners *o, const struct owner *owner)
{
	struct person *p = calloc(1, sizeof(*p)), *const *found;

	if (!p)
		return NULL;
	strcpy(p->id, owner->id);
	found = tsearch(p, &o->people, by_id);
	if (!found || *found != p)
		free(p);
	return found ? *found : NULL;
}

/* One more of a person's. ERR_FULL: they have as many as anybody may. */
static enum err count(struct owners *o, const struct owner *owner)
{
	struct person *p = owner->party == PULLCORD__V1__PARTY__PARTY_USER ? person_of(o, owner) : NULL;

	if (owner->party != PULLCORD__V1__PARTY__PARTY_USER)
		return OK;
	if (!p || p->clients >= DIRECTORY_CLIENTS_MAX)
		return ERR_FULL;
	p->clients++;
	return OK;
}

static void list_retaining(struct owners *o, struct binding *b)
{
	if (!b->owner.retained_in[0])
		return;
	TAILQ_INSERT_TAIL(&o->retaining, b, retaining);
	o->retained++;
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
	list_retaining(o, b);
	return b;
}

static void *write_bindings(void *arg)
{
	struct owners *o = arg;
	struct binding *b;
	struct owner owner;
	enum err e;

	pthread_mutex_lock(&o->lock);
	for (;;) {
		while (STAILQ_EMPTY(&o->waiting) && !o->stop)
			pthread_cond_wait(&o->more, &o->lock);
		b = STAILQ_FIRST(&o->waiting);
		if (!b)
			break;
		STAILQ_REMOVE_HEAD(&o->waiting, waiting);
		b->waits = false;
		owner = b->owner;
		pthread_mutex_unlock(&o->lock);
		e = directory_bind(o->directory, span_str(b->client), &owner);
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
	char text[WORD_BYTES_MAX + 1];

	if (!span_text(client, text, sizeof(text)) || !keep(r->o, text, owner))
		r->failed = true;
	else
		(void)!count(r->o, owner);      /* what was kept stands */
}

enum err owners_open(struct directory *d, struct owners **out)
{
	CLEANUP(owners_close) struct owners *o = calloc(1, sizeof(*o));
	struct reading r = { o, false };

	if (!o)
		return ERR_FULL;
	o->directory = d;
	TAILQ_INIT(&o->retaining);
	STAILQ_INIT(&o->waiting);
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
	tdestroy(o->people, free);
	pthread_cond_destroy(&o->more);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static struct binding *find(const struct owners *o, const char *client)
{
	struct binding key = { 0 };
	struct binding *const *found;

	if (!span_text(span_str(client), key.client, sizeof(key.client)))
		return NULL;
	found = tfind(&key, &o->tree, by_client);
	return found ? *found : NULL;
}

const struct owner *owners_find(const struct owners *o, const char *client)
{
	const struct binding *b = find(o, client);

	return b ? &b->owner : NULL;
}

/* With the lock held. */
static void write_later(struct owners *o, struct binding *b)
{
	if (!b->waits)
		STAILQ_INSERT_TAIL(&o->waiting, b, waiting);
	b->waits = true;
	pthread_cond_signal(&o->more);
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
	TRY(count(o, &owner));
	b = keep(o, client, &owner);
	if (!b)
		return ERR_FULL;
	pthread_mutex_lock(&o->lock);
	write_later(o, b);
	pthread_mutex_unlock(&o->lock);
	return OK;
}

/* With the lock held. What does not fit was never let in. */
static void set_retained(struct owner *w, const char *tenant, const char *address)
{
	if (!tenant || !span_text(span_str(tenant), w->retained_in, sizeof(w->retained_in)))
		w->retained_in[0] = '\0';
	if (!tenant || !span_text(span_str(address), w->retained_from, sizeof(w->retained_from)))
		w->retained_from[0] = '\0';
}

void owners_retain(struct owners *o, const char *client, const char *tenant, const char *address)
{
	struct binding *b = find(o, client);
	bool was = b && b->owner.retained_in[0];

	if (!b || (tenant ? strcmp(tenant, b->owner.retained_in) == 0 && strcmp(address, b->owner.retained_from) == 0 : !was))
		return;
	if (was)
		TAILQ_REMOVE(&o->retaining, b, retaining);
	o->retained -= was;
	pthread_mutex_lock(&o->lock);
	set_retained(&b->owner, tenant, address);
	write_later(o, b);
	pthread_mutex_unlock(&o->lock);
	list_retaining(o, b);
}

const char *owners_device_retaining(const struct owners *o, struct span id)
{
	char client[WORD_BYTES_MAX + 1];
	const struct binding *b = span_text(id, client, sizeof(client)) ? find(o, client) : NULL;

	return b && b->owner.party == PULLCORD__V1__PARTY__PARTY_DEVICE && b->owner.retained_in[0] ? b->client : NULL;
}

size_t owners_retaining(const struct owners *o)
{
	return o->retained;
}

const char *owners_next_retaining(struct owners *o)
{
	struct binding *b = TAILQ_FIRST(&o->retaining);

	if (!b)
		return NULL;
	TAILQ_REMOVE(&o->retaining, b, retaining);
	TAILQ_INSERT_TAIL(&o->retaining, b, retaining);
	return b->client;
}

enum err owners_trouble(const struct owners *o)
{
	return (enum err)atomic_load(&o->trouble);
}

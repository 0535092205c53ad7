#include "session.h"

#include <stdlib.h>

#define BUCKETS_AT_START 256

/* SplitMix64's finaliser: spreads pointers, which differ only in their middle bits. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static size_t context_bucket(const struct sessions *t, const void *context)
{
	return mix((uintptr_t)context) & (t->buckets - 1);
}

static size_t client_bucket(const struct sessions *t, const char *client)
{
	uint64_t h = t->key;

	for (; *client; client++)
		h = mix(h ^ (uint8_t)*client);
	return h & (t->buckets - 1);
}

static void link_in(struct sessions *t, struct session *s)
{
	struct session **c = &t->context[context_bucket(t, s->context)], **i = &t->client[client_bucket(t, s->client)];

	s->by_context = *c;
	*c = s;
	s->by_client = *i;
	*i = s;
}

static enum err resize(struct sessions *t, size_t buckets)
{
	struct session **context = calloc(buckets, sizeof(*context)), **client = calloc(buckets, sizeof(*client));

	if (!context || !client) {
		free(context);
		free(client);
		return ERR_FULL;
	}
	free(t->context);
	free(t->client);
	t->context = context;
	t->client = client;
	t->buckets = buckets;
	for (struct session *s = t->all; s; s = s->all_next)
		link_in(t, s);
	return OK;
}

enum err sessions_init(struct sessions *t, uint64_t hash_key)
{
	*t = (struct sessions){ .key = hash_key };
	return resize(t, BUCKETS_AT_START);
}

void sessions_clear(struct sessions *t)
{
	while (t->all)
		session_drop(t, t->all);
	free(t->context);
	free(t->client);
	*t = (struct sessions){ 0 };
}

struct session *session_of(const struct sessions *t, const void *context)
{
	struct session *s = t->context[context_bucket(t, context)];

	while (s && s->context != context)
		s = s->by_context;
	return s;
}

struct session *session_client(const struct sessions *t, const char *client)
{
	struct session *any = NULL;

	for (struct session *s = t->client[client_bucket(t, client)]; s; s = s->by_client) {
		if (strcmp(s->client, client) != 0)
			continue;
		if (s->state == SESSION_LIVE)
			return s;
		any = s;
	}
	return any;
}

void session_drop(struct sessions *t, struct session *s)
{
	struct session **c = &t->context[context_bucket(t, s->context)], **i = &t->client[client_bucket(t, s->client)];

	while (*c != s)
		c = &(*c)->by_context;
	*c = s->by_context;
	while (*i != s)
		i = &(*i)->by_client;
	*i = s->by_client;
	*s->all_prev = s->all_next;
	if (s->all_next)
		s->all_next->all_prev = s->all_prev;
	t->n--;
	holder_close(&s->holder);
	free(s->filter);
	free(s);
}

/* What a login under this client id leaves of the earlier ones. */
static void supersede(struct sessions *t, const char *client)
{
	struct session *s = t->client[client_bucket(t, client)], *next;

	for (; s; s = next) {
		next = s->by_client;
		if (strcmp(s->client, client) != 0)
			continue;
		if (s->state == SESSION_LIVE)
			s->state = SESSION_SUPERSEDED;
		else if (s->state == SESSION_CLOSED)
			session_drop(t, s);
	}
}

static struct session *add(struct sessions *t, const void *context, const char *client, enum session_state state)
{
	struct session *s = session_of(t, context);

	must(strlen(client) <= WORD_BYTES_MAX);
	if (s)
		session_drop(t, s);
	if (state == SESSION_LIVE)
		supersede(t, client);
	if (t->n >= t->buckets)
		(void)!resize(t, t->buckets * 2);   /* without room the chains get longer, no more */
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->context = context;
	s->state = state;
	strcpy(s->client, client);
	s->all_next = t->all;
	s->all_prev = &t->all;
	if (t->all)
		t->all->all_prev = &s->all_next;
	t->all = s;
	t->n++;
	link_in(t, s);
	return s;
}

struct session *session_add(struct sessions *t, const void *context, const char *client)
{
	return add(t, context, client, SESSION_LIVE);
}

struct session *session_add_offline(struct sessions *t, const void *key, const char *client)
{
	return add(t, key, client, SESSION_CLOSED);
}

void sessions_reap(struct sessions *t, int64_t now_ms)
{
	struct session *next;

	for (struct session *s = t->all; s; s = next) {
		next = s->all_next;
		if (s->state == SESSION_CLOSED && now_ms - s->active_ms > SESSION_LINGER_MS)
			session_drop(t, s);
	}
}

void session_hold(struct session *s, struct holder *h)
{
	holder_close(&s->holder);
	s->holder = h;
}

static struct session_filter *filter_of(struct session *s, struct span filter)
{
	for (size_t i = 0; i < s->filters; i++)
		if (span_is(filter, s->filter[i].text))
			return &s->filter[i];
	return NULL;
}

enum err session_filter_add(struct session *s, struct span filter, uint64_t alerts_before)
{
	struct session_filter *f = filter_of(s, filter);

	if (!f) {
		if (s->filters == SESSION_FILTERS_MAX)
			return ERR_FULL;
		f = realloc(s->filter, (s->filters + 1) * sizeof(*f));
		if (!f)
			return ERR_FULL;
		s->filter = f;
		f = &s->filter[s->filters];
		if (!span_text(filter, f->text, sizeof(f->text)))
			return ERR_TOO_LARGE;
		s->filters++;
	}
	f->alerts_before = alerts_before;
	s->catch_up = s->catch_up || alerts_before;
	return OK;
}

void session_filter_del(struct session *s, struct span filter)
{
	struct session_filter *f = filter_of(s, filter);

	if (f)
		*f = s->filter[--s->filters];
}

#include "session.h"

#include <stdlib.h>

#define BUCKETS_AT_START 256

/* SplitMix64's finaliser. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static size_t client_bucket(const struct sessions *t, const char *client)
{
	uint64_t h = t->key;

	for (; *client; client++)
		h = mix(h ^ (uint8_t)*client);
	return h & (t->buckets - 1);
}

static size_t account_bucket(const struct sessions *t, Pullcord__V1__Party party, struct span id)
{
	uint64_t h = mix(t->key ^ (uint64_t)party);

	for (size_t i = 0; i < id.n; i++)
		h = mix(h ^ id.p[i]);
	return h & (t->buckets - 1);
}

static void link_account(struct sessions *t, struct session *s)
{
	struct session **a = &t->account[account_bucket(t, s->party, span_str(s->id))];

	s->by_account = *a;
	s->account_prev = a;
	if (*a)
		(*a)->account_prev = &s->by_account;
	*a = s;
}

static void unlink_account(struct session *s)
{
	if (!s->account_prev)
		return;         /* nobody's */
	*s->account_prev = s->by_account;
	if (s->by_account)
		s->by_account->account_prev = s->account_prev;
}

static void link_in(struct sessions *t, struct session *s)
{
	struct session **c = &t->context[session_bucket(t, s->context)], **i = &t->client[client_bucket(t, s->client)];

	s->by_context = *c;
	*c = s;
	s->by_client = *i;
	*i = s;
}

static enum err resize(struct sessions *t, size_t buckets)
{
	struct session **context = calloc(buckets, sizeof(*context)), **client = calloc(buckets, sizeof(*client));
	struct session **account = calloc(buckets, sizeof(*account));

	if (!context || !client || !account) {
		free(context);
		free(client);
		free(account);
		return ERR_FULL;
	}
	free(t->context);
	free(t->client);
	free(t->account);
	t->context = context;
	t->client = client;
	t->account = account;
	t->buckets = buckets;
	t->shift = 64 - (unsigned)__builtin_ctzl(buckets);
	for (struct session *s = t->all; s; s = s->all_next) {
		link_in(t, s);
		if (s->account_prev)
			link_account(t, s);
	}
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
	free(t->account);
	*t = (struct sessions){ 0 };
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
	struct session **c = &t->context[session_bucket(t, s->context)], **i = &t->client[client_bucket(t, s->client)];

	while (*c != s)
		c = &(*c)->by_context;
	*c = s->by_context;
	while (*i != s)
		i = &(*i)->by_client;
	*i = s->by_client;
	unlink_account(s);
	*s->all_prev = s->all_next;
	if (s->all_next)
		s->all_next->all_prev = s->all_prev;
	t->n--;
	holder_close(&s->holder);
	holder_close(&s->shadow);
	emergency_held_free(&s->taken);
	awaited_clear(&s->awaited);
	free(s->filter);
	free(s);
}

static void filters_pass(struct session *from, struct session *to)
{
	free(to->filter);
	to->filter = from->filter;
	to->filters = from->filters;
	to->catch_up = from->catch_up;
	to->withheld = from->withheld;
	from->withheld = false;
	to->missed = from->missed;
	to->missed_after = from->missed_after;
	to->unknown_filters = from->unknown_filters;
	from->filter = NULL;
	from->filters = 0;
}

/* What a login under this client id leaves of the earlier ones; `heir` takes what they subscribed to. */
static void supersede(struct sessions *t, const char *client, struct session *heir)
{
	struct session *s = t->client[client_bucket(t, client)], *next;

	for (; s; s = next) {
		next = s->by_client;
		if (strcmp(s->client, client) != 0)
			continue;
		if (heir && s->filters)
			filters_pass(s, heir);
		if (s->state == SESSION_LIVE)
			s->state = SESSION_SUPERSEDED;
		else if (s->state == SESSION_CLOSED)
			session_drop(t, s);
	}
}

static struct session *session_new(const void *context, const char *client, enum session_state state)
{
	struct session *s = calloc(1, sizeof(*s));

	must(strlen(client) <= WORD_BYTES_MAX);
	if (!s)
		return NULL;
	s->context = context;
	s->state = state;
	s->client_n = (uint8_t)strlen(client);
	memcpy(s->client, client, s->client_n + 1u);
	return s;
}

static void insert(struct sessions *t, struct session *s)
{
	s->all_next = t->all;
	s->all_prev = &t->all;
	if (t->all)
		t->all->all_prev = &s->all_next;
	t->all = s;
	t->n++;
	if (t->n > t->buckets && resize(t, t->buckets * 2) == OK)
		return;   /* which linked it, too; without room the chains get longer, no more */
	link_in(t, s);
}

/* What a closed one used of its allowances is remembered still: under its own address, which is no context. */
static void set_apart(struct sessions *t, struct session *s)
{
	struct session **c = &t->context[session_bucket(t, s->context)];

	if (s->state != SESSION_CLOSED) {
		session_drop(t, s);
		return;
	}
	while (*c != s)
		c = &(*c)->by_context;
	*c = s->by_context;
	s->context = s;
	c = &t->context[session_bucket(t, s)];
	s->by_context = *c;
	*c = s;
}

struct session *session_add(struct sessions *t, const void *context, const char *client, bool resume)
{
	struct session *s = session_new(context, client, SESSION_LIVE), *old = session_of(t, context);
	const struct session *before = session_client(t, client);

	if (!s)
		return NULL;
	s->full_ns = before ? before->full_ns : 0;
	s->tries_full_ns = before ? before->tries_full_ns : 0;
	s->moved = before ? before->moved : 0;
	s->moved_us = before ? before->moved_us : 0;
	if (old && strcmp(old->client, client) != 0)
		set_apart(t, old);      /* the pointer is somebody else's by now */
	supersede(t, client, resume ? s : NULL);
	old = session_of(t, context);
	if (old)
		session_drop(t, old);
	insert(t, s);
	return s;
}

struct session *session_add_offline(struct sessions *t, const void *key, const char *client)
{
	struct session *s = session_new(key, client, SESSION_CLOSED);

	if (s)
		insert(t, s);
	return s;
}

void sessions_reap(struct sessions *t, int64_t now_ms)
{
	struct session *next;

	for (struct session *s = t->all; s; s = next) {
		next = s->all_next;
		if (s->state != SESSION_LIVE && now_ms - s->active_ms > SESSION_LINGER_MS)
			session_drop(t, s);
	}
}

void session_address(struct session *s, struct span address)
{
	s->address_n = span_text(address, s->address, sizeof(s->address)) ? (uint8_t)address.n : 0;
}

void session_own(struct sessions *t, struct session *s, Pullcord__V1__Party party, const char *id)
{
	must(!s->account_prev && strlen(id) <= WORD_BYTES_MAX);
	s->party = party;
	s->id_n = (uint8_t)strlen(id);
	memcpy(s->id, id, s->id_n + 1u);
	link_account(t, s);
}

struct session *session_account(const struct sessions *t, Pullcord__V1__Party party, struct span id,
				const struct session *after)
{
	struct session *s = after ? after->by_account : t->account[account_bucket(t, party, id)];

	while (s && (s->party != party || !span_is(id, s->id)))
		s = s->by_account;
	return s;
}

size_t sessions_beside(const struct sessions *t, Pullcord__V1__Party party, const char *id, const char *client)
{
	const struct session *s = NULL;
	size_t n = 0;

	while ((s = session_account(t, party, span_str(id), s)))
		n += s->state == SESSION_LIVE && strcmp(s->client, client) != 0;
	return n;
}

/* A token bucket told by the one time at which it is full (GCRA, ITU-T I.371 annex A): each message moves it on. */
static bool take(int64_t *full_ns, uint32_t per_h, uint32_t burst, int64_t now_us)
{
	int64_t each_ns = INT64_C(3600000000000) / per_h, now_ns = now_us * 1000;
	int64_t from_ns = *full_ns > now_ns ? *full_ns : now_ns;

	if (from_ns - now_ns > (int64_t)(burst - 1) * each_ns)
		return false;
	*full_ns = from_ns + each_ns;
	return true;
}

bool session_count_message(struct session *s, uint32_t per_h, uint32_t burst, int64_t now_us)
{
	return take(&s->full_ns, per_h, burst, now_us);
}

bool session_count_refusal(struct session *s, int64_t now_us)
{
	return take(&s->tries_full_ns, 3600 * SESSION_REFUSALS_PER_S, SESSION_REFUSALS, now_us);
}

void emergency_held_free(struct emergency_held **t)
{
	if (*t) {
		holder_close(&(*t)->plain);
		while ((*t)->n)
			holder_close(&(*t)->one[--(*t)->n].without);
	}
	free_cleanup(t);
}

void session_hold(struct session *s, struct holder *h)
{
	holder_close(&s->holder);
	emergency_held_free(&s->taken);
	s->holder = h;
	s->verdicts.holder++;
	session_ask_anew(s);
}

void session_ask_anew(struct session *s)
{
	memset(s->passes, 0, sizeof(s->passes));
	s->sender.proved = false;
}

static struct session_filter *filter_of(struct session *s, struct span filter)
{
	for (size_t i = 0; i < s->filters; i++)
		if (span_is(filter, s->filter[i].text))
			return &s->filter[i];
	return NULL;
}

void session_missed(struct session *s, uint64_t number)
{
	uint64_t after = number ? number - 1 : 0;

	if (!s->missed || after < s->missed_after)
		s->missed_after = after;
	s->missed = true;
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

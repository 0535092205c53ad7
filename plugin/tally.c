#include "tally.h"

#include <stdlib.h>

#include "audited.h"
#include "crypt.h"
#include "cur.h"
#include "network.h"
#include "words.h"

enum { ACTOR, CLIENT, ADDRESS, TOPIC, DETAIL, PATIENT, CLAIMED, CERTIFICATE, TEXTS };

/* A kind, as its first event told it. */
struct row {
	struct happening h;         /* its spans point into `text`; message NULL */
	uint8_t policy[16];
	int64_t from_us;            /* monotonic: since when it is counted */
	int64_t first_us, first_mono_us, last_us;
	uint64_t count;             /* 0: nothing followed so far */
	size_t prefix;              /* of the topic, which all of them have in common */
	bool one_topic, rest;       /* rest: whatever else one actor tried, or many whom nobody knows */
	bool one_certificate;       /* all showed the one that is kept: whoever makes one for each try tries one thing */
	bool crowd;                 /* the latter */
	unsigned each;              /* that went on record by themselves */
	uint8_t text[AUDITED_ACTOR_MAX + AUDITED_CLIENT_MAX + AUDITED_ADDRESS_MAX + AUDITED_TOPIC_MAX + 1 +
		     AUDITED_DETAIL_MAX + AUDITED_PATIENT_MAX + AUDITED_CLAIMED_MAX + AUDITED_CERTIFICATE_MAX];
};

/* How long is counted; how many go by themselves before; how many kinds an actor has; does it count what is allowed? */
struct terms {
	int64_t us;
	unsigned each, kinds;
	bool allowed;
};

static const struct terms terms_of[] = {
	[TALLY_DENIALS] = { TALLY_US, 1, TALLY_KINDS, false },
	[TALLY_ARRIVALS] = { TALLY_ARRIVALS_US, TALLY_ARRIVALS_EACH, TALLY_ARRIVALS_KINDS, true },
};

/* The tags stand apart, because they are looked through for each denial. */
struct tally {
	void (*out)(void *ctx, const struct happening *h);
	void *ctx;
	const struct terms *terms;
	uint64_t key[2];
	int64_t strangers_us;       /* since when they are counted */
	unsigned strangers, strangers_before;   /* new kinds since then, and in the window before */
	unsigned networks;          /* rows of theirs */
	uint64_t tag[TALLY_ROWS];   /* of the kind; 0: free */
	uint64_t who[TALLY_ROWS];   /* of the actor */
	struct row row[TALLY_ROWS];
};

enum err tally_open(enum tally_of what, void (*out)(void *ctx, const struct happening *h), void *ctx, struct tally **t)
{
	*t = calloc(1, sizeof(**t));
	if (!*t)
		return ERR_FULL;
	(*t)->terms = &terms_of[what];
	(*t)->out = out;
	(*t)->ctx = ctx;
	crypt_random((*t)->key, sizeof((*t)->key));
	return OK;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------ */

static struct span cut(struct span s, size_t max)
{
	return span(s.p, s.n < max ? s.n : max);
}

/* As they are recorded. */
static void texts_of(const struct happening *h, struct span text[TEXTS])
{
	text[ACTOR] = cut(h->actor, AUDITED_ACTOR_MAX);
	text[CLIENT] = cut(h->client, AUDITED_CLIENT_MAX);
	text[ADDRESS] = cut(h->address, AUDITED_ADDRESS_MAX);
	text[TOPIC] = cut(h->topic, AUDITED_TOPIC_MAX);
	text[DETAIL] = cut(h->detail, AUDITED_DETAIL_MAX);
	text[PATIENT] = cut(h->patient, AUDITED_PATIENT_MAX);
	text[CLAIMED] = cut(h->claimed, AUDITED_CLAIMED_MAX);
	text[CERTIFICATE] = cut(h->certificate, AUDITED_CERTIFICATE_MAX);
}

/* Up to its last level, with the '/'. */
static size_t prefix_of(struct span topic)
{
	size_t n = topic.n;

	while (n && topic.p[n - 1] != '/')
		n--;
	return n;
}

struct tagging {
	uint8_t b[1024];
	struct put put;
};

static void tag_text(struct tagging *g, struct span s)
{
	const uint8_t n[2] = { (uint8_t)s.n, (uint8_t)(s.n >> 8) };

	put_bytes(&g->put, span(n, sizeof(n)));
	put_bytes(&g->put, s);
}

static uint64_t tag_end(const struct tally *t, struct tagging *g)
{
	uint64_t tag;

	must(put_end(&g->put) == OK);
	tag = words_hash(t->key, put_span(&g->put));
	return tag ? tag : 1;
}

static uint64_t who_of(const struct tally *t, const struct happening *h, const struct span text[TEXTS])
{
	struct tagging g;

	g.put = put(g.b, sizeof(g.b));
	put_bytes(&g.put, span(&h->party, sizeof(h->party)));
	tag_text(&g, text[ACTOR]);
	tag_text(&g, text[ACTOR].n ? span(NULL, 0) : text[ADDRESS]);
	return tag_end(t, &g);
}

static uint64_t rest_of(const struct tally *t, const struct happening *h, uint64_t who)
{
	struct tagging g;

	g.put = put(g.b, sizeof(g.b));
	put_bytes(&g.put, span(&who, sizeof(who)));
	put_bytes(&g.put, span(&h->type, sizeof(h->type)));
	put_bytes(&g.put, span(&h->outcome, sizeof(h->outcome)));
	return tag_end(t, &g);
}

static uint64_t kind_of(const struct tally *t, const struct happening *h, const struct span text[TEXTS], uint64_t who)
{
	struct tagging g;

	g.put = put(g.b, sizeof(g.b));
	put_bytes(&g.put, span(&who, sizeof(who)));
	put_bytes(&g.put, span(&h->type, sizeof(h->type)));
	put_bytes(&g.put, span(&h->outcome, sizeof(h->outcome)));
	put_bytes(&g.put, span(&h->why, sizeof(h->why)));
	put_bytes(&g.put, span(&h->line, sizeof(h->line)));
	put_bytes(&g.put, span(&h->life_critical, sizeof(h->life_critical)));
	put_bytes(&g.put, span(h->policy, h->policy ? 16 : 0));
	tag_text(&g, text[CLIENT]);
	tag_text(&g, text[ADDRESS]);
	tag_text(&g, cut(text[TOPIC], prefix_of(text[TOPIC])));
	tag_text(&g, text[DETAIL]);
	tag_text(&g, text[PATIENT]);
	tag_text(&g, text[CLAIMED]);
	return tag_end(t, &g);
}

static size_t find(const uint64_t *in, uint64_t tag)
{
	size_t i = 0;

	while (i < TALLY_ROWS && in[i] != tag)
		i++;
	return i;
}

static size_t kinds_of(const struct tally *t, uint64_t who)
{
	size_t n = 0;

	for (size_t i = 0; i < TALLY_ROWS; i++)
		n += t->who[i] == who;
	return n;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static void tell(struct tally *t, size_t i)
{
	struct row *r = &t->row[i];
	struct happening h = r->h;

	if (r->count == 0)
		return;
	h.at_us = r->first_us;
	h.mono_us = r->first_mono_us;
	h.until_us = r->last_us;
	h.count = r->count;
	if (!r->one_topic) {                /* "a/b/+": the last level differs */
		r->text[(size_t)(h.topic.p - r->text) + r->prefix] = '+';
		h.topic.n = r->prefix + 1;
	}
	if (!r->one_certificate)
		h.certificate = span(NULL, 0);
	r->count = 0;
	t->out(t->ctx, &h);
}

static void drop(struct tally *t, size_t i)
{
	tell(t, i);
	t->networks -= t->row[i].crowd;
	t->row[i].crowd = false;
	t->tag[i] = t->who[i] = 0;
}

static size_t make_room(struct tally *t)
{
	size_t oldest = find(t->tag, 0);

	if (oldest < TALLY_ROWS)
		return oldest;
	oldest = 0;
	for (size_t i = 1; i < TALLY_ROWS; i++)
		if (t->row[i].from_us < t->row[oldest].from_us)
			oldest = i;
	drop(t, oldest);
	return oldest;
}

static void fill(struct row *r, const struct happening *h, const struct span text[TEXTS])
{
	struct span *const to[TEXTS] = { &r->h.actor, &r->h.client, &r->h.address, &r->h.topic, &r->h.detail, &r->h.patient,
				  &r->h.claimed, &r->h.certificate };
	size_t at = 0;

	r->h = *h;
	r->h.message = NULL;
	for (size_t i = 0; i < TEXTS; i++) {
		if (text[i].n)
			memcpy(r->text + at, text[i].p, text[i].n);
		*to[i] = span(r->text + at, text[i].n);
		at += i == TOPIC ? AUDITED_TOPIC_MAX + 1 : text[i].n;
	}
	if (h->policy) {
		memcpy(r->policy, h->policy, sizeof(r->policy));
		r->h.policy = r->policy;
	}
	r->from_us = h->mono_us;
	r->count = 0;
	r->prefix = prefix_of(text[TOPIC]);
	r->one_topic = true;
	r->rest = r->crowd = false;
	r->each = 1;
}

static void begin(struct tally *t, uint64_t tag, uint64_t who, const struct happening *h, const struct span text[TEXTS])
{
	size_t i = make_room(t);

	t->tag[i] = tag;
	t->who[i] = who;
	fill(&t->row[i], h, text);
}

/* Where one actor's many other tries are counted. */
static size_t begin_rest(struct tally *t, uint64_t tag, const struct happening *h, struct span text[TEXTS])
{
	struct happening rest = *h;
	size_t i = make_room(t);

	rest.why = rest.line = 0;
	rest.life_critical = false;
	text[TOPIC] = text[PATIENT] = text[CLAIMED] = text[CERTIFICATE] = span(NULL, 0);
	if (!text[ACTOR].n)
		text[CLIENT] = text[TOPIC];
	text[DETAIL] = SPAN_LIT("and others");
	t->tag[i] = tag;
	fill(&t->row[i], &rest, text);
	t->row[i].rest = true;
	t->row[i].each = t->terms->each;        /* others went by themselves */
	return i;
}

/* ---- many whom nobody knows ------------------------------------------------------------------------------------- */

/* One more kind of somebody unknown: are there too many by now? */
static bool is_crowd(struct tally *t, int64_t mono_us)
{
	if (mono_us - t->strangers_us >= TALLY_US) {
		t->strangers_before = mono_us - t->strangers_us < 2 * TALLY_US ? t->strangers : 0;
		t->strangers = 0;
		t->strangers_us = mono_us;
	}
	t->strangers++;
	return t->strangers > (t->strangers_before > TALLY_STRANGERS ? TALLY_STRANGERS_MORE : TALLY_STRANGERS);
}

/* "10.1.0.0/16"; empty for what is no address. */
static struct span network_of(struct span address, char out[NETWORK_TEXT_MAX])
{
	struct network n;
	uint8_t keep;

	if (!address_read(address, &n))
		return span(NULL, 0);
	keep = n.bytes == 4 ? 2 : 4;
	memset(n.address + keep, 0, sizeof(n.address) - keep);
	n.bits = (uint8_t)(8 * keep);
	return span_str(network_write(&n, out));
}

static uint64_t crowd_tag(const struct tally *t, const struct happening *h, struct span network)
{
	struct tagging g;

	g.put = put(g.b, sizeof(g.b));
	put_bytes(&g.put, span(&h->type, sizeof(h->type)));
	put_bytes(&g.put, span(&h->outcome, sizeof(h->outcome)));
	put_bytes(&g.put, span(&h->why, sizeof(h->why)));
	tag_text(&g, network);
	return tag_end(t, &g);
}

/* By network, and when there are too many of these, all together. */
static size_t crowd_row(struct tally *t, const struct happening *h, struct span text[TEXTS])
{
	char room[NETWORK_TEXT_MAX];
	struct span network = network_of(text[ADDRESS], room);
	uint64_t tag = crowd_tag(t, h, network);
	size_t i = find(t->tag, tag);

	if (i == TALLY_ROWS && network.n && t->networks >= TALLY_NETWORKS) {
		network = span(NULL, 0);
		tag = crowd_tag(t, h, network);
		i = find(t->tag, tag);
	}
	if (i < TALLY_ROWS)
		return i;
	text[ADDRESS] = network;
	i = begin_rest(t, tag, h, text);
	t->row[i].h.why = h->why;
	t->row[i].crowd = true;
	t->networks++;
	return i;
}

static void set_topic(struct row *r, struct span topic)
{
	r->one_topic = true;
	if (r->rest || !topic.n)
		return;
	memcpy(r->text + (r->h.topic.p - r->text), topic.p, topic.n);
	r->h.topic.n = topic.n;
}

static void count(struct tally *t, size_t i, const struct happening *h, struct span topic)
{
	struct row *r = &t->row[i];

	if (h->mono_us - r->from_us >= t->terms->us) {
		tell(t, i);
		r->from_us = h->mono_us;
	}
	r->one_certificate = (r->count == 0 || r->one_certificate) && span_eq(h->certificate, r->h.certificate);
	if (r->count == 0)
		set_topic(r, topic);
	else
		r->one_topic = r->one_topic && (r->rest || span_eq(topic, r->h.topic));
	if (r->count++ == 0) {
		r->first_us = h->at_us;
		r->first_mono_us = h->mono_us;
	}
	r->last_us = h->at_us;
}

/* ---- what happens ----------------------------------------------------------------------------------------------- */

void tally_add(struct tally *t, const struct happening *h)
{
	struct span text[TEXTS], topic;
	uint64_t who, tag;
	size_t i;

	if (h->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED && !t->terms->allowed) {
		t->out(t->ctx, h);
		return;
	}
	texts_of(h, text);
	topic = text[TOPIC];
	who = who_of(t, h, text);
	tag = kind_of(t, h, text, who);
	i = find(t->tag, tag);
	if (i == TALLY_ROWS && kinds_of(t, who) < t->terms->kinds) {
		if (!text[ACTOR].n && is_crowd(t, h->mono_us)) {
			count(t, crowd_row(t, h, text), h, topic);
			return;
		}
		t->out(t->ctx, h);
		begin(t, tag, who, h, text);
		return;
	}
	if (i < TALLY_ROWS && t->row[i].each < t->terms->each) {
		t->out(t->ctx, h);
		t->row[i].each++;
		return;
	}
	if (i == TALLY_ROWS) {
		tag = rest_of(t, h, who);
		i = find(t->tag, tag);
	}
	count(t, i < TALLY_ROWS ? i : begin_rest(t, tag, h, text), h, topic);
}

void tally_tick(struct tally *t, int64_t mono_us)
{
	for (size_t i = 0; i < TALLY_ROWS; i++) {
		if (!t->tag[i] || mono_us - t->row[i].from_us < t->terms->us)
			continue;
		if (t->row[i].count == 0) {
			drop(t, i);
			continue;
		}
		tell(t, i);
		t->row[i].from_us = mono_us;
	}
}

void tally_end(struct tally *t, struct span client)
{
	for (size_t i = 0; i < TALLY_ROWS; i++)
		if (t->tag[i] && span_eq(t->row[i].h.client, cut(client, AUDITED_CLIENT_MAX)))
			tell(t, i);
}

void tally_close(struct tally **t)
{
	for (size_t i = 0; *t && i < TALLY_ROWS; i++)
		if ((*t)->tag[i])
			drop(*t, i);
	free_cleanup(t);
}

#include <stdlib.h>

#include "guard_inside.h"
#include "log.h"

/* Who asks, and where the answer goes. */
struct ask {
	const void *context;
	Pullcord__V1__Party party;
	char id[WORD_BYTES_MAX + 1], client[WORD_BYTES_MAX + 1];
	char response[TOPIC_BYTES_MAX + 1];
	uint8_t correlation[READBACK_CORRELATION_MAX];
	size_t n;
};

static void answer(struct guard *g, const struct ask *a, const struct readback_page *page)
{
	CLEANUP(free_cleanup) uint8_t *raw = malloc(READBACK_PAGE_MAX);
	struct put b = put(raw, READBACK_PAGE_MAX);

	if (raw && readback_page_write(page, &b) == OK)
		g->host.answer(a->client, a->response, put_span(&b), span(a->correlation, a->n));
}

static void refuse(struct guard *g, const struct ask *a, const char *why)
{
	answer(g, a, &(struct readback_page){ .refused = why });
}

/* ---- asking ---- */

/* READBACK_RESPONSE, or a level below it. Nobody else is ever sent an answer, but nor shall an answer look like a message. */
static bool may_go_to(const char *topic)
{
	static const char at[] = READBACK_RESPONSE;
	size_t n = sizeof(at) - 1;

	return strncmp(topic, at, n) == 0 && (!topic[n] || (topic[n] == '/' && word_ok(span_str(topic + n + 1))));
}

/* NULL when the answer may go there; else why not, which is said on the topic everybody may have. */
static const char *ask_fill(struct ask *a, const struct session *s, const char *response, struct span correlation)
{
	*a = (struct ask){ .context = s->context, .party = s->party, .response = READBACK_RESPONSE };
	strcpy(a->id, s->id);
	strcpy(a->client, s->client);
	if (correlation.n > sizeof(a->correlation))
		return "correlation data has at most 64 bytes";
	a->n = correlation.n;
	if (a->n)
		memcpy(a->correlation, correlation.p, a->n);
	if (response && !may_go_to(response))
		return "the response topic is " READBACK_RESPONSE ", or a level below it";
	if (response)
		must(span_text(span_str(response), a->response, sizeof(a->response)));
	return NULL;
}

static struct ask **free_place(struct guard *g, const struct session *s)
{
	struct ask **place = NULL;
	unsigned theirs = 0;

	for (size_t i = 0; i < countof(g->ask); i++) {
		if (!g->ask[i])
			place = &g->ask[i];
		else
			theirs += g->ask[i]->context == s->context;
	}
	return theirs < GUARD_ASKS_EACH ? place : NULL;
}

static const char *fault_of(enum err e)
{
	switch (e) {
	case ERR_KIND: return "a request names filters, or the id of one message";
	case ERR_RANGE: return "at most 8 filters, 64 items a page; an id has 16 bytes";
	case ERR_TOO_LARGE: return "a request has at most 2048 bytes, 8 filters of 200";
	case ERR_SYNTAX: return "not a request, or not a topic filter of ours";
	default: return err_text(e);
	}
}

/* Why not; NULL: it is being looked for. */
static const char *ask(struct guard *g, struct session *s, const struct ask *from, struct span payload)
{
	struct ask **place = free_place(g, s);
	struct shelf_look *l;
	struct readback want;
	enum err e = readback_read(payload, &want);

	if (e != OK)
		return fault_of(e);
	if (!place)
		return "too many requests wait: try again";
	for (unsigned i = 0; i < want.filters; i++)
		if (!guard_may_look(g, s, want.filter[i]))
			return "may not read what one of the filters matches";
	l = calloc(1, sizeof(*l));
	*place = l ? malloc(sizeof(**place)) : NULL;
	if (!*place) {
		free(l);
		return err_text(ERR_FULL);
	}
	**place = *from;
	l->want = want;
	l->ctx = *place;
	history_look(g->history, l);
	return NULL;
}

/* What is shown goes on record, so nothing is while the record cannot keep up; nor are some alerts then. */
static const char *record_fault(const struct guard *g)
{
	return record_state(g->record) == RECORD_FLOWING ? NULL : "the record is behind: try again";
}

/* ---- what is open ---- */

#define IDS_MAX (HISTORY_ALERTS_MAX * ID_BYTES)
#define OPEN_MAX (IDS_MAX + 512)
#define OPEN_EACH_MS 500            /* each time all that is kept is gone through: */
#define OPEN_SHARE 20               /* for a twentieth of the thread's time at most, however many ask */

/* Behind the ids, in the arena. */
static void tell_open(struct guard *g, const struct ask *a, const struct readback_open *open)
{
	struct put b = put(g->arena.p + IDS_MAX, OPEN_MAX);

	if (readback_open_write(open, &b) == OK)
		g->host.answer(a->client, a->response, put_span(&b), span(a->correlation, a->n));
}

static void show_missing(struct guard *g, struct session *s, const struct interests *in, const struct id *id, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct kept *k = history_find(g->history, &id[i]);

		if (k && guard_should_have(g, in, k) && guard_show(g, s, k, "open, and had not come"))
			g->count.missing++;
	}
}

_Static_assert(IDS_MAX + OPEN_MAX <= ENVELOPE_ARENA, "all of it has room in the arena");

/* Why not; NULL: it was told. What is said here goes the way of all that is sent to the session, and comes after what was. */
static const char *ask_open(struct guard *g, struct session *s, const struct ask *a, struct span payload)
{
	const int64_t began_us = guard_mono_us(), now_ms = began_us / 1000;
	uint8_t *ids = g->arena.p;
	struct id missing[READBACK_ITEMS_MAX];
	struct interests in;
	size_t missed, n = 0;

	if (readback_missing_read(payload, missing, &missed) != OK)
		return "not a request, or of more than 64 alerts";
	if (s->asked_ms && now_ms - s->asked_ms < OPEN_EACH_MS)
		return "asked a moment ago: try again";
	if (began_us < g->open_free_us)
		return "many ask: try again";
	if (s->catch_up || s->withheld || s->missed)
		return "it is being shown what is open: try again";
	s->asked_ms = now_ms;
	guard_interests(s, &in);
	show_missing(g, s, &in, missing, missed);
	for (const struct kept *k = history_next(g->history, NULL); k && n < HISTORY_ALERTS_MAX; k = history_next(g->history, k))
		if (guard_should_have(g, &in, k))
			memcpy(ids + n++ * ID_BYTES, k->id.b, ID_BYTES);
	tell_open(g, a, &(struct readback_open){ .ids = span(ids, n * ID_BYTES) });
	g->open_free_us = began_us + OPEN_SHARE * (guard_mono_us() - began_us);
	return NULL;
}

/* ---- both ---- */

void guard_ask(struct guard *g, const struct client *c, const char *topic, struct span payload, const char *response,
	       struct span correlation)
{
	const bool open = strcmp(topic, READBACK_OPEN) == 0;
	struct session *s = session_of(&g->sessions, c->context);
	const char *why;
	struct ask a;

	if (!s || s->state != SESSION_LIVE || !c->client || strcmp(s->client, c->client) != 0)
		return;   /* guard_publish() refused it, or should have been asked */
	why = ask_fill(&a, s, response, correlation);
	if (!why)
		why = record_fault(g);
	if (!why)
		why = (open ? ask_open : ask)(g, s, &a, payload);
	if (why && open)
		tell_open(g, &a, &(struct readback_open){ .refused = why });
	else if (why)
		refuse(g, &a, why);
}

/* ---- answering ---- */

/* Only to the connection that asked; NULL: it is gone. */
static struct session *asker(const struct guard *g, const struct ask *a)
{
	struct session *s = session_of(&g->sessions, a->context);

	return s && s->state == SESSION_LIVE && !s->kick && s->party == a->party && strcmp(s->id, a->id) == 0 &&
	       strcmp(s->client, a->client) == 0 ? s : NULL;
}

/* Leaves what they may receive, as of now. One message by its id, which no filter was asked about, is also to be one they
 * might have subscribed to. */
static void sift(struct guard *g, struct session *s, bool by_id, struct readback_page *page)
{
	char topic[TOPIC_BYTES_MAX + 1];
	unsigned kept = 0;

	for (unsigned i = 0; i < page->n; i++) {
		must(span_text(page->item[i].topic, topic, sizeof(topic)));
		if ((!by_id || guard_may_look(g, s, topic)) && guard_may_read(g, s, topic, page->item[i].payload))
			page->item[kept++] = page->item[i];
	}
	page->n = kept;
}

static void answer_one(struct guard *g, struct shelf_look *l)
{
	const struct ask *a = l->ctx;
	struct session *s = asker(g, a);
	const char *why = record_fault(g);

	if (!s)
		return;
	if (!why && l->err != OK)
		why = l->err == ERR_NOT_FOUND ? "the message to go on after is not kept: ask by time" : err_text(l->err);
	if (why) {
		refuse(g, a, why);
		return;
	}
	guard_refresh(g, s);
	sift(g, s, l->want.filters == 0, &l->page);
	answer(g, a, &l->page);
}

void guard_ask_tick(struct guard *g)
{
	for (unsigned pages = 0; pages < 2; pages++) {
		struct shelf_look *l = history_looked(g->history);

		if (!l)
			return;
		answer_one(g, l);
		for (size_t i = 0; i < countof(g->ask); i++)
			if (g->ask[i] == l->ctx)
				g->ask[i] = NULL;
		shelf_look_free(&l);
	}
}

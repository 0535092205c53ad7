#include <poll.h>
#include <stdio.h>

#include "guard_inside.h"
#include "log.h"

#define WAIT_US (5 * INT64_C(1000000))   /* for what is about to be done to be on durable record */
#define STILL_US (15 * INT64_C(1000000))  /* at the end: the record has taken nothing for so long */
#define AT_END_US (60 * INT64_C(1000000)) /* however much it takes: systemd waits for 90 s */
#define LOST_SAID 16

/* ---- taking requests --------------------------------------------------------------------------------------------- */

static void refuse(struct guard *g, const char *client, const char *why)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "{\"responses\":[{\"command\":\"\",\"error\":\"%s\"}]}", why);

	must(n > 0 && (size_t)n < sizeof(text));
	(void)guard_send(g, client, CONTROL_RESPONSE, span(text, (size_t)n), 1, false);
}

static bool author_of(const struct session *s, struct control_author *out)
{
	*out = (struct control_author){ .party = s->party };
	return span_text(span_str(s->tenant), out->tenant, sizeof(out->tenant)) &&
	       span_text(span_str(s->id), out->id, sizeof(out->id)) &&
	       span_text(span_str(s->client), out->client, sizeof(out->client)) &&
	       span_text(span_str(s->address), out->address, sizeof(out->address));
}

/* Changes are recorded, so nothing is changed while the record cannot keep up. */
void guard_control(struct guard *g, const struct client *c, struct span payload)
{
	struct session *s = session_of(&g->sessions, c->context);
	struct control_author author;
	enum err e;

	if (!s || s->state != SESSION_LIVE || !c->client || strcmp(s->client, c->client) != 0)
		return;   /* guard_publish() refused it, or should have been asked */
	if (record_state(g->record) != RECORD_FLOWING) {
		refuse(g, s->client, "the record is behind: try again");
		return;
	}
	must(author_of(s, &author));
	e = control_ask(g->control, &author, payload);
	if (e != OK)
		refuse(g, s->client, e == ERR_BUSY ? "too many requests wait: try again" : err_text(e));
}

/* ---- giving answers ---------------------------------------------------------------------------------------------- */

/* `topic` is room for its topic. */
static struct happening noted(const struct guard *g, const struct control_result *r, const struct admin_note *n,
			      char topic[TOPIC_BYTES_MAX + 1])
{
	struct happening h = guard_happening(g, r->asks ? PULLCORD__V1__AUDIT_TYPE__AUDIT_REQUEST :
					     PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN, true, NULL);

	snprintf(topic, TOPIC_BYTES_MAX + 1, "%s/control/%s", r->author.tenant[0] ? r->author.tenant : g->tenant,
		 command_permission(n->command));
	h.outcome = n->outcome;
	h.party = r->author.party;
	h.actor = span_str(r->author.id);
	h.client = span_str(r->author.client);
	h.address = span_str(r->author.address);
	h.topic = span_str(topic);
	h.why = n->why;
	h.line = n->line;
	h.detail = span_str(n->detail);
	h.patient = span_str(n->patient);
	h.change = delta_span(&n->change);
	h.emergency_us = n->taken_us;
	return h;
}

static bool record_note(struct guard *g, const struct control_result *r, const struct admin_note *n)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct happening h = noted(g, r, n, topic);

	return record_try(g->record, &h);
}

/* What the record has no room for now comes at a next tick. */
static bool record_notes(struct guard *g, struct control_result *r)
{
	unsigned i = 0;

	for (const struct admin_note *n = r->note; n; n = n->next)
		if (i++ == r->noted) {
			if (!record_note(g, r, n))
				return false;
			if (n->taken_us)
				anomaly_break_glass(g->anomaly, span_str(r->author.id), guard_mono_us());
			r->noted++;
		}
	return true;
}

/* Only to the connection that is that person's still. */
static void answer(struct guard *g, const struct control_result *r)
{
	const struct session *s = session_client(&g->sessions, r->author.client);
	bool sent = true;

	if (!s || s->state != SESSION_LIVE || s->party != r->author.party || strcmp(s->id, r->author.id) != 0)
		return;
	if (r->response)
		sent = guard_send(g, s->client, CONTROL_RESPONSE, span_str(r->response), 1, false);
	else
		refuse(g, s->client, err_text(ERR_FULL));
	if (!sent)
		refuse(g, s->client, "the broker could not send the answer: look what was done");
}

static void put_in_force(struct guard *g, struct control_result *r)
{
	char detail[64 + ASSENT_WHO_MAX];

	if (r->refused[0])
		guard_refuse_policy(g, r->refused, r->old_policy);
	if (r->unsigned_policy)
		anomaly_policy(g->anomaly, span_str(r->author.id), guard_mono_us());
	snprintf(detail, sizeof(detail), "in force%s%s%s", r->author.party ? ", set by an administrator" : "",
		 r->signed_by[0] ? ", signed by " : "", r->signed_by);
	if (r->fresh)
		guard_put_policy(g, r->fresh, detail);
	r->fresh = NULL;
	if (r->freshness)
		guard_freshness(g, r->freshness);
	if (r->shadow_changed)
		guard_put_shadow(g, r->shadow, r->shadow_refused);
	r->shadow = NULL;
}

static void note_all(struct guard *g)
{
	for (struct control_result *r = g->unanswered; r; r = r->next) {
		if (r->done)
			continue;
		if (!record_notes(g, r))
			return;
		r->ticket = record_ticket(g->record);
		r->done = true;
	}
}

static bool is_settled(const struct guard *g, const struct control_result *r)
{
	return r->done && record_settled(g->record, r->ticket);
}

/* The record takes nothing, or has been too slow for too long: the thread that waits has more to see to. */
static bool is_hopeless(const struct guard *g, const struct control_result *r)
{
	enum record_state state = record_state(g->record);

	return state == RECORD_STOPPED || (state == RECORD_BEHIND && guard_mono_us() - r->since_us > WAIT_US);
}

/* What is about to be done is done when it is on durable record, and not at all when that cannot be had, whatever else
 * waits for it. */
static void let_go(struct guard *g)
{
	struct control_result **at = &g->unanswered, *r;

	while ((r = *at)) {
		if (!r->asks || !(is_settled(g, r) || is_hopeless(g, r))) {
			at = &r->next;
			continue;
		}
		control_go(g->control, is_settled(g, r));
		*at = r->next;
		control_result_free(&r);
	}
}

/* Nobody is told that something was done before it is on durable record; in the order in which it was asked for. */
static void answer_settled(struct guard *g, bool tell)
{
	struct control_result *r;

	while ((r = g->unanswered) && !r->asks && is_settled(g, r)) {
		g->unanswered = r->next;
		if (r->author.party && tell && !r->undone)
			answer(g, r);
		control_result_free(&r);
	}
}

/* Nothing of it is to be recorded or answered. */
static bool is_spent(const struct control_result *r)
{
	return !r->note && !r->author.party && !r->asks;
}

static void take_results(struct guard *g, struct control_result *first, bool tell)
{
	struct control_result **last = &g->unanswered, *r;

	while (*last)
		last = &(*last)->next;
	while ((r = first)) {
		first = r->next;
		r->next = NULL;
		r->since_us = guard_mono_us();
		put_in_force(g, r);
		if (r->undone && tell)
			answer(g, r);           /* that nothing was done can be told before it is on record */
		if (is_spent(r)) {
			control_result_free(&r);
			continue;
		}
		*last = r;
		last = &r->next;
	}
	note_all(g);
	let_go(g);
	answer_settled(g, tell);
}

static unsigned notes_left(const struct guard *g)
{
	unsigned n = 0;

	for (const struct control_result *r = g->unanswered; r; r = r->next)
		for (const struct admin_note *a = r->done ? NULL : r->note; a; a = a->next)
			n++;
	return n;
}

/* A disk that is slow to flush makes room in the end. Nobody is left to be told, so nothing need be durable yet: that is what
 * closing the record waits for. */
static void wait_for_room(struct guard *g)
{
	int64_t began = guard_mono_us(), moved = began, now = began;
	uint64_t was = record_durable(g->record), durable;

	while (notes_left(g) && now - moved < STILL_US && now - began < AT_END_US) {
		(void)poll(NULL, 0, 1);
		take_results(g, NULL, false);
		durable = record_durable(g->record);
		now = guard_mono_us();
		moved = durable != was ? now : moved;
		was = durable;
	}
}

/* Counted in the gap that the next start tells, and named in the log. */
static void say_lost(struct guard *g)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct happening h;
	unsigned said = 0, i;

	for (struct control_result *r = g->unanswered; r; r = r->next) {
		i = 0;
		for (const struct admin_note *n = r->done ? NULL : r->note; n; n = n->next) {
			if (i++ < r->noted)
				continue;
			h = noted(g, r, n, topic);
			record_push(g->record, &h);
			if (said++ < LOST_SAID)
				log_say(EV_NOTE_LOST, KV_STR("user", r->author.id), KV_STR("command", command_name(n->command)),
					KV_STR("done", r->asks ? "no" : "yes"));
		}
	}
	if (said > LOST_SAID)
		log_say(EV_NOTE_LOST, KV_NUM("more", said - LOST_SAID));
}

void guard_control_end(struct guard *g)
{
	struct control_result *r;

	if (g->control && g->record) {
		while (!control_idle(g->control)) {
			take_results(g, control_results(g->control), false);
			(void)poll(NULL, 0, 1);
		}
		control_stop(g->control);
		take_results(g, control_results(g->control), false);
		wait_for_room(g);
		say_lost(g);
	}
	while ((r = g->unanswered)) {
		g->unanswered = r->next;
		control_result_free(&r);
	}
}

void guard_control_tick(struct guard *g, struct control_result *first)
{
	take_results(g, first, true);
}

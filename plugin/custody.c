/* Deeds on the record: holding, releasing and erasing its segments, each of which takes two persons (acts.h). */
#include "deed.h"

#include <stdio.h>

#include "crypt.h"
#include "keeping.h"

static const struct deed_of {
	enum command command;
	enum act_kind kind;
	const char *doing, *done;
} kinds[] = {
	{ COMMAND_HOLD_SEGMENTS, ACT_HOLD, "holding", "held" },
	{ COMMAND_RELEASE_SEGMENTS, ACT_RELEASE, "releasing", "released" },
	{ COMMAND_ERASE_SEGMENTS, ACT_ERASE, "erasing", "erased" },
};

static const struct deed_of *deed_of_command(enum command c)
{
	size_t i = 0;

	while (kinds[i].command != c)
		i++;
	return &kinds[i];
}

static const struct deed_of *deed_of_kind(enum act_kind kind)
{
	return &kinds[kind - ACT_HOLD];
}

/* "closed", "closed, held", "open, held 2 times", "erased" */
struct how {
	char text[32];
};

static struct how how_is(const struct segment *s)
{
	static const char *const word[] = { [SEGMENT_OPEN] = "open", [SEGMENT_CLOSED] = "closed", [SEGMENT_ERASED] = "erased" };
	struct how h;

	int n = snprintf(h.text, sizeof(h.text), "%s%s", s->state && s->state < (int)countof(word) ? word[s->state] : "unknown",
			 s->holds ? ", held" : "");

	if (s->holds > 1)
		snprintf(h.text + n, sizeof(h.text) - (size_t)n, " %u times", s->holds);
	return h;
}

/* ---- may it be done? ------------------------------------------------------------------------------------------------ */

static bool can_erase(struct work *w, uint32_t id, const struct segment *s, const struct retention *k)
{
	const struct act *hold = acts_about(w->a->acts, ACT_HOLD, id, w->a->now_us);
	char time[COMMAND_TIME];

	if (s->holds)
		work_fail(w, "segment %u is held", id);
	else if (k->held)
		work_fail(w, "segment %u makes the pseudonyms of %u, of which a segment is held", id, keep_year(s->keep));
	else if (s->state == SEGMENT_OPEN)
		work_fail(w, "segment %u is still written on", id);
	else if (!keep_is_over(s, k, w->a->now_us) && k->until_us == INT64_MAX)
		work_fail(w, "segment %u makes the pseudonyms of %u, of which a segment is still written on", id, keep_year(s->keep));
	else if (!keep_is_over(s, k, w->a->now_us))
		work_fail(w, "segment %u is to be kept until %s", id, command_time(k->until_us, time));
	else if (hold)
		work_fail(w, "segment %u: %s asks to hold it (request %llu)", id, hold->who, (unsigned long long)hold->number);
	return !w->why[0];
}

/* As it is now; *s is how. */
static bool can(struct work *w, enum act_kind kind, uint32_t id, struct segment *s)
{
	struct retention kept;
	enum err e = segment_look(w->a->record, id, s, &kept);

	if (e == ERR_NOT_FOUND)
		work_fail(w, "there is no segment %u", id);
	else if (e != OK)
		work_fail_err(w, e, "read the record");
	else if (s->state == SEGMENT_ERASED)
		work_fail(w, "segment %u was erased", id);
	else if (kind == ACT_ERASE)
		return can_erase(w, id, s, &kept);
	else if (s->holds == (kind == ACT_HOLD ? UINT8_MAX : 0))
		work_fail(w, s->holds ? "segment %u is held as often as is counted" : "segment %u is not held", id);
	return !w->why[0];
}

static bool can_all(struct work *w, enum act_kind kind, const uint32_t *id, size_t n)
{
	struct segment s;

	for (size_t i = 0; i < n; i++)
		if (!can(w, kind, id[i], &s))
			return false;
	return true;
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

static void put_ids(struct put *b, const uint32_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t from = i;

		while (i + 1 < n && id[i + 1] == id[i] + 1)
			i++;
		put_fmt(b, i > from ? "%s%u-%u" : "%s%u", from ? ", " : "", id[from], id[i]);
	}
}

/* The segments shortly, so that the reason has room: all of them stand in the answer, and in the entries of what was done. */
static void tell_asked(struct work *w, const struct deed_of *d, const struct act *act, uint64_t number)
{
	char text[60];
	struct put ids = put(text, sizeof(text) - 1);
	char time[COMMAND_TIME];

	put_ids(&ids, act->segment, act->segments);
	text[put_end(&ids) == OK ? ids.n : 0] = '\0';
	if (!text[0])
		snprintf(text, sizeof(text), "%u ... %u", act->segment[0], act->segment[act->segments - 1]);
	work_tell(w, "%s segments %s: asked for, request %llu until %s: %s", d->doing, text, (unsigned long long)number,
		  command_time(w->a->now_us + ACT_WAIT_US, time), act->reason);
}

/* What nobody can have meant: a number that guesses itself must not confirm another request than was read out. */
static uint64_t some_number(void)
{
	uint32_t n;

	crypt_random(&n, sizeof(n));
	return 100000000 + n % 900000000;
}

static bool is_once_each(struct work *w, const struct order *o)
{
	for (size_t i = 1; i < o->segments; i++)
		if (o->segment[i] <= o->segment[i - 1]) {
			work_fail(w, "\"segments\" are to rise, each once");
			return false;
		}
	return true;
}

static void ask(struct work *w, const struct order *o, const struct deed_of *d)
{
	struct act *act = &w->act;
	uint64_t number = some_number();
	char time[COMMAND_TIME];
	enum err e;

	if (!o->text[FIELD_REASON].n) {
		work_fail(w, "it needs a \"reason\"");
		return;
	}
	if (!is_once_each(w, o) || !can_all(w, d->kind, o->segment, o->segments))
		return;
	*act = (struct act){ .kind = d->kind, .segments = o->segments };
	must(o->segments <= ACT_SEGMENTS_MAX);
	memcpy(act->segment, o->segment, o->segments * sizeof(*o->segment));
	if (!span_text(span_str(w->a->id), act->who, sizeof(act->who)) ||
	    !span_text(span_str(w->a->address ? w->a->address : ""), act->address, sizeof(act->address)) ||
	    !span_text(o->text[FIELD_REASON], act->reason, sizeof(act->reason)))
		e = ERR_RANGE;
	else
		e = acts_ask(w->a->acts, act, number, w->a->now_us);
	if (e == ERR_FULL)
		work_fail(w, "%d requests wait already: confirm them, or let them pass", ACTS_MAX);
	else if (e != OK)
		work_fail_err(w, e, "remember the request");
	if (w->why[0])
		return;
	reply_number(w->r, "request", number);
	reply_text(w->r, "expires", span_str(command_time(w->a->now_us + ACT_WAIT_US, time)));
	tell_asked(w, d, act, number);
}

/* ---- confirming ----------------------------------------------------------------------------------------------------- */

/* Whoever asked must be somebody still who may. */
static bool asker_may(struct work *w, const struct act *act, enum command c)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	int64_t until;
	struct subject s;
	enum err e;

	account_free(&w->account);
	e = directory_find(w->a->directory, PULLCORD__V1__PARTY__PARTY_USER, span_str(act->who), &w->account);
	if (e == OK) {
		s = account_subject(w->account, w->a->now_us, &until);
		s.address = span_str(act->address);
		e = s.suspended ? ERR_DENIED : policy_bind(w->a->policy, &s, &h);
	}
	if (e == OK && control_allowed(w->a->policy, h, c).allow)
		return true;
	work_fail(w, "%s, who asked for it, may do so no more", act->who);
	return false;
}

static bool find(struct work *w, const struct order *o, const struct deed_of *d)
{
	const struct act *act = NULL;
	const unsigned long long n = o->request;
	enum err e = acts_confirm(w->a->acts, o->request, d->kind, span_str(w->a->id), w->a->now_us, &act);

	switch (e) {
	case OK:
		w->act = *act;
		return asker_may(w, &w->act, d->command);
	case ERR_NOT_FOUND:
		work_fail(w, "no request %llu waits; one is forgotten when it was confirmed, and when the broker restarts", n);
		break;
	case ERR_KIND:
		work_fail(w, "request %llu is about something else than %s", n, d->doing);
		break;
	case ERR_TIME:
		work_fail(w, "request %llu has expired: ask again", n);
		break;
	default:
		work_refuse(w, w->verdict, "not permitted: you asked for request %llu yourself; it takes another person", n);
	}
	return false;
}

static const char *not_done(enum err e)
{
	switch (e) {
	case ERR_CLOSED: return "it was erased meanwhile, or the record has stopped";
	case ERR_BUSY: return "it is held, or still written on";
	case ERR_TIME: return "it is to be kept longer";
	case ERR_KEY: return "its key is not there";
	case ERR_EXISTS: return "it is erased, but record.idx, which knows names, cannot be removed: see to it";
	default: return err_text(e);
	}
}

static bool carry_out(struct work *w, const struct deed_of *d, uint32_t id)
{
	const struct segment_act act = { id, w->a->now_us, span_str(w->act.who), span_str(w->a->id), span_str(w->act.reason) };
	struct segment before, after;
	struct retention kept;
	enum err e;

	if (!can(w, d->kind, id, &before))
		return false;
	e = d->kind == ACT_ERASE ? segment_erase(w->a->record, &act) : segment_hold(w->a->record, &act, d->kind == ACT_HOLD);
	if (e != OK)
		work_fail(w, "segment %u: %s", id, not_done(e));
	if (segment_look(w->a->record, id, &after, &kept) == OK)
		work_tell(w, "segment %u: %s -> %s; request %llu of %s", id, how_is(&before).text, how_is(&after).text,
			  (unsigned long long)w->act.number, w->act.who);
	return e == OK;
}

static bool is_erased(struct work *w, uint32_t id)
{
	struct segment s;
	struct retention kept;

	return segment_look(w->a->record, id, &s, &kept) == OK && s.state == SEGMENT_ERASED;
}

/* Each is durable when it is done; what was done stays, and is noted, whatever comes after it. */
static void confirm(struct work *w, const struct order *o, const struct deed_of *d)
{
	char why[sizeof(w->why)];
	size_t n = 0;

	if (!find(w, o, d) || !can_all(w, d->kind, w->act.segment, w->act.segments))
		return;
	acts_take(w->a->acts, w->act.number);
	while (n < w->act.segments && carry_out(w, d, w->act.segment[n])) {
		w->partly = true;       /* from here on */
		if (++n < w->act.segments)
			work_note(w, o->command);
	}
	if (w->why[0]) {
		n += is_erased(w, w->act.segment[n]);
		snprintf(why, sizeof(why), "%s", w->why);
		work_fail(w, "%zu of %zu were %s; %.180s", n, w->act.segments, d->done, why);
		return;
	}
	reply_number(w->r, d->done, n);
}

void deed_segments(struct work *w, const struct order *o)
{
	const struct deed_of *d = deed_of_command(o->command);

	if (w->a->party != PULLCORD__V1__PARTY__PARTY_USER)
		work_fail(w, "it takes a person");
	else if (order_has(o, FIELD_REQUEST) && order_has(o, FIELD_REASON))
		work_fail(w, "the reason is that of the request");
	else if (order_has(o, FIELD_REQUEST))
		confirm(w, o, d);
	else
		ask(w, o, d);
}

/* ---- what waits ------------------------------------------------------------------------------------------------------ */

static void reply_act(struct reply *r, const struct act *act)
{
	char time[COMMAND_TIME];

	reply_object(r, NULL);
	reply_number(r, "request", act->number);
	reply_text(r, "command", span_str(command_name(deed_of_kind(act->kind)->command)));
	reply_text(r, "username", span_str(act->who));
	reply_text(r, "reason", span_str(act->reason));
	reply_text(r, "asked", span_str(command_time(act->asked_us, time)));
	reply_text(r, "expires", span_str(command_time(act->until_us, time)));
	reply_array(r, "segments");
	for (size_t i = 0; i < act->segments; i++)
		reply_number(r, NULL, act->segment[i]);
	reply_end(r);
	reply_end(r);
}

void deed_list_requests(struct work *w, const struct order *o)
{
	(void)o;
	reply_array(w->r, "requests");
	for (size_t i = 0; i < ACTS_MAX; i++)
		if (act_waits(&w->a->acts->act[i], w->a->now_us))
			reply_act(w->r, &w->a->acts->act[i]);
	reply_end(w->r);
}

#include <poll.h>
#include <stdio.h>

#include "guard_inside.h"
#include "retained.h"
#include "seen.h"

#define MARK_AT_END_US (2 * INT64_C(1000000))

/* What was changed while no broker ran, or just before one crashed, is still to be recorded; so is all there is when the
 * record is new. Once too often rather than never. */
enum err guard_follow_begin(struct guard *g, bool record_is_new)
{
	enum err e = directory_recorded(g->directory, &g->journal);
	uint64_t last;

	TRY(directory_journal(g->directory, &last));
	g->directory_replaced = seen_is_another(g->dir, g->directory, last);
	g->journal_marked = e == OK && !g->directory_replaced ? g->journal : UINT64_MAX;
	if (e == ERR_NOT_FOUND && !record_is_new)
		g->journal = last;      /* of before lines were marked */
	g->journal_told = g->journal;
	return OK;
}

/* What was changed; who did it stands beside it. */
static const char *what_changed(const struct change *c)
{
	if (c->party)
		return "the account was changed";
	if (c->shadow)
		return "the shadow policy was changed";
	if (c->fingerprint.n)
		return "the list of revoked certificates was changed";
	return c->replaced ? "the directory is an older one, or another, put in its place: any account may be changed"
			   : "more was changed than the journal tells: any account may be";
}

/* By the clock of whoever changed it: the journal says when that was, not when it was found. */
static void record_change(struct guard *g, const struct change *c)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DIRECTORY, true, NULL);
	char detail[160];

	if (c->at_us) {
		h.at_us = c->at_us;
		h.mono_us = 0;
	}
	snprintf(detail, sizeof(detail), "%s%s", what_changed(c), c->by.n ? "" : ", by whom is not known");
	h.party = c->party;
	h.actor = c->id;
	h.by = c->by;
	h.change = c->delta;
	h.detail = span_str(detail);
	record_push(g->record, &h);
}

/* Only those it concerns are looked at, when it says whom. */
static struct session *next_concerned(struct guard *g, const struct change *c, struct session *after)
{
	struct session *s;

	if (c->party)
		return session_account(&g->sessions, c->party, c->id, after);
	s = after ? after->all_next : g->sessions.all;
	while (c->fingerprint.n && s && !span_eq(c->fingerprint, span(s->fingerprint, sizeof(s->fingerprint))))
		s = s->all_next;
	return s;
}

static void directory_changed(void *ctx, const struct change *c)
{
	struct guard *g = ctx;
	struct session *s = NULL;

	record_change(g, c);
	if (!c->party && !c->fingerprint.n && control_shadow(g->control) != OK)
		log_say(EV_SHADOW_REFUSED, KV_STR("reason", err_text(ERR_FULL)));
	if (c->shadow)
		return;
	while ((s = next_concerned(g, c, s)))
		guard_renew(g, s);
	if (c->party)
		retained_follow(g, c->party, c->id);
}

/* Not to be read for a moment: tried again at the next tick, so that no change is missed. Damaged: any may have changed,
 * and directory_changes() said so. */
void guard_follow(struct guard *g)
{
	enum err e;

	if (g->directory_replaced)
		record_change(g, &(struct change){ .replaced = true });
	g->directory_replaced = false;
	if (!directory_moved(g->directory))
		return;
	g->emergencies.look = true;
	e = directory_changes(g->directory, &g->journal, directory_changed, g);
	if (e == ERR_CORRUPT)
		log_say(EV_JOURNAL_DAMAGED, KV_NUM("line", g->journal));
	else
		guard_say_trouble(EV_DIRECTORY_FAILED, e, &g->directory_was);
	if (g->journal_told != g->journal)
		g->journal_ticket = record_ticket(g->record);
	g->journal_told = g->journal;
}

void guard_follow_mark(struct guard *g)
{
	if (g->journal_marked != g->journal_told && record_settled(g->record, g->journal_ticket) &&
	    control_recorded(g->control, g->journal_told) == OK)
		g->journal_marked = g->journal_told;
}

void guard_follow_end(struct guard *g)
{
	const int64_t end_us = guard_mono_us() + MARK_AT_END_US;

	if (!g->record || !g->directory || g->journal_marked == g->journal_told)
		return;
	while (!record_settled(g->record, g->journal_ticket) && !record_stopped(g->record) && guard_mono_us() < end_us)
		poll(NULL, 0, 1);
	if (record_settled(g->record, g->journal_ticket) && directory_mark_recorded(g->directory, g->journal_told) == OK)
		(void)!seen_write(g->dir, g->directory, g->journal_told);
}

#include "guard.h"
#include "retained.h"

/* What was changed while no broker ran, or just before one crashed, is still to be recorded; so is all there is when the
 * record is new. Once too often rather than never. */
enum err guard_follow_begin(struct guard *g, bool record_is_new)
{
	enum err e = directory_recorded(g->directory, &g->journal);

	g->journal_marked = e == OK ? g->journal : UINT64_MAX;
	if (e == ERR_NOT_FOUND && !record_is_new)
		TRY(directory_journal(g->directory, &g->journal));      /* of before lines were marked */
	g->journal_told = g->journal;
	return OK;
}

static void record_change(struct guard *g, const struct change *c)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_DIRECTORY, true, NULL);

	h.party = c->party;
	h.actor = c->id;
	h.detail = c->party ? SPAN_LIT("the account was changed") :
		   c->shadow ? SPAN_LIT("the shadow policy was changed") :
		   c->fingerprint.n ? SPAN_LIT("the list of revoked certificates was changed") :
				      SPAN_LIT("more was changed than the journal tells: any account may be");
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

	if (!directory_moved(g->directory))
		return;
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

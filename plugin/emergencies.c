/* Emergency access on record: what rests on it, and its end. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "emergency_row.h"
#include "guard_inside.h"
#include "log.h"

#define SETTLE_AT_END_US (2 * INT64_C(1000000))
#define EXPIRED "expired: "
#define EXPIRED_OFF "expired while off: "
#define TAKEN_BACK "taken back: "

/* One that has begun; once its end is told, until that is durable. */
struct emergency_open {
	char id[WORD_BYTES_MAX + 1];
	int64_t at_us, until_us;
	uint64_t ticket;
	bool told, forgotten;       /* its end; its row is to go */
};

/* ---- what rests on it ---- */

enum err guard_emergency_bind(struct guard *g, const struct account *a, const char *address, struct emergency_held **out)
{
	CLEANUP(emergency_held_free) struct emergency_held *held = NULL;
	struct emergency list[EMERGENCIES_MAX];
	struct emergency_room room;
	int64_t now_us = guard_real_us(), until_us;
	struct subject now, less;
	size_t n = emergency_list(a, now_us, list);

	*out = NULL;
	if (!n)
		return OK;
	held = calloc(1, sizeof(*held));
	if (!held)
		return ERR_FULL;
	now = account_subject(a, now_us, &until_us);
	now.address = span_str(address);
	less = emergency_without(a, now, 0, &room);
	TRY(policy_bind(g->policy, &less, &held->plain));
	for (size_t i = 0; i < n; i++) {
		less = emergency_without(a, now, list[i].at_us, &room);
		held->one[i].at_us = list[i].at_us;
		TRY(policy_bind(g->policy, &less, &held->one[i].without));
		held->n = i + 1;
	}
	*out = held;
	held = NULL;            /* given away */
	return OK;
}

int64_t guard_emergency(const struct guard *g, const struct session *s, enum access a, struct span topic)
{
	struct topic parsed;

	if (!s->taken || s->bound != g->policies || (a == ACCESS_SUBSCRIBE ? filter_parse : topic_parse)(topic, &parsed) != OK ||
	    policy_decide(g->policy, s->taken->plain, a, &parsed).allow)
		return 0;
	for (size_t i = 0; i < s->taken->n; i++)
		if (!policy_decide(g->policy, s->taken->one[i].without, a, &parsed).allow)
			return s->taken->one[i].at_us;
	return s->taken->one[0].at_us;  /* each of two would do */
}

/* ---- its end ---- */

struct gathered {
	struct emergency_row *row;
	size_t n;
	bool all;
};

static void gather(void *ctx, const struct emergency_row *row)
{
	struct gathered *r = ctx;
	struct emergency_row *more = realloc(r->row, (r->n + 1) * sizeof(*more));

	r->all = r->all && more;
	if (!more)
		return;
	r->row = more;
	r->row[r->n++] = *row;
}

static struct emergency_open open_of(const struct guard *g, const struct emergency_row *row)
{
	struct emergency_open fresh = { .at_us = row->at_us, .until_us = row->until_us };

	for (size_t i = 0; i < g->emergencies.n; i++)
		if (g->emergencies.open[i].at_us == row->at_us && strcmp(g->emergencies.open[i].id, row->id) == 0)
			return g->emergencies.open[i];
	memcpy(fresh.id, row->id, sizeof(fresh.id));
	return fresh;
}

/* How it ended; NULL: it lasts, or nobody can tell now, which is to be tried *again. */
static const char *how_it_ended(const struct guard *g, const struct emergency_row *row, int64_t now_us, bool *again)
{
	CLEANUP(account_free) struct account *a = NULL;
	enum err e = directory_find(g->directory, PULLCORD__V1__PARTY__PARTY_USER, span_str(row->id), &a);
	const int64_t began_us = now_us - (guard_mono_us() - g->started_ms * 1000);

	if (e != OK && e != ERR_NOT_FOUND) {
		*again = *again || e != ERR_CORRUPT;
		return NULL;
	}
	if (row->until_us <= now_us)
		return a && emergency_lasts(a, row->at_us, now_us) ? NULL : row->until_us < began_us ? EXPIRED_OFF : EXPIRED;
	return a && emergency_lasts(a, row->at_us, now_us) ? NULL : TAKEN_BACK;
}

/* By the wall clock, when it ended by itself. */
static bool record_end(struct guard *g, const struct emergency_row *row, const char *how)
{
	struct happening h = guard_happening(g, PULLCORD__V1__AUDIT_TYPE__AUDIT_BREAKGLASS_END, true, NULL);
	char detail[sizeof(EXPIRED_OFF) + EMERGENCY_REASON_MAX];

	if (row->until_us < h.at_us) {
		h.at_us = row->until_us;
		h.mono_us = 0;
	}
	snprintf(detail, sizeof(detail), "%s%s", how, row->reason);
	h.party = PULLCORD__V1__PARTY__PARTY_USER;
	h.actor = span_str(row->id);
	h.patient = span_str(row->patient);
	h.change = span_str(row->what);
	h.detail = span_str(detail);
	h.emergency_us = row->at_us;
	return record_try(g->record, &h);
}

/* True: something is left to be done, at the next second. */
static bool look_at(struct guard *g, const struct emergency_row *row, struct emergency_open *o, int64_t now_us)
{
	bool again = false;
	const char *how = o->told ? NULL : how_it_ended(g, row, now_us, &again);

	if (how) {
		o->told = record_end(g, row, how);
		o->ticket = record_ticket(g->record);
		again = !o->told;
	}
	if (o->told && !o->forgotten && record_settled(g->record, o->ticket))
		o->forgotten = control_emergency_over(g->control, span_str(o->id), o->at_us) == OK;
	return again || (o->told && !o->forgotten);
}

/* What cannot be read or told now is looked at again a second later. */
void guard_emergency_tick(struct guard *g)
{
	CLEANUP(free_cleanup) struct emergency_row *rows = NULL;
	struct gathered all = { .all = true };
	struct emergency_open *open;
	enum err e;

	if (!g->emergencies.look && g->turn_us < g->emergencies.due_us)
		return;
	e = directory_emergencies(g->directory, gather, &all);
	rows = all.row;
	open = calloc(all.n + 1, sizeof(*open));
	guard_say_trouble(EV_DIRECTORY_FAILED, e, &g->emergencies.was);
	if (!open || !all.all) {
		free(open);
		return;
	}
	g->emergencies.look = e != OK && e != ERR_CORRUPT;
	g->emergencies.due_us = INT64_MAX;
	for (size_t i = 0; i < all.n; i++) {
		open[i] = open_of(g, &rows[i]);
		if (look_at(g, &rows[i], &open[i], g->turn_us))
			g->emergencies.look = true;
		if (!open[i].forgotten && open[i].until_us < g->emergencies.due_us)
			g->emergencies.due_us = open[i].until_us;
	}
	free(g->emergencies.open);
	g->emergencies.open = open;
	g->emergencies.n = all.n;
}

/* Told again at the next start rather than not at all. */
void guard_emergency_end(struct guard *g)
{
	const int64_t end_us = guard_mono_us() + SETTLE_AT_END_US;

	for (size_t i = 0; i < g->emergencies.n; i++) {
		const struct emergency_open *o = &g->emergencies.open[i];

		while (o->told && !record_settled(g->record, o->ticket) && !record_stopped(g->record) && guard_mono_us() < end_us)
			poll(NULL, 0, 1);
		if (o->told && record_settled(g->record, o->ticket))
			(void)!directory_emergency_over(g->directory, span_str(o->id), o->at_us);
	}
	free(g->emergencies.open);
	g->emergencies.open = NULL;
	g->emergencies.n = 0;
}

#include "emergency.h"

#define TAKE "what you take yourself "

const char *emergency_lacks(struct span reason, int64_t until_us, bool placed, int64_t now_us)
{
	if (!span_trim(reason).n)
		return TAKE "needs a \"reason\", which goes on record";
	if (reason.n > EMERGENCY_REASON_MAX)
		return TAKE "has a \"reason\" of at most 180 bytes";
	if (!until_us)
		return TAKE "ends: it needs \"expires\", at most 12 hours from now";
	if (until_us - now_us > EMERGENCY_US_MAX)
		return TAKE "ends at most 12 hours from now";
	return placed ? NULL : TAKE "is for a place: it needs \"unit\" or \"patient\"";
}

bool emergency_is(const struct account *a, const struct grant *g)
{
	return g && a->subject.party == PULLCORD__V1__PARTY__PARTY_USER && g->until_us && g->at_us && g->reason.n &&
	       span_eq(g->by, a->subject.id);
}

/* A grant of the account's, all in a row; NULL: there are no more. */
static const struct grant *grant_at(const struct account *a, size_t i)
{
	const struct subject *s = &a->subject;

	if (i < s->roles)
		return a->role_grant ? &a->role_grant[i] : NULL;
	return a->attribute_grant ? &a->attribute_grant[i - s->roles] : NULL;
}

static void place(struct emergency *list, size_t *n, const struct grant *g)
{
	const int64_t at_us = (int64_t)g->at_us;
	size_t i = 0;

	while (i < *n && list[i].at_us > at_us)
		i++;
	if (i < *n && list[i].at_us == at_us) {
		if (g->until_us > list[i].until_us)
			list[i].until_us = g->until_us;
		return;
	}
	if (i == EMERGENCIES_MAX)
		return;
	*n -= *n == EMERGENCIES_MAX;
	memmove(&list[i + 1], &list[i], (*n - i) * sizeof(*list));
	list[i] = (struct emergency){ at_us, g->until_us, g->reason };
	(*n)++;
}

size_t emergency_list(const struct account *a, int64_t now_us, struct emergency out[EMERGENCIES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < a->subject.roles + a->subject.attributes; i++) {
		const struct grant *g = grant_at(a, i);

		if (emergency_is(a, g) && g->until_us > now_us)
			place(out, &n, g);
	}
	return n;
}

static bool is_of(const struct account *a, const struct grant *g, int64_t at_us)
{
	return emergency_is(a, g) && (!at_us || (int64_t)g->at_us == at_us);
}

bool emergency_lasts(const struct account *a, int64_t at_us, int64_t now_us)
{
	for (size_t i = 0; i < a->subject.roles + a->subject.attributes; i++)
		if (is_of(a, grant_at(a, i), at_us) && grant_at(a, i)->until_us > now_us)
			return true;
	return false;
}

struct subject emergency_without(const struct account *a, struct subject s, int64_t at_us, struct emergency_room *room)
{
	size_t roles = 0, attributes = 0;

	for (size_t i = 0; i < s.roles; i++)
		if (!is_of(a, grant_at(a, i), at_us))
			room->role[roles++] = s.role[i];
	for (size_t i = 0; i < s.attributes; i++)
		if (!is_of(a, grant_at(a, a->subject.roles + i), at_us))
			room->attribute[attributes++] = s.attribute[i];
	s.role = room->role;
	s.roles = roles;
	s.attribute = room->attribute;
	s.attributes = attributes;
	return s;
}

#include "draft.h"

void draft_new(struct draft *d, Pullcord__V1__Party party, struct span tenant, struct span id)
{
	d->account = (struct account){
		.subject = { .party = party, .tenant = tenant, .id = id, .role = d->role, .attribute = d->attribute },
		.role_grant = d->role_grant, .attribute_grant = d->attribute_grant,
	};
}

void draft_of(struct draft *d, const struct account *a)
{
	static const struct grant plain;

	d->account = *a;
	for (size_t i = 0; i < a->subject.roles; i++) {
		d->role[i] = a->subject.role[i];
		d->role_grant[i] = a->role_grant ? a->role_grant[i] : plain;
	}
	for (size_t i = 0; i < a->subject.attributes; i++) {
		d->attribute[i] = a->subject.attribute[i];
		d->attribute_grant[i] = a->attribute_grant ? a->attribute_grant[i] : plain;
	}
	d->account.subject.role = d->role;
	d->account.subject.attribute = d->attribute;
	d->account.role_grant = d->role_grant;
	d->account.attribute_grant = d->attribute_grant;
}

static size_t role_at(const struct draft *d, struct span role)
{
	size_t i = 0;

	while (i < d->account.subject.roles && !span_eq(d->role[i], role))
		i++;
	return i;
}

static size_t attribute_at(const struct draft *d, struct attribute want)
{
	size_t i = 0;

	while (i < d->account.subject.attributes &&
	       !(span_eq(d->attribute[i].name, want.name) && span_eq(d->attribute[i].value, want.value)))
		i++;
	return i;
}

const struct grant *draft_role(const struct draft *d, struct span role)
{
	size_t at = role_at(d, role);

	return at < d->account.subject.roles ? &d->role_grant[at] : NULL;
}

const struct grant *draft_attribute(const struct draft *d, struct attribute a)
{
	size_t at = attribute_at(d, a);

	return at < d->account.subject.attributes ? &d->attribute_grant[at] : NULL;
}

bool draft_add_role(struct draft *d, struct span role, struct grant g)
{
	size_t at = role_at(d, role);

	if (at == ACCOUNT_ROLES_MAX)
		return false;
	if (at == d->account.subject.roles)
		d->account.subject.roles++;
	d->role[at] = role;
	d->role_grant[at] = g;
	return true;
}

bool draft_add_attribute(struct draft *d, struct attribute a, struct grant g)
{
	size_t at = attribute_at(d, a);

	if (at == ACCOUNT_ATTRIBUTES_MAX)
		return false;
	if (at == d->account.subject.attributes)
		d->account.subject.attributes++;
	d->attribute[at] = a;
	d->attribute_grant[at] = g;
	return true;
}

bool draft_drop_role(struct draft *d, struct span role)
{
	size_t at = role_at(d, role), last;

	if (at == d->account.subject.roles)
		return false;
	last = --d->account.subject.roles;
	d->role[at] = d->role[last];
	d->role_grant[at] = d->role_grant[last];
	return true;
}

bool draft_drop_attribute(struct draft *d, struct attribute a)
{
	size_t at = attribute_at(d, a), last;

	if (at == d->account.subject.attributes)
		return false;
	last = --d->account.subject.attributes;
	d->attribute[at] = d->attribute[last];
	d->attribute_grant[at] = d->attribute_grant[last];
	return true;
}

static void enter(struct account *a, enum account_state s, struct grant since)
{
	a->state = s;
	a->state_since = since;
	a->subject.suspended = s == ACCOUNT_SUSPENDED || s == ACCOUNT_WIPED;
}

void draft_state(struct draft *d, enum account_state s, struct grant since)
{
	struct account *a = &d->account;

	if (a->state == ACCOUNT_SUSPENDED && s == ACCOUNT_QUARANTINED) {
		a->suspended_from = s;
		return;
	}
	if (s != ACCOUNT_SUSPENDED)
		a->suspended_from = ACCOUNT_ACTIVE;
	else if (a->state != ACCOUNT_SUSPENDED)
		a->suspended_from = a->state;
	enter(a, s, since);
}

void draft_resume(struct draft *d, struct grant since)
{
	enter(&d->account, d->account.suspended_from, since);
	d->account.suspended_from = ACCOUNT_ACTIVE;
}

#include "deed.h"

#include <stdio.h>

#include "crypt.h"
#include "emergency.h"
#include "topic.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE

/* ---- what deeds have in common --------------------------------------------------------------------------------------- */

static struct grant grant_of(const struct work *w, const struct order *o)
{
	return (struct grant){ o->until_us, (uint64_t)w->a->now_us, o->text[FIELD_REASON], span_str(w->a->id) };
}

/* How something is held, for the record. */
struct held {
	char text[48];
};

static struct held held(const struct grant *g, int64_t now_us)
{
	struct held h;
	char time[COMMAND_TIME];

	if (!g)
		snprintf(h.text, sizeof(h.text), "not held");
	else if (!g->until_us)
		snprintf(h.text, sizeof(h.text), "for good");
	else
		snprintf(h.text, sizeof(h.text), "%s %s", g->until_us > now_us ? "until" : "ended", command_time(g->until_us, time));
	return h;
}

Pullcord__V1__Party order_party(const struct order *o)
{
	return order_has(o, FIELD_DEVICE) ? DEVICE : USER;
}

struct span order_id(const struct order *o)
{
	return o->text[order_has(o, FIELD_DEVICE) ? FIELD_DEVICE : FIELD_USER];
}

const char *party_noun(Pullcord__V1__Party party)
{
	return party == DEVICE ? "device" : "user";
}

/* Takes the account up for changing. */
static bool take(struct work *w, Pullcord__V1__Party party, struct span id)
{
	enum err e;

	account_free(&w->account);
	e = batch_find(w->b, party, id, &w->account);
	if (e == OK && !work_sees(w, w->account))
		e = ERR_NOT_FOUND;
	if (e == ERR_NOT_FOUND)
		work_fail(w, "there is no %s %.*s", party_noun(party), SPAN_FMT(id));
	else if (e != OK)
		work_fail_err(w, e, "read the account");
	else
		draft_of(&w->draft, w->account);
	return e == OK;
}

static bool store(struct work *w, bool create)
{
	enum err e;

	w->draft.account.changed_us = (uint64_t)w->a->now_us;
	e = batch_save(w->b, &w->draft.account, create);
	if (e == ERR_EXISTS)
		work_fail(w, "the name is taken: people and devices share one name space, and no device is called USER.ANYTHING");
	else if (e != OK)
		work_fail_err(w, e, "save the account");
	else
		work_changed(w);
	return e == OK;
}

static bool role_exists(struct work *w, struct span role)
{
	const struct span near = policy_role_near(w->a->policy, span_str(w->tenant), role);

	if (policy_has_role(w->a->policy, role) && span_is(policy_role_tenant(w->a->policy, role), w->tenant))
		return true;
	/* What others have is not told to guests. */
	if (policy_has_role(w->a->policy, role) && span_is(policy_tenant(w->a->policy), w->tenant))
		work_fail(w, "role %.*s is of tenant %.*s", SPAN_FMT(role), SPAN_FMT(policy_role_tenant(w->a->policy, role)));
	else
		work_fail(w, "the policy has no role %.*s%s%.*s%s", SPAN_FMT(role), near.n ? "; did you mean " : "", SPAN_FMT(near),
			  near.n ? "?" : "");
	return false;
}

/* The value as the record has it: of a patient what stands for them. */
#define VALUE_WORD PATIENT_WORD
static struct span value_of(const struct work *w, struct attribute a, char word[VALUE_WORD])
{
	if (!span_is(a.name, "patient") || !a.value.n)
		return a.value;
	return span_str(patient_word(directory_patients(w->a->directory), a.value, word));
}

/* ---- what may be handed out -------------------------------------------------------------------------------------------- */

static bool may_role(struct work *w, struct span role)
{
	const struct verdict v = policy_grant_role(w->a->policy, w->holder, role);

	if (!v.allow)
		work_refuse(w, v, "not permitted: role/%.*s is not yours to hand out or take back", SPAN_FMT(role));
	return v.allow;
}

static bool may_attribute(struct work *w, struct attribute a)
{
	static const char why[] = "not permitted: attribute/%.*s/%.*s is not yours to hand out or take back";
	const struct verdict v = policy_grant_attribute(w->a->policy, w->holder, a);
	char word[VALUE_WORD];

	if (!v.allow) {
		work_refuse(w, v, why, SPAN_FMT(a.name), SPAN_FMT(a.value));
		work_conceal(w, why, SPAN_FMT(a.name), SPAN_FMT(value_of(w, a, word)));
	}
	return v.allow;
}

static bool is_self(const struct work *w, Pullcord__V1__Party party, struct span id)
{
	return party == w->a->party && span_is(id, w->a->id);
}

/* Nobody changes what they hold themselves, unless the policy says so. */
static bool may_about(struct work *w, Pullcord__V1__Party party, struct span id)
{
	const struct verdict v = is_self(w, party, id) ? policy_grant_self(w->a->policy, w->holder) : (struct verdict){ .allow = true };

	if (!v.allow)
		work_refuse(w, v, "not permitted: what you hold yourself is changed by somebody else");
	w->self = w->self || is_self(w, party, id);
	return v.allow;
}

/* Who takes something for themselves says why, until when and where. */
static bool may_take(struct work *w, const struct order *o, bool placed)
{
	const char *lacks = w->self ? emergency_lacks(o->text[FIELD_REASON], o->until_us, placed, w->a->now_us) : NULL;

	if (lacks)
		work_fail(w, "%s", lacks);
	w->taken = w->taken || (w->self && !lacks);
	return !lacks;
}

/* Why they did, in their own words, beside what it changed. */
static void tell_taken(struct work *w, const struct order *o)
{
	if (w->taken)
		work_tell(w, EMERGENCY_WORD "%.*s", SPAN_FMT(o->text[FIELD_REASON]));
}

/* Whoever could log in as somebody, or make them anew, would have all that they hold. */
static bool may_all_of(struct work *w, const struct subject *s)
{
	for (size_t i = 0; i < s->roles; i++)
		if (!may_role(w, s->role[i]))
			return false;
	for (size_t i = 0; i < s->attributes; i++)
		if (!may_attribute(w, s->attribute[i]))
			return false;
	return true;
}

static bool may_end_then(struct work *w, const struct order *o)
{
	if (!o->until_us || o->until_us > w->a->now_us)
		return true;
	work_fail(w, "\"expires\" is over already");
	return false;
}

/* ---- accounts ---------------------------------------------------------------------------------------------------- */

static bool give_roles(struct work *w, const struct order *o)
{
	for (size_t i = 0; i < o->roles; i++) {
		if (draft_role(&w->draft, o->role[i]))
			continue;
		if (!role_exists(w, o->role[i]) || !may_role(w, o->role[i]) || !may_take(w, o, false))
			return false;
		if (!draft_add_role(&w->draft, o->role[i], grant_of(w, o))) {
			work_fail(w, "an account holds at most %d roles", ACCOUNT_ROLES_MAX);
			return false;
		}
	}
	return true;
}

static bool give_attributes(struct work *w, const struct order *o)
{
	for (size_t i = 0; i < o->attributes; i++) {
		if (draft_attribute(&w->draft, o->attribute[i]))
			continue;
		if (!may_attribute(w, o->attribute[i]) || !may_take(w, o, true))
			return false;
		if (!draft_add_attribute(&w->draft, o->attribute[i], grant_of(w, o))) {
			work_fail(w, "an account holds at most %d attributes", ACCOUNT_ATTRIBUTES_MAX);
			return false;
		}
	}
	return true;
}

static bool names_role(const struct order *o, struct span role)
{
	for (size_t i = 0; i < o->roles; i++)
		if (span_eq(o->role[i], role))
			return true;
	return false;
}

static bool names_attribute(const struct order *o, struct attribute a)
{
	for (size_t i = 0; i < o->attributes; i++)
		if (span_eq(o->attribute[i].name, a.name) && span_eq(o->attribute[i].value, a.value))
			return true;
	return false;
}

/* Passwords are hashed as the policy stood when the request came: one that was set since may permit more. */
static bool is_hashed(struct work *w, const struct order *o)
{
	const bool missing = order_has(o, FIELD_PASSWORD) && !o->phc[0];

	if (missing)
		work_fail(w, "it was not permitted when the request came: ask again under the policy that is in force now");
	return !missing;
}

static void deed_create(struct work *w, const struct order *o)
{
	if (!is_hashed(w, o))
		return;
	draft_new(&w->draft, order_party(o), span_str(w->tenant), order_id(o));
	w->draft.account.name = o->text[FIELD_TEXTNAME];
	memcpy(w->draft.account.password, o->phc, sizeof(o->phc));
	memcpy(w->draft.account.certificate, o->fingerprint, sizeof(o->fingerprint));
	if (give_roles(w, o) && give_attributes(w, o) && store(w, true))
		work_tell(w, "%s:%.*s: none -> %zu roles, %zu attributes%s", party_noun(order_party(o)), SPAN_FMT(order_id(o)), o->roles,
		     o->attributes, o->phc[0] ? ", a password" : "");
	crypt_wipe(w->draft.account.password, sizeof(w->draft.account.password));
}

/* What is not named any more. */
static bool drop_others(struct work *w, const struct order *o)
{
	const struct subject *s = &w->draft.account.subject;

	for (size_t i = s->roles; order_has(o, FIELD_ROLES) && i-- > 0;) {
		if (names_role(o, s->role[i]))
			continue;
		if (!may_role(w, s->role[i]))
			return false;
		draft_drop_role(&w->draft, s->role[i]);
	}
	for (size_t i = s->attributes; order_has(o, FIELD_ATTRIBUTES) && i-- > 0;) {
		if (names_attribute(o, s->attribute[i]))
			continue;
		if (!may_attribute(w, s->attribute[i]))
			return false;
		draft_drop_attribute(&w->draft, s->attribute[i]);
	}
	return true;
}

/* Roles and attributes that are named become the whole set; what stays is held as before. */
static void deed_modify(struct work *w, const struct order *o)
{
	const struct subject *s = &w->draft.account.subject;
	bool holding = order_has(o, FIELD_ROLES) || order_has(o, FIELD_ATTRIBUTES);
	size_t roles, attributes;

	if (!take(w, order_party(o), order_id(o)) || (holding && !may_about(w, order_party(o), order_id(o))))
		return;
	if (order_has(o, FIELD_FINGERPRINT) && !may_all_of(w, &w->account->subject))
		return;
	roles = s->roles;
	attributes = s->attributes;
	if (order_has(o, FIELD_TEXTNAME))
		w->draft.account.name = o->text[FIELD_TEXTNAME];
	if (order_has(o, FIELD_FINGERPRINT))
		memcpy(w->draft.account.certificate, o->fingerprint, sizeof(o->fingerprint));
	if (drop_others(w, o) && give_roles(w, o) && give_attributes(w, o) && store(w, false))
		work_tell(w, "%s:%.*s: %zu roles, %zu attributes -> %zu roles, %zu attributes", party_noun(order_party(o)), SPAN_FMT(order_id(o)),
		     roles, attributes, s->roles, s->attributes);
	if (!w->why[0])
		tell_taken(w, o);
}

static void deed_delete(struct work *w, const struct order *o)
{
	enum err e;

	if (!take(w, order_party(o), order_id(o)) || !may_about(w, order_party(o), order_id(o)) ||
	    !may_all_of(w, &w->account->subject))
		return;
	e = batch_remove(w->b, order_party(o), order_id(o));
	if (e != OK)
		work_fail_err(w, e, "remove the account");
	else
		work_changed(w);
	work_tell(w, "%s:%.*s: %s -> removed", party_noun(order_party(o)), SPAN_FMT(order_id(o)), account_state_name(w->account->state));
}

static void deed_password(struct work *w, const struct order *o)
{
	if (!is_hashed(w, o) || !take(w, USER, order_id(o)) || (!is_self(w, USER, order_id(o)) && !may_all_of(w, &w->account->subject)))
		return;
	memcpy(w->draft.account.password, o->phc, sizeof(o->phc));
	w->draft.account.unlocked_us = w->a->now_us;   /* whoever forgot it was locked out by trying */
	if (store(w, false))
		work_tell(w, "user:%.*s password: %s -> another", SPAN_FMT(order_id(o)), w->account->password[0] ? "one" : "none");
	crypt_wipe(w->draft.account.password, sizeof(w->draft.account.password));
}

/* ---- what accounts hold ------------------------------------------------------------------------------------------ */

/* Held for good, or for no shorter than until then; 0: for good. */
static bool outlasts(const struct grant *h, int64_t until_us)
{
	return h && (!h->until_us || (until_us && h->until_us >= until_us));
}

/* On which terms from now on: what people take for themselves in an emergency never shortens what they hold. */
static struct grant terms(const struct work *w, const struct order *o, bool self, const struct grant *h)
{
	return self && outlasts(h, o->until_us) ? *h : grant_of(w, o);
}

/* Where the role is to be used: held with it, on the same terms, if it was not for longer before. */
static bool give_places(struct work *w, const struct order *o)
{
	static const struct { enum field field; const char *name; } rows[] = { { FIELD_UNIT, "unit" }, { FIELD_PATIENT, "patient" } };

	for (size_t i = 0; i < countof(rows); i++) {
		const struct attribute a = { span_str(rows[i].name), o->text[rows[i].field] };

		if (!order_has(o, rows[i].field))
			continue;
		if (!may_attribute(w, a))
			return false;
		if (outlasts(draft_attribute(&w->draft, a), o->until_us))
			continue;
		if (!draft_add_attribute(&w->draft, a, grant_of(w, o))) {
			work_fail(w, "an account holds at most %d attributes", ACCOUNT_ATTRIBUTES_MAX);
			return false;
		}
	}
	return true;
}

static void deed_grant_role(struct work *w, const struct order *o)
{
	const bool placed = order_has(o, FIELD_UNIT) || order_has(o, FIELD_PATIENT);
	struct span role = o->text[FIELD_ROLE];
	const struct grant *h;
	struct grant fresh;
	struct held before;

	if (!may_end_then(w, o) || !role_exists(w, role) || !take(w, order_party(o), order_id(o)) ||
	    !may_about(w, order_party(o), order_id(o)) || !may_role(w, role) || !may_take(w, o, placed) || !give_places(w, o))
		return;
	h = draft_role(&w->draft, role);
	before = held(h, w->a->now_us);
	fresh = terms(w, o, is_self(w, order_party(o), order_id(o)), h);
	if (!draft_add_role(&w->draft, role, fresh))
		work_fail(w, "an account holds at most %d roles", ACCOUNT_ROLES_MAX);
	else if (store(w, false))
		work_tell(w, "%s:%.*s role %.*s: %s -> %s", party_noun(order_party(o)), SPAN_FMT(order_id(o)), SPAN_FMT(role), before.text,
			  held(&fresh, w->a->now_us).text);
	if (!w->why[0])
		tell_taken(w, o);
}

static void deed_revoke_role(struct work *w, const struct order *o)
{
	struct span role = o->text[FIELD_ROLE];
	struct held before;

	if (!take(w, order_party(o), order_id(o)) || !may_about(w, order_party(o), order_id(o)) || !may_role(w, role))
		return;
	before = held(draft_role(&w->draft, role), w->a->now_us);
	if (!draft_drop_role(&w->draft, role))
		work_fail(w, "%.*s does not hold the role %.*s", SPAN_FMT(order_id(o)), SPAN_FMT(role));
	else if (store(w, false))
		work_tell(w, "%s:%.*s role %.*s: %s -> not held", party_noun(order_party(o)), SPAN_FMT(order_id(o)), SPAN_FMT(role), before.text);
}

static bool set_attribute(struct work *w, const struct order *o, Pullcord__V1__Party party, struct span id,
			  struct attribute a)
{
	const struct grant *h;
	char word[VALUE_WORD];
	struct grant fresh;
	struct held before;

	if (!may_end_then(w, o) || !take(w, party, id) || !may_about(w, party, id) || !may_attribute(w, a) || !may_take(w, o, true))
		return false;
	h = draft_attribute(&w->draft, a);
	before = held(h, w->a->now_us);
	fresh = terms(w, o, is_self(w, party, id), h);
	if (!draft_add_attribute(&w->draft, a, fresh)) {
		work_fail(w, "an account holds at most %d attributes", ACCOUNT_ATTRIBUTES_MAX);
		return false;
	}
	if (!store(w, false))
		return false;
	work_tell(w, "%s:%.*s %.*s=%.*s: %s -> %s", party_noun(party), SPAN_FMT(id), SPAN_FMT(a.name), SPAN_FMT(value_of(w, a, word)),
		  before.text, held(&fresh, w->a->now_us).text);
	tell_taken(w, o);
	return true;
}

/* Of one value, or without one of all. */
static bool clear_attribute(struct work *w, Pullcord__V1__Party party, struct span id, struct attribute a)
{
	static const char none[] = "%.*s does not hold %.*s%s%.*s";
	const struct subject *s = &w->draft.account.subject;
	const char *is = a.value.n ? "=" : "";
	char word[VALUE_WORD];
	size_t dropped = 0;

	if (!take(w, party, id) || !may_about(w, party, id))
		return false;
	for (size_t i = s->attributes; i-- > 0;) {
		if (!span_eq(s->attribute[i].name, a.name) || (a.value.n && !span_eq(s->attribute[i].value, a.value)))
			continue;
		if (!may_attribute(w, s->attribute[i]))
			return false;
		dropped += draft_drop_attribute(&w->draft, s->attribute[i]);
	}
	if (!dropped) {
		work_fail(w, none, SPAN_FMT(id), SPAN_FMT(a.name), is, SPAN_FMT(a.value));
		work_conceal(w, none, SPAN_FMT(id), SPAN_FMT(a.name), is, SPAN_FMT(value_of(w, a, word)));
		return false;
	}
	if (!store(w, false))
		return false;
	work_tell(w, "%s:%.*s %.*s%s%.*s: %zu held -> not held", party_noun(party), SPAN_FMT(id), SPAN_FMT(a.name), is,
		  SPAN_FMT(value_of(w, a, word)), dropped);
	return true;
}

static struct attribute named_attribute(const struct order *o)
{
	return (struct attribute){ o->text[FIELD_NAME], o->text[FIELD_VALUE] };
}

static void deed_set_attribute(struct work *w, const struct order *o)
{
	(void)set_attribute(w, o, order_party(o), order_id(o), named_attribute(o));
}

static void deed_clear_attribute(struct work *w, const struct order *o)
{
	(void)clear_attribute(w, order_party(o), order_id(o), named_attribute(o));
}

/* ---- teams: who holds channel=NAME or patient=NAME --------------------------------------------------------------- */

struct attribute order_team(const struct order *o)
{
	return order_has(o, FIELD_PATIENT) ? (struct attribute){ SPAN_LIT("patient"), o->text[FIELD_PATIENT] }
					   : (struct attribute){ SPAN_LIT("channel"), o->text[FIELD_CHANNEL] };
}

/* Each member is recorded alone, in the words of the attribute. */
static void deed_team(struct work *w, const struct order *o)
{
	bool add = o->command == COMMAND_ADD_TEAM_MEMBER;

	for (size_t i = 0; i < o->members; i++) {
		if (i > 0)
			work_note(w, o->command);
		if (!(add ? set_attribute(w, o, USER, o->member[i], order_team(o))
			  : clear_attribute(w, USER, o->member[i], order_team(o))))
			return;
	}
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

#define FROM(state) 1u << ACCOUNT_##state

static const struct {
	enum command command;
	unsigned from;
	enum account_state to;
} moves[] = {
	{ COMMAND_SUSPEND, FROM(ACTIVE) | FROM(QUARANTINED), ACCOUNT_SUSPENDED },
	{ COMMAND_RESUME, FROM(SUSPENDED), ACCOUNT_STATES },     /* whatever it was before */
	{ COMMAND_QUARANTINE, FROM(ACTIVE) | FROM(SUSPENDED), ACCOUNT_QUARANTINED },
	{ COMMAND_RELEASE, FROM(QUARANTINED), ACCOUNT_ACTIVE },
	{ COMMAND_WIPE, FROM(ACTIVE) | FROM(SUSPENDED) | FROM(QUARANTINED), ACCOUNT_WIPED },
};

/* Who gives an account back hands out all it holds. */
static bool may_give_back(struct work *w, const struct order *o)
{
	if (o->command != COMMAND_RESUME && o->command != COMMAND_RELEASE)
		return true;
	return may_about(w, order_party(o), order_id(o)) && may_all_of(w, &w->account->subject);
}

static void deed_move(struct work *w, const struct order *o)
{
	size_t i = 0;

	if (!take(w, order_party(o), order_id(o)) || !may_give_back(w, o))
		return;
	while (moves[i].command != o->command)
		i++;
	if (!(moves[i].from & 1u << w->account->state)) {
		work_fail(w, "%.*s is %s%s", SPAN_FMT(order_id(o)), account_state_name(w->account->state),
		     w->account->state == ACCOUNT_WIPED ? ", for good: remove it and make a new one" : "");
		return;
	}
	if (moves[i].to == ACCOUNT_STATES)
		draft_resume(&w->draft, grant_of(w, o));
	else
		draft_state(&w->draft, moves[i].to, grant_of(w, o));
	w->draft.account.state_since.until_us = 0;
	if (moves[i].to == ACCOUNT_WIPED)
		crypt_wipe(w->draft.account.password, sizeof(w->draft.account.password));
	if (store(w, false))
		work_tell(w, "%s:%.*s: %s -> %s%s", party_noun(order_party(o)), SPAN_FMT(order_id(o)),
			  account_state_name(w->account->state), account_state_name(w->draft.account.state),
			  w->draft.account.suspended_from == ACCOUNT_QUARANTINED ? ", in quarantine once it is resumed" : "");
}

/* ---- lock-outs --------------------------------------------------------------------------------------------------- */

struct locked {
	const struct account *account;
	int64_t now_us;
	unsigned n;
};

static void count_lock(void *ctx, const struct lock *x)
{
	struct locked *l = ctx;

	l->n += lock_holds(x, l->account, l->now_us);
}

static void deed_unlock(struct work *w, const struct order *o)
{
	struct locked locked = { .now_us = w->a->now_us };
	enum err e;

	if (!take(w, USER, order_id(o)))
		return;
	locked.account = w->account;
	e = batch_locks(w->b, count_lock, &locked);
	if (e != OK)
		work_fail_err(w, e, "read the directory");
	w->draft.account.unlocked_us = w->a->now_us;
	if (!w->why[0] && store(w, false))
		work_tell(w, "user:%.*s: %u lock-outs -> none", SPAN_FMT(order_id(o)), locked.n);
}

/* ---- certificates ------------------------------------------------------------------------------------------------ */

static void deed_revoke_certificate(struct work *w, const struct order *o)
{
	struct denial x = { .at_us = (uint64_t)w->a->now_us };
	char hex[65];
	enum err e;

	memcpy(x.fingerprint, o->fingerprint, sizeof(x.fingerprint));
	if (!span_text(o->text[FIELD_REASON], x.reason, sizeof(x.reason)) || !span_text(span_str(w->a->id), x.by, sizeof(x.by)))
		e = ERR_RANGE;
	else
		e = batch_deny(w->b, &x);
	hex_encode(span(o->fingerprint, 32), hex);
	if (e == ERR_EXISTS)
		work_fail(w, "it is revoked already");
	else if (e != OK)
		work_fail_err(w, e, "revoke it");
	else
		work_changed(w);
	work_tell(w, "certificate:%s: allowed -> revoked", hex);
}

static void deed_allow_certificate(struct work *w, const struct order *o)
{
	enum err e = batch_allow(w->b, o->fingerprint);
	char hex[65];

	hex_encode(span(o->fingerprint, 32), hex);
	if (e == ERR_NOT_FOUND)
		work_fail(w, "it is not revoked");
	else if (e != OK)
		work_fail_err(w, e, "allow it");
	else
		work_changed(w);
	work_tell(w, "certificate:%s: revoked -> allowed", hex);
}

/* ---- what can be read back --------------------------------------------------------------------------------------------- */

/* Of which place, in words of a topic; as the record has it. */
static void put_place(const struct work *w, const struct order *o, bool noted, struct put *out)
{
	static const struct { enum field field; const char *level; } rows[] = {
		{ FIELD_CHANNEL, "channel" }, { FIELD_PATIENT, "patient" }, { FIELD_USER, "user" }, { FIELD_UNIT, "unit" },
	};
	struct attribute place;
	char word[VALUE_WORD];
	size_t i = 0;

	while (!order_has(o, rows[i].field))    /* one was given */
		i++;
	place = (struct attribute){ span_str(rows[i].level), o->text[rows[i].field] };
	if (noted)
		place.value = value_of(w, place, word);
	put_fmt(out, "%s/%s/%.*s", w->tenant, rows[i].level, SPAN_FMT(place.value));
}

static void deed_erase_history(struct work *w, const struct order *o)
{
	uint8_t room[3 * (WORD_BYTES_MAX + 1)], told[sizeof(room)];
	struct put place = put(room, sizeof(room)), as_noted = put(told, sizeof(told));
	uint64_t keys;
	enum err e;

	put_place(w, o, false, &place);
	put_place(w, o, true, &as_noted);
	must(put_end(&place) == OK);
	if (!o->text[FIELD_REASON].n) {
		work_fail(w, "it needs a \"reason\"");
		return;
	}
	e = w->a->history ? history_erase(w->a->history, put_span(&place), &keys) : ERR_CLOSED;
	if (e == ERR_BUSY)
		work_fail(w, "what was kept by an earlier version is being sealed anew: try again in a minute");
	else if (e != OK)
		work_fail_err(w, e, "destroy the keys");
	if (w->why[0])
		return;
	reply_number(w->r, "keys", keys);
	work_tell(w, "history of %.*s: %llu keys destroyed: %.*s", SPAN_FMT(put_span(&as_noted)), (unsigned long long)keys,
		  SPAN_FMT(o->text[FIELD_REASON]));
}

/* ---- which command is which ------------------------------------------------------------------------------------------- */

static void (*const deeds[])(struct work *w, const struct order *o) = {
	[COMMAND_CREATE_USER] = deed_create, [COMMAND_CREATE_DEVICE] = deed_create,
	[COMMAND_MODIFY_USER] = deed_modify, [COMMAND_MODIFY_DEVICE] = deed_modify,
	[COMMAND_DELETE_USER] = deed_delete, [COMMAND_DELETE_DEVICE] = deed_delete,
	[COMMAND_GET_USER] = deed_get, [COMMAND_GET_DEVICE] = deed_get,
	[COMMAND_LIST_USERS] = deed_list, [COMMAND_LIST_DEVICES] = deed_list,
	[COMMAND_SET_USER_PASSWORD] = deed_password,
	[COMMAND_GRANT_ROLE] = deed_grant_role, [COMMAND_REVOKE_ROLE] = deed_revoke_role,
	[COMMAND_SET_ATTRIBUTE] = deed_set_attribute, [COMMAND_CLEAR_ATTRIBUTE] = deed_clear_attribute,
	[COMMAND_ADD_TEAM_MEMBER] = deed_team, [COMMAND_REMOVE_TEAM_MEMBER] = deed_team, [COMMAND_GET_TEAM] = deed_get_team,
	[COMMAND_LIST_TEAMS] = deed_list_teams, [COMMAND_LIST_GRANTS] = deed_list_grants,
	[COMMAND_SUSPEND] = deed_move, [COMMAND_RESUME] = deed_move, [COMMAND_QUARANTINE] = deed_move,
	[COMMAND_RELEASE] = deed_move, [COMMAND_WIPE] = deed_move,
	[COMMAND_UNLOCK] = deed_unlock,
	[COMMAND_REVOKE_CERTIFICATE] = deed_revoke_certificate, [COMMAND_ALLOW_CERTIFICATE] = deed_allow_certificate,
	[COMMAND_LIST_CERTIFICATES] = deed_list_certificates,
	[COMMAND_SET_POLICY] = deed_set_policy, [COMMAND_GET_POLICY] = deed_get_policy,
	[COMMAND_GET_POLICY_VERSION] = deed_get_policy, [COMMAND_LIST_POLICY_VERSIONS] = deed_list_policies,
	[COMMAND_SET_SHADOW] = deed_set_shadow, [COMMAND_CLEAR_SHADOW] = deed_clear_shadow,
	[COMMAND_GET_SHADOW] = deed_get_shadow, [COMMAND_PROMOTE_SHADOW] = deed_promote_shadow,
	[COMMAND_HOLD_SEGMENTS] = deed_segments, [COMMAND_RELEASE_SEGMENTS] = deed_segments,
	[COMMAND_ERASE_SEGMENTS] = deed_segments, [COMMAND_LIST_REQUESTS] = deed_list_requests,
	[COMMAND_ERASE_HISTORY] = deed_erase_history,
	[COMMAND_WHO_CAN] = deed_who_can, [COMMAND_EXPLAIN] = deed_explain,
};

void deed_do(struct work *w, const struct order *o)
{
	deeds[o->command](w, o);
}

#include "holding.h"

#include "clock.h"
#include "cmd.h"
#include "edition.h"
#include "policy_file.h"
#include "report.h"
#include "rules.h"

struct attribute holding_attribute(const struct holding *h, size_t i)
{
	struct attribute a;

	if (i < h->unit.n)
		return (struct attribute){ SPAN_LIT("unit"), span_str(h->unit.text[i]) };
	a.name = span_cut(span_str(h->attr.text[i - h->unit.n]), '=', &a.value);
	return a;
}

size_t holding_attributes(const struct holding *h)
{
	return h->unit.n + h->attr.n;
}

int holding_check(const struct opt_page *page, const struct holding *h)
{
	if (opt_words(page, "--role", &h->role) != CMD_DONE || opt_words(page, "--unit", &h->unit) != CMD_DONE)
		return CMD_USAGE;
	for (size_t i = 0; i < holding_attributes(h); i++) {
		struct attribute a = holding_attribute(h, i);

		if (!word_ok(a.name) || !word_ok(a.value))
			return opt_wrong(page, "--attr is NAME=VALUE, each one word of at most %d of A-Z a-z 0-9 . _ : -, not \"%s\"",
					 WORD_BYTES_MAX, h->attr.text[i - h->unit.n]);
	}
	return CMD_DONE;
}

static int say_no_role(const struct install_path *path, const struct policy *p, struct span tenant, struct span role)
{
	const struct span near = policy_role_near(p, tenant, role);

	report_error("the policy has no role %.*s%s%.*s%s", SPAN_FMT(role), near.n ? "; did you mean " : "", SPAN_FMT(near),
		     near.n ? "?" : "");
	report_hint("roles are written in %s, as: role %.*s", path->text, SPAN_FMT(role));
	return CMD_NO;
}

/* NULL: it does not load, which was said; and is no reason to stop here. */
static struct policy *load_policy(const struct install_path *path)
{
	struct policy *policy = NULL;
	struct policy_error where;

	if (policy_file_load(path->text, &policy, &where) != OK)
		report_hint("note: %s cannot be read, so roles are not checked; see pullcord policy check", path->text);
	return policy;
}

/* A mistyped role, or another tenant's, would grant nothing, silently. */
static int check_roles(const struct install *in, struct span id, struct span tenant, const struct holding *h)
{
	const struct install_path path = install_path(in, POLICY_FILE);
	CLEANUP(policy_close) struct policy *policy = load_policy(&path);

	for (size_t i = 0; policy && i < h->role.n; i++) {
		const struct span role = span_str(h->role.text[i]), whose = policy_role_tenant(policy, role);

		if (!policy_has_role(policy, role))
			return say_no_role(&path, policy, tenant, role);
		if (span_eq(whose, tenant))
			continue;
		report_error("role %.*s is of tenant %.*s, and %.*s of %.*s: nobody holds another tenant's role", SPAN_FMT(role),
			     SPAN_FMT(whose), SPAN_FMT(id), SPAN_FMT(tenant));
		return CMD_NO;
	}
	return CMD_DONE;
}

/* "mercy, lakeside" */
static const char *tenants_text(const struct policy *p, char *out, size_t cap)
{
	struct put b = put(out, cap - 1);

	for (uint32_t i = 0; i < policy_count(p).tenants; i++)
		put_fmt(&b, "%s%.*s", i ? ", " : "", SPAN_FMT(policy_tenant_at(p, i)));
	out[b.n < cap ? b.n : cap - 1] = '\0';
	return out;
}

#define TENANTS_TEXT_MAX (RULES_TENANTS_MAX * (WORD_BYTES_MAX + 2) + 1)

static int say_no_tenant(const struct policy *p, struct span tenant)
{
	char all[TENANTS_TEXT_MAX];

	report_error("the policy has no tenant %.*s; it has %s", SPAN_FMT(tenant), tenants_text(p, all, sizeof(all)));
	return CMD_NO;
}

/* `tenant` in: as it was named; empty: not. */
static int choose_tenant(const struct opt_page *page, const struct install_path *path, const struct policy *p,
			 const struct holding *h, struct span *tenant)
{
	struct span by = span(NULL, 0);
	char all[TENANTS_TEXT_MAX];

	if (tenant->n && !policy_has_tenant(p, *tenant))
		return say_no_tenant(p, *tenant);
	for (size_t i = 0; i < h->role.n; i++) {
		const struct span role = span_str(h->role.text[i]), whose = policy_role_tenant(p, role);

		if (!policy_has_role(p, role))
			return say_no_role(path, p, tenant->n ? *tenant : policy_tenant(p), role);
		if (!tenant->n)
			*tenant = whose;
		if (!span_eq(*tenant, whose)) {
			report_error("role %.*s is of tenant %.*s, and %s%.*s of %.*s: an account is of one tenant", SPAN_FMT(role),
				     SPAN_FMT(whose), by.n ? "role " : "--tenant says it is", SPAN_FMT(by), SPAN_FMT(*tenant));
			return CMD_NO;
		}
		by = role;
	}
	if (!tenant->n && policy_count(p).tenants > 1)
		return opt_wrong(page, "whose is it? the policy has several tenants: give a --role, or --tenant with one of %s",
				 tenants_text(p, all, sizeof(all)));
	if (!tenant->n)
		*tenant = policy_tenant(p);
	return CMD_DONE;
}

/* Where nobody is of it, it is more likely misspelt. */
int holding_check_tenant(const struct install *in, const char *tenant)
{
	const struct install_path path = install_path(in, POLICY_FILE);
	CLEANUP(policy_close) struct policy *policy = tenant ? load_policy(&path) : NULL;

	return !policy || policy_has_tenant(policy, span_str(tenant)) ? CMD_DONE : say_no_tenant(policy, span_str(tenant));
}

int holding_tenant(const struct opt_page *page, struct install *in, const struct holding *h, const char *named)
{
	const struct install_path path = install_path(in, POLICY_FILE);
	CLEANUP(policy_close) struct policy *policy = NULL;
	struct span tenant = span_str(named ? named : "");
	int code = holding_check(page, h);

	if (code != CMD_DONE)
		return code;
	if (named && opt_word(page, "--tenant", named) != CMD_DONE)
		return CMD_USAGE;
	policy = load_policy(&path);
	if (policy)
		code = choose_tenant(page, &path, policy, h, &tenant);
	if (code == CMD_DONE && tenant.n)
		must(span_text(tenant, in->tenant, sizeof(in->tenant)));
	return code;
}

int holding_add(const struct opt_page *page, const struct holding *h, struct draft *d)
{
	const struct grant g = { .at_us = (uint64_t)clock_us(CLOCK_REALTIME) };
	int code = holding_check(page, h);
	bool room = true;

	if (code != CMD_DONE)
		return code;
	for (size_t i = 0; i < h->role.n; i++)
		room &= draft_add_role(d, span_str(h->role.text[i]), g);
	for (size_t i = 0; i < holding_attributes(h); i++)
		room &= draft_add_attribute(d, holding_attribute(h, i), g);
	if (room)
		return CMD_DONE;
	return report_fail(ERR_FULL, "hold more than %d roles or %d attributes", ACCOUNT_ROLES_MAX,
			   ACCOUNT_ATTRIBUTES_MAX);
}

int holding_add_known(const struct opt_page *page, const struct install *in, const struct holding *h, struct draft *d)
{
	int code = holding_check(page, h);

	if (code == CMD_DONE && h->role.n)
		code = check_roles(in, d->account.subject.id, d->account.subject.tenant, h);
	return code == CMD_DONE ? holding_add(page, h, d) : code;
}

int holding_drop(const struct opt_page *page, const struct holding *h, struct draft *d)
{
	int code = holding_check(page, h);

	if (code != CMD_DONE)
		return code;
	for (size_t i = 0; i < h->role.n; i++) {
		if (draft_drop_role(d, span_str(h->role.text[i])))
			continue;
		report_error("%.*s does not hold the role %s", SPAN_FMT(d->account.subject.id), h->role.text[i]);
		return CMD_NO;
	}
	for (size_t i = 0; i < holding_attributes(h); i++) {
		struct attribute a = holding_attribute(h, i);

		if (draft_drop_attribute(d, a))
			continue;
		report_error("%.*s does not hold %.*s=%.*s", SPAN_FMT(d->account.subject.id), SPAN_FMT(a.name),
			     SPAN_FMT(a.value));
		return CMD_NO;
	}
	return CMD_DONE;
}

void holding_note_unasked(const struct install *in, const struct account *a)
{
	const struct install_path path = install_path(in, POLICY_FILE);
	CLEANUP(policy_close) struct policy *policy = NULL;
	CLEANUP(holder_close) struct holder *holder = NULL;
	struct policy_error where;

	if (policy_file_load(path.text, &policy, &where) != OK || policy_bind(policy, &a->subject, &holder) != OK)
		return;
	for (size_t i = 0; i < a->subject.attributes; i++) {
		const struct attribute *held = &a->subject.attribute[i];
		bool said = false;

		for (size_t k = 0; k < i; k++)
			said |= span_eq(a->subject.attribute[k].name, held->name);
		if (!said && !policy_holds(policy, holder, *held))
			report_hint("note: no rule of %s asks for {%.*s}; is that its name?", path.text, SPAN_FMT(held->name));
	}
}

#include "compiled.h"
#include "line.h"
#include "shares.h"

#define EXPLAIN_TEXT_MAX 1024
#define EXPLAIN_VALUES_MAX 8
#define EXPLAIN_HINTS_MAX 5

/* One explanation under way: who asks for what, resolved as the decision resolves it, and the line being written. */
struct teller {
	const struct policy *p;
	const struct subject *s;
	const struct topic *topic;
	enum access access;
	const struct holder *h;
	struct step step[TOPIC_LEVELS_MAX];
	void (*say)(void *ctx, uint32_t line, const char *text);
	void *ctx;
	struct put b;
	char text[EXPLAIN_TEXT_MAX];
};

static void begin(struct teller *t)
{
	t->b = put(t->text, sizeof(t->text) - 1);
}

static void tell(struct teller *t, uint32_t line)
{
	t->text[t->b.n] = '\0';
	t->say(t->ctx, line, t->text);
}

static struct place_text place(const struct teller *t, uint32_t line)
{
	return rules_place_text(&t->p->rules, line);
}

static void put_name(struct put *b, struct span s)
{
	if (word_ok(s))
		put_bytes(b, s);
	else
		put_str(b, quote(s).text);
}

/* "publish to mercy/unit/icu3/ack/nc1" */
static void put_deed(struct teller *t)
{
	put_fmt(&t->b, "%s%s ", access_name(t->access), t->access & (ACCESS_RECEIVE | ACCESS_CONTROL | ACCESS_GRANT) ? "" : " to");
	if (!t->topic->n)
		put_str(&t->b, "that");         /* not one of our topics */
	for (uint32_t i = 0; i < t->topic->n; i++) {
		struct span level = t->topic->level[i];

		put_str(&t->b, !i ? "" : t->access == ACCESS_CONTROL ? "." : "/");
		if (span_is(level, "+") || span_is(level, "#"))
			put_bytes(&t->b, level);
		else
			put_name(&t->b, level);
	}
}

static void put_rule(struct teller *t, const struct rule *rule)
{
	put_fmt(&t->b, "role ");
	put_name(&t->b, t->p->rules.role[rule->role].name);
	put_fmt(&t->b, ", %s %s %.*s: ", effect_name(rule->effect), accesses_name(rule->accesses),
		SPAN_FMT(rule->pattern));
}

/* ---- how a rule fits --------------------------------------------------------------------------------------------- */

enum fit_kind { FIT_YES, FIT_LACKS, FIT_OWN, FIT_OTHER, FIT_WIDER, FIT_ENDS, FIT_LONGER };

struct fit {
	enum fit_kind kind;
	uint32_t level;             /* where it does not fit, from 0 */
	struct wish lacks;          /* values that would make it fit, when kind is FIT_LACKS */
};

static enum fit_kind fit_level(const struct step *rule, const struct step *topic)
{
	if (rule->kind == STEP_PLUS && topic->kind != STEP_HASH)
		return FIT_YES;
	if (topic->kind != STEP_WORD)
		return FIT_WIDER;
	if (rule->kind == STEP_WORD)
		return topic->number == rule->number ? FIT_YES : FIT_OTHER;
	if (topic->attributes & rule->attributes)
		return FIT_YES;
	return rule->number < OWN_COUNT ? FIT_OWN : FIT_LACKS;
}

static void lack(struct teller *t, struct fit *f, uint32_t level, const struct step *rule)
{
	struct attribute want = { t->p->rules.attribute[rule->number], t->topic->level[level] };

	if (f->kind == FIT_YES)
		f->level = level;
	f->kind = FIT_LACKS;
	for (size_t i = 0; i < f->lacks.attributes; i++)
		if (span_eq(f->lacks.attribute[i].name, want.name) && span_eq(f->lacks.attribute[i].value, want.value))
			return;
	f->lacks.attribute[f->lacks.attributes++] = want;
}

/* Does one rule cover the topic or filter? One rule at a time, but by the same steps the trie is made of. */
static struct fit fit_rule(struct teller *t, const struct rule *rule)
{
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(t->p, rule, step), i;
	struct fit f = { 0 };
	enum fit_kind kind;

	for (i = 0; i < n && step[i].kind != STEP_HASH; i++) {
		kind = i == t->topic->n ? FIT_ENDS : fit_level(&step[i], &t->step[i]);
		if (kind == FIT_LACKS)
			lack(t, &f, i, &step[i]);
		else if (kind != FIT_YES)
			return (struct fit){ .kind = kind, .level = i };
	}
	if (i == n && t->topic->n > n)
		return (struct fit){ .kind = FIT_LONGER, .level = i };
	return f;
}

/* Is there a topic the filter matches that the rule matches too? */
static bool meets_rule(struct teller *t, const struct rule *rule)
{
	struct step step[TOPIC_LEVELS_MAX];
	uint32_t n = policy_steps(t->p, rule, step), i;
	bool rest = false;          /* the filter's '#' was met */

	for (i = 0; i < n && step[i].kind != STEP_HASH; i++) {
		if (!rest && i == t->topic->n)
			return false;
		rest = rest || t->step[i].kind == STEP_HASH;
		if (step[i].kind == STEP_ATTRIBUTE && !(t->h->attributes & step[i].attributes))
			return false;
		if (!rest && t->step[i].kind == STEP_WORD && fit_level(&step[i], &t->step[i]) != FIT_YES)
			return false;
	}
	return i < n || rest || t->topic->n == n || t->step[n].kind == STEP_HASH;
}

static bool applies(struct teller *t, const struct rule *rule, const struct fit *f)
{
	return rule->effect == EFFECT_DENY && t->access == ACCESS_SUBSCRIBE ? meets_rule(t, rule) : f->kind == FIT_YES;
}

/* ---- the rules --------------------------------------------------------------------------------------------------- */

/* "unit of ana is icu3, icu5", "ana has no unit" */
static void put_values(struct teller *t, struct span name)
{
	size_t n = 0;

	for (size_t i = 0; i < t->s->attributes; i++) {
		if (!span_eq(t->s->attribute[i].name, name) || n++ >= EXPLAIN_VALUES_MAX)
			continue;
		if (n == 1) {
			put_name(&t->b, name);
			put_str(&t->b, " of ");
			put_name(&t->b, t->s->id);
			put_str(&t->b, " is ");
		}
		put_str(&t->b, n > 1 ? ", " : "");
		put_name(&t->b, t->s->attribute[i].value);
	}
	if (n == 0) {
		put_name(&t->b, t->s->id);
		put_str(&t->b, " has no ");
		put_name(&t->b, name);
	} else if (n > EXPLAIN_VALUES_MAX) {
		put_fmt(&t->b, " and %zu more", n - EXPLAIN_VALUES_MAX);
	}
}

static void put_misfit(struct teller *t, const struct rule *rule, const struct fit *f)
{
	struct span want = { 0 }, have = f->level < t->topic->n ? t->topic->level[f->level] : want;
	const struct pattern pattern = rule_pattern(rule);

	if (f->level < pattern.n)
		want = pattern.level[f->level].text;
	if (f->kind == FIT_LONGER || f->kind == FIT_ENDS) {
		bool more = pattern.level[pattern.n - 1].kind == STEP_HASH;

		put_fmt(&t->b, "has %u levels%s, not %u", pattern.n - more, more ? " or more" : "", t->topic->n);
		return;
	}
	put_fmt(&t->b, "level %u is %s, ", f->level + 1, quote(have).text);
	switch (f->kind) {
	case FIT_OTHER:
		put_fmt(&t->b, "not %s", quote(want).text);
		break;
	case FIT_OWN:
		put_fmt(&t->b, "not {%.*s} of ", SPAN_FMT(want));
		put_name(&t->b, t->s->id);
		break;
	case FIT_LACKS:
		put_str(&t->b, "but ");
		put_values(t, want);
		break;
	default:
		put_fmt(&t->b, "wider than what the rule says");
		break;
	}
}

static void tell_rule(struct teller *t, const struct rule *rule)
{
	struct fit f = fit_rule(t, rule);
	bool speaks = rule->accesses & (unsigned)t->access, fits = applies(t, rule, &f);

	if (!speaks && !fits)
		return;
	begin(t);
	put_rule(t, rule);
	if (!speaks)
		put_fmt(&t->b, "fits, but does not speak of %s", access_name(t->access));
	else if (fits && rule->effect == EFFECT_DENY)
		put_str(&t->b, f.kind == FIT_YES ? "denies it" : "denies a part of it");
	else if (fits)
		put_str(&t->b, "allows it");
	else
		put_misfit(t, rule, &f);
	tell(t, rule->line);
}

static bool holds(const struct holder *h, uint32_t role)
{
	for (uint32_t i = 0; i < h->roles; i++)
		if (h->role[i] == role)
			return true;
	return false;
}

static void tell_rules(struct teller *t)
{
	const struct rules *r = &t->p->rules;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->rule[i].effect <= EFFECT_DENY && holds(t->h, r->rule[i].role))
			tell_rule(t, &r->rule[i]);
}

/* ---- the verdict ------------------------------------------------------------------------------------------------- */

static bool denies_part(struct teller *t, uint32_t line)
{
	const struct rules *r = &t->p->rules;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->rule[i].line == line)
			return fit_rule(t, &r->rule[i]).kind != FIT_YES;
	return false;
}

static void tell_verdict(struct teller *t, const struct verdict *v)
{
	begin(t);
	put_str(&t->b, v->allow ? "allowed: " : "denied: ");
	put_name(&t->b, t->s->id);
	put_str(&t->b, v->allow ? " may " : " may not ");
	put_deed(t);
	switch (v->why) {
	case WHY_ALLOWED:
		if (!v->line)
			put_str(&t->b, ": no role of this tenant limits what is handed out, so whoever may give the command may");
		else
			put_fmt(&t->b, ", by %s%s", place(t, v->line).text, v->life_critical ? "; it is life-critical" : "");
		break;
	case WHY_DENIED:
		put_fmt(&t->b, denies_part(t, v->line) ? ": %s denies a part of it, and a filter is granted whole or not at all"
						       : ": %s denies it, and deny beats allow", place(t, v->line).text);
		break;
	case WHY_NO_RULE:
		put_fmt(&t->b, ": no role of ");
		put_name(&t->b, t->s->id);
		put_fmt(&t->b, " allows %s there", access_name(t->access));
		break;
	default:
		put_fmt(&t->b, ": %s", why_text(v->why));
		break;
	}
	tell(t, 0);
}

/* ---- what would have to change ----------------------------------------------------------------------------------- */

/* Tried, not guessed: the wish is fulfilled and decided. */
static bool would_allow(struct teller *t, const struct wish *w)
{
	CLEANUP(holder_close) struct holder *h = NULL;

	return holder_make(t->p, t->s, w, &h) == OK && policy_decide(t->p, h, t->access, t->topic).allow;
}

/* "role charge-nurse would (line 14)", "would be allowed if unit had icu4 (line 12)" */
static void tell_wish(struct teller *t, const struct wish *w, uint32_t line)
{
	begin(t);
	if (w->role.n) {
		put_str(&t->b, "role ");
		put_name(&t->b, w->role);
		put_str(&t->b, " would");
	} else {
		put_str(&t->b, "would be allowed");
	}
	for (size_t i = 0; i < w->attributes; i++) {
		put_str(&t->b, i ? " and " : " if ");
		put_name(&t->b, w->attribute[i].name);
		put_str(&t->b, " had ");
		put_name(&t->b, w->attribute[i].value);
	}
	put_fmt(&t->b, " (%s)", place(t, line).text);
	tell(t, 0);
}

/* Would this rule do it, in the hands of somebody who lacks only its role or some values? */
static bool helps(struct teller *t, const struct rule *rule, struct wish *w)
{
	struct fit f;

	if (rule->effect != EFFECT_ALLOW || !(rule->accesses & (unsigned)t->access))
		return false;
	f = fit_rule(t, rule);
	*w = f.lacks;
	if (!holds(t->h, rule->role))
		w->role = t->p->rules.role[rule->role].name;
	return (f.kind == FIT_YES || f.kind == FIT_LACKS) && would_allow(t, w);
}

static void tell_wishes(struct teller *t)
{
	const struct rules *r = &t->p->rules;
	uint32_t found = 0, last = 0;
	struct wish w;

	for (uint32_t i = 0; i < r->n; i++) {
		if (r->rule[i].role == last || !helps(t, &r->rule[i], &w))
			continue;
		last = r->rule[i].role;
		if (found++ < EXPLAIN_HINTS_MAX)
			tell_wish(t, &w, r->rule[i].line);
	}
	begin(t);
	if (found > EXPLAIN_HINTS_MAX)
		put_fmt(&t->b, "so would %u more roles", found - EXPLAIN_HINTS_MAX);
	else if (found == 0)
		put_fmt(&t->b, "no role of %.*s would do, whatever values were added: the policy would need another rule",
			SPAN_FMT(t->s->tenant));
	else
		return;
	tell(t, 0);
}

/* A filter that asks for too much: which of its parts there are. */
static void tell_parts(struct teller *t)
{
	const struct rules *r = &t->p->rules;
	uint32_t told = 0;

	for (uint32_t i = 0; i < r->n && told < EXPLAIN_HINTS_MAX; i++) {
		const struct rule *rule = &r->rule[i];

		if (rule->effect != EFFECT_ALLOW || !(rule->accesses & ACCESS_SUBSCRIBE) || !holds(t->h, rule->role) ||
		    !meets_rule(t, rule))
			continue;
		begin(t);
		put_fmt(&t->b, "a part of it is granted: subscribe within %.*s (%s)", SPAN_FMT(rule->pattern),
			place(t, rule->line).text);
		tell(t, 0);
		told++;
	}
}

/* The rule that would allow it, were there no deny; NULL: none would. */
static const struct rule *would_do(struct teller *t)
{
	const struct rules *r = &t->p->rules;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->rule[i].effect == EFFECT_ALLOW && r->rule[i].accesses & (unsigned)t->access && holds(t->h, r->rule[i].role) &&
		    fit_rule(t, &r->rule[i]).kind == FIT_YES)
			return &r->rule[i];
	return NULL;
}

static void tell_one_deny(struct teller *t, const struct rule *deny, bool whole)
{
	begin(t);
	put_str(&t->b, place(t, deny->line).text);
	if (!whole)
		put_fmt(&t->b, " would have to say deny %s, which holds back single messages and no subscription; or it",
			accesses_name(deny->accesses & ~(unsigned)ACCESS_SUBSCRIBE));
	put_str(&t->b, " would have to be narrowed or go, or ");
	put_name(&t->b, t->s->id);
	put_fmt(&t->b, " lose role %.*s", SPAN_FMT(t->p->rules.role[deny->role].name));
	tell(t, 0);
}

/* Every deny that stands in the way: without all of them it would be allowed, or not even then. */
static void tell_denies(struct teller *t)
{
	const struct rules *r = &t->p->rules;
	const struct rule *allow = would_do(t);
	uint32_t found = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->rule[i];
		struct fit f;

		if (rule->effect != EFFECT_DENY || !(rule->accesses & (unsigned)t->access) || !holds(t->h, rule->role))
			continue;
		f = fit_rule(t, rule);
		if (applies(t, rule, &f) && found++ < EXPLAIN_HINTS_MAX)
			tell_one_deny(t, rule, f.kind == FIT_YES);
	}
	begin(t);
	if (found > EXPLAIN_HINTS_MAX)
		put_fmt(&t->b, "so would %u more; ", found - EXPLAIN_HINTS_MAX);
	put_str(&t->b, found > 1 ? "without all of them " : "without it ");
	if (allow)
		put_fmt(&t->b, "%s would allow it", place(t, allow->line).text);
	else
		put_str(&t->b, "no rule would allow it");
	tell(t, 0);
}

static void tell_grammar(struct teller *t)
{
	struct span first = t->topic->n ? t->topic->level[0] : span(NULL, 0);

	begin(t);
	if (first.n && first.p[0] == '$')
		put_str(&t->b, "topics and filters that begin with '$' are nobody's; shared subscriptions ($share) are refused, "
			"because a member that loses its right would swallow messages meant for the others");
	else
		put_fmt(&t->b, "a topic has 1 to %d levels of letters, digits and . _ : -, and wildcards only in a subscription",
			TOPIC_LEVELS_MAX);
	tell(t, 0);
}

static void tell_quarantined(struct teller *t)
{
	begin(t);
	put_name(&t->b, t->s->id);
	put_fmt(&t->b, " would have to be released from quarantine%s",
		would_allow(t, &(struct wish){ .released = true }) ? "" : "; and even then no rule allows it");
	tell(t, 0);
}

static void tell_suspended(struct teller *t)
{
	begin(t);
	put_name(&t->b, t->s->id);
	put_fmt(&t->b, " would have to be resumed%s",
		would_allow(t, &(struct wish){ .resumed = true }) ? "" : "; and even then no rule allows it");
	tell(t, 0);
}

/* Which of the two sides has not said so. */
static void tell_foreign(struct teller *t)
{
	const struct tenant *own = &t->p->rules.tenant[t->h->tenant];
	const struct topic *topic = t->topic;
	struct span owner = topic->level[0], channel = topic->n > 2 ? topic->level[2] : owner;

	begin(t);
	if (topic->n < 3 || !span_is(topic->level[1], "channel") || !word_ok(channel)) {
		put_fmt(&t->b, "between tenants only channels can be shared, each by name: %.*s/channel/NAME/...", SPAN_FMT(owner));
		tell(t, 0);
		return;
	}
	if (!shares_has(t->p, SIDE_OWNER, t->h->tenant, t->access, t->step, topic->n))
		put_fmt(&t->b, "tenant %.*s would have to say: share channel %.*s with %.*s", SPAN_FMT(owner), SPAN_FMT(channel),
			SPAN_FMT(own->name));
	else
		put_fmt(&t->b, "tenant %.*s would have to say: join channel %.*s of %.*s", SPAN_FMT(own->name), SPAN_FMT(channel),
			SPAN_FMT(owner));
	tell(t, 0);
}

static void tell_change(struct teller *t, const struct verdict *v)
{
	switch (v->why) {
	case WHY_NOT_HELD:
		tell_parts(t);
		tell_wishes(t);
		break;
	case WHY_NO_RULE:
		if (t->h->tenant)
			tell_wishes(t);
		break;
	case WHY_FOREIGN:
		tell_foreign(t);
		break;
	case WHY_DENIED:
		tell_denies(t);
		break;
	case WHY_GRAMMAR:
		tell_grammar(t);
		break;
	case WHY_SUSPENDED:
		tell_suspended(t);
		break;
	case WHY_QUARANTINED:
		tell_quarantined(t);
		break;
	default:
		break;
	}
}

static void put_networks(struct teller *t, const struct role *role)
{
	char text[NETWORK_TEXT_MAX];

	for (uint32_t i = 0; i < role->networks && i < EXPLAIN_VALUES_MAX; i++)
		put_fmt(&t->b, "%s%s", i ? ", " : "", network_write(&t->p->rules.network[role->network + i], text));
	put_str(&t->b, role->networks > EXPLAIN_VALUES_MAX ? ", ..." : "");
}

/* Roles that count for nothing here, because of where the subject is. */
static void tell_away(struct teller *t)
{
	for (uint32_t i = t->h->roles; i < t->h->roles + t->h->away; i++) {
		const struct role *role = &t->p->rules.role[t->h->role[i]];

		begin(t);
		put_fmt(&t->b, "role %.*s is for ", SPAN_FMT(role->name));
		put_networks(t, role);
		put_str(&t->b, t->s->address.n ? " only, not for " : " only, and from where is not known");
		if (t->s->address.n)
			put_str(&t->b, quote(t->s->address).text);
		put_str(&t->b, ": it gives nothing");
		tell(t, role->line);
	}
}

/* Roles and a tenant this policy knows nothing of: the usual slips. */
static void tell_strangers(struct teller *t)
{
	if (!rules_tenant(&t->p->rules, t->s->tenant)) {
		begin(t);
		put_name(&t->b, t->s->id);
		put_str(&t->b, " belongs to tenant ");
		put_name(&t->b, t->s->tenant);
		put_fmt(&t->b, "; this policy is for %.*s%s", SPAN_FMT(policy_tenant(t->p)),
			t->p->rules.tenants > 1 ? " and others" : "");
		tell(t, 0);
	}
	for (size_t i = 0; i < t->s->roles; i++) {
		bool known = policy_has_role(t->p, t->s->role[i]);

		if (known && span_eq(policy_role_tenant(t->p, t->s->role[i]), t->s->tenant))
			continue;
		begin(t);
		put_str(&t->b, "role ");
		put_name(&t->b, t->s->role[i]);
		put_fmt(&t->b, " is %s: it gives nothing", known ? "another tenant's" : "not in this policy");
		tell(t, 0);
	}
}

void policy_explain(const struct policy *p, const struct subject *s, enum access a, const struct topic *topic,
		    void (*say)(void *ctx, uint32_t line, const char *text), void *ctx)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct teller t = { .p = p, .s = s, .topic = topic, .access = a, .say = say, .ctx = ctx };
	struct policy_topic prepared;
	struct verdict v;

	if (policy_bind(p, s, &h) != OK) {
		say(ctx, 0, "there is no memory left to explain it");
		return;
	}
	t.h = h;
	v = policy_decide(p, h, a, topic);
	policy_prepare(p, a, topic, &prepared);
	if (prepared.n) {
		holder_resolve(h, &prepared, UINT32_MAX, t.step);
		tell_strangers(&t);
		tell_away(&t);
		tell_rules(&t);
	}
	tell_verdict(&t, &v);
	tell_change(&t, &v);
}

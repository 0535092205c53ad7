#include "differ.h"

#include <stdio.h>
#include <stdlib.h>

#include "listing.h"

/* One level of a pattern, or of what two patterns match both: that word, or any; and values of up to two attributes. */
struct place {
	struct span word, attribute[2];
};

struct shape {
	uint32_t n;
	bool tail;                      /* and whatever follows */
	struct place at[TOPIC_LEVELS_MAX];
};

struct run {
	struct differ *d;
	const struct subject *s;        /* its roles; and its values, unless `any` */
	bool any;
	struct holder *h[2];            /* of s; NULL when any */
	struct gain *found;
	size_t n;
	/* what is looked at */
	bool gain, whole;               /* whole: wildcards are asked as such */
	enum access access;
	uint32_t line, denied;          /* that allows; of the last answer, that denied */
	size_t tried;
};

/* The topic that is asked, level by level, and how it is shown. */
struct instance {
	char word[TOPIC_LEVELS_MAX][WORD_BYTES_MAX + 1];
	char shown[TOPIC_LEVELS_MAX][2 * WORD_BYTES_MAX + 8];
};

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static void shape_read(const struct listed *l, struct shape *out)
{
	struct pattern p;
	size_t bad;

	must(!(l->accesses == ACCESS_CONTROL ? pattern_read_command : l->accesses == ACCESS_GRANT ? pattern_read_grant
		: pattern_read)(l->pattern, &p, &bad));
	*out = (struct shape){ .tail = p.level[p.n - 1].kind == STEP_HASH };
	for (uint32_t i = 0; i < p.n - out->tail; i++, out->n++)
		if (p.level[i].kind == STEP_WORD)
			out->at[i].word = p.level[i].text;
		else if (p.level[i].kind == STEP_ATTRIBUTE)
			out->at[i].attribute[0] = p.level[i].text;
}

static bool place_meet(const struct place *a, const struct place *b, struct place *out)
{
	*out = *a;
	if (a->word.n && b->word.n && !span_eq(a->word, b->word))
		return false;
	if (!out->word.n)
		out->word = b->word;
	if (b->attribute[0].n && !span_eq(a->attribute[0], b->attribute[0]))
		out->attribute[a->attribute[0].n != 0] = b->attribute[0];
	return true;
}

/* Of two patterns, what both match. */
static bool shape_meet(const struct shape *a, const struct shape *b, struct shape *out)
{
	static const struct place open = { .word = { NULL, 0 } };
	uint32_t n = a->n > b->n ? a->n : b->n;

	if ((a->n < n && !a->tail) || (b->n < n && !b->tail))
		return false;
	*out = (struct shape){ .n = n, .tail = a->tail && b->tail };
	for (uint32_t i = 0; i < n; i++)
		if (!place_meet(i < a->n ? &a->at[i] : &open, i < b->n ? &b->at[i] : &open, &out->at[i]))
			return false;
	return true;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static bool is_own(struct span attribute)
{
	for (unsigned i = 0; i < OWN_COUNT; i++)
		if (span_is(attribute, own_names[i]))
			return true;
	return false;
}

static Pullcord__V1__Party party_of(struct span own)
{
	return span_is(own, own_names[OWN_USER]) ? PULLCORD__V1__PARTY__PARTY_USER : PULLCORD__V1__PARTY__PARTY_DEVICE;
}

/* Somebody who has just the values this shape asks for. False: nobody can. */
static bool imagine(const struct run *r, const struct shape *s, const struct instance *in, struct subject *who,
		    struct attribute attribute[2 * TOPIC_LEVELS_MAX])
{
	bool own = false;

	*who = *r->s;
	who->attribute = attribute;
	who->attributes = 0;
	for (uint32_t i = 0; i < 2 * s->n; i++) {
		struct span name = s->at[i / 2].attribute[i % 2], value = span_str(in->word[i / 2]);

		if (name.n && !is_own(name))
			attribute[who->attributes++] = (struct attribute){ name, value };
		if (!name.n || !is_own(name))
			continue;
		if (own && (party_of(name) != who->party || !span_eq(who->id, value)))
			return false;
		own = true;
		who->party = party_of(name);
		who->id = value;
	}
	return true;
}

static struct verdict answer(const struct run *r, unsigned which, const struct subject *who, const struct topic *t)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	const struct policy *p = r->d->policy[which];

	if (who)
		(void)!policy_bind(p, who, &h);         /* nobody, who is denied, when there is no memory */
	return policy_decide(p, who ? h : r->h[which], r->access, t);
}

static char separator(const struct run *r)
{
	return r->access == ACCESS_CONTROL ? '.' : '/';
}

/* The first n levels of an instance, those beyond the shape being words no rule speaks of; `hash`: and '#'. */
static bool topic_of(const struct run *r, const struct shape *s, const struct instance *in, uint32_t n, bool hash,
		     char *text, struct topic *out)
{
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (i)
			text[at++] = separator(r);
		at += (size_t)(i < s->n ? snprintf(text + at, DIFFER_TEXT_MAX * 2 - at, "%s", in->word[i])
					: snprintf(text + at, DIFFER_TEXT_MAX * 2 - at, "%s%c", r->d->fresh, 'a' + (int)i));
	}
	snprintf(text + at, DIFFER_TEXT_MAX * 2 - at, "%s", hash ? "/#" : "");
	switch (r->access) {
	case ACCESS_SUBSCRIBE:
		return filter_parse(span_str(text), out) == OK;
	case ACCESS_CONTROL:
		return control_parse(span_str(text), out) == OK;
	case ACCESS_GRANT:
		return grant_parse(span_str(text), out) == OK;
	default:
		return topic_parse(span_str(text), out) == OK;
	}
}

/* Allowed by the one that would give, not by the other. */
static bool differs(struct run *r, const struct shape *s, const struct instance *in, uint32_t n, bool hash)
{
	struct attribute attribute[2 * TOPIC_LEVELS_MAX];
	char text[DIFFER_TEXT_MAX * 2];
	struct verdict other;
	struct subject who;
	struct topic t;

	if (!topic_of(r, s, in, n, hash, text, &t) || (r->any && !imagine(r, s, in, &who, attribute)))
		return false;
	if (!answer(r, r->gain, r->any ? &who : NULL, &t).allow)
		return false;
	other = answer(r, !r->gain, r->any ? &who : NULL, &t);
	r->denied = other.why == WHY_DENIED ? other.line : 0;
	return !other.allow;
}

/* ---- what was found ---------------------------------------------------------------------------------------------- */

static bool same_change(const struct gain *a, const struct gain *b)
{
	return a->gain == b->gain && a->whole == b->whole && !((a->accesses | b->accesses) & (ACCESS_CONTROL | ACCESS_GRANT)) &&
	       strcmp(a->pattern, b->pattern) == 0;
}

static void put_change(struct run *r, const struct shape *s, const struct instance *in, uint32_t n, bool hash, bool whole)
{
	struct gain c = { .gain = r->gain, .accesses = r->access, .line = r->line, .whole = whole, .denied = whole ? r->denied : 0 };
	const char sign = separator(r);
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		at += (size_t)snprintf(c.pattern + at, sizeof(c.pattern) - at, "%.*s%s", i != 0, &sign,
				       i < s->n ? in->shown[i] : "+");
		if (at >= sizeof(c.pattern))
			at = sizeof(c.pattern) - 1;
	}
	if (hash && r->access == ACCESS_CONTROL)
		c.pattern[at - 1] = '*';        /* it was the '+' that "user.*" begins with */
	else
		snprintf(c.pattern + at, sizeof(c.pattern) - at, "%s", hash ? "/#" : "");
	for (size_t i = 0; i < r->n; i++)
		if (same_change(&r->found[i], &c)) {
			r->found[i].accesses |= c.accesses;
			return;
		}
	r->d->cut |= r->n == DIFFER_CHANGES_MAX;
	if (r->n < DIFFER_CHANGES_MAX)
		r->found[r->n++] = c;
}

/* A '#' at every depth: at once when all of it differs, else each depth by itself, and the subscription to the whole. */
static bool try_depths(struct run *r, const struct shape *s, const struct instance *in)
{
	bool sub = r->access == ACCESS_SUBSCRIBE, hash[TOPIC_LEVELS_MAX + 1] = { false }, at[TOPIC_LEVELS_MAX + 1] = { false };
	bool all = true;

	for (uint32_t n = s->n; n <= TOPIC_LEVELS_MAX; n++) {
		at[n] = differs(r, s, in, n, false);
		all &= at[n];
	}
	for (uint32_t n = s->n; sub && n < TOPIC_LEVELS_MAX && !(hash[n] = differs(r, s, in, n, true)); n++)
		;
	if (sub ? hash[s->n] && all : all) {
		put_change(r, s, in, s->n, true, false);
		return true;
	}
	for (uint32_t n = s->n; n <= TOPIC_LEVELS_MAX; n++) {
		if (at[n])
			put_change(r, s, in, n, false, false);
		if (hash[n])
			put_change(r, s, in, n, true, true);
	}
	return false;
}

/* True: the whole of it differs, so what lies within need not be looked at. */
static bool try_instance(struct run *r, const struct shape *s, const struct instance *in)
{
	if (++r->tried > DIFFER_VALUES_MAX) {
		r->d->cut = true;
		return false;
	}
	if (r->whole) {
		if (differs(r, s, in, s->n, s->tail))
			put_change(r, s, in, s->n, s->tail, true);
		return true;
	}
	if (s->tail)
		return try_depths(r, s, in);
	if (!differs(r, s, in, s->n, false))
		return false;
	put_change(r, s, in, s->n, false, false);
	return true;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void show_any(const struct place *p, char *shown, size_t cap)
{
	const char *sign = p->word.n ? "=" : p->attribute[1].n ? "," : "";

	if (!p->attribute[0].n)
		snprintf(shown, cap, "%.*s", p->word.n ? (int)p->word.n : 1, p->word.n ? (const char *)p->word.p : "+");
	else
		snprintf(shown, cap, "{%.*s%s%.*s}", SPAN_FMT(p->attribute[0]), sign,
			 SPAN_FMT(p->word.n ? p->word : p->attribute[1]));
}

static bool place_owned(const struct place *p)
{
	return is_own(p->attribute[0]) || is_own(p->attribute[1]);
}

/* A word for each level that no other rule speaks of; own ids are one and the same. */
static void fill_any(const struct run *r, const struct shape *s, struct instance *in)
{
	struct span id = span(NULL, 0);

	for (uint32_t i = 0; i < s->n; i++)
		if (place_owned(&s->at[i]) && s->at[i].word.n)
			id = s->at[i].word;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct place *p = &s->at[i];
		bool own = place_owned(p);

		show_any(p, in->shown[i], sizeof(in->shown[i]));
		if (p->word.n || (own && id.n))
			snprintf(in->word[i], sizeof(in->word[i]), "%.*s", SPAN_FMT(p->word.n ? p->word : id));
		else if (r->whole && !p->attribute[0].n)
			strcpy(in->word[i], "+");
		else
			snprintf(in->word[i], sizeof(in->word[i]), "%s%c", r->d->fresh, own ? 'z' : 'a' + (int)i);
	}
}

static bool subject_has(const struct subject *s, struct span name, struct span value)
{
	if (is_own(name))
		return party_of(name) == s->party && span_eq(s->id, value);
	for (size_t i = 0; i < s->attributes; i++)
		if (span_eq(s->attribute[i].name, name) && span_eq(s->attribute[i].value, value))
			return true;
	return false;
}

static bool place_takes(const struct subject *s, const struct place *p, struct span value)
{
	return word_ok(value) && (!p->word.n || span_eq(p->word, value)) && subject_has(s, p->attribute[0], value) &&
	       (!p->attribute[1].n || subject_has(s, p->attribute[1], value));
}

/* The k-th value a subject might have there: its id, then its attributes. */
static struct span value_at(const struct subject *s, size_t k)
{
	return k ? s->attribute[k - 1].value : s->id;
}

/* Every combination of the subject's own values. True: all of them differ wholly. */
static bool fill_values(struct run *r, const struct shape *s, struct instance *in, uint32_t i)
{
	const struct place *p = &s->at[i];
	bool all = true;

	if (i == s->n)
		return try_instance(r, s, in);
	if (!p->attribute[0].n) {
		show_any(p, in->shown[i], sizeof(in->shown[i]));
		snprintf(in->word[i], sizeof(in->word[i]), "%s%c", r->d->fresh, 'a' + (int)i);
		if (r->whole)
			strcpy(in->word[i], "+");
		if (p->word.n)
			snprintf(in->word[i], sizeof(in->word[i]), "%.*s", SPAN_FMT(p->word));
		return fill_values(r, s, in, i + 1);
	}
	for (size_t k = 0; k <= r->s->attributes && r->tried <= DIFFER_VALUES_MAX; k++) {
		struct span value = value_at(r->s, k);

		if (!place_takes(r->s, p, value))
			continue;
		snprintf(in->word[i], sizeof(in->word[i]), "%.*s", SPAN_FMT(value));
		memcpy(in->shown[i], in->word[i], sizeof(in->word[i]));
		all &= fill_values(r, s, in, i + 1);
	}
	return all;
}

static bool try_shape(struct run *r, const struct shape *s)
{
	struct instance in;

	r->tried = 0;
	if (!r->any)
		return fill_values(r, s, &in, 0);
	fill_any(r, s, &in);
	return try_instance(r, s, &in);
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

/* The role the rule stands in: by itself, or with one that includes it. */
static bool holds(const struct policy *p, const struct subject *s, const struct listed *l)
{
	struct span with[RULES_REACH_MAX];

	if (s->quarantined || l->quarantine)
		return s->quarantined && l->quarantine && span_eq(l->tenant, s->tenant);
	for (size_t i = 0; i < s->roles; i++)
		for (size_t k = policy_reach(p, s->role[i], with); k-- > 0;)
			if (span_eq(with[k], l->role))
				return true;
	return false;
}

static bool speaks(const struct run *r, const struct policy *p, const struct listed *l, enum effect effect)
{
	return l->effect == effect && l->accesses & (unsigned)r->access && holds(p, r->s, l);
}

static void try_whole(struct run *r, const struct shape *s)
{
	r->whole = true;
	try_shape(r, s);
	r->whole = false;
}

/* All of what a rule says to those whose values the deny asks for. */
static void try_whole_of(struct run *r, const struct shape *mine, const struct shape *both)
{
	struct shape s = *mine;

	for (uint32_t i = 0; i < s.n; i++)
		if (s.at[i].attribute[0].n)
			s.at[i] = both->at[i];
	try_whole(r, &s);
}

static void try_rule(struct run *r, const struct listed *allow)
{
	const struct policy *other = r->d->policy[!r->gain];
	struct shape mine, theirs, both;

	r->line = allow->line;
	shape_read(allow, &mine);
	if (try_shape(r, &mine))
		return;
	if (r->access == ACCESS_SUBSCRIBE)
		try_whole(r, &mine);
	for (uint32_t i = 0; i < policy_listed(other); i++) {
		const struct listed l = policy_list(other, i);

		if (!speaks(r, other, &l, EFFECT_DENY))
			continue;
		shape_read(&l, &theirs);
		if (!shape_meet(&mine, &theirs, &both))
			continue;
		if (r->access == ACCESS_SUBSCRIBE && r->any)    /* values of one subject are tried each */
			try_whole_of(r, &mine, &both);
		try_shape(r, &both);
	}
}

static void try_rules(struct run *r)
{
	const struct policy *p = r->d->policy[r->gain];

	for (uint32_t i = 0; i < policy_listed(p); i++) {
		const struct listed l = policy_list(p, i);

		if (speaks(r, p, &l, EFFECT_ALLOW))
			try_rule(r, &l);
	}
}

static enum err run_all(struct run *r, void (*say)(void *ctx, const struct gain *c), void *ctx)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };

	r->found = calloc(DIFFER_CHANGES_MAX, sizeof(*r->found));
	if (!r->found)
		return ERR_FULL;
	r->d->cut = false;
	for (unsigned k = 0; k < 2 * countof(all); k++) {
		r->gain = k >= countof(all);
		r->access = all[k % countof(all)];
		try_rules(r);
	}
	for (size_t i = 0; i < r->n; i++)
		say(ctx, &r->found[i]);
	return OK;
}

static void run_end(struct run *r)
{
	free(r->found);
	holder_close(&r->h[0]);
	holder_close(&r->h[1]);
}

/* ---- the contract ------------------------------------------------------------------------------------------------ */

static bool spoken_of(const struct policy *p, const char *word)
{
	for (uint32_t i = 0; i < policy_listed(p); i++) {
		struct span s = policy_list(p, i).pattern;

		if (memmem(s.p, s.n, word, strlen(word)))
			return true;
	}
	return false;
}

static bool is_value(const struct subject *s, const char *word)
{
	size_t n = strlen(word);

	for (size_t k = 0; k <= s->attributes; k++) {
		struct span value = value_at(s, k);

		if (value.n >= n && memcmp(value.p, word, n) == 0)
			return true;
	}
	return false;
}

/* Short, for topics have a limit. */
static void choose_fresh(struct differ *d, const struct subject *s)
{
	strcpy(d->fresh, "_");
	for (unsigned n = 0; spoken_of(d->policy[0], d->fresh) || spoken_of(d->policy[1], d->fresh) || is_value(s, d->fresh); n++)
		snprintf(d->fresh, sizeof(d->fresh), "_%u:", n);
}

void differ_init(struct differ *d, const struct policy *old, const struct policy *new)
{
	*d = (struct differ){ .policy = { old, new } };
	choose_fresh(d, &(struct subject){ 0 });
}

/* The role's own lines, without what it includes. */
static bool same_rules(const struct differ *d, struct span role)
{
	uint32_t i[2] = { 0, 0 };

	for (;; i[0]++, i[1]++) {
		struct listed l[2] = { 0 };

		for (unsigned k = 0; k < 2; k++) {
			const struct policy *p = d->policy[k];

			while (i[k] < policy_listed(p) && !span_eq(policy_list(p, i[k]).role, role))
				i[k]++;
			if (i[k] < policy_listed(p))
				l[k] = policy_list(p, i[k]);
		}
		if (l[0].effect != l[1].effect || l[0].accesses != l[1].accesses || !span_eq(l[0].pattern, l[1].pattern))
			return false;
		if (!l[0].line)
			return true;
	}
}

bool differ_role_same(const struct differ *d, struct span role)
{
	char networks[2][LISTING_NETWORKS_MAX];
	struct span with[2][RULES_REACH_MAX];
	size_t n = policy_reach(d->policy[0], role, with[0]);

	if (policy_reach(d->policy[1], role, with[1]) != n ||
	    !span_eq(policy_role_tenant(d->policy[0], role), policy_role_tenant(d->policy[1], role)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!span_eq(with[0][i], with[1][i]) || !same_rules(d, with[0][i]) ||
		    strcmp(policy_role_networks(d->policy[0], with[0][i], networks[0]),
			   policy_role_networks(d->policy[1], with[1][i], networks[1])) != 0)
			return false;
	return true;
}

/* Somebody who has whatever values are asked for. */
static enum err run_any(struct differ *d, struct subject *s, void (*say)(void *ctx, const struct gain *c), void *ctx)
{
	CLEANUP(run_end) struct run r = { .d = d, .s = s, .any = true };
	char id[32];

	snprintf(id, sizeof(id), "%sz", d->fresh);
	s->id = span_str(id);
	s->party = PULLCORD__V1__PARTY__PARTY_USER;
	s->anywhere = !s->address.n;
	return run_all(&r, say, ctx);
}

enum err differ_role(struct differ *d, struct span role, void (*say)(void *ctx, const struct gain *c), void *ctx)
{
	const struct span tenant = policy_role_tenant(d->policy[policy_has_role(d->policy[1], role)], role);

	return run_any(d, &(struct subject){ .tenant = tenant, .role = &role, .roles = 1, .address = d->from }, say, ctx);
}

enum err differ_quarantine(struct differ *d, struct span tenant, void (*say)(void *ctx, const struct gain *c), void *ctx)
{
	return run_any(d, &(struct subject){ .tenant = tenant, .quarantined = true, .address = d->from }, say, ctx);
}

enum err differ_subject(struct differ *d, const struct subject *s, void (*say)(void *ctx, const struct gain *c),
			void *ctx)
{
	struct subject asked = *s;
	CLEANUP(run_end) struct run r = { .d = d, .s = &asked };

	asked.address = d->from;
	asked.anywhere = !d->from.n;
	if (is_value(s, d->fresh))
		choose_fresh(d, s);
	for (unsigned k = 0; k < 2; k++)
		TRY(policy_bind(d->policy[k], &asked, &r.h[k]));
	return run_all(&r, say, ctx);
}

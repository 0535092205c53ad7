#include "statement.h"

#include "line.h"

struct reader {
	struct rules *r;
	struct line line;
	size_t source;
	uint32_t tenant;            /* whose statements follow; 0: not said in this file yet */
	uint32_t role;              /* that is open; 0: none */
};

static uint32_t line_now(const struct reader *rd)
{
	return rd->r->source[rd->source].base + rd->line.number;
}

/* ---- patterns --------------------------------------------------------------------------------------------------- */

/* Up to the next '/': the level as it stands in the file. */
static struct span level_at(struct span text, size_t at, char sep)
{
	struct span rest;

	return span_cut(span(text.p + at, text.n - at), sep, &rest);
}

static struct span tenant_now(const struct reader *rd)
{
	return rd->r->tenant[rd->tenant].name;
}

static bool has_joined(const struct reader *rd, struct span owner)
{
	for (uint32_t i = 0; i < rd->r->shares; i++)
		if (rd->r->share[i].side == SIDE_GUEST && rd->r->share[i].tenant == rd->tenant &&
		    span_eq(rd->r->share[i].name, owner))
			return true;
	return false;
}

/* A pattern is about its tenant's own topics; a rule may also be about channels of another tenant that were joined. */
static enum err read_whose(struct reader *rd, const struct line_word *w, enum effect effect, const struct pattern *p)
{
	const struct level *first = &p->level[0];
	uint32_t tenant = first->kind == STEP_WORD ? rules_tenant(rd->r, first->text) : 0;
	bool channel = p->n > 2 && p->level[1].kind == STEP_WORD && span_is(p->level[1].text, "channel");

	if (tenant == rd->tenant)
		return OK;
	if (effect > EFFECT_DENY || first->kind != STEP_WORD || (!tenant && !has_joined(rd, first->text)))
		return line_refuse(&rd->line, w->column, "a pattern begins with the tenant: '%.*s/...', not %s",
				   SPAN_FMT(tenant_now(rd)), quote(level_at(w->text, 0, '/')).text);
	if (!channel)
		return line_refuse(&rd->line, w->column, "of another tenant only channels can be reached: '%.*s/channel/NAME/...'",
				   SPAN_FMT(first->text));
	if (!has_joined(rd, first->text))
		return line_refuse(&rd->line, w->column, "%.*s has joined no channel of %.*s: put 'join channel NAME of %.*s' "
				   "before its roles", SPAN_FMT(tenant_now(rd)), SPAN_FMT(first->text), SPAN_FMT(first->text));
	return OK;
}

static enum err read_attribute(struct reader *rd, uint32_t column, enum effect effect, struct span name)
{
	if (effect == EFFECT_DENY && span_is(name, own_names[OWN_CLIENT]))
		return line_refuse(&rd->line, column, "a deny rule cannot use {client}: a person's client id is not known when "
				   "rules are decided; use {user} or {device}");
	if (!rules_add_attribute(rd->r, name))
		return line_refuse(&rd->line, column, "too many different {attributes}: a policy may use %d beside {user}, "
				   "{device} and {client}", TRIE_ATTRIBUTES - OWN_COUNT);
	return OK;
}

/* A comment that begins so says that an oddity is meant; see policy_lint(). */
static bool is_meant(struct span comment)
{
	static const char sign[] = "meant:";
	struct span text = comment.n ? span_trim(span(comment.p + 1, comment.n - 1)) : comment;

	return text.n > strlen(sign) && memcmp(text.p, sign, strlen(sign)) == 0;
}

static enum err add_rule(struct reader *rd, const struct line_word *w, enum effect effect, unsigned accesses,
			 const struct pattern *p)
{
	struct rules *r = rd->r;

	for (uint32_t i = 0; i < p->n; i++)
		if (p->level[i].kind == STEP_ATTRIBUTE)
			TRY(read_attribute(rd, w->column + (uint32_t)(p->level[i].text.p - w->text.p) - 1, effect, p->level[i].text));
		else if (p->level[i].kind == STEP_WORD)
			words_add(&r->words, p->level[i].text);
	r->rule[r->n++] = (struct rule){ line_now(rd), effect <= EFFECT_DENY ? rd->role : 0, effect,
					 is_meant(rd->line.comment), (uint8_t)accesses, w->text };
	return OK;
}

static enum err read_pattern(struct reader *rd, const struct line_word *w, enum effect effect, unsigned accesses)
{
	struct line *l = &rd->line;
	struct pattern p;
	const char *wrong;
	size_t bad;

	if (w->text.p[0] == '$')
		return line_refuse(l, w->column, "topics that begin with '$' cannot be granted by a rule; a pattern begins with "
				   "the tenant: '%.*s/...'", SPAN_FMT(tenant_now(rd)));
	if (w->text.n > TOPIC_BYTES_MAX)
		return line_refuse(l, w->column, "the pattern has %zu bytes; a topic has at most %d", w->text.n, TOPIC_BYTES_MAX);
	wrong = pattern_read(w->text, &p, &bad);
	if (wrong)
		return line_refuse(l, w->column + (uint32_t)bad, "level %s %s", quote(level_at(w->text, bad, '/')).text, wrong);
	TRY(read_whose(rd, w, effect, &p));
	return add_rule(rd, w, effect, accesses, &p);
}

static enum err read_command(struct reader *rd, const struct line_word *w, enum effect effect)
{
	struct pattern p;
	const char *wrong;
	size_t bad;

	if (w->text.n > TOPIC_BYTES_MAX)
		return line_refuse(&rd->line, w->column, "the command has %zu bytes; one has at most %d", w->text.n,
				   TOPIC_BYTES_MAX);
	wrong = pattern_read_command(w->text, &p, &bad);
	if (wrong)
		return line_refuse(&rd->line, w->column + (uint32_t)bad, "%s %s", quote(level_at(w->text, bad, '.')).text, wrong);
	return add_rule(rd, w, effect, ACCESS_CONTROL, &p);
}

/* Only in a tenant that says so is handing out limited. */
static enum err read_grant(struct reader *rd, const struct line_word *w, enum effect effect)
{
	struct pattern p;
	const char *wrong;
	size_t bad;

	if (w->text.n > TOPIC_BYTES_MAX)
		return line_refuse(&rd->line, w->column, "this has %zu bytes; at most %d are right", w->text.n, TOPIC_BYTES_MAX);
	wrong = pattern_read_grant(w->text, &p, &bad);
	if (wrong)
		return line_refuse(&rd->line, w->column + (uint32_t)bad, "%s %s", quote(level_at(w->text, bad, '/')).text, wrong);
	if (!rd->r->tenant[rd->tenant].grants)
		rd->r->tenant[rd->tenant].grants = line_now(rd);
	return add_rule(rd, w, effect, ACCESS_GRANT, &p);
}

/* ---- statements about topics ------------------------------------------------------------------------------------ */

static enum err read_access(struct reader *rd, const struct line_word *w, unsigned *bits)
{
	const char *word[ACCESS_WORDS];

	for (size_t i = 0; i < ACCESS_WORDS; i++) {
		word[i] = access_words[i].word;
		if (span_is(w->text, word[i])) {
			*bits |= access_words[i].accesses;
			return OK;
		}
	}
	return line_refuse_word(&rd->line, w, "access", "publish, subscribe, receive, both, control or grant", LISTED(word));
}

/* The item of a list at *at, as line_item(); one must stand there. */
static enum err next_item(struct reader *rd, size_t *at, bool *more, const char *what, const char *shape,
			  const struct line_word **w)
{
	*w = line_item(&rd->line, at, more);
	if (*w)
		return OK;
	return line_refuse(&rd->line, *at < rd->line.n ? rd->line.word[*at].column : rd->line.end, "%s is missing; right would be: %s",
			   what, shape);
}

/* The word that must stand at `at`, and nothing behind it. */
static enum err last_word(struct reader *rd, size_t at, const char *shape)
{
	const struct line *l = &rd->line;

	if (at >= l->n)
		return line_refuse(&rd->line, l->end, "the line ends too early; right would be: %s", shape);
	if (at + 1 < l->n)
		return line_refuse(&rd->line, l->word[at + 1].column, "%s is too much; right would be: %s",
				   quote(l->word[at + 1].text).text, shape);
	return OK;
}

static enum err read_rule(struct reader *rd, enum effect effect, const char *shape)
{
	const struct line_word *w;
	unsigned bits = 0;
	size_t at = 1;
	bool more;

	do {
		TRY(next_item(rd, &at, &more, "an access", shape, &w));
		TRY(read_access(rd, w, &bits));
	} while (more);
	TRY(last_word(rd, at, shape));
	if (bits & ACCESS_CONTROL && bits != ACCESS_CONTROL)
		return line_refuse(&rd->line, w->column, "'control' is about commands, not topics: it stands alone in its rule");
	if (bits & ACCESS_GRANT && bits != ACCESS_GRANT)
		return line_refuse(&rd->line, w->column, "'grant' is about what is handed out, not topics: it stands alone in its rule");
	w = &rd->line.word[at];
	if (bits == ACCESS_GRANT)
		return read_grant(rd, w, effect);
	return bits == ACCESS_CONTROL ? read_command(rd, w, effect) : read_pattern(rd, w, effect, bits);
}

static enum err read_allow(struct reader *rd)
{
	return read_rule(rd, EFFECT_ALLOW, "allow publish|subscribe|receive|both[, ...] PATTERN");
}

static enum err read_deny(struct reader *rd)
{
	return read_rule(rd, EFFECT_DENY, "deny publish|subscribe|receive|both[, ...] PATTERN");
}

static enum err read_mark(struct reader *rd)
{
	return read_pattern(rd, &rd->line.word[1], EFFECT_MARK, ACCESS_PUBLISH | ACCESS_RECEIVE);
}

static enum err read_record(struct reader *rd)
{
	const struct line_word *w = &rd->line.word[1];
	const char *word[POLICY_RECORDS];

	for (unsigned i = 0; i < POLICY_RECORDS; i++) {
		word[i] = policy_record_name((enum policy_record)i);
		if (span_is(w->text, word[i]))
			return read_pattern(rd, &rd->line.word[2], EFFECT_RECORD, 1u << i);
	}
	return line_refuse_word(&rd->line, w, "way to record", "full, digest or off", LISTED(word));
}

/* ---- statements about roles ------------------------------------------------------------------------------------- */

static enum err read_name(struct reader *rd, const struct line_word *w, const char *what)
{
	if (word_ok(w->text))
		return OK;
	return line_refuse(&rd->line, w->column, "%s cannot be the name of a %s: letters, digits and . _ : - only, at most 64",
			   quote(w->text).text, what);
}

/* What follows is this tenant's, also when it was named before. */
static enum err read_tenant(struct reader *rd)
{
	const struct line_word *w = &rd->line.word[1];
	struct rules *r = rd->r;
	uint32_t word;

	TRY(read_name(rd, w, "tenant"));
	word = words_add(&r->words, w->text);
	if (!r->tenant_of[word]) {
		if (r->tenants == RULES_TENANTS_MAX)
			return line_refuse(&rd->line, w->column, "too many tenants: a policy has at most %d", RULES_TENANTS_MAX);
		r->tenant[++r->tenants] = (struct tenant){ .name = w->text, .line = line_now(rd) };
		r->tenant_of[word] = (uint8_t)r->tenants;
	}
	rd->tenant = r->tenant_of[word];
	rd->role = 0;
	return OK;
}

/* "share channel NAME, NAME with TENANT", "join channel NAME, NAME of TENANT" */
static enum err read_share(struct reader *rd, enum side side, const char *before, const char *shape)
{
	const struct line *l = &rd->line;
	const struct line_word *w;
	struct rules *r = rd->r;
	uint32_t from = r->shares;
	size_t at = 2;
	bool more;

	if (!span_is(l->word[1].text, "channel"))
		return line_refuse(&rd->line, l->word[1].column, "%s should be 'channel': %s", quote(l->word[1].text).text, shape);
	words_add(&r->words, l->word[1].text);
	do {
		TRY(next_item(rd, &at, &more, "a channel", shape, &w));
		TRY(read_name(rd, w, "channel"));
		words_add(&r->words, w->text);
		r->share[r->shares++] = (struct share){ .side = side, .tenant = rd->tenant, .channel = w->text, .line = line_now(rd) };
	} while (more);
	TRY(last_word(rd, at + 1, shape));
	if (!span_is(l->word[at].text, before))
		return line_refuse(&rd->line, l->word[at].column, "%s should be '%s': %s", quote(l->word[at].text).text, before, shape);
	w = &l->word[at + 1];
	TRY(read_name(rd, w, "tenant"));
	if (span_eq(w->text, tenant_now(rd)))
		return line_refuse(&rd->line, w->column, "%.*s has its own channels anyway: name the other tenant",
				   SPAN_FMT(w->text));
	for (; from < r->shares; from++) {
		r->share[from].name = w->text;
		r->share[from].column = w->column;
	}
	return OK;
}

#define SHARE_SHAPE "share channel NAME[, ...] with TENANT"
#define JOIN_SHAPE "join channel NAME[, ...] of TENANT"

static enum err read_owner(struct reader *rd)
{
	return read_share(rd, SIDE_OWNER, "with", SHARE_SHAPE);
}

static enum err read_guest(struct reader *rd)
{
	return read_share(rd, SIDE_GUEST, "of", JOIN_SHAPE);
}

static void open_role(struct reader *rd, struct span name)
{
	struct rules *r = rd->r;

	rd->role = ++r->roles;
	r->role[rd->role] = (struct role){
		.name = name, .tenant = rd->tenant, .line = line_now(rd), .network = r->networks, .include = r->includes,
		.limits = { POLICY_NO_LIMIT, POLICY_NO_LIMIT, POLICY_NO_LIMIT, POLICY_NO_LIMIT, 2, true, true },
	};
}

static enum err read_includes(struct reader *rd)
{
	struct rules *r = rd->r;
	const struct line *l = &rd->line;
	const struct line_word *w;
	size_t at = 3;
	bool more;

	if (!span_is(l->word[2].text, "includes"))
		return line_refuse(&rd->line, l->word[2].column, "%s should be 'includes': role NAME includes ROLE, ROLE",
				   quote(l->word[2].text).text);
	do {
		TRY(next_item(rd, &at, &more, "a role", "role NAME includes ROLE, ROLE", &w));
		TRY(read_name(rd, w, "role"));
		r->include[r->includes++] = (struct include){ w->text, 0, rd->tenant, line_now(rd), w->column };
		r->role[rd->role].includes++;
	} while (more);
	return last_word(rd, at - 1, "role NAME includes ROLE, ROLE");
}

static enum err read_role(struct reader *rd)
{
	const struct line_word *w = &rd->line.word[1];
	struct rules *r = rd->r;
	uint32_t word;

	TRY(read_name(rd, w, "role"));
	word = words_add(&r->words, w->text);
	if (r->role_of[word])
		return line_refuse(&rd->line, w->column, "role %s stands in %s already; put its rules there", quote(w->text).text,
				   rules_place_text(r, r->role[r->role_of[word]].line).text);
	open_role(rd, w->text);
	r->role_of[word] = rd->role;
	return rd->line.n > 2 ? read_includes(rd) : OK;
}

/* A role nobody can be given: it has no name to give. */
static enum err read_quarantine(struct reader *rd)
{
	struct rules *r = rd->r;
	uint32_t *quarantine = &r->tenant[rd->tenant].quarantine;

	if (*quarantine)
		return line_refuse(&rd->line, rd->line.word[0].column, "quarantine stands in %s already; put its rules there",
				   rules_place_text(r, r->role[*quarantine].line).text);
	open_role(rd, rd->line.word[0].text);
	*quarantine = rd->role;
	return OK;
}

static enum err say_once(struct reader *rd, enum said what, const char *name)
{
	uint32_t *said = &rd->r->role[rd->role].said[what];

	if (*said)
		return line_refuse(&rd->line, rd->line.word[0].column, "%s was said for this role in %s already", name,
				   rules_place_text(rd->r, *said).text);
	*said = line_now(rd);
	return OK;
}

static enum err read_from(struct reader *rd)
{
	struct role *role = &rd->r->role[rd->role];
	const struct line_word *w;
	const char *wrong;
	size_t at = 1;
	bool more;

	do {
		TRY(next_item(rd, &at, &more, "a network", "from NETWORK, NETWORK", &w));
		if (role->networks == RULES_NETWORKS_MAX)
			return line_refuse(&rd->line, w->column, "too many networks: a role has at most %d", RULES_NETWORKS_MAX);
		wrong = network_read(w->text, &rd->r->network[rd->r->networks]);
		if (wrong)
			return line_refuse(&rd->line, w->column, "%s %s", quote(w->text).text, wrong);
		rd->r->networks++;
		role->networks++;
	} while (more);
	return last_word(rd, at - 1, "from NETWORK, NETWORK");
}

/* 's', 'm', 'h' in seconds; 0: it is none of them. */
static uint32_t unit_s(struct span unit)
{
	return span_is(unit, "s") ? 1 : span_is(unit, "m") ? 60 : span_is(unit, "h") ? 3600 : 0;
}

/* "15m" -> 900. */
static enum err read_duration(struct reader *rd, const struct line_word *w, uint32_t *s)
{
	const struct span text = w->text;
	const uint32_t unit = text.n ? unit_s(span(text.p + text.n - 1, 1)) : 0;
	uint64_t n;

	if (!unit || !span_u64(span(text.p, text.n - 1), RULES_IDLE_MAX_S / unit, &n) || n == 0)
		return line_refuse(&rd->line, w->column, "%s is no duration; right would be 90s, 15m or 2h, from 1s to 168h",
				   quote(text).text);
	*s = (uint32_t)n * unit;
	return OK;
}

static enum err read_logoff(struct reader *rd)
{
	static const struct { size_t at; const char *word; } fixed[] = { { 1, "after" }, { 3, "idle" } };
	const struct line_word *w = rd->line.word;

	for (size_t i = 0; i < countof(fixed); i++)
		if (!span_is(w[fixed[i].at].text, fixed[i].word))
			return line_refuse(&rd->line, w[fixed[i].at].column, "%s should be '%s': logoff after 15m idle",
					   quote(w[fixed[i].at].text).text, fixed[i].word);
	TRY(say_once(rd, SAID_IDLE, "logoff"));
	return read_duration(rd, &w[2], &rd->r->role[rd->role].idle_s);
}

/* ---- lock-out --------------------------------------------------------------------------------------------------- */

static const struct { const char *name, *shape; } lockouts[LOCKOUT_KINDS] = {
	[LOCKOUT_PERSON] = { "", "lock-out after 5 failures in 10m for 15m" },
	[LOCKOUT_ADDRESS] = { "address", "lock-out address after 50 failures in 10m for 15m" },
	[LOCKOUT_ACCOUNT] = { "account", "lock-out account after 100 failures in 1h for 5m" },
};

/* "after 5 failures in 10m for 15m" from word `at` on. */
static enum err read_lockout_terms(struct reader *rd, size_t at, const char *shape, struct policy_lockout *out)
{
	static const char *const fixed[] = { "after", NULL, "failures", "in", NULL, "for", NULL };
	const struct line_word *w = rd->line.word + at;
	uint64_t n;

	for (size_t i = 0; i < countof(fixed) && at + i < rd->line.n; i++)
		if (fixed[i] && !span_is(w[i].text, fixed[i]))
			return line_refuse(&rd->line, w[i].column, "%s should be '%s': %s", quote(w[i].text).text, fixed[i], shape);
	TRY(last_word(rd, at + countof(fixed) - 1, shape));
	if (!span_u64(w[1].text, RULES_FAILURES_MAX, &n) || n == 0)
		return line_refuse(&rd->line, w[1].column, "%s is no number of failures; right would be 1 to %d",
				   quote(w[1].text).text, RULES_FAILURES_MAX);
	out->failures = (uint32_t)n;
	TRY(read_duration(rd, &w[4], &out->within_s));
	return read_duration(rd, &w[6], &out->for_s);
}

static enum err read_lockout(struct reader *rd)
{
	struct rules *r = rd->r;
	const struct line_word *w = rd->line.word;
	enum lockout_kind kind = LOCKOUT_ADDRESS;
	size_t at = 2;

	while (kind < LOCKOUT_KINDS && !span_is(w[1].text, lockouts[kind].name))
		kind++;
	if (kind == LOCKOUT_KINDS) {
		kind = LOCKOUT_PERSON;
		at = 1;
	}
	if (r->lockout_line[kind])
		return line_refuse(&rd->line, w[0].column, "this lock-out was said in %s already",
				   rules_place_text(r, r->lockout_line[kind]).text);
	r->lockout_line[kind] = line_now(rd);
	r->lockout_meant[kind] = is_meant(rd->line.comment);
	if (at < rd->line.n && span_is(w[at].text, "never")) {
		r->lockout[kind] = (struct policy_lockout){ 0 };
		return last_word(rd, at, "lock-out never");
	}
	return read_lockout_terms(rd, at, lockouts[kind].shape, &r->lockout[kind]);
}

/* ---- limits ----------------------------------------------------------------------------------------------------- */

#define RATE_MAX_PER_S 1000000u
#define SESSIONS_MAX 1000
#define SIZE_MAX_BYTES 268435455u       /* MQTT 5 §1.5.5: no packet is larger */

/* "10/s" -> *n 10, *per_h 36000. */
static bool rate_read(struct span text, uint64_t *n, uint32_t *per_h)
{
	struct span unit, number = span_cut(text, '/', &unit);

	if (!unit_s(unit) || !span_u64(number, (uint64_t)RATE_MAX_PER_S, n) || *n == 0)
		return false;
	*per_h = (uint32_t)*n * (3600 / unit_s(unit));
	return true;
}

static enum err read_rate(struct reader *rd)
{
	struct policy_limits *limits = &rd->r->role[rd->role].limits;
	const struct line_word *w = rd->line.word;
	uint64_t n;

	if (!rate_read(w[2].text, &n, &limits->rate_per_h))
		return line_refuse(&rd->line, w[2].column, "%s is no rate; right would be 10/s, 600/m or 50/h, from 1 to %u",
				   quote(w[2].text).text, RATE_MAX_PER_S);
	if (rd->line.n > 3 && !span_is(w[3].text, "burst"))
		return line_refuse(&rd->line, w[3].column, "%s should be 'burst': limit rate 10/s burst 50", quote(w[3].text).text);
	if (rd->line.n == 4)
		return line_refuse(&rd->line, rd->line.end, "a number is missing; right would be: limit rate 10/s burst 50");
	if (rd->line.n > 4 && (!span_u64(w[4].text, RATE_MAX_PER_S, &n) || n == 0))
		return line_refuse(&rd->line, w[4].column, "%s is no number of messages; right would be 1 to %u",
				   quote(w[4].text).text, RATE_MAX_PER_S);
	limits->burst = (uint32_t)n;
	return OK;
}

static enum err read_size(struct reader *rd)
{
	static const struct { const char *unit; uint32_t bytes; } units[] = { { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "B", 1 } };
	const struct line_word *w = &rd->line.word[2];
	uint64_t n;

	for (size_t i = 0; i < countof(units); i++) {
		const size_t unit = strlen(units[i].unit);

		if (w->text.n > unit && memcmp(w->text.p + w->text.n - unit, units[i].unit, unit) == 0 &&
		    span_u64(span(w->text.p, w->text.n - unit), SIZE_MAX_BYTES / units[i].bytes, &n) && n > 0) {
			rd->r->role[rd->role].limits.bytes = (uint32_t)n * units[i].bytes;
			return OK;
		}
	}
	return line_refuse(&rd->line, w->column, "%s is no size; right would be 500B, 64KiB or 1MiB, below 256MiB",
			   quote(w->text).text);
}

static enum err read_qos(struct reader *rd)
{
	const struct line_word *w = &rd->line.word[2];
	uint64_t n;

	if (!span_u64(w->text, 2, &n) || w->text.n != 1)
		return line_refuse(&rd->line, w->column, "%s is no QoS; right would be 0, 1 or 2", quote(w->text).text);
	rd->r->role[rd->role].limits.qos = (uint8_t)n;
	return OK;
}

static enum err read_sessions(struct reader *rd)
{
	const struct line_word *w = &rd->line.word[2];
	uint64_t n;

	if (!span_u64(w->text, SESSIONS_MAX, &n) || n == 0)
		return line_refuse(&rd->line, w->column, "%s is no number of sessions; right would be 1 to %d", quote(w->text).text,
				   SESSIONS_MAX);
	rd->r->role[rd->role].limits.sessions = (uint32_t)n;
	return OK;
}

static enum err read_limit(struct reader *rd)
{
	static const struct {
		const char *word, *shape;
		size_t most;
		enum said said;
		enum err (*read)(struct reader *rd);
	} limit[] = {
		{ "rate", "limit rate 10/s burst 50", 5, SAID_RATE, read_rate },
		{ "size", "limit size 64KiB", 3, SAID_SIZE, read_size },
		{ "qos", "limit qos 1", 3, SAID_QOS, read_qos },
		{ "sessions", "limit sessions 3", 3, SAID_SESSIONS, read_sessions },
	};
	const char *word[countof(limit)];
	const struct line *l = &rd->line;

	for (size_t i = 0; i < countof(limit); i++) {
		word[i] = limit[i].word;
		if (!span_is(l->word[1].text, word[i]))
			continue;
		TRY(say_once(rd, limit[i].said, word[i]));
		if (l->n < 3 || l->n > limit[i].most)
			TRY(last_word(rd, l->n < 3 ? 2 : limit[i].most - 1, limit[i].shape));
		return limit[i].read(rd);
	}
	return line_refuse_word(&rd->line, &l->word[1], "limit", "rate, size, qos or sessions", LISTED(word));
}

static enum err read_no(struct reader *rd)
{
	static const char *const word[] = { "will", "retain" };
	struct policy_limits *limits = &rd->r->role[rd->role].limits;
	const struct line_word *w = &rd->line.word[1];

	if (span_is(w->text, "will")) {
		limits->will = false;
		return say_once(rd, SAID_WILL, "no will");
	}
	if (span_is(w->text, "retain")) {
		limits->retain = false;
		return say_once(rd, SAID_RETAIN, "no retain");
	}
	return line_refuse_word(&rd->line, w, "thing to forbid", "will or retain", LISTED(word));
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* What was gathered before; here it only ends a role. */
static enum err read_include(struct reader *rd)
{
	rd->role = 0;
	return OK;
}

static const struct statement {
	const char *word, *shape;
	size_t least, most;         /* words */
	bool in_role;
	enum err (*read)(struct reader *rd);
} statements[] = {
	{ "tenant", "tenant NAME", 2, 2, false, read_tenant },
	{ "share", SHARE_SHAPE, 5, LINE_WORDS_MAX, false, read_owner },
	{ "join", JOIN_SHAPE, 5, LINE_WORDS_MAX, false, read_guest },
	{ "include", "include FILE", 2, 2, false, read_include },
	{ "role", "role NAME [includes ROLE, ROLE]", 2, LINE_WORDS_MAX, false, read_role },
	{ "quarantine", "quarantine", 1, 1, false, read_quarantine },
	{ "allow", "allow publish|subscribe|receive|both[, ...] PATTERN", 3, LINE_WORDS_MAX, true, read_allow },
	{ "deny", "deny publish|subscribe|receive|both[, ...] PATTERN", 3, LINE_WORDS_MAX, true, read_deny },
	{ "from", "from NETWORK, NETWORK", 2, LINE_WORDS_MAX, true, read_from },
	{ "limit", "limit rate|size|qos|sessions NUMBER", 2, LINE_WORDS_MAX, true, read_limit },
	{ "no", "no will|retain", 2, 2, true, read_no },
	{ "logoff", "logoff after DURATION idle", 4, 4, true, read_logoff },
	{ "life-critical", "life-critical PATTERN", 2, 2, false, read_mark },
	{ "record", "record full|digest|off PATTERN", 3, 3, false, read_record },
	{ "lock-out", "lock-out [address|account] after 5 failures in 10m for 15m", 2, 9, false, read_lockout },
};

static enum err refuse_statement(struct reader *rd)
{
	const char *word[countof(statements)];

	for (size_t i = 0; i < countof(statements); i++)
		word[i] = statements[i].word;
	return line_refuse_word(&rd->line, &rd->line.word[0], "statement", "tenant, share, join, include, role, quarantine, allow, "
				"deny, from, limit, no, logoff, life-critical, record or lock-out", LISTED(word));
}

static enum err read_statement(struct reader *rd, const struct statement *s)
{
	const struct line_word *w = rd->line.word;
	struct line *l = &rd->line;

	if (!rd->r->tenants && s->read != read_tenant)
		return line_refuse(l, w[0].column, "the first statement must be 'tenant NAME', not '%s'", s->word);
	if (!rd->tenant && s->read != read_tenant && s->read != read_include)
		return line_refuse(l, w[0].column, "whose is this? In a policy of several tenants an included file begins with "
				   "'tenant NAME'");
	if (s->in_role && !rd->role)
		return line_refuse(l, w[0].column, "'%s' belongs to a role: put a line 'role NAME' before it", s->word);
	if (l->n < s->least)
		return line_refuse(l, l->end, "the line ends too early; right would be: %s", s->shape);
	if (l->n > s->most)
		return line_refuse(l, w[s->most].column, "%s is too much; right would be: %s", quote(w[s->most].text).text,
				   s->shape);
	if (l->n == LINE_WORDS_MAX)
		return line_refuse(l, w[l->n - 1].column, "the line has too many words: at most %d", LINE_WORDS_MAX - 1);
	return s->read(rd);
}

static enum err read_line(struct reader *rd, struct span text)
{
	line_cut(&rd->line, text);
	if (rd->line.n == 0)
		return OK;
	for (size_t i = 0; i < countof(statements); i++)
		if (span_is(rd->line.word[0].text, statements[i].word))
			return read_statement(rd, &statements[i]);
	return refuse_statement(rd);
}

enum err statements_read(struct rules *r, size_t source, struct policy_error *where)
{
	struct reader rd = { .r = r, .source = source, .tenant = r->tenants == 1 };
	struct span rest = r->source[source].file.text, text;

	rd.line.file = source ? r->source[source].file.name : span(NULL, 0);
	rd.line.where = where;
	do {
		rd.line.number++;
		text = span_cut(rest, '\n', &rest);
		TRY(read_line(&rd, text));
	} while (rest.p);
	if (!r->tenants)
		return line_refuse(&rd.line, 1, "there is no statement in it; the first must be 'tenant NAME'");
	return OK;
}

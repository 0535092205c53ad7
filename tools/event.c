#include "event.h"

#include <stdlib.h>

#include "delta.h"
#include "policy.h"
#include "report.h"

#define RECIPIENTS_SHOWN 4
#define CHANGES_MAX (DELTA_MAX / 3 + 1)   /* lines: a sign, a byte, an end */

static const struct { const char *name; bool by_policy; } types[] = {
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_NONE] = { "none", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_START] = { "start", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_STOP] = { "stop", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGIN] = { "login", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_REAUTH] = { "reauth", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_LOGOFF] = { "logoff", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_TAKEOVER] = { "takeover", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_SUBSCRIBE] = { "subscribe", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_UNSUBSCRIBE] = { "unsubscribe", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_PUBLISH] = { "publish", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_WILL] = { "will", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER] = { "deliver", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_POLICY] = { "policy", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_DIRECTORY] = { "directory", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_KICK] = { "kick", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_CONFIGURATION] = { "configuration", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP] = { "gap", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_STORED] = { "stored", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_CLOCK] = { "clock", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN] = { "admin", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_LOCKOUT] = { "lockout", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_SHADOW] = { "shadow", true },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_REQUEST] = { "request", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_READ] = { "read", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_ORDER] = { "order", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_RECEIPT] = { "receipt", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_ANOMALY] = { "anomaly", false },
	[PULLCORD__V1__AUDIT_TYPE__AUDIT_BREAKGLASS_END] = { "breakglass_end", false },
};

static const struct { const char *name; enum tone tone; } outcomes[] = {
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_NONE] = { "", TONE_PLAIN },
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED] = { "allowed", TONE_GOOD },
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_DENIED] = { "denied", TONE_WARN },
	[PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_FAILED] = { "failed", TONE_BAD },
};

static const char *const parties[] = { "", "device", "user", "broker" };

const char *event_type(const Pullcord__V1__AuditEvent *e)
{
	return (size_t)e->type < countof(types) && types[e->type].name ? types[e->type].name : "unknown";
}

/* Not every number is one: some are kept for other programs' events. */
const char *event_type_word(int n)
{
	if (n < 0 || (size_t)n >= countof(types))
		return NULL;
	return types[n].name ? types[n].name : "";
}

const char *event_outcome_word(int n) { return n >= 0 && (size_t)n < countof(outcomes) ? outcomes[n].name : NULL; }

const char *event_outcome(const Pullcord__V1__AuditEvent *e)
{
	return (size_t)e->outcome < countof(outcomes) ? outcomes[e->outcome].name : "unknown";
}

/* Only where the policy decided does `why` number its reasons. */
const char *event_why(const Pullcord__V1__AuditEvent *e)
{
	bool by_policy = (size_t)e->type < countof(types) && types[e->type].by_policy;

	return by_policy && e->outcome && e->why < WHY_COUNT ? why_text((enum why)e->why) : NULL;
}

const char *event_basis(const Pullcord__V1__AuditEvent *e)
{
	static const char *const words[] = {
		[PULLCORD__V1__AUDIT_BASIS__BASIS_QUEUED] = "acl-read",
		[PULLCORD__V1__AUDIT_BASIS__BASIS_SENT] = "message-out",
		[PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED] = "authorised",
	};

	if (e->type != PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER)
		return NULL;
	return (size_t)e->basis < countof(words) ? words[e->basis] : "unknown";
}

const char *event_how(const Pullcord__V1__Recipient *r)
{
	static const char *const words[] = {
		[PULLCORD__V1__AUDIT_HOW__HOW_UNKNOWN] = "",
		[PULLCORD__V1__AUDIT_HOW__HOW_LIVE] = "live",
		[PULLCORD__V1__AUDIT_HOW__HOW_AWAY] = "away",
		[PULLCORD__V1__AUDIT_HOW__HOW_RELEASED] = "released",
		[PULLCORD__V1__AUDIT_HOW__HOW_RETAINED] = "retained",
		[PULLCORD__V1__AUDIT_HOW__HOW_OPEN] = "open",
		[PULLCORD__V1__AUDIT_HOW__HOW_READ_BACK] = "read-back",
	};

	return (size_t)r->how < countof(words) ? words[r->how] : "unknown";
}

int64_t event_emergency_us(const Pullcord__V1__AuditEvent *e)
{
	for (size_t i = 0; i < e->n_recipient; i++)
		if (e->recipient[i]->emergency_us)
			return (int64_t)e->recipient[i]->emergency_us;
	return (int64_t)e->emergency_us;
}

bool event_is_pending(const Pullcord__V1__AuditEvent *e)
{
	return e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_DELIVER && e->basis == PULLCORD__V1__AUDIT_BASIS__BASIS_AUTHORISED;
}

bool event_by_next(struct span *left, struct span *name)
{
	static const char as[] = " as ";
	const size_t as_n = sizeof(as) - 1;
	const uint8_t *at = left->n ? memmem(left->p, left->n, as, as_n) : NULL;

	if (!left->n)
		return false;
	*name = span(left->p, at ? (size_t)(at - left->p) : left->n);
	*left = at ? span(at + as_n, left->n - name->n - as_n) : span(NULL, 0);
	if (name->n > 5 && memcmp(name->p, "user:", 5) == 0)
		*name = span(name->p + 5, name->n - 5);
	return true;
}

static void say_one(const char *actor, const char *client)
{
	report_say(TONE_STRONG, "%s", *actor ? actor : *client ? "-" : "");
	if (*client && strcmp(actor, client) != 0)
		report_say(TONE_DIM, " (%s)", client);
}

static void say_who(const Pullcord__V1__AuditEvent *e)
{
	if (*e->actor || *e->client || *e->address) {
		say_one(e->actor, e->client);
		report_say(TONE_DIM, "%s%s", *e->address && (*e->actor || *e->client) ? " " : "", e->address);
		if (*e->claimed)
			report_say(TONE_WARN, " as %s, unproven", e->claimed);
		report_say(TONE_PLAIN, "  ");
	}
}

static void say_recipients(const Pullcord__V1__AuditEvent *e)
{
	for (size_t i = 0; i < e->n_recipient && i < RECIPIENTS_SHOWN; i++) {
		report_say(TONE_PLAIN, i ? ", " : " to ");
		say_one(e->recipient[i]->actor, e->recipient[i]->client);
		if (e->recipient[i]->how > PULLCORD__V1__AUDIT_HOW__HOW_LIVE)
			report_say(TONE_DIM, " %s", event_how(e->recipient[i]));
	}
	if (e->n_recipient > RECIPIENTS_SHOWN)
		report_say(TONE_PLAIN, " and %zu more", e->n_recipient - RECIPIENTS_SHOWN);
}

/* "1,000" */
static const char *thousands(uint64_t n, char out[32])
{
	char digits[24];
	int have = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), to = 0;

	for (int i = 0; i < have; i++) {
		if (i && (have - i) % 3 == 0)
			out[to++] = ',';
		out[to++] = digits[i];
	}
	out[to] = '\0';
	return out;
}

/* As AuditEvent.lost has them (record.h, enum record_class). */
static const struct { const char *name, *key; } classes[] = {
	{ "consent", "lost_consent" }, { "access", "lost_access" }, { "movement", "lost_movement" }, { "critical", "lost_critical" },
	{ "housekeeping", "lost_housekeeping" },
};

/* "[3 events: 2 of movement, 1 of critical; 40 were set aside and follow]" */
static void say_gap(const Pullcord__V1__AuditEvent *e)
{
	const char *sep = ": ";

	report_say(TONE_DIM, "  [%llu events", (unsigned long long)e->count);
	for (size_t i = 0; i < e->n_lost && i < countof(classes); i++) {
		if (!e->lost[i])
			continue;
		report_say(TONE_DIM, "%s%llu of %s", sep, (unsigned long long)e->lost[i], classes[i].name);
		sep = ", ";
	}
	if (e->aside)
		report_say(TONE_DIM, "; %llu were set aside and follow", (unsigned long long)e->aside);
	report_say(TONE_DIM, "]");
}

/* "×1,000 in 9.8 s"; a digest begins with the same four bytes wherever the same messages went. */
static void say_count(const Pullcord__V1__AuditEvent *e)
{
	char n[32], hex[9];

	if (e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP)
		say_gap(e);
	else if (e->count > 1)
		report_say(TONE_DIM, "  \u00d7%s in %.1f s", thousands(e->count, n),
			   e->until_us > e->at_us ? (double)(e->until_us - e->at_us) / 1e6 : 0.0);
	if (e->digest.len < 4)
		return;
	hex_encode(span(e->digest.data, 4), hex);
	report_say(TONE_DIM, "  digest %s", hex);
}

static void say_reason(const Pullcord__V1__AuditEvent *e)
{
	const char *why = event_why(e);
	uint32_t line = e->n_recipient == 1 ? e->recipient[0]->line : e->line;
	char taken[REPORT_TIME];

	if (*event_outcome(e))
		report_say(outcomes[(size_t)e->outcome < countof(outcomes) ? e->outcome : 0].tone, "  %s", event_outcome(e));
	if (*e->detail)
		report_say(TONE_PLAIN, "%s %s", *event_outcome(e) ? ":" : " ", e->detail);
	else if (why)
		report_say(TONE_DIM, ": %s", why);
	if (line)
		report_say(TONE_DIM, " (line %u)", line);
	if (e->basis)
		report_say(TONE_DIM, ", %s", event_is_pending(e) ? "not sent yet" : "sent");
	say_count(e);
	if (event_emergency_us(e) && e->type != PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN)
		report_say(TONE_WARN, "  emergency access of %s", report_date(event_emergency_us(e), taken));
	if (e->life_critical)
		report_say(TONE_CODE, "  life-critical");
}

/* Of an entry about a policy on trial: what it would have said. */
static void say_shadow(const Pullcord__V1__AuditEvent *e)
{
	const Pullcord__V1__Shadow *s = e->shadow;

	if (!s)
		return;
	report_say(TONE_STRONG, "; shadow ");
	for (size_t i = 0; i < s->policy.len && i < 4; i++)
		report_say(TONE_STRONG, "%02x", s->policy.data[i]);
	if (!s->access)
		return;
	report_say(s->allow ? TONE_GOOD : TONE_WARN, "  %s", s->allow ? "allowed" : "denied");
	report_say(TONE_DIM, ": %s", s->why < WHY_COUNT ? why_text((enum why)s->why) : "unknown");
	if (s->line)
		report_say(TONE_DIM, " (line %u)", s->line);
}

/* "  -role nurse, +role clerk until 2026-11-23T07:00:00Z" */
static void say_change(const Pullcord__V1__AuditEvent *e)
{
	struct span left = span_str(e->change), line;
	const char *sep = "  ";

	if (*e->by)
		report_say(TONE_STRONG, " by %s", e->by);
	while (delta_next(&left, &line)) {
		report_say(TONE_DIM, "%s", sep);
		report_span(line.n && line.p[0] == '-' ? TONE_WARN : line.n && line.p[0] == '+' ? TONE_GOOD : TONE_DIM, line);
		sep = ", ";
	}
}

static void say_line(uint64_t index, const Pullcord__V1__AuditEvent *e)
{
	char when[REPORT_TIME];

	report_say(TONE_DIM, "%6llu  %s  ", (unsigned long long)index, report_date((int64_t)e->at_us, when));
	say_who(e);
	report_say(e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP ? TONE_BAD : TONE_PLAIN, "%s", event_type(e));
	if (e->shadow && e->shadow->access)
		report_say(TONE_PLAIN, " %s", access_name((enum access)e->shadow->access));
	if (*e->topic)
		report_say(TONE_PLAIN, " %s", e->topic);
	say_recipients(e);
	say_reason(e);
	say_change(e);
	say_shadow(e);
	report_end();
}

const char *event_party(const Pullcord__V1__AuditEvent *e)
{
	return e->party < countof(parties) ? parties[e->party] : "unknown";
}

static struct cell hex_cell(const char *key, const ProtobufCBinaryData *b)
{
	return b->len ? CELL_HEX(key, span(b->data, b->len)) : CELL_NULL(key);
}

/* What the policy on trial said stands beside what was decided; null for every other entry. */
static size_t shadow_cells(const Pullcord__V1__AuditEvent *e, struct cell cell[5])
{
	const Pullcord__V1__Shadow *s = e->shadow;

	cell[0] = s ? hex_cell("shadow_policy", &s->policy) : CELL_NULL("shadow_policy");
	if (!s || !s->access)
		return 1;
	cell[1] = CELL_STR("access", access_name((enum access)s->access));
	cell[2] = CELL_STR("shadow_outcome", s->allow ? "allowed" : "denied");
	cell[3] = CELL_STR("shadow_why", s->why < WHY_COUNT ? why_text((enum why)s->why) : "unknown");
	cell[4] = CELL_NUM("shadow_line", s->line);
	return 5;
}

/* What went and came; what was cut off, only when something was. */
struct changes {
	struct span went[CHANGES_MAX], came[CHANGES_MAX], cut;
	size_t wents, cames;
};

static size_t change_cells(const Pullcord__V1__AuditEvent *e, struct changes *c, struct cell cell[4])
{
	struct span left = span_str(e->change), line;

	c->wents = c->cames = 0;
	c->cut = span(NULL, 0);
	while (delta_next(&left, &line)) {
		const struct span rest = span(line.p + 1, line.n ? line.n - 1 : 0);

		if (line.n && line.p[0] == '-' && c->wents < CHANGES_MAX)
			c->went[c->wents++] = rest;
		else if (line.n && line.p[0] == '+' && c->cames < CHANGES_MAX)
			c->came[c->cames++] = rest;
		else
			c->cut = line;
	}
	cell[0] = CELL_WORDS("went", c->went, c->wents);
	cell[1] = CELL_WORDS("came", c->came, c->cames);
	cell[2] = *e->by ? CELL_STR("by", e->by) : CELL_NULL("by");
	cell[3] = CELL_SPAN("change_cut", c->cut);
	return c->cut.n ? 4 : *e->change || *e->by ? 3 : 0;
}

#define CELLS_MAX 56

static size_t add(struct cell cell[CELLS_MAX], size_t n, struct cell one)
{
	must(n < CELLS_MAX);
	cell[n] = one;
	return n + 1;
}

/* What each of them was allowed by, and how it came to them. */
struct recipients {
	struct span *client, *actor, *how, *taken;
	uint64_t *line, *qos;
	size_t takers;                  /* who got it by emergency access alone */
};

static void recipients_free(struct recipients *r)
{
	free(r->client);
	free(r->line);
}

static void recipients_of(const Pullcord__V1__AuditEvent *e, struct recipients *r)
{
	const size_t n = e->n_recipient + 1;

	r->client = calloc(4 * n, sizeof(*r->client));
	r->line = calloc(2 * n, sizeof(*r->line));
	must(r->client && r->line);
	r->actor = r->client + n;
	r->how = r->actor + n;
	r->taken = r->how + n;
	r->qos = r->line + n;
	for (size_t i = 0; i < e->n_recipient; i++) {
		r->client[i] = span_str(e->recipient[i]->client);
		r->actor[i] = span_str(e->recipient[i]->actor);
		r->how[i] = span_str(event_how(e->recipient[i]));
		r->line[i] = e->recipient[i]->line;
		r->qos[i] = e->recipient[i]->qos;
		if (e->recipient[i]->emergency_us)
			r->taken[r->takers++] = r->actor[i];
	}
}

/* How many were lost, by class, and how many follow. */
static size_t gap_cells(const Pullcord__V1__AuditEvent *e, struct cell cell[CELLS_MAX], size_t n)
{
	if (e->type != PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP)
		return n;
	for (size_t i = 0; i < countof(classes); i++)
		n = add(cell, n, CELL_NUM(classes[i].key, i < e->n_lost ? e->lost[i] : 0));
	return add(cell, n, CELL_NUM("aside", e->aside));
}

/* `show` gets what is to be said. */
static void with_cells(uint64_t index, const Pullcord__V1__AuditEvent *e, const struct hash *leaf,
		       void (*show)(const struct cell *cell, size_t n))
{
	CLEANUP(recipients_free) struct recipients r = { 0 };
	struct changes changes;
	const char *why = event_why(e), *basis = event_basis(e);

	recipients_of(e, &r);
	struct cell cell[CELLS_MAX] = {
		CELL_NUM("index", index), CELL_STR("type", event_type(e)), CELL_STR("outcome", event_outcome(e)),
		CELL_US("at_us", e->at_us), CELL_NUM("mono_us", e->mono_us),
		CELL_STR("party", event_party(e)),
		CELL_STR("actor", e->actor), CELL_STR("client", e->client), CELL_STR("address", e->address),
		CELL_STR("topic", e->topic), hex_cell("message", &e->message), hex_cell("patient", &e->patient), hex_cell("policy", &e->policy),
		why ? CELL_STR("why", why) : CELL_NULL("why"), CELL_NUM("line", e->line), CELL_NUM("qos", e->qos),
		CELL_BOOL("retain", e->retain), CELL_BOOL("life_critical", e->life_critical), CELL_STR("detail", e->detail),
		CELL_NUM("count", e->count ? e->count : 1),
		e->until_us ? CELL_US("until_us", e->until_us) : CELL_NULL("until_us"),
		hex_cell("last", &e->last), hex_cell("digest", &e->digest),
		CELL_WORDS("recipient_clients", r.client, e->n_recipient),
		CELL_WORDS("recipient_actors", r.actor, e->n_recipient),
		CELL_WORDS("recipient_how", r.how, e->n_recipient),
		CELL_NUMS("recipient_lines", r.line, e->n_recipient),
		CELL_NUMS("recipient_qos", r.qos, e->n_recipient),
		basis ? CELL_STR("basis", basis) : CELL_NULL("basis"),
	};
	size_t n = 0;

	while (cell[n].key)
		n++;
	n = gap_cells(e, cell, n);
	must(n + 9 <= CELLS_MAX);
	n += shadow_cells(e, cell + n);
	n += change_cells(e, &changes, cell + n);
	if (*e->claimed)
		n = add(cell, n, CELL_STR("claimed", e->claimed));
	if (e->certificate.len)
		n = add(cell, n, hex_cell("certificate", &e->certificate));
	if (event_emergency_us(e))
		n = add(cell, n, CELL_US("emergency_us", event_emergency_us(e)));
	if (r.takers)
		n = add(cell, n, CELL_WORDS("recipients_by_emergency", r.taken, r.takers));
	if (leaf)
		n = add(cell, n, CELL_HEX("leaf", span(leaf->b, sizeof(leaf->b))));
	show(cell, n);
}

static const char *const controls[] = {
	[CONTROL_GENESIS] = "genesis", [CONTROL_SEGMENT_OPEN] = "segment-open", [CONTROL_SEGMENT_ERASED] = "segment-erased",
	[CONTROL_HOLD] = "hold", [CONTROL_LINE_BEGIN] = "line-begin", [CONTROL_LINE_MARK] = "line-mark",
	[CONTROL_LINE_ROOT] = "line-root", [CONTROL_EPOCH_END] = "epoch-end",
};

static const char *control_name(const struct entry *e)
{
	return e->kind == ENTRY_ERASED ? "erased" : controls[e->type];
}

static void say_control_text(const struct entry *e)
{
	char keep[KEEP_TEXT_MAX];

	if (e->kind == ENTRY_ERASED) {
		report_say(TONE_DIM, "erased with segment %u", e->segment);
		return;
	}
	switch (e->type) {
	case CONTROL_GENESIS:
		report_say(TONE_DIM, "the record begins: %.*s", SPAN_FMT(e->vkey));
		break;
	case CONTROL_SEGMENT_OPEN:
		keep_write(e->keep, keep);
		if (keep_year(e->keep))
			report_say(TONE_DIM, "segment %u is the key of the pseudonyms of %u", e->segment, keep_year(e->keep));
		else
			report_say(TONE_DIM, "segment %u opens, kept for %s", e->segment, keep);
		break;
	case CONTROL_SEGMENT_ERASED:
		report_say(TONE_PLAIN, "segment %u erased by %.*s and %.*s", e->segment, SPAN_FMT(e->who), SPAN_FMT(e->second));
		break;
	case CONTROL_HOLD:
		report_say(TONE_PLAIN, "segment %u %s by %.*s and %.*s", e->segment, e->held ? "held" : "released", SPAN_FMT(e->who),
			   SPAN_FMT(e->second));
		break;
	case CONTROL_LINE_BEGIN:
		report_say(TONE_DIM, "a line of an older version begins with mark %llu", (unsigned long long)e->number);
		break;
	case CONTROL_LINE_MARK:
		report_say(TONE_DIM, "mark %llu of an older version's line", (unsigned long long)e->number);
		break;
	case CONTROL_LINE_ROOT:
		report_say(TONE_DIM, "a forward-secure line of %u epochs begins", 1u << e->depth);
		break;
	case CONTROL_EPOCH_END:
		report_say(TONE_DIM, "epoch %llu of the line ends%s", (unsigned long long)e->number,
			   e->clock_set ? ", because the clock was set" : "");
		break;
	}
	if (e->reason.n)
		report_say(TONE_PLAIN, ": %.*s", SPAN_FMT(e->reason));
}

/* What its kind has, and no more. */
static size_t control_cells(uint64_t index, const struct entry *e, char keep[KEEP_TEXT_MAX], struct cell cell[CELLS_MAX])
{
	const struct span hash = span(e->commitment, sizeof(e->commitment));
	size_t n = 0;

	n = add(cell, n, CELL_NUM("index", index));
	n = add(cell, n, CELL_STR("type", control_name(e)));
	n = add(cell, n, CELL_US("at_us", e->at_us));
	n = add(cell, n, CELL_NUM("segment", e->segment));
	if (e->kind == ENTRY_ERASED)
		return add(cell, n, CELL_NUM("seq", e->seq));
	if (e->who.n) {
		n = add(cell, n, CELL_BOOL("held", e->held));
		n = add(cell, n, CELL_SPAN("who", e->who));
		n = add(cell, n, CELL_SPAN("second", e->second));
		n = add(cell, n, CELL_SPAN("reason", e->reason));
	}
	switch (e->type) {
	case CONTROL_GENESIS:
		n = add(cell, n, CELL_SPAN("vkey", e->vkey));
		n = add(cell, n, CELL_SPAN("before", e->before));
		return add(cell, n, CELL_SPAN("reason", e->reason));
	case CONTROL_SEGMENT_OPEN:
		keep_write(e->keep, keep);
		n = add(cell, n, CELL_STR("keep", keep));
		return add(cell, n, CELL_HEX("commitment", hash));
	case CONTROL_SEGMENT_ERASED:
		return add(cell, n, CELL_HEX("key_sha256", hash));
	case CONTROL_HOLD:
		return n;
	case CONTROL_LINE_BEGIN: case CONTROL_LINE_MARK:
		n = add(cell, n, CELL_NUM("mark", e->number));
		return add(cell, n, CELL_HEX("value", hash));
	case CONTROL_LINE_ROOT:
		n = add(cell, n, CELL_NUM("epochs", 1u << e->depth));
		n = add(cell, n, CELL_NUM("epoch_us", e->every_us));
		return add(cell, n, CELL_HEX("root", hash));
	case CONTROL_EPOCH_END:
		n = add(cell, n, CELL_NUM("epoch", e->number));
		return add(cell, n, CELL_BOOL("clock_set", e->clock_set));
	}
	return n;
}

static void with_control(uint64_t index, const struct entry *e, const struct hash *leaf,
			 void (*show)(const struct cell *cell, size_t n))
{
	struct cell cell[CELLS_MAX];
	char keep[KEEP_TEXT_MAX];
	size_t n = control_cells(index, e, keep, cell);

	if (leaf)
		n = add(cell, n, CELL_HEX("leaf", span(leaf->b, sizeof(leaf->b))));
	show(cell, n);
}

static void say_control(uint64_t index, const struct entry *e)
{
	char when[REPORT_TIME];

	report_say(TONE_DIM, "%6llu  %s  ", (unsigned long long)index, e->at_us ? report_date(e->at_us, when) : "-");
	say_control_text(e);
	report_end();
}

void event_say(uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e)
{
	if (!e && report_is_json())
		with_control(index, entry, NULL, report_object);
	else if (!e)
		say_control(index, entry);
	else if (report_is_json())
		with_cells(index, e, NULL, report_object);
	else
		say_line(index, e);
}

void event_show(uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e, struct span raw)
{
	/* Of what was erased the leaf cannot be made any more: it is in the tree. */
	const struct hash leaf = tree_leaf(raw), *shown = entry->kind == ENTRY_ERASED ? NULL : &leaf;

	if (e)
		with_cells(index, e, shown, report_card);
	else
		with_control(index, entry, shown, report_card);
}

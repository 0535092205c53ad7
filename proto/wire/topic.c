#include "topic.h"

#include "cur.h"
#include "pullcord.pb-c.h"

#define BODY(kind) (1u << PULLCORD__V1__KIND__KIND_##kind)

/* What our topics look like. {words} are named for topic_word(); the order is the order of enum topic_kind. */
static const struct { const char *name, *shape; uint32_t bodies; } kinds[TOPIC_KINDS] = {
	[TOPIC_OTHER] = { "other", NULL, 0 },
	[TOPIC_ALERT] = { "alert", "{tenant}/unit/{unit}/alert/{priority}/{device}", BODY(ALERT) },
	[TOPIC_ACK] = { "ack", "{tenant}/unit/{unit}/ack/{device}", BODY(ALERT_UPDATE) },
	[TOPIC_VITALS] = { "vitals", "{tenant}/unit/{unit}/vitals/{device}", BODY(OBSERVATIONS) },
	[TOPIC_BROADCAST] = { "broadcast", "{tenant}/unit/{unit}/broadcast", BODY(BROADCAST) },
	[TOPIC_CHANNEL_MSG] = { "channel-msg", "{tenant}/channel/{channel}/msg", BODY(CHAT_MESSAGE) },
	[TOPIC_CHANNEL_RECEIPT] = { "channel-receipt", "{tenant}/channel/{channel}/receipt", BODY(RECEIPT) },
	[TOPIC_PATIENT_MSG] = { "patient-msg", "{tenant}/patient/{patient}/msg", BODY(CHAT_MESSAGE) },
	[TOPIC_PATIENT_RECEIPT] = { "patient-receipt", "{tenant}/patient/{patient}/receipt", BODY(RECEIPT) },
	[TOPIC_INBOX] = { "inbox", "{tenant}/user/{user}/inbox", BODY(CHAT_MESSAGE) | BODY(RECEIPT) },
	[TOPIC_PRESENCE] = { "presence", "{tenant}/user/{user}/presence", BODY(RECEIPT) },
	[TOPIC_STATE] = { "state", "{tenant}/device/{device}/state", BODY(DEVICE_STATE) },
	[TOPIC_CMD] = { "cmd", "{tenant}/device/{device}/cmd", BODY(DEVICE_COMMAND) },
	[TOPIC_STORED] = { "stored", "{tenant}/device/{device}/stored", BODY(STORED_RECEIPT) },
	[TOPIC_CHECKPOINT] = { "checkpoint", "{tenant}/audit/{log}/checkpoint", 0 },
	[TOPIC_WITNESS_REQ] = { "witness-req", "{tenant}/audit/{log}/witness/{device}/req", 0 },
	[TOPIC_WITNESS_ADD] = { "witness-add", "{tenant}/audit/{log}/witness/{device}/add", 0 },
	[TOPIC_COSIGNATURE] = { "cosignature", "{tenant}/audit/{log}/witness/{device}/cosignature", 0 },
	[TOPIC_GOSSIP] = { "gossip", "{tenant}/audit/{log}/witness/{device}/gossip", 0 },
	[TOPIC_METRIC] = { "metric", "{tenant}/broker/{metric}", 0 },
	[TOPIC_CONTROL] = { "control", "$CONTROL/pullcord/v1", 0 },
};

static bool word_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
	       c == ':' || c == '-';
}

bool word_ok(struct span s)
{
	if (s.n == 0 || s.n > WORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!word_char(s.p[i]))
			return false;
	return true;
}

/* Cuts into levels; each must be a word or, when `wild`, '+' or a last '#'. */
static enum err cut(struct span text, bool wild, struct topic *out)
{
	struct topic t = { .text = text };
	struct span rest = text, level;

	if (text.n > TOPIC_BYTES_MAX)
		return ERR_TOO_LARGE;
	do {
		level = span_cut(rest, '/', &rest);
		if (t.n == TOPIC_LEVELS_MAX)
			return ERR_TOO_LARGE;
		if (!word_ok(level) && !(wild && span_is(level, "+")) && !(wild && span_is(level, "#") && !rest.p) &&
		    !(t.n == 0 && span_is(level, "$CONTROL")))
			return ERR_SYNTAX;
		t.level[t.n++] = level;
	} while (rest.p);
	*out = t;
	return OK;
}

static bool has_shape(const struct topic *t, const char *shape)
{
	struct span rest = span_str(shape), level;
	uint32_t i = 0;

	do {
		level = span_cut(rest, '/', &rest);
		if (i == t->n || (level.p[0] != '{' && !span_eq(level, t->level[i])) ||
		    (span_is(level, "{priority}") && !priority_parse(t->level[i])))
			return false;
		i++;
	} while (rest.p);
	return i == t->n;
}

enum err topic_parse(struct span text, struct topic *out)
{
	struct topic t;

	TRY(cut(text, false, &t));
	for (unsigned k = TOPIC_OTHER + 1; k < TOPIC_KINDS && t.kind == TOPIC_OTHER; k++)
		if (has_shape(&t, kinds[k].shape))
			t.kind = (enum topic_kind)k;
	if (t.kind != TOPIC_CONTROL && t.level[0].p[0] == '$')
		return ERR_SYNTAX;
	*out = t;
	return OK;
}

enum err filter_parse(struct span text, struct topic *out)
{
	return cut(text, true, out);
}

struct span topic_word(const struct topic *t, const char *name)
{
	const char *at = kinds[t->kind].shape;
	size_t n = strlen(name);

	for (uint32_t i = 0; at && i < t->n; i++) {
		const char *slash = strchr(at, '/');

		if (at[0] == '{' && (slash ? (size_t)(slash - at) : strlen(at)) == n + 2 && memcmp(at + 1, name, n) == 0)
			return t->level[i];
		at = slash ? slash + 1 : NULL;
	}
	return span(NULL, 0);
}

struct topic topic_of_copy(const struct topic *t, const char *text)
{
	struct topic copy = *t;

	copy.text = span(text, t->text.n);
	for (uint32_t i = 0; i < t->n; i++)
		copy.level[i].p = copy.text.p + (t->level[i].p - t->text.p);
	return copy;
}

const char *topic_kind_name(enum topic_kind kind)
{
	return kinds[kind].name;
}

uint32_t topic_bodies(enum topic_kind kind)
{
	return kinds[kind].bodies;
}

static bool is_plus(struct span s) { return s.n == 1 && s.p[0] == '+'; }
static bool is_hash(struct span s) { return s.n == 1 && s.p[0] == '#'; }
static bool is_dollar(struct span s) { return s.n && s.p[0] == '$'; }

/* MQTT 5 §4.7.2: a wildcard in the first level does not match a level that begins with '$'. */
static bool hides(const struct topic *wild, const struct topic *other)
{
	return (is_plus(wild->level[0]) || is_hash(wild->level[0])) && is_dollar(other->level[0]);
}

bool filter_contains(const struct topic *wide, const struct topic *narrow)
{
	if (hides(wide, narrow))
		return false;
	for (uint32_t i = 0; i < wide->n; i++) {
		if (is_hash(wide->level[i]))
			return true;
		if (i == narrow->n)
			return false;
		if (is_hash(narrow->level[i]))   /* "+/#" says the same as "#" */
			return i == 0 && wide->n == 2 && is_plus(wide->level[0]) && is_hash(wide->level[1]);
		if (!is_plus(wide->level[i]) && !span_eq(wide->level[i], narrow->level[i]))
			return false;
	}
	return wide->n == narrow->n;
}

bool filter_matches(const struct topic *filter, const struct topic *topic)
{
	return filter_contains(filter, topic);
}

/* "a/#" also matches "a" (MQTT 5 §4.7.1.2), so '#' meets an end. */
bool filter_meets(const struct topic *a, const struct topic *b)
{
	uint32_t i;

	if (hides(a, b) || hides(b, a))
		return false;
	for (i = 0; i < a->n && i < b->n; i++) {
		if (is_hash(a->level[i]) || is_hash(b->level[i]))
			return true;
		if (!is_plus(a->level[i]) && !is_plus(b->level[i]) && !span_eq(a->level[i], b->level[i]))
			return false;
	}
	if (i < a->n)
		return is_hash(a->level[i]);
	if (i < b->n)
		return is_hash(b->level[i]);
	return true;
}

static enum err build(struct put *b, const char *shape, const char *const *word, size_t n)
{
	struct span rest = span_str(shape), level;
	size_t used = 0;

	do {
		level = span_cut(rest, '/', &rest);
		if (level.p[0] == '{') {
			must(used < n);
			level = span_str(word[used++]);
			if (!word_ok(level))
				return ERR_SYNTAX;
		}
		put_bytes(b, level);
		put_str(b, rest.p ? "/" : "");
	} while (rest.p);
	must(used == n);
	TRY(put_end(b));
	return b->n > TOPIC_BYTES_MAX ? ERR_TOO_LARGE : OK;
}

enum err topic_build(char *out, size_t cap, enum topic_kind kind, const char *const *word, size_t n)
{
	struct put b = put(out, cap - 1);
	enum err e;

	must(cap > 0 && kind > TOPIC_OTHER && kind < TOPIC_KINDS);
	e = build(&b, kinds[kind].shape, word, n);
	out[e == OK ? b.n : 0] = '\0';
	return e;
}

static const char *const priorities[] = { NULL, "info", "low", "medium", "high", "code" };

int priority_parse(struct span word)
{
	for (int i = 1; i < (int)countof(priorities); i++)
		if (span_is(word, priorities[i]))
			return i;
	return 0;
}

const char *priority_name(int priority)
{
	return priority > 0 && priority < (int)countof(priorities) ? priorities[priority] : NULL;
}

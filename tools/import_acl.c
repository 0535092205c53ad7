/* import_acl: Mosquitto's acl_file (mosquitto.conf(5); behaviour as 2.0.11 shows it, which the manual leaves open in
 * places: only blanks part words, a comment begins in the first column, `topic read` alone is a topic called "read").
 *
 * There, for one client: deny rules of its user, then allow rules of its user, then deny patterns, then allow patterns;
 * the first that matches decides, nothing matching denies, and subscribing is free: messages are looked at when they
 * are delivered. Here a deny beats every allow, so only what a user's rule allows against a deny pattern is lost. */
#include <stdarg.h>
#include <stdlib.h>

#include "import.h"
#include "line.h"
#include "words.h"

#define LEVELS_MAX 200          /* the broker's TOPIC_HIERARCHY_LIMIT */
#define EVERYBODY "everybody"

enum { ACL_DENY = 0, ACL_READ = 1, ACL_WRITE = 2 };

struct acl_rule {
	uint32_t line, next;        /* next of the same owner; 0: the last */
	unsigned access;
	struct span topic;
};

/* Whose rules: a user's, nobody's (no name), or everybody's (patterns). */
struct acl_owner {
	struct span name;
	uint32_t line, first, last;
};

struct acl {
	struct words names;
	struct acl_owner *user;     /* by number in names, from 1; 0: anonymous clients */
	struct acl_owner pattern;
	struct acl_rule *rule;      /* from 1 */
	uint32_t rules, now;        /* the user whose section it is */
	uint32_t line;
	struct span raw;            /* the line */
	struct policy_error *where;
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static PRINTF_LIKE(3, 4) enum err refuse(struct acl *a, struct span at, const char *fmt, ...)
{
	va_list args;

	a->where->line = a->line;
	a->where->column = at.p ? (uint32_t)(at.p - a->raw.p) + 1 : (uint32_t)a->raw.n + 1;
	va_start(args, fmt);
	vsnprintf(a->where->text, sizeof(a->where->text), fmt, args);
	va_end(args);
	return ERR_SYNTAX;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span trim(struct span s)
{
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	while (s.n && is_space(s.p[0]))
		s = span(s.p + 1, s.n - 1);
	return s;
}

/* Up to the next blank; *rest begins behind it. */
static struct span cut_word(struct span *rest)
{
	while (rest->n && rest->p[0] == ' ')
		*rest = span(rest->p + 1, rest->n - 1);
	return span_cut(*rest, ' ', rest);
}

static struct acl_owner *owner(struct acl *a, bool pattern)
{
	return pattern ? &a->pattern : &a->user[a->now];
}

static void add_rule(struct acl *a, struct acl_owner *o, unsigned access, struct span topic)
{
	uint32_t number = ++a->rules;

	a->rule[number] = (struct acl_rule){ a->line, 0, access, topic };
	*(o->last ? &a->rule[o->last].next : &o->first) = number;
	o->last = number;
}

/* MQTT 5 §4.7.1: wildcards are whole levels, '#' is the last. */
static bool filter_sane(struct span topic)
{
	struct span rest = topic, level;
	size_t levels = 0;

	do {
		level = span_cut(rest, '/', &rest);
		if (level.n > 1 && (memchr(level.p, '+', level.n) || memchr(level.p, '#', level.n)))
			return false;
		if (span_is(level, "#") && rest.p)
			return false;
	} while (rest.p && ++levels);
	return levels <= LEVELS_MAX && topic.n <= UINT16_MAX;
}

static enum err read_topic(struct acl *a, struct span rest, bool pattern)
{
	static const struct { const char *word; unsigned access; } accesses[] = {
		{ "read", ACL_READ }, { "write", ACL_WRITE }, { "readwrite", ACL_READ | ACL_WRITE }, { "deny", ACL_DENY },
	};
	struct span word = cut_word(&rest), topic = rest.n ? trim(rest) : word;
	size_t i = rest.n ? 0 : 2;

	if (!word.n)
		return refuse(a, rest, "the topic is missing; right would be: %s [read|write|readwrite|deny] TOPIC",
			      pattern ? "pattern" : "topic");
	while (rest.n && i < countof(accesses) && !span_is(word, accesses[i].word))
		i++;
	if (i == countof(accesses))
		return refuse(a, word, "%s is no access; right would be read, write, readwrite or deny", quote(word).text);
	if (!filter_sane(topic))
		return refuse(a, topic, "%s is no topic: '+' and '#' are whole levels, '#' the last; at most %d levels and "
			      "%d bytes", quote(topic).text, LEVELS_MAX, UINT16_MAX);
	add_rule(a, owner(a, pattern), accesses[i].access, topic);
	return OK;
}

static enum err read_user(struct acl *a, struct span rest)
{
	struct span name = trim(rest);

	if (!name.n)
		return refuse(a, rest, "the name is missing; right would be: user NAME");
	a->now = words_add(&a->names, name);
	if (!a->user[a->now].line)
		a->user[a->now] = (struct acl_owner){ .name = name, .line = a->line };
	return OK;
}

static enum err read_line(struct acl *a)
{
	struct span rest = a->raw, word;

	while (rest.n && is_space(rest.p[rest.n - 1]))
		rest.n--;
	if (!rest.n || rest.p[0] == '#')
		return OK;
	if (memchr(rest.p, '\0', rest.n))
		return refuse(a, rest, "there is a NUL in this line");
	word = cut_word(&rest);
	if (span_is(word, "topic") || span_is(word, "pattern"))
		return read_topic(a, rest, word.p[0] == 'p');
	if (span_is(word, "user"))
		return read_user(a, rest);
	return refuse(a, word, "%s is no statement of an acl_file; right would be user, topic or pattern, parted by blanks",
		      quote(word).text);
}

static enum err read_lines(struct acl *a, struct span text)
{
	struct span rest = text;

	do {
		a->line++;
		a->raw = span_cut(rest, '\n', &rest);
		TRY(read_line(a));
	} while (rest.p);
	return OK;
}

static void acl_close(struct acl *a)
{
	free(a->rule);
	free(a->user);
	free(a->names.slot);
	free(a->names.text);
}

/* One more than the lines: numbers are from 1. */
static size_t count_lines(struct span text)
{
	size_t n = 2;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

static enum err acl_read(struct acl *a, struct span text)
{
	size_t lines = count_lines(text), slots = words_slots(lines);

	a->rule = calloc(lines, sizeof(*a->rule));
	a->user = calloc(lines, sizeof(*a->user));
	a->names.slot = calloc(slots, sizeof(*a->names.slot));
	a->names.text = calloc(lines + 1, sizeof(*a->names.text));
	a->names.mask = (uint32_t)slots - 1;
	if (!a->rule || !a->user || !a->names.slot || !a->names.text)
		return ERR_FULL;
	return read_lines(a, text);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void write_rule(struct import *im, unsigned access, const char *pattern)
{
	static const char *const name[] = { NULL, "subscribe", "publish", "both" };

	if (access) {
		import_rule(im, "allow", name[access], pattern);
		return;
	}
	/* Not `both`: a message is held back, the subscription that would bring it was free. */
	import_rule(im, "deny", "publish", pattern);
	import_rule(im, "deny", "receive", pattern);
}

/* What cannot be said is said wider when it denies, and not at all when it allows. */
static void write_variants(struct import *im, const struct acl_rule *r, const struct fitted *f)
{
	const char *client = r->access ? "{client}" : "+";
	char text[FIT_TEXT_MAX];

	if (!f->user) {
		if (fit_text(f, "", client, text) == FIT_SAME)
			write_rule(im, r->access, text);
		else
			import_note(im, r->line, r->access ? LOSS_OUTSIDE : LOSS_NONE, "%s: %s", quote(r->topic).text,
				    fit_reason(FIT_NEVER));
		return;
	}
	for (unsigned device = f->client && r->access; device < 2; device++) {
		if (fit_text(f, device ? "{device}" : "{user}", client, text) == FIT_SAME)
			write_rule(im, r->access, text);
		else if (r->access)
			import_note(im, r->line, LOSS_NARROWER, "%s: longer than a pattern may be", quote(r->topic).text);
		else if (fit_text(f, "+", client, text) == FIT_SAME)
			write_rule(im, r->access, text);
	}
}

static void import_one(struct import *im, const struct acl_rule *r, bool pattern)
{
	struct fitted f;
	enum fit fit = fit_filter(im->tenant, r->topic, pattern, &f);
	const struct quoted q = quote(r->topic);

	if (fit != FIT_SAME) {
		import_note(im, r->line, r->access ? LOSS_OUTSIDE : LOSS_NONE, "%s: %s", q.text, fit_reason(fit));
		return;
	}
	if (f.part)
		import_note(im, r->line, LOSS_NARROWER, "%s: %%u and %%c are whole levels here, and not the first; %s", q.text,
			    r->access ? "not imported" : "any level is denied in their place");
	if (f.part && r->access)
		return;
	if (f.client)
		import_note(im, r->line, LOSS_NARROWER, "%s: %%c: a person's client id (USER.TERMINAL) is not known when rules "
			    "are decided; %s", q.text, r->access ? "imported for devices, whose client id is their id" :
			    "any level is denied in its place");
	if (f.cut && r->access)
		import_note(im, r->line, LOSS_OUTSIDE, "%s: imported for topics of the tenant", q.text);
	write_variants(im, r, &f);
}

static bool import_rules(struct import *im, const struct acl *a, const struct acl_owner *o, struct span role)
{
	import_role(im, role);
	for (uint32_t i = o->first; i; i = a->rule[i].next)
		import_one(im, &a->rule[i], o == &a->pattern);
	return import_role_end(im);
}

/* ---- what the order meant ---------------------------------------------------------------------------------------- */

/* As the client of that user sees it; any client id. */
static bool filter_for(struct import *im, const struct acl_rule *r, bool pattern, const char *user, char *text,
		       struct topic *out)
{
	struct fitted f;

	return fit_filter(im->tenant, r->topic, pattern, &f) == FIT_SAME && !(r->access && f.part) &&
	       fit_text(&f, user, "+", text) == FIT_SAME && filter_parse(span_str(text), out) == OK;
}

static void check_order(struct import *im, const struct acl *a, const struct acl_owner *u, const struct acl_rule *allow)
{
	char id[WORD_BYTES_MAX + 1], mine[FIT_TEXT_MAX], theirs[FIT_TEXT_MAX];
	struct topic wanted, denied;

	if (!span_text(u->name, id, sizeof(id)) || !filter_for(im, allow, false, id, mine, &wanted))
		return;
	for (uint32_t i = a->pattern.first; i; i = a->rule[i].next) {
		const struct acl_rule *deny = &a->rule[i];

		if (deny->access || !filter_for(im, deny, true, id, theirs, &denied) || !filter_meets(&wanted, &denied))
			continue;
		import_note(im, allow->line, LOSS_NARROWER, "%s: a user's rule came before the deny pattern of line %u; here "
			    "the deny beats it where both match", quote(allow->topic).text, deny->line);
		return;
	}
}

static void check_orders(struct import *im, const struct acl *a, const struct acl_owner *u)
{
	for (uint32_t i = u->first; i; i = a->rule[i].next)
		if (a->rule[i].access)
			check_order(im, a, u, &a->rule[i]);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void note_anonymous(struct import *im, const struct acl *a)
{
	for (uint32_t i = a->user[0].first; i; i = a->rule[i].next)
		import_note(im, a->rule[i].line, a->rule[i].access ? LOSS_OUTSIDE : LOSS_NONE,
			    "%s: for clients without a name; here nobody is anonymous", quote(a->rule[i].topic).text);
}

/* A name no user has. */
static struct span name_everybody(const struct acl *a, char *name, size_t cap)
{
	struct span s;
	unsigned n = 1;

	do {
		s = span(name, (size_t)snprintf(name, cap, n > 1 ? EVERYBODY "-%u" : EVERYBODY, n));
		n++;
	} while (words_find(&a->names, words_hash(a->names.key, s), s));
	return s;
}

static void import_user(struct import *im, const struct acl *a, const struct acl_owner *u, struct span everybody)
{
	struct span role[2];
	size_t n = 0;

	if (!word_ok(u->name)) {
		import_note(im, u->line, LOSS_OUTSIDE, "user %s: an id here is 1 to 64 of A-Z a-z 0-9 . _ : -",
			    quote(u->name).text);
		return;
	}
	if (import_rules(im, a, u, u->name))
		role[n++] = u->name;
	if (everybody.n)
		role[n++] = everybody;
	check_orders(im, a, u);
	import_subject(im, u->name, role, n, false);
}

static void import_all(struct import *im, const struct acl *a)
{
	char name[32];
	struct span everybody = name_everybody(a, name, sizeof(name));

	import_head(im, "an acl_file");
	note_anonymous(im, a);
	if (!import_rules(im, a, &a->pattern, everybody))
		everybody = span(NULL, 0);
	else
		import_note(im, a->rule[a->pattern.first].line, LOSS_NONE, "patterns are for every client: give the role %s to "
			    "users this file does not name, too", name);
	for (uint32_t i = 1; i <= a->names.n; i++)
		import_user(im, a, &a->user[i], everybody);
}

enum err import_acl(struct import *im, struct span text, struct policy_error *where)
{
	CLEANUP(acl_close) struct acl a = { .where = where };

	*where = (struct policy_error){ 0 };
	if (!word_ok(im->tenant))
		return ERR_RANGE;
	if (text.n > IMPORT_BYTES_MAX)
		return ERR_TOO_LARGE;
	TRY(acl_read(&a, text));
	import_all(im, &a);
	return OK;
}

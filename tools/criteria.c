#include "criteria.h"

#include <stdio.h>
#include <time.h>

#include "event.h"
#include "report.h"

enum err criteria_time(const char *text, int64_t *us)
{
	struct tm tm = { 0 }, day;
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	int64_t fraction = 0;

	if (!end || end - text != 10)
		return ERR_SYNTAX;
	day = tm;
	(void)timegm(&day);
	if (day.tm_mday != tm.tm_mday)
		return ERR_SYNTAX;      /* that month has no such day */
	if (*end == 'T') {
		end = strptime(end, "T%H:%M:%S", &tm);
		if (!end)
			return ERR_SYNTAX;
		if (*end == '.')
			for (int64_t unit = 100000; *++end >= '0' && *end <= '9'; unit /= 10)
				fraction += unit * (*end - '0');
		if (*end++ != 'Z')
			return ERR_SYNTAX;
	}
	if (*end)
		return ERR_SYNTAX;
	*us = (int64_t)timegm(&tm) * 1000000 + fraction;
	return OK;
}

static int read_time(const struct opt_page *page, const char *name, const char *text, int64_t *us)
{
	if (text && criteria_time(text, us) != OK)
		return opt_wrong(page, "--%s takes a time as 2026-11-23T07:00:00Z (UTC) or a day as 2026-11-23, not \"%s\"", name,
				 text);
	return OPT_RUN;
}

/* A word of a list; *out stays -1 when it is not given. */
static int read_word(const struct opt_page *page, const char *name, const char *text, const char *(*word)(int), int *out)
{
	char all[512];
	size_t n = 0;

	*out = -1;
	if (!text)
		return OPT_RUN;
	for (int i = 1; word(i); i++)
		if (*text && strcmp(word(i), text) == 0) {
			*out = i;
			return OPT_RUN;
		}
	for (int i = 1; word(i) && n < sizeof(all); i++)
		if (*word(i))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", word(i));
	return opt_wrong(page, "--%s takes one of %s; not \"%s\"", name, all, text);
}

static void keep(const char **text, size_t max, char *kept)
{
	const struct span s = audited_cut(span_str(*text), max);

	if (!*text || s.n == strlen(*text))
		return;
	must(span_text(s, kept, max + 1));
	*text = kept;
}

/* Nobody is called so: nothing found would read as if nothing had been. */
static int read_empty(const struct criteria *c, const struct opt_page *page)
{
	const struct { const char *name, *text; } all[] = {
		{ "user", c->user }, { "device", c->device }, { "client", c->client }, { "patient", c->patient }, { "topic", c->topic },
	};

	for (size_t i = 0; i < countof(all); i++)
		if (all[i].text && !*all[i].text)
			return opt_wrong(page, "--%s is empty", all[i].name);
	return OPT_RUN;
}

int criteria_read(struct criteria *c, const struct opt_page *page)
{
	int code;

	c->from_us = INT64_MIN;
	c->to_us = INT64_MAX;
	code = read_time(page, "from", c->from, &c->from_us);
	if (code == OPT_RUN)
		code = read_time(page, "to", c->to, &c->to_us);
	if (code == OPT_RUN)
		code = read_word(page, "event", c->event, event_type_word, &c->type);
	if (code == OPT_RUN)
		code = read_word(page, "outcome", c->outcome, event_outcome_word, &c->result);
	if (code != OPT_RUN)
		return code;
	if (c->from && c->to && c->from_us >= c->to_us)
		return opt_wrong(page, "--from %s is not before --to %s", c->from, c->to);
	code = read_empty(c, page);
	if (code != OPT_RUN)
		return code;
	keep(&c->client, AUDITED_CLIENT_MAX, c->client_kept);
	keep(&c->topic, AUDITED_TOPIC_MAX, c->topic_kept);
	c->filter_text = span_str(c->topic);
	c->place = patient_in_topic(c->filter_text);
	c->has_filter = c->topic && filter_parse(c->filter_text, &c->filter) == OK;
	if (c->topic && !c->has_filter && strpbrk(c->topic, "+#"))
		report_hint("note: %s is no filter ('+' is a whole level, '#' the last): entries with that very text are meant", c->topic);
	return OPT_RUN;
}

static void call(struct pseudonyms *to, const struct patients *p, size_t n, struct span id)
{
	must(n <= YEARS_KEYS_MAX);
	to->n = n;
	for (size_t i = 0; i < n; i++)
		patient_pseudonym(&p[i], id, to->of[i]);
}

static bool is_one_of(const struct pseudonyms *p, struct span whom)
{
	for (size_t i = 0; i < p->n; i++)
		if (span_eq(whom, span(p->of[i], sizeof(p->of[i]))))
			return true;
	return false;
}

void criteria_bind(struct criteria *c, const struct patients *p, size_t n)
{
	if (c->patient)
		call(&c->patient_words, p, n, span_str(c->patient));
	if (c->claimed)
		call(&c->claimed_words, p, n, span_str(c->claimed));
	if (c->client)
		call(&c->client_words, p, n, span_str(c->client));
	if (c->place.n)
		call(&c->place_words, p, n, c->place);
	for (uint32_t i = 0; c->has_filter && i < c->filter.n; i++)
		call(&c->level_words[i], p, n, c->filter.level[i]);
}

/* ---- topics with pseudonyms in them ---- */

static bool is_word_for(struct span level, const struct pseudonyms *p)
{
	uint8_t whom[PATIENT_PSEUDONYM_BYTES];

	return level.n == PATIENT_WORD - 1 && patient_word_read(level, whom) && is_one_of(p, span(whom, sizeof(whom)));
}

/* The topic with "-" for each pseudonym, which no filter could be parsed with. False: it is too long to be one of ours. */
static bool without_words(struct span topic, struct put *out)
{
	uint8_t any[PATIENT_PSEUDONYM_BYTES];

	for (struct span rest = topic, level; rest.p;) {
		level = span_cut(rest, '/', &rest);
		put_bytes(out, level.n == PATIENT_WORD - 1 && patient_word_read(level, any) ? SPAN_LIT("-") : level);
		put_str(out, rest.p ? "/" : "");
	}
	return put_end(out) == OK;
}

/* A pseudonym is whom the filter names where it names them, and else nobody. */
static bool meets(const struct criteria *c, struct span topic)
{
	char text[TOPIC_BYTES_MAX];
	struct put plain = put(text, sizeof(text));
	struct span rest = topic;
	struct topic t;

	if (!memchr(topic.p, '~', topic.n))
		return filter_parse(topic, &t) == OK && filter_meets(&c->filter, &t);
	if (!without_words(topic, &plain) || filter_parse(put_span(&plain), &t) != OK)
		return false;
	for (uint32_t i = 0; i < t.n; i++) {
		struct span level = span_cut(rest, '/', &rest);

		if (i < c->filter.n && is_word_for(level, &c->level_words[i]))
			t.level[i] = c->filter.level[i];
		else if (!span_eq(level, t.level[i]))
			t.level[i] = level;
	}
	return filter_meets(&c->filter, &t);
}

/* Byte by byte, but for the patient in it. */
static bool is_same(const struct criteria *c, struct span topic)
{
	struct span whom = patient_in_topic(topic);
	size_t before = c->place.n ? (size_t)(c->place.p - c->filter_text.p) : 0, after = before + c->place.n;
	size_t from = whom.n ? (size_t)(whom.p - topic.p) : 0, to = from + whom.n;

	if (span_eq(topic, c->filter_text))
		return true;
	return c->place.n && is_word_for(whom, &c->place_words) && span_eq(span(topic.p, from), span(c->filter_text.p, before)) &&
	       span_eq(span(topic.p + to, topic.n - to), span(c->filter_text.p + after, c->filter_text.n - after));
}

bool criteria_topic(const struct criteria *c, struct span topic)
{
	return !c->topic || (c->has_filter && topic.n && meets(c, topic)) || is_same(c, topic);
}

/* Somebody did it, or got it. Of who got it the record does not say what they are. */
static bool is_by(const Pullcord__V1__AuditEvent *e, const char *id, Pullcord__V1__Party party)
{
	struct span left = span_str(e->by), name;

	if (strcmp(e->actor, id) == 0 && (e->party == party || e->party == PULLCORD__V1__PARTY__PARTY_NONE))
		return true;
	while (event_by_next(&left, &name))
		if (party == PULLCORD__V1__PARTY__PARTY_USER && span_is(name, id))
			return true;
	for (size_t i = 0; i < e->n_recipient; i++)
		if (strcmp(e->recipient[i]->actor, id) == 0)
			return true;
	return false;
}

static bool is_at(const Pullcord__V1__AuditEvent *e, const struct criteria *c)
{
	if (strcmp(e->client, c->client) == 0 || is_word_for(span_str(e->client), &c->client_words))
		return true;
	for (size_t i = 0; i < e->n_recipient; i++)
		if (strcmp(e->recipient[i]->client, c->client) == 0)
			return true;
	return false;
}

/* So, on a topic of theirs, or in what an administrator did. */
static bool is_about(const Pullcord__V1__AuditEvent *e, const struct pseudonyms *whom)
{
	const char *const text[] = { e->topic, e->detail, e->change };
	uint8_t other[PATIENT_PSEUDONYM_BYTES];

	if (is_one_of(whom, span(e->patient.data, e->patient.len)))
		return true;
	for (size_t i = 0; i < countof(text); i++)
		for (struct span left = span_str(text[i]); patient_word_next(&left, other);)
			if (is_one_of(whom, span(other, sizeof(other))))
				return true;
	return false;
}

static bool is_claimed(const struct criteria *c, const char *name)
{
	return *name && (strcmp(name, c->claimed) == 0 || is_word_for(span_str(name), &c->claimed_words));
}

void criteria_write(const struct criteria *c, struct put *out)
{
	const struct { const char *name, *value; } all[] = {
		{ "user", c->user }, { "device", c->device }, { "client", c->client }, { "event", c->event },
		{ "outcome", c->outcome }, { "from", c->from }, { "to", c->to },
	};

	if (c->patient)
		put_str(out, " --patient ...");
	if (c->claimed)
		put_str(out, " --claimed ...");
	for (size_t i = 0; i < countof(all); i++)
		if (all[i].value)
			put_fmt(out, " --%s %s", all[i].name, all[i].value);
}

const char *criteria_patient(const struct criteria *c, char text[AUDITED_PATIENT_MAX + 1])
{
	if (c->patient || !c->place.n)
		return c->patient;
	return span_text(span(c->place.p, c->place.n < AUDITED_PATIENT_MAX ? c->place.n : AUDITED_PATIENT_MAX),
			 text, AUDITED_PATIENT_MAX + 1) ? text : NULL;
}

bool criteria_match(const struct criteria *c, const Pullcord__V1__AuditEvent *e)
{
	int64_t first = (int64_t)e->at_us, last = e->until_us > e->at_us ? (int64_t)e->until_us : first;

	return last >= c->from_us && first < c->to_us && (c->type < 0 || (int)e->type == c->type) &&
	       (c->result < 0 || (int)e->outcome == c->result) &&
	       (!c->user || is_by(e, c->user, PULLCORD__V1__PARTY__PARTY_USER)) &&
	       (!c->device || is_by(e, c->device, PULLCORD__V1__PARTY__PARTY_DEVICE)) && (!c->client || is_at(e, c)) &&
	       (!c->patient || is_about(e, &c->patient_words)) && (!c->claimed || is_claimed(c, e->claimed)) &&
	       criteria_topic(c, span_str(e->topic));
}

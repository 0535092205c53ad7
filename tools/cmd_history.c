/* history: what the broker kept, read back by whoever may receive it now. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "criteria.h"
#include "login.h"
#include "readback.h"
#include "report.h"

#define ANSWER_MS 20000
#define CELLS 16
#define UNIT_TOPICS 3           /* alerts, answers, broadcasts */

struct history {
	struct login login;
	struct opt_list unit, channel, patient, filter;
	const char *from, *until, *id;
	bool oldest, json;
	long limit;                     /* 0: all */
	long shown;
	struct client *client;
	struct readback want;
	struct arena arena, page;
};

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

static const char *const phases[] = { "none", "start", "tpoint", "continue", "escalate", "deescalate", "end" };
static const char *const states[] = { "did something about", "accepted", "is on the way to", "resolved", "declined",
				      "escalated" };
static const char *const state_names[] = { "none", "accepted", "on-the-way", "resolved", "declined", "escalated" };

static const char *word_of(const char *const *words, size_t n, unsigned i) { return i < n ? words[i] : "unknown"; }

#define WORD(words, i) word_of(words, countof(words), (unsigned)(i))

static const char *priority_or(Pullcord__V1__Priority p, const char *none)
{
	return priority_name((int)p) ? priority_name((int)p) : none;
}

static void say_alert(const struct envelope *e)
{
	const Pullcord__V1__Alert *a = e->body.alert;

	report_say(TONE_PLAIN, " %-6s  ", priority_or(a->priority, ""));
	report_say(TONE_STRONG, "%s", a->bed[0] ? a->bed : "-");
	report_say(TONE_PLAIN, "  %s", a->text[0] ? a->text : a->code);
	if (a->count > 1)
		report_say(TONE_STRONG, "  \u00d7%u", a->count);
	if (a->phase == PULLCORD__V1__PHASE__PHASE_END)
		report_say(TONE_GOOD, "  over");
}

static size_t cells_alert(const struct envelope *e, struct cell *cell)
{
	const Pullcord__V1__Alert *a = e->body.alert;
	const struct cell of[] = {
		CELL_STR("priority", priority_name((int)a->priority)), CELL_STR("phase", WORD(phases, a->phase)),
		CELL_STR("code", a->code), CELL_STR("text", a->text), CELL_STR("bed", a->bed), CELL_STR("source", a->source),
		CELL_NUM("count", a->count), CELL_HEX("key", span(a->key.data, a->key.len)),
	};

	memcpy(cell, of, sizeof(of));
	return countof(of);
}

static void say_update(const struct envelope *e)
{
	const Pullcord__V1__AlertUpdate *u = e->body.update;
	uint8_t id[4] = { 0 };
	char hex[9];

	memcpy(id, u->alert.data, u->alert.len < sizeof(id) ? u->alert.len : sizeof(id));
	hex_encode(span(id, sizeof(id)), hex);
	report_say(TONE_GOOD, "         %s %s", u->by, WORD(states, u->state));
	report_say(TONE_PLAIN, " %s…", hex);
	if (u->note[0])
		report_say(TONE_PLAIN, " (%s)", u->note);
}

static size_t cells_update(const struct envelope *e, struct cell *cell)
{
	const Pullcord__V1__AlertUpdate *u = e->body.update;
	const struct cell of[] = {
		CELL_HEX("alert", span(u->alert.data, u->alert.len)), CELL_HEX("key", span(u->key.data, u->key.len)),
		CELL_STR("state", WORD(state_names, u->state)), CELL_STR("by", u->by), CELL_STR("note", u->note),
	};

	memcpy(cell, of, sizeof(of));
	return countof(of);
}

static void say_chat(const struct envelope *e)
{
	report_say(TONE_PLAIN, " %-6s  ", priority_or(e->body.chat->priority, ""));
	report_say(TONE_STRONG, "%s: ", e->head->sender);
	report_say(TONE_PLAIN, "%s", e->body.chat->text);
}

static size_t cells_chat(const struct envelope *e, struct cell *cell)
{
	const Pullcord__V1__ChatMessage *c = e->body.chat;

	cell[0] = c->priority ? CELL_STR("priority", priority_name((int)c->priority)) : CELL_NULL("priority");
	cell[1] = CELL_STR("text", c->text);
	return 2;
}

static void say_broadcast(const struct envelope *e)
{
	const Pullcord__V1__Broadcast *b = e->body.broadcast;

	report_say(TONE_PLAIN, " %-6s  ", priority_or(b->priority, ""));
	report_say(TONE_STRONG, "%s: %s", e->head->sender, b->text[0] ? b->text : b->code);
	if (b->place[0])
		report_say(TONE_STRONG, "  at %s", b->place);
}

static size_t cells_broadcast(const struct envelope *e, struct cell *cell)
{
	const Pullcord__V1__Broadcast *b = e->body.broadcast;
	const struct cell of[] = { CELL_STR("priority", priority_or(b->priority, "none")), CELL_STR("code", b->code),
				   CELL_STR("text", b->text), CELL_STR("place", b->place) };

	memcpy(cell, of, sizeof(of));
	return countof(of);
}

static const struct shown {
	Pullcord__V1__Kind kind;
	void (*say)(const struct envelope *e);
	size_t (*cells)(const struct envelope *e, struct cell *cell);
} shows[] = {
	{ PULLCORD__V1__KIND__KIND_ALERT, say_alert, cells_alert },
	{ PULLCORD__V1__KIND__KIND_ALERT_UPDATE, say_update, cells_update },
	{ PULLCORD__V1__KIND__KIND_CHAT_MESSAGE, say_chat, cells_chat },
	{ PULLCORD__V1__KIND__KIND_BROADCAST, say_broadcast, cells_broadcast },
};

static const struct shown *shown_as(const struct envelope *e)
{
	for (size_t i = 0; e->body.any && i < countof(shows); i++)
		if (shows[i].kind == e->head->kind)
			return &shows[i];
	return NULL;
}

static void print(const struct readback_item *item, const struct envelope *e)
{
	const struct shown *as = shown_as(e);
	struct cell cell[CELLS] = {
		CELL_STR("event", kind_name(e->head->kind)), CELL_NUM("kept_us", item->kept_us),
		CELL_HEX("id", span(e->id.b, ID_BYTES)), CELL_SPAN("topic", item->topic), CELL_STR("from", e->head->sender),
		CELL_NUM("sent_us", e->head->sent_us), CELL_BOOL("sealed", !e->body.any),
	};
	size_t n = 7;

	if (as)
		n += as->cells(e, cell + n);
	report_object(cell, n);
}

static void say(const struct readback_item *item, const struct envelope *e)
{
	const struct shown *as = shown_as(e);
	char date[REPORT_TIME];

	report_say(TONE_DIM, "%s", report_date((int64_t)item->kept_us, date));
	report_say(TONE_PLAIN, " ");
	if (as)
		as->say(e);
	else
		report_say(TONE_WARN, " %s", e->body.any ? kind_name(e->head->kind) : "a sealed message: no key for it here");
	report_say(TONE_DIM, "  %.*s", SPAN_FMT(item->topic));
	report_end();
}

static void show(struct history *h, const struct readback_item *item)
{
	struct topic topic;
	struct envelope e;
	enum err err = topic_parse(item->topic, &topic);

	h->arena.used = 0;
	if (err == OK)
		err = envelope_open(item->payload, &topic, 0, &h->arena, &e);
	if (err != OK) {
		report_error("a message on %.*s cannot be shown: %s", SPAN_FMT(item->topic), err_text(err));
		return;
	}
	(h->json ? print : say)(item, &e);
	h->shown++;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int page_failed(const struct history *h, const struct readback_page *page)
{
	report_error("the broker refused: %s", page->refused);
	for (unsigned i = 0; strstr(page->refused, "may not") && i < h->want.filters; i++)
		report_hint("pullcord policy explain user:%s subscribe %s", h->login.user, h->want.filter[i]);
	return CMD_NO;
}

static int ask_page(struct history *h, struct readback_page *page)
{
	uint8_t raw[READBACK_REQUEST_MAX];
	struct put b = put(raw, sizeof(raw));
	struct client_message m;
	enum err e;

	h->want.limit = h->limit && h->limit - h->shown < READBACK_ITEMS_MAX ? (unsigned)(h->limit - h->shown) : READBACK_ITEMS_MAX;
	e = readback_write(&h->want, &b);
	if (e == OK)
		e = client_ask(h->client, READBACK_TOPIC, READBACK_RESPONSE, put_span(&b), ANSWER_MS, &m);
	if (e == ERR_DENIED || e == ERR_CLOSED)
		return report_fail(e, "ask (%s)", client_why(h->client));
	h->page.used = 0;
	if (e == OK)
		e = readback_page_read(m.payload, &h->page, page);
	if (e != OK)
		return report_fail(e, "read the history");
	return page->refused && page->refused[0] ? page_failed(h, page) : CMD_DONE;
}

static int ask(struct history *h)
{
	struct readback_page page;

	do {
		int code = ask_page(h, &page);

		if (code != CMD_DONE)
			return code;
		for (unsigned i = 0; i < page.n; i++)
			show(h, &page.item[i]);
		h->want.after = page.next;
	} while (page.next && (!h->limit || h->shown < h->limit) && !report_broken());
	if (!h->shown)
		report_line(TONE_DIM, "nothing of that was kept, or none of it is for you");
	return CMD_DONE;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static bool add_filter(struct history *h, const char *fmt, const char *name)
{
	char text[4 * TOPIC_BYTES_MAX];
	struct topic t;

	must(h->want.filters < READBACK_FILTERS_MAX);
	snprintf(text, sizeof(text), fmt, h->login.install.tenant, name);
	return filter_parse(span_str(text), &t) == OK &&
	       span_text(span_str(text), h->want.filter[h->want.filters++], sizeof(h->want.filter[0]));
}

static bool add_filters(struct history *h, const struct opt_list *names, const char *const *fmt, size_t n)
{
	for (size_t i = 0; i < names->n; i++)
		for (size_t k = 0; k < n; k++)
			if (!add_filter(h, fmt[k], names->text[i]))
				return false;
	return true;
}

static bool read_filters(struct history *h)
{
	static const char *const units[UNIT_TOPICS] = { "%s/unit/%s/alert/+/+", "%s/unit/%s/ack/+", "%s/unit/%s/broadcast" };
	static const char *const channels[] = { "%s/channel/%s/msg" }, *const patients[] = { "%s/patient/%s/msg" };
	struct topic t;

	for (size_t i = 0; i < h->filter.n; i++) {
		must(h->want.filters < READBACK_FILTERS_MAX && filter_parse(span_str(h->filter.text[i]), &t) == OK);
		must(span_text(t.text, h->want.filter[h->want.filters++], sizeof(h->want.filter[0])));
	}
	return add_filters(h, &h->unit, units, countof(units)) && add_filters(h, &h->channel, channels, 1) &&
	       add_filters(h, &h->patient, patients, 1);
}

static int read_times(struct history *h, const struct opt_page *page)
{
	const struct { const char *name, *text; uint64_t *us; } time[] = {
		{ "from", h->from, &h->want.from_us }, { "until", h->until, &h->want.until_us },
	};
	int64_t us;

	for (size_t i = 0; i < countof(time); i++) {
		if (!time[i].text)
			continue;
		if (criteria_time(time[i].text, &us) != OK || us < 0)
			return opt_wrong(page, "--%s is 2026-11-23T07:00:00Z, or a day, not \"%s\"", time[i].name, time[i].text);
		*time[i].us = (uint64_t)us;
	}
	if (h->from && h->until && h->want.from_us >= h->want.until_us)
		return opt_wrong(page, "--from %s is not before --until %s", h->from, h->until);
	return CMD_DONE;
}

/* Whatever is wrong with them is said before a password is asked for. */
static int check_topics(const struct history *h, const struct opt_page *page)
{
	size_t n = UNIT_TOPICS * h->unit.n + h->channel.n + h->patient.n + h->filter.n;
	struct topic t;

	if (opt_words(page, "--unit", &h->unit) != CMD_DONE || opt_words(page, "--channel", &h->channel) != CMD_DONE ||
	    opt_words(page, "--patient", &h->patient) != CMD_DONE)
		return CMD_USAGE;
	for (size_t i = 0; i < h->filter.n; i++)
		if (filter_parse(span_str(h->filter.text[i]), &t) != OK)
			return opt_wrong(page, "--filter takes levels of A-Z a-z 0-9 . _ : - parted by '/', '+' for a whole one and '#' "
					 "as the last, not \"%s\"", h->filter.text[i]);
	if (n > READBACK_FILTERS_MAX)
		return opt_wrong(page, "at most %d topics at a time, and a unit is %d: this is %zu", READBACK_FILTERS_MAX, UNIT_TOPICS, n);
	return CMD_DONE;
}

static int read_what(struct history *h, const struct opt_page *page)
{
	h->want.oldest_first = h->oldest;
	h->want.has_id = h->id != NULL;
	if (h->id && id_parse(span_str(h->id), &h->want.id) != OK)
		return opt_wrong(page, "--id is the 32 hex digits of a message's id, not \"%s\"", h->id);
	if (!h->id && !h->unit.n && !h->channel.n && !h->patient.n && !h->filter.n)
		return opt_wrong(page, "of what? give --unit, --channel, --patient, --filter, or the --id of one message");
	if (h->id && !h->unit.n && !h->channel.n && !h->patient.n && !h->filter.n && (h->from || h->until || h->oldest))
		return opt_wrong(page, "--id alone is one message: --from, --until and --oldest go with --unit and the like");
	return check_topics(h, page) == CMD_DONE ? read_times(h, page) : CMD_USAGE;
}

static void history_end(struct history *h)
{
	client_close(&h->client);
	free(h->arena.p);
	free(h->page.p);
}

int cmd_history(int argc, char **argv)
{
	CLEANUP(history_end) struct history h = { .limit = 50 };
	const struct opt opt[] = {
		OPT_LIST("unit", "UNIT", &h.unit, "alerts, answers and broadcasts of a unit"),
		OPT_LIST("channel", "CHANNEL", &h.channel, "messages of a channel"),
		OPT_LIST("patient", "PATIENT", &h.patient, "messages of a patient's thread"),
		OPT_LIST("filter", "FILTER", &h.filter, "whatever stands on these topics"),
		OPT_TEXT("id", "HEX", &h.id, "this message alone; with one of the above: what comes after it"),
		OPT_TEXT("from", "TIME", &h.from, "kept then or later: 2026-11-23T07:00:00Z, or a day (its beginning, UTC)"),
		OPT_TEXT("until", "TIME", &h.until, "kept before then"),
		OPT_FLAG("oldest", &h.oldest, "the oldest first (default: the newest)"),
		OPT_NUMBER("limit", "N", &h.limit, 0, LONG_MAX, "at most so many (default: 50; 0: all)"),
		OPT_FLAG("json", &h.json, "one JSON object a line"),
		LOGIN_OPTS(&h.login),
	};
	const struct opt_page page = {
		.command = "history",
		.text = "Reads back what was said: alerts, what people did about them, broadcasts, messages. The broker keeps them "
			"for as long as its configuration says (plugin_opt_history_keep_alert and so on, mosquitto.conf).\n"
			"Shown is what you may receive now, whatever you could receive then; each message shown is on record as a "
			"delivery. At most 8 topics at a time; a unit is three.",
		.example = "pullcord history --user ana --unit icu3\n"
			   "pullcord history --user ana --channel icu3-team --from 2026-11-23 --until 2026-11-24 --oldest --limit 0 --json",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	code = read_what(&h, &page);
	if (code != CMD_DONE)
		return code;
	h.arena = (struct arena){ malloc(ENVELOPE_ARENA), ENVELOPE_ARENA, 0 };
	h.page = (struct arena){ malloc(ENVELOPE_ARENA), ENVELOPE_ARENA, 0 };
	if (!h.arena.p || !h.page.p)
		return report_fail(ERR_FULL, "history");
	report_json(h.json);
	code = login_open(&h.login, &page, "history", 0, &h.client);
	if (code == CMD_DONE && !read_filters(&h))
		return report_fail(ERR_TOO_LARGE, "name the topics");
	return code == CMD_DONE ? ask(&h) : code;
}

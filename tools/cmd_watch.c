/* watch: the care team's view in a terminal: alerts as they come, the strongest first to the eye. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "crypt.h"
#include "fold.h"
#include "login.h"
#include "readback.h"
#include "ref.h"
#include "report.h"

#define SESSION_S 3600          /* the broker keeps what comes while we are away, for so long */
#define RETRY_MS 1000
#define NOTICEABLE_US 1000000   /* how long after its first event a single alert is said to be late */
#define BRIEF_US 10000000       /* a connection lost sooner than this after it came to be was hardly the network's fault */
#define ASK_US 10000000         /* between two questions which alerts are open */
#define ASK_ON_US 1000000       /* the same while some are missing, or the broker is busy */
#define REFUSED_US 600000000    /* after which it ends: a broker refuses, too, while its record has stopped */
#define INTERESTS_MAX (4 * OPT_LIST_MAX + 2)

struct watch {
	struct login login;
	struct opt_list unit, channel;
	char held[2 * OPT_LIST_MAX][WORD_BYTES_MAX + 1];    /* what the account holds of them, when none was named */
	long count, for_s;              /* options; 0: without end */
	bool json;
	struct client *client;
	struct fold *fold;
	struct arena arena;
	long seen;
	int64_t until_us;               /* 0: none */
	int64_t connected_us;
	bool warned;                    /* that two terminals may have one name */
	char refused[TOPIC_BYTES_MAX + 1];      /* the filter that was, last */
	bool unaskable;                 /* the broker is of before it could be asked what is open */
	int64_t ask_us;                 /* when it is to be asked next; monotonic */
	struct id missing[READBACK_ITEMS_MAX];  /* some of those that it named last and had not come */
	size_t missed;                  /* how many it named */
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

/* By enum Priority. The two that must not be overlooked stand out without colour, too. */
static const struct { enum tone tone; const char *label; } priority[] = {
	{ TONE_PLAIN, "" }, { TONE_INFO, "info" }, { TONE_LOW, "low" },
	{ TONE_MEDIUM, "medium" }, { TONE_HIGH, "HIGH" }, { TONE_CODE, "CODE" },
};

static const char *const state_words[] = {
	"did something", "accepted", "is on the way", "resolved", "declined", "escalated",
};

static const char *const state_names[] = {
	"none", "accepted", "on-the-way", "resolved", "declined", "escalated",
};

static const char *const phase_names[] = {
	"none", "start", "tpoint", "continue", "escalate", "deescalate", "end",
};

static const char *word_of(const char *const *words, size_t n, unsigned i)
{
	return i < n ? words[i] : "unknown";
}

/* A message that has arrived, opened. */
struct arrived {
	const struct client_message *m;
	const struct envelope *e;
	const struct topic *topic;
	bool expired;
};

static bool is_expired(const struct arrived *a)
{
	return a->e->head->expires_us && (int64_t)a->e->head->expires_us < a->m->at_us;
}

static double ms_since(const struct arrived *a, uint64_t us)
{
	return ((double)a->m->at_us - (double)us) / 1000;
}

/* "3.1 ms", "14 s", "2 min": what a reader takes in at a glance. */
static void say_since(const struct arrived *a, uint64_t us, const char *what)
{
	double ms = ms_since(a, us);

	if (us == 0)
		return;
	if (ms < 10000)
		report_say(TONE_DIM, "  %.1f ms %s", ms, what);
	else if (ms < 120000)
		report_say(TONE_DIM, "  %.0f s %s", ms / 1000, what);
	else
		report_say(TONE_DIM, "  %.0f min %s", ms / 60000, what);
}

static void clock_and_gap(const struct arrived *a)
{
	char clock[REPORT_TIME];

	report_say(TONE_DIM, "%s", report_clock(a->m->at_us, clock));
	report_say(TONE_PLAIN, "  ");
}

static struct ref ref_of(const struct arrived *a)
{
	struct ref r = { .id = a->e->id };

	must(span_text(topic_word(a->topic, "unit"), r.unit, sizeof(r.unit)));
	must(span_text(topic_word(a->topic, "device"), r.device, sizeof(r.device)));
	must(a->e->body.alert->key.len == REF_KEY_BYTES);
	memcpy(r.key, a->e->body.alert->key.data, REF_KEY_BYTES);
	return r;
}

static void say_alert(const struct arrived *a, enum fold_seen seen)
{
	const Pullcord__V1__Alert *al = a->e->body.alert;
	const enum tone tone = al->test || a->expired ? TONE_DIM : priority[al->priority].tone;
	const bool over = al->phase == PULLCORD__V1__PHASE__PHASE_END;
	const struct ref r = ref_of(a);
	char ref[REF_TEXT];

	clock_and_gap(a);
	report_say(tone, " %-6s ", priority[al->priority].label);
	report_say(TONE_STRONG, "  %s", al->bed[0] ? al->bed : "-");
	report_say(tone == TONE_CODE ? TONE_HIGH : tone, "  %s", al->text[0] ? al->text : al->code);
	if (al->count > 1)
		report_say(TONE_STRONG, "  %s×%u", seen == FOLD_AGAIN ? "again " : "", al->count);
	else if (seen == FOLD_AGAIN && !over)
		report_say(TONE_STRONG, "  again");
	if (over)
		report_say(TONE_GOOD, "  over");
	if (al->test)
		report_say(TONE_WARN, "  TEST");
	if (a->expired)
		report_say(TONE_WARN, "  EXPIRED");
	report_say(TONE_DIM, "  %s/%s", r.unit, r.device);
	say_since(a, a->e->head->sent_us, "from the device");
	if (al->count > 1 || a->e->head->sent_us > al->first_us + NOTICEABLE_US)
		say_since(a, al->first_us, "since the first");
	report_end();
	if (seen != FOLD_NEW || over || al->test || a->expired)
		return;
	ref_write(&r, ref);
	report_line(TONE_DIM, "              pullcord ack %s", ref);
}

static void print_alert(const struct arrived *a, enum fold_seen seen)
{
	const Pullcord__V1__Alert *al = a->e->body.alert;
	const struct ref r = ref_of(a);
	char ref[REF_TEXT];

	ref_write(&r, ref);
	report_object((const struct cell[]){
		CELL_STR("event", "alert"),
		CELL_NUM("at_us", a->m->at_us),
		CELL_STR("ref", ref),
		CELL_HEX("id", span(r.id.b, ID_BYTES)),
		CELL_HEX("key", span(r.key, REF_KEY_BYTES)),
		CELL_STR("unit", r.unit),
		CELL_STR("device", r.device),
		CELL_STR("priority", priority_name((int)al->priority)),
		CELL_STR("phase", word_of(phase_names, countof(phase_names), (unsigned)al->phase)),
		CELL_STR("code", al->code),
		CELL_STR("text", al->text),
		CELL_STR("bed", al->bed),
		CELL_STR("source", al->source),
		CELL_NUM("count", al->count),
		CELL_BOOL("again", seen == FOLD_AGAIN),
		CELL_BOOL("test", al->test),
		CELL_BOOL("expired", a->expired),
		CELL_NUM("sent_us", a->e->head->sent_us),
		CELL_NUM("first_us", al->first_us),
		CELL_NUM("occurred_us", al->occurred_us),
		CELL_NUM("latency_us", a->m->at_us - (int64_t)a->e->head->sent_us),
	}, 21);
}

static void show_alert(struct watch *w, const struct arrived *a)
{
	const struct ref r = ref_of(a);
	enum fold_seen seen = fold_see(w->fold, &r.id, envelope_order(a->e), r.device, a->e->body.alert);

	if (seen == FOLD_SAME)
		return;
	w->seen++;
	(w->json ? print_alert : say_alert)(a, seen);
}

static void print_update(const struct arrived *a, const struct fold_alert *about)
{
	const Pullcord__V1__AlertUpdate *u = a->e->body.update;

	report_object((const struct cell[]){
		CELL_STR("event", "update"),
		CELL_NUM("at_us", a->m->at_us),
		CELL_HEX("id", span(u->alert.data, u->alert.len)),
		CELL_HEX("key", span(u->key.data, u->key.len)),
		CELL_SPAN("unit", topic_word(a->topic, "unit")),
		CELL_SPAN("device", topic_word(a->topic, "device")),
		CELL_STR("state", word_of(state_names, countof(state_names), (unsigned)u->state)),
		CELL_STR("by", u->by),
		CELL_STR("note", u->note),
		about ? CELL_STR("bed", about->bed) : CELL_NULL("bed"),
		about ? CELL_STR("text", about->text) : CELL_NULL("text"),
	}, 11);
}

static void say_update(const struct arrived *a, const struct fold_alert *about)
{
	const Pullcord__V1__AlertUpdate *u = a->e->body.update;

	clock_and_gap(a);
	report_say(TONE_GOOD, "   └ %s %s: ", u->by, word_of(state_words, countof(state_words), (unsigned)u->state));
	if (about)
		report_say(TONE_PLAIN, "%s%s%s", about->bed, about->bed[0] ? " " : "", about->text);
	else
		report_say(TONE_PLAIN, "an unknown alert");
	if (u->note[0])
		report_say(TONE_PLAIN, " (%s)", u->note);
	report_say(TONE_DIM, "  %.*s/%.*s", SPAN_FMT(topic_word(a->topic, "unit")),
		   SPAN_FMT(topic_word(a->topic, "device")));
	report_end();
}

static void show_update(struct watch *w, const struct arrived *a)
{
	char device[WORD_BYTES_MAX + 1];
	const struct fold_alert *about;

	must(span_text(topic_word(a->topic, "device"), device, sizeof(device)));
	about = fold_update(w->fold, device, a->e->body.update);
	(w->json ? print_update : say_update)(a, about);
}

static void say_priority(Pullcord__V1__Priority p)
{
	report_say(TONE_PLAIN, " ");
	if (p)
		report_say(priority[p].tone, "%-6s  ", priority[p].label);
}

static void show_broadcast(struct watch *w, const struct arrived *a)
{
	const Pullcord__V1__Broadcast *b = a->e->body.broadcast;

	if (w->json) {
		report_object((const struct cell[]){
			CELL_STR("event", "broadcast"),
			CELL_NUM("at_us", a->m->at_us),
			CELL_SPAN("unit", topic_word(a->topic, "unit")),
			CELL_STR("priority", priority_name((int)b->priority)),
			CELL_STR("code", b->code),
			CELL_STR("text", b->text),
			CELL_STR("place", b->place),
			CELL_STR("from", a->e->head->sender),
		}, 8);
		return;
	}
	clock_and_gap(a);
	say_priority(b->priority);
	report_say(priority[b->priority].tone, "%s to %.*s: ", a->e->head->sender, SPAN_FMT(topic_word(a->topic, "unit")));
	report_say(TONE_STRONG, "%s", b->text[0] ? b->text : b->code);
	if (b->place[0])
		report_say(TONE_STRONG, "  at %s", b->place);
	report_end();
}

static void show_chat(struct watch *w, const struct arrived *a)
{
	const Pullcord__V1__ChatMessage *c = a->e->body.chat;
	struct span to = topic_word(a->topic, "channel");

	if (w->json) {
		report_object((const struct cell[]){
			CELL_STR("event", "message"),
			CELL_NUM("at_us", a->m->at_us),
			CELL_HEX("id", span(a->e->id.b, ID_BYTES)),
			CELL_STR("topic", a->m->topic),
			CELL_STR("from", a->e->head->sender),
			c->priority ? CELL_STR("priority", priority_name((int)c->priority)) : CELL_NULL("priority"),
			CELL_STR("text", c->text),
		}, 7);
		return;
	}
	clock_and_gap(a);
	say_priority(c->priority);
	report_say(TONE_STRONG, "%s%s%.*s: ", a->e->head->sender, to.n ? " in " : "", SPAN_FMT(to));
	report_say(TONE_PLAIN, "%s", c->text);
	report_end();
}

static const struct {
	Pullcord__V1__Kind kind;
	void (*show)(struct watch *w, const struct arrived *a);
} shows[] = {
	{ PULLCORD__V1__KIND__KIND_ALERT, show_alert },
	{ PULLCORD__V1__KIND__KIND_ALERT_UPDATE, show_update },
	{ PULLCORD__V1__KIND__KIND_BROADCAST, show_broadcast },
	{ PULLCORD__V1__KIND__KIND_CHAT_MESSAGE, show_chat },
};

static void show_sealed(const struct watch *w, const struct arrived *a)
{
	if (w->json)
		return;
	clock_and_gap(a);
	report_line(TONE_WARN, " a sealed message on %s: this terminal has no key for it", a->m->topic);
}

/* What cannot be shown has come, too, and is not asked for again. */
static void note(struct watch *w, const struct client_message *m)
{
	struct id id;

	if (envelope_peek_id(m->payload, &id) == OK)
		fold_note(w->fold, &id);
}

/* The broker has checked it already; a bad one is shown, not trusted. Late ones are, too: no times are checked here. */
static void show(struct watch *w, const struct client_message *m)
{
	struct topic topic;
	struct envelope e;
	struct arrived a = { m, &e, &topic, false };
	enum err err = topic_parse(span_str(m->topic), &topic);

	w->arena.used = 0;
	if (err == OK)
		err = envelope_open(m->payload, &topic, 0, &w->arena, &e);
	if (err != OK) {
		report_error("a message on %s cannot be shown: %s", m->topic, err_text(err));
		note(w, m);
		return;
	}
	a.expired = is_expired(&a);
	if (!e.body.any) {
		show_sealed(w, &a);
		note(w, m);
		return;
	}
	for (size_t i = 0; i < countof(shows); i++)
		if (shows[i].kind == e.head->kind)
			shows[i].show(w, &a);
}

/* ---- what is subscribed to --------------------------------------------------------------------------------------- */

/* `needed`: without it there is nothing to watch. */
struct interest {
	char filter[TOPIC_BYTES_MAX + 1];
	bool needed;
};

static size_t add_interest(struct interest *in, size_t n, bool needed, const char *fmt, const char *tenant,
			   const char *name)
{
	int len = snprintf(in[n].filter, sizeof(in[n].filter), fmt, tenant, name);

	in[n].needed = needed;
	return len > 0 && (size_t)len < sizeof(in[n].filter) ? n + 1 : n;
}

static size_t interests(const struct watch *w, struct interest *in)
{
	const char *tenant = w->login.install.tenant;
	size_t n = 0;

	for (size_t i = 0; i < w->unit.n; i++) {
		n = add_interest(in, n, true, "%s/unit/%s/alert/+/+", tenant, w->unit.text[i]);
		n = add_interest(in, n, false, "%s/unit/%s/ack/+", tenant, w->unit.text[i]);
		n = add_interest(in, n, false, "%s/unit/%s/broadcast", tenant, w->unit.text[i]);
	}
	for (size_t i = 0; i < w->channel.n; i++)
		n = add_interest(in, n, true, "%s/channel/%s/msg", tenant, w->channel.text[i]);
	n = add_interest(in, n, false, "%s/unit/%s/broadcast", tenant, "all");
	return add_interest(in, n, false, "%s/user/%s/inbox", tenant, w->login.user);
}

/* What happened to the connection; only JSON is written here. */
static void print_event(const struct watch *w, const char *event)
{
	if (w->json)
		report_object((const struct cell[]){ CELL_STR("event", event), CELL_NUM("at_us", clock_us(CLOCK_REALTIME)) }, 2);
}

static void say_watching(struct watch *w)
{
	w->connected_us = clock_us(CLOCK_REALTIME);
	w->ask_us = clock_us(CLOCK_MONOTONIC) + ASK_US;
	w->unaskable = false;
	w->missed = 0;
	print_event(w, "watching");
	report_line(TONE_DIM, "%s watches at %s:%ld. Ctrl-C ends.", w->login.user, w->login.host, w->login.port);
}

/* An empty screen must never mean that nothing would come. ERR_DENIED: what is needed is refused. */
static enum err subscribe(struct watch *w)
{
	struct interest in[INTERESTS_MAX];
	size_t n = interests(w, in);

	for (size_t i = 0; i < n; i++) {
		enum err e = client_subscribe(w->client, in[i].filter, 1);

		if (e == ERR_DENIED && in[i].needed) {
			memcpy(w->refused, in[i].filter, sizeof(w->refused));
			return e;
		}
		if (e != OK && e != ERR_DENIED)
			return e;
	}
	say_watching(w);
	return OK;
}

/* It was not, before; and is tried again. */
static void say_refused_for_now(const struct watch *w)
{
	print_event(w, "refused");
	report_line(TONE_WARN, "%s may not watch %s at the moment (%s); trying again.", w->login.user, w->refused, client_why(w->client));
}

static void say_refused(const struct watch *w)
{
	report_error("%s may not watch %s: %s", w->login.user, w->refused, client_why(w->client));
	report_hint("pullcord policy explain user:%s subscribe %s", w->login.user, w->refused);
}

/* ---- what did not come ------------------------------------------------------------------------------------------- */

/* A broker drops in silence what it has no room for in our queue, and so do we. */
static void ask_open(struct watch *w)
{
	size_t n = w->missed < READBACK_ITEMS_MAX ? w->missed : READBACK_ITEMS_MAX;
	uint8_t raw[READBACK_REQUEST_MAX];
	struct put b = put(raw, sizeof(raw));

	if (w->unaskable || clock_us(CLOCK_MONOTONIC) < w->ask_us)
		return;
	w->ask_us = clock_us(CLOCK_MONOTONIC) + ASK_US;
	must(readback_missing_write(w->missing, n, &b) == OK);
	w->unaskable = client_publish(w->client, READBACK_OPEN, put_span(&b), 1, false) == ERR_DENIED;
}

static void say_missing(const struct watch *w)
{
	if (w->json)
		report_object((const struct cell[]){ CELL_STR("event", "missing"), CELL_NUM("at_us", clock_us(CLOCK_REALTIME)),
						     CELL_NUM("alerts", w->missed) }, 3);
	report_line(TONE_WARN, "%zu alerts that are open had not come: they are asked for. What else was said may be missing, "
			       "too: pullcord history has it.", w->missed);
}

/* What was sent before the answer has come before it. Goes on at once while that leaves fewer. */
static void take_open(struct watch *w, const struct client_message *m)
{
	size_t before = w->missed;
	struct readback_open open;
	struct id id;

	w->arena.used = 0;
	if (readback_open_read(m->payload, &w->arena, &open) != OK)
		return;
	if (open.refused && open.refused[0]) {
		w->ask_us = clock_us(CLOCK_MONOTONIC) + ASK_ON_US;
		return;
	}
	w->missed = 0;
	for (size_t i = 0; i + ID_BYTES <= open.ids.n; i += ID_BYTES) {
		memcpy(id.b, open.ids.p + i, ID_BYTES);
		if (fold_knows(w->fold, &id))
			continue;
		if (w->missed < READBACK_ITEMS_MAX)
			w->missing[w->missed] = id;
		w->missed++;
	}
	if (w->missed > before)
		say_missing(w);
	if (w->missed && (!before || w->missed < before))
		w->ask_us = clock_us(CLOCK_MONOTONIC) + ASK_ON_US;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool over(const struct watch *w)
{
	return stop || report_broken() || (w->count && w->seen >= w->count) ||
	       (w->until_us && clock_us(CLOCK_REALTIME) >= w->until_us);
}

static int wait_ms(const struct watch *w)
{
	int64_t ms = w->until_us ? (w->until_us - clock_us(CLOCK_REALTIME)) / 1000 + 1 : RETRY_MS;

	return ms < 0 ? 0 : ms > RETRY_MS ? RETRY_MS : (int)ms;
}

static void hint_terminal(const struct watch *w)
{
	report_hint("two terminals of one person need names of their own: --terminal NAME; this one is %s.%s",
		    w->login.user, w->login.terminal);
}

/* Mosquitto 2.0.11 does not tell whom it closes that another came with the same client id. It shows, though: both are
 * let in again and again, and for moments only. */
static void warn_of_twin(struct watch *w)
{
	if (w->warned || clock_us(CLOCK_REALTIME) - w->connected_us > BRIEF_US)
		return;
	w->warned = true;
	report_error("the connection was lost soon after it was made: did another terminal take it over?");
	hint_terminal(w);
}

static void say_lost(struct watch *w)
{
	print_event(w, "lost");
	report_line(TONE_WARN, "The connection is lost (%s); trying again.", client_why(w->client));
	warn_of_twin(w);
}

/* Until the broker is back, or we are told to end. The session was kept there, so nothing that came meanwhile is
 * missed; it is subscribed to again in case it was not. ERR_DENIED: we may not come back; why was said. */
static enum err come_back(struct watch *w)
{
	const int64_t until_us = clock_us(CLOCK_MONOTONIC) + REFUSED_US;
	bool said = false;

	say_lost(w);
	while (!over(w)) {
		enum err e = client_connect(w->client, false, CLIENT_ANSWER_MS);

		if (e == ERR_DENIED) {
			(void)login_failed(&w->login, e, w->client);
			return e;
		}
		if (e == OK)
			e = subscribe(w);
		if (e == OK)
			return e;
		if (e == ERR_DENIED && clock_us(CLOCK_MONOTONIC) >= until_us) {
			say_refused(w);
			return e;
		}
		if (e == ERR_DENIED && !said)
			say_refused_for_now(w);
		said = said || e == ERR_DENIED;
		if (!over(w))
			usleep(RETRY_MS * 1000);
	}
	return OK;
}

/* A broker that does tell: whoever came later has the session, and to come back would only take it away again. */
static int taken_over(const struct watch *w)
{
	print_event(w, "lost");
	report_error("another terminal has logged in as %s.%s and taken over", w->login.user, w->login.terminal);
	hint_terminal(w);
	return CMD_NO;
}

static int follow(struct watch *w)
{
	struct client_message m;

	while (!over(w)) {
		enum err e;

		ask_open(w);
		e = client_next(w->client, wait_ms(w), &m);
		if (e == OK && strcmp(m.topic, READBACK_RESPONSE) == 0)
			take_open(w, &m);
		else if (e == OK)
			show(w, &m);
		else if (e == ERR_CLOSED && client_taken_over(w->client))
			return taken_over(w);
		else if (e == ERR_CLOSED && !over(w) && come_back(w) != OK)
			return CMD_NO;
	}
	return w->count && w->seen < w->count ? CMD_NO : CMD_DONE;
}

/* Into `list` what the account holds of one attribute; the texts into w->held, from `first`. */
static void take_held(struct watch *w, const struct subject *s, const char *name, size_t first, struct opt_list *list)
{
	for (size_t i = 0; i < s->attributes && list->n < OPT_LIST_MAX; i++) {
		char *text = w->held[first + list->n];

		if (span_is(s->attribute[i].name, name) && span_text(s->attribute[i].value, text, sizeof(w->held[0])))
			list->text[list->n++] = text;
	}
}

/* Who has the installation at hand need not say which units and channels: they are in the directory. */
static void take_account(struct watch *w)
{
	CLEANUP(account_free) struct account *a = NULL;
	CLEANUP(directory_close) struct directory *dir = NULL;
	const struct install *in = &w->login.install;
	struct subject now;
	int64_t until;

	if (!in->dir[0] || access(install_path(in, "keys/root.key").text, R_OK) != 0 ||
	    install_directory(in, true, &dir) != OK ||
	    directory_find(dir, PULLCORD__V1__PARTY__PARTY_USER, span_str(w->login.user), &a) != OK)
		return;
	now = account_subject(a, clock_us(CLOCK_REALTIME), &until);
	take_held(w, &now, "unit", 0, &w->unit);
	take_held(w, &now, "channel", OPT_LIST_MAX, &w->channel);
}

static int watch(struct watch *w, const struct opt_page *page)
{
	int code = login_open(&w->login, page, "watch", SESSION_S, &w->client);
	enum err e;

	if (code != CMD_DONE)
		return code;
	if (w->unit.n == 0 && w->channel.n == 0)
		take_account(w);
	if (w->unit.n == 0 && w->channel.n == 0)
		return opt_wrong(page, "which unit? give --unit UNIT");
	w->until_us = w->for_s ? clock_us(CLOCK_REALTIME) + w->for_s * 1000000LL : 0;
	e = subscribe(w);
	if (e == ERR_DENIED) {
		say_refused(w);
		return CMD_NO;
	}
	return e == OK ? follow(w) : report_fail(e, "subscribe (%s)", client_why(w->client));
}

static void watch_end(struct watch *w)
{
	client_close(&w->client);
	free(w->arena.p);
	free(w->fold);
}

int cmd_watch(int argc, char **argv)
{
	CLEANUP(watch_end) struct watch w = { 0 };
	const struct opt opt[] = {
		OPT_LIST("unit", "UNIT", &w.unit, "whose alerts (default: as the account holds, where it can be read)"),
		OPT_LIST("channel", "CHANNEL", &w.channel, "whose messages (the same)"),
		LOGIN_OPTS(&w.login),
		OPT_FLAG("json", &w.json, "one JSON object a line: watching, alert, update, broadcast, message, missing, lost, refused"),
		OPT_NUMBER("count", "N", &w.count, 0, LONG_MAX, "end after N alerts"),
		OPT_NUMBER("for", "SECONDS", &w.for_s, 0, 31536000, "end after so long; 1 if --count was not reached"),
	};
	const struct opt_page page = {
		.command = "watch",
		.text = "Shows alerts as they come: when, priority, bed, what, how often, from where, how long it took "
			"from the device, and since the first event it stands for when that was earlier. Under a new "
			"alert stands the command that answers it. A message that comes twice is shown once; repeats of "
			"a condition say \"again\" until it is over or resolved. Answers stand among them: who, and which "
			"alert.\n"
			"Every ten seconds the broker is asked which alerts are open. What had not come, as when a terminal was too "
			"slow and the broker dropped it, is shown then.\n"
			"When the broker goes away it is said, and it goes on once the broker is back; when that refuses what it "
			"had let be watched, as while its record has stopped, it is tried for ten minutes. Two at a time of one "
			"user need names of their own, by --terminal.",
		.example = "pullcord watch --user ana --unit icu3\n"
			   "pullcord watch --user ana --unit icu3 --host broker.example --cafile ca.crt --tenant mercy",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (opt_words(&page, "--unit", &w.unit) != CMD_DONE || opt_words(&page, "--channel", &w.channel) != CMD_DONE)
		return CMD_USAGE;
	w.arena = (struct arena){ malloc(ENVELOPE_ARENA), ENVELOPE_ARENA, 0 };
	w.fold = calloc(1, sizeof(*w.fold));
	if (!w.arena.p || !w.fold)
		return report_fail(ERR_FULL, "watch");
	crypt_random(w.fold->key, sizeof(w.fold->key));
	report_json(w.json);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return watch(&w, &page);
}

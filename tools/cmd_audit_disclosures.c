/* audit disclosures: the accounting of disclosures of 45 CFR 164.528: who received a patient's data, when, and on what
 * ground. */
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"
#include "cmd.h"
#include "csv.h"
#include "emergency.h"
#include "event.h"
#include "mapped.h"
#include "report.h"

#define GROUND_MAX 560
#define MISSING_MAX 512
#define ROW_MAX 4096

struct accounting {
	FILE *out;                      /* CSV; NULL: rows for people or JSON */
	const struct criteria *meant;
	uint64_t n;
	uint64_t lost, erased;          /* what the record does not have any more, or never had, of that time */
	struct audit_before before;
	struct reason *reason;          /* of emergency access, as it was taken */
	size_t reasons;
};

struct reason {
	char who[AUDITED_ACTOR_MAX + 1];
	uint64_t at_us;
	char text[EMERGENCY_REASON_MAX + 1];
};

static const char *reason_of(const struct accounting *a, const Pullcord__V1__Recipient *r)
{
	for (size_t i = 0; i < a->reasons; i++)
		if (a->reason[i].at_us == r->emergency_us && strcmp(a->reason[i].who, r->actor) == 0)
			return a->reason[i].text;
	return "why is not in this record";
}

/* "emergency access taken at 2026-11-23T06:58:10Z: code 412; rule at line 7 of policy 706f6c69: a rule allows it" */
static void ground_of(const struct accounting *a, const Pullcord__V1__AuditEvent *e, const Pullcord__V1__Recipient *r,
		      char out[GROUND_MAX])
{
	char policy[2 * SHA256_BYTES + 1] = "", taken[MAPPED_TIME];
	struct put text = put(out, GROUND_MAX - 1);
	const uint32_t line = r->line;

	if (r->emergency_us) {
		mapped_time((int64_t)r->emergency_us, taken);
		put_fmt(&text, "emergency access taken at %s: %s; ", taken, reason_of(a, r));
	}
	if (e->policy.len >= 4 && e->policy.len <= SHA256_BYTES)
		hex_encode(span(e->policy.data, 4), policy);
	if (line)
		put_fmt(&text, "rule at line %u", line);
	if (line && *policy)
		put_fmt(&text, " of policy %s", policy);
	if (event_why(e))
		put_fmt(&text, "%s%s", line ? ": " : "", event_why(e));
	if (*e->detail)
		put_fmt(&text, "%s%s", text.n ? "; " : "", e->detail);
	if (text.n == 0)
		put_str(&text, "not said");
	out[text.n] = '\0';
}

static const char *const columns[] = {
	"index", "time", "until", "events", "recipient", "terminal", "topic", "message", "basis", "how", "ground",
};

struct row {
	uint64_t index, events;
	char time[MAPPED_TIME], until[MAPPED_TIME], message[2 * SHA256_BYTES + 1], ground[GROUND_MAX];
	const char *recipient, *terminal, *topic, *basis, *how;
};

static enum err csv_row(const struct accounting *a, const struct row *r)
{
	char buf[ROW_MAX];
	struct put text = put(buf, sizeof(buf));
	struct csv c = { .out = &text };

	csv_number(&c, r->index);
	csv_text(&c, span_str(r->time));
	csv_text(&c, span_str(r->until));
	csv_number(&c, r->events);
	csv_text(&c, span_str(r->recipient));
	csv_text(&c, span_str(r->terminal));
	csv_text(&c, span_str(r->topic));
	csv_text(&c, span_str(r->message));
	csv_text(&c, span_str(r->basis));
	csv_text(&c, span_str(r->how));
	csv_text(&c, span_str(r->ground));
	csv_end(&c);
	TRY(put_end(&text));
	return fwrite(text.p, 1, text.n, a->out) == text.n ? OK : ERR_IO;
}

static void say_row(const struct row *r)
{
	struct cell cell[] = {
		CELL_NUM("index", r->index), CELL_STR("time", r->time), CELL_STR("until", r->until), CELL_NUM("events", r->events),
		CELL_STR("recipient", r->recipient), CELL_STR("terminal", r->terminal), CELL_STR("topic", r->topic),
		CELL_STR("message", r->message), CELL_STR("basis", r->basis), CELL_STR("how", r->how),
		CELL_STR("ground", r->ground),
	};

	_Static_assert(countof(cell) == countof(columns), "a cell for each column");
	if (report_is_json()) {
		report_object(cell, countof(cell));
		return;
	}
	report_say(TONE_STRONG, "%s  %s", r->time, *r->recipient ? r->recipient : r->terminal);
	if (*r->terminal && strcmp(r->terminal, r->recipient) != 0)
		report_say(TONE_DIM, " (%s)", r->terminal);
	report_say(TONE_PLAIN, "  %s", r->topic);
	if (r->events > 1)
		report_say(TONE_DIM, "  [%llu events until %s]", (unsigned long long)r->events, *r->until ? r->until : r->time);
	report_say(TONE_DIM, "  %s%s%s, %s", r->basis, *r->how ? " " : "", r->how, r->ground);
	report_end();
}

/* Emergency access is taken before anything rests on it. */
static enum err add_reason(struct accounting *a, const Pullcord__V1__AuditEvent *e)
{
	const size_t word = sizeof(EMERGENCY_WORD) - 1;
	struct reason *r;

	if (!e->emergency_us || strncmp(e->detail, EMERGENCY_WORD, word) != 0)
		return OK;
	r = realloc(a->reason, (a->reasons + 1) * sizeof(*r));
	if (!r)
		return ERR_FULL;
	a->reason = r;
	r += a->reasons++;
	r->at_us = e->emergency_us;
	snprintf(r->who, sizeof(r->who), "%s", e->actor);
	snprintf(r->text, sizeof(r->text), "%s", e->detail + word);
	return OK;
}

/* Whose they were is not known any more. */
static void add_lost(struct accounting *a, const Pullcord__V1__AuditEvent *gap)
{
	static const enum record_class meant[] = { RECORD_MOVEMENT, RECORD_CRITICAL };

	if ((int64_t)(gap->until_us > gap->at_us ? gap->until_us : gap->at_us) < a->meant->from_us)
		return;         /* of the time before, in which emergency access is looked for */
	for (size_t i = 0; i < countof(meant); i++)
		a->lost += meant[i] < gap->n_lost ? gap->lost[meant[i]] : 0;
}

/* Of a digest every recipient got so many messages; else an entry is of one, however often it was asked about. */
static enum err on_event(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e)
{
	struct accounting *a = ctx;
	struct row row = { .index = index, .events = e->digest.len ? e->count : 1, .topic = e->topic,
			   .basis = event_basis(e) };

	(void)entry;
	if (e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP)
		add_lost(a, e);
	if (e->type == PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN)
		TRY(add_reason(a, e));
	if (!criteria_match(a->meant, e) || event_is_pending(e))
		return OK;
	mapped_time((int64_t)e->at_us, row.time);
	if (e->until_us)
		mapped_time((int64_t)e->until_us, row.until);
	if (e->message.len <= SHA256_BYTES)
		hex_encode(span(e->message.data, e->message.len), row.message);
	for (size_t i = 0; i < e->n_recipient; i++) {
		if (a->meant->user && strcmp(e->recipient[i]->actor, a->meant->user) != 0)
			continue;       /* others who got the same message */
		a->n++;
		row.recipient = e->recipient[i]->actor;
		row.terminal = e->recipient[i]->client;
		row.how = event_how(e->recipient[i]);
		ground_of(a, e, e->recipient[i], row.ground);
		if (a->out)
			TRY(csv_row(a, &row));
		else
			say_row(&row);
	}
	return report_broken() ? ERR_CLOSED : OK;
}

/* What is not there any more cannot be accounted for: that is said in each form, last. */
static enum err say_incomplete(const struct accounting *a)
{
	char what[MISSING_MAX];
	struct put text = put(what, sizeof(what) - 1);

	const char *since = a->before.since;

	if (!*since && a->lost + a->erased == 0)
		return OK;
	put_str(&text, "not complete:");
	if (*since)
		put_fmt(&text, " this record begins at %s", since);
	if (a->before.number)
		put_fmt(&text, ", and " AUDIT_BEFORE, a->before.number);
	if (a->lost + a->erased)
		put_fmt(&text, "%s of that time", *since ? ";" : "");
	if (a->lost)
		put_fmt(&text, " %llu messages and deliveries found no room in the record", (unsigned long long)a->lost);
	if (a->erased)
		put_fmt(&text, "%s %llu entries of all kinds were erased", a->lost ? ", and" : "", (unsigned long long)a->erased);
	what[text.n] = '\0';
	if (a->out)
		return fprintf(a->out, ",,,,,,,,,,\"%s\"\r\n", what) > 0 ? OK : ERR_IO;
	if (report_is_json())
		report_object((const struct cell[]){ CELL_BOOL("complete", false), CELL_NUM("lost", a->lost),
						     CELL_NUM("erased", a->erased),
						     *since ? CELL_STR("since", since) : CELL_NULL("since"),
						     CELL_STR("what", what) }, 5);
	else
		report_line(TONE_WARN, "%s", what);
	return OK;
}

/* The index is asked for what is of one type, and for what is about the patient. */
static enum err account_indexed(struct reader *r, struct audit_walk *walk, const struct criteria *mine, struct accounting *a)
{
	struct criteria others = *mine;

	others.type = PULLCORD__V1__AUDIT_TYPE__AUDIT_ADMIN;
	walk->criteria = &others;
	TRY(audit_walk(r, walk, on_event, a));
	walk->criteria = a->meant;
	TRY(audit_walk(r, walk, on_event, a));
	others.type = PULLCORD__V1__AUDIT_TYPE__AUDIT_GAP;
	walk->criteria = &others;
	return audit_walk(r, walk, on_event, a);
}

/* Gaps name nobody, nor does who took emergency access, up to a shift before: with the index they are looked for on their own,
 * without it nothing is passed over. */
static enum err account(struct audit_books *books, struct audit_walk *walk, struct accounting *a)
{
	struct criteria all = { .from_us = a->meant->from_us, .to_us = a->meant->to_us, .type = -1, .result = -1 };

	TRY(reader_erased(books->reader, all.from_us, all.to_us, &a->erased));
	all.from_us -= all.from_us > INT64_MIN + EMERGENCY_US_MAX ? EMERGENCY_US_MAX : 0;
	walk->criteria = &all;
	return walk->index ? account_indexed(books->reader, walk, &all, a) : audit_walk(books->reader, walk, on_event, a);
}

static int disclosures_run(const struct source *s, struct criteria *c, const char *index, bool no_index, bool csv)
{
	CLEANUP(audit_books_close) struct audit_books books = { 0 };
	struct audit_walk walk = { .criteria = c, .progress = no_index ? "searched, entry" : NULL };
	struct accounting a = { .out = csv ? stdout : NULL, .meant = c };
	int code = audit_books_open(s, c, index, no_index, &books);
	enum err e;

	if (code != CMD_DONE)
		return code;
	walk.index = books.index;
	a.before = audit_before(books.reader, c);
	for (size_t i = 0; csv && i < countof(columns); i++)
		fprintf(stdout, "%s%s", columns[i], i + 1 < countof(columns) ? "," : "\r\n");
	e = account(&books, &walk, &a);
	free(a.reason);
	if (e == OK && !csv && !report_is_json())
		report_line(TONE_GOOD, "%llu disclosures", (unsigned long long)a.n);
	if (e == OK)
		e = say_incomplete(&a);
	if (e == ERR_CLOSED || (csv && fflush(stdout) != 0))
		return CMD_NO;
	if (e != OK)
		return audit_unread(s, e, walk.at);
	return CMD_DONE;
}

int audit_disclosures(int argc, char **argv)
{
	struct source s = { 0 };
	struct criteria c = { .event = "deliver", .outcome = "allowed" };
	const char *index = NULL;
	bool json = false, csv = false, no_index = false;
	const struct opt opt[] = {
		OPT_NEED("patient", "ID", &c.patient, "whose data (the id as the source knows it)"),
		OPT_TEXT("from", "TIME", &c.from, "from then on: 2026-11-23T07:00:00Z, or a day (its beginning, UTC)"),
		OPT_TEXT("to", "TIME", &c.to, "before then"),
		OPT_TEXT("user", "USER", &c.user, "only what this person received"),
		OPT_FLAG("csv", &csv, "RFC 4180, with a line of names"),
		AUDIT_INDEX_OPTS(&index, &no_index),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, OPT_SEALED_RULE, AUDIT_INDEX_RULE };
	const struct opt_page page = {
		.command = "audit disclosures",
		.text = "Accounts for what was disclosed about a patient (45 CFR 164.528): everyone to whom the broker handed a message that "
			"names the patient, or is on the patient's topic, when, and on what ground: by which "
			"rule, and if only emergency access let them, by which and why.\n"
			"Who was let see them, by a grant or a team, says pullcord audit search --patient ID --event admin.\n"
			"The record holds patients as pseudonyms; only the root key finds one. What handed over rests on is beside it: acl-read, it was "
			"authorised and queued for that recipient, which is all that Mosquitto 2.0 shows; message-out, the broker sent it "
			"(2.1). What was authorised and had to wait is accounted for when it is sent. "
			"How it came: live, away (it waits for them, unless it is of QoS 0), released (it had waited), retained, open (an alert, "
			"when they subscribed), read-back; nothing, where that is not known. Messages that are sealed end to end name nobody "
			"here, unless their topic does. Its last line says "
			"what of that time found no room in the record, was erased, or is in a record that was put aside before this one, "
			"if anything: the accounting is not complete then. Topics that the policy leaves out (`record off`) are in no "
			"accounting.",
		.example = "pullcord audit disclosures --patient MRN-4711 --from 2026-01-01 --to 2027-01-01\n"
			   "pullcord audit disclosures --patient MRN-4711 --csv > MRN-4711.csv",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code == OPT_RUN)
		code = criteria_read(&c, &page);
	if (code != OPT_RUN)
		return code;
	if (csv && json)
		return opt_wrong(&page, "either --csv or --json");
	report_json(json);
	source_says(&s, "audit disclosures");
	return source_fill(&s) == OK ? disclosures_run(&s, &c, index, no_index, csv) : CMD_NO;
}

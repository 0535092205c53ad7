/* audit hold, release, erase, requests: what is done to segments of the record, by two persons, through the running broker. */
#include <stdlib.h>
#include <time.h>

#include "acts.h"
#include "audit.h"
#include "cmd.h"
#include "keeping.h"
#include "live.h"
#include "report.h"
#include "trail.h"
#include "value.h"

static const char *const done_words[] = { "held", "released", "erased" };

struct asking {
	const char *command;            /* as the broker knows it */
	const char *reason;
	long confirm;
	long pseudonyms;                /* the year whose key is meant; 0: segments are */
	bool expired, json;
	struct criteria about;          /* a patient's entries; patient NULL: that is not asked */
	struct live live;
	uint32_t segment[ACT_SEGMENTS_MAX];
	size_t segments;
	bool more;                      /* than one request takes */
};

/* ---- which segments ---- */

static enum err add(struct asking *a, uint32_t id)
{
	if (a->segments == ACT_SEGMENTS_MAX)
		return ERR_TOO_LARGE;
	if (a->segments && id <= a->segment[a->segments - 1])
		return ERR_RANGE;
	a->segment[a->segments++] = id;
	return OK;
}

/* "7" or "7-12" */
static enum err add_word(struct asking *a, const char *word)
{
	struct span to, from = span_cut(span_str(word), '-', &to);
	uint64_t first, last;

	if (!span_u64(from, UINT32_MAX, &first) || first == 0)
		return ERR_SYNTAX;
	last = first;
	if (strchr(word, '-') && !span_u64(to, UINT32_MAX, &last))
		return ERR_SYNTAX;
	for (uint64_t id = first; id <= last; id++)
		TRY(add(a, (uint32_t)id));
	return last < first ? ERR_RANGE : OK;
}

static int add_words(struct asking *a, const struct opt_page *page, const struct opt_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		enum err e = add_word(a, list->text[i]);

		if (e == ERR_TOO_LARGE)
			return opt_wrong(page, "one request takes at most %d segments", ACT_SEGMENTS_MAX);
		if (e == ERR_RANGE)
			return opt_wrong(page, "segments rise, each once: not \"%s\" there", list->text[i]);
		if (e != OK)
			return opt_wrong(page, "SEGMENT is a number or a range such as 7-12, not \"%s\"", list->text[i]);
	}
	return OPT_RUN;
}

static enum err add_expired(struct asking *a, struct trail *t)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	const int64_t now_us = (int64_t)time(NULL) * 1000000;
	struct trail_ends ends;
	struct segment s;
	struct retention kept;

	TRY(trail_view(t, &view));
	TRY(view_ends(view, &ends));
	for (uint32_t id = 1; id <= ends.segment && !a->more; id++) {
		TRY(view_segment(view, id, &s));
		TRY(keep_look(view, &s, &kept));
		if (keep_is_over(&s, &kept, now_us))
			a->more = add(a, id) != OK;
	}
	return OK;
}

/* All keys there are of that year and were not erased. */
static enum err add_year(struct asking *a, struct trail *t)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct year_row row[YEARS_MAX];
	struct segment s;
	size_t n;

	TRY(trail_view(t, &view));
	TRY(view_years(view, row, &n));
	for (size_t i = 0; i < n; i++) {
		TRY(view_segment(view, row[i].segment, &s));
		if (row[i].year == a->pseudonyms && s.state != SEGMENT_ERASED)
			TRY(add(a, row[i].segment));
	}
	return OK;
}

static int find_expired(struct asking *a)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	struct source s = { .dir = a->live.login.dir };
	enum err e;

	if (source_fill(&s) != OK)
		return CMD_NO;
	e = trail_open(s.record, 1 << 20, true, &t);
	if (e == OK)
		e = a->pseudonyms ? add_year(a, t) : add_expired(a, t);
	source_leave(&s);
	if (e != OK)
		return source_no_record(e, s.record);
	if (a->segments)
		return CMD_DONE;
	if (a->pseudonyms)
		report_error("the record has no key of the pseudonyms of %ld, or it was erased", a->pseudonyms);
	else
		report_line(TONE_GOOD, "no segment has had its time");
	return CMD_NO;
}

/* Those in which somebody stands lie side by side: each once, rising, as a request has them. */
static enum err on_bearing(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e)
{
	struct asking *a = ctx;
	size_t at = a->segments;

	(void)index;
	(void)e;
	while (at && a->segment[at - 1] > entry->segment)
		at--;
	if (at && a->segment[at - 1] == entry->segment)
		return OK;
	a->more = a->segments == ACT_SEGMENTS_MAX;
	if (a->more)
		return ERR_CLOSED;
	memmove(&a->segment[at + 1], &a->segment[at], (a->segments - at) * sizeof(a->segment[0]));
	a->segment[at] = entry->segment;
	a->segments++;
	return OK;
}

static int find_bearing(struct asking *a)
{
	CLEANUP(audit_books_close) struct audit_books books = { 0 };
	struct audit_walk walk = { .criteria = &a->about };
	struct source s = { .dir = a->live.login.dir };
	int code;
	enum err e;

	source_says(&s, "audit hold");
	if (source_fill(&s) != OK)
		return CMD_NO;
	code = audit_books_open(&s, &a->about, NULL, false, &books);
	if (code != CMD_DONE)
		return code;
	walk.index = books.index;
	e = audit_walk(books.reader, &walk, on_bearing, a);
	source_leave(&s);
	if (e != OK && !a->more)
		return audit_unread(&s, e, walk.at);
	if (a->more)
		report_error("they stand in more segments than the %d that one request takes: ask by parts, --from and --to", ACT_SEGMENTS_MAX);
	else if (!a->segments)
		report_error("no entry that is left is about that patient");
	return a->more || !a->segments ? CMD_NO : CMD_DONE;
}

/* ---- the request ---- */

static char *request_of(const struct asking *a)
{
	CLEANUP(reply_close) struct reply *r = live_request(a->command);

	if (!r)
		return NULL;
	if (a->confirm)
		reply_number(r, "request", (uint64_t)a->confirm);
	if (a->reason)
		reply_text(r, "reason", span_str(a->reason));
	if (a->segments) {
		reply_array(r, "segments");
		for (size_t i = 0; i < a->segments; i++)
			reply_number(r, NULL, a->segment[i]);
		reply_end(r);
	}
	return live_request_end(r);
}

/* True: there is something to say of it for people. */
static bool heard(bool *error, const struct answer *a, struct value **out)
{
	struct policy_error where;

	*error |= a->error[0] != '\0';
	if (report_is_json())
		report_raw(a->json);
	else if (a->error[0])
		report_error("%s", a->error);
	else
		return value_load(span_str(a->data ? a->data : "{}"), out, &where) == OK;
	return false;
}

static struct span number(const struct value *v, const char *key)
{
	const struct value *n = value_of(v, key, VALUE_NUMBER);

	return n ? n->text : span(NULL, 0);
}

static void hear(void *ctx, const struct answer *a)
{
	CLEANUP(value_close) struct value *v = NULL;

	if (!heard(ctx, a, &v))
		return;
	if (number(v, "request").n)
		report_line(TONE_GOOD, "request %.*s: another person confirms it before %.*s", SPAN_FMT(number(v, "request")),
			    SPAN_FMT(value_text(v, "expires")));
	for (size_t i = 0; i < countof(done_words); i++)
		if (number(v, done_words[i]).n)
			report_line(TONE_GOOD, "%.*s segments %s", SPAN_FMT(number(v, done_words[i])), done_words[i]);
}

static int send(struct asking *a, const struct opt_page *page, void (*listen)(void *ctx, const struct answer *a))
{
	CLEANUP(free_cleanup) char *request = request_of(a);
	bool error = false;
	int code;

	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_open(&a->live, page, a->live.login.dir);
	if (code == CMD_DONE)
		code = live_send(&a->live, request, listen, &error);
	live_close(&a->live);
	return error ? CMD_NO : code;
}

static int check(const struct asking *a, const struct opt_page *page, const struct opt_list *list)
{
	const char *finds = a->expired ? "--expired" : a->pseudonyms ? "--pseudonyms" : a->about.patient ? "--patient" : NULL;

	if (a->confirm && (list->n || a->reason || finds))
		return opt_wrong(page, "--confirm says it all: which segments and why is in the request");
	if (!a->confirm && !a->reason)
		return opt_wrong(page, "--reason WHY, or --confirm REQUEST");
	if (finds && (list->n || (a->expired && a->pseudonyms)))
		return opt_wrong(page, "%s finds the segments by itself", finds);
	if (!a->confirm && !list->n && !finds)
		return opt_wrong(page, "which segments? pullcord audit segments lists them");
	return OPT_RUN;
}

static int run(struct asking *a, const struct opt_page *page, int argc, char **argv)
{
	struct opt_list list = { 0 };
	int code = opt_read(page, argc, argv, &list);

	if (code == OPT_RUN)
		code = check(a, page, &list);
	if (code == OPT_RUN)
		code = add_words(a, page, &list);
	if (code == OPT_RUN && a->about.patient)
		code = criteria_read(&a->about, page);
	if (code != OPT_RUN)
		return code;
	report_json(a->json);
	code = a->about.patient ? find_bearing(a) : a->expired || a->pseudonyms ? find_expired(a) : CMD_DONE;
	if (code == CMD_DONE)
		code = send(a, page, hear);
	if (code == CMD_DONE && a->about.patient)
		report_hint("it is about %zu segments, which pullcord audit requests lists", a->segments);
	if (code == CMD_DONE && a->more)
		report_hint("more have had their time: ask again when these are erased");
	return code;
}

#define ACT_OPTS(a)                                                                                                    \
	OPT_TEXT("reason", "TEXT", &(a)->reason, "why, in a few words; it is written in clear, so no patient's name"), \
	OPT_NUMBER("confirm", "REQUEST", &(a)->confirm, 1, 999999999, "agree to what somebody else asked for"),        \
	OPT_FLAG("json", &(a)->json, "the broker's answer as JSON"),                                                    \
	LOGIN_OPTS(&(a)->live.login)

int audit_hold(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct asking *a = calloc(1, sizeof(*a));

	must(a);
	a->command = "holdSegments";
	const struct opt opt[] = {
		OPT_TEXT("patient", "ID", &a->about.patient, "the segments in which this patient stands (the id as the source knows it)"),
		OPT_TEXT("from", "TIME", &a->about.from, "in entries from then on: 2026-11-23T07:00:00Z, or a day (its beginning, UTC)"),
		OPT_TEXT("to", "TIME", &a->about.to, "in entries before then"),
		ACT_OPTS(a),
	};
	const struct opt_rule rule[] = { OPT_WITH("from", "patient"), OPT_WITH("to", "patient") };
	const struct opt_page page = {
		.command = "audit hold", .operands = "[SEGMENT...]", .most = OPT_LIST_MAX,
		.text = "Keeps segments of the record from being erased, whatever their retention, until they are released. SEGMENT is a "
			"number or a range, as pullcord audit segments lists them. One may be held more than once, each time for another reason, "
			"and is until each of these was released.\n"
			"--patient is read from the installation's record, which that is put on. It finds what there is now: of what is recorded "
			"later nothing is held until it is asked again.\n"
			"It takes two persons: one asks and says why, another one confirms within an hour; both need record.hold. Both are on "
			"record, before anything is done and after.",
		.example = "pullcord audit hold 7-12 --reason \"case 2026-114\" --user ana\n"
			   "pullcord audit hold --patient MRN-4711 --reason \"case 2026-115\" --user ana\n"
			   "pullcord audit hold --confirm 483920175 --user ben",
		OPTS(opt), OPT_RULES(rule),
	};

	return run(a, &page, argc, argv);
}

int audit_release(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct asking *a = calloc(1, sizeof(*a));

	must(a);
	a->command = "releaseSegments";
	const struct opt opt[] = { ACT_OPTS(a) };
	const struct opt_page page = {
		.command = "audit release", .operands = "[SEGMENT...]", .most = OPT_LIST_MAX,
		.text = "Ends a hold of each of these segments: when no other is in force they may be erased once their retention is over. "
			"pullcord audit search --event admin says what was held for which reason. It takes two persons, as the hold did; both "
			"need record.release.",
		.example = "pullcord audit release 7-12 --reason \"case 2026-114 is closed\" --user ana\n"
			   "pullcord audit release --confirm 483920175 --user ben",
		OPTS(opt),
	};

	return run(a, &page, argc, argv);
}

int audit_erase(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct asking *a = calloc(1, sizeof(*a));

	must(a);
	a->command = "eraseSegments";
	const struct opt opt[] = {
		OPT_NUMBER("pseudonyms", "YEAR", &a->pseudonyms, 1970, 4095, "the key by which patients are found in entries of that year, "
			   "once none of those is to be kept"),
		OPT_FLAG("expired", &a->expired, "all whose retention is over and that are not held, as the installation's record has them"),
		ACT_OPTS(a),
	};
	const struct opt_page page = {
		.command = "audit erase", .operands = "[SEGMENT...]", .most = OPT_LIST_MAX,
		.text = "Erases segments of the record whose retention is over: their keys are destroyed, what was sealed with them is taken "
			"out, and the index of searches is removed. Their hashes stay, so everything that was signed still verifies. What is held, "
			"written on, or to be kept longer is refused; so is the key of a year's pseudonyms while a segment of that year is. Without "
			"that key nobody finds out any more who a pseudonym was.\n"
			"It takes two persons: one asks and says why, another one confirms within an hour; both need record.erase. Both are on "
			"record, before anything is done and after. Copies and exports are not reached: backups of record.mdb-keys undo it.",
		.example = "pullcord audit erase --expired --reason \"six years are over\" --user ana\n"
			   "pullcord audit erase --pseudonyms 2019 --reason \"nothing of that year is kept\" --user ana\n"
			   "pullcord audit erase --confirm 483920175 --user ben",
		OPTS(opt),
	};

	return run(a, &page, argc, argv);
}

/* ---- what waits ---- */

static void say_request(const struct value *v)
{
	const struct value *list = value_of(v, "segments", VALUE_ARRAY);

	report_say(TONE_STRONG, "%.*s", SPAN_FMT(number(v, "request")));
	report_say(TONE_PLAIN, "  %.*s asked by %.*s, to be confirmed before %.*s", SPAN_FMT(value_text(v, "command")),
		   SPAN_FMT(value_text(v, "username")), SPAN_FMT(value_text(v, "expires")));
	report_end();
	report_say(TONE_PLAIN, "  segments");
	for (const struct value *x = list ? list->child : NULL; x; x = x->next)
		report_say(TONE_PLAIN, " %.*s", SPAN_FMT(x->text));
	report_end();
	report_line(TONE_PLAIN, "  reason: %.*s", SPAN_FMT(value_text(v, "reason")));
}

static void hear_requests(void *ctx, const struct answer *a)
{
	CLEANUP(value_close) struct value *v = NULL;
	const struct value *list;

	if (!heard(ctx, a, &v))
		return;
	list = value_of(v, "requests", VALUE_ARRAY);
	if (!list || !list->child)
		report_line(TONE_PLAIN, "nothing waits");
	for (const struct value *x = list ? list->child : NULL; x; x = x->next)
		say_request(x);
}

int audit_requests(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct asking *a = calloc(1, sizeof(*a));

	must(a);
	a->command = "listRequests";
	const struct opt opt[] = {
		OPT_FLAG("json", &a->json, "the broker's answer as JSON"),
		LOGIN_OPTS(&a->live.login),
	};
	const struct opt_page page = {
		.command = "audit requests",
		.text = "Lists what was asked for by pullcord audit hold, release and erase and waits for a second person: which segments, by "
			"whom, why and until when. It takes record.list. A restart of the broker forgets them.",
		.example = "pullcord audit requests --user ben",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	report_json(a->json);
	return send(a, &page, hear_requests);
}

/* audit search: events by what they say; audit show: everything an entry says. */
#include <limits.h>
#include <stdlib.h>

#include "audit.h"
#include "cmd.h"
#include "cosigned.h"
#include "event.h"
#include "report.h"

struct found {
	uint64_t n, most;
	bool count;                     /* only that is asked for */
};

static enum err on_event(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e)
{
	struct found *f = ctx;

	f->n++;
	if (!f->count)
		event_say(index, entry, e);
	return report_broken() || f->n == f->most ? ERR_CLOSED : OK;
}

static int search_run(const struct source *s, struct criteria *c, const char *index, bool no_index, struct found *f)
{
	CLEANUP(audit_books_close) struct audit_books books = { 0 };
	struct audit_walk walk = { .criteria = c, .progress = no_index ? "searched, entry" : NULL };
	int code = audit_books_open(s, c, index, no_index, &books);
	enum err e;

	if (code != CMD_DONE)
		return code;
	walk.index = books.index;
	e = audit_walk(books.reader, &walk, on_event, f);
	if (e != OK && e != ERR_CLOSED)
		return audit_unread(s, e, walk.at);
	if (f->count && report_is_json())
		report_object((const struct cell[]){ CELL_NUM("events", f->n) }, 1);
	else if (!report_is_json())
		report_line(TONE_DIM, "%llu events%s", (unsigned long long)f->n, e == ERR_CLOSED ? ", and perhaps more" : "");
	if (f->n == 0 && c->user && !c->claimed && !report_is_json())
		report_hint("a login that proved nothing is nobody's: --claimed %s finds it", c->user);
	if (!report_broken())
		audit_hint_missing(books.reader, c);
	return CMD_DONE;
}

int audit_search(int argc, char **argv)
{
	struct source s = { 0 };
	struct criteria c = { 0 };
	struct found f = { .most = UINT64_MAX };
	const char *index = NULL;
	bool json = false, no_index = false;
	long limit = 0;
	const struct opt opt[] = {
		CRITERIA_OPTS(&c),
		OPT_NUMBER("limit", "N", &limit, 0, LONG_MAX, "stop after so many (default: 0, all)"),
		OPT_FLAG("count", &f.count, "only say how many there are"),
		AUDIT_INDEX_OPTS(&index, &no_index),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, OPT_SEALED_RULE, AUDIT_INDEX_RULE };
	const struct opt_page page = {
		.command = "audit search",
		.text = "Shows the events of the record that are all of what is said: by whom, about whom, on which topic, when.\n"
			"It takes an index beside the record, which it brings up to date first; that takes longer the first time. What "
			"the index names is looked up in the record: an index that was tampered with can hide an event, and never make "
			"one up. It is sealed by the root key, may be deleted at any time, and --no-index does without it.",
		.example = "pullcord audit search --user ana --from 2026-11-23\n"
			   "pullcord audit search --patient MRN-4711 --event deliver --json\n"
			   "pullcord audit search --outcome denied --topic 'mercy/unit/icu3/#' --count",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code == OPT_RUN)
		code = criteria_read(&c, &page);
	if (code != OPT_RUN)
		return code;
	if (limit)
		f.most = (uint64_t)limit;
	report_json(json);
	source_says(&s, "audit search%s", f.count ? " --count" : "");
	return source_fill(&s) == OK ? search_run(&s, &c, index, no_index, &f) : CMD_NO;
}

/* ---- show ---- */

static int show_run(const struct source *s, const struct opt_list *list, const uint64_t *index)
{
	CLEANUP(reader_close) struct reader *r = NULL;
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	int code = audit_open(s, NULL, &r);

	for (size_t i = 0; code == CMD_DONE && i < list->n; i++) {
		enum err e = reader_get(r, index[i], &entry, &event);

		if (e != OK)
			return audit_unread(s, e, index[i]);
		if (i)
			report_line(TONE_PLAIN, "%s", "");
		event_show(index[i], &entry, event, reader_raw(r));
	}
	return code;
}

static void say_which(struct source *s, const struct opt_list *list)
{
	char text[READS_WHAT_MAX + 1];
	struct put which = put(text, sizeof(text) - 1);

	for (size_t i = 0; i < list->n; i++)
		put_fmt(&which, " %s", list->text[i]);
	text[which.n] = '\0';
	source_says(s, "audit show%s%s", text, put_end(&which) == OK ? "" : " ...");
}

int audit_show(int argc, char **argv)
{
	struct opt_list list = { 0 };
	uint64_t index[OPT_LIST_MAX];
	struct source s = { 0 };
	bool json = false, checkpoint, list_given;
	long quorum = 0;
	const struct opt opt[] = {
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key), OPT_WITNESSES(&s.witnesses),
		OPT_QUORUM(&quorum, "how far so many of them vouch (default: as the broker's settings say, or more than half)"),
		OPT_FLAG("json", &json, "one JSON object an entry"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE };
	const struct opt_page page = {
		.command = "audit show",
		.operands = "INDEX...|checkpoint",
		.least = 1,
		.most = OPT_LIST_MAX,
		.text = "Shows everything that entries of the record say, one value a line.\n"
			"checkpoint: the newest that was signed, and how far each witness and a quorum of them have cosigned; needs "
			"no key, and believes the record's own signature: audit verify checks it.",
		.example = "pullcord audit show 4711\npullcord audit show checkpoint",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, &list);

	if (code != OPT_RUN)
		return code;
	list_given = s.witnesses;
	checkpoint = list.n == 1 && strcmp(list.text[0], "checkpoint") == 0;
	if (checkpoint) {
		report_json(json);
		return source_fill(&s) == OK ? audit_show_checkpoint(&s, list_given, (size_t)quorum) : CMD_NO;
	}
	for (size_t i = 0; i < list.n; i++)
		if (!span_u64(span_str(list.text[i]), UINT64_MAX, &index[i]))
			return opt_wrong(&page, "INDEX is the number of an entry, or say checkpoint alone, not \"%s\"", list.text[i]);
	if (s.record && !s.key)
		return opt_wrong(&page, "--record goes with --key: entries are sealed");
	report_json(json);
	say_which(&s, &list);
	return source_fill(&s) == OK ? show_run(&s, &list, index) : CMD_NO;
}

/* audit segments: the parts of the record that are kept, held and erased together. */
#include <stdlib.h>
#include <time.h>

#include "audit.h"
#include "cmd.h"
#include "keeping.h"
#include "mapped.h"
#include "report.h"
#include "trail.h"

static const char *const states[] = { [SEGMENT_OPEN] = "open", [SEGMENT_CLOSED] = "closed", [SEGMENT_ERASED] = "erased" };

/* Some time, or none yet. */
static struct cell cell_time(const char *key, int64_t us, char text[MAPPED_TIME])
{
	if (!us)
		return CELL_NULL(key);
	mapped_time(us, text);
	return CELL_STR(key, text);
}

/* Until when an open one is to be kept is not known yet. */
static void say_segment(uint32_t id, const struct segment *s, const struct retention *k, bool first)
{
	char keep[KEEP_TEXT_MAX], opened[MAPPED_TIME], closed[MAPPED_TIME], until[MAPPED_TIME];
	bool known = s->state < (int)countof(states) && states[s->state];

	keep_write(s->keep, keep);
	struct cell cell[] = {
		CELL_NUM("segment", id), CELL_STR("state", known ? states[s->state] : "unknown"),
		CELL_BOOL("held", s->holds > 0), CELL_NUM("holds", s->holds),
		CELL_STR("keep", keep), CELL_NUM("first", s->first), CELL_NUM("last", s->last), CELL_NUM("records", s->records),
		cell_time("opened", s->opened_us, opened), cell_time("closed", s->closed_us, closed),
		cell_time("until", k->until_us < INT64_MAX ? k->until_us : 0, until),
	};
	static const int width[] = { 8, 7, 5, 6, 6, 12, 12, 8, 28, 28, 0 };

	for (size_t i = 0; i < countof(cell); i++)
		cell[i].width = width[i];
	if (first)
		report_head(cell, countof(cell));
	report_row(cell, countof(cell));
}

static enum err each_segment(struct trail *t, bool expired, bool *any)
{
	const int64_t now_us = (int64_t)time(NULL) * 1000000;
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct trail_ends ends;
	struct segment s;
	struct retention kept;

	TRY(trail_view(t, &view));
	TRY(view_ends(view, &ends));
	for (uint32_t id = 1; id <= ends.segment && !report_broken(); id++) {
		TRY(view_segment(view, id, &s));
		TRY(keep_look(view, &s, &kept));
		if (expired && !keep_is_over(&s, &kept, now_us))
			continue;
		say_segment(id, &s, &kept, !*any);
		*any = true;
	}
	return OK;
}

static int segments_run(const struct source *s, bool expired)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	bool any = false;
	enum err e = trail_open(s->record, 1 << 20, true, &t);

	if (e == OK)
		e = each_segment(t, expired, &any);
	if (e != OK)
		return source_no_record(e, s->record);
	if (!any && !report_is_json())
		report_line(TONE_DIM, expired ? "No segment has had its time, or what has is held." : "The record has no segment yet.");
	return CMD_DONE;
}

int audit_segments(int argc, char **argv)
{
	struct source s = { 0 };
	bool json = false, expired = false;
	const struct opt opt[] = {
		OPT_FLAG("expired", &expired, "only those whose retention is over and that are not held: what pullcord audit erase takes"),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE };
	const struct opt_page page = {
		.command = "audit segments",
		.text = "Lists the segments of the record: what has one key, and is kept, held and erased together. Needs no root key.\n"
			"first and last are entries; of several retentions the segments lie side by side. until says from when on a closed "
			"one may be erased, unless it is held; holds says how many times it is. One whose keep is \"of 2026\" has no records: it "
			"is the key of the pseudonyms that patients have in that year's entries, and is kept as long as any of them.",
		.example = "pullcord audit segments --expired --json",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	return source_fill(&s) == OK ? segments_run(&s, expired) : CMD_NO;
}

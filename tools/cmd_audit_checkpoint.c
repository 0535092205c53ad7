/* audit show checkpoint: what was signed last, and who vouches for how much. */
#include <stdlib.h>

#include "audit.h"
#include "cmd.h"
#include "cosigned.h"
#include "report.h"
#include "trail.h"

#define VIEW_ROWS 4096          /* to one view: a long one would pin the writer's pages */

struct newest {
	uint64_t size;
	int64_t at_us;
	size_t note_n;
	uint8_t note[NOTE_BYTES_MAX];
};

static void look(const struct checkpoint_row *row, const struct witnesses *w, struct verify_cosigned *seen)
{
	for (size_t i = 0; i < w->n; i++) {
		struct verify_cosigned s = { .size = row->size, .at_us = row->at_us };

		if (note_cosigned(row->note, &w->of[i], &s.time_s) == OK)
			seen[i] = s;
	}
}

/* Some more of them; ERR_NOT_FOUND after the last. */
static enum err go_through(struct trail *t, const struct witnesses *w, struct verify_cosigned *seen, struct newest *last)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct checkpoint_row row;

	TRY(trail_view(t, &view));
	for (unsigned i = 0; i < VIEW_ROWS; i++) {
		TRY(view_checkpoint(view, last->size, &row));
		if (row.note.n > sizeof(last->note))
			return ERR_CORRUPT;
		look(&row, w, seen);
		last->size = row.size;
		last->at_us = row.at_us;
		last->note_n = row.note.n;
		memcpy(last->note, row.note.p, row.note.n);
	}
	return OK;
}

static void say_newest(const struct newest *n, const struct witnesses *w, const struct verify_cosigned *seen, size_t k)
{
	const struct cosigned_quorum quorum = cosigned_quorum(w, seen, k);
	struct span rest, line, name[WITNESSES_MAX], origin = span_cut(span(n->note, n->note_n), '\n', &rest);
	char when[REPORT_TIME];

	(void)span_cut(rest, '\n', &rest);
	line = span_cut(rest, '\n', &rest);
	if (report_is_json()) {
		report_object((const struct cell[]){
			CELL_SPAN("origin", origin), CELL_NUM("size", n->size), CELL_SPAN("root", line), CELL_NUM("at_us", n->at_us),
			cosigned_size(w, seen), CELL_NUM("quorum", quorum.k), CELL_NUM("quorum_size", quorum.size),
			cosigned_names(w, seen, name), CELL_SPAN("note", span(n->note, n->note_n)),
		}, 9);
		return;
	}
	report_line(TONE_STRONG, "%.*s", SPAN_FMT(origin));
	report_line(TONE_PLAIN, "  entries      %llu", (unsigned long long)n->size);
	report_line(TONE_PLAIN, "  signed       %s", report_date(n->at_us, when));
	report_line(TONE_DIM, "  root         %.*s", SPAN_FMT(line));
	cosigned_say(w, seen, k);
}

int audit_show_checkpoint(const struct source *s, bool must_be, size_t quorum)
{
	CLEANUP(trail_close) struct trail *t = NULL;
	CLEANUP(cosigned_free) struct cosigned_list list = { 0 };
	struct verify_cosigned seen[WITNESSES_MAX] = { { 0 } };
	struct newest newest = { 0 };
	int code = cosigned_read(s->witnesses, must_be, &list);
	enum err e;

	if (code != CMD_DONE)
		return code;
	if (quorum > list.of.n) {
		report_error("--quorum is %zu, and %zu witnesses are listed", quorum, list.of.n);
		return CMD_NO;
	}
	e = trail_open(s->record, 1 << 20, true, &t);
	while (e == OK)
		e = go_through(t, &list.of, seen, &newest);
	if (e != ERR_NOT_FOUND || !t)
		return source_no_record(e, s->record);
	if (!newest.size) {
		report_error("nothing is signed yet");
		return CMD_NO;
	}
	say_newest(&newest, &list.of, seen, quorum ? quorum : s->quorum);
	return CMD_DONE;
}

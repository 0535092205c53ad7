/* policy rollback: which policies were in force, and back to one of them, on purpose and on record. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "edition.h"
#include "live.h"
#include "policy_file.h"
#include "report.h"

struct going {
	const char *dir, *notes;
	uint64_t version;           /* 0: show which there are */
	struct live live;
};

/* ---- which there are ---------------------------------------------------------------------------------------------- */

static void say_edition(const struct edition *e)
{
	char time[COMMAND_TIME], back[40] = "", files[40] = "";
	const struct cell cell[] = {
		CELL_NUM("version", e->number), CELL_STR("at", command_time((int64_t)e->at_us, time)), CELL_STR("by", e->by),
		CELL_HEX("hash", span(e->hash, sizeof(e->hash))), CELL_NUM("rollback_of", e->rollback_of), CELL_NUM("files", e->files + 1),
		CELL_BOOL("kept", e->text != NULL),
	};

	if (report_is_json()) {
		report_object(cell, countof(cell));
		return;
	}
	if (e->rollback_of)
		snprintf(back, sizeof(back), ", version %llu again", (unsigned long long)e->rollback_of);
	if (e->files)
		snprintf(files, sizeof(files), ", of %zu files", e->files + 1);
	report_line(TONE_PLAIN, "%6llu  %s  %s%s%s%s", (unsigned long long)e->number, time, e->by[0] ? e->by : "by the file", back, files,
		    e->text ? "" : ", its text was too long to be kept");
}

static void say_unread(uint64_t number, enum err e)
{
	if (report_is_json())
		report_object((const struct cell[]){ CELL_NUM("version", number), CELL_STR("unread", err_text(e)) }, 2);
	else
		report_line(TONE_WARN, "%6llu  cannot be read: %s", (unsigned long long)number, err_text(e));
}

static int show(const struct install *in, struct directory *d)
{
	uint64_t number = 0;
	enum err e = OK;

	do {
		CLEANUP(edition_clear) struct edition found = { 0 };

		e = directory_edition(d, number, &found);
		if (edition_unreadable(e) && found.number)
			say_unread(found.number, e);
		else if (e != OK)
			break;
		else
			say_edition(&found);
		number = found.number - 1;
	} while (number > 0);
	if (e != OK && (number == 0 || e != ERR_NOT_FOUND))
		return report_fail(e, "read which policies were in force in %s", in->dir);
	return CMD_DONE;
}

/* ---- by the folder ------------------------------------------------------------------------------------------------- */

/* Several files are put back by a person, who may not have got all of them. */
static bool lie_there(const struct install *in, const struct edition *old)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	struct policy_error where;
	uint8_t hash[32];

	if (policy_file_load(install_path(in, POLICY_FILE).text, &p, &where) != OK)
		return false;
	policy_hash(p, hash);
	return memcmp(hash, old->hash, sizeof(hash)) == 0;
}

static int go_back(const struct going *g, const struct install *in, struct directory *d)
{
	CLEANUP(edition_clear) struct edition e = { 0 }, newest = { 0 };
	CLEANUP(policy_close) struct policy *p = NULL;
	unsigned long long version = (unsigned long long)g->version;
	struct policy_error where;
	uint64_t number;
	enum err err = directory_edition(d, g->version, &e);

	if (err == OK)
		err = directory_edition(d, 0, &newest);
	if (err == OK || (edition_unreadable(err) && newest.number))    /* then it is not what is gone back to */
		err = edition_policy(&e, &p, &where);
	if (err != OK) {
		(void)report_fail(err, "read the text of version %llu", version);
		report_hint("which there are: pullcord policy rollback --dir %s", in->dir);
		return CMD_NO;
	}
	if (memcmp(newest.hash, e.hash, sizeof(e.hash)) == 0) {
		report_error("it is in force already, as version %llu", (unsigned long long)newest.number);
		return CMD_NO;
	}
	if (e.files && !lie_there(in, &e)) {
		report_error("version %llu is made of %zu files: put them back in %s first, and say this again; what lies there is not that "
			     "version", version, e.files + 1, in->dir);
		return CMD_NO;
	}
	if (policy_check_signed(in, d, p, g->notes) != OK)
		return CMD_NO;
	e.rollback_of = e.number;
	e.at_us = (uint64_t)clock_us(CLOCK_REALTIME);
	e.by[0] = '\0';
	err = policy_put(in, d, &e, &number);
	if (err != OK)
		return report_fail(err, "put version %llu back", version);
	report_line(TONE_GOOD, "version %llu is the text of version %llu again; a running broker takes it at its next reload",
		    (unsigned long long)number, version);
	return CMD_DONE;
}

static int work_on_folder(const struct going *g)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	struct install in;

	if (install_open(g->dir, &in) != OK || install_directory(&in, !g->version, &d) != OK)
		return CMD_NO;
	return g->version ? go_back(g, &in, d) : show(&in, d);
}

/* ---- the running broker --------------------------------------------------------------------------------------------- */

static char *request_of(const struct going *g, struct span note)
{
	CLEANUP(reply_close) struct reply *r = live_request(g->version ? "setPolicy" : "listPolicyVersions");

	if (!r)
		return NULL;
	if (g->version) {
		reply_number(r, "version", g->version);
		reply_bool(r, "rollback", true);
	}
	if (note.n)
		reply_text(r, "signed", note);
	return live_request_end(r);
}

static int ask_broker(struct going *g, const struct opt_page *page)
{
	CLEANUP(free_cleanup) char *request = NULL;
	CLEANUP(free_cleanup) char *note = NULL;
	size_t n = 0;
	int code;

	if (policy_read_notes(g->notes, &note, &n) != OK)
		return CMD_NO;
	request = request_of(g, span(note, n));
	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_open(&g->live, page, g->dir);
	if (code == CMD_DONE)
		code = live_ask(&g->live, request, NULL);
	live_close(&g->live);
	return code;
}

/* ---- the command line ----------------------------------------------------------------------------------------------- */

int policy_rollback(int argc, char **argv)
{
	struct going g = { 0 };
	struct opt_list version = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &g.dir, INSTALL_DIR_TEXT),
		OPT_TEXT("signed", "FILE", &g.notes, "the signatures of two officers, where the broker takes them, as policy sign makes them"),
		OPT_JSON(&json),
		LIVE_OPTS(&g.live),
	};
	const struct opt_page page = {
		.command = "policy rollback", .operands = "[VERSION]", .most = 1,
		.text = "Puts the text of an earlier version back, under the next number and on record. An older text that is put in the "
			"policy's file by hand is refused, at a reload and at the broker's start: so nobody goes back unnoticed. A "
			"version of several files is put in the folder first; this then looks that it is that version.\n"
			"Without VERSION: which there were, the newest first.\n"
			"Exit code 0: done; 1: it failed.",
		.example = "pullcord policy rollback --dir /etc/pullcord\n"
			   "pullcord policy rollback 3 --dir /etc/pullcord && systemctl reload mosquitto\n"
			   "pullcord policy rollback 3 --live --user root",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &version);

	if (code == OPT_RUN && live_check(&g.live, &page) != CMD_DONE)
		code = CMD_USAGE;
	if (code != OPT_RUN)
		return code;
	if (version.n && (!span_u64(span_str(version.text[0]), UINT64_MAX, &g.version) || !g.version))
		return opt_wrong(&page, "VERSION is a number from 1, not \"%s\"", version.text[0]);
	report_json(json);
	return g.live.on ? ask_broker(&g, &page) : work_on_folder(&g);
}

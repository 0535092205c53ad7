/* policy shadow: a policy on trial beside the one in force: put it there, see what it would change, put it in force. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "edition.h"
#include "live.h"
#include "reader.h"
#include "report.h"
#include "source.h"
#include "value.h"

struct trying {
	const char *dir, *file, *promote, *notes;       /* promote: its hash */
	bool clear, rollback;
	struct live live;
};

/* ---- what is shown of a difference ------------------------------------------------------------------------------------ */

struct side {
	bool allow;
	struct span why, file, rule;    /* empty: not known */
	uint32_t line;                  /* 0: none decided */
};

struct found {
	struct span subject, access, topic, first, last;
	struct side now, shadow;
	uint64_t count;
};

static void say_side(const char *whose, const struct side *s)
{
	report_say(TONE_DIM, "    %-6s  %s", whose, s->allow ? "allowed: " : "denied: ");
	if (s->line)
		report_say(TONE_DIM, "%.*s%s%u  ", SPAN_FMT(s->file), s->file.n ? ":" : "line ", s->line);
	report_span(TONE_DIM, s->rule.n ? s->rule : s->why);
	report_end();
}

static void say_found_json(const struct found *f)
{
	const struct cell cell[] = {
		f->subject.n ? CELL_SPAN("subject", f->subject) : CELL_NULL("subject"),
		CELL_STR("change", f->shadow.allow ? "gains" : "loses"), CELL_SPAN("access", f->access), CELL_SPAN("topic", f->topic),
		CELL_NUM("count", f->count), CELL_SPAN("first", f->first), CELL_SPAN("last", f->last),
		CELL_NUM("line", f->now.line), CELL_SPAN("rule", f->now.rule), CELL_SPAN("why", f->now.why),
		CELL_NUM("shadow_line", f->shadow.line), CELL_SPAN("shadow_rule", f->shadow.rule), CELL_SPAN("shadow_why", f->shadow.why),
	};

	report_object(cell, countof(cell));
}

static void say_found(const struct found *f)
{
	if (report_is_json()) {
		say_found_json(f);
		return;
	}
	report_say(TONE_STRONG, "%.*s", SPAN_FMT(f->subject.n ? f->subject : SPAN_LIT("others")));
	report_say(f->shadow.allow ? TONE_GOOD : TONE_WARN, "  would %s  ", f->shadow.allow ? "gain" : "lose");
	report_say(TONE_PLAIN, "%.*s ", SPAN_FMT(f->access));
	report_span(TONE_PLAIN, f->topic);
	report_say(TONE_DIM, "  %llu times, %.*s to %.*s", (unsigned long long)f->count, SPAN_FMT(f->first), SPAN_FMT(f->last));
	report_end();
	say_side("now", &f->now);
	say_side("shadow", &f->shadow);
}

static int say_end(size_t differences, struct span version)
{
	if (!differences)
		report_line(TONE_GOOD, "Nothing differed so far: shadow policy %.*s", SPAN_FMT(version));
	else
		report_line(TONE_STRONG, "%zu differences so far: shadow policy %.*s", differences, SPAN_FMT(version));
	return differences ? CMD_NO : CMD_DONE;
}

/* ---- the running broker's ---------------------------------------------------------------------------------------------- */

static struct side side_of(const struct value *v)
{
	uint64_t line = 0;
	const struct value *n = value_of(v, "line", VALUE_NUMBER);

	if (n && !span_u64(n->text, UINT32_MAX, &line))
		line = 0;
	return (struct side){ value_true(v, "allow"), value_text(v, "why"), value_text(v, "file"), value_text(v, "rule"),
			      (uint32_t)line };
}

static uint64_t number_of(const struct value *v, const char *key)
{
	const struct value *n = value_of(v, key, VALUE_NUMBER);
	uint64_t out;

	return n && span_u64(n->text, UINT64_MAX, &out) ? out : 0;
}

struct hearing {
	bool report;
	const char *done;
	int code;
};

static int say_answer(const struct value *v)
{
	size_t n = 0;
	const struct value *list = value_of(v, "differences", VALUE_ARRAY);

	for (const struct value *d = list ? list->child : NULL; d; d = d->next, n++) {
		const struct found f = {
			.subject = value_text(d, "subject"), .access = value_text(d, "access"), .topic = value_text(d, "topic"),
			.first = value_text(d, "first"), .last = value_text(d, "last"), .count = number_of(d, "count"),
			.now = side_of(value_of(d, "now", VALUE_OBJECT)), .shadow = side_of(value_of(d, "shadow", VALUE_OBJECT)),
		};

		say_found(&f);
	}
	report_line(TONE_DIM, "%llu decisions compared, %llu differed%s", (unsigned long long)number_of(v, "asked"),
		    (unsigned long long)number_of(v, "differed"), value_true(v, "more") ? "; more than are shown" : "");
	return say_end(n, value_text(v, "hash"));
}

static void hear(void *ctx, const struct answer *a)
{
	CLEANUP(value_close) struct value *v = NULL;
	struct hearing *h = ctx;

	h->code = CMD_NO;
	if (h->report || a->error[0]) {
		v = live_value(a);
		h->code = v ? say_answer(v) : CMD_NO;
	} else {
		h->code = CMD_DONE;
		if (report_is_json())
			report_raw(a->json);
		report_line(TONE_GOOD, "%s", h->done);
	}
}

static char *request_of(const struct trying *t, struct span text, struct span note)
{
	CLEANUP(reply_close) struct reply *r = live_request(t->file ? "setShadowPolicy" : t->clear ? "clearShadowPolicy" :
							    t->promote ? "promoteShadowPolicy" : "getShadowPolicy");

	if (!r)
		return NULL;
	if (t->file)
		reply_text(r, "policy", text);
	if (t->promote)
		reply_text(r, "hash", span_str(t->promote));
	if (t->promote && t->rollback)
		reply_bool(r, "rollback", true);
	if (t->promote && note.n)
		reply_text(r, "signed", note);
	return live_request_end(r);
}

static int ask_broker(struct trying *t, const struct opt_page *page)
{
	CLEANUP(free_cleanup) char *text = NULL;
	CLEANUP(free_cleanup) char *request = NULL;
	CLEANUP(free_cleanup) char *note = NULL;
	struct hearing h = { .report = !t->file && !t->clear && !t->promote, .code = CMD_NO,
			     .done = t->file ? "on trial" : t->clear ? "no policy is on trial any more" : "in force" };
	size_t n = 0, noted = 0;
	enum err e = t->file ? install_read(t->file, COMMAND_REQUEST_MAX, &text, &n) : OK;
	int code;

	if (e != OK)
		return report_fail(e, "read the policy %s", t->file);
	if (policy_read_notes(t->notes, &note, &noted) != OK)
		return CMD_NO;
	request = request_of(t, span(text, n), span(note, noted));
	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_open(&t->live, page, t->dir);
	if (code == CMD_DONE)
		code = live_send(&t->live, request, hear, &h);
	live_close(&t->live);
	return code == CMD_DONE ? h.code : code;
}

/* ---- by the folder ------------------------------------------------------------------------------------------------------ */

static int no_shadow(enum err e, const struct install *in)
{
	if (e != ERR_NOT_FOUND)
		return report_fail(e, "read the shadow policy of %s", in->dir);
	report_error("no policy is on trial in %s", in->dir);
	return CMD_NO;
}

static enum err store_shadow(const struct install *in, struct directory *d, const struct edition *e)
{
	CLEANUP(batch_abort) struct batch *b = NULL;
	enum err err;

	install_enter(in);
	err = directory_begin(d, &b);
	if (err == OK)
		err = batch_shadow(b, e);
	if (err == OK)
		err = batch_commit(&b);
	install_leave(in);
	return err;
}

static int put_on_trial(const struct trying *t, const struct install *in, struct directory *d)
{
	CLEANUP(edition_clear) struct edition e = { 0 };
	CLEANUP(policy_close) struct policy *fresh = NULL;
	CLEANUP(policy_close) struct policy *now = NULL;
	enum err err;

	if (policy_open(t->file, &fresh) != OK || policy_open(install_path(in, POLICY_FILE).text, &now) != OK)
		return CMD_NO;
	if (!span_eq(policy_tenant(fresh), policy_tenant(now))) {
		report_error("%s: the first tenant must stay %.*s", t->file, SPAN_FMT(policy_tenant(now)));
		return CMD_NO;
	}
	if (memcmp(policy_version(fresh), policy_version(now), 16) == 0) {
		report_error("%s is the policy of %s already: nothing would differ", t->file, in->dir);
		return CMD_NO;
	}
	err = edition_of_policy(fresh, &e);
	e.at_us = (uint64_t)clock_us(CLOCK_REALTIME);
	if (err == OK)
		err = store_shadow(in, d, &e);
	if (err != OK)
		return report_fail(err, "put %s on trial (with what it includes at most %d bytes)", t->file, EDITION_TEXT_MAX);
	report_line(TONE_GOOD, "%s is on trial: a running broker asks it from now on, and decides as before", t->file);
	return CMD_DONE;
}

static int clear(const struct install *in, struct directory *d)
{
	enum err e = store_shadow(in, d, NULL);

	if (e != OK)
		return no_shadow(e, in);
	report_line(TONE_GOOD, "no policy is on trial any more");
	return CMD_DONE;
}

static int promote(const struct trying *t, const struct install *in, struct directory *d)
{
	CLEANUP(edition_clear) struct edition e = { 0 }, same = { 0 };
	CLEANUP(policy_close) struct policy *p = NULL;
	enum err err = directory_shadow(d, &e), found;
	struct policy_error where;
	uint64_t number;
	char hex[65];

	if (err != OK)
		return no_shadow(err, in);
	hex_encode(span(e.hash, sizeof(e.hash)), hex);
	if (strcmp(hex, t->promote) != 0) {
		report_error("another policy is on trial in %s: %s", in->dir, hex);
		return CMD_NO;
	}
	if (e.files) {
		report_error("it is made of several files: put them in place of those of %s and reload", in->dir);
		return CMD_NO;
	}
	err = edition_find(d, e.hash, &same);
	if (err == OK && !t->rollback) {
		report_error("it is the text of version %llu: to go back to it, say --rollback", (unsigned long long)same.number);
		return CMD_NO;
	}
	if (edition_unreadable(err))
		report_line(TONE_WARN, "Version %llu cannot be read: it may have been this text.", (unsigned long long)same.number);
	else if (err != OK && err != ERR_NOT_FOUND)
		return report_fail(err, "look whether it was in force before");
	found = edition_policy(&e, &p, &where);
	if (found != OK)
		return report_fail(found, "read the policy on trial");
	if (policy_check_signed(in, d, p, t->notes) != OK)
		return CMD_NO;
	e.rollback_of = err == OK ? same.number : 0;
	e.at_us = (uint64_t)clock_us(CLOCK_REALTIME);
	e.by[0] = '\0';
	err = policy_put(in, d, &e, &number);
	if (err == OK)
		err = store_shadow(in, d, NULL);
	if (err != OK)
		return report_fail(err, "put it in force");
	report_line(TONE_GOOD, "%s/%s is version %llu now; a running broker reads it at a reload (systemctl reload mosquitto)", in->dir,
		    POLICY_FILE, (unsigned long long)number);
	return CMD_DONE;
}

/* ---- by the record ------------------------------------------------------------------------------------------------------ */

/* A difference as entries of the record tell of it. */
struct told {
	uint8_t policy[16];
	uint32_t party, access, why, line, shadow_why, shadow_line;
	bool shadow_allow, allow;
	uint64_t first_us, last_us, count;
	char actor[WORD_BYTES_MAX + 1], topic[AUDITED_TOPIC_SHOWN + 1];
};

struct tally {
	struct told *told;
	size_t n, cap;
};

static void tally_clear(struct tally *t)
{
	free(t->told);
}

static bool is_same(const struct told *a, const struct told *b)
{
	return a->party == b->party && a->access == b->access && a->why == b->why && a->line == b->line &&
	       a->shadow_why == b->shadow_why && a->shadow_line == b->shadow_line && strcmp(a->actor, b->actor) == 0 &&
	       memcmp(a->policy, b->policy, sizeof(a->policy)) == 0;
}

static enum err tally_add(struct tally *t, const struct told *x)
{
	struct told *more;
	size_t i = 0;

	while (i < t->n && !is_same(&t->told[i], x))
		i++;
	if (i == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		more = realloc(t->told, t->cap * sizeof(*more));
		if (!more)
			return ERR_FULL;
		t->told = more;
	}
	if (i == t->n) {
		t->told[t->n++] = *x;
		return OK;
	}
	t->told[i].count += x->count;
	if (x->first_us < t->told[i].first_us)
		t->told[i].first_us = x->first_us;
	if (x->last_us > t->told[i].last_us)
		t->told[i].last_us = x->last_us;
	return OK;
}

static enum err tally_entry(struct tally *t, const Pullcord__V1__AuditEvent *e, const uint8_t hash[32])
{
	const Pullcord__V1__Shadow *s = e->shadow;
	struct told x = { .party = e->party, .allow = e->outcome == PULLCORD__V1__AUDIT_OUTCOME__OUTCOME_ALLOWED, .why = e->why,
			  .line = e->line, .last_us = e->at_us, .first_us = e->at_us, .count = e->count ? e->count : 1 };

	if (e->type != PULLCORD__V1__AUDIT_TYPE__AUDIT_SHADOW || !s || s->policy.len != 16 || memcmp(s->policy.data, hash, 16) != 0 ||
	    e->policy.len != sizeof(x.policy) || !span_text(span_str(e->actor), x.actor, sizeof(x.actor)) ||
	    !span_text(span_str(e->topic), x.topic, sizeof(x.topic)))
		return OK;
	memcpy(x.policy, e->policy.data, sizeof(x.policy));
	x.access = s->access;
	x.shadow_allow = s->allow;
	x.shadow_why = s->why;
	x.shadow_line = s->line;
	if (s->since_us && s->since_us < x.first_us)
		x.first_us = s->since_us;
	return tally_add(t, &x);
}

/* Back to when it was put on trial. */
static enum err tally_record(struct tally *t, struct reader *r, const struct edition *shadow)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;
	uint64_t size;

	TRY(reader_size(r, &size));
	for (uint64_t i = size; i > 0; i--) {
		report_progress("entries", size - i, size);
		TRY(reader_get(r, i - 1, &entry, &event));
		if (event && event->at_us < shadow->at_us)
			break;
		if (event)
			TRY(tally_entry(t, event, shadow->hash));
	}
	report_progress("entries", size, size);
	return OK;
}

struct side_text {
	char rule[384];
	struct side side;
};

/* `p` NULL: the policy is not kept any more, and lines are all that is known. */
static void describe(struct side_text *t, const struct policy *p, bool allow, uint32_t why, uint32_t line)
{
	struct policy_place at = p ? policy_place(p, line) : (struct policy_place){ .line = line };

	t->rule[0] = '\0';
	if (p)
		(void)policy_rule_text(p, line, t->rule, sizeof(t->rule));
	t->side = (struct side){ allow, span_str(why < WHY_COUNT ? why_text((enum why)why) : "unknown"), at.file, span_str(t->rule),
				 line ? at.line : 0 };
}

static void say_told(const struct told *x, const struct policy *now, const struct policy *shadow)
{
	char subject[80], first[COMMAND_TIME], last[COMMAND_TIME];
	struct side_text a, b;
	struct found f = { .topic = span_str(x->topic), .access = span_str(access_name((enum access)x->access)), .count = x->count };

	describe(&a, now, x->allow, x->why, x->line);
	describe(&b, shadow, x->shadow_allow, x->shadow_why, x->shadow_line);
	f.now = a.side;
	f.shadow = b.side;
	snprintf(subject, sizeof(subject), "%s:%s", x->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "user", x->actor);
	f.subject = span_str(x->actor[0] ? subject : "");
	f.first = span_str(command_time((int64_t)x->first_us, first));
	f.last = span_str(command_time((int64_t)x->last_us, last));
	say_found(&f);
}

static int say_tally(const struct tally *t, struct directory *d, const struct edition *shadow)
{
	CLEANUP(policy_close) struct policy *trial = NULL;
	struct policy_error where;
	char hex[65];

	(void)!edition_policy(shadow, &trial, &where);
	for (size_t i = 0; i < t->n; i++) {
		CLEANUP(edition_clear) struct edition e = { 0 };
		CLEANUP(policy_close) struct policy *now = NULL;

		if (edition_of_version(d, t->told[i].policy, &e) == OK)
			(void)!edition_policy(&e, &now, &where);
		say_told(&t->told[i], now, trial);
	}
	hex_encode(span(shadow->hash, 32), hex);
	return say_end(t->n, span_str(hex));
}

static int report(const struct install *in, struct directory *d)
{
	CLEANUP(tally_clear) struct tally t = { 0 };
	CLEANUP(edition_clear) struct edition e = { 0 };
	CLEANUP(reader_close) struct reader *r = NULL;
	enum err err = directory_shadow(d, &e);

	if (err != OK)
		return no_shadow(err, in);
	if (source_reader(in, "policy shadow --report", &r) != OK)
		return CMD_NO;
	err = tally_record(&t, r, &e);
	if (err != OK)
		return source_no_record(err, install_path(in, "record.mdb").text);
	return say_tally(&t, d, &e);
}

static int work_on_folder(const struct trying *t)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	bool changes = t->file || t->clear || t->promote;
	struct install in;

	if (install_open(t->dir, &in) != OK || install_directory(&in, !changes, &d) != OK)
		return CMD_NO;
	if (t->file)
		return put_on_trial(t, &in, d);
	if (t->clear)
		return clear(&in, d);
	return t->promote ? promote(t, &in, d) : report(&in, d);
}

/* ---- the command line --------------------------------------------------------------------------------------------------- */

int policy_shadow(int argc, char **argv)
{
	struct trying t = { 0 };
	struct opt_list file = { 0 };
	bool json = false, wanted = false;
	const struct opt opt[] = {
		OPT_FLAG("report", &wanted, "what would change, so far (also without this)"),
		OPT_TEXT("promote", "HASH", &t.promote, "put the one with this hash, as the report ends with it, in force: it becomes the "
			 "installation's policy, with the next number"),
		OPT_TEXT("signed", "FILE", &t.notes, "with --promote: the signatures of two officers, as policy sign makes them"),
		OPT_FLAG("rollback", &t.rollback, "with --promote: also one that was in force before"),
		OPT_FLAG("clear", &t.clear, "end the trial"),
		OPT_TEXT("dir", "DIR", &t.dir, INSTALL_DIR_TEXT),
		OPT_JSON(&json),
		LIVE_OPTS(&t.live),
	};
	const struct opt_page page = {
		.command = "policy shadow", .operands = "[FILE]", .most = 1,
		.text = "Puts the policy FILE on trial beside the one in force: a running broker asks both, about whoever is logged in, "
			"whenever somebody publishes, subscribes or receives, and at the start about the subscriptions they have, and obeys the "
			"one in force alone. Where they answer differently it "
			"goes on record: at first sight, then how often, once a minute. The trial outlasts restarts, and its counts begin "
			"anew when another policy comes into force.\n"
			"Without FILE: who would gain or lose what, how often, when first and last, and by which rules, from the record; "
			"with --live, from the broker's own counts. Limits, networks a login comes from and rights to commands are not "
			"compared, nor is who was not connected.\n"
			"Exit code 0: done, or nothing differed; 1: something did, or it failed.",
		.example = "pullcord policy shadow new.policy --dir /etc/pullcord\n"
			   "pullcord policy shadow --report\n"
			   "pullcord policy shadow --promote 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8 "
			   "--live --user root", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);

	if (code != OPT_RUN)
		return code;
	t.file = file.n ? file.text[0] : NULL;
	if ((t.file != NULL) + t.clear + (t.promote != NULL) + wanted > 1)
		return opt_wrong(&page, "FILE, --report, --promote and --clear are four things to do; give one of them");
	if (t.rollback && !t.promote)
		return opt_wrong(&page, "--rollback goes with --promote");
	if (t.notes && !t.promote)
		return opt_wrong(&page, "--signed goes with --promote");
	if (t.promote && strspn(t.promote, "0123456789abcdef") != 64)
		return opt_wrong(&page, "--promote takes the hash that the report ends with, 64 hexadecimal digits, not \"%s\"", t.promote);
	report_json(json);
	return t.live.on ? ask_broker(&t, &page) : work_on_folder(&t);
}

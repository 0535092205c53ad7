/* audit feed: the record to an audit repository as it grows, over syslog and TLS; audit reconcile: what the repository has. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "audit.h"
#include "clock.h"
#include "cmd.h"
#include "file.h"
#include "framed.h"
#include "report.h"
#include "resend.h"
#include "tls.h"

#define WAIT_MS 20000               /* for a connection, and for what is sent to be taken */
#define LOOK_MS 200                 /* how often the record is looked at */
#define SAVE_MS 1000
#define ROUND 256                   /* entries between two looks at the connection */
#define BACKOFF_MS_MAX 5000

struct feed {
	const struct source *from;
	const char *to, *state, *msgid;
	bool once;
	char host[256], port[16];
	struct tls_spec tls_spec;

	struct reader *reader;
	struct tls *tls;
	struct mapped_source source;
	struct mapped mapped;
	struct resend resend;
	enum err broken;                /* what kept the record from being read on; its errors are not the connection's */
	bool replaced;
	uint64_t next, size, sent, generation, saved;
	int64_t saved_ms;
	uint8_t scratch[FRAMED_BYTES_MAX], frame[FRAMED_BYTES_MAX + 16];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void say(const struct feed *f, const char *what, const char *why)
{
	const struct cell cell[] = { CELL_STR("state", what), CELL_STR("to", f->to), CELL_NUM("next", f->next),
				     CELL_NUM("safe", f->resend.safe), CELL_STR("why", why) };

	if (report_is_json())
		report_object(cell, countof(cell));
	else
		report_line(TONE_PLAIN, "%s: %s%s%s; at entry %llu, entries before %llu are surely there", f->to, what,
			    *why ? ": " : "", why, (unsigned long long)f->next, (unsigned long long)f->resend.safe);
}

/* ---- what is remembered ---- */

static enum err load_state(struct feed *f, uint64_t *safe)
{
	CLEANUP(free_cleanup) char *text = NULL;
	struct resend_file file;
	size_t n;
	enum err e = install_read(f->state, RESEND_TEXT_MAX, &text, &n);

	*safe = 0;
	if (e == ERR_NOT_FOUND)
		return OK;
	TRY(e);
	TRY(resend_read(span(text, n), &file));
	if (!span_eq(file.origin, reader_origin(f->reader)) || !span_is(file.to, f->to) || file.safe > f->size)
		return ERR_KIND;
	*safe = file.safe;
	return OK;
}

/* Whole or not at all: written beside it, flushed, and put in its place. */
static enum err save_state(struct feed *f)
{
	struct resend_file file = { reader_origin(f->reader), span_str(f->to), f->resend.safe };
	char path[INSTALL_PATH_MAX], buf[RESEND_TEXT_MAX];
	struct put text = put(buf, sizeof(buf));

	if (snprintf(path, sizeof(path), "%s.new", f->state) >= (int)sizeof(path))
		return ERR_TOO_LARGE;
	resend_write(&file, &text);
	TRY(put_end(&text));
	(void)unlink(path);
	TRY(install_write(path, put_span(&text), 0600));
	if (rename(path, f->state) != 0)
		return ERR_IO;
	f->saved = f->resend.safe;
	f->saved_ms = clock_ms(CLOCK_MONOTONIC);
	return OK;
}

static enum err save_now_and_then(struct feed *f)
{
	return f->saved == f->resend.safe || clock_ms(CLOCK_MONOTONIC) - f->saved_ms < SAVE_MS ? OK : save_state(f);
}

/* ---- sending ---- */

static enum err send_event(struct feed *f, const Pullcord__V1__AuditEvent *e)
{
	struct hash leaf = tree_leaf(reader_raw(f->reader));
	uint32_t parts = mapped_parts(e);

	for (uint32_t part = 0; part < parts; part++) {
		struct put scratch = put(f->scratch, sizeof(f->scratch)), frame = put(f->frame, sizeof(f->frame));

		mapped_make(&f->source, f->next, &leaf, e, part, &f->mapped);
		TRY(framed_write(&f->mapped, f->msgid, &scratch, &frame));
		TRY(tls_send(f->tls, put_span(&frame)));
	}
	f->sent++;
	return OK;
}

static enum err of_record(struct feed *f, enum err e)
{
	f->broken = e;
	return e;
}

static enum err send_some(struct feed *f)
{
	const Pullcord__V1__AuditEvent *event;
	struct entry entry;

	for (int i = 0; i < ROUND && f->next < f->size; i++, f->next++) {
		TRY(of_record(f, reader_get(f->reader, f->next, &entry, &event)));
		if (event)
			TRY(send_event(f, event));
	}
	return OK;
}

static enum err look(struct feed *f)
{
	uint64_t generation = reader_generation(f->reader);

	if (generation == f->generation) {
		f->replaced = f->next == f->size && reader_replaced(f->reader);
		return f->replaced ? of_record(f, ERR_NOT_FOUND) : OK;
	}
	f->generation = generation;
	return of_record(f, reader_size(f->reader, &f->size));
}

/* One connection, until it breaks, or there is no more to do. */
static enum err talk(struct feed *f)
{
	do {
		TRY(look(f));
		TRY(send_some(f));
		TRY(tls_idle(f->tls, f->next < f->size || f->once ? 0 : LOOK_MS));
		resend_sent(&f->resend, f->next, clock_ms(CLOCK_MONOTONIC));
		TRY(save_now_and_then(f));
	} while (!stopped && !(f->once && f->next == f->size));
	return OK;
}

static void pause_ms(int64_t ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	if (!stopped)
		nanosleep(&t, NULL);
}

/* OK: it is time to end. Once a certificate was right, another one is the repository's trouble, and may end. */
static enum err feed_loop(struct feed *f)
{
	int64_t backoff_ms = 250;
	enum err told = OK;
	bool was_right = false;

	while (!stopped) {
		enum err e = tls_open(&f->tls_spec, &f->tls);

		if (e == ERR_IO || (e == ERR_KEY && !was_right))
			return e;
		if (e == OK) {
			was_right = true;
			told = OK;
			backoff_ms = 250;
			say(f, "connected", "");
			e = talk(f);
			tls_close(&f->tls);
			if (e == OK)
				return OK;
			if (e != ERR_CLOSED || f->broken)
				return e;
			f->next = resend_broken(&f->resend);
		}
		if (told != e)
			say(f, "not connected", tls_why());
		told = e;
		pause_ms(backoff_ms);
		backoff_ms = backoff_ms * 2 < BACKOFF_MS_MAX ? backoff_ms * 2 : BACKOFF_MS_MAX;
	}
	return OK;
}

static int feed_failed(const struct feed *f, enum err e)
{
	if (f->replaced)
		return audit_replaced(f->from->record);
	if (f->broken) {
		(void)source_no_record(f->broken, f->from->record);
		report_hint("entry %llu; pullcord audit verify says more", (unsigned long long)f->next);
		return CMD_NO;
	}
	if (e == ERR_IO || e == ERR_KEY) {
		report_error("cannot speak to %s: %s", f->to, *tls_why() ? tls_why() : err_text(e));
		report_hint("--cafile has the CA of its certificate, which names the host of --to; --cert and --cert-key are ours");
		return CMD_NO;
	}
	(void)report_fail(e, "feed entry %llu to %s", (unsigned long long)f->next, f->to);
	return CMD_NO;
}

static int state_failed(const struct feed *f, enum err e)
{
	(void)report_fail(e, "use the state file %s", f->state);
	if (e == ERR_KIND)
		report_hint("it is of another record, or of another receiver than %s; name another file", f->to);
	else if (e == ERR_SYNTAX || e == ERR_VERSION)
		report_hint("it is four lines, \"pullcord feed 1\", origin, to and safe; without it everything is sent again");
	return CMD_NO;
}

static int feed_run(struct feed *f, long first, long hold_s)
{
	CLEANUP(reader_close) struct reader *r = NULL;
	struct sigaction act = { .sa_handler = on_signal };
	int code = audit_open(f->from, NULL, &r);
	uint64_t safe;
	enum err e;

	if (code != CMD_DONE)
		return code;
	source_leave(f->from);
	f->reader = r;
	mapped_source(reader_origin(r), &f->source);
	e = reader_size(r, &f->size);
	if (e != OK)
		return source_no_record(e, f->from->record);
	if (first >= 0 && (uint64_t)first > f->size) {
		report_error("--first %ld: there are only %llu entries", first, (unsigned long long)f->size);
		return CMD_NO;
	}
	e = load_state(f, &safe);
	if (e != OK)
		return state_failed(f, e);
	f->next = first >= 0 ? (uint64_t)first : safe;
	resend_init(&f->resend, hold_s * 1000, f->next);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	e = save_state(f);
	if (e != OK)
		return state_failed(f, e);
	e = feed_loop(f);
	if (e != OK)
		return feed_failed(f, e);
	e = save_state(f);
	if (e != OK)
		return state_failed(f, e);
	say(f, "ended", "");
	return CMD_DONE;
}

/* "arr.mercy.example:6514", "[2001:db8::1]:6514" */
static bool split_address(struct feed *f)
{
	const char *colon = strrchr(f->to, ':');
	struct span host = span(f->to, colon ? (size_t)(colon - f->to) : 0);
	uint64_t port;

	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = span(host.p + 1, host.n - 2);
	return colon && span_u64(span_str(colon + 1), 65535, &port) && span_text(host, f->host, sizeof(f->host)) && *f->host &&
	       span_text(span_str(colon + 1), f->port, sizeof(f->port));
}

int audit_feed(int argc, char **argv)
{
	CLEANUP(free_cleanup) struct feed *f = calloc(1, sizeof(*f));
	struct source s = { 0 };
	long first = -1, hold_s = 60;
	bool json = false;
	int code;

	must(f);
	const struct opt opt[] = {
		OPT_NEED("to", "HOST:PORT", &f->to, "the audit repository; port 6514 is usual"),
		OPT_NEED("cafile", "FILE", &f->tls_spec.cafile, "CA of the repository's certificate"),
		OPT_TEXT("cert", "FILE", &f->tls_spec.cert, "our certificate, where the repository wants one"),
		OPT_TEXT("cert-key", "FILE", &f->tls_spec.key, "its key"),
		OPT_NEED("state", "FILE", &f->state, "remembers up to where the repository surely has everything"),
		OPT_NUMBER("hold", "S", &hold_s, 1, 86400, "how long after sending, on a connection that stands, that is (default: 60)"),
		OPT_NUMBER("first", "INDEX", &first, -1, LONG_MAX, "begin with this entry, whatever the state file says"),
		OPT_TEXT("msgid", "WORD", &f->msgid, "MSGID of the messages (default: " FRAMED_MSGID ")"),
		OPT_FLAG("once", &f->once, "end when everything there is now was sent"),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_FLAG("json", &json, "one JSON object for each change of the connection"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, OPT_SEALED_RULE };
	const struct opt_page page = {
		.command = "audit feed",
		.text = "Sends the record to an audit repository (IHE ATNA) as it grows: DICOM audit messages over syslog and TLS "
			"(RFC 5424, RFC 5425). Runs until it is ended by a signal, and connects again by itself.\n"
			"Syslog has no acknowledgement: what was taken may be lost when the repository dies. So after a broken "
			"connection everything is sent again that was not --hold seconds old. Each message says its entry's index "
			"(chain-seq), by which the repository folds what came twice, and pullcord audit reconcile finds what is missing.",
		.example = "pullcord audit feed --to arr.mercy.example:6514 --cafile arr-ca.crt --cert feed.crt --cert-key feed.key "
			   "--state /var/lib/pullcord/feed",
		OPTS(opt), OPT_RULES(rule),
	};

	code = opt_read(&page, argc, argv, NULL);
	if (code != OPT_RUN)
		return code;
	if (!split_address(f))
		return opt_wrong(&page, "--to takes HOST:PORT, not \"%s\"", f->to);
	if (!f->tls_spec.cert != !f->tls_spec.key)
		return opt_wrong(&page, "--cert and --cert-key go together");
	f->msgid = f->msgid ? f->msgid : FRAMED_MSGID;
	if (!framed_msgid_ok(f->msgid))
		return opt_wrong(&page, "--msgid takes up to 32 printable characters without blanks");
	report_json(json);
	source_says(&s, "audit feed --to %s", f->to);
	f->from = &s;
	f->tls_spec.host = f->host;
	f->tls_spec.port = f->port;
	f->tls_spec.wait_ms = WAIT_MS;
	f->tls_spec.lost_ms = (int)resend_lost_ms(hold_s * 1000);
	return source_fill(&s) == OK ? feed_run(f, first, hold_s) : CMD_NO;
}

/* ---- reconcile ---- */

#define PARTS_MAX 8                 /* AUDITED_RECIPIENTS_MAX / MAPPED_RECIPIENTS, and then some */

struct seen {
	uint8_t *parts;                 /* of each entry: a bit for each of its messages */
	uint64_t size, messages, twice;
};

static bool was_seen(const struct seen *s, uint64_t index, uint32_t parts)
{
	uint8_t all = (uint8_t)((1u << (parts < PARTS_MAX ? parts : PARTS_MAX)) - 1);

	return (s->parts[index] & all) == all;
}

/* The text between two marks of a line; empty when it is not there. */
static struct span between(struct span line, const char *before, const char *after)
{
	const uint8_t *at = memmem(line.p, line.n, before, strlen(before)), *end;

	if (!at)
		return span(NULL, 0);
	at += strlen(before);
	end = memmem(at, line.n - (size_t)(at - line.p), after, strlen(after));
	return end ? span(at, (size_t)(end - at)) : span(NULL, 0);
}

/* The number in a message's last object; `rest`: what follows it, "/5" of "2/5". */
static bool number_of(struct span line, const char *before, uint64_t most, uint64_t *n, struct span *rest)
{
	struct span text = between(line, before, "\"");
	uint8_t digits[24];
	long have = text.n && text.n <= 32 ? base64_decode(text, digits, sizeof(digits)) : 0;

	return have > 0 && span_u64(span_cut(span(digits, (size_t)have), '/', rest), most, n);
}

/* A delivery to many is several messages. */
static void see_line(struct seen *s, struct span line, struct span origin)
{
	struct span source = between(line, "AuditSourceID=\"", "\""), rest;
	uint64_t index, part = 1;

	if (!span_eq(source, origin) || !number_of(line, "type=\"chain-seq\" value=\"", s->size - 1, &index, &rest))
		return;
	if (between(line, "type=\"part\" value=\"", "\"").n &&
	    (!number_of(line, "type=\"part\" value=\"", PARTS_MAX, &part, &rest) || part == 0))
		return;
	s->messages++;
	s->twice += s->parts[index] >> (part - 1) & 1;
	s->parts[index] |= (uint8_t)(1u << (part - 1));
}

static enum err see_file(struct seen *s, const char *path, struct span origin)
{
	CLEANUP(free_cleanup) char *line = NULL;
	FILE *f = fopen(path, "re");
	size_t cap = 0;
	ssize_t n;
	enum err e;

	if (!f)
		return file_err(errno);
	while ((n = getline(&line, &cap, f)) > 0)
		see_line(s, span(line, (size_t)n), origin);
	e = ferror(f) ? ERR_IO : OK;
	fclose(f);
	return e;
}

struct missing {
	uint64_t events, missing, from, to;     /* from..to: the range being gathered, when there is one */
	bool open;
};

static void say_range(const struct missing *m)
{
	if (!m->open)
		return;
	if (report_is_json())
		report_object((const struct cell[]){ CELL_NUM("first", m->from), CELL_NUM("last", m->to) }, 2);
	else
		report_line(TONE_BAD, "missing: %llu to %llu", (unsigned long long)m->from, (unsigned long long)m->to);
}

struct reconcile {
	struct seen seen;
	struct missing missing;
};

static enum err on_event(void *ctx, uint64_t index, const struct entry *entry, const Pullcord__V1__AuditEvent *e)
{
	struct reconcile *r = ctx;
	struct missing *m = &r->missing;

	(void)entry;
	m->events++;
	if (index < r->seen.size && was_seen(&r->seen, index, mapped_parts(e))) {
		say_range(m);
		m->open = false;
		return OK;
	}
	if (!m->open)
		m->from = index;
	m->open = true;
	m->to = index;
	m->missing++;
	return OK;
}

static int reconcile_run(const struct source *s, struct criteria *c, const struct opt_list *file)
{
	CLEANUP(reader_close) struct reader *r = NULL;
	CLEANUP(free_cleanup) uint8_t *parts = NULL;
	struct reconcile rec = { 0 };
	struct audit_walk walk = { .criteria = c, .progress = "compared, entry" };
	struct mapped_source source;
	char encoded[3 * sizeof(source.origin)];
	struct put origin = put(encoded, sizeof(encoded));
	int code = audit_open(s, c, &r);
	enum err e;

	if (code != CMD_DONE)
		return code;
	source_leave(s);
	mapped_source(reader_origin(r), &source);
	mapped_percent(&origin, span_str(source.origin));
	e = reader_size(r, &rec.seen.size);
	if (e != OK || rec.seen.size == 0)
		return source_no_record(e == OK ? ERR_CORRUPT : e, s->record);
	walk.end = rec.seen.size;
	parts = calloc(rec.seen.size, 1);
	must(parts);
	rec.seen.parts = parts;
	for (size_t i = 0; i < file->n; i++) {
		e = see_file(&rec.seen, file->text[i], put_span(&origin));
		if (e != OK)
			return report_fail(e, "read %s", file->text[i]);
	}
	e = audit_walk(r, &walk, on_event, &rec);
	if (e != OK)
		return audit_unread(s, e, walk.at);
	say_range(&rec.missing);
	if (report_is_json())
		report_object((const struct cell[]){ CELL_NUM("events", rec.missing.events), CELL_NUM("missing", rec.missing.missing),
						     CELL_NUM("twice", rec.seen.twice) }, 3);
	else
		report_line(rec.missing.missing ? TONE_BAD : TONE_GOOD, "%llu of %llu events are missing; %llu messages came twice",
			    (unsigned long long)rec.missing.missing, (unsigned long long)rec.missing.events,
			    (unsigned long long)rec.seen.twice);
	if (!rec.seen.messages)
		report_hint("no line of what was named is a message of %s: is it what the repository kept of this record's feed?",
			    source.origin);
	return rec.missing.missing ? CMD_NO : CMD_DONE;
}

int audit_reconcile(int argc, char **argv)
{
	struct opt_list file = { 0 };
	struct source s = { 0 };
	struct criteria c = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("from", "TIME", &c.from, "events from then on: 2026-11-23T07:00:00Z, or a day (its beginning, UTC)"),
		OPT_TEXT("to", "TIME", &c.to, "events before then"),
		OPT_DIR(&s.dir), OPT_RECORD(&s.record), OPT_KEY(&s.key),
		OPT_FLAG("json", &json, "JSON: an object for each range that is missing, then the sums"),
	};
	const struct opt_rule rule[] = { OPT_RECORD_RULE, OPT_SEALED_RULE };
	const struct opt_page page = {
		.command = "audit reconcile",
		.operands = "FILE...",
		.least = 1,
		.most = OPT_LIST_MAX,
		.text = "Compares what an audit repository kept of a feed, one message a line, with the record, and says which entries "
			"are missing there. pullcord audit feed --first sends them again. Ends with 1 when some are.\n"
			"Only messages of this record are looked at, by the index they say (chain-seq); an event that is several "
			"messages is missing as long as one of them is.",
		.example = "pullcord audit reconcile /var/log/arr.raw --from 2026-11-01",
		OPTS(opt), OPT_RULES(rule),
	};
	int code = opt_read(&page, argc, argv, &file);

	if (code == OPT_RUN)
		code = criteria_read(&c, &page);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	source_says(&s, "audit reconcile");
	return source_fill(&s) == OK ? reconcile_run(&s, &c, &file) : CMD_NO;
}

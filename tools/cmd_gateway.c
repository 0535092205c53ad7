/* gateway: how the gateway of this machine is, by the file in which it says so. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "cmd.h"
#include "install.h"
#include "opt.h"
#include "report.h"
#include "value.h"

#define STATUS_FILE "/run/pullcord/gateway.status"
#define STATUS_MAX 65536
#define MISSED 3                    /* a file so many times older than it should be is not how things are */
#define MISSED_MS 2000              /* and a little more for a busy machine */

struct status {
	const char *path;
	char *text;
	struct value *v;
};

static void status_clear(struct status *s)
{
	free_cleanup(&s->text);
	value_close(&s->v);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Whole numbers, also larger than int; 0 where there is none. */
static int64_t number(const struct value *v, const char *key)
{
	const struct value *n = value_of(v, key, VALUE_NUMBER);
	char text[32];

	return n && span_text(n->text, text, sizeof(text)) ? strtoll(text, NULL, 10) : 0;
}

static double decimal(const struct value *v, const char *key)
{
	const struct value *n = value_of(v, key, VALUE_NUMBER);
	char text[32];

	return n && span_text(n->text, text, sizeof(text)) ? strtod(text, NULL) : 0;
}

/* Negative: the file is from before the machine was started. */
static int64_t age_ms(const struct value *v) { return clock_ms(CLOCK_MONOTONIC) - number(v, "mono_ms"); }

static bool is_running(const struct value *v)
{
	pid_t pid = (pid_t)number(v, "pid");

	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* One whose process is not seen may run in a container: then it must have spoken in time. */
static bool is_current(const struct value *v)
{
	int64_t age = age_ms(v);

	return age >= 0 && age <= (is_running(v) ? MISSED : 1) * number(v, "every_ms") + MISSED_MS;
}

static bool understood(const struct value *v)
{
	return value_text(v, "device").n && value_text(v, "condition").n && value_of(v, "mono_ms", VALUE_NUMBER) &&
	       value_of(v, "tiers", VALUE_ARRAY) && value_of(v, "faults", VALUE_ARRAY);
}

/* ---- what there is to do when nobody answers --------------------------------------------------------------------- */

static int gone(const char *fmt, ...) PRINTF_LIKE(1, 2);
static int gone(const char *fmt, ...)
{
	const struct cell cell[] = { CELL_STR("condition", "gone") };
	char why[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	if (report_is_json())
		report_object(cell, countof(cell));
	report_error("%s", why);
	report_hint("systemctl status pullcord-gateway says why; systemctl start pullcord-gateway starts it");
	report_hint("pullcord-gateway --check says what is wrong with its settings; [health] status in them names the file");
	return CMD_GONE;
}

static int read_status(struct status *s)
{
	struct policy_error where = { 0 };
	size_t n;
	enum err e = install_read(s->path, STATUS_MAX, &s->text, &n);

	if (e == ERR_NOT_FOUND)
		return gone("no gateway runs here: there is no %s", s->path);
	if (e != OK) {
		(void)report_fail(e, "read %s", s->path);
		report_hint(e == ERR_DENIED ? "it is for root and the group pullcord" : "--file names the file it is in");
		return CMD_NO;
	}
	if (value_load(span(s->text, n), &s->v, &where) != OK || !understood(s->v)) {
		report_error("%s is not what a gateway writes", s->path);
		report_hint("--file names the right one; it is [health] status of the gateway's settings");
		return CMD_NO;
	}
	if (is_current(s->v))
		return CMD_DONE;
	if (age_ms(s->v) >= 0 && is_running(s->v))
		return gone("the gateway (process %lld) has said nothing for %lld s: it is stopped, or stuck",
			    (long long)number(s->v, "pid"), (long long)age_ms(s->v) / 1000);
	return gone("no gateway runs here: the one that wrote %s did not end in good order", s->path);
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

/* "3 d 4 h", "12 min", "1.5 s" */
static const char *span_of_time(double s, char out[32])
{
	int64_t whole = (int64_t)s;

	if (whole >= 86400)
		snprintf(out, 32, "%" PRId64 " d %" PRId64 " h", whole / 86400, whole % 86400 / 3600);
	else if (whole >= 3600)
		snprintf(out, 32, "%" PRId64 " h %" PRId64 " min", whole / 3600, whole % 3600 / 60);
	else if (whole >= 60)
		snprintf(out, 32, "%" PRId64 " min", whole / 60);
	else
		snprintf(out, 32, "%.1f s", s);
	return out;
}

static enum tone tone_of(struct span condition)
{
	return span_is(condition, "well") ? TONE_GOOD : span_is(condition, "stuck") ? TONE_BAD : TONE_WARN;
}

static void show_condition(const struct value *v)
{
	report_say(TONE_STRONG, "%.*s", SPAN_FMT(value_text(v, "device")));
	report_say(TONE_PLAIN, " of %.*s is ", SPAN_FMT(value_text(v, "tenant")));
	report_line(tone_of(value_text(v, "condition")), "%.*s", SPAN_FMT(value_text(v, "condition")));
	for (const struct value *f = value_of(v, "faults", VALUE_ARRAY)->child; f; f = f->next)
		report_line(TONE_WARN, "  %.*s", SPAN_FMT(value_text(f, "text")));
}

static void show_tiers(const struct value *v)
{
	char age[32];

	for (const struct value *t = value_of(v, "tiers", VALUE_ARRAY)->child; t; t = t->next) {
		bool none = number(t, "queued") == 0;
		const struct cell cell[] = {
			{ .key = "tier", .kind = CELL_IS_TEXT, .width = 8, .text = value_text(t, "tier") },
			{ .key = "waiting", .kind = CELL_IS_NUMBER, .width = 9, .number = number(t, "queued") },
			CELL_STR("oldest", none ? "-" : span_of_time(decimal(t, "oldest_seconds"), age)),
		};

		if (t == value_of(v, "tiers", VALUE_ARRAY)->child)
			report_head(cell, countof(cell));
		report_row(cell, countof(cell));
	}
}

/* What is put into words. */
struct words {
	char up[32], link[400], room[64], flush[32], certificate[64], clock[64];
};

static void words_of(const struct value *v, struct words *w)
{
	static const char *const clock[] = { "not compared yet", "good", "wrong" };
	int64_t left = (int64_t)decimal(v, "certificate_expiry_timestamp_seconds") - time(NULL);
	int quality = value_int(v, "clock_quality", 0);
	char since[32];

	(void)span_of_time(decimal(v, "uptime_seconds"), w->up);
	snprintf(w->link, sizeof(w->link), "%.*s, %s for %s", SPAN_FMT(value_text(v, "broker")),
		 value_int(v, "connected", 0) ? "connected" : "not connected", span_of_time(decimal(v, "link_seconds"), since));
	snprintf(w->room, sizeof(w->room), "for %" PRId64 " messages", number(v, "room_messages"));
	snprintf(w->flush, sizeof(w->flush), "%.1f ms", decimal(v, "flush_p99_seconds") * 1000);
	snprintf(w->certificate, sizeof(w->certificate), left > 0 ? "good for %" PRId64 " days" : "ended", left / 86400);
	snprintf(w->clock, sizeof(w->clock), "%s, %+.3f s off", clock[quality >= 0 && quality <= 2 ? quality : 0],
		 decimal(v, "clock_offset_seconds"));
}

static void show_rest(const struct value *v)
{
	struct words w;

	words_of(v, &w);
	report_card((const struct cell[]){
		CELL_SPAN("version", value_text(v, "version")), CELL_STR("up", w.up), CELL_STR("broker", w.link),
		CELL_STR("room", w.room), CELL_NUM("accepted", number(v, "accepted_total")),
		CELL_NUM("folded", number(v, "folded_total")), CELL_NUM("delivered", number(v, "delivered_total")),
		CELL_NUM("refused", number(v, "refused_total")), CELL_NUM("not understood", number(v, "not_understood_total")),
		CELL_NUM("broken off", number(v, "broken_off_total")), CELL_NUM("turned away", number(v, "turned_away_total")),
		CELL_NUM("evicted", number(v, "evicted_total")),
		CELL_NUM("set aside", number(v, "set_aside_messages")), CELL_NUM("open alerts", number(v, "open_alerts")),
		CELL_STR("commit p99", w.flush), CELL_STR("certificate", w.certificate), CELL_STR("clock", w.clock),
		CELL_NUM("memory, MiB", number(v, "resident_memory_bytes") >> 20) }, 18);
}

static int show(const struct status *s)
{
	if (report_is_json()) {
		s->text[strcspn(s->text, "\n")] = '\0';
		report_raw(s->text);
	} else {
		show_condition(s->v);
		show_tiers(s->v);
		show_rest(s->v);
	}
	return span_is(value_text(s->v, "condition"), "well") ? CMD_DONE : CMD_NO;
}

static int gateway_status(int argc, char **argv)
{
	CLEANUP(status_clear) struct status s = { .path = STATUS_FILE };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("file", "FILE", &s.path, "where the gateway says how it is; without it " STATUS_FILE),
		OPT_FLAG("json", &json, "one JSON object: everything the gateway measures"),
	};
	const struct opt_page page = {
		.command = "gateway status",
		.text = "Shows how the gateway of this machine is: what is wrong, what waits in its outbox and for how long, whether it "
			"is connected, how its disk, clock and certificate are. Reads the file that the gateway writes ([health] status "
			"in its settings).\n"
			"Exit code 0: it is well; 1: something is wrong; 3: no gateway runs here, or it has said nothing for long.",
		.example = "pullcord gateway status\npullcord gateway status --json", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	code = read_status(&s);
	return code == CMD_DONE ? show(&s) : code;
}

int cmd_gateway(int argc, char **argv)
{
	static const struct opt_verb verbs[] = {
		{ "status", gateway_status, "how it is, what waits, what is wrong" },
	};

	return opt_verb("gateway", "The gateway of this machine.", verbs, countof(verbs), argc, argv);
}

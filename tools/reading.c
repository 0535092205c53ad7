#include "reading.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "install.h"
#include "report.h"

#define LOGIN_UID "/proc/self/loginuid"
#define NOBODY 4294967295u          /* what stands there when nobody logged in: a service */

static void name_of(uid_t uid, char out[READING_WHO_MAX])
{
	const struct passwd *p = getpwuid(uid);

	if (p)
		snprintf(out, READING_WHO_MAX, "os:%s", p->pw_name);
	else
		snprintf(out, READING_WHO_MAX, "os:%lu", (unsigned long)uid);
}

struct reading_who reading_who(const char *login_uid, uid_t uid)
{
	CLEANUP(free_cleanup) char *text = NULL;
	struct reading_who w = { .as = "" };
	uint64_t login = uid;
	size_t n;

	if (install_read(login_uid, 32, &text, &n) != OK || !span_u64(span(text, strcspn(text, "\n")), NOBODY, &login) ||
	    login == NOBODY)
		login = uid;
	name_of((uid_t)login, w.who);
	if (login != uid)
		name_of(uid, w.as);
	return w;
}

/* The real user: the effective one may be the broker's by now (install_enter). */
const char *reading_name(char out[DIRECTORY_BY_MAX + 1])
{
	const struct reading_who w = reading_who(LOGIN_UID, getuid());

	snprintf(out, DIRECTORY_BY_MAX + 1, "%s%s%s", w.who, *w.as ? " as " : "", w.as);
	return out;
}

static int refused(enum err e, const char *record)
{
	(void)report_fail(e, "put on record that you read %s, so nothing is shown", record);
	if (e == ERR_DENIED)
		report_hint("its folder must be yours to write: copy the record, with its -keys, to one that is");
	else if (e == ERR_FULL)
		report_hint("make room on that disk first");
	return CMD_NO;
}

int reading_announce(const char *record, const uint8_t root[AEAD_KEY_BYTES], const char *what, const char *patient,
	const char *topic)
{
	const struct reading_who w = reading_who(LOGIN_UID, getuid());
	enum err e;

	e = reads_put(record, root, &(struct read_note){
		.at_us = clock_us(CLOCK_REALTIME), .who = span_str(w.who), .as = span_str(w.as),
		.what = span_str(what), .patient = span_str(patient ? patient : ""),
		.topic = span_str(topic ? topic : ""),
	});
	if (e == ERR_CLOSED) {
		report_hint("nobody can write on this file system: that you read %s is put on record nowhere", record);
		return CMD_DONE;
	}
	return e == OK ? CMD_DONE : refused(e, record);
}

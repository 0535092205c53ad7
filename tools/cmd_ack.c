/* ack: a person answers an alert. */
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "login.h"
#include "ref.h"
#include "report.h"

#define NOTE_TEXT_MAX 200
#define LINE_MAX_BYTES 16384    /* of watch's JSON */

static const struct {
	const char *word;
	Pullcord__V1__AlertState state;
} states[] = {
	{ "accepted", PULLCORD__V1__ALERT_STATE__ALERT_STATE_ACCEPTED },
	{ "on-the-way", PULLCORD__V1__ALERT_STATE__ALERT_STATE_ON_THE_WAY },
	{ "resolved", PULLCORD__V1__ALERT_STATE__ALERT_STATE_RESOLVED },
	{ "declined", PULLCORD__V1__ALERT_STATE__ALERT_STATE_DECLINED },
};

struct answer {
	struct login login;
	const char *state, *note;
	bool json;
	Pullcord__V1__AlertState value;
	struct ref ref;
};

static bool find_state(struct answer *a)
{
	for (size_t i = 0; i < countof(states); i++)
		if (strcmp(states[i].word, a->state) == 0) {
			a->value = states[i].state;
			return true;
		}
	return false;
}

/* A line of `watch --json` on stdin, the first that is an alert. */
static enum err ref_from_stdin(char out[REF_TEXT])
{
	char line[LINE_MAX_BYTES];
	enum err e = ERR_NOT_FOUND;

	while (e != OK && fgets(line, sizeof(line), stdin))
		e = report_read(span_str(line), "ref", out, REF_TEXT);
	return e;
}

static int find_alert(struct answer *a, const struct opt_page *page, const char *word)
{
	char text[REF_TEXT];

	if (strcmp(word, "-") == 0) {
		enum err e = ref_from_stdin(text);

		if (e != OK)
			return report_fail(e, "find an alert on stdin (a line of pullcord watch --json)");
		word = text;
	}
	if (ref_read(span_str(word), &a->ref) != OK)
		return opt_wrong(page, "\"%s\" names no alert; copy the word that watch prints, UNIT/DEVICE/...", word);
	return CMD_DONE;
}

static int answer(struct answer *a, const struct opt_page *page)
{
	CLEANUP(client_close) struct client *c = NULL;
	Pullcord__V1__AlertUpdate u = PULLCORD__V1__ALERT_UPDATE__INIT;
	char topic[TOPIC_BYTES_MAX + 1], by[WORD_BYTES_MAX + 1], note[NOTE_TEXT_MAX + 1] = "";
	struct id id;
	int code = login_open(&a->login, page, "ack", 0, &c);

	if (code != CMD_DONE)
		return code;
	if (TOPIC_BUILD(topic, TOPIC_ACK, a->login.install.tenant, a->ref.unit, a->ref.device) != OK ||
	    !span_text(span_str(a->login.user), by, sizeof(by)) || !span_text(span_str(a->note), note, sizeof(note)))
		return report_fail(ERR_TOO_LARGE, "write the answer");
	u.alert = (ProtobufCBinaryData){ ID_BYTES, a->ref.id.b };
	u.key = (ProtobufCBinaryData){ REF_KEY_BYTES, a->ref.key };
	u.state = a->value;
	u.by = by;
	u.at_us = (uint64_t)clock_us(CLOCK_REALTIME);
	u.note = note;
	code = login_send(&a->login, c, topic, &u.base, 0, &id);
	if (code == CMD_DONE)
		login_say_sent(c, topic, &id);
	if (code == CMD_DONE)
		report_line(TONE_GOOD, "%s: %s %s%s", a->login.user, a->state, topic,
			    login_unheard(c) ? ", but nobody is there to see it, not the device either" : "");
	return code;
}

int cmd_ack(int argc, char **argv)
{
	struct answer a = { .state = "accepted" };
	struct opt_list alert = { 0 };
	const struct opt opt[] = {
		OPT_TEXT("state", "STATE", &a.state, "accepted (default), on-the-way, resolved or declined"),
		OPT_TEXT("note", "TEXT", &a.note, "at most 200 bytes"),
		OPT_FLAG("json", &a.json, "as JSON: id, topic, and whether anybody is there to see it"),
		LOGIN_OPTS(&a.login),
	};
	const struct opt_page page = {
		.command = "ack", .operands = "ALERT", .least = 1, .most = 1,
		.text = "Answers an alert, so that the team and the patient know who comes. ALERT is the word watch "
			"prints under it, UNIT/DEVICE/...; - takes the first alert of watch --json on stdin.",
		.example = "pullcord ack icu3/icu3-nc1/AZRk9bU2AABEPHRhZ3RhZ3MBAgMEBQYHCAkKCwwNDg8 --user ana\n"
			   "pullcord watch --user ana --unit icu3 --json --count 1 | pullcord ack - --user ana",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &alert);

	if (code != OPT_RUN)
		return code;
	report_json(a.json);
	if (!find_state(&a))
		return opt_wrong(&page, "--state is accepted, on-the-way, resolved or declined, not \"%s\"", a.state);
	if (a.note && (strlen(a.note) > NOTE_TEXT_MAX || !span_utf8(span_str(a.note))))
		return opt_wrong(&page, "--note takes at most %d bytes of UTF-8", NOTE_TEXT_MAX);
	code = find_alert(&a, &page, alert.text[0]);
	return code == CMD_DONE ? answer(&a, &page) : code;
}

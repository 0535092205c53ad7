/* send: a message to a channel, a person, or everybody of a unit. */

#include "cmd.h"
#include "login.h"
#include "report.h"

#define CHAT_TEXT_MAX 8192
#define BROADCAST_TEXT_MAX 1024

struct message {
	struct login login;
	const char *to, *priority, *place;
	Pullcord__V1__Priority value;
	bool json;
	char text[CHAT_TEXT_MAX + 1], where[256], name[WORD_BYTES_MAX + 1];
};

static int publish(struct message *m, struct client *c, enum topic_kind kind, const ProtobufCMessage *body)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct id id;
	int code;

	if (TOPIC_BUILD(topic, kind, m->login.install.tenant, m->name) != OK)
		return report_fail(ERR_TOO_LARGE, "name the topic");
	code = login_send(&m->login, c, topic, body, 0, &id);
	if (code == CMD_DONE)
		login_say_sent(c, topic, &id);
	if (code == CMD_DONE)
		report_line(TONE_GOOD, "sent to %s%s", m->to, login_unheard(c) ? ", but nobody is there to see it" : "");
	return code;
}

static int send_chat(struct message *m, struct client *c, enum topic_kind kind)
{
	Pullcord__V1__ChatMessage chat = PULLCORD__V1__CHAT_MESSAGE__INIT;

	chat.text = m->text;
	chat.priority = m->value;
	return publish(m, c, kind, &chat.base);
}

static int send_broadcast(struct message *m, struct client *c, enum topic_kind kind)
{
	Pullcord__V1__Broadcast b = PULLCORD__V1__BROADCAST__INIT;
	char code[] = "message";

	b.priority = m->value ? m->value : PULLCORD__V1__PRIORITY__PRIORITY_INFO;
	b.code = code;
	b.text = m->text;
	b.place = m->where;
	return publish(m, c, kind, &b.base);
}

static const struct address {
	const char *word;
	enum topic_kind kind;
	size_t text_max;
	int (*send)(struct message *m, struct client *c, enum topic_kind kind);
} addresses[] = {
	{ "channel", TOPIC_CHANNEL_MSG, CHAT_TEXT_MAX, send_chat },
	{ "user", TOPIC_INBOX, CHAT_TEXT_MAX, send_chat },
	{ "patient", TOPIC_PATIENT_MSG, CHAT_TEXT_MAX, send_chat },
	{ "unit", TOPIC_BROADCAST, BROADCAST_TEXT_MAX, send_broadcast },
};

static const struct address *find_address(struct message *m)
{
	struct span name, word = span_cut(span_str(m->to), '/', &name);

	if (!word_ok(name) || !span_text(name, m->name, sizeof(m->name)))
		return NULL;
	for (size_t i = 0; i < countof(addresses); i++)
		if (span_is(word, addresses[i].word))
			return &addresses[i];
	return NULL;
}

static int check(struct message *m, const struct opt_page *page, const char *text, const struct address *to)
{
	if (!to)
		return opt_wrong(page, "--to is channel/NAME, user/NAME, patient/NAME or unit/NAME, not \"%s\"", m->to);
	if (!*text)
		return opt_wrong(page, "TEXT is empty: what are they to read?");
	if (strlen(text) > to->text_max || !span_text(span_str(text), m->text, sizeof(m->text)))
		return opt_wrong(page, "a message to a %s has at most %zu bytes, not %zu", to->word, to->text_max, strlen(text));
	if (!span_utf8(span_str(text)))
		return opt_wrong(page, "TEXT is not UTF-8");
	if (m->place && to->kind != TOPIC_BROADCAST)
		return opt_wrong(page, "--place goes with unit/NAME: a message to a %s says in its text where to go", to->word);
	m->value = m->priority ? (Pullcord__V1__Priority)priority_parse(span_str(m->priority)) : 0;
	if (m->priority && !m->value)
		return opt_wrong(page, "--priority is code, high, medium, low or info, not \"%s\"", m->priority);
	if (m->place && (!span_text(span_str(m->place), m->where, sizeof(m->where)) || !span_utf8(span_str(m->place))))
		return opt_wrong(page, "--place has at most %zu bytes of UTF-8", sizeof(m->where) - 1);
	return CMD_DONE;
}

int cmd_send(int argc, char **argv)
{
	CLEANUP(client_close) struct client *c = NULL;
	struct message m = { 0 };
	struct opt_list text = { 0 };
	const struct opt opt[] = {
		OPT_NEED("to", "ADDRESS", &m.to, "channel/NAME, user/NAME, patient/NAME or unit/NAME"),
		OPT_TEXT("priority", "PRIORITY", &m.priority, "code, high, medium, low or info (default: ordinary)"),
		OPT_TEXT("place", "TEXT", &m.place, "to a unit: where to go"),
		OPT_FLAG("json", &m.json, "as JSON: id, topic, and whether anybody is there to see it"),
		LOGIN_OPTS(&m.login),
	};
	const struct opt_page page = {
		.command = "send", .operands = "TEXT", .least = 1, .most = 1,
		.text = "Sends a message to a channel, a person, a patient's thread, or everybody of a unit (unit/all: "
			"of the house).",
		.example = "pullcord send --to channel/icu3-team --user ana \"Bed 12 goes to CT at 3\"\n"
			   "pullcord send --to unit/all --user sup --priority code --place \"Room 12\" \"Code blue\"",
		OPTS(opt),
	};
	const struct address *to;
	int code = opt_read(&page, argc, argv, &text);

	if (code != OPT_RUN)
		return code;
	report_json(m.json);
	to = find_address(&m);
	code = check(&m, &page, text.text[0], to);
	if (code == CMD_DONE)
		code = login_open(&m.login, &page, "send", 0, &c);
	return code == CMD_DONE ? to->send(&m, c, to->kind) : code;
}

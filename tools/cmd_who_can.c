/* who-can: everybody who may do that with a topic: by the installation's folder, or as the running broker sees it. */
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "live.h"
#include "policy.h"
#include "report.h"
#include "value.h"

struct search {
	const char *dir;
	enum access access;
	const char *access_word;
	struct topic topic;
	struct span from;
	const struct policy *policy;
	int64_t now_us;
	bool failed;
	size_t found;
	char after[2 * WORD_BYTES_MAX];     /* of the broker's list: the last id of an answer, when there is more; "": none */
};

static bool read_access(struct search *s, const char *word)
{
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE };

	s->access_word = word;
	for (size_t i = 0; i < countof(all); i++)
		if (strcmp(word, access_name(all[i])) == 0)
			s->access = all[i];
	return s->access;
}

static int read_search(struct search *s, const struct opt_page *page, const struct opt_list *operand)
{
	struct span topic = span_str(operand->text[1]);

	if (!read_access(s, operand->text[0]))
		return opt_wrong(page, "\"%s\" is no access; right would be publish, subscribe or receive", operand->text[0]);
	if ((s->access == ACCESS_SUBSCRIBE ? filter_parse(topic, &s->topic) : topic_parse(topic, &s->topic)) != OK)
		return opt_wrong(page, "\"%s\" is no topic (nor a filter to subscribe to)", operand->text[1]);
	return CMD_DONE;
}

static void say_one(struct search *s, struct span party, struct span id)
{
	const struct cell cell[] = { CELL_SPAN("party", party), CELL_SPAN("id", id) };

	s->found++;
	if (report_is_json())
		report_object(cell, countof(cell));
	report_line(TONE_PLAIN, "%.*s:%.*s", SPAN_FMT(party), SPAN_FMT(id));
}

/* ---- by the folder ----------------------------------------------------------------------------------------------- */

static bool try_one(void *ctx, const struct account *a)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct search *s = ctx;
	int64_t until;
	struct subject subject = account_subject(a, s->now_us, &until);

	subject.address = s->from;
	subject.anywhere = !s->from.n;
	s->failed = policy_bind(s->policy, &subject, &h) != OK;
	if (s->failed || !policy_decide(s->policy, h, s->access, &s->topic).allow)
		return !s->failed;
	say_one(s, span_str(subject.party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "user"), subject.id);
	return !report_broken();
}

static int search_folder(struct search *s)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	CLEANUP(policy_close) struct policy *policy = NULL;
	struct install in;
	enum err e;

	if (install_open(s->dir, &in) != OK || cmd_policy_load(NULL, s->dir, &policy) != OK || install_directory(&in, true, &d) != OK)
		return CMD_NO;
	s->policy = policy;
	s->now_us = clock_us(CLOCK_REALTIME);
	e = directory_each(d, try_one, s);
	if (e == OK && s->failed)
		e = ERR_FULL;
	return e == OK ? CMD_DONE : report_fail(e, "ask the directory");
}

/* ---- of the running broker --------------------------------------------------------------------------------------- */

static char *request_of(const struct search *s)
{
	CLEANUP(reply_close) struct reply *r = live_request("whoCan");

	if (!r)
		return NULL;
	reply_text(r, "access", span_str(s->access_word));
	reply_text(r, "topic", s->topic.text);
	if (s->from.n)
		reply_text(r, "address", s->from);
	if (s->after[0])
		reply_text(r, "after", span_str(s->after));
	return live_request_end(r);
}

static void hear(void *ctx, const struct answer *a)
{
	CLEANUP(value_close) struct value *v = live_value(a);
	const struct value *ids = value_of(v, "ids", VALUE_ARRAY);
	struct search *s = ctx;
	struct span party, id;

	s->after[0] = '\0';
	s->failed = true;
	if (v && !ids)
		report_error("the broker's answer is not understood");
	if (!ids)
		return;
	s->failed = false;
	for (const struct value *x = ids->child; x; x = x->next) {
		party = span_cut(x->text, ':', &id);
		say_one(s, party, id);
		if (!x->next && value_true(v, "more"))
			s->failed = !span_text(x->text, s->after, sizeof(s->after));
	}
}

/* As often as it takes. */
static int search_broker(struct search *s, struct live *live, const struct opt_page *page)
{
	int code = live_open(live, page, s->dir);

	while (code == CMD_DONE) {
		CLEANUP(free_cleanup) char *request = request_of(s);

		if (request)
			code = live_send(live, request, hear, s);
		else
			code = report_fail(ERR_FULL, "write the request");
		if (code != CMD_DONE || s->failed || !s->after[0] || report_broken())
			break;
	}
	live_close(live);
	return code == CMD_DONE && s->failed ? CMD_NO : code;
}

int cmd_who_can(int argc, char **argv)
{
	struct search s = { 0 };
	struct live live = { 0 };
	struct opt_list operand = { 0 };
	const char *from = NULL;
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &s.dir, INSTALL_DIR_TEXT),
		OPT_TEXT("from", "ADDRESS", &from, "where everybody connects from; without it, from wherever they may"),
		OPT_FLAG("json", &json, "one JSON object a line"),
		LIVE_OPTS(&live),
	};
	const struct opt_page page = {
		.command = "who-can", .operands = "ACCESS TOPIC", .least = 2, .most = 2,
		.text = "Lists everybody who may publish, subscribe to or receive a topic, by the policy and the directory of the "
			"installation, or with --live as the running broker sees it. pullcord policy who-can also says by which rule.\n"
			"Exit code 0: somebody may; 1: nobody.",
		.example = "pullcord who-can receive mercy/unit/icu3/alert/high/icu3-nc1\n"
			   "pullcord who-can receive mercy/unit/icu3/alert/high/icu3-nc1 --live --user root", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &operand);

	if (code != OPT_RUN)
		return code;
	if (!cmd_policy_from(&page, from, &s.from))
		return CMD_USAGE;
	report_json(json);
	code = read_search(&s, &page, &operand);
	if (code != CMD_DONE || (code = live_check(&live, &page)) != CMD_DONE)
		return code;
	code = live.on ? search_broker(&s, &live, &page) : search_folder(&s);
	if (code != CMD_DONE || s.found)
		return code;
	report_line(TONE_DIM, "Nobody may %s %.*s.", access_name(s.access), SPAN_FMT(s.topic.text));
	return CMD_NO;
}

/* who-can: everybody who may do that with a topic: by the installation's folder, or as the running broker sees it. */
#include <stdlib.h>
#include <time.h>

#include "cmd.h"
#include "cmd_policy.h"
#include "live.h"
#include "policy.h"
#include "report.h"

struct search {
	const char *dir;
	enum access access;
	const char *access_word;
	struct topic topic;
	struct span from;
	const struct policy *policy;
	int64_t now_us;
	bool failed;
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

/* ---- by the folder ----------------------------------------------------------------------------------------------- */

static bool try_one(void *ctx, const struct account *a)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct search *s = ctx;
	int64_t until;
	struct subject subject = account_subject(a, s->now_us, &until);
	const char *noun = subject.party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "user";
	const struct cell cell[] = { CELL_STR("party", noun), CELL_SPAN("id", subject.id) };

	subject.address = s->from;
	subject.anywhere = !s->from.n;
	s->failed = policy_bind(s->policy, &subject, &h) != OK;
	if (s->failed || !policy_decide(s->policy, h, s->access, &s->topic).allow)
		return !s->failed;
	if (report_is_json())
		report_object(cell, countof(cell));
	report_line(TONE_PLAIN, "%s:%.*s", noun, SPAN_FMT(subject.id));
	return !report_broken();
}

static enum err load(const struct install *in, struct policy **out)
{
	CLEANUP(free_cleanup) char *text = NULL;
	const struct install_path path = install_path(in, "pullcord.policy");
	struct policy_error where = { 0 };
	size_t n;
	enum err e = install_read(path.text, POLICY_BYTES_MAX, &text, &n);

	if (e == OK)
		e = policy_load(span(text, n), out, &where);
	if (e == ERR_SYNTAX)
		report_error("%s:%u:%u: %s", path.text, where.line, where.column, where.text);
	else if (e != OK)
		(void)report_fail(e, "read the policy %s", path.text);
	return e;
}

static int search_folder(struct search *s)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	CLEANUP(policy_close) struct policy *policy = NULL;
	struct install in;
	enum err e;

	if (install_open(s->dir, &in) != OK || load(&in, &policy) != OK || install_directory(&in, true, &d) != OK)
		return CMD_NO;
	s->policy = policy;
	s->now_us = login_now_us();
	e = directory_each(d, try_one, s);
	if (e == OK && s->failed)
		e = ERR_FULL;
	return e == OK ? CMD_DONE : report_fail(e, "ask the directory");
}

/* ---- of the running broker --------------------------------------------------------------------------------------- */

static char *request_of(const struct search *s)
{
	CLEANUP(reply_close) struct reply *r = reply_open();

	if (!r)
		return NULL;
	reply_array(r, "commands");
	reply_object(r, NULL);
	reply_text(r, "command", SPAN_LIT("whoCan"));
	reply_text(r, "access", span_str(s->access_word));
	reply_text(r, "topic", s->topic.text);
	if (s->from.n)
		reply_text(r, "address", s->from);
	reply_end(r);
	reply_end(r);
	return reply_finish(r);
}

static int search_broker(const struct search *s, struct live *live, const struct opt_page *page)
{
	CLEANUP(free_cleanup) char *request = request_of(s);
	int code;

	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_open(live, page, s->dir);
	if (code == CMD_DONE)
		code = live_ask(live, request, NULL);
	live_close(live);
	return code;
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
			"installation, or with --live as the running broker sees it (at most 1000).",
		.example = "pullcord who-can receive mercy/unit/icu3/alert/high/icu3-nc1", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &operand);

	if (code != OPT_RUN)
		return code;
	if (!cmd_policy_from(&page, from, &s.from))
		return CMD_USAGE;
	report_json(json);
	code = read_search(&s, &page, &operand);
	if (code != CMD_DONE)
		return code;
	return live.on ? search_broker(&s, &live, &page) : search_folder(&s);
}

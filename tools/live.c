#include "live.h"


#include "cmd.h"
#include "control.h"
#include "report.h"

#define WAIT_MS 60000           /* a large batch, or many passwords */

int live_check(const struct live *l, const struct opt_page *page)
{
	const struct { const char *name; bool given; } only[] = {
		{ "user", l->login.user }, { "host", l->login.host }, { "port", l->login.port }, { "cafile", l->login.cafile },
		{ "login-password-file", l->login.password_file },
	};

	for (size_t i = 0; i < countof(only) && !l->on; i++)
		if (only[i].given)
			return opt_wrong(page, "--%s goes with --live: without it the folder on this machine is meant", only[i].name);
	return CMD_DONE;
}

int live_open(struct live *l, const struct opt_page *page, const char *dir)
{
	if (!l->login.user)
		return opt_wrong(page, "--live asks in somebody's name: --user ADMINISTRATOR");
	l->login.dir = dir;
	return login_open(&l->login, page, "control", 0, &l->client);
}

void live_close(struct live *l)
{
	client_close(&l->client);
}

struct saying {
	const char *done;
	unsigned errors;
};

static void say(void *ctx, const struct answer *a)
{
	struct saying *s = ctx;

	s->errors += a->error[0] != '\0';
	if (report_is_json())
		report_raw(a->json);
	else if (a->error[0])
		report_error("%s%s%s", a->command, a->command[0] ? ": " : "", a->error);
	else if (a->data)
		report_raw(a->data);
	else
		report_line(TONE_GOOD, "%s", s->done ? s->done : "done");
}

static int say_refused(const struct live *l)
{
	report_error("%s may not administer this broker", l->login.user);
	report_hint("it takes a role with `allow control`; see pullcord-control(5)");
	return CMD_NO;
}

static enum err await_response(struct client *c, struct client_message *m)
{
	do
		TRY(client_next(c, WAIT_MS, m));
	while (strcmp(m->topic, CONTROL_RESPONSE) != 0);
	return OK;
}

struct relay {
	struct live *live;
	void (*hear)(void *ctx, const struct answer *a);
	void *ctx;
};

/* The broker says it in plugin/deed.c's words; there is no code beside them. */
static void relay(void *ctx, const struct answer *a)
{
	struct relay *r = ctx;

	r->live->gone |= strstr(a->error, "there is no user ") || strstr(a->error, "there is no device ");
	r->hear(r->ctx, a);
}

struct reply *live_request(const char *command)
{
	struct reply *r = reply_open();

	if (!r)
		return NULL;
	reply_array(r, "commands");
	reply_object(r, NULL);
	reply_text(r, "command", span_str(command));
	return r;
}

char *live_request_end(struct reply *r)
{
	if (!r)
		return NULL;
	reply_end(r);
	reply_end(r);
	return reply_finish(r);
}

int live_send(struct live *l, const char *request, void (*hear)(void *ctx, const struct answer *a), void *ctx)
{
	struct client_message m;
	enum err e;

	l->sent = l->gone = false;
	if (strlen(request) > COMMAND_REQUEST_MAX)
		return report_fail(ERR_TOO_LARGE, "ask for so much at once (%d bytes at most)", COMMAND_REQUEST_MAX);
	e = client_publish(l->client, CONTROL_TOPIC, span_str(request), 1, false);
	if (e == ERR_DENIED)
		return say_refused(l);
	l->sent = true;
	if (e == OK)
		e = await_response(l->client, &m);
	if (e == OK)
		e = answer_read(m.payload, relay, &(struct relay){ l, hear, ctx });
	if (e != OK)
		return report_fail(e, "hear the broker's answer (%s); look before you ask again", client_why(l->client));
	return CMD_DONE;
}

struct value *live_value(const struct answer *a)
{
	struct policy_error where;
	struct value *v = NULL;

	if (a->error[0])
		report_error("%s: %s", a->command, a->error);
	else if (!a->data || value_load(span_str(a->data), &v, &where) != OK)
		report_error("the broker's answer is not understood");
	return v;
}

int live_ask(struct live *l, const char *request, const char *done)
{
	struct saying s = { .done = done };
	int code = live_send(l, request, say, &s);

	return s.errors ? CMD_NO : code;
}

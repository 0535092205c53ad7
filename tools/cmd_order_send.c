/* order send, await, status: what goes to a device, and what comes of it. */
#include "cmd_order.h"

#include <stdio.h>

#include "clock.h"
#include "cmd.h"
#include "report.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define OUTCOME(name) PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_##name
#define STATE_MS 5000               /* what is retained comes at once */

/* ---- the device, as it says it is -------------------------------------------------------------------------------- */

static uint8_t arena_bytes[ENVELOPE_ARENA];

int order_listen(struct listening *l, const struct opt_page *page, const char *device)
{
	int code;
	enum err e;

	if (!l->login.user)
		return opt_wrong(page, "--user is needed: an account that may read the state of devices");
	l->arena = (struct arena){ arena_bytes, sizeof(arena_bytes), 0 };
	code = login_open(&l->login, page, "order", 0, &l->client);
	if (code != CMD_DONE)
		return code;
	if (TOPIC_BUILD(l->topic, TOPIC_STATE, l->login.install.tenant, device) != OK ||
	    topic_parse(span_str(l->topic), &l->parsed) != OK)
		return opt_word(page, "DEVICE", device) != CMD_DONE ? CMD_USAGE : report_fail(ERR_TOO_LARGE, "name the topic");
	e = client_subscribe(l->client, l->topic, 1);
	if (e == OK)
		return CMD_DONE;
	(void)report_fail(e, "read %s (%s)", l->topic, client_why(l->client));
	report_hint("pullcord policy explain user:%s subscribe %s", l->login.user, l->topic);
	return CMD_NO;
}

/* The next state; ERR_BUSY: none came in time. */
static enum err next_state(struct listening *l, int64_t until_us)
{
	struct client_message m;
	struct envelope e;

	for (;;) {
		int64_t left = (until_us - clock_us(CLOCK_REALTIME)) / 1000;

		if (left <= 0)
			return ERR_BUSY;
		TRY(client_next(l->client, (int)left, &m));
		l->arena.used = 0;
		if (strcmp(m.topic, l->topic) != 0 || envelope_open(m.payload, &l->parsed, 0, &l->arena, &e) != OK || !e.body.any)
			continue;
		l->state = e.body.state;
		return OK;
	}
}

int order_first_state(struct listening *l, const char *device)
{
	enum err e = next_state(l, clock_us(CLOCK_REALTIME) + STATE_MS * 1000LL);

	if (e == OK)
		return CMD_DONE;
	if (e != ERR_BUSY)
		return report_fail(e, "hear of %s (%s)", device, client_why(l->client));
	report_error("%s has never said how it is", device);
	report_hint("is it enrolled under that name, and has its gateway been connected? pullcord device show %s", device);
	return CMD_GONE;
}

/* ---- receipts ---------------------------------------------------------------------------------------------------- */

static const char *outcome_word(Pullcord__V1__CommandOutcome o)
{
	static const char *const words[] = {
		[OUTCOME(NONE)] = "none", [OUTCOME(BEGUN)] = "begun", [OUTCOME(DONE)] = "done", [OUTCOME(FAILED)] = "failed",
		[OUTCOME(REFUSED)] = "refused",
	};

	return (size_t)o < countof(words) && words[o] ? words[o] : "none";
}

/* "yes", or why not. */
static const char *signed_word(const struct listening *l, const char *device, const Pullcord__V1__CommandReceipt *r)
{
	enum err e = orderfile_receipt(r, l->login.install.tenant, device, l->login.cafile);

	return e == OK ? "yes" : e == ERR_NOT_FOUND ? "no" : err_text(e);
}

static int show_receipt(const struct listening *l, const char *device, const Pullcord__V1__CommandReceipt *r)
{
	const char *is_signed = signed_word(l, device, r);
	bool good = r->outcome == OUTCOME(DONE);
	char at[REPORT_TIME];

	if (report_is_json()) {
		report_object((const struct cell[]){
			CELL_STR("device", device), CELL_STR("command", order_kind_word(r->command)), CELL_NUM("counter", r->counter),
			CELL_STR("outcome", outcome_word(r->outcome)), CELL_STR("why", r->why), CELL_STR("text", r->text),
			CELL_NUM("at_us", r->at_us), CELL_STR("signed", is_signed),
			CELL_HEX("order", span(r->order.data, r->order.len)),
			CELL_HEX("certificate", span(r->certificate.data, r->certificate.len)),
			CELL_HEX("signature", span(r->signature.data, r->signature.len)) }, 11);
	} else {
		report_line(good ? TONE_GOOD : TONE_BAD, "%s: %s %llu: %s", device, order_kind_word(r->command),
			    (unsigned long long)r->counter, outcome_word(r->outcome));
		report_line(TONE_PLAIN, "  at %s, signed by the device: %s", report_date((int64_t)r->at_us, at), is_signed);
		if (r->text[0])
			report_line(TONE_PLAIN, "  %s", r->text);
	}
	if (r->outcome == OUTCOME(REFUSED))
		report_hint("nobody signs that: whether it is obeyed all the same, pullcord order await tells");
	return good ? CMD_DONE : CMD_NO;
}

/* ---- send, await, status ----------------------------------------------------------------------------------------- */

struct sending {
	struct listening l;
	struct orderfile f;
	long wait_s;
	bool json, sends, online;
	bool said[RECEIPT_PROVEN];      /* of the order */
	uint64_t refused_us;            /* when it last refused an order, before this was sent */
	char device[WORD_BYTES_MAX + 1];
};

static int load_order(struct sending *s, const char *path)
{
	enum err e = orderfile_load(path, &s->f);

	report_json(s->json);
	if (e == OK && !span_text(s->f.w.device, s->device, sizeof(s->device)))
		e = ERR_SYNTAX;
	return e == OK ? CMD_DONE : order_no_file(e, path);
}

static int check_tenant(const struct sending *s)
{
	if (span_is(s->f.w.tenant, s->l.login.install.tenant))
		return CMD_DONE;
	report_error("the order is to a device of %.*s, not of %s", SPAN_FMT(s->f.w.tenant), s->l.login.install.tenant);
	return CMD_NO;
}

static int publish(struct sending *s)
{
	char topic[TOPIC_BYTES_MAX + 1];
	struct orderfile_command command;
	struct id id;
	int code;

	if (TOPIC_BUILD(topic, TOPIC_CMD, s->l.login.install.tenant, s->device) != OK || orderfile_command(&s->f, &command) != OK)
		return report_fail(ERR_TOO_LARGE, "send the order");
	s->l.login.again = s->l.topic;
	code = login_send(&s->l.login, s->l.client, topic, &command.c.base, s->f.w.expires_us, &id);
	if (code == CMD_DONE && client_reason(s->l.client) == 0x10)
		report_hint(s->wait_s ? "%s is away; it is sent the order when it comes back" : "%s is away, and was sent nothing",
			    s->device);
	return code;
}

/* Its end, as the device itself has said and signed. */
static const Pullcord__V1__CommandReceipt *obeyed(struct sending *s)
{
	const Pullcord__V1__CommandReceipt *r = s->l.state->last_obeyed;
	enum orderfile_answer a = orderfile_answer(&s->f, r, s->l.login.cafile);

	if (a == RECEIPT_PROVEN)
		return r;
	s->said[a] = true;
	return NULL;
}

/* What a device has said already: that the order is done; or when it last refused one, which does not count again. */
static const Pullcord__V1__CommandReceipt *said_before(struct sending *s)
{
	if (next_state(&s->l, clock_us(CLOCK_REALTIME) + STATE_MS * 1000LL) != OK)
		return NULL;
	s->online = s->l.state->online;
	if (s->l.state->last_refused)
		s->refused_us = s->l.state->last_refused->at_us;
	return obeyed(s);
}

/* Its last word about the order; NULL: none yet. Once it has begun it was not refused. */
static const Pullcord__V1__CommandReceipt *last_word(struct sending *s)
{
	const Pullcord__V1__CommandReceipt *r = obeyed(s), *no = s->l.state->last_refused;

	if (r || s->said[RECEIPT_BEGUN] || orderfile_answer(&s->f, no, s->l.login.cafile) != RECEIPT_REFUSED)
		return r;
	return no->at_us != s->refused_us ? no : NULL;
}

/* The broker keeps nothing for a device that is away: it is sent the order when it is back. */
static int send_again(struct sending *s)
{
	bool back = s->l.state->online && !s->online;

	s->online = s->l.state->online;
	return back && !s->said[RECEIPT_BEGUN] && s->sends ? publish(s) : CMD_DONE;
}

static int await_receipt(struct sending *s)
{
	int64_t until = clock_us(CLOCK_REALTIME) + s->wait_s * 1000000LL;
	enum err e;

	while ((e = next_state(&s->l, until)) == OK) {
		const Pullcord__V1__CommandReceipt *r = last_word(s);

		if (r)
			return show_receipt(&s->l, s->device, r);
		if (send_again(s) != CMD_DONE)
			return CMD_NO;
	}
	if (e != ERR_BUSY)
		return report_fail(e, "hear of %s (%s)", s->device, client_why(s->l.client));
	report_error(s->said[RECEIPT_CLAIMED] ?
		     "somebody says that %s has done it, who has not the key of its certificate: it may not have"
		     : s->said[RECEIPT_BEGUN] ? "%s obeys it, and has not said that it is done"
					      : "%s has not answered", s->device);
	if (!s->online)
		report_hint("it is away: --wait longer, and it is sent the order when it comes back");
	return CMD_NO;
}

/* It is answered by how the device is, which `order status` shows. */
static int await_report(struct sending *s)
{
	enum err e = next_state(&s->l, clock_us(CLOCK_REALTIME) + s->wait_s * 1000000LL);

	if (e == OK)
		report_line(TONE_GOOD, "%s says how it is", s->device);
	else
		report_error("%s has not answered", s->device);
	return e == OK ? CMD_DONE : CMD_NO;
}

static int send_order(struct sending *s, const struct opt_page *page, const char *path)
{
	const Pullcord__V1__CommandReceipt *before;
	int code = load_order(s, path);

	s->sends = true;
	if (code == CMD_DONE && clock_us(CLOCK_REALTIME) >= s->f.w.expires_us) {
		report_error("the order %s has expired", path);
		return CMD_NO;
	}
	if (code == CMD_DONE)
		code = order_listen(&s->l, page, s->device);
	if (code == CMD_DONE)
		code = check_tenant(s);
	if (code != CMD_DONE)
		return code;
	before = said_before(s);
	if (before)
		return show_receipt(&s->l, s->device, before);
	code = publish(s);
	if (code != CMD_DONE || !s->wait_s)
		return code;
	if (s->f.w.kind == KIND(REPORT))
		return await_report(s);
	return await_receipt(s);
}

int order_send(int argc, char **argv)
{
	static struct sending s = { .wait_s = 60 };
	struct opt_list file = { 0 };
	const struct opt opt[] = {
		OPT_NUMBER("wait", "SECONDS", &s.wait_s, 0, 86400, "how long to wait for its receipt (default: 60; 0: not at all)"),
		OPT_FLAG("json", &s.json, "the receipt as a JSON object, with what signs it: keep it"),
		ORDER_LOGIN_OPTS(&s.l.login),
	};
	const struct opt_page page = {
		.command = "order send", .operands = "FILE", .least = 1, .most = 1,
		.text = "Sends an order to its device and waits until that says what came of it. One that is away is sent it when it comes "
			"back, as long as this waits, and the policy lets its account stay. The broker lets an order go on when it is on durable "
			"record, and ends the connection until then: this comes again. Exit code 0: it is done; 1: it was refused, failed, or "
			"there is no answer yet. A receipt counts only when it is signed with the key of the device's certificate; a refusal is "
			"signed by nobody.",
		.example = "pullcord order send wipe.order --user opa", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);

	if (code == OPT_RUN)
		code = send_order(&s, &page, file.text[0]);
	client_close(&s.l.client);
	return code;
}

static int await_order(struct sending *s, const struct opt_page *page, const char *path)
{
	const Pullcord__V1__CommandReceipt *before;
	int code = load_order(s, path);

	if (code == CMD_DONE)
		code = order_listen(&s->l, page, s->device);
	if (code == CMD_DONE)
		code = check_tenant(s);
	if (code != CMD_DONE)
		return code;
	before = said_before(s);
	return before ? show_receipt(&s->l, s->device, before) : await_receipt(s);
}

int order_await(int argc, char **argv)
{
	static struct sending s = { .wait_s = 60 };
	struct opt_list file = { 0 };
	const struct opt opt[] = {
		OPT_NUMBER("wait", "SECONDS", &s.wait_s, 1, 86400, "how long (default: 60)"),
		OPT_FLAG("json", &s.json, "the receipt as a JSON object, with what signs it: keep it"),
		ORDER_LOGIN_OPTS(&s.l.login),
	};
	const struct opt_page page = {
		.command = "order await", .operands = "FILE", .least = 1, .most = 1,
		.text = "Waits for what came of an order that was sent before.",
		.example = "pullcord order await wipe.order --user opa --wait 86400", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);

	if (code == OPT_RUN)
		code = await_order(&s, &page, file.text[0]);
	client_close(&s.l.client);
	return code;
}

static struct cell cell_or_null(const char *key, const char *text)
{
	return *text ? CELL_STR(key, text) : CELL_NULL(key);
}

static int show_status(const struct listening *l, const char *device)
{
	const Pullcord__V1__DeviceState *s = l->state;
	const Pullcord__V1__CommandReceipt *r = s->last_obeyed;
	char nonce[2 * WARRANT_NONCE + 1] = "", last[128] = "", refused[128] = "";

	if (s->nonce.len == WARRANT_NONCE)
		hex_encode(span(s->nonce.data, s->nonce.len), nonce);
	if (r)
		snprintf(last, sizeof(last), "%s: %s%s", order_kind_word(r->command), outcome_word(r->outcome),
			 strcmp(signed_word(l, device, r), "yes") == 0 ? ", signed" : "");
	if (s->last_refused)
		snprintf(refused, sizeof(refused), "%s: %s", order_kind_word(s->last_refused->command), s->last_refused->why);
	report_card((const struct cell[]){
		CELL_STR("device", device), CELL_BOOL("online", s->online), CELL_BOOL("obeys", s->nonce.len == WARRANT_NONCE),
		CELL_NUM("obeyed", s->executed), cell_or_null("nonce", nonce), CELL_BOOL("quarantined", s->quarantined),
		cell_or_null("last", last), cell_or_null("refused", refused) }, 8);
	return CMD_DONE;
}

int order_status(int argc, char **argv)
{
	struct listening l = { 0 };
	struct opt_list device = { 0 };
	bool json = false;
	const struct opt opt[] = { OPT_FLAG("json", &json, "a JSON object"), ORDER_LOGIN_OPTS(&l.login) };
	const struct opt_page page = {
		.command = "order status", .operands = "DEVICE", .least = 1, .most = 1,
		.text = "Shows which orders a device obeyed and refused last, and what the next must quote.",
		.example = "pullcord order status icu3-nc1 --user opa", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &device);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	code = order_listen(&l, &page, device.text[0]);
	if (code == CMD_DONE)
		code = order_first_state(&l, device.text[0]);
	if (code == CMD_DONE)
		code = show_status(&l, device.text[0]);
	client_close(&l.client);
	return code;
}

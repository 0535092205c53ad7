/* order: orders to devices. Who may give them are officers, whose keys are pinned on the device; the broker and whoever runs
 * it only carry them. */
#include <stdio.h>

#include "clock.h"
#include "cmd.h"
#include "login.h"
#include "officer.h"
#include "orderfile.h"
#include "report.h"
#include "whole.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define OUTCOME(name) PULLCORD__V1__COMMAND_OUTCOME__OUTCOME_##name
#define HOUR_US (3600 * 1000000LL)
#define KEY_BYTES_MAX 512
#define STATE_MS 5000               /* what is retained comes at once */

static int no_file(enum err e, const char *path)
{
	(void)report_fail(e, "read the order %s", path);
	if (e == ERR_SYNTAX || e == ERR_TOO_LARGE)
		report_hint("pullcord order write makes one; a changed letter makes it another order, or none");
	return CMD_NO;
}

/* ---- the device, as it says it is -------------------------------------------------------------------------------- */

/* One connection to the broker, and what a device says on its state topic. */
struct listening {
	struct login login;
	struct client *client;
	char topic[TOPIC_BYTES_MAX + 1];
	struct topic parsed;
	struct arena arena;
	const Pullcord__V1__DeviceState *state;
};

static uint8_t arena_bytes[ENVELOPE_ARENA];

static int listen_to(struct listening *l, const struct opt_page *page, const char *device)
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

static int first_state(struct listening *l, const char *device)
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

#define ORDER_LOGIN_OPTS(l)                                                                                            \
	OPT_TEXT("user", "USER", &(l)->user, "who you are: an account that may read the device's state"),             \
	OPT_TEXT("password-file", "FILE", &(l)->password_file, SECRET_OPT_TEXT),                                       \
	OPT_TEXT("dir", "DIR", &(l)->dir, INSTALL_DIR_TEXT),                                                           \
	OPT_TEXT("host", "HOST", &(l)->host, "the broker (default: localhost)"),                                       \
	OPT_NUMBER("port", "PORT", &(l)->port, 0, 65535, "its port for people (default: as the installation says)"),   \
	OPT_TEXT("cafile", "FILE", &(l)->cafile, "CA of the broker and of the devices; with --tenant, no installation is needed"), \
	OPT_TEXT("tenant", "NAME", &(l)->tenant, "the hospital's name (default: as the installation says)")

/* ---- receipts ---------------------------------------------------------------------------------------------------- */

static const char *outcome_word(Pullcord__V1__CommandOutcome o)
{
	static const char *const words[] = {
		[OUTCOME(NONE)] = "none", [OUTCOME(BEGUN)] = "begun", [OUTCOME(DONE)] = "done", [OUTCOME(FAILED)] = "failed",
		[OUTCOME(REFUSED)] = "refused",
	};

	return (size_t)o < countof(words) && words[o] ? words[o] : "none";
}

static const char *kind_word(Pullcord__V1__CommandKind k)
{
	return warrant_kind_name(k) ? warrant_kind_name(k) : "none";
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
			CELL_STR("device", device), CELL_STR("command", kind_word(r->command)), CELL_NUM("counter", r->counter),
			CELL_STR("outcome", outcome_word(r->outcome)), CELL_STR("why", r->why), CELL_STR("text", r->text),
			CELL_NUM("at_us", r->at_us), CELL_STR("signed", is_signed),
			CELL_HEX("order", span(r->order.data, r->order.len)),
			CELL_HEX("certificate", span(r->certificate.data, r->certificate.len)),
			CELL_HEX("signature", span(r->signature.data, r->signature.len)) }, 11);
	} else {
		report_line(good ? TONE_GOOD : TONE_BAD, "%s: %s %llu: %s", device, kind_word(r->command),
			    (unsigned long long)r->counter, outcome_word(r->outcome));
		report_line(TONE_PLAIN, "  at %s, signed by the device: %s", report_date((int64_t)r->at_us, at), is_signed);
		if (r->text[0])
			report_line(TONE_PLAIN, "  %s", r->text);
	}
	if (r->outcome == OUTCOME(REFUSED))
		report_hint("nobody signs that: whether it is obeyed all the same, pullcord order await tells");
	return good ? CMD_DONE : CMD_NO;
}

/* ---- key --------------------------------------------------------------------------------------------------------- */

static int make_key(const char *name, const char *out)
{
	uint8_t secret[SIGN_KEY_BYTES], pub[SIGN_KEY_BYTES];
	char text[KEY_BYTES_MAX], vkey[KEY_BYTES_MAX];
	enum err e;

	crypt_random(secret, sizeof(secret));
	e = skey_write(span_str(name), secret, text, sizeof(text) - 2);
	if (e == OK)
		e = sign_public(secret, pub);
	if (e == OK)
		e = vkey_write(span_str(name), pub, vkey, sizeof(vkey));
	if (e == OK)
		e = install_write(out, span_str(strcat(text, "\n")), 0600);
	crypt_wipe(secret, sizeof(secret));
	crypt_wipe(text, sizeof(text));
	if (e != OK) {
		(void)report_fail(e, "make the key of %s in %s", name, out);
		if (e == ERR_EXISTS)
			report_hint("keys are never overwritten: name another file by --out");
		if (e == ERR_SYNTAX)
			report_hint("a name has neither blanks nor '+', as mercy/officer/ana");
		if (e == ERR_NOT_FOUND)
			report_hint("the folder it is to lie in is made before");
		return CMD_NO;
	}
	if (report_is_json())
		report_object((const struct cell[]){ CELL_STR("name", name), CELL_STR("vkey", vkey) }, 2);
	else
		report_line(TONE_PLAIN, "%s", vkey);
	report_hint("that line is for the devices' list of officers, [orders] officers; %s is for %s alone", out, name);
	return CMD_DONE;
}

static int order_key(int argc, char **argv)
{
	const char *name = NULL, *out = NULL;
	bool json = false;
	const struct opt opt[] = {
		OPT_NEED("name", "NAME", &name, "the officer's name, such as mercy/officer/ana"),
		OPT_NEED("out", "FILE", &out, "where the secret key is put, mode 0600"),
		OPT_FLAG("json", &json, "a JSON object"),
	};
	const struct opt_page page = {
		.command = "order key",
		.text = "Makes the key of an officer, who may then sign orders to devices, and prints its verifier key, which goes into the list "
			"of officers on every device that is to obey them. Each officer makes their own, where nobody else can read it.",
		.example = "pullcord order key --name mercy/officer/ana --out ana.key >>officers", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, NULL);

	if (code != OPT_RUN)
		return code;
	if (strlen(name) > WARRANT_OFFICER_MAX)
		return opt_wrong(&page, "--name has at most %d bytes", WARRANT_OFFICER_MAX);
	report_json(json);
	return make_key(name, out);
}

/* ---- write ------------------------------------------------------------------------------------------------------- */

struct writing {
	struct listening l;
	const char *out, *nonce;
	long hours, counter;
	struct opt_list operand;
	struct warrant w;
	char detail[WARRANT_DETAIL_MAX];
};

/* "throttle.burst=20" as two lines of a settings file. */
static bool put_setting(struct put *b, const char *text)
{
	struct span value = span(NULL, 0), name = span(NULL, 0), left = span_cut(span_str(text), '=', &value);
	struct span section = span_cut(left, '.', &name);

	put_fmt(b, "[%.*s]\n%.*s = %.*s\n", SPAN_FMT(section), SPAN_FMT(name), SPAN_FMT(value));
	return word_ok(section) && word_ok(name) && value.n;
}

static int take_detail(struct writing *w, const struct opt_page *page)
{
	const struct opt_list *o = &w->operand;
	struct put b = put(w->detail, sizeof(w->detail));

	if (w->w.kind == KIND(SETTINGS)) {
		for (size_t i = 2; i < o->n; i++)
			if (!put_setting(&b, o->text[i]))
				return opt_wrong(page, "a setting is SECTION.NAME=VALUE, such as throttle.burst=20, not \"%s\"", o->text[i]);
	} else if (o->n > 3) {
		return opt_wrong(page, "there is nothing to do with \"%s\"", o->text[3]);
	} else if (o->n == 3) {
		put_str(&b, o->text[2]);
	}
	if (put_end(&b) != OK)
		return opt_wrong(page, "an order takes at most %d bytes of detail", WARRANT_DETAIL_MAX);
	w->w.detail = put_span(&b);
	if (warrant_detail_ok(w->w.kind, w->w.detail))
		return CMD_DONE;
	if (!warrant_details(w->w.kind)[0])
		return opt_wrong(page, "%s says nothing more: not \"%s\"", o->text[0], o->text[2]);
	return opt_wrong(page, "%s is one of %s, not \"%.*s\"", o->text[0], warrant_details(w->w.kind), SPAN_FMT(w->w.detail));
}

/* What the device goes by: from itself, or as given. */
static int take_state(struct writing *w, const struct opt_page *page)
{
	const char *device = w->operand.text[1];
	int code;

	if (w->nonce) {
		if (strlen(w->nonce) != 2 * WARRANT_NONCE || !hex_decode(span_str(w->nonce), w->w.nonce, WARRANT_NONCE))
			return opt_wrong(page, "--nonce is %d hex digits, as `pullcord order status` shows it", 2 * WARRANT_NONCE);
		if (!w->l.login.tenant || !w->counter)
			return opt_wrong(page, "--nonce needs --counter and --tenant beside it");
		w->w.counter = (uint64_t)w->counter;
		w->w.tenant = span_str(w->l.login.tenant);
		return CMD_DONE;
	}
	code = listen_to(&w->l, page, device);
	if (code == CMD_DONE)
		code = first_state(&w->l, device);
	if (code != CMD_DONE)
		return code;
	if (w->l.state->nonce.len != WARRANT_NONCE && !w->l.state->online) {
		report_error("%s is away: what an order must quote is known when it is there", device);
		report_hint("or quote what `pullcord order status` showed then: --nonce, --counter and --tenant");
		return CMD_NO;
	}
	if (w->l.state->nonce.len != WARRANT_NONCE) {
		report_error("%s obeys no orders", device);
		report_hint("its gateway needs the list of whom to obey: [orders] officers in its settings");
		return CMD_NO;
	}
	w->w.counter = w->l.state->executed + 1;
	memcpy(w->w.nonce, w->l.state->nonce.data, WARRANT_NONCE);
	w->w.tenant = span_str(w->l.login.install.tenant);
	return CMD_DONE;
}

static int write_order(struct writing *w, const struct opt_page *page)
{
	struct orderfile f;
	int code;
	enum err e;

	w->w.kind = warrant_kind(span_str(w->operand.text[0]));
	w->w.device = span_str(w->operand.text[1]);
	if (!w->w.kind)
		return opt_wrong(page, "a command is report, settings, renew, log-level, quarantine or wipe, not \"%s\"",
				 w->operand.text[0]);
	code = take_detail(w, page);
	if (code == CMD_DONE)
		code = take_state(w, page);
	if (code != CMD_DONE)
		return code;
	w->w.expires_us = clock_us(CLOCK_REALTIME) + w->hours * HOUR_US;
	e = orderfile_begin(&w->w, &f);
	if (e == OK)
		e = install_write(w->out, span(f.bytes, f.n), 0644);
	if (e != OK)
		return report_fail(e, "write the order into %s", w->out);
	report_line(TONE_GOOD, "%s: %s %s, number %llu", w->out, w->operand.text[0], w->operand.text[1],
		    (unsigned long long)w->w.counter);
	if (warrant_officers(w->w.kind))
		report_hint("next: %u officer%s sign%s it: pullcord order sign %s --key FILE", warrant_officers(w->w.kind),
			    warrant_officers(w->w.kind) == 1 ? "" : "s", warrant_officers(w->w.kind) == 1 ? "s" : "", w->out);
	return CMD_DONE;
}

static int order_write(int argc, char **argv)
{
	struct writing w = { .hours = 24 };
	const struct opt opt[] = {
		OPT_NEED("out", "FILE", &w.out, "where the order is put"),
		OPT_NUMBER("hours", "HOURS", &w.hours, 1, 168, "for how long it is good (default: 24)"),
		OPT_TEXT("nonce", "HEX", &w.nonce, "with --counter and --tenant: the device's nonce, and the broker is not asked"),
		OPT_NUMBER("counter", "NUMBER", &w.counter, 1, INT32_MAX, "the order's number: that of the last one obeyed, and one more"),
		ORDER_LOGIN_OPTS(&w.l.login),
	};
	const struct opt_page page = {
		.command = "order write", .operands = "COMMAND DEVICE [DETAIL...]", .least = 2, .most = 34,
		.text = "Writes an order to a device, for officers to sign. It is good for that device alone, once, until it expires, and only "
			"until the device has obeyed another.\n"
			"COMMAND is settings, with all settings that are to differ from the device's file as SECTION.NAME=VALUE (none: as in the "
			"file); log-level, with debug, info, warning, error or file (as in the file); quarantine, with on or off; "
			"renew, which has its CA certify a new key; wipe, which destroys its keys; or report, which needs no signature.",
		.example = "pullcord order write wipe icu3-nc1 --user opa --out wipe.order\n"
			   "pullcord order write settings icu3-nc1 throttle.burst=20 throttle.per_minute=90 --user opa --out set.order\n"
			   "pullcord order write quarantine icu3-nc1 on --user opa --out hold.order",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &w.operand);

	if (code == OPT_RUN)
		code = write_order(&w, &page);
	client_close(&w.l.client);
	return code;
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

static const char *signature_word(const struct orderfile *f, size_t i, const struct officers *list)
{
	static const char *const words[] = {
		[SIGNATURE_GOOD] = "good", [SIGNATURE_STRANGER] = "not-listed", [SIGNATURE_BAD] = "bad",
	};

	return list->n ? words[orderfile_check(f, i, list)] : "not-checked";
}

static unsigned good_signatures(const struct orderfile *f, const struct officers *list)
{
	unsigned good = 0;

	for (size_t i = 0; i < f->signatures; i++)
		good += orderfile_check(f, i, list) == SIGNATURE_GOOD;
	return good;
}

/* The detail may have lines of its own. */
static void show_order(const struct orderfile *f)
{
	struct span rest = f->w.detail;
	char until[REPORT_TIME];

	report_line(TONE_STRONG, "%s, to %.*s of %.*s", kind_word(f->w.kind), SPAN_FMT(f->w.device), SPAN_FMT(f->w.tenant));
	while (rest.n) {
		struct span line = span_cut(rest, '\n', &rest);

		report_line(TONE_PLAIN, "    %.*s", SPAN_FMT(line));
	}
	report_line(TONE_PLAIN, "  number %llu, good until %s", (unsigned long long)f->w.counter,
		    report_date(f->w.expires_us, until));
}

static int show_file(const struct orderfile *f, const struct officers *list)
{
	unsigned needed = warrant_officers(f->w.kind), good = good_signatures(f, list);
	bool enough = list->n && good >= needed && good == f->signatures;
	struct span name[WARRANT_APPROVALS_MAX];

	for (size_t i = 0; i < f->signatures; i++)
		name[i] = f->by[i].name;
	if (report_is_json()) {
		report_object((const struct cell[]){
			CELL_STR("command", kind_word(f->w.kind)), CELL_SPAN("tenant", f->w.tenant), CELL_SPAN("device", f->w.device),
			CELL_SPAN("detail", f->w.detail), CELL_NUM("counter", f->w.counter),
			CELL_HEX("nonce", span(f->w.nonce, WARRANT_NONCE)), CELL_NUM("expires_us", f->w.expires_us),
			CELL_HEX("order", span(f->hash, SHA256_BYTES)), CELL_WORDS("officers", name, f->signatures),
			CELL_NUM("needed", needed), list->n ? CELL_BOOL("enough", enough) : CELL_NULL("enough") }, 11);
	} else {
		show_order(f);
		for (size_t i = 0; i < f->signatures; i++)
			report_line(TONE_PLAIN, "  signed by %.*s: %s", SPAN_FMT(name[i]), signature_word(f, i, list));
		report_line(TONE_PLAIN, "  %zu of %u signatures", f->signatures, needed);
		if (f->w.expires_us <= clock_us(CLOCK_REALTIME))
			report_line(TONE_BAD, "  it has expired: no device obeys it");
		if (list->n && good != f->signatures)
			report_line(TONE_BAD, "  a device with that list refuses it for the signature that is not good: write another order");
		else if (list->n && good < needed)
			report_line(TONE_WARN, "  a device with that list refuses it until %u more of them has signed", needed - good);
	}
	return list->n && !enough ? CMD_NO : CMD_DONE;
}

static int order_show(int argc, char **argv)
{
	CLEANUP(free_cleanup) char *text = NULL;
	const char *officers = NULL;
	struct opt_list file = { 0 };
	struct officers list;
	struct orderfile f;
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("officers", "FILE", &officers, "the devices' list of officers: are the signatures theirs, and enough?"),
		OPT_FLAG("json", &json, "a JSON object"),
	};
	const struct opt_page page = {
		.command = "order show", .operands = "FILE", .least = 1, .most = 1,
		.text = "Shows an order and who has signed it. With --officers, exit code 1: these are not enough, or one is no good.",
		.example = "pullcord order show wipe.order --officers officers", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	enum err e;

	if (code != OPT_RUN)
		return code;
	report_json(json);
	e = orderfile_load(file.text[0], &f);
	if (e != OK)
		return no_file(e, file.text[0]);
	code = officers_open(officers, &text, &list);
	return code == CMD_DONE ? show_file(&f, &list) : code;
}

/* ---- sign -------------------------------------------------------------------------------------------------------- */

/* One that is no good spoils the others: whoever signs beside it signs for nothing. */
static bool may_stand(const struct orderfile *f, const struct officers *list, const char *path)
{
	for (size_t i = 0; list->n && i < f->signatures; i++) {
		enum officer_signature is = orderfile_check(f, i, list);

		if (is == SIGNATURE_GOOD)
			continue;
		report_error("%s: %s: no device with that list obeys it", path,
			     is == SIGNATURE_BAD ? "a signature does not fit" : "who signed it is not in the list");
		report_hint("it is by %.*s; nothing was written. A file with one that is no good is of no use: pullcord order write "
			    "makes another", SPAN_FMT(f->by[i].name));
		return false;
	}
	return true;
}

static int sign_by(struct orderfile *f, const char *path, const struct officer *by, const struct officers *list)
{
	enum err e = orderfile_sign(f, by->name, by->secret);

	if (e == OK && !may_stand(f, list, path))
		return CMD_NO;
	if (e == OK)
		e = whole_write(path, span(f->bytes, f->n), 0644);
	if (e == OK) {
		report_line(TONE_GOOD, "signed by %.*s, %zu of %u", SPAN_FMT(by->name), f->signatures, warrant_officers(f->w.kind));
		return CMD_DONE;
	}
	(void)report_fail(e, "sign %s", path);
	if (e == ERR_EXISTS)
		report_hint("%.*s has signed it already: another officer must", SPAN_FMT(by->name));
	return CMD_NO;
}

static int sign_with(struct orderfile *f, const char *path, const char *key, const struct officers *list)
{
	struct officer by;
	int code = officer_open(key, &by);

	if (code != CMD_DONE)
		return code;
	code = sign_by(f, path, &by, list);
	officer_clear(&by);
	return code;
}

static int order_sign(int argc, char **argv)
{
	CLEANUP(free_cleanup) char *text = NULL;
	const char *key = NULL, *officers = NULL;
	struct officers list;
	struct opt_list file = { 0 };
	struct orderfile f;
	const struct opt opt[] = {
		OPT_NEED("key", "FILE", &key, "the officer's key, made by pullcord order key"),
		OPT_TEXT("officers", "FILE", &officers, "the devices' list of officers: without it nobody looks whether who signed before, or "
			 "signs now, is of it"),
	};
	const struct opt_page page = {
		.command = "order sign", .operands = "FILE", .least = 1, .most = 1,
		.text = "Shows an order and signs it as an officer. A wipe takes two of them: the file is handed from one to the other, who "
			"signs it, too. Nothing in it can be changed after.",
		.example = "pullcord order sign wipe.order --key ana.key --officers officers", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	enum err e;

	if (code != OPT_RUN)
		return code;
	e = orderfile_load(file.text[0], &f);
	if (e != OK)
		return no_file(e, file.text[0]);
	code = officers_open(officers, &text, &list);
	if (code != CMD_DONE)
		return code;
	show_order(&f);
	return sign_with(&f, file.text[0], key, &list);
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
	return e == OK ? CMD_DONE : no_file(e, path);
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
		code = listen_to(&s->l, page, s->device);
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

static int order_send(int argc, char **argv)
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
		code = listen_to(&s->l, page, s->device);
	if (code == CMD_DONE)
		code = check_tenant(s);
	if (code != CMD_DONE)
		return code;
	before = said_before(s);
	return before ? show_receipt(&s->l, s->device, before) : await_receipt(s);
}

static int order_await(int argc, char **argv)
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
		snprintf(last, sizeof(last), "%s: %s%s", kind_word(r->command), outcome_word(r->outcome),
			 strcmp(signed_word(l, device, r), "yes") == 0 ? ", signed" : "");
	if (s->last_refused)
		snprintf(refused, sizeof(refused), "%s: %s", kind_word(s->last_refused->command), s->last_refused->why);
	report_card((const struct cell[]){
		CELL_STR("device", device), CELL_BOOL("online", s->online), CELL_BOOL("obeys", s->nonce.len == WARRANT_NONCE),
		CELL_NUM("obeyed", s->executed), cell_or_null("nonce", nonce), CELL_BOOL("quarantined", s->quarantined),
		cell_or_null("last", last), cell_or_null("refused", refused) }, 8);
	return CMD_DONE;
}

static int order_status(int argc, char **argv)
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
	code = listen_to(&l, &page, device.text[0]);
	if (code == CMD_DONE)
		code = first_state(&l, device.text[0]);
	if (code == CMD_DONE)
		code = show_status(&l, device.text[0]);
	client_close(&l.client);
	return code;
}

int cmd_order(int argc, char **argv)
{
	static const struct opt_verb verbs[] = {
		{ "key", order_key, "make the key of an officer" },
		{ "write", order_write, "write an order to a device" },
		{ "sign", order_sign, "sign it, or countersign it" },
		{ "show", order_show, "show an order and who signed it" },
		{ "send", order_send, "send it and wait for the device's receipt" },
		{ "await", order_await, "wait for the receipt of one sent before" },
		{ "status", order_status, "show what a device obeyed and refused last" },
	};

	return opt_verb("order", "Orders to devices, signed by officers whose keys are pinned on them.", verbs, countof(verbs), argc,
			argv);
}

/* order: orders to devices. Who may give them are officers, whose keys are pinned on the device; the broker and whoever runs
 * it only carry them. */
#include "cmd_order.h"

#include <stdio.h>

#include "clock.h"
#include "cmd.h"
#include "officer.h"
#include "report.h"
#include "whole.h"

#define KIND(name) PULLCORD__V1__COMMAND_KIND__COMMAND_##name
#define HOUR_US (3600 * 1000000LL)
#define KEY_BYTES_MAX 512

int order_no_file(enum err e, const char *path)
{
	(void)report_fail(e, "read the order %s", path);
	if (e == ERR_SYNTAX || e == ERR_TOO_LARGE)
		report_hint("pullcord order write makes one; a changed letter makes it another order, or none");
	return CMD_NO;
}

const char *order_kind_word(Pullcord__V1__CommandKind k)
{
	return warrant_kind_name(k) ? warrant_kind_name(k) : "none";
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
	code = order_listen(&w->l, page, device);
	if (code == CMD_DONE)
		code = order_first_state(&w->l, device);
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

	report_line(TONE_STRONG, "%s, to %.*s of %.*s", order_kind_word(f->w.kind), SPAN_FMT(f->w.device), SPAN_FMT(f->w.tenant));
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
			CELL_STR("command", order_kind_word(f->w.kind)), CELL_SPAN("tenant", f->w.tenant), CELL_SPAN("device", f->w.device),
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
		return order_no_file(e, file.text[0]);
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
		return order_no_file(e, file.text[0]);
	code = officers_open(officers, &text, &list);
	if (code != CMD_DONE)
		return code;
	show_order(&f);
	return sign_with(&f, file.text[0], key, &list);
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

/* user: people, their passwords and what they hold. */
#include "accounts.h"
#include "clock.h"
#include "cmd.h"
#include "crypt.h"
#include "password.h"
#include "remote.h"
#include "report.h"
#include "secret.h"

static const struct accounts people = { PULLCORD__V1__PARTY__PARTY_USER, "user", "USER", "ana" };

static bool fits(const struct secret *s)
{
	if (password_length_ok(span_str(s->text)))
		return true;
	(void)report_fail(ERR_RANGE, "use this password");
	report_hint("it is to have %d to %d characters", PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
	return false;
}

/* Asks for a new password and hashes it into the draft. With --live, $PULLCORD_PASSWORD_FILE holds the administrator's. */
static int set_password(struct draft *d, const char *file, bool live)
{
	CLEANUP(secret_clear) struct secret password;
	enum err e = live && !file ? secret_ask("new password", fits, &password)
				   : secret_get(file, "new password", fits, &password);

	if (e != OK)
		return CMD_NO;
	e = password_hash(span_str(password.text), d->account.password);
	return e == OK ? CMD_DONE : report_fail(e, "use this password");
}

struct new_user {
	const char *dir, *password_file, *name;
	bool json;
	struct holding holding;
	struct live live;
};

static void say_done(const char *id)
{
	if (report_is_json())
		report_object((const struct cell[]){ CELL_STR("id", id), CELL_BOOL("done", true) }, 2);
}

static int say_added(const struct new_user *u, const char *id)
{
	say_done(id);
	report_line(TONE_GOOD, "user %s may log in", id);
	if (u->holding.role.n == 0)
		report_line(TONE_WARN, "but may do nothing yet: pullcord user grant %s --role nurse --unit UNIT", id);
	return CMD_DONE;
}

/* The new password is asked for before the connection stands, so that nobody waits on the other side. */
static int add_live(struct new_user *u, const struct opt_page *page, struct draft *d)
{
	bool unsure;
	int code = holding_add(page, &u->holding, d);

	if (code == CMD_DONE)
		code = set_password(d, u->password_file, true);
	if (code == CMD_DONE)
		code = live_open(&u->live, page, u->dir);
	if (code == CMD_DONE)
		code = remote_create(&u->live, &people, d, &unsure);
	live_close(&u->live);
	return code;
}

static int add_folder(const struct new_user *u, const struct opt_page *page, struct draft *d)
{
	CLEANUP(directory_close) struct directory *dir = NULL;
	struct install in;
	int code;

	if (install_open(u->dir, &in) != OK)
		return CMD_NO;
	code = holding_tenant(page, &in, &u->holding, u->live.login.tenant);
	if (code != CMD_DONE)
		return code;
	d->account.subject.tenant = span_str(in.tenant);
	code = holding_add(page, &u->holding, d);
	if (code != CMD_DONE || (code = set_password(d, u->password_file, false)) != CMD_DONE)
		return code;
	code = install_directory(&in, false, &dir) == OK ? accounts_save(&people, dir, d, true) : CMD_NO;
	if (code == CMD_DONE)
		holding_note_unasked(&in, &d->account);
	return code;
}

static int add(struct new_user *u, const struct opt_page *page, const char *id)
{
	struct draft d;
	int code;

	if (live_check(&u->live, page) != CMD_DONE)
		return CMD_USAGE;
	if (opt_word(page, "USER", id) != CMD_DONE)
		return CMD_USAGE;
	if (u->name && (strlen(u->name) > ACCOUNT_TEXT_MAX || !span_utf8(span_str(u->name))))
		return opt_wrong(page, "--name has at most %d bytes of UTF-8", ACCOUNT_TEXT_MAX);
	draft_init(&d, &people, "", id);
	d.account.name = span_str(u->name);
	code = u->live.on ? add_live(u, page, &d) : add_folder(u, page, &d);
	crypt_wipe(d.account.password, sizeof(d.account.password));
	return code == CMD_DONE ? say_added(u, id) : code;
}

static int user_add(int argc, char **argv)
{
	struct new_user u = { 0 };
	struct opt_list id = { 0 };
	const struct opt opt[] = {
		HOLDING_OPTS(&u.holding),
		OPT_TEXT("name", "TEXT", &u.name, "for people to read"),
		OPT_TEXT("password-file", "FILE", &u.password_file, SECRET_OPT_TEXT),
		OPT_TEXT("dir", "DIR", &u.dir, INSTALL_DIR_TEXT),
		OPT_FLAG("json", &u.json, "as JSON"),
		LIVE_OPTS(&u.live),
	};
	const struct opt_page page = {
		.command = "user add", .operands = "USER", .least = 1, .most = 1,
		.text = "Adds a person. The password is asked for twice at the terminal, or read from a file; only its "
			"argon2id hash is kept, and only the hash is sent to a running broker. Of several tenants, the person is of the "
			"one whose roles are given, or of --tenant; with --live, of the administrator's.",
		.example = "pullcord user add ana --role nurse --unit icu3 --attr channel=icu3-team\n"
			   "pullcord user add ana --role nurse --unit icu3 --live --user root --host broker.mercy.example",
		OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &id);

	if (code != OPT_RUN)
		return code;
	report_json(u.json);
	return add(&u, &page, id.text[0]);
}

static int passwd_folder(const char *where, const char *tenant, const char *password_file, const char *id)
{
	CLEANUP(account_free) struct account *a = NULL;
	CLEANUP(directory_close) struct directory *dir = NULL;
	struct install in;
	struct draft d;
	int code;

	if (install_open(where, &in) != OK || install_directory(&in, false, &dir) != OK)
		return CMD_NO;
	code = accounts_find(&people, dir, tenant, id, &a);
	if (code != CMD_DONE)
		return code;
	draft_of(&d, a);
	code = set_password(&d, password_file, false);
	d.account.unlocked_us = clock_us(CLOCK_REALTIME);   /* whoever forgot it was locked out by trying */
	if (code == CMD_DONE)
		code = accounts_save(&people, dir, &d, false);
	crypt_wipe(d.account.password, sizeof(d.account.password));
	return code;
}

static int passwd_live(struct live *live, const struct opt_page *page, const char *where, const char *password_file,
		       const char *id)
{
	struct draft d;
	int code;

	draft_init(&d, &people, "", id);
	code = set_password(&d, password_file, true);
	if (code == CMD_DONE)
		code = live_open(live, page, where);
	if (code == CMD_DONE)
		code = remote_password(live, id, d.account.password);
	crypt_wipe(d.account.password, sizeof(d.account.password));
	live_close(live);
	return code;
}

static int user_passwd(int argc, char **argv)
{
	const char *dir = NULL, *password_file = NULL;
	struct opt_list id = { 0 };
	struct live live = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("password-file", "FILE", &password_file, SECRET_OPT_TEXT),
		OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT),
		OPT_FLAG("json", &json, "as JSON"),
		LIVE_OPTS(&live),
	};
	const struct opt_page page = {
		.command = "user passwd", .operands = "USER", .least = 1, .most = 1,
		.text = "Gives a person a new password. The old one stops working at once.",
		.example = "pullcord user passwd ana\npullcord user passwd ana --live --user root", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &id);

	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (live_check(&live, &page) != CMD_DONE)
		return CMD_USAGE;
	code = live.on ? passwd_live(&live, &page, dir, password_file, id.text[0])
		       : passwd_folder(dir, live.login.tenant, password_file, id.text[0]);
	if (code != CMD_DONE)
		return code;
	say_done(id.text[0]);
	report_line(TONE_GOOD, "user %s has a new password", id.text[0]);
	return code;
}

static int user_list(int argc, char **argv) { return accounts_list(&people, argc, argv); }
static int user_show(int argc, char **argv) { return accounts_show(&people, argc, argv); }
static int user_grant(int argc, char **argv) { return accounts_grant(&people, argc, argv); }
static int user_revoke(int argc, char **argv) { return accounts_revoke(&people, argc, argv); }
static int user_suspend(int argc, char **argv) { return accounts_suspend(&people, argc, argv); }
static int user_resume(int argc, char **argv) { return accounts_resume(&people, argc, argv); }
static int user_unlock(int argc, char **argv) { return accounts_unlock(&people, argc, argv); }
static int user_quarantine(int argc, char **argv) { return accounts_quarantine(&people, argc, argv); }
static int user_release(int argc, char **argv) { return accounts_release(&people, argc, argv); }
static int user_wipe(int argc, char **argv) { return accounts_wipe(&people, argc, argv); }
static int user_remove(int argc, char **argv) { return accounts_remove(&people, argc, argv); }

static const struct opt_verb verbs[] = {
	{ "add", user_add, "add a person" },
	{ "list", user_list, "who there is" },
	{ "show", user_show, "what a person holds" },
	{ "grant", user_grant, "give roles and attributes" },
	{ "revoke", user_revoke, "take roles and attributes away" },
	{ "passwd", user_passwd, "give a new password" },
	{ "suspend", user_suspend, "lock out, keep the account" },
	{ "resume", user_resume, "undo suspend" },
	{ "unlock", user_unlock, "forgive wrong passwords" },
	{ "quarantine", user_quarantine, "let it speak on the quarantine topics only" },
	{ "release", user_release, "undo quarantine" },
	{ "wipe", user_wipe, "shut out for good" },
	{ "remove", user_remove, "remove the account" },
};

int cmd_user(int argc, char **argv)
{
	return opt_verb("user", "Adds people, grants and revokes their roles. A running broker notices by itself.",
			verbs, countof(verbs), argc, argv);
}

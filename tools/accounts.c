#include "accounts.h"

#include <stdio.h>
#include <time.h>

#include "cmd.h"
#include "policy_file.h"
#include "report.h"

/* ---- drafts ------------------------------------------------------------------------------------------------------ */

void draft_init(struct draft *d, const struct accounts *kind, const char *tenant, const char *id)
{
	d->account = (struct account){
		.subject = { .party = kind->party, .tenant = span_str(tenant), .id = span_str(id),
			     .role = d->role, .attribute = d->attribute },
	};
}

void draft_of(struct draft *d, const struct account *a)
{
	d->account = *a;
	memcpy(d->role, a->subject.role, a->subject.roles * sizeof(d->role[0]));
	memcpy(d->attribute, a->subject.attribute, a->subject.attributes * sizeof(d->attribute[0]));
	d->account.subject.role = d->role;
	d->account.subject.attribute = d->attribute;
}

static size_t role_at(const struct draft *d, struct span role)
{
	size_t i = 0;

	while (i < d->account.subject.roles && !span_eq(d->role[i], role))
		i++;
	return i;
}

static size_t attribute_at(const struct draft *d, struct attribute want)
{
	size_t i = 0;

	while (i < d->account.subject.attributes &&
	       !(span_eq(d->attribute[i].name, want.name) && span_eq(d->attribute[i].value, want.value)))
		i++;
	return i;
}

/* False: there is no room. */
static bool add_role(struct draft *d, struct span role)
{
	struct subject *s = &d->account.subject;

	if (role_at(d, role) < s->roles)
		return true;
	if (s->roles == DIRECTORY_ROLES_MAX)
		return false;
	d->role[s->roles++] = role;
	return true;
}

static bool add_attribute(struct draft *d, struct attribute a)
{
	struct subject *s = &d->account.subject;

	if (attribute_at(d, a) < s->attributes)
		return true;
	if (s->attributes == DIRECTORY_ATTRIBUTES_MAX)
		return false;
	d->attribute[s->attributes++] = a;
	return true;
}

/* False: it was not held. */
static bool drop_role(struct draft *d, struct span role)
{
	struct subject *s = &d->account.subject;
	size_t at = role_at(d, role);

	if (at == s->roles)
		return false;
	d->role[at] = d->role[--s->roles];
	return true;
}

static bool drop_attribute(struct draft *d, struct attribute a)
{
	struct subject *s = &d->account.subject;
	size_t at = attribute_at(d, a);

	if (at == s->attributes)
		return false;
	d->attribute[at] = d->attribute[--s->attributes];
	return true;
}

/* ---- what options say -------------------------------------------------------------------------------------------- */

/* One of `--unit` and `--attr`, in order. */
static struct attribute held_attribute(const struct holding *h, size_t i)
{
	struct attribute a;

	if (i < h->unit.n)
		return (struct attribute){ SPAN_LIT("unit"), span_str(h->unit.text[i]) };
	a.name = span_cut(span_str(h->attr.text[i - h->unit.n]), '=', &a.value);
	return a;
}

static size_t held_attributes(const struct holding *h)
{
	return h->unit.n + h->attr.n;
}

static int check_words(const struct opt_page *page, const struct holding *h)
{
	for (size_t i = 0; i < h->role.n; i++)
		if (!word_ok(span_str(h->role.text[i])))
			return opt_wrong(page, "--role takes one word of A-Z a-z 0-9 . _ : -, not \"%s\"",
					 h->role.text[i]);
	for (size_t i = 0; i < held_attributes(h); i++) {
		struct attribute a = held_attribute(h, i);

		if (!word_ok(a.name) || !word_ok(a.value))
			return opt_wrong(page, "an attribute is NAME=VALUE of A-Z a-z 0-9 . _ : -, not \"%.*s=%.*s\"",
					 SPAN_FMT(a.name), SPAN_FMT(a.value));
	}
	return CMD_DONE;
}

/* A mistyped role would grant nothing, silently. A policy that does not load is no reason to stop here. */
static int check_roles(const struct install *in, const struct holding *h)
{
	CLEANUP(policy_close) struct policy *policy = NULL;
	const struct install_path path = install_path(in, "pullcord.policy");
	struct policy_error where;

	if (policy_file_load(path.text, &policy, &where) != OK) {
		report_hint("note: %s cannot be read, so the role is not checked; see pullcord policy check",
			    path.text);
		return CMD_DONE;
	}
	for (size_t i = 0; i < h->role.n; i++) {
		if (policy_has_role(policy, span_str(h->role.text[i])))
			continue;
		report_error("the policy has no role %s", h->role.text[i]);
		report_hint("roles are written in %s, as: role %s", path.text, h->role.text[i]);
		return CMD_NO;
	}
	return CMD_DONE;
}

int draft_add(struct draft *d, const struct opt_page *page, const struct install *in, const struct holding *h)
{
	int code = check_words(page, h);
	bool room = true;

	if (code == CMD_DONE && h->role.n)
		code = check_roles(in, h);
	if (code != CMD_DONE)
		return code;
	for (size_t i = 0; i < h->role.n; i++)
		room &= add_role(d, span_str(h->role.text[i]));
	for (size_t i = 0; i < held_attributes(h); i++)
		room &= add_attribute(d, held_attribute(h, i));
	if (room)
		return CMD_DONE;
	return report_fail(ERR_FULL, "hold more than %d roles or %d attributes", DIRECTORY_ROLES_MAX,
			   DIRECTORY_ATTRIBUTES_MAX);
}

static int draft_drop(struct draft *d, const struct opt_page *page, const struct holding *h)
{
	int code = check_words(page, h);

	if (code != CMD_DONE)
		return code;
	for (size_t i = 0; i < h->role.n; i++) {
		if (drop_role(d, span_str(h->role.text[i])))
			continue;
		report_error("%.*s does not hold the role %s", SPAN_FMT(d->account.subject.id), h->role.text[i]);
		return CMD_NO;
	}
	for (size_t i = 0; i < held_attributes(h); i++) {
		struct attribute a = held_attribute(h, i);

		if (drop_attribute(d, a))
			continue;
		report_error("%.*s does not hold %.*s=%.*s", SPAN_FMT(d->account.subject.id), SPAN_FMT(a.name),
			     SPAN_FMT(a.value));
		return CMD_NO;
	}
	return CMD_DONE;
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

enum err accounts_find(const struct accounts *kind, struct directory *dir, const char *id, struct account **out)
{
	enum err e = directory_find(dir, kind->party, span_str(id), out);

	if (e == ERR_NOT_FOUND) {
		report_error("there is no %s %s", kind->noun, id);
		report_hint("pullcord %s list shows those there are", kind->noun);
	} else if (e != OK) {
		(void)report_fail(e, "read the account %s", id);
	}
	return e;
}

int accounts_save(const struct accounts *kind, struct directory *dir, struct draft *d, bool create)
{
	struct span id = d->account.subject.id;
	enum err e;

	d->account.changed_us = now_us();
	e = directory_save(dir, &d->account, create);
	if (e == OK)
		return CMD_DONE;
	if (e == ERR_EXISTS) {
		report_error("%.*s is taken (people and devices share one name space; no device is called "
			     "USER.ANYTHING)", SPAN_FMT(id));
		report_hint("pullcord %s show %.*s, or choose another name", kind->noun, SPAN_FMT(id));
		return CMD_NO;
	}
	return report_fail(e, "save the account %.*s", SPAN_FMT(id));
}

void accounts_print(const struct account *a)
{
	const struct subject *s = &a->subject;
	char changed[REPORT_TIME];

	report_card((const struct cell[]){
		CELL_SPAN("id", s->id),
		CELL_SPAN("tenant", s->tenant),
		CELL_SPAN("name", a->name),
		CELL_STR("state", s->suspended ? "suspended" : "active"),
		CELL_WORDS("roles", s->role, s->roles),
		CELL_PAIRS("attributes", s->attribute, s->attributes),
		CELL_BOOL("password", a->password[0] != '\0'),
		CELL_STR("changed", report_date((int64_t)a->changed_us, changed)),
	}, 8);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

struct listing {
	Pullcord__V1__Party party;
	uint64_t n;
};

static bool list_one(void *ctx, const struct account *a)
{
	struct listing *l = ctx;
	struct cell row[] = {
		CELL_SPAN("id", a->subject.id),
		CELL_STR("state", a->subject.suspended ? "suspended" : "active"),
		CELL_WORDS("roles", a->subject.role, a->subject.roles),
		CELL_PAIRS("attributes", a->subject.attribute, a->subject.attributes),
	};

	if (a->subject.party != l->party)
		return true;
	row[0].width = 20;
	row[1].width = 9;
	row[2].width = 24;
	if (l->n++ == 0)
		report_head(row, countof(row));
	report_row(row, countof(row));
	return !report_broken();
}

int accounts_list(const struct accounts *kind, int argc, char **argv)
{
	CLEANUP(directory_close) struct directory *dir = NULL;
	struct listing listing = { kind->party, 0 };
	struct install in;
	const char *where = NULL;
	char command[32], example[64];
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &where, INSTALL_DIR_TEXT),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_page page = {
		.command = command, .text = "Lists the accounts there are, with their roles and attributes.",
		.example = example, OPTS(opt),
	};
	enum err e;
	int code;

	snprintf(command, sizeof(command), "%s list", kind->noun);
	snprintf(example, sizeof(example), "pullcord %s list", kind->noun);
	code = opt_read(&page, argc, argv, NULL);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (install_open(where, &in) != OK || install_directory(&in, true, &dir) != OK)
		return CMD_NO;
	e = directory_each(dir, list_one, &listing);
	if (e != OK)
		return report_fail(e, "read the directory");
	if (listing.n == 0)
		report_line(TONE_DIM, "There is no %s yet.", kind->noun);
	return CMD_DONE;
}

/* ---- commands on one account ------------------------------------------------------------------------------------- */

/* Everything a command on one account works with. */
struct work {
	const struct accounts *kind;
	const struct opt_page *page;
	const struct holding *holding;
	struct install in;
	struct directory *directory;
	struct account *account;        /* as it was */
	struct draft draft;             /* as it will be */
};

struct deed {
	const char *verb, *text;
	const char *example;            /* options of the example */
	bool holding, show;             /* takes --role, --unit, --attr; takes --json and writes nothing */
	int (*run)(struct work *w);
};

static void work_end(struct work *w)
{
	account_free(&w->account);
	directory_close(&w->directory);
}

static int save(struct work *w, const char *done)
{
	struct span id = w->account->subject.id;
	int code = accounts_save(w->kind, w->directory, &w->draft, false);

	if (code != CMD_DONE)
		return code;
	report_line(TONE_GOOD, "%s %.*s %s", w->kind->noun, SPAN_FMT(id), done);
	return CMD_DONE;
}

static int do_show(struct work *w)
{
	accounts_print(w->account);
	return CMD_DONE;
}

static int check_some(const struct work *w)
{
	const struct holding *h = w->holding;

	if (h->role.n + h->unit.n + h->attr.n == 0)
		return opt_wrong(w->page, "what? give --role, --unit or --attr");
	return CMD_DONE;
}

static int do_grant(struct work *w)
{
	int code = check_some(w);

	if (code == CMD_DONE)
		code = draft_add(&w->draft, w->page, &w->in, w->holding);
	return code == CMD_DONE ? save(w, "holds it from now on") : code;
}

static int do_revoke(struct work *w)
{
	int code = check_some(w);

	if (code == CMD_DONE)
		code = draft_drop(&w->draft, w->page, w->holding);
	return code == CMD_DONE ? save(w, "does not hold it any more") : code;
}

static int do_suspend(struct work *w)
{
	w->draft.account.subject.suspended = true;
	return save(w, "is suspended: it may do nothing, and is cut off");
}

static int do_resume(struct work *w)
{
	w->draft.account.subject.suspended = false;
	return save(w, "is active again");
}

static int do_remove(struct work *w)
{
	struct span id = w->account->subject.id;
	enum err e = directory_remove(w->directory, w->kind->party, id);

	if (e != OK)
		return report_fail(e, "remove %.*s", SPAN_FMT(id));
	report_line(TONE_GOOD, "%s %.*s is removed; what it did stays in the record", w->kind->noun, SPAN_FMT(id));
	return CMD_DONE;
}

static const struct deed deed_show = {
	"show", "Shows what an account holds.", "", false, true, do_show,
};
static const struct deed deed_grant = {
	"grant", "Gives an account roles and attributes. A running broker uses them at once.",
	" --role ROLE --unit UNIT", true, false, do_grant,
};
static const struct deed deed_revoke = {
	"revoke", "Takes roles and attributes from an account. A running broker decides by what is left at once, also "
	"for subscriptions that stand.", " --role ROLE", true, false, do_revoke,
};
static const struct deed deed_suspend = {
	"suspend", "Suspends an account: it keeps what it holds but may do nothing, and its connections are cut.", "",
	false, false, do_suspend,
};
static const struct deed deed_resume = {
	"resume", "Makes a suspended account active again.", "", false, false, do_resume,
};
static const struct deed deed_remove = {
	"remove", "Removes an account. Its client ids stay bound to its name for good.", "", false, false, do_remove,
};

static int on_account(struct work *w, const struct deed *deed, const char *where, const char *id)
{
	if (install_open(where, &w->in) != OK || install_directory(&w->in, deed->show, &w->directory) != OK)
		return CMD_NO;
	if (accounts_find(w->kind, w->directory, id, &w->account) != OK)
		return CMD_NO;
	draft_of(&w->draft, w->account);
	return deed->run(w);
}

static int run_deed(const struct accounts *kind, const struct deed *deed, int argc, char **argv)
{
	CLEANUP(work_end) struct work w = { .kind = kind };
	struct holding holding = { 0 };
	struct opt_list id = { 0 };
	const char *where = NULL;
	char command[32], example[96];
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &where, INSTALL_DIR_TEXT),
		OPT_FLAG("json", &json, "one JSON object"),
		HOLDING_OPTS(&holding),
	};
	const struct opt_page page = {
		.command = command, .operands = kind->operand, .least = 1, .most = 1,
		.text = deed->text, .example = example,
		.opt = opt, .opts = deed->holding ? countof(opt) : deed->show ? 2 : 1,
	};
	int code;

	snprintf(command, sizeof(command), "%s %s", kind->noun, deed->verb);
	snprintf(example, sizeof(example), "pullcord %s %s%s", command, kind->sample, deed->example);
	code = opt_read(&page, argc, argv, &id);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	w.page = &page;
	w.holding = &holding;
	return on_account(&w, deed, where, id.text[0]);
}

#define DEED(verb)                                                                                                     \
	int accounts_##verb(const struct accounts *kind, int argc, char **argv)                                        \
	{                                                                                                              \
		return run_deed(kind, &deed_##verb, argc, argv);                                                       \
	}
DEED(show)
DEED(grant)
DEED(revoke)
DEED(suspend)
DEED(resume)
DEED(remove)

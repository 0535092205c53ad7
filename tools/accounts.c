#include "accounts.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cmd.h"
#include "live.h"
#include "remote.h"
#include "report.h"

static uint64_t now_us(void)
{
	return (uint64_t)clock_us(CLOCK_REALTIME);
}

void draft_init(struct draft *d, const struct accounts *kind, const char *tenant, const char *id)
{
	draft_new(d, kind->party, span_str(tenant), span_str(id));
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

int accounts_find(const struct accounts *kind, struct directory *dir, const char *tenant, const char *id, struct account **out)
{
	enum err e = directory_find(dir, kind->party, span_str(id), out);

	if (e != OK && e != ERR_NOT_FOUND)
		return report_fail(e, "read the account %s", id);
	if (e == OK && (!tenant || span_is((*out)->subject.tenant, tenant)))
		return CMD_DONE;
	report_error("there is no %s %s%s%s", kind->noun, id, tenant ? " of tenant " : "", tenant ? tenant : "");
	if (e == OK)
		report_hint("%s is of tenant %.*s", id, SPAN_FMT((*out)->subject.tenant));
	else
		report_hint("pullcord %s list shows those there are", kind->noun);
	account_free(out);
	return CMD_GONE;
}

bool accounts_usable(const struct accounts *kind, const struct account *a)
{
	if (a->state != ACCOUNT_WIPED)
		return true;
	report_error("%.*s is wiped", SPAN_FMT(a->subject.id));
	report_hint("for good: pullcord %s remove %.*s, and make a new one", kind->noun, SPAN_FMT(a->subject.id));
	return false;
}

/* Why no account may be called so: whose the name is. */
static int say_taken(const struct accounts *kind, struct directory *dir, struct span id)
{
	bool device = kind->party == PULLCORD__V1__PARTY__PARTY_DEVICE;
	const char *other = device ? "user" : "device";
	CLEANUP(account_free) struct account *a = NULL;

	if (directory_find(dir, kind->party, id, &a) == OK) {
		report_error("there is a %s %.*s already", kind->noun, SPAN_FMT(id));
		report_hint("pullcord %s show %.*s, or choose another name", kind->noun, SPAN_FMT(id));
		if (device)
			report_hint("a new machine in its place is given a certificate by pullcord device renew %.*s", SPAN_FMT(id));
	} else if (directory_find(dir, device ? PULLCORD__V1__PARTY__PARTY_USER : PULLCORD__V1__PARTY__PARTY_DEVICE, id, &a) == OK) {
		report_error("%.*s is a %s, and people and devices share one name space", SPAN_FMT(id), other);
		report_hint("pullcord %s show %.*s, or choose another name", other, SPAN_FMT(id));
	} else {
		report_error("%.*s would be mistaken for a client of a person: those are called USER.ANYTHING", SPAN_FMT(id));
		report_hint("choose another name");
	}
	return CMD_NO;
}

int accounts_try(const struct accounts *kind, struct directory *dir, const struct draft *d)
{
	const struct span id = d->account.subject.id;
	CLEANUP(batch_abort) struct batch *b = NULL;
	enum err e = directory_begin(dir, &b);

	if (e == OK)
		e = batch_save(b, &d->account, true);
	if (e == OK)
		return CMD_DONE;
	return e == ERR_EXISTS ? say_taken(kind, dir, id) : report_fail(e, "save the account %.*s", SPAN_FMT(id));
}

int accounts_save(const struct accounts *kind, struct directory *dir, struct draft *d, bool create)
{
	struct span id = d->account.subject.id;
	enum err e;

	d->account.changed_us = now_us();
	e = directory_save(dir, &d->account, create);
	if (e == OK)
		return CMD_DONE;
	return e == ERR_EXISTS ? say_taken(kind, dir, id) : report_fail(e, "save the account %.*s", SPAN_FMT(id));
}

#define TERMS_MAX (ACCOUNT_ROLES_MAX + ACCOUNT_ATTRIBUTES_MAX)

/* What is held for a time or with a reason: "unit=icu3", and until when or why. */
struct terms {
	struct attribute until[TERMS_MAX], reason[TERMS_MAX];
	size_t untils, reasons, n;
	char name[TERMS_MAX][2 * WORD_BYTES_MAX + 2], time[TERMS_MAX][COMMAND_TIME];
};

static void add_terms(struct terms *t, const struct grant *g, struct span name, struct span value)
{
	char *text = t->name[t->n], *time = t->time[t->n];

	if (!g->until_us && !g->reason.n)
		return;
	t->n++;
	snprintf(text, sizeof(t->name[0]), "%.*s%s%.*s", SPAN_FMT(name), value.n ? "=" : "", SPAN_FMT(value));
	if (g->until_us)
		t->until[t->untils++] = (struct attribute){ span_str(text), span_str(command_time(g->until_us, time)) };
	if (g->reason.n)
		t->reason[t->reasons++] = (struct attribute){ span_str(text), g->reason };
}

#define TIME_TEXT (REPORT_TIME > COMMAND_TIME ? REPORT_TIME : COMMAND_TIME)

/* A script cannot know whose time of day it is. */
static const char *time_text(int64_t us, char out[TIME_TEXT])
{
	return report_is_json() ? command_time(us, out) : report_date(us, out);
}

/* `locked_us`: until when they are locked out; 0: they are not. */
static void print_account(const struct account *a, int64_t locked_us)
{
	const struct subject *s = &a->subject;
	struct terms t = { .n = 0 };
	char changed[TIME_TEXT], locked[TIME_TEXT];
	struct cell cell[12] = {
		CELL_SPAN("id", s->id),
		CELL_SPAN("tenant", s->tenant),
		CELL_SPAN("name", a->name),
		CELL_STR("state", account_state_name(a->state)),
		CELL_WORDS("roles", s->role, s->roles),
		CELL_PAIRS("attributes", s->attribute, s->attributes),
		CELL_BOOL("password", a->password[0] != '\0'),
		CELL_STR("changed", time_text((int64_t)a->changed_us, changed)),
	};
	size_t n = 8;

	for (size_t i = 0; a->role_grant && i < s->roles; i++)
		add_terms(&t, &a->role_grant[i], s->role[i], span(NULL, 0));
	for (size_t i = 0; a->attribute_grant && i < s->attributes; i++)
		add_terms(&t, &a->attribute_grant[i], s->attribute[i].name, s->attribute[i].value);
	if (report_is_json() || t.untils)
		cell[n++] = CELL_PAIRS("until", t.until, t.untils);
	if (report_is_json() || t.reasons)
		cell[n++] = CELL_PAIRS("reason", t.reason, t.reasons);
	if (report_is_json() || a->state_since.reason.n)
		cell[n++] = CELL_SPAN("state_reason", a->state_since.reason);
	if (locked_us)
		cell[n++] = CELL_STR("locked_out_until", time_text(locked_us, locked));
	else if (report_is_json() && s->party == PULLCORD__V1__PARTY__PARTY_USER)
		cell[n++] = CELL_NULL("locked_out_until");
	report_card(cell, n);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

struct listing {
	Pullcord__V1__Party party;
	const char *tenant;         /* NULL: any */
	uint64_t n;
	struct lock *lock;
	size_t locks, room;
	int64_t now_us;
};

static void listing_end(struct listing *l)
{
	free(l->lock);
}

static void list_lock(void *ctx, const struct lock *x)
{
	struct listing *l = ctx;

	if (l->locks == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->lock = realloc(l->lock, l->room * sizeof(*l->lock));
		must(l->lock);
	}
	l->lock[l->locks++] = *x;
}

/* Until when somewhere; 0: they are not. */
static int64_t locked_until(const struct listing *l, const struct account *a)
{
	int64_t until = 0;

	for (size_t i = 0; i < l->locks; i++)
		if (lock_holds(&l->lock[i], a, l->now_us) && l->lock[i].until_us > until)
			until = l->lock[i].until_us;
	return until;
}

/* As remote_visit. */
static bool list_found(void *ctx, const struct account *a, int64_t until)
{
	struct listing *l = ctx;
	char text[TIME_TEXT];
	struct cell row[] = {
		CELL_SPAN("id", a->subject.id),
		CELL_SPAN("tenant", a->subject.tenant),
		CELL_STR("state", account_state_name(a->state)),
		CELL_WORDS("roles", a->subject.role, a->subject.roles),
		CELL_PAIRS("attributes", a->subject.attribute, a->subject.attributes),
		until ? CELL_STR("locked_out_until", time_text(until, text)) : CELL_NULL("locked_out_until"),
	};
	size_t n = countof(row) - (l->party != PULLCORD__V1__PARTY__PARTY_USER);

	if (l->tenant && !span_is(a->subject.tenant, l->tenant))
		return true;
	row[0].width = 20;
	row[1].width = 10;
	row[2].width = 11;
	row[3].width = 24;
	row[4].width = n == countof(row) ? 24 : 0;
	if (l->n++ == 0)
		report_head(row, n);
	report_row(row, n);
	return !report_broken();
}

static bool list_one(void *ctx, const struct account *a)
{
	return list_found(ctx, a, locked_until(ctx, a));
}

static int list_folder(const char *where, struct listing *listing)
{
	CLEANUP(directory_close) struct directory *dir = NULL;
	struct install in;
	enum err e;

	if (install_open(where, &in) != OK || holding_check_tenant(&in, listing->tenant) != CMD_DONE ||
	    install_directory(&in, true, &dir) != OK)
		return CMD_NO;
	e = listing->party == PULLCORD__V1__PARTY__PARTY_USER ? directory_locks(dir, list_lock, listing) : OK;
	if (e == OK)
		e = directory_after(dir, listing->party, span(NULL, 0), list_one, listing);
	return e == OK ? CMD_DONE : report_fail(e, "read the directory");
}

static int list_broker(const struct accounts *kind, struct live *live, const struct opt_page *page, const char *where,
		       struct listing *listing)
{
	int code = live_open(live, page, where);

	if (code == CMD_DONE)
		code = remote_each(live, kind, list_found, listing);
	live_close(live);
	return code;
}

int accounts_list(const struct accounts *kind, int argc, char **argv)
{
	CLEANUP(listing_end) struct listing listing = { .party = kind->party, .now_us = clock_us(CLOCK_REALTIME) };
	struct live live = { 0 };
	const char *where = NULL;
	char command[32], example[96];
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &where, INSTALL_DIR_TEXT),
		OPT_FLAG("json", &json, "one JSON object a line"),
		LIVE_OPTS(&live),
	};
	const struct opt_page page = {
		.command = command, .example = example, OPTS(opt),
		.text = kind->party == PULLCORD__V1__PARTY__PARTY_USER
			? "Lists the accounts there are, with their tenant, roles and attributes, and until when somebody is locked out "
			  "somewhere for wrong passwords."
			: "Lists the accounts there are, with their tenant, roles and attributes.",
	};
	int code;

	snprintf(command, sizeof(command), "%s list", kind->noun);
	snprintf(example, sizeof(example), "pullcord %s list\npullcord %s list --live --user root --json", kind->noun, kind->noun);
	code = opt_read(&page, argc, argv, NULL);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	if (live_check(&live, &page) != CMD_DONE || (live.login.tenant && opt_word(&page, "--tenant", live.login.tenant) != CMD_DONE))
		return CMD_USAGE;
	listing.tenant = live.login.tenant;
	code = live.on ? list_broker(kind, &live, &page, where, &listing) : list_folder(where, &listing);
	if (code == CMD_DONE && listing.n == 0)
		report_line(TONE_DIM, "There is no %s yet%s%s.", kind->noun, listing.tenant ? " of " : "", listing.tenant ? listing.tenant : "");
	return code;
}

/* ---- commands on one account ------------------------------------------------------------------------------------- */

/* Everything a command on one account works with. */
struct deed;
struct work {
	const struct accounts *kind;
	const struct deed *deed;
	const struct opt_page *page;
	const struct holding *holding;
	const char *until, *reason, *tenant;
	int64_t until_us;
	struct install in;
	struct directory *directory;
	struct account *account;        /* as it was */
	struct draft draft;             /* as it will be */
};

struct deed {
	const char *verb, *text;
	const char *example;            /* options of the example */
	bool holding, show, terms;      /* takes --role, --unit, --attr; --json and writes nothing; --reason */
	int (*run)(struct work *w);
	const char *command;            /* of the running broker; NULL: it depends (ask_holding(), show_broker()) */
	const char *done;               /* what is said then, after the account's name */
	bool ends;                      /* nobody who did it to themselves could undo it */
};

static const char *done_text(const struct work *w)
{
	return w->until ? "holds it from now on, until then" : w->deed->done;
}

static void work_end(struct work *w)
{
	account_free(&w->account);
	directory_close(&w->directory);
}

static int say_done(const struct work *w, struct span id, const char *done)
{
	if (report_is_json())
		report_object((const struct cell[]){ CELL_SPAN("id", id), CELL_BOOL("done", true) }, 2);
	report_line(TONE_GOOD, "%s %.*s %s", w->kind->noun, SPAN_FMT(id), done);
	return CMD_DONE;
}

static int save(struct work *w, const char *done)
{
	struct span id = w->account->subject.id;
	int code = accounts_save(w->kind, w->directory, &w->draft, false);

	return code == CMD_DONE ? say_done(w, id, done) : code;
}

static int do_show(struct work *w)
{
	CLEANUP(listing_end) struct listing l = { .now_us = clock_us(CLOCK_REALTIME) };
	enum err e = directory_locks(w->directory, list_lock, &l);

	if (e != OK)
		return report_fail(e, "read the directory");
	print_account(w->account, locked_until(&l, w->account));
	return CMD_DONE;
}

/* How what is named is held from now on. */
static void set_terms(struct work *w)
{
	const struct grant g = { .until_us = w->until_us, .at_us = now_us(), .reason = span_str(w->reason) };

	for (size_t i = 0; i < w->holding->role.n; i++)
		must(draft_add_role(&w->draft, span_str(w->holding->role.text[i]), g));
	for (size_t i = 0; i < holding_attributes(w->holding); i++)
		must(draft_add_attribute(&w->draft, holding_attribute(w->holding, i), g));
}

static int do_grant(struct work *w)
{
	int code;

	if (!accounts_usable(w->kind, w->account))
		return CMD_NO;
	code = holding_add_known(w->page, &w->in, w->holding, &w->draft);
	if (code != CMD_DONE)
		return code;
	set_terms(w);
	code = save(w, done_text(w));
	if (code == CMD_DONE)
		holding_note_unasked(&w->in, &w->draft.account);
	return code;
}

static int do_revoke(struct work *w)
{
	int code = holding_drop(w->page, w->holding, &w->draft);

	return code == CMD_DONE ? save(w, w->deed->done) : code;
}

static bool may_move(const struct work *w, unsigned from)
{
	static const char *const ends[ACCOUNT_STATES] = { [ACCOUNT_SUSPENDED] = "resume", [ACCOUNT_QUARANTINED] = "release" };
	struct span id = w->account->subject.id;

	if (from & 1u << w->account->state)
		return true;
	if (!accounts_usable(w->kind, w->account))
		return false;
	report_error("%.*s is %s", SPAN_FMT(id), account_state_name(w->account->state));
	if (ends[w->account->state])
		report_hint("pullcord %s %s %.*s ends that", w->kind->noun, ends[w->account->state], SPAN_FMT(id));
	return false;
}

static struct grant now_because(const struct work *w)
{
	return (struct grant){ .at_us = now_us(), .reason = span_str(w->reason) };
}

static int move(struct work *w, enum account_state to, unsigned from, const char *done)
{
	if (!may_move(w, from))
		return CMD_NO;
	draft_state(&w->draft, to, now_because(w));
	return save(w, done);
}

#define FROM(state) 1u << ACCOUNT_##state

static int do_suspend(struct work *w)
{
	return move(w, ACCOUNT_SUSPENDED, FROM(ACTIVE) | FROM(SUSPENDED) | FROM(QUARANTINED),
		    w->deed->done);
}

static int do_resume(struct work *w)
{
	if (!may_move(w, FROM(SUSPENDED)))
		return CMD_NO;
	draft_resume(&w->draft, now_because(w));
	return save(w, w->draft.account.state == ACCOUNT_QUARANTINED ? "is in quarantine, as before it was suspended" : "is active again");
}

static int do_unlock(struct work *w)
{
	w->draft.account.unlocked_us = clock_us(CLOCK_REALTIME);
	return save(w, w->deed->done);
}

static int do_quarantine(struct work *w)
{
	return move(w, ACCOUNT_QUARANTINED, FROM(ACTIVE) | FROM(SUSPENDED),
		    w->account->state == ACCOUNT_SUSPENDED ? "stays suspended, and will be in quarantine once it is resumed" :
		    "is in quarantine: it may do what the policy says under `quarantine`");
}

static int do_release(struct work *w)
{
	return move(w, ACCOUNT_ACTIVE, FROM(QUARANTINED), w->deed->done);
}

static int do_wipe(struct work *w)
{
	memset(w->draft.account.password, 0, sizeof(w->draft.account.password));
	return move(w, ACCOUNT_WIPED, FROM(ACTIVE) | FROM(SUSPENDED) | FROM(QUARANTINED), w->deed->done);
}

static int do_remove(struct work *w)
{
	struct span id = w->account->subject.id;
	enum err e = directory_remove(w->directory, w->kind->party, id);

	if (e != OK)
		return report_fail(e, "remove %.*s", SPAN_FMT(id));
	return say_done(w, id, w->deed->done);
}

static const struct deed deed_show = {
	"show", "Shows what an account holds; of a person, also until when they are locked out somewhere for wrong passwords.", "",
	false, true, false, do_show, NULL, NULL, false,
};
static const struct deed deed_grant = {
	"grant", "Gives an account roles and attributes. A running broker uses them at once.",
	" --unit icu3", true, false, true, do_grant, NULL, "holds it from now on", false,
};
static const struct deed deed_revoke = {
	"revoke", "Takes roles and attributes from an account. A running broker decides by what is left at once, also "
	"for subscriptions that stand.", " --unit icu3", true, false, false, do_revoke, NULL, "does not hold it any more", false,
};
static const struct deed deed_suspend = {
	"suspend", "Suspends an account: it keeps what it holds but may do nothing, and its connections are cut.", "",
	false, false, true, do_suspend, "suspend", "is suspended: it may do nothing, and is cut off", true,
};
static const struct deed deed_resume = {
	"resume", "Ends a suspension: the account is active again, or in quarantine if it was so before.", "", false, false, true,
	do_resume, "resume", "is active again, or in quarantine if it was so before", false,
};
static const struct deed deed_unlock = {
	"unlock", "Forgives a person the wrong passwords tried in their name: they may log in again at once, from everywhere "
	"but an address that is locked out itself.", "", false, false, true, do_unlock, "unlock", "is not locked out any more", false,
};
static const struct deed deed_quarantine = {
	"quarantine", "Puts an account in quarantine: until released it may do what the policy says under "
	"`quarantine`, and nothing else. What is suspended stays so, and will be in quarantine once it is resumed.", "",
	false, false, true, do_quarantine, "quarantine",
	"is in quarantine, or will be once it is resumed", true,
};
static const struct deed deed_release = {
	"release", "Ends the quarantine of an account.", "", false, false, true, do_release, "release", "is active again", false,
};
static const struct deed deed_wipe = {
	"wipe", "Shuts an account out for good; only removing it is left.", "", false, false, true, do_wipe, "wipe",
	"is wiped, for good", true,
};
static const struct deed deed_remove = {
	"remove", "Removes an account. Its client ids stay bound to its name for good. Of a device the certificates end with it: one "
	"that is enrolled again under its name is let in by what was issued since.", "", false, false, false, do_remove,
	"delete", "is removed; what it did stays in the record", true,
};

static int on_account(struct work *w, const struct deed *deed, const char *where, const char *id)
{
	int code;

	if (install_open(where, &w->in) != OK || install_directory(&w->in, deed->show, &w->directory) != OK)
		return CMD_NO;
	code = accounts_find(w->kind, w->directory, w->tenant, id, &w->account);
	if (code != CMD_DONE)
		return code;
	draft_of(&w->draft, w->account);
	return deed->run(w);
}

/* ---- the same, of the running broker ----------------------------------------------------------------------------- */

static void order_begin(const struct work *w, struct reply *r, const char *command, const char *id)
{
	reply_object(r, NULL);
	reply_text(r, "command", span_str(command));
	reply_text(r, w->kind->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "username", span_str(id));
	if (w->until)
		reply_text(r, "expires", span_str(w->until));
	if (w->reason)
		reply_text(r, "reason", span_str(w->reason));
}

/* What somebody takes for themselves is for a place: the one that is given beside the role. */
static void ask_place(const struct work *w, struct reply *r)
{
	for (size_t i = 0; i < holding_attributes(w->holding); i++) {
		struct attribute a = holding_attribute(w->holding, i);

		if (span_is(a.name, "unit") || span_is(a.name, "patient")) {
			reply_text(r, span_is(a.name, "unit") ? "unit" : "patient", a.value);
			return;
		}
	}
}

static void ask_holding(const struct work *w, struct reply *r, bool give, const char *id, bool self)
{
	reply_object(r, NULL);
	reply_text(r, "command", SPAN_LIT("batch"));
	reply_array(r, "commands");
	for (size_t i = 0; i < w->holding->role.n; i++) {
		order_begin(w, r, give ? "grantRole" : "revokeRole", id);
		reply_text(r, "rolename", span_str(w->holding->role.text[i]));
		if (give && self)
			ask_place(w, r);
		reply_end(r);
	}
	for (size_t i = 0; i < holding_attributes(w->holding); i++) {
		struct attribute a = holding_attribute(w->holding, i);

		order_begin(w, r, give ? "setAttribute" : "clearAttribute", id);
		reply_text(r, "name", a.name);
		reply_text(r, "value", a.value);
		reply_end(r);
	}
	reply_end(r);
	reply_end(r);
}

/* "delete" of a device is deleteDevice; "suspend" is the same for both. */
static void ask_plainly(const struct work *w, struct reply *r, const char *command, const char *id)
{
	bool own = strcmp(command, "delete") == 0;
	char word[32];

	snprintf(word, sizeof(word), "%s%s", command,
		 !own ? "" : w->kind->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "Device" : "User");
	order_begin(w, r, word, id);
	reply_end(r);
}

static bool print_found(void *ctx, const struct account *a, int64_t locked_us)
{
	(void)ctx;
	print_account(a, locked_us);
	return true;
}

static int show_broker(const struct work *w, struct live *live, const char *where, const char *id)
{
	int code = live_open(live, w->page, where);

	if (code == CMD_DONE)
		code = remote_find(live, w->kind, id, print_found, NULL);
	live_close(live);
	return code;
}

static void hear_deed(void *ctx, const struct answer *a)
{
	bool *failed = ctx;

	if (!a->error[0])
		return;
	*failed = true;
	report_error("%s", a->error);
}

static int on_broker(struct work *w, const struct deed *deed, struct live *live, const char *where, const char *id)
{
	CLEANUP(reply_close) struct reply *r = reply_open();
	CLEANUP(free_cleanup) char *request = NULL;
	int code = deed->holding ? holding_check(w->page, w->holding) : CMD_DONE;
	bool failed = false;

	if (code != CMD_DONE)
		return code;
	if (deed->show)
		return show_broker(w, live, where, id);
	if (deed->ends && live->login.user && strcmp(live->login.user, id) == 0)
		return opt_wrong(w->page, "%s would shut themselves out: that is for another administrator, or for root, without --live", id);
	if (r) {
		reply_array(r, "commands");
		if (deed->command)
			ask_plainly(w, r, deed->command, id);
		else
			ask_holding(w, r, deed == &deed_grant, id, live->login.user && strcmp(live->login.user, id) == 0);
		reply_end(r);
		request = reply_finish(r);
	}
	if (!request)
		return report_fail(ERR_FULL, "write the request");
	code = live_open(live, w->page, where);
	if (code == CMD_DONE)
		code = live_send(live, request, hear_deed, &failed);
	if (code == CMD_DONE)
		code = !failed ? say_done(w, span_str(id), done_text(w)) : live->gone ? CMD_GONE : CMD_NO;
	live_close(live);
	return code;
}

static int check_terms(struct work *w, const struct deed *deed)
{
	if (deed->holding && w->holding->role.n + w->holding->unit.n + w->holding->attr.n == 0)
		return opt_wrong(w->page, "what? give --role, --unit or --attr");
	if (w->until && (!command_time_read(span_str(w->until), &w->until_us) || w->until_us <= (int64_t)now_us()))
		return opt_wrong(w->page, "--until is a time to come in UTC, as 2026-11-23T07:00:00Z, not \"%s\"", w->until);
	if (w->reason && (strlen(w->reason) > ACCOUNT_TEXT_MAX || !span_utf8(span_str(w->reason))))
		return opt_wrong(w->page, "--reason has at most %d bytes of UTF-8", ACCOUNT_TEXT_MAX);
	return CMD_DONE;
}

static int run_deed(const struct accounts *kind, const struct deed *deed, int argc, char **argv)
{
	CLEANUP(work_end) struct work w = { .kind = kind };
	struct holding holding = { 0 };
	struct live live = { 0 };
	struct opt_list id = { 0 };
	const char *where = NULL;
	char command[32], example[256];
	bool json = false;
	const struct opt dir_opt = OPT_TEXT("dir", "DIR", &where, INSTALL_DIR_TEXT), json_opt = OPT_FLAG("json", &json, "as JSON"),
			 reason_opt = OPT_TEXT("reason", "TEXT", &w.reason, "why, at most 200 bytes; no PHI"),
			 until_opt = OPT_TEXT("until", "TIME", &w.until, "when it ends, in UTC, as 2026-11-23T07:00:00Z");
	const struct opt holding_opt[] = { HOLDING_OPTS(&holding) }, live_opt[] = { LIVE_OPTS(&live) };
	struct opt opt[4 + countof(holding_opt) + countof(live_opt)];
	struct opt_page page = {
		.command = command, .operands = kind->operand, .least = 1, .most = 1,
		.text = deed->text, .example = example, .opt = opt,
	};
	int code;

	opt[page.opts++] = dir_opt;
	opt[page.opts++] = json_opt;
	for (size_t i = 0; deed->holding && i < countof(holding_opt); i++)
		opt[page.opts++] = holding_opt[i];
	if (deed == &deed_grant)
		opt[page.opts++] = until_opt;
	if (deed->terms)
		opt[page.opts++] = reason_opt;
	for (size_t i = 0; i < countof(live_opt); i++)
		opt[page.opts++] = live_opt[i];
	snprintf(command, sizeof(command), "%s %s", kind->noun, deed->verb);
	snprintf(example, sizeof(example), "pullcord %s %s%s\npullcord %s %s%s --live --user root", command, kind->sample,
		 deed->example, command, kind->sample, deed->example);
	code = opt_read(&page, argc, argv, &id);
	if (code != OPT_RUN)
		return code;
	report_json(json);
	w.deed = deed;
	w.page = &page;
	w.holding = &holding;
	w.tenant = live.login.tenant;
	code = check_terms(&w, deed);
	if (code != CMD_DONE || (code = live_check(&live, &page)) != CMD_DONE)
		return code;
	return live.on ? on_broker(&w, deed, &live, where, id.text[0]) : on_account(&w, deed, where, id.text[0]);
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
DEED(unlock)
DEED(quarantine)
DEED(release)
DEED(wipe)
DEED(remove)

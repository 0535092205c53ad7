/* policy diff: who gains or loses what between two policies. */
#include <stdlib.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "differ.h"
#include "install.h"
#include "value.h"
#include "listing.h"
#include "login.h"
#include "opt.h"
#include "report.h"

#define SUBJECTS_BYTES_MAX (64 << 20)
#define SUBJECT_WORDS_MAX 1024          /* roles or attributes of one line */

struct comparing {
	struct differ differ;
	const char *file[2];            /* as they were named */
	const char *noun;               /* who is at work, and whether it was said yet */
	struct span name;
	bool said;
	const struct gain *whole;       /* what is said just now is about a subscription as a whole; else NULL */
	struct span from;
	size_t roles, subjects, marks;  /* that differ */
	size_t shares;                  /* of the marks: what opens and closes channels to roles that stay the same */
	size_t limits;                  /* looked at in part */
	enum err e;
};

/* ---- saying ------------------------------------------------------------------------------------------------------ */

/* The name of whose changes they are, before the first. */
static void say_whose(struct comparing *c)
{
	if (!c->said)
		report_line(TONE_STRONG, "%s %.*s", c->noun, SPAN_FMT(c->name));
	c->said = true;
}

/* A whole subscription: single topics of it may be as they were. */
static void say_whole(const struct gain *whole, const char *file, uint32_t line)
{
	const enum tone tone = whole->gain ? TONE_GOOD : TONE_BAD;

	if (!whole->denied)
		report_line(tone, "      the subscription as a whole");
	else if (whole->gain)
		report_line(tone, "      the subscription as a whole: %s:%u denied a part of it", file, line);
	else
		report_line(tone, "      the subscription as a whole: %s:%u denies a part of it, and a filter is granted whole or not at all; "
			    "'deny receive' would hold back that part alone", file, line);
}

static void say_text(struct comparing *c, bool gain, const struct span *access, size_t n, const char *pattern,
		     uint32_t line)
{
	char from[LISTING_NETWORKS_MAX] = "";
	const struct span role = line && !c->differ.from.n ? policy_role_at(c->differ.policy[gain], line) : span(NULL, 0);
	const struct install_path file = policy_path(c->differ.policy[gain], c->file[gain], &line);
	uint32_t denied = c->whole ? c->whole->denied : 0;
	const struct install_path other = policy_path(c->differ.policy[!gain], c->file[!gain], &denied);
	struct cell cell[10] = {
		CELL_SPAN(c->noun, c->name), CELL_STR("change", gain ? "gained" : "lost"), CELL_WORDS("access", access, n),
		CELL_STR("pattern", pattern), CELL_STR("file", file.text), CELL_NUM("line", line),
	};
	size_t cells = 6;

	if (role.n && policy_role_networks(c->differ.policy[gain], role, from)[0])
		cell[cells++] = CELL_STR("from", from);
	if (c->whole)
		cell[cells++] = CELL_BOOL("whole", true);
	if (denied) {
		cell[cells++] = CELL_STR("denied_file", other.text);
		cell[cells++] = CELL_NUM("denied_line", denied);
	}

	say_whose(c);
	if (report_is_json())
		report_object(cell, cells);
	report_say(gain ? TONE_GOOD : TONE_BAD, gain ? "  +" : "  -");
	for (size_t i = 0; i < n; i++)
		report_say(gain ? TONE_GOOD : TONE_BAD, " %.*s", SPAN_FMT(access[i]));
	report_say(TONE_PLAIN, "  %s", pattern);
	if (from[0])
		report_say(TONE_WARN, "  from %s only", from);
	if (line)
		report_say(TONE_DIM, "  %s:%u", file.text, line);
	report_end();
	if (c->whole)
		say_whole(c->whole, other.text, denied);
}

static void say_change(void *ctx, const struct gain *change)
{
	struct comparing *c = ctx;
	static const enum access all[] = { ACCESS_PUBLISH, ACCESS_SUBSCRIBE, ACCESS_RECEIVE, ACCESS_CONTROL, ACCESS_GRANT };
	struct span word[countof(all)];
	size_t n = 0;

	for (size_t i = 0; i < countof(all); i++)
		if (change->accesses & (unsigned)all[i])
			word[n++] = span_str(access_name(all[i]));
	c->whole = change->whole ? change : NULL;
	say_text(c, change->gain, word, n, change->pattern, change->line);
	c->whole = NULL;
}

static void say_cut(struct comparing *c)
{
	if (!c->differ.cut)
		return;
	c->limits++;
	report_hint("%s %.*s: there is more; %d patterns, or %d combinations of values of one, are looked at", c->noun,
		    SPAN_FMT(c->name), DIFFER_CHANGES_MAX, DIFFER_VALUES_MAX);
}

/* ---- roles and marks --------------------------------------------------------------------------------------------- */

/* What a session of theirs may use, in words; those of a limit that is none are "". */
enum fact { FACT_FROM, FACT_RATE, FACT_SIZE, FACT_QOS, FACT_SESSIONS, FACT_WILL, FACT_RETAIN, FACT_LOGOFF, FACTS };

struct facts {
	char text[FACTS][LISTING_NETWORKS_MAX];
};

static void put_limit(char text[LISTING_NETWORKS_MAX], uint32_t n, const char *unit)
{
	if (n == POLICY_NO_LIMIT)
		snprintf(text, LISTING_NETWORKS_MAX, "no limit");
	else
		snprintf(text, LISTING_NETWORKS_MAX, "%u%s", n, unit);
}

static void read_facts(const struct policy *p, const struct holder *h, struct facts *f)
{
	const struct policy_limits l = policy_limits(p, h);
	const uint32_t idle = policy_idle_s(p, h);
	char burst[32];

	memset(f, 0, sizeof(*f));       /* they are compared as a whole */
	snprintf(burst, sizeof(burst), "/h burst %u", l.burst);
	put_limit(f->text[FACT_RATE], l.rate_per_h, burst);
	put_limit(f->text[FACT_SIZE], l.bytes, "B");
	put_limit(f->text[FACT_QOS], l.qos, "");
	put_limit(f->text[FACT_SESSIONS], l.sessions, "");
	snprintf(f->text[FACT_WILL], LISTING_NETWORKS_MAX, "%s", l.will ? "may" : "may not");
	snprintf(f->text[FACT_RETAIN], LISTING_NETWORKS_MAX, "%s", l.retain ? "may" : "may not");
	snprintf(f->text[FACT_LOGOFF], LISTING_NETWORKS_MAX, idle ? "after %us idle" : "never", idle);
}

static void compare_facts(struct comparing *c, const struct facts f[2])
{
	static const char *const word[FACTS] = {
		"from", "limit-rate", "limit-size", "limit-qos", "limit-sessions", "will", "retain", "logoff",
	};

	for (unsigned i = 0; i < FACTS; i++)
		for (unsigned k = 0; k < 2 && strcmp(f[0].text[i], f[1].text[i]) != 0; k++)
			say_text(c, k, &(struct span){ (const uint8_t *)word[i], strlen(word[i]) }, 1,
				 f[k].text[i][0] ? f[k].text[i] : "everywhere", 0);
}

static enum err subject_facts(const struct policy *p, const struct subject *s, struct span from, struct facts *f)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct subject asked = *s;

	asked.address = from;
	asked.anywhere = !from.n;
	TRY(policy_bind(p, &asked, &h));
	read_facts(p, h, f);
	return OK;
}

/* Only of roles that are in both: what is in one has no limits in the other, but no rights either. */
static enum err compare_role_facts(struct comparing *c, struct span role)
{
	struct facts f[2];

	for (unsigned k = 0; k < 2; k++) {
		const struct policy *p = c->differ.policy[k];
		const struct subject s = { .party = PULLCORD__V1__PARTY__PARTY_USER, .tenant = policy_role_tenant(p, role),
					   .id = SPAN_LIT("x"), .role = &role, .roles = 1 };

		if (!policy_has_role(p, role))
			return OK;
		TRY(subject_facts(p, &s, span(NULL, 0), &f[k]));
		policy_role_networks(p, role, f[k].text[FACT_FROM]);
	}
	compare_facts(c, f);
	return OK;
}

static enum err compare_subject_facts(struct comparing *c, const struct subject *s)
{
	struct facts f[2];

	for (unsigned k = 0; k < 2; k++)
		TRY(subject_facts(c->differ.policy[k], s, c->differ.from, &f[k]));
	compare_facts(c, f);
	return OK;
}

static enum err compare_role(struct comparing *c, struct span role)
{
	c->noun = "role";
	c->name = role;
	c->said = false;
	if (!differ_role_same(&c->differ, role))
		TRY(differ_role(&c->differ, role, say_change, c));
	say_cut(c);
	TRY(compare_role_facts(c, role));
	c->roles += c->said;
	return OK;
}

/* Of one tenant alone it goes without saying whose it is. */
static enum err compare_quarantine(struct comparing *c, struct span tenant)
{
	const bool several = policy_count(c->differ.policy[0]).tenants > 1 || policy_count(c->differ.policy[1]).tenants > 1;
	char name[WORD_BYTES_MAX + 16];

	snprintf(name, sizeof(name), "quarantine%s%.*s", several ? " of " : "", several ? (int)tenant.n : 0, (const char *)tenant.p);
	c->noun = "role";
	c->name = span_str(name);
	c->said = false;
	TRY(differ_quarantine(&c->differ, tenant, say_change, c));
	say_cut(c);
	c->roles += c->said;
	return OK;
}

static enum err compare_roles(struct comparing *c)
{
	const struct policy *old = c->differ.policy[0], *new = c->differ.policy[1];

	for (uint32_t i = 0; i < policy_roles(old); i++)
		TRY(compare_role(c, policy_role(old, i)));
	for (uint32_t i = 0; i < policy_roles(new); i++)
		if (!policy_has_role(old, policy_role(new, i)))
			TRY(compare_role(c, policy_role(new, i)));
	for (uint32_t i = 0; i < policy_count(new).tenants; i++)
		TRY(compare_quarantine(c, policy_tenant_at(new, i)));
	for (uint32_t i = 0; i < policy_count(old).tenants; i++)
		if (!policy_has_tenant(new, policy_tenant_at(old, i)))
			TRY(compare_quarantine(c, policy_tenant_at(old, i)));
	return OK;
}

/* Marks, how things are recorded: what is said of topics, whoever asks. */
static bool is_about_topics(const struct listed *l)
{
	return l->effect == EFFECT_MARK || l->effect == EFFECT_RECORD;
}

static bool has_mark(const struct policy *p, const struct listed *want)
{
	for (uint32_t i = 0; i < policy_listed(p); i++) {
		const struct listed l = policy_list(p, i);

		if (l.effect == want->effect && l.accesses == want->accesses && span_eq(l.pattern, want->pattern))
			return true;
	}
	return false;
}

static void say_mark(struct comparing *c, bool gain, const struct listed *l)
{
	const char *word = l->effect == EFFECT_MARK ? effect_name(l->effect)
						    : policy_record_name((enum policy_record)__builtin_ctz(l->accesses));
	const struct span words[] = { span_str(effect_name(l->effect)), span_str(word) };
	char pattern[TOPIC_BYTES_MAX + 1];

	if (!span_text(l->pattern, pattern, sizeof(pattern)))
		return;
	say_text(c, gain, words, 1 + (l->effect == EFFECT_RECORD), pattern, l->line);
	c->marks++;
}

static bool limits_grants(const struct policy *p)
{
	for (uint32_t i = 0; i < policy_listed(p); i++)
		if (policy_list(p, i).accesses == ACCESS_GRANT && policy_list(p, i).effect <= EFFECT_DENY)
			return true;
	return false;
}

/* "address after 50 failures in 600s for 900s" */
static const char *lockout_text(enum lockout_kind kind, const struct policy_lockout *l, char out[96])
{
	static const char *const word[LOCKOUT_KINDS] = { "", "address ", "account " };

	if (l->failures)
		snprintf(out, 96, "%safter %u failures in %us for %us", word[kind], l->failures, l->within_s, l->for_s);
	else
		snprintf(out, 96, "%snever", word[kind]);
	return out;
}

static void compare_lockouts(struct comparing *c)
{
	const struct policy_lockout *l[2] = { policy_lockout(c->differ.policy[0]), policy_lockout(c->differ.policy[1]) };
	char text[2][96];

	for (enum lockout_kind i = 0; i < LOCKOUT_KINDS; i++) {
		for (unsigned k = 0; k < 2; k++)
			lockout_text(i, &l[k][i], text[k]);
		if (strcmp(text[0], text[1]) == 0)
			continue;
		for (unsigned k = 0; k < 2; k++)
			say_text(c, k, &SPAN_LIT("lock-out"), 1, text[k], 0);
		c->marks++;
	}
}

static bool has_share(const struct policy *p, const struct listed_share *want)
{
	for (uint32_t i = 0; i < policy_shares(p); i++) {
		const struct listed_share s = policy_share(p, i);

		if (s.side == want->side && span_eq(s.tenant, want->tenant) && span_eq(s.other, want->other) &&
		    span_eq(s.channel, want->channel))
			return true;
	}
	return false;
}

static void say_share(struct comparing *c, bool gain, const struct listed_share *s)
{
	const bool owner = s->side == SIDE_OWNER;
	const struct span word = owner ? SPAN_LIT("share") : SPAN_LIT("join");
	char text[2 * WORD_BYTES_MAX + 32];

	if (!span_eq(c->name, s->tenant))
		c->said = false;
	c->name = s->tenant;
	snprintf(text, sizeof(text), "channel %.*s %s %.*s", SPAN_FMT(s->channel), owner ? "with" : "of", SPAN_FMT(s->other));
	say_text(c, gain, &word, 1, text, s->line);
	c->marks++;
	c->shares++;
}

/* Channels across tenants, as each side puts it: they are open where both do. */
static void compare_shares(struct comparing *c)
{
	for (unsigned k = 0; k < 2; k++)
		for (uint32_t i = 0; i < policy_shares(c->differ.policy[k]); i++) {
			const struct listed_share s = policy_share(c->differ.policy[k], i);

			if (!has_share(c->differ.policy[!k], &s))
				say_share(c, k, &s);
		}
}

static void compare_marks(struct comparing *c)
{
	c->noun = "tenant";
	c->name = policy_tenant(c->differ.policy[1]);
	c->said = false;
	for (unsigned k = 0; k < 2; k++)
		for (uint32_t i = 0; i < policy_listed(c->differ.policy[k]); i++) {
			const struct listed l = policy_list(c->differ.policy[k], i);

			if (is_about_topics(&l) && !has_mark(c->differ.policy[!k], &l))
				say_mark(c, k, &l);
		}
	for (unsigned k = 0; k < 2; k++)
		if (!limits_grants(c->differ.policy[k]) && limits_grants(c->differ.policy[!k])) {
			say_text(c, k, &SPAN_LIT("grant"), 1, "anything, by whoever may give the command", 0);
			c->marks++;
		}
	compare_lockouts(c);
	compare_shares(c);
}

/* ---- subjects ---------------------------------------------------------------------------------------------------- */

static bool same_roles(const struct comparing *c, const struct subject *s)
{
	for (size_t i = 0; i < s->roles; i++)
		if (!differ_role_same(&c->differ, s->role[i]))
			return false;
	return true;
}

/* The rules are the same, so what is left is what the roles limit. */
static bool same_limits(const struct comparing *c, const struct subject *s)
{
	struct facts f[2];

	for (unsigned k = 0; k < 2; k++)
		if (subject_facts(c->differ.policy[k], s, c->differ.from, &f[k]) != OK)
			return false;
	return memcmp(&f[0], &f[1], sizeof(f[0])) == 0;
}

static enum err compare_subject(struct comparing *c, const struct subject *s)
{
	if (!s->quarantined && !c->shares && same_roles(c, s) && same_limits(c, s))
		return OK;
	c->noun = s->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "user";
	c->name = s->id;
	c->said = false;
	TRY(differ_subject(&c->differ, s, say_change, c));
	say_cut(c);
	TRY(compare_subject_facts(c, s));
	c->subjects += c->said;
	return OK;
}

static bool compare_account(void *ctx, const struct account *a)
{
	struct comparing *c = ctx;

	int64_t until;
	const struct subject s = account_subject(a, clock_us(CLOCK_REALTIME), &until);

	c->e = compare_subject(c, &s);
	return c->e == OK && !report_broken();
}

static int compare_directory(struct comparing *c, const char *dir)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	struct install in;
	enum err e;

	if (install_open(dir, &in) != OK || install_directory(&in, true, &d) != OK)
		return CMD_NO;
	e = directory_each(d, compare_account, c);
	if (e == OK)
		e = c->e;
	return e == OK ? CMD_DONE : report_fail(e, "compare everybody in the directory of %s", in.dir);
}

/* One line, as `policy import --subjects` and `user list --json` write it. */
static enum err read_subject(const struct policy *p, const struct value *j, struct subject *s, struct span role[SUBJECT_WORDS_MAX],
			     struct attribute attribute[SUBJECT_WORDS_MAX])
{
	const struct value *roles = value_of(j, "roles", VALUE_ARRAY), *sets = value_of(j, "attributes", VALUE_OBJECT);

	s->id = value_text(j, "id");
	s->party = span_is(value_text(j, "party"), "device") ? PULLCORD__V1__PARTY__PARTY_DEVICE : PULLCORD__V1__PARTY__PARTY_USER;
	s->suspended = span_is(value_text(j, "state"), "suspended");
	s->role = role;
	s->attribute = attribute;
	for (const struct value *r = roles ? roles->child : NULL; r; r = r->next) {
		if (s->roles == SUBJECT_WORDS_MAX)
			return ERR_TOO_LARGE;
		role[s->roles++] = r->text;
	}
	for (const struct value *a = sets ? sets->child : NULL; a; a = a->next)
		for (const struct value *v = a->child; v; v = v->next) {
			if (s->attributes == SUBJECT_WORDS_MAX)
				return ERR_TOO_LARGE;
			attribute[s->attributes++] = (struct attribute){ a->key, v->text };
		}
	s->tenant = value_text(j, "tenant");
	if (!s->tenant.n)
		s->tenant = policy_tenant_of_roles(p, s->role, s->roles);
	return word_ok(s->id) ? OK : ERR_SYNTAX;
}

static enum err compare_line(struct comparing *c, struct span line, struct policy_error *where)
{
	CLEANUP(value_close) struct value *j = NULL;
	struct attribute attribute[SUBJECT_WORDS_MAX];
	struct span role[SUBJECT_WORDS_MAX];
	struct subject s = { 0 };

	if (!span_trim(line).n)
		return OK;
	TRY(value_load(line, &j, where));
	snprintf(where->text, sizeof(where->text), "right would be {\"id\":WORD,\"roles\":[WORD,...],\"attributes\":"
		 "{NAME:[WORD,...]}}, with at most %d of each", SUBJECT_WORDS_MAX);
	if (read_subject(c->differ.policy[1], j, &s, role, attribute) != OK)
		return ERR_SYNTAX;
	return compare_subject(c, &s);
}

static int compare_file(struct comparing *c, const char *path)
{
	CLEANUP(free_cleanup) char *text = NULL;
	struct policy_error where = { 0 };
	struct span rest, line;
	uint32_t number = 0;
	size_t n;
	enum err e = install_read(path, SUBJECTS_BYTES_MAX, &text, &n);

	if (e != OK)
		return report_fail(e, "read %s", path);
	rest = span(text, n);
	do {
		number++;
		line = span_cut(rest, '\n', &rest);
		e = compare_line(c, line, &where);
	} while (e == OK && rest.p && !report_broken());
	if (e == ERR_SYNTAX)
		report_error("%s:%u: %s", path, number, where.text);
	else if (e != OK)
		(void)report_fail(e, "compare the subjects of %s", path);
	return e == OK ? CMD_DONE : CMD_NO;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int say_done(const struct comparing *c, bool subjects)
{
	bool same = !c->roles && !c->subjects && !c->marks;
	const struct cell cell[] = {
		CELL_BOOL("same", same), CELL_NUM("roles", c->roles), CELL_NUM("subjects", c->subjects),
		CELL_NUM("for_everybody", c->marks), CELL_NUM("in_part", c->limits),
	};

	if (report_is_json())
		report_object(cell, countof(cell));
	if (same)
		report_line(TONE_GOOD, "The same for everybody: both answer alike wherever a rule of either speaks.");
	else if (subjects)
		report_line(TONE_STRONG, "%zu roles, %zu subjects, %zu statements for everybody differ", c->roles, c->subjects, c->marks);
	else
		report_line(TONE_STRONG, "%zu roles, %zu statements for everybody differ, by pattern: {name} is any value of a holder",
			    c->roles, c->marks);
	return same ? CMD_DONE : CMD_NO;
}

/* Roles, and what is everybody's. */
static int compare(struct comparing *c, const struct policy *old, const struct policy *new)
{
	enum err e;

	if (!span_eq(policy_tenant(old), policy_tenant(new))) {
		report_error("the tenant of one is %.*s, of the other %.*s: they have nothing in common", SPAN_FMT(policy_tenant(old)),
			     SPAN_FMT(policy_tenant(new)));
		return CMD_NO;
	}
	differ_init(&c->differ, old, new);
	c->differ.from = c->from;
	compare_marks(c);
	e = compare_roles(c);
	return e == OK ? CMD_DONE : report_fail(e, "compare the policies");
}

int policy_compare(const struct policy *old, const struct policy *new, const char *name)
{
	struct comparing c = { .file = { "in force", name } };
	int code = compare(&c, old, new);

	if (code == CMD_DONE)
		(void)say_done(&c, false);
	return code;
}

static int run(struct comparing *c, const char *dir, const char *subjects)
{
	CLEANUP(policy_close) struct policy *old = NULL;
	CLEANUP(policy_close) struct policy *new = NULL;
	int code;

	if (cmd_policy_load(c->file[0], NULL, &old) != OK || cmd_policy_load(c->file[1], NULL, &new) != OK)
		return CMD_NO;
	code = compare(c, old, new);
	if (code == CMD_DONE && dir)
		code = compare_directory(c, dir);
	if (code == CMD_DONE && subjects)
		code = compare_file(c, subjects);
	return code == CMD_DONE ? say_done(c, dir || subjects) : code;
}

int policy_diff(int argc, char **argv)
{
	const char *dir = NULL, *subjects = NULL, *from = NULL;
	struct opt_list file = { 0 };
	struct comparing c = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &dir, "and what it means for everybody in the directory of this installation"),
		OPT_TEXT("subjects", "FILE", &subjects, "or for those in this file, as user list --json writes it"),
		OPT_TEXT("from", "ADDRESS", &from, OPT_FROM_TEXT),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_page page = {
		.command = "policy diff", .operands = "OLD NEW", .least = 2, .most = 2,
		.text = "Says which roles, and which accounts, gain or lose what between two policies. Both are asked, with the code "
			"that decides in the broker, wherever a rule of either speaks: so it shows what changes, not how the text does. "
			"Of a role alone, {name} in a pattern stands for any value of a holder; of an account, its own values are put "
			"in. A subscription is granted as a whole: one that is refused because a narrow deny meets it is shown, too. "
			"Networks, limits, idle times, commands, what may be handed out, life-critical topics, how topics are "
			"recorded, lock-outs, and channels shared between tenants are compared too.\n"
			"Exit code 0: the same for everybody; 1: different.",
		.example = "pullcord policy diff /etc/pullcord/pullcord.policy new.policy --dir /etc/pullcord", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);

	if (code != OPT_RUN)
		return code;
	if (dir && subjects)
		return opt_wrong(&page, "--dir and --subjects are two lists; give one of them");
	if (!cmd_policy_from(&page, from, &c.from))
		return CMD_USAGE;
	report_json(json);
	c.file[0] = file.text[0];
	c.file[1] = file.text[1];
	return run(&c, dir, subjects);
}

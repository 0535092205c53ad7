/* policy sign: two officers sign a policy before it is put in force (ratify.h). */
#include <stdio.h>
#include <stdlib.h>

#include "assent.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "edition.h"
#include "officer.h"
#include "opt.h"
#include "report.h"
#include "whole.h"

#define SIGNED_MODE 0644

/* What the policy is to be signed as, and what lies beside it. */
struct signing {
	const char *file, *key, *dir;
	long number;
	char path[INSTALL_PATH_MAX + sizeof(RATIFY_SUFFIX)];
	struct policy *policy;
	struct ratification wanted;
	uint8_t note[NOTE_BYTES_MAX];
	size_t n;
};

static enum err load_note(const char *path, uint8_t note[NOTE_BYTES_MAX], size_t *n)
{
	CLEANUP(free_cleanup) char *text = NULL;
	enum err e = install_read(path, NOTE_BYTES_MAX, &text, n);

	if (e == OK)
		memcpy(note, text, *n);
	else
		*n = 0;
	return e == ERR_NOT_FOUND ? OK : e;
}

/* Whatever else it is, is it of this text, and as which version? */
static bool note_is_of(const struct signing *s, uint64_t *version)
{
	static const struct officers nobody;
	struct ratified found;

	(void)ratify_judge(span(s->note, s->n), &nobody, &s->wanted, &found);
	*version = found.r.version;
	return found.n && memcmp(found.r.policy, s->wanted.policy, sizeof(s->wanted.policy)) == 0 &&
	       span_eq(found.r.tenant, s->wanted.tenant);
}

static int show_change(struct signing *s, struct directory *d)
{
	CLEANUP(edition_clear) struct edition newest = { 0 };
	CLEANUP(policy_close) struct policy *old = NULL;
	struct policy_error where;
	enum err e = directory_edition(d, 0, &newest);

	if (e == ERR_NOT_FOUND)
		report_line(TONE_PLAIN, "It is the first policy there.");
	else if (edition_unreadable(e))
		report_line(TONE_WARN, "Version %llu, in force, cannot be read: what this one changes cannot be shown.",
			    (unsigned long long)newest.number);
	else if (e != OK)
		return report_fail(e, "read the newest version");
	if (e != OK)
		return CMD_DONE;
	if (edition_policy(&newest, &old, &where) != OK)
		return report_fail(ERR_NOT_FOUND, "show what changes: the text in force was not kept");
	report_line(TONE_STRONG, "Against version %llu, in force:", (unsigned long long)newest.number);
	return policy_compare(old, s->policy, s->file);
}

/* By the installation, by what was signed before, or as it is told. */
static int find_number(struct signing *s, const struct opt_page *page)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	uint64_t before;
	bool begun = note_is_of(s, &before);
	enum assent_place place;
	struct install in;
	enum err e;

	if (s->dir) {
		if (install_open(s->dir, &in) != OK || install_directory(&in, true, &d) != OK)
			return CMD_NO;
		e = assent_wanted(d, s->policy, &s->wanted, &place);
		if (e != OK)
			return report_fail(e, "read the newest version");
		if (show_change(s, d) != CMD_DONE)
			return CMD_NO;
	} else if (s->number) {
		s->wanted.version = (uint64_t)s->number;
	} else if (begun) {
		s->wanted.version = before;
	} else {
		return opt_wrong(page, "--dir or --number is needed: which version it will be, one more than that in force");
	}
	if (s->n && !(begun && before == s->wanted.version)) {
		report_line(TONE_WARN, "%s is of another text or version, and begins anew", s->path);
		s->n = 0;
	}
	return CMD_DONE;
}

/* A name that stands there already signs nothing twice. */
static bool has_signed(const struct signing *s, struct span name)
{
	static const struct officers nobody;
	struct ratified found;

	(void)ratify_judge(span(s->note, s->n), &nobody, &s->wanted, &found);
	for (size_t i = 0; i < found.n; i++)
		if (span_eq(found.by[i], name))
			return true;
	return false;
}

static enum err add_signature(struct signing *s, struct span name, const uint8_t secret[SIGN_KEY_BYTES])
{
	uint8_t text[RATIFY_TEXT_MAX];
	struct put b = put(text, sizeof(text)), note = put(s->note, sizeof(s->note));

	TRY(ratify_write(&s->wanted, &b));
	if (has_signed(s, name))
		return ERR_EXISTS;
	note.n = s->n;
	if (!s->n) {
		put_bytes(&note, put_span(&b));
		put_str(&note, "\n");
	}
	TRY(note_sign(put_span(&b), name, secret, &note));
	s->n = note.n;
	return whole_keep(s->path, put_span(&note), SIGNED_MODE);
}

static int sign_with(struct signing *s)
{
	struct officer by;
	int code = officer_open(s->key, &by);
	enum err e;

	if (code != CMD_DONE)
		return code;
	e = add_signature(s, by.name, by.secret);
	if (e == OK)
		report_line(TONE_GOOD, "signed by %.*s as version %llu of %.*s: %s", SPAN_FMT(by.name),
			    (unsigned long long)s->wanted.version, SPAN_FMT(s->wanted.tenant), s->path);
	else
		(void)report_fail(e, "sign %s", s->file);
	if (e == ERR_EXISTS)
		report_hint("%.*s has signed it already: another officer must", SPAN_FMT(by.name));
	officer_clear(&by);
	return e == OK ? CMD_DONE : CMD_NO;
}

static int sign(struct signing *s, const struct opt_page *page)
{
	char hex[2 * sizeof(s->wanted.policy) + 1];
	int code;
	enum err e;

	if (policy_open(s->file, &s->policy) != OK)
		return CMD_NO;
	s->wanted.tenant = policy_tenant(s->policy);
	policy_hash(s->policy, s->wanted.policy);
	e = load_note(s->path, s->note, &s->n);
	if (e != OK)
		return report_fail(e, "read %s", s->path);
	code = find_number(s, page);
	if (code != CMD_DONE)
		return code;
	hex_encode(span(s->wanted.policy, sizeof(s->wanted.policy)), hex);
	report_line(TONE_STRONG, "%s: version %llu of %.*s, SHA-256 %s", s->file, (unsigned long long)s->wanted.version,
		    SPAN_FMT(s->wanted.tenant), hex);
	return sign_with(s);
}

int policy_sign(int argc, char **argv)
{
	struct signing s = { 0 };
	struct opt_list file = { 0 };
	const struct opt opt[] = {
		OPT_NEED("key", "FILE", &s.key, "the officer's key, made by pullcord order key"),
		OPT_TEXT("dir", "DIR", &s.dir, "the installation: shows what changes for its roles, and takes the number from there"),
		OPT_NUMBER("number", "NUMBER", &s.number, 1, INT32_MAX,
			   "without --dir: which version it will be (getPolicyVersion, and one more)"),
	};
	const struct opt_page page = {
		.command = "policy sign", .operands = "FILE", .least = 1, .most = 1,
		.text = "Signs a policy as an officer, into FILE.signed beside it: its text with all it includes, the tenant and the version "
			"it will be. Where the broker has plugin_opt_policy_officers, another policy is put in force only with the signatures of two "
			"different officers of that list; one is not enough, and none is good for another text, tenant or number. Copy both files "
			"into the installation and reload, or give both texts to setPolicy (pullcord-control(5)).\n"
			"Each officer signs in turn; the second needs neither --dir nor --number, but sees what changes only with --dir.",
		.example = "pullcord policy sign new.policy --key ana.key --dir /etc/pullcord\n"
			   "pullcord policy check new.policy --officers officers", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &file);
	int n;

	if (code != OPT_RUN)
		return code;
	s.file = file.text[0];
	n = snprintf(s.path, sizeof(s.path), "%s" RATIFY_SUFFIX, s.file);
	if (n < 0 || (size_t)n >= sizeof(s.path))
		return report_fail(ERR_TOO_LARGE, "use the path of this policy");
	code = sign(&s, &page);
	policy_close(&s.policy);
	return code;
}

/* ---- for policy check -------------------------------------------------------------------------------------------- */

int policy_say_signed(const struct policy *p, const char *path, const char *officers, const char *dir)
{
	CLEANUP(directory_close) struct directory *d = NULL;
	CLEANUP(free_cleanup) char *text = NULL;
	char beside[INSTALL_PATH_MAX + sizeof(RATIFY_SUFFIX)];
	struct ratification wanted = { .tenant = policy_tenant(p) };
	uint8_t note[NOTE_BYTES_MAX];
	struct officers list;
	struct ratified found;
	enum ratify_verdict v;
	enum assent_place place;
	struct install in;
	size_t noted;
	enum err e;

	if (officers_open(officers, &text, &list) != CMD_DONE)
		return CMD_NO;
	if (dir && (install_open(dir, &in) != OK || install_directory(&in, true, &d) != OK))
		return CMD_NO;
	snprintf(beside, sizeof(beside), "%s" RATIFY_SUFFIX, path);
	e = load_note(beside, note, &noted);
	if (e != OK)
		return report_fail(e, "read %s", beside);
	policy_hash(p, wanted.policy);
	v = ratify_judge(span(note, noted), &list, &wanted, &found);
	wanted.version = found.r.version;
	if (d && (e = assent_wanted(d, p, &wanted, &place)) != OK)
		return report_fail(e, "read the newest version");
	v = ratify_judge(span(note, noted), &list, &wanted, &found);
	if (report_is_json())
		report_object((const struct cell[]){
			CELL_STR("file", path), CELL_BOOL("signed", v == RATIFY_GOOD), CELL_STR("why", ratify_text(v)),
			CELL_NUM("as_version", found.r.version), CELL_WORDS("officers", found.by, found.n) }, 5);
	for (size_t i = 0; i < found.n; i++)
		report_line(TONE_PLAIN, "  signed as version %llu: %.*s", (unsigned long long)found.r.version, SPAN_FMT(found.by[i]));
	report_line(v == RATIFY_GOOD ? TONE_GOOD : TONE_BAD, "%s: %s", path, ratify_text(v));
	if (v != RATIFY_GOOD)
		report_hint("pullcord policy sign %s --key FILE, by each of two officers", path);
	return v == RATIFY_GOOD ? CMD_DONE : CMD_NO;
}

/* What puts a policy in force: a text, an older version, or files that were put back. */
#include "deed.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypt.h"
#include "edition.h"
#include "policy_file.h"
#include "whole.h"

#define SIGNED_MODE 0644

static struct edition edition_of(const struct work *w, const char *text)
{
	struct edition e = { .at_us = (uint64_t)w->a->now_us, .text = strdup(text) };

	SHA256(e.hash, span_str(text));
	(void)!span_text(span_str(w->a->id), e.by, sizeof(e.by));
	return e;
}

bool deed_compile(struct work *w, const char *text, struct policy **out)
{
	struct policy_error where = { 0 };
	enum err e = policy_load(span_str(text), out, &where);

	if (e == ERR_SYNTAX) {
		work_fail(w, "line %u, column %u: %s", where.line, where.column, where.text);
		work_conceal(w, "line %u, column %u: not as pullcord-policy(5) has it", where.line, where.column);
	} else if (e != OK)
		work_fail_err(w, e, "read the policy");
	else if (!span_eq(policy_tenant(*out), policy_tenant(w->a->policy)))
		work_fail(w, "the first tenant must stay %.*s", SPAN_FMT(policy_tenant(w->a->policy)));
	return !w->why[0];
}

/* Is it newer than what is in force, or meant as a step back? */
static bool check_newer(struct work *w, const struct order *o, struct edition *e)
{
	CLEANUP(edition_clear) struct edition newest = { 0 }, same = { 0 };
	uint8_t in_force[sizeof(e->hash)];
	enum err err = directory_edition(w->a->directory, 0, &newest), found = ERR_NOT_FOUND;

	w->unread = 0;
	if (err == ERR_NOT_FOUND)
		return true;   /* the first */
	if (err != OK && !edition_unreadable(err)) {
		work_fail_err(w, err, "read the newest version");
		return false;
	}
	policy_hash(w->a->policy, in_force);
	if (memcmp(in_force, e->hash, sizeof(e->hash)) == 0)
		work_fail(w, "it is in force already, as version %llu", (unsigned long long)newest.number);
	else if (err == OK && memcmp(newest.hash, e->hash, sizeof(e->hash)) == 0)
		return true;   /* kept, but its file could not be put in place: again */
	else if (o->version && !o->rollback && o->version != newest.number + 1)
		work_fail(w, "version %llu is not the next: %llu is in force", (unsigned long long)o->version,
		     (unsigned long long)newest.number);
	else if ((found = edition_find(w->a->directory, e->hash, &same)) == OK && !o->rollback)
		work_fail(w, "it is the text of version %llu: to go back to it, say \"rollback\": true",
		     (unsigned long long)same.number);
	else if (edition_unreadable(found))
		w->unread = same.number;
	else if (found != OK && found != ERR_NOT_FOUND)
		work_fail_err(w, found, "look whether it was in force before");
	e->rollback_of = found == OK ? same.number : 0;
	return !w->why[0];
}

/* The text that is to be in force; a block of its own. */
static char *text_to_set(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition old = { 0 };
	enum err e;
	char *text;

	if (order_has(o, FIELD_POLICY)) {
		text = strndup((const char *)o->text[FIELD_POLICY].p, o->text[FIELD_POLICY].n);
		if (!text)
			work_fail_err(w, ERR_FULL, "set the policy");
		return text;
	}
	if (!o->rollback || !o->version) {
		work_fail(w, "it needs \"policy\", or \"version\" and \"rollback\": true");
		return NULL;
	}
	e = directory_edition(w->a->directory, o->version, &old);
	if (e != OK || !old.text) {
		work_fail(w, "there is no text of version %llu", (unsigned long long)o->version);
		return NULL;
	}
	text = old.text;
	old.text = NULL;
	return text;
}

/* The signatures lie beside the policy's file before that is there: whoever finds both finds them fitting, or an older
 * policy that is in force and needs none. */
static bool check_signed(struct work *w, const struct order *o, const struct policy *fresh)
{
	char why[sizeof(w->why)], path[WHOLE_PATH_MAX];
	enum err e = assent_check(w->a->officers, w->a->directory, fresh, o->text[FIELD_SIGNED], w->a->signed_by, why, sizeof(why));

	if (e != OK) {
		w->a->unsigned_policy = true;
		work_fail(w, "%s", why);
		return false;
	}
	if (!w->a->signed_by[0])
		return true;
	snprintf(path, sizeof(path), "%s/" POLICY_FILE RATIFY_SUFFIX, w->a->dir);
	e = whole_keep(path, o->text[FIELD_SIGNED], SIGNED_MODE);
	if (e != OK)
		work_fail_err(w, e, "keep its signatures");
	return e == OK;
}

/* Takes the policy. */
static void put_in_force(struct work *w, const struct edition *e, struct policy *fresh, bool files_lie_there)
{
	CLEANUP(edition_clear) struct edition was = { 0 };
	char doubt[EDITION_UNREAD_TEXT] = "";
	uint64_t number;
	enum err err;

	(void)!directory_edition(w->a->directory, 0, &was);
	if (files_lie_there)
		err = edition_add(w->a->directory, e, &number);
	else
		err = edition_put(w->a->directory, w->a->dir, e, &number);
	if (err != OK) {
		policy_close(&fresh);
		work_fail_err(w, err, "keep the policy");
		return;
	}
	policy_close(&w->a->fresh);
	w->a->fresh = fresh;
	w->a->policy = fresh;
	reply_number(w->r, "version", number);
	reply_hash(w->r, e->hash);
	if (w->unread) {
		edition_say_unread(w->unread, doubt);
		reply_number(w->r, "unread", w->unread);
	}
	work_tell(w, "policy: version %llu -> %llu%s%s%s%s", (unsigned long long)was.number, (unsigned long long)number,
	     e->rollback_of ? ", a step back" : "", w->a->signed_by[0] ? ", signed by " : "", w->a->signed_by, doubt);
}

void deed_put_policy(struct work *w, const struct order *o, const char *text)
{
	CLEANUP(policy_close) struct policy *fresh = NULL;
	CLEANUP(edition_clear) struct edition edition = { 0 };

	edition = edition_of(w, text);
	if (!edition.text || !deed_compile(w, text, &fresh) || !check_newer(w, o, &edition) ||
	    !check_signed(w, o, fresh))
		return;
	put_in_force(w, &edition, fresh, false);
	fresh = NULL;           /* given away */
}

/* Several files cannot be written at once, so that a crash leaves the old ones or the new: a person puts them back, and this
 * looks that they are what they are said to be. */
static void step_back_to_files(struct work *w, const struct order *o, const struct edition *old)
{
	CLEANUP(policy_close) struct policy *fresh = NULL;
	CLEANUP(edition_clear) struct edition edition = { 0 };
	struct policy_error where;
	uint8_t hash[32] = { 0 };
	char path[WHOLE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/" POLICY_FILE, w->a->dir);
	if (policy_file_load(path, &fresh, &where) == OK)
		policy_hash(fresh, hash);
	if (memcmp(hash, old->hash, sizeof(hash)) != 0) {
		work_fail(w, "version %llu is made of several files: put them back in the folder first, and say this again; what lies there "
			  "is not that version", (unsigned long long)old->number);
		return;
	}
	if (!span_eq(policy_tenant(fresh), policy_tenant(w->a->policy))) {
		work_fail(w, "the first tenant must stay %.*s", SPAN_FMT(policy_tenant(w->a->policy)));
		return;
	}
	if (edition_of_policy(fresh, &edition) != OK) {
		work_fail_err(w, ERR_FULL, "set the policy");
		return;
	}
	edition.at_us = (uint64_t)w->a->now_us;
	(void)!span_text(span_str(w->a->id), edition.by, sizeof(edition.by));
	if (!check_newer(w, o, &edition) || !check_signed(w, o, fresh))
		return;
	put_in_force(w, &edition, fresh, true);
	fresh = NULL;           /* given away */
}

void deed_set_policy(struct work *w, const struct order *o)
{
	CLEANUP(edition_clear) struct edition old = { 0 };
	CLEANUP(free_cleanup) char *text = NULL;

	if (!order_has(o, FIELD_POLICY) && o->rollback && o->version && directory_edition(w->a->directory, o->version, &old) == OK &&
	    old.files) {
		step_back_to_files(w, o, &old);
		return;
	}
	text = text_to_set(w, o);
	if (text)
		deed_put_policy(w, o, text);
}

#include "assent.h"

#include <stdio.h>

#include "edition.h"
#include "whole.h"

enum err assent_wanted(struct directory *d, const struct policy *p, struct ratification *out, enum assent_place *place)
{
	CLEANUP(edition_clear) struct edition newest = { 0 };
	enum err e = directory_edition(d, 0, &newest);

	*out = (struct ratification){ .tenant = policy_tenant(p) };
	*place = ASSENT_NEXT;
	policy_hash(p, out->policy);
	if (e == OK && memcmp(newest.hash, out->policy, sizeof(newest.hash)) == 0)
		*place = ASSENT_NEWEST;
	if (edition_unreadable(e) && newest.number)
		*place = ASSENT_UNREAD;
	else if (e != OK && e != ERR_NOT_FOUND)
		return e;
	out->version = newest.number + (*place != ASSENT_NEWEST);
	return OK;
}

static enum err read_list(const char *path, char text[OFFICERS_BYTES_MAX], struct officers *out, char *why, size_t cap)
{
	unsigned line = 0;
	size_t n;
	enum err e = whole_read(path, text, OFFICERS_BYTES_MAX, &n);

	if (e == OK)
		e = officers_read(span(text, n), out, &line);
	if (e == OK && out->n >= RATIFY_OFFICERS)
		return OK;
	snprintf(why, cap, "%.300s:%u: %s; right would be the verifier keys of at least two officers, a line each, as "
		 "`pullcord order key` prints them", path, line, e == OK ? "too few officers" : err_text(e));
	return ERR_DENIED;
}

static void say_who(const struct ratified *found, char who[ASSENT_WHO_MAX])
{
	struct put b = put(who, ASSENT_WHO_MAX - 1);

	for (size_t i = 0; i < found->n; i++)
		put_fmt(&b, "%s%.*s", i ? " and " : "", SPAN_FMT(found->by[i]));
	who[b.n] = '\0';
}

static enum ratify_verdict judge(struct span note, const struct officers *list, const struct ratification *wanted,
				 enum assent_place place, struct ratified *found)
{
	enum ratify_verdict v = ratify_judge(note, list, wanted, found);
	struct ratification newest = *wanted;

	newest.version--;
	return v == RATIFY_NUMBER && place == ASSENT_UNREAD && found->r.version == newest.version
		       ? ratify_judge(note, list, &newest, found) : v;
}

enum err assent_check(const char *list, struct directory *d, const struct policy *p, struct span note,
			char who[ASSENT_WHO_MAX], char *why, size_t cap)
{
	char text[OFFICERS_BYTES_MAX], number[64] = "";
	struct ratification wanted;
	struct officers officers;
	struct ratified found;
	enum ratify_verdict v;
	enum assent_place place;
	enum err e;

	who[0] = '\0';
	if (!list)
		return OK;
	e = assent_wanted(d, p, &wanted, &place);
	if (e != OK) {
		snprintf(why, cap, "which version it would be cannot be told: the newest cannot be looked at: %s", err_text(e));
		return ERR_DENIED;
	}
	if (place == ASSENT_NEWEST)
		return OK;
	TRY(read_list(list, text, &officers, why, cap));
	v = judge(note, &officers, &wanted, place, &found);
	if (v == RATIFY_GOOD) {
		say_who(&found, who);
		return OK;
	}
	if (v == RATIFY_NUMBER)
		snprintf(number, sizeof(number), ", %llu; it would be %llu", (unsigned long long)found.r.version,
			 (unsigned long long)wanted.version);
	snprintf(why, cap, "a policy takes the signatures of two officers: %s%s; right would be `pullcord policy sign` by each",
		 ratify_text(v), number);
	return ERR_DENIED;
}

enum err assent_check_file(const char *list, struct directory *d, const struct policy *p, const char *path,
			     char who[ASSENT_WHO_MAX], char *why, size_t cap)
{
	uint8_t note[NOTE_BYTES_MAX];
	char beside[WHOLE_PATH_MAX];
	int len = snprintf(beside, sizeof(beside), "%s" RATIFY_SUFFIX, path);
	size_t n = 0;

	/* One that is too long, or cannot be read, is no better than none. */
	if (list && len > 0 && (size_t)len < sizeof(beside) && whole_read(beside, note, sizeof(note), &n) != OK)
		n = 0;
	return assent_check(list, d, p, span(note, n), who, why, cap);
}

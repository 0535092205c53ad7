#include "ratify.h"

#include "topic.h"

static const char context[] = "pullcord/policy/v1\n";

#define VERDICT(name, text) [RATIFY_##name] = text,
static const char *const texts[] = { RATIFY_VERDICTS(VERDICT) };
#undef VERDICT

const char *ratify_text(enum ratify_verdict v) { return texts[v]; }

enum err ratify_write(const struct ratification *r, struct put *out)
{
	char hash[2 * sizeof(r->policy) + 1];

	if (!word_ok(r->tenant))
		return ERR_SYNTAX;
	hex_encode(span(r->policy, sizeof(r->policy)), hash);
	put_fmt(out, "%stenant %.*s\nversion %llu\npolicy %s\n", context, SPAN_FMT(r->tenant), (unsigned long long)r->version,
		hash);
	return put_end(out);
}

/* Written again, it must be the same: so nothing but the one form needs to be refused by hand. */
enum err ratify_read(struct span text, struct ratification *out)
{
	uint8_t again[RATIFY_TEXT_MAX];
	struct put b = put(again, sizeof(again));
	size_t begin = sizeof(context) - 1;
	struct ratification r = { 0 };
	struct span rest, hash;

	if (text.n < begin)
		return ERR_SYNTAX;
	rest = span(text.p + begin, text.n - begin);
	r.tenant = warrant_line(&rest, "tenant");
	if (!span_u64(warrant_line(&rest, "version"), UINT64_MAX, &r.version))
		return ERR_SYNTAX;
	hash = warrant_line(&rest, "policy");
	if (hash.n != 2 * sizeof(r.policy) || !hex_decode(hash, r.policy, sizeof(r.policy)))
		return ERR_SYNTAX;
	if (ratify_write(&r, &b) != OK || !span_eq(put_span(&b), text))
		return ERR_SYNTAX;
	*out = r;
	return OK;
}

static enum ratify_verdict judge_text(const struct ratification *r, const struct ratification *wanted)
{
	if (memcmp(r->policy, wanted->policy, sizeof(r->policy)) != 0)
		return RATIFY_OTHER;
	if (!span_eq(r->tenant, wanted->tenant))
		return RATIFY_TENANT;
	return r->version == wanted->version ? RATIFY_GOOD : RATIFY_NUMBER;
}

static enum ratify_verdict judge_signature(const struct officers *list, struct span text, const uint8_t sig[SIGN_BYTES],
					   const struct cosigner **seen, struct ratified *found)
{
	enum officer_signature is = officers_check(list, found->by[found->n], text, sig, &seen[found->n]);

	if (is == SIGNATURE_STRANGER)
		return RATIFY_STRANGER;
	for (size_t i = 0; i < found->n; i++)
		if (seen[i] == seen[found->n])
			return RATIFY_TWICE;
	return is == SIGNATURE_GOOD ? RATIFY_GOOD : RATIFY_SIGNATURE;
}

enum ratify_verdict ratify_judge(struct span note, const struct officers *list, const struct ratification *wanted,
				 struct ratified *found)
{
	const struct cosigner *seen[RATIFY_SIGNATURES_MAX];
	enum ratify_verdict v, worst = RATIFY_GOOD;
	struct span text, lines;
	uint8_t key[NOTE_KEY_ID], sig[SIGN_BYTES];
	bool bad = false;

	*found = (struct ratified){ 0 };
	if (!note.n)
		return RATIFY_UNSIGNED;
	if (note_split(note, &text, &lines) != OK || ratify_read(text, &found->r) != OK)
		return RATIFY_FORM;
	while (found->n < RATIFY_SIGNATURES_MAX && note_next(&lines, &found->by[found->n], key, sig, &bad)) {
		v = judge_signature(list, text, sig, seen, found);
		worst = worst == RATIFY_GOOD ? v : worst;
		found->n++;
	}
	if (bad || lines.n)
		return RATIFY_FORM;
	v = judge_text(&found->r, wanted);
	if (v != RATIFY_GOOD || worst != RATIFY_GOOD)
		return v != RATIFY_GOOD ? v : worst;
	return found->n < RATIFY_OFFICERS ? RATIFY_TOO_FEW : RATIFY_GOOD;
}

#include "pattern.h"

static const char *level_read(struct span text, bool last, struct level *out)
{
	bool opens = text.n && text.p[0] == '{', closes = text.n && text.p[text.n - 1] == '}';
	struct span name = opens && closes ? span(text.p + 1, text.n - 2) : text;

	*out = (struct level){ STEP_WORD, name };
	if (text.n == 0)
		return "is empty: a pattern has no '//', and no '/' at its ends";
	if (span_is(text, "+") || span_is(text, "#"))
		out->kind = text.p[0] == '+' ? STEP_PLUS : STEP_HASH;
	else if (opens && closes)
		out->kind = STEP_ATTRIBUTE;
	if (out->kind == STEP_HASH && !last)
		return "stands for all that follow, so it must be the last level";
	if (out->kind == STEP_PLUS || out->kind == STEP_HASH || word_ok(name))
		return NULL;
	if (name.n > WORD_BYTES_MAX)
		return "is longer than 64 bytes";
	if (opens != closes)
		return "must be one whole level when it is an {attribute}: '{name}'";
	if (memchr(text.p, '+', text.n) || memchr(text.p, '#', text.n))
		return "mixes a wildcard with other letters: '+' and '#' are whole levels";
	return "may hold letters, digits and . _ : - only, or be an {attribute}, '+' or a last '#'";
}

const char *pattern_read(struct span text, struct pattern *out, size_t *bad)
{
	struct span rest = text, level;
	const char *wrong;

	out->n = 0;
	do {
		level = span_cut(rest, '/', &rest);
		*bad = (size_t)(level.p - text.p);
		if (out->n == TOPIC_LEVELS_MAX)
			return "is the thirteenth: a topic has at most 12";
		wrong = level_read(level, !rest.p, &out->level[out->n++]);
	} while (!wrong && rest.p);
	return wrong;
}

/* '*' is '+' and then '#': something, and whatever follows. */
const char *pattern_read_command(struct span text, struct pattern *out, size_t *bad)
{
	struct span rest = text, word;

	out->n = 0;
	do {
		word = span_cut(rest, '.', &rest);
		*bad = (size_t)(word.p - text.p);
		if (out->n == TOPIC_LEVELS_MAX - 1)
			return "is the twelfth: a command has at most 11 words";
		if (span_is(word, "*") && !rest.p) {
			out->level[out->n++] = (struct level){ STEP_PLUS, word };
			out->level[out->n++] = (struct level){ STEP_HASH, word };
		} else if (word_ok(word)) {
			out->level[out->n++] = (struct level){ STEP_WORD, word };
		} else {
			return "is no word of a command; right would be user.create, user.* or *";
		}
	} while (rest.p);
	return NULL;
}

const char *pattern_read_grant(struct span text, struct pattern *out, size_t *bad)
{
	const char *wrong = pattern_read(text, out, bad);
	const struct level *l = out->level;
	bool role, attribute;

	if (wrong)
		return wrong;
	*bad = 0;
	role = l[0].kind == STEP_WORD && span_is(l[0].text, "role");
	attribute = l[0].kind == STEP_WORD && span_is(l[0].text, "attribute");
	if ((role && out->n == 2 && (l[1].kind == STEP_WORD || l[1].kind == STEP_PLUS)) ||
	    (attribute && out->n == 3 && (l[1].kind == STEP_WORD || l[1].kind == STEP_PLUS) && l[2].kind != STEP_HASH) ||
	    (out->n == 1 && l[0].kind == STEP_WORD && span_is(l[0].text, "self")))
		return NULL;
	return "cannot be handed out; right would be role/NAME, attribute/NAME/VALUE ('+': any, {name}: the holder's own) or self";
}

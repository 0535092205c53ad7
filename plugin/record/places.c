#include "places.h"

#include <stdlib.h>

#include "cur.h"

/* The pattern, where each {name} has become '+', and which of its levels is the patient. */
struct place {
	uint32_t at;
	char pattern[TOPIC_BYTES_MAX + 1];
};

struct places {
	size_t n;
	struct place place[];
};

static const struct place own[] = { { 2, "+/patient/+/msg" }, { 2, "+/patient/+/receipt" } };

/* ---- adding ---- */

static bool is_known(const struct places *p, const struct place *new)
{
	for (size_t i = 0; i < places_count(p); i++)
		if (p->place[i].at == new->at && strcmp(p->place[i].pattern, new->pattern) == 0)
			return true;
	return false;
}

/* After TENANT/patient our own grammar has them, with whatever follows. */
static bool is_own(const struct place *new)
{
	struct span rest = span_str(new->pattern);

	(void)span_cut(rest, '/', &rest);
	return new->at == own[0].at && span_is(span_cut(rest, '/', &rest), "patient");
}

static enum err add(struct places **p, const struct place *new)
{
	const size_t n = places_count(*p);
	struct places *more;

	if (is_own(new) || is_known(*p, new))
		return OK;
	more = realloc(*p, sizeof(*more) + (n + 1) * sizeof(more->place[0]));
	if (!more)
		return ERR_FULL;
	more->place[n] = *new;
	more->n = n + 1;
	*p = more;
	return OK;
}

static bool is_name(struct span level)
{
	return level.n > 2 && level.p[0] == '{' && level.p[level.n - 1] == '}';
}

enum err places_add(struct places **p, struct span pattern)
{
	uint32_t patients = 0, n = 0;
	struct place new = { 0 };
	struct put text = put(new.pattern, sizeof(new.pattern) - 1);

	for (struct span rest = pattern, level; rest.p; n++) {
		level = span_cut(rest, '/', &rest);
		if (span_is(level, "{patient}") && n < TOPIC_LEVELS_MAX)
			patients |= 1u << n;
		put_bytes(&text, is_name(level) ? SPAN_LIT("+") : level);
		put_str(&text, rest.p ? "/" : "");
	}
	if (put_end(&text) != OK)
		return OK;              /* no topic is as long */
	for (; new.at < TOPIC_LEVELS_MAX; new.at++)
		if (patients & 1u << new.at)
			TRY(add(p, &new));
	return OK;
}

enum err places_copy(const struct places *p, struct places **out)
{
	const size_t size = sizeof(*p) + places_count(p) * sizeof(p->place[0]);
	struct places *copy = p ? malloc(size) : NULL;

	if (p && !copy)
		return ERR_FULL;
	if (p)
		memcpy(copy, p, size);
	*out = copy;
	return OK;
}

void places_close(struct places **p)
{
	free(*p);
	*p = NULL;
}

size_t places_count(const struct places *p)
{
	return p ? p->n : 0;
}

/* ---- looking ---- */

static bool is_plus(struct span level)
{
	return span_is(level, "+");
}

static bool is_hash(struct span level)
{
	return span_is(level, "#");
}

/* `topic`: behind $share/GROUP. */
static bool names(const struct place *p, struct span topic)
{
	struct span pattern = span_str(p->pattern);
	bool word = false;              /* the level before is the pattern's word */
	uint32_t i;

	for (i = 0; pattern.p && topic.p; i++) {
		struct span want = span_cut(pattern, '/', &pattern), level = span_cut(topic, '/', &topic);

		if (i == p->at && (!level.n || is_plus(level) || is_hash(level)))
			return false;
		if (i == p->at)
			continue;
		if (is_hash(want) || is_hash(level))
			break;
		if (!is_plus(want) && !is_plus(level) && !span_eq(want, level))
			return i > p->at && (word || !level.n);
		if (i < p->at)
			word = !is_plus(want) && !is_plus(level);
	}
	return i > p->at;
}

uint32_t places_in(const struct places *p, struct span topic)
{
	struct span rest = topic;
	uint32_t shared = span_is(span_cut(rest, '/', &rest), "$share") ? 2 : 0, levels = 0;

	if (shared) {
		(void)span_cut(rest, '/', &rest);
		topic = rest;
	}
	for (size_t i = 0; i < countof(own); i++)
		if (names(&own[i], topic))
			levels |= 1u << (shared + own[i].at);
	for (size_t i = 0; i < places_count(p); i++)
		if (names(&p->place[i], topic))
			levels |= 1u << (shared + p->place[i].at);
	return levels;
}

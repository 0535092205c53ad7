/* importing: what tests of imports share: an import kept in memory, subjects by name, and how many cases to try. */
#ifndef PULLCORD_IMPORTING_H
#define PULLCORD_IMPORTING_H

#include <stdio.h>
#include <stdlib.h>

#include "import.h"
#include "seed.h"

#define IMPORTED_MAX 16

struct imported {
	struct import im;
	char *text, notes[16384];
	size_t n, said;
	struct policy *policy;
	struct {
		char id[65], role_text[IMPORT_ROLES_MAX][65];
		struct span role[IMPORT_ROLES_MAX];
		struct subject s;
	} who[IMPORTED_MAX];
	size_t people;
};

static inline void importing_say(void *ctx, uint32_t line, enum loss l, const char *text)
{
	struct imported *i = ctx;

	if (i->said < sizeof(i->notes))
		i->said += (size_t)snprintf(i->notes + i->said, sizeof(i->notes) - i->said, "%u %s: %s\n", line,
					    loss_name(l), text);
}

static inline void importing_subject(void *ctx, const struct subject *s)
{
	struct imported *i = ctx;

	if (i->people == IMPORTED_MAX)
		return;
	must(span_text(s->id, i->who[i->people].id, 65));
	for (size_t k = 0; k < s->roles; k++) {
		must(span_text(s->role[k], i->who[i->people].role_text[k], 65));
		i->who[i->people].role[k] = span_str(i->who[i->people].role_text[k]);
	}
	i->who[i->people].s = *s;
	i->who[i->people].s.id = span_str(i->who[i->people].id);
	i->who[i->people].s.role = i->who[i->people].role;
	i->people++;
}

/* Fails the test when what was written does not load. */
static inline enum err importing(struct imported *i, enum err (*read)(struct import *, struct span, struct policy_error *),
				 struct span text, struct policy_error *where)
{
	enum err e;

	*i = (struct imported){ .im = { .tenant = SPAN_LIT("mercy"), .say = importing_say, .subject = importing_subject,
					.ctx = i } };
	i->im.policy = open_memstream(&i->text, &i->n);
	must(i->im.policy);
	e = read(&i->im, text, where);
	fclose(i->im.policy);
	if (e == OK && policy_load(span(i->text, i->n), &i->policy, where) != OK)
		fail_msg("line %u: %s\n%s", where->line, where->text, i->text);
	return e;
}

static inline void imported_close(struct imported *i)
{
	policy_close(&i->policy);
	free(i->text);
}

static inline const struct subject *imported_who(const struct imported *i, const char *id)
{
	for (size_t k = 0; k < i->people; k++)
		if (strcmp(i->who[k].id, id) == 0)
			return &i->who[k].s;
	return NULL;
}

static inline bool imported_allows(const struct imported *i, const struct subject *s, enum access a, const char *topic)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t;

	if (!s || (a == ACCESS_SUBSCRIBE ? filter_parse : topic_parse)(span_str(topic), &t) != OK)
		return false;
	must(policy_bind(i->policy, s, &h) == OK);
	return policy_decide(i->policy, h, a, &t).allow;
}

/* TEST_CASES=number: another count. Sanitizers are slow, and look at other things. */
static inline size_t importing_cases(void)
{
	const char *given = getenv("TEST_CASES");

#ifdef __SANITIZE_ADDRESS__
	return given ? strtoul(given, NULL, 10) : 50000;
#else
	return given ? strtoul(given, NULL, 10) : 1000000;
#endif
}

static inline const char *pick(const char *const *list, size_t n)
{
	return list[seed_below(n)];
}
#define PICK(list) pick((list), countof(list))

#endif

/* ward: a small policy, the people under it, and short ways to ask, for the tests of the policy engine. */
#ifndef PULLCORD_WARD_H
#define PULLCORD_WARD_H

#include <stdio.h>
#include <stdlib.h>

#include "crypt.h"
#include "policy.h"

#define USER PULLCORD__V1__PARTY__PARTY_USER
#define DEVICE PULLCORD__V1__PARTY__PARTY_DEVICE
#define PUB ACCESS_PUBLISH
#define SUB ACCESS_SUBSCRIBE
#define GET ACCESS_RECEIVE

/* A subject from "unit=icu3 unit=med4" and "nurse charge-nurse". */
struct person {
	struct span role[16];
	struct attribute attribute[64];
	struct subject s;
};

static inline struct subject *person(struct person *p, Pullcord__V1__Party party, const char *id, const char *roles,
			      const char *attributes)
{
	struct span rest = span_str(roles), word;

	*p = (struct person){ .s = { .party = party, .tenant = span_str("mercy"), .id = span_str(id),
				     .role = p->role, .attribute = p->attribute } };
	while (rest.n) {
		word = span_cut(rest, ' ', &rest);
		p->role[p->s.roles++] = word;
	}
	rest = span_str(attributes);
	while (rest.n) {
		struct attribute *a = &p->attribute[p->s.attributes++];

		word = span_cut(rest, ' ', &rest);
		a->name = span_cut(word, '=', &a->value);
	}
	return &p->s;
}

static inline struct policy *load(struct span text)
{
	struct policy_error where;
	struct policy *p = NULL;
	enum err e = policy_load(text, &p, &where);

	if (e != OK)
		fail_msg("line %u column %u: %s", where.line, where.column, where.text);
	return p;
}

static inline struct topic parse(enum access a, const char *text)
{
	struct topic t = { .text = span_str(text) };

	if (a == SUB)
		assert_int_equal(filter_parse(span_str(text), &t), OK);
	else
		assert_int_equal(topic_parse(span_str(text), &t), OK);
	return t;
}

static inline struct verdict decide(const struct policy *p, const struct subject *s, enum access a, const char *text)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct topic t = parse(a, text);

	assert_int_equal(policy_bind(p, s, &h), OK);
	return policy_decide(p, h, a, &t);
}

/* `n` lines of `fmt`, which is given the line's number twice, below `head`. The caller frees. */
static inline char *grow_text(size_t n, const char *head, const char *fmt)
{
	char *text = malloc(strlen(head) + n * 96 + 1), *at = stpcpy(text, head);

	for (size_t i = 0; i < n; i++)
		at += sprintf(at, fmt, i, i);
	return text;
}

/* What was said, a line each: its number and the text. */
struct page {
	char text[4096];
	size_t n;
};

static inline void write_down(void *ctx, uint32_t line, const char *text)
{
	struct page *p = ctx;

	p->n += (size_t)snprintf(p->text + p->n, sizeof(p->text) - p->n, "%u %s\n", line, text);
	assert_true(p->n < sizeof(p->text));
}

static const char ward[] =
	"tenant mercy\n"                                            /* 1 */
	"life-critical mercy/unit/{unit}/alert/code/+\n"            /* 2 */
	"role nurse\n"                                              /* 3 */
	"  allow subscribe mercy/unit/{unit}/alert/+/+\n"           /* 4 */
	"  allow publish mercy/unit/{unit}/ack/+\n"                 /* 5 */
	"  allow both mercy/channel/{channel}/#\n"                  /* 6 */
	"  deny publish mercy/unit/all/broadcast\n"                 /* 7 */
	"  allow both mercy/user/{user}/inbox\n"                    /* 8 */
	"  deny receive mercy/unit/+/alert/info/+\n"                /* 9 */
	"  logoff after 15m idle\n"                                 /* 10 */
	"role boss\n"                                               /* 11 */
	"  allow both mercy/unit/#\n"                               /* 12 */
	"  deny subscribe mercy/unit/{closed}/#\n"                  /* 13 */
	"  logoff after 90s idle\n"                                 /* 14 */
	"role box\n"                                                /* 15 */
	"  allow publish mercy/unit/{unit}/alert/+/{device}\n"      /* 16 */
	"  allow subscribe mercy/device/{client}/cmd\n"             /* 17 */
	"  allow receive mercy/news\n"                              /* 18 */
	"role same\n"                                               /* 19 */
	"  allow publish mercy/{unit}/{unit}\n"                     /* 20 */
	"  allow subscribe mercy/a/+/c/#\n"                         /* 21 */
	"  allow subscribe mercy/a/b/c/d\n"                         /* 22 */
	"  deny subscribe mercy/z/#\n"                              /* 23 */
	"  allow subscribe mercy/z/#\n"                             /* 24 */
	"role empty\n";                                             /* 25 */

static const struct ward_person {
	Pullcord__V1__Party party;
	const char *id, *roles, *attributes;
} ward_people[] = {
	{ USER, "ana", "nurse", "unit=icu3 channel=c1 channel=c2" },                        /* 0 */
	{ USER, "bo", "nurse boss", "unit=med4 closed=lab" },                               /* 1 */
	{ DEVICE, "nc1", "box", "unit=icu3" },                                              /* 2 */
	{ USER, "cy", "same", "unit=a unit=b" },                                            /* 3 */
	{ USER, "di", "box nurse", "unit=icu3 device=nc1 user=ana client=nc1" },            /* 4 */
	{ USER, "ed", "boss", "" },                                                         /* 5 */
	{ USER, "fy", "empty ghost", "unit=icu3" },                                         /* 6 */
	{ PULLCORD__V1__PARTY__PARTY_NONE, "nobody", "nurse boss", "unit=icu3" },           /* 7 */
	{ DEVICE, "ana", "nurse", "unit=+ unit=# unit=icu3/x channel=#" },                  /* 8 */
};

static inline struct subject *ward_person(struct person *p, size_t i)
{
	const struct ward_person *w = &ward_people[i];

	return person(p, w->party, w->id, w->roles, w->attributes);
}

#endif

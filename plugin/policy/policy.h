/* policy: may this subject do that with this topic? A pure function of (rules, subject, access, topic): default deny,
 * deny beats allow. The text language is pullcord-policy(5).
 *
 * Loading makes one immutable block. Binding resolves a subject's roles and attribute values against it once, so that
 * deciding is a walk over the topic's levels with one hash look-up a step: the cost depends on the topic's depth, not on
 * the number of rules or subjects. Deciding allocates nothing, takes no lock and cannot fail; whatever is not
 * understood is denied. */
#ifndef PULLCORD_POLICY_H
#define PULLCORD_POLICY_H

#include "err.h"
#include "subject.h"
#include "topic.h"

#define POLICY_BYTES_MAX (16 << 20)

struct policy;
struct holder;

/* Where and why a text was refused: what was read there and what would be right. */
struct policy_error {
	uint32_t line, column;      /* from 1 */
	char text[256];
};

/* ERR_SYNTAX with *where filled in; ERR_TOO_LARGE; ERR_FULL. Copies the text. */
enum err policy_load(struct span text, struct policy **out, struct policy_error *where) MUST_USE;
void policy_close(struct policy **p);

/* The first 16 bytes of SHA-256 of the text: which policy decided, in every record. */
const uint8_t *policy_version(const struct policy *p);
struct span policy_tenant(const struct policy *p);
/* Seconds after which an idle subject of these roles is logged off (the least of its roles); 0: never. */
uint32_t policy_idle_s(const struct policy *p, const struct holder *h);
bool policy_has_role(const struct policy *p, struct span role);

struct policy_counts {
	uint32_t roles, rules, marks;   /* marks: life-critical lines */
};
struct policy_counts policy_count(const struct policy *p);
/* What is allowed to stand there but probably was not meant: roles without rules, rules that repeat another or can
 * never allow anything because of a deny, marks on topics nobody may publish. In order of lines. */
void policy_lint(const struct policy *p, void (*say)(void *ctx, uint32_t line, const char *text), void *ctx);

/* The subject may go away after the call; the holder must not outlive the policy. ERR_FULL. */
enum err policy_bind(const struct policy *p, const struct subject *s, struct holder **out) MUST_USE;
void holder_close(struct holder **h);

enum access { ACCESS_PUBLISH = 1, ACCESS_SUBSCRIBE = 2, ACCESS_RECEIVE = 4 };

enum why {
	WHY_NO_RULE,                /* default deny: no rule of a held role speaks of this topic */
	WHY_ALLOWED,                /* by the rule at `line` */
	WHY_DENIED,                 /* by the rule at `line` */
	WHY_NOT_HELD,               /* a filter is wider than what is granted by any one rule */
	WHY_SUSPENDED,
	WHY_GRAMMAR,                /* not a topic or filter of ours, or one beginning with '$' */
	WHY_COUNT
};

struct verdict {
	bool allow;
	bool life_critical;         /* the topic is marked so (for publish and receive) */
	enum why why;
	uint32_t line;              /* of the rule that decided; 0: none did */
};

/* `topic` is a parsed filter for ACCESS_SUBSCRIBE (granted only if one allow rule contains every topic it can match and
 * no deny rule meets it), else a parsed topic. h == NULL: nobody, denied. */
struct verdict policy_decide(const struct policy *p, const struct holder *h, enum access a, const struct topic *topic);
const char *why_text(enum why w);
const char *access_name(enum access a);

/* For people: every rule of the subject's roles that was considered, in order of lines, one call of `say` each with
 * what came of it; then what would have to change. Slow; never on the broker's thread. */
void policy_explain(const struct policy *p, const struct subject *s, enum access a, const struct topic *topic,
		    void (*say)(void *ctx, uint32_t line, const char *text), void *ctx);

#endif

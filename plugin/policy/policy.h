/* policy: may this subject do that with this topic? A pure function of (rules, subject, access, topic): default deny,
 * deny beats allow. The text language is pullcord-policy(5).
 *
 * Loading makes one immutable block. Binding resolves a subject's roles and attribute values against it once, so that
 * deciding is a walk over the topic's levels with one hash look-up a step: the cost depends on the topic's depth, not on
 * the number of rules or subjects. Deciding allocates nothing, takes no lock and cannot fail; whatever is not
 * understood is denied. */
#ifndef PULLCORD_POLICY_H
#define PULLCORD_POLICY_H

#include "cur.h"
#include "subject.h"
#include "topic.h"

#define POLICY_BYTES_MAX (64 << 20)     /* with everything it includes: a million rules */
#define POLICY_FILES_MAX 64             /* with the first */
#define POLICY_DEPTH_MAX 8              /* of includes in includes */

struct policy;
struct holder;

/* Where and why a text was refused: what was read there and what would be right. */
struct policy_error {
	uint32_t line, column;      /* from 1 */
	char file[256];             /* "": the text that was given; else the name of an included one */
	char text[256];
};

struct policy_file {
	struct span name, text;     /* the name as it may stand in a message */
};

/* Brings the file that `from` (its name) includes as `path`: relative, without "." and "..". Name and text must last
 * until the policy is loaded. */
struct policy_reader {
	enum err (*bring)(void *ctx, struct span from, struct span path, struct policy_file *out);
	void *ctx;
};

/* ERR_SYNTAX with *where filled in; ERR_TOO_LARGE; ERR_FULL. Copies the texts. policy_load(): a text that includes
 * nothing. */
enum err policy_load(struct span text, struct policy **out, struct policy_error *where) MUST_USE;
enum err policy_load_files(const struct policy_file *first, const struct policy_reader *reader, struct policy **out,
			   struct policy_error *where) MUST_USE;
void policy_close(struct policy **p);

/* Where a line of a verdict stands. Lines are counted through all files: the first file's are its own, those of included
 * ones go on from there in the order they are read. file "": the first. */
struct policy_place {
	struct span file;
	uint32_t line;
};
struct policy_place policy_place(const struct policy *p, uint32_t line);

/* The texts it was made of, in the order they were read; i < policy_count(p).files. Names are cut at 255 bytes. */
struct policy_file policy_source(const struct policy *p, uint32_t i);

/* The first 16 bytes of SHA-256 of the text: which policy decided, in every record. Of several texts, of their SHA-256
 * in the order they are read. */
const uint8_t *policy_version(const struct policy *p);
/* All 32 bytes of it. */
void policy_hash(const struct policy *p, uint8_t out[32]);
/* The first tenant: the house, whose administrators see to what is not one tenant's alone, such as the policy. */
struct span policy_tenant(const struct policy *p);
bool policy_has_tenant(const struct policy *p, struct span tenant);
/* In order of lines, the house first; i < policy_count(p).tenants. */
struct span policy_tenant_at(const struct policy *p, uint32_t i);
/* Whose all these roles are: of the first one there is; without one, the house's. */
struct span policy_tenant_of_roles(const struct policy *p, const struct span *role, size_t n);
/* Whose role it is; empty: there is no such role. */
struct span policy_role_tenant(const struct policy *p, struct span role);
/* Seconds after which an idle subject of these roles is logged off (the least of its roles); 0: never. */
uint32_t policy_idle_s(const struct policy *p, const struct holder *h);
bool policy_has_role(const struct policy *p, struct span role);
/* The tenant's role that was probably meant; empty: none is like it. */
struct span policy_role_near(const struct policy *p, struct span tenant, struct span role);

struct policy_counts {
	uint32_t tenants, roles, rules, marks, files;   /* marks: life-critical lines */
};
struct policy_counts policy_count(const struct policy *p);
/* Every role and whether one of `held` is or includes it; every rule that allows or denies, as it may be written. In
 * order of lines. */
void policy_each_role(const struct policy *p, const struct span *held, size_t n,
		      void (*say)(void *ctx, uint32_t line, struct span name, bool is_held), void *ctx);
/* That of a line of policy_each_rule(); false: no such rule stands there. */
bool policy_rule_text(const struct policy *p, uint32_t line, char *out, size_t cap);
void policy_each_rule(const struct policy *p, void (*say)(void *ctx, uint32_t line, const char *text), void *ctx);
/* What is allowed to stand there but probably was not meant: roles without rules; rules that others say, wherever they stand,
 * can never allow anything because of denies, or deny what nobody is allowed; denies that refuse whole subscriptions for a part
 * of them; subscriptions to more than one's own units, channels or patients; words that look like a person's number or name
 * (phi.h); marks on topics nobody may publish. A line whose comment begins with "meant:" is believed. In order of lines. */
void policy_lint(const struct policy *p, void (*say)(void *ctx, uint32_t line, const char *text), void *ctx);

/* The subject may go away after the call. After the policy's end the holder may be closed and nothing else. Roles that
 * may not come from the subject's address are not held, nor what only they include. ERR_FULL. */
enum err policy_bind(const struct policy *p, const struct subject *s, struct holder **out) MUST_USE;
void holder_close(struct holder **h);
/* Does the holder have that value of an attribute which rules speak of? */
bool policy_holds(const struct policy *p, const struct holder *h, struct attribute a);
/* Can `h` do all that `before` could, whatever that is? Of one policy; true when it holds the same roles and values, or more
 * and none of its roles denies anything. False when one of them is nobody. */
bool policy_keeps(const struct policy *p, const struct holder *before, const struct holder *h);

/* How many wrong passwords within which time keep whom out for how long: by one name from one address; by any names from
 * one address; by one name from anywhere. failures 0: never. What a policy does not say is 5 in 10m for 15m, 50 in 10m
 * for 15m, never. */
enum lockout_kind { LOCKOUT_PERSON, LOCKOUT_ADDRESS, LOCKOUT_ACCOUNT, LOCKOUT_KINDS };
struct policy_lockout {
	uint32_t failures, within_s, for_s;
};
/* LOCKOUT_KINDS of them, by kind. */
const struct policy_lockout *policy_lockout(const struct policy *p);

#define POLICY_NO_LIMIT UINT32_MAX

/* What a session of this holder may use. Of several roles that state a limit the most generous counts, each number for
 * itself; "no will" and "no retain" are denials: one role that says so is enough. All zero (nothing) for nobody. */
struct policy_limits {
	uint32_t rate_per_h, burst;     /* messages published */
	uint32_t bytes;                 /* of one payload */
	uint32_t sessions;              /* at one time */
	uint8_t qos;                    /* highest */
	bool will, retain;
};
struct policy_limits policy_limits(const struct policy *p, const struct holder *h);

enum access { ACCESS_PUBLISH = 1, ACCESS_SUBSCRIBE = 2, ACCESS_RECEIVE = 4, ACCESS_CONTROL = 8, ACCESS_GRANT = 16 };

enum why {
	WHY_NO_RULE,                /* default deny: no rule of a held role speaks of this topic */
	WHY_ALLOWED,                /* by the rule at `line` */
	WHY_DENIED,                 /* by the rule at `line` */
	WHY_NOT_HELD,               /* a filter is wider than what is granted by any one rule */
	WHY_SUSPENDED,
	WHY_GRAMMAR,                /* not a topic, filter or command of ours, or one beginning with '$' */
	WHY_QUARANTINED,            /* only what stands under `quarantine` counts, and no rule there speaks of this topic */
	WHY_FOREIGN,                /* another tenant's topic, and not a channel that one shares and the other has joined */
	WHY_COUNT
};

/* How much of a message goes on record. Denials are always recorded in full. */
enum policy_record { POLICY_RECORD_FULL, POLICY_RECORD_DIGEST, POLICY_RECORD_OFF, POLICY_RECORDS };

struct verdict {
	bool allow;
	bool life_critical;         /* the topic is marked so (for publish and receive) */
	enum policy_record record;  /* of the topic (for publish and receive) */
	enum why why;
	uint32_t line;              /* of the rule that decided; 0: none did */
};

/* `topic` is a parsed filter for ACCESS_SUBSCRIBE (granted only if one allow rule contains every topic it can match and
 * no deny rule meets it), else a parsed topic. h == NULL: nobody, denied. */
struct verdict policy_decide(const struct policy *p, const struct holder *h, enum access a, const struct topic *topic);

/* A topic as a policy sees it, looked at once for all who are asked about it: what does not depend on who asks is in it.
 * Borrows the topic's text. Prepared for ACCESS_SUBSCRIBE it answers for that alone, as it is a filter. */
struct policy_topic {
	const struct policy *policy;
	uint64_t key;               /* of that policy: another may come to lie where it was */
	bool filter, life_critical;
	enum policy_record record;
	uint32_t n;                 /* levels; 0: not understood */
	struct {
		struct span text;
		uint64_t hash;
		uint32_t word;      /* number in the policy; 0: no rule speaks of it */
		uint8_t kind;       /* enum step_kind */
	} level[TOPIC_LEVELS_MAX];
};
void policy_prepare(const struct policy *p, enum access a, const struct topic *topic, struct policy_topic *out);
struct verdict policy_decide_prepared(const struct policy *p, const struct holder *h, enum access a,
				      const struct policy_topic *topic);

/* "user.create" as levels, for policy_decide(), policy_explain() with ACCESS_CONTROL. ERR_SYNTAX, ERR_TOO_LARGE. */
enum err control_parse(struct span command, struct topic *out) MUST_USE;
struct verdict policy_control(const struct policy *p, const struct holder *h, struct span command);

/* May the holder hand that out, or take it back? A tenant none of whose rules speaks of granting lets whoever has the
 * command. A role only if nothing it includes is denied. */
struct verdict policy_grant_role(const struct policy *p, const struct holder *h, struct span role);
struct verdict policy_grant_attribute(const struct policy *p, const struct holder *h, struct attribute a);
struct verdict policy_grant_self(const struct policy *p, const struct holder *h);     /* about their own account at all */
/* "role/nurse", "attribute/unit/icu3", "self" as levels, for policy_decide() with ACCESS_GRANT. ERR_SYNTAX. */
enum err grant_parse(struct span text, struct topic *out) MUST_USE;

const char *policy_record_name(enum policy_record r);

const char *why_text(enum why w);
const char *access_name(enum access a);

/* For people: every rule of the subject's roles that was considered, in order of lines, one call of `say` each with
 * what came of it; then what would have to change. Slow; never on the broker's thread. */
void policy_explain(const struct policy *p, const struct subject *s, enum access a, const struct topic *topic,
		    void (*say)(void *ctx, uint32_t line, const char *text), void *ctx);

/* The same statements, words and comments in the house's columns. ERR_TOO_LARGE: `out` is too small, or a line has too
 * many words to be a policy's. */
#define POLICY_FORMAT_CAP(text_bytes, lines) ((text_bytes) + 160 * ((lines) + 1))
enum err policy_format(struct span text, struct put *out) MUST_USE;

#endif

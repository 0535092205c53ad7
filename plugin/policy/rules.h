/* rules: the texts of a policy as a list of roles and rules in order of lines. The language is pullcord-policy(5). */
#ifndef PULLCORD_RULES_H
#define PULLCORD_RULES_H

#include "network.h"
#include "pattern.h"
#include "sources.h"
#include "words.h"

#define RULES_IDLE_MAX_S (7 * 86400)
#define RULES_FAILURES_MAX 1000 /* before a lock-out */
#define RULES_REACH_MAX 64      /* roles one role brings by inclusion, with itself */
#define RULES_NETWORKS_MAX 64   /* of one role */
#define RULES_TENANTS_MAX 32

/* The subject's own ids are attributes nobody can be given: the first numbers are theirs. {user} is the id of a person,
 * {device} that of a device. {client} is a device's client id, which is its id; a person's is not known here, so a
 * person has none, and deny rules may not rely on it. */
enum own { OWN_USER, OWN_DEVICE, OWN_CLIENT, OWN_COUNT };
extern const char *const own_names[OWN_COUNT];

/* The first two belong to roles, the others to nobody. */
enum effect { EFFECT_ALLOW, EFFECT_DENY, EFFECT_MARK, EFFECT_RECORD, EFFECTS };

struct rule {
	uint32_t line, role;        /* role 0: none */
	enum effect effect;
	bool meant;                 /* its comment says that it is meant so */
	uint8_t accesses;           /* enum access bits, or'ed; of EFFECT_RECORD 1 << enum policy_record */
	struct span pattern;
};

/* What may be said once in a role. */
enum said { SAID_IDLE, SAID_RATE, SAID_SIZE, SAID_QOS, SAID_SESSIONS, SAID_WILL, SAID_RETAIN, SAID_COUNT };

struct role {
	struct span name;
	uint32_t tenant;
	uint32_t line, idle_s;      /* idle_s 0: never */
	uint32_t said[SAID_COUNT];  /* in which line; 0: not */
	struct policy_limits limits;
	uint32_t network, networks; /* the first, how many; none: from everywhere */
	uint32_t include, includes;
	uint32_t root[EFFECT_DENY + 1];     /* in the trie; 0: no rules */
	uint16_t reach;             /* roles held through it, with itself, at most */
	uint16_t depths;            /* a bit for each level at which a rule asks for an attribute */
	enum { LINK_NEW, LINK_OPEN, LINK_DONE } link;
};

struct tenant {
	struct span name;
	uint32_t line;
	uint32_t quarantine;        /* the role of the quarantined; 0: they may do nothing */
	uint32_t grants;            /* the first line about handing out; 0: none, nobody is limited in it */
	uint32_t shared, joined;    /* in the trie: others' channels their owners share with it, and those it joined */
};

/* One channel across tenants, as one of the two sides puts it: `share` by its owner, `join` by its guest. */
enum side { SIDE_OWNER, SIDE_GUEST, SIDES };

struct share {
	enum side side;
	uint32_t tenant;            /* that says it */
	uint32_t other;
	struct span channel, name;  /* of the other tenant */
	uint32_t line, column;      /* of the other tenant's name */
};

struct include {
	struct span name;
	uint32_t to, tenant, line, column;
};

/* Spans borrow from the texts; the arrays are the caller's, sized by rules_measure(). */
struct rules {
	struct tenant tenant[RULES_TENANTS_MAX + 1];    /* from 1: the first is the house */
	uint32_t tenants;
	struct words words;         /* words of patterns, names of tenants, roles and attributes */
	uint8_t *tenant_of;         /* by word: the tenant of that name; 0: none */
	uint32_t *role_of;          /* by word: the role of that name; 0: none */
	uint8_t *attribute_of;      /* by word: number of the attribute of that name, plus 1; 0: none */
	struct span attribute[TRIE_ATTRIBUTES];
	uint32_t attributes;
	struct role *role;          /* from 1 */
	struct rule *rule;
	struct include *include;
	struct network *network;
	struct share *share;
	struct source *source;
	uint32_t roles, n, includes, networks, shares, sources;
	struct policy_lockout lockout[LOCKOUT_KINDS];
	uint32_t lockout_line[LOCKOUT_KINDS];   /* 0: not said */
	bool lockout_meant[LOCKOUT_KINDS];      /* as in struct rule */
};

#define SHARE_LEVELS 4          /* TENANT/channel/NAME/# */

/* More than the texts can need: roles, rules, items of lists, levels of patterns; words is the sum of what has one. */
struct rules_size {
	size_t tenants, shares, roles, rules, items, levels, words;
};
struct rules_size rules_measure(const struct source *source, size_t n);

/* r->source: copied in by the caller. ERR_SYNTAX with *where filled in. */
enum err rules_read(struct rules *r, struct policy_error *where) MUST_USE;
/* Finds the roles and tenants the statements name; rules_read() ends with it. ERR_SYNTAX with *where filled in. */
enum err rules_link(struct rules *r, struct policy_error *where) MUST_USE;
/* line_refuse() for a line that was read before. */
enum err rules_refuse(const struct rules *r, uint32_t line, uint32_t column, struct policy_error *where, const char *text)
	MUST_USE;

/* The tenant of that name; 0: none. */
uint32_t rules_tenant(const struct rules *r, struct span name);
/* Is it the role of a tenant's quarantined, which nobody can be given? */
bool rules_is_quarantine(const struct rules *r, uint32_t role);
/* The role of that name; 0: none. */
uint32_t rules_role(const struct rules *r, struct span name);
/* Its number plus 1; 0: no rule speaks of it. */
uint32_t rules_attribute(const struct rules *r, struct span name);
bool rules_add_attribute(struct rules *r, struct span name);     /* false: there are TRIE_ATTRIBUTES others */
/* The role and those it includes, near ones first, into out[RULES_REACH_MAX]; how many. With an address: only those that
 * may come from there. More than fit: RULES_REACH_MAX + 1. */
size_t rules_closure(const struct rules *r, uint32_t role, const struct network *address, uint32_t *out);
/* The role and those of them that its holder holds too, wherever it is held from: none bound to networks. */
size_t rules_closure_anywhere(const struct rules *r, uint32_t role, uint32_t *out);
bool role_is_from(const struct rules *r, uint32_t role, const struct network *address);
/* The rule of that line, as rules_place() counts them; NULL: none stands there. */
const struct rule *rules_at(const struct rules *r, uint32_t line);
/* A rule's pattern, which was read before. */
struct pattern rule_pattern(const struct rule *rule);

struct policy_place rules_place(const struct rules *r, uint32_t line);
/* "line 12", "line 3 of wards/icu.policy" */
struct place_text {
	char text[96];
};
struct place_text rules_place_text(const struct rules *r, uint32_t line);

/* How a rule says accesses. */
#define ACCESS_WORDS 6
extern const struct access_word { const char *word; unsigned accesses; } access_words[ACCESS_WORDS];
/* "both"; "publish, receive"; "nothing". */
const char *accesses_name(unsigned accesses);
const char *effect_name(enum effect e);

#endif

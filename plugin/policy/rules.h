/* rules: the text of a policy as a list of roles and rules in order of lines. The language is pullcord-policy(5). */
#ifndef PULLCORD_RULES_H
#define PULLCORD_RULES_H

#include "trie.h"
#include "words.h"

#define RULES_IDLE_MAX_S (7 * 86400)

/* The subject's own ids are attributes nobody can be given: the first numbers are theirs. {user} is the id of a person,
 * {device} that of a device. {client} is a device's client id, which is its id; a person's is not known here, so a
 * person has none, and deny rules may not rely on it. */
enum own { OWN_USER, OWN_DEVICE, OWN_CLIENT, OWN_COUNT };
extern const char *const own_names[OWN_COUNT];

struct level {
	enum step_kind kind;
	struct span text;           /* the word, or the attribute without its braces */
};

struct pattern {
	uint32_t n;
	struct level level[TOPIC_LEVELS_MAX];
};

enum effect { EFFECT_ALLOW, EFFECT_DENY, EFFECT_MARK, EFFECTS };

struct rule {
	uint32_t line, role;        /* role 0: none, at top level */
	enum effect effect;
	unsigned accesses;          /* enum access bits, or'ed */
	struct span pattern;
};

struct role {
	struct span name;
	uint32_t line;
	uint32_t idle_line, idle_s; /* 0: never */
	uint32_t root[EFFECTS];     /* in the trie; 0: no rules */
};

/* Spans borrow from the text; the arrays are the caller's, sized by rules_measure(). */
struct rules {
	struct span tenant;
	uint32_t tenant_line;
	struct words words;         /* words of patterns, names of roles and attributes */
	uint32_t *role_of;          /* by word: the role of that name; 0: none */
	uint8_t *attribute_of;      /* by word: number of the attribute of that name, plus 1; 0: none */
	struct span attribute[TRIE_ATTRIBUTES];
	uint32_t attributes;
	struct role *role;          /* from 1 */
	struct rule *rule;
	uint32_t roles, n;
};

/* More than a text can need: lines (roles and rules), and levels of patterns. */
struct rules_size {
	size_t lines, levels;
};
struct rules_size rules_measure(struct span text);

/* ERR_SYNTAX with *where filled in. */
enum err rules_read(struct rules *r, struct span text, struct policy_error *where) MUST_USE;

/* Takes a pattern apart. NULL when well formed, else what is wrong with the level at *bad (bytes into the text). */
const char *pattern_read(struct span text, struct pattern *out, size_t *bad);
/* The role of that name; 0: none. */
uint32_t rules_role(const struct rules *r, struct span name);
/* Its number plus 1; 0: no rule speaks of it. */
uint32_t rules_attribute(const struct rules *r, struct span name);

/* "publish and subscribe": how a rule says these accesses. */
const char *accesses_name(unsigned accesses);
const char *effect_name(enum effect e);

/* A text from outside as it may stand in a message: in quotes, short, printable. */
struct quoted {
	char text[48];
};
struct quoted quote(struct span s);

#endif

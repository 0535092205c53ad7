/* pattern: what a rule is about, taken apart into levels: topics ("mercy/unit/{unit}/#"), commands ("user.*")
 * and what can be handed out ("role/nurse"). */
#ifndef PULLCORD_PATTERN_H
#define PULLCORD_PATTERN_H

#include "trie.h"

struct level {
	enum step_kind kind;
	struct span text;           /* the word, or the attribute without its braces */
};

struct pattern {
	uint32_t n;
	struct level level[TOPIC_LEVELS_MAX];
};

/* NULL when well formed, else what is wrong with the level at *bad (bytes into the text). */
const char *pattern_read(struct span text, struct pattern *out, size_t *bad);
/* The same for commands; a last '*' stands for one word or more. */
const char *pattern_read_command(struct span text, struct pattern *out, size_t *bad);
/* The same for what is handed out: role/NAME, attribute/NAME/VALUE, self. */
const char *pattern_read_grant(struct span text, struct pattern *out, size_t *bad);

#endif

/* pattern: what a rule is about, taken apart into levels: topics ("mercy/unit/{unit}/#") and commands ("user.*"). */
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

#endif

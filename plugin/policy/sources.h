/* sources: the texts a policy is made of: the one that was given, and those it includes. */
#ifndef PULLCORD_SOURCES_H
#define PULLCORD_SOURCES_H

#include "policy.h"

struct source {
	struct policy_file file;
	uint32_t from, depth;       /* which source includes it; the first is its own, at depth 0 */
	uint32_t base;              /* lines of the sources before: what its own line numbers are counted from */
};

struct sources {
	struct source source[POLICY_FILES_MAX];
	size_t n, bytes;
};

/* Brings everything that is included, and what that includes. ERR_SYNTAX with *where filled in; ERR_TOO_LARGE: more than
 * POLICY_BYTES_MAX in all. */
enum err sources_gather(struct sources *s, const struct policy_file *first, const struct policy_reader *reader,
			struct policy_error *where) MUST_USE;

#endif

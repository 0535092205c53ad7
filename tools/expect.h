/* expect: a file of what a policy is expected to decide, asked of the plugin's own matcher. The language is in
 * pullcord-policy(5):
 *
 *     user ana holds nurse, unit=icu3
 *       may subscribe    mercy/unit/icu3/alert/+/+
 *       may not publish  mercy/unit/all/broadcast
 *
 * Pure. */
#ifndef PULLCORD_EXPECT_H
#define PULLCORD_EXPECT_H

#include "policy.h"

#define EXPECT_BYTES_MAX (16 << 20)
#define EXPECT_ROLES_MAX 64
#define EXPECT_ATTRIBUTES_MAX 64

/* What came of one expectation. */
struct expect_answer {
	uint32_t line;              /* of the expectation */
	bool met;
	const char *text;           /* "ana may not publish mercy/x": what was expected */
	const char *but;            /* why it is not so; "" when met */
	uint32_t rule;              /* line of the rule that decided; 0: none did */
};

/* ERR_SYNTAX with *where filled in; ERR_FULL. */
enum err expect_run(const struct policy *p, struct span text, void (*say)(void *ctx, const struct expect_answer *a), void *ctx,
		    struct policy_error *where) MUST_USE;

#endif

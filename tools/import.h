/* import: what the readers of foreign access lists have in common: how a topic of theirs becomes a pattern of ours, what
 * is written, and what is said of the rest.
 *
 * One promise: what the imported policy allows, the original allowed. Where ours has no words for something, the import
 * is narrower, and says so with the line it stands in. */
#ifndef PULLCORD_IMPORT_H
#define PULLCORD_IMPORT_H

#include <stdio.h>

#include "policy.h"

#define IMPORT_BYTES_MAX (16 << 20)
#define IMPORT_ROLES_MAX 64             /* of one subject; as in the directory */

enum loss {
	LOSS_NONE,              /* decided as before; only worth knowing */
	LOSS_OUTSIDE,           /* about topics and people that cannot exist here */
	LOSS_NARROWER,          /* something that can be asked here was allowed, and is not any more */
	LOSSES
};
const char *loss_name(enum loss l);     /* "same" "outside" "narrower" */

struct import {
	struct span tenant;
	FILE *policy;                                                   /* the text goes there */
	void (*say)(void *ctx, uint32_t line, enum loss l, const char *text);
	void (*subject)(void *ctx, const struct subject *s);            /* who holds what now */
	void *ctx;
	size_t roles, rules, subjects, notes[LOSSES];
	struct span role;                                               /* begun, without a rule so far */
};

/* Each reads one format. ERR_SYNTAX with *where: the file is refused, as the broker refuses it; nothing was written.
 * ERR_RANGE: the tenant is no word. ERR_TOO_LARGE, ERR_FULL. */
enum err import_acl(struct import *im, struct span text, struct policy_error *where) MUST_USE;
enum err import_dynsec(struct import *im, struct span text, struct policy_error *where) MUST_USE;

/* ---- for the readers ---------------------------------------------------------------------------------------------- */

PRINTF_LIKE(4, 5) void import_note(struct import *im, uint32_t line, enum loss l, const char *fmt, ...);
void import_head(struct import *im, const char *from);
/* Written with its first rule; false from import_role_end(): it got none. */
void import_role(struct import *im, struct span name);
bool import_role_end(struct import *im);
void import_rule(struct import *im, const char *effect, const char *access, const char *pattern);
void import_subject(struct import *im, struct span id, const struct span *role, size_t roles, bool suspended);

/* Of a topic filter of MQTT: */
enum fit {
	FIT_SAME,               /* ours matches the same topics, of those there are here */
	FIT_DOLLAR,             /* it begins with '$' */
	FIT_TENANT,             /* it lies outside the tenant */
	FIT_NEVER,              /* no topic of our grammar matches it */
};

enum piece { PIECE_WORD, PIECE_PLUS, PIECE_HASH, PIECE_USER, PIECE_CLIENT, PIECE_PART };

/* A filter taken apart; the levels borrow. */
struct fitted {
	bool cut;               /* it was wider than the tenant */
	bool user, client;      /* %u, %c as whole levels */
	bool part;              /* %u or %c in a level with other letters, or as the first */
	uint32_t n;
	struct { enum piece piece; struct span text; } level[TOPIC_LEVELS_MAX];
};

#define FIT_TEXT_MAX (TOPIC_BYTES_MAX + 1)

/* `percent`: %u and %c mean something. */
enum fit fit_filter(struct span tenant, struct span filter, bool percent, struct fitted *out);
/* As text, with these in the places of %u and %c, and '+' for a part. FIT_NEVER: it is too long for any topic. */
enum fit fit_text(const struct fitted *f, const char *user, const char *client, char out[FIT_TEXT_MAX]);
/* Why it does not fit, for people. */
const char *fit_reason(enum fit fit);

#endif

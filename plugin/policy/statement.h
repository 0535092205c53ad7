/* statement: what one text of a policy says, statement by statement, into the rules. The language is pullcord-policy(5); each
 * statement is a row of a table, with its reader. Pure. */
#ifndef PULLCORD_STATEMENT_H
#define PULLCORD_STATEMENT_H

#include "rules.h"

/* The text of r->source[source]; after those before it. ERR_SYNTAX with *where filled in. */
enum err statements_read(struct rules *r, size_t source, struct policy_error *where) MUST_USE;

#endif

/* value: JSON (RFC 8259) as a tree that knows its lines, so that what is wrong with a file can be said where it stands.
 * Strict: no comments, no trailing commas, nothing after the value; texts are UTF-8 without NUL. One block. */
#ifndef PULLCORD_VALUE_H
#define PULLCORD_VALUE_H

#include "policy.h"

#define VALUE_DEPTH_MAX 32

enum value_kind { VALUE_NULL, VALUE_FALSE, VALUE_TRUE, VALUE_NUMBER, VALUE_TEXT, VALUE_ARRAY, VALUE_OBJECT };

struct value {
	enum value_kind kind;
	uint32_t line;                      /* where it begins, from 1 */
	struct span key;                    /* inside an object */
	struct span text;                   /* TEXT unescaped; NUMBER as written */
	const struct value *child, *next;    /* of ARRAY and OBJECT, in order */
};

/* ERR_SYNTAX with *where filled in; ERR_FULL. Copies. */
enum err value_load(struct span text, struct value **out, struct policy_error *where) MUST_USE;
void value_close(struct value **j);

/* The first member of that name, whatever the case of its letters (as Mosquitto's own reader looks for it). NULL when
 * there is none, or `j` is no object or NULL. */
const struct value *value_get(const struct value *j, const char *key);
/* value_get() of that kind, else NULL. */
const struct value *value_of(const struct value *j, const char *key, enum value_kind kind);
/* The text of a member; empty when it has none. */
struct span value_text(const struct value *j, const char *key);
bool value_true(const struct value *j, const char *key);
/* A number cut to whole and to the range of int; `otherwise` when it is none. */
int value_int(const struct value *j, const char *key, int otherwise);

#endif

/* json: RFC 8259 text as a tree that knows its lines, so that what is wrong with a file can be said where it stands.
 * Strict: no comments, no trailing commas, nothing after the value; texts are UTF-8 without NUL. One block. */
#ifndef PULLCORD_JSON_H
#define PULLCORD_JSON_H

#include "policy.h"

#define JSON_DEPTH_MAX 32

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_kind kind;
	uint32_t line;                      /* where it begins, from 1 */
	struct span key;                    /* inside an object */
	struct span text;                   /* TEXT unescaped; NUMBER as written */
	const struct json *child, *next;    /* of ARRAY and OBJECT, in order */
};

/* ERR_SYNTAX with *where filled in; ERR_FULL. Copies. */
enum err json_load(struct span text, struct json **out, struct policy_error *where) MUST_USE;
void json_close(struct json **j);

/* The first member of that name, whatever the case of its letters (as Mosquitto's own reader looks for it). NULL when
 * there is none, or `j` is no object or NULL. */
const struct json *json_get(const struct json *j, const char *key);
/* json_get() of that kind, else NULL. */
const struct json *json_of(const struct json *j, const char *key, enum json_kind kind);
/* The text of a member; empty when it has none. */
struct span json_text(const struct json *j, const char *key);
bool json_true(const struct json *j, const char *key);
/* A number cut to whole and to the range of int; `otherwise` when it is none. */
int json_int(const struct json *j, const char *key, int otherwise);

#endif

/* span: bytes somebody else owns. An all-zero span is empty. Text with a NUL is char *, bytes are spans. */
#ifndef PULLCORD_SPAN_H
#define PULLCORD_SPAN_H

#include <string.h>

#include "base.h"

struct span {
	const uint8_t *p;
	size_t n;
};

/* For printf("%.*s", SPAN_FMT(s)). */
#define SPAN_FMT(s) (int)(s).n, (const char *)(s).p
#define SPAN_LIT(text) ((struct span){ (const uint8_t *)(text), sizeof(text) - 1 })

static inline struct span span(const void *p, size_t n)
{
	return (struct span){ p, n };
}

/* NULL gives an empty span. */
static inline struct span span_str(const char *text)
{
	return text ? span(text, strlen(text)) : span(NULL, 0);
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_eq(a, span_str(text));
}

/* Memory order, the shorter first on a tie: below, at or above zero. */
int span_cmp(struct span a, struct span b);

/* Without blanks and tabs at both ends. */
struct span span_trim(struct span s);

/* Up to the first `sep`; *rest is what follows it (empty, with p == NULL, when there was none). */
struct span span_cut(struct span s, char sep, struct span *rest);

/* Copies into a char[cap] with a closing NUL. False, and an empty string, when it does not fit or holds a NUL. */
bool span_text(struct span s, char *out, size_t cap) MUST_USE;

/* Decimal digits only, at most `max`. False on anything else. */
bool span_u64(struct span s, uint64_t max, uint64_t *out) MUST_USE;

/* Well-formed UTF-8 without NUL, surrogates and overlong forms (Unicode 15, table 3-7). */
bool span_utf8(struct span s);

/* Lower-case hex. `out` holds 2 * n + 1 (encode) or n / 2 (decode; false on an odd length or other characters). */
void hex_encode(struct span s, char *out);
bool hex_decode(struct span text, uint8_t *out, size_t cap) MUST_USE;

#endif

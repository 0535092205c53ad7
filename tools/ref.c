#include "ref.h"

#include <stdio.h>

#include "crypt.h"

#define BOTH (ID_BYTES + REF_KEY_BYTES)
#define BOTH_TEXT 43            /* 32 bytes in base64 without its '=' */

static void translate(char *text, const char *from, const char *to)
{
	for (; *text; text++)
		for (size_t i = 0; from[i]; i++)
			if (*text == from[i]) {
				*text = to[i];
				break;
			}
}

void ref_write(const struct ref *r, char out[REF_TEXT])
{
	uint8_t both[BOTH];
	char text[4 * ((BOTH + 2) / 3) + 1];

	memcpy(both, r->id.b, ID_BYTES);
	memcpy(both + ID_BYTES, r->key, REF_KEY_BYTES);
	base64_encode(span(both, sizeof(both)), text);
	translate(text, "+/", "-_");
	snprintf(out, REF_TEXT, "%s/%s/%.*s", r->unit, r->device, BOTH_TEXT, text);
}

static bool read_both(struct span text, uint8_t both[BOTH])
{
	char plain[BOTH_TEXT + 2];

	if (text.n != BOTH_TEXT || !span_text(text, plain, sizeof(plain)) || strpbrk(plain, "+/"))
		return false;
	translate(plain, "-_", "+/");
	strcat(plain, "=");
	return base64_decode(span_str(plain), both, BOTH) == BOTH;
}

enum err ref_read(struct span text, struct ref *out)
{
	struct span device, both_text, unit = span_cut(text, '/', &device);
	struct ref r = { 0 };
	uint8_t both[BOTH];

	device = span_cut(device, '/', &both_text);
	if (!word_ok(unit) || !word_ok(device) || !read_both(both_text, both))
		return ERR_SYNTAX;
	must(span_text(unit, r.unit, sizeof(r.unit)) && span_text(device, r.device, sizeof(r.device)));
	memcpy(r.id.b, both, ID_BYTES);
	memcpy(r.key, both + ID_BYTES, REF_KEY_BYTES);
	*out = r;
	return OK;
}

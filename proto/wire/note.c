#include "note.h"

#define ED25519_TYPE 0x01
static const char dash[] = "\xe2\x80\x94 ";   /* em dash, blank */

static void key_id(struct span name, const uint8_t pub[SIGN_KEY_BYTES], uint8_t id[4])
{
	static const uint8_t mid[] = { '\n', ED25519_TYPE };
	uint8_t digest[SHA256_BYTES];

	SHA256(digest, name, span(mid, sizeof(mid)), span(pub, SIGN_KEY_BYTES));
	memcpy(id, digest, 4);
}

static bool name_ok(struct span s)
{
	if (s.n == 0 || s.n > ORIGIN_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '+')
			return false;
	return true;
}

enum err note_write(const struct checkpoint *c, const uint8_t secret[SIGN_KEY_BYTES], struct put *out)
{
	uint8_t pub[SIGN_KEY_BYTES], line[4 + SIGN_BYTES];
	char root[45], sig[93];
	size_t start = out->n;

	if (!name_ok(c->origin))
		return ERR_SYNTAX;
	base64_encode(span(c->root.b, SHA256_BYTES), root);
	put_fmt(out, "%.*s\n%llu\n%s\n", SPAN_FMT(c->origin), (unsigned long long)c->size, root);
	TRY(put_end(out));
	TRY(sign_public(secret, pub));
	key_id(c->origin, pub, line);
	TRY(sign_make(secret, span(out->p + start, out->n - start), line + 4));
	base64_encode(span(line, sizeof(line)), sig);
	put_fmt(out, "\n%s%.*s %s\n", dash, SPAN_FMT(c->origin), sig);
	return put_end(out);
}

/* The signature lines follow the last empty line. */
static enum err split(struct span note, struct span *body, struct span *lines)
{
	if (note.n > NOTE_BYTES_MAX)
		return ERR_TOO_LARGE;
	for (size_t i = note.n; i >= 2; i--) {
		if (note.p[i - 1] != '\n' || note.p[i - 2] != '\n')
			continue;
		*body = span(note.p, i - 1);
		*lines = span(note.p + i, note.n - i);
		return lines->n && note.p[note.n - 1] == '\n' ? OK : ERR_SYNTAX;
	}
	return ERR_SYNTAX;
}

enum err note_verify(struct span note, struct span name, const uint8_t pub[SIGN_KEY_BYTES], struct span *body)
{
	struct span text, lines, line, who, sig;
	uint8_t raw[4 + SIGN_BYTES], id[4];
	enum err e = ERR_KEY;

	TRY(split(note, &text, &lines));
	key_id(name, pub, id);
	while (lines.n) {
		line = span_cut(lines, '\n', &lines);
		if (line.n < sizeof(dash) - 1 || memcmp(line.p, dash, sizeof(dash) - 1) != 0)
			return ERR_SYNTAX;
		line = span(line.p + sizeof(dash) - 1, line.n - (sizeof(dash) - 1));
		who = span_cut(line, ' ', &sig);
		if (!span_eq(who, name) || base64_decode(sig, raw, sizeof(raw)) != (long)sizeof(raw) ||
		    memcmp(raw, id, sizeof(id)) != 0)
			continue;   /* somebody else's line */
		TRY(sign_check(pub, text, raw + 4));
		e = OK;
	}
	if (e == OK)
		*body = text;
	return e;
}

enum err note_open(struct span note, struct span origin, const uint8_t pub[SIGN_KEY_BYTES], struct checkpoint *out)
{
	struct checkpoint c;
	struct span body, rest, size;

	TRY(note_verify(note, origin, pub, &body));
	c.origin = span_cut(body, '\n', &rest);
	size = span_cut(rest, '\n', &rest);
	if (!span_eq(c.origin, origin) || !span_u64(size, UINT64_MAX, &c.size) || (size.n > 1 && size.p[0] == '0'))
		return ERR_SYNTAX;
	if (base64_decode(span_cut(rest, '\n', &rest), c.root.b, SHA256_BYTES) != SHA256_BYTES)
		return ERR_SYNTAX;
	*out = c;
	return OK;
}

enum err vkey_write(struct span name, const uint8_t pub[SIGN_KEY_BYTES], char *out, size_t cap)
{
	uint8_t raw[1 + SIGN_KEY_BYTES] = { ED25519_TYPE }, id[4];
	char b64[45], hash[9];
	struct put b = put(out, cap);

	if (!name_ok(name))
		return ERR_SYNTAX;
	key_id(name, pub, id);
	hex_encode(span(id, sizeof(id)), hash);
	memcpy(raw + 1, pub, SIGN_KEY_BYTES);
	base64_encode(span(raw, sizeof(raw)), b64);
	put_fmt(&b, "%.*s+%s+%s", SPAN_FMT(name), hash, b64);
	return put_end(&b);
}

enum err vkey_read(struct span text, struct span *name, uint8_t pub[SIGN_KEY_BYTES])
{
	uint8_t raw[1 + SIGN_KEY_BYTES], want[4], have[4];
	struct span rest, who = span_cut(text, '+', &rest), hash = span_cut(rest, '+', &rest);

	if (!name_ok(who) || hash.n != 8 || !hex_decode(hash, have, sizeof(have)) ||
	    base64_decode(rest, raw, sizeof(raw)) != (long)sizeof(raw) || raw[0] != ED25519_TYPE)
		return ERR_SYNTAX;
	key_id(who, raw + 1, want);
	if (memcmp(want, have, sizeof(want)) != 0)
		return ERR_KEY;
	memcpy(pub, raw + 1, SIGN_KEY_BYTES);
	*name = who;
	return OK;
}

#include "note.h"

enum key_type { ED25519_TYPE = 0x01, COSIGNATURE_TYPE = 0x04 };
static const char dash[] = "\xe2\x80\x94 ";   /* em dash, blank */

void note_key_id(struct span name, struct span typed_key, uint8_t id[NOTE_KEY_ID])
{
	uint8_t digest[SHA256_BYTES];

	SHA256(digest, name, SPAN_LIT("\n"), typed_key);
	memcpy(id, digest, NOTE_KEY_ID);
}

static void key_id(enum key_type type, struct span name, const uint8_t pub[SIGN_KEY_BYTES], uint8_t id[NOTE_KEY_ID])
{
	uint8_t typed[1 + SIGN_KEY_BYTES] = { (uint8_t)type };

	memcpy(typed + 1, pub, SIGN_KEY_BYTES);
	note_key_id(name, span(typed, sizeof(typed)), id);
}

void vkey_id(struct span name, const uint8_t pub[SIGN_KEY_BYTES], uint8_t id[NOTE_KEY_ID])
{
	key_id(ED25519_TYPE, name, pub, id);
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

enum err note_put_line(struct span name, struct span raw, struct put *out)
{
	if (!name_ok(name))
		return ERR_SYNTAX;
	put_fmt(out, "%s%.*s ", dash, SPAN_FMT(name));
	put_base64(out, raw);
	put_str(out, "\n");
	return put_end(out);
}

enum err note_sign(struct span text, struct span name, const uint8_t secret[SIGN_KEY_BYTES], struct put *out)
{
	uint8_t pub[SIGN_KEY_BYTES], line[NOTE_KEY_ID + SIGN_BYTES];

	if (!name_ok(name))
		return ERR_SYNTAX;
	TRY(sign_public(secret, pub));
	key_id(ED25519_TYPE, name, pub, line);
	TRY(sign_make(secret, text, line + NOTE_KEY_ID));
	return note_put_line(name, span(line, sizeof(line)), out);
}

enum err note_write(const struct checkpoint *c, const uint8_t secret[SIGN_KEY_BYTES], struct put *out)
{
	size_t start = out->n, end;
	char root[45];

	if (!name_ok(c->origin))
		return ERR_SYNTAX;
	base64_encode(span(c->root.b, SHA256_BYTES), root);
	put_fmt(out, "%.*s\n%llu\n%s\n", SPAN_FMT(c->origin), (unsigned long long)c->size, root);
	end = out->n;
	put_str(out, "\n");
	TRY(put_end(out));
	return note_sign(span(out->p + start, end - start), c->origin, secret, out);
}

/* The signature lines follow the last empty line. */
enum err note_split(struct span note, struct span *body, struct span *lines)
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

static enum err cut_line(struct span *lines, struct span *who, struct span *sig)
{
	struct span line = span_cut(*lines, '\n', lines);

	if (line.n < sizeof(dash) - 1 || memcmp(line.p, dash, sizeof(dash) - 1) != 0)
		return ERR_SYNTAX;
	*who = span_cut(span(line.p + sizeof(dash) - 1, line.n - (sizeof(dash) - 1)), ' ', sig);
	return OK;
}

bool note_next(struct span *lines, struct span *name, uint8_t key[NOTE_KEY_ID], uint8_t sig[SIGN_BYTES], bool *bad)
{
	uint8_t raw[NOTE_KEY_ID + SIGN_BYTES];
	struct span text;

	if (!lines->n)
		return false;
	*bad = cut_line(lines, name, &text) != OK || !name_ok(*name) ||
	       base64_decode(text, raw, sizeof(raw)) != (long)sizeof(raw);
	if (*bad)
		return false;
	memcpy(key, raw, NOTE_KEY_ID);
	memcpy(sig, raw + NOTE_KEY_ID, SIGN_BYTES);
	return true;
}

enum err note_next_line(struct span *lines, struct span name, const uint8_t id[NOTE_KEY_ID], uint8_t *raw, size_t n)
{
	struct span who, sig;

	while (lines->n) {
		TRY(cut_line(lines, &who, &sig));
		if (span_eq(who, name) && base64_decode(sig, raw, n) == (long)n && memcmp(raw, id, NOTE_KEY_ID) == 0)
			return OK;              /* others are somebody else's */
	}
	return ERR_NOT_FOUND;
}

enum err note_verify(struct span note, struct span name, const uint8_t pub[SIGN_KEY_BYTES], struct span *body)
{
	struct span text, lines;
	uint8_t raw[NOTE_KEY_ID + SIGN_BYTES], id[NOTE_KEY_ID];
	enum err e, found = ERR_KEY;

	TRY(note_split(note, &text, &lines));
	key_id(ED25519_TYPE, name, pub, id);
	while ((e = note_next_line(&lines, name, id, raw, sizeof(raw))) == OK) {
		TRY(sign_check(pub, text, raw + NOTE_KEY_ID));
		found = OK;
	}
	if (e != ERR_NOT_FOUND)
		return e;
	if (found == OK)
		*body = text;
	return found;
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

/* ---- cosignatures ---- */

#define COSIGNED_MAX (NOTE_BYTES_MAX + 64)
#define COSIGNATURE_BYTES (NOTE_KEY_ID + 8 + SIGN_BYTES)

/* What a cosignature signs. */
static enum err cosigned_text(struct span text, uint64_t time_s, struct put *out)
{
	put_fmt(out, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
	put_bytes(out, text);
	return put_end(out);
}

enum err note_cosign(struct span note, struct span name, const uint8_t secret[SIGN_KEY_BYTES], uint64_t time_s,
		     struct put *out)
{
	uint8_t pub[SIGN_KEY_BYTES], raw[COSIGNATURE_BYTES], text[COSIGNED_MAX];
	struct put line = put(raw, sizeof(raw)), what = put(text, sizeof(text));
	struct span body, lines;

	if (!name_ok(name) || time_s > INT64_MAX)
		return ERR_SYNTAX;
	TRY(note_split(note, &body, &lines));
	TRY(cosigned_text(body, time_s, &what));
	TRY(sign_public(secret, pub));
	key_id(COSIGNATURE_TYPE, name, pub, raw);
	line.n = NOTE_KEY_ID;
	put_u64(&line, time_s);
	TRY(sign_make(secret, put_span(&what), raw + line.n));
	return note_put_line(name, span(raw, sizeof(raw)), out);
}

enum err note_cosigned(struct span note, const struct cosigner *by, uint64_t *time_s)
{
	uint8_t raw[COSIGNATURE_BYTES], id[NOTE_KEY_ID], text[COSIGNED_MAX];
	enum err e, found = ERR_NOT_FOUND;
	struct span body, lines;
	uint64_t last = 0;

	TRY(note_split(note, &body, &lines));
	key_id(COSIGNATURE_TYPE, by->name, by->pub, id);
	while ((e = note_next_line(&lines, by->name, id, raw, sizeof(raw))) == OK) {
		struct put what = put(text, sizeof(text));
		struct cur c = cur(span(raw + NOTE_KEY_ID, 8));
		uint64_t when = cur_u64(&c);

		if (when > INT64_MAX)
			return ERR_KEY;
		TRY(cosigned_text(body, when, &what));
		TRY(sign_check(by->pub, put_span(&what), raw + NOTE_KEY_ID + 8));
		last = when > last ? when : last;
		found = OK;
	}
	if (e != ERR_NOT_FOUND)
		return e;
	if (found == OK)
		*time_s = last;
	return found;
}

/* ---- verifier keys ---- */

/* `shown` is `pub` itself, or the seed it comes from. */
static enum err key_write(enum key_type type, struct span name, const uint8_t pub[SIGN_KEY_BYTES],
			  const uint8_t shown[SIGN_KEY_BYTES], struct put *out)
{
	uint8_t raw[1 + SIGN_KEY_BYTES] = { (uint8_t)type }, id[NOTE_KEY_ID];
	char b64[45], hash[9];

	if (!name_ok(name))
		return ERR_SYNTAX;
	key_id(type, name, pub, id);
	hex_encode(span(id, sizeof(id)), hash);
	memcpy(raw + 1, shown, SIGN_KEY_BYTES);
	base64_encode(span(raw, sizeof(raw)), b64);
	put_fmt(out, "%.*s+%s+%s", SPAN_FMT(name), hash, b64);
	crypt_wipe(raw, sizeof(raw));
	crypt_wipe(b64, sizeof(b64));
	return put_end(out);
}

struct key_text {
	struct span name;
	uint8_t id[NOTE_KEY_ID], key[SIGN_KEY_BYTES];
};

static enum err key_parse(enum key_type type, struct span text, struct key_text *out)
{
	struct span rest, who = span_cut(text, '+', &rest), hash = span_cut(rest, '+', &rest);
	uint8_t raw[1 + SIGN_KEY_BYTES];

	if (!name_ok(who) || hash.n != 2 * NOTE_KEY_ID || !hex_decode(hash, out->id, sizeof(out->id)) ||
	    base64_decode(rest, raw, sizeof(raw)) != (long)sizeof(raw) || raw[0] != type)
		return ERR_SYNTAX;
	memcpy(out->key, raw + 1, SIGN_KEY_BYTES);
	crypt_wipe(raw, sizeof(raw));
	out->name = who;
	return OK;
}

static enum err key_read(enum key_type type, struct span text, struct span *name, uint8_t pub[SIGN_KEY_BYTES])
{
	struct key_text k;
	uint8_t want[NOTE_KEY_ID];

	TRY(key_parse(type, text, &k));
	key_id(type, k.name, k.key, want);
	if (memcmp(want, k.id, sizeof(want)) != 0)
		return ERR_KEY;
	memcpy(pub, k.key, SIGN_KEY_BYTES);
	*name = k.name;
	return OK;
}

enum err vkey_write(struct span name, const uint8_t pub[SIGN_KEY_BYTES], char *out, size_t cap)
{
	struct put b = put(out, cap);

	return key_write(ED25519_TYPE, name, pub, pub, &b);
}

enum err vkey_read(struct span text, struct span *name, uint8_t pub[SIGN_KEY_BYTES])
{
	return key_read(ED25519_TYPE, text, name, pub);
}

#define PRIVATE "PRIVATE+KEY+"

enum err skey_write(struct span name, const uint8_t secret[SIGN_KEY_BYTES], char *out, size_t cap)
{
	struct put b = put(out, cap);
	uint8_t pub[SIGN_KEY_BYTES];

	TRY(sign_public(secret, pub));
	put_str(&b, PRIVATE);
	return key_write(ED25519_TYPE, name, pub, secret, &b);
}

enum err skey_read(struct span text, struct span *name, uint8_t secret[SIGN_KEY_BYTES])
{
	size_t begin = sizeof(PRIVATE) - 1;
	uint8_t pub[SIGN_KEY_BYTES], want[NOTE_KEY_ID];
	struct key_text k;
	enum err e;

	if (text.n < begin || memcmp(text.p, PRIVATE, begin) != 0)
		return ERR_SYNTAX;
	TRY(key_parse(ED25519_TYPE, span(text.p + begin, text.n - begin), &k));
	e = sign_public(k.key, pub);
	key_id(ED25519_TYPE, k.name, pub, want);
	if (e == OK && memcmp(want, k.id, sizeof(want)) != 0)
		e = ERR_KEY;
	if (e == OK) {
		memcpy(secret, k.key, SIGN_KEY_BYTES);
		*name = k.name;
	}
	crypt_wipe(&k, sizeof(k));
	return e;
}

bool vkey_next(struct span *text, struct span *key, unsigned *line)
{
	struct span comment;

	while (text->n) {
		++*line;
		*key = span_trim(span_cut(span_cut(*text, '\n', text), '#', &comment));
		if (key->n)
			return true;
	}
	return false;
}

enum err cosigner_write(struct span name, const uint8_t pub[SIGN_KEY_BYTES], char *out, size_t cap)
{
	struct put b = put(out, cap);

	return key_write(COSIGNATURE_TYPE, name, pub, pub, &b);
}

enum err cosigner_read(struct span text, struct cosigner *out)
{
	return key_read(COSIGNATURE_TYPE, text, &out->name, out->pub);
}

#include "seal.h"

#define ENTRY_VERSION 1
#define ENTRY_HEAD 10           /* version, kind, segment, seq */

static const uint8_t nonce[AEAD_NONCE_BYTES];

static void read_control(struct cur *c, struct entry *e)
{
	struct span commitment;

	e->type = cur_u8(c);
	e->at_us = (int64_t)cur_u64(c);
	if (e->type == CONTROL_GENESIS)
		e->vkey = cur_take(c, c->left.n);
	if (e->type != CONTROL_SEGMENT_OPEN)
		return;
	e->segment = cur_u32(c);
	e->class = cur_u8(c);
	commitment = cur_take(c, SHA256_BYTES);
	if (!c->bad)
		memcpy(e->commitment, commitment.p, SHA256_BYTES);
}

enum err entry_read(struct span raw, struct entry *out)
{
	struct cur c = cur(raw);
	struct entry e = { 0 };
	uint8_t version = cur_u8(&c);

	e.kind = cur_u8(&c);
	if (c.bad)
		return ERR_SHORT;
	if (raw.n > ENTRY_BYTES_MAX)
		return ERR_TOO_LARGE;
	if (version != ENTRY_VERSION || (e.kind != ENTRY_SEALED && e.kind != ENTRY_CONTROL))
		return ERR_VERSION;
	if (e.kind == ENTRY_CONTROL) {
		read_control(&c, &e);
		if (!c.bad && e.type != CONTROL_GENESIS && e.type != CONTROL_SEGMENT_OPEN)
			return ERR_VERSION;
	} else {
		e.segment = cur_u32(&c);
		e.seq = cur_u32(&c);
		e.sealed = cur_take(&c, c.left.n);
		c.bad = c.bad || e.sealed.n < AEAD_TAG_BYTES;
	}
	TRY(cur_end(&c));
	*out = e;
	return OK;
}

void seal_init(struct seal *s, struct span origin)
{
	SHA256(s->origin, origin);
}

void segment_commitment(const struct segment_key *k, uint8_t out[SHA256_BYTES])
{
	HMAC256(out, span(k->b, sizeof(k->b)), SPAN_LIT("alog key commitment v1"));
}

void entry_write_genesis(int64_t at_us, struct span vkey, struct put *out)
{
	put_u8(out, ENTRY_VERSION);
	put_u8(out, ENTRY_CONTROL);
	put_u8(out, CONTROL_GENESIS);
	put_u64(out, (uint64_t)at_us);
	put_bytes(out, vkey);
}

void entry_write_segment(int64_t at_us, uint32_t segment, uint8_t class, const struct segment_key *k, struct put *out)
{
	uint8_t commitment[SHA256_BYTES];

	segment_commitment(k, commitment);
	put_u8(out, ENTRY_VERSION);
	put_u8(out, ENTRY_CONTROL);
	put_u8(out, CONTROL_SEGMENT_OPEN);
	put_u64(out, (uint64_t)at_us);
	put_u32(out, segment);
	put_u8(out, class);
	put_bytes(out, span(commitment, sizeof(commitment)));
}

/* `head` is entry[0..9]: its segment and seq make the key, all of it is bound to the ciphertext. */
static void record_key(const struct segment_key *k, const uint8_t head[ENTRY_HEAD], uint8_t key[AEAD_KEY_BYTES])
{
	HMAC256(key, span(k->b, sizeof(k->b)), SPAN_LIT("alog record v1"), span(head + 2, 8));
}

static void bind(const struct seal *s, const uint8_t head[ENTRY_HEAD], uint8_t aad[SHA256_BYTES + ENTRY_HEAD])
{
	memcpy(aad, s->origin, SHA256_BYTES);
	memcpy(aad + SHA256_BYTES, head, ENTRY_HEAD);
}

enum err entry_seal(const struct seal *s, const struct segment_key *k, uint32_t segment, uint32_t seq, struct span text,
		    struct put *out)
{
	uint8_t key[AEAD_KEY_BYTES], aad[SHA256_BYTES + ENTRY_HEAD];
	enum err e;

	if (text.n > ENTRY_BYTES_MAX - ENTRY_SEAL_EXTRA || out->cap - out->n < text.n + ENTRY_SEAL_EXTRA)
		return ERR_TOO_LARGE;
	must(out->n == 0);
	put_u8(out, ENTRY_VERSION);
	put_u8(out, ENTRY_SEALED);
	put_u32(out, segment);
	put_u32(out, seq);
	record_key(k, out->p, key);
	bind(s, out->p, aad);
	e = aead_seal(key, nonce, span(aad, sizeof(aad)), text, out->p + ENTRY_HEAD);
	crypt_wipe(key, sizeof(key));
	TRY(e);
	out->n += text.n + AEAD_TAG_BYTES;
	return put_end(out);
}

enum err entry_key(const struct segment_key *k, struct span raw, uint8_t key[AEAD_KEY_BYTES])
{
	struct entry entry;

	TRY(entry_read(raw, &entry));
	if (entry.kind != ENTRY_SEALED)
		return ERR_KIND;
	record_key(k, raw.p, key);
	return OK;
}

enum err entry_open_alone(const struct seal *s, const uint8_t key[AEAD_KEY_BYTES], struct span raw, struct put *text)
{
	uint8_t aad[SHA256_BYTES + ENTRY_HEAD];
	struct entry entry;

	TRY(entry_read(raw, &entry));
	if (entry.kind != ENTRY_SEALED)
		return ERR_KIND;
	if (text->cap - text->n < entry.sealed.n)
		return ERR_TOO_LARGE;
	bind(s, raw.p, aad);
	TRY(aead_open(key, nonce, span(aad, sizeof(aad)), entry.sealed, text->p + text->n));
	text->n += entry.sealed.n - AEAD_TAG_BYTES;
	return OK;
}

enum err entry_open(const struct seal *s, const struct segment_key *k, struct span raw, struct put *text)
{
	uint8_t key[AEAD_KEY_BYTES];
	enum err e = entry_key(k, raw, key);

	if (e == OK)
		e = entry_open_alone(s, key, raw, text);
	crypt_wipe(key, sizeof(key));
	return e;
}
